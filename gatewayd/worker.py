"""The worker of a line: which job runs next, and what happens when it fails.

Rules: one session on a line at a time; a fault of one meter costs its own slot and nobody else's; a refusal is not
retried; one log line for each change of a meter's state, not for each attempt.
"""

import asyncio
import logging
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from gatewayd.acquire import Acquisition, Line, Station
from gatewayd.driver import Clock
from gatewayd.errors import ArchiveError, GatewayError, MeterDiffers, MeterRefused, ProtocolError
from gatewayd.model import Request
from gatewayd.schedule import Rhythm, first_due, next_due

RETRIES = 3
BACK_OFF_SECONDS = (10.0, 30.0, 90.0)
_LONGEST_WAIT = 30.0

log = logging.getLogger("gatewayd.worker")


@dataclass(frozen=True, slots=True)
class Job:
    """What is read from a station, and how often."""

    station: Station
    request: Request
    rhythm: Rhythm


@dataclass(slots=True)
class _Pending:
    """A job and when it is due next."""

    job: Job
    due: datetime
    retries: int = 0
    fault: GatewayError | None = None
    """How its last run ended."""


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
        self.faults: dict[str, str] = {}
        """Meters that cannot be read at present, and why."""
        self._acquisition = acquisition
        self._clock = clock
        self._zone = zone
        self._jitter = jitter
        started = clock()
        self._pending = [_Pending(job, first_due(job.rhythm, started, zone)) for job in jobs]

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set; the session that is under way then is finished or cancelled by the caller."""
        while not stop.is_set() and self._pending:
            pending = min(self._pending, key=lambda waiting: waiting.due)
            delay = (pending.due - self._clock()).total_seconds()
            if delay > 0:
                # Not longer at once than this: the wall clock may be set while we wait.
                await _wait(stop, min(delay, _LONGEST_WAIT))
                continue
            await self._work(pending)

    async def _work(self, pending: _Pending) -> None:
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
        self._note(pending, fault, defect)
        now = self._clock()
        regular = next_due(job.rhythm, now, self._zone)
        if fault is None or isinstance(fault, MeterRefused | MeterDiffers) or pending.retries >= RETRIES:
            pending.due, pending.retries = regular, 0
            return
        back_off = BACK_OFF_SECONDS[min(pending.retries, len(BACK_OFF_SECONDS) - 1)]
        retry = now + timedelta(seconds=back_off * self._jitter.uniform(0.5, 1.0))
        pending.due, pending.retries = (retry, pending.retries + 1) if retry < regular else (regular, 0)

    def _note(self, pending: _Pending, fault: GatewayError | None, defect: Exception | None) -> None:
        """Log a change of the meter's state. It is read again when the last run of every one of its jobs was sound."""
        meter = pending.job.station.meter.id
        before, pending.fault = pending.fault, fault
        if fault is not None:
            if meter not in self.faults or (defect is not None and str(before) != str(fault)):
                log.warning("%s", fault, exc_info=defect)
            self.faults[meter] = str(fault)
        elif meter in self.faults and not any(
            other.fault for other in self._pending if other.job.station.meter.id == meter
        ):
            del self.faults[meter]
            log.info("meter %s on line %s is read again", meter, self.line.id)


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    """Until the time has passed or `stop` is set."""
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return
