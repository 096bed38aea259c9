"""The worker of a line: one session at a time, and what comes of it.

Rules: what comes next is decided in agenda.py, and whether a line that fails is tried in breaker.py; a technician goes
before everything, save that what is due by the schedule has a turn between two of them, and what he does changes no
schedule, also where he has the line to himself for a while. A fault of one meter costs its own slot and nobody else's;
a refusal is not retried. A session that may go on for long yields, between two requests, to what goes before it. Lines
that call have a worker of their own: call_worker.py.
"""

import asyncio
import logging
import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from gatewayd.acquire import SESSION_SECONDS, Acquisition, Session
from gatewayd.agenda import Choice
from gatewayd.asks import Ask, Asks
from gatewayd.breaker import Breaker
from gatewayd.channel import Channel
from gatewayd.diary import Diary
from gatewayd.driver import Clock
from gatewayd.duties import Brought, Priority, Terms, end_of
from gatewayd.errors import ArchiveError, ChannelError, GatewayError, ProtocolError
from gatewayd.jobs import Job, Results, agenda_of, text_of
from gatewayd.live import LineState, Meters, UnderWay, Vital
from gatewayd.loans import Loan
from gatewayd.model import LoadProfile, Order
from gatewayd.places import Place, first_of
from gatewayd.pulse import Pulse
from gatewayd.schedule import next_due
from gatewayd.station import Line, OnCall, Station
from gatewayd.talk import Progress, Result, unlikely_to_go_on
from gatewayd.turns import Spell

__all__ = ["LONGEST_WAIT", "Job", "LineWorker", "wait"]

LONGEST_WAIT = 30.0
"""Seconds: not longer at once, because the wall clock may be set meanwhile."""

log = logging.getLogger("gatewayd.worker")


class LineWorker:
    """Works off the jobs of one line. With `slots` a session needs one of so many places, which it shares with those of
    other lines. `beside` are meters of the line without jobs: a technician may ask them."""

    def __init__(
        self,
        line: Line,
        jobs: Sequence[Job],
        acquisition: Acquisition,
        clock: Clock,
        zone: ZoneInfo,
        jitter: random.Random,
        *,
        slots: asyncio.Semaphore | None = None,
        diary: Diary | None = None,
        spread: timedelta = timedelta(0),
        beside: Sequence[Station] = (),
    ) -> None:
        self.line = line
        self.pulses = (Pulse(f"line {line.id}"),)
        self._jobs = tuple(jobs)
        self._stations = {station.meter.id: station for station in (*(job.station for job in jobs), *beside)}
        self._acquisition = acquisition
        self._clock = clock
        self._place = Place(slots, line.id)
        self._diary = Diary() if diary is None else diary
        self._zone = zone
        self._agenda = agenda_of(jobs, clock(), Terms(zone, jitter.random, spread), self._diary)
        self._breaker = Breaker(len({job.station.meter.id for job in jobs}), jitter.random)
        places = [job.station.meter.id for job in jobs]
        self._meters = Meters(line.id, places, self._stations, acquisition.tally.last_success)
        self._results = Results()
        self._asks = Asks()
        self._under_way: UnderWay | None = None
        self._watched = replace(line, open=self._open)
        self._tried = False
        self._answered = False
        """The last turn was a technician's."""
        self._line_fault = ""

    @property
    def name(self) -> str:
        return self.line.id

    @property
    def faults(self) -> Mapping[str, str]:
        """Meters that cannot be read at present, and why."""
        return self._meters.faults

    def vitals(self) -> list[Vital]:
        """Of all its meters; costs much less than `state`."""
        return self._meters.vitals()

    def state(self, *, meters: bool = True) -> LineState:
        """How the line and its meters are doing."""
        now = self._clock()
        condition = self._breaker.condition(now)
        queue, oldest = self._agenda.queue(now)
        silences = self._agenda.silences
        return LineState(
            self.line.id,
            condition,
            self._breaker.ready(now) if self._breaker.is_open else None,
            self._line_fault if self._breaker.is_open else "",
            () if self._under_way is None else (self._under_way,),
            queue + len(self._asks),
            oldest,
            self._meters.states(
                self._agenda.next_dues(now),
                self._agenda.left(),
                filter(silences.silent, self._stations),
                filter(silences.dead, self._stations),
            )
            if meters
            else (),
        )

    async def ask(self, meter: str, order: Order, on_progress: Progress | None = None) -> Result:
        """What a technician wants of a meter: next, and outside of all schedules. Cancelled, the session is ended.
        Faults of line and meter come back in the result; GatewayError when it cannot be asked, ArchiveError."""
        if meter not in self._stations:
            raise GatewayError(f"line {self.line.id} has no meter {meter}")
        return await self._asks.ask(meter, order, on_progress)

    async def lend(self, loan: Loan) -> None:
        """The line for a technician: next, and outside of all schedules. See Asks.lend."""
        await self._asks.lend(loan)

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set; the session that is under way then is finished or cancelled by the caller."""
        try:
            while not stop.is_set() and self._stations:
                await self._turn(stop)
        finally:
            self.pulses[0].rest()
            self._asks.close(f"line {self.line.id} is not served any more: the gateway stops, or its line was changed")
            self._place.close()

    async def _turn(self, stop: asyncio.Event) -> None:
        """One session, or a wait for one."""
        self._asks.stirred.clear()
        now = self._looked()
        choice, at = self._next(now)
        waits = at is None or at > now
        # Between two technicians what is due by the schedule gets a turn: one may ask again and again.
        owed = self._answered and not waits and choice is not None and choice.priority <= Priority.SCHEDULED
        ask = None if owed else self._asks.take()
        if self._asks:
            self._asks.stirred.set()  # whoever is left waits for no place
        if isinstance(ask, Loan):
            self._answered = True
            self._turns(ask.seconds)
            self._under_way = UnderWay("", self.line.id, now, technician=True, lent=ask.what)
            try:
                await ask.serve(stop)
            finally:
                self._under_way = None
        elif ask is not None:
            self._answered = True
            self._turns(self.line.session_seconds or SESSION_SECONDS)
            await self._answer(ask)
        elif waits:
            seconds = LONGEST_WAIT if at is None else min((at - now).total_seconds(), LONGEST_WAIT)
            self._turns(LONGEST_WAIT)
            await first_of(wait(stop, seconds), self._asks.stirred.wait())
        elif await self._placed(stop):
            try:
                self._turns(self.line.session_seconds or SESSION_SECONDS)
                now = self._looked()  # it may have taken long
                if (choice := self._agenda.choose(now, self._breaker.turn)) is not None:
                    self._answered = False
                    await self._work(choice, now, stop)
            finally:
                self._place.release()
        else:
            self._answered = False  # who waits for a place is in nobody's way

    def _turns(self, seconds: float) -> None:
        self.pulses[0].turn(asyncio.get_running_loop().time(), seconds)

    async def _placed(self, stop: asyncio.Event) -> bool:
        """Wait for a place, for as long as others need theirs; False when something else comes first."""
        self.pulses[0].rest()
        return await self._place.taken(stop.wait(), self._asks.stirred.wait())

    def _next(self, now: datetime) -> tuple[Choice | None, datetime | None]:
        """What comes next, and from when on; None and when to look again, where nothing is due."""
        choice = self._agenda.choose(now, self._breaker.turn)
        if choice is None:
            return None, self._agenda.next_at(now)
        at = self._breaker.ready(now, choice.meter)
        if at > now and choice.meter in self._breaker.failing:
            fresh = self._agenda.next_at(now, self._breaker.failing)
            at = at if fresh is None else min(at, fresh)
        return choice, at

    def _looked(self) -> datetime:
        now = self._clock()
        back = self._agenda.look(now)
        if back:
            log.warning(
                "line %s: the clock was set back by %s to %s: what is due is worked out anew", self.line.id, back, now
            )
        return now

    # -- sessions ------------------------------------------------------------------------------------------------------

    async def _open(self, station: Station, on_call: OnCall) -> Channel:
        self._tried = True
        return await self.line.open(station, on_call)

    async def _work(self, choice: Choice, started: datetime, stop: asyncio.Event) -> None:
        jobs = [self._jobs[place] for place in choice.places]
        most = self.line.session_seconds or SESSION_SECONDS
        seconds = self._agenda.seconds(choice.meter, started)
        limit = None if seconds is None else min(seconds, most)
        again = [job for job in jobs if not isinstance(job.request, LoadProfile)]
        spell, single = Spell(started, limit or most), len(again)
        asked = 0

        def go_on() -> bool:
            nonlocal asked
            asked += 1
            now = self._clock()
            if stop.is_set() or self._asks or not spell.fits(now):
                return False
            if asked > single and any(next_due(job.rhythm, started, self._zone) <= now for job in again):
                return False
            # What comes behind the first piece of a profile can wait for everything else that is due.
            than = max(choice.priority, Priority.SCHEDULED) if asked <= single else Priority.BACKFILL
            return not self._agenda.pressing(choice, than, now)

        self._tried = False
        self._under_way = UnderWay(choice.meter, self.line.id, started)
        session, defect = None, None
        try:
            session = await self._acquisition.session(
                self._watched, jobs[0].station, [job.request for job in jobs], go_on=go_on, seconds=limit
            )
            brought = self._results.brought(session.results)
        except ArchiveError as error:
            brought = [Brought(error)] * len(jobs)
        except Exception as error:  # noqa: BLE001 - a defect of ours must not stop the other meters of the line
            defect = error
            text = f"meter {choice.meter} on line {self.line.id}: defect in gatewayd: {error!r}"
            brought = [Brought(ProtocolError(text))] * len(jobs)
            self._agenda.hold_apart(choice.meter)
        finally:
            self._under_way = None
        self._judge(choice, brought, session, started, defect)

    def _judge(
        self,
        choice: Choice,
        brought: Sequence[Brought],
        session: Session | None,
        started: datetime,
        defect: Exception | None,
    ) -> None:
        """What follows from a session for its line, its meter and its jobs."""
        now, fault, asked = self._clock(), end_of(brought), [one for one in brought if one.asked]
        line_failed = self._tried and isinstance(fault, ChannelError) and len(asked) == 1 and not asked[0].answered
        opened = line_failed and self._breaker.failed(choice.meter, now)
        if self._tried and session is not None:
            if not line_failed:
                self._line_works()
            sound = all(one.fault is None for one in brought)
            seconds = (now - started).total_seconds()
            self._meters.session(choice.meter, now, seconds, session.deviation, sound=sound)
        for place, one in zip(choice.places, brought, strict=False):
            if one.fault is not None or self._tried:  # else there was nothing to ask for
                credentials = self._jobs[place].station.driver.credentials
                quiet = line_failed and self._breaker.failures > 1
                self._meters.note(place, one.fault, now, credentials=credentials, defect=defect, quiet=quiet)
        if line_failed:
            self._line_fault = str(fault)
            if opened:
                self._meters.told_by_the_line()
                log.warning(
                    "line %s: %d attempts in a row have failed, the last one: %s; it is tried after longer and longer "
                    "pauses until a meter answers",
                    self.line.id,
                    self._breaker.failures,
                    fault,
                )
        if not (line_failed and self._breaker.is_open):  # else its jobs stay due: late, and not lost
            cut = unlikely_to_go_on(fault)
            for duty, mark in self._agenda.settle(choice, brought, started, now, cut=cut):
                self._diary.done(duty.meter, text_of(duty), mark)
        if self._tried and session is not None:
            self._agenda.heed(choice, brought, started, now)

    def _line_works(self) -> None:
        failures = self._breaker.answered()
        if failures:
            log.info("line %s works again; %d attempts had failed", self.line.id, failures)

    async def _answer(self, ask: Ask) -> None:
        """A technician's session. Of what it brings only good news count."""
        started = self._clock()
        sessions: list[Session] = []

        async def session() -> Result:
            station = self._stations[ask.meter]
            sessions.append(await self._acquisition.session(self._watched, station, (ask.order,), ask.on_progress))
            return sessions[0].results[0]

        self._tried = False
        self._under_way = UnderWay(ask.meter, self.line.id, started, technician=True)
        try:
            result = await self._asks.serve(ask, session())
        finally:
            self._under_way = None
        if result is None or not self._tried or isinstance(result.fault, ChannelError):
            return
        self._line_works()
        if result.fault is None:
            now = self._clock()
            self._agenda.welcome(ask.meter, now)
            self._meters.seen(ask.meter, sessions[0].deviation)


async def wait(stop: asyncio.Event, seconds: float) -> None:
    """Until the time has passed or `stop` is set."""
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return
