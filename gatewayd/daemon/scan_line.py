"""The thin loop of `gatewayd scan LINE`: every unit is asked whether it is there, and those that are, what they are.

Rules: what to ask and what an answer means is decided in drivers/modbus/scan.py. First all units are swept, which is
quick, then those that answered are asked more, with patience. Nothing is written, unit 0 is never addressed.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from drivers.modbus.conversation import Conversation
from drivers.modbus.options import CHARACTER_BITS, DEFAULT_BAUD
from drivers.modbus.scan import UNITS, Device, Presence, close_settings, presence, recognised, sweep_settings
from drivers.modbus.wire.dialogue import Settings, Transport
from drivers.modbus.wire.transaction import exchange
from gatewayd.channel import Channel, Framing
from gatewayd.errors import ProtocolError

SCAN_UNITS = UNITS
DAMAGED = "answers that nobody can read: another rate or framing, or two devices with this number"
SAME = "answers for every unit: one device that does not look at the number, or a gateway with one behind it"
_SET_LINE_SECONDS = 30.0
_SILENCE = 3.5
_REQUEST_OCTETS = 8
_WRONG_IN_A_ROW = 3
_FEW = 16
"""So many units may well be alike, and all there: where no serial number tells them apart, each is told."""


@dataclass(frozen=True, slots=True)
class LineScan:
    """How a line is scanned. `baud`: None on a connection without a rate, or where the line does not say it."""

    transport: str
    units: Sequence[int]
    timeout_s: float
    baud: int | None = None
    has_rate: bool = False
    framing: Framing | None = None

    @property
    def character_s(self) -> float:
        return CHARACTER_BITS / (self.baud or DEFAULT_BAUD) if self.has_rate else 0.0

    @property
    def pause_s(self) -> float:
        return _SILENCE * CHARACTER_BITS / (self.baud or DEFAULT_BAUD) if self.transport == "rtu" else 0.0

    @property
    def sweep(self) -> Settings:
        return sweep_settings(self.timeout_s, self.character_s, self.pause_s)

    @property
    def close(self) -> Settings:
        return close_settings(self.timeout_s, self.character_s, self.pause_s)

    @property
    def seconds(self) -> float:
        """What it takes when nobody answers: each unit is given its time, and the line that of a late answer."""
        settings = self.sweep
        silent_s = settings.late_s + settings.pause_s if self.transport == "rtu" else settings.timeout_s
        return len(self.units) * (silent_s + _REQUEST_OCTETS * settings.character_s)


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit that answered. `maps`: names of those that fit, the best first; `note`: what is odd about it."""

    unit: int
    maps: tuple[str, ...] = ()
    serial: str = ""
    firmware: str = ""
    said: str = ""
    note: str = ""


async def scan_line(
    channel: Channel,
    how: LineScan,
    on_done: Callable[[int], None],
    on_found: Callable[[Unit], None] = lambda _unit: None,
) -> tuple[Unit, ...]:
    """The units that answer, in their order. `on_done` is called with the number of units that were asked, `on_found`
    with each unit that has answered, and again when more is known of it.

    ChannelError when the line fails, ProtocolError where what answers is no Modbus."""
    deadline = asyncio.get_running_loop().time() + _SET_LINE_SECONDS
    await channel.set_line(how.baud or DEFAULT_BAUD, how.framing or Framing.N81, deadline=deadline)
    transport = Transport(how.transport)
    there = await _sweep(channel, transport, how, on_done, on_found)
    used = 2 * len(how.units)  # transaction numbers of the sweep, at most
    async with Conversation(channel, exchange(transport, how.close, used)) as conversation:
        sound = [unit for unit, what in there.items() if what is Presence.SOMEBODY]
        alone = transport is Transport.TCP and len(sound) == len(how.units) > 1
        found: dict[int, Unit] = {unit: Unit(unit, note=DAMAGED) for unit in there}
        for unit in (sound[0], sound[-1]) if alone else sound:
            found[unit] = _unit(unit, await recognised(partial(conversation.ask, unit)))
            on_found(found[unit])
        if alone and _same(found[sound[0]], found[sound[-1]]) and (found[sound[0]].serial or len(sound) > _FEW):
            first = found[sound[0]]
            return (Unit(first.unit, first.maps, first.serial, first.firmware, first.said, SAME),)
        for unit in sound[1:-1] if alone else ():
            found[unit] = _unit(unit, await recognised(partial(conversation.ask, unit)))
    return tuple(found.values())


async def _sweep(
    channel: Channel,
    transport: Transport,
    how: LineScan,
    on_done: Callable[[int], None],
    on_found: Callable[[Unit], None],
) -> dict[int, Presence]:
    there: dict[int, Presence] = {}
    wrong = 0
    async with Conversation(channel, exchange(transport, how.sweep)) as conversation:
        for number, unit in enumerate(how.units, 1):
            what = await presence(partial(conversation.ask, unit))
            if what is not Presence.NOBODY:
                there[unit] = what
                on_found(Unit(unit, note=DAMAGED if what is Presence.DAMAGED else ""))
            wrong = wrong + 1 if what is Presence.DAMAGED else 0
            if transport is Transport.TCP and wrong >= _WRONG_IN_A_ROW:
                raise ProtocolError("does not speak Modbus TCP; try --transport rtu, for a serial server on a bus")
            on_done(number)
    return there


def _unit(unit: int, device: Device) -> Unit:
    return Unit(unit, device.maps, device.identity.serial, device.identity.firmware, device.said)


def _same(one: Unit, other: Unit) -> bool:
    return (one.maps, one.serial, one.said) == (other.maps, other.serial, other.said)
