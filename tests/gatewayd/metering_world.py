"""A raw archive, a derived one beside it, and the engine between them, as long as a test needs them."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

from gatewayd.archive.records import Entry
from gatewayd.archive.rows import to_us
from gatewayd.archive.store import Store
from gatewayd.daemon.derived import DerivedArchive, derived_folder
from gatewayd.daemon.metering import Metering
from gatewayd.daemon.metering_build import works_of
from gatewayd.legal_time import PRAGUE, interval_ends
from gatewayd.metering.points import Installed, MeteringPoint
from gatewayd.metering.values import Layer, Value
from gatewayd.metering.virtual import Virtual
from gatewayd.model import DIRECT, NO_FLAGS, Exchange, Flag, Kind, Outcome, Ratio, RawStatus, Reading
from gatewayd.obis import Obis

IMPORT, EXPORT = Obis.parse("1-0:1.29.0"), Obis.parse("1-0:2.29.0")
DAY = date(2026, 11, 20)
NOW = datetime(2026, 11, 21, 5, 0, tzinfo=UTC)
"""In the morning after."""
NORTH = MeteringPoint("north", installed=(Installed("em-1"),))
SOUTH = MeteringPoint("south", installed=(Installed("em-2"),))


def total(partial: bool = False, **terms: int) -> MeteringPoint:
    """A virtual point `total`."""
    return MeteringPoint("total", sum=Virtual("total", {one: Decimal(n) for one, n in terms.items()}, partial))


def quarter(
    meter: str,
    at: datetime,
    text: str,
    code: Obis = IMPORT,
    *,
    status: RawStatus = RawStatus.TRUE,
    flags: Flag = NO_FLAGS,
    unit: str = "kWh",
) -> Reading:
    """A quarter-hour as a meter sends it; without a text none."""
    status = status if text else RawStatus.MISSING
    return Reading(meter, code, str(code), Kind.INTERVAL, at, text.encode(), text, unit, 0, status, flags, (), 900)


def day_of(meter: str, day: date = DAY, amount: str = "0.250", code: Obis = IMPORT) -> list[Reading]:
    """All quarter-hours of a legal-time day."""
    return [quarter(meter, at, amount, code) for at in interval_ends(day)]


def brought(readings: Sequence[Reading], ratio: Ratio = DIRECT, at: datetime = NOW) -> Entry:
    """An exchange that brought readings of one meter."""
    exchange = Exchange(readings[0].meter, "bus", "profile", at, at, b"", Outcome.DONE)
    return Entry(exchange, tuple(readings), (ratio,) * len(readings))


class World:
    """The archives and the engine. `now` may be moved."""

    def __init__(self, raw: Store, derived: Store) -> None:
        self.raw, self.store = raw, derived
        self.derived = DerivedArchive(derived)
        self.now = NOW
        self.engine: Metering

    def begin(self, points: Iterable[MeteringPoint]) -> Metering:
        """An engine as after a start of the gateway."""
        self.engine = Metering(
            self.raw, self.derived, works_of(points, PRAGUE), PRAGUE, lambda: self.now, linger_s=0.0, sleep=_at_once
        )
        return self.engine

    async def bring(self, readings: Sequence[Reading], ratio: Ratio = DIRECT) -> tuple[int, ...]:
        """Archive what a meter has sent, and let the engine catch up; the numbers in the raw archive."""
        found = await self.raw.append(brought(readings, ratio, self.now))
        await self.engine.catch_up()
        return tuple(one.seq for one in found)

    def values(self, point: str, layer: Layer = Layer.INTERVAL, code: Obis = IMPORT) -> dict[datetime, Value]:
        """All current values of a series."""
        return self.derived.reader.current(
            point, layer, code, datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
        )

    def one(self, point: str, layer: Layer, code: Obis = IMPORT) -> Value:
        """The only current value of a series."""
        (found,) = self.values(point, layer, code).values()
        return found

    def one_of(self, point: str, layer: Layer, at: datetime, code: Obis = IMPORT) -> Value:
        """The current value of a series that ends then."""
        return self.values(point, layer, code)[at]


@asynccontextmanager
async def world(folder: Path, points: Iterable[MeteringPoint] = (NORTH,)) -> AsyncIterator[World]:
    """Open archives in a folder, and an engine that has not begun."""
    opened: list[Store] = []
    made: list[World] = []

    def us() -> int:
        return to_us(made[0].now if made else NOW)

    try:
        for place in (folder, derived_folder(folder)):
            store = Store(place, "gw-1", us, group_seconds=0.0)
            store.open()
            opened.append(store)
        made.append(World(*opened))
        made[0].begin(points)
        yield made[0]
    finally:
        for store in opened:
            await asyncio.to_thread(store.close)


async def _at_once(_seconds: float) -> None:
    await asyncio.sleep(0)
