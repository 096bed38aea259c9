"""Who has the archive, and what somebody is told whom that keeps out."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from gatewayd.archive import holder
from gatewayd.errors import ArchiveLocked

FOLDER = Path("/a")


def told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, number: str, *arguments: str) -> ArchiveLocked:
    """With a process 7 of this command line."""
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "cmdline").write_bytes(b"".join(one.encode() + b"\0" for one in arguments))
    monkeypatch.setattr(holder, "_PROC", tmp_path)
    return holder.locked(FOLDER, number)


@pytest.mark.parametrize(
    "arguments",
    [
        ("/usr/bin/python3", "/usr/bin/gatewayd", "--config", "/etc/gatewayd/gatewayd.yaml", "run"),
        ("python", "-I", "-m", "gatewayd", "-c", "read", "run", "-v"),
        ("gatewayd", "--config=read", "run"),
    ],
)
def test_a_gateway(arguments: Sequence[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nobody is told to stop it."""
    error = told(monkeypatch, tmp_path, "7", *arguments)
    assert error.gateway
    assert str(error) == f"{error.text}; gatewayd status says how it does"
    assert error.text == "archive /a is being written by process 7, the running gateway"


def test_a_command_of_a_colleague(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    error = told(monkeypatch, tmp_path, "7", "/usr/bin/python3", "/usr/bin/gatewayd", "-c", "run", "read", "run")
    assert not error.gateway
    assert str(error) == (
        "archive /a is being written by process 7, the command gatewayd read; wait until that is over"
    )


@pytest.mark.parametrize(
    ("number", "arguments"), [("7", ("/usr/bin/demo",)), ("8", ()), ("7", ()), ("7", ("gatewayd",))]
)
def test_somebody_else(number: str, arguments: Sequence[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    error = told(monkeypatch, tmp_path, number, *arguments)
    assert not error.gateway and f"process {number} (a running gatewayd?); gatewayd status says" in str(error)


def test_one_who_has_just_begun(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert str(told(monkeypatch, tmp_path, "")).endswith(
        "another process, which has just begun; wait until that is over"
    )


GATEWAYS = {
    "7": ("/opt/gatewayd/venv/bin/python3", "/usr/bin/gatewayd", "--config", "/etc/gatewayd/gatewayd.yaml", "run"),
    "8": ("gatewayd", "-c", "here.yaml", "run"),
    "9": ("python", "-I", "-m", "gatewayd", "--config=/c.yaml", "run"),
    "10": ("gatewayd", "-c/d.yaml", "run", "-v"),
}
NONE = {
    "11": ("gatewayd", "-c", "/c.yaml", "read", "run"),
    "12": ("gatewayd", "run"),  # it may be any
    "13": ("timeout", "200", "gatewayd", "-c", "/c.yaml", "run"),
    "14": ("sudo", "gatewayd", "-c", "/c.yaml", "run"),
    "15": ("python3", "/usr/bin/watch", "gatewayd", "-c", "/c.yaml", "run"),
    "16": ("",),
    "self": ("gatewayd", "-c", "/c.yaml", "run"),
    str(os.getpid()): ("gatewayd", "-c", "/c.yaml", "run"),
}


def test_which_gateways_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With which configuration; what has started one is none, nor who has gone meanwhile."""
    for name, arguments in (GATEWAYS | NONE).items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "cmdline").write_bytes(b"".join(one.encode() + b"\0" for one in arguments))
    (tmp_path / "17").mkdir()
    monkeypatch.setattr(holder, "_PROC", tmp_path)
    found = {7: "/etc/gatewayd/gatewayd.yaml", 8: "here.yaml", 9: "/c.yaml", 10: "/d.yaml"}
    assert dict(holder.gateways()) == found


def test_how_old_a_process_is() -> None:
    with subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE) as cat:
        young, old = holder.age_of(cat.pid), holder.age_of(1)
        cat.kill()
    assert young is not None and old is not None and -0.1 < young < 30 and young < old
    assert holder.age_of(cat.pid) is None, "it has gone"
