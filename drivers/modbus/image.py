"""What a session has seen of a device's registers: the octets of each request with the instant of its answer, and what
the device refuses.

Rules: octets stay as they were sent. What belongs to one group is cut out of one answer, so that it is of one moment.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from drivers.modbus.map_registers import Cell, Register
from drivers.modbus.wire.pdu import Read, Refused
from drivers.modbus.wire.plan import Piece, covers, cut


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The octets of a register's cells, in their order, and when they came."""

    octets: tuple[bytes, ...]
    at: datetime


@dataclass(frozen=True, slots=True)
class _Answer:
    read: Read
    octets: bytes
    at: datetime


class Image:
    """Filled by a Reader (asking.py), for these pieces."""

    def __init__(self, wanted: Iterable[Piece]) -> None:
        self.wanted = tuple(wanted)
        self._groups: dict[str, list[Piece]] = {}
        for piece in self.wanted:
            if piece.group is not None:
                self._groups.setdefault(piece.group, []).append(piece)
        self._answers: list[_Answer] = []
        self._refused: list[tuple[Read, Refused]] = []

    def add(self, read: Read, octets: bytes, at: datetime) -> None:
        """A request was answered."""
        self._answers.append(_Answer(read, octets, at))

    def refuse(self, read: Read, refused: Refused) -> None:
        """A request was refused, and whatever it could be divided into has been asked for."""
        self._refused.append((read, refused))

    @property
    def empty(self) -> bool:
        """True where no request was answered with registers."""
        return not self._answers

    @property
    def refused(self) -> tuple[tuple[Read, Refused], ...]:
        """Requests that were refused; what came of their parts stands before them."""
        return tuple(self._refused)

    def register(self, register: Register) -> Snapshot | Refused | None:
        """What the device gave for a register; why it does not; None where that was not asked, or not answered yet."""
        pieces = register.pieces
        found = self._seen((*pieces, *self._groups.get(register.group or "", ())))
        if isinstance(found, _Answer):
            return Snapshot(tuple(cut(found.read, found.octets, piece) for piece in pieces), found.at)
        return found

    def octets(self, cell: Cell, group: str | None = None) -> bytes | None:
        """The octets of a cell that is no register of its own: a serial number, a ratio. `group` as it was wanted."""
        piece = cell.piece(group)
        found = self._seen((piece, *self._groups.get(group or "", ())))
        return cut(found.read, found.octets, piece) if isinstance(found, _Answer) else None

    def _seen(self, pieces: Iterable[Piece]) -> _Answer | Refused | None:
        together = tuple(pieces)
        for answer in self._answers:
            if all(covers(answer.read, piece) for piece in together):
                return answer
        for read, refused in self._refused:
            if all(covers(read, piece) for piece in together):
                return refused
        return None
