"""What may stand under `push:` in the options of a meter that sends by itself.

Rules: a list of codes or a unit that contradicts itself is refused when the configuration is read. Keys and the suite
are those of the meter's own options, as are the meter's system title and the rules of its clock.
"""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from drivers.dlms.layouts import AUTO, layouts
from drivers.dlms.wire.data_notification import Protection
from gatewayd.obis import Obis
from gatewayd.options import Options

Unit = tuple[str, Annotated[int, Field(ge=-128, le=127)]]
"""Unit and scaler, as in scaler_unit: the value is the number times 10^scaler."""

_MINIMUM = {
    "none": Protection(0),
    "encrypted": Protection.ENCRYPTED,
    "authenticated": Protection.AUTHENTICATED,
    "authenticated-encrypted": Protection.AUTHENTICATED | Protection.ENCRYPTED,
}


class PushOptions(Options):
    """How a meter pushes, and what its messages mean."""

    framing: Literal["auto", "hdlc", "wrapper", "mbus", "raw"] = Field(default="auto")
    """What the messages come in; auto: what the first of them comes in. raw: nothing at all."""
    character: Literal["8N1", "8E1", "8O1", "8N2"] = Field(default="8N1")
    """Data bits, parity and stop bits on a serial line; M-Bus ports have 8E1 as a rule, RS-485 ports 8N1."""
    layout: str = Field(default=AUTO)
    """Layout of the messages; auto: by what they say of themselves. Customer ports without codes need a name here."""
    codes: tuple[str, ...] = Field(default=())
    """OBIS codes of the values by position, where messages name none and no layout knows them; "" passes one over."""
    security: Literal["auto", "none", "encrypted", "authenticated", "authenticated-encrypted"] = Field(default="auto")
    """The least protection of a message; auto: authenticated-encrypted where keys are given, else none. With encrypted
    nothing proves that a value is the meter's: whoever is on the line can change it, and its status is true."""
    silence_s: int | None = Field(default=None, ge=1, le=31 * 86_400)
    """After so long without a message the meter is reported as silent; absent: it may be silent for ever."""
    timeout_s: int = Field(default=90, ge=1, le=7200)
    """Longest time to wait for registers that are asked for, as by `gatewayd read`."""
    units: dict[str, Unit] = Field(default_factory=dict)
    """OBIS code -> unit and scaler, for messages without: `1-0:1.8.0: [Wh, 0]`. What a message says goes first."""

    @field_validator("layout")
    @classmethod
    def _layout(cls, value: str) -> str:
        if value != AUTO and value not in layouts():
            raise ValueError(f"'{value}' is no layout; known: {', '.join([AUTO, *layouts()])}")
        return value

    @field_validator("codes")
    @classmethod
    def _codes(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for code in value:
            if code:
                Obis.parse(code)
        return value

    @field_validator("units")
    @classmethod
    def _units(cls, value: dict[str, Unit]) -> dict[str, Unit]:
        if len({Obis.parse(code) for code in value}) < len(value):
            raise ValueError("two units have the same code")
        return value

    def minimum(self, *, keys: bool) -> Protection:
        """The least protection; `keys`: whether the meter has any."""
        if self.security == AUTO:
            return _MINIMUM["authenticated-encrypted" if keys else "none"]
        return _MINIMUM[self.security]
