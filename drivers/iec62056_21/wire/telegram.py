"""A telegram: everything from STX to the check character, or from `/` to `!` of a pushed one, and whether it is sound.

Rules: a telegram with a wrong check character or without an end is kept and says so; it is never repaired.
"""

import re
from dataclasses import dataclass
from enum import Enum, auto

from drivers.iec62056_21.wire.framing import ETX, Identification, block_check, crc16

TELEGRAM_LIMIT = 1 << 20
"""DESIGN section 9: a longer telegram is an error."""


class Check(Enum):
    """Verdict on a telegram."""

    RIGHT = auto()
    NONE_DEFINED = auto()
    """Mode D without CRC: the standard has no check character there."""
    BCC_WRONG = auto()
    CRC_WRONG = auto()
    CUT_SHORT = auto()


@dataclass(frozen=True, slots=True)
class Telegram:
    """One readout. `data` are the bytes between the marks, with the data sets; `detail` says what is wrong."""

    identification: Identification | None
    data: bytes
    check: Check
    detail: str = ""


def end_of_block(buffer: bytes | bytearray, start: int) -> int:
    """Position behind the BCC of the block that begins with STX at `start`; 0 while it is not complete."""
    etx = buffer.find(ETX, start)
    return 0 if etx < 0 or etx + 2 > len(buffer) else etx + 2


def read_block(block: bytes, identification: Identification | None) -> Telegram:
    """STX data ETX BCC -> telegram. `block` starts with STX; without ETX and BCC it is cut short."""
    etx = block.find(ETX)
    if etx < 0 or etx + 1 >= len(block):
        return Telegram(
            identification, _body(block[1:].rstrip(ETX)), Check.CUT_SHORT, f"the block stops after {len(block)} bytes"
        )
    computed, sent = block_check(block[1 : etx + 1]), block[etx + 1] & 0x7F
    if computed == sent:
        return Telegram(identification, _body(block[1:etx]), Check.RIGHT)
    detail = f"block check character {sent:02X} received, {computed:02X} computed"
    return Telegram(identification, _body(block[1:etx]), Check.BCC_WRONG, detail)


# The end of a pushed telegram: `!`, a CRC of up to four hexadecimal digits where there is one, and the line end.
_PUSH_END = re.compile(rb"!([0-9A-Fa-f]{0,4})[ ]{0,8}\r?\n")
PUSH_END_LIMIT = len("!FFFF        \r\n")
"""No end of a pushed telegram is longer."""


def end_of_push(buffer: bytes | bytearray, start: int) -> int:
    """Position behind the `!` line of the pushed telegram whose `/` is at `start`; 0 while it is not complete."""
    match = _PUSH_END.search(buffer, start)
    return match.end() if match else 0


def read_push(block: bytes, identification: Identification) -> Telegram:
    """`/...` to `!` (mode D, P1) -> telegram; the CRC is verified where the telegram has one."""
    body = block[len(identification.raw) :]
    match = _PUSH_END.search(block)
    if match is None:
        return Telegram(identification, body, Check.CUT_SHORT, f"the telegram stops after {len(block)} bytes")
    data = block[len(identification.raw) : match.start()]
    if not match[1]:
        return Telegram(identification, data, Check.NONE_DEFINED)
    computed, sent = crc16(block[: match.start() + 1]), int(match[1], 16)
    if computed == sent:
        return Telegram(identification, data, Check.RIGHT)
    return Telegram(identification, data, Check.CRC_WRONG, f"CRC {sent:04X} received, {computed:04X} computed")


def _body(data: bytes) -> bytes:
    """Without the `!` that ends the data; it may stand at the end of the last line (UH50)."""
    stripped = data.rstrip(b"\r\n")
    return stripped[:-1] if stripped.endswith(b"!") else data
