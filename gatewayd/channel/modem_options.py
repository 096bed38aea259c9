"""What a modem line is told and what it tells: the PIN, init steps, states, results, back-off and cost.

Rules: values without I/O and clock. No PIN is in any repr or text of them; only `SimPin.spend` gives it away, once, and
only the AT engine asks.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from types import MappingProxyType

from gatewayd.dialling import Dialling, Network, Step, checked_bearer

_PIN = re.compile(r"[0-9]{4,8}")


class PinUse(Enum):
    """What has become of the PIN in this process."""

    NONE = "no PIN configured"
    UNUSED = "not sent"
    SENT = "sent, not answered"
    ACCEPTED = "accepted"
    REFUSED = "refused"


class SimPin:
    """The PIN of the SIM in one modem line, given away at most once in the life of the process.

    It belongs to the line, not to a call: three wrong attempts lock a SIM, and calls are repeated.
    """

    def __init__(self, pin: str | None = None) -> None:
        if pin is not None and not _PIN.fullmatch(pin):
            raise ValueError("a PIN has 4 to 8 digits")
        self._pin = pin
        self._use = PinUse.NONE if pin is None else PinUse.UNUSED

    @property
    def use(self) -> PinUse:
        return self._use

    def spend(self) -> str | None:
        """The PIN, the first time; None for ever after, whatever the modem made of it."""
        if self._use is not PinUse.UNUSED:
            return None
        self._use, pin, self._pin = PinUse.SENT, self._pin, None
        return pin

    def withhold(self) -> None:
        """It was refused before this process began: it is not given away at all."""
        if self._use is PinUse.UNUSED:
            self._use, self._pin = PinUse.REFUSED, None

    def judged(self, accepted: bool) -> None:
        """The modem has answered the PIN."""
        self._use = PinUse.ACCEPTED if accepted else PinUse.REFUSED

    def __repr__(self) -> str:
        return f"SimPin({self._use.value})"


DEFAULT_STEPS = (
    Step("ATZ", required=True),
    Step("ATE0"),  # no echo
    Step("ATV1"),  # results in words: numbers of CONNECT differ from maker to maker
    Step("ATX4"),  # all results, dial tone and busy detection
    Step("ATS0=0"),  # never answers by itself
    Step("AT&D2"),  # DTR off: hang up
    Step("AT&C1"),  # DCD follows the carrier
    Step("AT+CMEE=1"),  # errors with a reason
)


@dataclass(frozen=True, slots=True)
class ModemOptions:
    """How a modem line behaves. Times in seconds.

    `bearer` is what follows AT+CBST= (GSM 07.07 6.7): "7,0,1" V.32 9600, "71,0,1" V.110 9600, both not transparent; ""
    leaves the modem's own. `baud` is the rate between gateway and modem, 8N1, for the whole call. `guard` must be
    longer than the modem's S12 (1 s from the factory). `carrier_guard` is how long nothing may follow `NO CARRIER` for
    it to be the modem's word and not the meter's; it must be shorter than the driver's wait for the next character.
    """

    network: Network = Network.CELLULAR
    steps: tuple[Step, ...] = DEFAULT_STEPS
    bearer: str = ""
    bearer_required: bool = True
    dialling: Dialling = Dialling.DEFAULT
    baud: int = 9600
    setup: float = 90.0
    command: float = 5.0
    poll: float = 2.0
    guard: float = 1.2
    carrier_guard: float = 1.0
    hang_up: float = 8.0

    def __post_init__(self) -> None:
        checked_bearer(self.bearer)
        for name in ("setup", "command", "poll", "guard", "carrier_guard", "hang_up"):
            if not 0 < getattr(self, name) < 3600:
                raise ValueError(f"{name} is a time in seconds, above 0 and below 3600")


class Registration(Enum):
    """Answer of AT+CREG? (3GPP 27.007 7.2)."""

    NOT_SEARCHING = 0
    HOME = 1
    SEARCHING = 2
    DENIED = 3
    UNKNOWN = 4
    ROAMING = 5
    OTHER = -1
    """A state without data calls: SMS only, emergency calls only."""

    @property
    def usable(self) -> bool:
        return self in (Registration.HOME, Registration.ROAMING)


@dataclass(frozen=True, slots=True)
class ModemStatus:
    """What the modem said of itself in one set-up; None and "" where it was not asked or did not say."""

    sim: str = ""
    registration: Registration | None = None
    signal: int | None = None
    """0 to 31 of AT+CSQ (3GPP 27.007 8.5); None when not known (99)."""
    connect: str = ""
    """What followed CONNECT, for instance 9600/RLP."""
    rings: int = 0
    """Incoming calls noticed; those while nothing was dialled were refused."""
    rejected: tuple[str, ...] = ()
    """Optional commands that the modem rejected or did not answer."""

    @property
    def signal_dbm(self) -> int | None:
        return None if self.signal is None else -113 + 2 * self.signal


class CallResult(Enum):
    """How an attempt to call ended."""

    DONE = "done"
    LOST = "carrier lost"
    BUSY = "busy"
    NO_ANSWER = "no answer"
    NO_CARRIER = "no carrier"
    NO_DIALTONE = "no dialtone"
    DELAYED = "delayed"
    BLACKLISTED = "blacklisted"
    REFUSED = "refused"
    TIMEOUT = "timeout"
    NOT_REGISTERED = "not registered"
    SIM = "SIM"
    MODEM = "modem"
    LINE_FAILED = "line failed"
    CANCELLED = "cancelled"


class Scope(Enum):
    """What has to wait: this number, or every call of this modem."""

    NUMBER = "number"
    MODEM = "modem"


@dataclass(frozen=True, slots=True)
class BackOff:
    """Seconds before the first, second, ... repetition; the last one holds. Empty: a person has to act first."""

    scope: Scope
    seconds: tuple[float, ...]

    def after(self, failures: int) -> float | None:
        """How long to wait after so many failures in a row (at least 1); None: do not repeat by itself."""
        return self.seconds[min(failures, len(self.seconds)) - 1] if self.seconds else None


# A number that is busy is soon free; one that does not answer is off or wrong, and modems blacklist it for hours after
# a few attempts in a row, as networks require of them.
BACK_OFF: Mapping[CallResult, BackOff] = MappingProxyType(
    {
        CallResult.DONE: BackOff(Scope.NUMBER, (0.0,)),
        CallResult.LOST: BackOff(Scope.NUMBER, (30.0, 120.0, 600.0)),
        CallResult.BUSY: BackOff(Scope.NUMBER, (60.0, 180.0, 600.0)),
        CallResult.NO_ANSWER: BackOff(Scope.NUMBER, (300.0, 1800.0, 7200.0)),
        CallResult.NO_CARRIER: BackOff(Scope.NUMBER, (60.0, 300.0, 1800.0)),
        CallResult.NO_DIALTONE: BackOff(Scope.MODEM, (300.0, 900.0, 3600.0)),
        CallResult.DELAYED: BackOff(Scope.NUMBER, (600.0, 1800.0)),
        CallResult.BLACKLISTED: BackOff(Scope.NUMBER, (7200.0, 21600.0)),
        CallResult.REFUSED: BackOff(Scope.NUMBER, (300.0, 3600.0)),
        CallResult.TIMEOUT: BackOff(Scope.NUMBER, (120.0, 600.0, 3600.0)),
        CallResult.NOT_REGISTERED: BackOff(Scope.MODEM, (300.0, 900.0, 3600.0)),
        CallResult.SIM: BackOff(Scope.MODEM, ()),
        CallResult.MODEM: BackOff(Scope.MODEM, (60.0, 300.0, 1800.0)),
        CallResult.LINE_FAILED: BackOff(Scope.MODEM, (10.0, 60.0, 300.0)),
        CallResult.CANCELLED: BackOff(Scope.NUMBER, (0.0,)),
    }
)

REMEDY: Mapping[CallResult, str] = MappingProxyType(
    {
        CallResult.LOST: "the far end or the network hung up; look at the signal on both sides",
        CallResult.BUSY: "try again later; does another centre call this meter?",
        CallResult.NO_ANSWER: "is the meter's modem powered, and the number right?",
        CallResult.NO_CARRIER: "check the number, that both SIMs have data calls, and the bearer",
        CallResult.NO_DIALTONE: "check the telephone cable, or the network coverage",
        CallResult.DELAYED: "the modem makes this number wait after failed calls; call less often",
        CallResult.BLACKLISTED: "the modem refuses this number after failed calls; wait, or switch it off and on",
        CallResult.REFUSED: "check the number, the bearer and the SIM's services",
        CallResult.TIMEOUT: "a longer setup time, or another bearer; is the number right?",
        CallResult.NOT_REGISTERED: "check antenna, coverage and the SIM's contract",
        CallResult.SIM: "put the SIM into a telephone and look, correct the PIN file, then restart gatewayd",
        CallResult.MODEM: "check power, cable and baud rate of the modem, and its init steps",
    }
)


@dataclass(frozen=True, slots=True)
class CallRecord:
    """What one attempt to call cost. Instants are UTC; `number` is masked.

    `seconds` runs from CONNECT until the modem confirmed the hang-up, or until we had done all we can; it is 0 for a
    call that never connected. Bytes are those of the call, not those of the AT dialogue.
    """

    line: str
    number: str
    started_at: datetime
    connected_at: datetime | None
    ended_at: datetime
    seconds: float
    result: CallResult
    dialled: bool
    hung_up: bool
    """The modem confirmed that the call is over. False after a connected call: it may still cost money."""
    bytes_sent: int
    bytes_received: int
    status: ModemStatus = field(default_factory=ModemStatus)
