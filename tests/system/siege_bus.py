"""A bus of Modbus RTU over TCP on which one unit is hostile, in front of simulated devices that are not.

Rules: what the other units are asked goes to the simulator and back unchanged; the hostile one is played here. What has
no end stops when the reader hangs up or asks again, as it does on a line whose transmitter is heard no more.
"""

import random
import select
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from enum import StrEnum
from pathlib import Path

from tests.system.forked import running

UNITS = range(1, 9)
HOSTILE = 1
"""The first of the bus in every order."""
_REQUEST = 8
"""Octets of a request to read registers: unit, function, address, count, CRC (Modbus over serial line 1.02, 2.5.1)."""
_READ = 4096


class Hostile(StrEnum):
    """What a meter can do to its line."""

    DRIPS = "drips"
    """A right answer, one octet a second."""
    BABBLES = "babbles"
    """Random octets for ever."""
    LOOPS = "loops"
    """Sound frames for ever, none of which has what was asked."""
    SILENT = "silent"


def crc(frame: bytes) -> bytes:
    """CRC-16 of Modbus, the low octet first (Modbus over serial line 1.02, 6.2.2)."""
    value = 0xFFFF
    for octet in frame:
        value ^= octet
        for _ in range(8):
            value = (value >> 1) ^ 0xA001 if value & 1 else value >> 1
    return struct.pack("<H", value)


def answer(request: bytes, registers: int) -> bytes:
    """A sound frame with so many registers."""
    head = bytes([request[0], request[1], registers * 2])
    body = head + bytes(range(registers * 2))
    return body + crc(body)


class Bus:
    """The hostile unit, and the way to the others. `asked`: how often it was asked."""

    def __init__(self, kind: Hostile, simulator: int) -> None:
        self.kind = kind
        self.asked = 0
        self._simulator = simulator
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._random = random.Random(kind)
        self._stop, self._stopped = socket.socketpair()
        self._thread = threading.Thread(target=self._serve, name=f"bus with a meter that {kind}")

    def __enter__(self) -> "Bus":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.close()
        self._thread.join(10)
        self._listener.close()
        self._stopped.close()

    def _serve(self) -> None:
        """One reader after the other."""
        while self._stopped not in select.select([self._listener, self._stopped], [], [])[0]:
            reader, _ = self._listener.accept()
            with reader, socket.create_connection(("127.0.0.1", self._simulator)) as devices:
                reader.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                try:
                    self._converse(reader, devices)
                except OSError:
                    continue  # it has hung up in the middle of what it was sent

    def _converse(self, reader: socket.socket, devices: socket.socket) -> None:
        heard = b""
        stream: Iterator[tuple[bytes, float]] = iter(())
        pause: float | None = None
        while True:
            ready = select.select([reader, devices, self._stopped], [], [], pause)[0]
            if self._stopped in ready:
                return
            if devices in ready:
                reader.sendall(devices.recv(_READ))
            if reader in ready:
                data = reader.recv(_READ)
                if not data:
                    return
                stream, pause, heard = iter(()), None, heard + data
                while len(heard) >= _REQUEST:
                    request, heard = heard[:_REQUEST], heard[_REQUEST:]
                    if request[0] != HOSTILE:
                        devices.sendall(request)
                        continue
                    self.asked += 1
                    stream, pause = self._sent(request), 0.0
            elif not ready:
                step = next(stream, None)
                if step is not None:
                    reader.sendall(step[0])
                pause = None if step is None else step[1]

    def _sent(self, request: bytes) -> Iterator[tuple[bytes, float]]:
        """What the hostile unit sends, each with the seconds until the next."""
        (registers,) = struct.unpack(">H", request[4:6])
        match self.kind:
            case Hostile.DRIPS:
                for octet in answer(request, registers):
                    yield bytes([octet]), 1.0
            case Hostile.BABBLES:
                while True:
                    yield self._random.randbytes(64), 0.02
            case Hostile.LOOPS:
                while True:
                    yield answer(request, registers % 100 + 1), 0.05
            case Hostile.SILENT:
                return


@contextmanager
def bus(folder: Path, kind: Hostile) -> Iterator[Bus]:
    """Eight devices behind one TCP port, the first of which is hostile."""
    units = [part for unit in UNITS for part in ("--unit", str(unit))]
    with ExitStack() as stack:
        command = ("modbus", "--tcp", "0", "--map", "eastron-sdm630", *units)
        ready = stack.enter_context(running(folder, "simulators", *command)).line()
        yield stack.enter_context(Bus(kind, int(ready.rsplit(":", 1)[1])))


@contextmanager
def mute() -> Iterator[int]:
    """A port that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        port: int = listener.getsockname()[1]
        yield port
