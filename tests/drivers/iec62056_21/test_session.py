"""The readout as a state machine: IEC 62056-21:2002 6.4, modes A to E, on lines that misbehave.

The clock is simulated; see conversation.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from itertools import cycle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.iec62056_21.wire.framing import crc16
from drivers.iec62056_21.wire.push import PushSession
from drivers.iec62056_21.wire.readout import ReadoutSession, readout_session
from drivers.iec62056_21.wire.session import Action, Done, Send, SessionSettings, SetRate, Wait
from drivers.iec62056_21.wire.telegram import TELEGRAM_LIMIT, Check, Telegram
from gatewayd.errors import MeterSilent, ProtocolError
from tests.drivers.iec62056_21.conversation import (
    BLOCK,
    BODY,
    IDENTIFICATION,
    MODE_C,
    OPTION,
    PUSHED,
    SIGN_ON,
    Conversation,
    Hears,
    Said,
    answers,
    block,
    cuts_of,
    every,
    examples,
    in_pieces,
    read,
)

Readout = ReadoutSession | PushSession

MODE_A_IDENTIFICATION = b"/ABC-meter\r\n"
MODE_B_IDENTIFICATION = b"/ABCEmeter\r\n"
OPTION_300 = b"\x06000\r\n"


def sound(telegram: Telegram, body: bytes = BODY) -> None:
    assert telegram.check is Check.RIGHT
    assert telegram.data == body


def echoing(meter: Hears) -> Hears:
    """An optical head or a two-wire line: everything sent comes back at once."""

    def hear(heard: bytes, at: float, baud: int) -> Iterable[Said]:
        return sorted([Said(at, heard), *meter(heard, at, baud)])

    return hear


# -- the modes -------------------------------------------------------------------------------------------------------


def test_mode_c_in_order() -> None:
    conversation = Conversation(SessionSettings(), answers(MODE_C))
    telegram = conversation.run()
    sound(telegram)
    assert telegram.identification is not None
    assert telegram.identification.raw == IDENTIFICATION
    assert conversation.session.identification == telegram.identification
    assert conversation.actions == [SetRate(300), Send(SIGN_ON), Send(OPTION), SetRate(9600)]


def test_the_rate_changes_right_behind_the_acknowledgement() -> None:
    """No pause of any kind in between: fast meters answer after 20 ms."""
    session = readout_session(SessionSettings())
    session.start(0.0)
    actions = session.feed(IDENTIFICATION, 1.0)
    assert actions[:2] == (Send(OPTION), SetRate(9600))
    assert [type(action) for action in actions[2:]] == [Wait]


def test_the_waits_of_mode_c() -> None:
    session = readout_session(SessionSettings(response_timeout=2.0, fallback_after=1.5, character_timeout=2.0))
    # 5 characters of 10 bits at 300 Bd, then the meter may take its time.
    assert session.start(100.0)[-1] == Wait(pytest.approx(100 + 5 / 30 + 2.0))  # type: ignore[arg-type]
    # 6 characters of acknowledgement at 300 Bd, then the meter falls back.
    assert session.feed(IDENTIFICATION, 101.0)[-1] == Wait(pytest.approx(101 + 6 / 30 + 1.5))  # type: ignore[arg-type]
    assert session.feed(b"\x021.8.0(", 101.5) == (Wait(103.5),)
    assert session.feed(b"1)", 102.5) == (Wait(104.5),)


def test_mode_a_never_acknowledges() -> None:
    conversation = Conversation(SessionSettings(), answers({SIGN_ON: MODE_A_IDENTIFICATION + BLOCK}))
    sound(conversation.run())
    assert conversation.actions == [SetRate(300), Send(SIGN_ON)]


def test_mode_a_by_configuration_waits_for_the_meter_to_start_by_itself() -> None:
    """A mode C meter that is not acknowledged sends at 300 Bd after up to 2.2 s."""

    def meter(heard: bytes, at: float, baud: int) -> Iterable[Said]:
        return [Said(at + 0.3, IDENTIFICATION, 300), Said(at + 0.3 + 2.4, BLOCK, 300)]

    conversation = Conversation(SessionSettings(mode="A"), meter)
    sound(conversation.run())
    assert conversation.actions == [SetRate(300), Send(SIGN_ON)]


def test_mode_b_changes_the_rate_without_an_acknowledgement() -> None:
    def meter(heard: bytes, at: float, baud: int) -> Iterable[Said]:
        return [Said(at + 0.3, MODE_B_IDENTIFICATION, 300), Said(at + 0.6, BLOCK, 9600)]

    conversation = Conversation(SessionSettings(), meter)
    sound(conversation.run())
    assert conversation.actions == [SetRate(300), Send(SIGN_ON), SetRate(9600)]


def test_mode_b_leaves_nothing_to_choose() -> None:
    """The meter changes its rate unasked: a lower one on our side would only make garbage of what it sends."""

    def meter(heard: bytes, at: float, baud: int) -> Iterable[Said]:
        return [Said(at + 0.3, MODE_B_IDENTIFICATION, 300), Said(at + 0.6, BLOCK, 9600)]

    sound(read(meter, max_baud=2400))


def test_mode_d_only_listens() -> None:
    conversation = Conversation(SessionSettings(mode="D", start_baud=9600), pushed=[Said(1003.0, PUSHED, 9600)])
    telegram = conversation.run()
    assert telegram.check is Check.NONE_DEFINED
    assert b"00000504.9023619" in telegram.data
    assert conversation.actions == [SetRate(9600)]


def test_mode_e_is_read_in_mode_c() -> None:
    table = {SIGN_ON: b"/LGZ5\\2ZMD4104407.B32\r\n", OPTION: BLOCK}
    for mode in ("C", "E"):
        conversation = Conversation(SessionSettings(mode=mode), answers(table))
        telegram = conversation.run()
        sound(telegram)
        assert telegram.identification is not None
        assert telegram.identification.sequences == "\\2"
        assert conversation.actions[2:] == [Send(OPTION), SetRate(9600)]


def test_the_device_address_is_sent() -> None:
    table = {b"/?00123!\r\n": IDENTIFICATION, OPTION: BLOCK}
    sound(read(answers(table), address="00123"))


@pytest.mark.parametrize(
    ("offered", "highest", "chosen"),
    [("5", 19200, "5"), ("6", 9600, "5"), ("6", 2400, "3"), ("5", 300, "0"), ("0", 19200, "0"), ("1", 9600, "1")],
)
def test_a_lower_rate_than_the_offered_may_be_chosen(offered: str, highest: int, chosen: str) -> None:
    rate = {"0": 300, "1": 600, "3": 2400, "5": 9600}[chosen]
    option = b"\x060" + chosen.encode() + b"0\r\n"
    table = {SIGN_ON: b"/ABC" + offered.encode() + b"meter\r\n", option: BLOCK}
    conversation = Conversation(SessionSettings(max_baud=highest), answers(table))
    sound(conversation.run())
    assert conversation.actions[2:] == [Send(option), SetRate(rate)]


def test_a_line_with_a_fixed_rate_signs_on_at_it() -> None:
    conversation = Conversation(SessionSettings(start_baud=9600), answers(MODE_C, baud=9600))
    sound(conversation.run())
    assert conversation.actions == [SetRate(9600), Send(SIGN_ON), Send(OPTION), SetRate(9600)]


# -- echo and noise --------------------------------------------------------------------------------------------------


def test_the_echo_of_request_and_acknowledgement_is_passed_over() -> None:
    sound(read(echoing(answers(MODE_C))))
    sound(read(echoing(answers({b"/?77!\r\n": IDENTIFICATION, OPTION: BLOCK})), address="77"))


def test_an_echo_is_no_answer_and_does_not_shorten_the_wait_for_one() -> None:
    """A serial server over a slow network: the answer takes 6 s, the echo of the optical head comes at once."""
    conversation = Conversation(SessionSettings(response_timeout=10.0), echoing(answers(MODE_C, delay=6.0)))
    sound(conversation.run())
    assert conversation.actions.count(Send(SIGN_ON)) == 1


def test_nothing_but_an_echo_is_silence() -> None:
    with pytest.raises(MeterSilent, match="does not answer"):
        read(echoing(answers({})))


@pytest.mark.parametrize("noise", [b"\x00", b"\x7f" * 20, b"\x00\x7f\x00"])
def test_nothing_but_the_noise_of_an_idle_line_is_silence(noise: bytes) -> None:
    with pytest.raises(MeterSilent):
        read(answers({SIGN_ON: noise}))


def test_what_is_no_identification_is_a_protocol_error_with_its_bytes() -> None:
    with pytest.raises(ProtocolError) as caught:
        read(answers({SIGN_ON: b"what?\r\n"}))
    assert b"what?" in caught.value.raw


def test_an_identification_and_only_the_echo_of_the_acknowledgement_is_silence() -> None:
    """Our own characters are no answer, at whatever point they come back."""
    meter = echoing(answers({SIGN_ON: b"/ABC0meter\r\n"}))
    with pytest.raises(MeterSilent, match="fell silent"):
        read(meter, attempts=1)


@pytest.mark.parametrize("table", [{SIGN_ON: IDENTIFICATION, OPTION: b""}, {}])
def test_noise_without_end_is_given_up(table: dict[bytes, bytes]) -> None:
    for noise in (b"\x7f" * 100, b"x" * 100, b"abc\r\n" * 20):
        meter = answers(table)
        conversation = Conversation(SessionSettings(), meter, pushed=every(0.05, noise, 1000.5))
        with pytest.raises(ProtocolError) as caught:
            conversation.run()
        assert caught.value.raw
        assert conversation.elapsed < 60


def test_noise_up_to_a_limit_is_passed_over() -> None:
    noise = b"\x7f" * 4000
    sound(read(answers({SIGN_ON: noise + IDENTIFICATION, OPTION: noise + BLOCK})))
    session = readout_session(SessionSettings())
    session.start(0.0)
    session.feed(b"x" * 4096, 0.1)
    with pytest.raises(ProtocolError):
        session.feed(b"x", 0.2)


# -- the meter does not answer ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("attempts", [1, 3, 10])
def test_a_silent_meter_is_asked_again_and_then_given_up(attempts: int) -> None:
    conversation = Conversation(SessionSettings(attempts=attempts, response_timeout=2.0))
    with pytest.raises(MeterSilent, match="does not answer"):
        conversation.run()
    assert conversation.actions == [SetRate(300), Send(SIGN_ON)] * attempts
    assert conversation.elapsed == pytest.approx(attempts * (5 / 30 + 2.0))


def test_a_meter_that_answers_the_third_time() -> None:
    asked: list[float] = []

    def meter(heard: bytes, at: float, baud: int) -> Iterable[Said]:
        asked.append(at)
        return answers(MODE_C)(heard, at, baud) if heard == OPTION or len(asked) == 3 else []

    sound(read(meter))


def test_a_meter_that_answers_as_late_as_it_may() -> None:
    """1.5 s after our message (6.4.3.1)."""
    sound(read(answers(MODE_C, delay=1.5)))


def test_a_meter_that_identifies_itself_and_falls_silent() -> None:
    conversation = Conversation(SessionSettings(), answers({SIGN_ON: IDENTIFICATION}))
    with pytest.raises(MeterSilent, match="fell silent"):
        conversation.run()
    assert conversation.session.identification is not None
    assert conversation.elapsed < 30


# -- fall-back to 300 Bd ---------------------------------------------------------------------------------------------


def deaf_to_acknowledgements(after: float) -> Hears:
    """A mode C meter that hears no ACK: `after` seconds behind its identification it starts in mode A at 300 Bd."""

    def hear(heard: bytes, at: float, baud: int) -> Iterable[Said]:
        return [Said(at + 0.3, IDENTIFICATION, 300), Said(at + 0.3 + after, BLOCK, 300)] if heard == SIGN_ON else []

    return hear


FALLEN_BACK: list[Action] = [SetRate(300), Send(SIGN_ON), Send(OPTION), SetRate(9600), SetRate(300)]


@pytest.mark.parametrize("after", [1.75, 2.0, 2.2])
def test_an_acknowledgement_that_was_not_heard_makes_the_line_fall_back(after: float) -> None:
    conversation = Conversation(SessionSettings(), deaf_to_acknowledgements(after))
    sound(conversation.run())
    assert conversation.actions == FALLEN_BACK


@pytest.mark.parametrize("after", [1.75, 2.0, 2.2])
def test_the_echo_of_the_acknowledgement_does_not_delay_the_fall_back(after: float) -> None:
    conversation = Conversation(SessionSettings(), echoing(deaf_to_acknowledgements(after)))
    sound(conversation.run())
    assert conversation.actions == FALLEN_BACK


def test_noise_does_not_delay_the_fall_back() -> None:
    meter = deaf_to_acknowledgements(2.1)
    noise = [Said(1000 + n / 10, b"\x7f") for n in range(25)]
    conversation = Conversation(SessionSettings(), meter, pushed=noise)
    sound(conversation.run())
    assert conversation.actions == FALLEN_BACK


def test_the_line_falls_back_when_the_meter_does() -> None:
    conversation = Conversation(SessionSettings(fallback_after=1.5), deaf_to_acknowledgements(2.0))
    conversation.run()
    identified = 5 / 30 + 0.3
    assert conversation.at(SetRate(300), 1) == pytest.approx(identified + 6 / 30 + 1.5)


def test_a_fall_back_that_brings_nothing_is_followed_by_a_sign_on_without_acknowledgement() -> None:
    signed_on: list[float] = []

    def meter(heard: bytes, at: float, baud: int) -> Iterable[Said]:
        if heard != SIGN_ON:
            return []
        signed_on.append(at)
        began = Said(at + 0.3, IDENTIFICATION, 300)
        return [began] if len(signed_on) == 1 else [began, Said(at + 0.3 + 2.2, BLOCK, 300)]

    conversation = Conversation(SessionSettings(), meter)
    sound(conversation.run())
    assert conversation.actions == [*FALLEN_BACK, SetRate(300), Send(SIGN_ON)]


def test_a_meter_that_offers_300_baud_and_does_not_hear_the_acknowledgement() -> None:
    def meter(heard: bytes, at: float, baud: int) -> Iterable[Said]:
        begin = [Said(at + 0.3, b"/ABC0meter\r\n", 300), Said(at + 0.3 + 2.2, BLOCK, 300)]
        return begin if heard == SIGN_ON else []

    sound(read(meter))


# -- faulty telegrams ------------------------------------------------------------------------------------------------


def test_a_wrong_check_character_is_kept() -> None:
    telegram = read(answers({SIGN_ON: IDENTIFICATION, OPTION: BLOCK[:-1] + bytes([BLOCK[-1] ^ 1])}))
    assert telegram.check is Check.BCC_WRONG
    assert telegram.data == BODY


@pytest.mark.parametrize("missing", [1, 2, 5, 20, len(BLOCK) - 1])
def test_a_block_that_stops_is_kept_after_the_character_timeout(missing: int) -> None:
    conversation = Conversation(SessionSettings(), answers({SIGN_ON: IDENTIFICATION, OPTION: BLOCK[:-missing]}))
    telegram = conversation.run()
    assert telegram.check is Check.CUT_SHORT
    assert BODY.startswith(telegram.data.rstrip(b"!\r\n"))
    assert telegram.identification is not None
    assert conversation.elapsed < 5


def test_a_pushed_telegram_that_stops_is_kept() -> None:
    telegram = read(mode="D", start_baud=9600, pushed=[Said(1001.0, PUSHED[:-10])])
    assert telegram.check is Check.CUT_SHORT
    assert b"00000504.9023619" in telegram.data


def test_a_telegram_of_exactly_the_limit_and_a_longer_one() -> None:
    body = (b"1.8.0(1)\r\n" * (TELEGRAM_LIMIT // 10))[: TELEGRAM_LIMIT - 6]
    whole = block(body)
    assert len(whole) == TELEGRAM_LIMIT
    assert read(answers({SIGN_ON: IDENTIFICATION, OPTION: whole})).check is Check.RIGHT

    def meter(heard: bytes, at: float, baud: int) -> Iterable[Said]:
        if heard == SIGN_ON:
            return [Said(at + 0.3, IDENTIFICATION)]
        return in_pieces(b"\x02" + b"1.8.0(1)\r\n" * (TELEGRAM_LIMIT // 8), range(0, 2 << 20, 16384), at + 0.1)

    with pytest.raises(ProtocolError, match="1048576") as caught:
        read(meter)
    assert len(caught.value.raw) > TELEGRAM_LIMIT


def test_a_pushed_telegram_of_more_than_the_limit() -> None:
    pieces = in_pieces(b"/XYZ5x\r\n" + b"1.8.0(1)\r\n" * (TELEGRAM_LIMIT // 8), range(0, 2 << 20, 16384), 1000.5)
    with pytest.raises(ProtocolError, match="1048576"):
        read(mode="D", start_baud=9600, pushed=pieces)


# -- drips and babble ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("byte", [b"1", b"\x00", b"\x7f", b"/", b"\r\n", b"("])
@pytest.mark.parametrize("rate", [300, 9600])
def test_a_byte_a_second_for_ever_is_given_up(rate: int, byte: bytes) -> None:
    tables = [{}, {SIGN_ON: IDENTIFICATION}, {SIGN_ON: IDENTIFICATION, OPTION: b"\x02"}]
    for table in tables:
        for mode in ("A", "C"):
            settings = SessionSettings(mode=mode, start_baud=rate, max_baud=rate)
            conversation = Conversation(settings, answers(table), pushed=every(1.0, byte, 1002.0))
            with pytest.raises((ProtocolError, MeterSilent)):
                conversation.run()
            assert conversation.elapsed < 110


@pytest.mark.parametrize("rate", [300, 9600])
def test_a_block_that_drips_for_ever_is_a_protocol_error(rate: int) -> None:
    option = b"\x06000\r\n" if rate == 300 else OPTION
    table = {SIGN_ON: IDENTIFICATION, option: b"\x02"}
    settings = SessionSettings(max_baud=rate)
    conversation = Conversation(settings, answers(table), pushed=every(1.0, b"1", 1002.0))
    with pytest.raises(ProtocolError, match="drips"):
        conversation.run()
    assert conversation.elapsed < 60


@pytest.mark.parametrize("rate", [300, 9600])
@pytest.mark.parametrize("head", [b"", b"/XYZ5x\r\n"])
def test_a_pushed_byte_a_second_for_ever_is_a_protocol_error(rate: int, head: bytes) -> None:
    pushed = [Said(1000.5, head), *([Said(1001.0 + n, b"1") for n in range(600)])]
    conversation = Conversation(SessionSettings(mode="D", start_baud=rate), pushed=pushed)
    with pytest.raises(ProtocolError):
        conversation.run()
    assert conversation.elapsed < 70


def test_a_slow_meter_is_not_a_dripping_one() -> None:
    """Three quarters of the time between characters idle: at 300 Bd ten characters a second."""

    def meter(heard: bytes, at: float, baud: int) -> Iterable[Said]:
        if heard == SIGN_ON:
            return [Said(at + 0.3, MODE_A_IDENTIFICATION)]
        return []

    long = block(b"1.8.0(0008048.375*kWh)\r\n" * 80)
    pushed = in_pieces(long, range(len(long)), 1001.5, pause=0.1)
    sound(Conversation(SessionSettings(), meter, pushed).run(), b"1.8.0(0008048.375*kWh)\r\n" * 80)


# -- mode D ----------------------------------------------------------------------------------------------------------


def test_a_pushed_telegram_joined_in_the_middle_is_left_and_the_next_one_taken() -> None:
    for place in range(1, len(PUSHED)):
        telegram = read(mode="D", start_baud=9600, pushed=[Said(1001.0, PUSHED[place:] + PUSHED)])
        assert telegram.check is Check.NONE_DEFINED
        assert telegram.data == PUSHED[len(b"/ESY5Q3DA3024 V3.04\r\n") : -3]


def test_joined_in_the_middle_with_a_pause_before_the_next() -> None:
    pushed = [Said(1001.0, PUSHED[40:]), Said(1009.0, PUSHED)]
    assert read(mode="D", start_baud=9600, pushed=pushed).check is Check.NONE_DEFINED


def test_of_several_telegrams_in_a_chunk_the_first_is_taken() -> None:
    other = PUSHED.replace(b"504", b"505")
    telegram = read(mode="D", start_baud=9600, pushed=[Said(1001.0, PUSHED + other + PUSHED)])
    assert b"00000504" in telegram.data
    assert b"00000505" not in telegram.data
    assert b"/ESY" not in telegram.data


@pytest.mark.parametrize("whole", [PUSHED, PUSHED.replace(b"!\r\n", b"!" + b"%04X" % crc16(PUSHED[:-2]) + b"\r\n")])
@pytest.mark.parametrize("pieces", [1, 2])
def test_a_pushed_telegram_behind_one_that_stopped_is_taken_alone(whole: bytes, pieces: int) -> None:
    """The port was unplugged or reset in mid-telegram: what stopped is no part of the next one."""
    stopped = PUSHED[:60] + b"\r\n"
    session = readout_session(SessionSettings(mode="D"))
    session.start(0.0)
    data = stopped * pieces + whole
    done = [session.feed(data[place : place + 7], 1.0 + place / 1000) for place in range(0, len(data), 7)][-1]
    (event,) = done
    assert isinstance(event, Done)
    assert event.telegram.data == PUSHED.split(b"\r\n", 1)[1].removesuffix(b"!\r\n")
    assert event.telegram.check is (Check.NONE_DEFINED if whole is PUSHED else Check.RIGHT)


def test_a_meter_that_pushes_nothing() -> None:
    conversation = Conversation(SessionSettings(mode="D", start_baud=9600, push_timeout=15.0))
    with pytest.raises(MeterSilent, match="pushes nothing"):
        conversation.run()
    assert conversation.elapsed == pytest.approx(15.0)


@pytest.mark.parametrize("noise", [b"x" * 30, b"garbage\r\n", b"1-0:1.8.0*255(1*kWh)\r\n!\r\n", b"x" * 5000])
def test_lines_without_a_telegram_are_a_protocol_error_and_no_silence(noise: bytes) -> None:
    settings = SessionSettings(mode="D", start_baud=9600, push_timeout=15.0)
    conversation = Conversation(settings, pushed=every(1.0, noise, 1001.0))
    with pytest.raises(ProtocolError, match="no telegram begins") as caught:
        conversation.run()
    assert caught.value.raw
    assert conversation.elapsed < 20


def test_a_flood_without_a_telegram_is_a_protocol_error_before_its_time() -> None:
    settings = SessionSettings(mode="D", start_baud=9600, push_timeout=3600.0)
    conversation = Conversation(settings, pushed=every(0.01, b"x" * 9000 + b"\r\n", 1001.0))
    with pytest.raises(ProtocolError):
        conversation.run()
    assert conversation.elapsed < 20


# -- chunks ----------------------------------------------------------------------------------------------------------

NOISE = st.lists(st.sampled_from([b"\x00", b"\x7f", b"\xff", b"\r\n", SIGN_ON, b"junk", b"!"]), max_size=6).map(
    b"".join
)


def talks(messages: dict[bytes, bytes], cuts: list[int]) -> Hears:
    """Answers as in the table, cut into chunks."""

    def hear(heard: bytes, at: float, baud: int) -> Iterable[Said]:
        return in_pieces(messages[heard], cuts, at + 0.3) if heard in messages else []

    return hear


TALKS: dict[str, dict[bytes, bytes]] = {
    "A": {SIGN_ON: MODE_A_IDENTIFICATION + BLOCK},
    "B": {SIGN_ON: MODE_B_IDENTIFICATION + BLOCK},
    "C": {SIGN_ON: IDENTIFICATION, OPTION: BLOCK},
    "C, echoing": {SIGN_ON: SIGN_ON + IDENTIFICATION, OPTION: OPTION + BLOCK},
    "C, wrong check character": {SIGN_ON: IDENTIFICATION, OPTION: BLOCK[:-1] + b"\x7f"},
    "C, cut short": {SIGN_ON: IDENTIFICATION, OPTION: BLOCK[:-30]},
}


@pytest.mark.parametrize("name", TALKS)
def test_byte_by_byte_gives_the_same_as_whole(name: str) -> None:
    whole = read(talks(TALKS[name], []))
    assert read(talks(TALKS[name], list(range(200)))) == whole


def test_a_telegram_is_over_with_its_last_byte_and_not_with_a_timeout() -> None:
    session = readout_session(SessionSettings())
    session.start(0.0)
    session.feed(IDENTIFICATION, 1.0)
    *waits, last = [session.feed(bytes([byte]), 1.1) for byte in BLOCK]
    assert all(isinstance(action, Wait) for (action,) in waits)
    assert [type(action) for action in last] == [Done]


def test_a_pushed_telegram_is_over_with_its_last_byte_and_not_with_a_timeout() -> None:
    for data in (PUSHED, PUSHED.replace(b"!", b"!0A1B"), PUSHED.replace(b"!", b"!A1B ")):
        session = readout_session(SessionSettings(mode="D"))
        session.start(0.0)
        *waits, last = [session.feed(bytes([byte]), 1.1) for byte in data]
        assert all(isinstance(action, Wait) for (action,) in waits)
        assert [type(action) for action in last] == [Done]


@pytest.mark.parametrize("name", TALKS)
@given(cuts=cuts_of(MODE_A_IDENTIFICATION + BLOCK), before=NOISE, between=NOISE, after=NOISE)
@examples(40)
def test_chunks_and_noise_change_nothing(
    name: str, cuts: list[int], before: bytes, between: bytes, after: bytes
) -> None:
    whole = read(talks(TALKS[name], []))
    noisy = {sent: before + answer for sent, answer in TALKS[name].items()}
    if OPTION in noisy:
        noisy[OPTION] = between + TALKS[name][OPTION]
        if whole.check is not Check.CUT_SHORT:
            noisy[OPTION] += after
    else:
        noisy[SIGN_ON] += after
    assert read(talks(noisy, cuts)) == whole


@given(cuts=cuts_of(PUSHED), before=NOISE, after=NOISE)
@examples(100)
def test_chunks_and_noise_change_nothing_of_a_pushed_telegram(cuts: list[int], before: bytes, after: bytes) -> None:
    whole = read(mode="D", start_baud=9600, pushed=[Said(1001.0, PUSHED)])
    data = before + b"\r\n" + PUSHED + after
    assert read(mode="D", start_baud=9600, pushed=in_pieces(data, cuts, 1001.0)) == whole
    assert read(mode="D", start_baud=9600, pushed=in_pieces(data, range(len(data)), 1001.0)) == whole


# -- every event in every state --------------------------------------------------------------------------------------


def fresh(mode: str = "C", attempts: int = 2) -> Readout:
    return readout_session(SessionSettings(mode=mode, attempts=attempts))


def after(*events: bytes | None, mode: str = "C") -> Callable[[], Readout]:
    """A session that was started, fed these bytes and, for each None, left waiting in vain."""

    def make() -> Readout:
        session = fresh(mode)
        session.start(0.0)
        for n, event in enumerate(events, 1):
            if event is None:
                session.expired(n * 0.1)
            else:
                session.feed(event, n * 0.1)
        return session

    return make


def broken() -> Readout:
    session = after()()
    with pytest.raises(ProtocolError):
        session.feed(b"x" * 5000, 0.1)
    return session


STATES: dict[str, Callable[[], Readout]] = {
    "idle": fresh,
    "idle D": lambda: fresh("D"),
    "signed on": after(),
    "signed on, echo": after(SIGN_ON),
    "signed on again": after(None),
    "acknowledged": after(IDENTIFICATION),
    "acknowledged, echo": after(IDENTIFICATION, OPTION),
    "fallen back": after(IDENTIFICATION, None),
    "signed on without option": after(IDENTIFICATION, None, None),
    "identified without option": after(IDENTIFICATION, None, None, IDENTIFICATION),
    "mode A": after(MODE_A_IDENTIFICATION),
    "mode A by configuration": after(IDENTIFICATION, mode="A"),
    "mode B": after(MODE_B_IDENTIFICATION),
    "in the block": after(IDENTIFICATION, b"\x021.8.0(1"),
    "behind ETX": after(IDENTIFICATION, BLOCK[:-1]),
    "listening": after(mode="D"),
    "listening, noise": after(b"x" * 5000, mode="D"),
    "in a pushed telegram": after(PUSHED[:40], mode="D"),
    "done": after(IDENTIFICATION, BLOCK),
    "done D": after(PUSHED, mode="D"),
    "broken": broken,
}

EVENTS: dict[str, Callable[[Readout, float], tuple[Action, ...]]] = {
    "start": lambda session, now: session.start(now),
    "expired": lambda session, now: session.expired(now),
    **{
        f"feed {name}": lambda session, now, data=data: session.feed(data, now)  # type: ignore[misc]
        for name, data in {
            "nothing": b"",
            "a byte": b"x",
            "noise": b"\x00\x7f\xff",
            "much noise": b"x" * 5000,
            "echo": SIGN_ON,
            "identification": IDENTIFICATION,
            "identification of mode A": MODE_A_IDENTIFICATION,
            "identification of mode B": MODE_B_IDENTIFICATION,
            "block": BLOCK,
            "everything": SIGN_ON + IDENTIFICATION + OPTION + BLOCK,
            "pushed": PUSHED,
            "STX": b"\x02",
            "ETX": b"\x03",
            "NAK": b"\x15",
            "mark": b"!\r\n",
            "too much": b"1" * (TELEGRAM_LIMIT + 1),
        }.items()
    },
}


def tolerated(session: Readout, event: str, now: float) -> bool:
    """Apply an event; True when the session goes on."""
    try:
        actions = EVENTS[event](session, now)
    except (MeterSilent, ProtocolError) as error:
        assert str(error)
        return False
    assert all(isinstance(action, Send | SetRate | Wait | Done) for action in actions)
    waits = [action for action in actions if isinstance(action, Wait)]
    if actions:
        assert isinstance(actions[-1], Wait | Done)
    assert len(waits) <= 1
    return not any(isinstance(action, Done) for action in actions)


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("state", STATES)
def test_every_event_in_every_state(state: str, event: str) -> None:
    for now in (0.5, 10.0, 1e6):
        tolerated(STATES[state](), event, now)


@pytest.mark.parametrize("event", [event for event in EVENTS if event != "start"])
@pytest.mark.parametrize("state", ["done", "done D", "broken"])
def test_a_session_that_is_over_does_nothing_more(state: str, event: str) -> None:
    session = STATES[state]()
    for now in (0.5, 1e6):
        assert EVENTS[event](session, now) == ()


@given(
    st.sampled_from(sorted(STATES)),
    st.lists(st.tuples(st.sampled_from(sorted(EVENTS)), st.sampled_from([0.0, 0.1, 1.6, 3.0, 100.0])), max_size=8),
)
@examples(150)
def test_any_events_from_any_state(state: str, events: list[tuple[str, float]]) -> None:
    session = STATES[state]()
    now = 1.0
    for event, pause in events:
        now += pause
        if not tolerated(session, event, now):
            assert session.expired(now) == ()
            assert session.feed(BLOCK, now) == ()


# -- an adversary ----------------------------------------------------------------------------------------------------

CRUMBS = st.sampled_from([b"/", b"\x02", b"\x03", b"!", b"\r", b"\n", b"(", b"1", b"\x00", b"\x7f", b"A"])
MORSELS = CRUMBS | st.sampled_from(
    [SIGN_ON, IDENTIFICATION, MODE_A_IDENTIFICATION, MODE_B_IDENTIFICATION, BLOCK, PUSHED]
)
PAUSES = st.sampled_from([0.01, 0.5, 1.0, 1.9, 2.5])
SETTINGS = st.builds(
    SessionSettings,
    mode=st.sampled_from("ABCDE"),
    start_baud=st.sampled_from([300, 9600]),
    max_baud=st.sampled_from([300, 2400, 19200]),
    attempts=st.integers(1, 4),
    push_timeout=st.sampled_from([1.0, 15.0, 300.0]),
)


def for_ever(pieces: list[tuple[float, bytes]]) -> Iterable[Said]:
    at = 1000.0
    for pause, data in cycle(pieces):
        at += pause
        yield Said(at, data)


def outcome(settings: SessionSettings, meter: Hears, pushed: Iterable[Said], longest: float) -> float:
    """How long the session took, however it ended."""
    conversation = Conversation(settings, meter, pushed, longest=longest)
    with suppress(MeterSilent, ProtocolError):
        conversation.run()
    return conversation.elapsed


@given(SETTINGS, st.lists(st.tuples(st.sampled_from([0.5, 1.0, 1.9, 2.5]), CRUMBS), min_size=1, max_size=12))
@examples(150)
def test_a_session_with_a_meter_that_drips_anything_is_over_in_minutes(
    settings: SessionSettings, pieces: list[tuple[float, bytes]]
) -> None:
    bound = 30 * (settings.attempts + 1) + 60 + 60 + settings.push_timeout
    table = {SIGN_ON: IDENTIFICATION}
    assert outcome(settings, answers({}), for_ever(pieces), 3600) < bound
    assert outcome(settings, answers(table), for_ever(pieces), 3600) < bound


@given(
    SETTINGS, st.lists(st.tuples(PAUSES, MORSELS), min_size=1, max_size=8), st.sampled_from([b"\x00", b"x", b"x\r\n"])
)
@examples(60)
def test_a_session_with_any_meter_at_all_is_over(
    settings: SessionSettings, pieces: list[tuple[float, bytes]], filler: bytes
) -> None:
    """Whoever sends fast enough not to drip runs into the limit of a telegram."""
    slowest = 10 * 10 * 2 * TELEGRAM_LIMIT / 300
    outcome(settings, answers({SIGN_ON: IDENTIFICATION}), for_ever([*pieces, (0.5, filler * 60000)]), slowest)
