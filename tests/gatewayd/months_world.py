"""A point of type C whose meter keeps no load profile, and readings of its registers, for tests of its months."""

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal

from gatewayd.archive.neighbours import BY_HAND
from gatewayd.archive.records import Entry as Record
from gatewayd.legal_time import instant
from gatewayd.metering.aggregate import month_bounds
from gatewayd.metering.entered import document
from gatewayd.metering.manual_history import Entry, State, Subject
from gatewayd.metering.points import Installed, MeteringPoint
from gatewayd.metering.register_state import BOUNDARY
from gatewayd.metering.substitution_terms import SubstitutionTerms
from gatewayd.metering.values import Layer, Value
from gatewayd.model import DIRECT, NO_FLAGS, Exchange, Flag, Kind, Outcome, Ratio, RawStatus, Reading
from gatewayd.obis import Obis
from tests.gatewayd.metering_world import World, brought

TOTAL, FIRST, SECOND = (Obis.parse(f"1-0:1.8.{rate}") for rate in (0, 1, 2))
ON = SubstitutionTerms(enabled=True)


def shop(
    *installed: Installed, channels: tuple[Obis, ...] = (TOTAL,), substitution: SubstitutionTerms | None = None
) -> MeteringPoint:
    """The point `shop`; with the meter em-1 unless other ones are named."""
    meters = installed or (Installed("em-1"),)
    terms = substitution or SubstitutionTerms()
    return MeteringPoint("shop", installed=meters, channels=channels, substitution=terms, boundary=BOUNDARY)


def midnight(year: int, month: int, day: int = 1) -> datetime:
    """In UTC, of legal time."""
    return instant(date(year, month, day), time(0))


def noon(year: int, month: int, day: int) -> datetime:
    """As `reading add` dates a reading of a day."""
    return instant(date(year, month, day), time(12))


def state(
    at: datetime,
    text: str,
    code: Obis = TOTAL,
    meter: str = "em-1",
    *,
    by_hand: bool = False,
    unit: str = "kWh",
    status: RawStatus = RawStatus.TRUE,
    meter_time: str = "",
) -> Reading:
    """What a register shows; `by_hand` as `reading add` archives it."""
    flags = Flag.MANUAL if by_hand else NO_FLAGS
    return Reading(
        meter, code, str(code), Kind.REGISTER, at, text.encode(), text, unit, 0, status, flags, meter_time=meter_time
    )


async def enter(here: World, readings: Sequence[Reading], ratio: Ratio = DIRECT, serial: str = "") -> tuple[int, ...]:
    """Archive states one exchange for all of them, and let the engine catch up; the numbers in the raw archive."""
    entry = brought(readings, ratio, here.now)
    found = await here.raw.append(Record(entry.exchange, entry.readings, entry.ratios, serial))
    await here.engine.catch_up()
    return tuple(one.seq for one in found)


def months(here: World, code: Obis = TOTAL) -> dict[str, Value]:
    """The months of the point as they are now, by `2026-03`."""
    found: dict[str, Value] = {}
    for at, value in here.values("shop", Layer.MONTH, code).items():
        day = at - timedelta(days=1)
        found[f"{day:%Y-%m}"] = value
    return found


def amounts(here: World, code: Obis = TOTAL) -> dict[str, str]:
    """The amounts and statuses: `2026-03`: `30 true`."""
    return {
        month: f"{'-' if one.amount is None else format(one.amount, 'f')} {one.status.text}"
        for month, one in months(here, code).items()
    }


def end_of(year: int, month: int) -> datetime:
    """The end of a month."""
    return month_bounds(date(year, month, 1))[1]


async def estimate(
    here: World,
    number: int,
    amount: str,
    month: date,
    what: State = State.ENTERED,
    code: Obis = TOTAL,
    author: str = "eva",
    *,
    looked_after: bool = True,
) -> None:
    """As the desk archives it, and the engine looks after it."""
    subject = Subject("shop", code, month, month=True)
    value = Decimal(amount) if what is State.ENTERED else None
    entry = Entry(number, subject, what, author, here.now, value, "boiler 2 kW, 2 h a day")
    exchange = Exchange("shop", BY_HAND, "substitute", here.now, here.now, document(entry, "kWh", "root"), Outcome.DONE)
    await here.store.append(Record(exchange, serial=BY_HAND))
    if looked_after:
        await here.engine.catch_up()
