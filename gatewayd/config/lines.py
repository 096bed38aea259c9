"""Lines in the configuration: serial ports, TCP endpoints, serial servers, modems, ports on which meters call us.

Rules: they stand in the YAML as they are here; what a modem hears is checked with the values that it is spoken to with
(gatewayd/dialling.py).
"""

import re
from datetime import time
from decimal import Decimal
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic.json_schema import SkipJsonSchema

from gatewayd.config.identifiers import Id
from gatewayd.dialling import Step, Window, checked_bearer
from gatewayd.options import Options

BAUD_RATES = (300, 600, 1200, 2400, 4800, 9600, 14400, 19200, 28800, 38400, 57600, 115200, 230400)
"""The rates of IEC 62056-21 6.3.13.1 and those that serial adapters and RS-485 meters use besides."""

FRAMINGS = ("7E1", "8N1", "8E1", "8O1", "8N2")


def _path(value: object) -> object:
    if isinstance(value, str) and (not value.strip() or "\0" in value):
        raise ValueError("is empty or no path; expected a path such as /var/lib/gatewayd")
    return value


def _rate(baud: int) -> int:
    if baud not in BAUD_RATES:
        raise ValueError(f"is not a standard rate; expected one of {', '.join(map(str, BAUD_RATES))}")
    return baud


def _address(text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError:
        raise ValueError(f"is not {_ADDRESS_WORDS}") from None


_ADDRESS_WORDS = "an address of this machine such as 192.0.2.5, or 0.0.0.0 for all of them"
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

Bind = Annotated[
    str, AfterValidator(_address), WithJsonSchema({"type": "string", "x-expected": _ADDRESS_WORDS, "format": "address"})
]


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


class TcpListenLine(Options):
    """A TCP port on which meters call us and push."""

    id: SkipJsonSchema[str] = ""
    """The line's key under `lines`; not written in the line itself."""
    type: Literal["tcp_listen"] = "tcp_listen"
    """The kind of line."""
    bind: Bind = "0.0.0.0"  # noqa: S104 - meters call from anywhere, and only those that are configured are heard
    """The address to listen at; 0.0.0.0 for all of this machine, :: for those of IPv6 as well."""
    port: int = Field(ge=1, le=65535)
    """The TCP port, such as 4059."""
    framing: Framing | None = None
    """The driver's own when absent; 8N1 turns the parity in software off."""
    idle_s: int = Field(default=3600, ge=1, le=604800)
    """Seconds without a byte after which a connection is closed."""
    connect_timeout_s: Decimal = Field(default=Decimal(60), gt=0, le=86400)
    """Seconds that `gatewayd read` waits for the meter to call."""


class UdpListenLine(Options):
    """A UDP port on which meters push."""

    id: SkipJsonSchema[str] = ""
    """The line's key under `lines`; not written in the line itself."""
    type: Literal["udp_listen"] = "udp_listen"
    """The kind of line."""
    bind: Bind = "0.0.0.0"  # noqa: S104 - as above
    """The address to listen at; 0.0.0.0 for all of this machine, :: for those of IPv6 as well."""
    port: int = Field(ge=1, le=65535)
    """The UDP port, such as 4059."""
    connect_timeout_s: Decimal = Field(default=Decimal(60), gt=0, le=86400)
    """Seconds that `gatewayd read` waits for the meter to push."""

    @property
    def framing(self) -> None:
        """Datagrams have no parity."""
        return None


class StepEntry(Options):
    """A command of the set-up."""

    command: Annotated[str, AfterValidator(lambda text: Step(text).command)]
    """One line that begins with AT."""
    required: bool = False
    """Whether a modem that rejects it is not used."""


def _step(value: object) -> object:
    return {"command": Step(value).command} if isinstance(value, str) else value


def _window(text: object) -> object:
    if not isinstance(text, str):
        return text
    found = _WINDOW.fullmatch(text)
    if found is None:
        raise ValueError(f"is not {_WINDOW_WORDS}")
    start, end = (time(int(hours) % 24, int(minutes)) for hours, minutes in (found.group(1, 2), found.group(3, 4)))
    return Window(start, end)


def _windows(value: object) -> object:
    if value == []:
        raise ValueError("is an empty list; leave the key out for the whole day")
    return [_window(value)] if isinstance(value, str) else value


_WINDOW = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])-([01][0-9]|2[0-3]|24(?=:00)):([0-5][0-9])")
_WINDOW_WORDS = "a window of legal time such as 00:10-05:30"
_WINDOW_SCHEMA: dict[str, Any] = {"type": "string", "pattern": f"^{_WINDOW.pattern}$", "x-expected": _WINDOW_WORDS}
InitStep = Annotated[
    StepEntry,
    BeforeValidator(_step),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string"},
                {
                    "type": "object",
                    "properties": {"command": {"type": "string"}, "required": {"type": "boolean"}},
                    "required": ["command"],
                    "additionalProperties": False,
                },
            ],
            "x-expected": "a command that begins with AT, or {command: AT..., required: true}",
        }
    ),
]
CallWindows = Annotated[
    tuple[Annotated[Window, BeforeValidator(_window), WithJsonSchema(_WINDOW_SCHEMA)], ...],
    BeforeValidator(_windows),
    WithJsonSchema(
        {
            "anyOf": [_WINDOW_SCHEMA, {"type": "array", "minItems": 1, "items": _WINDOW_SCHEMA}],
            "x-expected": f"{_WINDOW_WORDS}, or a list of them",
        }
    ),
]
_DEVICE_ALONE: dict[str, Any] = {"not": {"anyOf": [{"required": [key]} for key in ("host", "port", "via")]}}


class ModemLine(Options):
    """A modem through which meters are called: at a serial device, or behind a serial server."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [
                {"required": ["device"], **_DEVICE_ALONE},
                {"required": ["host", "port"], "not": {"required": ["device"]}},
            ]
        }
    )

    id: SkipJsonSchema[str] = ""
    """The line's key under `lines`; not written in the line itself."""
    type: Literal["modem"] = "modem"
    """The kind of line."""
    device: FilePath | None = None
    """The serial device of the modem, such as /dev/gatewayd/modem0."""
    host: Host | None = None
    """Name or address of the serial server at which the modem is, such as 192.0.2.8."""
    port: int | None = Field(default=None, ge=1, le=65535)
    """The TCP port of the serial server, such as 7002."""
    via: Literal["tcp", "rfc2217"] = "tcp"
    """How the serial server is spoken to: tcp hands bytes on, rfc2217 sets its port and knows DTR and DCD."""
    baud: Baud = 9600
    """Rate between gateway and modem, with 8N1; it stays the same during a call."""
    network: Literal["cellular", "pstn"] = "cellular"
    """Where the modem dials; in a telephone network (pstn) there is no SIM, no registration and no signal."""
    bearer: Annotated[str, AfterValidator(checked_bearer)] = ""
    """What follows AT+CBST=, such as 7,0,1 (V.32 9600) or 71,0,1 (V.110 9600); the modem's own when absent."""
    bearer_required: bool = True
    """Whether a modem that rejects the bearer does not dial."""
    dialling: Literal["default", "tone", "pulse"] = "default"
    """How a telephone modem dials; its own setting when absent."""
    pin_file: FilePath | None = None
    """File that holds the PIN of the SIM in its first line. It is sent once at most in the life of the process."""
    init: tuple[InitStep, ...] = ()
    """Commands after those that gatewayd sends itself, each a text or {command, required}."""
    setup_s: Decimal = Field(default=Decimal(90), gt=0, le=600)
    """Seconds from the first command to CONNECT."""
    hang_up_s: Decimal = Field(default=Decimal(8), gt=0, le=60)
    """Seconds that hanging up may take; at least 2.5 times guard_ms and 1 s more, or the call would stay."""
    guard_ms: int = Field(default=1200, ge=20, le=10000)
    """Silence before and after +++; longer than that of the modem (S12, 1 s)."""
    call_window: CallWindows = ()
    """When calls may begin, in legal time, such as 00:10-05:30, or a list; it may pass midnight. Always when absent."""
    framing: Framing | None = None
    """Framing that the meters behind this modem have; the driver's own when absent."""
    max_call_s: int = Field(default=1800, ge=1, le=86400)
    """Seconds after which a call is ended, set-up included."""
    pool: Id | None = None
    """Name of the pool that this modem belongs to; meters then name the pool as their line."""


ListeningLine = TcpListenLine | UdpListenLine
"""On these nobody is asked: whoever is configured is heard when it calls."""
Line = SerialLine | TcpLine | Rfc2217Line | ModemLine | ListeningLine
