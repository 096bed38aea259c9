"""What a configuration says, as frozen objects: the part that the rest of gatewayd works with.

Rules: everything here is complete and checked; paths and names of secrets stay references, no file is read. The first
four classes stand in the YAML as they are here; the others are made from it by gatewayd.config.definition.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, WithJsonSchema
from pydantic.json_schema import SkipJsonSchema

from gatewayd.config.identifiers import Id
from gatewayd.errors import Finding
from gatewayd.model import Meter, MeteringType, Point, Ratio, Registers, Request
from gatewayd.obis import Obis
from gatewayd.options import Options

BAUD_RATES = (300, 600, 1200, 2400, 4800, 9600, 14400, 19200, 28800, 38400, 57600, 115200, 230400)
"""The rates of IEC 62056-21 6.3.13.1 and those that serial adapters and RS-485 meters use besides."""

FRAMINGS = ("7E1", "8N1", "8E1", "8O1", "8N2")


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (OSError, ValueError, KeyError):  # ZoneInfoNotFoundError is a KeyError, a folder of zones an OSError
        raise ValueError("is not the name of a time zone; expected one such as Europe/Prague") from None
    return name


def _path(value: object) -> object:
    if isinstance(value, str) and (not value.strip() or "\0" in value):
        raise ValueError("is empty or no path; expected a path such as /var/lib/gatewayd")
    return value


def _rate(baud: int) -> int:
    if baud not in BAUD_RATES:
        raise ValueError(f"is not a standard rate; expected one of {', '.join(map(str, BAUD_RATES))}")
    return baud


FilePath = Annotated[Path, BeforeValidator(_path)]
Baud = Annotated[int, AfterValidator(_rate), WithJsonSchema({"type": "integer", "enum": list(BAUD_RATES)})]
# YAML 1.2 reads 7E1 and 8E1 as the numbers 70 and 80; an editor that checks with the schema sees those.
Framing = Annotated[
    Literal["7E1", "8N1", "8E1", "8O1", "8N2"],
    WithJsonSchema({"enum": [*FRAMINGS, 70, 80], "x-expected": f"one of {', '.join(FRAMINGS)}"}),
]
Host = Annotated[
    str,
    Field(
        pattern=r"^([A-Za-z0-9_]([A-Za-z0-9._-]{0,252})|[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:.]+(%[A-Za-z0-9._-]+)?)$",
        json_schema_extra={"x-expected": "a host name or address without scheme and port, such as 192.0.2.10"},
    ),
]


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


class SerialLine(Options):
    """A serial port or an optical head."""

    id: SkipJsonSchema[str] = ""
    """The line's key under `lines`; not written in the line itself."""
    type: Literal["serial"] = "serial"
    """The kind of line."""
    device: FilePath
    """The serial device, such as /dev/ttyUSB0."""
    baud: Baud | None = None
    """Rate in baud; the driver's own when absent."""
    framing: Framing | None = None
    """Data bits, parity and stop bits; the driver's own when absent."""
    switch_delay_ms: int = Field(default=0, ge=0, le=1000)
    """Extra wait after a change of the rate, for USB adapters that need it."""


class TcpLine(Options):
    """A TCP endpoint: a meter with its own network, or a serial device server."""

    id: SkipJsonSchema[str] = ""
    """The line's key under `lines`; not written in the line itself."""
    type: Literal["tcp"] = "tcp"
    """The kind of line."""
    host: Host
    """Name or address of the endpoint, such as 192.0.2.10."""
    port: int = Field(ge=1, le=65535)
    """The TCP port, such as 4059."""
    framing: Framing | None = None
    """The driver's own when absent; 8N1 turns the parity in software off."""
    connect_timeout_s: Decimal = Field(default=Decimal(10), gt=0, le=600)
    """Seconds to wait for the connection."""


class Rfc2217Line(Options):
    """A port of a serial server that lets its client set rate and framing (RFC 2217), such as ser2net."""

    id: SkipJsonSchema[str] = ""
    """The line's key under `lines`; not written in the line itself."""
    type: Literal["rfc2217"] = "rfc2217"
    """The kind of line."""
    host: Host
    """Name or address of the serial server, such as 192.0.2.7."""
    port: int = Field(ge=1, le=65535)
    """The TCP port, such as 7001."""
    baud: Baud | None = None
    """Rate in baud; the driver's own when absent."""
    framing: Framing | None = None
    """Data bits, parity and stop bits; the driver's own when absent. With 8N1 the server's port has eight bits, and the
    7E1 that a driver asks for is made in software: for servers that cannot do it and do not say so."""
    connect_timeout_s: Decimal = Field(default=Decimal(10), gt=0, le=600)
    """Seconds to wait until the server has connected, agreed and set its port."""


Line = SerialLine | TcpLine | Rfc2217Line
NO_POINT = Point()


@dataclass(frozen=True, slots=True)
class Job:
    """What is read from a meter and when: either `every` so often or `at` a legal time each day.

    `registers` empty means the whole readout or every object that the map names.
    """

    registers: tuple[Obis, ...] = ()
    every: timedelta | None = None
    at: time | None = None

    @property
    def request(self) -> Request:
        return Registers(self.registers)


@dataclass(frozen=True, slots=True)
class MeterSettings:
    """A meter with the options of its driver (an instance of that driver's class) and its jobs."""

    id: str
    driver: str
    line: str
    options: BaseModel
    metering_type: MeteringType = MeteringType.C
    serial: str = ""
    point: Point = NO_POINT
    ratio: tuple[Ratio, ...] = ()
    jobs: tuple[Job, ...] = ()

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
