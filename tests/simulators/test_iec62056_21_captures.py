"""Captures of real meters are served byte for byte."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.simulators.reader import QUICK, ROOT, SIGN_ON, check_character, connect, option, simulate

FOLDER = ROOT.parent / "shared" / "captures" / "iec62056-21"
CAPTURES = sorted(FOLDER.glob("*.bin"))

pytestmark = [
    pytest.mark.capture,
    # A user's clone does not have them; continuous integration has to.
    pytest.mark.skipif(not FOLDER.exists() and "CI" not in os.environ, reason="no captures beside the repository"),
]


def test_the_captures_are_there() -> None:
    assert len(CAPTURES) == 12


@pytest.mark.parametrize("capture", CAPTURES, ids=lambda path: path.stem)
def test_a_capture_is_served_byte_for_byte(capture: Path) -> None:
    data = capture.read_bytes()
    mode = "D" if data.startswith(b"/") else "C"
    with (
        simulate("--readout", capture, "--tcp", "0", "--mode", mode, "--push-every", "9", *QUICK) as meter,
        connect(meter) as line,
    ):
        if mode == "C":
            line.send(SIGN_ON)
            line.read_to(b"\r\n")
            line.send(option("5"))
        line.expect(data)
        assert line.silent_for(0.05)


def test_a_value_of_an_intact_capture_advances() -> None:
    data = (FOLDER / "iskra_mt174_15months_echo.bin").read_bytes()
    changed = data.replace(b"1.8.0*255(0008048.375", b"1.8.0*255(0008049.000")
    assert changed != data
    changed = changed[:-1] + check_character(changed[changed.index(b"\x02") + 1 : -1])
    capture = FOLDER / "iskra_mt174_15months_echo.bin"
    advance = ("--advance", "1-0:1.8.0*255=0.625")
    with simulate("--readout", capture, "--tcp", "0", *advance, *QUICK) as meter, connect(meter) as line:
        line.send(SIGN_ON)
        line.read_to(b"\r\n")
        line.send(option("5"))
        line.expect(changed)


@pytest.mark.parametrize(
    ("name", "code"), [("v4_2", "1.8.1"), ("v5", "1.8.2"), ("fluvius_v171", "1.7.0"), ("unpadded_crc", "0.2.8")]
)
def test_the_check_sum_that_is_computed_anew_is_the_real_meters_own(name: str, code: str) -> None:
    capture = FOLDER / f"dsmr_parser_telegram_{name}.bin"
    arguments = ("--mode", "D", "--push-every", "9", "--advance", f"{code}=0")
    with simulate("--readout", capture, "--tcp", "0", *arguments, *QUICK) as meter, connect(meter) as line:
        line.expect(capture.read_bytes())
