"""A simulated year of a whole gateway: lines fail, supplies fail, clocks run wrong, and it is killed again and again.
At the end the archive has every interval once, as a value or as a `missing` that is explained.

    GATEWAYD_TEST_FULL=1 python -m pytest tests/crash/test_year.py             the year, several seeds
    GATEWAYD_YEAR_SEED=7 python -m pytest tests/crash/test_year.py -k spring   one seed again
"""

import asyncio
import contextlib
import os
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from gatewayd.model import Archived, Flag, RawStatus
from tests.crash.rig import FULL
from tests.crash.year_campaign import DAY, HOUR, Season, configuration, drawn, happen, processes
from tests.crash.year_check import MOST_ASKED, Alter, Evidence, asked_in_an_hour
from tests.crash.year_time import Busy, CountedThreads, Elapsed, LeapingLoop, Spell

SPRING = Season("spring", datetime(2026, 3, 22, 9, tzinfo=UTC), 18, 15, 2, 5, 3.6 * DAY)
AUTUMN = Season("autumn", datetime(2026, 10, 19, 9, tzinfo=UTC), 18, 15, 2, 6, 3.6 * DAY)
YEAR = Season("year", datetime(2026, 1, 8, 9, tzinfo=UTC), 365, 150, 36, 180, 25 * DAY)

SEED = os.environ.get("GATEWAYD_YEAR_SEED", "")
SEASONS = [(SPRING, 1), (AUTUMN, 1)]
if FULL:
    SEASONS += [(season, seed) for season in (SPRING, AUTUMN) for seed in range(2, 6)]
    SEASONS += [(YEAR, seed) for seed in (1, 2, 3)]
if SEED:
    SEASONS = [(season, int(SEED)) for season in (SPRING, AUTUMN, YEAR)]


@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("season", "seed"), SEASONS, ids=lambda each: each.name if isinstance(each, Season) else each)
def test_every_interval_is_there_once(tmp_path: Path, season: Season, seed: int) -> None:
    again = f"seed {seed}: GATEWAYD_YEAR_SEED={seed} python -m pytest tests/crash/test_year.py -k {season.name}"
    campaign = drawn(season, seed, tmp_path / "site")
    try:
        happen(campaign)
    except AssertionError as error:
        raise AssertionError(f"{error}\n{again}") from error
    evidence = Evidence.of(campaign)
    report = evidence.report
    assert not report.wrong, f"{report.text}\n{again}"
    if SEED:
        return  # a year of somebody's choice may be a quiet one
    assert sum(up.killed for up in campaign.ups) >= 10
    assert {"rewound", "1970", "ahead"} <= {spell.kind for spell in campaign.spells}
    assert all(report.counts[each] for each in ("values", "missing", "told not sent"))
    assert season is not SPRING or (report.counts["late"] and report.counts["told not read"])
    for name, alter in ALTERATIONS.items():
        assert evidence.notices(alter), f"nobody would notice {name}"


def test_a_gateway_whose_clock_nobody_keeps_right_does_not_ask_again_and_again(tmp_path: Path) -> None:
    """What it is told is no evidence, so it learns nothing of the years before the meter's first row."""
    season = Season("doubtful", SPRING.begin, 1, 0, 36, 1, 0.0, calm_days=0)
    campaign = drawn(season, 1, tmp_path / "site")
    site = campaign.site
    site.config.write_text(configuration(campaign, 0.0))
    site.write_spells([Spell("unsynchronised", 0.0, DAY, season.begin)])
    with processes() as gateways:
        gateways.start(site, 2 * HOUR)
        assert gateways.ended(90)
        assert gateways.code() == 0, site.log.read_text()
    asked = asked_in_an_hour(campaign)
    assert 0 < max(asked.values()) <= MOST_ASKED


# -- would a fault be noticed? -----------------------------------------------------------------------------------------


def _one(intervals: list[Archived], *, missing: bool) -> Archived | None:
    """A reading of the middle, with a value or without."""
    found = [one for one in intervals if (one.reading.status is RawStatus.MISSING) is missing]
    return found[len(found) // 2] if found else None


def _changed(intervals: list[Archived], *, missing: bool = False, **changes: object) -> Iterator[Archived]:
    chosen = _one(intervals, missing=missing)
    for one in intervals:
        yield replace(one, reading=replace(one.reading, **changes)) if one is chosen else one


def _twice(intervals: list[Archived], *, missing: bool = False) -> Iterator[Archived]:
    yield from intervals
    chosen = _one(intervals, missing=missing)
    if chosen is not None:
        yield chosen


def _lost(intervals: list[Archived], *, missing: bool = False) -> Iterator[Archived]:
    chosen = _one(intervals, missing=missing)
    return (one for one in intervals if one is not chosen)


def _aside(intervals: list[Archived]) -> Iterator[Archived]:
    chosen = _one(intervals, missing=False)
    for one in intervals:
        at = one.reading.at + timedelta(seconds=1)
        yield replace(one, reading=replace(one.reading, at=at)) if one is chosen else one


ALTERATIONS: dict[str, Alter] = {
    "a value that is lost": _lost,
    "a missing that is lost": lambda each: _lost(each, missing=True),
    "a value that is there twice": _twice,
    "a missing that is there twice": lambda each: _twice(each, missing=True),
    "another number": lambda each: _changed(each, raw_text="12345"),
    "another status word": lambda each: _changed(each, more=("40",)),
    "a flag too many": lambda each: _changed(each, flags=Flag.TAMPER),
    "a value of no status": lambda each: _changed(each, status=RawStatus.DISTORTED),
    "a missing without a reason": lambda each: _changed(each, missing=True, flags=Flag(0)),
    "a missing without words": lambda each: _changed(each, missing=True, more=()),
    "an interval that is none": _aside,
}
"""What to make of the intervals of a meter."""


def test_time_does_not_leap_while_a_thread_works(tmp_path: Path) -> None:
    elapsed, busy = Elapsed(tmp_path / "elapsed"), Busy()
    begun, go_on = threading.Event(), threading.Event()

    async def main() -> float:
        loop = asyncio.get_running_loop()
        loop.set_default_executor(CountedThreads(busy))

        def work() -> float:
            begun.set()
            assert go_on.wait(20)
            return elapsed.seconds

        def release() -> None:
            assert begun.wait(20)
            threading.Event().wait(0.2)  # so long the loop could leap if it did not know better
            go_on.set()

        threading.Thread(target=release).start()
        async with asyncio.timeout(5):
            seen = await asyncio.to_thread(work)
        await asyncio.sleep(3600)
        return seen

    with contextlib.closing(LeapingLoop(elapsed, busy)) as loop:
        seen = loop.run_until_complete(main())
    assert seen == 0.0
    assert 3600 <= elapsed.seconds < 3601
    assert Elapsed(tmp_path / "elapsed").seconds == elapsed.seconds
