"""The derived archive: a second archive of the same format in `derived/` beside the raw one (ADR 15).

    DerivedArchive    the writer: a Store of its own, with its own chain, head, signatures and segments
    DerivedReader     current values, and all versions of one

Rules: nothing is changed, a newer version is appended; the newest version of a point, layer, code and end is the value.
What was computed together is written together or not at all. A connection is open for one query only; a query is one
step of SQLite, so that other threads go on meanwhile.
"""

import asyncio
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

import apsw
import msgspec

from gatewayd.archive import rows, segments
from gatewayd.archive.records import Bundle, Entry
from gatewayd.archive.store import Store
from gatewayd.errors import ArchiveDamaged, ArchiveError
from gatewayd.legal_time import legal_day
from gatewayd.metering.derivation import Derivation, Known, Standing
from gatewayd.metering.record import Derived, More, derived_from
from gatewayd.metering.values import Channel, Layer, Value
from gatewayd.model import DIRECT, NO_FLAGS, NOWHERE, Flag, MeteringType, Point, RawStatus
from gatewayd.obis import Obis

FOLDER = "derived"
_MOST = 5000
"""Readings in one transaction, about: what waits for its turn behind them waits some hundredths of a second."""

_COLUMNS = "s.meter, s.obis, s.obis_raw, s.kind, s.unit, s.interval_s, r.at, r.raw_text, r.status, r.flags, r.more"
# CROSS JOIN keeps the order of the tables (SQLite): first the few series, then their readings by the index. Bare
# columns beside max() are those of the row that has it.
_CURRENT = f"""
SELECT json_group_array(json_array(
    seq, meter, obis, obis_raw, kind, unit, interval_s, at, raw_text, status, flags, more))
FROM (SELECT max(r.seq) AS seq, {_COLUMNS} FROM series AS s CROSS JOIN reading AS r ON r.series = s.id
      WHERE s.meter IN (SELECT value FROM json_each(?)) AND s.obis_raw IN (SELECT value FROM json_each(?))
        AND r.at > ? AND r.at <= ? GROUP BY r.series, r.at)
"""  # noqa: S608 - our own texts
_HISTORY = f"""
SELECT r.seq, {_COLUMNS}, e.id, e.ended_at, e.received, e.detail
FROM series AS s CROSS JOIN reading AS r ON r.series = s.id JOIN exchange AS e ON e.id = r.exchange
WHERE s.meter = ? AND s.obis = ? AND r.at = ? ORDER BY r.seq
"""  # noqa: S608
_HOUR_US = 3_600_000_000
_HOURS = f"""
SELECT json_group_array(hour) FROM (SELECT DISTINCT (r.at - 1) / {_HOUR_US} AS hour
FROM series AS s CROSS JOIN reading AS r ON r.series = s.id
WHERE s.meter IN (SELECT value FROM json_each(?)) AND s.obis_raw = 'interval' AND r.at > ? AND r.at <= ?)
"""  # noqa: S608
_POINTS = "SELECT DISTINCT meter, obis, obis_raw, unit FROM series"


class _Row(msgspec.Struct, array_like=True, gc=False):
    """One row of _CURRENT."""

    seq: int
    meter: str
    obis: str
    layer: str
    kind: str
    unit: str
    interval_s: int | None
    at: int
    raw_text: str
    status: int
    flags: int
    more: str


class _HistoryRow(NamedTuple):
    """One row of _HISTORY."""

    seq: int
    meter: str
    obis: str
    layer: str
    kind: str
    unit: str
    interval_s: int | None
    at: int
    raw_text: str
    status: int
    flags: int
    more: str
    exchange: int
    ended_at: int
    received: bytes
    detail: str


_DECODER = msgspec.json.Decoder(list[_Row])
_MORE = msgspec.json.Decoder(More)
_STATUS = {int(status): status for status in RawStatus}
_NUMBERS = msgspec.json.Decoder(list[int])

SeriesName = tuple[str, Layer, Obis]
"""Point, layer, code."""


@dataclass(frozen=True, slots=True)
class Written:
    """One version of a value, as it was written: who and why (`document`: the JSON of the derivation), and when."""

    seq: int
    exchange: int
    at: datetime
    channel: Channel
    layer: Layer
    derived: Derived
    reason: str
    document: dict[str, object]


@dataclass(frozen=True, slots=True)
class Identity:
    """What a point is called by others, for the entries of the archive."""

    point: Point = NOWHERE
    metering_type: MeteringType = MeteringType.C


NOBODY = Identity()


def derived_folder(archive: Path) -> Path:
    """Where the derived archive of a raw one is."""
    return archive / FOLDER


class DerivedReader:
    """Reads one derived archive. Used from one thread after the other, never from two at a time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._spans: dict[int, tuple[int, int]] = {}
        """Of sealed segments: the first and the last instant of their readings. They never change."""

    def current_of(
        self, points: Collection[str], layers: Collection[Layer], first: datetime, last: datetime
    ) -> dict[SeriesName, dict[datetime, Standing]]:
        """The newest versions of what ends after `first` and not after `last`, by series. ArchiveError."""
        wanted = (
            _json(points),
            _json([layer.value for layer in layers]),
            rows.to_us(first),
            rows.to_us(last),
        )
        found: dict[SeriesName, dict[datetime, Standing]] = defaultdict(dict)
        series: dict[tuple[str, str, str], dict[datetime, Standing]] = {}
        instants: dict[int, datetime] = {}
        for number in self._reaching(wanted[2], wanted[3]):
            with _reading(segments.segment_path(self.folder, number)) as connection:
                batch = _DECODER.decode(str(connection.execute(_CURRENT, wanted).get))
            for row in batch:
                key = row.meter, row.layer, row.obis
                known = series.get(key)
                if known is None:
                    known = series[key] = found[row.meter, Layer(row.layer), Obis.parse(row.obis)]
                at = instants.get(row.at)
                if at is None:
                    at = instants[row.at] = rows.from_us(row.at)
                before = known.get(at)
                if before is None or before.seq < row.seq:  # the length of a day, or its unit, may have been another
                    known[at] = Standing(row.seq, _derived(row, at), row.unit)
        return dict(found)

    def current(self, point: str, layer: Layer, obis: Obis, first: datetime, last: datetime) -> dict[datetime, Value]:
        """The newest versions of the values of one series, by the end of their interval. ArchiveError."""
        found: Known = self.current_of((point,), (layer,), first, last).get((point, layer, obis), {})
        return {at: found[at].derived.value for at in sorted(found)}

    def days_of(self, points: Collection[str], first: datetime, last: datetime, zone: ZoneInfo) -> set[date]:
        """The legal-time days on which there are intervals in such a span. ArchiveError."""
        begin, end = rows.to_us(first), rows.to_us(last)
        found: set[date] = set()
        for number in self._reaching(begin, end):
            with _reading(segments.segment_path(self.folder, number)) as connection:
                hours = connection.execute(_HOURS, (_json(points), begin, end)).get
            found |= {legal_day(rows.from_us((hour + 1) * _HOUR_US), zone) for hour in _NUMBERS.decode(str(hours))}
        return found

    def history(self, point: str, obis: Obis, at: datetime, layer: Layer | None = None) -> list[Written]:
        """All versions of what ends at an instant, oldest first, of one layer or of all. ArchiveError."""
        found: list[Written] = []
        us = rows.to_us(at)
        for number in self._reaching(us - 1, us):
            with _reading(segments.segment_path(self.folder, number)) as connection:
                batch = rows.typed(connection.execute(_HISTORY, (point, str(obis), us)), _HistoryRow)
            found += [_written(row) for row in batch if layer is None or row.layer == layer.value]
        return found

    def channels(self) -> frozenset[tuple[str, str, str, str]]:
        """Point, code, layer and unit of everything that there is. ArchiveError."""
        found: set[tuple[str, str, str, str]] = set()
        for number in segments.segment_numbers(self.folder):
            with _reading(segments.segment_path(self.folder, number)) as connection:
                found.update(rows.typed(connection.execute(_POINTS), tuple[str, str, str, str]))
        return frozenset(found)

    def _reaching(self, first_us: int, last_us: int) -> Iterator[int]:
        """The segments that may hold something that ends after `first_us` and not after `last_us`."""
        for number in segments.segment_numbers(self.folder):
            span = self._spans.get(number)
            if span is None:
                with _reading(segments.segment_path(self.folder, number)) as connection:
                    sealed = connection.execute("SELECT first_at, last_at FROM seal").fetchone()
                if sealed is not None:
                    span = self._spans[number] = (1, 0) if sealed[0] is None else (int(sealed[0]), int(sealed[1]))
            if span is None or (first_us < span[1] + 1 and span[0] <= last_us and span[0] <= span[1]):
                yield number


def entry_of(derivation: Derivation, at: datetime, identity: Identity = NOBODY) -> Entry:
    """A derivation, done at an instant, as it is archived."""
    readings = derivation.readings()
    return Entry(
        derivation.exchange(at),
        readings,
        (DIRECT,) * len(readings),
        point=identity.point,
        metering_type=identity.metering_type,
    )


class DerivedArchive:
    """The derived archive, open for writing: the Store does everything, this says what a derivation is to it."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.reader = DerivedReader(store.folder)

    async def append(self, entries: Sequence[Entry]) -> int:
        """Write what was computed together, in the order handed in; how many values. Returns when it is on the disk.
        ArchiveError."""
        pending = []
        for part in _parts(entries):
            bundle = Bundle(tuple(part), tuple(range(sum(len(one.readings) for one in part))))
            pending.append(self.store.append(bundle))
        await asyncio.gather(*pending)
        return sum(len(one.readings) for one in entries)


def _parts(entries: Sequence[Entry]) -> Iterator[list[Entry]]:
    """Pieces that are written in one transaction each."""
    part: list[Entry] = []
    count = 0
    for entry in entries:
        if part and count + len(entry.readings) > _MOST:
            yield part
            part, count = [], 0
        part.append(entry)
        count += len(entry.readings)
    if part:
        yield part


def _derived(row: _Row | _HistoryRow, at: datetime) -> Derived:
    flags = Flag(row.flags) if row.flags else NO_FLAGS
    more = _MORE.decode(row.more)
    return derived_from(at, row.interval_s or 0, row.raw_text, _STATUS[row.status], flags, more)


def _written(row: _HistoryRow) -> Written:
    channel = Channel(row.meter, Obis.parse(row.obis), row.unit)
    document = msgspec.json.decode(row.received, type=dict[str, object])
    derived = _derived(row, rows.from_us(row.at))
    when = rows.from_us(row.ended_at)
    return Written(row.seq, row.exchange, when, channel, Layer(row.layer), derived, row.detail, document)


def _json(texts: Collection[str]) -> str:
    return msgspec.json.encode(list(texts)).decode()


@contextmanager
def _reading(path: Path) -> Iterator[apsw.Connection]:
    """A connection to one segment. ArchiveDamaged, ArchiveError."""
    connection = segments.open_for_reading(path)
    try:
        yield connection
    except (apsw.CorruptError, apsw.NotADBError, msgspec.MsgspecError, ValueError, LookupError) as error:
        raise ArchiveDamaged(f"{path} cannot be read: {error}; see gatewayd archive verify") from error
    except apsw.Error as error:
        raise ArchiveError(f"{path} cannot be read: {error}; see gatewayd archive verify") from error
    finally:
        connection.close(True)
