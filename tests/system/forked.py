"""Whole processes that start at once: forked from one that has already imported the gateway and the simulators.

A command takes a second of imports and a tenth of a second of work; tests with a hundred commands cannot afford the
first. What runs is `python -m gatewayd` or `python -m simulators` all the same, in a process of its own.

Rules: nothing is shared between two of them but what was imported; each has the environment of whoever starts it (what
an interpreter reads at its start, as PYTHONPATH, comes too late); standard output and error go into files; only own
processes are signalled.
"""

import json
import multiprocessing
import os
import pkgutil
import runpy
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any

import gatewayd.cli

if TYPE_CHECKING:
    from tests.system.rig import Site

ROOT = Path(__file__).resolve().parents[2]
DEADLINE_S = 60.0
_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload(
    [
        "__main__",
        *(f"gatewayd.cli.{found.name}" for found in pkgutil.iter_modules(gatewayd.cli.__path__)),
        *("gatewayd.daemon", "gatewayd.daemon.run"),
        *(f"drivers.{name}.driver" for name in ("dlms", "iec62056_21", "modbus")),
        *(f"gatewayd.sink.{name}.sink" for name in ("line_protocol", "mqtt", "postgresql")),
        "simulators.__main__",
        "tests.system.forked",
    ]
)


def _as_module(module: str, arguments: tuple[str, ...], environment: dict[str, str], output: str, errors: str) -> None:
    """`python -m MODULE ARGUMENTS` in this process."""
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    for number, path in ((1, output), (2, errors)):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.chdir(ROOT)
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


@dataclass(frozen=True, slots=True)
class Forked:
    """A process, and the files with what it says."""

    process: ForkServerProcess
    output: Path
    errors: Path

    @property
    def pid(self) -> int:
        assert self.process.pid is not None
        return self.process.pid

    @property
    def said(self) -> str:
        """What it has written to standard error so far."""
        return self.errors.read_text() if self.errors.exists() else ""

    def wait(self, seconds: float = DEADLINE_S) -> int:
        """Its exit code; one that goes on is killed, and the test fails."""
        self.process.join(seconds)
        if self.process.exitcode is None:
            self.kill()
            raise AssertionError(f"did not end within {seconds:.0f} s: {self.errors.read_text()}")
        return self.process.exitcode

    def kill(self) -> None:
        """SIGKILL, when it still runs."""
        if self.process.exitcode is None:
            self.process.kill()
        self.process.join()

    def line(self, seconds: float = DEADLINE_S) -> str:
        """The first line that it writes."""
        deadline = time.monotonic() + seconds
        while "\n" not in (said := self.output.read_text() if self.output.exists() else ""):
            if self.process.exitcode is not None or time.monotonic() > deadline:
                raise AssertionError(f"said nothing: {self.errors.read_text() if self.errors.exists() else ''}")
            time.sleep(0.01)
        return said.partition("\n")[0]


def forked(folder: Path, module: str, *arguments: str) -> Forked:
    """Start it. What it says goes into files of their own in `folder`."""
    place = Path(mkdtemp(prefix="process-", dir=folder))
    output, errors = place / "stdout", place / "stderr"
    process = _SERVER.Process(target=_as_module, args=(module, arguments, dict(os.environ), str(output), str(errors)))
    process.start()
    return Forked(process, output, errors)


@contextmanager
def running(folder: Path, module: str, *arguments: str) -> Iterator[Forked]:
    """Until the `with` ends."""
    started = forked(folder, module, *arguments)
    try:
        yield started
    finally:
        started.kill()


def to_its_end(folder: Path, *arguments: str, seconds: float = DEADLINE_S) -> "subprocess.CompletedProcess[str]":
    """`gatewayd ARGUMENTS`; what it said lies in `folder`."""
    one = forked(folder, "gatewayd", *arguments)
    code = one.wait(seconds)
    return subprocess.CompletedProcess(arguments, code, one.output.read_text(), one.errors.read_text())


@dataclass(frozen=True, slots=True)
class QuickSite:
    """A `Site` whose commands are forked."""

    site: "Site"

    @property
    def said(self) -> Path:
        """Where the commands write."""
        made = self.site.folder / "said"
        made.mkdir(exist_ok=True)
        return made

    def run(self, *arguments: str, seconds: float = DEADLINE_S) -> "subprocess.CompletedProcess[str]":
        """`gatewayd -c CONFIG ...` to its end."""
        return to_its_end(self.said, "-c", str(self.site.config), *arguments, seconds=seconds)

    def json(self, *arguments: str, code: int = 0) -> Any:  # whatever the command prints
        """The document that a command with `--json` prints; it must end with `code`."""
        done = self.run(*arguments, "--json")
        assert done.returncode == code, done.stderr
        return json.loads(done.stdout, parse_float=str)
