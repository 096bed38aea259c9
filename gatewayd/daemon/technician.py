"""A technician's question to a meter while the gateway runs: asked by the worker of its line, told as it goes on.

Rules: it goes before everything else that the line has to do, and is given up when whoever asked has gone. Each is in
the audit log with the user's name, whatever came of it; what it brought is archived as always.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from datetime import datetime

from gatewayd.archive.records import Audit
from gatewayd.archive.store import Store
from gatewayd.channel.recorder import RecordingChannel
from gatewayd.control import Request, Stream
from gatewayd.daemon.asking import Question, kind_of, question_from, result_events
from gatewayd.daemon.build import now
from gatewayd.daemon.gateway import Gateway
from gatewayd.daemon.lines import lent, under_way
from gatewayd.errors import GatewayError
from gatewayd.listener import ListenWorker
from gatewayd.talk import Result

CATEGORY = "operator"
_TOLD_SECONDS = 1.0
"""How often it is told how far the session is."""


def ask_stream(gateway: Gateway) -> Stream:
    """The answer to a request `ask` of the control socket: `meter` and `question` (asking.py)."""

    async def stream(request: Request) -> AsyncGenerator[dict[str, object], None]:
        meter, question = request.get("meter"), question_from(request.get("question"))
        worker = gateway.lines.worker_of(meter)
        if worker is None:
            raise GatewayError(_unknown(gateway, meter))
        if isinstance(worker, ListenWorker):
            raise GatewayError(
                f"meter {meter} calls us, and the running gateway hears it: gatewayd archive show {meter}, or "
                f"gatewayd trace {worker.name}"
            )
        channel: list[RecordingChannel] = []
        asking = asyncio.create_task(worker.ask(meter, question, channel.append), name=f"{kind_of(question)} {meter}")
        result, detail = "cancelled", ""
        try:
            yield {"event": "asked", "line": worker.name}
            while not (await asyncio.wait({asking}, timeout=_TOLD_SECONDS))[0]:
                received = channel[-1].total if channel else 0
                yield {
                    "event": "progress",
                    "under_way": under_way(worker),
                    "lent": lent(worker),
                    "received": received,
                }
            if asking.cancelled():
                raise GatewayError(f"meter {meter} is not asked any more: the gateway stops, or its line is changed")
            found = asking.result()
            result, detail = _outcome(found)
            for event in result_events(found):
                yield event
        except GatewayError as error:
            result, detail = "fault", str(error)
            raise
        finally:
            # First of all: who closes the connection now cuts off every wait.
            gateway.store.submit(audit_of(request.user, meter, question, result, detail, now()))
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)

    return stream


def audit_of(user: str, meter: str, question: Question, result: str, detail: str, at: datetime) -> Audit:
    """The entry of the audit log: `result` is done, fault or cancelled."""
    text = f"{question.text}: {detail}" if detail else question.text
    return Audit(at, user, CATEGORY, kind_of(question), meter, result, text)


@contextlib.asynccontextmanager
async def audited(store: Store, user: str, meter: str, question: Question) -> AsyncIterator[Callable[[Result], None]]:
    """A question that is asked without a running gateway: its entry of the audit log, whatever comes of it. The
    function that it gives is told the result."""
    result, detail = "cancelled", ""

    def tell(found: Result) -> None:
        nonlocal result, detail
        result, detail = _outcome(found)

    try:
        yield tell
    except GatewayError as error:
        result, detail = "fault", str(error)
        raise
    finally:
        store.submit(audit_of(user, meter, question, result, detail, now()))


def _outcome(found: Result) -> tuple[str, str]:
    number, noun = (len(found.objects), "object") if found.objects else (len(found.readings), "reading")
    count = f"{number} {noun}{'' if number == 1 else 's'}"
    return ("done", count) if found.fault is None else ("fault", f"{count}; {found.fault}")


def _unknown(gateway: Gateway, meter: str) -> str:
    since = gateway.loaded_at.astimezone(gateway.config.gateway.zone)
    return (
        f"there is no meter '{meter}' in the configuration that was loaded at {since:%Y-%m-%d %H:%M:%S%z}; "
        "gatewayd reload takes the file as it is now"
    )
