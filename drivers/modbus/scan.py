"""Who is on a line: units that answer, and what each of them is.

    presence(ask)                 -> Presence: nobody, somebody, damaged
    recognised(ask)               -> Device, of a unit that is there
    sweep_settings, close_settings   how patiently an exchange asks in either

Rules: a few registers are read and nothing else is done; unit 0 is never asked. An exception is an answer, too, but
those of a gateway for a device behind it (10, 11) say that nobody is there. A map is proposed where all of its
identification fits; where several fit, a text counts for more than a number, and all that are left are told.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum, auto

from drivers.modbus.identity import (
    NOBODY,
    Ask,
    DeviceIdentification,
    Identity,
    cell_text,
    device_identification,
    identity_cells,
    identity_of,
)
from drivers.modbus.map_registers import Cell, DeviceId, Identification
from drivers.modbus.maps import Map, maps
from drivers.modbus.sunspec import Chain, walk, whose
from drivers.modbus.wire.dialogue import Settings
from drivers.modbus.wire.pdu import ExceptionCode, Function, Read, Refused, Reply, Request, Words
from drivers.modbus.wire.values import Type
from gatewayd.errors import MeterSilent, ProtocolError

UNITS = range(1, 248)
"""Units on a serial line (MODBUS over Serial Line V1.02, 2.2); 0 is the broadcast."""
PRESENCE = Read(Function.READ_HOLDING_REGISTERS, 0, 2)
"""Two registers: those whose registers make numbers of 32 bits are not asked for half of one."""
_BEHIND = (ExceptionCode.GATEWAY_PATH_UNAVAILABLE, ExceptionCode.GATEWAY_TARGET_FAILED_TO_RESPOND)
_NOTHING = Refused(ExceptionCode.GATEWAY_TARGET_FAILED_TO_RESPOND)
_SILENCES = 3
"""So many requests in a row without an answer, and a unit is asked no more."""
_MAKER, _MODEL, _VERSION = (
    Cell(address=address, type=Type.STRING, length=length) for address, length in ((2, 16), (18, 16), (42, 8))
)
"""In the SunSpec common model, by offset (smdx_00001)."""
_CLOSE_S = 1.0


class Presence(Enum):
    """What a unit does when it is asked. DAMAGED: something answers that nobody can read."""

    NOBODY = auto()
    SOMEBODY = auto()
    DAMAGED = auto()


@dataclass(frozen=True, slots=True)
class Device:
    """What is known of a unit: names of the maps that fit, the best first; who it is; what it says of itself."""

    maps: tuple[str, ...] = ()
    identity: Identity = NOBODY
    said: str = ""


def sweep_settings(timeout_s: float, character_s: float, pause_s: float) -> Settings:
    """Whoever has not answered in time is not waited for again: each answer names its unit, so that a late one cannot
    be taken for the next unit's."""
    short = (5 + 2 * PRESENCE.count) * character_s
    return Settings(timeout_s=timeout_s, late_s=timeout_s + short, character_s=character_s, pause_s=pause_s)


def close_settings(timeout_s: float, character_s: float, pause_s: float) -> Settings:
    """One unit is asked for several things: the line's debt counts in full."""
    patience = max(timeout_s, _CLOSE_S)
    late_s = max(Settings().late_s, patience + 256 * character_s)
    return Settings(timeout_s=patience, late_s=late_s, character_s=character_s, pause_s=pause_s)


async def presence(ask: Ask) -> Presence:
    """Whether somebody has this unit number. A damaged answer is asked for once more. ChannelError."""
    for _ in range(2):
        try:
            reply = await ask(PRESENCE)
        except MeterSilent:
            return Presence.NOBODY
        except ProtocolError:
            continue
        behind = isinstance(reply, Refused) and reply.code in _BEHIND
        return Presence.NOBODY if behind else Presence.SOMEBODY
    return Presence.DAMAGED


async def recognised(ask: Ask, known: Mapping[str, Map] | None = None) -> Device:
    """What a unit is that is there. ChannelError; whatever it does not answer is unknown."""
    known = maps() if known is None else known
    asking = _Forgiving(ask)
    said, chain = await _said(asking), await _chain(asking)
    signs = await _signs(asking, known)
    fitting = _fitting(known, said, chain, signs)
    texts = [said.text] if said is not None else []
    if chain is not None:
        texts.append(" ".join(filter(None, map(chain.text, (_MAKER, _MODEL, _VERSION)))))
        texts.append(f"SunSpec models {chain.numbers}")
    identity = await _identity(asking, known[fitting[0]], chain) if fitting else NOBODY
    if not identity.serial and chain is not None and not (fitting and known[fitting[0]].sunspec):
        identity = replace(identity, serial=_serial_of(chain, known))
    return Device(fitting, identity, ", ".join(filter(None, dict.fromkeys(texts))))


class _Forgiving:
    """Asks, and takes no answer for a refusal: many devices are silent where the standard wants an exception."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._silences = 0

    @property
    def tired(self) -> bool:
        return self._silences >= _SILENCES

    async def __call__(self, request: Request) -> Reply:
        if self.tired:
            return _NOTHING
        try:
            reply = await self._ask(request)
        except (MeterSilent, ProtocolError):
            self._silences += 1
            return _NOTHING
        self._silences = 0
        return reply


async def _said(ask: Ask) -> DeviceIdentification | None:
    try:
        return await device_identification(ask)
    except ProtocolError:  # one that has no end
        return None


async def _chain(ask: Ask) -> Chain | None:
    try:
        return await walk(ask)
    except ProtocolError:  # a chain that cannot be
        return None


async def _signs(ask: Ask, known: Mapping[str, Map]) -> dict[Cell, str]:
    """What stands in the registers by which maps know their devices, each read once."""
    found: dict[Cell, str] = {}
    read: dict[Read, bytes | None] = {}
    for one in known.values():
        for sign in one.identification.registers if one.identification is not None else ():
            request = Read(sign.reads, sign.address, sign.form.words)
            if request not in read:
                reply = await ask(request)
                read[request] = reply.octets if isinstance(reply, Words) else None
            octets = read[request]
            if octets is not None:
                found[sign] = cell_text(sign, octets)
    return found


def _fitting(
    known: Mapping[str, Map], said: DeviceIdentification | None, chain: Chain | None, signs: Mapping[Cell, str]
) -> tuple[str, ...]:
    by_text: list[str] = []
    by_number: list[str] = []
    for name, one in known.items():
        way = one.identification
        if way is None or not _fits(way, said, signs):
            continue
        textual = way.device_id is not None or any(sign.type is Type.STRING for sign in way.registers)
        (by_text if textual else by_number).append(name)
    models = [
        name for name, one in known.items() if chain is not None and one.sunspec is not None and chain.of(one.sunspec)
    ]
    return (*(by_text or by_number), *models)


def _fits(way: Identification, said: DeviceIdentification | None, signs: Mapping[Cell, str]) -> bool:
    if way.device_id is not None and (said is None or not _is(way.device_id, said)):
        return False
    return all(sign in signs and sign.fits(signs[sign]) for sign in way.registers)


def _is(wanted: DeviceId, said: DeviceIdentification) -> bool:
    vendor = re.fullmatch(wanted.vendor, said.vendor)
    return vendor is not None and any(re.fullmatch(wanted.product, product) for product in said.products)


async def _identity(ask: Ask, found: Map, chain: Chain | None) -> Identity:
    if found.sunspec is not None and chain is not None:
        return await whose(ask, chain, found.sunspec)
    octets: dict[Cell, bytes | None] = {}
    for cell in identity_cells(found):
        reply = await ask(Read(cell.reads, cell.address, cell.form.words))
        octets[cell] = reply.octets if isinstance(reply, Words) else None
    return identity_of(found, octets.get)


def _serial_of(chain: Chain, known: Mapping[str, Map]) -> str:
    """The serial number of a SunSpec device whose meter model no map knows."""
    any_map = next((one.sunspec for one in known.values() if one.sunspec is not None), None)
    return chain.identity(any_map).serial if any_map is not None else ""
