"""What the steps of a point look at: values of other points and days as they are now, written down already or not.

Rules: what was computed and is not in the archive yet goes before what is. Days that were looked at lately are
remembered, since the days of a month are compared with the same ones; one that is computed anew is read anew.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import chain
from zoneinfo import ZoneInfo

from gatewayd.daemon.derived import DerivedReader, SeriesName
from gatewayd.legal_time import day_bounds, days, legal_day
from gatewayd.metering.derivation import Standing
from gatewayd.metering.periods import apart
from gatewayd.metering.values import Channel, Layer, Series, Value
from gatewayd.obis import Obis

_LOOKED = 300
"""Days of points that are remembered, about 0.1 MB each."""


@dataclass(slots=True)
class _Fresh:
    """What was computed and is not in the archive yet."""

    series: dict[SeriesName, dict[datetime, Value]] = field(default_factory=lambda: defaultdict(dict))
    channels: dict[SeriesName, Channel] = field(default_factory=dict)

    def put(self, made: Series) -> None:
        name = made.channel.point, made.layer, made.channel.obis
        self.channels[name] = made.channel
        self.series[name].update({one.at: one for one in made.values})


class Current:
    """The Look of metering_steps.py. Used from one thread after the other, never from two at a time."""

    def __init__(self, derived: DerivedReader, zone: ZoneInfo) -> None:
        self._derived = derived
        self._zone = zone
        self._fresh = _Fresh()
        self._looked: dict[tuple[str, date], Mapping[Obis, Series]] = {}

    def begin(self) -> None:
        """Everything that was computed before is in the archive."""
        self._fresh = _Fresh()

    def lost(self) -> None:
        """What was computed before was not written."""
        self._fresh = _Fresh()
        self._looked.clear()

    def put(self, made: Series) -> None:
        """This was computed now."""
        self._fresh.put(made)

    def series(
        self, point: str, layer: Layer, first: datetime, last: datetime, *, passing: bool = False
    ) -> Mapping[Obis, Series]:
        """See Look. `passing`: what a damaged segment has is as if it were not there."""
        found: dict[Obis, Series] = {}
        standing = self._derived.current_of((point,), (layer,), first, last, passing=passing)
        names = {name for name in self._fresh.series if name[0] == point and name[1] is layer} | set(standing)
        for name in names:
            values = {at: one.derived.value for at, one in standing.get(name, {}).items()}
            fresh = self._fresh.series.get(name, {})
            values |= {at: one for at, one in fresh.items() if first < at <= last}
            if values:
                channel = self._fresh.channels.get(name) or _channel(name, standing[name])
                found[name[2]] = apart(Series(channel, layer, tuple(values[at] for at in sorted(values))))
        return found

    def day(self, point: str, day: date) -> Mapping[Obis, Series]:
        """See Look."""
        known = self._looked.get((point, day))
        if known is None:
            known = self.series(point, Layer.INTERVAL, *day_bounds(day, self._zone), passing=True)
            self.remember(point, day, known)
        return known

    def remember(self, point: str, day: date, found: Mapping[Obis, Series]) -> None:
        """This is all that there is of the intervals of a day."""
        if len(self._looked) >= _LOOKED:
            self._looked.clear()
        self._looked[point, day] = found

    def forget(self, point: str, day: date) -> None:
        """A day that is computed anew."""
        self._looked.pop((point, day), None)

    def days(self, point: str, start: datetime, end: datetime) -> dict[Obis, Series]:
        """The intervals of all days of a time, such as a month, each code with those of its days one after the
        other."""
        parts: defaultdict[Obis, list[Series]] = defaultdict(list)
        for day in days(legal_day(start + timedelta.resolution, self._zone), legal_day(end, self._zone)):
            for code, series in self.day(point, day).items():
                parts[code].append(series)
        return {
            code: Series(found[-1].channel, Layer.INTERVAL, tuple(chain.from_iterable(one.values for one in found)))
            for code, found in parts.items()
        }


def _channel(name: SeriesName, standing: Mapping[datetime, Standing]) -> Channel:
    unit = max(standing.values(), key=lambda one: (bool(one.unit), one.seq)).unit
    return Channel(name[0], name[2], unit)
