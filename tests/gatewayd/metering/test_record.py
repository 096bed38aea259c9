"""Derived values as readings of the archive and back, and what counts as a new version of one."""

from dataclasses import replace as with_changes
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from gatewayd.metering.derivation import Derivation, Standing, counted, news
from gatewayd.metering.record import Derived, channel_of, derived_of, layer_of, numbers, ranges, reading_of, same
from gatewayd.metering.values import Channel, Layer, Method, Value
from gatewayd.model import NO_FLAGS, Flag, Kind, RawStatus
from gatewayd.obis import Obis

END = datetime(2026, 10, 25, 1, 15, tzinfo=UTC)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
CHANNEL = Channel("north", Obis.parse("1-0:1.29.0"), "kWh")
ascending = st.lists(st.integers(1, 10**9), max_size=40, unique=True).map(lambda found: tuple(sorted(found)))
instants = st.integers(0, 7_000_000).map(lambda quarters: EPOCH + quarters * timedelta(minutes=15))
amounts = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**15), max_value=10**15, places=9)
names = st.text("abcdefghijklmnopqrstuvwxyz_", min_size=1, max_size=12)
values = st.builds(
    Value,
    at=instants,
    seconds=st.sampled_from([900, 3600, 82800, 86400, 90000]),
    amount=st.none() | amounts,
    status=st.sampled_from(RawStatus),
    flags=st.sampled_from([NO_FLAGS, Flag.CONFLICT, Flag.LATE | Flag.DST]),
    inputs=ascending,
    method=st.sampled_from(Method),
    have=st.integers(0, 3000),
    want=st.integers(1, 3000),
    instant=st.none() | instants,
    rules=st.lists(names, max_size=3, unique=True).map(tuple),
    reason=st.text(max_size=30),
)
derived = st.builds(
    Derived,
    value=values,
    version=st.integers(1, 10**6),
    supersedes=st.none() | st.integers(1, 10**12),
    validated=st.booleans(),
)


@settings(max_examples=150, deadline=None)
@given(derived, st.sampled_from(Layer))
def test_what_is_written_is_read_back_equal(one: Derived, layer: Layer) -> None:
    reading = reading_of(CHANNEL, layer, one)
    assert derived_of(reading) == one
    assert (channel_of(reading), layer_of(reading)) == (CHANNEL, layer)
    assert reading.value == one.value.amount, "the number of a reading is the amount, as everywhere"
    assert reading.kind is (Kind.MAXIMUM if layer is Layer.MAXIMUM else Kind.INTERVAL)


def test_an_amount_keeps_its_digits_and_has_no_exponent() -> None:
    for text in ("0.000000001", "-1100.0", "8800.000", "12345678901234567890.123456789"):
        value = Value(END, 900, Decimal(text), RawStatus.TRUE)
        reading = reading_of(CHANNEL, Layer.INTERVAL, Derived(value))
        assert reading.raw_text == text
        assert str(derived_of(reading).value.amount) == str(Decimal(text))


@settings(max_examples=150, deadline=None)
@given(ascending)
def test_ranges_say_the_same_numbers(found: tuple[int, ...]) -> None:
    assert numbers(ranges(found)) == found


@pytest.mark.parametrize(
    ("found", "text"),
    [
        ((), ""),
        ((25,), "25"),
        ((17, 18), "17-18"),
        ((17, 18, 19, 20, 25), "17-20,25"),
        (tuple(range(17, 400, 4)), "17-397/4"),
        ((1, 3), "1,3"),
        ((1, 3, 5, 6, 7), "1-5/2,6-7"),
    ],
)
def test_ranges_are_short(found: tuple[int, ...], text: str) -> None:
    assert ranges(found) == text


def test_the_inputs_of_a_month_take_a_few_bytes() -> None:
    """Four channels in each row, a row for each quarter-hour: every fourth number."""
    assert len(ranges(tuple(range(1, 4 * 2976, 4)))) < 15


@pytest.mark.parametrize(
    "change",
    [
        {"amount": Decimal(2)},
        {"amount": None},
        {"status": RawStatus.DISTORTED},
        {"flags": Flag.LATE},
        {"inputs": (1, 2)},
        {"method": Method.INTERPOLATED},
        {"have": 0},
        {"want": 2},
        {"seconds": 3600},
        {"instant": END},
        {"rules": ("backward",)},
    ],
)
def test_whatever_differs_is_a_new_version(change: dict[str, object]) -> None:
    value = Value(END, 900, Decimal("1.0"), RawStatus.TRUE, inputs=(1,))
    assert not same(Derived(value), replace(value, **change), validated=False)


def test_better_words_and_more_zeros_are_no_new_version() -> None:
    value = Value(END, 900, Decimal("1.0"), RawStatus.TRUE, inputs=(1,), reason="so")
    assert same(Derived(value), replace(value, reason="in other words", amount=Decimal("1.00")), validated=False)
    assert not same(Derived(value), value, validated=True)


def test_only_news_are_written_and_they_name_what_they_supersede() -> None:
    quarter = timedelta(minutes=15)
    first, second, third = (Value(END + quarter * n, 900, Decimal(n), RawStatus.TRUE) for n in range(3))
    known = {first.at: Standing(7, Derived(first, 3, 2)), second.at: Standing(8, Derived(second))}
    changed = replace(first, amount=Decimal(9))
    found = news([changed, second, third], known, validated=[False] * 3)
    assert found == (Derived(changed, 4, 7), Derived(third))
    derivation = Derivation(CHANNEL, Layer.INTERVAL, found, "late data")
    assert counted([derivation]) == 2
    assert derivation.request == "derive interval 1-0:1.29.0*255"


def test_a_derivation_is_an_exchange_of_canonical_json() -> None:
    value = Value(END, 900, Decimal(1), RawStatus.TRUE)
    one = Derivation(CHANNEL, Layer.DAY, (Derived(value),), "why", facts=(("partial", False), ("meters", ("a", "b"))))
    other = with_changes(one, facts=(("meters", ("a", "b")), ("partial", False)))
    exchange = one.exchange(END)
    assert (exchange.meter, exchange.line, exchange.detail) == ("north", "metering", "why")
    assert exchange.received == other.exchange(END).received, "the order of parameters says nothing"
    assert msgspec.json.decode(exchange.received) == {
        "schema": "gatewayd.derivation/1",
        "point": "north",
        "layer": "day",
        "obis": "1-0:1.29.0*255",
        "author": "gateway",
        "methods": ["primary"],
        "parameters": {"partial": False, "meters": ["a", "b"]},
        "checked": False,
    }


@pytest.mark.parametrize("change", [{"more": ()}, {"interval_s": None}, {"obis_raw": "1.8.0"}, {"obis": None}])
def test_what_is_no_derived_value_is_refused_in_words(change: dict[str, object]) -> None:
    reading = replace(reading_of(CHANNEL, Layer.DAY, Derived(Value(END, 900, None, RawStatus.MISSING))), **change)
    with pytest.raises(ValueError, match="derived value"):
        derived_of(reading), layer_of(reading), channel_of(reading)
