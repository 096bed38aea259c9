"""Is the archive what the meters had? Every interval once, as a value or as a `missing` that is explained.

Rules: the archive is read as everybody reads it (Reader, verify), and compared with year_truth alone. What a gateway
must have is decided by its opportunities: a row that the meter kept through a calm time has to be there, one that
nobody could ever have asked for must be missing, and for the rest either is right.
"""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from gatewayd.archive.query import Reader, Selection
from gatewayd.archive.verify import verify
from gatewayd.model import Archived, Flag, Kind, RawStatus
from tests.crash.year_campaign import DAY, HOUR, RETRY_S, Campaign, Configured
from tests.crash.year_time import Wall
from tests.crash.year_truth import CLOCK_ADJUSTED, POWER_DOWN, PRAGUE, SUMMER, Meter, total, utc

CALM_S = 36 * HOUR
"""So long everything has to be well until nothing that the meter has may be missing: there is a daily run in it."""
SHORT_S = 900.0
"""A gateway that is back within that has not been away."""
MOST_ASKED = 5000
"""Exchanges with a meter in an hour: years of a profile that is empty are asked for at once, and not at once again."""
_SETTLED_S = 2 * DAY
"""So old is what the meter does not have when that is told."""
_DRIFT_S = 1800.0
"""What a clock of a meter may be off in a year, and more."""
_NEAR_S = 1.5
"""A deviation that is so near to its limit may be taken for either."""
_SHOWN, _PLACES = 40, 4
_CHANGES = {
    **dict.fromkeys((date(2023, 3, 26), date(2024, 3, 31), date(2025, 3, 30), date(2026, 3, 29)), 23),
    **dict.fromkeys((date(2023, 10, 29), date(2024, 10, 27), date(2025, 10, 26), date(2026, 10, 25)), 25),
}
"""Hours of the days on which Czech clocks are changed (Directive 2000/84/EC)."""

Span = tuple[float, float]


def merged(spans: Iterable[Span]) -> list[Span]:
    """In order, and apart."""
    found: list[Span] = []
    for first, last in sorted(spans):
        if found and first <= found[-1][1]:
            found[-1] = found[-1][0], max(found[-1][1], last)
        else:
            found.append((first, last))
    return found


def without(spans: Iterable[Span], end: float) -> list[Span]:
    """What is left of [0, end]."""
    found, at = list[Span](), 0.0
    for first, last in merged(spans):
        if first > at:
            found.append((at, first))
        at = max(at, last)
    return [*found, (at, end)] if at < end else found


@dataclass(slots=True)
class Opportunities:
    """When a meter could be asked. `calm`: everything was well; `possible`: not everything was in the way."""

    calm: list[Span]
    possible: list[Span]

    @classmethod
    def of(cls, campaign: Campaign, meter: Configured) -> "Opportunities":
        begin = campaign.season.begin.timestamp()
        up = [(each.first, each.last) for each in campaign.ups if each.first >= meter.since]
        downs = without(up, campaign.end)
        troubles = [(each.first, each.last) for each in meter.plan.troubles]
        cuts = [(each.first - begin, each.last - begin) for each in meter.plan.cuts]
        spells = [(each.first, each.last) for each in campaign.spells]
        long_downs = [(first, last) for first, last in downs if last - first >= SHORT_S or not first]
        strays = [(each.first, each.last) for each in meter.plan.strays]
        wide = [(first - _DRIFT_S, last + _DRIFT_S) for first, last in [*cuts, *spells, *strays]]
        narrow = [(first + _DRIFT_S, last - _DRIFT_S) for first, last in cuts if last - first > 2 * _DRIFT_S]
        return cls(
            without([*long_downs, *troubles, *wide], campaign.end),
            without([*downs, *troubles, *narrow], campaign.end),
        )

    def sure(self, first: float, last: float) -> bool:
        """Whether a calm time that is long enough lies within."""
        return any(min(ends, last) - max(begins, first) >= CALM_S for begins, ends in self.calm)

    def thinkable(self, first: float, last: float) -> bool:
        place = bisect_left([ends for _, ends in self.possible], first)
        return place < len(self.possible) and self.possible[place][0] <= last


@dataclass(slots=True)
class Commits:
    """At which second of the campaign a reading was archived."""

    seconds: list[float]
    heads: list[int]
    doubtful: set[int]

    @classmethod
    def of(cls, campaign: Campaign) -> "Commits":
        seconds, heads = list[float](), list[int]()
        for line in campaign.site.commits.read_text().splitlines():
            at, head = line.split()
            if not heads or int(head) > heads[-1]:
                seconds.append(float(at))
                heads.append(int(head))
        starts = [up.first for up in campaign.ups]
        # The first line of a process may tell as well of what the one before had not come to say.
        doubtful = {heads[bisect_left(seconds, start)] for start in starts if bisect_left(seconds, start) < len(heads)}
        return cls(seconds, heads, doubtful)

    def at(self, seq: int) -> float | None:
        place = bisect_left(self.heads, seq)
        if place == len(self.heads) or self.heads[place] in self.doubtful:
            return None
        return self.seconds[place]


@dataclass(slots=True)
class Report:
    """What is wrong, with the places where it is, and how much was looked at."""

    wrong: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    counts: Counter[str] = field(default_factory=Counter)

    def say(self, text: str, place: str = "") -> None:
        self.wrong[text].append(place)

    @property
    def text(self) -> str:
        """A line for each fault, with some of its places."""
        lines = [f"{text}: {len(each)} x {', '.join(each[:_PLACES])}" for text, each in self.wrong.items()]
        more = [f"... and {len(lines) - _SHOWN} more"] if len(lines) > _SHOWN else []
        return "\n".join([*lines[:_SHOWN], *more])


Alter = Callable[[list[Archived]], Iterable[Archived]]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a campaign has left, read once. `intervals`: of each of its meters, with the points behind it."""

    campaign: Campaign
    commits: Commits
    intervals: tuple[tuple[Configured, list[Archived]], ...]
    report: Report

    @classmethod
    def of(cls, campaign: Campaign) -> "Evidence":
        """With everything that is wrong with the archive."""
        report = Report()
        for finding in verify(campaign.site.archive).findings:
            report.say("verify", finding.text)
        readings = Reader(campaign.site.archive).select(Selection())
        if [one.seq for one in readings] != list(range(1, len(readings) + 1)):
            report.say("the sequence numbers are not 1, 2, 3 ...")
        plans = [meter.plan for meter in campaign.meters]
        owner = {each: plan.id for plan in plans for each in (plan.id, *dict(plan.columns))}
        by_meter: dict[str, list[Archived]] = defaultdict(list)
        for one in readings:
            if one.reading.meter not in owner:
                report.say("readings of no meter", one.reading.meter)
            elif one.reading.kind is Kind.INTERVAL:
                by_meter[owner[one.reading.meter]].append(one)
        for (meter_id, hour), number in asked_in_an_hour(campaign).items():
            report.counts["busiest hour"] = max(report.counts["busiest hour"], number)
            if number > MOST_ASKED:
                report.say(f"{meter_id}: asked too often in an hour", f"{hour:%Y-%m-%d %H} ({number})")
        evidence = cls(
            campaign, Commits.of(campaign), tuple((each, by_meter[each.plan.id]) for each in campaign.meters), report
        )
        for meter, intervals in evidence.intervals:
            MeterCheck(campaign, meter, evidence.commits, report).run(intervals)
        return evidence

    def notices(self, alter: Alter) -> bool:
        """Whether it is told when the intervals of a meter are altered: of that with the fewest which has values and
        missing ones."""
        report = Report()
        mixed = [each for each in self.intervals if 0 < sum(map(_sound, each[1])) < len(each[1])]
        meter, intervals = min(mixed, key=lambda each: len(each[1]))
        MeterCheck(self.campaign, meter, self.commits, report).run(list(alter(intervals)))
        return bool(report.wrong)


def asked_in_an_hour(campaign: Campaign) -> Counter[tuple[str, datetime]]:
    """How many exchanges there were with each meter in each hour of the gateway's clock, but for those hours that it
    has shown again and again."""
    begin, hour_long = campaign.season.begin, timedelta(hours=1)
    shown = [
        (spell.shown - hour_long, spell.shown + timedelta(seconds=spell.last - spell.first))
        for spell in campaign.spells
        if spell.shown != begin + timedelta(seconds=spell.first)
    ]
    hours = Counter(
        (one.meter, one.started_at.replace(minute=0, second=0, microsecond=0))
        for one in Reader(campaign.site.archive).exchanges()
    )
    return Counter(
        {
            (meter, hour): number
            for (meter, hour), number in hours.items()
            if not any(first <= hour <= last for first, last in shown)
        }
    )


class MeterCheck:
    """The intervals of one meter."""

    def __init__(self, campaign: Campaign, configured: Configured, commits: Commits, report: Report) -> None:
        self._campaign = campaign
        self._configured = configured
        self._plan = configured.plan
        self._begin = campaign.season.begin.timestamp()
        self._meter = Meter(configured.plan, campaign.season.begin, campaign.site.folder)
        self._chances = Opportunities.of(campaign, configured)
        self._wall = Wall(campaign.season.begin, tuple(campaign.spells))
        self._commits = commits
        self._report = report
        self._owners = {code: owner for owner, code in configured.plan.columns}
        self._codes = tuple(self._owners)

    def run(self, intervals: Sequence[Archived]) -> None:
        """All of them."""
        found: dict[int, dict[str, list[Archived]]] = defaultdict(lambda: defaultdict(list))
        for one in intervals:
            at = one.reading.at.timestamp()
            if at != int(at) or at % self._plan.period_s or one.reading.interval_s != self._plan.period_s:
                self._say(at, f"is no interval of the meter (seq {one.seq}, {one.reading.interval_s} s)")
            elif self._owners.get(one.reading.code) != one.reading.meter:
                self._say(at, f"has {one.reading.code} of {one.reading.meter}, which the profile does not have")
            else:
                found[int(at)][one.reading.code].append(one)
        if not found:
            self._report.say(f"{self._plan.id}: nothing is in the archive")
            return
        first, last = self._bounds(found)
        for end in range(first, last + 1, self._plan.period_s):
            self._interval(end, found.pop(end, {}), told=end <= self._begin + self._campaign.calm)
        for end in sorted(found):
            self._say(end, "is archived, and lies outside of what is expected")
        self._days(intervals, first)

    def _bounds(self, found: dict[int, dict[str, list[Archived]]]) -> tuple[int, int]:
        """The first and the last interval that are looked at."""
        period = self._plan.period_s
        values = [end for end, codes in found.items() if any(map(_is_value, codes.values()))]
        since = int(self._begin + self._configured.since)
        asked = since - self._campaign.season.months * 30.4 * DAY + 2 * DAY
        kept = since - self._plan.depth_days * DAY + 2 * DAY
        due = max(self._plan.fitted, asked, kept)
        oldest = min([*values, since // period * period + period])
        first = next((first for first, last in self._chances.calm if last - first > CALM_S), 0)
        late = first - self._configured.since  # so long the meter went on forgetting before anybody could ask it
        if oldest > due + late + period:
            self._say(oldest, f"is the oldest; {utc(due + late):%Y-%m-%d %H:%M} could be read")
        return oldest, int(self._meter.clock(self._campaign.end)) // period * period

    # -- one interval -------------------------------------------------------------------------------------------------

    def _interval(self, end: int, codes: dict[str, list[Archived]], *, told: bool) -> None:
        status = self._meter.row(end)
        values = {code: [one for one in codes.get(code, []) if _sound(one)] for code in self._codes}
        gaps = {code: [one for one in codes.get(code, []) if not _sound(one)] for code in self._codes}
        count = {len(each) for each in values.values()}
        count_gaps = {len(each) for each in gaps.values()}
        if count not in ({0}, {1}) or count_gaps not in ({0}, {1}):
            self._say(end, f"has {_numbers(values)} values and {_numbers(gaps)} missing")
            return
        has_value, has_gap = count == {1}, count_gaps == {1}
        at = end - self._begin
        in_memory = at, at + self._plan.depth_days * DAY
        must = status is not None and self._chances.sure(
            max(self._configured.since, at + _DRIFT_S), in_memory[1] - 2 * HOUR
        )
        if has_value and status is None:
            self._say(end, "has a value, and the meter has no row of it")
        elif has_value and not self._chances.thinkable(at - _DRIFT_S, in_memory[1] + _DRIFT_S):
            self._say(end, "has a value that nobody can have read")
        elif must and not has_value:
            self._say(end, f"has no value, though the meter could be asked for it ({self._words(gaps)})")
        elif not has_value and not has_gap and told:
            self._say(end, "is not there, and nothing says why")
        for code in self._codes:
            if has_value:
                self._value(end, code, values[code][0], status or 0, gaps[code])
            if has_gap:
                self._gap(end, gaps[code][0], status)
        self._report.counts["values"] += has_value
        self._report.counts["late"] += has_value and has_gap
        self._report.counts["missing"] += has_gap and not has_value

    def _value(self, end: int, code: str, one: Archived, status: int, gaps: list[Archived]) -> None:
        reading, channel = one.reading, self._codes.index(code) + 1
        text = str(total(utc(end), channel, self._plan.seed))
        if (reading.raw_text, reading.scaler, reading.unit) != (text, 0, "Wh"):
            self._say(end, f"{code} is {reading.raw_text} x 10^{reading.scaler} {reading.unit}; it was {text}")
        if reading.more != (f"{status:02X}",):
            self._say(end, f"{code} has the status word {reading.more}; it was {status:02X}")
        flags = Flag(0)
        for bit, flag in ((SUMMER, Flag.DST), (POWER_DOWN, Flag.POWER_DOWN), (CLOCK_ADJUSTED, Flag.CLOCK_ADJUSTED)):
            flags |= flag if status & bit else Flag(0)
        flags |= Flag.LATE if gaps else Flag(0)
        given = reading.flags & ~(Flag.CLOCK_DEVIATION | Flag.GATEWAY_CLOCK)
        if given != flags or reading.status is not RawStatus.TRUE:
            self._say(end, f"{code} is {reading.status.text} {given.texts}; true {flags.texts} is right")
        clocks = self._clock_flags(one.seq)
        if clocks is not None and clocks != reading.flags & (Flag.CLOCK_DEVIATION | Flag.GATEWAY_CLOCK):
            self._say(end, f"{code} has of clocks {(reading.flags & ~given).texts}; {clocks.texts} is right")
        if any(gap.seq > one.seq for gap in gaps):
            self._say(end, f"{code} was told missing behind its value")

    def _gap(self, end: int, gap: Archived, status: int | None) -> None:
        reading, at = gap.reading, end - self._begin
        reason = reading.flags & (Flag.NOT_SENT | Flag.NOT_READ)
        if reading.raw_text or reading.raw or reason not in (Flag.NOT_SENT, Flag.NOT_READ):
            self._say(end, f"is missing with {reading.raw_text!r} and {reading.flags.texts}")
        if not reading.more or not reading.more[0]:
            self._say(end, "is missing, and no words say why")
        self._report.counts[f"told {'not sent' if reason is Flag.NOT_SENT else 'not read'}"] += 1
        if status is not None and Flag.POWER_DOWN in reading.flags and not self._beside_cut(end):
            self._say(end, "is missing by a failure of the supply that never was")
        told = self._commits.at(gap.seq)
        if told is None:
            return
        patience = _SETTLED_S if reason is Flag.NOT_SENT else RETRY_S
        if told < at + patience - _DRIFT_S:
            self._say(end, f"was told {reason.texts} before its time was up")
        if not self._wall.synchronised(told):
            self._say(end, "was told missing by a wrong clock")
        if reason is Flag.NOT_SENT and status is not None and told < at + self._plan.depth_days * DAY - 2 * HOUR:
            self._say(end, "was told not to be in the meter, which had it")

    def _beside_cut(self, end: int) -> bool:
        """Whether the hole that the interval lies in may have a failure of the supply in it."""
        return any(cut.first - 4 * DAY <= end <= cut.last + 40 * DAY for cut in self._plan.cuts)

    def _clock_flags(self, seq: int) -> Flag | None:
        """Whether the clock was too far off when this was read, and who knows whose; None where that is not told."""
        at = self._commits.at(seq)
        if at is None or self._wall.changes(at - SHORT_S, at):
            return None
        if self._meter.strays(at) != self._meter.strays(at - SHORT_S):
            return None
        off = abs(self._meter.clock(at) - self._wall.shown(at).timestamp())
        limit = self._plan.period_s / 100
        if abs(off - limit) < _NEAR_S:
            return None
        flags = Flag.CLOCK_DEVIATION if off > limit else Flag(0)
        return flags | Flag.GATEWAY_CLOCK if flags and not self._wall.synchronised(at) else flags

    # -- all of them --------------------------------------------------------------------------------------------------

    def _days(self, intervals: Sequence[Archived], first: int) -> None:
        """Each day of legal time has as many intervals as it has quarters or hours."""
        ends: dict[date, set[datetime]] = defaultdict(set)
        for one in intervals:
            ends[(one.reading.at - timedelta(seconds=1)).astimezone(PRAGUE).date()].add(one.reading.at)
        begins = (utc(first) + timedelta(days=1)).astimezone(PRAGUE).date()
        until = utc(self._begin + self._campaign.calm).astimezone(PRAGUE).date()
        day = begins
        while day < until:
            due = _CHANGES.get(day, 24) * 3600 // self._plan.period_s
            if len(ends[day]) != due:
                self._report.say(f"{self._plan.id}: {len(ends[day])} of {due} intervals", f"{day}")
            day += timedelta(days=1)

    def _words(self, gaps: dict[str, list[Archived]]) -> str:
        told = [gap for each in gaps.values() for gap in each]
        return f"told {told[0].reading.flags.texts} {told[0].reading.more}" if told else "nothing is told"

    def _say(self, end: float, text: str) -> None:
        self._report.say(f"{self._plan.id}: {text}", f"{utc(end):%Y-%m-%d %H:%M:%S}")


def _sound(one: Archived) -> bool:
    return one.reading.status is not RawStatus.MISSING


def _is_value(ones: list[Archived]) -> bool:
    return any(map(_sound, ones))


def _numbers(each: dict[str, list[Archived]]) -> str:
    return "/".join(str(len(ones)) for ones in each.values())
