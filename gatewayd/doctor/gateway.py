"""The running gateway: whether it runs, as which version, with how much memory, and which meters it cannot read.

Rules: it is asked once, at the control socket; what it says is believed. That it may not be asked is not that it does
not run.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gatewayd.doctor.findings import Finding, error, fine, note, unseen, warning
from gatewayd.doctor.processes import Holder, Resources, resources, writer_of
from gatewayd.doctor.scene import Scene

AREA = "gateway"
_SHOWN = 10
_SPARE_FILES = 128
_FULL = 8
"""Tenths of the limit of memory from which on it is tight."""


def judged_running(scene: Scene, why: str, writer: tuple[Holder, bool] | None = None) -> list[Finding]:
    """`why` it could not be found out; `writer`: who writes to the archive all the same, and whether that is a gateway
    (processes.writer_of)."""
    if scene.running is None:
        return [unseen(AREA, "running", f"not seen: {why}")]
    if not scene.running and writer is not None and writer[1]:
        text = (
            f"{writer[0].text} runs and cannot be asked: its control socket is gone, or it starts, stops or hangs; "
            "what follows is what can be seen from outside"
        )
        return [error(AREA, "running", text, f"systemctl restart {scene.unit}, if this stays")]
    if not scene.running and scene.elsewhere is not None:
        text = (
            f"process {scene.elsewhere} is a gateway with {scene.config_path}, and does not write the archive "
            f"{scene.archive}: archive.path was changed since it started"
        )
        return [error(AREA, "running", text, f"systemctl restart {scene.unit}, or set archive.path back")]
    if not scene.running or scene.status is None:
        return [warning(AREA, "running", "the gateway does not run: nothing is read", f"systemctl start {scene.unit}")]
    status = scene.status
    found = [fine(AREA, "running", f"version {status['version']}, process {status['pid']}, since {status['since']}")]
    if scene.version and status["version"] != scene.version:
        text = f"version {status['version']} runs, and {scene.version} is installed"
        found.append(warning(AREA, "version", text, f"systemctl restart {scene.unit}"))
    return [*found, *_judged_file(scene, status)]


def _judged_file(scene: Scene, status: Mapping[str, Any]) -> list[Finding]:
    found = []
    if status["archive"]["fault"]:
        text = f"the archive takes nothing: {status['archive']['fault']}"
        found.append(error(AREA, "archive", text, "the findings on disk and archive say why"))
    loaded = status["configuration"]
    if loaded["fault"]:
        text = f"it goes on with the former configuration, because of: {loaded['fault']}"
        found.append(error(AREA, "configuration", text, "put the file right; gatewayd reload"))
    elif loaded["file"] and Path(loaded["file"]) != scene.config_path.absolute():
        text = f"it runs with {loaded['file']}, and {scene.config_path} was looked at"
        found.append(note(AREA, "configuration", text, f"gatewayd -c {loaded['file']} doctor"))
    elif changed_since(scene.config_path, loaded["loaded_at"]):
        found.append(note(AREA, "configuration", "the file was changed after it was loaded", "gatewayd reload"))
    return found


def changed_since(path: Path, loaded_at: str) -> bool:
    try:
        changed = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    except OSError:
        return False
    return changed > datetime.fromisoformat(loaded_at)


def judged_meters(status: Mapping[str, Any]) -> list[Finding]:
    """Those that are not read, and alarms that stand; the first ones by name."""
    faults: Sequence[Mapping[str, Any]] = status["faults"]
    count = len(status["meters"])
    found = []
    if not faults:
        found.append(fine("meters", "reading", f"meters: {count}, none with a fault"))
    for one in faults[:_SHOWN]:
        meter = f"{one['meter']} on line {one['line']}"
        remedy = f"gatewayd trace {one['line']}; gatewayd read {one['meter']}"
        found.append(warning("meters", meter, f"cannot be read: {one['fault']}", remedy))
    if len(faults) > _SHOWN:
        found.append(warning("meters", "others", f"{len(faults) - _SHOWN} more cannot be read", "gatewayd status"))
    alarms: Sequence[Mapping[str, Any]] = status["alarms"]
    found += [
        warning("meters", one["meter"], one["alarm"], "gatewayd status; docs/acquisition.md") for one in alarms[:_SHOWN]
    ]
    if len(alarms) > _SHOWN:
        found.append(warning("meters", "others", f"{len(alarms) - _SHOWN} more alarms stand", "gatewayd status"))
    return found


def judged_clock(status: Mapping[str, Any]) -> list[Finding]:
    """Whether the gateway takes its clock as right: a service that may not ask the kernel goes by a witness."""
    told = status["clock"]
    if told["synchronised"] == "yes":
        return []
    text = f"the gateway does not take its clock as right ({told['source']}): readings are flagged gateway_clock"
    if told["synchronised"] == "no":
        return [warning("clock", "of the gateway", text, "the finding on synchronisation says what is missing")]
    return [warning("clock", "of the gateway", text, "systemctl enable --now gatewayd-clock; docs/systemd.md")]


def judged_resources(has: Resources, lines: int) -> list[Finding]:
    """`lines`: each may need a file."""
    found = []
    if has.rss is not None:
        text = f"{has.rss >> 20} MiB of memory"
        if has.memory_limit is not None:
            text += f" of {has.memory_limit >> 20} MiB that it may have"
        if has.memory_limit is not None and has.rss * 10 > has.memory_limit * _FULL:
            found.append(warning(AREA, "memory", text, "MemoryMax= in the unit (systemctl edit gatewayd)"))
        else:
            found.append(fine(AREA, "memory", text))
    if has.files is not None and has.files < lines + _SPARE_FILES:
        text = f"may have {has.files} files open, and has {lines} lines"
        found.append(warning(AREA, "files", text, f"LimitNOFILE={lines + 8 * _SPARE_FILES} in the unit"))
    if has.core is not None and has.core > 0:
        text = "may write its memory to a file when it crashes, with passwords and keys in it"
        found.append(warning(AREA, "core dumps", text, "LimitCORE=0 in the unit; restart gatewayd"))
    elif has.core == 0:
        found.append(fine(AREA, "core dumps", "off"))
    return found


def gateway(scene: Scene, why: str) -> list[Finding]:
    """The look at all that."""
    writer = writer_of(scene.archive / "writer.lock") if scene.running is False else None
    found = judged_running(scene, why, writer)
    if scene.status is not None and scene.pid is not None:
        found += judged_resources(resources(scene.pid), len(scene.config.lines))
        found += judged_meters(scene.status)
        found += judged_clock(scene.status)
    return found
