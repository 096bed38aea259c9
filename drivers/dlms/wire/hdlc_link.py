"""The client's side of an HDLC link in normal response mode, window 1 (IEC 62056-46 6.4.4, Green Book 8.4.5).

A state machine without I/O: `start` (SNRM), `send` (an APDU; its answer is the event Received), `feed` (bytes came),
`expired` (the time of the last Wait has passed), `disconnect` (DISC, and wait for the meter's word) and `close` (leave
at once, from wherever it is). All take the present time in seconds and return what to do, in order.

Rules: no I/O and no clock; the table at the end says what each frame means in each state, and what it does not name is
passed over. So are frames of other stations and the echo of our own. A sequence number moves for a sound frame in its
turn and for nothing else; whatever has to be repeated is the last frame, unchanged. GatewayError from `feed` and
`expired` means that the link is over, and `close` says how to leave all the same.
"""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType

from drivers.dlms.wire.hdlc_address import Address
from drivers.dlms.wire.hdlc_control import MODULUS, Command, Control
from drivers.dlms.wire.hdlc_dialogue import (
    LSDU_LIMIT,
    Action,
    Connected,
    Disconnected,
    FrameRejected,
    LinkRefused,
    LinkSettings,
    Received,
    Send,
    State,
    Wait,
)
from drivers.dlms.wire.hdlc_frame import Damaged, Fault, Frame
from drivers.dlms.wire.hdlc_llc import answer, segments
from drivers.dlms.wire.hdlc_parameters import Parameters, agreed, parse
from drivers.dlms.wire.hdlc_patience import Patience
from drivers.dlms.wire.hdlc_reader import FrameReader
from gatewayd.errors import GatewayError, MeterSilent, ProtocolError

_HEARD_LIMIT = 4096
_NOISE = b"\x00\x7e\x7f\xff"


class Link:
    """One link from `client` to `server`. `negotiated` are the limits that hold for us once Connected."""

    shared = True
    """Other stations may be on the same line (wire/transport.py)."""

    def __init__(
        self,
        client: Address,
        server: Address,
        settings: LinkSettings | None = None,
        proposal: Parameters | None = None,
    ) -> None:
        self.negotiated = Parameters()
        self._client = client
        self._server = server
        self._patience = Patience(settings or LinkSettings())
        # One frame, then an answer: the window of all meters, and the only one where the last frame is what to repeat.
        self._proposal = replace(proposal or Parameters(), window_transmit=1, window_receive=1)
        self._reader = FrameReader()
        self._state = State.NEW
        self._held = False  # the meter may believe that the link stands
        self._vs = self._vr = 0  # V(S), V(R): the next number to send, the next one expected
        self._segments: deque[Frame] = deque()
        self._unacknowledged: Frame | None = None
        self._secret = False
        self._last: Frame | None = None
        self._echo: Frame | None = None
        self._answer = bytearray()
        self._heard = bytearray()

    @property
    def state(self) -> State:
        """Where the link is."""
        return self._state

    def start(self, now: float) -> tuple[Action, ...]:
        """Set up the link (SNRM); ends in Connected."""
        self._require(State.NEW)
        self._state = State.CONNECTING
        self._held = True
        return self._transmit(self._frame(Control(Command.SNRM), self._proposal.encoded), now)

    def send(self, apdu: bytes, now: float, secret: bool = False) -> tuple[Action, ...]:
        """Send an APDU in as many segments as the meter's limit asks for; ends in Received.

        ValueError for an empty or too long one. `secret`: it holds a password.
        """
        self._require(State.READY)
        pieces = segments(apdu, self.negotiated.max_info_transmit)
        last = len(pieces) - 1
        self._segments.extend(
            self._frame(Control(Command.I), piece, segmented=index < last) for index, piece in enumerate(pieces)
        )
        self._secret = secret
        self._answer.clear()
        # Half a frame that came too late for an earlier request must not hold up the answer to this one.
        self._reader = FrameReader()
        return self._next_segment(now)

    def listen(self, now: float) -> tuple[Action, ...]:
        """The meter has more to say than this answer: poll it (RR); ends in Received."""
        self._require(State.READY)
        self._state = State.ANSWERING
        self._secret = False
        self._answer.clear()
        self._patience.listen(now)
        return self._transmit(self._frame(Control(Command.RR, nr=self._vr)), now)

    def disconnect(self, now: float) -> tuple[Action, ...]:
        """Take down the link (DISC) and wait for the meter's word; ends in Disconnected."""
        self._require(State.READY)
        self._state = State.DISCONNECTING
        return self._transmit(self._frame(Control(Command.DISC)), now)

    def close(self, now: float) -> tuple[Action, ...]:
        """How to leave at once: DISC where the meter may believe that the link stands. The link is over."""
        self._state = State.OVER
        if not self._held:
            return ()
        self._held = False
        return (Send(self._frame(Control(Command.DISC)).encoded),)

    def feed(self, data: bytes, now: float) -> tuple[Action, ...]:
        """Bytes came. A link that waits for nothing ignores them."""
        if not self._waiting:
            return ()
        self._heard += data[: _HEARD_LIMIT - len(self._heard)]
        actions = self._guarded(self._reader.feed(data), now)
        if not actions and self._reader.pending:
            self._patience.began(now)
        return actions or (Wait(self._patience.until),)

    def expired(self, now: float) -> tuple[Action, ...]:
        """The time of the last Wait has passed without new bytes."""
        if not self._waiting:
            return ()
        if self._patience.paused:
            return self._transmit(self._frame(Control(Command.RR, nr=self._vr)), now)
        actions = self._guarded(self._reader.finish(), now)
        return actions or self._guarded((None,), now)

    # -- frames in ---------------------------------------------------------------------------------------------------

    def _guarded(self, events: tuple[Frame | Damaged | None, ...], now: float) -> tuple[Action, ...]:
        """What these events ask for, without the waits that later ones replace; None is silence."""
        actions: list[Action] = []
        try:
            for event in events:
                if self._waiting:
                    actions += self._judge(event, now)
        except GatewayError:
            self._state = State.OVER
            raise
        return (*(action for action in actions[:-1] if not isinstance(action, Wait)), *actions[-1:])

    def _judge(self, event: Frame | Damaged | None, now: float) -> tuple[Action, ...]:
        match event:
            case None:
                return self._again(now)
            case Damaged():
                # The header is sound and for us: this was the answer. Anything else is noise until the time is over.
                answered = event.fault is Fault.FCS and self._is_ours(event) and not self._is_spoilt_echo(event)
                return self._again(now, event) if answered and not self._patience.paused else ()
            case Frame():
                if event == self._echo:
                    self._echo = None
                    return ()
                walk = _TABLE.get((self._state, event.control.command))
                return walk(self, event, now) if walk and self._is_ours(event) else ()

    def _is_ours(self, event: Frame | Damaged) -> bool:
        return event.destination == self._client and event.source == self._server

    def _is_spoilt_echo(self, event: Damaged) -> bool:
        """Client 1 and server 1 look alike: there only the control field tells the damaged echo from an answer."""
        if self._last is None or self._client != self._server:
            return False
        return event.raw[3:6] == self._last.encoded[3:6]

    def _connected(self, frame: Frame, now: float) -> tuple[Action, ...]:
        self.negotiated = agreed(self._proposal, parse(frame.information))
        self._state = State.READY
        return (Connected(self.negotiated),)

    def _disconnected(self, frame: Frame, now: float) -> tuple[Action, ...]:
        self._state, self._held = State.OVER, False
        return (Disconnected(confirmed=True),)

    def _refused(self, frame: Frame, now: float) -> tuple[Action, ...]:
        self._held = False
        raise LinkRefused("is disconnected (DM): it does not take the link, or has dropped it", frame.encoded)

    def _rejected(self, frame: Frame, now: float) -> tuple[Action, ...]:
        raise FrameRejected(f"rejects a frame (FRMR {frame.information.hex(' ') or 'without reason'})", frame.encoded)

    def _ready(self, frame: Frame, now: float) -> tuple[Action, ...]:
        """RR: the segment has arrived, or the meter has nothing to say yet."""
        if self._acknowledges(frame):
            return self._next_segment(now) if self._segments else self._pause(frame, now)
        # Behind a poll this is the answer to it: the segment was lost. Else it is the second answer to a repetition,
        # and repeating at once would double every frame from here on.
        if self._polled and self._unacknowledged is not None:
            return self._repeat(self._unacknowledged, now)
        return ()

    def _not_ready(self, frame: Frame, now: float) -> tuple[Action, ...]:
        """RNR: the segment may have arrived; the meter takes and gives nothing for the moment."""
        self._acknowledges(frame)
        return self._pause(frame, now)

    def _information(self, frame: Frame, now: float) -> tuple[Action, ...]:
        """I: a part of the answer, the next one or one that we have."""
        control = frame.control
        if control.ns != self._vr:
            if (control.ns + 1) % MODULUS == self._vr:
                return ()
            raise ProtocolError(f"sends {control} where N(S) {self._vr} is due", frame.encoded)
        if self._state is State.SENDING or not self._acknowledges(frame):
            raise ProtocolError(f"answers with {control} before it has the whole request", frame.encoded)
        if not frame.information:
            raise ProtocolError("sends a segment without content", frame.encoded)
        self._vr = (self._vr + 1) % MODULUS
        self._answer += frame.information
        if len(self._answer) > LSDU_LIMIT:
            raise ProtocolError(f"sends a message of more than {LSDU_LIMIT} bytes", bytes(self._answer))
        self._patience.progress(now)
        if not frame.segmented:
            self._state = State.READY
            return (Received(answer(bytes(self._answer))),)
        if control.final:
            return self._transmit(self._frame(Control(Command.RR, nr=self._vr)), now)
        return (Wait(self._patience.until),)

    def _acknowledges(self, frame: Frame) -> bool:
        """True when N(R) says that all we sent has arrived, False when the last segment has not."""
        nr = frame.control.nr
        if nr == self._vs:
            self._unacknowledged = None
            return True
        if (nr + 1) % MODULUS == self._vs and self._unacknowledged is not None:
            return False
        raise ProtocolError(f"sends {frame.control} where N(R) {self._vs} is due", frame.encoded)

    # -- frames out --------------------------------------------------------------------------------------------------

    def _next_segment(self, now: float) -> tuple[Action, ...]:
        segment = self._segments.popleft()
        frame = replace(segment, control=Control(Command.I, ns=self._vs, nr=self._vr))
        self._vs = (self._vs + 1) % MODULUS
        self._unacknowledged = frame
        self._patience.progress(now)
        self._state = State.SENDING if self._segments else State.ANSWERING
        return self._transmit(frame, now)

    def _transmit(self, frame: Frame, now: float) -> tuple[Action, ...]:
        self._patience.attempt = 0
        self._heard.clear()
        return self._repeat(frame, now)

    def _repeat(self, frame: Frame, now: float) -> tuple[Action, ...]:
        self._last = self._echo = frame
        data = frame.encoded
        self._patience.sent(len(data), now)
        return Send(data, self._secret and frame.control.command is Command.I), Wait(self._patience.until)

    def _again(self, now: float, damaged: Damaged | None = None) -> tuple[Action, ...]:
        """The last frame once more, while attempts are left."""
        assert self._last is not None, "a link that waits has sent something"
        if not self._patience.exhausted:
            return self._repeat(self._last, now)
        if self._state is State.DISCONNECTING:
            self._state, self._held = State.OVER, False
            return (Disconnected(confirmed=False),)
        times = self._patience.attempt
        if damaged is not None:
            raise ProtocolError(f"answers {times} times with a damaged frame: {damaged.fault.value}", damaged.raw)
        heard = bytes(self._heard).replace(self._last.encoded, b"")
        if heard.strip(_NOISE):
            # What is left may hold the spoilt echo of a secret.
            raise ProtocolError(f"answers {times} times with no frame for us", b"" if self._secret else heard)
        raise MeterSilent(f"does not answer, asked {times} times")

    def _pause(self, frame: Frame, now: float) -> tuple[Action, ...]:
        if not self._patience.pause(now):
            raise ProtocolError("is not ready for too long", frame.encoded)
        return (Wait(self._patience.until),)

    # -- the rest ----------------------------------------------------------------------------------------------------

    @property
    def _waiting(self) -> bool:
        return self._state not in (State.NEW, State.READY, State.OVER)

    @property
    def _polled(self) -> bool:
        return self._last is not None and self._last.control.command is Command.RR

    def _frame(self, control: Control, information: bytes = b"", segmented: bool = False) -> Frame:
        return Frame(self._server, self._client, control, information, segmented)

    def _require(self, state: State) -> None:
        if self._state is not state:
            raise ValueError(f"the link is {self._state.name}, not {state.name}")


_Walk = Callable[[Link, Frame, float], tuple[Action, ...]]

_TABLE: Mapping[tuple[State, Command], _Walk] = MappingProxyType(
    {
        (State.CONNECTING, Command.UA): Link._connected,
        (State.CONNECTING, Command.DM): Link._refused,
        (State.CONNECTING, Command.FRMR): Link._rejected,
        (State.SENDING, Command.RR): Link._ready,
        (State.SENDING, Command.RNR): Link._not_ready,
        (State.SENDING, Command.I): Link._information,
        (State.SENDING, Command.DM): Link._refused,
        (State.SENDING, Command.FRMR): Link._rejected,
        (State.ANSWERING, Command.RR): Link._ready,
        (State.ANSWERING, Command.RNR): Link._not_ready,
        (State.ANSWERING, Command.I): Link._information,
        (State.ANSWERING, Command.DM): Link._refused,
        (State.ANSWERING, Command.FRMR): Link._rejected,
        (State.DISCONNECTING, Command.UA): Link._disconnected,
        (State.DISCONNECTING, Command.DM): Link._disconnected,
    }
)
