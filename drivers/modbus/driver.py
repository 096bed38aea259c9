"""The driver of a device by Modbus: what is asked of it, and what its answers mean.

Rules: what is said on the line is decided in wire/, what a register means in the map. A session is one request: the
registers that it means, the serial number and the ratios, in as few requests as can be. What came is an Answer, also
where an error follows. The exchange of a line outlives the session, and with it what the line still owes. Nothing of
Modbus changes a device.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import assert_never

from drivers.modbus.answers import Seen, Source, answer_of, refusal
from drivers.modbus.asking import Manner, Reader
from drivers.modbus.conversation import Conversation
from drivers.modbus.device import Device, device_of
from drivers.modbus.identity import identity_cells
from drivers.modbus.image import Image
from drivers.modbus.lines import exchange_of
from drivers.modbus.map_registers import Cell
from drivers.modbus.options import DEFAULT_BAUD, ModbusOptions
from drivers.modbus.ratios import ratio_cells
from drivers.modbus.reading_plan import Forbidden, select
from drivers.modbus.wire.dialogue import Exchange, Transport
from drivers.modbus.wire.tcp import TRANSACTIONS
from drivers.modbus.wire.transaction import exchange
from gatewayd.channel import Channel
from gatewayd.driver import Driver, DriverKind, Setting
from gatewayd.errors import ArchiveError, GatewayError, MeterDiffers
from gatewayd.model import Answer, Clock, Listen, Profile, Registers, Request, Scan
from gatewayd.naming import named

_SET_LINE_TIMEOUT = 30.0
_NUMBERS = 1024
"""Transaction numbers that a connection has for itself: more requests than a session has."""


class ModbusDriver:
    """Reads one unit: registers of its map."""

    def __init__(self, setting: Setting, options: ModbusOptions) -> None:
        self._setting = setting
        self._options = options
        self._key = f"modbus/forbidden/{options.map}"
        self._settings = options.settings(setting.line_baud)
        self._exchange: Exchange | None = None  # of Modbus TCP
        self._connection: Channel | None = None
        self._connections = 0
        self._forbidden: Forbidden | None = None  # as remembered, once that was asked for

    @property
    def credentials(self) -> str:
        return ""

    async def execute(self, channel: Channel, request: Request) -> AsyncGenerator[Answer, None]:
        """One Answer with the readings of the session. MeterDiffers for what Modbus does not have."""
        meter = self._setting.meter
        try:
            async with aclosing(self._answers(channel, request)) as answers:
                async for answer in answers:
                    yield answer
        except ArchiveError:
            raise  # is not the meter's
        except GatewayError as error:
            raise named(error, meter.id, meter.line) from error

    def _answers(self, channel: Channel, request: Request) -> AsyncGenerator[Answer, None]:
        match request:
            case Registers() | Scan():
                return self._session(channel, request)
            case Profile():
                raise MeterDiffers("has no load profile, as it is read by Modbus: name its registers in the job")
            case Clock():
                raise MeterDiffers("has no clock that its map knows, as it is read by Modbus; nothing was sent")
            case Listen():
                raise MeterDiffers("is asked and does not send by itself, as it is read by Modbus: name its registers")
            case _:
                assert_never(request)

    async def _session(self, channel: Channel, request: Registers | Scan) -> AsyncGenerator[Answer, None]:
        await self._set_line(channel)
        setting = self._setting
        today = setting.clock().astimezone(setting.zone).date()
        if self._forbidden is None:
            self._forbidden = Forbidden.recalled(await setting.memory.recall(self._key), today)
        forbidden = self._forbidden.on(today)
        seen: Seen | None = None
        fault: GatewayError | None = None
        try:
            async with Conversation(channel, self._exchange_on(channel)) as conversation:
                if self._options.frames is Transport.RTU:
                    await conversation.pause(self._settings.pause_s)  # what lies in a buffer of the line is nobody's
                reader = Reader(conversation, self._manner, setting.clock, forbidden)
                device = await device_of(reader, self._options, setting.memory, setting.zone)
                seen = self._wanted(device, request, forbidden)
                await reader.read(seen.image)
        except GatewayError as error:
            if seen is None or seen.image.empty:
                raise
            fault = error
        if reader.learned and not seen.image.empty:  # who refuses everything is out of order, and has its registers
            self._forbidden = forbidden.learned(reader.learned, today)
            if self._forbidden != forbidden:  # a disk is not written in each session
                await setting.memory.remember(self._key, self._forbidden.encoded())
        now = setting.clock()
        source = Source(setting.meter.id, setting.meter.ratio_at(now, setting.zone), now)
        fault = fault or refusal(self._options.unit, seen)
        answer = answer_of(source, request, seen, complete=fault is None)
        if fault is None or answer.readings:  # a serial number alone would hide the fault behind an empty readout
            yield answer
        if fault is not None:
            raise fault

    def _wanted(self, device: Device, request: Registers | Scan, forbidden: Forbidden) -> Seen:
        """What a session is to see, all of it unseen."""
        codes = request.registers if isinstance(request, Registers) else ()
        selection = select(device.registers, codes, forbidden.spans)
        cells = (*self._identity_cells(device, request), *ratio_cells(device.map))
        return Seen(device, selection, Image((*selection.pieces, *(cell.piece() for cell in cells))))

    def _identity_cells(self, device: Device, request: Registers | Scan) -> tuple[Cell, ...]:
        """Who the device is: its serial number in each session, all that it tells when it is looked at."""
        if isinstance(request, Scan):
            return identity_cells(device.map)
        serial = device.map.serial
        return (serial,) if serial is not None and self._options.read_serial else ()

    async def _set_line(self, channel: Channel) -> None:
        options, baud = self._options, self._setting.line_baud
        if options.transport == "tcp" and baud is not None:
            raise MeterDiffers(
                "is to be read by Modbus TCP on a line that has a rate: say transport: rtu; nothing sent"
            )
        deadline = asyncio.get_running_loop().time() + _SET_LINE_TIMEOUT
        await channel.set_line(baud or DEFAULT_BAUD, options.character, deadline=deadline)

    def _exchange_on(self, channel: Channel) -> Exchange:
        """Of a line the one that all its meters have; of Modbus TCP a new one for each connection."""
        if self._options.frames is Transport.RTU:
            return exchange_of(self._setting.beside, self._settings)
        if self._exchange is None or channel is not self._connection:
            # There are gateways that send a late answer to whoever is connected: no number comes again soon.
            first = self._connections * _NUMBERS % TRANSACTIONS
            self._connection, self._connections = channel, self._connections + 1
            self._exchange = exchange(self._options.frames, self._settings, first)
        return self._exchange

    @property
    def _manner(self) -> Manner:
        options = self._options
        return Manner(options.unit, options.most, options.gap, options.attempts)


def _build(setting: Setting) -> Driver:
    options = setting.options
    assert isinstance(options, ModbusOptions)  # the registry pairs driver and options
    return ModbusDriver(setting, options)


KIND = DriverKind(build=_build, options=ModbusOptions)
