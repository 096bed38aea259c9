"""Ciphered associations: an adversary who sees and changes everything, and has no key, in the wrapper (no other check).

Property: whatever is done to what the meter sends, no value comes out that it did not send in this session, no other
error than the gateway's own, an end within bounded steps; the next session is whole. With encryption alone, without
tags, the adversary changes values at will: the last test says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from gatewayd.errors import GatewayError
from gatewayd.model import RawStatus, Registers
from gatewayd.obis import Obis
from tests.drivers.dlms.adversary import (
    FULL,
    SOME,
    Case,
    Heard,
    Kind,
    Shuffler,
    Wire,
    changed,
    ciphered,
    essence,
    flipped,
    profile_of,
    seeds,
)

BOTH, TAGS = "authenticated-encrypted", "authenticated"
BLOCKS = ("--general-blocks", "--max-pdu", "200")
KINDS = [
    ciphered("global", False, BOTH, "none"),
    ciphered("global", False, BOTH, "hls-gmac"),
    ciphered("global", True, TAGS, "low"),
    ciphered("global", False, TAGS, "hls-sha1"),
    ciphered("dedicated", False, BOTH, "hls-gmac"),
    ciphered("dedicated", True, BOTH, "hls-sha256"),
    ciphered("global", False, BOTH, "hls-md5", *BLOCKS),
    ciphered("dedicated", False, BOTH, "none", "--no-lists"),
]
HEADER = 8

kinds = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name.replace(" ", "-"))


def nothing_slips(honest: Heard, heard: Heard, what: object) -> None:
    """Believed or not, every value is one that the meter sent; and a maximum without its time says so."""
    for reading in heard.readings:
        if reading.status is RawStatus.TRUE and not reading.flags:
            assert essence(reading) in honest.believed, what
    assert {said[:-1] for said in heard.all} <= {said[:-1] for said in honest.all}, what  # all but the time


def clean(case: Case, honest: Heard, what: object, request: Any = SOME) -> None:  # Any: whatever is asked for
    after = case.ask(request)
    assert after.whole, (what, after.error)
    assert after.believed == honest.believed, what


@kinds
def test_no_wrong_bit_changes_anything(tmp_path: Path, kind: Kind) -> None:
    """One bit of every octet of every message, another one in each kind; with FULL all of them in the first kind."""
    case = kind.made(tmp_path)
    case.ask()
    honest = case.ask()
    random = Random(kind.name)
    for number, said in enumerate(honest.said):
        for octet in range(len(said)):
            for bit in range(8) if FULL and kind is KINDS[0] else (random.randrange(8),):
                place = 8 * octet + bit
                heard = case.ask(adversary=changed(number, lambda said, place=place: flipped(said, place)))  # type: ignore[misc]
                nothing_slips(honest, heard, (number, octet, bit))
        clean(case, honest, number)


@kinds
def test_no_message_that_is_cut_or_longer_changes_anything(tmp_path: Path, kind: Kind) -> None:
    def as_long_as_said(said: bytes) -> bytes:
        return said[:6] + (len(said) - HEADER).to_bytes(2) + said[HEADER:]

    case = kind.made(tmp_path)
    case.ask()
    honest = case.ask()
    for number, whole in enumerate(map(len, honest.said)):
        changes: list[Callable[[bytes], bytes]] = [
            lambda said: as_long_as_said(said + b"\x00"),
            lambda said: as_long_as_said(said + said[HEADER:]),
            *(lambda said, size=size: as_long_as_said(said[:size]) for size in range(HEADER, whole, 5)),
        ]
        for place, change in enumerate(changes):
            heard = case.ask(adversary=changed(number, change))
            nothing_slips(honest, heard, (number, place))
            # Longer ones are refused wherever they come, but for the answer to the release, which nobody reads.
            assert not heard.whole or place > 1, (number, place)
        clean(case, honest, number)


@kinds
@pytest.mark.parametrize("seed", seeds(40))
def test_whatever_an_adversary_does(tmp_path: Path, kind: Kind, seed: int) -> None:
    random = Random(f"{kind.name} {seed}")
    case = kind.made(tmp_path, *(("--refuse-lists",) if seed % 4 == 0 and "--no-lists" not in kind.arguments else ()))
    request = profile_of() if seed % 5 == 0 else SOME
    case.ask(request)
    honest = case.ask(request)
    earlier = honest.said if seed % 2 else ()
    heard = case.ask(request, Shuffler(random, random.choice((0.05, 0.2, 0.4, 0.8)), earlier))
    nothing_slips(honest, heard, seed)
    clean(case, honest, seed, request)


@kinds
def test_no_answer_of_an_earlier_session_is_taken(tmp_path: Path, kind: Kind) -> None:
    """Whole sessions played again, and single answers of it."""
    case = kind.made(tmp_path)
    voltage, current = (Registers((Obis.parse(code),)) for code in ("1-0:32.7.0", "1-0:31.7.0"))
    case.ask(voltage)
    earlier = case.ask(voltage).said
    case.ask(current)
    honest = case.ask(current)

    def played_again(number: int, said: bytes) -> Iterable[bytes]:
        return (earlier[min(number, len(earlier) - 1)],)

    whole = case.ask(current, played_again)
    assert isinstance(whole.error, GatewayError) and not whole.readings
    for number in range(len(honest.said)):
        for old in earlier:
            heard = case.ask(current, changed(number, lambda _, old=old: old))  # type: ignore[misc]
            nothing_slips(honest, heard, number)
            assert not heard.whole
    clean(case, honest, "after all", current)


@kinds
def test_answers_of_another_meter_with_the_same_keys_are_not_taken(tmp_path: Path, kind: Kind) -> None:
    case, other = kind.made(tmp_path), kind.made(tmp_path, "--title", "53494D0000000002", "--own-counter", "100000")
    case.ask()
    other.ask()
    honest, foreign = case.ask(), other.ask().said
    for number in range(1, len(honest.said)):
        for put in foreign:
            heard = case.ask(adversary=changed(number, lambda _, put=put: put))  # type: ignore[misc]
            nothing_slips(honest, heard, number)
            assert not heard.whole
    clean(case, honest, "after all")


@kinds
def test_our_own_messages_are_not_taken_for_the_meters(tmp_path: Path, kind: Kind) -> None:
    """Reflection: in every place, by itself and from there on."""

    def mirror(number: int, always: bool) -> Callable[..., Wire]:
        class Mirror(Wire):
            async def send(self, data: bytes, *, deadline: float, secret: bool = False) -> None:
                at = len(self.said)
                await super().send(data, deadline=deadline, secret=secret)
                if at == number or (always and at > number):
                    self._coming = [data[:2] + data[4:6] + data[2:4] + data[6:]]

        return Mirror

    case = kind.made(tmp_path)
    case.ask()
    honest = case.ask()
    for number in range(len(honest.said)):
        for always in (False, True):
            heard = case.ask(wire=mirror(number, always))
            assert not heard.whole, number
            nothing_slips(honest, heard, number)
    clean(case, honest, "after all")


PLAIN = [
    "c401{invoke}00060000007b",
    "c401{invoke}000a0131",
    "c403{invoke}0100060000007b",
    "c402{invoke}01000000010005060000007b",
    "e0800001000009c401{invoke}00060000007b",
    "c701{invoke}00010009105a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a",
    "c701{invoke}0000",
    "0f00000001000206000000010600000002",
    "d80101",
    "d8010600000fff",
    "d80106ffffffff",
    "0e010006",
    "6129a109060760857405080101a203020100a305a103020100be10040e0800065f1f040040121dffff0007",
    "6303800100",
]
"""What a meter without ciphering would say: values, a list, blocks, proofs, a push, errors, an AARE, a release."""


@kinds
@pytest.mark.parametrize("plain", PLAIN)
def test_what_is_not_ciphered_brings_no_value(tmp_path: Path, kind: Kind, plain: str) -> None:
    case = kind.made(tmp_path)
    case.ask()
    honest = case.ask()
    for number, said in enumerate(honest.said):
        for invoke in range(0xC1, 0xC4) if "{invoke}" in plain else (0,):
            apdu = bytes.fromhex(plain.format(invoke=f"{invoke:02x}"))
            wrapped = said[:6] + len(apdu).to_bytes(2) + apdu
            heard = case.ask(adversary=changed(number, lambda _, wrapped=wrapped: wrapped))  # type: ignore[misc]
            nothing_slips(honest, heard, (number, invoke))
    # A counter that nobody proves moves ours upward, within its cap: what the meter takes all the same.
    clean(case, honest, plain)


@kinds
def test_an_aare_that_offers_less_is_not_taken(tmp_path: Path, kind: Kind) -> None:
    """Another context, no mechanism, no challenge, no user-information: field by field, lengths put right."""
    case = kind.made(tmp_path)
    case.ask()
    honest = case.ask()
    (number,) = (number for number, said in enumerate(honest.said) if said[HEADER] == 0x61)
    aare = honest.said[number][HEADER + 2 :]
    fields, at = [], 0
    while at < len(aare):
        size = aare[at + 1]
        fields.append(aare[at : at + 2 + size])
        at += 2 + size

    def told(kept: Iterable[bytes]) -> Callable[[bytes], bytes]:
        def change(said: bytes) -> bytes:
            content = b"".join(kept)
            apdu = b"\x61" + bytes((len(content),)) + content
            return said[:6] + len(apdu).to_bytes(2) + apdu

        return change

    plain_context = [
        field.replace(bytes.fromhex("608574050801 03"), bytes.fromhex("608574050801 01")) for field in fields
    ]
    plain_initiate = [*fields[:-1], bytes.fromhex("be10040e0800065f1f040040121dffff0007")]
    for kept in (plain_context, plain_initiate, [*plain_context[:-1], plain_initiate[-1]], fields[:-1], fields[::-1]):
        heard = case.ask(adversary=changed(number, told(kept)))
        assert not heard.readings and heard.error is not None, kept
    for left_out in range(len(fields)):
        heard = case.ask(adversary=changed(number, told(fields[:left_out] + fields[left_out + 1 :])))
        nothing_slips(honest, heard, fields[left_out].hex())
    clean(case, honest, "after all")


def test_encryption_alone_lets_everything_through(tmp_path: Path) -> None:
    """Why it is not enough: who knows where a value stands changes it, without any key."""
    case = ciphered("global", False, "encrypted", "none", "--no-lists").made(tmp_path)
    voltage = Registers((Obis.parse("1-0:32.7.0"),))
    case.ask(voltage)
    honest = case.ask(voltage)
    last = len(honest.said) - 1
    heard = case.ask(voltage, changed(last, lambda said: flipped(said, 8 * (len(said) - 1))))
    assert heard.whole
    assert [(said[0], said[3]) for said in heard.believed - honest.believed] == [("1-0:32.7.0*255", "2301")]
