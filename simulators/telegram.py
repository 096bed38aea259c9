"""A readout file becomes what a meter sends: a framed block (modes A, B, C, E) or a pushed telegram (mode D).

Rules: a capture leaves as it came, right or wrong, whole or cut; a check character is computed only for what was framed
or changed here; a changed value keeps its width and its decimals. Written from IEC 62056-21 6.3 alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from functools import partial, reduce
from operator import xor

STX, ETX, EOT = 0x02, 0x03, 0x04

_CRC = re.compile(rb"!([0-9A-Fa-f]{1,4})\r\n\Z")


class Kind(Enum):
    """What a readout file holds."""

    CAPTURE = "capture"  # raw bytes with their own STX
    TELEGRAM = "telegram"  # mode D: identification line, data lines, `!`
    LINES = "lines"  # data lines only


@dataclass(frozen=True, slots=True)
class Telegram:
    """A readout file, understood. `played` leaves as it stands; `body` is the data lines without `!`."""

    kind: Kind
    identification: bytes | None
    played: bytes
    body: bytes


@dataclass(frozen=True, slots=True)
class Advance:
    """The number in the data set `code` grows by `step` before every readout."""

    code: str
    step: Decimal


def bcc(data: bytes) -> int:
    """Block check character over 7-bit characters: exclusive or of everything after STX up to and including ETX."""
    return reduce(xor, (byte & 0x7F for byte in data), 0)


def crc16(data: bytes) -> int:
    """Check sum of a DSMR telegram over `/` up to and including `!` (polynomial A001, reflected)."""
    value = 0
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = (value >> 1) ^ 0xA001 if value & 1 else value >> 1
    return value


def framed(body: bytes) -> bytes:
    """STX, the data lines, `!` CR LF, ETX and the right BCC."""
    checked = body + b"!\r\n" + bytes([ETX])
    return bytes([STX]) + checked + bytes([bcc(checked)])


def load(data: bytes) -> Telegram:
    """Understand the bytes of a readout file; ValueError when there is nothing to send."""
    if not data.strip():
        raise ValueError("the readout file is empty")
    if STX in data:
        identification = None
        played = data
        if data.startswith(b"/"):
            identification = data[1:].split(b"\r\n", 1)[0]
            played = data[data.index(STX) :]
        return Telegram(Kind.CAPTURE, identification, played, _captured_body(played))
    if b"\r" not in data:
        # Written with a text editor: the wire wants CR LF (6.3.1). What a meter sent has CR already.
        data = data.replace(b"\n", b"\r\n")
    if data.startswith(b"/"):
        first, _, rest = data.partition(b"\r\n")
        return Telegram(Kind.TELEGRAM, first[1:], data, _before_end_mark(rest).lstrip(b"\r\n"))
    text = data.rstrip().removesuffix(b"!")
    body = b"".join(line + b"\r\n" for line in text.splitlines() if line)
    return Telegram(Kind.LINES, None, b"", body)


def block(telegram: Telegram) -> bytes:
    """The data message of modes A, B, C and E."""
    return telegram.played if telegram.kind is Kind.CAPTURE else framed(telegram.body)


def pushed(telegram: Telegram, identification: bytes) -> bytes:
    """The whole transmission of mode D (6.4.5.1); a file with an identification of its own leaves as it stands."""
    if telegram.kind is Kind.TELEGRAM:
        return telegram.played
    return b"/" + identification + b"\r\n\r\n" + telegram.body + b"!\r\n"


def is_intact(telegram: Telegram) -> bool:
    """Whether a capture has its ETX and the right BCC (the other kinds are framed here)."""
    if telegram.kind is not Kind.CAPTURE:
        return True
    start, end = telegram.played.index(STX) + 1, telegram.played.find(ETX)
    return end > 0 and telegram.played[end + 1 :] == bytes([bcc(telegram.played[start : end + 1])])


def check_advances(telegram: Telegram, advances: tuple[Advance, ...]) -> None:
    """ValueError when the file has no such number or is a damaged capture, whose fault has to stay as it is."""
    if advances and not is_intact(telegram):
        raise ValueError("values of a damaged capture cannot advance")
    for advance in advances:
        if not _data_set(advance.code).search(telegram.body):
            raise ValueError(f"the readout file has no number in a data set {advance.code}")


def advanced(telegram: Telegram, advances: tuple[Advance, ...], times: int) -> Telegram:
    """The same telegram after `times` steps, with its check character or check sum made right again."""
    if not advances:
        return telegram
    body, played = telegram.body, telegram.played
    for advance in advances:
        body = _data_set(advance.code).sub(partial(_grown, growth=advance.step * times), body)
    # Widths are kept, so the data lines have the same place and length in what is played.
    at = played.find(telegram.body)
    if at >= 0:
        played = played[:at] + body + played[at + len(body) :]
    if telegram.kind is Kind.CAPTURE:
        start, end = played.index(STX) + 1, played.index(ETX) + 1
        played = played[:end] + bytes([bcc(played[start:end])])
    elif (crc := _CRC.search(played)) is not None:
        digits = f"{crc16(played[: crc.start(1)]):X}"
        digits = digits.zfill(4) if len(crc[1]) == 4 else digits
        played = played[: crc.start(1)] + digits.encode() + b"\r\n"
    return Telegram(telegram.kind, telegram.identification, played, body)


def _captured_body(played: bytes) -> bytes:
    body = played[played.index(STX) + 1 :]
    for end in (ETX, EOT):
        body = body.split(bytes([end]), 1)[0]
    return _before_end_mark(body)


def _before_end_mark(data: bytes) -> bytes:
    at = data.rfind(b"!")
    return data if at < 0 else data[:at]


def _data_set(code: str) -> re.Pattern[bytes]:
    """A data set by the text of its code, which may leave out `A-B:` and `*255`."""
    return re.compile(
        rb"((?:\A|(?<=[\r\n)]))(?:\d{1,3}-\d{1,3}:)?"
        + re.escape(code.encode("ascii"))
        + rb"(?:\*255)?\([+-]?)(\d+)([.,]?)(\d*)"
    )


def _grown(match: re.Match[bytes], growth: Decimal) -> bytes:
    before, whole, point, decimals = match.groups()
    digits = whole + decimals
    number = (int(digits) + int(growth.scaleb(len(decimals)))) % 10 ** len(digits)
    text = str(number).zfill(len(digits)).encode()
    return b"".join((before, text[: len(whole)], point, text[len(whole) :]))
