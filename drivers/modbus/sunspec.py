"""SunSpec devices: where a model begins is found by walking the chain of models, and remembered.

    located(ask, memory, map, unit, most)    -> Located(map, identity, detail)
    walk(ask, most)                          -> Chain | None, for a scan
    whose(ask, chain, wanted, most)          -> Identity of what the models of a map belong to

A device has the marker `SunS` at one of three addresses, behind it model after model: number, length, content; number
FFFF ends the chain (SunSpec Device Information Model Specification). A map counts from the number of its model.

Rules: the chain is bounded, as a device may say anything. What is remembered holds as long as the common model says the
same (maker, model, version, serial number) and the model of the map is where it was. Losing it costs a walk. Who a
model belongs to says the common model before it: an inverter may have those of its meters behind its own. A scale
factor is read in one request with what it scales, as the groups of the map say.
"""

import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache

from drivers.modbus.identity import Ask, Identity, cell_text
from drivers.modbus.map_registers import REGISTERS, Cell, Register
from drivers.modbus.maps import SUNSPEC_BASES, Map, SunSpec
from drivers.modbus.wire.pdu import MAX_REGISTERS, Function, Read, Words
from gatewayd.driver import Memory
from gatewayd.errors import MeterDiffers, ProtocolError

MARKER = b"SunS"
COMMON = 1
_END = 0xFFFF
_HEADER = 2
_COMMON_LENGTHS = (65, 66)
"""Of the common model; 65 without the pad at its end."""
_MOST_MODELS = 64
_KEY = "modbus/sunspec"


@dataclass(frozen=True, slots=True)
class Model:
    """A model of a device: its number, the address of the register that holds it, the registers behind the header."""

    number: int
    address: int
    length: int

    @property
    def end(self) -> int:
        return self.address + _HEADER + self.length


@dataclass(frozen=True, slots=True)
class Chain:
    """The models of a device in their order, and the content of the common one, its header included."""

    base: int
    models: tuple[Model, ...]
    common: bytes

    @property
    def mark(self) -> str:
        """Changes when the device is another one, or has another firmware."""
        return hashlib.sha256(self.common).hexdigest()

    @property
    def numbers(self) -> str:
        """For messages."""
        return ", ".join(str(one.number) for one in self.models)

    def of(self, wanted: SunSpec) -> tuple[Model, ...]:
        """The models that a map is for."""
        return tuple(one for one in self.models if one.number in wanted.models)

    def common_of(self, wanted: SunSpec) -> Model:
        """The common model that says whose the first model of a map is."""
        place = next((place for place, one in enumerate(self.models) if one.number in wanted.models), 0)
        return next((one for one in reversed(self.models[:place]) if one.number == COMMON), self.models[0])

    def identity(self, wanted: SunSpec) -> Identity:
        """Serial number and version of the first common model."""
        return _identity(wanted, self.common)

    def text(self, cell: Cell) -> str:
        """A text of the first common model, by its offset."""
        return _text(cell, self.common)


@dataclass(frozen=True, slots=True)
class Located:
    """A map with the addresses that its registers have in this device, who that is, and what there is to say of it."""

    map: Map
    identity: Identity
    detail: str = ""


def _identity(wanted: SunSpec, common: bytes) -> Identity:
    return Identity(_text(wanted.common_serial, common), _text(wanted.common_firmware, common))


def _text(cell: Cell, common: bytes) -> str:
    octets = common[2 * cell.address : 2 * cell.end]
    return cell_text(cell, octets) if len(octets) == 2 * cell.form.words else ""


async def whose(ask: Ask, chain: Chain, wanted: SunSpec, most: int = MAX_REGISTERS) -> Identity:
    """Who the device is that the models of a map belong to; nobody where it refuses to say. Errors of `ask`."""
    common = chain.common_of(wanted)
    if common is chain.models[0]:
        return chain.identity(wanted)
    octets = await _read(ask, common.address, min(_HEADER + common.length, _HEADER + max(_COMMON_LENGTHS)), most)
    return _identity(wanted, octets or b"")


async def located(ask: Ask, memory: Memory, found: Map, unit: int, most: int = MAX_REGISTERS) -> Located:
    """The registers of a SunSpec map in the device that is asked. `most`: registers of one request.

    MeterDiffers where it is no such device or has none of the models; errors of `ask`; ArchiveError."""
    wanted = found.sunspec
    assert wanted is not None, "a map without `sunspec` needs no walk"
    chain = await _remembered(ask, memory, wanted, unit, most)
    if chain is None:
        chain = await walk(ask, most)
        if chain is None:
            bases = ", ".join(map(str, SUNSPEC_BASES))
            raise MeterDiffers(f"has no SunSpec marker at {bases}: look at `map` and `unit` in its options")
        await memory.remember(_KEY, _encoded(chain, unit))
    models = chain.of(wanted)
    names = ", ".join(map(str, wanted.models))
    if not models:
        raise MeterDiffers(f"has the SunSpec models {chain.numbers}, and map {found.name} is for {names}")
    model = models[0]
    if model.length < wanted.length:
        raise MeterDiffers(
            f"has SunSpec model {model.number} with {model.length} registers, where the model has {wanted.length}: "
            "its firmware is wrong, or the model a newer one that needs a map of its own"
        )
    several = f"has {len(models)} models of {names}: the first one is read" if len(models) > 1 else ""
    return Located(moved(found, model.address), await whose(ask, chain, wanted, most), several)


def moved(found: Map, address: int) -> Map:
    """The map with its registers counted from the beginning of the address space, for a model at `address`."""
    return found.model_copy(update={"registers": _moved(found.registers, address)})


@lru_cache(maxsize=64)  # the same for each session with each device of this kind
def _moved(registers: tuple[Register, ...], by: int) -> tuple[Register, ...]:
    return tuple(_cell(one, by) for one in registers)


def _cell(one: Register, by: int) -> Register:
    # Made anew and not copied: a copy would keep what is worked out once (its pieces).
    content = one.model_dump() | {"address": one.address + by}
    if one.scale_register is not None:
        content["scale_register"] = one.scale_register.model_dump() | {"address": one.scale_register.address + by}
    return Register.model_validate(content)


# -- the walk --------------------------------------------------------------------------------------------------------


async def walk(ask: Ask, most: int = MAX_REGISTERS) -> Chain | None:
    """The chain of a device, None where there is no marker. ProtocolError for an impossible chain; errors of `ask`."""
    for base in SUNSPEC_BASES:
        if await _read(ask, base, _HEADER, most) == MARKER:
            return await _chain(ask, base, most)
    return None


async def _chain(ask: Ask, base: int, most: int) -> Chain:
    models: list[Model] = []
    address = base + _HEADER
    while len(models) < _MOST_MODELS and address + _HEADER <= REGISTERS:
        header = await _read(ask, address, _HEADER, most)
        if header is None:
            break  # not every device ends its chain
        number, length = int.from_bytes(header[:2]), int.from_bytes(header[2:])
        if number == _END:
            break
        model = Model(number, address, length)
        if number == 0 or model.end > REGISTERS:
            raise ProtocolError(f"has a chain of SunSpec models with model {number} of {length} registers", header)
        models.append(model)
        address = model.end
    else:
        raise ProtocolError(f"has a chain of SunSpec models that does not end after {len(models)} of them")
    if not models or models[0].number != COMMON or models[0].length not in _COMMON_LENGTHS:
        raise ProtocolError("has a chain of SunSpec models that does not begin with the common model")
    common = await _read(ask, models[0].address, _HEADER + models[0].length, most)
    if common is None:
        raise ProtocolError("refuses to let its SunSpec common model be read")
    return Chain(base, tuple(models), common)


async def _read(ask: Ask, address: int, count: int, most: int) -> bytes | None:
    """Registers in as many requests as it takes; None where the device refuses one of them."""
    octets = b""
    while count > 0:
        part = min(count, most)
        reply = await ask(Read(Function.READ_HOLDING_REGISTERS, address, part))
        if not isinstance(reply, Words):
            return None
        octets += reply.octets
        address, count = address + part, count - part
    return octets


# -- what is remembered ----------------------------------------------------------------------------------------------


def _encoded(chain: Chain, unit: int) -> bytes:
    models = [[one.number, one.address, one.length] for one in chain.models]
    return json.dumps({"unit": unit, "base": chain.base, "models": models, "mark": chain.mark}).encode()


async def _remembered(ask: Ask, memory: Memory, wanted: SunSpec, unit: int, most: int) -> Chain | None:
    """The chain of last time, where the device's marker and common model are still the same, and the model of the map
    is where it was: a device may get another one in front of it, or have them in another order when it starts."""
    known = await memory.recall(_KEY)
    try:
        content = json.loads(known or b"null")
        base, mark = int(content["base"]), str(content["mark"])
        models = tuple(Model(int(number), int(address), int(length)) for number, address, length in content["models"])
        same_unit = content["unit"] == unit
    except (ValueError, TypeError, KeyError):
        return None
    if not same_unit or not models or base not in SUNSPEC_BASES or models[0].end > REGISTERS:
        return None
    end = models[0].end
    there = next((one for one in models if one.number in wanted.models), None)
    behind = there is not None and there.address == end  # then one request does for both, if the device gives that
    octets = await _read(ask, base, end + _HEADER - base, most) if behind else None
    octets = octets or await _read(ask, base, end - base, most)
    if octets is None or octets[: len(MARKER)] != MARKER:
        return None
    chain = Chain(base, models, octets[len(MARKER) : 2 * (end - base)])
    if chain.mark != mark:
        return None
    if there is None:
        return chain
    header = octets[2 * (end - base) :] or await _read(ask, there.address, _HEADER, most)
    return chain if header == there.number.to_bytes(2) + there.length.to_bytes(2) else None
