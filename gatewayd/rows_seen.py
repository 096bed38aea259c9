"""Which intervals of a profile readings are, and which the archive has: both as `Rows` of a coverage.

Rules: pure. Rows of another length than the profile's are none of it, unless its length is configured; what ends beside
the grid is no interval. Of intervals that the gateway makes itself, those that are missing are told, not there.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from gatewayd.archive.intervals import ChannelRow, ProfileRows
from gatewayd.archive.rows import from_us
from gatewayd.coverage import Channel, Rows
from gatewayd.legal_time import Grid
from gatewayd.model import Flag, RawStatus, Reading
from gatewayd.runs import Runs


def of_readings(readings: Sequence[Reading], grid: Grid, *, fixed: bool, made: bool) -> Rows:
    """Of intervals, with the channels of the newest row. `fixed`: the length is configured; `made`: by the gateway."""
    newest = max(one.at for one in readings)
    seconds = int(grid.period.total_seconds())
    there: set[int] = set()
    dark: set[int] = set()
    told: set[int] = set()
    numbers: dict[datetime, int | None] = {}
    for one in readings:
        if not fixed and one.interval_s != seconds and one.interval_s is not None:
            continue
        if one.at not in numbers:
            numbers[one.at] = grid.number(one.at)
        number = numbers[one.at]
        if number is None:
            continue
        if made and one.status is RawStatus.MISSING:
            told.add(number)
            continue
        there.add(number)
        if Flag.POWER_DOWN in one.flags:
            dark.add(number)
    channels = tuple(dict.fromkeys(Channel.of(one) for one in readings if one.at == newest))
    return Rows(Runs.of(there), Runs.of(dark), Runs.of(told), channels)


def of_archive(found: ProfileRows, grid: Grid, *, fixed: bool) -> Rows:
    """The same of what the archive has."""
    seconds = int(grid.period.total_seconds())
    there: set[int] = set()
    dark: set[int] = set()
    told: set[int] = set()
    for one in found.intervals:
        number = grid.number(from_us(one.at))
        if number is None or (not fixed and one.interval_s not in (seconds, None)):
            continue
        if one.told:
            told.add(number)
            continue
        there.add(number)
        if one.dark:
            dark.add(number)
    channels = [
        Channel(one.obis, one.obis_raw, one.unit, one.scaler, bool(one.is_obis)) for one in newest(found.channels)
    ]
    return Rows(Runs.of(there), Runs.of(dark), Runs.of(told), tuple(dict.fromkeys(channels)))


def newest(channels: Iterable[ChannelRow]) -> list[ChannelRow]:
    """The channels of the newest row."""
    found = sorted(channels, key=lambda one: one.at)
    return [one for one in found if one.at == found[-1].at]
