"""Who has the archive, and what somebody is told whom that keeps out."""

import os
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


def test_which_gateways_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With which configuration; what is no gateway, names none, or has gone meanwhile is left out."""
    lines = {
        "7": ("python3", "/usr/bin/gatewayd", "--config", "/etc/gatewayd/gatewayd.yaml", "run"),
        "8": ("gatewayd", "-c", "here.yaml", "run"),
        "9": ("gatewayd", "--config=/c.yaml", "run"),
        "10": ("gatewayd", "-c", "/c.yaml", "read", "run"),
        "11": ("gatewayd", "run"),
        "self": ("gatewayd", "-c", "/c.yaml", "run"),
        str(os.getpid()): ("gatewayd", "-c", "/c.yaml", "run"),
    }
    for name, arguments in lines.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "cmdline").write_bytes(b"".join(one.encode() + b"\0" for one in arguments))
    (tmp_path / "12").mkdir()
    (tmp_path / "8" / "cwd").symlink_to("/home/jana")
    monkeypatch.setattr(holder, "_PROC", tmp_path)
    assert dict(holder.gateways()) == {
        7: Path("/etc/gatewayd/gatewayd.yaml"),
        8: Path("/home/jana/here.yaml"),
        9: Path("/c.yaml"),
    }
