"""The parts of a map (maps/*.yaml): where a value stands, how its octets are read, and what it means.

Rules: a part is complete in itself. What a map says once for all (function, word order, base of the addresses) has been
handed down to each part when it is checked, so that nobody has to look in two places. Addresses are those of the wire,
from 0. A unit that does not belong to the OBIS code is an error: a typing mistake in either would be a wrong value.
"""

import re
from decimal import Decimal
from functools import cached_property
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from drivers.modbus.wire.pdu import Function
from drivers.modbus.wire.plan import Piece
from drivers.modbus.wire.values import Form, Order, Type
from gatewayd.model import Kind, ValueSide
from gatewayd.obis import Obis
from gatewayd.options import Options

REGISTERS = 0x1_0000
"""Registers that a function can address (MODBUS Application Protocol V1.1b3, 4.4)."""

_ENERGY, _REACTIVE_ENERGY, _APPARENT_ENERGY = ("Wh", "kWh", "MWh"), ("varh", "kvarh", "Mvarh"), ("VAh", "kVAh", "MVAh")
_POWER, _REACTIVE, _APPARENT = ("W", "kW", "MW"), ("var", "kvar", "Mvar"), ("VA", "kVA", "MVA")
_QUANTITIES: dict[int, tuple[tuple[str, ...], tuple[str, ...]]] = (
    dict.fromkeys((1, 2, *range(15, 21)), (_ENERGY, _POWER))
    | dict.fromkeys(range(3, 9), (_REACTIVE_ENERGY, _REACTIVE))
    | dict.fromkeys((9, 10), (_APPARENT_ENERGY, _APPARENT))
    | {11: (("Ah",), ("A",)), 12: ((), ("V", "kV")), 13: ((), ("",)), 14: ((), ("Hz",))}
)
"""Group C modulo 20 (sum and the three phases) -> units of a time integral and of any other value (IEC 62056-6-1)."""
_INTEGRALS = (8, 9)
_PHASES = range(1, 81)
_NEUTRAL_CURRENT, _NEUTRAL_VOLTAGE = 91, 92
_OTHER_UNITS = {"m³", "m³/h", "°C", "%", "h", "s", "L"}
UNITS = frozenset(
    {unit for pair in _QUANTITIES.values() for units in pair for unit in units} | _OTHER_UNITS,
)
"""Units that a map may name, as gatewayd writes them."""


def _decimal(value: object) -> object:
    """Numbers come as text: YAML would make a float of 0.1."""
    if isinstance(value, float):
        raise ValueError(f"{value} is a binary float; put it in quotes")
    return value


Exact = Annotated[Decimal, BeforeValidator(_decimal), Field(allow_inf_nan=False)]
Octets = Annotated[str, Field(pattern=r"^([0-9a-f]{2})+$")]


class Cell(Options):
    """One value in the device: function, address, and the form of its octets."""

    address: Annotated[int, Field(ge=0, lt=REGISTERS)]
    """Number of its first register: in the file as the maker counts (`base`), here as it goes over the wire."""
    type: Type
    length: int | None = None
    """Registers of a string or of mod10k; all other types have theirs."""
    function: Literal[3, 4] = 3
    """3: holding registers, 4: input registers."""
    word_order: Order = Order.BIG
    """`little`: the least significant register comes first."""
    byte_order: Order = Order.BIG
    """`little`: the less significant octet of each register comes first."""
    not_available: tuple[Octets, ...] = ()
    """Octets in hexadecimal, the most significant first, that mean that there is no value. NaN need not be named."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        try:
            self.form  # noqa: B018 # it is made to see whether it can be
        except ValueError as error:
            raise ValueError(f"{error}; correct `type`, `length` or `not_available`") from None
        if self.end > REGISTERS:
            raise ValueError(f"its last register would be {self.end - 1}; there are {REGISTERS}, from 0")
        return self

    @cached_property
    def form(self) -> Form:
        """How its octets are read."""
        marks = tuple(bytes.fromhex(mark) for mark in self.not_available)
        return Form(self.type, self.word_order, self.byte_order, self.length, marks)

    @property
    def end(self) -> int:
        """Address behind its last register."""
        return self.address + self.form.words

    @property
    def reads(self) -> Function:
        return Function(self.function)

    def piece(self, group: str | None = None) -> Piece:
        """What has to be read for it."""
        return Piece(self.reads, self.address, self.form.words, group)


class Register(Cell):
    """One value with its meaning."""

    obis: str
    """OBIS code, once in a map."""
    scale: Annotated[Exact, Field(gt=0)] = Decimal(1)
    """Factor from the number in the register to the unit, as a text: "0.01"."""
    scale_register: Cell | None = None
    """Where the exponent of ten stands that the device keeps for this value; read in the same request."""
    unit: str = ""
    """Unit of the scaled number."""
    kind: Literal["register", "maximum"] = "register"
    """`maximum`: the highest value of a period that the device itself ends."""
    values: Literal["primary", "secondary"] = "primary"
    """Which side of the instrument transformers the number refers to."""
    phase: str = ""
    """Conductor, for people: L1, L2, L3, N."""
    group: str | None = None
    """Registers of one group are one snapshot: read in one request or not at all."""
    optional: bool = False
    """Some of the models do not have it: its absence is no fault."""

    @field_validator("obis")
    @classmethod
    def _obis(cls, value: str) -> str:
        return str(Obis.parse(value))

    @model_validator(mode="after")
    def _meaning(self) -> Self:
        if self.unit not in UNITS:
            raise ValueError(f"unit '{self.unit}' is not known; known are {', '.join(sorted(UNITS - {''}))}")
        fitting = _units_of(self.code)
        if fitting is not None and self.unit not in fitting:
            wanted = " or ".join(unit or "no unit" for unit in fitting) or "no unit that is known"
            raise ValueError(f"{self.obis} has {wanted}, not '{self.unit}'; correct the code or the unit")
        if self.scale_register is not None and (self.scale != 1 or self.group is None):
            raise ValueError("`scale_register` goes with a `group`, as both have to be in one answer, without `scale`")
        if self.scale_register is not None and self.scale_register.function != self.function:
            raise ValueError("`scale_register` is read with another function; they cannot come in one answer")
        return self

    @cached_property
    def code(self) -> Obis:
        return Obis.parse(self.obis)

    @property
    def kind_of_reading(self) -> Kind:
        return Kind(self.kind)

    @property
    def side(self) -> ValueSide:
        return ValueSide(self.values)

    @property
    def cells(self) -> tuple[Cell, ...]:
        """Everything that has to be read for this value."""
        return (self,) if self.scale_register is None else (self, self.scale_register)

    @cached_property
    def pieces(self) -> tuple[Piece, ...]:
        return tuple(cell.piece(self.group) for cell in self.cells)


class Factor(Cell):
    """A number of the device's set-up, such as the primary current of its transformers."""

    scale: Annotated[Exact, Field(gt=0)] = Decimal(1)


class Transformer(Options):
    """Where the device keeps the ratio of its current or voltage transformers: as a ratio, or as two numbers."""

    ratio: Factor | None = None
    numerator: Factor | None = None
    """Primary side."""
    denominator: Factor | Exact | None = None
    """Secondary side: a register, or a number where the device has one fixed."""

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.ratio is None) == (self.numerator is None) or (self.numerator is None) != (self.denominator is None):
            raise ValueError("give either `ratio` or both `numerator` and `denominator`")
        if isinstance(self.denominator, Decimal) and self.denominator <= 0:
            raise ValueError(f"`denominator` {self.denominator} is no secondary side of a transformer")
        return self

    @property
    def cells(self) -> tuple[Factor, ...]:
        return tuple(one for one in (self.ratio, self.numerator, self.denominator) if isinstance(one, Factor))


class Sign(Cell):
    """A register by whose content a device is recognised."""

    equals: tuple[str, ...] = ()
    """Numbers as decoded, or texts; one of them has to be there."""
    matches: str = ""
    """Regular expression for the whole text of a string."""

    @field_validator("equals", mode="before")
    @classmethod
    def _texts(cls, value: Any) -> Any:  # whatever stands in the file; pydantic checks it next
        return tuple(str(one) if isinstance(one, int) else one for one in value) if isinstance(value, list) else value

    @model_validator(mode="after")
    def _something(self) -> Self:
        if bool(self.equals) == bool(self.matches):
            raise ValueError("give either `equals` or `matches`")
        if self.matches and self.type is not Type.STRING:
            raise ValueError("`matches` is for strings; for a number give `equals`")
        _pattern(self.matches)
        return self

    def fits(self, text: str) -> bool:
        """Whether the decoded number or text is the one of this device."""
        return bool(re.fullmatch(self.matches, text)) if self.matches else text in self.equals


class DeviceId(Options):
    """Regular expressions for the objects of the device identification (43/14)."""

    vendor: str
    """VendorName."""
    product: str
    """ProductCode or ProductName, whichever the device has."""

    @field_validator("vendor", "product")
    @classmethod
    def _expression(cls, value: str) -> str:
        return _pattern(value)


class Identification(Options):
    """How a scan recognises the device: by its identification, or by registers that all have to fit."""

    device_id: DeviceId | None = None
    registers: tuple[Sign, ...] = ()

    @model_validator(mode="after")
    def _some_way(self) -> Self:
        if self.device_id is None and not self.registers:
            raise ValueError("give `device_id`, `registers` or both; without either leave `identification` out")
        return self


def _pattern(value: str) -> str:
    try:
        re.compile(value)
    except re.error as error:
        raise ValueError(f"'{value}' is no regular expression: {error}") from None
    return value


def _units_of(code: Obis) -> tuple[str, ...] | None:
    """Units that a value of this code can have; None where the code does not say."""
    if code.a != 1:
        return None
    if code.c == _NEUTRAL_CURRENT:
        return _QUANTITIES[11][1]
    if code.c == _NEUTRAL_VOLTAGE:
        return _QUANTITIES[12][1]
    if code.c not in _PHASES:
        return None
    integral, other = _QUANTITIES[(code.c - 1) % 20 + 1]
    return integral if code.d in _INTEGRALS else other
