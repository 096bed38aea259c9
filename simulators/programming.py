"""Programming mode of a meter: password, read commands, partial blocks (IEC 62056-21:2002 6.3.5, 6.4.3.2, annex C).

Rules: requests in, answers out, no waiting, no line and no clock; nothing is ever written into the meter; wrong
passwords are counted as long as the meter lives, and a locked meter takes no password any more, right or wrong; what a
password was is never noted. One object is one meter; `begin` starts one session of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from simulators import dataset, profile
from simulators.profile import Stretch
from simulators.requests import Command, Next, Repeat
from simulators.telegram import EOT, ETX, STX, bcc

SOH = 0x01
ACK, NAK = b"\x06", b"\x15"
BREAK = b"\x01B0\x03q"

# Annex C: ASCII, formatted, ASCII and formatted in partial blocks; R5 and R6 are the formatted ones of national use.
READ = ("R1", "R2", "R3", "R4", "R5", "R6")
IN_BLOCKS = ("R3", "R4", "R6")
PROFILE_COMMANDS = ("R2", "R3", "R4", "R5", "R6")


class Opening(StrEnum):
    """What the meter says when it enters programming mode: P0 with its operand, without one, or a plain ACK."""

    FULL = "full"
    BARE = "bare"
    ACK = "ack"


class Refusal(StrEnum):
    """How a password, or a command before it, is refused. A meter that breaks leaves programming mode."""

    B0 = "b0"
    ERROR = "error"
    NAK = "nak"


class AnswerForm(StrEnum):
    """Whether an answer repeats the code of the data set."""

    FULL = "full"
    VALUE = "value"


@dataclass(frozen=True, slots=True)
class Access:
    """Who may read and how. `operand` None: the serial number of the readout; `lock_after` 0: never."""

    opening: Opening
    operand: str | None
    password: str
    password_command: str
    needs_password: bool
    refusal: Refusal
    lock_after: int
    commands: tuple[str, ...]
    block: int
    answer_form: AnswerForm


@dataclass(frozen=True, slots=True)
class Answer:
    """One message of the meter, without parity. `block` counts data blocks from 1; 0 is a message of another kind."""

    message: bytes
    block: int = 0
    ends: bool = False


def operand_message(operand: bytes | None) -> bytes:
    """SOH P0 [STX (operand)] ETX BCC."""
    data = b"" if operand is None else bytes([STX]) + b"(" + operand + b")"
    checked = b"P0" + data + bytes([ETX])
    return bytes([SOH]) + checked + bytes([bcc(checked)])


def data_block(data: bytes, *, last: bool = True) -> bytes:
    """STX data ETX BCC, or EOT instead of ETX where another partial block follows."""
    checked = data + bytes([ETX if last else EOT])
    return bytes([STX]) + checked + bytes([bcc(checked)])


def partial_blocks(data: bytes, size: int) -> list[bytes]:
    """The data in blocks of `size` bytes, cut wherever that falls."""
    parts = [data[at : at + size] for at in range(0, len(data), size)] or [b""]
    return [data_block(part, last=number == len(parts)) for number, part in enumerate(parts, 1)]


class Programming:
    """The programming mode of one meter."""

    def __init__(self, access: Access, tables: tuple[Stretch, ...], note: Callable[[str], None]) -> None:
        self._access = access
        self._tables = tables
        self._note = note
        self._wrong = 0
        self._body = b""
        self._open = False
        self._waiting: list[bytes] = []
        self._last = Answer(b"")
        self._blocks = 0

    def _is_locked(self) -> bool:
        return 0 < self._access.lock_after <= self._wrong

    def begin(self, body: bytes) -> Answer:
        """A new session over these data lines, and the meter's first message."""
        access = self._access
        self._body = body
        self._open = not access.needs_password
        self._waiting = []
        self._blocks = 0
        match access.opening:
            case Opening.ACK:
                return self._say(ACK)
            case Opening.BARE:
                return self._say(operand_message(None))
            case Opening.FULL:
                serial = dataset.serial_number(body) if access.operand is None else access.operand.encode("ascii")
                return self._say(operand_message(serial))

    def answer(self, request: Command | Next | Repeat) -> Answer | None:
        """The meter's answer; None where it has nothing to say."""
        match request:
            case Next():
                return self._block(self._waiting.pop(0)) if self._waiting else None
            case Repeat():
                self._note("nak")
                return self._last
            case Command():
                if not request.intact:
                    self._note(f"bad bcc in {request.name}")
                    # Not the last message: a reader that asks to repeat wants what the meter said before.
                    return Answer(NAK)
                self._waiting = []
                return self._obey(request)

    def _obey(self, command: Command) -> Answer:
        match command.name[0]:
            case "P":
                return self._password(command)
            case "W" | "E":
                self._note(f"WRITE {command.name} {command.data}")
                return self._error()
        self._note(f"command {command.name} {command.data}".rstrip())
        if not self._open:
            return self._refuse()
        if command.name not in self._access.commands or (data := self._find(command)) is None:
            return self._error()
        if command.name not in IN_BLOCKS:
            return self._block(data_block(data))
        self._waiting = partial_blocks(data, self._access.block)
        return self._block(self._waiting.pop(0))

    def _password(self, command: Command) -> Answer:
        access = self._access
        if command.name != access.password_command:
            self._note(f"password command {command.name} not expected")
            return self._refuse()
        if self._is_locked():
            self._note("locked")
            return self._refuse()
        if command.data == f"({access.password})":
            self._note("password ok")
            self._open = True
            return self._say(ACK)
        self._note("password wrong")
        self._wrong += 1
        if self._is_locked():
            self._note("locked")
        return self._refuse()

    def _find(self, command: Command) -> bytes | None:
        if command.name in PROFILE_COMMANDS and (table := profile.answer(self._tables, command.data)) is not None:
            return table
        code, _, argument = command.data.partition("(")
        found = dataset.find(self._body, code)
        # Readers of other makers (the library iec62056-21 is one) say how many values they want: `1.8.0(1)`.
        if found is None or argument not in ("", ")", "1)"):
            return None
        return found[1] if self._access.answer_form is AnswerForm.VALUE else b"".join(found)

    def _refuse(self) -> Answer:
        match self._access.refusal:
            case Refusal.B0:
                return self._say(BREAK, ends=True)
            case Refusal.NAK:
                return self._say(NAK)
            case Refusal.ERROR:
                return self._error()

    def _error(self) -> Answer:
        return self._block(data_block(b"(ERROR)"))

    def _block(self, message: bytes) -> Answer:
        self._blocks += 1
        self._last = Answer(message, self._blocks)
        return self._last

    def _say(self, message: bytes, *, ends: bool = False) -> Answer:
        self._last = Answer(message, ends=ends)
        return self._last
