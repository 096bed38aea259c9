"""What a session in programming mode costs at least, worked out by hand, and a paced meter that keeps to it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from simulators.line import block_turns, programming_floor_seconds
from tests.simulators.reader import (
    ACK,
    BREAK,
    IDENTIFICATION,
    LINES,
    PASSWORD,
    SIGN_ON,
    command,
    connect,
    data_block,
    open_pty,
    option,
    simulate,
)

OPENING = b"\x01P0\x02()\x03`"
READ = command("R5", "P.01(;)")
HEADER = b"P.01(0260101001500)(00)(15)(1)(1.5)(kW)\r\n"


def floor(*turns: tuple[bytes, bytes], data_baud: int = 9600) -> float:
    return programming_floor_seconds(
        SIGN_ON, IDENTIFICATION, option("5", "1"), turns, start_baud=300, data_baud=data_baud, reaction_s=0.2
    )


def test_the_way_in() -> None:
    # 5 + 15 + 6 characters at 300 Bd; 8 + 16 + 1 at 9600 Bd; the meter speaks three times: /..., P0, ACK.
    assert floor((b"", OPENING), (PASSWORD, ACK)) == pytest.approx(26 / 30 + 25 / 960 + 3 * 0.2)


def test_a_break_costs_its_characters_only() -> None:
    way_in = ((b"", OPENING), (PASSWORD, ACK))
    assert floor(*way_in, (BREAK, b"")) - floor(*way_in) == pytest.approx(5 / 960)


def test_r5_and_r6() -> None:
    # The command has 13 characters. One block of 960; or four of 240, three of them asked for by ACK.
    assert len(READ) == 13
    block, blocks = b"x" * 960, [b"x" * 240] * 4
    assert floor((b"", OPENING), (READ, block)) == pytest.approx(26 / 30 + (8 + 13 + 960) / 960 + 3 * 0.2)
    assert floor((b"", OPENING), *block_turns(READ, blocks)) == pytest.approx(
        26 / 30 + (8 + 13 + 960 + 3) / 960 + 6 * 0.2
    )
    assert block_turns(READ, blocks[:2]) == [(READ, blocks[0]), (b"\x06", blocks[1])]
    # At 300 Bd all of it is slow: 26 + 984 characters.
    assert floor((b"", OPENING), *block_turns(READ, blocks), data_baud=300) == pytest.approx(1010 / 30 + 6 * 0.2)


def files(folder: Path) -> tuple[tuple[str, ...], bytes]:
    """A meter that keeps a profile of 60 rows, and what that is."""
    readout, profile = folder / "lines.txt", folder / "profile.txt"
    readout.write_bytes(LINES)
    text = HEADER + b"(1.2345)\r\n" * 60
    profile.write_bytes(text)
    return ("--readout", str(readout), "--profile", str(profile)), text


def test_a_paced_session_with_r5_on_a_pseudo_terminal(tmp_path: Path) -> None:
    arguments, text = files(tmp_path)
    link = tmp_path / "meter"
    turns = [(b"", OPENING), (PASSWORD, ACK), (READ, data_block(text))]
    with simulate(*arguments, "--pty", link), open_pty(link) as line:
        started = line.send(SIGN_ON)
        line.expect(IDENTIFICATION)
        line.send(option("5", "1"))
        line.set_baud(9600)
        for asked, answered in turns:
            line.send(asked)
            line.expect(answered)
        assert 0.98 < (time.monotonic() - started) / floor(*turns) < 1.5


def test_a_paced_session_with_r6_on_tcp(tmp_path: Path) -> None:
    arguments, text = files(tmp_path)
    parts = [text[at : at + 200] for at in range(0, len(text), 200)]
    blocks = [data_block(part, more=number < len(parts)) for number, part in enumerate(parts, 1)]
    turns = [(b"", OPENING), (PASSWORD, ACK), *block_turns(command("R6", "P.01(;)"), blocks)]
    with simulate(*arguments, "--block", "200", "--tcp", "0") as meter, connect(meter) as line:
        started = line.send(SIGN_ON)
        line.expect(IDENTIFICATION)
        line.send(option("5", "1"))
        for asked, answered in turns:
            line.send(asked)
            line.expect(answered)
        assert 0.98 < (time.monotonic() - started) / floor(*turns) < 1.5
