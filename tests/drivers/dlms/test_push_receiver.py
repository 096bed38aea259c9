"""Ciphered pushed messages: what is believed, and what is remembered of it over restarts."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from drivers.dlms.push_receiver import PERSIST_EACH, PushReceiver, Received
from drivers.dlms.wire.data_notification import Protection
from drivers.dlms.wire.push_message import parse_message
from drivers.dlms.wire.security import Form, Keys, Kind, SecurityError, Suite, protect
from gatewayd.driver import Forgetful, Memory
from gatewayd.errors import ProtocolError
from tests.drivers.dlms.push_bytes import PLAIN

TITLE = bytes.fromhex("4D4D4D0000BC614E")
KEYS = Keys(bytes(range(16)), bytes(range(0xD0, 0xE0)))
BOTH = Protection.AUTHENTICATED | Protection.ENCRYPTED
NOTHING = Protection(0)
EVENT = bytes.fromhex("C2 00 0003 0100010800FF 02 0600001388")


def pushed(
    counter: int,
    *,
    apdu: bytes = PLAIN,
    policy: Protection = BOTH,
    keys: Keys = KEYS,
    title: bytes = TITLE,
    form: Form = Form.GENERAL_GLOBAL,
    suite: Suite = Suite.SUITE_0,
) -> bytes:
    return protect(apdu, keys=keys, suite=suite, policy=policy, title=title, counter=counter, form=form)


class Counting(Forgetful):
    """A memory that counts what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[tuple[str, bytes]] = []

    async def remember(self, key: str, value: bytes) -> None:
        self.written.append((key, value))
        await super().remember(key, value)


def receiver(
    minimum: Protection = BOTH, *, keys: Keys | None = KEYS, title: bytes = b"", memory: Memory | None = None
) -> PushReceiver:
    return PushReceiver(keys, Suite.SUITE_0, minimum, title, memory or Forgetful())


def received(apdus: Sequence[bytes], by: PushReceiver, *, close: bool = True) -> list[Received | Kind]:
    """What becomes of each: the message, or the kind of the refusal."""

    async def run() -> list[Received | Kind]:
        results: list[Received | Kind] = []
        for apdu in apdus:
            try:
                results.append(await by.receive(apdu))
            except SecurityError as error:
                results.append(error.kind)
        if close:
            await by.close()
        return results

    return asyncio.run(run())


def one(apdu: bytes, by: PushReceiver) -> Received | Kind:
    return received([apdu], by)[0]


@pytest.mark.parametrize("policy", [BOTH, Protection.AUTHENTICATED, Protection.ENCRYPTED])
@pytest.mark.parametrize("minimum", [BOTH, Protection.AUTHENTICATED, Protection.ENCRYPTED, NOTHING])
def test_every_protection_against_every_minimum(policy: Protection, minimum: Protection) -> None:
    found = one(pushed(1, policy=policy), receiver(minimum))
    if minimum in policy:
        assert isinstance(found, Received)
        assert (found.title, found.protection) == (TITLE, policy)
        assert found.proved is (policy != Protection.ENCRYPTED)
        assert found.message == parse_message(PLAIN)
    else:
        assert found is Kind.DOWNGRADE


def test_plaintext_where_protection_is_wanted() -> None:
    assert one(PLAIN, receiver()) is Kind.PLAINTEXT
    assert one(EVENT, receiver(Protection.ENCRYPTED)) is Kind.PLAINTEXT
    assert isinstance(one(PLAIN, receiver(NOTHING)), Received)


def test_a_ciphered_message_without_keys() -> None:
    with pytest.raises(SecurityError, match="block_cipher_key_file") as caught:
        asyncio.run(receiver(NOTHING, keys=None).receive(pushed(1)))
    assert caught.value.kind is Kind.KEYSET


def test_an_authentication_key_that_is_missing() -> None:
    only = Keys(KEYS.block_cipher)
    assert one(pushed(1), receiver(keys=only)) is Kind.KEYSET
    assert one(pushed(1), receiver(Protection.ENCRYPTED, keys=only)) is Kind.TAG
    assert isinstance(one(pushed(1, policy=Protection.ENCRYPTED), receiver(Protection.ENCRYPTED, keys=only)), Received)


def test_the_system_title() -> None:
    other = bytes(8)
    assert isinstance(one(pushed(1, title=other), receiver()), Received)
    assert one(pushed(1, title=other), receiver(title=TITLE)) is Kind.TITLE
    assert isinstance(one(pushed(1), receiver(title=TITLE)), Received)


def test_an_event_without_a_title_in_it() -> None:
    """glo-event-notification: the title is the one that is configured."""
    apdu = pushed(1, apdu=EVENT, form=Form.GLOBAL)
    assert one(apdu, receiver()) is Kind.TITLE
    assert isinstance(one(apdu, receiver(title=TITLE)), Received)
    assert one(apdu, receiver(title=bytes(8))) is Kind.TAG


def test_forms_that_are_not_for_pushing() -> None:
    dedicated = Keys(KEYS.block_cipher, KEYS.authentication, KEYS.block_cipher)
    assert one(pushed(1, keys=dedicated, form=Form.GENERAL_DEDICATED), receiver()) is Kind.FORM
    general = bytes.fromhex("DD 01AA 084D4D4D0000BC614E 00 00 00 00 06 30 00000007 55")
    with pytest.raises(ProtocolError):
        asyncio.run(receiver().receive(general))
    assert one(bytes.fromhex("DB 084D4D4D0000BC614E 06 00 00000007 55"), receiver(NOTHING)) is Kind.DOWNGRADE
    with pytest.raises(ProtocolError, match="0xc4 is no notification"):
        asyncio.run(receiver().receive(bytes.fromhex("C4 01 81 00 1105")))
    with pytest.raises(ProtocolError, match="0xc4 is no notification"):
        asyncio.run(receiver().receive(pushed(1, apdu=bytes.fromhex("C4 01 81 00 1105"))))
    with pytest.raises(ProtocolError):
        asyncio.run(receiver(NOTHING).receive(b""))


def test_what_to_do_about_another_suite_and_a_counter_that_was_lost() -> None:
    """Kaifa MA309 says suite 1 (21); a meter whose counter begins anew was refused for ever without a word on it."""
    by = receiver(Protection.ENCRYPTED)
    with pytest.raises(SecurityError, match="suite 0 is configured: say suite: 1 if that") as caught:
        asyncio.run(by.receive(pushed(1, policy=Protection.ENCRYPTED, suite=Suite.SUITE_1)))
    assert caught.value.kind is Kind.SUITE
    other = bytearray(pushed(1))
    other[11] = 0x3F  # the security control: there is no suite 15
    with pytest.raises(SecurityError, match=r"suite 0 is configured$"):
        asyncio.run(by.receive(bytes(other)))
    assert isinstance(one(pushed(7), by), Received)
    with pytest.raises(SecurityError, match=r"counter 2, and was already at 7: .* it needs new keys"):
        asyncio.run(by.receive(pushed(2)))


def test_another_suite_and_another_key() -> None:
    long = Keys(bytes(32), bytes(32))
    assert one(pushed(1, keys=long, suite=Suite.SUITE_2), receiver()) is Kind.SUITE
    assert one(pushed(1, keys=Keys(bytes(16), KEYS.authentication)), receiver()) is Kind.TAG
    assert one(pushed(1, keys=Keys(KEYS.block_cipher, bytes(16))), receiver()) is Kind.TAG


@pytest.mark.parametrize("policy", [BOTH, Protection.AUTHENTICATED, Protection.ENCRYPTED])
def test_nothing_is_heard_twice(policy: Protection) -> None:
    by = receiver(NOTHING)
    apdus = [pushed(counter, policy=policy) for counter in (5, 5, 4, 6, 5, 7)]
    found = received(apdus, by)
    assert [each if isinstance(each, Kind) else "heard" for each in found] == [
        "heard",
        Kind.REPLAY,
        Kind.REPLAY,
        "heard",
        Kind.REPLAY,
        "heard",
    ]


def test_nothing_is_heard_twice_over_a_restart() -> None:
    memory = Forgetful()
    apdus = [pushed(counter) for counter in (10, 11, 12)]
    assert all(isinstance(each, Received) for each in received(apdus, receiver(memory=memory)))
    assert received(apdus, receiver(memory=memory)) == [Kind.REPLAY] * 3
    assert isinstance(one(pushed(13), receiver(memory=memory)), Received)


def test_after_a_crash_only_the_last_messages_could_be_heard_again() -> None:
    memory = Counting()
    apdus = [pushed(counter) for counter in range(1, PERSIST_EACH + 21)]
    received(apdus, receiver(memory=memory), close=False)
    assert len(memory.written) == 2  # the first one, and one for each 64
    found = received(apdus, receiver(memory=memory))
    assert found[: PERSIST_EACH + 1] == [Kind.REPLAY] * (PERSIST_EACH + 1)
    assert all(isinstance(each, Received) for each in found[PERSIST_EACH + 1 :])


def test_closing_writes_only_what_is_new() -> None:
    memory = Counting()
    by = receiver(memory=memory)
    received([pushed(1)], by)
    received([], by)
    assert len(memory.written) == 1
    received([pushed(2)], by)
    received([], by)
    assert [value for _, value in memory.written] == [b"1", b"2"]
    assert all(key.startswith("received/push/") for key, _ in memory.written)


def test_each_key_and_each_title_has_a_counter_of_its_own() -> None:
    memory = Forgetful()
    changed = Keys(bytes(range(1, 17)), KEYS.authentication)
    assert isinstance(one(pushed(100), receiver(memory=memory)), Received)
    assert isinstance(one(pushed(1, keys=changed), receiver(keys=changed, memory=memory)), Received)
    assert isinstance(one(pushed(1, title=bytes(8)), receiver(memory=memory)), Received)
    assert one(pushed(100), receiver(memory=memory)) is Kind.REPLAY


def test_a_forged_message_moves_no_counter() -> None:
    by, memory = receiver(), Counting()
    high = bytearray(pushed(0xFFFF_FFFF))
    high[-1] ^= 1
    assert received([bytes(high), pushed(1)], by)[0] is Kind.TAG
    assert isinstance(one(pushed(2), by), Received)
    # Without a tag: what cannot be read moves nothing, what can is never written down.
    unproved = receiver(Protection.ENCRYPTED, memory=memory)
    garbled = bytearray(pushed(0xFFFF_FFFF, policy=Protection.ENCRYPTED))
    garbled[-5] ^= 0xFF  # a tag of A-XDR: the message cannot be read any more
    with pytest.raises(ProtocolError):
        asyncio.run(unproved.receive(bytes(garbled)))
    assert isinstance(one(pushed(7, policy=Protection.ENCRYPTED), unproved), Received)
    assert one(pushed(7, policy=Protection.ENCRYPTED), unproved) is Kind.REPLAY
    assert memory.written == []
    assert isinstance(
        one(pushed(1, policy=Protection.ENCRYPTED), receiver(Protection.ENCRYPTED, memory=memory)), Received
    )


def test_no_more_titles_than_meters_are_replaced() -> None:
    by = receiver()
    found = received([pushed(1, title=bytes((number,)) * 8) for number in range(20)], by)
    assert [isinstance(each, Received) for each in found] == [True] * 16 + [False] * 4
    assert found[16] is Kind.TITLE


def test_no_secret_is_shown() -> None:
    canary = Keys(b"CANARY-BLOCK-KEY", b"CANARY-AUTHENTIC")
    by = receiver(keys=canary)
    texts = [repr(by), str(vars(by)), repr(one(pushed(1, keys=canary), by))]
    for apdu in (pushed(1), pushed(1, keys=canary), PLAIN, b"\xdb"):
        with pytest.raises(ProtocolError) as caught:
            asyncio.run(by.receive(apdu))
        texts.append(f"{caught.value!r} {caught.value}")
    for text in texts:
        for form in ("CANARY", b"CANARY".hex(), b"CANARY".hex().upper()):
            assert form not in text


def test_the_request_of_another_client_is_no_message() -> None:
    request = protect(
        bytes.fromhex("C0 01 81 0003 0100010800FF 02 00"),
        keys=KEYS,
        suite=Suite.SUITE_0,
        policy=BOTH,
        title=TITLE,
        counter=1,
        form=Form.GENERAL_GLOBAL,
    )
    assert one(request, receiver()) is Kind.FORM
