"""Readings as the archive has them, for primary values."""

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta

from gatewayd.legal_time import instant, interval_ends
from gatewayd.metering.points import Installed, MeteringPoint
from gatewayd.model import DIRECT, NO_FLAGS, Archived, Flag, Kind, Ratio, RawStatus, Reading
from gatewayd.obis import Obis

ENERGY, TOTAL, POWER = (Obis.parse(text) for text in ("1-0:1.29.0", "1-0:1.8.0", "1-0:1.5.0"))
DAY = date(2026, 3, 3)
ENDS = interval_ends(DAY)
QUARTER = timedelta(minutes=15)


def row(
    seq: int,
    at: datetime,
    text: str,
    *,
    meter: str = "em-1",
    obis: Obis = ENERGY,
    unit: str = "kWh",
    scaler: int = 0,
    ratio: Ratio = DIRECT,
    status: RawStatus = RawStatus.TRUE,
    flags: Flag = NO_FLAGS,
    more: tuple[str, ...] = (),
    seconds: int | None = 900,
    kind: Kind = Kind.INTERVAL,
    exchange: int = 0,
) -> Archived:
    reading = Reading(meter, obis, str(obis), kind, at, text.encode(), text, unit, scaler, status, flags, more, seconds)
    return Archived(seq, reading, at + timedelta(hours=1), "", 1, ratio, exchange or seq)


def told(seq: int, at: datetime, *, meter: str = "em-1", obis: Obis = ENERGY) -> Archived:
    """An interval that was closed as missing."""
    flags = Flag.NOT_READ
    return row(seq, at, "", meter=meter, obis=obis, status=RawStatus.MISSING, flags=flags, more=("the line failed",))


def rows(ends: Sequence[datetime], text: str = "1.5", first: int = 1, **more: object) -> list[Archived]:
    """The same text in each interval, sequence numbers from `first` on."""
    return [row(first + n, end, text, **more) for n, end in enumerate(ends)]  # type: ignore[arg-type]  # options of row


def legal(clock: str, day: date = DAY) -> datetime:
    """`10:15` as an instant."""
    return instant(day, time.fromisoformat(clock))


def point(*installed: Installed, **more: object) -> MeteringPoint:
    """A point with one meter em-1, or with these."""
    there = installed or (Installed("em-1"),)
    return MeteringPoint("north", installed=there, **more)  # type: ignore[arg-type]  # options of MeteringPoint


def ct(text: str, since: date | datetime = DIRECT.since) -> Ratio:
    return Ratio(ct=text, since=since)
