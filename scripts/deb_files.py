"""What the Debian package holds beside its environment: units, users, device names, configuration, manual, documents.

Rules: where a file goes is decided by its place and name in packaging/, by table; a file there that the table does not
know is a fault, so that nothing is left out in silence. Compressed files carry no time.
"""

import gzip
import shutil
from importlib.metadata import distribution
from pathlib import Path, PurePosixPath

from scripts.deb_pins import Unfit
from scripts.licences import licence_of
from scripts.lockfile import Pin

DOCUMENTATION = PurePosixPath("usr/share/doc/gatewayd")
CONFFILES = ("etc/gatewayd/gatewayd.yaml",)
SCRIPTS = ("preinst", "postinst", "prerm", "postrm")
NEEDED = ("systemd/gatewayd.service", "systemd/sysusers.d/gatewayd.conf", "systemd/tmpfiles.d/gatewayd.conf")
# Pattern of a file under packaging/ -> where it goes; a name that ends with / is a folder, {suffix} that of the file.
PLACES = {
    "systemd/*.service": "usr/lib/systemd/system/",
    "systemd/sysusers.d/*.conf": "usr/lib/sysusers.d/",
    "systemd/tmpfiles.d/*.conf": "usr/lib/tmpfiles.d/",
    "systemd/udev/*.rules": "usr/lib/udev/rules.d/",
    "man/*.[1-9]": "usr/share/man/man{suffix}/",
    "completion/*.bash": "usr/share/bash-completion/completions/gatewayd",
    "completion/_gatewayd": "usr/share/zsh/vendor-completions/_gatewayd",
    "completion/*.zsh": "usr/share/zsh/vendor-completions/_gatewayd",
    "completion/*.fish": "usr/share/fish/vendor_completions.d/gatewayd.fish",
    "deb/gatewayd.yaml": "etc/gatewayd/",
}
NOT_INSTALLED = ("*.md", *(f"deb/{name}" for name in SCRIPTS))
_COMPRESSED = ("man/",)


def place(name: PurePosixPath) -> PurePosixPath | None:
    """Where packaging/`name` goes in the package; None for what is not installed. Unfit when nobody has decided."""
    for pattern, target in PLACES.items():
        if name.match(pattern):
            where = target.format(suffix=name.suffix.removeprefix("."))
            return PurePosixPath(where, name.name) if where.endswith("/") else PurePosixPath(where)
    if any(name.match(pattern) for pattern in NOT_INSTALLED):
        return None
    raise Unfit(f"packaging/{name}: where it goes is not known; add it to the table in scripts/deb_files.py")


def copy(root: Path, stage: Path) -> None:
    """Everything under packaging/ to its place, the command into the path, and the documents."""
    packaging = root / "packaging"
    missing = [name for name in NEEDED if not (packaging / name).is_file()]
    if missing:
        raise Unfit(f"packaging/ lacks {', '.join(missing)}")
    for source in sorted(packaging.rglob("*")):
        name = PurePosixPath(source.relative_to(packaging).as_posix())
        if source.is_file() and (target := place(name)) is not None:
            if str(name).startswith(_COMPRESSED):
                _write(stage / f"{target}.gz", _gzip(source.read_bytes()))
            else:
                _write(stage / target, source.read_bytes())
    command = stage / "usr/bin/gatewayd"
    command.parent.mkdir(parents=True)
    command.symlink_to("/opt/gatewayd/bin/gatewayd")
    _documents(root, stage / DOCUMENTATION)


def _documents(root: Path, target: Path) -> None:
    for name in ("README.md", "SUPPORTED.md"):
        _write(target / name, (root / name).read_bytes())
    shutil.copytree(root / "docs", target / "docs", ignore=shutil.ignore_patterns("adr", "ARCHITECTURE.md"))
    shutil.copytree(root / "config", target / "examples")
    (target / "config").symlink_to("examples")  # where the links of the documents look for it
    for document in sorted(root.glob("drivers/*/README.md")):
        _write(target / document.relative_to(root), document.read_bytes())
    _write(target / "changelog.gz", _gzip((root / "CHANGELOG.md").read_bytes()))


def copyright_text(bundled: list[Pin], packages: PurePosixPath) -> str:
    """The file `copyright`, in the machine-readable form of Debian: ours, then each library with its licence."""
    stanzas = [
        "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\nUpstream-Name: gatewayd",
        "Files: *\nCopyright: the authors of gatewayd\nLicense: GPL-2.0-only",
        "License: GPL-2.0-only\n On Debian systems the text is in /usr/share/common-licenses/GPL-2.",
    ]
    for pin in bundled:
        dist = distribution(pin.name)
        tops = {file.parts[0] for file in dist.files or () if file.parts[0] not in ("..", "__pycache__")}
        files = "\n ".join(
            str(packages / (top if "." in top else f"{top}/*")) for top in sorted(tops) if "-info" not in top
        )
        stanzas.append(
            f"Files: {files}\nCopyright: the authors of {pin.name}\nLicense: {licence_of(dist)}\n"
            f" {pin.name} {pin.version}; what it says of itself, and its texts: /{packages}/*-{pin.version}.dist-info/."
        )
    return "\n\n".join(stanzas) + "\n"


def _gzip(data: bytes) -> bytes:
    return gzip.compress(data, 9, mtime=0)


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
