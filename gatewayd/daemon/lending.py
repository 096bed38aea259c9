"""Lines that a running gateway lends to commands: `probe`, `scan LINE` and `modem` open the line themselves, under the
same lock as without a gateway, and the worker of the line waits for them.

Rules: a command has the line for as long as its connection lasts, at most for the time that it has asked for, within
bounds; whatever becomes of it, the gateway goes on. Each loan is in the audit log with the user's name, and what a test
call has cost; what became of the SIM's PIN is remembered as if the gateway had sent it. Nobody reports for a loan of
somebody else.
"""

import asyncio
import itertools
import math
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from concurrent.futures import Future

import msgspec

from gatewayd.archive.records import Audit, Receipt
from gatewayd.call_log import audit_of as call_audit
from gatewayd.channel.modem_options import CallRecord
from gatewayd.config import Config, TcpListenLine, UdpListenLine
from gatewayd.control import Request, Stream
from gatewayd.daemon.build import now
from gatewayd.daemon.gateway import Gateway
from gatewayd.daemon.lines import Worker, lent, under_way
from gatewayd.errors import GatewayError, MeterRefused
from gatewayd.loans import LONGEST_SECONDS, USUAL_SECONDS, Ending, Loan
from gatewayd.refusals import Refusals, sim_of

LEND, GIVE_BACK, PIN = "lend", "give-back", "lent-pin"
CATEGORY = "operator"
KINDS = ("probe", "scan", "modem")
"""What lines are lent for."""
_FIRST_TOLD_SECONDS, _TOLD_SECONDS = 0.2, 1.0
"""After how long, and how often, it is told who has the line."""
_OVER_SECONDS = 5.0
"""How long a connection is held whose loan is over: what was said on it is to arrive."""
_TOLD = (Ending.DONE, Ending.FAULT, Ending.CANCELLED)
"""What a borrower may say of his loan."""
_LONGEST_NAME, _LONGEST_DETAIL = 64, 500


def loan_audit(user: str, what: str, line: str, ending: Ending, detail: str) -> Audit:
    """The entry of the audit log of a loan, or of the same command without a running gateway."""
    return Audit(now(), user, CATEGORY, what, line, ending.value, detail[:_LONGEST_DETAIL])


class Lending:
    """The loans of a gateway. `heed` is told of another configuration."""

    def __init__(self, gateway: Gateway, refusals: Refusals) -> None:
        self._gateway = gateway
        self._refusals = refusals
        self._numbers = itertools.count(1)
        self._loans: dict[int, Loan] = {}
        self._unserved: dict[Loan, asyncio.Event] = {}
        """Loans of lines that have no worker, and what ends each of them."""
        self._entries: dict[Loan, Future[Receipt]] = {}
        """The audit entries of loans that are given back."""

    @property
    def streams(self) -> Mapping[str, Stream]:
        """For the control socket."""
        return {LEND: self._lend, GIVE_BACK: _answered(self._give_back), PIN: _answered(self._pin)}

    async def heed(self, _config: Config) -> None:
        """A line that is lent may have a worker now."""
        for loan, stop in self._unserved.items():
            if self._served(loan.line):
                stop.set()

    def _served(self, line: str) -> bool:
        try:
            return self._gateway.lines.worker_at(line) is not None
        except GatewayError:  # by one who waits for another
            return True

    async def _lend(self, request: Request) -> AsyncGenerator[dict[str, object], None]:
        """`line`, `what`, `seconds`. Events: asked; waiting, as long as others have it; lent, with the number of the
        loan; over, with the reason."""
        loan = self._asked_for(request)
        worker = self._gateway.lines.worker_at(loan.line)
        if worker is None:
            loan.seconds = math.inf  # nobody waits for it
        number = next(self._numbers)
        task = asyncio.create_task(self._served_by(worker, loan), name=f"line {loan.line} lent for {loan.what}")
        begins = asyncio.create_task(loan.lent.wait(), name=f"loan {number}")
        self._loans[number] = loan
        try:
            yield {"event": "asked", "line": loan.line}
            seconds = _FIRST_TOLD_SECONDS
            while not (await asyncio.wait({task, begins}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED))[0]:
                yield {"event": "waiting", **_state(worker, loan.line)}
                seconds = _TOLD_SECONDS
            if loan.lent.is_set():
                yield {"event": "lent", "loan": number, "seconds": None if worker is None else loan.seconds}
            await asyncio.wait({task})
            task.result()
            if loan.why:
                yield {"event": "over", "why": loan.why}
                await loan.returned(_OVER_SECONDS)  # the connection is the borrower's to close
        except GatewayError as error:
            loan.ending, loan.detail = Ending.FAULT, str(error)
            raise
        finally:
            # First of all: who closes the connection now cuts off every wait.
            loan.give_back()
            self._entry(loan)
            del self._loans[number], self._entries[loan]
            for each in (task, begins):
                each.cancel()
            await asyncio.gather(task, begins, return_exceptions=True)

    def _entry(self, loan: Loan) -> Future[Receipt]:
        """In the audit log, once."""
        if loan not in self._entries:
            audit = loan_audit(loan.user, loan.what, loan.line, loan.ending, loan.detail)
            self._entries[loan] = self._gateway.store.submit(audit)
        return self._entries[loan]

    def _asked_for(self, request: Request) -> Loan:
        line, what = request.get("line"), request.get("what")
        if what not in KINDS:
            raise GatewayError(f"no line is lent for '{what[:_LONGEST_NAME]}'; is one of the two of another version?")
        if not line or len(line) > _LONGEST_NAME or not line.isprintable():
            raise GatewayError("that is no name of a line")
        if isinstance(self._gateway.config.lines.get(line), TcpListenLine | UdpListenLine):
            raise GatewayError(f"line {line} is a port on which meters call us: nobody can be asked there")
        return Loan(line, what, request.user, _seconds(request.get("seconds")))

    async def _served_by(self, worker: Worker | None, loan: Loan) -> None:
        """By the worker of the line; a line without one is nobody's, and it is only written down who had it."""
        if worker is not None:
            await worker.lend(loan)
            return
        self._unserved[loan] = stop = asyncio.Event()
        try:
            await loan.serve(stop)
        finally:
            del self._unserved[loan]

    def _loan_of(self, request: Request) -> Loan:
        text = request.get("loan")
        loan = self._loans.get(int(text)) if text.isascii() and text.isdecimal() and len(text) < _LONGEST_NAME else None
        if loan is None or loan.user != request.user or not loan.lent.is_set():
            raise GatewayError("there is no such loan: it is over")
        return loan

    async def _give_back(self, request: Request) -> None:
        """`loan`, `result` (done, fault or cancelled), `detail`; of a test call also `call`, a CallRecord, and `meter`:
        whose number it was."""
        loan = self._loan_of(request)
        calls: list[CallRecord] = []
        if request.get("call"):
            calls.append(_call(request.get("call"), loan))
        try:
            for call in calls:
                await asyncio.wrap_future(
                    self._gateway.store.submit(call_audit(call, request.get("meter")[:_LONGEST_NAME], loan.user))
                )
        finally:  # whatever the archive does, the line is not needed any more
            ending = next((one for one in _TOLD if one.value == request.get("result")), Ending.FAULT)
            settled = all(call.hung_up or not call.dialled for call in calls)
            loan.give_back(ending, request.get("detail"), settled=settled)
        if loan in self._loans.values():  # else its connection is gone, and the entry written
            await asyncio.wrap_future(self._entry(loan))  # whoever has heard that it is noted finds it in the log

    async def _pin(self, request: Request) -> None:
        """`loan`, `credentials` (never the PIN), `state`: sending, refused or accepted."""
        loan = self._loan_of(request)
        if loan.what != "modem":
            raise GatewayError(f"a line that is lent for {loan.what} has no PIN")
        name = sim_of(loan.line)
        match request.get("state"):
            case "accepted":
                await self._refusals.lift(name)
            case "sending" | "refused":
                refusal = MeterRefused(f"line {loan.line}: the PIN")
                await self._refusals.note(name, request.get("credentials"), refusal)
            case _:
                raise GatewayError("that says nothing of a PIN; is one of the two of another version?")


def _answered(deed: Callable[[Request], Awaitable[None]]) -> Stream:
    async def stream(request: Request) -> AsyncGenerator[dict[str, object], None]:
        await deed(request)
        yield {"event": "noted"}

    return stream


def _seconds(text: str) -> float:
    """For how long, within bounds."""
    if not (text.isascii() and text.isdecimal() and len(text) < _LONGEST_NAME):
        return USUAL_SECONDS
    return min(max(float(int(text)), 1.0), LONGEST_SECONDS)


def _state(worker: Worker | None, line: str) -> dict[str, object]:
    if worker is None:
        return {"under_way": [], "lent": []}
    return {"under_way": [] if lent(worker, line) else under_way(worker), "lent": lent(worker, line)}


def _call(text: str, loan: Loan) -> CallRecord:
    try:
        call = msgspec.json.decode(text, type=CallRecord)
    except msgspec.MsgspecError as error:
        raise GatewayError(f"that is no call: {error}; is one of the two of another version?") from error
    if call.line != loan.line or loan.what != "modem":
        raise GatewayError(f"that is no call of line {loan.line}")
    return call
