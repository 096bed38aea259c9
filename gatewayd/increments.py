"""By how much totals went up from boundary to boundary: readings of intervals that the gateway makes of registers.

Rules: pure. An increment has two ends that were read, one period apart, of one meter, in one unit; it is never
negative, and nothing is estimated: an interval without both ends is `missing`. It carries the worst status of its ends
and the flags of both. The first reading of a boundary counts; no end gets two values. What is known of a register
(`Track`) can be had from the archive at any time (`restored`), so that a restart changes nothing.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Context, Decimal, Inexact
from zoneinfo import ZoneInfo

from gatewayd.fallen import Fallen, after, is_back, measure, total
from gatewayd.legal_time import boundary
from gatewayd.model import Archived, Flag, Kind, RawStatus, Reading, number
from gatewayd.obis import CURRENT, Obis
from gatewayd.status import Fault, Verdict, judge

LONGEST_HOLE = timedelta(days=1)
"""So much of the time in which nothing was read is told as missing, the newest of it."""
_LEAST_TOLERANCE = timedelta(seconds=2)
_ROLLED = 10
"""A roll-over is believed where the increment is at most this part of the range: else the meter was reset."""
_TOTAL, _INCREMENT = 8, 29
"""Group D: time integral 1, from the first start on; time integral 5, the recording interval (IEC 62056-6-1)."""
_ELECTRICITY = 1
_LONGEST_NUMBER = 64
_EXACT = Context(prec=512, traps=[Inexact])


def increment_code(total: Obis) -> Obis | None:
    """1-0:1.29.0 for 1-0:1.8.0; None for what is no total of electric energy."""
    if (total.a, total.d, total.f) != (_ELECTRICITY, _TOTAL, CURRENT):
        return None
    return replace(total, d=_INCREMENT)


@dataclass(frozen=True, slots=True)
class Terms:
    """What is made of which register. `rollover`: where it begins again at zero, in the unit of its readings."""

    code: Obis
    period: timedelta
    zone: ZoneInfo
    rollover: Decimal | None = None

    @property
    def tolerance(self) -> timedelta:
        """How far an interval may be off its length: 1 %, as a registration interval may."""
        return max(self.period / 100, _LEAST_TOLERANCE)

    @property
    def latest(self) -> timedelta:
        """How late a boundary may be read at all."""
        return self.period / 2

    def boundary(self, at: datetime) -> datetime:
        return boundary(at, self.period, self.zone)


@dataclass(frozen=True, slots=True)
class Sight:
    """A register as it was read. `serials` are what the meter called itself, `skew` is the gateway's clock minus one
    that nobody sets; both only where they are known. `configured` is the serial number that it should have had."""

    reading: Reading
    serials: frozenset[str] = frozenset()
    skew: timedelta | None = None
    configured: str = ""

    @property
    def usable(self) -> bool:
        """Whether it shows a total."""
        text = self.reading.raw_text
        return (
            self.reading.status is not RawStatus.MISSING
            and self.reading.kind is Kind.REGISTER
            and len(text) <= _LONGEST_NUMBER
            and number(text) is not None
        )


@dataclass(frozen=True, slots=True)
class Run:
    """Ends of intervals in a row that were archived, with a value or as missing."""

    first: datetime
    last: datetime
    valued: bool


@dataclass(frozen=True, slots=True)
class Track:
    """What is known of a register: the boundary up to which everything is told; the reading at `base`, from which the
    next increment counts; what was told; the last reading with a total, for the unit of what is missing; and where the
    total at `base` stood before it went back."""

    seen: datetime | None = None
    base: datetime | None = None
    end: Sight | None = None
    told: tuple[Run, ...] = ()
    like: Reading | None = None
    high: Fallen | None = None

    def has(self, end: datetime, valued: bool) -> bool:
        """Whether an interval was told: with a value, or in any way."""
        return any(run.first <= end <= run.last for run in self.told if run.valued or not valued)


def step(track: Track, terms: Terms, sight: Sight) -> tuple[Track, tuple[Reading, ...]]:
    """The register was read: what is known now, and the readings of intervals that come of it, in their order."""
    at = sight.reading.at
    end = terms.boundary(at)
    late, on_time = at - end, sight.usable and at - end <= terms.tolerance
    known = replace(track, like=sight.reading if sight.usable else track.like)
    if track.seen is None or end < track.seen:  # the first time, or the gateway's clock was set back
        return _from(known, end, sight if on_time else None), ()
    if end == track.seen:  # again: it may serve as a beginning, where there is none yet
        return (_from(known, end, sight) if on_time and track.base != end else known), ()
    made = [_missing(end, terms, sight, known, Fault.BOUNDARY_MISSED) for end in _hole(track.seen, end, terms.period)]
    begin = track.end if track.base == end - terms.period else None
    if not sight.usable:
        made.append(_missing(end, terms, sight, known, Fault.EMPTY))
    elif begin is None or late > terms.latest:
        made.append(_missing(end, terms, sight, known, Fault.BOUNDARY_MISSED))
    else:
        on_time = True  # not really, but the next interval may begin here as this one ends here: nothing is lost
        made.append(_increment(begin, sight, end, terms, track.high))
        if not sight.serials and not _exchanged(begin, sight):
            sight = replace(sight, serials=begin.serials)
    new = tuple(reading for reading in made if not known.has(reading.at, reading.status is not RawStatus.MISSING))
    told = _told(known.told, new, terms.period)
    high = after(track.high, made[-1])
    return replace(_from(replace(known, told=told), end, sight if on_time else None), high=high), new


def _exchanged(begin: Sight, sight: Sight) -> bool:
    """Whether it is another meter: by what it calls itself, else where somebody has configured that it is another."""
    if begin.serials and sight.serials:
        return not begin.serials & sight.serials
    return bool(begin.configured and sight.configured) and begin.configured != sight.configured


def _from(track: Track, end: datetime, sight: Sight | None) -> Track:
    return replace(track, seen=end, base=None if sight is None else end, end=sight, high=None)


def _hole(seen: datetime, end: datetime, period: timedelta) -> Iterator[datetime]:
    """The ends between two boundaries, the newest of them where there are many."""
    count = min((end - seen) // period, LONGEST_HOLE // period)
    return (end - back * period for back in range(count - 1, 0, -1))


def _told(told: Sequence[Run], made: Iterable[Reading], period: timedelta) -> tuple[Run, ...]:
    runs = list(told)
    for reading in made:
        valued = reading.status is not RawStatus.MISSING
        if runs and runs[-1].valued is valued and runs[-1].last + period == reading.at:
            runs[-1] = replace(runs[-1], last=reading.at)
        else:
            runs.append(Run(reading.at, reading.at, valued))
    return tuple(runs[-(LONGEST_HOLE // period) :])  # on a bad line every boundary may end one


def _missing(end: datetime, terms: Terms, sight: Sight, track: Track, fault: Fault) -> Reading:
    """An interval without a value; where the register came without a total at its end, its own flags say why."""
    like = track.like or sight.reading
    own = sight.reading.flags if fault is Fault.EMPTY else Flag(0)
    flags = own or judge((fault,)).flags
    return _interval(like, end, terms, "", Verdict(RawStatus.MISSING, flags), ())


def _increment(begin: Sight, sight: Sight, end: datetime, terms: Terms, high: Fallen | None) -> Reading:
    """From one end to the other; without a value where the two cannot be compared. `high`: Track.high."""
    before, last = begin.reading, sight.reading
    text, faults = "", []
    if _exchanged(begin, sight):
        faults.append(Fault.METER_EXCHANGED)
    elif measure(before) != measure(last):
        faults.append(Fault.UNIT_CHANGED)
    elif is_back(high, before, last, end):
        faults.append(Fault.TOTAL_WENT_BACK)  # it had only seemed to: what was shown between was no total
    else:
        text, fault = _difference(before, last, terms.rollover)
        faults += [] if fault is None else [fault]
    lateness = [at - terms.boundary(at) for at in (before.at, last.at)]
    if text and Flag.RATIO_MISMATCH in before.flags ^ last.flags:
        faults.append(Fault.UNIT_CHANGED)  # somebody has set the ratio in the meter, and its totals may have jumped
    if max(lateness) > terms.tolerance:
        faults.append(Fault.INTERVAL_PARTIAL)
    if begin.skew is not None and sight.skew is not None and abs(sight.skew - begin.skew) > terms.tolerance:
        faults.append(Fault.GATEWAY_CLOCK_SET)
    status, flags = judge(faults)
    first = _as_beginning(before)
    ends = (first.flags | last.flags) & ~Flag.OVERFLOW  # that is said here, or not at all
    verdict = Verdict(RawStatus.worst((first.status, last.status, status)), ends | flags)
    more = (before.raw_text, last.raw_text, f"read {lateness[1].total_seconds():+.1f} s")
    return _interval(last, end, terms, text, verdict, more)


def _as_beginning(reading: Reading) -> Verdict:
    """Status and flags of a register at which an interval begins: that it went back there, which makes an otherwise
    sound one distorted, was in the interval before."""
    if Flag.BACKWARD in reading.flags:
        return Verdict(RawStatus.TRUE, reading.flags & ~Flag.BACKWARD)
    return Verdict(reading.status, reading.flags)


def _difference(before: Reading, behind: Reading, rollover: Decimal | None) -> tuple[str, Fault | None]:
    """The text of the increment, and what is to be said of it; no text where the total went back."""
    first, last = total(before), total(behind)
    gained = _EXACT.subtract(last, first)
    if gained >= 0:
        return format(gained, "f"), None
    if rollover is not None:
        span = _EXACT.scaleb(rollover, -behind.scaler)
        gained = _EXACT.add(gained, span)
        if last >= 0 and first < span and _EXACT.multiply(gained, Decimal(_ROLLED)) <= span:
            return format(gained, "f"), Fault.ROLLED_OVER
    return "", Fault.TOTAL_WENT_BACK


def _interval(
    like: Reading, end: datetime, terms: Terms, text: str, verdict: Verdict, more: tuple[str, ...]
) -> Reading:
    return Reading(
        meter=like.meter,
        obis=increment_code(terms.code),
        obis_raw=like.obis_raw,
        kind=Kind.INTERVAL,
        at=end,
        raw=b"",
        raw_text=text,
        unit=like.unit,
        scaler=like.scaler,
        status=verdict.status,
        flags=verdict.flags,
        more=more,
        interval_s=int(terms.period.total_seconds()),
    )


def restored(terms: Terms, made: Sequence[Archived], read: Sequence[Archived], now: datetime) -> Track:
    """What is known of a register after a start, from its intervals of the last LONGEST_HOLE and later, and its own
    readings since the last boundary but one; both in the order of the archive, serials in plain spelling."""
    intervals = sorted((one.reading for one in made), key=lambda one: one.at)
    told = _told((), intervals, terms.period)
    here = terms.boundary(now)
    seen = max((one.reading.at for one in made if one.reading.at <= here), default=None)
    base, end = _last_end(terms, made, read, here)
    like = end.reading if end is not None else intervals[-1] if made else None
    return Track(base if seen is None else seen, base, end, told, like, _high(intervals, base, terms.period))


def _high(intervals: Iterable[Reading], base: datetime | None, period: timedelta) -> Fallen | None:
    """Track.high."""
    high, at = None, None
    for one in intervals:
        high, at = after(high if at == one.at - period else None, one), one.at
        if at == base:
            return high
    return None


def _last_end(
    terms: Terms, made: Sequence[Archived], read: Sequence[Archived], here: datetime
) -> tuple[datetime | None, Sight | None]:
    """The reading from which the next increment counts: the one that stands in the archive beside the increment that it
    ended, else one on time."""
    before = here - terms.period
    done = any(one.reading.at == here for one in made)
    for at in (here, before) if done else (before, here):  # the interval that ends here may be still to come
        ended = {one.exchange for one in made if one.reading.at == at and one.reading.status is not RawStatus.MISSING}
        latest = terms.latest if ended else terms.tolerance
        for one in read:
            serials = _serials(one)
            sight = Sight(one.reading, serials, configured=next(iter(serials), ""))
            if sight.usable and timedelta() <= one.reading.at - at <= latest and (not ended or one.exchange in ended):
                return at, sight
    return None, None


def _serials(one: Archived) -> frozenset[str]:
    """Where the meter is another one than configured, the archive has the serial number that it should have had."""
    strange = not one.serial or Flag.SERIAL_MISMATCH in one.reading.flags
    return frozenset() if strange else frozenset((one.serial,))
