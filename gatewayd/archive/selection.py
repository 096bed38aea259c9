"""Choosing readings of an archive by whose they are, what they are and when they end: their numbers first, then they.

Rules: reads only; numbers ascend; no more than a stated number of them is ever in memory. A connection is open for one
query only. The numbers are found through the index of series, so that a day of one point costs no walk through all.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

import apsw
import msgspec

from gatewayd.archive import rows, segments
from gatewayd.archive.follow import Follower
from gatewayd.errors import ArchiveDamaged, ArchiveError
from gatewayd.model import Archived

T = TypeVar("T")

_LAST = (1 << 63) - 1
_FIRST = -(1 << 63)
_NUMBERS = """
SELECT json_group_array(seq) FROM (
SELECT r.seq AS seq FROM series AS s CROSS JOIN reading AS r ON r.series = s.id
WHERE (?1 IS NULL OR s.meter = ?1) AND (?2 IS NULL OR s.obis_raw = ?2) AND (?3 IS NULL OR s.obis = ?3)
  AND r.seq >= ?4 AND r.seq <= ?5 AND r.at > ?6 AND r.at <= ?7 ORDER BY r.seq LIMIT ?8)
"""
_ALL = "SELECT json_group_array(seq) FROM (SELECT seq FROM reading WHERE seq >= ? AND seq <= ? ORDER BY seq LIMIT ?)"
_KNOWN = """
SELECT json_group_array(json_array(meter, obis, obis_raw)) FROM (SELECT DISTINCT meter, obis, obis_raw FROM series)
"""
_NEWEST = """
SELECT json_group_array(json_array(meter, obis, obis_raw, at, seq)) FROM (
SELECT s.meter, s.obis, s.obis_raw, r.at, max(r.seq) AS seq
FROM series AS s CROSS JOIN reading AS r ON r.series = s.id
WHERE s.meter IN (SELECT value FROM json_each(?)) AND r.at > ? AND r.at <= ? GROUP BY r.series, r.at)
"""
_DECODER = msgspec.json.Decoder(list[int])
_PLACES = msgspec.json.Decoder(list[tuple[str, str, str, int, int]])
_SERIES = msgspec.json.Decoder(list[tuple[str, str, str]])


@dataclass(frozen=True, slots=True)
class Selection:
    """What is wanted; None: whichever. `obis_raw` is the code as it was written, in the derived archive the layer.
    Numbers from `first` to `last`; what ends after `begin` and not after `end`."""

    meter: str | None = None
    obis_raw: str | None = None
    obis: str | None = None
    first: int = 1
    last: int = _LAST
    begin: datetime | None = None
    end: datetime | None = None

    @property
    def everything(self) -> bool:
        """Whether only numbers are limited."""
        return all(one is None for one in (self.meter, self.obis_raw, self.obis, self.begin, self.end))


class Chooser(Follower):
    """Reads one archive. Used by one thread at a time."""

    def numbers(self, wanted: Selection, limit: int) -> list[int]:
        """The first `limit` numbers of what is selected, ascending. ArchiveError."""
        found: list[int] = []
        for number in self._from(wanted.first - 1):
            found += self._told(number, *_query(wanted, limit - len(found)), _DECODER)
            if len(found) >= limit:
                break
        return found

    def newest(self, readings: Sequence[Archived]) -> dict[int, int]:
        """The highest number with the meter, codes and end of each of these, by their own numbers. ArchiveError."""
        if not readings:
            return {}
        ends = [rows.to_us(one.reading.at) for one in readings]
        meters = msgspec.json.encode(sorted({one.reading.meter for one in readings})).decode()
        values = (meters, min(ends) - 1, max(ends))
        highest: dict[tuple[str, str, str, int], int] = {}
        for number in segments.segment_numbers(self._folder):
            for meter, obis, obis_raw, at, seq in self._told(number, _NEWEST, values, _PLACES):
                key = meter, obis, obis_raw, at
                highest[key] = max(seq, highest.get(key, 0))
        return {
            one.seq: highest.get((one.reading.meter, one.reading.code, one.reading.obis_raw, at), one.seq)
            for one, at in zip(readings, ends, strict=True)
        }

    def chosen(self, numbers: Sequence[int]) -> list[Archived]:
        """The readings with these ascending numbers, without those that are not there any more. ArchiveError."""
        found: list[Archived] = []
        place = 0
        while place < len(numbers):
            run = place + 1
            while run < len(numbers) and numbers[run] - numbers[place] <= 2 * (run - place):
                run += 1  # what lies closely together is read in one go, with what is between
            wanted = set(numbers[place:run])
            seq, last = numbers[place] - 1, numbers[run - 1]
            while seq < last:
                batch = self.after(seq, last - seq, last)
                if not batch:
                    break
                found += [archived for archived in batch if archived.seq in wanted]
                seq = batch[-1].seq
            place = run
        return found

    def series(self) -> set[tuple[str, str, str]]:
        """Meter, code, and code as it was written, of all series that there are. ArchiveError."""
        found: set[tuple[str, str, str]] = set()
        for number in segments.segment_numbers(self._folder):
            found.update(self._told(number, _KNOWN, (), _SERIES))
        return found

    def _told(
        self, number: int, sql: str, values: tuple[str | int | None, ...], decoder: "msgspec.json.Decoder[list[T]]"
    ) -> list[T]:
        """What a query gives of one segment. ArchiveError."""
        path = segments.segment_path(self._folder, number)
        connection = self._open(path)
        try:
            return decoder.decode(str(connection.execute(sql, values).get))
        except (apsw.CorruptError, apsw.NotADBError, apsw.SQLError, msgspec.MsgspecError) as error:
            raise ArchiveDamaged(f"{path} cannot be read: {error}; see gatewayd archive verify") from error
        except apsw.InterruptError as error:
            raise ArchiveError(f"{path}: a query took longer than {self._limit:.0f} s") from error
        except apsw.Error as error:
            raise ArchiveError(f"{path} cannot be read: {error}; see gatewayd archive verify") from error
        finally:
            connection.close(True)


def _query(wanted: Selection, limit: int) -> tuple[str, tuple[str | int | None, ...]]:
    if wanted.everything:
        return _ALL, (wanted.first, wanted.last, limit)
    begin = _FIRST if wanted.begin is None else rows.to_us(wanted.begin)
    end = _LAST if wanted.end is None else rows.to_us(wanted.end)
    named = (wanted.meter, wanted.obis_raw, wanted.obis)
    return _NUMBERS, (*named, wanted.first, wanted.last, begin, end, limit)
