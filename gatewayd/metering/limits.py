"""What a connection can carry at most: rated current and voltage, and what that is in an interval.

    maximum_kva(rated, factor)   -> S = sqrt(3) x U x I of three phases, U x I of one

Rules: pure. Rated values are those of the primary side, or secondary ones with the factor of the instrument
transformers (CT x VT x multiplier). The voltage of three phases is that between two of them. sqrt(3) has 40 digits and
nothing is rounded again. The energy of an interval is at most S times its real length, whichever kind of energy it is.
"""

from decimal import ROUND_HALF_EVEN, Context, Decimal

from gatewayd.metering.algebra import over, times
from gatewayd.metering.points import Rated

_ONE = Decimal(1)
_KILO = Decimal(1000)
_HOUR = Decimal(3600)
_ROOT_3 = Context(prec=40, rounding=ROUND_HALF_EVEN).sqrt(Decimal(3))
_FACTORS = {1: _ONE, 3: _ROOT_3}
UNITS = ("kWh", "kvarh", "kVAh")
"""Of energies that apparent power bounds: none of them has more than S."""


def maximum_kva(rated: Rated, factor: Decimal = _ONE) -> Decimal:
    """The highest apparent power in kVA. ValueError for what no connection has."""
    if rated.phases not in _FACTORS:
        raise ValueError(f"rated: phases is {rated.phases}, expected 1 or 3")
    for name, value in (("current_a", rated.current_a), ("voltage_v", rated.voltage_v), ("the factor", factor)):
        if not value.is_finite() or value <= 0:
            raise ValueError(f"rated: {name} is {value}, expected more than 0")
    product = times(times(rated.current_a, rated.voltage_v), factor)
    return over(times(product, _FACTORS[rated.phases]), _KILO)


def most_in(rated: Rated | None, factor: Decimal, unit: str, seconds: int) -> Decimal | None:
    """The most that an interval can have at `factor` times the rated power; None where that is not known."""
    return None if rated is None or unit not in UNITS else energy_in(times(maximum_kva(rated), factor), seconds)


def energy_in(power: Decimal, seconds: int) -> Decimal:
    """The energy of so many seconds at a power: kWh of kW, kVAh of kVA; to 40 digits."""
    return over(times(power, Decimal(seconds)), _HOUR)
