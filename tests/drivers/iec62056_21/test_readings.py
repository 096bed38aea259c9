"""What the data sets of a telegram mean: kinds, instants, statuses (PPDS annex 5, 2.12, in gatewayd.status)."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from drivers.iec62056_21.readings import code, readings, serial_numbers, telegram_faults
from drivers.iec62056_21.vendors import choose
from drivers.iec62056_21.wire.telegram import Check, Telegram
from gatewayd.model import Flag, Kind, RawStatus, Reading
from gatewayd.obis import Obis
from gatewayd.status import Fault
from tests.drivers.iec62056_21.conversation import examples

PRAGUE = ZoneInfo("Europe/Prague")
READ_AT = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
NONE = Flag(0)


def understood(
    data: bytes, check: Check = Check.RIGHT, *, parity_errors: int = 0, vendor: str = "generic"
) -> tuple[Reading, ...]:
    telegram = Telegram(None, data, check)
    faults = telegram_faults(telegram, parity_errors)
    return readings(telegram, faults, meter="em-1", at=READ_AT, zone=PRAGUE, vendor=choose(vendor, ""))


def one(data: bytes, check: Check = Check.RIGHT, *, parity_errors: int = 0) -> Reading:
    (reading,) = understood(data, check, parity_errors=parity_errors)
    return reading


# -- values as they came ---------------------------------------------------------------------------------------------


def test_a_register() -> None:
    assert one(b"1-0:1.8.0*255(0008048.375*kWh)") == Reading(
        meter="em-1",
        obis=Obis(1, 0, 1, 8, 0),
        obis_raw="1-0:1.8.0*255",
        kind=Kind.REGISTER,
        at=READ_AT,
        raw=b"1-0:1.8.0*255(0008048.375*kWh)",
        raw_text="0008048.375",
        unit="kWh",
    )


def test_digits_are_kept() -> None:
    assert one(b"1.8.0(0036486*kWh)").raw_text == "0036486"
    assert one(b"1.8.0(0036486*kWh)").value == Decimal("36486")
    assert str(one(b"1.8.0(00000504.9023619*kWh)").value) == "504.9023619"
    assert one(b"1.8.0(4567,890*kWh)").raw_text == "4567,890"
    assert one(b"31.7.0(+000.8*A)").value == Decimal("0.8")
    assert one(b"21.7.0(-000115.94*W)").value == Decimal("-115.94")
    assert one(b"9.4(088*C&082*C)").value is None


def test_one_reading_for_each_data_set_in_order_duplicates_included() -> None:
    found = understood(b"F.F(00)\r\n1.8.0(1*kWh)1.8.0(2*kWh)\r\n1.8.0(1*kWh)\r\nnonsense\r\n0.0.0(7)\r\n")
    assert [(reading.obis_raw, reading.raw_text) for reading in found] == [
        ("F.F", "00"),
        ("1.8.0", "1"),
        ("1.8.0", "2"),
        ("1.8.0", "1"),
        ("0.0.0", "7"),
    ]


def test_further_values_are_kept() -> None:
    reading = one(b"1-0:99.97.0(2)(0-0:96.7.19)(000104180320W)(0000237126*s)")
    assert reading.raw_text == "2"
    assert reading.more == ("0-0:96.7.19", "000104180320W", "0000237126*s")
    assert reading.at == READ_AT
    assert reading.kind is Kind.REGISTER


def test_bytes_of_a_value_on_two_lines() -> None:
    data = b"0-1:24.3.0(121030140000)(00)(60)(1)(0-1:24.2.1)(m3)\r\n(00024.123)"
    assert one(data).raw == data
    assert one(data).more == ("00", "60", "1", "0-1:24.2.1", "m3", "00024.123")


@pytest.mark.parametrize("text", ["F", "ABC", "X.1", "1", "PARAM_3", "1.8.0.0.0", "300.8.0"])
def test_a_code_that_is_no_obis_code_is_a_reading_all_the_same(text: str) -> None:
    reading = one(text.encode("ascii") + b"(12*kWh)")
    assert reading.obis is None
    assert reading.obis_raw == text
    assert reading.code == text
    assert reading.raw_text == "12"
    assert reading.kind is Kind.REGISTER
    assert reading.status is RawStatus.TRUE
    assert code(text, 1) is None


# -- kinds and instants ----------------------------------------------------------------------------------------------


def test_a_maximum_with_its_time() -> None:
    reading = one(b"1-0:1.6.0*255(02.468*kW)(1703100930)")
    assert reading.kind is Kind.MAXIMUM
    assert (reading.raw_text, reading.unit) == ("02.468", "kW")
    assert reading.at == datetime(2017, 3, 10, 8, 30, tzinfo=UTC)
    assert reading.meter_time == "1703100930"
    assert reading.more == ("1703100930",)
    assert (reading.status, reading.flags) == (RawStatus.TRUE, NONE)


@pytest.mark.parametrize(
    "data",
    [
        b"1.6.1*05(0.123)(1703100930)",  # AS3000: values of past periods have no unit
        b"1.6.0(0.123*kW)(17-03-10,09:30)",
        b"1.6.0(0.123*kW)(17-03-10 09:30)",
        b"1.6.0(0.123*kW)(01703100930)",
        b"1.6.0(0.123*kW)(170310093000)",
        b"1.6.0(0.123)(0170310093000)",
        b"1.6.0*01(0.123*kW)(2017-03-10 09:30:00)",
    ],
)
def test_the_time_of_a_maximum_however_it_is_written(data: bytes) -> None:
    reading = one(data)
    assert reading.kind is Kind.MAXIMUM
    assert reading.raw_text == "0.123"
    assert reading.at == datetime(2017, 3, 10, 8, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("1.6.0", Kind.MAXIMUM),
        ("1-0:2.6.0*15", Kind.MAXIMUM),
        ("1.6.1&03", Kind.MAXIMUM),
        ("9.6.2", Kind.MAXIMUM),
        ("1.8.0", Kind.REGISTER),
        ("1.8.6", Kind.REGISTER),
        ("1.7.0", Kind.REGISTER),
        ("1.4.0", Kind.REGISTER),
        ("C.6.3", Kind.REGISTER),  # C is group 96: battery voltage, no maximum
        ("0.6.0", Kind.REGISTER),
        ("P.06", Kind.REGISTER),
        ("F.F", Kind.REGISTER),
    ],
)
def test_kinds(text: str, kind: Kind) -> None:
    assert one(text.encode("ascii") + b"(1)").kind is kind


def test_a_maximum_without_a_time_is_of_the_time_of_reading() -> None:
    assert one(b"1.6.0(02.468*kW)").at == READ_AT


def test_capture_times_of_p1_stand_in_front() -> None:
    gas = one(b"0-1:24.2.1(161129200000W)(00981.443*m3)")
    assert (gas.raw_text, gas.unit, gas.kind) == ("00981.443", "m3", Kind.REGISTER)
    assert gas.at == datetime(2016, 11, 29, 19, 0, tzinfo=UTC)
    assert gas.meter_time == "161129200000W"
    maximum = one(b"1-0:1.6.0(200509134558S)(02.589*kW)")
    assert (maximum.raw_text, maximum.unit, maximum.kind) == ("02.589", "kW", Kind.MAXIMUM)
    assert maximum.at == datetime(2020, 5, 9, 11, 45, 58, tzinfo=UTC)


def test_a_time_that_is_a_value_is_a_value() -> None:
    reading = one(b"0-0:1.0.0(200512135409S)")
    assert (reading.raw_text, reading.at, reading.meter_time) == ("200512135409S", READ_AT, "")


@pytest.mark.parametrize("text", ["0000000000", "9999999999", "00-00-00,00:00", "9999-12-31 24:00"])
def test_a_time_that_is_none_is_said(text: str) -> None:
    reading = one(b"1.6.0(00.000*kW)(" + text.encode("ascii") + b")")
    assert reading.at == READ_AT
    assert reading.meter_time == text
    assert (reading.status, reading.flags) == (RawStatus.TRUE, Flag.CLOCK_INVALID)


def test_a_maximum_in_the_hour_that_happens_twice() -> None:
    reading = one(b"1.6.0(02.468*kW)(2610250230)")
    assert reading.at == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert (reading.status, reading.flags) == (RawStatus.TRUE, Flag.TIME_AMBIGUOUS)
    assert one(b"1.6.0(02.468*kW)(02610250230)").flags == NONE


# -- missing values --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [b"6.8.1()", b"6.8.1( )", b"6.8.1()()"])
def test_an_empty_value_is_missing(data: bytes) -> None:
    reading = one(data)
    assert (reading.status, reading.flags) == (RawStatus.MISSING, Flag.NO_VALUE)
    assert reading.value is None


@pytest.mark.parametrize("text", ["---.-", "------", "***", "--.--", "---.-*kW"])
def test_a_mark_of_no_value_is_missing_and_kept(text: str) -> None:
    reading = one(b"1.7.0(" + text.encode("ascii") + b")")
    assert (reading.status, reading.flags) == (RawStatus.MISSING, Flag.SENTINEL)
    assert reading.raw_text == text.removesuffix("*kW")
    assert reading.value is None


def test_zero_is_a_value() -> None:
    assert (one(b"2.8.0(0000000.000*kWh)").status, one(b"F.F(0000000)").status) == (RawStatus.TRUE, RawStatus.TRUE)


# -- faults of the telegram ------------------------------------------------------------------------------------------

MIXED = (
    b"F.F(00)\r\n1.8.0(1*kWh)\r\n2.8.0()\r\n1.7.0(---.-)\r\n"
    b"1.6.0(0*kW)(0000000000)\r\n1.6.1(0*kW)(2610250230)\r\nX(1)\r\n"
)


@pytest.mark.parametrize(
    ("check", "parity_errors", "flags"),
    [
        (Check.BCC_WRONG, 0, Flag.BCC_FAILED),
        (Check.CRC_WRONG, 0, Flag.CRC_FAILED),
        (Check.CUT_SHORT, 0, Flag.TRUNCATED),
        (Check.RIGHT, 1, Flag.PARITY_ERROR),
        (Check.NONE_DEFINED, 3, Flag.PARITY_ERROR),
        (Check.BCC_WRONG, 2, Flag.BCC_FAILED | Flag.PARITY_ERROR),
        (Check.CUT_SHORT, 2, Flag.TRUNCATED | Flag.PARITY_ERROR),
    ],
)
def test_a_fault_of_the_telegram_distorts_everything_and_nothing_in_it_is_believed(
    check: Check, parity_errors: int, flags: Flag
) -> None:
    """Not even that a value is empty, is no value, or has no time."""
    found = understood(MIXED, check, parity_errors=parity_errors)
    assert len(found) == 7
    assert {(reading.status, reading.flags) for reading in found} == {(RawStatus.DISTORTED, flags)}
    sound = understood(MIXED)
    assert [reading.raw for reading in found] == [reading.raw for reading in sound]
    assert [reading.raw_text for reading in found] == [reading.raw_text for reading in sound]


def test_telegrams_without_a_fault() -> None:
    for check in (Check.RIGHT, Check.NONE_DEFINED):
        assert telegram_faults(Telegram(None, b"", check), 0) == ()
    assert telegram_faults(Telegram(None, b"", Check.RIGHT), 1) == (Fault.PARITY,)
    assert understood(b"") == ()


# -- heat meters -----------------------------------------------------------------------------------------------------


def test_the_medium_of_a_heat_meter() -> None:
    found = understood(b"6.8(0029.055*MWh)6.26(01589.28*m3)6.8*01(0028.086*MWh)F(0)", vendor="landis-gyr-uh50")
    assert [reading.obis for reading in found] == [
        Obis(6, 0, 6, 8),
        Obis(6, 0, 6, 26),
        Obis(6, 0, 6, 8, 0, 1),
        None,
    ]
    assert one(b"6.8(0029.055*MWh)").obis == Obis(1, 0, 6, 8)


# -- serial numbers --------------------------------------------------------------------------------------------------


def test_the_texts_by_which_a_meter_names_itself() -> None:
    found = understood(
        b"0.0.0(1240007670003202)\r\n1.8.0(1*kWh)\r\nC.1(53965555)\r\nC.1.1( 12 )\r\nC.1.0()\r\nC.5.0(9)\r\n"
    )
    assert serial_numbers(found) == ("1240007670003202", "53965555", "12")


def test_the_hexadecimal_spelling_of_p1() -> None:
    found = understood(b"0-0:96.1.1(4B384547303034303436333935353037)\r\n")
    assert serial_numbers(found) == ("4B384547303034303436333935353037", "K8EG004046395507")


def test_a_meter_without_a_name() -> None:
    assert serial_numbers(understood(b"1.8.0(1*kWh)\r\nF.F(0)\r\n")) == ()


# -- properties ------------------------------------------------------------------------------------------------------


@given(
    st.binary(max_size=120),
    st.sampled_from(list(Check)),
    st.integers(0, 1),
    st.sampled_from(["generic", "landis-gyr-uh50"]),
)
@examples(150)
def test_any_bytes_give_readings(data: bytes, check: Check, parity_errors: int, vendor: str) -> None:
    found = understood(data, check, parity_errors=parity_errors, vendor=vendor)
    for reading in found:
        assert reading.raw in data
        assert reading.at.tzinfo is not None
    serial_numbers(found)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["1.8.0", "1.6.0", "0-1:24.2.1", "C.1.0", "F", "1-0:1.6.0*05", "6.8"]),
            st.lists(
                st.sampled_from(["1*kW", "", "---.-", "1703100930", "200512134558S", "9999-12-31 24:00", "00*m3", "AF"])
                | st.text("0123456789-:,.&*SW kWh", max_size=20),
                min_size=1,
                max_size=3,
            ),
        ),
        max_size=6,
    )
)
@examples(150)
def test_any_data_sets_give_one_reading_each(sets: list[tuple[str, list[str]]]) -> None:
    data = "".join(f"{name}{''.join(f'({text})' for text in texts)}\r\n" for name, texts in sets).encode("ascii")
    found = understood(data)
    assert [reading.obis_raw for reading in found] == [name for name, _ in sets]
    distorted = understood(data, Check.BCC_WRONG)
    assert [replace(reading, status=RawStatus.TRUE, flags=NONE) for reading in found] == [
        replace(reading, status=RawStatus.TRUE, flags=NONE) for reading in distorted
    ]


# -- the clock of the meter ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("clock", "time", "at", "flags"),
    [
        ("legal", "1260701121500", "2026-07-01T10:15Z", NONE),
        ("legal", "0260701121500", "2026-07-01T10:15Z", Flag.TIME_AMBIGUOUS),
        ("legal", "1260101121500", "2026-01-01T11:15Z", Flag.TIME_AMBIGUOUS),
        ("legal", "1261025030000", "2026-10-25T01:00Z", NONE),  # the end of the last interval of summer
        ("legal", "0260329020000", "2026-03-29T01:00Z", NONE),  # the end of the last one of winter
        ("legal", "2610250230", "2026-10-25T00:30Z", Flag.TIME_AMBIGUOUS),
        ("standard", "0260701121500", "2026-07-01T11:15Z", NONE),
        ("standard", "2610250230", "2026-10-25T01:30Z", NONE),
        ("utc", "260701121500", "2026-07-01T12:15Z", NONE),
    ],
)
def test_the_time_of_a_maximum_is_on_the_clock_of_the_meter(clock: str, time: str, at: str, flags: Flag) -> None:
    vendor = choose("generic", "").model_copy(update={"clock": clock})
    telegram = Telegram(None, f"1.6.0(1.5*kW)({time})\r\n".encode(), Check.RIGHT)
    (reading,) = readings(telegram, (), meter="em-1", at=READ_AT, zone=PRAGUE, vendor=vendor)
    assert (reading.at, reading.flags, reading.status) == (datetime.fromisoformat(at), flags, RawStatus.TRUE)


def test_the_season_digit_of_a_maximum_may_mean_nothing() -> None:
    vendor = choose("generic", "").model_copy(update={"season_digit": False})
    telegram = Telegram(None, b"1.6.0(1.5*kW)(0260701121500)\r\n", Check.RIGHT)
    (reading,) = readings(telegram, (), meter="em-1", at=READ_AT, zone=PRAGUE, vendor=vendor)
    assert (reading.at, reading.flags) == (datetime(2026, 7, 1, 10, 15, tzinfo=UTC), NONE)
