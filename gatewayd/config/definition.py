"""The one definition of a configuration file: what may stand where, and what it becomes.

Rules: the loader, its messages and the JSON Schema all come from these classes; a docstring below an attribute is its
documentation everywhere. Drivers and sinks bring their own option classes, handed in; none is known here by name.
"""

from collections.abc import Mapping, Sequence
from datetime import date, time
from decimal import Decimal
from functools import reduce
from operator import or_
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    create_model,
    model_validator,
)

from gatewayd.config.identifiers import Ean, Eic, Id
from gatewayd.config.lines import Host, Line
from gatewayd.config.settings import (
    NO_POINT,
    SILENCE,
    ArchiveSettings,
    GatewaySettings,
    Job,
    MeterSettings,
)
from gatewayd.config.values import (
    ALIGNED,
    ALIGNED_FORM,
    Pair,
    Period,
    Phone,
    Registers,
    Span,
    Start,
    Totals,
    minutes,
)
from gatewayd.model import MeteringType, Point, Ratio, ValueSide
from gatewayd.options import Options


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


class RatioEntry(Options):
    """Instrument transformers and multiplier, from one day on."""

    ct: Pair = ""
    """Current transformer, primary/secondary such as 200/5; absent for a direct connection."""
    vt: Pair = ""
    """Voltage transformer, primary/secondary such as 22000/100; absent when there is none."""
    multiplier: Decimal = Field(default=Decimal(1), gt=0)
    """What the meter's values are multiplied by besides."""
    value_side: ValueSide = ValueSide.SECONDARY
    """Which side of the transformers the meter's own values refer to."""
    since: date = date(1970, 1, 1)
    """First legal-time day on which this holds, such as 2024-05-01."""

    def ratio(self) -> Ratio:
        return Ratio(self.ct, self.vt, self.multiplier, self.value_side, self.since)


def _with(*keys: str, without: Sequence[str]) -> dict[str, Any]:
    """For the JSON Schema: a job that has these keys and none of those."""
    return {"required": list(keys), "not": {"anyOf": [{"required": [key]} for key in without]}}


class JobEntry(Options):
    """What is read and when."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [
                _with("registers", "every", without=("intervals", "rollover")),
                _with("registers", "at", without=("intervals", "rollover")),
                _with("listen", without=("registers", "every", "at", "intervals", "rollover")),
                {
                    **_with("intervals", "every", without=("registers", "at")),
                    "properties": {"every": {"pattern": ALIGNED_FORM}},
                },
            ]
        }
    )

    registers: Registers = ()
    """OBIS codes to read, or all."""
    intervals: Totals = ()
    """OBIS codes of totals whose increments are archived, from boundary to boundary of legal time."""
    rollover: Span | None = None
    """The number at which these totals begin again at zero, in the unit in which they are archived, such as 1000000."""
    every: Period | None = None
    """Period such as 15m, from 1s to 31d."""
    at: time | None = None
    """Legal time of day such as 00:05."""
    listen: Literal[True] | None = None
    """Hear what the meter sends by itself, all the time."""
    silence: Period | None = None
    """How long a meter that is listened to may be silent before it counts as not heard; 25h when absent."""

    @model_validator(mode="after")
    def _one_schedule(self) -> Self:
        if self.listen:
            others = ("registers", "intervals", "rollover", "every", "at")
            beside = [key for key in others if key in self.model_fields_set]
            if beside:
                raise ValueError(
                    f"has {', '.join(beside)} beside listen; a job that listens has no times and takes all"
                )
            return self
        if self.silence is not None:
            raise ValueError("has silence without listen; it belongs to {listen: true, silence: 25h}")
        if self.intervals:
            return self._aligned()
        if self.rollover is not None:
            raise ValueError("has rollover without intervals; it belongs to {intervals: [1-0:1.8.0], every: 15m}")
        if (self.every is None) == (self.at is None):
            found = "has neither every nor at" if self.every is None else "has both every and at"
            raise ValueError(f"{found}; expected one of them, such as every: 15m or at: 00:05")
        return self

    def _aligned(self) -> Self:
        beside = [key for key in ("registers", "at") if key in self.model_fields_set]
        if beside:
            raise ValueError(
                f"has {', '.join(beside)} beside intervals; their registers are read at each boundary of every"
            )
        if self.every not in ALIGNED:
            periods = ", ".join(map(minutes, ALIGNED[:-1]))
            found = "has no every" if self.every is None else "has another period than intervals have"
            raise ValueError(f"{found}; expected every: {periods} or {minutes(ALIGNED[-1])}")
        if len(set(self.intervals)) < len(self.intervals):
            raise ValueError("has a register of intervals twice; name each once")
        return self

    def job(self) -> Job:
        return Job(
            self.intervals or self.registers,
            self.every,
            self.at,
            listen=bool(self.listen),
            silence=self.silence or SILENCE,
            intervals=bool(self.intervals),
            rollover=self.rollover,
        )


class MeterEntry(Options):
    """A meter; the options of its driver stand under the driver's name."""

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
    serial: str = Field(default="", max_length=64)
    """Serial number; a different one read back is an alarm."""
    point: PointEntry | None = None
    """The metering point."""
    ratio: tuple[RatioEntry, ...] = ()
    """Instrument transformers, one version after the other."""
    jobs: tuple[JobEntry, ...] = ()
    """What is read and when."""

    def settings(self) -> MeterSettings:
        return MeterSettings(
            id=self.id,
            driver=self.driver,
            line=self.line,
            metering_type=self.metering_type,
            serial=self.serial,
            point=NO_POINT if self.point is None else Point(self.point.eic, self.point.ean),
            ratio=tuple(entry.ratio() for entry in self.ratio),
            options=getattr(self, DRIVER_OPTIONS),
            jobs=tuple(entry.job() for entry in self.jobs),
            phone=self.phone,
            peer=self.peer or "",
        )


class SinkEntry(Options):
    """A sink of a type that is not known; the known ones have their options beside these keys."""

    id: Id
    """The sink's id, such as mqtt."""
    type: str
    """The kind of sink."""
    start: Start = "beginning"
    """Where a sink begins that has never run: with what comes from now on, with everything that is in the archive, or
    with what was archived since a legal-time day. One that has run goes on where it was."""


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
    archive: ArchiveSettings
    """Where everything that the meters sent is kept."""
    lines: dict[Id, LineEntry] = Field(default_factory=dict)
    """The lines on which meters are reached, each under its id."""
    meters: tuple[MeterEntry, ...] = ()
    """The meters."""
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
