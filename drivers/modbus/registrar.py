"""Registration devices: inputs that count pulses, each with the weight of a pulse (type A and B metering).

    Input                                    one entry of `inputs` in the options of a meter
    inputs_fault(inputs, pulse)              what contradicts itself in all of them, for the options
    input_cell(one, pulse)                   what has to be read for an input
    pulse_reading(meter, one, pulse, octets, at, zone) -> Reading

Rules: pure. What the device sent, a number of pulses, is kept beside the value: `raw` are the octets, `more` the pulses
and the weight, `raw_text` the exact product, because a weight is rarely a power of ten. A weight holds from a day of
legal time on and never changes the days before. A device that has several metering points is several meters in the
configuration, on the same line and unit, each with the inputs of its own point: a reading belongs to one point.
"""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Context, Decimal
from itertools import pairwise
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import Field, ValidationError, field_validator, model_validator

from drivers.modbus.map_registers import REGISTERS, Cell, Exact, Register
from drivers.modbus.maps import Pulse
from drivers.modbus.wire.values import Number, Type, Undecodable, decode
from gatewayd.model import WEIGHT, Kind, Reading
from gatewayd.obis import Obis
from gatewayd.options import Options
from gatewayd.status import Fault, judge

_EXACT = Context(prec=60)
"""A counter of 64 bits has 20 digits, and a weight not more than the rest."""
ALWAYS = date(1970, 1, 1)


class Weight(Options):
    """What a pulse is worth, from a day on."""

    weight: Annotated[Exact, Field(gt=0, max_digits=30)]
    """Units of one pulse, in quotes: "0.001" for a meter with 1000 pulses per kWh, times its transformers' ratio only
    where `ratio` of the meter does not have that already."""
    unit: str
    """Unit of the value: kWh, kvarh, m³."""
    since: date = Field(default=ALWAYS)
    """First day of legal time on which this weight holds."""
    at_pulses: int | None = Field(default=None, ge=0)
    """Pulses at which this weight began to hold. With it the total goes on from `at_value`; without it the whole count
    is worth this weight, and the total jumps on that day."""
    at_value: Annotated[Exact, Field(ge=0, max_digits=30)] | None = Field(default=None)
    """Total at which this weight began to hold, in quotes."""

    @model_validator(mode="after")
    def _both(self) -> Self:
        if (self.at_pulses is None) != (self.at_value is None):
            raise ValueError("`at_pulses` and `at_value` belong together: give both or neither")
        return self

    @property
    def text(self) -> str:
        """What a pulse is worth, and from where on; two totals with different ones cannot be compared."""
        start = f" from {self.at_value:f} at {self.at_pulses} pulses" if self.at_value is not None else ""
        return f"{WEIGHT}{self.weight:f} {self.unit}{start}"

    def value(self, pulses: Decimal) -> Decimal | None:
        """The total for a count; None for one from before `at_pulses`."""
        if self.at_pulses is None or self.at_value is None:
            return _EXACT.multiply(pulses, self.weight)
        more = pulses - self.at_pulses
        return None if more < 0 else _EXACT.add(self.at_value, _EXACT.multiply(more, self.weight))


class Input(Options):
    """One input of a registration device: where its counter stands, what it counts, and what a pulse is worth."""

    address: int = Field(ge=0, lt=REGISTERS)
    """First register of the counter, as it goes over the wire: from 0."""
    obis: str
    """OBIS code of what is counted: 1-0:1.8.0."""
    pulse_weight: tuple[Weight, ...] = Field(min_length=1)
    """What a pulse is worth: one entry for each time that it has changed."""
    function: Literal[3, 4] | None = Field(default=None)
    """3: holding registers, 4: input registers; default: what the map says."""

    @field_validator("obis")
    @classmethod
    def _obis(cls, value: str) -> str:
        return str(Obis.parse(value))

    @model_validator(mode="after")
    def _weights(self) -> Self:
        units = {one.unit for one in self.pulse_weight}
        if len(units) > 1:
            raise ValueError(f"{self.obis} is counted in {' and '.join(sorted(units))}; give all weights in one unit")
        for before, after in pairwise(self._by_day):
            if before.since == after.since:
                raise ValueError(f"{self.obis} has two weights since {before.since}; remove one")
        fitting = {"address": 0, "type": Type.U16, "obis": self.obis, "unit": self.unit}
        try:
            Register.model_validate(fitting)
        except ValidationError as error:
            raise ValueError(error.errors()[0]["msg"].removeprefix("Value error, ")) from None
        return self

    @property
    def code(self) -> Obis:
        return Obis.parse(self.obis)

    @property
    def unit(self) -> str:
        return self.pulse_weight[0].unit

    @property
    def _by_day(self) -> list[Weight]:
        return sorted(self.pulse_weight, key=lambda one: one.since)

    def weight_on(self, day: date) -> Weight | None:
        """The weight that holds on a day of legal time; None before the first."""
        return max((one for one in self.pulse_weight if one.since <= day), key=lambda one: one.since, default=None)

    def jumps_on(self, day: date) -> bool:
        """Whether the total jumps on this day, because another weight begins to hold for all pulses."""
        return any(
            after.since == day and after.at_pulses is None and (after.weight, None) != (before.weight, before.at_pulses)
            for before, after in pairwise(self._by_day)
        )


def inputs_fault(inputs: Sequence[Input], pulse: Pulse) -> str | None:
    """What is wrong with the inputs of one meter taken together, and the remedy; None where nothing is."""
    codes: dict[str, Input] = {}
    for one in inputs:
        if (other := codes.setdefault(one.obis, one)) is not one:
            return (
                f"inputs at {other.address} and {one.address} both count {one.obis}; where they are two metering "
                "points, each is an entry of its own under `meters`, on the same line and unit"
            )
    try:
        cells = sorted((input_cell(one, pulse) for one in inputs), key=lambda cell: (cell.function, cell.address))
    except ValidationError as error:
        return f"inputs: {error.errors()[0]['msg'].removeprefix('Value error, ')}"
    for before, after in pairwise(cells):
        if before.function == after.function and after.address < before.end:
            return (
                f"inputs at {before.address} and {after.address} overlap, as a counter has {before.form.words} "
                "registers; correct an `address` or the map"
            )
    return None


def input_cell(one: Input, pulse: Pulse) -> Cell:
    """What has to be read for an input."""
    return (pulse if one.function is None else pulse.model_copy(update={"function": one.function})).cell(one.address)


def pulse_reading(meter: str, one: Input, pulse: Pulse, octets: bytes, at: datetime, zone: ZoneInfo) -> Reading:
    """The reading of an input whose counter came at an instant."""
    text, more, faults = _valued(one, input_cell(one, pulse), octets, at.astimezone(zone).date())
    status, flags = judge(faults)
    return Reading(
        meter=meter,
        obis=one.code,
        obis_raw=one.obis,
        kind=Kind.REGISTER,
        at=at,
        raw=octets,
        raw_text=text,
        unit=one.unit,
        status=status,
        flags=flags,
        more=more,
    )


def _valued(one: Input, cell: Cell, octets: bytes, day: date) -> tuple[str, tuple[str, ...], tuple[Fault, ...]]:
    """Text of the value, pulses and weight, faults."""
    try:
        count = decode(octets, cell.form)
    except Undecodable:
        return "", (), (Fault.NOT_DECODABLE,)
    assert isinstance(count, Number)  # a counter has no other type (Pulse), and no marks
    pulses = f"pulses {count.value:f}"
    weight = one.weight_on(day)
    if weight is None:  # pulses that nobody knows the worth of
        return "", (pulses,), (Fault.NOT_DECODABLE,)
    more = (pulses, weight.text)
    value = weight.value(count.value)
    if value is None:  # the counter began again, or is another one
        return "", more, (Fault.NOT_DECODABLE,)
    return format(value, "f"), more, (Fault.PARAMETERS_SET,) if one.jumps_on(day) else ()
