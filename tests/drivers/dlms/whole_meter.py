"""A whole meter behind the wrapper, for tests of the driver: associations of several clients, ciphering, objects.

Rules: APDUs are taken apart and put together by hand (association_meter, asked_meter), nothing of the package's codec
is used. `heard` is every APDU as a client meant it, deciphered, with the client; `counters` every invocation counter.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from drivers import DRIVERS
from drivers.dlms.options import DlmsOptions
from drivers.dlms.wire.attribute import Attribute
from drivers.dlms.wire.axdr import decode
from drivers.dlms.wire.service_errors import DataAccess
from gatewayd.channel import Framing
from gatewayd.driver import Driver, EnterHdlc, Memory, Setting
from gatewayd.errors import GatewayError
from gatewayd.model import Answer, Meter, Request
from tests.drivers.dlms.asked_meter import CountingMemory, FakeMeter, Ticking
from tests.drivers.dlms.association_meter import (
    ALL,
    METER,
    STOC,
    aare,
    gmac,
    initiate_response,
    sealed,
    unsealed,
)
from tests.drivers.dlms.talking import TalkingChannel

CONTEXT = bytes.fromhex("6085740508")
CIPHERED = {0xC8: 0xCC, 0xC9: 0xCD, 0xCB: 0xCF}
COUNTER_ERROR = bytes.fromhex("D8 01 06")


@dataclass
class Access:
    """What a client of the meter has to do: mechanism (0, 1 or 5), password, whether messages are ciphered."""

    mechanism: int = 0
    password: bytes = b""
    ciphered: bool = False


class WholeMeter:
    """`expected` is the highest invocation counter that it has seen; `conformance` what it takes."""

    def __init__(self, objects: FakeMeter, clients: dict[int, Access] | None = None, conformance: str = ALL) -> None:
        self.objects = objects
        self.clients = clients or {16: Access()}
        self.conformance = conformance
        self.expected = 0
        self.sent = 1000
        self.counters: list[int] = []
        self.heard: list[tuple[int, bytes]] = []
        self.associated: set[int] = set()
        self.refuse_deciphering = False
        self.challenge = b""

    @property
    def aarqs(self) -> list[int]:
        """The clients that have asked for an association."""
        return [client for client, apdu in self.heard if apdu[0] == 0x60]

    def hear(self, data: bytes) -> Iterable[bytes | GatewayError]:
        assert data[:2] == b"\x00\x01" and data[4:6] == b"\x00\x01"
        assert int.from_bytes(data[6:8]) == len(data) - 8
        client = int.from_bytes(data[2:4])
        if client not in self.clients:
            return []
        answer = self.answer(client, data[8:])
        if not answer:
            return []
        return [bytes.fromhex("0001 0001") + data[2:4] + len(answer).to_bytes(2) + answer]

    def answer(self, client: int, apdu: bytes) -> bytes:
        access = self.clients[client]
        if apdu[0] == 0x60:
            self.heard.append((client, apdu))
            return self._associated(client, access, _fields(apdu[2:]))
        if apdu[0] == 0x62:
            self.heard.append((client, apdu))
            self.associated.discard(client)
            return bytes.fromhex("63 03 80 01 00")
        assert client in self.associated
        if not access.ciphered:
            self.heard.append((client, apdu))
            return self._served(apdu)
        if self._counted(apdu) is None:
            return COUNTER_ERROR + (self.expected + 1).to_bytes(4)
        plain = unsealed(apdu)
        self.heard.append((client, plain))
        return sealed(CIPHERED[apdu[0]], self._served(plain), self._next())

    def _associated(self, client: int, access: Access, fields: dict[int, bytes]) -> bytes:
        ciphered = fields[0xA1][-1] == 3
        mechanism = fields[0x8B][-1] if 0x8B in fields else 0
        if (ciphered, mechanism) != (access.ciphered, access.mechanism):
            return aare(result=1, diagnostic=2)
        if access.mechanism == 1 and fields[0xAC][2:] != access.password:
            return aare(result=1, diagnostic=13)
        information = fields[0xBE][2:]
        response = initiate_response(self.conformance)
        if access.ciphered:
            if self.refuse_deciphering:
                return bytes.fromhex("0E 01 00 06")
            if self._counted(information) is None:
                return COUNTER_ERROR + (self.expected + 1).to_bytes(4)
            unsealed(information)
            response = sealed(0x28, response, self._next())
        self.associated.add(client)
        if access.mechanism != 5:
            return aare(ciphered=access.ciphered, title=METER if access.ciphered else b"", information=response)
        self.challenge = fields[0xAC][2:]
        return aare(
            ciphered=access.ciphered,
            title=METER,
            diagnostic=14,
            mechanism=5,
            challenge=STOC,
            information=response,
        )

    def _counted(self, apdu: bytes) -> int | None:
        at = 3 if apdu[1] < 0x80 else 3 + (apdu[1] & 0x7F)
        counter = int.from_bytes(apdu[at : at + 4])
        if counter <= self.expected:
            return None
        self.expected = counter
        self.counters.append(counter)
        return counter

    def _next(self) -> int:
        self.sent += 1
        return self.sent

    def _served(self, apdu: bytes) -> bytes:
        match apdu[:2]:
            case b"\xc0\x01":
                return b"\xc4\x01" + apdu[2:3] + self._value(apdu[3:12])
            case b"\xc0\x03":
                number = apdu[3]
                descriptors = [apdu[4 + 10 * n : 14 + 10 * n] for n in range(number)]
                assert all(descriptor[9] == 0 for descriptor in descriptors)
                values = b"".join(self._value(descriptor[:9]) for descriptor in descriptors)
                return b"\xc4\x03" + apdu[2:3] + bytes((number,)) + values
            case b"\xc1\x01":
                assert apdu[12] == 0
                written = _now(self.objects.set_(_attribute(apdu[3:12]), apdu[13:]))
                return b"\xc5\x01" + apdu[2:3] + bytes((written,))
            case b"\xc3\x01":
                return b"\xc7\x01" + apdu[2:3] + self._invoked(apdu)
            case _:
                raise AssertionError(apdu.hex(" "))

    def _invoked(self, apdu: bytes) -> bytes:
        descriptor, parameter = apdu[3:12], apdu[13:]
        if descriptor == bytes.fromhex("000F 0000280000FF 01"):
            assert parameter[:2] == b"\x09\x11"
            counter = int.from_bytes(parameter[3:7])
            # It is taken before that of the APDU around it.
            around = [self.counters.pop()] if self.expected in self.counters[-1:] and counter < self.expected else []
            assert counter > max(self.counters, default=0)
            self.counters += [counter, *around]
            self.expected = max(self.expected, counter)
            assert parameter[2:] == gmac(bytes.fromhex("4D4D4D0000000001"), counter, STOC)
            return b"\x00\x01\x00\x09\x11" + gmac(METER, self._next(), self.challenge)
        attribute = _attribute(descriptor)
        result = _now(self.objects.action(attribute.class_id, attribute.logical_name, attribute.index, parameter))
        return bytes((result,)) + b"\x00"

    def _value(self, descriptor: bytes) -> bytes:
        result = _now(self.objects.get(_attribute(descriptor)))
        return bytes((1, result)) if isinstance(result, DataAccess) else b"\x00" + result.value.raw


def _attribute(descriptor: bytes) -> Attribute:
    return Attribute(int.from_bytes(descriptor[:2]), descriptor[2:8], descriptor[8])


def _now(coroutine: Any) -> Any:  # Any: whatever the coroutine of a fake gives, which never waits
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("a fake that waits")


def _fields(content: bytes) -> dict[int, bytes]:
    """BER fields by tag; lengths below 128 are enough here."""
    fields: dict[int, bytes] = {}
    at = 0
    while at < len(content):
        fields[content[at]] = content[at + 2 : at + 2 + content[at + 1]]
        at += 2 + content[at + 1]
    return fields


class MeterChannel(TalkingChannel):
    """A channel of a line, whose rate is set; `lines` is how."""

    def __init__(self, meter: Any, **more: Any) -> None:  # Any: as TalkingChannel has them
        super().__init__(meter, **more)
        self.lines: list[tuple[int, Framing]] = []

    async def set_line(self, baud: int, framing: Framing, *, deadline: float) -> None:
        await self._await(deadline)
        self.lines.append((baud, framing))


class Installation:
    """A meter with its driver, session after session."""

    def __init__(
        self,
        meter: Any,
        *,
        memory: Memory | None = None,
        serial: str = "",
        baud: int | None = None,
        enter_hdlc: EnterHdlc | None = None,
        **options: Any,
    ) -> None:
        self.meter = meter
        self.memory = memory or CountingMemory()
        self.clock = Ticking()
        self.channels: list[MeterChannel] = []
        setting = Setting(
            meter=Meter("em-2001", "dlms", "cabin", serial=serial),
            options=DlmsOptions.model_validate(options),
            line_baud=baud,
            clock=self.clock,
            zone=ZoneInfo("Europe/Prague"),
            memory=self.memory,
            enter_hdlc=enter_hdlc,
        )
        self.driver: Driver = DRIVERS["dlms"].build(setting)

    def ask(self, request: Request, **channel: Any) -> list[Answer]:
        self.channels.append(MeterChannel(self.meter, **channel))
        return asyncio.run(self._ask(self.channels[-1], request))

    async def _ask(self, channel: MeterChannel, request: Request) -> list[Answer]:
        async with aclosing(self.driver.execute(channel, request)) as answers:
            return [answer async for answer in answers]


def texts(answers: Sequence[Answer]) -> list[str]:
    """Codes and texts of all readings."""
    return [f"{reading.code} {reading.raw_text}" for answer in answers for reading in answer.readings]


def whole(octets: bytes) -> bytes:
    """These octets, which are one value."""
    assert decode(octets)[1] == len(octets)
    return octets
