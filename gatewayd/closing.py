"""Intervals whose time is up, as the archive gets them: readings without a value, with the reason in words.

Rules: pure. An exchange for each legal-time day and metering point, whose request begins with `gap` and which has no
bytes; the reading has the code, spelling and unit that the channel had last, and the ratio in force at its end.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from gatewayd.archive.profile_rows import GAP
from gatewayd.archive.records import Bundle, Entry
from gatewayd.coverage import Cause, Channel, Overdue
from gatewayd.errors import ChannelError, GatewayError, MeterDiffers, MeterRefused, MeterSilent, SessionDeadline
from gatewayd.legal_time import Grid
from gatewayd.model import DIRECT, Exchange, Kind, Meter, Outcome, Ratio, Reading
from gatewayd.status import Fault, judge

NOT_IN_METER = "the meter has no row"
DARK = "the meter has no row, its supply had failed"
CLOCK_WRONG = "the meter's clock is wrong"
NOT_RUNNING = "the gateway was not running"
NOT_ASKED = "the meter was not asked"


def words(fault: GatewayError | None) -> str:
    """Why a meter could not be read, without names and numbers."""
    match fault:
        case None:
            return NOT_ASKED
        case MeterSilent():
            return "the meter did not answer"
        case ChannelError():
            return "the line failed"
        case MeterRefused():
            return "the meter refused"
        case SessionDeadline():
            return "reading took too long"
        case MeterDiffers():
            return "the meter is not the one that is configured"
        case _:
            return "the answers of the meter could not be understood"


@dataclass(frozen=True, slots=True)
class Subject:
    """What is closed: a profile or a series of intervals made by the gateway, under its code."""

    meter: Meter
    code: str
    grid: Grid
    channels: Sequence[Channel]
    serial: str


def record(subject: Subject, one: Overdue, reason: str, now: datetime) -> Entry | Bundle:
    """For all metering points that have a channel, whole or not at all. `reason`: of what was not read."""
    entries = tuple(_entries(subject, one, reason, now))
    if len(entries) == 1:
        return entries[0]
    return Bundle(entries, tuple(range(sum(len(entry.readings) for entry in entries))))


def _entries(subject: Subject, one: Overdue, reason: str, now: datetime) -> Iterator[Entry]:
    if one.cause is Cause.NOT_IN_METER:
        reason = DARK if one.dark else NOT_IN_METER
        faults = (Fault.INTERVAL_NOT_IN_METER, *((Fault.POWER_FAILED,) if one.dark else ()))
    else:
        faults = (Fault.METER_NOT_READ,)
    owners: dict[str, tuple[Meter, list[Channel]]] = {}
    for channel in subject.channels:
        owner = subject.meter.owner(channel.key)
        owners.setdefault(owner.id, (owner, []))[1].append(channel)
    for owner, channels in owners.values():
        made = tuple(_readings(owner, subject.grid, channels, one, reason, faults))
        ratios = tuple(_ratios(owner, made, subject.grid))
        exchange = _exchange(subject, owner, one, reason, now)
        serial = subject.serial or subject.meter.serial
        yield Entry(exchange, made, ratios, serial, owner.point, owner.metering_type)


def _ratios(owner: Meter, made: Iterable[Reading], grid: Grid) -> Iterator[Ratio]:
    """The one in force in each interval; the channels of an interval follow each other."""
    found, before = DIRECT, None
    for reading in made:
        if reading.at is not before:
            found, before = owner.ratio_at(reading.at, grid.zone, interval=True), reading.at
        yield found


def _exchange(subject: Subject, owner: Meter, one: Overdue, reason: str, now: datetime) -> Exchange:
    grid = subject.grid
    start, end = (at.strftime("%Y-%m-%dT%H:%M:%SZ") for at in (grid.end(one.first - 1), grid.end(one.last)))
    request = f"{GAP} {subject.code} {start}/{end}"
    return Exchange(owner.id, subject.meter.line, request, now, now, b"", Outcome.DONE, reason)


def _readings(
    owner: Meter, grid: Grid, channels: Iterable[Channel], one: Overdue, reason: str, faults: Sequence[Fault]
) -> Iterator[Reading]:
    status, flags = judge(faults)
    codes = [(channel, channel.key) for channel in channels]
    seconds = int(grid.period.total_seconds())
    for number in range(one.first, one.last + 1):
        end = grid.end(number)
        for channel, obis in codes:
            yield Reading(
                meter=owner.id,
                obis=obis,
                obis_raw=channel.obis_raw,
                kind=Kind.INTERVAL,
                at=end,
                raw=b"",
                raw_text="",
                unit=channel.unit,
                scaler=channel.scaler,
                status=status,
                flags=flags,
                more=(reason,),
                interval_s=seconds,
            )
