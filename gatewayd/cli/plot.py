"""A load profile as a chart of block characters, as wide as the terminal.

Rules: pure; a column is one interval or the mean of a few, coloured by the worst status of what it stands for. What is
missing is a gap with a point on the axis, never a zero. Numbers on the axis have at most three digits behind the point.
Where a status is not true its letter stands below, so that nothing is lost without colours.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from zoneinfo import ZoneInfo

from rich.text import Text

from gatewayd.cli.output import status_style
from gatewayd.export.rounding import rounded
from gatewayd.legal_time import day_bounds
from gatewayd.metering.algebra import over, total
from gatewayd.model import RawStatus

HEIGHT = 6
"""Rows of a chart, without title and axis."""
WIDEST = 4
"""Columns of one interval, when there is room."""
_BLOCKS = " ▁▂▃▄▅▆▇█"
_GAP = "·"
_LETTERS = {
    RawStatus.TRUE: " ",
    RawStatus.SUBSTITUTE: "s",
    RawStatus.PROVISIONAL: "p",
    RawStatus.DISTORTED: "d",
    RawStatus.MISSING: "m",
}
LEGEND = "below: s substitute, p provisional, d distorted, m missing"
_LABEL = 5
_PLACES = 3
_DAY = timedelta(days=1)
_STEPS_H = (1, 2, 3, 4, 6, 8, 12, 24, 48, 96, 192, 384)


@dataclass(frozen=True, slots=True)
class Value:
    """The value of one interval; None where there is none."""

    value: Decimal | None
    status: RawStatus


@dataclass(frozen=True, slots=True)
class _Column:
    """What one or more columns of characters stand for."""

    starts: tuple[datetime, ...]
    value: Decimal | None
    status: RawStatus


_NOTHING = Value(None, RawStatus.MISSING)


def chart(
    values: Mapping[datetime, Value], ends: Sequence[datetime], period: timedelta, width: int, zone: ZoneInfo
) -> list[Text]:
    """The rows of a chart over the intervals that end at `ends`; at most `width` characters wide."""
    known = [found.value for end in ends if (found := values.get(end)) is not None and found.value is not None]
    if not known:
        return [Text("no values")]
    places = min(max(-int(value.as_tuple().exponent) for value in known), _PLACES)
    high, low = max(*known, Decimal(0)), min(*known, Decimal(0))
    labels = {0: _number(low, places)} | ({HEIGHT - 1: _number(high, places)} if high > low else {})
    margin = max(map(len, labels.values()))
    columns, wide = _columns(values, ends, period, max(width - 2 - margin, 1), zone)
    rows = []
    for row in reversed(range(HEIGHT)):
        text = Text(f"{labels.get(row, ''):>{margin}} {'┤' if row in labels else '│'}")
        for column in columns:
            text.append(_cell(column, row, low, high) * wide, style=status_style(column.status.text))
        rows.append(text)
    ticks = _ticks(columns, wide, zone)
    axis = "".join("┬" if place in ticks else "─" for place in range(len(columns) * wide))
    rows.append(Text(" " * (margin + 1) + "└" + axis))
    rows.append(Text(" " * (margin + 2) + _tick_row(ticks, len(columns) * wide)))
    if any(column.status is not RawStatus.TRUE for column in columns):
        below = Text(" " * (margin + 2))
        for column in columns:
            below.append(_LETTERS[column.status] * wide, style=status_style(column.status.text))
        rows.insert(HEIGHT + 1, below)
    for text in rows:
        text.rstrip()
    return rows


def _columns(
    values: Mapping[datetime, Value], ends: Sequence[datetime], period: timedelta, room: int, zone: ZoneInfo
) -> tuple[list[_Column], int]:
    """The columns, and how many characters each of them is wide."""
    each = -(-len(ends) // room)
    columns = []
    for start in range(0, len(ends), each):
        part = ends[start : start + each]
        found = [values.get(end, _NOTHING) for end in part]
        numbers = [one.value for one in found if one.value is not None]
        mean = over(total(numbers), Decimal(len(numbers))) if numbers else None
        starts = tuple(_start(end, period, zone) for end in part)
        columns.append(_Column(starts, mean, RawStatus.worst(one.status for one in found)))
    return columns, max(1, min(WIDEST, room // len(columns)))


def _start(end: datetime, period: timedelta, zone: ZoneInfo) -> datetime:
    """Where an interval has its place on the axis; a day, of whatever length, at its midnight."""
    if period < _DAY:
        return end - period
    return day_bounds((end - period / 2).astimezone(zone).date(), zone)[0]


def _cell(column: _Column, row: int, low: Decimal, high: Decimal) -> str:
    if column.value is None:
        return _GAP if row == 0 else " "
    full = HEIGHT * 8
    height = int((column.value - low) * full / (high - low)) if high > low else 0
    if column.value > low:
        height = max(height, 1)  # little is not nothing
    return _BLOCKS[min(max(height - 8 * row, 0), 8)]


def _ticks(columns: Sequence[_Column], wide: int, zone: ZoneInfo) -> dict[int, str]:
    """Places on the axis and what is written there: the smallest step of hours whose labels do not touch."""
    found: dict[int, str] = {}
    for step in _STEPS_H:
        found = {}
        for number, column in enumerate(columns):
            label = next((text for start in column.starts if (text := _label(start, step, zone))), "")
            if label:
                found[number * wide] = label
        places = list(found)
        if all(right - left > _LABEL for left, right in pairwise(places)):
            break
    return found


def _label(start: datetime, step: int, zone: ZoneInfo) -> str:
    """`06:00`, at midnight the day; empty between the steps."""
    local = start.astimezone(zone)
    if local.minute or local.second:
        return ""
    days = (local.date() - date(2000, 1, 3)).days  # a Monday
    if local.hour % step if step < 24 else (days * 24 + local.hour) % step:
        return ""
    return local.strftime("%H:%M" if local.hour else "%m-%d")


def _tick_row(ticks: Mapping[int, str], width: int) -> str:
    row = ""
    for place, label in ticks.items():
        if place >= len(row) and place + len(label) <= max(width, _LABEL):
            row = f"{row:{place}}{label} "
    return row.rstrip()


def _number(value: Decimal, places: int) -> str:
    return format(rounded(value, max(places, 0)), "f")
