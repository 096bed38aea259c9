"""Metering points in the configuration: which meter is where since when, and what is computed of its readings.

Rules: an entry has only what the operator says; what a point is as a whole, with what its meters say, is made by
metering_points.py. A meter with a load profile or intervals that is at none of them is a point with its own id. The
points of a registrar stand below it and are meters; here they are named like any other meter.
"""

from collections.abc import Mapping
from datetime import date, time, timedelta
from decimal import Decimal
from typing import Annotated, Literal, Self, TypeVar

from pydantic import AfterValidator, ConfigDict, Discriminator, Field, Tag, model_validator

from gatewayd.config.identifiers import Ean, Eic, Id
from gatewayd.config.validation import ValidationEntry
from gatewayd.config.values import DAWN, EVER, Channels, Evaluation, FromDay, Since
from gatewayd.legal_time import QUARTER
from gatewayd.metering.points import (
    Accuracy,
    MeteringSide,
    Netting,
    Rated,
    SupplyTransformer,
    TransformerKind,
    Verified,
)
from gatewayd.metering.register_state import BOUNDARY
from gatewayd.metering.substitution_terms import OFF, SubstitutionTerms
from gatewayd.model import MeteringType
from gatewayd.options import Options


def _gap(longest: timedelta) -> timedelta:
    if not timedelta(0) <= longest <= timedelta(days=1) or longest % QUARTER:
        raise ValueError("is not a gap from 0m to 1d in quarter-hours such as 2h")
    return longest


def _boundary(reach: timedelta) -> timedelta:
    if not timedelta(hours=1) <= reach <= timedelta(days=10):
        raise ValueError("is not a time from 1h to 10d such as 36h")
    return reach


Gap = Annotated[timedelta, AfterValidator(_gap)]
Boundary = Annotated[timedelta, AfterValidator(_boundary)]
MeterClass = Annotated[
    str,
    Field(
        pattern=r"^(0\.2S?|0\.5S?|1|2|A|B|C)$",
        json_schema_extra={"x-expected": "an accuracy class: 0.2S, 0.5S, 0.5, 1, 2, or A, B, C"},
    ),
]
ReactiveClass = Annotated[
    str,
    Field(
        pattern=r"^(0\.5S?|1S?|2|3)$",
        json_schema_extra={"x-expected": "an accuracy class for reactive energy: 0.5S, 0.5, 1S, 1, 2 or 3"},
    ),
]
TransformerClass = Annotated[
    str,
    Field(
        pattern=r"^(0\.1|0\.2S?|0\.5S?|1|3)$",
        json_schema_extra={"x-expected": "an accuracy class of a transformer: 0.1, 0.2, 0.2S, 0.5, 0.5S, 1 or 3"},
    ),
]
Positive = Annotated[Decimal, Field(gt=0, le=10**9)]


class InstalledEntry(Options):
    """A meter at a point, until the next one."""

    meter: Id
    """The id of the meter, or of a point of a registrar."""
    since: Since = EVER
    """When it was put in: a legal-time day such as 2025-01-01, or the instant, such as 2026-03-03 10:15."""


def _form(value: object) -> str:
    return "list" if isinstance(value, list | tuple) else "one"


T = TypeVar("T", bound=Options)
OneOrMore = Annotated[Annotated[T, Tag("one")] | Annotated[tuple[T, ...], Tag("list")], Discriminator(_form)]
"""What holds always, or one after the other, each since a day."""


def each(entries: T | tuple[T, ...] | None) -> tuple[T, ...]:
    """What was written, one after the other."""
    return () if entries is None else entries if isinstance(entries, tuple) else (entries,)


class AccuracyEntry(Options):
    """Accuracy classes."""

    meter: MeterClass | None = None
    """The meter's class for active energy, such as 0.5S; limits of the control metering go by it."""
    reactive: ReactiveClass | None = None
    """Its class for reactive energy, such as 2; without it reactive energy is not compared."""
    ct: TransformerClass | None = None
    """That of the current transformers."""
    vt: TransformerClass | None = None
    """That of the voltage transformers."""
    since: FromDay = DAWN
    """First legal-time day on which this holds, such as 2026-03-03."""

    def made(self) -> Accuracy:
        return Accuracy(self.meter or "", self.ct or "", self.vt or "", self.reactive or "")


class RatedEntry(Options):
    """What the connection can carry at most; energy above it is implausible."""

    current_a: Positive
    """Rated current of the primary side, in amperes."""
    voltage_v: Positive
    """Rated voltage of the primary side, between phases; with phases: 1 between phase and neutral."""
    phases: Literal[1, 3] = 3
    """How many phases there are."""
    since: FromDay = DAWN
    """First legal-time day on which this holds, such as 2026-03-03."""

    def made(self) -> Rated:
        return Rated(self.current_a, self.voltage_v, self.phases)


class SupplyTransformerEntry(Options):
    """The supply transformer behind whose secondary side is metered."""

    kind: Literal["vvn_vn", "vn_nn"] | None = None
    """vvn_vn: 110 kV to medium voltage, flat losses 2 %; vn_nn: medium to low voltage, 4 %; by the meter's voltage when
    absent."""
    percent: Annotated[Decimal, Field(ge=0, le=100)] | None = None
    """Agreed losses, in % of active energy."""
    sn_kva: Positive | None = None
    """Rated power, in kVA; with the two below losses are calculated of the load."""
    dp0_kw: Annotated[Decimal, Field(ge=0, le=10**6)] | None = None
    """No-load losses, in kW."""
    dpk_kw: Annotated[Decimal, Field(ge=0, le=10**6)] | None = None
    """Load losses at rated power, in kW."""
    pm_kw: Positive | None = None
    """Type C without a load profile: the highest active power, measured or agreed, in kW; with the three above."""
    cos_phi: Annotated[Decimal, Field(gt=0, le=1)] | None = None
    """The power factor at it; 1 when absent."""
    since: FromDay = DAWN
    """First legal-time day on which this holds, such as 2026-03-03."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        given = [key for key in ("sn_kva", "dp0_kw", "dpk_kw") if getattr(self, key) is not None]
        if given and len(given) < 3:
            raise ValueError(f"has {' and '.join(given)} only; expected sn_kva, dp0_kw and dpk_kw, or none of them")
        if given and self.percent is not None:
            raise ValueError("has percent beside sn_kva, dp0_kw and dpk_kw; losses are agreed or calculated")
        if self.pm_kw is not None and not given:
            raise ValueError("has pm_kw alone; expected sn_kva, dp0_kw and dpk_kw beside it")
        if self.cos_phi is not None and self.pm_kw is None:
            raise ValueError("has cos_phi alone; expected pm_kw, at which it is")
        return self

    def made(self, usual: TransformerKind) -> SupplyTransformer:
        kind = usual if self.kind is None else TransformerKind(self.kind)
        plate = self.sn_kva, self.dp0_kw, self.dpk_kw
        return SupplyTransformer(kind, self.percent, *plate, self.pm_kw, self.cos_phi or Decimal(1))


class SubstitutionEntry(Options):
    """What may be put in place of values that are missing or distorted."""

    enabled: bool = OFF.enabled
    """Whether substitute values are made at all."""
    use_control: bool = OFF.use_control
    """Whether values of the control metering come first."""
    longest_gap: Gap = OFF.longest_gap * QUARTER
    """So much is interpolated at most, such as 2h; 0m: nothing is."""
    weeks: int = Field(default=OFF.weeks, ge=0, le=52)
    """So many weeks back comparable days are looked for; 0: in none."""
    least_days: int = Field(default=OFF.least_days, ge=1, le=52)
    """Of how many comparable days there must be true values, or their median stays provisional."""
    scale: bool = OFF.scale
    """Whether substitutes are scaled to the advance of the registers where that is known."""
    deadline: time = OFF.deadline
    """Legal time from which on substitutes count as settled; before they are provisional."""
    deadline_days: int = Field(default=OFF.deadline_days, ge=1, le=366)
    """So many days after the day itself."""
    former_year: bool = OFF.former_year
    """Type C: whether the same period of the year before goes before the period just before."""
    comparison_days: int = Field(default=OFF.comparison_days, ge=1, le=366)
    """Type C: over how many days metering before or later must reach to be compared with."""

    def made(self) -> SubstitutionTerms:
        return SubstitutionTerms(
            enabled=self.enabled,
            use_control=self.use_control,
            longest_gap=self.longest_gap // QUARTER,
            weeks=self.weeks,
            least_days=self.least_days,
            scale=self.scale,
            deadline=self.deadline,
            deadline_days=self.deadline_days,
            former_year=self.former_year,
            comparison_days=self.comparison_days,
        )


class VerifiedEntry(Options):
    """Until when the verification of its parts is valid, the last day; of several one has to cover a day."""

    meter: date | None = None
    """That of the meter."""
    ct: date | None = None
    """That of the current transformers."""
    vt: date | None = None
    """That of the voltage transformers."""
    since: FromDay = DAWN
    """First legal-time day that it covers, such as 2026-03-03; all days before its end when absent."""

    def made(self) -> Verified:
        return Verified(self.meter, self.ct, self.vt)


class MeteringPointEntry(Options):
    """A metering point, physical (meter, or meters one after the other) or virtual (sum)."""

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": ["meter"]}, {"required": ["meters"]}, {"required": ["sum"]}]}
    )

    id: Id
    """The id of the point, a level of its MQTT topics, such as north."""
    eic: Eic = ""
    """EIC of the point, 16 characters; that of its meter when absent."""
    ean: Ean = ""
    """EAN of the point, 18 digits; that of its meter when absent."""
    metering_type: MeteringType | None = None
    """Metering type of decree 359/2020; that of its meter when absent."""
    meter: Id | None = None
    """The meter, where it was always the same."""
    meters: tuple[InstalledEntry, ...] = ()
    """The meters, one after the other."""
    sum: dict[Id, Decimal] = Field(default_factory=dict)
    """A virtual point: other points with their coefficients, such as {north: 1, own: -1}."""
    partial: bool = False
    """Of a virtual point: where inputs are missing there is the sum of the others, marked missing, and its coverage."""
    channels: Channels = ()
    """Codes of energy per interval; those of the meter's jobs when absent."""
    control_of: Id | None = None
    """The main point that this one controls."""
    accuracy: OneOrMore[AccuracyEntry] | None = None
    """Accuracy classes; or a list of them, each since a day."""
    rated: OneOrMore[RatedEntry] | None = None
    """What the connection can carry; or a list, each since a day."""
    metering_side: Literal["primary", "secondary"] = "primary"
    """Side of the supply transformer on which is metered; on the secondary one its losses are added."""
    transformer: OneOrMore[SupplyTransformerEntry] | None = None
    """The supply transformer; or a list of them, each since a day."""
    netting: Literal["saldo", "per_phase"] | None = None
    """How phases are netted where only their energies are metered; the meter does it when absent."""
    evaluation: Evaluation | None = None
    """The evaluation interval, 15m or 60m; that of the meter's policy when absent."""
    validation: ValidationEntry = ValidationEntry()
    """What is different from the defaults of the validation rules, by their names."""
    substitution: SubstitutionEntry = SubstitutionEntry()
    """Substitute values; off when absent."""
    verified_until: OneOrMore[VerifiedEntry] | None = None
    """Validity of verification; or a list, each since a day."""
    boundary: Boundary = BOUNDARY
    """Type C without a load profile: so far from the end of a month the state of a register may be, such as 36h."""

    @property
    def installed(self) -> tuple[InstalledEntry, ...]:
        """Its meters, one after the other."""
        return (InstalledEntry(meter=self.meter),) if self.meter is not None else self.meters

    @property
    def side(self) -> MeteringSide:
        return MeteringSide(self.metering_side)

    @property
    def netted(self) -> Netting | None:
        return None if self.netting is None else Netting(self.netting)

    @property
    def terms(self) -> Mapping[str, Decimal]:
        return self.sum
