"""Every command as a process: what it does when all is well, one thing that goes wrong, and the exit code of both.

Rules: one running gateway, one set of simulated meters, a broker and a modem for all of them. A command that the tables
do not name fails the first test: write down what it does, and what it says when it cannot.
"""

import asyncio
import json
import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from gatewayd import daemon
from gatewayd.cli import gatewayd
from gatewayd.cli.exit_codes import ExitCode
from gatewayd.cli.tree import nodes
from gatewayd.manual.submission import Submission
from gatewayd.manual.table import COLUMNS
from tests.gatewayd.metering_world import day_of
from tests.gatewayd.points_site import a_day, configured, filled, morning_zone, of_months
from tests.system.dlms_rig import Manner, dlms_meter
from tests.system.forked import Forked, forked, running
from tests.system.rig import ROOT, eventually

HOUSEHOLD = ROOT / "simulators" / "readouts" / "household.txt"
POINTS, MORNING = "points/points.yaml", "morning/points.yaml"
"""Metering points with derived values; and some of which substitute values are entered, where it is morning."""
MONTHS = "months/points.yaml"
"""A point of type C without a load profile."""
HELD = "held/gatewayd.yaml"
"""Of five meters a reading by hand waits for its release."""
LOSSES = "losses/points.yaml"
"""A point that is metered on the secondary side of its transformer."""
DONE, FAULT, USAGE = ExitCode.DONE, ExitCode.FAULT, ExitCode.USAGE


@dataclass(frozen=True, slots=True)
class Try:
    """A command line behind the name of the command, its exit code, and what it says (a pattern). `config`: another
    configuration than that of the running gateway."""

    arguments: str
    code: ExitCode
    said: str
    config: str = "gatewayd.yaml"


WELL = {
    "archive audit": Try("--category archive", DONE, "time +source"),
    "archive export": Try("--format csv --last 5", DONE, "^meter,serial"),
    "archive gaps": Try("em-1", DONE, "total"),
    "archive public-key": Try("", DONE, "BEGIN PUBLIC KEY"),
    "archive show": Try("em-1 --last 5", DONE, "obis +value"),
    "archive stats": Try("", DONE, "head: seq"),
    "archive verify": Try("", DONE, "sound"),
    "check": Try("", DONE, "gateway gw-all: 7 lines, 2 meters"),
    "clock": Try("em-1", DONE, r"\(read "),
    "compare": Try("north --day 2026-11-19", DONE, "96 compared, 0 outside", POINTS),
    "completion": Try("bash", DONE, "complete -F _gatewayd"),
    "config example": Try("modbus", DONE, "driver: modbus"),
    "config lint": Try("", DONE, "gateway gw-all"),
    "config schema": Try("", DONE, "json-schema.org"),
    "doctor": Try("--no-network", DONE, "gateway"),
    "explain": Try("north 1.29.0 2026-11-20", DONE, "readings that it is made of", POINTS),
    "export meters": Try("", DONE, "^north,27ZG600Z0424987D", POINTS),
    "export points": Try("north --layout csv --to 2026-11-21", DONE, "^north,27ZG600Z0424987D", POINTS),
    "losses": Try("north --day 2026-11-19", DONE, "W_z +0.96 kWh", LOSSES),
    "modem": Try("gsm", DONE, "registered at home"),
    "point": Try("north --day 2026-11-20 --layer hour --portal-limits", DONE, r"missing +1 \(4\.1 %\)", POINTS),
    "probe": Try("front --protocol iec --listen 0 --baud 300", DONE, "iec62056_21"),
    "profile": Try("em-1 1-0:99.1.0 --from today --plot", DONE, "intervals? of 15 min|nothing"),
    "read": Try("em-1 1.8.0", DONE, r"1-0:1\.8\.0"),
    "reading add": Try("em-1 1-0:1.8.0 1 --at now --yes", DONE, "em-1"),
    "reading import": Try("{folder}/readings.csv --dry-run", DONE, "loaded|would"),
    "reading list": Try("", DONE, "meter|no reading"),
    "reading reject": Try("3 --note wrong", DONE, "number 3: rejected", HELD),
    "reading release": Try("1 --author petra", DONE, "number 1: archived as seq", HELD),
    "reading template": Try("{folder}/odecet.xlsx", DONE, "odecet.xlsx"),
    "reading waiting": Try("em-5", DONE, "5 +em-5", HELD),
    "reload": Try("", DONE, "nothing has changed"),
    "scan": Try("switchboard --units 1-2", DONE, "eastron-sdm630"),
    "sink check": Try("broker", DONE, "broker"),
    "sink replay": Try("broker --from 1 --to 2", DONE, "2 readings delivered again"),
    "sink set-aside": Try("", DONE, "nothing was set aside"),
    "status": Try("", DONE, "gateway gw-all: running"),
    "substitute estimate": Try("shop 1.8.0 5 --month 2026-03 --author e --note b", DONE, "2026-03: 5 kWh", MONTHS),
    "substitute list": Try("", DONE, "number +point", MORNING),
    "substitute mark": Try("1 sent", DONE, "number 1: north 1.29.0 .*, sent", MORNING),
    "substitute set": Try("north 3.8.0 5 --day yesterday", DONE, "5 kvarh, entered", MORNING),
    "tail": Try("--since today --count 2", DONE, "em-[12]"),
    "trace": Try("house --count 2", DONE, "->|<-|--"),
    "witness": Try("--once --file {folder}/clock-state", DONE, ""),
}
WRONG = {
    "archive audit": Try("--since tomorrow-ish", USAGE, "is no time"),
    "archive export": Try("--format parquet", USAGE, "parquet is no text"),
    "archive gaps": Try("--from 2026-11-02 --to 2026-11-01", USAGE, "is before"),
    "archive public-key": Try("", FAULT, "public", "lonely.yaml"),
    "archive show": Try("--since soon", USAGE, "is no time"),
    "archive stats": Try("", FAULT, "there is no archive", "lonely.yaml"),
    "archive verify": Try("", FAULT, "no archive|nothing|segment", "lonely.yaml"),
    "check": Try("", USAGE, "broken.yaml:2: .*path", "broken.yaml"),
    "clock": Try("em-1 --set", FAULT, "set_clock"),
    "compare": Try("total", USAGE, "none of the points has control_of: total", POINTS),
    "completion": Try("tcsh", USAGE, "tcsh"),
    "config example": Try("smoke-signals", USAGE, "smoke-signals"),
    "config lint": Try("{folder}/broken.yaml {folder}/gatewayd.yaml", USAGE, "broken.yaml:2: "),
    "config schema": Try("--yaml", USAGE, "no such option|No such option"),
    "demo": Try("--seconds 1", USAGE, "seconds"),
    "doctor": Try("--no-network", FAULT, "path", "broken.yaml"),
    "explain": Try("nobody 1.29.0 2026-11-20", FAULT, "no metering point nobody", POINTS),
    "export meters": Try("--month 2026-13", USAGE, "is no month", POINTS),
    "export points": Try("north --layout xlsx", USAGE, "xlsx is no text", POINTS),
    "losses": Try("north --day 2026-11-19", USAGE, "metered on the primary side", POINTS),
    "modem": Try("house", USAGE, "no modem"),
    "point": Try("nobody", USAGE, "no metering point nobody", POINTS),
    "probe": Try("spare --listen 0", FAULT, "line spare: "),
    "profile": Try("em-1 1-0:99.1.0 --from today --to yesterday", USAGE, "is not after"),
    "read": Try("em-1 1-0:77.7.0", FAULT, r"1-0:77\.7\.0"),
    "reading add": Try("em-9 1-0:1.8.0 1 --at now", USAGE, "em-9"),
    "reading import": Try("{folder}/gatewayd.yaml", FAULT, "gatewayd.yaml"),
    "reading list": Try("em-9", USAGE, "em-9"),
    "reading reject": Try("99 --note wrong", FAULT, "no reading with the number 99 waits", HELD),
    "reading release": Try("5 --author jan", FAULT, "another person releases it", HELD),
    "reading template": Try("{folder}/none/odecet.xlsx", FAULT, "odecet.xlsx"),
    "reading waiting": Try("em-9", USAGE, "em-9", HELD),
    "reload": Try("", FAULT, "no gateway answers", "lonely.yaml"),
    "run": Try("", USAGE, "broken.yaml:2: ", "broken.yaml"),
    "scan": Try("nowhere", USAGE, "neither a meter nor a line"),
    "sink check": Try("nobody", USAGE, "there is no sink nobody"),
    "sink replay": Try("broker --derived", USAGE, "derived values need a limit"),
    "sink set-aside": Try("--clear", USAGE, "needs the name of a sink"),
    "status": Try("", FAULT, "not running", "lonely.yaml"),
    "substitute estimate": Try("shop 1.8.0 x --month 2026-03 --author e --note b", FAULT, "^estimate-number: ", MONTHS),
    "substitute list": Try("nobody", USAGE, "no metering point nobody", MORNING),
    "substitute mark": Try("99 sent", FAULT, "no value with the number 99", MORNING),
    "substitute set": Try("north 1.8.0 5 --day 2020-01-01", FAULT, "^deadline: ", MORNING),
    "tail": Try("em-9", USAGE, "meter 'em-9' is not configured"),
    "trace": Try("nowhere", USAGE, "line 'nowhere' is not configured"),
    "witness": Try("--once --file {folder}/none/clock-state", FAULT, "clock-state"),
}
ELSEWHERE = {
    "demo": ROOT / "tests" / "system" / "test_demo.py",  # takes its time
    "run": Path(__file__),  # `test_the_gateway_itself`
}
"""Commands whose good case is another test."""
WITHOUT_JSON = frozenset(
    # formats, texts, services
    (
        "archive export",
        "completion",
        "config example",
        "export meters",
        "export points",
        "reading template",
        "run",
        "witness",
    )
)


GOING_ON = frozenset(("trace", "tail"))
"""One object in a line: tests/gatewayd/cli/test_tail.py, tests/system/test_technician.py."""
ANEW = {
    "profile": Try("em-1 1-0:99.1.0 --from today", DONE, ""),
    "reading add": Try("em-2 1-0:1.8.0 1 --at now --yes", DONE, ""),
    "reading reject": Try("4 --note wrong", DONE, "", HELD),
    "reading release": Try("2 --author petra", DONE, "", HELD),
    "substitute mark": Try("2 sent", DONE, "", MORNING),
}
"""Commands that have other arguments for programs."""
SLOW = frozenset(("probe", "scan"))
"""Their documents: tests/system/test_technician.py, test_modbus_scan.py."""


@dataclass(frozen=True, slots=True)
class World:
    """A folder with configurations, and the gateway that runs with one of them."""

    folder: Path
    gateway: Forked

    def run(self, command: str, one: Try, *more: str) -> tuple[int, str, str]:
        """Exit code, standard output, standard error."""
        words = one.arguments.format(folder=self.folder).split()
        process = forked(self.folder, "gatewayd", "-c", str(self.folder / one.config), *command.split(), *words, *more)
        code = process.wait()
        assert "Traceback" not in process.said
        return code, process.output.read_text(), process.said


CONFIG = """\
gateway: {{id: gw-all, clock: trusted}}
archive: {{path: {folder}/archive}}
lines:
  em-1-line: {{type: tcp, host: 127.0.0.1, port: {dlms}}}
  house: {{type: tcp, host: 127.0.0.1, port: {iec}}}
  front: {{type: tcp, host: 127.0.0.1, port: {front}}}
  switchboard: {{type: tcp, host: 127.0.0.1, port: {modbus}}}
  gsm: {{type: modem, device: {folder}/gsm, guard_ms: 150, hang_up_s: 4, setup_s: 20}}
  spare: {{type: tcp, host: 127.0.0.1, port: 9}}
  bench: {{type: tcp, host: 127.0.0.1, port: 9}}
meters:
  - id: em-1
    driver: dlms
    line: em-1-line
    point: {{eic: 27ZG600Z0424987D}}
    dlms: {{transport: wrapper}}
    jobs: [{{registers: [1-0:1.8.0], every: 1h}}, {{profile: 1-0:99.1.0, every: 1h}}]
  - {{id: em-2, driver: iec62056_21, line: house, jobs: [{{registers: [1-0:1.8.0], every: 1s}}]}}
sinks:
  - {{id: broker, type: mqtt, host: 127.0.0.1, port: {broker}, protocol: 3.1.1}}
"""
LONELY = "gateway: {{id: gw-lonely}}\narchive: {{path: {folder}/lonely}}\nlines: {{}}\nmeters: []\n"
BROKEN = "gateway: {id: gw-broken}\narchive: {paht: /nowhere}\nlines: {}\nmeters: []\n"
READINGS = f"{';'.join(COLUMNS)}\n27ZG600Z0424987D;35031234;26.11.2026;7;K;\n"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("every-command")
    quick = ("--no-pace", "--reaction-ms", "0", "--no-check-baud")
    with ExitStack() as stack:

        def port(*arguments: str) -> str:
            process = stack.enter_context(running(folder, "simulators", *arguments))
            return process.line().rsplit(":", 1)[1].strip()

        iec = ("iec62056_21", "--readout", str(HOUSEHOLD), "--tcp", "0", *quick)
        meter = stack.enter_context(dlms_meter(folder, "em-1", Manner("wrapper"), "--profile-days", "2"))
        modem = stack.enter_context(running(folder, "simulators", "modem", "--pty", str(folder / "gsm")))
        assert modem.line().startswith("ready ")
        parts = {
            "dlms": meter.port,
            "iec": port(*iec),
            "front": port(*iec),
            "modbus": port("modbus", "--transport", "tcp", "--tcp", "0", "--map", "eastron-sdm630", "--unit", "1"),
            "broker": port("broker", "--port", "0"),
        }
        (folder / "gatewayd.yaml").write_text(CONFIG.format(folder=folder, **parts))
        (folder / "lonely.yaml").write_text(LONELY.format(folder=folder))
        (folder / "broken.yaml").write_text(BROKEN)
        (folder / "readings.csv").write_text(READINGS)
        _metering_points(folder)
        _held_readings(folder / HELD)
        gateway = stack.enter_context(running(folder, "gatewayd", "-c", str(folder / "gatewayd.yaml"), "run"))
        found = World(folder, gateway)
        status = Try("--json", DONE, "")
        eventually(lambda: _settled(found, found.run("status", status)), "meters are read, the sink is connected", 30.0)
        yield found


def _metering_points(folder: Path) -> None:
    """No gateway runs with these."""
    for name in (POINTS, MORNING, MONTHS, LOSSES):
        (folder / name).parent.mkdir()
    configured((folder / POINTS).parent)
    of_months((folder / MONTHS).parent)
    before = date(2026, 11, 19)
    path = configured((folder / LOSSES).parent)
    path.write_text(path.read_text().replace("{id: north,", "{id: north, metering_side: secondary,"))
    filled((folder / LOSSES).parent, [day_of("em-1", before)], daemon.load_config(path).points)
    filled((folder / POINTS).parent, [day_of("em-1", before), day_of("em-2", before, "0.251"), *a_day()])
    now = datetime.now(UTC)
    zone = morning_zone(now)
    morning = daemon.load_config(configured((folder / MORNING).parent, zone))
    yesterday = now.astimezone(ZoneInfo(zone)).date() - timedelta(days=1)
    for code in ("1-0:1.29.0", "1-0:2.29.0"):
        assert asyncio.run(daemon.place(morning, daemon.Order("north", code, yesterday, "5"))).done


def _held_readings(path: Path) -> None:
    """No gateway runs with it either."""
    meters = ", ".join(f"{{id: em-{n}, driver: iec62056_21, line: a}}" for n in range(1, 6))
    path.parent.mkdir()
    path.write_text(
        f"gateway: {{id: gw-held}}\narchive: {{path: {path.parent}/archive}}\n"
        f"lines: {{a: {{type: tcp, host: 127.0.0.1, port: 9}}}}\nmeters: [{meters}]\n"
    )
    table = [Submission("0", meter=f"em-{n}", obis="1-0:1.8.0*255", at=datetime.now(UTC)) for n in range(1, 6)]
    handing = daemon.Handing(enter=True, author="jan", hold=True)
    done = asyncio.run(daemon.hand_in(daemon.load_config(path), table, handing))
    assert [one.number for one in done] == [1, 2, 3, 4, 5]


def _settled(world: World, done: tuple[int, str, str]) -> bool:
    code, out, _ = done
    assert world.gateway.process.exitcode is None, world.gateway.said
    if code != DONE:
        return False
    document = json.loads(out)
    read = all(one["last_success_at"] for one in document["meters"])
    return bool(document["running"] and read and all(one["state"] == "connected" for one in document["sinks"]))


def _leaves() -> set[str]:
    return {" ".join(one.path) for one in nodes(gatewayd) if not one.children}


def test_the_tables_name_every_command() -> None:
    assert WELL.keys() | ELSEWHERE.keys() == _leaves()
    assert WRONG.keys() == _leaves()
    assert all(path.is_file() for path in ELSEWHERE.values())


def test_every_command_can_speak_to_programs() -> None:
    speaking = {
        " ".join(one.path) for one in nodes(gatewayd) if any(option.name == "as_json" for option in one.options)
    }
    assert _leaves() - speaking - {"config schema"} == WITHOUT_JSON


@pytest.mark.parametrize("command", WELL)
def test_all_is_well(world: World, command: str) -> None:
    one = WELL[command]
    code, out, err = world.run(command, one)
    assert code == one.code, err
    assert re.search(one.said, out + err, re.MULTILINE), out + err
    assert "\x1b" not in out + err  # into a pipe no colours, no progress


@pytest.mark.parametrize("command", WRONG)
def test_something_is_wrong(world: World, command: str) -> None:
    one = WRONG[command]
    code, out, err = world.run(command, one)
    assert code == one.code, out + err
    assert re.search(one.said, out + err, re.MULTILINE), out + err


@pytest.mark.parametrize("command", sorted(WELL.keys() - WITHOUT_JSON - GOING_ON - SLOW))
def test_one_document_for_programs(world: World, command: str) -> None:
    one = ANEW.get(command, WELL[command])
    code, out, err = world.run(command, one, "--json")
    assert code == one.code, err
    assert isinstance(json.loads(out), dict)


def test_programs_are_told_the_same_in_every_language(world: World) -> None:
    shown = [
        world.run("archive show", Try(f"em-1 --obis 1.8.0 --last 2 --lang {lang} --json", DONE, ""))
        for lang in ("en", "cs")
    ]
    assert shown[0] == shown[1] and '"status":"true"' in shown[0][1]


def test_the_gateway_itself(world: World) -> None:
    """`run`: a second one finds the archive taken; SIGTERM ends one in order."""
    code, _, err = world.run("run", Try("", FAULT, ""))
    assert code == FAULT and "is being written" in err
    (world.folder / "own.yaml").write_text(LONELY.format(folder=world.folder / "own"))
    process = forked(world.folder, "gatewayd", "-c", str(world.folder / "own.yaml"), "run")
    eventually(lambda: "gateway gw-lonely" in process.said, "it runs")
    process.process.terminate()
    assert process.wait() == DONE, process.said
