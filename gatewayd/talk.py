"""One session under way: the requests of its orders one after the other, each answer examined, sifted and archived.

Rules: whatever was received is archived, however the session ends, cancelled included; the readings of an answer are
archived before anybody else sees them, and what a driver does to a meter before it does it. A profile that is kept
complete is asked for piece by piece, as long as there is time and nobody else waits.
"""

import asyncio
import math
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import timedelta

from gatewayd.channel import Channel
from gatewayd.channel.recorder import RecordingChannel
from gatewayd.errors import (
    ArchiveError,
    ChannelError,
    GatewayError,
    MeterDiffers,
    MeterRefused,
    MeterSilent,
    SessionDeadline,
)
from gatewayd.examine import Sitting
from gatewayd.exchange_notes import Notes
from gatewayd.model import (
    Archived,
    Increments,
    Listen,
    LoadProfile,
    MeterObject,
    Order,
    Outcome,
    Profile,
    Request,
)
from gatewayd.model import Clock as ClockRequest
from gatewayd.refusals import Login
from gatewayd.station import Line, OnCall, Station
from gatewayd.transcript import Tools, Transcript
from gatewayd.verdicts import fault_of, outcome_of
from gatewayd.watched import is_clock

FILL_SECONDS = 60.0
"""How long a session goes on asking for what is missing of a profile; the rest is for the next one."""
_FAULTS = 2
"""Pieces of a profile that may fail in one session."""
_BROKEN_OFF = "the session ended before the answer"

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
        self._notes = Notes(station.meter, line.id, self._first_request(order), tools.clock, tools.zone, tools.chatter)
        self._transcript = Transcript(tools, line.id, station.meter, sitting, self._notes, order)
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
            self._transcript.begin(order)
        self._order = order
        self._asking = True
        self._objects: tuple[MeterObject, ...] = ()
        self._remarks: tuple[str, ...] = ()
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
        try:
            async with aclosing(self._station.driver.execute(channel, request)) as answers:
                async for answer in answers:
                    fault = fault_of(self._station.meter, self._line.id, request, answer)
                    await self._remember(fault)
                    await self._transcript.put(answer, request)
                    if not isinstance(request, Listen):  # that may go on for years
                        self._remarks += (answer.detail,) if answer.detail else ()
                    self._objects += answer.objects
                    if found is None or isinstance(fault, MeterRefused):
                        found = fault
        except GatewayError:
            await self._transcript.settled()
            raise
        await self._transcript.ended()
        if self._fault is None or isinstance(found, MeterRefused):
            self._fault = found
        return found

    async def _complete(self, channel: RecordingChannel, order: LoadProfile, go_on: Callable[[], bool]) -> None:
        """What is new and what is missing of a profile, piece by piece, the newest first."""
        meter, upkeep = self._station.meter, self._tools.upkeep
        fill, failed = math.inf if self._line.calls else FILL_SECONDS, 0  # who is called is called for all of it
        until = asyncio.get_running_loop().time() + fill
        asked: set[Profile] = set()
        served, nowhere = False, list[tuple[Profile, MeterDiffers]]()
        while pieces := upkeep.pieces(meter, order):
            piece = pieces[0]
            late = asyncio.get_running_loop().time() > until
            if asked and (late or not go_on() or piece in asked or failed + len(nowhere) >= _FAULTS):
                break
            if asked:
                self._notes.begin(piece)
            asked.add(piece)
            try:
                fault = await self._piece(channel, order, piece)
            except MeterDiffers as error:
                nowhere.append((piece, error))
            else:
                served = served or fault is None
                failed += fault is not None
            if served:  # a meter that has the profile has nothing of it in that time
                for each, _ in nowhere:
                    upkeep.answered(meter, order, each, None, evidence=self._sitting.evidence)
                nowhere.clear()
        if nowhere:
            self._fault = self._fault or nowhere[0][1]
        self._left = len(upkeep.pieces(meter, order))

    async def _piece(self, channel: RecordingChannel, order: LoadProfile, piece: Profile) -> GatewayError | None:
        """One of them. Raises only where the next one would fail as well, and MeterDiffers: some say that they do not
        have a profile where they have none of its rows."""
        meter, upkeep, before = self._station.meter, self._tools.upkeep, len(self._transcript.shown)
        try:
            fault = await self._request(channel, piece)
        except asyncio.CancelledError:  # perhaps because it took too long: it must not stand before the rest
            upkeep.answered(meter, order, piece, SessionDeadline(_BROKEN_OFF))
            raise
        except ArchiveError:
            raise
        except GatewayError as error:
            upkeep.answered(meter, order, piece, error)
            if unlikely_to_go_on(error):
                raise
            await self._tools.store.append(self._notes.ended(outcome_of(error), str(error)))
            if isinstance(error, MeterDiffers) and not self._rows_since(before):
                raise
            self._fault = self._fault or error
            return error
        upkeep.answered(meter, order, piece, fault, evidence=self._sitting.evidence)
        return fault

    def _rows_since(self, before: int) -> bool:
        return any(not is_clock(one.reading) for one in self._transcript.shown[before:])

    async def _finished(self, end: GatewayError | None) -> None:
        """The order is over: archive what no exchange tells of yet, and put down the result."""
        await self._remember(end)
        await self._transcript.settled()
        if end is not None:
            await self._tools.store.append(self._notes.ended(outcome_of(end), str(end)))
        # A refusal must not hide behind an earlier, smaller fault: it is what decides whether the session is repeated.
        if self._fault is None or isinstance(end, MeterRefused | SessionDeadline):
            self._fault = end
        self._tools.upkeep.ended(self._station.meter, self._order, self._fault)
        if self._fault is None:
            self._transcript.over()
        shown = tuple(self._transcript.shown)
        self.results.append(
            Result(self._station.meter.id, shown, self._fault, self._objects, self._remarks, self._left)
        )
        self._asking = False

    async def _remember(self, fault: GatewayError | None) -> None:
        """A refusal comes before the archive, which may be full, and before hanging up, which may be cancelled."""
        if isinstance(fault, MeterRefused):
            await self._login.refused(fault)


def unlikely_to_go_on(fault: GatewayError | None) -> bool:
    """Whether the next request of the session would only fail as well."""
    return isinstance(fault, ChannelError | MeterSilent | MeterRefused | SessionDeadline)
