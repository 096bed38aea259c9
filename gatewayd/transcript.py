"""The answers of one session on their way into the archive: examined, sifted, written, and only then told to anybody.

Rules: several answers may be on their way to the disk at the same time, so that a meter does not wait for it; none of
them has a row that another one of them has. What the archive has not confirmed is known to nobody: where it fails,
what it really has is found out anew.
"""

import asyncio
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from gatewayd import alarm_log, deed_log
from gatewayd.alarm_log import Turn
from gatewayd.alarms import Alarms
from gatewayd.archive.records import Bundle, Entry, Receipt
from gatewayd.archive.store import Store
from gatewayd.boundary import Draft, Tracks
from gatewayd.chatter import Chatter
from gatewayd.driver import Clock
from gatewayd.examine import Examined, Sitting
from gatewayd.exchange_notes import Notes, routed
from gatewayd.model import Answer, Archived, Increments, Kind, Listen, Meter, Order, Outcome, Profile, Reading, Request
from gatewayd.upkeep import Upkeep

_AHEAD = 16
"""Answers of a profile that may be on their way to the disk: a group of commits takes a quarter of a second."""
_BEHIND = "after the last answer"

_Row = tuple[str, str, Kind, datetime, int | None]


@dataclass(frozen=True, slots=True)
class Tools:
    """What all sessions share."""

    store: Store
    tracks: Tracks
    upkeep: Upkeep
    alarms: Alarms
    clock: Clock
    zone: ZoneInfo
    chatter: Chatter


@dataclass(frozen=True, slots=True)
class _Written:
    """An answer on its way to the disk: its record, what the archive will say, and what holds when it has said it."""

    entry: Entry | Bundle
    receipt: "asyncio.Future[Receipt]"
    deeds: tuple["Future[Receipt]", ...]
    sifted: tuple[Reading | Archived, ...]
    draft: Draft
    examined: Examined


class Transcript:
    """`shown`: what the order under way has brought, with its places in the archive, also what was there before; of a
    Listen, which may go on for years, nothing. `heard`: the alarms of it."""

    def __init__(self, tools: Tools, line: str, meter: Meter, sitting: Sitting, notes: Notes, order: Order) -> None:
        self._tools = tools
        self._line = line
        self._meter = meter
        self._sitting = sitting
        self._notes = notes
        self._written: list[_Written] = []
        self._rests: list[asyncio.Future[Receipt]] = []
        self._rows: set[_Row] = set()
        self._ats: set[datetime] = set()
        self._rows_of = 0
        """Of so many of the answers on their way their rows, and the instants of those, are in the sets."""
        self.begin(order)

    def begin(self, order: Order) -> None:
        """The next order of the session."""
        self._order = order
        self.shown: list[Archived] = []
        self.heard: tuple[str, ...] = ()

    async def put(self, answer: Answer, request: Request) -> None:
        """Hand the answer and its deeds to the archive, which writes them in this order. Returns when there is room for
        the next one; what a meter is about to be told is on the disk before."""
        tools, meter = self._tools, self._meter
        deeds = [
            tools.store.submit(deed_log.audit_of(deed, meter.id, self._line, tools.clock())) for deed in answer.deeds
        ]
        answer = routed(meter, answer)
        if self._repeats(answer):
            await self.settled()
        await self._sitting.ready(answer)
        examined = self._sitting.look(answer)
        draft = Draft()
        if isinstance(self._order, Increments):
            draft = tools.tracks.draft(meter, self._order, examined.readings, answer.serials)
        sifted = await tools.upkeep.sift(meter, (*examined.readings, *draft.readings), self._order)
        entry = self._notes.answered(answer, tuple(one for one in sifted if isinstance(one, Reading)))
        self._written.append(_Written(entry, tools.store.queued(entry), tuple(deeds), sifted, draft, examined))
        if deeds or len(self._written) >= (_AHEAD if isinstance(request, Profile) else 1):
            await self.settled()

    async def ended(self) -> None:
        """The driver is through with a request: what came behind its last answer is kept as well."""
        if self._notes.waiting:
            self._rests.append(self._tools.store.queued(self._notes.ended(Outcome.DONE, _BEHIND)))
        await self.settled()

    async def settled(self) -> None:
        """Returns when all answers so far and their deeds are on the disk: only then may the driver go on and do these,
        and anybody know of those. ArchiveError, and then nothing of them is known."""
        tools, meter = self._tools, self._meter
        written, self._written = self._written, []
        rests, self._rests = self._rests, []
        self._rows, self._ats, self._rows_of = set(), set(), 0
        receipts = await asyncio.gather(
            *[asyncio.shield(each) for each in (*[one.receipt for one in written], *rests)], return_exceptions=True
        )
        places = [place for place in receipts if not isinstance(place, BaseException)]
        if len(places) < len(receipts):
            raise next(place for place in receipts if isinstance(place, BaseException))
        known: list[Archived] = []
        for one, place in zip(written, places, strict=False):
            for receipt in one.deeds:
                await asyncio.wrap_future(receipt)
            new = iter(one.entry.archived(place))
            known += [next(new) if isinstance(each, Reading) else each for each in one.sifted]
            tools.tracks.keep(one.draft)
            for audit in one.examined.audits:
                tools.store.submit(audit)
            self._tell(tools.alarms.raised(meter.id, one.examined.alarms), Turn.RAISED)
            over = one.examined.over
            self.heard = (*[text for text in self.heard if text not in over], *one.examined.alarms)
        if written:
            self.shown += [] if isinstance(self._order, Listen) else known
            tools.upkeep.keep(meter, known, self._order, answers=len(written))
            self._sitting.kept()

    def over(self) -> None:
        """The order was sound to its end: what it did not hear of is over."""
        self._tell(self._tools.alarms.over(self._meter.id, self.heard), Turn.OVER)

    def _repeats(self, answer: Answer) -> bool:
        """Whether a row of it is on its way to the disk already: what the archive has of it decides about this one."""
        for one in self._written[self._rows_of :]:
            new = [each for each in one.sifted if isinstance(each, Reading)]
            self._rows.update(_rows_of(new))
            self._ats.update([each.at for each in new])
        self._rows_of = len(self._written)
        if self._ats.isdisjoint([one.at for one in answer.readings]):
            return False  # nearly always: the next piece of a profile
        return not self._rows.isdisjoint(_rows_of(answer.readings))

    def _tell(self, alarms: Sequence[str], turn: Turn) -> None:
        alarm_log.tell(self._tools.store, self._meter.id, alarms, turn, self._tools.clock(), self._line)


def _rows_of(readings: Iterable[Reading]) -> Iterable[_Row]:
    return ((one.meter, one.code, one.kind, one.at, one.interval_s) for one in readings)
