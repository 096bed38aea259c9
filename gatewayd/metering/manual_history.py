"""What became of substitute values that were entered by hand: states, the one that is valid, who did what and when.

    entered -> sent -> accepted | rejected, and superseded by the next one of the same subject

Rules: pure; a fold over entries in the order in which they were archived, of which none is ever changed (requirements
N3, N4, U11). The last one that was entered is the valid one; when it is rejected or taken back there is none, and no
former one comes back. A step that the table does not allow is refused with words, and stands in no archive.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from enum import Enum

from gatewayd.metering.replaced import said
from gatewayd.metering.values import Method, Value
from gatewayd.model import Flag, RawStatus
from gatewayd.obis import Obis


class State(Enum):
    """The values are stored in the archive. `czech`: what the portal calls it."""

    ENTERED = "entered"
    SENT = "sent"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    SUPERSEDED = "superseded"

    @property
    def czech(self) -> str:
        return _CZECH[self]


_CZECH = {
    State.ENTERED: "Zadáno",
    State.SENT: "Odesláno",
    State.ACCEPTED: "Přijato OTE",
    State.REJECTED: "Odmítnuto OTE",
    State.SUPERSEDED: "Anulováno",
}
_NEXT = {
    State.ENTERED: (State.SENT, State.SUPERSEDED),
    State.SENT: (State.ACCEPTED, State.REJECTED),
    State.ACCEPTED: (),
    State.REJECTED: (),
    State.SUPERSEDED: (),
}
"""What somebody may tell of a value. Superseded it is by the next one, or because somebody takes it back."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What a value is for: a day, or the `month` that begins with it (an estimate, type C)."""

    point: str
    obis: Obis
    day: date
    month: bool = False

    @property
    def period(self) -> str:
        """`2026-11-26`, of a month `2026-11`."""
        return f"{self.day:%Y-%m}" if self.month else self.day.isoformat()

    def __str__(self) -> str:
        return f"{self.point} {self.obis.reduced()} {self.period}"


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the archive: a value is entered (with its amount), or something became of the one with that number.
    `seq`: its own sequence number."""

    number: int
    subject: Subject
    state: State
    author: str
    at: datetime
    amount: Decimal | None = None
    note: str = ""
    seq: int = 0


@dataclass(frozen=True, slots=True)
class Step:
    """One line of a history."""

    state: State
    author: str
    at: datetime
    note: str = ""


@dataclass(frozen=True, slots=True)
class Submission:
    """A value that was entered, and its history, the oldest step first."""

    number: int
    subject: Subject
    amount: Decimal
    seq: int
    history: tuple[Step, ...]

    @property
    def state(self) -> State:
        return self.history[-1].state


def problem(known: Mapping[int, Submission], entry: Entry) -> str:
    """Why an entry cannot follow upon what there is; empty when it can."""
    there = known.get(entry.number)
    if entry.state is State.ENTERED:
        if there is not None:
            return f"there is a value with the number {entry.number} already; the next one is {next_number(known)}"
        return "" if entry.amount is not None else "a value that is entered has an amount"
    if there is None:
        return f"there is no value with the number {entry.number}; enter it first"
    if entry.subject != there.subject:
        return f"number {entry.number} is for {there.subject}, and not for {entry.subject}"
    following = _NEXT[there.state]
    if entry.subject.month:  # an estimate is nothing that is sent to the market operator
        following = tuple(state for state in following if state is State.SUPERSEDED)
    if entry.state not in following:
        allowed = " or ".join(state.value for state in following) or "nothing more; enter another value"
        return f"number {entry.number} is {there.state.value} and cannot be {entry.state.value}; possible: {allowed}"
    return ""


def next_number(known: Mapping[int, Submission]) -> int:
    """The number of the next value."""
    return max(known, default=0) + 1


def folded(entries: Iterable[Entry], refuse: Callable[[str], None] | None = None) -> dict[int, Submission]:
    """All values by their numbers. A step that the table does not allow is passed over, and `refuse` is told why; where
    nobody is to be told, ValueError."""
    known: dict[int, Submission] = {}
    last: dict[Subject, int] = {}
    for entry in entries:
        wrong = problem(known, entry)
        if wrong:
            if refuse is None:
                raise ValueError(f"{entry.subject}: {wrong}")
            refuse(f"{entry.subject}: {wrong}")
            continue
        step = Step(entry.state, entry.author, entry.at, entry.note)
        if entry.state is not State.ENTERED or entry.amount is None:
            known[entry.number] = _with(known[entry.number], step)
            continue
        former = last.get(entry.subject)
        if former is not None and known[former].state is not State.SUPERSEDED:
            by = Step(State.SUPERSEDED, entry.author, entry.at, f"by number {entry.number}")
            known[former] = _with(known[former], by)
        known[entry.number] = Submission(entry.number, entry.subject, entry.amount, entry.seq, (step,))
        last[entry.subject] = entry.number
    return known


def _with(submission: Submission, step: Step) -> Submission:
    return replace(submission, history=(*submission.history, step))


def valid(known: Mapping[int, Submission], subject: Subject) -> Submission | None:
    """The value that counts; None where none does."""
    of_it = [one for one in known.values() if one.subject == subject and one.state is not State.SUPERSEDED]
    return next((one for one in of_it if one.state is not State.REJECTED), None)


def with_entered(value: Value, submission: Submission | None) -> Value:
    """The value of a day, or what was entered in its place, for all of its intervals. A true one stays."""
    if submission is None or value.status is RawStatus.TRUE:
        return value
    entered = submission.history[0]
    reason = f"number {submission.number}, entered by {entered.author}, {submission.state.value}"
    note = f": {entered.note}" if entered.note else ""
    return Value(
        value.at,
        value.seconds,
        submission.amount,
        RawStatus.SUBSTITUTE,
        value.flags | Flag.MANUAL,
        (submission.seq,) if submission.seq else (),
        Method.MANUAL,
        value.want,
        value.want,
        reason=f"{reason}{note}; instead of {said(value)}",
    )
