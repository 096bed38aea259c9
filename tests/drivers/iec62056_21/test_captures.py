"""Readouts of real meters: every data set, in order, as it came. The captures lie beside the repository.

What the package finds is compared with an extraction of a few lines that knows nothing of it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.iec62056_21.readings import readings, serial_numbers, telegram_faults
from drivers.iec62056_21.vendors import choose
from drivers.iec62056_21.wire.dataset import parse_data_block
from drivers.iec62056_21.wire.telegram import Check, Telegram
from gatewayd.model import Flag, Kind, RawStatus, Reading
from gatewayd.obis import Obis
from tests.drivers.iec62056_21.conversation import (
    CAPTURES,
    IDENTIFICATION,
    OPTION,
    SIGN_ON,
    Hears,
    Said,
    examples,
    in_pieces,
    read,
)

pytestmark = [
    pytest.mark.capture,
    # A user's clone does not have them; continuous integration has to.
    pytest.mark.skipif(not CAPTURES.exists() and "CI" not in os.environ, reason="no captures beside the repository"),
]


@dataclass(frozen=True, slots=True)
class Expected:
    """What is known of a capture: the verdict, and how many data sets a person counts in it."""

    check: Check
    sets: int
    brackets: int
    identification: bytes = IDENTIFICATION


EXPECTED = {
    "dsmr_parser_telegram_fluvius_v171": Expected(Check.RIGHT, 36, 50),
    "dsmr_parser_telegram_unpadded_crc": Expected(Check.RIGHT, 8, 9),
    "dsmr_parser_telegram_v4_2": Expected(Check.RIGHT, 33, 41),
    "dsmr_parser_telegram_v5": Expected(Check.RIGHT, 37, 39),
    "dsmr_parser_telegram_v5_eon_hu": Expected(Check.RIGHT, 45, 64),
    "easymeter_q3da_modeD": Expected(Check.NONE_DEFINED, 5, 5),
    "emh_ehz_modeD": Expected(Check.NONE_DEFINED, 4, 4),
    "iskra_mt174_15months_echo": Expected(Check.RIGHT, 343, 405),
    "itron_ace3000_modeE": Expected(Check.CUT_SHORT, 5, 5),
    "itron_em214": Expected(Check.CUT_SHORT, 21, 21),
    "lg_d0end": Expected(Check.BCC_WRONG, 51, 51, b"/LUGCUH50\r\n"),
    "lg_ultraheat_uh50": Expected(Check.BCC_WRONG, 50, 50, b"/LUGCUH50\r\n"),
}

READ_AT = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def capture(name: str) -> bytes:
    return (CAPTURES / f"{name}.bin").read_bytes()


def extract(data: bytes) -> list[tuple[str, list[str]]]:
    """Codes and brackets, character by character, from the first line of data on."""
    word, inside = "", False
    found: list[tuple[str, list[str]]] = []
    for char in data[data.index(b"\x02") + 1 if b"\x02" in data else data.index(b"\n") :].decode("latin-1"):
        if char == "(":
            if word:
                found.append((word, []))
            word, inside = "", True
        elif char == ")":
            found[-1][1].append(word)
            word, inside = "", False
        else:
            word = word + char if inside or char > " " else ""
    return found


def telegram_of(name: str, cuts: list[int] | None = None) -> Telegram:
    """As a session sees the capture: pushed, or in answer to the acknowledgement."""
    data, cuts = capture(name), cuts or []
    if data.startswith(b"/"):
        return read(mode="D", start_baud=115200, pushed=in_pieces(data, cuts, 1001.0))
    known = EXPECTED[name]

    def hear(heard: bytes, at: float, baud: int) -> list[Said]:
        if heard == SIGN_ON:
            # The heat meter is one of mode B: it sends unasked.
            rest = data if known.identification != IDENTIFICATION else b""
            return in_pieces(known.identification + rest, cuts, at + 0.3)
        return in_pieces(data, cuts, at + 0.3) if heard == OPTION else []

    meter: Hears = hear
    return read(meter)


def readings_of(name: str) -> tuple[Reading, ...]:
    telegram = telegram_of(name)
    vendor = choose("auto", str(telegram.identification or ""))
    faults = telegram_faults(telegram, 0)
    return readings(telegram, faults, meter="em-1", at=READ_AT, zone=ZoneInfo("Europe/Prague"), vendor=vendor)


def named(name: str, code: str) -> Reading:
    (reading,) = [reading for reading in readings_of(name) if reading.obis_raw == code]
    return reading


def test_the_captures_are_there_and_every_one_is_expected() -> None:
    assert sorted(path.stem for path in CAPTURES.glob("*.bin")) == sorted(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_every_data_set_in_order_as_it_came(name: str) -> None:
    telegram = telegram_of(name)
    found = parse_data_block(telegram.data)
    independent = extract(capture(name))
    assert [(dataset.code, [value.whole for value in dataset.values]) for dataset in found.sets] == independent
    assert found.remains == ()
    assert len(independent) == EXPECTED[name].sets
    assert sum(len(brackets) for _, brackets in independent) == EXPECTED[name].brackets
    assert telegram.check is EXPECTED[name].check


@pytest.mark.parametrize("name", EXPECTED)
def test_every_reading_in_order_as_it_came(name: str) -> None:
    found = readings_of(name)
    independent = extract(capture(name))
    assert [reading.obis_raw for reading in found] == [code for code, _ in independent]
    for reading, (code, brackets) in zip(found, independent, strict=True):
        assert reading.raw == (code + "".join(f"({text})" for text in brackets)).encode("latin-1")
        whole = f"{reading.raw_text}*{reading.unit}" if reading.unit else reading.raw_text
        assert whole in brackets
        assert len(reading.more) == len(brackets) - 1
        assert sorted([whole, *reading.more]) == sorted(brackets)


@pytest.mark.parametrize("name", EXPECTED)
def test_the_status_of_every_reading(name: str) -> None:
    found = readings_of(name)
    flag = {Check.BCC_WRONG: Flag.BCC_FAILED, Check.CUT_SHORT: Flag.TRUNCATED}.get(EXPECTED[name].check)
    for reading in found:
        if flag is not None:
            assert (reading.status, reading.flags) == (RawStatus.DISTORTED, flag)
        elif reading.raw.endswith(b"()"):
            assert (reading.status, reading.flags) == (RawStatus.MISSING, Flag.NO_VALUE)
        else:
            assert reading.status is RawStatus.TRUE


@pytest.mark.parametrize("name", EXPECTED)
def test_byte_by_byte_gives_the_same_as_whole(name: str) -> None:
    assert telegram_of(name, list(range(len(capture(name))))) == telegram_of(name)


@pytest.mark.parametrize("name", EXPECTED)
@given(cuts=st.lists(st.integers(1, 1400), max_size=30))
@examples(5)
def test_chunks_change_nothing(name: str, cuts: list[int]) -> None:
    assert telegram_of(name, cuts) == telegram_of(name)


def test_iskra_mt174() -> None:
    """Fifteen months of history behind the echo of the acknowledgement."""
    name = "iskra_mt174_15months_echo"
    assert capture(name).startswith(OPTION + b"\x02")
    assert telegram_of(name).data.startswith(b"1-0:0.9.1*255(201455)\r\n")
    energy = named(name, "1-0:1.8.0*255")
    assert (energy.raw_text, energy.unit, energy.obis) == ("0008048.375", "kWh", Obis(1, 0, 1, 8, 0))
    assert str(energy.value) == "8048.375"
    maximum = named(name, "1-0:1.6.0*255")
    assert (maximum.raw_text, maximum.unit, maximum.kind) == ("02.468", "kW", Kind.MAXIMUM)
    assert maximum.at == datetime(2017, 3, 10, 8, 30, tzinfo=UTC)
    assert named(name, "1-0:0.9.2*255").raw_text == "0170318"
    assert {reading.obis.f for reading in readings_of(name) if reading.obis is not None} == {255, *range(1, 16)}
    assert serial_numbers(readings_of(name))[0] == "63355730"


def test_itron_em214() -> None:
    assert (named("itron_em214", "31.7.0").raw_text, named("itron_em214", "31.7.0").unit) == ("+000.8", "A")
    assert named("itron_em214", "0.2.0").raw_text == "V01.69#EEA3546C"
    assert named("itron_em214", "C.13.21").unit == "secs"


@pytest.mark.parametrize("name", ["lg_ultraheat_uh50", "lg_d0end"])
def test_landis_gyr_heat_meter(name: str) -> None:
    energy = named(name, "6.8")
    assert (energy.raw_text, energy.unit, energy.obis) == ("0029.055", "MWh", Obis(6, 0, 6, 8))
    assert named(name, "9.4").raw_text == "088*C&082*C"
    assert named(name, "9.36").raw_text == "2017-01-18&01:36:47"
    assert named(name, "F").obis is None
    assert named(name, "6.8.1").raw_text == ""


def test_easymeter_seven_decimals() -> None:
    assert str(named("easymeter_q3da_modeD", "1-0:1.8.0*255").value) == "504.9023619"


def test_p1_gas_and_peak() -> None:
    gas = named("dsmr_parser_telegram_v4_2", "0-1:24.2.1")
    assert (gas.raw_text, gas.unit, gas.at) == ("00981.443", "m3", datetime(2016, 11, 29, 19, tzinfo=UTC))
    peak = named("dsmr_parser_telegram_fluvius_v171", "1-0:1.6.0")
    assert (peak.raw_text, peak.kind) == ("02.589", Kind.MAXIMUM)
    assert peak.at == datetime(2020, 5, 9, 11, 45, 58, tzinfo=UTC)
    assert capture("dsmr_parser_telegram_unpadded_crc").rstrip().endswith(b"!B9F")


@pytest.mark.parametrize("name", [name for name in EXPECTED if EXPECTED[name].check is Check.RIGHT])
def test_one_changed_digit_is_seen(name: str) -> None:
    data = capture(name)
    place = data.index(b"(0") + 1
    changed = data[:place] + b"1" + data[place + 1 :]
    if data.startswith(b"/"):
        telegram = read(mode="D", start_baud=115200, pushed=[Said(1001.0, changed)])
        assert telegram.check is Check.CRC_WRONG
    else:
        answers = {SIGN_ON: IDENTIFICATION, OPTION: changed}
        telegram = read(lambda heard, at, baud: [Said(at + 0.3, answers[heard])])
        assert telegram.check is Check.BCC_WRONG
    assert len(parse_data_block(telegram.data).sets) == EXPECTED[name].sets
