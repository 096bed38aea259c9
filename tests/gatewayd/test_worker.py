"""The worker of a line, over simulated hours: the wait between jobs only moves the test's clock."""

import asyncio
import contextlib
import logging
import random
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Sequence
from datetime import datetime, time, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from gatewayd import worker
from gatewayd.acquire import Acquisition, Line, OnCall, Progress, Result, Session, Station
from gatewayd.breaker import Condition
from gatewayd.channel import Channel
from gatewayd.diary import Diary
from gatewayd.errors import (
    ChannelError,
    GatewayError,
    MeterDiffers,
    MeterRefused,
    MeterSilent,
    ProtocolError,
    SessionDeadline,
)
from gatewayd.model import Answer, Increments, LoadProfile, Meter, Order, Registers, Request
from gatewayd.obis import Obis
from gatewayd.schedule import At, Boundaries, Every, Rhythm
from gatewayd.worker import Job, LineWorker
from tests.gatewayd.archive.samples import everything, opened
from tests.gatewayd.doubles import (
    PATIENCE,
    START,
    Conversation,
    ScriptedChannel,
    ScriptedDriver,
    TestClock,
    dead_line,
    line_to,
    reading,
)

PRAGUE = ZoneInfo("Europe/Prague")
QUARTER = Every(timedelta(minutes=15))
Behaviour = Callable[[], Exception | None]
tests_module = sys.modules[__name__]


class Plant:
    """Meters on one line. What each does is a function; when it was read is written down."""

    def __init__(self, hours: float = 1.0) -> None:
        self.clock = TestClock(step=timedelta(0))
        self.end = START + timedelta(hours=hours)
        self.sessions: list[tuple[str, datetime]] = []
        self.busy = 0
        self.stop = asyncio.Event()

    def meter(self, name: str, behaviour: Behaviour = lambda: None, seconds: float = 2.0) -> Station:
        async def conversation(channel: Channel, request: Request) -> AsyncGenerator[Answer, None]:
            self.busy += 1
            assert self.busy == 1, "two sessions at a time on one line"
            try:
                self.sessions.append((name, self.clock.now))
                self.clock.advance(seconds)
                await asyncio.sleep(0)
                fault = behaviour()
                if fault is not None:
                    raise fault
                yield Answer((reading(meter=name),))
            finally:
                self.busy -= 1

        return Station(Meter(name, "scripted", "bus"), ScriptedDriver(conversation))

    async def wait(self, stop: asyncio.Event, seconds: float) -> None:
        """Instead of the worker's own wait."""
        assert seconds > 0
        self.clock.advance(seconds)
        if self.clock.now >= self.end:
            stop.set()
        await asyncio.sleep(0)

    def times(self, name: str) -> list[float]:
        """When a meter was read, in seconds since the start."""
        return [(at - START).total_seconds() for who, at in self.sessions if who == name]


def job(station: Station, rhythm: Rhythm = QUARTER, *codes: str) -> Job:
    return Job(station, Registers(tuple(map(Obis.parse, codes))), rhythm)


def work(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    plant: Plant,
    jobs: Sequence[Job],
    line: Line | None = None,
    diary: Diary | None = None,
) -> LineWorker:
    """Run the worker until the plant's time is over."""

    async def run() -> LineWorker:
        monkeypatch.setattr(worker, "wait", plant.wait)
        with opened(folder) as store:
            acquisition = Acquisition(store, plant.clock, PRAGUE)
            chosen = line or line_to(ScriptedChannel(), "bus")
            one = LineWorker(chosen, jobs, acquisition, plant.clock, PRAGUE, random.Random(7), diary=diary)
            await one.run(plant.stop)
            return one

    return asyncio.run(asyncio.wait_for(run(), PATIENCE))


def test_a_meter_is_read_at_once_and_then_at_its_times(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plant = Plant(hours=1)
    done = work(tmp_path, monkeypatch, plant, [job(plant.meter("em-1"))])
    assert plant.times("em-1") == [0, 900, 1800, 2700]
    assert len(everything(tmp_path)) == 4
    assert done.faults == {}


def test_a_daily_job_waits_for_its_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plant = Plant(hours=72)
    work(tmp_path, monkeypatch, plant, [job(plant.meter("em-1"), At(time(0, 5)))])
    # START is 21:00 legal time.
    assert plant.times("em-1") == [(3 + 24 * n) * 3600 + 300 for n in range(3)]


def test_a_meter_that_is_silent_does_not_stop_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plant = Plant(hours=2)
    jobs = [
        job(plant.meter("dead", lambda: MeterSilent("meter dead is silent"), seconds=20)),
        job(plant.meter("em-1")),
        job(plant.meter("em-2")),
    ]
    done = work(tmp_path, monkeypatch, plant, jobs)
    for name in ("em-1", "em-2"):
        times = plant.times(name)
        assert len(times) == 8
        for number, at in enumerate(times):
            assert 900 * number <= at <= 900 * number + 50, f"{name} was held up: {times}"
    assert set(done.faults) == {"dead"}
    assert "silent" in done.faults["dead"]


def test_a_fault_is_retried_after_longer_and_longer_pauses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plant = Plant(hours=0.5)
    work(tmp_path, monkeypatch, plant, [job(plant.meter("odd", lambda: ProtocolError("nonsense"), seconds=1))])
    times = plant.times("odd")
    assert times[0] == 0
    in_slot = [at for at in times if at < 900]
    assert len(in_slot) in (5, 6), "the last retry may be behind the regular time"
    for (earlier, later), back_off in zip(pairwise(in_slot), (10, 30, 90, 300, 900), strict=False):
        assert back_off / 2 <= later - earlier - 1 <= back_off + 1
    assert times[len(in_slot)] == 900, "and then at the regular time"


def test_a_daily_job_is_retried_every_hour_at_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plant = Plant(hours=27)
    daily = job(plant.meter("odd", lambda: ProtocolError("nonsense"), seconds=1), At(time(0, 5)))
    work(tmp_path, monkeypatch, plant, [daily])
    times = plant.times("odd")
    pauses = [later - earlier - 1 for earlier, later in pairwise(times)]
    assert all(most / 2 <= pause <= most + 1 for pause, most in zip(pauses, (10, 30, 90, 300, 900, 1800), strict=False))
    assert all(1800 <= pause <= 3601 for pause in pauses[6:])
    assert times[-1] > 3 * 3600 + 300 + 22 * 3600


def test_a_retry_that_is_later_than_the_regular_time_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plant = Plant(hours=0.1)
    every_minute = Every(timedelta(minutes=1))
    work(
        tmp_path,
        monkeypatch,
        plant,
        [job(plant.meter("odd", lambda: ProtocolError("nonsense"), seconds=0), every_minute)],
    )
    times = plant.times("odd")
    assert {at for at in times if at % 60 == 0} == {0, 60, 120, 180, 240, 300}
    assert all(len([at for at in times if slot <= at < slot + 60]) <= 4 for slot in range(0, 360, 60))


# -- meters that do not answer -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("period", [5, 10, 60])
def test_one_dead_among_eight_costs_the_others_no_period(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, period: int
) -> None:
    """Seven meters take 2.1 s, a time-out of the eighth 2.5 s: known as silent it comes last, and not each time."""
    plant = Plant(hours=0.25)
    every = Every(timedelta(seconds=period))
    dead = plant.meter("dead", lambda: MeterSilent("meter dead is silent"), seconds=2.5)
    living = [plant.meter(f"em-{n}", seconds=0.3) for n in range(7)]
    work(tmp_path, monkeypatch, plant, [job(dead, every), *(job(one, every) for one in living)])
    for one in living:
        times = plant.times(one.meter.id)
        slots = [int(at // period) for at in times]
        assert slots == list(range(900 // period)), "each period, once"
        assert all(at % period <= 2.1 for at in times if at >= 60), "and none waits for the one that is dead"
    times = plant.times("dead")
    assert len([at for at in times if at < 3 * period + 60]) >= 3
    pauses = [later - earlier for earlier, later in pairwise(times)]
    assert all(pause >= least - 1 for pause, least in zip(pauses[2:], (30, 60, 120, 240, *[300] * 99), strict=False))
    assert all(pause <= 300 + 2 * period for pause in pauses), "and never given up"


def test_a_meter_that_is_dead_is_asked_at_its_regular_times(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plant = Plant(hours=2)
    work(tmp_path, monkeypatch, plant, [job(plant.meter("dead", lambda: MeterSilent("silent"), seconds=1))])
    times = plant.times("dead")
    assert times[2] < 60, "a first time and two retries"
    assert times[3:] == [900 * n for n in range(1, 8)]


def test_a_deadline_is_a_silence_and_a_line_that_fails_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    states = {}
    for fault in (SessionDeadline("meter m was not finished after 900 s"), ChannelError("hung up")):
        plant = Plant(hours=1)
        done = work(tmp_path / fault.args[0][:5], monkeypatch, plant, [job(plant.meter("m", lambda: fault, seconds=1))])  # noqa: B023
        states[type(fault)] = done.state().meters[0]
        if isinstance(fault, SessionDeadline):
            assert len(plant.times("m")) == 3 + 3
    assert {kind: (state.silent, state.dead) for kind, state in states.items()} == {
        SessionDeadline: (True, True),
        ChannelError: (False, False),
    }


def test_a_meter_that_answers_again_has_its_own_times_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    plant = Plant(hours=0.6)
    back = START + timedelta(minutes=20)
    minute = Every(timedelta(minutes=1))
    meter = plant.meter("em-1", lambda: None if plant.clock.now > back else MeterSilent("em-1 is silent"), seconds=1)
    work(tmp_path, monkeypatch, plant, [job(meter, minute, "1.8.0"), job(meter, minute, "2.8.0")])
    times = plant.times("em-1")
    after = next(at for at in times if at > 1199)
    assert after <= 1200 + 300 + 60
    assert len([at for at in times if 100 < at <= 1200]) < 15
    for minute_of_day in range(int(after // 60) + 1, 36):
        assert len([at for at in times if at // 60 == minute_of_day]) == 2, "both jobs, each minute"
    assert [record.getMessage() for record in caplog.records] == [
        "em-1 is silent",
        "meter em-1 on line bus is read again",
    ]


def test_a_daily_job_is_tried_again_though_the_meter_was_dead_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It answers for the first time 2 min after the daily time, between two times of the other job."""
    plant = Plant(hours=3.5)
    back = START + timedelta(hours=3, minutes=7)
    asked: list[tuple[Request, float]] = []
    silent = plant.meter("em-1", lambda: None if plant.clock.now > back else MeterSilent("silent"), seconds=1)

    class Noting:
        credentials = ""

        def execute(self, channel: Channel, request: Request) -> AsyncGenerator[Answer, None]:
            asked.append((request, (plant.clock.now - START).total_seconds()))
            return silent.driver.execute(channel, request)

    meter = Station(silent.meter, Noting())
    work(tmp_path, monkeypatch, plant, [job(meter, QUARTER, "1.8.0"), job(meter, At(time(0, 5)), "2.8.0")])
    daily = [at for request, at in asked if request == Registers((Obis.parse("2.8.0"),))]
    assert daily[0] >= 3 * 3600 + 300
    assert 1 < len(daily) <= 4
    assert daily[-1] > 3 * 3600 + 420, "it came through in the end"


def test_a_dead_meter_gets_its_turn_on_a_line_that_is_always_busy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant = Plant(hours=1)
    plant.clock = TestClock(step=timedelta(0))
    every = Every(timedelta(seconds=1))
    dead = plant.meter("dead", lambda: MeterSilent("silent"), seconds=1)

    def full() -> Exception | None:
        if plant.clock.now >= plant.end:
            plant.stop.set()
        return None

    work(
        tmp_path, monkeypatch, plant, [job(dead, every), *(job(plant.meter(f"em-{n}", full), every) for n in range(2))]
    )
    times = plant.times("dead")
    assert len(times) >= 3 + 3600 // 700
    assert max(later - earlier for earlier, later in pairwise(times)) <= 2 * 300 + 60


def test_a_clock_that_is_set_back_does_not_leave_a_dead_meter_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant = Plant(hours=1)
    back = timedelta(hours=5)

    def behaviour() -> Exception | None:
        if len(plant.sessions) == 6:
            plant.clock.now -= back
            plant.end -= back
        return MeterSilent("silent")

    work(tmp_path, monkeypatch, plant, [job(plant.meter("dead", behaviour), Every(timedelta(minutes=1)))])
    assert len(plant.times("dead")) > 10


def test_a_boundary_of_intervals_goes_before_what_can_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plant = Plant(hours=1)
    slow, sharp = plant.meter("slow", seconds=60), plant.meter("sharp")
    order = Increments((Obis.parse("1.8.0"),), timedelta(minutes=15))
    sharp_job = Job(sharp, order, Boundaries(timedelta(minutes=15)))
    work(tmp_path, monkeypatch, plant, [job(slow), job(plant.meter("em-1", seconds=60)), sharp_job])
    assert plant.times("sharp") == [0, 900, 1800, 2700]
    assert plant.times("slow") == [2, 902, 1802, 2702]


# -- refusals and defects ----------------------------------------------------------------------------------------------


def test_a_refusal_is_not_retried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong password that is tried again and again locks the meter."""
    plant = Plant(hours=0.24)
    work(tmp_path, monkeypatch, plant, [job(plant.meter("em-1", lambda: MeterRefused("the password was refused")))])
    assert plant.times("em-1") == [0]


def test_a_meter_that_refuses_is_left_alone_until_its_credentials_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    plant = Plant(hours=6)
    changed = START + timedelta(hours=4, minutes=1)

    def behaviour() -> Exception | None:
        return None if plant.clock.now > changed else MeterRefused("meter em-1 on line bus: the password was refused")

    meter = plant.meter("em-1", behaviour)
    driver = meter.driver

    class Changing:
        def execute(self, channel: Channel, request: Request) -> AsyncGenerator[Answer, None]:
            return driver.execute(channel, request)

        @property
        def credentials(self) -> str:
            return f"/etc/gatewayd/em-1.pw {plant.clock.now > changed:d}"

    jobs = [job(Station(meter.meter, Changing()), QUARTER, code) for code in ("1.8.0", "2.8.0")]
    done = work(tmp_path, monkeypatch, plant, [*jobs, job(plant.meter("em-2"))])
    times = plant.times("em-1")
    assert times[0] == 0
    assert times[1] >= 4 * 3600 + 60, "not once in four hours"
    assert len(times) > 10
    assert len(plant.times("em-2")) == 24
    messages = [(item.levelname, item.getMessage()) for item in caplog.records]
    assert messages[0] == (
        "ERROR",
        "meter em-1 on line bus: the password was refused; "
        "it is asked again when the file of its password or keys has changed (password_file, *_key_file)",
    )
    assert messages[1:] == [("INFO", "meter em-1 on line bus is read again")]
    assert done.faults == {}


def test_a_second_refusal_is_told_as_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Wrong at first, right for two hours, then changed at the meter: with a file that changes each hour."""
    plant = Plant(hours=5)

    def hour() -> int:
        return int((plant.clock.now - START).total_seconds() // 3600)

    meter = plant.meter("em-1", lambda: None if hour() in (1, 2) else MeterRefused(f"refused in hour {hour()}"))
    driver = meter.driver

    class Changing:
        def execute(self, channel: Channel, request: Request) -> AsyncGenerator[Answer, None]:
            return driver.execute(channel, request)

        @property
        def credentials(self) -> str:
            return f"/etc/gatewayd/em-1.pw {hour()}"

    work(tmp_path, monkeypatch, plant, [job(Station(meter.meter, Changing()))])
    errors = [item.getMessage() for item in caplog.records if item.levelname == "ERROR"]
    assert [text.split(";")[0] for text in errors] == ["refused in hour 0", "refused in hour 3"]


def test_why_a_meter_is_left_alone_is_known_all_the_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plant = Plant(hours=2)
    meter = plant.meter("em-1", lambda: MeterRefused("meter em-1 on line bus: no access"))
    done = work(tmp_path, monkeypatch, plant, [job(meter, QUARTER, "1.8.0"), job(meter, QUARTER, "2.8.0")])
    assert plant.times("em-1") == [0]
    assert "no access" in done.faults["em-1"]
    assert done.faults["em-1"].count("it is asked again when gatewayd is restarted") == 1


def test_a_meter_that_is_another_one_is_not_asked_again_before_its_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would answer the same, and each answer is archived."""
    plant = Plant(hours=0.24)
    work(tmp_path, monkeypatch, plant, [job(plant.meter("em-1", lambda: MeterDiffers("serial 1, not 2")))])
    assert plant.times("em-1") == [0]


def test_after_a_success_the_pauses_begin_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plant = Plant(hours=1)
    outcomes = iter([MeterSilent("1"), MeterSilent("2"), None, MeterSilent("3"), None, None, None, None])
    work(tmp_path, monkeypatch, plant, [job(plant.meter("em-1", lambda: next(outcomes), seconds=0))])
    times = plant.times("em-1")
    assert times[3] == 900
    assert 5 <= times[4] - times[3] <= 11
    assert times[5:] == [1800, 2700]


def test_a_line_that_cannot_be_opened_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plant = Plant(hours=0.5)
    line = dead_line(ChannelError("line bus: /dev/ttyS1 does not exist"), "bus")
    done = work(tmp_path, monkeypatch, plant, [job(plant.meter("em-1")), job(plant.meter("em-2"))], line)
    assert set(done.faults) == {"em-1", "em-2"}
    assert plant.sessions == []


def test_a_defect_of_a_driver_does_not_stop_the_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    plant = Plant(hours=1)
    jobs = [job(plant.meter("broken", lambda: IndexError("list index out of range"))), job(plant.meter("em-1"))]
    done = work(tmp_path, monkeypatch, plant, jobs)
    assert len(plant.times("em-1")) == 4
    assert "IndexError" in done.faults["broken"]
    assert any("defect" in record.getMessage() and record.exc_info for record in caplog.records)


def test_a_defect_is_reported_once_and_not_at_every_attempt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    plant = Plant(hours=3)
    work(tmp_path, monkeypatch, plant, [job(plant.meter("broken", lambda: IndexError("list index")))])
    assert len(plant.times("broken")) > 40
    assert len(caplog.records) <= 2


def test_an_archive_that_takes_nothing_does_not_stop_the_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plant = Plant(hours=1)
    poison = iter(range(100))

    async def conversation(channel: Channel, request: Request) -> AsyncGenerator[Answer, None]:
        plant.sessions.append(("odd", plant.clock.now))
        yield Answer((reading("\ud800" if next(poison) == 0 else "1", meter="odd"),))

    odd = Station(Meter("odd", "scripted", "bus"), ScriptedDriver(conversation))
    done = work(tmp_path, monkeypatch, plant, [job(odd)])
    assert len(plant.sessions) >= 4
    assert done.faults == {}
    assert len(everything(tmp_path)) == len(plant.sessions) - 1


# -- the log -----------------------------------------------------------------------------------------------------------


def test_one_line_for_each_change_of_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    plant = Plant(hours=6)

    def behaviour() -> Exception | None:
        hour = int((plant.clock.now - START).total_seconds() // 3600)
        return MeterSilent(f"meter em-1 is silent in hour {hour}") if hour in (1, 2, 4) else None

    work(tmp_path, monkeypatch, plant, [job(plant.meter("em-1", behaviour))])
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", "meter em-1 is silent in hour 1"),
        ("INFO", "meter em-1 on line bus is read again"),
        ("WARNING", "meter em-1 is silent in hour 4"),
        ("INFO", "meter em-1 on line bus is read again"),
    ]


def test_a_meter_that_was_always_sound_is_not_logged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    plant = Plant(hours=6)
    work(tmp_path, monkeypatch, plant, [job(plant.meter("em-1"))])
    assert not caplog.records


def test_two_jobs_of_which_one_fails_are_one_state_of_the_meter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """One register that a meter does not have must not fill the log every quarter of an hour."""
    caplog.set_level(logging.INFO)
    plant = Plant(hours=12)
    broken = True
    name = "em-1"

    async def conversation(channel: Channel, request: Request) -> AsyncGenerator[Answer, None]:
        nonlocal broken
        broken = plant.clock.now < START + timedelta(hours=6)
        plant.sessions.append((name, plant.clock.now))
        if broken and request == Registers((Obis.parse("99.9.9"),)):
            raise ProtocolError("meter em-1 does not have 1-0:99.9.9*255")
        yield Answer((reading(meter=name),))

    meter = Station(Meter(name, "scripted", "bus"), ScriptedDriver(conversation))
    done = work(tmp_path, monkeypatch, plant, [job(meter, QUARTER, "1.8.0"), job(meter, QUARTER, "99.9.9")])
    assert len(plant.sessions) > 90
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    assert done.faults == {}


# -- order and end -----------------------------------------------------------------------------------------------------


def test_the_longest_due_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plant = Plant(hours=0.2)
    slow = plant.meter("slow", seconds=150)
    jobs = [
        job(slow),
        job(plant.meter("b"), Every(timedelta(minutes=2))),
        job(plant.meter("a"), Every(timedelta(minutes=1))),
    ]
    work(tmp_path, monkeypatch, plant, jobs)
    names = [name for name, _ in plant.sessions]
    # All three are due at the start; whoever waited longest goes next, nobody is starved.
    assert set(names[:3]) == {"slow", "a", "b"}
    assert len(plant.times("a")) >= 5
    assert len(plant.times("b")) >= 3


def test_a_line_without_jobs_has_nothing_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work(tmp_path, monkeypatch, Plant(), [])


def test_stop_ends_a_wait_at_once(tmp_path: Path) -> None:
    async def run() -> None:
        plant = Plant()
        with opened(tmp_path) as store:
            acquisition = Acquisition(store, plant.clock, PRAGUE)
            jobs = [job(plant.meter("em-1"), At(time(0, 5)))]
            stop = asyncio.Event()
            one = LineWorker(
                line_to(ScriptedChannel(), "bus"), jobs, acquisition, plant.clock, PRAGUE, random.Random(7)
            )
            running = asyncio.create_task(one.run(stop))
            await asyncio.sleep(0)
            assert not running.done()
            before = asyncio.get_running_loop().time()
            stop.set()
            await running
            assert asyncio.get_running_loop().time() - before < 2
            assert plant.sessions == []

    asyncio.run(asyncio.wait_for(run(), PATIENCE))


def test_stop_lets_the_session_that_is_under_way_finish(tmp_path: Path) -> None:
    async def run() -> None:
        plant = Plant()
        stop = asyncio.Event()

        def behaviour() -> None:
            stop.set()

        with opened(tmp_path) as store:
            acquisition = Acquisition(store, plant.clock, PRAGUE)
            jobs = [job(plant.meter("em-1", behaviour)), job(plant.meter("em-2"))]
            line = line_to(ScriptedChannel(), "bus")
            await LineWorker(line, jobs, acquisition, plant.clock, PRAGUE, random.Random(7)).run(stop)
            assert [name for name, _ in plant.sessions] == ["em-1"]
            assert store.head == 1

    asyncio.run(asyncio.wait_for(run(), PATIENCE))


def test_a_cancelled_worker_is_cancelled(tmp_path: Path) -> None:
    async def run() -> None:
        plant = Plant()
        started = asyncio.Event()

        async def conversation(channel: Channel, request: Request) -> AsyncGenerator[Answer, None]:
            started.set()
            await channel.receive(deadline=0)
            yield Answer(())

        with opened(tmp_path) as store:
            meter = Station(Meter("em-1", "scripted", "bus"), ScriptedDriver(conversation))
            acquisition = Acquisition(store, plant.clock, PRAGUE)
            line = line_to(ScriptedChannel(), "bus")
            one = LineWorker(line, [job(meter)], acquisition, plant.clock, PRAGUE, random.Random(7))
            running = asyncio.create_task(one.run(asyncio.Event()))
            await started.wait()
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running

    asyncio.run(asyncio.wait_for(run(), PATIENCE))


def test_a_clock_that_is_set_back_keeps_nobody_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A clock that was ten years ahead at the start: the meter is read in this year all the same."""
    plant = Plant(hours=1)
    wait, leapt = plant.wait, False

    async def leap(stop: asyncio.Event, seconds: float) -> None:
        nonlocal leapt
        if not leapt:
            leapt = True
            plant.clock.now -= timedelta(days=3650)
            plant.end -= timedelta(days=3650)
        await wait(stop, seconds)

    monkeypatch.setattr(plant, "wait", leap)
    work(tmp_path, monkeypatch, plant, [job(plant.meter("em-1"))])
    assert len(plant.times("em-1")) == 4
    assert caplog.text.count("the clock was set back") == 1


def test_one_answer_that_is_lost_costs_no_five_minutes_on_a_line_that_is_always_busy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant = Plant(hours=0.5)
    every = Every(timedelta(seconds=1))
    lost = iter([MeterSilent("silent")])

    def once() -> Exception | None:
        return next(lost, None) if len(plant.times("unlucky")) == 20 else None

    def full() -> Exception | None:
        if plant.clock.now >= plant.end:
            plant.stop.set()
        return None

    unlucky = job(plant.meter("unlucky", once, seconds=1), every)
    work(tmp_path, monkeypatch, plant, [unlucky, *(job(plant.meter(f"em-{n}", full), every) for n in range(2))])
    times = plant.times("unlucky")
    assert len(times) > 100
    assert max(later - earlier for earlier, later in pairwise(times)) <= 60


# -- lines that fail ---------------------------------------------------------------------------------------------------


def test_a_line_that_fails_is_told_of_once_and_its_jobs_are_late_and_not_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Eight meters behind a device that is unplugged for two hours."""
    caplog.set_level(logging.INFO)
    plant = Plant(hours=4)
    gone, back = START + timedelta(minutes=40), START + timedelta(hours=2, minutes=40)
    tries: list[float] = []

    async def connect(_station: Station, _on_call: OnCall) -> Channel:
        if gone <= plant.clock.now < back:
            tries.append((plant.clock.now - gone).total_seconds())
            raise ChannelError("line bus: /dev/ttyS1 does not exist")
        return ScriptedChannel()

    meters = [plant.meter(f"em-{n}") for n in range(8)]
    done = work(tmp_path, monkeypatch, plant, [job(one) for one in meters], Line("bus", connect))
    assert len(tries) < 8 + 12 + 7200 / 75, "not eight meters each time"
    for one in meters:
        times = plant.times(one.meter.id)
        assert len(times) == 3 + 6, "before and after"
        late = next(at for at in times if at > 2400)
        assert 9600 <= late <= 9600 + 300 + 8 * 2, "once, as soon as it can be"
    assert done.faults == {}
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == 3
    assert messages[0] == "meter em-0: line bus: /dev/ttyS1 does not exist"
    assert messages[1].startswith("line bus: 3 attempts in a row have failed, the last one: meter em-2: line bus")
    assert messages[2] == f"line bus works again; {len(tries)} attempts had failed"


def test_a_meter_that_makes_the_line_hang_up_stops_nobody_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plant = Plant(hours=3)
    bad = plant.meter("bad", lambda: ChannelError("hung up"))
    work(tmp_path, monkeypatch, plant, [job(bad), *(job(plant.meter(f"em-{n}")) for n in range(3))])
    for n in range(3):
        assert [at // 900 for at in plant.times(f"em-{n}")] == list(range(12))
        assert all(at % 900 < 10 for at in plant.times(f"em-{n}"))


def test_several_meters_that_make_the_line_hang_up_stop_nobody_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Together they open the breaker; whoever has not failed tries the line before them, at its own times."""
    plant = Plant(hours=6)
    bad = [plant.meter(f"bad-{n}", lambda: ChannelError("hung up")) for n in range(3)]
    work(tmp_path, monkeypatch, plant, [*map(job, bad), *(job(plant.meter(f"em-{n}")) for n in range(3))])
    for n in range(3):
        assert [at // 900 for at in plant.times(f"em-{n}")] == list(range(24))
        assert all(at % 900 <= 20 for at in plant.times(f"em-{n}"))
    assert all(len(plant.times(one.meter.id)) > 24 for one in bad), "and they are not given up"


def test_a_line_that_fails_is_not_well_because_nothing_is_missing_of_a_profile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Complete(Acquisition):
        """Of the profile there is nothing to ask for."""

        async def session(
            self, line: Line, station: Station, orders: Sequence[Order], *_: object, **__: object
        ) -> Session:
            with contextlib.suppress(ChannelError):
                await line.open(station, lambda _: None)
            results = [Result("em-1", (), ChannelError("line bus: connection refused"))]
            return Session((*results, *[Result("em-1", (), None, asked=False)] * (len(orders) - 1)))

    monkeypatch.setattr(tests_module, "Acquisition", Complete)
    plant, minute = Plant(hours=0.5), Every(timedelta(minutes=1))
    one = plant.meter("em-1")
    jobs = [job(one, minute), Job(one, LoadProfile(Obis.parse("1-0:99.1.0")), minute)]
    done = work(tmp_path, monkeypatch, plant, jobs, dead_line(ChannelError("refused"), "bus"))
    state = done.state()
    assert state.condition is not Condition.CLOSED and state.meters[0].last_success is None


def test_a_line_of_one_meter_is_tried_with_longer_and_longer_pauses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant = Plant(hours=1)
    tries: list[float] = []

    async def connect(_station: Station, _on_call: OnCall) -> Channel:
        tries.append((plant.clock.now - START).total_seconds())
        raise ChannelError("line cabin: connection refused")

    done = work(tmp_path, monkeypatch, plant, [job(plant.meter("em-1"))], Line("cabin", connect))
    pauses = [later - earlier for earlier, later in pairwise(tries)]
    assert all(pause <= most for pause, most in zip(pauses, (10, 30, 1, 2, 4, 8, 16, 32, 64, 128, 256), strict=False))
    assert all(pause <= 300 for pause in pauses)
    state = done.state()
    assert state.condition in (Condition.OPEN, Condition.HALF_OPEN)
    assert state.fault == "meter em-1: line cabin: connection refused"
    assert state.until is not None and state.queue == 1


# -- a meter that drips ------------------------------------------------------------------------------------------------


def test_a_meter_that_drips_leaves_the_other_seven_their_boundaries(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says something all the time and never comes to an end: it costs its own slot, and only what nobody needs."""
    plant = Plant(hours=3)
    limits: list[tuple[float, float]] = []

    class Limited(Acquisition):
        """Ends a session of the meter that drips when its time is over, in the plant's time."""

        async def session(self, line: Line, station: Station, *rest: object, **options: object) -> Session:
            seconds = options.get("seconds")
            if station.meter.id == "drips":
                assert isinstance(seconds, float), "on a shared line there is a limit"
                limits.append(((plant.clock.now - START).total_seconds(), seconds))
                plant.clock.advance(seconds)
                await line.open(station, lambda _: None)
                return Session((Result("drips", (), SessionDeadline(f"not finished after {seconds} s")),))
            return await super().session(line, station, *rest, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(tests_module, "Acquisition", Limited)
    quarter, order = timedelta(minutes=15), Increments((Obis.parse("1.8.0"),), timedelta(minutes=15))
    sharp = [plant.meter(f"em-{n}", seconds=1) for n in range(7)]
    jobs = [job(plant.meter("drips"), Every(timedelta(minutes=1)))]
    jobs += [Job(one, order, Boundaries(quarter)) for one in sharp]
    work(tmp_path, monkeypatch, plant, jobs)
    first, limit = limits[0]
    assert first + limit == 900 - 2, "nobody knows it yet, and nobody needs the time"
    for one in sharp:
        times = plant.times(one.meter.id)
        assert [at // 900 for at in times] == list(range(12)), "every boundary"
        assert all(at % 900 <= 10 for at in times[1:]), "and soon behind it"
    assert len(limits) > 20, "and it is not given up"
    assert all(seconds <= 60 for _, seconds in limits[1:])
    assert all(at % 900 + seconds <= 900 - 2 or seconds <= 5 for at, seconds in limits[1:])


# -- technicians -------------------------------------------------------------------------------------------------------

SERIAL = Registers((Obis.parse("0.0.0"),))


class Alive:
    """A worker at work in real time, with a meter that answers when a test says so."""

    def __init__(self, folder: Path, rhythm: Rhythm | None = None) -> None:
        self.folder = folder
        self.clock = TestClock(step=timedelta(0))
        self.asked: list[str] = []
        self.begun = asyncio.Event()
        self.answer = asyncio.Event()
        self.fault: Exception | None = None
        self.rhythm = rhythm or At(time(0, 5))
        self.channel = ScriptedChannel()

    async def conversation(self, channel: Channel, request: Request) -> AsyncGenerator[Answer, None]:
        self.asked.append(request.text)
        self.begun.set()
        await self.answer.wait()
        if self.fault is not None:
            raise self.fault
        yield Answer((reading(meter="em-1"),))

    @contextlib.asynccontextmanager
    async def at_work(self, slots: asyncio.Semaphore | None = None) -> AsyncIterator[LineWorker]:
        stop = asyncio.Event()
        with opened(self.folder) as store:
            station = Station(Meter("em-1", "scripted", "bus"), ScriptedDriver(self.conversation))
            bare = Station(Meter("em-2", "scripted", "bus"), ScriptedDriver(self.conversation))
            one = LineWorker(
                line_to(self.channel, "bus"),
                [job(station, self.rhythm)],
                Acquisition(store, self.clock, PRAGUE),
                self.clock,
                PRAGUE,
                random.Random(7),
                slots=slots,
                beside=[bare],
            )
            task = asyncio.create_task(one.run(stop), name="worker")
            try:
                yield one
            finally:
                stop.set()
                self.answer.set()
                await task


def alive(check: Callable[[], Coroutine[object, object, None]]) -> None:
    asyncio.run(asyncio.wait_for(check(), PATIENCE))


@pytest.mark.parametrize("meter", ["em-1", "em-2"])
def test_a_technician_is_answered_at_once_and_changes_no_schedule(tmp_path: Path, meter: str) -> None:
    async def check() -> None:
        site = Alive(tmp_path)
        site.answer.set()
        async with site.at_work() as one:
            before = one.state()
            result = await one.ask(meter, SERIAL)
            assert result.fault is None and len(result.readings) == 1
            after = one.state()
            assert [state.next_due for state in after.meters] == [state.next_due for state in before.meters]
            assert after.under_way == () and after.queue == 0
        assert site.asked == [SERIAL.text]

    alive(check)


def test_a_technician_does_not_wait_for_a_place_and_goes_before_what_is_due(tmp_path: Path) -> None:
    async def check() -> None:
        slots = asyncio.Semaphore(1)
        await slots.acquire()
        site = Alive(tmp_path, QUARTER)
        site.answer.set()
        async with site.at_work(slots) as one:
            assert (await one.ask("em-1", SERIAL)).fault is None
            assert site.asked == [SERIAL.text], "the job waits for a place"
            assert one.state().queue == 1
            slots.release()
            while len(site.asked) < 2:
                await asyncio.sleep(0)
        assert not slots.locked(), "and gives it back"

    alive(check)


def test_technicians_who_ask_without_end_leave_the_schedule_its_turns(tmp_path: Path) -> None:
    async def check() -> None:
        site = Alive(tmp_path, Every(timedelta(seconds=1)))
        site.answer.set()
        async with site.at_work() as one:
            asking = {asyncio.create_task(one.ask("em-2", SERIAL)) for _ in range(3)}
            while len(site.asked) < 40:
                done, asking = await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED)
                asking |= {asyncio.create_task(one.ask("em-2", SERIAL)) for _ in done}
                site.clock.advance(1)
            for task in asking:
                task.cancel()
            await asyncio.wait(asking)
        turns = [text == SERIAL.text for text in site.asked[1:40]]
        assert (True, True, True) not in zip(turns, turns[1:], turns[2:], strict=False), site.asked
        assert (False, False) not in pairwise(turns), "and no technician waits for more than one session"

    alive(check)


def test_what_waits_for_a_place_keeps_no_technician_waiting(tmp_path: Path) -> None:
    async def check() -> None:
        slots = asyncio.Semaphore(1)
        await slots.acquire()
        site = Alive(tmp_path, QUARTER)
        async with site.at_work(slots) as one:
            asking = [asyncio.create_task(one.ask("em-2", SERIAL)) for _ in range(3)]
            await site.begun.wait()
            site.answer.set()
            assert all(result.fault is None for result in await asyncio.gather(*asking))
            assert site.asked == [SERIAL.text] * 3 and one.state().queue == 1
            slots.release()
            while len(site.asked) < 4:
                await asyncio.sleep(0)

    alive(check)


def test_a_technician_who_goes_away_ends_his_session(tmp_path: Path) -> None:
    async def check() -> None:
        site = Alive(tmp_path)
        async with site.at_work() as one:
            asking = asyncio.create_task(one.ask("em-1", SERIAL))
            await site.begun.wait()
            (talk,) = one.state().under_way
            assert (talk.meter, talk.line, talk.technician) == ("em-1", "bus", True)
            asking.cancel()
            await asyncio.wait({asking})
            assert asking.cancelled() and site.channel.closed == 1 and one.state().under_way == ()
            site.answer.set()
            assert (await one.ask("em-1", SERIAL)).fault is None, "the line is free"
            one._asks.stirred.clear()

    alive(check)


def test_a_technician_who_goes_away_before_his_turn_asks_nothing(tmp_path: Path) -> None:
    async def check() -> None:
        site = Alive(tmp_path)
        async with site.at_work() as one:
            first = asyncio.create_task(one.ask("em-1", SERIAL))
            await site.begun.wait()
            second = asyncio.create_task(one.ask("em-2", Registers()))
            await asyncio.sleep(0)
            assert one.state().queue == 1
            second.cancel()
            await asyncio.wait({second})
            site.answer.set()
            assert (await first).fault is None
        assert site.asked == [SERIAL.text]

    alive(check)


def test_faults_of_a_technician_count_for_nothing(tmp_path: Path) -> None:
    async def check() -> None:
        site = Alive(tmp_path)
        site.answer.set()
        async with site.at_work() as one:
            for fault in (MeterSilent("silent"), ChannelError("gone"), ProtocolError("nonsense")) * 3:
                site.fault = fault
                assert isinstance((await one.ask("em-1", SERIAL)).fault, type(fault))
            state = one.state()
            assert one.faults == {} and state.condition is Condition.CLOSED
            assert not state.meters[0].silent and not state.meters[0].dead
            site.fault = IndexError("list index")
            assert "defect in gatewayd" in str(await _caught(one))

    alive(check)


async def _caught(one: LineWorker) -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        await one.ask("em-1", SERIAL)
    return caught.value


def test_who_asks_a_line_that_ends_or_a_meter_that_is_not_there_is_told(tmp_path: Path) -> None:
    async def check() -> None:
        site = Alive(tmp_path)
        async with site.at_work() as one:
            with pytest.raises(GatewayError, match="has no meter em-9"):
                await one.ask("em-9", SERIAL)
            asking = [asyncio.create_task(one.ask("em-1", SERIAL)) for _ in range(2)]
            await site.begun.wait()
        first, second = await asyncio.gather(*asking, return_exceptions=True)
        assert isinstance(first, Result), "it was under way"
        assert isinstance(second, GatewayError) and "not served any more" in str(second)
        with pytest.raises(GatewayError, match="not served any more"):
            await one.ask("em-1", SERIAL)

    alive(check)


def test_a_sound_answer_to_a_technician_brings_a_meter_back(tmp_path: Path) -> None:
    async def check() -> None:
        site = Alive(tmp_path, QUARTER)
        site.fault = MeterSilent("silent")
        site.answer.set()
        async with site.at_work() as one:
            await site.begun.wait()
            while not one.state().meters[0].silent:
                await asyncio.sleep(0)
            site.fault = None
            await one.ask("em-1", SERIAL)
            assert not one.state().meters[0].silent
            assert "em-1" in one.faults, "what its jobs have brought is known as before"

    alive(check)


# -- back-fill, places, restarts ---------------------------------------------------------------------------------------


class Filling(Acquisition):
    """Profiles that are asked for piece by piece, each of ten seconds of the plant's time."""

    plant: Plant
    pieces: int

    async def session(
        self,
        line: Line,
        station: Station,
        orders: Sequence[Order],
        on_progress: Progress | None = None,
        go_on: Callable[[], bool] = lambda: True,
        seconds: float | None = None,
    ) -> Session:
        await line.open(station, lambda _: None)
        results: list[Result] = []
        for order in orders:
            if results and not go_on():
                break
            name, begun = station.meter.id, self.plant.clock.now
            self.plant.sessions.append((f"{name} {order.text if isinstance(order, LoadProfile) else 'reg'}", begun))
            self.plant.clock.advance(10 if isinstance(order, LoadProfile) else 1)
            while isinstance(order, LoadProfile) and self.pieces > 1 and go_on():
                if (self.plant.clock.now - begun).total_seconds() > 60:
                    break
                type(self).pieces -= 1
                self.plant.clock.advance(10)
            left = self.pieces if isinstance(order, LoadProfile) else 0
            results.append(Result(name, (), None, left=left))
        return Session(tuple(results), None, timedelta(seconds=-3))


def test_a_back_fill_goes_on_and_yields_to_what_is_due(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plant = Plant(hours=1)
    Filling.plant, Filling.pieces = plant, 1000
    monkeypatch.setattr(tests_module, "Acquisition", Filling)
    fill = LoadProfile(Obis.parse("1-0:99.1.0"))
    minute = Every(timedelta(minutes=1))
    jobs = [
        Job(plant.meter("fill"), fill, At(time(0, 20))),
        job(plant.meter("fill"), Every(timedelta(minutes=5))),
        job(plant.meter("em-1"), minute),
    ]
    done = work(tmp_path, monkeypatch, plant, jobs)
    times = plant.times("em-1 reg")
    assert [at // 60 for at in times if at < 3600] == list(range(60)), "every minute"
    assert all(at % 60 <= 22 for at in times), "a piece, and one session of the other meter, are finished at most"
    pieces = 1000 - Filling.pieces
    assert pieces >= 3600 * 0.65 / 10, "and the rest of the time is used"
    state = done.state().meters[0]
    assert (state.left, state.deviation) == (Filling.pieces, timedelta(seconds=-3))
    assert state.last_success is not None and state.seconds


def test_a_back_fill_yields_to_what_is_due_of_the_same_meter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also in the session that has begun with both."""
    plant = Plant(hours=0.25)
    Filling.plant, Filling.pieces = plant, 1000
    monkeypatch.setattr(tests_module, "Acquisition", Filling)
    one = plant.meter("em-1")
    jobs = [
        Job(one, LoadProfile(Obis.parse("1-0:99.1.0")), Every(timedelta(minutes=5))),
        job(one, Every(timedelta(seconds=15))),
    ]
    work(tmp_path, monkeypatch, plant, jobs)
    times = [at for at in plant.times("em-1 reg") if at < 900]
    assert max(after - before for before, after in pairwise(times)) <= 15 + 2 * 10 + 1, "what is under way is finished"
    first_pieces = sum(name.startswith("em-1 load profile") for name, _ in plant.sessions)
    assert first_pieces + 1000 - Filling.pieces >= 25, "and it goes on in between"


def test_a_daily_job_that_was_missed_is_done_once_after_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    daily = At(time(0, 5))
    diary = Diary()

    def life(begin: timedelta, hours: float) -> list[float]:
        plant = Plant(hours)
        plant.clock.now, plant.end = START + begin, START + begin + timedelta(hours=hours)
        work(tmp_path, monkeypatch, plant, [job(plant.meter("em-1"), daily)], diary=diary)
        return [at / 3600 for at in plant.times("em-1")]

    assert life(timedelta(0), 5) == [3 + 1 / 12]
    assert life(timedelta(hours=6), 5) == [], "it is done"
    assert life(timedelta(hours=60), 5) == [60], "missed twice, done once"
    assert life(timedelta(hours=66), 12) == [75 + 1 / 12]


def test_lines_share_places(tmp_path: Path) -> None:
    async def check() -> None:
        slots, busy, most = asyncio.Semaphore(2), 0, 0
        done: list[str] = []

        def conversation(name: str) -> Conversation:
            async def talk(channel: Channel, request: Request) -> AsyncGenerator[Answer, None]:
                nonlocal busy, most
                busy += 1
                most = max(most, busy)
                while most < 2 or (len(done) < 6 and busy < 2):
                    await asyncio.sleep(0)
                busy -= 1
                done.append(name)
                yield Answer((reading(meter=name),))

            return talk

        clock, stop = TestClock(step=timedelta(0)), asyncio.Event()
        with opened(tmp_path) as store:
            acquisition = Acquisition(store, clock, PRAGUE)
            workers = [
                LineWorker(
                    line_to(ScriptedChannel(), f"line-{n}"),
                    [job(Station(Meter(f"em-{n}", "scripted", f"line-{n}"), ScriptedDriver(conversation(f"em-{n}"))))],
                    acquisition,
                    clock,
                    PRAGUE,
                    random.Random(n),
                    slots=slots,
                )
                for n in range(12)
            ]
            tasks = [asyncio.create_task(one.run(stop)) for one in workers]
            while len(done) < 12 or any(one.state().under_way for one in workers):
                await asyncio.sleep(0)
            stop.set()
            await asyncio.gather(*tasks)
        assert most == 2
        assert sorted(done) == sorted(f"em-{n}" for n in range(12))
        assert not slots.locked()

    alive(check)


@pytest.mark.parametrize("cancel", [False, True])
def test_who_waits_for_a_place_stops_at_once_and_leaves_it_to_others(tmp_path: Path, cancel: bool) -> None:
    async def check() -> None:
        slots = asyncio.Semaphore(1)
        await slots.acquire()
        clock, stop = TestClock(step=timedelta(0)), asyncio.Event()
        with opened(tmp_path) as store:
            plant = Plant()
            one = LineWorker(
                line_to(ScriptedChannel(), "bus"),
                [job(plant.meter("em-1"))],
                Acquisition(store, clock, PRAGUE),
                clock,
                PRAGUE,
                random.Random(7),
                slots=slots,
            )
            task = asyncio.create_task(one.run(stop))
            while one._place._taking is None:
                await asyncio.sleep(0)
            if cancel:
                task.cancel()
            else:
                stop.set()
            await asyncio.wait({task})
        slots.release()
        await slots.acquire()
        assert plant.sessions == []

    alive(check)
