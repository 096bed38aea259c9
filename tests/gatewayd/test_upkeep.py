"""A profile that is kept complete, with a real archive: nothing twice, nothing lost, everything explained."""

import asyncio
import shutil
import tempfile
from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import structs

from gatewayd.archive.query import Reader
from gatewayd.archive.set_aside import state_path
from gatewayd.coverage import Coverage
from gatewayd.errors import ChannelError, GatewayError, MeterSilent, ProtocolError
from gatewayd.legal_time import PRAGUE, QUARTER, day_bounds, instant
from gatewayd.model import (
    NO_FLAGS,
    Archived,
    Exchange,
    Flag,
    Increments,
    Kind,
    LoadProfile,
    Meter,
    Part,
    Profile,
    RawStatus,
    Reading,
)
from gatewayd.obis import Obis
from gatewayd.runs import NONE
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
    Gateway,
    ScriptedMeter,
    World,
    row,
    values_of,
)

KEY = METER.id, str(PROFILE)


def play(scene: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(scene(), 4 * PATIENCE))


def coverage(gateway: Gateway) -> Coverage:
    return gateway.upkeep._memory.known[KEY].coverage


def check(world: World) -> None:
    """Each interval from the oldest that is there to a day ago is in the archive once as a value, or once as missing
    with a reason where the meter does not have it; a value that comes behind a missing one is late."""
    found = values_of(world.archived())
    valued = [at for (at, _), readings in found.items() if any(one.status is not RawStatus.MISSING for one in readings)]
    if not valued:
        return
    for number in range(GRID.last(min(valued)), GRID.last(world.now - DAY) + 1):
        at = GRID.end(number)
        for code in CODES:
            readings = found.get((at, str(Obis.parse(code))), [])
            values = [one for one in readings if one.status is not RawStatus.MISSING]
            told = [one for one in readings if one.status is RawStatus.MISSING]
            assert len(values) == world.meter.has(at), (at, readings)
            assert len(told) <= 1 and (values or told), (at, readings)
            assert all(one.more[0] and one.raw == b"" for one in told)
            if values and told:
                assert readings == [*told, *values] and Flag.LATE in values[0].flags
            elif values:
                assert Flag.LATE not in values[0].flags


def test_a_new_meter_is_read_back_and_asked_only_for_what_is_new(tmp_path: Path) -> None:
    world = World(tmp_path, now=START + 20 * timedelta(minutes=1))
    world.meter.since = START - 5 * DAY

    async def scene() -> None:
        async with world.gateway() as gateway:
            session = await gateway.session()
            assert session.results[0].fault is None and session.results[0].left == 0
            assert [one.end - one.start for one in world.asked[1:6]] == [DAY] * 5
            assert len(values_of(session.results[0].readings)) == (5 * 96 + 1) * 2
            world.asked.clear()
            assert (await gateway.session()).results[0].readings == ()
            assert world.asked == [], "the line is not even opened"
            world.advance(DAY)
            session = await gateway.session()
            assert [(one.start, one.end) for one in world.asked] == [(START + QUARTER, START + DAY + QUARTER)]
            assert len(session.results[0].readings) == 192

    play(scene)
    check(world)


def test_nothing_is_forgotten_at_a_restart_however_it_comes(tmp_path: Path) -> None:
    world = World(tmp_path, now=START + 20 * timedelta(minutes=1))
    world.meter.since = START - 5 * DAY

    async def scene() -> None:
        async with world.gateway() as gateway:
            await gateway.all()
            await gateway.upkeep.save()
            saved = coverage(gateway)
        async with world.gateway() as gateway:
            await gateway.session()
            assert (coverage(gateway).there, coverage(gateway).asked) == (saved.there, saved.asked)
            world.advance(DAY)
            await gateway.session()  # and killed before anything is written down
            there = coverage(gateway).there
            world.asked.clear()
        async with world.gateway() as gateway:
            await gateway.session()
            assert coverage(gateway).there == there and world.asked == []
        state_path(tmp_path).unlink()
        before = len(world.archived())
        async with world.gateway() as gateway:
            await gateway.all()
            assert coverage(gateway).there == there
            horizon = GRID.last(day_bounds(date(2026, 9, 22))[0]) + 1  # a day later than before
            assert coverage(gateway).asked == saved.asked.within(horizon, 1 << 40)
            assert coverage(gateway).begun == START + 20 * timedelta(minutes=1)
        assert len(world.archived()) == before
        assert all(one.end <= START - 4 * DAY for one in world.asked), "only what the meter does not have"

    play(scene)
    check(world)


def test_an_archive_that_is_shorter_than_the_short_cut_says_is_believed(tmp_path: Path) -> None:
    world = World(tmp_path / "a", now=START + 20 * timedelta(minutes=1))
    world.meter.since = START - 2 * DAY

    async def scene() -> None:
        async with world.gateway() as gateway:
            await gateway.all()
        shutil.copytree(world.folder, tmp_path / "copy")
        world.advance(DAY)
        async with world.gateway() as gateway:
            await gateway.all()
            await gateway.upkeep.save()
        for path in world.folder.glob("*"):
            if path.name.startswith(("segment", "head")):
                path.unlink()
        for path in (tmp_path / "copy").glob("*"):
            if path.name.startswith(("segment", "head")):
                shutil.copy(path, world.folder)
        world.advance(2 * DAY)
        async with world.gateway() as gateway:
            await gateway.all()

    play(scene)
    check(world)


def test_what_is_put_aside_while_the_gateway_runs_is_found_out(tmp_path: Path) -> None:
    world = World(tmp_path, now=START + 20 * timedelta(minutes=1))
    world.meter.since = START - 2 * DAY

    async def scene() -> None:
        async with world.gateway() as gateway:
            await gateway.all()
            known = gateway.upkeep._memory.known[KEY]
            known.coverage = structs.replace(known.coverage, there=NONE)  # as if none of it were right any more
            (tmp_path / "quarantine" / "segment-000001-20261020T222000Z").mkdir(parents=True)
            await gateway.session()
            assert coverage(gateway).there.count(0, 1 << 40) == 2 * 96 + 1

    play(scene)
    check(world)


@pytest.mark.parametrize("sure", [True, False])
def test_what_is_put_aside_is_known_before_the_next_session(tmp_path: Path, *, sure: bool) -> None:
    """Nobody says meanwhile that what was put aside is there: within a minute it is a gap, or, while the gateway's
    clock is doubtful, not known."""
    world = World(tmp_path, now=START + 20 * timedelta(minutes=1))
    world.meter.since = START - 2 * DAY

    async def scene() -> None:
        async with world.gateway() as gateway:
            await gateway.all()
            (before,) = gateway.upkeep.progress()
            assert before.present == 2 * 96 + 1
            (tmp_path / "quarantine" / "segment-000001-20261020T222000Z").mkdir(parents=True)
            await gateway.store.seal()
            lost = tmp_path / "segment-000001.sqlite"
            lost.rename(tmp_path / "quarantine" / "segment-000001-20261020T222000Z" / lost.name)
            world.sure = sure
            await gateway.upkeep.tick(world.now)
            await gateway.upkeep.review()
            assert [one.present for one in gateway.upkeep.progress()] == ([0] if sure else [])
            if sure:
                world.now += timedelta(minutes=1)
                await gateway.all()
                (after,) = gateway.upkeep.progress()
                assert after.present == 2 * 96 + 1, "the meter was asked for it again"

    play(scene)


def test_what_was_put_aside_is_read_again(tmp_path: Path) -> None:
    world = World(tmp_path, now=START + 20 * timedelta(minutes=1))
    world.meter.since = START - 2 * DAY

    async def scene() -> None:
        async with world.gateway() as gateway:
            await gateway.all()
            await gateway.upkeep.save()
        path = tmp_path / "segment-000001.sqlite"
        path.write_bytes(b"no database" * 1000)
        async with world.gateway() as gateway:
            assert (tmp_path / "quarantine").is_dir()
            await gateway.all()
            assert coverage(gateway).there.count(0, 1 << 40) == 2 * 96 + 1

    play(scene)
    check(world)


def test_an_outage_of_ten_days_is_asked_newest_first_and_in_order(tmp_path: Path) -> None:
    world = World(tmp_path, now=START + 20 * timedelta(minutes=1))
    world.meter.since = START - 2 * DAY

    async def scene() -> None:
        async with world.gateway() as gateway:
            await gateway.all()
            world.asked.clear()
            world.advance(10 * DAY)  # from summer into winter time
            await gateway.all()
            assert [one.end for one in world.asked] == sorted((one.end for one in world.asked), reverse=True)
            assert {one.start for one in world.asked[:-1]} == {one.end for one in world.asked[1:]}
            days = [date(2026, 10, 21) + timedelta(days=n) for n in range(9, 0, -1)]
            assert [one.start for one in world.asked[:-1]] == [instant(day, time(0)) for day in days]

    play(scene)
    check(world)


def test_a_piece_that_failed_is_asked_for_again_only_in_the_next_run(tmp_path: Path) -> None:
    world = World(tmp_path, now=START + 20 * timedelta(minutes=1))
    world.meter.since = START - 20 * DAY

    async def scene() -> None:
        async with world.gateway() as gateway:
            world.faults = [None, ProtocolError("nonsense"), None, ProtocolError("nonsense")]
            session = await gateway.session()
            assert isinstance(session.results[0].fault, ProtocolError) and session.results[0].left > 0
            assert len(world.asked) == 4 and len({one.start for one in world.asked}) == 4
            failed = world.asked[1]
            world.asked.clear()
            await gateway.all()
            assert world.asked[0].end == failed.end and world.asked[0].start > failed.start, "half of it had come"

    play(scene)
    check(world)


def test_a_supply_failure_is_told_once_with_its_reason(tmp_path: Path) -> None:
    world = World(tmp_path, now=START + 20 * timedelta(minutes=1))
    world.meter.since = START - 2 * DAY
    world.meter.off = [(START - 10 * HOUR, START - 7 * HOUR)]

    async def scene() -> None:
        async with world.gateway() as gateway:
            await gateway.all()
            await gateway.tick()
            world.advance(2 * DAY - HOUR)
            await gateway.all()
            await gateway.tick()
            assert all(one.reading.status is RawStatus.TRUE for one in world.archived())
            world.advance(HOUR)
            await gateway.all()
            for _ in range(3):
                await gateway.tick()
        async with world.gateway() as gateway:
            await gateway.tick()
            await gateway.all()
            await gateway.tick()

    play(scene)
    told = [one for one in world.archived() if one.reading.status is RawStatus.MISSING]
    assert len(told) == 12 * 2
    assert {one.reading.more for one in told} == {("the meter has no row, its supply had failed",)}
    assert {one.reading.flags for one in told} == {Flag.NOT_SENT | Flag.POWER_DOWN}
    assert {(one.serial, one.point, one.reading.unit, one.reading.interval_s) for one in told} == {
        ("35031234", METER.point, "kWh", 900)
    }
    requests = [one for one in Reader(tmp_path).exchanges() if one.request.startswith("gap ")]
    assert [one.request for one in requests] == [
        "gap 1-0:99.1.0*255 2026-10-20T12:00:00Z/2026-10-20T15:00:00Z",
    ]
    check(world)


def test_a_silent_meter_is_told_when_its_window_is_over_and_late_values_take_their_place(tmp_path: Path) -> None:
    world = World(tmp_path, now=START + 20 * timedelta(minutes=1))
    world.meter.since = START - 2 * DAY

    async def scene() -> None:
        async with world.gateway() as gateway:
            await gateway.all()
            for _ in range(5):
                world.advance(DAY)
                world.faults = [MeterSilent("silent")]
                await gateway.session()
                await gateway.tick()
            told = [one.reading for one in world.archived() if one.reading.status is RawStatus.MISSING]
            assert {one.at for one in told} == {
                GRID.end(number) for number in range(GRID.last(START) + 2, GRID.last(START + 2 * DAY) + 1)
            }
            assert {(one.flags, one.more) for one in told} == {(Flag.NOT_READ, ("the meter did not answer",))}
            await gateway.all()
            await gateway.tick()

    play(scene)
    late = [one.reading for one in world.archived() if Flag.LATE in one.reading.flags]
    assert late and {one.status for one in late} == {RawStatus.TRUE}
    check(world)


def test_nothing_is_told_while_the_clock_is_doubtful_or_the_meter_has_not_been_given_up(tmp_path: Path) -> None:
    world = World(tmp_path, now=START + 20 * timedelta(minutes=1))
    world.meter.since = START - 2 * DAY

    async def scene() -> None:
        async with world.gateway() as gateway:
            await gateway.all()
            world.sure = False
            world.advance(10 * DAY)
            assert await gateway.upkeep.tick(world.now) == {}
            assert not any(one.reading.status for one in world.archived())
        world.sure = True
        async with world.gateway() as gateway:
            await gateway.tick()
            assert not any(one.reading.status for one in world.archived()), "it has only just started"
            world.advance(5 * HOUR)
            await gateway.tick()
            assert not any(one.reading.status for one in world.archived())
            world.advance(HOUR)
            await gateway.tick()
            told = [one.reading for one in world.archived() if one.reading.status]
            assert {one.more for one in told} == {("the meter was not asked",)}

    play(scene)


def test_the_gateway_says_that_it_was_not_running(tmp_path: Path) -> None:
    world = World(tmp_path, now=START + 20 * timedelta(minutes=1))
    world.meter.since = START - 2 * DAY

    async def scene() -> None:
        async with world.gateway() as gateway:
            await gateway.all()
            await gateway.upkeep.save()
        world.advance(5 * DAY)
        async with world.gateway() as gateway:
            await gateway.tick()
            world.faults = [ChannelError("no carrier")]
            await gateway.session()
            world.advance(7 * HOUR)
            await gateway.tick()

    play(scene)
    told = [one.reading for one in world.archived() if one.reading.status]
    assert told and {one.more for one in told} == {("the gateway was not running",)}


def test_the_meters_word_is_no_evidence_where_its_clock_is_wrong(tmp_path: Path) -> None:
    world = World(tmp_path, now=START + 20 * timedelta(minutes=1))
    world.meter.since = START - 2 * DAY

    async def scene() -> None:
        async with world.gateway() as gateway:
            await gateway.upkeep.load(METER, ORDER, world.policy)
            piece = gateway.upkeep.pieces(METER, ORDER)[3]
            assert (piece.start, piece.end) == (START - 3 * DAY, START - 2 * DAY)
            gateway.upkeep.answered(METER, ORDER, piece, None, evidence=False)
            assert piece not in gateway.upkeep.pieces(METER, ORDER), "not again in this run"
            assert not coverage(gateway).asked
            await gateway.upkeep.load(METER, ORDER, world.policy)
            assert piece not in gateway.upkeep.pieces(METER, ORDER), "nor in the next: the clock is as wrong as it was"
            world.sure = False
            gateway.upkeep.answered(METER, ORDER, piece, None)
            assert not coverage(gateway).asked, "nor is it while the gateway does not know its own time"
            world.sure = True
            gateway.upkeep.answered(METER, ORDER, piece, None)
            assert coverage(gateway).asked.count(0, 1 << 40) == 96
            younger = gateway.upkeep.pieces(METER, ORDER)[2]
            assert younger.end == START - DAY
            gateway.upkeep.answered(METER, ORDER, younger, None)
            assert coverage(gateway).asked.count(0, 1 << 40) == 96 + 1, "and what is two days old"

    play(scene)


def test_what_was_asked_for_in_vain_is_asked_for_again_after_an_hour(tmp_path: Path) -> None:
    world = World(tmp_path, now=START + 20 * timedelta(minutes=1))
    world.meter.since = START - 2 * DAY

    async def scene() -> None:
        async with world.gateway() as gateway:
            await gateway.upkeep.load(METER, ORDER, world.policy)
            oldest = gateway.upkeep.pieces(METER, ORDER)[2]
            gateway.upkeep.answered(METER, ORDER, oldest, None, evidence=False)
            for wait, again in ((59, False), (1, True)):
                world.advance(wait * timedelta(minutes=1))
                await gateway.upkeep.load(METER, ORDER, world.policy)
                assert (oldest in gateway.upkeep.pieces(METER, ORDER)) is again

    play(scene)


def test_a_meter_that_shows_a_day_only_in_the_next_morning_ends_with_all_values(tmp_path: Path) -> None:
    """At 06:00, and it is read at 00:20: what it does not show yet is no hole."""
    day = date(2026, 10, 21)
    world = World(tmp_path, now=instant(day, time(0, 20)))
    world.meter.since = START - 5 * DAY
    original = world.meter.rows

    def published(start: datetime, end: datetime, now: datetime) -> list[Reading]:
        today = now.astimezone(PRAGUE).date()
        shown = today if now >= instant(today, time(6, 0)) else today - DAY
        return original(start, min(end, instant(shown, time(0))), now)

    world.meter.rows = published  # type: ignore[method-assign]

    async def scene() -> None:
        async with world.gateway() as gateway:
            for number in range(8):  # from summer into winter time
                world.advance(instant(day + number * DAY, time(0, 20)) - world.now)
                await gateway.all()
                world.advance(5 * timedelta(minutes=1))
                await gateway.tick()
                world.advance(DAY / 2)
                await gateway.tick()
            world.asked.clear()
            world.advance(instant(day + 7 * DAY, time(23, 0)) - world.now)
            await gateway.all()
            assert [one.end for one in world.asked] == [world.now, instant(day + 7 * DAY, time(0))]

    play(scene)
    found = values_of(world.archived())
    assert {one.status for readings in found.values() for one in readings} == {RawStatus.TRUE}
    oldest, newest = GRID.last(world.meter.since) + 1, GRID.last(instant(day + 7 * DAY, time(0)))
    assert {at for at, _ in found} == {GRID.end(number) for number in range(oldest, newest + 1)}
    assert {len(readings) for readings in found.values()} == {1}


def test_a_young_hole_is_asked_for_again_after_an_hour_and_not_before(tmp_path: Path) -> None:
    world = World(tmp_path, now=START + 20 * timedelta(minutes=1))
    world.meter.since = START - 4 * DAY
    hole, old = (START - 10 * HOUR, START - 9 * HOUR), (START - 2 * DAY - 10 * HOUR, START - 2 * DAY - 9 * HOUR)
    world.meter.off = [hole, old]

    def again() -> list[tuple[datetime, datetime]]:
        found = [(one.start, one.end) for one in world.asked if one.end <= START]
        world.asked.clear()
        return found

    async def scene() -> None:
        async with world.gateway() as gateway:
            await gateway.all()
            again()
            for minutes, expected in ((1, []), (58, []), (1, [hole]), (1, []), (58, []), (1, [hole])):
                world.advance(minutes * timedelta(minutes=1))
                await gateway.all()
                assert again() == expected
            world.meter.off = [old]
            for _ in range(2):
                world.advance(HOUR)
                await gateway.all()
            assert again() == [hole], "its rows have come"
            await gateway.tick()

    play(scene)
    check(world)


def test_a_hole_is_not_asked_for_any_more_when_it_is_two_days_old(tmp_path: Path) -> None:
    world = World(tmp_path, now=START + 20 * timedelta(minutes=1))
    world.meter.since = START - 2 * DAY
    hole = START - 10 * HOUR, START - 9 * HOUR
    world.meter.off = [hole]

    async def scene() -> None:
        async with world.gateway() as gateway:
            await gateway.all()
            times: list[datetime] = []
            for _ in range(60):
                world.asked.clear()
                world.advance(HOUR)
                await gateway.all()
                times += [world.now for one in world.asked if one.end <= START]
            assert times == [START + HOUR * n + 20 * timedelta(minutes=1) for n in range(1, 40)]
            assert times[-1] - HOUR < hole[1] + 2 * DAY <= times[-1]

    play(scene)


def test_a_meter_without_rows_is_read_back_when_all_but_what_is_young_was_asked_for(tmp_path: Path) -> None:
    world = World(tmp_path, now=START + 20 * timedelta(minutes=1))
    world.meter.since = START + 1000 * DAY

    async def scene() -> None:
        for _ in range(3):
            async with world.gateway() as gateway:
                for _ in range(2):
                    await gateway.all()
                    (found,) = gateway.upkeep.progress()
                    assert (found.waiting, found.reached) == (0, None)
                    world.advance(timedelta(minutes=15))
                await gateway.upkeep.save()

    play(scene)


# -- sifting -----------------------------------------------------------------------------------------------------------


def test_another_value_of_an_interval_is_a_conflict(tmp_path: Path) -> None:
    world = World(tmp_path, now=START + 20 * timedelta(minutes=1))
    world.meter.since = START - DAY
    again = Profile(PROFILE, START - 2 * HOUR, START)

    async def scene() -> None:
        async with world.gateway() as gateway:
            await gateway.all()
            count = len(world.archived())
            same = await gateway.session(again)
            assert len(same.results[0].readings) == 16 and len(world.archived()) == count
            assert {one.seq <= count for one in same.results[0].readings} == {True}
            world.meter.zeal = "9"
            other = await gateway.session(again)
            assert len(world.archived()) == count + 16
            assert {one.reading.flags for one in other.results[0].readings} == {Flag.CONFLICT}
            assert {one.reading.status for one in other.results[0].readings} == {RawStatus.DISTORTED}
            await gateway.session(again)
            assert len(world.archived()) == count + 16, "the conflict is archived once as well"

    play(scene)


def sift(world: World, *batches: list[Reading]) -> list[tuple[Reading | Archived, ...]]:
    """Batch after batch through sift, archive and keep, as rows of the profile."""
    found: list[tuple[Reading | Archived, ...]] = []

    async def scene() -> None:
        async with world.gateway() as gateway:
            await gateway.upkeep.load(METER, ORDER, world.policy)
            for batch in batches:
                sifted = await gateway.upkeep.sift(METER, batch, ORDER)
                new = [one for one in sifted if isinstance(one, Reading)]
                gateway.upkeep.keep(METER, await gateway.store.append(entry(*new)), ORDER)
                found.append(sifted)

    play(scene)
    return found


def flags(sifted: tuple[Reading | Archived, ...]) -> list[str]:
    return [
        "archived" if isinstance(one, Archived) else " ".join((one.status.text, *one.flags.texts)) for one in sifted
    ]


def test_two_rows_of_one_interval_in_one_answer(tmp_path: Path) -> None:
    one, other = row(START, "1.29.0", "1.0"), row(START, "1.29.0", "2.0")
    partial = structs.replace(other, flags=Flag.PARTIAL_INTERVAL)
    alone = row(START - QUARTER, "1.29.0", "5")
    first, again, more = sift(
        World(tmp_path), [alone, one, other], [alone, one, other], [one, row(START, "1.29.0", "3")]
    )
    assert flags(first) == ["true", "distorted duplicate", "distorted duplicate"]
    assert flags(again) == ["archived"] * 3
    assert flags(more) == ["archived", "distorted duplicate"]
    (explained,) = sift(World(tmp_path / "b"), [partial, structs.replace(one, flags=Flag.CLOCK_ADJUSTED)])
    assert flags(explained) == ["true partial_interval", "true clock_adjusted"]


def test_two_identical_rows_in_one_answer_are_two_rows(tmp_path: Path) -> None:
    one = row(START, "1.29.0", "1.0")
    first, again = sift(World(tmp_path), [one, one], [one, one])
    assert flags(first) == ["distorted duplicate"] * 2 and flags(again) == ["archived"] * 2


def test_what_makes_a_difference_and_what_does_not(tmp_path: Path) -> None:
    one = row(START, "1.29.0", "1.0")
    others = [
        structs.replace(one, raw_text="1.00"),
        structs.replace(one, unit="Wh"),
        structs.replace(one, scaler=1),
        structs.replace(one, more=("80",)),
        structs.replace(one, obis_raw="1-0:1.29.0", meter_time="x", status=RawStatus.DISTORTED, raw=b"?"),
    ]
    found = sift(World(tmp_path), [one], *([other] for other in others))
    assert [flags(one)[0] for one in found] == ["true", *["distorted conflict"] * 4, "archived"]


def test_entries_of_a_log_with_one_instant_are_different_entries(tmp_path: Path) -> None:
    def event(text: str) -> Reading:
        code = Obis.parse("1-0:99.98.0")
        return Reading(METER.id, code, "P.98", Kind.EVENT, START, text.encode(), text, more=("x",))

    first, again = sift(World(tmp_path), [event("0040"), event("0080")], [event("0080"), event("0020")])
    assert flags(first) == ["true", "true"] and flags(again) == ["archived", "true"]


def test_a_maximum_that_is_read_again_is_archived_once_and_a_register_each_time(tmp_path: Path) -> None:
    maximum = Reading(METER.id, Obis.parse("1.6.0"), "1.6.0", Kind.MAXIMUM, START, b"3.1", "3.1", "kW")
    register = structs.replace(maximum, kind=Kind.REGISTER, obis=Obis.parse("1.8.0"), obis_raw="1.8.0")
    world = World(tmp_path)

    async def scene() -> None:
        async with world.gateway() as gateway:
            for number in range(2):
                sifted = await gateway.upkeep.sift(METER, [maximum, register])
                new = [one for one in sifted if isinstance(one, Reading)]
                assert len(new) == 2 - number and new[-1] == register
                gateway.upkeep.keep(METER, await gateway.store.append(entry(*new)))
            higher = structs.replace(maximum, raw_text="3.2")
            assert flags(await gateway.upkeep.sift(METER, [higher])) == ["distorted conflict"]
            told_elsewhere = structs.replace(maximum, more=("row of November",))
            assert flags(await gateway.upkeep.sift(METER, [told_elsewhere])) == ["true"]

    play(scene)


def test_registers_of_a_profile_are_rows_and_its_clock_is_none(tmp_path: Path) -> None:
    billing = Reading(METER.id, Obis.parse("1.8.0"), "1.8.0", Kind.REGISTER, START, b"7", "7", "kWh")
    clock = structs.replace(billing, obis=Obis.parse("0-0:1.0.0"), obis_raw="0-0:1.0.0")
    first, again = sift(World(tmp_path), [billing, clock], [billing, clock])
    assert flags(first) == ["true", "true"] and flags(again) == ["archived", "true"]


def test_what_a_cancelled_session_has_archived_is_known_in_the_next_one(tmp_path: Path) -> None:
    """Between sifting and keeping: nobody was told that the archive has it."""
    world = World(tmp_path, now=START + 20 * timedelta(minutes=1))
    rows = world.meter.rows(START - HOUR, START, world.now)

    async def scene() -> None:
        async with world.gateway() as gateway:
            await gateway.upkeep.load(METER, ORDER, world.policy)
            sifted = await gateway.upkeep.sift(METER, rows, ORDER)
            made = entry(*[one for one in sifted if isinstance(one, Reading)])
            request = Profile(PROFILE, START - HOUR, START).text
            gateway.store.submit(type(made)(_asked(made.exchange, request), made.readings, made.ratios, made.serial))
            # ... and cancelled here
            more = await gateway.upkeep.sift(METER, [row(START + QUARTER, "1.29.0", "1")], ORDER)  # a technician's
            more_made = entry(*[one for one in more if isinstance(one, Reading)])
            gateway.upkeep.keep(METER, await gateway.store.append(more_made), ORDER)
            await gateway.upkeep.load(METER, ORDER, world.policy)
            assert coverage(gateway).there.count(0, 1 << 40) == 5
            assert flags(await gateway.upkeep.sift(METER, rows, ORDER)) == ["archived"] * 8

    play(scene)


def _asked(exchange: Exchange, request: str) -> Exchange:
    return replace(exchange, meter=METER.id, request=request)


# -- deadlines, progress, other kinds ----------------------------------------------------------------------------------


def test_a_day_that_is_late_is_an_alarm_until_it_is_complete_or_explained(tmp_path: Path) -> None:
    world = World(tmp_path, now=START + 20 * timedelta(minutes=1))
    world.meter.since = START - 2 * DAY
    text = "1-0:99.1.0 of 2026-10-21 is not complete at 06:00"

    async def scene() -> None:
        async with world.gateway() as gateway:
            await gateway.all()
            assert await gateway.tick() == ()
            world.now = instant(date(2026, 10, 22), time(5, 59))
            assert await gateway.tick() == ()
            assert gateway.upkeep.days_late == {METER.id: 0}
            world.now = instant(date(2026, 10, 22), time(6, 0))
            assert await gateway.tick() == (text,)
            assert gateway.upkeep.days_late == {METER.id: 1}
            await gateway.all()
            assert await gateway.tick() == ()
            assert gateway.upkeep.days_late == {METER.id: 0}
            gateway.upkeep.forget(METER.id)
            assert gateway.upkeep.days_late == {}, "it is not configured any more"

    play(scene)


def test_progress_of_a_meter_that_is_being_read_back(tmp_path: Path) -> None:
    world = World(tmp_path, now=START + 20 * timedelta(minutes=1))
    world.meter.since = START - 200 * DAY
    world.meter.off = [(START - 10 * HOUR, START - 7 * HOUR)]

    async def scene() -> None:
        async with world.gateway() as gateway:
            world.faults = [None, None, None, MeterSilent("silent")]
            await gateway.session()
            (found,) = gateway.upkeep.progress()
            assert (found.meter, found.obis, found.newest) == (METER.id, "1-0:99.1.0*255", START + QUARTER)
            assert found.since is not None and found.since == START - 2 * DAY
            assert found.expected - found.present >= 12 and found.missing == 0
            assert found.waiting == 10, "as many as are listed"
            assert found.reached is not None and found.goal is not None and found.goal < found.reached <= found.since
            assert found.last_day is not None and (found.last_day.expected, found.last_day.present) == (96, 84)
            assert [day for day, _ in found.gaps][:1] == [date(2026, 10, 20)]
            await gateway.all()
            (found,) = gateway.upkeep.progress()
            assert (found.waiting, found.reached) == (0, None)

    play(scene)


def test_a_registrar_is_closed_for_each_of_its_points(tmp_path: Path) -> None:
    part = Meter("reg-1-a", "scripted", "cabin", METER.metering_type)
    codes = ("1-1:1.29.0", "1-2:1.29.0")
    known = Meter("reg-1", "scripted", "cabin", METER.metering_type, "77", parts=(Part(part, ((1, 1),)),))
    world = World(tmp_path, now=START + 20 * timedelta(minutes=1), known=known)
    world.meter = ScriptedMeter(START - 2 * DAY, [(START - 10 * HOUR, START - 9 * HOUR)], codes)
    original = world.meter.rows
    world.meter.rows = lambda *window: [structs.replace(one, meter=known.id) for one in original(*window)]  # type: ignore[method-assign]

    async def scene() -> None:
        async with world.gateway() as gateway:
            await gateway.all()
            world.advance(2 * DAY)
            await gateway.all()
            await gateway.tick()
            await gateway.tick()
        async with world.gateway() as gateway:
            await gateway.tick()
            await gateway.session()

    play(scene)
    told = [one.reading for one in world.archived() if one.reading.status is RawStatus.MISSING]
    assert sorted((one.meter, one.code) for one in told) == [
        *[("reg-1", "1-2:1.29.0*255")] * 4,
        *[("reg-1-a", "1-1:1.29.0*255")] * 4,
    ]
    whole = [one.reading.meter for one in world.archived() if one.reading.status is RawStatus.TRUE]
    assert whole.count("reg-1") == whole.count("reg-1-a") == 4 * 96 + 1 - 4


def test_intervals_made_of_registers_are_told_where_nobody_else_tells_them(tmp_path: Path) -> None:
    order = Increments((Obis.parse("1.8.0"),), QUARTER)
    world = World(tmp_path, now=START)

    def made(end: datetime, text: str, status: RawStatus = RawStatus.TRUE, flag: Flag = NO_FLAGS) -> Reading:
        return structs.replace(row(end, "1.29.0", text), status=status, flags=flag, raw=b"", more=())

    async def scene() -> None:
        async with world.gateway() as gateway:
            upkeep = gateway.upkeep
            upkeep.watch(METER, order, world.policy)
            sifted = await upkeep.sift(METER, [made(START, "1")], order)
            assert flags(sifted) == ["true"]
            upkeep.keep(METER, await gateway.store.append(entry(made(START, "1"))), order)
            world.advance(4 * DAY)
            await upkeep.tick(world.now)
            await upkeep.tick(world.now)
            told = [one.reading for one in world.archived() if one.reading.status]
            assert [one.at for one in told] == [START + QUARTER * n for n in range(1, 97)]
            assert {(one.code, one.unit, one.flags) for one in told} == {("1-0:1.29.0*255", "kWh", Flag.NOT_READ)}
            missing = made(START + QUARTER, "", RawStatus.MISSING, Flag.NOT_SENT)
            later = made(START + 97 * QUARTER, "", RawStatus.MISSING, Flag.NOT_SENT)
            assert flags(await upkeep.sift(METER, [missing, later], order)) == ["archived", "missing not_sent"]
            assert flags(await upkeep.sift(METER, [made(START + QUARTER, "2")], order)) == ["true late"]
            upkeep.keep(METER, (), order)
        async with world.gateway() as gateway:
            gateway.upkeep.watch(METER, order, world.policy)
            await gateway.upkeep.tick(world.now)
            assert len([one for one in world.archived() if one.reading.status]) == 96

    play(scene)


def test_a_log_is_read_from_its_newest_entry_on_and_nothing_of_it_is_told_missing(tmp_path: Path) -> None:
    log = Obis.parse("1-0:99.98.0")
    world = World(tmp_path, now=START + 7 * HOUR, order=LoadProfile(log, months=3))
    entries = [START - 80 * DAY, START - 40 * DAY, START - HOUR, START - HOUR, START + 2 * DAY]

    def events(start: datetime, end: datetime, now: datetime) -> list[Reading]:
        found = [(n, at) for n, at in enumerate(entries) if start < at <= min(end, now)]
        return [
            Reading(METER.id, log, "P.98", Kind.EVENT, at, b"(0040)", f"00{n}0", meter_time=f"{n}") for n, at in found
        ]

    world.meter.rows = events  # type: ignore[method-assign]

    async def scene() -> None:
        async with world.gateway() as gateway:
            await gateway.all()
            assert [one.end for one in world.asked] == sorted((one.end for one in world.asked), reverse=True)
            assert len(world.archived()) == 4
            world.asked.clear()
            for _ in range(3):
                world.advance(DAY)
                await gateway.session()
                await gateway.tick()
            assert [one.start for one in world.asked] == [START - HOUR, START - HOUR, START + 2 * DAY][
                : len(world.asked)
            ]
            assert len(world.asked) == 3 and len(world.archived()) == 5
            (found,) = gateway.upkeep.progress()
            assert (found.newest, found.expected, found.waiting) == (START + 2 * DAY, 0, 0)
            await gateway.upkeep.save()
        world.asked.clear()
        async with world.gateway() as gateway:
            await gateway.session()
            assert [(one.start, one.end) for one in world.asked] == [(START + 2 * DAY, world.now)]
        state_path(tmp_path).unlink()
        async with world.gateway() as gateway:
            await gateway.all()
            world.advance(10 * DAY)
            await gateway.tick()
        assert len(world.archived()) == 5

    play(scene)


def test_a_profile_whose_rows_are_no_intervals_has_no_rhythm(tmp_path: Path) -> None:
    """Billing values under a code that does not say so."""
    world = World(tmp_path, now=START + 7 * HOUR)

    def billing(start: datetime, end: datetime, now: datetime) -> list[Reading]:
        months = [START - 20 * DAY, START - 5 * DAY]
        code = Obis.parse("1.8.0")
        found = [at for at in months if start < at <= min(end, now)]
        return [Reading(METER.id, code, "1.8.0", Kind.REGISTER, at, b"7", "7", "kWh") for at in found]

    world.meter.rows = billing  # type: ignore[method-assign]

    async def scene() -> None:
        async with world.gateway() as gateway:
            await gateway.all()
            assert coverage(gateway).newest == START - 5 * DAY and coverage(gateway).period_s == 0
            for _ in range(6):
                world.advance(DAY)
                await gateway.session()
                assert await gateway.tick() == ()
        assert [one.reading.at for one in world.archived()] == [START - 5 * DAY, START - 20 * DAY]

    play(scene)


# -- any history -------------------------------------------------------------------------------------------------------

FAULTS: list[GatewayError] = [MeterSilent("silent"), ChannelError("no carrier"), ProtocolError("nonsense")]
STEPS = st.one_of(
    st.tuples(st.just("wait"), st.integers(1, 40)),
    st.tuples(st.just("session"), st.integers(0, 5)),
    st.tuples(st.just("tick"), st.just(0)),
    st.tuples(st.just("restart"), st.integers(0, 3)),
    st.tuples(st.just("off"), st.integers(1, 30)),
)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(STEPS, max_size=25), st.integers(0, 12))
def test_any_history_ends_with_everything_there_or_explained(steps: list[tuple[str, int]], quarters: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder) / "archive", now=START + 7 * timedelta(minutes=1))
        world.meter.since = START - 2 * DAY - quarters * QUARTER

        async def scene() -> None:
            left = list(steps)
            while left:
                async with world.gateway() as gateway:
                    kill = await live(world, gateway, left)
                    if kill in (0, 3):
                        await gateway.upkeep.save(everything=kill == 3)
                if kill == 2:
                    state_path(world.folder).unlink(missing_ok=True)
            world.faults = []
            world.advance(HOUR)
            async with world.gateway() as gateway:
                await gateway.all()
                world.advance(4 * DAY)
                await gateway.all()
                world.advance(DAY + HOUR)
                await gateway.all()
                for _ in range(3):
                    await gateway.tick()
                last = coverage(gateway)
                check(world)
            state_path(world.folder).unlink()
            async with world.gateway() as gateway:
                await gateway.tick()
                again = coverage(gateway)
                assert (again.there, again.told, again.channels) == (last.there, last.told, last.channels)
                assert again.begun is not None and last.begun is not None

        play(scene)
        check(world)


async def live(world: World, gateway: Gateway, left: list[tuple[str, int]]) -> int:
    """Takes steps until the process ends: 0 killed behind a save, 1 killed, 2 killed and the short cut lost, 3 in an
    orderly way."""
    while left:
        what, number = left.pop(0)
        if what == "wait":
            world.advance(number * HOUR)
        elif what == "session":
            world.faults = [None] * number + [FAULTS[number % 3]] if number else []
            await gateway.session()
        elif what == "tick":
            await gateway.tick()
        elif what == "off":
            world.meter.off.append((world.now, world.now + number * HOUR))
            world.advance((number + 1) * HOUR)
        else:
            return number
    return 1


@pytest.mark.parametrize("channels", [4])
def test_a_day_of_four_channels_needs_no_question_to_the_archive(tmp_path: Path, channels: int) -> None:
    world = World(tmp_path, now=START + 20 * timedelta(minutes=1))
    world.meter.since = START - 3 * DAY
    world.meter.codes = ("1.29.0", "2.29.0", "3.29.0", "4.29.0")[:channels]
    questions: list[object] = []

    async def scene() -> None:
        async with world.gateway() as gateway:
            await gateway.all()
            archive = gateway.upkeep._memory.archive
            for name in ("same_time", "of_profile"):
                setattr(archive, name, lambda *given: questions.append(given))
            world.advance(DAY)
            session = await gateway.session()
            assert len(session.results[0].readings) == 96 * channels
        assert questions == []

    play(scene)
