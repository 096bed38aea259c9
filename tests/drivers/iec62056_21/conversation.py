"""A session and a meter on a simulated line: what tests of the state machine share.

Rules: the clock is a number that this file moves; nothing sleeps. A meter is a function from what it hears to what it
says and when. Characters that arrive while the line is set to another rate arrive as garbage, as on a real line.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import reduce
from heapq import heappop, heappush
from itertools import count, pairwise
from operator import xor
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from drivers.iec62056_21.wire.readout import readout_session
from drivers.iec62056_21.wire.session import Action, Done, Event, Send, Session, SessionSettings, SetRate, Wait
from drivers.iec62056_21.wire.telegram import Telegram
from gatewayd.channel import Framing

ROOT = Path(__file__).resolve().parents[3]
VECTORS = ROOT / "tests" / "vectors" / "iec62056_21"
CAPTURES = ROOT.parent / "shared" / "captures" / "iec62056-21"

FULL = bool(os.environ.get("GATEWAYD_TEST_FULL"))


def examples(short: int) -> settings:
    """Hypothesis settings: `short` examples, twenty times as many in the long run. The machine's speed is no test."""
    return settings(
        max_examples=short * 20 if FULL else short,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
    )


SIGN_ON = b"/?!\r\n"
IDENTIFICATION = b"/ISK5MT174-0001\r\n"
OPTION = b"\x060" + b"50\r\n"

BODY = b"F.F(00)\r\n1.8.0(0008048.375*kWh)\r\n1.6.0(02.468*kW)(1703100930)\r\n2.8.0()\r\n"


def block(body: bytes = BODY) -> bytes:
    """STX body `!` CR LF ETX BCC, the check character computed here and not by the package (annex A)."""
    checked = body + b"!\r\n\x03"
    return b"\x02" + checked + bytes([reduce(xor, checked)])


BLOCK = block()
PUSHED = b"/ESY5Q3DA3024 V3.04\r\n\r\n1-0:1.8.0*255(00000504.9023619*kWh)\r\n0-0:96.1.255*255(1ESY1160142770)\r\n!\r\n"


@dataclass(frozen=True, slots=True, order=True)
class Said:
    """Bytes that arrive at an instant; `baud` 0 where the rate of the line does not matter."""

    at: float
    data: bytes
    baud: int = 0


Hears = Callable[[bytes, float, int], Iterable[Said]]
"""What was sent, the instant when the last character has left, the rate -> what the meter will say."""


def silent(heard: bytes, at: float, baud: int) -> Iterable[Said]:
    """A meter that is not there."""
    return ()


def answers(table: dict[bytes, bytes], *, delay: float = 0.3, baud: int = 0) -> Hears:
    """A meter that answers each message of the table, always in one chunk."""

    def hear(heard: bytes, at: float, rate: int) -> Iterable[Said]:
        return [Said(at + delay, table[heard], baud)] if heard in table else []

    return hear


MODE_C = {SIGN_ON: IDENTIFICATION, OPTION: BLOCK}


def every(seconds: float, data: bytes, begin: float) -> Iterator[Said]:
    """The same bytes for ever."""
    return (Said(begin + n * seconds, data) for n in count())


def in_pieces(data: bytes, cuts: Iterable[int], begin: float = 0.0, pause: float = 0.01) -> list[Said]:
    """`data` cut at the given places, a chunk every `pause` seconds."""
    places = [0, *sorted({cut for cut in cuts if 0 < cut < len(data)}), len(data)]
    chunks = [data[start:end] for start, end in pairwise(places)]
    return [Said(begin + n * pause, chunk) for n, chunk in enumerate(chunks)]


def cuts_of(data: bytes) -> st.SearchStrategy[list[int]]:
    """Places at which to cut `data` into chunks."""
    return st.lists(st.integers(1, max(1, len(data) - 1)), max_size=40)


class Stuck(AssertionError):
    """The session broke its contract: no wait, or a session without end."""


@dataclass
class Conversation:
    """One session with one meter. `log` are all actions with the instants at which they were taken."""

    settings: SessionSettings
    meter: Hears = silent
    pushed: Iterable[Said] = ()
    """What the meter says unasked."""
    begin: float = 1000.0
    longest: float = 3600.0
    log: list[tuple[float, Action]] = field(default_factory=list)
    now: float = 0.0

    def run(self) -> Telegram:
        """The telegram; raises what the session raises."""
        self.session = readout_session(self.settings)
        done: list[Telegram] = []

        def over(event: Event) -> None:
            assert isinstance(event, Done)
            done.append(event.telegram)

        self.converse(self.session, over)
        return done[0]

    def converse(self, session: Session, on_event: Callable[[Event], tuple[Action, ...] | None]) -> None:
        """Run any session from its start; `on_event` says how it goes on, None ends the conversation."""
        self.now = self.begin
        self._talking = session
        self._coming: list[tuple[float, int, Said, Iterator[Said]]] = []
        self._number = count()
        self._baud = 0
        self._framing = Framing.E71
        self._schedule(self.pushed)
        actions: tuple[Action, ...] | None = session.start(self.now)
        while actions is not None:
            until, event = self._take(actions)
            if event is not None:
                actions = on_event(event)
            elif until is None:
                raise Stuck(f"neither Wait nor event in {actions}")
            elif until > self.begin + self.longest:
                raise Stuck(f"still waiting after {self.now - self.begin:.0f} s")
            else:
                actions = self._wait(until)

    def leave(self) -> None:
        """What the session does when it is closed."""
        self._take(self._talking.close(self.now))

    def _take(self, actions: tuple[Action, ...]) -> tuple[float | None, Event | None]:
        until: float | None = None
        for action in actions:
            self.log.append((self.now, action))
            match action:
                case Send(data):
                    assert self._baud, "sent before a rate was set"
                    left = self.now + 10 * len(data) / self._baud
                    self._schedule(self.meter(data, left, self._baud))
                case SetRate(baud, framing):
                    self._baud, self._framing = baud, framing
                case Wait(instant):
                    until = instant
                case event:
                    assert action is actions[-1]
                    return until, event
        return until, None

    def _wait(self, until: float) -> tuple[Action, ...]:
        if self._coming and self._coming[0][0] <= until:
            at, _, said, rest = heappop(self._coming)
            self._schedule(rest)
            self.now = max(self.now, at)
            right = said.baud in (0, self._baud)
            return self._talking.feed(said.data if right else b"\x7f" * len(said.data), self.now)
        self.now = max(self.now, until)
        return self._talking.expired(self.now)

    def _schedule(self, said: Iterable[Said]) -> None:
        rest = iter(said)
        for first in rest:
            heappush(self._coming, (first.at, next(self._number), first, rest))
            return

    @property
    def actions(self) -> list[Action]:
        """What was sent and which rates were set, in order."""
        return [action for _, action in self.log if isinstance(action, Send | SetRate)]

    @property
    def elapsed(self) -> float:
        return self.now - self.begin

    def at(self, action: Action, nth: int = 0) -> float:
        """When an action was taken, in seconds since the start."""
        return [instant for instant, taken in self.log if taken == action][nth] - self.begin


def read(meter: Hears = silent, *, pushed: Iterable[Said] = (), **options: object) -> Telegram:
    """The telegram of a session with these settings."""
    return Conversation(SessionSettings(**options), meter, pushed).run()  # type: ignore[arg-type]  # by keyword
