"""Charts as text, looked at by eye once and kept."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewayd.cli.plot import Value, chart
from gatewayd.legal_time import PRAGUE, QUARTER, ends_between
from gatewayd.model import RawStatus

HOUR = timedelta(hours=1)
MIDNIGHT = datetime(2026, 11, 20, 23, tzinfo=UTC)


def ends(hours: int = 24, period: timedelta = HOUR, start: datetime = MIDNIGHT) -> tuple[datetime, ...]:
    return ends_between(start, start + timedelta(hours=hours), period, PRAGUE)


def plain(values: Mapping[datetime, Value], width: int, hours: int = 24, period: timedelta = HOUR) -> list[str]:
    return [row.plain for row in chart(values, ends(hours, period), period, width, PRAGUE)]


def steps() -> dict[datetime, Value]:
    """0.000, 0.125, ... 2.875, without two in the middle and with one of each other status."""
    found = {end: Value(Decimal(n) * Decimal("0.125"), RawStatus.TRUE) for n, end in enumerate(ends())}
    del found[ends()[10]], found[ends()[11]]
    for n, status in ((4, RawStatus.SUBSTITUTE), (5, RawStatus.PROVISIONAL), (6, RawStatus.DISTORTED)):
        found[ends()[n]] = Value(found[ends()[n]].value, status)
    return found


def test_a_day_of_hours_on_80_columns() -> None:
    assert plain(steps(), 80) == [
        "2.875 ┤                                                            ▁▁▁▃▃▃▅▅▅███",
        "      │                                                ▁▁▁▃▃▃▅▅▅▇▇▇████████████",
        "      │                                    ▁▁▁▃▃▃▅▅▅▇▇▇████████████████████████",
        "      │                           ▂▂▂      ████████████████████████████████████",
        "      │               ▂▂▂▄▄▄▆▆▆██████      ████████████████████████████████████",
        "0.000 ┤   ▂▂▂▄▄▄▆▆▆██████████████████······████████████████████████████████████",
        "      └┬─────┬─────┬─────┬─────┬─────┬─────┬─────┬─────┬─────┬─────┬─────┬─────",
        "                   ssspppddd         mmmmmm",
        "       11-21 02:00 04:00 06:00 08:00 10:00 12:00 14:00 16:00 18:00 20:00 22:00",
    ]


def test_a_narrow_one_has_fewer_labels() -> None:
    assert plain(steps(), 40) == [
        "2.875 ┤                    ▁▃▅█",
        "      │                ▁▃▅▇████",
        "      │            ▁▃▅▇████████",
        "      │         ▂  ████████████",
        "      │     ▂▄▆██  ████████████",
        "0.000 ┤ ▂▄▆██████··████████████",
        "      └┬─────┬─────┬─────┬─────",
        "           spd   mm",
        "       11-21 06:00 12:00 18:00",
    ]


def quarters(days_before: int, width: int) -> list[str]:
    """Up to the end of the day with 25 hours, by its quarters: 0, 1, 2, ..."""
    start = datetime(2026, 10, 24, 22, tzinfo=UTC)
    over = ends_between(start - timedelta(days=days_before), start + timedelta(hours=25), QUARTER, PRAGUE)
    values = {end: Value(Decimal(n), RawStatus.TRUE) for n, end in enumerate(over)}
    return [row.plain for row in chart(values, over, QUARTER, width, PRAGUE)]


def test_the_day_with_25_hours_on_120_columns() -> None:
    """A hundred columns; the first three hours of the clock take four."""
    rows = quarters(0, 120)
    assert rows[-2:] == [
        "   └┬───────────────┬───────────┬───────────┬───────────┬───────────┬───────────┬───────────┬───────────",
        "    10-25           03:00       06:00       09:00       12:00       15:00       18:00       21:00",
    ]
    assert len(rows[-2]) == 4 + 100
    assert rows[-3] == " 0 ┤ ▁▁▁▁▂▂▃▃▄▄▅▅▆▆▇▇" + "█" * 83


def test_many_days_on_80_columns() -> None:
    """Columns are means of 15 quarters."""
    rows = quarters(10, 80)
    assert rows[0] == "1059 ┤                                                            ▁▁▂▃▃▄▅▅▆▇▇"
    assert rows[-1] == "      10-15 10-16 10-17  10-18 10-19  10-20 10-21 10-22  10-23 10-24  10-25"


def test_values_below_nothing() -> None:
    numbers = [-2, -1, 0, 1, 2]
    rows = plain({ends()[n]: Value(Decimal(number), RawStatus.TRUE) for n, number in enumerate(numbers)}, 60)
    assert rows[:6] == [
        " 2 ┤        ██",
        "   │      ▄▄██",
        "   │      ████",
        "   │    ██████",
        "   │  ▄▄██████",
        "-2 ┤  ████████" + "·" * 38,
    ]


def test_zeros_are_a_line_and_not_a_gap() -> None:
    rows = plain({ends()[n]: Value(Decimal("0.00"), RawStatus.TRUE) for n in range(3)}, 60)
    assert rows[0] == "     │"
    assert rows[5] == "0.00 ┤      " + "·" * 42


def test_little_is_not_nothing() -> None:
    values = {end: Value(Decimal(1000 if n else 1), RawStatus.TRUE) for n, end in enumerate(ends())}
    assert plain(values, 80)[5].startswith("   0 ┤▁▁▁███")


def test_a_number_with_the_status_of_a_missing_one_has_its_letter() -> None:
    values = {end: Value(Decimal(1), RawStatus.TRUE) for end in ends()} | {ends()[0]: Value(None, RawStatus.MISSING)}
    rows = plain(values, 80)
    assert rows[5].startswith("0 ┤···███")
    assert rows[7] == "   mmm"


def test_the_worst_status_of_a_column_colours_it() -> None:
    values = {end: Value(Decimal(1), RawStatus.TRUE) for end in ends()}
    values[ends()[1]] = Value(Decimal(1), RawStatus.DISTORTED)
    rows = chart(values, ends(), HOUR, 20, PRAGUE)
    assert rows[5].plain == "0 ┤████████████"
    assert [str(span.style) for span in rows[5].spans] == ["red", *["green"] * 11]


def test_without_any_value() -> None:
    assert plain({}, 80) == ["no values"]


@pytest.mark.parametrize("width", [30, 80, 120, 200])
@pytest.mark.parametrize(
    ("hours", "period"), [(24, HOUR), (24, QUARTER), (31 * 24, QUARTER), (1, QUARTER), (100 * 24, HOUR)]
)
def test_no_row_is_wider_than_the_terminal(width: int, hours: int, period: timedelta) -> None:
    values = {end: Value(Decimal(n % 7), RawStatus.TRUE) for n, end in enumerate(ends(hours, period))}
    rows = plain(values, width, hours, period)
    assert max(map(len, rows)) <= width
    assert len(rows) == 8


@given(st.dictionaries(st.integers(0, 23), st.decimals(-1000, 1000, places=2), min_size=1), st.integers(20, 200))
def test_any_values_are_drawn(numbers: dict[int, Decimal], width: int) -> None:
    values = {ends()[n]: Value(number, RawStatus.TRUE) for n, number in numbers.items()}
    rows = plain(values, width)
    assert all(len(row) <= width for row in rows)
    assert ("m" in rows[7]) == (len(numbers) < 24)


@pytest.mark.parametrize(
    "low, high, label", [("0.1", "2" + "0" * 30, "2" + "0" * 30 + ".000"), ("0", "1.0625", "1.062")]
)
def test_labels_have_at_most_three_digits_behind_the_point(low: str, high: str, label: str) -> None:
    third = Decimal("0.3333333333333333333333333333333333333333")
    shown = {end: Value(Decimal(text), RawStatus.TRUE) for end, text in zip(ends(2), (low, high), strict=True)}
    shown[ends(3)[2]] = Value(third, RawStatus.TRUE)
    rows = plain(shown, 80, 3)
    assert rows[0].split("┤")[0].strip() == label and rows[5].split("┤")[0].strip() == "0.000"


def test_by_days_there_are_days_on_the_axis_also_where_there_are_25_hours() -> None:
    start = datetime(2026, 10, 22, 22, tzinfo=UTC)
    over = ends_between(start, start + timedelta(days=7, hours=1), timedelta(days=1), PRAGUE)
    rows = [
        row.plain
        for row in chart({end: Value(Decimal(1), RawStatus.TRUE) for end in over}, over, timedelta(days=1), 100, PRAGUE)
    ]
    assert rows[-1].split() == [f"10-{day}" for day in (23, 25, 27)], rows
