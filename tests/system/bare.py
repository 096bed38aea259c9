"""A root folder that holds the Debian packages that ours depends on, those that they depend on, and nothing else.

Rules: files are copied from this system, as dpkg lists them; what ours wants of systemd is left out, because the
programs in it are called by the package's scripts and not by gatewayd.
"""

import re
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

_LEFT_OUT = re.compile(r"systemd|init-system-helpers|dpkg|debconf")
_DOCUMENTS = ("/usr/share/doc", "/usr/share/man", "/usr/share/locale", "/usr/share/lintian")


def names(field: str) -> list[list[str]]:
    """A field of relations: for each of them the alternatives, without versions and architectures."""
    groups = [group.split("|") for group in field.split(",") if group.strip()]
    return [[re.split(r"[\s:(]", one.strip())[0] for one in group] for group in groups]


def make(root: Path, depends: str) -> set[str]:
    """Fill `root` with the closure of a Depends field; the names of the packages that are in it."""
    done = subprocess.run(
        ["dpkg-query", "--show", "--showformat", "${Package}\\t${Depends}\\t${Pre-Depends}\\t${db:Status-Abbrev}\\n"],
        capture_output=True,
        text=True,
        check=True,
    )
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    needs = {row[0]: names(row[1]) + names(row[2]) for row in rows if row[3].startswith("ii")}
    chosen: set[str] = set()
    waiting = names(depends)
    while waiting:
        name = next((one for one in waiting.pop() if one in needs), "")
        if name and name not in chosen and not _LEFT_OUT.search(name):
            chosen.add(name)
            waiting += needs[name]
    listed = subprocess.run(["dpkg-query", "--listfiles", *sorted(chosen)], capture_output=True, text=True, check=True)
    root.mkdir()
    for link in Path("/").iterdir():
        if link.is_symlink() and not link.readlink().is_absolute():  # /lib and the like lead into /usr
            (root / link.name).symlink_to(link.readlink())
            (root / link.name).resolve().mkdir(parents=True, exist_ok=True)
    _copy(root, listed.stdout.splitlines())
    return chosen


def _copy(root: Path, paths: Iterable[str]) -> None:
    for path in sorted({path for path in paths if path.startswith("/") and not path.startswith(_DOCUMENTS)}):
        source, target = Path(path), root / path.lstrip("/")
        if source.is_symlink() or source.is_file():
            if not (target.exists() or target.is_symlink()):
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, target, follow_symlinks=False)
        elif source.is_dir():
            target.mkdir(parents=True, exist_ok=True)
