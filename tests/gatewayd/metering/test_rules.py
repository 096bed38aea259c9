"""Each rule of validation on days that it has to tell, and on those that it must not."""

from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewayd.metering.evidence import Evidence, digit_of, middle
from gatewayd.metering.findings import Finding, Rule, Severity, Terms
from gatewayd.metering.limits import energy_in, maximum_kva
from gatewayd.metering.points import Rated
from gatewayd.metering.rule_comparable import ComparableTerms
from gatewayd.metering.rule_maximum import MaximumTerms
from gatewayd.metering.rule_register_advance import RegisterAdvanceTerms
from gatewayd.metering.rules import Rules, check_day, check_month, options, rules_of
from gatewayd.metering.values import Channel, Layer, Series
from gatewayd.model import Flag, RawStatus
from gatewayd.obis import Obis
from tests.gatewayd.metering.seen import DAY, ENERGY, at, flat, quarters, register, state

MONTH_BEFORE = DAY - timedelta(days=28)
TARIFFS = [Channel("north", Obis.parse(f"1-0:1.8.{rate}"), "kWh") for rate in (1, 2)]


def found(evidence: Evidence, rule: Rule, day: date = DAY, rules: Rules | None = None) -> list[Finding]:
    """What one rule tells of a day."""
    return [one for one in check_day(evidence, day, rules or Rules()) if one.rule is rule]


# -- above the maximum ------------------------------------------------------------------------------------------------


def test_the_maximum_is_what_current_and_voltage_carry() -> None:
    three = maximum_kva(Rated(Decimal(200), Decimal(400), 3))
    assert str(three)[:16] == "138.564064605510"
    assert maximum_kva(Rated(Decimal(63), Decimal(230), 1)) == Decimal("14.49")
    secondary = maximum_kva(Rated(Decimal(5), Decimal(100), 3), Decimal(8800))
    assert str(secondary)[:13] == "7621.02355330"
    assert energy_in(Decimal("14.49"), 900) == Decimal("3.6225")


@pytest.mark.parametrize("rated", [Rated(Decimal(0), Decimal(230), 1), Rated(Decimal(5), Decimal(100), 2)])
def test_what_no_connection_has_is_refused(rated: Rated) -> None:
    with pytest.raises(ValueError, match="rated: "):
        maximum_kva(rated)


def test_more_than_the_connection_carries_is_told_and_the_limit_itself_is_not() -> None:
    limit = Decimal("14.49")

    def amount(local: datetime) -> Decimal:
        return Decimal("3.6226") if local.hour == 10 and local.minute < 30 else Decimal("3.6225")

    (one,) = found(Evidence(quarters(DAY, DAY, amount), maximum_kva=limit), Rule.ABOVE_MAXIMUM)
    assert (one.start, one.end) == (at("2026-11-24 10:00"), at("2026-11-24 10:30"))
    assert one.severity is Severity.ERROR and one.layer is Layer.INTERVAL
    assert (
        "3.6226 kWh in 900 s at the highest of 2 intervals are 14.4904 kW, the connection carries 14.49 kVA" in one.text
    )
    wider = Rules(above_maximum=MaximumTerms(times=Decimal("1.2")))
    assert not found(Evidence(quarters(DAY, DAY, amount), maximum_kva=limit), Rule.ABOVE_MAXIMUM, rules=wider)
    assert not found(Evidence(quarters(DAY, DAY, amount)), Rule.ABOVE_MAXIMUM)


def test_volumes_of_gas_have_no_apparent_power() -> None:
    gas = Channel("north", Obis.parse("7-0:3.29.0"), "m3")
    assert not found(Evidence(flat("5000", channel=gas), maximum_kva=Decimal(1)), Rule.ABOVE_MAXIMUM)


# -- zero -------------------------------------------------------------------------------------------------------------


def worked(day: date) -> Series:
    """A month with something by day and nothing by night, and nothing at all on the last day from 08:00 on."""

    def amount(local: datetime) -> Decimal:
        if local.hour < 6 or (local.date() == day and local.hour >= 8):
            return Decimal(0)
        return Decimal("2.5")

    return quarters(day - timedelta(days=29), day, amount)


def test_a_long_zero_is_told_where_comparable_days_had_something() -> None:
    (one,) = found(Evidence(worked(DAY)), Rule.ZERO)
    assert (one.start, one.end) == (at("2026-11-24 08:00"), at("2026-11-25 00:00"))
    assert one.severity is Severity.WARNING
    assert one.text.startswith("nothing is metered for 16 h; the median of 3 Tuesdays before is 160 kWh in that time")
    assert not found(Evidence(worked(DAY)), Rule.ZERO, DAY - timedelta(days=1))


def test_a_zero_that_began_the_day_before_counts_whole() -> None:
    after = DAY + timedelta(days=1)

    def amount(local: datetime) -> Decimal:
        late = local.date() == DAY and local.hour >= 21
        return Decimal(0) if late or (local.date() == after and local.hour < 4) else Decimal(1)

    evidence = Evidence(quarters(MONTH_BEFORE, after, amount))
    assert not found(evidence, Rule.ZERO, DAY)  # three hours
    (one,) = found(evidence, Rule.ZERO, after)  # seven
    assert (one.start, one.end) == (at("2026-11-25 00:00"), at("2026-11-25 04:00"))


def test_where_nothing_was_ever_metered_zero_is_usual() -> None:
    assert not found(Evidence(flat("0", MONTH_BEFORE)), Rule.ZERO)


def test_without_comparable_days_nothing_is_told() -> None:
    assert not check_day(Evidence(flat("0")), DAY)
    assert not check_day(Evidence(flat("500")), DAY)


@pytest.mark.parametrize("day", [date(2026, 3, 29), date(2026, 10, 25)])
def test_the_days_of_the_change_are_compared_by_the_wall_clock(day: date) -> None:
    def amount(local: datetime) -> Decimal:
        return Decimal(0) if local.date() == day else Decimal(1)

    series = quarters(day - timedelta(days=28), day, amount)
    (one,) = found(Evidence(series), Rule.ZERO, day)
    assert one.limit == Decimal(96)
    steady = flat("1", day - timedelta(days=28), day)
    assert not check_day(Evidence(steady), day)


# -- comparable days --------------------------------------------------------------------------------------------------


def mean(local: datetime, other: str) -> Decimal:
    """2 on all days, something else on the last one."""
    return Decimal(other) if local.date() == DAY else Decimal(2)


@pytest.mark.parametrize(
    ("amount", "told"),
    [("6", ""), ("6.001", "more than 3 times as much as"), ("0.667", ""), ("0.666", "less than 1/3 of")],
)
def test_a_day_is_compared_with_the_median_of_its_class(amount: str, told: str) -> None:
    evidence = Evidence(quarters(MONTH_BEFORE, DAY, lambda local: mean(local, amount)))
    findings = found(evidence, Rule.COMPARABLE)
    assert bool(findings) is bool(told)
    for one in findings:
        assert f"are {told} the median of 3 Tuesdays before, 192 kWh" in one.text
        assert (one.start, one.end) == (at("2026-11-24 00:00"), at("2026-11-25 00:00"))


def test_a_day_of_23_hours_is_compared_by_its_mean_power() -> None:
    day = date(2026, 3, 29)

    def evidence(amount: str) -> Evidence:
        return Evidence(
            quarters(
                day - timedelta(days=28),
                day,
                lambda local: Decimal(amount) if local.date() == day else Decimal(2),
            )
        )

    (one,) = found(evidence("6.001"), Rule.COMPARABLE, day)
    assert one.limit == Decimal(184)
    assert not found(evidence("6"), Rule.COMPARABLE, day)


def test_a_day_that_is_not_whole_is_not_compared() -> None:
    def amount(local: datetime) -> Decimal | None:
        return None if local.date() == DAY and local.hour == 3 and not local.minute else mean(local, "99")

    assert not found(Evidence(quarters(MONTH_BEFORE, DAY, amount)), Rule.COMPARABLE)


def test_what_is_below_the_least_amount_is_not_compared() -> None:
    evidence = Evidence(quarters(MONTH_BEFORE, DAY, lambda local: mean(local, "99")))
    above = Rules(comparable=ComparableTerms(least=Decimal(10000)))
    assert found(evidence, Rule.COMPARABLE) and not found(evidence, Rule.COMPARABLE, rules=above)


# -- registers --------------------------------------------------------------------------------------------------------


def test_a_register_that_goes_back_is_told_once() -> None:
    states = [
        state("2026-11-23 08:00", "100.000"),
        state("2026-11-24 08:00", "90.500"),
        state("2026-11-24 09:00", "91.000"),
    ]
    (one,) = found(Evidence(flat("1"), (register(states),)), Rule.BACKWARD)
    assert (one.start, one.end, one.layer) == (states[0].at, states[1].at, Layer.DAY)
    assert "1.8.0 of meter em-1 goes back from 100 to 90.5 kWh" in one.text
    assert one.inputs == tuple(sorted(states[0].inputs + states[1].inputs))


def test_beginning_again_at_zero_whole_units_and_other_meters_are_no_backward() -> None:
    before = state("2026-11-24 07:00", "99999.500")
    for states in (
        [before, state("2026-11-24 08:00", "0.100", Flag.OVERFLOW)],
        [before, state("2026-11-24 08:00", "99990", Flag.MANUAL)],
        [before, state("2026-11-24 08:00", "1", status=RawStatus.DISTORTED)],
    ):
        assert not found(Evidence(flat("1"), (register(states),)), Rule.BACKWARD)
    coarse = register([before, state("2026-11-24 08:00", "99999")], digit="1")
    assert not found(Evidence(flat("1"), (coarse,)), Rule.BACKWARD)
    exchanged = (register([before]), register([state("2026-11-24 08:00", "3")], meter="em-2"))
    assert not found(Evidence(flat("1"), exchanged), Rule.BACKWARD)


def test_what_the_archive_has_flagged_backward_is_believed() -> None:
    states = [
        state("2026-11-24 07:00", "100"),
        state("2026-11-24 08:00", "50", Flag.BACKWARD, RawStatus.DISTORTED),
    ]
    assert found(Evidence(flat("1"), (register(states),)), Rule.BACKWARD)


@pytest.mark.parametrize(("total", "told"), [("1699338", ""), ("1699335", ""), ("1699334", "4 kWh too much")])
def test_the_tariffs_add_up_to_the_total(total: str, told: str) -> None:
    """The registers of requirements R2; one digit of each is allowed, three together."""
    rates = [
        register([state("2026-11-24 08:00", amount)], channel, "1")
        for channel, amount in zip(TARIFFS, ("355569", "1343769"), strict=True)
    ]
    totals = (register([state("2026-11-24 08:00", total)], digit="1"),)
    findings = found(Evidence(flat("1"), totals, tuple(rates)), Rule.TARIFF_SUM)
    assert bool(findings) is bool(told)
    for one in findings:
        assert told in one.text and "1.8.1 + 1.8.2 are 1699338 together" in one.text
        assert one.severity is Severity.WARNING and one.start == one.end == at("2026-11-24 08:00")


def test_tariffs_that_were_not_read_together_are_not_added() -> None:
    rates = (
        register([state("2026-11-24 08:00", "1")], TARIFFS[0]),
        register([state("2026-11-24 08:02", "1")], TARIFFS[1]),
    )
    assert not found(Evidence(flat("1"), (register([state("2026-11-24 08:00", "9")]),), rates), Rule.TARIFF_SUM)
    other = tuple(register(one.states, one.channel, meter="em-2") for one in rates)
    assert not found(Evidence(flat("1"), (register([state("2026-11-24 08:00", "9")]),), other), Rule.TARIFF_SUM)


def advanced(last: str, *, first: str = "2026-11-24 00:00", end: str = "2026-11-25 00:00") -> Evidence:
    """96 intervals of 1.000 kWh, and a register from 100 kWh on."""
    states = [state(first, "100.000"), state(end, last)]
    return Evidence(flat("1.000"), (register(states),), digit=Decimal("0.001"))


@pytest.mark.parametrize(("last", "told"), [("196.000", ""), ("196.098", ""), ("196.099", "little"), ("195.9", "much")])
def test_the_intervals_add_up_to_the_advance_of_the_register(last: str, told: str) -> None:
    """0.098 kWh are allowed: a digit at both states and one of each interval."""
    findings = found(advanced(last), Rule.REGISTER_ADVANCE)
    assert bool(findings) is bool(told)
    for one in findings:
        assert f"too {told}, allowed are 0.098" in one.text and "its intervals have 96 kWh" in one.text
        assert one.layer is Layer.DAY and one.severity is Severity.ERROR


def test_a_register_that_was_read_within_an_interval_has_edges() -> None:
    edges = {"first": "2026-11-24 00:05", "end": "2026-11-24 12:05"}
    for last, fits in (("146.9", False), ("147.0", True), ("148.9", True), ("149.2", False)):
        assert bool(found(advanced(last, **edges), Rule.REGISTER_ADVANCE)) is not fits


def test_it_is_told_where_the_advance_does_not_fit() -> None:
    def amount(local: datetime) -> Decimal:
        return Decimal(0) if local.hour == 13 else Decimal(1)

    hours = [state(f"2026-11-24 {hour:02d}:00", str(100 + 4 * hour)) for hour in range(24)]
    evidence = Evidence(quarters(DAY, DAY, amount), (register(hours),), digit=Decimal("0.001"))
    (one,) = found(evidence, Rule.REGISTER_ADVANCE)
    assert (one.start, one.end) == (at("2026-11-24 13:00"), at("2026-11-24 14:00"))
    assert one.layer is Layer.INTERVAL and "4 kWh too little" in one.text
    (month,) = check_month(evidence, DAY)
    assert month.layer is Layer.MONTH
    assert month.text.endswith("it is in 2026-11-24 13:00+01:00 to 2026-11-24 14:00+01:00")


def test_what_is_missing_takes_the_upper_bound_away_and_leaves_the_lower_one() -> None:
    def amount(local: datetime) -> Decimal | None:
        return None if local.hour == 13 else Decimal(1)

    for last, fits in (("500", True), ("192", True), ("191", False)):
        states = [state("2026-11-24 00:00", "100"), state("2026-11-25 00:00", last)]
        evidence = Evidence(quarters(DAY, DAY, amount), (register(states),), digit=Decimal("0.001"))
        assert bool(found(evidence, Rule.REGISTER_ADVANCE)) is not fits


def test_what_is_not_even_told_missing_has_no_upper_bound_either() -> None:
    whole = flat("1")
    holed = Series(whole.channel, Layer.INTERVAL, whole.values[:40] + whole.values[44:])
    states = [state("2026-11-24 00:00", "100"), state("2026-11-25 00:00", "500")]
    assert not found(Evidence(holed, (register(states),), digit=Decimal("0.001")), Rule.REGISTER_ADVANCE)
    assert found(Evidence(whole, (register(states),), digit=Decimal("0.001")), Rule.REGISTER_ADVANCE)


def test_a_register_that_began_again_on_the_way_is_not_compared() -> None:
    states = [state("2026-11-24 00:00", "99990"), state("2026-11-25 00:00", "6", Flag.OVERFLOW)]
    assert not check_day(Evidence(flat("1"), (register(states),)), DAY)


def test_many_small_differences_show_in_the_whole_day() -> None:
    """Each hour within its tolerance, 24 hours together not."""
    hours = [state(f"2026-11-24 {hour:02d}:00", f"{100 + Decimal('4.004') * hour}") for hour in range(24)]
    evidence = Evidence(flat("1.000"), (register(hours, digit="0.001"),), digit=Decimal("0.0005"))
    rules = Rules(register_advance=RegisterAdvanceTerms())
    (one,) = found(evidence, Rule.REGISTER_ADVANCE, rules=rules)
    assert (one.start, one.end) == (hours[0].at, hours[-1].at)


amounts = st.lists(st.integers(0, 5000), min_size=96, max_size=96)


@settings(max_examples=15, deadline=None)
@given(amounts, st.lists(st.integers(0, 86399), min_size=2, max_size=6, unique=True))
def test_a_meter_that_counts_right_is_never_told(energies: list[int], seconds: list[int]) -> None:
    """Registers and intervals of the same energy, read at any second, both cut to whole watt-hours."""
    start = at("2026-11-24 00:00")
    series = flat("0")
    starts = [one.start for one in series.values]
    by_start = dict(zip(starts, energies, strict=True))
    counted = quarters(DAY, DAY, lambda local: Decimal(by_start[local.astimezone(start.tzinfo)]).scaleb(-3))

    def shows(second: int) -> Decimal:
        whole, part = divmod(second, 900)
        return (Decimal(sum(energies[:whole])) + Decimal(energies[whole] * part // 900)).scaleb(-3)

    states = [
        state((datetime(2026, 11, 24) + timedelta(seconds=one)).isoformat(" "), f"{shows(one):f}")  # noqa: DTZ001
        for one in sorted(seconds)
    ]
    evidence = Evidence(counted, (register(states),), digit=Decimal("0.001"))
    assert not check_day(evidence, DAY)
    assert not check_month(evidence, DAY)


# -- all of them ------------------------------------------------------------------------------------------------------


def test_the_last_digit_is_seen_in_the_amounts() -> None:
    assert digit_of(Decimal("8.8") * n for n in range(1, 30)) == Decimal("8.8")
    assert digit_of([Decimal("500"), Decimal("2.50")]) == Decimal("0.01")
    assert middle(map(Decimal, (5, 1, 2))) == 2 and middle(map(Decimal, (1, 2, 5, 9))) == Decimal("3.5")


def test_what_is_off_is_not_looked_at() -> None:
    evidence = Evidence(worked(DAY), (register([state("2026-11-23 08:00", "9"), state("2026-11-24 08:00", "1")]),))
    assert {one.rule for one in check_day(evidence, DAY)} >= {Rule.ZERO, Rule.BACKWARD}
    off = rules_of({rule.value: {"enabled": False} for rule in Rule})
    assert check_day(evidence, DAY, off) == () and check_month(evidence, DAY, off) == ()
    assert off.weeks == 0 and Rules().weeks == 4


def test_the_configuration_says_what_is_different() -> None:
    rules = rules_of(
        {
            "zero": {"hours": 12, "severity": "error"},
            "above_maximum": {"times": "1.2"},
            "verification": {"ahead": [60, 10]},
            "comparable": {"factor": 5},
        }
    )
    assert (rules.zero.hours, rules.zero.severity, rules.zero.weeks) == (12, Severity.ERROR, 4)
    assert rules.above_maximum.times == Decimal("1.2") and rules.verification.ahead == (60, 10)
    assert rules.comparable.factor == 5 and rules.backward == Rules().backward
    assert rules_of({}) == Rules()


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"nought": {}}, "'nought' is no rule; expected one of backward, zero"),
        ({"zero": True}, "zero: expected parameters"),
        ({"zero": {"ours": 3}}, "zero: 'ours' is no parameter; expected one of enabled, severity, hours"),
        ({"zero": {"hours": 0}}, "zero: hours is 0, expected 1 to 168"),
        ({"zero": {"hours": True}}, "zero: hours: 'True' is no whole number"),
        ({"zero": {"enabled": "no"}}, "zero: enabled: 'no' is neither true nor false"),
        (
            {"zero": {"severity": "bad"}},
            "zero: severity: 'bad' is no severity; expected one of warning, error, critical",
        ),
        ({"comparable": {"factor": "1"}}, "comparable: factor is 1, expected more than 1"),
        ({"comparable": {"factor": 1.5}}, "comparable: factor: '1.5' is no number from 0 to 1000000; write numbers"),
        ({"comparable": {"factor": "NaN"}}, "comparable: factor: 'NaN' is no number"),
        ({"verification": {"ahead": 30}}, "verification: ahead: '30' is no list"),
        ({"above_maximum": {"times": 0}}, "above_maximum: times is 0, expected more than 0"),
    ],
)
def test_what_is_wrong_in_the_configuration_is_named(said: dict[str, object], expected: str) -> None:
    with pytest.raises(ValueError, match="validation: ") as caught:
        rules_of(said)
    assert expected in str(caught.value)


def test_every_rule_has_its_parameters() -> None:
    for rule in Rule:
        terms = Rules().terms(rule)
        assert isinstance(terms, Terms)
        assert terms.severity is rule.severity
        assert [name for name, _, _ in options(rule)][:2] == ["enabled", "severity"]
    assert ENERGY.obis != Obis.parse("1-0:1.8.0")
