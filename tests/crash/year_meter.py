"""The meters of the simulated year on their lines: the simulated DLMS meter over a channel that is in memory.

Rules: a meter is built anew for each connection and has everything from year_truth.Meter; what it sends comes a moment
of simulated time later, in two pieces; a line out of order refuses, says nothing, or breaks off in an answer.
"""

import asyncio
import random
from collections.abc import Callable
from datetime import datetime, timedelta

from gatewayd.channel import Framing
from gatewayd.errors import ChannelError, ChannelTimeout
from simulators import dlms_profile as profiles
from simulators import dlms_values as axdr
from simulators.dlms_acse import OFFERED
from simulators.dlms_clock import Clock, Writing
from simulators.dlms_content import everything
from simulators.dlms_counters import Counters
from simulators.dlms_faults import Faults
from simulators.dlms_making import Making, Plate, Store
from simulators.dlms_objects import Attribute, CosemObject, Objects, obis
from simulators.dlms_profile import Column, Manner, Profile, Stamp
from simulators.dlms_registers import WATT_HOUR, scaler_unit
from simulators.dlms_security import Mechanism, Security
from simulators.dlms_server import Server, Settings
from simulators.dlms_wrapper import Wrapper
from tests.crash.year_truth import Meter, Mishap, utc

LOAD_PROFILE = "1-0:99.1.0"
_TITLE = bytes.fromhex("53494D0000000001")
_LATENCY = 0.12
_FOREVER = (0.0, 1e11)

Seconds = Callable[[], float]


class MeterClock(Clock):
    """The clock of a meter of the plan."""

    def __init__(self, meter: Meter, seconds: Seconds) -> None:
        super().__init__(utc(0), timedelta(0))
        self._meter = meter
        self._seconds = seconds

    def now(self) -> datetime:
        return utc(self._meter.clock(self._seconds()))

    def shift(self, seconds: int) -> None:
        self._meter.set_clock(self._seconds(), self._meter.clock(self._seconds()) + seconds)

    def set(self, at: datetime) -> None:
        self._meter.set_clock(self._seconds(), at.timestamp())


def answering(meter: Meter, seconds: Seconds) -> Wrapper:
    """The meter from its TCP port inwards."""
    plan = meter.plan
    serial = f"350{plan.seed:05d}"
    plate = Plate(serial, "SIM 1.0", 16, 1, _TITLE, b"SIMCLNT1", Security.NONE, 0)
    store = Store(plan.seed, 1, Manner(Writing()))
    clock = MeterClock(meter, seconds)
    faults, chance = Faults(()), random.Random(plan.seed)
    counters = Counters(None, 0, 0, _ignored)
    settings = Settings(16, Mechanism.NONE, b"", Security.NONE, None, _TITLE, 0xFFFF, OFFERED)
    objects = Objects(())
    server = Server(settings, objects, counters, faults, chance, _ignored)

    def of_view() -> list[bytes]:
        return [each.described() for each in objects.seen(server.view())]

    for each in everything(clock, plate, store, counters, of_view):
        objects.add(each)
    for channel, (_, code) in enumerate(plan.columns, 1):
        objects.add(_register(clock, code, channel, plan.seed))
    objects.add(_load_profile(Making(clock, plate, store), meter, seconds))
    return Wrapper(1, server.answer, server.reset, faults, chance)


def _ignored(_: str) -> None:
    """Nobody reads the journal."""


def _load_profile(m: Making, meter: Meter, seconds: Seconds) -> CosemObject:
    plan, period = meter.plan, timedelta(seconds=meter.plan.period_s)
    columns = (
        Column(*profiles.CLOCK, lambda stamp: m.time(stamp.at)),
        Column(1, obis("0-0:96.10.1"), 2, lambda stamp: axdr.u8(stamp.status)),
        *(_total(code, channel, plan.seed) for channel, (_, code) in enumerate(plan.columns, 1)),
    )
    entries = plan.depth_days * 86400 // plan.period_s

    def stamps(first: float, last: float) -> list[Stamp]:
        return [Stamp(utc(end), meter.row(end) or 0) for end in meter.ends(first, last, seconds())]

    def buffer(selection: bytes | None) -> bytes:
        first, last = _FOREVER
        if selection is not None and selection[0] == profiles.BY_RANGE:  # years of rows are not made for one day
            bounds = [m.writing.instant(each.octets) for each in axdr.whole(selection[1:]).elements(4)[1:3]]
            first = bounds[0].timestamp() if bounds[0] is not None else first
            last = bounds[1].timestamp() if bounds[1] is not None else last
        rows = stamps(first, last)
        return Profile(obis(LOAD_PROFILE), period, columns, lambda: rows, entries, m.store.manner).buffer(selection)

    encoded = [column.encoded for column in columns]
    return CosemObject(
        7,
        1,
        obis(LOAD_PROFILE),
        {
            2: Attribute(axdr.null, select=buffer),
            3: Attribute(lambda: axdr.array(encoded)),
            4: Attribute(lambda: axdr.u32(plan.period_s)),
            5: Attribute(lambda: axdr.enum(1)),
            6: Attribute(lambda: encoded[0]),
            7: Attribute(lambda: axdr.u32(len(stamps(*_FOREVER)))),
            8: Attribute(lambda: axdr.u32(entries)),
        },
    )


def _total(code: str, channel: int, seed: int) -> Column:
    return Column(3, _name(code), 2, lambda stamp: axdr.u32(profiles.total(stamp.at, channel, seed)))


def _register(clock: Clock, code: str, channel: int, seed: int) -> CosemObject:
    attributes = {
        2: Attribute(lambda: axdr.u32(profiles.total(clock.now(), channel, seed))),
        3: Attribute(lambda: scaler_unit(0, WATT_HOUR)),
    }
    return CosemObject(3, 0, _name(code), attributes)


def _name(code: str) -> bytes:
    return obis(code.replace("*", "."))


async def connected(meter: Meter, seconds: Seconds, where: str) -> "MemoryChannel":
    """A connection to the meter. ChannelError where its line is out of order."""
    await asyncio.sleep(_LATENCY)
    if meter.trouble(seconds()) is Mishap.REFUSED:
        raise ChannelError(f"{where} refuses the connection")
    return MemoryChannel(meter, seconds, where)


class MemoryChannel:
    """See gatewayd.channel.Channel for the contract."""

    def __init__(self, meter: Meter, seconds: Seconds, where: str) -> None:
        self._meter = meter
        self._seconds = seconds
        self._where = where
        self._inside = answering(meter, seconds)
        self._left = meter.tears(seconds())
        self._pieces: asyncio.Queue[bytes] = asyncio.Queue()
        self._closed = False

    @property
    def parity_errors(self) -> int:
        return 0

    async def send(self, data: bytes, *, deadline: float, secret: bool = False) -> None:
        if not self._meter.supplied(self._seconds()) or self._meter.trouble(self._seconds()) is not None:
            return
        loop = asyncio.get_running_loop()
        for out in self._inside.feed(data):
            middle = len(out.data) // 2
            for number, piece in enumerate((out.data[:middle], out.data[middle:]), 1):
                loop.call_later(_LATENCY * number, self._pieces.put_nowait, piece)

    async def receive(self, *, deadline: float) -> bytes:
        if self._left == 0:
            raise ChannelError(f"{self._where} closed the connection")
        try:
            async with asyncio.timeout_at(deadline):
                piece = await self._pieces.get()
        except TimeoutError:
            raise ChannelTimeout(f"{self._where}: nothing received in time") from None
        if self._left is not None:
            piece = piece[: self._left]
            self._left -= len(piece)
            if not piece:
                raise ChannelError(f"{self._where} closed the connection")
        return piece

    async def rest(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def set_line(self, baud: int, framing: Framing, *, deadline: float) -> None:
        """TCP has no rate."""

    async def close(self) -> None:
        self._inside.disconnected()
