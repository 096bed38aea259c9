"""Who a device is: serial number and firmware by its map, and what it says of itself (43/14).

    identity_cells(map)            what has to be read for it, in whichever requests
    identity_of(map, given)        -> Identity, from what was read
    device_identification(ask)     -> DeviceIdentification | None, asked for
    Given, Ask                     what was read; how one unit is asked

Rules: what a device refuses or does not fill in is an empty text, no fault: many have no serial number. A text is told
as the device has it, without the blanks and zeros that fill it up.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from decimal import Context

from drivers.modbus.map_registers import Cell
from drivers.modbus.maps import Map
from drivers.modbus.wire.pdu import ExceptionCode, Identification, Identify, Refused, Reply, Request
from drivers.modbus.wire.values import Number, Text, Type, Undecodable, decode, in_order
from gatewayd.errors import ProtocolError

Given = Callable[[Cell], bytes | None]
"""The octets of a cell as the device sent them; None where it refuses them."""
Ask = Callable[[Request], Awaitable[Reply]]
"""One request to one unit. MeterSilent, ProtocolError, ChannelError."""

VENDOR, PRODUCT_CODE, REVISION, PRODUCT_NAME, MODEL_NAME = 0, 1, 2, 4, 5
"""Objects of the device identification (MODBUS Application Protocol V1.1b3, 6.21)."""
_BASIC, _REGULAR = 1, 2
_MOST_PARTS = 16
DECIMAL_DIGITS = {Type.F32: Context(prec=7), Type.F64: Context(prec=15)}
"""Digits that a binary number keeps of the decimal one that somebody has entered."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Texts by which a device names itself; "" for what it does not have."""

    serial: str = ""
    firmware: str = ""

    @property
    def serials(self) -> tuple[str, ...]:
        """For Answer.serials."""
        return (self.serial,) if self.serial else ()

    @property
    def identification(self) -> str:
        """For Answer.identification."""
        return f"firmware {self.firmware}" if self.firmware else ""


NOBODY = Identity()


@dataclass(frozen=True, slots=True)
class DeviceIdentification:
    """The answer to 43/14: object -> text."""

    objects: Mapping[int, str] = field(default_factory=dict)

    @property
    def vendor(self) -> str:
        return self.objects.get(VENDOR, "")

    @property
    def products(self) -> tuple[str, ...]:
        """ProductCode and ProductName, as far as the device has them."""
        return tuple(filter(None, (self.objects.get(number, "") for number in (PRODUCT_CODE, PRODUCT_NAME))))

    @property
    def text(self) -> str:
        """In one line, nothing twice."""
        shown = (VENDOR, PRODUCT_CODE, PRODUCT_NAME, MODEL_NAME, REVISION)
        return " ".join(dict.fromkeys(filter(None, (self.objects.get(number, "") for number in shown))))


def identity_cells(found: Map) -> tuple[Cell, ...]:
    """What has to be read to know who the device is; of a SunSpec map nothing, its walk knows it."""
    return tuple(cell for cell in (found.serial, found.firmware) if cell is not None)


def identity_of(found: Map, given: Given) -> Identity:
    """Who the device is, from what was read."""
    return Identity(_told(found.serial, given), _told(found.firmware, given))


def _told(cell: Cell | None, given: Given) -> str:
    octets = given(cell) if cell is not None else None
    if cell is None or octets is None or not any(octets.strip(b"\xff")):
        return ""  # a number that nobody has given the device
    return cell_text(cell, octets)


def cell_text(cell: Cell, octets: bytes) -> str:
    """What a place of the identity says; "" where it says nothing."""
    if cell.type is Type.STRING:
        return _letters(in_order(octets, cell.form))
    try:
        value = decode(octets, cell.form)
    except Undecodable:
        return octets.hex()
    match value:
        case Number(number):
            rounding = DECIMAL_DIGITS.get(cell.type)
            plain = number if rounding is None else number.normalize(rounding)
            return format(plain, "f")
        case Text(text):
            return text
        case None:
            return ""


def _letters(octets: bytes) -> str:
    """The text up to its end; where each letter has a register of its own, the octets beside them are left out."""
    for beside in (octets[0::2], octets[1::2]):
        if len(octets) > 2 and not any(beside):
            octets = octets[1::2] if beside == octets[0::2] else octets[0::2]
            break
    if not any(octets.strip(b"\xff")):
        return ""  # memory that nobody has written
    return octets.partition(b"\x00")[0].decode("ascii", errors="backslashreplace").strip()


async def device_identification(ask: Ask) -> DeviceIdentification | None:
    """The basic and regular objects, None where the device has no device identification. ProtocolError for one without
    an end; errors of `ask`."""
    for level in (_REGULAR, _BASIC):  # 6.21: a device that has less gives less, but some refuse what is too much
        found = await _objects(ask, Identify(level))
        if not isinstance(found, Refused):
            return DeviceIdentification({number: _printed(octets) for number, octets in found.items()})
        if found.code == ExceptionCode.ILLEGAL_FUNCTION:
            break
    return None


async def _objects(ask: Ask, request: Identify) -> dict[int, bytes] | Refused:
    found: dict[int, bytes] = {}
    following: Identify | None = request
    for _ in range(_MOST_PARTS):
        if following is None:
            return found
        reply = await ask(following)
        if not isinstance(reply, Identification):
            assert isinstance(reply, Refused)  # parse_reply has seen to that
            return found or reply
        found |= reply.objects
        following = following.following(reply)
    raise ProtocolError(f"sends a device identification of more than {_MOST_PARTS} parts")


def _printed(octets: bytes) -> str:
    return octets.rstrip(b"\x00").decode("utf-8", errors="backslashreplace").strip()
