"""A running gateway, seen from outside: what it says of itself, and what it asks in a technician's name."""

import getpass
import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.system.dlms_rig import LOAD_PROFILE, Manner, gateway, one_meter
from tests.system.forked import QuickSite
from tests.system.rig import QUICK, ROOT, Daemon, Site, end, eventually, simulator

INDUSTRIAL = ROOT / "simulators" / "readouts" / "industrial.txt"
WRAPPER = Manner("wrapper")


@contextmanager
def running(site: QuickSite) -> Iterator[Daemon]:
    with site.site.daemon() as daemon:
        eventually(lambda: "gatewayd.daemon: gatewayd 0" in daemon.messages, "the daemon runs")
        yield daemon


def operators(site: QuickSite) -> list[tuple[str, str, str, str]]:
    """User, type, meter and result of what was asked by hand."""
    entries = site.json("archive", "audit", "--category", "operator")["audit"]
    return [(one["source"], one["type"], one["subject"], one["result"]) for one in entries]


def meter_of(site: QuickSite, name: str) -> dict[str, Any]:
    (found,) = [one for one in site.json("status")["meters"] if one["id"] == name]
    return dict(found)


# -- a technician ------------------------------------------------------------------------------------------------------


@pytest.mark.timeout(120)
def test_what_the_running_gateway_asks_is_what_a_command_alone_would_have_got(tmp_path: Path) -> None:
    with one_meter(tmp_path, WRAPPER, "--profile-days", "3") as (site, _):
        alone = site.json("scan", "em-1")
        with running(site) as daemon:
            eventually(lambda: meter_of(site, "em-1")["last_success_at"] is not None, "the meter was read once")
            assert site.json("scan", "em-1") == alone
            read = site.json("read", "em-1", "1-0:1.8.0", "1-0:2.8.0")["readings"]
            assert {"1-0:1.8.0*255", "1-0:2.8.0*255"} <= {one["obis"] for one in read}
            rows = site.json("profile", "em-1", LOAD_PROFILE, "--from", "yesterday", "--to", "today")["readings"]
            assert len([one for one in rows if one["obis"] == "1-0:1.8.0*255"]) >= 96
            shown = site.run("clock", "em-1")
            assert shown.returncode == 0 and "(read " in shown.stdout
            refused = site.run("clock", "em-1", "--set")
            assert refused.returncode == 1 and "set_clock" in refused.stderr + refused.stdout
            archived = {one["seq"]: one for one in site.json("archive", "show", "em-1", "--last", "5000")["readings"]}
            assert all(archived[one["seq"]] == one for one in (*read, *rows))
            assert daemon.terminate() == 0
        me = getpass.getuser()
        kinds = ["scan", "scan", "read", "profile", "clock"]  # also the one without a gateway
        assert operators(site) == [*((me, kind, "em-1", "done") for kind in kinds), (me, "clock", "em-1", "fault")]
        assert site.json("archive", "verify")["ok"]
    assert "Traceback" not in daemon.messages


def test_a_fault_of_the_meter_comes_back_as_it_is(tmp_path: Path) -> None:
    with one_meter(tmp_path, WRAPPER) as (site, _), running(site) as daemon:
        done = site.run("read", "em-1", "1-0:77.7.0")
        assert done.returncode == 1 and "1-0:77.7.0" in done.stderr
        assert daemon.terminate() == 0
    assert operators(site)[0][2:] == ("em-1", "fault")


@pytest.mark.timeout(120)
def test_who_interrupts_a_command_ends_its_session_in_the_gateway(tmp_path: Path) -> None:
    """A meter at its real pace takes half a minute; it is told that it is over, and what it had sent is archived."""
    with simulator(INDUSTRIAL, pty=tmp_path / "slow") as meter:
        site = Site(tmp_path)
        site.configure(meter.line("a"), "  - {id: em-1, driver: iec62056_21, line: a}\n")
        quick = QuickSite(site)
        with running(quick) as daemon:
            command = [sys.executable, "-m", "gatewayd", "-c", str(site.config), "read", "em-1"]
            reading = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)
            try:

                def talks() -> bool:
                    (line,) = quick.json("status")["lines"]
                    return [(one["meter"], one["technician"]) for one in line["under_way"]] == [("em-1", True)]

                eventually(talks, "the session is under way")
            finally:
                assert end(reading, signal.SIGINT) == 130
            eventually(lambda: quick.json("status")["lines"][0]["under_way"] == [], "the session is over")
            eventually(lambda: len(operators(quick)) == 1, "the entry of the audit log is there")
            assert operators(quick) == [(getpass.getuser(), "read", "em-1", "cancelled")]
            assert daemon.terminate() == 0
        assert "Traceback" not in daemon.messages


@pytest.mark.timeout(120)
def test_a_gateway_that_stops_ends_the_command(tmp_path: Path) -> None:
    with simulator(INDUSTRIAL, pty=tmp_path / "slow") as meter:
        site = Site(tmp_path)
        site.configure(meter.line("a"), "  - {id: em-1, driver: iec62056_21, line: a}\n")
        quick = QuickSite(site)
        with running(quick) as daemon:
            command = [sys.executable, "-m", "gatewayd", "-c", str(site.config), "read", "em-1"]
            reading = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=ROOT)
            eventually(lambda: bool(quick.json("status")["lines"][0]["under_way"]), "the session is under way")
            assert daemon.terminate() == 0
            _, said = reading.communicate(timeout=20)
    assert reading.returncode == 1
    assert "em-1 is not asked any more" in said or "the gateway has stopped" in said
    assert "Traceback" not in daemon.messages + said


def test_a_meter_that_the_gateway_does_not_know_yet(tmp_path: Path) -> None:
    """The command has read another file than the gateway: that is said, with the remedy, which helps."""
    with simulator(INDUSTRIAL, *QUICK) as meter:
        site = Site(tmp_path)
        site.configure(meter.line("a"), "  - {id: em-1, driver: iec62056_21, line: a}\n")
        quick = QuickSite(site)
        with running(quick) as daemon:
            site.configure(
                meter.line("a"), "".join(f"  - {{id: em-{n}, driver: iec62056_21, line: a}}\n" for n in (1, 2))
            )
            done = quick.run("read", "em-2")
            assert done.returncode == 1
            assert "there is no meter 'em-2' in the configuration that was loaded at" in done.stderr
            assert "gatewayd reload" in done.stderr
            assert quick.run("reload").returncode == 0
            assert quick.run("read", "em-2", "1.8.0").returncode == 0
            assert quick.run("status", "--meter", "em-3").returncode == 2
            assert daemon.terminate() == 0


# -- status ------------------------------------------------------------------------------------------------------------


@pytest.mark.timeout(120)
def test_the_status_of_lines_and_meters(tmp_path: Path) -> None:
    with one_meter(tmp_path, WRAPPER, "--profile-days", "3") as (site, meter):
        text = site.site.config.read_text().replace(
            "jobs: [", f"metering_type: A, jobs: [{{profile: {LOAD_PROFILE}, backfill_months: 1, every: 15m}}, "
        )
        dead = (
            "  - {id: em-2, driver: dlms, line: dead, jobs: [{registers: [1-0:1.8.0], every: 1h}], "
            "dlms: {transport: wrapper, client: 16, server: 1}}\n"
        )
        text = text.replace("meters:\n", f"  dead: {{type: tcp, host: 127.0.0.1, port: 9}}\nmeters:\n{dead}")
        site.site.config.write_text(text)
        with running(site) as daemon:

            def settled() -> bool:
                document = site.json("status")
                profiles = [one for found in document["meters"] for one in found["profiles"]]
                return bool(document["faults"]) and bool(profiles) and not profiles[0]["back_fill"]

            eventually(settled, "the profile is read and the dead meter known")
            document = site.json("status")
            assert document["schema"] == "gatewayd.status-report/2"
            assert document["clock"] == {"synchronised": "yes", "source": "configuration", "error_s": None}
            lines = {one["id"]: one for one in document["lines"]}
            assert lines["em-1-line"]["condition"] == "closed" and lines["em-1-line"]["kind"] == "asked"
            well, ill = meter_of(site, "em-1"), meter_of(site, "em-2")
            assert well["fault"] is None and well["last_success_at"] and well["next_due_at"] and well["session_s"]
            assert abs(float(well["clock_deviation_s"])) < 5
            (profile,) = well["profiles"]
            assert (profile["obis"], profile["missing"]) == (f"{LOAD_PROFILE}*255", 0)
            assert profile["present"] >= 2 * 96 and profile["yesterday"] == {
                "expected": 96,
                "present": 96,
                "missing": 0,
            }
            assert "refuses the connection" in ill["fault"] and ill["fault_since"] and ill["last_success_at"] is None
            printed = site.run("status")
            assert printed.returncode == 0 and "meter em-2 cannot be read: " in printed.stdout
            one = site.run("status", "--meter", "em-1").stdout
            assert "metering type    A" in one and LOAD_PROFILE in one and "em-2" not in one
            assert meter.port and daemon.terminate() == 0
        gone = site.run("status", "--meter", "em-1")
        assert gone.returncode == 1 and "does not run" in gone.stderr


@pytest.mark.timeout(120)
def test_watching_goes_on_until_somebody_interrupts(tmp_path: Path) -> None:
    """In a pipe one document after the other, in a terminal in place."""
    with one_meter(tmp_path, WRAPPER) as (site, _), running(site) as daemon:
        command = [sys.executable, "-m", "gatewayd", "-c", str(site.site.config), "status", "--watch", "0.2"]
        piped = subprocess.Popen([*command, "--json"], stdout=subprocess.PIPE, text=True, cwd=ROOT)
        assert piped.stdout is not None
        pids = [json.loads(piped.stdout.readline())["pid"] for _ in range(3)]
        assert pids == [daemon.process.pid] * 3
        assert end(piped, signal.SIGINT) == 130
        ours, its = pty.openpty()
        environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100", "LINES": "30"}
        live = subprocess.Popen(command, stdin=its, stdout=its, stderr=its, cwd=ROOT, env=environment)
        os.close(its)
        seen = b""
        while seen.count(b"gateway gw-test") < 3:
            seen += os.read(ours, 65536)
        assert b"\x1b[?1049h" in seen, "on a screen of its own, which leaves nothing behind"
        live.send_signal(signal.SIGINT)
        try:
            while piece := os.read(ours, 65536):
                seen += piece
        except OSError:  # the other side of the terminal is closed
            pass
        os.close(ours)
        assert live.wait(10) == 130
        assert b"\x1b[?1049l" in seen and b"Traceback" not in seen
        assert daemon.terminate() == 0


def test_of_a_file_that_is_broken_meanwhile_the_running_gateway_still_tells(tmp_path: Path) -> None:
    site = gateway(tmp_path, ["  []\n"])
    site.site.configure("  a: {type: tcp, host: 127.0.0.1, port: 9}\n", "  []\n")
    with running(site) as daemon:
        site.site.config.write_text(site.site.config.read_text() + "metres: []\n")
        assert site.json("status")["gateway"] == "gw-test"
        assert daemon.terminate() == 0
    assert site.run("status").returncode == 2
