"""What the daemon builds of a configuration: rhythms, policies, points of registrars, places and clocks."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import time, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from gatewayd.config import Config, parse
from gatewayd.daemon import DRIVER_OPTIONS, SINK_OPTIONS, build
from gatewayd.diary import Diary
from gatewayd.driver import Forgetful
from gatewayd.jobs import Job
from gatewayd.kernel_clock import Sync, Synchronised
from gatewayd.model import Increments, LoadProfile, MeteringType, Registers
from gatewayd.obis import Obis
from gatewayd.policy import POLICIES
from gatewayd.schedule import At, Boundaries, Every
from gatewayd.station import Line

TEXT = """\
gateway: {id: gw}
archive: {path: /a}
acquisition: {sessions: 3, spread: 90s}
policies: {B: {on: fri, backfill_months: 7}}
lines:
  one: {type: tcp, host: h, port: 1}
  two: {type: tcp, host: h, port: 2}
  gsm: {type: modem, device: /dev/modem0}
meters:
  - id: reg
    driver: dlms
    line: one
    metering_type: A
    dlms: {transport: wrapper}
    jobs:
      - {profile: 1-0:99.1.0}
      - {registers: all, at: "00:05", on: 1}
      - {intervals: [1.8.0], every: 15m}
      - {profile: P.98, every: 1h}
    points:
      - {id: part, channels: [1-1], metering_type: B, jobs: [{profile: 1-1:99.1.0}]}
  - {id: idle, driver: dlms, line: two}
  - {id: called, driver: iec62056_21, line: gsm, phone: "1", metering_type: C, jobs: [{registers: all}]}
"""


@pytest.fixture
def config() -> Config:
    return parse(TEXT, "c.yaml", DRIVER_OPTIONS, SINK_OPTIONS)


@dataclass(frozen=True)
class Built:
    """What a worker was built with."""

    what: tuple[Any, ...]  # whatever its class takes
    named: dict[str, Any]

    @property
    def jobs(self) -> Sequence[Job]:
        found: Sequence[Job] = self.what[1 if isinstance(self.what[0], Line) else 2]
        return found


@pytest.fixture
def workers_of(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Built]]:
    for name in ("LineWorker", "CallWorker"):
        monkeypatch.setattr(build, name, lambda *what, **named: Built(what, named))

    def workers(config: Config, **more: object) -> list[Built]:
        acquisition: Any = None  # nobody runs
        options: dict[str, Any] = dict(more)
        return cast("list[Built]", build.build_workers(config, acquisition, {}, lambda _: Forgetful(), **options))

    return workers


Workers = Callable[..., list[Built]]


def test_each_job_with_its_rhythm_and_its_policy(config: Config, workers_of: Workers) -> None:
    one, _, gsm = workers_of(config)
    registrar, part = config.meters[0], config.meters[0].parts[0]
    assert [(job.request, job.rhythm) for job in one.jobs] == [
        (LoadProfile(Obis.parse("1-0:99.1.0")), At(time(0, 20))),
        (Registers(), At(time(0, 5), 1)),
        (Increments((Obis.parse("1.8.0"),), timedelta(minutes=15)), Boundaries(timedelta(minutes=15))),
        (LoadProfile(Obis.parse("P.98")), Every(timedelta(hours=1))),
        (LoadProfile(Obis.parse("1-1:99.1.0"), months=7), At(time(2), "fri")),
    ]
    assert [job.station.policy for job in one.jobs] == [POLICIES[MeteringType.A]] * 4 + [part.policy]
    assert part.policy.backfill_months == 7
    assert {job.station.meter.id for job in one.jobs} == {"reg"}  # the point's job is asked of the registrar
    assert len({id(job.station.driver) for job in one.jobs}) == 1
    assert one.jobs[0].station.meter == registrar.meter
    assert registrar.meter.parts == (part.part,)
    assert [job.rhythm for job in gsm.jobs] == [At(time(0, 5), 1)]


def test_a_meter_without_jobs_is_there_for_a_technician(config: Config, workers_of: Workers) -> None:
    one, two, _ = workers_of(config)
    assert list(two.jobs) == []
    assert [station.meter.id for station in two.named["beside"]] == ["idle"]
    assert one.named["beside"] == []


def test_a_line_that_costs_or_waits_has_no_worker_for_meters_without_jobs(workers_of: Workers) -> None:
    text = TEXT[: TEXT.index("meters:")] + "  calls: {type: tcp_listen, port: 4059}\nmeters:\n"
    text += "  - {id: a, driver: dlms, line: gsm, phone: '1'}\n  - {id: b, driver: dlms, line: calls}\n"
    assert workers_of(parse(text, "c.yaml", DRIVER_OPTIONS, SINK_OPTIONS)) == []


def test_all_lines_share_the_places_for_conversations(config: Config, workers_of: Workers) -> None:
    one, two, _ = workers_of(config)
    assert one.named["slots"] is two.named["slots"]
    assert one.named["slots"]._value == 3
    handed, diary = asyncio.Semaphore(5), Diary()
    one, two, gsm = workers_of(config, slots=handed, diary=diary)
    assert [one.named["slots"], two.named["slots"]] == [handed, handed]
    assert [worker.named["diary"] for worker in (one, two, gsm)] == [diary] * 3
    assert one.named["spread"] == timedelta(seconds=90)


@pytest.mark.parametrize(("text", "trusted"), [("kernel", False), ("trusted", True)])
def test_who_says_whether_the_clock_is_right(
    text: str, trusted: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = TEXT.replace("{id: gw}", f"{{id: gw, clock: {text}}}").replace("/a", str(tmp_path))
    config = parse(named, "c.yaml", DRIVER_OPTIONS, SINK_OPTIONS)
    clock = build.build_clock(config)
    monkeypatch.setattr(clock, "_kernel", lambda: Synchronised(Sync.NO, "test"))
    assert clock.synchronised() is trusted
    handed: dict[str, Any] = {}
    monkeypatch.setattr(build, "Upkeep", lambda *_, **named: handed.update(upkeep=named["sure"]))
    monkeypatch.setattr(build, "Examiner", lambda *what: handed.update(examiner=what[2]))
    build.build_acquisition(config, build.build_store(config), clock)
    assert handed == {"upkeep": clock.synchronised, "examiner": clock.synchronised}
    build.build_acquisition(config, build.build_store(config))  # a command, without a watch that runs
    assert handed["upkeep"] != clock.synchronised
