"""Each misbehaviour of the simulated meter is what its name says, on the readouts it was ordered for."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.simulators.reader import (
    BODY,
    BREAK,
    IDENTIFICATION,
    LINES,
    PATIENCE_S,
    QUICK,
    SIGN_ON,
    Line,
    connect,
    framed,
    open_pty,
    option,
    simulate,
    wait_for,
)

QUIET_S = 0.15
BLOCK = framed()


@pytest.fixture
def arguments(tmp_path: Path) -> tuple[str, ...]:
    file = tmp_path / "lines.txt"
    file.write_bytes(LINES)
    return ("--readout", str(file), "--seed", "7", *QUICK)


def ask(line: Line) -> None:
    """Sign on and ask for the data at 9600 Bd."""
    line.send(SIGN_ON)
    line.expect(IDENTIFICATION)
    line.send(option("5"))


def test_echo_returns_every_request_first(arguments: tuple[str, ...]) -> None:
    with simulate(*arguments, "--tcp", "0", "--misbehave", "echo") as meter, connect(meter) as line:
        for _ in range(2):
            line.send(SIGN_ON)
            line.expect(SIGN_ON + IDENTIFICATION)
            line.send(option("5"))
            line.expect(option("5") + BLOCK)


def test_echo_takes_the_line_time_and_loses_nothing(arguments: tuple[str, ...], tmp_path: Path) -> None:
    link = tmp_path / "meter"
    with simulate(*arguments, "--pty", link, "--pace", "--misbehave", "echo"), open_pty(link) as line:
        line.send(SIGN_ON[:2])
        line.expect(SIGN_ON[:1])
        line.send(SIGN_ON[2:])
        line.expect(SIGN_ON[1:] + IDENTIFICATION)
        line.send(option("5"))
        line.set_baud(9600)
        line.expect(option("5") + BLOCK)


def test_noise_comes_before_the_identification_and_before_the_data(arguments: tuple[str, ...]) -> None:
    with simulate(*arguments, "--tcp", "0", "--misbehave", "noise") as meter, connect(meter) as line:
        line.send(SIGN_ON)
        before = line.read_to(IDENTIFICATION).removesuffix(IDENTIFICATION)
        assert {0x00, 0x7F} < set(before)
        assert not {0x01, 0x02, 0x2F} & {byte & 0x7F for byte in before}
        line.send(option("5"))
        before = line.read_to(BLOCK).removesuffix(BLOCK)
        assert {0x00, 0x7F} < set(before)


def test_a_bad_bcc_on_every_second_readout_only(arguments: tuple[str, ...]) -> None:
    with simulate(*arguments, "--tcp", "0", "--misbehave", "bad-bcc:2") as meter, connect(meter) as line:
        for spoiled in (False, True, False, True):
            ask(line)
            got = line.read(len(BLOCK))
            assert got[:-1] == BLOCK[:-1]
            assert (got != BLOCK) is spoiled


def test_a_bad_check_sum_in_mode_d(arguments: tuple[str, ...], tmp_path: Path) -> None:
    telegram = b"/SIM5x\r\n\r\n1-0:1.8.1(000004.426*kWh)\r\n!0F0F\r\n"
    file = tmp_path / "p1.txt"
    file.write_bytes(telegram)
    pushing = ("--mode", "D", "--push-every", "0.05", "--misbehave", "bad-bcc:2")
    with simulate(*arguments, "--readout", file, "--tcp", "0", *pushing) as meter, connect(meter) as line:
        line.expect(telegram + telegram.replace(b"!0F", b"!1F") + telegram)


def test_truncate_stops_at_half_and_stays_silent(arguments: tuple[str, ...]) -> None:
    with simulate(*arguments, "--tcp", "0", "--misbehave", "truncate") as meter, connect(meter) as line:
        ask(line)
        line.expect(BLOCK[: len(BLOCK) // 2])
        assert line.silent_for(QUIET_S)
        ask(line)


def test_silence_is_complete(arguments: tuple[str, ...]) -> None:
    with simulate(*arguments, "--tcp", "0", "--misbehave", "silence:2") as meter, connect(meter) as line:
        ask(line)
        line.expect(BLOCK)
        line.send(SIGN_ON)
        assert line.silent_for(QUIET_S)
        ask(line)
        line.expect(BLOCK)


def test_drip_sends_one_byte_a_second_until_the_break(arguments: tuple[str, ...]) -> None:
    with simulate(*arguments, "--tcp", "0", "--misbehave", "drip") as meter, connect(meter) as line:
        ask(line)
        line.expect(b"\x02")
        for byte in BODY[:2]:
            assert line.silent_for(0.8)
            line.expect(bytes([byte]), within=0.6)
        line.send(BREAK)
        assert line.silent_for(1.3)


@pytest.mark.parametrize("mode", ["C", "D"])
def test_hang_up_ends_the_connection_in_the_middle_of_the_data(arguments: tuple[str, ...], mode: str) -> None:
    with simulate(*arguments, "--tcp", "0", "--mode", mode, "--misbehave", "hang-up") as meter:
        for _ in range(2):
            with connect(meter) as line:
                if mode == "C":
                    ask(line)
                    line.expect(BLOCK[: len(BLOCK) // 2])
                assert line.is_hung_up()


def test_hang_up_takes_the_pseudo_terminal_away_for_a_second(arguments: tuple[str, ...], tmp_path: Path) -> None:
    link = tmp_path / "meter"
    with (
        simulate(*arguments, "--pty", link, "--no-check-baud", "--misbehave", "hang-up:2"),
        open_pty(link) as line,
    ):
        ask(line)
        line.expect(BLOCK)
        ask(line)
        assert line.is_hung_up()
        wait_for(lambda: not link.is_symlink())
        wait_for(link.exists)
        with open_pty(link) as line:
            ask(line)
            line.expect(BLOCK)


def test_babble_never_ends_and_makes_no_sense(arguments: tuple[str, ...]) -> None:
    with simulate(*arguments, "--tcp", "0", "--misbehave", "babble:2") as meter, connect(meter) as line:
        ask(line)
        line.expect(BLOCK)
        line.send(SIGN_ON)
        assert len(set(line.read(20_000))) == 256
        line.send(SIGN_ON)
        line.read_to(IDENTIFICATION)


def test_huge_data_exceed_a_mebibyte_until_the_break(arguments: tuple[str, ...]) -> None:
    with simulate(*arguments, "--tcp", "0", "--misbehave", "huge:1") as meter, connect(meter) as line:
        ask(line)
        line.expect(b"\x02" + BODY + BODY)
        length = 1_100_000
        data = line.read(length, within=2 * PATIENCE_S)
        assert data == (BODY * (length // len(BODY) + 1))[:length]
        line.send(BREAK)
        line.drain(QUIET_S)
        line.send(SIGN_ON)
        line.expect(IDENTIFICATION)


def test_nak_is_the_answer_instead_of_data(arguments: tuple[str, ...]) -> None:
    with simulate(*arguments, "--tcp", "0", "--misbehave", "nak") as meter, connect(meter) as line:
        ask(line)
        line.expect(b"\x15")
        assert line.silent_for(QUIET_S)


def test_without_ack_support_only_the_fall_back_reads_the_meter(arguments: tuple[str, ...], tmp_path: Path) -> None:
    link = tmp_path / "meter"
    with (
        simulate(*arguments, "--pty", link, "--ack-wait", "0.5", "--misbehave", "no-ack-support"),
        open_pty(link) as line,
    ):
        ask(line)
        assert line.silent_for(0.3)
        line.expect(BLOCK)


def test_the_wrong_rate_shows_garbage_unless_the_check_is_off(arguments: tuple[str, ...], tmp_path: Path) -> None:
    link = tmp_path / "meter"
    with simulate(*arguments, "--pty", link, "--reaction-ms", "50"), open_pty(link) as line:
        ask(line)
        line.set_baud(4800)
        garbage = line.read(len(BLOCK) // 2)
        assert not [1 for seen, sent in zip(garbage, BLOCK, strict=False) if seen == sent]
    with simulate(*arguments, "--pty", link), open_pty(link, 9600) as line:
        line.send(SIGN_ON)
        garbage = line.read(len(IDENTIFICATION))
        assert not [1 for seen, sent in zip(garbage, IDENTIFICATION, strict=True) if seen == sent]
    with simulate(*arguments, "--pty", link, "--no-check-baud"), open_pty(link, 4800) as line:
        ask(line)
        line.expect(BLOCK)
