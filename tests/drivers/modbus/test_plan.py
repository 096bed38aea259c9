"""Coalescing: everything is read, nothing too long, groups whole, refused spans not again, and few requests."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.modbus.wire.pdu import Function, Read
from drivers.modbus.wire.plan import Piece, Span, covers, cut, plan, split
from tests.drivers.modbus.rtu_bytes import examples

HOLDING, INPUT, COILS = Function.READ_HOLDING_REGISTERS, Function.READ_INPUT_REGISTERS, Function.READ_COILS


def piece(address: int, words: int = 2, group: str | None = None, function: Function = HOLDING) -> Piece:
    return Piece(function, address, words, group)


def read(address: int, count: int, function: Function = HOLDING) -> Read:
    return Read(function, address, count)


# -- by hand ---------------------------------------------------------------------------------------------------------


def test_neighbours_are_read_together() -> None:
    assert plan([piece(2), piece(0), piece(4, 1)]) == (read(0, 5),)
    assert plan([]) == ()


def test_a_gap_of_the_allowed_length_is_read_along() -> None:
    wanted = [piece(0), piece(5)]
    assert plan(wanted, max_gap=3) == (read(0, 7),)
    assert plan(wanted, max_gap=2) == (read(0, 2), read(5, 2))


def test_no_request_is_longer_than_the_device_allows() -> None:
    wanted = [piece(address) for address in range(0, 20, 2)]
    assert plan(wanted, max_registers=8) == (read(0, 8), read(8, 8), read(16, 4))
    assert plan([piece(0, 100), piece(100, 100)], max_registers=500) == (read(0, 100), read(100, 100))


def test_functions_are_not_mixed() -> None:
    wanted = [piece(2, function=INPUT), piece(0), piece(0, function=INPUT)]
    assert plan(wanted, max_gap=10) == (read(0, 2), read(0, 4, INPUT))


def test_of_bits_a_request_has_more() -> None:
    wanted = [piece(0, function=COILS), piece(1998, function=COILS)]
    assert plan(wanted, max_gap=2000) == (read(0, 2000, COILS),)
    assert plan(wanted, max_registers=100, max_gap=2000) == (read(0, 2, COILS), read(1998, 2, COILS))


def test_a_group_is_never_torn() -> None:
    wanted = [piece(0, 4), piece(4, 2, "energy"), piece(6, 1, "energy"), piece(7, 4)]
    assert plan(wanted, max_registers=6) == (read(0, 4), read(4, 3), read(7, 4))
    apart = [piece(0, 1, "energy"), piece(9, 1, "energy"), piece(3)]
    assert plan(apart) == (read(0, 10),)
    assert plan(apart, max_registers=10) == (read(0, 10),)


def test_what_no_request_can_read() -> None:
    with pytest.raises(ValueError, match="expected 8 at most"):
        plan([piece(0, 9)], max_registers=8)
    with pytest.raises(ValueError, match="expected 8 at most"):
        plan([piece(0, 1, "energy"), piece(8, 1, "energy")], max_registers=8)
    with pytest.raises(ValueError, match="two functions"):
        plan([piece(0, 1, "energy"), piece(1, 1, "energy", INPUT)])
    with pytest.raises(ValueError, match="expected"):
        plan([piece(0, 1, "energy"), piece(200, 1, "energy")])


def test_a_refused_span_is_not_read_across() -> None:
    wanted = [piece(0), piece(4), piece(8)]
    assert plan(wanted, max_gap=4) == (read(0, 10),)
    assert plan(wanted, max_gap=4, forbidden={(HOLDING, 2, 2)}) == (read(0, 2), read(4, 6))
    assert plan(wanted, max_gap=4, forbidden={(HOLDING, 0, 10)}) == (read(0, 6), read(8, 2))
    assert plan(wanted, max_gap=4, forbidden={(INPUT, 2, 2)}) == (read(0, 10),)


def test_a_refused_span_that_is_wanted_alone_is_asked_for_alone() -> None:
    wanted = [piece(0), piece(2), piece(4)]
    assert plan(wanted, forbidden={(HOLDING, 2, 2)}) == (read(0, 2), read(2, 2), read(4, 2))


def test_overlapping_pieces() -> None:
    assert plan([piece(0, 4), piece(2, 1), piece(3, 3), piece(0, 4)]) == (read(0, 6),)
    assert plan([piece(0, 4), piece(1, 1), piece(2, 4)], max_registers=5) == (read(0, 4), read(2, 4))


# -- un-merging ------------------------------------------------------------------------------------------------------


def test_what_lies_between_is_left_out_first() -> None:
    wanted = [piece(0), piece(2), piece(8), piece(20)]
    assert split(read(0, 10), wanted) == (read(0, 4), read(8, 2))


def test_then_halves() -> None:
    wanted = [piece(0), piece(2), piece(4)]
    assert split(read(0, 6), wanted) == (read(0, 2), read(2, 4))
    assert split(read(2, 4), wanted) == (read(2, 2), read(4, 2))
    assert split(read(2, 2), wanted) == ()
    assert split(read(0, 6), []) == ()


def test_a_group_is_not_divided() -> None:
    assert split(read(0, 3), [piece(0, 2, "energy"), piece(2, 1, "energy")]) == ()


def test_a_piece_that_holds_others_does_not_divide_for_ever() -> None:
    assert split(read(0, 10), [piece(0, 10), piece(2, 2)]) == (read(2, 2),)
    assert split(read(0, 3), [piece(0, 1), piece(0, 2), piece(0, 3)]) == (read(0, 2),)
    overlapping = [piece(0, 1), piece(0, 3), piece(1, 9)]
    assert split(read(0, 10), overlapping) == (read(0, 1), read(0, 3), read(1, 9))


# -- cutting out -----------------------------------------------------------------------------------------------------


def test_cut() -> None:
    octets = bytes(range(12))
    assert cut(read(10, 6), octets, piece(12)) == bytes((4, 5, 6, 7))
    assert cut(read(10, 6), octets, piece(10, 6)) == octets
    for wrong in (piece(9), piece(15), piece(12, function=INPUT)):
        with pytest.raises(ValueError, match="is not in"):
            cut(read(10, 6), octets, wrong)
    with pytest.raises(ValueError, match="is not in"):
        cut(read(10, 6), octets[:-1], piece(12))
    with pytest.raises(ValueError, match="is not in"):
        cut(read(0, 16, COILS), b"\x00\x00", piece(0, 1, None, COILS))


# -- whatever is wanted ----------------------------------------------------------------------------------------------

FUNCTIONS = st.sampled_from([HOLDING, INPUT])
SINGLE = st.builds(Piece, FUNCTIONS, st.integers(0, 60), st.integers(1, 4))


@st.composite
def wanted_pieces(draw: st.DrawFn) -> list[Piece]:
    pieces = draw(st.lists(SINGLE, max_size=12))
    for number in range(draw(st.integers(0, 3))):
        function, address = draw(FUNCTIONS), draw(st.integers(0, 60))
        offsets = draw(st.lists(st.integers(0, 4), min_size=1, max_size=3))
        pieces += [Piece(function, address + offset, draw(st.integers(1, 4)), f"group {number}") for offset in offsets]
    return draw(st.permutations(pieces))


SPANS = st.frozensets(st.tuples(FUNCTIONS, st.integers(0, 60), st.integers(1, 12)), max_size=4)


def atoms_of(wanted: Sequence[Piece]) -> set[Read]:
    """Groups as wholes, and single pieces."""
    whole: dict[object, tuple[Function, int, int]] = {}
    for number, one in enumerate(wanted):
        key = one.group or number
        function, begin, end = whole.get(key, (one.function, one.address, one.end))
        whole[key] = function, min(begin, one.address), max(end, one.end)
    return {Read(function, begin, end - begin) for function, begin, end in whole.values()}


@examples(500)
@given(wanted_pieces(), st.integers(8, 30), st.integers(0, 10), SPANS)
def test_every_plan(wanted: list[Piece], most: int, gap: int, forbidden: frozenset[Span]) -> None:
    reads = plan(wanted, most, gap, forbidden)
    atoms = atoms_of(wanted)
    for atom in atoms:
        assert any(covers(one, Piece(atom.function, atom.address, atom.count)) for one in reads)
    for one in reads:
        inside = {atom for atom in atoms if covers(one, Piece(atom.function, atom.address, atom.count))}
        touched = {address for atom in inside for address in range(atom.address, atom.end)}
        assert one.count <= most
        assert {one.address, one.end - 1} <= touched, "begins or ends with something that nobody wants"
        assert all(right - left - 1 <= gap for left, right in pairwise(sorted(touched)))
        spans = [span for span in forbidden if span[0] is one.function]
        held = any(one.address <= address and address + count <= one.end for _, address, count in spans)
        assert not held or one in atoms
    assert len(set(reads)) == len(reads)


@examples(200)
@given(st.lists(SINGLE, max_size=12))
def test_registers_that_do_not_overlap_are_read_once(pieces: list[Piece]) -> None:
    apart: list[Piece] = []
    for one in pieces:
        if all(one.function is not other.function or one.end <= other.address or other.end <= one.address
               for other in apart):  # fmt: skip
            apart.append(one)
    reads = plan(apart, 8, 3)
    assert all(sum(covers(one, wanted) for one in reads) == 1 for wanted in apart)


def fewest(atoms: list[Read], most: int, gap: int, forbidden: frozenset[Span]) -> int:
    """The smallest number of requests, by trying all ways to divide the atoms."""

    def possible(part: list[Read]) -> bool:
        begin, end = min(atom.address for atom in part), max(atom.end for atom in part)
        touched = sorted({address for atom in part for address in range(atom.address, atom.end)})
        whole = Read(part[0].function, begin, end - begin)
        return (
            end - begin <= most
            and all(right - left - 1 <= gap for left, right in pairwise(touched))
            and (whole in part or not any(begin <= at and at + count <= end for _, at, count in forbidden))
        )

    def ways(rest: list[Read], parts: list[list[Read]]) -> int:
        if not rest:
            return len(parts) if all(possible(part) for part in parts) else len(atoms) + 1
        first, others = rest[0], rest[1:]
        found = [ways(others, [*parts, [first]])]
        for index in range(len(parts)):
            found.append(ways(others, [*parts[:index], [*parts[index], first], *parts[index + 1 :]]))
        return min(found)

    return ways(atoms, [])


FEW = st.lists(st.builds(Piece, st.just(HOLDING), st.integers(0, 25), st.integers(1, 5)), min_size=1, max_size=6)
FEW_SPANS = st.frozensets(st.tuples(st.just(HOLDING), st.integers(0, 25), st.integers(1, 6)), max_size=2)


@examples(60)
@given(FEW, st.integers(5, 14), st.integers(0, 6), FEW_SPANS)
def test_as_few_requests_as_there_can_be(wanted: list[Piece], most: int, gap: int, forbidden: frozenset[Span]) -> None:
    atoms = sorted(atoms_of(wanted), key=lambda atom: (atom.address, atom.count))
    assert len(plan(wanted, most, gap, forbidden)) == fewest(atoms, most, gap, forbidden)


@examples(200)
@given(wanted_pieces(), st.integers(8, 30), st.integers(0, 10), st.sets(st.integers(0, 70), max_size=3))
def test_a_device_with_holes_is_learned(wanted: list[Piece], most: int, gap: int, holes: set[int]) -> None:
    """Refused reads are divided until what exists has been read; remembered, none of them is asked for again."""
    had: set[Read] = set()
    refused: set[Span] = set()

    def ask(one: Read) -> None:
        if (one.function, one.address, one.count) in refused:
            return  # overlapping pieces come to the same request by two ways
        if holes & set(range(one.address, one.end)):
            refused.add((one.function, one.address, one.count))
            for finer in split(one, wanted):
                assert finer.count < one.count
                ask(finer)
        else:
            had.add(one)

    for one in plan(wanted, most, gap):
        ask(one)
    for atom in atoms_of(wanted):
        there = not holes & set(range(atom.address, atom.end))
        assert there == any(covers(one, Piece(atom.function, atom.address, atom.count)) for one in had)
    atoms = atoms_of(wanted)
    for one in plan(wanted, most, gap, refused):
        assert (one.function, one.address, one.count) not in refused or one in atoms
