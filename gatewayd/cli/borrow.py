"""A line for a command alone: lent by the running gateway, or taken under its lock where none runs.

Rules: who has the line before is told on standard error. A loan that the gateway ends, ends the work; one that the
command ends is reported to the gateway, which has it in its audit log. Without a gateway the command writes that entry
itself; an archive that cannot be opened, or does not take it, keeps nobody from a line, and is said. A call that was
paid for is written down also where the gateway has stopped meanwhile.
"""

import asyncio
import contextlib
import math
import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from contextlib import aclosing
from pathlib import Path
from typing import Any, Protocol, TypeVar

import msgspec

from gatewayd import daemon
from gatewayd.archive.store import Store
from gatewayd.call_log import audit_of
from gatewayd.channel.modem_options import CallRecord
from gatewayd.cli.aside import aside
from gatewayd.config import Config
from gatewayd.control import NotRunning, follow
from gatewayd.errors import ArchiveError, ArchiveLocked, GatewayError
from gatewayd.loans import Ending
from gatewayd.peer import user_name
from gatewayd.refusals import Refusals, Sim

T = TypeVar("T")

_LATE_S = 10.0
"""How long a line is waited for under which only a call is to be written down."""

Events = AsyncGenerator[dict[str, Any], None]


class Pins(Protocol):
    """Who remembers what became of the PIN of a line: see gatewayd.refusals."""

    async def heed(self, line: str, sim: Sim) -> None: ...

    async def judge(self, line: str, sim: Sim) -> None: ...


class Borrowed:
    """The line that a command has for itself. `detail` goes into the audit log; `pins` is None where nothing can be
    remembered."""

    def __init__(self, pins: Pins | None) -> None:
        self.pins = pins
        self.detail = ""
        self.result = Ending.DONE
        """FAULT where the work has met one that it does not raise."""
        self.call: CallRecord | None = None
        """A test call that was made."""
        self.called = ""
        """The meter that was called, or other words for it."""


Work = Callable[[Borrowed], Coroutine[Any, Any, T]]


async def borrowed(config: Config, line: str, what: str, seconds: float, work: Work[T]) -> T:
    """Do the work on this line as soon as it is free; it takes about so many seconds, 0: not known. GatewayError when
    the gateway does not lend it, or ends the loan."""
    folder = config.archive.path
    details = {"line": line, "what": what, "seconds": str(math.ceil(seconds) or "")}

    async def asked() -> T:
        async with aclosing(follow(folder, daemon.LEND, **details)) as events:
            try:
                await anext(events)
            except PermissionError as error:
                if _has_meters(config, line):
                    raise
                aside(f"warning: this will not be in the audit log: {error}")
                return await work(Borrowed(None))
            lent = await _turn(events, line)
            return await _lent(config, line, lent, events, seconds, work)

    async def here() -> T:
        async with _archive(config, what) as store:
            return await _alone(store, line, what, work)

    try:
        return await daemon.either(asked, here, aside)
    except ArchiveLocked as error:  # by somebody who lends nothing
        _unaudited(what, error)
        return await _alone(None, line, what, work)


def _has_meters(config: Config, line: str) -> bool:
    pools = [name for name, lines in config.pools.items() if any(member.id == line for member in lines)]
    return any(meter.line in (line, *pools) for meter in config.meters)


# -- by the running gateway ------------------------------------------------------------------------------------------


async def _turn(events: Events, line: str) -> dict[str, Any]:
    """Wait for it; the event that says it is there."""
    told = ""
    async for event in events:
        if event.get("event") == "lent":
            return event
        text = _before(event)
        if text and text != told:
            aside(f"line {line}: {text}, then it is yours")
            told = text
    raise GatewayError(f"the gateway has stopped before it could lend line {line}")


def _before(event: dict[str, Any]) -> str:
    if event.get("lent"):
        return f"it is lent for a {event['lent'][0]}"
    meters = event.get("under_way") or ()
    return f"meter {', '.join(meters)} is being read" if meters else ""


async def _lent(config: Config, line: str, lent: dict[str, Any], events: Events, needed: float, work: Work[T]) -> T:
    folder, number, seconds = config.archive.path, str(lent["loan"]), lent["seconds"]
    if seconds is not None and seconds < needed:
        aside(
            f"line {line}: the running gateway lends it for {seconds:.0f} s at most; what takes longer has to be asked "
            "for in parts",
        )
    one = Borrowed(_LentPins(folder, number))
    watching = asyncio.create_task(_called_in(events, served=seconds is not None), name=f"loan of line {line}")
    working = asyncio.ensure_future(work(one))
    result, detail, ended = Ending.CANCELLED, "", False
    try:
        await asyncio.wait({watching, working}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)
            raise GatewayError(watching.result())
        found = working.result()
        result, ended = one.result, True
        return found
    except GatewayError as error:
        result, detail, ended = Ending.FAULT, str(error), True
        raise
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
        try:
            if ended or one.call is not None:
                await _give_back(folder, number, result, detail or one.detail, one)
        except NotRunning as error:
            await _write_late(config, line, one, error)
        except (GatewayError, PermissionError) as error:
            if watching.done():  # the gateway has ended the loan, and has written down that it was
                await _write_late(config, line, one, error)
            else:
                _unwritten(one, error)
        finally:  # not before: it ends the connection, and the loan with it
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)


async def _called_in(events: Events, *, served: bool) -> str:
    """Why the loan is over."""
    async for event in events:
        if event.get("event") == "over":
            return str(event["why"])
    if not served:
        await asyncio.Event().wait()  # the gateway had no use for the line
    return "the gateway has stopped, and the line is not lent any more"


async def _give_back(folder: Path, number: str, result: Ending, detail: str, one: Borrowed) -> None:
    """NotRunning, GatewayError when that does not work, or is not written down; PermissionError."""
    told = {"loan": number, "result": result.value, "detail": detail}
    if one.call is not None:
        told |= {"call": msgspec.json.encode(one.call).decode(), "meter": one.called}
    await _tell(folder, daemon.GIVE_BACK, told)


def _unwritten(one: Borrowed, why: object) -> None:
    if one.call is None:
        aside(f"warning: this is not in the audit log: {why}")
    else:
        aside(f"warning: the call is not in the archive: {why}")


async def _write_late(config: Config, line: str, one: Borrowed, error: Exception) -> None:
    """Put a call into the archive that the gateway has not taken before it ended the loan: under a new loan where one
    runs again, else by ourselves. What cannot be done is told."""
    call, folder = one.call, config.archive.path
    if call is None:
        return  # the gateway has written down that the line was lent

    async def asked() -> None:
        try:
            async with (
                asyncio.timeout(_LATE_S),
                aclosing(follow(folder, daemon.LEND, line=line, what="modem")) as events,
            ):
                await anext(events)
                lent = await _turn(events, line)
                await _give_back(folder, str(lent["loan"]), Ending.DONE, "the call of a loan that was ended", one)
        except (GatewayError, TimeoutError) as fault:  # of one that stops: in a moment the archive is free
            raise NotRunning(str(fault)) from fault

    async def here() -> None:
        async with daemon.opened_here(config) as store:
            await asyncio.wrap_future(store.submit(audit_of(call, one.called, user_name(os.geteuid()))))

    try:
        await daemon.either(asked, here, aside)
    except (GatewayError, OSError) as fault:
        _unwritten(one, f"{error}; {fault}")


async def _tell(folder: Path, request: str, details: dict[str, str]) -> None:
    async with aclosing(follow(folder, request, **details)) as events:
        await anext(events)


class _LentPins:
    """The running gateway remembers what became of the PIN. What was refused before has been looked up already."""

    def __init__(self, folder: Path, number: str) -> None:
        self._folder = folder
        self._number = number

    async def heed(self, _line: str, sim: Sim) -> None:
        sim.announce(lambda: self._note("sending", sim))

    async def judge(self, line: str, sim: Sim) -> None:
        state = "accepted" if sim.accepted else "refused" if sim.refused else ""
        try:
            if state:
                await self._note(state, sim)
        except (GatewayError, PermissionError) as error:
            aside(f"warning: that the PIN of line {line} was {state} is not remembered: {error}")

    async def _note(self, state: str, sim: Sim) -> None:
        told = {"loan": self._number, "state": state, "credentials": sim.credentials}
        await _tell(self._folder, daemon.PIN, told)


# -- without a gateway -------------------------------------------------------------------------------------------------


async def _alone(store: Store | None, line: str, what: str, work: Work[T]) -> T:
    one = Borrowed(None if store is None else Refusals(store, daemon.now))
    user = user_name(os.geteuid())
    result, detail = Ending.CANCELLED, ""
    try:
        found = await work(one)
        result, detail = one.result, one.detail
        return found
    except GatewayError as error:
        result, detail = Ending.FAULT, str(error)
        raise
    finally:
        if store is not None:
            entries = [] if one.call is None else [audit_of(one.call, one.called, user)]
            entries.append(daemon.loan_audit(user, what, line, result, detail))
            try:
                for written in [store.submit(entry) for entry in entries]:
                    await asyncio.wrap_future(written)
            except ArchiveError as error:
                _unwritten(one, error)


def _unaudited(what: str, error: Exception) -> None:
    lost = "; what it costs and whether its PIN is refused is not remembered" if what == "modem" else ""
    aside(f"warning: this will not be in the audit log{lost}: {error}")


@contextlib.asynccontextmanager
async def _archive(config: Config, what: str) -> AsyncIterator[Store | None]:
    """The archive, open; None, and said, where that does not work. ArchiveLocked when somebody else has it."""
    async with contextlib.AsyncExitStack() as stack:
        store = None
        try:
            store = await stack.enter_async_context(daemon.opened_here(config))
        except ArchiveLocked:
            raise
        except (ArchiveError, OSError) as error:
            _unaudited(what, error)
        yield store
