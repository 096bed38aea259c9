"""What may stand under `modbus:` in the configuration of a meter.

Rules: what contradicts itself is refused when the configuration is read, with the remedy (option_checks.py). Modbus has
no passwords, so that there are no secrets here. What the map says of the device holds where nothing is said here.
"""

from decimal import Decimal
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from drivers.modbus.maps import Map, maps
from drivers.modbus.option_checks import contradiction
from drivers.modbus.registrar import Input
from drivers.modbus.wire.dialogue import Settings, Transport
from drivers.modbus.wire.pdu import MAX_REGISTERS
from drivers.modbus.wire.rtu import FRAME_LIMIT
from gatewayd.channel import Framing
from gatewayd.options import Options

DEFAULT_BAUD = 9600
"""What most meters leave the factory with; the standard's 19200 (2.5.1) is rare among them."""
CHARACTER_BITS = 11
"""Of a character in RTU (MODBUS over Serial Line V1.02, 2.5.1); the ten of 8N1 end earlier, which harms nobody."""
_SILENCE = 3.5
"""Characters between frames (2.5.1.1)."""
_LEAST_SILENCE_S = 0.00175
"""Above 19200 Bd the silence does not get shorter (2.5.1.1)."""
_LATE_S = 3.0
Seconds = Annotated[Decimal, Field(gt=0, le=120)]


class ModbusOptions(Options):
    """Options of a meter that is read by Modbus."""

    LOAD_PROFILES: ClassVar[bool] = False
    """gatewayd.options.has_load_profiles"""
    unit: int = Field(ge=0, le=255)
    """Unit (slave) number: 1 to 247; with transport: tcp also 0 or 255, which some devices want when nobody else is
    behind their address."""
    map: str
    """Map of the device: which of its registers mean what."""
    transport: Literal["rtu", "tcp"] = Field(default="rtu")
    """rtu: serial lines, and serial servers that pass bytes through; tcp: Modbus TCP, port 502."""
    framing: Literal["8N1", "8E1", "8O1", "8N2"] = Field(default="8N1")
    """rtu: data bits, parity and stop bits, where the line does not say them. The standard's default is 8E1, that of
    most meters 8N1."""
    timeout_s: Seconds = Field(default=Decimal(1))
    """Longest time to the beginning of an answer."""
    late_s: Seconds | None = Field(default=None)
    """rtu: longest time after which the answer to a request that was given up may still come; so long nothing else is
    asked on the line. tcp: longest time for a whole answer. Default: 3, or what a long answer takes on a slow line."""
    attempts: int = Field(default=1, ge=1, le=10)
    """How often a request is sent that is not answered, or answered with a damaged frame."""
    pause_ms: int | None = Field(default=None, ge=0, le=5000)
    """rtu: silence before each request; default: 3.5 characters. More for converters that switch slowly."""
    repeats: bool = Field(default=False)
    """rtu: a gateway on the way asks again by itself, so that answers may come twice: costs `late_s` between requests
    that look alike."""
    max_registers: int | None = Field(default=None, ge=1, le=MAX_REGISTERS)
    """Most registers in one request; default: what the map says."""
    max_gap: int | None = Field(default=None, ge=0, le=MAX_REGISTERS)
    """Registers between two wanted ones that may be read along with them; default: what the map says."""
    read_serial: bool = Field(default=True)
    """Whether the serial number is read in each session, where the map knows it; false saves a request and does not
    notice when the meter is exchanged."""

    inputs: tuple[Input, ...] = Field(default=())
    """The counters of a registration device, for the maps of pulse counters."""

    @field_validator("map")
    @classmethod
    def _map(cls, value: str) -> str:
        if value not in maps():
            raise ValueError(f"'{value}' is no map; known: {', '.join(maps())}")
        return value

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (message := contradiction(self)) is not None:
            raise ValueError(message)
        return self

    @property
    def device(self) -> Map:
        """The map."""
        return maps()[self.map]

    @property
    def frames(self) -> Transport:
        return Transport(self.transport)

    @property
    def character(self) -> Framing:
        return Framing(self.framing)

    @property
    def most(self) -> int:
        """Registers in one request."""
        return self.max_registers or self.device.defaults.max_registers

    @property
    def gap(self) -> int:
        """Registers that may be read along."""
        return self.device.defaults.max_gap if self.max_gap is None else self.max_gap

    def settings(self, baud: int | None) -> Settings:
        """How patient an exchange is on a line of this rate; None where the line does not say its rate."""
        character_s = CHARACTER_BITS / baud if baud else 0.0
        silence = max(_SILENCE * CHARACTER_BITS / (baud or DEFAULT_BAUD), _LEAST_SILENCE_S)
        timeout_s = float(self.timeout_s)
        defaults = Settings()
        longest = timeout_s + FRAME_LIMIT * character_s + defaults.gap_s
        return Settings(
            timeout_s=timeout_s,
            late_s=float(self.late_s) if self.late_s is not None else max(_LATE_S, longest),
            pause_s=silence if self.pause_ms is None else self.pause_ms / 1000,
            character_s=character_s,
            repeats=self.repeats,
        )
