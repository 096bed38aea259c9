"""One HDLC frame of format type 3, as values and as bytes (IEC 62056-46 6.4, ISO/IEC 13239 annex H.4).

    7E | format: 1010 S LLL LLLLLLLL | destination | source | control | HCS | information | FCS | 7E

L counts everything between the flags; S says that more segments of the same LSDU follow. Without information there is
no HCS. Nothing is escaped: a 7E inside is data, which is why L and not the flag ends a frame (hdlc_reader.py).

Rules: one frame has exactly one form, so that the bytes of a received frame are its values encoded again.
"""

from dataclasses import dataclass, field
from enum import Enum

from drivers.dlms.wire.fcs import check_sequence
from drivers.dlms.wire.hdlc_address import Address
from drivers.dlms.wire.hdlc_control import Control

FLAG = b"\x7e"
FORMAT_TYPE = 0xA000
SEGMENTED = 0x0800
LENGTH_LIMIT = 0x07FF
"""What eleven bits can say; with its flags a frame has at most two bytes more."""
FRAME_LIMIT = LENGTH_LIMIT + 2
SHORTEST = 7
"""Format, two addresses of one byte, control and FCS."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A sound frame: both check sequences right, closed by a flag. What it carries may be a password."""

    destination: Address
    source: Address
    control: Control
    information: bytes = field(default=b"", repr=False)
    segmented: bool = False

    @property
    def encoded(self) -> bytes:
        """The frame with its flags. ValueError when it is longer than eleven bits can say."""
        middle = self.destination.encoded + self.source.encoded + bytes([self.control.encoded])
        length = 2 + len(middle) + 2 + (len(self.information) + 2 if self.information else 0)
        if length > LENGTH_LIMIT:
            raise ValueError(f"HDLC frame of {length} bytes, more than {LENGTH_LIMIT}")
        body = (FORMAT_TYPE | (SEGMENTED if self.segmented else 0) | length).to_bytes(2, "big") + middle
        if self.information:
            body += check_sequence(body) + self.information
        return FLAG + body + check_sequence(body) + FLAG


class Fault(Enum):
    """Why bytes that begin like a frame are none."""

    HCS = "the check of the header is wrong"
    FCS = "the check of the frame is wrong"
    FLAG = "no flag where the length puts the end"
    CONTROL = "the control field has no meaning"
    CUT = "the rest did not come"


@dataclass(frozen=True, slots=True)
class Damaged:
    """Bytes that begin like a frame and are none. The addresses are known where the header is sound (not HCS, CUT)."""

    fault: Fault
    raw: bytes
    destination: Address | None = None
    source: Address | None = None
