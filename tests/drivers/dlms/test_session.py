"""Sessions: conversation and association together, with a meter that is a table of APDUs written by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, TypeVar

import pytest

from drivers.dlms.conversation import Conversation
from drivers.dlms.naming import named
from drivers.dlms.session import Acted, Counter, Item, Result, Session
from drivers.dlms.wire.acse import Mechanism
from drivers.dlms.wire.association import Association
from drivers.dlms.wire.association_dialogue import AuthenticationRefused, CounterRejected, RefusedForNow, ServiceRefused
from drivers.dlms.wire.association_settings import AssociationSettings
from drivers.dlms.wire.attribute import Attribute
from drivers.dlms.wire.axdr import decode
from drivers.dlms.wire.hdlc_address import address
from drivers.dlms.wire.hdlc_dialogue import LinkSettings
from drivers.dlms.wire.hdlc_link import Link
from drivers.dlms.wire.security_errors import Kind, SecurityError
from drivers.dlms.wire.services import ActionResult, Data, DataAccess
from drivers.dlms.wire.wrapper_link import WrapperLink
from gatewayd.errors import ChannelError, GatewayError, MeterRefused, MeterSilent, PasswordUnclear, ProtocolError
from tests.drivers.dlms.association_meter import (
    CLIENT,
    CLOCK,
    CTOS,
    ENERGY,
    KEY,
    METER,
    REGISTER,
    STOC,
    TIME,
    Counting,
    aare,
    ciphered,
    counting,
    gmac,
    initiate_response,
    sealed,
    unsealed,
)
from tests.drivers.dlms.hdlc_conversation import DISC
from tests.drivers.dlms.talking import HdlcMeter, TalkingChannel, WrapperMeter

T = TypeVar("T")
Work = Callable[[Session], Coroutine[Any, Any, T]]
OTHER = Attribute(1, bytes((0, 0, 96, 1, 0, 255)), 2)
VALUES = {CLOCK.encoded: b"\x00" + TIME, REGISTER.encoded: b"\x00" + ENERGY, OTHER.encoded: b"\x01\x04"}
RESULTS: dict[Attribute, Result] = {
    CLOCK: Data(decode(TIME)[0]),
    REGISTER: Data(decode(ENERGY)[0]),
    OTHER: DataAccess.OBJECT_UNDEFINED,
}
ITEMS: list[Item] = [(CLOCK, None), (REGISTER, None), (OTHER, None)]


class Cosem:
    """A meter that answers GET from VALUES. `lists`: what it says to a list, None to answer it."""

    def __init__(self, opening: bytes | None = None, lists: bytes | None = None) -> None:
        self._opening = opening or aare(information=initiate_response())
        self._lists = lists
        self.heard: list[bytes] = []
        self.refused: set[bytes] = set()

    def __call__(self, apdu: bytes) -> Iterable[bytes]:
        self.heard.append(apdu)
        invoke = apdu[2:3]
        match apdu[:2]:
            case b"\xc0\x01":
                if apdu[3:12] in self.refused:
                    return [b"\xd8\x01\x01"]
                return [b"\xc4\x01" + invoke + VALUES[apdu[3:12]]]
            case b"\xc0\x03":
                if self._lists is not None:
                    return [self._lists.replace(b"\xaa", invoke)]
                asked = [apdu[at : at + 9] for at in range(4, len(apdu), 10)]
                return [b"\xc4\x03" + invoke + apdu[3:4] + b"".join(VALUES[attribute] for attribute in asked)]
            case b"\xc1\x01":
                return [b"\xc5\x01" + invoke + b"\x00"]
            case b"\xc3\x01":
                return [b"\xc7\x01" + invoke + b"\x00\x01\x00" + ENERGY]
        match apdu[0]:
            case 0x60:
                return [self._opening] if self._opening else []
            case 0x62:
                return [b"\x63\x03\x80\x01\x00"]
        raise AssertionError(apdu.hex(" "))

    @property
    def kinds(self) -> list[str]:
        return [apdu[:2].hex() if apdu[0] != 0x60 else "60" for apdu in self.heard]


def run(
    meter: Callable[[bytes], Iterable[bytes]],
    work: Work[T],
    *,
    association: Association | None = None,
    counter: Counter | None = None,
    channel: TalkingChannel | None = None,
    hdlc: bool = False,
    **more: Any,
) -> T:
    """What `work` makes of a session with this meter."""
    channel = channel or TalkingChannel(HdlcMeter(meter) if hdlc else WrapperMeter(meter))
    settings = LinkSettings(response_timeout=1.0)
    transport = Link(address(16), address(1), settings) if hdlc else WrapperLink(16, 1, settings)

    async def whole() -> T:
        async with Conversation(channel, transport) as conversation:
            session = await Session.connect(
                conversation, association or Association(AssociationSettings()), counter, **more
            )
            return await work(session)

    return asyncio.run(whole())


async def get_many(session: Session) -> Any:
    return await session.get_many(ITEMS)


async def nothing(session: Session) -> Session:
    return session


def test_attributes_one_by_one_and_in_a_list() -> None:
    async def work(session: Session) -> None:
        assert await session.get(CLOCK) == RESULTS[CLOCK]
        assert await session.get(OTHER) is DataAccess.OBJECT_UNDEFINED
        assert await session.get_many(ITEMS) == tuple(RESULTS.values())
        assert session.round_trips == 4
        assert session.lists_work
        assert await session.get_many([]) == ()
        assert session.round_trips == 4

    for hdlc in (False, True):
        run(Cosem(), work, hdlc=hdlc)


def test_writing_and_invoking() -> None:
    meter = Cosem()

    async def work(session: Session) -> None:
        assert await session.set_(CLOCK, TIME) is DataAccess.SUCCESS
        assert await session.action(8, CLOCK.logical_name, 6, b"\x10\x00\x05") == Acted(
            ActionResult.SUCCESS, RESULTS[REGISTER]
        )

    run(meter, work)
    assert meter.heard[1:] == [
        bytes.fromhex("C1 01 C1 0008 0000010000FF 02 00") + TIME,
        bytes.fromhex("C3 01 C2 0008 0000010000FF 06 01 10 0005"),
    ]


# -- lists -------------------------------------------------------------------------------------------------------------


def test_order_is_kept_over_many_lists() -> None:
    items: list[Item] = [((CLOCK, REGISTER, OTHER)[number * number % 3], None) for number in range(50)]
    meter = Cosem()

    async def work(session: Session) -> Any:
        return await session.get_many(items)

    assert run(meter, work) == tuple(RESULTS[attribute] for attribute, _ in items)
    assert meter.kinds[1:] == ["c003"] * 3 + ["c003"]
    assert [apdu[3] for apdu in meter.heard[1:]] == [16, 16, 16, 2]
    meter = Cosem(aare(information=initiate_response(max_pdu=54)))  # 4 + 5 * 10 octets
    assert run(meter, work) == tuple(RESULTS[attribute] for attribute, _ in items)
    assert [apdu[3] for apdu in meter.heard[1:]] == [5] * 10
    assert all(len(apdu) <= 54 for apdu in meter.heard[1:])


@pytest.mark.parametrize(
    "said",
    ["D8 01 02", "0E 05 03 02", "C4 01 AA 01 FA", "C4 03 AA 03 01 FA 01 FA 01 FA", "C4 01 AA 01 03"],
)
def test_a_meter_that_takes_no_lists_is_asked_one_by_one_from_then_on(said: str) -> None:
    meter = Cosem(lists=bytes.fromhex(said))

    async def work(session: Session) -> Any:
        first = await session.get_many(ITEMS)
        assert not session.lists_work
        return first, await session.get_many(ITEMS)

    assert run(meter, work) == (tuple(RESULTS.values()),) * 2
    assert meter.kinds[1:] == ["c003"] + ["c001"] * 6


def test_a_list_of_what_the_meter_does_not_have_is_no_refusal_of_lists() -> None:
    async def work(session: Session) -> None:
        assert await session.get_many([(OTHER, None)] * 2) == (DataAccess.OBJECT_UNDEFINED,) * 2
        assert session.lists_work

    run(Cosem(), work)


def test_lists_that_are_not_agreed_or_not_wanted_are_not_tried() -> None:
    for opening, lists in (
        (aare(information=initiate_response("00501F")), True),
        (None, False),
        (aare(information=None), True),
    ):
        meter = Cosem(opening)
        assert run(meter, get_many, lists=lists) == tuple(RESULTS.values())
        assert meter.kinds[1:] == ["c001"] * 3
        assert not run(Cosem(opening), nothing, lists=lists).lists_work


def test_one_refused_service_does_not_take_the_other_values_along() -> None:
    meter = Cosem(lists=b"\xd8\x01\x02")
    meter.refused = {REGISTER.encoded}
    expected = (RESULTS[CLOCK], DataAccess.OTHER_REASON, RESULTS[OTHER])
    assert run(meter, get_many) == expected
    meter.refused = set(VALUES)
    with pytest.raises(ServiceRefused):
        run(meter, get_many)


# -- the end -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("hdlc", [False, True])
@pytest.mark.parametrize("release", [False, True])
def test_closing_releases_where_that_is_wanted_and_takes_the_link_down(hdlc: bool, release: bool) -> None:
    meter = Cosem()
    channel = TalkingChannel(HdlcMeter(meter) if hdlc else WrapperMeter(meter))

    async def work(session: Session) -> None:
        await session.close()
        await session.close()

    run(meter, work, channel=channel, hdlc=hdlc, release=release)
    assert meter.kinds[1:] == (["6203"] if release else [])
    assert channel.log.count(DISC) == (1 if hdlc else 0)


def test_a_meter_that_does_not_answer_the_release_is_left_all_the_same() -> None:
    def silent(apdu: bytes) -> Iterable[bytes]:
        return [] if apdu[0] == 0x62 else cosem(apdu)

    async def work(session: Session) -> str:
        await session.close()
        return "closed"

    for hdlc in (False, True):
        cosem = Cosem()
        assert run(silent, work, release=True, hdlc=hdlc) == "closed"


# -- secrets and counters ----------------------------------------------------------------------------------------------

LOW = AssociationSettings(Mechanism.LOW, secret=b"canary12")


def test_a_password_goes_out_once_and_masked() -> None:
    channel = TalkingChannel(WrapperMeter(Cosem()))
    run(Cosem(), nothing, channel=channel, association=Association(LOW))
    assert len(channel.secrets) == 1
    assert b"canary12" in channel.secrets[0]
    assert sum(b"canary12" in data for data in channel.log) == 1


def test_a_refused_password_is_a_refusal() -> None:
    with pytest.raises(AuthenticationRefused) as caught:
        run(Cosem(aare(result=1, diagnostic=13)), nothing, association=Association(LOW))
    assert isinstance(caught.value, MeterRefused)
    assert not isinstance(caught.value, PasswordUnclear)


@pytest.mark.parametrize(
    "answer", [None, ChannelError("line bus: the peer hung up"), b"garbage", b"\xc4\x01\xc1\x01\x03"]
)
def test_a_password_that_nobody_answers_may_have_been_counted(answer: bytes | GatewayError | None) -> None:
    class Meter(WrapperMeter):
        def hear(self, data: bytes) -> Iterable[bytes | GatewayError]:
            return [answer] if isinstance(answer, GatewayError) else super().hear(data)

    def apdus(apdu: bytes) -> Iterable[bytes]:
        return [answer] if isinstance(answer, bytes) else []

    with pytest.raises(PasswordUnclear, match="counted") as caught:
        run(apdus, nothing, channel=TalkingChannel(Meter(apdus)), association=Association(LOW))
    assert "canary" not in f"{caught.value!r}{caught.value.__cause__!r}{vars(caught.value.__cause__)}"


def test_a_refusal_for_the_moment_and_a_wrong_proof_say_what_became_of_the_password() -> None:
    with pytest.raises(RefusedForNow):
        run(Cosem(aare(result=2, diagnostic=1)), nothing, association=Association(LOW))
    settings = AssociationSettings(Mechanism.HLS_MD5, b"canary12", CTOS)

    def meter(apdu: bytes) -> Iterable[bytes]:
        if apdu[0] == 0x60:
            return [aare(diagnostic=14, mechanism=3, challenge=STOC)]
        return [bytes.fromhex("C7 01 C1 00 01 00 09 10") + bytes(16)]

    with pytest.raises(SecurityError, match="does not prove"):
        run(meter, nothing, association=Association(settings))


def test_what_ended_a_session_is_raised_again_and_nothing_is_sent() -> None:
    def mute(apdu: bytes) -> Iterable[bytes]:
        return cosem(apdu) if apdu[0] == 0x60 else []

    async def work(session: Session) -> None:
        for _ in range(2):
            with pytest.raises(MeterSilent):
                await session.get(CLOCK)
        assert session.round_trips == 2
        await session.close()

    for hdlc in (False, True):
        cosem = Cosem()
        run(mute, work, hdlc=hdlc, release=True)


def test_a_value_that_cannot_be_read_does_not_end_the_session() -> None:
    def spoilt(apdu: bytes) -> Iterable[bytes]:
        return [answer + b"\x00" if apdu[2:3] == b"\xc1" else answer for answer in cosem(apdu)]

    async def work(session: Session) -> None:
        with pytest.raises(ProtocolError):
            await session.get(CLOCK)
        assert await session.get(REGISTER) == RESULTS[REGISTER]

    cosem = Cosem()
    run(spoilt, work)


def test_without_a_password_silence_is_silence() -> None:
    with pytest.raises(MeterSilent):
        run(lambda apdu: [], nothing)
    with pytest.raises(ProtocolError):
        run(lambda apdu: [b"garbage"], nothing)


class Reserved:
    """Numbers that have to be reserved before they are taken, two at a time."""

    def __init__(self) -> None:
        self.count = Counting(1)
        self.end = 1

    async def ready(self, spare: int = 64) -> None:
        self.end = self.count.next + 2

    def take(self) -> int:
        assert self.count.next < self.end, "not reserved"
        return self.count()


class CipheredMeter:
    """Answers as `plain` does, ciphered; the answer number `spoil` is spoilt by `how`."""

    def __init__(self, plain: Cosem, spoil: int = 0, how: Callable[[bytes], bytes] = bytes) -> None:
        self._plain = plain
        self._spoil = spoil
        self._how = how
        self._counter = 1
        self.counters: list[int] = []
        self.replay = b""

    def __call__(self, apdu: bytes) -> Iterable[bytes]:
        self._counter += 1
        if apdu[0] in (0x60, 0x62):
            return self._plain(apdu)
        self.counters.append(int.from_bytes(apdu[3:7]))
        (answer,) = self._plain(unsealed(apdu))
        tag = {0xC4: 0xCC, 0xC5: 0xCD, 0xC7: 0xCF}[answer[0]]
        whole = sealed(tag, answer, self._counter)
        if len(self.counters) == self._spoil:
            whole = self._how(whole)
        self.replay = self.replay or whole
        return [whole]


def ciphered_opening() -> bytes:
    return aare(ciphered=True, title=METER, information=sealed(0x28, initiate_response(), 1))


def test_numbers_are_reserved_before_each_apdu() -> None:
    reserved = Reserved()
    meter = CipheredMeter(Cosem(ciphered_opening()))

    async def work(session: Session) -> int:
        for _ in range(5):
            assert await session.get(CLOCK) == RESULTS[CLOCK]
        await session.close()
        return session.received

    association = Association(ciphered(protected_release=True), reserved.take)
    assert run(meter, work, association=association, counter=reserved, release=True) == 7
    assert meter.counters == [2, 3, 4, 5, 6]
    assert reserved.count.next == 8


def test_numbers_are_reserved_before_an_answer_that_takes_some() -> None:
    """The AARQ takes one; the answer to the challenge takes two, for the proof and for the APDU that it goes in."""
    reserved = Reserved()
    information = sealed(0x28, initiate_response(), 1)
    opening = aare(ciphered=True, title=METER, diagnostic=14, mechanism=5, challenge=STOC, information=information)

    def meter(apdu: bytes) -> Iterable[bytes]:
        if apdu[0] == 0x60:
            return [opening]
        assert unsealed(apdu).endswith(gmac(CLIENT, 2, STOC))
        return [sealed(0xCF, bytes.fromhex("C7 01 C1 00 01 00 09 11") + gmac(METER, 2, CTOS), 3)]

    settings = ciphered(mechanism=Mechanism.HLS_GMAC, challenge=CTOS)
    session = run(meter, nothing, association=Association(settings, reserved.take), counter=reserved)
    assert session.meter_title == METER
    assert reserved.count.next == 4


@pytest.mark.parametrize(
    ("how", "kind"),
    [
        (lambda whole: whole[:-1] + bytes((whole[-1] ^ 1,)), Kind.TAG),
        (lambda whole: b"\xc4\x01\xc2\x00" + ENERGY, Kind.PLAINTEXT),
        (lambda whole: sealed(0xCC, b"\xc4\x01\xc2\x00" + ENERGY, 2), Kind.REPLAY),
        (lambda whole: sealed(0xCC, b"\xc4\x01\xc2\x00" + ENERGY, 9, control=0x10), Kind.DOWNGRADE),
        (lambda whole: sealed(0xCC, b"\xc4\x01\xc2\x00" + ENERGY, 9, key=CTOS * 2), Kind.TAG),
    ],
)
def test_a_reply_that_is_not_proved_ends_the_session(how: Callable[[bytes], bytes], kind: Kind) -> None:
    meter = CipheredMeter(Cosem(ciphered_opening()), spoil=2, how=how)

    async def work(session: Session) -> None:
        assert await session.get(CLOCK) == RESULTS[CLOCK]
        try:
            await session.get(REGISTER)
        finally:
            trips = session.round_trips
            with pytest.raises(SecurityError):
                await session.get_many(ITEMS)
            assert session.round_trips == trips

    with pytest.raises(SecurityError) as caught:
        run(meter, work, association=Association(ciphered(), counting()))
    assert caught.value.kind is kind
    assert KEY.hex() not in str(caught.value)


# -- naming ------------------------------------------------------------------------------------------------------------


def test_an_error_is_named_and_stays_what_it_is() -> None:
    rejected = named(CounterRejected("rejects our invocation counter", 77), "em-1", "bus")
    assert type(rejected) is CounterRejected
    assert rejected.expected == 77
    assert str(rejected) == "meter em-1 on line bus rejects our invocation counter"
    tampered = named(SecurityError(Kind.TAG, "sends a wrong tag", b"\xcc"), "em-1", "bus")
    assert (tampered.kind, tampered.raw) == (Kind.TAG, b"\xcc")
    assert str(named(ChannelError("line bus: hung up"), "em-1", "bus")) == "meter em-1: line bus: hung up"
