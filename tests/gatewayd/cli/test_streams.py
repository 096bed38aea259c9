"""Standard streams that are closed, full, or of an encoding that lacks characters: no traceback, and a gateway that
reads all the same."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.system.rig import DEADLINE_S, ROOT, eventually

CONFIG = "gateway: {id: s, clock: trusted}\narchive: {path: %s}\n"
COMMAND = (sys.executable, "-m", "gatewayd", "-c")


def shell(folder: Path, arguments: str, **environment: str) -> "subprocess.CompletedProcess[bytes]":
    """A command with redirections, as a shell has them."""
    config = folder / "gatewayd.yaml"
    config.write_text(CONFIG % (folder / "archive"))
    return subprocess.run(
        ["sh", "-c", f'exec "$@" {arguments}', "sh", *COMMAND, str(config)],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        timeout=DEADLINE_S,
        check=False,
    )


@pytest.mark.parametrize("command", ["config schema", "config example", "--help"])
def test_a_full_disk_is_told(tmp_path: Path, command: str) -> None:
    done = shell(tmp_path, f"{command} >/dev/full")
    told = b"the output cannot be written: No space left on device; is its disk full?\n"
    assert (done.returncode, done.stderr) == (1, told)


@pytest.mark.parametrize("command", ["--help", "--version", "status --help", "config --help", "config schema"])
def test_whoever_closes_the_pipe_early_is_not_told_off(tmp_path: Path, command: str) -> None:
    """`gatewayd --help | true`: docs/exit-codes.md says 0."""
    config = tmp_path / "gatewayd.yaml"
    config.write_text(CONFIG % (tmp_path / "archive"))
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [*COMMAND, str(config), *command.split()],
            cwd=ROOT,
            stdout=writer,
            stderr=subprocess.PIPE,
            timeout=DEADLINE_S,
            check=False,
        )
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("options", ["", "--json", "--watch 0.2", "--watch 0.2 --json"])
def test_what_status_has_found_is_its_exit_code_also_where_nobody_reads_on(tmp_path: Path, options: str) -> None:
    """`gatewayd status | head -1` while no gateway runs."""
    config = tmp_path / "gatewayd.yaml"
    config.write_text(CONFIG % (tmp_path / "archive"))
    reader, writer = os.pipe()
    os.close(reader)
    command = [*COMMAND, str(config), "status", *options.split()]
    try:
        done = subprocess.run(command, cwd=ROOT, stdout=writer, stderr=subprocess.PIPE, timeout=DEADLINE_S, check=False)
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (1, b"")


def test_nobody_can_be_told_either(tmp_path: Path) -> None:
    assert shell(tmp_path, "config example >/dev/full 2>&1").returncode == 1


def test_closed_streams(tmp_path: Path) -> None:
    done = shell(tmp_path, "config schema <&- >&-")
    assert (done.returncode, done.stderr) == (0, b"")


def test_an_encoding_without_the_letters(tmp_path: Path) -> None:
    done = shell(tmp_path, "status --lang cs", PYTHONIOENCODING="ascii")
    assert done.stdout.startswith(b"br?na s: neb")
    assert done.stderr == b""


def test_a_gateway_without_standard_streams(tmp_path: Path) -> None:
    """No file of the archive gets the number of standard error, where also foreign code writes."""
    config = tmp_path / "gatewayd.yaml"
    config.write_text(CONFIG % (tmp_path / "archive"))
    script = 'exec "$@" <&- >&- 2>&-'
    with subprocess.Popen(["sh", "-c", script, "sh", *COMMAND, str(config), "run"], cwd=ROOT) as process:
        try:
            socket = tmp_path / "archive" / "control.sock"
            eventually(lambda: socket.exists() or process.poll() is not None, "the gateway serves")
            assert process.poll() is None
            folder = Path(f"/proc/{process.pid}/fd")
            assert {str((folder / number).readlink()) for number in "012"} == {os.devnull}
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE_S) == 0
