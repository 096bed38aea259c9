"""Values of the derived layer: an amount of energy in an interval, at a metering point, with what it was made of.

Rules: pure. Amounts are primary values in the unit of their series, as Decimal, never rounded here. An interval is
named by its END, in UTC. The status of what is made of several values is the worst of theirs (PPDS annex 5, 2.12);
what is made of nothing is missing. A value without an amount is missing, and a missing one has no amount, but for a
partial sum, which says how much of it there is.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import Enum

import msgspec

from gatewayd.model import NO_FLAGS, Flag, RawStatus
from gatewayd.obis import Obis


class Layer(Enum):
    """What a derived series is. The values are stored in the archive and stand in topics."""

    INTERVAL = "interval"
    """The intervals of the metering profile: quarter-hours."""
    EVALUATION = "evaluation"
    """The evaluation interval: 15 or 60 minutes (PPDS annex 5, 1.5)."""
    DAY = "day"
    MONTH = "month"
    GAS_DAY = "gas_day"
    MAXIMUM = "maximum"
    """The highest mean power of a month, with its instant."""
    LOSS = "loss"
    """Losses of the transformer, where metering is on its secondary side (PPDS annex 5, annex on losses)."""
    LOSS_DAY = "loss_day"
    LOSS_MONTH = "loss_month"


class Method(Enum):
    """How a value was made. The values are stored in the archive."""

    PRIMARY = "primary"
    """The raw value times the ratios that applied."""
    SUM = "sum"
    """A virtual point: sum or difference of points."""
    AGGREGATE = "aggregate"
    NETTED = "netted"
    CONTROL = "control"
    """Substitute: of the control metering."""
    INTERPOLATED = "interpolated"
    COMPARABLE = "comparable"
    """Substitute: of comparable periods before."""
    ESTIMATE = "estimate"
    """Substitute: what somebody has estimated (type C)."""
    MANUAL = "manual"
    """Substitute: what somebody has entered (type A)."""
    LOSS = "loss"
    NONE = "none"
    """There is nothing to make it of."""


class Value(msgspec.Struct, frozen=True, gc=False):
    """One value: of the `seconds` up to `at`. `inputs`: sequence numbers in the raw archive, ascending, of what it was
    made of, through all steps. `have` of `want` intervals are in it; both 1 for what is no sum over time. `instant`:
    when a maximum was, the end of its interval. `rules`: names of the validation rules that found something."""

    at: datetime
    seconds: int
    amount: Decimal | None
    status: RawStatus
    flags: Flag = NO_FLAGS
    inputs: tuple[int, ...] = ()
    method: Method = Method.PRIMARY
    have: int = 1
    want: int = 1
    instant: datetime | None = None
    rules: tuple[str, ...] = ()
    reason: str = ""
    """In words, for `explain`: why this method."""

    @property
    def start(self) -> datetime:
        """When the interval begins."""
        return self.at - timedelta(seconds=self.seconds)

    @property
    def there(self) -> bool:
        """Whether there is a whole value."""
        return self.amount is not None and self.status is not RawStatus.MISSING


def missing(at: datetime, seconds: int, reason: str = "", *, flags: Flag = NO_FLAGS, want: int = 1) -> Value:
    """What is there of an interval of which there is nothing."""
    return Value(at, seconds, None, RawStatus.MISSING, flags, (), Method.NONE, 0, want, reason=reason)


@dataclass(frozen=True, slots=True)
class Channel:
    """What is metered at a point: the code of the energy (1-0:1.29.0 for the interval energy of 1-0:1.8.0) and the unit
    of its amounts."""

    point: str
    obis: Obis
    unit: str


@dataclass(frozen=True, slots=True)
class Series:
    """Values of one channel and layer, ascending by `at`, each interval at most once."""

    channel: Channel
    layer: Layer
    values: tuple[Value, ...]

    def by_end(self) -> dict[datetime, Value]:
        """The values by the end of their interval."""
        return {one.at: one for one in self.values}


def worst(values: Iterable[Value]) -> RawStatus:
    """The status of what is made of all of these; MISSING of nothing."""
    return max((one.status for one in values), default=RawStatus.MISSING)


def merged_inputs(values: Iterable[Value]) -> tuple[int, ...]:
    """The sequence numbers behind all of these, each once, ascending."""
    return tuple(sorted({seq for one in values for seq in one.inputs}))


def merged_flags(values: Iterable[Value]) -> Flag:
    """The flags of all of these."""
    found = last = NO_FLAGS
    for one in values:
        if one.flags is not last:  # most are like the one before, and flags are slow to join
            last = one.flags
            found |= last
    return found
