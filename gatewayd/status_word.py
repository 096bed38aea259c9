"""The status word of a vendor profile as data: what each of its bits means.

Rules: a bit is named by its mask, its meaning by a fault of gatewayd.status, in lower case. How wide the word is and
how the meter writes it is the driver's business.
"""

from typing import Self

from pydantic import Field, field_validator, model_validator

from gatewayd.options import Options
from gatewayd.status import Fault


class StatusBits(Options):
    """Drivers narrow `bits` to the widths that there are."""

    bits: int
    """Width of the word."""
    meaning: dict[int, Fault | None] = Field(default_factory=dict)
    """Mask of the bit -> fault, written in lower case; null for a bit that says nothing about the value."""

    @field_validator("meaning", mode="before")
    @classmethod
    def _faults(cls, value: object) -> object:
        if not isinstance(value, dict):
            return value
        names = {fault.name.lower(): fault for fault in Fault}
        unknown = [name for name in value.values() if isinstance(name, str) and name not in names]
        if unknown:
            raise ValueError(f"{unknown} are no faults of gatewayd.status")
        return {mask: names[name] if isinstance(name, str) else name for mask, name in value.items()}

    @model_validator(mode="after")
    def _masks(self) -> Self:
        for mask in self.meaning:
            if mask.bit_count() != 1 or not 0 < mask < 1 << self.bits:
                raise ValueError(f"mask {mask:#x} is not one bit of a word of {self.bits} bits")
        return self
