"""`gatewayd archive gaps` without a meter: how complete each meter is, by counting.

Rules: one query for each segment and day, however many meters there are. A meter is expected to have the series that it
had of late; one that is to be read and has none counts as missing altogether. What was not yet watched counts as
nothing.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import date, timedelta

import click
from rich.table import Table
from rich.text import Text

from gatewayd.archive.intervals import SeriesKey, counted
from gatewayd.archive.query import Reader
from gatewayd.archive.stats import profiles
from gatewayd.cli.archive_watching import NOT_WATCHED, Watching
from gatewayd.cli.language import said
from gatewayd.cli.output import console, print_json, print_table
from gatewayd.cli.progress import patience
from gatewayd.config import Config
from gatewayd.gaps import expected
from gatewayd.legal_time import day_bounds
from gatewayd.metering.statistics import completeness
from gatewayd.model import Increments, LoadProfile
from gatewayd.policy import Policy

_LATELY = 2
"""Segments whose series are expected to go on."""


@dataclass(slots=True)
class Tally:
    """Intervals of a meter: how many there should be, and how many have a value; and whether any of it was watched."""

    expected: int = 0
    present: int = 0
    watched: bool = False

    def add(self, expected: int, present: int) -> None:
        self.expected += expected
        self.present += present
        self.watched = True

    def take(self, other: "Tally") -> None:
        """Both together."""
        if other.watched:
            self.add(other.expected, other.present)

    @property
    def counts(self) -> dict[str, object]:
        return {
            "expected": self.expected,
            "present": self.present,
            "missing": self.expected - self.present,
            "completeness": completeness(self.present, self.expected) if self.watched else None,
        }


def policies(config: Config) -> dict[str, Policy]:
    """How each meter is acquired, metering points of registrars included."""
    found = {settings.id: settings.policy for settings in config.meters}
    return found | {part.id: part.policy for settings in config.meters for part in settings.parts}


def all_meters(
    config: Config, watching: Watching, span: Sequence[date], period: timedelta | None, *, by_day: bool, as_json: bool
) -> None:
    """Print it. ArchiveError."""
    Reader(config.archive.path)  # says so where there is no archive
    configured = {meter.id for meter in config.metered}
    usual = {one for one in profiles(config.archive.path, newest=_LATELY) if one.meter in configured}
    with patience("counting intervals"):
        found = {day: _tallies(config, watching, usual, day, period) for day in span}
    totals: defaultdict[str, Tally] = defaultdict(Tally)
    for tallies in found.values():
        for meter, tally in tallies.items():
            totals[meter].take(tally)
    if not totals:
        raise click.ClickException("no meter has intervals in the archive, and none is to be read for some")
    if as_json:
        print_json({"from": span[0].isoformat(), "to": span[-1].isoformat(), "meters": _objects(totals, found, by_day)})
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("meter", *(("day",) if by_day else ()), "expected", "present", "missing", "complete"):
        table.add_column(said(name), justify="left" if name in ("meter", "day") else "right", no_wrap=True)
    for meter in sorted(totals):
        if by_day:
            for day, tallies in found.items():
                if meter in tallies:
                    table.add_row(meter, day.isoformat(), *_cells(tallies[meter]))
        else:
            table.add_row(meter, *_cells(totals[meter]))
    whole = Tally()
    for tally in totals.values():
        whole.take(tally)
    table.add_row(said("total"), *(("",) if by_day else ()), *_cells(whole))
    print_table(console(), table)
    shown = [totals, *(found.values() if by_day else ())]
    if not all(tally.watched for tallies in shown for tally in tallies.values()):
        console().print(f"-: {said(NOT_WATCHED)}")


def _tallies(
    config: Config, watching: Watching, usual: Set[SeriesKey], day: date, period: timedelta | None
) -> dict[str, Tally]:
    """Each meter's intervals of one day. `usual`: the series that are expected to go on."""
    zone = config.gateway.zone
    begin, end = day_bounds(day, zone)
    there = counted(config.archive.path, begin, end)
    series, heard = usual | set(there), {one.meter for one in there}
    found: defaultdict[str, Tally] = defaultdict(Tally)

    def add(meter: str, count: int, present: int) -> None:
        tally = found[meter]
        if meter in heard or watching.expects(meter, end):
            tally.add(count, present)

    for one in sorted(series):
        step = timedelta(seconds=one.interval_s)
        try:
            count = expected(day, step, zone)
        except ValueError:  # a period that divides no day has no number of intervals
            continue
        if period in (None, step):
            add(one.meter, count, min(there.get(one, 0), count))
    for meter, step in _never_read(config, series):
        if period in (None, step):
            add(meter, expected(day, step, zone), 0)
    return dict(found)


def _never_read(config: Config, series: Iterable[SeriesKey]) -> Iterable[tuple[str, timedelta]]:
    """Meters that are to be read for intervals and have none, and how long these would be."""
    known = {one.meter for one in series}
    for settings in config.meters:
        of_points = {meter.id for meter in (part.part.meter for part in settings.parts)}
        for order in (job.request for job in settings.jobs):
            if not isinstance(order, LoadProfile | Increments) or known & {settings.id, *of_points}:
                continue
            step = order.period or settings.policy.period
            if timedelta(hours=1) % step == timedelta(0) or step == timedelta(days=1):
                yield settings.id, step
                break


def _cells(tally: Tally) -> tuple[str | Text, ...]:
    if not tally.watched:
        return ("-",) * 4
    missing = tally.expected - tally.present
    return (
        str(tally.expected),
        str(tally.present),
        Text(str(missing), style="red" if missing else "green"),
        f"{completeness(tally.present, tally.expected)} %",
    )


def _objects(
    totals: Mapping[str, Tally], found: Mapping[date, Mapping[str, Tally]], by_day: bool
) -> list[dict[str, object]]:
    return [
        {"meter": meter, **totals[meter].counts}
        | (
            {"days": [{"day": day.isoformat(), **one[meter].counts} for day, one in found.items() if meter in one]}
            if by_day
            else {}
        )
        for meter in sorted(totals)
    ]
