"""What makes a map contradict itself: looked for before it is used.

Rules: every finding names the register and the remedy. Nothing is repaired silently: a map that is wrong in one place
may be wrong in others. Two values may share a place only when it is the same place, read in the same way.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from drivers.modbus.map_registers import Cell, Register


class Named(NamedTuple):
    """A place in the device and what a map calls it."""

    name: str
    cell: Cell


def name_of(register: Register) -> str:
    """How a finding names a register."""
    return f"register {register.obis}"


def findings(registers: Sequence[Register], places: Sequence[Named], max_registers: int, max_gap: int) -> Iterator[str]:
    """All contradictions of a map. `places`: the cells that are no registers, with their names."""
    yield from _codes(registers)
    named = [Named(name_of(one), cell) for one in registers for cell in one.cells]
    yield from _overlaps((*named, *places))
    yield from _lengths((*named, *places), max_registers)
    yield from _groups(registers, max_registers, max_gap)


def _codes(registers: Sequence[Register]) -> Iterator[str]:
    seen: dict[str, Register] = {}
    for register in registers:
        first = seen.setdefault(register.obis, register)
        if first is not register:
            yield (
                f"{name_of(register)} stands twice, at {_hex(first)} and {_hex(register)}; "
                "remove one, or give it its own code"
            )


def _overlaps(places: Iterable[Named]) -> Iterator[str]:
    by_function: defaultdict[int, list[Named]] = defaultdict(list)
    for place in places:
        by_function[place.cell.function].append(place)
    for function, found in by_function.items():
        found.sort(key=lambda place: (place.cell.address, -place.cell.end))
        reaching = found[0]
        for place in found[1:]:
            if place.cell.address < reaching.cell.end and not _same(place.cell, reaching.cell):
                yield (
                    f"{place.name} at {_hex(place.cell)} ({place.cell.type.value}) overlaps {reaching.name} at "
                    f"{_hex(reaching.cell)} ({reaching.cell.type.value}), both of function {function}; "
                    "correct the address or the type of one of them"
                )
            if place.cell.end > reaching.cell.end:
                reaching = place


def _lengths(places: Iterable[Named], max_registers: int) -> Iterator[str]:
    for name, cell in places:
        if cell.form.words > max_registers:
            yield (
                f"{name} at {_hex(cell)} has {cell.form.words} registers and `max_registers` is {max_registers}; "
                "correct one of them"
            )


def _groups(registers: Sequence[Register], max_registers: int, max_gap: int) -> Iterator[str]:
    members: defaultdict[str, list[Register]] = defaultdict(list)
    for register in registers:
        if register.group is not None:
            members[register.group].append(register)
    for group, found in members.items():
        cells = sorted((cell for one in found for cell in one.cells), key=lambda cell: cell.address)
        first, end = cells[0], max(cell.end for cell in cells)
        if len({cell.function for cell in cells}) > 1:
            other = next(one for one in found if one.function != found[0].function)
            yield (
                f"{name_of(other)} at {_hex(other)} is read with function {other.function} and others of group "
                f"'{group}' with {found[0].function}; they cannot come in one answer, take it out of the group"
            )
            continue
        if end - first.address > max_registers:
            yield (
                f"{name_of(found[-1])}: group '{group}' reaches from {_hex(first)} to {end - 1:#06x}, "
                f"{end - first.address} registers, and `max_registers` is {max_registers}; make the group smaller"
            )
        for before, after in pairwise(cells):
            if after.address - before.end > max_gap:
                name = next(name_of(one) for one in found if after in one.cells)
                yield (
                    f"{name} at {_hex(after)}: group '{group}' has a gap of {after.address - before.end} registers "
                    f"before it and `max_gap` is {max_gap}; raise `max_gap` or take it out of the group"
                )


def _same(one: Cell, other: Cell) -> bool:
    """Whether it is one place, read in one way. No place has two meanings; an exponent can belong to many values."""
    both_mean = isinstance(one, Register) and isinstance(other, Register)
    return one.address == other.address and one.form == other.form and not both_mean


def _hex(cell: Cell) -> str:
    return f"{cell.address:#06x}"
