"""Formulas (1) to (7) of the annex on losses: every worked example of the reference notes to all printed digits."""

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewayd.metering.losses import (
    Load,
    Losses,
    Nameplate,
    flat_losses,
    interval_losses,
    losses_of_profile,
    losses_of_registers,
)

D = Decimal
HOUR, QUARTER = 3600, 900
BIG = Nameplate(D(1000), D(2), D(10))
LOCAL = Nameplate(D(630), D("1.2"), D("6.75"))


def loads(powers: Sequence[tuple[int, int]], seconds: int) -> list[Load]:
    """Intervals of these mean powers, kW and kvar."""
    part = Decimal(seconds) / HOUR
    return [Load(active * part, reactive * part, seconds) for active, reactive in powers]


def shown(value: Decimal | None, like: str) -> str:
    """The value with as many digits as the printed one."""
    assert value is not None
    return format(value.quantize(Decimal(like)), "f")


def check(found: Losses, **printed: str) -> None:
    for name, text in printed.items():
        assert shown(getattr(found, name), text) == text, name


FOUR = [(300, 400), (400, 300), (0, 0), (300, 0)]


def test_profile_by_hours() -> None:
    found = losses_of_profile(BIG, loads(FOUR, HOUR))
    check(found, peak_kva="500", hours="4", full_hours="2.36", power_kw="4.5", energy_kwh="13.9", measured_kwh="1000")
    check(found, percent="1.39")
    assert found.energy_kwh == D("13.9") and found.percent == D("1.39") and found.use_hours is None


def test_the_same_values_as_quarter_hours() -> None:
    found = losses_of_profile(BIG, loads(FOUR, QUARTER))
    check(found, hours="1", full_hours="0.59", energy_kwh="3.475", measured_kwh="250", percent="1.39")
    assert found.energy_kwh == D("3.475") and found.percent == D("1.39")


DAY = [(100, 30)] * 32 + [(300, 100)] * 48 + [(400, 150)] * 16


@pytest.mark.parametrize("seconds", [QUARTER, HOUR])
def test_a_day_of_a_transformer_of_630_kva(seconds: int) -> None:
    powers = DAY if seconds == QUARTER else DAY[::4]
    found = losses_of_profile(LOCAL, loads(powers, seconds))
    check(found, peak_kva="427.200187", hours="24", full_hours="11.053150685", power_kw="4.303741")
    check(found, energy_kwh="63.106122", measured_kwh="6000", percent="1.051769")


def test_registers_of_a_year() -> None:
    found = losses_of_registers(Nameplate(D(400), D("0.6"), D("4.6")), D(876_000), D(200), D(8760))
    check(found, peak_kva="200", use_hours="4380", full_hours="2628", power_kw="1.75", energy_kwh="8278.2")
    check(found, percent="0.945")
    assert found.energy_kwh == D("8278.2") and found.percent == D("0.945")


def test_registers_with_a_power_factor() -> None:
    found = losses_of_registers(LOCAL, D(1_200_000), D(380), D(8760), D("0.95"))
    check(found, peak_kva="400", use_hours="3157.894737", full_hours="1542.291200", power_kw="3.921088")
    check(found, energy_kwh="14708.710749", percent="1.225726")


def test_full_load_all_the_time_is_full_losses_all_the_time() -> None:
    """T_m = T_p gives T_d = T_p: the two constants of formula (4) are 1 together."""
    found = losses_of_registers(BIG, D(8_760_000), D(1000), D(8760))
    assert found.full_hours == found.use_hours == D(8760)


def test_no_load_has_no_percentage() -> None:
    idle = losses_of_profile(BIG, loads([(0, 0)] * 4, QUARTER))
    assert (idle.peak_kva, idle.full_hours, idle.energy_kwh, idle.percent) == (D(0), D(0), D(2), None)
    switched_off = losses_of_registers(BIG, D(0), D(0), D(24))
    assert (switched_off.full_hours, switched_off.energy_kwh, switched_off.percent) == (D(0), D(48), None)


def test_nothing_has_no_losses() -> None:
    found = losses_of_profile(BIG, [])
    assert (found.hours, found.energy_kwh, found.percent) == (D(0), D(0), None)


def test_reactive_load_alone_loses_energy_but_has_no_percentage() -> None:
    found = losses_of_profile(BIG, loads([(0, 500)], HOUR))
    assert (found.energy_kwh, found.percent) == (D("4.5"), None)


def test_what_is_supplied_loses_as_much_as_what_is_taken() -> None:
    taken, supplied = (losses_of_profile(BIG, loads([(sign * 300, 400)], HOUR)) for sign in (1, -1))
    assert taken == supplied


@pytest.mark.parametrize("kind, expected", [("2", "20.0000"), ("4", "40.0000")])
def test_flat_losses_keep_all_digits(kind: str, expected: str) -> None:
    assert str(flat_losses(D("1000.00"), D(kind))) == expected
    assert flat_losses(D("0.001"), D("1.051769")) == D("0.00001051769")


@pytest.mark.parametrize(
    "energy, peak, hours, factor, said",
    [
        ("9000", "1", "8760", "1", "look at the agreed peak"),
        ("1", "0", "24", "1", "look at the agreed peak"),
        ("1", "1", "0", "1", "the period has 0 hours"),
        ("1", "1", "24", "0", "cos phi is 0"),
        ("1", "1", "24", "1.01", "cos phi is 1.01"),
        ("-1", "1", "24", "1", "expected 0 or more"),
        ("1", "NaN", "24", "1", "expected numbers"),
    ],
)
def test_what_cannot_be_is_refused(energy: str, peak: str, hours: str, factor: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        losses_of_registers(BIG, D(energy), D(peak), D(hours), D(factor))


@pytest.mark.parametrize("rated, no_load, load", [("0", "1", "1"), ("630", "-1", "1"), ("630", "1", "NaN")])
def test_no_transformer_is_like_that(rated: str, no_load: str, load: str) -> None:
    with pytest.raises(ValueError, match="of the transformer"):
        Nameplate(D(rated), D(no_load), D(load))


energies = st.decimals(-2000, 2000, places=3)
several = st.lists(st.builds(Load, energies, energies, st.sampled_from([300, 420, 900, 3600])), min_size=1, max_size=9)


@settings(max_examples=60, deadline=None)
@given(several)
def test_losses_of_intervals_are_those_of_the_period(found: list[Load]) -> None:
    """(2) with (3) put in, against exact fractions, and the sum of the intervals against both."""
    plate = LOCAL
    whole = losses_of_profile(plate, found)
    hours = [Fraction(one.seconds, HOUR) for one in found]
    squares = [
        (Fraction(one.active) ** 2 + Fraction(one.reactive) ** 2) / dt**2 for one, dt in zip(found, hours, strict=True)
    ]
    top = max(squares)
    full = sum((square * dt for square, dt in zip(squares, hours, strict=True)), Fraction(0)) / top if top else 0
    load_kw = Fraction(plate.load_kw) * top / Fraction(plate.rated_kva) ** 2
    exact = Fraction(plate.no_load_kw) * sum(hours) + load_kw * full
    parts = sum(Fraction(interval_losses(plate, one)) for one in found)
    nearly = Fraction(1, 10**25)
    assert abs(Fraction(whole.energy_kwh) - exact) < nearly
    assert abs(parts - exact) < nearly


def test_the_examples_of_the_document() -> None:
    document = (Path(__file__).parents[3] / "docs/metering/losses.md").read_text(encoding="utf-8")
    rows = [line.strip("| ").split(" | ") for line in document.split("## Examples")[1].splitlines() if line[:1] == "|"]
    examples = [
        losses_of_profile(BIG, loads(FOUR, HOUR)),
        losses_of_profile(BIG, loads(FOUR, QUARTER)),
        losses_of_profile(LOCAL, loads(DAY, QUARTER)),
        losses_of_registers(Nameplate(D(400), D("0.6"), D("4.6")), D(876_000), D(200), D(8760)),
        losses_of_registers(LOCAL, D(1_200_000), D(380), D(8760), D("0.95")),
    ]
    names = ("peak_kva", "full_hours", "power_kw", "energy_kwh", "percent")
    for (_, *cells), found in zip(rows[2:], examples, strict=True):
        check(found, **dict(zip(names, cells, strict=True)))
