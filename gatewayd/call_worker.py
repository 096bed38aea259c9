"""The worker of lines that call: one modem, or several that work off one queue.

Rules: one call to a meter serves everything that is due for it; who may be called when is decided in calls.py; a job
that could not be called stays due, so that it is late and not lost; no request begins outside the call windows, and one
that has begun is finished. A modem that only a person can help is told of once and left alone until a restart. A number
to which paid calls fail in a row is called at the regular times of its jobs only. A call that may still be up, left by
a process that was killed or not hung up for certain, is ended before anything else.
"""

import asyncio
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from gatewayd import worker
from gatewayd.acquire import Acquisition, Session
from gatewayd.calls import PAID_IN_VAIN, Due, Ledger, paid
from gatewayd.channel.modem_options import BACK_OFF, CallRecord, CallResult
from gatewayd.dialling import PhoneNumber
from gatewayd.driver import Clock
from gatewayd.errors import ArchiveError, ChannelError, GatewayError, ProtocolError
from gatewayd.refusals import LeftAlone
from gatewayd.station import Line
from gatewayd.talk import unlikely_to_go_on
from gatewayd.worker import LONGEST_WAIT, Agenda, Job, MeterStates, Pending

_PAUSES = BACK_OFF[CallResult.LOST].seconds
"""Seconds before a meter that was reached and did not answer well is called again."""
_NOT_FAILED = (CallResult.DONE, CallResult.CANCELLED)
_FREEING = BACK_OFF[CallResult.LINE_FAILED]

log = logging.getLogger("gatewayd.call_worker")


@dataclass(frozen=True, slots=True)
class _Doubt:
    """A modem that may be in a call: how often ending it has failed, and when to try that next."""

    failures: int
    at: datetime


class CallWorker:
    """Works off the jobs of meters that are called, one call on each modem at a time. `name` is the line or pool."""

    def __init__(
        self,
        name: str,
        lines: Sequence[Line],
        jobs: Sequence[Job],
        acquisition: Acquisition,
        ledger: Ledger,
        clock: Clock,
        zone: ZoneInfo,
    ) -> None:
        self.name = name
        self.lines = tuple(lines)
        self.calls: dict[str, CallRecord] = {}
        """The last call of each line."""
        self.parked: dict[str, str] = {}
        """Lines that wait for somebody to act, and why."""
        self._acquisition = acquisition
        self._ledger = ledger
        self._clock = clock
        self._zone = zone
        started = clock()
        self._agenda = Agenda(jobs, started, zone)
        self._pending = self._agenda.pending
        self._states = MeterStates(name, self._pending)
        self._doubts = {line.id: _Doubt(0, started) for line in lines}
        self._given_up: set[PhoneNumber] = set()

    @property
    def faults(self) -> Mapping[str, str]:
        """Meters that cannot be read at present, and why."""
        return self._states.faults

    def window(self, line: str) -> datetime:
        """When this modem may call, from now on, as far as its call windows go."""
        return self._ledger.window(line, self._clock())

    def in_doubt(self, line: str) -> bool:
        """Whether the modem may be in a call that nobody holds: ending it has not worked yet."""
        doubt = self._doubts.get(line)
        return doubt is not None and doubt.failures > 0

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set; the calls that are under way then are finished or cancelled by the caller."""
        async with asyncio.TaskGroup() as group:
            for line in self.lines:
                group.create_task(self._serve(line, stop), name=f"modem {line.id}")

    async def _serve(self, line: Line, stop: asyncio.Event) -> None:
        while not stop.is_set() and self._pending:
            now = self._clock()
            self._agenda.look(now)
            await self._free(line, now)
            choice = self._ledger.choose(line.id, self._dues(), now)
            if isinstance(choice, Due):
                await self._call(line, choice, now)
                continue
            # None: a number is being called by another modem, or a modem is parked.
            delay = LONGEST_WAIT if choice is None else (choice - now).total_seconds()
            await worker.wait(stop, min(delay, LONGEST_WAIT))

    async def _free(self, line: Line, now: datetime) -> None:
        """End a call that may still be up; also outside the windows, because it costs money as long as it is."""
        doubt = self._doubts.get(line.id)
        if doubt is None or line.free is None or now < doubt.at:
            return
        try:
            await line.free()
        except Exception as error:  # a defect of ours must not stop the calls
            if not doubt.failures:
                log.warning(
                    "it is not known whether line %s is in a call that costs money; trying to end it: %s",
                    line.id,
                    error,
                    exc_info=None if isinstance(error, ChannelError) else error,
                )
            failures = doubt.failures + 1
            self._doubts[line.id] = _Doubt(failures, now + timedelta(seconds=_FREEING.after(failures) or 0))
        else:
            del self._doubts[line.id]

    def _dues(self) -> Iterator[Due]:
        for pending in self._pending:
            phone = pending.job.station.phone
            assert phone is not None, "the configuration demands a number here"
            yield Due(phone, pending.due, pending.meter)

    async def _call(self, line: Line, due: Due, now: datetime) -> None:
        jobs = sorted((job for job in self._pending if job.meter == due.meter and job.due <= now), key=lambda j: j.due)
        station = jobs[0].job.station
        self._ledger.begin(due.number)
        result, cost = CallResult.CANCELLED, False
        try:
            session = await self._acquisition.session(
                line,
                station,
                [pending.job.request for pending in jobs],
                go_on=lambda: self._ledger.open(line.id, self._clock()),
            )
            result = _result_of(session)
            cost = session.call is not None and paid(session.call)
        except ArchiveError as error:
            self._failed(jobs, error, None)
        except Exception as error:  # noqa: BLE001 - a defect of ours must not stop the other meters of the line
            text = f"meter {due.meter} on line {line.id}: defect in gatewayd: {error!r}"
            self._failed(jobs, ProtocolError(text), error)
        else:
            self._settle(line, jobs, session, result)
        finally:
            self._ledger.end(line.id, due.number, result, self._clock(), cost=cost)
        self._limit(line, due, cost=cost)
        if self._ledger.parked(line.id):
            self.parked[line.id] = str(jobs[0].fault)
            log.error("line %s is not used any more until gatewayd is restarted: %s", line.id, jobs[0].fault)

    def _limit(self, line: Line, due: Due, *, cost: bool) -> None:
        """Where paid calls to a number fail in a row, its jobs wait for their regular times."""
        if not self._ledger.given_up(due.number):
            self._given_up.discard(due.number)
            return
        if not cost:
            return
        if due.number not in self._given_up:
            self._given_up.add(due.number)
            log.warning(
                "meter %s on line %s: %d calls in a row to %s were paid for in vain; until one succeeds it is called "
                "at the regular times of its jobs only",
                due.meter,
                line.id,
                PAID_IN_VAIN,
                due.number.masked,
            )
        now = self._clock()
        for pending in self._pending:
            if pending.job.station.phone == due.number and pending.due <= now:
                pending.put_off(now, self._zone)

    def _failed(self, jobs: Sequence[Pending], fault: GatewayError, defect: Exception | None) -> None:
        """The session was ended by something of ours."""
        for pending in jobs:
            self._states.note(pending, fault, defect)
            pending.settle(fault, self._clock(), self._zone, _PAUSES)

    def _settle(self, line: Line, jobs: Sequence[Pending], session: Session, result: CallResult) -> None:
        if session.call is not None:
            self.calls[line.id] = session.call
            if session.call.dialled and not session.call.hung_up:
                self._doubts[line.id] = _Doubt(0, session.call.ended_at)
        now = self._clock()
        for pending, found in zip(jobs, session.results, strict=False):
            self._states.note(pending, found.fault)
            # Where the call itself has failed, the ledger says when the next one comes, and the job stays due.
            if found.fault is None or result in _NOT_FAILED:
                pending.settle(found.fault, now, self._zone, _PAUSES)
        last, rest = session.results[-1].fault, jobs[len(session.results) :]
        if result in _NOT_FAILED and unlikely_to_go_on(last):
            again = jobs[len(session.results) - 1]
            for pending in rest:  # goes along with what is tried again, and does not make a call of its own before
                if again.retries:
                    pending.due = again.due
                else:
                    pending.settle(None, now, self._zone, _PAUSES)


def _result_of(session: Session) -> CallResult:
    """What became of the call; the way to the modem may have failed before there was one."""
    if session.call is not None:
        lost_after_all = session.call.result is CallResult.LOST and not any(found.fault for found in session.results)
        return CallResult.DONE if lost_after_all else session.call.result
    fault = session.results[0].fault
    if isinstance(fault, LeftAlone):
        return CallResult.CANCELLED
    return CallResult.LINE_FAILED if isinstance(fault, ChannelError) else CallResult.DONE
