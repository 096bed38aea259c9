"""What a digit of an interval is worth, as the readings show it, where the amounts of a constant load do not."""

from datetime import date
from decimal import Decimal

import pytest

from gatewayd.legal_time import day_bounds
from gatewayd.metering.accuracy import class_of, reactive_class
from gatewayd.metering.control import Metering, with_digit
from gatewayd.metering.points import Accuracy, Installed, MeteringPoint
from gatewayd.metering.registers import registers
from gatewayd.metering.resolution import resolution
from gatewayd.metering.values import Channel
from gatewayd.model import Archived, Kind, Ratio
from gatewayd.obis import Obis
from tests.gatewayd.metering.archived_rows import row
from tests.gatewayd.metering.seen import DAY, ENERGY, at, flat

POINT = MeteringPoint("north", installed=(Installed("em-1"),))
HIGH = Ratio("200/5", "22000/100")
SPAN = day_bounds(DAY)


def read(seq: int, label: str, text: str, code: str = "1-0:1.29.0", unit: str = "kWh", ratio: Ratio = HIGH) -> Archived:
    return row(seq, at(label), text, obis=Obis.parse(code), unit=unit, ratio=ratio)


@pytest.mark.parametrize(
    ("code", "texts", "unit", "worth"),
    [
        ("1-0:1.29.0", ("0.125", "0.125"), "kWh", "8.8"),
        ("1-0:1.29.0", ("125", "126"), "Wh", "8.8"),
        ("1-0:1.29.0", ("0", "0.125"), "kWh", "8.8"),
        ("1-0:1.5.0", ("0.50", "0.50"), "kW", "22"),
        ("1-0:1.8.0", ("100.1", "100.2"), "kWh", "880"),
    ],
)
def test_the_finest_digit_of_the_readings_times_the_ratio(
    code: str, texts: tuple[str, str], unit: str, worth: str
) -> None:
    """A digit of mean power is one of so much energy: 0.01 kW in a quarter-hour are 0.0025 kWh."""
    readings = [read(n, f"2026-11-24 00:{15 * n}", text, code, unit) for n, text in enumerate(texts, 1)]
    assert resolution(POINT, readings, ENERGY.obis, *SPAN) == Decimal(worth)
    assert resolution(POINT, readings[::-1], ENERGY.obis, *SPAN) == Decimal(worth)


def test_only_what_counts_is_looked_at() -> None:
    coarse = read(1, "2026-11-24 00:15", "100", "1-0:1.8.0")
    fine = read(2, "2026-11-24 00:15", "0.125")
    assert resolution(POINT, [coarse, fine], ENERGY.obis, *SPAN) == Decimal("8.8"), "the first source"
    assert resolution(POINT, [read(1, "2026-11-23 23:45", "0.125")], ENERGY.obis, *SPAN) is None
    assert resolution(POINT, [read(1, "2026-11-24 00:15", "")], ENERGY.obis, *SPAN) is None
    other = MeteringPoint("south", installed=(Installed("em-9"),))
    assert resolution(other, [fine], ENERGY.obis, *SPAN) is None
    configured = MeteringPoint(
        "north", installed=(Installed("em-1", ratios=(Ratio("100/5", since=date(2020, 1, 1)),)),)
    )
    assert resolution(configured, [fine], ENERGY.obis, *SPAN) == Decimal("0.02")
    noon = Ratio("200/5", since=at("2026-11-24 12:00"))
    changing = MeteringPoint(
        "north", installed=(Installed("em-1", ratios=(Ratio("100/5", since=date(2020, 1, 1)), noon)),)
    )
    late = read(3, "2026-11-24 12:15", "0.125")
    assert resolution(changing, [fine, late], ENERGY.obis, *SPAN) == Decimal("0.04"), "the higher one"


def test_a_sum_of_quadrants_has_the_digits_of_both() -> None:
    parts = [
        read(n, "2026-11-24 00:15", "0.01", code, "kvarh") for n, code in enumerate(("1-0:5.29.0", "1-0:6.29.0"), 1)
    ]
    assert resolution(POINT, parts, Obis.parse("1-0:3.29.0"), *SPAN) == Decimal("176.00")
    assert resolution(POINT, parts[:1], Obis.parse("1-0:3.29.0"), *SPAN) is None


def test_a_register_knows_the_digit_of_each_state() -> None:
    texts = ("100", "112.086", "113.5")
    states = [
        row(
            n,
            at(f"2026-11-24 0{n}:00"),
            text,
            obis=Obis.parse("1-0:1.8.0"),
            seconds=None,
            kind=Kind.REGISTER,
            ratio=HIGH,
        )
        for n, text in enumerate(texts)
    ]
    ((one,), _) = registers(POINT, states, Channel("north", ENERGY.obis, "kWh"))
    assert [one.digit_at(each.at) for each in one.states] == [Decimal(8800), Decimal("8.8"), Decimal(880)]
    assert one.digit == 8800


def test_control_metering_is_compared_by_the_digits_that_its_readings_have() -> None:
    metering = Metering(flat("1100.000"), reactive_class("2"))
    assert with_digit(POINT, metering, [read(1, "2026-11-24 00:15", "0.125")], *SPAN).digit == Decimal("8.8")
    assert with_digit(POINT, metering, [], *SPAN) is metering
    coarse = Metering(flat("1100"), reactive_class("2"))
    assert with_digit(POINT, coarse, [read(1, "2026-11-24 00:15", "0.00001")], *SPAN).digit == 1, (
        "what they show besides"
    )


@pytest.mark.parametrize(
    ("code", "accuracy", "name"),
    [
        ("1-0:1.29.0", Accuracy("0.5S"), "0.5S"),
        ("1-0:22.29.0", Accuracy("0.5S", reactive="2"), "0.5S"),
        ("1-0:3.29.0", Accuracy("0.5S", reactive="3"), "3"),
        ("1-0:48.29.0", Accuracy("0.5S", reactive="1S"), "1S"),
        ("1-0:5.29.0", Accuracy("0.5S"), None),
        ("1-0:9.29.0", Accuracy("0.5S", reactive="2"), None),
        ("1-0:1.29.0", Accuracy(reactive="2"), None),
        ("7-0:3.29.0", Accuracy("1"), "1"),
    ],
)
def test_reactive_energy_has_a_class_of_its_own(code: str, accuracy: Accuracy, name: str | None) -> None:
    found = class_of(accuracy, Obis.parse(code))
    assert (None if found is None else found.name) == name


def test_a_class_of_reactive_energy_is_none_of_active_energy() -> None:
    assert reactive_class("3").percent == 3 and reactive_class("1s").percent == 1
    with pytest.raises(ValueError, match=r"expected one of 0\.5S, 0\.5, 1S, 1, 2, 3"):
        reactive_class("0.2")
