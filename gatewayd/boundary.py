"""Where the registers stand whose increments are wanted: what increments.py needs to know, kept over restarts.

Rules: the archive is the memory. The readings of intervals stand in the same exchange as the registers that they were
made of, so that a crash leaves both or neither; what was put down is known from there after a start, and nothing else
is written. A draft holds only when the archive has taken it: until then it is forgotten.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from gatewayd.archive.query import Reader, Selection
from gatewayd.driver import Clock
from gatewayd.errors import ArchiveError
from gatewayd.increments import LONGEST_HOLE, Sight, Terms, Track, increment_code, restored, step
from gatewayd.model import Archived, Flag, Increments, Kind, Meter, Reading
from gatewayd.obis import Obis
from gatewayd.verdicts import plain_serial

log = logging.getLogger("gatewayd.boundary")

_Key = tuple[str, timedelta, Obis]


@dataclass(frozen=True, slots=True)
class Draft:
    """Readings of intervals to be archived, and what is known of the registers when they are."""

    readings: tuple[Reading, ...] = ()
    tracks: tuple[tuple[_Key, Track], ...] = ()


class Tracks:
    """Where each register stands. `steady` is a clock in seconds that nobody sets, None where there is none."""

    def __init__(self, folder: Path, clock: Clock, zone: ZoneInfo, steady: Callable[[], float] | None = None) -> None:
        self._folder = folder
        self._clock = clock
        self._zone = zone
        self._steady = steady
        self._known: dict[_Key, Track] = {}

    async def load(self, meter: Meter, order: Increments) -> None:
        """To be awaited before the registers are asked for. What the archive cannot tell is taken as never read."""
        for code in order.registers:
            key = meter.id, order.period, code
            if key not in self._known:
                terms = self._terms(order, code)
                owner = meter.owner(code).id  # a metering point of a registrar is a meter of its own in the archive
                self._known[key] = await asyncio.to_thread(self._restored, owner, terms, self._clock())

    def draft(self, meter: Meter, order: Increments, readings: Sequence[Reading], serials: Sequence[str]) -> Draft:
        """What comes of an answer. The registers in it are forgotten until the draft is kept."""
        skew = None if self._steady is None else self._skew(self._steady())
        names, own = frozenset(map(plain_serial, serials)), plain_serial(meter.serial)
        made: list[Reading] = []
        tracks: list[tuple[_Key, Track]] = []
        for code in order.registers:
            found = next((one for one in readings if one.obis == code and one.kind is Kind.REGISTER), None)
            track = self._known.pop((meter.id, order.period, code), None) if found is not None else None
            if found is None or track is None:
                continue
            sight = Sight(found, names, None if found.meter_time else skew, own)
            track, new = step(track, self._terms(order, code), sight)
            tracks.append(((meter.id, order.period, code), track))
            made += new
        return Draft(tuple(made), tuple(tracks))

    def keep(self, draft: Draft) -> None:
        """The archive has taken it."""
        self._known.update(draft.tracks)

    def _terms(self, order: Increments, code: Obis) -> Terms:
        return Terms(code, order.period, self._zone, order.rollover)

    def _skew(self, steady: float) -> timedelta:
        return (self._clock() - datetime.fromtimestamp(0, self._zone)) - timedelta(seconds=steady)

    def _restored(self, meter: str, terms: Terms, now: datetime) -> Track:
        since = terms.boundary(now) - terms.period
        wanted = Selection(meter, str(increment_code(terms.code)), Kind.INTERVAL, since=now - LONGEST_HOLE)
        asked = Selection(meter, str(terms.code), Kind.REGISTER, since=since, until=now)
        seconds = int(terms.period.total_seconds())
        try:
            reader = Reader(self._folder)
            made = [one for one in reader.newest(wanted) if one.reading.interval_s == seconds]
            read = [_plain(one) for one in reader.newest(asked) if Flag.MANUAL not in one.reading.flags]
            return restored(terms, made, read, now)
        except ArchiveError as error:
            log.warning("meter %s: where %s stood before is not known: %s", meter, terms.code, error)
            return Track()


def _plain(one: Archived) -> Archived:
    return replace(one, serial=plain_serial(one.serial))
