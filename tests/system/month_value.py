"""Values that are expected of the simulated month, and what the computations of the test share.

Rules: of the requirements (1.2-1.11, 2, 4, 9) and docs/metering, not of the code: nothing of gatewayd.metering is used
here. Whole decimal numbers or fractions. A value knows the readings that it must come of (`need`) and those that it may
(`allow`), as their places in the list of everything that was archived.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction

from gatewayd.model import Flag
from tests.system.month_raw import DAYS, ENDS, PRAGUE, QUARTER

NONE = Flag(0)
TRUE, SUBSTITUTE, PROVISIONAL, DISTORTED, MISSING = range(5)
HOLIDAYS = {date(2025, 9, 28), date(2025, 10, 28)}
Key = tuple[str, str, str, datetime]
"""Point, layer, code, end."""


@dataclass
class Val:
    """A value that is expected."""

    amount: Fraction | None
    status: int
    flags: Flag = NONE
    rules: frozenset[str] = frozenset()
    need: frozenset[int] = frozenset()
    allow: frozenset[int] = frozenset()
    method: str = "primary"
    have: int = 1
    want: int = 1
    seconds: int = 900
    instant: datetime | None = None
    told: bool = True
    """False where nothing was archived of an interval: there may be no value of it, or one that says missing."""


Channel = dict[datetime, Val]
Event = tuple[str, str, str, str, datetime]
"""Point, type, code, layer, and the end of the day or month."""


@dataclass
class Month:
    """Everything that is expected. `channels`: the intervals, by point and C of the code."""

    channels: dict[tuple[str, str], Channel] = field(default_factory=dict)
    values: dict[Key, Val] = field(default_factory=dict)
    substituted: int = 0
    day_findings: dict[tuple[str, str, date], list[tuple[str, bool]]] = field(default_factory=lambda: defaultdict(list))
    """What was found on a day as a whole: the rule, and whether it makes the day distorted."""
    events: set[Event] = field(default_factory=set)
    """What has to be told, and is not over."""
    states: dict[tuple[str, str], dict[datetime, Decimal]] = field(default_factory=dict)
    """Of registers, at midnight, by point and C of the code."""
    read: dict[tuple[str, str, datetime], int] = field(default_factory=dict)
    """The readings of these states, and of the shop at noon."""


def legal_day(end: datetime) -> date:
    """The day to which an interval belongs that ends then."""
    return (end - QUARTER).astimezone(PRAGUE).date()


LABELS = {end: (end - QUARTER).astimezone(PRAGUE).time() for end in ENDS}
"""What the clock shows when an interval begins."""
OF_DAY = {day: [end for end in ENDS if legal_day(end) == day] for day in DAYS}
AT: dict[tuple[date, time], list[datetime]] = defaultdict(list)
"""The ends of the intervals that begin at that time of that day: two of them in the hour that comes twice."""
for _end in ENDS:
    AT[legal_day(_end), LABELS[_end]].append(_end)


def comparable_days(day: date) -> list[date]:
    """Days of the same class in the four weeks before."""

    def kind(one: date) -> str:
        return "sunday" if one.weekday() == 6 or one in HOLIDAYS else str(one.weekday())

    before = [day - timedelta(days=n) for n in range(1, 29)]
    return [one for one in before if one in DAYS and kind(one) == kind(day)]


def alike(channel: Channel, end: datetime) -> list[Val]:
    """What was truly metered at the same time of comparable days."""
    ends = [at for day in comparable_days(legal_day(end)) for at in AT[day, LABELS[end]]]
    return [channel[at] for at in ends if channel[at].status == TRUE]


def median(amounts: Iterable[Fraction]) -> Fraction:
    """Of an even number the middle of the two in the middle."""
    ordered = sorted(amounts)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def summed(terms: Sequence[tuple[int, Val]], partial: bool, method: str) -> Val:
    """Status, flags and findings of all; missing where one is."""
    values = [one for _, one in terms]
    flags = Flag(0)
    for one in values:
        flags |= one.flags
    status = max(one.status for one in values)
    there = [factor * one.amount for factor, one in terms if one.amount is not None]
    amount = sum(there, Fraction(0)) if there and (status != MISSING or partial) else None
    return Val(
        amount,
        status,
        flags,
        frozenset().union(*(one.rules for one in values)),
        frozenset().union(*(one.need for one in values)),
        frozenset().union(*(one.allow for one in values)),
        method,
        sum(one.have for one in values),
        sum(one.want for one in values),
        sum(one.seconds for one in values) if method == "aggregate" else values[0].seconds,
    )
