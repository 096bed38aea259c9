"""Who may read a simulated meter in programming mode: passwords, refusals, the lock (IEC 62056-21 annex C)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.simulators.reader import (
    ACK,
    BREAK,
    LINES,
    NAK,
    PASSWORD,
    QUICK,
    command,
    connect,
    data_block,
    enter,
    lines_of,
    simulate,
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


@pytest.mark.parametrize(("refusal", "answer"), [("b0", BREAK), ("error", ERROR), ("nak", NAK)])
def test_a_wrong_password_is_refused_and_never_noted(
    arguments: tuple[str, ...], journal: Path, refusal: str, answer: bytes
) -> None:
    with simulate(*arguments, "--refusal", refusal, "--password", "SECRET") as meter, connect(meter) as line:
        for wrong in (WRONG, command("P1", "(secret)"), command("P1", "SECRET")):
            enter(line)
            line.ask(wrong, answer)
            if refusal != "b0":
                line.send(BREAK)
    heard = lines_of(journal)
    assert heard.count("password wrong") == 3
    assert "11111111" not in "".join(heard)
    assert "secret" not in "".join(heard).lower()


@pytest.mark.parametrize("after", [1, 3])
def test_so_many_wrong_passwords_lock_the_meter_for_good(arguments: tuple[str, ...], journal: Path, after: int) -> None:
    locking = ("--refusal", "error", "--lock-after", str(after))
    with simulate(*arguments, *locking) as meter:
        with connect(meter) as line:
            enter(line)
            for _ in range(after):
                line.ask(WRONG, ERROR)
        with connect(meter) as line:
            enter(line)
            line.ask(PASSWORD, ERROR)
            line.ask(READ_ENERGY, ERROR)
    heard = [text for text in lines_of(journal) if text.startswith(("password", "locked"))]
    assert heard == ["password wrong"] * after + ["locked", "locked"]


def test_one_wrong_password_less_does_not_lock(arguments: tuple[str, ...]) -> None:
    with simulate(*arguments, "--refusal", "nak") as meter, connect(meter) as line:
        enter(line)
        for _ in range(2):
            line.ask(WRONG, NAK)
        line.ask(PASSWORD, ACK)
        line.ask(READ_ENERGY, ENERGY)
    with simulate(*arguments, "--refusal", "nak", "--lock-after", "0") as meter, connect(meter) as line:
        enter(line)
        for _ in range(12):
            line.ask(WRONG, NAK)
        line.ask(PASSWORD, ACK)


def test_the_password_may_belong_to_another_command(arguments: tuple[str, ...], journal: Path) -> None:
    options = ("--password", "A1B2", "--password-command", "P2", "--refusal", "error")
    with simulate(*arguments, *options) as meter, connect(meter) as line:
        enter(line)
        line.ask(command("P1", "(A1B2)"), ERROR)
        line.ask(command("P2", "(A1B2)"), ACK)
        line.ask(READ_ENERGY, ENERGY)
    assert lines_of(journal)[2:4] == ["password command P1 not expected", "password ok"]


@pytest.mark.parametrize(("refusal", "answer"), [("b0", BREAK), ("error", ERROR), ("nak", NAK)])
def test_a_command_before_the_password_is_refused(arguments: tuple[str, ...], refusal: str, answer: bytes) -> None:
    with simulate(*arguments, "--refusal", refusal) as meter, connect(meter) as line:
        enter(line)
        line.ask(READ_ENERGY, answer)
        if refusal == "b0":
            # The meter has left programming mode.
            line.send(PASSWORD)
            assert line.silent_for(QUIET_S)
            enter(line)
        line.ask(PASSWORD, ACK)
        line.ask(READ_ENERGY, ENERGY)
        # The next session begins without a password again.
        line.send(BREAK)
        enter(line)
        line.ask(READ_ENERGY, answer)


def test_some_meters_need_no_password(arguments: tuple[str, ...]) -> None:
    with simulate(*arguments, "--no-password", "--refusal", "error") as meter, connect(meter) as line:
        enter(line)
        line.ask(READ_ENERGY, ENERGY)
        line.ask(WRONG, ERROR)
        line.ask(PASSWORD, ACK)
        line.ask(READ_ENERGY, ENERGY)
