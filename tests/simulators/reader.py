"""A reader for the simulators' tests: simulator processes, a pseudo-terminal or a socket, and deadlines.

Rules: written from the standard alone, with raw system calls, so that it shares nothing with the gateway nor with the
simulators; every wait has a deadline and ends with what had arrived until then.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import termios
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import reduce
from operator import xor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
READY_S = 15.0
PATIENCE_S = 20.0

SIGN_ON = b"/?!\r\n"
BREAK = b"\x01B0\x03q"
IDENTIFICATION = b"/SIM5GATEWAYD\r\n"
QUICK = ("--no-pace", "--reaction-ms", "0")
LINES = b"F.F(00)\n1.8.0(000123.456*kWh)\n2.8.0(000001.000*kWh)\n"
BODY = LINES.replace(b"\n", b"\r\n")

ACK, NAK = b"\x06", b"\x15"
# 50^31^02^28^(30 eight times)^29^03 = 61
PASSWORD = b"\x01P1\x02(00000000)\x03a"


class TooLate(AssertionError):
    """A deadline passed."""


def option(rate: str, option: str = "0", protocol: str = "0") -> bytes:
    """The option select message."""
    return b"\x06" + f"{protocol}{rate}{option}".encode() + b"\r\n"


def check_character(data: bytes) -> bytes:
    """BCC over everything after STX up to and including ETX."""
    return bytes([reduce(xor, data, 0)])


def framed(body: bytes = BODY) -> bytes:
    """The data message that these data lines make."""
    checked = body + b"!\r\n\x03"
    return b"\x02" + checked + check_character(checked)


def command(name: str, data: str | None = None) -> bytes:
    """SOH C D [STX data] ETX BCC (6.4.3.2)."""
    checked = name.encode() + (b"" if data is None else b"\x02" + data.encode()) + b"\x03"
    return b"\x01" + checked + check_character(checked)


def data_block(data: bytes, *, more: bool = False) -> bytes:
    """STX data ETX BCC, or EOT instead of ETX where another block follows."""
    checked = data + (b"\x04" if more else b"\x03")
    return b"\x02" + checked + check_character(checked)


def with_even_parity(data: bytes) -> bytes:
    """Bit 7 makes the number of ones even."""
    return bytes(byte | (0x80 if byte.bit_count() % 2 else 0) for byte in data)


@dataclass(slots=True)
class Simulator:
    """A running simulator process; `ready` is its ready line without the word `ready`."""

    process: subprocess.Popen[bytes]
    ready: str

    @property
    def port(self) -> int:
        return int(self.ready.rsplit(":", 1)[1])

    def stop(self, ending: signal.Signals = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(ending)
        return self.process.wait(PATIENCE_S)


@contextmanager
def simulate(*arguments: str | Path, kind: str = "iec62056_21") -> Iterator[Simulator]:
    """A simulator that is ready, and that has to end cleanly."""
    command = [sys.executable, "-m", "simulators", kind, *map(str, arguments)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            if not select.select([process.stdout], [], [], READY_S)[0]:
                raise TooLate("no ready line")
            word, _, where = process.stdout.readline().decode().rstrip("\n").partition(" ")
            assert word == "ready", where
            simulator = Simulator(process, where)
            yield simulator
            assert simulator.stop() == 0
            assert process.stdout.read() == b"", "more than the ready line on standard output"
        finally:
            if process.poll() is None:
                process.kill()


class Line:
    """The reader's end of a line: what has arrived and is not used up yet is kept."""

    def __init__(self, descriptor: int, send: Callable[[bytes], object], close: Callable[[], None]) -> None:
        self._descriptor = descriptor
        self._send = send
        self._close = close
        self._arrived = b""

    def __enter__(self) -> Line:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def send(self, data: bytes) -> float:
        """Send and return the instant of it: that before, since whoever answers may be quicker than this process."""
        at = time.monotonic()
        self._send(data)
        return at

    def set_baud(self, baud: int) -> None:
        attributes = termios.tcgetattr(self._descriptor)
        attributes[4] = attributes[5] = getattr(termios, f"B{baud}")
        termios.tcsetattr(self._descriptor, termios.TCSANOW, attributes)

    def read(self, length: int, within: float = PATIENCE_S) -> bytes:
        """Exactly `length` bytes."""
        return self._until(lambda arrived: length if len(arrived) >= length else 0, within)

    def read_to(self, end: bytes, within: float = PATIENCE_S) -> bytes:
        """Everything up to and including `end`."""
        return self._until(lambda arrived: arrived.find(end) + len(end) if end in arrived else 0, within)

    def expect(self, data: bytes, within: float = PATIENCE_S) -> None:
        """Exactly these bytes come next."""
        got = self.read(len(data), within)
        assert got == data

    def ask(self, request: bytes, answer: bytes) -> None:
        """Send, and exactly this comes next."""
        self.send(request)
        self.expect(answer)

    def silent_for(self, seconds: float) -> bool:
        """Whether nothing arrives for so long, and nothing is left over."""
        return not self._arrived and not select.select([self._descriptor], [], [], seconds)[0]

    def drain(self, quiet: float, within: float = PATIENCE_S) -> None:
        """Throw away what arrives until nothing comes for `quiet` seconds."""
        deadline = time.monotonic() + within
        while select.select([self._descriptor], [], [], quiet)[0]:
            if time.monotonic() > deadline:
                raise TooLate("the line does not become quiet")
            assert os.read(self._descriptor, 1 << 16), "the line went down"
        self._arrived = b""

    def is_hung_up(self, within: float = PATIENCE_S) -> bool:
        """Whether the other side ends the connection, whatever arrives before."""
        deadline = time.monotonic() + within
        while (remaining := deadline - time.monotonic()) > 0:
            if select.select([self._descriptor], [], [], remaining)[0]:
                try:
                    if not os.read(self._descriptor, 4096):
                        return True
                except OSError:
                    return True
        return False

    def _until(self, complete: Callable[[bytes], int], within: float) -> bytes:
        deadline = time.monotonic() + within
        while not (length := complete(self._arrived)):
            if not select.select([self._descriptor], [], [], max(0.0, deadline - time.monotonic()))[0]:
                raise TooLate(f"after {within} s only {self._arrived!r}")
            more = os.read(self._descriptor, 4096)
            assert more, f"the line went down after {self._arrived!r}"
            self._arrived += more
        taken, self._arrived = self._arrived[:length], self._arrived[length:]
        return taken


def connect(simulator: Simulator) -> Line:
    """A TCP connection to the simulator."""
    peer = socket.create_connection(("127.0.0.1", simulator.port), timeout=PATIENCE_S)
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return Line(peer.fileno(), peer.sendall, peer.close)


def open_pty(link: Path, baud: int = 300) -> Line:
    """The pseudo-terminal behind the link, raw, at the given rate."""
    descriptor = os.open(link, os.O_RDWR | os.O_NOCTTY)
    tty.setraw(descriptor)
    line = Line(descriptor, lambda data: os.write(descriptor, data), lambda: os.close(descriptor))
    line.set_baud(baud)
    return line


def enter(line: Line, opening: bytes | None = None) -> None:
    """Sign on, ask for programming mode at 9600 Bd and take the first message of it (default: P0 without a serial)."""
    line.send(SIGN_ON)
    line.expect(IDENTIFICATION)
    line.send(option("5", "1"))
    # 50^30^02^28^29^03 = 60
    line.expect(b"\x01P0\x02()\x03`" if opening is None else opening)


def log_in(line: Line) -> None:
    """Programming mode with the password that meters leave the factory with."""
    enter(line)
    line.send(PASSWORD)
    line.expect(ACK)


def lines_of(journal: Path) -> list[str]:
    """What the simulator has noted so far."""
    return journal.read_text().splitlines() if journal.exists() else []


def wait_for(condition: Callable[[], bool], within: float = PATIENCE_S) -> None:
    """Ask again and again until it is so."""
    deadline = time.monotonic() + within
    while not condition():
        if time.monotonic() > deadline:
            raise TooLate("the condition never became true")
        select.select([], [], [], 0.01)
