"""Random histories of months of type C end in the values of an engine that has seen everything at once.

Registers are read at any times, some of them not, some of them doubtful; the meter is exchanged. Readings come in any
order, the engine computes, time goes by, it is given up in the middle as by a kill, the point is another one and back.

Rules: a history is that of its seed. The month behind the last reading is not compared: of a new meter whose first
readings come later than the month was due it is not made. The long form (GATEWAYD_TEST_FULL=1) has two hundred.
"""

import asyncio
import contextlib
import os
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from itertools import product
from pathlib import Path
from random import Random

import pytest

from gatewayd.daemon import metering_batch
from gatewayd.daemon.metering_steps import PointWork
from gatewayd.metering.points import Installed, MeteringPoint
from gatewayd.metering.values import Layer, Method
from gatewayd.model import Ratio, RawStatus, Reading
from tests.gatewayd.metering_world import World, brought, world
from tests.gatewayd.months_world import FIRST, ON, SECOND, TOTAL, midnight, shop, state

pytestmark = pytest.mark.timeout(300)
BEGIN, LAST, END = midnight(2025, 1), midnight(2026, 10, 5), datetime(2026, 12, 20, 8, tzinfo=UTC)
EXCHANGED, COMPARED = midnight(2026, 4, 17), midnight(2026, 11)
SHORT = (5, 12, 25, 26, 72)
SEEDS = range(200) if os.environ.get("GATEWAYD_TEST_FULL") == "1" else SHORT
RATIOS = (
    (),
    (Ratio("100/5", since=date(2020, 1, 1)),),
    (Ratio("50/5", since=date(2020, 1, 1)), Ratio("100/5", since=date(2026, 3, 10))),
)


class GivenUpError(BaseException):
    """As if the process were killed."""


def points(rnd: Random) -> list[MeteringPoint]:
    """Two: with one ratio or another, with substitutes or without, one meter or two, some registers or all."""
    return [_point(*choice) for choice in rnd.sample([*product(range(3), range(2), range(3), range(2))], 2)]


def _point(ratio: int, substituted: int, exchanged: int, whole: int) -> MeteringPoint:
    meters = [Installed("em-1", ratios=RATIOS[ratio])]
    if exchanged:
        meters.append(Installed("em-2", since=(midnight(2026, 4), EXCHANGED)[exchanged - 1], ratios=RATIOS[ratio]))
    channels = () if whole else (TOTAL, FIRST, SECOND)
    return shop(*meters, channels=channels, substitution=ON if substituted else None)


def pieces(rnd: Random) -> list[list[Reading]]:
    """What was read at once."""
    levels = {"em-1": [400, 600], "em-2": [3, 7]}
    found, at = list[list[Reading]](), BEGIN
    while at < LAST:
        at += timedelta(days=rnd.choice((1, 3, 10, 30, 31, 45)), hours=rnd.choice((0, 1, 5)))
        meter = "em-1" if at < EXCHANGED or rnd.random() < 0.05 else "em-2"
        levels[meter] = [one + rnd.randint(0, 60) for one in levels[meter]]
        shown = {TOTAL: sum(levels[meter]), FIRST: levels[meter][0], SECOND: levels[meter][1]}
        status = rnd.choice((RawStatus.TRUE,) * 8 + (RawStatus.DISTORTED,))
        there = [(code, str(value)) for code, value in shown.items() if rnd.random() < 0.85]
        rows = [state(at, value, code, meter, status=status) for code, value in there]
        if rnd.random() < 0.3:
            rows.append(state(midnight(at.year, at.month), str(shown[TOTAL] - rnd.choice((0, 5))), TOTAL, meter))
        found += [rows] * bool(rows)
    if rnd.random() < 0.7:
        rnd.shuffle(found)
    return found


async def go_on(
    here: World, rnd: Random, queue: list[list[Reading]], two: list[MeteringPoint], now: MeteringPoint, log: list[str]
) -> MeteringPoint:
    """One thing happens; which point it is then."""
    what = rnd.choices(("bring", "compute", "begin", "kill", "time"), (50, 15, 13, 17, 5))[0]
    log.append(what)
    match what:
        case "bring":
            for _ in range(min(len(queue), rnd.randint(1, 8))):
                await here.raw.append(brought(queue.pop(0)))
        case "compute":
            await here.engine.catch_up()
        case "begin":
            here.begin([now := rnd.choice(two)])
        case "kill":
            now = rnd.choice(two) if rnd.random() < 0.5 else now
            await _killed(here, now, rnd.randint(0, 2))
        case "time":
            here.now = min(END, here.now + timedelta(days=rnd.choice((1, 31))))
    return now


async def _killed(here: World, point: MeteringPoint, left: int) -> None:
    engine = here.begin([point])
    before = engine.compute._months.of

    def spy(work: PointWork, firsts: Iterable[date], now: datetime, reason: str) -> list[object]:
        nonlocal left
        if left == 0:
            raise GivenUpError
        left -= 1
        return list(before(work, firsts, now, reason))

    engine.compute._months.of = spy  # type: ignore[method-assign, assignment]
    with contextlib.suppress(GivenUpError):
        await engine.catch_up()
    here.begin([point])


def values(here: World) -> dict[tuple[str, str], tuple[object, ...]]:
    """All that are current and say something."""
    return {
        (str(code), at.isoformat()): (one.amount, one.status, one.method, one.rules, one.seconds, one.flags)
        for code in (TOTAL, FIRST, SECOND)
        for at, one in here.values("shop", Layer.MONTH, code).items()
        if (one.status, one.method) != (RawStatus.MISSING, Method.NONE) and at <= COMPARED
    }


@pytest.mark.parametrize("seed", SEEDS)
def test_a_history_ends_as_if_there_had_been_none(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metering_batch, "OFTEN_S", 0.0)
    rnd = Random(seed)
    two, came, log = points(rnd), pieces(rnd), list[str]()

    async def body() -> None:
        async with world(tmp_path / "history", [two[0]]) as here:
            here.now = END - timedelta(days=rnd.choice((0, 0, 100)))
            queue, point = list(came), two[0]
            while queue:
                point = await go_on(here, rnd, queue, two, point, log)
            here.now = END
            await here.engine.catch_up()
            found = values(here)
        async with world(tmp_path / "at once", [point]) as there:
            there.now = END
            for part in came:
                await there.raw.append(brought(part))
            await there.engine.catch_up()
            wanted = values(there)
        wrong = sorted(key for key in found.keys() | wanted.keys() if found.get(key) != wanted.get(key))
        shown = [f"{key}: {found.get(key)}, should be {wanted.get(key)}" for key in wrong[:6]]
        assert not wrong, "\n".join([f"{len(wrong)} differ after {log} with {point}", *shown])
        assert wanted or seed not in SHORT

    asyncio.run(asyncio.wait_for(body(), 280))
