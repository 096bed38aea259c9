"""Metering points: what is metered there, by which meter and through which transformers, as of an instant.

    MeteringPoint             what the configuration says of a point, physical or virtual
    as_of(point, at, zone)    -> PointVersion: the meter and the ratio in force
    versions(point, ...)      all versions, one after the other
    on_day(point, day, zone)  -> the point as it is on a legal-time day: what is said of its devices, its period

Rules: pure. What is said of devices with a day (class, rated values, supply transformer, verification) holds from that
day on: each day is judged by what is in force on it. A meter is at a point from its `since` to that of the next one. An
interval belongs to a version that is in force in all of it; one in which meter or ratio change is none version's
(primary.py says what becomes of it). A virtual point has no meter: it is a sum of points.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from types import MappingProxyType
from typing import Generic, TypeVar
from zoneinfo import ZoneInfo

from gatewayd.legal_time import PRAGUE, QUARTER, day_bounds, instant
from gatewayd.metering.substitution_terms import OFF, SubstitutionTerms
from gatewayd.metering.virtual import Virtual
from gatewayd.model import DIRECT, NOWHERE, MeteringType, Point, Ratio
from gatewayd.obis import Obis

EVER = datetime(1970, 1, 1, tzinfo=UTC)
"""The beginning of what has no `since`."""


class Netting(Enum):
    """How the phases of a three-phase connection are netted (PPDS annex 5, 1.8)."""

    SALDO = "saldo"
    """At the same time: what is taken in one phase and supplied in another meets."""
    PER_PHASE = "per_phase"


class MeteringSide(Enum):
    """The side of the supply transformer on which is metered; not that of the instrument transformers (ValueSide)."""

    PRIMARY = "primary"
    SECONDARY = "secondary"


class TransformerKind(Enum):
    """Which voltages a supply transformer connects; with the flat losses of PPDS annex 5."""

    VVN_VN = "vvn_vn"
    """110 kV and medium voltage: 2 % of active energy."""
    VN_NN = "vn_nn"
    """Medium and low voltage: 4 % of active energy."""

    @property
    def flat_percent(self) -> Decimal:
        """The losses where nothing else was agreed, in % of active energy."""
        return Decimal(2) if self is TransformerKind.VVN_VN else Decimal(4)


@dataclass(frozen=True, slots=True)
class SupplyTransformer:
    """The transformer behind whose secondary side is metered: flat losses in %, or what they are calculated of."""

    kind: TransformerKind = TransformerKind.VN_NN
    percent: Decimal | None = None
    """Agreed flat losses; None: those of its kind, or by calculation where the three below are known."""
    rated_kva: Decimal | None = None
    no_load_kw: Decimal | None = None
    load_kw: Decimal | None = None
    peak_kw: Decimal | None = None
    """Type C: the highest active power P_m, measured or agreed, which nobody can see in registers."""
    power_factor: Decimal = Decimal(1)
    """Type C: cos phi_m at it."""

    @property
    def calculated(self) -> bool:
        """Whether its losses are calculated of the load."""
        return self.percent is None and self.rated_kva is not None

    @property
    def flat_percent(self) -> Decimal:
        """Flat losses, in % of active energy."""
        return self.kind.flat_percent if self.percent is None else self.percent


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Accuracy classes as they are written: 0.5S, 1, B; "" where not known. `meter`: for active energy, `reactive`: for
    reactive energy."""

    meter: str = ""
    ct: str = ""
    vt: str = ""
    reactive: str = ""


@dataclass(frozen=True, slots=True)
class Rated:
    """What a connection can carry at most, on the primary side."""

    current_a: Decimal
    voltage_v: Decimal
    phases: int = 3


@dataclass(frozen=True, slots=True)
class Verified:
    """Last days of the validity of verification; None where not known."""

    meter: date | None = None
    ct: date | None = None
    vt: date | None = None


T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True, slots=True)
class Dated(Generic[T]):
    """What is said of a device from a legal-time day on."""

    since: date
    said: T


@dataclass(frozen=True, slots=True)
class Installed:
    """A meter at a point from an instant on, with the versions of its ratio."""

    meter: str
    since: datetime = EVER
    ratios: tuple[Ratio, ...] = ()
    period: timedelta | None = None
    """Its metering period; None: that of the point."""


@dataclass(frozen=True, slots=True)
class MeteringPoint:
    """What the configuration says of a point."""

    id: str
    point: Point = NOWHERE
    metering_type: MeteringType = MeteringType.C
    installed: tuple[Installed, ...] = ()
    """The meters, one after the other, ascending; () for a virtual point."""
    sum: Virtual | None = None
    """Of a virtual point: what it is the sum of."""
    channels: tuple[Obis, ...] = ()
    """Codes of interval energy; () for all that the meter's profile has."""
    period: timedelta = QUARTER
    """That of its newest meter; of a virtual point the longest of its points."""
    evaluation: timedelta = QUARTER
    control_of: str = ""
    """The main point that this one controls."""
    accuracy: Accuracy = Accuracy()
    rated: Rated | None = None
    metering_side: MeteringSide = MeteringSide.PRIMARY
    transformer: SupplyTransformer | None = None
    """On the secondary side always there."""
    netting: Netting | None = None
    """None: the meter nets, or there is nothing to net."""
    substitution: SubstitutionTerms = OFF
    validation: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}), hash=False)
    """What is different from the defaults of the validation rules, by their names (rules.py: rules_of)."""
    verified: Verified = Verified()
    boundary: timedelta | None = None
    """Of a point whose meters keep no load profile, which has months of states of registers alone: so far from the end
    of a month its state may be. None for all others."""

    accuracies: tuple[Dated[Accuracy], ...] = ()
    """Where something is said with a day, ascending; () where it holds always. `accuracy`, `rated` and `transformer`
    have the newest, `verified` the last days of all."""
    ratings: tuple[Dated[Rated], ...] = ()
    transformers: tuple[Dated[SupplyTransformer], ...] = ()
    verifications: tuple[Dated[Verified], ...] = ()

    @property
    def virtual(self) -> bool:
        """Whether it is computed of other points."""
        return self.sum is not None

    @property
    def meters(self) -> frozenset[str]:
        """All that were there at some time."""
        return frozenset(one.meter for one in self.installed)


@dataclass(frozen=True, slots=True)
class PointVersion:
    """What a point is from `since` until `until` (None: still)."""

    meter: str
    ratio: Ratio | None
    """None: the configuration has none with a day of its own, and the one archived with each reading counts."""
    since: datetime
    until: datetime | None = None
    configured: Ratio = DIRECT
    """What the configuration says, with a day or without; direct where it says nothing."""
    period: timedelta = QUARTER
    """The metering period of the meter."""

    def covers(self, start: datetime, end: datetime) -> bool:
        """Whether it is in force in all of an interval."""
        return self.since <= start and (self.until is None or end <= self.until)

    def touches(self, start: datetime, end: datetime) -> bool:
        """Whether it is in force in some of an interval."""
        return self.since < end and (self.until is None or start < self.until)


def begins(ratio: Ratio, zone: ZoneInfo) -> datetime:
    """The instant from which a ratio is in force."""
    since = ratio.since
    return since.astimezone(UTC) if isinstance(since, datetime) else instant(since, time(0), zone)


def dated(ratio: Ratio) -> bool:
    """Whether the configuration says since when a ratio holds."""
    return ratio.since != DIRECT.since


def versions(point: MeteringPoint, zone: ZoneInfo = PRAGUE) -> tuple[PointVersion, ...]:
    """All versions of a point, ascending and without a gap; () for a virtual one."""
    found: list[PointVersion] = []
    for place, one in enumerate(point.installed):
        end = point.installed[place + 1].since if place + 1 < len(point.installed) else None
        period = point.period if one.period is None else one.period
        changes = sorted(
            ((begins(ratio, zone), ratio) for ratio in one.ratios if dated(ratio)), key=lambda change: change[0]
        )
        since, in_force = one.since, None
        configured = next((ratio for ratio in one.ratios if not dated(ratio)), DIRECT)
        for begin, ratio in changes:
            if end is not None and begin >= end:
                break
            if begin > since:
                found.append(PointVersion(one.meter, in_force, since, begin, configured, period))
                since = begin
            in_force = configured = ratio
        found.append(PointVersion(one.meter, in_force, since, end, configured, period))
    return tuple(found)


def as_of(point: MeteringPoint, at: datetime, zone: ZoneInfo = PRAGUE) -> PointVersion | None:
    """The version in force at an instant; None for a virtual point and before its first meter."""
    return next((one for one in reversed(versions(point, zone)) if one.touches(at, at + timedelta.resolution)), None)


def on_day(point: MeteringPoint, day: date, zone: ZoneInfo = PRAGUE) -> MeteringPoint:
    """The point as it is on a legal-time day: what is said of its devices as it is in force then, and the metering
    period, the shortest of the day where it changes in it."""
    period = min(periods_of(point, *day_bounds(day, zone)), default=point.period)
    dated = point.accuracies or point.ratings or point.transformers or point.verifications
    if not dated and period == point.period:
        return point
    return replace(
        point,
        period=period,
        accuracy=_in_force(point.accuracies, day, Accuracy()) if point.accuracies else point.accuracy,
        rated=_in_force(point.ratings, day, None) if point.ratings else point.rated,
        transformer=_in_force(point.transformers, day, None) if point.transformers else point.transformer,
        verified=verified_on(point.verifications, day) if point.verifications else point.verified,
    )


def periods_of(point: MeteringPoint, start: datetime, end: datetime) -> frozenset[timedelta]:
    """The metering periods of the meters that are there in some of a time; none before the first one."""
    if all(one.period is None for one in point.installed):
        return frozenset((point.period,))
    return frozenset(one.period for one in versions(point) if one.touches(start, end))


def verified_on(entries: Iterable[Dated[Verified]], day: date) -> Verified:
    """The last days of verifications that are known on a day, of each component the latest: a day is covered where any
    entry covers it. One that is said since a later day covers nothing before it."""
    known = [one.said for one in entries if one.since <= day]
    return Verified(
        max((one.meter for one in known if one.meter is not None), default=None),
        max((one.ct for one in known if one.ct is not None), default=None),
        max((one.vt for one in known if one.vt is not None), default=None),
    )


def _in_force(entries: Sequence[Dated[T]], day: date, before: U) -> T | U:
    return next((one.said for one in reversed(entries) if one.since <= day), before)
