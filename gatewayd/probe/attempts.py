"""One thing to try on a line, what it may find, and the plan of all attempts.

Rules: pure; an attempt says what is sent, how long to wait and how to judge what comes. The plan asks politely and in
the order in which an answer is likely: listen, DLMS in the wrapper (TCP), IEC 62056-21, DLMS over HDLC, Modbus RTU.
Never a password or a write.
"""

import functools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from gatewayd.channel import Framing
from gatewayd.probe.frames import (
    CLIENT,
    DM,
    FIRST,
    UA,
    Server,
    associate,
    associated,
    disconnect,
    find_frame,
    modbus_answer,
    pushed,
    read_register,
    release,
    snrm,
)

SETTLE_S = 0.1
"""How long a line is listened to before something is sent, so that late characters belong to nothing."""
WAKE_UP_S, PAUSE_S = 2.2, 1.6
"""NUL characters for so long, then nothing for so long (IEC 62056-21 annex B)."""
_IEC_WAIT, _DLMS_WAIT, _WRAPPER_WAIT, _MODBUS_WAIT = 2.0, 1.5, 4.0, 0.4
_PUSH = (("push", "{}"),)
_SML = b"\x1b\x1b\x1b\x1b\x01\x01\x01\x01"


class Protocol(Enum):
    """What is tried."""

    PUSH = "push"
    IEC = "iec"
    DLMS = "dlms"
    MODBUS = "modbus"


@dataclass(frozen=True, slots=True)
class Finding:
    """A device that answered. `driver` is the one that reads it, "" where there is none; `options` are its options."""

    protocol: str
    baud: int
    framing: Framing
    driver: str = ""
    mode: str = ""
    identification: str = ""
    maker: str = ""
    offered_baud: int | None = None
    profile: str = ""
    address: str = ""
    options: tuple[tuple[str, str], ...] = ()
    rated: bool = True
    """False where the rate of the line has nothing to do with it (the wrapper of TCP)."""
    notes: tuple[str, ...] = ()


Judge = Callable[[bytes, bool], Finding | None]
"""What came so far, and whether nothing more will come -> what it is. None: nothing yet, or nothing known."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """Set the line, send, wait `wait` seconds for an answer, judge it; `goodbye` is sent when there was one."""

    protocol: Protocol
    what: str
    baud: int
    framing: Framing
    send: bytes
    wait: float
    judge: Judge
    wake_up: bool = False
    goodbye: bytes = b""

    @property
    def group(self) -> tuple[Protocol, str, int, Framing, bool]:
        """When one attempt of a group finds something, the rest of its group is tried, and nothing behind it: units of
        Modbus. A DLMS meter that was found in one way is not asked in another."""
        way = self.what if self.protocol is Protocol.DLMS else ""
        return self.protocol, way, self.baud, self.framing, self.wake_up

    @property
    def seconds(self) -> float:
        """How long it takes when nobody answers."""
        return (WAKE_UP_S + PAUSE_S if self.wake_up else 0) + self.line_seconds(len(self.send)) + self.wait + SETTLE_S

    def line_seconds(self, characters: int) -> float:
        """How long so many characters are on the wire."""
        return characters * self.framing.bits / self.baud

    @property
    def nuls(self) -> bytes:
        """What wakes a meter up at this rate."""
        return bytes(round(WAKE_UP_S * self.baud / self.framing.bits)) if self.wake_up else b""


@dataclass(frozen=True, slots=True)
class Iec:
    """The words of IEC 62056-21, which the driver knows: request message, break, and what an answer means."""

    sign_on: bytes
    goodbye: bytes
    judge: Callable[[bytes, bool, int], Finding | None]
    telegram: Callable[[bytes, bool, int], Finding | None]


@dataclass(frozen=True, slots=True)
class Scope:
    """What is to be tried. `bauds` empty: the usual rates; `usual_baud` is tried first; `fixed` framing: no other."""

    protocols: frozenset[Protocol] = frozenset(Protocol)
    bauds: tuple[int, ...] = ()
    usual_baud: int | None = None
    fixed: Framing | None = None
    has_rate: bool = True
    """False where the line has no rate of its own (TCP): every rate would be the same."""
    listen: float = 4.0
    units: Sequence[int] = range(1, 9)
    server: Server = FIRST


def plan(scope: Scope, iec: Iec) -> tuple[Attempt, ...]:
    """All attempts in order, each once."""
    found: dict[tuple[object, ...], Attempt] = {}
    for attempt in _wanted(scope, iec):
        if scope.fixed is not None:
            if scope.fixed.data_bits == 7 and attempt.protocol in (Protocol.DLMS, Protocol.MODBUS):
                continue  # these need eight bits
            attempt = replace(attempt, framing=scope.fixed)
        found.setdefault((*attempt.group, attempt.what), attempt)
    return tuple(found.values())


def _wanted(scope: Scope, iec: Iec) -> Iterable[Attempt]:
    if Protocol.PUSH in scope.protocols and scope.listen > 0:
        for baud in _rates(scope, (9600, 115200, 2400)):
            # Eight bits and no parity take what 7E1 sends, parity in bit 7, and have as many bits on the wire.
            judge = functools.partial(_pushed, iec=iec, baud=baud, framing=scope.fixed)
            yield Attempt(Protocol.PUSH, "listening", baud, Framing.N81, b"", scope.listen, judge)
    if Protocol.DLMS in scope.protocols and not scope.has_rate:
        # Before the rest: what belongs to no wrapper makes some meters close the connection.
        logical = scope.server.logical
        for baud in _rates(scope, ()):
            yield Attempt(
                Protocol.DLMS,
                "association in the wrapper",
                baud,
                Framing.N81,
                associate(logical),
                _WRAPPER_WAIT,
                functools.partial(_associated, baud=baud, server=logical),
                goodbye=release(logical),
            )
    if Protocol.IEC in scope.protocols:
        rates = _rates(scope, (300, 9600, 2400, 1200, 4800, 19200))
        for baud, wake_up in [*((rate, False) for rate in rates), (rates[0], True)]:
            judge = functools.partial(_signed_on, iec=iec, baud=baud, wake_up=wake_up)
            what = "sign-on after a wake-up" if wake_up else "sign-on"
            yield Attempt(
                Protocol.IEC, what, baud, Framing.E71, iec.sign_on, _IEC_WAIT, judge, wake_up, goodbye=iec.goodbye
            )
    if Protocol.DLMS in scope.protocols:
        for baud in _rates(scope, (9600, 2400, 19200, 115200, 300)):
            for server in _servers(scope.server):
                judge = functools.partial(_connected, baud=baud, server=server)
                what = "SNRM, address of four bytes" if server.wide else "SNRM"
                goodbye = disconnect(server)
                yield Attempt(Protocol.DLMS, what, baud, Framing.N81, snrm(server), _DLMS_WAIT, judge, goodbye=goodbye)
    if Protocol.MODBUS in scope.protocols:
        usual: tuple[tuple[int, Framing], ...] = ((9600, Framing.N81), (9600, Framing.E81), (19200, Framing.E81))
        if scope.bauds or not scope.has_rate or scope.usual_baud:
            framings = (Framing.N81,) if not scope.has_rate else (Framing.N81, Framing.E81)
            own = tuple((baud, framing) for baud in _rates(scope, ()) for framing in framings)
            usual = own if scope.bauds or not scope.has_rate else (*own, *usual)
        for baud, framing in usual:
            for unit in scope.units:
                judge = functools.partial(_registered, baud=baud, framing=framing, unit=unit)
                what = f"read a register of unit {unit}"
                yield Attempt(Protocol.MODBUS, what, baud, framing, read_register(unit), _MODBUS_WAIT, judge)


def _servers(server: Server) -> tuple[Server, ...]:
    """The same numbers in two and in four bytes are two addresses."""
    return (server,) if server.physical is None else (server, replace(server, wide=True))


def _rates(scope: Scope, usual: tuple[int, ...]) -> tuple[int, ...]:
    if not scope.has_rate:
        return (scope.usual_baud or 9600,)
    rates = scope.bauds or (*((scope.usual_baud,) if scope.usual_baud else ()), *usual)
    return tuple(dict.fromkeys(rates))


# -- judges ------------------------------------------------------------------------------------------------------------


def _pushed(data: bytes, over: bool, *, iec: Iec, baud: int, framing: Framing | None) -> Finding | None:
    """`framing` is that of the line, None where it is to be found out."""
    if find_frame(data) is not None:
        return Finding("DLMS push over HDLC", baud, Framing.N81, "dlms", options=_PUSH, notes=("pushes by itself",))
    if pushed(data):
        return Finding(
            "DLMS push in the wrapper", baud, Framing.N81, "dlms", options=_PUSH, notes=("pushes by itself",)
        )
    if _SML in data:
        return Finding("SML", baud, Framing.N81, notes=("pushes SML (BSI TR-03109), which gatewayd does not read",))
    found = iec.telegram(bytes(byte & 0x7F for byte in data), over, baud)
    if found is None:
        return None
    # P1 has 8N1, and a port at 7E1 would take half of its characters for garbled: bit 7 tells.
    even = 10 * sum(byte.bit_count() % 2 == 0 for byte in data) >= 9 * len(data)
    return replace(found, framing=framing or (Framing.E71 if even else Framing.N81))


def _signed_on(data: bytes, over: bool, *, iec: Iec, baud: int, wake_up: bool) -> Finding | None:
    found = iec.judge(data, over, baud)
    if found is None or not wake_up:
        return found
    return replace(
        found, options=(*found.options, ("wake_up", "yes")), notes=(*found.notes, "sleeps, and was woken up first")
    )


def _associated(data: bytes, over: bool, *, baud: int, server: int) -> Finding | None:
    said = associated(data, server)
    if said is None:
        return None
    options = (
        ("transport", "wrapper"),
        ("client", str(CLIENT)),
        ("server", str(server)),
        ("authentication", "none"),
    )
    return Finding(
        "DLMS in the wrapper",
        baud,
        Framing.N81,
        "dlms",
        address=str(server),
        options=options,
        rated=False,
        notes=(said,),
    )


def _connected(data: bytes, over: bool, *, baud: int, server: Server) -> Finding | None:
    client = bytes((CLIENT << 1 | 1,))
    for start in (n for n, byte in enumerate(data) if byte == 0x7E):
        frame = find_frame(data[start:])
        if frame is not None and frame.destination == client and frame.control in (UA, DM):
            return Finding(
                "DLMS over HDLC",
                baud,
                Framing.N81,
                "dlms",
                address=str(server),
                options=(
                    ("transport", "hdlc"),
                    ("client", str(CLIENT)),
                    ("server", str(server.logical)),
                    *((("physical", str(server.physical)),) if server.physical is not None else ()),
                    *((("address_bytes", "4"),) if server.wide else ()),
                    ("authentication", "none"),
                ),
                notes=("connects",) if frame.control == UA else ("is there and refuses the public client (DM)",),
            )
    return None


def _registered(data: bytes, over: bool, *, baud: int, framing: Framing, unit: int) -> Finding | None:
    said = modbus_answer(data, unit)
    if said is None:
        return None
    options = (("unit", str(unit)), ("transport", "rtu"))
    return Finding("Modbus RTU", baud, framing, "modbus", address=str(unit), options=options, notes=(said,))
