"""Interrupted before a command is under way: whole processes, and the exit codes that a service manager sees."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.system.rig import DEADLINE_S, ROOT

_IN_AN_IMPORT = """
import os, sys

class Field:
    def __set_name__(self, owner, name):  # an exception here comes out as another one
        os.kill(os.getpid(), {number})
        [None for _ in range(1000)]

class Finder:
    def find_spec(self, name, path, target=None):
        if name == {module!r}:
            {how}

from gatewayd.cli import main
sys.meta_path.insert(0, Finder())
sys.argv = ["gatewayd", *{arguments!r}]
main()
"""
_HOW = ("type('Model', (), {'field': Field()})", "exec('Field().__set_name__(None, None)')")


@pytest.mark.parametrize("how", _HOW)
@pytest.mark.parametrize(
    ("command", "module", "number", "code"),
    [
        ("run", "gatewayd.cli.run", signal.SIGTERM, 0),
        ("run", "gatewayd.daemon.run", signal.SIGTERM, 0),
        ("run", "gatewayd.daemon.run", signal.SIGINT, 130),
        ("check", "gatewayd.cli.check", signal.SIGTERM, 130),
        ("check", "gatewayd.cli.check", signal.SIGINT, 130),
        ("check", "gatewayd.cli.check", signal.SIGHUP, 130),
    ],
)
def test_a_signal_in_the_middle_of_an_import(
    tmp_path: Path, how: str, command: str, module: str, number: signal.Signals, code: int
) -> None:
    arguments = ["-c", str(tmp_path / "none.yaml"), command]
    script = _IN_AN_IMPORT.format(number=int(number), module=module, how=how, arguments=arguments)
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, timeout=DEADLINE_S, check=False
    )
    assert (done.returncode, done.stdout, done.stderr.strip()) == (code, "", "")


@pytest.mark.parametrize(
    ("command", "number", "code"),
    [
        ("run", signal.SIGTERM, 0),
        ("check", signal.SIGTERM, 130),
        ("check", signal.SIGHUP, 130),
        ("-h", signal.SIGHUP, 0),
    ],
)
def test_a_signal_before_the_command_is_known(command: str, number: signal.Signals, code: int) -> None:
    script = f"""
import os, sys, click
from gatewayd import cli
begin = click.Group.make_context
def interrupted(*arguments, **more):
    os.kill(os.getpid(), {int(number)})
    return begin(*arguments, **more)
cli.LazyGroup.make_context = interrupted
sys.argv = ["gatewayd", {command!r}]
cli.main()
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, timeout=DEADLINE_S, check=False
    )
    assert (done.returncode, done.stderr) == (code, "")


@pytest.mark.parametrize(("command", "left"), [("check", "True True"), ("run", "True False")])
def test_a_command_that_is_loaded_is_interrupted_as_by_ctrl_c(tmp_path: Path, command: str, left: str) -> None:
    """Only so a meter is told and a call hung up. Of `run` that is the daemon's business."""
    script = f"""
import signal, sys
from gatewayd import cli
sys.argv = ["gatewayd", "-c", {str(tmp_path / "none.yaml")!r}, {command!r}]
try:
    cli.main()
except SystemExit:
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM)]
    print(handlers[:2] == [signal.default_int_handler, cli._interrupt], handlers[2] is cli._interrupt)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, timeout=DEADLINE_S, check=False
    )
    assert done.stdout.strip() == left, done.stderr


@pytest.mark.parametrize(
    ("command", "number", "code"),
    [
        ("run", signal.SIGTERM, 0),
        ("run", signal.SIGINT, 130),
        ("check", signal.SIGTERM, 130),
        ("check", signal.SIGINT, 130),
    ],
)
def test_a_signal_while_the_configuration_is_read(
    tmp_path: Path, command: str, number: signal.Signals, code: int
) -> None:
    """A pipe that nobody writes into: the command waits there, and is known to."""
    pipe = tmp_path / "gatewayd.yaml"
    os.mkfifo(pipe)
    process = subprocess.Popen(
        [sys.executable, "-m", "gatewayd", "-c", str(pipe), command], stderr=subprocess.PIPE, text=True, cwd=ROOT
    )
    try:
        with pipe.open("wb"):  # returns when the command has opened it
            process.send_signal(number)
            _, said = process.communicate(timeout=DEADLINE_S)
    finally:
        process.kill()
        process.wait()
    assert (process.returncode, said.strip()) == (code, "")
