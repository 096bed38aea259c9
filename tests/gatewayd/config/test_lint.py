"""What is worth knowing of a configuration that can be used: each warning, and that it is silent otherwise."""

from typing import ClassVar

import pytest
from pydantic import BaseModel

from gatewayd import config
from gatewayd.options import Options
from tests.gatewayd.config.doubles import DRIVERS, HEAD, SINKS

POINT = "point: {ean: 859182400123456789}"
PROFILE = "{profile: 1-0:99.1.0}"
INTERVALS = "{intervals: [1-0:1.8.0, 1-0:2.8.0], every: 15m}"
REGISTERS = "{registers: all, every: 1h}"


class Counter(Options):
    """Without load profiles and without a clock."""

    LOAD_PROFILES: ClassVar[bool] = False


class Shift(Options):
    limit_s: int = 30


class Watch(Options):
    """With a clock that may be set."""

    set_clock: Shift | None = None


MORE: dict[str, type[BaseModel]] = {**DRIVERS, "counter": Counter, "watch": Watch}


def warned(*meters: str) -> list[str]:
    """`key: message` of each warning about meters that stand in a line each, from line 6 on."""
    text = f"{HEAD}meters:\n" + "".join(f"- {{line: l, {meter}}}\n" for meter in meters)
    found = config.parse(text, "f.yaml", MORE, SINKS).warnings
    assert all(finding.line == 6 + int(finding.key[7]) for finding in found)
    return [f"{finding.key}: {finding.message}" for finding in found]


def meter(kind: str, jobs: str = "", more: str = "", driver: str = "telegram") -> str:
    listed = f", jobs: [{jobs}]" if jobs else ""
    return f"id: m, driver: {driver}, metering_type: {kind}, {POINT}{listed}{more}"


@pytest.mark.parametrize(
    "quiet",
    [
        meter("A", PROFILE),
        meter("A", f"{PROFILE}, {REGISTERS}"),
        meter("A", INTERVALS),
        meter("A", "{listen: true}"),
        meter("A", "{profile: P.01, every: 1h}"),
        meter("A", "{profile: P.01, every: 1d}"),
        meter("B", PROFILE),
        meter("B", "{profile: P.01, at: 02:00}"),
        meter("B", INTERVALS, driver="counter"),
        meter("C", REGISTERS),
        meter("C", "{registers: all}"),
        meter("C", "{profile: P.01, channels: [1.29.0]}"),
        meter("AMM", PROFILE),
        meter("AMM", INTERVALS),
        meter("AMM", "{listen: true}"),
        meter("AMM", "{profile: P.01, channels: [1.29.0]}"),
        meter("A", "{profile: P.01, channels: [1.29.0, 8.29.0]}"),
        meter("C", REGISTERS, ", voltage: low, ratio: [{ct: 200/5}]"),
        meter("C", REGISTERS, ", voltage: low"),
        meter("C", REGISTERS, ", voltage: medium, ratio: [{ct: 200/5, vt: 22000/100}]"),
        meter("C", REGISTERS, ", voltage: high, ratio: [{ct: 200/5, vt: 110000/100}]"),
        meter("C", REGISTERS, ", ratio: [{ct: 200/5, vt: 22000/100}]"),
        meter("C", REGISTERS, ", ratio: [{ct: 200/5}]"),
        meter("A", PROFILE, ", policy: {set_clock: true}, watch: {set_clock: {}}", driver="watch"),
        meter("A", PROFILE, ", watch: {set_clock: {}}", driver="watch"),
    ],
)
def test_there_is_nothing_to_say(quiet: str) -> None:
    assert warned(quiet) == []


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (meter("A"), ["meters[0]: has no jobs, so it is never read by itself"]),
        (
            meter("A", REGISTERS),
            [
                f"meters[0]: metering type A without a load profile; expected the job {PROFILE}, or {INTERVALS} where "
                "the meter has none"
            ],
        ),
        (
            meter("B", REGISTERS),
            [
                f"meters[0]: metering type B without a load profile; expected the job {PROFILE}, or {INTERVALS} where "
                "the meter has none"
            ],
        ),
        (
            meter("B", REGISTERS, driver="counter"),
            [f"meters[0]: metering type B without intervals; expected the job {INTERVALS}"],
        ),
        (
            meter("AMM", REGISTERS),
            [
                f"meters[0]: metering type AMM without a load profile, and nobody listens; expected the job {PROFILE}, "
                "or {listen: true} where the meter pushes"
            ],
        ),
        (
            meter("AMM", REGISTERS, driver="counter"),
            [
                f"meters[0]: metering type AMM without a load profile, and nobody listens; expected the job "
                f"{INTERVALS}, or {{listen: true}} where the meter pushes"
            ],
        ),
        (
            meter("A", "{profile: P.01, at: 00:20, on: mon}", ", policy: {retry_window: 8d}"),
            [
                "meters[0].jobs[0]: metering type A is read every day, this profile every 7d at best; expected "
                "at: 00:20 without on"
            ],
        ),
        (
            meter("A", f"{REGISTERS}, {{profile: P.01, every: 2d}}"),
            [
                "meters[0].jobs[1]: metering type A is read every day, this profile every 2d at best; expected "
                "at: 00:20 without on"
            ],
        ),
        (
            meter("AMM", "{profile: P.01, every: 2d}"),
            [
                "meters[0].jobs[0]: a day has to be complete at 12:00 on the day after, but it is read every 2d at "
                "best; read it every day, or set policy: {deadline: none}"
            ],
        ),
        (
            meter("B", "{profile: P.01, at: 02:00, on: 1}"),
            [
                "meters[0].jobs[0]: is read every 31d at best, but intervals are given up after 21d; expected policy: "
                "{retry_window: 31d}"
            ],
        ),
        (
            meter("A", "{profile: P.01, channels: [1-0:1.29.0, 1-0:2.29.0, 0-0:96.10.1]}"),
            [
                "meters[0].jobs[0].channels: reactive energy is recommended at metering type A; expected channels "
                "such as 1-0:5.29.0 and 1-0:8.29.0 besides"
            ],
        ),
        (
            meter("C", REGISTERS, ", voltage: medium"),
            [
                "meters[0]: metering at medium voltage is done through current and voltage transformers; expected "
                "ct: 200/5 and vt: 22000/100, with the figures of the point"
            ],
        ),
        (
            meter("C", REGISTERS, ", voltage: high, ratio: [{ct: 50/5}, {ct: 50/5, vt: 9/1, since: 2026-01-01}]"),
            [
                "meters[0].ratio[0]: metering at high voltage is done through current and voltage transformers; "
                "expected vt: 22000/100, with the figures of the point"
            ],
        ),
        (
            meter("C", REGISTERS, ", voltage: medium, ratio: [{vt: 22000/100}]"),
            [
                "meters[0].ratio[0]: metering at medium voltage is done through current and voltage transformers; "
                "expected ct: 200/5, with the figures of the point"
            ],
        ),
        (
            meter("C", REGISTERS, ", ratio: [{vt: 22000/100}]"),
            [
                "meters[0].ratio[0]: a voltage transformer without a current transformer; expected ct: 200/5 or the "
                "like as well"
            ],
        ),
        (
            meter("A", PROFILE, ", policy: {set_clock: true}"),
            ["meters[0]: has set_clock: true in its policy, but the driver telegram sets no clocks"],
        ),
        (
            meter("A", PROFILE, ", policy: {set_clock: true}", driver="watch"),
            [
                "meters[0]: has set_clock: true in its policy, but watch has no set_clock of its own; expected watch: "
                "{set_clock: {}}, or set_clock: false in its policy"
            ],
        ),
        (
            f"id: m, driver: telegram, metering_type: B, jobs: [{PROFILE}]",
            ["meters[0]: metering type B without a point; expected the EIC or EAN that its data belong to"],
        ),
    ],
)
def test_it_is_told(told: str, expected: list[str]) -> None:
    assert warned(told) == expected


def test_of_each_meter_by_itself() -> None:
    meters = [meter(kind, REGISTERS).replace("id: m", f"id: {kind}") for kind in ("A", "C", "AMM")]
    assert [line.partition(":")[0] for line in warned(*meters)] == ["meters[0]", "meters[2]"]


def registrar(jobs: str, *points: str) -> str:
    listed = ", ".join(f"{{id: p{number}, channels: [1-{number}], {point}}}" for number, point in enumerate(points, 1))
    return f"id: m, driver: telegram, metering_type: A, jobs: [{jobs}], points: [{listed}]"


def test_the_job_of_a_registrar_brings_the_profiles_of_its_points() -> None:
    assert warned(registrar(PROFILE, POINT, POINT)) == []


def test_the_jobs_of_points_are_jobs_of_the_registrar() -> None:
    """The second point has no profile, the registrar itself has that of the first."""
    (found,) = warned(registrar("", f"{POINT}, jobs: [{PROFILE}]", POINT))
    assert found.startswith("meters[0].points[1]: metering type A without a load profile; ")


def test_points_are_looked_at_like_meters() -> None:
    jobs = "jobs: [{profile: P.02, every: 2d, channels: [1-1:1.29.0]}]"
    assert [line.partition(": ")[0] for line in warned(registrar(PROFILE, f"voltage: high, {jobs}"))] == [
        "meters[0].points[0]",  # without a point
        "meters[0].points[0]",  # without transformers
        "meters[0].points[0].jobs[0]",
        "meters[0].points[0].jobs[0].channels",
    ]
    wrong = "point: {ean: 859182400123456784}"
    assert warned(registrar(PROFILE, wrong)) == [
        "meters[0].points[0].point.ean: the check digit of the EAN should be 9, not 4; copied wrongly?"
    ]


# -- jobs and points of a registrar ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "own", "valid"),
    [
        ("{deadline: 10:00}", "10:00", "06:00"),
        ("{deadline: 05:00}", "05:00", "06:00"),
        ("{deadline: none}", "none", "06:00"),
    ],
)
def test_the_deadline_of_a_point_whose_intervals_the_registrar_asks_for(policy: str, own: str, valid: str) -> None:
    for job in (PROFILE, INTERVALS):
        assert warned(registrar(job, f"{POINT}, policy: {policy}")) == [
            f"meters[0].points[0].policy.deadline: a deadline of {own} does nothing here: the intervals of this point "
            f"come by a job of the registrar 'm', whose deadline is {valid}; expected policy: {{deadline: {own}}} at "
            "the registrar, or the job among those of this point"
        ]


def test_the_deadline_of_a_points_type_is_laxer_at_the_registrar() -> None:
    of_type = f"{POINT}, metering_type: AMM"
    lax = registrar(PROFILE, of_type).replace("metering_type: A,", "metering_type: B,")
    (found,) = warned(lax)
    assert found.startswith("meters[0].points[0]: a deadline of 12:00 does nothing here: ")
    assert "registrar 'm', which has no deadline; expected policy: {deadline: 12:00} at the registrar" in found


@pytest.mark.parametrize(
    "quiet",
    [
        registrar(PROFILE, f"{POINT}, policy: {{deadline: 06:00}}"),
        registrar(PROFILE, f"{POINT}, metering_type: AMM"),  # its type is content with less
        registrar(PROFILE, f"{POINT}, metering_type: B"),
        registrar("", f"{POINT}, policy: {{deadline: 10:00}}, jobs: [{PROFILE}]"),
        registrar("{profile: P.01}", f"{POINT}, policy: {{deadline: 10:00}}, jobs: [{{profile: P.02}}]"),
        registrar(PROFILE, f"{POINT}, jobs: [{{registers: [1-1:1.8.0], every: 1h}}]"),
        registrar(PROFILE, f"{POINT}, jobs: [{{registers: all, every: 1h}}]"),
        registrar("", f"{POINT}, jobs: [{{intervals: [1-1:1.8.0], every: 15m}}]"),
    ],
)
def test_there_is_nothing_to_say_of_a_point(quiet: str) -> None:
    assert warned(quiet) == []


def test_what_a_point_asks_for_and_is_not_its_own_goes_to_somebody_else() -> None:
    jobs = (
        "jobs: [{registers: [1-1:1.8.0, 1-2:1.8.0, 1-0:1.8.0], every: 1h}, "
        "{profile: P.02, channels: [1-1:5.29.0, 1-3:1.29.0]}]"
    )
    expected = "among the channels of this point, so the readings go to the"
    assert warned(registrar(PROFILE, f"{POINT}, {jobs}", POINT)) == [
        f"meters[0].points[0].jobs[0].registers[1]: 1-2:1.8.0 is not {expected} point 'p2'; expected the job at the "
        "point p2",
        f"meters[0].points[0].jobs[0].registers[2]: 1-0:1.8.0 is not {expected} registrar 'm'; expected 1-0:1.8.0 "
        "among them, or the job at the registrar",
        f"meters[0].points[0].jobs[1].channels[1]: 1-3:1.29.0 is not {expected} registrar 'm'; expected 1-3:1.29.0 "
        "among them, or the job at the registrar",
    ]


def test_intervals_that_the_gateway_makes_stay_with_their_register() -> None:
    """The total alone among the channels of a point brings it the intervals that are made of it."""
    point = f"{POINT}, jobs: [{{intervals: [1-1:1.8.0], every: 15m}}]"
    assert warned(registrar("", point).replace("channels: [1-1]", "channels: ['1-1:1.8.0']")) == []
    assert warned(registrar("", point).replace("channels: [1-1]", "channels: ['1-1:1.29.0']")) == [
        "meters[0].points[0].jobs[0].intervals[0]: 1-1:1.8.0 is not among the channels of this point, so the readings "
        "go to the registrar 'm'; expected 1-1:1.8.0 among them, or the job at the registrar"
    ]
