"""What a reader says in HDLC after the entry of mode E: whole frames, taken out of the bytes and written down.

Rules: nothing is answered and nothing is checked but the flags (ISO/IEC 13239 4.2.1: 7E opens and closes, one flag may
do both); no more than 2048 bytes are kept, and a frame that is longer is dropped whole.
"""

from __future__ import annotations

FLAG = 0x7E
LONGEST = 2048


class Frames:
    """Bytes in, frames out, flags included."""

    def __init__(self) -> None:
        self._frame: bytearray | None = None

    def feed(self, data: bytes) -> list[bytes]:
        """The frames that these bytes complete."""
        done = []
        for byte in data:
            if byte == FLAG:
                if self._frame:
                    done.append(bytes([FLAG, *self._frame, FLAG]))
                self._frame = bytearray()
            elif self._frame is not None:
                self._frame.append(byte)
                if len(self._frame) > LONGEST - 2:
                    self._frame = None
        return done
