"""Meters that are called: a real daemon, simulated modems with a journal of what they heard, simulated meters behind.

Rules: the numbers and the PIN of these tests may stand in the journals of the modems only.
"""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from gatewayd.archive.query import Reader
from gatewayd.archive.segments import segment_numbers
from gatewayd.model import Outcome
from tests.crash.rig import audits
from tests.system.rig import QUICK, ROOT, Daemon, Site, end, eventually, simulator, together

INDUSTRIAL = ROOT / "simulators" / "readouts" / "industrial.txt"
NUMBERS = [f"+42060123450{n}" for n in range(1, 7)]
MASKED = [f"{number[:6]}****{number[-2:]}" for number in NUMBERS]
PIN = "4711"
GUARD = ("--guard-ms", "60")
"""The modem's; ours is longer, as it has to be."""
ONE_READOUT = "{registers: all, every: 1d}"


@dataclass(frozen=True, slots=True)
class Modem:
    """A simulated modem that is ready."""

    device: Path
    journal: Path

    @property
    def heard(self) -> list[str]:
        return self.journal.read_text(encoding="latin-1").splitlines() if self.journal.exists() else []

    def line(self, name: str, more: str = "") -> str:
        """Its line in a configuration."""
        return (
            f"  {name}: {{type: modem, device: {self.device}, guard_ms: 150, hang_up_s: 4, setup_s: 20"
            f"{', ' + more if more else ''}}}\n"
        )


@contextmanager
def modem(folder: Path, name: str, *options: str, port: int | None = None) -> Iterator[Modem]:
    """`python -m simulators modem` on a pseudo-terminal; whoever is called is at the TCP port."""
    one = Modem(folder / name, folder / f"{name}.journal")
    target = () if port is None else ("--connect-to", f"tcp:127.0.0.1:{port}")
    place = ("--pty", str(one.device), "--journal", str(one.journal))
    command = [sys.executable, "-m", "simulators", "modem", *place, *GUARD, *target, *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    try:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("ready ")
        yield one
    finally:
        end(process)


def meters(line: str, *numbers: int, jobs: str = ONE_READOUT) -> str:
    """Meters em-1, em-2 ... in a configuration, each with the number of its place."""
    return "".join(
        f"  - {{id: em-{n}, driver: iec62056_21, line: {line}, phone: '{NUMBERS[n - 1]}', jobs: [{jobs}]}}\n"
        for n in numbers
    )


def calls(site: Site) -> list[tuple[str, str, dict[str, Any]]]:
    """Meter, result and detail of each call in the audit log."""
    if not site.archive.exists() or not segment_numbers(site.archive):
        return []
    return [(str(row[5]), str(row[6]), json.loads(str(row[7]))) for row in audits(site.archive, "modem-call")]


def results(site: Site, meter: str) -> list[str]:
    return [result for who, result, _ in calls(site) if who == meter]


def status(site: Site, line: str, code: int = 0) -> dict[str, Any]:
    (found,) = [one for one in site.json("status", code=code)["modems"] if one["id"] == line]
    return dict(found)


def assert_nothing_secret(site: Site, daemon: Daemon) -> None:
    """No whole number and no PIN in the log, nor in any file of the archive. A PIN is short: only as a word."""
    files = {path: path.read_bytes() for path in site.archive.rglob("*") if path.is_file()}
    files[daemon.log] = daemon.log.read_bytes()
    for path, data in files.items():
        for number in NUMBERS:
            assert number[1:].encode() not in data, f"{number} in {path}"
        assert f'CPIN="{PIN}"'.encode() not in data, path
    assert re.search(rf"\b{PIN}\b", daemon.messages) is None


@pytest.mark.timeout(120)
def test_two_meters_are_called_over_one_modem_and_the_pin_is_sent_once(tmp_path: Path) -> None:
    pin = tmp_path / "gsm.pin"
    pin.write_text(f"{PIN}\n")
    with (
        simulator(INDUSTRIAL, *QUICK) as meter,
        modem(tmp_path, "gsm", "--sim", "pin", "--pin", PIN, port=meter.port) as gsm,
    ):
        site = Site(tmp_path)
        two = "{registers: [1-0:1.8.0], every: 1d}, {registers: [1-0:2.8.0], every: 1d}"
        site.configure(
            gsm.line("gsm", f"pin_file: {pin}, call_window: [00:00-12:00, 12:00-24:00]"), meters("gsm", 1, 2, jobs=two)
        )
        with site.daemon() as daemon:
            eventually(lambda: len(calls(site)) == 2, "both meters are called")
            modem_status = status(site, "gsm")
            for_people = site.run("status")
            assert daemon.terminate() == 0
        assert {who: result for who, result, _ in calls(site)} == {"em-1": "done", "em-2": "done"}
        for who, _, detail in calls(site):
            assert detail["number"] == MASKED[int(who[-1]) - 1]
            assert (detail["line"], detail["hung_up"], detail["signal"]) == ("gsm", True, -79)
            assert detail["bytes_received"] > 100
            assert detail["started"] < detail["connected"] < detail["ended"]
        exchanges = Reader(site.archive).exchanges()
        assert [(one.meter, one.request, one.outcome) for one in exchanges] == [
            (who, f"registers 1-0:{code}.8.0*255", Outcome.DONE) for who in ("em-1", "em-2") for code in (1, 2)
        ]
        assert gsm.heard.count(f'AT+CPIN="{PIN}"') == 1
        assert [line for line in gsm.heard if line.startswith("ATD")] == [f"ATD{number}" for number in NUMBERS[:2]]
        assert gsm.heard.count("escaped") == 2
        assert gsm.heard.count("on hook") == 3, "once at the start, whatever was left"
        assert modem_status["last_call"]["result"] == "done"
        assert modem_status["last_call"]["number"] == MASKED[1]
        assert (modem_status["signal_dbm"], modem_status["registration"]) == (-79, "home")
        assert modem_status["fault"] is None and modem_status["next_window"]
        assert for_people.returncode == 0 and MASKED[1] in for_people.stdout and "home" in for_people.stdout
        assert_nothing_secret(site, daemon)
        audited = site.json("archive", "audit", "--category", "call", "--subject", "em-2")["audit"]
        assert [(one["result"], one["detail"]["number"]) for one in audited] == [("done", MASKED[1])]
        done = site.json("read", "em-1", "1-0:1.8.0")
        assert [reading["obis"] for reading in done["readings"]] == ["1-0:1.8.0*255", "0-0:1.0.0*255"]
        assert len(calls(site)) == 3, "a call from the command line costs money as well"


@pytest.mark.timeout(120)
def test_a_wrong_pin_is_never_repeated(tmp_path: Path) -> None:
    pin = tmp_path / "gsm.pin"
    pin.write_text(f"{PIN}\n")
    with modem(tmp_path, "gsm", "--sim", "pin", "--pin", "9999") as gsm:
        site = Site(tmp_path)
        site.configure(gsm.line("gsm", f"pin_file: {pin}"), meters("gsm", 1, 2, jobs="{registers: all, every: 1s}"))
        with site.daemon() as daemon:
            eventually(lambda: "is not used any more" in daemon.messages, "the SIM is given up")
            assert "look" in str(status(site, "gsm", code=1)["fault"])
            assert daemon.terminate() == 0
        assert len([line for line in gsm.heard if line.startswith('AT+CPIN="')]) == 1
        assert not [line for line in gsm.heard if line.startswith("ATD")]
        assert daemon.messages.count("is not used any more until gatewayd is restarted") == 1
        assert [(who, result) for who, result, _ in calls(site)] == [("em-1", "SIM")]
        assert_nothing_secret(site, daemon)


@pytest.mark.timeout(120)
def test_a_pin_is_not_repeated_by_a_daemon_that_was_killed_before_its_answer(tmp_path: Path) -> None:
    """A modem that thinks about the PIN for long, and a daemon that is killed again and again: one PIN, not three."""
    pin = tmp_path / "gsm.pin"
    pin.write_text(f"{PIN}\n")
    thinking = [option for step in range(13, 16) for option in ("--mute-step", str(step))]
    with modem(tmp_path, "gsm", "--sim", "pin", "--pin", "9999", *thinking) as gsm:
        site = Site(tmp_path)
        site.configure(gsm.line("gsm", f"pin_file: {pin}"), meters("gsm", 1))
        with site.daemon() as daemon:
            eventually(lambda: f'AT+CPIN="{PIN}"' in gsm.heard, "the PIN is sent")
            daemon.kill()
        assert results(site, "em-1") == [], "killed before anything was told"
        for told in (1, 2):
            with site.daemon() as daemon:
                eventually(_given_up(daemon, told), "it is left alone")
                daemon.kill()
        assert len([line for line in gsm.heard if line.startswith('AT+CPIN="')]) == 1


@pytest.mark.timeout(120)
def test_two_modems_of_a_pool_share_the_work(tmp_path: Path) -> None:
    with (
        together(simulator(INDUSTRIAL, *QUICK), simulator(INDUSTRIAL, *QUICK)) as (near, far),
        together(
            modem(tmp_path, "one", "--delay-ms", "500", port=near.port),
            modem(tmp_path, "two", "--delay-ms", "500", port=far.port),
        ) as (one, two),
    ):
        site = Site(tmp_path)
        lines = one.line("gsm-1", "pool: night") + two.line("gsm-2", "pool: night")
        site.configure(lines, meters("night", *range(1, 7)))
        with site.daemon() as daemon:
            eventually(lambda: len(calls(site)) == 6, "all six are called")
            assert daemon.terminate() == 0
        assert sorted((who, result) for who, result, _ in calls(site)) == [(f"em-{n}", "done") for n in range(1, 7)]
        dialled = [line for each in (one, two) for line in each.heard if line.startswith("ATD")]
        assert sorted(dialled) == [f"ATD{number}" for number in NUMBERS]
        assert {detail["line"] for _, _, detail in calls(site)} == {"gsm-1", "gsm-2"}
        assert_nothing_secret(site, daemon)


@pytest.mark.timeout(240)
def test_busy_and_lost_calls_are_repeated_after_their_pauses(tmp_path: Path) -> None:
    """The pauses are those of a real plant, 60 s and 30 s: nothing here shortens them."""
    with (
        together(simulator(INDUSTRIAL, *QUICK), simulator(INDUSTRIAL, *QUICK)) as (near, far),
        together(
            modem(tmp_path, "one", "--result", "busy", "--result", "connect", port=near.port),
            modem(tmp_path, "two", "--drop-after", "300", port=far.port),
        ) as (one, two),
    ):
        site = Site(tmp_path)
        site.configure(one.line("gsm-1") + two.line("gsm-2"), meters("gsm-1", 1) + meters("gsm-2", 2))
        with site.daemon() as daemon:
            eventually(lambda: results(site, "em-2")[:1] == ["carrier lost"], "the carrier is lost")
            eventually(lambda: results(site, "em-1")[:1] == ["busy"], "the line is busy")
            eventually(lambda: results(site, "em-2")[:2] == ["carrier lost"] * 2, "it is called again")
            eventually(lambda: results(site, "em-1") == ["busy", "done"], "it is reached at last", 90)
            assert daemon.terminate() == 0
        for who, pause in (("em-1", 60), ("em-2", 30)):
            first, second = [detail for name, _, detail in calls(site) if name == who][:2]
            assert instant(second["started"]) - instant(first["ended"]) >= timedelta(seconds=pause)
        lost = [one for one in Reader(site.archive).exchanges("em-2") if one.outcome is Outcome.LINE_FAILED]
        assert len(lost) >= 2
        assert b"NO CARRIER" in lost[0].received and lost[0].received.startswith(b"/")
        assert "lost the carrier of the call to " + MASKED[1] in lost[0].detail
        assert Reader(site.archive).exchanges("em-1")[-1].outcome is Outcome.DONE
        assert daemon.messages.count(f"{MASKED[0]}: BUSY") == 1, "one line for the change of state"
        assert "meter em-1 on line gsm-1 is read again" in daemon.messages
        assert_nothing_secret(site, daemon)


@pytest.mark.timeout(120)
def test_a_daemon_that_is_stopped_in_mid_call_hangs_up(tmp_path: Path) -> None:
    """The meter is as slow as a real one, so that its block is still coming."""
    with (
        simulator(INDUSTRIAL, "--no-check-baud", "--parity", "even") as meter,
        modem(tmp_path, "gsm", port=meter.port) as gsm,
    ):
        site = Site(tmp_path)
        site.configure(gsm.line("gsm"), meters("gsm", 1))
        with site.daemon() as daemon:
            eventually(lambda: "connected" in gsm.heard, "the call is up")
            assert daemon.terminate() == 0
        said = [line for line in gsm.heard if not line.startswith("reader gone")]
        assert said[-3:] == ["escaped", "ATH", "on hook"]
        ((who, _, detail),) = calls(site)
        assert (who, detail["hung_up"]) == ("em-1", True)
        (exchange,) = Reader(site.archive).exchanges()
        assert exchange.outcome is Outcome.CANCELLED
        assert_nothing_secret(site, daemon)


@pytest.mark.timeout(120)
def test_a_call_has_a_longest_time(tmp_path: Path) -> None:
    """A subscriber who says nothing, and a driver that would wait for longer."""
    with modem(tmp_path, "gsm") as gsm:
        site = Site(tmp_path)
        site.configure(gsm.line("gsm", "max_call_s: 3"), meters("gsm", 1))
        with site.daemon() as daemon:
            eventually(lambda: results(site, "em-1") == ["done"], "the call is cut")
            assert daemon.terminate() == 0
        (exchange,) = Reader(site.archive).exchanges()
        assert exchange.outcome is Outcome.DEADLINE
        assert "not finished after 3 s" in daemon.messages
        said = [line for line in gsm.heard if not line.startswith("reader gone")]
        assert gsm.heard.count("escaped") == 1 and said[-1] == "on hook"


@pytest.mark.timeout(120)
def test_a_call_that_a_killed_process_left_is_ended_at_the_next_start(tmp_path: Path) -> None:
    """Also outside the call windows, and although nothing is due: it costs money as long as it lasts."""
    late = (datetime.now(ZoneInfo("Europe/Prague")) + timedelta(hours=12)).strftime("%H:%M")
    with modem(tmp_path, "gsm", "--stuck", "--sim", "pin", "--pin", PIN) as gsm:
        site = Site(tmp_path)
        pin = tmp_path / "gsm.pin"
        pin.write_text(f"{PIN}\n")
        site.configure(gsm.line("gsm", f"pin_file: {pin}"), meters("gsm", 1, jobs=f'{{registers: all, at: "{late}"}}'))
        with site.daemon() as daemon:
            eventually(lambda: "on hook" in gsm.heard or "ATH" in gsm.heard, "it is hung up")
            assert daemon.terminate() == 0
        assert "escaped" in gsm.heard
        assert not [line for line in gsm.heard if line.startswith(("ATD", "AT+CPIN"))], "nothing else is done"
        assert calls(site) == []


@pytest.mark.timeout(120)
def test_a_daemon_that_is_killed_in_mid_call_leaves_no_call(tmp_path: Path) -> None:
    with (
        simulator(INDUSTRIAL, "--no-check-baud", "--parity", "even") as meter,
        modem(tmp_path, "gsm", port=meter.port) as gsm,
    ):
        site = Site(tmp_path)
        site.configure(gsm.line("gsm"), meters("gsm", 1))
        with site.daemon() as daemon:
            eventually(lambda: "connected" in gsm.heard, "the call is up")
            daemon.kill()
        before = len(gsm.heard)
        assert "on hook" not in gsm.heard[gsm.heard.index("connected") :], (
            "a pseudo-terminal has no DTR: the call stays"
        )
        with site.daemon() as daemon:
            eventually(lambda: gsm.heard.count("connected") == 2, "it is called again")
            assert daemon.terminate() == 0
        assert gsm.heard[before : before + 3] == ["escaped", "ATH", "on hook"], "freed before anything else"


def _given_up(daemon: Daemon, times: int) -> Callable[[], bool]:
    return lambda: daemon.messages.count("is not used any more") == times


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text)
