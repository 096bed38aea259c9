"""From what a session has seen of a device to its Answer.

Rules: pure. A register that was named, or that every device of the map has, and that this one refuses, is a reading
that says so; of optional ones the remark is enough. What it refuses for another reason is an error, behind which only
what came is told.
"""

from dataclasses import dataclass
from datetime import datetime

from drivers.modbus.asking import ADDRESSES
from drivers.modbus.device import Device
from drivers.modbus.identity import identity_of
from drivers.modbus.image import Image
from drivers.modbus.naming import asked
from drivers.modbus.ratios import compared
from drivers.modbus.reading_plan import Selection
from drivers.modbus.readings import missing, object_of
from drivers.modbus.wire.pdu import ExceptionCode, Refused
from gatewayd.errors import GatewayError, MeterDiffers, ProtocolError
from gatewayd.model import Answer, MeterObject, Ratio, Reading, Registers, Scan


@dataclass(frozen=True, slots=True)
class Source:
    """Whose readings they are, the ratio that is configured, and when the session was over."""

    meter: str
    ratio: Ratio
    at: datetime


@dataclass(frozen=True, slots=True)
class Seen:
    """What was asked of a device, and what it gave."""

    device: Device
    selection: Selection
    image: Image


def answer_of(source: Source, request: Registers | Scan, seen: Seen, *, complete: bool) -> Answer:
    """The readings; of a scan the registers that the device has as well. `complete`: no error followed."""
    device, selection, image = seen.device, seen.selection, seen.image
    identity = device.identity or identity_of(device.map, image.octets)
    ratios = compared(device.map, image.octets, source.ratio)
    readings: list[Reading] = []
    objects: list[MeterObject] = []
    remarks = [device.detail, ratios.detail]
    for register in selection.registers:
        match image.register(register):
            case Refused() as refused:
                remarks.append(f"{register.code}: {refused.text}")
                if refused.code in ADDRESSES and isinstance(request, Registers) and selection.needed(register):
                    readings.append(missing(source.meter, register.code, source.at))
            case None:
                assert not complete, register
            case came:
                readings.append(device.make(source.meter, register, came, ratios.faults))
                objects.append(object_of(register))
    if complete:
        readings += [missing(source.meter, obis, source.at) for obis in selection.absent]
        remarks += [f"{obis}: not in the map {device.map.name}" for obis in selection.absent]
    return Answer(
        tuple(readings),
        detail="; ".join(filter(None, remarks)),
        serials=identity.serials,
        identification=identity.identification,
        objects=tuple(objects) if isinstance(request, Scan) else (),
        alarms=ratios.alarms,
    )


def refusal(unit: int, seen: Seen) -> GatewayError | None:
    """The error where the device refuses a register that is needed, and not because it does not have it."""
    for read, refused in seen.image.refused:
        needed = any(
            seen.selection.needed(one) and one.reads is read.function and read.address <= one.address < read.end
            for one in seen.selection.registers
        )
        if not needed or refused.code in ADDRESSES:
            continue
        if refused.code != ExceptionCode.ILLEGAL_FUNCTION:
            return asked(ProtocolError(f"refuses: {refused.text}"), unit, read)
        differs = MeterDiffers(
            f"refuses: {refused.text}; it is no device of map {seen.device.map.name}, or has these registers behind "
            "another function: look at `map` and `unit` in its options"
        )
        return asked(differs, unit, read)
    return None
