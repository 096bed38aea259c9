"""Loans of a line: a technician's command has it for itself for a while, and gives it back to the worker.

Rules: a loan is over when it is given back, when its time is, or when the worker is stopped; the borrower is told, and
has a moment to close what he has opened. After that the line is the worker's again, whatever the borrower does: what he
still holds is a fault of the line, and no wait without end.
"""

import asyncio
import contextlib
from enum import Enum

from gatewayd.errors import GatewayError

USUAL_SECONDS = 900.0
"""Of a loan that names no time."""
LONGEST_SECONDS = 3600.0
"""Nothing is lent for longer."""
RETURN_SECONDS = 1.5
"""What a borrower gets who is told that the loan is over; a stop of the gateway waits for it."""


class Ending(Enum):
    """How a loan has ended, for the audit log."""

    DONE = "done"
    FAULT = "fault"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


class Loan:
    """One loan of a line: `what` it is for, whose it is, and for how many seconds at most."""

    def __init__(self, line: str, what: str, user: str, seconds: float) -> None:
        self.line = line
        self.what = what
        self.user = user
        self.seconds = seconds
        self.lent = asyncio.Event()
        """The line is the borrower's."""
        self.over = asyncio.Event()
        """The borrower has to give it back, or never gets it; `why` says why, "" where he gave it back himself."""
        self.why = ""
        self.ending = Ending.CANCELLED
        self.detail = ""
        self.settled = False
        """The borrower has said that everything is as he found it: nothing of his goes on by itself."""
        self._returned = asyncio.Event()

    def give_back(self, ending: Ending | None = None, detail: str = "", *, settled: bool = False) -> None:
        """The line is not needed any more. Only the first one to say how it went is believed, and in time."""
        if ending is not None and not self._returned.is_set():
            self.settled = settled
            if not self.over.is_set():
                self.ending, self.detail = ending, detail
        self._returned.set()

    async def returned(self, seconds: float) -> None:
        """Until it is given back, or so many seconds have passed."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._returned.wait()

    def refuse(self, why: str) -> None:
        """It is never lent, for this reason."""
        self._tell(why)

    async def refused_or_over(self) -> None:
        """Returns when it is over. GatewayError when it never began."""
        await self.over.wait()
        if not self.lent.is_set():
            raise GatewayError(self.why)

    async def serve(self, stop: asyncio.Event) -> None:
        """Lend it: returns when the line is the worker's again, at the latest after `seconds` and a moment, or when
        `stop` is set."""
        self.lent.set()
        ended = asyncio.ensure_future(self._returned.wait())
        stopped = asyncio.ensure_future(stop.wait())
        try:
            done, _ = await asyncio.wait({ended, stopped}, timeout=self.seconds, return_when=asyncio.FIRST_COMPLETED)
            if ended not in done:
                self._call_in(expired=not done)
                await asyncio.wait({ended}, timeout=RETURN_SECONDS)
        except asyncio.CancelledError:
            self._call_in(expired=False)
            await asyncio.wait({ended}, timeout=RETURN_SECONDS)
            raise
        finally:
            ended.cancel()
            stopped.cancel()
            self.over.set()

    def _call_in(self, *, expired: bool) -> None:
        if self.over.is_set():
            return
        if expired:
            self.ending = Ending.EXPIRED
            self._tell(f"line {self.line} was lent for {self.seconds:.0f} s, which are over: the gateway reads on")
        else:
            self._tell(f"line {self.line} is not lent any more: the gateway stops, or its line was changed")

    def _tell(self, why: str) -> None:
        self.why = self.detail = why
        self.over.set()
