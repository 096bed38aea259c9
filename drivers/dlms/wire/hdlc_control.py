"""The control field of an HDLC frame (ISO/IEC 13239 5.3, IEC 62056-46 6.4.3.2).

Rules: only the commands and responses that IEC 62056-46 table 4 takes over; REJ, SREJ, XID and the rest have no meaning
here. The code walks the tables.
"""

from dataclasses import dataclass
from enum import Enum

MODULUS = 8
"""N(S) and N(R) have three bits."""


class Command(Enum):
    """Commands and responses, each with its bits where P/F, N(S) and N(R) are zero."""

    I = 0x00  # noqa: E741 - its name in the standard
    RR = 0x01
    RNR = 0x05
    SNRM = 0x83
    DISC = 0x43
    UA = 0x63
    DM = 0x0F
    FRMR = 0x87
    UI = 0x03


_SUPERVISORY = (Command.RR, Command.RNR)


@dataclass(frozen=True, slots=True)
class Control:
    """One control field. `final` is the P/F bit: poll in a command, final in a response. `ns` is N(S), `nr` is N(R)."""

    command: Command
    final: bool = True
    ns: int = 0
    nr: int = 0

    @property
    def encoded(self) -> int:
        """The byte. ValueError for numbers that the command has no room for."""
        room_s = MODULUS if self.command is Command.I else 1
        room_r = MODULUS if self.command is Command.I or self.command in _SUPERVISORY else 1
        if not (0 <= self.ns < room_s and 0 <= self.nr < room_r):
            raise ValueError(f"{self.command.name} with N(S) {self.ns}, N(R) {self.nr}")
        return self.command.value | self.final << 4 | self.ns << 1 | self.nr << 5

    def __str__(self) -> str:
        match self.command:
            case Command.I:
                return f"I N(S) {self.ns} N(R) {self.nr}"
            case Command.RR | Command.RNR:
                return f"{self.command.name} N(R) {self.nr}"
            case _:
                return self.command.name


def _every() -> list[Control]:
    numbers = range(MODULUS)
    finals = (False, True)
    return [
        *(Control(Command.I, final, ns, nr) for final in finals for ns in numbers for nr in numbers),
        *(Control(command, final, 0, nr) for command in _SUPERVISORY for final in finals for nr in numbers),
        *(Control(c, final) for c in Command if c is not Command.I and c not in _SUPERVISORY for final in finals),
    ]


def _table() -> tuple[Control | None, ...]:
    known = {control.encoded: control for control in _every()}
    return tuple(known.get(byte) for byte in range(256))


CONTROLS = _table()
"""The meaning of each of the 256 bytes; None where IEC 62056-46 knows none."""
