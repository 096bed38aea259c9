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
    # The text is wrapped, also at hyphens.
    text = "".join(run("iec62056_21", "--help").stdout.split())
    for word in ("--readout", "--pty", "--tcp", "--mode", "--advance", "hang-up,", "no-ack-support.", "--seed"):
        assert word in text
    for word in (
        "block-bad-bcc,block-truncate,block-hang-up,block-noise,",
        "command-silence,command-nak,command-break.",
    ):
        assert word in text


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
        (("--tcp", "0", "--misbehave", "bad-bcc:1*"), "'1*' is not a count of readouts"),
        (("--tcp", "0", "--misbehave", "block-bad-bcc:0"), "'0' is not a count of blocks"),
        (("--tcp", "0", "--misbehave", "command-nak:*"), "'*' is not a count of commands"),
        (("--tcp", "0", "--commands", "R5,R9"), "'R9'"),
        (("--tcp", "0", "--password", "heslo č. 1"), "--password"),
        (("--tcp", "0", "--operand", "č"), "--operand"),
        (("--tcp", "0", "--profile", "LINES"), "line 1 is neither"),
        (("--tcp", "0", "--generate-profile", "P.01:7:1:2026-01-01:2026-01-02"), "7 minutes"),
        (("--tcp", "0", "--incident", "missing=02601010015"), "nothing is generated"),
        (("--tcp", "0", "--incident", "flood=02601010015"), "flood"),
        (("--tcp", "0", "--table", "22=LINES"), "22"),
        (("--tcp", "0", "--table", "2=/nowhere"), "/nowhere"),
        (("--tcp", "0", "--meter", "address=1"), "no readout=FILE"),
        (("--tcp", "0", "--meter", "readout=LINES,colour=red"), "'colour'"),
        (("--tcp", "0", "--meter", "readout=/nowhere"), "/nowhere"),
        (("--tcp", "0", "--meter", "readout=LINES,profile=/nowhere"), "/nowhere"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, arguments: tuple[str, ...], complaint: str) -> None:
    file = tmp_path / "lines.txt"
    file.write_bytes(LINES)
    done = run("iec62056_21", "--readout", file, *(text.replace("LINES", str(file)) for text in arguments))
    assert (done.returncode, done.stdout) == (2, "")
    # The message is wrapped and framed.
    assert complaint in " ".join(done.stderr.replace("│", " ").split())


def test_a_meter_needs_a_readout() -> None:
    done = run("iec62056_21", "--tcp", "0")
    assert (done.returncode, done.stdout) == (2, "")
    assert "--readout FILE" in done.stderr


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
