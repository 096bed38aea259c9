"""The README of the driver: every option with its default, samples that load, every file, profile and layout."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from drivers.dlms.driver import KIND
from drivers.dlms.layouts import layouts
from drivers.dlms.options import DlmsOptions, SetClock
from drivers.dlms.push_options import PushOptions
from drivers.dlms.vendors import vendors
from gatewayd.config import parse
from gatewayd.daemon import DRIVER_OPTIONS
from gatewayd.driver import Forgetful, Setting
from tests.gatewayd.doubles import TestClock

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / "drivers" / "dlms"
README = (FOLDER / "README.md").read_text(encoding="utf-8")
EXAMPLE = (ROOT / "config" / "gatewayd.yaml").read_text(encoding="utf-8")


def rows(heading: str) -> dict[str, str]:
    """Option -> default, out of the tables whose first column has this heading."""
    found: dict[str, str] = {}
    for table in re.findall(rf"^\| {heading} \| default \|.*\n\|[-|]+\n((?:\|.*\n)+)", README, re.MULTILINE):
        found |= dict(re.findall(r"^\| `(\w+)` \| ([^|]*?) \|", table, re.MULTILINE))
    return found


@pytest.mark.parametrize(
    ("heading", "options"),
    [("option", DlmsOptions), ("option of `set_clock`", SetClock), ("option of `push`", PushOptions)],
)
def test_every_option_is_there_with_its_default(heading: str, options: type[BaseModel]) -> None:
    told = rows(heading)
    assert sorted(told) == sorted(options.model_fields)
    for name, field in options.model_fields.items():
        default = field.get_default(call_default_factory=True)
        if default is not None:
            shown = default if isinstance(default, str) and default.replace("-", "").isalnum() else json.dumps(default)
            assert told[name] == f"`{shown}`", name
        else:
            assert not told[name].startswith("`"), name


@pytest.mark.parametrize("options", [DlmsOptions, SetClock, PushOptions])
def test_the_example_configuration_shows_every_option(options: type[BaseModel]) -> None:
    missing = [name for name in options.model_fields if not re.search(rf"\b{name}\b", EXAMPLE)]
    assert not missing, f"config/gatewayd.yaml does not show {missing}"


def test_the_sample_configuration_loads() -> None:
    (sample,) = re.findall(r"^```yaml\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    frame = "gateway: {id: gw-1}\narchive: {path: archive}\n"
    config = parse(frame + sample, "README.md", DRIVER_OPTIONS, {})
    assert [meter.driver for meter in config.meters] == ["dlms"] * 4
    assert config.warnings == ()
    for meter in config.meters:
        setting = Setting(meter.meter, meter.options, None, TestClock(), config.gateway.zone, memory=Forgetful())
        KIND.build(setting)


def test_every_file_is_named() -> None:
    driver, wire = README.split("| wire/ | what |")
    for text, folder in ((driver, FOLDER), (wire, FOLDER / "wire")):
        named = set(re.findall(r"\b(\w+\.py)\b", text.split("## The files")[-1]))
        there = {path.name for path in folder.glob("*.py")} - {"__init__.py"}
        assert there <= named, sorted(there - named)


def test_no_file_is_named_that_there_is_not() -> None:
    named = set(re.findall(r"\b(\w+\.py)\b", README.split("## The files")[1]))
    there = {path.name for path in FOLDER.rglob("*.py")}
    assert named <= there, sorted(named - there)


def test_every_profile_and_layout_is_named() -> None:
    for name in (*vendors(), *layouts()):
        assert f"| `{name}` |" in README
