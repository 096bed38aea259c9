"""The losses of a point in a time with everything that the formulas say of it: what `gatewayd losses` shows.

    parts_of_profile(point, intervals, days, span)   of any time of a point with a load profile
    parts_of_months(point, months, firsts)           of months of a point of type C without one
    together(parts)                                  W_z, W and w_z of all of them

Rules: pure. A part is a time with one transformer, and a direction where losses are flat; formulas (1) to (7) of PPDS
annex 5 are those of the whole part, and not sums of days or months. Where anything is missing there are no figures and
no percentage. W of flat losses is the energy of the days, as it was entered by hand too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import groupby
from zoneinfo import ZoneInfo

from gatewayd.legal_time import PRAGUE, day_bounds, days, legal_day
from gatewayd.metering.aggregate import Span, aggregate, cut, month_bounds
from gatewayd.metering.algebra import ZERO, counted, held, over, times, total
from gatewayd.metering.loss_series import EXPORT, IMPORT, load_codes, nameplate, period_losses, transformer_on
from gatewayd.metering.losses import Losses, flat_losses
from gatewayd.metering.points import MeteringPoint, SupplyTransformer
from gatewayd.metering.register_losses import Energy, of_registers, taken_of, transformer_in
from gatewayd.metering.register_losses import together as months_together
from gatewayd.metering.values import Layer, Series, Value, worst
from gatewayd.model import RawStatus
from gatewayd.obis import Obis

_HUNDRED, _HOUR = Decimal(100), Decimal(3600)


@dataclass(frozen=True, slots=True)
class Part:
    """The losses of a time from `start` to `end`. `figures`: of calculated ones; None for flat ones, and where anything
    is missing. `losses` and `taken` are W_z and W, None where they are missing; `have` of `want` intervals, or months,
    were there. `reason`: in words, of what they were made, or why there are none."""

    start: datetime
    end: datetime
    obis: Obis
    unit: str
    transformer: SupplyTransformer
    losses: Decimal | None
    taken: Decimal | None
    status: RawStatus
    have: int
    want: int
    reason: str
    figures: Losses | None = None
    peak_at: datetime | None = None

    @property
    def hours(self) -> Decimal:
        """T_p."""
        return over(Decimal(round((self.end - self.start).total_seconds())), _HOUR)

    @property
    def percent(self) -> Decimal | None:
        """w_z, (6) or (7); None without energy."""
        return _percent(self.losses, self.taken)


@dataclass(frozen=True, slots=True)
class Together:
    """Of several parts under one code."""

    obis: Obis
    unit: str
    losses: Decimal | None
    taken: Decimal | None
    status: RawStatus

    @property
    def percent(self) -> Decimal | None:
        """w_z of all of it; None without energy."""
        return _percent(self.losses, self.taken)


def parts_of_profile(
    point: MeteringPoint,
    intervals: Mapping[Obis, Series],
    sums: Mapping[Obis, Series],
    span: Span,
    zone: ZoneInfo = PRAGUE,
) -> tuple[Part, ...]:
    """The losses of a time, of the intervals of a point and the sums of its days; () on the primary side. ValueError
    where energies do not fit together, and where an interval reaches over an edge."""
    found: list[Part] = []
    wanted = days(legal_day(span[0] + timedelta.resolution, zone), legal_day(span[1], zone))
    for transformer, same in groupby(wanted, key=lambda day: transformer_on(point, day, zone)):
        if transformer is None:
            continue
        spans = [_within(day_bounds(day, zone), span) for day in same]
        start, end = spans[0][0], spans[-1][1]
        if transformer.calculated:
            found.append(_calculated(transformer, intervals, sums, start, end))
            continue
        for code in (IMPORT, EXPORT):
            if code in intervals or code in sums:
                energy = _by_days(point, code, intervals, sums, spans)
                found.append(_flat(transformer, energy, start, end))
    return tuple(found)


def parts_of_months(
    point: MeteringPoint, months: Mapping[date, Sequence[Energy]], firsts: Sequence[date], zone: ZoneInfo = PRAGUE
) -> tuple[Part, ...]:
    """The losses of months, named by their first days, of what registers went up in them; those with one transformer
    are one time. () on the primary side."""
    found: list[Part] = []
    for (transformer, said), same in groupby(firsts, key=lambda first: transformer_in(point, first, zone)):
        mine = list(same)
        start, end = month_bounds(mine[0], zone)[0], month_bounds(mine[-1], zone)[1]
        if transformer is None:
            continue
        parts = [taken_of(months.get(first, ()), point.channels) for first in mine]
        taken = parts[0] if len(parts) == 1 else months_together(parts, len(parts))
        losses = of_registers(transformer, taken, said)
        for one in losses:
            value, amount = one.value, one.taken.amount if one.taken.there else None
            found.append(
                Part(
                    start,
                    end,
                    one.obis,
                    one.unit,
                    transformer,
                    value.amount,
                    amount,
                    value.status,
                    value.have,
                    value.want,
                    value.reason,
                    one.figures,
                )
            )
        if not losses:
            code, why = Obis(1, 0, 1, 8, 0), "nothing was derived of it"
            found.append(
                Part(start, end, code, "kWh", transformer, None, None, RawStatus.MISSING, 0, len(mine), why, None)
            )
    return tuple(found)


def together(parts: Sequence[Part]) -> tuple[Together, ...]:
    """Of all times, each code by itself; () where each has one part."""
    found: list[Together] = []
    for code in dict.fromkeys(one.obis for one in parts):
        mine = [one for one in parts if one.obis == code]
        if len(mine) < 2:
            continue
        losses = [one.losses for one in mine if one.losses is not None]
        taken = [one.taken for one in mine if one.taken is not None]
        whole = len(losses) == len(taken) == len(mine)
        found.append(
            Together(
                code,
                mine[-1].unit,
                total(losses) if whole else None,
                total(taken) if whole else None,
                RawStatus.worst(one.status for one in mine),
            )
        )
    return tuple(found)


def _percent(losses: Decimal | None, taken: Decimal | None) -> Decimal | None:
    if losses is None or taken is None or not taken > ZERO:
        return None
    return over(times(losses, _HUNDRED), taken)


def _calculated(
    transformer: SupplyTransformer,
    intervals: Mapping[Obis, Series],
    sums: Mapping[Obis, Series],
    start: datetime,
    end: datetime,
) -> Part:
    plate = nameplate(transformer)
    assert plate is not None, "it is one whose losses are calculated"
    found = period_losses(plate, intervals, start, end)
    figures, status = found.losses, found.status
    codes = load_codes(intervals)
    if figures is not None:  # what was found on a whole day is found on its losses
        beside = [one for code in codes if code in sums for one in sums[code].values if start < one.at <= end]
        status = RawStatus.worst((status, *(one.status for one in beside if one.there)))
    reason = "by formulas (1), (2), (3) and (6)"
    if not any(code.c > EXPORT.c for code in codes):
        reason = "the point has no reactive energy, of which losses are calculated"
    elif figures is None:
        reason = f"only {counted(found.have, found.want)} are there"
    return Part(
        start,
        end,
        IMPORT,
        "kWh",
        transformer,
        None if figures is None else figures.energy_kwh,
        None if figures is None else figures.measured_kwh,
        status,
        found.have,
        found.want,
        reason,
        figures,
        found.peak_at,
    )


def _within(day: Span, span: Span) -> Span:
    return max(day[0], span[0]), min(day[1], span[1])


def _by_days(
    point: MeteringPoint,
    code: Obis,
    intervals: Mapping[Obis, Series],
    sums: Mapping[Obis, Series],
    spans: Sequence[Span],
) -> Series:
    """The energy of each day: its sum as it stands, else that of its intervals."""
    standing = sums[code].by_end() if code in sums else {}
    like = intervals.get(code) or sums[code]
    series = intervals.get(code) or Series(like.channel, Layer.INTERVAL, ())
    values: list[Value] = []
    for start, end in spans:
        one = standing.get(end)
        whole = one is not None and one.start == start
        values += (
            (one,)
            if whole and one is not None
            else aggregate(series, Layer.DAY, ((start, end),), period=point.period).values
        )
    return Series(like.channel, Layer.DAY, tuple(values))


def _flat(transformer: SupplyTransformer, energy: Series, start: datetime, end: datetime) -> Part:
    found = cut(energy, [one.at for one in energy.values], start, end)
    whole = all(one.there for one in found.values)
    taken = total(one.amount for one in found.values if one.amount is not None) if whole else None
    return Part(
        start,
        end,
        energy.channel.obis,
        energy.channel.unit,
        transformer,
        None if taken is None else flat_losses(taken, transformer.flat_percent),
        taken,
        worst(found.values) if whole else RawStatus.MISSING,
        held(found.values),
        found.want,
        f"{transformer.flat_percent:f} % of the energy"
        if whole
        else f"only {counted(found.have, found.want)} are there",
    )
