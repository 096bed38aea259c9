"""What the meters of the simulated year really have, when they can be reached, and how their clocks go.

Rules: everything is a function of the plan, an instant and the times at which a clock was set (a file, because the
meters outlive the processes). Instants of a meter are those of its own clock: it names rows by that, and its supply
fails by that. Values are those of simulators/dlms_profile.py, stated there and written here a second time.
"""

import json
import random
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

PRAGUE = ZoneInfo("Europe/Prague")
POWER_DOWN, CLOCK_ADJUSTED, SUMMER = 0x80, 0x20, 0x08
_FIRST_MINUTE = 26_000_000


def total(end: datetime, channel: int, seed: int) -> int:
    """(m - 26,000,000) * (c + 1) + (m * 7919 + c * 104729 + seed * 1299709) mod (c + 1) at Unix minute m."""
    minute, spread = int(end.timestamp()) // 60, channel + 1
    return (minute - _FIRST_MINUTE) * spread + (minute * 7919 + channel * 104729 + seed * 1299709) % spread


class Mishap(StrEnum):
    """What is wrong with a line."""

    REFUSED = "refused"
    SILENT = "silent"


@dataclass(frozen=True, slots=True)
class Trouble:
    """A line out of order, in seconds of the campaign."""

    first: float
    last: float
    mishap: Mishap


@dataclass(frozen=True, slots=True)
class Cut:
    """No supply, from `first` on until just before `last`; seconds since 1970 of the meter's clock."""

    first: float
    last: float


@dataclass(frozen=True, slots=True)
class Stray:
    """From `first` to `last`, in seconds of the campaign, the clock of a meter is slow by so many seconds besides: it
    was set wrong, and then right again."""

    first: float
    last: float
    slow: float


@dataclass(frozen=True, slots=True)
class MeterPlan:
    """One meter and its line. `columns`: of its profile, channels from 1, active energy in Wh: under which id the
    archive has it, and the code. `fitted`: seconds since 1970 of its first row; it keeps rows for `depth_days`. `torn`:
    how many of a thousand sessions the line tears; `offset_s`: what its clock is fast by at the beginning."""

    id: str
    seed: int
    columns: tuple[tuple[str, str], ...]
    period_s: int
    depth_days: int
    fitted: int
    offset_s: float
    ppm: float
    torn: int
    sets_clock: bool
    cuts: tuple[Cut, ...] = ()
    troubles: tuple[Trouble, ...] = ()
    strays: tuple[Stray, ...] = ()

    @property
    def port(self) -> int:
        """By which the gateway's configuration names its line."""
        return 4000 + self.seed

    def written(self) -> dict[str, Any]:
        """For a file."""
        return asdict(self)

    @classmethod
    def read(cls, written: dict[str, Any]) -> "MeterPlan":
        cuts = tuple(Cut(**each) for each in written.pop("cuts"))
        strays = tuple(Stray(**each) for each in written.pop("strays"))
        troubles = tuple(
            Trouble(each["first"], each["last"], Mishap(each["mishap"])) for each in written.pop("troubles")
        )
        columns = tuple((meter, code) for meter, code in written.pop("columns"))
        return cls(**written, columns=columns, cuts=cuts, troubles=troubles, strays=strays)


@dataclass(frozen=True, slots=True)
class Setting:
    """The clock was set: when (seconds of the campaign), and by how many seconds it was fast before and behind."""

    at: float
    before: float
    after: float


class Meter:
    """A meter of the plan as it is at any second of the campaign."""

    def __init__(self, plan: MeterPlan, begin: datetime, folder: Path) -> None:
        self.plan = plan
        self.begin = begin.timestamp()
        self._file = folder / f"{plan.id}.clock"
        self.settings: list[Setting] = []
        self.look()
        self._cut_ends = [cut.last for cut in plan.cuts]
        self._adjusted = (0, set[int]())

    def look(self) -> None:
        """Read what is written down of the clock."""
        lines = self._file.read_text().splitlines() if self._file.exists() else []
        self.settings = [Setting(*json.loads(line)) for line in lines]

    # -- the clock ----------------------------------------------------------------------------------------------------

    def fast_by(self, seconds: float) -> float:
        """Seconds that the clock is ahead of true time, but for what it strays."""
        at, offset = 0.0, self.plan.offset_s
        for setting in self.settings:
            if setting.at <= seconds:
                at, offset = setting.at, setting.after
        return offset + self.plan.ppm * 1e-6 * (seconds - at)

    def clock(self, seconds: float) -> float:
        """What it shows, in seconds since 1970."""
        return self._steady(seconds) - self.strays(seconds)

    def strays(self, seconds: float) -> float:
        """By how many seconds it is slow, because somebody has set it wrong."""
        return next((each.slow for each in self.plan.strays if each.first <= seconds < each.last), 0.0)

    def _steady(self, seconds: float) -> float:
        return self.begin + seconds + self.fast_by(seconds)

    def set_clock(self, seconds: float, shown: float) -> None:
        """It is put to `shown`; written down before it holds."""
        setting = Setting(seconds, self.fast_by(seconds), shown + self.strays(seconds) - self.begin - seconds)
        with self._file.open("a") as file:
            file.write(json.dumps([setting.at, setting.before, setting.after]) + "\n")
        self.settings.append(setting)

    # -- supply and line ----------------------------------------------------------------------------------------------

    def supplied(self, seconds: float) -> bool:
        return not self._without_supply(self._steady(seconds))

    def trouble(self, seconds: float) -> Mishap | None:
        return next((each.mishap for each in self.plan.troubles if each.first <= seconds < each.last), None)

    def tears(self, seconds: float) -> int | None:
        """A session that begins now ends after so many octets from the meter; None: it does not."""
        chance = random.Random(f"{self.plan.id} {seconds:.3f}")
        return chance.randrange(6000) if chance.randrange(1000) < self.plan.torn else None

    # -- rows ---------------------------------------------------------------------------------------------------------

    def row(self, end: int) -> int | None:
        """The status of the row of an interval, by the second since 1970 at which it ends; None: it has none."""
        plan = self.plan
        if end < plan.fitted or self._without_supply(end):
            return None
        status = SUMMER if datetime.fromtimestamp(end, PRAGUE).dst() else 0
        place = bisect_right(self._cut_ends, end - plan.period_s)
        if place < len(plan.cuts) and plan.cuts[place].first < end:
            status |= POWER_DOWN
        return status | (CLOCK_ADJUSTED if self._set_in(end) else 0)

    def ends(self, first: float, last: float, seconds: float) -> Iterator[int]:
        """The intervals of which it has a row now, from `first` to `last`, both included."""
        step = self.plan.period_s
        oldest = max(first, self.clock(seconds) - self.plan.depth_days * 86400)
        end = -int(-oldest // step) * step
        last = min(last, self.clock(seconds))  # what is ahead of a clock that was set back it does not send
        while end <= last:
            if self.row(end) is not None:
                yield end
            end += step

    def _without_supply(self, shown: float) -> bool:
        place = bisect_right(self._cut_ends, shown)
        return place < len(self.plan.cuts) and self.plan.cuts[place].first <= shown

    def _set_in(self, end: int) -> bool:
        """Whether the clock was set in the interval, or left it out; never of one that was recorded before."""
        step, (known, found) = self.plan.period_s, self._adjusted
        for setting in self.settings[known:]:
            before, after = (self.begin + setting.at + fast for fast in (setting.before, setting.after))
            at = (int(before) // step + 1) * step
            while at - step <= max(before, after):
                found.add(at)
                at += step
        self._adjusted = len(self.settings), found
        return end in found


def utc(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def local_second(begin: datetime, seconds: float, hour: int, minute: int) -> float:
    """The next second of the campaign, from `seconds` on, at which a Czech clock shows this time."""
    local = (begin + timedelta(seconds=seconds)).astimezone(PRAGUE)
    day = local.date()
    while True:
        at = datetime(day.year, day.month, day.day, hour, minute, tzinfo=PRAGUE).astimezone(UTC)
        found = (at - begin).total_seconds()
        if found >= seconds:
            return found
        day += timedelta(days=1)
