"""A campaign: weeks or a year in which everything happens to a gateway and its meters, drawn from a seed.

Rules: what is drawn depends on the seed alone; only the real moment of a kill depends on the machine, and what it met
is put down (`ups`). The last days are calm, so that everything can come to its end.
"""

import json
import os
import random
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

from tests.crash.rig import ROOT
from tests.crash.year_gateway import Site
from tests.crash.year_time import Elapsed, Spell
from tests.crash.year_truth import Cut, MeterPlan, Mishap, Stray, Trouble, local_second

HOUR, DAY = 3600.0, 86400.0
RETRY_S = 3 * DAY
"""The retry window of types A and AMM (docs of the configuration)."""
NAMES = ("", "em-quarters", "em-site", "em-late")
"""The meters: with quarters of an hour and a memory of some days; a registrar with hours; a new one with years."""
_CERTAIN = 4
"""So many of the first kills have a wrong clock behind them, which has to come about: nothing long before it."""
STUCK_S = 90.0
"""Seconds of real time in which simulated time has to go on."""


@dataclass(frozen=True, slots=True)
class Season:
    """What is simulated: from `begin`, so many days, the last `calm_days` of them without mishaps; so many kills.

    `months` of each profile are asked for. `late_day`: the day on which the last meter is put into the configuration.
    `outage_s`: how long the gateway is gone behind one of the kills."""

    name: str
    begin: datetime
    days: int
    kills: int
    months: int
    late_day: int
    outage_s: float
    calm_days: int = 6


@dataclass(frozen=True, slots=True)
class Configured:
    """A meter of the campaign, and from which second on the gateway knows it."""

    plan: MeterPlan
    since: float
    entry: str


@dataclass(frozen=True, slots=True)
class Up:
    """A process of the gateway, in seconds of the campaign."""

    first: float
    last: float
    killed: bool


@dataclass(slots=True)
class Campaign:
    """What was drawn, and what happened."""

    season: Season
    seed: int
    site: Site
    meters: tuple[Configured, ...]
    ups: list[Up] = field(default_factory=list)
    spells: list[Spell] = field(default_factory=list)

    @property
    def end(self) -> float:
        return self.season.days * DAY

    @property
    def calm(self) -> float:
        """From here on nothing happens any more."""
        return self.end - self.season.calm_days * DAY


# -- what is drawn -----------------------------------------------------------------------------------------------------


def drawn(season: Season, seed: int, folder: Path) -> Campaign:
    """The meters, and everything that happens to them and their lines."""
    folder.mkdir(parents=True, exist_ok=True)
    chance = random.Random(f"{season.name} {seed}")
    since = season.late_day * DAY
    begin = int(season.begin.timestamp())

    def plan(number: int, columns: dict[str, str], period_s: int, depth: int, known: int, ppm: float) -> MeterPlan:
        return MeterPlan(
            id=NAMES[number],
            seed=number,
            columns=tuple((meter, code) for code, meter in columns.items()),
            period_s=period_s,
            depth_days=depth,
            fitted=begin // period_s * period_s - known * 86400,
            offset_s=chance.uniform(-3, 3),
            ppm=ppm,
            torn=60,
            sets_clock=ppm > 0,
            cuts=tuple(_cuts(season, chance)),
            troubles=tuple(_troubles(season, chance, long_first=number == 1)),
            strays=tuple(_strays(season, chance)) if number == 2 else (),
        )

    quarters = {"1-0:1.8.0*255": NAMES[1], "1-0:2.8.0*255": NAMES[1]}
    site = {"1-1:1.8.0*255": f"{NAMES[2]}-a", "1-2:1.8.0*255": f"{NAMES[2]}-b"}
    hours = {"1-0:1.8.0*255": NAMES[3]}
    meters = (
        Configured(plan(1, quarters, 900, 12, 40, 90.0), 0.0, "metering_type: A"),
        Configured(plan(2, site, 3600, 400, 20, -35.0), 0.0, f"metering_type: AMM, points: [{_points(site)}]"),
        Configured(plan(3, hours, 3600, 1150, 1150, -20.0), since, "metering_type: A"),
    )
    campaign = Campaign(season, seed, Site(folder), meters)
    campaign.site.write_plan(season.begin, tuple(each.plan for each in meters))
    return campaign


def _points(columns: dict[str, str]) -> str:
    points = [f"{{id: {meter}, metering_type: A, channels: [{code[:3]}]}}" for code, meter in columns.items()]
    return ", ".join(points)


def _cuts(season: Season, chance: random.Random) -> Iterator[Cut]:
    """Failures of the supply: of minutes, hours and days."""
    begin, end = season.begin.timestamp(), season.begin.timestamp() + (season.days - season.calm_days) * DAY
    at = begin + chance.uniform(0.2, 2) * DAY
    while True:
        minutes = chance.choice([chance.uniform(1, 12), chance.uniform(20, 700), chance.uniform(20, 700)])
        seconds = chance.uniform(1, 5) * DAY if chance.random() < 0.1 else minutes * 60
        if at + seconds > end:
            return
        yield Cut(int(at) + 0.5, int(at + seconds) + 0.5)
        at += seconds + chance.expovariate(1 / (5 * DAY)) + 2 * HOUR


def _troubles(season: Season, chance: random.Random, *, long_first: bool) -> Iterator[Trouble]:
    """The line out of order: for hours mostly, now and then for longer than anything is waited for; `long_first`: in
    any case for so long the first time."""
    at, end = chance.uniform(0.5, 2) * DAY, (season.days - season.calm_days) * DAY
    while True:
        seconds = chance.choices(
            [chance.uniform(0.1, 12) * HOUR, chance.uniform(1, 3) * DAY, chance.uniform(4, 14) * DAY], [6, 3, 1]
        )[0]
        if long_first:
            seconds, long_first = 4.5 * DAY, False
        if at + seconds > end:
            return
        yield Trouble(at, at + seconds, chance.choice([*Mishap]))
        at += seconds + chance.expovariate(1 / (6 * DAY)) + HOUR


def _strays(season: Season, chance: random.Random) -> Iterator[Stray]:
    """The clock set wrong by hours, and right again after days: now and then."""
    at = chance.uniform(1, 3) * DAY
    while at + 5 * DAY < (season.days - season.calm_days) * DAY:
        seconds = chance.uniform(1.5, 4) * DAY
        yield Stray(at, at + seconds, chance.uniform(2, 9) * HOUR)
        at += seconds + chance.expovariate(1 / (40 * DAY)) + DAY


def _kill_times(campaign: Campaign, chance: random.Random) -> list[float]:
    """Half of them fall into the minute in which the daily sessions run."""
    season = campaign.season
    found: list[float] = []
    for _ in range(season.kills):
        at = chance.uniform(0.1 * DAY, campaign.calm - DAY)
        if chance.random() < 0.5:
            at = local_second(season.begin, at, 0, 20) + chance.uniform(0, 60)
        found.append(at)
    return sorted(found)


def _down(chance: random.Random) -> float:
    """Seconds until the gateway is started again."""
    hours, days, weeks = chance.uniform(1, 20) * HOUR, chance.uniform(2, 6) * DAY, chance.uniform(8, 20) * DAY
    return chance.choices([chance.uniform(15, 300), hours, days, weeks], [70, 20, 8, 2])[0]


def _wrong(campaign: Campaign, kind: str, at: float, chance: random.Random) -> Spell:
    """A wrong clock from `at` on, until somebody puts it right."""
    true = campaign.season.begin + timedelta(seconds=at)
    shown = {
        "rewound": true - timedelta(days=chance.uniform(1, 6)),
        "1970": datetime(1970, 1, 1, 0, 0, 12, tzinfo=true.tzinfo),
        "ahead": true + timedelta(days=chance.uniform(4, 20)),
        "years ahead": true + timedelta(days=1024 * 7),
        "minutes": true + timedelta(minutes=chance.uniform(-50, 50)),
    }[kind]
    minutes, hours = chance.uniform(1, 60) * 60, chance.uniform(8, 30) * HOUR
    return Spell(kind, at, at + (hours if kind == "ahead" else chance.choice([minutes, hours])), shown)


# -- what happens ------------------------------------------------------------------------------------------------------


class Processes:
    """The process that forks gateways, and the one that it has forked."""

    def __init__(self) -> None:
        self._parent = subprocess.Popen(
            [sys.executable, "-m", "tests.crash.year_gateway"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self._parent.stdin is not None and self._parent.stdout is not None
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._parent.stdout, selectors.EVENT_READ)
        self._pid = 0

    def start(self, site: Site, until: float) -> None:
        assert self._parent.stdin is not None
        order = json.dumps({"folder": str(site.folder), "until": until}) + "\n"
        self._parent.stdin.write(order.encode())
        self._parent.stdin.flush()
        self._pid = int(self._said("pid"))

    def ended(self, seconds: float) -> bool:
        """Whether it has, at the latest after so many seconds of real time."""
        return bool(self._selector.select(seconds))

    def kill(self) -> None:
        os.kill(self._pid, signal.SIGKILL)

    def code(self) -> int:
        """How it has ended; to be asked once."""
        found = int(self._said("ended"))
        self._pid = 0
        return found

    def close(self) -> None:
        assert self._parent.stdin is not None and self._parent.stdout is not None
        if self._pid and not self.ended(0):
            self.kill()
        self._parent.stdin.close()
        self._parent.wait()
        self._parent.stdout.close()
        self._selector.close()

    def _said(self, word: str) -> str:
        assert self._parent.stdout is not None
        line = self._parent.stdout.readline().decode()
        assert line.startswith(word), f"expected '{word}', got {line!r}"
        return line.split()[1]


@contextmanager
def processes() -> Iterator[Processes]:
    made = Processes()
    try:
        yield made
    finally:
        made.close()


def happen(campaign: Campaign) -> None:
    """The whole campaign. AssertionError where the gateway ends by itself or does not go on."""
    chance = random.Random(f"happen {campaign.season.name} {campaign.seed}")
    kinds = ["rewound", "1970", "ahead", "minutes", "years ahead"]
    kills = _kill_times(campaign, chance)
    outage = len(kills) // 2
    elapsed = Elapsed(campaign.site.elapsed)
    with processes() as gateways:
        for number, kill_at in enumerate(kills):
            first = kind = ""
            if 0 < number <= _CERTAIN:
                first = kinds[(number - 1) % 3]
                kill_at = min(max(kill_at, elapsed.look() + 12 * HOUR), campaign.calm - DAY)
            elif chance.random() < 0.25:
                first = chance.choice(kinds)
            elif chance.random() < 0.2:
                kind = chance.choice(kinds)
            spells = [_wrong(campaign, first, elapsed.look(), chance)] if first else []
            spells += [_wrong(campaign, kind, elapsed.look() + chance.uniform(0.1, 3) * DAY, chance)] if kind else []
            orderly = chance.random() < 0.15
            _up(campaign, gateways, elapsed, kill_at, spells, None if orderly else chance.uniform(0, 0.04))
            if chance.random() < 0.25 and campaign.site.archive.exists():
                campaign.site.lose_short_cuts()
            down = campaign.season.outage_s if number == outage else _down(chance)
            if number < _CERTAIN:
                down = min(down, 20 * HOUR)
            elapsed.pass_by(min(down, max(60.0, campaign.calm - DAY - elapsed.look())))
        last = max(campaign.end, elapsed.look() + campaign.season.calm_days * DAY)
        assert last == campaign.end, "the season is too short for what happens in it"
        _up(campaign, gateways, elapsed, campaign.end, [], None)
    elapsed.close()


def _up(
    campaign: Campaign,
    gateways: Processes,
    elapsed: Elapsed,
    until: float,
    spells: list[Spell],
    kill_after: float | None,
) -> None:
    """One process: killed so many real seconds after `until`; None: stopped then in an orderly way."""
    site, begun = campaign.site, elapsed.look()
    late = [each for each in campaign.meters if each.since > begun]
    limit = min([campaign.end if kill_after is not None else until, *(each.since for each in late)])
    site.config.write_text(configuration(campaign, begun))
    site.write_spells([*campaign.spells, *spells])
    gateways.start(site, max(limit, begun + 1))
    moved, before = time.monotonic(), begun
    kill_at: float | None = None
    while not gateways.ended(0.001):
        now = time.monotonic()
        if elapsed.look() != before:
            moved, before = now, elapsed.seconds
        if kill_after is not None and kill_at is None and before >= until:
            kill_at = now + (kill_after if begun < until else 10 * kill_after)  # not always while it starts
        if kill_at is not None and (now >= kill_at or before > campaign.calm - DAY / 2):
            gateways.kill()
            break
        if now - moved > STUCK_S:
            gateways.kill()
            code = gateways.code()
            raise AssertionError(f"time stands still at {before:.0f} s ({code}):\n{_tail(site)}")
    code = gateways.code()
    assert code in (0, -signal.SIGKILL), f"the gateway ended with {code} at {elapsed.look():.0f} s:\n{_tail(site)}"
    ended = elapsed.look()
    campaign.ups.append(Up(begun, ended, code != 0))
    campaign.spells += [replace(each, last=min(each.last, ended)) for each in spells if each.first < ended]
    if code == 0 and limit < until:  # stopped for another configuration, with the meter that is new
        elapsed.pass_by(30.0)
        rest = [each for each in spells if each.first >= ended]
        _up(campaign, gateways, elapsed, until, rest, kill_after)


def _tail(site: Site) -> str:
    return "\n".join(site.log.read_text().splitlines()[-60:])


def configuration(campaign: Campaign, seconds: float) -> str:
    """What the gateway is started with."""
    known = [each for each in campaign.meters if each.since <= seconds]
    months = campaign.season.months
    plans = [each.plan for each in known]
    lines = "".join(f"  {plan.id}-line: {{type: tcp, host: 192.0.2.1, port: {plan.port}}}\n" for plan in plans)
    return (
        "gateway: {id: gw-year, timezone: Europe/Prague}\n"
        f"archive: {{path: {campaign.site.archive}}}\n"
        f"lines:\n{lines}meters:\n{''.join(_entry(each, months) for each in known)}"
    )


def _entry(meter: Configured, months: int) -> str:
    plan = meter.plan
    options = "transport: wrapper"
    options += ", set_clock: {max_shift_s: 300}" if plan.sets_clock else ""
    policy = f"policy: {{period: {plan.period_s // 60}m, evaluation: 60m"
    policy += ", set_clock: true}" if plan.sets_clock else "}"
    job = f"{{profile: 1-0:99.1.0, at: '00:20', backfill_months: {months}}}"
    return (
        f"  - {{id: {plan.id}, driver: dlms, line: {plan.id}-line, {meter.entry}, {policy}, "
        f"dlms: {{{options}}}, jobs: [{job}]}}\n"
    )
