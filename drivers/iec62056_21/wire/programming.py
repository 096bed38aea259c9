"""Programming mode as a state machine: IEC 62056-21:2002 6.3.5 to 6.3.6, 6.4.3.2 and annex C.

    IDLE --start--> SIGN_ON --ident, digit: ACK 0 Z 1, change rate--> OPTION --P0 or ACK--> PASSWORD --ACK--> READY
                       ^                                                 |       \\_ none needed ____________^ | ^
                       +------- nothing in time: once more --------------+                           command | | answer
                                                                                                             v |
    ANSWER: STX data ETX BCC ends it; STX data EOT BCC is acknowledged, and the next block comes            ANSWER
    Behind an answer that stopped in its middle the next command goes through SETTLING: the line has to be quiet first.

Rules: those of session.py, and of password.py and asking.py, which judge what comes in those two states. Nothing that
writes or executes leaves unless the configuration allows exactly that (outgoing.py).
"""

from collections.abc import Callable
from enum import Enum, auto

from drivers.iec62056_21.wire import framing
from drivers.iec62056_21.wire.asking import Asking
from drivers.iec62056_21.wire.dialogue import Dialogue
from drivers.iec62056_21.wire.framing import BREAK, NAK, Identification
from drivers.iec62056_21.wire.message import Mark, Message
from drivers.iec62056_21.wire.outgoing import Login, Outgoing
from drivers.iec62056_21.wire.password import Password, unclear
from drivers.iec62056_21.wire.profile import error_text
from drivers.iec62056_21.wire.session import (
    Action,
    Answered,
    CommandError,
    Ready,
    Send,
    SessionSettings,
    SetRate,
    answer_missing,
    leaving,
)
from drivers.iec62056_21.wire.sign_on import SignOn, data_rate
from gatewayd.errors import GatewayError, MeterDiffers, ProtocolError

_AFTER_BREAK = 1.5
"""So long a meter may take until it listens again (6.4.3.1)."""
_OPEN = "if it wants a password first, name a password_file and say login: password"


class _State(Enum):
    IDLE = auto()
    SIGN_ON = auto()
    OPTION = auto()
    PASSWORD = auto()
    READY = auto()
    SETTLING = auto()
    ANSWER = auto()
    OVER = auto()


class ProgrammingSession:
    """Sign-on, password, and then commands one after the other until `close`.

    `login` says what the identified meter wants to hear first, and may raise; `writes` are the only commands besides
    R1 to R6 that may leave, as pairs of command and address. Raises MeterSilent, MeterRefused, MeterDiffers and
    ProtocolError; PermissionError from `command` alone.
    """

    def __init__(
        self,
        settings: SessionSettings,
        login: Callable[[Identification], Login] = lambda _: Login(),
        writes: frozenset[tuple[str, str]] = frozenset(),
    ) -> None:
        self._settings = settings
        self._login_of = login
        self._outgoing = Outgoing(writes)
        self._login = Login()
        self._sign_on = SignOn(settings)
        self._state = _State.IDLE
        self._talk = Dialogue(settings)
        self._operand = ""
        self._password = Password(self._talk, self._outgoing)
        self._asking = Asking(settings, self._talk)
        self._closed = False

    @property
    def identification(self) -> Identification | None:
        """What the meter has said of itself so far."""
        return self._sign_on.identification

    @property
    def in_telegram(self) -> bool:
        return self._state is _State.ANSWER and self._talk.in_data

    @property
    def password_pending(self) -> bool:
        """True from the password on until the meter has answered it."""
        return self._state is _State.PASSWORD

    @property
    def blocks(self) -> int:
        return self._asking.blocks

    @property
    def asked(self) -> bool:
        return self._state is _State.SIGN_ON and self._sign_on.asked

    def start(self, now: float) -> tuple[Action, ...]:
        self._state = _State.SIGN_ON
        self._talk.baud = self._settings.start_baud
        return self._sign_on.start(now)

    def resume(self, sign_on: SignOn, now: float) -> tuple[Action, ...]:
        """Go on from a sign-on that somebody else has brought to its end."""
        self._sign_on = sign_on
        return self._guarded(self._identified, now)

    def feed(self, data: bytes, now: float) -> tuple[Action, ...]:
        if self._state is _State.SIGN_ON:
            return self._guarded(lambda at: self._signing_on(self._sign_on.feed(data, at), at), now)
        if self._state in (_State.IDLE, _State.OVER):
            return ()
        if self._state is _State.SETTLING:
            return self._guarded(self._asking.settle, now)
        self._talk.hear(data)
        return self._guarded(self._walk, now)

    def expired(self, now: float) -> tuple[Action, ...]:
        match self._state:
            case _State.SIGN_ON:
                return self._guarded(self._sign_on.expired, now)
            case _State.OPTION | _State.PASSWORD | _State.ANSWER:
                return self._guarded(self._nothing_more, now)
            case _State.SETTLING:
                return self._put(now)
            case _State.IDLE | _State.READY | _State.OVER:
                return ()

    def command(self, name: str, data: str, now: float) -> tuple[Action, ...]:
        """Send a command, after Ready, Answered or CommandError: `command("R5", "1.8.0()", now)`.

        PermissionError when it is not one that may leave; then nothing has been sent, and the session goes on.
        """
        if self._state is not _State.READY:
            raise ProtocolError("is not ready for a command")
        message = self._outgoing.command(name, data)
        self._guarded(self._walk, now)  # what came behind the last answer may have been the end of the session
        if self._asking.prepare(Send(message), now):
            return self._put(now)
        self._state = _State.SETTLING
        return self._asking.settle(now)

    def close(self, now: float) -> tuple[Action, ...]:
        """A break once the meter has identified itself: it may be waiting for us, or sending."""
        closed, self._closed = self._closed or self.identification is None, True
        self._state = _State.OVER
        return () if closed else leaving(self._settings)

    def _guarded(self, step: Callable[[float], tuple[Action, ...]], now: float) -> tuple[Action, ...]:
        try:
            return step(now)
        except GatewayError as error:
            pending, self._state = self.password_pending, _State.OVER
            if isinstance(error, ProtocolError) and self._talk.sent.secret:
                # The bytes of the error may hold an echo of the password; the exchange has them masked.
                raise (unclear(error) if pending else ProtocolError(str(error))) from None
            raise

    def _signing_on(self, actions: tuple[Action, ...], now: float) -> tuple[Action, ...]:
        return self._identified(now) if self._sign_on.done else actions

    def _identified(self, now: float) -> tuple[Action, ...]:
        identification = self._sign_on.identification
        assert identification is not None  # that is what `done` means
        self._asking.identification = identification
        self._login = self._login_of(identification)
        if identification.mode != "C":
            raise MeterDiffers(
                f"identifies itself as {identification}, without a rate to choose: it has no programming mode "
                "of mode C (IEC 62056-21 6.4.3); only its readout can be read (access: readout)"
            )
        rate = data_rate(identification, self._settings)
        self._state = _State.OPTION
        send, wait = self._talk.say(Send(framing.option_select(rate, mode="1")), now)
        if not self._sign_on.unclear:
            self._talk.no_echo()  # the line has none, so an ACK that stands alone is the meter's
        self._talk.baud = rate
        return send, SetRate(rate), wait

    def _walk(self, now: float) -> tuple[Action, ...]:
        """Take the messages that are complete, as the table says; what it does not name is passed over."""
        while (message := self._talk.next()) is not None:
            step = _ON_MESSAGE.get((self._state, message.mark))
            if step is None:
                self._talk.pass_over(message)
                continue
            actions = step(self, message, now)
            if actions:
                return actions
        return () if self._state is _State.READY else self._talk.wait(self._asking.size, now)

    def _nothing_more(self, now: float) -> tuple[Action, ...]:
        """Silence, as long as may be waited for."""
        if self._talk.no_echo():  # too short for our own message, so it was the meter's
            before = self._state, self._talk.sent
            actions = self._walk(now)
            if (self._state, self._talk.sent) != before:
                return actions
        match self._state:
            case _State.OPTION:
                return self._option_missing(now)
            case _State.PASSWORD:
                raise self._password.missing()
            case _:
                return self._answered(self._asking.missing())

    def _on_option_ack(self, message: Message, now: float) -> tuple[Action, ...]:
        return self._in_programming_mode(now)

    def _on_option_command(self, message: Message, now: float) -> tuple[Action, ...]:
        match message.command:
            case "B0":
                raise MeterDiffers("ends the session when it is asked for programming mode; has it locked itself?")
            case "P0" if message.sound:
                self._operand = message.data.decode("latin-1").strip().removeprefix("(").removesuffix(")")
                return self._in_programming_mode(now)
            case "P0" if self._talk.repeats < self._settings.repeats:
                self._talk.repeats += 1
                return self._talk.say(Send(NAK), now)
            case "P0":
                raise ProtocolError(f"answers garbled when it is asked for programming mode: {message.detail}")
            case _:
                return ()

    def _on_option_data(self, message: Message, now: float) -> tuple[Action, ...]:
        text = error_text(message.data)
        if text is not None:
            raise MeterDiffers(f"answers {text} when it is asked for programming mode")
        raise MeterDiffers("sends its readout when it is asked for programming mode; use access: readout")

    def _option_missing(self, now: float) -> tuple[Action, ...]:
        if self._sign_on.exhausted:
            noisy = "answers the request for programming mode with nothing that is allowed there"
            raise answer_missing(self._talk.raw, self._talk.sent.data, noisy, "identified itself and then fell silent")
        # It waits for us at the new rate, or it has not heard the acknowledgement and is sending its readout at the
        # first one.
        self._state = _State.SIGN_ON
        self._talk.baud = self._settings.start_baud
        self._talk.repeats = 0
        return *leaving(self._settings), Send(BREAK), *self._sign_on.pause(now + _AFTER_BREAK)

    def _in_programming_mode(self, now: float) -> tuple[Action, ...]:
        if self._login.data is None:
            return self._ready()
        self._state = _State.PASSWORD
        return self._password.send(self._login, now)

    def _on_password_ack(self, message: Message, now: float) -> tuple[Action, ...]:
        return self._ready()

    def _on_password_nak(self, message: Message, now: float) -> tuple[Action, ...]:
        self._password.nak(message, now)
        return ()

    def _on_password_answer(self, message: Message, now: float) -> tuple[Action, ...]:
        self._password.answer(message)
        return ()

    def _ready(self) -> tuple[Action, ...]:
        self._state = _State.READY
        return (Ready(self._operand),)

    def _on_break(self, message: Message, now: float) -> tuple[Action, ...]:
        if message.command == "B0":
            raise ProtocolError("ended the session by itself" + ("" if self._login.data else f"; {_OPEN}"))
        return ()

    def _on_answer_nak(self, message: Message, now: float) -> tuple[Action, ...]:
        return self._answered(self._asking.nak(now))

    def _on_answer_data(self, message: Message, now: float) -> tuple[Action, ...]:
        return self._answered(self._asking.data(message, now))

    def _put(self, now: float) -> tuple[Action, ...]:
        self._state = _State.ANSWER
        return self._asking.put(now)

    def _answered(self, actions: tuple[Action, ...]) -> tuple[Action, ...]:
        if actions and isinstance(actions[-1], Answered | CommandError):
            self._state = _State.READY
            self._talk.no_echo()
        return actions


_Step = Callable[[ProgrammingSession, Message, float], tuple[Action, ...]]
_ON_MESSAGE: dict[tuple[_State, Mark], _Step] = {
    (_State.OPTION, Mark.ACK): ProgrammingSession._on_option_ack,
    (_State.OPTION, Mark.COMMAND): ProgrammingSession._on_option_command,
    (_State.OPTION, Mark.DATA): ProgrammingSession._on_option_data,
    (_State.PASSWORD, Mark.ACK): ProgrammingSession._on_password_ack,
    (_State.PASSWORD, Mark.NAK): ProgrammingSession._on_password_nak,
    (_State.PASSWORD, Mark.COMMAND): ProgrammingSession._on_password_answer,
    (_State.PASSWORD, Mark.DATA): ProgrammingSession._on_password_answer,
    (_State.READY, Mark.COMMAND): ProgrammingSession._on_break,
    (_State.ANSWER, Mark.NAK): ProgrammingSession._on_answer_nak,
    (_State.ANSWER, Mark.COMMAND): ProgrammingSession._on_break,
    (_State.ANSWER, Mark.DATA): ProgrammingSession._on_answer_data,
}
"""What a message means in each state."""
