"""A plain pushed APDU taken apart: its header and body, or the one attribute of an event.

Rules: exactly one APDU, nothing behind it. `end_of_apdu` finds its end without framing, for streams that have none.
"""

from dataclasses import dataclass

from drivers.dlms.wire.axdr import CutShort, decode, decode_count
from drivers.dlms.wire.cosem_time import DateTime
from drivers.dlms.wire.data_notification import EventNotification, Plain, parse_header, parse_notification
from drivers.dlms.wire.push_body import Body, Described, PortList, decode_body, may_become_port_list
from drivers.dlms.wire.push_event import NOTIFICATIONS
from gatewayd.errors import ProtocolError

_GENERAL = (0xDB, 0xDC)
_SERVICE = (0xCA, 0xD2)
_EVENT_HEAD = 9
"""Class, logical name and attribute of an event."""
_BLOCK_HEAD = 6


@dataclass(frozen=True, slots=True)
class Message:
    """What a meter has sent. An event is a list of one."""

    date_time: DateTime | None
    body: Body


def parse_message(apdu: bytes) -> Message:
    """The message in one plain APDU. CutShort where it ends too early; ProtocolError for anything else."""
    if apdu[:1] != bytes((Plain.DATA_NOTIFICATION,)):
        event = parse_notification(apdu)
        if not isinstance(event, EventNotification):
            raise ProtocolError(f"push: {apdu[0]:#04x} is no plain notification", apdu)
        described = Described(event.class_id, event.logical_name, event.attribute, event.value)
        return Message(event.date_time, PortList(0, (described,)))
    header, at = parse_header(apdu)
    body, end = decode_body(apdu, at)
    if end != len(apdu):
        raise ProtocolError(f"push: {len(apdu) - end} octets behind the APDU", apdu)
    return Message(header.date_time, body)


def end_of_apdu(data: bytes) -> int:
    """Where the APDU that begins `data` ends. CutShort while that is not there; ProtocolError where none begins."""
    if not data:
        raise CutShort("push: nothing there", data)
    match data[0]:
        case Plain.DATA_NOTIFICATION:
            _, at = parse_header(data)
            if may_become_port_list(data, at):
                raise CutShort("push: cut short where a customer port's list may begin", data)
            return decode_body(data, at)[1]
        case Plain.EVENT_NOTIFICATION:
            at = 2
            if data[1:2] == b"\x01":
                size, at = decode_count(data, 2)
                at += size
            if len(data) < at + _EVENT_HEAD:
                raise CutShort("push: cut short inside an event", data)
            return decode(data, at + _EVENT_HEAD)[1]
        case Plain.GENERAL_BLOCK_TRANSFER:
            return _end_of_string(data, 1 + _BLOCK_HEAD - 1)
        case tag if tag in _GENERAL:
            return _end_of_string(data, _end_of_string(data, 1))
        case tag if tag in _SERVICE:
            return _end_of_string(data, 1)
        case tag if tag in NOTIFICATIONS:
            raise ProtocolError(f"push: the end of an APDU {tag:#04x} is not looked for", data)
        case tag:
            raise ProtocolError(f"push: {tag:#04x} begins no notification", data)


def _end_of_string(data: bytes, at: int) -> int:
    if at > len(data):
        raise CutShort("push: cut short", data)
    size, at = decode_count(data, at)
    if len(data) < at + size:
        raise CutShort(f"push: cut short, {at + size - len(data)} octets are missing", data)
    return at + size
