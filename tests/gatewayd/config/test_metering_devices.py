"""Devices of metering points that change: what is said since a day, metering periods, circles through a control."""

from datetime import date, timedelta
from decimal import Decimal

import pytest

from gatewayd.config.schema import json_schema
from gatewayd.metering.points import (
    Accuracy,
    Dated,
    Rated,
    SupplyTransformer,
    TransformerKind,
    Verified,
    on_day,
)
from tests.gatewayd.config.doubles import DRIVERS, HEAD, SINKS, faults, parse
from tests.gatewayd.config.test_metering import METERS, made, told, wrong
from tests.gatewayd.config.test_schema import errors

SCHEMA = json_schema(DRIVERS, SINKS)
DAWN, MARCH = date(1970, 1, 1), date(2026, 3, 3)
QUARTER, HOUR = timedelta(minutes=15), timedelta(hours=1)
HOURLY = """\
meters:
  - {id: slow, driver: telegram, line: l, metering_type: A, jobs: [{profile: P.01, period: 60m}]}
  - {id: fast, driver: telegram, line: l, metering_type: A, jobs: [{profile: P.01}]}
  - {id: five, driver: telegram, line: l, jobs: [{intervals: [1-0:1.8.0], every: 5m}]}
  - {id: ten, driver: telegram, line: l, jobs: [{intervals: [1-0:1.8.0], every: 10m}]}
points:
"""


def hourly(*points: str) -> str:
    return HEAD + HOURLY + "".join(f"  - {{{point}}}\n" for point in points)


# -- since a day -------------------------------------------------------------------------------------------------------
def test_what_is_said_since_a_day() -> None:
    text = """\
  - id: north
    meter: em-2
    metering_side: secondary
    accuracy: [{meter: 1}, {meter: 0.5S, since: 2026-03-03}]
    rated: [{current_a: 63, voltage_v: 400, since: 2026-03-03}]
    transformer: [{percent: 1.5, since: 2026-03-03}]
    verified_until: [{meter: 2026-04-30, ct: 2040-12-31}, {meter: 2036-05-11, since: 2026-05-12}]
"""
    point = made(text)["north"]
    flat, agreed = SupplyTransformer(TransformerKind.VVN_VN), SupplyTransformer(TransformerKind.VVN_VN, Decimal("1.5"))
    rated = Rated(Decimal(63), Decimal(400))
    assert point.accuracies == (Dated(DAWN, Accuracy("1")), Dated(MARCH, Accuracy("0.5S")))
    assert point.ratings == (Dated(MARCH, rated),)
    assert point.transformers == (Dated(DAWN, flat), Dated(MARCH, agreed))
    assert (point.accuracy, point.rated, point.transformer) == (Accuracy("0.5S"), rated, agreed)
    assert point.verified == Verified(date(2036, 5, 11), date(2040, 12, 31))
    before = on_day(point, MARCH - timedelta(days=1))
    assert (before.accuracy, before.rated, before.transformer) == (Accuracy("1"), None, flat)
    assert before.verified == Verified(date(2026, 4, 30), date(2040, 12, 31))
    after = on_day(point, date(2026, 5, 12))
    assert (after.accuracy, after.rated, after.transformer) == (Accuracy("0.5S"), rated, agreed)
    assert after.verified == point.verified


def test_a_list_of_one_that_holds_always_is_that_one() -> None:
    one = made("  - {id: a, meter: em-1, accuracy: {meter: 1}, verified_until: {meter: 2030-01-01}}\n")["a"]
    more = made("  - {id: a, meter: em-1, accuracy: [{meter: 1}], verified_until: [{meter: 2030-01-01}]}\n")["a"]
    assert one == more
    assert on_day(one, MARCH) is one


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "accuracy: [{meter: 0.7}]",
            "accuracy[0].meter: '0.7' is not an accuracy class: 0.2S, 0.5S, 0.5, 1, 2, or A, B, C",
        ),
        (
            "verified_until: [{metr: 2030-01-01}]",
            "verified_until[0].metr: unknown key; did you mean 'meter'? known keys: ct, meter, since, vt",
        ),
        ("accuracy: [{since: 10:15}]", "accuracy[0].since: '10:15' is not a day such as 2024-05-01"),
        ("accuracy: []", "accuracy: is an empty list; leave it out, or say what holds"),
        ("rated: 5", "rated: '5' is not a mapping of keys and values or a list"),
        (
            "rated: [{current_a: 5}]",
            "rated[0].voltage_v: is required: rated voltage of the primary side, between phases",
        ),
        (
            "accuracy: [{meter: 1}, {meter: 2}]",
            "accuracy[1].since: is required: the day from which this holds, later than that of the one above",
        ),
        (
            "verified_until: [{meter: 2030-01-01, since: 2026-03-03}, {meter: 2036-01-01, since: 2026-03-03}]",
            "verified_until[1].since: 2026-03-03 is not after 2026-03-03, that of the one above; each one begins later",
        ),
    ],
)
def test_what_must_not_be_said_of_them(text: str, expected: str) -> None:
    assert wrong(f"id: a, meter: em-1, {text}") == [f"points[0].{expected}"]


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("accuracy: {meter: 1, since: 2026-03-03}", True),
        ("accuracy: [{meter: 1}, {meter: 2, since: 2026-03-03}]", True),
        ("accuracy: [{metr: 1}]", False),
        ("accuracy: 5", False),
    ],
)
def test_both_forms_in_the_schema(text: str, right: bool) -> None:
    whole = f"{HEAD}{METERS}points:\n  - {{id: a, meter: em-1, {text}}}\n"
    assert (errors(SCHEMA, whole) == []) is (faults(whole) == []) is right


# -- metering periods --------------------------------------------------------------------------------------------------
def test_each_meter_of_a_point_has_its_own_period() -> None:
    found = {
        one.id: one
        for one in parse(
            hourly("id: a, meters: [{meter: slow}, {meter: fast, since: 2026-03-03}]", "id: b, meter: five")
        ).points
    }
    assert [one.period for one in found["a"].installed] == [HOUR, QUARTER]
    assert (found["a"].period, found["a"].evaluation) == (QUARTER, QUARTER)
    assert [one.period for one in found["b"].installed] == [None]
    assert [on_day(found["a"], day).period for day in (date(2026, 3, 2), MARCH)] == [HOUR, QUARTER]


def test_hours_are_evaluated_by_hours() -> None:
    (a, alone, *_) = parse(hourly("id: a, meter: slow", "id: s, sum: {a: 1, ten: 1}")).points
    assert (a.period, a.evaluation, alone.period, alone.evaluation) == (HOUR, HOUR, HOUR, HOUR)
    for terms in ("slow: 1, fast: 1", "fast: 1, slow: 1"):
        (found, *_) = parse(hourly(f"id: s, sum: {{{terms}}}")).points
        assert (found.period, found.evaluation) == (HOUR, HOUR)


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        (
            ("id: a, meter: slow, evaluation: 15m",),
            "points[0].evaluation: 15m is no multiple of 60m, the metering period of its meter 'slow'; expected "
            "evaluation: 60m",
        ),
        (
            ("id: a, sum: {slow: 1, fast: 1}, evaluation: 15m",),
            "points[0].evaluation: 15m is no multiple of 60m, the metering period of its points; expected "
            "evaluation: 60m",
        ),
        (
            ("id: a, sum: {fast: 1, ten: 1}",),
            "points[0].sum: its points have intervals of 10m and 15m, and 10m do not fill 15m; expected points whose "
            "intervals fit into each other",
        ),
        (("id: a, meter: slow, evaluation: 60m",), ""),
        (("id: a, meter: five, evaluation: 15m",), ""),
    ],
)
def test_intervals_that_do_not_fill_others_are_refused(points: tuple[str, ...], expected: str) -> None:
    assert [line.partition(": ")[2] for line in faults(hourly(*points))] == ([expected] if expected else [])


def test_of_a_sum_of_different_intervals_is_told_which_it_has() -> None:
    config = parse(hourly("id: a, sum: {slow: 1, fast: -1}"))
    assert (config.points[0].period, config.points[0].evaluation) == (HOUR, HOUR)
    assert [one.message for one in config.warnings if one.key == "points[0].sum"] == [
        "its points have intervals of 15m and 60m, so that the sum has those of 60m; for shorter ones each meter needs "
        "a profile of them"
    ]
    assert not [one for one in parse(hourly("id: a, sum: {fast: 1}")).warnings if one.key == "points[0].sum"]


# -- circles through a control metering --------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("points", "place", "circle"),
    [
        (("id: a, meter: em-1", "id: c, sum: {a: 1}, control_of: a"), 1, "a > c > a"),
        (("id: a, meter: em-1", "id: b, sum: {a: 1}", "id: c, sum: {b: 1}, control_of: a"), 2, "a > c > b > a"),
        (
            (
                "id: a, meter: em-1",
                "id: b, meter: em-2",
                "id: c, sum: {b: 1}, control_of: a",
                "id: d, sum: {a: 1}, control_of: b",
            ),
            2,
            "a > c > b > d > a",
        ),
        (("id: a, meter: em-1", "id: b, meter: em-2", "id: c, sum: {b: 1}, control_of: a"), 2, ""),
        (("id: a, sum: {em-1: 1, c: 1}", "id: c, meter: em-2, control_of: a"), 1, ""),
    ],
)
def test_a_control_metering_is_not_made_of_what_it_controls(points: tuple[str, ...], place: int, circle: str) -> None:
    said = f"is made of the point that it controls: {circle}; a control metering has a meter of its own, or is made of"
    expected = [f"points[{place}].control_of: {said} other points"] if circle else []
    assert wrong(*points) == expected


# -- codes -------------------------------------------------------------------------------------------------------------
def test_a_channel_that_is_not_counted_is_told() -> None:
    said = (
        "is a state or what came in the interval, so energy and volume of it are missing; expected a code of "
        "increments or of totals such as 1-0:1.29.0 or 1-0:1.8.0"
    )
    assert told("id: a, meter: em-1, channels: [1-0:1.8.0, 1-0:1.9.0, 7-0:3.0.0, 7-0:3.29.0, 1-0:32.7.0]") == [
        f"points[0].channels[1]: nobody knows whether 1.9.0 {said}",
        f"points[0].channels[3]: nobody knows whether 7-0:3.29.0*255 {said}",
    ]
