"""A recorded session with a real meter, replayed: what the link sends is what the reader of the recording sent."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from drivers.dlms.wire.hdlc_address import address
from drivers.dlms.wire.hdlc_dialogue import Connected, Received
from drivers.dlms.wire.hdlc_frame import Frame
from drivers.dlms.wire.hdlc_link import Link
from drivers.dlms.wire.hdlc_reader import FrameReader
from tests.drivers.dlms.hdlc_bytes import VECTORS, frame
from tests.drivers.dlms.hdlc_conversation import ANSWER, sent

STEPS: list[dict[str, Any]] = yaml.safe_load((VECTORS / "hdlc_session.yaml").read_text(encoding="utf-8"))["steps"]
SAID = [(bytes.fromhex(step["sent"]), bytes.fromhex(step["said"])) for step in STEPS]
HEADER = 8
"""Flag, format, two addresses of one byte, control, HCS."""


def test_every_recorded_frame_is_sound_and_has_one_form() -> None:
    for data in (one for pair in SAID for one in pair):
        (found,) = FrameReader().feed(data)
        assert isinstance(found, Frame)
        assert found.encoded == data
        assert found.segmented is (data[1] == 0xA8)


@pytest.mark.parametrize("echo", [False, True])
def test_the_session(echo: bool) -> None:
    link = Link(address(1), address(1))
    link.start(0.0)
    ua = bytes.fromhex(
        "7E A0 1E 03 03 73 40 CC 81 80 12 05 01 80 06 01 80 07 04 00 00 00 01 08 04 00 00 00 01 53 3B 7E"
    )
    assert isinstance(link.feed(ua, 0.1)[0], Connected)
    # In place of the association and the serial number, which are not in the file.
    for number in (0, 1):
        link.send(b"\xc0", 0.2)
        assert link.feed(frame(f"03 03 {number + 1 << 5 | 0x10 | number << 1:02X}", ANSWER + b"\xc4"), 0.3)
    for request, answer in SAID[:-2]:
        assert sent(link.send(request[HEADER + 3 : -3], 1.0)) == request
        actions = link.feed((request if echo else b"") + answer, 1.1)
        assert actions == (Received(answer[HEADER + 3 : -3]),)
    (request, first), (ready, second) = SAID[-2:]
    assert sent(link.send(request[HEADER + 3 : -3], 2.0)) == request
    assert sent(link.feed((request if echo else b"") + first, 2.1)) == ready
    joined = first[HEADER + 3 : -3] + second[HEADER:-3]
    assert link.feed((ready if echo else b"") + second, 2.2) == (Received(joined),)
    # C4 01 8D 00, and an array of eight capture objects of 18 bytes; the seventh lies in both segments.
    assert joined[:6] == bytes.fromhex("C4 01 8D 00 01 08")
    assert len(joined) == 6 + 8 * 18
