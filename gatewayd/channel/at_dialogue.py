"""What every part of the AT dialogue knows: the actions that it gives, its states, and the memory of one call.

Rules: no I/O and no clock. An action says what to do, in order; a failure is the action Failed, nothing is raised.
"""

from abc import ABC, abstractmethod
from collections import deque
from dataclasses import dataclass, field
from enum import Enum, auto

from gatewayd.channel.at_results import Event, Result
from gatewayd.channel.modem_options import CallResult, ModemOptions, ModemStatus, Registration, SimPin
from gatewayd.dialling import Network, PhoneNumber, Step


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


class Dialogue(ABC):
    """The memory of one set-up, call and hang-up, and what its parts have in common."""

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

    def _ignore(self, _result: Result, _now: float) -> Actions:
        return ()

    def _command(self, text: str, state: State, now: float, seconds: float, shown: str = "") -> Actions:
        self.state = state
        return Send(text.encode() + b"\r", shown or text), self._timer(now, seconds)

    def _timer(self, now: float, seconds: float) -> SetTimer:
        """The set-up ends at its deadline; the hang-up does not."""
        return SetTimer(now + seconds if self._ending else min(now + seconds, self._deadline))

    def _fail(self, result: CallResult, detail: str) -> Actions:
        self.state = State.FAILED
        return SetTimer(None), Failed(result, detail)

    @abstractmethod
    def _wake(self, now: float) -> Actions:
        """Begin the set-up, or begin it again where the modem was left in a call."""


def reason(result: Result) -> str:
    """What the modem said, for people."""
    return f"+CME ERROR: {result.text}" if result.event is Event.ERROR and result.text else result.event.value
