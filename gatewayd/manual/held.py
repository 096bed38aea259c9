"""Readings by hand that wait for the release by another person: how a step is written down, what became of each.

    held -> released | rejected

Rules: pure; a fold over steps in the order in which they were archived, of which none is ever changed (requirements
B13, B14, B18). What is released or rejected stays so. Retention drops the oldest steps: one of which the beginning is
gone is passed over, and so is what is no step.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum

import msgspec

from gatewayd.manual.submission import Found, Handled, Submission

SCHEMA = "gatewayd.held-reading/1"
REQUEST = "held"
"""The first word of the request of a note by hand."""


class State(Enum):
    """The values are stored in the archive."""

    HELD = "held"
    RELEASED = "released"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Step:
    """One line of a history. `author`: whose step it is, `user`: who was at the keyboard."""

    state: State
    author: str
    at: datetime
    user: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Held:
    """A reading that was handed in and waits, or has waited: as it was handed in, and as it was understood then
    (`seen`). The oldest step comes first."""

    number: int
    submission: Submission
    seen: Handled
    history: tuple[Step, ...]
    file: str = ""

    @property
    def state(self) -> State:
        return self.history[-1].state

    @property
    def waits(self) -> bool:
        return self.state is State.HELD

    @property
    def handed_in(self) -> datetime:
        return self.history[0].at

    @property
    def author(self) -> str:
        """Who has read, as it was said when it was handed in."""
        return self.history[0].author


@dataclass(frozen=True, slots=True)
class Entry:
    """One step as it stands in the archive; `submission` and `seen` only where it is the first one."""

    number: int
    step: Step
    submission: Submission | None = None
    seen: Handled | None = None
    file: str = ""


class _Document(msgspec.Struct, frozen=True):
    """What is written down of one step; its time is that of its exchange."""

    schema: str
    number: int
    state: State
    author: str
    user: str = ""
    note: str = ""
    file: str = ""
    submission: Submission | None = None
    seen: Handled | None = None


def document(entry: Entry) -> bytes:
    """Canonical JSON."""
    step = entry.step
    found = _Document(
        SCHEMA, entry.number, step.state, step.author, step.user, step.note, entry.file, entry.submission, entry.seen
    )
    return msgspec.json.encode(found, order="deterministic")


def entry_of(received: bytes, at: datetime) -> Entry:
    """The way back. ValueError for bytes that are no step."""
    try:
        found = msgspec.json.decode(received, type=_Document)
    except msgspec.MsgspecError as error:
        raise ValueError(f"that is no step of a held reading: {error}") from error
    if found.schema != SCHEMA:
        raise ValueError(f"'{found.schema}' is not {SCHEMA}")
    step = Step(found.state, found.author, at, found.user, found.note)
    return Entry(found.number, step, found.submission, found.seen, found.file)


def folded(entries: Iterable[Entry]) -> dict[int, Held]:
    """All of them by their numbers, as far as their beginning is there."""
    known: dict[int, Held] = {}
    for one in entries:
        there = known.get(one.number)
        if one.submission is not None and one.seen is not None:
            known[one.number] = Held(one.number, one.submission, one.seen, (one.step,), one.file)
        elif there is not None and there.waits:
            known[one.number] = replace(there, history=(*there.history, one.step))
    return known


def problem(known: Mapping[int, Held], number: int, state: State, author: str) -> Found | None:
    """Why a step cannot follow upon what there is; None when it can."""
    there = known.get(number)
    if there is None:
        return _fault(f"no reading with the number {number} waits; see gatewayd reading waiting")
    if not there.waits:
        last = there.history[-1]
        return _fault(
            f"number {number} is {last.state.value} already, by {last.author} at {last.at:%Y-%m-%d %H:%M:%SZ}"
        )
    if state is State.RELEASED and same_person(author, there.author):
        return _fault(f"number {number} was handed in by {there.author}; another person releases it (--author)")
    return None


def same_person(one: str, other: str) -> bool:
    """By the names that were given: blanks and capitals make no other person."""
    return "".join(one.split()).casefold() == "".join(other.split()).casefold()


def _fault(text: str) -> Found:
    return Found("error", "release", text)
