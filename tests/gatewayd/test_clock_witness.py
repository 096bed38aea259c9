"""What a sandboxed gateway knows of the clock: what the witness has written down a moment ago."""

import ctypes
import errno
import os
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner

from gatewayd import clock_witness, kernel_clock
from gatewayd.cli import gatewayd
from gatewayd.clock_witness import Said, tell, told
from gatewayd.kernel_clock import Sync, Synchronised, kernel_says
from tests.system.rig import ROOT


@pytest.fixture
def forbidden(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """As with ProtectClock=yes; the path of the witness' file."""

    def refused(_: object) -> int:
        ctypes.set_errno(errno.EPERM)
        return -1

    monkeypatch.setattr(kernel_clock, "_adjtimex", lambda: refused)
    path = tmp_path / "state"
    monkeypatch.setattr(clock_witness.told, "__defaults__", (path, time.monotonic_ns))
    return path


def test_what_is_told_is_what_was_said(tmp_path: Path) -> None:
    path = tmp_path / "state"
    tell(Said(0x2001, 12_000), path)
    assert told(path) == Said(0x2001, 12_000)
    assert path.stat().st_mode & 0o777 == 0o644 and list(tmp_path.iterdir()) == [path]


def test_an_old_answer_is_none(tmp_path: Path) -> None:
    """Nor is one from before the last start of the machine, where the steady clock was ahead."""
    path, second = tmp_path / "state", 10**9
    tell(Said(1, 2), path, lambda: 1000 * second)
    assert told(path, lambda: 1060 * second) == Said(1, 2)
    assert told(path, lambda: 1061 * second) is None
    assert told(path, lambda: 999 * second) is None


@pytest.mark.parametrize("text", ["", "1 2\n", "1 2 x\n", "1 2 3 4\n", "\N{BULLET}\n"])
def test_nonsense_is_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "state"
    path.write_text(text)
    assert told(path) is None
    assert told(tmp_path / "nowhere") is None


def test_whoever_may_not_ask_goes_by_the_witness(forbidden: Path) -> None:
    tell(Said(0x0001, 12_000), forbidden)
    assert kernel_says() == Synchronised(Sync.YES, "adjtimex", Decimal("0.012"))
    tell(Said(0x0040, 12_000), forbidden)
    assert kernel_says().state is Sync.NO


def test_without_a_witness_nothing_is_known(forbidden: Path) -> None:
    said = kernel_says()
    assert said.state is Sync.UNKNOWN and "gatewayd-clock.service says nothing" in said.source


def test_the_command_asks_this_kernel(tmp_path: Path) -> None:
    path = tmp_path / "state"
    command = [sys.executable, "-m", "gatewayd", "witness", "--once", "--file"]
    subprocess.run([*command, str(path)], check=True, cwd=ROOT, timeout=60)
    said = told(path)
    assert said is not None
    assert kernel_clock.understood(said.status, said.maximum_error_us).state is kernel_says().state
    done = subprocess.run(
        [*command, str(tmp_path / "nowhere" / "state")],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1 and "cannot be written: No such file or directory" in done.stderr
    assert os.fspath(tmp_path / "nowhere" / "state") in done.stderr


def test_a_device_stays_one(tmp_path: Path) -> None:
    """What root names by mistake is not replaced by a file."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    done = CliRunner().invoke(gatewayd, ["witness", "--once", "--file", str(pipe)])
    assert done.exit_code == 2 and "is no file" in done.stderr and pipe.is_fifo()
