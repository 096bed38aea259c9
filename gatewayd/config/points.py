"""Metering points in the configuration: EIC and EAN, transformers, and the points behind one registrar.

Rules: a metering point of a registrar is a meter of its own for everybody behind acquisition; what it does not say is
as its registrar has it.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Self
from zoneinfo import ZoneInfo

from pydantic import ConfigDict, Field, model_validator

from gatewayd.config.identifiers import Ean, Eic, Id
from gatewayd.config.jobs import JobEntry
from gatewayd.config.policies import PolicyEntry, with_changes
from gatewayd.config.settings import NO_POINT, MeterSettings, PartSettings, Voltage
from gatewayd.config.values import EVER, Pair, Shares, Since
from gatewayd.model import Meter, MeteringType, Part, Point, Ratio, ValueSide
from gatewayd.obis import Obis
from gatewayd.options import Options
from gatewayd.policy import Policy


class PointEntry(Options):
    """The metering point."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    eic: Eic = ""
    """EIC of the metering point, 16 characters."""
    ean: Ean = ""
    """EAN of an electricity metering point, 18 digits."""

    @model_validator(mode="after")
    def _named(self) -> Self:
        if not self.eic and not self.ean:
            raise ValueError("names no metering point; expected eic, ean or both")
        return self


def point_of(entry: PointEntry | None) -> Point:
    return NO_POINT if entry is None else Point(entry.eic, entry.ean)


class RatioEntry(Options):
    """Instrument transformers and multiplier, from one day or instant on."""

    ct: Pair = ""
    """Current transformer, primary/secondary such as 200/5; absent for a direct connection."""
    vt: Pair = ""
    """Voltage transformer, primary/secondary such as 22000/100; absent when there is none."""
    multiplier: Decimal = Field(default=Decimal(1), gt=0)
    """What the meter's values are multiplied by besides."""
    value_side: ValueSide = ValueSide.SECONDARY
    """Which side of the transformers the meter's own values refer to."""
    since: Since = EVER
    """First legal-time day on which this holds, such as 2024-05-01; or the instant, such as 2026-03-03 10:15."""

    def ratio(self, zone: ZoneInfo) -> Ratio:
        return Ratio(self.ct, self.vt, self.multiplier, self.value_side, self.since.begins(zone))


class PartEntry(Options):
    """One of several metering points behind the address of a registrar."""

    id: Id
    """The id of the metering point's data, as that of a meter, such as reg-1-a."""
    channels: Shares
    """Which codes are its own: A-B of them such as 1-1, or whole codes such as 1-1:1.8.0."""
    point: PointEntry | None = None
    """The metering point."""
    ratio: tuple[RatioEntry, ...] = ()
    """Instrument transformers, one version after the other."""
    metering_type: MeteringType | None = None
    """Metering type of decree 359/2020; the registrar's when absent."""
    voltage: Voltage | None = None
    """Level of the metering point."""
    policy: PolicyEntry | None = None
    """What is different for this metering point."""
    jobs: tuple[JobEntry, ...] = ()
    """What is asked of the registrar for this metering point, and when."""

    def settings(
        self, registrar: MeterSettings, policies: Mapping[MeteringType, Policy], zone: ZoneInfo
    ) -> PartSettings:
        """The metering point of a registrar; of the same type as the registrar it has the registrar's policy."""
        kind = self.metering_type or registrar.metering_type
        policy = with_changes(registrar.policy if kind is registrar.metering_type else policies[kind], self.policy)
        meter = Meter(
            id=self.id,
            driver=registrar.driver,
            line=registrar.line,
            metering_type=kind,
            serial=registrar.serial,
            point=point_of(self.point),
            ratios=tuple(entry.ratio(zone) for entry in self.ratio),
        )
        pairs = tuple(share for share in self.channels if not isinstance(share, Obis))
        codes = tuple(share for share in self.channels if isinstance(share, Obis))
        jobs = tuple(entry.job(policy) for entry in self.jobs)
        return PartSettings(Part(meter, pairs, codes), jobs, policy, self.voltage)
