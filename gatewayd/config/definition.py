"""The one definition of a configuration file: what may stand where, and what it becomes.

Rules: the loader, its messages and the JSON Schema all come from these classes; a docstring below an attribute is its
documentation everywhere. Drivers and sinks bring their own option classes, handed in; none is known here by name.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import reduce
from operator import or_
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, create_model

from gatewayd.config.identifiers import Id
from gatewayd.config.jobs import JobEntry
from gatewayd.config.lines import Host, Line
from gatewayd.config.manual import ManualSettings
from gatewayd.config.metering import MeteringPointEntry
from gatewayd.config.observing import ObservabilitySettings
from gatewayd.config.points import PartEntry, PointEntry, RatioEntry, point_of
from gatewayd.config.policies import PolicyEntries, PolicyEntry, with_changes
from gatewayd.config.settings import (
    AcquisitionSettings,
    ArchiveSettings,
    ControlSettings,
    GatewaySettings,
    MeterSettings,
    Voltage,
)
from gatewayd.config.values import Phone, Start
from gatewayd.model import MeteringType
from gatewayd.options import Options
from gatewayd.policy import Policy

_TIMELESS: dict[str, Any] = {
    "required": ["registers"],
    "not": {"anyOf": [{"required": ["every"]}, {"required": ["at"]}]},
}
"""In the JSON Schema: a job of registers that leaves its time to the policy."""


class MeterEntry(Options):
    """A meter; the options of its driver stand under the driver's name."""

    model_config = ConfigDict(
        json_schema_extra={
            "if": {"required": ["metering_type"], "properties": {"metering_type": {"const": "C"}}},
            "else": {"properties": {"jobs": {"items": {"not": _TIMELESS}}}},
        }
    )

    id: Id
    """The meter's id, a level of its MQTT topics, such as em-1001."""
    driver: str
    """The driver, which is the protocol that the meter speaks."""
    line: str
    """The line on which the meter is reached: a key under lines, or a pool of modem lines."""
    phone: Phone | None = None
    """The number of the meter's modem, such as +420601234589; on lines of type modem and only there."""
    peer: Host | None = None
    """Address or host name from which the meter calls, such as 192.0.2.20; on lines on which meters call us."""
    metering_type: MeteringType = MeteringType.C
    """Metering type of decree 359/2020."""
    voltage: Voltage | None = None
    """Level of the metering point."""
    policy: PolicyEntry | None = None
    """What is different for this meter."""
    serial: str = Field(default="", max_length=64)
    """Serial number; a different one read back is an alarm."""
    point: PointEntry | None = None
    """The metering point."""
    ratio: tuple[RatioEntry, ...] = ()
    """Instrument transformers, one version after the other."""
    jobs: tuple[JobEntry, ...] = ()
    """What is read and when."""
    points: tuple[PartEntry, ...] = ()
    """The metering points behind this address, where it is a registrar."""

    def settings(self, policies: Mapping[MeteringType, Policy], zone: ZoneInfo) -> MeterSettings:
        policy = with_changes(policies[self.metering_type], self.policy)
        found = MeterSettings(
            id=self.id,
            driver=self.driver,
            line=self.line,
            metering_type=self.metering_type,
            serial=self.serial,
            point=point_of(self.point),
            ratio=tuple(entry.ratio(zone) for entry in self.ratio),
            options=getattr(self, DRIVER_OPTIONS),
            jobs=tuple(entry.job(policy) for entry in self.jobs),
            phone=self.phone,
            peer=self.peer or "",
            policy=policy,
            voltage=self.voltage,
        )
        return replace(found, parts=tuple(entry.settings(found, policies, zone) for entry in self.points))


class SinkEntry(Options):
    """A sink of a type that is not known; the known ones have their options beside these keys."""

    id: Id
    """The sink's id, such as mqtt."""
    type: str
    """The kind of sink."""
    start: Start = "beginning"
    """Where a sink begins that has never run: with what comes from now on, with everything that is in the archive, or
    with what was archived since a legal-time day. One that has run goes on where it was."""
    derived: bool = True
    """Whether it gets derived values of metering points as well, where the configuration has `points`."""


SINK_KEYS = tuple(SinkEntry.model_fields)
"""What stands beside the options of a sink's own type."""


LineEntry = Annotated[Line, Field(discriminator="type")]
LINE_TYPES = ("serial", "tcp", "rfc2217", "modem", "tcp_listen", "udp_listen")
DRIVER_OPTIONS = "driver_options"
# Descriptions are handed on; there is no source of the classes built below to look them up in.
_NO_SOURCE = {"use_attribute_docstrings": False}


class Document(Options):
    """A whole configuration file of gatewayd."""

    gateway: GatewaySettings
    """The gateway itself: its id and its time zone."""
    acquisition: AcquisitionSettings = AcquisitionSettings()
    """How much is done at the same time."""
    control: ControlSettings = ControlSettings()
    """Who may ask a running gateway, and have it do something."""
    manual: ManualSettings = ManualSettings()
    """Readings that people have taken."""
    observability: ObservabilitySettings = ObservabilitySettings()
    """Metrics and health, for a monitoring system."""
    policies: PolicyEntries = PolicyEntries()
    """Changes of the defaults of metering types."""
    archive: ArchiveSettings
    """Where everything that the meters sent is kept."""
    lines: dict[Id, LineEntry] = Field(default_factory=dict)
    """The lines on which meters are reached, each under its id."""
    meters: tuple[MeterEntry, ...] = ()
    """The meters."""
    points: tuple[MeteringPointEntry, ...] = ()
    """The metering points, and what is computed of what their meters say; without one nothing is derived. As soon as
    there is one, a meter with a load profile or intervals that is at none of them is a point with its own id."""
    sinks: tuple[Any, ...] = ()  # of the class built for the sink's type: its options with id and type
    """Where readings are handed on to."""


def document(drivers: Mapping[str, type[BaseModel]], sinks: Mapping[str, type[BaseModel]]) -> type[Document]:
    """The definition for these drivers and sinks."""
    return create_model(
        "Configuration",
        __base__=Document,
        __doc__=Document.__doc__,
        __module__=__name__,
        __cls_kwargs__=_NO_SOURCE,
        meters=(_entries([_meter(name, cls) for name, cls in drivers.items()], MeterEntry, "driver"), _field("meters")),
        sinks=(_entries([_sink(name, cls) for name, cls in sinks.items()], SinkEntry, "type"), _field("sinks")),
    )


def _meter(driver: str, options: type[BaseModel]) -> type[BaseModel]:
    said = f"Options of the driver {driver}."
    if any(field.is_required() for field in options.model_fields.values()):
        own = Field(alias=driver, description=said)
    else:
        own = Field(alias=driver, description=said, default_factory=options)
    fields: dict[str, Any] = {
        "driver": (_only(driver), Field(description=MeterEntry.model_fields["driver"].description)),
        DRIVER_OPTIONS: (options, own),
    }
    return create_model(
        f"Meter-{driver}",
        __base__=MeterEntry,
        __doc__=MeterEntry.__doc__,
        __module__=__name__,
        __cls_kwargs__=_NO_SOURCE,
        **fields,
    )


def _sink(kind: str, options: type[BaseModel]) -> type[BaseModel]:
    fields: dict[str, Any] = {
        "id": (Id, Field(description=SinkEntry.model_fields["id"].description)),
        "type": (_only(kind), Field(description=SinkEntry.model_fields["type"].description)),
        "start": (Start, Field(default="beginning", description=SinkEntry.model_fields["start"].description)),
        "derived": (bool, Field(default=True, description=SinkEntry.model_fields["derived"].description)),
    }
    return create_model(
        f"Sink-{kind}",
        __base__=options,
        __doc__=options.__doc__,
        __module__=__name__,
        __cls_kwargs__=_NO_SOURCE,
        **fields,
    )


def _only(text: str) -> Any:
    return Literal.__getitem__(text)


def _entries(variants: list[type[BaseModel]], unknown: type[BaseModel], discriminator: str) -> Any:
    """A tuple of any of the variants; pydantic wants at least two for a discriminated union."""
    if not variants:
        return tuple[unknown, ...]  # type: ignore[valid-type]  # a runtime type
    union: Any = reduce(or_, variants)
    item = union if len(variants) == 1 else Annotated[union, Field(discriminator=discriminator)]
    return tuple.__class_getitem__((item, ...))


def _field(name: str) -> Any:
    return Field(default=(), description=Document.model_fields[name].description)
