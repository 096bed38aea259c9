"""Serial ports of the configuration: there, permitted, free or held by the gateway, and of a name that stays.

Rules: none is opened: that would raise DTR, disturb a meter and wake a modem. Who holds one is seen in /proc.
"""

import grp
import os
import re
import stat
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from gatewayd.config import Line, ModemLine, SerialLine
from gatewayd.doctor.account import READ, WRITE, Account, mode_text, obstacle
from gatewayd.doctor.findings import Finding, Unseen, error, fine, note, unseen, warning
from gatewayd.doctor.processes import Holder, Lock, is_gateway, lock_holders, seen_locks, users_of
from gatewayd.doctor.scene import Scene

AREA = "serial"
_CHANGING = re.compile(r"/dev/tty(USB|ACM)\d+")
_STABLE = (Path("/dev/gatewayd"), Path("/dev/serial/by-id"))
_REMEDIES = {
    "ModemManager": "systemctl disable --now ModemManager, or the udev rules of gatewayd, which keep it away",
    "agetty": "systemctl disable --now serial-getty@{device}.service",
    "gatewayd": "wait until that command is through, or end it",
}
"""What to do about a process of this name."""


@dataclass(frozen=True, slots=True)
class Port:
    """A device as it was seen. `blocked`: where the gateway's user is stopped; `doubt`: why that is not known."""

    device: Path
    there: bool = True
    character: bool = True
    mode: int = 0
    owner: str = ""
    group: str = ""
    blocked: Path | None = None
    doubt: str = ""
    holders: tuple[Holder, ...] = ()
    stable: tuple[str, ...] = ()
    """Other names of it, which stay when adapters are plugged in otherwise."""


def devices(lines: Mapping[str, Line]) -> dict[str, Path]:
    """The serial device of each line that has one."""
    return {
        name: line.device
        for name, line in lines.items()
        if isinstance(line, SerialLine | ModemLine) and line.device is not None
    }


def seen_ports(scene: Scene) -> dict[str, Port]:
    """By line."""
    wanted = devices(scene.config.lines)
    locks, users = seen_locks(), users_of({Path(os.path.realpath(device)) for device in wanted.values()})
    return {name: _seen(device, scene.service, locks, users) for name, device in wanted.items()}


def _seen(device: Path, account: Account, locks: Iterable[Lock], users: Mapping[Path, list[Holder]]) -> Port:
    try:
        found = device.stat()
    except PermissionError:
        return Port(device, doubt="a folder on the way to it may not be entered by this user")
    except OSError:
        return Port(device, there=False)
    blocked, doubt = None, ""
    try:
        blocked = obstacle(device, account, READ | WRITE)
    except Unseen as fault:
        doubt = str(fault)
    real = Path(os.path.realpath(device))
    holders = {holder.pid: holder for holder in users.get(real, ())}
    holders |= {holder.pid: holder for holder in lock_holders(device, locks)}
    return Port(
        device,
        character=stat.S_ISCHR(found.st_mode),
        mode=found.st_mode,
        owner=str(found.st_uid),
        group=_group_name(found.st_gid),
        blocked=blocked,
        doubt=doubt,
        holders=tuple(holders[pid] for pid in sorted(holders)),
        stable=tuple(_stable_names(real)),
    )


def judged_port(
    name: str, port: Port, account: Account, gateway: int | None, perhaps: Collection[int] = ()
) -> list[Finding]:
    """`gateway` is the process of the running one; `perhaps`: those that may be it, where it cannot be asked."""
    subject = f"{name}: {port.device}"
    if not port.there:
        remedy = "plug the adapter in; ls -l /dev/serial/by-id /dev/gatewayd shows those that are there"
        return [error(AREA, subject, "the device does not exist", remedy)]
    if port.doubt:
        return [unseen(AREA, subject, f"not seen: {port.doubt}")]
    if not port.character:
        return [error(AREA, subject, "is no serial device but a file or folder", "correct device in the configuration")]
    found = []
    if port.blocked is not None:
        found.append(error(AREA, subject, *_blocked(port, account)))
    others = [holder for holder in port.holders if holder.pid != gateway]
    for holder in others:
        if holder.pid in perhaps:
            text = f"not seen: is {holder.text}, which uses it, the gateway with this configuration, or another one?"
            found.append(unseen(AREA, subject, text))
        elif holder.locked:
            found.append(error(AREA, subject, f"is locked by {holder.text}", _remedy(holder, port.device)))
        else:
            text = f"is open in {holder.text} as well, which takes what the meter sends"
            found.append(warning(AREA, subject, text, _remedy(holder, port.device)))
    if _CHANGING.fullmatch(str(port.device)):
        better = f"use {port.stable[0]}" if port.stable else "install the udev rules of gatewayd (docs/install.md)"
        text = "this name depends on the order in which adapters are plugged in"
        found.append(note(AREA, subject, text, better))
    if found and (others or port.blocked is not None):
        return found
    state = "in use by the running gateway" if any(one.pid == gateway for one in port.holders) else "free"
    return [fine(AREA, subject, f"{state}; user {account.name} may use it"), *found]


def _blocked(port: Port, account: Account) -> tuple[str, str]:
    if port.blocked != port.device:
        return f"user {account.name} may not enter {port.blocked}", f"chmod a+x {port.blocked}"
    text = f"user {account.name} may not use it: mode {mode_text(port.mode)}, group {port.group}"
    if port.group == "root" or port.mode & 0o060 != 0o060:
        return text, "install the udev rules of gatewayd, which give it to a group (docs/install.md)"
    return text, f"usermod -aG {port.group} {account.name}, and restart gatewayd (log in anew for commands)"


def _remedy(holder: Holder, device: Path) -> str:
    known = _REMEDIES.get(holder.name, "")
    return known.format(device=device.name) or f"fuser -v {device}; end that program, or have it use another port"


def _stable_names(real: Path) -> Iterable[str]:
    for folder in _STABLE:
        try:
            entries = sorted(folder.iterdir())
        except OSError:
            continue
        yield from (str(entry) for entry in entries if Path(os.path.realpath(entry)) == real)


def _group_name(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def serial_ports(scene: Scene) -> list[Finding]:
    """The look at all of them."""
    ports = seen_ports(scene)
    holders = {holder.pid for port in ports.values() for holder in port.holders} if scene.running is None else set()
    gateways = [pid for pid in holders if is_gateway(pid)]
    return [
        finding
        for name, port in ports.items()
        for finding in judged_port(name, port, scene.service, scene.pid, gateways)
    ]
