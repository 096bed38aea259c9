"""From an answer in programming mode to readings: load profiles value by value, logs by way of events.py.

Rules: one reading for each value, at the END of its interval; nothing that the meter sent is dropped silently: rows
outside the window that was asked for are left out (the exchange keeps them), anything else that is not understood is a
complaint. A fault of the telegram marks all its values, and then nothing in it is believed.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from drivers.iec62056_21.events import events
from drivers.iec62056_21.headers import SHOWN, Asked
from drivers.iec62056_21.readings import code
from drivers.iec62056_21.rows import Interval, intervals
from drivers.iec62056_21.vendors import Table, Vendor
from drivers.iec62056_21.wire.clock import ClockKind, MeterClock
from drivers.iec62056_21.wire.dataset import is_sentinel, split_value
from drivers.iec62056_21.wire.profile import Block, Channel, error_text, parse_table
from gatewayd.model import Kind, Profile, Reading, number
from gatewayd.obis import Obis
from gatewayd.status import Fault

_TEXT_GROUPS = frozenset((0, *range(94, 98)))
"""Groups C of abstract objects (IEC 62056-6-1): identifiers, dates and status words need not be numbers."""
_CODE_LIMIT = 64
_CACHED = 32
"""Longest value that is remembered: what a meter sends must not fill the memory."""
_COMPLAINTS = 20
"""Most complaints about one answer; how many more there are is said."""


@dataclass(frozen=True, slots=True)
class TableReadings:
    """Readings in the order of the answer, and what people should know about it."""

    readings: tuple[Reading, ...]
    complaints: tuple[str, ...]


class _Value(NamedTuple):
    """One value text understood; `fault` is what is wrong with it."""

    text: str
    unit: str
    fault: Fault | None
    raw: bytes


class _Column(NamedTuple):
    """A channel as readings carry it."""

    obis: Obis | None
    code: str
    unit: str
    is_text: bool


_UNNAMED = _Column(None, "", "", False)
"""Where a row has more values than the header has channels."""


def table_readings(
    data: bytes,
    faults: tuple[Fault, ...],
    *,
    meter: str,
    request: Profile,
    table: Table,
    vendor: Vendor,
    clock: str,
    zone: ZoneInfo,
    at: datetime,
) -> TableReadings:
    """All readings of one answer. `data` stand between STX and ETX, partial blocks are joined before.

    `faults`: what is wrong with the telegram; `clock`: `legal`, `standard` or `utc`; `at`: the time of reading, for
    rows whose own time is not known. Never raises, whatever the bytes.
    """
    asked = Asked(meter, request, table, vendor, MeterClock(ClockKind(clock), zone), at, faults)
    error = error_text(data)
    if error is not None:  # a log without entries answers so; of a load profile people should know it
        return TableReadings((), () if asked.is_log else (f"{table.code}: the meter answered {error}",))
    found = parse_table(data)
    if asked.is_log:
        readings, said = events(found, asked)
    else:
        rows, said = intervals(found.blocks, asked)
        readings = tuple(_readings(rows, asked))
    complaints = (*found.doubts, *_remains(found.remains), *_others(found.blocks, asked), *said)
    return TableReadings(readings, _limited(list(dict.fromkeys(complaints))))


def _readings(rows: Iterable[Interval], asked: Asked) -> Iterator[Reading]:
    columns: tuple[_Column, ...] = ()
    named: tuple[Channel, ...] = ()
    for interval in rows:
        if interval.end is not None and not asked.wants(interval.end):
            continue
        if interval.channels is not named:  # one tuple for all rows of a block
            named = interval.channels
            columns = tuple(_column(channel, asked.vendor.medium) for channel in named)
        values = interval.row.values
        beyond = len(values) - len(columns)
        sound = asked.judge(interval.faults)
        more = (interval.status,) if interval.status else ()
        for column, text in zip(columns + (_UNNAMED,) * beyond if beyond > 0 else columns, values, strict=False):
            value = _value(text, column.is_text) if len(text) <= _CACHED else _understood(text, column.is_text)
            status, flags = sound if value.fault is None else asked.judge((*interval.faults, value.fault))
            yield Reading(
                meter=asked.meter,
                obis=column.obis,
                obis_raw=column.code,
                kind=Kind.INTERVAL,
                at=asked.at if interval.end is None else interval.end,
                raw=value.raw,
                raw_text=value.text,
                unit=value.unit or column.unit,
                status=status,
                flags=flags,
                more=more,
                interval_s=interval.seconds,
                meter_time=interval.meter_time,
            )


def _column(channel: Channel, medium: int) -> _Column:
    obis = code(channel.code, medium) if len(channel.code) <= _CODE_LIMIT else None
    return _Column(obis, channel.code, channel.unit, obis is not None and obis.c in _TEXT_GROUPS)


def _understood(text: str, is_text: bool) -> _Value:
    number_text, unit, _ = split_value(text)
    fault: Fault | None = None
    if not number_text.strip():
        fault = Fault.EMPTY
    elif is_sentinel(number_text):
        fault = Fault.SENTINEL
    elif number(number_text) is None and not is_text:
        fault = Fault.NOT_DECODABLE
    return _Value(number_text, unit, fault, f"({text})".encode("latin-1"))


@lru_cache(maxsize=16384)
def _value(text: str, is_text: bool) -> _Value:
    """Values repeat: an idle feeder sends 0.000 all night."""
    return _understood(text, is_text)


# -- complaints ------------------------------------------------------------------------------------------------------


def _limited(complaints: list[str]) -> tuple[str, ...]:
    if len(complaints) <= _COMPLAINTS:
        return tuple(complaints)
    return (*complaints[:_COMPLAINTS], f"and {len(complaints) - _COMPLAINTS} more")


def _remains(remains: tuple[bytes, ...]) -> Iterator[str]:
    if remains:
        first = remains[0][:SHOWN].decode("latin-1")
        yield f"neither header nor row: {len(remains)} pieces of the answer, the first {first!r}"


def _others(blocks: tuple[Block, ...], asked: Asked) -> Iterator[str]:
    """Tables that nobody asked for; their readings come all the same."""
    wanted, medium = asked.table.code, asked.vendor.medium
    for name in dict.fromkeys(block.code for block in blocks):
        if name and name != wanted and code(name, medium) != code(wanted, medium):
            yield f"the meter answered {name} where {wanted} was asked for"
