"""The table of a meter's objects, and what rights and units look like in it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from gatewayd.acquire import Result
from gatewayd.cli.scan import access, scan, unit
from gatewayd.errors import MeterDiffers
from gatewayd.model import MeterObject
from gatewayd.obis import Obis
from tests.gatewayd.cli.test_profile_view import archived
from tests.gatewayd.doubles import reading

CONFIG = """\
gateway: {id: gw-1}
archive: {path: archive}
lines:
  cabin: {type: tcp, host: 127.0.0.1, port: 4059}
  hes: {type: tcp_listen, port: 4060}
meters:
  - {id: em-1, driver: dlms, line: cabin, dlms: {transport: wrapper}, jobs: [{registers: all, every: 1d}]}
  - {id: em-2, driver: dlms, line: hes, dlms: {push: {}}, jobs: [{listen: true}]}
"""
CLOCK = MeterObject(
    8,
    0,
    Obis.parse("0-0:1.0.0"),
    "clock",
    ((1, "read"), (2, "read, write"), (3, "read"), (4, "read"), (5, "no access"), (9, "read")),
    ((1, "access"), (2, "no access"), (3, "access"), (4, "no access"), (6, "access")),
)
ENERGY = MeterObject(3, 0, Obis.parse("1-0:1.8.0"), "active energy", ((1, "read"), (2, "read")), (), "Wh", 3)
PRIVATE = MeterObject(9001, 0, Obis.parse("0-0:128.0.0"))


def test_rights_of_attributes_and_of_methods() -> None:
    assert access(CLOCK) == "read 1 3-4 9, read+write 2; methods 1 3 6"
    assert access(PRIVATE) == "", "the meter says nothing of them"
    assert access(MeterObject(70, 0, CLOCK.obis, attributes=((1, "no access"),), methods=((1, "no access"),))) == "none"


def test_rights_that_have_conditions() -> None:
    one = MeterObject(
        1,
        0,
        CLOCK.obis,
        attributes=((1, "read (authenticated)"), (2, "read, write (encrypted request)"), (3, "mode 9")),
        methods=((1, "access (authenticated)"), (2, "mode 7"), (3, "access (authenticated)")),
    )
    assert access(one) == (
        "read (authenticated) 1, read+write (encrypted request) 2, mode 9 3; "
        "methods (authenticated) 1 3, methods (mode 7) 2"
    )


@pytest.mark.parametrize(
    ("name", "scaler", "text"),
    [
        ("Wh", 0, "Wh"),
        ("V", -1, "0.1 V"),
        ("m³", -3, "0.001 m³"),
        ("Wh", 3, "1000 Wh"),
        ("A", -9, "10^-9 A"),
        ("", -2, "0.01"),
        ("", 0, ""),
    ],
)
def test_what_a_digit_is_worth(name: str, scaler: int, text: str) -> None:
    assert unit(MeterObject(3, 0, ENERGY.obis, unit=name, scaler=scaler)) == text


def scanned(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, result: Result, *arguments: str, meter: str = "em-1"
) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of the command when the session brings this."""

    async def session(*_: object) -> Result:
        return result

    monkeypatch.setattr("gatewayd.cli.scan.session", session)
    (tmp_path / "c.yaml").write_text(CONFIG, encoding="utf-8")
    done = CliRunner().invoke(scan, [meter, *arguments], obj=tmp_path / "c.yaml")
    return done.exit_code, done.stdout, done.stderr


def of(*objects: MeterObject, remarks: tuple[str, ...] = (), serial: str = "35031234") -> Result:
    (one,) = archived(reading("x", "0-0:1.0.0"))
    one = type(one)(1, one.reading, one.received_at, serial, 0, one.ratio)
    return Result("em-1", (one,), None, objects, remarks)


def test_a_table_and_the_block(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    code, out, err = scanned(monkeypatch, tmp_path, of(CLOCK, ENERGY, PRIVATE, remarks=("2 entries are none",)))
    rows = [line.split() for line in out.splitlines()]
    assert code == 0
    assert rows[:4] == [
        ["class", "obis", "meaning", "unit", "access"],
        ["8", "clock", "0-0:1.0.0", "clock", "read", "1", "3-4", "9,", "read+write", "2;", "methods", "1", "3", "6"],
        ["3", "register", "1-0:1.8.0", "active", "energy", "1000", "Wh", "read", "1-2"],
        ["9001", "0-0:128.0.0"],
    ]
    assert rows[4:6] == [[], ["meters:"]]
    assert '    serial: "35031234"\n' in out
    assert err == "2 entries are none\n"


def test_the_block_goes_into_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    target = tmp_path / "block.yaml"
    code, out, _ = scanned(monkeypatch, tmp_path, of(ENERGY), "--block", str(target))
    assert (code, "meters:" in out) == (0, False)
    assert target.read_text(encoding="utf-8").startswith("meters:\n  - id: em-1\n")


def test_the_document_has_everything(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    code, out, _ = scanned(monkeypatch, tmp_path, of(CLOCK, ENERGY), "--json")
    document = json.loads(out)
    assert (code, document["serial"]) == (0, "35031234")
    assert document["block"].startswith("meters:\n")
    clock, energy = document["objects"]
    assert clock["attributes"] == {
        "1": "read",
        "2": "read, write",
        "3": "read",
        "4": "read",
        "5": "no access",
        "9": "read",
    }
    assert clock["methods"]["2"] == "no access"
    assert (energy["class_id"], energy["obis"], energy["unit"], energy["scaler"]) == (3, "1-0:1.8.0*255", "Wh", 3)


def test_a_meter_that_does_not_tell(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing is printed but the reason, and no file is written."""
    target = tmp_path / "block.yaml"
    fault = MeterDiffers("meter em-1 on line cabin does not let its list of objects be read")

    async def session(*_: object) -> Result:
        return Result("em-1", (), fault)

    monkeypatch.setattr("gatewayd.cli.scan.session", session)
    (tmp_path / "c.yaml").write_text(CONFIG, encoding="utf-8")
    done = CliRunner().invoke(scan, ["em-1", "--block", str(target)], obj=tmp_path / "c.yaml")
    assert done.exception is fault
    assert (done.stdout, target.exists()) == ("", False)


def test_a_meter_that_calls_us_is_not_waited_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    code, _, err = scanned(monkeypatch, tmp_path, of(), meter="em-2")
    assert code == 2
    assert "`gatewayd read em-2` waits for what it sends" in err
