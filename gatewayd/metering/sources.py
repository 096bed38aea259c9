"""Which archived codes a channel of a point is made of: increments, mean power, or totals in the rows of a profile.

    1-0:1.29.0   energy of the interval   as it stands
    1-0:1.8.0    the total at its end     the difference of two of them
    1-0:1.5.0    mean power               times the length of the interval

Rules: pure. A channel is named by the code of its energy per interval, whatever the meter keeps in its profile. Where a
meter has several of them for one interval the first of the table counts. A code that is none of electric energy is a
channel of its own: what it is says source_of. Of a code that is in no table nobody knows whether it is a state or what
came in the interval: energy and volume of it are not counted (channel_values.py); a voltage is what it is.
"""

from collections.abc import Iterable
from dataclasses import replace
from enum import Enum

from gatewayd.obis import CURRENT, Obis

_ELECTRICITY, _COOLING, _HEAT, _GAS, _WATER, _HOT_WATER = 1, 5, 6, 7, 8, 9
_QUANTITIES = 94
"""Group C of general and service objects begins here."""
_TOTAL, _INCREMENT, _LAST_AVERAGE = 8, 29, 5
_VOLUMES = frozenset({*range(1, 9), *range(11, 17), *range(21, 27), *range(31, 37), *range(61, 67)})
"""Group C of volumes and energies of gas: of the meter, the converter, the logger (DLMS UA 1000-1, group C of gas)."""
_INDEXES, _LAST_DIFFERENCES = range(4), range(9, 12)
"""Group D of gas: the index as it is, at metering conditions, corrected, at base conditions, redundant; and its
difference in the last measurement period 1. Those of other periods do not say that they are of the interval."""
_COUNTED = frozenset(
    {
        *((medium, c, 0) for medium in (_COOLING, _HEAT) for c in (1, 2, 3)),
        *((_HEAT, 6, d) for d in (_TOTAL, 26)),
        *((medium, 1, 0) for medium in (_WATER, _HOT_WATER)),
    }
)
"""Groups A, C, D of other media, counted since ever: energy, volume and mass of heat and cold (EN 13757-1), energy and
volume as heat meters with IEC 62056-21 have them (6.8, 6.26), volume of water."""
_PHASES = 20
"""L1, L2 and L3 have 20, 40 and 60 more than the sum (IEC 62056-6-1, group C)."""
_USUAL_UNITS = {**dict.fromkeys((1, 2, 15, 16), "kWh"), **dict.fromkeys(range(3, 9), "kvarh"), 9: "kVAh", 10: "kVAh"}
"""By group C of electricity, of the sum and of each phase."""
_BOTH_WAYS = frozenset({11, 12, 13, 14, 16})
"""Current, voltage, power factor, frequency; and |+A|-|-A|, which has a sign."""


class Source(Enum):
    """What a reading of an interval is of the energy of its channel."""

    ENERGY = "energy"
    """The energy of the interval, or its mean power, as the unit says."""
    TOTAL = "total"
    """The state of the total at its end."""
    UNKNOWN = "unknown"
    """Nobody knows; as it stands where its unit is none that is counted."""


def source_of(code: Obis) -> Source:
    """What a code of a profile is."""
    if code.f != CURRENT:
        return Source.UNKNOWN
    if code.a == _ELECTRICITY and 0 < code.c < _QUANTITIES:
        if code.d == _TOTAL:
            return Source.TOTAL
        return Source.ENERGY if code.d in (_INCREMENT, _LAST_AVERAGE) else Source.UNKNOWN
    if code.a == _GAS and code.c in _VOLUMES:
        if code.d in _INDEXES:
            return Source.TOTAL
        return Source.ENERGY if code.d in _LAST_DIFFERENCES else Source.UNKNOWN
    return Source.TOTAL if (code.a, code.c, code.d) in _COUNTED else Source.UNKNOWN


def counts_energy(code: Obis) -> bool:
    """Whether a code is one of energy, volume or mass, whatever it says of them."""
    if code.a == _ELECTRICITY:
        return 0 < code.c <= 4 * _PHASES and code.c % _PHASES not in _BOTH_WAYS - {16}
    if code.a == _GAS:
        return code.c in _VOLUMES
    return any(code.a == a and code.c == c for a, c, _ in _COUNTED)


def one_way(code: Obis) -> bool:
    """Whether what is counted of it is never negative: +A, -A, the quadrants, volumes; a net energy has a sign."""
    return counts_energy(code) and not (code.a == _ELECTRICITY and code.c % _PHASES in _BOTH_WAYS)


def usual_unit(code: Obis) -> str:
    """That of a channel of which there is no value yet; "" where meters have different ones, as for heat."""
    if code.a == _ELECTRICITY and 0 < code.c <= 4 * _PHASES:
        return _USUAL_UNITS.get(code.c % _PHASES, "")
    if code.a == _GAS:
        return "m3" if code.c in _VOLUMES else ""
    return "m3" if (code.a, code.c) in ((_WATER, 1), (_HOT_WATER, 1)) else ""


def sources(channel: Obis) -> tuple[tuple[Obis, Source], ...]:
    """The codes whose readings of intervals a channel is made of, the first that there is counts."""
    if _of_energy(channel) and channel.d == _INCREMENT:
        return (
            (channel, Source.ENERGY),
            (replace(channel, d=_TOTAL), Source.TOTAL),
            (replace(channel, d=_LAST_AVERAGE), Source.ENERGY),
        )
    return ((channel, source_of(channel)),)


def channels(codes: Iterable[Obis]) -> tuple[Obis, ...]:
    """The channels that can be made of these codes of a profile: those of electric energy, each once, ascending."""
    found = {replace(code, d=_INCREMENT) for code in codes if _of_energy(code)}
    return tuple(sorted(found, key=lambda code: (code.a, code.b, code.c, code.d, code.e, code.f)))


def _of_energy(code: Obis) -> bool:
    return (
        code.a == _ELECTRICITY
        and 0 < code.c < _QUANTITIES
        and code.d in (_TOTAL, _INCREMENT, _LAST_AVERAGE)
        and code.f == CURRENT
    )
