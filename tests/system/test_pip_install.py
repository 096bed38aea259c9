"""`pip install` of this tree into an environment of its own, which then reads and archives a meter.

Rules: the libraries are those of the development environment, lent by a path alone, so that nothing is downloaded and
the editable installation of this tree is not seen.
"""

import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.system.rig import QUICK, ROOT, simulator


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder bin of an environment in which this tree was installed from the source."""
    home = tmp_path_factory.mktemp("pip") / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", home], check=True)
    (packages,) = home.glob("lib/python3*/site-packages")
    (packages / "lent.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    install = [sys.executable, "-m", "pip", "--python", str(home / "bin" / "python"), "install", "--quiet"]
    options = ["--no-deps", "--no-index", "--no-build-isolation", "--ignore-installed", "--disable-pip-version-check"]
    done = subprocess.run([*install, *options, str(ROOT)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return home / "bin"


def ran(command: list[str | Path], folder: Path) -> str:
    done = subprocess.run([str(word) for word in command], cwd=folder, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_what_runs_is_what_was_installed(programs: Path, tmp_path: Path) -> None:
    where = "import gatewayd, drivers, simulators as s; print(gatewayd.__file__, drivers.__file__, s.__file__)"
    for file in ran([programs / "python", "-I", "-c", where], tmp_path).split():
        assert Path(file).is_relative_to(programs.parent)
    assert ran([programs / "gatewayd", "--version"], tmp_path).startswith("gatewayd ")


def test_the_data_of_drivers_and_the_archive_come_with_it(programs: Path, tmp_path: Path) -> None:
    """The example names vendors, layouts and maps; a reading needs the schema of the archive."""
    ran([programs / "gatewayd", "-c", ROOT / "config" / "gatewayd.yaml", "check"], tmp_path)
    with simulator(ROOT / "simulators" / "readouts" / "household.txt", *QUICK) as meter:
        config = tmp_path / "gatewayd.yaml"
        config.write_text(
            f"gateway: {{id: gw-pip, clock: trusted}}\narchive: {{path: {tmp_path / 'archive'}}}\n"
            f"lines:\n{meter.line('cabin')}"
            "meters: [{id: em-1, driver: iec62056_21, line: cabin, jobs: [{registers: all, every: 15m}]}]\n"
        )
        assert "1-0:1.8.0" in ran([programs / "gatewayd", "-c", config, "read", "em-1"], tmp_path)
    assert ": sound;" in ran([programs / "gatewayd", "-c", config, "archive", "verify"], tmp_path)
