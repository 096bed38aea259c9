"""Paced sessions take the time that the characters take, no less and hardly more."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from simulators.line import character_seconds, floor_seconds
from tests.simulators.reader import (
    IDENTIFICATION,
    LINES,
    SIGN_ON,
    Line,
    connect,
    framed,
    open_pty,
    option,
    simulate,
)


def session(line: Line, data: bytes, rate: str, baud: int | None) -> float:
    """Seconds of one readout by a reader that never waits; `baud` is set where the line has a rate."""
    started = line.send(SIGN_ON)
    line.expect(IDENTIFICATION)
    line.send(option(rate))
    if baud is not None:
        line.set_baud(baud)
    line.expect(data)
    return time.monotonic() - started


def test_the_floor_is_the_sum_of_the_characters_and_two_reactions() -> None:
    floor = floor_seconds(SIGN_ON, b"x" * 15, b"x" * 6, b"x" * 960, start_baud=300, data_baud=9600, reaction_s=0.2)
    assert floor == pytest.approx(26 / 30 + 1.0 + 0.4)


@pytest.mark.parametrize(("rate", "baud", "copies"), [("5", 9600, 20), ("2", 1200, 2)])
def test_a_session_on_a_pseudo_terminal_takes_its_line_time(tmp_path: Path, rate: str, baud: int, copies: int) -> None:
    file, link = tmp_path / "lines.txt", tmp_path / "meter"
    file.write_bytes(LINES * copies)
    data = framed((LINES * copies).replace(b"\n", b"\r\n"))
    floor = floor_seconds(SIGN_ON, IDENTIFICATION, option(rate), data, start_baud=300, data_baud=baud, reaction_s=0.2)
    with simulate("--readout", file, "--pty", link), open_pty(link) as line:
        assert 0.98 < session(line, data, rate, baud) / floor < 1.1


def test_a_session_on_tcp_takes_its_line_time_and_the_reaction_that_was_ordered(tmp_path: Path) -> None:
    file = tmp_path / "lines.txt"
    file.write_bytes(LINES)
    floor = floor_seconds(
        SIGN_ON, IDENTIFICATION, option("6"), framed(), start_baud=600, data_baud=19200, reaction_s=0.05
    )
    arguments = ("--tcp", "0", "--baud", "600", "--identification", "SIM6GATEWAYD", "--reaction-ms", "50")
    with simulate("--readout", file, *arguments) as meter, connect(meter) as line:
        started = line.send(SIGN_ON)
        line.read_to(b"\r\n")
        line.send(option("6"))
        line.expect(framed())
        assert 0.98 < (time.monotonic() - started) / floor < 1.1


def test_a_small_third_letter_means_a_short_reaction(tmp_path: Path) -> None:
    file = tmp_path / "lines.txt"
    file.write_bytes(LINES)
    for letter, reaction in (("M", 0.2), ("m", 0.02)):
        arguments = ("--tcp", "0", "--mode", "A", "--identification", f"SI{letter}xz", "--no-pace")
        with simulate("--readout", file, *arguments) as meter, connect(meter) as line:
            started = line.send(SIGN_ON)
            line.read(1)
            assert reaction <= time.monotonic() - started < reaction + 0.15


def test_characters_come_one_by_one_at_a_low_rate(tmp_path: Path) -> None:
    file = tmp_path / "lines.txt"
    file.write_bytes(LINES)
    with (
        simulate("--readout", file, "--tcp", "0", "--mode", "A", "--reaction-ms", "0") as meter,
        connect(meter) as line,
    ):
        started = line.send(SIGN_ON)
        for number in range(1, 16):
            line.read(1)
            due = (len(SIGN_ON) + number) * character_seconds(300)
            assert -0.002 < time.monotonic() - started - due < 0.03


def test_telegrams_are_pushed_without_drift(tmp_path: Path) -> None:
    file = tmp_path / "lines.txt"
    file.write_bytes(LINES)
    with (
        simulate("--readout", file, "--tcp", "0", "--mode", "D", "--push-every", "0.25") as meter,
        connect(meter) as line,
    ):
        line.read_to(b"!\r\n")
        started = time.monotonic()
        for number in range(1, 5):
            line.read_to(b"!\r\n")
            assert abs(time.monotonic() - started - number * 0.25) < 0.05
