"""`gatewayd scan LINE`: options, the table, and a block that loads."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from gatewayd.cli import scan_line
from gatewayd.cli.scan import scan
from gatewayd.cli.scan_line import block_of
from gatewayd.config import parse
from gatewayd.daemon import DRIVER_OPTIONS, SINK_OPTIONS, LineScan, Unit
from gatewayd.model import Registers

CONFIG = """\
gateway: {id: gw-1}
archive: {path: archive}
lines:
  bus: {type: serial, device: /dev/ttyS0, baud: 19200, framing: 8E1}
  cabin: {type: tcp, host: 127.0.0.1, port: 502}
  server: {type: rfc2217, host: 127.0.0.1, port: 7001}
  gsm: {type: modem, device: /dev/ttyS1}
  hes: {type: tcp_listen, port: 4060}
  em-1: {type: tcp, host: 127.0.0.1, port: 4059}
meters:
  - {id: em-1, driver: dlms, line: em-1, dlms: {transport: wrapper}, jobs: [{registers: all, every: 1d}]}
  - {id: em-2, driver: modbus, line: bus, modbus: {unit: 2, map: eastron-sdm630}, jobs: [{registers: all, every: 1d}]}
  - {id: bus-7, driver: dlms, line: em-1, dlms: {transport: wrapper}, jobs: [{registers: all, every: 1d}]}
"""
FOUND = (
    Unit(1, ("eastron-sdm630",), "35031001"),
    Unit(2, ("eastron-sdm630",), "35031002"),
    Unit(3, said="Maker\n- id: x \x1b[31m"),
    Unit(4, note="two devices"),
    Unit(7, ("one", "other"), "007", "1.0", "Maker One", "odd"),
)


class Scanned:
    """The command with a scan that has brought `found`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path, *found: Unit) -> None:
        self.hows: list[LineScan] = []
        self._config = folder / "c.yaml"
        self._config.write_text(CONFIG, encoding="utf-8")

        async def instead(_config: object, _line: object, how: LineScan, _so_far: object) -> tuple[Unit, ...]:
            self.hows.append(how)
            return found

        monkeypatch.setattr(scan_line, "_scan", instead)

    def __call__(self, *arguments: str) -> Result:
        return CliRunner().invoke(scan, arguments, obj=self._config)


@pytest.fixture
def scanned(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Scanned]:
    return lambda *found: Scanned(monkeypatch, tmp_path, *found)


def test_the_table_and_the_block(scanned: Callable[..., Scanned]) -> None:
    result = scanned(*FOUND)("bus")
    assert result.exit_code == 0
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert lines[1:3] == ["1 eastron-sdm630 35031001", "2 eastron-sdm630 35031002 configured as em-2"]
    assert lines[-1] == "# Maker One"
    assert "\x1b" not in result.stdout


def test_the_block_in_a_file(scanned: Callable[..., Scanned], tmp_path: Path) -> None:
    target = tmp_path / "block.yaml"
    result = scanned(*FOUND)("bus", "--block", str(target))
    assert result.exit_code == 0
    assert "meters:" not in result.stdout
    assert [one["id"] for one in yaml.safe_load(target.read_text(encoding="utf-8"))["meters"]] == ["bus-1", "bus-7-2"]


def test_one_document(scanned: Callable[..., Scanned]) -> None:
    document = json.loads(scanned(*FOUND)("bus", "--units", "1-9", "--json").stdout)
    assert {key: document[key] for key in ("line", "transport", "asked")} == {
        "line": "bus",
        "transport": "rtu",
        "asked": 9,
    }
    assert document["found"][1] == {
        "unit": 2,
        "map": "eastron-sdm630",
        "maps": ["eastron-sdm630"],
        "serial": "35031002",
        "firmware": None,
        "identification": None,
        "note": None,
        "meters": ["em-2"],
    }
    assert document["found"][4]["maps"] == ["one", "other"]
    assert document["block"].count("\n  - id:") == 2


@pytest.mark.parametrize(
    ("arguments", "how"),
    [
        (("bus",), {"transport": "rtu", "baud": 19200, "has_rate": True, "timeout_s": 0.3}),
        (("cabin",), {"transport": "tcp", "baud": None, "has_rate": False}),
        (("cabin", "--transport", "rtu"), {"transport": "rtu", "baud": None, "has_rate": False}),
        (("server", "--timeout-ms", "1000"), {"transport": "rtu", "baud": None, "has_rate": True, "timeout_s": 1.0}),
        (("bus", "--units", "5"), {"units": range(5, 6)}),
        (("bus", "--units", "1-32"), {"units": range(1, 33)}),
        (("bus",), {"units": range(1, 248)}),
        # A meter and a line of one name: an option of lines says which is meant.
        (("em-1", "--units", "1"), {"transport": "tcp"}),
    ],
)
def test_how_a_line_is_scanned(
    scanned: Callable[..., Scanned], arguments: tuple[str, ...], how: dict[str, Any]
) -> None:
    command = scanned(*FOUND)
    assert command(*arguments).exit_code == 0
    (got,) = command.hows
    assert {key: getattr(got, key) for key in how} == how


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("gsm",), "is a modem: somebody has to be called first"),
        (("hes",), "is a port on which meters call us"),
        (("bus", "--transport", "tcp"), "Modbus TCP needs a line of type tcp"),
        (("server", "--transport", "tcp"), "Modbus TCP needs a line of type tcp"),
        (("bus", "--units", "0-5"), "is no range of Modbus units"),
        (("bus", "--units", "1-248"), "is no range of Modbus units"),
        (("bus", "--units", "9-5"), "is no range of Modbus units"),
        (("bus", "--timeout-ms", "1"), "20<=x<=10000"),
        (("em-2", "--units", "1-8"), "are of a line, and 'em-2' is none"),
        (("nobody",), "neither a meter nor a line 'nobody' is configured; known: em-1, em-2, bus-7, bus, cabin"),
    ],
)
def test_what_cannot_be_scanned(scanned: Callable[..., Scanned], arguments: tuple[str, ...], complaint: str) -> None:
    command = scanned(*FOUND)
    result = command(*arguments)
    assert result.exit_code == 2
    assert complaint in " ".join(result.stderr.replace("│", "").split())
    assert command.hows == []


@pytest.mark.parametrize(
    ("arguments", "hints"),
    [
        (("bus",), ["--timeout-ms 1000", "gatewayd probe LINE --protocol modbus"]),
        (("cabin",), ["--timeout-ms 1000", "--transport rtu"]),
        (("cabin", "--transport", "rtu"), ["--timeout-ms 1000", "--transport tcp"]),
    ],
)
def test_nobody_is_a_fault_with_hints(
    scanned: Callable[..., Scanned], arguments: tuple[str, ...], hints: list[str]
) -> None:
    result = scanned()(*arguments)
    assert result.exit_code == 1
    said = " ".join(result.stdout.split())
    assert "nobody answers on line" in said
    assert said.count("* ") == len(hints)
    assert all(hint in said for hint in hints)


# -- the block -------------------------------------------------------------------------------------------------------


def test_the_block_loads_and_means_what_was_found() -> None:
    found = (Unit(1, ("eastron-sdm630",), "0035031001"), Unit(247, ("abb-b23", "sunspec-201-204"), said="Maker: B23"))
    block = block_of("cabin", "tcp", found, {}, {"cabin-1"})
    frame = CONFIG.split("meters:")[0]
    config = parse(frame + block, "c.yaml", DRIVER_OPTIONS, SINK_OPTIONS)
    one, other = config.meters
    assert (one.id, one.driver, one.line, one.serial) == ("cabin-1-2", "modbus", "cabin", "0035031001")
    assert one.options.model_dump(exclude_defaults=True) == {"unit": 1, "map": "eastron-sdm630", "transport": "tcp"}
    assert [job.request for job in one.jobs] == [Registers()]
    assert (other.id, other.serial) == ("cabin-247", "")
    assert "# map: it may be sunspec-201-204 as well" in block
    assert "# Maker: B23" in block


def test_what_is_unknown_or_configured_is_a_comment() -> None:
    block = block_of("bus", "rtu", FOUND[1:4], {2: ["em-2", "em-3"]}, set())
    assert block == (
        "# unit 2: configured as em-2, em-3\n"
        "# unit 3: no map knows it (Maker?- id: x ?[31m); name its map by hand\n"
        "# unit 4: no map knows it; two devices\n"
    )
    assert yaml.safe_load(block) is None


def test_a_serial_number_that_has_no_room_is_left_out() -> None:
    ids = [Unit(1, ("abb-b23",), "x" * length) for length in (64, 65)]
    entries = [yaml.safe_load(block_of("bus", "rtu", [one], {}, set()))["meters"][0] for one in ids]
    assert ["serial" in entry for entry in entries] == [True, False]


def test_an_id_is_never_too_long() -> None:
    line = "l" * 64
    (entry,) = yaml.safe_load(block_of(line, "rtu", FOUND[:1], {}, {"l" * 62 + "-1"}))["meters"]
    assert entry["id"] == "l" * 60 + "-1-2"
