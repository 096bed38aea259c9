"""The worker of a line: which job runs next, and what happens when it fails.

Rules: one session on a line at a time; a fault of one meter costs its own slot and nobody else's; a refusal is not
retried; one log line for each change of a meter's state, not for each attempt. Lines that call have a worker of their
own: call_worker.py.
"""

import asyncio
import logging
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from gatewayd.acquire import Acquisition, Line, Station
from gatewayd.driver import Clock
from gatewayd.errors import ArchiveError, GatewayError, MeterDiffers, MeterRefused, PasswordUnclear, ProtocolError
from gatewayd.model import Request
from gatewayd.refusals import LeftAlone, remedy
from gatewayd.schedule import Rhythm, first_due, next_due

RETRIES = 3
BACK_OFF_SECONDS = (10.0, 30.0, 90.0)
LONGEST_WAIT = 30.0
"""Seconds: not longer at once, because the wall clock may be set meanwhile."""
_SET_BACK = timedelta(minutes=1)
"""Less than that is the daily work of time synchronisation."""

log = logging.getLogger("gatewayd.worker")


@dataclass(frozen=True, slots=True)
class Job:
    """What is read from a station, and how often."""

    station: Station
    request: Request
    rhythm: Rhythm


@dataclass(slots=True)
class Pending:
    """A job and when it is due next."""

    job: Job
    due: datetime
    retries: int = 0
    fault: GatewayError | None = None
    """How its last run ended."""

    @property
    def meter(self) -> str:
        return self.job.station.meter.id

    def settle(self, fault: GatewayError | None, now: datetime, zone: ZoneInfo, pauses: Sequence[float]) -> None:
        """The job was run: when it is due next. After a fault it is tried again after these pauses in seconds, as long
        as that is before its regular time; not after what asking again would not change."""
        regular = next_due(self.job.rhythm, now, zone)
        if fault is None or isinstance(fault, MeterRefused | MeterDiffers) or self.retries >= RETRIES:
            self.due, self.retries = regular, 0
            return
        retry = now + timedelta(seconds=pauses[min(self.retries, len(pauses) - 1)])
        self.due, self.retries = (retry, self.retries + 1) if retry < regular else (regular, 0)

    def put_off(self, now: datetime, zone: ZoneInfo) -> None:
        """Not before its regular time."""
        self.due, self.retries = next_due(self.job.rhythm, now, zone), 0


class Agenda:
    """The jobs of a worker and when each is due. A wall clock that was set back keeps none of them waiting for a time
    that it showed before."""

    def __init__(self, jobs: Sequence[Job], now: datetime, zone: ZoneInfo) -> None:
        self.pending = tuple(Pending(job, first_due(job.rhythm, now, zone)) for job in jobs)
        self._zone = zone
        self._seen = now

    def look(self, now: datetime) -> None:
        """To be told the time before anybody looks what is due."""
        if now < self._seen - _SET_BACK:
            log.warning("the clock was set back from %s to %s: what is due is worked out anew", self._seen, now)
            for pending in self.pending:
                pending.due = min(pending.due, next_due(pending.job.rhythm, now, self._zone))
        self._seen = now


class MeterStates:
    """Which meters cannot be read at present, and why; the log tells of each change once."""

    def __init__(self, worker: str, pending: Sequence[Pending]) -> None:
        self.faults: dict[str, str] = {}
        self._worker = worker
        self._pending = pending
        self._refused: set[str] = set()

    def note(self, pending: Pending, fault: GatewayError | None, defect: Exception | None = None) -> None:
        """How a job has ended. Its meter is read again when the last run of every one of its jobs was sound."""
        meter = pending.meter
        before, pending.fault = pending.fault, fault
        if isinstance(fault, PasswordUnclear):  # at most twice: then it is left alone
            self.faults[meter] = str(fault)
            log.warning("%s; the second time in a row the meter is left alone", fault)
            return
        if isinstance(fault, MeterRefused):
            text = str(fault)
            if not isinstance(fault, LeftAlone):
                text = f"{fault}; {remedy(pending.job.station.driver.credentials)}"
            if meter not in self._refused:
                self._refused.add(meter)
                log.error("%s", text)
            self.faults[meter] = text
            return
        self._refused.discard(meter)
        if fault is not None:
            if meter not in self.faults or (defect is not None and str(before) != str(fault)):
                log.warning("%s", fault, exc_info=defect)
            self.faults[meter] = str(fault)
        elif meter in self.faults and not any(other.fault for other in self._pending if other.meter == meter):
            del self.faults[meter]
            log.info("meter %s on line %s is read again", meter, self._worker)


class LineWorker:
    """Works off the jobs of one line, one at a time, the longest due first."""

    def __init__(
        self,
        line: Line,
        jobs: Sequence[Job],
        acquisition: Acquisition,
        clock: Clock,
        zone: ZoneInfo,
        jitter: random.Random,
    ) -> None:
        self.line = line
        self._acquisition = acquisition
        self._clock = clock
        self._zone = zone
        self._jitter = jitter
        self._agenda = Agenda(jobs, clock(), zone)
        self._pending = self._agenda.pending
        self._states = MeterStates(line.id, self._pending)

    @property
    def name(self) -> str:
        return self.line.id

    @property
    def faults(self) -> Mapping[str, str]:
        """Meters that cannot be read at present, and why."""
        return self._states.faults

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set; the session that is under way then is finished or cancelled by the caller."""
        while not stop.is_set() and self._pending:
            now = self._clock()
            self._agenda.look(now)
            pending = min(self._pending, key=lambda waiting: waiting.due)
            delay = (pending.due - now).total_seconds()
            if delay > 0:
                await wait(stop, min(delay, LONGEST_WAIT))
                continue
            await self._work(pending)

    async def _work(self, pending: Pending) -> None:
        job = pending.job
        defect: Exception | None = None
        try:
            result = await self._acquisition.run(self.line, job.station, job.request)
            fault = result.fault
        except ArchiveError as error:
            fault = error
        except Exception as error:  # noqa: BLE001 - a defect of ours must not stop the other meters of the line
            defect = error
            fault = ProtocolError(f"meter {job.station.meter.id} on line {self.line.id}: defect in gatewayd: {error!r}")
        self._states.note(pending, fault, defect)
        pauses = [pause * self._jitter.uniform(0.5, 1.0) for pause in BACK_OFF_SECONDS]
        pending.settle(fault, self._clock(), self._zone, pauses)


async def wait(stop: asyncio.Event, seconds: float) -> None:
    """Until the time has passed or `stop` is set."""
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return
