"""Load profiles that nobody recorded: every value is a function of its instant, so that a test can compute it itself.

Rules: the value of channel c (from 1) in the interval that ends at Unix minute m is

    (m * 7919 + c * 104729 + seed * 1299709) mod 100000      thousandths, written NN.NNN

whatever else happens; days are days of legal time (Europe/Prague), so that they have 92, 96 or 100 quarters; a new
header comes when the status changes and after a gap, as VDEW 2.1.2 wants it. Status words have four hexadecimal digits.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum

from simulators.profile import LEGAL, Clock, Stretch, instant

CHANNELS = (
    ("1.29.0", "kWh"),
    ("2.29.0", "kWh"),
    ("5.29.0", "kvarh"),
    ("6.29.0", "kvarh"),
    ("7.29.0", "kvarh"),
    ("8.29.0", "kvarh"),
    ("3.29.0", "kvarh"),
    ("4.29.0", "kvarh"),
)
# VDEW 2.1.2: bits of the status word.
POWER_DOWN, CLOCK_SET, SEASON_CHANGE = 0x80, 0x20, 0x08
LONGEST = timedelta(days=4000)

_CLOCK = Clock(LEGAL, season=True, seconds=True)
_PLAN = re.compile(
    r"(?P<code>[^():=@]+):(?P<period>\d{1,4}):(?P<channels>\d):(?P<first>\d{4}-\d\d-\d\d):(?P<last>\d{4}-\d\d-\d\d)"
)


class Incident(StrEnum):
    """What happens to a generated profile, spelled as on the command line."""

    POWER_FAILURE = "power-failure"  # a header with status 0080 for this interval
    CLOCK_SET = "clock-set"  # two rows in this interval, status 0020: the first ends at half its time
    MISSING = "missing"  # no row, and a new header after the gap


@dataclass(frozen=True, slots=True)
class Happening:
    """An incident in all intervals that end in [first, last]."""

    incident: Incident
    first: datetime
    last: datetime


@dataclass(frozen=True, slots=True)
class Plan:
    """What to generate: intervals of `period` minutes from the beginning of the first day to the end of the last."""

    code: str
    period: int
    channels: int
    first: date
    last: date


def parse_plan(text: str) -> Plan:
    """`CODE:MINUTES:CHANNELS:FIRST-DAY:LAST-DAY`; ValueError says what is wrong with it."""
    match = _PLAN.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not CODE:MINUTES:CHANNELS:FIRST-DAY:LAST-DAY")
    first, last = date.fromisoformat(match["first"]), date.fromisoformat(match["last"])
    plan = Plan(match["code"], int(match["period"]), int(match["channels"]), first, last)
    if plan.period != 1440 and (plan.period < 1 or 60 % plan.period):
        raise ValueError(f"{plan.period} minutes are neither a day nor a part of an hour")
    if not 1 <= plan.channels <= len(CHANNELS):
        raise ValueError(f"{plan.channels} is not between 1 and {len(CHANNELS)} channels")
    if not first <= last <= first + LONGEST:
        raise ValueError(f"{first} to {last} is not a range of at most {LONGEST.days} days")
    return plan


def parse_happening(text: str) -> Happening:
    """`INCIDENT=zYYMMDDhhmm` or `INCIDENT=zYYMMDDhhmm;zYYMMDDhhmm`; ValueError says what is wrong with it."""
    name, _, when = text.partition("=")
    try:
        incident = Incident(name)
    except ValueError:
        raise ValueError(f"{name!r} is none of {', '.join(Incident)}") from None
    first, _, last = when.partition(";")
    return Happening(incident, instant(first)[0], instant(last or first, latest=bool(last))[0])


def value(at: datetime, channel: int, seed: int) -> int:
    """Thousandths of the unit in the interval of `channel` (from 1) that ends at `at`."""
    minute = int(at.timestamp()) // 60
    return (minute * 7919 + channel * 104729 + seed * 1299709) % 100_000


def generate(plan: Plan, happenings: tuple[Happening, ...], seed: int) -> Iterator[Stretch]:
    """The profile, stretch by stretch: a header holds as long as status and rhythm do."""
    period = timedelta(minutes=plan.period)
    end, until = _midnight(plan.first), _midnight(plan.last + timedelta(days=1))
    first, status, rows = end, -1, list[bytes]()
    while (end := _next_end(end, plan.period)) <= until:
        incidents = {happening.incident for happening in happenings if happening.first <= end <= happening.last}
        if Incident.MISSING in incidents:
            if rows:
                yield _stretch(plan, first, status, rows)
            rows = []
            continue
        now = _status(incidents, end, period)
        values = [value(end, channel, seed) for channel in range(1, plan.channels + 1)]
        parts = [(end, values)]
        if Incident.CLOCK_SET in incidents:
            early = [amount // 2 for amount in values]
            late = [amount - part for amount, part in zip(values, early, strict=True)]
            parts = [(end - period / 2, early), (end, late)]
        for stamp, amounts in parts:
            # A day of summer time's beginning is 23 hours long, so a daily profile loses its rhythm there.
            if rows and (now != status or stamp != first + len(rows) * period):
                yield _stretch(plan, first, status, rows)
                rows = []
            if not rows:
                first, status = stamp, now
            rows.append(b"".join(f"({amount // 1000:02d}.{amount % 1000:03d})".encode() for amount in amounts))
    if rows:
        yield _stretch(plan, first, status, rows)


def _status(incidents: set[Incident], end: datetime, period: timedelta) -> int:
    begins, ends = ((end - period).astimezone(LEGAL), end.astimezone(LEGAL))
    # The interval in which summer time begins or ends is the first one after the change.
    changed = begins.utcoffset() != (begins.astimezone(UTC) - timedelta(microseconds=1)).astimezone(LEGAL).utcoffset()
    inside = period > timedelta(hours=1) and begins.utcoffset() != ends.utcoffset()
    status = SEASON_CHANGE if changed or inside else 0
    status |= POWER_DOWN if Incident.POWER_FAILURE in incidents else 0
    return status | (CLOCK_SET if Incident.CLOCK_SET in incidents else 0)


def _stretch(plan: Plan, first: datetime, status: int, rows: list[bytes]) -> Stretch:
    columns = "".join(f"({code})({unit})" for code, unit in CHANNELS[: plan.channels])
    rest = f"({status:04X})({plan.period})({plan.channels}){columns}".encode()
    return Stretch(plan.code.encode(), first, _CLOCK, rest, timedelta(minutes=plan.period), tuple(rows))


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), LEGAL).astimezone(UTC)


def _next_end(end: datetime, period: int) -> datetime:
    if period < 1440:
        return end + timedelta(minutes=period)
    return _midnight(end.astimezone(LEGAL).date() + timedelta(days=1))
