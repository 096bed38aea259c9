"""Reads the lock files that `./dev lock` writes: `name==version` lines, each with the hashes of its files.

Rules: a line that is not understood is an error, because a lock file that is half read guards nothing.
"""

import re
from dataclasses import dataclass
from pathlib import Path

_PIN = re.compile(r"(?P<name>[\w.-]+)==(?P<version>[\w.!+-]+)(?P<hashes>(?: --hash=sha256:[0-9a-f]{64})+)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Pin:
    """One distribution at one version; `hashes` are the SHA-256 digests of its files, in hex."""

    name: str
    version: str
    hashes: frozenset[str]


def canonical(name: str) -> str:
    """The form of a distribution's name that compares equal (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def read(path: Path) -> dict[str, Pin]:
    """The pins of a lock file by canonical name. ValueError names the line that is not a pin with hashes."""
    pins: dict[str, Pin] = {}
    for line in path.read_text().replace("\\\n", " ").splitlines():
        line = " ".join(line.split())
        if not line or line.startswith("#"):
            continue
        match = _PIN.fullmatch(line)
        if match is None:
            raise ValueError(f"{path.name}: not a pinned version with hashes: {line[:100]!r}")
        name = canonical(match["name"])
        if name in pins:
            raise ValueError(f"{path.name}: {name} is pinned twice")
        hashes = frozenset(part.removeprefix("--hash=sha256:") for part in match["hashes"].split())
        pins[name] = Pin(name, match["version"], hashes)
    return pins
