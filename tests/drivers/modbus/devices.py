"""A line with Modbus devices on it, in simulated time: what is sent, what comes back and when. Nothing sleeps.

Rules: frames are made here and not by the package. `run` gives a loop whose time goes on only when everybody waits.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from gatewayd.channel import Framing
from gatewayd.errors import ChannelError, ChannelTimeout
from tests.drivers.modbus.rtu_bytes import check

_T = TypeVar("_T")


class SimulatedLoop(asyncio.SelectorEventLoop):
    """Its time goes on by what is waited for, at once."""

    def __init__(self) -> None:
        self.now = 1000.0
        super().__init__(_Jumping(self))

    def time(self) -> float:
        return self.now


class _Jumping(selectors.SelectSelector):
    def __init__(self, loop: SimulatedLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready:
            assert timeout is not None, "everybody waits, and nothing is going to happen"
            self._loop.now += timeout
        return ready


def run(main: Coroutine[Any, Any, _T]) -> _T:
    """In simulated time."""
    with asyncio.Runner(loop_factory=SimulatedLoop) as runner:
        return runner.run(main)


def words(*numbers: int) -> bytes:
    """Registers as octets."""
    return b"".join((number & 0xFFFF).to_bytes(2) for number in numbers)


@dataclass
class Device:
    """One unit. `registers`: function -> address -> content. What it does not have, it refuses with exception 2, and
    functions that it does not have with 1. `refuse`: looked at first, gives an exception or None. `delay`: seconds
    until the answer to request number n (from 0) comes, None where it does not come."""

    registers: dict[int, dict[int, int]]
    unit: int = 1
    most: int = 125
    delay: Callable[[int], float | None] = lambda number: 0.01
    refuse: Callable[[int, int, int], int | None] = lambda function, address, count: None
    spoil: Callable[[int, bytes], bytes] = lambda number, pdu: pdu
    garble: Callable[[int, bytes], bytes] = lambda number, frame: frame
    requests: list[tuple[int, int, int]] = field(default_factory=list)

    def answer(self, pdu: bytes) -> bytes:
        """The PDU for a request to this unit."""
        assert len(pdu) == 5, pdu.hex()
        function, address, count = pdu[0], int.from_bytes(pdu[1:3]), int.from_bytes(pdu[3:5])
        self.requests.append((function, address, count))
        code = self.refuse(function, address, count)
        if code is None and function not in self.registers:
            code = 1
        if code is None and count > self.most:
            code = 3
        have = self.registers.get(function, {})
        asked = range(address, address + count)
        if code is None and not all(one in have for one in asked):
            code = 2
        if code is not None:
            return bytes((function | 0x80, code))
        return self.spoil(len(self.requests) - 1, bytes((function, 2 * count)) + words(*(have[one] for one in asked)))

    def put(self, function: int, address: int, *numbers: int) -> None:
        """Give it registers."""
        self.registers.setdefault(function, {}).update(enumerate(numbers, address))


class Line:
    """A bus or endpoint that outlives the channels to it."""

    def __init__(self, devices: Iterable[Device], tcp: bool = False) -> None:
        self.devices = {device.unit: device for device in devices}
        self.tcp = tcp
        self.sent: list[tuple[float, bytes]] = []
        self.settings: list[tuple[int, Framing]] = []
        self.coming = bytearray()
        self.broken = False
        self.arrived = asyncio.Event()

    def send(self, data: bytes) -> None:
        loop = asyncio.get_running_loop()
        self.sent.append((loop.time(), data))
        unit, pdu = (data[6], data[7:]) if self.tcp else (data[0], data[1:-2])
        assert self.tcp or check(data[:-2]) == data[-2:]
        device = self.devices.get(unit)
        if device is None:
            return
        body = bytes((unit,)) + device.answer(pdu)
        delay = device.delay(len(device.requests) - 1)
        if delay is not None:
            whole = data[:4] + len(body).to_bytes(2) + body if self.tcp else body + check(body)
            loop.call_later(delay, self.come, device.garble(len(device.requests) - 1, whole))

    def come(self, data: bytes) -> None:
        """This arrives."""
        self.coming += data
        self.arrived.set()

    def channel(self, cancel: int = 0) -> LineChannel:
        return LineChannel(self, cancel)


class LineChannel:
    """`cancel`: the number of the await, from 1, in which the task that uses the channel first is cancelled."""

    def __init__(self, line: Line, cancel: int = 0) -> None:
        self._line = line
        self._cancel = cancel
        self._user: asyncio.Task[Any] | None = None
        self.awaits = 0
        self.parity_errors = 0

    async def send(self, data: bytes, *, deadline: float, secret: bool = False) -> None:
        assert not secret
        await self._await(deadline)
        self._line.send(data)

    async def receive(self, *, deadline: float) -> bytes:
        await self._await()
        while not self._line.coming:
            if self._line.broken:
                raise ChannelError("line bus: closed")
            self._line.arrived.clear()
            try:
                async with asyncio.timeout_at(deadline):
                    await self._line.arrived.wait()
            except TimeoutError:
                raise ChannelTimeout("line bus: nothing received in time") from None
        data = bytes(self._line.coming)
        self._line.coming.clear()
        return data

    async def rest(self, seconds: float) -> None:
        raise AssertionError("nobody rests on a Modbus line")

    async def set_line(self, baud: int, framing: Framing, *, deadline: float) -> None:
        await self._await(deadline)
        self._line.settings.append((baud, framing))

    async def close(self) -> None:
        raise AssertionError("the channel is not the driver's to close")

    async def _await(self, deadline: float | None = None) -> None:
        assert deadline is None or deadline > asyncio.get_running_loop().time()
        self._user = self._user or asyncio.current_task()
        self.awaits += 1
        if self.awaits == self._cancel:
            assert self._user is not None
            self._user.cancel()
        await asyncio.sleep(0)
