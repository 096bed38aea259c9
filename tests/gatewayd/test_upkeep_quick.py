"""The quick ways of load profiles: what they leave out makes no difference to what is archived."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace as with_changes
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from gatewayd.archive.intervals import Intervals
from gatewayd.archive.profile_rows import ProfileRows
from gatewayd.archive.records import Entry
from gatewayd.coverage import Coverage
from gatewayd.legal_time import PRAGUE, QUARTER
from gatewayd.model import MeteringType, Reading
from gatewayd.policy import POLICIES
from gatewayd.runs import Runs
from gatewayd.sifting import doubles, plain_rows
from gatewayd.watched import State, Watched
from tests.gatewayd.archive.samples import entry
from tests.gatewayd.doubles import PATIENCE
from tests.gatewayd.profile_world import DAY, GRID, HOUR, METER, ORDER, PROFILE, START, World, row, values_of


def play(scene: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(scene(), 4 * PATIENCE))


def of_profile(*readings: Reading) -> Entry:
    """As an exchange that has asked for a piece of the profile."""
    made = entry(*readings)
    asked = with_changes(made.exchange, meter=METER.id, request=f"profile {PROFILE} by hand")
    return Entry(asked, readings, made.ratios, made.serial)


def lookups(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sequence numbers behind which the archive is asked for a profile, from now on."""
    asked: list[int] = []
    real = Intervals.of_profile

    def counting(self: Intervals, meters: Sequence[str], obis: str, codes: Sequence[str], after: int) -> ProfileRows:
        asked.append(after)
        return real(self, meters, obis, codes, after)

    monkeypatch.setattr(Intervals, "of_profile", counting)
    return asked


@pytest.mark.parametrize("orderly", [True, False])
def test_behind_an_orderly_stop_nothing_of_the_archive_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, orderly: bool
) -> None:
    """Though other meters have written since: the short cut goes up to the end of the archive."""
    world = World(tmp_path, now=START + 20 * timedelta(minutes=1))
    world.meter.since = START - 3 * DAY

    async def scene() -> None:
        async with world.gateway() as gateway:
            await gateway.all()
            await gateway.upkeep.save()
            await gateway.store.append(entry(row(START, "1.8.0", "7", meter="em-2")))
            if orderly:
                await gateway.upkeep.save(everything=True)
        asked = lookups(monkeypatch)
        count = len(world.archived())
        world.advance(HOUR)
        async with world.gateway() as gateway:
            await gateway.session()
            assert len(asked) == (0 if orderly else 1)
            assert len(world.archived()) == count + 8
            assert all(len(found) == 1 for found in values_of(world.archived()).values())

    play(scene)


def test_what_was_archived_of_a_meter_before_its_profile_was_looked_into_is_known(tmp_path: Path) -> None:
    """In an archive that was empty at the start: what a technician, or a push, has brought before the first session."""
    world = World(tmp_path, now=START + 20 * timedelta(minutes=1))
    world.meter.since = START - DAY
    rows = world.meter.rows(START - 2 * HOUR, START, START)

    async def scene() -> None:
        async with world.gateway() as gateway:
            await gateway.upkeep.load(with_changes(METER, id="em-2"), ORDER, world.policy)
            sifted = await gateway.upkeep.sift(METER, rows, None)
            await gateway.store.append(of_profile(*[one for one in sifted if isinstance(one, Reading)]))
            await gateway.all()
            assert len(world.archived()) == len(world.meter.rows(world.meter.since, world.now, world.now))

    play(scene)


AT = st.builds(
    lambda number, off: START + number * QUARTER + timedelta(seconds=off), st.integers(-3, 3), st.sampled_from([0, 7])
)
CHANNELS = st.lists(st.sampled_from(["1.29.0", "2.29.0", "5.29.0"]), min_size=1, max_size=3)


@given(
    st.lists(st.tuples(AT, CHANNELS, st.sampled_from([900, 900, 900, 1800, None])), max_size=5),
    st.lists(st.integers(-3, 3), max_size=2),
    st.booleans(),
)
def test_an_answer_is_new_as_a_whole_only_where_each_reading_of_it_is(
    rows: list[tuple[datetime, list[str], int | None]], known: list[int], told: bool
) -> None:
    """The quick way says no more than the one by one does."""
    base, there = GRID.last(START), Runs.of(GRID.last(START) + number for number in known)
    one = Watched(METER, ORDER, POLICIES[MeteringType.A], str(PROFILE), PRAGUE, Coverage(900), loaded=True)
    one.coverage = replace(one.coverage, **({"told": there} if told else {"there": there}))
    readings = [
        replace(row(at, code, f"{at}{code}"), interval_s=seconds) for at, codes, seconds in rows for code in codes
    ]
    found = plain_rows(readings)
    if found is not None and one.all_new(found[1]):
        assert all(one.state(reading) is State.NEW for reading in readings)
        assert doubles(readings, range(len(readings))) == frozenset()
        assert {reading.code for reading in readings} == {reading.code for reading in found[0]}
    if len(rows) == 1 and rows[0][2] == 900 and len(set(rows[0][1])) == len(rows[0][1]):
        number = GRID.number(rows[0][0])
        assert number is not None and (found is not None and one.all_new(found[1])) is (number not in there), base
