"""Times on the command line: what they mean in Prague, and what is refused rather than guessed."""

from datetime import UTC, datetime, timedelta

import pytest

from gatewayd.cli.times import instant_of, rounded_down
from gatewayd.legal_time import PRAGUE

NOW = datetime(2026, 11, 21, 23, 30, tzinfo=UTC)
"""Half past midnight of the 22nd in Prague."""


@pytest.mark.parametrize(
    ("text", "end", "expected"),
    [
        ("2026-11-01", False, "2026-10-31T23:00"),
        ("2026-11-01", True, "2026-11-01T23:00"),
        ("2026-07-01", False, "2026-06-30T22:00"),
        ("2026-10-25", True, "2026-10-25T23:00"),
        ("2026-10-25", False, "2026-10-24T22:00"),
        ("2026-11-01 13:15", False, "2026-11-01T12:15"),
        ("2026-11-01T13:15", True, "2026-11-01T12:15"),
        ("2026-11-01 24:00", False, "2026-11-01T23:00"),
        ("2026-11-01T13:15+01:00", False, "2026-11-01T12:15"),
        ("2026-11-01T13:15Z", False, "2026-11-01T13:15"),
        ("2026-10-25T02:30+02:00", False, "2026-10-25T00:30"),
        ("2026-10-25T02:30+01:00", False, "2026-10-25T01:30"),
        ("today", False, "2026-11-21T23:00"),
        ("today", True, "2026-11-22T23:00"),
        ("yesterday", False, "2026-11-20T23:00"),
        ("Yesterday", True, "2026-11-21T23:00"),
        ("now", False, "2026-11-21T23:30"),
    ],
)
def test_what_a_time_means(text: str, end: bool, expected: str) -> None:
    assert instant_of(text, PRAGUE, NOW, end=end) == datetime.fromisoformat(expected).replace(tzinfo=UTC)


def test_the_hour_that_happens_twice_is_refused_with_both_readings() -> None:
    with pytest.raises(ValueError, match=r"twice.*2026-10-25T02:30\+02:00 or 2026-10-25T02:30\+01:00"):
        instant_of("2026-10-25 02:30", PRAGUE, NOW)


def test_the_hour_that_never_happens_is_refused() -> None:
    with pytest.raises(ValueError, match=r"never happens.*2026-03-29T03:30\+02:00"):
        instant_of("2026-03-29 02:30", PRAGUE, NOW)


@pytest.mark.parametrize(
    "text", ["", "soon", "2026-13-01", "2026-02-30 12:00", "25:00", "2026-11-01 25:00", "9999-12-31 24:00"]
)
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(ValueError, match="is no time; expected 2026-11-01"):
        instant_of(text, PRAGUE, NOW)


def test_rounding_down() -> None:
    quarter = timedelta(minutes=15)
    assert rounded_down(NOW + timedelta(minutes=14, seconds=59), quarter) == NOW
    assert rounded_down(NOW, quarter) == NOW
