"""Characters, messages and check characters of IEC 62056-21:2002, clauses 5 and 6.3, annex A.

Rules: requests are built and identifications read here, nowhere else; a character is seven bits (parity is the line's
business).
"""

import re
from dataclasses import dataclass
from functools import reduce
from operator import xor

SOH, STX, ETX, EOT, ACK, NAK = b"\x01", b"\x02", b"\x03", b"\x04", b"\x06", b"\x15"
CRLF = b"\r\n"
BREAK = SOH + b"B0" + ETX + b"q"

CHARACTER_BITS = 10
"""Start, seven data bits, even parity, stop (clause 5)."""
SIGN_ON_BAUD = 300
ADDRESS_LIMIT = 32

# Clause 6.3.14 item 13c: baud rate identification of modes C and E (digits) and of mode B (letters).
_RATES_C = {"0": 300, "1": 600, "2": 1200, "3": 2400, "4": 4800, "5": 9600, "6": 19200}
_RATES_B = {"A": 600, "B": 1200, "C": 2400, "D": 4800, "E": 9600, "F": 19200}
_MODE_C_CHAR = {rate: char for char, rate in _RATES_C.items()}

# `/` XXX Z [\W] identification CR LF. Kamstrup puts a blank at Z, EasyMeter and Landis+Gyr a `\2` behind it. The clause
# allows 16 characters of identification; meters with more exist, so the reader takes 64 before it calls it garbage.
_IDENTIFICATION = re.compile(rb"/([A-Za-z]{3})([ -~])((?:\\[ -\[\]-~]){0,8}+)([ -~]{0,64}+)\r\n")


@dataclass(frozen=True, slots=True)
class Identification:
    """What a meter says of itself in answer to the sign-on (6.3.2)."""

    manufacturer: str
    rate_char: str
    sequences: str
    text: str
    raw: bytes

    @property
    def reaction_ms(self) -> int:
        """Shortest reaction time that the meter may use: 20 ms with a lower-case third letter, else 200 ms."""
        return 20 if self.manufacturer[2:].islower() else 200

    @property
    def mode(self) -> str:
        """ "C" when the meter offers a rate by digit, "B" by letter, else "A"."""
        if self.rate_char in _RATES_C:
            return "C"
        return "B" if self.rate_char in _RATES_B else "A"

    @property
    def rate(self) -> int:
        """The rate that the meter offers for its data, in Bd."""
        return _RATES_C.get(self.rate_char) or _RATES_B.get(self.rate_char) or SIGN_ON_BAUD

    def __str__(self) -> str:
        return self.raw.decode("latin-1").strip()


def find_identification(data: bytes | bytearray) -> tuple[Identification, int] | None:
    """The first identification in `data` and the position behind it. Noise and the echo of `/?!` are passed over."""
    match = _IDENTIFICATION.search(data)
    if match is None:
        return None
    letters, rate, sequences, text = (part.decode("latin-1") for part in match.groups())
    return Identification(letters, rate, sequences, text, bytes(match[0])), match.end()


def sign_on(address: str = "", table: str = "") -> bytes:
    """The request message `/?address!` (6.3.1); `table` "1" to "4" asks some meters for another list (`/2!`).

    ValueError when the address is too long or holds characters that the clause does not allow.
    """
    if len(address) > ADDRESS_LIMIT or not re.fullmatch(r"[0-9A-Za-z ]*", address):
        raise ValueError(f"device address '{address}': expected at most {ADDRESS_LIMIT} of 0-9, A-Z, a-z and blank")
    return f"/{table or '?'}{address}!\r\n".encode("ascii")


def option_select(rate: int, protocol: str = "0", mode: str = "0") -> bytes:
    """The acknowledgement `ACK V Z Y` that chooses rate and data readout (6.3.3)."""
    return ACK + f"{protocol}{_MODE_C_CHAR[rate]}{mode}\r\n".encode("ascii")


def command(name: str, data: bytes | None = None) -> bytes:
    """The command message `SOH C D [STX data] ETX BCC` of programming mode (6.3.5, 6.3.6, annex A).

    `name` is C D, such as R5 or P1; `data` are the bytes between STX and ETX. No check of what may be sent: that is the
    session's.
    """
    body = name.encode("ascii") + (b"" if data is None else STX + data) + ETX
    return SOH + body + bytes([block_check(body)])


def mode_c_rates() -> tuple[int, ...]:
    """The rates that an acknowledgement can choose."""
    return tuple(sorted(_MODE_C_CHAR))


def block_check(data: bytes) -> int:
    """BCC over everything behind the first STX or SOH up to and including ETX or EOT (annex A, 7-bit exclusive or)."""
    return reduce(xor, data, 0) & 0x7F


def _crc_row(byte: int) -> int:
    for _ in range(8):
        byte = (byte >> 1) ^ 0xA001 if byte & 1 else byte >> 1
    return byte


_CRC_TABLE = tuple(map(_crc_row, range(256)))


def crc16(data: bytes) -> int:
    """CRC-16 of P1 telegrams (DSMR 5.0.2 P1, 5.2: polynomial 0xA001 reflected, start 0), `/` up to and with `!`."""
    crc = 0
    for byte in data:
        crc = (crc >> 8) ^ _CRC_TABLE[(crc ^ byte) & 0xFF]
    return crc
