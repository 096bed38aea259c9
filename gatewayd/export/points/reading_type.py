"""The ReadingType of IEC 61968-9 for a series: 18 numbers with dots, what was measured over which time.

    0.0.2.4.1.2.12.0.0.0.0.0.0.0.0.3.72.0    +A of quarter-hours, kWh
    11.0.0.4.19.2.12.0.0.0.0.0.0.0.0.3.72.0  -A of days

Rules: pure. +A and -A of quarter-hours are as EG.D publishes them; the other numbers are those of the enumerations of
IEC 61968-9 as ESPI and com.elster.jupiter.cbo have them. What none of them has is refused, never completed by analogy.
Rates are numbered as the meter does: what rate 1 is, says the operator of the network.
"""

from gatewayd.export.points.point_series import NotInLayout, PointSeries
from gatewayd.metering.values import Layer
from gatewayd.obis import CURRENT, Obis

MACRO_PERIODS = {Layer.DAY: 11, Layer.GAS_DAY: 11, Layer.LOSS_DAY: 11, Layer.MONTH: 13, Layer.LOSS_MONTH: 13}
"""Of intervals it is 0: they have a measuring period."""
MEASURING_PERIODS = {60: 3, 120: 10, 180: 14, 300: 6, 600: 1, 900: 2, 1200: 31, 1800: 5, 3600: 7}
"""By seconds."""
DELTA = 4
FLOWS = {1: 1, 2: 19, 3: 5, 4: 13, 5: 15, 6: 16, 7: 17, 8: 18, 15: 20, 16: 4}
"""By group C: forward, reverse, Q1+Q2, Q3+Q4, quadrants 1 to 4, total, net."""
ELECTRICITY, NATURAL_GAS = 2, 7
ENERGY, TRANSFORMER_LOSSES, VOLUME = 12, 48, 58
PHASES = {0: 0, 1: 128, 2: 64, 3: 32}
UNITS = {
    f"{prefix}{unit}": (power, symbol)
    for prefix, power in (("", 0), ("k", 3), ("M", 6))
    for unit, symbol in (("Wh", 72), ("varh", 73), ("VAh", 71))
}
CUBIC_METRES = {"m3": (0, 42), "m³": (0, 42)}
_MEDIUM_GAS = 7
_PHASE = 20
_ENERGIES = (8, 29)
_LOSSES = (Layer.LOSS, Layer.LOSS_DAY, Layer.LOSS_MONTH)


def reading_type(one: PointSeries, seconds: int) -> str:
    """The code for intervals of so many seconds. NotInLayout in words."""
    layer, obis, unit = one.series.layer, one.series.channel.obis, one.series.channel.unit
    if layer is Layer.MAXIMUM:
        raise NotInLayout(f"{one.named}: iec61968-9 is for energy here; use csv for maxima")
    macro = MACRO_PERIODS.get(layer, 0)
    measuring = 0 if macro else MEASURING_PERIODS.get(seconds)
    if measuring is None:
        raise NotInLayout(f"{one.named}: IEC 61968-9 has no measuring period of {seconds} s; use csv")
    if obis.a == _MEDIUM_GAS:
        if unit not in CUBIC_METRES:
            raise NotInLayout(f"{one.named}: gas is expected in m3, and not in {unit or 'no unit'}; use csv")
        what, flow, phase, symbol = (NATURAL_GAS, VOLUME), FLOWS[1], 0, CUBIC_METRES[unit]
    else:
        flow, phase, symbol = _electricity(one, obis, unit)
        what = ELECTRICITY, TRANSFORMER_LOSSES if layer in _LOSSES else ENERGY
    numbers = (macro, 0, measuring, DELTA, flow, *what, 0, 0, 0, 0, obis.e, 0, 0, phase, *symbol, 0)
    return ".".join(map(str, numbers))


def _electricity(one: PointSeries, obis: Obis, unit: str) -> tuple[int, int, tuple[int, int]]:
    phase, quantity = divmod(obis.c, _PHASE)
    if obis.a != 1 or obis.d not in _ENERGIES or obis.f != CURRENT or quantity not in FLOWS or phase not in PHASES:
        raise NotInLayout(f"{one.named}: this code has no reading type of IEC 61968-9; leave it out, or use csv")
    if unit not in UNITS:
        raise NotInLayout(f"{one.named}: {unit or 'no unit'} has no symbol of IEC 61968-9; use csv")
    return FLOWS[quantity], PHASES[phase], UNITS[unit]
