"""What the simulated DLMS meter pushes: DataNotification by UDP, by TCP and on its own line, plain and ciphered."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tests.simulators.dlms_meter import (
    AARQ,
    GET_SERIAL,
    METER_TITLE,
    SERIAL_ANSWER,
    frames,
    keys,
    unseal,
    wrapped,
)
from tests.simulators.reader import PATIENCE_S, connect, simulate
from tests.simulators.test_dlms_foreign import MIDNIGHT, total

EVERY = ("--push-every", "0.05")
AT_MIDNIGHT = ("--now", "2026-06-15T00:00:00")
HEAD = bytes.fromhex("0c 07ea060f010000")
"""The length of the date-time and its octets as far as the minute; then come seconds."""


def expected_list() -> bytes:
    first = [
        bytes.fromhex(f"0203 0906 0100{code:02x}0800ff 06")
        + total(MIDNIGHT, channel).to_bytes(4)
        + bytes.fromhex(f"0202 0f00 16{unit:02x}")
        for channel, code, unit in ((1, 1, 30), (2, 2, 30), (3, 5, 32), (4, 8, 32))
    ]
    return bytes.fromhex("010c") + b"".join(first) + bytes.fromhex("0203 0906 0100200700ff 06 000008fc 0202 0fff 1623")


def check_list(apdu: bytes) -> int:
    """A plain notification of the layout `list`, made in the first minute; returns its number."""
    assert apdu[:1] == b"\x0f" and apdu[5:13] == HEAD
    assert apdu[14:18] == bytes.fromhex("00 ff88 80")
    assert apdu[18:].startswith(expected_list())
    return int.from_bytes(apdu[1:5])


def test_by_udp_in_wrappers() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(PATIENCE_S)
        to = f"udp:127.0.0.1:{receiver.getsockname()[1]}"
        options = ("--framing", "wrapper", "--client", "102", "--push-to", to, *EVERY, *AT_MIDNIGHT)
        with simulate("--tcp", "0", *options, kind="dlms"):
            datagrams = [receiver.recv(4096) for _ in range(3)]
    assert {datagram[:6] for datagram in datagrams} == {bytes.fromhex("0001 0001 0066")}
    assert all(int.from_bytes(datagram[6:8]) == len(datagram) - 8 for datagram in datagrams)
    assert [check_list(datagram[8:]) for datagram in datagrams] == [1, 2, 3]


def test_by_tcp_in_frames_and_again_when_the_receiver_comes_back() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        listener.settimeout(PATIENCE_S)
        options = ("--push-to", f"tcp:127.0.0.1:{listener.getsockname()[1]}", *EVERY, *AT_MIDNIGHT)
        numbers: list[int] = []
        with simulate("--tcp", "0", "--max-info", "2030", *options, kind="dlms"):
            for _ in range(2):
                peer, _ = listener.accept()
                with peer:
                    peer.settimeout(PATIENCE_S)
                    data = b""
                    while data.count(b"\x7e") < 2 or len(data) < 2 + (int.from_bytes(data[1:3]) & 0x7FF):
                        data += peer.recv(4096)
                (heard,) = frames(data[: 2 + (int.from_bytes(data[1:3]) & 0x7FF)])
                assert heard.control == 0x13 and heard.frame_sound and heard.header_sound
                assert heard.information[:3] == bytes.fromhex("e6e700")
                numbers.append(check_list(heard.information[3:]))
    assert numbers[0] < numbers[1]


def test_ciphered_with_the_meter_s_title_and_a_counter_that_rises(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(PATIENCE_S)
        to = f"udp:127.0.0.1:{receiver.getsockname()[1]}"
        options = ("--framing", "wrapper", "--push-to", to, *EVERY, *AT_MIDNIGHT, *keys(tmp_path))
        with simulate("--tcp", "0", "--push-security", "authenticated-encrypted", *options, kind="dlms"):
            apdus = [receiver.recv(4096)[8:] for _ in range(2)]
    for number, apdu in enumerate(apdus, 1):
        assert apdu[:10] == b"\xdb\x08" + METER_TITLE
        assert apdu[10] == 0x82 and int.from_bytes(apdu[11:13]) == len(apdu) - 13
        sealed = apdu[13:]
        assert sealed[0] == 0x30 and int.from_bytes(sealed[1:5]) == number
        plain, sound = unseal(sealed)
        assert sound and check_list(plain) == number


def test_the_czech_layout_has_neither_time_nor_units() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(PATIENCE_S)
        to = f"udp:127.0.0.1:{receiver.getsockname()[1]}"
        options = ("--framing", "wrapper", "--push-to", to, "--push-layout", "czech", *EVERY, *AT_MIDNIGHT)
        with simulate("--tcp", "0", *options, kind="dlms"):
            apdu = receiver.recv(4096)[8:]
    expected = bytes.fromhex("0f 00000001 00 0202 1600 010c 0202 0003 0100010800ff 02 06") + total(
        MIDNIGHT, 1
    ).to_bytes(4)
    assert apdu.startswith(expected)


def test_on_its_own_line_between_requests() -> None:
    options = ("--framing", "wrapper", "--push-to", "line", "--push-every", "0.1", *AT_MIDNIGHT)
    with simulate("--tcp", "0", *options, kind="dlms") as simulator, connect(simulator) as line:
        numbers: list[int] = []
        line.send(wrapped(AARQ))
        answers = []
        while len(numbers) < 3:
            head = line.read(8)
            apdu = line.read(int.from_bytes(head[6:8]))
            if apdu[:1] == b"\x0f":
                numbers.append(check_list(apdu))
            else:
                answers.append(apdu)
                line.send(wrapped(GET_SERIAL))
        assert numbers == [1, 2, 3]
        assert answers[0][:1] == b"\x61" and SERIAL_ANSWER in answers


@pytest.mark.parametrize("layout", ["list", "czech"])
def test_a_push_in_segments_when_a_frame_is_too_small(layout: str) -> None:
    options = ("--push-to", "line", "--push-every", "60", "--push-layout", layout, *AT_MIDNIGHT)
    with simulate("--tcp", "0", *options, kind="dlms") as simulator, connect(simulator) as line:
        information, segmented = b"", True
        while segmented:
            head = line.read(3)
            (heard,) = frames(head + line.read((int.from_bytes(head[1:3]) & 0x7FF) - 1))
            assert len(heard.information) <= 128
            information += heard.information
            segmented = heard.segmented
    assert len(information) > 128 and information[:4] == bytes.fromhex("e6e700 0f")
