"""A serial port as a channel: configured through pyserial, read by the event loop.

Rules: the device is locked for this process (flock) as long as the channel is open; a change of rate waits until
everything sent has left, flushes nothing and keeps every byte received; where the kernel refuses 7E1 (pseudo-terminals,
some adapters) parity is done in software; the first rate is restored on close; the port is never reopened in
mid-session. Opening a port raises DTR, and closing it lets DTR fall (HUPCL): a modem hangs up then. Measurements
behind these rules: docs/adr/0004-own-serial-channel.md.
"""

import asyncio
import contextlib
import errno
import fcntl
import os
import select
import struct
import termios
from pathlib import Path

import serial

from gatewayd.channel import ControlLines, Framing
from gatewayd.channel.parity import SoftwareParity
from gatewayd.errors import ChannelError, ChannelTimeout, DeviceInUse, DeviceNotPermitted

_BUFFER_LIMIT = 1 << 16
_CHUNK = 4096
LOCK_SECONDS = 0.5
"""How long a port that another process has locked is tried again: one that was killed lets go of what it had open in
some order, and of the connection by which we know that it is gone perhaps first."""
_LOCK_STEP = 0.02
_LOCKED = "exclusively lock"
"""Words of pyserial."""
_SIZES = {7: termios.CS7, 8: termios.CS8}


def open_serial(name: str, device: Path, baud: int, framing: Framing | None, switch_delay: float) -> "SerialChannel":
    """Open and lock the port. ChannelError names the line and the remedy.

    `framing` is what the configuration fixed for this line, None when the driver chooses; `switch_delay` seconds are
    waited after a change of rate, for USB adapters that need it.
    """
    try:
        port = serial.Serial(str(device), baud, timeout=None, exclusive=True)
    except serial.SerialException as error:
        kind = DeviceInUse if _LOCKED in str(error) else DeviceNotPermitted if _barred(error) else ChannelError
        raise kind(f"line {name}: {_remedy(device, error)}") from error
    except (termios.error, OSError, ValueError) as error:
        raise ChannelError(f"line {name}: {device} cannot be used as a serial port: {error}") from error
    return SerialChannel(name, device, port, framing, switch_delay)


async def take_serial(
    name: str, device: Path, baud: int, framing: Framing | None, switch_delay: float
) -> "SerialChannel":
    """As `open_serial`, within LOCK_SECONDS also where another process lets go of the port at this moment."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + LOCK_SECONDS
    while True:
        try:
            return open_serial(name, device, baud, framing, switch_delay)
        except DeviceInUse:
            if loop.time() > deadline:
                raise
        await asyncio.sleep(_LOCK_STEP)  # a lock tells nobody that it is free


def _barred(error: serial.SerialException) -> bool:
    """Whether this user may not open it: another one, or one in its group, may."""
    return getattr(error, "errno", None) == errno.EACCES or "Permission denied" in str(error)


def _remedy(device: Path, error: serial.SerialException) -> str:
    text = str(error)
    # Permission first: in a folder that is closed to us it cannot even be asked whether the device exists.
    if _barred(error):
        return f"no permission for {device}; add the user to the group that owns it (usually dialout)"
    if getattr(error, "errno", None) == errno.EPERM:  # the group is right, and the service may not all the same
        return (
            f"{device} is not allowed to this service; name its kind in its unit (DeviceAllow=, docs/systemd.md); "
            "where it is listed there, its driver came after the start: restart the service"
        )
    if not device.exists():
        return f"{device} does not exist; is the adapter plugged in?"
    if _LOCKED in text:
        return f"{device} is in use by another process (find it with: fuser {device})"
    return f"cannot open {device}: {text}"


class SerialChannel:
    """An open, locked serial port. See the Channel protocol for the contract."""

    def __init__(
        self, name: str, device: Path, port: serial.Serial, fixed: Framing | None, switch_delay: float
    ) -> None:
        self._name = name
        self._device = device
        self._port = port
        self._fd = port.fileno()
        self._closed = False
        self._fixed = fixed
        self._switch_delay = switch_delay
        self._first = termios.tcgetattr(self._fd)
        self._parity: SoftwareParity | None = None
        self._parity_errors = 0
        self._buffer = bytearray()
        self._arrived = asyncio.Event()
        self._fault: ChannelError | None = None
        self._loop = asyncio.get_running_loop()
        self._reading = False
        os.set_blocking(self._fd, False)
        self._resume()

    @property
    def parity_errors(self) -> int:
        return self._parity_errors + (self._parity.errors if self._parity else 0)

    def control_lines(self) -> ControlLines | None:
        """DTR and DCD; None where the device has none, as a pseudo-terminal (ENOTTY, EINVAL)."""
        try:
            self._modem_lines()
        except OSError:
            return None
        return self

    def set_dtr(self, on: bool) -> None:
        self._check_open()
        request = termios.TIOCMBIS if on else termios.TIOCMBIC
        try:
            fcntl.ioctl(self._fd, request, struct.pack("I", termios.TIOCM_DTR))
        except OSError as error:
            raise self._gone(error) from error

    def carrier(self) -> bool:
        self._check_open()
        try:
            return bool(self._modem_lines() & termios.TIOCM_CAR)
        except OSError as error:
            raise self._gone(error) from error

    async def send(self, data: bytes, *, deadline: float, secret: bool = False) -> None:
        rest = memoryview(self._parity.encode(data) if self._parity else data)
        while rest:
            self._check_open()
            try:
                rest = rest[os.write(self._fd, rest) :]
            except BlockingIOError:
                await self._writable(deadline)
            except OSError as error:
                raise self._gone(error) from error

    async def receive(self, *, deadline: float) -> bytes:
        while not self._buffer:
            self._check_open()
            self._arrived.clear()
            try:
                async with asyncio.timeout_at(deadline):
                    await self._arrived.wait()
            except TimeoutError:
                raise ChannelTimeout(f"line {self._name}: nothing received in time") from None
        data = bytes(self._buffer)
        self._buffer.clear()
        self._resume()
        return data

    async def rest(self, seconds: float) -> None:
        self._pause()  # the kernel keeps 4096 bytes
        try:
            await asyncio.sleep(seconds)
            if self._fault is None and select.select([self._fd], [], [], 0)[0]:
                self._readable()  # at once, without another turn of the loop
        finally:
            self._resume()

    async def set_line(self, baud: int, framing: Framing, *, deadline: float) -> None:
        framing = self._fixed or framing
        self._check_open()
        await self._drain(deadline)
        self._check_open()
        try:
            self._configure(baud, framing)
        except (termios.error, OSError) as error:
            raise ChannelError(
                f"line {self._name}: {self._device} refuses {baud} Bd {framing.value}: {error}"
            ) from error
        if self._switch_delay:
            await asyncio.sleep(self._switch_delay)

    async def close(self) -> None:
        if self._closed:
            return
        self._pause()
        self._closed = True
        with contextlib.suppress(termios.error, OSError):
            termios.tcsetattr(self._fd, termios.TCSANOW, self._first)
        with contextlib.suppress(termios.error, OSError, serial.SerialException):
            self._port.close()
        self._fault = self._fault or ChannelError(f"line {self._name} is closed")

    def _modem_lines(self) -> int:
        lines: int = struct.unpack("I", fcntl.ioctl(self._fd, termios.TIOCMGET, struct.pack("I", 0)))[0]
        return lines

    def _configure(self, baud: int, framing: Framing) -> None:
        rate: int | None = getattr(termios, f"B{baud}", None) if baud > 0 else None  # B0 would hang up
        if rate is None:
            raise ChannelError(f"line {self._name}: {baud} Bd is not a rate that this system knows")
        if self._apply(rate, framing.data_bits, framing.parity, framing.stop_bits):
            self._use(None)
        elif framing.data_bits == 7:
            # pty(4) has no 7E1; an eight-bit pipe with parity in bit 7 is the same to the peer.
            self._apply(rate, 8, "N", framing.stop_bits, refusal=True)
            self._use(SoftwareParity(framing.parity))
        else:
            # Pseudo-terminals know no parity either; with eight data bits there is no bit left to carry it.
            self._apply(rate, 8, "N", framing.stop_bits, refusal=True)
            self._use(None)

    def _apply(self, rate: int, bits: int, parity: str, stop: int, *, refusal: bool = False) -> bool:
        """Set rate and framing without flushing; False when the driver did not take them (error when `refusal`)."""
        wanted = termios.tcgetattr(self._fd)
        cflag = wanted[2] & ~(termios.CSIZE | termios.PARENB | termios.PARODD | termios.CSTOPB)
        cflag |= _SIZES[bits]
        cflag |= {"N": 0, "E": termios.PARENB, "O": termios.PARENB | termios.PARODD}[parity]
        cflag |= termios.CSTOPB if stop == 2 else 0
        wanted[2] = cflag
        wanted[4] = wanted[5] = rate
        try:
            termios.tcsetattr(self._fd, termios.TCSANOW, wanted)
        except termios.error:
            if refusal:
                raise
            return False
        mask = termios.CSIZE | termios.PARENB
        return bool((termios.tcgetattr(self._fd)[2] & mask) == (cflag & mask))

    def _use(self, parity: SoftwareParity | None) -> None:
        if self._parity is not None:
            self._parity_errors += self._parity.errors
        self._parity = parity

    async def _drain(self, deadline: float) -> None:
        """Wait until the last character has left the wire; in a thread, because tcdrain blocks."""
        drained = asyncio.ensure_future(asyncio.to_thread(termios.tcdrain, self._fd))
        try:
            async with asyncio.timeout_at(deadline):
                await asyncio.shield(drained)
        except TimeoutError:
            raise ChannelTimeout(f"line {self._name}: {self._device} does not send what was written to it") from None
        except (termios.error, OSError) as error:
            raise self._gone(error) from error
        finally:
            drained.add_done_callback(_retrieve)

    async def _writable(self, deadline: float) -> None:
        ready = asyncio.Event()
        self._loop.add_writer(self._fd, ready.set)
        try:
            async with asyncio.timeout_at(deadline):
                await ready.wait()
        except TimeoutError:
            raise ChannelTimeout(f"line {self._name}: {self._device} takes no more data") from None
        finally:
            if not self._closed:
                self._loop.remove_writer(self._fd)

    def _readable(self) -> None:
        try:
            data = os.read(self._fd, _CHUNK)
        except BlockingIOError:
            return
        except OSError as error:
            self._fail(self._gone(error))
            return
        if not data:
            self._fail(ChannelError(f"line {self._name}: {self._device} vanished (unplugged?)"))
            return
        self._buffer += self._parity.decode(data) if self._parity else data
        self._arrived.set()
        if len(self._buffer) >= _BUFFER_LIMIT:
            self._pause()

    def _resume(self) -> None:
        if not self._reading and self._fault is None:
            self._loop.add_reader(self._fd, self._readable)
            self._reading = True

    def _pause(self) -> None:
        if self._reading:
            self._loop.remove_reader(self._fd)
            self._reading = False

    def _fail(self, fault: ChannelError) -> None:
        self._fault = fault
        self._pause()
        self._arrived.set()

    def _gone(self, error: BaseException) -> ChannelError:
        return ChannelError(f"line {self._name}: {self._device} failed (unplugged?): {error}")

    def _check_open(self) -> None:
        if self._fault is not None:
            raise self._fault


def _retrieve(future: "asyncio.Future[None]") -> None:
    """Take the result of an abandoned drain, so that its error is not reported as never retrieved."""
    if not future.cancelled():
        future.exception()
