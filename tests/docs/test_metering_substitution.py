"""docs/metering/substitution.md: its tables are what the code computes, its defaults those of the code."""

import re
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path

from gatewayd.config.metering import SubstitutionEntry
from gatewayd.legal_time import QUARTER, instant
from gatewayd.metering.basis import Advance, Basis, advances
from gatewayd.metering.day_class import comparable_days
from gatewayd.metering.estimate import EstimateCheck
from gatewayd.metering.manual_history import State
from gatewayd.metering.manual_substitute import Check
from gatewayd.metering.period_substitute import period_substituted
from gatewayd.metering.substitute import METHODS, substituted
from gatewayd.metering.substitution_terms import SubstitutionTerms
from gatewayd.metering.values import Layer, Series, Value, missing
from gatewayd.model import RawStatus
from tests.gatewayd.metering.profiles import DAY, LATER, POINT, end

PAGE = (Path(__file__).parents[2] / "docs" / "metering" / "substitution.md").read_text(encoding="utf-8")
ON = SubstitutionTerms(enabled=True)
MONTHS = {"February": 2, "March": 3}


def table(heading: str) -> list[list[str]]:
    """The rows of the table that begins with this line, without their bars."""
    text = PAGE.split(f"| {heading} |")[1].split("\n\n")[0]
    rows = [[cell.strip() for cell in row.strip("|").split("|")] for row in text.splitlines()[2:]]
    assert rows
    return rows


def test_the_defaults_are_those_of_the_code_and_of_the_configuration() -> None:
    terms = SubstitutionTerms()
    assert SubstitutionEntry().made() == terms and not terms.enabled
    assert (terms.longest_gap * QUARTER, terms.weeks, terms.deadline) == (timedelta(hours=2), 4, time(11))
    assert (terms.deadline_days, terms.least_days, terms.comparison_days, terms.former_year) == (1, 1, 28, True)
    for text in (
        "`longest_gap` (2 hours)",
        "`weeks` (4)",
        "`deadline` (11:00)",
        "`least_days` (1)",
        "`comparison_days` (28)",
    ):
        assert text in PAGE
    assert {method.value for method in METHODS} == {*re.findall(r"^\| \d \| `(\w+)` \|", PAGE, re.MULTILINE), "manual"}


def test_comparable_days() -> None:
    for named, days in table("day | comparable days in 4 weeks"):
        day = date.fromisoformat(named.split()[-1])
        assert ", ".join(map(str, comparable_days(day, 4))) == days


def test_gaps() -> None:
    for neighbours, count, advance, expected in table(
        "neighbours, kWh | missing | register advance over the gap | substitutes, kWh"
    ):
        left, right = map(Decimal, neighbours.split(" and "))
        before = end(DAY, "02:00")
        holes = [before + n * QUARTER for n in range(1, int(count) + 1)]
        values = [Value(before, 900, left, RawStatus.TRUE), Value(holes[-1] + QUARTER, 900, right, RawStatus.TRUE)]
        values += [missing(at, 900) for at in holes]
        series = Series(POINT, Layer.INTERVAL, tuple(sorted(values, key=lambda one: one.at)))
        known = (Advance(before, holes[-1], Decimal(advance)),) if advance else ()
        found = substituted(Basis(series, advances=known), DAY, ON, LATER).by_end()
        made = [found[at].amount for at in holes]
        assert (", ".join(map(str, made)) if None not in made else "none: too long") == expected, neighbours


def test_how_near_to_the_end_of_an_interval_a_register_is_read() -> None:
    assert "more than 1 % of the metering period beside its end: 9 s of a quarter-hour" in PAGE
    for seconds, meant in ((9, True), (10, False)):
        states = [Value(end(DAY, "02:00"), 0, Decimal(1), RawStatus.TRUE)]
        states.append(Value(end(DAY, "03:00") + timedelta(seconds=seconds), 0, Decimal(2), RawStatus.TRUE))
        (found,) = advances(states)
        assert found.on_grid(QUARTER) is meant


def test_what_a_coarse_register_says() -> None:
    assert "unless two digits are no more than a tenth of them" in PAGE
    before, holes, after = end(DAY, "02:00"), [end(DAY, "02:15")], end(DAY, "02:30")
    values = [Value(at, 900, Decimal(2), RawStatus.TRUE) for at in (before, after)]
    series = Series(POINT, Layer.INTERVAL, (values[0], missing(holes[0], 900), values[1]))
    for digit, expected in (("0.10", "2.01"), ("0.11", "2")):
        known = (Advance(before, holes[0], Decimal("2.01"), (), Decimal(digit)),)
        found = substituted(Basis(series, advances=known), DAY, ON, LATER).by_end()[holes[0]]
        assert found.amount == Decimal(expected)


def test_billing_periods() -> None:
    later = datetime(2029, 1, 1, tzinfo=LATER.tzinfo)
    for wanted, known, expected in table("missing | known | substitute"):
        empty, days = period(wanted.split(",")[0], None)
        assert wanted.endswith(f"{days} days")
        other, others = period(known.split(":")[0], Decimal(known.split(": ")[1].split()[0]))
        assert known.endswith(f"in {others} days")
        assert f"{period_substituted(empty, [other], ON, later).amount} kWh" == expected


def period(name: str, amount: Decimal | None) -> tuple[Value, int]:
    month, year = MONTHS[name.split()[0]], int(name.split()[1])
    first, after = date(year, month, 1), date(year, month + 1, 1)
    start, at = instant(first, time(0)), instant(after, time(0))
    seconds = int((at - start).total_seconds())
    value = missing(at, seconds) if amount is None else Value(at, seconds, amount, RawStatus.TRUE)
    return value, (after - first).days


def test_checks_of_estimates() -> None:
    rows = table("check | in Czech | in English")
    assert rows == [[f"`{one.text}`", one.said("XXX", "cs"), one.said("XXX")] for one in EstimateCheck]


def test_checks_and_states_by_hand() -> None:
    rows = table("check | in Czech, as the network operator's portal says it | in English")
    names = {"eic": "XXX", "measured": "xxx", "length": "15"}
    assert rows == [[f"`{one.text}`", *(text.format(**names) for text in one.value)] for one in Check]
    assert table("state | in Czech | then") == [
        [f"`{state.value}`", state.czech, then]
        for state, then in zip(State, ("`sent` or `superseded`", "`accepted` or `rejected`", "", "", ""), strict=True)
    ]
