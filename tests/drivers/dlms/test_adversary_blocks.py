"""Long answers in blocks, in the wrapper: blocks that are lost, doubled, put in another order, renumbered, cut.

Property: the values are those that the meter sent, or there is an error. Service-specific blocks (GET) and general
block transfer, plain and ciphered. Each block is attacked by itself, and several at random.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from random import Random

import pytest

from tests.drivers.dlms.adversary import (
    PLAIN_WRAPPER,
    Adversary,
    Case,
    Heard,
    Kind,
    Shuffler,
    changed,
    ciphered,
    profile_of,
    seeds,
)

HEADER = 8
DAY = profile_of()


def _kind(name: str, kind: Kind, arguments: tuple[str, ...], max_pdu: int) -> Kind:
    options = (*kind.options, ("max_pdu", max_pdu))
    return Kind(name, (*kind.arguments, *arguments), options, kind.keys, kind.password)


GENERAL = ("--general-blocks",)
KINDS = [
    _kind("blocks of get", PLAIN_WRAPPER, (), 256),
    _kind("general blocks", PLAIN_WRAPPER, GENERAL, 256),
    _kind("ciphered blocks of get", ciphered("global", False, "authenticated-encrypted", "none"), (), 256),
    _kind("ciphered in general blocks", ciphered("global", True, "authenticated", "none"), GENERAL, 256),
]
kinds = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name.replace(" ", "-"))


def made(folder: Path, kind: Kind) -> tuple[Case, Heard, list[int]]:
    """The meter is known; an honest session, and which of its messages are the blocks of the profile."""
    case = kind.made(folder)
    case.ask(DAY)
    honest = case.ask(DAY)
    assert honest.whole and len(honest.believed) == 1 + 96 * 4
    long = [number for number, said in enumerate(honest.said) if len(said) > 200]
    assert len(long) > 10
    return case, honest, [*long, long[-1] + 1]


def clean(case: Case, honest: Heard, what: object) -> None:
    after = case.ask(DAY)
    assert after.whole and after.believed == honest.believed, (what, after.error)


@kinds
def test_a_block_that_is_lost_or_not_the_one_that_is_due(tmp_path: Path, kind: Kind) -> None:
    case, honest, blocks = made(tmp_path, kind)
    first, last = blocks[0], blocks[-1]
    for number in (first, blocks[1], blocks[len(blocks) // 2], last):
        kept: list[bytes] = []

        def one_before(at: int, said: bytes, number: int = number, kept: list[bytes] = kept) -> Iterable[bytes]:
            kept.append(said)
            return (kept[-2] if at == number else said,)

        def one_behind(at: int, said: bytes, number: int = number) -> Iterable[bytes]:
            return (honest.said[at + 1] if at == number and at + 1 < len(honest.said) else said,)

        def lost(at: int, said: bytes, number: int = number) -> Iterable[bytes]:
            return () if at == number else (said,)

        def twice(at: int, said: bytes, number: int = number) -> Iterable[bytes]:
            return (said, said) if at == number else (said,)

        attacks: list[Adversary] = [one_before, one_behind, lost, twice]
        for attack in attacks:
            heard = case.ask(DAY, attack)
            assert heard.believed <= honest.believed, (number, attack.__name__)
            assert not heard.whole or heard.believed == honest.believed, (number, attack.__name__)
            clean(case, honest, (number, attack.__name__))


@pytest.mark.parametrize("what", ["last", "number", "count", "choice", "invoke"])
@pytest.mark.parametrize("by", [1, -1, 0x80])
def test_a_block_of_get_with_a_wrong_head(tmp_path: Path, what: str, by: int) -> None:
    """C4 02 invoke | last | number (4) | 00 | length, with 81 in front where it is 128 or more."""
    case, honest, blocks = made(tmp_path, KINDS[0])
    place = HEADER + {"invoke": 2, "last": 3, "number": 7, "choice": 8, "count": 9}[what]

    def spoilt(said: bytes) -> bytes:
        at = place + (what == "count" and said[place] == 0x81)
        return said[:at] + bytes(((said[at] + by) & 0xFF,)) + said[at + 1 :]

    for number in (blocks[0], blocks[3], blocks[-1]):
        heard = case.ask(DAY, changed(number, spoilt))
        assert heard.believed <= honest.believed, number
        harmless = what == "invoke" and by == 0x80  # the priority
        # TRUE is anything but 0: the last block stays the last one unless that becomes 0.
        harmless = harmless or (what == "last" and number == blocks[-1] and by != -1)
        assert heard.whole is harmless, (number, heard.error)


@pytest.mark.parametrize("kind", KINDS[2:], ids=lambda kind: kind.name.replace(" ", "-"))
def test_ciphered_blocks_that_change_places_behind_their_heads(tmp_path: Path, kind: Kind) -> None:
    """Nothing but the tag can see that: the heads, with their numbers, are the right ones."""
    case, honest, blocks = made(tmp_path, kind)
    head = HEADER + (8 if GENERAL[0] in kind.arguments else 0)
    one, two = honest.said[blocks[2]], honest.said[blocks[5]]
    assert len(one) == len(two) and one[head:] != two[head:]
    told: dict[int, bytes] = {}

    def exchanged(at: int, said: bytes) -> Iterable[bytes]:
        told[at] = said
        if at == blocks[5]:
            return (said[:head] + told[blocks[2]][head:],)
        return (said,)

    heard = case.ask(DAY, exchanged)
    assert not heard.whole and heard.believed <= honest.believed
    clean(case, honest, "after all")


@kinds
@pytest.mark.parametrize("seed", seeds(40))
def test_whatever_happens_to_the_blocks(tmp_path: Path, kind: Kind, seed: int) -> None:
    random = Random(f"{kind.name} {seed}")
    case, honest, _ = made(tmp_path, kind)
    shuffler = Shuffler(random, random.choice((0.02, 0.1, 0.3)), flips=False)

    def whole_messages(number: int, said: bytes) -> Iterable[bytes]:
        return [one for one in shuffler(number, said) if one in shuffler.heard]

    flips = kind.keys and seed % 2
    heard = case.ask(DAY, shuffler if flips else whole_messages)
    assert heard.believed <= honest.believed, seed
    assert not heard.whole or heard.believed == honest.believed, seed
    clean(case, honest, seed)


@pytest.mark.parametrize(
    "head",
    [
        lambda said: said[:3] + b"\x01" + said[4:],  # the last one, too early
        lambda said: said[:4] + bytes(4) + said[8:],  # number 0
        lambda said: said[:4] + b"\xff\xff\xff\xff" + said[8:],
        lambda said: said[:8] + b"\x01\x00",  # an error in place of content
        lambda said: b"\xc4\x01" + said[2:3] + b"\x00\x06\x00\x00\x00\x01",  # one value, in the middle of blocks
        lambda said: b"\xc4\x03" + said[2:3] + b"\x01\x00\x06\x00\x00\x00\x01",
        lambda said: b"\xc7\x01" + said[2:3] + b"\x00\x00",
        lambda said: b"\xc5\x01" + said[2:3] + b"\x00",
        lambda said: said[:9] + b"\x00",  # no content
        lambda said: b"\xe0\x80\x00\x01\x00\x00" + b"\x0a" + said[:10],
    ],
)
def test_something_else_in_place_of_a_block(tmp_path: Path, head: Callable[[bytes], bytes]) -> None:
    case, honest, blocks = made(tmp_path, KINDS[0])

    def put(said: bytes) -> bytes:
        apdu = head(said[HEADER:])
        return said[:6] + len(apdu).to_bytes(2) + apdu

    for number in (blocks[0], blocks[4]):
        heard = case.ask(DAY, changed(number, put))
        values = {said for said in heard.believed if said[0] != "0-0:1.0.0*255"}
        assert not values, number
    clean(case, honest, "after all")
