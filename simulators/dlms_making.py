"""What a simulated DLMS meter is and keeps, as its command line says it, for the modules that make its objects.

Rules: values alone; nothing here knows an object.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from simulators import dlms_values as axdr
from simulators.dlms_clock import Clock, Writing
from simulators.dlms_profile import Manner, Stamp
from simulators.dlms_security import Security
from simulators.generator import Happening

QUARTER = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Plate:
    """What is said of the meter itself."""

    serial: str
    firmware: str
    client: int
    server: int
    title: bytes
    client_title: bytes
    security: Security
    suite: int


@dataclass(frozen=True, slots=True)
class Store:
    """How much is kept, and what has happened. `interval_values`: the load profile holds intervals, not totals.
    `recorded`: what is in the load profile, where that is not all of the last days (virtual.py)."""

    seed: int
    days: int
    manner: Manner
    happenings: tuple[Happening, ...] = ()
    interval_values: bool = False
    recorded: Callable[[], Sequence[Stamp]] | None = None


@dataclass(frozen=True, slots=True)
class Making:
    """What the functions below need."""

    clock: Clock
    plate: Plate
    store: Store

    @property
    def writing(self) -> Writing:
        return self.store.manner.writing

    def time(self, at: datetime) -> bytes:
        return axdr.octets(self.writing.octets(at))
