"""What keeps the gateway from its own archive: files that are not of the owner of the folder, a unit that lets it write
nowhere else.

Rules: counted up from owners and modes, as for all other files; nothing is opened. A sealed segment and keys are only
read, and what nobody may write need not be written. The unit is asked only where no gateway runs: one that runs has
its archive.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from gatewayd.archive.owner import group_name
from gatewayd.archive.set_aside import state_path
from gatewayd.doctor.account import ENTER, READ, WRITE, Account, account_of, allows, has_access_list
from gatewayd.doctor.findings import Finding, Unseen, error
from gatewayd.doctor.service import parsed

_SHOWN = 3
_ASK_S = 2.0
_BOOTED = Path("/run/systemd/system")
_PROPERTIES = "LoadState,ProtectSystem,ReadWritePaths,BindPaths,StateDirectory"
_ANY_WRITE = 0o222
_NAMES = ("writer.lock", "head", "signing.key", "signing.pub", "cursors", "quarantine")
_ONLY_READ = frozenset({"signing.key", "signing.pub"})
_ALWAYS_OPEN = (Path("/dev"), Path("/proc"), Path("/sys"), Path("/tmp"), Path("/var/tmp"))  # noqa: S108 - PrivateTmp=


@dataclass(frozen=True, slots=True)
class Foreign:
    """Files in `folder` that its owner cannot use, and whose they are. `group`: that of the folder."""

    folder: Path
    owner: str
    group: str
    names: tuple[str, ...]


def seen_foreign(folder: Path) -> Foreign | None:
    """None where there are none. PermissionError where this user may not look into the folder."""
    around = folder.stat()
    account = account_of(around.st_uid)
    names = tuple(str(path.relative_to(folder)) for path in _files(folder) if _is_foreign(path, account))
    return Foreign(folder, account.name, group_name(around.st_gid), names) if names else None


def _files(folder: Path) -> Iterator[Path]:
    """What an archive is made of; whatever else lies there (lost+found) the gateway does not need."""
    segments = sorted(folder.glob("segment-*.sqlite*"))
    state = sorted(folder.glob(f"{state_path(folder).name}*"))
    yield from (*(folder / name for name in _NAMES), *segments, *state, *sorted((folder / "cursors").glob("*")))


def _is_foreign(path: Path, account: Account) -> bool:
    try:
        found = path.stat()
        if path.is_dir():
            need = READ | WRITE | ENTER
        else:
            need = READ if path.name in _ONLY_READ or not found.st_mode & _ANY_WRITE else READ | WRITE
        return not allows(found.st_mode, found.st_uid, found.st_gid, account, need) and not has_access_list(path)
    except (FileNotFoundError, Unseen):
        return False


def judged_foreign(foreign: Foreign) -> Finding:
    shown = ", ".join(foreign.names[:_SHOWN])
    more = f" and {len(foreign.names) - _SHOWN} more" if len(foreign.names) > _SHOWN else ""
    text = (
        f"user {foreign.owner}, whose the folder is, cannot read or write {shown}{more}: "
        "a command ran as root, or they were copied"
    )
    remedy = f"chown -R {foreign.owner}:{foreign.group} {foreign.folder}; systemctl restart gatewayd"
    return error("permissions", "files of the archive", text, remedy)


def judged_unit(folder: Path, unit: str, has: Mapping[str, str]) -> Finding | None:
    """`has`: what `systemctl show` says of the unit, by property."""
    if has.get("LoadState") != "loaded" or has.get("ProtectSystem") != "strict":
        return None
    opened = [Path("/var/lib") / name for name in has.get("StateDirectory", "").split()]
    opened += [Path(name.lstrip("+-")) for name in has.get("ReadWritePaths", "").split()]
    opened += [Path(name.lstrip("+-").split(":")[1]) for name in has.get("BindPaths", "").split() if ":" in name]
    if any(folder.is_relative_to(os.path.realpath(each)) for each in (*opened, *_ALWAYS_OPEN)):
        return None
    text = f"{unit} lets the gateway write nothing there: for it the disk is read-only"
    remedy = f"systemctl edit {unit}: ReadWritePaths={folder} under [Service] (docs/systemd.md)"
    return error("permissions", str(folder), text, remedy)


def unit(folder: Path, name: str) -> list[Finding]:
    """The look at whether the unit of this name lets the gateway write in the folder; that it cannot be asked the look
    at the unit itself tells."""
    program = shutil.which("systemctl")
    if program is None or not _BOOTED.is_dir():
        return []
    command = [program, "show", name, f"--property={_PROPERTIES}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_ASK_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return []
    found = judged_unit(Path(os.path.realpath(folder)), name, parsed(done.stdout)) if not done.returncode else None
    return [] if found is None else [found]
