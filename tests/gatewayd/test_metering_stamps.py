"""Stamps of a meter whose clock is some seconds fast: the last interval of a day is stamped on the day behind it."""

import asyncio
from collections.abc import Coroutine
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from gatewayd.legal_time import day_bounds, interval_ends
from gatewayd.metering.values import Layer
from gatewayd.model import RawStatus
from tests.gatewayd.metering_world import DAY, NORTH, day_of, world

NEXT = DAY + timedelta(days=1)
ENDS = interval_ends(DAY)


def run(body: Coroutine[None, None, None]) -> None:
    asyncio.run(asyncio.wait_for(body, 60))


@pytest.mark.parametrize("seconds", [1, 5, 9])
def test_no_interval_is_lost_at_midnight(tmp_path: Path, seconds: int) -> None:
    """9 s are the hundredth of a quarter-hour, within which an end of the grid is meant."""
    rows = [replace(one, at=one.at + timedelta(seconds=seconds)) for one in (*day_of("em-1"), *day_of("em-1", NEXT))]

    async def body() -> None:
        async with world(tmp_path, [NORTH]) as here:
            here.now = day_bounds(NEXT)[1] + timedelta(hours=1)
            await here.bring(rows)
            assert sorted(here.values("north")) == [*ENDS, *interval_ends(NEXT)]
            for day in (DAY, NEXT):
                one = here.one_of("north", Layer.DAY, day_bounds(day)[1])
                assert (one.status, one.have, one.want) == (RawStatus.TRUE, 96, 96)

    run(body())


def test_the_last_one_that_comes_alone_is_of_the_day_that_has_ended(tmp_path: Path) -> None:
    rows = day_of("em-1")
    last = replace(rows[-1], at=rows[-1].at + timedelta(seconds=5))

    async def body() -> None:
        async with world(tmp_path, [NORTH]) as here:
            here.now = day_bounds(DAY)[1] + timedelta(hours=1)
            await here.bring(rows[:-1])
            assert ENDS[-1] not in here.values("north")
            await here.bring([last])
            assert here.values("north")[ENDS[-1]].status is RawStatus.TRUE
            assert here.one("north", Layer.DAY).have == 96

    run(body())
