"""The technician's commands as a technician uses them: real processes, simulated meters, and peers of a few bytes."""

import contextlib
import json
import os
import pty
import select
import signal
import subprocess
import sys
import termios
import tty
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from threading import Event, Thread

import pytest
import serial

from gatewayd.archive.query import Reader
from gatewayd.config import parse
from gatewayd.daemon import DRIVER_OPTIONS, SINK_OPTIONS
from gatewayd.model import Outcome
from gatewayd.peer import user_name
from tests.crash.rig import audits
from tests.system.rig import DEADLINE_S, QUICK, READY_S, ROOT, Site, end, eventually, simulator

READOUTS = ROOT / "simulators" / "readouts"
HOUSEHOLD, PUSH = READOUTS / "household.txt", READOUTS / "push.txt"
PASSWORD = "73914628"
# The answer to SNRM of IEC 62056-46, as every client's log shows it; the question and DISC as constants.
SNRM, DISC = bytes.fromhex("7EA0070321930F017E"), bytes.fromhex("7EA00703215303C77E")
UA = bytes.fromhex("7EA01E210373C37A818012050180060180070400000001080400000001533B7E")


@dataclass
class Peer:
    """A device of a few bytes on a pseudo-terminal: answers what it knows, at its own rate only."""

    device: str
    heard: bytearray = field(default_factory=bytearray)


@contextmanager
def peer(answers: Mapping[bytes, bytes], rate: int | None = None) -> Iterator[Peer]:
    master, slave = pty.openpty()
    tty.setraw(slave)
    made, stop = Peer(os.ttyname(slave)), Event()

    def serve() -> None:
        pending = b""
        while not stop.is_set():
            if not select.select([master], [], [], 0.05)[0]:
                continue
            data = os.read(master, 4096)
            made.heard += data
            pending += bytes(data)
            for question, answer in answers.items():
                if question in pending:
                    pending = b""
                    if rate is None or termios.tcgetattr(master)[5] == rate:
                        os.write(master, answer)

    thread = Thread(target=serve, name="peer", daemon=True)
    thread.start()
    try:
        yield made
    finally:
        stop.set()
        thread.join(10)
        os.close(master)
        os.close(slave)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def one_line(site: Site, device: str, meters: str = "  []\n") -> None:
    site.configure(f"  optical: {{type: serial, device: {device}}}\n", meters)


def of(meter: str, line: str = "optical", options: str = "", every: str = "1h") -> str:
    block = f", iec62056_21: {{{options}}}" if options else ""
    return (
        f"  - {{id: {meter}, driver: iec62056_21, line: {line}, jobs: [{{registers: all, every: {every}}}]{block}}}\n"
    )


@contextmanager
def started(site: Site, *arguments: str) -> Iterator["subprocess.Popen[str]"]:
    """A command that goes on until somebody ends it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "gatewayd", "-c", str(site.config), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    try:
        yield process
    finally:
        end(process, signal.SIGKILL)


def rows(text: str) -> str:
    """The traced bytes as text: the last column of all rows of one direction, joined."""
    return "".join(line[69:].removeprefix(" ") for line in text.splitlines() if line[17:19] in ("->", "<-"))


# -- probe -------------------------------------------------------------------------------------------------------------


def test_a_meter_is_found_and_can_be_read_at_once(site: Site) -> None:
    with simulator(HOUSEHOLD, "--reaction-ms", "20", pty=site.folder / "meter") as meter:
        one_line(site, meter.device)
        done = site.run("probe", "optical", "--listen", "0.2")
        assert done.returncode == 0, done.stderr
        assert "IEC 62056-21 mode C" in done.stdout
        assert "found: /SIM5HOME-2T" in done.stderr
        assert "s when nobody answers" in done.stderr.splitlines()[0]
        proposal = done.stdout[done.stdout.index("meters:") :]
        text = site.config.read_text().replace("meters:\n  []\n", proposal)
        assert parse(text, "proposal", DRIVER_OPTIONS, SINK_OPTIONS).meters[0].line == "optical"
        site.config.write_text(text)
        readings = site.json("read", "meter-1", "1.8.0")["readings"]
    register, clock = readings
    assert (register["obis"], register["raw"]) == ("1-0:1.8.0*255", "0021874.316")
    assert clock["obis"] == "0-0:1.0.0*255", "the clock is looked at in every session"


def test_a_meter_behind_a_tcp_server(site: Site) -> None:
    with simulator(HOUSEHOLD, *QUICK, "--address", "4711") as meter:
        site.configure(meter.line("cabin"), "  []\n")
        assert site.run("probe", "cabin", "--protocol", "iec").returncode == 1
        found = site.json("probe", "cabin", "--protocol", "iec", "--address", "4711")["found"]
    assert [(one["mode"], one["identification"], one["offered_baud"]) for one in found] == [("C", "/SIM5HOME-2T", 9600)]
    assert '"4711"' in found[0]["snippet"]


def test_a_meter_that_pushes(site: Site) -> None:
    with simulator(PUSH, *QUICK, "--mode", "D", "--push-every", "0.5", pty=site.folder / "meter") as meter:
        one_line(site, meter.device)
        document = site.json("probe", "optical", "--listen", "10")
    assert [(one["mode"], one["options"]["mode"]) for one in document["found"]] == [("D", "D")]
    assert [one["what"] for one in document["tried"]] == ["listening"]


def test_an_hdlc_server_is_found_at_its_rate_and_left(site: Site) -> None:
    with peer({SNRM: UA, DISC: UA}, termios.B2400) as server:
        one_line(site, server.device)
        document = site.json("probe", "optical", "--protocol", "dlms")
        heard = bytes(server.heard)
    assert [(one["protocol"], one["baud"], one["framing"]) for one in document["found"]] == [
        ("DLMS over HDLC", 2400, "8N1")
    ]
    assert heard == SNRM + SNRM + DISC


def test_modbus_units(site: Site) -> None:
    """Requests and answers with sums by the table of the standard, not by ours."""
    answers = {
        bytes.fromhex("0203000000018439"): bytes.fromhex("02830230F1"),
        bytes.fromhex("05030000000185 8E".replace(" ", "")): bytes.fromhex("05030200E6C80E"),
    }
    with peer(answers) as bus:
        one_line(site, bus.device)
        document = site.json("probe", "optical", "--protocol", "modbus", "--units", "1-6")
    assert [(one["address"], one["notes"]) for one in document["found"]] == [
        ("2", ["exception 2 (illegal address)"]),
        ("5", ["register 0 is 230"]),
    ]
    assert len(document["tried"]) == 6


def test_nobody(site: Site) -> None:
    with peer({}) as silent:
        one_line(site, silent.device)
        done = site.run("probe", "optical", "--protocol", "iec", "--baud", "9600")
        heard = bytes(byte & 0x7F for byte in silent.heard)
    assert done.returncode == 1
    assert "nothing was found on line optical" in done.stdout
    assert "optical head: is it on the meter's window" in done.stdout
    assert heard.replace(b"\0", b"") == b"/?!\r\n" * 2


def test_a_device_that_somebody_else_has(site: Site) -> None:
    with peer({}) as port:
        one_line(site, port.device)
        with contextlib.closing(serial.Serial(port.device, exclusive=True)):
            for command in (("probe", "optical"), ("trace", "optical")):
                done = site.run(*command)
                assert (done.returncode, "in use by another process" in done.stderr) == (1, True), done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("probe", "nowhere"), "line 'nowhere' is not configured; known: optical, gsm"),
        (("probe", "gsm"), "is a modem"),
        (("probe", "optical", "--units", "8-1"), "no range of Modbus units"),
        (("probe", "optical", "--address", "?"), "device address"),
        (("trace", "gsm"), "is a modem"),
        (("trace", "optical", "1.8.0"), "belong to --read"),
        (("trace", "optical", "--read", "em-9"), "meter 'em-9' is not configured"),
        (("trace", "gsm", "--read", "em-1"), "is on line optical"),
        (("profile", "em-1", "P.01", "--from", "soon"), "is no time"),
        (("profile", "em-1", "P.01", "--from", "2026-10-25 02:30"), "happens twice"),
        (("profile", "em-1", "P.01", "--from", "2026-11-02", "--to", "2026-11-01"), "is not after"),
        (("profile", "em-1", "hello"), "OBIS"),
        (("modem", "optical"), "no modem"),
        (("modem", "gsm", "--call", "em-1"), "has no phone"),
        (("modem", "gsm", "--call", "police"), "no meter has this id"),
    ],
)
def test_mistakes_on_the_command_line(site: Site, arguments: tuple[str, ...], words: str) -> None:
    lines = "  optical: {type: serial, device: /dev/null}\n  gsm: {type: modem, device: /dev/null}\n"
    site.configure(lines, of("em-1"))
    done = site.run(*arguments)
    assert done.returncode == 2, done.stderr
    assert words in done.stderr


# -- trace -------------------------------------------------------------------------------------------------------------


def test_a_trace_out_of_the_running_gateway(site: Site) -> None:
    """Two look on; what they see is the whole session, and the meter is read as before."""
    with simulator(HOUSEHOLD, *QUICK, pty=site.folder / "meter") as meter:
        one_line(site, meter.device, of("em-1", every="2s"))
        with site.daemon() as daemon:
            eventually(lambda: (site.archive / "control.sock").exists(), "the control socket")
            with started(site, "trace", "optical", "--json") as events, started(site, "trace", "optical") as screen:
                assert events.stdout is not None and screen.stdout is not None
                seen = []
                for line in events.stdout:
                    seen.append(json.loads(line))
                    if seen[-1]["event"] == "closed" and any(one["event"] == "opened" for one in seen):
                        break
                text = ""
                while "--  closed" not in text or "/?!.." not in text:
                    text += screen.stdout.readline()
                probed = site.run("probe", "optical", "--listen", "0")
                assert daemon.terminate() == 0
                assert events.wait(READY_S) == 1
                assert events.stderr is not None
                assert "the gateway has ended the trace: it has stopped" in events.stderr.read()
            assert "Traceback" not in daemon.messages
            assert "ERROR" not in daemon.messages
    begun = next(n for n, one in enumerate(seen) if one["event"] == "opened")
    session = seen[begun:]
    assert [one["event"] for one in session[:3]] == ["opened", "set", "sent"]
    assert bytes.fromhex(session[2]["hex"]) == b"/?!\r\n"
    received = b"".join(bytes.fromhex(one["hex"]) for one in session if one["event"] == "received")
    assert received.startswith(b"/SIM5HOME-2T\r\n\x02")
    assert b"1.8.0(0021874.316*kWh)" in received
    assert probed.returncode == 0, "the line was lent to it"


def test_the_end_of_a_trace(site: Site) -> None:
    with simulator(HOUSEHOLD, *QUICK, pty=site.folder / "meter") as meter:
        one_line(site, meter.device, of("em-1", every="2s"))
        with site.daemon():
            eventually(lambda: (site.archive / "control.sock").exists(), "the control socket")
            counted = site.run("trace", "optical", "--count", "4", "--save", str(site.folder / "copy"))
            timed = site.run("trace", "optical", "--for", "0.2")
            assert "not configured" in site.run("trace", "elsewhere").stderr
            with started(site, "trace", "optical") as process:
                assert process.stdout is not None
                process.stdout.readline()
                assert end(process, signal.SIGINT) == 130
    assert (counted.returncode, timed.returncode) == (0, 0)
    assert counted.stdout == (site.folder / "copy").read_text()
    assert len([row for row in counted.stdout.splitlines() if row[17:19] != ".."]) >= 4


def test_listening_where_no_gateway_runs(site: Site) -> None:
    with simulator(PUSH, *QUICK, "--mode", "D", "--push-every", "0.3", pty=site.folder / "meter") as meter:
        one_line(site, meter.device)
        done = site.run("trace", "optical", "--count", "6", "--framing", "8N1", "--baud", "9600")
    assert done.returncode == 0, done.stderr
    assert "listening at 9600 Bd 8N1" in done.stderr
    assert "->" not in [row[17:19] for row in done.stdout.splitlines()]
    assert "--  9600 8N1" in done.stdout
    assert "/" in rows(done.stdout)


def test_a_session_with_a_password_shows_everything_but_it(site: Site) -> None:
    """The optical head returns the password; the trace hides it, and the meter has it."""
    (site.folder / "password").write_text(PASSWORD + "\n")
    (site.folder / "password").chmod(0o600)
    journal = site.folder / "journal"
    options = ("--password", PASSWORD, "--misbehave", "echo", "--journal", str(journal))
    with simulator(HOUSEHOLD, *QUICK, *options, pty=site.folder / "meter") as meter:
        settings = f"access: R5, vendor: generic, password_file: {site.folder}/password"
        one_line(site, meter.device, of("em-1", options=settings))
        done = site.run("trace", "optical", "1.8.0", "--read", "em-1", "--save", str(site.folder / "copy"))
    assert done.returncode == 0, done.stderr
    assert "1 reading archived" in done.stderr
    shown = rows(done.stdout)
    assert PASSWORD not in shown
    assert PASSWORD[:4] not in shown
    assert " ".join(f"{ord(c):02X}" for c in PASSWORD[:4]) not in done.stdout
    assert ".R5.1.8.0()" in shown
    assert "****" in shown
    assert "password ok" in journal.read_text()
    assert done.stdout == (site.folder / "copy").read_text()


def test_a_line_that_fails_while_it_is_listened_to(site: Site) -> None:
    done = None
    with simulator(PUSH, *QUICK, "--mode", "D", "--push-every", "0.3") as meter:
        site.configure(meter.line("cabin"), "  []\n")
        with started(site, "trace", "cabin") as process:
            assert process.stdout is not None
            while "<-" not in process.stdout.readline():
                pass
            end(meter.process)
            done = process.wait(READY_S)
            rest = process.stdout.read()
    assert done == 1
    assert "!!  line cabin" in rest


# -- profile -----------------------------------------------------------------------------------------------------------


def generated(minute: int, channel: int) -> str:
    """What the simulator documents of the value of a channel in the interval that ends at a Unix minute."""
    return f"{Decimal((minute * 7919 + channel * 104729) % 100000) / 1000}"


def test_a_day_of_a_profile(site: Site) -> None:
    (site.folder / "password").write_text("00000000\n")
    (site.folder / "password").chmod(0o600)
    options = ("--generate-profile", "P.01:15:2:2026-10-25:2026-10-26")
    with simulator(HOUSEHOLD, *QUICK, *options, pty=site.folder / "meter") as meter:
        one_line(site, meter.device, of("em-1", options=f"vendor: generic, password_file: {site.folder}/password"))
        table = site.run("profile", "em-1", "P.01", "--from", "2026-10-25", "--to", "2026-10-25")
        assert table.returncode == 0, table.stderr
        csv = site.folder / "profile.csv"
        document = site.json(
            "profile", "em-1", "1-0:99.1.0", "--from", "2026-10-25", "--to", "2026-10-25T02:30+01:00", "--csv", str(csv)
        )
        plot = site.run("profile", "em-1", "P.01", "--from", "2026-10-25", "--to", "2026-10-25", "--plot")
        nothing = site.run("profile", "em-1", "P.01", "--from", "2026-11-01", "--to", "2026-11-01")
    text = table.stdout.splitlines()
    assert text[2].startswith("2026-10-25 00:15+02:00")
    assert sum("2026-10-25 02:30+0" in row for row in text) == 2, "once in each of the two hours"
    assert text[-2].startswith("2026-10-25 24:00+01:00")
    assert text[-1].startswith(
        "100 rows, 2026-10-25 00:15+02:00 to 2026-10-25 24:00+01:00; 100 of 100 intervals of 15 min; worst status "
    )
    channels = [row.split()[2:4] for row in text[2:4]]
    minute = int(datetime(2026, 10, 24, 22, 15, tzinfo=UTC).timestamp()) // 60
    assert channels == [[generated(minute + 15 * n, channel) for channel in (1, 2)] for n in (0, 1)]
    assert len(document["readings"]) == 2 * 14
    assert {reading["kind"] for reading in document["readings"]} == {"interval"}
    assert len(csv.read_text().splitlines()) == 1 + 2 * 14
    assert "┤" in plot.stdout
    assert "10-25" in plot.stdout
    assert "\x1b" not in plot.stdout + table.stdout, "no colours in a pipe"
    assert (nothing.returncode, nothing.stdout) == (1, ""), "(ERROR) may mean that there is no such profile"
    assert "meter em-1" in nothing.stderr
    archived = site.json("archive", "show", "em-1", "--kind", "interval")["readings"]
    assert len(archived) >= 200, "everything is archived"


def test_a_profile_of_a_meter_that_is_silent(site: Site) -> None:
    with peer({}) as silent:
        one_line(site, silent.device, of("em-1", options="attempts: 1, vendor: generic, password_file: pw"))
        (site.folder / "pw").write_text("1\n")
        text = site.config.read_text().replace("password_file: pw", f"password_file: {site.folder}/pw")
        site.config.write_text(text)
        done = site.run("profile", "em-1", "P.01")
    assert done.returncode == 1
    assert done.stdout == "", "nobody knows whether there is nothing"
    assert "meter em-1" in done.stderr


# -- modem -------------------------------------------------------------------------------------------------------------


@contextmanager
def modem(site: Site, *options: str) -> Iterator[Path]:
    """A simulated modem; its journal."""
    journal = site.folder / "journal"
    command = [
        sys.executable,
        "-m",
        "simulators",
        "modem",
        "--pty",
        str(site.folder / "modem"),
        "--journal",
        str(journal),
    ]
    process = subprocess.Popen([*command, *options], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    try:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("ready")
        (site.folder / "pin").write_text("1234\n")
        site.configure(
            f"  gsm: {{type: modem, device: {site.folder}/modem, pin_file: {site.folder}/pin}}\n",
            of("em-1", "gsm").replace("line: gsm", 'line: gsm, phone: "+420601123489"'),
        )
        yield journal
    finally:
        end(process)


def test_how_a_modem_is_doing(site: Site) -> None:
    with modem(site, "--sim", "pin", "--signal", "21", "--fail-step", "3") as journal:
        done = site.run("modem", "gsm", "--trace")
        again = site.json("modem", "gsm")
        heard = journal.read_text()
    assert done.returncode == 0, done.stderr
    for words in ("registered at home", "-71 dBm, excellent", "ATE0", "the PIN was sent, and accepted"):
        assert words in done.stdout, words
    assert "1234" not in done.stdout + done.stderr
    assert "AT+CSQ" in done.stderr
    assert (again["ok"], again["pin"], again["call"]) == (True, "unused", None)
    assert "ATD" not in heard, "nobody is called"


def test_a_wrong_pin_is_sent_once_and_said_loudly(site: Site) -> None:
    with modem(site, "--sim", "pin", "--pin", "9999") as journal:
        done = site.run("modem", "gsm")
        again = [site.run("modem", "gsm"), site.run("read", "em-1"), site.run("modem", "gsm", "--call", "em-1")]
        document = site.json("modem", "gsm", code=1)
        heard = journal.read_text()
        os.utime(site.folder / "pin", (1, 1))  # the file has been written anew
        site.run("modem", "gsm")
        heard_after = journal.read_text()
    assert done.returncode == 1
    assert "THE PIN WAS SENT AND REFUSED" in done.stdout
    assert [one.returncode for one in again] == [1, 1, 1]
    assert "NOT SENT: it was sent at 20" in again[0].stdout
    assert str(site.folder / "pin") in again[0].stdout.replace("\n", "")
    assert document["pin"] == "withheld"
    assert heard.upper().count("CPIN=") == 1, "three wrong ones lock the SIM"
    assert heard_after.upper().count("CPIN=") == 2


def test_a_pin_that_the_gateway_has_tried_is_not_sent_by_hand(site: Site) -> None:
    with modem(site, "--sim", "pin", "--pin", "9999") as journal:
        read = site.run("read", "em-1")
        done = site.run("modem", "gsm")
        heard = journal.read_text()
    assert read.returncode == done.returncode == 1
    assert "NOT SENT" in done.stdout
    assert heard.upper().count("CPIN=") == 1


def test_where_refusals_cannot_be_read_no_pin_is_sent(site: Site) -> None:
    with modem(site, "--sim", "pin", "--pin", "9999") as journal:
        site.archive.mkdir()
        (site.archive / "state.sqlite").write_bytes(b"no database" * 100)
        done = site.run("modem", "gsm")
        heard = journal.read_text() if journal.exists() else ""
    assert (done.returncode, heard.upper().count("CPIN=")) == (1, 0)
    assert "line gsm" in done.stderr


def test_a_call_to_try_the_modem(site: Site) -> None:
    with simulator(HOUSEHOLD, *QUICK) as meter, modem(site, "--connect-to", f"tcp:127.0.0.1:{meter.port}"):
        document = site.json("modem", "gsm", "--call", "em-1")
        done = site.run("modem", "gsm", "--call", "+420777000111")
        traced = site.run("trace", "gsm", "--read", "em-1")
        accounted = [(row[2], row[5], row[6]) for row in audits(site.archive, "modem-call")]
    user = user_name(os.geteuid())
    assert accounted == [(user, "em-1", "done"), (user, "test call", "done"), ("gateway", "em-1", "done")]
    call = document["call"]
    assert (call["number"], call["result"], call["hung_up"]) == ("+42060****89", "done", True)
    assert "this costs money" in done.stderr
    assert "+42077****11: done" in done.stdout
    assert traced.returncode == 0, traced.stderr
    assert "601123489" not in traced.stdout
    assert "CONNECT 9600" in rows(traced.stdout)
    assert "/?!" in rows(traced.stdout), "without parity bits"
    assert rows(traced.stdout).count("/SIM5HOME") == 1, "not once more from under the call"
    assert "+++" in traced.stdout


def test_a_call_that_does_not_come_about(site: Site) -> None:
    with modem(site, "--result", "busy"):
        document = site.json("modem", "gsm", "--call", "em-1", code=1)
    assert document["call"]["result"] == "busy"
    assert "busy" in document["fault"] or "BUSY" in document["fault"]


def test_a_modem_that_the_gateway_has(site: Site) -> None:
    with modem(site), site.daemon():
        eventually(lambda: (site.archive / "control.sock").exists(), "the control socket")
        done = site.run("modem", "gsm")
    assert done.returncode == 0, done.stderr
    assert "registered at home" in done.stdout


# -- the end of a command ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_command_that_is_interrupted_leaves_the_meter_and_keeps_what_came(site: Site, number: signal.Signals) -> None:
    """Ctrl-C, `timeout`, and a terminal that goes away: the meter would be locked for a minute."""
    (site.folder / "password").write_text("00000000\n")
    journal = site.folder / "journal"
    # A year at the pace of the line: it does not end by itself.
    options = ("--generate-profile", "P.01:15:4:2020-01-01:2020-12-31", "--journal", str(journal))
    with simulator(HOUSEHOLD, "--reaction-ms", "0", *options, pty=site.folder / "meter") as meter:
        one_line(site, meter.device, of("em-1", options=f"vendor: generic, password_file: {site.folder}/password"))
        with started(site, "profile", "em-1", "P.01", "--from", "2020-01-01", "--to", "2020-12-31") as command:
            eventually(lambda: journal.exists() and "command R5" in journal.read_text(), "the profile comes")
            assert end(command, number) == 130
        eventually(lambda: "break" in journal.read_text(), "the meter is told")
        exchanges = Reader(site.archive).exchanges()
    assert exchanges[-1].outcome is Outcome.CANCELLED


@pytest.mark.parametrize("command", [("read", "em-1"), ("trace", "optical", "--read", "em-1")])
def test_a_reader_that_goes_is_no_fault(site: Site, command: tuple[str, ...]) -> None:
    with simulator(HOUSEHOLD, *QUICK, pty=site.folder / "meter") as meter:
        one_line(site, meter.device, of("em-1"))
        with started(site, *command) as process:
            assert process.stdout is not None and process.stderr is not None
            process.stdout.close()
            assert process.wait(DEADLINE_S) == 0
            assert "Traceback" not in process.stderr.read()


def test_a_trace_that_cannot_be_saved_says_so(site: Site) -> None:
    with simulator(HOUSEHOLD, *QUICK, pty=site.folder / "meter") as meter:
        one_line(site, meter.device, of("em-1"))
        done = site.run("trace", "optical", "--read", "em-1", "--save", "/dev/full")
    assert done.returncode == 1
    assert "/dev/full cannot be written: No space left on device" in done.stderr
    assert "Traceback" not in done.stderr
