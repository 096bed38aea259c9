"""Two never talk on a line at once: commands go through the running gateway, and where none runs they take the lock
that it would take. Each that a person has triggered is in the audit log, whoever carried it out.
"""

import contextlib
import fcntl
import os
import pty
from collections.abc import Iterator
from pathlib import Path

import pytest

from gatewayd.archive.segments import WriterLock, segment_path
from tests.crash.rig import audits, content
from tests.gatewayd.test_roles import GID, GROUP, NOBODY, Client, open_the_way
from tests.system.forked import QuickSite, running
from tests.system.rig import QUICK, ROOT, Site, eventually, simulator

HOUSEHOLD = ROOT / "simulators" / "readouts" / "household.txt"
METER = "  - {{id: em-1, driver: iec62056_21, line: {line}, jobs: [{{registers: all, every: 1h}}]}}\n"
ASKED = (("read", "em-1"), ("profile", "em-1", "P.01"), ("clock", "em-1"), ("scan", "em-1"))
"""What is asked of a meter; a meter without profiles answers that it has none."""
OPENED = (("probe", "optical", "--listen", "0.1"), ("trace", "optical"), ("modem", "gsm"))


@pytest.fixture
def site(tmp_path: Path) -> QuickSite:
    return QuickSite(Site(tmp_path))


@contextlib.contextmanager
def locked() -> Iterator[tuple[str, int]]:
    """A device that somebody else has locked, and its other end."""
    master, slave = pty.openpty()
    try:
        fcntl.flock(slave, fcntl.LOCK_EX)
        os.set_blocking(master, False)
        yield os.ttyname(slave), master
    finally:
        os.close(master)
        os.close(slave)


def test_without_a_gateway_every_command_heeds_the_lock(site: QuickSite) -> None:
    with locked() as (device, other_end):
        lines = f"  optical: {{type: serial, device: {device}}}\n  gsm: {{type: modem, device: {device}}}\n"
        site.site.configure(lines, METER.format(line="optical"))
        for command in (*ASKED, *OPENED):
            done = site.run(*command)
            assert done.returncode == 1, (command, done.stdout)
            said = (done.stdout + done.stderr).replace("\n", " ")
            assert f"{device} is in use by another process" in said, (command, said)
        with pytest.raises(BlockingIOError):
            os.read(other_end, 1)
    asked = [("root", kind, "em-1", "fault") for kind in ("read", "profile", "clock", "scan")]
    opened = [("root", "probe", "optical", "fault"), ("root", "modem", "gsm", "fault")]
    assert [(row[0], row[2], row[3], row[4]) for row in operators(site)] == asked + opened


@pytest.mark.parametrize(
    "command",
    [
        ("read", "em-1"),
        ("probe", "optical", "--listen", "0"),
        ("reading", "add", "em-1", "1.8.0", "99999", "--at", "now", "--yes"),
    ],
    ids=lambda command: command[0],
)
def test_whoever_has_the_archive_for_a_moment_is_waited_for(site: QuickSite, command: tuple[str, ...]) -> None:
    """A gateway that starts has it before it answers; another command has it while it works."""
    with simulator(HOUSEHOLD, *QUICK, pty=site.site.folder / "head") as head:
        site.site.configure(head.line("optical"), METER.format(line="optical"))
        assert site.run("read", "em-1").returncode == 0
        lock = WriterLock(site.site.archive)
        try:
            with running(site.said, "gatewayd", "-c", str(site.site.config), *command) as waiting:
                told = f"waiting: archive {site.site.archive} is being written by process {os.getpid()} (a running"
                eventually(
                    lambda: told in waiting.said or waiting.process.exitcode is not None, "it waits, and says so"
                )
                assert waiting.process.exitcode is None and "gatewayd status says" not in waiting.said
                lock.release()
                code = waiting.wait()
        finally:
            with contextlib.suppress(OSError):
                lock.release()
        assert code == 0, waiting.said


def test_with_a_gateway_every_question_goes_through_it(site: QuickSite) -> None:
    with simulator(HOUSEHOLD, *QUICK) as meter:
        site.site.configure(meter.line("optical"), METER.format(line="optical"))
        with running(site.said, "gatewayd", "-c", str(site.site.config), "run") as daemon:
            eventually(lambda: (site.site.archive / "control.sock").exists(), "it serves")
            codes = [site.run(*command).returncode for command in ASKED]
            probe = site.run("probe", "optical", "--listen", "0")
            with running(site.said, "gatewayd", "-c", str(site.site.config), "trace", "optical") as trace:
                eventually(lambda: "optical" in trace.said, "it listens")
            assert site.run("reload").returncode == 0
            eventually(lambda: len(operators(site)) == 6, "all questions are in the audit log")
            eventually(lambda: len(audits(site.site.archive, "reloaded")) == 1, "and the reload")
            log = daemon.said
    assert codes[0] == codes[2] == 0
    assert probe.returncode == 0 and "/SIM5HOME-2T" in probe.stdout, "the line is lent to it"
    assert [(row[0], row[2], row[3]) for row in operators(site)] == [
        ("root", "read", "em-1"),
        ("root", "profile", "em-1"),
        ("root", "clock", "em-1"),
        ("root", "scan", "em-1"),
        ("root", "probe", "optical"),
        ("root", "trace", "optical"),
    ]
    (reload,) = [row[2:7] for row in audits(site.site.archive, "reloaded")]
    assert (reload[0], reload[1], reload[4]) == ("root", "configuration", "done")
    assert "Traceback" not in log


def test_the_running_gateway_refuses_who_is_not_in_the_group(site: QuickSite) -> None:
    """Also where somebody has opened the socket to everybody."""
    folder = site.site.archive
    site.site.configure("  cabin: {type: tcp, host: 127.0.0.1, port: 9}\n", "  []\n")
    site.site.config.write_text(site.site.config.read_text() + f"control: {{group: {GROUP}}}\n")
    with running(site.said, "gatewayd", "-c", str(site.site.config), "run") as daemon:
        socket = folder / "control.sock"
        eventually(lambda: socket.exists() and socket.stat().st_gid == GID, "it serves, and the group may ask")
        open_the_way(folder)
        socket.chmod(0o666)
        assert Client(NOBODY)(folder).startswith("user nobody may not use the control socket")
        assert Client(NOBODY, [GID])(folder) == "gw-test"
        eventually(lambda: len(audits(folder, "access")) == 1, "that is in the audit log")
        assert "Traceback" not in daemon.said
    assert audits(folder, "access")[0][2:7] == ("nobody", "control", "access", "gateway", "refused")


def operators(site: QuickSite) -> list[tuple[object, ...]]:
    """Source, category, type, id and result of what people have triggered."""
    found = content(segment_path(site.site.archive))["audit"]
    return [row[2:7] for row in found if row[3] == "operator"]
