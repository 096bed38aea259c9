"""COSEM date-time: octets written by hand (Blue Book 4.1.6.1) and of public captures, with hand-computed instants.

Prague: CET = UTC+1, CEST = UTC+2; in 2026 summer time begins on 29 March, 02:00 -> 03:00, and ends on 25 October,
03:00 -> 02:00.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.dlms.wire.cosem_time import (
    NO_DEVIATION,
    ClockRules,
    ClockStatus,
    DateTime,
    Deviation,
    Instant,
    Reason,
    base_zone,
    encode_date_time,
    parse_date_time,
)
from gatewayd.errors import ProtocolError

RUNS = settings(max_examples=6000 if os.environ.get("GATEWAYD_TEST_FULL") else 300, deadline=None)
PRAGUE = ClockRules(ZoneInfo("Europe/Prague"))
INVERTED = ClockRules(ZoneInfo("Europe/Prague"), Deviation.LOCAL_MINUS_UTC)
IGNORED = ClockRules(ZoneInfo("Europe/Prague"), Deviation.IGNORED)
NO_BIT = ClockRules(ZoneInfo("Europe/Prague"), daylight_bit=False)


def read(octets: str, rules: ClockRules = PRAGUE) -> Instant:
    return parse_date_time(bytes.fromhex(octets)).instant(rules)


def test_the_fields() -> None:
    raw = bytes.fromhex("07EA 0A 19 07 02 1E 0F 32 FF88 8F")
    assert parse_date_time(raw) == DateTime(
        raw, 2026, 10, 25, 7, 2, 30, 15, 50, -120, ClockStatus.DAYLIGHT_SAVING | ClockStatus(0x0F)
    )
    bits = {0x01: "INVALID_VALUE", 0x02: "DOUBTFUL_VALUE", 0x04: "DIFFERENT_CLOCK_BASE", 0x08: "INVALID_CLOCK_STATUS"}
    bits[0x80] = "DAYLIGHT_SAVING"
    assert {bit.value: bit.name for bit in ClockStatus} == bits


def test_what_is_not_specified() -> None:
    raw = bytes.fromhex("FFFF FF FF FF FF FF FF FF 8000 FF")
    time = parse_date_time(raw)
    assert (time.year, time.month, time.hundredths, time.deviation) == (0xFFFF, 0xFF, 0xFF, NO_DEVIATION)
    assert time.status is None
    assert time.instant(PRAGUE) == Instant(None, (Reason.WILDCARD,))
    assert time.raw == raw


def test_reserved_bits_of_the_status_are_kept() -> None:
    time = parse_date_time(bytes.fromhex("07EA 01 01 FF 00 00 00 00 8000 70"))
    assert time.status == 0x70
    assert time.daylight(PRAGUE) is False


@pytest.mark.parametrize("size", [0, 11, 13])
def test_other_sizes_are_no_date_time(size: int) -> None:
    with pytest.raises(ProtocolError, match="12 octets") as caught:
        parse_date_time(bytes(size))
    assert caught.value.raw == bytes(size)


@pytest.mark.parametrize(
    ("octets", "at"),
    [
        ("07E60B0C0610360000FFC400", "2022-11-12T15:54:00Z"),  # capture raw_salzburg_netz
        ("07E60B03FF0F2619FFFF4CFF", "2022-11-03T12:38:25Z"),  # capture raw_energomera, UTC+3
        ("07E30C1001073B28FF8000FF", "2019-12-16T06:59:40Z"),  # capture hdlc_norway_han_3phase, no deviation
        ("07E602150111251EFF800000", "2022-02-21T16:37:30Z"),  # capture hdlc_landis_gyr_e450
        ("07EA07110500000000FF8880", "2026-07-16T22:00:00Z"),  # summer, bit and deviation
        ("07EA07110500000000800080", "2026-07-16T22:00:00Z"),  # summer, bit alone
        ("07EA071105000000638000FF", "2026-07-16T22:00:00.990Z"),  # hundredths
        ("07EA07110500000000000000", "2026-07-17T00:00:00Z"),  # a clock in UTC
        ("07EA01010400000000FCB800", "2025-12-31T10:00:00Z"),  # UTC+14, -840 minutes
        ("07EA0101040000000002D000", "2026-01-01T12:00:00Z"),  # UTC-12, +720 minutes
        ("07E8021D0400000000800000", "2024-02-28T23:00:00Z"),  # 29 February
    ],
)
def test_instants(octets: str, at: str) -> None:
    found = read(octets)
    assert found == Instant(datetime.fromisoformat(at))
    assert found.at is not None
    assert found.at.tzinfo is UTC


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        ("FFFF0B0C0610360000FFC400", Reason.WILDCARD),
        ("07E6FF0C0610360000FFC400", Reason.WILDCARD),
        ("07E60BFF0610360000FFC400", Reason.WILDCARD),
        ("07E60B0C06FF360000FFC400", Reason.WILDCARD),
        ("07E60B0C0610FF0000FFC400", Reason.WILDCARD),
        ("07E6FD0C0610360000FFC400", Reason.RULE),  # the month in which daylight saving ends
        ("07E6FE0C0610360000FFC400", Reason.RULE),  # the month in which it begins
        ("07E60BFD0610360000FFC400", Reason.RULE),  # the day before the last one of the month
        ("07E60BFE0610360000FFC400", Reason.RULE),  # the last day of the month
        ("07E60D0C0610360000FFC400", Reason.IMPOSSIBLE),  # month 13
        ("07E6000C0610360000FFC400", Reason.IMPOSSIBLE),
        ("07E60B000610360000FFC400", Reason.IMPOSSIBLE),
        ("07E60B1F0610360000FFC400", Reason.IMPOSSIBLE),  # 31 November
        ("07EA021DFF00000000800000", Reason.IMPOSSIBLE),  # 29 February 2026
        ("07E60BE00610360000FFC400", Reason.IMPOSSIBLE),
        ("07E60B0C0618000000FFC400", Reason.IMPOSSIBLE),  # hour 24
        ("07E60B0C06103C0000FFC400", Reason.IMPOSSIBLE),  # minute 60
        ("07E60B0C0610363C00FFC400", Reason.IMPOSSIBLE),  # second 60
        ("07E60B0C0610360064FFC400", Reason.IMPOSSIBLE),  # hundredth 100
        ("00000B0C0610360000FFC400", Reason.IMPOSSIBLE),  # year 0
        ("27100B0C0610360000FFC400", Reason.IMPOSSIBLE),  # year 10000
        ("000101010600000000FFC400", Reason.IMPOSSIBLE),  # before the first day of the year 1
        ("270F0C1FFF173B0000003C00", Reason.IMPOSSIBLE),  # behind the last minute of the year 9999
        ("07E60B0C0610360000FCB700", Reason.IMPOSSIBLE),  # deviation -841
        ("07E60B0C0610360000034900", Reason.IMPOSSIBLE),  # deviation 841
        ("07E60B0C06103600007FFF00", Reason.IMPOSSIBLE),
        ("0001010106000000008000FF", Reason.IMPOSSIBLE),  # legal time before the calendar
    ],
)
def test_what_is_no_time_is_no_other_time(octets: str, reason: Reason) -> None:
    assert read(octets) == Instant(None, (reason,))


@pytest.mark.parametrize(
    ("octets", "at", "reason"),
    [
        ("07E60B0C0110360000FFC400", "2022-11-12T15:54:00Z", Reason.WEEKDAY),  # Saturday, and not Monday
        ("07E60B0C0010360000FFC400", "2022-11-12T15:54:00Z", Reason.WEEKDAY),
        ("07E60B0C061036FF00FFC400", "2022-11-12T15:54:00Z", Reason.NO_SECOND),
        ("07E60B0C0610360000FFC480", "2022-11-12T15:54:00Z", Reason.SEASON),  # the bit, and winter by the deviation
        ("07EA07110500000000FFC480", "2026-07-16T23:00:00Z", Reason.SEASON),  # deviation without DST?
        ("07EA07110500000000FF8800", "2026-07-16T22:00:00Z", Reason.SEASON),
        ("07EA07110500000000800000", "2026-07-16T22:00:00Z", Reason.SEASON),  # no bit in July
        ("07EA01010400000000800080", "2025-12-31T23:00:00Z", Reason.SEASON),  # the bit in January
        ("07EA031D07021E0000800000", "2026-03-29T01:30:00Z", Reason.IMAGINARY),
        ("07EA031D07020000008000FF", "2026-03-29T01:00:00Z", None),  # the end of the last interval of winter
        ("07EA031D0702000000800080", "2026-03-29T01:00:00Z", Reason.IMAGINARY),
        ("07EA031D0703000000800080", "2026-03-29T01:00:00Z", None),
    ],
)
def test_doubts(octets: str, at: str, reason: Reason | None) -> None:
    assert read(octets) == Instant(datetime.fromisoformat(at), (reason,) if reason else ())


def test_several_doubts() -> None:
    found = read("07EA0711010000FF00800000")
    assert found.reasons == (Reason.SEASON, Reason.WEEKDAY, Reason.NO_SECOND)


@pytest.mark.parametrize("minute", [0, 30, 59])
def test_the_hour_that_happens_twice(minute: int) -> None:
    hour = f"07EA0A190702{minute:02X}0000"
    first = datetime(2026, 10, 25, 0, minute, tzinfo=UTC)
    later = first + timedelta(hours=1)
    assert read(hour + "800080") == Instant(first)
    assert read(hour + "800000") == Instant(later)
    assert read(hour + "FF8880") == Instant(first)
    assert read(hour + "FFC400") == Instant(later)
    assert read(hour + "8000FF") == Instant(first, (Reason.AMBIGUOUS,), later)
    for status in ("00", "80"):
        assert read(f"{hour}8000{status}", NO_BIT) == Instant(first, (Reason.AMBIGUOUS,), later)
        assert read(f"{hour}FFC4{status}", IGNORED) == (Instant(first) if status == "80" else Instant(later))


def test_the_end_of_the_last_interval_of_summer() -> None:
    """03:00 on a clock that has not been put back yet; the same octets without the bit are an hour later."""
    assert read("07EA0A190703000000800080") == Instant(datetime(2026, 10, 25, 1, tzinfo=UTC))
    assert read("07EA0A190703000000800000") == Instant(datetime(2026, 10, 25, 2, tzinfo=UTC))
    assert read("07EA0A1907030F0000800080") == Instant(datetime(2026, 10, 25, 2, 15, tzinfo=UTC), (Reason.SEASON,))


def test_the_sign_of_the_deviation_is_the_meters() -> None:
    assert read("07E60B0C0610360000003C00", INVERTED) == Instant(datetime(2022, 11, 12, 15, 54, tzinfo=UTC))
    assert read("07E60B0C0610360000003C00") == Instant(datetime(2022, 11, 12, 17, 54, tzinfo=UTC))
    assert read("07EA07110500000000003C80", INVERTED).reasons == (Reason.SEASON,)
    assert read("07EA07110500000000007880", INVERTED) == Instant(datetime(2026, 7, 16, 22, tzinfo=UTC))


def test_a_deviation_that_is_ignored_is_not_judged() -> None:
    assert read("07E60B0C06103600007FFF00", IGNORED) == Instant(datetime(2022, 11, 12, 15, 54, tzinfo=UTC))


def test_a_bit_that_means_nothing_is_no_contradiction() -> None:
    assert read("07EA07110500000000800000", NO_BIT).reasons == ()
    assert read("07EA07110500000000FFC480", NO_BIT).reasons == ()


def test_zones_without_summer_time_and_with_their_own() -> None:
    moscow, dublin, sydney = (
        ClockRules(ZoneInfo(name)) for name in ("Europe/Moscow", "Europe/Dublin", "Australia/Sydney")
    )
    assert read("07EA07110500000000800000", moscow) == Instant(datetime(2026, 7, 16, 21, tzinfo=UTC))
    assert read("07EA07110500000000FF4C80", moscow) == Instant(datetime(2026, 7, 16, 21, tzinfo=UTC))
    assert read("07DA07100500000000800080", moscow) == Instant(
        datetime(2010, 7, 15, 20, tzinfo=UTC)
    )  # it had summer time
    assert read("07EA07110500000000800080", dublin) == Instant(datetime(2026, 7, 16, 23, tzinfo=UTC))
    assert read("07EA01010400000000800000", dublin) == Instant(datetime(2026, 1, 1, tzinfo=UTC))
    assert read("07EA01010400000000800080", sydney) == Instant(datetime(2025, 12, 31, 13, tzinfo=UTC))


@pytest.mark.parametrize(
    ("at", "with_deviation", "octets"),
    [
        ("2026-07-16T22:00:00Z", True, "07EA07110500000000FF8880"),
        ("2026-07-16T22:00:00Z", False, "07EA07110500000000800080"),
        ("2026-01-01T12:30:15.250Z", True, "07EA0101040D1E0F19FFC400"),
        ("2026-10-25T01:30:00Z", False, "07EA0A1907021E0000800000"),
        ("2026-10-25T00:30:00Z", False, "07EA0A1907021E0000800080"),
    ],
)
def test_octets_of_an_instant(at: str, with_deviation: bool, octets: str) -> None:
    encoded = encode_date_time(datetime.fromisoformat(at), PRAGUE, with_deviation=with_deviation)
    assert encoded == bytes.fromhex(octets)


def test_octets_for_a_meter_of_the_other_sign_and_for_another_zone() -> None:
    at = datetime(2026, 7, 16, 22, tzinfo=UTC)
    assert encode_date_time(at, INVERTED, with_deviation=True) == bytes.fromhex("07EA07110500000000007880")
    dublin = ClockRules(ZoneInfo("Europe/Dublin"))
    winter = encode_date_time(datetime(2026, 1, 1, tzinfo=UTC), dublin, with_deviation=True)
    assert winter == bytes.fromhex("07EA01010400000000000000")


@pytest.mark.parametrize(
    "at",
    [
        datetime(2026, 1, 1),  # noqa: DTZ001 - naive, and refused for it
        datetime(2026, 1, 1, microsecond=1, tzinfo=UTC),
        datetime(1890, 1, 1, tzinfo=UTC),  # Prague was off by 57 min 44 s
    ],
)
def test_what_has_no_octets_is_the_callers_fault(at: datetime) -> None:
    with pytest.raises(ValueError, match=r"naive|off by"):
        encode_date_time(at, PRAGUE, with_deviation=True)


instants = st.datetimes(
    datetime(1980, 1, 2),  # noqa: DTZ001 - UTC by the strategy
    datetime(2090, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
).map(lambda at: at.replace(microsecond=at.microsecond // 10_000 * 10_000))
autumn = st.integers(0, 2 * 3600).map(lambda n: datetime(2026, 10, 25, tzinfo=UTC) + timedelta(seconds=n - 1))


@given(
    st.one_of(instants, autumn),
    st.sampled_from((PRAGUE, INVERTED, IGNORED, ClockRules(ZoneInfo("America/New_York")))),
    st.booleans(),
)
@RUNS
def test_every_instant_comes_back(at: datetime, rules: ClockRules, with_deviation: bool) -> None:
    octets = encode_date_time(at, rules, with_deviation=with_deviation)
    assert parse_date_time(octets).raw == octets
    assert parse_date_time(octets).instant(rules) == Instant(at)


@given(
    st.binary(min_size=12, max_size=12).map(lambda octets: b"\x07\xea" + octets[2:])
    | st.binary(min_size=12, max_size=12),
    st.sampled_from((PRAGUE, INVERTED, IGNORED, NO_BIT)),
)
@RUNS
def test_any_octets_are_an_instant_or_a_reason(octets: bytes, rules: ClockRules) -> None:
    time = parse_date_time(octets)
    found = time.instant(rules)
    assert time.raw == octets
    if found.at is None:
        assert found.reasons
        return
    assert found.at.tzinfo is UTC
    assert time.month in range(1, 13)
    assert time.hour in range(24)
    assert time.minute in range(60)
    assert time.second in (*range(60), 0xFF)
    assert abs(found.at.replace(tzinfo=None) - datetime(time.year, time.month, time.day)) < timedelta(hours=39)  # noqa: DTZ001


@pytest.mark.parametrize(
    ("zone", "clock", "summer", "winter"),
    [
        ("Europe/Prague", "legal", 2, 1),
        ("Europe/Prague", "standard", 1, 1),
        ("Europe/Prague", "utc", 0, 0),
        ("Europe/Dublin", "standard", 0, 0),
        ("America/New_York", "standard", -5, -5),
        ("Australia/Sydney", "standard", 10, 10),
    ],
)
def test_a_clock_without_deviation_on_another_time_than_the_legal_one(
    zone: str, clock: str, summer: int, winter: int
) -> None:
    rules = ClockRules(base_zone(ZoneInfo(zone), clock))
    for octets, hours in (("07EA 07 01 FF 0C 00 00 00 8000 00", summer), ("07EA 01 0F FF 0C 00 00 00 8000 00", winter)):
        found = read(octets, rules)
        if clock != "legal":
            assert found.reasons == ()
            assert found.at is not None
            assert found.at.hour == 12 - hours
            sent = encode_date_time(found.at, rules, with_deviation=True)
            assert (sent[5], int.from_bytes(sent[9:11], signed=True), sent[11]) == (12, -60 * hours, 0)
            assert read(octets.replace("8000", "FFC4"), rules).at == found.at.replace(hour=11)  # it says so itself


def test_a_standard_time_of_half_hours_is_not_guessed() -> None:
    with pytest.raises(ValueError, match="no whole hours"):
        base_zone(ZoneInfo("Asia/Kolkata"), "standard")
