"""The maps of drivers/modbus/maps as a simulated device reads them: which registers it has.

Rules: maps are data, and the code that the gateway reads them with is not used here, so that a mistake in it is seen;
nothing is checked that does not matter to a device. What `defaults` says holds for every part that does not say it.
Addresses are those of the wire, from 0.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import yaml

from simulators.modbus_values import NAN, Shape, words_of

FOLDER = Path(__file__).resolve().parents[1] / "drivers" / "modbus" / "maps"

# Whatever stands in a YAML file.
Json = Any


@dataclass(frozen=True, slots=True)
class Entry:
    """One cell of a map. `name` is its OBIS code, or serial, firmware, ct.ratio, vt.numerator, identification, ...

    `exponent`: the cell that has the exponent of ten. `sentinel`: octets as they go over the wire. `wanted`: what a
    register of the identification has to contain.
    """

    name: str
    function: int
    address: int
    shape: Shape
    scale: Fraction = Fraction(1)
    unit: str = ""
    optional: bool = False
    sentinel: bytes | None = None
    exponent: Entry | None = None
    wanted: str = ""


@dataclass(frozen=True, slots=True)
class SunSpec:
    """The models that a device of this map may have, the length of such a model, and cells of the common model."""

    models: tuple[int, ...]
    length: int
    serial: Entry
    firmware: Entry


@dataclass(frozen=True, slots=True)
class MapFile:
    """What a device has to know of its map."""

    name: str
    model: str
    registers: tuple[Entry, ...]
    places: tuple[Entry, ...]
    max_registers: int
    max_gap: int
    vendor: str | None
    product: str | None
    sunspec: SunSpec | None
    pulse: Entry | None


def load(name: str) -> MapFile:
    """A map by its name or file; ValueError says what is wrong with it."""
    file = Path(name) if name.endswith((".yaml", ".yml")) else FOLDER / f"{name}.yaml"
    try:
        document = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        known = ", ".join(sorted(each.stem for each in FOLDER.glob("*.yaml")))
        raise ValueError(f"{error.strerror}: {file}; maps are {known}") from None
    except yaml.YAMLError as error:
        raise ValueError(f"{file}: {error}") from None
    try:
        return _map(document)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"{file}: {type(error).__name__}: {error}") from None


def _map(document: Json) -> MapFile:
    defaults = document.get("defaults") or {}
    sunspec, pulse = document.get("sunspec"), document.get("pulse")
    identity = (document.get("identification") or {}).get("device_id") or {}
    return MapFile(
        name=document["name"],
        model=document["models"][0],
        registers=tuple(_entry(str(each["obis"]), each, defaults) for each in document.get("registers") or ()),
        places=tuple(_places(document, defaults)),
        max_registers=defaults.get("max_registers", 125),
        max_gap=defaults.get("max_gap", 0),
        vendor=like(identity["vendor"]) if identity else None,
        product=like(identity["product"]) if identity else None,
        sunspec=_sunspec(sunspec, defaults) if sunspec else None,
        pulse=_entry("pulse", {"address": defaults.get("base", 0)} | pulse, defaults) if pulse else None,
    )


def _places(document: Json, defaults: Json) -> Iterator[Entry]:
    for name in ("serial", "firmware"):
        if name in document:
            yield _entry(name, document[name], defaults)
    for name in ("ct", "vt"):
        for part, described in (document.get(name) or {}).items():
            if isinstance(described, dict):
                yield _entry(f"{name}.{part}", described, defaults)
    for described in (document.get("identification") or {}).get("registers") or ():
        wanted = str(described["equals"][0]) if "equals" in described else like(described["matches"])
        yield _entry("identification", described, defaults, wanted)


def _entry(name: str, given: Json, defaults: Json, wanted: str = "") -> Entry:
    said = {**defaults, **given}
    type_ = given["type"]
    shape = Shape(
        type_,
        words_of(type_, given.get("length")),
        said.get("word_order", "big") == "little",
        said.get("byte_order", "big") == "little",
    )
    marks = given.get("not_available", (defaults.get("not_available") or {}).get(type_)) or ()
    mark = bytes.fromhex(marks[0]) if marks else NAN.get(type_)
    exponent = given.get("scale_register")
    if isinstance(exponent, int):
        exponent = {"address": exponent, "type": "i16"}
    return Entry(
        name,
        said.get("function", 3),
        given["address"] - defaults.get("base", 0),
        shape,
        Fraction(str(given.get("scale", 1))),
        given.get("unit", ""),
        bool(given.get("optional", False)),
        None if mark is None else shape.arranged(mark),
        # The device has the exponent where it has the value.
        None if exponent is None else _entry("exponent", {"function": said.get("function", 3), **exponent}, defaults),
        wanted,
    )


def _sunspec(given: Json, defaults: Json) -> SunSpec:
    return SunSpec(
        tuple(given["models"]),
        given["length"],
        _entry("serial", given["common_serial"], defaults),
        _entry("firmware", given["common_firmware"], defaults),
    )


def like(expression: str) -> str:
    """A text that a simple regular expression matches: the first of every choice, nothing of what may be absent."""
    found = re.sub(r"\[\^?([^\]])[^\]]*\]", r"\1", expression)  # the first of a set
    found = re.sub(r"\((?:\?:)?([^()|]*)(?:\|[^()]*)?\)", r"\1", found)  # the first of a group
    found = found.partition("|")[0]
    found = re.sub(r"(?:\\?.)[*?]", "", found).replace("\\d", "0").replace(".+", "x")
    found = re.sub(r"\\(.)|[+^$]", lambda match: match[1] or "", found)
    if not re.fullmatch(expression, found):
        raise ValueError(f"no text for {expression!r} found: {found!r} is none")
    return found
