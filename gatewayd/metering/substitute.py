"""Substitute values of profiles (types A, B and AMM), by the legal-time day.

Rules: pure (PPDS annex 5, 2.14; requirements U1 to U10). Missing and distorted intervals get what drafts.py has for
them; nothing else is touched, a true value least of all. The values of a day follow from what there is, never from what
was made of it before. An interval that nobody has told missing is not substituted before the deadline: it may not have
been read yet. A substitute is provisional before the deadline, and while something may still come that would change it;
else it is settled. One of control metering is settled at once. Of the rules, two look at substitutes too: what is above
the maximum is not taken (drafts.py), and a day without a valid verification marks whatever there is of it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from gatewayd.legal_time import PRAGUE, day_bounds, interval_ends, legal_day, start_label
from gatewayd.metering.basis import Basis, replaceable
from gatewayd.metering.drafts import Draft, Drafts
from gatewayd.metering.findings import Finding, Rule, Severity, apply
from gatewayd.metering.replaced import said
from gatewayd.metering.substitution_terms import SubstitutionTerms
from gatewayd.metering.values import Method, Series, Value, missing
from gatewayd.model import NO_FLAGS, RawStatus
from gatewayd.obis import Obis

METHODS = (Method.CONTROL, Method.INTERPOLATED, Method.COMPARABLE, Method.ESTIMATE, Method.MANUAL)
"""What makes a value a substitute."""


@dataclass(frozen=True, slots=True)
class Substituted:
    """An event: a substitute value came into use (requirements U10)."""

    point: str
    obis: Obis
    at: datetime
    method: Method
    status: RawStatus


def used(before: Mapping[datetime, Value], after: Series) -> tuple[Substituted, ...]:
    """The substitutes that are new, or others than those before."""
    channel = after.channel
    return tuple(
        Substituted(channel.point, channel.obis, one.at, one.method, one.status)
        for one in after.values
        if one.method in METHODS and _said(before.get(one.at)) != _said(one)
    )


def _said(value: Value | None) -> tuple[Decimal | None, RawStatus, Method] | None:
    return None if value is None else (value.amount, value.status, value.method)


def substituted(
    basis: Basis, day: date, terms: SubstitutionTerms, now: datetime, *, waits: datetime | None = None
) -> Series:
    """All that there is of a legal-time day, with substitutes in place of what is missing or distorted.

    Of the day itself the series has what was measured, of other days it may have the substitutes as well. `waits`:
    until when something may still come of which nobody has told anything; None: nothing does. After the deadline each
    interval has a value, a missing one where nothing can be made for it."""
    begin, end = day_bounds(day, basis.zone)
    values = {one.at: one for one in basis.series.values if begin < one.at <= end}
    if terms.enabled:
        ends = interval_ends(day, basis.period, basis.zone)
        waiting = waits is not None and now < waits
        settling = _Settling(basis, terms, now, waits if waiting else None, all(map(basis.told, ends)))
        drafts = Drafts(basis, terms, settling.wanted)
        for at in ends:
            if settling.wanted(at):
                values[at] = settling.value(at, drafts.of(at))
    return replace(basis.series, values=tuple(values[at] for at in sorted(values)))


def marked(series: Series, findings: Iterable[Finding], zone: ZoneInfo = PRAGUE) -> Series:
    """The series with what was found on the time itself, whatever there is of it, told on its substitutes too: that the
    verification is not valid. Their status stays: nothing better is made in place of a substitute."""
    found = [replace(one, severity=Severity.WARNING) for one in findings if one.rule is Rule.VERIFICATION]
    return apply(series, found, zone) if found else series


@dataclass(frozen=True, slots=True)
class _Settling:
    """What is to be substituted now, and how far that is settled. `waits`: until when what was not told may come, None
    when it is over; `told`: whether all intervals of the day are."""

    basis: Basis
    terms: SubstitutionTerms
    now: datetime
    waits: datetime | None
    told: bool

    def wanted(self, at: datetime) -> bool:
        """Whether the interval that ends then gets a substitute."""
        value = self.basis.own.get(at)
        return self.now >= max(at, self._until(at)) if value is None else replaceable(value)

    def value(self, at: datetime, draft: Draft | None) -> Value:
        """What there is of it now."""
        old, seconds = self.basis.own.get(at), int(self.basis.period.total_seconds())
        if draft is None:
            return old or missing(at, seconds, "nothing was read, and there is nothing to make a substitute of")
        status, until = self._status(at, draft)
        return Value(
            at,
            seconds,
            draft.amount,
            status,
            NO_FLAGS if old is None else old.flags,
            tuple(sorted(draft.inputs)),
            draft.method,
            reason=f"{draft.reason}{until}; instead of {said(old)}",
        )

    def _until(self, at: datetime) -> datetime:
        return self.terms.until(legal_day(at, self.basis.zone), self.basis.zone)

    def _status(self, at: datetime, draft: Draft) -> tuple[RawStatus, str]:
        """The status, and the words for what is not settled."""
        if draft.method is Method.CONTROL:
            return RawStatus.SUBSTITUTE, ""
        if self.now < (until := self._until(at)):
            return RawStatus.PROVISIONAL, f"; provisional until {start_label(until, self.basis.zone)}"
        if self.waits is not None and (not self.told or self._open(at)):
            return RawStatus.PROVISIONAL, (
                f"; provisional, a reading may still come until {start_label(self.waits, self.basis.zone)}"
            )
        if draft.method is Method.COMPARABLE and draft.days < self.terms.least_days:
            return RawStatus.PROVISIONAL, f"; provisional, of fewer than {self.terms.least_days} days"
        return RawStatus.SUBSTITUTE, ""

    def _open(self, at: datetime) -> bool:
        """Whether the gap around an interval reaches something that was not told, so that it may turn out shorter."""
        basis, longest = self.basis, self.terms.gap_of(self.basis.period)
        for step in (-basis.period, basis.period):
            near, count = at + step, 1
            while count <= longest and basis.true(near) is None:
                if not basis.told(near):
                    return True
                near, count = near + step, count + 1
        return False
