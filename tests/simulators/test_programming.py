"""Programming mode of the simulated meter: the way in, the password, one value at a time, and the way out.

The messages are written out by hand from IEC 62056-21:2002 6.3.5, 6.4.3.2 and annex C, most of them with the BCC worked
out in a comment.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.simulators.reader import (
    ACK,
    BREAK,
    IDENTIFICATION,
    LINES,
    NAK,
    PASSWORD,
    QUICK,
    SIGN_ON,
    command,
    connect,
    data_block,
    enter,
    framed,
    lines_of,
    log_in,
    open_pty,
    option,
    simulate,
    wait_for,
    with_even_parity,
)

QUIET_S = 0.15
# 52^31^02^31^2E^38^2E^30^28^29^03 = 5A, and R5 is 5E
READ_ENERGY = b"\x01R1\x021.8.0()\x03Z"
ENERGY = data_block(b"1.8.0(000123.456*kWh)")
# 28^45^52^52^4F^52^29^03 = 5A
ERROR = b"\x02(ERROR)\x03Z"
WRONG = command("P1", "(11111111)")


@pytest.fixture
def arguments(tmp_path: Path) -> tuple[str, ...]:
    file = tmp_path / "lines.txt"
    file.write_bytes(LINES)
    return ("--readout", str(file), "--tcp", "0", "--journal", str(tmp_path / "journal"), *QUICK)


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "journal"


def test_a_session_from_the_sign_on_to_the_break(arguments: tuple[str, ...], journal: Path) -> None:
    with simulate(*arguments) as meter, connect(meter) as line:
        for _ in range(2):
            log_in(line)
            line.ask(READ_ENERGY, ENERGY)
            line.ask(b"\x01R5\x022.8.0()\x03]", data_block(b"2.8.0(000001.000*kWh)"))
            line.send(BREAK)
        line.send(SIGN_ON)
        line.expect(IDENTIFICATION)
    session = ["sign-on", "option 051", "password ok", "command R1 1.8.0()", "command R5 2.8.0()", "break"]
    assert lines_of(journal)[:13] == [*session, *session, "sign-on"]


@pytest.mark.parametrize(
    ("lines", "options", "opening"),
    [
        (b"0.0.0(35031234)\n", (), b"\x01P0\x02(35031234)\x03a"),  # 60^33^35^30^33^31^32^33^34 = 61
        (b"1-0:0.0.0*255(7)\n", (), b"\x01P0\x02(7)\x03W"),
        (b"0.0.0(1)\nC.1.0(2)\n", (), b"\x01P0\x02(2)\x03R"),
        (b"C.1(AB)\n", (), b"\x01P0\x02(AB)\x03c"),
        (b"0.0.0(1)\n", ("--operand", "BEEF"), b"\x01P0\x02(BEEF)\x03d"),
        (b"0.0.0(1)\n", ("--operand", ""), b"\x01P0\x02()\x03`"),
        (b"0.0.0(1)\n", ("--p0", "bare"), b"\x01P0\x03c"),
        (b"0.0.0(1)\n", ("--p0", "ack"), b"\x06"),
    ],
)
def test_the_meter_opens_with_p0_or_an_ack(
    arguments: tuple[str, ...], tmp_path: Path, lines: bytes, options: tuple[str, ...], opening: bytes
) -> None:
    (tmp_path / "lines.txt").write_bytes(lines)
    with simulate(*arguments, *options) as meter, connect(meter) as line:
        enter(line, opening)
        assert line.silent_for(0.05)
        line.ask(PASSWORD, ACK)


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        ("1.8.0()", b"1-0:1.8.0*255(0008048.375*kWh)"),
        ("1.8.0", b"1-0:1.8.0*255(0008048.375*kWh)"),
        ("1-0:1.8.0*255()", b"1-0:1.8.0*255(0008048.375*kWh)"),
        ("1.8.0*05()", b"1.8.0*05(1)"),
        ("1.8.0*06()", b"1.8.0*06(2)(2602010000)"),
        ("0.9.1()", b"0.9.1()"),
        ("F.F()", b"F.F(00)"),
        ("1.8()", b"(ERROR)"),
        ("F.F(1)", b"F.F(00)"),
        ("F.F(2)", b"(ERROR)"),
        ("()", b"(ERROR)"),
    ],
)
def test_a_data_set_is_found_by_its_code(arguments: tuple[str, ...], tmp_path: Path, asked: str, answer: bytes) -> None:
    (tmp_path / "lines.txt").write_bytes(
        b"F.F(00)\n1-0:1.8.0*255(0008048.375*kWh)1.8.0*05(1)\n1-1:1.8.0(9)\n1.8.0*06(2)(2602010000)\n0.9.1()\n!\n"
    )
    with simulate(*arguments, "--no-password") as meter, connect(meter) as line:
        enter(line)
        line.ask(command("R5", asked), data_block(answer))


def test_the_answer_may_be_the_value_alone(arguments: tuple[str, ...]) -> None:
    with simulate(*arguments, "--no-password", "--answer-form", "value") as meter, connect(meter) as line:
        enter(line)
        line.ask(READ_ENERGY, data_block(b"(000123.456*kWh)"))


def test_only_supported_commands_are_answered_and_nothing_is_written(arguments: tuple[str, ...], journal: Path) -> None:
    with simulate(*arguments, "--commands", "R5,R6") as meter, connect(meter) as line:
        log_in(line)
        for name in ("R1", "R2", "R3", "R4", "R7"):
            line.ask(command(name, "1.8.0()"), ERROR)
        for name in ("R5", "R6"):
            line.ask(command(name, "1.8.0()"), ENERGY)
        for name in ("W1", "W5", "E2"):
            line.ask(command(name, "0.9.1(120000)"), ERROR)
        line.ask(command("R5", "0.9.1()"), ERROR)
    heard = lines_of(journal)
    assert heard[heard.index("command R6 1.8.0()") + 1 :][:4] == [
        "WRITE W1 0.9.1(120000)",
        "WRITE W5 0.9.1(120000)",
        "WRITE E2 0.9.1(120000)",
        "command R5 0.9.1()",
    ]


def test_a_garbled_command_is_answered_with_nak_and_not_obeyed(arguments: tuple[str, ...], journal: Path) -> None:
    with simulate(*arguments, "--lock-after", "1") as meter, connect(meter) as line:
        enter(line)
        line.ask(WRONG[:-1] + b"\x00", NAK)
        line.ask(PASSWORD, ACK)
        for wrong in (READ_ENERGY[:-1] + b"z", READ_ENERGY.replace(b"1.8.0", b"1.8.1"), BREAK[:-1] + b"Q"):
            line.ask(wrong, NAK)
        line.ask(READ_ENERGY, ENERGY)
        # A NAK to that NAK asks for what was said before.
        line.ask(READ_ENERGY[:-1] + b"z", NAK)
        line.ask(NAK, ENERGY)
    assert [text for text in lines_of(journal) if text.startswith("bad")] == [
        "bad bcc in P1",
        "bad bcc in R1",
        "bad bcc in R1",
        "bad bcc in B0",
        "bad bcc in R1",
    ]


def test_nak_repeats_the_last_message_of_any_kind(arguments: tuple[str, ...], journal: Path) -> None:
    with simulate(*arguments) as meter, connect(meter) as line:
        enter(line)
        line.ask(NAK, b"\x01P0\x02()\x03`")
        line.ask(PASSWORD, ACK)
        line.ask(NAK, ACK)
        line.ask(READ_ENERGY, ENERGY)
        line.ask(NAK, ENERGY)
        # The answer was whole: there is no next block.
        line.send(ACK)
        assert line.silent_for(0.05)
    assert lines_of(journal).count("nak") == 3


def test_inactivity_ends_the_session(arguments: tuple[str, ...], journal: Path) -> None:
    with simulate(*arguments, "--inactivity", "0.4") as meter, connect(meter) as line:
        log_in(line)
        assert line.silent_for(0.25)
        line.ask(READ_ENERGY, ENERGY)
        assert line.silent_for(0.25)
        assert "timeout" not in lines_of(journal)
        wait_for(lambda: "timeout" in lines_of(journal))
        line.send(READ_ENERGY)
        assert line.silent_for(QUIET_S)
        enter(line)


def test_the_time_for_sending_is_no_inactivity(arguments: tuple[str, ...], tmp_path: Path) -> None:
    # 1,000 characters take longer than a second at 9600 Bd.
    data = b"1.8.0(" + b"1" * 1000 + b")"
    (tmp_path / "lines.txt").write_bytes(data)
    with simulate(*arguments, "--pace", "--inactivity", "0.5", "--no-password") as meter, connect(meter) as line:
        enter(line)
        line.ask(READ_ENERGY, data_block(data))
        line.ask(NAK, data_block(data))


def test_what_comes_while_the_meter_opens_is_not_heard(arguments: tuple[str, ...]) -> None:
    with simulate(*arguments) as meter, connect(meter) as line:
        line.ask(SIGN_ON, IDENTIFICATION)
        line.ask(option("5", "1") + PASSWORD, b"\x01P0\x02()\x03`")
        assert line.silent_for(QUIET_S)


def test_a_line_of_the_journal_stays_one_line(arguments: tuple[str, ...], journal: Path) -> None:
    with simulate(*arguments, "--no-password") as meter, connect(meter) as line:
        enter(line)
        line.ask(command("R5", "1\n8"), ERROR)
    assert lines_of(journal)[2] == "command R5 1\\n8"


def test_a_sign_on_means_nothing_in_programming_mode(arguments: tuple[str, ...]) -> None:
    with simulate(*arguments) as meter:
        with connect(meter) as line:
            log_in(line)
            line.send(SIGN_ON)
            assert line.silent_for(QUIET_S)
        # The next connection finds an idle meter.
        with connect(meter) as line:
            log_in(line)


def test_the_reader_is_answered_with_its_parity(arguments: tuple[str, ...]) -> None:
    with simulate(*arguments) as meter, connect(meter) as line:
        for request, answer in (
            (SIGN_ON, IDENTIFICATION),
            (option("5", "1"), b"\x01P0\x02()\x03`"),
            (PASSWORD, ACK),
            (READ_ENERGY, ENERGY),
        ):
            line.ask(with_even_parity(request), with_even_parity(answer))


@pytest.mark.parametrize(("rate", "baud"), [("5", 9600), ("0", 300)])
def test_the_rate_is_the_one_asked_for_and_goes_back(
    arguments: tuple[str, ...], tmp_path: Path, rate: str, baud: int
) -> None:
    link = tmp_path / "meter"
    on_pty = (*arguments[:2], "--pty", str(link), "--no-pace", "--reaction-ms", "30")
    with simulate(*on_pty), open_pty(link) as line:
        for _ in range(2):
            line.set_baud(300)
            line.ask(SIGN_ON, IDENTIFICATION)
            line.send(option(rate, "1"))
            line.set_baud(baud)
            line.expect(b"\x01P0\x02()\x03`")
            line.ask(PASSWORD, ACK)
            line.ask(READ_ENERGY, ENERGY)
            line.send(BREAK)
        line.set_baud(300)
        line.ask(SIGN_ON, IDENTIFICATION)
        line.send(option("5"))
        line.set_baud(9600)
        line.expect(framed())


def test_programming_at_a_faster_rate_than_offered_is_met_with_silence(arguments: tuple[str, ...]) -> None:
    with simulate(*arguments, "--identification", "SIM3x") as meter, connect(meter) as line:
        line.ask(SIGN_ON, b"/SIM3x\r\n")
        line.send(option("5", "1"))
        assert line.silent_for(QUIET_S)
        line.ask(SIGN_ON, b"/SIM3x\r\n")
        line.ask(option("3", "1"), b"\x01P0\x02()\x03`")


def test_values_advance_with_every_session(arguments: tuple[str, ...]) -> None:
    with simulate(*arguments, "--no-password", "--advance", "1.8.0=0.5") as meter, connect(meter) as line:
        for number in (b"000123.956", b"000124.456"):
            enter(line)
            line.ask(READ_ENERGY, data_block(b"1.8.0(" + number + b"*kWh)"))
            line.send(BREAK)


def test_echo_returns_commands_first(arguments: tuple[str, ...]) -> None:
    with simulate(*arguments, "--misbehave", "echo") as meter, connect(meter) as line:
        for request, answer in (
            (SIGN_ON, IDENTIFICATION),
            (option("5", "1"), b"\x01P0\x02()\x03`"),
            (PASSWORD, ACK),
            (READ_ENERGY, ENERGY),
            (NAK, ENERGY),
            (BREAK, b""),
            (SIGN_ON, IDENTIFICATION),
        ):
            line.ask(request, request + answer)
