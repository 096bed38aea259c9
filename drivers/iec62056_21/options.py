"""What may stand under `iec62056_21:` in the configuration of a meter."""

import re
from typing import Literal

from pydantic import Field, field_validator

from drivers.iec62056_21.vendors import AUTO, Rate, vendors
from drivers.iec62056_21.wire.framing import ADDRESS_LIMIT
from gatewayd.options import Options


class Iec62056_21Options(Options):
    """Options of a meter that is read by IEC 62056-21."""

    mode: Literal["A", "B", "C", "D", "E"] = Field(default="C")
    """C signs on and follows what the meter identifies itself as (A, B, C or E); A never chooses a rate; D listens."""
    vendor: str = Field(default=AUTO)
    """Vendor profile; auto chooses by the identification of the meter."""
    address: str = Field(default="")
    """Device address for the sign-on; empty where one meter is alone on its line."""
    start_baud: Rate | None = Field(default=None)
    """Rate of the sign-on, or of the telegrams in mode D; default: the line's `baud`, else 300, in mode D 9600."""
    max_baud: Rate = Field(default=19200)
    """Highest rate to choose, where the line is worse than the meter thinks."""
    attempts: int = Field(default=3, ge=1, le=10)
    """How often to sign on before the meter counts as silent."""
    response_timeout_s: int = Field(default=2, ge=1, le=60)
    """Longest time to the first character of an answer; more for lines with a delay of their own."""
    character_timeout_s: int = Field(default=2, ge=1, le=60)
    """Longest pause between two characters."""
    push_timeout_s: int = Field(default=15, ge=1, le=3600)
    """Mode D: longest time to the beginning of a telegram."""

    @field_validator("address")
    @classmethod
    def _address(cls, value: str) -> str:
        if not re.fullmatch(rf"[0-9A-Za-z ]{{0,{ADDRESS_LIMIT}}}", value):
            raise ValueError(f"expected at most {ADDRESS_LIMIT} of 0-9, A-Z, a-z and blank (IEC 62056-21 6.3.1)")
        return value

    @field_validator("vendor")
    @classmethod
    def _vendor(cls, value: str) -> str:
        if value != AUTO and value not in vendors():
            raise ValueError(f"'{value}' is no vendor profile; known: {', '.join([AUTO, *vendors()])}")
        return value
