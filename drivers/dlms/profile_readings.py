"""From placed rows to readings: intervals of a load profile, values and maxima of a billing profile.

Rules: `raw` is the value as sent, also where it is a null that stands for the row before; `raw_text` is the number
without its scaler. A row that is none is one reading under the profile's own code, with its bytes, so that it is not
lost and not believed. Values of one row and one status word share their verdict; verdicts are kept for one answer.

A day of quarter-hours has some 400 values: what is said of each column is worked out once, outside of the loop.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from drivers.dlms.columns import ValueColumn
from drivers.dlms.intervals import Asked, Placed
from drivers.dlms.row_times import octets_of, row_time
from drivers.dlms.rows import Row
from drivers.dlms.value_text import bits_of, number_of, text_of
from drivers.dlms.wire.axdr_value import Tag, Value
from gatewayd.model import Kind, Reading
from gatewayd.status import Fault, Verdict, judge

_NO_ROW = (Fault.NOT_DECODABLE, Fault.CLOCK_DOUBTFUL)
_INSIDE = 80
"""Characters of a text that is no value but goes along with one."""


class Made(NamedTuple):
    """The readings of rows in the window, and how many were no rows."""

    readings: tuple[Reading, ...]
    odd: int


def readings_of(rows: Iterable[Placed], asked: Asked) -> Made:
    """One reading for each value of each row."""
    captures, window = asked.captures, asked.window
    kind = Kind.INTERVAL if captures.period else Kind.REGISTER
    seconds = captures.period or None
    meter, read = asked.context.meter, asked.words.read
    verdicts: dict[tuple[tuple[Fault, ...], tuple[Fault, ...]], Verdict] = {}
    made: list[Reading] = []
    odd = 0
    start, last = window.start, window.end
    groups = [(statuses, [(*column[:6], column) for column in columns]) for statuses, columns in asked.layout.groups]
    add = made.append
    for placed in rows:
        end, faults, meter_time, row = placed.end, placed.faults, placed.text, placed.row
        if end is None:
            end = asked.at
        elif not start < end <= last:
            continue
        values = row.values
        if not values:
            odd += 1
            made.append(no_row(row, asked, kind))
            continue
        sent = row.sent
        for statuses, columns in groups:
            said: tuple[Fault, ...] = ()
            more: tuple[str, ...] = ()
            for place in statuses:
                found = read(values[place])
                said = (*said, *found.faults) if said else found.faults
                more = (*more, found.text)
            verdict = verdicts.get((faults, said))
            if verdict is None:
                verdict = verdicts[faults, said] = judge((*faults, *said))
            status, flags = verdict
            for place, obis, code, unit, scaler, plain, column in columns:
                value = values[place]
                content = value.content
                if plain and content.__class__ is int:
                    add(
                        Reading(
                            meter,
                            obis,
                            code,
                            kind,
                            end,
                            value.raw if sent is None else sent[place].raw,
                            str(content),
                            unit,
                            scaler,
                            status,
                            flags,
                            more,
                            seconds,
                            meter_time,
                        )
                    )
                else:
                    add(_reading(column, placed, (*faults, *said), more, end, asked))
    return Made(tuple(made), odd)


def no_row(row: Row, asked: Asked, kind: Kind) -> Reading:
    """What stood where a row should be."""
    status, flags = judge(_NO_ROW)
    return Reading(
        meter=asked.context.meter,
        obis=asked.obis,
        obis_raw=str(asked.obis),
        kind=kind,
        at=asked.at,
        raw=row.raw,
        raw_text="",
        status=status,
        flags=flags,
    )


def understood(value: Value, column: ValueColumn, asked: Asked) -> tuple[str, tuple[Fault, ...]]:
    """The text of a value, and what is wrong with it."""
    if value.tag is Tag.NULL:
        return "", (Fault.EMPTY,)
    if column.is_bits:
        return bits_of(value), ()
    content = value.content
    text = number_of(value)
    if text is None:
        text = text_of(value, asked.context.rules.deviation)
        return text, (Fault.NOT_DECODABLE,) if column.is_number or not text else ()
    sentinel = isinstance(content, int) and (value.tag.value, content) in asked.context.vendor.marks
    return text, (Fault.SENTINEL,) if sentinel else ()


def _reading(
    column: ValueColumn,
    placed: Placed,
    faults: tuple[Fault, ...],
    more: tuple[str, ...],
    end: datetime,
    asked: Asked,
) -> Reading:
    """A value that is no plain number, or has something beside it."""
    row = placed.row
    text, own = understood(row.values[column.place], column, asked)
    kind = Kind.INTERVAL if asked.captures.period else Kind.REGISTER
    at, meter_time = end, placed.text
    beside = more + tuple(f"{name}={_short(row.values[place], asked)}" for place, name in column.further)
    if column.extreme is not None:
        reached = _short(row.values[column.extreme], asked)
        octets = octets_of(row.values[column.extreme])
        time = None if octets is None else row_time(octets, asked.context.rules)
        if kind is Kind.INTERVAL:
            beside = (*beside, reached)
        elif time is not None and time.at is not None:
            kind, at, beside, meter_time = Kind.MAXIMUM, time.at, (placed.text, *beside), time.text
            own = (*own, *time.faults)
        else:
            kind, beside, own = Kind.MAXIMUM, (*beside, reached), (*own, Fault.TIME_INVALID)
    status, flags = judge((*faults, *own, *column.faults))
    return Reading(
        meter=asked.context.meter,
        obis=column.obis,
        obis_raw=column.code,
        kind=kind,
        at=at,
        raw=(row.sent or row.values)[column.place].raw,
        raw_text=text,
        unit=column.unit,
        scaler=column.scaler,
        status=status,
        flags=flags,
        more=beside,
        interval_s=asked.captures.period or None,
        meter_time=meter_time,
    )


def _short(value: Value, asked: Asked) -> str:
    return text_of(value, asked.context.rules.deviation)[:_INSIDE]
