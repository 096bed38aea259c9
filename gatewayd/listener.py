"""The worker of meters that push: hears each of them all the time, and tells who is not heard any more.

Rules: one task for each meter, and one connection of it at a time; a fault of one, a defect of ours included, ends
nothing of the others. Each message is archived as its own exchange before anybody else sees it; what a connection had
brought when it ended is archived, too. One log line for each change of a meter's state. Where meters call us, the end
of a connection is nothing to tell of; a line that we open is opened again after a pause. Such a line is lent to a
technician at once: a meter that pushes says it again, and its silence counts anew afterwards.
"""

import asyncio
import logging
import math
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from gatewayd.acquire import Acquisition
from gatewayd.asks import Asks
from gatewayd.breaker import Condition
from gatewayd.channel import Channel
from gatewayd.channel.listening import ConnectionOver, Port
from gatewayd.channel.modem_options import CallRecord
from gatewayd.channel.recorder import RecordingChannel
from gatewayd.driver import Clock, Driver
from gatewayd.errors import ArchiveError, ChannelError, GatewayError, MeterDiffers, MeterRefused, ProtocolError
from gatewayd.live import LineState, MeterState, UnderWay, Vital
from gatewayd.loans import Loan
from gatewayd.model import Answer, Listen, Request
from gatewayd.places import first_of
from gatewayd.pulse import Pulse
from gatewayd.refusals import LeftAlone, remedy
from gatewayd.station import Line, OnCall, Station
from gatewayd.verdicts import fault_of

BACK_OFF_SECONDS = (10.0, 30.0, 90.0)
"""Before a meter is listened to again after a fault; the last one stays."""
SETTLED_SECONDS = 3600.0
"""Before a meter is listened to again that cannot be: a driver that does not listen, a refusal that stands."""
_FORGIVEN = 2
"""Connections in a row that may bring nothing sound before the next one has to wait: who calls may call again."""

log = logging.getLogger("gatewayd.listener")


@dataclass(frozen=True, slots=True)
class Pushing:
    """A meter that pushes, and how long it may be silent before it counts as not heard."""

    station: Station
    silence: timedelta


class ListenWorker:
    """Hears the meters of one line, each in a task of its own. With a `port` meters call us there."""

    def __init__(
        self,
        line: Line,
        meters: Sequence[Pushing],
        acquisition: Acquisition,
        clock: Clock,
        jitter: random.Random,
        port: Port | None = None,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.line = line
        self.pulses: tuple[Pulse, ...] = ()
        """Whoever is called has no turns."""
        self.ears = tuple(Ear(meter, line.id, clock, acquisition.tally.last_success) for meter in meters)
        self._acquisition = acquisition
        self._clock = clock
        self._jitter = jitter
        self._port = port
        self._rest = pause
        self._port_fault = ""
        self._loans = Asks()
        self._lent: UnderWay | None = None

    @property
    def name(self) -> str:
        return self.line.id

    @property
    def faults(self) -> Mapping[str, str]:
        """Meters that are not heard at present, and why."""
        return {ear.meter: ear.fault for ear in self.ears if ear.fault}

    def vitals(self) -> list[Vital]:
        """Of all its meters; costs less than `state`."""
        return [Vital(ear.meter, ear.last, bool(ear.fault)) for ear in self.ears]

    def state(self, *, meters: bool = True) -> LineState:
        """How the line and its meters are doing; OPEN while its port cannot be had."""
        return LineState(
            self.name,
            Condition.OPEN if self._port_fault else Condition.CLOSED,
            fault=self._port_fault,
            under_way=(
                *(
                    UnderWay(ear.meter, self.name, ear.connected_at)
                    for ear in self.ears
                    if ear.connected_at is not None
                ),
                *(() if self._lent is None else (self._lent,)),
            ),
            queue=len(self._loans),
            meters=tuple(ear.state() for ear in self.ears) if meters else (),
        )

    async def lend(self, loan: Loan) -> None:
        """The line for a technician, where it is one that we open. See Asks.lend."""
        if self._port is not None:
            raise GatewayError(f"line {self.name} is a port on which meters call us: nobody can be asked there")
        await self._loans.lend(loan)

    async def run(self, stop: asyncio.Event) -> None:
        """Listen until `stop` is set; what is under way then is cancelled, and what it had received is archived."""
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._serve(stop), name=f"line {self.name}")]
                tasks += [group.create_task(ear.watch(), name=f"silence of meter {ear.meter}") for ear in self.ears]
                await stop.wait()
                for task in tasks:
                    task.cancel()
        finally:
            self._loans.close(f"line {self.name} is not served any more: the gateway stops, or its line was changed")
            if self._port is not None:
                await self._port.close()

    async def _serve(self, stop: asyncio.Event) -> None:
        await self._opened()
        while True:
            await first_of(self._listen_all(), self._loans.stirred.wait())
            self._loans.stirred.clear()
            while isinstance(loan := self._loans.take(), Loan):
                self._lent = UnderWay("", self.name, self._clock(), technician=True, lent=loan.what)
                self._away(lent=True)
                try:
                    await loan.serve(stop)
                finally:
                    self._lent = None
                    self._away(lent=False)

    def _away(self, *, lent: bool) -> None:
        for ear in self.ears:
            ear.away = lent

    async def _listen_all(self) -> None:
        async with asyncio.TaskGroup() as group:
            for ear in self.ears:
                group.create_task(self._listen(ear), name=f"meter {ear.meter}")

    async def _opened(self) -> None:
        """The port, as soon as it can be had: told once, and not once for each meter."""
        failures = 0
        while self._port is not None:
            try:
                await self._port.open()
            except ChannelError as error:
                failures += 1
                if failures == 1:
                    log.error("%s", error)
                self._port_fault = str(error)
                for ear in self.ears:
                    ear.unheard(error, told=True)
                await self._rest(self._back_off(failures))
                continue
            if failures:
                log.info("line %s: its port is open again", self.name)
            self._port_fault = ""
            for ear in self.ears:
                ear.reachable()
            return

    async def _listen(self, ear: "Ear") -> None:
        failures = 0
        while True:
            try:
                end, sound = await self._hear(ear)
            except ArchiveError as error:
                end, sound = error, False
                ear.unheard(error)
            except Exception as error:  # noqa: BLE001 - a defect of ours must not stop this meter or the others
                text = f"meter {ear.meter} on line {self.name}: defect in gatewayd: {error!r}"
                end, sound = ProtocolError(text), False
                ear.unheard(end, defect=error)
            if sound or end is not None:  # a connection that says nothing at all is neither
                failures = 0 if sound else failures + 1
            await self._rest(self._pause(end, failures))

    def _pause(self, end: GatewayError | None, failures: int) -> float:
        """Seconds until the meter is listened to again."""
        if isinstance(end, MeterDiffers | MeterRefused):
            return SETTLED_SECONDS
        calls = self._port is not None and not isinstance(end, ArchiveError)
        failures -= _FORGIVEN if calls else 0
        if calls and (end is None or failures <= 0):
            return 0.0
        return self._back_off(max(failures, 1))

    def _back_off(self, failures: int) -> float:
        return BACK_OFF_SECONDS[min(failures, len(BACK_OFF_SECONDS)) - 1] * self._jitter.uniform(0.5, 1.0)

    async def _hear(self, ear: "Ear") -> tuple[GatewayError | None, bool]:
        """One connection, from its coming to its end: how it ended, and whether it brought anything sound."""
        station = ear.station
        try:
            channel = await self.line.open(station, _no_call)
        except ChannelError as error:
            fault = type(error)(f"meter {ear.meter}: {error}")
            ear.unheard(fault)
            return fault, False
        heard = _Hearing(station.driver, ear)
        line = replace(self.line, open=_handing(channel), session_seconds=math.inf)
        ear.connected_at = self._clock()
        try:
            session = await self._acquisition.session(line, replace(station, driver=heard), (Listen(),))
        finally:
            ear.connected_at = None
            await channel.close()
        end = heard.end if heard.asked else session.results[-1].fault
        if end is not None and not (heard.sound and isinstance(end, ConnectionOver)):
            ear.unheard(end)
        return end, heard.sound


class Ear:
    """What is known of a meter that is listened to."""

    def __init__(self, meter: Pushing, line: str, clock: Clock, last_heard: dict[str, datetime]) -> None:
        """`last_heard` is written, and outlives the worker (tallies.py)."""
        self.station = meter.station
        self.connected_at: datetime | None = None
        """Since when there is a connection, or an open line; None: there is none at present."""
        self.fault = ""
        """Why the meter counts as not heard; "" while it is."""
        self.away = False
        """The line is lent: that nothing comes is nobody's fault."""
        self.fault_since: datetime | None = None
        self._line = line
        self._silence = meter.silence
        self._clock = clock
        self._last_heard = last_heard
        self._started = clock()
        self._came = asyncio.Event()
        self._silent = False

    @property
    def meter(self) -> str:
        return self.station.meter.id

    @property
    def last(self) -> datetime | None:
        """When the last message came, sound or not; None: none since the start."""
        return self._last_heard.get(self.meter)

    @property
    def connected(self) -> bool:
        """Whether there is a connection, or an open line, at present."""
        return self.connected_at is not None

    def state(self) -> MeterState:
        """How the meter is doing."""
        return MeterState(self.meter, self.last, self.fault, self.fault_since, silent=self._silent)

    def _is(self, fault: str, *, silent: bool = False) -> None:
        self.fault, self._silent = fault, silent
        self.fault_since = (self.fault_since or self._clock()) if fault else None

    def heard(self, request: Request, answer: Answer) -> bool:
        """A message has come; True when it was sound."""
        first = self.last is None
        self._last_heard[self.meter] = self._clock()
        self._came.set()
        fault = fault_of(self.station.meter, self._line, request, answer)
        if fault is not None:
            self.unheard(fault)
            return False
        if first or self.fault:
            log.info("meter %s on line %s is heard%s", self.meter, self._line, " again" if self.fault else "")
        self._is("")
        return True

    def unheard(self, fault: GatewayError, *, defect: Exception | None = None, told: bool = False) -> None:
        """The meter cannot be heard, or what came is not sound: told when that is news."""
        text = str(fault)
        if isinstance(fault, MeterRefused) and not isinstance(fault, LeftAlone):
            text = f"{fault}; {remedy(self.station.driver.credentials)}"
        news = not self.fault or self._silent or (defect is not None and self.fault != text)
        if news and not told:
            log.warning("%s", text, exc_info=defect)
        self._is(text)

    def reachable(self) -> None:
        """What kept every meter from being heard is over."""
        self._is("")

    async def watch(self) -> None:
        """Tell when nothing has come for too long. Never ends."""
        while True:
            self._came.clear()
            try:
                async with asyncio.timeout(self._silence.total_seconds()):
                    await self._came.wait()
            except TimeoutError:
                if self.away:
                    continue
                self._missed()
                await self._came.wait()

    def _missed(self) -> None:
        if self.fault:
            return  # why nothing comes is known
        since = f"since {_utc(self.last)}" if self.last is not None else f"since the start at {_utc(self._started)}"
        self._is(f"meter {self.meter} on line {self._line} is not heard {since}", silent=True)
        log.warning("%s; does it have power and its way to us?", self.fault)


class _Hearing:
    """A station's driver, with an ear on what it answers and on how it ends."""

    def __init__(self, driver: Driver, ear: Ear) -> None:
        self.asked = False
        self.sound = False
        """Whether any message was."""
        self.end: GatewayError | None = None
        self._driver = driver
        self._ear = ear

    @property
    def credentials(self) -> str:
        return self._driver.credentials

    async def execute(self, channel: Channel, request: Request) -> AsyncGenerator[Answer, None]:
        self.asked = True
        try:
            async with aclosing(self._driver.execute(channel, request)) as answers:
                async for answer in answers:
                    self.sound |= self._ear.heard(request, answer)
                    yield answer
        except ConnectionOver as error:
            # That a push is over and the meter has hung up is no fault; what it left half said is.
            if isinstance(channel, RecordingChannel) and channel.waiting:
                self.end = error
                raise
        except GatewayError as error:
            self.end = error
            raise


def _handing(channel: Channel) -> Callable[[Station, OnCall], Awaitable[Channel]]:
    async def handed(_station: Station, _on_call: OnCall) -> Channel:
        return channel

    return handed


def _no_call(_record: CallRecord) -> None:
    """Whoever listens calls nobody."""


def _utc(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
