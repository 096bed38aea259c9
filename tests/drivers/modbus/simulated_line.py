"""A line with a slave that misbehaves, in simulated time, and who asks over it. No I/O, no clock, nothing sleeps.

What the slave answers says which sending it answers: every register holds the number of the sending, and an exception
the number as its code. So an answer that was taken for another request's is seen, one of the same address as well.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from heapq import heappop, heappush
from random import Random
from typing import Protocol

from drivers.modbus.wire.dialogue import Action, Answered, Drain, Send, Settings, Wait
from drivers.modbus.wire.pdu import Function, Read, Refused, Reply, Request, Words
from drivers.modbus.wire.rtu import RtuReader, frame
from gatewayd.errors import MeterSilent, ProtocolError
from tests.drivers.modbus.rtu_bytes import check


class Asker(Protocol):
    """As dialogue.Exchange, as far as it is needed here."""

    def start(self, unit: int, request: Request, now: float) -> tuple[Action, ...]: ...
    def feed(self, data: bytes, now: float) -> tuple[Action, ...]: ...
    def expired(self, now: float) -> tuple[Action, ...]: ...
    def leave(self, now: float) -> tuple[Action, ...]: ...


class Unguarded:
    """The control: unit, function, byte count and CRC are checked, and after a time-out the next request is sent."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._reader: RtuReader | None = None
        self._until = 0.0

    def start(self, unit: int, request: Request, now: float) -> tuple[Action, ...]:
        self._reader = RtuReader(unit, request)
        self._until = now + self._settings.timeout_s
        return Send(frame(unit, request.encoded)), Wait(self._until)

    def feed(self, data: bytes, now: float) -> tuple[Action, ...]:
        reply = None if self._reader is None else self._reader.feed(data)
        if reply is None:
            return (Wait(self._until),)
        self._reader = None
        return (Answered(reply),)

    def expired(self, now: float) -> tuple[Action, ...]:
        error = None if self._reader is None else self._reader.finish()
        self._reader = None
        raise error or MeterSilent("does not answer")

    def leave(self, now: float) -> tuple[Action, ...]:
        self._reader = None
        return ()


@dataclass(frozen=True)
class Habits:
    """How the slave and what lies between misbehave; probabilities, and seconds."""

    timeout: float = 1.0
    latest: float = 3.0
    lost_request: float = 0.08
    lost_reply: float = 0.05
    twice_at_once: float = 0.05
    twice_later: float = 0.0
    exception: float = 0.1
    noise: float = 0.05
    damaged: float = 0.03
    echo: bool = False


@dataclass
class Slave:
    """Answers in the order of asking, after anything between nothing and `latest`, in pieces."""

    habits: Habits
    random: Random
    sendings: int = 0
    _arrivals: list[tuple[float, int, bytes]] = field(default_factory=list)
    _order: int = 0
    _busy_until: float = 0.0

    def hear(self, data: bytes, now: float) -> int:
        """A request came; gives the number of the sending."""
        habits, random = self.habits, self.random
        self.sendings += 1
        assert data[-2:] == check(data[:-2])
        if habits.echo:
            self._arrive(data, now)
        if random.random() < habits.lost_request:
            return self.sendings
        end = now + habits.latest
        free = max(self._busy_until, now)
        at = max(free, min(now + self._delay(), end))
        self._busy_until = at
        if random.random() < habits.lost_reply:
            return self.sendings
        whole = self._whole(data)
        self._send(whole, max(at - 0.01, free), at)
        if random.random() < habits.twice_at_once:
            self._arrive(whole, at + random.choice((0.0, 0.001, 0.003)))
        if random.random() < habits.twice_later:
            self._busy_until = random.uniform(at, max(at, end))
            self._send(self._whole(data), self._busy_until, self._busy_until)
        return self.sendings

    def next(self, until: float) -> tuple[float, bytes] | None:
        """What arrives next, at the latest at `until`."""
        if not self._arrivals or self._arrivals[0][0] > until:
            return None
        at, _, data = heappop(self._arrivals)
        return at, data

    def _delay(self) -> float:
        habits, random = self.habits, self.random
        kind = random.random()
        if kind < 0.6:
            return random.uniform(0.0, 0.1)
        if kind < 0.8:
            return random.gauss(habits.timeout, 0.02)
        return random.uniform(0.0, habits.latest)

    def _whole(self, asked: bytes) -> bytes:
        unit, function, count = asked[0], asked[1], int.from_bytes(asked[4:6], "big")
        if self.random.random() < self.habits.exception:
            body = bytes((unit, function | 0x80, self.sendings % 251 + 1))
        else:
            body = bytes((unit, function, 2 * count)) + self.sendings.to_bytes(2, "big") * count
        return body + check(body)

    def _send(self, whole: bytes, begin: float, end: float) -> None:
        random, habits = self.random, self.habits
        if random.random() < habits.noise:
            self._arrive(random.randbytes(random.randint(1, 9)), begin)
        if random.random() < habits.damaged:
            bit = random.randrange(8 * len(whole))
            whole = bytes(octet ^ (1 << bit % 8 if index == bit // 8 else 0) for index, octet in enumerate(whole))
        cut = random.randrange(len(whole))  # the last octet comes at the end
        self._arrive(whole[:cut], begin)
        self._arrive(whole[cut:], end)

    def _arrive(self, data: bytes, at: float) -> None:
        if data:
            self._order += 1
            heappush(self._arrivals, (at, self._order, data))


@dataclass
class Outcome:
    """What came of all requests."""

    right: int = 0
    wrong: int = 0
    silent: int = 0
    faults: int = 0
    abandoned: int = 0
    sendings: int = 0
    seconds: float = 0.0


REQUESTS = [
    (1, Read(Function.READ_HOLDING_REGISTERS, 0, 2)),
    (1, Read(Function.READ_HOLDING_REGISTERS, 100, 2)),
    (1, Read(Function.READ_HOLDING_REGISTERS, 500, 2)),
    (1, Read(Function.READ_HOLDING_REGISTERS, 500, 3)),
    (1, Read(Function.READ_INPUT_REGISTERS, 500, 2)),
    (2, Read(Function.READ_HOLDING_REGISTERS, 500, 2)),
]
"""Half of them cannot be told apart by their answers."""


def converse(
    asker: Asker,
    habits: Habits,
    requests: int,
    seed: int = 1,
    cancelled: float = 0.1,
) -> Outcome:
    """Ask so many requests; of `cancelled`, each is given up at some moment."""
    random = Random(seed)
    slave = Slave(habits, Random(seed + 1))
    outcome = Outcome()
    now = 0.0
    for _ in range(requests):
        now += random.choice((0.0, 0.0, 0.001, 1.0))
        mine: set[int] = set()
        give_up = now + random.uniform(0.0, 2 * habits.latest) if random.random() < cancelled else None
        unit, request = random.choice(REQUESTS)
        end, now = _asked(asker, slave, asker.start(unit, request, now), now, give_up, mine)
        match end:
            case MeterSilent():
                outcome.silent += 1
            case ProtocolError():
                outcome.faults += 1
            case None:
                outcome.abandoned += 1
                actions = asker.leave(now)
                if random.random() < 0.5:  # the session ends and waits; else the next request follows
                    _, now = _asked(asker, slave, actions, now, None, mine)
            case Words(octets):
                _count(outcome, int.from_bytes(octets[:2], "big") in mine)
            case Refused(code):
                _count(outcome, code in {number % 251 + 1 for number in mine})
            case other:
                raise AssertionError(f"{other} was never sent")
    outcome.sendings, outcome.seconds = slave.sendings, now
    return outcome


def _count(outcome: Outcome, right: bool) -> None:
    outcome.right += right
    outcome.wrong += not right


def _asked(
    asker: Asker, slave: Slave, actions: tuple[Action, ...], now: float, give_up: float | None, mine: set[int]
) -> tuple[Reply | MeterSilent | ProtocolError | None, float]:
    """How it ends and when; None: given up, or nothing was asked. `mine` gets the numbers of the sendings."""
    while actions:
        for action in actions[:-1]:
            assert isinstance(action, Send)
            mine.add(slave.hear(action.data, now))
        last = actions[-1]
        if isinstance(last, Answered):
            return last.reply, now
        assert isinstance(last, Wait | Drain)
        stop = last.until if give_up is None else min(last.until, give_up)
        arrived = slave.next(stop)
        if arrived is None and give_up is not None and give_up <= last.until:
            return None, max(now, give_up)
        now = max(now, stop if arrived is None else arrived[0])
        try:
            actions = asker.expired(now) if arrived is None else asker.feed(arrived[1], now)
        except (MeterSilent, ProtocolError) as error:
            return error, now
    return None, now
