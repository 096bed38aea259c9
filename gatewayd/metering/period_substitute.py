"""Substitute values of billing periods (type C): what a comparable period had, by days, else what somebody estimates.

    same period of the year before -> period before -> metering that came later -> estimate

    period_substituted(value, known, ...)   what takes the place of one period
    shared_out(months, advance, ...)        the same of months of which it is known what they have together

Rules: pure, exact (PPDS annex 5, 2.14; requirements U2 to U4). Only missing and distorted periods are replaced, only
true ones are a basis. A period before or later counts when it is as long as this one, or `comparison_days` long, if
need be together with those next to it; days are those of the wall clock: no change of the clock counts. An estimate is
provisional until there is enough new metering to take its place. Of several estimates the last one counts.

What the register went up over several months is shared out (requirements U6) in proportion to what the year before, or
the period before, says of each, else to their days: as if the register had been read between them, to its own digits,
so that the last one takes the rest and all together are the advance exactly. Estimates that count stay as they are; the
other months share what these leave.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import accumulate, pairwise
from zoneinfo import ZoneInfo

import msgspec

from gatewayd.legal_time import PRAGUE, end_label, legal_day, start_label
from gatewayd.metering.exact import finest, rounded, sane
from gatewayd.metering.replaced import said
from gatewayd.metering.substitution_terms import SubstitutionTerms
from gatewayd.metering.values import Method, Value, merged_inputs
from gatewayd.model import Flag, RawStatus

_DAY = timedelta(days=1)
_REPLACED = (RawStatus.DISTORTED, RawStatus.MISSING)
_PART = "part of what the register went up"
"""How the reason of a month begins that has its part of an advance."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What somebody thinks that a period had, from knowledge of the equipment (U3). `at` is the end of the period."""

    at: datetime
    amount: Decimal
    author: str
    entered_at: datetime
    reason: str
    inputs: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Month:
    """One of the months that an advance is shared out to. `old`: what its own states make of it; `made`: what
    period_substituted makes of that; `closed`: no reading of it may come any more."""

    old: Value
    made: Value
    closed: bool = True


@dataclass(frozen=True, slots=True)
class _Basis:
    """What a period is compared with, in words, and what that makes of it by days."""

    said: str
    found: Sequence[Value]
    amount: Fraction


def period_substituted(
    value: Value,
    known: Iterable[Value],
    terms: SubstitutionTerms,
    now: datetime,
    *,
    estimates: Iterable[Estimate] = (),
    closed: bool = True,
    zone: ZoneInfo = PRAGUE,
) -> Value:
    """The value of a period, or what takes its place. `known`: the other periods of the channel, in any order."""
    if not terms.enabled or value.status not in _REPLACED or now < value.at:
        return value
    true = sorted((one for one in known if _true(one)), key=lambda one: (one.at, one.seconds))
    basis = _earlier(value, true, terms, zone) or _later(value, true, terms, zone)
    if basis is not None:
        amount = rounded(basis.amount, finest(one.amount for one in basis.found if one.amount is not None))
        status, word = _settled(value, terms, now, closed=closed, zone=zone)
        inputs = merged_inputs(basis.found)
        return _instead(value, amount, status, value.flags, Method.COMPARABLE, inputs, f"{basis.said}{word}")
    entered = [one for one in estimates if one.at == value.at and sane(one.amount)]
    return _estimated(value, max(entered, key=lambda one: (one.entered_at, one.inputs)), zone) if entered else value


def shared_out(
    months: Sequence[Month],
    advance: Value,
    known: Iterable[Value],
    terms: SubstitutionTerms,
    now: datetime,
    *,
    zone: ZoneInfo = PRAGUE,
) -> list[Value]:
    """What each of these months gets, which have the `advance` together, in their order; `known` as above. Where
    estimates have more than that, or all months are estimated, each has what was made of it, and the reasons say so."""
    made = [one.made for one in months]
    if not terms.enabled or advance.amount is None or not sane(advance.amount) or now < advance.at:
        return made
    estimated = [one.amount for one in made if one.method is Method.ESTIMATE and one.amount is not None]
    waiting = [one for one in months if one.made.method is not Method.ESTIMATE]
    theirs = sum(map(Fraction, estimated), Fraction(0))
    left = Fraction(advance.amount) - theirs
    span = f"from {start_label(advance.start, zone)} to {end_label(advance.at, zone)}, {advance.amount:f}"
    taken = f"{rounded(theirs, finest(estimated)):f}"
    if left < 0 or not waiting:
        why = f"; what the register went up {span}, is not met: estimates say {taken}" if left else ""
        return [msgspec.structs.replace(one, reason=f"{one.reason}{why}") for one in made]
    true = sorted((one for one in known if _true(one)), key=lambda one: (one.at, one.seconds))
    bases = [basis for one in waiting if (basis := _earlier(one.old, true, terms, zone)) is not None]
    weights = [one.amount for one in bases]
    if len(bases) < len(waiting) or not any(weights):
        bases, weights = [], [_days(one.old, zone) for one in waiting]
    inputs = merged_inputs([advance, *(value for basis in bases for value in basis.found)])
    less = f", less estimates of {taken}" if estimated else ""
    parts = _parts(left, weights, finest([advance.amount]), finest([advance.amount, *estimated]))
    found = {one.at: one for one in made}
    for place, (month, amount) in enumerate(zip(waiting, parts, strict=True)):
        old = month.old
        how = bases[place].said if bases else f"its days, {_text(weights[place])} of {_text(sum(weights, Fraction(0)))}"
        method = Method.COMPARABLE if bases else Method.INTERPOLATED
        status, word = _settled(old, terms, now, closed=month.closed, zone=zone)
        reason = f"{_PART} {span} ({advance.reason}){less}, in proportion to {how}{word}"
        found[old.at] = _instead(old, amount, status, old.flags | advance.flags, method, inputs, reason)
    return list(found.values())


def is_part(value: Value) -> bool:
    """Whether shared_out has made it."""
    return value.method in (Method.COMPARABLE, Method.INTERPOLATED) and value.reason.startswith(_PART)


def _parts(left: Fraction, weights: Sequence[Fraction], places: int, of_last: int) -> list[Decimal]:
    """So much divided by weights, to so many places; `of_last`: those of the last one, which takes the rest."""
    whole, unit = sum(weights, Fraction(0)), 10 ** max(places, 0)
    marks = [min(Fraction(round(left * some * unit / whole), unit), left) for some in accumulate(weights)]
    parts = [after - before for before, after in pairwise([Fraction(0), *marks[:-1], left])]
    return [rounded(one, places) for one in parts[:-1]] + [rounded(one, of_last) for one in parts[-1:]]


def _true(value: Value) -> bool:
    return value.status is RawStatus.TRUE and value.seconds > 0 and sane(value.amount)


def _former_year(value: Value, true: Iterable[Value], zone: ZoneInfo) -> list[Value]:
    wanted = (_year_before(value.start, zone), _year_before(value.at, zone))
    return [one for one in true if (_wall(one.start, zone), _wall(one.at, zone)) == wanted][:1]


def _run(found: list[Value], need: Fraction, zone: ZoneInfo) -> list[Value]:
    """The nearest of these, with so many of those next to it that they are long enough; none where they are not."""
    taken: list[Value] = []
    for one in found:
        if taken and taken[-1].start != one.at and taken[-1].at != one.start:
            break
        taken.append(one)
        if sum(_days(part, zone) for part in taken) >= need:
            return taken
    return []


def _earlier(value: Value, true: Sequence[Value], terms: SubstitutionTerms, zone: ZoneInfo) -> _Basis | None:
    """The same period of the year before, else the period before."""
    if terms.former_year and (found := _former_year(value, true, zone)):
        return _basis("the same period of the year before", value, found, zone)
    found = _run([one for one in reversed(true) if one.at <= value.start], _need(value, terms, zone), zone)
    return _basis("the period before", value, found, zone) if found else None


def _later(value: Value, true: Sequence[Value], terms: SubstitutionTerms, zone: ZoneInfo) -> _Basis | None:
    found = _run([one for one in true if one.start >= value.at], _need(value, terms, zone), zone)
    return _basis("metering that came later", value, found, zone) if found else None


def _need(value: Value, terms: SubstitutionTerms, zone: ZoneInfo) -> Fraction:
    return min(Fraction(terms.comparison_days), _days(value, zone))


def _basis(name: str, value: Value, found: Sequence[Value], zone: ZoneInfo) -> _Basis:
    theirs, mine = sum((_days(one, zone) for one in found), Fraction(0)), _days(value, zone)
    first, last = min(one.start for one in found), max(one.at for one in found)
    span = f"{start_label(first, zone)} to {end_label(last, zone)}"
    amount = sum((Fraction(one.amount) for one in found if one.amount is not None), Fraction(0)) * mine / theirs
    return _Basis(f"{name}, {span}, by days: {_text(mine)} of {_text(theirs)}", found, amount)


def _settled(
    value: Value, terms: SubstitutionTerms, now: datetime, *, closed: bool, zone: ZoneInfo
) -> tuple[RawStatus, str]:
    """The status of what is made for a period now, and what is to be said of it."""
    until = terms.until(legal_day(value.at, zone), zone)
    if now < until:
        return RawStatus.PROVISIONAL, f"; provisional until {start_label(until, zone)}"
    if not closed:
        return RawStatus.PROVISIONAL, "; provisional while a reading may still come"
    return RawStatus.SUBSTITUTE, ""


def _estimated(value: Value, estimate: Estimate, zone: ZoneInfo) -> Value:
    reason = (
        f"estimate of {estimate.author}, {start_label(estimate.entered_at, zone)}: {estimate.reason}; "
        "provisional until there is new metering to compare with"
    )
    flags = value.flags | Flag.MANUAL
    return _instead(value, estimate.amount, RawStatus.PROVISIONAL, flags, Method.ESTIMATE, estimate.inputs, reason)


def _instead(
    old: Value, amount: Decimal, status: RawStatus, flags: Flag, method: Method, inputs: tuple[int, ...], reason: str
) -> Value:
    return Value(old.at, old.seconds, amount, status, flags, inputs, method, reason=f"{reason}; instead of {said(old)}")


def _wall(at: datetime, zone: ZoneInfo) -> datetime:
    return at.astimezone(zone).replace(tzinfo=None)


def _year_before(at: datetime, zone: ZoneInfo) -> datetime:
    """What the wall clock shows a year before; the last of February for its 29th."""
    local = _wall(at, zone)
    leap = (local.month, local.day) == (2, 29)
    return local.replace(year=local.year - 1, day=28 if leap else local.day)


def _days(value: Value, zone: ZoneInfo) -> Fraction:
    length = _wall(value.at, zone) - _wall(value.start, zone)
    return Fraction(length // timedelta(microseconds=1), _DAY // timedelta(microseconds=1))


def _text(days: Fraction) -> str:
    """Whole days as such, others to two places: for people only."""
    return str(days) if days.denominator == 1 else str(rounded(days, 0).quantize(Decimal("0.01")))
