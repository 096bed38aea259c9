"""Profile jobs and registers without a time: what they become, and what they must not say, in the schema as well."""

from datetime import time, timedelta
from typing import ClassVar

import pytest
from pydantic import BaseModel

from gatewayd import config
from gatewayd.config import json_schema
from gatewayd.errors import ConfigError
from gatewayd.model import LoadProfile, MeteringType, Registers
from gatewayd.obis import Obis
from gatewayd.options import Options, PasswordReference, has_load_profiles
from gatewayd.policy import POLICIES
from tests.gatewayd.config.doubles import DRIVERS, HEAD, SINKS, faults, parse
from tests.gatewayd.config.test_schema import errors


class Counter(Options):
    """A driver whose meters have no load profiles."""

    LOAD_PROFILES: ClassVar[bool] = False


MORE: dict[str, type[BaseModel]] = {**DRIVERS, "counter": Counter}
SCHEMA = json_schema(DRIVERS, SINKS)
PERIOD = "a period such as 15m, 60s, 1h or 1d"
DAYS = "a weekday such as mon, a day of the month from 1 to 28, or daily"
NO_TIME = "has neither every nor at; expected one of them, such as every: 15m or at: 00:05"
OBIS = "is not an OBIS code; expected one such as 1-0:1.8.0, 1.8.0 or C.1.0"
CODE = "is the code of a quantity; expected that of a load profile or log such as 1-0:99.1.0 or P.01"
PROFILE_PERIOD = "is not the period of a profile; expected one that divides the hour, such as 15m, or 1d"
CHANNELS = "a list of OBIS codes such as [1-0:1.29.0, 1-0:2.29.0]"
PROFILE, REACTIVE = Obis.parse("1-0:99.1.0"), Obis.parse("1-0:5.29.0")


def meter_with(job: str, kind: str = "A") -> str:
    return f"{HEAD}meters:\n- {{id: m, driver: telegram, line: l, metering_type: {kind}, jobs: [{{{job}}}]}}\n"


RIGHT: list[tuple[str, str, config.Job]] = [
    ("A", "profile: 1-0:99.1.0", config.Job(at=time(0, 20), profile=PROFILE)),
    ("A", "profile: P.01, every: 15m", config.Job(every=timedelta(minutes=15), profile=PROFILE)),
    ("A", "profile: P.01, every: 31d", config.Job(every=timedelta(days=31), profile=PROFILE)),
    ("B", "profile: P.01", config.Job(at=time(2), on="mon", profile=PROFILE)),
    ("B", "profile: P.01, on: thu", config.Job(at=time(2), on="thu", profile=PROFILE)),
    ("B", "profile: P.01, on: daily", config.Job(at=time(2), profile=PROFILE)),
    ("B", "profile: P.01, at: 03:00", config.Job(at=time(3), profile=PROFILE)),  # a time of its own: every day
    ("B", "profile: P.01, at: 03:00, on: 28", config.Job(at=time(3), on=28, profile=PROFILE)),
    ("C", "profile: P.01, backfill_months: 1", config.Job(at=time(0, 5), on=1, profile=PROFILE, months=1)),
    ("C", "registers: all", config.Job(at=time(0, 5), on=1)),
    ("C", "registers: all, on: 15", config.Job(at=time(0, 5), on=15)),
    ("C", "registers: all, every: 1h", config.Job(every=timedelta(hours=1))),
    ("A", "registers: all, at: 00:05, on: sun", config.Job(at=time(0, 5), on="sun")),
    ("AMM", "profile: 0-0:99.98.0, every: 1h", config.Job(every=timedelta(hours=1), profile=Obis.parse("0-0:99.98.0"))),
    ("AMM", "profile: 0-1:24.3.0", config.Job(at=time(0, 20), profile=Obis.parse("0-1:24.3.0"))),
    ("A", "profile: P.01, period: 1d", config.Job(at=time(0, 20), profile=PROFILE, period=timedelta(days=1))),
    (
        "A",
        "profile: P.01, channels: [5.29]",
        config.Job(at=time(0, 20), profile=PROFILE, channels=(Obis(1, 0, 5, 29),)),
    ),
]


@pytest.mark.parametrize(("kind", "text", "job"), RIGHT, ids=[f"{kind}: {text}" for kind, text, _ in RIGHT])
def test_what_a_job_becomes(kind: str, text: str, job: config.Job) -> None:
    assert parse(meter_with(text, kind)).meters[0].jobs == (job,)
    assert errors(SCHEMA, meter_with(text, kind)) == []


def test_what_is_asked_for() -> None:
    quarter = timedelta(minutes=15)
    job = config.Job(at=time(0), profile=PROFILE, months=2, period=quarter, channels=(PROFILE,))
    assert job.request == LoadProfile(PROFILE, 2, quarter, (PROFILE,))
    assert config.Job(at=time(0), profile=PROFILE).request == LoadProfile(PROFILE)
    assert config.Job(at=time(0)).request == Registers()
    assert POLICIES[MeteringType.A].backfill_months == config.Job().months


WRONG: list[tuple[str, str]] = [
    ("profile: , at: 00:05", "jobs[0].profile: is empty; expected an OBIS code such as 1-0:99.1.0"),
    ("listen: , every: 1h", "jobs[0].listen: is empty; expected true"),
    ("profile: foo", f"jobs[0].profile: 'foo' {OBIS}"),
    ("profile: [P.01]", "jobs[0].profile: a list is not an OBIS code such as 1-0:1.8.0"),
    ("profile: 1-0:1.29.0", f"jobs[0].profile: '1-0:1.29.0' {CODE}"),
    ("profile: P.01, every: 14m", "jobs[0]: asks for a profile every 14m; expected every: 15m or longer"),
    ("profile: P.01, every: 32d", "jobs[0].every: '32d' is not a period from 1s to 31d"),
    ("profile: P.01, every: 15", f"jobs[0].every: '15' is not {PERIOD}"),
    (
        "profile: P.01, every: 1h, at: 00:05",
        "jobs[0]: has both every and at; expected one of them, such as every: 15m or at: 00:05",
    ),
    ("profile: P.01, every: 1h, on: mon", "jobs[0]: has on beside every; it belongs to at, such as at: 00:05"),
    ("registers: all, every: 1h, on: mon", "jobs[0]: has on beside every; it belongs to at, such as at: 00:05"),
    ("registers: all, at: 00:05, on: 31", f"jobs[0].on: '31' is not {DAYS}"),
    ("registers: all, on: mon", f"jobs[0]: {NO_TIME}"),
    ("registers: all", f"jobs[0]: {NO_TIME}"),
    (
        "profile: P.01, registers: all, at: 00:05",
        "jobs[0]: has registers beside profile; registers are a job of their own",
    ),
    (
        "profile: P.01, intervals: [1.8.0], every: 15m",
        "jobs[0]: has profile beside intervals; their registers are read at each boundary of every",
    ),
    (
        "intervals: [1.8.0], every: 15m, on: mon",
        "jobs[0]: has on beside intervals; their registers are read at each boundary of every",
    ),
    (
        "listen: true, profile: P.01, period: 15m, on: 1",
        "jobs[0]: has profile, on, period beside listen; a job that listens has no times and takes all",
    ),
    (
        "registers: all, at: 00:05, backfill_months: 3",
        "jobs[0]: has backfill_months without profile; expected profile: 1-0:99.1.0 beside it",
    ),
    (
        "registers: all, at: 00:05, period: 15m, channels: [1.29]",
        "jobs[0]: has period, channels without profile; expected profile: 1-0:99.1.0 beside it",
    ),
    ("profile: P.01, backfill_months: 0", "jobs[0].backfill_months: '0' is not a whole number from 1 to 120"),
    ("profile: P.01, backfill_months: all", "jobs[0].backfill_months: 'all' is not a whole number from 1 to 120"),
    ("profile: P.01, period: 2h", f"jobs[0].period: '2h' {PROFILE_PERIOD}"),
    ("profile: P.01, period: 25m", f"jobs[0].period: '25m' {PROFILE_PERIOD}"),
    ("profile: P.01, channels: all", f"jobs[0].channels: 'all' is not {CHANNELS}"),
    (
        "profile: P.01, channels: []",
        "jobs[0].channels: is an empty list; expected OBIS codes such as 1-0:1.29.0, or leave the key out",
    ),
    ("profile: P.01, channels: [1.29, x]", f"jobs[0].channels[1]: 'x' {OBIS}"),
    ("profile: P.01, channels: [1.29, 1-0:1.29.0]", "jobs[0]: has a channel twice; name each once"),
    (
        "profil: P.01",
        "jobs[0].profil: unknown key; did you mean 'profile'? known keys: at, backfill_months, channels, every, "
        "intervals, listen, on, period, profile, registers, rollover, silence",
    ),
]
NOT_IN_THE_SCHEMA = (
    *(
        "profile: , at: 00:05",
        "profile: foo",
        "profile: 1-0:1.29.0",
        "profile: P.01, every: 14m",
        "profile: P.01, every: 32d",
    ),
    *("profile: P.01, period: 2h", "profile: P.01, period: 25m", "profile: P.01, channels: [1.29, x]"),
    "profile: P.01, channels: [1.29, 1-0:1.29.0]",
)
"""An editor does not know what codes mean, and sees a period only as a number with a letter."""


@pytest.mark.parametrize(("text", "expected"), WRONG, ids=[text for text, _ in WRONG])
def test_what_a_job_must_not_say(text: str, expected: str) -> None:
    assert f"f.yaml:6: meters[0].{expected}" in faults(meter_with(text))
    if text != "profil: P.01":  # which lacks what it should be as well
        assert len(faults(meter_with(text))) == 1
    assert bool(errors(SCHEMA, meter_with(text))) is (text not in NOT_IN_THE_SCHEMA)


def test_a_time_is_not_made_up_where_the_type_is_not_written() -> None:
    """Type C is the default, and a forgotten `every` would be a reading a month."""
    text = f"{HEAD}meters:\n- {{id: m, driver: telegram, line: l, jobs: [{{registers: all}}]}}\n"
    assert faults(text) == [f"f.yaml:6: meters[0].jobs[0]: {NO_TIME}"]
    assert errors(SCHEMA, text)
    assert faults(meter_with("registers: [foo]", "B")) == [
        f"f.yaml:6: meters[0].jobs[0]: {NO_TIME}",
        f"f.yaml:6: meters[0].jobs[0].registers[0]: 'foo' {OBIS}",  # told in the same go
    ]


@pytest.mark.parametrize(
    ("jobs", "points", "expected"),
    [
        ("{profile: P.01}, {profile: 1-0:99.1.0, every: 1h}", "", ["jobs[1].profile: jobs[0]"]),
        ("{profile: P.01}, {profile: P.02}, {profile: P.01}", "", ["jobs[2].profile: jobs[0]"]),
        ("{profile: P.01}", "{profile: P.01}", ["points[0].jobs[0].profile: jobs[0]"]),
        ("", "{profile: P.01}, {profile: 1-0:99.1}", ["points[0].jobs[1].profile: points[0].jobs[0]"]),
        ("{profile: P.01}, {profile: P.98}", "{profile: 1-1:99.1.0}", []),
    ],
)
def test_a_profile_is_kept_complete_by_one_job(jobs: str, points: str, expected: list[str]) -> None:
    point = f"{{id: p, channels: [1-1], jobs: [{points}]}}"
    found = faults(f"{HEAD}meters:\n- {{id: m, driver: telegram, line: l, jobs: [{jobs}], points: [{point}]}}\n")
    said = "keeps this profile complete already; take one of them out"
    assert found == [f"f.yaml:6: meters[0].{place} {said}" for place in expected]


def test_intervals_of_one_register_are_made_by_one_job() -> None:
    point = "{id: p, channels: [1-1], jobs: [{intervals: [1-1:1.8.0, 1-0:1.8.0], every: 5m}]}"
    job = "{intervals: [1.8.0], every: 15m}"
    (found,) = faults(f"{HEAD}meters:\n- {{id: m, driver: telegram, line: l, jobs: [{job}], points: [{point}]}}\n")
    place = "meters[0].points[0].jobs[0].intervals[1]"
    said = "jobs[0] makes intervals of this register already; take it out of one of them"
    assert found == f"f.yaml:6: {place}: {said}"


def test_a_driver_whose_meters_have_no_profiles() -> None:
    assert has_load_profiles(PasswordReference)
    assert not has_load_profiles(Counter)
    point = "{id: p, channels: [1-1], jobs: [{profile: P.02, at: 00:05, foo: 1}]}"
    jobs = "{profile: P.01}, {registers: all, every: 1h}"
    text = f"{HEAD}meters:\n- {{id: m, driver: counter, line: l, jobs: [{jobs}], points: [{point}]}}\n"
    with pytest.raises(ConfigError) as raised:
        config.parse(text, "f.yaml", MORE, SINKS)
    said = (
        "meters of the driver counter have no load profile; expected intervals, which are made of registers, such as "
        "{intervals: [1-0:1.8.0, 1-0:2.8.0], every: 15m}"
    )
    assert [(finding.key, finding.message) for finding in raised.value.findings] == [
        ("meters[0].jobs[0].profile", said),
        ("meters[0].points[0].jobs[0].profile", said),
    ]


CALLED = HEAD.replace("type: tcp, host: h, port: 1", "type: tcp_listen, port: 1")


@pytest.mark.parametrize("place", ["jobs", "points[0].jobs"])
@pytest.mark.parametrize(
    ("job", "key"),
    [
        ("profile: P.01", "profile"),
        ("profile: P.01, at: 00:05", "profile"),
        ("registers: all, at: 00:05, on: 1", "registers"),
    ],
)
def test_a_meter_that_calls_us_is_not_asked_for_its_profile(job: str, key: str, place: str) -> None:
    jobs = f"jobs: [{{{job}}}]" if place == "jobs" else f"points: [{{id: p, channels: [1-1], jobs: [{{{job}}}]}}]"
    (found,) = faults(f"{CALLED}meters:\n- {{id: m, driver: telegram, line: l, metering_type: C, {jobs}}}\n")
    assert found == (
        f"f.yaml:6: meters[0].{place}[0].{key}: meters call us on line 'l', so none can be asked at a time of ours; "
        "expected the job {listen: true}, which takes what the meter sends"
    )
