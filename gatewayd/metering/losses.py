"""Losses of a transformer behind whose secondary side is metered: formulas (1) to (7) of PPDS annex 5, annex on losses.

    (1) P_z = dP0 + dPk (S_m/S_n)^2                  (4) T_d = T_p (0.2 T_m/T_p + 0.8 (T_m/T_p)^2)
    (2) W_z = dP0 T_p + dPk (S_m/S_n)^2 T_d          (5) T_m = W / P_m
    (3) T_d = sum of S^2(t) dt / S_m^2               (6) (7) w_z = W_z / W 100

Rules: pure. Types A and B have their load interval by interval, and (3) and (6) multiply by the length of each in
hours: note 1 of the annex divides the sum of quarter-hours by four. Type C has its energy and its peak alone: (4), (5)
and (7), where P_m T_m is W. Quotients and roots have 40 digits, rounded to the even one; nothing is rounded again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal, InvalidOperation

from gatewayd.metering.algebra import ZERO, over, times, total

_CONTEXT = Context(prec=40, rounding=ROUND_HALF_EVEN, traps=[InvalidOperation])
_HOUR = Decimal(3600)
_HUNDRED = Decimal(100)
_ONE = Decimal(1)
_LINEAR, _SQUARE = Decimal("0.2"), Decimal("0.8")
"""The constants of formula (4), which come to 1 as a full load must."""


@dataclass(frozen=True, slots=True)
class Nameplate:
    """What is known of a transformer: rated power S_n in kVA, no-load losses dP0 and load losses dPk in kW. ValueError
    for what no transformer has."""

    rated_kva: Decimal
    no_load_kw: Decimal
    load_kw: Decimal

    def __post_init__(self) -> None:
        if not (self.rated_kva.is_finite() and self.rated_kva > ZERO):
            raise ValueError(f"the rated power of the transformer is {self.rated_kva} kVA; expected more than 0")
        for name, losses in (("no-load", self.no_load_kw), ("load", self.load_kw)):
            if not (losses.is_finite() and losses >= ZERO):
                raise ValueError(f"the {name} losses of the transformer are {losses} kW; expected 0 or more")


@dataclass(frozen=True, slots=True)
class Load:
    """Active and reactive energy of one interval of so many seconds, kWh and kvarh, negative for the other direction.
    Their mean powers are P_s(t) and Q_s(t)."""

    active: Decimal
    reactive: Decimal
    seconds: int

    @property
    def hours(self) -> Decimal:
        return over(Decimal(self.seconds), _HOUR)

    @property
    def square_kva(self) -> Decimal:
        """S_s^2(t), the square of the mean apparent power."""
        return over(times(self._square_kvah, times(_HOUR, _HOUR)), times(Decimal(self.seconds), Decimal(self.seconds)))

    @property
    def square_hours(self) -> Decimal:
        """S_s^2(t) dt, in kVA^2 h: one term of formula (3), not yet divided by S_m^2."""
        return over(times(self._square_kvah, _HOUR), Decimal(self.seconds))

    @property
    def _square_kvah(self) -> Decimal:
        return total((times(self.active, self.active), times(self.reactive, self.reactive)))


@dataclass(frozen=True, slots=True)
class Losses:
    """What the formulas say of a period."""

    peak_kva: Decimal
    """S_m, the highest apparent power."""
    hours: Decimal
    """T_p, the length of the period."""
    full_hours: Decimal
    """T_d, for how long the losses at the highest load make those of the period: (3) or (4)."""
    use_hours: Decimal | None
    """T_m, time of maximum use (5); None for types A and B."""
    power_kw: Decimal
    """P_z, losses at the highest load (1)."""
    energy_kwh: Decimal
    """W_z, losses of the period (2)."""
    measured_kwh: Decimal
    """W, the active energy that the losses are compared with: taken or supplied, the difference where both were."""

    @property
    def percent(self) -> Decimal | None:
        """w_z, (6) or (7); None where there is no active energy, of which losses could be a part."""
        return over(times(self.energy_kwh, _HUNDRED), self.measured_kwh) if self.measured_kwh > ZERO else None


def losses_of_profile(plate: Nameplate, loads: Sequence[Load]) -> Losses:
    """Types A and B: the losses of all these intervals; of none, no losses in no time."""
    hours = total(one.hours for one in loads)
    square = max((one.square_kva for one in loads), default=ZERO)
    full = over(total(one.square_hours for one in loads), square) if square else ZERO
    return _losses(plate, square, hours, full, None, total(one.active for one in loads).copy_abs())


def losses_of_registers(
    plate: Nameplate, energy_kwh: Decimal, peak_kw: Decimal, hours: Decimal, power_factor: Decimal = _ONE
) -> Losses:
    """Type C: the losses of a period of so many hours, of its energy W, its highest active power P_m (measured or
    agreed) and the power factor cos phi_m at it. ValueError for what cannot be: more energy than the peak gives."""
    if not all(one.is_finite() for one in (energy_kwh, peak_kw, hours, power_factor)):
        raise ValueError(f"{energy_kwh} kWh, {peak_kw} kW, {hours} h, cos phi {power_factor}: expected numbers")
    if not ZERO < power_factor <= _ONE:
        raise ValueError(f"cos phi is {power_factor}; expected more than 0 and at most 1")
    if not hours > ZERO:
        raise ValueError(f"the period has {hours} hours; expected more than 0")
    if energy_kwh < ZERO or peak_kw < ZERO:
        raise ValueError(f"energy and peak are {energy_kwh} kWh and {peak_kw} kW; expected 0 or more")
    if energy_kwh > times(peak_kw, hours):
        raise ValueError(
            f"{energy_kwh} kWh in {hours} hours are more than a peak of {peak_kw} kW can give; look at the agreed peak"
        )
    use = over(energy_kwh, peak_kw) if peak_kw else ZERO
    part = over(use, hours)
    shape = total((times(_LINEAR, part), times(_SQUARE, times(part, part))))
    square = over(times(peak_kw, peak_kw), times(power_factor, power_factor))
    return _losses(plate, square, hours, _CONTEXT.multiply(hours, shape), use, energy_kwh)


def interval_losses(plate: Nameplate, load: Load) -> Decimal:
    """The losses of one interval in kWh: dP0 dt + dPk (S_s(t)/S_n)^2 dt. S_m^2 goes out when (3) is put into (2), so
    that those of all intervals of a period are W_z, and none of them depends on another."""
    return total((times(plate.no_load_kw, load.hours), _in_load(plate, load.square_hours)))


def flat_losses(active: Decimal, percent: Decimal) -> Decimal:
    """So many per cent of an active energy, exactly."""
    return times(times(active, percent), Decimal("0.01"))


def _losses(
    plate: Nameplate, square: Decimal, hours: Decimal, full: Decimal, use: Decimal | None, measured: Decimal
) -> Losses:
    load_kw = _in_load(plate, square)
    return Losses(
        _CONTEXT.sqrt(square),
        hours,
        full,
        use,
        total((plate.no_load_kw, load_kw)),
        total((times(plate.no_load_kw, hours), _CONTEXT.multiply(load_kw, full))),
        measured,
    )


def _in_load(plate: Nameplate, square: Decimal) -> Decimal:
    """dPk of a square of apparent power, in proportion to that of the rated power."""
    return over(times(plate.load_kw, square), times(plate.rated_kva, plate.rated_kva))
