"""Telnet with the COM-PORT-OPTION as bytes and events: RFC 854, 855, 856, 858, 860, 2217. Neither waits nor sends.

Rules: any bytes at all give events or ChannelError, however they are cut into pieces; a subnegotiation has a stated
maximum; what is not known is refused once and then passed over, so that refusals cannot go round in circles.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, IntEnum

from gatewayd.errors import ChannelError

SUBNEGOTIATION_LIMIT = 512
"""Bytes on the wire, IAC SB and IAC SE included; the longest known is a signature, a line of text."""


class Code(IntEnum):
    """What may follow IAC; the commands that nobody acts on are not named here."""

    SE = 240
    NOP = 241
    AYT = 246
    SB = 250
    WILL = 251
    WONT = 252
    DO = 253
    DONT = 254
    IAC = 255


class Option(IntEnum):
    """The options that are spoken of; all others are refused."""

    BINARY = 0
    SUPPRESS_GO_AHEAD = 3
    TIMING_MARK = 6
    COM_PORT = 44


class Setting(IntEnum):
    """RFC 2217 section 3, client to server; the answer has the same number plus 100."""

    BAUDRATE = 1
    DATASIZE = 2
    PARITY = 3
    STOPSIZE = 4
    CONTROL = 5


NO_FLOW_CONTROL = 1
DTR_ON, DTR_OFF = 8, 9
"""Values of SET-CONTROL."""
_MODEM_STATE_MASK = 11
_NOTIFY_MODEM_STATE, _SUSPEND, _RESUME = 107, 108, 109
_ANSWER = 100
_PARITY = {"N": 1, "O": 2, "E": 3}
_NAMES = {
    Setting.BAUDRATE: "a rate of {} Bd",
    Setting.DATASIZE: "{} data bits",
    Setting.PARITY: "parity {}",
    Setting.STOPSIZE: "{} stop bits",
    Setting.CONTROL: "flow control {}",
}
_VALUES = {
    Setting.PARITY: {1: "none", 2: "odd", 3: "even", 4: "mark", 5: "space"},
    Setting.STOPSIZE: {3: "1.5"},
    Setting.CONTROL: {1: "off", 2: "XON/XOFF", 3: "RTS/CTS"},
}

# -- events ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Data:
    """What the serial port received, as it was before it was doubled."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Signal:
    """A command of two bytes, such as NOP and AYT."""

    code: int


@dataclass(frozen=True, slots=True)
class Negotiation:
    """WILL, WONT, DO or DONT for an option."""

    verb: Code
    option: int


@dataclass(frozen=True, slots=True)
class Confirmed:
    """What the server says that its port is set to."""

    setting: Setting
    value: int


@dataclass(frozen=True, slots=True)
class Flow:
    """The server wants us to stop sending (`held`), or to go on."""

    held: bool


@dataclass(frozen=True, slots=True)
class ModemState:
    """NOTIFY-MODEMSTATE: the modem status register of the port; bit 7 is DCD, bits 0 to 3 are what has changed."""

    value: int

    @property
    def carrier(self) -> bool:
        return bool(self.value & 0x80)


@dataclass(frozen=True, slots=True)
class Other:
    """A subnegotiation that nobody here acts on: line states, signatures, other options."""

    body: bytes


Event = Data | Signal | Negotiation | Confirmed | Flow | ModemState | Other


class Decoder:
    """Bytes of the server in, events out. After a ChannelError it is of no further use."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> Iterator[Event]:
        """The events that are complete; those before a fault come before the ChannelError."""
        self._rest += data
        while (event := self._next()) is not None:
            yield event

    def _next(self) -> Event | None:
        rest = self._rest
        start = rest.find(Code.IAC)
        if start:  # -1: no command at all
            return Data(self._take(len(rest) if start < 0 else start)) if rest else None
        if len(rest) < 2:
            return None
        match rest[1]:
            case Code.IAC:
                self._take(2)
                return Data(b"\xff")
            case Code.WILL | Code.WONT | Code.DO | Code.DONT as verb:
                return Negotiation(Code(verb), self._take(3)[2]) if len(rest) >= 3 else None
            case Code.SB:
                return self._subnegotiation()
            case code:
                self._take(2)
                return Signal(code)

    def _subnegotiation(self) -> Event | None:
        """RFC 855: IAC SB, the option, parameters with IAC doubled, IAC SE."""
        body = bytearray()
        rest, start = self._rest, 2
        while True:
            end = rest.find(Code.IAC, start)
            if (len(rest) if end < 0 else end) + 2 > SUBNEGOTIATION_LIMIT:
                raise ChannelError(f"a telnet subnegotiation longer than {SUBNEGOTIATION_LIMIT} bytes")
            if end < 0 or end + 1 == len(rest):
                return None
            body += rest[start:end]
            start = end + 2
            if rest[end + 1] == Code.SE:
                self._take(start)
                return _com_port(bytes(body))
            if rest[end + 1] != Code.IAC:
                raise ChannelError(f"the command IAC {rest[end + 1]} in the middle of a telnet subnegotiation")
            body.append(Code.IAC)

    def _take(self, count: int) -> bytes:
        taken = bytes(self._rest[:count])
        del self._rest[:count]
        return taken


def _com_port(body: bytes) -> Event:
    if len(body) < 2 or body[0] != Option.COM_PORT:
        return Other(body)
    code, value = body[1], body[2:]
    if code in (_SUSPEND, _RESUME):
        return Flow(held=code == _SUSPEND)
    if code == _NOTIFY_MODEM_STATE and value:
        return ModemState(value[0])
    try:
        setting = Setting(code - _ANSWER)
    except ValueError:
        return Other(body)
    size = _size(setting)
    if len(value) < size:
        raise ChannelError(f"an answer to SET-{setting.name} of {len(value)} bytes instead of {size}")
    return Confirmed(setting, int.from_bytes(value[:size], "big"))  # sredird sends four bytes more than a rate has


# -- bytes to send -----------------------------------------------------------------------------------------------------


def escape(data: bytes) -> bytes:
    """Data for the serial port (RFC 854: IAC is doubled)."""
    return data.replace(b"\xff", b"\xff\xff")


def signal(code: Code) -> bytes:
    return bytes((Code.IAC, code))


def negotiation(verb: Code, option: int) -> bytes:
    return bytes((Code.IAC, verb, option))


def request(setting: Setting, value: int) -> bytes:
    """SET-BAUDRATE and so on; the server answers with the value that its port then has."""
    value_bytes = value.to_bytes(_size(setting), "big")
    head = bytes((Code.IAC, Code.SB, Option.COM_PORT, setting))
    return head + escape(value_bytes) + bytes((Code.IAC, Code.SE))


def dtr(on: bool) -> bytes:
    """SET-CONTROL 8 or 9."""
    return request(Setting.CONTROL, DTR_ON if on else DTR_OFF)


def modem_state_wanted() -> bytes:
    """SET-MODEMSTATE-MASK for all bits: many servers then tell the present state at once."""
    return bytes((Code.IAC, Code.SB, Option.COM_PORT, _MODEM_STATE_MASK)) + escape(b"\xff") + bytes((Code.IAC, Code.SE))


def _size(setting: Setting) -> int:
    return 4 if setting is Setting.BAUDRATE else 1


def settings(baud: int, data_bits: int, parity: str, stop_bits: int) -> dict[Setting, int]:
    """The values of RFC 2217 for a rate and a framing."""
    return {
        Setting.BAUDRATE: baud,
        Setting.DATASIZE: data_bits,
        Setting.PARITY: _PARITY[parity],
        Setting.STOPSIZE: stop_bits,
    }


def shown(setting: Setting, value: int) -> str:
    """A value for people: `7 data bits`, `parity even`."""
    return _NAMES[setting].format(_VALUES.get(setting, {}).get(value, value))


# -- options -----------------------------------------------------------------------------------------------------------


class _State(Enum):
    OFF = "off"
    ASKED = "asked for by us"
    ON = "on"
    REFUSED = "refused for good"


_KNOWN = (Option.BINARY, Option.SUPPRESS_GO_AHEAD, Option.COM_PORT)
_NEEDED = {
    (True, Option.COM_PORT): "COM-PORT-OPTION",
    (True, Option.BINARY): "eight bits towards the meter (BINARY)",
    (False, Option.BINARY): "eight bits from the meter (BINARY)",
}


class Options:
    """Which options are on, on our side (we WILL, they DO) and on theirs.

    Each option can be turned on once and off once on each side: no peer can make this talk for ever (RFC 1143 tells of
    the loops). A request that crossed ours is its answer.
    """

    def __init__(self) -> None:
        self._states: dict[tuple[bool, int], _State] = {}

    def begin(self) -> bytes:
        """Ask for everything that is needed. RFC 2217 section 2: it is the client that WILL do COM-PORT-OPTION."""
        ours = ((True, Option.COM_PORT), (True, Option.BINARY), (True, Option.SUPPRESS_GO_AHEAD))
        theirs = ((False, Option.BINARY), (False, Option.SUPPRESS_GO_AHEAD))
        self._states = dict.fromkeys((*ours, *theirs), _State.ASKED)
        return b"".join(negotiation(Code.WILL if side else Code.DO, option) for side, option in self._states)

    def answer(self, event: Negotiation) -> bytes:
        """Take what the peer said; what has to be said to it."""
        ours = event.verb in (Code.DO, Code.DONT)
        yes, no = (Code.WILL, Code.WONT) if ours else (Code.DO, Code.DONT)
        key = (ours, event.option)
        before = self._states.get(key, _State.OFF)
        if event.verb in (Code.DONT, Code.WONT):
            self._states[key] = _State.REFUSED
            return negotiation(no, event.option) if before is _State.ON else b""
        if event.option == Option.TIMING_MARK:  # RFC 860: a mark in the stream, not a state; each one is answered
            return negotiation(Code.WILL, event.option) if ours else b""
        if before in (_State.ON, _State.REFUSED):
            return b""
        if event.option not in _KNOWN:
            self._states[key] = _State.REFUSED
            return negotiation(no, event.option)
        self._states[key] = _State.ON
        return b"" if before is _State.ASKED else negotiation(yes, event.option)

    @property
    def missing(self) -> str:
        """What is needed and has not been agreed, for people; empty when everything has."""
        return " and ".join(text for key, text in _NEEDED.items() if not self._agreed(key))

    @property
    def refused(self) -> str:
        """What is needed and will not be, for people; empty when nothing is refused."""
        return " and ".join(text for key, text in _NEEDED.items() if self._states.get(key) is _State.REFUSED)

    def _agreed(self, key: tuple[bool, Option]) -> bool:
        # Some servers offer the COM-PORT-OPTION themselves instead of accepting our offer; they mean the same.
        either = (key, (False, Option.COM_PORT)) if key[1] is Option.COM_PORT else (key,)
        return any(self._states.get(side) is _State.ON for side in either)
