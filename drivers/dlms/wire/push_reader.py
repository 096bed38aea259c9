"""A stream of pushed bytes to whole APDUs, whatever they come in: HDLC, M-Bus, the wrapper, or nothing.

    framing: bytes -> APDUs | blocks of general block transfer: APDUs -> APDU

Where the framing is not configured, all four are tried at once on the same octets, and the first that brings a whole
APDU stays. Frames with a check come before those without. A stream in which only spoilt messages came between two
silences is looked at anew, and one without frames as soon as it goes on with something else than an APDU.

Rules: those of `Framed`; `waiting` and `finish` are for the caller, who has the clock. However the bytes are cut, the
events between two silences are the same. Nothing grows beyond the limits of the framings.
"""

from collections.abc import Callable
from enum import Enum

from drivers.dlms.wire.data_notification import Plain
from drivers.dlms.wire.mbus_transport import MbusPush
from drivers.dlms.wire.push_blocks import BlockJoiner
from drivers.dlms.wire.push_event import APDU_LIMIT, NOTIFICATIONS, Damage, Event, Framed, Pushed, Spoilt, Waiting
from drivers.dlms.wire.push_hdlc import HdlcPush
from drivers.dlms.wire.push_plain import RawPush, WrapperPush


class Framing(Enum):
    """What pushed APDUs come in."""

    AUTO = "auto"
    HDLC = "hdlc"
    MBUS = "mbus"
    WRAPPER = "wrapper"
    RAW = "raw"


_READERS: dict[Framing, Callable[[], Framed]] = {
    Framing.HDLC: HdlcPush,
    Framing.MBUS: MbusPush,
    Framing.WRAPPER: WrapperPush,
    Framing.RAW: RawPush,
}
"""In the order in which they are believed."""
_FRAMED = (Framing.HDLC, Framing.MBUS, Framing.WRAPPER)
_CHECKED = (Framing.HDLC, Framing.MBUS)
_LAST = {Framing.HDLC: b"\x7e", Framing.MBUS: b"\x16"}
"""The octet that ends each frame: fed up to that, a reader never completes two of them at once."""


class PushReader:
    """Bytes in, whole APDUs out; one for each stream. See `Framed`."""

    def __init__(self, framing: Framing = Framing.AUTO) -> None:
        self._configured = framing
        self._framed: Framed | _Undecided = _Undecided() if framing is Framing.AUTO else _READERS[framing]()
        self._blocks = BlockJoiner()
        self._sound = False  # something whole has come since the last silence
        self._spoilt = False

    @property
    def waiting(self) -> Waiting:
        """What is due next."""
        if self._framed.waiting is Waiting.NOTHING and self._blocks.waiting:
            return Waiting.MESSAGE
        return self._framed.waiting

    @property
    def framing(self) -> Framing:
        """What the stream comes in, AUTO while that is not known."""
        for framing, reader in _READERS.items():
            if isinstance(self._framed, reader):  # type: ignore[arg-type]  # the readers are classes
                return framing
        return Framing.AUTO

    def feed(self, data: bytes) -> tuple[Event, ...]:
        """What `data` completes, in order."""
        return tuple(event for event, _ in self.located(data))

    def located(self, data: bytes) -> tuple[tuple[Event, int], ...]:
        """As `feed`; each event with the number of octets of `data` that it took: what is behind is the next one's."""
        found: list[tuple[Event, int]] = []
        at = 0
        while at < len(data):
            framed = self._framed
            if isinstance(framed, _Undecided):
                placed, end = self._decide(framed, data, at)
            elif isinstance(framed, RawPush | WrapperPush):
                begin, end = at - framed.held, len(data)
                placed = _placed(framed.feed(data[at:]), begin, framed.AROUND, end)
            else:
                end = data.find(_LAST[self.framing], at) + 1 or len(data)
                placed = [(event, end) for event in framed.feed(data[at:end])]
            for event, place in placed:
                found += [(joined, place) for joined in self._join((event,))]
            now = self._framed  # also where this piece has decided it
            again = now.unclear if isinstance(now, RawPush) and self._configured is Framing.AUTO else b""
            if again:  # a frame, perhaps: on a line that is never silent for long nothing else would ever tell
                self._framed = _Undecided()
                found += [(event, end - len(again) + place) for event, place in self.located(again)]
            at = end
        return tuple(found)

    def finish(self) -> tuple[Event, ...]:
        """The line has been silent for too long: what waits for its rest is spoilt, and the next octet begins anew."""
        framed = self._framed
        events = framed.finish()
        if isinstance(framed, _Undecided) and framed.decided is not None:
            self._framed = framed.decided
        joined = (*self._join(events), *self._blocks.finish())
        if self._configured is Framing.AUTO and self._spoilt and not self._sound:
            self._framed = _Undecided()
        self._sound = self._spoilt = False
        return joined

    def _decide(self, undecided: "_Undecided", data: bytes, begin: int) -> tuple[list[tuple[Event, int]], int]:
        """Octet by octet: which framing is the first must not depend on how the bytes are cut. Gives where it ends."""
        first = begin - undecided.held
        for at in range(begin, len(data)):
            events = undecided.octet(data[at : at + 1])
            if events:
                bare = undecided.bare(data[begin : at + 1])
                if bare:  # its end was there before that of the frame
                    self._framed = undecided.decided or undecided
                    return _placed(bare, first, RawPush.AROUND, at + 1), at + 1
                self._framed = undecided.decided or undecided
                return [(event, at + 1) for event in events], at + 1
        events = undecided.piece(data[begin:])
        if undecided.decided is not None:
            self._framed = undecided.decided
        return _placed(events, first, RawPush.AROUND, len(data)), len(data)

    def _join(self, events: tuple[Event, ...]) -> tuple[Event, ...]:
        joined: list[Event] = []
        for event in events:
            if isinstance(event, Pushed) and event.apdu[:1] == bytes((Plain.GENERAL_BLOCK_TRANSFER,)):
                joined += self._blocks.feed(event.apdu)
            elif isinstance(event, Pushed):
                joined += (*self._blocks.finish(), event)
            else:
                joined.append(event)
        self._sound = self._sound or any(isinstance(event, Pushed) for event in events)
        self._spoilt = self._spoilt or any(isinstance(event, Spoilt) for event in joined)
        return tuple(joined)


def _placed(events: tuple[Event, ...], begin: int, around: int, size: int) -> list[tuple[Event, int]]:
    """Where each of the events ends of which the first begins at `begin`, each APDU with `around` octets; what is
    spoilt goes to the end."""
    found: list[tuple[Event, int]] = []
    for event in events:
        begin = begin + around + len(event.apdu) if isinstance(event, Pushed) else size
        found.append((event, begin))
    return found


class _Undecided:
    """Tries all framings on the same octets. `decided` is the first that brought a whole APDU."""

    def __init__(self) -> None:
        self.decided: Framed | None = None
        self._begin()

    def _begin(self) -> None:
        self._tried = {framing: reader() for framing, reader in _READERS.items()}
        self._spoilt: dict[Framing, list[Event]] = {framing: [] for framing in _READERS}
        self._dead: set[Framing] = set()
        self._octets = bytearray()

    @property
    def held(self) -> int:
        """Octets that have come so far."""
        return len(self._octets)

    @property
    def waiting(self) -> Waiting:
        """Silence has to be heard of as soon as anything has come."""
        if not self._octets:
            return Waiting.NOTHING
        several = any(self._tried[framing].waiting is Waiting.MESSAGE for framing in _CHECKED)
        return Waiting.MESSAGE if several else Waiting.FRAME

    def octet(self, octet: bytes) -> tuple[Event, ...]:
        """For everything that has frames."""
        self._octets += octet
        if len(self._octets) > APDU_LIMIT:
            return self._nothing()
        for framing in _FRAMED:
            if framing not in self._dead:
                events = self._judged(framing, self._tried[framing].feed(octet))
                if events:
                    return events
        return ()

    def piece(self, data: bytes) -> tuple[Event, ...]:
        """What has no frame has to be decoded to find its end, which is too much for each octet."""
        if not data or Framing.RAW in self._dead:
            return ()
        return self._judged(Framing.RAW, self._tried[Framing.RAW].feed(data))

    def bare(self, data: bytes) -> tuple[Event, ...]:
        """What is whole without a frame, up to the octet with which a frame is."""
        raw = self._tried[Framing.RAW]
        if Framing.RAW in self._dead or not isinstance(raw, RawPush):
            return ()
        return self._judged(Framing.RAW, (*raw.feed(data), *raw.look()))

    def finish(self) -> tuple[Event, ...]:
        if not self._octets:
            return ()
        for framing, reader in self._tried.items():
            if framing not in self._dead:
                events = self._judged(framing, reader.finish())
                if events:
                    return events
        return self._nothing()

    def _judged(self, framing: Framing, events: tuple[Event, ...]) -> tuple[Event, ...]:
        """All events of the framing so far, if it is the one."""
        for event in events:
            if isinstance(event, Pushed) and event.apdu[0] in NOTIFICATIONS:
                self.decided = self._tried[framing]
                return (*self._spoilt[framing], *events)
        self._spoilt[framing] += events
        if events and framing not in _CHECKED:
            self._dead.add(framing)  # it has begun wrongly
        return ()

    def _nothing(self) -> tuple[Event, ...]:
        """Nothing whole is in what came: what the checks say of it, else that there is nothing."""
        raw = bytes(self._octets)
        found = [event for framing in _CHECKED for event in self._spoilt[framing] if isinstance(event, Spoilt)]
        self._begin()
        if found:
            return tuple(found)
        reason = "sends octets that are no frame of HDLC, M-Bus or the wrapper, and no APDU: wrong rate of the line?"
        return (Spoilt(Damage.FORM, reason, raw),)
