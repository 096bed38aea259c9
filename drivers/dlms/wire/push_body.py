"""The body of a data-notification: one value in A-XDR, or the list of the Czech customer port, which is not all A-XDR.

    02 02 | enum: 16, list | 01, number | each: 02 02 | class (2) | logical name (6) | attribute (1) | value

Here the attribute descriptor has no tag: a generic decoder takes its first octet for null-data and is lost, or worse,
finds values that nobody sent. Source: description of the port in the reference notes (dlms.md).

Rules: a body is read whole or not at all. It is that list only where every element is one; what begins like it and goes
on otherwise is a fault, and never read as A-XDR.
"""

from dataclasses import dataclass

from drivers.dlms.wire.axdr import CutShort, Tag, Value, decode, decode_count
from drivers.dlms.wire.axdr_value import MAX_BYTES, MAX_ELEMENTS
from gatewayd.errors import ProtocolError

_PAIR = bytes((Tag.STRUCTURE, 2))
_DESCRIPTOR = 9


@dataclass(frozen=True, slots=True)
class Described:
    """An attribute and its value. `logical_name` has six octets."""

    class_id: int
    logical_name: bytes
    attribute: int
    value: Value


@dataclass(frozen=True, slots=True)
class PortList:
    """The list of a customer port; `number` says which one."""

    number: int
    entries: tuple[Described, ...]


Body = Value | PortList


def decode_body(data: bytes, at: int) -> tuple[Body, int]:
    """The body that begins at `at`, and the offset behind it. CutShort where it ends too early; ProtocolError."""
    if is_port_list(data, at):
        return _port_list(data, at)
    return decode(data, at)


def is_port_list(data: bytes, at: int) -> bool:
    """Whether the body begins like the list of the customer port. The first element of a list in A-XDR would begin with
    null-data, whose next element is a boolean or a small number of an array: no meter has such a list."""
    if data[at : at + 3] != _PAIR + bytes((Tag.ENUM,)) or data[at + 4 : at + 5] != bytes((Tag.ARRAY,)):
        return False
    try:
        number, first = decode_count(data, at + 5)
    except ProtocolError:
        return False
    # The high octet of a class number (null-data in A-XDR), and the logical name of a current value (F = FF).
    return number > 0 and data[first : first + 3] == _PAIR + b"\x00" and data[first + 9 : first + 10] == b"\xff"


def _port_list(data: bytes, at: int) -> tuple[PortList, int]:
    begin = at
    number = data[at + 3]
    count, at = decode_count(data, at + 5)
    if count > MAX_ELEMENTS:
        raise ProtocolError(f"push: {count} elements, more than {MAX_ELEMENTS}", data[begin:])
    entries: list[Described] = []
    for _ in range(count):
        head = data[at : at + len(_PAIR) + _DESCRIPTOR]
        if not _PAIR.startswith(head[:2]) and head[:2] != _PAIR:
            raise ProtocolError("push: an element of a customer port's list is none", data[begin:])
        if len(head) < len(_PAIR) + _DESCRIPTOR:
            raise CutShort("push: cut short inside an attribute descriptor", data[begin:])
        value, at = decode(data, at + len(head))
        class_id = int.from_bytes(head[2:4])
        entries.append(Described(class_id, head[4:10], int.from_bytes(head[10:11], signed=True), value))
        if at - begin > MAX_BYTES:
            raise ProtocolError(f"push: a body of more than {MAX_BYTES} octets", data[begin:])
    return PortList(number, tuple(entries)), at
