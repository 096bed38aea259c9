"""Times as meters write them; hand-computed instants in tests/vectors/iec62056_21/times.yaml."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from drivers.iec62056_21.wire.dates import parse_time
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
