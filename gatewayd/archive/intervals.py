"""What the archive has of profiles: which intervals, of which channels, and what stands where a reading would go.

    Intervals.of_profile(...)   every interval of a profile, or what came of it behind a sequence number
    Intervals.same_time(...)    the readings of some codes in a span of time
    counted(...)                how many intervals of each series have a value in a span: one query for each segment

Rules: read-only; a connection is open for one query only. What the gateway has told missing is in exchanges whose
request begins with `gap`; what came of a profile in those that begin with `profile` and its code, or was pushed. What a
damaged segment holds is as if it were not there, so that one does not stop acquisition; only counting says that it
cannot be read.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import apsw
import msgspec

from gatewayd.archive import rows, segments
from gatewayd.archive.profile_rows import GAP, PROFILE, PUSHED, ChannelRow, IntervalRow, ProfileRows
from gatewayd.errors import ArchiveDamaged, ArchiveError
from gatewayd.model import Archived, Flag, Kind, RawStatus

_DARK, _MISSING = int(Flag.POWER_DOWN), int(RawStatus.MISSING)

_SERIES = "SELECT id FROM series WHERE meter IN (SELECT value FROM json_each(?)) AND kind = 'interval'"
_OF_REQUEST = "substr(e.request, 1, ?) = ?"
# Bare columns beside max() are those of the row that has it (SQLite, 2.5 of "SELECT").
_CHANNELS = f"""
SELECT s.meter, s.obis, s.is_obis, s.obis_raw, s.unit, s.interval_s, r.scaler, d.serial,
       max(r.at)
FROM reading AS r JOIN series AS s ON s.id = r.series JOIN exchange AS e ON e.id = r.exchange
JOIN device AS d ON d.id = e.device
WHERE r.series IN ({_SERIES}) AND r.seq > ? AND s.obis <> ? AND {_OF_REQUEST} GROUP BY r.series
"""  # noqa: S608 - only our own texts are put together
_ROWS = f"""
SELECT r.at, s.interval_s, max(r.flags & {_DARK}), {_OF_REQUEST} AS told, max(r.seq)
FROM reading AS r JOIN series AS s ON s.id = r.series JOIN exchange AS e ON e.id = r.exchange
WHERE r.series IN ({_SERIES}) AND r.seq > ? AND s.obis <> ?
  AND ({_OF_REQUEST} OR {_OF_REQUEST}
       OR (e.request = '{PUSHED}' AND s.obis IN (SELECT value FROM json_each(?))))
GROUP BY r.at, s.interval_s, told
"""  # noqa: S608
_MADE = f"""
SELECT r.at, s.interval_s, 0, r.status = {_MISSING} AS told, max(r.seq)
FROM reading AS r JOIN series AS s ON s.id = r.series
WHERE r.series IN ({_SERIES} AND obis = ? AND interval_s = ?) AND r.seq > ?
GROUP BY r.at, told
"""  # noqa: S608
_LIKE = f"""
SELECT s.meter, s.obis, s.is_obis, s.obis_raw, s.unit, s.interval_s, r.scaler, d.serial, max(r.at)
FROM reading AS r JOIN series AS s ON s.id = r.series JOIN exchange AS e ON e.id = r.exchange
JOIN device AS d ON d.id = e.device
WHERE r.series IN ({_SERIES} AND obis = ? AND interval_s = ?) AND r.seq > ? GROUP BY r.series
"""  # noqa: S608
_BEGUN = f"""
SELECT min(e.started_at) FROM exchange AS e JOIN device AS d ON d.id = e.device
WHERE d.meter = ? AND ({_OF_REQUEST} OR {_OF_REQUEST})
"""  # noqa: S608
_SAME = f"""
{rows.READINGS}
WHERE r.series IN (SELECT id FROM series WHERE meter IN (SELECT value FROM json_each(?))
                   AND obis IN (SELECT value FROM json_each(?)) AND kind IN (SELECT value FROM json_each(?)))
  AND r.at BETWEEN ? AND ? ORDER BY r.seq
"""  # noqa: S608
_COUNTED = f"""
SELECT s.meter, s.obis, s.interval_s, count(DISTINCT r.at)
FROM series AS s JOIN reading AS r ON r.series = s.id
WHERE s.kind = 'interval' AND s.interval_s > 0 AND r.at > ? AND r.at <= ? AND r.status < {_MISSING}
GROUP BY s.meter, s.obis, s.interval_s
"""  # noqa: S608
_VALUED = f"""
SELECT DISTINCT r.at FROM series AS s JOIN reading AS r ON r.series = s.id
WHERE s.meter = ? AND s.obis = ? AND s.interval_s = ? AND s.kind = 'interval'
  AND r.at > ? AND r.at <= ? AND r.status < {_MISSING}
"""  # noqa: S608


class SeriesKey(NamedTuple):
    """A series of intervals, whatever the unit and the spelling of its code."""

    meter: str
    obis: str
    interval_s: int


class Intervals:
    """Reads one archive. It is used from one thread after the other, never from two at a time, or loses but speed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._spans: dict[int, tuple[int, int]] = {}
        """Of sealed segments: the first and the last instant of their readings. They never change."""

    def of_profile(self, meters: Sequence[str], obis: str, codes: Sequence[str], after: int) -> ProfileRows:
        """Intervals of a load profile behind a sequence number, of a meter or of a registrar with its points. `codes`:
        channels that are known to be its own, also where they were pushed. The first of `meters` is the one that is
        asked. ArchiveError."""
        found = ProfileRows()
        own, gap = f"{PROFILE} {obis} ", f"{GAP} {obis} "
        who, known = _json(meters), set(codes)
        for path in self._behind(after):
            with suppress(ArchiveDamaged), _reading(path) as connection:
                wanted = (who, after, obis, len(own), own)
                channels = rows.typed(connection.execute(_CHANNELS, wanted), ChannelRow)
                found.channels += channels
                known |= {one.obis for one in channels}
                told = (len(gap), gap, who, after, obis, len(own), own, len(gap), gap, _json(known))
                found.intervals += rows.typed(connection.execute(_ROWS, told), IntervalRow)
        found.begun = None if after else self._begun(meters[0], own, gap)
        return found

    def of_increments(self, meter: str, obis: str, interval_s: int, after: int) -> ProfileRows:
        """The same for intervals that the gateway makes of a register. ArchiveError."""
        found = ProfileRows()
        wanted = (_json((meter,)), obis, interval_s, after)
        for path in self._behind(after):
            with suppress(ArchiveDamaged), _reading(path) as connection:
                found.channels += rows.typed(connection.execute(_LIKE, wanted), ChannelRow)
                found.intervals += rows.typed(connection.execute(_MADE, wanted), IntervalRow)
        found.begun = None if after or not found.intervals else rows.from_us(min(one.at for one in found.intervals))
        return found

    def same_time(
        self, meters: Collection[str], codes: Collection[str], kinds: Collection[Kind], first: datetime, last: datetime
    ) -> list[Archived]:
        """The readings of these codes and kinds from `first` to `last`. ArchiveError."""
        begin, end = rows.to_us(first), rows.to_us(last)
        wanted = (_json(meters), _json(codes), _json([kind.value for kind in kinds]), begin, end)
        found: list[Archived] = []
        for number in segments.segment_numbers(self._folder):
            span = self._spans.get(number)
            if span is not None and (span[1] < begin or end < span[0]):
                continue
            with suppress(ArchiveDamaged), _reading(segments.segment_path(self._folder, number)) as connection:
                if span is None:
                    sealed = connection.execute("SELECT first_at, last_at FROM seal").fetchone()
                    if sealed is not None:
                        empty = sealed[0] is None
                        self._spans[number] = span = (1, 0) if empty else (int(sealed[0]), int(sealed[1]))
                if span is None or (begin <= span[1] and span[0] <= end):
                    found += map(rows.archived, connection.execute(_SAME, wanted))
        return found

    def _begun(self, meter: str, *requests: str) -> datetime | None:
        """When the profile was asked for, or told missing, first: the archive may be that of years, and only its oldest
        segment says so."""
        first, second = [(len(text), text) for text in requests]
        for number in segments.segment_numbers(self._folder):
            with suppress(ArchiveDamaged), _reading(segments.segment_path(self._folder, number)) as connection:
                begun = connection.execute(_BEGUN, (meter, *first, *second)).get
                if isinstance(begun, int):
                    return rows.from_us(begun)
        return None

    def _behind(self, after: int) -> list[Path]:
        """The segments that have something behind a sequence number, oldest first."""
        wanted: list[Path] = []
        for number in reversed(segments.segment_numbers(self._folder)):
            path = segments.segment_path(self._folder, number)
            wanted.insert(0, path)
            if after:
                with suppress(ArchiveDamaged), _reading(path) as connection:
                    if int(str(connection.execute("SELECT last_seq FROM segment").get)) <= after:
                        break
        return wanted


def counted(folder: Path, first: datetime, last: datetime) -> dict[SeriesKey, int]:
    """How many intervals that end after `first` and not after `last` have a value, of each series that has any.

    ArchiveError."""
    span = rows.to_us(first), rows.to_us(last)
    where: defaultdict[SeriesKey, list[tuple[Path, int]]] = defaultdict(list)
    for number in segments.segment_numbers(folder):
        path = segments.segment_path(folder, number)
        with _reading(path) as connection:
            for meter, obis, interval_s, count in connection.execute(_COUNTED, span):
                where[SeriesKey(str(meter), str(obis), int(interval_s))].append((path, int(count)))
    return {
        key: places[0][1] if len(places) == 1 else len(_valued([path for path, _ in places], key, span))
        for key, places in where.items()
    }


def _valued(paths: Sequence[Path], key: SeriesKey, span: tuple[int, int]) -> set[int]:
    """The ends of a series that is in several segments: a late value may stand in two of them."""
    found: set[int] = set()
    for path in paths:
        with _reading(path) as connection:
            found |= {int(str(row[0])) for row in connection.execute(_VALUED, (*key, *span))}
    return found


def _json(texts: Collection[str]) -> str:
    return msgspec.json.encode(list(texts)).decode()


@contextmanager
def _reading(path: Path) -> Iterator[apsw.Connection]:
    connection = segments.open_for_reading(path)
    try:
        yield connection
    except (apsw.CorruptError, apsw.NotADBError, ValueError) as error:
        raise ArchiveDamaged(f"{path} cannot be read: {error}; see gatewayd archive verify") from error
    except apsw.Error as error:
        raise ArchiveError(f"{path} cannot be read: {error}") from error
    finally:
        connection.close(True)
