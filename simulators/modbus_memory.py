"""The registers of a simulated Modbus device: what stands where, at an instant.

Rules: one answer is one snapshot, all of it of the same instant; what nobody described is a hole, and a request that
touches one is refused (2, ILLEGAL DATA ADDRESS) unless holes are told to be answered, which they are with 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

ILLEGAL_FUNCTION, ILLEGAL_ADDRESS, ILLEGAL_VALUE = 1, 2, 3
REGISTERS = 0x10000
MOST_AT_ONCE = 125  # MODBUS Application Protocol V1.1b3, 6.3 and 6.4


class Holes(StrEnum):
    """What is said about registers that are not there."""

    REFUSED = "refused"
    GAPS = "gaps"
    """Those between two registers are answered, up to the `max_gap` of the map."""
    ANSWERED = "answered"


class Refusal(Exception):
    """The device answers with an exception code."""

    def __init__(self, code: int) -> None:
        super().__init__(f"exception {code}")
        self.code = code


@dataclass(frozen=True, slots=True)
class Cell:
    """Registers that belong together, and what they contain at an instant."""

    name: str
    function: int
    address: int
    words: int
    octets: Callable[[datetime], bytes]

    @property
    def end(self) -> int:
        return self.address + self.words


class Memory:
    """All registers of a unit. `whole`: a request that begins or ends within a value is refused, as some devices do."""

    def __init__(self, cells: Iterable[Cell], *, most: int, holes: Holes, max_gap: int, whole: bool) -> None:
        self._most = min(most, MOST_AT_ONCE)
        self._answers_holes = holes is Holes.ANSWERED
        self._whole = whole
        self._cells: dict[tuple[int, int], Cell] = {}
        self._zero: set[tuple[int, int]] = set()
        for cell in cells:
            for address in range(cell.address, cell.end):
                # Two parts of a map may name the same place; the first one keeps it.
                self._cells.setdefault((cell.function, address), cell)
        self.functions = frozenset(function for function, _ in self._cells)
        if holes is Holes.GAPS:
            self._close(max_gap)

    def _close(self, max_gap: int) -> None:
        before: tuple[int, int] | None = None
        for function, address in sorted(self._cells):
            if before is not None and before[0] == function and 1 < address - before[1] <= max_gap + 1:
                self._zero.update((function, between) for between in range(before[1] + 1, address))
            before = (function, address)

    def read(self, function: int, address: int, count: int, at: datetime) -> bytes:
        """The octets of so many registers; Refusal in the order of the specification's state diagrams (6.3, 6.4)."""
        if function not in self.functions:
            raise Refusal(ILLEGAL_FUNCTION)
        if not 1 <= count <= self._most:
            raise Refusal(ILLEGAL_VALUE)
        if address + count > REGISTERS:
            raise Refusal(ILLEGAL_ADDRESS)
        if self._whole and (self._within(function, address) or self._within(function, address + count)):
            raise Refusal(ILLEGAL_ADDRESS)
        found = bytearray()
        while len(found) < 2 * count:
            here = address + len(found) // 2
            cell = self._cells.get((function, here))
            if cell is not None:
                found += cell.octets(at)[2 * (here - cell.address) :]
            elif self._answers_holes or (function, here) in self._zero:
                found += b"\x00\x00"
            else:
                raise Refusal(ILLEGAL_ADDRESS)
        return bytes(found[: 2 * count])

    def _within(self, function: int, address: int) -> bool:
        """Whether a boundary at this address cuts a value."""
        cell = self._cells.get((function, address))
        return cell is not None and cell.address != address
