"""Simulated Modbus devices as a process: command line, the three transports, pacing, echo, hang-up, late answers."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from simulators.__main__ import main
from tests.simulators.modbus_devices import NOW, adu, devices, frame, read
from tests.simulators.reader import connect, lines_of, open_pty, simulate, wait_for

SDM = ("--map", "eastron-sdm630")
STANDING = (*SDM, "--now", NOW, "--frozen")
ASKED, OTHER = read(0x48, 2, 4), read(0x4A, 2, 4)
SOUND = devices(*SDM).hear(frame(ASKED))
CHARACTER_S = 10 / 9600


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ((), "--pty LINK or --tcp PORT"),
        (("--tcp", "0"), "--map, or --unit 1=MAP"),
        (("--tcp", "0", "--map", "nothing"), "maps are abb-b21"),
        (("--tcp", "0", *SDM, "--unit", "0"), "N from 1 to 247"),
        (("--tcp", "0", *SDM, "--unit", "248"), "N from 1 to 247"),
        (("--tcp", "0", *SDM, "--transport", "tcp", "--unit", "256"), "N from 0 to 255"),
        (("--tcp", "0", *SDM, "--unit", "1", "--unit", "1"), "1 is there twice"),
        (("--pty", "x", *SDM, "--transport", "tcp"), "--transport tcp goes with --tcp"),
        (("--tcp", "0", *SDM, "--ct", "200/5"), "has no ratio"),
        (("--tcp", "0", "--map", "carlo-gavazzi-em24", "--ct", "200/0"), "is not PRIMARY/SECONDARY"),
        (("--tcp", "0", "--map", "pulse-u32"), "needs --pulses"),
        (("--tcp", "0", *SDM, "--pulses", "1"), "counts no pulses"),
        (("--tcp", "0", "--map", "pulse-u32", "--pulses", "x"), "is not ADDRESS"),
        (("--tcp", "0", *SDM, "--absent", "1-0:99.9.9"), "has no 1-0:99.9.9"),
        (("--tcp", "0", "--map", "schneider-iem3000", "--not-available", "1-0:1.8.0"), "knows no sentinel"),
        (("--tcp", "0", *SDM, "--serial", "AB"), "is a number"),
        (("--tcp", "0", "--map", "inepro-pro380", "--serial", "123456789"), "no room in bcd32"),
        (("--tcp", "0", "--map", "carlo-gavazzi-em24", "--serial", "123456789012345"), "no room in 14 octets"),
        (("--tcp", "0", *SDM, "--fault", "wrong-protocol"), "needs --transport tcp"),
        (("--tcp", "0", *SDM, "--transport", "tcp", "--fault", "bad-crc"), "needs --transport rtu"),
        (("--tcp", "0", *SDM, "--fault", "slow"), "slow=SECONDS"),
        (("--tcp", "0", *SDM, "--lenient", "--gaps"), "--lenient or --gaps"),
        (("--tcp", "0", *SDM, "--frozen"), "--frozen needs --now"),
        (("--tcp", "0", *SDM, "--now", "yesterday"), "neither ISO 8601 nor real"),
        (("--tcp", "0", "--map", "sunspec-201-204", "--sunspec-model", "1"), "not for 1"),
        (("--tcp", "0", "--map", "sunspec-201-204", "--sunspec-before", "1"), "is not MODEL:LENGTH"),
    ],
)
def test_a_mistake_is_named_with_its_option(arguments: tuple[str, ...], complaint: str) -> None:
    result = CliRunner().invoke(main, ["modbus", *arguments])
    assert result.exit_code == 2
    assert complaint in " ".join(result.output.split())


def test_rtu_over_a_pseudo_terminal(tmp_path: Path) -> None:
    link = tmp_path / "meter"
    with simulate("--pty", link, *STANDING, kind="modbus"), open_pty(link, 9600) as line:
        line.ask(frame(ASKED), SOUND)


def test_rtu_over_tcp_again_after_a_hang_up(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    arguments = ("--tcp", "0", *STANDING, "--fault", "hang-up:2", "--journal", journal)
    with simulate(*arguments, kind="modbus") as simulator:
        with connect(simulator) as line:
            line.ask(frame(ASKED), SOUND)
            line.send(frame(ASKED))
            assert line.is_hung_up()
        wait_for(lambda: "disconnected" in lines_of(journal))
        with connect(simulator) as line:
            line.ask(frame(ASKED), SOUND)
    assert lines_of(journal).count("asked 1 0400480002") == 3


def test_modbus_tcp() -> None:
    with simulate("--tcp", "0", *STANDING, "--transport", "tcp", "--unit", "255", kind="modbus") as simulator:
        sound = devices(*SDM, "--transport", "tcp", "--unit", "255").hear(adu(ASKED, 1, 255))
        with connect(simulator) as line:
            line.ask(adu(ASKED, 1, 255), sound)
            line.ask(adu(ASKED, 2, 255) + adu(ASKED, 1, 255), adu(sound[7:], 2, 255) + sound)


def test_a_late_answer_meets_the_next_request() -> None:
    with (
        simulate("--tcp", "0", *STANDING, "--fault", "late=0.3:1", kind="modbus") as simulator,
        connect(simulator) as line,
    ):
        began = line.send(frame(ASKED))
        assert line.silent_for(0.15)
        line.ask(frame(OTHER), SOUND)
        assert time.monotonic() - began >= 0.3
        line.expect(devices(*SDM).hear(frame(OTHER)))


def test_after_a_damaged_request_and_a_silence_it_hears_again() -> None:
    with simulate("--tcp", "0", *STANDING, kind="modbus") as simulator, connect(simulator) as line:
        line.send(frame(ASKED)[:-1] + b"\x00")
        assert line.silent_for(0.1)
        line.ask(frame(ASKED), SOUND)


def test_a_request_of_an_unknown_function_ends_with_the_silence() -> None:
    with simulate("--tcp", "0", *STANDING, kind="modbus") as simulator, connect(simulator) as line:
        line.ask(frame(b"\x41\x01\x02\x03"), frame(b"\xc1\x01"))
        line.ask(frame(ASKED), SOUND)


def test_the_line_takes_its_time(tmp_path: Path) -> None:
    link = tmp_path / "meter"
    arguments = ("--pty", link, *STANDING, "--baud", "9600", "--reaction-ms", "20")
    with simulate(*arguments, kind="modbus"), open_pty(link, 9600) as line:
        began = line.send(frame(ASKED))
        line.expect(SOUND)
        floor = (len(frame(ASKED)) + 3.5 + len(SOUND)) * CHARACTER_S + 0.02
        assert floor <= time.monotonic() - began < floor + 1


def test_two_wires_return_what_was_sent() -> None:
    with simulate("--tcp", "0", *STANDING, "--local-echo", kind="modbus") as simulator, connect(simulator) as line:
        line.ask(frame(ASKED), frame(ASKED) + SOUND)


def test_values_move_with_the_clock() -> None:
    asked = read(0x0046, 2, 4)  # the frequency is another one every second
    with simulate("--tcp", "0", *SDM, "--now", NOW, kind="modbus") as simulator, connect(simulator) as line:
        line.send(frame(asked))
        first = line.read(9)

        def moved() -> bool:
            line.send(frame(asked))
            return line.read(9) != first

        wait_for(moved)
