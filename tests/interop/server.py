"""A real server of one's own, on the loopback interface, that can be killed, stopped and brought back.

Rules: everything lives in one directory; only processes started here are signalled; waits have deadlines; a missing
program is a failure that says how to install it.
"""

import os
import shutil
import signal
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

DEADLINE_S = 20.0
_ASK_AGAIN_S = 0.02


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Server(ABC):
    """One process. Entering starts it; it is killed in the end."""

    host = "127.0.0.1"
    program: str
    package: str
    """The Debian package that has the program."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    @abstractmethod
    def command(self) -> list[str]:
        """The arguments of the program."""

    @abstractmethod
    def ready(self) -> bool:
        """Whether it answers as it should."""

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.kill()

    def start(self) -> None:
        """Start and wait until it is ready."""
        path = shutil.which(self.program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
        if path is None:
            pytest.fail(f"{self.program} is not installed; run: apt-get install {self.package}")
        self.directory.mkdir(parents=True, exist_ok=True)
        with (self.directory / "log").open("ab") as log:
            self._process = subprocess.Popen([path, *self.command()], stdout=log, stderr=log, cwd=self.directory)
        deadline = time.monotonic() + DEADLINE_S
        while not self.ready():
            try:
                self._process.wait(_ASK_AGAIN_S)
            except subprocess.TimeoutExpired:
                if time.monotonic() < deadline:
                    continue
                pytest.fail(f"{self.program} did not get ready within {DEADLINE_S:g} s:\n{self.log[-4000:]}")
            pytest.fail(f"{self.program} ended at once:\n{self.log[-4000:]}")

    def kill(self) -> None:
        """SIGKILL: no goodbye, nothing saved."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(DEADLINE_S)
            self._process = None

    def restart(self) -> None:
        """Again on the same port and data."""
        self.kill()
        self.start()

    def stop(self) -> None:
        """SIGSTOP: connections stay open and nobody answers."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self._process.pid, os.WSTOPPED)

    def cont(self) -> None:
        """SIGCONT: go on as if nothing had happened."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    @property
    def log(self) -> str:
        """What it wrote."""
        return (self.directory / "log").read_text(errors="replace")
