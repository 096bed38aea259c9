"""docs/metering/validation.md: its tables are those of the code, and its examples come out."""

import re
from decimal import Decimal

import pytest

from gatewayd.metering.accuracy import CLASSES
from gatewayd.metering.control import Metering, Verdict, compare
from gatewayd.metering.findings import Rule, shown
from gatewayd.metering.limits import energy_in, maximum_kva
from gatewayd.metering.points import Rated
from gatewayd.metering.rules import options, rules_of
from gatewayd.metering.values import Channel, Layer, Series, Value
from gatewayd.model import RawStatus
from scripts.validation_rules import COMMON, PAGE, meaning, page
from tests.gatewayd.metering.seen import DAY, ENERGY, at

TEXT = PAGE.read_text(encoding="utf-8")


def number(text: str) -> Decimal:
    return Decimal(re.sub(r"[^\d.]", "", text))


def test_the_tables_are_those_of_the_code() -> None:
    assert page(TEXT) == TEXT, "run: python -m scripts.validation_rules"
    for rule in Rule:
        for name, _, _ in options(rule):
            assert name in COMMON or len(meaning(rule, name)) > 10, f"{rule.value}: {name} has no words"


def test_the_greatest_powers_come_out() -> None:
    rows = re.findall(r"\| (\d+) A, (\d+) V, (\d) phases? \| (\d+) \| ([\d.]+) kVA \| ([\d.]+) kWh \|", TEXT)
    assert len(rows) == 3
    for current, voltage, phases, factor, power, energy in rows:
        found = maximum_kva(Rated(Decimal(current), Decimal(voltage), int(phases)), Decimal(factor))
        assert round(found, 3) == Decimal(power)
        assert round(energy_in(found, 900), len(energy.partition(".")[2])) == Decimal(energy)


def test_the_comparisons_come_out() -> None:
    rows = re.findall(r"^\| ([\d ]+) kWh \| ([\d ]+) kWh \| (\d+) kWh \| (\d+) kWh \| (\w+) \|$", TEXT, re.MULTILINE)
    assert len(rows) == 2
    for main, control, difference, limit, verdict in rows:
        pair = [
            Metering(
                Series(
                    Channel(point, ENERGY.obis, "kWh"),
                    Layer.INTERVAL,
                    (Value(at("2026-11-25 00:00"), 86400, number(amount), RawStatus.TRUE),),
                ),
                CLASSES["0.5"],
            )
            for point, amount in (("north", main), ("north-control", control))
        ]
        (one,) = compare(pair[0], pair[1], Layer.DAY, DAY, DAY).comparisons
        assert (shown(one.difference), shown(one.limit)) == (difference, limit)
        assert one.verdict is (Verdict.ALARM if verdict == "ALARM" else Verdict.OK)


def test_the_configuration_of_the_page_is_one() -> None:
    assert rules_of(
        {
            "zero": {"enabled": False},
            "above_maximum": {"times": "1.2", "severity": "warning"},
            "verification": {"ahead": [365, 90]},
        }
    ).verification.ahead == (365, 90)
    for line in ("zero: {enabled: false}", 'above_maximum: {times: "1.2", severity: warning}', "{ahead: [365, 90]}"):
        assert line in TEXT


@pytest.mark.parametrize(
    "words", ["180, 90 and 30", "four weeks before", "at least two\n  days", "355 569 + 1 343 769"]
)
def test_the_words_have_the_numbers_of_the_code(words: str) -> None:
    assert words in TEXT
    rules = rules_of({})
    assert rules.verification.ahead == (180, 90, 30) and rules.zero.weeks == rules.comparable.weeks == 4
    assert rules.zero.least_days == rules.comparable.least_days == 2 and 355569 + 1343769 == 1699338
