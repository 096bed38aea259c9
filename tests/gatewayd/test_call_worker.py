"""The worker of modem lines, over simulated nights: the wait between calls only moves the test's clock."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from gatewayd import talk, worker
from gatewayd.acquire import Acquisition, Line, OnCall, Result, Session, Station
from gatewayd.breaker import Condition
from gatewayd.call_worker import CallWorker, _result_of
from gatewayd.calls import PAID_IN_VAIN, Due, Ledger
from gatewayd.channel import Channel
from gatewayd.channel.modem_options import REMEDY, CallResult
from gatewayd.dialling import PhoneNumber, Window
from gatewayd.diary import Diary
from gatewayd.errors import ChannelError, GatewayError, MeterRefused, MeterSilent, ProtocolError
from gatewayd.loans import Ending, Loan
from gatewayd.model import Answer, LoadProfile, Meter, Profile, Registers, Request
from gatewayd.obis import Obis
from gatewayd.refusals import LeftAlone
from gatewayd.schedule import At, Every, Rhythm
from gatewayd.upkeep import Upkeep
from gatewayd.worker import Job
from tests.crash.rig import audits
from tests.gatewayd.archive.samples import everything, opened
from tests.gatewayd.doubles import PATIENCE, START, CallChannel, ScriptedDriver, TestClock, call_record, reading

PRAGUE = ZoneInfo("Europe/Prague")
HOURLY = Every(timedelta(hours=1))
PROFILE = LoadProfile(Obis.parse("1-0:99.1.0"))
NIGHT = (Window(time(0, 10), time(5, 30)),)
OK, LOST, BUSY = CallResult.DONE, CallResult.LOST, CallResult.BUSY
Behaviour = Callable[[], GatewayError | None]


def number(name: str) -> PhoneNumber:
    return PhoneNumber(f"+4206012345{int(name[-1]):02d}")


class Exchange:
    """Modems and meters. What comes of a call is told by `results` for each number, the last one holds."""

    def __init__(self, hours: float, modems: Sequence[str] = ("gsm",), now: datetime = START) -> None:
        self.clock = TestClock(now, step=timedelta(0))
        self.start = now
        self.end = now + timedelta(hours=hours)
        self.modems = modems
        self.windows: dict[str, tuple[Window, ...]] = dict.fromkeys(modems, ())
        self.ledger = Ledger(self.windows, PRAGUE)
        self.results: dict[str, list[CallResult]] = {}
        self.broken: dict[str, CallResult] = {}
        self.calls: list[tuple[str, str, float]] = []
        self.asked: list[tuple[str, str, float]] = []
        self.busy: set[str] = set()
        self.stop = asyncio.Event()
        self.seconds = 60.0
        """What a request takes."""

    @property
    def passed(self) -> float:
        return (self.clock.now - self.start).total_seconds()

    def meter(self, name: str, behaviour: Behaviour = lambda: None) -> Station:
        async def conversation(channel: Channel, request: Request) -> AsyncGenerator[Answer, None]:
            self.asked.append((name, request.text, self.passed))
            await asyncio.sleep(0)
            self.clock.advance(self.seconds)
            await channel.receive(deadline=0)
            fault = behaviour()
            if fault is not None:
                raise fault
            yield Answer((reading(meter=name),))

        driver = ScriptedDriver(conversation)
        return Station(Meter(name, "scripted", "gsm"), driver, number(name))

    def line(self, modem: str) -> Line:
        async def call(who: Station, on_call: OnCall) -> Channel:
            name = who.meter.id
            assert name not in self.busy, "two calls to one number"
            assert modem not in self.busy, "two calls of one modem"
            self.busy |= {name, modem}
            self.calls.append((modem, name, self.passed))
            self.clock.advance(20)
            await asyncio.sleep(0)
            left = self.results.get(name, [OK])
            result = self.broken.get(modem) or (left.pop(0) if len(left) > 1 else left[0])
            record = call_record(result, modem, number(name), self.clock.now)

            def over() -> None:
                self.busy -= {name, modem}
                on_call(record)

            if result not in (OK, LOST):
                over()
                raise ChannelError(f"line {modem}: modem said {result.value}; {REMEDY.get(result, 'look')}")
            lost: list[bytes | Exception] = [b"half", ChannelError(f"line {modem}: carrier lost")]
            return CallChannel(over, [b"x"] * 100 if result is OK else lost)

        return Line(modem, call, calls=True)

    async def wait(self, stop: asyncio.Event, seconds: float) -> None:
        """Instead of the worker's own wait."""
        assert 0 < seconds <= 30
        if self.ledger._called:  # a call moves the clock itself
            await asyncio.sleep(0.001)  # the archive's thread needs the interpreter for it
        else:
            self.clock.advance(max(seconds / len(self.modems), 0.001))
        if self.clock.now >= self.end:
            stop.set()
        await asyncio.sleep(0)

    def times(self, name: str) -> list[float]:
        """When a meter was called, in seconds since the start."""
        return [at for _, who, at in self.calls if who == name]


def job(station: Station, rhythm: Rhythm = HOURLY, *codes: str) -> Job:
    return Job(station, Registers(tuple(map(Obis.parse, codes))), rhythm)


def work(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    plant: Exchange,
    jobs: Sequence[Job],
    diary: Diary | None = None,
) -> CallWorker:
    """Run the worker until the plant's time is over."""

    async def run() -> CallWorker:
        monkeypatch.setattr(worker, "wait", plant.wait)
        with opened(folder) as store:
            plant.ledger = Ledger(plant.windows, PRAGUE)
            one = CallWorker(
                "night",
                [plant.line(modem) for modem in plant.modems],
                jobs,
                Acquisition(store, plant.clock, PRAGUE),
                plant.ledger,
                plant.clock,
                PRAGUE,
                diary=diary,
            )
            await one.run(plant.stop)
            return one

    return asyncio.run(asyncio.wait_for(run(), PATIENCE))


def test_one_call_serves_everything_that_is_due(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plant = Exchange(hours=2.9)
    one = plant.meter("em-1")
    daily = At(time(22, 0))  # START is 21:00 legal time
    done = work(tmp_path, monkeypatch, plant, [job(one, HOURLY, "1.8.0"), job(one, HOURLY, "2.8.0"), job(one, daily)])
    assert plant.times("em-1") == [0, 3600, 7200]
    assert [request for _, request, at in plant.asked if at < 300] == [
        "registers 1-0:1.8.0*255",
        "registers 1-0:2.8.0*255",
    ]
    assert [request for _, request, at in plant.asked if 3600 <= at < 4000][2:] == ["registers all"]
    assert len(everything(tmp_path)) == 7
    assert len(audits(tmp_path, "modem-call")) == 3
    assert (done.faults, done.parked, done.calls["gsm"].result) == ({}, {}, OK)


def test_what_is_due_by_day_waits_for_the_night_and_is_not_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    noon = datetime(2026, 11, 21, 11, 0, tzinfo=UTC)
    plant = Exchange(hours=36, now=noon)
    plant.windows = {"gsm": NIGHT}
    work(tmp_path, monkeypatch, plant, [job(plant.meter("em-1"), Every(timedelta(hours=6)))])
    local = [(noon + timedelta(seconds=at)).astimezone(PRAGUE) for at in plant.times("em-1")]
    # Due at 12:00 and 18:00 (once, late), at 00:00 UTC in the window; 06:00 UTC waits for the next night.
    assert [f"{at:%d %H:%M}" for at in local] == ["22 00:10", "22 01:00"]


def test_no_request_begins_behind_the_end_of_the_window(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that is under way is finished; the others are asked in the next night."""
    before = datetime(2026, 11, 22, 4, 28, tzinfo=UTC)  # 05:28 legal time
    plant = Exchange(hours=19.2, now=before)
    plant.windows = {"gsm": NIGHT}
    one = plant.meter("em-1")
    daily = Every(timedelta(days=1))
    work(tmp_path, monkeypatch, plant, [job(one, daily, f"{n}.8.0") for n in range(1, 5)])
    times = [at for _, _, at in plant.asked]
    assert times[:2] == [20, 80], "05:28:20 and 05:29:20"
    assert [request for _, request, _ in plant.asked] == [f"registers 1-0:{n}.8.0*255" for n in range(1, 5)]
    assert plant.times("em-1") == [0, (18 * 60 + 42) * 60], "00:10 of the next night"


def test_a_busy_number_is_called_after_longer_and_longer_pauses_and_its_jobs_stay_due(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    plant = Exchange(hours=0.9)
    plant.results["em-1"] = [BUSY, BUSY, BUSY, OK]
    done = work(tmp_path, monkeypatch, plant, [job(plant.meter("em-1")), job(plant.meter("em-2"))])
    first, *others = plant.times("em-1")
    gaps = [later - earlier - 20 for earlier, later in pairwise((first, *others))]
    assert first == 0
    assert gaps[0] == 80, "after 60 s the modem is still in the call to em-2"
    assert [gap // 60 for gap in gaps[1:]] == [3, 10]
    assert plant.times("em-2") == [20]
    assert [row[6] for row in audits(tmp_path, "modem-call")].count("busy") == 3
    assert done.faults == {}
    levels = [item.levelname for item in caplog.records if "modem said busy" in item.getMessage()]
    assert levels == ["WARNING"], "one line for the change of state"
    assert any("em-1 on line night is read again" in item.getMessage() for item in caplog.records)


def test_a_lost_call_is_repeated_with_what_it_did_not_bring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plant = Exchange(hours=0.5)
    plant.results["em-1"] = [LOST, OK]
    one = plant.meter("em-1")
    work(tmp_path, monkeypatch, plant, [job(one, HOURLY, f"{n}.8.0") for n in (1, 2, 3)])
    assert [request[14] for _, request, _ in plant.asked] == ["1", "2", "2", "3"]
    first, second = plant.times("em-1")
    assert second - (first + 20 + 120) == 30


def test_a_meter_that_does_not_answer_costs_a_few_calls_and_not_a_night(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant = Exchange(hours=5.9)
    plant.seconds = 10
    one = plant.meter("em-1", lambda: MeterSilent("meter em-1 is silent"))
    daily = Every(timedelta(days=1))
    done = work(tmp_path, monkeypatch, plant, [job(one, daily, "1.8.0"), job(one, daily, "2.8.0")])
    times = plant.times("em-1")
    # 00:00 UTC is four hours after START.
    assert [later - earlier - 30 for earlier, later in pairwise(times[:4])] == [30, 120, 600]
    assert len([at for at in times if at < 14000]) == 4, "three repetitions, then the regular time"
    assert all("1.8.0" in request for _, request, _ in plant.asked), "the rest is not tried"
    assert times[4] == 4 * 3600
    assert set(done.faults) == {"em-1"}


def test_what_was_not_tried_goes_along_with_the_next_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plant = Exchange(hours=0.5)
    faults = iter([MeterSilent("silent"), None, None, None])
    one = plant.meter("em-1", lambda: next(faults))
    work(tmp_path, monkeypatch, plant, [job(one, HOURLY, f"{n}.8.0") for n in (1, 2, 3)])
    assert [request[14] for _, request, _ in plant.asked] == ["1", "1", "2", "3"]
    assert len(plant.times("em-1")) == 2


def test_who_is_left_alone_was_not_called() -> None:
    """Neither a merit nor a fault of modem and number."""
    assert _result_of(Session((Result("em-1", (), LeftAlone("has refused")),))) is CallResult.CANCELLED
    assert _result_of(Session((Result("em-1", (), MeterSilent("silent")),))) is CallResult.DONE


def test_a_defect_does_not_stop_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    plant = Exchange(hours=0.9)

    def broken() -> GatewayError | None:
        raise IndexError("list index out of range")

    done = work(tmp_path, monkeypatch, plant, [job(plant.meter("em-1", broken)), job(plant.meter("em-2"))])
    assert "IndexError" in done.faults["em-1"]
    assert len(plant.times("em-1")) == 4
    assert plant.times("em-2")
    assert any(item.exc_info for item in caplog.records)


def test_a_refusal_is_told_once_and_nobody_is_called_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    plant = Exchange(hours=6)
    one = plant.meter("em-1", lambda: MeterRefused("meter em-1 on line gsm: the password was refused"))
    driver = one.driver
    assert isinstance(driver, ScriptedDriver)
    driver.credentials = "/etc/gatewayd/em-1.pw 1"
    jobs = [job(one, HOURLY, "1.8.0"), job(one, HOURLY, "2.8.0"), job(plant.meter("em-2"))]
    done = work(tmp_path, monkeypatch, plant, jobs)
    assert plant.times("em-1") == [0]
    assert len(plant.asked) == 1 + len(plant.times("em-2"))
    assert len(plant.times("em-2")) == 6
    errors = [item.getMessage() for item in caplog.records if item.levelno >= logging.WARNING]
    assert len(errors) == 1
    assert "meter em-1 on line gsm" in errors[0] and "password_file" in errors[0]
    assert "password_file" in done.faults["em-1"]


def test_a_modem_that_only_a_person_can_help_is_parked_and_told_of_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    plant = Exchange(hours=6)
    plant.broken["gsm"] = CallResult.SIM
    done = work(tmp_path, monkeypatch, plant, [job(plant.meter("em-1")), job(plant.meter("em-2"))])
    assert len(plant.calls) == 1
    errors = [item.getMessage() for item in caplog.records if item.levelname == "ERROR"]
    assert len(errors) == 1
    assert "line gsm is not used any more until gatewayd is restarted" in errors[0]
    assert "put the SIM into a telephone" in errors[0]
    assert "modem said SIM" in done.parked["gsm"]


# -- pools -------------------------------------------------------------------------------------------------------------


def test_modems_of_a_pool_share_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plant = Exchange(hours=0.9, modems=("one", "two"))
    done = work(tmp_path, monkeypatch, plant, [job(plant.meter(f"em-{n}")) for n in range(6)])
    assert {modem for modem, _, _ in plant.calls} == {"one", "two"}
    assert sorted(name for _, name, _ in plant.calls) == [f"em-{n}" for n in range(6)]
    assert set(done.calls) == {"one", "two"}


def test_a_broken_modem_of_a_pool_leaves_its_work_to_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant = Exchange(hours=0.9, modems=("one", "two"))
    plant.broken["one"] = CallResult.NO_DIALTONE
    done = work(tmp_path, monkeypatch, plant, [job(plant.meter(f"em-{n}")) for n in range(4)])
    assert {name for modem, name, _ in plant.calls if modem == "two"} == {f"em-{n}" for n in range(4)}
    assert 1 <= len([modem for modem, _, _ in plant.calls if modem == "one"]) <= 4
    assert done.faults == {}


def test_a_number_is_never_called_by_two_modems_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asserted in the plant; here a job that falls due while its meter is being called."""
    plant = Exchange(hours=0.9, modems=("one", "two"))
    plant.seconds = 200
    one = plant.meter("em-1")
    often = [job(one, Every(timedelta(seconds=90)), f"{n}.8.0") for n in (1, 2, 3)]
    work(tmp_path, monkeypatch, plant, often)
    assert len(plant.calls) > 4


def test_stop_ends_the_wait_at_once(tmp_path: Path) -> None:
    async def run() -> None:
        plant = Exchange(hours=1)
        with opened(tmp_path) as store:
            stop = asyncio.Event()
            acquisition = Acquisition(store, plant.clock, PRAGUE)
            jobs = [job(plant.meter("em-1"), At(time(0, 5)))]
            ledger = Ledger(plant.windows, PRAGUE)
            one = CallWorker("gsm", [plant.line("gsm")], jobs, acquisition, ledger, plant.clock, PRAGUE)
            running = asyncio.create_task(one.run(stop))
            await asyncio.sleep(0)
            stop.set()
            await running
            assert plant.calls == []

    asyncio.run(asyncio.wait_for(run(), PATIENCE))


def test_a_way_to_the_modem_that_fails_is_the_modems_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There was no call and no record of one: 10 s, 1 min, 5 min, 5 min ..."""
    plant = Exchange(hours=0.3)
    tried: list[float] = []

    async def gone(_who: Station, _on_call: OnCall) -> Channel:
        tried.append(plant.passed)
        raise ChannelError("line gsm: /dev/modem0 does not exist; is the adapter plugged in?")

    monkeypatch.setattr(plant, "line", lambda modem: Line(modem, gone, calls=True))
    done = work(tmp_path, monkeypatch, plant, [job(plant.meter("em-1"))])
    assert tried == [0, 10, 70, 370, 670, 970]
    assert audits(tmp_path, "modem-call") == []
    assert "does not exist" in done.faults["em-1"]


def test_a_meter_that_talks_nonsense_does_not_keep_its_other_jobs_from_being_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant = Exchange(hours=0.05)
    faults = iter([ProtocolError("nonsense"), None, None, None, None])
    one = plant.meter("em-1", lambda: next(faults))
    work(tmp_path, monkeypatch, plant, [job(one, HOURLY, "1.8.0"), job(one, HOURLY, "2.8.0")])
    assert [request[14] for _, request, _ in plant.asked] == ["1", "2", "1"]


# -- cost --------------------------------------------------------------------------------------------------------------


def test_paid_calls_that_fail_in_a_row_are_not_repeated_without_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Two days of modems that do not understand each other: one call at each regular time, not each half hour."""
    plant = Exchange(hours=48)
    plant.results["em-1"] = [CallResult.NO_CARRIER]
    work(tmp_path, monkeypatch, plant, [job(plant.meter("em-1"), Every(timedelta(hours=12))), job(plant.meter("em-2"))])
    times = plant.times("em-1")
    assert len([at for at in times if at < 3 * 3600]) == PAID_IN_VAIN
    # START is 20:00 UTC: the regular times are 00:00 and 12:00 UTC.
    assert [at // 3600 for at in times[PAID_IN_VAIN:]] == [4, 16, 28, 40]
    told = [item.getMessage() for item in caplog.records if "paid for in vain" in item.getMessage()]
    assert len(told) == 1
    assert "meter em-1 on line gsm" in told[0] and "+42060****01" in told[0]
    assert len(plant.times("em-2")) == 48, "nobody else is concerned"


def test_after_a_success_failed_calls_are_repeated_as_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plant = Exchange(hours=13)
    plant.results["em-1"] = [*[CallResult.NO_CARRIER] * 6, OK, CallResult.NO_CARRIER, OK]
    work(tmp_path, monkeypatch, plant, [job(plant.meter("em-1"), Every(timedelta(hours=4)))])
    hours = [at // 3600 for at in plant.times("em-1")]
    assert hours == [0, 0, 0, 0, 1, 4, 8, 12, 12]


def test_a_number_that_is_given_up_and_then_busy_is_called_again_soon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The call at the regular time cost nothing; it is not lost for a day. What is told once is told of each series."""
    plant = Exchange(hours=9.9)
    none = CallResult.NO_CARRIER
    plant.results["em-1"] = [*[none] * 5, BUSY, OK, *[none] * 5]
    work(tmp_path, monkeypatch, plant, [job(plant.meter("em-1"), Every(timedelta(hours=4)))])
    regular, again = [at for at in plant.times("em-1") if 4 * 3600 <= at < 8 * 3600]
    assert regular == 4 * 3600 and again - regular > 600, "the sixth failure in a row: the longest pause of busy"
    assert caplog.text.count("paid for in vain") == 2


def test_calls_that_cost_nothing_are_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plant = Exchange(hours=3.9)
    plant.results["em-1"] = [BUSY]
    work(tmp_path, monkeypatch, plant, [job(plant.meter("em-1"), Every(timedelta(days=1)))])
    assert len(plant.times("em-1")) > 20


def test_a_carrier_lost_after_everything_was_read_is_no_failure() -> None:
    session = Session((Result("em-1", (), None),), call_record(LOST))
    assert _result_of(session) is OK
    fault = ChannelError("lost")
    assert _result_of(Session((Result("em-1", (), None), Result("em-1", (), fault)), call_record(LOST))) is LOST


def test_a_clock_that_is_set_back_keeps_nobody_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A gateway that began with a clock ten years ahead: its jobs and pauses are those of the right time."""
    plant = Exchange(hours=24 * 3650)
    plant.results["em-1"] = [BUSY, OK]
    wait, leapt = plant.wait, False

    async def leap(stop: asyncio.Event, seconds: float) -> None:
        nonlocal leapt
        if not leapt:
            leapt = True
            plant.clock.now -= timedelta(days=3650)
            plant.start, plant.end = plant.clock.now, plant.clock.now + timedelta(hours=2)
        await wait(stop, seconds)

    monkeypatch.setattr(plant, "wait", leap)
    work(tmp_path, monkeypatch, plant, [job(plant.meter("em-1")), job(plant.meter("em-2"))])
    assert [name for _, name, at in plant.calls if 0 <= at < 7200].count("em-1") >= 2
    assert [name for _, name, at in plant.calls if 0 <= at < 7200].count("em-2") >= 1
    assert caplog.text.count("the clock was set back") == 1


# -- calls that may still be up ----------------------------------------------------------------------------------------


class Freed:
    """A modem that counts how often it was freed, and fails as a test says."""

    def __init__(self, plant: Exchange, *faults: Exception) -> None:
        self.times: list[float] = []
        self._plant = plant
        self._faults = list(faults)

    async def free(self) -> None:
        self.times.append(self._plant.passed)
        if self._faults:
            raise self._faults.pop(0)


def test_a_call_left_by_a_killed_process_is_ended_at_the_start_outside_the_window_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    plant = Exchange(hours=1)  # 21:00 legal time
    plant.windows = {"gsm": NIGHT}
    freed = Freed(plant, ChannelError("line gsm: busy"), ChannelError("line gsm: busy"))
    line = plant.line("gsm")
    monkeypatch.setattr(plant, "line", lambda _: replace(line, free=freed.free))
    work(tmp_path, monkeypatch, plant, [job(plant.meter("em-1"))])
    assert plant.calls == []
    assert [round(at) for at in freed.times] == [0, 30, 90], "after 10 s and 60 s, by steps of 30 s; then it is done"
    assert caplog.text.count("line gsm is in a call that costs money") == 1


def test_a_defect_where_a_modem_is_freed_stops_no_calls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    plant = Exchange(hours=0.5)
    freed = Freed(plant, RuntimeError("oops"))
    line = plant.line("gsm")
    monkeypatch.setattr(plant, "line", lambda _: replace(line, free=freed.free))
    work(tmp_path, monkeypatch, plant, [job(plant.meter("em-1"))])
    assert len(plant.calls) == 1 and len(freed.times) == 2
    assert [item.exc_info is not None for item in caplog.records if "in a call" in item.getMessage()] == [True]


def test_a_call_that_was_not_hung_up_for_certain_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plant = Exchange(hours=0.9)
    freed = Freed(plant)
    doubtful = replace(call_record(OK, "gsm", number("em-1")), hung_up=False)

    async def call(who: Station, on_call: OnCall) -> Channel:
        return CallChannel(lambda: on_call(doubtful), [b"x"])

    monkeypatch.setattr(plant, "line", lambda modem: Line(modem, call, calls=True, free=freed.free))
    work(tmp_path, monkeypatch, plant, [job(plant.meter("em-1"))])
    assert len(freed.times) == 2, "at the start and after the call"


# -- profiles, restarts, technicians -----------------------------------------------------------------------------------


def test_a_daily_job_that_waits_for_its_window_survives_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Due at noon, to be called at night; the gateway is restarted in the afternoon."""
    noon, diary = datetime(2026, 11, 21, 10, 0, tzinfo=UTC), Diary()
    jobs_at = At(time(12, 0))

    def life(begin: datetime, hours: float) -> list[str]:
        plant = Exchange(hours, now=begin)
        plant.windows = {"gsm": NIGHT}
        work(tmp_path, monkeypatch, plant, [job(plant.meter("em-1"), jobs_at)], diary)
        return [f"{(begin + timedelta(seconds=at)).astimezone(PRAGUE):%d %H:%M}" for at in plant.times("em-1")]

    diary.done("em-1", "registers all", noon - timedelta(hours=23))
    assert life(noon, 4) == []
    assert life(noon + timedelta(hours=5), 12) == ["22 00:10"]
    assert life(noon + timedelta(hours=17), 3) == [], "once"


def test_a_call_is_used_for_back_fill_as_long_as_a_session_may_take(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two hundred days, each of a minute; a session of ten minutes, a window until 05:30."""
    plant = Exchange(hours=30)
    plant.windows = {"gsm": NIGHT}
    one = plant.meter("em-1")
    upkeep = Days(200)
    line = plant.line("gsm")
    monkeypatch.setattr(plant, "line", lambda _: replace(line, session_seconds=600.0))
    monkeypatch.setattr(talk, "FILL_SECONDS", -1.0)

    async def loaded(*_args: object) -> None:
        pass

    for name, part in (("load", loaded), ("pieces", upkeep.pieces), ("answered", upkeep.answered)):
        monkeypatch.setattr(Upkeep, name, part)
    jobs = [Job(one, PROFILE, At(time(0, 20))), job(one, At(time(0, 20)))]
    done = work(tmp_path, monkeypatch, plant, jobs)
    assert (upkeep.left, done.faults) == (0, {})
    calls = plant.times("em-1")
    assert len(calls) <= 200 / 8 + 2, "eight days or more in each call"
    assert [request.split()[0] for _, request, _ in plant.asked][:1] == ["profile"], "new, and due at the start"
    for _, _, at in plant.asked:
        local = (plant.start + timedelta(seconds=at)).astimezone(PRAGUE).time()
        assert time(0, 10) <= local <= time(5, 31)
    assert done.faults == {} and done.state().meters[0].left == 0
    registers = [at for _, request, at in plant.asked if request.startswith("registers")]
    assert len(registers) == 2 and 0 <= registers[0] - 12_000 <= 900, "due at 00:20, with the next call"


class Days:
    """Days of a profile that are still to be asked for, the newest first."""

    def __init__(self, count: int) -> None:
        self.left = count

    def pieces(self, _meter: Meter, order: LoadProfile) -> tuple[Profile, ...]:
        day = timedelta(days=1)
        return tuple(Profile(order.obis, START + (n - 1) * day, START + n * day) for n in range(self.left, 0, -1))

    def answered(self, *_args: object, **_options: object) -> None:
        self.left -= 1


def test_a_technician_is_called_for_in_the_window_only(tmp_path: Path) -> None:
    async def check() -> None:
        plant = Exchange(hours=1)
        plant.windows = {"gsm": NIGHT}
        plant.ledger = Ledger(plant.windows, PRAGUE)
        plant.results["em-2"] = [BUSY]
        with opened(tmp_path) as store:
            jobs = [job(plant.meter(name), At(time(12, 0))) for name in ("em-1", "em-2")]
            acquisition = Acquisition(store, plant.clock, PRAGUE)
            one = CallWorker("gsm", [plant.line("gsm")], jobs, acquisition, plant.ledger, plant.clock, PRAGUE)
            running = asyncio.create_task(one.run(plant.stop))
            with pytest.raises(GatewayError, match=r"em-1: no call now: .* opens at 2026-11-22 00:10"):
                await one.ask("em-1", Registers())
            assert plant.calls == []
            plant.clock.advance(4 * 3600)
            result = await one.ask("em-1", Registers())
            assert result.fault is None and len(result.readings) == 1
            busy = await one.ask("em-2", Registers())
            assert isinstance(busy.fault, ChannelError)
            assert one.faults == {} and one.parked == {}
            due = Due(number("em-2"), plant.clock.now)
            assert plant.ledger.choose("gsm", [due], plant.clock.now) == due, "nor does he keep its jobs away"
            again = await one.ask("em-2", Registers())
            assert isinstance(again.fault, ChannelError), "no back-off keeps a technician away"
            assert one.state().under_way == () and one.calls["gsm"].result is BUSY
            with pytest.raises(GatewayError, match="no meter em-9"):
                await one.ask("em-9", Registers())
            plant.stop.set()
            await running

    asyncio.run(asyncio.wait_for(check(), PATIENCE))


def test_a_technician_whose_window_closes_before_his_turn_is_told(tmp_path: Path) -> None:
    async def check() -> None:
        plant = Exchange(hours=9, now=datetime(2026, 11, 22, 4, 0, tzinfo=UTC))  # 05:00 legal time
        plant.windows = {"gsm": NIGHT}
        plant.ledger = Ledger(plant.windows, PRAGUE)
        plant.seconds = 3600
        with opened(tmp_path) as store:
            jobs = [job(plant.meter(name), At(time(12, 0))) for name in ("em-1", "em-2")]
            acquisition = Acquisition(store, plant.clock, PRAGUE, session_seconds=9000)
            one = CallWorker("gsm", [plant.line("gsm")], jobs, acquisition, plant.ledger, plant.clock, PRAGUE)
            running = asyncio.create_task(one.run(plant.stop))
            first, second = [asyncio.create_task(one.ask(name, Registers())) for name in ("em-1", "em-2")]
            assert (await first).fault is None
            with pytest.raises(GatewayError, match="next call window of gsm opens at 2026-11-23 00:10"):
                await second
            plant.stop.set()
            await running

    asyncio.run(asyncio.wait_for(check(), PATIENCE))


def test_one_modem_is_lent_while_the_other_calls(tmp_path: Path) -> None:
    """Outside of all windows. Whoever does not say that he left it in no call is thought to have left it in one."""

    async def check() -> None:
        plant = Exchange(hours=1, modems=("gsm-1", "gsm-2"))
        freed: list[str] = []

        def line(name: str) -> Line:
            async def free() -> None:
                freed.append(name)

            return replace(plant.line(name), free=free)

        plant.windows = {"gsm-1": (), "gsm-2": NIGHT}
        plant.ledger = Ledger(plant.windows, PRAGUE)
        with opened(tmp_path) as store:
            jobs = [job(plant.meter(name), At(time(12, 0))) for name in ("em-1", "em-2")]
            acquisition = Acquisition(store, plant.clock, PRAGUE)
            lines = [line(name) for name in plant.modems]
            one = CallWorker("night", lines, jobs, acquisition, plant.ledger, plant.clock, PRAGUE)
            running = asyncio.create_task(one.run(plant.stop))
            for settled in (True, False):
                mine = Loan("gsm-2", "modem", "jan", 2000.0)
                lending = asyncio.create_task(one.lend(mine))
                await mine.lent.wait()
                assert [(talk.line, talk.lent) for talk in one.state().under_way] == [("gsm-2", "modem")]
                now = asyncio.get_running_loop().time()
                assert not any(pulse.late(now + 2250) for pulse in one.pulses[1:])
                assert (await one.ask("em-1", Registers())).fault is None
                assert [call[0] for call in plant.calls][-1] == "gsm-1"
                freed.clear()
                mine.give_back(Ending.DONE, settled=settled)
                await lending
                second = Loan("gsm-2", "modem", "jan", 60.0)
                lending = asyncio.create_task(one.lend(second))
                await second.lent.wait()
                assert freed == ([] if settled else ["gsm-2"])
                second.give_back(Ending.DONE, settled=True)
                await lending
            plant.stop.set()
            await running

    asyncio.run(asyncio.wait_for(check(), PATIENCE))


def test_a_loan_of_one_modem_ends_no_call_of_another(tmp_path: Path) -> None:
    async def check() -> None:
        plant = Exchange(hours=1, modems=("gsm-1", "gsm-2"))
        plant.seconds = 1
        with opened(tmp_path) as store:
            acquisition = Acquisition(store, plant.clock, PRAGUE)
            jobs = [job(plant.meter("em-1"), HOURLY, f"{n}.8.0") for n in range(1, 5)]
            lines = [plant.line(name) for name in plant.modems]
            one = CallWorker("night", lines, jobs, acquisition, plant.ledger, plant.clock, PRAGUE)
            loans = {name: Loan(name, "modem", "jan", 60.0) for name in plant.modems}
            running = asyncio.create_task(one.run(plant.stop))
            while not plant.calls:
                await asyncio.sleep(0)
            calling = plant.calls[0][0]
            (idle,) = [name for name in plant.modems if name != calling]
            lending = asyncio.create_task(one.lend(loans[idle]))
            await loans[idle].lent.wait()
            waiting = asyncio.create_task(one.lend(Loan(idle, "modem", "eva", 60.0)))
            while len(plant.asked) < 4:
                await asyncio.sleep(0)
            assert len(plant.calls) == 1, "all in one call"
            waiting.cancel()
            await asyncio.wait({waiting})
            loans[idle].give_back(Ending.DONE, settled=True)
            await lending
            plant.stop.set()
            await running

    asyncio.run(asyncio.wait_for(check(), PATIENCE))


def test_what_its_state_tells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plant = Exchange(hours=1.5)
    plant.broken["gsm"] = CallResult.SIM
    state = work(tmp_path, monkeypatch, plant, [job(plant.meter("em-1")), job(plant.meter("em-2"))]).state()
    assert (state.line, state.condition, state.queue, state.oldest) == ("night", Condition.OPEN, 2, START)
    assert "modem said SIM" in state.fault
    assert [(one.meter, bool(one.fault)) for one in state.meters] == [("em-1", True), ("em-2", False)]
