"""What the archive has of a profile, as intervals.py finds it and upkeep understands it. Pure."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

GAP, PROFILE, PUSHED = "gap", "profile", "listen"
"""How the requests of exchanges begin."""


class ChannelRow(NamedTuple):
    """A series of a profile, and its newest reading."""

    meter: str
    obis: str
    is_obis: int
    obis_raw: str
    unit: str
    interval_s: int | None
    scaler: int
    serial: str
    at: int


class IntervalRow(NamedTuple):
    """An interval: its end in microseconds, whether the supply failed in it, and whether the gateway has told it."""

    at: int
    interval_s: int | None
    dark: int
    told: int
    seq: int


@dataclass(slots=True)
class ProfileRows:
    """What was found, oldest segment first. `begun`: when the meter was first asked, as far as that is known."""

    channels: list[ChannelRow] = field(default_factory=list)
    intervals: list[IntervalRow] = field(default_factory=list)
    begun: datetime | None = None
