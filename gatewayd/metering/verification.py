"""Whether the verification of meters and instrument transformers is valid, and which data were metered without one.

    validities(point, verified, today)    -> what is to be told of each component: warnings ahead, expired
    annotations(point, verified, ...)     -> findings for the data of the days behind the last valid one

Rules: pure; days are those of legal time, the last day of validity is valid. An expired verification harms no amount:
its data are marked with the rule, and so not validated (requirements V1). The texts change with each stage only, so
that an alarm stays one alarm from day to day. What the law says stands in NOTES, as data.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from enum import Enum
from zoneinfo import ZoneInfo

from gatewayd.legal_time import PRAGUE, day_bounds
from gatewayd.metering.findings import Finding, Rule, Severity, Terms
from gatewayd.metering.points import Verified
from gatewayd.metering.values import Layer

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class VerificationTerms(Terms):
    """What the configuration may say of it. `severity` is that of the data; an expired verification is always an
    error for whoever looks after the point."""

    severity: Severity = Rule.VERIFICATION.severity
    ahead: tuple[int, ...] = (180, 90, 30)
    """Days before the end on which is warned."""


class Component(Enum):
    """What is verified. The values are those of the configuration."""

    METER = "meter"
    CT = "ct"
    VT = "vt"

    @property
    def text(self) -> str:
        """For people."""
        return _COMPONENTS[self]


_COMPONENTS = {
    Component.METER: "meter",
    Component.CT: "current transformers",
    Component.VT: "voltage transformers",
}


@dataclass(frozen=True, slots=True)
class Validity:
    """How it stands with one component on a day. `left`: days until the last valid one, negative behind it; `stage`: so
    many days ahead is warned of it, None while nothing is to be told."""

    point: str
    component: Component
    until: date
    left: int
    stage: int | None

    @property
    def expired(self) -> bool:
        """Whether the last valid day is over."""
        return self.left < 0

    @property
    def severity(self) -> Severity | None:
        """None where nothing is to be told."""
        if self.expired:
            return Severity.ERROR
        return None if self.stage is None else Severity.WARNING

    @property
    def text(self) -> str:
        """For people; without numbers that change from day to day."""
        what = f"point {self.point}: the verification of the {self.component.text}"
        if self.expired:
            return (
                f"{what} has ended with {self.until}: what is metered since then is marked and not validated; have it "
                f"verified or exchanged, then write the new day into `verified_until`, with the day since which it "
                f"holds: without one it covers all days before it"
            )
        if self.stage is None:
            return f"{what} is valid until {self.until}"
        return f"{what} ends with {self.until}, in {self.stage} days or less: have it verified or exchanged in time"


def validities(
    point: str, verified: Verified, today: date, terms: VerificationTerms | None = None
) -> tuple[Validity, ...]:
    """Of each component whose last valid day is known."""
    ahead = sorted((terms or VerificationTerms()).ahead)
    found: list[Validity] = []
    for component, until in _known(verified):
        left = (until - today).days
        stage = next((days for days in ahead if left <= days), None) if left >= 0 else None
        found.append(Validity(point, component, until, left, stage))
    return tuple(found)


def annotations(
    point: str,
    verified: Verified,
    first: date,
    last: date,
    terms: VerificationTerms | None = None,
    zone: ZoneInfo = PRAGUE,
) -> Iterator[Finding]:
    """Of the legal-time days from `first` to `last`, those without a valid verification, for all channels."""
    severity = (terms or VerificationTerms()).severity
    for component, until in _known(verified):
        begin = max(until + _DAY, first)
        if begin <= last:
            text = f"the verification of the {component.text} has ended with {until}"
            start, end = day_bounds(begin, zone)[0], day_bounds(last, zone)[1]
            yield Finding(Rule.VERIFICATION, severity, point, None, Layer.INTERVAL, start, end, text)


def _known(verified: Verified) -> Iterator[tuple[Component, date]]:
    for component, until in (
        (Component.METER, verified.meter),
        (Component.CT, verified.ct),
        (Component.VT, verified.vt),
    ):
        if until is not None:
            yield component, until


@dataclass(frozen=True, slots=True)
class Note:
    """What the rules of metering say to whoever looks after a point, and where it is written."""

    text: str
    source: str


_PPDS = "PPDS annex 5"
NOTES: tuple[Note, ...] = (
    Note(
        "Meters and instrument transformers are legally controlled: they need a type approval and a valid mark of "
        "verification. For how long one is valid says the decree; the distribution system operator may shorten it for "
        "its own meters.",
        f"{_PPDS}, 1.3 and 3.3",
    ),
    Note("Further functions of a meter must not endanger its basic one: this gateway only reads.", f"{_PPDS}, 1.3"),
    Note("Defects and broken seals have to be reported without delay.", f"{_PPDS}, 1.3 and 3.1"),
    Note(
        "Control metering needs the consent of the distribution system operator, who has access to all of its values. "
        "It is compared by twice the permissible error in the accuracy class of the meter.",
        f"{_PPDS}, 2.9",
    ),
    Note(
        "What was read is archived unchanged; of secondary values the ratios and the multiplier with them.",
        f"{_PPDS}, 2.11",
    ),
    Note(
        "Who receives substitute values may ask for the reason of the change and how they were made.",
        f"{_PPDS}, 2.14",
    ),
    Note(
        "What a customer reads does not take the place of the readings that the distribution system operator is bound "
        "to make.",
        "ČEZ Distribuce, connection conditions at low voltage of 1 February 2025, 3.3.1",
    ),
)
