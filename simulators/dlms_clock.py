"""The clock of a simulated DLMS meter, and how it writes times: the twelve octets of IEC 62056-6-2, date-time.

Rules: inside, times are instants (UTC); the season bit is written for summer time also where no deviation is; a clock
runs with the monotonic clock of the machine from the instant that it was given.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from simulators.profile import LEGAL

UNSPECIFIED = -0x8000
SUMMER_BIT, INVALID_BIT = 0x80, 0x01
# The rules of Prague as the clock object tells them: last Sunday of March and of October, 02:00 and 03:00.
SUMMER_BEGINS = bytes.fromhex("ffff03fe0702000000800000")
SUMMER_ENDS = bytes.fromhex("ffff0afe0703000000800080")


class Deviation(StrEnum):
    """What the meter writes as deviation; the first is the standard's (-60 in Prague in winter)."""

    UTC_MINUS_LOCAL = "utc-minus-local"
    LOCAL_MINUS_UTC = "local-minus-utc"
    UNSPECIFIED = "unspecified"


@dataclass(frozen=True, slots=True)
class Writing:
    """How this meter writes times. Without `summer_bit` the clock status never says that it is summer."""

    deviation: Deviation = Deviation.UTC_MINUS_LOCAL
    summer_bit: bool = True

    def octets(self, at: datetime, status: int = 0) -> bytes:
        """The twelve octets of an instant."""
        local = at.astimezone(LEGAL)
        minutes = _offset_minutes(local)
        match self.deviation:
            case Deviation.UTC_MINUS_LOCAL:
                deviation = -minutes
            case Deviation.LOCAL_MINUS_UTC:
                deviation = minutes
            case Deviation.UNSPECIFIED:
                deviation = UNSPECIFIED
        if self.summer_bit and local.dst():
            status |= SUMMER_BIT
        return (
            local.year.to_bytes(2)
            + bytes([local.month, local.day, local.isoweekday(), local.hour, local.minute, local.second, 0])
            + deviation.to_bytes(2, signed=True)
            + bytes([status])
        )

    def instant(self, octets: bytes) -> datetime | None:
        """What a client's twelve octets mean; None where they name no instant, which is an open end of a range."""
        if len(octets) != 12 or octets[:2] == b"\xff\xff":
            return None
        year = int.from_bytes(octets[:2])
        month, day, _, hour, minute, second = octets[2:8]
        deviation, status = int.from_bytes(octets[9:11], signed=True), octets[11]
        second = 0 if second == 0xFF else second
        sign = -1 if self.deviation is Deviation.LOCAL_MINUS_UTC else 1
        try:
            wall = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
            if deviation == UNSPECIFIED or self.deviation is Deviation.UNSPECIFIED:
                summer = status != 0xFF and bool(status & SUMMER_BIT)
                return wall.replace(tzinfo=LEGAL, fold=0 if summer else 1).astimezone(UTC)
            return wall + timedelta(minutes=sign * deviation)
        except (ValueError, OverflowError):
            return None


class Clock:
    """The meter's clock. `offset` is what it is fast by at first; with `drift_ppm` it goes wrong by so many millionths.

    `monotonic` gives seconds: whoever hands in his own moves the meter's time."""

    def __init__(
        self,
        start: datetime | None,
        offset: timedelta,
        monotonic: Callable[[], float] = time.monotonic,
        drift_ppm: float = 0.0,
    ) -> None:
        """`start` None: the machine's own time."""
        self.offset = offset
        self._monotonic = monotonic
        self._start = start
        self._drift = drift_ppm / 1_000_000
        self._began = monotonic()

    def now(self) -> datetime:
        """What the meter takes for now."""
        passed = self._monotonic() - self._began
        wrong = self.offset + timedelta(seconds=passed * self._drift)
        if self._start is None:
            return datetime.now(UTC) + wrong
        return self._start + timedelta(seconds=passed) + wrong

    def shift(self, seconds: int) -> None:
        """Method 6 of class 8."""
        self.offset += timedelta(seconds=seconds)

    def set(self, at: datetime) -> None:
        """Attribute 2 of class 8 is written."""
        self.offset += at - self.now()


def _offset_minutes(local: datetime) -> int:
    offset = local.utcoffset()
    assert offset is not None
    return int(offset.total_seconds()) // 60
