"""Meters, lines, brokers and files that misbehave: a clear error, what came is archived, the others go on."""

import os
import pty
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Thread

import pytest

from gatewayd.archive.query import Reader
from gatewayd.model import Exchange, Outcome
from tests.system.rig import QUICK, ROOT, Meter, Site, eventually, simulator

HOUSEHOLD = ROOT / "simulators" / "readouts" / "household.txt"


def exchanges(site: Site, meter: str) -> list[Exchange]:
    """What the archive has of a meter; nothing before the archive exists."""
    if not (site.archive / "segment-000001.sqlite").exists():
        return []
    reader = Reader(site.archive)
    try:
        return reader.exchanges(meter)
    finally:
        reader.close()


def of(meter: str, options: str = "", every: str = "1h") -> str:
    block = f", iec62056_21: {{{options}}}" if options else ""
    return (
        f"  - {{id: {meter}, driver: iec62056_21, line: {meter}, jobs: [{{registers: all, every: {every}}}]{block}}}\n"
    )


@contextmanager
def answering(reply: Callable[[socket.socket], None]) -> Iterator[int]:
    """A TCP port whose every connection is handed to `reply`."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(5)
                try:
                    reply(connection)
                except OSError:
                    continue

    thread = Thread(target=serve, name="bad meter", daemon=True)
    thread.start()
    try:
        yield server.getsockname()[1]
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join(10)


def garbage(connection: socket.socket) -> None:
    connection.recv(64)
    for _ in range(100):
        connection.sendall(os.urandom(512).replace(b"/", b"."))


@pytest.mark.timeout(150)
def test_bad_meters_cost_only_themselves(tmp_path: Path) -> None:
    """Seven bad lines and a good one under one daemon."""
    site = Site(tmp_path)
    expected = {
        "half": Outcome.TRUNCATED,
        "huge": Outcome.PROTOCOL_ERROR,
        "dripping": Outcome.PROTOCOL_ERROR,
        "hanging-up": Outcome.LINE_FAILED,
        "silent": Outcome.SILENT,
        "garbage": Outcome.PROTOCOL_ERROR,
        "unplugged": Outcome.LINE_FAILED,
    }
    faults = {"half": "truncate", "huge": "huge", "dripping": "drip", "hanging-up": "hang-up", "silent": "silence"}
    with ExitStack() as stack:
        lines = meters = ""
        for meter, fault in faults.items():
            simulated = stack.enter_context(simulator(HOUSEHOLD, *QUICK, "--misbehave", fault))
            lines += simulated.line(meter)
            meters += of(meter)
        port = stack.enter_context(answering(garbage))
        lines += f"  garbage: {{type: tcp, host: 127.0.0.1, port: {port}}}\n"
        lines += f"  unplugged: {{type: serial, device: {tmp_path}/nothing}}\n"
        meters += of("garbage") + of("unplugged")
        good = stack.enter_context(simulator(HOUSEHOLD, *QUICK, pty=tmp_path / "good"))
        site.configure(lines + good.line("good"), meters + of("good", every="2s"))
        daemon = stack.enter_context(site.daemon())
        for meter in expected:
            eventually(lambda meter=meter: bool(exchanges(site, meter)), f"{meter} has an exchange", 100)  # type: ignore[misc]
        assert daemon.terminate() == 0
        messages = daemon.messages
    for meter, outcome in expected.items():
        first = exchanges(site, meter)[0]
        assert first.outcome is outcome, (meter, first.detail)
        assert meter in first.detail or outcome is Outcome.TRUNCATED, first.detail
        assert f"meter {meter}" in messages, meter
    assert len(exchanges(site, "huge")[0].received) > 1 << 20
    assert exchanges(site, "dripping")[0].received.count(b"\x02") == 1
    assert exchanges(site, "garbage")[0].received
    assert exchanges(site, "hanging-up")[0].received
    good_ones = exchanges(site, "good")
    assert len(good_ones) >= 5
    assert {one.outcome for one in good_ones} <= {Outcome.DONE, Outcome.CANCELLED}
    assert "Traceback" not in messages


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("truncate", "stops after"),
        ("bad-bcc", "block check character"),
        ("silence", "does not answer"),
        ("hang-up", "closed the connection"),
    ],
)
def test_a_technician_sees_what_is_wrong_and_the_exit_code_says_so(fault: str, words: str, tmp_path: Path) -> None:
    site = Site(tmp_path)
    with simulator(HOUSEHOLD, *QUICK, "--misbehave", fault) as meter:
        site.configure(meter.line("cabin"), "  - {id: em-1, driver: iec62056_21, line: cabin}\n")
        done = site.run("read", "em-1", "--json")
    assert done.returncode == 1
    assert "em-1" in done.stderr and "cabin" in done.stderr and words in done.stderr, done.stderr
    assert "Traceback" not in done.stderr
    assert len(exchanges(site, "em-1")) == 1
    document = site.json("archive", "show", "em-1")
    for reading in document["readings"]:
        assert reading["status"] == "distorted"
        assert reading["flags"] in (["bcc_failed"], ["truncated"])
    if fault == "bad-bcc":
        assert len(document["readings"]) == len(HOUSEHOLD.read_text().splitlines()) - 2


def test_a_port_that_vanishes_in_mid_session(tmp_path: Path) -> None:
    """The adapter is pulled out while the meter sends: the error names meter and line, and is there at once."""
    site = Site(tmp_path)
    with simulator(HOUSEHOLD, "--misbehave", "hang-up", pty=tmp_path / "head") as meter:
        site.configure(meter.line("optical"), "  - {id: em-1, driver: iec62056_21, line: optical}\n")
        done = site.run("read", "em-1")
    assert done.returncode == 1
    assert "meter em-1" in done.stderr and "line optical" in done.stderr, done.stderr
    assert "unplugged" in done.stderr
    (exchange,) = exchanges(site, "em-1")
    assert exchange.outcome is Outcome.LINE_FAILED
    assert exchange.received.startswith(b"/SIM5HOME")


def test_a_port_that_comes_back_is_used_again_without_a_restart(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.configure(Meter(None, device=str(tmp_path / "late")).line("late"), of("late", every="2s"))  # type: ignore[arg-type]
    with site.daemon() as daemon:
        eventually(lambda: bool(exchanges(site, "late")), "the missing port is noted")
        with simulator(HOUSEHOLD, *QUICK, pty=tmp_path / "late"):
            eventually(lambda: exchanges(site, "late")[-1].outcome is Outcome.DONE, "the port is read")
        assert "late is read again" in daemon.messages
        assert daemon.messages.count("does not exist") == 1


def test_a_device_in_use_by_somebody_else(tmp_path: Path) -> None:
    site = Site(tmp_path)
    with simulator(HOUSEHOLD, *QUICK, pty=tmp_path / "head") as meter:
        site.configure(meter.line("optical"), of("optical", every="1s"))
        other = Site(tmp_path / "other")
        other.folder.mkdir()
        other.configure(meter.line("optical"), "  - {id: em-1, driver: iec62056_21, line: optical}\n")
        import fcntl

        with Path(meter.device).open("rb+", buffering=0) as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            done = other.run("read", "em-1")
    assert done.returncode == 1
    assert "in use by another process" in done.stderr


def test_an_archive_that_a_daemon_writes_is_not_written_by_anybody_else(tmp_path: Path) -> None:
    site = Site(tmp_path)
    with simulator(HOUSEHOLD, *QUICK, pty=tmp_path / "head") as meter:
        site.configure(meter.line("head"), of("head"))
        with site.daemon() as daemon:
            eventually(lambda: bool(exchanges(site, "head")), "the daemon has read")
            done = site.run("run")
            assert done.returncode == 1
            assert f"process {daemon.process.pid}, the running gateway; gatewayd status says" in done.stderr
            assert site.run("read", "head").returncode == 0, "the daemon asks and archives"
            assert site.json("archive", "show", "head")["readings"], "reading the archive is allowed all the time"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "gateway: {id: g}\narchive: {path: /tmp/a}\nlines: {a: {type: tcp, host: h, port: 70000}}\n",
            ":3: lines.a.port",
        ),
        ("gateway: {id: g}\narchive: {path: /tmp/a\n", "gatewayd.yaml:"),
        ("gateway: {id: g}\ngateway: {id: h}\narchive: {path: /tmp/a}\n", ":2: gateway"),
    ],
)
def test_a_wrong_configuration_names_file_line_and_key(text: str, words: str, tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.config.write_text(text)
    for command in (["check"], ["run"], ["read", "em-1"], ["archive", "show"]):
        done = site.run(*command)
        assert done.returncode == 2, command
        assert words in done.stderr, done.stderr
        assert "Traceback" not in done.stderr


def test_an_unknown_meter_and_a_wrong_code_are_usage_errors(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.configure("  a: {type: tcp, host: 127.0.0.1, port: 9}\n", "  - {id: em-1, driver: iec62056_21, line: a}\n")
    unknown = site.run("read", "em-2")
    assert unknown.returncode == 2 and "em-1" in unknown.stderr
    wrong = site.run("read", "em-1", "not.a.code")
    assert wrong.returncode == 2 and "OBIS" in wrong.stderr
    assert site.run("archive", "show").returncode == 1


def test_a_register_that_the_meter_does_not_have_is_missing(tmp_path: Path) -> None:
    site = Site(tmp_path)
    with simulator(HOUSEHOLD, *QUICK) as meter:
        site.configure(meter.line("a"), "  - {id: em-1, driver: iec62056_21, line: a}\n")
        done = site.run("read", "em-1", "1.8.0", "9.8.0", "--json")
    assert done.returncode == 1
    assert "1-0:9.8.0*255" in done.stderr
    readings = site.json("archive", "show")["readings"]
    assert [(reading["obis"], reading["status"]) for reading in readings] == [
        ("1-0:1.8.0*255", "true"),
        ("1-0:9.8.0*255", "missing"),
        ("0-0:1.0.0*255", "true"),
    ]
    assert readings[1]["value"] is None


def test_ctrl_c_in_a_slow_session_archives_what_came(tmp_path: Path) -> None:
    import subprocess
    import sys

    site = Site(tmp_path)
    with simulator(HOUSEHOLD, "--misbehave", "drip", pty=tmp_path / "head") as meter:
        site.configure(meter.line("head"), "  - {id: em-1, driver: iec62056_21, line: head}\n")
        command = [sys.executable, "-m", "gatewayd", "-c", str(site.config), "read", "em-1"]
        terminal, ours = pty.openpty()
        with subprocess.Popen(command, stderr=ours, stdout=subprocess.DEVNULL, cwd=ROOT) as process:
            os.close(ours)
            shown = b""
            while b"24 bytes received" not in shown:  # 16 of the identification and the block drips
                shown += os.read(terminal, 1024)
            process.send_signal(signal.SIGINT)
            assert process.wait(10) == 130
        os.close(terminal)
    assert b"em-1 on line head" in shown
    (exchange,) = exchanges(site, "em-1")
    assert exchange.outcome is Outcome.CANCELLED
    assert exchange.received.startswith(b"/SIM5HOME")
