"""Who holds the writer's lock of an archive: a gateway, a command that is over in a moment, or somebody else; and which
gateways run at all, with which configuration.

Rules: out of the number in the lock's file and the command line of that process in /proc; who cannot be looked at (of
another user where /proc hides them, outside of this container) is called what he most likely is.
"""

import itertools
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from gatewayd.errors import ArchiveLocked

_PROC = Path("/proc")
_STARTED = 19
"""Of /proc/PID/stat behind the name: field 22, in clock ticks since the machine was started (proc_pid_stat(5))."""
_AT_MOST = 6
"""Among so many words its name stands, behind an interpreter and its options."""
_OVER_SOON = "wait until that is over"


@dataclass(frozen=True, slots=True)
class Words:
    """Of a command line: the command of gatewayd, `run` for a gateway, "" for none; the configuration that is named."""

    command: str = ""
    config: str = ""


def command_of(pid: int) -> str:
    """The command of gatewayd that a process carries out, `run` for a gateway; "" where there is none to be seen."""
    return _words(_arguments(pid)).command


def gateways() -> Iterator[tuple[int, str]]:
    """The processes of the gateways that run, each with the configuration that its command line names, as far as this
    user may see that; without those that name none. What has started one (timeout, sudo, tini) is none."""
    for entry in _PROC.iterdir():
        if not entry.name.isdecimal() or int(entry.name) == os.getpid():
            continue
        arguments = _arguments(int(entry.name))
        words = _words(arguments)
        if words.command == "run" and words.config and _is_gatewayd(arguments):
            yield int(entry.name), words.config


def age_of(pid: int) -> float | None:
    """For how many seconds a process has run; None where it has gone."""
    try:
        ticks = int((_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[_STARTED])
        up = float((_PROC / "uptime").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return None
    return up - ticks / os.sysconf("SC_CLK_TCK")


def _is_gatewayd(arguments: Sequence[str]) -> bool:
    """Whether the program itself is gatewayd, or a Python that has been given it."""
    first, *rest = arguments
    if Path(first).name == "gatewayd":
        return True
    given = list(itertools.dropwhile(lambda one: one.startswith("-") and one != "-m", rest))
    named = given[1] if given[:1] == ["-m"] and len(given) > 1 else given[0] if given else ""
    return Path(first).name.startswith("python") and Path(named).name == "gatewayd"


def _arguments(pid: int) -> list[str]:
    try:
        return (_PROC / str(pid) / "cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return [""]


def _words(arguments: Sequence[str]) -> Words:
    """Of `/usr/bin/gatewayd -c FILE run`, or `python -m gatewayd run`; none where it is neither."""
    names = [number for number, one in enumerate(arguments[:_AT_MOST]) if Path(one).name == "gatewayd"]
    rest, config = iter(arguments[names[0] + 1 :] if names else ()), ""
    for one in rest:
        if one in ("-c", "--config"):
            config = next(rest, "")
        elif one.startswith("--config="):
            config = one.removeprefix("--config=")
        elif one.startswith("-c"):
            config = one.removeprefix("-c")
        elif one and not one.startswith("-"):
            return Words(one, config)
    return Words()


def locked(folder: Path, number: str) -> ArchiveLocked:
    """What is told to whom the lock is refused. `number`: what stands in the lock's file, "" where nothing does yet."""
    who, remedy = f"process {number} (a running gatewayd?)", "gatewayd status says whether that is one"
    command = command_of(int(number)) if number.isdecimal() else ""
    if not number.isdecimal():
        who, remedy = "another process, which has just begun", _OVER_SOON
    elif command == "run":
        who, remedy = f"process {number}, the running gateway", "gatewayd status says how it does"
    elif command:
        who, remedy = f"process {number}, the command gatewayd {command}", _OVER_SOON
    return ArchiveLocked(f"archive {folder} is being written by {who}", remedy, gateway=command == "run")
