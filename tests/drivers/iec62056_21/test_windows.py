"""Ranges as windows and as meters want them written; instants worked out by hand in Europe/Prague."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.iec62056_21.wire.clock import ClockKind, MeterClock
from drivers.iec62056_21.wire.dates import parse_stamp
from drivers.iec62056_21.wire.windows import range_request, windows
from tests.drivers.iec62056_21.conversation import examples
from tests.drivers.iec62056_21.tables import PRAGUE


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


# -- windows ---------------------------------------------------------------------------------------------------------


def test_a_range_in_windows() -> None:
    assert windows(at("2026-01-01T00:00Z"), at("2026-02-03T00:00Z"), 31) == (
        (at("2026-01-01T00:00Z"), at("2026-02-01T00:00Z")),
        (at("2026-02-01T00:00Z"), at("2026-02-03T00:00Z")),
    )


def test_a_range_that_fits_is_one_window() -> None:
    assert len(windows(at("2026-01-01T00:00Z"), at("2026-02-01T00:00Z"), 31)) == 1
    assert len(windows(at("2026-01-01T00:00Z"), at("2026-02-01T00:00:01Z"), 31)) == 2


def test_nothing_between_equal_instants() -> None:
    assert windows(at("2026-01-01T00:00Z"), at("2026-01-01T00:00Z"), 1) == ()
    assert windows(at("2026-01-02T00:00Z"), at("2026-01-01T00:00Z"), 1) == ()
    with pytest.raises(ValueError, match="at least 1"):
        windows(at("2026-01-01T00:00Z"), at("2026-01-02T00:00Z"), 0)


@given(st.integers(1, 10**8), st.integers(1, 400))
@examples(100)
def test_windows_are_contiguous_and_cover_the_range(seconds: int, days: int) -> None:
    start = at("2026-01-01T00:07:03Z")
    end = start + timedelta(seconds=seconds)
    found = windows(start, end, days)
    assert (found[0][0], found[-1][1]) == (start, end)
    assert all(before[1] == after[0] for before, after in pairwise(found))
    assert all(timedelta(0) < b - a <= timedelta(days=days) for a, b in found)
    assert all(b - a == timedelta(days=days) for a, b in found[:-1])


# -- requests --------------------------------------------------------------------------------------------------------

VDEW = "zYYMMDDhhmm"


@pytest.mark.parametrize(
    ("form", "clock", "start", "end", "expected"),
    [
        (VDEW, "legal", "2026-01-01T23:00Z", "2026-01-02T23:00Z", b"P.01(02601020000;02601030000)"),
        (VDEW, "legal", "2026-06-30T22:00Z", "2026-07-01T22:00Z", b"P.01(12607010000;12607020000)"),
        (VDEW, "standard", "2026-06-30T23:00Z", "2026-07-01T23:00Z", b"P.01(02607010000;02607020000)"),
        (VDEW, "utc", "2026-06-30T22:00Z", "2026-07-01T22:00Z", b"P.01(22606302200;22607012200)"),
        (
            "zYYMMDDhhmmss",
            "legal",
            "2026-06-30T22:00:07Z",
            "2026-07-01T22:00:08Z",
            b"P.01(1260701000007;1260702000008)",
        ),
        ("YYYYMMDDhhmm", "legal", "2026-06-30T22:00Z", "2026-07-01T22:00Z", b"P.01(202607010000;202607020000)"),
        ("YY-MM-DD,hh:mm", "legal", "2024-07-13T11:00Z", "2024-07-14T12:00Z", b"P.01(24-07-13,13:00;24-07-14,14:00)"),
        # outwards: the start down, the end up
        (VDEW, "legal", "2026-01-01T23:00:59Z", "2026-01-02T23:00:01Z", b"P.01(02601020000;02601030001)"),
        (VDEW, "legal", "2026-01-01T23:00:00.5Z", "2026-01-02T23:00:00.5Z", b"P.01(02601020000;02601030001)"),
        (
            "zYYMMDDhhmmss",
            "utc",
            "2026-01-01T23:00:00.5Z",
            "2026-01-02T23:00:00.5Z",
            b"P.01(2260101230000;2260102230001)",
        ),
        ("YYMMDDhh", "legal", "2026-01-01T23:59Z", "2026-01-02T23:01Z", b"P.01(26010200;26010301)"),
        ("YYMMDD", "legal", "2026-01-02T13:00Z", "2026-01-02T14:00Z", b"P.01(260102;260103)"),
        ("YYMMDD", "legal", "2026-01-01T23:00Z", "2026-01-02T23:00Z", b"P.01(260102;260103)"),
        # the change in autumn: z says which hour, without it the request goes round the two of them
        (VDEW, "legal", "2026-10-25T00:15Z", "2026-10-25T01:15Z", b"P.01(12610250215;02610250215)"),
        ("YYMMDDhhmm", "legal", "2026-10-25T00:15Z", "2026-10-25T01:15Z", b"P.01(2610250159;2610250300)"),
        ("YYMMDDhhmm", "legal", "2026-10-25T01:15Z", "2026-10-25T00:15Z", b"P.01(2610250159;2610250300)"),
        ("YYMMDDhhmm", "legal", "2026-10-25T02:00Z", "2026-10-24T23:59Z", b"P.01(2610250300;2610250159)"),
        ("YYMMDDhhmmss", "legal", "2026-10-25T00:15:30Z", "2026-10-25T00:15:30Z", b"P.01(261025015900;261025030000)"),
        ("YYMMDDhhmm", "standard", "2026-10-25T00:15Z", "2026-10-25T01:15Z", b"P.01(2610250115;2610250215)"),
        # the change in spring
        (VDEW, "legal", "2026-03-29T00:59Z", "2026-03-29T01:00Z", b"P.01(02603290159;12603290300)"),
    ],
)
def test_requests(form: str, clock: str, start: str, end: str, expected: bytes) -> None:
    assert range_request("P.01", "{start};{end}", form, at(start), at(end), clock, PRAGUE) == expected


def test_a_season_digit_that_the_meter_ignores_says_nothing() -> None:
    """The request goes round the repeated hour, as without a digit."""
    start, end = at("2026-10-25T00:15Z"), at("2026-10-25T01:15Z")
    request = range_request("P.01", "{start};{end}", VDEW, start, end, "legal", PRAGUE, season_digit=False)
    assert request == b"P.01(12610250159;02610250300)"


def test_templates() -> None:
    start, end = at("2026-01-01T23:00Z"), at("2026-01-02T23:00Z")
    assert range_request("P.01", "{start};", "YYMMDD", start, end, "legal", PRAGUE) == b"P.01(260102;)"
    assert range_request("P.98", "", "YYMMDD", start, end, "legal", PRAGUE) == b"P.98()"
    assert range_request("1-0:99.1.0", ";", "YYMMDD", start, end, "legal", PRAGUE) == b"1-0:99.1.0(;)"
    assert range_request("P.01", "{end},{start}", "DD", start, end, "legal", PRAGUE) == b"P.01(03,02)"


@pytest.mark.parametrize(
    ("form", "end", "expected"),
    [
        (VDEW, "2026-01-02T23:00Z", b"P.01(02601020000;02601030001)"),
        (VDEW, "2026-01-02T23:00:01Z", b"P.01(02601020000;02601030002)"),
        ("zYYMMDDhhmmss", "2026-01-02T23:00Z", b"P.01(0260102000000;0260103000001)"),
        ("YYMMDDhh", "2026-01-02T23:00Z", b"P.01(26010200;26010301)"),
        ("YYMMDD", "2026-01-02T23:00Z", b"P.01(260102;260104)"),
        # one minute behind the last one before the repeated hour, without a season, is behind that hour
        ("YYMMDDhhmm", "2026-10-24T23:59Z", b"P.01(2601020000;2610250300)"),
    ],
)
def test_meters_that_leave_out_the_end(form: str, end: str, expected: bytes) -> None:
    start = at("2026-01-01T23:00Z")
    assert range_request("P.01", "{start};{after}", form, start, at(end), "legal", PRAGUE) == expected


def test_a_code_with_braces_is_left_alone() -> None:
    start = at("2026-01-01T23:00Z")
    assert range_request("P.01", "{end}{x}", "{start}DD", start, start, "legal", PRAGUE) == b"P.01({start}02{x})"


def test_instants_of_any_zone_are_taken() -> None:
    start = at("2026-01-02T00:00+01:00")
    assert range_request("P.01", "{start}", VDEW, start, start, "utc", PRAGUE) == b"P.01(22601012300)"


@given(
    st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - aware by timezones
    st.integers(1, 10**6),
    st.sampled_from([VDEW, "zYYMMDDhhmmss", "YYMMDDhhmm", "YYMMDDhhmmss", "YYYYMMDDhhmm"]),
    st.sampled_from(["legal", "standard", "utc"]),
)
@examples(200)
def test_a_request_never_asks_for_less(start: datetime, seconds: int, form: str, clock: str) -> None:
    """Read back with the meter's clock, the request covers the range, whichever of two hours the meter takes."""
    end = start + timedelta(seconds=seconds)
    first, last = range_request("P.01", "{start};{end}", form, start, end, clock, PRAGUE)[5:-1].decode().split(";")
    of = MeterClock(ClockKind(clock), PRAGUE)
    asked_first, asked_last = parse_stamp(first, of, form=form), parse_stamp(last, of, form=form)
    assert asked_first is not None
    assert asked_last is not None
    assert asked_first.second is None
    assert asked_last.second is None
    assert asked_first.at <= start
    assert end <= asked_last.at
    assert start - asked_first.at <= timedelta(hours=2, minutes=1)
    assert asked_last.at - end <= timedelta(hours=2, minutes=1)
