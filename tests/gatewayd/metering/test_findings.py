"""What findings do to values: statuses, marks, and what they must never touch."""

from datetime import timedelta
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from gatewayd.metering.findings import RULES, Finding, Rule, Severity, apply, passed, same_energy, shown, worst
from gatewayd.metering.values import Channel, Layer, Series, Value, missing
from gatewayd.model import Flag, RawStatus
from gatewayd.obis import Obis
from tests.gatewayd.metering.seen import DAY, ENERGY, at, flat

SERIES = flat("1.500")
ENDS = [one.at for one in SERIES.values]


def finding(
    first: int,
    last: int,
    severity: Severity = Severity.ERROR,
    rule: Rule = Rule.ABOVE_MAXIMUM,
    layer: Layer = Layer.INTERVAL,
    obis: Obis | None = ENERGY.obis,
) -> Finding:
    """Of the quarter-hours from one to the other, counted from 0, both included."""
    start = SERIES.values[first].start
    return Finding(rule, severity, "north", obis, layer, start, ENDS[last], f"{first} to {last}")


def test_an_error_distorts_the_values_concerned_and_names_its_rule() -> None:
    told = apply(SERIES, [finding(4, 5)])
    changed = [place for place, one in enumerate(told.values) if one != SERIES.values[place]]
    assert changed == [4, 5]
    for place in changed:
        assert told.values[place].status is RawStatus.DISTORTED
        assert told.values[place].rules == ("above_maximum",)
        assert "above_maximum: 4 to 5" in told.values[place].reason
        assert told.values[place].amount == Decimal("1.500") and str(told.values[place].amount) == "1.500"


def test_a_warning_only_marks() -> None:
    told = apply(SERIES, [finding(0, 95, Severity.WARNING, Rule.COMPARABLE)])
    assert {one.status for one in told.values} == {RawStatus.TRUE}
    assert {one.rules for one in told.values} == {("comparable",)}
    assert not any(passed(one) for one in told.values)


def test_an_instant_is_of_the_interval_in_which_it_lies() -> None:
    inside, edge = at("2026-11-24 10:07"), at("2026-11-24 10:15")
    for instant in (inside, edge):
        one = Finding(Rule.TARIFF_SUM, Severity.ERROR, "north", None, Layer.INTERVAL, instant, instant, "off")
        told = apply(SERIES, [one])
        assert [value.at for value in told.values if value.rules] == [edge]


def test_a_critical_finding_is_of_all_channels_of_the_whole_day() -> None:
    other = Channel("north", Obis.parse("1-0:3.29.0"), "kvarh")
    series = flat("1", DAY, DAY + timedelta(days=1), other)
    told = apply(series, [finding(40, 40, Severity.CRITICAL)])
    assert [one.status is RawStatus.DISTORTED for one in told.values] == [True] * 96 + [False] * 96
    assert apply(series, [finding(40, 40)]) is series


def test_findings_of_others_change_nothing() -> None:
    elsewhere = Channel("south", ENERGY.obis, "kWh")
    series = Series(elsewhere, Layer.INTERVAL, SERIES.values)
    assert apply(series, [finding(0, 95)]) is series
    assert apply(SERIES, []) is SERIES


def test_registers_and_intervals_are_the_same_energy() -> None:
    for one, other, same in (
        ("1-0:1.8.0", "1-0:1.29.0", True),
        ("1-0:1.8.1", "1-0:1.29.1", True),
        ("1-0:1.8.1", "1-0:1.29.0", False),
        ("1-0:2.8.0", "1-0:1.29.0", False),
        ("7-0:3.0.0", "7-0:3.0.0", True),
    ):
        assert same_energy(Obis.parse(one), Obis.parse(other)) is same


def test_what_is_found_on_a_day_turns_the_day_and_the_month_but_only_marks_its_intervals() -> None:
    of_day = finding(0, 95, layer=Layer.DAY, rule=Rule.REGISTER_ADVANCE)
    told = apply(SERIES, [of_day])
    assert {(one.status, one.rules) for one in told.values} == {(RawStatus.TRUE, ("register_advance",))}
    for layer, seconds in ((Layer.DAY, 86400), (Layer.MONTH, 30 * 86400)):
        total = Series(ENERGY, layer, (Value(ENDS[-1], seconds, Decimal(144), RawStatus.TRUE),))
        assert apply(total, [of_day]).values[0].status is RawStatus.DISTORTED
    assert apply(total, [finding(3, 3)]).values[0].status is RawStatus.DISTORTED


def test_flags_say_what_was_found() -> None:
    told = apply(SERIES, [finding(0, 0, Severity.WARNING, Rule.CONTROL), finding(1, 1, rule=Rule.BACKWARD)])
    assert told.values[0].flags == Flag.CONTROL_MISMATCH and told.values[1].flags == Flag.BACKWARD


def test_passed_is_what_is_there_sound_and_without_a_finding() -> None:
    value = SERIES.values[0]
    assert passed(value) and passed(replace(value, status=RawStatus.SUBSTITUTE))
    assert not passed(replace(value, status=RawStatus.DISTORTED))
    assert not passed(missing(value.at, 900))
    assert not passed(replace(value, rules=("zero",)))


def test_every_rule_stands_in_the_table() -> None:
    assert RULES.keys() == set(Rule)
    assert worst([]) is None
    assert worst([finding(0, 0, Severity.WARNING), finding(0, 0), finding(1, 1, Severity.WARNING)]) is Severity.ERROR


def test_people_read_when_and_how_much() -> None:
    assert finding(0, 95).when() == "2026-11-24"
    assert finding(40, 40).when() == "2026-11-24 10:00+01:00 to 2026-11-24 10:15+01:00"
    assert finding(95, 95).line().startswith("error: north 1.29.0 2026-11-24 23:45+01:00 to 2026-11-24 24:00+01:00: ")
    assert dict(finding(40, 40).facts)["end"] == "2026-11-24T09:15:00+00:00"
    assert shown(Decimal("10000.000"), "kWh") == "10000 kWh"
    assert shown(Decimal("0.12345678")) == "0.123457" and shown(Decimal("-0.0000001")) == "0"


values = st.builds(
    Value,
    at=st.just(ENDS[0]),
    seconds=st.just(900),
    amount=st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-9, max_value=9),
    status=st.sampled_from(RawStatus),
)
made = st.lists(values, min_size=96, max_size=96).map(
    lambda found: Series(
        ENERGY,
        Layer.INTERVAL,
        tuple(
            missing(end, 900) if one.status is RawStatus.MISSING else replace(one, at=end)
            for one, end in zip(found, ENDS, strict=True)
        ),
    )
)
some = st.lists(
    st.tuples(
        st.integers(0, 95), st.integers(0, 95), st.sampled_from(Severity), st.sampled_from(Rule), st.sampled_from(Layer)
    ).map(lambda drawn: finding(min(drawn[:2]), max(drawn[:2]), *drawn[2:])),
    max_size=4,
)


@settings(max_examples=30, deadline=None)
@given(made, some)
def test_amounts_and_missing_values_stay_and_no_status_gets_better(series: Series, found: list[Finding]) -> None:
    told = apply(series, found)
    assert len(told.values) == 96
    for before, after in zip(series.values, told.values, strict=True):
        assert (before.at, before.amount, before.inputs) == (after.at, after.amount, after.inputs)
        assert after.status >= before.status
        assert set(after.rules) >= set(before.rules)
        if before.status is RawStatus.MISSING:
            assert after == before
    assert apply(told, found) == told
    assert apply(series, reversed(found)) == told
