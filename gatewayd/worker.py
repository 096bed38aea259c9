"""The worker of a line: which job runs next, and what happens when it fails.

Rules: one session on a line at a time; a fault of one meter costs its own slot and nobody else's; meters that answer go
before those that do not (silences.py), boundaries before what can wait; a refusal is not retried; one log line for each
change of a meter's state, not for each attempt. Lines that call have a worker of their own: call_worker.py.
"""

import asyncio
import logging
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from gatewayd.acquire import Acquisition
from gatewayd.driver import Clock
from gatewayd.errors import ArchiveError, GatewayError, MeterDiffers, MeterRefused, PasswordUnclear, ProtocolError
from gatewayd.model import Increments, Order
from gatewayd.refusals import LeftAlone, remedy
from gatewayd.schedule import At, Rhythm, first_due, next_due
from gatewayd.silences import PAUSES, Silences
from gatewayd.station import Line, Station

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
    request: Order
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
    """Works off the jobs of one line, one at a time: those of meters that answer first, of these the longest due."""

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
        self._silences = Silences()

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
            whens = [self._silences.not_before(pending.meter, pending.due, now) for pending in self._pending]
            delay = (min(whens) - now).total_seconds()
            if delay > 0:
                await wait(stop, min(delay, LONGEST_WAIT))
                continue
            ranks = [self._rank(*one, now) for one in zip(self._pending, whens, strict=True)]
            await self._work(self._pending[ranks.index(min(ranks))])

    def _rank(self, pending: Pending, when: datetime, now: datetime) -> tuple[bool, bool, datetime, bool]:
        """The least goes first: what is due, of a meter that has answered the last time, the longest due, a boundary of
        intervals. On a line that is always busy a meter that does not answer gets its turn all the same, and soon where
        only an answer was lost."""
        longest = PAUSES[-1] if self._silences.dead(pending.meter) else PAUSES[0]
        behind = self._silences.silent(pending.meter) and now - when < longest
        return when > now, behind, when, not isinstance(pending.job.request, Increments)

    async def _work(self, pending: Pending) -> None:
        job, started = pending.job, self._clock()
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
        now = self._clock()
        pending.settle(fault, now, self._zone, pauses)
        self._heed(pending, fault, started, now)

    def _heed(self, pending: Pending, fault: GatewayError | None, started: datetime, now: datetime) -> None:
        """A meter that does not answer is asked at its regular times only, and not at all of them."""
        self._silences.note(pending.meter, fault, started)
        if self._silences.dead(pending.meter) and not isinstance(pending.job.rhythm, At):  # daily: it is tried again
            until = self._silences.not_before(pending.meter, now, now)
            pending.put_off(max(now, until - (until - started) / 10), self._zone)


async def wait(stop: asyncio.Event, seconds: float) -> None:
    """Until the time has passed or `stop` is set."""
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return
