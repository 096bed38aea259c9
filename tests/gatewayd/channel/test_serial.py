"""The serial channel on real pseudo-terminals: rates, parity, unplugging, locks, and no byte lost on the way."""

import asyncio
import contextlib
import errno
import fcntl
import hashlib
import random
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gatewayd.channel import Channel, Framing
from gatewayd.channel.parity import SoftwareParity
from gatewayd.channel.serial import SerialChannel, open_serial, take_serial
from gatewayd.errors import ChannelError, ChannelTimeout, DeviceInUse
from tests.gatewayd.channel.pseudo_terminal import PATIENCE, PseudoTerminal, pseudo_terminal, soon

ROOT = Path(__file__).parents[3]
SIGN_ON = b"/?!\r\n"
IDENTIFICATION = b"/ISk5MT174-0001\r\n"


def even(data: bytes) -> bytes:
    """As a meter at 7E1 sends it over an eight-bit pipe."""
    return bytes(c | 0x80 if bin(c).count("1") % 2 else c for c in data)


@contextlib.asynccontextmanager
async def opened(
    device: Path, *, baud: int = 300, framing: Framing | None = None, switch_delay: float = 0.0
) -> AsyncIterator[SerialChannel]:
    channel = open_serial("optical", device, baud, framing, switch_delay)
    try:
        yield channel
    finally:
        await channel.close()


async def receive_exactly(channel: Channel, count: int) -> bytes:
    data = b""
    deadline = soon()
    while len(data) < count:
        data += await channel.receive(deadline=deadline)
    return data


def test_bytes_go_both_ways() -> None:
    async def run() -> None:
        with pseudo_terminal() as meter:
            async with opened(meter.device) as channel:
                await channel.send(b"to the meter", deadline=soon())
                assert await asyncio.to_thread(meter.read, 12) == b"to the meter"
                meter.write(bytes(range(256)))
                assert await receive_exactly(channel, 256) == bytes(range(256))

    asyncio.run(run())


def test_what_a_modbus_meter_may_send_is_not_eaten_by_the_terminal() -> None:
    """XON, XOFF, interrupt, end of file, CR and NL are bytes like any other."""

    async def run() -> None:
        with pseudo_terminal() as meter:
            async with opened(meter.device, baud=9600) as channel:
                await channel.set_line(9600, Framing.E81, deadline=soon())
                special = b"\x11\x13\x03\x04\x1a\x1c\x0d\x0a\x7f\xff\x00\xff\xff"
                meter.write(special)
                assert await receive_exactly(channel, len(special)) == special
                await channel.send(special, deadline=soon())
                assert await asyncio.to_thread(meter.read, len(special)) == special
                assert channel.parity_errors == 0

    asyncio.run(run())


# -- 7E1 where the kernel has no 7E1 -----------------------------------------------------------------------------------


def test_parity_is_made_in_software_where_the_kernel_refuses_7e1() -> None:
    async def run() -> None:
        with pseudo_terminal() as meter:
            async with opened(meter.device) as channel:
                await channel.set_line(300, Framing.E71, deadline=soon())
                assert meter.character == termios.CS8, "this kernel has 7E1 on pseudo-terminals: rewrite this test"
                await channel.send(SIGN_ON, deadline=soon())
                assert await asyncio.to_thread(meter.read, 5) == even(SIGN_ON) == b"\xaf\x3f\x21\x8d\x0a"
                meter.write(even(IDENTIFICATION))
                assert await receive_exactly(channel, len(IDENTIFICATION)) == IDENTIFICATION
                assert channel.parity_errors == 0

    asyncio.run(run())


def test_a_meter_without_parity_is_understood_at_7e1() -> None:
    async def run() -> None:
        with pseudo_terminal() as meter:
            async with opened(meter.device) as channel:
                await channel.set_line(300, Framing.E71, deadline=soon())
                meter.write(IDENTIFICATION)
                assert await receive_exactly(channel, len(IDENTIFICATION)) == IDENTIFICATION
                assert channel.parity_errors == 0

    asyncio.run(run())


def test_parity_errors_are_counted_until_the_channel_is_closed() -> None:
    async def run() -> None:
        with pseudo_terminal() as meter:
            async with opened(meter.device) as channel:
                await channel.set_line(300, Framing.E71, deadline=soon())
                meter.write(b"\x80\x81\x83")  # wrong, right, wrong
                assert await receive_exactly(channel, 3) == b"\x00\x01\x03"
                assert channel.parity_errors == 2
                await channel.set_line(9600, Framing.E71, deadline=soon())
                assert channel.parity_errors == 2
                meter.write(b"\x80")
                assert await receive_exactly(channel, 1) == b"\x00"
                assert channel.parity_errors == 3
                await channel.set_line(9600, Framing.N81, deadline=soon())
                meter.write(b"\x80")
                assert await receive_exactly(channel, 1) == b"\x80"
                assert channel.parity_errors == 3

    asyncio.run(run())


def test_a_line_fixed_to_8n1_has_no_parity_whatever_the_driver_asks() -> None:
    async def run() -> None:
        with pseudo_terminal() as meter:
            async with opened(meter.device, framing=Framing.N81) as channel:
                await channel.set_line(2400, Framing.E71, deadline=soon())
                assert meter.rate == termios.B2400
                await channel.send(SIGN_ON, deadline=soon())
                assert await asyncio.to_thread(meter.read, 5) == SIGN_ON
                meter.write(even(SIGN_ON))
                assert await receive_exactly(channel, 5) == even(SIGN_ON)
                assert channel.parity_errors == 0

    asyncio.run(run())


def test_a_line_fixed_to_7e1_has_parity_whatever_the_driver_asks() -> None:
    async def run() -> None:
        with pseudo_terminal() as meter:
            async with opened(meter.device, framing=Framing.E71) as channel:
                await channel.set_line(9600, Framing.N81, deadline=soon())
                await channel.send(SIGN_ON, deadline=soon())
                assert await asyncio.to_thread(meter.read, 5) == even(SIGN_ON)

    asyncio.run(run())


def test_three_reopens() -> None:
    """A port that was left at 7E1 cannot be opened again by some libraries."""

    async def run(meter: PseudoTerminal) -> None:
        async with opened(meter.device) as channel:
            for baud in (300, 300, 9600):
                await channel.set_line(baud, Framing.E71, deadline=soon())
                await channel.send(SIGN_ON, deadline=soon())
                assert await asyncio.to_thread(meter.read, 5) == even(SIGN_ON)
                meter.write(even(IDENTIFICATION))
                assert await receive_exactly(channel, len(IDENTIFICATION)) == IDENTIFICATION

    with pseudo_terminal() as meter:
        for _ in range(4):
            asyncio.run(run(meter))


# -- rates -------------------------------------------------------------------------------------------------------------


def test_the_rate_is_seen_at_the_other_end() -> None:
    async def run() -> None:
        with pseudo_terminal() as meter:
            async with opened(meter.device, baud=300) as channel:
                assert meter.rate == termios.B300
                for baud in (300, 600, 1200, 2400, 4800, 9600, 19200, 38400, 115200):
                    for framing in (Framing.E71, Framing.N81):
                        await channel.set_line(baud, framing, deadline=soon())
                        assert meter.rate == getattr(termios, f"B{baud}")

    asyncio.run(run())


def test_what_was_sent_before_a_change_of_rate_is_not_flushed() -> None:
    async def run() -> None:
        with pseudo_terminal() as meter:
            async with opened(meter.device) as channel:
                await channel.set_line(300, Framing.E71, deadline=soon())
                await channel.send(b"\x06050\r\n", deadline=soon())
                await channel.set_line(9600, Framing.E71, deadline=soon())
                assert await asyncio.to_thread(meter.read, 6) == even(b"\x06050\r\n")

    asyncio.run(run())


def test_what_arrived_before_a_change_of_rate_is_kept() -> None:
    async def run() -> None:
        with pseudo_terminal() as meter:
            async with opened(meter.device) as channel:
                await channel.set_line(300, Framing.E71, deadline=soon())
                expected = b""
                for number, baud in enumerate((9600, 300, 19200, 300, 2400)):
                    part = f"part {number};".encode()
                    meter.write(even(part))
                    await channel.set_line(baud, Framing.E71, deadline=soon())
                    expected += part
                assert await receive_exactly(channel, len(expected)) == expected
                assert channel.parity_errors == 0

    asyncio.run(run())


def test_what_the_kernel_still_holds_at_a_change_of_rate_is_kept() -> None:
    """The channel has read as much as it keeps; the rest lies in the kernel, where a careless change would flush it."""

    async def run() -> None:
        with pseudo_terminal() as meter:
            async with opened(meter.device) as channel:
                data = random.Random(3).randbytes(1 << 20)
                taken = await asyncio.to_thread(meter.flood, data, 0.2)
                await channel.set_line(9600, Framing.N81, deadline=soon())
                assert await receive_exactly(channel, taken) == data[:taken]

    asyncio.run(run())


@pytest.mark.parametrize("how", ["closed", "fault"])
def test_the_first_rate_is_restored(how: str) -> None:
    async def run() -> None:
        with pseudo_terminal() as meter:
            with contextlib.suppress(ChannelTimeout):
                async with opened(meter.device, baud=300) as channel:
                    await channel.set_line(9600, Framing.E71, deadline=soon())
                    assert meter.rate == termios.B9600
                    if how == "fault":
                        await channel.receive(deadline=soon(0.01))
            assert meter.rate == termios.B300

    asyncio.run(run())


def test_the_first_rate_is_restored_when_the_session_is_cancelled() -> None:
    async def run() -> None:
        with pseudo_terminal() as meter:
            switched = asyncio.Event()

            async def session() -> None:
                async with opened(meter.device, baud=300) as channel:
                    await channel.set_line(9600, Framing.E71, deadline=soon())
                    switched.set()
                    await channel.receive(deadline=soon(3600))

            task = asyncio.create_task(session())
            await asyncio.wait_for(switched.wait(), PATIENCE)
            assert meter.rate == termios.B9600
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert meter.rate == termios.B300

    asyncio.run(run())


@pytest.mark.parametrize("baud", [12345, 0, -1])
def test_a_rate_that_does_not_exist_is_refused_and_the_line_goes_on(baud: int) -> None:
    async def run() -> None:
        with pseudo_terminal() as meter:
            async with opened(meter.device) as channel:
                with pytest.raises(ChannelError, match=f"line optical.*{baud} Bd"):
                    await channel.set_line(baud, Framing.E71, deadline=soon())
                assert meter.rate == termios.B300
                meter.write(b"abc")
                assert await receive_exactly(channel, 3) == b"abc"

    asyncio.run(run())


def test_an_adapter_that_needs_it_gets_its_delay_after_a_change_of_rate() -> None:
    async def run() -> None:
        with pseudo_terminal() as meter:
            async with opened(meter.device, switch_delay=0.05) as channel:
                before = asyncio.get_running_loop().time()
                await channel.set_line(9600, Framing.E71, deadline=soon())
                assert asyncio.get_running_loop().time() - before >= 0.05
                assert meter.rate == termios.B9600

    asyncio.run(run())


# -- waiting, cancelling, unplugging -----------------------------------------------------------------------------------


def test_silence_ends_at_the_deadline() -> None:
    async def run() -> None:
        with pseudo_terminal() as meter:
            async with opened(meter.device) as channel:
                loop = asyncio.get_running_loop()
                deadline = soon(0.1)
                with pytest.raises(ChannelTimeout, match="line optical"):
                    await channel.receive(deadline=deadline)
                assert deadline - 0.01 <= loop.time() < deadline + 2
                with pytest.raises(ChannelTimeout):
                    await channel.receive(deadline=loop.time() - 1)
                meter.write(b"abc")
                assert await receive_exactly(channel, 3) == b"abc"

    asyncio.run(run())


def test_a_line_that_takes_nothing_ends_at_the_deadline() -> None:
    async def run() -> None:
        with pseudo_terminal() as meter:
            async with opened(meter.device) as channel:
                with pytest.raises(ChannelTimeout, match=f"line optical: {meter.device} takes no more"):
                    await channel.send(bytes(1 << 20), deadline=soon(0.1))

    asyncio.run(run())


def test_a_long_message_is_sent_whole() -> None:
    async def run() -> None:
        with pseudo_terminal() as meter:
            async with opened(meter.device) as channel:
                data = random.Random(1).randbytes(200_000)
                reading = asyncio.create_task(asyncio.to_thread(meter.read, len(data)))
                await channel.send(data, deadline=soon())
                assert await reading == data

    asyncio.run(run())


def test_a_cancelled_receive_loses_no_byte() -> None:
    async def run() -> None:
        choice = random.Random(62056)
        with pseudo_terminal() as meter:
            async with opened(meter.device) as channel:
                sent, received = b"", b""
                for number in range(300):
                    waiting = asyncio.create_task(channel.receive(deadline=soon()))
                    for _ in range(choice.randrange(4)):
                        await asyncio.sleep(0)
                    part = f"{number},".encode()
                    meter.write(part)
                    sent += part
                    for _ in range(choice.randrange(6)):
                        await asyncio.sleep(0)
                    waiting.cancel()
                    with contextlib.suppress(asyncio.CancelledError):
                        received += await waiting
                received += await receive_exactly(channel, len(sent) - len(received))
                assert received == sent

    asyncio.run(run())


def test_an_expired_receive_loses_no_byte() -> None:
    async def run() -> None:
        with pseudo_terminal() as meter:
            async with opened(meter.device) as channel:
                sent, received = b"", b""
                for number in range(200):
                    part = f"{number},".encode()
                    meter.write(part)
                    sent += part
                    with contextlib.suppress(ChannelTimeout):
                        received += await channel.receive(deadline=soon(number % 3 / 10_000))
                received += await receive_exactly(channel, len(sent) - len(received))
                assert received == sent

    asyncio.run(run())


def test_what_comes_while_the_line_rests_is_received_at_once_and_whole() -> None:
    async def run() -> None:
        with pseudo_terminal() as meter:
            async with opened(meter.device) as channel:
                meter.write(b"before ")
                assert await receive_exactly(channel, 7) == b"before "
                resting = asyncio.create_task(channel.rest(0.05))
                await asyncio.sleep(0)
                meter.write(bytes(range(256)) * 8)
                await resting
                assert await receive_exactly(channel, 2048) == bytes(range(256)) * 8
                resting = asyncio.create_task(channel.rest(60))
                await asyncio.sleep(0)
                meter.write(b"after")
                resting.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await resting
                assert await receive_exactly(channel, 5) == b"after"

    asyncio.run(run())


def test_a_rest_in_which_nothing_comes_is_no_unplugging() -> None:
    async def run() -> None:
        with pseudo_terminal() as meter:
            async with opened(meter.device) as channel:
                await channel.rest(0.01)
                meter.write(b"late")
                assert await receive_exactly(channel, 4) == b"late"

    asyncio.run(run())


def test_unplugging_while_the_line_rests_is_seen_by_the_next_wait() -> None:
    async def run() -> None:
        with pseudo_terminal() as meter:
            async with opened(meter.device) as channel:
                resting = asyncio.create_task(channel.rest(0.05))
                await asyncio.sleep(0)
                meter.unplug()
                await resting
                with pytest.raises(ChannelError, match="unplugged"):
                    await channel.receive(deadline=soon())

    asyncio.run(run())


def test_a_line_that_is_closed_while_it_rests_stays_closed() -> None:
    async def run() -> None:
        with pseudo_terminal() as meter:
            async with opened(meter.device) as channel:
                resting = asyncio.create_task(channel.rest(0.05))
                await asyncio.sleep(0)
                await channel.close()
                await resting
                with pytest.raises(ChannelError, match="closed"):
                    await channel.receive(deadline=soon())

    asyncio.run(run())


def test_unplugging_ends_a_wait_at_once() -> None:
    async def run() -> None:
        with pseudo_terminal() as meter:
            async with opened(meter.device) as channel:
                waiting = asyncio.create_task(channel.receive(deadline=soon(3600)))
                await asyncio.sleep(0)
                before = asyncio.get_running_loop().time()
                meter.unplug()
                with pytest.raises(ChannelError, match=f"line optical: {meter.device} .*unplugged") as fault:
                    await asyncio.wait_for(waiting, PATIENCE)
                assert not isinstance(fault.value, ChannelTimeout)
                assert asyncio.get_running_loop().time() - before < 1
                for _ in range(2):
                    with pytest.raises(ChannelError, match="unplugged"):
                        await channel.receive(deadline=soon())
                with pytest.raises(ChannelError, match=f"line optical: {meter.device}"):
                    await channel.send(SIGN_ON, deadline=soon())
                with pytest.raises(ChannelError, match=f"line optical: {meter.device}"):
                    await channel.set_line(9600, Framing.E71, deadline=soon())

    asyncio.run(run())


def test_unplugging_ends_a_send_at_once() -> None:
    async def run() -> None:
        with pseudo_terminal() as meter:
            async with opened(meter.device) as channel:
                sending = asyncio.create_task(channel.send(bytes(1 << 20), deadline=soon(3600)))
                while not meter.waiting:
                    await asyncio.sleep(0)
                meter.unplug()
                with pytest.raises(ChannelError, match=f"line optical: {meter.device}") as fault:
                    await asyncio.wait_for(sending, PATIENCE)
                assert not isinstance(fault.value, ChannelTimeout)

    asyncio.run(run())


def test_unplugging_is_seen_by_a_send_that_follows() -> None:
    async def run() -> None:
        with pseudo_terminal() as meter:
            async with opened(meter.device) as channel:
                meter.unplug()
                with pytest.raises(ChannelError, match=f"line optical: {meter.device}"):
                    await channel.send(SIGN_ON, deadline=soon())

    asyncio.run(run())


def test_unplugging_is_seen_by_a_change_of_rate_that_follows() -> None:
    async def run() -> None:
        with pseudo_terminal() as meter:
            async with opened(meter.device) as channel:
                meter.unplug()
                with pytest.raises(ChannelError, match=f"line optical: {meter.device}"):
                    await channel.set_line(9600, Framing.E71, deadline=soon())

    asyncio.run(run())


def test_a_megabyte_arrives_whole_and_the_memory_stays_bounded() -> None:
    """A meter that talks faster than anybody listens fills one buffer, not the memory."""

    async def run() -> None:
        with pseudo_terminal() as meter:
            async with opened(meter.device) as channel:
                data = random.Random(2).randbytes(1 << 20)
                taken = await asyncio.to_thread(meter.flood, data, 0.3)
                assert taken < 256 * 1024, "the channel buffers without end"
                rest = asyncio.create_task(asyncio.to_thread(meter.write, data[taken:]))
                received = bytearray()
                while len(received) < len(data):
                    part = await channel.receive(deadline=soon())
                    assert 0 < len(part) <= 128 * 1024
                    received += part
                await rest
                assert hashlib.sha256(received).digest() == hashlib.sha256(data).digest()

    asyncio.run(run())


def test_closing_twice_is_allowed_and_nothing_works_afterwards() -> None:
    async def run() -> None:
        with pseudo_terminal() as meter:
            channel = open_serial("optical", meter.device, 300, None, 0)
            await channel.close()
            await channel.close()
            with pytest.raises(ChannelError, match="line optical"):
                await channel.send(SIGN_ON, deadline=soon())
            with pytest.raises(ChannelError, match="line optical"):
                await channel.receive(deadline=soon())
            with pytest.raises(ChannelError, match="line optical"):
                await channel.set_line(300, Framing.E71, deadline=soon())
            assert meter.silent(0)

    asyncio.run(run())


def test_closing_after_unplugging_is_allowed() -> None:
    async def run() -> None:
        with pseudo_terminal() as meter:
            channel = open_serial("optical", meter.device, 300, None, 0)
            meter.unplug()
            await channel.close()
            await channel.close()

    asyncio.run(run())


# -- opening -----------------------------------------------------------------------------------------------------------

OPEN = """
import asyncio, os, sys
from pathlib import Path
from gatewayd.channel.serial import open_serial
from gatewayd.errors import ChannelError

async def main():
    if sys.argv[2]:
        os.setuid(int(sys.argv[2]))
    try:
        channel = open_serial("optical", Path(sys.argv[1]), 300, None, 0)
    except ChannelError as error:
        print(error)
    else:
        print("opened")
        await channel.close()

asyncio.run(main())
"""


def open_elsewhere(device: Path, user: str = "") -> str:
    """What another process, perhaps of another user, says when it opens the device."""
    done = subprocess.run(
        [sys.executable, "-c", OPEN, str(device), user],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_another_process_cannot_open_a_port_that_is_in_use() -> None:
    async def run() -> None:
        with pseudo_terminal() as meter:
            async with opened(meter.device) as channel:
                said = await asyncio.to_thread(open_elsewhere, meter.device)
                assert said.startswith(f"line optical: {meter.device} is in use")
                await channel.send(SIGN_ON, deadline=soon())
                assert await asyncio.to_thread(meter.read, 5) == SIGN_ON, "the refused open disturbed the line"
            assert await asyncio.to_thread(open_elsewhere, meter.device) == "opened"

    asyncio.run(run())


def test_the_same_process_cannot_open_a_port_twice() -> None:
    async def run() -> None:
        with pseudo_terminal() as meter:
            async with opened(meter.device):
                with pytest.raises(ChannelError, match=f"line other: {meter.device} is in use"):
                    open_serial("other", meter.device, 300, None, 0)
            async with opened(meter.device):
                pass

    asyncio.run(run())


def test_a_port_that_is_let_go_in_a_moment_is_taken_then() -> None:
    async def run() -> None:
        with pseudo_terminal() as meter:
            async with opened(meter.device) as first:
                waiting = asyncio.ensure_future(take_serial("other", meter.device, 300, None, 0))
                await asyncio.sleep(0)
                assert not waiting.done(), "it has met the lock"
                await first.close()
                second = await asyncio.wait_for(waiting, 5)
            await second.close()

    asyncio.run(run())


def test_a_port_that_is_kept_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gatewayd.channel.serial.LOCK_SECONDS", 0.05)

    async def run() -> None:
        with pseudo_terminal() as meter:
            async with opened(meter.device):
                with pytest.raises(DeviceInUse, match=f"line other: {meter.device} is in use by another process"):
                    await take_serial("other", meter.device, 300, None, 0)

    asyncio.run(run())


def test_a_refused_open_does_not_change_the_rate() -> None:
    async def run() -> None:
        with pseudo_terminal() as meter:
            async with opened(meter.device) as channel:
                await channel.set_line(9600, Framing.E71, deadline=soon())
                with pytest.raises(ChannelError):
                    open_serial("other", meter.device, 300, None, 0)
                assert meter.rate == termios.B9600

    asyncio.run(run())


def test_a_missing_device_is_named(tmp_path: Path) -> None:
    async def run() -> None:
        missing = tmp_path / "ttyUSB7"
        with pytest.raises(ChannelError, match=f"line optical: {missing} does not exist; is the adapter plugged in"):
            open_serial("optical", missing, 300, None, 0)

    asyncio.run(run())


@pytest.mark.parametrize("kind", ["file", "folder", "null"])
def test_what_is_no_terminal_is_refused(tmp_path: Path, kind: str) -> None:
    device = {"file": tmp_path / "file", "folder": tmp_path, "null": Path("/dev/null")}[kind]
    if kind == "file":
        device.write_text("not a terminal")

    async def run() -> None:
        with pytest.raises(ChannelError, match=f"line optical: .*{device}"):
            open_serial("optical", device, 300, None, 0)

    asyncio.run(run())
    if kind == "file":
        assert device.read_text() == "not a terminal"


NOBODY = "65534"


def test_a_missing_permission_is_explained() -> None:
    """Needs root, which can become somebody who may not."""
    with pseudo_terminal() as meter:
        meter.device.chmod(0o600)
        said = open_elsewhere(meter.device, NOBODY)
    assert said.startswith(f"line optical: no permission for {meter.device}")
    assert "dialout" in said


def test_a_device_in_a_closed_folder_is_explained_too(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    with pseudo_terminal() as meter:
        device = closed / "optical0"
        device.symlink_to(meter.device)
        assert open_elsewhere(device, NOBODY).startswith(f"line optical: no permission for {device}")


def descriptors() -> int:
    """How many files this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_failed_open_leaks_no_descriptor(tmp_path: Path) -> None:
    async def run() -> None:
        before = descriptors()
        file = tmp_path / "file"
        file.touch()
        for device in (file, tmp_path / "missing") * 5:
            with pytest.raises(ChannelError):
                open_serial("optical", device, 300, None, 0)
        assert descriptors() == before

    asyncio.run(run())


def test_an_open_and_close_leaks_no_descriptor_and_no_thread() -> None:
    async def run() -> None:
        with pseudo_terminal() as meter:
            counts = []
            for _ in range(4):
                async with opened(meter.device) as channel:
                    await channel.set_line(300, Framing.E71, deadline=soon())
                counts.append((descriptors(), threading.active_count() < 10))
            assert len(set(counts)) == 1

    asyncio.run(run())


def test_the_parity_of_these_tests_is_that_of_the_channel() -> None:
    every = bytes(range(128))
    assert SoftwareParity("E").encode(every) == even(every)


# -- control lines -----------------------------------------------------------------------------------------------------


def test_a_pseudo_terminal_has_no_control_lines() -> None:
    async def run() -> None:
        with pseudo_terminal() as meter:
            async with opened(meter.device) as channel:
                assert channel.control_lines() is None

    asyncio.run(run())


def test_dtr_and_dcd_of_a_port_that_has_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """The calls to the kernel, written down: a port with wires is not at hand."""
    lines = 0
    real = fcntl.ioctl

    def ioctl(fd: int, request: int, argument: bytes = b"") -> int | bytes:
        nonlocal lines
        match request:
            case termios.TIOCMGET:
                return struct.pack("I", lines)
            case termios.TIOCMBIS:
                lines |= struct.unpack("I", argument)[0]
            case termios.TIOCMBIC:
                lines &= ~struct.unpack("I", argument)[0]
            case _:
                return real(fd, request, argument)
        return b""

    async def run() -> None:
        nonlocal lines
        with pseudo_terminal() as modem:
            async with opened(modem.device) as channel:
                monkeypatch.setattr(fcntl, "ioctl", ioctl)
                control = channel.control_lines()
                assert control is not None
                control.set_dtr(True)
                assert lines == termios.TIOCM_DTR
                lines |= termios.TIOCM_RTS
                assert not control.carrier()
                lines |= termios.TIOCM_CAR
                assert control.carrier()
                control.set_dtr(False)
                assert lines == termios.TIOCM_RTS | termios.TIOCM_CAR
                monkeypatch.setattr(fcntl, "ioctl", unplugged)
                for use in (control.carrier, lambda: control.set_dtr(True)):
                    with pytest.raises(ChannelError, match="unplugged"):
                        use()
            with pytest.raises(ChannelError, match="closed"):
                control.set_dtr(True)

    def unplugged(*_: object) -> bytes:
        raise OSError(errno.EIO, "Input/output error")

    asyncio.run(run())
