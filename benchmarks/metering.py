"""The derived layer: processor time from the raw archive to the messages that are published, all threads together.

Rules: archives are on a real disk, with fsync; raw readings are there before the clock begins. A point has the rules of
validation that points have by default. Published is what a sink sends: the messages are made, and go to nobody.
"""

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from msgspec.structs import replace

from benchmarks.result import Result
from gatewayd.archive.follow import Follower
from gatewayd.archive.records import Entry
from gatewayd.archive.rows import to_us
from gatewayd.archive.store import Store
from gatewayd.daemon.derived import DerivedArchive, derived_folder
from gatewayd.daemon.metering import Metering
from gatewayd.daemon.metering_build import works_of
from gatewayd.daemon.threads import collect_seldom
from gatewayd.legal_time import PRAGUE, days, interval_ends
from gatewayd.metering.points import Installed, MeteringPoint, Rated
from gatewayd.metering.virtual import Virtual
from gatewayd.model import Exchange, Kind, Outcome, Ratio, Reading
from gatewayd.obis import Obis
from gatewayd.sink.derived_payload import DerivedComposer

CODES = tuple((Obis(1, 0, c, 29), unit) for c, unit in ((1, "kWh"), (2, "kWh"), (3, "kvarh"), (4, "kvarh")))
RATIO = Ratio("200/5", "22000/100")
MONTH = list(days(date(2026, 8, 1), date(2026, 8, 31)))
"""31 days of 96 quarter-hours: 2,976."""
DAY = date(2026, 9, 15)
POINTS = 1000
AUGUST_OVER = datetime(2026, 9, 1, 5, 0, tzinfo=UTC)
NOW = datetime(2026, 9, 16, 5, 0, tzinfo=UTC)
"""Each in the morning after what was read: what comes later nobody has told yet."""
MONTH_S, DAY_S = 0.5, 30.0


def run() -> list[Result]:
    """A month of one point; a day of a thousand; one late value among them."""
    month = min(asyncio.run(_month()) for _ in range(3))
    day, computed, written = asyncio.run(_day())
    return [
        Result("one point-month, 4 channels", month, MONTH_S, month / MONTH_S, "at most 1", month <= MONTH_S, "s CPU"),
        Result(f"{POINTS} points x 1 day", day, DAY_S, day / DAY_S, "at most 1", day <= DAY_S, "s CPU"),
        Result("one late value: days of points computed", computed, 2, computed / 2, "at most 1", computed <= 2),
        Result("one late value: values written", written, 4, written / 4, "exactly 1", written == 4),
    ]


async def _month() -> float:
    async with _site([_point(0)], AUGUST_OVER) as (raw, derived, engine):
        for day in MONTH:
            await raw.append(_entry("em-0", _readings("em-0", day)))
        begun = time.process_time()
        await engine.catch_up()
        _publish(derived)
        return time.process_time() - begun


async def _day() -> tuple[float, int, int]:
    total = MeteringPoint("total", sum=Virtual("total", {"p-0": Decimal(1), "p-1": Decimal(-1)}))
    async with _site([*map(_point, range(POINTS)), total]) as (raw, derived, engine):
        await asyncio.gather(*(raw.append(_entry(f"em-{n}", _readings(f"em-{n}", DAY))) for n in range(POINTS)))
        begun = time.process_time()
        await engine.catch_up()
        _publish(derived)
        spent = time.process_time() - begun
        tally = engine.compute.tally
        before = tally.days, tally.written
        late = _readings("em-0", DAY)[160:161]
        await raw.append(_entry("em-0", [_changed(one) for one in late]))
        await engine.catch_up()
        return spent, tally.days - before[0], tally.written - before[1]


def _publish(derived: Store) -> None:
    """The messages of everything, as a sink makes them."""
    composer, follower, seq = DerivedComposer("gw-1", derived.published_head), Follower(derived.folder), 0
    while batch := follower.after(seq, 500):
        for message in composer.messages(batch, 64 * 1024):
            assert message.payload
        seq = batch[-1].seq


@asynccontextmanager
async def _site(points: Sequence[MeteringPoint], now: datetime = NOW) -> AsyncIterator[tuple[Store, Store, Metering]]:
    with tempfile.TemporaryDirectory() as folder:
        stores = [Store(place, "gw-1", lambda: to_us(now)) for place in (Path(folder), derived_folder(Path(folder)))]
        for store in stores:
            store.open()
        try:
            raw, derived = stores
            works = works_of(points, PRAGUE)
            collect_seldom()  # as the gateway does
            yield raw, derived, Metering(raw, DerivedArchive(derived), works, PRAGUE, lambda: now, sleep=_at_once)
        finally:
            for store in stores:
                store.close()


def _point(number: int) -> MeteringPoint:
    rated = Rated(Decimal(200), Decimal(22000))
    return MeteringPoint(f"p-{number}", installed=(Installed(f"em-{number}"),), rated=rated)


def _readings(meter: str, day: date) -> list[Reading]:
    """Rows of four channels, as a load profile has them."""
    found = []
    for place, at in enumerate(interval_ends(day)):
        for code, unit in CODES:
            text = f"0.{(place * 37 + code.c) % 150:03d}"
            raw, kind = text.encode(), Kind.INTERVAL
            found.append(Reading(meter, code, str(code), kind, at, raw, text, unit, interval_s=900))
    return found


def _changed(one: Reading) -> Reading:
    return replace(one, raw=b"0.151", raw_text="0.151")


def _entry(meter: str, readings: Sequence[Reading]) -> Entry:
    at = NOW - timedelta(days=1)
    exchange = Exchange(meter, "bus", "profile", at, at, b"", Outcome.DONE)
    return Entry(exchange, tuple(readings), (RATIO,) * len(readings))


async def _at_once(_seconds: float) -> None:
    await asyncio.sleep(0)
