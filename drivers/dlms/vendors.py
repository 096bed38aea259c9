"""Vendor profiles: what profiles of different makers do differently is data, in vendors/*.yaml, each with its source.

Rules: a profile is chosen by its name, `generic` where none is configured. One that contradicts itself does not load. A
bit that no source explains is not in the map: the values under it are distorted and flagged, not guessed at. What a
source does not tell is left at what the standard says.
"""

from functools import cache
from importlib import resources
from typing import Annotated, Literal

import yaml
from pydantic import Field, field_validator

from drivers.dlms.wire.axdr_value import PLAIN
from gatewayd.options import Options
from gatewayd.status_word import StatusBits

GENERIC = "generic"
_RANGES = {
    "integer": (-0x80, 0x7F),
    "long": (-0x8000, 0x7FFF),
    "double-long": (-0x8000_0000, 0x7FFF_FFFF),
    "long64": (-(2**63), 2**63 - 1),
    "unsigned": (0, 0xFF),
    "long-unsigned": (0, 0xFFFF),
    "double-long-unsigned": (0, 0xFFFF_FFFF),
    "long64-unsigned": (0, 2**64 - 1),
}
"""Types that can hold a mark for a missing value, by the names of IEC 62056-6-2, and what each can hold."""
_TAGS = {plain.tag.name.lower().replace("_", "-"): plain.tag.value for plain in PLAIN}

Access = Literal["auto", "range", "entry", "none"]
"""How rows are chosen: by range, by entry, not at all, or whichever of them works, in this order."""


class StatusWord(StatusBits):
    """The status word of a profile: its width, and what each bit means (names of gatewayd.status.Fault)."""

    bits: Literal[8, 16, 32, 64] = 8
    """Width as the meter sends it; a word of another width is another word, of which nothing is known."""


class Vendor(Options):
    """One profile."""

    name: str
    """Name in the configuration."""
    models: tuple[str, ...] = ()
    """The meters that it is for, as people call them."""
    status: StatusWord = StatusWord()
    """Status word of its load profiles: a captured object 0-b:96.10.x."""
    time: Literal["end", "start"] = "end"
    """Which end of the interval a row's time names."""
    nulls: Literal["previous", "missing"] = "previous"
    """What null-data in a row means: the value of the row before (IEC 62056-6-2, profile generic, buffer), or none."""
    missing: dict[str, tuple[int, ...]] = Field(default_factory=dict)
    """Type (double-long-unsigned) -> the values of this type that mean that there is none."""
    selective_access: Access = "auto"
    """What the meter's profiles can do."""
    range_on: Literal["sort", "clock"] = "sort"
    """The object that a range names: the one that the profile is sorted by where that is a clock, or always the
    captured clock."""
    range_deviation: bool = True
    """False where the times of a range have to be sent without a deviation (8000)."""
    sources: Annotated[tuple[str, ...], Field(min_length=1)]
    """Where the facts come from."""

    @field_validator("missing")
    @classmethod
    def _missing(cls, value: dict[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
        for name, marks in value.items():
            if name not in _RANGES:
                raise ValueError(f"'{name}' is none of {', '.join(_RANGES)}")
            low, high = _RANGES[name]
            if any(not low <= mark <= high for mark in marks):
                raise ValueError(f"{name} holds {low} to {high}")
        return value

    @property
    def marks(self) -> frozenset[tuple[int, int]]:
        """Type tag and number of every value that means that there is none."""
        return frozenset((_TAGS[name], mark) for name, marks in self.missing.items() for mark in marks)


@cache
def vendors() -> dict[str, Vendor]:
    """All profiles by name."""
    folder = resources.files("drivers.dlms") / "vendors"
    found = [
        Vendor.model_validate(yaml.safe_load(entry.read_text(encoding="utf-8")))
        for entry in folder.iterdir()
        if entry.name.endswith(".yaml")
    ]
    return {vendor.name: vendor for vendor in sorted(found, key=lambda vendor: vendor.name)}
