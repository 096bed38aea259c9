"""APDUs over wired M-Bus: long frames, and the transport layer that cuts a message into several of them.

    68 | L | L | 68 | C | A | CI | STSAP | DTSAP | data | check sum | 16          L counts C to data

Frames: EN 13757-2 (IEC 60870-5-1 format class FT 1.2). Transport: IEC 62056-7-3 and Green Book, M-Bus profile: CI 00 to
1F is the segment: bits 0 to 3 its number, from 0, bit 4 (FIN) the last one. Customer ports of Kaifa MA309 and
Landis+Gyr E450 in Austria push in this way: C 53 (SND-UD), A FF (to all), STSAP 01, DTSAP 67, CI 00 and 11.

Rules: a frame is found by its header with both lengths, judged by its sum and its stop octet. The sum finds each wrong
bit, but not every second one: only the ciphering of the APDU proves more. What is not sound is an event.
"""

from dataclasses import dataclass

from drivers.dlms.wire.push_event import APDU_LIMIT, Damage, Event, Pushed, Spoilt, Waiting

_START = 0x68
_STOP = 0x16
_HEADER = 4
_AROUND = 6
"""Octets that L does not count: header, check sum, stop."""
_SHORTEST = 6
"""L of a frame with one octet of data."""
_SENDING = frozenset({0x53, 0x73, 0x44, 0x46, 0x08, 0x18, 0x28, 0x38})
"""C of frames that carry data: SND-UD with either FCB, SND-NR, SND-IR, RSP-UD with ACD and DFC (EN 13757-2, 5.4)."""
_LAST_CI = 0x1F
_FIN = 0x10
_NUMBERS = 16


@dataclass(frozen=True, slots=True)
class Segment:
    """A sound long frame of the transport layer."""

    number: int
    last: bool
    source: int
    destination: int
    data: bytes

    def encoded(self, control: int = 0x53, address: int = 0xFF) -> bytes:
        """The frame that carries it. ValueError when the data has no room in one frame or the number in four bits."""
        if not (0 < len(self.data) <= 250 and 0 <= self.number < _NUMBERS):
            raise ValueError(f"M-Bus segment {self.number} with {len(self.data)} octets")
        body = bytes((control, address, self.number | (_FIN if self.last else 0), self.source, self.destination))
        body += self.data
        return bytes((_START, len(body), len(body), _START)) + body + bytes((sum(body) & 0xFF, _STOP))


class MbusPush:
    """One stream. See `Framed`."""

    __slots__ = ("_before", "_parts", "_rest", "_size")

    def __init__(self) -> None:
        self._rest = b""
        self._parts: list[bytes] = []
        self._size = 0
        self._before: Segment | None = None

    @property
    def waiting(self) -> Waiting:
        if self._rest:
            return Waiting.FRAME
        return Waiting.MESSAGE if self._before is not None else Waiting.NOTHING

    def feed(self, data: bytes) -> tuple[Event, ...]:
        return tuple(self._scan(self._rest + data, last=False))

    def finish(self) -> tuple[Event, ...]:
        events = self._scan(self._rest, last=True)
        return (*events, *self._given_up("sends a segmented M-Bus message whose rest did not come"))

    def _scan(self, buffer: bytes, *, last: bool) -> list[Event]:
        events: list[Event] = []
        self._rest = b""
        at = 0
        while (at := buffer.find(_START, at)) >= 0:
            header = buffer[at : at + _HEADER]
            if not _may_begin(header):
                at += 1
                continue
            end = at + (header[1] + _AROUND if len(header) == _HEADER else _HEADER)
            if len(buffer) < end:
                if not last:
                    self._rest = buffer[at:]
                    break
                if len(header) == _HEADER:
                    reason = "sends an M-Bus frame whose rest did not come"
                    events += self._damaged(Damage.CUT, reason, buffer[at:])
                at += 1
                continue
            frame = buffer[at:end]
            body = frame[_HEADER:-2]
            if frame[-1] != _STOP or frame[-2] != sum(body) & 0xFF:
                reason = "sends a damaged M-Bus frame: check sum or stop octet is wrong"
                events += self._damaged(Damage.CHECK, reason, frame)
                at += 1
                continue
            events += self._take(frame, body)
            at = end
        return events

    def _take(self, frame: bytes, body: bytes) -> list[Event]:
        control, _, ci = body[:3]
        if control not in _SENDING:
            return []
        if ci > _LAST_CI:
            reason = f"sends M-Bus frames with CI {ci:02x}, which is no DLMS transport layer"
            return self._damaged(Damage.FORM, reason, frame)
        segment = Segment(ci & (_NUMBERS - 1), bool(ci & _FIN), body[3], body[4], body[5:])
        events: list[Event] = []
        if self._before is None or not _follows(self._before, segment):
            events = self._given_up("sends a segmented M-Bus message of which a segment is missing")
            if segment.number != 0:
                return events or [Spoilt(Damage.CUT, "sends the end of an M-Bus message without its beginning", frame)]
        self._parts.append(segment.data)
        self._size += len(segment.data)
        self._before = segment
        if self._size > APDU_LIMIT:
            return self._given_up(f"sends an M-Bus message of more than {APDU_LIMIT} octets", Damage.FORM)
        if segment.last:
            events.append(Pushed(b"".join(self._parts)))
            self._forget()
        return events

    def _damaged(self, damage: Damage, reason: str, raw: bytes) -> list[Event]:
        raw = b"".join(self._parts) + raw
        self._forget()
        return [Spoilt(damage, reason, raw)]

    def _given_up(self, reason: str, damage: Damage = Damage.CUT) -> list[Event]:
        return self._damaged(damage, reason, b"") if self._before is not None else []

    def _forget(self) -> None:
        self._parts.clear()
        self._size = 0
        self._before = None


def _may_begin(header: bytes) -> bool:
    """Whether the octets from a start octet on, as far as they are there, are the header of a long frame."""
    if len(header) > 1 and header[1] < _SHORTEST:
        return False
    if len(header) > 2 and header[1] != header[2]:
        return False
    return len(header) < _HEADER or header[3] == _START


def _follows(before: Segment, segment: Segment) -> bool:
    same = (before.source, before.destination) == (segment.source, segment.destination)
    return same and segment.number == (before.number + 1) % _NUMBERS
