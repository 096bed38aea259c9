"""The trap of RTU over real connections: after a time-out or a cancellation the late answer meets the next request.

Our conversation never gives a wrong value; pymodbus, which checks unit, function and length as well and has no guard,
does so in the very same setting, which shows that the setting is a trap. The logic alone, with far more requests and
worse slaves, is tried in simulated time (test_transaction_adversary.py).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from functools import partial
from random import Random
from typing import Any

import pytest
from pymodbus import ModbusException
from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient
from pymodbus.framer import FramerType

from drivers.modbus.conversation import Conversation
from drivers.modbus.wire.dialogue import Settings, Transport
from drivers.modbus.wire.pdu import Function, Read, Refused, Reply, Words
from drivers.modbus.wire.transaction import exchange
from gatewayd.channel import Channel
from gatewayd.channel.serial import open_serial
from gatewayd.channel.tcp import open_tcp
from gatewayd.errors import MeterSilent, ProtocolError
from tests.drivers.modbus.rtu_bytes import FULL
from tests.drivers.modbus.stale_line import (
    KINDS,
    Habits,
    Outcome,
    Slave,
    cancelled_sometimes,
    code_of,
    octets_of,
    on_tcp,
    on_terminal,
)

HABITS = Habits()
REQUESTS = 10_000 if FULL else 400
UNGUARDED_REQUESTS = 400
# The rest is for a machine that is busy with other things.
SETTINGS = Settings(timeout_s=HABITS.timeout, late_s=HABITS.latest + 0.010, gap_s=0.002, pause_s=0.001)
LINES = ["rtu over tcp", "rtu over a pty"]


NEVER_TOO_LATE = Habits(too_late=0)
PATIENT = Settings(timeout_s=HABITS.timeout, late_s=HABITS.latest + 0.040, gap_s=0.002, pause_s=0.001)


def slave(habits: Habits, seed: int, write: Callable[[bytes], None], *, mbap: bool = False) -> Slave:
    return Slave(habits, Random(seed), write, mbap=mbap)


@contextlib.asynccontextmanager
async def channel_to(line: str, habits: Habits, seed: int) -> AsyncIterator[Channel]:
    """Our channel to a slave of this line."""
    make = partial(slave, habits, seed, mbap=line == "tcp")
    channel: Channel
    async with contextlib.AsyncExitStack() as stack:
        if line == "rtu over a pty":
            device = await stack.enter_async_context(on_terminal(make))
            channel = open_serial("line", device, 115200, None, 0.0)
        else:
            port = await stack.enter_async_context(on_tcp(make))
            deadline = asyncio.get_running_loop().time() + 5
            channel = await open_tcp("line", "127.0.0.1", port, None, deadline=deadline)
        try:
            yield channel
        finally:
            await channel.close()


def judge(outcome: Outcome, address: int, count: int, reply: Reply) -> None:
    match reply:
        case Words(octets) if octets == octets_of(address, count):
            outcome.right += 1
        case Refused(code) if code == code_of(address):
            outcome.right += 1
        case _:
            outcome.wrong.append(f"asked for {address}, got {reply}")


async def guarded(line: str, requests: int, seed: int, *, forgetful: bool = False) -> Outcome:
    """Conversations with the same exchange, one after the other; `forgetful`: each with a new one, as other meters on
    the line have it, so that all depends on a line that is clean when it is given back."""
    habits, settings = (NEVER_TOO_LATE, PATIENT) if forgetful else (HABITS, SETTINGS)
    outcome, random = Outcome(), Random(seed)
    transport = Transport.TCP if line == "tcp" else Transport.RTU
    async with channel_to(line, habits, seed + 1) as channel:
        kept = exchange(transport, settings)
        addresses = iter(range(requests))

        async def session() -> None:
            asking = exchange(transport, settings) if forgetful else kept
            async with Conversation(channel, asking) as conversation:
                for _ in range(random.randint(1, 5)):
                    address = next(addresses, None)
                    if address is None:
                        return
                    unit, function, count = random.choice(KINDS)
                    try:
                        reply = await conversation.ask(unit, Read(Function(function), address, count))
                    except (MeterSilent, ProtocolError):
                        outcome.none += 1
                    else:
                        judge(outcome, address, count, reply)

        while outcome.right + len(outcome.wrong) + outcome.none + outcome.cancelled < requests:
            try:
                await cancelled_sometimes(session(), habits, random)
            except asyncio.CancelledError:
                outcome.cancelled += 1
    return outcome


async def unguarded(line: str, requests: int, seed: int) -> Outcome:
    """pymodbus, one request after the other, without retries."""
    outcome, random = Outcome(), Random(seed)
    make = partial(slave, HABITS, seed + 1)
    # Any: the two clients have no common type that is public.
    client: Any
    async with contextlib.AsyncExitStack() as stack:
        if line == "rtu over a pty":
            device = str(await stack.enter_async_context(on_terminal(make)))
            client = AsyncModbusSerialClient(device, baudrate=115200, timeout=HABITS.timeout, retries=0)
        else:
            port = await stack.enter_async_context(on_tcp(make))
            client = AsyncModbusTcpClient(
                "127.0.0.1", framer=FramerType.RTU, port=port, timeout=HABITS.timeout, retries=0
            )
        assert await client.connect()
        stack.callback(client.close)

        async def ask(address: int) -> None:
            unit, function, count = random.choice(KINDS)
            ask_for = client.read_holding_registers if function == 3 else client.read_input_registers
            found = await ask_for(address, count=count, device_id=unit)
            if found.isError():
                judge(outcome, address, count, Refused(found.exception_code))
            else:
                judge(outcome, address, count, Words(b"".join(word.to_bytes(2) for word in found.registers)))

        for address in range(requests):
            try:
                await cancelled_sometimes(ask(address), HABITS, random)
            except (ModbusException, asyncio.CancelledError):
                outcome.none += 1
                if not client.connected:
                    await client.connect()
    return outcome


@pytest.mark.timeout(1200 if FULL else 120)
@pytest.mark.parametrize("line", [*LINES, "tcp"])
def test_no_answer_is_taken_for_that_of_another_request(line: str) -> None:
    outcome = asyncio.run(guarded(line, REQUESTS, seed=11))
    assert outcome.wrong == []
    assert outcome.right > REQUESTS / 3
    assert outcome.none > REQUESTS / 50 and outcome.cancelled > REQUESTS / 100, "the slave was never late"


@pytest.mark.timeout(1200 if FULL else 120)
@pytest.mark.parametrize("line", LINES)
def test_a_line_that_is_given_back_owes_nothing(line: str) -> None:
    outcome = asyncio.run(guarded(line, REQUESTS, seed=12, forgetful=True))
    assert outcome.wrong == []
    assert outcome.right > REQUESTS / 3 and outcome.none > REQUESTS / 50 and outcome.cancelled > REQUESTS / 100


@pytest.mark.parametrize("line", LINES)
def test_without_a_guard_the_same_setting_gives_wrong_values(line: str) -> None:
    outcome = asyncio.run(unguarded(line, UNGUARDED_REQUESTS, seed=11))
    assert outcome.right > 0
    assert outcome.wrong, "the trap does not catch anybody"
