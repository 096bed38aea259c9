"""What each model sends, through whole sessions: at once, byte by byte, in pieces, with noise before and after."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from drivers.iec62056_21.wire.programming import ProgrammingSession
from drivers.iec62056_21.wire.readout import ReadoutSession
from drivers.iec62056_21.wire.session import Answered, Done, Event, Ready, Send, Session, SessionSettings, SetRate, Wait
from drivers.iec62056_21.wire.telegram import Check
from tests.drivers.iec62056_21.interview import P0, reply
from tests.drivers.iec62056_21.test_models import ALL, Vector, laid_out, lines

NOISE = b"\x7f\x00\x7f"
SIZES = {"whole": 1 << 20, "byte by byte": 1, "sevens": 7}
MANUAL = [
    pytest.param(vector, id=f"{profile}-{vector.evidence}-{number}")
    for number, (profile, vector) in enumerate(ALL)
    if vector.sent
]


def heard(session: Session, data: bytes, size: int, at: float) -> Iterator[Event]:
    """The events that come of these bytes, a millisecond a piece."""
    for place in range(0, len(data), size):
        for action in session.feed(data[place : place + size], at + place / 1000):
            if not isinstance(action, Send | SetRate | Wait):
                yield action


def identification(vector: Vector) -> bytes:
    """As the vector has it; any of mode C where it has none."""
    text = vector.identification or "/XYZ5METER"
    return (text[:4] + "5" + text[5:]).encode("ascii") + b"\r\n"


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES.keys())
@pytest.mark.parametrize("vector", MANUAL)
def test_a_session_hands_on_exactly_what_the_model_sent(vector: Vector, size: int) -> None:
    session: ReadoutSession | ProgrammingSession
    if vector.request is None:
        session = ReadoutSession(SessionSettings())
        session.start(0.0)
        assert not list(heard(session, NOISE + identification(vector), size, 0.5))
        whole = laid_out(vector)
        (done,) = heard(session, NOISE + whole + NOISE, size, 1.5)
        assert isinstance(done, Done)
        telegram = done.telegram
        assert whole[1:].startswith(telegram.data.rstrip(b"\r\n"))
    else:
        session = ProgrammingSession(SessionSettings())
        session.start(0.0)
        assert not list(heard(session, NOISE + identification(vector), size, 0.5))
        (ready,) = heard(session, NOISE + P0, size, 1.5)
        assert isinstance(ready, Ready)
        session.command("R5", "P.01(;)", 3.0)
        (answered,) = heard(session, NOISE + reply(lines(vector)) + NOISE, size, 3.5)
        assert isinstance(answered, Answered)
        telegram = answered.telegram
        assert telegram.data == lines(vector)
    assert telegram.check is Check.RIGHT
    if vector.identification:
        assert str(telegram.identification)[5:] == vector.identification[5:]
