"""Layouts of pushed messages: the files, and which of them is chosen."""

from __future__ import annotations

from importlib import resources
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from drivers.dlms.layouts import AUTO, Layout, choose, fits, layouts
from drivers.dlms.push_options import PushOptions
from drivers.dlms.units import UNITS
from drivers.dlms.wire.data_notification import Protection
from gatewayd.obis import Obis

MINIMAL = {"name": "x", "models": ["X"], "sources": ["nobody"]}


def test_every_file_is_a_layout_with_its_name() -> None:
    folder = resources.files("drivers.dlms") / "layouts"
    files = [entry for entry in folder.iterdir() if entry.name.endswith(".yaml")]
    assert {entry.name.removesuffix(".yaml") for entry in files} == set(layouts())
    for entry in files:
        data = yaml.safe_load(entry.read_text(encoding="utf-8"))
        assert data["name"] == entry.name.removesuffix(".yaml")


@pytest.mark.parametrize("name", layouts())
def test_units_are_units_of_cosem(name: str) -> None:
    layout = layouts()[name]
    assert {unit for unit, _ in layout.units.values()} <= set(UNITS.values())
    listed = {Obis.parse(code) for codes in layout.lists for code in codes}
    if listed:
        assert {Obis.parse(code) for code in layout.units} <= listed


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"version": "("}, "no regular expression"),
        ({"title": "["}, "no regular expression"),
        ({"lists": [["1-0:1.8.0"], ["1-0:2.8.0"]]}, "same number of elements"),
        ({"lists": [["1-0:1.8.0", "1.8.0"]]}, "same code twice"),
        ({"lists": [["one"]]}, "no"),
        ({"lead": ["0-0:1.0.0.0.0.0.0"]}, "OBIS"),
        ({"units": {"1-0:1.8.0": ["Wh"]}}, "units"),
        ({"units": {"1-0:1.8.0": ["Wh", 200]}}, "less than or equal"),
        ({"units": {"Wh": ["Wh", 0]}}, "OBIS"),
        ({"sources": []}, "at least 1"),
        ({"models": []}, "at least 1"),
        ({"scalers": {}}, "Extra inputs"),
    ],
)
def test_a_layout_that_contradicts_itself_does_not_load(change: dict[str, Any], says: str) -> None:
    Layout.model_validate(MINIMAL)
    with pytest.raises(ValidationError, match=says):
        Layout.model_validate(MINIMAL | change)


@pytest.mark.parametrize(
    ("version", "title", "name"),
    [
        ("KFM_001", b"", "kaifa-nordic"),
        ("Kamstrup_V0001", b"KAM\x45\x01\x34\x90\x83", "kamstrup-v0001"),
        ("", b"LGZ\x67\x73\x70\xb1\x77", "landis-gyr-e450"),
        ("KFM_01", b"", None),
        ("Kamstrup_V0002", b"KAM\x45\x01\x34\x90\x83", None),
        ("AIDON_V0001", b"", None),
        ("", b"", None),
        ("", b"\xff\xfe\xfd", None),
    ],
)
def test_auto_goes_by_what_a_message_says(version: str, title: bytes, name: str | None) -> None:
    found = choose(AUTO, version, title)
    assert (found.name if found else None) == name


def test_not_more_than_one_fits() -> None:
    for version, title in (("KFM_001", b"KFM12345"), ("Kamstrup_V0001", b"KAM12345"), ("", b"LGZ12345")):
        assert len([layout for layout in layouts().values() if fits(layout, version, title)]) == 1


def test_by_name() -> None:
    found = choose("landis-gyr-e450", "KFM_001", b"")
    assert found is not None and found.name == "landis-gyr-e450"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"layout": "kaifa"}, "'kaifa' is no layout; known: auto, customer-port-cz, kaifa-nordic"),
        ({"codes": ["1-0:1.8.0", "x"]}, "OBIS"),
        ({"units": {"1-0:1.8.0": ["Wh", 0], "1.8.0": ["kWh", 0]}}, "two units have the same code"),
        ({"framing": "tcp"}, "'auto', 'hdlc'"),
        ({"security": "low"}, "'auto', 'none'"),
        ({"silence_s": 0}, "greater than or equal"),
        ({"key": "00"}, "Extra inputs"),
    ],
)
def test_options_that_cannot_be(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        PushOptions.model_validate(options)


@pytest.mark.parametrize(
    ("security", "keys", "minimum"),
    [
        ("auto", True, Protection.AUTHENTICATED | Protection.ENCRYPTED),
        ("auto", False, Protection(0)),
        ("none", True, Protection(0)),
        ("encrypted", True, Protection.ENCRYPTED),
        ("authenticated", True, Protection.AUTHENTICATED),
        ("authenticated-encrypted", False, Protection.AUTHENTICATED | Protection.ENCRYPTED),
    ],
)
def test_the_least_protection(security: str, keys: bool, minimum: Protection) -> None:
    assert PushOptions.model_validate({"security": security}).minimum(keys=keys) == minimum
