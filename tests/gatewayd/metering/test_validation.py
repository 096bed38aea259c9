"""A point's day and month with all rules: what is found where, and on which values it is told."""

from datetime import date, datetime, timedelta
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from gatewayd.legal_time import PRAGUE, start_label
from gatewayd.metering.aggregate import aggregate, spans
from gatewayd.metering.findings import Rule, apply, passed
from gatewayd.metering.points import Accuracy, Installed, MeteringPoint, Rated, Verified
from gatewayd.metering.rules import Rules
from gatewayd.metering.validation import Seen, month_findings, validated_day
from gatewayd.metering.values import Channel, Layer, Series
from gatewayd.model import Archived, Kind, RawStatus
from gatewayd.obis import Obis
from tests.gatewayd.metering.archived_rows import row
from tests.gatewayd.metering.seen import DAY, ENERGY, at, flat, quarters

POINT = MeteringPoint(
    "north",
    installed=(Installed("em-1"),),
    accuracy=Accuracy("0.5S"),
    rated=Rated(Decimal(63), Decimal(230), 1),
    verified=Verified(ct=date(2026, 11, 26)),
)
OTHER = MeteringPoint("north-control", accuracy=Accuracy("1"), control_of="north")
CONTROL = Channel("north-control", ENERGY.obis, "kWh")
REACTIVE = Channel("north", Obis.parse("1-0:3.29.0"), "kvarh")
MONTH_BEFORE = DAY - timedelta(days=29)


def read(seq: int, label: str, text: str) -> Archived:
    return row(seq, at(label), text, obis=Obis.parse("1-0:1.8.0"), seconds=None, kind=Kind.REGISTER)


def test_a_day_on_which_everything_is_in_order_is_validated() -> None:
    readings = [read(1, "2026-11-24 00:00", "100.000"), read(2, "2026-11-25 00:00", "196.000")]
    series = [flat("1.000", MONTH_BEFORE), flat("0.200", MONTH_BEFORE, channel=REACTIVE)]
    seen = Seen(POINT, series, readings, {ENERGY.obis: flat("1.001", channel=CONTROL)}, OTHER)
    done = validated_day(seen, DAY, Rules())
    assert done.findings == ()
    assert [len(one.values) for one in done.series] == [96, 96]
    assert all(passed(value) for one in done.series for value in one.values)
    assert [one.channel for one in done.series] == [ENERGY, REACTIVE]


def test_each_finding_is_told_on_its_own_channel_and_time() -> None:
    """What no connection carries at 10:00 is found by that rule alone; at 12:00 the others find something."""
    spoiled = {"2026-11-24 10:00+01:00": Decimal("3.7"), "2026-11-24 12:00+01:00": Decimal("3.5")}

    def amount(local: datetime) -> Decimal:
        return spoiled.get(start_label(local), Decimal("1.000"))

    readings = [read(1, "2026-11-24 00:00", "100.000"), read(2, "2026-11-25 00:00", "196.000")]
    series = [quarters(MONTH_BEFORE, DAY, amount), flat("0.200", MONTH_BEFORE, channel=REACTIVE)]
    seen = Seen(POINT, series, readings, {ENERGY.obis: flat("1.001", channel=CONTROL)}, OTHER)
    done = validated_day(seen, DAY, Rules())
    assert [(one.rule, one.layer) for one in done.findings] == [
        (Rule.CONTROL, Layer.DAY),
        (Rule.REGISTER_ADVANCE, Layer.DAY),
        (Rule.ABOVE_MAXIMUM, Layer.INTERVAL),
        (Rule.CONTROL, Layer.INTERVAL),
    ]
    assert start_label(done.findings[-1].start) == "2026-11-24 12:00+01:00"
    active, reactive = done.series
    worst = {one.at: one.rules for one in active.values if one.status is RawStatus.DISTORTED}
    assert worst == {at("2026-11-24 10:15"): ("above_maximum", "control", "register_advance")}
    assert all(passed(one) for one in reactive.values)
    day = apply(aggregate(active, Layer.DAY, spans(Layer.DAY, DAY, DAY)), done.findings)
    assert day.values[0].status is RawStatus.DISTORTED
    assert day.values[0].rules == ("above_maximum", "control", "register_advance")


def test_a_month_shows_what_no_day_does() -> None:
    """0.09 kWh a day are within the tolerance of the day, 30 days of it are not within that of the control metering."""
    first, last = date(2026, 11, 1), date(2026, 11, 30)
    theirs = flat("1.021", first, last, CONTROL)
    seen = Seen(POINT, [flat("1.000", first, last)], (), {ENERGY.obis: theirs}, OTHER)
    (one,) = month_findings(seen, first, Rules())
    assert (one.rule, one.layer, one.when()) == (Rule.CONTROL, Layer.MONTH, "2026-11")
    assert one.limit == Decimal("2940.480")
    within = Seen(POINT, [flat("1.000", first, last)], (), {ENERGY.obis: flat("1.020", first, last, CONTROL)}, OTHER)
    assert month_findings(within, first, Rules()) == ()


def test_behind_the_verification_nothing_is_validated() -> None:
    series = flat("1", date(2026, 11, 27), date(2026, 11, 27))
    done = validated_day(Seen(POINT, [series]), date(2026, 11, 27), Rules())
    assert [one.rule for one in done.findings] == [Rule.VERIFICATION]
    assert {(one.status, one.rules) for one in done.series[0].values} == {(RawStatus.TRUE, ("verification",))}


def test_without_classes_or_control_nothing_is_compared() -> None:
    theirs = {ENERGY.obis: flat("9", channel=CONTROL)}
    for point, other in ((MeteringPoint("north"), OTHER), (POINT, MeteringPoint("north-control")), (POINT, None)):
        assert not validated_day(Seen(point, [flat("1")], (), theirs, other), DAY, Rules()).findings


@settings(max_examples=10, deadline=None)
@given(st.permutations(range(6)))
def test_the_order_of_readings_has_no_influence(order: list[int]) -> None:
    readings = [read(n, f"2026-11-24 {4 * n:02d}:00", f"{100 + 17 * n}.000") for n in range(6)]
    expected = validated_day(Seen(POINT, [flat("1.000")], readings), DAY, Rules())
    assert expected.findings
    assert validated_day(Seen(POINT, [flat("1.000")], [readings[n] for n in order]), DAY, Rules()) == expected


def test_nothing_to_look_at_is_no_defect() -> None:
    empty = Series(ENERGY, Layer.INTERVAL, ())
    assert validated_day(Seen(POINT, [empty]), DAY, Rules()).series == (empty,)
    assert validated_day(Seen(POINT, []), DAY, Rules()).series == ()
    assert month_findings(Seen(POINT, [empty]), DAY, Rules()) == ()
    assert PRAGUE is Seen(POINT, []).zone
