"""Rule `quadrants`, and +R of a meter that has quadrants only."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from gatewayd.metering.findings import Finding, Rule, Severity
from gatewayd.metering.points import Installed, MeteringPoint
from gatewayd.metering.quadrant_channels import completed_sums, related, wholes_of, with_parts
from gatewayd.metering.rule_quadrants import QuadrantsTerms, check
from gatewayd.metering.rules import rules_of
from gatewayd.metering.validation import Seen, validated_day
from gatewayd.metering.values import Channel, Layer, Series
from gatewayd.model import RawStatus
from gatewayd.obis import Obis
from tests.gatewayd.metering.series_made import SUMMER, changed, day_of, value


def code(group: int) -> Obis:
    return Obis.parse(f"1-0:{group}.29.0")


PLUS_R, Q1, Q2 = code(3), code(5), code(6)


def series(group: int, text: str | Sequence[str | None], unit: str = "kvarh") -> Series:
    texts = [text] if isinstance(text, str) else text
    return Series(Channel("north", code(group), unit), Layer.INTERVAL, day_of(SUMMER, texts).values)


def found(*parts: Series, terms: QuadrantsTerms | None = None) -> list[Finding]:
    return list(check({one.channel.obis: one for one in parts}, terms or QuadrantsTerms()))


def test_one_digit_of_each_register_is_no_fault() -> None:
    whole = ["0.300", "0.301"]
    assert found(series(3, whole), series(5, ["0.100", "0.101"]), series(6, ["0.197", "0.199"])) == []
    (one,) = found(series(3, whole), series(5, ["0.100", "0.101"]), series(6, ["0.196", "0.199"]))[:1]
    assert (one.rule, one.obis, one.layer, one.severity) == (Rule.QUADRANTS, PLUS_R, Layer.INTERVAL, Severity.WARNING)
    assert (one.amount, one.limit, one.unit) == (Decimal("0.300"), Decimal("0.296"), "kvarh")
    assert (
        found(series(3, "0.300"), series(5, "0.100"), series(6, "0.196"), terms=QuadrantsTerms(digits=Decimal(2))) == []
    )


def test_intervals_that_follow_each_other_are_one_finding() -> None:
    bad: list[str | None] = ["0.100"] * 96
    bad[10:13] = ["0.500", "0.600", "0.500"]
    bad[40] = "0.500"
    one, other = found(series(3, "0.200"), series(5, bad), series(6, "0.100"))
    assert (one.end - one.start, other.end - other.start) == (timedelta(minutes=45), timedelta(minutes=15))
    assert (one.amount, one.limit) == (Decimal("0.600"), Decimal("1.900"))
    assert (
        "+R is 0.6 kvarh, its parts QI, QII are 1.9 kvarh together in 3 intervals, one alone is off by 0.5" in one.text
    )


def test_only_what_is_true_and_there_is_compared() -> None:
    parts = series(5, "0.100"), series(6, "0.100")
    assert found(series(3, "0.900"), parts[0]) == [], "one part alone"
    assert found(series(3, "0.900", "kWh"), *parts) == [], "another unit"
    missing = series(3, [None])
    assert found(missing, *parts) == []
    at = parts[0].values[5].at
    wrong = changed(series(3, "0.200"), at, value(at, "0.900", RawStatus.DISTORTED))
    assert found(wrong, *parts) == []
    assert len(found(changed(series(3, "0.200"), at, value(at, "0.900")), *parts)) == 1


def test_it_is_one_of_the_rules_of_a_day() -> None:
    point = MeteringPoint("north", installed=(Installed("em-1"),))
    seen = Seen(point, (series(3, "0.900"), series(5, "0.100"), series(6, "0.100")))
    done = validated_day(seen, SUMMER, rules_of({}))
    (one,) = [each for each in done.findings if each.rule is Rule.QUADRANTS]
    assert one.end - one.start == timedelta(days=1)
    by_code = {each.channel.obis: each for each in done.series}
    assert {each.rules for each in by_code[PLUS_R].values} == {("quadrants",)}
    assert all(each.status is RawStatus.TRUE for each in by_code[PLUS_R].values)
    assert {each.rules for each in by_code[Q1].values} == {()}
    assert not validated_day(seen, SUMMER, rules_of({"quadrants": {"enabled": False}})).findings
    worse = validated_day(seen, SUMMER, rules_of({"quadrants": {"severity": "error"}}))
    assert {each.status for each in worse.series[0].values} == {RawStatus.DISTORTED}


def test_plus_r_is_made_of_quadrants_where_it_is_wanted_and_not_there() -> None:
    assert with_parts((code(1), PLUS_R)) == (code(1), PLUS_R, Q1, Q2)
    empty = replace(series(3, "1"), values=())
    parts = series(5, "0.100"), series(6, "0.050")
    (made,) = completed_sums((PLUS_R,), (empty, *parts))
    assert {one.amount for one in made.values} == {Decimal("0.150")} and made.channel.unit == "kvarh"
    (kept,) = completed_sums((PLUS_R,), (series(3, "0.7"), *parts))
    assert {one.amount for one in kept.values} == {Decimal("0.7")}, "what the meter has itself counts"
    (alone,) = completed_sums((PLUS_R,), (empty, parts[0], replace(parts[1], values=())))
    assert alone.values == ()
    assert completed_sums((), parts) == parts


def test_what_is_judged_together() -> None:
    known = {code(1), PLUS_R, Q1, Q2}
    assert related([Q1], known) == {PLUS_R, Q1, Q2}
    assert related([PLUS_R], known) == {PLUS_R, Q1, Q2}
    assert related([code(1)], known) == {code(1)}
    assert related([Q1], {PLUS_R, Q1}) == {Q1}, "not without all of them"
    assert wholes_of(Q1) == (PLUS_R,) and set(wholes_of(code(1))) == {code(15), code(16)}
    assert wholes_of(Obis.parse("7-0:3.0.0")) == ()
