"""The rules of validation in the configuration of a metering point: what differs from the defaults of each.

Rules: names are those of gatewayd.metering.rules, which has the defaults; a test compares both. What a parameter means
stands here alone: docs/metering/validation.md has it from here. Only what is written is handed on.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from gatewayd.metering.rules import Rules, rules_of
from gatewayd.options import Options

Count = Annotated[int, Field(ge=0, le=1_000_000)]
Weeks = Annotated[int, Field(ge=1, le=52)]
Amount = Annotated[Decimal, Field(ge=0, le=1_000_000)]


class RuleEntry(Options):
    """What every rule has."""

    enabled: bool | None = None
    """Whether it is looked at; true when absent."""
    severity: Literal["warning", "error", "critical"] | None = None
    """warning: the rule is named on the values; error: they are distorted; critical: the whole day is."""

    @property
    def said(self) -> Mapping[str, object]:
        """What is written, by name, in one order: a point has a digest of its definition."""
        return {name: value for name in type(self).model_fields if (value := getattr(self, name)) is not None}


class BackwardEntry(RuleEntry):
    """A register does not go back."""


class ZeroEntry(RuleEntry):
    """Nothing is metered for hours only where that is usual."""

    hours: Annotated[int, Field(ge=1, le=168)] | None = None
    """So many hours in a row at least."""
    weeks: Weeks | None = None
    """So many weeks back comparable days are looked for."""
    least_days: Weeks | None = None
    """So many comparable days there must be."""


class MaximumEntry(RuleEntry):
    """No interval has more energy than the connection can carry; needs rated."""

    times: Annotated[Decimal, Field(gt=0, le=1000)] | None = None
    """So many times the rated power is still possible, such as 1.2."""


class TariffSumEntry(RuleEntry):
    """The registers of the tariffs add up to the total."""

    digits: Amount | None = None
    """So many units of the last digit of each register are allowed."""
    apart_s: Count | None = None
    """States no more seconds apart were read together."""


class RegisterAdvanceEntry(RuleEntry):
    """The intervals add up to what the register went up by."""

    digits: Amount | None = None
    """So many units of the last digit of the register are allowed at each state."""
    clock_s: Count | None = None
    """By so many seconds the clock of the meter may be off."""


class ComparableEntry(RuleEntry):
    """A day is within the tolerance of the days of its class in the weeks before."""

    factor: Annotated[Decimal, Field(gt=1, le=1_000_000)] | None = None
    """So many times as much, or so small a part, is still usual."""
    weeks: Weeks | None = None
    """So many weeks back comparable days are looked for."""
    least_days: Weeks | None = None
    """So many comparable days there must be."""
    least: Amount | None = None
    """In kWh (m³ of gas): a day with less is not compared with another one that has less."""


class ControlEntry(RuleEntry):
    """Main and control metering differ by no more than twice the permissible error."""

    intervals: bool | None = None
    """Whether intervals are compared."""
    days: bool | None = None
    """Whether days are."""
    months: bool | None = None
    """Whether months are."""
    least: Amount | None = None
    """An energy of the main metering, in kWh; less of it is judged like so much."""


class QuadrantsEntry(RuleEntry):
    """A quantity is the sum of its parts: +R of QI and QII."""

    digits: Amount | None = None
    """So many units of the last digit of each register are allowed."""


class VerificationEntry(RuleEntry):
    """The verification of the meter and of the transformers is valid; needs verified_until."""

    ahead: tuple[Annotated[int, Field(ge=1, le=3660)], ...] | None = None
    """So many days ahead is warned, such as [180, 90, 30]."""


class ValidationEntry(Options):
    """What is different from the defaults of the validation rules."""

    backward: BackwardEntry | None = None
    """A register does not go back."""
    zero: ZeroEntry | None = None
    """Nothing is metered for hours only where that is usual."""
    above_maximum: MaximumEntry | None = None
    """No interval has more energy than the connection can carry."""
    tariff_sum: TariffSumEntry | None = None
    """The registers of the tariffs add up to the total."""
    register_advance: RegisterAdvanceEntry | None = None
    """The intervals add up to what the register went up by."""
    comparable: ComparableEntry | None = None
    """A day is within the tolerance of comparable days."""
    control: ControlEntry | None = None
    """Main and control metering agree."""
    quadrants: QuadrantsEntry | None = None
    """A quantity is the sum of its parts."""
    verification: VerificationEntry | None = None
    """The verification is valid."""

    @model_validator(mode="after")
    def _possible(self) -> Self:
        self.rules()
        return self

    @property
    def said(self) -> Mapping[str, Mapping[str, object]]:
        """What is written, by rule and name."""
        found = {name: getattr(self, name) for name in type(self).model_fields}
        return {name: entry.said for name, entry in found.items() if isinstance(entry, RuleEntry)}

    def rules(self) -> Rules:
        """The rules of the point. ValueError."""
        return rules_of(self.said)
