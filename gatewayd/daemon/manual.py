"""Readings by hand: looked at, archived, held and released, by the running gateway or by a command that stands alone.

    hand_in(config, submissions, handing)    look at a table, have it archived, have what is doubtful wait
    settle(config, decision)                 release or reject what waits (releases.py)
    manual_stream(gateway)                   both in the running gateway

Rules: one table at a time, looked at again in the moment in which it is archived, so that none is archived twice. What
is archived of a table is one transaction: all of it or nothing. Each table is in the audit log, whoever had it entered;
looking alone is not. The archive is read outside of the event loop. There is one held reading of a register and a day.
"""

import asyncio
import json
import os
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import datetime
from zoneinfo import ZoneInfo

import msgspec

from gatewayd.archive.neighbours import Neighbours
from gatewayd.archive.records import Audit, Bundle
from gatewayd.archive.store import Store
from gatewayd.config import Config
from gatewayd.control import Request, Stream, follow
from gatewayd.daemon import releases
from gatewayd.daemon.archive_turn import Tell, either, nobody
from gatewayd.daemon.build import now
from gatewayd.daemon.elsewhere import opened_here
from gatewayd.daemon.gateway import Gateway
from gatewayd.daemon.releases import CATEGORY, Decision
from gatewayd.errors import ArchiveError, GatewayError
from gatewayd.manual import portal
from gatewayd.manual.desk import Desk, Judged
from gatewayd.manual.entries import entry_of, held_entry
from gatewayd.manual.findings import Check, Finding
from gatewayd.manual.held import State, Step
from gatewayd.manual.known import Known
from gatewayd.manual.plausible import Bounds
from gatewayd.manual.queue import Queue, Subject, subject_of
from gatewayd.manual.submission import LONGEST_TEXT, Handled, Outcome, Submission, read, written
from gatewayd.peer import user_name

TYPE = "reading"
REQUEST = "reading"
PORTION = 50
"""Readings of one request at most; each portion is one transaction."""
_LONGEST = 24_000
"""Bytes of them: less than half of what the socket takes, because quotes are quoted once more."""


class Handing(msgspec.Struct, frozen=True):
    """How a table is handed in. `enter`: to be archived, else only looked at; `stand_by`: also what is doubtful;
    `author`: who has read, "" for the user; `file`: where it comes from, "" for a single reading; `hold`: what is
    doubtful waits, unless somebody stands by it."""

    enter: bool = False
    stand_by: bool = False
    author: str = ""
    file: str = ""
    hold: bool = False

    @property
    def holds(self) -> bool:
        return self.hold and not self.stand_by


class Clerk:
    """Takes tables and orders of one archive, one after the other."""

    def __init__(self, config: Callable[[], Config], store: Store) -> None:
        self._config = config
        self._store = store
        self._queue = Queue(store.folder)
        self._lock = asyncio.Lock()

    async def handle(self, submissions: Sequence[Submission], handing: Handing, user: str) -> list[Handled]:
        """Look at a table and, where that is wanted, archive or hold what can be. GatewayError, and nothing of it is
        archived."""
        async with self._lock:
            return await _handle(self._config(), self._store, self._queue, submissions, handing, user)

    async def settle(self, decision: Decision, user: str) -> list[Handled]:
        """Release or reject what waits. GatewayError, and nothing is archived."""
        async with self._lock:
            return await releases.decide(self._config(), self._store, self._queue, decision, user)


def manual_stream(gateway: Gateway) -> Stream:
    """The answer to a request `reading` of the control socket: `readings` and `handing`, or a `decision`, as JSON."""
    clerk = Clerk(lambda: gateway.config, gateway.store)
    tasks: set[asyncio.Task[list[Handled]]] = set()

    def begun(request: Request) -> Coroutine[None, None, list[Handled]]:
        """GatewayError for what is no request."""
        if order := request.get("decision"):
            return clerk.settle(releases.read(order), request.user)
        return clerk.handle(read(request.get("readings")), _handing(request.get("handing")), request.user)

    def done(task: "asyncio.Task[list[Handled]]") -> None:
        tasks.discard(task)
        if not task.cancelled():
            task.exception()  # told, or nobody waits for it any more

    async def stream(request: Request) -> AsyncGenerator[dict[str, object], None]:
        task = asyncio.create_task(begun(request), name="readings by hand")
        tasks.add(task)
        task.add_done_callback(done)
        yield {"event": "taken"}
        found = await asyncio.shield(task)  # what is archived has its entry in the audit log, whoever has gone
        yield {"event": "handled", "readings": msgspec.to_builtins(found)}

    return stream


async def hand_in(
    config: Config,
    submissions: Sequence[Submission],
    handing: Handing,
    show: Callable[[int], None] = lambda _done: None,
    tell: Tell = nobody,
) -> list[Handled]:
    """Have a table looked at, archived or held: by the running gateway, else here. GatewayError; what is archived by
    then stays so, and is told apart the next time because it is there. `show` is told how many are done."""
    found: list[Handled] = []

    async def asked() -> list[Handled]:
        while len(found) < len(submissions):
            part = _portion(submissions[len(found) :])
            details = {"readings": written(part), "handing": msgspec.json.encode(handing).decode()}
            found.extend(await _asked(config, **details))
            show(len(found))
        return found

    async def here() -> list[Handled]:
        rest = submissions[len(found) :]
        if not handing.enter:
            queue = Queue(config.archive.path)
            looked = await asyncio.to_thread(_looked, config, queue, rest, handing, now())
            return found + [_looked_at(one) for one in looked]
        async with opened_here(config) as store:
            clerk = Clerk(lambda: config, store)
            for start in range(0, len(rest), PORTION):
                found.extend(await clerk.handle(rest[start : start + PORTION], handing, user_name(os.getuid())))
                show(len(found))
        return found

    return await either(asked, here, tell)


async def settle(config: Config, decision: Decision, tell: Tell = nobody) -> list[Handled]:
    """Have what waits released or rejected, by the running gateway, else here; what came of each number, in their
    order. GatewayError; what is archived by then stays so."""
    found: list[Handled] = []
    orders = releases.parts(decision, PORTION)

    async def asked() -> list[Handled]:
        while orders:
            found.extend(await _asked(config, decision=msgspec.json.encode(orders[0]).decode()))
            orders.pop(0)
        return found

    async def here() -> list[Handled]:
        async with opened_here(config) as store:
            clerk = Clerk(lambda: config, store)
            for order in orders:
                found.extend(await clerk.settle(order, user_name(os.getuid())))
        return found

    return await either(asked, here, tell)


async def _handle(
    config: Config, store: Store, queue: Queue, submissions: Sequence[Submission], handing: Handing, user: str
) -> list[Handled]:
    at = now()
    found = await asyncio.to_thread(_looked, config, queue, submissions, handing, at)
    if not handing.enter:
        return [_looked_at(one) for one in found]
    taken = [one for one in found if not one.refused and (handing.stand_by or not one.doubtful)]
    waiting = [one for one in found if not one.refused and one.doubtful] if handing.holds else []
    author = handing.author.strip() or user
    first = queue.highest() + 1
    step = Step(State.HELD, author[:LONGEST_TEXT], at, user)
    entries = tuple(entry_of(one, author, user, handing.file, at) for one in taken)
    notes = tuple(held_entry(one, number, step, handing.file) for number, one in enumerate(waiting, first))
    result = _Result(held=len(waiting), first_number=first if waiting else 0)
    try:
        bundle = Bundle(entries + notes, tuple(range(len(entries))))
        archived = await store.append(bundle) if bundle.entries else ()
    except ArchiveError as error:
        await _log(store, found, handing, user, author, at, _Result("fault", str(error)))
        raise
    by_place = dict(zip(map(id, taken), archived, strict=True))
    numbers = {id(one): number for number, one in enumerate(waiting, first)}
    told = [
        one.handled(Outcome.ARCHIVED, by_place[id(one)])
        if id(one) in by_place
        else one.handled(Outcome.HELD, number=numbers[id(one)])
        if id(one) in numbers
        else _looked_at(one)
        for one in found
    ]
    if archived:
        seqs = archived[0].seq, archived[-1].seq
        result = replace(result, kind="done", archived=len(archived), first_seq=seqs[0], last_seq=seqs[1])
    elif waiting:
        result = replace(result, kind="held")
    await _log(store, found, handing, user, author, at, result)
    return told


def _looked(
    config: Config, queue: Queue, submissions: Sequence[Submission], handing: Handing, at: datetime
) -> list[Judged]:
    zone, manual = config.gateway.zone, config.manual
    with Neighbours(config.archive.path) as neighbours:
        bounds = Bounds(manual.tolerance, manual.maximum)
        desk = Desk(config.metered, Known(neighbours, zone), zone, at, bounds, hold=handing.holds)
        found = [desk.judged(one) for one in submissions]
    if handing.holds and any(one.doubtful for one in found):
        _find_held(found, queue, zone)
    return found


def _find_held(found: Sequence[Judged], queue: Queue, zone: ZoneInfo) -> None:
    """What would wait, and of which there is one that waits already, is a duplicate."""
    waits: dict[Subject | None, str] = {
        subject_of(one.seen, zone): f"waits for its release already (number {one.number})" for one in queue.waiting()
    }
    for one in found:
        subject = subject_of(one.handled(Outcome.DOUBTFUL), zone)
        if subject is None or not one.doubtful:
            continue
        if subject in waits:
            text = f"a reading of {subject[1]} of {subject[2]:%d.%m.%Y} {waits[subject]}"
            one.findings.append(Finding(Check.DUPLICATE, text, portal.DUPLICATE))
        else:
            waits[subject] = "stands further up, and would wait"


def _looked_at(one: Judged) -> Handled:
    return one.handled(Outcome.REFUSED if one.refused else Outcome.DOUBTFUL if one.doubtful else Outcome.SOUND)


def _portion(submissions: Sequence[Submission]) -> Sequence[Submission]:
    """As many as go into one request."""
    count = PORTION
    while count > 1 and len(written(submissions[:count]).encode()) > _LONGEST:
        count //= 2
    return submissions[:count]


async def _asked(config: Config, **details: str) -> list[Handled]:
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


@dataclass(frozen=True, slots=True)
class _Result:
    """What the audit log says came of a table: how many are archived and held, and their numbers, 0 for none."""

    kind: str = "refused"
    fault: str = ""
    archived: int = 0
    first_seq: int = 0
    last_seq: int = 0
    held: int = 0
    first_number: int = 0


async def _log(
    store: Store, found: Sequence[Judged], handing: Handing, user: str, author: str, at: datetime, result: _Result
) -> None:
    """One entry for a table, by its file, or for a single reading, by its meter."""
    facts: dict[str, object] = {
        "archived": result.archived,
        "held": result.held,
        "not_archived": len(found) - result.archived - result.held,
        "first_seq": result.first_seq,
        "last_seq": result.last_seq,
        "first_number": result.first_number,
        "last_number": result.first_number + result.held - 1 if result.held else 0,
        "author": author[:LONGEST_TEXT],
        "fault": result.fault,
    }
    subject = handing.file
    if not subject and found:
        one = found[0].handled(Outcome.REFUSED)
        subject = one.meter
        facts |= {"obis": one.obis, "value": one.value, "unit": one.unit, "type": one.type}
        facts["findings"] = [finding.line for finding in one.findings]
    detail = json.dumps({key: value for key, value in facts.items() if value not in ("", 0, [])}, ensure_ascii=False)
    await asyncio.wrap_future(store.submit(Audit(at, user, CATEGORY, TYPE, subject, result.kind, detail)))
