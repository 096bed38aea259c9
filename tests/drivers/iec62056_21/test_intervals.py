"""Answers to readings: vectors written by hand (vectors/iec62056_21/profiles), and properties that always hold."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any, Literal
from zoneinfo import ZoneInfo

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from drivers.iec62056_21.headers import status_faults
from drivers.iec62056_21.vendors import StatusWord
from gatewayd.legal_time import interval_ends
from gatewayd.model import Flag, Kind, RawStatus, Reading
from gatewayd.status import Fault
from tests.drivers.iec62056_21.conversation import VECTORS, examples
from tests.drivers.iec62056_21.tables import PRAGUE, WORDS, understood, vendor

QUARTER = timedelta(minutes=15)
ANSWERS: list[dict[str, Any]] = [
    answer
    for path in sorted((VECTORS / "profiles").glob("*.yaml"))
    for answer in yaml.safe_load(path.read_text(encoding="utf-8"))
]


# -- the vectors -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: str(answer["name"]))
def test_answers(answer: dict[str, Any]) -> None:
    assert answer["source"]
    kind = answer.get("kind", "profile")
    of = vendor(answer.get("words", "vdew"), kind=kind, season_digit=answer.get("season_digit", True))
    options: dict[str, Any] = {
        name: answer[name] for name in ("table", "clock", "time", "own_status") if name in answer
    }
    options |= {name: datetime.fromisoformat(answer[name]) for name in ("start", "end") if name in answer}
    faults = [Fault[name.upper()] for name in answer.get("faults", ())]
    data = "".join(f"{line}\r\n" for line in answer["lines"]).encode("latin-1")
    found = understood(data, *faults, kind=kind, of=of, **options)
    assert len(found.readings) == len(answer["readings"]), [reading.raw_text for reading in found.readings]
    for reading, expected in zip(found.readings, answer["readings"], strict=True):
        compare(reading, expected, Kind.EVENT if kind == "log" else Kind.INTERVAL)
    complaints = answer.get("complaints", [])
    assert len(found.complaints) == len(complaints), found.complaints
    for complaint, piece in zip(found.complaints, complaints, strict=True):
        assert piece in complaint


def compare(reading: Reading, expected: dict[str, Any], kind: Kind) -> None:
    assert (reading.meter, reading.kind, reading.scaler) == ("em-1", kind, 0)
    assert (None if reading.obis is None else str(reading.obis)) == expected["obis"]
    assert reading.at == datetime.fromisoformat(expected["at"])
    assert reading.at.tzinfo is UTC
    assert (reading.raw_text, reading.unit) == (expected["text"], expected["unit"])
    assert (reading.status, reading.flags.texts) == (
        RawStatus[expected.get("status", "true").upper()],
        sorted(expected.get("flags", []), key=lambda text: Flag[text.upper()]),
    )
    if "raw" in expected:
        assert reading.raw == expected["raw"].encode("latin-1")
    for name in ("obis_raw", "interval_s", "meter_time"):
        if name in expected:
            assert getattr(reading, name) == expected[name], name
    if "more" in expected:
        assert reading.more == tuple(expected["more"])


def test_names_of_vectors_are_different() -> None:
    assert max(Counter(answer["name"] for answer in ANSWERS).values()) == 1


# -- the days of the change ------------------------------------------------------------------------------------------


def day_of(header: str, rows: int, **options: Any) -> tuple[datetime, ...]:
    """The ends of all rows under one header."""
    data = f"{header}(0000)(15)(1)(1.5.0)(kW)\r\n" + "(0.1)\r\n" * rows
    found = understood(data.encode(), **options)
    assert found.complaints == ()
    assert {reading.status for reading in found.readings} == {RawStatus.TRUE}
    assert {reading.flags for reading in found.readings} == {Flag(0)}
    return tuple(reading.at for reading in found.readings)


@pytest.mark.parametrize(
    ("day", "stamp", "rows"),
    [
        (date(2026, 3, 29), "0260329001500", 92),
        (date(2026, 3, 29), "2603290015", 92),
        (date(2026, 10, 25), "1261025001500", 100),
        (date(2026, 10, 25), "2610250015", 100),
        (date(2026, 11, 26), "0261126001500", 96),
    ],
)
def test_the_days_have_the_quarters_of_legal_time(day: date, stamp: str, rows: int) -> None:
    ends = day_of(f"P.01({stamp})", rows)
    assert len(ends) == rows
    assert ends == interval_ends(day)


def test_the_last_end_of_the_change_days_is_midnight() -> None:
    assert day_of("P.01(0260329001500)", 92)[-1] == datetime(2026, 3, 29, 22, 0, tzinfo=UTC)
    assert day_of("P.01(1261025001500)", 100)[-1] == datetime(2026, 10, 25, 23, 0, tzinfo=UTC)


def test_a_standard_clock_has_96_quarters_on_every_day() -> None:
    for stamp, first in (
        ("0260329001500", datetime(2026, 3, 28, 23, 15, tzinfo=UTC)),
        ("0261025001500", datetime(2026, 10, 24, 23, 15, tzinfo=UTC)),
    ):
        assert day_of(f"P.01({stamp})", 96, clock="standard") == tuple(first + QUARTER * n for n in range(96))


@given(st.dates(date(2020, 1, 1), date(2035, 12, 30)), st.sampled_from([5, 10, 15, 30, 60]))
@examples(150)
def test_any_legal_day(day: date, minutes: int) -> None:
    expected = interval_ends(day, timedelta(minutes=minutes))
    first = expected[0].astimezone(PRAGUE)
    summer = first.utcoffset() == timedelta(hours=2)
    data = f"P.01({int(summer)}{first:%y%m%d%H%M%S})(0000)({minutes})(1)(1.5.0)(kW)\r\n" + "(7)\r\n" * len(expected)
    found = understood(data.encode())
    assert tuple(reading.at for reading in found.readings) == expected
    assert found.complaints == ()
    assert all(reading.flags == Flag(0) for reading in found.readings)


@given(st.dates(date(2020, 1, 1), date(2035, 12, 1)), st.integers(1, 40), st.booleans())
@examples(100)
def test_days_on_the_calendar(first: date, count: int, starts: bool) -> None:
    data = f"P.02({first:%y%m%d}0000)(0000)(1440)(1)(1.8.0)(kWh)\r\n" + "(7)\r\n" * count
    found = understood(data.encode(), table="P.02", time="start" if starts else "end")
    ends = [reading.at.astimezone(PRAGUE) for reading in found.readings]
    assert [end.replace(tzinfo=None) for end in ends] == [
        datetime(first.year, first.month, first.day) + timedelta(days=n + starts)  # noqa: DTZ001 - a wall clock reading
        for n in range(count)
    ]


def test_hours_on_a_clock_that_keeps_to_its_wall_on_the_day_of_the_change() -> None:
    """Two-hour intervals on 25 October: the stamp 04:00 is on the grid of the wall clock, five hours after midnight."""
    found = understood(b"P.01(0261025040000)(0000)(120)(1)(1.5.0)(kW)\r\n(1)\r\n(2)\r\n")
    assert [(reading.at, reading.status) for reading in found.readings] == [
        (datetime(2026, 10, 25, 3, 0, tzinfo=UTC), RawStatus.TRUE),
        (datetime(2026, 10, 25, 5, 0, tzinfo=UTC), RawStatus.TRUE),
    ]


# -- what always holds -----------------------------------------------------------------------------------------------

FRAGMENTS = st.sampled_from(
    "P.01( P.98( P.99(ERROR) (ERROR) 1.8.0( ( ) )( () ()() \r\n \r \n ! * ; 0 15 2 1440 0000 0080 FFFFFFFF 1.5.0 kW "
    "(0261126001500)(0000)(15)(2)(1.5.0)(kW)(2.5.0)(kW) (0.1)(0.2) (---.-) 99999 0261025023000 26-10-25,02:30 "
    "9999-12-31,23:59 P.01(9999-12-31,23:59)(0000)(15)(1)(1.5.0)(kW) \x00 \xff".split(" ")
)


@given(st.binary(max_size=300) | st.lists(FRAGMENTS, max_size=40).map(lambda parts: "".join(parts).encode("latin-1")))
@examples(250)
def test_any_bytes_are_understood_or_complained_about(data: bytes) -> None:
    kinds: tuple[Literal["profile", "log"], ...] = ("profile", "log")
    for kind in kinds:
        for clock in ("legal", "standard", "utc"):
            found = understood(data, kind=kind, clock=clock)
            assert all(reading.at.tzinfo is UTC for reading in found.readings)
            assert kind == "log" or all(reading.raw in data for reading in found.readings)
            assert len(found.complaints) <= 21


VALUES = st.from_regex(r"[0-9]{1,4}\.[0-9]{1,4}", fullmatch=True) | st.sampled_from(["---.-", "", "1*kWh", "x"])


@given(st.data())
@examples(60)
def test_every_value_of_a_table_is_one_reading(data: st.DataObject) -> None:
    """Tables written by this test: blocks of any width, rows on lines of their own or in one line."""
    blocks = data.draw(st.lists(st.tuples(st.integers(1, 6), st.integers(0, 8), st.booleans()), min_size=1, max_size=5))
    at = datetime(2026, 11, 1, 0, 0, tzinfo=UTC)
    text = ""
    expected: list[tuple[datetime, str, str]] = []
    for width, rows, one_line in blocks:
        text += f"P.01(2{at:%y%m%d%H%M%S})(0000)(15)({width})"
        text += "".join(f"(1.{number}.0)(kW)" for number in range(1, width + 1))
        text += "" if one_line else "\r\n"
        for _ in range(rows):
            row = data.draw(st.lists(VALUES, min_size=width, max_size=width))
            text += "".join(f"({value})" for value in row) + ("" if one_line else "\r\n")
            expected += [(at, f"1.{number}.0", value) for number, value in enumerate(row, 1)]
            at += QUARTER
        text += "\r\n" if one_line else ""
        at += data.draw(st.integers(1, 9)) * QUARTER
    found = understood(text.encode())
    assert found.complaints == ()
    assert [(reading.at, reading.obis_raw, reading.raw[1:-1].decode()) for reading in found.readings] == expected


@given(st.integers(0, 59), st.integers(0, 59), st.integers(1, 30), st.sampled_from([5, 10, 15, 30, 60]))
@examples(150)
def test_ends_ascend_and_are_on_the_grid_behind_the_first(minute: int, second: int, rows: int, period: int) -> None:
    data = f"P.01(02611261{minute // 60}{minute:02d}{second:02d})(0000)({period})(1)(1.5.0)(kW)\r\n" + "(1)\r\n" * rows
    found = understood(data.encode())
    ends = [reading.at for reading in found.readings]
    first = datetime(2026, 11, 26, 9, minute, second, tzinfo=UTC)
    beside = bool(second or minute % period)
    assert ends[0] == first
    assert found.readings[0].status is (RawStatus.DISTORTED if beside else RawStatus.TRUE)
    for before, after in pairwise(ends):
        assert (after.minute % period, after.second) == (0, 0)
        assert timedelta(0) < after - before <= timedelta(minutes=period)
    assert all(after - before == timedelta(minutes=period) for before, after in pairwise(ends[1:]))


@given(st.integers(0, 10**4), st.integers(0, 10**4))
@examples(100)
def test_the_window_takes_every_row_once(first: int, second: int) -> None:
    """Windows that meet share no row and lose none."""
    start = datetime(2026, 11, 26, 9, 0, tzinfo=UTC)
    cut = start + timedelta(seconds=first)
    end = cut + timedelta(seconds=second)
    data = b"P.01(0261126101500)(0000)(15)(1)(1.5.0)(kW)\r\n" + b"(1)\r\n" * 30
    whole, left, right = (
        understood(data, start=a, end=b).readings for a, b in ((start, end), (start, cut), (cut, end))
    )
    assert left + right == whole


# -- single rules ----------------------------------------------------------------------------------------------------


def test_zones_of_the_other_half_of_the_world() -> None:
    found = understood(b"P.01(1261226120000)(0000)(15)(1)(1.5.0)(kW)\r\n(1)", zone=ZoneInfo("Pacific/Auckland"))
    assert [(reading.at, reading.flags) for reading in found.readings] == [
        (datetime(2026, 12, 25, 23, 0, tzinfo=UTC), Flag(0))
    ]
    found = understood(
        b"P.01(0261226120000)(0000)(15)(1)(1.5.0)(kW)\r\n(1)", zone=ZoneInfo("Pacific/Auckland"), clock="standard"
    )
    assert found.readings[0].at == datetime(2026, 12, 26, 0, 0, tzinfo=UTC)


def test_summer_is_summer_in_dublin() -> None:
    """Irish law calls summer time the standard, and the zone files follow it."""
    dublin = ZoneInfo("Europe/Dublin")
    data = b"P.01(1260701120000)(0000)(15)(1)(1.5.0)(kW)\r\n(1)"
    assert understood(data, zone=dublin).complaints == ()
    assert understood(data, zone=dublin).readings[0].at == datetime(2026, 7, 1, 11, 0, tzinfo=UTC)
    assert understood(data, zone=dublin, clock="standard").readings[0].at == datetime(2026, 7, 1, 12, 0, tzinfo=UTC)


def test_four_digit_years_of_a_meter_that_is_known_for_them() -> None:
    """201011211200 is a date either way; only the vendor's form says which one."""
    data = b"P.01(201011211200)(0000)(15)(1)(1.5.0)(kW)\r\n(1)"
    assert understood(data).readings[0].at == datetime(2020, 10, 11, 19, 12, tzinfo=UTC)
    long = vendor(window_time="YYYYMMDDhhmm")
    assert understood(data, of=long).readings[0].at == datetime(2010, 11, 21, 11, 0, tzinfo=UTC)


def test_a_stamp_in_the_spring_gap_is_doubtful() -> None:
    for stamp in ("0260329023000", "2603290230", "1260329020000"):
        found = understood(f"P.01({stamp})(0000)(15)(1)(1.5.0)(kW)\r\n(1)".encode())
        assert found.readings[0].flags == Flag.TIME_AMBIGUOUS
        assert "`clock: standard`" in found.complaints[0]


def test_an_empty_status_word_of_a_vendor_that_knows_none() -> None:
    word = StatusWord()
    assert status_faults("0000", word) == ()
    assert status_faults("0080", word) == (Fault.BIT_UNKNOWN,)
    assert status_faults("", word) == ()
    assert status_faults("0x80", word) is None
    assert status_faults("٠٠", word) is None  # other digits that int() takes
    assert status_faults("0" * 17, word) is None


@given(st.integers(0, 2**16 - 1))
@examples(100)
def test_every_set_bit_counts_and_no_other(value: int) -> None:
    word = WORDS["vdew"]
    found = status_faults(f"{value:04x}", word)
    named = [word.meaning.get(1 << bit, Fault.BIT_UNKNOWN) for bit in range(16) if value >> bit & 1]
    assert found is not None
    assert set(found) == {fault for fault in named if fault is not None}
    assert len(found) == len(set(found))


def test_many_complaints_are_counted() -> None:
    data = "".join(f"P.01(x{n})(0000)(15)(1)(1.5.0)(kW)\r\n(1)\r\n" for n in range(30))
    found = understood(data.encode())
    assert len(found.readings) == 30
    assert len(found.complaints) == 21
    assert found.complaints[-1] == "and 10 more"


def test_a_long_text_is_not_shown_whole() -> None:
    found = understood(b"P.01(" + b"7" * 5000 + b")(0000)(15)(1)(1.5.0)(kW)\r\n(1)\r\n" + b"z" * 5000)
    assert all(len(complaint) < 200 for complaint in found.complaints)


def test_rows_beyond_the_calendar_have_no_time() -> None:
    found = understood(b"P.01(9999-12-31,21:45)(0000)(99999)(1)(1.5.0)(kW)\r\n(1)\r\n(2)\r\n", clock="utc")
    assert [reading.status for reading in found.readings][-1] is RawStatus.DISTORTED
    found = understood(b"P.02(9999-12-31,21:45)(0000)(1440)(1)(1.5.0)(kW)\r\n(1)\r\n(2)\r\n", table="P.02")
    assert [reading.status for reading in found.readings][-1] is RawStatus.DISTORTED


def test_a_stamp_in_the_repeated_hour_behind_the_end_of_the_calendar() -> None:
    header = b"(0000)(99999)(1)(1.5.0)(kW)\r\n(1)\r\n"
    found = understood(b"P.01(9999-12-31,21:45)" + header + b"P.01(2610250230)" + header)
    assert [reading.flags for reading in found.readings][-1] & Flag.TIME_AMBIGUOUS


def test_a_long_value_is_read_like_a_short_one() -> None:
    value = "0" * 60 + ".5"
    found = understood(f"P.01(0261126101500)(0000)(15)(1)(1.5.0)(kW)\r\n({value}*kW)\r\n".encode())
    assert [(reading.raw_text, reading.status) for reading in found.readings] in (
        [(value, RawStatus.TRUE)],
        [(f"{value}*kW", RawStatus.DISTORTED)],
    )


def test_a_row_at_the_end_of_a_window_that_did_not_come() -> None:
    """A meter that does not count the end in would lose one row in each window."""
    data = b"P.01(0261126101500)(0000)(15)(1)(1.5.0)(kW)\r\n(1)\r\n(2)\r\n"
    begin, last = datetime(2026, 11, 26, 9, 0, tzinfo=UTC), datetime(2026, 11, 26, 9, 30, tzinfo=UTC)
    assert understood(data, start=begin, end=last).complaints == ()
    (said,) = understood(data, start=begin, end=last + QUARTER).complaints
    assert "2026-11-26T09:45:00Z" in said
    assert "`window`" in said
    assert understood(data, start=begin, end=last + 2 * QUARTER).complaints == ()  # a gap is no such thing
    assert understood(data, Fault.CHECK_CHARACTER, start=begin, end=last + QUARTER).complaints == ()
    late = data.replace(b"0261126101500", b"0261126123000")  # the interval is not over long enough: read at 12:00 UTC
    assert understood(late, start=begin, end=datetime(2026, 11, 26, 12, 0, tzinfo=UTC)).complaints == ()
