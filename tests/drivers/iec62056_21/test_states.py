"""Every event in every state of the sessions in programming mode, of the hand-over and of the fork.

Those of readouts are in test_session.py. A session answers with actions or a typed error, says how long it waits, and
never sends a password twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from itertools import cycle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.iec62056_21.wire.fork import Fork
from drivers.iec62056_21.wire.hand_over import HandOverSession
from drivers.iec62056_21.wire.programming import ProgrammingSession
from drivers.iec62056_21.wire.readout import ReadoutSession
from drivers.iec62056_21.wire.session import (
    Action,
    Answered,
    CommandError,
    Done,
    HandedOver,
    Ready,
    Send,
    SessionSettings,
    SetRate,
    Wait,
)
from drivers.iec62056_21.wire.telegram import TELEGRAM_LIMIT
from gatewayd.errors import GatewayError
from tests.drivers.iec62056_21.conversation import BLOCK, IDENTIFICATION, OPTION, PUSHED, SIGN_ON, Said, examples
from tests.drivers.iec62056_21.interview import (
    ACK,
    BREAK,
    ERROR,
    NAK,
    OPTION_P,
    P0,
    P1,
    Interview,
    command,
    knows,
    reply,
    spoilt,
)

Tested = ProgrammingSession | HandOverSession | Fork
OFFERS_E = b"/LGZ5\\2ZMD4104407.B32\r\n"
OPTION_E = b"\x06252\r\n"
SETTINGS = SessionSettings(attempts=2, wake_up_pause=1.6)
READ = ("R5", "1.8.0()")
VALUE, PART = reply(b"1.8.0(1*kWh)"), reply(b"(1)\r\n", last=False)


def of_mode_c() -> ProgrammingSession:
    return ProgrammingSession(SETTINGS, knows)


def woken() -> ProgrammingSession:
    return ProgrammingSession(SessionSettings(attempts=2, wake_up=2.2, wake_up_pause=1.6), knows)


def fork_to_commands() -> Fork:
    return Fork(SETTINGS, lambda _: of_mode_c())


def fork_to_readout() -> Fork:
    return Fork(SETTINGS, lambda _: ReadoutSession(SETTINGS))


Step = bytes | tuple[str, str] | None


def apply(session: Tested, step: Step, now: float) -> tuple[Action, ...]:
    """Bytes come, a command is given, or (None) the wait was in vain."""
    if isinstance(step, bytes):
        return session.feed(step, now)
    if step is None:
        return session.expired(now)
    asked = session.chosen if isinstance(session, Fork) else session
    return asked.command(*step, now) if isinstance(asked, ProgrammingSession) else ()


def after(make: Callable[[], Tested], *steps: Step) -> Callable[[], Tested]:
    """A session that was started and then went through these steps."""

    def made() -> Tested:
        session = make()
        session.start(0.0)
        for number, step in enumerate(steps, 1):
            apply(session, step, number * 0.01)
        return session

    return made


INSIDE = (IDENTIFICATION, P0, ACK)
STATES: dict[str, Callable[[], Tested]] = {
    "idle": of_mode_c,
    "waking": after(woken),
    "signed on": after(of_mode_c),
    "signed on again": after(of_mode_c, None),
    "option": after(of_mode_c, IDENTIFICATION),
    "option, behind an echo": after(of_mode_c, SIGN_ON + IDENTIFICATION, OPTION_P),
    "option, garbled P0": after(of_mode_c, IDENTIFICATION, spoilt(P0)),
    "told to stop": after(of_mode_c, IDENTIFICATION, None),
    "password": after(of_mode_c, IDENTIFICATION, P0),
    "password, NAK": after(of_mode_c, IDENTIFICATION, P0, NAK),
    "ready": after(of_mode_c, *INSIDE),
    "asked": after(of_mode_c, *INSIDE, READ),
    "asked again": after(of_mode_c, *INSIDE, READ, NAK),
    "in a block": after(of_mode_c, *INSIDE, READ, b"\x021.8.0(1"),
    "behind a block": after(of_mode_c, *INSIDE, READ, PART),
    "block asked for again": after(of_mode_c, *INSIDE, READ, PART, spoilt(PART)),
    "answered": after(of_mode_c, *INSIDE, READ, VALUE),
    "stopped": after(of_mode_c, *INSIDE, READ, PART, None),
    "settling": after(of_mode_c, *INSIDE, READ, PART, None, READ),
    "asked behind an answer that stopped": after(of_mode_c, *INSIDE, READ, PART, None, READ, None),
    "E, signed on": after(lambda: HandOverSession(SETTINGS)),
    "E, confirming": after(lambda: HandOverSession(SETTINGS), OFFERS_E),
    "E, confirming behind an echo": after(lambda: HandOverSession(SETTINGS), SIGN_ON + OFFERS_E, OPTION_E),
    "E, handed over": after(lambda: HandOverSession(SETTINGS), OFFERS_E, OPTION_E),
    "fork": after(fork_to_commands),
    "fork, option": after(fork_to_commands, IDENTIFICATION),
    "fork, ready": after(fork_to_commands, *INSIDE),
    "fork, readout": after(fork_to_readout, IDENTIFICATION),
    "fork, in the block": after(fork_to_readout, IDENTIFICATION, BLOCK[:9]),
}
EVENTS: dict[str, Step] = {
    "expired": None,
    "command": READ,
    "nothing": b"",
    "a byte": b"x",
    "idle line": b"\x00\x7f\xff",
    "much noise": b"x" * 5000,
    "echo": SIGN_ON,
    "identification": IDENTIFICATION,
    "identification of mode A": b"/KAM MULTICAL\r\n",
    "identification of mode E": OFFERS_E,
    "confirmation": OPTION_E,
    "P0": P0,
    "ACK": ACK,
    "NAK": NAK,
    "break": BREAK,
    "error": ERROR,
    "echo of the password": P1,
    "echo of a command": command(*READ),
    "answer": VALUE,
    "answer, wrong check character": spoilt(VALUE),
    "partial block": PART,
    "partial block, wrong check character": spoilt(PART),
    "STX": b"\x02",
    "SOH": b"\x01",
    "readout": BLOCK,
    "pushed": PUSHED,
    "everything": SIGN_ON + IDENTIFICATION + OPTION_P + P0 + ACK + VALUE + OPTION + BLOCK,
    "too much": b"\x02" + b"1" * (TELEGRAM_LIMIT + 1),
}
_EVENT = Done | Ready | Answered | CommandError | HandedOver


def tolerated(session: Tested, step: Step, now: float) -> bool:
    """Apply an event; False when the session is over by it."""
    try:
        actions = apply(session, step, now)
    except GatewayError as error:
        assert str(error)
        return str(error) == "is not ready for a command"
    for number, action in enumerate(actions, 1):
        assert isinstance(action, Send | SetRate) or number == len(actions)
        if isinstance(action, Wait):
            assert now <= action.until <= now + 60
        if isinstance(action, Send):
            assert action.data[:2] not in (b"\x01W", b"\x01E")
            assert action.secret == action.data.startswith(b"\x01P")
    if actions:
        assert isinstance(actions[-1], Wait | _EVENT)
    return not any(isinstance(action, Done | HandedOver) for action in actions)


def left(session: Tested, now: float) -> None:
    """Closed: a break and the first rate, or nothing at all; and nothing more, whatever comes."""
    assert session.close(now) in ((), (Send(BREAK), SetRate(300)))
    for step in (None, BLOCK, P0, OPTION_E):
        assert apply(session, step, now) == session.close(now) == ()


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("state", STATES)
def test_every_event_in_every_state(state: str, event: str) -> None:
    for now in (1.0, 10.0, 1e6):
        session = STATES[state]()
        if not tolerated(session, EVENTS[event], now) and event != "command":
            assert apply(session, None, now) == apply(session, BLOCK, now) == ()
        left(session, now)


@given(
    st.sampled_from(sorted(STATES)),
    st.lists(st.tuples(st.sampled_from(sorted(EVENTS)), st.sampled_from([0.0, 0.1, 1.6, 3.0, 100.0])), max_size=10),
)
@examples(200)
def test_any_events_from_any_state(state: str, events: list[tuple[str, float]]) -> None:
    session = STATES[state]()
    now = 1.0
    for event, pause in events:
        now += pause
        if not tolerated(session, EVENTS[event], now):
            break
    left(session, now)


CRUMBS = [b"\x01", b"\x02", b"\x03", b"(", b"1", b"\x00", b"\x7f", ACK, NAK]
MORSELS = [P0, BREAK, ERROR, VALUE, spoilt(VALUE), IDENTIFICATION, BLOCK]


def for_ever(pieces: list[tuple[float, bytes]]) -> Iterable[Said]:
    at = 1000.0
    for pause, data in cycle(pieces):
        at += pause
        yield Said(at, data)


@given(
    st.lists(
        st.tuples(st.sampled_from([0.2, 0.5, 1.0, 1.9, 2.5]), st.sampled_from(CRUMBS + MORSELS)),
        min_size=1,
        max_size=10,
    ),
    st.sampled_from([(), (OPTION_P,), (OPTION_P, P1)]),
)
@examples(100)
def test_a_meter_that_drips_anything_hears_no_password_twice(
    pieces: list[tuple[float, bytes]], answered: tuple[bytes, ...]
) -> None:
    """No partial blocks here: they may come as long as there is room for more, and whoever holds the session sets it a
    time."""
    says = {SIGN_ON: IDENTIFICATION, OPTION_P: P0, P1: ACK}

    def hear(message: bytes, at: float, baud: int) -> list[Said]:
        return [Said(at + 0.2, says[message])] if message in (SIGN_ON, *answered) else []

    held = Interview(SETTINGS, hear, for_ever(pieces), longest=3600.0, commands=(READ, READ))
    with suppress(GatewayError):
        held.hold()
    assert held.sent.count(P1) <= 1
    assert BREAK not in held.sent or held.sent[-1] == BREAK
    assert held.elapsed < 600
