"""One unit that is asked without a line: registers by function and address, and a device identification."""

from __future__ import annotations

from dataclasses import dataclass, field

from drivers.modbus.map_registers import Cell
from drivers.modbus.wire.pdu import Identification, Identify, Read, Refused, Reply, ReportServerId, Request, Words
from gatewayd.errors import MeterSilent


@dataclass
class Unit:
    """What it does not have, it refuses with exception 2; `silent`: requests that it does not answer."""

    registers: dict[int, dict[int, int]] = field(default_factory=dict)
    parts: dict[tuple[int, int], Reply] = field(default_factory=dict)
    """Level and object -> answer to 43/14."""
    silent: bool = False
    asked: list[Request] = field(default_factory=list)

    def put(self, address: int, content: bytes | str | int, function: int = 3, words: int | None = None) -> Unit:
        """Give it registers: octets, a text filled up with zeros, or one number."""
        if isinstance(content, int):
            content = content.to_bytes(2)
        octets = content.encode() if isinstance(content, str) else content
        octets = octets.ljust(2 * (words or (len(octets) + 1) // 2), b"\0")
        have = self.registers.setdefault(function, {})
        for at in range(0, len(octets), 2):
            have[address + at // 2] = int.from_bytes(octets[at : at + 2])
        return self

    def given(self, cell: Cell) -> bytes | None:
        """The octets of a cell, as a session has read them."""
        have = self.registers.get(cell.function, {})
        numbers = [have.get(address) for address in range(cell.address, cell.end)]
        return None if None in numbers else b"".join(number.to_bytes(2) for number in numbers if number is not None)

    async def ask(self, request: Request) -> Reply:
        self.asked.append(request)
        if self.silent:
            raise MeterSilent("does not answer")
        match request:
            case Read(function, address, count):
                have = self.registers.get(function)
                if have is None:
                    return Refused(1)
                if not all(one in have for one in range(address, address + count)):
                    return Refused(2)
                return Words(b"".join(have[one].to_bytes(2) for one in range(address, address + count)))
            case Identify(level, object_id):
                return self.parts.get((level, object_id), Refused(3) if self.parts else Refused(1))
            case ReportServerId():
                return Refused(1)


def identification(objects: dict[int, str], more: int | None = None) -> Identification:
    return Identification(0x82, more, {number: text.encode() for number, text in objects.items()})
