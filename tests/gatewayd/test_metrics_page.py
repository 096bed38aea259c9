"""The page /metrics of a gateway that is built and does not run: what stands on it, and what 2,000 meters cost."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from gatewayd import daemon
from gatewayd.archive.ages import Ages
from gatewayd.archive.store import Store
from gatewayd.breaker import Condition
from gatewayd.config import Config, parse
from gatewayd.coverage import Complete
from gatewayd.daemon import metric_names as names
from gatewayd.daemon.build import build_acquisition, build_clock, build_workers
from gatewayd.daemon.derived import derived_folder
from gatewayd.daemon.exposition import Family, Sample
from gatewayd.daemon.gateway import Gateway, Stage
from gatewayd.daemon.health import Health
from gatewayd.daemon.metric_outboxes import Derived, DerivedAges
from gatewayd.daemon.metric_samples import Snapshot, collected, period_of
from gatewayd.daemon.metrics import Metrics
from gatewayd.daemon.upkeep_loop import watch
from gatewayd.kernel_clock import TRUSTED
from gatewayd.live import LineState, Vital
from gatewayd.metering.values import Layer
from gatewayd.model import RawStatus
from gatewayd.publish import SinkState
from gatewayd.tallies import COMMIT_BOUNDS, Histogram
from gatewayd.upkeep import Progress
from gatewayd.worker import LineWorker
from tests.gatewayd.sink.samples import interval

AT = datetime(2026, 11, 26, 12, tzinfo=UTC)
METER = "  - {{id: em-1, driver: dlms, line: a, metering_type: A, dlms: {{transport: wrapper}}, jobs: [{jobs}]}}\n"
PROFILE = "{profile: 1-0:99.1.0, every: 15m}, {registers: [1-0:1.8.0], every: 1h}"
MANY = 2000


def configuration(folder: Path, jobs: str = PROFILE) -> Config:
    text = f"gateway: {{id: gw-1, clock: trusted}}\narchive: {{path: {folder}}}\n"
    text += "lines: {a: {type: tcp, host: 127.0.0.1, port: 9}}\nmeters:\n" + METER.format(jobs=jobs)
    return parse(text, "f.yaml", daemon.DRIVER_OPTIONS, daemon.SINK_OPTIONS)


def snapshot(folder: Path, **changes: Any) -> Snapshot:  # whatever a test wants to be different
    known: dict[str, Any] = {
        "config": configuration(folder),
        "at": AT,
        "since": AT - timedelta(days=1),
        "loaded_at": AT - timedelta(hours=1),
        "config_fault": False,
        "unready": 0,
        "known_since": {},
        "days_late": {},
        "lines": (),
        "broken": (),
        "vitals": (),
        "progress": (),
        "alarms": {},
        "modems": {},
        "sinks": (),
        "folder": folder,
        "head": 0,
        "archive_fault": False,
        "readings": dict.fromkeys(RawStatus, 0),
        "exchanges": {"done": 0},
        "commits": Histogram(COMMIT_BOUNDS),
        "commits_failed": 0,
        "reads": {},
        "sessions": {},
        "clock": TRUSTED,
        "begun": time.monotonic(),
    }
    return Snapshot(**known | changes)


def samples(folder: Path, family: Family, **changes: Any) -> list[Sample]:  # as above
    return list(dict(collected(snapshot(folder, **changes), Ages(folder), DerivedAges(folder)))[family])


def test_a_meter_that_was_not_read_has_no_last_success(tmp_path: Path) -> None:
    vitals = [
        Vital("em-1", None, True),
        Vital("em-2", AT - timedelta(microseconds=1), False, timedelta(seconds=-3, microseconds=250)),
    ]
    assert samples(tmp_path, names.LAST_SUCCESS, vitals=vitals) == [(("em-2",), "1795694399.999999")]
    assert samples(tmp_path, names.METER_FAULT, vitals=vitals) == [(("em-1",), 1), (("em-2",), 0)]
    assert samples(tmp_path, names.CLOCK_OFFSET, vitals=vitals) == [(("em-2",), "-2.99975")]


def test_a_meter_keeps_its_last_success_and_its_beginning_when_it_or_its_line_is_changed(tmp_path: Path) -> None:
    """One that comes with a reload begins there."""
    before = configuration(tmp_path)
    (meter,), (line,) = before.meters, before.lines.values()
    lines = {"a": line, "b": line.model_copy(update={"id": "b"})}
    after = replace(before, lines=lines, meters=(replace(meter, line="b"), replace(meter, id="em-2")))

    async def main() -> None:
        async with gateway_of(before) as gateway:
            metrics = Metrics(gateway, Health(gateway))
            metrics.take(before)
            (worker,) = cast("list[LineWorker]", gateway.lines.workers)
            worker._meters.session("em-1", AT + timedelta(minutes=1), 1.0, None, sound=True)
            gateway.config, gateway.loaded_at = after, AT + timedelta(minutes=5)
            gateway.lines.workers[:] = build_workers(after, gateway.acquisition, {}, gateway.store.memory_of)
            metrics.take(after)
            text = (await metrics.page()).body.decode()
            assert 'gatewayd_last_success_timestamp_seconds{meter="em-1"} 1795694460\n' in text
            assert 'gatewayd_last_success_timestamp_seconds{meter="em-2"}' not in text
            assert 'gatewayd_meter_known_since_timestamp_seconds{meter="em-1"} 1795694400\n' in text
            assert 'gatewayd_meter_known_since_timestamp_seconds{meter="em-2"} 1795694700\n' in text
            metrics.close()

    asyncio.run(main())


def test_why_it_is_not_ready_is_counted(tmp_path: Path) -> None:
    assert samples(tmp_path, names.READY) == [((), 1)] and samples(tmp_path, names.UNREADY) == [((), 0)]
    assert samples(tmp_path, names.READY, unready=2) == [((), 0)]
    assert samples(tmp_path, names.UNREADY, unready=2) == [((), 2)]


def test_what_was_put_aside_is_counted_while_it_is_there(tmp_path: Path) -> None:
    assert samples(tmp_path, names.ARCHIVE_ASIDE) == [((), 0)]
    for stamp in ("20261120T222000Z", "20261121T222000Z"):
        (tmp_path / "quarantine" / f"segment-000001-{stamp}").mkdir(parents=True)
    assert samples(tmp_path, names.ARCHIVE_ASIDE) == [((), 2)]


def test_what_is_not_due_yet_is_no_gap(tmp_path: Path) -> None:
    """As gatewayd status counts them (cli/status_meters.py)."""
    gaps = (
        (date(2026, 11, 26), Complete(52, 40, 0)),
        (date(2026, 11, 25), Complete(96, 90, 0)),
        (date(2026, 11, 24), Complete(96, 90, 4)),
        (date(2026, 11, 23), Complete(96, 95, 0)),
    )
    one = Progress("em-1", "1-0:99.1.0*255", None, None, 0, 0, 0, 0, gaps=gaps)
    unread, read = Vital("em-1", AT - timedelta(days=1), False), Vital("em-1", AT, False)
    assert samples(tmp_path, names.GAPS, vitals=[unread], progress=[one]) == [
        (("em-1", "asked"), 3),
        (("em-1", "told"), 4),
    ]
    assert samples(tmp_path, names.GAPS, vitals=[read], progress=[one])[0] == (("em-1", "asked"), 9)
    goal = datetime(2026, 1, 1, tzinfo=UTC)
    back = replace(one, reached=datetime(2026, 11, 24, 8, tzinfo=UTC), goal=goal)
    assert samples(tmp_path, names.GAPS, vitals=[read], progress=[back])[0] == (("em-1", "asked"), 6)
    assert samples(tmp_path, names.BACK_FILLS, progress=[back, one]) == [((), 1)]


@pytest.mark.parametrize(
    ("jobs", "period"),
    [
        (PROFILE, timedelta(minutes=15)),
        ('{registers: all, at: "00:05"}', timedelta(days=1)),
        ('{registers: all, at: "00:05", on: mon}, {registers: all, at: "00:05", on: 1}', timedelta(days=7)),
        ('{registers: all, at: "00:05", on: 1}', timedelta(days=31)),
        ("{profile: 1-0:99.2.0, every: 1h, period: 1d}", timedelta(days=1)),
        ("", None),
    ],
)
def test_the_period_of_a_meter_is_that_of_its_most_frequent_job(
    jobs: str, period: timedelta | None, tmp_path: Path
) -> None:
    assert period_of(configuration(tmp_path, jobs).meters[0]) == period


def test_lines(tmp_path: Path) -> None:
    lines = [
        LineState("a"),
        LineState("b", Condition.HALF_OPEN, queue=3, oldest=AT - timedelta(seconds=90)),
        LineState("c", Condition.OPEN, oldest=AT + timedelta(seconds=5)),
        LineState("d"),
    ]
    states = samples(tmp_path, names.LINE_STATE, lines=lines, broken=["d"])
    assert [value for _, value in states] == [0, 1, 2, 2]
    assert [value for _, value in samples(tmp_path, names.LINE_LATE, lines=lines)] == ["0", "90", "0", "0"]
    assert samples(tmp_path, names.MODEM_OUT, modems={"m": True}) == [(("m",), 1)]


def test_the_age_of_a_backlog_is_that_of_its_first_reading(tmp_path: Path) -> None:
    """Also where it began in a segment that is sealed, and while the head goes on."""

    async def main() -> None:
        store = Store(tmp_path, "gw-1", lambda: 0)
        await asyncio.to_thread(store.open)
        try:
            for minutes in (50, 40, 30):
                await store.append(entry(AT - timedelta(minutes=minutes)))
                await store.seal()
            await store.append(entry(AT - timedelta(minutes=20)))
            assert store.head == 4
        finally:
            await asyncio.to_thread(store.close)

    asyncio.run(main())
    sinks = [(SinkState(f"s{cursor}", waiting=4 - cursor), cursor) for cursor in range(5)]
    found = samples(tmp_path, names.OUTBOX_OLDEST, sinks=sinks)
    assert found == [(("s0",), "3000"), (("s1",), "2400"), (("s2",), "1800"), (("s3",), "1200"), (("s4",), "0")]
    ages = Ages(tmp_path)
    assert ages.archived_at([3, 3]) == [AT - timedelta(minutes=20)] * 2
    for path in tmp_path.glob("segment-*"):
        path.unlink()
    assert ages.archived_at([3, 0]) == [AT - timedelta(minutes=20), None], "one that does not move is not looked up"
    assert Ages(tmp_path / "nowhere").archived_at([0]) == [None]


def layer(folder: Path | None, **changes: Any) -> Derived:  # as snapshot
    known: dict[str, Any] = {
        "points": 3,
        "seq": 40,
        "waiting": 2,
        "fault": False,
        "damage": False,
        "archive_fault": False,
        "values": {("day", RawStatus.DISTORTED): 5},
        "substitutes": {"interpolated": 4},
        "findings": {"backward": 2},
        "sinks": (),
        "folder": folder,
        "head": 7,
    }
    return Derived(**known | changes)


def test_without_points_there_is_nothing_of_the_derived_layer(tmp_path: Path) -> None:
    found = dict(collected(snapshot(tmp_path), Ages(tmp_path), DerivedAges(tmp_path)))
    assert not any(samples for family, samples in found.items() if family.name.startswith("gatewayd_metering_"))


def test_the_derived_layer(tmp_path: Path) -> None:
    """Counters are there from the beginning, also of what there was nothing of."""
    known = layer(tmp_path)
    values = dict(samples(tmp_path, names.METERING_VALUES, derived=known))
    assert values["day", "distorted"] == 5 and values["interval", "true"] == 0
    assert len(values) == len(Layer) * len(RawStatus)
    assert dict(samples(tmp_path, names.METERING_SUBSTITUTES, derived=known)) == {
        ("control",): 0,
        ("interpolated",): 4,
        ("comparable",): 0,
        ("estimate",): 0,
        ("manual",): 0,
    }
    findings = dict(samples(tmp_path, names.METERING_FINDINGS, derived=known))
    assert findings["backward",] == 2 and findings["zero",] == 0
    for family, value in (
        (names.METERING_POINTS, 3),
        (names.METERING_WAITING, 2),
        (names.METERING_HEAD, 7),
        (names.METERING_FAULT, 0),
        (names.METERING_DAMAGE, 0),
        (names.METERING_ARCHIVE_FAULT, 0),
        (names.METERING_BYTES, 0),
    ):
        assert samples(tmp_path, family, derived=known) == [((), value)], family.name
    damaged = layer(tmp_path, damage=True)
    assert samples(tmp_path, names.METERING_DAMAGE, derived=damaged) == [((), 1)]
    assert samples(tmp_path, names.METERING_FAULT, derived=damaged) == [((), 0)], "other days are derived"
    closed = layer(None, fault=True, archive_fault=True, seq=None, head=None)
    assert samples(tmp_path, names.METERING_FAULT, derived=closed) == [((), 1)]
    assert samples(tmp_path, names.METERING_ARCHIVE_FAULT, derived=closed) == [((), 1)]
    for family in (names.METERING_BYTES, names.METERING_SEQ, names.METERING_BEHIND, names.METERING_BEHIND_SECONDS):
        assert samples(tmp_path, family, derived=closed) == [], family.name
    assert samples(tmp_path, names.METERING_HEAD, derived=closed) == [], "0 would leap when it is opened"


def test_how_far_the_derived_layer_is_behind(tmp_path: Path) -> None:
    """In readings, and since the first of them was archived; each outbox by its own archive."""

    async def fill(folder: Path, minutes: tuple[int, ...]) -> None:
        store = Store(folder, "gw-1", lambda: 0)
        await asyncio.to_thread(store.open)
        try:
            for each in minutes:
                await store.append(entry(AT - timedelta(minutes=each)))
        finally:
            await asyncio.to_thread(store.close)

    asyncio.run(fill(tmp_path, (50, 40, 30)))
    asyncio.run(fill(derived_folder(tmp_path), (9, 7)))
    behind = layer(tmp_path, seq=1, sinks=[(SinkState("m", waiting=1, delivered=4, set_aside=6), 1)])
    own = [(SinkState("m", waiting=3), 0), (SinkState("t"), 3)]

    def one(family: Family, known: Derived = behind) -> list[Sample]:
        return samples(tmp_path, family, head=3, sinks=own, derived=known)

    assert one(names.METERING_SEQ) == [((), 1)]
    assert one(names.METERING_BEHIND) == [((), 2)]
    assert one(names.METERING_BEHIND_SECONDS) == [((), "2400")]
    done = layer(tmp_path, seq=3)
    assert one(names.METERING_BEHIND, done) == [((), 0)]
    assert one(names.METERING_BEHIND_SECONDS, done) == [((), "0")]
    assert one(names.METERING_OLDEST) == [(("m",), "420")]
    assert one(names.METERING_DEPTH) == [(("m",), 1)]
    assert one(names.METERING_DELIVERED) == [(("m",), 4)]
    assert one(names.METERING_SET_ASIDE) == [(("m",), 6)]
    assert one(names.METERING_SINK_UP) == [(("m",), 0)]
    assert one(names.OUTBOX_OLDEST) == [(("m",), "3000"), (("t",), "0")], "as before there were points"
    assert one(names.OUTBOX_DEPTH) == [(("m",), 3), (("t",), 0)]


def entry(at: datetime) -> Any:
    from gatewayd.archive.records import Entry
    from gatewayd.model import Exchange, Outcome, Ratio

    exchange = Exchange("em-1", "a", "readout", at, at, b"x", Outcome.DONE)
    return Entry(exchange, (interval(1, "1").reading,), (Ratio(),))


# -- many --------------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def gateway_of(config: Config) -> AsyncIterator[Gateway]:
    """Built of its parts; its workers do not run."""
    store, clock = daemon.build_store(config), build_clock(config)
    await asyncio.to_thread(store.open)
    try:
        acquisition = build_acquisition(config, store, clock)
        lines = SimpleNamespace(workers=build_workers(config, acquisition, {}, store.memory_of), broken={})
        sinks = SimpleNamespace(serving=[])
        parts: Any = (store, acquisition, lines, sinks, {}, clock, SimpleNamespace())
        made = Gateway(config, None, AT, AT, *parts)
        made.stage = Stage.SERVING
        yield made
    finally:
        await asyncio.to_thread(store.close)


def many(folder: Path) -> Config:
    """Two thousand meters on a hundred lines, and a line with five hundred of them."""
    config = configuration(folder)
    (meter,), (line,) = config.meters, config.lines.values()
    lines = {f"l{number}": line.model_copy(update={"id": f"l{number}"}) for number in range(101)}
    meters = tuple(
        replace(meter, id=f"em-{number}", line=f"l{number % 100 if number >= 500 else 100}") for number in range(MANY)
    )
    return replace(config, lines=lines, meters=meters)


async def held(page: "asyncio.Task[Any]") -> float:
    """The processor time of the longest turn of the loop until the page is there."""
    longest, before = 0.0, time.thread_time()
    while not page.done():
        await asyncio.sleep(0)
        now = time.thread_time()
        longest, before = max(longest, now - before), now
    return longest


def test_two_thousand_meters_cost_little_and_hold_nobody_up(tmp_path: Path) -> None:
    """Processor time, so that others on the machine do not count: below 100 ms, and 20 ms at a time."""

    async def main() -> None:
        config = many(tmp_path)
        async with gateway_of(config) as gateway:
            watch(gateway.acquisition.upkeep, config)
            await gateway.acquisition.upkeep.tick(datetime.now(UTC))
            await gateway.acquisition.upkeep.review()
            health = Health(gateway)
            costs: list[float] = []
            for _ in range(3):
                metrics = Metrics(gateway, health)
                begun = time.process_time()
                turn = await held(page := asyncio.create_task(metrics.page()))
                costs.append(time.process_time() - begun)
                assert turn < 0.02, turn
            text = page.result().body.decode()
            assert min(costs) < 0.1, costs
            assert text.count("\ngatewayd_meter_info{") == text.count("\ngatewayd_meter_fault{") == MANY
            assert text.count("\ngatewayd_profile_gaps{") == 2 * MANY
            assert text.count("\ngatewayd_line_state{") == 101

    asyncio.run(main())


class Slow:
    """A line of which it takes long to tell."""

    pulses = ()

    def state(self, *, meters: bool) -> LineState:
        assert not meters
        until = time.thread_time() + 0.002
        while time.thread_time() < until:
            pass
        return LineState("slow")

    def vitals(self) -> list[Vital]:
        return []


def test_many_lines_are_looked_at_in_turns(tmp_path: Path) -> None:
    async def main() -> None:
        async with gateway_of(configuration(tmp_path)) as gateway:
            gateway.lines.workers[:] = cast("Any", [Slow()] * 50)
            turn = await held(asyncio.create_task(Metrics(gateway, Health(gateway)).page()))
            assert 0.002 < turn < 0.02, "of a tenth of a second"

    asyncio.run(main())


def test_however_many_ask_it_is_collected_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with gateway_of(configuration(tmp_path)) as gateway:
            health = Health(gateway)
            metrics = Metrics(gateway, health)
            asking = [asyncio.create_task(metrics.page()) for _ in range(50)]
            await asyncio.sleep(0)
            asking[0].cancel()  # who goes takes it from nobody else
            pages = await asyncio.gather(*asking[1:])
            assert len({id(page.body) for page in pages}) == 1
            assert (await metrics.page()).body is pages[0].body, "it is still fresh"
            monkeypatch.setattr("gatewayd.daemon.metrics.FRESH_S", 0.0)
            assert (await metrics.page()).body is not pages[0].body
            metrics.close()
            health.close()

    asyncio.run(main())
