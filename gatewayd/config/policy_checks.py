"""What must fit together in a policy: the defaults of a metering type with what the configuration changes.

Rules: works on the values of the file before they are checked one by one, so that a fault elsewhere hides nothing;
what has the wrong form is passed over here. A fault stands at a key that is in the file.
"""

from collections.abc import Iterator, Mapping
from datetime import time, timedelta
from typing import Any

from pydantic import ValidationError

from gatewayd.config.nodes import Fault, Loc
from gatewayd.config.policies import PolicyEntry, with_changes
from gatewayd.config.values import DAILY, written
from gatewayd.model import MeteringType
from gatewayd.policy import POLICIES, Policy

_DAY = timedelta(days=1)
_Found = tuple[tuple[str, ...], str]


def faults(data: Any) -> Iterator[Fault]:  # Any: whatever the text has become
    """`data`: the file as plain Python, with times and periods where they have the form of such."""
    changes = _mapping(_mapping(data).get("policies"))
    policies = dict(POLICIES)
    for kind in MeteringType:
        entry = _entry(changes.get(kind.value))
        policies[kind] = with_changes(policies[kind], entry)
        yield from _located(("policies", kind.value), entry, policies[kind])
    for loc, meter in _members(("meters",), _mapping(data).get("meters")):
        yield from _meter(loc, meter, policies)


def _meter(loc: Loc, meter: Mapping[str, Any], policies: Mapping[MeteringType, Policy]) -> Iterator[Fault]:
    kind = _type(meter, MeteringType.C)
    entry = _entry(meter.get("policy"))
    policy = with_changes(policies[kind], entry)
    yield from _located((*loc, "policy"), entry, policy)
    yield from _late(loc, meter, policy)
    for place, point in _members((*loc, "points"), meter.get("points")):
        own = _type(point, kind)
        entry = _entry(point.get("policy"))
        of_point = with_changes(policy if own is kind else policies[own], entry)
        yield from _located((*place, "policy"), entry, of_point)
        yield from _late(place, point, of_point)


def _late(loc: Loc, meter: Mapping[str, Any], policy: Policy) -> Iterator[Fault]:
    """A profile that is read when its day has to be complete already."""
    deadline = policy.deadline
    for place, job in _members((*loc, "jobs"), meter.get("jobs")):
        at = job.get("at")
        if job.get("profile") is None or not isinstance(at, time) or job.get("on") not in (None, DAILY):
            continue
        if deadline is not None and at >= deadline:
            message = (
                f"is not before the deadline of {_clock(deadline)}, so that no day would be complete in time; "
                "read earlier, or change policy: {deadline: ...}, which may be none"
            )
            yield Fault((*place, "at"), message)


def _located(loc: Loc, entry: PolicyEntry | None, policy: Policy) -> Iterator[Fault]:
    """The contradictions of which one side stands in the entry, each at the first key of it that does."""
    given = () if entry is None else [name for name in type(entry).model_fields if getattr(entry, name) is not None]
    for keys, message in contradictions(policy):
        key = next((key for key in keys if key in given), None)
        if key is not None:
            yield Fault((*loc, key), message)


def contradictions(policy: Policy) -> Iterator[_Found]:
    """What cannot be in one policy: the keys that it is about, and the words."""
    at, deadline, window = policy.at, policy.deadline, policy.retry_window
    if policy.evaluation % policy.period:
        yield (
            ("evaluation", "period"),
            f"an evaluation interval of {written(policy.evaluation)} is no multiple of the period of "
            f"{written(policy.period)}; expected evaluation: 60m",
        )
    if policy.clock_limit * 2 > policy.period:
        yield (
            ("clock_limit", "period"),
            f"a clock limit of {_length(policy.clock_limit)} is more than half of the period of "
            f"{written(policy.period)}; expected about 1 % of it",
        )
    if deadline is not None and at is not None and at >= deadline:
        yield (
            ("deadline", "at"),
            f"a deadline of {_clock(deadline)} is not later than the job at {_clock(at)}, so that no day would be "
            "complete in time",
        )
    if deadline is not None and policy.on is not None:
        yield (
            ("on", "deadline"),
            f"a deadline of {_clock(deadline)} on the day after needs a job every day; expected on: daily, or "
            "deadline: none",
        )
    elif deadline is not None and window < (least := _DAY + timedelta(hours=deadline.hour, minutes=deadline.minute)):
        yield (
            ("retry_window", "deadline"),
            f"a retry window of {written(window)} is over before the deadline of {_clock(deadline)} on the day after; "
            f"expected at least {written(least)}",
        )
    if window < (least := pause_of(policy.on)):
        yield (
            ("retry_window", "on"),
            f"a retry window of {written(window)} is shorter than the time between two runs; expected at least "
            f"{written(least)}",
        )


def pause_of(on: str | int | None) -> timedelta:
    """The longest time between two runs of a job on this day: a weekday, a day of the month, or every day."""
    if on is None:
        return _DAY
    return timedelta(days=31 if isinstance(on, int) else 7)


def _entry(found: Any) -> PolicyEntry | None:
    """What of a policy in the file is of the right form; strict, so that a text does not count as a time."""
    sound: dict[str, Any] = {}
    for key, value in _mapping(found).items():
        try:
            PolicyEntry.model_validate({key: value}, strict=True)
        except ValidationError:
            continue  # which is reported
        sound[key] = value
    return PolicyEntry.model_validate(sound, strict=True) if sound else None


def _type(meter: Mapping[str, Any], default: MeteringType) -> MeteringType:
    found = meter.get("metering_type")
    return next((kind for kind in MeteringType if kind.value == found), default)


def _members(loc: Loc, found: Any) -> Iterator[tuple[Loc, Mapping[str, Any]]]:
    for number, item in enumerate(found if isinstance(found, list) else ()):
        if isinstance(item, dict):
            yield (*loc, number), item


def _mapping(found: Any) -> Mapping[str, Any]:
    return found if isinstance(found, dict) else {}


def _clock(at: time) -> str:
    return at.isoformat("seconds" if at.second else "minutes")


def _length(period: timedelta) -> str:
    """A limit may have fractions of a second."""
    return written(period) if not period.microseconds else f"{period.total_seconds():.1f}s"
