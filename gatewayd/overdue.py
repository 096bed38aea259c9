"""What is overdue of the profiles that are kept complete goes into the archive as missing, with its reason.

Rules: nothing is told twice, also where somebody is cancelled or the archive fails while it is written: then what the
archive has is found out anew. What a session is just archiving is left alone. One that fails does not keep the others
waiting, and what is told in one round is one group for the disk.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import islice

from gatewayd import closing
from gatewayd.archive.store import Store
from gatewayd.coverage import Overdue, overdue
from gatewayd.model import Increments
from gatewayd.recollection import Recollection
from gatewayd.runs import NONE, Runs
from gatewayd.watched import Watched

PATIENCE = 6 * 3600.0
"""Seconds without a sound answer after which a meter counts as one that cannot be read at present."""
_AT_ONCE = 40
"""Days of one profile that are told missing in one round."""

log = logging.getLogger("gatewayd.upkeep")


class Closer:
    """`steady`: seconds on a clock that nobody sets."""

    def __init__(self, store: Store, memory: Recollection, steady: Callable[[], float]) -> None:
        self._store = store
        self._memory = memory
        self._steady = steady
        self._begun: float | None = None

    def begin(self) -> None:
        """A round begins; how long a meter has not answered is counted from the first one, or from its last answer."""
        if self._begun is None:
            self._begun = self._steady()

    async def close(self, one: Watched, now: datetime) -> None:
        """Tell missing what is overdue of a profile."""
        channels = one.channels()
        if not channels or one.open:
            return
        given_up = isinstance(one.order, Increments) or self._given_up(one)
        due = overdue(
            one.coverage,
            one.grid,
            now,
            one.retry_window,
            one.months,
            given_up=given_up,
            stubborn=self._stubborn(one),
        )
        items = list(islice(due, _AT_ONCE))
        if not items:
            return
        subject = closing.Subject(one.meter, one.code, one.grid, channels, one.coverage.serial)
        for item in items:
            one.closing = one.closing.add(item.first, item.last)
        receipts = [self._store.queued(closing.record(subject, item, self._reason(one, item), now)) for item in items]
        faults: list[BaseException] = []
        try:
            found = await asyncio.gather(*map(asyncio.shield, receipts), return_exceptions=True)
        except asyncio.CancelledError:
            one.astray = True
            raise
        else:
            faults = [outcome for outcome in found if isinstance(outcome, BaseException)]
            one.astray = one.astray or bool(faults)
            for item, outcome in zip(items, found, strict=True):
                if not isinstance(outcome, BaseException):
                    one.told(item.first, item.last)
        finally:
            one.closing = NONE
        if faults:
            log.warning("meter %s: intervals of %s cannot be told missing: %s", one.meter.id, one.code, faults[0])

    def _given_up(self, one: Watched) -> bool:
        begun = self._begun if self._begun is not None else self._steady()
        return self._steady() - max(one.sound_at or begun, begun) >= PATIENCE

    def _stubborn(self, one: Watched) -> Runs:
        """What the meter, though it answers, has not been got to tell for as long."""
        since = one.attempts.since
        return one.attempts.stubborn if since is not None and self._steady() - since >= PATIENCE else NONE

    def _reason(self, one: Watched, item: Overdue) -> str:
        if one.clock_wrong:
            return closing.CLOCK_WRONG
        stopped, began = self._memory.stopped_at, self._memory.began_at
        first, last = one.grid.end(item.first), one.grid.end(item.last)
        if stopped is not None and began is not None and stopped < first and last <= began + timedelta(hours=1):
            return closing.NOT_RUNNING
        return closing.words(one.attempts.fault if item.first in one.attempts.stubborn else one.fault)
