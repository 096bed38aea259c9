"""A device as a session reads it: its registers with their addresses, and how they become readings.

Rules: of most devices the map says everything. Where a SunSpec device has its registers it is asked, and what a
registration device counts the options say.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from zoneinfo import ZoneInfo

from drivers.modbus.asking import Reader
from drivers.modbus.identity import Identity
from drivers.modbus.image import Snapshot
from drivers.modbus.map_registers import Register
from drivers.modbus.maps import Map, Pulse
from drivers.modbus.options import ModbusOptions
from drivers.modbus.readings import reading_of
from drivers.modbus.registrar import Input, input_cell, pulse_reading
from drivers.modbus.sunspec import located
from gatewayd.driver import Memory
from gatewayd.model import Reading
from gatewayd.status import Fault

Make = Callable[[str, Register, Snapshot, tuple[Fault, ...]], Reading]
"""Makes a reading: of which meter, of which register, from what came, with faults that all of the session have."""


@dataclass(frozen=True, slots=True)
class Device:
    """`identity`: who it is, where that is known before anything else is read."""

    map: Map
    registers: tuple[Register, ...]
    make: Make
    identity: Identity | None = None
    detail: str = ""


async def device_of(reader: Reader, options: ModbusOptions, memory: Memory, zone: ZoneInfo) -> Device:
    """Errors of Reader.ask; MeterDiffers where it is no device of the map; ArchiveError."""
    found = options.device
    if found.sunspec is not None:
        there = await located(reader.ask, memory, found, options.unit, options.most)
        return Device(there.map, there.map.registers, reading_of, there.identity, there.detail)
    if found.pulse is not None:
        inputs = {one.obis: one for one in options.inputs}
        registers = tuple(_counter(one, found.pulse) for one in options.inputs)
        return Device(found, registers, partial(_pulses, inputs, found.pulse, zone))
    return Device(found, found.registers, reading_of)


def _counter(one: Input, pulse: Pulse) -> Register:
    return Register.model_validate(input_cell(one, pulse).model_dump() | {"obis": one.obis, "unit": one.unit})


def _pulses(
    inputs: dict[str, Input],
    pulse: Pulse,
    zone: ZoneInfo,
    meter: str,
    register: Register,
    came: Snapshot,
    others: tuple[Fault, ...],
) -> Reading:
    assert not others  # a counter of pulses has no transformers
    return pulse_reading(meter, inputs[register.obis], pulse, came.octets[0], came.at, zone)
