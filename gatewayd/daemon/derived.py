"""The derived archive: a second archive of the same format in `derived/` beside the raw one (ADR 15).

    DerivedArchive    the writer: a Store of its own, with its own chain, head, signatures and segments
    DerivedReader     current values, and all versions of one

Rules: nothing is changed, a newer version is appended; the newest version of a point, layer, code and end is the value.
Events (metering/events.py) are no values: derived_events.py reads them.
What was computed together is written together or not at all. A query is one step of SQLite, so that other threads
go on meanwhile.
"""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Protocol, TypeVar
from zoneinfo import ZoneInfo

import apsw
import msgspec

from gatewayd.archive import rows, segments
from gatewayd.archive.lookups import Lookups
from gatewayd.archive.records import Bundle, Entry
from gatewayd.archive.store import Store
from gatewayd.daemon.derived_rows import (
    BY_HAND,
    CURRENT,
    CURRENT_ROWS,
    HISTORY,
    HOUR_US,
    HOURS,
    MORE_OF_ALL,
    NUMBERS,
    POINTS,
    TEXTS,
    THERE,
    HistoryRow,
    number_by_hand,
    value_of,
)
from gatewayd.daemon.derived_spans import KEY, MEMORY, Spans, reading
from gatewayd.daemon.file_marks import FileMark, mark_of
from gatewayd.daemon.metering_tally import DerivedTally
from gatewayd.errors import ArchiveDamaged, ArchiveError
from gatewayd.legal_time import legal_day
from gatewayd.metering.derivation import Known, Standing
from gatewayd.metering.record import Derived
from gatewayd.metering.values import Channel, Layer, Value
from gatewayd.model import DIRECT, NOWHERE, Exchange, MeteringType, Point, Reading
from gatewayd.obis import Obis

FOLDER = "derived"
_MOST = 5000
"""Readings in one transaction, about: what waits for its turn behind them waits some hundredths of a second."""

_EVER = (-(1 << 62), 1 << 62)
T = TypeVar("T")

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
    """Reads one derived archive. Used from one thread after the other, never from two at a time.

    A segment that cannot be read is an ArchiveDamaged; with `passing` it is as if it were not there."""

    def __init__(self, folder: Path, lookups: Lookups | None = None) -> None:
        self.folder = folder
        self.damaged: dict[int, FileMark] = {}
        """Segments of which something could not be read, as their files were then: until they are other ones, whatever
        else can be read of them."""
        self.lookups = Lookups() if lookups is None else lookups
        self._spans = Spans(folder, self.lookups)

    def current_of(
        self,
        points: Collection[str],
        layers: Collection[Layer],
        first: datetime,
        last: datetime,
        *,
        passing: bool = False,
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

        def taken(connection: apsw.Connection) -> None:
            for row in CURRENT_ROWS.decode(str(connection.execute(CURRENT, wanted).get)):
                key = row.meter, row.layer, row.obis
                known = series.get(key)
                if known is None:
                    known = series[key] = found[row.meter, Layer(row.layer), Obis.parse(row.obis)]
                at = instants.get(row.at)
                if at is None:
                    at = instants[row.at] = rows.from_us(row.at)
                before = known.get(at)
                if before is None or before.seq < row.seq:  # the length of a day, or its unit, may have been another
                    known[at] = Standing(row.seq, value_of(row, at), row.unit)

        for _ in self._each(wanted[2], wanted[3], taken, passing=passing):
            pass
        return dict(found)

    def current(self, point: str, layer: Layer, obis: Obis, first: datetime, last: datetime) -> dict[datetime, Value]:
        """The newest versions of the values of one series, by the end of their interval. ArchiveError."""
        found: Known = self.current_of((point,), (layer,), first, last).get((point, layer, obis), {})
        return {at: found[at].derived.value for at in sorted(found)}

    def days_of(self, points: Collection[str], first: datetime, last: datetime, zone: ZoneInfo) -> set[date]:
        """The legal-time days on which there are intervals in such a span, as far as segments can be read.
        ArchiveError."""
        begin, end = rows.to_us(first), rows.to_us(last)
        hours: set[int] = set()
        for text in self.texts(HOURS, (_json(points), begin, end), begin, end, passing=True):
            hours.update(NUMBERS.decode(text))
        return {legal_day(rows.from_us((hour + 1) * HOUR_US), zone) for hour in hours}

    def having(self, points: Collection[str], first: datetime, last: datetime) -> set[str]:
        """Those of these points that have intervals in such a span, as far as segments can be read. ArchiveError."""
        begin, end = rows.to_us(first), rows.to_us(last)
        found: set[str] = set()
        for text in self.texts(THERE, (_json(points), begin, end), begin, end, passing=True):
            found.update(TEXTS.decode(text))
        return found

    def history(self, point: str, obis: Obis, at: datetime, layer: Layer | None = None) -> list[Written]:
        """All versions of what ends at an instant, oldest first, of one layer or of all. ArchiveError."""
        us = rows.to_us(at)

        def versions(connection: apsw.Connection) -> list[Written]:
            batch = rows.typed(connection.execute(HISTORY, (point, str(obis), us)), HistoryRow)
            return [_written(row) for row in batch if layer is None or row.layer == layer.value]

        return [one for found in self._each(us - 1, us, versions) for one in found]

    def channels(self, *, passing: bool = False) -> frozenset[tuple[str, str, str, str]]:
        """Point, code, layer and unit of everything that there is. ArchiveError."""

        def there(connection: apsw.Connection) -> list[tuple[str, str, str, str]]:
            return rows.typed(connection.execute(POINTS), tuple[str, str, str, str])

        return frozenset(one for found in self._each(*_EVER, there, passing=passing) for one in found)

    def numbers_by_hand(self) -> set[int]:
        """The numbers of the substitute values by hand that any version of a value was made of, as far as segments can
        be read. ArchiveError."""
        found: set[int] = set()
        for text in self.texts(BY_HAND, (), *_EVER, passing=True):
            found.update(one for one in map(number_by_hand, MORE_OF_ALL.decode(text)) if one is not None)
        return found

    def texts(
        self, sql: str, values: tuple[str | int, ...], first_us: int, last_us: int, *, passing: bool = False
    ) -> Iterator[str]:
        """The one text that a query gives of each segment that may hold something that ends after `first_us` and not
        after `last_us`. ArchiveError."""
        return self._each(
            first_us, last_us, lambda connection: str(connection.execute(sql, values).get), passing=passing
        )

    def _each(
        self, first_us: int, last_us: int, query: Callable[[apsw.Connection], T], *, passing: bool = False
    ) -> Iterator[T]:
        for number in self._spans.reaching(first_us, last_us):
            try:
                with reading(self.lookups, segments.segment_path(self.folder, number)) as connection:
                    found = query(connection)
            except ArchiveDamaged:
                self.damaged[number] = mark_of(self.folder, number)
                if passing:
                    continue
                raise
            if number in self.damaged and self.damaged[number] != mark_of(self.folder, number):
                del self.damaged[number]
            yield found


class Derivable(Protocol):
    """What is written as one exchange: a Derivation, or events by themselves."""

    def exchange(self, at: datetime) -> Exchange: ...

    def readings(self) -> tuple[Reading, ...]: ...


def entry_of(derivation: Derivable, at: datetime, identity: Identity = NOBODY) -> Entry:
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
        self.tally = DerivedTally()
        self._spans = Spans(store.folder)

    async def append(self, entries: Sequence[Entry]) -> int:
        """Write what was computed together, in the order handed in; how many values. Returns when it is on the disk.
        ArchiveError."""
        pending = []
        for part in _parts(entries):
            bundle = Bundle(tuple(part), tuple(range(sum(len(one.readings) for one in part))))
            pending.append(self._appended(bundle))
        # All of them are waited for: what is on its way to the disk must not be computed as if it were not there.
        for result in await asyncio.gather(*pending, return_exceptions=True):
            if isinstance(result, BaseException):
                raise result
        with contextlib.suppress(ArchiveError):  # what is not written down now is so the next time
            spans = await asyncio.to_thread(self._spans.written)
            if spans is not None:
                await self.store.remember_all([(MEMORY, KEY, spans)])
        return sum(len(one.readings) for one in entries)

    async def _appended(self, bundle: Bundle) -> None:
        await asyncio.shield(self.store.queued(bundle))
        self.tally.confirmed(bundle.entries)


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


def _written(row: HistoryRow) -> Written:
    channel = Channel(row.meter, Obis.parse(row.obis), row.unit)
    document = msgspec.json.decode(row.received, type=dict[str, object])
    derived = value_of(row, rows.from_us(row.at))
    when = rows.from_us(row.ended_at)
    return Written(row.seq, row.exchange, when, channel, Layer(row.layer), derived, row.detail, document)


def _json(texts: Collection[str]) -> str:
    return msgspec.json.encode(list(texts)).decode()
