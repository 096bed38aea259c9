"""The LLC header in front of an APDU, and the segments that one message makes (IEC 62056-46 5.3, 6.4.4.4.4).

Rules: the header is only in the first segment, as it is a part of the message; requests and responses have different
ones, so that an echo is never an answer.
"""

from drivers.dlms.wire.hdlc_dialogue import LSDU_LIMIT
from gatewayd.errors import ProtocolError

# Destination LSAP, source LSAP (odd for a response), quality.
LLC_REQUEST = b"\xe6\xe6\x00"
LLC_RESPONSE = b"\xe6\xe7\x00"

APDU_LIMIT = LSDU_LIMIT - len(LLC_REQUEST)


def segments(apdu: bytes, size: int) -> tuple[bytes, ...]:
    """The information fields, of at most `size` bytes each, that carry a request. ValueError when it is too long."""
    if not 0 < len(apdu) <= APDU_LIMIT:
        raise ValueError(f"APDU of {len(apdu)} bytes: expected 1 to {APDU_LIMIT}")
    lsdu = LLC_REQUEST + apdu
    return tuple(lsdu[begin : begin + size] for begin in range(0, len(lsdu), size))


def answer(lsdu: bytes) -> bytes:
    """The APDU in the joined information fields of a response. ProtocolError when it is none."""
    if not lsdu.startswith(LLC_RESPONSE) or len(lsdu) == len(LLC_RESPONSE):
        raise ProtocolError(f"answers without the LLC header {LLC_RESPONSE.hex(' ')} and content", lsdu)
    return lsdu[len(LLC_RESPONSE) :]
