"""Streams of pushed bytes to APDUs: every framing, found or configured, whole, in pieces, damaged and noisy."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.dlms.wire.general_block_transfer import Block
from drivers.dlms.wire.hdlc_control import Command
from drivers.dlms.wire.push_blocks import BlockJoiner
from drivers.dlms.wire.push_event import Damage, Event, Pushed, Spoilt, Waiting
from drivers.dlms.wire.push_reader import Framing, PushReader
from tests.drivers.dlms.hdlc_bytes import examples, frame, in_pieces
from tests.drivers.dlms.push_bytes import CZECH_PORT, FRAMINGS, PLAIN, hdlc, mbus, waits, wrapped

each_framing = pytest.mark.parametrize("name", FRAMINGS)
LONG = PLAIN[:-5] + bytes.fromhex("09 820200") + bytes(range(256)) * 2
"""A notification that needs several segments."""


def pushed(events: tuple[Event, ...] | list[Event]) -> list[bytes]:
    return [event.apdu for event in events if isinstance(event, Pushed)]


def through(reader: PushReader, *pieces: bytes) -> list[Event]:
    """All events of the pieces and of the silence behind them."""
    return [event for piece in pieces for event in reader.feed(piece)] + list(reader.finish())


@each_framing
@pytest.mark.parametrize("found", ["auto", "configured"])
def test_two_messages_in_one_read(name: str, found: str) -> None:
    reader = PushReader(Framing(name) if found == "configured" else Framing.AUTO)
    events = through(reader, FRAMINGS[name](PLAIN) + FRAMINGS[name](LONG))
    assert events == [Pushed(PLAIN), Pushed(LONG)]
    assert reader.framing is Framing(name)
    assert waits(reader) is Waiting.NOTHING


@each_framing
@given(cuts=st.lists(st.integers(0, 1 << 16), max_size=40))
@examples(30)
def test_however_the_bytes_are_cut(name: str, cuts: list[int]) -> None:
    data = FRAMINGS[name](LONG) + FRAMINGS[name](PLAIN)
    assert through(PushReader(), *in_pieces(data, cuts)) == [Pushed(LONG), Pushed(PLAIN)]


@each_framing
def test_octet_by_octet(name: str) -> None:
    data = FRAMINGS[name](PLAIN) + FRAMINGS[name](PLAIN)
    assert through(PushReader(), *(bytes((octet,)) for octet in data)) == [Pushed(PLAIN)] * 2


@pytest.mark.parametrize("name", ["hdlc", "mbus"])
@pytest.mark.parametrize("noise", [b"\x00\xff", b"\x7e" * 60, b"\x68", b"\x7e\xa0\x07", b"\x0f\x40", b"\x00\x01\x00"])
def test_noise_before_and_between_frames(name: str, noise: bytes) -> None:
    data = FRAMINGS[name](PLAIN)
    events = through(PushReader(), noise, data, noise, data)
    assert pushed(events) == [PLAIN, PLAIN]


@pytest.mark.parametrize("name", ["wrapper", "raw"])
def test_noise_spoils_an_unframed_stream_until_the_next_silence(name: str) -> None:
    data = FRAMINGS[name](PLAIN)
    reader = PushReader(Framing(name))
    events = through(reader, b"\x55", data)
    assert pushed(events) == []
    assert len(events) == 1
    assert through(reader, data) == [Pushed(PLAIN)]


@pytest.mark.parametrize("llc", ["E6E700", "E6E600", ""])
@pytest.mark.parametrize("command", [Command.I, Command.UI])
def test_hdlc_segments(llc: str, command: Command) -> None:
    data = hdlc(LONG, 64, command, llc)
    assert data.count(b"\x7e\xa8") > 3
    assert through(PushReader(Framing.HDLC), data) == [Pushed(LONG)]


def test_frames_of_others_on_the_line_are_passed_over() -> None:
    asked = frame("030341", b"") + frame("410351", b"") + frame("410373", bytes.fromhex("818014"))
    assert pushed(through(PushReader(Framing.HDLC), asked + hdlc(PLAIN))) == [PLAIN]


def test_a_damaged_segment_spoils_its_message_and_no_other() -> None:
    data = bytearray(hdlc(LONG, 64))
    data[200] ^= 1
    events = through(PushReader(Framing.HDLC), bytes(data) + hdlc(PLAIN))
    assert pushed(events) == [PLAIN]
    spoilt = [event for event in events if isinstance(event, Spoilt)]
    assert [event.damage for event in spoilt] == [Damage.CHECK]
    assert spoilt[0].raw.startswith(LONG[:50])


def test_the_rest_of_a_damaged_message_is_no_beginning() -> None:
    """The second segment begins like a notification: it must not be taken for one when the first is lost."""
    inner = bytes.fromhex("0F 00000000 00 1105")
    first = frame("410313", bytes.fromhex("E6E700") + PLAIN[:20], segmented=True)
    damaged = first[:-3] + bytes((first[-3] ^ 1,)) + first[-2:]
    reader = PushReader(Framing.HDLC)
    assert through(reader, hdlc(PLAIN)) == [Pushed(PLAIN)]
    assert pushed([*reader.feed(damaged), *reader.feed(frame("410313", inner))]) == []
    assert pushed(reader.feed(hdlc(PLAIN))) == [PLAIN]


@pytest.mark.parametrize("command", [Command.I, Command.UI])
def test_a_missing_segment(command: Command) -> None:
    frames = [b"\x7e" + part + b"\x7e" for part in hdlc(LONG, 200, command).split(b"\x7e\x7e")]
    frames[0], frames[-1] = frames[0][1:], frames[-1][:-1]
    assert b"".join(frames) == hdlc(LONG, 200, command)
    events = through(PushReader(Framing.HDLC), *frames[:2], hdlc(PLAIN))
    assert pushed(events) == [PLAIN]
    assert [event.damage for event in events if isinstance(event, Spoilt)] == [Damage.CUT]
    if command is Command.I:
        assert pushed(through(PushReader(Framing.HDLC), frames[0], frames[2])) == []


@pytest.mark.parametrize("llc", ["E6E700", ""])
def test_no_wrong_bit_lets_a_segment_vanish(llc: str) -> None:
    """UI frames have no numbers: of one whose flag was wrong nobody told, and what was around it became a message."""
    stream = hdlc(PLAIN, 20, llc=llc)
    for bit in range(len(stream) * 8):
        wrong = bytearray(stream)
        wrong[bit // 8] ^= 1 << bit % 8
        reader = PushReader(Framing.HDLC)
        events = (*reader.feed(bytes(wrong)), *reader.finish(), *reader.feed(stream))
        assert events[-1] == Pushed(PLAIN)
        heard = [event.apdu for event in events[:-1] if isinstance(event, Pushed)]
        assert all(PLAIN.endswith(apdu) for apdu in heard), f"bit {bit}"  # a rest may look like a beginning


def test_flags_between_segments_are_no_missing_segment() -> None:
    frames = [b"\x7e" + frame + b"\x7e" for frame in hdlc(PLAIN, 20).split(b"\x7e") if frame]
    for between in (b"", b"\x7e" * 5):
        assert PushReader(Framing.HDLC).feed(between.join(frames)) == (Pushed(PLAIN),)


@pytest.mark.parametrize("name", ["hdlc", "mbus"])
def test_joining_a_stream_anywhere_makes_nobody_deaf(name: str) -> None:
    """On a line that is never silent, a stream that began with its APDU was read without frames for ever."""
    frame = FRAMINGS[name](PLAIN)
    for silent in (False, True):
        for begin in range(1, len(frame)):
            reader = PushReader()
            events = list(reader.feed(frame[begin:]))
            events += reader.finish() if silent else ()
            for _ in range(3):
                events += reader.feed(frame)
            assert events[-3:].count(Pushed(PLAIN)) == 3, (begin, silent)
            reader = PushReader()
            reader.feed(frame[begin:])
            found = reader.located(frame + frame)
            assert [end for event, end in found][-2:] == [len(frame), 2 * len(frame)], begin


def test_segments_of_two_stations_are_not_mixed() -> None:
    ours, theirs = hdlc(LONG, 300), frame("410513", b"\x0f\x40")
    first, rest = ours[: ours.index(b"\x7e\x7e") + 1], ours[ours.index(b"\x7e\x7e") + 1 :]
    heard = pushed(through(PushReader(Framing.HDLC), first, theirs, rest))
    assert not any(apdu.startswith(LONG[:50]) for apdu in heard)


def test_silence_ends_half_a_frame_and_half_a_message() -> None:
    reader = PushReader(Framing.HDLC)
    data = hdlc(LONG, 64)
    assert reader.feed(data[:40]) == ()
    assert waits(reader) is Waiting.FRAME
    assert [type(event) for event in reader.finish()] == [Spoilt]
    assert reader.feed(data[:80]) == ()
    assert waits(reader) is Waiting.FRAME  # the second frame has begun
    reader.finish()
    assert reader.feed(data[: data.index(b"\x7e\x7e") + 1]) == ()
    assert waits(reader) is Waiting.MESSAGE
    (cut,) = reader.finish()
    assert isinstance(cut, Spoilt) and cut.damage is Damage.CUT
    assert pushed(reader.feed(hdlc(PLAIN))) == [PLAIN]


@each_framing
def test_half_a_message_does_not_block_the_next(name: str) -> None:
    data = FRAMINGS[name](PLAIN)
    reader = PushReader()
    events = through(reader, data[: len(data) // 2])
    assert [type(event) for event in events] == [Spoilt]
    assert through(reader, data) == [Pushed(PLAIN)]
    events = through(reader, data[: len(data) // 2])
    assert [type(event) for event in events] == [Spoilt]
    assert through(reader, data) == [Pushed(PLAIN)]


def test_what_is_nothing_is_told_when_it_ends() -> None:
    reader = PushReader()
    assert reader.feed(b"\x55" * 300) == ()
    assert waits(reader) is Waiting.FRAME
    (nothing,) = reader.finish()
    assert isinstance(nothing, Spoilt) and "no frame" in nothing.reason and nothing.raw == b"\x55" * 300
    assert reader.finish() == ()
    assert waits(reader) is Waiting.NOTHING


def test_noise_without_end_is_given_up_and_does_not_grow() -> None:
    reader = PushReader()
    events = [event for _ in range(70) for event in reader.feed(b"\x55" * 1000)]
    assert [len(event.raw) for event in events if isinstance(event, Spoilt)] == [65_537]
    assert pushed(through(reader, b"", hdlc(PLAIN))) == [PLAIN]


def test_the_meter_is_replaced_by_one_with_another_framing() -> None:
    reader = PushReader()
    assert through(reader, hdlc(PLAIN)) == [Pushed(PLAIN)]
    assert pushed(through(reader, mbus(PLAIN))) == []  # it may be noise between frames
    reader = PushReader()
    assert through(reader, wrapped(PLAIN)) == [Pushed(PLAIN)]
    assert pushed(through(reader, hdlc(PLAIN))) == []
    assert through(reader, hdlc(PLAIN)) == [Pushed(PLAIN)]


def test_hdlc_every_wrong_bit_is_seen() -> None:
    data = hdlc(PLAIN)
    for bit in range(len(data) * 8):
        wrong = bytearray(data)
        wrong[bit // 8] ^= 1 << bit % 8
        for framing in (Framing.HDLC, Framing.AUTO):
            events = through(PushReader(framing), bytes(wrong))
            assert pushed(events) == [], f"bit {bit}"


def test_a_wrapper_with_a_wrong_header_behind_a_sound_one() -> None:
    reader = PushReader(Framing.WRAPPER)
    events = reader.feed(wrapped(PLAIN) + b"\x00\x02\x00\x00")
    assert [type(event) for event in events] == [Pushed, Spoilt]
    assert reader.feed(wrapped(PLAIN)) == ()
    assert reader.finish() == ()
    assert reader.feed(wrapped(PLAIN)) == (Pushed(PLAIN),)


def test_raw_apdus_of_every_kind_end_where_they_end() -> None:
    apdus = [
        PLAIN,
        CZECH_PORT,
        bytes.fromhex("C2 01 0C 07EA07110500000000FF8880 0003 0100010800FF 02 0600001388"),
        bytes.fromhex("C2 00 0003 0100010800FF 02 0600001388"),
        bytes.fromhex("DB 08 4D4D4D0000BC614E 14 30 01234567" + "AB" * 3 + "C1" * 12),
        bytes.fromhex("CA 14 30 01234567" + "AB" * 3 + "C1" * 12),
    ]
    assert pushed(through(PushReader(Framing.RAW), b"".join(apdus))) == apdus
    assert pushed(through(PushReader(Framing.RAW), *(bytes((octet,)) for octet in b"".join(apdus)))) == apdus


def test_raw_octets_whose_end_only_silence_tells() -> None:
    odd = bytes.fromhex("0F 00000001 00 0201 08 55")  # no type has the tag 8
    reader = PushReader(Framing.RAW)
    assert reader.feed(odd) == ()
    assert reader.finish() == (Pushed(odd),)
    assert through(reader, PLAIN) == [Pushed(PLAIN)]


def test_raw_octets_without_end() -> None:
    reader = PushReader(Framing.RAW)
    events = [
        event for _ in range(70) for event in reader.feed(b"\x0f" + b"\x00" * 5 + b"\x09\x84\x00\x01\x00\x00" * 160)
    ]
    assert isinstance(events[0], Spoilt) and "more than 65536" in events[0].reason


def test_a_raw_stream_that_drips_is_not_decoded_for_each_octet() -> None:
    """60 KiB octet by octet took minutes when every octet was followed by a decoding of all before it."""
    body = bytes.fromhex("0F 00000001 00 01 821F40") + bytes.fromhex("12 0001") * 8000
    reader = PushReader(Framing.RAW)
    begun = time.process_time()
    events = [event for octet in body for event in reader.feed(bytes((octet,)))] + list(reader.finish())
    assert pushed(events) == [body]
    assert time.process_time() - begun < 5


# -- blocks ---------------------------------------------------------------------------------------------------------


def blocks(apdu: bytes, size: int) -> list[bytes]:
    parts = [apdu[begin : begin + size] for begin in range(0, len(apdu), size)]
    return [Block(number == len(parts), True, 0, number, 0, part).encoded for number, part in enumerate(parts, start=1)]


@each_framing
def test_general_block_transfer(name: str) -> None:
    data = b"".join(FRAMINGS[name](block) for block in blocks(LONG, 100))
    reader = PushReader()
    assert through(reader, data, FRAMINGS[name](PLAIN)) == [Pushed(LONG), Pushed(PLAIN)]
    assert waits(reader) is Waiting.NOTHING


def test_blocks_wait_for_their_rest() -> None:
    reader = PushReader(Framing.HDLC)
    parts = blocks(LONG, 200)
    assert reader.feed(hdlc(parts[0])) == ()
    assert waits(reader) is Waiting.MESSAGE
    (cut,) = reader.finish()
    assert isinstance(cut, Spoilt) and cut.damage is Damage.CUT and cut.raw == LONG[:200]
    assert waits(reader) is Waiting.NOTHING


def test_a_message_between_blocks_ends_them() -> None:
    parts = blocks(LONG, 200)
    events = through(PushReader(Framing.HDLC), hdlc(parts[0]), hdlc(PLAIN), hdlc(parts[1]))
    assert pushed(events) == [PLAIN]
    assert [event.damage for event in events if isinstance(event, Spoilt)] == [Damage.CUT, Damage.CUT]


def test_order_of_blocks() -> None:
    first, second, third, *_ = blocks(LONG, 150)
    joiner = BlockJoiner()
    assert joiner.feed(first) == joiner.feed(first) == joiner.feed(second) == ()
    (out_of_order,) = joiner.feed(first)
    assert isinstance(out_of_order, Spoilt) and "block 1 of a message behind block 2" in out_of_order.reason
    (skipped,) = joiner.feed(third)
    assert isinstance(skipped, Spoilt) and "block 3 of a message behind block 1" in skipped.reason
    (missing,) = joiner.feed(second)
    assert isinstance(missing, Spoilt) and "block 2 of a message first" in missing.reason
    assert not joiner.waiting
    assert [pushed(joiner.feed(block)) for block in blocks(LONG, 150)][-1] == [LONG]


def test_a_block_that_is_none() -> None:
    joiner = BlockJoiner()
    joiner.feed(blocks(LONG, 150)[0])
    events = joiner.feed(bytes.fromhex("E0 80 0002 0000 05 AA"))
    assert [event.damage for event in events if isinstance(event, Spoilt)] == [Damage.CUT, Damage.FORM]
    (empty,) = joiner.feed(Block(True, False, 0, 1, 0).encoded)
    assert isinstance(empty, Spoilt)


def test_blocks_without_end() -> None:
    joiner = BlockJoiner()
    events: list[Event] = []
    for number in range(1, 20):
        events += joiner.feed(Block(False, True, 0, number, 0, bytes(60_000)).encoded)
    assert isinstance(events[0], Spoilt) and "more than 1048576" in events[0].reason


# -- anything -------------------------------------------------------------------------------------------------------

PIECES = st.lists(
    st.one_of(
        st.binary(max_size=60),
        st.sampled_from(
            [hdlc(PLAIN), hdlc(LONG, 100), mbus(PLAIN), wrapped(PLAIN), PLAIN, *map(hdlc, blocks(LONG, 90))]
        ),
    ),
    max_size=8,
)


@given(PIECES, st.sampled_from(list(Framing)))
@examples(150)
def test_any_bytes_are_events(pieces: list[bytes], framing: Framing) -> None:
    reader = PushReader(framing)
    for event in through(reader, *pieces):
        assert event.apdu if isinstance(event, Pushed) else event.reason.startswith("sends")
    assert waits(reader) is Waiting.NOTHING


@given(st.lists(st.binary(max_size=80), max_size=6), st.sampled_from([Framing.HDLC, Framing.MBUS, Framing.RAW]))
@examples(150)
def test_cutting_any_bytes_changes_nothing(pieces: list[bytes], framing: Framing) -> None:
    assert through(PushReader(framing), *pieces) == through(PushReader(framing), b"".join(pieces))
