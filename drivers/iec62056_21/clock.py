"""The meter's clock: what it showed, and how far that is from the gateway's time.

Rules: pure. A deviation is meter minus gateway, in tenths of a second, against the moment at which the meter formed its
answer. Nobody sees that moment: it lies between our last message and the arrival of the line that has the time, and the
middle of the two is taken. At 9600 Bd half of that is some tenths of a second, at 300 Bd two to three; where it is more
than LIMIT there is no deviation. Nor is there one where the clock shows no seconds, and around midnight, where time and
date come one after the other and may be of two days.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from zoneinfo import ZoneInfo

from drivers.iec62056_21.conversation import Span
from drivers.iec62056_21.vendors import Vendor
from drivers.iec62056_21.wire.clock import ClockKind, MeterClock
from drivers.iec62056_21.wire.dates import Stamp, parse_stamp
from gatewayd.model import Kind, RawStatus, Reading
from gatewayd.obis import Obis
from gatewayd.status import Fault, judge

CLOCK = Obis(0, 0, 1, 0, 0)
"""Time and date in one (IEC 62056-6-1)."""
LIMIT = timedelta(seconds=9)
"""A deviation that is not known to 1 % of a quarter-hour is none."""
_AROUND_MIDNIGHT = timedelta(seconds=2)
_DAY = timedelta(days=1)
_TIME = re.compile(r"([012])?(?:(\d{2}):(\d{2}):(\d{2})|(\d{6}))", re.ASCII)
_DATE = re.compile(r"([012])?(?:(?:20)?(\d{2})-(\d{2})-(\d{2})|(\d{6}))", re.ASCII)
_SECONDS = re.compile(r".*(?:\d{2}:\d{2}:\d{2}|\d{12,})[SW]?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Moment:
    """Between these two instants the meter has looked at its clock."""

    earliest: datetime
    latest: datetime

    @property
    def middle(self) -> datetime:
        return self.earliest + (self.latest - self.earliest) / 2

    @property
    def uncertainty(self) -> timedelta:
        """How far the middle may be from when it did."""
        return (self.latest - self.earliest) / 2


@dataclass(frozen=True, slots=True)
class Heard:
    """An answer in time: it was there at `at`, `span` says how it came, `data` are its bytes."""

    at: datetime
    span: Span
    data: bytes

    def moment_of(self, raw: bytes) -> Moment:
        """When the meter formed the piece `raw` of the answer."""
        span = self.span
        place = self.data.find(raw)
        share = (place + len(raw)) / len(self.data) if place >= 0 and self.data else 1.0
        came = span.began + (span.ended - span.began) * share
        return Moment(self._at(span.asked if span.asked is not None else span.began), self._at(came))

    def _at(self, moment: float) -> datetime:
        return self.at - timedelta(seconds=max(self.span.ended - moment, 0.0))


def clock_reading(found: Sequence[tuple[Reading, Heard]], vendor: Vendor, zone: ZoneInfo) -> Reading | None:
    """The clock as a reading like that of a COSEM clock: its text, and behind it the deviation where there is one. None
    where the meter has not shown a time of day with its date. `found`: readings that were sound, and how they came."""
    whole = next(((one, heard) for one, heard in found if one.obis == CLOCK and one.kind is Kind.REGISTER), None)
    if whole is not None:
        one, heard = whole
        return _shown((one,), one.raw_text, one.raw_text.strip(), heard.moment_of(one.raw), vendor, zone)
    times, dates = ([pair for pair in found if pair[0].obis == name] for name in codes_of(vendor))
    if not times or not dates:
        return None
    (time, time_heard), (date, date_heard) = times[0], dates[0]
    written = _composed(date.raw_text, time.raw_text)
    if written is None:
        return None
    first, second = time_heard.moment_of(time.raw), date_heard.moment_of(date.raw)
    guard = max(first.latest, second.latest) - min(first.earliest, second.earliest)
    text = f"{date.raw_text.strip()} {time.raw_text.strip()}"
    return _shown((time, date), text, written, first, vendor, zone, guard + _AROUND_MIDNIGHT)


def codes_of(vendor: Vendor) -> tuple[Obis, ...]:
    """Time and date of the meter."""
    return tuple(Obis.parse(text, vendor.medium) for text in vendor.clock_codes)


def seconds_text(deviation: timedelta) -> str:
    """`-3.2`, `0.0`, `12.0`: seconds with one digit behind the point, rounded half away from zero."""
    seconds = Decimal(deviation // timedelta(microseconds=1)).scaleb(-6).quantize(Decimal("0.1"), ROUND_HALF_UP)
    return f"{seconds if seconds else abs(seconds):f}"


def described(clock: Reading) -> str:
    """How right the clock is, in words."""
    if not clock.more:
        return f"the clock shows {clock.raw_text}; how far it is off cannot be said"
    seconds = Decimal(clock.more[0])
    return f"the clock is {abs(seconds):f} s {'behind' if seconds < 0 else 'ahead'}"


def _composed(date: str, time: str) -> str | None:
    """One text of the two, as in headers of profiles: season, YYMMDD, hhmmss. None where they are none."""
    day, hour = _DATE.fullmatch(date.strip()), _TIME.fullmatch(time.strip())
    if day is None or hour is None:
        return None
    season = hour[1] or day[1] or ""
    return season + (day[5] or "".join(day.group(2, 3, 4))) + (hour[5] or "".join(hour.group(2, 3, 4)))


def _shown(
    sources: tuple[Reading, ...],
    text: str,
    written: str,
    moment: Moment,
    vendor: Vendor,
    zone: ZoneInfo,
    guard: timedelta | None = None,
) -> Reading | None:
    """`written`: the text in one piece. `guard`: so near to midnight two pieces may be of two days; None for one."""
    clock = MeterClock(ClockKind(vendor.clock), zone)
    stamp = parse_stamp(written, clock, season_digit=vendor.season_digit, form=vendor.window_time)
    if stamp is None or any(one.status is not RawStatus.TRUE for one in sources):
        return None
    at = _nearest(stamp, moment.middle)
    known = moment.uncertainty <= LIMIT and _SECONDS.fullmatch(written) is not None
    if guard is not None:
        wall = clock.wall(at)
        passed = wall - wall.replace(hour=0, minute=0, second=0, microsecond=0)
        known = known and guard < passed < _DAY - guard
    faults = [Fault.TIME_TWICE] if stamp.second is not None else []
    faults += [Fault.SEASON_DOUBTFUL] if stamp.doubtful else []
    status, flags = judge(faults)
    first = sources[0]
    return Reading(
        meter=first.meter,
        obis=CLOCK,
        obis_raw=" ".join(one.obis_raw for one in sources),
        kind=Kind.REGISTER,
        at=first.at,
        raw=b"".join(one.raw for one in sources),
        raw_text=text,
        status=status,
        flags=flags,
        more=(seconds_text(at - moment.middle),) if known else (),
        meter_time=text.strip(),
    )


def _nearest(stamp: Stamp, reference: datetime) -> datetime:
    """Of the two instants of a repeated hour, the one that the clock rather means."""
    if stamp.second is None:
        return stamp.at
    return min(stamp.at, stamp.second, key=lambda at: abs(at - reference))
