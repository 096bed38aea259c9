"""The layout of the exports of ČEZ's portal of measured data (PND): values by the END of the interval.

    "Datum";"+A/12345678 [kW]";"Status";"-A/12345678 [kW]";"Status";
    25.10.2026 00:15;1,42;naměřená data OK;0;naměřená data OK;

Three kinds of files: load profiles are mean power in kW; days are energy in kWh (`+A d`); registers are their states in
kWh at the end of each day (`+E`, `-E`, `+E_NT`, `+E_VT`).

Rules: a column for each channel and meter, named by the serial number of the meter, else by the id of the point (so
also of a value that reaches over an exchange of meters), and its status behind it; the unit is kW for reactive power
too, as the portal writes it. A row for each interval from the first to the last; where a channel has nothing its cell
is empty and its status not defined. The texts of the statuses are those of the portal, but for that of provisional
values (`předběžná hodnota`), for which none is known.
"""

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import BinaryIO
from zoneinfo import ZoneInfo

from gatewayd.export.points.point_series import NotInLayout, PointSeries, is_register
from gatewayd.export.points.portal_csv import (
    ENCODING,
    END_OF_LINE,
    PROFILES,
    amount_of,
    check,
    czech,
    end_stamp,
    kilowatts,
    rows,
)
from gatewayd.metering.values import Layer, Value
from gatewayd.model import Flag, RawStatus

NAMES = {1: "+A", 2: "-A", 3: "Rv", 5: "+Ri", 6: "+Rc", 7: "-Ri", 8: "-Rc"}
"""By group C. Of the quadrants the names are those of the portal's profiles of reactive power, the pairing is ours."""
DAILY = {1: "+A d", 2: "-A d"}
REGISTERS = {1: "+E", 2: "-E"}
STATUSES = {
    RawStatus.TRUE: "naměřená data OK",
    RawStatus.SUBSTITUTE: "platný odhad",
    RawStatus.PROVISIONAL: "předběžná hodnota",
    RawStatus.DISTORTED: "neplatná data",
    RawStatus.MISSING: "neznámá hodnota",
}
POWER_DOWN = "naměřená data, výpadek napětí"
NOT_DEFINED = "nedefinovaný status"
"""Of an interval that the gateway has nothing of, not even that it is missing."""
_PROFILE, _DAY, _REGISTER = "load profile", "day", "register"


def headings(found: Iterable[PointSeries]) -> list[str]:
    """The names of the columns of values, in the order of the series. NotInLayout."""
    names: list[str] = []
    for one in found:
        name = f"{_named(one)}/{one.serial or one.point} [{'kW' if _kind(one) == _PROFILE else 'kWh'}]"
        if name in names:
            raise NotInLayout(f"{one.named}: there is a column '{name}' already; export one series of each channel")
        names.append(name)
    return names


def write(found: Iterable[PointSeries], zone: ZoneInfo, stream: BinaryIO, encoding: str = ENCODING) -> None:
    """Write all rows, in the order of time. OSError; NotInLayout, also for intervals of different length."""
    series = [part for one in found for part in one.by_meter()]
    names = headings(series)
    kinds = sorted({_kind(one) for one in series})
    if len(kinds) > 1:
        raise NotInLayout(f"{series[0].named}: {' and '.join(kinds)} do not stand in one file of cez-pnd; export one")
    lengths = sorted({value.seconds for one in series for value in one.series.values})
    if len(lengths) > 1 and kinds == [_PROFILE]:
        said = ", ".join(f"{length} s" for length in lengths)
        raise NotInLayout(
            f"{series[0].named}: intervals of {said}: cez-pnd says nothing of lengths; export one of them"
        )
    value_of = kilowatts if kinds == [_PROFILE] else amount_of
    heads = ['"Datum"', *(cell for name in names for cell in (_quoted(name), '"Status"'))]
    stream.write(_line(heads, encoding))
    for at, values in rows(series, zone):
        cells = [cell for n in range(len(series)) for cell in _cells(values.get(n), value_of)]
        stream.write(_line([end_stamp(at, zone), *cells], encoding))


def _kind(one: PointSeries) -> str:
    layer = one.series.layer
    if layer in PROFILES:
        return _PROFILE
    if layer is Layer.DAY:
        return _REGISTER if is_register(one) else _DAY
    raise NotInLayout(f"{one.named}: cez-pnd has load profiles, days and registers only; use csv for this layer")


def _named(one: PointSeries) -> str:
    match _kind(one):
        case "load profile":
            return check("cez-pnd", one, NAMES, ("kWh", "kvarh"))
        case "day":
            return check("cez-pnd", one, DAILY, ("kWh",))
    name = REGISTERS.get(one.series.channel.obis.c)
    if name is None or (one.series.channel.obis.e != 0) != bool(one.tariff):
        raise NotInLayout(f"{one.named}: cez-pnd has no column for this register; leave it out, or use csv")
    return f"{name}_{one.tariff}" if one.tariff else name


def _cells(value: Value | None, value_of: Callable[[Value], Decimal | None]) -> tuple[str, str]:
    if value is None:
        return "", NOT_DEFINED
    if value.status is RawStatus.TRUE and Flag.POWER_DOWN in value.flags:
        return czech(value_of(value)), POWER_DOWN
    return czech(value_of(value)), STATUSES[value.status]


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _line(cells: list[str], encoding: str) -> bytes:
    """The portal ends each line with a semicolon."""
    return (";".join(cells) + ";" + END_OF_LINE).encode(encoding, "replace")
