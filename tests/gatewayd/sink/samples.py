"""Readings for the tests of sinks, and an outbox that is a list."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from gatewayd.model import DIRECT, NO_FLAGS, Archived, Flag, Kind, Meter, Point, Ratio, RawStatus, Reading
from gatewayd.obis import Obis

START = datetime(2026, 11, 21, 20, 0, tzinfo=UTC)
METER = Meter(
    id="em-1001",
    driver="iec62056_21",
    line="optical",
    serial="35031234",
    point=Point(eic="27ZG600Z0424987D"),
    ratios=(Ratio(ct="200/5"),),
)


def clock() -> datetime:
    return START


def head() -> tuple[int, str | None]:
    return 8123, None


def register(
    seq: int,
    raw: str = "0008048.375",
    code: str = "1.8.0",
    *,
    meter: str = METER.id,
    kind: Kind = Kind.REGISTER,
    scaler: int = 0,
    unit: str = "kWh",
    status: RawStatus = RawStatus.TRUE,
    flags: Flag = NO_FLAGS,
    ratio: Ratio = DIRECT,
    at: datetime | None = None,
    interval_s: int | None = None,
    more: tuple[str, ...] = (),
    meter_time: str = "",
    serial: str = "35031234",
) -> Archived:
    """A reading of any kind; a register unless told otherwise."""
    try:
        obis = Obis.parse(code)
    except ValueError:
        obis = None
    at = at or START + timedelta(seconds=seq)
    reading = Reading(
        meter=meter,
        obis=obis,
        obis_raw=code,
        kind=kind,
        at=at,
        raw=raw.encode("latin-1"),
        raw_text=raw,
        unit=unit,
        scaler=scaler,
        status=status,
        flags=flags,
        more=more,
        interval_s=interval_s,
        meter_time=meter_time,
    )
    return Archived(seq, reading, at + timedelta(seconds=1), serial, ratio_id=3, ratio=ratio)


def interval(seq: int, raw: str = "000.125", code: str = "1.29.0", **other: Any) -> Archived:  # as for register()
    """A quarter-hour."""
    return register(seq, raw, code, kind=Kind.INTERVAL, interval_s=900, **other)


@dataclass
class ListOutbox:
    """Keeps everything in memory. `acknowledged` has every call of done, in order."""

    readings: list[Archived]
    sink: str = "mqtt"
    acknowledged: list[int] = field(default_factory=list)
    rewinds: int = 0
    opened: int = 0
    refused: list[tuple[int, str]] = field(default_factory=list)
    _next: int = 0
    _more: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def set_aside_count(self) -> int:
        return len(self.refused)

    async def open(self) -> None:
        self.opened += 1

    async def get(self, limit: int, linger_s: float = 0.0) -> list[Archived]:
        while not (batch := self._waiting()[:limit]):
            self._more.clear()
            await self._more.wait()
        self._next = batch[-1].seq + 1
        return batch

    def add(self, readings: Sequence[Archived]) -> None:
        self.readings.extend(readings)
        self._more.set()

    def done(self, readings: Sequence[Archived]) -> None:
        self.acknowledged += [archived.seq for archived in readings]

    async def set_aside(self, reading: Archived, reason: str) -> None:
        self.refused.append((reading.seq, reason))
        self.acknowledged.append(reading.seq)

    def rewind(self) -> None:
        self.rewinds += 1
        self._next = 0

    def depth(self) -> int:
        return len(self._left())

    def _left(self) -> list[Archived]:
        done = set(self.acknowledged)
        return [archived for archived in self.readings if archived.seq not in done]

    def _waiting(self) -> list[Archived]:
        return [archived for archived in self._left() if archived.seq >= self._next]
