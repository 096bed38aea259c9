"""Builds the Debian package: `./dev deb` writes dist/gatewayd_VERSION_ARCHITECTURE.deb.

Rules: the same tree and the same pins give the same file (times are those of SOURCE_DATE_EPOCH or the last commit, the
owner is root whoever builds); the wheels are downloaded and compared with the hashes of the lock files; the file
appears under its name only when it is whole. Exit codes: 0 built, 2 not, with what to do.
"""

import argparse
import gzip
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path, PurePosixPath

from scripts import deb_control, deb_environment, deb_files, deb_pins
from scripts.deb_pins import ROOT, Unfit


def main() -> int:
    """Build, and print the path of the package on standard output."""
    parser = argparse.ArgumentParser(prog="./dev deb", description="Build the Debian package of gatewayd.")
    parser.add_argument("--output", type=Path, default=ROOT / "dist", metavar="FOLDER", help="default: dist")
    parser.add_argument("--python", default="/usr/bin/python3", metavar="PATH", help="default: /usr/bin/python3")
    parser.add_argument("--quick", action="store_true", help="compress little: for tests")
    given = parser.parse_args()
    try:
        made = build(given.output, given.python, level=1 if given.quick else 12)
    except Unfit as error:
        print(f"deb: {error}", file=sys.stderr)
        return 2
    print(made)
    return 0


def build(output: Path, python: str, level: int) -> Path:
    """Make the package in a temporary folder and move it to `output`. Unfit says why it cannot be made."""
    if shutil.which("dpkg-deb") is None:
        raise Unfit("dpkg-deb is not here; run: apt-get install dpkg")
    epoch = source_date()
    real, version = deb_environment.interpreter(python)
    chosen = deb_pins.pins()
    with tempfile.TemporaryDirectory(prefix="gatewayd-deb-") as name:
        work, stage = Path(name), Path(name) / "stage"
        requirements = work / "requirements.txt"
        requirements.write_text(deb_pins.text(chosen))
        deb_files.copy(ROOT, stage)
        _say(f"{len(chosen)} distributions and gatewayd into {deb_environment.HOME} for {real}")
        deb_environment.make(stage, real, version, requirements, _wheel(work / "wheel", epoch), epoch)
        deb_version = deb_control.debian_version(
            tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
        )
        documents = stage / deb_files.DOCUMENTATION
        packages = PurePosixPath(deb_environment.HOME, f"lib/python{version[0]}.{version[1]}/site-packages")
        (documents / "copyright").write_text(deb_files.copyright_text(chosen, packages))
        entry = deb_control.changelog((ROOT / "CHANGELOG.md").read_text(), deb_version, epoch)
        (documents / "changelog.Debian.gz").write_bytes(gzip.compress(entry.encode(), 9, mtime=0))
        architecture = _output("dpkg", "--print-architecture")
        _control(stage, deb_version, architecture, version)
        _level(stage, epoch)
        made = work / f"gatewayd_{deb_version}_{architecture}.deb"
        _say(f"packing {made.name}")
        _output("dpkg-deb", "--root-owner-group", "-Zzstd", f"-z{level}", "--build", stage, made, epoch=epoch)
        output.mkdir(parents=True, exist_ok=True)
        part = output / f".{made.name}.part"
        shutil.copyfile(made, part)
        return part.replace(output / made.name)


def source_date() -> int:
    """The time that everything in the package carries: SOURCE_DATE_EPOCH, else that of the last commit or change."""
    given = os.environ.get("SOURCE_DATE_EPOCH", "")
    if given.isdecimal():
        return int(given)
    done = subprocess.run(["git", "-C", str(ROOT), "log", "-1", "--format=%ct"], capture_output=True, text=True)
    if done.returncode == 0 and done.stdout.strip().isdecimal():
        return int(done.stdout)
    return int((ROOT / "CHANGELOG.md").stat().st_mtime)


def _wheel(directory: Path, epoch: int) -> Path:
    _output(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", directory, epoch=epoch)
    (made,) = directory.iterdir()
    return made


def _control(stage: Path, version: str, architecture: str, python: tuple[int, int]) -> None:
    control = stage / "DEBIAN"
    sums, size = deb_control.sums(stage), deb_control.kibibytes(stage)
    control.mkdir()
    for name in deb_files.SCRIPTS:
        shutil.copyfile(ROOT / "packaging" / "deb" / name, control / name)
        (control / name).chmod(0o755)
    (control / "md5sums").write_text(sums)
    (control / "conffiles").write_text("".join(f"/{name}\n" for name in deb_files.CONFFILES))
    glibc = deb_environment.glibc(stage)
    (control / "control").write_text(deb_control.control(version, architecture, python, glibc, size))


def _level(stage: Path, epoch: int) -> None:
    """Modes that do not come from the builder's umask, and one time for everything."""
    for path in (stage, *stage.rglob("*")):
        if not path.is_symlink():
            executable = path.is_dir() or path.stat().st_mode & 0o100
            path.chmod(0o755 if executable else 0o644)
        os.utime(path, (epoch, epoch), follow_symlinks=False)


def _output(*command: str | Path, epoch: int | None = None) -> str:
    environment = os.environ | ({"SOURCE_DATE_EPOCH": str(epoch)} if epoch is not None else {})
    done = subprocess.run([str(word) for word in command], cwd=ROOT, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise Unfit(f"{command[0]} failed:\n{done.stderr}{done.stdout}".rstrip())
    return done.stdout.strip()


def _say(text: str) -> None:
    print(f"deb: {text}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
