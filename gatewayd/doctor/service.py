"""The systemd unit: whether it starts the gateway with the machine, and how that goes.

Rules: where there is no systemd, there is nothing to be said; it is asked once, for two seconds.
"""

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from gatewayd.doctor.findings import Finding, Unseen, error, fine, note, warning

AREA = "service"
_ASK_S = 2.0
_BOOTED = Path("/run/systemd/system")
_PROPERTIES = ("LoadState", "ActiveState", "SubState", "UnitFileState", "NRestarts", "Result", "WatchdogUSec", "User")


def parsed(text: str) -> dict[str, str]:
    """What `systemctl show` prints: a line `Name=value` for each."""
    return {name: value for name, _, value in (line.partition("=") for line in text.splitlines()) if value or name}


def judged_unit(unit: str, has: Mapping[str, str], running: bool | None) -> list[Finding]:
    logs = f"journalctl -u {unit} -n 50"
    if has.get("LoadState") != "loaded":
        text = "there is no such unit: nothing starts the gateway with the machine"
        return [note(AREA, unit, text, "install the package, or the unit (docs/systemd.md)")]
    found = []
    state = f"{has.get('ActiveState')} ({has.get('SubState')})"
    if has.get("ActiveState") == "failed":
        found.append(error(AREA, unit, f"has failed ({has.get('Result')})", f"{logs}; systemctl reset-failed {unit}"))
    elif has.get("ActiveState") in ("active", "reloading"):
        found.append(fine(AREA, unit, state))
    elif has.get("SubState") == "auto-restart" or has.get("ActiveState") == "activating":
        found.append(warning(AREA, unit, f"{state}: it is starting, or starts again and again", logs))
    elif running:
        text = f"{state}, and a gateway runs that systemd did not start: nobody restarts it"
        found.append(warning(AREA, unit, text, f"end it; systemctl enable --now {unit}"))
    else:
        found.append(warning(AREA, unit, state, f"systemctl enable --now {unit}"))
    if has.get("UnitFileState") == "disabled":
        found.append(warning(AREA, unit, "does not start with the machine", f"systemctl enable {unit}"))
    if has.get("NRestarts", "0") not in ("", "0"):
        found.append(warning(AREA, unit, f"was restarted {has['NRestarts']} times because it failed", logs))
    if has.get("WatchdogUSec") in ("0", "infinity"):
        text = "has no watchdog: a gateway that hangs is not restarted"
        found.append(note(AREA, unit, text, "WatchdogSec=60 in the unit"))
    return found


def unit_of(config_path: Path) -> str:
    """The unit that would run this configuration."""
    stem = config_path.stem
    return "gatewayd.service" if stem == "gatewayd" else f"gatewayd@{stem}.service"


def service(unit: str, running: bool | None) -> list[Finding]:
    """The look at the unit."""
    program = shutil.which("systemctl")
    if program is None or not _BOOTED.is_dir():
        return [
            note(
                AREA,
                "systemd",
                "is not what this machine was started with",
                "see to it that something restarts gatewayd",
            )
        ]
    command = [program, "show", unit, f"--property={','.join(_PROPERTIES)}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_ASK_S, check=False)
    except subprocess.TimeoutExpired:
        raise Unseen("systemd does not answer") from None
    if done.returncode:
        raise Unseen(f"systemctl: {done.stderr.strip() or done.returncode}")
    return judged_unit(unit, parsed(done.stdout), running)
