"""What commands do where a gateway has the archive, stops under their hands, or nobody may."""

import contextlib
import os
import signal
import socketserver
import struct
import tempfile
import threading
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

import pytest

from gatewayd.archive.segments import WriterLock, segment_numbers, segment_path
from tests.crash.rig import audits
from tests.gatewayd.test_roles import GID
from tests.system.forked import QuickSite, running
from tests.system.rig import Site, eventually
from tests.system.test_lending import as_user
from tests.system.test_modem import meters as called
from tests.system.test_modem import modem

LINE = "  a: {type: tcp, host: 127.0.0.1, port: 9}\n"
METER = '  - {id: em-1, driver: iec62056_21, line: a, jobs: [{registers: [1.8.0], at: "00:01"}]}\n'
ENTER = ("reading", "add", "em-1", "1.8.0", "100", "--at", "now", "--yes")
BARRED = "belongs to daemon, and this process is user nobody: run it as daemon"


@pytest.fixture
def site() -> Iterator[QuickSite]:
    """In a folder that everybody may enter, with an archive of user daemon's, whose group may read."""
    assert os.geteuid() == 0, "these tests need root: sudo ./dev test (they become another user)"
    with tempfile.TemporaryDirectory(prefix="gatewayd-beside-") as around:
        Path(around).chmod(0o755)
        made = Site(Path(around))
        made.configure(LINE, METER)
        made.config.chmod(0o644)
        made.archive.mkdir(mode=0o750)
        os.chown(made.archive, 1, GID)
        yield QuickSite(made)


# -- who has the archive ----------------------------------------------------------------------------------------------


def test_a_session_cannot_be_traced_beside_a_gateway_and_what_can_is_told(tmp_path: Path) -> None:
    one = Site(tmp_path)
    one.configure(LINE, METER)
    with one.daemon() as gateway:
        eventually(lambda: (one.archive / "control.sock").exists(), "it serves")
        done = one.run("trace", "a", "--read", "em-1")
        assert done.returncode == 1
        assert f"is being written by process {gateway.process.pid}, the running gateway; " in done.stderr
        assert "gatewayd trace a " in done.stderr and "gatewayd read em-1" in done.stderr
        assert "stop" not in done.stderr


def test_a_gateway_waits_for_a_command_that_has_the_archive(tmp_path: Path) -> None:
    one = QuickSite(Site(tmp_path))
    one.site.configure(LINE, METER)
    lock = WriterLock(one.site.archive)
    with running(one.said, "gatewayd", "-c", str(one.site.config), "run") as gateway:
        eventually(lambda: f"waiting: archive {one.site.archive} is being written" in gateway.said, "it waits")
        lock.release()
        eventually(lambda: (one.site.archive / "control.sock").exists(), "it serves")


def test_a_gateway_that_is_stopped_while_it_waits_ends_in_order(tmp_path: Path) -> None:
    one = QuickSite(Site(tmp_path))
    one.site.configure(LINE, METER)
    lock = WriterLock(one.site.archive)
    with running(one.said, "gatewayd", "-c", str(one.site.config), "run") as gateway:
        eventually(lambda: "waiting: " in gateway.said, "it waits")
        gateway.process.terminate()
        assert gateway.wait(5) == 0
    lock.release()


# -- calls ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("again", [False, True], ids=["stays down", "is started anew"])
def test_a_call_that_was_paid_for_is_archived_whatever_becomes_of_the_gateway(
    how: signal.Signals, again: bool, tmp_path: Path
) -> None:
    one = QuickSite(Site(tmp_path))
    run = ("gatewayd", "-c", str(one.site.config), "run")
    with modem(tmp_path, "gsm", "--delay-ms", "60000") as gsm, contextlib.ExitStack() as stack:
        one.site.configure(gsm.line("gsm"), called("gsm", 1, jobs='{registers: all, at: "00:01"}'))
        gateway = stack.enter_context(running(one.said, *run))
        eventually(lambda: (one.site.archive / "control.sock").exists(), "it serves")
        with running(one.said, "gatewayd", "-c", str(one.site.config), "modem", "gsm", "--call", "em-1") as call:
            eventually(lambda: any(text.startswith("ATD") for text in gsm.heard), "it dials")
            os.kill(gateway.pid, how)
            gateway.wait(20)
            if again:
                stack.enter_context(running(one.said, *run))
            assert call.wait() == 1
            assert "warning" not in call.said, call.said
    ((_, _, _, category, _, subject, *_),) = audits(one.site.archive, "modem-call")
    assert (category, subject) == ("call", "em-1")


# -- scans ------------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def bus(asked: threading.Event) -> Iterator[int]:
    """Modbus TCP: unit 1 answers (illegal function), all others are silent. `asked`: it was the turn of unit 3. The
    port."""

    class Units(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while len(head := self.rfile.read(7)) == 7:
                number, _, length, unit = struct.unpack(">HHHB", head)
                function = self.rfile.read(length - 1)[0]
                if unit == 1:
                    self.wfile.write(struct.pack(">HHHBBB", number, 0, 3, unit, function | 0x80, 1))
                elif unit == 3:
                    asked.set()

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Units) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def test_a_scan_that_is_interrupted_has_found_something(tmp_path: Path) -> None:
    one, asked = QuickSite(Site(tmp_path)), threading.Event()
    with bus(asked) as port:
        one.site.configure(f"  a: {{type: tcp, host: 127.0.0.1, port: {port}}}\n", METER)
        command = ("scan", "a", "--units", "1-200")
        with running(one.said, "gatewayd", "-c", str(one.site.config), *command) as scan:
            assert asked.wait(30)
            os.kill(scan.pid, signal.SIGINT)
            assert scan.wait() == 130
            rows = [line.split() for line in scan.output.read_text().splitlines()]
            assert [row[:3] for row in rows[1:]] == [["1", "not", "known"]]
            assert "found by then: 2 of 200 units were asked" in scan.said
    assert audits(one.site.archive, "scan")


# -- names that are none ----------------------------------------------------------------------------------------------


def test_readings_of_a_meter_that_there_is_not(tmp_path: Path) -> None:
    one = QuickSite(Site(tmp_path))
    one.site.configure(LINE, METER + "  - {id: em-2, driver: iec62056_21, line: a}\n")
    assert one.run(*ENTER).returncode == 0
    for words in ((), ("--json",)):
        done = one.run("archive", "show", "em-3", *words)
        assert (done.returncode, done.stdout) == (2, "") and "nothing of a meter 'em-3' in the archive" in done.stderr
    assert one.run("archive", "show", "em-2").returncode == 0, "it has brought nothing so far"
    assert one.run("archive", "show", "em-1", "--status", "missing").returncode == 0
    one.site.configure(LINE, "  - {id: em-2, driver: iec62056_21, line: a}\n")
    assert "100" in one.run("archive", "show", "em-1").stdout, "it was taken out of the configuration"


# -- not permitted ----------------------------------------------------------------------------------------------------


def closed(site: QuickSite) -> None:
    site.site.archive.chmod(0o700)


def unreadable(site: QuickSite) -> None:
    for number in segment_numbers(site.site.archive):
        segment_path(site.site.archive, number).chmod(0o600)
    (site.site.archive / "signing.pub").chmod(0o600)


@pytest.mark.parametrize("bar", [closed, unreadable])
def test_who_may_not_read_the_archive_is_told_so_with_3(site: QuickSite, bar: Callable[[QuickSite], None]) -> None:
    assert site.run(*ENTER).returncode == 0
    bar(site)
    for command in (
        ("archive", "show"),
        ("archive", "public-key"),
        ("archive", "audit"),
        ("reading", "list"),
        ("tail", "--for", "5"),
    ):
        code, said = by_nobody(site, *command)
        assert code == 3 and said.startswith("not permitted: ") and BARRED in said, (command, said)
        assert "Errno" not in said and "Traceback" not in said


def test_who_may_only_read_is_told_to_start_the_gateway(site: QuickSite) -> None:
    """A technician in the group of a gateway that is down."""
    assert site.run(*ENTER).returncode == 0
    code, said = by_nobody(site, "read", "em-1")
    assert code == 3 and "no gateway runs that could do it: start it" in said and BARRED in said
    for command in (("archive", "show"), ENTER):
        code, said = by_nobody(site, *command)
        assert code == 1 and "no gateway runs" in said and "start the gateway" in said, said


def test_a_port_of_others_is_3(site: QuickSite) -> None:
    device = site.site.folder / "port"
    device.touch(mode=0o600)
    site.site.configure(f"  a: {{type: serial, device: {device}}}\n  gsm: {{type: modem, device: {device}}}\n", METER)
    site.site.config.chmod(0o644)
    for command in (("modem", "gsm"), ("scan", "a", "--units", "1")):
        code, said = by_nobody(site, *command)
        assert code == 3 and f"not permitted: line {command[1]}: no permission for {device}" in said, said


def by_nobody(site: QuickSite, *arguments: str) -> tuple[int | None, str]:
    for name in ("archive", "reading", "tail", "read", "modem", "scan", "scan_line", "reading_view"):
        import_module(f"gatewayd.cli.{name}")
    import_module("drivers.iec62056_21.driver")
    return as_user(site, (GID,), *arguments)
