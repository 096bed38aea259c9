"""The simulated IEC 62056-21 meter behaves as the modes of the standard say, on TCP and on a pseudo-terminal."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.simulators.reader import (
    BODY,
    BREAK,
    IDENTIFICATION,
    LINES,
    QUICK,
    SIGN_ON,
    connect,
    framed,
    open_pty,
    option,
    simulate,
    with_even_parity,
)

QUIET_S = 0.15
P1 = b"/ISk5\\2MT382-1000\r\n\r\n1-0:1.8.1(000004.426*kWh)\r\n0-0:96.13.0()\r\n!7E84\r\n"


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    file = tmp_path / "lines.txt"
    file.write_bytes(LINES)
    return file


def readout(lines: Path) -> tuple[str, str]:
    return ("--readout", str(lines))


@pytest.mark.parametrize(
    ("mode", "identification"), [("A", b"/SIMZGATEWAYD\r\n"), ("B", b"/SIMEGATEWAYD\r\n")], ids=["A", "B"]
)
def test_modes_a_and_b_send_the_data_without_being_asked_twice(lines: Path, mode: str, identification: bytes) -> None:
    with simulate(*readout(lines), "--tcp", "0", "--mode", mode, *QUICK) as meter, connect(meter) as line:
        for _ in range(2):
            line.send(SIGN_ON)
            line.expect(identification + framed())


def test_mode_b_changes_to_the_rate_of_the_identification(lines: Path, tmp_path: Path) -> None:
    link = tmp_path / "meter"
    arguments = ("--pty", link, "--mode", "B", "--identification", "SIMCx", "--no-pace", "--reaction-ms", "100")
    with simulate(*readout(lines), *arguments), open_pty(link) as line:
        line.send(SIGN_ON)
        line.expect(b"/SIMCx\r\n")
        line.set_baud(2400)
        line.expect(framed())


@pytest.mark.parametrize("rate", ["5", "2", "0"])
def test_mode_c_sends_at_the_rate_that_was_asked_for(lines: Path, tmp_path: Path, rate: str) -> None:
    link = tmp_path / "meter"
    with simulate(*readout(lines), "--pty", link, "--no-pace", "--reaction-ms", "30"), open_pty(link) as line:
        for _ in range(2):
            line.set_baud(300)
            line.send(SIGN_ON)
            line.expect(IDENTIFICATION)
            line.send(option(rate))
            line.set_baud({"5": 9600, "2": 1200, "0": 300}[rate])
            line.expect(framed())


def test_mode_c_without_an_option_falls_back_to_mode_a(lines: Path) -> None:
    with simulate(*readout(lines), "--tcp", "0", *QUICK) as meter, connect(meter) as line:
        line.send(SIGN_ON)
        line.expect(IDENTIFICATION)
        assert line.silent_for(1.5)
        line.expect(framed(), within=1.5)


def test_a_faster_rate_than_offered_is_refused(lines: Path, tmp_path: Path) -> None:
    link = tmp_path / "meter"
    arguments = ("--identification", "SIM3GATEWAYD", "--ack-wait", "60", *QUICK)
    with simulate(*readout(lines), "--pty", link, *arguments), open_pty(link) as line:
        line.send(SIGN_ON)
        line.read_to(b"\r\n")
        line.send(option("5"))
        line.expect(framed())


@pytest.mark.parametrize("message", [option("5", "1"), option("5", "2", "2"), option("5", "6"), option("6", "1")])
def test_what_is_not_played_is_met_with_silence(lines: Path, message: bytes) -> None:
    arguments = ("--mode", "C", "--no-programming", "--ack-wait", "0.1")
    with simulate(*readout(lines), "--tcp", "0", *arguments, *QUICK) as meter, connect(meter) as line:
        line.send(SIGN_ON)
        line.expect(IDENTIFICATION)
        line.send(message)
        assert line.silent_for(QUIET_S)
        line.send(SIGN_ON)
        line.read_to(b"\r\n")
        line.send(option("5"))
        line.expect(framed())


def test_mode_d_pushes_at_its_interval(lines: Path, tmp_path: Path) -> None:
    link = tmp_path / "meter"
    arguments = ("--mode", "D", "--push-every", "0.2", "--identification", "SIM5push")
    with simulate(*readout(lines), "--pty", link, *arguments), open_pty(link, 9600) as line:
        line.read_to(b"!\r\n")
        for _ in range(3):
            line.expect(b"/SIM5push\r\n\r\n" + BODY + b"!\r\n")


def test_nothing_that_is_sent_disturbs_mode_d(lines: Path) -> None:
    arguments = ("--mode", "D", "--push-every", "0.1", "--identification", "SIM5push")
    with simulate(*readout(lines), "--tcp", "0", *arguments) as meter, connect(meter) as line:
        for _ in range(3):
            line.send(BREAK + SIGN_ON)
            line.expect(b"/SIM5push\r\n\r\n" + BODY + b"!\r\n")


def test_mode_d_leaves_a_telegram_as_it_stands(tmp_path: Path) -> None:
    file = tmp_path / "p1.txt"
    file.write_bytes(P1)
    with simulate(*readout(file), "--tcp", "0", "--mode", "D", "--push-every", "0.05", *QUICK) as meter:
        for _ in range(2):
            with connect(meter) as line:
                line.expect(P1 + P1)


def test_a_telegram_is_framed_in_the_other_modes(tmp_path: Path) -> None:
    file = tmp_path / "p1.txt"
    file.write_bytes(P1)
    with simulate(*readout(file), "--tcp", "0", *QUICK) as meter, connect(meter) as line:
        line.send(SIGN_ON)
        line.expect(b"/ISk5\\2MT382-1000\r\n")
        line.send(option("5"))
        line.expect(framed(b"1-0:1.8.1(000004.426*kWh)\r\n0-0:96.13.0()\r\n"))


def test_a_capture_leaves_as_it_stands_whole_or_cut(tmp_path: Path) -> None:
    file = tmp_path / "capture.bin"
    for capture in (b"\x06050\r\n\x021.8.0(1)\r\n!\r\n\x03\x7f", b"\x02F.F(00)\r\n1.8.0(0001", framed()):
        file.write_bytes(capture)
        with simulate(*readout(file), "--tcp", "0", *QUICK) as meter, connect(meter) as line:
            line.send(SIGN_ON)
            line.read_to(b"\r\n")
            line.send(option("5"))
            line.expect(capture)
            assert line.silent_for(QUIET_S)


def test_only_its_own_address_is_answered(lines: Path) -> None:
    with (
        simulate(*readout(lines), "--tcp", "0", "--mode", "A", "--address", "00480", *QUICK) as meter,
        connect(meter) as line,
    ):
        for other in (b"/?!\r\n", b"/?481!\r\n", b"/?4800!\r\n"):
            line.send(other)
            assert line.silent_for(QUIET_S)
        for own in (b"/?480!\r\n", b"/?0000480!\r\n"):
            line.send(own)
            line.expect(b"/SIMZGATEWAYD\r\n" + framed())


def test_any_address_is_answered_after_wake_up_characters(lines: Path) -> None:
    with simulate(*readout(lines), "--tcp", "0", "--mode", "A", *QUICK) as meter, connect(meter) as line:
        line.send(b"\x00" * 300 + b"\x7f/?123!\r\n")
        line.expect(b"/SIMZGATEWAYD\r\n" + framed())


def test_a_break_returns_the_meter_to_idle(lines: Path) -> None:
    # 600 ms for the identification at 300 Bd: the break comes in the middle of it.
    with simulate(*readout(lines), "--tcp", "0", "--reaction-ms", "0") as meter, connect(meter) as line:
        line.send(SIGN_ON)
        line.read(3)
        line.send(BREAK)
        line.drain(QUIET_S)
        line.send(SIGN_ON)
        line.expect(IDENTIFICATION)
        line.send(BREAK)
        line.send(SIGN_ON)
        line.expect(IDENTIFICATION)


def test_a_repeated_sign_on_is_answered_instead_of_an_option(lines: Path) -> None:
    with simulate(*readout(lines), "--tcp", "0", *QUICK) as meter, connect(meter) as line:
        for _ in range(3):
            line.send(SIGN_ON)
            line.expect(IDENTIFICATION)


@pytest.mark.parametrize("requested", ["auto", "even", "none"])
def test_parity_is_the_readers_or_as_ordered(lines: Path, requested: str) -> None:
    with (
        simulate(*readout(lines), "--tcp", "0", "--mode", "A", "--parity", requested, *QUICK) as meter,
        connect(meter) as line,
    ):
        for computed in (True, False):
            line.send(with_even_parity(SIGN_ON) if computed else SIGN_ON)
            plain = b"/SIMZGATEWAYD\r\n" + framed()
            even = requested == "even" or (requested == "auto" and computed)
            line.expect(with_even_parity(plain) if even else plain)


def test_values_advance_before_every_readout(lines: Path) -> None:
    arguments = ("--mode", "A", "--advance", "1.8.0=0.544", "--advance", "2.8.0=999999.5")
    with simulate(*readout(lines), "--tcp", "0", *arguments, *QUICK) as meter, connect(meter) as line:
        for number, wrapped in ((b"000124.000", b"000000.500"), (b"000124.544", b"000000.000")):
            line.send(SIGN_ON)
            line.read_to(b"\r\n")
            line.expect(framed(b"F.F(00)\r\n1.8.0(" + number + b"*kWh)\r\n2.8.0(" + wrapped + b"*kWh)\r\n"))


def test_an_advancing_telegram_keeps_a_right_check_sum(tmp_path: Path) -> None:
    file = tmp_path / "p1.txt"
    file.write_bytes(P1)
    arguments = ("--mode", "D", "--push-every", "0.05", "--advance", "1.8.1=0.001")
    with simulate(*readout(file), "--tcp", "0", *arguments, *QUICK) as meter, connect(meter) as line:
        for step, crc in ((b"427", b"EBD9"), (b"428", b"2BA8")):
            line.expect(P1.replace(b"426", step).replace(b"7E84", crc))


def test_a_meter_serves_one_connection_after_the_other(lines: Path) -> None:
    with simulate(*readout(lines), "--tcp", "0", "--seed", "1", *QUICK) as meter:
        for _ in range(3):
            with connect(meter) as line:
                line.send(SIGN_ON)
                line.expect(IDENTIFICATION)
        # The next reader finds an idle meter, not one that waits for an option.
        with connect(meter) as line:
            assert line.silent_for(QUIET_S)


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_the_link_goes_when_the_simulator_ends(lines: Path, tmp_path: Path, ending: signal.Signals) -> None:
    link = tmp_path / "meter"
    with simulate(*readout(lines), "--pty", link) as meter:
        assert meter.ready == f"pty {link}"
        assert link.is_symlink()
        assert meter.stop(ending) == 0
        assert not link.is_symlink()


def test_the_own_readouts_are_played() -> None:
    readouts = Path(__file__).parents[2] / "simulators" / "readouts"
    for name in ("household.txt", "industrial.txt"):
        with simulate(*readout(readouts / name), "--tcp", "0", *QUICK) as meter, connect(meter) as line:
            line.send(SIGN_ON)
            text = (readouts / name).read_bytes().replace(b"\n", b"\r\n")
            identification, _, rest = text.partition(b"\r\n")
            line.expect(identification + b"\r\n")
            line.send(option("5"))
            line.expect(framed(rest.removesuffix(b"!\r\n")))
    # No step at all: the check sum that is computed anew has to be the one in the file.
    pushing = ("--mode", "D", "--push-every", "9", "--advance", "1.8.1=0")
    with simulate(*readout(readouts / "push.txt"), "--tcp", "0", *pushing, *QUICK) as meter, connect(meter) as line:
        line.expect((readouts / "push.txt").read_bytes().replace(b"\n", b"\r\n"))
