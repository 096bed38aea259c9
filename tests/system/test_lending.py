"""A running gateway lends its lines to `probe`, `scan LINE` and `modem`, and goes on whatever becomes of them."""

import asyncio
import contextlib
import fcntl
import json
import multiprocessing
import os
import pwd
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import gatewayd.cli
from gatewayd import daemon
from gatewayd.archive.query import Reader
from gatewayd.control import follow
from gatewayd.errors import GatewayError
from gatewayd.model import Outcome
from tests.crash.rig import audits, found
from tests.gatewayd.test_roles import GID, GROUP, NOBODY, open_the_way
from tests.system.forked import Forked, QuickSite, running
from tests.system.rig import QUICK, Site, eventually, simulator, together
from tests.system.test_modem import meters as called
from tests.system.test_modem import modem
from tests.system.test_one_talks import HOUSEHOLD, operators

LONG = ("probe", "optical", "--protocol", "modbus", "--units", "1-247", "--listen", "0")
"""Takes minutes on a line where nobody speaks Modbus."""
_FORK = multiprocessing.get_context("fork")


@pytest.fixture
def site(tmp_path: Path) -> QuickSite:
    return QuickSite(Site(tmp_path))


def meter(line: str = "optical", every: str = "1s", name: str = "em-1") -> str:
    return f"  - {{id: {name}, driver: iec62056_21, line: {line}, jobs: [{{registers: [1.8.0], every: {every}}}]}}\n"


@contextlib.contextmanager
def gateway(site: QuickSite) -> Iterator[Forked]:
    with running(site.said, "gatewayd", "-c", str(site.site.config), "run") as daemon:
        eventually(lambda: (site.site.archive / "control.sock").exists(), "it serves")
        yield daemon
        assert "Traceback" not in daemon.said, daemon.said


def command(site: QuickSite, *arguments: str) -> contextlib.AbstractContextManager[Forked]:
    return running(site.said, "gatewayd", "-c", str(site.site.config), *arguments)


def line(site: QuickSite, name: str = "optical") -> dict[str, Any]:
    (one,) = [one for one in site.json("status")["lines"] if one["id"] == name]
    return dict(one)


def lent(site: QuickSite, name: str = "optical") -> list[tuple[str | None, str | None]]:
    return [(one["line"], one["lent"]) for one in line(site, name)["under_way"] if one["lent"]]


def outcomes(site: QuickSite) -> list[Outcome]:
    with contextlib.closing(Reader(site.site.archive)) as reader:
        return [one.outcome for one in reader.exchanges()]


def read_on(site: QuickSite, seconds: float = 5.0) -> None:
    """The gateway reads the meter soundly, from now on."""
    before = len(outcomes(site))
    eventually(lambda: len(outcomes(site)) > before + 1, "the schedule goes on", seconds)
    assert outcomes(site)[before + 1] is Outcome.DONE


def troubles(daemon: Forked) -> list[str]:
    """What it has warned of, but for the clock of a recorded meter."""
    lines = daemon.said.splitlines()
    return [one for one in lines if one.startswith(("WARNING", "ERROR", "CRITICAL")) and "alarm raised" not in one]


def loans(site: QuickSite) -> list[tuple[object, ...]]:
    """Type, id, and result of each loan in the audit log."""
    return [row[2:5] for row in operators(site) if row[2] in ("probe", "scan", "modem")]


# -- a probe while the gateway reads -----------------------------------------------------------------------------------


def test_a_probe_while_the_gateway_reads_costs_no_reading(site: QuickSite) -> None:
    with simulator(HOUSEHOLD, *QUICK, pty=site.site.folder / "head") as head:
        site.site.configure(head.line("optical"), meter())
        with gateway(site) as daemon:
            eventually(lambda: len(outcomes(site)) > 2, "it reads")
            done = site.run("probe", "optical", "--listen", "0", "--trace")
            assert done.returncode == 0, done.stderr
            assert "/SIM5HOME-2T" in done.stdout and "opened" in done.stderr
            read_on(site)
            assert line(site)["condition"] == "closed"
            daemon.process.terminate()
            assert daemon.wait(10) == 0
            assert troubles(daemon) == []
    assert set(outcomes(site)) == {Outcome.DONE}
    assert found(site.site.archive) == ()
    ((source, category, *rest),) = operators(site)
    assert (source, category, rest) == (pwd.getpwuid(os.getuid()).pw_name, "operator", ["probe", "optical", "done"])


def test_a_back_fill_goes_on_behind_a_probe_and_leaves_no_hole(site: QuickSite) -> None:
    """A probe in mid back-fill: every interval is archived once."""
    today = datetime.now(UTC).date()
    first, last = today - timedelta(days=20), today - timedelta(days=2)
    profile = ("--generate-profile", f"P.01:15:1:{first}:{today + timedelta(days=1)}", "--operand", "35031234")
    with simulator(HOUSEHOLD, *QUICK[:1], "--reaction-ms", "40", "--no-check-baud", *profile) as head:
        (site.site.folder / "password").write_text("00000000\n")
        options = f"iec62056_21: {{vendor: generic, password_file: {site.site.folder}/password}}"
        job = "jobs: [{profile: P.01, every: 15m, backfill_months: 1}]"
        site.site.configure(
            head.line("optical"), f"  - {{id: em-1, driver: iec62056_21, line: optical, {options}, {job}}}\n"
        )
        with gateway(site):
            eventually(lambda: len(outcomes(site)) >= 2, "the back-fill has begun")
            done = site.run("probe", "optical", "--listen", "0", "--protocol", "iec")
            assert done.returncode == 0, done.stderr

            def complete() -> bool:
                told = site.run("archive", "gaps", "em-1", "--from", str(first), "--to", str(last), "--json")
                series = json.loads(told.stdout)["series"] if told.returncode == 0 else []
                return bool(series) and all(one["expected"] == one["present"] > 1700 for one in series)

            eventually(complete, "all intervals are there")
    assert loans(site) == [("probe", "optical", "done")]


def test_a_scan_on_a_line_of_the_gateway(site: QuickSite) -> None:
    with running(
        site.said, "simulators", "modbus", "--tcp", "0", "--transport", "tcp", "--unit", "2=eastron-sdm630"
    ) as one:
        port = one.line().rsplit(":", 1)[1]
        modbus = "driver: modbus, line: cabin, modbus: {unit: 2, map: eastron-sdm630, transport: tcp}"
        site.site.configure(
            f"  cabin: {{type: tcp, host: 127.0.0.1, port: {port}}}\n",
            f"  - {{id: em-1, {modbus}, jobs: [{{registers: [1.8.0], every: 1s}}]}}\n",
        )
        with gateway(site):
            eventually(lambda: len(outcomes(site)) > 1, "it reads")
            done = site.run("scan", "cabin", "--units", "1-3", "--timeout-ms", "100")
            assert done.returncode == 0 and "eastron-sdm630" in done.stdout, done.stderr
            read_on(site)
        assert set(outcomes(site)) == {Outcome.DONE}
    (entry,) = audits(site.site.archive, "scan")
    assert entry[3:8] == ("operator", "scan", "cabin", "done", "units 1 to 3 by tcp; 1 answers")


# -- borrowers that vanish, and two of them ----------------------------------------------------------------------------


def test_a_command_that_is_killed_gives_the_line_back(site: QuickSite) -> None:
    with simulator(HOUSEHOLD, *QUICK, pty=site.site.folder / "head") as head:
        site.site.configure(head.line("optical"), meter())
        with gateway(site):
            with command(site, *LONG) as probe:
                eventually(lambda: lent(site) == [("optical", "probe")], "it has the line")
                assert line(site)["under_way"][0]["technician"] is True
                shown = site.run("status").stdout
                assert "lent: probe" in shown
                assert "zapůjčena: probe" in site.run("status", "--lang", "cs").stdout
                before = len(outcomes(site))
                os.kill(probe.pid, signal.SIGKILL)
                eventually(lambda: len(outcomes(site)) > before, "the line is served again", 10.0)
            read_on(site)
        assert set(outcomes(site)) == {Outcome.DONE}
    assert loans(site) == [("probe", "optical", "cancelled")]


def test_of_two_technicians_the_second_waits_and_is_told(site: QuickSite) -> None:
    with simulator(HOUSEHOLD, *QUICK, pty=site.site.folder / "head") as head:
        site.site.configure(head.line("optical"), meter(every="1h"))
        with gateway(site), command(site, *LONG) as first:
            eventually(lambda: bool(lent(site)), "the first has it")
            with command(site, "probe", "optical", "--listen", "0") as second, command(site, "read", "em-1") as reader:
                told = "line optical: it is lent for a probe, then it is yours"
                eventually(lambda: told in second.said, "the second is told")
                assert second.said.count(told) == 1 and "1/36" not in second.said
                os.kill(first.pid, signal.SIGINT)
                assert first.wait() == 130
                assert second.wait() == 0 and reader.wait() == 0
    assert loans(site) == [("probe", "optical", "cancelled"), ("probe", "optical", "done")]


def test_who_waits_for_a_session_is_told_which(site: QuickSite) -> None:
    with simulator(HOUSEHOLD, "--no-check-baud", "--reaction-ms", "1500", pty=site.site.folder / "head") as head:
        site.site.configure(head.line("optical"), meter(every="1s"))
        with gateway(site):
            eventually(lambda: [one["meter"] for one in line(site)["under_way"]] == ["em-1"], "a session is under way")
            with command(site, "probe", "optical", "--listen", "0", "--protocol", "iec") as probe:
                told = "line optical: meter em-1 is being read, then it is yours"
                eventually(lambda: told in probe.said, "it is told")
                assert probe.wait() == 0
        assert set(outcomes(site)) == {Outcome.DONE}, "the session was finished first"


# -- loans that the gateway ends ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["reload", "stop"])
def test_a_reload_of_the_line_and_a_stop_end_the_loan(site: QuickSite, how: str) -> None:
    with simulator(HOUSEHOLD, *QUICK, pty=site.site.folder / "head") as head:
        site.site.configure(head.line("optical"), meter())
        with gateway(site) as daemon, command(site, *LONG) as probe:
            eventually(lambda: bool(lent(site)), "it has the line")
            assert site.run("reload").returncode == 0
            assert lent(site), "a reload that changes nothing here leaves it"
            if how == "reload":
                site.site.configure(head.line("optical"), meter(every="2s"))
                assert site.run("reload").returncode == 0
            else:
                daemon.process.terminate()
                assert daemon.wait(10) == 0
            assert probe.wait(10) == 1
            assert "line optical is not lent any more: the gateway stops, or its line was changed" in probe.said
            if how == "reload":
                read_on(site, 10.0)
                assert line(site)["condition"] == "closed" and line(site)["fault"] is None
            assert troubles(daemon) == []
    assert set(outcomes(site)) == {Outcome.DONE}
    assert loans(site) == [("probe", "optical", "cancelled")]


def test_a_loan_expires_and_who_keeps_the_lock_is_a_fault_of_the_line(site: QuickSite) -> None:
    """A borrower that neither hears nor closes anything."""
    with simulator(HOUSEHOLD, *QUICK, pty=site.site.folder / "head") as head:
        site.site.configure(head.line("optical"), meter())

        async def borrow() -> list[str]:
            heard = []
            details = {"line": "optical", "what": "probe", "seconds": "1"}
            async with aclosing(follow(site.site.archive, "lend", **details)) as events:
                async for event in events:
                    heard.append(event["event"])
                    if event["event"] == "lent":
                        fcntl.flock(held, fcntl.LOCK_EX)
            return heard

        with gateway(site) as daemon, open(head.device, "rb+", buffering=0) as held:  # noqa: PTH123 - a device
            heard = asyncio.run(borrow())
            assert [one for one in heard if one != "waiting"] == ["asked", "lent", "over"]
            eventually(lambda: "is in use by another process" in daemon.said, "the worker meets it")
            eventually(lambda: loans(site) == [("probe", "optical", "expired")], "it is in the audit log")
            fcntl.flock(held, fcntl.LOCK_UN)
            eventually(lambda: outcomes(site)[-1] is Outcome.DONE, "and reads as soon as it can")
            read_on(site, 10.0)


# -- modems ------------------------------------------------------------------------------------------------------------


def test_one_modem_of_a_pool_is_lent_and_a_test_call_accounted_for(site: QuickSite) -> None:
    folder = site.site.folder
    with simulator(HOUSEHOLD, *QUICK) as head:
        parts = (modem(folder, "gsm-1", port=head.port), modem(folder, "gsm-2", port=head.port))
        with together(*parts) as (one, two):
            window = 'call_window: "03:00-03:01"'
            lines = one.line("gsm-1", f"pool: night, {window}") + two.line("gsm-2", f"pool: night, {window}")
            site.site.configure(lines, called("night", 1))
            with gateway(site):
                asked = site.json("modem", "gsm-2")
                assert (asked["ok"], asked["registration"]) == (True, "home")
                call = site.json("modem", "gsm-1", "--call", "em-1")["call"]
                assert (call["result"], call["hung_up"]) == ("done", True)
                eventually(lambda: len(loans(site)) == 2, "both are in the audit log")
            assert sum(text.startswith("ATD") for text in one.heard) == 1
            assert not any(text.startswith("ATD") for text in two.heard)
    user = pwd.getpwuid(os.getuid()).pw_name
    assert loans(site) == [("modem", "gsm-2", "done"), ("modem", "gsm-1", "done")]
    assert [row[2:7] for row in audits(site.site.archive, "modem-call")] == [
        (user, "call", "modem-call", "em-1", "done")
    ]


def test_a_pin_that_a_borrower_met_a_refusal_with_is_not_sent_again_by_anybody(site: QuickSite) -> None:
    folder = site.site.folder
    (folder / "pin").write_text("4711\n")
    with modem(folder, "gsm", "--sim", "pin", "--pin", "9999") as one:
        site.site.configure(
            one.line("gsm", f"pin_file: {folder}/pin"), called("gsm", 1, jobs='{registers: all, at: "00:01"}')
        )
        with gateway(site) as daemon:
            eventually(lambda: line(site, "gsm")["queue"] == 0 or "PIN" in daemon.said, "it is settled")
            first = site.run("modem", "gsm")
            again = site.run("modem", "gsm")
            read = site.run("read", "em-1")
        assert first.returncode == again.returncode == read.returncode == 1
        assert "NOT SENT" in again.stdout
        assert sum("CPIN=" in text.upper() for text in one.heard) == 1, one.heard


# -- who may, and lines of which the gateway knows nothing -------------------------------------------------------------


def _as_user(groups: Sequence[int], arguments: Sequence[str], said: str) -> None:
    """A command of another user, in a process of its own."""
    os.setgroups(list(groups))
    os.setgid(NOBODY)
    os.setuid(NOBODY)
    sys.stdout = sys.stderr = Path(said).open("a", buffering=1)  # noqa: SIM115 - until this process ends
    sys.argv = ["gatewayd", *arguments]
    gatewayd.cli.main()


def as_user(site: QuickSite, groups: Sequence[int], *arguments: str) -> tuple[int | None, str]:
    assert os.geteuid() == 0, "this test needs root: sudo ./dev test (it becomes another user)"
    said = site.site.folder / "said-by-nobody"
    said.write_text("")
    said.chmod(0o666)
    for one in ("gatewayd.cli.probe", "gatewayd.cli.tree", "gatewayd.daemon"):
        import_module(one)  # another user may not read the interpreter's own files
    daemon.load_config(site.site.config)
    words = ("-c", str(site.site.config), *arguments)
    process = _FORK.Process(target=_as_user, args=(list(groups), words, str(said)))
    process.start()
    process.join(60)
    return process.exitcode, said.read_text()


def test_who_may_ask_and_what_he_is_told_whose_port_it_is_not(site: QuickSite) -> None:
    with simulator(HOUSEHOLD, *QUICK, pty=site.site.folder / "head") as head:
        site.site.configure(head.line("optical"), meter())
        site.site.config.write_text(site.site.config.read_text() + f"control: {{group: {GROUP}}}\n")
        Path(head.device).resolve().chmod(0o600)
        os.chown(Path(head.device).resolve(), 0, 0)
        with gateway(site):
            open_the_way(site.site.archive)
            (site.site.archive / "control.sock").chmod(0o666)
            code, said = as_user(site, (), *LONG)
            assert code == 3 and "user nobody may not use the control socket" in said, said
            assert loans(site) == []
            code, said = as_user(site, (GID,), *LONG)
            assert code == 3 and "no permission for" in said and "add the user to the group that owns it" in said, said
            read_on(site)
            eventually(lambda: loans(site) == [("probe", "optical", "fault")], "it is in the audit log")
        entry = next(row for row in operators(site) if row[2] == "probe")
        assert entry[0] == "nobody"


def test_a_line_that_the_gateway_does_not_know_is_nobodys(site: QuickSite) -> None:
    """Not reloaded; the reload that gives it to a meter ends the loan."""
    with simulator(HOUSEHOLD, *QUICK, pty=site.site.folder / "head") as head:
        elsewhere = "  cabin: {type: tcp, host: 127.0.0.1, port: 9}\n"
        site.site.configure(elsewhere, "  []\n")
        with gateway(site):
            site.site.configure(elsewhere + head.line("optical"), meter())
            done = site.run("probe", "optical", "--listen", "0", "--protocol", "iec")
            assert done.returncode == 0, done.stderr
            with command(site, *LONG) as probe:
                eventually(lambda: "1/" in probe.said, "it has the line")
                assert site.run("reload").returncode == 0
                assert probe.wait(10) == 1 and "is not lent any more" in probe.said
            read_on(site, 10.0)
    assert loans(site) == [("probe", "optical", "done"), ("probe", "optical", "cancelled")]


def test_without_a_gateway_it_is_in_the_audit_log_where_that_can_be_written(site: QuickSite) -> None:
    with simulator(HOUSEHOLD, *QUICK, pty=site.site.folder / "head") as head:
        site.site.configure(head.line("optical"), "  []\n")
        assert site.run("probe", "optical", "--listen", "0").returncode == 0
        (entry,) = audits(site.site.archive, "probe")
        assert entry[3:7] == ("operator", "probe", "optical", "done")
        assert str(entry[7]).endswith("attempt; found: IEC 62056-21 mode C"), entry
        text = site.site.config.read_text().replace(str(site.site.archive), f"{site.site.config}/archive")
        site.site.config.write_text(text)
        done = site.run("probe", "optical", "--listen", "0")
        assert done.returncode == 0 and "/SIM5HOME-2T" in done.stdout
        assert "warning: this will not be in the audit log: " in done.stderr


def test_what_is_no_loan_is_refused(site: QuickSite) -> None:
    site.site.configure("  cabin: {type: tcp, host: 127.0.0.1, port: 9}\n", "  []\n")

    async def asked(request: str, **details: str) -> str:
        try:
            async with aclosing(follow(site.site.archive, request, **details)) as events:
                return json.dumps(await anext(events))
        except GatewayError as error:
            return str(error)

    with gateway(site):
        assert "no line is lent for 'party'" in asyncio.run(asked("lend", line="cabin", what="party"))
        assert "no name of a line" in asyncio.run(asked("lend", line="\n", what="probe"))
        assert "no such loan" in asyncio.run(asked("give-back", loan="1", result="done"))
        assert "no such loan" in asyncio.run(asked("lent-pin", loan="x", state="accepted"))
    assert loans(site) == []
