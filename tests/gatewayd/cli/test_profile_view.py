"""Rows and columns of a load profile; what should be there and how much of it is."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from msgspec.structs import replace

from gatewayd.cli.plot import Value
from gatewayd.cli.profile_view import Channel, fitting, highest, increments, is_total, pivot, summary
from gatewayd.legal_time import PRAGUE, QUARTER, ends_between
from gatewayd.model import DIRECT, NO_FLAGS, Archived, Flag, Kind, RawStatus, Reading
from tests.gatewayd.doubles import reading

MIDNIGHT = datetime(2026, 11, 20, 23, tzinfo=UTC)
IMPORT, EXPORT = "1.5.0", "2.5.0"


def at(n: int) -> datetime:
    """End of the n-th quarter of the day."""
    return MIDNIGHT + n * QUARTER


def archived(*readings: Reading) -> list[Archived]:
    return [Archived(n, one, MIDNIGHT, "", 0, DIRECT) for n, one in enumerate(readings, 1)]


def interval(
    n: int, raw: str, code: str = IMPORT, status: RawStatus = RawStatus.TRUE, flags: Flag = NO_FLAGS
) -> Reading:
    return replace(reading(raw, code, at=at(n), kind=Kind.INTERVAL), status=status, flags=flags, unit="kW")


def test_rows_by_end_and_columns_in_the_order_of_the_meter() -> None:
    shown = pivot(archived(interval(2, "3", EXPORT), interval(1, "1"), interval(1, "2", EXPORT), interval(2, "4")))
    assert shown.channels == (Channel("1-0:2.5.0*255", "kW"), Channel("1-0:1.5.0*255", "kW"))
    assert [(row.end, [cell.raw_text for cell in row.cells if cell]) for row in shown.rows] == [
        (at(1), ["2", "1"]),
        (at(2), ["3", "4"]),
    ]
    assert shown.period == QUARTER


def test_the_worst_status_and_all_flags_of_a_row() -> None:
    (row,) = pivot(
        archived(
            interval(1, "1", status=RawStatus.SUBSTITUTE, flags=Flag.POWER_DOWN),
            interval(1, "2", EXPORT, RawStatus.DISTORTED, Flag.DST),
        )
    ).rows
    assert (row.status, row.flags) == (RawStatus.DISTORTED, Flag.POWER_DOWN | Flag.DST)


def test_a_channel_without_a_value_makes_the_row_missing() -> None:
    rows = pivot(archived(interval(1, "1"), interval(1, "2", EXPORT), interval(2, "3"))).rows
    assert [row.status for row in rows] == [RawStatus.TRUE, RawStatus.MISSING]


def test_a_second_value_of_an_interval_is_not_lost() -> None:
    """After the clock was set a meter sends two rows for one interval."""
    shown = pivot(archived(interval(1, "1", status=RawStatus.DISTORTED), interval(1, "2")))
    assert [row.cells[0].raw_text for row in shown.rows if row.cells[0]] == ["1", "2"]
    values = shown.values(shown.channels[0])
    assert values == {at(1): Value(shown.rows[1].cells[0].value, RawStatus.DISTORTED)}  # type: ignore[union-attr]


def test_what_is_missing_has_no_number_in_a_chart() -> None:
    shown = pivot(archived(interval(1, "1", status=RawStatus.MISSING)))
    assert shown.values(shown.channels[0]) == {at(1): Value(None, RawStatus.MISSING)}


def test_events_are_listed_by_time() -> None:
    events = [reading("x", "97.97.0", at=at(n), kind=Kind.EVENT) for n in (3, 1, 2)]
    shown = pivot(archived(*events))
    assert [one.at for one in shown.others] == [at(1), at(2), at(3)]
    assert (shown.rows, shown.period) == ((), None)
    assert summary(shown, at(0), at(4), PRAGUE) == "3 entries"


@pytest.mark.parametrize(("day", "count"), [((2026, 11, 21), 96), ((2026, 3, 29), 92), ((2026, 10, 25), 100)])
def test_a_day_has_its_own_number_of_quarters(day: tuple[int, int, int], count: int) -> None:
    start = datetime(*day, tzinfo=PRAGUE).astimezone(UTC)
    end = (datetime(*day, tzinfo=PRAGUE) + timedelta(days=1)).astimezone(UTC)
    ends = ends_between(start, end, QUARTER, PRAGUE)
    assert (len(ends), ends[0], ends[-1]) == (count, start + QUARTER, end)


def test_a_part_of_a_day() -> None:
    begin = at(1) + timedelta(minutes=1)
    assert ends_between(begin, at(4), QUARTER, PRAGUE) == (at(2), at(3), at(4))
    assert ends_between(begin, begin + timedelta(minutes=1), QUARTER, PRAGUE) == ()


def test_days_and_odd_periods() -> None:
    day = timedelta(days=1)
    week = ends_between(datetime(2026, 10, 22, 22, tzinfo=UTC), datetime(2026, 10, 26, 23, tzinfo=UTC), day, PRAGUE)
    assert [end.hour for end in week] == [22, 22, 23, 23]
    odd = timedelta(minutes=7)
    assert ends_between(at(0), at(1), odd, PRAGUE) == (at(0) + odd, at(0) + 2 * odd)


def test_the_summary_counts_what_is_there() -> None:
    shown = pivot(archived(*(interval(n, str(n)) for n in range(1, 95)), interval(95, "", status=RawStatus.MISSING)))
    assert summary(shown, at(0), at(96), PRAGUE) == (
        "95 rows, 2026-11-21 00:15+01:00 to 2026-11-21 23:45+01:00; 94 of 96 intervals of 15 min; worst status missing"
    )
    assert summary(pivot([]), at(0), at(96), PRAGUE) == "nothing in this time"


def test_the_highest_value() -> None:
    shown = pivot(archived(interval(1, "0.100"), interval(96, "0.500"), interval(3, "0.2", status=RawStatus.MISSING)))
    assert highest(shown.values(shown.channels[0]), PRAGUE) == "max 0.500 at 2026-11-21 24:00+01:00"
    assert highest({}, PRAGUE) == "no values"


@pytest.mark.parametrize(
    ("room", "groups"),
    [(100, [[0, 1, 2]]), (30, [[0, 1, 2]]), (29, [[0, 1], [2]]), (10, [[0], [1], [2]]), (-5, [[0], [1], [2]])],
)
def test_which_columns_fit_beside_each_other(room: int, groups: list[list[int]]) -> None:
    assert fitting([8, 8, 8], room) == groups
    assert fitting([], room) == []


def test_totals_are_drawn_by_what_they_rose_by() -> None:
    """A gap costs the two intervals beside it, and the worse status of both ends counts."""
    totals = {
        at(1): Value(Decimal("100.00"), RawStatus.TRUE),
        at(2): Value(Decimal("100.25"), RawStatus.SUBSTITUTE),
        at(4): Value(Decimal("100.75"), RawStatus.TRUE),
        at(5): Value(Decimal("100.70"), RawStatus.TRUE),
    }
    assert increments(totals, [at(n) for n in range(1, 6)]) == {
        at(2): Value(Decimal("0.25"), RawStatus.SUBSTITUTE),
        at(3): Value(None, RawStatus.MISSING),
        at(4): Value(None, RawStatus.MISSING),
        at(5): Value(Decimal("-0.05"), RawStatus.TRUE),
    }


@pytest.mark.parametrize(
    ("code", "total"),
    [
        ("1-0:1.8.0*255", True),
        ("1-0:2.8.1*255", True),
        ("1-0:1.29.0*255", False),
        ("1-0:1.5.0*255", False),
        ("0-0:0.8.4*255", False),
        ("P.01", False),
        ("C.1", False),
    ],
)
def test_what_a_total_is(code: str, total: bool) -> None:
    assert is_total(code) == total
