"""The driver against a server that is not ours, over real channels: Modbus TCP, RTU over TCP, RTU on a pseudo-terminal.

Two pseudo-terminals are joined by the test, as the server opens one by its name.
"""

from __future__ import annotations

import asyncio
import os
import tty
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pymodbus import FramerType
from pymodbus.server import ModbusSerialServer, ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from drivers.modbus.maps import maps
from gatewayd.channel import Channel
from gatewayd.channel.serial import open_serial
from gatewayd.channel.tcp import open_tcp
from gatewayd.model import Answer, Registers
from gatewayd.obis import Obis
from tests.drivers.modbus.sessions import ENERGY, MAP, Session, f32

UNIT = 7
SECONDS = 20


def device() -> SimDevice:
    """The energies and currents of an SDM630 and its serial number, without anything between."""
    blocks = [
        SimData(0x00, values=[number for at in range(9) for number in f32(str(at + 0.5))], datatype=DataType.REGISTERS),
        SimData(0x48, values=[*f32("1234.5"), *f32("6.25")], datatype=DataType.REGISTERS),
        SimData(0xFC00, values=[0x0012, 0xD687], datatype=DataType.REGISTERS),
    ]
    return SimDevice(id=UNIT, simdata=blocks)


async def read(channel: Channel, session: Session) -> Answer:
    async with asyncio.timeout(SECONDS):
        async for answer in session.driver.execute(channel, Registers()):
            return answer
    raise AssertionError("no answer")


def check(answer: Answer) -> None:
    values = {reading.obis: reading.value for reading in answer.readings if reading.obis_raw}
    assert values[ENERGY] == Decimal("1234.5")
    assert values[Obis.parse("1-0:2.8.0")] == Decimal("6.25")
    assert [values[Obis.parse(f"1-0:{c}.7.0")] for c in (32, 52, 72)] == [
        Decimal("0.5"),
        Decimal("1.5"),
        Decimal("2.5"),
    ]
    have = {at for begin, count in ((0x00, 18), (0x48, 4)) for at in range(begin, begin + count)}
    assert values.keys() == {one.code for one in maps()[MAP].registers if one.address in have}
    assert answer.serials == ("1234567",)


@asynccontextmanager
async def served(framer: FramerType) -> AsyncIterator[int]:
    server = ModbusTcpServer([device()], framer=framer, address=("127.0.0.1", 0))
    await server.serve_forever(background=True)
    try:
        listening: Any = server.transport  # a server of asyncio, which its type does not say
        yield listening.sockets[0].getsockname()[1]
    finally:
        await server.shutdown()  # type: ignore[no-untyped-call] # it has no types


async def over_tcp(framer: FramerType, transport: str) -> None:
    async with served(framer) as port:
        deadline = asyncio.get_running_loop().time() + SECONDS
        channel = await open_tcp("bus", "127.0.0.1", port, None, deadline=deadline)
        session = Session(baud=None, unit=UNIT, transport=transport)
        try:
            check(await read(channel, session))
            check(await read(channel, session))
        finally:
            await channel.close()


@pytest.mark.parametrize(("framer", "transport"), [(FramerType.SOCKET, "tcp"), (FramerType.RTU, "rtu")])
def test_over_tcp(framer: FramerType, transport: str) -> None:
    asyncio.run(over_tcp(framer, transport))


def test_on_a_serial_line() -> None:
    asyncio.run(on_a_serial_line())


async def on_a_serial_line() -> None:
    pairs = [os.openpty() for _ in range(2)]
    loop = asyncio.get_running_loop()
    (ours, near), (theirs, far) = pairs
    for end in (ours, near, theirs, far):
        tty.setraw(end)
    loop.add_reader(ours, lambda: os.write(theirs, os.read(ours, 4096)))
    loop.add_reader(theirs, lambda: os.write(ours, os.read(theirs, 4096)))
    server = ModbusSerialServer([device()], port=os.ttyname(far), baudrate=115200)
    try:
        await server.serve_forever(background=True)
        channel = open_serial("bus", Path(os.ttyname(near)), 115200, None, 0.0)
        try:
            session = Session(baud=115200, unit=UNIT)
            check(await read(channel, session))
            check(await read(channel, session))
        finally:
            await channel.close()
    finally:
        await server.shutdown()  # type: ignore[no-untyped-call] # it has no types
        for end in (ours, theirs):
            loop.remove_reader(end)
        for end in (ours, near, theirs, far):
            os.close(end)
