"""Archives that are not what they were when the engine wrote down where it is: an older copy of the raw one, another
one, a derived one that has lost a segment. Everything is computed once more, and what nothing is left of is no more."""

import asyncio
import shutil
from collections.abc import Coroutine
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from gatewayd.archive import segments
from gatewayd.archive.verify import verify
from gatewayd.daemon.derived import derived_folder
from gatewayd.daemon.metering_deriving import Deriving
from gatewayd.daemon.metering_marks import Found, found, lost, mark_of
from gatewayd.legal_time import day_bounds, days, interval_ends
from gatewayd.metering.values import Layer
from gatewayd.model import RawStatus
from tests.gatewayd.derived_chains import broken_chains
from tests.gatewayd.metering_world import DAY, NORTH, SOUTH, World, brought, day_of, total, world
from tests.gatewayd.months_world import TOTAL, enter, midnight, months, shop, state

POINTS = [NORTH, SOUTH, total(north=1, south=1)]
NEXT, THIRD = DAY + timedelta(days=1), DAY + timedelta(days=2)
MORNING = datetime(2026, 11, 23, 5, tzinfo=UTC)


def run(body: Coroutine[None, None, None]) -> None:
    asyncio.run(asyncio.wait_for(body, 100))


def copied(folder: Path, to: Path) -> None:
    """The raw archive alone."""
    shutil.copytree(folder, to, ignore=shutil.ignore_patterns("derived"))


def put_back(copy: Path, folder: Path) -> None:
    for one in folder.iterdir():
        if one.name != "derived":
            one.unlink()
    for one in copy.iterdir():
        shutil.copy2(one, folder / one.name)


@pytest.mark.parametrize("more", [True, False], ids=["numbers are given once more", "it ends before"])
def test_what_was_made_of_readings_of_another_archive_is_no_more(
    tmp_path: Path, more: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async def before() -> None:
        async with world(tmp_path / "a", POINTS) as here:
            await here.bring([*day_of("em-1"), *day_of("em-2")])
        copied(tmp_path / "a", tmp_path / "copy")
        async with world(tmp_path / "a", POINTS) as here:
            here.now = MORNING
            await here.bring([*day_of("em-1", NEXT, "7.000"), *day_of("em-2", NEXT, "1.000")])
            assert here.values("total", Layer.DAY)[day_bounds(NEXT)[1]].amount == Decimal("768.000")

    async def after() -> None:
        async with world(tmp_path / "a", POINTS) as here:
            here.now = MORNING
            if more:
                await here.raw.append(brought([*day_of("em-1", THIRD, "3.000"), *day_of("em-2", THIRD, "3.000")]))
            await here.engine.catch_up()
            for point in ("north", "south", "total"):
                values, sums = here.values(point), here.values(point, Layer.DAY)
                stale = [values[at] for at in interval_ends(NEXT)]
                assert {one.status for one in stale} == {RawStatus.MISSING}
                assert sums[day_bounds(NEXT)[1]].status is RawStatus.MISSING
                assert sums[day_bounds(DAY)[1]].status is RawStatus.TRUE
                if point == "north":
                    assert {one.reason for one in stale} == {
                        "its readings are not in the raw archive, which was replaced"
                    }
                if more:
                    assert sums[day_bounds(THIRD)[1]].status is RawStatus.TRUE
            head, days_done = here.store.head, here.engine.compute.tally.days
            await here.begin(POINTS).catch_up()
            assert (here.store.head, here.engine.compute.tally.days) == (head, 0), "once is enough"
            assert days_done

    run(before())
    put_back(tmp_path / "copy", tmp_path / "a")
    run(after())
    assert "the raw archive is not the one that it was" in caplog.text
    assert not broken_chains(tmp_path / "a")


def test_it_is_found_out_again_where_the_gateway_was_killed_before_all_was_computed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def before() -> None:
        async with world(tmp_path / "a") as here:
            await here.bring(day_of("em-1"))
        copied(tmp_path / "a", tmp_path / "copy")
        async with world(tmp_path / "a") as here:
            here.now = MORNING
            await here.bring(day_of("em-1", NEXT))

    async def killed() -> None:
        async with world(tmp_path / "a") as here:
            here.now = MORNING
            await here.raw.append(brought(day_of("em-1", THIRD)))

            async def die(*_: object) -> None:
                raise KeyboardInterrupt

            monkeypatch.setattr(Deriving, "derive", die)
            with pytest.raises(KeyboardInterrupt):
                await here.engine.catch_up()
            monkeypatch.undo()

    async def after() -> None:
        async with world(tmp_path / "a") as here:
            here.now = MORNING
            await here.engine.catch_up()
            assert {here.values("north")[at].status for at in interval_ends(NEXT)} == {RawStatus.MISSING}

    run(before())
    put_back(tmp_path / "copy", tmp_path / "a")
    run(killed())
    run(after())


def test_months_of_registers_of_another_archive_are_no_more(tmp_path: Path) -> None:
    points = [shop(channels=(TOTAL,))]
    rows = [state(midnight(2026, month), str(1000 * month)) for month in range(3, 7)]

    async def body(*, first: bool) -> None:
        async with world(tmp_path / "a", points) as here:
            here.now = datetime(2026, 7, 2, 8, tzinfo=UTC)
            if first:
                await enter(here, rows[:2])
                await asyncio.to_thread(copied, tmp_path / "a", tmp_path / "copy")
                await enter(here, rows[2:])
            else:
                await here.engine.catch_up()
                found = {month: one.status for month, one in months(here).items()}
                assert found == {
                    "2026-03": RawStatus.TRUE,
                    "2026-04": RawStatus.MISSING,
                    "2026-05": RawStatus.MISSING,
                } | {month: RawStatus.MISSING for month in found if month > "2026-05"}

    run(body(first=True))
    put_back(tmp_path / "copy", tmp_path / "a")
    run(body(first=False))


async def november(here: World) -> None:
    here.now = datetime(2026, 12, 1, 5, tzinfo=UTC)
    for day in days(date(2026, 11, 1), date(2026, 11, 30)):
        await here.raw.append(brought(day_of("em-1", day), at=here.now))
    await here.engine.catch_up()


@pytest.mark.parametrize("how", ["spoilt", "empty", "gone", "a sealed one is gone", "an older copy"])
def test_what_the_derived_archive_has_lost_is_computed_once_more(
    tmp_path: Path, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    folder = derived_folder(tmp_path)
    wanted: dict[datetime, Decimal | None] = {}

    async def before() -> None:
        async with world(tmp_path) as here:
            await here.bring(day_of("em-1", date(2026, 10, 31)))
            await here.store.seal()
            if how == "an older copy":
                await asyncio.to_thread(shutil.copytree, folder, tmp_path / "copy")
            await november(here)
            wanted.update({at: one.amount for at, one in here.values("north").items()})
            if how == "a sealed one is gone":
                await here.store.seal()
                await here.bring(day_of("em-1", date(2026, 11, 30), "0.300"))
                wanted.update({at: Decimal("0.300") for at in interval_ends(date(2026, 11, 30))})

    async def after() -> None:
        async with world(tmp_path) as here:
            here.now = datetime(2026, 12, 1, 6, tzinfo=UTC)
            await here.engine.catch_up()
            assert {at: one.amount for at, one in here.values("north").items()} == wanted
            (month,) = [one for at, one in here.values("north", Layer.MONTH).items() if at.month == 11]
            assert (month.amount, month.have) == (sum(one for one in list(wanted.values())[96:] if one), 2880)
            await here.begin([NORTH]).catch_up()
            assert here.engine.compute.tally.days == 0, "once is enough"

    run(before())
    assert len(wanted) == 31 * 96
    path = segments.segment_path(folder, segments.segment_numbers(folder)[-1 if how != "a sealed one is gone" else -2])
    if how == "an older copy":  # but for the state, which is written down elsewhere as well
        state_file = (folder / "state.sqlite").read_bytes()
        shutil.rmtree(folder)
        shutil.copytree(tmp_path / "copy", folder)
        for one in folder.glob("state.sqlite-*"):
            one.unlink()
        (folder / "state.sqlite").write_bytes(state_file)
    elif how == "spoilt":
        path.write_bytes(path.read_bytes()[:8192].ljust(path.stat().st_size, b"\0"))
    elif how == "empty":
        path.write_bytes(b"")
    else:
        path.unlink()
    run(after())
    assert "the derived archive does not have all that was written into it" in caplog.text


def test_what_retention_drops_is_not_lost(tmp_path: Path) -> None:
    async def body() -> None:
        async with world(tmp_path) as here:
            await november(here)
            await here.store.seal()
            first = segments.segment_numbers(here.store.folder)[0]
            marks = mark_of(here.store.folder)
            assert lost(here.store.folder, first, ()) == ()
            assert found(here.store.folder, marks) is Found.SAME
            segments.segment_path(here.store.folder, first).unlink()
            assert lost(here.store.folder, first, ()) == (first,)
            assert lost(here.store.folder, first, (first,)) == ()
            assert found(here.raw.folder, mark_of(here.raw.folder)) is Found.SAME
            assert found(here.raw.folder, marks) is Found.OTHER, "of another archive"

    run(body())
    assert not verify(tmp_path).findings
