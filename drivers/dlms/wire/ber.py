"""BER as ACSE needs it: elements of tag, length and content (ITU-T X.690 8.1), of an APDU and of parts of it.

Rules: definite lengths only, in the short or the long form and in more octets than necessary too, as meters send them;
tags of one octet. What ends behind the part that holds it is a fault; only an APDU that ends itself too early is cut
short. An error carries the whole APDU.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from drivers.dlms.wire.axdr_encode import encode_count
from drivers.dlms.wire.axdr_value import MAX_BYTES, CutShort
from gatewayd.errors import ProtocolError

_MANY_OCTETS = 0x1F
"""The low bits of a tag whose number follows in more octets (X.690 8.1.2.4). ACSE of DLMS has none."""
_LONGEST_LENGTH = 4


@dataclass(frozen=True, slots=True)
class Element:
    """`begin` and `end`: where the content is in `apdu`, which may hold a password."""

    apdu: bytes = field(repr=False)
    tag: int
    begin: int
    end: int

    @property
    def content(self) -> bytes:
        return self.apdu[self.begin : self.end]

    def inside(self) -> Iterator["Element"]:
        """The elements that the content consists of, one after another, with nothing between and behind them."""
        at = self.begin
        while at < self.end:
            element = _element(self.apdu, at, self.end)
            yield element
            at = element.end

    def only(self, tag: int) -> "Element":
        """The one element that the content is, which has this tag."""
        first = _element(self.apdu, self.begin, self.end)
        if first.tag != tag or first.end != self.end:
            raise ProtocolError(f"sends {self.tag:#04x} with something else than one {tag:#04x} in it", self.apdu)
        return first


def whole(apdu: bytes) -> Element:
    """The one element that an APDU is. CutShort where it ends too early; ProtocolError for a length that does not
    exist, for more than 64 KiB and for octets behind the element."""
    if len(apdu) > MAX_BYTES:
        raise ProtocolError(f"sends an APDU of more than {MAX_BYTES} octets", apdu)
    element = _element(apdu, 0, None)
    if element.end > MAX_BYTES:
        raise ProtocolError(f"sends the beginning of an APDU of more than {MAX_BYTES} octets", apdu)
    if element.end > len(apdu):
        raise CutShort(f"sends an APDU that is cut short, {element.end - len(apdu)} octets are missing", apdu)
    if element.end < len(apdu):
        raise ProtocolError(f"sends {len(apdu) - element.end} octets behind the APDU", apdu)
    return element


def tlv(tag: int, *content: bytes) -> bytes:
    """An element, its length in as few octets as possible."""
    joined = b"".join(content)
    return bytes((tag,)) + encode_count(len(joined)) + joined


def _element(apdu: bytes, at: int, limit: int | None) -> Element:
    """The element at `at`, which ends at `limit` or before; without a limit the caller looks where it ends."""
    available = len(apdu) if limit is None else limit
    if at + 2 > available:
        raise _too_short(apdu, limit)
    tag, first = apdu[at], apdu[at + 1]
    if tag & _MANY_OCTETS == _MANY_OCTETS:
        raise ProtocolError(f"sends the tag {tag:#04x}, which ACSE does not have", apdu)
    begin = at + 2
    size = first
    if first >= 0x80:
        octets = first - 0x80
        if not 1 <= octets <= _LONGEST_LENGTH:
            raise ProtocolError(f"sends {first:#04x} where a definite length is due", apdu)
        if begin + octets > available:
            raise _too_short(apdu, limit)
        size = int.from_bytes(apdu[begin : begin + octets])
        begin += octets
    if limit is not None and begin + size > limit:
        raise _too_short(apdu, limit)
    return Element(apdu, tag, begin, begin + size)


def _too_short(apdu: bytes, limit: int | None) -> ProtocolError:
    if limit is None:
        return CutShort("sends an APDU that is cut short", apdu)
    return ProtocolError("sends an element that ends behind the one that holds it", apdu)
