"""Which intervals of a profile readings are, and which the archive has: both as `Rows` of a coverage.

Rules: pure. What ends beside the grid is no interval. A row of another length than the profile's, whose length is not
configured, counts for the intervals whose time it covers, alone or with others of its length. Of intervals that the
gateway makes itself, those that are missing are told, not there.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from gatewayd.archive.profile_rows import ChannelRow, ProfileRows
from gatewayd.archive.rows import from_us
from gatewayd.coverage import Channel, Rows, covered
from gatewayd.legal_time import Grid, grid_of
from gatewayd.model import Flag, RawStatus, Reading
from gatewayd.runs import Runs


@dataclass(slots=True)
class _Found:
    """Intervals of one length."""

    there: set[int] = field(default_factory=set)
    told: set[int] = field(default_factory=set)
    dark: set[int] = field(default_factory=set)


class _Lengths:
    """What was found, by length."""

    def __init__(self, grid: Grid, *, fixed: bool) -> None:
        self._grid = grid
        self._fixed = fixed
        self._own = int(grid.period.total_seconds())
        self._grids: dict[int | None, Grid | None] = {None: grid, self._own: grid}
        self._places: dict[tuple[datetime, int | None], tuple[int, _Found] | None] = {}
        self._found: defaultdict[Grid, _Found] = defaultdict(_Found)
        self.others: datetime | None = None
        """The newest end of another length."""

    def take(self, at: datetime, seconds: int | None, *, told: bool, dark: bool) -> None:
        key = at, seconds
        if key not in self._places:  # a row has many channels
            grid = self._grid_of(seconds)
            number = None if grid is None else grid.number(at)
            self._places[key] = None if grid is None or number is None else (number, self._found[grid])
            if grid != self._grid and (self.others is None or at > self.others):
                self.others = at
        place = self._places[key]
        if place is None:
            return
        number, found = place
        (found.told if told else found.there).add(number)
        if dark and not told:
            found.dark.add(number)

    def rows(self, channels: tuple[Channel, ...]) -> Rows:
        own = self._found.pop(self._grid, _Found())
        there, told = Runs.of(own.there), Runs.of(own.told)
        for grid, found in self._found.items():
            there = there.union(covered(Runs.of(found.there), grid, self._grid))
            told = told.union(covered(Runs.of(found.told), grid, self._grid))
        return Rows(there, Runs.of(own.dark), told, channels)

    def _grid_of(self, seconds: int | None) -> Grid | None:
        """None where intervals of this length have none."""
        if self._fixed:
            return self._grid
        if seconds not in self._grids:
            period = timedelta(seconds=seconds or 0)
            self._grids[seconds] = grid_of(period, self._grid.zone) if Grid.fits(period) else None
        return self._grids[seconds]


def of_readings(readings: Sequence[Reading], grid: Grid, *, fixed: bool, made: bool) -> tuple[Rows, datetime | None]:
    """Of intervals, with the channels of the newest row; and the newest end of one of another length, None for none.
    `fixed`: the length is configured; `made`: by the gateway."""
    newest = max(one.at for one in readings)
    lengths = _Lengths(grid, fixed=fixed)
    before: Reading | None = None
    for one in readings:
        if (
            before is not None  # the next channel of a row says the same of it, nearly always
            and one.at is before.at
            and one.flags is before.flags
            and one.status is before.status
            and one.interval_s == before.interval_s
        ):
            continue
        before = one
        told = made and one.status is RawStatus.MISSING
        lengths.take(one.at, one.interval_s, told=told, dark=Flag.POWER_DOWN in one.flags)
    return lengths.rows(tuple(dict.fromkeys(Channel.of(one) for one in readings if one.at == newest))), lengths.others


def of_archive(found: ProfileRows, grid: Grid, *, fixed: bool) -> tuple[Rows, datetime | None]:
    """The same of what the archive has."""
    lengths = _Lengths(grid, fixed=fixed)
    for one in found.intervals:
        lengths.take(from_us(one.at), one.interval_s, told=bool(one.told), dark=bool(one.dark))
    channels = [
        Channel(one.obis, one.obis_raw, one.unit, one.scaler, bool(one.is_obis)) for one in newest(found.channels)
    ]
    return lengths.rows(tuple(dict.fromkeys(channels))), lengths.others


def newest(channels: Iterable[ChannelRow]) -> list[ChannelRow]:
    """The channels of the newest row."""
    found = sorted(channels, key=lambda one: one.at)
    return [one for one in found if one.at == found[-1].at]
