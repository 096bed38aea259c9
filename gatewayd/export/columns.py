"""The columns of an export: what each of them means, and how it is taken from an archived reading.

Rules: a number is a Decimal with its own digits or its text, never a float; a reading whose status is missing has no
number; an empty cell is None, which is not the empty text of a meter that sent nothing.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from gatewayd.legal_time import end_label, start_label
from gatewayd.model import Archived, Kind, RawStatus
from gatewayd.sink.payload import rfc3339

Cell = str | int | bool | Decimal | datetime | tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Heading:
    """What a format knows of a column; `type` is the type of all cells that are not None."""

    name: str
    type: type
    meaning: str


@dataclass(frozen=True, slots=True)
class Column(Heading):
    """`of` takes the cell from a reading."""

    of: Callable[[Archived, ZoneInfo], Cell]


def _start(archived: Archived) -> datetime | None:
    reading = archived.reading
    if reading.kind is not Kind.INTERVAL or reading.interval_s is None:
        return None
    return reading.at - timedelta(seconds=reading.interval_s)


def _start_legal(archived: Archived, zone: ZoneInfo) -> str | None:
    start = _start(archived)
    return None if start is None else start_label(start, zone)


def _end_legal(archived: Archived, zone: ZoneInfo) -> str:
    reading = archived.reading
    return (end_label if reading.kind is Kind.INTERVAL else start_label)(reading.at, zone)


def _number(archived: Archived, value: Decimal | None) -> Decimal | None:
    return None if archived.reading.status is RawStatus.MISSING else value


COLUMNS: tuple[Column, ...] = (
    Column("meter", str, "id of the meter in the configuration", lambda a, _: a.reading.meter),
    Column("serial", str, "serial number of the meter", lambda a, _: a.serial or None),
    Column("eic", str, "EIC of the metering point", lambda a, _: a.point.eic or None),
    Column("ean", str, "EAN of the metering point", lambda a, _: a.point.ean or None),
    Column(
        "obis",
        str,
        "OBIS code, A-B:C.D.E*F; empty where the meter's code is none",
        lambda a, _: None if a.reading.obis is None else str(a.reading.obis),
    ),
    Column("obis_raw", str, "the code as the meter wrote it", lambda a, _: a.reading.obis_raw),
    Column("kind", str, "register, interval, maximum or event", lambda a, _: a.reading.kind.value),
    Column("interval_start", datetime, "start of an interval, UTC; empty for other kinds", lambda a, _: _start(a)),
    Column("interval_end", datetime, "end of an interval, UTC; for other kinds the instant", lambda a, _: a.reading.at),
    Column("interval_start_legal", str, "the start in legal time", _start_legal),
    Column(
        "interval_end_legal",
        str,
        "the end (midnight is 24:00 of the day that ends), or the instant, in legal time",
        _end_legal,
    ),
    Column(
        "value",
        Decimal,
        "the number that the meter sent, times the power of ten of its scaler, with exactly its digits",
        lambda a, _: _number(a, a.reading.value),
    ),
    Column("raw", str, "the value as the meter wrote it, without its unit", lambda a, _: a.reading.raw_text),
    Column("unit", str, "unit of the value", lambda a, _: a.reading.unit or None),
    Column(
        "primary",
        Decimal,
        "the value on the primary side: value x CT x VT x multiplier, computed",
        lambda a, _: _number(a, a.primary),
    ),
    Column("status", str, "true, substitute, provisional, distorted or missing", lambda a, _: a.reading.status.text),
    Column("flags", tuple, "why: names of the flags", lambda a, _: tuple(a.reading.flags.texts)),
    Column("ct", str, "current transformer, primary/secondary; empty for none", lambda a, _: a.ratio.ct or None),
    Column("vt", str, "voltage transformer, primary/secondary; empty for none", lambda a, _: a.ratio.vt or None),
    Column("multiplier", Decimal, "further factor of the ratio", lambda a, _: a.ratio.multiplier),
    Column(
        "value_side", str, "side of the transformers that the value refers to", lambda a, _: a.ratio.value_side.value
    ),
    Column("seq", int, "number of the reading in the archive", lambda a, _: a.seq),
    Column("received_at", datetime, "end of the exchange that brought it, UTC", lambda a, _: a.received_at),
)
DAMAGED = "damaged"
"""Name of one more column, of an export that holds damaged readings too."""


def cells(archived: Archived, zone: ZoneInfo) -> list[Cell]:
    """One reading, in the order of COLUMNS."""
    return [column.of(archived, zone) for column in COLUMNS]


def damaged_column() -> Column:
    return Column(DAMAGED, bool, "true where the archive is damaged and the reading cannot be trusted", lambda *_: None)


def text(cell: Cell) -> str:
    """A cell of a format that knows only texts."""
    match cell:
        case None:
            return ""
        case bool():
            return "true" if cell else "false"
        case Decimal():
            return format(cell, "f")
        case datetime():
            return rfc3339(cell)
        case tuple():
            return " ".join(cell)
    return str(cell)


def names(columns: Sequence[Heading]) -> list[str]:
    return [column.name for column in columns]
