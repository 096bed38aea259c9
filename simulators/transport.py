"""Where a reader connects: a pseudo-terminal with a stable name, or a loopback TCP port.

Rules: one reader at a time; reading and writing never block; a reader that went away is `Disconnected`, never an empty
read; what was made (the symbolic link, the sockets) is removed again by `close`.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import select
import socket
import struct
import termios
import time
import tty
from pathlib import Path
from typing import Protocol

READ_SIZE = 4096
REPLUG_S = 1.0

SPEEDS = {
    getattr(termios, f"B{baud}"): baud
    for baud in (300, 600, 1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200, 230400)
}


class Disconnected(Exception):
    """The reader hung up, or was hung up on."""


class Transport(Protocol):
    """An 8-bit pipe to one reader."""

    def open(self) -> str:
        """Make the end point and return what the ready line says about it."""

    def connect(self) -> None:
        """Wait until a reader can talk; makes the end point again after a hang-up."""

    def fileno(self) -> int:
        """Descriptor that becomes readable when the reader has sent something."""

    def read(self) -> bytes:
        """What has arrived; raises Disconnected at the end of the connection."""

    def write(self, data: bytes) -> int:
        """Write what fits now and return how many bytes that was (0: no room)."""

    def reader_baud(self) -> int | None:
        """Line rate that the reader has set; None where nobody can know."""

    def discard_unread(self) -> None:
        """Forget what nobody has read, as a port does while it is closed."""

    def hang_up(self) -> None:
        """Break the connection under the reader."""

    def close(self) -> None:
        """Remove everything that was made."""


class PseudoTerminal:
    """A pseudo-terminal reached through a symbolic link.

    The reader's side is held open here as well: otherwise the kernel resets its settings and reports an error whenever
    no reader has it open.
    """

    def __init__(self, link: Path, baud: int) -> None:
        self._link = link
        self._baud = baud
        self._ours = -1
        self._theirs = -1

    def open(self) -> str:
        if self._link.exists() and not self._link.is_symlink():
            raise FileExistsError(errno.EEXIST, "exists and is not a symbolic link", str(self._link))
        self._make()
        return f"pty {self._link}"

    def connect(self) -> None:
        if self._ours < 0:
            # A head that was unplugged is not back at once: the pause is what is simulated, nothing is awaited.
            time.sleep(REPLUG_S)
            self._make()

    def _make(self) -> None:
        self._ours, self._theirs = os.openpty()
        tty.setraw(self._theirs)
        speed = next(constant for constant, baud in SPEEDS.items() if baud == self._baud)
        attributes = termios.tcgetattr(self._theirs)
        attributes[4] = attributes[5] = speed
        termios.tcsetattr(self._theirs, termios.TCSANOW, attributes)
        os.set_blocking(self._ours, False)
        fresh = self._link.with_name(f".{self._link.name}.{os.getpid()}")
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(os.ttyname(self._theirs))
        # Renaming replaces the link of a simulator that was killed in one step.
        fresh.replace(self._link)

    def fileno(self) -> int:
        return self._ours

    def read(self) -> bytes:
        try:
            return os.read(self._ours, READ_SIZE)
        except BlockingIOError:
            return b""

    def write(self, data: bytes) -> int:
        try:
            return os.write(self._ours, data)
        except BlockingIOError:
            return 0

    def reader_baud(self) -> int | None:
        return SPEEDS.get(termios.tcgetattr(self._theirs)[5])

    def discard_unread(self) -> None:
        unread: int = struct.unpack("i", fcntl.ioctl(self._theirs, termios.FIONREAD, bytes(4)))[0]
        if unread:
            termios.tcflush(self._theirs, termios.TCIFLUSH)

    def hang_up(self) -> None:
        self.close()

    def close(self) -> None:
        if self._ours < 0:
            return
        with contextlib.suppress(OSError):
            if str(self._link.readlink()) == os.ttyname(self._theirs):
                self._link.unlink()
        # Forgotten first: a signal may come in between, and closing ends with it.
        ours, theirs, self._ours, self._theirs = self._ours, self._theirs, -1, -1
        os.close(ours)
        os.close(theirs)


class TcpServer:
    """A TCP port on the loopback interface that serves one connection after the other."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._peer: socket.socket | None = None

    def open(self) -> str:
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind(("127.0.0.1", self._port))
        self._listener.listen()
        return f"tcp 127.0.0.1:{self._listener.getsockname()[1]}"

    def connect(self) -> None:
        self.hang_up()
        select.select([self._listener], [], [])
        self._peer, _ = self._listener.accept()
        self._peer.setblocking(False)
        # Without it the kernel would gather paced characters into bursts.
        self._peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def _connected(self) -> socket.socket:
        if self._peer is None:
            raise Disconnected("no connection")
        return self._peer

    def fileno(self) -> int:
        return self._connected().fileno()

    def read(self) -> bytes:
        try:
            data = self._connected().recv(READ_SIZE)
        except BlockingIOError:
            return b""
        except OSError as error:
            raise Disconnected(str(error)) from error
        if not data:
            raise Disconnected("closed by the reader")
        return data

    def write(self, data: bytes) -> int:
        try:
            return self._connected().send(data)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise Disconnected(str(error)) from error

    def reader_baud(self) -> int | None:
        return None

    def discard_unread(self) -> None:
        return None

    def hang_up(self) -> None:
        if self._peer is not None:
            self._peer.close()
            self._peer = None

    def close(self) -> None:
        self.hang_up()
        self._listener.close()
