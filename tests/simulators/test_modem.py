"""The scripted modem, seen from its serial line, and from the far end of its calls."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.simulators.reader import (
    IDENTIFICATION,
    LINES,
    PATIENCE_S,
    QUICK,
    ROOT,
    SIGN_ON,
    Line,
    Simulator,
    connect,
    framed,
    open_pty,
    option,
    simulate,
)

GUARD_S = 0.1
GUARD = ("--guard-ms", str(GUARD_S * 1000))


@contextlib.contextmanager
def modem(*script: str | Path) -> Iterator[Line]:
    """A modem on TCP, without echo."""
    with (
        simulate("--tcp", "0", "--echo", "off", *GUARD, *script, kind="modem") as simulator,
        connect(simulator) as line,
    ):
        yield line


def ask(line: Line, command: str, answer: bytes) -> None:
    line.send(command.encode() + b"\r")
    line.expect(answer)


def words(*lines: str) -> bytes:
    return b"".join(f"\r\n{text}\r\n".encode() for text in lines)


@contextlib.contextmanager
def far_end() -> Iterator[tuple[socket.socket, tuple[str, str]]]:
    """Who is called, and the option that makes a modem call it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(PATIENCE_S)
        yield server, ("--connect-to", f"tcp:127.0.0.1:{server.getsockname()[1]}")


def test_it_echoes_and_answers_in_words_until_it_is_told_otherwise() -> None:
    with simulate("--tcp", "0", kind="modem") as simulator, connect(simulator) as line:
        ask(line, "AT", b"AT\r" + words("OK"))
        ask(line, "ate0", b"ate0\r" + words("OK"))
        ask(line, "AT", words("OK"))
        ask(line, "ATV0", b"0\r")
        ask(line, "AT+CSQ", b"+CSQ: 17,99\r\n0\r")
        ask(line, "ATZ", words("OK"))
        ask(line, "AT", b"AT\r" + words("OK"))
        line.send(b"nonsense\r\n\r")
        line.expect(b"nonsense\r\n\r")
        assert line.silent_for(0.05)


def test_a_stubborn_modem_keeps_echo_and_numbers() -> None:
    stubborn = ("--echo", "always", "--codes", "always-numbers")
    with simulate("--tcp", "0", *stubborn, kind="modem") as simulator, connect(simulator) as line:
        ask(line, "ATE0V1", b"ATE0V1\r0\r")
        ask(line, "ATE0", b"ATE0\r0\r")
        ask(line, "ATV1", b"ATV1\r0\r")


def test_each_call_has_the_result_that_the_script_says() -> None:
    kinds = ("busy", "no-answer", "no-carrier", "no-dialtone", "delayed", "blacklisted", "error", "cme:30")
    script = [part for kind in kinds for part in ("--result", kind)]
    with modem(*script) as line:
        for result in ("BUSY", "NO ANSWER", "NO CARRIER", "NO DIALTONE", "DELAYED", "BLACKLISTED", "ERROR"):
            ask(line, "ATD123", words(result))
        for _ in range(2):
            ask(line, "ATDT123", words("+CME ERROR: 30"))
    with modem("--codes", "numbers", "--result", "busy") as line:
        ask(line, "ATD123", b"7\r")


def test_a_call_nobody_answers_is_aborted_by_a_character() -> None:
    with modem("--result", "silence") as line:
        line.send(b"ATD123\r")
        assert line.silent_for(0.1)
        ask(line, "", words("NO CARRIER"))
    with modem("--delay-ms", "150", "--result", "busy") as line:
        line.send(b"ATD123\r")
        assert line.silent_for(0.05)
        line.expect(words("BUSY"))


def test_command_lines_fail_or_stay_unanswered_by_number() -> None:
    with modem("--fail-step", "2", "--fail-step", "3:+CME ERROR: 100", "--mute-step", "4") as line:
        ask(line, "ATZ", words("OK"))
        ask(line, "ATZ", words("ERROR"))
        ask(line, "ATZ", words("+CME ERROR: 100"))
        line.send(b"ATZ\r")
        assert line.silent_for(0.05)
        ask(line, "ATZ", words("OK"))


def test_a_card_that_wants_a_pin() -> None:
    with modem("--sim", "pin", "--pin", "4711") as line:
        ask(line, "AT+CPIN?", words("+CPIN: SIM PIN", "OK"))
        ask(line, "AT+CREG?", words("+CME ERROR: 11"))
        for _ in range(2):
            ask(line, 'AT+CPIN="0000"', words("+CME ERROR: 16"))
        ask(line, "AT+CPIN?", words("+CPIN: SIM PIN", "OK"))
        ask(line, 'AT+CPIN="4711"', words("OK"))
        ask(line, "AT+CPIN?", words("+CPIN: READY", "OK"))
        ask(line, 'AT+CPIN="4711"', words("+CME ERROR: 3"))
    with modem("--sim", "pin") as line:
        for _ in range(3):
            ask(line, 'AT+CPIN="0000"', words("+CME ERROR: 16"))
        ask(line, "AT+CPIN?", words("+CPIN: SIM PUK", "OK"))


@pytest.mark.parametrize(
    ("sim", "answer"), [("absent", "+CME ERROR: 10"), ("none", "ERROR"), ("busy", "+CME ERROR: 14")]
)
def test_a_card_that_cannot_be_asked(sim: str, answer: str) -> None:
    with modem("--sim", sim) as line:
        ask(line, "AT+CPIN?", words(answer))
        if sim == "busy":
            ask(line, "AT+CPIN?", words("+CPIN: READY", "OK"))


def test_registration_and_signal() -> None:
    with modem("--registration", "2,0,5", "--signal", "31") as line:
        for state in (2, 0, 5, 5):
            ask(line, "AT+CREG?", words(f"+CREG: 0,{state}", "OK"))
        ask(line, "AT+CSQ", words("+CSQ: 31,99", "OK"))


def test_what_nobody_asked_for() -> None:
    with modem("--ring-at", "1", "--ring-at", "0", "--unsolicited", '+CMTI: "SM",1', "--result", "busy") as line:
        ask(line, "AT", words('+CMTI: "SM",1', "RING", "OK"))
        ask(line, "ATD1", words('+CMTI: "SM",1', "RING", "BUSY"))


def test_a_call_joins_both_ends_until_it_is_hung_up(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    with far_end() as (server, target), modem(*target, "--journal", journal) as line:
        ask(line, "ATD+420601234589", words("CONNECT 9600"))
        meter = server.accept()[0]
        with meter:
            meter.settimeout(PATIENCE_S)
            meter.sendall(bytes(range(256)))
            line.expect(bytes(range(256)))
            line.send(b"at+++ATH\r")
            assert meter.recv(100) == b"at+++ATH\r"
            assert line.silent_for(2 * GUARD_S)
            sent = line.send(b"+++")
            line.expect(words("OK"))
            assert time.monotonic() - sent >= GUARD_S
            assert meter.recv(100) == b"+++"
            ask(line, "ATH", words("OK"))
            assert meter.recv(100) == b""
    heard = journal.read_text().splitlines()
    assert heard[:5] == ["ATD+420601234589", "connected", "escaped", "ATH", "on hook"]


def test_pluses_close_to_data_are_data() -> None:
    with far_end() as (server, target), modem(*target, "--guard-ms", "1000") as line:
        ask(line, "ATD1", words("CONNECT 9600"))
        with server.accept()[0] as meter:
            meter.settimeout(PATIENCE_S)
            for before, after in ((b"x", b"+++"), (b"+++", b"x"), (b"++", b"++")):
                line.send(before)
                assert meter.recv(10) == before
                line.send(after)
                assert line.silent_for(1.2)
                assert meter.recv(10) == after


@pytest.mark.parametrize("how", ["words", "silence", "hang-up"])
def test_the_carrier_is_lost_after_so_many_bytes(how: str) -> None:
    with far_end() as (server, target), modem(*target, "--drop-after", "5", "--drop-how", how) as line:
        ask(line, "ATD1", words("CONNECT 9600"))
        with server.accept()[0] as meter:
            meter.settimeout(PATIENCE_S)
            meter.sendall(b"123")
            meter.sendall(b"4567")
            line.expect(b"12345" + (words("NO CARRIER") if how == "words" else b""))
            with contextlib.suppress(ConnectionResetError):
                assert meter.recv(10) == b""
        if how == "hang-up":
            assert line.is_hung_up()
        else:
            assert line.silent_for(0.05)
            ask(line, "AT", words("OK"))


def test_the_far_end_may_hang_up_or_not_be_there() -> None:
    with far_end() as (server, target), modem(*target) as line:
        ask(line, "ATD1", words("CONNECT 9600"))
        server.accept()[0].close()
        line.expect(words("NO CARRIER"))
        server.close()
        ask(line, "ATD1", words("NO CARRIER"))


def test_a_reader_that_goes_away_ends_the_call() -> None:
    with far_end() as (server, target), simulate("--tcp", "0", *target, kind="modem") as simulator:
        with connect(simulator) as line:
            line.send(b"ATD1\r")
            line.read_to(b"CONNECT 9600\r\n")
            meter = server.accept()[0]
        with meter:
            meter.settimeout(PATIENCE_S)
            assert meter.recv(10) == b""


def test_a_modem_that_was_left_in_a_call() -> None:
    with modem("--stuck") as line:
        line.send(b"AT\r")
        assert line.silent_for(GUARD_S * 1.5)
        line.send(b"+++")
        line.expect(words("OK"))
        ask(line, "AT", words("OK"))


def test_it_serves_a_pseudo_terminal_and_calls_one(tmp_path: Path) -> None:
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    link = tmp_path / "modem"
    target = ("--connect-to", f"pty:{os.ttyname(theirs)}")
    try:
        with simulate("--pty", link, "--echo", "off", *target, kind="modem") as simulator:
            assert simulator.ready == f"pty {link}"
            with open_pty(link, 9600) as line:
                ask(line, "ATD1", words("CONNECT 9600"))
                line.send(b"/?!\r\n")
                assert os.read(ours, 100) == b"/?!\r\n"
                os.write(ours, b"/x\r\n")
                line.expect(b"/x\r\n")
        assert not link.exists()
    finally:
        os.close(ours)
        os.close(theirs)


def test_a_simulated_meter_is_read_through_it(tmp_path: Path) -> None:
    file = tmp_path / "lines.txt"
    file.write_bytes(LINES)

    def read(meter: Simulator) -> None:
        with modem("--connect-to", f"tcp:127.0.0.1:{meter.port}", "--connect-text", "CONNECT 9600/RLP") as line:
            ask(line, "ATD1", words("CONNECT 9600/RLP"))
            line.send(SIGN_ON)
            line.expect(IDENTIFICATION)
            line.send(option("5"))
            line.expect(framed())

    with simulate("--readout", file, "--tcp", "0", *QUICK) as meter:
        read(meter)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ((), "--pty LINK or --tcp PORT"),
        (("--tcp", "0", "--pty", "x"), "--pty LINK or --tcp PORT"),
        (("--tcp", "0", "--result", "sulk"), "sulk"),
        (("--tcp", "0", "--result", "cme:x"), "cme:x"),
        (("--tcp", "0", "--connect-to", "udp:1"), "udp:1"),
        (("--tcp", "0", "--registration", "1,x"), "1,x"),
        (("--tcp", "0", "--fail-step", "0"), "'0'"),
        (("--tcp", "0", "--drop-how", "gently"), "gently"),
        (("--pty", "/dev/null"), "/dev/null"),
    ],
)
def test_a_mistake_is_named(arguments: tuple[str, ...], complaint: str) -> None:
    command = [sys.executable, "-m", "simulators", "modem", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert complaint in done.stderr


def test_a_killed_call_leaves_nothing_behind() -> None:
    """SIGTERM in the middle of a call: the far end sees the end of it."""
    with (
        far_end() as (server, target),
        simulate("--tcp", "0", *target, kind="modem") as simulator,
        connect(simulator) as line,
    ):
        line.send(b"ATD1\r")
        line.read_to(b"CONNECT 9600\r\n")
        with server.accept()[0] as meter:
            meter.settimeout(PATIENCE_S)
            assert simulator.stop() == 0
            assert meter.recv(10) == b""
