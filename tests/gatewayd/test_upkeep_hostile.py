"""Meters, configurations and archives that would leave a hole, a value twice, or asking without end."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gatewayd.archive.records import Bundle, Entry, Receipt, Record
from gatewayd.channel import Channel
from gatewayd.errors import ArchiveError, MeterDiffers, ProtocolError
from gatewayd.legal_time import QUARTER, Grid, legal_day
from gatewayd.model import Answer, Archived, Flag, LoadProfile, Profile, RawStatus, Reading, Request
from gatewayd.obis import Obis
from gatewayd.overdue import PATIENCE as GIVEN_UP
from tests.gatewayd.archive.samples import entry
from tests.gatewayd.doubles import PATIENCE
from tests.gatewayd.profile_world import (
    CODES,
    DAY,
    GRID,
    HOUR,
    METER,
    ORDER,
    PROFILE,
    START,
    ScriptedMeter,
    World,
    row,
    values_of,
)

MINUTE = timedelta(minutes=1)
Behaviour = Callable[[Profile, list[Reading]], AsyncGenerator[Answer, None]]


@dataclass
class Stage(World):
    """A world whose meter behaves as the test says, once `behaves` is set."""

    behaves: Behaviour | None = None

    async def _conversation(self, channel: Channel, request: Request) -> AsyncGenerator[Answer, None]:
        if self.behaves is None or not isinstance(request, Profile):
            async for answer in super()._conversation(channel, request):
                yield answer
            return
        await channel.receive(deadline=0)
        self.asked.append(request)
        async for answer in self.behaves(request, self.meter.rows(request.start, request.end, self.now)):
            yield answer


def stage(folder: Path, days: int = 2) -> Stage:
    world = Stage(folder, now=START + 20 * MINUTE)
    world.meter.since = START - days * DAY
    return world


def play(scene: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(scene(), 4 * PATIENCE))


def there(archived: Sequence[Archived]) -> set[datetime]:
    """The ends of the intervals that have a value."""
    return {one.reading.at for one in archived if one.reading.status is not RawStatus.MISSING}


def told(archived: Sequence[Archived]) -> dict[datetime, str]:
    return {one.reading.at: one.reading.more[0] for one in archived if one.reading.status is RawStatus.MISSING}


def once(archived: Sequence[Archived]) -> bool:
    """Whether no channel of an interval has more than one value."""
    return all(
        sum(one.status is not RawStatus.MISSING for one in readings) <= 1 for readings in values_of(archived).values()
    )


def covers(request: Profile, instants: Sequence[datetime]) -> bool:
    return any(request.start < at <= request.end for at in instants)


# -- one bad day -------------------------------------------------------------------------------------------------------


def test_bad_days_do_not_stand_before_the_others_and_are_told_though_the_meter_answers(tmp_path: Path) -> None:
    world = stage(tmp_path)
    bad = [START + 8 * DAY + 2 * HOUR, START + 6 * DAY + 2 * HOUR, START + 5 * DAY + 2 * HOUR]

    async def behaves(request: Profile, rows: list[Reading]) -> AsyncGenerator[Answer, None]:
        if covers(request, bad):
            raise ProtocolError("nonsense")
        yield Answer(tuple(rows))

    async def scene() -> None:
        async with world.gateway() as gateway:
            await gateway.all()
            world.advance(10 * DAY)
            world.behaves = behaves
            for _ in range(12):
                world.advance(10 * MINUTE)
                await gateway.session()
                await gateway.tick()
            missing = {GRID.end(n) for n in range(GRID.last(START), GRID.last(world.now))} - there(world.archived())
            assert {legal_day(at) for at in missing} == set(map(legal_day, bad))
            assert len(missing) <= 3 * 96
            assert not told(world.archived()), "it has only just begun to fail"
            for _ in range(16):
                world.advance(5 * HOUR)
                await gateway.session()  # the newest rows come, each time
                await gateway.tick()
            assert set(told(world.archived())) == missing
            assert set(told(world.archived()).values()) == {"the answers of the meter could not be understood"}
            world.behaves = None
            await gateway.session()
            await gateway.session()
            assert missing <= there(world.archived()), "and it comes, late, when it can be read"

    play(scene)
    assert once(world.archived())


def test_a_piece_that_takes_too_long_does_not_stand_before_the_others(tmp_path: Path) -> None:
    world = stage(tmp_path)

    async def behaves(request: Profile, rows: list[Reading]) -> AsyncGenerator[Answer, None]:
        if covers(request, [START + 3 * DAY + HOUR]):
            await asyncio.Event().wait()
        yield Answer(tuple(rows))

    async def scene() -> None:
        async with world.gateway() as gateway:
            await gateway.all()
            world.advance(5 * DAY)
            world.behaves = behaves
            for _ in range(10):
                await gateway.session(seconds=1.0)
                if START + DAY in there(world.archived()):
                    return
            raise AssertionError("what lies before the piece was never asked for")

    play(scene)


def test_a_meter_that_denies_the_profile_where_it_has_no_rows(tmp_path: Path) -> None:
    world = stage(tmp_path)
    world.meter.off = [(START + DAY, START + 3 * DAY)]

    async def behaves(request: Profile, rows: list[Reading]) -> AsyncGenerator[Answer, None]:
        if not rows:
            raise MeterDiffers("answers (ERROR): it has no such profile, or nothing of it in this time")
        yield Answer(tuple(rows))

    async def scene() -> None:
        async with world.gateway() as gateway:
            world.behaves = behaves
            await gateway.all()
            world.advance(5 * DAY)
            session = await gateway.session()
            assert (session.results[0].fault, session.results[0].left) == (None, 0)
            world.advance(QUARTER)
            world.asked.clear()
            await gateway.session()
            assert len(world.asked) == 1, "what it does not have is known"
            await gateway.tick()
            assert set(told(world.archived()).values()) == {"the meter has no row, its supply had failed"}
            world.meter.since = world.now + DAY  # it has lost everything, and the profile with it
            world.advance(QUARTER)
            session = await gateway.session()
            assert isinstance(session.results[0].fault, MeterDiffers), "then it is a fault"

    play(scene)


# -- lengths -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("minutes", [60, 5])
def test_a_short_cut_does_not_count_where_another_length_is_configured(tmp_path: Path, minutes: int) -> None:
    world = stage(tmp_path)
    world.order = replace(ORDER, period=QUARTER)

    async def scene() -> None:
        async with world.gateway() as gateway:
            await gateway.all()
            await gateway.upkeep.save()
        before = len(world.archived())
        world.order, world.policy = ORDER, replace(world.policy, period=minutes * MINUTE)
        async with world.gateway() as gateway:
            await gateway.all()
            assert gateway.upkeep.progress()[0].present == 2 * 96 + 1
            world.policy = replace(world.policy, period=QUARTER)
            gateway.upkeep.watch(METER, ORDER, world.policy)  # as a reload does
            await gateway.all()
            assert gateway.upkeep.progress()[0].present == 2 * 96 + 1
        assert len(world.archived()) == before

    play(scene)


@dataclass
class Changing(ScriptedMeter):
    """Its intervals have other lengths from each of these instants on."""

    lengths: list[tuple[datetime, timedelta]] = field(default_factory=list)

    def rows(self, start: datetime, end: datetime, now: datetime) -> list[Reading]:
        found: list[Reading] = []
        spans = [(self.since, QUARTER), *self.lengths]
        for place, (begin, period) in enumerate(spans):
            until = spans[place + 1][0] if place + 1 < len(spans) else now
            grid = Grid(period)
            numbers = range(grid.last(max(start, begin)) + 1, grid.last(min(end, until, now)) + 1)
            ends = [at for at in map(grid.end, numbers) if not any(a < at <= b for a, b in self.off)]
            found += [
                row(at, code, f"{at:%d%H%M}.{n}", seconds=int(period.total_seconds()))
                for at in ends
                for n, code in enumerate(self.codes)
            ]
        return found


@pytest.mark.parametrize("lost", [False, True])
def test_a_length_that_changes_leaves_nothing_out_and_makes_nothing_twice(tmp_path: Path, lost: bool) -> None:
    world = stage(tmp_path)
    change, back = START + 4 * DAY + 30 * MINUTE, START + 8 * DAY
    dark = START + DAY + HOUR, START + DAY + 3 * HOUR + 30 * MINUTE
    world.meter = Changing(START - 2 * DAY, lengths=[(change, HOUR), (back, QUARTER)], off=[dark])

    async def scene() -> None:
        for wait in (timedelta(0), 5 * DAY, 2 * DAY, 3 * DAY, 2 * DAY):
            world.advance(wait)
            async with world.gateway() as gateway:
                await gateway.all()
                await gateway.tick()
                if not lost:
                    await gateway.upkeep.save()
        async with world.gateway() as gateway:
            await gateway.tick()

    play(scene)
    archived = world.archived()
    rows = world.meter.rows(world.meter.since, world.now, world.now)
    assert {(one.at, one.code, one.interval_s) for one in rows} == {
        (one.reading.at, one.reading.code, one.reading.interval_s)
        for one in archived
        if one.reading.status is not RawStatus.MISSING
    }
    for at, seconds in {(one.at, one.interval_s) for one in rows}:
        values = [one for one in archived if (one.reading.at, one.reading.interval_s) == (at, seconds)]
        assert len([one for one in values if one.reading.status is not RawStatus.MISSING]) == len(CODES)
    explained = told(archived)
    assert explained and set(explained.values()) == {"the meter has no row"}
    assert all(dark[0] < at <= dark[1] + HOUR for at in explained)
    assert {dark[0] + HOUR, dark[0] + 2 * HOUR} <= set(explained)


# -- what is on its way to the disk ------------------------------------------------------------------------------------


def test_a_row_that_comes_again_in_the_next_answer_is_compared_with_the_first(tmp_path: Path) -> None:
    world = stage(tmp_path)

    async def behaves(request: Profile, rows: list[Reading]) -> AsyncGenerator[Answer, None]:
        yield Answer(tuple(rows))
        yield Answer(tuple(rows))
        yield Answer(tuple(row(one.at, one.obis_raw, f"9{one.raw_text}") for one in rows[:2]))

    async def scene() -> None:
        world.behaves = behaves
        async with world.gateway() as gateway:
            await gateway.session()
            assert gateway.upkeep._memory.known[METER.id, str(PROFILE)].fresh, "nothing is in doubt"

    play(scene)
    counts = [len(readings) for readings in values_of(world.archived()).values()]
    assert set(counts) == {1, 2} and counts.count(2) <= 2 * len(world.asked)
    assert all(
        Flag.CONFLICT in readings[1].flags for readings in values_of(world.archived()).values() if len(readings) == 2
    )


@pytest.mark.parametrize(
    "asked_by_hand", [Profile(PROFILE, START - 9 * DAY, START - 8 * DAY), Profile(PROFILE, START, START + DAY)]
)
def test_what_a_cancelled_session_has_left_open_is_found_out_before_anybody_asks(
    tmp_path: Path, asked_by_hand: Profile
) -> None:
    world = stage(tmp_path)

    async def scene() -> None:
        async with world.gateway() as gateway:
            await gateway.all()
            world.advance(DAY)
            rows = world.meter.rows(START, world.now, world.now)
            sifted = await gateway.upkeep.sift(METER, rows, ORDER)
            made = entry(*[one for one in sifted if isinstance(one, Reading)])
            request = Profile(PROFILE, START, world.now).text
            asked = replace(made.exchange, meter=METER.id, request=request)
            await gateway.store.append(replace(made, exchange=asked))
            # cancelled here; then a technician asks for a time of which there is nothing, or for the same
            await gateway.session(asked_by_hand)
            await gateway.all()

    play(scene)
    assert once(world.archived())


def test_what_a_cancelled_session_has_sent_to_the_disk_is_waited_for_by_another_configuration(tmp_path: Path) -> None:
    world = stage(tmp_path)

    async def scene() -> None:
        async with world.gateway() as gateway:
            await gateway.all()
            world.advance(DAY)
            sifted = await gateway.upkeep.sift(METER, world.meter.rows(START, world.now, world.now), ORDER)
            made = entry(*[one for one in sifted if isinstance(one, Reading)])
            asked = replace(made.exchange, meter=METER.id, request=Profile(PROFILE, START, world.now).text)
            taken, go_on = threading.Event(), threading.Event()

            def slow_disk(head: int) -> None:
                taken.set()
                go_on.wait(PATIENCE)

            gateway.store.on_commit(slow_disk)
            gateway.store.submit(made)  # keeps the writer busy
            await asyncio.to_thread(taken.wait, PATIENCE)
            gateway.store.submit(replace(made, exchange=asked))
            # cancelled here, and the configuration is another one
            world.order = replace(ORDER, period=QUARTER)
            gateway.upkeep.watch(METER, world.order, world.policy)
            loading = asyncio.create_task(gateway.upkeep.load(METER, world.order, world.policy))
            done, _ = await asyncio.wait([loading], timeout=0.5)
            gateway.store.forget(slow_disk)
            go_on.set()
            assert not done, "it waits for the disk"
            await loading
            assert gateway.upkeep.progress()[0].newest == START + DAY + QUARTER

    play(scene)


def test_what_a_failing_disk_has_kept_is_not_archived_again(tmp_path: Path) -> None:
    world = stage(tmp_path)

    async def scene() -> None:
        async with world.gateway() as gateway:
            await gateway.all()
            world.advance(DAY)
            queued = gateway.store.queued

            def kept_and_denied(record: Record) -> asyncio.Future[Receipt]:
                result = queued(record)
                if not isinstance(record, Entry | Bundle) or not record.readings:
                    return result
                denied: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
                result.add_done_callback(lambda _: denied.set_exception(ArchiveError("input/output error")))
                return denied

            gateway.store.queued = kept_and_denied  # type: ignore[method-assign]
            with pytest.raises(ArchiveError):
                await gateway.session()
            gateway.store.queued = queued  # type: ignore[method-assign]
            await gateway.all()

    play(scene)
    assert once(world.archived())
    assert GRID.end(GRID.last(world.now)) in there(world.archived())


# -- profiles and channels ---------------------------------------------------------------------------------------------


def test_two_profiles_with_the_same_channels_have_each_value_once_and_both_are_complete(tmp_path: Path) -> None:
    world = stage(tmp_path)
    other = LoadProfile(Obis.parse("1-0:99.2.0"), months=1)

    async def scene() -> None:
        async with world.gateway() as gateway:
            gateway.upkeep.watch(METER, other, world.policy)
            for _ in range(3):
                await gateway.session(ORDER, other)
                await gateway.session(other)
                world.advance(DAY)
                await gateway.tick()
            world.asked.clear()
            await gateway.session(ORDER, other)
            await gateway.tick()
            assert [one.missing for one in gateway.upkeep.progress()] == [0, 0]
            assert len({one.present for one in gateway.upkeep.progress()}) == 1
            assert len(world.asked) == 2

    play(scene)
    assert once(world.archived()) and not told(world.archived())


def test_a_channel_that_is_configured_and_does_not_come_is_an_alarm(tmp_path: Path) -> None:
    world = stage(tmp_path)
    world.order = replace(ORDER, channels=tuple(map(Obis.parse, ("1-0:1.29.0", "1-0:5.29.0"))))

    async def scene() -> None:
        async with world.gateway() as gateway:
            assert await gateway.tick() == (), "nothing is known yet"
            await gateway.all()
            assert await gateway.tick() == ("1-0:99.1.0 has no channel 1-0:5.29.0",)
            world.meter.codes = ("1.29.0", "5.29.0")
            world.advance(QUARTER)
            await gateway.session()
            assert await gateway.tick() == ()
            world.meter.codes = ("1.29.0",)
            world.advance(QUARTER)
            await gateway.session()
            assert len(await gateway.tick()) == 1
            gateway.upkeep.forget(METER.id)
            assert await gateway.upkeep.tick(world.now) == {METER.id: ()}, "it has to be said that it is over"
            assert await gateway.upkeep.tick(world.now) == {}

    play(scene)


# -- clocks ------------------------------------------------------------------------------------------------------------


def test_a_profile_that_was_configured_in_the_future_is_told_all_the_same(tmp_path: Path) -> None:
    world = stage(tmp_path)
    world.order = replace(ORDER, channels=(Obis.parse("1-0:1.29.0"),))
    world.meter.since = START + 1000 * DAY

    async def scene() -> None:
        world.now = START + 3000 * DAY
        async with world.gateway() as gateway:
            await gateway.tick()
            await gateway.upkeep.save()
        world.now = START
        async with world.gateway() as gateway:
            await gateway.tick()
            world.advance(5 * DAY + timedelta(seconds=GIVEN_UP))
            await gateway.tick()

    play(scene)
    assert len(told(world.archived())) >= 96


def test_what_follows_something_that_was_told_is_told_as_well(tmp_path: Path) -> None:
    """A meter that is dead when it is configured, and has rows only from the day on which it was exchanged."""
    world = stage(tmp_path)
    world.order = replace(ORDER, channels=tuple(map(Obis.parse, ("1-0:1.29.0", "1-0:2.29.0"))))
    world.meter.since = START + 9 * DAY

    async def scene() -> None:
        async with world.gateway() as gateway:
            for _ in range(14):
                await gateway.tick()
                world.advance(DAY)
                await (gateway.session() if world.now > world.meter.since else asyncio.sleep(0))
            await gateway.tick()

    play(scene)
    found = there(world.archived()) | set(told(world.archived()))
    assert min(found) < START + DAY
    assert len(found) == GRID.last(max(found)) - GRID.last(min(found)) + 1, "without a hole"
