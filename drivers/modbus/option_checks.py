"""What contradicts itself in the options of a meter, and the remedy.

Rules: the first contradiction is told; a message names the keys that have to change.
"""

from typing import TYPE_CHECKING

from drivers.modbus.map_registers import Register
from drivers.modbus.maps import Map, maps
from drivers.modbus.registrar import inputs_fault

if TYPE_CHECKING:
    from drivers.modbus.options import ModbusOptions

_RTU_UNITS = range(1, 248)
"""MODBUS over Serial Line V1.02, 2.2: 0 is the broadcast, 248 to 255 are reserved."""
_TCP_UNITS = (0, *_RTU_UNITS, 255)
"""MODBUS Messaging on TCP/IP Implementation Guide V1.0b, 4.4.1.2: 255 for the device itself, where 0 works as well."""
_RTU_ONLY = ("framing", "pause_ms", "repeats")


def contradiction(options: "ModbusOptions") -> str | None:
    """The first one, None where everything fits."""
    device = maps()[options.map]
    return (
        _unit(options)
        or _transport(options)
        or _times(options)
        or _lengths(options, device)
        or _inputs(options, device)
    )


def _unit(options: "ModbusOptions") -> str | None:
    if options.transport == "tcp" and options.unit not in _TCP_UNITS:
        return f"unit {options.unit} is reserved; with transport: tcp expected 1 to 247, or 0 or 255 for a lone device"
    if options.transport == "rtu" and options.unit not in _RTU_UNITS:
        what = "the broadcast, which nobody answers" if options.unit == 0 else "reserved"
        return f"unit {options.unit} is {what}; expected 1 to 247 (0 and 255 belong to transport: tcp)"
    return None


def _transport(options: "ModbusOptions") -> str | None:
    given = [key for key in _RTU_ONLY if key in options.model_fields_set]
    if options.transport == "tcp" and given:
        return f"{', '.join(given)}: of serial lines only; leave it out with transport: tcp"
    return None


def _times(options: "ModbusOptions") -> str | None:
    if options.late_s is not None and options.late_s < options.timeout_s:
        return f"late_s {options.late_s} is less than timeout_s {options.timeout_s}: an answer may be awaited so long"
    return None


def _lengths(options: "ModbusOptions", device: Map) -> str | None:
    """What has to come in one answer has to have room in it."""
    if options.max_registers is None:
        return None
    groups: dict[str, list[Register]] = {}
    for register in device.registers:
        groups.setdefault(register.group or register.obis, []).append(register)
    for name, members in groups.items():
        cells = [cell for one in members for cell in one.cells]
        length = max(cell.end for cell in cells) - min(cell.address for cell in cells)
        if length > options.max_registers:
            return (
                f"max_registers {options.max_registers} is too small for map {device.name}: '{name}' has {length} "
                "registers that have to come in one answer"
            )
    longest = max((cell.form.words for _, cell in device.places), default=0)
    if longest > options.max_registers:
        return (
            f"max_registers {options.max_registers} is too small for map {device.name}, which reads {longest} at once"
        )
    return None


def _inputs(options: "ModbusOptions", device: Map) -> str | None:
    if device.pulse is None:
        if not options.inputs:
            return None
        counters = ", ".join(name for name, one in maps().items() if one.pulse is not None)
        return f"inputs belong to the maps of pulse counters ({counters}), and map {device.name} is none"
    if not options.inputs:
        return f"map {device.name} is for pulse counters: name them as inputs"
    return inputs_fault(options.inputs, device.pulse)
