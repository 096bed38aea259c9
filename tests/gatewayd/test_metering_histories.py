"""Random histories of an engine end in the values of one that has seen everything at once.

What happens to it: readings come in any order and some of them late, it computes, time goes by, it is given up in the
middle of a computation as by a kill, other points are taken, also in the middle. Which points they are changes between
two sites, and back.

Rules: a history is that of its seed. Seeds 10 and 33 have found days that kept a former definition. The long form
(GATEWAYD_TEST_FULL=1) has two hundred.
"""

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import product
from pathlib import Path
from random import Random

import pytest

from gatewayd.archive.records import Entry
from gatewayd.daemon import metering_batch, metering_deriving
from gatewayd.daemon.metering_build import works_of
from gatewayd.legal_time import PRAGUE, day_bounds, days, interval_ends
from gatewayd.metering.plan import Task
from gatewayd.metering.points import Accuracy, Installed, MeteringPoint
from gatewayd.metering.substitution_terms import OFF, SubstitutionTerms
from gatewayd.metering.values import Layer
from gatewayd.model import Flag, Kind, MeteringType, Ratio, RawStatus, Reading
from gatewayd.obis import Obis
from tests.gatewayd.metering_world import World, brought, quarter, total, world

pytestmark = pytest.mark.timeout(300)
TOTAL, MAXIMUM, IMPORT = (Obis.parse(code) for code in ("1-0:1.8.0", "1-0:1.6.0", "1-0:1.29.0"))
FIRST, END = date(2026, 10, 23), datetime(2026, 11, 25, 5, tzinfo=UTC)
"""Around the day of 25 hours; at the end nothing is waited for any more."""
SEEDS = [*range(200)] if os.environ.get("GATEWAYD_TEST_FULL") == "1" else [3, 10, 17, 33, 45]
TWENTY = (Ratio("100/5", since=date(2020, 1, 1)),)

Site = tuple[MeteringPoint, ...]
Said = tuple[object, ...]


class GivenUpError(BaseException):
    """As if the process were killed."""


def sites(rnd: Random) -> list[Site]:
    """Two of them: `north` with one ratio or another, with substitutes or without, with a control metering, a control
    metering that is a point of its own, or none; and a sum, whole or partial, or none."""
    return [_site(*choice) for choice in rnd.sample([*product(range(4), range(3), range(3))], 2)]


def _site(kind: int, control: int, sums: int) -> Site:
    found = [_point("north", "em-1", TWENTY if kind % 2 else (), SubstitutionTerms(enabled=kind > 1))]
    if control:
        found.append(_point("south", "em-2", control_of="north" if control == 1 else ""))
    if sums:
        found.append(total(sums == 2, north=1, south=-1) if control else total(sums == 2, north=1))
    return tuple(found)


def _point(
    name: str, meter: str, ratios: tuple[Ratio, ...] = (), terms: SubstitutionTerms = OFF, control_of: str = ""
) -> MeteringPoint:
    return MeteringPoint(
        name,
        metering_type=MeteringType.A,
        installed=(Installed(meter, ratios=ratios),),
        accuracy=Accuracy(meter="1"),
        control_of=control_of,
        substitution=terms,
    )


def pieces(rnd: Random) -> list[list[Reading]]:
    """Days with holes, states of registers, and what comes late; each behind what it comes after."""
    first: list[list[Reading]] = []
    more: list[list[Reading]] = []
    for number, day in enumerate(days(FIRST, FIRST + timedelta(days=rnd.choice((3, 8))))):
        ends = interval_ends(day)
        for meter in ("em-1", "em-2"):
            holes = {*rnd.sample(ends, rnd.choice((0, 0, 1, 5))), *rnd.sample((ends[0], ends[-1]), rnd.randrange(3))}
            rows = [quarter(meter, at, "" if at in holes else rnd.choice("1112")) for at in ends]
            late = [quarter(meter, at, rnd.choice("12"), flags=Flag.LATE) for at in sorted(holes) if rnd.random() < 0.3]
            state = str(1000 + number * 100 + rnd.choice((96, 97, 120)))
            (more if number else first).append(rows)
            more += [late] * bool(late) + [[_state(meter, day_bounds(day)[1], state)]] * rnd.randrange(2)
    if rnd.random() < 0.7:
        rnd.shuffle(more)
    days_first = {(one.meter, one.at): place for place, part in enumerate(more) for one in part if not one.flags}
    return [*first, *sorted(more, key=lambda part: _behind(part, more, days_first))]


def _behind(part: list[Reading], more: list[list[Reading]], places: dict[tuple[str, datetime], int]) -> float:
    """What is late comes after what it takes the place of."""
    own = next(place for place, one in enumerate(more) if one is part)
    return max(own, places.get((part[0].meter, part[0].at), -1) + 0.5) if part[0].flags else own


def _state(meter: str, at: datetime, text: str) -> Reading:
    return Reading(meter, TOTAL, "1.8.0", Kind.REGISTER, at, text.encode(), text, "kWh", 0, RawStatus.TRUE)


@dataclass
class History:
    """What happens to an engine; `log` says it when it ends in other values."""

    here: World
    rnd: Random
    sites: list[Site]
    site: Site
    log: list[str] = field(default_factory=list)

    async def go_on(self, queue: list[list[Reading]]) -> None:
        """One thing."""
        what = self.rnd.choices(("bring", "compute", "begin", "take", "kill", "time"), (45, 15, 10, 8, 17, 5))[0]
        self.log.append(what)
        match what:
            case "bring":
                for _ in range(min(len(queue), self.rnd.randint(1, 6))):
                    await self.here.raw.append(brought(queue.pop(0)))
            case "compute":
                await self.here.engine.catch_up()
            case "begin":
                self.begin(self.rnd.choice(self.sites))
            case "take":
                await self.take(self.rnd.choice(self.sites))
            case "kill":
                await self.kill()
            case "time":
                self.here.now = min(END, self.here.now + timedelta(days=self.rnd.choice((1, 7))))

    def begin(self, site: Site) -> None:
        self.site = site
        self.here.begin(site)

    async def take(self, site: Site) -> None:
        """As by a reload, in the middle of what is computed."""
        engine, loop, left, self.site = self.here.engine, asyncio.get_running_loop(), self.rnd.randint(0, 4), site
        before = engine.compute.days

        def spy(tasks: Sequence[Task], now: datetime, reason: str) -> list[Entry]:
            nonlocal left
            if left == 0:
                loop.call_soon_threadsafe(engine.take, works_of(site, PRAGUE))
            left -= 1
            return before(tasks, now, reason)

        compute = engine.compute
        compute.days = spy  # type: ignore[method-assign]
        await engine.catch_up()
        compute.days = before  # type: ignore[method-assign]
        engine.take(works_of(site, PRAGUE))

    async def kill(self) -> None:
        """A process that is given up in the middle, and the next one."""
        if self.rnd.random() < 0.4:
            self.site = self.rnd.choice(self.sites)
        engine, left = self.here.begin(self.site), self.rnd.randint(0, 12)
        before, metering_deriving._WRITE = engine.compute.days, self.rnd.choice((1, 100, 2000))

        def spy(tasks: Sequence[Task], now: datetime, reason: str) -> list[Entry]:
            nonlocal left
            if left == 0:
                raise GivenUpError
            left -= 1
            return before(tasks, now, reason)

        engine.compute.days = spy  # type: ignore[method-assign]
        try:
            await engine.catch_up()
        except GivenUpError:
            self.log.append("in the middle")
        self.here.begin(self.site)


def values(here: World, site: Site) -> dict[tuple[str, str, str], Said]:
    """All that are current."""
    layers = ((Layer.INTERVAL, IMPORT), (Layer.DAY, IMPORT), (Layer.MONTH, IMPORT), (Layer.MAXIMUM, MAXIMUM))
    return {
        (point.id, layer.value, at.isoformat()): (one.amount, one.status, one.method, one.rules, one.have, one.want)
        for point in site
        for layer, code in layers
        for at, one in here.values(point.id, layer, code).items()
    }


@pytest.mark.parametrize("seed", SEEDS)
def test_a_history_ends_as_if_there_had_been_none(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metering_batch, "OFTEN_S", 0.0)
    monkeypatch.setattr(metering_deriving, "_WRITE", 2000)
    rnd = Random(seed)
    two, came = sites(rnd), pieces(rnd)

    async def body() -> None:
        async with world(tmp_path / "history", two[0]) as here:
            here.now = END - timedelta(days=rnd.choice((0, 0, 20)))
            queue = list(came)
            for _ in range(2):  # a meter that began later has no holes before
                await here.raw.append(brought(queue.pop(0)))
            history = History(here, rnd, two, two[0])
            while queue:
                await history.go_on(queue)
            here.now = END
            await here.engine.catch_up()
            found = values(here, history.site)
        async with world(tmp_path / "at once", history.site) as there:
            there.now = END
            for part in came:
                await there.raw.append(brought(part))
            await there.engine.catch_up()
            wanted = values(there, history.site)
        wrong = sorted(key for key in found.keys() | wanted.keys() if found.get(key) != wanted.get(key))
        shown = [f"{key}: {found.get(key)}, should be {wanted.get(key)}" for key in wrong[:10]]
        assert not wrong, "\n".join([f"{len(wrong)} differ after {history.log} with {history.site}", *shown])
        assert len(wanted) > 300

    asyncio.run(asyncio.wait_for(body(), 280))
