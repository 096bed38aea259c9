"""Events of metering points: what is told, once, and when it is over."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from gatewayd.legal_time import day_bounds
from gatewayd.metering.events import (
    RECOUNTED,
    SUBSTITUTION,
    More,
    PointEvent,
    State,
    changes,
    event_of,
    of_findings,
    of_values,
    over,
    reading_of,
    rule_of,
    type_of,
)
from gatewayd.metering.findings import Finding, Rule
from gatewayd.metering.values import Channel, Layer, Method, Series, Value
from gatewayd.model import Kind, RawStatus, Reading
from gatewayd.obis import Obis
from gatewayd.severity import Severity

DAY = date(2026, 11, 20)
BEGIN, END = day_bounds(DAY)
IMPORT, EXPORT = Obis.parse("1-0:1.29.0"), Obis.parse("1-0:2.29.0")
TOTAL = Obis.parse("1-0:1.8.0")


def finding(
    rule: Rule = Rule.ZERO,
    severity: Severity = Severity.WARNING,
    obis: Obis | None = IMPORT,
    hour: int = 0,
    **more: Any,
) -> Finding:
    start = BEGIN + timedelta(hours=hour)
    return Finding(
        rule, severity, "north", obis, Layer.INTERVAL, start, start + timedelta(hours=1), f"at {hour}", **more
    )


def told(*found: Finding) -> tuple[PointEvent, ...]:
    return of_findings(found, (IMPORT, EXPORT), Layer.DAY, DAY, END)


EVENT = PointEvent("north", type_of(Rule.ZERO), IMPORT, Layer.DAY, DAY, END, Layer.INTERVAL, BEGIN, END, "nothing")


# -- how it is written down -------------------------------------------------------------------------------------------

INSTANTS = st.integers(1_577_836_800, 2_000_000_000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters=","), max_size=20)
AMOUNTS = st.none() | st.decimals(-(10**9), 10**9, places=6)


@given(
    st.builds(
        PointEvent,
        point=st.text("abc-1", min_size=1, max_size=8),
        type=st.sampled_from([SUBSTITUTION, RECOUNTED, *map(type_of, Rule)]),
        obis=st.sampled_from([None, IMPORT, EXPORT]),
        scope=st.sampled_from(Layer),
        day=st.dates(date(2020, 1, 1), date(2040, 1, 1)),
        at=INSTANTS,
        layer=st.sampled_from(Layer),
        start=INSTANTS,
        end=INSTANTS,
        text=TEXTS,
        severity=st.sampled_from(Severity),
        state=st.sampled_from(State),
        count=st.integers(0, 10**6),
        amount=AMOUNTS,
        limit=AMOUNTS,
        unit=st.sampled_from(["", "kWh"]),
        method=st.sampled_from(["", "interpolated", "control,manual"]),
        subject=TEXTS,
        inputs=st.sets(st.integers(1, 10**9), max_size=20).map(lambda found: tuple(sorted(found))),
    )
)
def test_what_goes_in_comes_out(event: PointEvent) -> None:
    reading = reading_of(event)
    assert event_of(reading) == event
    assert reading.kind is Kind.EVENT and reading.value is None and reading.interval_s is None


def test_what_is_no_event_is_refused() -> None:
    for other in (
        Reading("north", IMPORT, "interval", Kind.INTERVAL, END, b"", "1"),
        Reading("em-1", None, "P.98", Kind.EVENT, END, b"", "0080"),
        replace(reading_of(EVENT), raw_text="gone"),
        replace(reading_of(EVENT), more=("?",) * len(More._fields)),
    ):
        with pytest.raises(ValueError, match=r"no event|is not a valid"):
            event_of(other)


# -- what is so -------------------------------------------------------------------------------------------------------


def test_findings_of_a_rule_and_channel_are_one_event() -> None:
    (one,) = told(finding(hour=3), finding(hour=1), finding(hour=2))
    assert (one.type, one.obis, one.count, one.text) == ("validation.zero", IMPORT, 3, "at 1 (and 2 more)")
    assert (one.start, one.end) == (BEGIN + timedelta(hours=1), BEGIN + timedelta(hours=4))
    assert rule_of(one.type) == "zero" and rule_of(SUBSTITUTION) == ""


def test_the_most_severe_is_told() -> None:
    worse = finding(severity=Severity.ERROR, hour=5, amount=Decimal(7), limit=Decimal(6), unit="kWh", inputs=(4, 9))
    (one,) = told(finding(hour=1), worse)
    assert (one.severity, one.text) == (Severity.ERROR, "at 5 (and 1 more)")
    assert (one.amount, one.limit, one.unit, one.inputs) == (Decimal(7), Decimal(6), "kWh", (4, 9))


def test_each_rule_and_channel_by_itself_and_a_register_with_its_energy() -> None:
    found = told(
        finding(), finding(obis=EXPORT), finding(Rule.BACKWARD, obis=TOTAL), finding(Rule.VERIFICATION, obis=None)
    )
    assert [(one.type, one.obis) for one in found] == [
        ("validation.zero", IMPORT),
        ("validation.zero", EXPORT),
        ("validation.backward", IMPORT),
        ("validation.verification", None),
    ]


def quarters(*methods: Method, status: RawStatus = RawStatus.SUBSTITUTE) -> Series:
    values = [
        Value(BEGIN + timedelta(minutes=15 * n), 900, Decimal("0.25"), status, method=method)
        for n, method in enumerate(methods, 1)
    ]
    return Series(Channel("north", IMPORT, "kWh"), Layer.INTERVAL, tuple(values))


def test_substitutes_are_counted_by_method() -> None:
    (one,) = of_values(quarters(Method.PRIMARY, Method.COMPARABLE, Method.INTERPOLATED, Method.COMPARABLE), DAY, END)
    assert (one.type, one.method, one.count, one.amount) == (
        SUBSTITUTION,
        "comparable,interpolated",
        3,
        Decimal("0.75"),
    )
    assert one.text == "3 of 4 values are substitutes: 2 comparable, 1 interpolated"
    assert (one.start, one.end) == (BEGIN + timedelta(minutes=15), BEGIN + timedelta(hours=1))
    (one,) = of_values(quarters(Method.MANUAL, status=RawStatus.PROVISIONAL), DAY, END)
    assert one.text.endswith("1 manual; 1 of them provisional")


@pytest.mark.parametrize("method", [Method.PRIMARY, Method.SUM, Method.AGGREGATE, Method.NETTED, Method.NONE])
def test_what_is_made_of_substitutes_is_no_use_of_one(method: Method) -> None:
    assert of_values(quarters(method), DAY, END) == ()


# -- what is told -----------------------------------------------------------------------------------------------------


def yes(_key: object) -> bool:
    return True


def test_it_is_told_once_and_over_once() -> None:
    assert changes([EVENT], {}, yes) == (EVENT,)
    standing = {EVENT.key: EVENT}
    assert changes([replace(EVENT, text="other words", count=5)], standing, yes) == ()
    assert changes([], standing, lambda _: False) == (), "nobody has looked"
    (gone,) = changes([], standing, yes)
    assert (gone.state, gone.text, gone.count, gone.key) == (State.OVER, "it is over: nothing", 0, EVENT.key)
    assert changes([], {gone.key: gone}, yes) == ()
    assert changes([EVENT], {gone.key: gone}, yes) == (EVENT,), "and it may begin again"


def test_another_severity_is_told() -> None:
    worse = replace(EVENT, severity=Severity.ERROR)
    assert changes([worse], {EVENT.key: EVENT}, yes) == (worse,)


def test_days_months_channels_and_subjects_are_told_apart() -> None:
    others = [
        replace(EVENT, at=END + timedelta(days=1)),
        replace(EVENT, scope=Layer.MONTH),
        replace(EVENT, obis=EXPORT),
        replace(EVENT, obis=None),
        replace(EVENT, subject="em-1"),
        replace(EVENT, type=SUBSTITUTION),
        replace(EVENT, point="south"),
    ]
    assert len(changes(others, {EVENT.key: EVENT}, lambda _: False)) == len(others)


def test_some_types_are_told_once_for_a_point_whatever_the_day() -> None:
    one = replace(EVENT, type=RECOUNTED)
    assert changes([replace(one, at=END + timedelta(days=9))], {one.key: one}, yes) == ()
    assert over(one).key == one.key
