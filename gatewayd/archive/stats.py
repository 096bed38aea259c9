"""How much the archive holds: for each segment, for each meter, and in all.

Rules: read-only; a segment that cannot be read is listed with the fault, and the others are counted.
"""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import apsw

from gatewayd.archive import rows, segments
from gatewayd.archive.head import Head, read_head
from gatewayd.archive.intervals import SeriesKey
from gatewayd.errors import ArchiveError, ArchiveNotPermitted
from gatewayd.model import RawStatus


class _Share(NamedTuple):
    """Readings of one meter with one status in one segment."""

    meter: str
    status: int
    readings: int
    first_at: int
    last_at: int


_SHARES = """
SELECT s.meter, r.status, count(*), min(r.at), max(r.at)
FROM reading AS r JOIN series AS s ON s.id = r.series
GROUP BY s.meter, r.status ORDER BY s.meter, r.status
"""
_PROFILES = """
SELECT DISTINCT meter, obis, interval_s FROM series
WHERE kind = 'interval' AND interval_s > 0 AND (?1 IS NULL OR meter = ?1)
"""


@dataclass(slots=True)
class Amount:
    """Readings, and the instants of the first and the last one."""

    readings: int = 0
    first_at: datetime | None = None
    last_at: datetime | None = None
    statuses: Counter[RawStatus] = field(default_factory=Counter)

    def add(self, status: RawStatus, count: int, first_at: datetime, last_at: datetime) -> None:
        self.readings += count
        self.statuses[status] += count
        self.first_at = first_at if self.first_at is None else min(self.first_at, first_at)
        self.last_at = last_at if self.last_at is None else max(self.last_at, last_at)


@dataclass(slots=True)
class SegmentStats:
    """One segment. `sealed_at` is None while it is written; `fault` says why it could not be read."""

    number: int
    bytes: int = 0
    opened_at: datetime | None = None
    sealed_at: datetime | None = None
    exchanges: int = 0
    amount: Amount = field(default_factory=Amount)
    fault: str = ""


@dataclass(slots=True)
class Stats:
    """The whole archive. `head` is None when its file is not there."""

    segments: list[SegmentStats]
    meters: dict[str, Amount]
    total: Amount
    head: Head | None

    @property
    def exchanges(self) -> int:
        return sum(segment.exchanges for segment in self.segments)

    @property
    def bytes(self) -> int:
        return sum(segment.bytes for segment in self.segments)


def stats(folder: Path) -> Stats:
    """Count. ArchiveError when there is no archive, ArchiveNotPermitted where this user may not read all of it."""
    numbers = segments.segment_numbers(folder)
    if not numbers:
        raise ArchiveError(f"there is no archive at {folder}; has the gateway ever run?")
    found = Stats([], {}, Amount(), read_head(folder))
    for number in numbers:
        path = segments.segment_path(folder, number)
        segment = SegmentStats(number, _bytes(path))
        found.segments.append(segment)
        try:
            shares = _count(path, segment)
        except ArchiveNotPermitted:
            raise
        except (apsw.Error, ArchiveError, ValueError) as error:
            segment.fault = str(error)
            continue
        for share in shares:
            what = RawStatus(share.status), share.readings, rows.from_us(share.first_at), rows.from_us(share.last_at)
            for amount in (segment.amount, found.meters.setdefault(share.meter, Amount()), found.total):
                amount.add(*what)
    return found


def profiles(folder: Path, meter: str | None = None, newest: int = 0) -> list[SeriesKey]:
    """Every series of intervals that the archive has, of a meter or of all; with `newest` only those that are in so
    many of the newest segments. ArchiveError."""
    found: set[SeriesKey] = set()
    for number in segments.segment_numbers(folder)[-newest:]:
        path = segments.segment_path(folder, number)
        connection = segments.open_for_reading(path)
        try:
            found |= set(rows.typed(connection.execute(_PROFILES, (meter,)), SeriesKey))
        except (apsw.Error, ValueError) as error:
            raise ArchiveError(f"{path} cannot be read: {error}; see gatewayd archive verify") from error
        finally:
            connection.close(True)
    return sorted(found)


def _count(path: Path, segment: SegmentStats) -> list[_Share]:
    connection = segments.open_for_reading(path)
    try:
        (row,) = rows.typed(connection.execute("SELECT * FROM segment"), rows.SegmentRow)
        sealed_at = connection.execute("SELECT sealed_at FROM seal").get
        segment.opened_at = rows.from_us(row.opened_at)
        segment.sealed_at = rows.from_us(sealed_at) if isinstance(sealed_at, int) else None
        segment.exchanges = int(str(connection.execute("SELECT count(*) FROM exchange").get))
        shares = rows.typed(connection.execute(_SHARES), _Share)
        for share in shares:
            RawStatus(share.status)  # ValueError before anything is counted
            rows.from_us(share.first_at), rows.from_us(share.last_at)
        return shares
    except OverflowError as error:
        raise ArchiveError(f"{path} holds a time that is none: {error}") from error
    finally:
        connection.close(True)


def _bytes(path: Path) -> int:
    """On the disk, journal included."""
    parts = (path, path.with_name(path.name + "-wal"))
    return sum(part.stat().st_size for part in parts if part.exists())
