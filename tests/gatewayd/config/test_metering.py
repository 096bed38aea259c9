"""Metering points of the configuration: what they become, and what must not be said."""

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import pytest

from gatewayd.config.schema import json_schema
from gatewayd.config.validation import RuleEntry, ValidationEntry
from gatewayd.errors import ConfigError
from gatewayd.metering.findings import Rule, Severity
from gatewayd.metering.points import (
    Accuracy,
    Installed,
    MeteringPoint,
    MeteringSide,
    Netting,
    Rated,
    SupplyTransformer,
    TransformerKind,
    Verified,
)
from gatewayd.metering.rules import options, rules_of
from gatewayd.metering.substitution_terms import OFF, SubstitutionTerms
from gatewayd.metering.virtual import Virtual
from gatewayd.model import MeteringType, Point, Ratio
from gatewayd.obis import Obis
from tests.gatewayd.config.doubles import DRIVERS, HEAD, SINKS, faults, parse
from tests.gatewayd.config.test_schema import errors

SCHEMA = json_schema(DRIVERS, SINKS)
EAN = "859182400123456789"
METERS = """\
meters:
  - {id: em-1, driver: telegram, line: l, metering_type: A, point: {ean: 859182400123456789},
     ratio: [{ct: 100/5}, {ct: 200/5, since: "2026-03-03 10:15"}], jobs: [{profile: 1-0:99.1.0}]}
  - {id: em-2, driver: telegram, line: l, metering_type: A, voltage: medium,
     jobs: [{profile: 1-0:99.1.0, channels: [1-0:1.29.0, 1-0:2.5.0]}]}
  - {id: em-3, driver: telegram, line: l, jobs: [{intervals: [1-0:1.8.0], every: 5m}]}
  - {id: log, driver: telegram, line: l,
     jobs: [{profile: P.98, every: 1h}, {profile: 1-0:99.2.0, period: 1d, every: 1d}]}
  - id: reg
    driver: telegram
    line: l
    jobs: [{profile: P.01, channels: [1-1:1.5.0, 1-2:2.5.0, 1-3:3.5.0], every: 1d}]
    points: [{id: reg-a, channels: [1-1]}, {id: reg-b, channels: [1-2]}]
"""
ENERGY, EXPORT = Obis.parse("1-0:1.29.0"), Obis.parse("1-0:2.29.0")


def made(points: str = "") -> dict[str, MeteringPoint]:
    text = HEAD + METERS + (f"points:\n{points}" if points else "")
    return {point.id: point for point in parse(text).points}


def wrong(*points: str) -> list[str]:
    """The findings, without the file, with `points[n]` for their place."""
    text = HEAD + METERS + "points:\n" + "".join(f"  - {{{point}}}\n" for point in points)
    return [line.partition(": ")[2] for line in faults(text)]


def told(*points: str) -> list[str]:
    """The warnings about points."""
    text = HEAD + METERS + "points:\n" + "".join(f"  - {{{point}}}\n" for point in points)
    return [f"{one.key}: {one.message}" for one in parse(text).warnings if one.key.startswith("points")]


# -- what they become --------------------------------------------------------------------------------------------------
def test_without_points_nothing_is_derived() -> None:
    assert made() == {}


def test_beside_a_point_each_other_meter_with_intervals_is_one() -> None:
    found = made("  - {id: twice, sum: {em-1: 2}}\n")
    assert list(found) == ["twice", "em-1", "em-2", "em-3", "reg-a", "reg-b"]
    del found["twice"]
    changed = Ratio("200/5", since=datetime(2026, 3, 3, 9, 15, tzinfo=UTC))
    assert found["em-1"] == MeteringPoint(
        "em-1", Point(ean=EAN), MeteringType.A, (Installed("em-1", ratios=(Ratio("100/5"), changed)),)
    )
    assert [found[name].channels for name in found] == [
        (),
        (ENERGY, EXPORT),
        (ENERGY,),
        (Obis.parse("1-1:1.29.0"),),
        (Obis.parse("1-2:2.29.0"),),
    ]
    assert [point.period for point in found.values()][2] == timedelta(minutes=5)


def test_a_meter_at_a_point_is_no_point_by_itself() -> None:
    assert list(made("  - {id: north, meter: em-1}")) == ["north", "em-2", "em-3", "reg-a", "reg-b"]
    assert list(made("  - {id: em-2, meter: em-2}")) == ["em-2", "em-1", "em-3", "reg-a", "reg-b"]


def test_a_point_with_all_that_can_be_said() -> None:
    point = made(
        """\
  - id: north
    eic: 27ZG600Z0424987D
    metering_type: B
    meters: [{meter: em-2, since: 2025-01-01}, {meter: em-1, since: 2026-10-25 02:30}]
    channels: [1-0:1.29.0]
    accuracy: {meter: 0.5S, reactive: 2, ct: 0.2, vt: 0.5}
    rated: {current_a: 200, voltage_v: 22000}
    metering_side: secondary
    transformer: {kind: vvn_vn, sn_kva: 630, dp0_kw: 1.2, dpk_kw: 6.75}
    netting: per_phase
    evaluation: 60m
    validation: {zero: {hours: 12}, above_maximum: {severity: warning, times: 1.2}, verification: {ahead: [60, 7]}}
    substitution: {enabled: true, longest_gap: 90m, weeks: 2, deadline: 08:30, use_control: false}
    verified_until: {meter: 2030-12-31}
"""
    )["north"]
    assert point == MeteringPoint(
        "north",
        Point("27ZG600Z0424987D", EAN),
        MeteringType.B,
        (
            Installed("em-2", datetime(2024, 12, 31, 23, tzinfo=UTC)),
            Installed("em-1", datetime(2026, 10, 25, 0, 30, tzinfo=UTC), point.installed[1].ratios),
        ),
        channels=(ENERGY,),
        evaluation=timedelta(hours=1),
        accuracy=Accuracy("0.5S", "0.2", "0.5", "2"),
        rated=Rated(Decimal(200), Decimal(22000)),
        metering_side=MeteringSide.SECONDARY,
        transformer=SupplyTransformer(TransformerKind.VVN_VN, None, Decimal(630), Decimal("1.2"), Decimal("6.75")),
        netting=Netting.PER_PHASE,
        validation=point.validation,
        substitution=SubstitutionTerms(enabled=True, longest_gap=6, weeks=2, deadline=time(8, 30), use_control=False),
        verified=Verified(date(2030, 12, 31)),
    )
    assert point.transformer is not None and point.transformer.calculated
    rules = rules_of(point.validation)
    assert (rules.zero.hours, rules.above_maximum.times, rules.verification.ahead) == (12, Decimal("1.2"), (60, 7))
    assert rules.above_maximum.severity is Severity.WARNING
    assert rules_of(made("  - {id: north, meter: em-2}\n")["em-1"].validation) == rules_of({})


def test_a_channel_is_called_by_the_energy_of_its_intervals() -> None:
    channels = "[1-0:2.8.0, 1-0:1.5.0, 1-0:1.29.0, 7-0:3.0.0]"
    point = made(f"  - {{id: a, meter: em-1, channels: {channels}}}\n")["a"]
    assert point.channels == (EXPORT, ENERGY, Obis.parse("7-0:3.0.0"))


def test_the_order_in_which_rules_are_written_makes_no_other_point() -> None:
    """Values of a point are computed again when its definition is another one (its repr, daemon/metering_build.py)."""
    one = made("  - {id: a, meter: em-1, validation: {zero: {hours: 5, weeks: 2, severity: error}, backward: {}}}\n")
    other = made("  - {id: a, meter: em-1, validation: {backward: {}, zero: {severity: error, weeks: 2, hours: 5}}}\n")
    assert repr(one["a"]) == repr(other["a"])
    assert list(one["a"].validation) == ["backward", "zero"]


def test_virtual_points() -> None:
    found = made("  - {id: all, sum: {em-1: 1, half: -1}, partial: true}\n  - {id: half, sum: {em-2: 0.5, reg: 1}}\n")
    assert found["all"].sum == Virtual("all", {"em-1": Decimal(1), "half": Decimal(-1)}, partial=True)
    assert found["half"].sum == Virtual("half", {"em-2": Decimal("0.5"), "reg": Decimal(1)})
    assert (found["all"].virtual, found["all"].installed, found["half"].channels) == (True, (), ())
    assert found["reg"].channels == (Obis.parse("1-3:3.29.0"),)  # which is none by itself, but is named
    assert found["half"].substitution == OFF


def test_the_kind_of_the_transformer_goes_by_the_voltage_of_the_meter() -> None:
    found = made(
        "  - {id: a, meter: em-1, metering_side: secondary}\n  - {id: b, meter: em-2, metering_side: secondary}\n"
    )
    assert [point.transformer and point.transformer.flat_percent for point in found.values()][:2] == [4, 2]


def test_every_rule_and_parameter_can_be_configured() -> None:
    """The names, and that what is a default here is none: only what is written is handed on."""
    assert list(ValidationEntry.model_fields) == [rule.value for rule in Rule]
    for name, field in ValidationEntry.model_fields.items():
        entry = next(one for one in field.annotation.__args__ if isinstance(one, type) and issubclass(one, RuleEntry))  # type: ignore[union-attr]
        assert list(entry.model_fields) == [option for option, _, _ in options(Rule(name))], name
        assert entry().said == {}


# -- what must not be said ---------------------------------------------------------------------------------------------
WAYS = "expected meter: em-1, or meters with their since, or sum: {north: 1, own: -1}"
KNOWN = "known meters: em-1, em-2, em-3, log, reg, reg-a, reg-b"
TWICE = "a meter is at one point, and a control metering has a meter of its own"
WRONG: list[tuple[tuple[str, ...], list[str]]] = [
    (("id: a",), [f"points[0]: has neither meter nor sum; {WAYS}"]),
    (("id: a, meter: em-1, sum: {em-2: 1}",), [f"points[0].sum: stands beside meter; {WAYS}"]),
    (("id: a, meters: []",), [f"points[0].meters: is empty; {WAYS}"]),
    (("id: a, sum: {}",), [f"points[0].sum: is empty; {WAYS}"]),
    (("id: a, meter: em-9",), [f"points[0].meter: unknown meter 'em-9'; did you mean 'em-3'? {KNOWN}"]),
    (
        ("id: a, meters: [{meter: em-1}, {meter: em-9, since: 10:15}]",),
        [
            f"points[0].meters[1].meter: unknown meter 'em-9'; did you mean 'em-3'? {KNOWN}",
            "points[0].meters[1].since: '10:15' is not a date such as 2024-05-01, or one with a time of day such as "
            "2026-03-03 10:15",
        ],
    ),
    (
        ("id: a, meters: [{meter: em-1}, {meter: em-2}]",),
        ["points[0].meters[1].since: is required: when this meter took the place of the one above"],
    ),
    (
        ("id: a, meters: [{meter: em-1, since: 2026-01-02}, {meter: em-2, since: 2026-01-01 10:00}]",),
        [
            "points[0].meters[1].since: 2026-01-01 10:00 is not after 2026-01-02, when the meter above was put in; "
            "each one begins later than that above"
        ],
    ),
    (
        ("id: a, meters: [{meter: em-1, since: 2026-01-02 25:00}]",),
        [
            "points[0].meters[0].since: '2026-01-02 25:00' is not a date such as 2024-05-01, or one with a time of day "
            "such as 2026-03-03 10:15"
        ],
    ),
    (
        ("id: a, meter: em-1", "id: b, meters: [{meter: em-2}, {meter: em-1, since: 2026-01-01}]"),
        [f"points[1].meters[1].meter: 'em-1' is at points[0] at the same time; {TWICE}"],
    ),
    (
        ("id: em-1, meter: em-2",),
        ["points[0].id: 'em-1' is the id of a meter that was never at this point; expected another id, or meter: em-1"],
    ),
    (("id: a, meter: em-1", "id: a, meter: em-2"), ["points[1].id: 'a' is already the id of points[0] in line 19"]),
    (
        ("id: a, sum: {em-1: 1, em-9: 1}",),
        [
            "points[0].sum.em-9: unknown point 'em-9'; did you mean 'em-3'? known points: a, em-1, em-2, em-3, log, "
            "reg, reg-a, reg-b"
        ],
    ),
    (
        ("id: a, meter: em-1", "id: b, sum: {em-1: 1}"),
        ["points[1].sum.em-1: 'em-1' is a meter at another point; expected the id of that point"],
    ),
    (
        ("id: a, sum: {em-1: 0}",),
        ["points[0].sum.em-1: is 0, so that the point is no part of the sum; expected 1, -1 or another coefficient"],
    ),
    (("id: a, sum: {em-1: x}",), ["points[0].sum.em-1: 'x' is not a number"]),
    (("id: a, sum: {a: 1}",), ["points[0].sum: is a part of itself; a sum is made of other points"]),
    (
        ("id: a, sum: {b: 1}", "id: b, sum: {c: 1, em-1: 1}", "id: c, sum: {a: 1}"),
        ["points[0].sum: goes round in a circle: a > b > c > a; a sum is made of other points"],
    ),
    (
        ("id: a, meter: em-1, control_of: a",),
        ["points[0].control_of: a point does not control itself; expected the id of the main point"],
    ),
    (
        ("id: a, meter: em-1", "id: b, meter: em-2, control_of: a", "id: c, meter: em-3, control_of: b"),
        ["points[2].control_of: 'b' is a control metering itself; expected the id of the main point"],
    ),
    (
        ("id: a, meter: em-1", "id: b, meter: em-2, control_of: a", "id: c, meter: em-3, control_of: a"),
        ["points[2].control_of: 'a' is controlled by points[1] already; a point has one control metering"],
    ),
    (
        ("id: a, sum: {em-1: 1}, accuracy: {meter: 1}",),
        ["points[0].accuracy: belongs to a point with a meter; leave accuracy out, or say it there"],
    ),
    (
        ("id: a, meter: em-1, partial: true",),
        ["points[0].partial: belongs to a virtual point, with sum; leave it out"],
    ),
    (
        ("id: a, meter: em-1, accuracy: {meter: 0.7}",),
        ["points[0].accuracy.meter: '0.7' is not an accuracy class: 0.2S, 0.5S, 0.5, 1, 2, or A, B, C"],
    ),
    (
        ("id: a, meter: em-1, accuracy: {meter: 1, reactive: 0.2}",),
        ["points[0].accuracy.reactive: '0.2' is not an accuracy class for reactive energy: 0.5S, 0.5, 1S, 1, 2 or 3"],
    ),
    (
        ("id: a, meter: em-1, metering_side: secondary, transformer: {sn_kva: 630}",),
        ["points[0].transformer: has sn_kva only; expected sn_kva, dp0_kw and dpk_kw, or none of them"],
    ),
    (
        ("id: a, meter: em-1, transformer: {sn_kva: 630, dp0_kw: 1, dpk_kw: 6, percent: 2}",),
        ["points[0].transformer: has percent beside sn_kva, dp0_kw and dpk_kw; losses are agreed or calculated"],
    ),
    (
        ("id: a, meter: em-1, metering_side: secondary, transformer: {pm_kw: 200}",),
        ["points[0].transformer: has pm_kw alone; expected sn_kva, dp0_kw and dpk_kw beside it"],
    ),
    (
        ("id: a, meter: em-1, transformer: {sn_kva: 630, dp0_kw: 1, dpk_kw: 6, cos_phi: 0.95}",),
        ["points[0].transformer: has cos_phi alone; expected pm_kw, at which it is"],
    ),
    (
        ("id: a, meter: em-1, transformer: {sn_kva: 630, dp0_kw: 1, dpk_kw: 6, pm_kw: 9, cos_phi: 1.1}",),
        ["points[0].transformer.cos_phi: '1.1' is not a number greater than 0 and of at most 1"],
    ),
    (
        ("id: a, meter: em-1, substitution: {longest_gap: 20m}",),
        ["points[0].substitution.longest_gap: '20m' is not a gap from 0m to 1d in quarter-hours such as 2h"],
    ),
    (
        ("id: a, meter: em-1, validation: {zeros: {}}",),
        [
            "points[0].validation.zeros: unknown key; did you mean 'zero'? known keys: above_maximum, backward, "
            "comparable, control, quadrants, register_advance, tariff_sum, verification, zero"
        ],
    ),
    (
        ("id: a, meter: em-1, validation: {zero: {hours: 0}}",),
        ["points[0].validation.zero.hours: '0' is not a whole number from 1 to 168"],
    ),
    (
        ("id: a, meter: em-1, netting: both",),
        ["points[0].netting: 'both' is not one of saldo, per_phase"],
    ),
]


@pytest.mark.parametrize(("points", "expected"), WRONG, ids=[points[-1] for points, _ in WRONG])
def test_what_must_not_be_said(points: tuple[str, ...], expected: list[str]) -> None:
    assert wrong(*points) == expected


def test_a_meter_may_move_from_one_point_to_another() -> None:
    moved = "id: b, meters: [{meter: em-2}, {meter: em-1, since: 2026-01-01}]"
    assert wrong("id: a, meters: [{meter: em-1}, {meter: em-3, since: 2026-01-01}]", moved) == []


def test_circles_are_told_once_each_and_hide_nothing() -> None:
    found = wrong("id: a, sum: {b: 1}", "id: b, sum: {a: 1}", "id: c, sum: {d: 1}", "id: d, sum: {c: 1}")
    assert [line.partition(": goes")[0] for line in found] == ["points[0].sum", "points[2].sum"]


# -- advice ------------------------------------------------------------------------------------------------------------
ADVICE: list[tuple[tuple[str, ...], list[str]]] = [
    (("id: a, meter: em-1",), []),
    (
        ("id: a, meter: em-1, metering_side: secondary",),
        [
            "points[0].metering_side: secondary without a transformer: losses are 4 % of active energy, those of "
            "vn_nn, medium to low voltage; expected transformer: {kind: vn_nn}, or its percent"
        ],
    ),
    (("id: a, meter: em-1, metering_side: secondary, transformer: {kind: vn_nn}",), []),
    (
        ("id: a, meter: em-1, transformer: {percent: 3}",),
        [
            "points[0].transformer: does nothing on the primary side, where no losses are added; expected "
            "metering_side: secondary"
        ],
    ),
    (
        ("id: a, meter: em-1", "id: b, meter: em-2, control_of: a, accuracy: {meter: 1}"),
        ["points[1].control_of: cannot be compared: a without accuracy; expected accuracy: {meter: 0.5S}"],
    ),
    (
        ("id: a, meter: em-1, accuracy: {meter: 1}", "id: b, meter: em-2, control_of: a, accuracy: {meter: 1}"),
        [],
    ),
    (
        ("id: a, meter: em-1, substitution: {use_control: true}",),
        ["points[0].substitution.use_control: does nothing: no point has control_of: a"],
    ),
    (
        ("id: a, sum: {em-1: 1}, substitution: {enabled: true}",),
        [
            "points[0].substitution.enabled: a sum is made of the substitute values of its parts; expected "
            "substitution at these points"
        ],
    ),
    (
        ("id: a, meter: em-1, metering_type: C, substitution: {enabled: true}",),
        [
            "points[0].substitution.enabled: does nothing: the point is of type C, and has intervals; type C has "
            "substitute values of months alone; expected metering_type: B, or A, at the point or meter"
        ],
    ),
    (("id: a, meter: em-1, metering_type: B, substitution: {enabled: true}",), []),
    (
        ('id: a, meters: [{meter: em-1}, {meter: em-2, since: "2026-03-29 02:30"}]',),
        [
            "points[0].meters[1].since: there is no 2026-03-29 02:30 in Europe/Prague, where the clocks go forward "
            "then: it is taken as 03:30; expected that, or a time that there is"
        ],
    ),
    (
        ('id: a, meters: [{meter: em-1}, {meter: em-2, since: "2026-10-25 02:30"}]',),
        [
            "points[0].meters[1].since: 2026-10-25 02:30 comes twice in Europe/Prague, where the clocks go back then: "
            "the first one is meant, 02:30+0200"
        ],
    ),
    (('id: a, meters: [{meter: em-1}, {meter: em-2, since: "2026-10-25 03:00"}]',), []),
    (("id: a, meters: [{meter: em-1}, {meter: em-2, since: 2026-10-25}]",), []),
    (
        ("id: a, meter: log, metering_type: A",),
        [
            "points[0].meter: 'log' has no load profile and no intervals, so the point has no values of it; expected a "
            "job such as {profile: 1-0:99.1.0} at the meter"
        ],
    ),
    (
        ("id: a, meter: em-1, ean: 859182400123456786",),
        ["points[0].ean: the check digit of the EAN should be 9, not 6; copied wrongly?"],
    ),
]


@pytest.mark.parametrize(("points", "expected"), ADVICE, ids=[points[-1] for points, _ in ADVICE])
def test_advice(points: tuple[str, ...], expected: list[str]) -> None:
    assert told(*points) == expected


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("id: a, meter: em-1", True),
        ("id: a, meters: [{meter: em-1, since: 2025-01-01 10:15}]", True),
        ("id: a, sum: {em-1: 1, em-2: -0.5}", True),
        ("id: a, meter: em-1, validation: {zero: {hours: 5, severity: error}}", True),
        ("id: a", False),
        ("id: a, meter: em-1, sum: {em-2: 1}", False),
        ("id: a, meters: [{meter: em-1, since: 2025-01-01 25:15}]", False),
        ("id: a, meter: em-1, validation: {zero: {hours: 5.5}}", False),
    ],
)
def test_points_in_the_schema(text: str, right: bool) -> None:
    whole = HEAD + METERS + f"points:\n  - {{{text}}}\n"
    assert (errors(SCHEMA, whole) == []) is right
    assert (faults(whole) == []) is right


def test_a_part_of_the_file_that_is_wrong_hides_no_finding_about_points() -> None:
    text = f"{HEAD}meters: 5\npoints:\n  - {{id: a, sum: {{a: 1}}}}\n  - 7\n  - {{id: [b], meters: {{}}, sum: x}}\n"
    with pytest.raises(ConfigError) as caught:
        parse(text)
    assert "points[0].sum" in [finding.key for finding in caught.value.findings]
