"""Mode E of the simulated meter: the confirmation, the time in HDLC, and the way back to mode C (annex E)."""

from __future__ import annotations

from pathlib import Path

import pytest

from simulators.hdlc import Frames
from tests.simulators.reader import (
    BREAK,
    LINES,
    QUICK,
    SIGN_ON,
    connect,
    enter,
    framed,
    lines_of,
    open_pty,
    option,
    simulate,
    wait_for,
    with_even_parity,
)

IDENTIFICATION = b"/SIM5\\2GATEWAYD\r\n"
# The SNRM frame of the DLMS green book's example: client 16, server 1, no parameters.
SNRM = bytes.fromhex("7ea0070321930f017e")


@pytest.fixture
def arguments(tmp_path: Path) -> tuple[str, ...]:
    file = tmp_path / "lines.txt"
    file.write_bytes(LINES)
    return ("--readout", str(file), "--mode", "E", "--journal", str(tmp_path / "journal"), "--hdlc-s", "0.4", *QUICK)


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "journal"


def test_the_meter_confirms_listens_and_comes_back(arguments: tuple[str, ...], journal: Path) -> None:
    with simulate(*arguments, "--tcp", "0") as meter, connect(meter) as line:
        for _ in range(2):
            line.ask(SIGN_ON, IDENTIFICATION)
            line.ask(option("5", "2", "2"), option("5", "2", "2"))
            line.send(SNRM[:4])
            # Nothing of mode C is heard in HDLC.
            line.send(SNRM[4:] + BREAK + SIGN_ON)
            assert line.silent_for(0.2)
            wait_for(lambda: "hdlc timeout" in lines_of(journal))
            journal.rename(journal.with_name("earlier"))
            heard = lines_of(journal.with_name("earlier"))
            assert heard == ["sign-on", "option 252", f"hdlc {SNRM.hex()}", "hdlc timeout"]
        line.ask(SIGN_ON, IDENTIFICATION)
        line.ask(option("5"), framed())


def test_each_byte_prolongs_the_stay(arguments: tuple[str, ...], journal: Path) -> None:
    with simulate(*arguments, "--tcp", "0") as meter, connect(meter) as line:
        line.ask(SIGN_ON, IDENTIFICATION)
        line.ask(option("5", "2", "2"), option("5", "2", "2"))
        for byte in SNRM:
            assert line.silent_for(0.1)
            line.send(bytes([byte]))
        wait_for(lambda: "hdlc timeout" in lines_of(journal))
        assert f"hdlc {SNRM.hex()}" in lines_of(journal)


def test_what_comes_before_the_confirmation_is_not_heard(arguments: tuple[str, ...], journal: Path) -> None:
    with simulate(*arguments, "--tcp", "0") as meter, connect(meter) as line:
        line.ask(SIGN_ON, IDENTIFICATION)
        line.ask(option("5", "2", "2") + SIGN_ON, option("5", "2", "2"))
        wait_for(lambda: "hdlc timeout" in lines_of(journal))
        assert line.silent_for(0.15)


def test_the_confirmation_comes_at_the_new_rate_with_parity(arguments: tuple[str, ...], tmp_path: Path) -> None:
    link = tmp_path / "meter"
    with simulate(*arguments, "--pty", link, "--reaction-ms", "30"), open_pty(link) as line:
        line.ask(with_even_parity(SIGN_ON), with_even_parity(IDENTIFICATION))
        line.send(with_even_parity(option("5", "2", "2")))
        line.set_baud(9600)
        line.expect(with_even_parity(option("5", "2", "2")))


def test_the_meter_can_be_read_and_programmed_all_the_same(arguments: tuple[str, ...]) -> None:
    with simulate(*arguments, "--tcp", "0", "--identification", "SIM5GATEWAYD") as meter, connect(meter) as line:
        enter(line)
        line.send(BREAK)
        line.ask(SIGN_ON, b"/SIM5GATEWAYD\r\n")
        line.ask(option("5"), framed())


def test_frames_are_found_however_they_arrive() -> None:
    stream = b"\x01\x02" + SNRM + SNRM[1:] + b"\x7e\x7e\x05\x7e"
    whole = [SNRM, SNRM, b"\x7e\x05\x7e"]
    assert Frames().feed(stream) == whole
    frames = Frames()
    assert [frame for byte in stream for frame in frames.feed(bytes([byte]))] == whole


def test_a_frame_that_is_too_long_is_dropped_whole() -> None:
    longest = b"\x7e" + b"\x01" * 2046 + b"\x7e"
    assert Frames().feed(longest) == [longest]
    assert Frames().feed(b"\x7e" + b"\x01" * 2047 + b"\x7e") == []
    assert Frames().feed(b"\x7e" + b"\x01" * 9999 + SNRM) == [SNRM]
