"""Losses as a series of a point: what is made of which values, and with which status."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewayd.legal_time import day_bounds
from gatewayd.metering.loss_series import calculated_series, losses_of_point, nameplate, period_losses
from gatewayd.metering.losses import Nameplate
from gatewayd.metering.points import SupplyTransformer, TransformerKind
from gatewayd.metering.values import Channel, Layer, Method, Series, Value
from gatewayd.model import Flag, RawStatus
from gatewayd.obis import Obis
from tests.gatewayd.metering.series_made import AUTUMN, EXPORT, IMPORT, SPRING, SUMMER, changed, day_of, without

D = Decimal
PLUS_R, MINUS_R, Q1, Q4 = (Obis.parse(f"1-0:{c}.29.0") for c in (3, 4, 5, 8))
CALCULATED = SupplyTransformer(TransformerKind.VN_NN, None, D(1000), D(2), D(10))
PLATE = Nameplate(D(1000), D(2), D(10))


def under(code: Obis, series: Series) -> Series:
    unit = "kWh" if code.c < 3 else "kvarh"
    return Series(Channel("north", code, unit), series.layer, series.values)


def point(day: Sequence[tuple[Obis, str]]) -> dict[Obis, Series]:
    return {code: under(code, day_of(SUMMER, amount)) for code, amount in day}


def amounts(series: Series) -> set[Decimal | None]:
    return {one.amount for one in series.values}


@pytest.mark.parametrize(
    "transformer, amount",
    [
        (SupplyTransformer(TransformerKind.VVN_VN), "0.50"),
        (SupplyTransformer(TransformerKind.VN_NN), "1.00"),
        (SupplyTransformer(TransformerKind.VN_NN, D("1.5")), "0.375"),
    ],
)
def test_flat_losses_are_a_series_for_each_direction(transformer: SupplyTransformer, amount: str) -> None:
    taken, supplied = losses_of_point(transformer, point([(IMPORT, "25"), (EXPORT, "10"), (PLUS_R, "5")]))
    assert (taken.channel.obis, taken.layer, len(taken.values)) == (IMPORT, Layer.LOSS, 96)
    assert (supplied.channel.obis, supplied.channel.unit) == (EXPORT, "kWh")
    assert amounts(taken) == {D(amount)}
    assert amounts(supplied) == {D(amount) * 10 / 25}
    assert taken.values[0].method is Method.LOSS and "% of the energy" in taken.values[0].reason


def test_flat_losses_carry_what_the_energy_was() -> None:
    day = day_of(SUMMER, "25")
    at = [one.at for one in day.values]
    odd = msgspec.structs.replace(
        day.values[1], status=RawStatus.SUBSTITUTE, flags=Flag.LATE, rules=("zero",), inputs=(4, 9)
    )
    part = Value(at[2], 900, D(8), RawStatus.MISSING, have=1, want=3)
    gone = msgspec.structs.replace(day.values[3], amount=None, status=RawStatus.MISSING, inputs=(7,))
    for one in (odd, part, gone):
        day = changed(day, one.at, one)
    found = losses_of_point(SupplyTransformer(), {IMPORT: day})[0].values
    assert (found[1].status, found[1].flags, found[1].rules, found[1].inputs) == (
        RawStatus.SUBSTITUTE,
        Flag.LATE,
        ("zero",),
        (4, 9),
    )
    assert (found[2].amount, found[2].status, found[2].have, found[2].want) == (D("0.32"), RawStatus.MISSING, 1, 3)
    assert (found[3].amount, found[3].status, found[3].method, found[3].inputs) == (
        None,
        RawStatus.MISSING,
        Method.NONE,
        (7,),
    )


def test_calculated_losses_of_the_worked_example() -> None:
    """400 kW and 300 kvar make 500 kVA: 2 kW and a quarter of 10 kW for a quarter of an hour."""
    (found,) = losses_of_point(CALCULATED, point([(IMPORT, "100"), (PLUS_R, "75")]))
    assert (found.channel, found.layer) == (Channel("north", IMPORT, "kWh"), Layer.LOSS)
    assert amounts(found) == {D("1.125")}
    assert {(one.have, one.want, one.method) for one in found.values} == {(1, 1, Method.LOSS)}


@pytest.mark.parametrize(
    "what",
    [
        [(IMPORT, "100"), (PLUS_R, "80"), (MINUS_R, "5")],
        [(IMPORT, "110"), (EXPORT, "10"), (MINUS_R, "75")],
        [(EXPORT, "100"), (PLUS_R, "75")],
        [(IMPORT, "100"), (Q1, "75"), (Q4, "0")],
        [(IMPORT, "100"), (Q4, "75")],
        [(IMPORT, "100"), (PLUS_R, "75"), (Q1, "999")],
    ],
)
def test_both_directions_and_quadrants_are_one_load(what: list[tuple[Obis, str]]) -> None:
    (found,) = losses_of_point(CALCULATED, point(what))
    assert amounts(found) == {D("1.125")} and found.channel.obis == IMPORT


def test_calculated_losses_need_both_whole() -> None:
    series = point([(IMPORT, "100"), (PLUS_R, "75")])
    at = [one.at for one in series[IMPORT].values]
    series[PLUS_R] = without(series[PLUS_R], at[1])
    series[IMPORT] = changed(
        series[IMPORT], at[2], Value(at[2], 900, D(60), RawStatus.MISSING, inputs=(1,), have=1, want=2)
    )
    series[PLUS_R] = changed(
        series[PLUS_R], at[3], msgspec.structs.replace(series[PLUS_R].values[2], at=at[3], status=RawStatus.DISTORTED)
    )
    found = losses_of_point(CALCULATED, series)[0].values
    assert [one.status for one in found[:5]] == [
        RawStatus.TRUE,
        RawStatus.MISSING,
        RawStatus.MISSING,
        RawStatus.DISTORTED,
        RawStatus.TRUE,
    ]
    assert [one.amount is None for one in found[:5]] == [False, True, True, False, False]
    assert "no reactive energy" in found[1].reason and "no whole active" in found[2].reason
    assert found[2].inputs[0] == 1 and found[1].inputs == series[IMPORT].values[1].inputs


def test_calculated_losses_are_made_of_both() -> None:
    at = day_of(SUMMER, "1").values[0].at
    active = Value(at, 900, D(100), RawStatus.TRUE, Flag.LATE, (1, 3), rules=("zero",))
    reactive = Value(at, 900, D(75), RawStatus.SUBSTITUTE, Flag.DST, (2,), rules=("backward",))
    taken = Series(Channel("north", IMPORT, "kWh"), Layer.INTERVAL, (active,))
    beside = Series(Channel("north", PLUS_R, "kvarh"), Layer.INTERVAL, (reactive,))
    (found,) = calculated_series(taken, beside, PLATE).values
    assert (found.amount, found.status, found.flags) == (D("1.125"), RawStatus.SUBSTITUTE, Flag.LATE | Flag.DST)
    assert (found.inputs, found.rules) == ((1, 2, 3), ("backward", "zero"))
    part = msgspec.structs.replace(reactive, status=RawStatus.MISSING)
    (found,) = calculated_series(taken, replace(beside, values=(part,)), PLATE).values
    assert (found.amount, found.status, found.inputs) == (None, RawStatus.MISSING, (1, 2, 3))


def test_without_reactive_energy_the_reason_tells_what_to_do() -> None:
    (found,) = losses_of_point(CALCULATED, point([(IMPORT, "100")]))
    assert amounts(found) == {None} and "set the losses in per cent" in found.values[0].reason


def test_a_point_without_active_energy_has_no_losses() -> None:
    assert losses_of_point(CALCULATED, point([(PLUS_R, "1")])) == ()
    assert losses_of_point(SupplyTransformer(), point([(PLUS_R, "1")])) == ()


def test_intervals_of_different_length_are_refused() -> None:
    series = point([(IMPORT, "100")])
    hours = tuple(msgspec.structs.replace(one, seconds=3600) for one in series[IMPORT].values)
    series[PLUS_R] = replace(under(PLUS_R, series[IMPORT]), values=hours)
    with pytest.raises(ValueError, match=r"point north 1-0:1.29.0\*255.*has 900 s.*3600 s"):
        losses_of_point(CALCULATED, series)


@pytest.mark.parametrize("code, unit", [(IMPORT, "MWh"), (PLUS_R, "kVAh"), (PLUS_R, "")])
def test_other_units_are_refused(code: Obis, unit: str) -> None:
    series = point([(IMPORT, "100"), (PLUS_R, "75")])
    series[code] = replace(series[code], channel=Channel("north", code, unit))
    with pytest.raises(ValueError, match=f"is in {unit or 'no unit'}; losses are calculated of k"):
        losses_of_point(CALCULATED, series)


def test_an_agreed_percentage_counts_even_beside_a_nameplate() -> None:
    assert nameplate(replace(CALCULATED, percent=D(3))) is None
    assert nameplate(CALCULATED) == PLATE


@pytest.mark.parametrize("day, hours", [(SPRING, 23), (SUMMER, 24), (AUTUMN, 25)])
def test_a_day_of_legal_time(day: date, hours: int) -> None:
    series = {IMPORT: day_of(day, "100"), PLUS_R: under(PLUS_R, day_of(day, "75"))}
    found = period_losses(PLATE, series, *day_bounds(day))
    assert found.losses is not None and found.status is RawStatus.TRUE
    assert (found.have, found.want) == (hours * 4, hours * 4)
    assert found.losses.hours == found.losses.full_hours == hours
    assert found.losses.energy_kwh == D("4.5") * hours
    assert found.losses.percent == D("1.125")


def bounds() -> tuple[datetime, datetime]:
    return day_bounds(SUMMER)


def test_a_period_that_is_not_whole() -> None:
    series = point([(IMPORT, "100"), (PLUS_R, "75")])
    series[IMPORT] = without(series[IMPORT], *(one.at for one in series[IMPORT].values[:24]))
    found = period_losses(PLATE, series, *bounds())
    assert (found.losses, found.status, found.have, found.want) == (None, RawStatus.MISSING, 72, 96)
    part = period_losses(PLATE, series, *bounds(), partial=True)
    assert part.losses is not None and part.status is RawStatus.MISSING
    assert (part.losses.hours, part.losses.energy_kwh) == (D(18), D(81))


def test_a_period_of_nothing() -> None:
    assert period_losses(PLATE, {}, *bounds()).have == 0
    empty = {IMPORT: replace(day_of(SUMMER, "1"), values=())}
    found = period_losses(PLATE, empty, *bounds(), partial=True)
    assert (found.losses, found.status, found.have, found.want) == (None, RawStatus.MISSING, 0, 96)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.decimals(0, 500, places=2), min_size=1, max_size=7), st.lists(st.decimals(0, 500), max_size=5))
def test_the_series_and_the_formula_come_to_the_same(active: list[Decimal], reactive: list[Decimal]) -> None:
    series = {IMPORT: day_of(SUMMER, [*active]), PLUS_R: under(PLUS_R, day_of(SUMMER, [*(reactive or [D(3)])]))}
    (found,) = losses_of_point(CALCULATED, series)
    period = period_losses(PLATE, series, *bounds())
    assert period.losses is not None
    total = sum((one.amount or D(0) for one in found.values), D(0))
    assert abs(total - period.losses.energy_kwh) < D("1e-18")
