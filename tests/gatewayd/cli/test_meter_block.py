"""The entry of a meter that `scan` writes: it loads, and means what is configured."""

from __future__ import annotations

from datetime import time
from pathlib import Path
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewayd.cli.meter_block import _rows, meter_block, readable, short
from gatewayd.config import Config, MeterSettings, parse
from gatewayd.daemon import DRIVER_OPTIONS, SINK_OPTIONS
from gatewayd.model import LoadProfile, MeterObject
from gatewayd.obis import Obis

BASE = """\
gateway: {id: gw-1}
archive: {path: archive}
lines:
  cabin: {type: tcp, host: 127.0.0.1, port: 4059}
  gsm: {type: modem, device: /dev/ttyS0}
"""
FULL = """\
  - id: em-1
    driver: dlms
    line: cabin
    metering_type: B
    point: {eic: 27ZG600Z0424987D, ean: "859182400123456789"}
    ratio:
      - {ct: 200/5, vt: 22000/100, since: 2024-05-01}
      - {ct: 1/1, multiplier: 2.5, value_side: primary, since: 2026-01-01}
    dlms:
      transport: wrapper
      client: 1
      authentication: hls-gmac
      security: authenticated-encrypted
      system_title: "4D4D4D0000000001"
      meter_title: "4153432210395612"
      block_cipher_key_file: "keys: new/em 1.ek"
      authentication_key_env: AUTHENTICATION_KEY
      without: [general-block-transfer, multiple-references]
      set_clock: {max_shift_s: 60}
      push: {units: {"1-0:1.8.0": [Wh, 0]}, codes: ["", "1-0:1.7.0"], timeout_s: 30}
    jobs: [{registers: all, every: 1d}]
"""
PLAIN = "  - {id: em-2, driver: dlms, line: cabin, dlms: {transport: wrapper}, jobs: [{registers: all, every: 1d}]}\n"
CALLED = "  - {id: em-3, driver: dlms, line: gsm, phone: '+420601234589', jobs: [{registers: all, every: 1d}]}\n"


def configured(meter: str) -> MeterSettings:
    return loaded("meters:\n" + meter).meters[0]


def loaded(block: str) -> Config:
    return parse(BASE + block, "c.yaml", DRIVER_OPTIONS, SINK_OPTIONS)


def one(code: str, class_id: int = 3, meaning: str = "", word: str = "read") -> MeterObject:
    return MeterObject(class_id, 0, Obis.parse(code), meaning, ((1, "read"), (2, word)))


OBJECTS = (
    one("1-0:1.8.0"),
    one("1-0:2.8.0", word="read, write (authenticated)"),
    one("1-0:3.8.0", word="no access"),
    one("1-0:1.8.0*1"),
    one("1-0:1.6.0", 4),
    one("1-0:1.4.0", 5),
    one("0-1:24.2.1", 4),
    one("0-0:96.8.0"),
    one("0-0:42.0.0", 1),
    one("1-0:99.1.0", 7, "load profile 1"),
    one("0-0:99.98.0", 7, "event log"),
)


def test_what_is_configured_stays_and_the_jobs_are_those_of_the_objects() -> None:
    meter = configured(FULL)
    block = meter_block(meter, "35031234", OBJECTS)
    config = loaded(block)
    (found,) = config.meters
    assert found.options == meter.options
    assert (found.metering_type, found.point, found.ratio) == (meter.metering_type, meter.point, meter.ratio)
    assert (found.id, found.driver, found.line, found.serial) == ("em-1", "dlms", "cabin", "35031234")
    profile, *registers = found.jobs
    assert (profile.request, profile.at) == (LoadProfile(Obis.parse("1-0:99.1.0")), time(0, 20))
    assert [[str(obis) for obis in job.registers] for job in registers] == [
        ["1-0:1.8.0*255", "1-0:2.8.0*255"],
        ["1-0:1.6.0*255", "0-1:24.2.1*255"],
    ]
    assert [str(finding.message) for finding in config.warnings] == ["no meter uses this line"]


def test_how_it_looks() -> None:
    assert meter_block(configured(PLAIN), "", OBJECTS) == (
        "meters:\n"
        "  - id: em-2\n"
        "    driver: dlms\n"
        "    line: cabin\n"
        "    metering_type: C\n"
        "    dlms: {transport: wrapper}\n"
        "    jobs:\n"
        '      - {profile: 1-0:99.1.0, at: "00:20"}\n'
        "      - {registers: [1-0:1.8.0, 1-0:2.8.0], every: 15m}\n"
        '      - {registers: [1-0:1.6.0, 0-1:24.2.1], at: "00:05"}\n'
        "    # gatewayd profile em-2 1-0:99.1.0   load profile 1\n"
        "    # gatewayd profile em-2 0-0:99.98.0  event log\n"
    )


def test_addresses_come_first_and_keys_last() -> None:
    block = meter_block(configured(FULL), "", ())
    options = list(yaml.safe_load(block)["meters"][0]["dlms"])
    assert options[:2] == ["transport", "client"]
    assert options[-2:] == ["block_cipher_key_file", "authentication_key_env"]


def test_a_telephone_number_is_not_told() -> None:
    block = meter_block(configured(CALLED), "", OBJECTS)
    assert "60123" not in block
    assert "    # phone: as it is configured\n" in block


def test_what_is_not_repeated_is_told() -> None:
    more = "policy: {at: 03:00}, voltage: low, points: [{id: p, channels: [1-1]}], dlms:"
    block = meter_block(configured(PLAIN.replace("dlms:", more)), "", ())
    assert block.endswith("    # policy: as it is configured\n    # points: as they are configured\n")
    assert loaded(block).meters[0].voltage == "low"
    assert "#" not in meter_block(configured(PLAIN), "", ())


def test_no_energy_and_no_maximum() -> None:
    """A meter whose codes say nothing of the kind: all its registers; one without registers: no job."""
    (job,) = yaml.safe_load(meter_block(configured(PLAIN), "", [one("0-0:96.8.0")]))["meters"][0]["jobs"]
    assert job == {"registers": ["0-0:96.8.0"], "every": "15m"}
    assert "jobs" not in meter_block(configured(PLAIN), "", [one("0-0:42.0.0", 1)])


def test_a_register_of_which_the_meter_says_nothing_may_be_read() -> None:
    assert readable(MeterObject(3, 0, Obis.parse("1-0:1.8.0")))
    assert not readable(one("1-0:1.8.0", word="write"))


def test_short_codes() -> None:
    assert [short(Obis.parse(code)) for code in ("1.8.0", "1-0:1.8.0*5")] == ["1-0:1.8.0", "1-0:1.8.0*5"]


def test_many_registers_are_folded_within_the_line() -> None:
    codes = [f"1-0:{c}.8.{e}" for c in range(1, 9) for e in range(8)]
    block = meter_block(configured(PLAIN), "", [one(code) for code in codes])
    assert max(map(len, block.splitlines())) <= 104
    assert yaml.safe_load(block)["meters"][0]["jobs"][0]["registers"] == codes
    assert [str(obis) for obis in loaded(block).meters[0].jobs[0].registers] == [f"{code}*255" for code in codes]


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.sampled_from(
    ["00:05", "1e3", "yes", "null", "-", "a: b", "#", "4D4D4D0000BC614E", "1-0:1.8.0"]
)
SCALARS = TEXTS | st.integers() | st.booleans()
VALUES = SCALARS | st.lists(SCALARS, max_size=40) | st.dictionaries(TEXTS, SCALARS | st.lists(SCALARS), max_size=4)


@settings(max_examples=150)
@given(st.dictionaries(TEXTS, VALUES | st.lists(st.dictionaries(TEXTS, VALUES, max_size=3), max_size=3), max_size=4))
def test_any_entry_is_read_as_it_was_meant(entry: dict[str, Any]) -> None:
    assert yaml.safe_load("\n".join(_rows(entry, 0))) == (entry or None)


def test_files_of_secrets_are_named_and_not_read(tmp_path: Path) -> None:
    key = tmp_path / "em.key"
    key.write_text("000102030405060708090A0B0C0D0E0F", encoding="utf-8")
    meter = FULL.replace('"keys: new/em 1.ek"', str(key))
    assert "0001020304" not in meter_block(configured(meter), "", OBJECTS)
    assert str(key) in meter_block(configured(meter), "", OBJECTS)
