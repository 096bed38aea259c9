"""Who holds the writer's lock of an archive: a gateway, a command that is over in a moment, or somebody else; and which
gateways run at all, with which configuration.

Rules: out of the number in the lock's file and the command line of that process in /proc; who cannot be looked at (of
another user where /proc hides them, outside of this container) is called what he most likely is.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from gatewayd.errors import ArchiveLocked

_PROC = Path("/proc")
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
    return _words_of(pid).command


def gateways() -> Iterator[tuple[int, Path]]:
    """The processes of the gateways that run, each with the configuration that its command line names, as far as this
    user may see that. Those that name none are left out."""
    for entry in _PROC.iterdir():
        if not entry.name.isdecimal() or int(entry.name) == os.getpid():
            continue
        words = _words_of(int(entry.name))
        if words.command != "run" or not words.config:
            continue
        try:
            folder = (entry / "cwd").readlink()  # of others only root may see it: then an absolute path has to do
        except OSError:
            folder = Path("/")
        yield int(entry.name), folder / words.config


def _words_of(pid: int) -> Words:
    try:
        arguments = (_PROC / str(pid) / "cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return Words()
    return _words(arguments)


def _words(arguments: Sequence[str]) -> Words:
    """Of `/usr/bin/gatewayd -c FILE run`, or `python -m gatewayd run`; none where it is neither."""
    names = [number for number, one in enumerate(arguments[:_AT_MOST]) if Path(one).name == "gatewayd"]
    rest, config = iter(arguments[names[0] + 1 :] if names else ()), ""
    for one in rest:
        if one in ("-c", "--config"):
            config = next(rest, "")
        elif one.startswith("--config="):
            config = one.removeprefix("--config=")
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
