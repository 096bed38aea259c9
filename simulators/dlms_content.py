"""What a simulated DLMS meter has in it: the objects, put together (IEC 62056-6-2).

Rules: registers are in dlms_registers.py, profiles and logs in dlms_kept.py; here is the rest. Every value is made when
it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from simulators import dlms_profile as profiles
from simulators import dlms_values as axdr
from simulators.dlms_clock import SUMMER_BEGINS, SUMMER_ENDS, Clock
from simulators.dlms_counters import Counters
from simulators.dlms_kept import kept
from simulators.dlms_making import Making, Plate, Store
from simulators.dlms_objects import Access, Attribute, CosemObject, Method, constant, obis
from simulators.dlms_profile import TYPE_UNMATCHED, Refused
from simulators.dlms_registers import registers
from simulators.dlms_security import Security
from simulators.profile import LEGAL

UNKNOWN_CLASS = 9001


def everything(
    clock: Clock, plate: Plate, store: Store, counters: Counters, objects_of_view: Callable[[], list[bytes]]
) -> list[CosemObject]:
    """All objects. `objects_of_view` gives the elements of object_list for the present association."""
    m = Making(clock, plate, store)
    return [
        _association(m, objects_of_view),
        *_identity(m, counters),
        _clock(m),
        *registers(m),
        *kept(m),
        _calendar(),
        _disconnector(),
        _data("0-0:97.98.0", lambda: axdr.u32(0x0000_0002)),
        _data("0-0:97.97.0", lambda: axdr.u32(0)),
        _data("0-0:96.10.1", lambda: axdr.u8(profiles.SUMMER if clock.now().astimezone(LEGAL).dst() else 0)),
        _data("0-0:96.11.0", lambda: axdr.u8(0)),
        _data("0-0:96.11.1", lambda: axdr.u8(0)),
        CosemObject(
            UNKNOWN_CLASS,
            0,
            obis("0-0:128.0.0"),
            {2: Attribute(lambda: axdr.structure(axdr.u16(7), axdr.octets(b"\xde\xad"), axdr.visible("maker's own")))},
        ),
    ]


def _data(code: str, read: Callable[[], bytes], *, public: bool = False) -> CosemObject:
    return CosemObject(1, 0, obis(code), {2: Attribute(read)}, public=public)


def _identity(m: Making, counters: Counters) -> list[CosemObject]:
    plate = m.plate
    name = axdr.octets(b"SIM" + plate.serial.encode())
    policy = {Security.NONE: 0, Security.AUTHENTICATED: 1, Security.ENCRYPTED: 2, Security.BOTH: 3}[plate.security]
    return [
        CosemObject(
            17,
            0,
            obis("0-0:41.0.0"),
            {2: Attribute(lambda: axdr.array([axdr.structure(axdr.u16(plate.server), name)]))},
            public=True,
        ),
        _data("0-0:42.0.0", lambda: name, public=True),
        _data("0-0:96.1.0", lambda: axdr.octets(plate.serial.encode())),
        _data("1-0:0.0.0", lambda: axdr.visible(plate.serial)),
        _data("1-0:0.2.0", lambda: axdr.octets(plate.firmware.encode())),
        _data("0-0:43.1.0", lambda: axdr.u32(counters.seen), public=True),
        CosemObject(
            64,
            0,
            obis("0-0:43.0.0"),
            {
                2: Attribute(lambda: axdr.enum(policy)),
                3: Attribute(lambda: axdr.enum(plate.suite)),
                4: Attribute(lambda: axdr.octets(plate.client_title)),
                5: Attribute(lambda: axdr.octets(plate.title)),
            },
            {1: Method(), 2: Method()},
        ),
    ]


def _association(m: Making, objects_of_view: Callable[[], list[bytes]]) -> CosemObject:
    return CosemObject(
        15,
        1,
        obis("0-0:40.0.0"),
        {
            2: Attribute(lambda: axdr.array(objects_of_view())),
            3: Attribute(lambda: axdr.structure(axdr.i8(min(m.plate.client, 127)), axdr.u16(m.plate.server))),
            7: Attribute(axdr.null, Access.NONE),
            8: Attribute(lambda: axdr.enum(2)),
            9: Attribute(lambda: axdr.octets(obis("0-0:43.0.0"))),
        },
        # Who is associated already has no use for the first: the server answers it before.
        {1: Method(), 2: Method(), 3: Method(), 4: Method()},
        public=True,
    )


def _clock(m: Making) -> CosemObject:
    clock = m.clock

    def set_time(item: axdr.Item) -> None:
        at = m.writing.instant(item.octets)
        if at is None or not 2020 <= at.year < 2100:
            raise Refused(TYPE_UNMATCHED)
        clock.set(at)

    def shift(item: axdr.Item) -> None:
        if not -900 <= item.number <= 900:
            raise Refused(TYPE_UNMATCHED)
        clock.shift(item.number)

    def to_quarter(_: axdr.Item) -> None:
        now = clock.now()
        seconds = now.timestamp() % 900
        clock.set(now + timedelta(seconds=-seconds if seconds < 450 else 900 - seconds))

    def to_minute(_: axdr.Item) -> None:
        now = clock.now()
        seconds = now.timestamp() % 60
        clock.set(now + timedelta(seconds=-seconds if seconds < 30 else 60 - seconds))

    return CosemObject(
        8,
        0,
        obis("0-0:1.0.0"),
        {
            2: Attribute(lambda: m.time(clock.now()), Access.READ_WRITE, write=set_time),
            3: Attribute(lambda: axdr.i16(-60)),
            4: Attribute(lambda: axdr.u8(m.writing.octets(clock.now())[11])),
            5: Attribute(lambda: axdr.octets(SUMMER_BEGINS)),
            6: Attribute(lambda: axdr.octets(SUMMER_ENDS)),
            7: Attribute(lambda: axdr.i8(60)),
            8: Attribute(lambda: axdr.boolean(True)),
            9: Attribute(lambda: axdr.enum(1)),
        },
        {
            1: Method(_nothing_returned(to_quarter)),
            2: Method(),
            3: Method(_nothing_returned(to_minute)),
            4: Method(),
            5: Method(),
            6: Method(_nothing_returned(shift)),
        },
        public=True,
    )


def _nothing_returned(act: Callable[[axdr.Item], None]) -> Callable[[axdr.Item], bytes | None]:
    def run(item: axdr.Item) -> bytes | None:
        act(item)
        return None

    return run


def _calendar() -> CosemObject:
    begin = bytes.fromhex("ffff0101ff00000000800000")
    season = axdr.structure(axdr.octets(b"YEAR"), axdr.octets(begin), axdr.octets(b"WEEK"))
    week = axdr.structure(axdr.octets(b"WEEK"), *(axdr.u8(1 if day < 5 else 2) for day in range(7)))

    def switching(hour: int, script: int) -> bytes:
        time = bytes([hour, 0, 0, 0])
        return axdr.structure(axdr.octets(time), axdr.octets(obis("0-0:10.0.100")), axdr.u16(script))

    days = [
        axdr.structure(axdr.u8(1), axdr.array([switching(6, 1), switching(22, 2)])),
        axdr.structure(axdr.u8(2), axdr.array([switching(0, 2)])),
    ]
    tables = (axdr.octets(b"SIM-2026"), axdr.array([season]), axdr.array([week]), axdr.array(days))
    never = axdr.octets(bytes.fromhex("ffffffffffffffffff800000"))
    # Attributes 2 to 5 are the active calendar, 6 to 9 the passive one, which is the same.
    attributes = {number: constant(tables[(number - 2) % 4]) for number in range(2, 10)}
    attributes[10] = Attribute(lambda: never)
    return CosemObject(20, 0, obis("0-0:13.0.0"), attributes, {1: Method()})


def _disconnector() -> CosemObject:
    attributes = {
        2: Attribute(lambda: axdr.boolean(True)),
        3: Attribute(lambda: axdr.enum(1)),
        4: Attribute(lambda: axdr.enum(4)),
    }
    return CosemObject(70, 0, obis("0-0:96.3.10"), attributes, {1: Method(), 2: Method()})
