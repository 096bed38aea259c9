"""The README of the driver: every option with its default, samples that load, every file; messages that there are."""

from __future__ import annotations

import ast
import json
import re
from datetime import date
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from drivers.modbus.driver import KIND
from drivers.modbus.map_registers import Register
from drivers.modbus.maps import Defaults, Map, maps
from drivers.modbus.options import ModbusOptions
from drivers.modbus.registrar import Input, Weight
from gatewayd.config import Config, parse
from gatewayd.daemon import DRIVER_OPTIONS
from gatewayd.driver import Forgetful, Setting
from tests.gatewayd.doubles import TestClock

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / "drivers" / "modbus"
README = (FOLDER / "README.md").read_text(encoding="utf-8")
MAPS = (FOLDER / "MAPS.md").read_text(encoding="utf-8")
EXAMPLE = (ROOT / "config" / "gatewayd.yaml").read_text(encoding="utf-8")
FRAME = "gateway: {id: gw-1}\narchive: {path: archive}\n"
OPTIONS = [("option", ModbusOptions), ("option of `inputs`", Input), ("option of `pulse_weight`", Weight)]


def rows(heading: str) -> dict[str, str]:
    """Option -> default, out of the table whose first column has this heading."""
    (table,) = re.findall(rf"^\| {heading} \| default \|.*\n\|[-|]+\n((?:\|.*\n)+)", README, re.MULTILINE)
    return dict(re.findall(r"^\| `(\w+)` \| ([^|]*?) \|", table, re.MULTILINE))


def samples() -> tuple[str, ...]:
    return tuple(re.findall(r"^```yaml\n(.*?)^```", README, re.MULTILINE | re.DOTALL))


def sample() -> Config:
    return parse(FRAME + samples()[0], "README.md", DRIVER_OPTIONS, {})


@pytest.mark.parametrize(("heading", "options"), OPTIONS)
def test_every_option_is_there_with_its_default(heading: str, options: type[BaseModel]) -> None:
    told = rows(heading)
    assert sorted(told) == sorted(options.model_fields)
    for name, field in options.model_fields.items():
        default = field.get_default(call_default_factory=True)
        if default is None or default is PydanticUndefined:
            assert not told[name].startswith("`"), name
            assert not field.is_required() or told[name] == "none", name
        else:
            assert told[name] == f"`{default if _plain(default) else json.dumps(default)}`", name


def _plain(default: object) -> bool:
    return not isinstance(default, bool | tuple)


@pytest.mark.parametrize("options", [options for _, options in OPTIONS])
def test_the_example_configuration_shows_every_option(options: type[BaseModel]) -> None:
    """In the blocks of this driver: names such as `unit` and `framing` stand elsewhere as well."""
    blocks = "".join(re.findall(r"^ {4}modbus:(?:.*\n(?: {6}.*\n)*)", EXAMPLE, re.MULTILINE))
    missing = [name for name in options.model_fields if not re.search(rf"\b{name}:", blocks)]
    assert not missing, f"config/gatewayd.yaml does not show {missing}"


def test_the_sample_configuration_loads() -> None:
    config = sample()
    assert {meter.driver for meter in config.meters} == {"modbus"}
    assert config.warnings == ()
    for meter in config.meters:
        KIND.build(Setting(meter.meter, meter.options, None, TestClock(), config.gateway.zone, memory=Forgetful()))


def test_several_metering_points_behind_one_device_are_several_meters() -> None:
    flats = [meter for meter in sample().meters if meter.id.startswith("flat-")]
    places = {(meter.line, getattr(meter.options, "unit", None)) for meter in flats}
    assert len(flats) == 2
    assert len(places) == 1
    assert len({meter.point for meter in flats}) == 2


def test_the_sample_of_a_new_weight_goes_on_without_a_jump() -> None:
    (entries,) = yaml.load(samples()[1], Loader=yaml.BaseLoader).values()
    one = Input.model_validate({"address": 0, "obis": "1-0:1.8.0", "pulse_weight": entries})
    before, after = one.pulse_weight
    assert after.at_pulses is not None
    assert before.value(before.weight * 0 + after.at_pulses) == after.value(before.weight * 0 + after.at_pulses)
    assert not one.jumps_on(date(2026, 3, 1))


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


def test_only_maps_are_named_that_there_are() -> None:
    for text in (README, EXAMPLE):
        named = set(re.findall(r"\bmap: ([a-z0-9-]+)[,}\s]", text))
        assert named
        assert named <= set(maps())


def test_every_message_is_one_that_the_driver_says() -> None:
    """Each part of it: the table is read by whoever has the message on the screen."""
    table = README.split("## When it does not work")[1].split("\n## ")[0]
    rows = [row for row in re.findall(r"^\| (.+?) \| ", table, re.MULTILINE) if row != "message"]
    parts = [part for row in rows if "the status is" not in row for part in re.split(r"; |: |\.\.\.", row)]
    assert len(parts) > 10
    said = _said()
    for part in parts:
        assert re.sub(r"[^a-z]+", " ", part.lower()).strip() in said, part


def _said() -> str:
    """The texts in the code of the driver, and of what puts its answers to people, without what is no letter."""
    files = [*sorted(FOLDER.rglob("*.py")), ROOT / "gatewayd" / "verdicts.py", ROOT / "gatewayd" / "exchange_notes.py"]
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in files]
    bare = {id(node.value) for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Expr)}  # docstrings
    texts: list[str] = []
    for node in (node for tree in trees for node in ast.walk(tree) if id(node) not in bare):
        if isinstance(node, ast.JoinedStr):
            texts.append(" ".join(str(one.value) for one in node.values if isinstance(one, ast.Constant)))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            texts.append(node.value)
        elif isinstance(node, ast.Attribute):
            texts.append(node.attr.replace("_", " "))  # names of exceptions are their words
    return " | ".join(re.sub(r"[^a-z]+", " ", text.lower()) for text in texts)


def test_the_marks_of_a_map_are_explained_beside_it() -> None:
    """Of the keys of a map the guide explains each; a new key has to be told."""
    for options in (Map, Defaults, Register):
        missing = [name for name in options.model_fields if f"`{name}`" not in MAPS]
        assert not missing, f"MAPS.md does not tell {missing}"
