"""What the archive knew last of a meter: the newest of each register in the newest segments, damage passed over."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from gatewayd.archive.last_seen import newest_registers, newest_serials
from gatewayd.archive.neighbours import BY_HAND
from gatewayd.archive.records import Entry
from gatewayd.archive.segments import segment_path
from gatewayd.model import DIRECT, Kind, Reading
from tests.gatewayd.archive.samples import START, entry, exchange, opened, reading

EVER = timedelta(days=1)


def filled(folder: Path, *segments: tuple[Entry, ...]) -> None:
    async def run() -> None:
        with opened(folder) as store:
            for number, entries in enumerate(segments):
                if number:
                    await store.seal()
                for one in entries:
                    await store.append(one)

    asyncio.run(run())


def of(meter: str, serial: str, *readings: Reading) -> Entry:
    return Entry(exchange(meter=meter), readings, (DIRECT,) * len(readings), serial)


def texts(folder: Path, meter: str = "em-1001") -> list[tuple[str, str]]:
    return [(one.reading.code, one.reading.raw_text) for one in newest_registers(folder, meter)]


def test_the_newest_of_each_register(tmp_path: Path) -> None:
    filled(
        tmp_path,
        (entry(reading(1), reading(2, code="2.8.0")), entry(reading(3), reading(4, kind=Kind.INTERVAL, code="1.29.0"))),
        (entry(reading(5)), of("em-2", "7", reading(9, meter="em-2"))),
    )
    assert texts(tmp_path) == [
        ("1-0:2.8.0*255", "0000002.375"),
        ("1-0:1.8.0*255", "0000003.375"),
        ("1-0:1.8.0*255", "0000005.375"),
    ]
    assert texts(tmp_path, "em-2") == [("1-0:1.8.0*255", "0000009.375")]
    assert texts(tmp_path, "em-3") == []


def test_newest_is_by_the_instant_of_the_reading(tmp_path: Path) -> None:
    """A gateway's clock may have been set back since: then an older number serves as well."""
    filled(tmp_path, (entry(reading(1, at=START + EVER)), entry(reading(2, at=START))))
    assert texts(tmp_path) == [("1-0:1.8.0*255", "0000001.375")]


def test_the_last_serial_number(tmp_path: Path) -> None:
    filled(
        tmp_path,
        (of("em-1001", "1", reading(1)),),
        (of("em-1001", "3", reading(2)), of("em-1001", "2", reading(3)), of("em-1001", "", reading(4))),
    )
    assert newest_serials(tmp_path) == {"em-1001": "2"}


def test_the_serial_number_of_a_reading_by_hand_is_not_that_of_the_meter(tmp_path: Path) -> None:
    """It may be of the meter that was there before, entered when another one is."""
    old = replace(of("em-1001", "1", reading(2)).exchange, line=BY_HAND)
    late = Entry(old, (reading(2),), (DIRECT,), "1")
    filled(tmp_path, (of("em-1001", "2", reading(1)),), (late,))
    assert newest_serials(tmp_path) == {"em-1001": "2"}


def test_two_segments_are_looked_at_and_no_more(tmp_path: Path) -> None:
    filled(tmp_path, (entry(reading(1)),), (entry(reading(2, code="2.8.0")),), (entry(reading(3, code="3.8.0")),))
    assert [code for code, _ in texts(tmp_path)] == ["1-0:2.8.0*255", "1-0:3.8.0*255"]


def test_what_is_damaged_is_passed_over(tmp_path: Path) -> None:
    filled(tmp_path, (of("em-1001", "1", reading(1)),), (of("em-1001", "2", reading(2)),))
    path = segment_path(tmp_path, 2)
    path.chmod(0o644)
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xa5" * (len(data) - 4096)
    path.write_bytes(data)
    assert texts(tmp_path) == [("1-0:1.8.0*255", "0000001.375")]
    assert newest_serials(tmp_path) == {"em-1001": "1"}


def test_without_an_archive_nothing_is_known(tmp_path: Path) -> None:
    assert newest_registers(tmp_path / "none", "em-1001") == []
    assert newest_serials(tmp_path / "none") == {}
