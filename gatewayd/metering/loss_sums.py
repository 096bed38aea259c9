"""Losses of a point by the day and by the month: sums of those of its intervals, or the per cent of its days.

    day_losses(transformer, days, losses, span)      the losses of a day, of a point with a load profile
    month_losses(days, months, calculated, span)     those of a month, of those of its days

Rules: pure. Flat losses of a day are so many per cent of the energy of the day, whoever has entered it; with an energy
that is the sum of its intervals they are the sum of theirs. Calculated ones are the sum of those of the intervals: W_z
of formula (2) with (3) for that time (PPDS annex 5, annex on losses). The worst status of everything that they were
made of wins, also what was found on the energy of the whole day or month. A day has losses as soon as it has the
energies that they are made of.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import msgspec

from gatewayd.legal_time import QUARTER
from gatewayd.metering.aggregate import Span, aggregate, cut
from gatewayd.metering.algebra import ZERO, merged_rules
from gatewayd.metering.loss_series import EXPORT, IMPORT, flat_series, load_codes, nameplate
from gatewayd.metering.points import SupplyTransformer
from gatewayd.metering.values import Layer, Method, Series, Value, merged_flags, worst
from gatewayd.model import RawStatus
from gatewayd.obis import Obis


def day_losses(
    transformer: SupplyTransformer,
    days: Mapping[Obis, Series],
    intervals: Mapping[Obis, Series],
    losses: Iterable[Series],
    span: Span,
) -> tuple[Series, ...]:
    """The losses of a legal-time day, of its energies (`days`), the energies and the losses of its intervals; () as
    long as the energy of the day is not there. ValueError for a transformer that cannot be."""
    if nameplate(transformer) is None:
        flat = (flat_series(days[code], transformer.flat_percent) for code in (IMPORT, EXPORT) if code in days)
        return tuple(replace(one, layer=Layer.LOSS_DAY) for one in flat)
    codes = load_codes(intervals)
    if not all(span[1] in days[code].by_end() if code in days else False for code in codes):
        return ()
    beside = [days[code].by_end()[span[1]] for code in codes]
    return tuple(_with(aggregate(one, Layer.LOSS_DAY, (span,)), span[1], beside) for one in losses)


def month_losses(
    days: Mapping[Obis, Series],
    months: Mapping[Obis, Series],
    calculated: Callable[[datetime], bool],
    span: Span,
    *,
    settled: bool,
    period: timedelta = QUARTER,
) -> tuple[Series, ...]:
    """The losses of a month, of those of its days and of its energies: where each day has them, or when it is
    `settled`. `calculated` says whether those of a day, by its end, are: such a day has none of its own under -A, and
    counts nothing there."""
    made: list[Series] = []
    lengths = {one.at: one.seconds for series in days.values() for one in series.values}
    for code, series in days.items():
        there = {one.at: one for one in series.values if not (code == EXPORT and calculated(one.at))}
        if not there:
            continue
        none = {at: _nothing(at, lengths[at]) for at in lengths if code == EXPORT and calculated(at)}
        values = there | none
        ends = sorted(values)
        filled = replace(series, values=tuple(values[at] for at in ends))
        if not settled and cut(filled, ends, *span, period).hole:
            continue
        whole = aggregate(filled, Layer.LOSS_MONTH, (span,), period=period)
        of_load = code == IMPORT and any(map(calculated, ends))
        used = dict.fromkeys((code, *load_codes(months)) if of_load else (code,))
        found = (months[one].by_end().get(span[1]) for one in used if one in months)
        made.append(_with(whole, span[1], [one for one in found if one is not None]))
    return tuple(made)


def _nothing(at: datetime, seconds: int) -> Value:
    """A day that counts nothing, and is not counted."""
    return Value(at, seconds, ZERO, RawStatus.TRUE, method=Method.LOSS, have=0, want=0)


def _with(series: Series, at: datetime, beside: Sequence[Value]) -> Series:
    """The sum with what was found on the energies of the same time."""
    values = tuple(_marked(one, beside) if one.at == at else one for one in series.values)
    return replace(series, values=values)


def _marked(one: Value, beside: Sequence[Value]) -> Value:
    every = (one, *beside)
    return msgspec.structs.replace(
        one,
        status=worst(every) if one.there and all(other.there for other in beside) else one.status,
        flags=merged_flags(every),
        rules=merged_rules(every),
        method=Method.LOSS if one.amount is not None else Method.NONE,
    )
