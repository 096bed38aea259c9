"""The driver of a meter by DLMS/COSEM: which session a request needs, and what is asked in it.

Rules: what is said on the line is decided in wire/, keys and counters are in connection.py; here the line is set, the
meter is asked who it is, and the request is handed on. Every session looks at the clock. A meter that sends by itself
is only listened to. Errors name the meter; those of reading a secret or the archive are not the meter's.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import assert_never

from drivers.dlms.asking import Asking, Questions, name_of
from drivers.dlms.caches import DeviceCache
from drivers.dlms.clock import CLOCK, Shown, shown
from drivers.dlms.clock_setting import ClockSetter, described
from drivers.dlms.connection import DEFAULT_BAUD, Connection
from drivers.dlms.counters import InvocationCounter
from drivers.dlms.identity import Prologue, prologue
from drivers.dlms.naming import named
from drivers.dlms.options import DlmsOptions
from drivers.dlms.profile_plan import ProfileContext
from drivers.dlms.profiles import profile
from drivers.dlms.push import PushContext, listen
from drivers.dlms.push_options import PushOptions
from drivers.dlms.registers import Surroundings, registers
from drivers.dlms.scales import Scales
from drivers.dlms.scan import scan
from drivers.dlms.vendors import vendors
from drivers.dlms.wire.cosem_time import ClockRules, Deviation, base_zone
from drivers.dlms.wire.keys import Keys, Suite
from drivers.dlms.wire.service_errors import DataAccess
from gatewayd.channel import Channel, Framing
from gatewayd.driver import Driver, DriverKind, Setting
from gatewayd.errors import ArchiveDamaged, ArchiveError, GatewayError, MeterDiffers
from gatewayd.model import Answer, Clock, Listen, Profile, Reading, Registers, Request, Scan
from gatewayd.obis import Obis
from gatewayd.options import SecretUnavailable

_SET_LINE_TIMEOUT = 30.0
_RANGE_DEVIATION = {"auto": None, "set": True, "unset": False}
_COUNTER_ALARM = "less than one per cent of the invocation counters of this key are left: the meter needs new keys"


class DlmsDriver:
    """Reads one meter: registers, profiles, its clock and its objects; or hears what it sends."""

    def __init__(self, setting: Setting, options: DlmsOptions) -> None:
        self._setting = setting
        self._options = options
        self._vendor = vendors()[options.vendor]
        zone = base_zone(setting.zone, options.clock)
        self._rules = ClockRules(zone, Deviation(options.deviation), options.daylight_bit)
        self._counters: dict[str, InvocationCounter] = {}

    @property
    def credentials(self) -> str:
        return self._options.fingerprint

    async def execute(self, channel: Channel, request: Request) -> AsyncGenerator[Answer, None]:
        """Registers: an Answer for each batch; profiles: for each piece of time. The first has the clock as well."""
        meter = self._setting.meter
        baud = self._setting.line_baud
        if self._optical:
            baud = await self._signed_on(channel)
        try:
            async with aclosing(self._answers(channel, request, baud)) as answers:
                async for answer in answers:
                    yield answer
        except SecretUnavailable as error:
            raise SecretUnavailable(f"meter {meter.id}: {error}") from error
        except ArchiveDamaged as error:
            raise named(error, meter.id, meter.line) from error
        except ArchiveError:
            raise
        except GatewayError as error:
            raise named(error, meter.id, meter.line) from error

    @property
    def _optical(self) -> bool:
        return self._options.transport == "optical" and self._options.push is None

    async def _signed_on(self, channel: Channel) -> int:
        """Through the optical head's sign-on; its errors name the meter. Gives the rate."""
        setting, options = self._setting, self._options
        if setting.enter_hdlc is None:
            raise MeterDiffers(f"meter {setting.meter.id}: transport: optical is not possible here")
        return await setting.enter_hdlc(channel, options.device_address, options.start_baud, options.max_baud)

    async def _answers(self, channel: Channel, request: Request, baud: int | None) -> AsyncGenerator[Answer, None]:
        if not self._optical:
            deadline = asyncio.get_running_loop().time() + _SET_LINE_TIMEOUT
            framing = Framing.N81 if self._options.push is None else Framing(self._options.push.character)
            await channel.set_line(baud or DEFAULT_BAUD, framing, deadline=deadline)
        if self._options.push is not None:
            chosen = listen(channel, self._push_context(self._options.push), request)
        elif isinstance(request, Listen):
            raise MeterDiffers("is asked and does not send by itself: give it `push: {}` if it does")
        else:
            chosen = self._session(channel, request, baud)
        async with aclosing(chosen) as answers:
            async for answer in answers:
                yield answer

    async def _session(
        self, channel: Channel, request: Registers | Profile | Scan | Clock, baud: int | None
    ) -> AsyncGenerator[Answer, None]:
        setting, options = self._setting, self._options
        sign_on = partial(self._signed_on, channel) if self._optical else None
        connection = Connection(options, setting.memory, self._counters, channel, baud, sign_on)
        async with connection.session() as session:
            questions = Questions(session)
            first = await prologue(
                questions, setting.memory, self._scope, setting.clock, compare_serial=bool(setting.meter.serial)
            )
            alarms = (_COUNTER_ALARM,) if connection.counter is not None and connection.counter.alarm else ()
            remark = connection.remark
            async with aclosing(self._asked(questions, first, request)) as answers:
                async for answer in answers:
                    detail = _joined(answer.detail, remark)
                    yield replace(answer, serials=first.identity.serials, detail=detail, alarms=alarms)
                    remark = ""

    async def _asked(
        self, session: Asking, first: Prologue, request: Registers | Profile | Scan | Clock
    ) -> AsyncGenerator[Answer, None]:
        clock, refused = self._clock(first)
        known: tuple[Reading, ...] = () if clock is None else (clock.reading,)
        surroundings = self._surroundings(first)
        match request:
            case Registers():
                told = False
                async with aclosing(registers(session, surroundings, request, known)) as answers:
                    async for answer in answers:
                        yield answer if told or not refused else replace(answer, detail=_joined(refused, answer.detail))
                        told = True
            case Profile():
                yield Answer(known, detail=refused or (described(clock) if clock else ""))
                ahead = clock.deviation if clock is not None else None
                context = self._profile_context(surroundings, ahead or timedelta(0))
                async with aclosing(profile(session, context, request)) as answers:
                    async for answer in answers:
                        yield answer
            case Scan():
                objects, detail = await scan(session, surroundings)
                yield Answer(known, detail=_joined(refused, detail), objects=objects)
            case Clock(wanted):
                if clock is None:
                    raise MeterDiffers(f"does not let its clock be read: {refused}")
                if not wanted:
                    yield Answer(known, detail=described(clock))
                    return
                setter = ClockSetter(
                    session, self._setting.meter.id, self._rules, self._setting.clock, self._options.set_clock
                )
                async with aclosing(setter.put_right(clock)) as answers:
                    async for answer in answers:
                        yield answer
            case _:
                assert_never(request)

    def _clock(self, first: Prologue) -> tuple[Shown | None, str]:
        """What the clock shows, or why it does not."""
        if isinstance(first.clock, DataAccess):
            return None, f"{CLOCK}: {first.clock.text}"
        return shown(self._setting.meter.id, first.clock.value, first.trip, self._rules), ""

    @property
    def _scope(self) -> str:
        """Through which association the meter is seen: another one shows other objects."""
        options = self._options
        shown_to = f"{options.client} {options.authentication} {options.association_object}"
        return f"{options.server} {options.physical} {shown_to}"

    def _surroundings(self, first: Prologue) -> Surroundings:
        setting = self._setting
        return Surroundings(
            meter=setting.meter.id,
            rules=self._rules,
            now=setting.clock,
            cache=DeviceCache(setting.memory, f"{self._scope}\n{first.identity.owner}"),
            association=name_of(Obis.parse(self._options.association_object)),
            marks=self._vendor.marks,
        )

    def _profile_context(self, surroundings: Surroundings, ahead: timedelta) -> ProfileContext:
        options = self._options
        return ProfileContext(
            meter=surroundings.meter,
            rules=self._rules,
            vendor=self._vendor,
            cache=surroundings.cache,
            scales=Scales(surroundings.cache, surroundings.now),
            clock=surroundings.now,
            ahead=ahead,
            range_deviation=_RANGE_DEVIATION[options.range_deviation],
            access=options.selective_access,
        )

    def _push_context(self, push: PushOptions) -> PushContext:
        options, setting = self._options, self._setting
        block_cipher, authentication = options.keys()
        return PushContext(
            meter=setting.meter.id,
            options=push,
            rules=self._rules,
            clock=setting.clock,
            memory=setting.memory,
            keys=Keys(block_cipher, authentication) if block_cipher else None,
            suite=Suite(options.suite),
            title=bytes.fromhex(options.meter_title),
        )


def _joined(*texts: str) -> str:
    return "; ".join(filter(None, texts))


def _build(setting: Setting) -> Driver:
    options = setting.options
    assert isinstance(options, DlmsOptions)  # the registry pairs driver and options
    return DlmsDriver(setting, options)


KIND = DriverKind(build=_build, options=DlmsOptions)
