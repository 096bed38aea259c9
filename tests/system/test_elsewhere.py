"""`archive.path` was changed, and the gateway was not restarted: that is found, and nobody else is taken for one."""

import os
import shutil
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gatewayd import daemon
from gatewayd.cli import gatewayd
from gatewayd.daemon.elsewhere import gateway_elsewhere
from gatewayd.errors import ArchiveElsewhere
from tests.system.rig import QUICK, ROOT, Daemon, Site, eventually, simulator

HOUSEHOLD = ROOT / "simulators" / "readouts" / "household.txt"
METER = "  - {id: em-1, driver: iec62056_21, line: optical, jobs: [{registers: all, every: 1h}]}\n"
DEAD = "  optical: {type: tcp, host: 127.0.0.1, port: 9}\n"


@pytest.fixture(autouse=True)
def no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """The gateways of these tests are young."""
    monkeypatch.setattr("gatewayd.daemon.elsewhere.STARTED_S", 0.0)


def command(site: Site, *words: str) -> Result:
    """In this process."""
    return CliRunner().invoke(gatewayd, ["-c", str(site.config), *words])


def moved(site: Site, name: str = "larger") -> Path:
    """The file names another archive from now on."""
    folder = site.folder / name
    site.config.write_text(site.config.read_text().replace(f"path: {site.archive}", f"path: {folder}"))
    return folder


def found(site: Site) -> int | None:
    return gateway_elsewhere(daemon.load_config(site.config))


def serving(site: Site, stack: ExitStack, lines: str = DEAD) -> Daemon:
    site.configure(lines, METER)
    running = stack.enter_context(site.daemon())
    eventually(lambda: (site.archive / "control.sock").exists(), "it serves")
    return running


def test_no_second_archive_is_begun(tmp_path: Path) -> None:
    site = Site(tmp_path)
    with ExitStack() as stack:
        meter = stack.enter_context(simulator(HOUSEHOLD, *QUICK))
        running = serving(site, stack, meter.line("optical"))
        text, pid = site.config.read_text(), running.process.pid
        larger = moved(site)
        told = (
            f"process {pid} is a gateway with {site.config}, and does not write the archive {larger}: archive.path was"
        )
        for words in (("read", "em-1"), ("trace", "optical"), ("probe", "optical", "--listen", "0.1"), ("reload",)):
            refused = command(site, *words)
            assert isinstance(refused.exception, ArchiveElsewhere), (words, refused.output, refused.exception)
            assert str(refused.exception).startswith(told)
        status = command(site, "status")
        assert status.exit_code == 1
        assert f"gateway gw-test: runs as process {pid} (gatewayd), with another archive than" in status.output
        doctor = command(site, "doctor", "--no-network")
        assert doctor.exit_code == 1 and told.replace("\n", " ")[:60] in doctor.output.replace("\n", " ")
        assert not larger.exists(), "nothing was begun"
        shutil.copytree(site.archive, larger, ignore=lambda _, names: [one for one in names if one.endswith(".sock")])
        assert found(site) == pid, "its lock was copied, and nobody has it"
        site.config.write_text(text)
        assert found(site) is None
        assert site.run("read", "em-1").returncode == 0
        assert running.terminate() == 0, running.messages
        moved(site)
        assert found(site) is None, "it runs no more"
        assert command(site, "read", "em-1").exit_code == 0


def test_who_is_not_beyond_doubt_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = Site(tmp_path)
    with ExitStack() as stack:
        serving(site, stack)
        other = Site(tmp_path / "other")
        other.folder.mkdir()
        other.configure(DEAD, METER)
        assert found(other) is None, "that runs with another file"
        moved(site)
        assert found(site) is not None
        monkeypatch.setattr("gatewayd.daemon.elsewhere.STARTED_S", 60.0)
        assert found(site) is None, "it may be one that starts"


def test_who_holds_this_archive_is_not_elsewhere(tmp_path: Path) -> None:
    """Also where it was started by another program, hangs, or somebody has removed its socket."""
    site = Site(tmp_path)
    site.configure(DEAD, METER)
    wrapped = ["timeout", "200", sys.executable, "-m", "gatewayd", "-c", str(site.config), "run"]
    with subprocess.Popen(wrapped, cwd=ROOT, stderr=subprocess.DEVNULL) as process:
        try:
            eventually(lambda: (site.archive / "control.sock").exists(), "it serves")
            (site.archive / "control.sock").unlink()
            assert found(site) is None
        finally:
            process.terminate()


def test_a_gateway_of_a_container_is_another_one(tmp_path: Path) -> None:
    """It has a file of its own below the same name."""
    assert os.geteuid() == 0, "this test needs root: sudo ./dev test (it mounts)"
    site = Site(tmp_path / "etc")
    site.folder.mkdir()
    inside = Site(tmp_path / "inside")
    inside.folder.mkdir()
    for one in (site, inside):
        one.configure(DEAD, METER)
    run = f"mount --bind {inside.folder} {site.folder} && exec {sys.executable} -m gatewayd -c {site.config} run"
    with subprocess.Popen(["unshare", "-m", "bash", "-c", run], cwd=ROOT, stderr=subprocess.DEVNULL) as process:
        try:
            eventually(lambda: (inside.archive / "control.sock").exists(), "it serves")
            assert found(site) is None
        finally:
            process.terminate()


def test_a_relative_path_and_a_link(tmp_path: Path) -> None:
    """The gateway was given a link, relative to its folder."""
    site = Site(tmp_path)
    site.configure(DEAD, METER)
    (tmp_path / "link.yaml").symlink_to(site.config)
    given = [sys.executable, "-m", "gatewayd", "-c", "link.yaml", "run"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(given, cwd=tmp_path, env=environment, stderr=subprocess.DEVNULL) as process:
        try:
            eventually(lambda: (site.archive / "control.sock").exists(), "it serves")
            moved(site)
            assert found(site) == process.pid
        finally:
            process.terminate()
