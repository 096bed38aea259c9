"""Pushed messages in HDLC frames: I and UI, segments joined, the LLC header taken off (IEC 62056-46 6.4.4.4).

    frame with S: more follows | frame without S: the last or only one; the first begins with E6 E7 00 or E6 E6 00

Rules: only sound frames are heard (hdlc_reader.py). A message with a damaged or missing segment is spoilt as a whole;
the segments behind it are no beginning of another one. Meters that send no LLC header at all are heard, too. Nothing
is ever acknowledged: who only listens is no station of the link.
"""

import re

from drivers.dlms.wire.hdlc_control import MODULUS, Command
from drivers.dlms.wire.hdlc_frame import FLAG, Damaged, Fault, Frame
from drivers.dlms.wire.hdlc_llc import LLC_REQUEST, LLC_RESPONSE
from drivers.dlms.wire.hdlc_reader import FrameReader
from drivers.dlms.wire.push_event import APDU_LIMIT, NOTIFICATIONS, Damage, Event, Pushed, Spoilt, Waiting

_UP_TO_FLAG = re.compile(rb"[^\x7e]*\x7e|[^\x7e]+")
_LLC = (LLC_RESPONSE, LLC_REQUEST)
_DAMAGE = {
    Fault.HCS: Damage.CHECK,
    Fault.FCS: Damage.CHECK,
    Fault.FLAG: Damage.FORM,
    Fault.CONTROL: Damage.FORM,
    Fault.CUT: Damage.CUT,
}


class HdlcPush:
    """One stream. See `Framed`."""

    __slots__ = ("_frames", "_last", "_llc", "_lost", "_parts", "_size", "_stray")

    def __init__(self) -> None:
        self._frames = FrameReader()
        self._parts: list[bytes] = []
        self._size = 0
        self._last: Frame | None = None  # the latest segment of _parts
        self._llc = False  # messages of this stream begin with an LLC header
        self._lost = False  # a frame was damaged: what follows may be the rest of its message
        self._stray = 0  # octets since the latest frame, flags not counted

    @property
    def waiting(self) -> Waiting:
        if self._frames.pending:
            return Waiting.FRAME
        return Waiting.MESSAGE if self._last is not None else Waiting.NOTHING

    def feed(self, data: bytes) -> tuple[Event, ...]:
        events: list[Event] = []
        for piece in re.findall(_UP_TO_FLAG, data):  # no piece completes two frames
            self._stray += len(piece) - piece.count(FLAG)
            for found in self._frames.feed(piece):
                if isinstance(found, Frame):
                    self._stray -= len(found.encoded) - found.encoded.count(FLAG)
                events += self._take(found)
                if isinstance(found, Frame):
                    self._stray = 0
        return tuple(events)

    def finish(self) -> tuple[Event, ...]:
        events = [event for found in self._frames.finish() for event in self._take(found)]
        events += self._given_up("sends a segmented message whose rest did not come")
        self._lost = False
        return tuple(events)

    def _take(self, found: Frame | Damaged) -> list[Event]:
        if isinstance(found, Damaged):
            raw = b"".join(self._parts) + found.raw
            self._forget()
            self._lost = True
            return [Spoilt(_DAMAGE[found.fault], f"sends a damaged HDLC frame: {found.fault.value}", raw)]
        if found.control.command not in (Command.I, Command.UI) or not found.information:
            return []
        header = found.information[:3] in _LLC
        begins = header and found.information[3:4] and found.information[3] in NOTIFICATIONS
        events: list[Event] = []
        if self._last is not None and (begins or not _follows(self._last, found, self._stray)):
            events = self._given_up("sends a segmented message of which a segment is missing")
            self._lost = not begins
        if self._last is not None:
            return events + self._join(found, found.information)
        if self._lost and self._llc and not header:
            return events  # the rest of a message whose beginning is spoilt
        self._lost = False
        self._llc = self._llc or header
        return events + self._join(found, found.information[3:] if header else found.information)

    def _join(self, frame: Frame, content: bytes) -> list[Event]:
        self._parts.append(content)
        self._size += len(content)
        if self._size > APDU_LIMIT:
            self._lost = True
            return self._given_up(f"sends a segmented message of more than {APDU_LIMIT} octets", Damage.FORM)
        if frame.segmented:
            self._last = frame
            return []
        apdu = b"".join(self._parts)
        self._forget()
        if not apdu:
            return [Spoilt(Damage.FORM, "sends an HDLC frame with an LLC header and nothing in it", frame.encoded)]
        return [Pushed(apdu)]

    def _given_up(self, reason: str, damage: Damage = Damage.CUT) -> list[Event]:
        raw = b"".join(self._parts)
        waited = bool(self._parts)
        self._forget()
        return [Spoilt(damage, reason, raw)] if waited else []

    def _forget(self) -> None:
        self._parts.clear()
        self._size = 0
        self._last = None


def _follows(before: Frame, frame: Frame, stray: int) -> bool:
    """Whether a frame may be the next segment: of the same stations, and where both have a number, the next one. Where
    they have none, `stray` octets between them were a frame whose flag is spoilt, of which nobody tells.

    gurux begins a message with UI and goes on with I frames."""
    if (before.source, before.destination) != (frame.source, frame.destination):
        return False
    if before.control.command is Command.UI:
        return stray <= 0
    return frame.control.command is Command.I and frame.control.ns == (before.control.ns + 1) % MODULUS
