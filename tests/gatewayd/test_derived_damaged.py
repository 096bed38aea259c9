"""A damaged segment of the derived archive: it costs the days that it has, and no others, until it is mended."""

import asyncio
import shutil
from collections.abc import Coroutine
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import cast

import pytest

from gatewayd.archive import segments
from gatewayd.archive.verify import verify
from gatewayd.daemon.derived import DerivedReader, derived_folder
from gatewayd.daemon.metering_site import MeteringSite
from gatewayd.daemon.status_metering import damage, trouble
from gatewayd.errors import ArchiveDamaged, ArchiveError
from gatewayd.legal_time import PRAGUE, day_bounds, days
from gatewayd.metering.values import Layer
from tests.gatewayd.metering_world import DAY, IMPORT, NORTH, SOUTH, World, brought, day_of, quarter, world

FIRST, LATER = date(2026, 11, 1), date(2026, 12, 18)
LATE = datetime(2026, 12, 20, 5, tzinfo=UTC)


def run(body: Coroutine[None, None, None]) -> None:
    asyncio.run(asyncio.wait_for(body, 60))


async def november(here: World) -> None:
    """Of both points, in a sealed segment; behind it a day of December."""
    here.now = LATE
    for day in days(FIRST, FIRST + timedelta(days=29)):
        await here.raw.append(brought(day_of("em-1", day)))
        await here.raw.append(brought(day_of("em-2", day)))
    await here.engine.catch_up()
    await here.store.seal()
    await here.bring(day_of("em-2", LATER))


def damaged(folder: Path) -> Path:
    """The last sealed segment, of which nothing but the beginning is left; a sound copy of it beside the archive."""
    path = segments.segment_path(folder, segments.segment_numbers(folder)[-2])
    shutil.copy2(path, folder.parent / "copy")
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:8192] + bytes(path.stat().st_size - 8192))
    return path


def test_other_days_go_on_and_what_was_passed_over_is_computed_when_it_is_mended(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def body() -> None:
        async with world(tmp_path, [NORTH, SOUTH]) as here:
            await november(here)
            path = damaged(here.store.folder)
            engine = here.begin([NORTH, SOUTH])
            late = day_bounds(DAY)[0] + timedelta(hours=10)
            await here.bring([quarter("em-1", late, "0.260")])
            await here.bring(day_of("em-1", LATER + timedelta(days=1)))
            of_december = here.derived.reader.current(
                "north", Layer.DAY, IMPORT, day_bounds(LATER)[0], datetime(2027, 1, 1, tzinfo=UTC)
            )
            assert [one.amount for one in of_december.values()] == [Decimal("24.000")]
            assert str(path) in engine.state.damaged and "restore it from a copy" in engine.state.remedy
            site = cast(MeteringSite, type("Site", (), {"state": engine.state, "fault": "", "store": here.store}))
            assert damage(site) == (engine.state.damaged, engine.state.remedy) and trouble(site) == ("", "")
            assert caplog.text.count("restore it from a copy") == 1
            with pytest.raises(ArchiveDamaged):
                here.values("north", Layer.DAY)
            head = here.store.head
            await engine.catch_up()
            assert here.store.head == head, "nothing is computed as if it were not there"
            path.unlink()
            shutil.copy2(tmp_path / "copy", path)
            await engine.catch_up()
            assert not engine.state.damaged
            (written,) = here.derived.reader.history("north", IMPORT, late, Layer.INTERVAL)[1:]
            assert (written.derived.version, written.derived.value.amount) == (2, Decimal("0.260"))
            assert here.store.head == head + 4, "the quarter-hour, its day, its month and the maximum of that"
        assert verify(derived_folder(tmp_path)).ok

    run(body())


def page_of_a_day(folder: Path) -> tuple[Path, bytes, date]:
    """The last sealed segment with a page destroyed that few days need, what it was, and such a day."""
    path = segments.segment_path(folder, segments.segment_numbers(folder)[-2])
    whole = path.read_bytes()
    path.chmod(0o644)
    for page in range(20, len(whole) // 4096):
        path.write_bytes(whole[: page * 4096] + bytes(4096) + whole[(page + 1) * 4096 :])
        reader = DerivedReader(folder)
        lost = [day for day in days(FIRST, FIRST + timedelta(days=29)) if not readable(reader, day)]
        if 0 < len(lost) < 5:
            return path, whole, lost[0]
    raise AssertionError("no such page")


def readable(reader: DerivedReader, day: date) -> bool:
    try:
        reader.current("north", Layer.INTERVAL, IMPORT, *day_bounds(day))
    except ArchiveDamaged:
        return False
    return True


@pytest.mark.parametrize("restarted", [False, True])
def test_what_can_be_read_of_a_damaged_segment_does_not_make_it_sound(tmp_path: Path, *, restarted: bool) -> None:
    async def body() -> None:
        async with world(tmp_path, [NORTH, SOUTH]) as here:
            await november(here)
            path, whole, day = page_of_a_day(here.store.folder)
            engine = here.begin([NORTH, SOUTH])
            await here.bring([quarter("em-1", day_bounds(day)[0] + timedelta(hours=10), "0.260")])
            await here.bring([quarter("em-2", day_bounds(LATER)[1], "0.260")])
            assert path.name in engine.state.damaged
            if restarted:
                engine = here.begin([NORTH, SOUTH])
            await here.bring([quarter("em-2", day_bounds(LATER)[1], "0.270")])
            assert path.name in engine.state.damaged, "what else can be read of it does not say that it is sound"
            path.write_bytes(whole)
            if restarted:
                engine = here.begin([NORTH, SOUTH])
            await engine.catch_up()
            assert engine.state.damaged == ""
            assert here.one_of("north", Layer.DAY, day_bounds(day)[1]).amount == Decimal("24.010")

    run(body())


def test_what_it_has_is_known_from_what_was_written_down_or_from_the_next_one(tmp_path: Path) -> None:
    async def body() -> None:
        async with world(tmp_path, [NORTH, SOUTH]) as here:
            await november(here)
            folder = here.store.folder
            reader = DerivedReader(folder)
            december = day_bounds(LATER)[0], LATE
            damaged(folder)
            assert reader.days_of(["south"], *december, PRAGUE) == {LATER} and not reader.damaged
            await here.store.remember_all([("metering", "spans of segments", b"{}")])
            unknowing = DerivedReader(folder)
            with pytest.raises(ArchiveDamaged):
                unknowing.current("south", Layer.DAY, IMPORT, *december)
            assert unknowing.current_of(["south"], [Layer.DAY], *december, passing=True)
            after = LATE, LATE + timedelta(days=1)
            assert not unknowing.current("south", Layer.DAY, IMPORT, *after), "nothing in it ended after it was sealed"

    run(body())


def test_a_file_in_its_place_is_no_empty_archive(tmp_path: Path) -> None:
    (tmp_path / "derived").write_text("a file")
    with pytest.raises(ArchiveError, match="is no folder; move it away"):
        DerivedReader(derived_folder(tmp_path)).channels()
    assert DerivedReader(tmp_path / "none").channels() == frozenset()
