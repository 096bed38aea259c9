"""Which warnings about the configuration whoever asks one meter gets to see."""

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from gatewayd.cli.check import check
from gatewayd.cli.clock import clock
from gatewayd.cli.profile import profile
from gatewayd.cli.read import read
from gatewayd.cli.scan import scan

FOLLOWING = 12
"""So many meters that meters[1] is not meters[10]."""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Every meter has no job; the second line has the device of the first; the last line is nobody's. Ports that nobody
    has: each command ends with a fault of the line."""
    folder = tmp_path / "archive"
    meters = "".join(
        f"- {{id: em-{number}, driver: iec62056_21, line: {'b' if number == 1 else 'a'}}}\n"
        for number in range(FOLLOWING)
    )
    lines = "".join(f"  {name}: {{type: serial, device: {tmp_path / 'none'}}}\n" for name in ("a", "b", "b-2"))
    path = tmp_path / "gatewayd.yaml"
    path.write_text(f"gateway: {{id: gw}}\narchive: {{path: {folder}}}\nlines:\n{lines}meters:\n{meters}")
    return path


def warnings(command: click.Command, path: Path, *arguments: str) -> list[str]:
    told = CliRunner().invoke(command, arguments, obj=path).output
    found = (line.removeprefix(f"warning: {path}:") for line in told.splitlines() if line.startswith("warning: "))
    return [line.partition(": ")[2].partition(": ")[0] for line in found]


@pytest.mark.parametrize(
    ("command", "more"),
    [(read, ()), (profile, ("P.01",)), (clock, ()), (scan, ())],
    ids=["read", "profile", "clock", "scan"],
)
def test_those_of_the_meter_and_its_line(command: click.Command, more: tuple[str, ...], config: Path) -> None:
    assert warnings(command, config, "em-1", *more) == ["lines.b.device", "meters[1]"]
    assert warnings(command, config, "em-0", *more) == ["meters[0]"]


def test_nothing_of_others_where_there_is_no_such_meter(config: Path) -> None:
    assert warnings(read, config, "em-99") == []


def test_check_tells_all(config: Path) -> None:
    found = warnings(check, config)
    assert {"lines.b.device", "lines.b-2", "lines.b-2.device"} <= set(found)
    assert sum(key.startswith("meters[") for key in found) == FOLLOWING
