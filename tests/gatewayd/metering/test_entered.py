"""Substitute values by hand in the derived layer: written down and read back, and what they do to the sum of a day."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewayd.legal_time import GAS_DAY_START, PRAGUE, day_bounds
from gatewayd.metering.entered import counts, day_layer, document, entry_of, span_of, submissions, with_entered
from gatewayd.metering.manual_history import Entry, State, Subject
from gatewayd.metering.values import Channel, Layer, Method, Series, Value, missing
from gatewayd.model import Flag, RawStatus
from gatewayd.obis import Obis

POWER, GAS = Obis.parse("1-0:1.29.0"), Obis.parse("7-0:3.29.0")
DAY = date(2026, 10, 25)
NOON = datetime(2026, 10, 26, 8, 0, tzinfo=UTC)
TEXTS = st.text(st.characters(codec="utf-8"), max_size=20)


def entered(number: int, amount: str, code: Obis = POWER, state: State = State.ENTERED, day: date = DAY) -> Entry:
    value = Decimal(amount) if state is State.ENTERED else None
    return Entry(number, Subject("north", code, day), state, "eva", NOON, value, "by phone")


def day_of(code: Obis, *values: Value) -> Series:
    return Series(Channel("north", code, "kWh"), day_layer(code), values)


def value(code: Obis, status: RawStatus, amount: str | None = "12.5", day: date = DAY) -> Value:
    start, end = span_of(Subject("north", code, day))
    seconds = round((end - start).total_seconds())
    if amount is None:
        return missing(end, seconds, "only 90 of 100 intervals are there", want=100)
    return Value(end, seconds, Decimal(amount), status, inputs=(7, 8), method=Method.AGGREGATE)


@settings(max_examples=50)
@given(
    st.builds(
        Entry,
        st.integers(1, 10**9),
        st.builds(Subject, TEXTS, st.sampled_from((POWER, GAS)), st.dates(date(1970, 1, 1), date(2100, 1, 1))),
        st.sampled_from(State),
        TEXTS,
        st.just(NOON),
        st.none() | st.decimals(0, 10**8, places=0),
        TEXTS,
    ),
    TEXTS,
)
def test_what_is_written_down_is_read_back(entry: Entry, unit: str) -> None:
    assert entry_of(document(entry, unit, "root"), NOON) == (entry, unit)


@pytest.mark.parametrize(
    "received", [b"", b"{}", b'{"schema":"gatewayd.derivation/1"}', b"\xff", document(entered(1, "5"))[:-4]]
)
def test_what_is_no_entry_is_told(received: bytes) -> None:
    with pytest.raises(ValueError, match=r"no entry|is not"):
        entry_of(received, NOON)


FORGED: dict[str, list[object]] = {
    "amount": ["NaN", "Infinity", "-Infinity", "1e999999999", "-5", "ten", "1_000", "\u0661", "9" * 13],
    "day": ["0001-01-01", "1969-12-31", "2200-01-01", "9999-12-31"],
    "number": [0, -1, 10**9 + 1, 10**40],
    "state": ["forgotten"],
    "obis": ["", "garbage"],
}


@pytest.mark.parametrize(("key", "forged"), [(key, one) for key, all_of in FORGED.items() for one in all_of])
def test_what_no_desk_has_written_is_no_entry(key: str, forged: object) -> None:
    """Each by itself: all else of it is sound."""
    sound = json.loads(document(entered(1, "5")))
    assert entry_of(json.dumps(sound).encode(), NOON)[0] == entered(1, "5")
    with pytest.raises(ValueError):
        entry_of(json.dumps(sound | {key: forged}).encode(), NOON)


def test_a_step_that_the_table_does_not_allow_costs_itself_alone() -> None:
    told: list[str] = []
    steps = [entered(1, "5"), entered(1, "6"), entered(2, "7", code=GAS), entered(2, "", state=State.SENT)]
    known = submissions(steps, told.append)
    assert {number: (one.amount, one.state) for number, one in known.items()} == {
        1: (Decimal(5), State.ENTERED),
        2: (Decimal(7), State.ENTERED),
    }
    assert len(told) == 2 and "the next one is 2" in told[0] and "number 2 is for" in told[1]
    with pytest.raises(ValueError):
        submissions(steps)


@pytest.mark.parametrize("status", [RawStatus.SUBSTITUTE, RawStatus.PROVISIONAL, RawStatus.DISTORTED])
def test_it_takes_the_place_of_what_is_not_true(status: RawStatus) -> None:
    known = submissions([entered(1, "90"), entered(2, "100")])
    (one,) = with_entered(day_of(POWER, value(POWER, status)), known).values
    assert (one.amount, one.status, one.method, one.inputs) == (
        Decimal(100),
        RawStatus.SUBSTITUTE,
        Method.MANUAL,
        (),
    )
    assert Flag.MANUAL in one.flags and one.seconds == 90000, "the day has 25 hours"
    assert one.reason.startswith("number 2, entered by eva, entered: by phone; instead of ")


def test_a_missing_day_gets_it_and_a_true_one_never() -> None:
    known = submissions([entered(1, "100")])
    (one,) = with_entered(day_of(POWER, value(POWER, RawStatus.MISSING, None)), known).values
    assert one.amount == Decimal(100) and "only 90 of 100" in one.reason
    true = day_of(POWER, value(POWER, RawStatus.TRUE))
    assert with_entered(true, known) == true


def test_of_other_days_channels_points_and_layers_nothing_changes() -> None:
    known = submissions([entered(1, "100")])
    for series in (
        day_of(POWER, value(POWER, RawStatus.MISSING, None, date(2026, 10, 24))),
        day_of(Obis.parse("1-0:2.29.0"), value(POWER, RawStatus.MISSING, None)),
        Series(Channel("south", POWER, "kWh"), Layer.DAY, (value(POWER, RawStatus.MISSING, None),)),
        Series(Channel("north", POWER, "kWh"), Layer.MONTH, (value(POWER, RawStatus.MISSING, None),)),
    ):
        assert with_entered(series, known) == series
    assert with_entered(day_of(POWER, value(POWER, RawStatus.MISSING, None)), {}).values[0].amount is None


def test_gas_is_entered_by_gas_days() -> None:
    known = submissions([entered(1, "55", GAS)])
    start, end = day_bounds(DAY, PRAGUE, GAS_DAY_START)
    assert span_of(Subject("north", GAS, DAY)) == (start, end) and day_layer(GAS) is Layer.GAS_DAY
    (one,) = with_entered(day_of(GAS, value(GAS, RawStatus.MISSING, None)), known).values
    assert (one.at, one.amount) == (end, Decimal(55))
    assert counts(known, "north", GAS, end) is not None
    assert counts(known, "north", GAS, start) is None
    legal = Series(Channel("north", GAS, "m3"), Layer.DAY, (value(GAS, RawStatus.MISSING, None),))
    assert with_entered(legal, known) == legal


@pytest.mark.parametrize("last", [State.SUPERSEDED, State.REJECTED])
def test_when_it_is_taken_back_or_rejected_nothing_counts(last: State) -> None:
    steps = [entered(1, "90"), entered(2, "100")]
    if last is State.REJECTED:
        steps.append(entered(2, "", state=State.SENT))
    known = submissions([*steps, entered(2, "", state=last)])
    assert counts(known, "north", POWER, day_bounds(DAY)[1]) is None
    again = submissions([*steps, entered(2, "", state=last), entered(3, "110")])
    found = counts(again, "north", POWER, day_bounds(DAY)[1])
    assert found is not None and found.amount == 110
    assert [step.state for step in again[2].history].count(State.SUPERSEDED) == 1


def test_a_step_of_which_retention_has_dropped_the_beginning_is_passed_over() -> None:
    known = submissions([entered(4, "", state=State.SENT), entered(5, "100")])
    assert list(known) == [5]
