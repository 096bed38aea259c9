"""The worker of lines that call: one modem, or several that work off one queue.

Rules: one call to a meter serves everything that is due for it, back-fill included, as long as a session may take; who
may be called when is decided in calls.py, what is due in agenda.py; a job that could not be called stays due: late, and
not lost; no request begins outside the call windows, and one that has begun is finished. A modem that only
a person can help is told of once and left alone until a restart. A number to which paid calls fail in a row is called
at the regular times of its jobs only. A call that may still be up, left by a process that was killed or not hung up for
certain, is ended before anything else. A technician goes before everything, in the call windows. A modem is lent to him
alone, while the others call; outside the call windows and parked as well, because asking it costs nothing.
"""

import asyncio
import logging
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from gatewayd import worker
from gatewayd.acquire import SESSION_SECONDS, Acquisition, Session
from gatewayd.agenda import Choice
from gatewayd.asks import Ask, Asks
from gatewayd.breaker import Condition
from gatewayd.calls import PAID_IN_VAIN, Due, Ledger, paid
from gatewayd.channel.modem_options import BACK_OFF, CallRecord, CallResult
from gatewayd.dialling import PhoneNumber
from gatewayd.diary import Diary
from gatewayd.doubts import Doubts
from gatewayd.driver import Clock
from gatewayd.duties import Brought, Terms, end_of
from gatewayd.errors import ArchiveError, ChannelError, GatewayError, ProtocolError
from gatewayd.jobs import Job, Results, agenda_of, text_of
from gatewayd.legal_time import start_label
from gatewayd.live import LineState, Meters, UnderWay, Vital
from gatewayd.loans import Loan
from gatewayd.model import Order
from gatewayd.places import first_of
from gatewayd.pulse import Pulse
from gatewayd.refusals import LeftAlone
from gatewayd.station import Line
from gatewayd.talk import Progress, Result, unlikely_to_go_on
from gatewayd.turns import Spell
from gatewayd.worker import LONGEST_WAIT

_PAUSES = BACK_OFF[CallResult.LOST].seconds
"""Seconds before a meter that was reached and did not answer well is called again."""
_RETRIES = 3
"""Calls more, because each costs money; then the regular time."""
_ASKED_AGAIN = 1.0
"""Seconds between two looks whether a technician can be served whose meter is in a call."""
_NOT_FAILED = (CallResult.DONE, CallResult.CANCELLED)

log = logging.getLogger("gatewayd.call_worker")


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
        *,
        diary: Diary | None = None,
    ) -> None:
        self.name = name
        self.lines = tuple(lines)
        self.pulses = tuple(Pulse(f"modem {line.id}") for line in lines)
        self.calls: dict[str, CallRecord] = {}
        """The last call of each line."""
        self.parked: dict[str, str] = {}
        """Lines that wait for somebody to act, and why."""
        self._jobs = tuple(jobs)
        self._stations = {job.station.meter.id: job.station for job in jobs}
        self._acquisition = acquisition
        self._ledger = ledger
        self._clock = clock
        self._zone = zone
        self._diary = Diary() if diary is None else diary
        started = clock()
        terms = Terms(zone, pauses=_PAUSES, retries=_RETRIES)
        self._agenda = agenda_of(jobs, started, terms, self._diary, together=True)
        places = [job.station.meter.id for job in jobs]
        self._meters = Meters(name, places, last_success=acquisition.tally.last_success)
        self._doubts = Doubts(lines, started)
        self._given_up: set[PhoneNumber] = set()
        self._results = Results()
        self._asks = Asks()
        self._under_way: dict[str, UnderWay] = {}

    @property
    def faults(self) -> Mapping[str, str]:
        """Meters that cannot be read at present, and why."""
        return self._meters.faults

    def window(self, line: str) -> datetime:
        """When this modem may call, from now on, as far as its call windows go."""
        return self._ledger.window(line, self._clock())

    def in_doubt(self, line: str) -> bool:
        """Whether the modem may be in a call that nobody holds: ending it has not worked yet."""
        return self._doubts.failing(line)

    def vitals(self) -> list[Vital]:
        """Of all its meters; costs much less than `state`."""
        return self._meters.vitals()

    def state(self, *, meters: bool = True) -> LineState:
        """How the modems and their meters are doing, or only the modems; OPEN when all of them wait for somebody to
        act."""
        now = self._clock()
        queue, oldest = self._agenda.queue(now)
        parked = len(self.parked) == len(self.lines)
        return LineState(
            self.name,
            Condition.OPEN if parked else Condition.CLOSED,
            fault="; ".join(self.parked.values()),
            under_way=tuple(self._under_way.values()),
            queue=queue + len(self._asks),
            oldest=oldest,
            meters=self._meters.states(self._agenda.next_dues(now), self._agenda.left(), (), ()) if meters else (),
        )

    async def ask(self, meter: str, order: Order, on_progress: Progress | None = None) -> Result:
        """What a technician wants of a meter: a call of its own, next, and outside of all schedules. Cancelled, it is
        ended. Faults of line and meter come back in the result; GatewayError when it cannot be called now, which names
        the next call window, ArchiveError."""
        if meter not in self._stations:
            raise GatewayError(f"line {self.name} has no meter {meter}")
        refusal = self._refusal(self._clock())
        if refusal:
            raise GatewayError(f"meter {meter}: {refusal}")
        return await self._asks.ask(meter, order, on_progress)

    def _refusal(self, now: datetime) -> str:
        """Why no technician can be served at present; "" when he can."""
        able = [line.id for line in self.lines if not self._ledger.parked(line.id)]
        if not able:
            return "; ".join(self.parked.values())
        if any(self._ledger.open(line, now) for line in able):
            return ""
        window = min(self._ledger.window(line, now) for line in able)
        return f"no call now: the next call window of {self.name} opens at {start_label(window, self._zone)}"

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set; the calls that are under way then are finished or cancelled by the caller."""
        try:
            async with asyncio.TaskGroup() as group:
                for line, pulse in zip(self.lines, self.pulses, strict=True):
                    group.create_task(self._serve(line, stop, pulse), name=f"modem {line.id}")
        finally:
            for pulse in self.pulses:
                pulse.rest()
            self._asks.close(f"line {self.name} is not served any more: the gateway stops, or its line was changed")

    async def _serve(self, line: Line, stop: asyncio.Event, pulse: Pulse) -> None:
        while not stop.is_set() and self._jobs:
            now = self._looked()
            pulse.turn(asyncio.get_running_loop().time(), line.session_seconds or SESSION_SECONDS)
            await self._doubts.dispel(line, now)
            self._asks.stirred.clear()
            if refusal := self._refusal(now):
                self._asks.refuse(refusal)
            ask = self._asks.take(lambda one: self._can_serve(line, one, now))  # noqa: B023 - called at once
            if isinstance(ask, Loan):
                pulse.turn(asyncio.get_running_loop().time(), ask.seconds)
                await self._lend(line, ask, stop)
                continue
            if ask is not None:
                await self._answer(line, ask)
                continue
            choice = self._ledger.choose(line.id, self._dues(now), now)
            if isinstance(choice, Due):
                await self._call(line, choice, now, stop)
                continue
            # None: a number is being called by another modem, or a modem is parked.
            delay = LONGEST_WAIT if choice is None else (choice - now).total_seconds()
            most = _ASKED_AGAIN if self._asks else LONGEST_WAIT
            await first_of(worker.wait(stop, min(delay, most)), self._asks.stirred.wait())

    def _looked(self) -> datetime:
        now = self._clock()
        back = self._agenda.look(now)
        if back:
            log.warning(
                "line %s: the clock was set back by %s to %s: what is due is worked out anew", self.name, back, now
            )
        return now

    def _dues(self, now: datetime) -> Iterator[Due]:
        for job, pending in zip(self._jobs, self._agenda.pending, strict=True):
            assert job.station.phone is not None, "the configuration demands a number here"
            priority = pending.priority(pending.due, now) if pending.due <= now else 0
            yield Due(job.station.phone, pending.due, job.station.meter.id, priority)

    # -- calls ---------------------------------------------------------------------------------------------------------

    async def _call(self, line: Line, due: Due, now: datetime, stop: asyncio.Event) -> None:
        choice = self._agenda.due_for(due.meter, now)
        assert choice is not None, "the ledger has chosen what is due"
        jobs = [self._jobs[place] for place in choice.places]
        spell = Spell(now, line.session_seconds or SESSION_SECONDS)

        def go_on() -> bool:
            at = self._clock()
            waits = self._asks.waits_for(line.id)
            return not stop.is_set() and not waits and self._ledger.open(line.id, at) and spell.fits(at)

        self._ledger.begin(due.number)
        self._under_way[line.id] = UnderWay(due.meter, line.id, now)
        result, cost = CallResult.CANCELLED, False
        try:
            orders = [job.request for job in jobs]
            session = await self._acquisition.session(line, jobs[0].station, orders, go_on=go_on)
            result = _result_of(session)
            cost = session.call is not None and paid(session.call)
        except ArchiveError as error:
            self._failed(choice, error, None, now)
        except Exception as error:  # noqa: BLE001 - a defect of ours must not stop the other meters of the line
            text = f"meter {due.meter} on line {line.id}: defect in gatewayd: {error!r}"
            self._failed(choice, ProtocolError(text), error, now)
            self._agenda.hold_apart(due.meter)
        else:
            self._settle(line, choice, session, result, now)
        finally:
            del self._under_way[line.id]
            self._ledger.end(line.id, due.number, result, self._clock(), cost=cost)
        self._limit(line, due, cost=cost)
        if self._ledger.parked(line.id):
            self.parked[line.id] = self._meters.faults.get(due.meter, "")
            log.error("line %s is not used any more until gatewayd is restarted: %s", line.id, self.parked[line.id])

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
        late = [place for place, pending in enumerate(self._agenda.pending) if pending.due <= now]
        self._agenda.put_off([place for place in late if self._jobs[place].station.phone == due.number], now)

    def _failed(self, choice: Choice, fault: GatewayError, defect: Exception | None, started: datetime) -> None:
        """The session was ended by something of ours."""
        now = self._clock()
        for place in choice.places:
            self._note(place, fault, now, defect)
        self._agenda.settle(choice, [Brought(fault)] * len(choice.places), started, now, cut=False)

    def _settle(self, line: Line, choice: Choice, session: Session, result: CallResult, started: datetime) -> None:
        now, brought = self._clock(), self._results.brought(session.results)
        self._remember(line, session)
        called = session.call is not None or end_of(brought) is not None
        for place, one in zip(choice.places, brought, strict=False):
            if called:  # else there was nothing to ask for
                self._note(place, one.fault, now)
        if session.call is not None:
            sound = all(one.fault is None for one in brought)
            seconds = (now - started).total_seconds()
            self._meters.session(choice.meter, now, seconds, session.deviation, sound=sound)
        cut = unlikely_to_go_on(end_of(brought))
        if result not in _NOT_FAILED:
            # Where the call itself has failed, the ledger says when the next one comes, and the job stays due.
            done = [pair for pair in zip(choice.places, brought, strict=False) if pair[1].fault is None]
            choice = Choice(choice.meter, tuple(place for place, _ in done), choice.priority)
            brought, cut = [one for _, one in done], False
        for duty, mark in self._agenda.settle(choice, brought, started, now, cut=cut):
            self._diary.done(duty.meter, text_of(duty), mark)

    def _remember(self, line: Line, session: Session) -> None:
        if session.call is not None:
            self.calls[line.id] = session.call
            self._doubts.note(line, session.call)

    def _note(self, place: int, fault: GatewayError | None, now: datetime, defect: Exception | None = None) -> None:
        credentials = self._jobs[place].station.driver.credentials
        self._meters.note(place, fault, now, credentials=credentials, defect=defect)

    # -- technicians ---------------------------------------------------------------------------------------------------

    async def lend(self, loan: Loan) -> None:
        """One of the modems for a technician: next, and outside of all schedules. See Asks.lend."""
        await self._asks.lend(loan)

    async def _lend(self, line: Line, loan: Loan, stop: asyncio.Event) -> None:
        self._under_way[line.id] = UnderWay("", line.id, self._clock(), technician=True, lent=loan.what)
        try:
            await loan.serve(stop)
        finally:
            del self._under_way[line.id]
            if not loan.settled:
                self._doubts.suspect(line, self._clock())

    def _can_serve(self, line: Line, ask: Ask | Loan, now: datetime) -> bool:
        if isinstance(ask, Loan):
            return ask.line == line.id
        phone = self._stations[ask.meter].phone
        assert phone is not None, "the configuration demands a number here"
        return self._ledger.open(line.id, now) and not self._ledger.parked(line.id) and not self._ledger.calling(phone)

    async def _answer(self, line: Line, ask: Ask) -> None:
        """A technician's call. Of what it brings only good news count."""
        station, sessions = self._stations[ask.meter], list[Session]()
        assert station.phone is not None, "the configuration demands a number here"

        async def session() -> Result:
            sessions.append(await self._acquisition.session(line, station, (ask.order,), ask.on_progress))
            return sessions[0].results[0]

        result: CallResult = CallResult.CANCELLED
        self._ledger.begin(station.phone)
        self._under_way[line.id] = UnderWay(ask.meter, line.id, self._clock(), technician=True)
        try:
            found = await self._asks.serve(ask, session())
            if found is not None:
                self._remember(line, sessions[0])
                self._meters.seen(ask.meter, sessions[0].deviation)
                result = CallResult.CANCELLED if found.fault is not None else _result_of(sessions[0])
        finally:
            del self._under_way[line.id]
            self._ledger.end(line.id, station.phone, result, self._clock())


def _result_of(session: Session) -> CallResult:
    """What became of the call; the way to the modem may have failed before there was one."""
    if session.call is not None:
        lost_after_all = session.call.result is CallResult.LOST and not any(found.fault for found in session.results)
        return CallResult.DONE if lost_after_all else session.call.result
    fault = next((found.fault for found in session.results if found.asked), None)
    if fault is None or isinstance(fault, LeftAlone):
        return CallResult.CANCELLED  # nobody was called
    return CallResult.LINE_FAILED if isinstance(fault, ChannelError) else CallResult.DONE
