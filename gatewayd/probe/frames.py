"""The few bytes of HDLC, the DLMS wrapper and Modbus RTU that ask whether anybody is there, and their check sums.

Rules: SNRM and DISC, the association of the public client and its end, the reading of one register, nothing else; an
answer counts only with a right check sum, where there is one.
"""

from dataclasses import dataclass

FLAG = 0x7E
UA, DM = 0x73, 0x1F
"""Control bytes with the final bit (ISO/IEC 13239 5.5.3): unnumbered acknowledge, disconnected mode."""
_SNRM, _DISC = 0x93, 0x53
_FORMAT = 0xA0
_LONGEST = 2048
CLIENT = 16
"""The public client of DLMS (IEC 62056-5-3 annex B): may connect without a password."""


def _reflected(data: bytes, polynomial: int) -> int:
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ polynomial if crc & 1 else crc >> 1
    return crc


def fcs(data: bytes) -> bytes:
    """Frame check sequence of HDLC (ISO/IEC 13239 4.2.5.2, CRC-16/X-25), low byte first."""
    return (_reflected(data, 0x8408) ^ 0xFFFF).to_bytes(2, "little")


def modbus_crc(data: bytes) -> bytes:
    """Check sum of Modbus RTU (Modbus over serial line 1.02, 2.5.1.2), low byte first."""
    return _reflected(data, 0xA001).to_bytes(2, "little")


# -- HDLC --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Server:
    """An HDLC server address (IEC 62056-46 6.4.2): logical device, and physical device where several share a line; that
    takes two bytes, or four with `wide`."""

    logical: int = 1
    physical: int | None = None
    wide: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.logical < 0x80 or not (self.physical is None or 0 < self.physical < 0x80):
            raise ValueError(f"addresses of one byte are 1 to 127, not {self}")

    def __str__(self) -> str:
        return str(self.logical) if self.physical is None else f"{self.logical}/{self.physical}"

    @property
    def encoded(self) -> bytes:
        if self.physical is None:
            return bytes((self.logical << 1 | 1,))
        between = (0,) if self.wide else ()
        return bytes((*between, self.logical << 1, *between, self.physical << 1 | 1))


FIRST = Server()
"""Logical device 1, the management device that every meter has (IEC 62056-5-3 annex B)."""


def snrm(server: Server) -> bytes:
    """Set normal response mode (IEC 62056-46 6.4.3.3): the question `is a server there?`."""
    return _frame(server, _SNRM)


def disconnect(server: Server) -> bytes:
    """The end of what `snrm` began."""
    return _frame(server, _DISC)


def _frame(server: Server, control: int) -> bytes:
    addresses = server.encoded + bytes((CLIENT << 1 | 1,))
    body = bytes((_FORMAT, len(addresses) + 5)) + addresses + bytes((control,))
    return bytes((FLAG,)) + body + fcs(body) + bytes((FLAG,))


@dataclass(frozen=True, slots=True)
class Frame:
    """An HDLC frame whose check sequence is right. Addresses as they stand on the wire."""

    destination: bytes
    source: bytes
    control: int


def find_frame(data: bytes) -> Frame | None:
    """The first sound frame of format type 3 (IEC 62056-46 6.4.1) in `data`."""
    start = data.find(FLAG)
    while start >= 0:
        frame = _frame_at(data, start + 1)
        if frame is not None:
            return frame
        start = data.find(FLAG, start + 1)
    return None


def _frame_at(data: bytes, start: int) -> Frame | None:
    if len(data) < start + 2 or data[start] & 0xF0 != _FORMAT:
        return None
    length = (data[start] & 0x07) << 8 | data[start + 1]
    body = data[start : start + length]
    if not 7 <= length <= _LONGEST or len(body) < length or fcs(body[:-2]) != body[-2:]:
        return None
    destination = _address(body, 2)
    source = _address(body, 2 + len(destination))
    control = 2 + len(destination) + len(source)
    return Frame(destination, source, body[control]) if destination and source and control < length - 2 else None


def _address(body: bytes, start: int) -> bytes:
    """One, two or four bytes; the last one has bit 0 set."""
    end = next((n + 1 for n in range(start, min(start + 4, len(body))) if body[n] & 1), start)
    return body[start:end]


# -- DLMS wrapper ------------------------------------------------------------------------------------------------------

_VERSION = b"\x00\x01"
_HEADER = 8
_AARQ = bytes.fromhex("601DA109060760857405080101BE10040E01000000065F1F0400007E1F04B0")
"""Logical names, no ciphering, no authentication: the example of the Green Book, 11.2."""
_RLRQ = bytes.fromhex("6203800100")
_AARE = 0x61
_ANSWERS = (_AARE, 0x0E, 0xD8)
"""First octet of what may come for an AARQ: AARE, ConfirmedServiceError, ExceptionResponse."""
_PUSHES = (0x0F, 0xC2, 0xDB, 0xDD, 0xDF, 0xE0)
"""DataNotification, event notification; general ciphering in its forms, signing, block transfer."""
_RESULT = bytes.fromhex("A203020100")
"""The result `accepted` in an AARE."""


def associate(server: int) -> bytes:
    """The public client asks for an association without authentication (IEC 62056-5-3 7.2)."""
    return _wrapped(CLIENT, server, _AARQ)


def release(server: int) -> bytes:
    """The end of what `associate` began."""
    return _wrapped(CLIENT, server, _RLRQ)


def _wrapped(source: int, destination: int, apdu: bytes) -> bytes:
    ports = source.to_bytes(2, "big") + destination.to_bytes(2, "big")
    return _VERSION + ports + len(apdu).to_bytes(2, "big") + apdu


def associated(data: bytes, server: int) -> str | None:
    """What the wPort `server` answers to `associate`, in words: a refusal is a sign of life as well. None without."""
    apdu = _unwrapped(data, _VERSION + server.to_bytes(2, "big") + CLIENT.to_bytes(2, "big"))
    if apdu is None or apdu[0] not in _ANSWERS:
        return None
    return "connects" if apdu[0] == _AARE and _RESULT in apdu else "is there and refuses the public client"


def pushed(data: bytes) -> bool:
    """Whether these bytes begin with a whole notification in the wrapper. There is no check sum: not in the middle."""
    apdu = _unwrapped(data, _VERSION) if data.startswith(_VERSION) else None
    return apdu is not None and apdu[0] in _PUSHES


def _unwrapped(data: bytes, begin: bytes) -> bytes | None:
    """The first whole APDU behind a header that begins so."""
    start = data.find(begin)
    while start >= 0:
        header = data[start : start + _HEADER]
        apdu = data[start + _HEADER :][: int.from_bytes(header[6:], "big")]
        if len(header) == _HEADER and apdu and len(apdu) == int.from_bytes(header[6:], "big"):
            return apdu
        start = data.find(begin, start + 1)
    return None


# -- Modbus RTU --------------------------------------------------------------------------------------------------------

_READ_HOLDING = 3
EXCEPTIONS = {1: "illegal function", 2: "illegal address", 3: "illegal value", 4: "device failure", 6: "busy"}


def read_register(unit: int, register: int = 0) -> bytes:
    """Read one holding register (Modbus application protocol 1.1b3, 6.3)."""
    body = bytes((unit, _READ_HOLDING)) + register.to_bytes(2, "big") + b"\x00\x01"
    return body + modbus_crc(body)


def modbus_answer(data: bytes, unit: int) -> str | None:
    """What a unit said, in words: a value, or an exception, which is a sign of life as well. None without an answer.

    The echo of the request is no answer: its second length is not two bytes.
    """
    for start in range(len(data)):
        value, exception = data[start : start + 7], data[start : start + 5]
        if value[:3] == bytes((unit, _READ_HOLDING, 2)) and len(value) == 7 and modbus_crc(value[:-2]) == value[-2:]:
            return f"register 0 is {int.from_bytes(value[3:5], 'big')}"
        code = bytes((unit, _READ_HOLDING | 0x80))
        if exception[:2] == code and len(exception) == 5 and modbus_crc(exception[:-2]) == exception[-2:]:
            return f"exception {exception[2]} ({EXCEPTIONS.get(exception[2], 'see its manual')})"
    return None
