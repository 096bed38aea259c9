"""How the values of a point are made, a day at a time: steps, each of which takes what the one before has made.

    Day -> primary values (or those of a virtual point) -> validation -> substitution -> Made, Made, ...

Rules: steps are pure functions of what they are handed; they look at other points and days through `Look` alone. Which
steps a point has says its configuration. Sums over time follow in metering_compute.py.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

from gatewayd.daemon.derived import NOBODY, Identity
from gatewayd.legal_time import QUARTER
from gatewayd.metering.derivation import Facts
from gatewayd.metering.findings import Finding
from gatewayd.metering.plan import Codes, PointPlan
from gatewayd.metering.values import Layer, Series
from gatewayd.model import Archived
from gatewayd.obis import Obis


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


@dataclass(frozen=True, slots=True)
class Note:
    """Something to be told of what was made: a finding, or that substitutes are used. `warn`: somebody has to look."""

    type: str
    text: str
    warn: bool


@dataclass(frozen=True, slots=True)
class Made:
    """The intervals of one channel, `checked` where rules have looked at them; the parameters used, by name; what rules
    found on them and their sums."""

    series: Series
    checked: bool = False
    facts: Facts = ()
    findings: tuple[Finding, ...] = ()
    notes: tuple[Note, ...] = ()


Step = Callable[[Day, tuple[Made, ...]], tuple[Made, ...]]


@dataclass(frozen=True, slots=True)
class PointWork:
    """A point and what is done for it. `digest` changes with everything that its values depend on."""

    plan: PointPlan
    steps: tuple[Step, ...]
    after: tuple[Step, ...] = ()
    """What is made of the intervals besides, as layers of its own: losses."""
    period: timedelta = QUARTER
    evaluation: timedelta = QUARTER
    partial: bool = False
    identity: Identity = NOBODY
    affected: Callable[[date], Iterable[date]] | None = None
    """Which days may have substitute values that are made of this day's; None: there is no substitution."""
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
        return (("evaluation_s", round(self.evaluation.total_seconds())), ("partial", self.partial))

    def intervals(self, day: Day, codes: Codes) -> tuple[Made, ...]:
        """The values of the intervals of a day, of these channels at least."""
        first, *others = self.steps
        made = first(day, ())
        if codes and self.by_channel:
            made = tuple(one for one in made if one.series.channel.obis in codes)
        for step in others:
            made = step(day, made)
        return made
