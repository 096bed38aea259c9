"""States of the registers of a point at the end of each legal-time day, for `gatewayd export points --registers`.

Rules: out of the raw archive, as primary values. The state of a day is the one that was read nearest to its end, at
most WITHIN before or after; a day without one is missing. What a tariff is called is not known to the gateway: it
depends on the operator of the network, and is said on the command line (requirements R5).
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec

from gatewayd.daemon.metering_raw import RawReader
from gatewayd.export.points import PointSeries
from gatewayd.legal_time import ends_between
from gatewayd.metering.points import MeteringPoint
from gatewayd.metering.registers import registers
from gatewayd.metering.values import Channel, Layer, Series, Value, missing
from gatewayd.obis import Obis

WITHIN = timedelta(minutes=15)
_DAY = timedelta(days=1)
_ENERGY = {1: "kWh", 2: "kWh"}
"""Group C of the registers that portals have: +A and -A."""


def states(
    reader: RawReader,
    point: MeteringPoint,
    serials: Mapping[str, str],
    tariffs: Mapping[int, str],
    span: tuple[datetime, datetime],
    zone: ZoneInfo,
) -> list[PointSeries]:
    """A series for each register that has any state near the end of a day in the span: totals, then +A of the tariffs,
    which are named by their rate; of each meter its own. ArchiveError."""
    ends = ends_between(*span, _DAY, zone)
    if not ends or not point.meters:
        return []
    archived = reader.registers(point.meters, ends[0] - WITHIN, ends[-1] + WITHIN)
    found: list[PointSeries] = []
    for c, unit in _ENERGY.items():
        known: dict[tuple[Obis, str], list[Value]] = {}
        for parts in registers(point, archived, Channel(point.id, Obis(1, 0, c, 29, 0), unit), zone):
            for register in parts:
                known.setdefault((register.channel.obis, register.meter), []).extend(register.states)
        for (code, meter), values in sorted(known.items()):
            tariff = tariffs.get(code.e, "") if code.c == 1 else ""
            if code.e and not tariff:
                continue
            daily = _daily(sorted(values, key=lambda one: one.at), ends)
            if any(one.there for one in daily):
                series = Series(Channel(point.id, code, unit), Layer.DAY, daily)
                found.append(PointSeries(series, point.point, serials.get(meter, ""), tariff=tariff))
    return sorted(found, key=lambda one: (one.tariff != "", one.series.channel.obis))


def _daily(values: Sequence[Value], ends: Sequence[datetime]) -> tuple[Value, ...]:
    """The states named by the ends of days, from the first day that has one to the last."""
    at = [one.at for one in values]
    found = [(end, _nearest(values, at, end)) for end in ends]
    there = [place for place, (_, value) in enumerate(found) if value is not None]
    return tuple(
        missing(end, 0, "no state was read near the end of the day")
        if value is None
        else msgspec.structs.replace(value, at=end)
        for end, value in (found[there[0] : there[-1] + 1] if there else ())
    )


def _nearest(values: Sequence[Value], at: Sequence[datetime], end: datetime) -> Value | None:
    place = bisect_left(at, end)
    near = [one for one in values[max(place - 1, 0) : place + 1] if abs(one.at - end) <= WITHIN]
    return min(near, key=lambda one: abs(one.at - end), default=None)
