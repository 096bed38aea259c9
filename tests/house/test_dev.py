"""`./dev`: what it offers, and how it answers a mistake. That it sets up is shown by these tests running at all."""

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COMMANDS = {"setup", "demo", "test", "check", "fix", "bench", "deb", "lock", "help"}


def dev(*arguments: str, program: Path = ROOT / "dev", **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(program), *arguments], capture_output=True, text=True, timeout=60, env=os.environ | environment, cwd="/"
    )


def test_help_lists_every_command() -> None:
    done = dev("help")
    assert done.returncode == 0
    assert set(re.findall(r"^  ([a-z]+)\b", done.stdout, re.MULTILINE)) == COMMANDS


def test_every_listed_command_is_dispatched() -> None:
    dispatch = (ROOT / "dev").read_text().rpartition("case $command in")[2]
    assert set(re.findall(r"\b[a-z]+\b(?=[ |)]+)", dispatch.partition("-h |")[0])) >= COMMANDS


def test_an_unknown_command_is_a_usage_error() -> None:
    done = dev("tset")
    assert done.returncode == 2
    assert "no such command: tset" in done.stderr
    assert "usage:" in done.stderr
    assert done.stdout == ""


def test_it_finds_its_tree_through_a_symlink(tmp_path: Path) -> None:
    link = tmp_path / "a folder" / "dev"
    link.parent.mkdir()
    link.symlink_to(ROOT / "dev")
    done = dev("help", program=link)
    assert (done.returncode, done.stdout) == (0, dev("help").stdout)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of what `./dev setup` reads, without a .venv."""
    copy = tmp_path / "a tree"
    copy.mkdir()
    for name in ("dev", "pyproject.toml", "requirements-dev.lock"):
        (copy / name).write_bytes((ROOT / name).read_bytes())
    (copy / "dev").chmod(0o755)
    return copy


def test_an_interpreter_that_is_too_old_is_refused_by_name(tree: Path) -> None:
    old = tree / "python3.9"
    old.write_text("#!/bin/sh\nexit 1\n")  # what `sys.exit(sys.version_info < (3, 11))` gives there
    old.chmod(0o755)
    done = dev("setup", program=tree / "dev", PYTHON=str(old))
    assert done.returncode == 2
    assert str(old) in done.stderr
    assert not (tree / ".venv").exists()


def test_without_permission_it_prints_the_command_and_installs_nothing(tree: Path) -> None:
    """An interpreter without venv, and neither root nor a sudo that asks nothing."""
    tools = tree / "bin"
    tools.mkdir()
    bare = tools / "python3.11"
    bare.write_text(
        '#!/bin/sh\ncase "$*" in *ensurepip*) exit 1 ;; *venv*) echo python3.11-venv ;; *) exit 0 ;; esac\n'
    )
    (tools / "id").write_text("#!/bin/sh\necho 1000\n")
    (tools / "sudo").write_text("#!/bin/sh\nexit 1\n")
    (tools / "apt-get").write_text(f"#!/bin/sh\ntouch '{tree}/apt-was-called'\n")
    for tool in tools.iterdir():
        tool.chmod(0o755)
    done = dev("setup", program=tree / "dev", PYTHON="", PATH=f"{tools}:{os.environ['PATH']}")
    assert done.returncode == 2
    assert "apt-get install --yes --no-install-recommends python3.11-venv" in done.stderr
    assert not (tree / "apt-was-called").exists()
    assert not (tree / ".venv").exists()
