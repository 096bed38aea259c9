"""The primary values of one channel of a point, interval by interval, through changes of ratio and meter.

Rules: pure. Status and flags of the readings stay. Where the configuration says since when a ratio holds it counts from
then on, whatever was archived; else the ratio counts that was archived with the reading. An interval in which the ratio
changes is distorted, as nobody knows what belongs to which ratio: it is counted with the one at its end. One in which
the meter changes is what both meters have of it, distorted; where the metering period changes with the meter in the
middle of an interval nothing is added up. A change at the end of an interval harms none. What counts in one direction
is not negative: such a value is implausible, and so distorted. Of a code of which nobody knows whether it is a state or
what came in the interval there is no value.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache

import msgspec

from gatewayd.metering.algebra import total
from gatewayd.metering.energy_units import amount, counted, energy_unit
from gatewayd.metering.periods import Intervals, Span
from gatewayd.metering.points import MeteringPoint, PointVersion
from gatewayd.metering.ratio_remarks import Remarks, ratio_text
from gatewayd.metering.rows_chosen import Chosen, chosen, chosen_total
from gatewayd.metering.sources import Source, one_way, usual_unit
from gatewayd.metering.totals import risen
from gatewayd.metering.values import Channel, Layer, Method, Series, Value, missing
from gatewayd.model import NO_FLAGS, Archived, Flag, Ratio, RawStatus
from gatewayd.obis import Obis

_CHANGED = Flag.CONFIG_CHANGED
_EXCHANGED = Flag.CONFIG_CHANGED | Flag.PARTIAL_INTERVAL

Rows = Mapping[datetime, Sequence[Archived]]
"""What is archived of one meter and code, by the end of the interval."""
Tables = Mapping[str, Sequence[tuple[Rows, Source]]]
"""By meter, the sources of the channel in the order in which they count."""
Made = tuple[Value, str]
"""A value, and its unit; "" where there is no number."""


class ChannelValues:
    """One channel. `held`: the versions of the point, ascending, and its `intervals`."""

    def __init__(
        self,
        point: MeteringPoint,
        code: Obis,
        held: Sequence[PointVersion],
        intervals: Intervals,
        tables: Tables,
        remarks: Remarks,
    ) -> None:
        self._point = point
        self._code = code
        self._held = held
        self._tables = tables
        self._remarks = remarks
        self._intervals = intervals
        self._one_way = one_way(code)

    def series(self) -> Series:
        """All values, of one unit: that of the first that has one."""
        values: list[Value] = []
        unit = ""
        for value, found in self._values():
            if found and unit and found != unit:
                said = f"its unit is {found}, that of the values before it {unit}"
                value = missing(value.at, value.seconds, said, flags=value.flags)
            unit = unit or found
            values.append(value)
        unit = unit or self._told_unit() or usual_unit(self._code)
        return Series(Channel(self._point.id, self._code, unit), Layer.INTERVAL, tuple(values))

    def _told_unit(self) -> str:
        """That of readings without a number, the same in whatever order they came."""
        tables = (rows for table in self._tables.values() for rows, _ in table)
        told = {one.reading.unit for rows in tables for there in rows.values() for one in there}
        return min((energy_unit(unit).unit for unit in told if unit), default="")

    def _values(self) -> Iterator[Made]:
        """Ascending; nothing of intervals that are none of the point's."""
        held, place, changing = self._held, 0, self._intervals.changing
        for start, end in sorted(self._spans()):
            while (until := held[place].until) is not None and until <= start:
                place += 1
            version = held[place]
            if meters := changing.get((start, end)):
                names = " to ".join(meters)
                said = f"the meter changes in it, {names}, and with it the metering period: nothing is added up"
                yield self._missing((start, end), _EXCHANGED, (), said), ""
                continue
            if version.since <= start and (version.until is None or end <= version.until):  # nearly always
                found = self._of_meter(version.meter, start, end)
                made = None if found is None else self._plain(version, found, start, end)
            else:
                made = self._changing(start, end)
            if made is not None:
                yield made

    def _spans(self) -> set[Span]:
        """The intervals of which there is something, of whichever meter; of totals those that have both."""
        found: set[datetime] = set()
        totals: set[datetime] = set()
        for table in self._tables.values():
            for rows, source in table:
                (totals if source is Source.TOTAL else found).update(rows)
        spans = self._intervals.all_of(found | totals)
        return spans if not totals else {one for one in spans if one[1] in found or one[0] in totals}

    def _of_meter(self, meter: str, start: datetime, end: datetime) -> Chosen | None:
        """What counts of one meter, of the first source that has a number, else of the first that has anything."""
        nothing: Chosen | None = None
        for rows, source in self._tables[meter]:
            there = rows.get(end)
            if there is None:
                continue
            if source is Source.ENERGY:
                found = chosen(there, end)
            elif source is Source.UNKNOWN:
                found = self._uncounted(chosen(there, end))
            elif before := rows.get(start):
                found = risen(chosen_total(before), chosen_total(there))
            else:
                continue
            if found.value is not None:
                return found
            nothing = nothing or found
        return nothing

    def _uncounted(self, found: Chosen) -> Chosen:
        """What a reading is whose code does not say what it is of its interval: a voltage is one, energy is none."""
        if found.value is None or not (counted(found.unit) or not found.unit):
            return found
        said = (
            f"nobody knows whether {self._code.reduced()} is a state or what came in the interval, so it is not "
            f"counted: {found.value:f} {found.unit}"
        )
        return msgspec.structs.replace(found, value=None, status=RawStatus.MISSING, said=said.rstrip())

    def _plain(self, version: PointVersion, found: Chosen, start: datetime, end: datetime) -> Made:
        ratio = found.ratio
        if version.ratio is not None:
            if version.ratio.factor != ratio.factor:
                self._remarks.note(version.meter, self._code, end, ratio, version.ratio)
            ratio = version.ratio
        elif isinstance(ratio.since, datetime) and start < ratio.since < end:
            harm = f"the ratio changes to {ratio_text(ratio)} in it"
            return self._made(found, ratio, (start, end), version.meter, harm, _CHANGED)
        return self._made(found, ratio, (start, end), version.meter)

    def _changing(self, start: datetime, end: datetime) -> Made | None:
        """An interval that no version covers."""
        touching = [one for one in self._held if one.touches(start, end)]
        if not touching:
            return None
        if len({one.meter for one in touching}) > 1 or start < touching[0].since:
            return self._exchanged(touching, start, end)
        newest = touching[-1]
        found = self._of_meter(newest.meter, start, end)
        if found is None:
            return None
        if len({one.configured.factor for one in touching}) == 1:
            return self._plain(newest, found, start, end)
        said = " to ".join(ratio_text(one.configured) for one in touching)
        return self._made(
            found, newest.configured, (start, end), newest.meter, f"the ratio changes in it, from {said}", _CHANGED
        )

    def _made(
        self, found: Chosen, ratio: Ratio, span: Span, meter: str, harm: str = "", flags: Flag = NO_FLAGS
    ) -> Made:
        """What counts as a primary value; `harm`: why it is distorted besides."""
        flags = found.flags | flags if flags else found.flags
        if found.value is None:
            said = "; ".join(text for text in (harm, found.said or "no value") if text)
            return self._missing(span, flags, found.inputs, said), ""
        unit, factor, status = energy_unit(found.unit), ratio.factor, found.status
        if found.value < 0 and self._one_way and counted(found.unit):
            negative = f"it is negative, and {self._code.reduced()} counts in one direction"
            harm = f"{harm}; {negative}" if harm else negative
        if harm and status < RawStatus.DISTORTED:
            status = RawStatus.DISTORTED
        end, seconds = span[1], _seconds(*span)
        number = amount(found.value, unit, factor, seconds)
        reason = _times(meter, factor)
        if harm or found.said:
            reason = "; ".join(text for text in (reason, found.said, harm) if text)
        return Value(end, seconds, number, status, flags, found.inputs, reason=reason), unit.unit

    def _exchanged(self, touching: Sequence[PointVersion], start: datetime, end: datetime) -> Made:
        """An interval in which the meter changes, or the first meter begins: what there is of it."""
        made: list[Made] = []
        names = list(dict.fromkeys(one.meter for one in touching))
        for meter in names:
            ratio = [one.ratio for one in touching if one.meter == meter][-1]
            found = self._of_meter(meter, start, end)
            if found is not None:
                made.append(self._made(found, found.ratio if ratio is None else ratio, (start, end), meter))
        said = f"meter {names[0]} begins in it" if len(names) == 1 else f"the meter changes in it, {' to '.join(names)}"
        there = [(value.amount, unit, value.status) for value, unit in made if value.amount is not None]
        flags, inputs = _EXCHANGED, tuple(sorted({seq for value, _ in made for seq in value.inputs}))
        for value, _ in made:
            flags |= value.flags
        if not there or len({unit for _, unit, _ in there}) > 1:
            return self._missing((start, end), flags, inputs, said), ""
        status = RawStatus.worst((RawStatus.DISTORTED, *(status for _, _, status in there)))
        number = total(each for each, _, _ in there)
        return Value(end, _seconds(start, end), number, status, flags, inputs, reason=said), there[0][1]

    def _missing(self, span: Span, flags: Flag, inputs: tuple[int, ...], reason: str) -> Value:
        seconds = _seconds(*span)
        return Value(span[1], seconds, None, RawStatus.MISSING, flags, inputs, Method.NONE, 0, 1, reason=reason)


def _seconds(start: datetime, end: datetime) -> int:
    return _whole_seconds(end - start)


@lru_cache(maxsize=64)
def _whole_seconds(length: timedelta) -> int:
    """Remembered: the archive tells by the very same number that two values are of one series."""
    return round(length.total_seconds())


@lru_cache(maxsize=1024)
def _times(meter: str, factor: Decimal) -> str:
    return f"{meter} times {factor:f}"
