"""Readings by hand: looked at and archived, by the running gateway or by a command that stands alone.

Rules: one table at a time, looked at again in the moment in which it is archived, so that none is archived twice. What
is archived of a table is one transaction: all of it or nothing. Each table is in the audit log, whoever had it entered;
looking alone is not. The archive is read outside of the event loop.
"""

import asyncio
import json
import os
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from datetime import datetime

import msgspec

from gatewayd.archive.neighbours import Neighbours
from gatewayd.archive.records import Audit, Bundle
from gatewayd.archive.store import Store
from gatewayd.config import Config
from gatewayd.control import NotRunning, Request, Stream, follow
from gatewayd.daemon.build import build_store, now, opened
from gatewayd.daemon.gateway import Gateway
from gatewayd.errors import ArchiveError, GatewayError
from gatewayd.manual.desk import Desk, Judged, entry_of
from gatewayd.manual.known import Known
from gatewayd.manual.submission import LONGEST_TEXT, Handled, Outcome, Submission, read, written
from gatewayd.peer import user_name

CATEGORY, TYPE = "operator", "reading"
REQUEST = "reading"
PORTION = 50
"""Readings of one request at most; each portion is one transaction."""
_LONGEST = 24_000
"""Bytes of them: less than half of what the socket takes, because quotes are quoted once more."""


class Handing(msgspec.Struct, frozen=True):
    """How a table is handed in. `enter`: to be archived, else only looked at; `stand_by`: also what is doubtful;
    `author`: who has read, "" for the user; `file`: where it comes from, "" for a single reading."""

    enter: bool = False
    stand_by: bool = False
    author: str = ""
    file: str = ""


def manual_stream(gateway: Gateway) -> Stream:
    """The answer to a request `reading` of the control socket: `readings` and `handing`, as JSON."""
    lock = asyncio.Lock()
    tasks: set[asyncio.Task[list[Handled]]] = set()

    async def handled(submissions: Sequence[Submission], handing: Handing, user: str) -> list[Handled]:
        async with lock:
            return await handle(gateway.config, gateway.store, submissions, handing, user)

    def done(task: "asyncio.Task[list[Handled]]") -> None:
        tasks.discard(task)
        if not task.cancelled():
            task.exception()  # told, or nobody waits for it any more

    async def stream(request: Request) -> AsyncGenerator[dict[str, object], None]:
        submissions, handing = read(request.get("readings")), _handing(request.get("handing"))
        yield {"event": "taken", "readings": len(submissions)}
        task = asyncio.create_task(handled(submissions, handing, request.user), name="readings by hand")
        tasks.add(task)
        task.add_done_callback(done)
        found = await asyncio.shield(task)  # what is archived has its entry in the audit log, whoever has gone
        yield {"event": "handled", "readings": msgspec.to_builtins(found)}

    return stream


async def hand_in(
    config: Config,
    submissions: Sequence[Submission],
    handing: Handing,
    show: Callable[[int], None] = lambda _done: None,
) -> list[Handled]:
    """Have a table looked at or archived: by the running gateway, else here. GatewayError; what is archived by then
    stays so, and is told apart the next time because it is there. `show` is told how many are done."""
    found: list[Handled] = []
    try:
        while len(found) < len(submissions):
            found += await _asked(config, _portion(submissions[len(found) :]), handing)
            show(len(found))
    except NotRunning:
        rest = submissions[len(found) :]
        if not handing.enter:
            return found + [_looked_at(one) for one in await asyncio.to_thread(_looked, config, rest, now())]
        async with opened(build_store(config, group_seconds=0.0)) as store:
            for start in range(0, len(rest), PORTION):
                found += await handle(config, store, rest[start : start + PORTION], handing, user_name(os.getuid()))
                show(len(found))
    return found


async def handle(
    config: Config, store: Store, submissions: Sequence[Submission], handing: Handing, user: str
) -> list[Handled]:
    """Look at a table and, where that is wanted, archive what can be. GatewayError, and nothing of it is archived."""
    at = now()
    found = await asyncio.to_thread(_looked, config, submissions, at)
    if not handing.enter:
        return [_looked_at(one) for one in found]
    taken = [one for one in found if not one.refused and (handing.stand_by or not one.doubtful)]
    author = handing.author.strip() or user
    entries = tuple(entry_of(one, author, user, handing.file, at) for one in taken)
    try:
        archived = await store.append(Bundle(entries, tuple(range(len(entries))))) if entries else ()
    except ArchiveError as error:
        await _log(store, found, handing, user, author, at, f"fault: {error}")
        raise
    by_place = dict(zip(map(id, taken), archived, strict=True))
    told = [
        one.handled(Outcome.ARCHIVED, by_place[id(one)]) if id(one) in by_place else _looked_at(one) for one in found
    ]
    first, last = (archived[0].seq, archived[-1].seq) if archived else (0, 0)
    await _log(store, found, handing, user, author, at, "done" if archived else "refused", len(archived), first, last)
    return told


def _looked(config: Config, submissions: Sequence[Submission], at: datetime) -> list[Judged]:
    with Neighbours(config.archive.path) as neighbours:
        zone = config.gateway.zone
        desk = Desk(config.metered, Known(neighbours, zone), zone, at)
        return [desk.judged(one) for one in submissions]


def _looked_at(one: Judged) -> Handled:
    return one.handled(Outcome.REFUSED if one.refused else Outcome.DOUBTFUL if one.doubtful else Outcome.SOUND)


def _portion(submissions: Sequence[Submission]) -> Sequence[Submission]:
    """As many as go into one request."""
    count = PORTION
    while count > 1 and len(written(submissions[:count]).encode()) > _LONGEST:
        count //= 2
    return submissions[:count]


async def _asked(config: Config, submissions: Sequence[Submission], handing: Handing) -> list[Handled]:
    details = {"readings": written(submissions), "handing": msgspec.json.encode(handing).decode()}
    async with aclosing(follow(config.archive.path, REQUEST, **details)) as events:
        async for event in events:
            if event["event"] == "handled":
                return msgspec.convert(event["readings"], list[Handled])
    raise GatewayError(
        "the gateway has stopped before it answered; what was archived says `gatewayd archive audit --category "
        f"{CATEGORY}`"
    )


def _handing(text: str) -> Handing:
    try:
        return msgspec.json.decode(text, type=Handing)
    except msgspec.MsgspecError as error:
        raise GatewayError(f"it is not said what to do with these readings: {error}") from error


async def _log(
    store: Store,
    found: Sequence[Judged],
    handing: Handing,
    user: str,
    author: str,
    at: datetime,
    result: str,
    count: int = 0,
    first: int = 0,
    last: int = 0,
) -> None:
    """One entry for a table, by its file, or for a single reading, by its meter."""
    kind, _, fault = result.partition(": ")
    facts: dict[str, object] = {
        "archived": count,
        "not_archived": len(found) - count,
        "first_seq": first,
        "last_seq": last,
        "author": author[:LONGEST_TEXT],
        "fault": fault,
    }
    subject = handing.file
    if not subject and found:
        one = found[0].handled(Outcome.REFUSED)
        subject = one.meter
        facts |= {"obis": one.obis, "value": one.value, "unit": one.unit, "type": one.type}
        facts["findings"] = [finding.line for finding in one.findings]
    detail = json.dumps({key: value for key, value in facts.items() if value not in ("", 0, [])}, ensure_ascii=False)
    await asyncio.wrap_future(store.submit(Audit(at, user, CATEGORY, TYPE, subject, kind, detail)))
