"""Substitute values of billing periods (type C): what a comparable period had, by days, else what somebody estimates.

    same period of the year before -> period before -> metering that came later -> estimate

Rules: pure, exact (PPDS annex 5, 2.14; requirements U2 to U4). Only missing and distorted periods are replaced, only
true ones are a basis. A period before or later counts when it is as long as this one, or `comparison_days` long, if
need be together with those next to it; days are those of the wall clock: no change of the clock counts. An estimate is
provisional until there is enough new metering to take its place. Of several estimates the last one counts.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from zoneinfo import ZoneInfo

from gatewayd.legal_time import PRAGUE, end_label, legal_day, start_label
from gatewayd.metering.exact import finest, rounded, sane
from gatewayd.metering.replaced import said
from gatewayd.metering.substitution_terms import SubstitutionTerms
from gatewayd.metering.values import Method, Value, merged_inputs
from gatewayd.model import Flag, RawStatus

_DAY = timedelta(days=1)
_REPLACED = (RawStatus.DISTORTED, RawStatus.MISSING)


@dataclass(frozen=True, slots=True)
class Estimate:
    """What somebody thinks that a period had, from knowledge of the equipment (U3). `at` is the end of the period."""

    at: datetime
    amount: Decimal
    author: str
    entered_at: datetime
    reason: str
    inputs: tuple[int, ...] = ()


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
    need = min(Fraction(terms.comparison_days), _days(value, zone))
    choices: list[tuple[str, Sequence[Value]]] = [
        ("the period before", _run([one for one in reversed(true) if one.at <= value.start], need, zone)),
        ("metering that came later", _run([one for one in true if one.start >= value.at], need, zone)),
    ]
    if terms.former_year:
        choices.insert(0, ("the same period of the year before", _former_year(value, true, zone)))
    for name, found in choices:
        if found:
            return _by_days(value, name, found, terms, now, closed=closed, zone=zone)
    entered = [one for one in estimates if one.at == value.at and sane(one.amount)]
    return _estimated(value, max(entered, key=lambda one: (one.entered_at, one.inputs)), zone) if entered else value


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


def _by_days(
    value: Value,
    name: str,
    found: Sequence[Value],
    terms: SubstitutionTerms,
    now: datetime,
    *,
    closed: bool,
    zone: ZoneInfo,
) -> Value:
    amounts = [one.amount for one in found if one.amount is not None]
    theirs, mine = sum((_days(one, zone) for one in found), Fraction(0)), _days(value, zone)
    until = terms.until(legal_day(value.at, zone), zone)
    status, word = RawStatus.SUBSTITUTE, ""
    if now < until:
        status, word = RawStatus.PROVISIONAL, f"; provisional until {start_label(until, zone)}"
    elif not closed:
        status, word = RawStatus.PROVISIONAL, "; provisional while a reading may still come"
    first, last = min(one.start for one in found), max(one.at for one in found)
    span = f"{start_label(first, zone)} to {end_label(last, zone)}"
    reason = f"{name}, {span}, by days: {_text(mine)} of {_text(theirs)}{word}"
    amount = rounded(sum(map(Fraction, amounts)) * mine / theirs, finest(amounts))
    return _instead(value, amount, status, Method.COMPARABLE, merged_inputs(found), reason)


def _estimated(value: Value, estimate: Estimate, zone: ZoneInfo) -> Value:
    reason = (
        f"estimate of {estimate.author}, {start_label(estimate.entered_at, zone)}: {estimate.reason}; "
        "provisional until there is new metering to compare with"
    )
    return _instead(value, estimate.amount, RawStatus.PROVISIONAL, Method.ESTIMATE, estimate.inputs, reason)


def _instead(
    old: Value, amount: Decimal, status: RawStatus, method: Method, inputs: tuple[int, ...], reason: str
) -> Value:
    flags = old.flags | Flag.MANUAL if method is Method.ESTIMATE else old.flags
    why = f"{reason}; instead of {said(old)}"
    return Value(old.at, old.seconds, amount, status, flags, inputs, method, reason=why)


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
