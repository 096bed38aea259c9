"""Metering points as the rest of gatewayd works with them: what an entry says, and what its meters say besides.

    metering_points(entries, meters, zone)   all points: configured ones, and those that there are by themselves

Rules: entries are checked (metering_checks.py). A meter with a job that keeps a load profile, or makes intervals, is a
point by itself as long as it is at no other one; of a registrar its points are, and itself where it has an EIC or EAN.
What a sum or a control metering names is one in any case. The metering period of a sum is the longest of its points,
that of a point where a meter took the place of another one changes with it. A point of type C whose meters keep no load
profile has months of states of registers alone, and its channels are codes of registers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TypeVar
from zoneinfo import ZoneInfo

from gatewayd.config.metering import MeteringPointEntry, SupplyTransformerEntry, each
from gatewayd.config.settings import Job, MeterSettings, Voltage
from gatewayd.config.values import DAWN
from gatewayd.metering.points import (
    Accuracy,
    Dated,
    Installed,
    MeteringPoint,
    MeteringSide,
    SupplyTransformer,
    TransformerKind,
    verified_on,
)
from gatewayd.metering.sources import channels
from gatewayd.metering.virtual import Virtual
from gatewayd.model import NOWHERE, Meter, MeteringType, Point
from gatewayd.obis import Obis
from gatewayd.policy import Policy

_PROFILES, _LOGS = 99, 97
"""Group C of load profiles and logs; D of logs begins here (IEC 62056-6-1)."""
_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True, slots=True)
class Metered:
    """A meter or a point of a registrar, with the jobs that may bring it intervals."""

    meter: Meter
    policy: Policy
    voltage: Voltage | None
    jobs: Sequence[Job]
    registrar: Meter

    @property
    def kept(self) -> tuple[Job, ...]:
        """The jobs that bring intervals: load profiles but daily ones, and increments of registers."""
        return tuple(job for job in self.jobs if job.intervals or _is_load_profile(job))

    @property
    def stands_alone(self) -> bool:
        """Whether it is a metering point where none is configured."""
        return bool(self.kept) and (not self.meter.parts or self.meter.point != NOWHERE)

    @property
    def channels(self) -> tuple[Obis, ...]:
        """The channels of its jobs; () where one of them takes whatever the meter keeps."""
        if any(not job.intervals and not job.channels for job in self.kept):
            return ()
        codes = [code for job in self.kept for code in (job.registers if job.intervals else job.channels)]
        return channels(code for code in codes if self.registrar.owner(code).id == self.meter.id)

    @property
    def period(self) -> timedelta:
        """The metering period."""
        for job in self.kept:
            if job.intervals and job.every is not None:
                return job.every
            if job.period is not None:
                return job.period
        return self.policy.period

    @property
    def evaluation(self) -> timedelta:
        """The evaluation interval: that of the policy, but an hour where its metering periods do not fill that."""
        return _HOUR if self.policy.evaluation % self.period else self.policy.evaluation


def metered(meters: Sequence[MeterSettings]) -> Mapping[str, Metered]:
    """All that readings may be of, by id."""
    found: dict[str, Metered] = {}
    for one in meters:
        every = tuple(job for _, job in one.all_jobs)
        found[one.id] = Metered(one.meter, one.policy, one.voltage, every, one.meter)
        for part in one.parts:
            jobs = (*one.jobs, *part.jobs)
            found[part.id] = Metered(part.part.meter, part.policy, part.voltage, jobs, one.meter)
    return found


def metering_points(
    entries: Sequence[MeteringPointEntry], meters: Sequence[MeterSettings], zone: ZoneInfo
) -> tuple[MeteringPoint, ...]:
    """The points that are configured, and one for each other meter with intervals; () where none is configured: then
    nothing is derived."""
    if not entries:
        return ()
    known = metered(meters)
    by_id = {entry.id: entry for entry in entries}
    placed = {one.meter for entry in entries for one in entry.installed}
    named = {name for entry in entries for name in (*entry.sum, entry.control_of)}
    made = {
        name: _alone(one)
        for name, one in known.items()
        if name not in placed and name not in by_id and (one.stands_alone or name in named)
    }
    alone = tuple(made.values())
    for entry in entries:
        _make(entry, by_id, known, zone, made)
    return (*(made[entry.id] for entry in entries), *alone)


def _alone(one: Metered) -> MeteringPoint:
    return MeteringPoint(
        one.meter.id,
        one.meter.point,
        one.meter.metering_type,
        (Installed(one.meter.id, ratios=one.meter.ratios),),
        channels=one.channels,
        period=one.period,
        evaluation=one.evaluation,
    )


def _make(
    entry: MeteringPointEntry,
    by_id: Mapping[str, MeteringPointEntry],
    known: Mapping[str, Metered],
    zone: ZoneInfo,
    made: dict[str, MeteringPoint],
) -> MeteringPoint:
    """After those that it is a sum of: what it does not say is as it is there."""
    if entry.id not in made:
        parts = [made.get(name) or _make(by_id[name], by_id, known, zone, made) for name in entry.sum]
        made[entry.id] = _virtual(entry, parts) if entry.sum else _physical(entry, known, zone)
    return made[entry.id]


def _virtual(entry: MeteringPointEntry, parts: Sequence[MeteringPoint]) -> MeteringPoint:
    ratings = [(one.since, one.made()) for one in each(entry.rated)]
    period = max(part.period for part in parts)
    return MeteringPoint(
        entry.id,
        Point(entry.eic, entry.ean),
        entry.metering_type or _common(parts),
        sum=Virtual(entry.id, dict(entry.sum), entry.partial),
        channels=_named(entry.channels) or _shared(parts),
        period=period,
        evaluation=entry.evaluation or max(*(part.evaluation for part in parts), period),
        control_of=entry.control_of or "",
        rated=_newest(ratings, None),
        ratings=_dated(ratings),
        validation=entry.validation.said,
        substitution=entry.substitution.made(),
    )


def _common(parts: Sequence[MeteringPoint]) -> MeteringType:
    """The type of all its parts; C where they differ."""
    kinds = {part.metering_type for part in parts}
    return kinds.pop() if len(kinds) == 1 else MeteringType.C


def _shared(parts: Sequence[MeteringPoint]) -> tuple[Obis, ...]:
    """The channels that all of them have; () where one takes what comes."""
    if not all(part.channels for part in parts):
        return ()
    return tuple(code for code in parts[0].channels if all(code in part.channels for part in parts))


def _physical(entry: MeteringPointEntry, known: Mapping[str, Metered], zone: ZoneInfo) -> MeteringPoint:
    there = [known[one.meter] for one in entry.installed]
    newest = there[-1]
    point = newest.meter.point
    kind = entry.metering_type or newest.meter.metering_type
    read = kind is MeteringType.C and not any(one.kept for one in there)
    one_period = len({one.period for one in there}) == 1
    accuracies = [(one.since, one.made()) for one in each(entry.accuracy)]
    ratings = [(one.since, one.made()) for one in each(entry.rated)]
    transformers = _transformers(entry, newest.voltage)
    verifications = [(one.since, one.made()) for one in each(entry.verified_until)]
    return MeteringPoint(
        entry.id,
        Point(entry.eic or point.eic, entry.ean or point.ean),
        kind,
        tuple(
            Installed(one.meter, one.since.at(zone), found.meter.ratios, None if one_period else found.period)
            for one, found in zip(entry.installed, there, strict=True)
        ),
        channels=entry.channels if read else _named(entry.channels) or _union(there),
        period=newest.period,
        evaluation=entry.evaluation or newest.evaluation,
        control_of=entry.control_of or "",
        accuracy=_newest(accuracies, Accuracy()),
        accuracies=_dated(accuracies),
        rated=_newest(ratings, None),
        ratings=_dated(ratings),
        metering_side=entry.side,
        transformer=_newest(transformers, None),
        transformers=_dated(transformers),
        netting=entry.netted,
        validation=entry.validation.said,
        substitution=entry.substitution.made(),
        verified=verified_on([Dated(since, said) for since, said in verifications], date.max),
        verifications=_dated(verifications),
        boundary=entry.boundary if read else None,
    )


def _named(codes: Sequence[Obis]) -> tuple[Obis, ...]:
    """Channels as they are called, whichever code of the profile was written: 1-0:1.29.0 for 1-0:1.5.0."""
    return tuple(dict.fromkeys(one for code in codes for one in channels((code,)) or (code,)))


def _union(there: Sequence[Metered]) -> tuple[Obis, ...]:
    """The channels of all meters that were there; () where one takes what comes."""
    each = [one.channels for one in there]
    return channels(code for found in each for code in found) if all(each) else ()


def _transformers(entry: MeteringPointEntry, voltage: Voltage | None) -> list[tuple[date, SupplyTransformer]]:
    """Before the first that is said with a day there is the usual one, as where nothing is said."""
    if entry.side is MeteringSide.PRIMARY:
        return []
    usual = TransformerKind.VVN_VN if voltage in ("medium", "high") else TransformerKind.VN_NN
    found = [(one.since, one.made(usual)) for one in each(entry.transformer)]
    return found if found and found[0][0] == DAWN else [(DAWN, SupplyTransformerEntry().made(usual)), *found]


def _newest(found: Sequence[tuple[date, T]], nothing: U) -> T | U:
    return found[-1][1] if found else nothing


def _dated(found: Sequence[tuple[date, T]]) -> tuple[Dated[T], ...]:
    """() for what holds always."""
    if all(since == DAWN for since, _ in found):
        return ()
    return tuple(Dated(since, said) for since, said in found)


def _is_load_profile(job: Job) -> bool:
    code = job.profile
    return code is not None and code.c == _PROFILES and code.d < _LOGS and job.period != _DAY
