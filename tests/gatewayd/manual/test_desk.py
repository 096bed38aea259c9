"""The desk, with a real archive: what is found beside what is known, and what is archived."""

import asyncio
import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewayd.archive.neighbours import Neighbours
from gatewayd.archive.query import Reader, Selection
from gatewayd.archive.records import Entry
from gatewayd.archive.verify import verify
from gatewayd.backward import total_of
from gatewayd.legal_time import PRAGUE
from gatewayd.manual.desk import Desk, Judged
from gatewayd.manual.entries import entry_of
from gatewayd.manual.findings import Check
from gatewayd.manual.known import Known
from gatewayd.manual.plausible import Bounds
from gatewayd.manual.submission import Handled, Method, Submission
from gatewayd.manual.submission import Outcome as Handling
from gatewayd.model import DIRECT, Exchange, Flag, Kind, Meter, Outcome, Part, Point, Ratio, RawStatus, Reading
from gatewayd.obis import Obis
from tests.gatewayd.archive.samples import append, opened

EIC = "27ZG600Z0424987D"
CODE = Obis.parse("7-0:3.0.0")
NOW = datetime(2026, 11, 27, 9, 0, tzinfo=UTC)
USUAL = Bounds(Decimal(3), Decimal(20))
METER = Meter("gm-1", "modbus", "a", serial="00123", point=Point(EIC), ratios=(Ratio(multiplier=Decimal(10)),))


def read(value: str, at: datetime, *, serial: str = "00123", unit: str = "m3", scaler: int = 0, code: Obis = CODE,
         status: RawStatus = RawStatus.TRUE) -> Entry:  # fmt: skip
    reading = Reading("gm-1", code, str(code), Kind.REGISTER, at, value.encode(), value, unit, scaler, status)
    return Entry(Exchange("gm-1", "a", "registers all", at, at, b"", Outcome.DONE), (reading,), (DIRECT,), serial)


def handed(value: str, day: str = "", **rest: object) -> Submission:
    known: dict[str, object] = {"meter": "gm-1", "obis": str(CODE), "at": None if day else NOW, **rest}
    return Submission(value, day=day, **known)  # type: ignore[arg-type]


def judged(
    folder: Path,
    submission: Submission,
    past: Sequence[Entry] = (),
    *,
    meters: Sequence[Meter] = (METER,),
    now: datetime = NOW,
) -> Judged:
    return all_judged(folder, [submission], past, meters=meters, now=now)[0]


def all_judged(
    folder: Path,
    submissions: Sequence[Submission],
    past: Sequence[Entry] = (),
    *,
    meters: Sequence[Meter] = (METER,),
    now: datetime = NOW,
) -> list[Judged]:
    if past:
        with opened(folder) as store:
            for entry in past:
                append(store, entry)
    with Neighbours(folder) as neighbours:
        desk = Desk(meters, Known(neighbours, PRAGUE), PRAGUE, now, USUAL)
        return [desk.judged(one) for one in submissions]


def checks(found: Judged) -> list[Check]:
    return [one.check for one in found.findings]


def ago(**span: float) -> datetime:
    return NOW - timedelta(**span)


# -- the meter, the time, the register --------------------------------------------------------------------------------


def test_without_any_archive_a_reading_is_taken(tmp_path: Path) -> None:
    found = judged(tmp_path / "none", handed("1000"))
    assert (checks(found), found.unit, found.value, found.at) == ([], "m3", Decimal(1000), NOW)
    assert found.ratio == METER.ratios[0]


def test_a_row_names_its_meter_by_its_eic(tmp_path: Path) -> None:
    row = {"meter": "", "eic": EIC, "number": "123", "type": "K", "obis": "", "method": Method.FILE}
    found = judged(tmp_path, handed("1000", "20.11.2026", **row))
    assert (checks(found), found.meter, found.code, found.serial) == ([], METER, CODE, "00123")
    assert found.at == datetime(2026, 11, 20, 11, 0, tzinfo=UTC)  # noon
    other = judged(tmp_path, handed("1000", "20.11.2026", **{**row, "eic": "27ZG600Z0424987E"}))
    assert checks(other) == [Check.POINT]
    both = judged(tmp_path, handed("1000", "20.11.2026", **row), meters=(METER, Meter("x", "m", "a", point=Point(EIC))))
    assert checks(both) == [Check.POINT] and "gm-1, x" in both.findings[0].text
    bare = judged(tmp_path, handed("1000", "20.11.2026", **{**row, "number": "", "type": ""}))
    assert checks(bare) == [Check.TYPE, Check.NUMBER]


def test_a_day_that_has_not_had_its_noon_is_of_now(tmp_path: Path) -> None:
    assert judged(tmp_path, handed("1", "27.11.2026")).at == NOW
    assert judged(tmp_path, handed("1", "27.11.2026"), now=NOW + timedelta(hours=9)).at == datetime(
        2026, 11, 27, 11, tzinfo=UTC
    )


def test_the_future_is_not_read(tmp_path: Path) -> None:
    assert checks(judged(tmp_path, handed("1", at=NOW + timedelta(seconds=1)))) == [Check.FUTURE]
    assert checks(judged(tmp_path, handed("1", "28.11.2026"))) == [Check.FUTURE]
    assert checks(judged(tmp_path, handed("1", at=NOW.replace(year=1)))) == [Check.DATE]


def test_the_type_of_a_single_reading_may_be_left_out_and_then_it_has_no_deadline(tmp_path: Path) -> None:
    assert checks(judged(tmp_path, handed("1", "01.03.2020"))) == []
    assert checks(judged(tmp_path, handed("1", "01.03.2020", type="K"))) == [Check.DEADLINE]
    assert checks(judged(tmp_path, handed("1", "01.03.2020", method=Method.FILE, number="123"))) == [Check.TYPE]


def test_the_register_that_a_meter_is_settled_by(tmp_path: Path) -> None:
    bare = Meter("gm-1", "modbus", "a")
    assert checks(judged(tmp_path, handed("1", obis=""), meters=(bare,))) == [Check.REGISTER]
    assert checks(judged(tmp_path, handed("1", obis="7-0"), meters=(bare,))) == [Check.REGISTER]
    past = [
        read("5", ago(days=9), code=Obis.parse(text), unit="kWh") for text in ("1-0:2.8.0", "1-1:1.8.0", "1-0:1.8.0*3")
    ]
    assert str(judged(tmp_path, handed("9", obis=""), past, meters=(bare,)).code) == "1-1:1.8.0*255"


def test_a_reading_of_a_registrar_is_of_its_metering_point(tmp_path: Path) -> None:
    point = Meter("reg-a", "dlms", "a", point=Point(EIC))
    registrar = Meter("reg", "dlms", "a", parts=(Part(point, channels=((1, 1),)),))
    found = judged(tmp_path, handed("1", meter="reg", obis="1-1:1.8.0"), meters=(registrar, point))
    assert (checks(found), found.meter) == ([], point)


# -- the number of the meter ------------------------------------------------------------------------------------------


def test_the_number_has_to_be_that_of_the_configuration_zeros_aside(tmp_path: Path) -> None:
    assert checks(judged(tmp_path, handed("1", number="123"))) == []
    found = judged(tmp_path, handed("1", number="124"))
    assert checks(found) == [Check.NUMBER_VALID] and "00123" in found.findings[0].text
    assert checks(judged(tmp_path, handed("1", number="1" * 19))) == [Check.NUMBER]


def test_where_no_number_is_known_any_will_do_and_proves_nothing(tmp_path: Path) -> None:
    found = judged(tmp_path, handed("1", number="77"), meters=(Meter("gm-1", "modbus", "a"),))
    assert (checks(found), found.serial) == ([], "")
    assert '"number": "77"' in entry_of(found, "a", "u", "", NOW).exchange.detail


def test_after_an_exchange_each_number_holds_at_its_time(tmp_path: Path) -> None:
    past = [
        read("900", ago(days=20), serial="A1"),
        read("950", ago(days=10), serial="A1"),
        read("3", ago(days=8), serial="B2"),
    ]
    meter = Meter("gm-1", "modbus", "a")
    table = [
        handed("940", day, number=number)
        for day, number in (("10.11.2026", "A1"), ("10.11.2026", "B2"), ("26.11.2026", "A1"), ("19.11.2026", "A1"))
    ]
    found = all_judged(tmp_path, table, past, meters=(meter,))
    assert [Check.NUMBER_VALID in checks(one) for one in found] == [False, True, True, False]
    assert "A1" in found[1].findings[0].text and "B2" in found[2].findings[0].text


def test_what_was_entered_by_hand_is_no_evidence_of_a_number(tmp_path: Path) -> None:
    meter = Meter("gm-1", "modbus", "a")
    with opened(tmp_path) as store:
        append(store, entry_of(judged(tmp_path, handed("9", number="wrong"), meters=(meter,)), "a", "u", "", NOW))
    assert checks(judged(tmp_path, handed("9", "20.11.2026", number="right"), meters=(meter,))) == []


def test_the_number_of_a_reading_by_hand_is_none_of_the_meter(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        append(store, entry_of(judged(tmp_path, handed("9")), "a", "u", "", NOW))
    bare = Meter("gm-1", "modbus", "a")
    assert checks(judged(tmp_path, handed("8", "20.11.2026", number="other"), meters=(bare,))) == []


def test_the_configured_number_holds_from_when_the_other_was_last_seen(tmp_path: Path) -> None:
    past = [read("500", ago(days=10), serial="A1")]
    found = all_judged(tmp_path, [handed("9", "26.11.2026"), handed("499", "10.11.2026")], past)
    assert [one.serial for one in found] == ["00123", "A1"]
    assert checks(found[0]) == []  # of another meter nothing is lower


# -- plausible --------------------------------------------------------------------------------------------------------


def test_lower_than_before_is_a_warning_and_whole_units_are_read(tmp_path: Path) -> None:
    past = [read("0001000.875", ago(hours=3))]
    assert checks(judged(tmp_path, handed("1000"), past)) == []
    found = judged(tmp_path, handed("999"))
    assert checks(found) == [Check.LOWER] and "1000.875 m3" in found.findings[0].text
    made = entry_of(found, "a", "u", "", NOW).readings[0]
    assert (made.status, made.flags) == (RawStatus.DISTORTED, Flag.MANUAL | Flag.BACKWARD)
    assert checks(judged(tmp_path, handed("1000,874", decimals=True))) == [Check.LOWER]
    assert checks(judged(tmp_path, handed("1000,875", decimals=True))) == []
    assert checks(judged(tmp_path, handed("1000,8755", decimals=True))) == [Check.STATE]


def test_a_register_that_began_again_is_not_lower(tmp_path: Path) -> None:
    past = [read("99990.5", ago(days=2))]
    found = judged(tmp_path, handed("12"), past)
    assert checks(found) == []
    made = entry_of(found, "a", "u", "", NOW).readings[0]
    assert (made.status, made.flags) == (RawStatus.TRUE, Flag.MANUAL | Flag.OVERFLOW)
    assert checks(judged(tmp_path, handed("20000"))) == [Check.LOWER]


def test_three_digits_are_no_end_of_a_register(tmp_path: Path) -> None:
    assert checks(judged(tmp_path, handed("20"), [read("980", ago(days=2))])) == [Check.LOWER]


def test_six_written_digits_are_no_five(tmp_path: Path) -> None:
    assert checks(judged(tmp_path, handed("12"), [read("099990", ago(days=2))])) == [Check.LOWER]


def test_what_the_meter_sends_in_small_units_is_compared_in_those_it_shows(tmp_path: Path) -> None:
    code = Obis.parse("1-0:1.8.0")
    past = [read("8048375", ago(hours=2), unit="Wh", code=code)]
    found = judged(tmp_path, handed("8048", obis=str(code)), past)
    assert (checks(found), found.unit) == ([], "kWh")
    assert checks(judged(tmp_path, handed("8047", obis=str(code)))) == [Check.LOWER]
    assert checks(judged(tmp_path, handed("8048374", obis=str(code), unit="Wh"))) == [Check.LOWER]
    assert checks(judged(tmp_path, handed("8048", obis=str(code), unit="m3"))) == [Check.UNIT]
    assert checks(judged(tmp_path, handed("1", obis="6-0:1.0.0"))) == [Check.UNIT]


def test_noise_is_compared_with_nothing(tmp_path: Path) -> None:
    past = [read("9" * 40, ago(days=2)), read("0." + "0" * 40 + "1", ago(days=1)), read("1e5", ago(hours=5))]
    assert checks(judged(tmp_path, handed("1010"), past)) == []
    assert checks(judged(tmp_path, handed("1010.123456", decimals=True))) == []


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("archive")
    with opened(folder) as store:
        append(store, read("1000.5", ago(days=3)))
    return folder


TEXT = st.text(max_size=40) | st.sampled_from(
    ["", "gm-1", EIC, "1000", "99999", "1,5", "K", "N", "20.11.2026", "31.12.2100"]
)


SUBMISSION = st.builds(
    Submission,
    value=TEXT,
    meter=TEXT,
    eic=TEXT,
    obis=TEXT | st.just(str(CODE)),
    unit=TEXT | st.sampled_from(["m3", "l"]),
    at=st.none() | st.datetimes(timezones=st.just(UTC)),
    day=TEXT,
    number=TEXT,
    type=TEXT,
    request=TEXT,
    method=st.sampled_from(Method),
    decimals=st.booleans(),
    correct=st.booleans(),
    maximum=st.integers(-5, 10**9),
)


@given(texts=st.lists(SUBMISSION, max_size=4))
@settings(max_examples=200, deadline=None)
def test_whatever_is_handed_in_is_judged(site: Path, texts: list[Submission]) -> None:
    for found in all_judged(site, texts):
        handled = found.handled(Handling.REFUSED)
        assert read_back(msgspec.json.encode(handled)) == handled
        assert all(one.text.isprintable() for one in handled.findings)
        if not found.refused:
            assert entry_of(found, "a", "u", "", NOW).readings[0].value == found.value


def read_back(data: bytes) -> Handled:
    return msgspec.json.decode(data, type=Handled)


def test_distorted_values_are_compared_with_nothing(tmp_path: Path) -> None:
    past = [read("5000", ago(days=2), status=RawStatus.DISTORTED), read("1000", ago(days=3))]
    assert checks(judged(tmp_path, handed("1010"), past)) == []


def test_no_consumption_in_a_day_is_a_warning(tmp_path: Path) -> None:
    past = [read("1000.2", ago(days=2))]
    assert checks(judged(tmp_path, handed("1000"), past)) == [Check.ZERO]
    assert checks(judged(tmp_path / "b", handed("1000"), [read("1000.2", ago(hours=23))])) == []


def steady(daily: int, first: int, last: int, start: int = 1000) -> list[Entry]:
    """A reading each day from so many days ago on, up to so many."""
    return [read(f"{start + daily * (first - day)}", ago(days=day)) for day in range(first, last - 1, -1)]


@pytest.mark.parametrize(
    ("used", "expected"),
    [
        (100, []),
        (34, []),
        (299, []),
        (30, [Check.TOLERANCE]),
        (310, [Check.TOLERANCE]),
        (1990, [Check.TOLERANCE]),
        (2010, [Check.MAXIMUM]),
    ],
)
def test_consumption_is_compared_with_that_of_the_time_before(tmp_path: Path, used: int, expected: list[Check]) -> None:
    past = steady(10, 30, 10)
    found = judged(tmp_path, handed(str(1200 + used)), past)
    assert checks(found) == expected
    assert found.refused is (expected == [Check.MAXIMUM])
    if expected:
        assert "100 m3 would be" in found.findings[0].text and "in the time before" in found.findings[0].text


def test_who_knows_better_may_raise_the_maximum(tmp_path: Path) -> None:
    found = judged(tmp_path, handed("3210", maximum=30), steady(10, 30, 10))
    assert checks(found) == [Check.TOLERANCE]
    assert '"maximum": 30' in entry_of(found, "a", "u", "", NOW).exchange.detail
    assert checks(judged(tmp_path, handed("4210", maximum=30))) == [Check.MAXIMUM]


def test_the_same_time_of_the_year_before_goes_before_that(tmp_path: Path) -> None:
    past = [*steady(100, 365 + 12, 365 - 2), *steady(10, 30, 10, start=50_000)]
    assert checks(judged(tmp_path, handed(str(50_200 + 1000)), past)) == []
    found = judged(tmp_path, handed(str(50_200 + 100)))
    assert checks(found) == [Check.TOLERANCE] and "1000 m3 would be as in the year before" in found.findings[0].text


def test_a_comparable_time_is_a_week_at_least(tmp_path: Path) -> None:
    """Little was used at the weekend before, a hundred a day in the week."""
    past = [*steady(100, 12, 4), read("1810", ago(days=2))]
    assert checks(judged(tmp_path, handed("2000"), past)) == []


def test_a_few_units_are_no_consumption(tmp_path: Path) -> None:
    past = [read("1000.1", ago(days=20)), read("1000.3", ago(days=10))]
    assert checks(judged(tmp_path, handed("1004"), past)) == []


def test_a_later_reading_has_to_be_higher(tmp_path: Path) -> None:
    past = [read("1000", ago(days=20)), read("1200", ago(days=1))]
    assert checks(judged(tmp_path, handed("1100", "15.11.2026"), past)) == []
    assert checks(judged(tmp_path, handed("1201", "15.11.2026"))) == [Check.HIGHER_THAN_NEXT]
    with opened(tmp_path) as store:
        append(store, read("1300", ago(hours=2)))
    assert checks(judged(tmp_path, handed("1250", "15.11.2026"))) == [Check.HIGHER_THAN_NEXT]  # the next one counts


# -- twice, and corrected ---------------------------------------------------------------------------------------------


def test_one_reading_by_hand_for_each_day_and_register(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        append(store, entry_of(judged(tmp_path, handed("1000", "20.11.2026")), "a", "u", "", NOW))
    found = judged(tmp_path, handed("1001", at=datetime(2026, 11, 20, 22, 59, tzinfo=UTC)))
    assert checks(found) == [Check.DUPLICATE] and "seq 1" in found.findings[0].text
    assert checks(judged(tmp_path, handed("1001", at=datetime(2026, 11, 20, 23, 0, tzinfo=UTC)))) == []  # the day after
    assert checks(judged(tmp_path, handed("1001", "20.11.2026", obis="7-0:3.1.0"))) == []


def test_what_the_meter_has_sent_is_no_reading_by_hand(tmp_path: Path) -> None:
    past = [read("1000", datetime(2026, 11, 20, 11, 0, tzinfo=UTC))]
    assert checks(judged(tmp_path, handed("1000", "20.11.2026"), past)) == []


def test_a_correction_takes_the_place_of_the_wrong_one(tmp_path: Path) -> None:
    assert checks(judged(tmp_path / "none", handed("1", "20.11.2026", correct=True))) == [Check.CORRECTION]
    with opened(tmp_path) as store:
        append(store, entry_of(judged(tmp_path, handed("5000", "20.11.2026")), "a", "u", "", NOW))
        found = judged(tmp_path, handed("1000", at=datetime(2026, 11, 20, 15, tzinfo=UTC), correct=True))
        assert (checks(found), found.corrects) == ([], 1)
        append(store, entry_of(found, "a", "u", "", NOW))
    current = Reader(tmp_path).select(Selection("gm-1", current=True))
    assert [(one.seq, one.reading.raw_text) for one in current] == [(2, "1000")]
    later = judged(tmp_path, handed("1001", "21.11.2026"))
    assert checks(later) == []  # the wrong one is not compared with any more


def test_rows_of_one_table_count_for_those_behind_them(tmp_path: Path) -> None:
    rows = [
        handed("1000", "20.11.2026"),
        handed("1001", "20.11.2026"),
        handed("999", "21.11.2026"),
        handed("990", "19.11.2026"),
    ]
    found = all_judged(tmp_path, rows)
    assert [checks(one) for one in found] == [[], [Check.DUPLICATE], [Check.LOWER], []]


# -- what is archived -------------------------------------------------------------------------------------------------


def test_an_entry_is_archived_like_any_other_and_says_where_it_comes_from(tmp_path: Path) -> None:
    found = judged(tmp_path, handed("0001000", "20.11.2026", type="K", note="in the cellar", request="7"))
    with opened(tmp_path) as store:
        append(store, entry_of(found, "Jan Novák", "root", "", NOW))
    (one,) = Reader(tmp_path).select(Selection())
    assert (one.reading.raw, one.reading.raw_text, one.reading.value) == (b"0001000", "0001000", Decimal(1000))
    assert (one.reading.kind, one.reading.status, one.reading.flags) == (Kind.REGISTER, RawStatus.TRUE, Flag.MANUAL)
    assert (one.primary, one.serial, one.point, one.received_at) == (Decimal(10000), "00123", METER.point, NOW)
    (exchange,) = Reader(tmp_path).exchanges()
    assert (exchange.line, exchange.received, exchange.outcome) == ("by hand", b"0001000", Outcome.DONE)
    facts = json.loads(exchange.detail)
    assert facts == {"source": "manual", "author": "Jan Novák", "user": "root", "method": "visual", "type": "K",
                     "request": "7", "note": "in the cellar"}  # fmt: skip
    assert verify(tmp_path).ok
    with Neighbours(tmp_path) as neighbours:
        assert [(archived, detail) for archived, detail in neighbours.entered("gm-1")] == [(one, exchange.detail)]
        assert neighbours.entered("gm-2") == [] and len(neighbours.entered(None)) == 1


def test_the_ratio_is_that_of_the_day(tmp_path: Path) -> None:
    old, new = Ratio("100/5"), Ratio("200/5", since=date(2026, 11, 10))
    meter = Meter("gm-1", "modbus", "a", ratios=(old, new))
    found = all_judged(tmp_path, [handed("1", "09.11.2026"), handed("9", "10.11.2026")], meters=(meter,))
    assert [one.ratio for one in found] == [old, new]


def test_meters_are_not_measured_by_what_people_read(tmp_path: Path) -> None:
    """Somebody has rounded up: the meter has not gone back."""
    made = entry_of(judged(tmp_path, handed("1001")), "a", "u", "", NOW).readings[0]
    assert total_of(made) is None


def test_through_all_segments(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        append(store, read("1000", ago(days=9)))
        append(store, entry_of(judged(tmp_path, handed("1001", "19.11.2026")), "a", "u", "", NOW))
        asyncio.run(store.seal())
        append(store, read("500", ago(days=300)))
        found = all_judged(
            tmp_path, [handed("990"), handed("1001", "19.11.2026"), handed("400", ago(days=200).strftime("%d.%m.%Y"))]
        )
    assert [checks(one) for one in found] == [[Check.LOWER], [Check.DUPLICATE, Check.HIGHER_THAN_NEXT], [Check.LOWER]]
