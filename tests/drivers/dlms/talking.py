"""A channel with a meter at its end, for tests of conversations: it never waits, and it can cancel its user at any
await.

Rules: what the meter does not answer is a timeout at once. `log` is everything that was sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from gatewayd.channel import Framing
from gatewayd.errors import ChannelTimeout, GatewayError
from tests.drivers.dlms.hdlc_bytes import frame
from tests.drivers.dlms.hdlc_conversation import ANSWER, REQUEST

Apdus = Callable[[bytes], Iterable[bytes]]
"""A meter: one APDU in, its answers out, none for silence."""


class Meter(Protocol):
    """What is at the end of the line: bytes as they are sent in, chunks as they are received out."""

    def hear(self, data: bytes) -> Iterable[bytes | GatewayError]: ...


class HdlcMeter:
    """Client 16, server 1; answers longer than `most` octets come in segments."""

    def __init__(self, apdus: Apdus, most: int = 120) -> None:
        self._apdus = apdus
        self._most = most
        self._vs = self._vr = 0
        self._segments: list[bytes] = []

    def hear(self, data: bytes) -> Iterable[bytes | GatewayError]:
        control = data[5]
        if control == 0x93:
            self._vs = self._vr = 0
            return [frame("21 03 73")]
        if control == 0x53:
            return [frame("21 03 73")]
        if control & 1 == 0:
            self._vr = (self._vr + 1) % 8
            information = data[8:-3]
            assert information.startswith(REQUEST)
            self._segments = []
            for apdu in self._apdus(information[3:]):
                lsdu = ANSWER + apdu
                self._segments += [lsdu[at : at + self._most] for at in range(0, len(lsdu), self._most)]
        if not self._segments:
            return [frame(f"21 03 {self._vr << 5 | 0x11:02X}")] if control & 0x0F == 1 else []
        content = self._segments.pop(0)
        more = bool(self._segments) and not self._segments[0].startswith(ANSWER)
        ns, self._vs = self._vs, (self._vs + 1) % 8
        return [frame(f"21 03 {self._vr << 5 | 0x10 | ns << 1:02X}", content, segmented=more)]


class WrapperMeter:
    """Client 16, server 1."""

    def __init__(self, apdus: Apdus) -> None:
        self._apdus = apdus

    def hear(self, data: bytes) -> Iterable[bytes | GatewayError]:
        assert data[:6] == bytes.fromhex("0001 0010 0001")
        assert int.from_bytes(data[6:8]) == len(data) - 8
        return [bytes.fromhex("0001 0001 0010") + len(apdu).to_bytes(2) + apdu for apdu in self._apdus(data[8:])]


class TalkingChannel:
    """`cancel`: the number of the await, from 1, in which the task that uses the channel is cancelled. `chunk`: octets
    that one receive gives at most. `broken`: what every use raises from then on."""

    def __init__(self, meter: Meter, *, cancel: int = 0, chunk: int = 1 << 20) -> None:
        self._meter = meter
        self._cancel = cancel
        self._chunk = chunk
        self._coming: list[bytes | GatewayError] = []
        self._user: asyncio.Task[Any] | None = None
        self.parity_errors = 0
        self.awaits = 0
        self.log: list[bytes] = []
        self.secrets: list[bytes] = []
        self.rests: list[float] = []
        self.broken: GatewayError | None = None

    async def send(self, data: bytes, *, deadline: float, secret: bool = False) -> None:
        await self._await(deadline)
        self.log.append(data)
        if secret:
            self.secrets.append(data)
        self._coming += self._meter.hear(data)

    async def receive(self, *, deadline: float) -> bytes:
        await self._await()
        if not self._coming:
            raise ChannelTimeout("line bus: nothing received in time")
        said = self._coming.pop(0)
        if isinstance(said, GatewayError):
            raise said
        if len(said) > self._chunk:
            self._coming.insert(0, said[self._chunk :])
        return said[: self._chunk]

    async def rest(self, seconds: float) -> None:
        await self._await()
        self.rests.append(seconds)

    async def set_line(self, baud: int, framing: Framing, *, deadline: float) -> None:
        raise AssertionError("the rate is the driver's business")

    async def close(self) -> None:
        raise AssertionError("the channel is not the conversation's to close")

    async def _await(self, deadline: float | None = None) -> None:
        assert deadline is None or deadline > asyncio.get_running_loop().time()
        self._user = self._user or asyncio.current_task()
        self.awaits += 1
        if self.broken is not None:
            raise self.broken
        if self.awaits == self._cancel:
            assert self._user is not None
            self._user.cancel()
            await asyncio.sleep(0)
