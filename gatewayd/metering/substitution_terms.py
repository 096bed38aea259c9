"""On what terms a point gets substitute values: whether at all, of what, and from when on they are settled.

Rules: pure. Substitution is off until somebody turns it on (requirements DEC8). Until its deadline a substitute is
provisional, because true values may still come; times are legal time.
"""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from gatewayd.legal_time import PRAGUE, QUARTER, instant

_MOST_GAP, _MOST_WEEKS = 96, 52


@dataclass(frozen=True, slots=True)
class SubstitutionTerms:
    """The terms of one point."""

    enabled: bool = False
    use_control: bool = True
    """Whether values of the point's control metering are taken where there are any."""
    longest_gap: int = 8
    """The longest gap that is interpolated, in quarter-hours, whatever the metering period is; 0: none is (DEC2)."""
    weeks: int = 4
    """From how many weeks before comparable days are taken; 0: from none (DEC3)."""
    least_days: int = 1
    """Of how many comparable days there must be true values, so that their median is not provisional for good."""
    scale: bool = True
    """Whether substitutes are scaled to the advance of the registers where that is known."""
    deadline: time = time(11, 0)
    """When a day is settled."""
    deadline_days: int = 1
    """That many days after the day itself."""
    former_year: bool = True
    """Type C: whether the same period of the year before goes before the period just before."""
    comparison_days: int = 28
    """Type C: over how many days metering before or later must reach to be compared with; a month has as many."""

    def __post_init__(self) -> None:
        for name, least, most in (
            ("longest_gap", 0, _MOST_GAP),
            ("weeks", 0, _MOST_WEEKS),
            ("least_days", 1, _MOST_WEEKS),
            ("deadline_days", 1, 366),
            ("comparison_days", 1, 366),
        ):
            value = getattr(self, name)
            if not least <= value <= most:
                raise ValueError(f"substitution: {name} is {value}, expected {least} to {most}")

    def until(self, day: date, zone: ZoneInfo = PRAGUE) -> datetime:
        """From when on substitutes of a legal-time day are settled, in UTC."""
        return instant(day + timedelta(days=self.deadline_days), self.deadline, zone)

    def gap_of(self, period: timedelta) -> int:
        """The longest gap that is interpolated, in intervals of that length."""
        return self.longest_gap * QUARTER // period


OFF = SubstitutionTerms()
"""Where nobody has said anything."""
