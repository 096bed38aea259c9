"""Our last message and what comes back: the part of programming mode that is the same in every state.

Rules: a new message makes everything before it nothing; the echo of ours is taken off before anything is read. How long
an answer may take, how much noise may go before it and how slowly it may come is decided here. No secret gets out.
"""

from drivers.iec62056_21.wire.framing import ACK, ETX, NAK, STX
from drivers.iec62056_21.wire.message import Echo, Inbox, Mark, Message
from drivers.iec62056_21.wire.session import (
    NOISE_LIMIT,
    Action,
    Send,
    SessionSettings,
    Wait,
    on_the_wire,
    wait_for_more,
)
from gatewayd.errors import ProtocolError


class Dialogue:
    """One message out, and what is heard until the next."""

    def __init__(self, settings: SessionSettings) -> None:
        self._settings = settings
        self._inbox = Inbox()
        self._echo = Echo()
        self._due = 0.0  # before this the answer begins
        self._limit = 0.0  # after this noise before it is no longer put up with
        self._quiet = 0.0  # until then the meter should say no more
        self._began: float | None = None  # when the block began that is coming in
        self.baud = settings.start_baud
        """The rate at which we talk."""
        self.sent = Send(b"")
        """Our last message."""
        self.repeats = 0
        """How often it was sent again."""
        self.echoing = False
        """True where messages of ours come back, or may: then single characters do, too."""

    def say(self, message: Send, now: float) -> tuple[Send, Wait]:
        """Send, and begin to wait for the answer."""
        self.sent = message
        self._inbox.clear()
        self._began = None
        self._quiet = 0.0
        # One character proves nothing: it is an echo only where there is one.
        self.echoing = self.echoing or self._echo.seen
        self._echo.sent(message.data if len(message.data) > 1 or self.echoing else b"")
        self._due = now + on_the_wire(len(message.data), self.baud) + self._settings.response_timeout
        self._limit = self._due + self._settings.grace
        return message, Wait(self._due)

    def again(self, now: float) -> tuple[Send, Wait]:
        """The same message once more."""
        self.repeats += 1
        return self.say(self.sent, now)

    def hear(self, data: bytes) -> None:
        """Bytes came."""
        self._inbox.buffer += data

    def next(self) -> Message | None:
        """The next message of the meter, None when more has to come. ProtocolError behind too much noise."""
        self._inbox.pass_idle()
        message = None if self._echo.strip(self._inbox.buffer) else self._inbox.next()
        if len(self._inbox.noise) > NOISE_LIMIT:
            raise ProtocolError("sends noise instead of an answer", self.raw)
        return message

    def pass_over(self, message: Message) -> None:
        """A message that means nothing here is noise."""
        if message.mark in (Mark.ACK, Mark.NAK):
            self._inbox.noise += ACK if message.mark is Mark.ACK else NAK

    def own(self, message: Message) -> bool:
        """True for the rest of our own message, whose head did not come back: its check character cannot fit."""
        own = STX in self.sent.data and not message.sound and STX + message.data + ETX == self._behind_head
        self.echoing |= own
        return own

    def no_echo(self) -> bool:
        """What came is no echo, however it begins. True when there is something that now has to be looked at."""
        waiting = self._echo.awaited and bool(self._inbox.buffer)
        self._echo.forget()
        return waiting

    def quiet(self, until: float) -> None:
        """Wait until then whether something follows."""
        self._quiet = until

    def wait(self, before: int, now: float) -> tuple[Action, ...]:
        """Wait for more. `before` are the bytes of the blocks before. ProtocolError when patience is at its end."""
        if self._inbox.begun is not None:
            self._began = now if self._began is None else self._began
            limit = self._began + self._settings.grace
            return wait_for_more(self._inbox.buffer, before, limit, self.baud, self._settings, now)
        if self._quiet and not self.garbage:
            return (Wait(max(self._quiet, now)),)
        if now > self._limit:
            raise ProtocolError("sends noise instead of an answer", self.raw)
        return (Wait(max(now + self._settings.character_timeout, self._due)),)

    @property
    def _behind_head(self) -> bytes:
        """Our last message from STX to ETX."""
        return self.sent.data[self.sent.data.find(STX) : -1]

    @property
    def in_data(self) -> bool:
        """True inside a data block."""
        return self._inbox.begun is Mark.DATA

    @property
    def rest(self) -> bytes:
        """The beginning of a data block that does not go on."""
        return bytes(self._inbox.buffer[1:]) if self.in_data else b""

    @property
    def garbage(self) -> bytes:
        """The same as `raw`, without what an idle line makes up."""
        return self.raw.strip(b"\x00\x7f\xff")

    @property
    def raw(self) -> bytes:
        """Everything that came since our message and was none of the meter's."""
        return bytes(self._inbox.noise + self._inbox.buffer)
