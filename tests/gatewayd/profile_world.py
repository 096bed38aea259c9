"""A meter with a load profile, a gateway that can be stopped in any way, and a time that the test moves.

Rules: store and acquisition are the real ones; the meter is a driver that a test scripts, and knows its own truth.
"""

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from gatewayd.acquire import Acquisition, Session
from gatewayd.archive.rows import to_us
from gatewayd.archive.store import Store
from gatewayd.channel import Channel
from gatewayd.errors import GatewayError, MeterSilent
from gatewayd.legal_time import PRAGUE, QUARTER, Grid
from gatewayd.model import (
    NO_FLAGS,
    Answer,
    Archived,
    Flag,
    Kind,
    LoadProfile,
    Meter,
    MeteringType,
    Order,
    Point,
    Profile,
    RawStatus,
    Reading,
    Request,
)
from gatewayd.obis import Obis
from gatewayd.policy import POLICIES, Policy
from gatewayd.station import Station
from gatewayd.upkeep import Upkeep
from tests.gatewayd.archive.samples import everything
from tests.gatewayd.doubles import ScriptedChannel, ScriptedDriver, line_to

PROFILE = Obis.parse("1-0:99.1.0")
ORDER = LoadProfile(PROFILE, months=1)
CODES = ("1.29.0", "2.29.0")
START = datetime(2026, 10, 20, 22, 0, tzinfo=UTC)  # legal midnight, five days before the clocks are set back
METER = Meter("em-1", "scripted", "cabin", MeteringType.A, "35031234", Point(eic="27ZG600Z0424987D"))
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
GRID = Grid(QUARTER)


def row(
    end: datetime, code: str, raw: str, flags: Flag = NO_FLAGS, meter: str = METER.id, seconds: int = 900
) -> Reading:
    """An interval as a driver gives it."""
    return Reading(
        meter, Obis.parse(code), code, Kind.INTERVAL, end, raw.encode(), raw, "kWh", 0, RawStatus.TRUE, flags,
        ("00",), seconds,
    )  # fmt: skip


@dataclass
class ScriptedMeter:
    """What it has measured; `off` are spans in which it had no supply: no rows, and POWER_DOWN on the next one."""

    since: datetime
    off: list[tuple[datetime, datetime]] = field(default_factory=list)
    codes: Sequence[str] = CODES
    period: timedelta = QUARTER
    zeal: str = ""
    """Stands before each value: another one makes other values of the same intervals."""

    def has(self, end: datetime) -> bool:
        begin = end - self.period
        return self.since <= begin and not any(first < end and begin < last for first, last in self.off)

    def rows(self, start: datetime, end: datetime, now: datetime) -> list[Reading]:
        """What it answers: the rows after `start` and not after `end`, as far as they are over."""
        grid = Grid(self.period)
        found: list[Reading] = []
        for number in range(grid.last(start) + 1, grid.last(min(end, now)) + 1):
            at = grid.end(number)
            if self.has(at):
                dark = (
                    Flag.POWER_DOWN
                    if self.since < at - self.period and not self.has(grid.end(number - 1))
                    else NO_FLAGS
                )
                seconds = int(self.period.total_seconds())
                found += [
                    row(at, code, f"{self.zeal}{number}.{n}", dark, seconds=seconds)
                    for n, code in enumerate(self.codes)
                ]
        return found


@dataclass
class World:
    """One meter and one gateway. `faults`: what the next requests end with, None for an answer, which is the rule."""

    folder: Path
    meter: ScriptedMeter = field(default_factory=lambda: ScriptedMeter(START - 400 * DAY))
    now: datetime = START
    steady: float = 0.0
    order: LoadProfile = ORDER
    policy: Policy = POLICIES[MeteringType.A]
    faults: list[GatewayError | None] = field(default_factory=list)
    asked: list[Profile] = field(default_factory=list)
    sure: bool = True
    known: Meter = METER

    def clock(self) -> datetime:
        return self.now

    def advance(self, by: timedelta) -> None:
        self.now += by
        self.steady += by.total_seconds()

    async def _conversation(self, channel: Channel, request: Request) -> AsyncGenerator[Answer, None]:
        await channel.receive(deadline=0)
        assert isinstance(request, Profile)
        self.asked.append(request)
        fault = self.faults.pop(0) if self.faults else None
        rows = self.meter.rows(request.start, request.end, self.now)
        if fault is not None:
            half = len(rows) // 4 * 2  # the newer half of it never comes
            if half and not isinstance(fault, MeterSilent):
                yield Answer(tuple(rows[:half]))
            raise fault
        yield Answer(tuple(rows))

    @contextlib.asynccontextmanager
    async def gateway(self) -> AsyncIterator["Gateway"]:
        """A process of the gateway."""
        store = Store(self.folder, "gw-1", lambda: to_us(self.now), group_seconds=0.0)
        store.open()
        try:
            upkeep = Upkeep(store, self.clock, PRAGUE, sure=lambda: self.sure, steady=lambda: self.steady)
            upkeep.watch(self.known, self.order, self.policy)
            yield Gateway(self, store, upkeep, Acquisition(store, self.clock, PRAGUE, upkeep=upkeep))
        finally:
            store.close()

    def archived(self) -> list[Archived]:
        return everything(self.folder)


@dataclass
class Gateway:
    """A process under way."""

    world: World
    store: Store
    upkeep: Upkeep
    acquisition: Acquisition

    async def session(self, *orders: Order, seconds: float | None = None) -> Session:
        """One session with the profile, or with other orders; of so many seconds at the most."""
        channel = ScriptedChannel([b"x"] * 2000)
        station = Station(self.world.known, ScriptedDriver(self.world._conversation), policy=self.world.policy)
        line = line_to(channel, "cabin")
        return await self.acquisition.session(line, station, orders or (self.world.order,), seconds=seconds)

    async def all(self) -> None:
        """Sessions until nothing is left to ask for."""
        while (await self.session()).results[0].left:
            pass

    async def tick(self) -> tuple[str, ...]:
        """The alarms that stand."""
        return (await self.upkeep.tick(self.world.now)).get(self.world.known.id, ())


def values_of(archived: Sequence[Archived]) -> dict[tuple[datetime, str], list[Reading]]:
    """The readings of each interval and channel, in the order of the archive."""
    found: dict[tuple[datetime, str], list[Reading]] = {}
    for one in archived:
        if one.reading.kind is Kind.INTERVAL:
            found.setdefault((one.reading.at, one.reading.code), []).append(one.reading)
    return found
