"""A whole gateway under a service manager: what that is told, with everything outside dead."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.system.rig import DEADLINE_S, ROOT, Site, end

ALLOWED_US = 1_000_000


class Manager:
    """Its socket, and all that has come, in order."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "notify"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(self.path))
        self.told: list[str] = []

    def until(self, wanted: Callable[[list[str]], object], seconds: float = DEADLINE_S) -> None:
        """Listen until this is so."""
        deadline = time.monotonic() + seconds
        while not wanted(self.told):
            self.socket.settimeout(max(deadline - time.monotonic(), 0.001))
            try:
                self.told.append(self.socket.recv(65536).decode())
            except TimeoutError:
                pytest.fail(f"not within {seconds:g} s; told was {self.told}")

    @property
    def states(self) -> list[str]:
        """Without signs of life and status lines."""
        return [text.partition("\n")[0] for text in self.told if not text.startswith(("WATCHDOG=", "STATUS="))]


@contextmanager
def service(site: Site, manager: Manager, log: Path) -> "Iterator[subprocess.Popen[str]]":
    environment = os.environ | {"NOTIFY_SOCKET": str(manager.path), "WATCHDOG_USEC": str(ALLOWED_US)}
    with log.open("ab") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "gatewayd", "-c", str(site.config), "run"],
            stderr=errors,
            text=True,
            cwd=ROOT,
            env=environment,
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            end(process, signal.SIGKILL)


def test_what_the_service_manager_is_told(tmp_path: Path) -> None:
    """Meters and a broker that are not there: alive all the same. A reload that is refused ends as well."""
    site, manager = Site(tmp_path), Manager(tmp_path)
    site.configure(
        "  a: {type: tcp, host: 127.0.0.1, port: 9}\n  b: {type: serial, device: /dev/nowhere}\n",
        "  - {id: em-1, driver: iec62056_21, line: a, jobs: [{registers: all, every: 1m}]}\n"
        "  - {id: em-2, driver: iec62056_21, line: b, jobs: [{registers: all, every: 1m}]}\n",
        "  - {id: m, type: mqtt, host: 127.0.0.1, port: 9}\n",
    )
    with service(site, manager, tmp_path / "log") as process:
        manager.until(lambda told: told)
        assert manager.told[0] == "READY=1", "nothing before it serves"
        assert (site.archive / "control.sock").exists()
        manager.until(lambda told: sum(text == "WATCHDOG=1" for text in told) >= 7)  # three seconds
        status = next(text for text in manager.told if text.startswith("STATUS="))
        assert re.fullmatch(r"STATUS=2 meters on 2 lines(, .*)?, [0-9]+ jobs? in the queue", status), status
        process.send_signal(signal.SIGHUP)
        manager.until(lambda _: len(manager.states) == 3)
        text = site.config.read_text()
        site.config.write_text(f"{text}metres: []\n")
        process.send_signal(signal.SIGHUP)
        manager.until(lambda _: len(manager.states) == 5)
        count = len(manager.told)
        manager.until(lambda told: "WATCHDOG=1" in told[count:])
        process.terminate()
        manager.until(lambda _: "STOPPING=1" in manager.states)
        assert process.wait(10) == 0
    assert manager.states == ["READY=1", "RELOADING=1", "READY=1", "RELOADING=1", "READY=1", "STOPPING=1"]
    assert all(re.fullmatch(r"RELOADING=1\nMONOTONIC_USEC=[0-9]+", text) for text in manager.told if "RELOAD" in text)
    assert "metres: unknown key" in (tmp_path / "log").read_text(), "the second reload was refused"
    manager.socket.close()
