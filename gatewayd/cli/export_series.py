"""The series that `gatewayd export points` writes, point after point.

Rules: all of one point is read at a time, in pieces of a month, so that an export of many points holds no more than the
largest of them. Of a point the series stand in the order of their codes; each value has the serial number of the meter
that was there in its time. Says nothing: what is to be told is handed on.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from gatewayd.cli.export_registers import states
from gatewayd.cli.hours import HOURLY, hours
from gatewayd.cli.point_spans import Asked
from gatewayd.cli.portal_limits import cut
from gatewayd.cli.progress import progress
from gatewayd.config import Config
from gatewayd.daemon.derived import DerivedReader, derived_folder
from gatewayd.daemon.metering_raw import RawReader
from gatewayd.export.points import PointSeries
from gatewayd.metering.derivation import Standing
from gatewayd.metering.findings import same_energy
from gatewayd.metering.points import MeteringPoint, PointVersion, versions
from gatewayd.metering.values import Channel, Layer, Series
from gatewayd.obis import Obis

PIECE = timedelta(days=31)
"""So much is read in one query."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was asked for: points, layer (by its name, or `hour`), codes (all without), the time, whether the portal's
    limits count. `tariffs`: states of registers instead, of these rates too."""

    points: tuple[MeteringPoint, ...]
    layer: str
    codes: tuple[Obis, ...]
    time: Asked
    portal_limits: bool = False
    tariffs: dict[int, str] | None = None

    def takes(self, code: Obis) -> bool:
        return not self.codes or any(same_energy(one, code) for one in self.codes)


def series_of(
    config: Config, wanted: Wanted, tell: Callable[[str], None], *, written: bool = False
) -> Iterator[PointSeries]:
    """All series that have values, in the order of the points. `tell` hears of what the portal's limits leave out.
    `written`: they are written while they come, and only of the first point there is a bar. ArchiveError."""
    reader = DerivedReader(derived_folder(config.archive.path))
    serials = {one.id: one.serial for one in config.metered}
    raw = RawReader(config.archive.path)
    zone = config.gateway.zone
    for place, point in enumerate(wanted.points):
        if wanted.tariffs is not None:
            found = [
                one
                for one in states(raw, point, serials, wanted.tariffs, wanted.time.legal, zone)
                if wanted.takes(one.series.channel.obis)
            ]
        else:
            found = list(_derived(config, reader, wanted, point, serials, with_bar=not (written and place)))
        limit = cut((value.at, value.seconds) for one in found for value in one.series.values)
        if wanted.portal_limits and limit is not None:
            tell(limit.said(f"point {point.id}", zone))
            found = [_until(one, limit.last) for one in found]
        yield from (one for one in found if one.series.values)


def _derived(
    config: Config,
    reader: DerivedReader,
    wanted: Wanted,
    point: MeteringPoint,
    serials: dict[str, str],
    *,
    with_bar: bool,
) -> Iterator[PointSeries]:
    zone, hourly = config.gateway.zone, wanted.layer == HOURLY
    layer = Layer.INTERVAL if hourly else Layer(wanted.layer)
    found: dict[Obis, dict[datetime, Standing]] = defaultdict(dict)
    begin, end = wanted.time.around(wanted.layer)
    total = -(-(end - begin) // PIECE)
    with progress(f"reading {point.id}", total) if with_bar else nullcontext(_unseen) as show:
        done = 0
        while begin < end:
            until = min(begin + PIECE, end)
            for name, standing in reader.current_of((point.id,), (layer,), begin, until).items():
                if wanted.takes(name[2]):
                    found[name[2]] |= standing
            begin, done = until, done + 1
            show(done)
    meters = versions(point, zone)
    for code in sorted(found, key=str):
        start, end = wanted.time.of(point, wanted.layer, code, zone)
        standing = {at: one for at, one in found.pop(code).items() if start < at <= end}
        if not standing:
            continue
        unit = max(standing.values(), key=lambda one: one.seq).unit
        values = tuple(standing[at].derived.value for at in sorted(standing))
        series = Series(Channel(point.id, code, unit), layer, values)
        sound = frozenset(at for at, one in standing.items() if one.derived.validated)
        if hourly:
            series, sound = hours(point, series, start, end, zone), frozenset()
        known = serials_of(series, meters, serials)
        serial = next(iter(known.values()), "")
        alone = all(one == serial for one in known.values())
        yield PointSeries(series, point.point, serial if alone else "", sound, serials={} if alone else known)


def serials_of(series: Series, meters: Sequence[PointVersion], serials: Mapping[str, str]) -> dict[datetime, str]:
    """By the end of each value the serial number of the meter that was there in all of it; "" where several were, or
    none, or one whose number is not known. `serials`: by the id of the meter."""
    found: dict[datetime, str] = {}
    for value in series.values:
        there = {one.meter for one in meters if one.touches(value.start, value.at)}
        found[value.at] = serials.get(there.pop(), "") if len(there) == 1 else ""
    return found


def _unseen(_done: int) -> None:
    return


def _until(one: PointSeries, last: datetime) -> PointSeries:
    values = tuple(value for value in one.series.values if value.at <= last)
    return replace(one, series=replace(one.series, values=values))
