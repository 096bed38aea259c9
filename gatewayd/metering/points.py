"""Metering points: what is metered there, by which meter and through which transformers, as of an instant.

    MeteringPoint             what the configuration says of a point, physical or virtual
    as_of(point, at, zone)    -> PointVersion: the meter and the ratio in force
    versions(point, ...)      all versions, one after the other

Rules: pure. A meter is at a point from its `since` to that of the next one. An interval belongs to a version that is in
force in all of it; one in which meter or ratio change is none version's (primary.py says what becomes of it). A virtual
point has no meter: it is a sum of points.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from types import MappingProxyType
from zoneinfo import ZoneInfo

from gatewayd.legal_time import PRAGUE, QUARTER, instant
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
    """Accuracy classes as they are written: 0.5S, 1, B; "" where not known."""

    meter: str = ""
    ct: str = ""
    vt: str = ""


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


@dataclass(frozen=True, slots=True)
class Installed:
    """A meter at a point from an instant on, with the versions of its ratio."""

    meter: str
    since: datetime = EVER
    ratios: tuple[Ratio, ...] = ()


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
        changes = sorted(
            ((begins(ratio, zone), ratio) for ratio in one.ratios if dated(ratio)), key=lambda change: change[0]
        )
        since, in_force = one.since, None
        configured = next((ratio for ratio in one.ratios if not dated(ratio)), DIRECT)
        for begin, ratio in changes:
            if end is not None and begin >= end:
                break
            if begin > since:
                found.append(PointVersion(one.meter, in_force, since, begin, configured))
                since = begin
            in_force = configured = ratio
        found.append(PointVersion(one.meter, in_force, since, end, configured))
    return tuple(found)


def as_of(point: MeteringPoint, at: datetime, zone: ZoneInfo = PRAGUE) -> PointVersion | None:
    """The version in force at an instant; None for a virtual point and before its first meter."""
    return next((one for one in reversed(versions(point, zone)) if one.touches(at, at + timedelta.resolution)), None)
