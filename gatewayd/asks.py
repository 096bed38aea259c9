"""What technicians want of the meters of a line, while its worker runs.

Rules: whoever asks waits until he has his turn, which is next; when he goes away, the session is ended, or not begun. A
worker that ends leaves nobody waiting. A defect of ours is told to him as a fault. Who wants the line itself (loans.py)
waits in the same queue.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from gatewayd.errors import GatewayError, ProtocolError
from gatewayd.loans import Loan
from gatewayd.model import Order
from gatewayd.talk import Progress, Result

log = logging.getLogger("gatewayd.worker")


@dataclass(eq=False, slots=True)
class Ask:
    """One question: of which meter, what, and whom it is told how the session goes on."""

    meter: str
    order: Order
    on_progress: Progress | None
    answer: "asyncio.Future[Result]"
    task: "asyncio.Task[Result] | None" = field(default=None)


class Asks:
    """Those that wait for their turn. `stirred` is set when one has come."""

    def __init__(self) -> None:
        self.stirred = asyncio.Event()
        self._waiting: deque[Ask | Loan] = deque()
        self._closed = ""

    def __len__(self) -> int:
        return len(self._waiting)

    async def ask(self, meter: str, order: Order, on_progress: Progress | None) -> Result:
        """Returns when it is answered. GatewayError when it never will be."""
        if self._closed:
            raise GatewayError(self._closed)
        ask = Ask(meter, order, on_progress, asyncio.get_running_loop().create_future())
        self._waiting.append(ask)
        self.stirred.set()
        try:
            return await ask.answer
        finally:
            if ask in self._waiting:
                self._waiting.remove(ask)
            if ask.task is not None and not ask.task.done():
                ask.task.cancel()
                await asyncio.wait({ask.task})

    async def lend(self, loan: Loan) -> None:
        """Returns when the loan is over. GatewayError when it never began. Cancelled, the line is given back."""
        if self._closed:
            raise GatewayError(self._closed)
        self._waiting.append(loan)
        self.stirred.set()
        try:
            await loan.refused_or_over()
        except asyncio.CancelledError:
            loan.give_back()
            raise
        finally:
            if loan in self._waiting:
                self._waiting.remove(loan)

    def waits_for(self, line: str) -> bool:
        """Whether anybody waits for one of several lines: with a question for any of them, or for a loan of this."""
        return any(not isinstance(one, Loan) or one.line == line for one in self._waiting)

    def take(self, ready: Callable[[Ask | Loan], bool] = lambda _: True) -> Ask | Loan | None:
        """The first one who can be served now."""
        ask = next((one for one in self._waiting if ready(one)), None)
        if ask is not None:
            self._waiting.remove(ask)
        return ask

    async def serve(self, ask: Ask, session: Coroutine[Any, Any, Result]) -> Result | None:
        """Run the session for whoever asked; its result, None when it has none: cancelled, or an error."""
        ask.task = asyncio.create_task(session, name=f"technician at meter {ask.meter}")
        try:
            await asyncio.wait({ask.task})
        except asyncio.CancelledError:
            ask.task.cancel()
            await asyncio.wait({ask.task})
            self._fail(ask, GatewayError(f"meter {ask.meter} is not asked any more: its line is being ended"))
            raise
        if ask.task.cancelled():
            ask.answer.cancel()
            return None
        error = ask.task.exception()
        if error is None:
            result = ask.task.result()
            if not ask.answer.done():
                ask.answer.set_result(result)
            return result
        if not isinstance(error, GatewayError):
            log.error("meter %s: defect in gatewayd: %r", ask.meter, error, exc_info=error)
            error = ProtocolError(f"meter {ask.meter}: defect in gatewayd: {error!r}")
        self._fail(ask, error)
        return None

    def refuse(self, why: str) -> None:
        """The questions that wait cannot be answered at present, for this reason."""
        for ask in [one for one in self._waiting if isinstance(one, Ask)]:
            self._waiting.remove(ask)
            self._fail(ask, GatewayError(f"meter {ask.meter}: {why}"))

    def close(self, why: str) -> None:
        """Nobody is answered from here on, for this reason."""
        self._closed = why
        self.refuse(why)
        for loan in [one for one in self._waiting if isinstance(one, Loan)]:
            loan.refuse(why)
        self._waiting.clear()

    def _fail(self, ask: Ask, error: GatewayError) -> None:
        if not ask.answer.done():
            ask.answer.set_exception(error)
