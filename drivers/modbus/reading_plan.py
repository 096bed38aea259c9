"""Which registers of a map are wanted, and what is remembered of a device that refuses some of them.

Rules: pure. What is remembered saves requests and nothing else: it is forgotten after LASTS, because a device may get
another firmware, and not believed where it cannot be read. A register that was named is always asked for.
"""

import json
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass, replace
from datetime import date, timedelta

from drivers.modbus.map_registers import Register
from drivers.modbus.wire.pdu import Function
from drivers.modbus.wire.plan import Piece, Span
from gatewayd.obis import Obis

LASTS = timedelta(days=30)
_MOST = 500
"""Spans that are kept: more has no map."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Registers that are asked for, and codes that the map does not have."""

    registers: tuple[Register, ...]
    absent: tuple[Obis, ...] = ()
    named: bool = False
    """Whether they were named one by one: then none of them is optional."""

    @property
    def pieces(self) -> tuple[Piece, ...]:
        return tuple(piece for one in self.registers for piece in one.pieces)

    def needed(self, register: Register) -> bool:
        """Whether it is a fault when the device does not have it."""
        return self.named or not register.optional


def select(registers: Sequence[Register], codes: Sequence[Obis], forbidden: Set[Span] = frozenset()) -> Selection:
    """What a request for `codes` means; () is everything but optional registers that the device is known to refuse."""
    if not codes:
        spans = _spans(registers)
        return Selection(tuple(one for one in registers if not (one.optional and spans[one.obis] in forbidden)))
    by_code = {one.code: one for one in registers}
    found: dict[str, Register] = {}
    absent: list[Obis] = []
    for obis in dict.fromkeys(codes):
        register = by_code.get(replace(obis, manual=False))  # how a period was ended is not part of a map
        if register is None:
            absent.append(obis)
        else:
            found.setdefault(register.obis, register)
    return Selection(tuple(found.values()), tuple(absent), named=True)


def _spans(registers: Iterable[Register]) -> dict[str, Span]:
    """For each code what is asked for at least: the register with everything of its group."""
    together: dict[str, list[Register]] = {}
    for one in registers:
        together.setdefault(f"group {one.group}" if one.group else one.obis, []).append(one)
    spans: dict[str, Span] = {}
    for members in together.values():
        cells = [cell for one in members for cell in one.cells]
        begin = min(cell.address for cell in cells)
        span = (cells[0].reads, begin, max(cell.end for cell in cells) - begin)
        spans |= {one.obis: span for one in members}
    return spans


@dataclass(frozen=True, slots=True)
class Forbidden:
    """Spans that a device refuses, and the day on which it did last."""

    days: tuple[tuple[Span, date], ...] = ()

    @property
    def spans(self) -> frozenset[Span]:
        return frozenset(span for span, _ in self.days)

    def learned(self, spans: Iterable[Span], today: date) -> "Forbidden":
        """With these as well."""
        known = dict(self.days) | dict.fromkeys(spans, today)
        latest = sorted(known.items(), key=lambda item: (item[1], item[0]))[-_MOST:]
        return Forbidden(tuple(sorted(latest)))

    def on(self, today: date) -> "Forbidden":
        """What of it still holds."""
        return Forbidden(tuple((span, day) for span, day in self.days if today - LASTS < day <= today))

    def encoded(self) -> bytes:
        """As it is remembered."""
        rows = [[int(function), address, count, day.isoformat()] for (function, address, count), day in self.days]
        return json.dumps(rows).encode()

    @classmethod
    def recalled(cls, content: bytes | None, today: date) -> "Forbidden":
        """What of it still holds; nothing where it is no such content."""
        try:
            rows = json.loads(content or b"[]")
            days = tuple(
                ((Function(function), int(address), int(count)), date.fromisoformat(day))
                for function, address, count, day in rows
            )
        except (ValueError, TypeError):
            return cls()
        return cls(days).on(today)
