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
_BEGIN = _PAIR + b"\x00"
_F = 9
"""Where group F of the first logical name is in an element."""


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
    first = _first_element(data, at)
    # The high octet of a class number (null-data in A-XDR), and the logical name of a current value (F = FF).
    return first is not None and data[first : first + 3] == _BEGIN and data[first + _F : first + _F + 1] == b"\xff"


def may_become_port_list(data: bytes, at: int) -> bool:
    """Whether that takes more octets to tell than have come. In A-XDR a list of one or two may be whole before."""
    first = _first_element(data, at)
    return first is not None and len(data) <= first + _F and _BEGIN.startswith(data[first : first + 3])


def _first_element(data: bytes, at: int) -> int | None:
    """Where the first element is, behind what both have in common; None where that is not there."""
    if data[at : at + 3] != _PAIR + bytes((Tag.ENUM,)) or data[at + 4 : at + 5] != bytes((Tag.ARRAY,)):
        return None
    try:
        number, first = decode_count(data, at + 5)
    except ProtocolError:
        return None
    return first if number > 0 else None


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
