"""Held readings by hand: another person releases or rejects them.

Rules: one order at a time. A reading that is released is looked at again beside what is archived by now, as of the day
on which it was handed in; what is an error by then is refused with the reason, and goes on waiting. The reading and the
note that it does not wait any more are one transaction. Each number of an order has its entry in the audit log.
"""

import asyncio
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec

from gatewayd.archive import records
from gatewayd.archive.neighbours import Neighbours
from gatewayd.archive.records import Audit, Bundle
from gatewayd.archive.store import Store
from gatewayd.config import Config
from gatewayd.daemon.build import now
from gatewayd.errors import ArchiveError, GatewayError
from gatewayd.manual import held
from gatewayd.manual.desk import Desk, Judged
from gatewayd.manual.entries import Release, entry_of, step_entry
from gatewayd.manual.held import Held, State, Step
from gatewayd.manual.known import Known
from gatewayd.manual.plausible import Bounds
from gatewayd.manual.queue import Queue
from gatewayd.manual.submission import LONGEST_TEXT, Found, Handled, Outcome

CATEGORY = "operator"
TYPES = {State.RELEASED: "reading-release", State.REJECTED: "reading-reject"}


class Decision(msgspec.Struct, frozen=True):
    """What is to become of held readings: RELEASED or REJECTED. `author`: who says so, "" for the user."""

    numbers: tuple[int, ...]
    state: State
    author: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What comes of one number: what is told, and what is archived of it, nothing where it is refused. `judged`: where
    it becomes a reading."""

    number: int
    told: Handled
    entries: tuple[records.Entry, ...] = ()
    judged: Judged | None = None


async def decide(config: Config, store: Store, queue: Queue, decision: Decision, user: str) -> list[Handled]:
    """Carry out one order; what came of each number. GatewayError, and nothing is archived."""
    _check(decision)
    at, author = now(), decision.author.strip() or user
    step = Step(decision.state, author, at, user, decision.note)
    verdicts = await asyncio.to_thread(_verdicts, config, queue, decision.numbers, step)
    entries = tuple(entry for one in verdicts for entry in one.entries)
    try:
        archived = await store.append(Bundle(entries, _order(entries))) if entries else ()
    except ArchiveError as error:
        await _log(store, verdicts, step, str(error))
        raise
    readings = iter(archived)
    found = [
        one.told if one.judged is None else one.judged.handled(Outcome.ARCHIVED, next(readings), one.number)
        for one in verdicts
    ]
    await _log(
        store, [_Verdict(one.number, told, one.entries) for one, told in zip(verdicts, found, strict=True)], step
    )
    return found


def _check(decision: Decision) -> None:
    if decision.state not in TYPES:
        raise GatewayError("a held reading is released or rejected")
    if decision.state is State.REJECTED and not decision.note.strip():
        raise GatewayError("it is not said why they are rejected")
    for text in (decision.author, decision.note):
        if len(text) > LONGEST_TEXT or not text.isprintable():
            raise GatewayError(
                f"an author or a note has more than {LONGEST_TEXT} characters, or some that nobody types"
            )


def _verdicts(config: Config, queue: Queue, numbers: Iterable[int], step: Step) -> list[_Verdict]:
    """In a thread: it reads the archive."""
    known, zone, manual = queue.known(), config.gateway.zone, config.manual
    with Neighbours(config.archive.path) as neighbours:
        bounds = Bounds(manual.tolerance, manual.maximum)
        desk = Desk(config.metered, Known(neighbours, zone), zone, step.at, bounds)
        found: list[_Verdict] = []
        for number in sorted(set(numbers)):
            wrong = held.problem(known, number, step.state, step.author)
            if wrong is not None:
                there = known.get(number)
                seen = there.seen if there is not None else Handled(Outcome.REFUSED, number=number)
                refused = msgspec.structs.replace(seen, outcome=Outcome.REFUSED, findings=(wrong,))
                found.append(_Verdict(number, refused))
            elif step.state is State.REJECTED:
                found.append(_rejected(config, known[number], step))
            else:
                found.append(_released(config, desk, known[number], step))
        return found


def _rejected(config: Config, one: Held, step: Step) -> _Verdict:
    told = msgspec.structs.replace(one.seen, outcome=Outcome.REJECTED, status="", flags=())
    return _Verdict(one.number, told, (step_entry(one, step, config.metered),))


def _released(config: Config, desk: Desk, one: Held, step: Step) -> _Verdict:
    judged = desk.judged(one.submission, one.handed_in)
    if judged.refused:
        return _Verdict(one.number, judged.handled(Outcome.REFUSED, number=one.number))
    first = one.history[0]
    reading = entry_of(judged, first.author, first.user, one.file, step.at, Release(one, step))
    note = step_entry(one, step, config.metered)
    return _Verdict(one.number, judged.handled(Outcome.HELD, number=one.number), (reading, note), judged)


def _order(entries: Sequence[records.Entry]) -> tuple[int, ...]:
    return tuple(range(sum(len(entry.readings) for entry in entries)))


async def _log(store: Store, verdicts: Iterable[_Verdict], step: Step, fault: str = "") -> None:
    """One entry for each number."""
    written = [
        asyncio.wrap_future(store.submit(_audit(one, step, "fault" if fault else "", fault))) for one in verdicts
    ]
    for each in written:
        await each


def _audit(verdict: _Verdict, step: Step, result: str, fault: str) -> Audit:
    told = verdict.told
    facts: dict[str, object] = {
        "number": verdict.number,
        "obis": told.obis,
        "value": told.value,
        "unit": told.unit,
        "seq": told.seq,
        "author": step.author[:LONGEST_TEXT],
        "note": step.note,
        "findings": [finding.line for finding in told.findings if _tells(finding, verdict)],
        "fault": fault,
    }
    detail = json.dumps({key: value for key, value in facts.items() if value}, ensure_ascii=False)
    subject = told.meter or f"number {verdict.number}"
    done = "done" if verdict.entries else "refused"
    return Audit(step.at, step.user, CATEGORY, TYPES[step.state], subject, result or done, detail)


def _tells(finding: Found, verdict: _Verdict) -> bool:
    """Whether it belongs to what was done now: what a rejected one had when it was handed in is told there."""
    return verdict.told.outcome is not Outcome.REJECTED or finding.check == "release"


def read(text: str) -> Decision:
    """Out of a request. GatewayError for what it is not."""
    try:
        return msgspec.json.decode(text, type=Decision)
    except msgspec.MsgspecError as error:
        raise GatewayError(f"that is no order for held readings: {error}") from error


def parts(decision: Decision, most: int) -> list[Decision]:
    """The same as orders of so many numbers at most."""
    numbers = sorted(set(decision.numbers))
    return [
        msgspec.structs.replace(decision, numbers=tuple(numbers[start : start + most]))
        for start in range(0, len(numbers), most)
    ]
