"""Substitute values by hand: looked at and archived, by the running gateway or by a command that stands alone.

    place(config, order)                enter a value or estimate a month, or tell what became of one
    substitute_stream(gateway, wake)    the same in the running gateway

Rules: one order at a time, so that each value has its number; what is refused is told with all that is wrong. Each is
in the audit log of the raw archive, whatever came of it. The engine of the derived layer makes values of what was
entered (entered.py): nothing is computed here.
"""

import asyncio
import logging
import os
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, aclosing
from datetime import datetime
from pathlib import Path

import msgspec

from gatewayd.archive import memory, records
from gatewayd.archive.neighbours import BY_HAND
from gatewayd.archive.records import Audit
from gatewayd.archive.rows import to_us
from gatewayd.archive.store import Store
from gatewayd.config import Config
from gatewayd.control import Request, Stream, follow
from gatewayd.daemon.archive_turn import Tell, either, nobody
from gatewayd.daemon.build import now, opened
from gatewayd.daemon.derived import DerivedReader, derived_folder
from gatewayd.daemon.derived_spans import MEMORY
from gatewayd.daemon.elsewhere import opened_here
from gatewayd.daemon.entered import Entered
from gatewayd.daemon.estimate_orders import estimated
from gatewayd.daemon.gateway import Gateway
from gatewayd.daemon.substitute_orders import Decision, Order, Result, decided
from gatewayd.daemon.substitute_requests import order_of
from gatewayd.errors import ArchiveError, GatewayError
from gatewayd.metering import entered
from gatewayd.metering.manual_history import Entry
from gatewayd.model import Exchange, Outcome
from gatewayd.peer import user_name

CATEGORY, TYPE = "operator", "substitute"
REQUEST = "substitute"
KEY = "highest number by hand"
"""Under this name the derived archive remembers it."""

log = logging.getLogger("gatewayd.metering")


class Desk:
    """Carries out orders, one after the other. `derived` is the archive that is open, None where there is none."""

    def __init__(self, config: Callable[[], Config], raw: Store, derived: Callable[[], Store | None]) -> None:
        self._config = config
        self._raw = raw
        self._derived = derived
        self._lock = asyncio.Lock()
        self._entered: dict[Path, Entered] = {}

    async def carry_out(self, order: Order, user: str) -> Result:
        """Archive what an order says, or refuse it. GatewayError, and nothing is archived."""
        async with self._lock:
            derived = self._derived()
            if derived is None:
                raise GatewayError("there are no metering points, or their archive cannot be opened: see the log")
            at, author = now(), order.author.strip() or user
            entered_so_far = self._entered.setdefault(derived.folder, Entered(derived.folder))
            entered_so_far.given = max(entered_so_far.given, await asyncio.to_thread(numbers_given, derived.folder))
            decide = estimated if order.month and not order.number else decided
            decision = await asyncio.to_thread(decide, self._config(), entered_so_far, order, author, at)
            fault = ""
            try:
                if decision.entry is not None:
                    await _give(derived, entered_so_far, decision.entry.number)
                    record = _record(self._config(), decision.entry, decision.result, user, at)
                    await asyncio.wrap_future(derived.submit(record))
            except ArchiveError as error:
                fault = str(error)
                raise
            finally:
                self._log(order, decision, user, author, at, fault)
            return decision.result

    def _log(self, order: Order, decision: Decision, user: str, author: str, at: datetime, fault: str) -> None:
        found = decision.result
        facts: dict[str, object] = {
            "obis": found.obis or order.obis,
            "month" if order.month or found.month else "day": found.period or str(order.day or ""),
            "value": found.amount or order.value,
            "number": found.number or order.number,
            "state": order.state,
            "author": author,
            "checks": [one.text for one in found.refused],
            "problem": found.problem,
            "fault": fault,
        }
        detail = msgspec.json.encode({key: fact for key, fact in facts.items() if fact not in ("", 0, [])}).decode()
        result = "fault" if fault else "done" if decision.entry is not None else "refused"
        subject = found.point or order.point or f"number {order.number}"
        self._raw.submit(Audit(at, user, CATEGORY, TYPE, subject, result, detail))


def _record(config: Config, entry: Entry, found: Result, user: str, at: datetime) -> records.Entry:
    point = next((one for one in config.points if one.id == entry.subject.point), None)
    words = f"number {entry.number} {entry.state.value} by {entry.author}"
    exchange = Exchange(
        entry.subject.point,
        BY_HAND,
        f"{entered.REQUEST} {entry.subject.obis}",
        at,
        at,
        entered.document(entry, found.unit, user),
        Outcome.DONE,
        f"{words}: {entry.note}" if entry.note else words,
    )
    if point is None:  # not configured any more
        return records.Entry(exchange, serial=BY_HAND)
    return records.Entry(exchange, serial=BY_HAND, point=point.point, metering_type=point.metering_type)


def numbers_given(folder: Path) -> int:
    """The highest number that was given to a value by hand, whether its entry is still there or not, as it is written
    down; where nothing is, that of a value that was made of one. ArchiveError."""
    text = memory.recalled(folder, MEMORY, KEY)
    if text is not None and text.isdigit():
        return int(text)
    return max(DerivedReader(folder).numbers_by_hand(), default=0)


async def _give(derived: Store, entries: Entered, number: int) -> None:
    """Returns when it is on the disk. ArchiveError."""
    highest = max(number, entries.highest)
    await derived.remember_all([(MEMORY, KEY, str(highest).encode())])
    entries.given = highest


def substitute_stream(gateway: Gateway, wake: Callable[[], None] = lambda: None) -> Stream:
    """The answer to a request `substitute` of the control socket: `order`, as JSON. `wake`: the engine looks after
    what was entered."""
    desk = Desk(
        lambda: gateway.config, gateway.store, lambda: None if gateway.metering is None else gateway.metering.store
    )
    tasks: set[asyncio.Task[Result]] = set()

    async def handled(order: Order, user: str) -> Result:
        found = await desk.carry_out(order, user)
        if found.done:
            wake()
        return found

    def done(task: "asyncio.Task[Result]") -> None:
        tasks.discard(task)
        if not task.cancelled():
            task.exception()  # told, or nobody waits for it any more

    async def stream(request: Request) -> AsyncGenerator[dict[str, object], None]:
        order = order_of(request.get("order"))
        yield {"event": "taken"}
        task = asyncio.create_task(handled(order, request.user), name="substitute value by hand")
        tasks.add(task)
        task.add_done_callback(done)
        try:
            found = await asyncio.shield(task)  # what is archived has its entry in the audit log, whoever has gone
        except GatewayError:
            raise
        except Exception as error:
            log.critical("a substitute value by hand met a defect in gatewayd: %r", error, exc_info=error)
            raise GatewayError(f"a defect in gatewayd, please report what its log says: {error!r}") from error
        yield {"event": "handled", "result": msgspec.to_builtins(found)}

    return stream


async def place(config: Config, order: Order, tell: Tell = nobody) -> Result:
    """Have an order carried out: by the running gateway, else here, with both archives locked. GatewayError."""
    return await either(lambda: _by_the_gateway(config, order), lambda: _here(config, order), tell)


async def _by_the_gateway(config: Config, order: Order) -> Result:
    details = {"order": msgspec.json.encode(order).decode()}
    async with aclosing(follow(config.archive.path, REQUEST, **details)) as events:
        async for event in events:
            if event["event"] == "handled":
                return msgspec.convert(event["result"], Result)
    raise GatewayError(
        "the gateway has stopped before it answered; whether the value is archived says `gatewayd substitute list`"
    )


async def _here(config: Config, order: Order) -> Result:
    async with AsyncExitStack() as stack:
        raw = await stack.enter_async_context(opened_here(config))
        derived = await stack.enter_async_context(opened(derived_store(config)))
        return await Desk(lambda: config, raw, lambda: derived).carry_out(order, user_name(os.getuid()))


def derived_store(config: Config) -> Store:
    """The derived archive of a configuration, not yet open."""
    return Store(
        derived_folder(config.archive.path),
        config.gateway.id,
        lambda: to_us(now()),
        group_seconds=0.0,
        segment_bytes=config.archive.segment_mb << 20,
    )
