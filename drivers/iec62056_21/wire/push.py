"""A pushed telegram as a state machine: mode D of IEC 62056-21:2002, 6.4.4, and P1 ports.

    IDLE --start--> PUSH --ident--> PUSHED --`!`--> done

Rules: those of session.py. Nothing is ever sent. A telegram that is joined in its middle is left for the next one;
what comes before its beginning is dropped, the last of it is kept for the error.
"""

from enum import Enum, auto

from drivers.iec62056_21.wire import framing
from drivers.iec62056_21.wire.framing import Identification
from drivers.iec62056_21.wire.session import (
    NOISE_LIMIT,
    Action,
    Done,
    SessionSettings,
    SetRate,
    Wait,
    answer_missing,
    wait_for_more,
)
from drivers.iec62056_21.wire.telegram import PUSH_END_LIMIT, TELEGRAM_LIMIT, end_of_push, read_push
from gatewayd.errors import GatewayError, ProtocolError


class _State(Enum):
    IDLE = auto()
    PUSH = auto()
    PUSHED = auto()
    OVER = auto()


class PushSession:
    """The first telegram that is heard from its beginning. Raises MeterSilent or ProtocolError."""

    def __init__(self, settings: SessionSettings) -> None:
        self._settings = settings
        self._state = _State.IDLE
        self._buffer = bytearray()
        self._scanned = 0
        self._limit = 0.0  # after this noise before the telegram, or its slowness, is no longer put up with
        self._dropped = b""
        self._received = 0
        self.identification: Identification | None = None
        """What the meter has said of itself so far."""
        self.rest = b""
        """What came behind the telegram: it belongs to the next session."""

    @property
    def in_telegram(self) -> bool:
        return self._state is _State.PUSHED

    @property
    def blocks(self) -> int:
        return 0

    @property
    def asked(self) -> bool:
        return False

    def start(self, now: float) -> tuple[Action, ...]:
        self._state = _State.PUSH
        self._limit = now + self._settings.push_timeout
        return SetRate(self._settings.start_baud), Wait(self._limit)

    def feed(self, data: bytes, now: float) -> tuple[Action, ...]:
        match self._state:
            case _State.PUSH:
                step = self._on_push
            case _State.PUSHED:
                step = self._on_pushed
            case _State.IDLE | _State.OVER:
                return ()
        self._buffer += data
        self._received += len(data)
        try:
            return step(now)
        except GatewayError:
            self._state = _State.OVER
            raise

    def expired(self, now: float) -> tuple[Action, ...]:
        match self._state:
            case _State.PUSHED:
                return self._done(len(self._buffer))
            case _State.PUSH:
                self._state = _State.OVER
                raise answer_missing(
                    self._dropped + self._buffer,
                    b"",
                    "sends, but no telegram begins in what it sends",
                    "pushes nothing",
                )
            case _State.IDLE | _State.OVER:
                return ()

    def close(self, now: float) -> tuple[Action, ...]:
        """A meter that pushes does not listen."""
        self._state = _State.OVER
        return ()

    def _on_push(self, now: float) -> tuple[Action, ...]:
        found = framing.find_identification(self._buffer)
        if found is None:
            if self._received > TELEGRAM_LIMIT:
                raise ProtocolError(
                    "sends without end, and no telegram begins in it", self._dropped + bytes(self._buffer)
                )
            # An identification is one line: the lines before the present one cannot hold its beginning.
            useless = self._buffer.rfind(b"\n") + 1
            if len(self._buffer) - useless > NOISE_LIMIT:
                useless = len(self._buffer)
            if useless:
                self._dropped = bytes(self._buffer[:useless])
                del self._buffer[:useless]
            return (Wait(self._limit),) if now < self._limit else self.expired(now)
        self.identification, end = found
        del self._buffer[: end - len(self.identification.raw)]
        self._state = _State.PUSHED
        self._limit = now + self._settings.grace
        self._scanned = len(self.identification.raw)
        return self._on_pushed(now)

    def _on_pushed(self, now: float) -> tuple[Action, ...]:
        end = end_of_push(self._buffer, self._scanned)
        if end:
            return self._done(end)
        self._scanned = max(len(self._buffer) - PUSH_END_LIMIT, self._scanned)
        return wait_for_more(self._buffer, 0, self._limit, self._settings.start_baud, self._settings, now)

    def _begin_again(self, end: int) -> int:
        """Drop the telegrams that stopped before their end, and how many bytes those were: one that begins at a line in
        the middle of another has taken its place."""
        assert self.identification is not None
        dropped = 0
        while found := framing.find_identification(self._buffer[len(self.identification.raw) : end - dropped]):
            again, behind = found
            start = len(self.identification.raw) + behind - len(again.raw)
            if self._buffer[start - 1 : start] != b"\n":
                break
            self.identification = again
            del self._buffer[:start]
            dropped += start
        return dropped

    def _done(self, end: int) -> tuple[Action, ...]:
        assert self.identification is not None  # PUSHED begins with it
        end -= self._begin_again(end)
        self._state = _State.OVER
        self.rest = bytes(self._buffer[end:])
        return (Done(read_push(bytes(self._buffer[:end]), self.identification)),)
