"""What is worth knowing of meters in a configuration that can be used.

Rules: works on the finished settings, which have their policies; everything here is advice. What type A, B and C are
to have is that of PPDS annex 5 (2.2, 2.5, 2.13) and decree 359/2020, what transformers there are that of annex 5, 2.1.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import time, timedelta

from pydantic import BaseModel

from gatewayd.config.identifiers import ean_doubt, eic_doubt
from gatewayd.config.nodes import Fault, Loc
from gatewayd.config.policy_checks import pause_of
from gatewayd.config.settings import Job, MeterSettings, PartSettings, Voltage
from gatewayd.config.values import written
from gatewayd.model import Meter, MeteringType, Ratio
from gatewayd.obis import Obis
from gatewayd.options import has_load_profiles
from gatewayd.policy import Policy

_PROFILE_TYPES = (MeteringType.A, MeteringType.B)
_DAY = timedelta(days=1)
_REACTIVE = range(3, 9)
"""Group C of reactive energy: both directions, four quadrants."""
_PROFILE_JOB = "{profile: 1-0:99.1.0}"
_INTERVALS_JOB = "{intervals: [1-0:1.8.0, 1-0:2.8.0], every: 15m}"


@dataclass(frozen=True, slots=True)
class _Subject:
    """A meter, or a metering point behind a registrar. `jobs` are its own with their places, `served` all that may
    bring it values."""

    loc: Loc
    meter: Meter
    policy: Policy
    voltage: Voltage | None
    jobs: Sequence[Job]
    served: Sequence[Job]
    has_profiles: bool


def warnings(meters: Sequence[MeterSettings]) -> Iterator[Fault]:
    for number, settings in enumerate(meters):
        loc = ("meters", number)
        if not settings.all_jobs:
            yield Fault(loc, "has no jobs, so it is never read by itself")
        if settings.policy.set_clock:
            yield from _clock(loc, settings.driver, settings.options)
        for subject in _subjects(loc, settings):
            yield from _point(subject)
            yield from _transformers(subject)
            if settings.all_jobs:
                yield from _type(subject)
            for place, job in enumerate(subject.jobs):
                if job.profile is not None:
                    yield from _profile((*subject.loc, "jobs", place), subject, job)
        for place, part in enumerate(settings.parts):
            yield from _deadline((*loc, "points", place), settings, part)
            yield from _foreign((*loc, "points", place), settings, part)


def _subjects(loc: Loc, settings: MeterSettings) -> Iterator[_Subject]:
    everything = [job for _, job in settings.all_jobs]
    profiles = has_load_profiles(type(settings.options))
    yield _Subject(loc, settings.meter, settings.policy, settings.voltage, settings.jobs, everything, profiles)
    for number, part in enumerate(settings.parts):
        yield _part((*loc, "points", number), settings, part, profiles=profiles)


def _part(loc: Loc, registrar: MeterSettings, part: PartSettings, *, profiles: bool) -> _Subject:
    served = (*registrar.jobs, *part.jobs)
    return _Subject(loc, part.part.meter, part.policy, part.voltage, part.jobs, served, profiles)


def _point(subject: _Subject) -> Iterator[Fault]:
    point, kind = subject.meter.point, subject.meter.metering_type
    if kind in _PROFILE_TYPES and not (point.eic or point.ean) and not subject.meter.parts:
        message = f"metering type {kind.value} without a point; expected the EIC or EAN that its data belong to"
        yield Fault(subject.loc, message)
    for key, said in (("eic", eic_doubt(point.eic)), ("ean", ean_doubt(point.ean))):
        if said is not None:
            yield Fault((*subject.loc, "point", key), said)


def _transformers(subject: _Subject) -> Iterator[Fault]:
    ratios = subject.meter.ratios
    if not ratios and not subject.meter.parts:
        yield from _missing(subject.loc, Ratio(), subject.voltage)
    for number, ratio in enumerate(ratios):
        yield from _missing((*subject.loc, "ratio", number), ratio, subject.voltage)


def _missing(loc: Loc, ratio: Ratio, voltage: Voltage | None) -> Iterator[Fault]:
    if voltage in ("medium", "high"):
        absent = [words for found, words in ((ratio.ct, "ct: 200/5"), (ratio.vt, "vt: 22000/100")) if not found]
        if absent:
            message = (
                f"metering at {voltage} voltage is done through current and voltage transformers; expected "
                f"{' and '.join(absent)}, with the figures of the point"
            )
            yield Fault(loc, message)
    elif ratio.vt and not ratio.ct:
        yield Fault(loc, "a voltage transformer without a current transformer; expected ct: 200/5 or the like as well")


def _type(subject: _Subject) -> Iterator[Fault]:
    """Whether it is read as its metering type wants it."""
    kind, jobs = subject.meter.metering_type, subject.served
    if any(job.profile is not None or job.intervals or job.listen for job in jobs):
        return
    if kind in _PROFILE_TYPES:
        if not subject.has_profiles:
            message = f"metering type {kind.value} without intervals; expected the job {_INTERVALS_JOB}"
        else:
            message = (
                f"metering type {kind.value} without a load profile; expected the job {_PROFILE_JOB}, or "
                f"{_INTERVALS_JOB} where the meter has none"
            )
        yield Fault(subject.loc, message)
    elif kind is MeteringType.AMM:
        wanted = _PROFILE_JOB if subject.has_profiles else _INTERVALS_JOB
        message = (
            f"metering type AMM without a load profile, and nobody listens; expected the job {wanted}, or "
            "{listen: true} where the meter pushes"
        )
        yield Fault(subject.loc, message)


def _profile(loc: Loc, subject: _Subject, job: Job) -> Iterator[Fault]:
    kind, policy = subject.meter.metering_type, subject.policy
    pause = pause_of(job.on) if job.every is None else job.every
    if pause > _DAY and kind is MeteringType.A:
        message = f"metering type A is read every day, this profile every {written(pause)} at best"
        yield Fault(loc, f"{message}; expected at: 00:20 without on")
    elif pause > _DAY and policy.deadline is not None:
        message = f"a day has to be complete at {policy.deadline:%H:%M} on the day after, but it is read every"
        yield Fault(loc, f"{message} {written(pause)} at best; read it every day, or set policy: {{deadline: none}}")
    if pause > policy.retry_window:
        message = (
            f"is read every {written(pause)} at best, but intervals are given up after {written(policy.retry_window)}; "
            f"expected policy: {{retry_window: {written(pause)}}}"
        )
        yield Fault(loc, message)
    reactive = any(code.a == 1 and code.c in _REACTIVE for code in job.channels)
    if kind in _PROFILE_TYPES and job.channels and not reactive:
        message = (
            f"reactive energy is recommended at metering type {kind.value}; expected channels such as 1-0:5.29.0 and "
            "1-0:8.29.0 besides"
        )
        yield Fault((*loc, "channels"), message)


def _deadline(loc: Loc, registrar: MeterSettings, part: PartSettings) -> Iterator[Fault]:
    """A deadline is that of the job which keeps a profile complete: a point without such a job has none of its own."""
    if any(map(_kept, part.jobs)) or not any(map(_kept, registrar.jobs)):
        return
    own, valid = part.policy.deadline, registrar.policy.deadline
    configured = part.part.meter.metering_type is registrar.metering_type  # where it is another, its type may say so
    if own == valid or not (configured or (own is not None and (valid is None or own < valid))):
        return
    whose = "which has no deadline" if valid is None else f"whose deadline is {_time(valid)}"
    message = (
        f"a deadline of {_time(own)} does nothing here: the intervals of this point come by a job of the registrar "
        f"'{registrar.id}', {whose}; expected policy: {{deadline: {_time(own)}}} at the "
        "registrar, or the job among those of this point"
    )
    yield Fault((*loc, "policy", "deadline") if configured else loc, message)


def _kept(job: Job) -> bool:
    return job.profile is not None or job.intervals


def _time(deadline: time | None) -> str:
    return "none" if deadline is None else f"{deadline:%H:%M}"


def _foreign(loc: Loc, registrar: MeterSettings, part: PartSettings) -> Iterator[Fault]:
    """Whose a reading is says its code, not whose job has asked for it."""
    meter = registrar.meter
    for place, job in enumerate(part.jobs):
        for key, codes in (("intervals" if job.intervals else "registers", job.registers), ("channels", job.channels)):
            for number, code in enumerate(codes):
                owner = meter.owner(code)  # intervals that the gateway makes stay with their register
                if owner.id != part.id:
                    said = _elsewhere(code, owner.id, "registrar" if owner is meter else "point")
                    yield Fault((*loc, "jobs", place, key, number), said)


def _elsewhere(code: Obis, owner: str, kind: str) -> str:
    name = str(code).removesuffix("*255")
    remedy = (
        f"{name} among them, or the job at the registrar" if kind == "registrar" else f"the job at the point {owner}"
    )
    return (
        f"{name} is not among the channels of this point, so the readings go to the {kind} '{owner}'; expected {remedy}"
    )


def _clock(loc: Loc, driver: str, options: BaseModel) -> Iterator[Fault]:
    """A policy that sets the clock of a meter whose driver does not."""
    if "set_clock" not in type(options).model_fields:
        yield Fault(loc, f"has set_clock: true in its policy, but the driver {driver} sets no clocks")
    elif not vars(options)["set_clock"]:  # not dict(): options with a property `keys` would be taken for a mapping
        message = f"has set_clock: true in its policy, but {driver} has no set_clock of its own; expected"
        yield Fault(loc, f"{message} {driver}: {{set_clock: {{}}}}, or set_clock: false in its policy")
