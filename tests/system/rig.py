"""The parts of a whole system as processes: simulated meters, the command line, the daemon.

Rules: everything that is tested here is started as a user would start it, but a command that this process of tests has
started so before is forked (forked.py): it does the same without a second of imports. Waits have deadlines; only own
processes are signalled.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from tests.system.forked import to_its_end

ROOT = Path(__file__).resolve().parents[2]
CAPTURES = ROOT.parent / "shared" / "captures" / "iec62056-21"
DEADLINE_S = 60.0
READY_S = 20.0
_GROUPS = ("archive", "config", "export", "reading", "sink", "substitute")
_KNOWN: set[tuple[str, ...]] = set()
"""Commands that have shown that they begin in an interpreter of their own."""
QUICK = ("--no-pace", "--reaction-ms", "0", "--no-check-baud")
"""A meter without any delay; it would outrun every change of rate, so the rate is not checked (other tests do)."""


def captures() -> Path:
    """The folder with the recordings of real meters; without it the test is skipped, in CI it fails."""
    if not CAPTURES.is_dir():
        if os.environ.get("CI"):
            pytest.fail(f"{CAPTURES} is missing")
        pytest.skip("the recordings of real meters are not here")
    return CAPTURES


@dataclass(frozen=True, slots=True)
class Meter:
    """A simulated meter that is ready: the device of its pseudo-terminal, or its TCP port."""

    process: subprocess.Popen[str]
    device: str = ""
    port: int = 0

    def line(self, name: str) -> str:
        """Its line in a configuration."""
        where = (
            f"type: serial, device: {self.device}" if self.device else f"type: tcp, host: 127.0.0.1, port: {self.port}"
        )
        return f"  {name}: {{{where}}}\n"


@contextmanager
def simulator(readout: Path, *options: str, pty: Path | None = None) -> Iterator[Meter]:
    """`python -m simulators iec62056_21`, on a pseudo-terminal at `pty` or on a free TCP port."""
    place = ["--pty", str(pty)] if pty is not None else ["--tcp", "0"]
    command = [sys.executable, "-m", "simulators", "iec62056_21", "--readout", str(readout), *place, *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    try:
        assert process.stdout is not None
        ready = process.stdout.readline().strip()
        assert ready.startswith("ready "), f"the simulator said {ready!r}"
        if pty is not None:
            yield Meter(process, device=str(pty))
        else:
            yield Meter(process, port=int(ready.rsplit(":", 1)[1]))
    finally:
        end(process)


def end(process: subprocess.Popen[str], number: signal.Signals = signal.SIGTERM, seconds: float = 10.0) -> int:
    """Signal a process of ours and wait for its end; its exit code."""
    if process.poll() is None:
        process.send_signal(number)
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise


@dataclass(frozen=True, slots=True)
class Site:
    """A folder with a configuration and an archive."""

    folder: Path

    @property
    def config(self) -> Path:
        return self.folder / "gatewayd.yaml"

    @property
    def archive(self) -> Path:
        return self.folder / "archive"

    def configure(self, lines: str, meters: str, sinks: str = "") -> None:
        """Write the configuration from the entries of its three lists."""
        head = f"gateway: {{id: gw-test, clock: trusted}}\narchive: {{path: {self.archive}}}\n"
        text = f"{head}lines:\n{lines}meters:\n{meters}"
        self.config.write_text(text + (f"sinks:\n{sinks}" if sinks else ""), encoding="utf-8")

    def run(self, *arguments: str, seconds: float = DEADLINE_S) -> "subprocess.CompletedProcess[str]":
        """`gatewayd -c CONFIG ...` to its end. The first of each command has an interpreter of its own."""
        name = arguments[: 2 if arguments[0] in _GROUPS else 1]
        if name in _KNOWN:
            with TemporaryDirectory(prefix="gatewayd-said-") as said:
                return to_its_end(Path(said), "-c", str(self.config), *arguments, seconds=seconds)
        _KNOWN.add(name)
        return self.run_afresh(*arguments, seconds=seconds)

    def run_afresh(self, *arguments: str, seconds: float = DEADLINE_S) -> "subprocess.CompletedProcess[str]":
        """The same, always with an interpreter of its own, which reads PYTHONPATH."""
        command = [sys.executable, "-m", "gatewayd", "-c", str(self.config), *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=seconds, cwd=ROOT, check=False)

    def json(self, *arguments: str, code: int = 0) -> Any:
        """The document that a command with `--json` prints; it must end with `code`."""
        done = self.run(*arguments, "--json")
        assert done.returncode == code, done.stderr
        return json.loads(done.stdout, parse_float=str)

    @contextmanager
    def daemon(self, **environment: str) -> Iterator["Daemon"]:
        """`gatewayd run`, until the `with` ends, in this environment besides that of the tests."""
        log, command = self.folder / "daemon.log", [sys.executable, "-m", "gatewayd", "-c", str(self.config), "run"]
        with log.open("ab") as errors:
            process = subprocess.Popen(command, stderr=errors, text=True, cwd=ROOT, env=os.environ | environment)
        daemon = Daemon(process, log)
        try:
            yield daemon
        finally:
            daemon.kill()


@dataclass(frozen=True, slots=True)
class Daemon:
    """A running gateway."""

    process: subprocess.Popen[str]
    log: Path

    @property
    def messages(self) -> str:
        return self.log.read_text(errors="replace")

    def terminate(self) -> int:
        """SIGTERM; its exit code. Fails when it takes longer than 10 s."""
        return end(self.process, signal.SIGTERM, 10.0)

    def kill(self) -> None:
        """SIGKILL, when it still runs."""
        if self.process.poll() is None:
            end(self.process, signal.SIGKILL)


def eventually(condition: Callable[[], bool], what: str, seconds: float = DEADLINE_S) -> None:
    """Wait until the condition holds; AssertionError with `what` when it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:.0f} s: {what}")
        time.sleep(0.05)


@contextmanager
def together(*parts: Any) -> Iterator[list[Any]]:
    """Several context managers at once."""
    with ExitStack() as stack:
        yield [stack.enter_context(part) for part in parts]


_SET = re.compile(rb"([^()\r\n\x02]*)((?:\([^()\r\n]*\))+)|\r?\n((?:\([^()\r\n]*\))+)")


def data_sets(telegram: bytes) -> list[tuple[str, list[str]]]:
    """Code and brackets of each data set of a recording, found independently of the driver's own parser."""
    found: list[tuple[str, list[str]]] = []
    for line in telegram.replace(b"\x02", b"\n").split(b"\n"):
        for code, brackets, _ in _SET.findall(line):
            values = [value.decode("latin-1") for value in re.findall(rb"\(([^()]*)\)", brackets)]
            if code.strip():
                found.append((code.decode("latin-1").strip(), values))
            else:
                found[-1][1].extend(values)
    return found
