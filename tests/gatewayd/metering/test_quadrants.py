"""Directions, quadrants and their codes, and whether sums of quadrants are what the meter says."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewayd.metering.quadrants import (
    Disagreement,
    Quadrant,
    Quantity,
    code_of,
    directions,
    disagreements,
    made_of_parts,
    parts_of,
    quadrant,
    quadrant_of_angle,
    quantity,
)
from gatewayd.metering.values import Channel, Layer, Series
from gatewayd.model import RawStatus
from gatewayd.obis import Obis
from tests.gatewayd.metering.series_made import SUMMER, changed, day_of, value, without


def code(text: str) -> Obis:
    return Obis.parse(f"1-0:{text}.29.0")


def point(**amounts: str) -> dict[Obis, Series]:
    """Series of quarter-hours, by group C with a C before it."""
    found = {}
    for name, text in amounts.items():
        obis = code(name[1:])
        found[obis] = Series(Channel("north", obis, "kvarh"), Layer.INTERVAL, day_of(SUMMER, text).values)
    return found


@pytest.mark.parametrize(
    ("active", "reactive", "degrees", "expected"),
    [
        (5, 2, 30, Quadrant.I),
        (-5, 2, 150, Quadrant.II),
        (-5, -2, 200, Quadrant.III),
        (5, -2, 330, Quadrant.IV),
        (5, 0, 0, None),
        (0, 5, 90, None),
        (-5, 0, 180, None),
    ],
)
def test_quadrants(active: int, reactive: int, degrees: int, expected: Quadrant | None) -> None:
    assert quadrant(Decimal(active), Decimal(reactive)) is expected
    for turns in (-720, -360, 0, 360):
        assert quadrant_of_angle(Decimal(degrees + turns)) is expected


@given(st.decimals(-1000, 1000, places=3))
def test_the_sign_of_reactive_energy_is_that_of_the_angle(degrees: Decimal) -> None:
    found = quadrant_of_angle(degrees)
    if found is not None:
        assert (found in (Quadrant.I, Quadrant.II)) == (0 < degrees % 360 + (360 if degrees % 360 < 0 else 0) < 180)


def test_codes_and_what_they_mean() -> None:
    texts = {str(c): quantity(code(str(c))) for c in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 15, 16)}
    assert [found[0].text for found in texts.values() if found] == (
        "+A -A +R -R QI QII QIII QIV +S -S |+A|+|-A| |+A|-|-A|".split()
    )
    assert quantity(code("28")) == (Quantity.R_4, 1)
    assert quantity(code("62")) == (Quantity.MINUS_A, 3)
    assert [quantity(code(text)) for text in ("0", "13", "31", "81", "99")] == [None] * 5
    assert quantity(Obis.parse("7-0:3.0.0")) is None


def test_codes_of_the_same_phase_and_kind() -> None:
    assert str(code_of(Obis.parse("1-1:43.8.2"), Quantity.R_1)) == "1-1:45.8.2*255"
    one, minus = Decimal(1), Decimal(-1)
    assert parts_of(code("3")) == ((code("5"), one), (code("6"), one))
    assert parts_of(code("4")) == ((code("7"), one), (code("8"), one))
    assert parts_of(code("16")) == ((code("1"), one), (code("2"), minus))
    assert parts_of(code("64")) == ((code("67"), one), (code("68"), one))
    assert parts_of(code("1")) == parts_of(Obis.parse("0-0:96.1.0")) == ()
    with pytest.raises(ValueError, match=r"7-0:3\.0\.0\*255 is no code of active or reactive energy"):
        code_of(Obis.parse("7-0:3.0.0"), Quantity.R_1)


def test_reactive_energy_of_a_meter_that_has_quadrants_only() -> None:
    series = point(c5="1.5", c6="0.25", c7="1")
    made = made_of_parts(code("3"), series)
    assert made is not None
    assert (made.channel, made.values[0].amount, made.values[0].status) == (
        Channel("north", code("3"), "kvarh"),
        Decimal("1.75"),
        RawStatus.TRUE,
    )
    assert made_of_parts(code("4"), series) is None  # QIV is not there
    assert made_of_parts(code("5"), series) is None
    assert made_of_parts(code("3"), series | point(c3="1.75")) is None  # the meter's own is


def test_what_agrees_and_what_does_not() -> None:
    series = point(c3="1.75", c5="1.5", c6="0.25", c4="1", c7="0.4", c8="0.5", c15="9")
    found = disagreements(series)
    assert {one.obis for one in found} == {code("4")}
    assert len(found) == 96
    at = series[code("4")].values[0].at
    assert found[0] == Disagreement(code("4"), at, Decimal(1), Decimal("0.9"))
    assert found[0].difference == Decimal("0.1")
    assert disagreements(series, Decimal("0.1")) == ()
    assert disagreements(series, Decimal("0.09")) != ()


def test_net_energy_has_signs() -> None:
    assert disagreements(point(c1="5", c2="7", c15="12", c16="-2")) == ()
    assert {one.obis for one in disagreements(point(c1="5", c2="7", c15="2", c16="12"))} == {code("15"), code("16")}


def test_what_is_missing_is_not_compared() -> None:
    series = point(c3="2", c5="1.5", c6="0.25")
    ends = [one.at for one in series[code("3")].values]
    series[code("3")] = changed(series[code("3")], ends[0], value(ends[0], None))
    series[code("5")] = without(series[code("5")], ends[1])
    series[code("6")] = changed(series[code("6")], ends[2], value(ends[2], None))
    part = value(ends[3], "0.1", RawStatus.MISSING)  # of a sum, and not all of it
    series[code("6")] = changed(series[code("6")], ends[3], part)
    assert [one.at for one in disagreements(series)] == ends[4:]


def test_series_of_a_point_by_direction() -> None:
    series = point(c1="1", c2="2", c21="3", c31="4")
    assert {what.text: str(one.channel.obis.c) for what, one in directions(series.values()).items()} == {
        "+A": "1",
        "-A": "2",
    }
