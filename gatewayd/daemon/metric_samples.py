"""From what is known of a gateway at one moment to the samples of its metrics.

Rules: works on a snapshot, and so in any thread; looks besides only at small files of the kernel and at the names in
the archive's folder. What cannot be told is left out. Numbers are integers, or decimals made of whole microseconds.
"""

import os
import platform
import resource
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from gatewayd import __version__
from gatewayd.archive.ages import Ages
from gatewayd.breaker import Condition
from gatewayd.config import Config, MeterSettings
from gatewayd.config import Job as JobSettings
from gatewayd.daemon import metric_names as names
from gatewayd.daemon.exposition import Family, Sample
from gatewayd.daemon.metric_outboxes import (
    Derived,
    DerivedAges,
    Found,
    Outboxes,
    alone,
    derived_layer,
    outboxes,
    seconds,
)
from gatewayd.daemon.status_beside import put_aside
from gatewayd.kernel_clock import Synchronised
from gatewayd.live import LineState, Vital
from gatewayd.model import RawStatus
from gatewayd.tallies import RESULTS, Histogram, decimal
from gatewayd.upkeep import Progress

_STATES = {Condition.CLOSED: 0, Condition.HALF_OPEN: 1, Condition.OPEN: 2}
_DAY, _WEEK, _MONTH = timedelta(days=1), timedelta(days=7), timedelta(days=31)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A gateway at one moment. `unready`: the number of reasons; `known_since`: by meter, when the gateway got it;
    `days_late`: by meter; `sinks`: each with its cursor; `modems`: whether each is out of use; `begun`: what a
    monotonic clock showed when this was begun."""

    config: Config
    at: datetime
    since: datetime
    loaded_at: datetime
    config_fault: bool
    unready: int
    known_since: Mapping[str, datetime]
    lines: Sequence[LineState]
    broken: Iterable[str]
    vitals: Sequence[Vital]
    progress: Sequence[Progress]
    alarms: Mapping[str, Sequence[str]]
    days_late: Mapping[str, int]
    modems: Mapping[str, bool]
    sinks: Outboxes
    folder: Path
    head: int
    archive_fault: bool
    readings: Mapping[RawStatus, int]
    exchanges: Mapping[str, int]
    commits: Histogram
    commits_failed: int
    reads: Mapping[tuple[str, str], int]
    sessions: Mapping[str, Histogram]
    clock: Synchronised
    begun: float
    derived: Derived | None = None
    """None where there are no metering points."""


def collected(snapshot: Snapshot, ages: Ages, derived_ages: DerivedAges) -> list[tuple[Family, Sequence[Sample]]]:
    """All families, in the order of the page. Blocks for a moment."""
    found = {
        **_work(snapshot),
        **_meters(snapshot),
        **_lines(snapshot),
        **outboxes(snapshot.at, snapshot.head, snapshot.sinks, ages),
        **derived_layer(snapshot.at, snapshot.head, snapshot.derived, derived_ages),
        **_archive(snapshot),
        **_gateway(snapshot),
        **_process(),
    }
    found[names.SCRAPE_SECONDS] = alone(decimal(round((time.monotonic() - snapshot.begun) * 1e9)))
    return [(family, found.get(family, ())) for family in names.FAMILIES]


def _work(known: Snapshot) -> Found:
    drivers = {settings.driver for settings in known.config.meters} | {driver for driver, _ in known.reads}
    reads: dict[tuple[str, str], int] = {(driver, result): 0 for driver in sorted(drivers) for result in RESULTS}
    return {
        names.READINGS: [((status.text,), count) for status, count in known.readings.items()],
        names.EXCHANGES: [((outcome,), count) for outcome, count in known.exchanges.items()],
        names.READS: list((reads | dict(known.reads)).items()),
        names.READ_SECONDS: [((driver,), seconds) for driver, seconds in sorted(known.sessions.items())],
    }


# -- meters ------------------------------------------------------------------------------------------------------------


def _meters(known: Snapshot) -> Found:
    vitals, settings = known.vitals, known.config.meters
    return {
        names.LAST_SUCCESS: [((one.meter,), _timestamp(one.last_success)) for one in vitals if one.last_success],
        names.KNOWN_SINCE: [((meter,), _timestamp(at)) for meter, at in known.known_since.items()],
        names.READ_PERIOD: [((one.id,), seconds(period)) for one in settings if (period := period_of(one))],
        names.METER_INFO: [((one.id, one.line, one.driver, one.metering_type.value), 1) for one in settings],
        names.METER_FAULT: [((one.meter,), int(one.faulty)) for one in vitals],
        names.CLOCK_OFFSET: [((one.meter,), seconds(one.deviation)) for one in vitals if one.deviation is not None],
        names.GAPS: list(_gaps(known)),
        names.DAYS_LATE: [((meter,), count) for meter, count in known.days_late.items()],
        names.BACK_FILLS: alone(sum(_goes_back(one) for one in known.progress)),
        names.ALARMS: [((meter,), len(texts)) for meter, texts in known.alarms.items() if texts],
        names.ALARMS_STANDING: alone(sum(map(len, known.alarms.values()))),
    }


def period_of(settings: MeterSettings) -> timedelta | None:
    """The shortest time between two of its reads; None where there are none."""
    return min((_pause(job) for _, job in settings.all_jobs), default=None)


def _pause(job: JobSettings) -> timedelta:
    if job.listen:
        return job.silence
    if job.every is not None:
        return max(job.every, job.period or job.every)
    return _DAY if job.on is None else _WEEK if isinstance(job.on, str) else _MONTH


def _gaps(known: Snapshot) -> Iterator[Sample]:
    """As `gatewayd status` counts them: what is not due yet is no gap."""
    zone = known.config.gateway.zone
    today = known.at.astimezone(zone).date()
    read = {one.meter for one in known.vitals if one.last_success and _day(one.last_success, zone) >= today}
    asked: dict[str, int] = {}
    told: dict[str, int] = {}
    for one in known.progress:
        last = today - (_DAY if one.meter in read else 2 * _DAY)
        first = _day(one.reached, zone) + _DAY if one.reached is not None and _goes_back(one) else date.min
        asked.setdefault(one.meter, 0)
        told.setdefault(one.meter, 0)
        for day, complete in one.gaps:
            if first <= day <= last:
                asked[one.meter] += complete.expected - complete.present - complete.told
                told[one.meter] += complete.told
    for meter, count in asked.items():
        yield (meter, "asked"), count
        yield (meter, "told"), told[meter]


def _goes_back(one: Progress) -> bool:
    return one.reached is not None and one.goal is not None and one.reached > one.goal


def _day(at: datetime, zone: ZoneInfo) -> date:
    return at.astimezone(zone).date()


# -- lines -------------------------------------------------------------------------------------------------------------


def _lines(known: Snapshot) -> Found:
    states, broken, nothing = known.lines, set(known.broken), timedelta(0)
    return {
        names.LINE_STATE: [((one.line,), 2 if one.line in broken else _STATES[one.condition]) for one in states],
        names.LINE_QUEUE: [((one.line,), one.queue) for one in states],
        names.LINE_LATE: [
            ((one.line,), seconds(max(known.at - one.oldest, nothing) if one.oldest else nothing)) for one in states
        ],
        names.LINE_BUSY: [((one.line,), len(one.under_way)) for one in states],
        names.MODEM_OUT: [((modem,), int(out)) for modem, out in known.modems.items()],
    }


# -- the archive, the gateway, the process -----------------------------------------------------------------------------


def _archive(known: Snapshot) -> Found:
    found: Found = {
        names.HEAD: alone(known.head),
        names.COMMIT_SECONDS: alone(known.commits),
        names.COMMITS_FAILED: alone(known.commits_failed),
        names.ARCHIVE_FAULT: alone(int(known.archive_fault)),
        names.ARCHIVE_ASIDE: alone(put_aside(known.folder)),
    }
    try:
        with os.scandir(known.folder) as entries:
            sizes = [entry.stat().st_size for entry in entries if entry.name.startswith("segment-")]
        disk = os.statvfs(known.folder)
    except OSError:
        return found
    return found | {
        names.ARCHIVE_BYTES: alone(sum(sizes)),
        names.DISK_FREE: alone(disk.f_bavail * disk.f_frsize),
        names.DISK_SIZE: alone(disk.f_blocks * disk.f_frsize),
    }


def _gateway(known: Snapshot) -> Found:
    error = known.clock.error
    return {
        names.CLOCK_SURE: alone(int(known.clock.sure)),
        names.CLOCK_ERROR: [] if error is None else alone(format(error, "f")),
        names.READY: alone(int(not known.unready)),
        names.UNREADY: alone(known.unready),
        names.CONFIG_FAULT: alone(int(known.config_fault)),
        names.CONFIG_LOADED: alone(_timestamp(known.loaded_at)),
        names.BUILD: [((known.config.gateway.id, __version__, platform.python_version()), 1)],
        names.START: alone(_timestamp(known.since)),
    }


def _process() -> Found:
    found: Found = {
        names.CPU: alone(decimal(time.process_time_ns())),
        names.FILES_MOST: alone(resource.getrlimit(resource.RLIMIT_NOFILE)[0]),
    }
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        found[names.RSS] = alone(pages * resource.getpagesize())
        found[names.FILES] = alone(len(os.listdir("/proc/self/fd")))  # noqa: PTH208 - names alone
        found[names.THREADS] = alone(len(os.listdir("/proc/self/task")))  # noqa: PTH208 - as above
    except OSError:
        pass
    return found


def _timestamp(at: datetime) -> str:
    return decimal((at - _EPOCH) // _MICROSECOND * 1000)
