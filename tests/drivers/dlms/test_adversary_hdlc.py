"""HDLC on a bad line: what the meter says is changed, cut, doubled, lost, put in another order, played again.

Property: the session ends with the values that the meter sent, or with an error; the next one starts clean. One spoilt
message costs a repetition and nothing else. What has right checks and a wrong content is an error all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from random import Random

import pytest

from drivers.dlms.wire.hdlc_frame import Frame
from drivers.dlms.wire.hdlc_reader import FrameReader
from gatewayd.errors import ProtocolError
from simulators.dlms_frames import Frame as Told
from simulators.dlms_frames import Frames, encode
from tests.drivers.dlms.adversary import (
    FULL,
    PLAIN_HDLC,
    SOME,
    Adversary,
    Case,
    Heard,
    Shuffler,
    Wire,
    burst,
    changed,
    flipped,
    profile_of,
    seeds,
)

SEGMENTS = ("--max-info", "32")
FLAG = b"\x7e"


def test_the_line_is_sound_without_an_adversary(tmp_path: Path) -> None:
    heard = PLAIN_HDLC.made(tmp_path).ask()
    assert heard.whole and len(heard.believed) == 1 + len(SOME.registers)


def sound(octets: bytes) -> list[Frame]:
    reader = FrameReader()
    return [event for event in (*reader.feed(octets), *reader.finish()) if isinstance(event, Frame)]


def test_no_frame_with_one_wrong_bit_is_sound(tmp_path: Path) -> None:
    for said in PLAIN_HDLC.made(tmp_path, *SEGMENTS).ask().said:
        assert len(sound(said)) == 1
        for bit in range(8 * len(said)):
            assert not sound(flipped(said, bit)), (said.hex(), bit)


@pytest.mark.parametrize("length", range(2, 17))
def test_no_frame_with_a_burst_of_wrong_bits_is_sound(tmp_path: Path, length: int) -> None:
    """The first and the last bit of a burst are wrong, those between may be: a CRC of 16 bits finds up to 16 of them
    (ISO/IEC 13239 4.2.5). Every place, some patterns."""
    random = Random(length)
    (said,) = [said for said in PLAIN_HDLC.made(tmp_path).ask().said if said[9:12] == b"\xe6\xe7\x00"][-1:]
    for begin in range(8, 8 * (len(said) - 1) - length + 1):
        for _ in range(4):
            pattern = 1 | 1 << length - 1 | random.getrandbits(length)
            assert not sound(burst(said, begin, pattern)), (begin, f"{pattern:b}")


def _nothing_else(case: Case, honest: Heard, heard: Heard, what: object) -> None:
    assert heard.believed <= honest.believed, what
    assert heard.all <= honest.all, what
    if heard.whole:
        assert heard.believed == honest.believed, what


def test_one_wrong_bit_costs_a_repetition_and_nothing_else(tmp_path: Path) -> None:
    case = PLAIN_HDLC.made(tmp_path, *SEGMENTS)
    case.ask()
    honest = case.ask()
    bits = [(number, bit) for number, said in enumerate(honest.said) for bit in range(8 * len(said))]
    for number, bit in Random(1).sample(bits, len(bits) if FULL else 600):
        heard = case.ask(adversary=changed(number, lambda said, bit=bit: flipped(said, bit)))  # type: ignore[misc]
        assert heard.whole, (number, bit, heard.error)
        assert heard.believed == honest.believed, (number, bit)


def test_one_message_that_is_cut_costs_a_repetition_and_nothing_else(tmp_path: Path) -> None:
    case = PLAIN_HDLC.made(tmp_path, *SEGMENTS)
    case.ask()
    honest = case.ask()
    for number, said in enumerate(honest.said):
        for size in range(0, len(said), 3):
            heard = case.ask(adversary=changed(number, lambda said, size=size: said[:size]))  # type: ignore[misc]
            assert heard.whole, (number, size, heard.error)
            assert heard.believed == honest.believed, (number, size)


def doubled(number: int) -> Adversary:
    return lambda at, said: (said, said) if at == number else (said,)


def doubled_later(number: int) -> Adversary:
    """Once more, behind the answer to the next request."""
    kept: list[bytes] = []

    def adversary(at: int, said: bytes) -> Iterable[bytes]:
        if at == number:
            kept.append(said)
        return (said, *kept) if at == number + 1 else (said,)

    return adversary


def test_a_message_that_comes_twice_is_heard_once(tmp_path: Path) -> None:
    case = PLAIN_HDLC.made(tmp_path, *SEGMENTS)
    honest = case.ask()
    for number in range(len(honest.said)):
        heard = case.ask(adversary=doubled(number))
        assert heard.whole and heard.believed == honest.believed, (number, heard.error)


def test_a_message_that_comes_once_more_too_late_is_never_the_answer(tmp_path: Path) -> None:
    case = PLAIN_HDLC.made(tmp_path, *SEGMENTS)
    honest = case.ask()
    for number in range(len(honest.said)):
        _nothing_else(case, honest, case.ask(adversary=doubled_later(number)), number)
        after = case.ask(same_connection=True)
        assert after.whole and after.believed == honest.believed, number


@pytest.mark.parametrize("seed", seeds(200))
def test_whatever_happens_on_the_line(tmp_path: Path, seed: int) -> None:
    random = Random(seed)
    case = PLAIN_HDLC.made(tmp_path, *(SEGMENTS if seed % 2 else ()))
    request = profile_of() if seed % 5 == 0 else SOME
    honest = case.ask(request)
    earlier = honest.said if seed % 3 == 0 else ()
    heard = case.ask(request, Shuffler(random, random.choice((0.03, 0.1, 0.3, 0.7)), earlier))
    _nothing_else(case, honest, heard, seed)
    after = case.ask(request, same_connection=True)
    assert after.whole and after.believed == honest.believed, heard.error


def test_frames_that_are_cut_into_octets_say_the_same(tmp_path: Path) -> None:
    case = PLAIN_HDLC.made(tmp_path, *SEGMENTS)
    honest = case.ask()
    heard = case.ask(adversary=lambda _, said: [bytes((octet,)) for octet in said])
    assert heard.whole and heard.believed == honest.believed


def test_a_line_on_which_somebody_always_talks_is_left_in_time(tmp_path: Path) -> None:
    """A transmitter that hangs, seen on RS-485: there is always something to receive."""

    class Flooded(Wire):
        async def receive(self, *, deadline: float) -> bytes:
            self._step()
            self.ahead(0.03)
            return b"\x55" * 29

    case = PLAIN_HDLC.made(tmp_path)
    case.baud = 9600
    heard = case.ask(wire=Flooded)
    assert isinstance(heard.error, ProtocolError)
    assert case.ask().whole


# -- right checks, wrong content --------------------------------------------------------------------------------------


def rewritten(said: bytes, change: Callable[[Told], Told]) -> bytes:
    """The same frame with another content, and with checks that fit it."""
    (frame,) = Frames().feed(said)
    return encode(change(frame))


def _informing(case: Case) -> tuple[Heard, list[int]]:
    """A session, and which of its messages carry information."""
    case.ask()
    honest = case.ask()
    return honest, [
        number for number, said in enumerate(honest.said) if next(iter(Frames().feed(said))).control & 1 == 0
    ]


def test_an_llc_header_with_one_wrong_bit_is_an_error(tmp_path: Path) -> None:
    case = PLAIN_HDLC.made(tmp_path)
    honest, informing = _informing(case)
    for number in informing:
        for bit in range(24):

            def spoilt(frame: Told, bit: int = bit) -> Told:
                return Told(
                    frame.destination, frame.source, frame.control, flipped(frame.information, bit), frame.segmented
                )

            heard = case.ask(adversary=changed(number, lambda said: rewritten(said, spoilt)))
            assert isinstance(heard.error, ProtocolError), (number, bit)
            _nothing_else(case, honest, heard, (number, bit))
    assert case.ask().believed == honest.believed


@pytest.mark.parametrize("segments", [(), SEGMENTS])
def test_a_header_with_one_wrong_bit_and_right_checks_brings_no_other_value(
    tmp_path: Path, segments: tuple[str, ...]
) -> None:
    """Addresses, sequence numbers, final bit, segmentation bit."""
    case = PLAIN_HDLC.made(tmp_path, *segments)
    case.ask()
    honest = case.ask()
    for number, said in enumerate(honest.said):
        for bit in range(8 * 5):

            def spoilt(frame: Told, bit: int = bit) -> Told:
                header = flipped(frame.destination + frame.source + bytes((frame.control, frame.segmented)), bit)
                one, two = len(frame.destination), len(frame.destination) + len(frame.source)
                return Told(header[:one], header[one:two], header[two], frame.information, bool(header[two + 1] & 1))

            heard = case.ask(adversary=changed(number, lambda said: rewritten(said, spoilt)))
            _nothing_else(case, honest, heard, (number, bit))
        after = case.ask(same_connection=True)
        assert after.whole and after.believed == honest.believed, number


def test_a_segment_that_is_missing_is_never_passed_over(tmp_path: Path) -> None:
    """With its sequence numbers put right by whoever took it away: the APDU is not whole then."""
    case = PLAIN_HDLC.made(tmp_path, *SEGMENTS)
    honest, informing = _informing(case)
    for number in informing:

        def without(frame: Told) -> Told:
            content = frame.information[: -4 if len(frame.information) > 4 else -1]
            return Told(frame.destination, frame.source, frame.control, content, frame.segmented)

        heard = case.ask(adversary=changed(number, lambda said: rewritten(said, without)))
        assert heard.believed <= honest.believed, number
        assert isinstance(heard.error, ProtocolError), number
