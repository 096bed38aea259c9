"""What a configuration says, as frozen objects: the part that the rest of gatewayd works with.

Rules: everything here is complete and checked; paths and names of secrets stay references, no file is read. The first
two classes and the lines (lines.py) stand in the YAML as they are; the others are made by gatewayd.config.definition.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, time, timedelta
from decimal import Decimal
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, Field

from gatewayd.config.identifiers import Id
from gatewayd.config.lines import FilePath, Line, ModemLine
from gatewayd.dialling import PhoneNumber
from gatewayd.errors import Finding
from gatewayd.model import Increments, Listen, Meter, MeteringType, Order, Point, Ratio, Registers
from gatewayd.obis import Obis
from gatewayd.options import Options


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


NO_POINT = Point()
SILENCE = timedelta(hours=25)
"""A meter that pushes once a day, and an hour for the day that is longer."""


@dataclass(frozen=True, slots=True)
class Job:
    """What is read from a meter and when: either `every` so often or `at` a legal time each day, or `listen` all the
    time, where a meter that is silent for longer than `silence` counts as not heard.

    `registers` empty means the whole readout or every object that the map names. With `intervals` they are read at the
    boundaries of legal time and their increments archived; `rollover`: where they begin again at zero.
    """

    registers: tuple[Obis, ...] = ()
    every: timedelta | None = None
    at: time | None = None
    listen: bool = False
    silence: timedelta = SILENCE
    intervals: bool = False
    rollover: Decimal | None = None

    @property
    def request(self) -> Order:
        if self.intervals and self.every is not None:
            return Increments(self.registers, self.every, self.rollover)
        return Listen() if self.listen else Registers(self.registers)


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
        )


@dataclass(frozen=True, slots=True)
class SinkSettings:
    """A sink with the options of its type (an instance of that type's class)."""

    id: str
    type: str
    options: BaseModel
    start: date | str = "beginning"
    """Where a new sink begins: `now`, `beginning`, or with what was archived since a legal-time day."""


@dataclass(frozen=True, slots=True)
class Config:
    """A whole configuration; `warnings` are findings that do not keep it from being used, sorted by line."""

    gateway: GatewaySettings
    archive: ArchiveSettings
    lines: Mapping[str, Line]
    meters: tuple[MeterSettings, ...]
    sinks: tuple[SinkSettings, ...]
    warnings: tuple[Finding, ...] = ()

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
