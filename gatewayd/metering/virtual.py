"""Virtual metering points: sums and differences of points, with coefficients, one upon the other.

Rules: pure (PPDS annex 5, 1.2: logical sums). Each code is summed by itself; nothing is turned round or cut off, so
that a difference may be negative. The worst status wins (2.12); a missing input makes the result missing without an
amount, or, for a point that is `partial`, with what is there, still missing, and its coverage. Inputs of different
units, layers or lengths are refused: nothing is converted here; what has no number fits any unit. Definitions that go
round in a circle are refused, and named.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from gatewayd.legal_time import QUARTER, end_label
from gatewayd.metering.aggregate import Span
from gatewayd.metering.algebra import gathered, named, times, total, wanted
from gatewayd.metering.values import Channel, Layer, Method, Series, Value
from gatewayd.obis import Obis

_NAMED = 5
"""So many points are named in a reason."""


@dataclass(frozen=True, slots=True)
class Virtual:
    """A virtual metering point: each point of the sum by its id, with its coefficient (1, -1, 0.5)."""

    point: str
    terms: Mapping[str, Decimal]
    partial: bool = False


@dataclass(frozen=True, slots=True)
class Term:
    """One series of a sum, and how often it counts."""

    factor: Decimal
    series: Series


def cycle(definitions: Iterable[Virtual]) -> tuple[str, ...]:
    """The points of a circle, the first one again at the end; () where there is none."""
    return _walk({one.point: one for one in definitions})[1]


def in_order(definitions: Iterable[Virtual]) -> tuple[Virtual, ...]:
    """The definitions, each behind those that it needs. ValueError that names the circle, or the point that is defined
    twice."""
    by_point: dict[str, Virtual] = {}
    for one in definitions:
        if by_point.setdefault(one.point, one) is not one:
            raise ValueError(f"the virtual point {one.point} is defined twice; leave one of them out")
    order, circle = _walk(by_point)
    if circle:
        raise ValueError(
            f"virtual points go round in a circle: {' -> '.join(circle)}; take {circle[-1]} out of the sum of "
            f"{circle[-2]}"
        )
    return tuple(by_point[point] for point in order)


def _walk(by_point: Mapping[str, Virtual]) -> tuple[list[str], tuple[str, ...]]:
    """Depth first, without recursion: the order, and the first circle that was found."""
    order: list[str] = []
    done: set[str] = set()
    for root in by_point:
        path: list[str] = []
        rests = [iter((root,))]
        while rests:
            point = next(rests[-1], None)
            if point is None:
                rests.pop()
                if path:
                    order.append(path[-1])
                    done.add(path.pop())
            elif point in path:
                return order, (*path[path.index(point) :], point)
            elif point in by_point and point not in done:
                path.append(point)
                rests.append(iter(by_point[point].terms))
    return order, ()


def computed(
    definitions: Iterable[Virtual],
    series: Iterable[Series],
    intervals: Sequence[Span] | None = None,
    *,
    period: timedelta = QUARTER,
) -> tuple[Series, ...]:
    """The series of all virtual points in the order of computation, of the codes that every one of their points has in
    `series` (an empty series counts: all that it has is missing). ValueError as for `in_order` and `combined`."""
    known = {(one.channel.point, one.channel.obis): one for one in series}
    codes: dict[str, set[Obis]] = {}
    for point, code in known:
        codes.setdefault(point, set()).add(code)
    made: list[Series] = []
    for one in in_order(definitions):
        shared = set.intersection(*(codes.get(point, set()) for point in one.terms)) if one.terms else set[Obis]()
        for code in sorted(shared):
            terms = [Term(factor, known[point, code]) for point, factor in one.terms.items()]
            channel = Channel(one.point, code, unit_of([term.series for term in terms]))
            made.append(combined(channel, terms, intervals, partial=one.partial, period=period))
            known[one.point, code] = made[-1]
        codes[one.point] = shared
    return tuple(made)


def combined(
    channel: Channel,
    terms: Sequence[Term],
    intervals: Sequence[Span] | None = None,
    *,
    partial: bool = False,
    period: timedelta = QUARTER,
) -> Series:
    """The sum of series, each times its factor: for every interval that one of them has, or for these intervals.

    `have` of `want` counts the intervals of all of them; `period` as in `aggregate`. ValueError in words where they do
    not fit together."""
    instants = fitting(channel, [term.series for term in terms])
    if intervals is not None:
        lengths = dict(instants)
        instants = [(end, round((end - start).total_seconds())) for start, end in intervals]
        for at, seconds in instants:
            if lengths.get(at, seconds) != seconds:
                raise ValueError(_length(named(terms[0].series), at, lengths[at], seconds))
    tables = [(term, term.series.by_end(), term.series.values[0] if term.series.values else None) for term in terms]
    made = [_at(at, seconds, tables, partial, period) for at, seconds in instants]
    return Series(channel, terms[0].series.layer, tuple(made))


def unit_of(series: Sequence[Series]) -> str:
    """The unit of what is made of these: that of numbers, else whichever is known; "" where none is."""
    known = [one for one in series if one.channel.unit]
    return next((one.channel.unit for one in known if _numbers(one)), known[0].channel.unit if known else "")


def _numbers(series: Series) -> bool:
    return any(one.amount is not None for one in series.values)


def fitting(channel: Channel, series: Sequence[Series]) -> list[tuple[datetime, int]]:
    """The intervals that any of the series has: end and seconds, ascending. ValueError where the units of their
    numbers, layers or lengths differ, where a layer cannot be added up, and of none."""
    if not series:
        raise ValueError(f"point {channel.point} {channel.obis}: nothing to make it of; name the points of its sum")
    first = series[0]
    for one in series:
        if one.channel.unit != channel.unit and _numbers(one):
            raise ValueError(
                f"point {channel.point} {channel.obis} is in {channel.unit or 'no unit'}, {named(one)} in "
                f"{one.channel.unit or 'no unit'}: units are not converted; take the point out of the sum"
            )
        if one.layer is not first.layer or one.layer is Layer.MAXIMUM:
            raise ValueError(
                f"{named(one)}: values of the layer '{one.layer.value}' and '{first.layer.value}' cannot be added up; "
                "maxima are those of the sum of intervals"
            )
    lengths: dict[datetime, int] = {}
    for one in series:
        for value in one.values:
            if lengths.setdefault(value.at, value.seconds) != value.seconds:
                raise ValueError(_length(named(one), value.at, value.seconds, lengths[value.at]))
    return sorted(lengths.items())


def _length(whose: str, at: datetime, seconds: int, others: int) -> str:
    return (
        f"{whose}: the interval that ends at {end_label(at)} has {seconds} s where {others} s are expected: "
        "aggregate to the same length first"
    )


def _at(
    at: datetime,
    seconds: int,
    tables: Sequence[tuple[Term, Mapping[datetime, Value], Value | None]],
    partial: bool,
    period: timedelta,
) -> Value:
    found: list[Value] = []
    amounts: list[Decimal] = []
    holes: list[str] = []
    lost = 0
    for term, by_end, like in tables:
        one = by_end.get(at)
        if one is None:
            lost += wanted(seconds, like, period)
        else:
            found.append(one)
            if one.amount is not None:
                amounts.append(times(one.amount, term.factor))
        if one is None or not one.there:
            holes.append(term.series.channel.point)
    amount = total(amounts) if not holes or (partial and amounts) else None
    return gathered(
        at,
        seconds,
        found,
        amount,
        want=sum(one.want for one in found) + lost,
        absent=bool(lost),
        method=Method.SUM,
        besides=f"nothing, or not all, of {_listed(holes)}" if holes else "",
    )


def _listed(points: Sequence[str]) -> str:
    """Not a thousand names for each quarter-hour."""
    rest = len(points) - _NAMED
    return ", ".join(points[:_NAMED]) + (f" and {rest} more" if rest > 0 else "")
