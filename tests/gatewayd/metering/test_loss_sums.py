"""Losses of days and months, and all figures of a time: what they are made of, and whose status they have."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal

import msgspec
import pytest

from gatewayd.legal_time import day_bounds
from gatewayd.metering.algebra import over
from gatewayd.metering.loss_report import parts_of_profile, together
from gatewayd.metering.loss_series import losses_of_point, period_losses
from gatewayd.metering.loss_sums import day_losses, month_losses
from gatewayd.metering.losses import Nameplate
from gatewayd.metering.points import Dated, MeteringPoint, MeteringSide, SupplyTransformer, TransformerKind
from gatewayd.metering.register_losses import Energy, of_registers, taken_of
from gatewayd.metering.values import Layer, Method, Series, Value, missing
from gatewayd.model import Flag, RawStatus
from gatewayd.obis import Obis
from tests.gatewayd.metering.series_made import EXPORT, IMPORT, SUMMER, changed, day_of, without
from tests.gatewayd.metering.test_loss_series import CALCULATED, PLUS_R, point, under

D = Decimal
SPAN = day_bounds(SUMMER)
ENERGY = [(IMPORT, "100"), (PLUS_R, "75")]
FLAT = SupplyTransformer(TransformerKind.VN_NN)
NORTH = MeteringPoint("north", metering_side=MeteringSide.SECONDARY, transformer=CALCULATED)


def sums(**more: Value) -> dict[Obis, Series]:
    """The days of the energy."""
    found = {}
    for code, amount in ((IMPORT, D(9600)), (PLUS_R, D(7200))):
        one = more.get("active" if code == IMPORT else "reactive") or Value(SPAN[1], 86_400, amount, RawStatus.TRUE)
        found[code] = replace(under(code, day_of(SUMMER, "1")), layer=Layer.DAY, values=(one,))
    return found


def test_a_day_is_the_sum_of_its_intervals() -> None:
    series = point(ENERGY)
    losses = losses_of_point(CALCULATED, series)
    (found,) = day_losses(CALCULATED, sums(), series, losses, SPAN)
    (one,) = found.values
    assert (found.layer, found.channel.obis, one.amount) == (Layer.LOSS_DAY, IMPORT, D(108))
    assert (one.status, one.have, one.want, one.method) == (RawStatus.TRUE, 96, 96, Method.LOSS)
    assert day_losses(CALCULATED, {IMPORT: sums()[IMPORT]}, series, losses, SPAN) == (), "its reactive day is not there"
    assert day_losses(FLAT, {}, series, losses, SPAN) == ()


def test_what_was_found_on_the_day_is_found_on_its_losses() -> None:
    series = point(ENERGY)
    odd = Value(SPAN[1], 86_400, D(7200), RawStatus.DISTORTED, Flag.LATE, rules=("register_advance",))
    (found,) = day_losses(CALCULATED, sums(reactive=odd), series, losses_of_point(CALCULATED, series), SPAN)
    (one,) = found.values
    assert (one.amount, one.status, one.rules) == (D(108), RawStatus.DISTORTED, ("register_advance",))
    assert one.flags == Flag.LATE


def test_flat_losses_of_a_day_are_those_of_its_sum() -> None:
    by_hand = Value(SPAN[1], 86_400, D(5000), RawStatus.SUBSTITUTE, method=Method.MANUAL)
    (found,) = day_losses(FLAT, {IMPORT: sums(active=by_hand)[IMPORT]}, {}, (), SPAN)
    assert (found.layer, found.values[0].amount, found.values[0].status) == (
        Layer.LOSS_DAY,
        D(200),
        RawStatus.SUBSTITUTE,
    )


def of_days(code: Obis, amounts: list[str]) -> Series:
    start = SPAN[0]
    values = tuple(
        Value(start + timedelta(days=n + 1), 86_400, D(amount), RawStatus.TRUE, have=96, want=96)
        for n, amount in enumerate(amounts)
        if amount
    )
    return replace(under(code, day_of(SUMMER, "1")), layer=Layer.LOSS_DAY, values=values)


def test_a_month_waits_for_its_days_until_it_is_settled() -> None:
    span = SPAN[0], SPAN[0] + timedelta(days=3)
    days = {IMPORT: of_days(IMPORT, ["1", "", "3"])}
    assert month_losses(days, {}, lambda _: False, span, settled=False) == ()
    (found,) = month_losses(days, {}, lambda _: False, span, settled=True)
    (one,) = found.values
    assert (found.layer, one.amount, one.status) == (Layer.LOSS_MONTH, None, RawStatus.MISSING)
    assert (one.have, one.want) == (192, 288)
    days = {IMPORT: of_days(IMPORT, ["1", "2", "3"])}
    odd = Value(span[1], 3 * 86_400, D(1), RawStatus.DISTORTED, rules=("control",))
    months = {IMPORT: replace(days[IMPORT], layer=Layer.MONTH, values=(odd,))}
    (found,) = month_losses(days, months, lambda _: False, span, settled=False)
    assert (found.values[0].amount, found.values[0].status, found.values[0].rules) == (
        D(6),
        RawStatus.DISTORTED,
        ("control",),
    )
    months = {PLUS_R: replace(months[IMPORT], channel=under(PLUS_R, months[IMPORT]).channel)}
    (found,) = month_losses(days, months, lambda _: True, span, settled=False)
    assert found.values[0].status is RawStatus.TRUE, "without active energy there is no load"
    months[IMPORT] = replace(days[IMPORT], values=(Value(span[1], 3 * 86_400, D(1), RawStatus.TRUE),))
    (found,) = month_losses(days, months, lambda _: True, span, settled=False)
    assert found.values[0].status is RawStatus.DISTORTED, "reactive energy is in the load"
    (found,) = month_losses(days, months, lambda _: False, span, settled=False)
    assert found.values[0].status is RawStatus.TRUE, "and not in flat losses"


def test_calculated_days_count_nothing_under_minus_a() -> None:
    span = SPAN[0], SPAN[0] + timedelta(days=3)
    days = {IMPORT: of_days(IMPORT, ["1", "2", "3"]), EXPORT: of_days(EXPORT, ["5", "", ""])}
    last = SPAN[1]
    taken, supplied = month_losses(days, {}, lambda at: at > last, span, settled=False)
    assert (taken.values[0].amount, taken.values[0].want) == (D(6), 288)
    assert (supplied.values[0].amount, supplied.values[0].have, supplied.values[0].want) == (D(5), 96, 96)
    gone = replace(days[EXPORT], values=tuple(missing(one.at, one.seconds, "gone") for one in days[IMPORT].values))
    (taken,) = month_losses({**days, EXPORT: gone}, {}, lambda _: True, span, settled=True)
    assert taken.channel.obis == IMPORT


def test_the_highest_load_has_its_instant() -> None:
    series = point([(IMPORT, "100"), (PLUS_R, "0")])
    ends = [one.at for one in series[IMPORT].values]
    for at in (ends[40], ends[50]):
        series[PLUS_R] = changed(series[PLUS_R], at, Value(at, 900, D(75), RawStatus.TRUE))
    found = period_losses(Nameplate(D(1000), D(2), D(10)), series, *SPAN)
    assert found.peak_at == ends[40] and found.losses is not None and found.losses.peak_kva == D(500)
    idle = period_losses(Nameplate(D(1000), D(2), D(10)), point([(IMPORT, "0"), (PLUS_R, "0")]), *SPAN)
    assert idle.peak_at is None and idle.losses is not None


# -- all figures of a time ---------------------------------------------------------------------------------------------


def test_times_with_other_transformers_are_parts() -> None:
    """A time that begins and ends within days; the second one is calculated."""
    begin, end = SPAN[0] + timedelta(hours=12), SPAN[1] + timedelta(hours=6)
    after = SUMMER + timedelta(days=1)
    series = {
        code: Series(one.channel, one.layer, (*one.values, *under(code, day_of(after, amount)).values))
        for (code, amount), one in zip(ENERGY, point(ENERGY).values(), strict=True)
    }
    there = replace(NORTH, transformers=(Dated(date(1970, 1, 1), FLAT), Dated(after, CALCULATED)))
    flat, calculated = parts_of_profile(there, series, sums(), (begin, end))
    assert (flat.start, flat.end, flat.losses, flat.taken) == (begin, SPAN[1], D(192), D(4800))
    assert (calculated.losses, calculated.hours, calculated.have) == (D(27), D(6), 24)
    (both,) = together((flat, calculated))
    assert (both.losses, both.taken, both.percent) == (D(219), D(7200), over(D(219), D(72)))
    assert together((flat,)) == ()
    lost = replace(calculated, losses=None, taken=None, status=RawStatus.MISSING)
    (both,) = together((flat, lost))
    assert (both.losses, both.percent, both.status) == (None, None, RawStatus.MISSING)


@pytest.mark.parametrize(
    "codes, said", [([(IMPORT, "100")], "no reactive energy"), (ENERGY, "only 95 of 96 intervals are there")]
)
def test_figures_that_cannot_be_told(codes: list[tuple[Obis, str]], said: str) -> None:
    series = point(codes)
    series[IMPORT] = without(series[IMPORT], series[IMPORT].values[3].at)
    (found,) = parts_of_profile(NORTH, series, {}, SPAN)
    assert (found.losses, found.percent, found.status) == (None, None, RawStatus.MISSING) and said in found.reason


def test_a_distorted_day_is_distorted_losses() -> None:
    odd = Value(SPAN[1], 86_400, D(1), RawStatus.DISTORTED)
    (found,) = parts_of_profile(NORTH, point(ENERGY), sums(active=odd), SPAN)
    assert (found.status, found.losses) == (RawStatus.DISTORTED, D(108))


def test_on_the_primary_side_there_are_none() -> None:
    assert parts_of_profile(replace(NORTH, metering_side=MeteringSide.PRIMARY), point(ENERGY), {}, SPAN) == ()


# -- registers ---------------------------------------------------------------------------------------------------------
AT = datetime.fromisoformat("2026-01-31T23:00:00+00:00")
PLATE = SupplyTransformer(TransformerKind.VN_NN, None, D(400), D("0.6"), D("4.6"), D(200), D("0.8"))


def energy(code: str, amount: str, unit: str = "kWh", status: RawStatus = RawStatus.TRUE) -> Energy:
    return Energy(Obis.parse(code), Value(AT, 744 * 3600, D(amount), status, inputs=(1,)), unit)


def test_the_total_goes_before_its_rates() -> None:
    given = [
        energy("1.8.1", "1"),
        energy("1.8.0", "5"),
        energy("1.8.2", "4"),
        energy("2.8.0", "7"),
        energy("3.8.0", "9"),
    ]
    assert [(str(one.obis), one.value.amount) for one in taken_of(given)] == [
        ("1-0:1.8.0*255", D(5)),
        ("1-0:2.8.0*255", D(7)),
    ]
    (rates,) = taken_of([given[0], given[2]])
    assert (str(rates.obis), rates.value.amount, rates.value.reason) == ("1-0:1.8.0*255", D(5), "the sum of 2 rates")
    (part,) = taken_of([given[0]], [Obis.parse("1.8.1"), Obis.parse("1.8.2")])
    assert (part.value.amount, part.value.status) == (None, RawStatus.MISSING)
    assert taken_of([energy("1-1:1.8.0", "5"), energy("1-0:1.8.0", "6")])[0].value.amount == D(6)
    channels = taken_of([energy("1-0:1.8.1", "5"), energy("1-1:1.8.1", "6")])
    assert [one.value.amount for one in channels] == [D(5)], "one channel of the meter, and not both"
    mixed = taken_of([given[0], energy("1.8.2", "4", "m3")])
    assert mixed[0].value.amount is None


def test_both_directions_load_the_transformer() -> None:
    (found,) = of_registers(PLATE, taken_of([energy("1.8.0", "50000"), energy("2.8.0", "24400")]))
    assert found.figures is not None and found.taken.amount == D(74_400)
    assert (found.figures.peak_kva, found.figures.use_hours) == (D(250), D(372))
    assert (found.value.have, found.value.want, str(found.obis)) == (1, 1, "1-0:1.8.0*255")
    (alone,) = of_registers(PLATE, taken_of([energy("2.8.0", "74400")]))
    assert alone.value.amount == found.value.amount and alone.obis == found.obis


@pytest.mark.parametrize(
    "given, said",
    [
        (energy("1.8.0", "5", "MWh"), "are in MWh, expected kWh"),
        (energy("1.8.0", "999999"), "look at the agreed peak"),
    ],
)
def test_registers_of_which_nothing_can_be_calculated(given: Energy, said: str) -> None:
    (found,) = of_registers(PLATE, [given], "and that")
    assert (found.value.amount, found.value.status, found.figures) == (None, RawStatus.MISSING, None)
    assert said in found.value.reason and found.value.reason.endswith("; and that")


def test_a_substitute_has_losses_of_its_status_and_what_is_missing_none() -> None:
    (found,) = of_registers(PLATE, [energy("1.8.0", "100", status=RawStatus.PROVISIONAL)])
    assert found.value.status is RawStatus.PROVISIONAL and found.value.inputs == (1,)
    lost = energy("1.8.0", "100")
    lost = replace(lost, value=msgspec.structs.replace(lost.value, amount=None, status=RawStatus.MISSING, have=0))
    for transformer in (PLATE, FLAT):
        (found,) = of_registers(transformer, [lost])
        assert (found.value.amount, found.value.status, found.value.have) == (None, RawStatus.MISSING, 0)
    assert of_registers(PLATE, []) == ()
