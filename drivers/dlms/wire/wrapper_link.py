"""The client's side of a wrapper connection (IEC 62056-47), with the interface of an HDLC link.

Rules: TCP loses nothing, so nothing is repeated: a meter that does not answer in time is silent, and with that the
connection is over, as its late answer would be taken for the next one. What came before a request is no answer to it.
APDUs between other wPorts are passed over and named when nothing else comes. Noise prolongs nothing: an APDU that has
begun may take the time of the longest one.
"""

from collections import deque
from collections.abc import Sequence

from drivers.dlms.wire.hdlc_dialogue import (
    Action,
    Connected,
    Disconnected,
    LinkSettings,
    Received,
    Send,
    State,
    Wait,
)
from drivers.dlms.wire.hdlc_parameters import Parameters
from drivers.dlms.wire.wrapper import APDU_LIMIT, HEADER_SIZE, Wrapped, WrapperReader
from gatewayd.errors import GatewayError, MeterSilent, ProtocolError

_QUEUE_LIMIT = 64
"""APDUs that may wait behind an answer: the blocks of the widest window of general block transfer."""
_HEARD_LIMIT = 4096


class WrapperLink:
    """One client (wPort `client`) and one logical device (wPort `server`) over one connection.

    Of `settings` count `response_timeout` (until the answer begins, and between its pieces), `grace` and `baud` (how
    long a whole APDU may take).
    """

    shared = False

    def __init__(self, client: int, server: int, settings: LinkSettings | None = None) -> None:
        self._client = client
        self._server = server
        self._settings = settings or LinkSettings()
        self._reader = WrapperReader()
        self._state = State.NEW
        self._stale = False  # the APDU that is coming in began before the present request
        self._foreign: Wrapped | None = None
        self._queue: deque[bytes] = deque()
        self._heard = bytearray()
        self._until = self._latest = 0.0

    @property
    def state(self) -> State:
        """Where the link is."""
        return self._state

    def start(self, now: float) -> tuple[Action, ...]:
        """There is nothing to set up: the connection stands."""
        self._require(State.NEW)
        self._state = State.READY
        return (Connected(Parameters()),)

    def send(self, apdu: bytes, now: float, secret: bool = False) -> tuple[Action, ...]:
        """Send an APDU; ends in Received. ValueError for an empty or too long one."""
        self._require(State.READY)
        wrapped = Wrapped(self._client, self._server, apdu).encoded
        self._queue.clear()
        self._stale = self._reader.pending
        return Send(wrapped, secret), self._expect(now + self._settings.on_the_wire(len(wrapped)))

    def listen(self, now: float) -> tuple[Action, ...]:
        """Wait for the next APDU; one that has come already is the next."""
        self._require(State.READY)
        if self._queue:
            return (Received(self._queue.popleft()),)
        return (self._expect(now),)

    def feed(self, data: bytes, now: float) -> tuple[Action, ...]:
        """Bytes came. Those that nobody waits for are kept until the next request, of which they are no answer."""
        if self._state is State.OVER or self._state is State.NEW:
            return ()
        self._heard += data[: _HEARD_LIMIT - len(self._heard)]
        try:
            self._sort(self._reader.feed(data))
        except GatewayError:
            self._state = State.OVER
            raise
        if self._state is not State.ANSWERING:
            return ()
        if self._queue:
            self._state = State.READY
            return (Received(self._queue.popleft()),)
        if self._reader.pending:
            self._until = max(self._until, min(now + self._settings.response_timeout, self._latest))
        return (Wait(self._until),)

    def expired(self, now: float) -> tuple[Action, ...]:
        """The meter is silent, or breaks off. Never repeated."""
        if self._state is not State.ANSWERING:
            return ()
        self._state = State.OVER
        if self._reader.pending:
            raise ProtocolError("breaks off in the middle of an answer", bytes(self._heard))
        if self._foreign is not None:
            raise ProtocolError(
                f"answers from wPort {self._foreign.source} to {self._foreign.destination}, where {self._server} to "
                f"{self._client} is due: check client and server",
                self._foreign.encoded,
            )
        raise MeterSilent("does not answer")

    def disconnect(self, now: float) -> tuple[Action, ...]:
        """Nothing is said: whoever closes the connection ends it."""
        self._require(State.READY)
        self._state = State.OVER
        return (Disconnected(confirmed=True),)

    def close(self, now: float) -> tuple[Action, ...]:
        """Nothing to say."""
        self._state = State.OVER
        return ()

    def _sort(self, arrived: Sequence[Wrapped]) -> None:
        for wrapped in arrived:
            if self._stale:
                self._stale = False
            elif (wrapped.source, wrapped.destination) != (self._server, self._client):
                self._foreign = wrapped
            elif len(self._queue) < _QUEUE_LIMIT:
                self._queue.append(wrapped.apdu)
            else:
                raise ProtocolError(f"sends more than {_QUEUE_LIMIT} APDUs that nobody asked for", wrapped.encoded)

    def _expect(self, since: float) -> Wait:
        settings = self._settings
        self._state = State.ANSWERING
        self._foreign = None
        self._heard.clear()
        self._until = since + settings.response_timeout
        self._latest = self._until + settings.grace + 2 * settings.on_the_wire(HEADER_SIZE + APDU_LIMIT)
        return Wait(self._until)

    def _require(self, state: State) -> None:
        if self._state is not state:
            raise ValueError(f"the link is {self._state.name}, not {state.name}")
