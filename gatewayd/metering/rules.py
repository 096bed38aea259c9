"""The rules of validation together: what of them is on, and what they find on a day and on a month of a channel.

    check_day(evidence, day, rules)       -> findings of a legal-time day
    reaching(evidence, day, rules)        -> times of other days that they must see besides, see `Evidence.near`
    check_month(evidence, month, rules)   -> those that only a whole month shows
    rules_of({"zero": {"hours": 12}})     -> Rules, out of what the configuration says

Rules: pure. Rules look at primary values before anything is substituted; what is above the maximum is not true for the
others. Each has its parameters in a dataclass of its own with the defaults; control metering, quadrants and
verification are not looked at here, channel by channel (validation.py does), but have their parameters here.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import get_type_hints
from zoneinfo import ZoneInfo

from gatewayd.legal_time import day_bounds, legal_day
from gatewayd.metering import (
    rule_backward,
    rule_comparable,
    rule_maximum,
    rule_register_advance,
    rule_tariff_sum,
    rule_zero,
)
from gatewayd.metering.aggregate import month_bounds
from gatewayd.metering.control import ControlTerms
from gatewayd.metering.evidence import TWO_DAYS, Evidence, Span
from gatewayd.metering.findings import Finding, Rule, Severity, Terms, apply
from gatewayd.metering.rule_backward import BackwardTerms
from gatewayd.metering.rule_comparable import ComparableTerms
from gatewayd.metering.rule_maximum import MaximumTerms
from gatewayd.metering.rule_quadrants import QuadrantsTerms
from gatewayd.metering.rule_register_advance import RegisterAdvanceTerms
from gatewayd.metering.rule_tariff_sum import TariffSumTerms
from gatewayd.metering.rule_zero import ZeroTerms
from gatewayd.metering.values import Series
from gatewayd.metering.verification import VerificationTerms


@dataclass(frozen=True, slots=True)
class Rules:
    """The parameters of all rules, each under the name of its rule."""

    backward: BackwardTerms = field(default=BackwardTerms())
    zero: ZeroTerms = field(default=ZeroTerms())
    above_maximum: MaximumTerms = field(default=MaximumTerms())
    tariff_sum: TariffSumTerms = field(default=TariffSumTerms())
    register_advance: RegisterAdvanceTerms = field(default=RegisterAdvanceTerms())
    comparable: ComparableTerms = field(default=ComparableTerms())
    control: ControlTerms = field(default=ControlTerms())
    quadrants: QuadrantsTerms = field(default=QuadrantsTerms())
    verification: VerificationTerms = field(default=VerificationTerms())

    @property
    def weeks(self) -> int:
        """So many weeks back the intervals of a channel are looked at."""
        return max((one.weeks for one in (self.zero, self.comparable) if one.enabled), default=0)

    @property
    def behind(self) -> int:
        """So many days back what was measured may matter to the findings of a day."""
        zeros = self.zero.hours // 24 + 1 if self.zero.enabled else 0
        return max(zeros, self.ahead)

    @property
    def ahead(self) -> int:
        """The same of the days behind it."""
        return TWO_DAYS - 1 if self.register_advance.enabled else 0

    def terms(self, rule: Rule) -> Terms:
        """The parameters of one rule."""
        found = getattr(self, rule.value)
        assert isinstance(found, Terms)
        return found


DEFAULTS = Rules()
_MOST = 1_000_000
"""Above any parameter that means something."""


def check_day(evidence: Evidence, day: date, rules: Rules = DEFAULTS) -> tuple[Finding, ...]:
    """What the rules find on a legal-time day of a channel, in order of time."""
    start, end = day_bounds(day, evidence.zone)
    found = list(_above_maximum(evidence, start, end, rules))
    if found:
        evidence = replace(evidence, series=apply(evidence.series, found, evidence.zone))
    if rules.zero.enabled:
        found += rule_zero.check(evidence, rules.zero, start, end)
    if rules.comparable.enabled:
        found += rule_comparable.check(evidence, rules.comparable, start, end)
    if rules.backward.enabled:
        found += rule_backward.check(evidence, rules.backward, start, end)
    if rules.tariff_sum.enabled:
        found += rule_tariff_sum.check(evidence, rules.tariff_sum, start, end)
    if rules.register_advance.enabled:
        found += rule_register_advance.check(evidence.close(start, end), rules.register_advance, start, end)
    return _sorted(found)


def believed(evidence: Evidence, day: date, rules: Rules = DEFAULTS) -> Series:
    """What the other rules believe of a legal-time day: without what is above the maximum, where that is an error."""
    return apply(evidence.series, _above_maximum(evidence, *day_bounds(day, evidence.zone), rules), evidence.zone)


def _above_maximum(evidence: Evidence, start: datetime, end: datetime, rules: Rules) -> Iterable[Finding]:
    return rule_maximum.check(evidence, rules.above_maximum, start, end) if rules.above_maximum.enabled else ()


def reaching(evidence: Evidence, day: date, rules: Rules = DEFAULTS) -> frozenset[Span]:
    """The times of which rules must see what was measured so that a day can be judged, where they reach out of it."""
    found: frozenset[Span] = frozenset()
    if rules.register_advance.enabled:
        found |= rule_register_advance.reaching(evidence, rules.register_advance, day)
    if rules.zero.enabled:
        found |= rule_zero.reaching(evidence, rules.zero, day)
    if rules.above_maximum.severity is not Severity.CRITICAL:
        return found
    return frozenset(_whole_days(begin, end, evidence.zone) for begin, end in found)


def _whole_days(begin: datetime, end: datetime, zone: ZoneInfo) -> Span:
    """What is not believed at one hour of a day is not believed of all of it."""
    first, last = legal_day(begin + timedelta.resolution, zone), legal_day(end, zone)
    return day_bounds(first, zone)[0], day_bounds(last, zone)[1]


def check_month(evidence: Evidence, month: date, rules: Rules = DEFAULTS) -> tuple[Finding, ...]:
    """What only a whole legal-time month shows: where each day was within its tolerance, and all of them are not."""
    if not rules.register_advance.enabled:
        return ()
    return _sorted(
        rule_register_advance.check_month(evidence, rules.register_advance, *month_bounds(month, evidence.zone))
    )


def _sorted(found: Iterable[Finding]) -> tuple[Finding, ...]:
    return tuple(sorted(found, key=lambda one: (one.start, one.end, one.rule.value, one.text)))


def options(rule: Rule) -> tuple[tuple[str, object, object], ...]:
    """Name, type and default of each parameter of a rule, as the configuration and the documentation have them."""
    kind = type(DEFAULTS.terms(rule))
    hints = get_type_hints(kind)
    return tuple((one.name, hints[one.name], one.default) for one in fields(kind))


def rules_of(said: Mapping[str, object]) -> Rules:
    """The rules with what the configuration says of them; ValueError for what is no rule, no parameter of it, or no
    value of that parameter, with the name of it and what was expected."""
    names = [rule.value for rule in Rule]
    made: dict[str, Terms] = {}
    for name, parameters in said.items():
        if name not in names:
            raise ValueError(f"validation: '{name}' is no rule; expected one of {', '.join(names)}")
        if not isinstance(parameters, Mapping):
            raise ValueError(f"validation: {name}: expected parameters such as {{enabled: false}}")
        made[name] = _terms(Rule(name), parameters)
    return Rules(**made)  # type: ignore[arg-type]


def _terms(rule: Rule, parameters: Mapping[object, object]) -> Terms:
    known = {name: kind for name, kind, _ in options(rule)}
    found: dict[str, object] = {}
    for name, value in parameters.items():
        if not isinstance(name, str) or name not in known:
            raise ValueError(f"validation: {rule.value}: '{name}' is no parameter; expected one of {', '.join(known)}")
        try:
            found[name] = _parameter(known[name], value)
        except ValueError as error:
            raise ValueError(f"validation: {rule.value}: {name}: {error}") from None
    try:
        return type(DEFAULTS.terms(rule))(**found)  # type: ignore[arg-type]
    except ValueError as error:
        raise ValueError(f"validation: {rule.value}: {error}") from None


def _parameter(kind: object, value: object) -> object:
    """A value of YAML as what a parameter is. ValueError with what was expected."""
    if kind is bool:
        if isinstance(value, bool):
            return value
        raise ValueError(f"'{value}' is neither true nor false")
    if kind is Severity:
        try:
            return Severity(value)
        except ValueError:
            names = ", ".join(one.value for one in Severity)
            raise ValueError(f"'{value}' is no severity; expected one of {names}") from None
    if kind is int:
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST:
            return value
        raise ValueError(f"'{value}' is no whole number from 0 to {_MOST}")
    if kind is Decimal:
        return _number(value)
    if isinstance(value, list | tuple) and value:
        return tuple(_parameter(int, one) for one in value)
    raise ValueError(f"'{value}' is no list of whole numbers")


def _number(value: object) -> Decimal:
    if isinstance(value, int | str | Decimal) and not isinstance(value, bool):
        try:
            found = Decimal(value)
        except InvalidOperation:
            found = Decimal("NaN")
        if found.is_finite() and 0 <= found <= _MOST:
            return found
    raise ValueError(f"'{value}' is no number from 0 to {_MOST}; write numbers with a decimal point in quotes")
