"""Which readings the raw archive has by number, and what of the derived values stays because theirs are gone.

Rules: reads the raw archive. A number is gone when no segment that can be read covers it: dropped by retention,
damaged, put aside or lost. What is gone by retention is told by nobody, since it was to be; damage is told by whoever
looks.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime

import msgspec

from gatewayd.archive import segments
from gatewayd.daemon.metering_raw import RawReader
from gatewayd.daemon.metering_steps import Day, Made, PointWork
from gatewayd.errors import ArchiveDamaged
from gatewayd.metering.derivation import Standing
from gatewayd.metering.kept import NOTHING_GONE, Gone, stays
from gatewayd.metering.values import Channel, Layer, Series, Value, missing
from gatewayd.obis import Obis

_BOUNDS = "SELECT json_array((SELECT last_seq FROM segment), (SELECT max(last_seq) FROM batch))"
_BOUNDS_ROW = msgspec.json.Decoder(tuple[int, int | None])
_NEVER_REACHED = 1 << 62
Known = Mapping[tuple[str, Layer, Obis], Mapping[datetime, Standing]]
"""What stands in the derived archive."""


class Held:
    """Used from one thread after the other, never from two at a time. `look` before values are compared."""

    def __init__(self, raw: RawReader, works: Mapping[str, PointWork]) -> None:
        self.gone = NOTHING_GONE
        self._raw = raw
        self._works = works
        self._bounds: dict[int, tuple[int, int]] = {}
        """Of sealed segments: the numbers from behind the first one to the last one."""
        self._looked: tuple[tuple[int, ...], tuple[int, ...]] | None = None

    def look(self) -> None:
        """Find out what is gone by now. ArchiveError."""
        numbers = segments.segment_numbers(self._raw.folder)
        seen = tuple(numbers), tuple(self._raw.damaged)
        if seen == self._looked:
            return
        spans: list[tuple[int, int]] = []
        upto = 0
        for number in numbers:
            bounds = self._of(number, newest=number == numbers[-1])
            if bounds is None:
                continue
            if bounds[0] > upto:
                spans.append((upto + 1, bounds[0]))
            upto = max(upto, bounds[1])
        if upto < _NEVER_REACHED:
            spans.append((upto + 1, _NEVER_REACHED))
        self.gone = Gone(tuple(spans))
        self._looked = seen[0], tuple(self._raw.damaged)

    def _of(self, number: int, *, newest: bool) -> tuple[int, int] | None:
        """None of what cannot be read."""
        if number in self._raw.damaged:
            return None
        known = self._bounds.get(number)
        if known is None:
            try:
                start, end = _BOUNDS_ROW.decode(self._raw.text(number, _BOUNDS, ()))
            except ArchiveDamaged:
                return None
            known = start, _NEVER_REACHED if newest else max(start, end or 0)
            if not newest:
                self._bounds[number] = known
        return known

    def whole(self, series: Series, standing: Mapping[datetime, Standing], end: datetime, why: str) -> Series:
        """A day with what stands of it and is not made any more: as it is, where its readings are gone; else as
        missing, and `why`."""
        values = {one.at: one for one in series.values}
        for at, one in standing.items():
            if at > end:
                continue
            value, made = one.derived.value, values.get(at)
            if self._stays(series, made, value):
                values[at] = value
            elif made is None:
                values[at] = missing(at, value.seconds, why)
        if len(values) == len(series.values) and all(values[one.at] is one for one in series.values):
            return series
        return replace(series, values=tuple(values[at] for at in sorted(values)))

    @staticmethod
    def unproven(series: Series, standing: Mapping[datetime, Standing]) -> bool:
        """Whether there is a value that stays and was not validated."""
        return any(
            before.derived.value is one and not before.derived.validated
            for one in series.values
            if (before := standing.get(one.at)) is not None
        )

    def kept(self, series: Series, standing: Mapping[datetime, Standing]) -> Series:
        """The values with what stays in their place."""
        if not self.gone.spans or not standing:
            return series
        values = tuple(
            before.derived.value
            if (before := standing.get(one.at)) is not None and self._stays(series, one, before.derived.value)
            else one
            for one in series.values
        )
        return replace(series, values=values)

    def _stays(self, series: Series, new: Value | None, standing: Value) -> bool:
        work = self._works.get(series.channel.point)
        own = work is None or bool(work.plan.meters)
        return new is not standing and stays(new, standing, self.gone, own=own)


def unmade(made: Iterable[Made], known: Known, at: Day) -> list[Made]:
    """What stands of the intervals of a day beside what was made of it, with nothing in it."""
    there = {one.series.channel.obis for one in made}
    found: list[Made] = []
    for (point, layer, code), standing in known.items():
        if (point, layer) == (at.point, Layer.INTERVAL) and code not in there:
            units = [one.unit for end, one in standing.items() if at.start < end <= at.end]
            found += [Made(Series(Channel(point, code, unit), layer, ()), checked=True) for unit in units[:1]]
    return found
