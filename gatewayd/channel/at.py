"""The AT dialogue of one call as a table of states: wake, init steps, SIM, registration, signal, dial, pipe, hang-up.

    IDLE -> WAKE -> STEP... -> SIM (-> PIN) -> REGISTRATION (<-> _WAIT) -> SIGNAL -> STEP (bearer) -> DIAL -> ONLINE
    ONLINE, DIAL -> DROP (DTR) -> ABORT | QUIET -> ESCAPE (+++) -> HOOK (ATH) -> OVER; a stuck modem: WAKE -> QUIET

Rules: no I/O and no clock; `start`, `feed`, `expired`, `hang_up` and `carrier_gone` take the present time in seconds
and return what to do, in order. Nothing is raised, whatever arrives: a failure is the action Failed. How the bytes are
cut never changes what comes out. A line that is no known result is passed over and never quoted: it could be the echo
of the number or the PIN. Sources: ITU-T V.250 5.7 and 6.2, 3GPP 27.007.
"""

import re
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, auto

from gatewayd.channel.modem_options import (
    CallResult,
    ModemOptions,
    ModemStatus,
    Network,
    PhoneNumber,
    Registration,
    SimPin,
    Step,
)

LINE_LIMIT = 1024
"""Longest run of bytes without a line end; more is noise."""
WAKE_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Send:
    """Send to the modem. `shown` is the same for people, without secrets."""

    data: bytes = field(repr=False)
    shown: str


@dataclass(frozen=True, slots=True)
class SetTimer:
    """Call `expired` at this time; it replaces the one before. None: no timer."""

    until: float | None


@dataclass(frozen=True, slots=True)
class SetDtr:
    """Switch the control line DTR."""

    on: bool


@dataclass(frozen=True, slots=True)
class Received:
    """Bytes of the far end."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Rang:
    """An incoming call was noticed. It is refused as soon as no other command is under way, unless we are dialling."""

    dialling: bool


@dataclass(frozen=True, slots=True)
class Dialled:
    """The number is given to the modem next; from here on a call may cost money."""


@dataclass(frozen=True, slots=True)
class Ready:
    """Everything but the call is done, and no call is wanted."""


@dataclass(frozen=True, slots=True)
class Connected:
    """From here on the line is a pipe of eight bits."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The set-up is over without a connection; `hang_up` has to follow."""

    result: CallResult
    detail: str


@dataclass(frozen=True, slots=True)
class Lost:
    """The carrier is gone; `hang_up` has to follow."""


@dataclass(frozen=True, slots=True)
class HungUp:
    """The dialogue is over. `confirmed`: the modem said so, or there was no call."""

    confirmed: bool


Action = Send | SetTimer | SetDtr | Received | Rang | Dialled | Ready | Connected | Failed | Lost | HungUp
Actions = tuple[Action, ...]


class Event(Enum):
    """What can happen to a dialogue. The values of results are their text in V.250 table 1 and makers' manuals."""

    OK = "OK"
    CONNECT = "CONNECT"
    RING = "RING"
    NO_CARRIER = "NO CARRIER"
    ERROR = "ERROR"
    NO_DIALTONE = "NO DIALTONE"
    BUSY = "BUSY"
    NO_ANSWER = "NO ANSWER"
    DELAYED = "DELAYED"
    BLACKLISTED = "BLACKLISTED"
    INFORMATION = "information"
    OTHER = "another line"
    FLOOD = "noise without end"
    TIMER = "timer"
    HANG_UP = "hang up"
    CARRIER_GONE = "carrier gone"


@dataclass(frozen=True, slots=True)
class Result:
    """One line of the modem. `code` is that of +CME ERROR; `text` what follows CONNECT, or the information."""

    event: Event
    text: str = ""
    code: int | None = None
    numeric: bool = False


_WORDS = {
    event.value: event
    for event in (Event.OK, Event.RING, Event.NO_CARRIER, Event.ERROR, Event.NO_DIALTONE, Event.BUSY, Event.NO_ANSWER)
} | {"NO DIAL TONE": Event.NO_DIALTONE}
_CONNECT = re.compile(r"CONNECT(?:[ /:]+(.*))?")
_DELAYED = re.compile(r"(DELAYED|BLACKLISTED)\b.*")
_CME = re.compile(r"\+CM[ES] ERROR: *(.*)")
_INFORMATION = re.compile(r"\+(?:CPIN|CREG|CSQ):.*")
_CREG = re.compile(r"\+CREG: *(\d{1,2})(?: *, *(\d{1,2})(?![0-9A-F]))?")
_CSQ = re.compile(r"\+CSQ: *(\d{1,2})\b")
_CPIN = re.compile(r"\+CPIN: *([A-Z -]{1,19}2?)")
_NUMBERS = {
    "0": Event.OK,
    "1": Event.CONNECT,
    "2": Event.RING,
    "3": Event.NO_CARRIER,
    "4": Event.ERROR,
    "6": Event.NO_DIALTONE,
    "7": Event.BUSY,
    "8": Event.NO_ANSWER,
}
# Beyond V.250 numbers are the makers' own, and the same ones mean other things: Rockwell/Conexant (MultiTech, US
# Robotics 5631 manuals) for telephone modems, Siemens TC63 manual 2.5.1 and Nokia D211 8.1.4 for cellular ones.
_CONNECT_NUMBERS: Mapping[Network, Mapping[str, str]] = {
    Network.PSTN: {"5": "1200", "9": "600", "10": "2400", "11": "4800", "12": "9600", "13": "7200", "14": "12000"}
    | {"15": "14400", "16": "19200", "17": "38400", "18": "57600", "19": "115200"},
    Network.CELLULAR: {"5": "1200", "10": "2400", "11": "4800", "12": "9600", "47": "2400/RLP", "48": "4800/RLP"}
    | {"49": "9600/RLP", "50": "14400/RLP"},
}
_LISTED_NUMBERS = {"24": Event.DELAYED, "32": Event.BLACKLISTED}
_UNPRINTABLE = bytes({*range(0x21), *range(0x7F, 0x100)})
_LINE_END = re.compile(rb"[\r\n]")
_TAIL = 32
_LOST_IN_WORDS = re.compile(rb"[\r\n]NO CARRIER[\r\n]+\Z")
_LOST_IN_NUMBERS = re.compile(rb"[\r\n]3\r\Z")


def classify(line: bytes, network: Network, *, numbers: bool = True) -> Result:
    """What a line means, its line end not included. Noise at its ends is dropped; `numbers`: ATV0 is understood too."""
    text = line.strip(_UNPRINTABLE).decode("latin-1").upper()
    if (event := _WORDS.get(text)) is not None:
        return Result(event)
    if numbers and text.isdecimal():
        if (event := _NUMBERS.get(text)) is not None:
            return Result(event, numeric=True)
        if (rate := _CONNECT_NUMBERS[network].get(text)) is not None:
            return Result(Event.CONNECT, rate, numeric=True)
        if network is Network.PSTN and (event := _LISTED_NUMBERS.get(text)) is not None:
            return Result(event, numeric=True)
    if (found := _CONNECT.fullmatch(text)) is not None:
        return Result(Event.CONNECT, _harmless(found[1] or "", 7))
    if (found := _DELAYED.fullmatch(text)) is not None:
        return Result(Event(found[1]))
    if (found := _CME.fullmatch(text)) is not None:
        code = found[1].strip()
        return Result(Event.ERROR, _harmless(code, 4), int(code) if re.fullmatch("[0-9]{1,3}", code) else None)
    if text.startswith("+CRING:"):
        return Result(Event.RING)
    if _INFORMATION.fullmatch(text):
        return Result(Event.INFORMATION, text)
    return Result(Event.OTHER)


def _harmless(text: str, digits: int) -> str:
    """Printable and short, without a run of so many digits: it could be a telephone number or a PIN."""
    return re.sub(rf"[0-9]{{{digits},}}", "****", "".join(c if " " <= c <= "~" else "?" for c in text))[:40].strip()


class State(Enum):
    """Where a dialogue is. See the drawing at the top."""

    IDLE = auto()
    WAKE = auto()
    STEP = auto()
    SIM = auto()
    SIM_WAIT = auto()
    PIN = auto()
    REGISTRATION = auto()
    REGISTRATION_WAIT = auto()
    SIGNAL = auto()
    REFUSE = auto()
    DIAL = auto()
    READY = auto()
    FAILED = auto()
    ONLINE = auto()
    LOST = auto()
    DROP = auto()
    ABORT = auto()
    QUIET = auto()
    ESCAPE = auto()
    HOOK = auto()
    OVER = auto()


_LATE = {
    State.WAKE: (CallResult.MODEM, "does not answer AT"),
    State.STEP: (CallResult.MODEM, "does not answer its init steps in time"),
    State.SIM: (CallResult.MODEM, "does not answer AT+CPIN? in time"),
    State.SIM_WAIT: (CallResult.SIM, "has a SIM that does not become ready"),
    State.PIN: (CallResult.SIM, "does not answer the PIN, which is not sent again"),
    State.REGISTRATION: (CallResult.NOT_REGISTERED, "is not registered in the network"),
    State.REGISTRATION_WAIT: (CallResult.NOT_REGISTERED, "is not registered in the network"),
    State.SIGNAL: (CallResult.MODEM, "does not answer AT+CSQ in time"),
    State.REFUSE: (CallResult.MODEM, "is called all the time"),
    State.DIAL: (CallResult.TIMEOUT, "has no connection in time"),
    State.QUIET: (CallResult.MODEM, "does not answer AT"),
    State.ESCAPE: (CallResult.MODEM, "does not answer AT"),
    State.HOOK: (CallResult.MODEM, "does not answer AT"),
}
_RESULT_OF = {
    Event.NO_CARRIER: CallResult.NO_CARRIER,
    Event.ERROR: CallResult.REFUSED,
    Event.NO_DIALTONE: CallResult.NO_DIALTONE,
    Event.BUSY: CallResult.BUSY,
    Event.NO_ANSWER: CallResult.NO_ANSWER,
    Event.DELAYED: CallResult.DELAYED,
    Event.BLACKLISTED: CallResult.BLACKLISTED,
}
_SIM_BUSY = 14  # 3GPP 27.007 9.2.1
_SIM_READY = ("READY", "SIM PIN2", "SIM PUK2")  # a second PIN is asked for by what no call needs (27.007 8.3)


class AtDialogue:
    """One set-up, call and hang-up. `number` None: status only, ends with Ready."""

    def __init__(self, options: ModemOptions, number: PhoneNumber | None, sim: SimPin, *, has_dtr: bool) -> None:
        self._options = options
        self._number = number
        self._sim = sim
        self._has_dtr = has_dtr
        self.state = State.IDLE
        self.status = ModemStatus()
        self._deadline = 0.0
        self._todo: deque[Step | State] = deque(options.steps)
        if options.network is Network.CELLULAR:
            self._todo += (State.SIM, State.REGISTRATION, State.SIGNAL)
            if options.bearer and number is not None:
                self._todo.append(Step(f"AT+CBST={options.bearer}", options.bearer_required))
        if number is not None:
            self._todo.append(State.DIAL)
        self._step = Step("AT")
        self._buffer = bytearray()
        self._attempts = self._owed = 0  # of AT, to wake it; answers to them that may still come
        self._rescued = False
        self._ringing = False
        self._sim_said = ""
        self._registration: Registration | None = None
        self._dialling = self._dialled = self._connected = False
        self._ending = False
        self._numbers = True  # digits alone may be a result
        self._drop_line_feed = False
        self._tail = b""
        self._suspect = False  # the last thing heard is NO CARRIER

    def start(self, now: float, deadline: float) -> Actions:
        """Begin. The set-up has until `deadline`; the hang-up has times of its own."""
        self._deadline = deadline
        return self._wake(now)

    def feed(self, data: bytes, now: float) -> Actions:
        """Bytes came."""
        actions: list[Action] = []
        self._buffer += data
        while self._buffer:
            if self.state is State.ONLINE:
                actions += self._pipe(now)
                break
            end = _LINE_END.search(self._buffer, 0, LINE_LIMIT + 1)
            if end is None:
                if len(self._buffer) <= LINE_LIMIT:
                    break
                del self._buffer[: LINE_LIMIT + 1]
                actions += self._step_table(Result(Event.FLOOD), now)
                continue
            line, terminator = bytes(self._buffer[: end.start()]), end[0]
            del self._buffer[: end.end()]
            if self.state is State.ESCAPE:
                line = line.removeprefix(b"+++")  # its echo has no line end
            if not line.strip(_UNPRINTABLE):
                continue
            result = classify(line, self._options.network, numbers=self._numbers)
            # In words a line feed after it belongs to the result code, in numbers there is none (V.250 5.7.1).
            self._drop_line_feed = terminator == b"\r" and not result.numeric
            actions += self._step_table(result, now)
        return tuple(actions)

    def expired(self, now: float) -> Actions:
        """The time of the last SetTimer has come."""
        if self.state in _LATE and now >= self._deadline and not self._ending:
            return self._late()
        return self._step_table(Result(Event.TIMER), now)

    def hang_up(self, now: float) -> Actions:
        """End the call, or the attempt at it, from any state."""
        return self._step_table(Result(Event.HANG_UP), now)

    def carrier_gone(self, now: float) -> Actions:
        """The control line DCD went off."""
        return self._step_table(Result(Event.CARRIER_GONE), now)

    def _step_table(self, result: Result, now: float) -> Actions:
        return TABLE[self.state][result.event](self, result, now)

    # -- the set-up ---------------------------------------------------------------------------------------------------

    def _ignore(self, _result: Result, _now: float) -> Actions:
        return ()

    def _command(self, text: str, state: State, now: float, seconds: float, shown: str = "") -> Actions:
        self.state = state
        return Send(text.encode() + b"\r", shown or text), self._timer(now, seconds)

    def _timer(self, now: float, seconds: float) -> SetTimer:
        """The set-up ends at its deadline; the hang-up does not."""
        return SetTimer(now + seconds if self._ending else min(now + seconds, self._deadline))

    def _wake(self, now: float) -> Actions:
        self._attempts, self._owed = 1, 1
        return self._command("AT", State.WAKE, now, self._options.command / 4)

    def _awake(self, _result: Result, now: float) -> Actions:
        self._owed -= 1
        if self._owed > 0:  # the answers to earlier attempts would be taken for answers to the next commands
            return (self._timer(now, self._options.command / 10),)
        return self._next(now)

    def _asleep(self, _result: Result, now: float) -> Actions:
        if self._owed < self._attempts:
            return self._next(now)
        if self._attempts < WAKE_ATTEMPTS:
            self._attempts, self._owed = self._attempts + 1, self._owed + 1
            return self._command("AT", State.WAKE, now, self._options.command / 4)
        if not self._rescued:  # left in a call by a process that was killed
            self._rescued = True
            return self._quiet(now)
        return self._fail(CallResult.MODEM, "does not answer AT")

    def _next(self, now: float) -> Actions:
        """The next thing of the set-up."""
        if now >= self._deadline:
            return self._late()
        if self._ringing:
            self._ringing = False
            return self._command("ATH", State.REFUSE, now, self._options.command)
        if not self._todo:
            self.state = State.READY
            return SetTimer(None), Ready()
        what, command = self._todo.popleft(), self._options.command
        match what:
            case Step():
                self._step = what
                return self._command(what.command, State.STEP, now, command)
            case State.SIM:
                self._sim_said = ""
                return self._command("AT+CPIN?", State.SIM, now, command)
            case State.REGISTRATION:
                self._registration = None
                return self._command("AT+CREG?", State.REGISTRATION, now, command)
            case State.SIGNAL:
                return self._command("AT+CSQ", State.SIGNAL, now, command)
            case _:
                assert self._number is not None
                self._dialling = self._dialled = True
                dial = f"ATD{self._options.dialling.value}"
                rest = self._deadline - now
                shown = dial + self._number.masked
                return Dialled(), *self._command(dial + self._number.digits, State.DIAL, now, rest, shown)

    def _again(self, what: State, now: float, state: State) -> Actions:
        """The same question after a pause."""
        self._todo.appendleft(what)
        self.state = state
        return (self._timer(now, self._options.poll),)

    def _continue(self, _result: Result, now: float) -> Actions:
        return self._next(now)

    def _late(self) -> Actions:
        return self._fail(*_LATE[self.state])

    def _fail(self, result: CallResult, detail: str) -> Actions:
        self.state = State.FAILED
        return SetTimer(None), Failed(result, detail)

    def _noise(self, _result: Result, _now: float) -> Actions:
        return self._fail(CallResult.MODEM, "sends noise")

    def _answered(self, _result: Result, _now: float) -> Actions:
        self._connected = True
        return self._fail(CallResult.MODEM, "connected without having dialled; ATS0=0 keeps it from answering")

    def _rejected(self, result: Result, now: float) -> Actions:
        if self._step.required:
            return self._fail(CallResult.MODEM, f"rejects {self._step.command} ({_reason(result)})")
        self._note_rejected()
        return self._next(now)

    def _unanswered(self, _result: Result, now: float) -> Actions:
        if self._step.required:
            return self._fail(CallResult.MODEM, f"does not answer {self._step.command}")
        self._note_rejected()
        return self._wake(now)  # an answer that comes late must not be taken for that of the next command

    def _note_rejected(self) -> None:
        self.status = replace(self.status, rejected=(*self.status.rejected, self._step.command))

    def _ring(self, _result: Result, _now: float) -> Actions:
        """Refused as soon as the command under way is answered."""
        self._ringing = True
        return self._rang(dialling=False)

    def _ring_idle(self, result: Result, now: float) -> Actions:
        return (*self._rang(dialling=False), Send(b"ATH\r", "ATH"))

    def _ring_waiting(self, result: Result, now: float) -> Actions:
        return self._ring(result, now) + self._next(now)

    def _ring_dialling(self, _result: Result, _now: float) -> Actions:
        return self._rang(dialling=True)

    def _rang(self, *, dialling: bool) -> Actions:
        self.status = replace(self.status, rings=self.status.rings + 1)
        return (Rang(dialling),)

    # -- SIM, registration, signal -----------------------------------------------------------------------------------

    def _information(self, result: Result, _now: float) -> Actions:
        if (found := _CPIN.fullmatch(result.text)) is not None:
            self._sim_said = found[1].strip()
        elif (found := _CREG.match(result.text)) is not None:
            # Asked: <n>,<stat>; unsolicited: <stat> and perhaps a location, which is longer than two digits or quoted.
            self._registration = _registration(int(found[2] or found[1]))
            self.status = replace(self.status, registration=self._registration)
        elif (found := _CSQ.match(result.text)) is not None:
            level = int(found[1])
            self.status = replace(self.status, signal=level if level <= 31 else None)
        return ()

    def _sim_answered(self, _result: Result, now: float) -> Actions:
        self.status = replace(self.status, sim=self._sim_said)
        if self._sim_said in _SIM_READY or not self._sim_said:
            return self._next(now)
        if self._sim_said != "SIM PIN":
            return self._fail(CallResult.SIM, f"has a SIM in state {self._sim_said}")
        use, pin = self._sim.use, self._sim.spend()
        if pin is None:
            return self._fail(CallResult.SIM, f"asks for the PIN ({use.value}); it is sent once at most")
        return self._command(f'AT+CPIN="{pin}"', State.PIN, now, 3 * self._options.command, 'AT+CPIN="****"')

    def _sim_failed(self, result: Result, now: float) -> Actions:
        if result.code == _SIM_BUSY:
            return self._again(State.SIM, now, State.SIM_WAIT)
        return self._fail(CallResult.SIM, f"cannot use its SIM ({_reason(result)})")

    def _sim_unanswered(self, _result: Result, _now: float) -> Actions:
        return self._fail(CallResult.MODEM, "does not answer AT+CPIN?")

    def _pin_accepted(self, _result: Result, now: float) -> Actions:
        self._sim.judged(accepted=True)
        return self._next(now)

    def _pin_refused(self, result: Result, _now: float) -> Actions:
        self._sim.judged(accepted=False)
        return self._fail(CallResult.SIM, f"refuses the PIN ({_reason(result)}), which is not sent again")

    def _pin_unanswered(self, _result: Result, _now: float) -> Actions:
        return self._fail(*_LATE[State.PIN])

    def _registration_answered(self, _result: Result, now: float) -> Actions:
        if self._registration is Registration.DENIED:
            return self._fail(CallResult.NOT_REGISTERED, "is denied registration by the network")
        if self._registration is not None and self._registration.usable:
            return self._next(now)
        return self._again(State.REGISTRATION, now, State.REGISTRATION_WAIT)

    def _registration_failed(self, result: Result, now: float) -> Actions:
        if result.code == _SIM_BUSY:
            return self._again(State.REGISTRATION, now, State.REGISTRATION_WAIT)
        return self._fail(CallResult.NOT_REGISTERED, f"does not tell its registration ({_reason(result)})")

    def _registration_unanswered(self, _result: Result, _now: float) -> Actions:
        return self._fail(CallResult.MODEM, "does not answer AT+CREG?")

    def _signal_unanswered(self, _result: Result, now: float) -> Actions:
        return self._wake(now)

    # -- the call ----------------------------------------------------------------------------------------------------

    def _connect(self, result: Result, _now: float) -> Actions:
        self.state = State.ONLINE
        self._dialling, self._connected = False, True
        self._numbers = result.numeric
        self.status = replace(self.status, connect=result.text)
        self._tail = b"\n"
        return SetTimer(None), Connected()

    def _dial_failed(self, result: Result, _now: float) -> Actions:
        self._dialling = False
        number = self._number.masked if self._number else ""
        return self._fail(_RESULT_OF[result.event], f"dialled {number}: {_reason(result)}")

    def _pipe(self, now: float) -> Actions:
        data = bytes(self._buffer)
        self._buffer.clear()
        if self._drop_line_feed:
            self._drop_line_feed = False
            data = data.removeprefix(b"\n")
        if not data:
            return ()
        self._tail = (self._tail + data)[-_TAIL:]
        # The meter may send these words; only a modem falls silent after them. Bytes are handed on in any case.
        pattern = _LOST_IN_NUMBERS if self._numbers else _LOST_IN_WORDS
        self._suspect = pattern.search(self._tail) is not None
        return Received(data), SetTimer(now + self._options.carrier_guard if self._suspect else None)

    def _guard_passed(self, _result: Result, _now: float) -> Actions:
        return self._lose() if self._suspect else ()

    def _carrier_lost(self, _result: Result, _now: float) -> Actions:
        return self._lose()

    def _lose(self) -> Actions:
        self.state = State.LOST
        return SetTimer(None), Lost()

    # -- hanging up --------------------------------------------------------------------------------------------------

    def _leave(self, _result: Result, now: float) -> Actions:
        """The request to hang up, wherever we are."""
        lost = self.state is State.LOST
        self._ending = True
        self._todo.clear()
        if not self._dialled and not self._connected:
            return self._over(confirmed=True)
        if not lost and (self._connected or self._dialling):
            if self._has_dtr:
                self.state = State.DROP
                return SetDtr(False), self._timer(now, self._options.guard)
            return self._quiet(now) if self._connected else self._abort(now)
        return self._hook(now)

    def _dropped(self, _result: Result, now: float) -> Actions:
        return (SetDtr(True), *self._hook(now))

    def _drop_unanswered(self, _result: Result, now: float) -> Actions:
        # Nobody has sent anything for the guard time by now.
        return (SetDtr(True), *(self._escape(now) if self._connected else self._abort(now)))

    def _drop_late_connect(self, _result: Result, now: float) -> Actions:
        self._connected = True
        return ()

    def _abort(self, now: float) -> Actions:
        """Any character ends the dialling (V.250 5.6.1)."""
        self.state = State.ABORT
        return Send(b"\r", "(abort)"), self._timer(now, self._options.guard)

    def _late_connect(self, _result: Result, now: float) -> Actions:
        self._connected = True
        return self._quiet(now)

    def _abort_unanswered(self, _result: Result, now: float) -> Actions:
        self._connected = True  # perhaps; the guard time has passed
        return self._escape(now)

    def _quiet(self, now: float) -> Actions:
        self.state = State.QUIET
        return (self._timer(now, self._options.guard),)

    def _guard_kept(self, _result: Result, now: float) -> Actions:
        return self._escape(now)

    def _escape(self, now: float) -> Actions:
        self.state = State.ESCAPE
        return Send(b"+++", "+++"), self._timer(now, self._options.guard * 1.5)

    def _escaped(self, _result: Result, now: float) -> Actions:
        return self._hook(now)

    def _escape_unanswered(self, _result: Result, now: float) -> Actions:
        # In command state the +++ is still in the modem's line; the first CR throws it away.
        return self._hook(now, b"\rATH\r")

    def _hook(self, now: float, data: bytes = b"ATH\r") -> Actions:
        self.state = State.HOOK
        self._attempts = 1
        return Send(data, "ATH"), self._timer(now, self._options.command / 2)

    def _on_hook(self, _result: Result, now: float) -> Actions:
        return self._over(confirmed=True) if self._ending else self._wake(now)

    def _hook_failed(self, _result: Result, now: float) -> Actions:
        if self._attempts < 2 and self._ending:
            self._attempts += 1
            return Send(b"ATH\r", "ATH"), self._timer(now, self._options.command / 4)
        return self._over(confirmed=False) if self._ending else self._wake(now)

    def _leave_later(self, _result: Result, now: float) -> Actions:
        """Asked to hang up while hanging up: for good, or to rescue the modem."""
        self._ending = True
        return ()

    def _leave_again(self, _result: Result, _now: float) -> Actions:
        return self._over(confirmed=True)

    def _over(self, *, confirmed: bool) -> Actions:
        self.state = State.OVER
        return SetTimer(None), HungUp(confirmed)


def _reason(result: Result) -> str:
    return f"+CME ERROR: {result.text}" if result.event is Event.ERROR and result.text else result.event.value


def _registration(number: int) -> Registration:
    return Registration(number) if 0 <= number <= 5 else Registration.OTHER


Move = Callable[[AtDialogue, Result, float], Actions]
_D = AtDialogue
_CALL_RESULTS = (
    Event.NO_CARRIER,
    Event.NO_DIALTONE,
    Event.BUSY,
    Event.NO_ANSWER,
    Event.DELAYED,
    Event.BLACKLISTED,
)
# What belongs to an earlier call, comes late or is not for us changes nothing.
_NOTHING: dict[Event, Move] = dict.fromkeys(Event, _D._ignore)
_SET_UP: dict[Event, Move] = _NOTHING | {
    Event.CONNECT: _D._answered,
    Event.RING: _D._ring,
    Event.INFORMATION: _D._information,
    Event.FLOOD: _D._noise,
    Event.HANG_UP: _D._leave,
}
_ENDING: dict[Event, Move] = _NOTHING | {Event.HANG_UP: _D._leave_later}
TABLE: Mapping[State, Mapping[Event, Move]] = {
    State.IDLE: _NOTHING | {Event.RING: _D._ring_idle, Event.HANG_UP: _D._leave},
    State.WAKE: _SET_UP
    | {Event.OK: _D._awake, Event.ERROR: _D._awake, Event.TIMER: _D._asleep}
    | {Event.FLOOD: _D._ignore, Event.CONNECT: _D._ignore},
    State.STEP: _SET_UP | {Event.OK: _D._continue, Event.ERROR: _D._rejected, Event.TIMER: _D._unanswered},
    State.SIM: _SET_UP | {Event.OK: _D._sim_answered, Event.ERROR: _D._sim_failed, Event.TIMER: _D._sim_unanswered},
    State.SIM_WAIT: _SET_UP | {Event.TIMER: _D._continue, Event.RING: _D._ring_waiting},
    State.PIN: _SET_UP | {Event.OK: _D._pin_accepted, Event.ERROR: _D._pin_refused, Event.TIMER: _D._pin_unanswered},
    State.REGISTRATION: _SET_UP
    | {Event.OK: _D._registration_answered, Event.ERROR: _D._registration_failed}
    | {Event.TIMER: _D._registration_unanswered},
    State.REGISTRATION_WAIT: _SET_UP | {Event.TIMER: _D._continue, Event.RING: _D._ring_waiting},
    State.SIGNAL: _SET_UP | {Event.OK: _D._continue, Event.ERROR: _D._continue, Event.TIMER: _D._signal_unanswered},
    State.REFUSE: _SET_UP
    | {Event.OK: _D._continue, Event.ERROR: _D._continue, Event.NO_CARRIER: _D._continue, Event.TIMER: _D._continue},
    State.DIAL: _SET_UP
    | dict.fromkeys((*_CALL_RESULTS, Event.ERROR), _D._dial_failed)
    | {Event.CONNECT: _D._connect, Event.RING: _D._ring_dialling},
    State.READY: _NOTHING | {Event.RING: _D._ring_idle, Event.HANG_UP: _D._leave, Event.INFORMATION: _D._information},
    State.FAILED: _NOTHING | {Event.HANG_UP: _D._leave},
    State.ONLINE: _NOTHING
    | {Event.TIMER: _D._guard_passed, Event.CARRIER_GONE: _D._carrier_lost, Event.HANG_UP: _D._leave},
    State.LOST: _NOTHING | {Event.HANG_UP: _D._leave},
    State.DROP: _ENDING
    | dict.fromkeys((*_CALL_RESULTS, Event.OK, Event.ERROR), _D._dropped)
    | {Event.TIMER: _D._drop_unanswered, Event.CARRIER_GONE: _D._dropped, Event.CONNECT: _D._drop_late_connect},
    State.ABORT: _ENDING
    | dict.fromkeys((*_CALL_RESULTS, Event.OK, Event.ERROR), _D._escaped)
    | {Event.TIMER: _D._abort_unanswered, Event.CONNECT: _D._late_connect},
    State.QUIET: _ENDING | {Event.TIMER: _D._guard_kept, Event.NO_CARRIER: _D._escaped},
    State.ESCAPE: _ENDING
    | {Event.OK: _D._escaped, Event.NO_CARRIER: _D._escaped, Event.ERROR: _D._escaped}
    | {Event.TIMER: _D._escape_unanswered},
    State.HOOK: _ENDING
    | {Event.OK: _D._on_hook, Event.NO_CARRIER: _D._on_hook}
    | {Event.ERROR: _D._hook_failed, Event.TIMER: _D._hook_failed},
    State.OVER: _NOTHING | {Event.HANG_UP: _D._leave_again},
}
"""Every event in every state."""
