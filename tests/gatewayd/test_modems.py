"""What the composition root makes of modem lines: options, the way to the modem, the PIN, workers and their status."""

import asyncio
import re
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from zoneinfo import ZoneInfo

import pytest

from gatewayd import config, daemon
from gatewayd.acquire import Acquisition, OnCall, Session
from gatewayd.archive import refused
from gatewayd.call_worker import CallWorker
from gatewayd.channel import Channel
from gatewayd.channel.modem_options import DEFAULT_STEPS, CallResult, PinUse, Registration
from gatewayd.daemon import modems
from gatewayd.daemon.build import build_workers
from gatewayd.daemon.modems import Modem, build_modem_line, modem_options
from gatewayd.daemon.status_lines import faults
from gatewayd.daemon.status_lines import modems as modem_status
from gatewayd.dialling import Dialling, Network, PhoneNumber, Step
from gatewayd.driver import Forgetful
from gatewayd.errors import ChannelError
from gatewayd.model import Answer, Registers
from gatewayd.refusals import BeforePin
from gatewayd.tallies import Sessions
from gatewayd.worker import LineWorker
from tests.gatewayd.archive.samples import opened
from tests.gatewayd.doubles import NUMBER, PATIENCE, TestClock, answering, call_record, station
from tests.simulators.reader import simulate

ROOT = Path(__file__).resolve().parents[2]
NOTHING = SimpleNamespace(tally=Sessions())
"""In place of an acquisition: nothing else of it is used before the workers run."""
TEXT = """\
gateway: {id: gw}
archive: {path: /nowhere}
lines:
  bus: {type: serial, device: /dev/ttyS1, baud: 2400}
  one: {type: modem, device: /dev/modem1, pool: night, call_window: "00:10-05:30"}
  two: {type: modem, host: 192.0.2.8, port: 7002, baud: 2400, pool: night, hang_up_s: 4}
  old: {type: modem, device: /dev/modem3, network: pstn, dialling: pulse, max_call_s: 700, setup_s: 45.5,
        bearer: "7,0,1", bearer_required: false, guard_ms: 500, init: [ATX3, {command: ATM0, required: true}]}
meters:
  - {id: a, driver: iec62056_21, line: bus, jobs: [{registers: all, every: 1h}]}
  - {id: b, driver: iec62056_21, line: night, phone: "+420601234501", jobs: [{registers: all, every: 1h}]}
  - {id: c, driver: iec62056_21, line: night, phone: "+420601234502", jobs: [{registers: all, at: "00:05"}]}
  - {id: d, driver: iec62056_21, line: old, phone: "601", jobs: [{registers: all, every: 1d}]}
"""


@pytest.fixture
def configuration() -> config.Config:
    return config.parse(TEXT, "f.yaml", daemon.DRIVER_OPTIONS, daemon.SINK_OPTIONS)


def modem_line(configuration: config.Config, name: str) -> config.ModemLine:
    line = configuration.lines[name]
    assert isinstance(line, config.ModemLine)
    return line


def test_every_option_reaches_the_modem(configuration: config.Config) -> None:
    options = modem_options(modem_line(configuration, "old"))
    assert options.steps == (*DEFAULT_STEPS, Step("ATX3"), Step("ATM0", required=True))
    assert (options.network, options.dialling, options.baud) == (Network.PSTN, Dialling.PULSE, 9600)
    assert (options.setup, options.hang_up, options.guard) == (45.5, 8.0, 0.5)
    assert (options.bearer, options.bearer_required) == ("7,0,1", False)
    plain = modem_options(modem_line(configuration, "one"))
    assert (plain.network, plain.dialling, plain.guard) == (Network.CELLULAR, Dialling.DEFAULT, 1.2)
    line = build_modem_line(Modem(modem_line(configuration, "old"), TestClock()))
    assert (line.id, line.calls, line.session_seconds, line.sim) == ("old", True, 700.0, None)


def test_the_example_shows_every_option_of_a_modem_line() -> None:
    text = (ROOT / "config" / "gatewayd.yaml").read_text(encoding="utf-8")
    missing = [key for key in config.ModemLine.model_fields if key != "id" and not re.search(rf"\b{key}:", text)]
    assert not missing
    assert re.search(r"\bphone:", text)


def test_one_worker_for_each_line_and_each_pool(configuration: config.Config) -> None:
    workers = build_workers(configuration, cast("Any", NOTHING), {}, lambda _meter: Forgetful())
    assert [(type(worker), worker.name) for worker in workers] == [
        (LineWorker, "bus"),
        (CallWorker, "old"),
        (CallWorker, "night"),
    ]
    pool = workers[2]
    assert isinstance(pool, CallWorker)
    assert [line.id for line in pool.lines] == ["one", "two"]
    found = daemon.build_station(configuration, configuration.meters[1], Forgetful())
    assert found.phone == configuration.meters[1].phone


def test_the_status_tells_of_modems_and_shows_no_number(configuration: config.Config) -> None:
    pool = build_workers(configuration, cast("Any", NOTHING), {}, lambda _meter: Forgetful())[2]
    assert isinstance(pool, CallWorker)
    pool.calls["one"] = call_record(CallResult.LOST, "one")
    pool.parked["two"] = "line two: the SIM"
    cast("dict[str, str]", pool.faults)["b"] = "meter b is silent"
    assert faults([pool]) == [{"meter": "b", "line": "night", "fault": "meter b is silent"}]
    one, two = modem_status([pool])
    next_window = one.pop("next_window")
    assert isinstance(next_window, str)
    assert one == {
        "id": "one",
        "pool": "night",
        "fault": None,
        "in_doubt": False,
        "last_call": {
            "at": "2026-11-21T20:00:00Z",
            "number": "+42060****89",
            "result": "carrier lost",
            "seconds": 34,
            "hung_up": True,
        },
        "signal_dbm": -79,
        "registration": "roaming",
    }
    assert (two["fault"], two["next_window"], two["last_call"], two["registration"]) == (
        "line two: the SIM",
        None,
        None,
        None,
    )
    assert daemon.status_on_disk(configuration)["modems"] == []


def test_a_pin_file_that_is_not_there_is_doubted(configuration: config.Config, tmp_path: Path) -> None:
    text = TEXT.replace("pool: night, call", f"pin_file: {tmp_path / 'none'}, pool: night, call")
    found = daemon.doubts(config.parse(text, "f.yaml", daemon.DRIVER_OPTIONS, daemon.SINK_OPTIONS))
    assert [(finding.key, finding.message) for finding in found] == [
        ("lines.one.pin_file", f"{tmp_path / 'none'} does not exist")
    ]


# -- the way to the modem ----------------------------------------------------------------------------------------------


def test_a_modem_behind_a_raw_port_is_asked(tmp_path: Path) -> None:
    with simulate("--tcp", "0", kind="modem") as modem:
        settings = config.ModemLine(id="gsm", host="127.0.0.1", port=modem.port, guard_ms=150)
        found = asyncio.run(Modem(settings, TestClock()).check())
    assert (found.sim, found.registration, found.signal_dbm) == ("READY", Registration.HOME, -79)


def test_a_modem_behind_a_serial_server_has_control_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    class Port:
        def control_lines(self) -> object:
            return self

    async def opened_port(*arguments: object, deadline: float) -> Port:
        asked.append(arguments)
        return port

    async def set_up(line: object, inner: object, number: object, *, deadline: float, control: object) -> object:
        assert inner is port and control is port and number is NUMBER
        return inner

    asked: list[tuple[object, ...]] = []
    port = Port()
    monkeypatch.setattr(modems, "open_rfc2217", opened_port)
    monkeypatch.setattr(modems, "open_modem", set_up)
    settings = config.ModemLine(id="gsm", host="192.0.2.8", port=7002, via="rfc2217", baud=19200, framing="8N1")
    modem = Modem(settings, TestClock())
    call: object = asyncio.run(modem.call(NUMBER, lambda _: None))
    assert call is port
    assert asked == [("gsm", "192.0.2.8", 7002, 19200, None)]


# -- the PIN -----------------------------------------------------------------------------------------------------------


def with_pin(path: Path, device: Path = Path("/nowhere/modem"), **more: Any) -> config.ModemLine:
    return config.ModemLine(id="gsm", device=device, pin_file=path, guard_ms=150, hang_up_s=Decimal(4), **more)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "No such file or directory"),
        (b"12a4\n", "its first line is not 4 to 8 digits"),
        (b"\n4711\n", "its first line is not 4 to 8 digits"),
        (b"471\xc3\xa1\n", "not digits"),
    ],
)
def test_a_pin_file_that_cannot_be_used_is_an_error_before_anything_is_opened(
    tmp_path: Path, content: bytes | None, reason: str
) -> None:
    path = tmp_path / "pin"
    if content is not None:
        path.write_bytes(content)
    modem = Modem(with_pin(path), TestClock())
    with pytest.raises(ChannelError, match=reason) as error:
        asyncio.run(modem.check())
    assert "line gsm" in str(error.value) and str(path) in str(error.value)
    assert "471" not in str(error.value) and "12a4" not in str(error.value)
    modem.withhold()


def test_the_pin_is_read_when_it_is_needed_and_once(tmp_path: Path) -> None:
    path = tmp_path / "pin"
    path.write_text("4711\nsecond line\n")
    modem = Modem(with_pin(path), TestClock())
    assert (modem.pin_use, modem.refused) == (PinUse.UNUSED, False)
    before = modem.credentials
    assert str(path) in before and "4711" not in before
    with pytest.raises(ChannelError, match="does not exist"):
        asyncio.run(modem.check())
    path.unlink()
    assert modem.credentials == before, "those of the PIN that would be sent, whatever became of the file since"
    assert Modem(with_pin(path), TestClock()).credentials == ""
    with pytest.raises(ChannelError, match="/nowhere/modem does not exist"):
        asyncio.run(modem.check())


def test_a_refused_pin_is_not_sent_by_the_next_process_either(tmp_path: Path) -> None:
    """Three processes that try a wrong PIN lock a SIM; a changed file is tried once."""
    pin, journal = tmp_path / "pin", tmp_path / "journal"
    pin.write_text("4711\n")
    archive = tmp_path / "archive"

    def process(device: Path) -> Session:
        modem = Modem(with_pin(pin, device, setup_s=Decimal(20)), TestClock())
        line = build_modem_line(modem)

        async def run() -> Session:
            with opened(archive) as store:
                acquisition = Acquisition(store, TestClock(), ZoneInfo("UTC"))
                return await acquisition.session(line, station(cast("Any", None), phone=NUMBER), [Registers()])

        return asyncio.run(asyncio.wait_for(run(), PATIENCE))

    device = tmp_path / "modem"
    options = ("--sim", "pin", "--pin", "9999", "--journal", journal)
    with simulate("--pty", device, *options, kind="modem"):
        first = process(device)
        assert first.call is not None and first.call.result is CallResult.SIM
        for _ in range(2):
            again = process(device)
            assert again.call is not None and again.call.result is CallResult.SIM
            assert "asks for the PIN (refused)" in str(again.results[0].fault)
        assert journal.read_text().count('AT+CPIN="4711"') == 1
        assert [entry.meter for entry in refused.listed(archive)] == ["SIM of line gsm"]
        assert "4711" not in refused.listed(archive)[0].credentials
        pin.write_text("4712\n")
        process(device)
        process(device)
    heard = [line for line in journal.read_text().splitlines() if line.startswith('AT+CPIN="')]
    assert heard == ['AT+CPIN="4711"', 'AT+CPIN="4712"']


def test_a_pin_that_was_sent_when_the_session_was_cancelled_is_not_sent_again(tmp_path: Path) -> None:
    """A daemon that is stopped, or killed, while the modem thinks about the PIN: the next one must not send it."""
    pin, archive = tmp_path / "pin", tmp_path / "archive"
    pin.write_text("4711\n")
    sent = asyncio.Event()

    class Thinking(Modem):
        async def call(self, number: PhoneNumber, on_call: OnCall) -> Channel:
            assert self._card.spend() == "4711"
            sent.set()
            await asyncio.Event().wait()
            raise AssertionError

    async def run() -> None:
        with opened(archive) as store:
            line = build_modem_line(Thinking(with_pin(pin), TestClock()))
            acquisition = Acquisition(store, TestClock(), ZoneInfo("UTC"))
            who = station(cast("Any", None), phone=NUMBER)
            session = asyncio.create_task(acquisition.session(line, who, [Registers()]))
            await sent.wait()
            session.cancel()
            with pytest.raises(asyncio.CancelledError):
                await session

    asyncio.run(asyncio.wait_for(run(), PATIENCE))
    assert [entry.meter for entry in refused.listed(archive)] == ["SIM of line gsm"]


# -- a modem that was left in a call -----------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [("--stuck",), ("--stuck", "--echo", "always"), ("--codes", "always-numbers")])
def test_a_modem_is_freed_without_its_sim(tmp_path: Path, options: tuple[str, ...]) -> None:
    device, journal = tmp_path / "modem", tmp_path / "journal"
    with simulate("--pty", device, "--journal", journal, "--guard-ms", "60", "--sim", "pin", *options, kind="modem"):
        modem = Modem(with_pin(tmp_path / "no such file", device), TestClock())
        asyncio.run(asyncio.wait_for(modem.free(), PATIENCE))
    heard = [line for line in journal.read_text().splitlines() if not line.startswith("reader gone")]
    assert "ATH" in heard and ("escaped" in heard) == ("--stuck" in options)
    assert {line for line in heard if line.startswith("AT")} == {"AT", "ATH"}


def test_a_modem_that_says_nothing_cannot_be_freed(tmp_path: Path) -> None:
    device = tmp_path / "modem"
    mute = [option for step in range(1, 40) for option in ("--mute-step", str(step))]
    with simulate("--pty", device, "--guard-ms", "60", *mute, kind="modem"):
        modem = Modem(with_pin(tmp_path / "pin", device, setup_s=Decimal(3)), TestClock())
        with pytest.raises(ChannelError, match=r"line gsm: modem at .* does not answer AT; check power, cable"):
            asyncio.run(asyncio.wait_for(modem.free(), PATIENCE))


def test_that_the_pin_is_sent_is_written_down_before_it_is_sent(tmp_path: Path) -> None:
    """A process that is killed while the modem thinks about the PIN must not send it at its next start."""
    pin, journal, device, archive = (tmp_path / name for name in ("pin", "journal", "modem", "archive"))
    pin.write_text("4711\n")
    known: list[list[str]] = []
    heard: list[int] = []

    class Watched(Modem):
        def announce(self, before_pin: BeforePin) -> None:
            async def before() -> None:
                await before_pin()
                known.append([entry.meter for entry in refused.listed(archive)])
                heard.append(journal.read_text().count("AT+CPIN="))

            super().announce(before)

    async def run() -> Session:
        with opened(archive) as store:
            modem = Watched(with_pin(pin, device, setup_s=Decimal(20)), TestClock())
            acquisition = Acquisition(store, TestClock(), ZoneInfo("UTC"))
            who = station(answering(Answer(())), phone=NUMBER)
            return await acquisition.session(build_modem_line(modem), who, [Registers()])

    options = ("--sim", "pin", "--pin", "4711", "--journal", journal, "--guard-ms", "60", "--result", "busy")
    with simulate("--pty", device, *options, kind="modem"):
        session = asyncio.run(asyncio.wait_for(run(), PATIENCE))
    assert session.call is not None and session.call.result is CallResult.BUSY
    assert (known, heard) == ([["SIM of line gsm"]], [0])
    assert journal.read_text().count('AT+CPIN="4711"') == 1
    assert refused.listed(archive) == [], "it was accepted: the next process may send it"
    known.clear()
    with simulate("--pty", device, "--guard-ms", "60", "--result", "busy", kind="modem"):
        asyncio.run(asyncio.wait_for(run(), PATIENCE))
    assert known == [], "a SIM that is open already is not given a PIN"
