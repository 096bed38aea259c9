"""Listening to a meter that pushes: bytes of a channel to Answers, with everything that can go wrong in between."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.dlms.push import listen
from drivers.dlms.push_options import PushOptions
from drivers.dlms.wire.security import Form, Keys, Protection, Suite, protect
from gatewayd.channel.recorder import RecordingChannel
from gatewayd.driver import Forgetful
from gatewayd.errors import ChannelError, GatewayError, MeterDiffers, MeterSilent, ProtocolError
from gatewayd.model import NO_FLAGS, Answer, Clock, Flag, Listen, Outcome, Profile, RawStatus, Registers, Request, Scan
from gatewayd.obis import Obis
from tests.drivers.dlms.hdlc_bytes import examples
from tests.drivers.dlms.push_bytes import (
    CZECH_PORT,
    FRAMINGS,
    HUNG_UP,
    PLAIN,
    SILENCE,
    PushingChannel,
    context,
    hdlc,
    heard,
    heard_of,
    mbus,
)

TITLE = bytes.fromhex("4D4D4D0000BC614E")
KEYS = Keys(bytes(range(16)), bytes(range(0xD0, 0xE0)))
BOTH = Protection.AUTHENTICATED | Protection.ENCRYPTED
IMPORT, EXPORT, OTHER = Obis.parse("1-0:1.8.0"), Obis.parse("1-0:2.8.0"), Obis.parse("1-0:3.8.0")
ONE_OF_TWO = bytes.fromhex("0F 00000002 00 0202 0906 0100030800FF 0600000005")
"""By hand: a message with 1-0:3.8.0 alone."""


def ciphered(counter: int, policy: Protection = BOTH) -> bytes:
    return protect(
        PLAIN, keys=KEYS, suite=Suite.SUITE_0, policy=policy, title=TITLE, counter=counter, form=Form.GENERAL_GLOBAL
    )


def values(answers: list[Answer]) -> list[tuple[str, str]]:
    return [(reading.code, reading.raw_text) for answer in answers for reading in answer.readings]


def asked(said: list[bytes | GatewayError], request: Request, last: GatewayError = SILENCE) -> list[Answer]:
    return asyncio.run(heard_of(PushingChannel(said, last), context(PushOptions(timeout_s=30)), request))


class Passing(PushingChannel):
    """A channel on which `seconds` pass before anything is said."""

    def __init__(self, said: list[bytes | GatewayError], seconds: float) -> None:
        super().__init__(said)
        self._seconds = seconds
        self._passed = 0.0

    def start(self) -> None:
        """Stop the clock of the running loop."""
        asyncio.get_running_loop().time = lambda: self._passed  # type: ignore[method-assign]

    async def receive(self, *, deadline: float) -> bytes:
        try:
            return await super().receive(deadline=deadline)
        finally:
            self._passed += self._seconds


@pytest.mark.parametrize("name", FRAMINGS)
def test_an_answer_for_each_message(name: str) -> None:
    data = FRAMINGS[name](PLAIN)
    answers = heard([data, data + data, SILENCE, SILENCE, data[:7], data[7:]])
    assert [answer.outcome for answer in answers] == [Outcome.DONE] * 4
    assert values(answers) == [("1-0:1.8.0*255", "4242"), ("1-0:2.8.0*255", "7")] * 4


@pytest.mark.parametrize("framing", ["auto", "its own"])
@pytest.mark.parametrize("size", [1, 7, 60, 64, 10_000])
@pytest.mark.parametrize("name", FRAMINGS)
def test_each_message_has_its_own_bytes(name: str, size: int, framing: str) -> None:
    """However they come: the bytes of a read with several messages were all archived with the first of them."""
    frame = FRAMINGS[name]
    sent = [frame(apdu) for apdu in (PLAIN, ONE_OF_TWO, CZECH_PORT, PLAIN)]
    stream = b"".join(sent)
    channel = RecordingChannel(PushingChannel([stream[at : at + size] for at in range(0, len(stream), size)]))
    kept: list[bytes] = []

    async def run() -> None:
        options = PushOptions.model_validate({"framing": framing if framing == "auto" else name})
        async with aclosing(listen(channel, context(options), Listen())) as listening:
            async for answer in listening:
                assert answer.sound
                kept.append(channel.take(answer.behind))

    with pytest.raises(ChannelError):
        asyncio.run(run())
    assert kept == sent
    assert not channel.waiting


def test_a_flood_leaves_others_their_turn() -> None:
    """64 KiB of noise were read at once, which kept the timers of all other lines waiting for a third of a second."""
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def run() -> list[Answer]:
        task = asyncio.create_task(others())
        try:
            flood = b"\x7e\xa7" * 20_000 + hdlc(PLAIN) + hdlc(ONE_OF_TWO)
            return await heard_of(PushingChannel([flood]), context(), Listen())
        finally:
            task.cancel()

    answers = asyncio.run(run())
    assert [answer.sound for answer in answers][-2:] == [True, True]
    assert answers[-2].behind == len(hdlc(ONE_OF_TWO))
    assert turns >= 9


def test_flags_behind_a_message_are_no_exchange_of_their_own() -> None:
    (answer,) = heard([hdlc(PLAIN) + b"\x7e\x7e"])
    assert (answer.sound, answer.behind) == (True, 0)


def test_damage_has_the_bytes_up_to_its_end() -> None:
    damaged = hdlc(PLAIN).replace(b"\x10\x92", b"\x10\x93")
    sent = [hdlc(PLAIN), damaged, hdlc(ONE_OF_TWO), hdlc(PLAIN)[:30]]
    answers = heard([b"".join(sent)])
    assert [answer.outcome for answer in answers] == [
        Outcome.DONE,
        Outcome.CHECK_FAILED,
        Outcome.DONE,
        Outcome.TRUNCATED,
    ]
    ends = [len(b"".join(sent[at + 1 :])) for at in range(3)]
    assert [answer.behind for answer in answers] == [*ends, 0]


def test_the_customer_port() -> None:
    (answer,) = heard([hdlc(CZECH_PORT)], context(PushOptions(units={"1-0:1.8.0": ("Wh", 0)})))
    assert answer.sound and answer.serials == ("12345678",)
    assert (answer.readings[0].unit, answer.readings[0].value, answer.readings[1].unit) == ("Wh", Decimal(4242), "")


def test_damage_is_an_answer_without_readings_and_the_next_message_is_heard() -> None:
    frame = hdlc(PLAIN)
    wrong = frame[:30] + bytes((frame[30] ^ 1,)) + frame[31:]
    answers = heard([frame, wrong + frame, mbus(PLAIN)])
    assert [(answer.outcome, len(answer.readings)) for answer in answers] == [
        (Outcome.DONE, 2),
        (Outcome.CHECK_FAILED, 0),
        (Outcome.DONE, 2),
    ]
    assert answers[1].detail == "sends a damaged HDLC frame: the check of the frame is wrong"


def test_half_a_frame_is_given_up_after_three_seconds_and_half_a_message_after_ten() -> None:
    frame, segments = hdlc(PLAIN), hdlc(PLAIN, 30)
    first = segments[: segments.index(b"\x7e\x7e") + 1]
    channel = PushingChannel([frame, frame[:20], SILENCE, first, SILENCE, frame])
    answers = asyncio.run(heard_of(channel, context(), Listen()))
    assert [answer.outcome for answer in answers] == [
        Outcome.DONE,
        Outcome.TRUNCATED,
        Outcome.TRUNCATED,
        Outcome.DONE,
    ]
    assert channel.waits[2] == pytest.approx(3, abs=0.5)
    assert channel.waits[4] == pytest.approx(10, abs=0.5)
    assert min(channel.waits[0], channel.waits[1], channel.waits[3], channel.waits[5]) > 1000


def test_a_meter_that_hangs_up_behind_its_message_is_heard() -> None:
    odd = PLAIN[:-10]  # whose end only silence tells, as it is cut
    with_rest = heard([PLAIN, odd, HUNG_UP])
    assert [answer.outcome for answer in with_rest] == [Outcome.DONE, Outcome.TRUNCATED]


def test_the_failure_of_the_line_is_passed_on() -> None:
    async def run() -> None:
        async with aclosing(listen(PushingChannel([hdlc(PLAIN)[:9]]), context(), Listen())) as answers:
            assert (await anext(answers)).outcome is Outcome.TRUNCATED
            with pytest.raises(ChannelError, match="hung up"):
                await anext(answers)

    asyncio.run(run())


def test_silence_is_no_fault_unless_configured() -> None:
    assert heard([SILENCE] * 5 + [hdlc(PLAIN)])[0].sound
    frame = hdlc(PLAIN)
    channel = Passing([frame, frame[:-4] + b"\x00" + frame[-3:], SILENCE], seconds=400)

    async def run() -> None:
        channel.start()
        async with aclosing(listen(channel, context(PushOptions(silence_s=600)), Listen())) as answers:
            assert (await anext(answers)).sound
            assert not (await anext(answers)).sound
            with pytest.raises(MeterSilent, match="no sound message for 600 s"):
                await anext(answers)

    asyncio.run(run())
    assert channel.waits == [600, 600, 200]  # what is damaged does not count as heard


@pytest.mark.parametrize("request_", [Scan(), Clock(), Profile(IMPORT, *([datetime(2026, 1, 1, tzinfo=UTC)] * 2))])
def test_what_only_an_asked_meter_answers(request_: Request) -> None:
    with pytest.raises(MeterDiffers, match="only sends by itself"):
        asked([hdlc(PLAIN)], request_)


# -- registers --------------------------------------------------------------------------------------------------------


def test_one_whole_message() -> None:
    frame = hdlc(PLAIN)
    answers = asked([frame[9:], SILENCE, frame, frame], Registers())
    assert values(answers) == [("1-0:1.8.0*255", "4242"), ("1-0:2.8.0*255", "7")]
    assert [answer.outcome for answer in answers] == [Outcome.DONE]


def test_registers_out_of_several_messages() -> None:
    answers = asked([hdlc(ONE_OF_TWO), hdlc(PLAIN), hdlc(PLAIN)], Registers((EXPORT, OTHER)))
    assert values(answers) == [("1-0:3.8.0*255", "5"), ("1-0:2.8.0*255", "7")]


def test_a_register_that_does_not_come() -> None:
    answers = asked([hdlc(PLAIN), SILENCE], Registers((IMPORT, OTHER)))
    assert [(reading.code, reading.obis_raw, reading.status) for answer in answers for reading in answer.readings] == [
        ("1-0:1.8.0*255", "1-0:1.8.0*255", RawStatus.TRUE),
        ("1-0:3.8.0*255", "", RawStatus.MISSING),
    ]


def test_abstract_objects_have_no_medium() -> None:
    message = bytes.fromhex("0F 00000002 00 0202 0906 0100600100FF 0903 414243")
    answers = asked([hdlc(message)], Registers((Obis.parse("C.1.0"),)))
    assert values(answers) == [("1-0:96.1.0*255", "ABC")]


def test_no_message_in_time() -> None:
    with pytest.raises(MeterSilent, match="nothing for 30 s"):
        asked([], Registers())
    frame = hdlc(PLAIN)
    with pytest.raises(ProtocolError, match="check of the frame"):
        asked([frame[:-4] + b"\x00" + frame[-3:]], Registers((IMPORT,)))


def test_the_wait_for_registers_ends() -> None:
    """A stream of sound messages without the register must not keep the session for ever."""

    channel = Passing([hdlc(PLAIN)] * 9, seconds=11)

    async def run() -> list[Answer]:
        channel.start()
        return await heard_of(channel, context(PushOptions(timeout_s=30)), Registers((OTHER,)))

    (answer,) = asyncio.run(run())
    assert [reading.obis_raw for reading in answer.readings] == [""]
    assert channel.waits == [30, 19, 8]


# -- protection -------------------------------------------------------------------------------------------------------


def test_a_ciphered_meter() -> None:
    answers = heard([hdlc(ciphered(1)), hdlc(ciphered(2))], context(keys=KEYS))
    assert [answer.detail for answer in answers] == ["", ""]
    assert values(answers) == [("1-0:1.8.0*255", "4242"), ("1-0:2.8.0*255", "7")] * 2


def test_what_is_not_proved_brings_no_readings() -> None:
    changed = bytearray(ciphered(3))
    changed[-1] ^= 1
    answers = heard(
        [
            hdlc(ciphered(1)),
            hdlc(ciphered(1)),
            hdlc(PLAIN),
            hdlc(bytes(changed)),
            hdlc(ciphered(4, Protection.ENCRYPTED)),
        ],
        context(keys=KEYS),
    )
    assert [(answer.outcome, len(answer.readings)) for answer in answers] == [
        (Outcome.DONE, 2),
        (Outcome.PROTOCOL_ERROR, 0),
        (Outcome.PROTOCOL_ERROR, 0),
        (Outcome.CHECK_FAILED, 0),
        (Outcome.PROTOCOL_ERROR, 0),
    ]
    assert "repeated" in answers[1].detail
    assert "not ciphered" in answers[2].detail


def test_encryption_alone_is_said_to_prove_nothing() -> None:
    options = PushOptions(security="encrypted")
    (answer,) = heard([mbus(ciphered(4, Protection.ENCRYPTED))], context(options, keys=KEYS))
    assert answer.sound and "nothing proves" in answer.detail
    (proved,) = heard([mbus(ciphered(4))], context(options, keys=KEYS))
    assert proved.detail == ""


def test_a_replay_after_a_restart() -> None:
    memory = Forgetful()
    apdus = [hdlc(ciphered(counter)) for counter in range(1, 6)]
    assert all(answer.sound for answer in heard(apdus, context(keys=KEYS, memory=memory)))
    again = heard(apdus, context(keys=KEYS, memory=memory))
    assert [answer.outcome for answer in again] == [Outcome.PROTOCOL_ERROR] * 5
    assert heard([hdlc(ciphered(6))], context(keys=KEYS, memory=memory))[0].sound


def test_a_cancelled_listener_has_written_down_what_it_heard() -> None:
    memory = Forgetful()

    async def run() -> None:
        came = asyncio.Event()

        class Endless(PushingChannel):
            async def receive(self, *, deadline: float) -> bytes:
                if self._said:
                    return await super().receive(deadline=deadline)
                came.set()
                await asyncio.Event().wait()
                raise AssertionError("nothing comes")

        said: list[bytes | GatewayError] = [hdlc(ciphered(counter)) for counter in range(1, 6)]
        task = asyncio.create_task(heard_of(Endless(said), context(keys=KEYS, memory=memory), Listen()))
        await came.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())
    assert not heard([hdlc(ciphered(5))], context(keys=KEYS, memory=memory))[0].sound


@pytest.mark.parametrize(
    ("said", "keys", "outcome"),
    [
        (mbus(PLAIN), None, Outcome.CHECK_FAILED),
        (PLAIN, None, Outcome.CHECK_FAILED),
        (hdlc(PLAIN), None, Outcome.DONE),  # the FCS has found nothing
        (mbus(ciphered(1)), KEYS, Outcome.DONE),  # the tag proves it
    ],
)
def test_wrong_parity(said: bytes, keys: Keys | None, outcome: Outcome) -> None:
    class Parity(PushingChannel):
        async def receive(self, *, deadline: float) -> bytes:
            data = await super().receive(deadline=deadline)
            self.parity_errors += data[:9] == said[3:12]
            return data

    channel = Parity([b"\x68", SILENCE, said[:3], said[3:], mbus(ONE_OF_TWO) if said[0] == 0x68 else said[:0], HUNG_UP])
    channel.parity_errors = 2  # of somebody before
    answers = asyncio.run(heard_of(channel, context(keys=keys), Listen()))
    (answer,) = [each for each in answers if len(each.readings) == 2]
    assert answer.outcome is outcome
    flagged = Flag.PARITY_ERROR if outcome is Outcome.CHECK_FAILED else NO_FLAGS
    assert {reading.flags for reading in answer.readings} == {flagged}
    assert all((reading.status is RawStatus.TRUE) is answer.sound for reading in answer.readings)
    later = [each for each in answers if len(each.readings) == 1]
    assert all(each.sound for each in later)
    assert len(later) == (said == mbus(PLAIN))


def test_a_message_without_values() -> None:
    (answer,) = heard([hdlc(bytes.fromhex("0F 00000001 00 0200"))])
    assert (answer.outcome, answer.detail) == (Outcome.PROTOCOL_ERROR, "sends a message without a single value")


def test_no_secret_in_answers_and_errors() -> None:
    canary = Keys(b"CANARY-BLOCK-KEY", b"CANARY-AUTHENTIC")
    within = context(keys=canary)
    texts = [repr(within), *(repr(answer) for answer in heard([hdlc(ciphered(1)), hdlc(PLAIN)], within))]
    assert len(texts) == 3
    assert not any("CANARY" in text or b"CANARY".hex() in text.lower() for text in texts)


# -- anything ---------------------------------------------------------------------------------------------------------

SAID = st.lists(
    st.one_of(
        st.binary(min_size=1, max_size=80),
        st.just(SILENCE),
        st.sampled_from([hdlc(PLAIN), hdlc(ciphered(1)), hdlc(ciphered(2))[:-9], mbus(ciphered(3)), CZECH_PORT]),
    ),
    max_size=10,
)


@given(SAID, st.booleans())
@examples(100)
def test_any_bytes_are_answers(said: list[bytes | GatewayError], keyed: bool) -> None:
    for answer in heard(said, context(keys=KEYS if keyed else None)):
        assert answer.sound is bool(answer.readings)  # nothing here has a wrong parity
        assert answer.sound or answer.detail
        if keyed:
            assert values([answer]) in ([], [("1-0:1.8.0*255", "4242"), ("1-0:2.8.0*255", "7")])
