"""Which channels belong together because one is the sum of others, and +R of a meter that has quadrants only.

Rules: pure. A sum is made only where the configuration names its code as a channel of the point and the meter does not
have it (PPDS annex 5, 1.7).
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from gatewayd.metering.quadrants import PARTS, Quantity, code_of, made_of_parts, parts_of, quantity
from gatewayd.metering.values import Series
from gatewayd.obis import Obis


def with_parts(codes: Sequence[Obis]) -> tuple[Obis, ...]:
    """The codes, and the parts of those that may be made of them."""
    return tuple(dict.fromkeys((*codes, *(part for code in codes for part, _ in parts_of(code)))))


def wholes_of(code: Obis) -> tuple[Obis, ...]:
    """The codes that this one is a part of: 1-0:3.29.0 of 1-0:5.29.0."""
    found = quantity(code)
    if found is None:
        return ()
    return tuple(code_of(code, whole) for whole in _WHOLES.get(found[0], ()))


_WHOLES: dict[Quantity, tuple[Quantity, ...]] = {
    part: tuple(whole for whole, parts in PARTS.items() if part in dict(parts)) for part in Quantity
}


def related(codes: Iterable[Obis], known: Collection[Obis]) -> frozenset[Obis]:
    """The codes and, of those that are known, all that are judged together with them: a sum with all of its parts."""
    wanted = frozenset(codes)
    return wanted.union(
        *(
            {whole, *parts}
            for whole in known
            if (parts := {part for part, _ in parts_of(whole)})
            and parts.issubset(known)
            and not wanted.isdisjoint({whole, *parts})
        )
    )


def completed_sums(channels: Sequence[Obis], found: Sequence[Series]) -> tuple[Series, ...]:
    """The series of these channels, those that are empty made of their parts where all of these are there; `found` may
    hold more. All of `found` where no channels are named."""
    if not channels:
        return tuple(found)
    known = {one.channel.obis: one for one in found}
    there = {code: one for code, one in known.items() if one.values}
    made: list[Series] = []
    for code in channels:
        summed = made_of_parts(code, there)
        if summed is not None:
            unit = summed.channel.unit or known[code].channel.unit
            made.append(Series(replace(summed.channel, unit=unit), summed.layer, summed.values))
        else:
            made.append(known[code])
    return tuple(made)
