"""What a line has to do and what comes next: pure, no clock, no I/O.

Rules: boundaries of intervals go before what else is scheduled, that before what is tried again, and that before
back-fill; whatever has waited for long moves up, so that nothing starves. Meters that answer go before those that do
not (silences.py), and those that only cost time wait for time that nobody else needs (turns.py); of equals the longest
due. What is due for the meter that is chosen goes into one session.
"""

import heapq
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from gatewayd.duties import Brought, Duty, Pending, Priority, Terms
from gatewayd.model import LoadProfile
from gatewayd.schedule import At, Served
from gatewayd.silences import PAUSES as SILENCE_PAUSES
from gatewayd.silences import Silences
from gatewayd.turns import Turns

SET_BACK = timedelta(minutes=1)
"""By less than that a clock is set back in the daily work of time synchronisation."""
_LONG = timedelta(hours=1)
"""When nobody has looked for so long the clock may have been set forward."""
_A_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Choice:
    """One session: a meter, and which of the agenda's duties are due for it, in the order in which they are asked."""

    meter: str
    places: tuple[int, ...]
    priority: Priority


@dataclass(frozen=True, slots=True)
class _Candidate:
    place: int
    pending: Pending
    when: datetime
    behind: bool
    priority: Priority

    @property
    def rank(self) -> tuple[bool, Priority, datetime, int]:
        return self.behind, self.priority, self.when, self.place

    @property
    def in_session(self) -> tuple[bool, bool, Priority, datetime, int]:
        """Profiles come last, because they may go on for long, and back-fill behind everything."""
        profile = isinstance(self.pending.duty.order, LoadProfile)
        return self.priority is Priority.BACKFILL, profile, self.priority, self.when, self.place


class Agenda:
    """The duties of one line. Instants are those of the caller's wall clock, in UTC. `last`: up to when a daily job was
    done before this process (diary.py)."""

    def __init__(
        self,
        duties: Sequence[Duty],
        now: datetime,
        terms: Terms,
        last: Callable[[Duty], Served | None] = lambda _: None,
    ) -> None:
        self.duties = tuple(duties)
        self.silences = Silences()
        self.turns = Turns([(duty.meter, duty.rhythm) for duty in duties])
        self.pending = tuple(Pending(duty, terms, now, last(duty)) for duty in duties)
        self._seen = now
        self._apart: set[str] = set()

    def look(self, now: datetime) -> timedelta:
        """To be told the time before anybody looks what is due. By how much the clock was set back since the last look,
        zero where it was not: what is due is worked out anew then."""
        seen, self._seen = self._seen, now
        if seen - now > SET_BACK:
            for pending in self.pending:
                pending.set_back(seen, now)
            return seen - now
        if now - seen > _LONG:
            for pending in self.pending:
                pending.set_forward(now)
        return timedelta(0)

    def choose(self, now: datetime, turn: Callable[[str], int] = lambda _: 0) -> Choice | None:
        """The session that comes next; None where nothing is due. `turn`: what is less for a meter goes before
        everything else."""
        return self._choice(sorted(self._candidates(now), key=lambda one: (turn(one.pending.duty.meter), one.rank)))

    def due_for(self, meter: str, now: datetime) -> Choice | None:
        """The session for this meter: everything that is due for it."""
        return self._choice(sorted(self._candidates(now, meter), key=lambda one: one.rank))

    def _choice(self, candidates: Sequence[_Candidate]) -> Choice | None:
        if not candidates:
            return None
        first, duty = candidates[0], candidates[0].pending.duty
        mine = [one for one in candidates if (one.pending.duty.meter, one.pending.duty.company) == _whose(duty)]
        waiting = [one.priority for one in candidates if one.pending.duty.meter != duty.meter and not one.behind]
        if duty.meter in self._apart:
            mine = [first]
        elif first.priority is Priority.BOUNDARY and Priority.BOUNDARY in waiting:
            mine = [one for one in mine if one.priority is Priority.BOUNDARY]
        elif any(priority < Priority.BACKFILL for priority in waiting):
            mine = [one for one in mine if one.priority < Priority.BACKFILL] or mine
        mine.sort(key=lambda one: one.in_session)
        return Choice(duty.meter, tuple(one.place for one in mine), first.priority)

    def _candidates(self, now: datetime, meter: str | None = None) -> Iterator[_Candidate]:
        rivals: Sequence[tuple[datetime, str]] | None = None
        for place, pending in enumerate(self.pending):
            name = pending.duty.meter
            if meter is not None and name != meter:
                continue
            when = self._when(pending, now)
            if when > now:
                continue
            if self.turns.suspect(name) and now - when < self._patience(name):
                rivals = self._rivals() if rivals is None else rivals  # once, and not for each of hundreds
                if self.turns.too_short(name, _first_of_others(rivals, name, now) - now):
                    continue
            # On a line that is always busy a meter that does not answer gets its turn all the same, and soon where only
            # an answer was lost.
            behind = self.silences.silent(name) and now - when < self._patience(name)
            yield _Candidate(place, pending, when, behind, pending.priority(when, now))

    def next_at(self, now: datetime, but: Collection[str] = ()) -> datetime | None:
        """When to look again, where nothing can be chosen now of any meter but these; None where there is nothing to
        do, ever."""
        looks = []
        for pending in self.pending:
            if pending.duty.meter in but:
                continue
            when = self._when(pending, now)
            looks.append(when if when > now else when + self._patience(pending.duty.meter))
        return max(min(looks), now) if looks else None

    def pressing(self, choice: Choice, than: Priority, now: datetime) -> bool:
        """Whether anything that is not of this choice is due and goes before what has this priority."""
        return any(
            one.priority < than and not one.behind for one in self._candidates(now) if one.place not in choice.places
        )

    def seconds(self, meter: str, now: datetime) -> float | None:
        """How long a session with this meter may take, so that the others of the line have their times; None where it
        is alone there."""
        return self.turns.seconds(meter, _first_of_others(self._rivals(), meter, now) - now)

    def _rivals(self) -> Sequence[tuple[datetime, str]]:
        """The two meters that are due first, back-fill aside, among those that are not under suspicion."""
        first: dict[str, datetime] = {}
        for pending in self.pending:
            meter, needed = pending.duty.meter, pending.needed
            if not self.turns.suspect(meter) and (meter not in first or needed < first[meter]):
                first[meter] = needed
        return heapq.nsmallest(2, ((needed, meter) for meter, needed in first.items()))

    def _when(self, pending: Pending, now: datetime) -> datetime:
        return self.silences.not_before(pending.duty.meter, pending.due, now)

    def _patience(self, meter: str) -> timedelta:
        """How long what is due of a meter that does not answer stays behind the others."""
        return SILENCE_PAUSES[-1] if self.silences.dead(meter) else SILENCE_PAUSES[0]

    # -- what came of it -----------------------------------------------------------------------------------------------

    def settle(
        self, choice: Choice, brought: Sequence[Brought], started: datetime, now: datetime, *, cut: bool
    ) -> list[tuple[Duty, datetime]]:
        """The session that began at `started` is over: what its duties brought, in their order, up to the first that
        was not tried; `cut`: because of the last one's fault, so that the others would have failed as well. Gives the
        daily jobs that are done, each with the instant up to which."""
        done = []
        for place, one in zip(choice.places, brought, strict=False):
            pending = self.pending[place]
            if one.fault is not None:
                pending.failed(one.fault, started, now)
                continue
            mark = pending.sound(one, started, now)
            if isinstance(pending.duty.rhythm, At) and not one.left:  # else a restart goes on filling at once
                done.append((pending.duty, mark))
        asked = [(place, one.fault) for place, one in zip(choice.places, brought, strict=False) if one.asked]
        if cut and asked:
            lead, fault = asked[-1]
            for place in choice.places[len(brought) :]:
                self.pending[place].goes_along(self.pending[lead], fault, started, now)
        return done

    def heed(self, choice: Choice, brought: Sequence[Brought], started: datetime, now: datetime) -> None:
        """What the session tells of its meter. One that does not answer is asked at its regular times only, and not at
        all of them; what is due once a day is tried again all the same."""
        meter, asked = choice.meter, [one for one in brought if one.asked]
        if not asked:
            return
        fault, answered = asked[-1].fault, any(one.answered or one.fault is None for one in asked)
        self.silences.note(meter, None if answered else fault, started)
        self.turns.note(meter, fault, (now - started).total_seconds(), answered=answered)
        if self.silences.dead(meter):
            until = self.silences.not_before(meter, now, now)
            often = [place for place in choice.places if not isinstance(self.pending[place].duty.rhythm, At)]
            self.put_off(often, max(now, until - (until - started) / 10))

    def welcome(self, meter: str, now: datetime) -> None:
        """The meter has answered somebody else."""
        self.silences.note(meter, None, now)
        self.turns.forgive(meter)

    def hold_apart(self, meter: str) -> None:
        """One of its duties breaks the session: from now on each has one of its own."""
        self._apart.add(meter)

    def put_off(self, places: Collection[int], until: datetime) -> None:
        """None of these duties before its first regular time behind `until`."""
        for place in places:
            self.pending[place].put_off(until)

    # -- to be told ----------------------------------------------------------------------------------------------------

    def queue(self, now: datetime) -> tuple[int, datetime | None]:
        """How many duties are due, and since when the first of them."""
        due = [when for pending in self.pending if (when := self._when(pending, now)) <= now]
        return len(due), min(due, default=None)

    def next_dues(self, now: datetime) -> dict[str, datetime]:
        """When each meter is asked next, at the earliest."""
        dues: dict[str, datetime] = {}
        for pending in self.pending:
            when = self._when(pending, now)
            dues[pending.duty.meter] = min(dues.get(pending.duty.meter, when), when)
        return dues

    def left(self) -> dict[str, int]:
        """Pieces of time of each meter's profiles that are still to be asked for."""
        left: dict[str, int] = {}
        for pending in self.pending:
            left[pending.duty.meter] = left.get(pending.duty.meter, 0) + pending.left
        return left


def _first_of_others(rivals: Sequence[tuple[datetime, str]], meter: str, now: datetime) -> datetime:
    return next((needed for needed, name in rivals if name != meter), now + _A_DAY)


def _whose(duty: Duty) -> tuple[str, int]:
    return duty.meter, duty.company
