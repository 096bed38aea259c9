"""Which archived codes a channel of a point is made of: increments, mean power, or totals in the rows of a profile.

    1-0:1.29.0   energy of the interval   as it stands
    1-0:1.8.0    the total at its end     the difference of two of them
    1-0:1.5.0    mean power               times the length of the interval

Rules: pure. A channel is named by the code of its energy per interval, whatever the meter keeps in its profile. Where a
meter has several of them for one interval the first of the table counts. A code that is none of electric energy is a
channel of its own.
"""

from collections.abc import Iterable
from dataclasses import replace
from enum import Enum

from gatewayd.obis import CURRENT, Obis

_ELECTRICITY = 1
_QUANTITIES = 94
"""Group C of general and service objects begins here."""
_TOTAL, _INCREMENT, _LAST_AVERAGE = 8, 29, 5


class Source(Enum):
    """What a reading of an interval is of the energy of its channel."""

    ENERGY = "energy"
    """The energy of the interval, or its mean power, as the unit says."""
    TOTAL = "total"
    """The state of the total at its end."""


def sources(channel: Obis) -> tuple[tuple[Obis, Source], ...]:
    """The codes whose readings of intervals a channel is made of, the first that there is counts."""
    if _of_energy(channel) and channel.d == _INCREMENT:
        return (
            (channel, Source.ENERGY),
            (replace(channel, d=_TOTAL), Source.TOTAL),
            (replace(channel, d=_LAST_AVERAGE), Source.ENERGY),
        )
    if _of_energy(channel) and channel.d == _TOTAL:
        return ((channel, Source.TOTAL),)
    return ((channel, Source.ENERGY),)


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
