"""One session under way: the requests of its orders one after the other, each answer examined, sifted and archived.

Rules: whatever was received is archived, however the session ends, cancelled included; the readings of an answer are
archived before anybody else sees them, and what a driver does to a meter before it does it. A profile that is kept
complete is asked for piece by piece, as long as there is time and nobody else waits.
"""

import asyncio
import logging
import math
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import aclosing
from dataclasses import dataclass
from datetime import timedelta
from zoneinfo import ZoneInfo

from gatewayd import deed_log
from gatewayd.alarms import Alarms
from gatewayd.alarms import audit_of as alarm_audit
from gatewayd.archive.records import Bundle, Entry, Receipt
from gatewayd.archive.store import Store
from gatewayd.boundary import Draft, Tracks
from gatewayd.channel import Channel
from gatewayd.channel.recorder import RecordingChannel
from gatewayd.driver import Clock
from gatewayd.errors import ArchiveError, ChannelError, GatewayError, MeterRefused, MeterSilent, SessionDeadline
from gatewayd.examine import Examined, Sitting
from gatewayd.exchange_notes import Notes, routed
from gatewayd.model import (
    Answer,
    Archived,
    Increments,
    Listen,
    LoadProfile,
    MeterObject,
    Order,
    Outcome,
    Profile,
    Reading,
    Request,
)
from gatewayd.model import Clock as ClockRequest
from gatewayd.refusals import Login
from gatewayd.station import Line, OnCall, Station
from gatewayd.upkeep import Upkeep
from gatewayd.verdicts import fault_of, outcome_of

FILL_SECONDS = 60.0
"""How long a session goes on asking for what is missing of a profile; the rest is for the next one."""
_AHEAD = 16
"""Pieces of a profile that may be on their way to the disk: a group of commits takes a quarter of a second."""
_BEHIND = "after the last answer"
_FAULTS = 2
"""Pieces of a profile that may fail in one session."""

log = logging.getLogger("gatewayd.acquire")

Progress = Callable[[RecordingChannel], None]


@dataclass(frozen=True, slots=True)
class Result:
    """What an order brought; the readings of a Listen are only in the archive. `fault` is None when every exchange was
    sound and complete."""

    meter: str
    readings: tuple[Archived, ...]
    fault: GatewayError | None
    objects: tuple[MeterObject, ...] = ()
    """What a Scan has found; that is not archived."""
    remarks: tuple[str, ...] = ()
    """What the driver had to say of its exchanges, in order; the archive has it with them."""
    left: int = 0
    """Of a LoadProfile: how many pieces of time are still to be asked for."""
    asked: bool = True
    """False for a LoadProfile of which nothing was to be asked for."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What all sessions share."""

    store: Store
    tracks: Tracks
    upkeep: Upkeep
    alarms: Alarms
    clock: Clock
    zone: ZoneInfo


@dataclass(frozen=True, slots=True)
class _Written:
    """An answer on its way to the disk: its record, what the archive will say, and what holds when it has said it."""

    entry: Entry | Bundle
    receipt: "asyncio.Future[Receipt]"
    deeds: tuple["Future[Receipt]", ...]
    sifted: tuple[Reading | Archived, ...]
    draft: Draft
    examined: Examined


class Talk:
    """One session: the request that is being asked, what it has brought, and the results before it."""

    def __init__(
        self, tools: Tools, line: Line, station: Station, order: Order, login: Login, sitting: Sitting
    ) -> None:
        self.results: list[Result] = []
        self._tools = tools
        self._line = line
        self._station = station
        self._login = login
        self._sitting = sitting
        self._written: list[_Written] = []
        self._rests: list[asyncio.Future[Receipt]] = []
        self._notes = Notes(station.meter, line.id, self._first_request(order), tools.clock, tools.zone)
        self._begin(order, first=True)

    def _first_request(self, order: Order) -> Request:
        """What the driver is asked for first."""
        if isinstance(order, LoadProfile):
            pieces = self._tools.upkeep.pieces(self._station.meter, order)
            assert pieces, "an order with nothing to ask for is not begun"
            return pieces[0]
        return order.asked if isinstance(order, Increments) else order

    async def hold(
        self,
        orders: Sequence[Order],
        on_call: OnCall,
        on_progress: Progress | None,
        go_on: Callable[[], bool],
        seconds: float,
        set_clock: Callable[[timedelta | None], bool],
    ) -> None:
        """From opening the line to closing it. `set_clock` says whether a clock that is so far off is put right."""
        try:
            async with asyncio.timeout(seconds):
                await self._converse(orders, on_call, on_progress, go_on, set_clock)
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
                self._tools.store.submit(self._notes.ended(Outcome.CANCELLED, "cancelled"))
            raise
        except Exception as error:  # a defect of ours is passed on; what the meter sent is kept all the same
            await self._tools.store.append(self._notes.ended(Outcome.PROTOCOL_ERROR, f"defect in gatewayd: {error!r}"))
            raise

    async def _converse(
        self,
        orders: Sequence[Order],
        on_call: OnCall,
        on_progress: Progress | None,
        go_on: Callable[[], bool],
        set_clock: Callable[[timedelta | None], bool],
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
                await self._ask(channel, go_on)
            if not unlikely_to_go_on(self.results[-1].fault) and set_clock(self._sitting.deviation):
                self._begin(ClockRequest(set=True))
                await self._ask(channel, go_on)
                self.results.pop()  # nobody has asked for it; what became of it is in the audit log
        finally:
            await channel.close()

    async def _opened(self, on_call: OnCall) -> Channel:
        try:
            return await self._line.open(self._station, on_call)
        except ChannelError as error:
            raise type(error)(f"meter {self._station.meter.id}: {error}") from error

    def _begin(self, order: Order, *, first: bool = False) -> None:
        if not first:
            self._notes.begin(self._first_request(order))
        self._order = order
        self._asking = True
        self._archived: list[Archived] = []
        self._objects: tuple[MeterObject, ...] = ()
        self._remarks: tuple[str, ...] = ()
        self._heard: tuple[str, ...] = ()  # alarms of this order
        self._fault: GatewayError | None = None
        self._left = 0

    async def _ask(self, channel: RecordingChannel, go_on: Callable[[], bool]) -> None:
        order = self._order
        try:
            if isinstance(order, LoadProfile):
                await self._complete(channel, order, go_on)
            elif isinstance(order, Increments):
                await self._tools.tracks.load(self._station.meter, order)
                await self._request(channel, order.asked)
            else:
                await self._request(channel, order)
        except ArchiveError:
            raise
        except GatewayError as error:
            await self._finished(error)
        else:
            await self._finished(None)

    async def _request(self, channel: RecordingChannel, request: Request) -> GatewayError | None:
        """One request to the driver, to its end: what an answer of it was not as it should be."""
        found: GatewayError | None = None
        listens = isinstance(request, Listen)  # that may go on for years
        ahead = _AHEAD if isinstance(request, Profile) else 1
        try:
            async with aclosing(self._station.driver.execute(channel, request)) as answers:
                async for answer in answers:
                    fault = fault_of(self._station.meter, self._line.id, request, answer)
                    await self._remember(fault)
                    await self._archive(answer)
                    if answer.deeds or len(self._written) >= ahead:
                        await self._settled(keep=not listens)
                    if not listens:
                        self._remarks += (answer.detail,) if answer.detail else ()
                    self._objects += answer.objects
                    if found is None or isinstance(fault, MeterRefused):
                        found = fault
        except GatewayError:
            await self._settled(keep=not listens)
            raise
        if self._notes.waiting:
            self._rests.append(self._tools.store.queued(self._notes.ended(Outcome.DONE, _BEHIND)))
        await self._settled(keep=not listens)
        if self._fault is None or isinstance(found, MeterRefused):
            self._fault = found
        return found

    async def _complete(self, channel: RecordingChannel, order: LoadProfile, go_on: Callable[[], bool]) -> None:
        """What is new and what is missing of a profile, piece by piece, the newest first."""
        meter, upkeep = self._station.meter, self._tools.upkeep
        fill, failed = math.inf if self._line.calls else FILL_SECONDS, 0  # who is called is called for all of it
        until = asyncio.get_running_loop().time() + fill
        asked: set[Profile] = set()
        while pieces := upkeep.pieces(meter, order):
            piece = pieces[0]
            late = asyncio.get_running_loop().time() > until
            if asked and (late or not go_on() or piece in asked or failed >= _FAULTS):
                break
            if asked:
                self._notes.begin(piece)
            asked.add(piece)
            try:
                fault = await self._request(channel, piece)
            except ArchiveError:
                raise
            except GatewayError as error:
                upkeep.answered(meter, order, piece, error)
                if unlikely_to_go_on(error):
                    raise
                await self._tools.store.append(self._notes.ended(outcome_of(error), str(error)))
                self._fault = self._fault or error
                fault = error
            else:
                upkeep.answered(meter, order, piece, fault, evidence=self._sitting.evidence)
            failed += fault is not None
        self._left = len(upkeep.pieces(meter, order))

    async def _archive(self, answer: Answer) -> None:
        """Hand the answer and its deeds to the archive, which writes them in this order."""
        tools, meter, line = self._tools, self._station.meter.id, self._line.id
        deeds = [tools.store.submit(deed_log.audit_of(deed, meter, line, tools.clock())) for deed in answer.deeds]
        answer = routed(self._station.meter, answer)
        await self._sitting.ready(answer)
        examined = self._sitting.look(answer)
        draft = Draft()
        if isinstance(self._order, Increments):
            draft = tools.tracks.draft(self._station.meter, self._order, examined.readings, answer.serials)
        sifted = await tools.upkeep.sift(self._station.meter, (*examined.readings, *draft.readings), self._order)
        new = tuple(one for one in sifted if isinstance(one, Reading))
        entry = self._notes.answered(answer, new)
        self._written.append(_Written(entry, tools.store.queued(entry), tuple(deeds), sifted, draft, examined))

    async def _settled(self, *, keep: bool) -> None:
        """Returns when all answers so far and their deeds are on the disk: only then may the driver go on and do these,
        and anybody know of those. Puts down their readings with their places, those that were there before as well."""
        tools, meter = self._tools, self._station.meter
        written, self._written = self._written, []
        rests, self._rests = self._rests, []
        receipts = await asyncio.gather(
            *[asyncio.shield(each) for each in (*[one.receipt for one in written], *rests)], return_exceptions=True
        )
        added: list[Archived] = []
        for one, place in zip(written, receipts, strict=False):
            if isinstance(place, BaseException):
                continue
            for receipt in one.deeds:
                await asyncio.wrap_future(receipt)
            found = one.entry.archived(place)
            added += found
            places = iter(found)
            shown = [next(places) if isinstance(each, Reading) else each for each in one.sifted]
            self._archived += shown if keep else ()
            tools.tracks.keep(one.draft)
            for audit in one.examined.audits:
                tools.store.submit(audit)
            self._tell(tools.alarms.raised(meter.id, one.examined.alarms), "raised")
            self._heard += one.examined.alarms
        if written:
            tools.upkeep.keep(meter, added, self._order)
        faults = [place for place in receipts if isinstance(place, BaseException)]
        if faults:
            raise faults[0]
        if written:
            self._sitting.kept(written[-1].examined.readings)

    def _tell(self, alarms: Sequence[str], result: str) -> None:
        meter = self._station.meter.id
        for text in alarms:
            level = logging.WARNING if result == "raised" else logging.INFO
            log.log(level, "meter %s on line %s: alarm %s: %s", meter, self._line.id, result, text)
            self._tools.store.submit(alarm_audit(meter, text, result, self._tools.clock()))

    async def _finished(self, end: GatewayError | None) -> None:
        """The order is over: archive what no exchange tells of yet, and put down the result."""
        await self._remember(end)
        await self._settled(keep=not isinstance(self._order, Listen))
        if end is not None:
            await self._tools.store.append(self._notes.ended(outcome_of(end), str(end)))
        # A refusal must not hide behind an earlier, smaller fault: it is what decides whether the session is repeated.
        if self._fault is None or isinstance(end, MeterRefused | SessionDeadline):
            self._fault = end
        self._tools.upkeep.ended(self._station.meter, self._order, self._fault)
        if self._fault is None:
            self._tell(self._tools.alarms.over(self._station.meter.id, self._heard), "over")
        self.results.append(
            Result(self._station.meter.id, tuple(self._archived), self._fault, self._objects, self._remarks, self._left)
        )
        self._asking = False

    async def _remember(self, fault: GatewayError | None) -> None:
        """A refusal comes before the archive, which may be full, and before hanging up, which may be cancelled."""
        if isinstance(fault, MeterRefused):
            await self._login.refused(fault)


def unlikely_to_go_on(fault: GatewayError | None) -> bool:
    """Whether the next request of the session would only fail as well."""
    return isinstance(fault, ChannelError | MeterSilent | MeterRefused | SessionDeadline)
