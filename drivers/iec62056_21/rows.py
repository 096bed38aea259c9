"""The rows of a load profile in time: which interval each one is, and what is wrong with it.

Rules: rows are counted on from their header in UTC and stay in the order of the answer, also where the meter's clock
went back; behind a piece that is no whole row the count is not certain any more, and the values are not believed, nor
those under a header that does not say how many channels it has, or names another number of them. A stamp beside the
grid of the period is a partial interval, and so is the rest of that interval, the row behind it; the next rows are on
the grid again. Two rows of one interval both stay.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise

from drivers.iec62056_21.headers import SHOWN, Asked, Heading, name, understand
from drivers.iec62056_21.wire.clock import row_ends
from drivers.iec62056_21.wire.profile import Block, Channel, Row
from gatewayd.status import Fault

_PERIOD_DIGITS = 5
_BETWEEN_ROWS = b"\r\n\t \x00\x7f"
_SHORTENS = frozenset({Fault.CLOCK_SET, Fault.POWER_FAILED, Fault.POWER_CAME_BACK})
"""What cuts an interval in two, so that two rows have the same end."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A row with its place in time. `end` is None where that is not known, `seconds` where no period is; `meter_time`
    is the header's time for the first row under it, empty for rows that were counted."""

    end: datetime | None
    seconds: int | None
    row: Row
    channels: tuple[Channel, ...]
    faults: tuple[Fault, ...]
    status: str
    meter_time: str
    header: int
    shortened: bool


def intervals(blocks: Iterable[Block], asked: Asked) -> tuple[tuple[Interval, ...], tuple[str, ...]]:
    """All rows of an answer, also those that lie outside the window that was asked for, and complaints."""
    found: list[Interval] = []
    complaints: list[str] = []
    for header, block in enumerate(blocks):
        heading = understand(block, asked)
        complaints.extend(heading.complaints)
        found.extend(_under(header, block, heading, found[-1] if found else None, asked, complaints))
    complaints.extend(_periods(found))
    partial, said = _twice(found)
    partial |= _begun_late(found)
    complaints.extend(said)
    complaints.extend(_left_out(found, asked))
    return tuple(_partial(row) if place in partial else row for place, row in enumerate(found)), tuple(complaints)


def _under(
    header: int, block: Block, heading: Heading, before: Interval | None, asked: Asked, complaints: list[str]
) -> list[Interval]:
    """The rows under one header; `before` is the last row of the block before."""
    minutes = _minutes(block.period)
    if minutes == 0 and heading.stamp is not None:
        complaints.append(f"{name(block)}: '{block.period[:SHOWN]}' is no period, only the first row has a time")
    stamp, season = _resolved(heading, minutes, before, asked)
    partial, ends = _ends(stamp, minutes, len(block.rows), asked)
    timed = (*heading.status, *season)
    untimed = tuple(dict.fromkeys((*timed, Fault.CLOCK_DOUBTFUL)))
    first = (*timed, Fault.INTERVAL_PARTIAL) if partial else timed
    shortened = not _SHORTENS.isdisjoint(heading.status)
    found: list[Interval] = []
    odd = 0
    # Where a header does not say or contradicts how wide its rows are, what is one row is a guess, and its time is one.
    unsure = block.count == "" or int(block.count) != len(block.channels)
    uncounted = False  # something before this row may have been a row, or half of one: its time is a guess
    for index, row in enumerate(block.rows):
        end = ends[index] if index < len(ends) else None
        uncounted = uncounted or bool(row.lead.strip(_BETWEEN_ROWS))
        faults = untimed if end is None or uncounted else timed if index else first
        if len(row.values) != len(block.channels):
            odd += 1  # which channels its values belong to is not certain
            uncounted = True
        if unsure or len(row.values) != len(block.channels):
            faults = (*faults, Fault.NOT_DECODABLE)
        found.append(
            Interval(
                end,
                60 * minutes or None,
                row,
                block.channels,
                faults,
                block.status,
                "" if index else block.time,
                header,
                shortened,
            )
        )
    if odd:
        complaints.append(
            f"{name(block)} of {block.time[:SHOWN]}: {odd} rows that have not {len(block.channels)} values"
        )
    return found


def _minutes(period: str) -> int:
    """The period in minutes; 0 where the header names none."""
    return int(period) if period.isascii() and period.isdigit() and len(period) <= _PERIOD_DIGITS else 0


def _ends(stamp: datetime | None, minutes: int, count: int, asked: Asked) -> tuple[bool, tuple[datetime, ...]]:
    if stamp is None:
        return False, ()
    if minutes == 0:
        return False, (stamp,)
    return row_ends(stamp, minutes, asked.clock, count=count, starts=asked.table.time == "start")


def _resolved(
    heading: Heading, minutes: int, before: Interval | None, asked: Asked
) -> tuple[datetime | None, tuple[Fault, ...]]:
    """The instant of a stamp, and what is wrong with it.

    A stamp in the repeated hour without a season is the one of the two that goes on where the rows before it ended; it
    is as certain as they are.
    """
    if heading.stamp is None:
        return None, heading.season
    first, second, _ = heading.stamp
    if second is not None and minutes and before is not None and before.end is not None:
        for candidate in (first, second):
            _, ends = _ends(candidate, minutes, 1, asked)
            if ends and ends[0] - before.end == timedelta(minutes=minutes):
                return candidate, (Fault.TIME_TWICE,) if Fault.TIME_TWICE in before.faults else ()
    return first, heading.season


def _twice(found: list[Interval]) -> tuple[frozenset[int], list[str]]:
    """Rows under different headers with the same end for the same channel: the places of those that the meter's clock
    or supply explains, and a complaint about the others."""
    at: dict[tuple[datetime, int | None], list[int]] = {}  # a day and its last quarter-hour end together
    for place, interval in enumerate(found):
        if interval.end is not None:
            at.setdefault((interval.end, interval.seconds), []).append(place)
    explained: set[int] = set()
    unexplained: list[datetime] = []
    for (end, _), places in at.items():
        if len(places) == 1:
            continue
        of_channel: dict[str, set[int]] = {}
        for place in places:
            for channel in found[place].channels:
                of_channel.setdefault(channel.code, set()).add(place)
        for rivals in of_channel.values():
            if len({found[place].header for place in rivals}) == 1:
                continue
            if any(found[place].shortened for place in rivals):
                explained |= rivals
            elif not unexplained or unexplained[-1] != end:
                unexplained.append(end)
    if not unexplained:
        return frozenset(explained), []
    first = f"{unexplained[0]:%Y-%m-%dT%H:%M:%SZ}"
    return frozenset(explained), [f"two rows for one interval end, {len(unexplained)} times, the first {first}"]


def _periods(found: list[Interval]) -> Iterator[str]:
    """Channels whose intervals have different lengths: the meter was set up anew, or one of the headers is wrong."""
    of_channel: dict[str, set[int]] = {}
    for seconds, channels in {(row.seconds, row.channels) for row in found}:
        for channel in channels:
            of_channel.setdefault(channel.code, set()).add((seconds or 0) // 60)
    for code, minutes in sorted(of_channel.items()):
        if len(minutes - {0}) > 1:
            yield f"{code[:SHOWN]}: intervals of {', '.join(map(str, sorted(minutes - {0})))} minutes in one answer"


def _left_out(found: list[Interval], asked: Asked) -> Iterator[str]:
    """A meter that does not count the end of a range in would lose one row between two windows: that is said."""
    last = max((row for row in found if row.end and row.seconds), key=lambda row: row.end or asked.at, default=None)
    if asked.faults or last is None or last.end is None or last.seconds is None:
        return
    end, period = asked.request.end, timedelta(seconds=last.seconds)
    if end - last.end == period <= asked.at - end:
        yield (
            f"{asked.table.code}: the row of {end:%Y-%m-%dT%H:%M:%SZ}, the end of the window, did not come; "
            "where that happens in every window, look at `window` of its vendor profile"
        )


def _begun_late(found: list[Interval]) -> frozenset[int]:
    """The places of rows that began in the middle of their interval, because the row before them ended there."""
    places: set[int] = set()
    for place, (before, interval) in enumerate(pairwise(found), 1):
        if Fault.INTERVAL_PARTIAL not in before.faults or before.seconds != interval.seconds:
            continue
        if before.end is None or interval.end is None or interval.seconds is None:
            continue
        passed = interval.end - before.end
        if passed < timedelta(seconds=interval.seconds) and (passed > timedelta(0) or interval.shortened):
            places.add(place)
    return frozenset(places)


def _partial(interval: Interval) -> Interval:
    if Fault.INTERVAL_PARTIAL in interval.faults:
        return interval
    return replace(interval, faults=(*interval.faults, Fault.INTERVAL_PARTIAL))
