"""What leaves this tree: the wheel holds the three packages whole and nothing else, and nobody else owns their names.

Rules: everything is built from this tree with the installed build backend; no network.
"""

import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterable
from importlib.metadata import Distribution, PathDistribution, distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("gatewayd", "drivers", "simulators")
SHIPPED = {".py", ".pyi", ".sql", ".yaml", ".json", ".txt", ".md", ".typed", ".csv", ".xsd"}


def build(target: str, directory: Path) -> Path:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(directory)],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    (made,) = directory.iterdir()
    return made


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The names of all files in the wheel."""
    with zipfile.ZipFile(build("wheel", tmp_path_factory.mktemp("wheel"))) as archive:
        return set(archive.namelist())


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The names of all files in the source distribution, without the leading folder."""
    with tarfile.open(build("sdist", tmp_path_factory.mktemp("sdist"))) as archive:
        return {name.partition("/")[2] for name in archive.getnames()}


def sources() -> set[str]:
    """Every file of the three packages that a wheel has to have."""
    return {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_the_wheel_holds_every_file_of_the_three_packages_and_nothing_else(wheel: set[str]) -> None:
    shipped = {name for name in wheel if ".dist-info/" not in name}
    assert shipped == sources()


def test_each_package_is_there_as_a_package(wheel: set[str]) -> None:
    assert {f"{package}/__init__.py" for package in PACKAGES} <= wheel


def test_no_file_of_an_unknown_kind_slips_into_the_wheel(wheel: set[str]) -> None:
    strange = {name for name in wheel if ".dist-info/" not in name and Path(name).suffix not in SHIPPED}
    assert not strange


def test_the_wheel_carries_the_licence_and_the_command(wheel: set[str]) -> None:
    (info,) = {name.split("/")[0] for name in wheel if ".dist-info/" in name}
    assert {f"{info}/licenses/LICENSE", f"{info}/entry_points.txt", f"{info}/METADATA"} <= wheel


def test_the_source_distribution_can_be_worked_on(sdist: set[str]) -> None:
    assert {"dev", "LICENSE", "README.md", "pyproject.toml", "requirements.lock", "requirements-dev.lock"} <= sdist
    assert sources() <= sdist
    assert "tests/house/test_packaging.py" in sdist
    assert not {name for name in sdist if name.split("/")[0] in {".git", ".venv"} or "__pycache__" in name}


def others_with(package: str, installed: Iterable[Distribution]) -> set[str]:
    """Distributions other than ours that ship a top-level module or package of this name."""
    return {
        dist.name
        for dist in installed
        if dist.name != "gatewayd"
        for file in dist.files or ()
        if file.parts[0] in {package, f"{package}.py"}
    }


@pytest.mark.parametrize("package", PACKAGES)
def test_no_other_distribution_has_a_package_of_this_name(package: str) -> None:
    assert others_with(package, distributions()) == set()


def test_a_distribution_that_overwrites_a_package_is_noticed(tmp_path: Path) -> None:
    info = tmp_path / "intruder-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: intruder\nVersion: 1.0\n")
    (info / "RECORD").write_text("drivers/__init__.py,,\nintruder/__init__.py,,\n")
    assert others_with("drivers", [PathDistribution(info)]) == {"intruder"}
    assert others_with("simulators", [PathDistribution(info)]) == set()


def test_the_installed_packages_are_this_tree_and_only_the_three(tmp_path: Path) -> None:
    """From elsewhere and isolated, so that neither the current folder nor pytest's path can help."""
    program = (
        "import importlib.util as u\n"
        "for name in ('gatewayd', 'drivers', 'simulators', 'tests', 'benchmarks', 'scripts'):\n"
        "    spec = u.find_spec(name)\n"
        "    print(name, spec.origin if spec else None)\n"
    )
    command = [sys.executable, "-I", "-c", program]
    done = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True)
    assert done.stdout.splitlines() == [
        *(f"{package} {ROOT / package / '__init__.py'}" for package in PACKAGES),
        "tests None",
        "benchmarks None",
        "scripts None",
    ]
