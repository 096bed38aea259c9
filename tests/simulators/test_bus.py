"""Several simulated meters on one line, and several tables of one meter."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.simulators.reader import (
    ACK,
    BREAK,
    LINES,
    QUICK,
    SIGN_ON,
    command,
    connect,
    data_block,
    framed,
    lines_of,
    open_pty,
    option,
    simulate,
)

QUIET_S = 0.15
OTHER = b"/XYZ4SECOND\r\nF.F(00)\r\n0.0.0(42)\r\n!\r\n"
PROFILE = b"P.01(0260101001500)(00)(15)(1)(1.5)(kW)\r\n(0.1)\r\n"


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path, Path]:
    """Two readouts and a load profile."""
    one, two, profile = (tmp_path / name for name in ("one.txt", "two.txt", "profile.txt"))
    one.write_bytes(LINES)
    two.write_bytes(OTHER)
    profile.write_bytes(PROFILE)
    return one, two, profile


def test_the_meter_that_is_addressed_answers_and_a_dead_one_never(
    files: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    link, journal = tmp_path / "bus", tmp_path / "journal"
    meters = (
        *("--meter", f"address=1,readout={files[0]},identification=ABC5first"),
        *("--meter", f"address=2,readout={files[1]}"),
        *("--meter", f"address=3,readout={files[0]},dead"),
    )
    with simulate(*meters, "--pty", link, "--journal", journal, "--no-check-baud", *QUICK), open_pty(link) as line:
        for _ in range(2):
            line.ask(b"/?1!\r\n", b"/ABC5first\r\n")
            line.ask(option("5"), framed())
            line.send(b"/?3!\r\n")
            assert line.silent_for(QUIET_S)
            line.ask(b"/?0002!\r\n", b"/XYZ4SECOND\r\n")
            line.ask(option("4"), framed(b"F.F(00)\r\n0.0.0(42)\r\n"))
            line.send(SIGN_ON)
            assert line.silent_for(QUIET_S)
    once = ["sign-on 1", "option 050", "sign-on 3", "sign-on 0002", "option 040", "sign-on"]
    assert lines_of(journal) == [*once, *once]


def test_each_meter_has_its_own_password_profile_and_memory_of_wrong_passwords(
    files: tuple[Path, Path, Path],
) -> None:
    meters = (
        *("--readout", files[0], "--address", "1", "--password", "one"),
        *("--meter", f"address=2,readout={files[1]},password=two,profile={files[2]}"),
    )
    with simulate(*meters, "--tcp", "0", "--lock-after", "1", *QUICK) as meter, connect(meter) as line:
        line.ask(b"/?1!\r\n", b"/SIM5GATEWAYD\r\n")
        line.ask(option("5", "1"), b"\x01P0\x02()\x03`")
        line.ask(command("P1", "(two)"), BREAK)
        line.ask(b"/?2!\r\n", b"/XYZ4SECOND\r\n")
        # 60^34^32 = 66
        line.ask(option("4", "1"), b"\x01P0\x02(42)\x03f")
        line.ask(command("P1", "(two)"), ACK)
        line.ask(command("R5", "P.01(;)"), data_block(PROFILE))
        line.send(BREAK)
        line.ask(b"/?1!\r\n", b"/SIM5GATEWAYD\r\n")
        line.ask(option("5", "1"), b"\x01P0\x02()\x03`")
        line.ask(command("P1", "(one)"), BREAK)


def test_another_table_has_another_sign_on(files: tuple[Path, Path, Path], tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    tables = ("--table", f"2={files[1]}", "--table", f"5={files[0]}")
    arguments = ("--readout", files[0], *tables, "--advance", "1.8.0=1", "--journal", journal)
    with simulate(*arguments, "--tcp", "0", *QUICK) as meter, connect(meter) as line:
        line.ask(b"/2!\r\n", b"/SIM5GATEWAYD\r\n")
        line.ask(option("5"), framed(b"F.F(00)\r\n0.0.0(42)\r\n"))
        line.ask(b"/5!\r\n", b"/SIM5GATEWAYD\r\n")
        line.ask(option("5"), framed())
        line.send(b"/3!\r\n")
        assert line.silent_for(QUIET_S)
        line.ask(SIGN_ON, b"/SIM5GATEWAYD\r\n")
        line.ask(option("5"), framed(LINES.replace(b"\n", b"\r\n").replace(b"000123.456", b"000126.456")))
    assert lines_of(journal)[2:6] == ["sign-on table 5", "option 050", "sign-on table 3", "sign-on"]


def test_a_table_is_read_at_an_address(files: tuple[Path, Path, Path]) -> None:
    arguments = ("--readout", files[0], "--table", f"4={files[1]}", "--address", "7", "--mode", "A")
    with simulate(*arguments, "--tcp", "0", *QUICK) as meter, connect(meter) as line:
        line.ask(b"/47!\r\n", b"/SIMZGATEWAYD\r\n" + framed(b"F.F(00)\r\n0.0.0(42)\r\n"))
        line.send(b"/48!\r\n")
        assert line.silent_for(QUIET_S)
