"""What is asked and what is answered, without unit, check and header (MODBUS Application Protocol V1.1b3, clause 6).

Rules: there are requests that read and no others, so that nothing can be written by mistake. A reply is taken only
where it fits its request: function, byte count, and nothing behind. Registers stay octets as they were sent.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Self

from gatewayd.errors import ProtocolError

PDU_LIMIT = 253
"""Octets of a PDU (4.1): 256 of the longest RTU frame without unit and CRC."""
MAX_REGISTERS = 125
MAX_BITS = 2000
_REFUSED = 0x80  # set in the function of an exception (7)
_DEVICE_IDENTIFICATION = 0x0E  # the MEI type of 6.21
_MORE_FOLLOWS = 0xFF


class Function(IntEnum):
    """The functions that gatewayd uses; none of them changes anything."""

    READ_COILS = 1
    READ_DISCRETE_INPUTS = 2
    READ_HOLDING_REGISTERS = 3
    READ_INPUT_REGISTERS = 4
    REPORT_SERVER_ID = 17
    ENCAPSULATED_INTERFACE = 43

    @property
    def of_bits(self) -> bool:
        """True where single bits are read, not registers."""
        return self in (Function.READ_COILS, Function.READ_DISCRETE_INPUTS)


_READING = frozenset(Function(number) for number in (1, 2, 3, 4))


class ExceptionCode(IntEnum):
    """Why a request is refused (clause 7). Devices know others; they are kept as numbers."""

    ILLEGAL_FUNCTION = 1
    ILLEGAL_DATA_ADDRESS = 2
    ILLEGAL_DATA_VALUE = 3
    SERVER_DEVICE_FAILURE = 4
    ACKNOWLEDGE = 5
    SERVER_DEVICE_BUSY = 6
    MEMORY_PARITY_ERROR = 8
    GATEWAY_PATH_UNAVAILABLE = 10
    GATEWAY_TARGET_FAILED_TO_RESPOND = 11

    @property
    def text(self) -> str:
        """As it stands in a message: "illegal data address"."""
        return self.name.lower().replace("_", " ")


@dataclass(frozen=True, slots=True)
class Read:
    """Read `count` registers or bits from `address`, the address as it is in the request: from 0 (6.1 to 6.4).

    ValueError for another function, and for more than one request may ask for.
    """

    function: Function
    address: int
    count: int

    def __post_init__(self) -> None:
        if self.function not in _READING:
            raise ValueError(f"function {self.function} reads no addresses: expected 1 to 4")
        if not 1 <= self.count <= self.most:
            raise ValueError(f"{self.count} at once: expected 1 to {self.most}")
        if self.address < 0 or self.address + self.count > 0x10000:
            raise ValueError(f"address {self.address}, {self.count} of them: expected 0 to 65535")

    @property
    def most(self) -> int:
        """How many one request may ask for."""
        return MAX_BITS if self.function.of_bits else MAX_REGISTERS

    @property
    def end(self) -> int:
        """The address behind the last one."""
        return self.address + self.count

    @property
    def encoded(self) -> bytes:
        return bytes((self.function,)) + self.address.to_bytes(2) + self.count.to_bytes(2)

    @property
    def reply_octets(self) -> int:
        """Octets of the normal reply PDU: function, byte count, content."""
        return 2 + ((self.count + 7) // 8 if self.function.of_bits else 2 * self.count)


@dataclass(frozen=True, slots=True)
class Identify:
    """Read Device Identification (6.21). `level`: 1 basic, 2 regular, 3 extended from `object_id` on, 4 that object."""

    level: int
    object_id: int = 0
    function = Function.ENCAPSULATED_INTERFACE
    reply_octets = None

    def __post_init__(self) -> None:
        if not (1 <= self.level <= 4 and 0 <= self.object_id <= 0xFF):
            raise ValueError(f"level {self.level}, object {self.object_id}: expected 1 to 4, 0 to 255")

    @property
    def encoded(self) -> bytes:
        return bytes((self.function, _DEVICE_IDENTIFICATION, self.level, self.object_id))

    def following(self, reply: "Identification") -> Self | None:
        """The request for what the reply had no room for; None where nothing follows.

        ProtocolError where it would go round in circles."""
        if reply.more is None:
            return None
        if reply.more <= max((self.object_id, *reply.objects)):
            raise ProtocolError(f"sends an identification that goes on with object {reply.more}, which is behind it")
        return type(self)(self.level, reply.more)


@dataclass(frozen=True, slots=True)
class ReportServerId:
    """Report Server ID (6.13), on serial lines only by the standard; many devices have it on TCP as well."""

    function = Function.REPORT_SERVER_ID
    reply_octets = None

    @property
    def encoded(self) -> bytes:
        return bytes((self.function,))


Request = Read | Identify | ReportServerId


@dataclass(frozen=True, slots=True)
class Words:
    """Registers, two octets each, as sent."""

    octets: bytes


@dataclass(frozen=True, slots=True)
class Bits:
    """Coils or discrete inputs: `count` of them in `octets`, the first one in the lowest bit of the first octet."""

    octets: bytes
    count: int

    def __getitem__(self, index: int) -> bool:
        if not 0 <= index < self.count:
            raise IndexError(f"bit {index} of {self.count}")
        return bool(self.octets[index // 8] >> index % 8 & 1)


@dataclass(frozen=True, slots=True)
class Identification:
    """A part of the device identification; `more` is the object to go on with, None behind the last part."""

    conformity: int
    more: int | None
    objects: dict[int, bytes]


@dataclass(frozen=True, slots=True)
class ServerId:
    """What the device says of itself; its shape is the maker's own."""

    octets: bytes


@dataclass(frozen=True, slots=True)
class Refused:
    """An exception: the device understood and says no. `code` may be one that the standard does not have."""

    code: int

    @property
    def text(self) -> str:
        """For messages: "illegal data address (exception 2)"."""
        known = next((code.text for code in ExceptionCode if code == self.code), "for a reason of its own")
        return f"{known} (exception {self.code})"


Reply = Words | Bits | Identification | ServerId | Refused


def reply_size(request: Request, pdu: bytes) -> int | None:
    """How long a reply to `request` is that begins with `pdu`: its octets; 0 where more has to be seen first; None
    where it is no reply to this request. For lines on which only the content tells where a frame ends."""
    if not pdu:
        return 0
    if pdu[0] == request.function | _REFUSED:
        return 2
    if pdu[0] != request.function:
        return None
    match request:
        case Read():
            size = request.reply_octets
            return 0 if len(pdu) < 2 else size if pdu[1] == size - 2 else None
        case ReportServerId():
            return 0 if len(pdu) < 2 else 2 + pdu[1] if pdu[1] <= PDU_LIMIT - 2 else None
        case Identify():
            return _identification_size(request, pdu)


def parse_reply(request: Request, pdu: bytes) -> Reply:
    """What a whole reply PDU says. ProtocolError where it does not fit the request; `raw` is the PDU."""
    size = reply_size(request, pdu)
    if size is None:
        raise ProtocolError(_misfit(request, pdu), pdu)
    if size == 0 or len(pdu) < size:
        raise ProtocolError("breaks off in the middle of a reply", pdu)
    if len(pdu) > size:
        raise ProtocolError(f"sends {len(pdu) - size} octets behind its reply", pdu)
    if pdu[0] & _REFUSED:
        return Refused(pdu[1])
    match request:
        case Read(function, _, count):
            return Bits(pdu[2:], count) if function.of_bits else Words(pdu[2:])
        case ReportServerId():
            return ServerId(pdu[2:])
        case Identify():
            return Identification(pdu[3], pdu[5] if pdu[4] == _MORE_FOLLOWS else None, dict(_objects(pdu)))


def _misfit(request: Request, pdu: bytes) -> str:
    function = pdu[0] & ~_REFUSED
    if function != request.function:
        kind = "an exception of function" if pdu[0] & _REFUSED else "function"
        return f"answers {kind} {function}, where {request.function} was asked"
    if isinstance(request, Read):
        return f"sends {pdu[1]} octets, where {request.reply_octets - 2} were asked"
    return "sends a device identification that is not as it was asked" if len(pdu) > 2 else "sends an impossible length"


def _identification_size(request: Identify, pdu: bytes) -> int | None:
    # 2B 0E level | conformity | more follows 00 or FF | next object | number of objects | id, length, value ...
    head = bytes((request.function, _DEVICE_IDENTIFICATION, request.level))
    if not head.startswith(pdu[:3]):
        return None
    if len(pdu) > 4 and pdu[4] not in (0, _MORE_FOLLOWS):
        return None
    if len(pdu) < 7:
        return 0
    at = 7
    for _ in range(pdu[6]):
        if at + 2 > PDU_LIMIT:
            return None
        if at + 2 > len(pdu):
            return 0
        at += 2 + pdu[at + 1]
    return at if at <= PDU_LIMIT else None


def _objects(pdu: bytes) -> list[tuple[int, bytes]]:
    found, at = [], 7
    for _ in range(pdu[6]):
        end = at + 2 + pdu[at + 1]
        found.append((pdu[at], pdu[at + 2 : end]))
        at = end
    return found
