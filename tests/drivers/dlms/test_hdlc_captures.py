"""Pushed frames of real meters, which lie beside the repository: every frame, whole, in pieces and between noise."""

from __future__ import annotations

import os
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.dlms.wire.hdlc_frame import Damaged, Frame
from drivers.dlms.wire.hdlc_reader import FrameReader
from tests.drivers.dlms.hdlc_bytes import CAPTURES, examples, in_pieces

pytestmark = [
    pytest.mark.capture,
    # A user's clone does not have them; continuous integration has to.
    pytest.mark.skipif(not CAPTURES.exists() and "CI" not in os.environ, reason="no captures beside the repository"),
]


@dataclass(frozen=True, slots=True)
class Expected:
    """What the decoding published beside the capture says: addresses, and bytes behind the LLC header of each frame."""

    destination: str
    source: str
    lengths: tuple[int, ...]
    """With the LLC header where there is one (in the first frame)."""


EXPECTED = {
    "hdlc_kamstrup_omnipower": Expected("32", "1", (477 + 3,)),
    "hdlc_landis_gyr_e450": Expected("103/127", "1", (126 + 3, 129, 38)),
    "hdlc_norway_han_3phase": Expected("32", "4/65", (566 + 3,)),
}


def capture(name: str) -> bytes:
    text = (CAPTURES / f"{name}.log").read_text(encoding="ascii")
    return bytes.fromhex(text.replace(":", " "))


@pytest.mark.parametrize("name", EXPECTED)
def test_every_frame(name: str) -> None:
    data, expected = capture(name), EXPECTED[name]
    frames = [event for event in FrameReader().feed(data) if isinstance(event, Frame)]
    assert tuple(len(frame.information) for frame in frames) == expected.lengths
    assert {(str(frame.destination), str(frame.source), str(frame.control)) for frame in frames} == {
        (expected.destination, expected.source, "UI")
    }
    assert frames[0].information.startswith(b"\xe6\xe7\x00")
    assert not any(frame.segmented for frame in frames)
    assert b"".join(frame.encoded for frame in frames) == data


def test_no_capture_is_left_out() -> None:
    assert {path.stem for path in CAPTURES.glob("hdlc_*.log") if not path.stem.endswith("_decoded")} == set(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
@examples(20)
@given(cuts=st.lists(st.integers(0, 1 << 20), max_size=9), noise=st.sampled_from([b"", b"\x7e" * 50, b"\xff\x00"]))
def test_in_pieces_between_noise(name: str, cuts: list[int], noise: bytes) -> None:
    data = capture(name)
    reader = FrameReader()
    events = [event for piece in in_pieces(noise + data + noise, cuts) for event in reader.feed(piece)]
    assert events == list(FrameReader().feed(data))


@pytest.mark.parametrize("name", EXPECTED)
def test_one_bit_wrong_anywhere(name: str) -> None:
    data = capture(name)
    frames = len(EXPECTED[name].lengths)
    for bit in range(0, len(data) * 8, 5):
        wrong = bytearray(data)
        wrong[bit // 8] ^= 1 << bit % 8
        reader = FrameReader()
        events = (*reader.feed(bytes(wrong)), *reader.finish())
        found = [event for event in events if isinstance(event, Frame)]
        # A flag between two frames belongs to both where they follow at once; here each has its own.
        assert len(found) == frames - 1, f"bit {bit}"
        assert all(isinstance(event, Damaged) or event.encoded in data for event in events)
