"""Substitute values of profiles (types A, B and AMM), by the legal-time day.

Rules: pure (PPDS annex 5, 2.14; requirements U1 to U10). Missing and distorted intervals get what drafts.py has for
them; nothing else is touched, a true value least of all. The values of a day follow from what there is, never from what
was made of it before. An interval that nobody has told missing is not substituted before the deadline: it may not have
been read yet. A substitute is provisional before the deadline, and while something may still come that would change it;
else it is settled. One of control metering is settled at once. Of the rules, two look at substitutes too: what is above
the maximum is not taken (drafts.py), and a day without a valid verification marks whatever there is of it. The interval
of an exchange is not replaced where each meter has told its part: together they are what was metered.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from functools import reduce
from itertools import takewhile
from operator import or_
from zoneinfo import ZoneInfo

import msgspec

from gatewayd.legal_time import PRAGUE, day_bounds, end_label, interval_ends, legal_day, start_label
from gatewayd.metering.basis import Basis
from gatewayd.metering.day_class import comparable_days, twin
from gatewayd.metering.drafts import Draft, Drafts
from gatewayd.metering.exact import FINEST, LARGEST
from gatewayd.metering.findings import Finding, Rule, Severity, apply
from gatewayd.metering.points import MeteringPoint, versions
from gatewayd.metering.replaced import said
from gatewayd.metering.sources import channels
from gatewayd.metering.substitution_terms import SubstitutionTerms
from gatewayd.metering.values import Method, Series, Value, missing
from gatewayd.model import NO_FLAGS, Archived, Flag, RawStatus
from gatewayd.obis import Obis
from gatewayd.status import TABLE

_EXCHANGED = Flag.CONFIG_CHANGED | Flag.PARTIAL_INTERVAL
_DOUBTS = reduce(or_, [rule.flag for rule in TABLE.values() if rule.status is RawStatus.DISTORTED]) & ~_EXCHANGED
"""What may be wrong with a value whatever becomes of its meter."""
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


def metered(
    point: MeteringPoint,
    series: Series,
    raw: Sequence[Archived],
    findings: Sequence[Finding] = (),
    zone: ZoneInfo = PRAGUE,
) -> frozenset[datetime]:
    """The ends of the intervals in which the meter changes and of which each of the meters has told its part (`raw`):
    nothing of them is missing, nor wrong in itself or by what rules found."""
    held = versions(point, zone)
    found: set[datetime] = set()
    for one in series.values:
        if one.amount is None or one.flags & _EXCHANGED != _EXCHANGED or one.flags & _DOUBTS:
            continue
        there = [each for each in held if each.touches(one.start, one.at)]
        meters = {each.meter for each in there}
        parts = len(meters) == len(there) > 1 and there[0].since <= one.start  # no ratio changes beside
        if parts and _told_by(meters, one, raw):
            true = replace(series, values=(msgspec.structs.replace(one, status=RawStatus.TRUE),))
            if apply(true, findings, zone).values[0].status is RawStatus.TRUE:
                found.add(one.at)
    return frozenset(found)


def _told_by(meters: Collection[str], value: Value, raw: Iterable[Archived]) -> bool:
    """Whether there is a number of each meter in a value, of each of the channels that it is made of."""
    told: defaultdict[Obis, set[str]] = defaultdict(set)
    for one in raw:
        code = one.reading.obis
        if one.seq in value.inputs and code is not None and one.reading.value is not None:
            told[next(iter(channels((code,))), code)].add(one.reading.meter)
    return bool(told) and all(found == meters for found in told.values())


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
        return self.now >= max(at, self._until(at)) if value is None else self.basis.replaceable(value)

    def value(self, at: datetime, draft: Draft | None) -> Value:
        """What there is of it now."""
        old, seconds = self.basis.own.get(at), int(self.basis.period.total_seconds())
        if draft is None:
            found = old or missing(at, seconds, "nothing was read, and there is nothing to make a substitute of")
            why = self._absurd(at)
            return msgspec.structs.replace(found, reason=f"{found.reason}; {why}".lstrip("; ")) if why else found
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

    def _absurd(self, at: datetime) -> str:
        """What there is of the neighbours and comparable days and cannot be computed with, in words."""
        basis, terms = self.basis, self.terms
        ends: list[datetime] = []
        for step in (-basis.period, basis.period):
            near = [at + n * step for n in range(1, terms.gap_of(basis.period) + 1)]
            ends += takewhile(lambda one: basis.true(one) is None, near)
        for day in comparable_days(legal_day(at, basis.zone), terms.weeks, basis.holiday):
            end = twin(at, basis.period, day, basis.zone)
            ends += [] if end is None else [end]
        found = at if basis.absurd_control(at) else next(filter(basis.absurd, ends), None)
        if found is None:
            return ""
        whose = "the control metering" if found == at else end_label(found, basis.zone)
        return (
            f"no substitute is made of the value of {whose}: it has more than {LARGEST} digits before the point, or "
            f"{FINEST} behind it"
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
