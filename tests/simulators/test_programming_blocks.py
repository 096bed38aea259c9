"""Partial blocks of the simulated meter, and what goes wrong in programming mode when it is ordered."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.programming import partial_blocks
from tests.simulators.reader import (
    ACK,
    BREAK,
    IDENTIFICATION,
    NAK,
    PASSWORD,
    QUICK,
    SIGN_ON,
    command,
    connect,
    data_block,
    enter,
    lines_of,
    log_in,
    open_pty,
    simulate,
    wait_for,
)

QUIET_S = 0.15
VALUE = b"1.8.0(0123456789)"
READ = command("R1", "1.8.0()")
# In fives. 31^2E^38^2E^30^04 = 3D
BLOCKS = (
    b"\x021.8.0\x04=",
    b"\x02(0123\x04,",  # 28^30^31^32^33^04 = 2C
    b"\x0245678\x04<",  # 34^35^36^37^38^04 = 3C
    b"\x029)\x03\x13",  # 39^29^03 = 13
)


@pytest.fixture
def arguments(tmp_path: Path) -> tuple[str, ...]:
    file = tmp_path / "lines.txt"
    file.write_bytes(VALUE + b"\n")
    place = ("--readout", str(file), "--tcp", "0", "--journal", str(tmp_path / "journal"))
    return (*place, "--no-password", "--seed", "3", *QUICK)


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "journal"


@pytest.mark.parametrize("name", ["R3", "R4", "R6"])
def test_each_block_is_asked_for_and_repeated_on_demand(arguments: tuple[str, ...], name: str) -> None:
    with simulate(*arguments, "--block", "5") as meter, connect(meter) as line:
        enter(line)
        line.ask(command(name, "1.8.0()"), BLOCKS[0])
        line.ask(ACK, BLOCKS[1])
        line.ask(NAK, BLOCKS[1])
        line.ask(NAK, BLOCKS[1])
        line.ask(ACK, BLOCKS[2])
        line.ask(ACK, BLOCKS[3])
        line.ask(NAK, BLOCKS[3])
        line.send(ACK)
        assert line.silent_for(0.05)
        line.ask(READ, data_block(VALUE))


@given(st.binary(max_size=600).map(lambda data: bytes(byte & 0x7F for byte in data)), st.integers(1, 300))
def test_blocks_hold_the_data_once_and_in_order(data: bytes, size: int) -> None:
    blocks = partial_blocks(data, size)
    parts = [block[1:-2] for block in blocks]
    assert b"".join(parts) == data
    assert {len(part) for part in parts[:-1]} <= {size}
    assert len(parts[-1]) <= size
    assert blocks == [data_block(part, more=number < len(parts)) for number, part in enumerate(parts, 1)]


@pytest.mark.parametrize("size", ["17", "256"])
def test_what_fits_into_one_block_is_the_last_one(arguments: tuple[str, ...], size: str) -> None:
    with simulate(*arguments, "--block", size) as meter, connect(meter) as line:
        enter(line)
        line.ask(command("R6", "1.8.0()"), data_block(VALUE))


def test_the_default_is_256_bytes(arguments: tuple[str, ...], tmp_path: Path) -> None:
    data = b"1.8.0(" + b"x" * 250 + b")"
    (tmp_path / "lines.txt").write_bytes(data)
    with simulate(*arguments) as meter, connect(meter) as line:
        enter(line)
        line.ask(command("R6", "1.8.0()"), data_block(data[:256], more=True))
        line.ask(ACK, data_block(data[256:]))


def test_another_command_gives_up_the_blocks_that_are_left(arguments: tuple[str, ...]) -> None:
    with simulate(*arguments, "--block", "5") as meter, connect(meter) as line:
        enter(line)
        line.ask(command("R6", "1.8.0()"), BLOCKS[0])
        line.ask(READ, data_block(VALUE))
        line.send(ACK)
        assert line.silent_for(0.05)
        line.ask(command("R6", "1.8.0()"), BLOCKS[0])
        line.send(BREAK)
        enter(line)
        line.send(ACK)
        assert line.silent_for(0.05)


def test_a_break_ends_a_block_that_is_being_sent(arguments: tuple[str, ...], journal: Path) -> None:
    # 17 characters at 9600 Bd would be too quick: the whole is long, and paced.
    (Path(arguments[1])).write_bytes(b"1.8.0(" + b"x" * 4000 + b")")
    with simulate(*arguments, "--pace") as meter, connect(meter) as line:
        enter(line)
        line.send(READ)
        line.expect(b"\x021.8.0(xxx")
        line.send(BREAK)
        line.drain(QUIET_S)
        line.send(SIGN_ON)
        line.expect(IDENTIFICATION)
    assert lines_of(journal)[2:5] == ["command R1 1.8.0()", "break", "sign-on"]


def spoiled(block: bytes) -> bytes:
    """The wrong BCC of the simulator's faults."""
    return block[:-1] + bytes([block[-1] ^ 0x55])


def test_a_bad_bcc_in_the_nth_block_once(arguments: tuple[str, ...]) -> None:
    with simulate(*arguments, "--block", "5", "--misbehave", "block-bad-bcc:2") as meter, connect(meter) as line:
        for second in (spoiled(BLOCKS[1]), BLOCKS[1]):
            enter(line)
            line.ask(command("R6", "1.8.0()"), BLOCKS[0])
            line.ask(ACK, second)
            line.ask(NAK, BLOCKS[1])
            line.ask(ACK, BLOCKS[2])
            line.send(BREAK)


def test_a_bad_bcc_in_the_nth_block_always(arguments: tuple[str, ...]) -> None:
    with simulate(*arguments, "--block", "5", "--misbehave", "block-bad-bcc:2*") as meter, connect(meter) as line:
        for _ in range(2):
            enter(line)
            line.ask(command("R6", "1.8.0()"), BLOCKS[0])
            for _ in range(3):
                line.ask(ACK if _ == 0 else NAK, spoiled(BLOCKS[1]))
            line.ask(ACK, BLOCKS[2])
            line.send(BREAK)


def test_a_bad_bcc_in_every_block_but_not_in_other_messages(arguments: tuple[str, ...]) -> None:
    with simulate(*arguments, "--misbehave", "block-bad-bcc") as meter, connect(meter) as line:
        log_in(line)
        for request in (READ, READ, NAK):
            line.ask(request, spoiled(data_block(VALUE)))


def test_silence_after_the_nth_command(arguments: tuple[str, ...], journal: Path) -> None:
    with simulate(*arguments, "--misbehave", "command-silence:2") as meter, connect(meter) as line:
        log_in(line)
        line.send(READ)
        assert line.silent_for(QUIET_S)
        line.ask(READ, data_block(VALUE))
    assert "silent after R1" in lines_of(journal)


def test_a_password_that_is_met_with_silence_was_counted(arguments: tuple[str, ...]) -> None:
    locking = ("--lock-after", "1", "--refusal", "nak", "--misbehave", "command-silence:1")
    with simulate(*arguments, *locking) as meter, connect(meter) as line:
        enter(line)
        line.send(command("P1", "(1)"))
        assert line.silent_for(QUIET_S)
        line.ask(PASSWORD, NAK)


def test_nak_to_a_good_command(arguments: tuple[str, ...]) -> None:
    with simulate(*arguments, "--misbehave", "command-nak:1", "--lock-after", "1") as meter, connect(meter) as line:
        enter(line)
        # Not obeyed: a wrong password would have locked the meter.
        line.ask(command("P1", "(1)"), NAK)
        line.ask(PASSWORD, ACK)
        line.ask(READ, data_block(VALUE))
    with simulate(*arguments, "--misbehave", "command-nak:1*") as meter, connect(meter) as line:
        for _ in range(2):
            enter(line)
            line.ask(READ, NAK)
            line.ask(READ, data_block(VALUE))
            line.send(BREAK)
    with simulate(*arguments, "--misbehave", "command-nak") as meter, connect(meter) as line:
        enter(line)
        for _ in range(4):
            line.ask(READ, NAK)


def test_the_meter_breaks_in_mid_session(arguments: tuple[str, ...], journal: Path) -> None:
    with simulate(*arguments, "--misbehave", "command-break:3") as meter, connect(meter) as line:
        log_in(line)
        line.ask(READ, data_block(VALUE))
        line.ask(READ, BREAK)
        line.send(READ)
        assert line.silent_for(QUIET_S)
        line.send(SIGN_ON)
        line.expect(IDENTIFICATION)
    assert "answers B0 to R1" in lines_of(journal)
    assert "break" not in lines_of(journal)


def test_a_truncated_block_is_half_of_it_and_may_be_asked_for_again(arguments: tuple[str, ...]) -> None:
    with simulate(*arguments, "--misbehave", "block-truncate:1") as meter, connect(meter) as line:
        enter(line)
        line.ask(READ, data_block(VALUE)[:10])
        assert line.silent_for(QUIET_S)
        line.ask(NAK, data_block(VALUE))


def test_the_pseudo_terminal_goes_away_in_the_middle_of_a_block(arguments: tuple[str, ...], tmp_path: Path) -> None:
    link = tmp_path / "meter"
    on_pty = (*arguments[:2], "--pty", str(link), "--no-check-baud", "--no-password", *QUICK)
    with simulate(*on_pty, "--misbehave", "block-hang-up:1"), open_pty(link) as line:
        enter(line)
        # What nobody has read is lost with it.
        line.send(READ)
        assert line.is_hung_up()


def test_garbage_comes_before_a_block(arguments: tuple[str, ...]) -> None:
    block = data_block(VALUE)
    with simulate(*arguments, "--misbehave", "block-noise:2") as meter, connect(meter) as line:
        enter(line)
        line.ask(READ, block)
        line.send(READ)
        before = line.read_to(block).removesuffix(block)
        assert {0x00, 0x7F} < set(before)
        assert not {0x01, 0x02, 0x06, 0x15} & {byte & 0x7F for byte in before}
        line.ask(READ, block)


def test_the_connection_is_lost_in_the_middle_of_a_block(arguments: tuple[str, ...], journal: Path) -> None:
    with simulate(*arguments, "--block", "5", "--misbehave", "block-hang-up:2") as meter:
        with connect(meter) as line:
            enter(line)
            line.ask(command("R6", "1.8.0()"), BLOCKS[0])
            line.ask(ACK, BLOCKS[1][:4])
            assert line.is_hung_up()
        wait_for(lambda: "disconnected" in lines_of(journal))
        with connect(meter) as line:
            enter(line)
            line.ask(command("R6", "1.8.0()"), BLOCKS[0])
            line.ask(ACK, BLOCKS[1])
