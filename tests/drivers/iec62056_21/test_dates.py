"""Times as meters write them; hand-computed instants in tests/vectors/iec62056_21/times.yaml."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from drivers.iec62056_21.wire.clock import ClockKind, MeterClock, is_summer, standard_offset
from drivers.iec62056_21.wire.dates import Stamp, parse_stamp, parse_time
from tests.drivers.iec62056_21.conversation import VECTORS, examples

PRAGUE = ZoneInfo("Europe/Prague")
TIMES = yaml.safe_load((VECTORS / "times.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("vector", TIMES, ids=lambda vector: f"{vector['text']!r}")
def test_times(vector: dict[str, Any]) -> None:
    result = parse_time(vector["text"], PRAGUE)
    if vector["at"] is None:
        assert result is None
        return
    assert result is not None
    assert result.at == datetime.fromisoformat(vector["at"])
    assert result.at.tzinfo is UTC
    assert result.ambiguous is vector.get("ambiguous", False)


def test_the_zone_is_the_meters() -> None:
    result = parse_time("2611211200", ZoneInfo("America/New_York"))
    assert result == (datetime(2026, 11, 21, 17, tzinfo=UTC), False)


@given(st.datetimes(datetime(2000, 1, 1), datetime(2099, 12, 31, 23, 59, 59)))  # noqa: DTZ001 - UTC by the digit 2
@examples(150)
def test_every_second_of_the_century_in_utc(naive: datetime) -> None:
    result = parse_time(naive.strftime("2%y%m%d%H%M%S"), PRAGUE)
    assert result == (naive.replace(microsecond=0, tzinfo=UTC), False)


@given(st.datetimes(datetime(2000, 1, 2), datetime(2099, 12, 30), timezones=st.just(PRAGUE)))  # noqa: DTZ001
@examples(150)
def test_every_wall_clock_reading_with_its_season(local: datetime) -> None:
    instant = local.replace(microsecond=0).astimezone(UTC)
    local = instant.astimezone(PRAGUE)  # now certainly a reading that happens
    summer = local.utcoffset() == timedelta(hours=2)
    digits = local.strftime("%y%m%d%H%M%S")
    assert parse_time(("1" if summer else "0") + digits, PRAGUE) == (instant, False)
    assert parse_time(digits + ("S" if summer else "W"), PRAGUE) == (instant, False)
    plain = parse_time(digits, PRAGUE)
    assert plain is not None
    assert plain == (instant, False) or (
        plain.ambiguous and abs(plain.at - instant) in (timedelta(0), timedelta(hours=1))
    )


@given(st.text(alphabet="0123456789-:,&T SW9", max_size=22) | st.text(max_size=22))
@examples(150)
def test_any_text_is_a_time_or_none(text: str) -> None:
    for zone in (PRAGUE, ZoneInfo("America/New_York"), ZoneInfo("Pacific/Auckland")):
        result = parse_time(text, zone)
        assert result is None or result.at.utcoffset() == timedelta(0)


# -- stamps of headers, on the meter's clock -------------------------------------------------------------------------

LEGAL = MeterClock(ClockKind.LEGAL, PRAGUE)
STANDARD = MeterClock(ClockKind.STANDARD, PRAGUE)
ON_UTC = MeterClock(ClockKind.UTC, PRAGUE)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}Z")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0261126001500", Stamp(utc("2026-11-25T23:15"))),
        ("1260701001500", Stamp(utc("2026-06-30T22:15"))),
        ("260701001500S", Stamp(utc("2026-06-30T22:15"))),
        ("260701001500W", Stamp(utc("2026-06-30T22:15"), doubtful=True)),
        ("2260701001500", Stamp(utc("2026-07-01T00:15"))),
        ("0260701001500", Stamp(utc("2026-06-30T22:15"), doubtful=True)),
        ("1261126001500", Stamp(utc("2026-11-25T23:15"), doubtful=True)),
        ("260701001500", Stamp(utc("2026-06-30T22:15"))),
        # the hour that happens twice
        ("12610250200", Stamp(utc("2026-10-25T00:00"))),
        ("02610250200", Stamp(utc("2026-10-25T01:00"))),
        ("2610250200", Stamp(utc("2026-10-25T00:00"), utc("2026-10-25T01:00"))),
        ("2610250259", Stamp(utc("2026-10-25T00:59"), utc("2026-10-25T01:59"))),
        ("12610250300", Stamp(utc("2026-10-25T01:00"))),
        ("02610250300", Stamp(utc("2026-10-25T02:00"))),
        ("2610250300", Stamp(utc("2026-10-25T02:00"))),
        ("12610250301", Stamp(utc("2026-10-25T02:01"), doubtful=True)),
        ("12610250159", Stamp(utc("2026-10-24T23:59"))),
        # the hour that does not happen: its beginning is the end of the last interval of winter
        ("02603290200", Stamp(utc("2026-03-29T01:00"))),
        ("2603290200", Stamp(utc("2026-03-29T01:00"))),
        ("12603290200", Stamp(utc("2026-03-29T01:00"), doubtful=True)),
        ("02603290201", Stamp(utc("2026-03-29T01:01"), doubtful=True)),
        ("12603290300", Stamp(utc("2026-03-29T01:00"))),
        ("02603290300", Stamp(utc("2026-03-29T01:00"), doubtful=True)),
        ("0000000000000", None),
        ("9999999999", None),
        ("26-00-00,00:00", None),
        ("99-99-99,99:99", None),
        ("9999-12-31,24:00", None),
        ("", None),
    ],
)
def test_stamps_in_legal_time(text: str, expected: Stamp | None) -> None:
    assert parse_stamp(text, LEGAL) == expected


def test_the_season_digit_may_mean_nothing() -> None:
    for text in ("0260701001500", "1260701001500", "2260701001500"):
        assert parse_stamp(text, LEGAL, season_digit=False) == Stamp(utc("2026-06-30T22:15"))
    assert parse_stamp("02610250200", LEGAL, season_digit=False) == Stamp(
        utc("2026-10-25T00:00"), utc("2026-10-25T01:00")
    )


def test_stamps_on_other_clocks() -> None:
    for season in ("", "0", "1"):
        assert parse_stamp(f"{season}260701001500", STANDARD) == Stamp(utc("2026-06-30T23:15"))
        assert parse_stamp(f"{season}2610250230", STANDARD) == Stamp(utc("2026-10-25T01:30"))
        assert parse_stamp(f"{season}260701001500", ON_UTC) == Stamp(utc("2026-07-01T00:15"))
    assert parse_stamp("2260701001500", STANDARD) == Stamp(utc("2026-07-01T00:15"))
    assert parse_stamp("2260701001500", STANDARD, season_digit=False) == Stamp(utc("2026-06-30T23:15"))


def test_a_meter_known_for_four_digit_years() -> None:
    assert parse_stamp("201011211200", ON_UTC) == Stamp(utc("2020-10-11T21:12"))
    assert parse_stamp("201011211200", ON_UTC, form="zYYYYMMDDhhmm") == Stamp(utc("2010-11-21T12:00"))
    assert parse_stamp("261121120030", ON_UTC, form="zYYYYMMDDhhmm") == Stamp(utc("2026-11-21T12:00:30"))


def test_stamps_beyond_the_calendar() -> None:
    assert parse_stamp("0001-01-01 00:00", LEGAL) is None
    assert parse_stamp("9999-12-31 23:59", MeterClock(ClockKind.STANDARD, ZoneInfo("America/New_York"))) is None
    assert parse_time("0001-01-01 00:00", PRAGUE) is None


@given(
    st.datetimes(datetime(2000, 1, 2), datetime(2099, 12, 30), timezones=st.just(UTC)),  # noqa: DTZ001
    st.sampled_from(["Europe/Prague", "Europe/Dublin", "America/New_York", "Pacific/Auckland", "Asia/Kolkata"]),
    st.sampled_from(ClockKind),
)
@examples(200)
def test_what_a_clock_shows_means_the_instant(at: datetime, zone: str, kind: ClockKind) -> None:
    at = at.replace(microsecond=0)
    clock = MeterClock(kind, ZoneInfo(zone))
    shown = f"{clock.season(at)}{clock.wall(at):%y%m%d%H%M%S}"
    assert parse_stamp(shown, clock) == Stamp(at)
    assert clock.instant(clock.wall(at)) in (at, at - timedelta(hours=1))


def test_winter_offsets() -> None:
    hour = timedelta(hours=1)
    assert standard_offset(PRAGUE, 2026) == hour
    assert standard_offset(ZoneInfo("Europe/Dublin"), 2026) == timedelta(0)
    assert standard_offset(ZoneInfo("Pacific/Auckland"), 2026) == 12 * hour
    assert is_summer(utc("2026-03-29T01:00"), PRAGUE)
    assert not is_summer(utc("2026-03-29T00:59"), PRAGUE)
    assert is_summer(utc("2026-12-24T00:00"), ZoneInfo("Pacific/Auckland"))
