"""One session with one meter: line -> channel -> driver -> exchange and readings -> archive.

Rules: whatever a session received is archived, however it ended, cancelled included; the readings of an answer are
archived before anybody else sees them; a fault of line or meter is a result, not an exception; a meter that has refused
its credentials is sent nothing until they change (refusals.py). What a call has cost is archived with its result, and
what a driver does to a meter before it does it. Increments are made here of the registers that a driver has read, and
archived beside them.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from gatewayd import deed_log
from gatewayd.alarms import Alarms
from gatewayd.alarms import audit_of as alarm_audit
from gatewayd.archive.store import Store
from gatewayd.boundary import Draft, Tracks
from gatewayd.call_log import audit_of, log_line
from gatewayd.channel import Channel
from gatewayd.channel.modem_options import CallRecord
from gatewayd.channel.recorder import RecordingChannel
from gatewayd.dialling import PhoneNumber
from gatewayd.driver import Clock, Driver
from gatewayd.errors import (
    ArchiveError,
    ChannelError,
    GatewayError,
    MeterRefused,
    MeterSilent,
    SessionDeadline,
)
from gatewayd.exchange_notes import Notes
from gatewayd.model import Answer, Archived, Increments, Listen, Meter, MeterObject, Order, Outcome, Request
from gatewayd.refusals import Login, Refusals, Sim
from gatewayd.verdicts import checked_serial, fault_of, outcome_of

SESSION_SECONDS = 900.0

log = logging.getLogger("gatewayd.acquire")


@dataclass(frozen=True, slots=True)
class Station:
    """A meter with the driver that speaks to it, its number where it is called, and the address or name of the host
    from which it calls, "" where that may be anybody."""

    meter: Meter
    driver: Driver
    phone: PhoneNumber | None = None
    peer: str = ""


OnCall = Callable[[CallRecord], None]
"""Gets the record of every attempt to call, once, after the hang-up."""


@dataclass(frozen=True, slots=True)
class Line:
    """An exclusive communication resource and how to open it for a station. `open` raises ChannelError.

    A line that `calls` costs money while it is open: `open` calls the station's number and tells what that has cost.
    `session_seconds` is the longest session on it, None: that of the acquisition. `free` ends a call that a process
    before this one has left, or that could not be hung up on; ChannelError.
    """

    id: str
    open: Callable[[Station, OnCall], Awaitable[Channel]]
    calls: bool = False
    session_seconds: float | None = None
    sim: Sim | None = None
    free: Callable[[], Awaitable[None]] | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """What a request brought; the readings of a Listen are only in the archive. `fault` is None when every exchange was
    sound and complete."""

    meter: str
    readings: tuple[Archived, ...]
    fault: GatewayError | None
    objects: tuple[MeterObject, ...] = ()
    """What a Scan has found; that is not archived."""
    remarks: tuple[str, ...] = ()
    """What the driver had to say of its exchanges, in order; the archive has it with them."""


@dataclass(frozen=True, slots=True)
class Session:
    """What a session brought: a result for each request that was tried, in order; and the call, where there was one."""

    results: tuple[Result, ...]
    call: CallRecord | None = None


Progress = Callable[[RecordingChannel], None]


def _always() -> bool:
    return True


class Acquisition:
    """Runs sessions: line -> channel -> driver -> exchange and readings -> archive."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        zone: ZoneInfo,
        session_seconds: float = SESSION_SECONDS,
        steady: Callable[[], float] | None = None,
    ) -> None:
        """`steady` is a clock in seconds that nobody sets: it tells when the other one was set."""
        self._store = store
        self._tracks = Tracks(store.folder, clock, zone, steady)
        self._clock = clock
        self._zone = zone
        self._session_seconds = session_seconds
        self.alarms = Alarms()
        self._refusals = Refusals(store, clock)

    async def run(self, line: Line, station: Station, order: Order, on_progress: Progress | None = None) -> Result:
        """A session with one request. Faults of line and meter come back in the result; ArchiveError is raised."""
        (result,) = (await self.session(line, station, (order,), on_progress)).results
        return result

    async def session(
        self,
        line: Line,
        station: Station,
        orders: Sequence[Order],
        on_progress: Progress | None = None,
        go_on: Callable[[], bool] = _always,
    ) -> Session:
        """One session with all orders (at least one), one after the other, each archived as its own exchange.

        The rest is not tried when the line has failed, the meter is silent or refuses, or `go_on` says no. Faults of
        line and meter come back in the results; ArchiveError is raised.
        """
        credentials = station.driver.credentials
        standing = await self._refusals.standing(station.meter.id, line.id, credentials)
        if standing is not None:
            return Session((Result(station.meter.id, (), standing),))
        if line.sim is not None:
            await self._refusals.heed(line.id, line.sim)
        calls: list[CallRecord] = []

        def on_call(record: CallRecord) -> None:
            calls.append(record)
            self._store.submit(audit_of(record, station.meter.id))
            log.log(*log_line(record, station.meter.id))

        login = self._refusals.watch(station.meter.id, credentials)
        talk = _Talk(self._store, self._tracks, self._clock, self._zone, line, station, orders[0], login, self.alarms)
        try:
            await talk.hold(orders, on_call, on_progress, go_on, line.session_seconds or self._session_seconds)
        finally:
            if line.sim is not None:
                await self._refusals.judge(line.id, line.sim)
        if not isinstance(talk.results[-1].fault, MeterRefused | SessionDeadline):  # a deadline may cut in anywhere
            await login.harmless()
        return Session(tuple(talk.results), calls[0] if calls else None)


class _Talk:
    """One session under way: the request that is being asked, what it has brought, and the results before it."""

    def __init__(
        self,
        store: Store,
        tracks: Tracks,
        clock: Clock,
        zone: ZoneInfo,
        line: Line,
        station: Station,
        order: Order,
        login: Login,
        alarms: Alarms,
    ) -> None:
        self.results: list[Result] = []
        self._alarms = alarms
        self._store = store
        self._tracks = tracks
        self._clock = clock
        self._line = line
        self._station = station
        self._login = login
        self._order = order
        self._notes = Notes(station.meter, line.id, self._request, clock, zone)
        self._asking = True
        self._archived: list[Archived] = []
        self._objects: tuple[MeterObject, ...] = ()
        self._remarks: tuple[str, ...] = ()
        self._heard: tuple[str, ...] = ()  # alarms of this request
        self._fault: GatewayError | None = None

    @property
    def _request(self) -> Request:
        """What the driver is asked for."""
        return self._order.asked if isinstance(self._order, Increments) else self._order

    async def hold(
        self,
        orders: Sequence[Order],
        on_call: OnCall,
        on_progress: Progress | None,
        go_on: Callable[[], bool],
        seconds: float,
    ) -> None:
        """From opening the line to closing it."""
        try:
            async with asyncio.timeout(seconds):
                await self._converse(orders, on_call, on_progress, go_on)
        except TimeoutError:
            if self._asking:
                await self._finished(
                    SessionDeadline(
                        f"meter {self._station.meter.id} on line {self._line.id} was not finished after {seconds:.0f} s"
                    )
                )
        except ArchiveError:
            raise
        except GatewayError as error:
            await self._finished(error)
        except asyncio.CancelledError:
            if self._asking:
                self._store.submit(self._notes.ended(Outcome.CANCELLED, "cancelled"))
            raise
        except Exception as error:  # a defect of ours is passed on; what the meter sent is kept all the same
            await self._store.append(self._notes.ended(Outcome.PROTOCOL_ERROR, f"defect in gatewayd: {error!r}"))
            raise

    async def _converse(
        self,
        orders: Sequence[Order],
        on_call: OnCall,
        on_progress: Progress | None,
        go_on: Callable[[], bool],
    ) -> None:
        channel = RecordingChannel(await self._opened(on_call), self._login)
        self._notes.channel = channel
        if on_progress is not None:
            on_progress(channel)
        try:
            for order in orders:
                if self.results and (unlikely_to_go_on(self.results[-1].fault) or not go_on()):
                    return
                if self.results:
                    self._begin(order)
                await self._ask(channel)
        finally:
            await channel.close()

    async def _opened(self, on_call: OnCall) -> Channel:
        try:
            return await self._line.open(self._station, on_call)
        except ChannelError as error:
            raise type(error)(f"meter {self._station.meter.id}: {error}") from error

    def _begin(self, order: Order) -> None:
        self._order = order
        self._notes.begin(self._request)
        self._asking, self._archived, self._objects, self._remarks, self._fault = True, [], (), (), None
        self._heard = ()

    async def _ask(self, channel: Channel) -> None:
        station, request = self._station, self._request
        try:
            if isinstance(self._order, Increments):
                await self._tracks.load(station.meter, self._order)
            async with aclosing(station.driver.execute(channel, request)) as answers:
                async for answer in answers:
                    fault = fault_of(station.meter, self._line.id, request, answer)
                    await self._remember(fault)
                    archived = await self._archive(answer)
                    if not isinstance(request, Listen):  # that may go on for years
                        self._archived += archived
                        self._remarks += (answer.detail,) if answer.detail else ()
                    self._objects += answer.objects
                    if self._fault is None or isinstance(fault, MeterRefused):
                        self._fault = fault
        except ArchiveError:
            raise
        except GatewayError as error:
            await self._finished(error)
        else:
            await self._finished(None)

    async def _archive(self, answer: Answer) -> tuple[Archived, ...]:
        """Returns when the answer and its deeds are on the disk: only then may the driver go on and do them."""
        meter, line = self._station.meter.id, self._line.id
        deeds = [self._store.submit(deed_log.audit_of(deed, meter, line, self._clock())) for deed in answer.deeds]
        draft = Draft()
        if isinstance(self._order, Increments):
            readings = checked_serial(self._station.meter, answer)
            draft = self._tracks.draft(self._station.meter, self._order, readings, answer.serials)
        archived = await self._store.append(self._notes.answered(answer, draft.readings))
        self._tracks.keep(draft)
        self._tell(self._alarms.raised(meter, answer.alarms), "raised")
        self._heard += answer.alarms
        for receipt in deeds:
            await asyncio.wrap_future(receipt)
        return archived

    def _tell(self, alarms: Sequence[str], result: str) -> None:
        meter = self._station.meter.id
        for text in alarms:
            level = logging.WARNING if result == "raised" else logging.INFO
            log.log(level, "meter %s on line %s: alarm %s: %s", meter, self._line.id, result, text)
            self._store.submit(alarm_audit(meter, text, result, self._clock()))

    async def _finished(self, end: GatewayError | None) -> None:
        """The request is over: archive what no exchange tells of yet, and put down the result."""
        await self._remember(end)
        if end is not None:
            await self._store.append(self._notes.ended(outcome_of(end), str(end)))
        elif self._notes.waiting:
            await self._store.append(self._notes.ended(Outcome.DONE, "after the last answer"))
        # A refusal must not hide behind an earlier, smaller fault: it is what decides whether the session is repeated.
        if self._fault is None or isinstance(end, MeterRefused | SessionDeadline):
            self._fault = end
        if self._fault is None:
            self._tell(self._alarms.over(self._station.meter.id, self._heard), "over")
        self.results.append(
            Result(self._station.meter.id, tuple(self._archived), self._fault, self._objects, self._remarks)
        )
        self._asking = False

    async def _remember(self, fault: GatewayError | None) -> None:
        """A refusal comes before the archive, which may be full, and before hanging up, which may be cancelled."""
        if isinstance(fault, MeterRefused):
            await self._login.refused(fault)


def unlikely_to_go_on(fault: GatewayError | None) -> bool:
    """Whether the next request of the session would only fail as well."""
    return isinstance(fault, ChannelError | MeterSilent | MeterRefused | SessionDeadline)
