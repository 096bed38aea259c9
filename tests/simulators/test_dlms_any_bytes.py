"""Whatever a client sends: the simulated DLMS meter goes on, and is sound in the next session."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.simulators.dlms_meter import (
    AARQ,
    GET_CLOCK,
    GET_LOGICAL_NAMES,
    GET_SERIAL,
    SERIAL_ANSWER,
    ByHand,
    InProcess,
    ciphered_aarq,
    frame,
    glo,
    in_wrapper,
    keys,
    meter,
    seal,
    wrapped,
)

RANGE = bytes.fromhex(
    "c001c1 0007 0100630100ff 02 01 01 0204 0204 120008 0906 0000010000ff 0f02 120000"
    "090c 07ea060f01000000 00 ff88 80 090c 07ea060f01000000 00 ff88 80 0100"
)
ENTRY = bytes.fromhex("c001c1 0007 0100630100ff 02 01 02 0204 0600000001 0600000002 120001 120000")
APDUS = (
    AARQ,
    GET_CLOCK,
    GET_LOGICAL_NAMES,
    GET_SERIAL,
    RANGE,
    ENTRY,
    bytes.fromhex("c003c1 02 0001 0000600100ff 02 00 0001 0000630000ff 02 00"),
    bytes.fromhex("c301c1 0008 0000010000ff 06 01 10 0005"),
    bytes.fromhex("c101c1 0008 0000010000ff 02 00 090c 07ea0616 02 0c1e1e 00 ff88 80"),
    bytes.fromhex("c301c1 000f 0000280000ff 01 01 0910") + bytes(16),
    bytes.fromhex("6203 800100"),
    bytes.fromhex("6032 a109 0607 60857405080101 8a020780 8b0760857405080203 ac0a 8008") + b"12345678" + AARQ[-18:],
)


@cache
def shared(framing: str) -> InProcess:
    return meter("--framing", framing, "--profile-days", "2")


@given(st.lists(st.binary(max_size=60), max_size=5))
@settings(deadline=None)
def test_any_bytes_in_hdlc(pieces: list[bytes]) -> None:
    made = shared("hdlc")
    for piece in pieces:
        made.hear(piece)
    made.inside.framing.disconnected()
    assert ByHand(made).ask(GET_SERIAL) == SERIAL_ANSWER


@given(st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=40)), max_size=8))
@settings(deadline=None)
def test_any_frames_in_hdlc(sent: list[tuple[int, bytes]]) -> None:
    made = shared("hdlc")
    client = ByHand(made)
    for control, information in sent:
        made.hear(frame(control, information))
    assert ByHand(client.meter).ask(GET_SERIAL) == SERIAL_ANSWER


def test_an_empty_apdu_is_answered_by_an_exception() -> None:
    client = ByHand(meter())
    assert client.ask(b"") == bytes.fromhex("d80103")


@given(st.lists(st.binary(max_size=60), max_size=5))
@settings(deadline=None)
def test_any_bytes_in_the_wrapper(pieces: list[bytes]) -> None:
    made = shared("wrapper")
    for piece in pieces:
        made.hear(piece)
    made.inside.framing.disconnected()
    in_wrapper(made, AARQ)
    assert in_wrapper(made, GET_SERIAL) == SERIAL_ANSWER


@pytest.mark.parametrize("associated", [False, True])
@given(st.sampled_from(APDUS), st.data())
@settings(deadline=None, max_examples=300)
def test_any_change_of_a_request_is_answered(associated: bool, apdu: bytes, data: st.DataObject) -> None:
    made = shared("wrapper")
    made.inside.framing.disconnected()
    if associated:
        in_wrapper(made, AARQ)
    changed = bytearray(apdu)
    for _ in range(data.draw(st.integers(1, 3))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(changed)[: data.draw(st.integers(1, len(changed)))]
    assert made.hear(wrapped(cut)), "no request is without an answer"


@pytest.mark.parametrize("mechanism", ["none", "hls-gmac", "hls-sha256"])
def test_any_change_of_a_ciphered_association_is_answered(tmp_path: Path, mechanism: str) -> None:
    options = ("--authentication", mechanism, "--security", "authenticated-encrypted", "--password", "x")
    made = meter("--framing", "wrapper", *options, *keys(tmp_path))
    counter = 1
    for apdu in (ciphered_aarq(0), glo(0xC8, seal(GET_SERIAL, 0))):
        for at in range(len(apdu)):
            for value in (0x00, 0x01, 0x7F, 0x80, 0xFF):
                made.inside.framing.disconnected()
                if mechanism == "none":
                    in_wrapper(made, ciphered_aarq(counter))
                    counter += 1
                assert made.hear(wrapped(apdu[:at] + bytes([value]) + apdu[at + 1 :]))
    made.inside.framing.disconnected()
    if mechanism == "none":
        assert in_wrapper(made, ciphered_aarq(counter))[:1] == b"\x61"
        assert in_wrapper(made, glo(0xC8, seal(GET_SERIAL, counter + 1)))[:1] == b"\xcc"
