"""Any event in any state of any session: typed errors only, always a wait or an end, and chunks change nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from itertools import cycle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.iec62056_21.wire.fork import Fork
from drivers.iec62056_21.wire.hand_over import HandOverSession
from drivers.iec62056_21.wire.programming import ProgrammingSession
from drivers.iec62056_21.wire.readout import ReadoutSession, readout_session
from drivers.iec62056_21.wire.session import (
    Action,
    Answered,
    CommandError,
    Done,
    HandedOver,
    Ready,
    Send,
    Session,
    SessionSettings,
    SetRate,
    Wait,
)
from drivers.iec62056_21.wire.telegram import TELEGRAM_LIMIT
from gatewayd.errors import GatewayError, MeterDiffers
from tests.drivers.iec62056_21.conversation import (
    BLOCK,
    IDENTIFICATION,
    OPTION,
    PUSHED,
    SIGN_ON,
    Conversation,
    Said,
    answers,
    cuts_of,
    examples,
)
from tests.drivers.iec62056_21.interview import (
    ACK,
    BREAK,
    ENTER,
    ERROR,
    NAK,
    OPTION_P,
    P0,
    P1,
    Interview,
    command,
    interview,
    knows,
    plays,
    reply,
    spoilt,
)

SETTINGS = SessionSettings(attempts=2)
OFFERS_E = b"/LGZ5\\2ZMD4104407.B32\r\n"
OPTION_E = b"\x06252\r\n"
R5 = command("R5", "1.8.0()")


def refuses(identification: object) -> ReadoutSession:
    raise MeterDiffers("is not the one")


SESSIONS: dict[str, Callable[[], Session]] = {
    "readout": lambda: ReadoutSession(SETTINGS),
    "push": lambda: readout_session(SessionSettings(mode="D")),
    "woken": lambda: ReadoutSession(SessionSettings(attempts=2, wake_up=2.2, wake_up_pause=1.6)),
    "programming": lambda: ProgrammingSession(SETTINGS, knows),
    "programming without a password": lambda: ProgrammingSession(SETTINGS),
    "hand-over": lambda: HandOverSession(SETTINGS),
    "fork to a readout": lambda: Fork(SETTINGS, lambda _: ReadoutSession(SETTINGS)),
    "fork to programming": lambda: Fork(SETTINGS, lambda _: ProgrammingSession(SETTINGS, knows)),
    "fork to nothing": lambda: Fork(SETTINGS, refuses),
}
MESSAGES = [
    SIGN_ON,
    IDENTIFICATION,
    OFFERS_E,
    b"/ABCEmeter\r\n",
    b"/ABC-meter\r\n",
    OPTION,
    OPTION_P,
    OPTION_E,
    BLOCK,
    PUSHED,
    P0,
    P1,
    R5,
    ACK,
    NAK,
    BREAK,
    ERROR,
    reply(b"1.8.0(1)"),
    reply(b"(1)", last=False),
    spoilt(ERROR),
    spoilt(reply(b"(1)", last=False)),
    b"x" * 5000,
]
BYTES = (
    st.sampled_from(MESSAGES)
    | st.binary(max_size=8)
    | st.sampled_from(b"\x00\x01\x02\x03\x04\x06\x15\x7f").map(lambda mark: bytes([mark]))
)
EVENTS = st.lists(
    st.tuples(st.sampled_from(["feed", "feed", "feed", "expired", "command", "close"]), BYTES, st.floats(0, 4)),
    max_size=25,
)


class Watched:
    """A session and what it owes: after a wait it goes on, after an end it is silent."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.ready = False
        self.over = False

    def take(self, actions: tuple[Action, ...], now: float) -> None:
        for action in actions[:-1]:
            assert isinstance(action, Send | SetRate)
        if not actions:
            assert self.over or self.ready
            return
        match actions[-1]:
            case Wait(until):
                assert not self.over
                assert until > now - 1e-6
                self.ready = False
            case Ready() | Answered() | CommandError():
                self.ready = True
            case Done() | HandedOver():
                self.over = True
            case other:
                raise AssertionError(f"{other} is neither a wait nor an event")

    def apply(self, kind: str, data: bytes, now: float) -> None:
        try:
            match kind:
                case "feed":
                    self.take(self.session.feed(data, now), now)
                case "expired":
                    self.take(self.session.expired(now), now)
                case "command":
                    self.command(data, now)
                case _:
                    self.closed(now)
        except GatewayError as error:
            assert str(error)
            self.over = True
            self.ready = False

    def command(self, data: bytes, now: float) -> None:
        session: Any = self.session.chosen if isinstance(self.session, Fork) else self.session
        if self.ready and isinstance(session, ProgrammingSession):
            with suppress(PermissionError):
                self.take(session.command("R5", data.decode("latin-1"), now), now)
                self.ready = False
                return
            self.ready = True

    def closed(self, now: float) -> None:
        actions = self.session.close(now)
        assert actions in ((), (Send(BREAK), SetRate(300)))
        assert self.session.close(now) == ()
        self.over = True
        self.ready = False


@pytest.mark.parametrize("name", SESSIONS)
@given(EVENTS)
@examples(120)
def test_any_events_in_any_state(name: str, events: list[tuple[str, bytes, float]]) -> None:
    watched = Watched(SESSIONS[name]())
    now = 1000.0
    watched.take(watched.session.start(now), now)
    for kind, data, pause in events:
        now += pause
        watched.apply(kind, data, now)
    watched.closed(now)
    assert watched.session.feed(BLOCK, now) == watched.session.expired(now) == ()


@pytest.mark.parametrize("name", SESSIONS)
def test_a_session_that_has_not_begun_does_nothing(name: str) -> None:
    session = SESSIONS[name]()
    assert session.feed(IDENTIFICATION + BLOCK, 1.0) == session.expired(2.0) == session.close(3.0) == ()
    assert not session.in_telegram
    assert session.blocks == 0


@pytest.mark.parametrize("name", SESSIONS)
@given(
    st.lists(st.tuples(st.sampled_from([0.01, 0.5, 1.9, 2.5]), BYTES), max_size=8),
    st.sampled_from([b"x", b"\x02", b"\r\n", b"\x15", b"\x06", b"\x7f"]),
    st.booleans(),
)
@examples(20)
def test_any_meter_at_all_comes_to_an_end(
    name: str, pieces: list[tuple[float, bytes]], filler: bytes, identified: bool
) -> None:
    """Whoever sends fast enough not to drip runs into the limit of a telegram."""

    def for_ever() -> Iterable[Said]:
        at = 1000.0
        for pause, data in cycle([*pieces, (0.5, filler * 60000)]):
            at += pause
            yield Said(at, data)

    table = {SIGN_ON: OFFERS_E} if identified else {}
    conversation = Conversation(SETTINGS, answers(table), for_ever(), longest=10 * 10 * 2 * TELEGRAM_LIMIT / 300)
    session = SESSIONS[name]()
    commands = iter(["1.8.0()"] * 3)

    def on_event(event: object) -> tuple[Action, ...] | None:
        programming = session.chosen if isinstance(session, Fork) else session
        for data in commands:
            if isinstance(event, Ready | Answered | CommandError) and isinstance(programming, ProgrammingSession):
                return programming.command("R5", data, conversation.now)
        return None

    with suppress(GatewayError):
        conversation.converse(session, on_event)
    conversation.leave()


# -- chunks ----------------------------------------------------------------------------------------------------------

TABLE: dict[bytes, Sequence[bytes]] = {
    **ENTER,
    R5: [spoilt(reply(b"1.8.0(1*kWh)"))],
    NAK: [reply(b"1.8.0(1*kWh)"), reply(b"(2)", last=False)],
    command("R6", "P.01(;)"): [reply(b"P.01(1)", last=False)],
    ACK: [spoilt(reply(b"(2)", last=False)), reply(b"(3)")],
    command("R5", "2.8.0()"): [ERROR],
    command("R5", "3.8.0()"): [reply(b"(4)")[:-1]],
}
COMMANDS = [("R5", "1.8.0()"), ("R6", "P.01(;)"), ("R5", "2.8.0()"), ("R5", "3.8.0()")]
NOISE = st.lists(st.sampled_from([b"\x00", b"\x7f", b"\xff", b"\r\n", b"junk"]), max_size=4).map(b"".join)
ECHO = st.sampled_from([None, lambda message: message, lambda message: b"\x7f" + message])


@given(cuts_of(BLOCK), NOISE, ECHO)
@examples(150)
def test_chunks_noise_and_echoes_change_nothing(
    cuts: list[int], before: bytes, echo: Callable[[bytes], bytes] | None
) -> None:
    _, whole = interview(TABLE, *COMMANDS)
    assert len(whole) == 5
    noisy: dict[bytes, Sequence[bytes]] = {sent: [before + said for said in entries] for sent, entries in TABLE.items()}
    assert interview(noisy, *COMMANDS, cuts=cuts, echo=echo)[1] == whole
    assert interview(noisy, *COMMANDS, cuts=range(100), echo=echo)[1] == whole


@given(cuts_of(BLOCK), NOISE)
@examples(60)
def test_noise_behind_an_answer_changes_nothing(cuts: list[int], behind: bytes) -> None:
    _, whole = interview(TABLE, *COMMANDS)
    undisturbed = (SIGN_ON, command("R5", "3.8.0()"))
    noisy: dict[bytes, Sequence[bytes]] = {
        sent: [said + (b"" if sent in undisturbed else behind) for said in entries] for sent, entries in TABLE.items()
    }
    assert interview(noisy, *COMMANDS, cuts=cuts)[1] == whole


def test_a_fork_becomes_what_the_identification_says() -> None:
    for chosen in (ReadoutSession(SETTINGS), ProgrammingSession(SETTINGS, knows)):
        fork = Fork(SETTINGS, lambda _, chosen=chosen: chosen)  # type: ignore[misc]
        assert fork.start(0.0)[:2] == (SetRate(300), Send(SIGN_ON))
        assert fork.identification is None
        actions = fork.feed(b"\x7f" + IDENTIFICATION, 1.0)
        assert fork.chosen is chosen
        assert actions[0] == Send(OPTION if isinstance(chosen, ReadoutSession) else OPTION_P)
        assert str(fork.identification) == "/ISK5MT174-0001"
        assert fork.close(2.0) == (Send(BREAK), SetRate(300))
        assert fork.close(2.0) == ()


def test_a_fork_that_chooses_nothing_is_left_with_a_break() -> None:
    fork = Fork(SETTINGS, refuses)
    fork.start(0.0)
    with pytest.raises(MeterDiffers):
        fork.feed(IDENTIFICATION, 1.0)
    assert fork.feed(BLOCK, 1.0) == fork.expired(9.0) == ()
    assert fork.close(2.0) == (Send(BREAK), SetRate(300))
    assert fork.close(2.0) == ()


def test_a_fork_signs_on_again() -> None:
    conversation = Conversation(SETTINGS, answers({}))
    with pytest.raises(GatewayError, match="does not answer"):
        conversation.converse(Fork(SETTINGS, refuses), lambda event: None)
    assert conversation.actions == [SetRate(300), Send(SIGN_ON)] * 2


def test_an_interview_is_the_same_through_a_fork() -> None:
    direct = Interview(SETTINGS, plays(TABLE), commands=COMMANDS)
    direct.hold()
    programming = ProgrammingSession(SETTINGS, knows)
    forked = Conversation(SETTINGS, plays(TABLE))
    events: list[object] = []
    asked = iter(COMMANDS)

    def next_one(event: object) -> tuple[Action, ...] | None:
        events.append(event)
        for name, data in asked:
            return programming.command(name, data, forked.now)
        return None

    forked.converse(Fork(SETTINGS, lambda _: programming), next_one)
    forked.leave()
    assert events == direct.events
    assert forked.log == direct.log
