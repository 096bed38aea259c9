"""States of the registers that belong to a channel, as primary values: total and tariffs, for the rules of validation.

Rules: pure, exact, and the same in whatever order the readings come. A Register ends where the meter, its serial number
or the ratio changes. Ratios as primary.py takes them: the configuration's where it says since when, else the one that
was archived with the reading. Of several readings of one instant the newest counts. Which codes are totals says
sources.py, of all media: 1-0:1.29.0 has the register 1-0:1.8.0, other media have the code of the register itself. A
channel of one tariff has the register of that tariff, and no tariffs of its own.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from zoneinfo import ZoneInfo

from gatewayd.legal_time import PRAGUE
from gatewayd.metering.energy_units import amount, energy_unit
from gatewayd.metering.evidence import Register
from gatewayd.metering.points import MeteringPoint, versions
from gatewayd.metering.sources import Source, source_of
from gatewayd.metering.values import Channel, Value
from gatewayd.model import Archived, Kind, Ratio
from gatewayd.obis import Obis

_ELECTRICITY, _TOTAL = 1, 8
"""Group A; group D of energy since ever, as electricity has it."""


@dataclass(slots=True)
class _Run:
    """States that may be compared, and what the next one has in common with them."""

    version: int
    factor: Decimal
    serial: str
    digits: list[Decimal] = field(default_factory=list)
    states: list[Value] = field(default_factory=list)

    def register(self, channel: Channel, meter: str) -> Register:
        """All of it: its digit is the coarsest that it was shown with."""
        return Register(channel, tuple(self.states), max(self.digits), meter, tuple(self.digits))


def register_codes(channel: Obis, rates: Iterable[int] = range(1, 9)) -> tuple[Obis, ...]:
    """The codes of the total and the tariffs of the energy of a channel: 1.8.0, 1.8.1 ... of 1.29.0."""
    a, b, c = channel.a, channel.b, channel.c
    return tuple(Obis(a, b, c, _group_d(channel), e) for e in (0, *rates))


def registers(
    point: MeteringPoint, archived: Iterable[Archived], channel: Channel, zone: ZoneInfo = PRAGUE
) -> tuple[tuple[Register, ...], tuple[Register, ...]]:
    """The registers of the total and those of the tariffs, of whatever readings there are among these."""
    by_code: dict[tuple[Obis, str], list[Archived]] = {}
    for one in archived:
        code = one.reading.obis
        if code is not None and one.reading.kind is Kind.REGISTER and belongs(code, channel.obis):
            by_code.setdefault((code, one.reading.meter), []).append(one)
    found = [
        register
        for (code, meter), readings in sorted(by_code.items(), key=lambda item: item[0])
        for register in _runs(point, meter, readings, Channel(channel.point, code, channel.unit), zone)
    ]
    totals = tuple(one for one in found if one.channel.obis.e == channel.obis.e)
    return totals, tuple(one for one in found if one.channel.obis.e != channel.obis.e)


def belongs(code: Obis, channel: Obis) -> bool:
    """Whether it is the code of the total of a channel, or of a tariff of it."""
    quantity = channel.a, channel.b, channel.c, _group_d(channel)
    return (code.a, code.b, code.c, code.d) == quantity and channel.e in (0, code.e) and source_of(code) is Source.TOTAL


def _group_d(channel: Obis) -> int:
    return _TOTAL if channel.a == _ELECTRICITY else channel.d


def _runs(
    point: MeteringPoint, meter: str, readings: Iterable[Archived], channel: Channel, zone: ZoneInfo
) -> Iterator[Register]:
    newest = {one.reading.at: one for one in sorted(readings, key=lambda one: one.seq)}
    known = [(place, one) for place, one in enumerate(versions(point, zone)) if one.meter == meter]
    run: _Run | None = None
    for at in sorted(newest):
        one = newest[at]
        value, unit = one.reading.value, energy_unit(one.reading.unit)
        version = next(((n, v) for n, v in known if v.since <= at and (v.until is None or at <= v.until)), None)
        if version is None or value is None or unit.power or unit.unit != channel.unit:
            continue
        ratio: Ratio = version[1].ratio or one.ratio
        serial = one.serial or (run.serial if run is not None else "")
        if run is None or _differs(run, version[0], ratio.factor, serial):
            if run is not None:
                yield run.register(channel, meter)
            run = _Run(version[0], ratio.factor, serial)
        run.serial = serial
        last = Decimal((0, (1,), int(value.as_tuple().exponent)))
        run.digits.append(amount(last, unit, ratio.factor, 0).copy_abs())
        primary = amount(value, unit, ratio.factor, 0)
        run.states.append(Value(at, 0, primary, one.reading.status, one.reading.flags, (one.seq,)))
    if run is not None:
        yield run.register(channel, meter)


def _differs(run: _Run, version: int, factor: Decimal, serial: str) -> bool:
    return (run.version, run.factor) != (version, factor) or (run.serial != "" and run.serial != serial)
