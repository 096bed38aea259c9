"""The control part of the Debian package: its version, what it depends on, its changelog, the sums of its files.

Rules: everything comes from the tree and the environment that was made; the same tree gives the same text.
"""

import hashlib
import os
import re
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path

DESCRIPTION = """\
reads electricity and gas meters, archives and publishes what they sent
 gatewayd reads meters over serial ports, networks and modems (IEC 62056-21,
 DLMS/COSEM, Modbus), archives every exchange and every reading in a signed,
 append-only archive, and hands the readings on to MQTT brokers and databases.
 .
 It brings its own Python environment in /opt/gatewayd and runs as a service of
 systemd. Without a configured meter it waits and reads nothing."""
_PRE = re.compile(r"\.?(?:(?P<pre>a|b|rc)|(?P<dev>dev))(?P<number>\d+)")
_WIDTH = 76


def debian_version(version: str) -> str:
    """A version of Python's kind in Debian's, so that what came earlier sorts as earlier: 1.0rc1 -> 1.0~rc1."""
    return _PRE.sub(lambda found: f"~{found['pre'] or found['dev']}{found['number']}", version)


def maintainer() -> str:
    """Who built it, as Debian's tools let one say."""
    return f"{os.environ.get('DEBFULLNAME', 'gatewayd')} <{os.environ.get('DEBEMAIL', 'gatewayd@localhost')}>"


def control(version: str, architecture: str, python: tuple[int, int], glibc: tuple[int, int], kibibytes: int) -> str:
    """The file `control`. The interpreter is named with its minor version: the environment works with no other."""
    depends = [
        f"python{python[0]}.{python[1]}",
        f"libc6 (>= {glibc[0]}.{glibc[1]})",
        "libgcc-s1",
        "init-system-helpers (>= 1.54~)",
        "systemd | systemd-standalone-sysusers",
        "systemd | systemd-standalone-tmpfiles",
        "tzdata",
    ]
    return (
        f"Package: gatewayd\nVersion: {version}\nArchitecture: {architecture}\nMaintainer: {maintainer()}\n"
        f"Installed-Size: {kibibytes}\nDepends: {', '.join(depends)}\nRecommends: ca-certificates\n"
        f"Section: net\nPriority: optional\nDescription: {DESCRIPTION}\n"
    )


def changelog(markdown: str, version: str, epoch: int) -> str:
    """The newest section of CHANGELOG.md as a Debian changelog of one entry."""
    section = re.split(r"^## .*\n", markdown, flags=re.MULTILINE)[1]
    points = [" ".join(point.split()) for point in re.split(r"^\* ", section, flags=re.MULTILINE)[1:]]
    lines = [line for point in points for line in _wrapped(point)]
    at = format_datetime(datetime.fromtimestamp(epoch, UTC))
    return "\n".join([f"gatewayd ({version}) stable; urgency=medium", "", *lines, "", f" -- {maintainer()}  {at}", ""])


def sums(stage: Path) -> str:
    """The file `md5sums`: what `dpkg --verify gatewayd` compares with."""
    files = sorted(path for path in stage.rglob("*") if path.is_file() and not path.is_symlink())
    return "".join(
        f"{hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()}  {path.relative_to(stage)}\n"
        for path in files
    )


def kibibytes(stage: Path) -> int:
    """The size when installed: each file in whole blocks of a KiB, and one for everything else."""
    return sum(
        -(-path.stat().st_size // 1024) if path.is_file() and not path.is_symlink() else 1 for path in stage.rglob("*")
    )


def _wrapped(point: str) -> list[str]:
    lines, line = [], "  *"
    for word in point.split():
        if len(line) + 1 + len(word) > _WIDTH:
            lines.append(line)
            line = "   "
        line += f" {word}"
    return [*lines, line]
