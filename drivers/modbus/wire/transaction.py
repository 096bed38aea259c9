"""One RTU request after the other, and what the line owes: no answer is ever taken for that of another request.

An RTU frame does not say which request it answers. After a time-out or a cancellation the answer may still come, and
would be taken for the next one's. So the line owes it, and nothing is sent until it has come (a sound frame that fits)
or `late_s` has passed since it was asked for. Where only time has passed it is doubtful, not gone: whoever may still
answer is kept in the order of asking, and a frame counts for the earliest that it fits. One that could be a doubtful
answer is thrown away, and the request sent again; one that only the present request can have shows that those before it
never come.

What is assumed, and what happens where it does not hold:

1. A line answers in the order in which it was asked. Where it does not (a gateway with two buses behind it), an answer
   that was overtaken may be taken for a later request's of the same unit, function and length.
2. An answer is complete `late_s` after its request was sent, or never comes. Later ones cost time, not truth: the
   latest DOUBTS of them are thrown away when they come, for DOUBT_LASTS times `late_s`. One that is later still, or is
   late for the process before, may be taken for another of its unit, function and length. Where nobody listened when
   the time was over (the connection broke), a serial server may keep the answer for whoever connects next: that doubt
   lasts until it is settled.
3. One request has one answer. A second one that follows at once, before the next request leaves (`pause_s`), is
   dropped. For a gateway that asks again by itself there is `repeats`: nothing is sent that could be confused with what
   was asked in the last `late_s`. The first answer that nobody is left to ask for switches it on, for DOUBLES_LASTS
   requests, but comes too late if the one before it was taken already.
4. Nobody else asks on this line. Of another master's frames those with another unit, function or length are passed
   over; others may be taken.

Rules: see dialogue.py. What came before a request was sent never answers it, so that `start` always asks to listen
first, be it for no time at all. An answer that is damaged is owed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from itertools import islice
from math import inf

from drivers.modbus.wire import rtu
from drivers.modbus.wire.connection import TcpExchange
from drivers.modbus.wire.dialogue import Action, Answered, Drain, Exchange, Send, Settings, Transport, Wait
from drivers.modbus.wire.pdu import Function, Request
from drivers.modbus.wire.rtu import Damaged, Due
from gatewayd.errors import MeterSilent

DOUBTS = 8
"""Answers that are kept in mind when their time has passed."""
DOUBT_LASTS = 10
"""For so many times late_s."""
DOUBLES_LASTS = 300
"""For so many requests without an answer too many: one frame of somebody else does not make a line slow for ever."""


def exchange(transport: Transport, settings: Settings, transaction: int = 0) -> Exchange:
    """The exchange for a line. `transaction`: the first number on a TCP connection."""
    match transport:
        case Transport.RTU:
            return RtuExchange(settings)
        case Transport.TCP:
            return TcpExchange(settings, transaction)


class _State(Enum):
    IDLE = auto()
    DRAINING = auto()
    """Until the line owes nothing and is quiet; then what is wanted is sent, if anything is."""
    ASKING = auto()


_Kind = tuple[int, Function]


@dataclass(frozen=True, slots=True)
class _Owed:
    """An answer that may come: to what, when that was sent, and whether it is the present request."""

    due: Due
    sent: float
    number: int


class RtuExchange:
    """An Exchange (dialogue.py) over one line, whichever units are on it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._state = _State.IDLE
        self._wanted: Due | None = None
        self._number = 0
        self._owed: list[_Owed] = []  # in the order of asking, the oldest first
        self._debt_until = -inf  # nothing is sent before, unless what is owed comes
        self._heard = b""
        self._mark = 0  # what of it was there before the latest request left
        self._echo: bytes | None = None
        self._until = -inf
        self._quiet_until = self._quiet_limit = -inf
        self._listened = -inf  # what has come until then is known
        self._unheard: set[int] = set()  # numbers of those that may have come while nobody listened
        self._doubles = 0  # for so many requests more the line is taken to double
        self._asked: dict[_Kind, _Owed] = {}  # the latest of each kind, in the order of asking

    def adapt(self, settings: Settings) -> None:
        """Another meter of the line is asked from now on; what is owed stays."""
        self._settings = settings

    def start(self, unit: int, request: Request, now: float) -> tuple[Action, ...]:
        if self._state is _State.ASKING or self._wanted is not None:
            raise ValueError("a request is under way")
        rtu.frame(unit, request.encoded)  # ValueError before anything is waited for
        self._wanted = Due(unit, request)
        self._number += 1
        return self._drain(now)

    def feed(self, data: bytes, now: float) -> tuple[Action, ...]:
        self._listen(now)
        self._quiet_until = now + self._settings.pause_s
        self._heard += data
        self._drop_echo()
        doubtful = False
        while (found := rtu.find(self._heard, self._dues(), self._mark, len(self._owed) - 1)) is not None:
            owed = self._owed[found.due]
            whole = self._heard[found.begin : found.end]
            since = found.begin >= self._mark
            self._come(found)
            if self._wanted is not None and owed.number == self._number:
                return self._answered(owed, whole)
            doubtful = doubtful or (since and self._wanted is not None and self._wanted.end(whole, 0) is not None)
        self._look_for_surplus()
        if self._state is _State.ASKING:
            # What was thrown away may have been the right one. Each such answer settles a doubt: this comes to an end.
            return self._drain(now) if doubtful else self._wait(now)
        self._forget()
        return self._go_on(now) if self._state is _State.DRAINING else ()

    def expired(self, now: float) -> tuple[Action, ...]:
        self._listen(now)
        match self._state:
            case _State.IDLE:
                return ()
            case _State.DRAINING:
                return self._go_on(now)
            case _State.ASKING if now < self._until:
                return (Wait(self._until),)
            case _State.ASKING:
                assert self._wanted is not None  # it is what is asked for
                error = rtu.fault(self._heard[self._mark :], self._wanted.unit, self._wanted.request)
                self._abandon()
                raise error or MeterSilent("does not answer")

    def leave(self, now: float) -> tuple[Action, ...]:
        self._abandon()
        return () if self.settled(now) else self._drain(now)

    def settled(self, now: float) -> bool:
        return self._state is not _State.ASKING and now >= max(self._debt_until, self._confusable_until())

    # -- before a request --------------------------------------------------------------------------------------------

    def _drain(self, now: float) -> tuple[Action, ...]:
        self._state = _State.DRAINING
        self._quiet_limit = now + self._settings.late_s  # a line that is never quiet is asked all the same
        if self._listened == -inf:
            self._quiet_until = now + self._settings.pause_s
        if now > self._listened:
            return (Drain(max(self._ready(), now)),)  # what lies in a buffer of the line came before the request
        return self._go_on(now)

    def _go_on(self, now: float) -> tuple[Action, ...]:
        if now < self._ready():
            return (Drain(self._ready()),)
        if self._wanted is None:
            self._state = _State.IDLE
            return ()
        return self._ask(self._wanted, now)

    def _ready(self) -> float:
        return max(self._debt_until, self._confusable_until(), min(self._quiet_until, self._quiet_limit))

    def _confusable_until(self) -> float:
        """Until when something could still come twice that fits what is wanted, or anybody's where nothing is."""
        if not self._settings.repeats and not self._doubles:
            return -inf
        alike = self._asked.values() if self._wanted is None else (self._asked.get(_kind(self._wanted)),)
        return max((owed.sent for owed in alike if owed), default=-inf) + self._settings.late_s

    def _ask(self, wanted: Due, now: float) -> tuple[Action, ...]:
        data = rtu.frame(wanted.unit, wanted.request.encoded)
        sent = now + len(data) * self._settings.character_s
        self._owed = self._still_owed(now)
        self._doubles = max(self._doubles - 1, 0)
        self._forget()
        self._owed.append(_Owed(wanted, sent, self._number))
        self._asked.pop(_kind(wanted), None)  # so that it comes last
        self._asked[_kind(wanted)] = self._owed[-1]
        self._mark, self._echo = len(self._heard), data
        self._state = _State.ASKING
        self._until = sent + self._settings.timeout_s
        return Send(data), Wait(self._until)

    def _still_owed(self, now: float) -> list[_Owed]:
        oldest = now - DOUBT_LASTS * self._settings.late_s
        older = [owed for owed in self._owed if owed.number != self._number]
        doubts = [owed for owed in older if owed.sent > oldest or owed.number in self._unheard]
        self._unheard &= {owed.number for owed in doubts}
        return doubts[-DOUBTS:] + [owed for owed in self._owed if owed.number == self._number]

    # -- while it is under way ---------------------------------------------------------------------------------------

    def _wait(self, now: float) -> tuple[Action, ...]:
        come = self._heard[self._mark :]
        if len(come) > rtu.HEARD_LIMIT:
            self._abandon()
            raise Damaged(f"sends more than {rtu.HEARD_LIMIT} octets and no answer among them", come)
        if come:
            latest = self._owed[-1].sent + self._settings.late_s
            self._until = max(self._until, min(now + self._settings.gap_s, latest))
        return (Wait(self._until),) if now < self._until else self.expired(now)

    def _answered(self, owed: _Owed, whole: bytes) -> tuple[Action, ...]:
        self._state, self._wanted, self._echo = _State.IDLE, None, None
        self._look_for_surplus()
        return (Answered(owed.due.reply(whole)),)

    def _abandon(self) -> None:
        """What is wanted is wanted no more; where it was asked for, its answer is owed."""
        if self._wanted is not None and self._owed and self._owed[-1].number == self._number:
            self._debt_until = self._owed[-1].sent + self._settings.late_s
        self._state, self._wanted = _State.IDLE, None

    # -- what has come -----------------------------------------------------------------------------------------------

    def _listen(self, now: float) -> None:
        if self._listened < self._debt_until and now - self._listened > 2 * self._settings.late_s:
            self._unheard |= {owed.number for owed in self._owed}  # whoever waits looks more often
        self._listened = now

    def _dues(self) -> Sequence[Due]:
        return [owed.due for owed in self._owed]

    def _come(self, found: rtu.Found) -> None:
        """One of those that were owed has come, and none of those before it will."""
        del self._owed[: found.due + 1]
        if not self._owed:
            self._debt_until = -inf
        self._cut(found.end)

    def _drop_echo(self) -> None:
        """Two-wire lines and optical heads return what was sent; what came before that is nobody's."""
        if self._echo is not None and self._echo in self._heard[self._mark :]:
            self._cut(self._heard.index(self._echo, self._mark) + len(self._echo))
            self._echo = None

    def _look_for_surplus(self) -> None:
        """An answer that was had already: this line doubles."""
        latest = islice(reversed(self._asked.values()), DOUBTS)
        recent = [owed.due for owed in latest if owed not in self._owed]
        while (found := rtu.find(self._heard, recent)) is not None:
            self._doubles = DOUBLES_LASTS
            self._cut(found.end)

    def _forget(self) -> None:
        self._cut(len(self._heard) - rtu.FRAME_LIMIT)

    def _cut(self, end: int) -> None:
        end = max(end, 0)
        self._heard = self._heard[end:]
        self._mark = max(self._mark - end, 0)


def _kind(due: Due) -> _Kind:
    """What an answer may be confused with: an exception says no more than unit and function."""
    return due.unit, due.request.function
