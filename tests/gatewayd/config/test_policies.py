"""Policies: what the configuration changes of a metering type's defaults, and what does not fit together."""

from dataclasses import fields
from datetime import time, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewayd.config.policies import PolicyEntry, with_changes
from gatewayd.config.policy_checks import contradictions, faults
from gatewayd.config.values import ALIGNED, written
from gatewayd.model import MeteringType
from gatewayd.policy import POLICIES, POLICY, Policy
from tests.gatewayd.config.doubles import HEAD, parse
from tests.gatewayd.config.doubles import faults as found

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
CLOCK = "a time of day such as 00:05 or 00:05:30"
PERIOD = "a period such as 15m, 60s, 1h or 1d"
DAYS = "a weekday such as mon, a day of the month from 1 to 28, or daily"
METERING = "is not a metering period; expected one that divides the hour, such as 15m"
EVALUATION = "is not an evaluation interval; expected 15m or 60m"
NOT_IN_TIME = "so that no day would be complete in time"


def policy_of(kind: str, policies: str, own: str) -> Policy:
    meter = f"{{id: m, driver: telegram, line: l, metering_type: {kind}, policy: {own}}}"
    return parse(f"{HEAD}policies: {policies}\nmeters: [{meter}]\n").meters[0].policy


def test_without_a_word_it_is_that_of_the_type() -> None:
    for kind in MeteringType:
        assert policy_of(kind.value, "{}", "{}") == POLICIES[kind]
        assert list(contradictions(POLICIES[kind])) == []


def test_every_option_of_a_policy() -> None:
    text = (
        "{period: 5m, evaluation: 60m, at: 01:20, on: 28, deadline: none, retry_window: 40d, backfill_months: 3, "
        "clock_limit: 2s, set_clock: true}"
    )
    changed = Policy(
        5 * MINUTE,
        evaluation=60 * MINUTE,
        at=time(1, 20),
        on=28,
        deadline=None,
        retry_window=40 * DAY,
        backfill_months=3,
        clock_limit=timedelta(seconds=2),
        set_clock=True,
    )
    assert policy_of("A", "{}", text) == changed
    assert policy_of("A", f"{{A: {text}}}", "{}") == changed
    assert policy_of("AMM", f"{{A: {text}}}", "{}") == POLICIES[MeteringType.AMM]
    assert set(PolicyEntry.model_fields) == {field.name for field in fields(Policy)}


def test_a_meter_changes_what_its_type_has() -> None:
    policy = policy_of("B", "{B: {at: 03:00, on: sun, retry_window: 30d}}", "{on: daily, backfill_months: 2}")
    assert (policy.at, policy.on, policy.retry_window) == (time(3), None, 30 * DAY)
    assert (policy.backfill_months, policy.deadline) == (2, None)


@pytest.mark.parametrize(
    ("policies", "own", "limit", "evaluation"),
    [
        ("{}", "{period: 5m}", "3s", "15m"),
        ("{A: {clock_limit: 5s}}", "{}", "5s", "15m"),
        ("{A: {clock_limit: 5s}}", "{period: 30m}", "18s", "60m"),
        ("{A: {period: 30m, clock_limit: 5s}}", "{}", "5s", "60m"),
        ("{A: {period: 20m}}", "{period: 5m}", "3s", "60m"),
    ],
)
def test_a_period_brings_its_clock_limit_and_what_it_divides(
    policies: str, own: str, limit: str, evaluation: str
) -> None:
    policy = policy_of("A", policies, own)
    assert (written(policy.clock_limit), written(policy.evaluation)) == (limit, evaluation)


WRONG: list[tuple[str, str]] = [
    ("period: 7m", f"period: '7m' {METERING}"),
    ("period: 1d", f"period: '1d' {METERING}"),
    ("period: 90s", f"period: '90s' {METERING}"),
    ("period: 30s", f"period: '30s' {METERING}"),
    ("period: 15", f"period: '15' is not {PERIOD}"),
    ("evaluation: 30m", f"evaluation: '30m' {EVALUATION}"),
    ("at: 24:00", f"at: '24:00' is not {CLOCK}"),
    ("on: 29", f"on: '29' is not {DAYS}"),
    ("on: 0", f"on: '0' is not {DAYS}"),
    ("on: monday", f"on: 'monday' is not {DAYS}; did you mean 'mon'?"),
    ("on: [mon]", f"on: a list is not {DAYS}"),
    ("deadline: never", "deadline: 'never' is not a time of day such as 06:00, or none"),
    ("retry_window: 59m", "retry_window: '59m' is not a period from 1h to 366d"),
    ("retry_window: 367d", "retry_window: '367d' is not a period from 1h to 366d"),
    ("backfill_months: 0", "backfill_months: '0' is not a whole number from 1 to 120"),
    ("backfill_months: 121", "backfill_months: '121' is not a whole number from 1 to 120"),
    ("clock_limit: 9", f"clock_limit: '9' is not {PERIOD}"),
    ("clock_limit: 0s", "clock_limit: '0s' is not a period from 1s to 31d"),
    ("set_clock: yes", "set_clock: 'yes' is not true or false"),
    (
        "dead_line: 06:00",
        "dead_line: unknown key; did you mean 'deadline'? known keys: at, backfill_months, clock_limit, deadline, "
        "evaluation, on, period, retry_window, set_clock",
    ),
    (
        "evaluation: 15m, period: 30m",
        "evaluation: an evaluation interval of 15m is no multiple of the period of 30m; expected evaluation: 60m",
    ),
    (
        "period: 10m, evaluation: 15m",
        "evaluation: an evaluation interval of 15m is no multiple of the period of 10m; expected evaluation: 60m",
    ),
    (
        "clock_limit: 8m",
        "clock_limit: a clock limit of 8m is more than half of the period of 15m; expected about 1 % of it",
    ),
    ("deadline: 00:20", f"deadline: a deadline of 00:20 is not later than the job at 00:20, {NOT_IN_TIME}"),
    ("at: 07:00", f"at: a deadline of 06:00 is not later than the job at 07:00, {NOT_IN_TIME}"),
    (
        "at: 07:00, deadline: 06:30:30",
        f"deadline: a deadline of 06:30:30 is not later than the job at 07:00, {NOT_IN_TIME}",
    ),
    (
        "on: 5, retry_window: 60d",
        "on: a deadline of 06:00 on the day after needs a job every day; expected on: daily, or deadline: none",
    ),
    (
        "retry_window: 29h",
        "retry_window: a retry window of 29h is over before the deadline of 06:00 on the day after; expected at least "
        "30h",
    ),
    (
        "retry_window: 20h, deadline: none",
        "retry_window: a retry window of 20h is shorter than the time between two runs; expected at least 1d",
    ),
    (
        "on: mon, deadline: none",
        "on: a retry window of 3d is shorter than the time between two runs; expected at least 7d",
    ),
    (
        "on: 1, retry_window: 30d, deadline: none",
        "retry_window: a retry window of 30d is shorter than the time between two runs; expected at least 31d",
    ),
]


@pytest.mark.parametrize(("text", "expected"), WRONG, ids=[text for text, _ in WRONG])
def test_what_a_policy_must_not_say(text: str, expected: str) -> None:
    """The same words at a type and at a meter, also where something else in the file is wrong."""
    assert found(f"{HEAD}policies:\n  A: {{{text}}}\n") == [f"f.yaml:6: policies.A.{expected}"]
    meter = f"{{id: m, driver: telegram, line: l, metering_type: A, policy: {{{text}}}}}"
    assert found(f"{HEAD}meters:\n- {meter}\n") == [f"f.yaml:6: meters[0].policy.{expected}"]
    point = f"{{id: p, channels: [1-1], metering_type: A, policy: {{{text}}}}}"
    assert found(f"{HEAD}meters:\n- id: m\n  driver: telegram\n  line: x\n  points:\n  - {point}\n") == [
        "f.yaml:8: meters[0].line: unknown line 'x'; known lines: l",
        f"f.yaml:10: meters[0].points[0].policy.{expected}",
    ]


def test_an_unknown_type() -> None:
    (fault,) = found(f"{HEAD}policies:\n  D: {{}}\n")
    assert fault == "f.yaml:6: policies.D: unknown key; known keys: A, AMM, B, C"


def test_what_is_wrong_at_the_type_is_told_there_and_not_at_each_meter() -> None:
    meter = "{id: m, driver: telegram, line: l, metering_type: A, policy: {backfill_months: 3}}"
    (fault,) = found(f"{HEAD}policies: {{A: {{at: 07:00}}}}\nmeters: [{meter}]\n")
    assert fault.startswith("f.yaml:5: policies.A.at: ")


def test_half_of_it_at_the_type_and_half_at_the_meter() -> None:
    meter = "{id: m, driver: telegram, line: l, metering_type: A, policy: {deadline: 05:00}}"
    (fault,) = found(f"{HEAD}policies: {{A: {{at: 05:30}}}}\nmeters:\n- {meter}\n")
    assert fault.startswith("f.yaml:7: meters[0].policy.deadline: a deadline of 05:00 is not later than")


def test_half_of_it_at_the_registrar_and_half_at_its_point() -> None:
    points = "[{id: p, channels: [1-1], policy: {deadline: 05:00}}, {id: q, channels: [1-2], metering_type: AMM}]"
    meter = f"{{id: m, driver: telegram, line: l, metering_type: A, policy: {{at: 05:30}}, points: {points}}}"
    (fault,) = found(f"{HEAD}meters:\n- {meter}\n")
    assert fault.startswith("f.yaml:6: meters[0].points[0].policy.deadline: a deadline of 05:00 is not later than")
    assert found(f"{HEAD}meters:\n- {meter.replace('[1-1],', '[1-1], metering_type: AMM,')}\n") == []


LATE = "is not before the deadline of 06:00, so that no day would be complete in time; read earlier, or change policy"


@pytest.mark.parametrize(
    ("job", "late"),
    [
        ("profile: P.01, at: 06:00", True),
        ("profile: P.01, at: 13:00, on: daily", True),
        ("profile: P.01, at: 05:59:59", False),
        ("profile: P.01, at: 13:00, on: mon", False),  # which is warned of
        ("profile: P.01", False),
        ("profile: P.01, every: 1h", False),
        ("registers: all, at: 13:00", False),
    ],
)
def test_a_profile_that_is_read_behind_the_deadline(job: str, late: bool) -> None:
    meter = f"{{id: m, driver: telegram, line: l, metering_type: A, jobs: [{{{job}}}]}}"
    expected = [f"f.yaml:6: meters[0].jobs[0].at: {LATE}: {{deadline: ...}}, which may be none"]
    assert found(f"{HEAD}meters:\n- {meter}\n") == (expected if late else [])
    point = f"{{id: p, channels: [1-1], metering_type: A, jobs: [{{{job}}}]}}"
    place = "meters[0].points[0].jobs[0].at"
    expected = [line.replace("meters[0].jobs[0].at", place) for line in expected]
    assert found(f"{HEAD}meters:\n- {{id: m, driver: telegram, line: l, points: [{point}]}}\n") == (
        expected if late else []
    )


PERIODS = st.sampled_from([*ALIGNED, 3 * MINUTE, 20 * MINUTE])
ENTRIES = st.builds(
    PolicyEntry,
    period=st.none() | PERIODS,
    evaluation=st.sampled_from([None, 15 * MINUTE, 60 * MINUTE]),
    at=st.none() | st.times(),
    on=st.sampled_from([None, "daily", "mon", "sun", 1, 28]),
    deadline=st.sampled_from([None, "none"]) | st.times(),
    retry_window=st.none() | st.timedeltas(timedelta(hours=1), timedelta(days=366)),
    backfill_months=st.none() | st.integers(1, 120),
    clock_limit=st.none() | st.timedeltas(timedelta(seconds=1), timedelta(hours=1)),
    set_clock=st.sampled_from([None, True, False]),
)


@given(st.sampled_from(MeteringType), ENTRIES)
def test_what_is_named_is_changed_and_nothing_else(kind: MeteringType, entry: PolicyEntry) -> None:
    before, after = POLICIES[kind], with_changes(POLICIES[kind], entry)
    for field in fields(Policy):
        named = getattr(entry, field.name)
        if named is None and (field.name not in ("clock_limit", "evaluation") or entry.period is None):
            assert getattr(after, field.name) == getattr(before, field.name)
        elif named is not None:
            expected = None if (field.name, named) in (("on", "daily"), ("deadline", "none")) else named
            assert getattr(after, field.name) == expected
    if entry.evaluation is None:
        assert not after.evaluation % after.period
    if entry.period is not None and entry.clock_limit is None:
        assert after.clock_limit == entry.period / 100


@given(st.sampled_from(MeteringType), ENTRIES)
def test_a_contradiction_is_found_and_it_stands_at_a_key_of_the_file(kind: MeteringType, entry: PolicyEntry) -> None:
    data = {"policies": {kind.value: entry.model_dump(exclude_none=True)}}
    told = list(faults(data))
    policy = with_changes(POLICIES[kind], entry)
    assert len(told) == len(list(contradictions(policy)))
    for fault in told:
        assert fault.loc[:2] == ("policies", kind.value)
        assert getattr(entry, str(fault.loc[2])) is not None
    if not told:
        deadline = policy.deadline
        assert not policy.evaluation % policy.period
        assert deadline is None or (policy.at is not None and policy.at < deadline and policy.on is None)
        wait = timedelta(days=1 if policy.on is None else 7 if isinstance(policy.on, str) else 31)
        assert policy.retry_window >= wait
        assert policy.clock_limit <= policy.period / 2


@given(
    st.recursive(
        st.none() | st.text() | st.integers(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(["policies", "A", "meters", "policy", "points", "jobs", "at", "profile", "period"]),
                inner,
            )
        ),
    )
)
def test_whatever_stands_there_the_checks_say_nothing_of_its_form(data: Any) -> None:
    assert list(faults(data)) == []


def test_the_policy_of_nobody_is_sound() -> None:
    assert list(contradictions(POLICY)) == []
