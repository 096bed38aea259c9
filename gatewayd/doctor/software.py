"""Python, SQLite and the libraries: of the versions that gatewayd needs, and was tested with.

Rules: what is installed is compared with requirements.lock where that lies beside the program or its environment, and
with what the installed package asks for else. Nothing is imported for it.
"""

import re
import sys
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path

import apsw

from gatewayd.doctor.findings import Finding, error, fine, note, warning

AREA = "software"
_PYTHON = (3, 11)
_SQLITE = (3, 51, 3)
"""Older ones have a fault in resetting the write-ahead log, by which an archive may be damaged."""
_PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s\\;]+)", re.MULTILINE)
_NEEDS = re.compile(r"^([A-Za-z0-9._-]+)")
_PACKAGE = "gatewayd"


def pinned(text: str) -> dict[str, str]:
    """The versions of a requirements.lock."""
    return {_normal(name): version for name, version in _PIN.findall(text)}


def judged_python(version: tuple[int, ...], sqlite: str) -> list[Finding]:
    found = []
    said = ".".join(map(str, version))
    if version[:2] < _PYTHON:
        found.append(error(AREA, "Python", f"{said} is too old", f"Python {'.'.join(map(str, _PYTHON))} or newer"))
    else:
        found.append(fine(AREA, "Python", said))
    if tuple(int(part) for part in sqlite.split(".")[:3]) < _SQLITE:
        text = f"{sqlite} has a fault by which an archive may be damaged"
        found.append(error(AREA, "SQLite", text, "pip install --upgrade apsw"))
    else:
        found.append(fine(AREA, "SQLite", sqlite))
    return found


def judged_libraries(installed: Mapping[str, str], wanted: Mapping[str, str], needed: Iterable[str]) -> list[Finding]:
    """`wanted` are the versions of the lock file, `needed` what the package cannot be without."""
    missing = sorted({_normal(name) for name in needed} - installed.keys())
    if missing:
        return [error(AREA, "libraries", f"{', '.join(missing)} missing", "install gatewayd anew")]
    if not wanted:
        return [fine(AREA, "libraries", "all that are needed are there")]
    others = [
        f"{name} {installed[name]} instead of {version}"
        for name, version in sorted(wanted.items())
        if name in installed and installed[name] != version
    ]
    if others:
        text = f"not the versions that gatewayd was tested with: {', '.join(others)}"
        return [warning(AREA, "libraries", text, "pip install --require-hashes -r requirements.lock")]
    return [fine(AREA, "libraries", "of the versions that gatewayd was tested with")]


def seen_lock() -> str:
    """The lock file; "" where there is none."""
    for folder in (Path(__file__).parents[2], Path(sys.prefix), Path(sys.prefix) / "share" / _PACKAGE):
        try:
            return (folder / "requirements.lock").read_text()
        except OSError:
            continue
    return ""


def software() -> list[Finding]:
    """The look at all that."""
    found = judged_python(sys.version_info[:3], apsw.sqlite_lib_version())
    try:
        asked = [text for text in metadata.requires(_PACKAGE) or () if "extra ==" not in text]
    except metadata.PackageNotFoundError:
        text = "gatewayd is not installed as a package: what it needs is not known"
        return [*found, note(AREA, "libraries", text, "pip install .")]
    needed = [match[0] for text in asked if (match := _NEEDS.match(text)) and ";" not in text]
    installed = {_normal(one.metadata["Name"]): one.version for one in metadata.distributions() if one.metadata["Name"]}
    return [*found, *judged_libraries(installed, pinned(seen_lock()), needed)]


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
