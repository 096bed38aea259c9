"""What the derived layer reads of the raw archive: the intervals of some meters in a span, and the days that have any.

Rules: read-only; a query is one step of SQLite, which makes one JSON text of it, so that other threads go on meanwhile
(as in archive/follow.py). What a damaged segment holds is as if it were not there: it is among `damaged` then, and
`archive verify` tells of it.
"""

from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import apsw
import msgspec

from gatewayd.archive import rows, segments
from gatewayd.archive.lookups import Lookups
from gatewayd.errors import ArchiveDamaged, ArchiveError
from gatewayd.legal_time import legal_day
from gatewayd.metering.era import BEGIN, END
from gatewayd.metering.plan import Touch
from gatewayd.model import Archived, Flag, Kind, Point, Ratio, RawStatus, Reading
from gatewayd.obis import Obis

_COLUMNS = """r.seq, r.exchange, r.ratio, r.at, r.raw_text, r.scaler, r.status, r.flags, r.more, r.meter_time, s.meter,
s.obis, s.obis_raw, s.unit, s.interval_s, e.ended_at, d.serial, d.eic, d.ean, q.ct, q.vt, q.multiplier, q.value_side,
q.since"""
# CROSS JOIN keeps the order of the tables (SQLite): first the few series, then their readings by the index.
_INTERVALS = f"""
SELECT json_group_array(json_array({_COLUMNS}))
FROM series AS s CROSS JOIN reading AS r ON r.series = s.id JOIN exchange AS e ON e.id = r.exchange
JOIN device AS d ON d.id = e.device JOIN ratio AS q ON q.id = r.ratio
WHERE s.meter IN (SELECT value FROM json_each(?)) AND s.kind = ? AND s.is_obis = 1 AND s.obis LIKE ?
  AND r.at > ? AND r.at <= ?
"""  # noqa: S608 - our own texts
_TOTALS = (
    *("1-*:*.8.*", "7-*:[1-8].[0-3].*", "7-*:[1236][1-6].[0-3].*", "[89]-*:1.0.*"),
    *("[56]-*:[123].0.*", "6-*:6.8.*", "6-*:6.26.*"),
)
"""Codes of what is counted since ever, as patterns of SQL. Which of them are totals says metering/sources.py."""


def totals(column: str) -> str:
    """The condition of SQL that a column has the code of a total, or of a tariff of it."""
    return "(" + " OR ".join(f"{column} GLOB '{pattern}'" for pattern in _TOTALS) + ")"


_STATES = f"{_INTERVALS} AND {totals('s.obis')}"
_HOUR_US = 3_600_000_000
OF_ERA = f"r.at > {rows.to_us(BEGIN)} AND r.at <= {rows.to_us(END)}"
_ERA_HOURS = rows.to_us(END) // _HOUR_US + 1
"""Counted from 1970 on."""
_HOURS = f"""
SELECT json_group_array(hour) FROM (SELECT DISTINCT (r.at - 1) / {_HOUR_US} AS hour
FROM series AS s CROSS JOIN reading AS r ON r.series = s.id
WHERE s.meter IN (SELECT value FROM json_each(?)) AND s.kind = 'interval' AND s.is_obis = 1 AND {OF_ERA})
"""  # noqa: S608

BESIDE = timedelta(seconds=36)
"""So long after the hour something may be stamped that ends with it: a hundredth of an hour (legal_time.Grid)."""
_BESIDE_US = BESIDE // timedelta(microseconds=1)
_TOUCHES = f"""
SELECT json_group_array(json_array(s.meter, s.obis, t.hour))
FROM (SELECT DISTINCT series, (at - 1 + ?1) / {_HOUR_US} AS hour FROM reading WHERE seq > ?2 AND seq <= ?3
      UNION
      SELECT series, (at + ?1) / {_HOUR_US} - 1 FROM reading
      WHERE seq > ?2 AND seq <= ?3 AND (at + ?1) % {_HOUR_US} BETWEEN 1 AND {_BESIDE_US}) AS t
JOIN series AS s ON s.id = t.series
WHERE s.kind = 'interval' AND s.is_obis = 1
"""  # noqa: S608
_RATIO_METERS = """
SELECT json_group_array(meter) FROM (SELECT DISTINCT s.meter FROM reading AS r JOIN series AS s ON s.id = r.series
WHERE r.seq > ? AND r.seq <= ? AND s.kind = 'register' AND s.is_obis = 1 AND s.obis LIKE '1-%:0.4.%')
"""
_FIRST = f"""
SELECT json_array(
    min((SELECT min(r.at) FROM reading AS r WHERE r.series = s.id AND {OF_ERA} AND NOT {totals("s.obis")})),
    min((SELECT min(r.at) FROM reading AS r WHERE r.series = s.id AND {OF_ERA} AND {totals("s.obis")})))
FROM series AS s WHERE s.meter IN (SELECT value FROM json_each(?)) AND s.kind = 'interval' AND s.is_obis = 1
"""  # noqa: S608
_FIRSTS = msgspec.json.Decoder(tuple[int | None, int | None])


class _Row(msgspec.Struct, array_like=True, gc=False):
    """One row of _INTERVALS."""

    seq: int
    exchange: int
    ratio: int
    at: int
    raw_text: str
    scaler: int
    status: int
    flags: int
    more: str | None
    meter_time: str | None
    meter: str
    obis: str
    obis_raw: str
    unit: str
    interval_s: int | None
    ended_at: int
    serial: str
    eic: str
    ean: str
    ct: str
    vt: str
    multiplier: str
    value_side: str
    since: str


_ROWS = msgspec.json.Decoder(list[_Row])
_HOURLY = msgspec.json.Decoder(list[tuple[str, str, int]])
_TODAY = datetime(2026, 1, 1, tzinfo=UTC)
"""Some instant of these years: zones had other offsets long ago."""
_NUMBERS = msgspec.json.Decoder(list[int])
_TEXTS = msgspec.json.Decoder(list[str])
_MORE = msgspec.json.Decoder(tuple[str, ...])


class RawReader:
    """Reads one raw archive. Used from one thread after the other, never from two at a time."""

    def __init__(self, folder: Path, lookups: Lookups | None = None) -> None:
        self.folder = self._folder = folder
        self.damaged: dict[int, str] = {}
        """Segments that could not be read, and why, since somebody cleared it."""
        self.beyond: set[str] = set()
        """Meters with intervals out of the era, which touch nothing; since somebody cleared it."""
        self._spans: dict[int, tuple[int, int]] = {}
        """Of sealed segments: the first and the last instant of their readings. They never change."""
        self._starts: dict[int, int] = {}
        """The numbers behind which segments begin."""
        self._ratios: dict[tuple[str, ...], Ratio] = {}
        self._flags: dict[int, Flag] = {}
        self._lookups = Lookups() if lookups is None else lookups

    def intervals(self, meters: Collection[str], first: datetime, last: datetime) -> dict[str, list[Archived]]:
        """The intervals of these meters that end after `first` and not after `last`, and what is stamped a little
        later, by meter, in the order of their numbers. The bytes of the values are left out: the derived layer needs
        none. ArchiveError."""
        found: dict[str, list[Archived]] = {meter: [] for meter in meters}
        for one in self.read(meters, Kind.INTERVAL, "%", first, last + BESIDE):
            found[one.reading.meter].append(one)
        return found

    def registers(self, meters: Collection[str], first: datetime, last: datetime) -> list[Archived]:
        """The states of registers of what is counted of these meters in the same span. ArchiveError."""
        return self.read(meters, Kind.REGISTER, "%", first, last, _STATES)

    def read(
        self, meters: Collection[str], kind: Kind, like: str, first: datetime, last: datetime, sql: str = _INTERVALS
    ) -> list[Archived]:
        """Readings of one kind with codes like a pattern of SQL, after `first` and not after `last`, in the order of
        their numbers. ArchiveError."""
        begin, end = rows.to_us(first), rows.to_us(last)
        found: list[Archived] = []
        wanted = (_json(meters), kind.value, like, begin, end)
        for number in segments.segment_numbers(self._folder):
            span = self._spans.get(number)
            if span is not None and (span[1] <= begin or end < span[0]):
                continue
            with suppress(ArchiveDamaged):
                found += self._of_segment(number, sql, wanted, kind)
        found.sort(key=_seq)
        return found

    def touches(self, after: int, last: int, zone: ZoneInfo) -> tuple[set[Touch], list[str]]:
        """Of which meters, codes and hours the intervals behind a number are, up to another one; and what cannot be
        read of it, in words. ArchiveError."""
        found: set[Touch] = set()
        faults: list[str] = []
        shift = rows.to_us(_TODAY + (_TODAY.astimezone(zone).utcoffset() or timedelta())) % _HOUR_US
        codes: dict[str, Obis] = {}
        instants: dict[int, datetime] = {}
        for number in self.behind(after, last):
            try:
                batch = _HOURLY.decode(self.text(number, _TOUCHES, (shift, after, last)))
            except ArchiveDamaged as error:
                faults.append(str(error))
                continue
            for meter, code, hour in batch:
                if not 0 <= hour < _ERA_HOURS:
                    self.beyond.add(meter)
                    continue
                obis = codes.get(code)
                if obis is None:
                    obis = codes[code] = Obis.parse(code)
                end = instants.get(hour)
                if end is None:
                    end = instants[hour] = rows.from_us((hour + 1) * _HOUR_US - shift)
                found.add((meter, obis, end))
        return found, faults

    def ratio_meters(self, after: int, last: int) -> set[str]:
        """The meters whose ratio registers (1-b:0.4.e) are among the readings behind a number, up to another one; what
        cannot be read has none. ArchiveError."""
        found: set[str] = set()
        for number in self.behind(after, last):
            with suppress(ArchiveDamaged):
                found.update(_TEXTS.decode(self.text(number, _RATIO_METERS, (after, last))))
        return found

    def behind(self, after: int, last: int) -> list[int]:
        """The segments that may hold readings with numbers above `after`, up to `last`."""
        found: list[int] = []
        for number in reversed(segments.segment_numbers(self._folder)):
            start = self._starts.get(number)
            if start is None:
                with suppress(ArchiveDamaged):
                    start = self._starts[number] = int(self.text(number, "SELECT last_seq FROM segment", ()))
            if start is None or start < last:
                found.append(number)
            if start is not None and start <= after:
                break
        return found[::-1]

    def days(self, meters: Collection[str], zone: ZoneInfo) -> list[date]:
        """The legal-time days on which these meters have intervals, whatever their status. ArchiveError."""
        hours: set[int] = set()
        for number in segments.segment_numbers(self._folder):
            with suppress(ArchiveDamaged):
                hours.update(_NUMBERS.decode(self.text(number, _HOURS, (_json(meters),))))
        return sorted({legal_day(rows.from_us(hour * _HOUR_US + _HOUR_US), zone) for hour in hours})

    def first(self, meters: Collection[str]) -> tuple[datetime | None, datetime | None]:
        """The end of the first interval that these meters have told, and the instant of the first total in their
        profiles. ArchiveError."""
        found: list[tuple[int | None, int | None]] = []
        for number in segments.segment_numbers(self._folder):
            with suppress(ArchiveDamaged):
                found.append(_FIRSTS.decode(self.text(number, _FIRST, (_json(meters),))))
        ends, totals = ([one[place] for one in found] for place in (0, 1))
        return _earliest(ends), _earliest(totals)

    def _of_segment(
        self, number: int, sql: str, wanted: tuple[str, str, str, int, int], kind: Kind
    ) -> Iterator[Archived]:
        if number not in self._spans:
            sealed = self.text(number, "SELECT json_array(first_at, last_at) FROM seal", ())
            if sealed != "None":
                first, last = msgspec.json.decode(sealed, type=tuple[int | None, int | None])
                self._spans[number] = (1, 0) if first is None or last is None else (first, last)
        batch = _ROWS.decode(self.text(number, sql, wanted))
        instants: dict[int, datetime] = {}
        codes: dict[str, Obis] = {}
        points: dict[str, Point] = {}
        for row in batch:
            at = instants.get(row.at)
            if at is None:
                at = instants[row.at] = rows.from_us(row.at)
            ended_at = instants.get(row.ended_at)
            if ended_at is None:
                ended_at = instants[row.ended_at] = rows.from_us(row.ended_at)
            obis = codes.get(row.obis)
            if obis is None:
                obis = codes[row.obis] = Obis.parse(row.obis)
            flags = self._flags.get(row.flags)
            if flags is None:
                flags = self._flags[row.flags] = Flag(row.flags)
            reading = Reading(
                row.meter,
                obis,
                row.obis_raw,
                kind,
                at,
                b"",
                row.raw_text,
                row.unit,
                row.scaler,
                _STATUS[row.status],
                flags,
                _MORE.decode(row.more) if row.more is not None else (),
                row.interval_s,
                row.meter_time or "",
            )
            point = points.get(row.eic + row.ean)
            if point is None:
                point = points[row.eic + row.ean] = Point(row.eic, row.ean)
            yield Archived(row.seq, reading, ended_at, row.serial, row.ratio, self._ratio(row), row.exchange, point)

    def _ratio(self, row: _Row) -> Ratio:
        key = row.ct, row.vt, row.multiplier, row.value_side, row.since
        known = self._ratios.get(key)
        if known is None:
            known = self._ratios[key] = rows.ratio(*key)
        return known

    def text(self, number: int, sql: str, values: tuple[str | int, ...]) -> str:
        """The one value of a query. ArchiveDamaged, ArchiveError."""
        try:
            return self._text(segments.segment_path(self._folder, number), sql, values)
        except ArchiveDamaged as error:
            self.damaged.setdefault(number, str(error))
            raise

    def _text(self, path: Path, sql: str, values: tuple[str | int, ...]) -> str:
        try:
            with self._lookups.connection(path) as connection:
                return str(connection.execute(sql, values).get)
        except (apsw.CorruptError, apsw.NotADBError, ValueError) as error:
            raise ArchiveDamaged(f"{path} cannot be read: {error}; see gatewayd archive verify") from error
        except apsw.Error as error:
            raise ArchiveError(f"{path} cannot be read: {error}; see gatewayd archive verify") from error


_STATUS = {int(status): status for status in RawStatus}


def _earliest(instants: Iterable[int | None]) -> datetime | None:
    first = min((one for one in instants if one is not None), default=None)
    return None if first is None else rows.from_us(first)


def _seq(archived: Archived) -> int:
    return archived.seq


def _json(texts: Collection[str]) -> str:
    return msgspec.json.encode(list(texts)).decode()
