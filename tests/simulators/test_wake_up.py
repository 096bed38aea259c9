"""A simulated meter that sleeps until it hears the wake-up message (IEC 62056-21 annex B)."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from simulators.wake_up import Sleeper
from tests.simulators.reader import IDENTIFICATION, LINES, QUICK, SIGN_ON, Line, connect, framed, option, simulate

# At 300 Bd a character takes 1/30 s: 60 of them are 2.0 s.
CHARACTER_S = 1 / 30


def heard(nuls: int, pause: float, *, chunk: int = 1000, message: bytes = SIGN_ON) -> bytes:
    """What a meter at 300 Bd hears of so many NULs in pieces, delivered as early as a pipe does, and a sign-on."""
    sleeper = Sleeper(300)
    passed = b""
    for at in range(0, nuls, chunk):
        passed += sleeper.feed(bytes(min(chunk, nuls - at)), 100.0 + at * CHARACTER_S)
    return passed + sleeper.feed(message, 100.0 + nuls * CHARACTER_S + pause)


@pytest.mark.parametrize("nuls", [60, 66, 75])
@pytest.mark.parametrize("pause", [1.41, 1.6, 1.79])
@pytest.mark.parametrize("chunk", [1, 7, 1000])
def test_it_wakes(nuls: int, pause: float, chunk: int) -> None:
    assert heard(nuls, pause, chunk=chunk) == SIGN_ON


@pytest.mark.parametrize(("nuls", "pause"), [(0, 1.6), (59, 1.6), (66, 0.0), (66, 1.39), (66, 1.81), (66, 9.0)])
def test_it_sleeps_on(nuls: int, pause: float) -> None:
    assert heard(nuls, pause) == b""


def test_characters_are_counted_by_the_rate() -> None:
    for nuls, passed in ((479, b""), (480, SIGN_ON)):
        sleeper = Sleeper(2400)
        sleeper.feed(bytes(nuls), 5.0)
        assert sleeper.feed(SIGN_ON, 5.0 + nuls / 240 + 1.5) == passed


def test_parity_does_not_disturb_and_other_characters_do() -> None:
    sleeper = Sleeper(300)
    sleeper.feed(b"\x80" * 60, 0.0)
    assert sleeper.feed(SIGN_ON, 3.5) == SIGN_ON
    sleeper = Sleeper(300)
    sleeper.feed(bytes(59) + b"\x55" + bytes(59), 0.0)
    assert sleeper.feed(SIGN_ON, 119 / 30 + 1.5) == b""


def test_an_interruption_begins_the_count_anew() -> None:
    sleeper = Sleeper(300)
    sleeper.feed(bytes(30), 0.0)
    sleeper.feed(bytes(30), 1.5)
    assert sleeper.feed(SIGN_ON, 2.5 + 1.5) == b""
    sleeper = Sleeper(300)
    sleeper.feed(bytes(30), 0.0)
    sleeper.feed(bytes(30), 1.2)
    assert sleeper.feed(SIGN_ON, 2.2 + 1.5) == SIGN_ON


def test_it_goes_to_sleep_again() -> None:
    sleeper = Sleeper(300)
    sleeper.feed(bytes(60), 0.0)
    assert sleeper.feed(SIGN_ON[:2], 3.5) == SIGN_ON[:2]
    assert sleeper.feed(SIGN_ON[2:], 3.6) == SIGN_ON[2:]
    sleeper.sleep()
    assert sleeper.feed(SIGN_ON, 3.7) == b""


def wake(line: Line) -> None:
    """66 NULs are 2.2 s at 300 Bd, and 1.6 s of pause; the instants are the line's, not those of the delivery."""
    line.send(bytes(66))
    due = time.monotonic() + 2.2 + 1.6
    assert line.silent_for(due - time.monotonic())


def test_a_sleeping_meter_on_the_line(tmp_path: Path) -> None:
    file = tmp_path / "lines.txt"
    file.write_bytes(LINES)
    with simulate("--readout", file, "--tcp", "0", "--needs-wake-up", *QUICK) as meter, connect(meter) as line:
        line.send(SIGN_ON)
        assert line.silent_for(0.15)
        wake(line)
        line.send(SIGN_ON)
        line.expect(IDENTIFICATION)
        # A repetition finds it awake.
        line.send(SIGN_ON)
        line.expect(IDENTIFICATION)
        line.send(option("5"))
        line.expect(framed())
        # After the conversation it sleeps.
        line.send(SIGN_ON)
        assert line.silent_for(0.15)
