"""What validation finds on derived values, how severe it is, and what it does to them: the one table of rules.

    apply(series, findings)   -> the series with the findings told on its values

Rules: pure. An error turns the status of the values concerned to distorted, a warning only names the rule on them; a
critical finding is an error of all channels of the whole legal-time day. No amount is ever changed, a missing value not
at all, and no status gets better. The result does not depend on the order of the findings, and applying them twice is
applying them once. What was found on a sum over time turns that sum and coarser ones; its parts are only marked.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_EVEN, Context, Decimal
from enum import Enum
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from gatewayd.legal_time import PRAGUE, day_bounds, end_label, legal_day, start_label
from gatewayd.metering.values import Channel, Layer, Series, Value
from gatewayd.model import NO_FLAGS, Flag, RawStatus
from gatewayd.obis import Obis
from gatewayd.severity import Severity, most_severe

__all__ = [
    "EFFECTS",
    "RULES",
    "Finding",
    "Rule",
    "Severity",
    "Terms",
    "apply",
    "bounded",
    "passed",
    "same_energy",
    "shown",
    "worst",
]


EFFECTS = {
    Severity.CRITICAL: "all channels of the point are `distorted` on the whole legal-time day",
    Severity.ERROR: "the values concerned are `distorted`, and name the rule",
    Severity.WARNING: "the values concerned name the rule; their status stays",
}
"""What becomes of the values concerned."""


class Rule(Enum):
    """What may be found. The values are those of the configuration, and stand in the archive."""

    BACKWARD = "backward"
    ZERO = "zero"
    ABOVE_MAXIMUM = "above_maximum"
    TARIFF_SUM = "tariff_sum"
    REGISTER_ADVANCE = "register_advance"
    COMPARABLE = "comparable"
    CONTROL = "control"
    QUADRANTS = "quadrants"
    VERIFICATION = "verification"

    @property
    def severity(self) -> Severity:
        """How severe a finding is where the configuration does not say."""
        return RULES[self].severity


@dataclass(frozen=True, slots=True)
class Description:
    """One row of the table; `meaning`: what should be so, in the words of docs/metering/validation.md."""

    severity: Severity
    meaning: str
    flag: Flag = NO_FLAGS
    """What the values concerned are flagged with besides."""


RULES: dict[Rule, Description] = {
    Rule.BACKWARD: Description(
        Severity.ERROR,
        "a register does not go back, unless it began again at zero or the meter was exchanged",
        Flag.BACKWARD,
    ),
    Rule.ZERO: Description(
        Severity.WARNING, "nothing is metered for hours only where nothing was metered on comparable days either"
    ),
    Rule.ABOVE_MAXIMUM: Description(
        Severity.ERROR, "no interval has more energy than its connection can carry at rated current and voltage"
    ),
    Rule.TARIFF_SUM: Description(Severity.WARNING, "the registers of the tariffs add up to the total register"),
    Rule.REGISTER_ADVANCE: Description(
        Severity.ERROR, "the intervals between two states of the register add up to what it went up by"
    ),
    Rule.COMPARABLE: Description(
        Severity.WARNING, "a day is within the tolerance of the days of its class in the weeks before"
    ),
    Rule.CONTROL: Description(
        Severity.WARNING,
        "main and control metering differ by no more than twice the permissible error of the worse class",
        Flag.CONTROL_MISMATCH,
    ),
    Rule.QUADRANTS: Description(
        Severity.WARNING, "+R is QI and QII together, -R QIII and QIV, and likewise the sums of +A and -A"
    ),
    Rule.VERIFICATION: Description(
        Severity.WARNING, "the verification of the meter and of the instrument transformers is valid"
    ),
}


@dataclass(frozen=True, slots=True)
class Terms:
    """What every rule has: whether it is looked at, and how severe a finding is."""

    enabled: bool = True
    severity: Severity = Severity.WARNING


def bounded(name: str, value: int, least: int, most: int) -> None:
    """ValueError where a parameter is out of bounds."""
    if not least <= value <= most:
        raise ValueError(f"{name} is {value}, expected {least} to {most}")


_LEVELS = {
    Layer.INTERVAL: 0,
    Layer.LOSS: 0,
    Layer.EVALUATION: 1,
    Layer.DAY: 2,
    Layer.GAS_DAY: 2,
    Layer.LOSS_DAY: 2,
    Layer.MONTH: 3,
    Layer.MAXIMUM: 3,
    Layer.LOSS_MONTH: 3,
}
_REGISTER, _INTERVAL = 8, 29
"""Group D: energy since ever, and that of one interval."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that was found, on what lies between `start` and `end` (an instant where both are the same).

    `layer`: of what it was found: INTERVAL, DAY or MONTH. `obis`: the code of the register or of its interval energy;
    None: of all channels of the point. `amount` is what was found and `limit` what would have been right, in `unit`;
    `inputs`: the sequence numbers of registers that it was found on.
    """

    rule: Rule
    severity: Severity
    point: str
    obis: Obis | None
    layer: Layer
    start: datetime
    end: datetime
    text: str
    amount: Decimal | None = None
    limit: Decimal | None = None
    unit: str = ""
    inputs: tuple[int, ...] = ()

    @property
    def turns(self) -> bool:
        """Whether it makes values distorted."""
        return self.severity is not Severity.WARNING

    def concerns(self, channel: Channel) -> bool:
        """Whether it is one of a channel. A critical one is of all channels of its point."""
        if channel.point != self.point:
            return False
        return self.obis is None or self.severity is Severity.CRITICAL or same_energy(self.obis, channel.obis)

    def when(self, zone: ZoneInfo = PRAGUE) -> str:
        """For people: the day or month, the end of the interval, or from when to when."""
        first = legal_day(self.start + timedelta.resolution, zone)
        last = legal_day(self.end, zone)
        if self.layer is Layer.MONTH:
            return f"{last:%Y-%m}"
        if (day_bounds(first, zone)[0], day_bounds(last, zone)[1]) == (self.start, self.end):
            return f"{last}" if first == last else f"{first} to {last}"
        if self.start == self.end:
            return end_label(self.end, zone)
        return f"{start_label(self.start, zone)} to {end_label(self.end, zone)}"

    def line(self, zone: ZoneInfo = PRAGUE) -> str:
        """For people, on one line."""
        code = f" {self.obis.reduced()}" if self.obis is not None else ""
        return f"{self.severity.value}: {self.point}{code} {self.when(zone)}: {self.text} [{self.rule.value}]"

    @property
    def facts(self) -> tuple[tuple[str, str | None], ...]:
        """For events and the archive, by name."""
        return (
            ("rule", self.rule.value),
            ("severity", self.severity.value),
            ("point", self.point),
            ("obis", None if self.obis is None else str(self.obis)),
            ("layer", self.layer.value),
            ("start", self.start.isoformat()),
            ("end", self.end.isoformat()),
            ("amount", None if self.amount is None else format(self.amount, "f")),
            ("limit", None if self.limit is None else format(self.limit, "f")),
            ("unit", self.unit),
            ("text", self.text),
        )


def apply(series: Series, findings: Iterable[Finding], zone: ZoneInfo = PRAGUE) -> Series:
    """The series with the rules named on its values, and those distorted that findings turn; itself where none does."""
    mine = sorted(
        {one for one in findings if one.concerns(series.channel)}, key=lambda one: (one.start, one.rule.value, one.text)
    )
    if not mine:
        return series
    ends = [one.at for one in series.values]
    values = list(series.values)
    for finding in mine:
        turns = finding.turns and _LEVELS[series.layer] >= _LEVELS[finding.layer]
        start, end = _reach(finding, zone)
        place = bisect_right(ends, start) if start < end else bisect_left(ends, start)
        while place < len(values) and values[place].start < end:
            values[place] = _told(values[place], finding, turns)
            place += 1
    return Series(series.channel, series.layer, tuple(values))


def _reach(finding: Finding, zone: ZoneInfo) -> tuple[datetime, datetime]:
    if finding.severity is not Severity.CRITICAL:
        return finding.start, finding.end
    first = legal_day(min(finding.start + timedelta.resolution, finding.end), zone)
    return day_bounds(first, zone)[0], day_bounds(legal_day(finding.end, zone), zone)[1]


def _told(value: Value, finding: Finding, turns: bool) -> Value:
    if not value.there:
        return value
    rules = value.rules if finding.rule.value in value.rules else tuple(sorted((*value.rules, finding.rule.value)))
    flags = value.flags | RULES[finding.rule].flag
    if not turns:
        return replace(value, rules=rules, flags=flags)
    said = f"{finding.rule.value}: {finding.text}"
    reason = value.reason if said in value.reason else f"{value.reason}; {said}" if value.reason else said
    status = max(value.status, RawStatus.DISTORTED)
    return replace(value, rules=rules, flags=flags, status=status, reason=reason)


def passed(value: Value) -> bool:
    """Whether a value that was checked is validated: it is there, it is not distorted, and no rule has found anything,
    not even a warning, which is for people to judge (requirements B16, B18)."""
    return value.there and value.status < RawStatus.DISTORTED and not value.rules


def worst(findings: Iterable[Finding]) -> Severity | None:
    """The most severe of several; None for none."""
    return most_severe(finding.severity for finding in findings)


def same_energy(one: Obis, other: Obis) -> bool:
    """Whether codes mean the same energy, one as a register and the other by intervals, or both alike."""
    return one == other or _interval_code(one) == _interval_code(other)


def _interval_code(code: Obis) -> tuple[int, ...]:
    a, b, c, d, e, f = code.groups
    return a, b, c, _INTERVAL if d == _REGISTER else d, e, f


_PLACES = Decimal("0.000001")
_SHOWN = Context(prec=120, rounding=ROUND_HALF_EVEN, traps=[])


def shown(amount: Decimal, unit: str = "") -> str:
    """An amount for people, rounded here and nowhere before: at most six places, no zeros at the end."""
    text = format(_SHOWN.quantize(amount, _PLACES), "f").rstrip("0").rstrip(".")
    return f"{'0' if text == '-0' else text} {unit}".rstrip()
