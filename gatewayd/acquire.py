"""Sessions with meters: line -> channel -> driver -> exchange and readings -> archive.

Rules: a fault of line or meter is a result, not an exception; a meter that has refused its credentials is sent nothing
until they change (refusals.py); no line is opened for what turns out to be complete. What a call has cost is archived
with its result. How one session goes is in talk.py.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from gatewayd.alarms import Alarms
from gatewayd.archive.store import Store
from gatewayd.boundary import Tracks
from gatewayd.call_log import audit_of, log_line
from gatewayd.channel.modem_options import CallRecord
from gatewayd.chatter import Chatter
from gatewayd.driver import Clock
from gatewayd.errors import ArchiveError, MeterRefused, SessionDeadline
from gatewayd.examine import Examiner
from gatewayd.model import Listen, LoadProfile, Order, Outcome, Profile
from gatewayd.refusals import Refusals
from gatewayd.station import Line, OnCall, Station
from gatewayd.talk import Progress, Result, Talk
from gatewayd.tallies import Sessions
from gatewayd.transcript import Tools
from gatewayd.upkeep import Upkeep
from gatewayd.verdicts import outcome_of

__all__ = ["Acquisition", "Line", "OnCall", "Progress", "Result", "Session", "Station"]

SESSION_SECONDS = 900.0
_SET_AGAIN = timedelta(days=1)
"""Before a clock that the gateway has set is set again."""

log = logging.getLogger("gatewayd.acquire")


@dataclass(frozen=True, slots=True)
class Session:
    """What a session brought: a result for each order that was tried, in order; and the call, where there was one.

    `deviation`: the meter's clock minus the gateway's, None where it did not show it."""

    results: tuple[Result, ...]
    call: CallRecord | None = None
    deviation: timedelta | None = None


def _always() -> bool:
    return True


class Acquisition:
    """Runs sessions."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        zone: ZoneInfo,
        session_seconds: float = SESSION_SECONDS,
        steady: Callable[[], float] | None = None,
        upkeep: Upkeep | None = None,
        examiner: Examiner | None = None,
    ) -> None:
        """`steady` is a clock in seconds that nobody sets: it tells when the other one was set."""
        self.alarms = Alarms()
        self.tally = Sessions()
        self.upkeep = upkeep or Upkeep(store, clock, zone, steady=steady)
        tracks = Tracks(store.folder, clock, zone, steady)
        self._tools = Tools(store, tracks, self.upkeep, self.alarms, clock, zone, Chatter())
        self._store = store
        self._clock = clock
        self._session_seconds = session_seconds
        self._refusals = Refusals(store, clock)
        self._examiner = examiner or Examiner(store, clock)
        self._clocks_set: dict[str, datetime] = {}

    @property
    def refusals(self) -> Refusals:
        """Whose passwords and PINs were refused."""
        return self._refusals

    async def save(self, *, everything: bool = False) -> None:
        """Write down what is known of meters, what has changed or at the end `everything`: the short cut of the next
        start. ArchiveError."""
        await self.upkeep.save(everything=everything)
        await self._examiner.save()

    async def run(self, line: Line, station: Station, order: Order, on_progress: Progress | None = None) -> Result:
        """A session with one order. Faults of line and meter come back in the result; ArchiveError is raised."""
        (result,) = (await self.session(line, station, (order,), on_progress)).results
        return result

    async def session(
        self,
        line: Line,
        station: Station,
        orders: Sequence[Order],
        on_progress: Progress | None = None,
        go_on: Callable[[], bool] = _always,
        seconds: float | None = None,
    ) -> Session:
        """One session with all orders (at least one), one after the other, each archived as its own exchanges.

        The rest is not tried when the line has failed, the meter is silent or refuses, or `go_on` says no; there is a
        result for each order that was tried, and for those profiles at the beginning of which nothing is missing.
        `seconds`: the longest that it may take, None: what the line or the acquisition allows. Faults of line and meter
        come back in the results; ArchiveError is raised.
        """
        meter, credentials = station.meter, station.driver.credentials
        standing = await self._refusals.standing(meter.id, line.id, credentials)
        if standing is not None:
            return Session((Result(meter.id, (), standing),))
        wanted = [order for order in orders if await self._wanted(station, order)]
        if not wanted:
            return Session(tuple(Result(meter.id, (), None, asked=False) for _ in orders))
        if line.sim is not None:
            await self._refusals.heed(line.id, line.sim)
        calls: list[CallRecord] = []

        def on_call(record: CallRecord) -> None:
            calls.append(record)
            self._store.submit(audit_of(record, meter.id))
            log.log(*log_line(record, meter.id))

        login = self._refusals.watch(meter.id, credentials)
        sitting = await self._examiner.sitting(meter, station.policy)
        talk = Talk(self._tools, line, station, wanted[0], login, sitting)
        limit = seconds or line.session_seconds or self._session_seconds
        begun = asyncio.get_running_loop().time()
        broken = "cancelled"
        try:
            await talk.hold(wanted, on_call, on_progress, go_on, limit, lambda ahead: self._to_set(station, ahead))
            broken = ""
        except Exception as error:
            broken = "not_archived" if isinstance(error, ArchiveError) else "defect"
            raise
        finally:
            lasted = None if isinstance(wanted[0], Listen) else asyncio.get_running_loop().time() - begun
            self.tally.ended(meter.driver, _ends(talk.results, broken), lasted)
            if line.sim is not None:
                await self._refusals.judge(line.id, line.sim)
        await self._examiner.save()
        if not isinstance(talk.results[-1].fault, MeterRefused | SessionDeadline):  # a deadline may cut in anywhere
            await login.harmless()
        results = _in_order(meter.id, orders, wanted, talk.results)
        return Session(results, calls[0] if calls else None, sitting.deviation)

    async def _wanted(self, station: Station, order: Order) -> bool:
        """Whether there is anything to ask for."""
        if isinstance(order, Profile):
            await self.upkeep.recollect(station.meter, order)
        if not isinstance(order, LoadProfile):
            return True
        await self.upkeep.load(station.meter, order, station.policy)
        return bool(self.upkeep.pieces(station.meter, order))

    def _to_set(self, station: Station, ahead: timedelta | None) -> bool:
        """Whether the meter's clock is to be put right now: at most once a day."""
        policy, meter = station.policy, station.meter.id
        if not policy.set_clock or ahead is None or abs(ahead) <= policy.clock_limit or not self._examiner.sure():
            return False
        now = self._clock()
        before = self._clocks_set.get(meter)
        if before is not None and timedelta(0) <= now - before < _SET_AGAIN:
            return False
        self._clocks_set[meter] = now
        return True


def _ends(results: Sequence[Result], broken: str) -> Iterator[str]:
    """How each order has ended; `broken`: how the last one was, "" where it was not."""
    for result in results:
        yield Outcome.DONE.value if result.fault is None else outcome_of(result.fault).value
    if broken:
        yield broken


def _in_order(
    meter: str, orders: Sequence[Order], wanted: Sequence[Order], results: Sequence[Result]
) -> tuple[Result, ...]:
    """A result for each order in turn, up to the first one that was not tried."""
    found = dict(zip(map(id, wanted), results, strict=False))
    asked = set(map(id, wanted))
    made: list[Result] = []
    for order in orders:
        if id(order) in found:
            made.append(found[id(order)])
        elif id(order) not in asked:
            made.append(Result(meter, (), None, asked=False))
        else:
            break
    return tuple(made)
