"""Makes /opt/gatewayd of the Debian package: an environment of the system's Python with everything at its pin.

Rules: the interpreter is the one of Debian, named with its minor version, because packages are compiled for that; pip
installs into the environment from outside and is not in it; nothing in it names the place where it was made; every
module is compiled, so that root who runs a command leaves nothing behind that dpkg does not know.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from scripts.deb_pins import Unfit

HOME = Path("opt/gatewayd")
COMMAND = """\
#!/{home}/bin/python3 -I
# -I: neither PYTHONPATH, nor the folder one stands in, nor a user's own packages change what runs here.
import sys

from gatewayd.cli import main

sys.exit(main())
"""
# What pip notes about an installation: true where it was made, and of no use without pip.
_NOTES_OF_PIP = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json")
_GLIBC = re.compile(r"^Tag: .*-manylinux_(\d+)_(\d+)_", re.MULTILINE)
_GLIBC_BEFORE = {"manylinux1": (2, 5), "manylinux2010": (2, 12), "manylinux2014": (2, 17)}


def interpreter(path: str) -> tuple[Path, tuple[int, int]]:
    """The interpreter that `path` stands for, and its version: (/usr/bin/python3.11, (3, 11))."""
    program = "import sys; print(sys.base_prefix, *sys.version_info[:2])"
    try:
        done = subprocess.run([path, "-I", "-c", program], check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise Unfit(f"{path} does not run ({error}); install it: apt-get install python3") from error
    prefix, major, minor = done.stdout.split()
    version = int(major), int(minor)
    real = Path(path).resolve()
    if prefix != "/usr" or real.parent != Path("/usr/bin"):
        raise Unfit(f"{path} is not a Python of Debian but lies in {prefix}; name one with --python /usr/bin/python3")
    if version < (3, 11):
        raise Unfit(f"{path} is Python {major}.{minor}; gatewayd needs 3.11 or newer (Debian 12)")
    return real, version


def make(stage: Path, python: Path, version: tuple[int, int], requirements: Path, wheel: Path, epoch: int) -> None:
    """Write the environment under `stage`; `requirements` are pins with hashes, `wheel` is gatewayd itself."""
    home = stage / HOME
    packages = home / f"lib/python{version[0]}.{version[1]}/site-packages"
    (home / "bin").mkdir(parents=True)
    packages.mkdir(parents=True)
    (home / "bin" / "python3").symlink_to(python)
    (home / "bin" / "python").symlink_to("python3")
    (home / "pyvenv.cfg").write_text(
        f"home = {python.parent}\ninclude-system-site-packages = false\nversion = {version[0]}.{version[1]}\n"
    )
    _install(home, "--require-hashes", "--only-binary", ":all:", "--requirement", str(requirements))
    _install(home, "--no-index", str(wheel))
    for program in (home / "bin").iterdir():
        if not program.is_symlink():
            program.unlink()  # those of the libraries: they name this place, and no operator asks for them
    command = home / "bin" / "gatewayd"
    command.write_text(COMMAND.format(home=HOME))
    command.chmod(0o755)
    for info in packages.glob("*.dist-info"):
        for note in _NOTES_OF_PIP:
            (info / note).unlink(missing_ok=True)
    for cache in packages.rglob("__pycache__"):
        shutil.rmtree(cache)
    for source in packages.rglob("*"):
        os.utime(source, (epoch, epoch), follow_symlinks=False)  # a compiled module names the time of its source
    _compile(stage, python, packages)


def glibc(stage: Path) -> tuple[int, int]:
    """The oldest C library with which every compiled package of the environment works, as its wheel says."""
    needed = (2, 17)
    for wheel in (stage / HOME).rglob("*.dist-info/WHEEL"):
        text = wheel.read_text()
        tags = [(int(major), int(minor)) for major, minor in _GLIBC.findall(text)]
        tags += [known for name, known in _GLIBC_BEFORE.items() if f"-{name}_" in text]
        if tags:
            needed = max(needed, min(tags))
    return needed


def _install(home: Path, *arguments: str) -> None:
    """pip from the development environment, working on the one in `home`."""
    command = [sys.executable, "-m", "pip", "--python", str(home / "bin" / "python3"), "install", "--no-deps"]
    command += ["--quiet", "--no-compile", "--disable-pip-version-check", "--no-warn-script-location", *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise Unfit(f"pip could not install into the package:\n{done.stderr}{done.stdout}".rstrip())


def _compile(stage: Path, python: Path, packages: Path) -> None:
    command = [str(python), "-I", "-m", "compileall", "-q", "-s", str(stage), "-p", "/", "--invalidation-mode"]
    environment = os.environ | {"PYTHONHASHSEED": "0"}
    done = subprocess.run([*command, "timestamp", str(packages)], capture_output=True, text=True, env=environment)
    if done.returncode:
        raise Unfit(f"a module of the package does not compile:\n{done.stdout}{done.stderr}".rstrip())
