"""A real pseudo-terminal, whose far end is the meter.

It cannot show real 7E1, the time that characters take, and RTS: these need a port with a cable.
"""

import asyncio
import contextlib
import fcntl
import os
import select
import termios
import time
import tty
from collections.abc import Iterator
from pathlib import Path

PATIENCE = 20.0
"""Seconds after which a test gives up."""


class PseudoTerminal:
    """`device` is what the gateway opens; the methods are the meter's side."""

    def __init__(self) -> None:
        self.master, slave = os.openpty()
        tty.setraw(slave)
        self.device = Path(os.ttyname(slave))
        self._slave: int | None = slave  # held, so that a reopen does not find the terminal hung up

    def write(self, data: bytes) -> None:
        """Everything, however long the gateway takes to read it."""
        rest = memoryview(data)
        until = time.monotonic() + PATIENCE
        while rest:
            _, ready, _ = select.select([], [self.master], [], max(until - time.monotonic(), 0))
            assert ready, f"{len(rest)} bytes could not be written"
            rest = rest[os.write(self.master, rest[:1024]) :]

    def flood(self, data: bytes, quiet: float) -> int:
        """Write until nothing more is taken for `quiet` seconds; the number of bytes that went out."""
        os.set_blocking(self.master, False)
        sent = 0
        while sent < len(data) and select.select([], [self.master], [], quiet)[1]:
            with contextlib.suppress(BlockingIOError):
                sent += os.write(self.master, data[sent : sent + 1024])
        os.set_blocking(self.master, True)
        return sent

    def read(self, count: int) -> bytes:
        """Exactly `count` bytes of what the gateway sent."""
        data = b""
        until = time.monotonic() + PATIENCE
        while len(data) < count:
            ready, _, _ = select.select([self.master], [], [], max(until - time.monotonic(), 0))
            assert ready, f"only {data!r} was sent"
            data += os.read(self.master, count - len(data))
        return data

    def silent(self, seconds: float) -> bool:
        """True when the gateway sends nothing for so long."""
        return not select.select([self.master], [], [], seconds)[0]

    @property
    def rate(self) -> int:
        """The rate constant that the gateway has set, termios.B300 and so on."""
        speed: int = termios.tcgetattr(self.master)[5]
        assert termios.tcgetattr(self.master)[4] == speed
        return speed

    @property
    def character(self) -> int:
        """Size and parity bits of the control flags."""
        flags: int = termios.tcgetattr(self.master)[2]
        return flags & (termios.CSIZE | termios.PARENB)

    @property
    def waiting(self) -> int:
        """Bytes that the gateway sent and nobody has read."""
        found = fcntl.ioctl(self.master, termios.FIONREAD, b"\0\0\0\0")
        return int.from_bytes(found, "little")

    def unplug(self) -> None:
        os.close(self.master)
        self.master = -1

    def close(self) -> None:
        if self.master >= 0:
            self.unplug()
        if self._slave is not None:
            os.close(self._slave)
            self._slave = None


@contextlib.contextmanager
def pseudo_terminal() -> Iterator[PseudoTerminal]:
    terminal = PseudoTerminal()
    try:
        yield terminal
    finally:
        terminal.close()


def soon(seconds: float = PATIENCE) -> float:
    """A deadline in the time of the running loop."""
    return asyncio.get_running_loop().time() + seconds
