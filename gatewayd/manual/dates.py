"""The six types of reading, and until when each may be handed in.

Rules: pure. Days are those of legal time, working days those of gatewayd.holidays. What takes a contract to know (the
day of a change of supplier) is not checked.
"""

from collections.abc import Iterator
from datetime import date, timedelta
from enum import Enum

from gatewayd.holidays import working_day
from gatewayd.manual import portal
from gatewayd.manual.findings import Check, Finding

_DAY = timedelta(days=1)
_CALENDAR_DAYS = 14
_WORKING_DAYS = 5


class ReadingType(Enum):
    """What the reading is for."""

    CONTROL = "K"
    BILLING = "F"
    SUPPLIER_CHANGE = "Z"
    CUSTOMER_CHANGE = "P"
    CONTROL_BY_NEW_SUPPLIER = "N"
    END_OF_SUPPLY = "U"

    @property
    def meaning(self) -> str:
        return self.name.lower().replace("_", " ")


def deadline(kind: ReadingType, day: date) -> date:
    """The last day on which a reading of `day` may be handed in."""
    match kind:
        case ReadingType.CONTROL | ReadingType.CONTROL_BY_NEW_SUPPLIER:
            return day + _CALENDAR_DAYS * _DAY
        case ReadingType.BILLING | ReadingType.CUSTOMER_CHANGE | ReadingType.END_OF_SUPPLY:
            return working_day(day, _WORKING_DAYS)
        case ReadingType.SUPPLIER_CHANGE:  # the present supplier reads on the day before the change
            return working_day(day + _DAY, _WORKING_DAYS)


def date_findings(kind: ReadingType, day: date, today: date) -> Iterator[Finding]:
    """What is wrong with a reading of this type and `day` that is handed in today."""
    if kind is ReadingType.BILLING and (day + _DAY).day != 1:
        last = (day.replace(day=1) + 31 * _DAY).replace(day=1) - _DAY
        yield Finding(
            Check.TYPE_DATE,
            f"a reading of type F is of the last day of a month, and {day:%d.%m.%Y} is none; expected {last:%d.%m.%Y}",
            portal.TYPE_DATE.format(type=kind.value),
        )
    until = deadline(kind, day)
    if today > until:
        yield Finding(
            Check.DEADLINE,
            f"a reading of type {kind.value} of {day:%d.%m.%Y} could be handed in until {until:%d.%m.%Y}; "
            "`reading add` without --type archives it all the same, for yourself",
        )
