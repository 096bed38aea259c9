"""One command in programming mode and its answer: blocks, repetitions, and what is late.

Rules: a block with a wrong check character is asked for again by NAK, and kept when the meter has no better one;
nothing is asked for again after silence, because then nobody knows which block would come. What comes late belongs to
no other command: behind an answer that ended in silence the next one waits until the line has been quiet for as long as
an answer may take.
"""

from drivers.iec62056_21.wire.blocks import Blocks
from drivers.iec62056_21.wire.dialogue import Dialogue
from drivers.iec62056_21.wire.framing import ACK, NAK, Identification
from drivers.iec62056_21.wire.message import Message
from drivers.iec62056_21.wire.profile import error_text
from drivers.iec62056_21.wire.session import Action, CommandError, Send, SessionSettings, Wait, answer_missing
from gatewayd.errors import ProtocolError


class Asking:
    """Commands, one after the other. What it returns ends with Answered or CommandError when the answer is there."""

    def __init__(self, settings: SessionSettings, talk: Dialogue) -> None:
        self._settings = settings
        self._talk = talk
        self._command = Send(b"")
        self._answer = Blocks()
        self._late = False  # the last answer ended in silence: more of it may come
        self._limit = 0.0  # after this that is no longer put up with
        self.identification: Identification | None = None
        """Of the meter that answers."""

    @property
    def blocks(self) -> int:
        """How many blocks of the present answer are complete."""
        return len(self._answer.parts)

    @property
    def size(self) -> int:
        """Bytes in them."""
        return self._answer.size

    def prepare(self, command: Send, now: float) -> bool:
        """The next command; False when the line has to be quiet before it can be put."""
        self._command = command
        self._answer = Blocks()
        self._limit = now + self._settings.grace
        late, self._late = self._late, False
        return not late

    def put(self, now: float) -> tuple[Action, ...]:
        """Send it."""
        self._talk.repeats = 0
        return self._talk.say(self._command, now)

    def settle(self, now: float) -> tuple[Action, ...]:
        """Wait for quiet; what comes meanwhile is the rest of the answer before."""
        if now > self._limit:
            raise ProtocolError("goes on sending behind an answer that had stopped")
        return (Wait(now + self._settings.response_timeout),)

    def nak(self, now: float) -> tuple[Action, ...]:
        """The meter has not understood what we sent."""
        if self._talk.repeats < self._settings.repeats:
            return self._talk.again(now)
        if self._answer.end(b""):
            return (self._answer.answered(self.identification),)
        return (CommandError("NAK", understood=False),)

    def data(self, message: Message, now: float) -> tuple[Action, ...]:
        """A block of the answer; nothing when it is the rest of our own message."""
        if self._talk.own(message):
            return ()
        answer = self._answer
        if answer.wants_again(message):
            self._talk.repeats = 0
            return self._talk.say(Send(NAK), now)
        answer.take(message)
        if not message.last:
            self._talk.repeats = 0
            return self._talk.say(Send(ACK), now)
        text = error_text(message.data) if len(answer.parts) == 1 and message.sound else None
        return (CommandError(text) if text is not None else answer.answered(self.identification),)

    def missing(self) -> tuple[Action, ...]:
        """Silence, as long as may be waited for. MeterSilent or ProtocolError when nothing of an answer came."""
        if self._answer.end(self._talk.rest):
            self._late = True
            return (self._answer.answered(self.identification),)
        noisy = "answers a command with nothing that is allowed there"
        raise answer_missing(self._talk.raw, self._talk.sent.data, noisy, "fell silent after a command")
