"""Substitute values by hand in the derived layer: how an entry is written down, and what it does to the sum of a day.

    document(entry, unit)       bytes of an exchange of the derived archive; entry_of(received, at, seq) is the way back
    submissions(entries)        all values with their states
    with_entered(series, known) the sums of days with what was entered in place of what is not true
    estimates_of(known, ...)    what somebody has estimated for a month

Rules: pure. What is entered is a sum of a whole day (of the legal-time day, of gas of the gas day) or, of points
without a load profile, the estimate of a month. It has no sequence number of the raw archive, so it is no input; its
number stands in the reason. Retention drops the oldest entries: a step of which the beginning is gone is passed over,
and what an entry has become stays when the entry is gone (entered_before.py).
"""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from zoneinfo import ZoneInfo

import msgspec

from gatewayd.legal_time import GAS_DAY_START, PRAGUE, day_bounds, legal_day
from gatewayd.metering import manual_history
from gatewayd.metering.aggregate import month_bounds
from gatewayd.metering.era import day_of_era
from gatewayd.metering.manual_history import Entry, State, Subject, Submission, folded, valid
from gatewayd.metering.period_substitute import Estimate
from gatewayd.metering.values import Layer, Method, Series
from gatewayd.obis import Obis

SCHEMA = "gatewayd.substitute/1"
REQUEST = "substitute"
GAS = 7
"""Group A."""
_DAY, _MONTH = "day", "month"
_AMOUNT = re.compile(r"[0-9]{1,12}(\.[0-9]{1,6})?", re.ASCII)
_MOST = 1_000_000_000
"""The highest number of a value."""
Known = Mapping[int, Submission]


class _Document(msgspec.Struct, frozen=True):
    """What is written down of one entry."""

    schema: str
    number: int
    point: str
    obis: str
    day: date
    state: str
    author: str
    amount: str = ""
    unit: str = ""
    note: str = ""
    user: str = ""
    period: str = _DAY
    """Of an estimate `month`: `day` is its first one."""


def document(entry: Entry, unit: str = "", user: str = "") -> bytes:
    """Canonical JSON. `user`: who was at the keyboard."""
    found = _Document(
        SCHEMA,
        entry.number,
        entry.subject.point,
        str(entry.subject.obis),
        entry.subject.day,
        entry.state.value,
        entry.author,
        "" if entry.amount is None else format(entry.amount, "f"),
        unit,
        entry.note,
        user,
        _MONTH if entry.subject.month else _DAY,
    )
    return msgspec.json.encode(found, order="deterministic")


def entry_of(received: bytes, at: datetime) -> tuple[Entry, str]:
    """An entry, and the unit of its amount. ValueError for bytes that are none, or whose number, day or amount is none
    of a value by hand."""
    try:
        found = msgspec.json.decode(received, type=_Document)
    except msgspec.MsgspecError as error:
        raise ValueError(f"that is no entry of a substitute value: {error}") from error
    if found.schema != SCHEMA:
        raise ValueError(f"'{found.schema}' is not {SCHEMA}")
    if not 1 <= found.number <= _MOST:
        raise ValueError(f"{found.number} is no number of a substitute value; expected 1 to {_MOST}")
    if found.amount and not _AMOUNT.fullmatch(found.amount):
        raise ValueError(f"'{found.amount[:40]}' is no amount of a substitute value; expected digits, such as 12.5")
    subject = Subject(found.point, Obis.parse(found.obis), day_of_era(found.day), found.period == _MONTH)
    amount = Decimal(found.amount) if found.amount else None
    return Entry(found.number, subject, State(found.state), found.author, at, amount, found.note), found.unit


def submissions(entries: Iterable[Entry], refuse: Callable[[str], None] | None = None) -> dict[int, Submission]:
    """All values by their numbers, as far as their beginning is there. `refuse`: see manual_history.folded."""
    begun: set[int] = set()
    kept: list[Entry] = []
    for one in entries:
        if one.state is State.ENTERED:
            begun.add(one.number)
        if one.number in begun:
            kept.append(one)
    return folded(kept, refuse)


def day_layer(code: Obis) -> Layer:
    """The layer of the sums that are entered."""
    return Layer.GAS_DAY if code.a == GAS else Layer.DAY


def day_start(code: Obis) -> time:
    """When the day of an energy begins, legal time."""
    return GAS_DAY_START if code.a == GAS else time(0)


def span_of(subject: Subject, zone: ZoneInfo = PRAGUE) -> tuple[datetime, datetime]:
    """Beginning and end of the day, or the month, that a value is for."""
    if subject.month:
        return month_bounds(subject.day, zone)
    return day_bounds(subject.day, zone, day_start(subject.obis))


def counts(known: Known, point: str, code: Obis, end: datetime, zone: ZoneInfo = PRAGUE) -> Submission | None:
    """What was entered and counts for the day that ends then."""
    return valid(known, Subject(point, code, legal_day(end, zone, day_start(code)))) if known else None


def concerned(known: Known, point: str, code: Obis, end: datetime, zone: ZoneInfo = PRAGUE) -> bool:
    """Whether anything was ever entered for the day that ends then: its sum is written at once, also when what was
    entered is taken back."""
    subject = Subject(point, code, legal_day(end, zone, day_start(code)))
    return any(one.subject == subject for one in known.values())


def with_entered(series: Series, known: Known, zone: ZoneInfo = PRAGUE) -> Series:
    """The sums of days, those that are not true replaced by what was entered and counts; itself where nothing was."""
    channel = series.channel
    if not known or series.layer is not day_layer(channel.obis):
        return series
    mine = {number: one for number, one in known.items() if _is_of(one.subject, channel.point, channel.obis)}
    if not mine:
        return series
    values = tuple(
        manual_history.with_entered(one, counts(mine, channel.point, channel.obis, one.at, zone))
        for one in series.values
    )
    return Series(channel, series.layer, values)


def author_of(series: Series, known: Known, zone: ZoneInfo = PRAGUE) -> str:
    """Who has entered the first of its values that was; "" where none was."""
    channel = series.channel
    for one in series.values:
        if one.method is Method.MANUAL:
            found = counts(known, channel.point, channel.obis, one.at, zone)
            if found is not None:
                return found.history[0].author
    return ""


def estimates_of(known: Known, point: str, code: Obis, end: datetime, zone: ZoneInfo = PRAGUE) -> tuple[Estimate, ...]:
    """What somebody has estimated for the month that ends then, and counts: one at most."""
    first = legal_day(end, zone).replace(day=1)
    found = valid(known, Subject(point, code, first, month=True)) if known else None
    if found is None:
        return ()
    by = found.history[0]
    return (Estimate(end, found.amount, by.author, by.at, f"number {found.number}: {by.note}"),)


def _is_of(subject: Subject, point: str, code: Obis) -> bool:
    return subject.point == point and subject.obis == code and not subject.month
