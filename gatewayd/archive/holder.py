"""Who holds the writer's lock of an archive: a gateway, a command that is over in a moment, or somebody else.

Rules: out of the number in the lock's file and the command line of that process in /proc; who cannot be looked at (of
another user where /proc hides them, outside of this container) is called what he most likely is.
"""

from collections.abc import Sequence
from pathlib import Path

from gatewayd.errors import ArchiveLocked

_PROC = Path("/proc")
_AT_MOST = 6
"""Among so many words its name stands, behind an interpreter and its options."""
_OVER_SOON = "wait until that is over"


def command_of(pid: int) -> str:
    """The command of gatewayd that a process carries out, `run` for a gateway; "" where there is none to be seen."""
    try:
        arguments = (_PROC / str(pid) / "cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return ""
    return _command(arguments)


def _command(arguments: Sequence[str]) -> str:
    """Of `/usr/bin/gatewayd -c FILE run`, or `python -m gatewayd run`; "" where it is neither."""
    names = [number for number, one in enumerate(arguments[:_AT_MOST]) if Path(one).name == "gatewayd"]
    rest = iter(arguments[names[0] + 1 :] if names else ())
    for one in rest:
        if one in ("-c", "--config"):
            next(rest, None)
        elif one and not one.startswith("-"):
            return one
    return ""


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
