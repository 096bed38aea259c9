"""Meters that never come to an end: endless blocks, segments and APDUs, deep nesting, absurd counts.

Property: an error at the stated limit, in bounded memory (tracemalloc) and in steps that are counted, not timed: the
machine may be slow. The limits are those of axdr_value.py, block_transfer.py, hdlc_dialogue.py and wrapper.py.
"""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from drivers.dlms.wire.association import Association
from drivers.dlms.wire.association_dialogue import Ask, Established, Step, WaitOn
from drivers.dlms.wire.association_settings import AssociationSettings
from drivers.dlms.wire.attribute import Attribute
from drivers.dlms.wire.axdr import decode
from drivers.dlms.wire.axdr_value import MAX_COMPACT_VALUES, MAX_ELEMENTS, MAX_NESTING
from drivers.dlms.wire.hdlc_frame import FRAME_LIMIT, Damaged
from drivers.dlms.wire.hdlc_reader import FrameReader
from drivers.dlms.wire.push_event import Spoilt
from drivers.dlms.wire.push_reader import Framing, PushReader
from drivers.dlms.wire.services import parse_data, parse_list
from drivers.dlms.wire.wrapper import WrapperReader
from gatewayd.errors import GatewayError, ProtocolError
from simulators.dlms_frames import Frame as Told
from simulators.dlms_frames import encode, fcs
from tests.drivers.dlms.adversary import PLAIN_HDLC, PLAIN_WRAPPER, Endless, Wire
from tests.drivers.dlms.association_meter import aare, initiate_response

MIB = 1 << 20
REGISTER = Attribute(3, bytes((1, 0, 1, 8, 0, 255)), 2)


@contextmanager
def memory(most: int) -> Iterator[None]:
    """At most so many octets more than before, at any time."""
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < most, f"{peak / MIB:.1f} MiB"


def established() -> Association:
    association = Association(AssociationSettings())
    association.open()
    event = association.feed(aare(information=initiate_response()))
    assert isinstance(event, Established)
    return association


def told_until_it_ends(answer: Callable[[int, bytes], bytes], most: int) -> tuple[int, GatewayError]:
    """`answer` to a GET and to everything that is asked then, by number from 1; what it ends with, after how many."""
    association = established()
    step: Step = association.get([(REGISTER, None)])
    asked = b""
    for number in range(1, most + 1):
        match step:
            case Ask(apdu, _):
                asked = apdu
            case WaitOn():
                pass
            case event:
                raise AssertionError(event)
        try:
            step = association.feed(answer(number, asked))
        except GatewayError as error:
            return number, error
    raise Endless(f"after {most} answers")


def test_endless_blocks_of_get_end_at_one_mebibyte() -> None:
    head = bytes.fromhex("c402c1 00")

    def block(number: int, _: bytes) -> bytes:
        return head + number.to_bytes(4) + b"\x00\x82\x10\x00" + bytes(4096)

    with memory(4 * MIB):
        number, error = told_until_it_ends(block, 300)
    assert number == MIB // 4096 + 1
    assert str(error) == "sends more than 1048576 octets in blocks"


@pytest.mark.parametrize("streaming", [0x00, 0x40])
def test_endless_general_blocks_end_at_one_mebibyte(streaming: int) -> None:
    def block(number: int, _: bytes) -> bytes:
        return bytes((0xE0, streaming | 1)) + number.to_bytes(2) + b"\x00\x01\x82\x10\x00" + bytes(4096)

    with memory(4 * MIB):
        number, error = told_until_it_ends(block, 300)
    assert number == MIB // 4096 + 1
    assert str(error) == "general block transfer: more than 1048576 octets"


def test_endless_general_blocks_of_one_octet_end_with_their_numbers() -> None:
    def block(number: int, _: bytes) -> bytes:
        return b"\xe0\x01" + number.to_bytes(2) + b"\x00\x01\x01\x00"

    number, error = told_until_it_ends(block, 0x10000)
    assert number == 0xFFFF and "more than 65535 blocks" in str(error)


@pytest.mark.parametrize(
    ("answer", "most"),
    [
        (lambda number, _: bytes.fromhex("c402c1 00") + number.to_bytes(4) + b"\x00\x00", 1),  # empty blocks
        (lambda number, _: bytes.fromhex("c402c1 00 00000001 00 01 00"), 2),  # the first one for ever
        (lambda number, _: bytes.fromhex("e0 01 0001 0000 00"), 1),
        (lambda number, _: bytes.fromhex("e0 01 0001 0000 01 00"), 6),  # asked for again, some times
        (lambda number, _: bytes.fromhex("e0 41 0001 0000 01 00"), 200),
        (lambda number, _: bytes.fromhex("e0 41 0003 0000 01 00"), 200),  # from ahead
        (lambda number, _: bytes.fromhex("0f 00000001 00 00"), 9),  # pushes
        (lambda number, _: bytes.fromhex("c2 00 0001 0000600100ff 02 00"), 9),
        (lambda number, _: bytes.fromhex("c401c0 00 00"), 9),  # the request before
    ],
)
def test_who_never_answers_is_left_soon(answer: Callable[[int, bytes], bytes], most: int) -> None:
    number, error = told_until_it_ends(answer, most)
    assert number <= most and isinstance(error, ProtocolError)


# -- A-XDR ------------------------------------------------------------------------------------------------------------


def nested(depth: int) -> bytes:
    return b"\x01\x01" * depth + b"\x00"


def test_nesting_ends_at_its_limit() -> None:
    decode(nested(MAX_NESTING))
    with memory(MIB), pytest.raises(ProtocolError, match="nested more than 16 deep"):
        decode(nested(32_000))
    with memory(MIB), pytest.raises(ProtocolError, match="nested more than 16 deep"):
        decode(b"\x13" + b"\x02\x01" * 16 + b"\x11\x01\x00")


@pytest.mark.parametrize(
    "absurd",
    [
        "01 84 ffffffff",
        "02 84 7fffffff 00",
        "01 82 2711",
        "09 84 ffffffff 00",
        "04 84 ffffffff 00",
        "0c 84 fffffff0 00",
        "13 00 84 ffffffff",
        "13 11 84 ffffffff 00",
        "13 01 ffff 11 01 00",
        "13 02 84 ffffffff 11",
        "13 09 06 84 ffffffff 00",
    ],
)
def test_absurd_counts_are_believed_by_nobody(absurd: str) -> None:
    with memory(MIB), pytest.raises(ProtocolError):
        decode(bytes.fromhex(absurd))


def test_a_compact_array_unfolds_to_so_many_values_and_no_more() -> None:
    """Null-data takes no octet: a few octets could say millions of them, again and again."""
    millions = bytes.fromhex("13 01 2710 02 04 00000011") + b"\x82\x4e\x20" + bytes(20_000)
    several = b"\x02\x82\x03\xe8" + bytes.fromhex("13 02 40" + "00" * 63 + "0f 04 01010101") * 1000
    for folded in (millions, several):
        with memory(16 * MIB), pytest.raises(ProtocolError, match=f"more than {MAX_COMPACT_VALUES} values"):
            decode(folded, 0, MIB)


def test_elements_without_octets_are_no_elements() -> None:
    with pytest.raises(ProtocolError, match="have no octets"):
        decode(bytes.fromhex("13 02 00 01 00"))


def test_the_largest_transfer_takes_bounded_memory() -> None:
    """As many elements as the limits allow, most of them of the smallest values: less than 100 octets for each."""
    content = b"\x01\x82\x27\x10" + (b"\x01\x14" + bytes(20)) * MAX_ELEMENTS
    with memory(100 * len(content)):
        data = parse_data(content)
    assert len(data.value.children) == MAX_ELEMENTS
    with pytest.raises(ProtocolError, match="more than 1048576"):
        parse_data(content + bytes(MIB))


def test_a_list_has_as_many_results_as_were_asked_for() -> None:
    with memory(MIB), pytest.raises(ProtocolError):
        parse_list(bytes.fromhex("84 ffffffff"), 3)
    with memory(MIB), pytest.raises(ProtocolError):
        parse_list(b"\x82\x27\x10" + bytes(20_000), 3)


# -- links ------------------------------------------------------------------------------------------------------------


def test_endless_segments_end_at_64_kibibytes(tmp_path: Path) -> None:
    """Each with the right numbers and checks."""

    class Segments(Wire):
        number = -1

        async def send(self, data: bytes, *, deadline: float, secret: bool = False) -> None:
            await super().send(data, deadline=deadline, secret=secret)
            if self.number >= 0 and data[6] != 0x53:
                information = (b"\xe6\xe7\x00" if not self.number else b"") + bytes(1000)
                frame = Told(b"\x21", b"\x02\x23", 0x30 | self.number % 8 << 1, information, True)
                self._coming = [encode(frame)]
            self.number += 1

    case = PLAIN_HDLC.made(tmp_path)
    with memory(8 * MIB):
        heard = case.ask(wire=Segments)
    assert isinstance(heard.error, ProtocolError)
    assert "sends a message of more than 65536 bytes" in str(heard.error)
    assert case.ask().whole


def test_noise_takes_no_memory() -> None:
    """A beginning of a frame every few octets, each of which claims the longest frame: the worst for a reader."""
    head = bytes.fromhex("a7ff 21 03 10")
    begin = b"\x7e" + head + fcs(head)
    reader = FrameReader()
    kept = 0
    with memory(12 * MIB):
        for _ in range(64):
            events = reader.feed(begin * (1024 // len(begin)))
            assert all(isinstance(event, Damaged) for event in events)
            kept = max(kept, sum(len(event.raw) for event in events if isinstance(event, Damaged)))
    assert kept <= (1024 // len(begin) + 1) * FRAME_LIMIT
    assert len(reader.feed(b"")) == 0


@pytest.mark.parametrize("piece", [1, 1000])
def test_a_wrapper_that_never_ends_is_one_apdu_at_most(piece: int) -> None:
    reader = WrapperReader()
    reader.feed(bytes.fromhex("0001 0001 0010 ffff"))
    with memory(2 * MIB):
        for _ in range(0xFFFF // piece):
            assert not reader.feed(bytes(piece)) or piece == 1
    assert reader.feed(bytes(0xFFFF % piece)) or piece == 1


def test_apdus_that_nobody_asked_for_are_kept_up_to_a_limit(tmp_path: Path) -> None:
    class Chatty(Wire):
        async def receive(self, *, deadline: float) -> bytes:
            said = await super().receive(deadline=deadline)
            return said + said[:6] + bytes.fromhex("0008 0f 00000001 00 00 00") * 2000

    case = PLAIN_WRAPPER.made(tmp_path)
    with memory(16 * MIB):
        heard = case.ask(wire=Chatty)
    assert isinstance(heard.error, ProtocolError)


@pytest.mark.parametrize("framing", list(Framing))
@pytest.mark.parametrize(
    "begins",
    [
        b"\x0f",
        b"\xdb\x08" + bytes(8) + b"\x84\xff\xff\xff\xff",
        b"\xe0\x41\x00\x01\x00\x00\x84\x7f\xff\xff\xff",
        b"\x00",
    ],
)
def test_a_push_that_never_ends_is_given_up(framing: Framing, begins: bytes) -> None:
    reader = PushReader(framing)
    spoilt = 0
    with memory(4 * MIB):
        for piece in _pieces(begins, 70_000):
            spoilt += len([event for event in reader.feed(piece) if isinstance(event, Spoilt)])
        spoilt += len(reader.finish())
    assert framing in (Framing.HDLC, Framing.MBUS) or spoilt


def _pieces(begins: bytes, octets: int) -> Iterable[bytes]:
    yield begins
    for _ in range(octets // 500):
        yield b"\x01\x02" * 250
