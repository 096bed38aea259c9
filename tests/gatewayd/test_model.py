"""Values: exact numbers, ratios with their versions, flags whose bits never move."""

import dataclasses
import inspect
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal, localcontext
from fractions import Fraction

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from gatewayd.legal_time import PRAGUE
from gatewayd.model import (
    DIRECT,
    NO_FLAGS,
    Answer,
    Archived,
    Exchange,
    Flag,
    Kind,
    Meter,
    MeteringType,
    Outcome,
    Ratio,
    RawStatus,
    Reading,
    Registers,
    ValueSide,
    number,
    transformation,
)
from gatewayd.obis import Obis

AT = datetime(2026, 11, 21, 20, 45, tzinfo=UTC)
U64_MAX = 2**64 - 1


def reading(raw_text: str, scaler: int = 0) -> Reading:
    return Reading(
        meter="em-1001",
        obis=Obis.parse("1.8.0"),
        obis_raw="1.8.0",
        kind=Kind.REGISTER,
        at=AT,
        raw=raw_text.encode(),
        raw_text=raw_text,
        unit="kWh",
        scaler=scaler,
    )


# -- numbers -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "scaler", "written"),
    [
        ("0008048.375", 0, "8048.375"),
        ("4567,890", 0, "4567.890"),
        ("02.468", 0, "2.468"),
        ("0036486", 0, "36486"),
        ("000.000", 0, "0.000"),
        ("0", 0, "0"),
        ("-0", 0, "-0"),
        ("-0.0", 0, "-0.0"),
        ("+000.8", 0, "0.8"),
        ("-12.50", 0, "-12.50"),
        (".5", 0, "0.5"),
        (",5", 0, "0.5"),
        ("5.", 0, "5"),
        ("  12.5 ", 0, "12.5"),
        ("    0.00", 0, "0.00"),
        (str(U64_MAX), 0, "18446744073709551615"),
        (str(U64_MAX), -3, "18446744073709551.615"),
        ("1", -9, "1E-9"),
        ("123456789012", -9, "123.456789012"),
        ("1.50", -9, "1.50E-9"),
        ("5", 3, "5E+3"),
        ("9" * 32, 0, "9" * 32),  # the longest value of IEC 62056-21, 32 characters
        ("9" * 32, -4, "9" * 28 + ".9999"),
        ("1234567890123456789012345678.901", 2, "123456789012345678901234567890.1"),
    ],
)
def test_a_number_keeps_the_digits_that_it_has(text: str, scaler: int, written: str) -> None:
    value = number(text, scaler)
    assert value is not None
    assert str(value) == written
    assert value.as_tuple() == Decimal(written).as_tuple()


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        ".",
        ",",
        "-",
        "+",
        "---.-",
        "--12",
        "1.2.3",
        "1,234.5",
        "1.234,5",
        "1 234",
        "1e5",
        "1E-3",
        "0x10",
        "nan",
        "NaN",
        "inf",
        "Infinity",
        "1_000",
        "12-11-08",
        "12:30",
        "12.5 kWh",
        "FFFFFFFF",
        "12\x00",
        "١٢",
        "１２",
    ],
)
def test_anything_but_a_plain_number_has_no_value(text: str) -> None:
    assert number(text) is None
    assert number(text, -3) is None
    assert reading(text).value is None


digits = st.text("0123456789", min_size=1, max_size=40)
numerals = st.builds(
    lambda sign, whole, point, rest: f"{sign}{whole}{point}{rest if point else ''}",
    st.sampled_from(["", "+", "-"]),
    digits,
    st.sampled_from(["", ".", ","]),
    digits,
)


@given(numerals, st.integers(-30, 30))
def test_a_number_is_exact_however_long_it_is(text: str, scaler: int) -> None:
    value = number(text, scaler)
    assert value is not None
    assert Fraction(value) == Fraction(text.replace(",", ".")) * Fraction(10) ** scaler


@given(numerals, st.integers(-9, 9))
def test_a_number_does_not_depend_on_the_precision_of_the_thread(text: str, scaler: int) -> None:
    with localcontext() as context:
        context.prec = 3
        value = number(text, scaler)
    assert value is not None
    assert Fraction(value) == Fraction(text.replace(",", ".")) * Fraction(10) ** scaler


@given(st.text(max_size=20), st.integers(-9, 9))
def test_any_text_is_a_finite_number_or_none(text: str, scaler: int) -> None:
    value = number(text, scaler)
    assert value is None or value.is_finite()


# -- ratios ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "factor"),
    [
        ("200/5", "40"),
        ("22000/100", "220"),
        ("22000/110", "200"),
        ("5/5", "1"),
        (" 200 / 5 ", "40"),
        ("150/1", "150"),
        ("12.5/5", "2.5"),
        ("0.4/0.1", "4"),
    ],
)
def test_a_ratio_is_primary_over_secondary(text: str, factor: str) -> None:
    assert transformation(text) == Decimal(factor)


@pytest.mark.parametrize(
    "text", ["", "200", "200/", "/5", "200/0", "0/5", "-200/5", "200:5", "200/5/1", "a/b", "1e3/5"]
)
def test_anything_else_is_no_ratio(text: str) -> None:
    with pytest.raises(ValueError, match="is not a ratio"):
        transformation(text)


def test_a_ratio_is_checked_when_it_is_made() -> None:
    with pytest.raises(ValueError, match="is not a ratio"):
        Ratio(ct="200-5")
    with pytest.raises(ValueError, match="is not a ratio"):
        Ratio(ct="200/5", vt="22 kV")


def test_secondary_values_are_multiplied_by_both_transformers() -> None:
    """The example of the requirements: CT 200/5, VT 22000/100 -> 40 x 220 = 8800."""
    assert Ratio(ct="200/5", vt="22000/100").factor == 8800
    assert Ratio(ct="200/5").factor == 40
    assert Ratio(vt="22000/100").factor == 220
    assert Ratio(ct="200/5", vt="22000/100", multiplier=Decimal("0.5")).factor == 4400
    assert Ratio().factor == DIRECT.factor == 1


@pytest.mark.parametrize(
    ("ratio", "written"),
    [
        (Ratio(ct="200/5", vt="22000/100"), "8800"),
        (Ratio(ct="200/5", vt="690/400"), "69"),
        (Ratio(ct="12.5/5"), "2.5"),
        (Ratio(multiplier=Decimal("1.00")), "1"),
        (Ratio(multiplier=Decimal("1E+3")), "1000"),
        (Ratio(multiplier=Decimal("0.010")), "0.01"),
    ],
)
def test_a_factor_has_no_digits_that_nobody_measured(ratio: Ratio, written: str) -> None:
    assert str(ratio.factor) == written


def test_primary_values_are_multiplied_by_the_multiplier_only() -> None:
    primary = Ratio(ct="200/5", vt="22000/100", value_side=ValueSide.PRIMARY)
    assert primary.factor == 1
    assert dataclasses.replace(primary, multiplier=Decimal(10)).factor == 10


def test_the_value_side_is_secondary_unless_told_otherwise() -> None:
    assert Ratio().value_side is ValueSide.SECONDARY


def archived(one: Reading, ratio: Ratio) -> Archived:
    return Archived(1, one, AT, "35031234", ratio_id=1, ratio=ratio)


def test_the_primary_value_stands_beside_the_raw_one() -> None:
    one = archived(reading("000.125"), Ratio(ct="200/5", vt="22000/100"))
    assert one.primary == Decimal("1100.000")
    assert one.reading.value == Decimal("0.125")
    assert one.reading.raw_text == "000.125"
    assert one.reading.raw == b"000.125"


def test_the_primary_value_of_the_largest_counter_is_exact() -> None:
    ratio = Ratio(ct="200/5", vt="22000/100")
    assert archived(reading(str(U64_MAX), -3), ratio).primary == Decimal(U64_MAX) * 8800 / 1000
    assert archived(reading(str(U64_MAX), -9), ratio).primary == Decimal(U64_MAX * 88).scaleb(-7)


def test_where_there_is_no_number_there_is_no_primary_value() -> None:
    assert archived(reading("---.-"), Ratio(ct="200/5")).primary is None


OLD = Ratio(ct="100/5", since=date(2024, 5, 1))
NEW = Ratio(ct="200/5", since=date(2025, 7, 15))


@pytest.mark.parametrize("order", [(OLD, NEW), (NEW, OLD)])
@pytest.mark.parametrize(
    ("day", "ratio"),
    [
        (date(2024, 4, 30), DIRECT),
        (date(2024, 5, 1), OLD),
        (date(2025, 7, 14), OLD),
        (date(2025, 7, 15), NEW),
        (date(2099, 1, 1), NEW),
    ],
)
def test_a_ratio_is_in_force_from_its_day_until_the_next(order: tuple[Ratio, ...], day: date, ratio: Ratio) -> None:
    meter = Meter("em-1001", "iec62056_21", "optical", ratios=order)
    assert meter.ratio_on(day) == ratio


MID_DAY = Ratio(ct="300/5", since=datetime(2026, 3, 3, 10, 15, tzinfo=timezone(timedelta(hours=1))))


@pytest.mark.parametrize("order", [(OLD, NEW, MID_DAY), (MID_DAY, NEW, OLD)])
@pytest.mark.parametrize(
    ("at", "register", "interval"),
    [
        ("2024-04-30T22:00", OLD, DIRECT),  # midnight: a register of the day that begins, an interval of the one before
        ("2024-04-30T21:59", DIRECT, DIRECT),
        ("2025-07-14T22:00", NEW, OLD),
        ("2025-07-14T22:15", NEW, NEW),
        ("2026-03-03T09:14", NEW, NEW),
        ("2026-03-03T09:15", MID_DAY, NEW),
        ("2026-03-03T09:16", MID_DAY, MID_DAY),
        ("2026-03-03T09:30", MID_DAY, MID_DAY),
    ],
)
def test_a_ratio_may_begin_in_mid_day(order: tuple[Ratio, ...], at: str, register: Ratio, interval: Ratio) -> None:
    meter = Meter("em-1001", "iec62056_21", "optical", ratios=order)
    instant = datetime.fromisoformat(f"{at}:00+00:00")
    assert meter.ratio_at(instant, PRAGUE) is register
    assert meter.ratio_at(instant, PRAGUE, interval=True) is interval


def test_a_ratio_of_an_instant_is_that_of_the_end_of_its_day() -> None:
    meter = Meter("em-1001", "iec62056_21", "optical", ratios=(OLD, NEW, MID_DAY))
    assert [meter.ratio_on(date(2026, 3, day)) for day in (2, 3, 4)] == [NEW, MID_DAY, MID_DAY]
    assert MID_DAY.since_day == date(2026, 3, 3)


def test_an_instant_of_a_ratio_has_an_offset() -> None:
    with pytest.raises(ValueError, match="offset from UTC"):
        Ratio(since=datetime(2026, 3, 3, 10, 15))  # noqa: DTZ001  # what is refused


def test_without_ratios_a_meter_is_connected_directly() -> None:
    meter = Meter("em-1001", "iec62056_21", "optical")
    assert meter.ratio_on(date(1970, 1, 1)) == DIRECT
    assert meter.metering_type is MeteringType.C


# -- flags and other words ---------------------------------------------------------------------------------------------

# Archives keep these bits for years: a line here is never changed, a new flag gets a new line at the end.
BITS_IN_ARCHIVES = {
    "power_down": 0x1,
    "recovered": 0x2,
    "clock_adjusted": 0x4,
    "clock_invalid": 0x8,
    "dst": 0x10,
    "partial_interval": 0x20,
    "reset": 0x40,
    "config_changed": 0x80,
    "manual": 0x100,
    "tamper": 0x200,
    "overflow": 0x400,
    "late": 0x800,
    "duplicate": 0x1000,
    "conflict": 0x2000,
    "control_mismatch": 0x4000,
    "ratio_mismatch": 0x8000,
    "serial_mismatch": 0x10000,
    "bcc_failed": 0x20000,
    "crc_failed": 0x40000,
    "truncated": 0x80000,
    "parity_error": 0x100000,
    "undecodable": 0x200000,
    "sentinel": 0x400000,
    "no_value": 0x800000,
    "not_sent": 0x1000000,
    "time_ambiguous": 0x2000000,
    "backward": 0x4000000,
    "gateway_clock": 0x8000000,
    "disturbed": 0x10000000,
    "meter_error": 0x20000000,
    "status_unknown": 0x40000000,
    "clock_deviation": 0x80000000,
    "not_read": 0x100000000,
}


def test_the_bits_of_flags_are_those_of_the_archives() -> None:
    assert {flag.texts[0]: flag.value for flag in Flag} == BITS_IN_ARCHIVES
    # SQLite and PostgreSQL keep them in a signed integer of 64 bits.
    assert max(Flag) < 1 << 63


def test_statuses_and_outcomes_are_those_of_the_archives() -> None:
    assert [(status.text, int(status)) for status in RawStatus] == [
        ("true", 0),
        ("substitute", 1),
        ("provisional", 2),
        ("distorted", 3),
        ("missing", 4),
    ]
    assert {outcome.value for outcome in Outcome} >= {
        "done",
        "check_failed",
        "truncated",
        "silent",
        "refused",
        "protocol_error",
        "line_failed",
        "deadline",
        "cancelled",
    }
    assert [kind.value for kind in Kind] == ["register", "interval", "maximum", "event"]


@given(st.sets(st.sampled_from(list(Flag))))
def test_flags_survive_being_written_as_texts(chosen: set[Flag]) -> None:
    flags = NO_FLAGS
    for flag in chosen:
        flags |= flag
    assert Flag.from_texts(flags.texts) == flags
    assert Flag(int(flags)) == flags
    assert len(flags.texts) == len(chosen)
    assert flags.texts == sorted(flags.texts, key=lambda text: BITS_IN_ARCHIVES[text])


def test_no_flags_are_no_texts() -> None:
    assert NO_FLAGS.texts == []
    assert Flag.from_texts([]) == NO_FLAGS


def test_an_unknown_flag_is_an_error() -> None:
    with pytest.raises(KeyError):
        Flag.from_texts(["power_down", "no_such_flag"])


def test_a_reading_is_called_by_its_code_or_as_the_meter_called_it() -> None:
    assert reading("1").code == "1-0:1.8.0*255"
    assert msgspec.structs.replace(reading("1"), obis=None, obis_raw="ABC.1").code == "ABC.1"


def test_a_request_tells_what_is_asked() -> None:
    assert Registers().text == "registers all"
    assert Registers((Obis.parse("1.8.0"), Obis.parse("C.1.0"))).text == "registers 1-0:1.8.0*255 0-0:96.1.0*255"


def test_an_answer_is_sound_only_when_the_exchange_was() -> None:
    assert Answer(()).sound
    assert [outcome for outcome in Outcome if Answer((), outcome).sound] == [Outcome.DONE]


@pytest.mark.parametrize(
    "value",
    [
        reading("1"),
        Ratio(),
        Meter("em", "iec62056_21", "optical"),
        Registers(),
        Answer(()),
        Exchange("em", "optical", "registers all", AT, AT, b"", Outcome.DONE),
        archived(reading("1"), DIRECT),
        Obis(1, 0, 1, 8),
    ],
)
def test_values_do_not_change(value: object) -> None:
    assert dataclasses.is_dataclass(value) or isinstance(value, msgspec.Struct)
    with pytest.raises(AttributeError, match=r"immutable|cannot assign"):
        setattr(value, next(iter(inspect.signature(type(value)).parameters)), None)
    assert hash(value) == hash(value)


def test_the_status_word_of_an_event_is_no_number() -> None:
    """`0020` times a CT ratio would be nonsense."""
    word = reading("0020")
    assert word.value == 20
    assert structs.replace(word, kind=Kind.EVENT).value is None
