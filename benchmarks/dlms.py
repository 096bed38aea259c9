"""DLMS/COSEM: what decoding, deciphering and framing cost beside gurux-dlms, and what a meter-day costs in all.

Rules: one process and one run for both sides; the best of several turns counts, for both. The meter-day is whole
sessions of the acquisition with a simulated meter in a process of its own: their processor time is ours alone, that of
the archive's writer included. Round trips are counted where bytes leave, and compared with what the protocol needs.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, aclosing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import dlms_bytes
from benchmarks.dlms_meter import MeterDay, Silence, meter_day
from benchmarks.result import Result
from drivers.dlms.asking import Result as Asked
from drivers.dlms.profile_plan import ProfileContext
from drivers.dlms.profiles import profile
from drivers.dlms.scales import Scales
from drivers.dlms.vendors import GENERIC, vendors
from drivers.dlms.wire.attribute import Attribute, CaptureObject, Selection
from drivers.dlms.wire.axdr import Tag, decode
from drivers.dlms.wire.axdr_encode import value
from drivers.dlms.wire.cosem_time import ClockRules
from drivers.dlms.wire.hdlc_address import address
from drivers.dlms.wire.hdlc_control import Command, Control
from drivers.dlms.wire.hdlc_dialogue import Received
from drivers.dlms.wire.hdlc_frame import Frame
from drivers.dlms.wire.hdlc_link import Link
from drivers.dlms.wire.keys import Keys, Suite
from drivers.dlms.wire.security import Form, Opener, Policy, Sender, protect
from drivers.dlms.wire.services import Data, GetNormalResponse, parse_response
from gatewayd.driver import Forgetful
from gatewayd.legal_time import PRAGUE
from gatewayd.model import Profile
from gatewayd.obis import Obis

TURNS = 7
SEGMENT = 128
DECODE_BOUND, GCM_BOUND, HDLC_BOUND = 8.0, 100.0, 10.0
DAY_BOUND_MS = 15.0
DAYS = 30
KEYS = Keys(bytes(range(16)), bytes(range(0xD0, 0xE0)))
TITLE = b"GWDBENCH"
PROFILE = Obis.parse("1-0:99.1.0")


def run() -> list[Result]:
    """Decoding, deciphering, framing; processor time and round trips of a meter-day over both transports."""
    found = [asyncio.run(_decoding()), _deciphering(), _framing()]
    for transport in ("wrapper", "hdlc"):
        found += _meter_day(asyncio.run(_days(transport)), transport)
    return found


def _best(work: Callable[[], object], number: int) -> float:
    """Milliseconds of one call, in the best of several turns."""
    times = []
    for _ in range(TURNS):
        started = time.perf_counter()
        for _ in range(number):
            work()
        times.append((time.perf_counter() - started) / number)
    return min(times) * 1000


# -- decoding ----------------------------------------------------------------------------------------------------------


async def _decoding() -> Result:
    """Days that nobody has read before, as the first meter of a day has them: no time is remembered."""
    first, count = date(2026, 11, 1), 20
    turns = [[(first + timedelta(days=365 * turn + day)) for day in range(count)] for turn in range(TURNS)]
    cache = Forgetful()
    source = Source()
    context = ProfileContext(
        meter="bench",
        rules=ClockRules(PRAGUE),
        vendor=vendors()[GENERIC],
        cache=cache,
        scales=Scales(cache, _now),
        clock=_now,
    )
    await _read_day(source, context, date(2025, 1, 7), dlms_bytes.plain_response(date(2025, 1, 7)))
    ours, theirs = [], []
    for turn in turns:
        apdus = [(day, dlms_bytes.plain_response(day)) for day in turn]
        ours.append(sum([await _read_day(source, context, day, apdu) for day, apdu in apdus]) / count * 1000)
        started = time.perf_counter()
        for _, apdu in apdus:
            dlms_bytes.gurux_rows(apdu)
        theirs.append((time.perf_counter() - started) / count * 1000)
    ratio = min(theirs) / min(ours)
    name, bound = "profile 96 x 6: APDU to readings; gurux", f"at least {DECODE_BOUND:g} x faster"
    return Result(name, min(ours), min(theirs), ratio, bound, ratio >= DECODE_BOUND, "ms")


def _now() -> datetime:
    return datetime(2040, 1, 1, tzinfo=UTC)


async def _read_day(source: "Source", context: ProfileContext, day: date, apdu: bytes) -> float:
    """Seconds from the APDU to its readings. RuntimeError unless every value becomes one."""
    source.apdu = apdu
    seconds = 0.0
    end = datetime(day.year, day.month, day.day, 22, 45, tzinfo=UTC)
    count = 0
    async with aclosing(profile(source, context, Profile(PROFILE, end - timedelta(days=1), end))) as answers:
        async for answer in answers:
            seconds += time.perf_counter() - source.handed_over
            count += len(answer.readings)
    if count != dlms_bytes.ROWS * dlms_bytes.CHANNELS:
        raise RuntimeError(f"{count} readings of {day}")
    return seconds


class Source:
    """An association in which everything about the profile is known, and its buffer comes as an APDU."""

    lists_work = True
    apdu = b""
    handed_over = 0.0

    async def get(self, wanted: Attribute, selection: Selection | None = None) -> Asked:
        if wanted.index == 2 and wanted.class_id == 7:
            self.handed_over = time.perf_counter()
            response = parse_response(self.apdu)
            assert isinstance(response, GetNormalResponse)
            return response.result
        return _object(wanted)

    async def get_many(self, attributes: Sequence[Attribute]) -> tuple[Asked, ...]:
        return tuple([await self.get(one) for one in attributes])

    async def set_(self, attribute: Attribute, value: bytes) -> Silence:
        raise NotImplementedError

    async def action(self, class_id: int, logical_name: bytes, method: int, parameter: bytes) -> Silence:
        raise NotImplementedError


def _object(wanted: Attribute) -> Data:
    """What the profile and its registers say of themselves."""
    columns = [(8, dlms_bytes.CLOCK), (1, dlms_bytes.STATUS), *((3, name) for name in dlms_bytes.REGISTERS)]
    match wanted.class_id, wanted.index:
        case 7, 3:
            objects = tuple(CaptureObject(class_id, name, 2, 0).value for class_id, name in columns)
            return Data(value(Tag.ARRAY, None, objects))
        case 7, 4:
            return Data(value(Tag.DOUBLE_LONG_UNSIGNED, 900))
        case 7, 5:
            return Data(value(Tag.ENUM, 1))
        case 7, 6:
            return Data(CaptureObject(8, dlms_bytes.CLOCK, 2, 0).value)
        case 7, 8:
            return Data(value(Tag.DOUBLE_LONG_UNSIGNED, 4000))
        case 3, 3:
            return Data(decode(b"\x02\x02\x0f\x00\x16\x1e")[0])  # 10^0 Wh
        case _:
            raise RuntimeError(f"{wanted} is not needed for a profile")


# -- deciphering and framing -------------------------------------------------------------------------------------------


def _deciphering() -> Result:
    plain = dlms_bytes.plain_response()
    both = Policy.AUTHENTICATED | Policy.ENCRYPTED
    sent = protect(plain, keys=KEYS, suite=Suite.SUITE_0, policy=both, title=TITLE, counter=7, form=Form.GLOBAL)

    def ours() -> bytes:
        opener = Opener(KEYS, Suite.SUITE_0, both, TITLE, 6, frozenset({Form.GLOBAL}), Sender.METER)
        return opener.open(sent).apdu

    def theirs() -> bytes:
        return dlms_bytes.gurux_decrypt(sent, TITLE, KEYS.block_cipher, KEYS.authentication)

    if not ours() == plain == theirs():
        raise RuntimeError("a side does not decipher")
    measured, reference = _best(ours, 200), _best(theirs, 5)
    ratio = reference / measured
    bound = f"at least {GCM_BOUND:g} x faster"
    return Result("GCM of 3.6 kB, verified; gurux", measured, reference, ratio, bound, ratio >= GCM_BOUND, "ms")


def _framing() -> Result:
    lsdu = b"\xe6\xe7\x00" + dlms_bytes.plain_response()
    pieces = [lsdu[begin : begin + SEGMENT] for begin in range(0, len(lsdu), SEGMENT)]
    client, server = address(16), address(1)
    last = len(pieces) - 1
    frames = [
        Frame(client, server, Control(Command.I, ns=n % 8, nr=1), piece, segmented=n < last).encoded
        for n, piece in enumerate(pieces)
    ]
    connected = Frame(client, server, Control(Command.UA)).encoded

    def ours() -> bytes:
        link = Link(client, server)
        link.start(0.0)
        link.feed(connected, 0.0)
        link.send(b"\xc0\x01\xc1\x00", 0.0)
        for frame in frames:
            event = link.feed(frame, 0.0)[-1]
        assert isinstance(event, Received)
        return event.apdu

    joined = dlms_bytes.gurux_frames(connected, frames)  # without what stands before the data of a GET response
    if ours() != lsdu[3:] or lsdu[7:] != joined:
        raise RuntimeError("a side does not join the frames")
    measured, reference = _best(ours, 50), _best(lambda: dlms_bytes.gurux_frames(connected, frames), 10)
    ratio = reference / measured
    name = f"HDLC, {len(frames)} frames joined and acknowledged; gurux"
    return Result(name, measured, reference, ratio, f"at least {HDLC_BOUND:g} x faster", ratio >= HDLC_BOUND, "ms")


# -- a meter-day -------------------------------------------------------------------------------------------------------


async def _days(transport: str) -> MeterDay:
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        return await meter_day(stack, folder, transport, DAYS)


def _meter_day(day: MeterDay, transport: str) -> list[Result]:
    cost = day.cpu_ms
    return [
        Result(
            f"CPU of a meter-day, {transport}, GMAC, 4 channels, archived",
            cost,
            DAY_BOUND_MS,
            cost / DAY_BOUND_MS,
            f"at most {DAY_BOUND_MS:g} ms",
            cost <= DAY_BOUND_MS,
            "ms",
        ),
        Result(
            f"round trips of it, {transport}; what the protocol needs",
            day.round_trips,
            day.needed,
            day.round_trips / day.needed,
            "not one more",
            day.round_trips <= day.needed,
        ),
    ]
