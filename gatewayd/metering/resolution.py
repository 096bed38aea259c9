"""What one unit of the last digit of an interval is worth, as its readings show it, ratios included.

    resolution(point, archived, code, start, end)   -> 8.8 kWh of 0.125 kWh behind 8800; None: nothing is read

Rules: pure, exact, and the same in whatever order the readings come. Of the readings of a time the finest digit counts,
since some meters leave zeros out; of several ratios the highest. A channel has the readings of the first of its sources
(sources.py) that there are; one that is made of its parts has the digits of all of these together.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from gatewayd.legal_time import PRAGUE
from gatewayd.metering.algebra import total
from gatewayd.metering.energy_units import amount, energy_unit
from gatewayd.metering.points import MeteringPoint, PointVersion, versions
from gatewayd.metering.quadrants import parts_of
from gatewayd.metering.sources import sources
from gatewayd.model import Archived, Kind
from gatewayd.obis import Obis

_Kind = tuple[str, str, int]
"""Meter, unit and length: of readings of one kind the digits are compared."""


def resolution(
    point: MeteringPoint,
    archived: Sequence[Archived],
    code: Obis,
    start: datetime,
    end: datetime,
    zone: ZoneInfo = PRAGUE,
) -> Decimal | None:
    """Of the intervals of a channel that end after `start` and not after `end`, in its unit."""
    for source, _ in sources(code):
        found = _digit(point, (one for one in archived if one.reading.obis == source), start, end, zone)
        if found is not None:
            return found
    parts = [resolution(point, archived, part, start, end, zone) for part, _ in parts_of(code)]
    known = [one for one in parts if one is not None]
    return total(known) if known and len(known) == len(parts) else None


def _covers(version: PointVersion, at: datetime) -> bool:
    return version.since < at and (version.until is None or at <= version.until)


def _digit(
    point: MeteringPoint, archived: Iterable[Archived], start: datetime, end: datetime, zone: ZoneInfo
) -> Decimal | None:
    held = versions(point, zone)
    finest: dict[_Kind, int] = {}
    factors: dict[_Kind, Decimal] = {}
    for one in archived:
        reading = one.reading
        if reading.kind is not Kind.INTERVAL or not start < reading.at <= end or reading.value is None:
            continue
        version = next((v for v in held if v.meter == reading.meter and _covers(v, reading.at)), None)
        if version is None:
            continue
        key = reading.meter, reading.unit, reading.interval_s or 0
        exponent = int(reading.value.as_tuple().exponent)
        factor = (version.ratio or one.ratio).factor
        finest[key] = min(finest.get(key, exponent), exponent)
        factors[key] = max(factors.get(key, factor), factor)
    return max(
        (
            amount(Decimal((0, (1,), exponent)), energy_unit(key[1]), factors[key], key[2]).copy_abs()
            for key, exponent in finest.items()
        ),
        default=None,
    )
