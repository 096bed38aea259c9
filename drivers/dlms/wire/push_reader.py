"""A stream of pushed bytes to whole APDUs, whatever they come in: HDLC, M-Bus, the wrapper, or nothing.

    framing: bytes -> APDUs | blocks of general block transfer: APDUs -> APDU

Where the framing is not configured, all four are tried at once on the same octets, and the first that brings a whole
APDU stays. Frames with a check come before those without. A stream in which only spoilt messages came between two
silences is looked at anew.

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
        framed = self._framed
        return self._join(self._decide(framed, data) if isinstance(framed, _Undecided) else framed.feed(data))

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

    def _decide(self, undecided: "_Undecided", data: bytes) -> tuple[Event, ...]:
        """Octet by octet: which framing is the first must not depend on how the bytes are cut."""
        events: list[Event] = []
        for at in range(len(data)):
            events += undecided.octet(data[at : at + 1])
            if undecided.decided is not None:
                self._framed = undecided.decided
                return (*events, *self._framed.feed(data[at + 1 :]))
        events += undecided.piece(data)
        if undecided.decided is not None:
            self._framed = undecided.decided
        return tuple(events)

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
