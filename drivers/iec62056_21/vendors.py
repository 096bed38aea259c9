"""Vendor profiles: what differs from meter to meter is data, in vendors/*.yaml, each with its source.

Rules: a profile is chosen by name, or by the meter's identification when the configuration says `auto`; a meter that
no profile knows is read by `generic`.
"""

import re
from functools import cache
from importlib import resources

import yaml
from pydantic import Field

from gatewayd.options import Options


class Vendor(Options):
    """One profile."""

    name: str
    """Name in the configuration."""
    identification: str = Field(default="")
    """Regular expression for the beginning of the identification message, for `vendor: auto`."""
    medium: int = Field(default=1, ge=0, le=15)
    """Group A of reduced OBIS codes: 1 electricity, 6 heat, 7 gas."""
    sources: tuple[str, ...]
    """Where the facts come from."""


GENERIC = "generic"
AUTO = "auto"


@cache
def vendors() -> dict[str, Vendor]:
    """All profiles by name."""
    folder = resources.files("drivers.iec62056_21") / "vendors"
    found = [
        Vendor.model_validate(yaml.safe_load(entry.read_text(encoding="utf-8")))
        for entry in folder.iterdir()
        if entry.name.endswith(".yaml")
    ]
    return {vendor.name: vendor for vendor in sorted(found, key=lambda vendor: vendor.name)}


def choose(name: str, identification: str) -> Vendor:
    """The profile `name`, or for `auto` the one whose identification fits, else generic."""
    known = vendors()
    if name != AUTO:
        return known[name]
    for vendor in known.values():
        if vendor.identification and re.match(vendor.identification, identification):
            return vendor
    return known[GENERIC]
