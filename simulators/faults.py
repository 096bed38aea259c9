"""The ways in which a simulated meter misbehaves, and on which readouts, commands or blocks.

Rules: the kinds are the words of `--misbehave`; `:N` means every N-th readout, but the N-th command or block of a
session in programming mode, where it is shown once in the meter's life unless `*` follows; random bytes come from the
generator handed in, so that a seed repeats a run; noise never holds a character that opens or closes a message, because
no reader could tell that from the truth.
"""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from simulators.telegram import EOT, ETX, STX, bcc

NOISE_LENGTH = 8
BABBLE_CHUNK = 16

_MEANINGFUL = b"\x01\x02\x03\x04\x06\r\n\x15!/"
_CRC = re.compile(rb"!([0-9A-F])[0-9A-F]{0,3}\r\n\Z")


class Misbehaviour(StrEnum):
    """Kinds of fault, spelled as on the command line."""

    ECHO = "echo"
    NOISE = "noise"
    BAD_BCC = "bad-bcc"
    TRUNCATE = "truncate"
    SILENCE = "silence"
    DRIP = "drip"
    HANG_UP = "hang-up"
    BABBLE = "babble"
    HUGE = "huge"
    NAK = "nak"
    NO_ACK_SUPPORT = "no-ack-support"
    BLOCK_BAD_BCC = "block-bad-bcc"
    BLOCK_TRUNCATE = "block-truncate"
    BLOCK_HANG_UP = "block-hang-up"
    BLOCK_NOISE = "block-noise"
    COMMAND_SILENCE = "command-silence"
    COMMAND_NAK = "command-nak"
    COMMAND_BREAK = "command-break"


IN_PROGRAMMING = tuple(kind for kind in Misbehaviour if kind.startswith(("block-", "command-")))
IN_READOUT = tuple(kind for kind in Misbehaviour if kind not in IN_PROGRAMMING)


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of fault, shown on every `every`-th readout; in programming mode see `SessionFaults`."""

    kind: Misbehaviour
    every: int = 1
    once: bool = False


def parse(text: str) -> Fault:
    """`KIND` or `KIND:N`, in programming mode also `KIND:N*`; ValueError says what is wrong with it."""
    name, colon, count = text.partition(":")
    try:
        kind = Misbehaviour(name)
    except ValueError:
        raise ValueError(f"{name!r} is none of {', '.join(Misbehaviour)}") from None
    programming = kind in IN_PROGRAMMING
    if not colon:
        return Fault(kind, 0 if programming else 1)
    digits = count.removesuffix("*") if programming else count
    if not digits.isdecimal() or int(digits) < 1:
        raise ValueError(f"{count!r} is not a count of {name.partition('-')[0] if programming else 'readout'}s")
    return Fault(kind, int(digits), once=programming and digits == count)


def is_active(faults: tuple[Fault, ...], kind: Misbehaviour, readout: int) -> bool:
    """Whether the readout with this number, counted from 1, shows the fault."""
    return any(fault.kind is kind and readout % fault.every == 0 for fault in faults)


class SessionFaults:
    """The faults of programming mode. `every` is the number of the command or block in its session, 0 is each one."""

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        self._left = [fault for fault in faults if fault.kind in IN_PROGRAMMING]

    def strikes(self, kind: Misbehaviour, number: int) -> bool:
        """Whether the command or block with this number, counted from 1, shows the fault now."""
        for fault in self._left:
            if fault.kind is kind and fault.every in (0, number):
                if fault.once:
                    self._left.remove(fault)
                return True
        return False


def noise(randomness: random.Random) -> bytes:
    """What a head delivers while the light settles: 0x7F, 0x00 and random characters."""
    harmless = [byte for byte in range(256) if byte & 0x7F not in _MEANINGFUL]
    return b"\x7f\x00" + bytes(randomness.choices(harmless, k=NOISE_LENGTH)) + b"\x00\x7f"


def babble(randomness: random.Random) -> Iterator[bytes]:
    """Random bytes without end."""
    while True:
        yield randomness.randbytes(BABBLE_CHUNK)


def endless_lines(body: bytes) -> Iterator[bytes]:
    """The data lines over and over; no end mark ever comes."""
    lines = [line for line in body.splitlines(keepends=True) if line.endswith(b"\r\n")]
    yield from itertools.cycle(lines or [b"0.0.0(0)\r\n"])


def spoiled(message: bytes) -> bytes:
    """The message with a wrong BCC or DSMR check sum; unchanged where it has neither."""
    start, end = message.find(STX) + 1, message.find(ETX if ETX in message else EOT) + 1
    if start and end and end < len(message):
        wrong = bcc(message[start:end]) ^ 0x55
        return message[:end] + bytes([wrong]) + message[end + 1 :]
    if (crc := _CRC.search(message)) is not None:
        digit = b"0" if crc[1] != b"0" else b"1"
        return message[: crc.start(1)] + digit + message[crc.end(1) :]
    return message
