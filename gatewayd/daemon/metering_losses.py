"""Losses of supply transformers as derived values: by the interval, the day and the month.

    Losses.of_day(at, work, ...)      of a day of a point with a load profile, behind its intervals and sums
    Losses.of_month(work, span, ...)  of a month of it, behind its sums
    register_losses(...)              of months of a point of type C without a load profile

Rules: writes nothing: what is new comes out as derivations. Losses are made of what stands behind them, never of other
losses. The losses of a day are those of the transformer of that day; of months of registers that of the last day of
each counts. They are validated as their energies are. What was made once and is not made any more, since the point is
another one, is missing.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from zoneinfo import ZoneInfo

from gatewayd.daemon.derived import DerivedReader, SeriesName
from gatewayd.daemon.metering_look import Current
from gatewayd.daemon.metering_states import EVER, NEVER
from gatewayd.daemon.metering_steps import Day, Made, PointWork
from gatewayd.daemon.metering_sums import SETTLED, Known, Sums
from gatewayd.legal_time import legal_day
from gatewayd.metering.aggregate import Span, month_bounds
from gatewayd.metering.derivation import Derivation, Facts, Standing, news
from gatewayd.metering.loss_series import losses_of_point, transformer_on
from gatewayd.metering.loss_sums import day_losses, month_losses
from gatewayd.metering.losses import Losses as Figures
from gatewayd.metering.points import MeteringPoint, SupplyTransformer
from gatewayd.metering.register_losses import Energy, Loss, of_registers, taken_of, transformer_in
from gatewayd.metering.values import Channel, Layer, Method, Series, missing
from gatewayd.obis import Obis

_GONE = "the point has no such losses any more"
_DAILY = (Layer.LOSS, Layer.LOSS_DAY)


class Losses:
    """Used from one thread after the other, never from two at a time."""

    def __init__(self, derived: DerivedReader, look: Current, sums: Sums, zone: ZoneInfo) -> None:
        self._derived = derived
        self._look = look
        self._sums = sums
        self._zone = zone

    def of_day(self, at: Day, work: PointWork, known: Known, reason: str) -> Iterator[Derivation]:
        """Of the intervals of a day, and their sum. `known`: what stands of the day. ValueError where the energies do
        not fit together."""
        transformer = transformer_on(work.point, at.day, self._zone)
        made: tuple[Series, ...] = ()
        facts: Facts = ()
        codes: set[Obis] = set()
        if transformer is not None:
            intervals = self._look.series(at.point, Layer.INTERVAL, at.start, at.end)
            days = self._look.series(at.point, Layer.DAY, at.start, at.end)
            losses = losses_of_point(transformer, intervals)
            made = (*losses, *day_losses(transformer, days, intervals, losses, (at.start, at.end)))
            facts = _facts(transformer, work.rules)
            codes = {one.channel.obis for one in losses}
        for series in (*made, *_gone(codes, known, at.point, _DAILY, (at.start, at.end))):
            self._look.put(series)
            yield from self._sums.new(series, known, Made(series, bool(work.rules), facts), reason)

    def of_month(
        self, work: PointWork, span: Span, now: datetime, sums: Iterable[Series], reason: str
    ) -> Iterator[Derivation]:
        """Of a month, where the losses of each of its days are there, or nothing more is waited for. `sums`: the months
        of its energies. ArchiveError."""
        point, (start, end) = work.plan.id, span
        standing = self._derived.current_of((point,), (Layer.LOSS_DAY, Layer.LOSS_MONTH), start, end)
        days = self._look.series(point, Layer.LOSS_DAY, start, end)
        made: tuple[Series, ...] = ()
        facts: Facts = ()
        codes: set[Obis] = set()
        transformer = transformer_on(work.point, legal_day(end, self._zone), self._zone)
        if transformer is not None:
            months = {one.channel.obis: one for one in sums if one.layer is Layer.MONTH}
            settled = now >= end + SETTLED
            made = month_losses(days, months, self._calculated(work), span, settled=settled, period=work.period)
            facts = _facts(transformer, work.rules)
            codes |= {one.channel.obis for one in made}
            codes |= {
                code for code, one in days.items() if any(value.method is not Method.NONE for value in one.values)
            }
        for series in (*made, *_gone(codes, standing, point, (Layer.LOSS_MONTH,), span)):
            daily = standing.get((point, Layer.LOSS_DAY, series.channel.obis), {})
            checked = bool(daily) and all(one.derived.validated for one in daily.values())
            yield from self._sums.new(series, standing, Made(series, checked, facts), reason)

    def _calculated(self, work: PointWork) -> Callable[[datetime], bool]:
        """Whether the losses of the day that ends then are calculated."""

        def calculated(end: datetime) -> bool:
            found = transformer_on(work.point, legal_day(end, self._zone), self._zone)
            return found is not None and found.calculated

        return calculated


def register_losses(
    derived: DerivedReader, point: MeteringPoint, months: Mapping[date, Iterable[Series]], zone: ZoneInfo, reason: str
) -> Iterator[Derivation]:
    """The losses of months of registers, named by their first days, that are new. Each has a derivation of its own,
    with the figures of its formulas. ArchiveError."""
    if not months:
        return
    standing = derived.current_of((point.id,), (Layer.LOSS_MONTH,), EVER, NEVER)
    for first in sorted(months):
        transformer, said = transformer_in(point, first, zone)
        losses: Sequence[Loss] = ()
        if transformer is not None:
            losses = of_registers(transformer, taken_of(_energies(months[first]), point.channels), said)
        for loss in losses:
            channel = Channel(point.id, loss.obis, loss.unit)
            known = standing.get((point.id, Layer.LOSS_MONTH, loss.obis), {})
            fresh = news((loss.value,), known, validated=(False,))
            if fresh and transformer is not None:
                facts = (*_facts(transformer), *_figures(loss.figures))
                yield Derivation(channel, Layer.LOSS_MONTH, fresh, reason, facts=facts)
        codes = {one.obis for one in losses}
        for series in _gone(codes, standing, point.id, (Layer.LOSS_MONTH,), month_bounds(first, zone)):
            known = standing[point.id, Layer.LOSS_MONTH, series.channel.obis]
            fresh = news(series.values, known, validated=(False,))
            if fresh:
                yield Derivation(series.channel, Layer.LOSS_MONTH, fresh, reason)


def _energies(series: Iterable[Series]) -> list[Energy]:
    return [Energy(one.channel.obis, value, one.channel.unit) for one in series for value in one.values]


def _facts(transformer: SupplyTransformer, rules: tuple[str, ...] = ()) -> Facts:
    """The parameters, by name."""
    facts: Facts = (("transformer", transformer.kind.value), ("calculated", transformer.calculated), ("rules", rules))
    if not transformer.calculated:
        return (*facts, ("percent", format(transformer.flat_percent, "f")))
    known = {
        "sn_kva": transformer.rated_kva,
        "dp0_kw": transformer.no_load_kw,
        "dpk_kw": transformer.load_kw,
        "pm_kw": transformer.peak_kw,
        "cos_phi": None if transformer.peak_kw is None else transformer.power_factor,
    }
    return (*facts, *((name, format(one, "f")) for name, one in known.items() if one is not None))


def _figures(figures: Figures | None) -> Facts:
    """What the formulas of type C say, by the names of the annex."""
    if figures is None:
        return ()
    found = {
        "S_m kVA": figures.peak_kva,
        "T_p h": figures.hours,
        "T_m h": figures.use_hours,
        "T_delta h": figures.full_hours,
        "P_z kW": figures.power_kw,
        "w_z %": figures.percent,
    }
    formulas = "(1) (2) (4) (5) (7)"
    return (("formulas", formulas), *((name, format(one, "f")) for name, one in found.items() if one is not None))


def _gone(
    codes: Collection[Obis],
    standing: Mapping[SeriesName, Mapping[datetime, Standing]],
    point: str,
    layers: Collection[Layer],
    span: Span,
) -> Iterator[Series]:
    """What stands of a time under codes that are none of these, as missing: what is written is never taken away."""
    for (whose, layer, code), known in standing.items():
        if whose != point or layer not in layers or code in codes:
            continue
        there = [(at, known[at]) for at in sorted(known) if span[0] < at <= span[1]]
        if there:
            values = tuple(missing(at, one.derived.value.seconds, _GONE) for at, one in there)
            yield Series(Channel(point, code, there[-1][1].unit), layer, values)
