"""Which requests read what is wanted: neighbours together, as few requests as there can be.

Rules: what is wanted is in one request each, and everything of a group is in the same one, so that a counter and its
exponent are of one moment. Registers between are read along where there are at most `max_gap` of them. A span that the
device has refused is never asked for as a part of something longer again.
"""

from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass

from drivers.modbus.wire.pdu import MAX_BITS, MAX_REGISTERS, Function, Read

Span = tuple[Function, int, int]
"""Function, address, count."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Something that is wanted: `words` registers (or bits) from `address`. `group`: what has to come in one reply."""

    function: Function
    address: int
    words: int
    group: str | None = None

    @property
    def end(self) -> int:
        return self.address + self.words


def plan(
    wanted: Sequence[Piece], max_registers: int = MAX_REGISTERS, max_gap: int = 0, forbidden: Set[Span] = frozenset()
) -> tuple[Read, ...]:
    """The requests, by function and address. Of bits a request has up to 16 times `max_registers`.

    A request that has a whole `forbidden` span in it and more is not made; the span alone is, where it is wanted and
    cannot be divided. ValueError for a piece or group that is longer than a request, or a group of two functions.
    """
    reads: list[Read] = []
    for atom in _atoms(wanted):
        longest = _longest(atom.function, max_registers)
        if atom.count > longest:
            raise ValueError(f"{atom.count} from address {atom.address} in one piece: expected {longest} at most")
        joined = _joined(reads[-1], atom, longest, max_gap, forbidden) if reads else None
        if joined is None:
            reads.append(atom)
        else:
            reads[-1] = joined
    return tuple(reads)


def split(read: Read, wanted: Iterable[Piece]) -> tuple[Read, ...]:
    """What to ask after the device has refused `read`: without what only lay between, or else in two halves.

    () where it cannot be divided: then the device does not have what is wanted."""
    atoms = [atom for atom in _atoms([piece for piece in wanted if covers(read, piece)]) if atom != read]
    runs: list[Read] = []
    for atom in atoms:
        joined = _joined(runs[-1], atom, read.count, 0, frozenset()) if runs else None
        if joined is None:
            runs.append(atom)
        else:
            runs[-1] = joined
    if runs != [read]:
        return tuple(runs)
    middle = len(atoms) // 2
    halves = (_hull(atoms[:middle]), _hull(atoms[middle:]))
    return tuple(atoms) if read in halves else halves  # pieces that overlap may have no halves


def covers(read: Read, piece: Piece) -> bool:
    """Whether the whole piece is in the reply to `read`."""
    return read.function is piece.function and read.address <= piece.address and piece.end <= read.end


def cut(read: Read, octets: bytes, piece: Piece) -> bytes:
    """The octets of a piece in the reply to `read`. ValueError where it is not in there, or is bits."""
    if piece.function.of_bits or not covers(read, piece) or len(octets) != 2 * read.count:
        raise ValueError(f"{piece} is not in {len(octets)} octets of {read}")
    begin = 2 * (piece.address - read.address)
    return octets[begin : begin + 2 * piece.words]


def _longest(function: Function, max_registers: int) -> int:
    return min(16 * max_registers, MAX_BITS) if function.of_bits else min(max_registers, MAX_REGISTERS)


def _atoms(wanted: Iterable[Piece]) -> list[Read]:
    """What cannot be divided, in order: groups, and the pieces that are in none."""
    groups: dict[object, list[Piece]] = {}
    for number, piece in enumerate(wanted):
        groups.setdefault(number if piece.group is None else piece.group, []).append(piece)
    atoms = {_whole(pieces) for pieces in groups.values()}
    return sorted(atoms, key=lambda atom: (atom.function, atom.address, atom.count))


def _whole(pieces: Sequence[Piece]) -> Read:
    first = pieces[0]
    if any(piece.function is not first.function for piece in pieces):
        raise ValueError(f"group {first.group} has registers of two functions, which no request reads")
    begin = min(piece.address for piece in pieces)
    return Read(first.function, begin, max(piece.end for piece in pieces) - begin)


def _joined(read: Read, atom: Read, longest: int, max_gap: int, forbidden: Set[Span]) -> Read | None:
    """The two in one request, None where that may not be."""
    if read.function is not atom.function or atom.address - read.end > max_gap:
        return None
    if (end := max(read.end, atom.end)) - read.address > longest:
        return None
    joined = Read(read.function, read.address, end - read.address)
    if joined not in (read, atom) and any(_contains(joined, span) for span in forbidden):
        return None
    return joined


def _contains(read: Read, span: Span) -> bool:
    function, address, count = span
    return read.function is function and read.address <= address and address + count <= read.end


def _hull(atoms: Sequence[Read]) -> Read:
    begin = atoms[0].address
    return Read(atoms[0].function, begin, max(atom.end for atom in atoms) - begin)
