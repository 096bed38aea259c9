"""How the values of a point are made, a day at a time: steps, each of which takes what the one before has made.

    Day -> primary values (or those of a virtual point) -> validation -> substitution -> Made, Made, ...

Rules: steps are pure functions of what they are handed; they look at other points and days through `Look` alone. Which
steps a point has says its configuration. Sums over time follow in metering_compute.py.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

from gatewayd.daemon.derived import NOBODY, Identity
from gatewayd.legal_time import QUARTER
from gatewayd.metering.derivation import Facts
from gatewayd.metering.events import PointEvent
from gatewayd.metering.evidence import Span
from gatewayd.metering.findings import Finding
from gatewayd.metering.plan import Codes, PointPlan
from gatewayd.metering.points import MeteringPoint
from gatewayd.metering.quadrant_channels import related
from gatewayd.metering.values import Layer, Series
from gatewayd.model import Archived
from gatewayd.obis import Obis

Read = Callable[[Collection[str], datetime, datetime], Mapping[str, Sequence[Archived]]]
"""What meters, also those of other points, have sent of the intervals of a time and of the hour before, by meter."""


class Look(Protocol):
    """What else there is: values of other points and of other days as they are now."""

    def day(self, point: str, day: date) -> Mapping[Obis, Series]:
        """The intervals of a legal-time day of a point, by code."""

    def series(self, point: str, layer: Layer, first: datetime, last: datetime) -> Mapping[Obis, Series]:
        """The values of a point that end after `first` and not after `last`, by code."""


@dataclass(frozen=True, slots=True)
class Day:
    """A legal-time day of a point: from `start` to `end`. `raw`: what its meters have sent of it and of the hour
    before, by meter. `settled`: it was long ago, nothing more is waited for. `now`: when it is computed."""

    point: str
    day: date
    start: datetime
    end: datetime
    raw: Mapping[str, Sequence[Archived]]
    look: Look
    now: datetime
    settled: bool
    zone: ZoneInfo
    registers: Callable[[], Sequence[Archived]]
    """States of the registers of its meters around it; they are read when they are asked for."""
    since: datetime | None = None
    """Where the day is settled: each interval that ends after it is told, or is missing."""
    remarks: list[PointEvent] = field(default_factory=list)
    """Steps add what is told once of the point."""
    read: Read = lambda _meters, _start, _end: {}
    looked: set[Span] = field(default_factory=set)
    """Steps add the times that reach out of the day and of which they have looked at what was measured."""


@dataclass(frozen=True, slots=True)
class Note:
    """Something to be told of what was made: the type and the words of an event. `warn`: somebody has to look."""

    type: str
    text: str
    warn: bool


@dataclass(frozen=True, slots=True)
class Made:
    """The intervals of one channel, `checked` where rules have looked at them; the parameters used, by name; what rules
    found on them and their sums; what else is remarkable, in words."""

    series: Series
    checked: bool = False
    facts: Facts = ()
    findings: tuple[Finding, ...] = ()
    remarks: tuple[str, ...] = ()


Step = Callable[[Day, tuple[Made, ...]], tuple[Made, ...]]


@dataclass(frozen=True, slots=True)
class PointWork:
    """A point and what is done for it. `digest` changes with everything that its values depend on."""

    plan: PointPlan
    steps: tuple[Step, ...]
    point: MeteringPoint | None = None
    """What the configuration says of it; None only in tests."""
    rules: tuple[str, ...] = ()
    """The rules of validation that are looked at."""
    period: timedelta = QUARTER
    evaluation: timedelta = QUARTER
    partial: bool = False
    identity: Identity = NOBODY
    affected: Callable[[date], Iterable[date]] | None = None
    """Which days may have substitute values that are made of this day's; None: there is no substitution."""
    near: tuple[int, int] = (0, 0)
    """So many days before and behind a day rules may look at what was measured on them."""
    dues: Callable[[date], tuple[datetime, ...]] | None = None
    """When a day has to be computed again although nothing came: substitute values are settled then."""
    digest: str = ""
    by_channel: bool = True
    """Whether each channel is made of itself alone."""
    month: Callable[[Day, Sequence[Series]], tuple[Finding, ...]] | None = None
    """What rules find on a month."""

    @property
    def facts(self) -> Facts:
        """For the derivations of sums over time."""
        evaluation = round(self.evaluation.total_seconds())
        return (("evaluation_s", evaluation), ("partial", self.partial), ("rules", self.rules))

    def intervals(self, day: Day, codes: Codes) -> tuple[Made, ...]:
        """The values of the intervals of a day, of these channels at least."""
        first, *others = self.steps
        made = first(day, ())
        if codes and self.by_channel:
            wanted = related(codes, {one.series.channel.obis for one in made})
            made = tuple(one for one in made if one.series.channel.obis in wanted)
        for step in others:
            made = step(day, made)
        return made
