"""`python -m simulators` explains itself and refuses what it cannot do, with exit code 2."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulators.reader import LINES, PATIENCE_S, ROOT, framed


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "simulators", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S, check=False)


def test_help_names_every_option_and_every_misbehaviour() -> None:
    assert "broker" in run("--help").stdout
    words = run("iec62056_21", "--help").stdout.split()
    for word in ("--readout", "--pty", "--tcp", "--mode", "--advance", "hang-up,", "no-ack-support.", "--seed"):
        assert word in words


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ((), "--pty LINK or --tcp PORT"),
        (("--tcp", "0", "--pty", "x"), "--pty LINK or --tcp PORT"),
        (("--tcp", "0", "--misbehave", "sulk"), "sulk"),
        (("--tcp", "0", "--misbehave", "echo:0"), "'0'"),
        (("--tcp", "0", "--advance", "1.8.0"), "OBIS=STEP"),
        (("--tcp", "0", "--advance", "9.9.9=1"), "9.9.9"),
        (("--tcp", "0", "--identification", "SIM5ž"), "ASCII"),
        (("--pty", "/dev/null"), "/dev/null"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, arguments: tuple[str, ...], complaint: str) -> None:
    file = tmp_path / "lines.txt"
    file.write_bytes(LINES)
    done = run("iec62056_21", "--readout", file, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert complaint in done.stderr


def test_a_damaged_capture_cannot_advance(tmp_path: Path) -> None:
    file = tmp_path / "capture.bin"
    file.write_bytes(framed()[:-1] + b"\x00")
    done = run("iec62056_21", "--readout", file, "--tcp", "0", "--advance", "1.8.0=1")
    assert done.returncode == 2
    assert "damaged" in done.stderr


def test_an_empty_readout_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "nothing.txt"
    file.write_bytes(b"\r\n")
    assert run("iec62056_21", "--readout", file, "--tcp", "0").returncode == 2
