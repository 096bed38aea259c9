"""What a configuration says, as frozen objects: the part that the rest of gatewayd works with.

Rules: everything here is complete and checked; paths and names of secrets stay references, no file is read. The first
three classes and the lines (lines.py) stand in the YAML as they are; the others are made by gatewayd.config.definition.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, Field

from gatewayd.config.identifiers import Id
from gatewayd.config.lines import FilePath, Line, ModemLine
from gatewayd.config.manual import MANUAL, ManualSettings
from gatewayd.config.observing import OBSERVABILITY, ObservabilitySettings
from gatewayd.config.values import Spread
from gatewayd.dialling import PhoneNumber
from gatewayd.errors import Finding
from gatewayd.metering.points import MeteringPoint
from gatewayd.model import Increments, Listen, LoadProfile, Meter, MeteringType, Order, Part, Point, Ratio, Registers
from gatewayd.obis import Obis
from gatewayd.options import Options
from gatewayd.policy import POLICIES, POLICY, Policy


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (OSError, ValueError, KeyError):  # ZoneInfoNotFoundError is a KeyError, a folder of zones an OSError
        raise ValueError("is not the name of a time zone; expected one such as Europe/Prague") from None
    return name


class GatewaySettings(Options):
    """The gateway itself."""

    id: Id
    """The gateway's id, the first level of its MQTT topics, such as gw-brno-1."""
    timezone: Annotated[str, AfterValidator(_zone)] = "Europe/Prague"
    """The legal time that days, daily jobs and labels follow."""
    clock: Literal["kernel", "trusted"] = "kernel"
    """Who says whether the gateway's clock is right: the kernel, which knows whether it is synchronised, or nobody: it
    is trusted, where other means keep it right."""

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)


class ArchiveSettings(Options):
    """Where everything that the meters sent is kept."""

    path: FilePath
    """The folder of the archive, such as /var/lib/gatewayd."""
    retention_months: int = Field(default=36, ge=36)
    """Months for which sealed segments are kept; at least 36."""
    undelivered_months: int = Field(default=12, ge=0, le=1200)
    """Months beyond the retention for which a segment waits for sinks that have not taken it; then it goes as well."""
    segment_mb: int = Field(default=1024, ge=1, le=65536)
    """Size in MiB at which a segment is sealed before its month is over."""


class AcquisitionSettings(Options):
    """How much is done at the same time."""

    sessions: int = Field(default=160, ge=1, le=10_000)
    """Conversations with meters at the same time, over all lines. A processor of today serves about so many at 200 ms
    for an answer; more help where answers take longer."""
    spread: Spread = timedelta(minutes=1)
    """Over how much time the daily and periodic jobs of different meters begin, from 0s to 6h."""


class ControlSettings(Options):
    """Who may ask a running gateway, and have it do something."""

    group: Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_-]{0,31}$")] = "gatewayd"
    """The group of this machine whose members may, besides root and the gateway's own user."""


ACQUISITION = AcquisitionSettings()
CONTROL = ControlSettings()
NO_POINT = Point()
SILENCE = timedelta(hours=25)
"""A meter that pushes once a day, and an hour for the day that is longer."""
Voltage = Literal["low", "medium", "high"]
"""The level of a metering point."""


@dataclass(frozen=True, slots=True)
class Job:
    """What is read from a meter and when: either `every` so often or `at` a legal time, each day or only `on` one (a
    weekday, or a day of the month from 1 to 28), or `listen` all the time, where a meter that is silent for longer than
    `silence` counts as not heard.

    `registers` empty means the whole readout or every object that the map names. With `intervals` they are read at the
    boundaries of legal time and their increments archived; `rollover`: where they begin again at zero. A `profile` is
    kept complete `months` back; `period` and `channels` as in LoadProfile.
    """

    registers: tuple[Obis, ...] = ()
    every: timedelta | None = None
    at: time | None = None
    listen: bool = False
    silence: timedelta = SILENCE
    intervals: bool = False
    rollover: Decimal | None = None
    on: str | int | None = None
    profile: Obis | None = None
    months: int = POLICY.backfill_months
    period: timedelta | None = None
    channels: tuple[Obis, ...] = ()

    @property
    def request(self) -> Order:
        if self.profile is not None:
            return LoadProfile(self.profile, self.months, self.period, self.channels)
        if self.intervals and self.every is not None:
            return Increments(self.registers, self.every, self.rollover)
        return Listen() if self.listen else Registers(self.registers)


@dataclass(frozen=True, slots=True)
class PartSettings:
    """One metering point of a registrar, and its jobs, which are asked of the registrar."""

    part: Part
    jobs: tuple[Job, ...]
    policy: Policy
    voltage: Voltage | None = None

    @property
    def id(self) -> str:
        return self.part.meter.id


@dataclass(frozen=True, slots=True)
class MeterSettings:
    """A meter with the options of its driver (an instance of that driver's class) and its jobs. `line` may be the name
    of a pool of modem lines."""

    id: str
    driver: str
    line: str
    options: BaseModel
    metering_type: MeteringType = MeteringType.C
    serial: str = ""
    point: Point = NO_POINT
    ratio: tuple[Ratio, ...] = ()
    jobs: tuple[Job, ...] = ()
    phone: PhoneNumber | None = None
    """The number of the meter's modem, where its line calls."""
    peer: str = ""
    """Address or host name from which the meter calls, where its line listens; "" for whoever calls."""
    policy: Policy = POLICIES[MeteringType.C]
    """That of its metering type, with what the configuration changes."""
    voltage: Voltage | None = None
    parts: tuple[PartSettings, ...] = ()
    """The metering points, where it is a registrar."""

    @property
    def meter(self) -> Meter:
        return Meter(
            id=self.id,
            driver=self.driver,
            line=self.line,
            metering_type=self.metering_type,
            serial=self.serial,
            point=self.point,
            ratios=self.ratio,
            parts=tuple(each.part for each in self.parts),
        )

    @property
    def all_jobs(self) -> tuple[tuple[Policy, Job], ...]:
        """Everything that is asked of it, with the policy that applies: its own jobs and those of its points."""
        own = ((self.policy, job) for job in self.jobs)
        return (*own, *((each.policy, job) for each in self.parts for job in each.jobs))


@dataclass(frozen=True, slots=True)
class SinkSettings:
    """A sink with the options of its type (an instance of that type's class)."""

    id: str
    type: str
    options: BaseModel
    start: date | str = "beginning"
    """Where a new sink begins: `now`, `beginning`, or with what was archived since a legal-time day."""
    derived: bool = True
    """Whether it gets derived values as well, where there are metering points."""


@dataclass(frozen=True, slots=True)
class Config:
    """A whole configuration; `warnings` are findings that do not keep it from being used, sorted by line."""

    gateway: GatewaySettings
    archive: ArchiveSettings
    lines: Mapping[str, Line]
    meters: tuple[MeterSettings, ...]
    sinks: tuple[SinkSettings, ...]
    warnings: tuple[Finding, ...] = ()
    acquisition: AcquisitionSettings = ACQUISITION
    observability: ObservabilitySettings = OBSERVABILITY
    control: ControlSettings = CONTROL
    manual: ManualSettings = MANUAL
    points: tuple[MeteringPoint, ...] = ()
    """What derived values are made for: the configured points, or the meters that are points by themselves."""
    source: Path | None = field(default=None, compare=False)
    """The file; None where it was none."""

    @property
    def metered(self) -> tuple[Meter, ...]:
        """All meters, and behind each registrar its metering points: everything under whose id there are readings."""
        meters = (settings.meter for settings in self.meters)
        return tuple(found for meter in meters for found in (meter, *(part.meter for part in meter.parts)))

    @property
    def pools(self) -> Mapping[str, tuple[ModemLine, ...]]:
        """The modem lines of each pool."""
        pools: dict[str, tuple[ModemLine, ...]] = {}
        for line in self.lines.values():
            if isinstance(line, ModemLine) and line.pool is not None:
                pools[line.pool] = (*pools.get(line.pool, ()), line)
        return pools

    def lines_of(self, name: str) -> tuple[Line, ...]:
        """The lines that a meter's `line` means: one, or all of a pool."""
        return (self.lines[name],) if name in self.lines else self.pools[name]
