"""Pushed APDUs without HDLC and M-Bus: in the wrapper of TCP and UDP, or with nothing around them at all.

Rules: here a stream has nothing to find the next beginning by. What does not begin as it should spoils everything up to
the next silence. Without framing the end of an APDU is found by its content, and where that does not say, by silence;
there is no check of any kind, so that only TCP and ciphering vouch for the octets.
"""

from drivers.dlms.wire.axdr import CutShort
from drivers.dlms.wire.push_event import APDU_LIMIT, NOTIFICATIONS, Damage, Event, Pushed, Spoilt, Waiting
from drivers.dlms.wire.push_message import end_of_apdu
from drivers.dlms.wire.wrapper import HEADER_SIZE, WrapperReader
from gatewayd.errors import ProtocolError

_OVERHEAD = 64
"""Octets of header, title and tag around the content of the longest APDU."""


class WrapperPush:
    """APDUs in the wrapper (wrapper.py). See `Framed`."""

    AROUND = HEADER_SIZE
    """Octets that an APDU takes besides its own."""
    __slots__ = ("_reader", "_spoilt", "held")

    def __init__(self) -> None:
        self._reader = WrapperReader()
        self._spoilt = False
        self.held = 0
        """Octets that wait for their rest."""

    @property
    def waiting(self) -> Waiting:
        return Waiting.FRAME if self._spoilt or self._reader.pending else Waiting.NOTHING

    def feed(self, data: bytes) -> tuple[Event, ...]:
        events: list[Event] = []
        self.held += len(data)
        for piece in (data, b""):  # a wrong header behind sound APDUs is told by the next call
            if self._spoilt:
                break
            try:
                for wrapped in self._reader.feed(piece):
                    self.held -= self.AROUND + len(wrapped.apdu)
                    events.append(Pushed(wrapped.apdu))
            except ProtocolError as error:
                self._spoilt = True
                events.append(Spoilt(Damage.FORM, str(error), error.raw))
        return tuple(events)

    def finish(self) -> tuple[Event, ...]:
        cut = self._reader.pending and not self._spoilt
        self.held = 0
        self._reader = WrapperReader()
        self._spoilt = False
        return (Spoilt(Damage.CUT, "sends the beginning of an APDU whose rest did not come", b""),) if cut else ()


class RawPush:
    """Bare APDUs, one behind the other. See `Framed`."""

    AROUND = 0
    __slots__ = ("_again", "_buffer", "_unclear")

    def __init__(self) -> None:
        self._buffer = b""
        self._again = 0  # octets that are needed before another look is worth its time
        self._unclear = False  # only silence can tell where this ends

    @property
    def waiting(self) -> Waiting:
        return Waiting.FRAME if self._buffer else Waiting.NOTHING

    @property
    def held(self) -> int:
        """Octets that wait for their rest."""
        return len(self._buffer)

    @property
    def unclear(self) -> bytes:
        """What waits for silence because no APDU begins with it, or none whose end can be found; b"" for nothing."""
        return self._buffer if self._unclear else b""

    def feed(self, data: bytes) -> tuple[Event, ...]:
        self._buffer += data
        if len(self._buffer) > APDU_LIMIT + _OVERHEAD:
            return (self._thrown_away(f"sends more than {APDU_LIMIT} octets without an APDU in them"),)
        if self._unclear or len(self._buffer) < self._again:
            return ()
        return self._whole()

    def look(self) -> tuple[Event, ...]:
        """What is whole by now, also where a look was not worth its time yet."""
        return () if self._unclear else self._whole()

    def finish(self) -> tuple[Event, ...]:
        events = self.look()
        if not self._buffer:
            return events
        if self._unclear and self._buffer[0] in NOTIFICATIONS:
            rest = self._buffer
            self._forget()
            return (*events, Pushed(rest))
        if self._unclear:
            return (*events, self._thrown_away("sends octets in which no APDU begins"))
        return (*events, self._thrown_away("sends the beginning of an APDU whose rest did not come", Damage.CUT))

    def _whole(self) -> tuple[Event, ...]:
        events: list[Event] = []
        self._again = 0
        while self._buffer:
            try:
                end = end_of_apdu(self._buffer)
            except CutShort:
                # A stream that comes octet by octet is not decoded for each of them.
                self._again = len(self._buffer) + max(1, len(self._buffer) // 16)
                break
            except ProtocolError:
                self._unclear = True
                break
            events.append(Pushed(self._buffer[:end]))
            self._buffer = self._buffer[end:]
        return tuple(events)

    def _thrown_away(self, reason: str, damage: Damage = Damage.FORM) -> Spoilt:
        raw = self._buffer
        self._forget()
        return Spoilt(damage, reason, raw)

    def _forget(self) -> None:
        self._buffer = b""
        self._again = 0
        self._unclear = False
