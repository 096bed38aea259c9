"""Days of legal time out of a DLMS load profile: changes of season, gaps, a clock that was set, a line that fails.

Rules: what is expected is computed from the formula of the simulator's values and from the zone, not by the gateway.
"""

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from tests.crash.rig import FULL
from tests.system.dlms_rig import LOAD_PROFILE, QUARTER, Manner, Read, cells, ends, interval, one_meter, totals_of
from tests.system.forked import QuickSite

WRAPPER, HDLC = Manner("wrapper"), Manner("hdlc")
SPRING, AUTUMN = date(2026, 3, 29), date(2026, 10, 25)
INTERVALS = ("1-0:1.29.0*255", "1-0:2.29.0*255", "1-0:5.29.0*255", "1-0:8.29.0*255")
FULL_INFO = ("--max-info", "1024")


def profile_of(site: QuickSite, first: date, last: date) -> Read:
    """The load profile of these days, without the clock."""
    read = site.json("profile", "em-1", LOAD_PROFILE, "--from", str(first), "--to", str(last))["readings"]
    return [one for one in read if one["obis"] != "0-0:1.0.0*255"]


def noon_behind(day: date) -> tuple[str, ...]:
    """The meter's clock two days later, and what it keeps."""
    return ("--now", f"{day + timedelta(days=2)}T12:00:00", "--profile-days", "8")


MANNERS = [
    (HDLC, (), ()),
    (WRAPPER, ("--deviation", "local-minus-utc"), ("deviation: local-minus-utc",)),
    (WRAPPER, ("--deviation", "unspecified"), ()),
    (WRAPPER, ("--no-dst-bit",), ("daylight_bit: false",)),
    (WRAPPER, ("--null-compression", "--selective", "entry"), ()),
    (WRAPPER, ("--compact-array", "--selective", "none", "--general-blocks"), ()),
    (HDLC, (*FULL_INFO, "--selective", "range"), ("range_deviation: unset",)),
]
CASES = [(AUTUMN, *one) for one in MANNERS] + [(SPRING, *one) for one in MANNERS[: None if FULL else 2]]
NAMES = [" ".join((str(day), manner.name, *options)) for day, manner, options, _ in CASES]


@pytest.mark.parametrize(("day", "manner", "options", "more"), CASES, ids=NAMES)
def test_a_day_of_23_or_25_hours(
    tmp_path: Path, day: date, manner: Manner, options: tuple[str, ...], more: tuple[str, ...]
) -> None:
    with one_meter(tmp_path, manner, *noon_behind(day), *options, more=more) as (site, _):
        read = profile_of(site, day, day)
    assert len({one["at"] for one in read}) == (92 if day == SPRING else 100)
    assert cells(read) == totals_of(day, day)
    assert {one["status"] for one in read} == {"true"}
    if day == AUTUMN and "--null-compression" not in options:  # the wall clock shows this hour twice
        twice = [one["at"] for one in read if "T02:30:00" in one["meter_time"]]
        assert sorted(set(twice)) == ["2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"]


def test_the_days_around_a_change_of_season_lose_and_double_nothing(tmp_path: Path) -> None:
    for day in (SPRING, AUTUMN):
        (tmp_path / str(day)).mkdir()
        first, last = day - timedelta(days=2), day + timedelta(days=1)
        with one_meter(tmp_path / str(day), WRAPPER, *noon_behind(day)) as (site, _):
            read = profile_of(site, first, last)
        assert cells(read) == totals_of(first, last)


def test_a_gap_and_a_clock_that_was_set(tmp_path: Path) -> None:
    """In winter's first night hour of the long day: five intervals were not captured, and one is in two parts."""
    gap = ("--incident", "missing=02610250200;02610250300")
    set_at = ("--incident", "clock-set=02610251500")
    options = (*noon_behind(AUTUMN), "--profile-values", "intervals", *gap, *set_at)
    with one_meter(tmp_path, WRAPPER, *options) as (site, _):
        read = profile_of(site, AUTUMN, AUTUMN)
        exported = site.run("archive", "export", "em-1", "--format", "csv").stdout
    begin, end = datetime(2026, 10, 25, 1, 0, tzinfo=UTC), datetime(2026, 10, 25, 2, 0, tzinfo=UTC)
    parted = datetime(2026, 10, 25, 14, 0, tzinfo=UTC)
    whole = [at for at in ends(AUTUMN, AUTUMN) if not begin <= at <= end and at != parted]
    expected = {(code, text(at), str(interval(at, n))) for at in whole for n, code in enumerate(INTERVALS, 1)}
    parts = [one for one in read if "partial_interval" in one["flags"]]
    assert {(one["obis"], one["at"], one["raw"]) for one in read if one not in parts} == expected
    assert len(read) == len(expected) + 2 * len(INTERVALS)
    assert {one["at"] for one in parts} == {text(parted - QUARTER / 2), text(parted)}
    assert {one["status"] for one in parts} == {"distorted"}
    assert all("clock_adjusted" in one["flags"] for one in parts)
    for channel, code in enumerate(INTERVALS, 1):
        assert sum(one["value"] for one in parts if one["obis"] == code) == interval(parted, channel)
    assert len(exported.splitlines()) == 1 + 1 + len(read), "a head, the clock, and every part"


def test_a_line_that_fails_among_five_days_keeps_the_days_before(tmp_path: Path) -> None:
    """The next call brings what is not there, and the archive has each interval once when asked for the present."""
    first, last = date(2026, 10, 20), date(2026, 10, 24)
    options = ("--now", "2026-10-26T12:00:00", "--profile-days", "8", "--fault", "hang-up:9")
    with one_meter(tmp_path, WRAPPER, *options) as (site, _):
        broken = site.run("profile", "em-1", LOAD_PROFILE, "--from", str(first), "--to", str(last))
        kept = cells(site.json("archive", "show", "em-1")["readings"])
        assert broken.returncode == 1
        assert broken.stderr.splitlines()[-1].startswith("meter em-1: line em-1-line: "), broken.stderr
        days = Counter(datetime.fromisoformat(at) - QUARTER for _, at, _ in kept)
        whole = len(days) // 96
        assert 1 <= whole <= 4 and len(days) % 96 == 0, "whole days alone"
        assert kept == totals_of(first, first + timedelta(days=whole - 1))
        assert cells(profile_of(site, first, last)) == totals_of(first, last)
        present = cells(site.json("archive", "show", "em-1", "--current", "--kind", "interval")["readings"])
        assert sorted(present) == sorted(totals_of(first, last))
        assert site.json("archive", "verify")["ok"]


def text(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"
