"""What meters in the field do otherwise than the standard, or than our simulator: each has to be read all the same."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from drivers.dlms.connection import Connection
from drivers.dlms.counters import CounterJump, ReceivedCounters
from drivers.dlms.options import DlmsOptions
from drivers.dlms.session import Session
from drivers.dlms.wire.association import Association
from drivers.dlms.wire.association_dialogue import AuthenticationRefused
from drivers.dlms.wire.hdlc_address import address
from drivers.dlms.wire.hdlc_control import Command, Control
from drivers.dlms.wire.hdlc_frame import Frame
from drivers.dlms.wire.wrapper import Wrapped
from gatewayd.driver import Forgetful
from gatewayd.errors import (
    ArchiveDamaged,
    ChannelError,
    GatewayError,
    MeterDiffers,
    MeterRefused,
    MeterSilent,
    PasswordUnclear,
    ProtocolError,
)
from tests.drivers.dlms import association_meter
from tests.drivers.dlms.asked_meter import CountingMemory, u32
from tests.drivers.dlms.association_meter import METER, aare
from tests.drivers.dlms.hdlc_bytes import frame
from tests.drivers.dlms.test_driver import COUNTER, IMPORT, TOTAL, Cabin, caught, ciphered_cabin, objects
from tests.drivers.dlms.test_refused_sessions import on_hdlc, secrets
from tests.drivers.dlms.test_session import ITEMS, LOW, RESULTS, Cosem, get_many, run
from tests.drivers.dlms.whole_meter import Access, Installation, MeterChannel, WholeMeter, texts

__all__ = ["secrets"]
HUNG_UP = ChannelError("line cabin: the peer has hung up")


def ciphered_options(secrets: dict[str, str]) -> dict[str, Any]:  # Any: options, as YAML gives them
    return {"client": 1, "authentication": "hls-gmac", "security": "authenticated-encrypted", **secrets}


# -- lists -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("said", ["C4 03 AA 02 01 FA 01 FA", "C4 03 AA 00", "C4 03 AA 04 01 FA 01 FA 01 FA 01 FA"])
def test_a_list_with_another_number_of_results_is_asked_for_one_by_one(said: str) -> None:
    meter = Cosem(lists=bytes.fromhex(said))

    async def work(session: Session) -> None:
        for _ in range(2):
            assert await session.get_many(ITEMS) == tuple(RESULTS.values())
        assert not session.lists_work

    run(meter, work)
    assert meter.kinds[1:] == ["c003"] + ["c001"] * 6


@pytest.mark.parametrize("said", ["C4 03 AA 03 01 FA 01 FA", "C4 03 AA 02 01 FA 01", "C4 03 A0 02 01 FA 01 FA"])
def test_a_list_that_is_not_sound_is_an_error(said: str) -> None:
    with pytest.raises(ProtocolError):
        run(Cosem(lists=bytes.fromhex(said)), get_many)


# -- refusals ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spoilt", ["BE 00", "BE 02 04 05", "BE 03 05 01 00", "A4 03 80 01 00", "89 02 06 00"])
def test_a_refusal_with_something_spoilt_behind_it_still_says_why(spoilt: str) -> None:
    """Some meters refuse with a user-information that is none (gurux-dlms reads over it as well)."""
    for result, diagnostic in ((1, 13), (2, 13)):
        plain = aare(result=result, diagnostic=diagnostic, information=None)
        more = bytes.fromhex(spoilt)
        refusal = plain[:1] + bytes((plain[1] + len(more),)) + plain[2:] + more
        with pytest.raises(AuthenticationRefused, match="wrong password"):
            run(Cosem(refusal), get_many, association=Association(LOW))
    accepted = plain[:1] + refusal[1:2] + aare(information=None)[2:] + more
    with pytest.raises(PasswordUnclear):
        run(Cosem(accepted), get_many, association=Association(LOW))


# -- the release -------------------------------------------------------------------------------------------------------


class HangsUp(WholeMeter):
    """Closes the connection when it is released."""

    def hear(self, data: bytes) -> Iterable[bytes | GatewayError]:
        return [HUNG_UP] if data[8] == 0x62 else super().hear(data)


def test_a_meter_that_hangs_up_when_it_is_released_has_answered_everything() -> None:
    assert texts(Cabin(HangsUp(objects())).ask(TOTAL))[1:] == [f"{IMPORT} 12345"]


def test_a_meter_that_hangs_up_behind_its_counter_object_is_read_the_next_time(secrets: dict[str, str]) -> None:
    """The counter that it has told is kept: else every session would end there."""
    meter = HangsUp(objects(), {16: Access(), 1: Access(5, ciphered=True)})
    meter.expected = 500
    options = ciphered_options(secrets)
    cabin = Cabin(meter, **options)
    gone = MeterChannel(meter)

    async def first() -> None:
        send = gone.send

        async def once(data: bytes, *, deadline: float, secret: bool = False) -> None:
            await send(data, deadline=deadline, secret=secret)
            if data[8] == 0x62:
                gone.broken = HUNG_UP

        gone.send = once  # type: ignore[method-assign]
        await cabin._ask(gone, TOTAL)

    with pytest.raises(ChannelError):
        asyncio.run(first())
    assert texts(cabin.ask(TOTAL))[1:] == [f"{IMPORT} 12345"]
    assert meter.counters[0] > 500


# -- the counter -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("said", [b"", HUNG_UP], ids=["silent", "hangs up"])
def test_a_meter_that_says_nothing_to_a_counter_that_is_too_low(
    secrets: dict[str, str], said: bytes | GatewayError
) -> None:
    """Head ends know such meters (OSGP open-smart-grid-platform #1098: the device closes the session)."""
    cabin = ciphered_cabin(secrets)
    cabin.ask(TOTAL)
    meter = cabin.whole
    meter.expected = 70_000
    meter.objects.objects[COUNTER] = u32(70_000)
    hear = meter.hear

    def mute(data: bytes) -> Iterable[bytes | GatewayError]:
        answers = list(hear(data))
        refused = any(isinstance(answer, bytes) and answer[8:9] == b"\xd8" for answer in answers)
        return ([said] if said else []) if refused else answers

    meter.hear = mute  # type: ignore[method-assign]
    assert isinstance(caught(cabin), MeterSilent | ChannelError)
    (answer,) = cabin.ask(TOTAL)
    assert texts([answer])[1:] == [f"{IMPORT} 12345"]
    assert "nothing proves" in answer.detail
    meter.heard.clear()
    (answer,) = cabin.ask(TOTAL)
    assert (answer.detail, meter.aarqs) == ("", [1])


def test_a_counter_object_that_is_not_believed_stops_one_session_and_not_all(secrets: dict[str, str]) -> None:
    """Something else than the counter stands there, and the meter was silent once for a reason of its own."""
    cabin = ciphered_cabin(secrets)
    cabin.ask(TOTAL)
    cabin.whole.objects.objects[COUNTER] = u32(3_000_000_000)
    hear = cabin.whole.hear
    cabin.whole.hear = lambda data: []  # type: ignore[method-assign]
    assert isinstance(caught(cabin), MeterSilent)
    cabin.whole.hear = hear  # type: ignore[method-assign]
    assert isinstance(caught(cabin), CounterJump)
    assert texts(cabin.ask(TOTAL))[1:] == [f"{IMPORT} 12345"]


def test_a_meter_that_was_only_off_is_not_asked_for_its_counter_each_time(secrets: dict[str, str]) -> None:
    memory = CountingMemory()
    options = ciphered_options(secrets)
    meter = WholeMeter(objects(), {16: Access(), 1: Access(5, ciphered=True)})
    installation = on_hdlc(meter, memory=memory, **options)
    installation.ask(TOTAL)
    bus = installation.meter
    bus.hear = lambda data: []
    for _ in range(2):
        assert isinstance(caught(installation), MeterSilent)
        assert {sent[4] for sent in installation.channels[-1].log} == {0x03}  # client 1


def test_a_counter_that_is_raised_at_the_word_of_the_meter_is_told(secrets: dict[str, str]) -> None:
    cabin = ciphered_cabin(secrets)
    (answer,) = cabin.ask(TOTAL)
    assert "raised by" in answer.detail and "500" in answer.detail
    assert cabin.ask(TOTAL)[0].detail == ""
    cabin.whole.expected = 70_000
    (answer,) = cabin.ask(TOTAL)
    assert "70001" in answer.detail and "nothing proves" in answer.detail


def test_a_meter_that_does_not_say_which_counter_it_wants_is_asked_for_it(secrets: dict[str, str]) -> None:
    cabin = ciphered_cabin(secrets)
    cabin.ask(TOTAL)
    meter = cabin.whole
    meter.expected = 70_000
    meter.objects.objects[COUNTER] = u32(70_000)
    answer = meter.answer

    def curt(client: int, apdu: bytes) -> bytes:
        said = answer(client, apdu)
        return said[:3] if said[:1] == b"\xd8" else said

    meter.answer = curt  # type: ignore[method-assign]
    assert texts(cabin.ask(TOTAL))[1:] == [f"{IMPORT} 12345"]


# -- another meter in the same place -----------------------------------------------------------------------------------

NEW = bytes.fromhex("4D4D4D0000BC6150")


def exchanged(monkeypatch: pytest.MonkeyPatch, title: bytes) -> None:
    """The meter of the tests has this title from now on."""
    for module in (association_meter, __import__("tests.drivers.dlms.whole_meter", fromlist=["METER"])):
        monkeypatch.setattr(module, "METER", title)


def test_a_meter_that_was_exchanged_begins_with_its_own_counters(
    secrets: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    cabin = ciphered_cabin(secrets)
    cabin.whole.sent = 50_000
    cabin.ask(TOTAL)
    exchanged(monkeypatch, NEW)
    cabin.whole.sent = 10
    assert texts(cabin.ask(TOTAL))[1:] == [f"{IMPORT} 12345"]
    assert texts(cabin.ask(TOTAL))[1:] == [f"{IMPORT} 12345"]
    cabin.whole.sent = 10
    assert "counter" in str(caught(cabin)), "what the new one has said"
    exchanged(monkeypatch, METER)
    cabin.whole.sent = 49_000
    assert "counter" in str(caught(cabin)), "what the old one has said"
    cabin.whole.sent = 60_000
    assert texts(cabin.ask(TOTAL))[1:] == [f"{IMPORT} 12345"]


def test_what_meters_have_proved_is_remembered_by_their_titles() -> None:
    async def scene() -> None:
        memory = Forgetful()
        received = ReceivedCounters(memory, "k")
        assert await received.recall() == {}
        await received.remember(METER, -1)
        assert await memory.recall("received/meters/k") is None
        await received.remember(METER, 700)
        await received.remember(NEW, 0)
        await ReceivedCounters(memory, "k").remember(METER, 600)
        assert await ReceivedCounters(memory, "k").recall() == {METER: 700, NEW: 0}
        assert await memory.recall("received/meters/k") == b"4d4d4d0000bc614e 700\n4d4d4d0000bc6150 0\n"
        await received.remember(METER, 701)
        assert await memory.recall("received/meters/k") == b"4d4d4d0000bc6150 0\n4d4d4d0000bc614e 701\n"
        for number in range(14):
            await received.remember(bytes((number,)) * 8, 0xFFFF_FFFF)
        await received.remember(METER, 702)  # the one that was heard last is the last to be forgotten
        for number in range(14, 29):
            assert METER in await received.recall()
            await received.remember(bytes((number,)) * 8, 0)
        assert len(known := await received.recall()) == 16
        assert list(known) == [METER, *(bytes((number,)) * 8 for number in range(14, 29))]
        await received.remember(NEW, 1)
        assert METER not in await received.recall()

    asyncio.run(scene())


@pytest.mark.parametrize(
    "stored",
    [b"", b"700", b"4d4d4d0000bc614e 700", b"4d4d4d0000bc614e -1\n", b"4d4d4d0000bc614e 4294967296\n", b"\xff"],
)
def test_a_memory_of_meters_that_cannot_be_read_is_not_guessed_at(stored: bytes) -> None:
    async def scene() -> None:
        memory = Forgetful()
        await memory.remember("received/meters/k", stored)
        with pytest.raises(ArchiveDamaged, match="received/meters/k"):
            await ReceivedCounters(memory, "k").recall()

    asyncio.run(scene())


# -- the proof of the meter --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "shape", [lambda plain: plain, lambda plain: plain.replace(b"\x00\x01\x00\x09", b"\x00\x01\x09")]
)
def test_a_proof_with_and_without_the_choice_in_front(secrets: dict[str, str], shape: Callable[[bytes], bytes]) -> None:
    cabin = ciphered_cabin(secrets)
    invoked = cabin.whole._invoked
    cabin.whole._invoked = lambda apdu: shape(invoked(apdu))  # type: ignore[method-assign]
    assert texts(cabin.ask(TOTAL))[1:] == [f"{IMPORT} 12345"]


def test_a_proof_that_is_left_out_proves_nothing(secrets: dict[str, str]) -> None:
    for nothing in (b"\x00", b"\x00\x00", b"\x00\x01\x01\x00", b"\x00\x01\x00\x00"):
        cabin = ciphered_cabin(secrets)
        cabin.whole._invoked = lambda apdu, nothing=nothing: nothing  # type: ignore[misc, method-assign]
        assert "prove" in str(caught(cabin))


def test_an_association_object_of_another_name_is_no_refusal_of_the_keys(secrets: dict[str, str]) -> None:
    """Meters have one for each client (u9n/dlms-cosem #70): a wrong name in the options must not lock the meter."""
    for result in (b"\x04", b"\x09", b"\x0b"):
        cabin = ciphered_cabin(secrets)
        cabin.whole._invoked = lambda apdu, result=result: result + b"\x00"  # type: ignore[misc, method-assign]
        error = caught(cabin)
        assert isinstance(error, MeterDiffers) and not isinstance(error, MeterRefused)
        assert "0.0.40.0.0.255" in str(error) and "association_object" in str(error)


@pytest.mark.parametrize(
    "change",
    [
        {"server": 2},
        {"client": 2},
        {"association_object": "0-0:40.0.1*255"},
        {"ciphering": "dedicated"},
        {"general": True},
        {"user_id": 1},
        {"system_title": "4D4D4D0000000002"},
    ],
    ids=str,
)
def test_other_options_are_tried_although_the_keys_were_refused(
    secrets: dict[str, str], change: dict[str, Any]
) -> None:
    before = DlmsOptions.model_validate(ciphered_options(secrets))
    assert before.fingerprint != DlmsOptions.model_validate(ciphered_options(secrets) | change).fingerprint


# -- cancellation ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("known", [False, True], ids=["counter first", "counter rejected"])
def test_cancelled_at_any_await_of_two_clients_the_last_one_takes_leave(secrets: dict[str, str], known: bool) -> None:
    """The counter is read by the public client first; then it is rejected and put right: two links in one session."""

    def made() -> Installation:
        meter = WholeMeter(objects(), {16: Access(), 1: Access(5, ciphered=True)})
        meter.expected = 500
        options = ciphered_options(secrets)
        installation = on_hdlc(meter, **options)
        if known:
            installation.ask(TOTAL)
            meter.expected = 90_000
        return installation

    installation = made()
    installation.ask(TOTAL)
    awaits = installation.channels[-1].awaits
    assert awaits > 15
    for number in range(1, awaits + 1):
        installation = made()
        with pytest.raises(asyncio.CancelledError):
            installation.ask(TOTAL, cancel=number)
        log = installation.channels[-1].log
        assert not log or log[-1][5] == 0x53, number
        standing: list[int] = []
        for sent in log:
            standing += [sent[4]] if sent[5] == 0x93 else []
            standing = [client for client in standing if sent[5] != 0x53 or client != sent[4]]
            assert len(standing) < 2, "two clients at once"
        assert not standing, number


# -- slow meters -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("option", "seconds"), [(None, 60.0), (30, 60.0), (300, 300.0)])
def test_a_meter_may_be_busy_as_long_as_it_may_be_silent(option: int | None, seconds: float) -> None:
    options = DlmsOptions.model_validate({} if option is None else {"response_timeout_s": option})
    link = Connection(options, Forgetful(), {}, MeterChannel(None), 9600)._transport(16)
    link.start(0.0)
    link.feed(frame("21 03 73"), 0.1)
    link.send(b"\xc0", 1.0)
    now = 1.0
    link.feed(frame("21 03 35"), now)  # RNR N(R) 1
    with pytest.raises(ProtocolError, match="not ready for too long"):
        while now < 1000:
            now += 0.5
            link.expired(now)
            link.feed(frame("21 03 35"), now)
    assert now == pytest.approx(1 + seconds, abs=1)


# -- secrets -----------------------------------------------------------------------------------------------------------


def test_what_carries_a_password_does_not_show_it() -> None:
    """Frames and wrapped APDUs of the client stay in the link, to be repeated."""
    shown = repr(Frame(address(1), address(16), Control(Command.I), b"Canary42")) + repr(Wrapped(16, 1, b"Canary42"))
    assert "Canary" not in shown
    assert "Frame" in shown and "Wrapped" in shown
