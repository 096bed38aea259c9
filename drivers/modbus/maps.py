"""Maps: which register of which meter means what is data, in maps/*.yaml, each with its source (MAPS.md says how).

Rules: a map is chosen by its name. One that contradicts itself does not load, and the error names file, register and
remedy. No address is guessed: what no source tells is not in the map. Addresses are written as the maker counts them
(`base`) and kept as they go over the wire. What `defaults` says holds for every part that does not say it itself.
"""

from collections.abc import Mapping
from functools import cache
from importlib import resources
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails

from drivers.modbus.map_checks import Named, findings
from drivers.modbus.map_registers import REGISTERS, Cell, Identification, Octets, Register, Transformer
from drivers.modbus.wire.pdu import MAX_REGISTERS
from drivers.modbus.wire.values import Order, Type
from gatewayd.errors import GatewayError
from gatewayd.options import Options

FOLDER = "drivers/modbus/maps"
SUNSPEC_BASES = (40000, 50000, 0)
"""Where the marker SunS may stand (SunSpec Device Information Model Specification)."""
_HANDED_DOWN = ("function", "word_order", "byte_order")
_PLACES = ("serial", "firmware")
_RATIOS = ("ratio", "numerator", "denominator")
_HEADER = 2
"""Registers of a SunSpec model before its points: number and length."""
_COUNTING = (Type.U16, Type.U32, Type.U64, Type.BCD16, Type.BCD32, Type.BCD64)

Json = Any
"""What stands in a YAML file, before it is checked."""


class MapInvalid(GatewayError):
    """A map does not load. The message names file, place and remedy."""


class Defaults(Options):
    """What holds for every register that does not say it itself, and how the device may be asked."""

    function: Literal[3, 4] = 3
    word_order: Order = Order.BIG
    byte_order: Order = Order.BIG
    values: Literal["primary", "secondary"] = "primary"
    not_available: dict[Type, tuple[Octets, ...]] = Field(default_factory=dict)
    """Type -> octets in hexadecimal, the most significant one first, that mean that there is no value."""
    max_registers: Annotated[int, Field(ge=1, le=MAX_REGISTERS)] = MAX_REGISTERS
    """Registers that the device gives in one answer."""
    max_gap: Annotated[int, Field(ge=0, le=MAX_REGISTERS)] = 0
    """Registers between two wanted ones that may be read along with them; 0 where a source does not say that the
    device answers for registers that it does not have."""
    base: Literal[0, 1] = 0
    """What the maker calls the register that goes over the wire as address 0."""


class SunSpec(Options):
    """A device whose registers are found by walking its chain of models: addresses count from the first register of
    the model, which holds the model's number (SunSpec Device Information Model Specification)."""

    models: Annotated[tuple[int, ...], Field(min_length=1)]
    """Models that the map is for, any of them."""
    length: Annotated[int, Field(ge=1, lt=REGISTERS)]
    """Registers of the model behind its header of two."""
    common_serial: Cell
    """Serial number in the common model (1), by offset in that model."""
    common_firmware: Cell

    @property
    def end(self) -> int:
        """Offset behind the model's last register."""
        return _HEADER + self.length


class Pulse(Options):
    """The counters of a registration device. Which inputs there are, and what they count, the meter's options say."""

    type: Type
    function: Literal[3, 4] = 3
    word_order: Order = Order.BIG
    byte_order: Order = Order.BIG

    @field_validator("type")
    @classmethod
    def _counts(cls, value: Type) -> Type:
        if value not in _COUNTING:
            raise ValueError(f"{value.value} does not count pulses; use {', '.join(one.value for one in _COUNTING)}")
        return value

    def cell(self, address: int) -> Cell:
        """The counter whose first register has this address, from 0."""
        return Cell(
            address=address,
            type=self.type,
            function=self.function,
            word_order=self.word_order,
            byte_order=self.byte_order,
        )


class Map(Options):
    """One map."""

    name: str
    """Name in the configuration, and of the file."""
    models: tuple[str, ...] = Field(min_length=1)
    """The devices that it is for, as people call them."""
    sources: tuple[str, ...] = Field(min_length=1)
    """Where the facts come from: title and revision, clause or address."""
    evidence: Literal["capture", "manual", "map"]
    """Best proof of it: octets of a real device, the maker's own document, or a map that others published."""
    defaults: Defaults = Defaults()
    registers: tuple[Register, ...] = ()
    serial: Cell | None = None
    firmware: Cell | None = None
    ct: Transformer | None = None
    """Where the device keeps the ratio of its current transformers."""
    vt: Transformer | None = None
    identification: Identification | None = None
    sunspec: SunSpec | None = None
    pulse: Pulse | None = None

    @model_validator(mode="before")
    @classmethod
    def _hand_down(cls, value: Json) -> Json:
        return _handed_down(value) if isinstance(value, dict) else value

    @field_validator("sources", "models")
    @classmethod
    def _named(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if any(not text.strip() for text in value):
            raise ValueError("an entry is empty; name it or remove it")
        return value

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if not self.registers and self.pulse is None:
            raise ValueError("it has neither `registers` nor `pulse`: nothing could be read with it")
        end = max((cell.end for one in self.registers for cell in one.cells), default=0)
        if self.sunspec is not None and end > self.sunspec.end:
            raise ValueError(
                f"a register reaches to offset {end - 1} and the model to {self.sunspec.end - 1}; correct one"
            )
        found = list(findings(self.registers, self.places, self.defaults.max_registers, self.defaults.max_gap))
        if found:
            raise ValueError("; ".join(found))
        return self

    @property
    def places(self) -> tuple[Named, ...]:
        """Cells of the device's set-up and identity, with what they are called in the file."""
        signs = self.identification.registers if self.identification is not None else ()
        single = {"serial": self.serial, "firmware": self.firmware}
        ratios = {"ct": self.ct, "vt": self.vt}
        return (
            *(Named(name, cell) for name, cell in single.items() if cell is not None),
            *(Named("identification", cell) for cell in signs),
            *(Named(name, cell) for name, ratio in ratios.items() if ratio is not None for cell in ratio.cells),
        )

    def register(self, obis: str) -> Register | None:
        """The register with this canonical code."""
        return next((one for one in self.registers if one.obis == obis), None)


def _handed_down(document: dict[Json, Json]) -> dict[Json, Json]:
    """The document with `defaults` written into every part that does not say it itself, and addresses from 0."""
    defaults = document.get("defaults")
    given = defaults if isinstance(defaults, dict) else {}
    result = dict(document)
    registers = document.get("registers")
    if isinstance(registers, list):
        result["registers"] = [_part(one, given, ("values",)) for one in registers]
    for key in _PLACES:
        if key in document:
            result[key] = _part(document[key], given)
    for key in ("ct", "vt"):
        if isinstance(document.get(key), dict):
            parts = document[key].items()
            result[key] = {name: _part(part, given) if name in _RATIOS else part for name, part in parts}
    identification = document.get("identification")
    if isinstance(identification, dict) and isinstance(identification.get("registers"), list):
        result["identification"] = identification | {
            "registers": [_part(one, given) for one in identification["registers"]]
        }
    if isinstance(document.get("pulse"), dict):
        result["pulse"] = {key: given[key] for key in _HANDED_DOWN if key in given} | document["pulse"]
    return result


def _part(part: Json, given: dict[Json, Json], more: tuple[str, ...] = ()) -> Json:
    if not isinstance(part, dict):
        return part
    result = {key: given[key] for key in (*_HANDED_DOWN, *more) if key in given} | part
    marks = given.get("not_available")
    kind = part.get("type")
    if isinstance(marks, dict) and "not_available" not in part and isinstance(kind, str) and kind in marks:
        result["not_available"] = marks[kind]
    base = given.get("base", 0)
    if isinstance(base, int) and isinstance(part.get("address"), int):
        result["address"] = part["address"] - base
    if "scale_register" in part:
        exponent = part["scale_register"]
        cell = {"address": exponent, "type": Type.I16.value} if isinstance(exponent, int) else exponent
        result["scale_register"] = _part(cell, given)
    return result


def read_map(file: str, text: str) -> Map:
    """The map that stands in a file, which is called like it; MapInvalid says what is wrong. Messages name `file`."""
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise MapInvalid(f"{file}: not YAML: {error}; correct the file") from None
    try:
        found = Map.model_validate(document)
    except ValidationError as error:
        raise MapInvalid(
            "\n".join(f"{file}: {_where(document, one['loc'])}{_said(one)}" for one in error.errors())
        ) from None
    if PurePosixPath(file).name != f"{found.name}.yaml":
        raise MapInvalid(f"{file}: its `name` is {found.name}; call the file {found.name}.yaml")
    return found


def _where(document: Json, path: tuple[int | str, ...]) -> str:
    """A place in the file in words: registers are named by their code and address, not by their number."""
    words: list[str] = []
    for step in path:
        if isinstance(step, int) and words == ["registers"]:
            part = document["registers"][step]
            code, address = (part.get(key, "?") if isinstance(part, dict) else "?" for key in ("obis", "address"))
            words = [f"register {code} at {address:#06x}" if isinstance(address, int) else f"register {code}"]
        else:
            words.append(str(step))
    return ": ".join((words[0], ".".join(words[1:]))) + ": " if len(words) > 1 else "".join(f"{one}: " for one in words)


def _said(error: ErrorDetails) -> str:
    match error["type"]:
        case "extra_forbidden":
            return "no map has this key here; correct its name or remove it"
        case "missing":
            return "it is missing; add it"
        case _:
            return error["msg"].removeprefix("Value error, ")


@cache
def maps() -> Mapping[str, Map]:
    """All maps by name."""
    folder = resources.files("drivers.modbus") / "maps"
    found = [
        read_map(f"{FOLDER}/{entry.name}", entry.read_text(encoding="utf-8"))
        for entry in folder.iterdir()
        if entry.name.endswith(".yaml")
    ]
    return MappingProxyType({one.name: one for one in sorted(found, key=lambda one: one.name)})
