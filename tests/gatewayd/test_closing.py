"""Intervals that are closed as missing: each with the ratio in force at its end."""

from datetime import UTC, date, datetime, timedelta, timezone

from gatewayd.archive.records import Entry
from gatewayd.closing import Subject, record
from gatewayd.coverage import Cause, Channel, Overdue
from gatewayd.legal_time import Grid
from gatewayd.model import Meter, Ratio

OLD = Ratio("100/5", since=date(2020, 1, 1))
NEW = Ratio("200/5", since=datetime(2026, 3, 3, 10, 15, tzinfo=timezone(timedelta(hours=1))))


def test_the_day_in_which_the_ratio_changes() -> None:
    grid = Grid(timedelta(minutes=15))
    subject = Subject(
        Meter("em-1", "scripted", "optical", ratios=(OLD, NEW)),
        "1-0:99.1.0*255",
        grid,
        (Channel("1-0:1.29.0*255", "1.29.0", "kWh"), Channel("1-0:2.29.0*255", "2.29.0", "kWh")),
        "",
    )
    first, last = grid.day(date(2026, 3, 3))
    one = Overdue(first, last, Cause.NOT_READ)
    made = record(subject, one, "the line failed", datetime(2026, 3, 9, tzinfo=UTC))
    assert isinstance(made, Entry)
    by_end = {reading.at: ratio for reading, ratio in zip(made.readings, made.ratios, strict=True)}
    assert (len(made.readings), len(by_end)) == (192, 96)
    at = datetime(2026, 3, 3, 9, 15, tzinfo=UTC)
    assert [ratio for end, ratio in by_end.items() if end <= at] == [OLD] * 41
    assert [ratio for end, ratio in by_end.items() if end > at] == [NEW] * 55
