"""Every model that a vendor profile names and a vector shows: bytes of that meter, and what has to come of them.

Expected values stand in tests/vectors/iec62056_21/models and were worked out by hand. Recordings of real meters are
read where they lie, beside the repository.
"""

from __future__ import annotations

import os
from collections import Counter
from datetime import UTC, datetime
from typing import Literal
from zoneinfo import ZoneInfo

import pytest
import yaml

from drivers.iec62056_21.intervals import table_readings
from drivers.iec62056_21.readings import readings, telegram_faults
from drivers.iec62056_21.vendors import AUTO, GENERIC, Vendor, choose, vendors
from drivers.iec62056_21.wire.framing import ETX, STX, find_identification
from drivers.iec62056_21.wire.telegram import Telegram, read_block, read_push
from gatewayd.model import Flag, Profile, RawStatus, Reading
from gatewayd.obis import Obis
from gatewayd.options import Options
from tests.drivers.iec62056_21.conversation import CAPTURES, VECTORS, block

PRAGUE = ZoneInfo("Europe/Prague")
READ_AT = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


class Expected(Options):
    """One reading. What is not said is the default: a true register without a unit, at the time of reading."""

    code: str
    obis: str | None
    text: str
    kind: Literal["register", "interval", "maximum", "event"] | None = None
    unit: str = ""
    at: datetime = READ_AT
    status: Literal["true", "distorted", "missing"] = "true"
    flags: tuple[str, ...] = ()
    interval_s: int | None = None
    more: tuple[str, ...] | None = None


class Asked(Options):
    """The window of a profile or log."""

    obis: str
    start: datetime
    end: datetime


class Vector(Options):
    """Bytes of one model: lines that were laid out by hand, or the name of a recording."""

    model: str
    identification: str = ""
    evidence: Literal["readout", "profile", "log"]
    kind: Literal["capture", "manual"]
    source: str
    capture: str = ""
    sent: tuple[str, ...] = ()
    request: Asked | None = None
    count: int
    readings: tuple[Expected, ...]


def load() -> list[tuple[str, Vector]]:
    """Profile and vector, in the order of the files."""
    return [
        (path.stem, Vector.model_validate(vector))
        for path in sorted((VECTORS / "models").glob("*.yaml"))
        for vector in yaml.safe_load(path.read_text(encoding="utf-8"))
    ]


ALL = load()


def cases() -> list[object]:
    marks = [
        pytest.mark.capture,
        # A user's clone does not have them; continuous integration has to.
        pytest.mark.skipif(
            not CAPTURES.exists() and "CI" not in os.environ, reason="no captures beside the repository"
        ),
    ]
    numbers: Counter[str] = Counter()
    found: list[object] = []
    for profile, vector in ALL:
        name = f"{profile}-{vector.evidence}"
        numbers[name] += 1
        found.append(
            pytest.param(profile, vector, id=f"{name}-{numbers[name]}", marks=marks if vector.kind == "capture" else [])
        )
    return found


def lines(vector: Vector) -> bytes:
    return "".join(f"{line}\r\n" for line in vector.sent).encode("ascii")


def recorded(vector: Vector) -> Telegram:
    """A recording as the session hands it on: pushed, or a block with what the line put before it."""
    data = (CAPTURES / f"{vector.capture}.bin").read_bytes()
    if data.startswith(b"/"):
        pushed = find_identification(data)
        assert pushed is not None
        assert str(pushed[0]) == vector.identification
        return read_push(data, pushed[0])
    start = data.index(STX)
    etx = data.find(ETX, start)
    return read_block(data[start:] if etx < 0 else data[start : etx + 2], None)


def understood(profile: str, vector: Vector) -> tuple[Reading, ...]:
    vendor = chosen(profile, vector)
    if vector.request is None:
        telegram = recorded(vector) if vector.capture else read_block(laid_out(vector), None)
        faults = telegram_faults(telegram, 0)
        return readings(telegram, faults, meter="em-1", at=READ_AT, zone=PRAGUE, vendor=vendor)
    obis = Obis.parse(vector.request.obis)
    (table,) = [table for table in vendor.tables if Obis.parse(table.code, vendor.medium) == obis]
    assert table.kind == vector.evidence
    result = table_readings(
        lines(vector),
        (),
        meter="em-1",
        request=Profile(obis, vector.request.start, vector.request.end),
        table=table,
        vendor=vendor,
        clock=vendor.clock,
        zone=PRAGUE,
        at=READ_AT,
    )
    return result.readings


def chosen(profile: str, vector: Vector) -> Vendor:
    """By the identification where the profile goes by one, else by name."""
    vendor = choose(AUTO if vector.identification else profile, vector.identification)
    assert vendor.name == profile
    return vendor


def laid_out(vector: Vector) -> bytes:
    """A whole block; the check character is computed by the tests, not by the package."""
    *data, last = vector.sent
    assert last.endswith("!")
    body = "".join(f"{line}\r\n" for line in [*data, last[:-1]] if line)
    return block(body.encode("ascii"))


@pytest.mark.parametrize(("profile", "vector"), cases())
def test_what_a_meter_sends_becomes_what_it_means(profile: str, vector: Vector) -> None:
    found = understood(profile, vector)
    assert len(found) == vector.count
    left = list(found)
    for expected in vector.readings:
        places = [i for i, reading in enumerate(left) if (reading.obis_raw, reading.at) == (expected.code, expected.at)]
        assert places, f"{expected.code} of {expected.at} did not come, or not in this order"
        reading = left[places[0]]
        left = left[places[0] + 1 :]
        assert (str(reading.obis) if reading.obis is not None else None) == expected.obis
        assert reading.raw_text == expected.text
        assert reading.unit == expected.unit
        assert reading.status is RawStatus[expected.status.upper()]
        assert reading.flags == Flag.from_texts(expected.flags)
        assert reading.kind.value == (expected.kind or ("interval" if vector.evidence == "profile" else "register"))
        assert reading.interval_s == expected.interval_s
        if expected.more is not None:
            assert reading.more == expected.more


@pytest.mark.parametrize(("profile", "vector"), cases())
def test_a_vector_is_whole(profile: str, vector: Vector) -> None:
    vendor = vendors()[profile]
    assert vector.model in vendor.models
    assert vector.source.strip()
    assert bool(vector.capture) == (vector.kind == "capture") != bool(vector.sent)
    assert bool(vendor.identification) == bool(vector.identification)
    assert (vector.request is None) == (vector.evidence == "readout")
    assert vector.readings
    if vector.capture:
        assert vector.capture in vector.source
        assert any("capture" in source for source in vendor.sources)


@pytest.mark.capture
@pytest.mark.skipif(not CAPTURES.exists() and "CI" not in os.environ, reason="no captures beside the repository")
def test_every_recording_but_two_is_a_vector() -> None:
    """Left out: the port of a heat network, which `generic` reads, and a second recording of the UH50."""
    used = {vector.capture for _, vector in ALL if vector.capture}
    recordings = {path.stem for path in CAPTURES.glob("*.bin")}
    assert recordings - used == {"dsmr_parser_telegram_unpadded_crc", "lg_d0end"}


@pytest.mark.parametrize(
    ("profile", "vector"),
    [
        (profile, vector)
        for profile, vector in ALL
        if any("power_down" in expected.flags for expected in vector.readings)
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_without_its_profile_a_status_word_distorts(profile: str, vector: Vector) -> None:
    """The generic profile explains no bit: it must never make a power failure of one."""
    assert vector.request is not None
    if vector.evidence == "log":
        return
    vendor = vendors()[GENERIC]
    obis = Obis.parse(vector.request.obis)
    found = table_readings(
        lines(vector),
        (),
        meter="em-1",
        request=Profile(obis, vector.request.start, vector.request.end),
        table=vendor.tables[0],
        vendor=vendor,
        clock=vendor.clock,
        zone=PRAGUE,
        at=READ_AT,
    ).readings
    failed = {expected.at for expected in vector.readings if "power_down" in expected.flags}
    for reading in found:
        if reading.at in failed:
            assert (reading.status, reading.flags) == (RawStatus.DISTORTED, Flag.STATUS_UNKNOWN)
