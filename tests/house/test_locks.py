"""The lock files: all is pinned by hash, for every platform, from no particular host, in step with pyproject.toml."""

import re
import tomllib
from pathlib import Path

import pytest

from scripts import lockfile

ROOT = Path(__file__).parents[2]
RUNTIME = ROOT / "requirements.lock"
DEVELOPMENT = ROOT / "requirements-dev.lock"


def names(requirements: list[str]) -> set[str]:
    return {lockfile.canonical(re.split(r"[^A-Za-z0-9._-]", line.strip(), maxsplit=1)[0]) for line in requirements}


def project() -> dict[str, object]:
    table = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert isinstance(table, dict)
    return table


def dependencies() -> set[str]:
    listed = project()["dependencies"]
    assert isinstance(listed, list)
    return names(listed)


def optional() -> dict[str, set[str]]:
    extras = project()["optional-dependencies"]
    assert isinstance(extras, dict)
    return {extra: names(listed) for extra, listed in extras.items()}


@pytest.mark.parametrize("lock", [RUNTIME, DEVELOPMENT], ids=lambda path: path.name)
def test_every_line_of_a_lock_is_a_version_with_hashes(lock: Path) -> None:
    """Which leaves no room for the address of an index, for a path or for an option."""
    assert lockfile.read(lock)


@pytest.mark.parametrize("lock", [RUNTIME, DEVELOPMENT], ids=lambda path: path.name)
def test_the_comments_of_a_lock_name_no_host_and_no_path(lock: Path) -> None:
    comments = [line for line in lock.read_text().splitlines() if "#" in line]
    assert not [line for line in comments if "://" in line or re.search(r"\s/|--\w", line)]


HASH = f"--hash=sha256:{'0' * 64}"


@pytest.mark.parametrize(
    "line",
    [
        "msgspec==0.18.0",
        f"msgspec>=0.18 {HASH}",
        f"msgspec==0.18 {HASH[:-1]}",
        f"msgspec @ file:///msgspec.whl {HASH}",
        f"--index-url https://host.example/simple {HASH}",
        f"msgspec==0.18 --index-url=x {HASH}",
        "--no-binary :all:",
        "-f wheels",
    ],
)
def test_a_line_that_is_anything_else_is_refused(line: str, tmp_path: Path) -> None:
    lock = tmp_path / "some.lock"
    lock.write_text(f"{line}\n")
    with pytest.raises(ValueError, match=r"some\.lock"):
        lockfile.read(lock)


@pytest.mark.parametrize("compiled", ["apsw", "cffi", "cryptography", "msgspec", "pydantic-core", "pyyaml"])
def test_the_hashes_are_those_of_all_platforms(compiled: str) -> None:
    """A lock made from the wheels of one machine would have one or two."""
    assert len(lockfile.read(RUNTIME)[compiled].hashes) >= 20


def test_every_runtime_dependency_is_locked() -> None:
    assert dependencies() <= lockfile.read(RUNTIME).keys()


def test_what_is_optional_stays_out_of_the_runtime_lock() -> None:
    for extra, wanted in optional().items():
        assert not wanted & lockfile.read(RUNTIME).keys(), extra


def test_the_development_lock_is_the_runtime_lock_and_more() -> None:
    runtime, development = lockfile.read(RUNTIME), lockfile.read(DEVELOPMENT)
    assert {name: development.get(name) for name in runtime} == runtime


def test_the_development_lock_has_the_extras_and_the_tools() -> None:
    lines = (ROOT / "requirements-dev.in").read_text().splitlines()
    tools = names([line for line in lines if line and not line.startswith(("#", "-"))])
    assert tools.union(*optional().values()) <= lockfile.read(DEVELOPMENT).keys()
