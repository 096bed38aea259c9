"""Events of metering points: that a rule has found something, that substitutes are used, that ratios do not agree.

    of_findings(findings, ...)    of_values(series, ...)    -> what is so of a day or month
    changes(so, standing, ...)    -> what of it is to be told, and what is over

Rules: pure. One event for each point, type, channel and day (or month), however many intervals it is about. What is
told already is not told again, whatever becomes of the values; what is not so any more is told as over, once. An event
is a reading of kind `event` of the derived archive: what goes in comes out equal.

    meter  the point    obis      the channel; none: the whole point    obis_raw  the type
    at     the end of the day or month       raw_text  `found` or `over`   more      see More
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import NamedTuple

import msgspec

from gatewayd.metering.algebra import total
from gatewayd.metering.findings import Finding, Rule, same_energy
from gatewayd.metering.record import numbers, ranges
from gatewayd.metering.values import Layer, Method, Series, Value
from gatewayd.model import Kind, RawStatus, Reading
from gatewayd.obis import Obis
from gatewayd.severity import Severity, weight

VALIDATION = "validation."
"""So begin the types of what rules find; the name of the rule follows."""
SUBSTITUTION = "substitution.used"
"""Requirements, U10."""
RATIO = "ratio.mismatch"
"""A meter has set another ratio itself (requirements, X7)."""
RECOUNTED = "ratio.recounted"
"""Readings were archived with another ratio than the configuration now says."""
OTHER_LENGTH = "interval.other_length"
"""Intervals of another length than the point's metering period were passed over."""
STANDING = frozenset({RATIO, RECOUNTED, OTHER_LENGTH})
"""Types that are told once for a point, and not of each day."""
SUBSTITUTES = frozenset({Method.CONTROL, Method.INTERPOLATED, Method.COMPARABLE, Method.ESTIMATE, Method.MANUAL})
"""Methods of values that stand in place of metered ones."""


class State(Enum):
    """Whether it is so. The values stand in the archive."""

    FOUND = "found"
    OVER = "over"


class Key(NamedTuple):
    """What is told once. `scope`: DAY or MONTH of a rule, the layer of substitutes; `subject`: which of several of one
    type and channel, "" for the only one. `at` is None for what is told once for a point."""

    point: str
    type: str
    obis: Obis | None
    scope: Layer
    subject: str
    at: datetime | None


class PointEvent(msgspec.Struct, frozen=True, gc=False):
    """One event. `day`: the legal-time day, of a month its first; `at`: the end of it. It is about what lies between
    `start` and `end`, of the layer `layer`, `count` findings or values of it; `amount`, `limit` (what would have been
    right), `text` and `inputs` (sequence numbers in the raw archive) are those of the first of the most severe
    findings. `method`: of substitutes, divided by commas."""

    point: str
    type: str
    obis: Obis | None
    scope: Layer
    day: date
    at: datetime
    layer: Layer
    start: datetime
    end: datetime
    text: str
    severity: Severity = Severity.WARNING
    state: State = State.FOUND
    count: int = 1
    amount: Decimal | None = None
    limit: Decimal | None = None
    unit: str = ""
    method: str = ""
    subject: str = ""
    inputs: tuple[int, ...] = ()

    @property
    def key(self) -> Key:
        """What is told once."""
        at = None if self.type in STANDING else self.at
        return Key(self.point, self.type, self.obis, self.scope, self.subject, at)


class More(NamedTuple):
    """What stands in `more` of the reading."""

    scope: str
    day: str
    layer: str
    start: str
    end: str
    severity: str
    number: str
    amount: str
    limit: str
    method: str
    subject: str
    inputs: str
    text: str


def reading_of(event: PointEvent) -> Reading:
    """What is written into the derived archive."""
    more = More(
        event.scope.value,
        event.day.isoformat(),
        event.layer.value,
        event.start.isoformat(),
        event.end.isoformat(),
        event.severity.value,
        str(event.count),
        "" if event.amount is None else format(event.amount, "f"),
        "" if event.limit is None else format(event.limit, "f"),
        event.method,
        event.subject,
        ranges(event.inputs),
        event.text,
    )
    return Reading(
        event.point, event.obis, event.type, Kind.EVENT, event.at, b"", event.state.value, event.unit, more=tuple(more)
    )


def event_of(reading: Reading) -> PointEvent:
    """The event of a reading of the derived archive. ValueError for what is none."""
    if reading.kind is not Kind.EVENT or len(reading.more) != len(More._fields):
        raise ValueError(f"a reading of {reading.meter} {reading.code} is no event of a metering point")
    more = More._make(reading.more)
    return PointEvent(
        reading.meter,
        reading.obis_raw,
        reading.obis,
        Layer(more.scope),
        date.fromisoformat(more.day),
        reading.at,
        Layer(more.layer),
        datetime.fromisoformat(more.start),
        datetime.fromisoformat(more.end),
        more.text,
        Severity(more.severity),
        State(reading.raw_text),
        int(more.number),
        Decimal(more.amount) if more.amount else None,
        Decimal(more.limit) if more.limit else None,
        reading.unit,
        more.method,
        more.subject,
        numbers(more.inputs),
    )


def type_of(rule: Rule) -> str:
    """The type of what a rule finds."""
    return VALIDATION + rule.value


def rule_of(type: str) -> str:
    """The rule of such a type; "" for another one."""
    return type.removeprefix(VALIDATION) if type.startswith(VALIDATION) else ""


def of_findings(
    findings: Iterable[Finding], channels: Iterable[Obis], scope: Layer, day: date, at: datetime
) -> tuple[PointEvent, ...]:
    """What rules have found on a day or month of a point that has these channels."""
    codes = sorted(channels)
    groups: dict[tuple[str, Obis | None, Rule], list[Finding]] = {}
    for one in findings:
        groups.setdefault((one.point, _channel(one.obis, codes), one.rule), []).append(one)
    return tuple(_of_group(point, code, rule, found, scope, day, at) for (point, code, rule), found in groups.items())


def _channel(code: Obis | None, channels: Iterable[Obis]) -> Obis | None:
    """The channel that a finding is of: that of the energy of its register; its own code where the point has none."""
    return None if code is None else next((one for one in channels if same_energy(one, code)), code)


def _of_group(
    point: str, code: Obis | None, rule: Rule, found: list[Finding], scope: Layer, day: date, at: datetime
) -> PointEvent:
    first = min(found, key=lambda one: (-weight(one.severity), one.start, one.end, one.text))
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return PointEvent(
        point,
        type_of(rule),
        code,
        scope,
        day,
        at,
        first.layer,
        min(one.start for one in found),
        max(one.end for one in found),
        first.text + more,
        first.severity,
        count=len(found),
        amount=first.amount,
        limit=first.limit,
        unit=first.unit,
        inputs=first.inputs,
    )


def of_values(series: Series, day: date, at: datetime) -> tuple[PointEvent, ...]:
    """That values of a day or month are substitutes; () where none is."""
    # None of them is true (PPDS annex 5, 2.12): most values need no further look.
    used = [one for one in series.values if one.status and one.method in SUBSTITUTES and one.there]
    if not used:
        return ()
    methods = Counter(one.method.value for one in used)
    said = ", ".join(f"{count} {method}" for method, count in sorted(methods.items()))
    event = PointEvent(
        series.channel.point,
        SUBSTITUTION,
        series.channel.obis,
        series.layer,
        day,
        at,
        series.layer,
        used[0].start,
        used[-1].at,
        f"{len(used)} of {len(series.values)} values are substitutes: {said}{_unsettled(used)}",
        count=len(used),
        amount=sum_of(used),
        unit=series.channel.unit,
        method=",".join(sorted(methods)),
    )
    return (event,)


def _unsettled(used: Iterable[Value]) -> str:
    count = sum(one.status is RawStatus.PROVISIONAL for one in used)
    return f"; {count} of them provisional" if count else ""


def sum_of(values: Iterable[Value]) -> Decimal | None:
    """What values are together; None where one of them has no amount that can be added up."""
    found = [one.amount for one in values]
    amounts = [one for one in found if one is not None and one.is_finite()]
    return total(amounts) if len(amounts) == len(found) else None


def changes(
    so: Iterable[PointEvent], standing: Mapping[Key, PointEvent], looked_at: Callable[[Key], bool]
) -> tuple[PointEvent, ...]:
    """What is to be told: what is so and is not told yet, or with another severity, and what is over. `standing`: the
    newest event of each key; `looked_at`: whether it was found out if this is so."""
    found = {one.key: one for one in so}
    fresh = [one for key, one in found.items() if _told(standing.get(key)) is not one.severity]
    gone = [
        over(event)
        for key, event in standing.items()
        if event.state is State.FOUND and key not in found and looked_at(key)
    ]
    return tuple(sorted((*fresh, *gone), key=lambda one: (one.at, one.type, str(one.obis), one.subject)))


def over(event: PointEvent) -> PointEvent:
    """That it is not so any more."""
    return msgspec.structs.replace(
        event, state=State.OVER, text=f"it is over: {event.text}", count=0, amount=None, limit=None, inputs=()
    )


def _told(event: PointEvent | None) -> Severity | None:
    return event.severity if event is not None and event.state is State.FOUND else None
