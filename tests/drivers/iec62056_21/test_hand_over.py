"""Mode E: the line is handed over to HDLC (IEC 62056-21:2002 annex E), and taken back."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest

from drivers.iec62056_21.wire.hand_over import HandOverSession
from drivers.iec62056_21.wire.session import Event, HandedOver, Send, SessionSettings, SetRate
from gatewayd.channel import Framing
from gatewayd.errors import GatewayError, MeterDiffers, MeterSilent, ProtocolError
from tests.drivers.iec62056_21.conversation import MODE_C, SIGN_ON, Conversation, Hears, Said, answers, in_pieces
from tests.drivers.iec62056_21.interview import BREAK

OFFERS_E = b"/LGZ5\\2ZMD4104407.B32\r\n"
OPTION_E = bytes.fromhex("06 32 35 32 0D 0A")


def meter(confirmation: bytes = OPTION_E, *, echo: bool = False, cuts: Iterable[int] = ()) -> Hears:
    """Confirms at the new rate."""

    def hear(heard: bytes, at: float, baud: int) -> Iterable[Said]:
        said = [Said(at, heard, 300)] if echo else []
        if heard == SIGN_ON:
            said.append(Said(at + 0.3, OFFERS_E, 300))
        if heard == OPTION_E:
            pieces = in_pieces(confirmation, cuts, at + 0.3)
            said += [Said(piece.at, piece.data, 9600) for piece in pieces if piece.data]
        return said

    return hear


def hand_over(hears: Hears, **options: object) -> tuple[Conversation, list[Event]]:
    conversation = Conversation(SessionSettings(**options), hears)  # type: ignore[arg-type]  # by keyword
    events: list[Event] = []

    def over(event: Event) -> None:
        events.append(event)

    try:
        conversation.converse(HandOverSession(conversation.settings), over)
    finally:
        conversation.leave()
    return conversation, events


@pytest.mark.parametrize("cuts", [[], range(6), [3]])
@pytest.mark.parametrize("before", [b"", b"\x7f\x00"])
def test_the_line_is_handed_over(cuts: Iterable[int], before: bytes) -> None:
    conversation, (event,) = hand_over(meter(before + OPTION_E, cuts=cuts))
    assert isinstance(event, HandedOver)
    assert event.baud == 9600
    assert event.identification.raw == OFFERS_E
    assert conversation.actions == [
        SetRate(300),
        Send(SIGN_ON),
        Send(OPTION_E),
        SetRate(9600),
        SetRate(9600, Framing.N81),
    ]


def echoing(message: bytes, at: float) -> list[Said]:
    return [Said(at, message)]


@pytest.mark.parametrize("idle", [b"", b"\x7f", b"\xff\x00"])
def test_on_a_line_with_an_echo_the_second_copy_is_the_meters(idle: bytes) -> None:
    def hears(heard: bytes, at: float, baud: int) -> Iterable[Said]:
        return sorted([*echoing(idle + heard, at), *meter()(heard, at, baud)])

    conversation, (event,) = hand_over(hears)
    assert isinstance(event, HandedOver)
    assert conversation.elapsed > 5 / 30 + 0.3 + 6 / 30 + 0.25

    def only_echo(heard: bytes, at: float, baud: int) -> Iterable[Said]:
        return [*echoing(idle + heard, at), *([Said(at + 0.3, OFFERS_E)] if heard == SIGN_ON else [])]

    with pytest.raises(MeterDiffers, match="mode: C"):
        hand_over(only_echo)


def test_a_lower_rate_is_agreed() -> None:
    option = b"\x06232\r\n"
    conversation, (event,) = hand_over(answers({SIGN_ON: OFFERS_E, option: option}), max_baud=2400)
    assert isinstance(event, HandedOver)
    assert event.baud == 2400
    assert conversation.actions[-1] == SetRate(2400, Framing.N81)


@pytest.mark.parametrize(
    ("hears", "error"),
    [
        (answers({SIGN_ON: b"/LGZ5ZMD4104407.B32\r\n"}), MeterDiffers),
        (answers({SIGN_ON: b"/LGZ\\2ZMD\r\n"}), MeterDiffers),
        (answers({SIGN_ON: OFFERS_E}), MeterDiffers),
        (meter(b"\x7f\x7f"), MeterDiffers),
        (meter(b"\x06050\r\n"), ProtocolError),
        (meter(b"\x15"), ProtocolError),
        (meter(OPTION_E[:-1]), ProtocolError),
        (meter(b"x" * 5000), ProtocolError),
    ],
)
def test_a_meter_that_does_not_come_along_is_told_to_stop(hears: Hears, error: type[GatewayError]) -> None:
    log: list[Conversation] = []

    def noting(heard: bytes, at: float, baud: int) -> Iterable[Said]:
        return hears(heard, at, baud)

    conversation = Conversation(SessionSettings(), noting)
    log.append(conversation)
    with pytest.raises(error, match="mode: C"):
        try:
            conversation.converse(HandOverSession(conversation.settings), lambda event: None)
        finally:
            conversation.leave()
    assert conversation.actions[-2:] == [Send(BREAK), SetRate(300)]


def test_a_silent_meter() -> None:
    conversation = Conversation(SessionSettings())
    with pytest.raises(MeterSilent):
        conversation.converse(HandOverSession(conversation.settings), lambda event: None)
    before = list(conversation.actions)
    conversation.leave()
    assert conversation.actions == before


def test_a_confirmation_at_the_old_rate_is_none() -> None:
    def hears(heard: bytes, at: float, baud: int) -> Iterable[Said]:
        return [Said(at + 0.3, OPTION_E if heard == OPTION_E else OFFERS_E, 300)]

    with pytest.raises(MeterDiffers):
        hand_over(hears)


def test_behind_hdlc_the_same_line_can_be_read_again() -> None:
    """The meter is back at its first rate, and a readout begins with setting that, 7E1."""
    conversation, _ = hand_over(meter())
    assert conversation.actions[-1] == SetRate(9600, Framing.N81)
    conversation.meter = answers(MODE_C)
    telegram = conversation.run()
    assert telegram.data
    assert conversation.actions[5:] == [SetRate(300), Send(SIGN_ON), Send(b"\x06050\r\n"), SetRate(9600)]


def test_events_in_any_state_are_tolerated() -> None:
    steps: list[Callable[[HandOverSession], object]] = [
        lambda session: session.start(1.0),
        lambda session: session.feed(OFFERS_E, 1.0),
        lambda session: session.feed(OPTION_E, 1.0),
        lambda session: session.expired(1.0),
        lambda session: session.close(1.0),
    ]
    for first in steps:
        for second in steps:
            for third in steps:
                session = HandOverSession(SessionSettings())
                try:
                    for step in (first, second, third):
                        step(session)
                except GatewayError:
                    assert session.feed(OPTION_E, 2.0) == session.expired(2.0) == ()
