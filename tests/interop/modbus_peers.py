"""Modbus devices and clients that others wrote: libmodbus in two small C programs, mbpoll from Debian, pymodbus.

Rules: every program is started here and ends here; a missing one is a failure that says how to install it. Where both
ends want to open a device, two pseudo-terminals are joined by a thread.
"""

import asyncio
import contextlib
import os
import re
import select
import shutil
import subprocess
import threading
import tty
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pymodbus.framer import FramerType
from pymodbus.server import ModbusSerialServer, ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from tests.interop.server import DEADLINE_S, free_port

HERE = Path(__file__).resolve().parent
_VALUE = re.compile(r"^\[(\d+)\]:\s+(\S+)", re.MULTILINE)


def compiled(name: str, folder: Path) -> Path:
    """A C program of this folder, built with libmodbus."""
    program, compiler = folder / name, shutil.which("gcc")
    if compiler is None:
        pytest.fail("gcc is not installed; run: apt-get install gcc libc6-dev libmodbus-dev")
    command = [compiler, "-Wall", "-Wextra", "-Werror", "-O1", "-o", str(program), str(HERE / f"{name}.c"), "-lmodbus"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    if done.returncode:
        pytest.fail(f"run: apt-get install libmodbus-dev libc6-dev\n{done.stderr}")
    return program


@contextlib.contextmanager
def libmodbus_server(program: Path, *arguments: str) -> Iterator[int]:
    """modbus_server.c with these arguments; its port, 0 on a device."""
    with subprocess.Popen([program, *arguments], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert select.select([process.stdout], [], [], DEADLINE_S)[0], "the C server is not ready"
            word, _, port = process.stdout.readline().strip().partition(" ")
            assert word == "ready"
            yield int(port or 0)
        finally:
            process.kill()


def libmodbus_client(program: Path, *arguments: object) -> str:
    """What modbus_client.c prints, or its complaint."""
    command = [str(program), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    return (done.stdout if done.returncode == 0 else done.stderr).strip()


def mbpoll(place: str, *arguments: object) -> tuple[dict[int, str], str]:
    """What mbpoll reads at once: values by address, and everything that it printed."""
    program = shutil.which("mbpoll")
    if program is None:
        pytest.fail("mbpoll is not installed; run: apt-get install mbpoll")
    command = [program, "-1", "-0", *map(str, arguments), place]
    done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    said = done.stdout + done.stderr
    return {int(address): value for address, value in _VALUE.findall(said)}, said


@contextlib.contextmanager
def joined_terminals() -> Iterator[tuple[Path, Path]]:
    """Two devices; what is written to one can be read from the other."""
    ours, theirs = zip(os.openpty(), os.openpty(), strict=True)
    for descriptor in theirs:
        tty.setraw(descriptor)
    wake, woken = os.pipe()

    def carry() -> None:
        while woken not in (ready := select.select([*ours, woken], [], [])[0]):
            for descriptor in ready:
                os.write(ours[1 - ours.index(descriptor)], os.read(descriptor, 4096))

    thread = threading.Thread(target=carry, name="joined terminals")
    thread.start()
    try:
        yield Path(os.ttyname(theirs[0])), Path(os.ttyname(theirs[1]))
    finally:
        os.close(wake)
        thread.join(DEADLINE_S)
        assert not thread.is_alive()
        for descriptor in (*ours, *theirs, woken):
            os.close(descriptor)


@contextlib.contextmanager
def pymodbus_server(
    holding: dict[int, list[int]], inputs: dict[int, list[int]], *, device: Path | None = None, rtu: bool = False
) -> Iterator[int]:
    """pymodbus's own server in a thread, unit 1; its port. Registers that are not given are refused."""
    none = SimData(0, values=[False] * 16, datatype=DataType.BITS)

    def block(table: dict[int, list[int]]) -> list[SimData]:
        given = sorted(table.items())
        return [SimData(address, values=list(words), datatype=DataType.REGISTERS) for address, words in given] or [none]

    unit = SimDevice(id=1, simdata=([none], [none], block(holding), block(inputs)))
    port, loop, ready = free_port(), asyncio.new_event_loop(), threading.Event()
    made: list[Any] = []  # pymodbus's servers have no common type that is public

    async def begin() -> None:
        framer = FramerType.RTU if rtu else FramerType.SOCKET
        if device is not None:
            server: Any = ModbusSerialServer(unit, port=str(device), baudrate=9600)
        else:
            server = ModbusTcpServer(unit, framer=framer, address=("127.0.0.1", port))
        made.append(server)
        await server.serve_forever(background=True)
        ready.set()

    def run() -> None:
        asyncio.set_event_loop(loop)
        beginning = loop.create_task(begin())
        loop.run_forever()
        assert beginning.done(), "pymodbus's server did not begin"

    thread = threading.Thread(target=run, name="pymodbus server")
    thread.start()
    try:
        assert ready.wait(DEADLINE_S), "pymodbus's server is not ready"
        yield 0 if device is not None else port
    finally:
        for server in made:
            asyncio.run_coroutine_threadsafe(server.shutdown(), loop).result(DEADLINE_S)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(DEADLINE_S)
        assert not thread.is_alive()
        loop.close()
