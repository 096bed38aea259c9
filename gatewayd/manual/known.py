"""What is known around a reading by hand: from the archive, and from the readings before it of the same table.

Rules: read-only, one object for one table. Values come in the unit of the reading that is looked at; what measures
something else is passed over.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from gatewayd.archive.neighbours import Neighbours, Seen
from gatewayd.legal_time import day_bounds
from gatewayd.manual.plausible import Comparable, Past, Spot
from gatewayd.manual.units import face_unit, places, quantity, shown_as
from gatewayd.model import Archived, Flag, Meter
from gatewayd.obis import Obis
from gatewayd.verdicts import plain_serial

_YEAR = timedelta(days=365)
_SHORTEST = timedelta(days=7)
"""A comparable span in front of a short one."""
_MOST_DIGITS = 16
"""Of a register that can be compared: what is longer is noise."""
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
_EVER, _FOR_EVER = date.min, date.max
_MAIN = ((1, 1, 8), (7, 3, 0), (7, 3, 1), (7, 3, 2), (8, 1, 0), (9, 1, 0), (6, 1, 0))
"""A, C and D of the registers that meters are settled by, in the order in which they are looked for."""
_GAS_POINTS, _GAS = "27ZG", Obis(7, 0, 3, 0)


class Known:
    """What is known of all meters of one table."""

    def __init__(self, neighbours: Neighbours, zone: ZoneInfo) -> None:
        self._archive = neighbours
        self._zone = zone
        self._entered: defaultdict[tuple[str, Obis], list[tuple[date, str, Spot]]] = defaultdict(list)

    def main_register(self, meter: Meter, eic: str) -> Obis | None:
        """The register that a meter is settled by, as far as that can be told."""
        known = sorted(map(Obis.parse, self._archive.codes(meter.id)))
        for a, c, d in _MAIN:
            for code in known:
                if (code.a, code.c, code.d, code.e) == (a, c, d, 0) and not code.historical:
                    return code
        return _GAS if (eic or meter.point.eic).startswith(_GAS_POINTS) else None

    def unit(self, meter: Meter, code: Obis, at: datetime) -> str:
        """The unit that the meter shows; "" where the archive does not know the register."""
        newest = max(self._around(meter, code, at), key=lambda one: one.seq, default=None)
        return face_unit(newest.reading.unit) if newest is not None else ""

    def places(self, meter: Meter, code: Obis, at: datetime, unit: str) -> int | None:
        """Digits after the point that the register has; None where the archive does not know it."""
        found = [shown_as(one.reading, unit) for one in self._around(meter, code, at)]
        return max((places(value) for value in found if value is not None), default=None)

    def measures(self, meter: Meter, code: Obis, at: datetime, unit: str) -> bool:
        """Whether a unit goes with what the archive has of the register."""
        found = self._around(meter, code, at)
        return not found or any(quantity(one.reading.unit) == quantity(unit) for one in found)

    def numbers(self, meter: Meter, day: date) -> list[str]:
        """The serial numbers that were in force on a day of legal time: two on the day of an exchange, none where
        nothing is known."""
        return [serial for serial, first, last in self._terms(meter) if first <= day <= last]

    def by_hand(self, meter: Meter, code: Obis, day: date) -> Archived | None:
        """The last reading by hand of a day that is in the archive."""
        start, end = day_bounds(day, self._zone)
        return max(self._archive.by_hand(meter.id, str(code), start, end), key=lambda one: one.seq, default=None)

    def entered(self, meter: Meter, code: Obis, day: date) -> bool:
        """Whether the table has had one of that day already."""
        return any(day == one for one, _, _ in self._entered[meter.id, code])

    def enter(self, meter: Meter, code: Obis, day: date, unit: str, spot: Spot) -> None:
        """A reading of the table that will be archived."""
        self._entered[meter.id, code].append((day, unit, spot))

    def past(self, meter: Meter, code: Obis, unit: str, at: datetime) -> Past:
        """What a reading of that instant is to be compared with."""
        day, end = day_bounds(at.astimezone(self._zone).date(), self._zone)
        entered = [spot for _, one, spot in self._entered[meter.id, code] if one == unit]
        before = [*self._spots(self._archive.before(meter.id, str(code), at, day), unit)]
        previous = _last([*before, *(one for one in entered if one.at < at)])
        after = [*self._spots(self._archive.after(meter.id, str(code), at, end), unit)]
        following = min((*after, *(one for one in entered if one.at > at)), key=lambda one: one.at, default=None)
        return Past(previous, following, self._comparable(meter, code, unit, previous, at))

    def _comparable(
        self, meter: Meter, code: Obis, unit: str, previous: Spot | None, at: datetime
    ) -> tuple[Comparable, ...]:
        if previous is None:
            return ()

        def stood(instant: datetime) -> Spot | None:
            return _last(self._spots(self._archive.before(meter.id, str(code), instant, instant), unit))

        span = at - previous.at
        found: list[Comparable] = []
        first, last = stood(previous.at - _YEAR), stood(at - _YEAR)
        if first is not None and last is not None and last.at - first.at >= span / 2:
            found.append(Comparable(first, last, "in the year before"))
        first = stood(previous.at - max(span, _SHORTEST))
        if first is not None:
            found.append(Comparable(first, previous, "in the time before"))
        return tuple(one for one in found if plain_serial(one.first.serial) == plain_serial(one.last.serial))

    def _around(self, meter: Meter, code: Obis, at: datetime) -> list[Archived]:
        """The last readings of each unit before an instant, or the next ones where there are none."""
        return self._archive.before(meter.id, str(code), at, at) or self._archive.after(meter.id, str(code), at, at)

    def _spots(self, found: Sequence[Archived], unit: str) -> Iterable[Spot]:
        for one in found:
            value = shown_as(one.reading, unit)
            if value is not None and abs(value.adjusted()) < _MOST_DIGITS:
                yield Spot(one.reading.at, value, _serial(one), _digits(one, unit), self._when(one))

    def _when(self, one: Archived) -> str:
        by_hand = " (by hand)" if Flag.MANUAL in one.reading.flags else ""
        return f"{one.reading.at.astimezone(self._zone):%d.%m.%Y %H:%M}{by_hand}"

    def _terms(self, meter: Meter) -> list[tuple[str, date, date]]:
        """Each serial number with the first and the last day on which it was in force. The configured one is in force
        from when the last other one was seen."""
        seen = [*self._archive.serials(meter.id, meter.serial)]
        if plain_serial(meter.serial):
            same = [one for one in seen if plain_serial(one.serial) == plain_serial(meter.serial)]
            if not same:
                latest = max((one.last for one in seen), default=_LONG_AGO)
                seen.append(Seen(meter.serial, latest, latest))
        terms: list[tuple[str, date, date]] = []
        for place, one in enumerate(seen):
            first = self._day(one.first) if place else _EVER
            last = self._day(seen[place + 1].first) if place + 1 < len(seen) else _FOR_EVER
            terms.append((one.serial, first, last))
        return terms

    def _day(self, at: datetime) -> date:
        return at.astimezone(self._zone).date()


def _last(spots: Iterable[Spot]) -> Spot | None:
    return max(spots, key=lambda one: one.at, default=None)


def _serial(one: Archived) -> str:
    """ "" where another meter answered than the one whose serial number is archived."""
    return "" if Flag.SERIAL_MISMATCH in one.reading.flags else one.serial


def _digits(one: Archived, unit: str) -> int:
    """Digits before the point as the meter wrote them, where it wrote the unit that people read."""
    reading = one.reading
    if (
        reading.scaler
        or face_unit(reading.unit) != reading.unit
        or reading.unit != unit
        or Flag.MANUAL in reading.flags
    ):
        return 0
    return len(reading.raw_text.strip().lstrip("+-").replace(",", ".").partition(".")[0])


def spot(at: datetime, value: Decimal, serial: str, zone: ZoneInfo) -> Spot:
    """Where a register stood according to a person."""
    return Spot(at, value, serial, when=f"{at.astimezone(zone):%d.%m.%Y %H:%M} (by hand)")
