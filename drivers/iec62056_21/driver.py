"""The thin loop between the session and the channel: event -> bytes -> channel -> event.

Rules: no state of its own but the session's; everything that has to be decided is decided in wire/. The rate that the
line had before is the channel's to restore.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from zoneinfo import ZoneInfo

from drivers.iec62056_21 import readings as telegrams
from drivers.iec62056_21.options import Iec62056_21Options
from drivers.iec62056_21.vendors import choose
from drivers.iec62056_21.wire.session import Action, Done, ReadoutSession, Send, SessionSettings, SetRate, Wait
from drivers.iec62056_21.wire.telegram import Check, Telegram
from gatewayd.channel import Channel, Framing
from gatewayd.driver import Clock, Driver, DriverKind, Setting
from gatewayd.errors import ChannelTimeout, GatewayError, MeterDiffers, ProtocolError
from gatewayd.model import Answer, Kind, Meter, Outcome, Reading, Registers, Request
from gatewayd.obis import Obis
from gatewayd.status import Fault, judge

_SEND_TIMEOUT = 30.0
_MODE_D_BAUD = 9600
_FALLBACK_AFTER = SessionSettings().fallback_after
_OUTCOME_OF = {
    Check.RIGHT: Outcome.DONE,
    Check.NONE_DEFINED: Outcome.DONE,
    Check.BCC_WRONG: Outcome.CHECK_FAILED,
    Check.CRC_WRONG: Outcome.CHECK_FAILED,
    Check.CUT_SHORT: Outcome.TRUNCATED,
}


class Iec62056_21Driver:
    """Reads the data readout of one meter."""

    def __init__(self, meter: Meter, settings: SessionSettings, vendor: str, clock: Clock, zone: ZoneInfo) -> None:
        self._meter = meter
        self._settings = settings
        self._vendor = vendor
        self._clock = clock
        self._zone = zone

    @property
    def credentials(self) -> str:
        return ""

    async def execute(self, channel: Channel, request: Request) -> AsyncGenerator[Answer, None]:
        """One readout. It always holds everything; `request.registers` chooses what becomes a reading."""
        if not isinstance(request, Registers):
            raise MeterDiffers(f"meter {self._meter.id} on line {self._meter.line}: no profiles yet")
        session = ReadoutSession(self._settings)
        try:
            telegram, parity_errors = await _converse(channel, session)
        except GatewayError as error:
            raise self._named(error) from error
        yield self._answer(telegram, request, parity_errors)

    def _answer(self, telegram: Telegram, request: Registers, parity_errors: int) -> Answer:
        faults = telegrams.telegram_faults(telegram, parity_errors)
        vendor = choose(self._vendor, str(telegram.identification or ""))
        now = self._clock()
        found = telegrams.readings(telegram, faults, meter=self._meter.id, at=now, zone=self._zone, vendor=vendor)
        serials = telegrams.serial_numbers(found)
        wanted = _chosen(found, request.registers, lambda obis: self._not_sent(obis, faults))
        return Answer(
            readings=wanted,
            outcome=Outcome.CHECK_FAILED if faults == (Fault.PARITY,) else _OUTCOME_OF[telegram.check],
            detail=telegram.detail or (f"{parity_errors} characters with wrong parity" if parity_errors else ""),
            serials=serials,
            identification=str(telegram.identification or ""),
        )

    def _not_sent(self, obis: Obis, faults: tuple[Fault, ...]) -> Reading:
        verdict = judge((*faults, Fault.NOT_IN_READOUT))
        return Reading(
            meter=self._meter.id,
            obis=obis,
            obis_raw="",
            kind=Kind.REGISTER,
            at=self._clock(),
            raw=b"",
            raw_text="",
            status=verdict.status,
            flags=verdict.flags,
        )

    def _named(self, error: GatewayError) -> GatewayError:
        """The same error with the meter and the line in its text."""
        text = f"meter {self._meter.id} on line {self._meter.line}"
        message = str(error)
        if message.startswith("line "):
            return type(error)(f"meter {self._meter.id}: {message}")
        return (
            ProtocolError(f"{text} {message}", error.raw)
            if isinstance(error, ProtocolError)
            else type(error)(f"{text} {message}")
        )


async def _converse(channel: Channel, session: ReadoutSession) -> tuple[Telegram, int]:
    """The telegram, and how many of its characters had wrong parity."""
    loop = asyncio.get_running_loop()
    actions = session.start(loop.time())
    parity_before = channel.parity_errors
    while True:
        telegram, until = await _perform(channel, actions, loop.time)
        if telegram is not None:
            return telegram, channel.parity_errors - parity_before
        if not session.in_telegram:  # noise at a wrong rate or before the block harms no value
            parity_before = channel.parity_errors
        try:
            data = await channel.receive(deadline=until)
        except ChannelTimeout:
            actions = session.expired(loop.time())
        else:
            actions = session.feed(data, loop.time())


async def _perform(
    channel: Channel, actions: tuple[Action, ...], time: Callable[[], float]
) -> tuple[Telegram | None, float]:
    until = time()
    for action in actions:
        match action:
            case Send(data):
                await channel.send(data, deadline=time() + _SEND_TIMEOUT)
            case SetRate(baud):
                await channel.set_line(baud, Framing.E71, deadline=time() + _SEND_TIMEOUT)
            case Wait(wait_until):
                until = wait_until
            case Done(telegram):
                return telegram, until
    return None, until


def _chosen(
    found: tuple[Reading, ...], registers: tuple[Obis, ...], not_sent: Callable[[Obis], Reading]
) -> tuple[Reading, ...]:
    """All readings, or those of the wanted registers in the meter's order and then what did not come."""
    if not registers:
        return found
    there = {reading.obis for reading in found}
    wanted: set[Obis] = set()
    missing: list[Obis] = []
    for obis in registers:
        same = (
            {obis} if obis in there else {other for other in there if other is not None and _same_object(obis, other)}
        )
        wanted |= same
        missing += [] if same else [obis]
    came = tuple(reading for reading in found if reading.obis in wanted)
    return came + tuple(map(not_sent, missing))


def _same_object(asked: Obis, sent: Obis) -> bool:
    """Abstract objects (C.1.0, F.F) have no medium and no channel, but some meters write 1-0:F.F for them."""
    return asked.c >= 94 and (asked.a, asked.b) == (0, 0) and asked.groups[2:] == sent.groups[2:]


def _build(setting: Setting) -> Driver:
    options = setting.options
    assert isinstance(options, Iec62056_21Options)  # the registry pairs driver and options
    default_baud = setting.line_baud or (_MODE_D_BAUD if options.mode == "D" else 300)
    settings = SessionSettings(
        mode=options.mode,
        address=options.address,
        start_baud=options.start_baud or default_baud,
        max_baud=options.max_baud,
        attempts=options.attempts,
        response_timeout=options.response_timeout_s,
        # A line with a delay of its own delays the answer to the acknowledgement as well.
        fallback_after=max(_FALLBACK_AFTER, options.response_timeout_s - 0.5),
        character_timeout=options.character_timeout_s,
        push_timeout=options.push_timeout_s,
    )
    return Iec62056_21Driver(setting.meter, settings, options.vendor, setting.clock, setting.zone)


KIND = DriverKind(build=_build, options=Iec62056_21Options)
