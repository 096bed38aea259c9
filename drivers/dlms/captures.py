"""What a profile captures: its columns, its period, how it is sorted, and which way to its rows works. Read in one list
and kept.

Rules: what is kept is read again after a day, so that a profile that was set up anew is not misread for longer. That
nothing but the whole buffer can be had is believed for as long: it may have been one bad day. What the profile is made
of has to be readable; how it is sorted and how much it holds may be refused.
"""

from datetime import UTC, datetime, timedelta
from enum import IntEnum
from typing import Literal

import msgspec

from drivers.dlms.asking import Asking, lasting
from drivers.dlms.caches import Cache
from drivers.dlms.wire.attribute import Attribute, CaptureObject, capture_object
from drivers.dlms.wire.axdr_value import Tag, Value
from drivers.dlms.wire.service_errors import DataAccess
from gatewayd.errors import GatewayError, MeterDiffers, ProtocolError
from gatewayd.obis import Obis

PROFILE_GENERIC, CLOCK = 7, 8
"""Classes."""
BUFFER, CAPTURE_OBJECTS, PERIOD, SORT_METHOD, SORT_OBJECT, IN_USE, ENTRIES = range(2, 9)
"""Attributes of class 7 (IEC 62056-6-2, profile generic)."""
FRESH_FOR = timedelta(days=1)
_MAX_COLUMNS = 256
_UNSIGNED = frozenset({Tag.DOUBLE_LONG_UNSIGNED, Tag.LONG_UNSIGNED, Tag.UNSIGNED})


class SortMethod(IntEnum):
    """sort_method; UNKNOWN where the meter does not tell."""

    UNKNOWN = 0
    FIFO = 1
    LIFO = 2
    LARGEST = 3
    SMALLEST = 4
    NEAREST_TO_ZERO = 5
    FAREST_FROM_ZERO = 6


Way = Literal["", "range", "entry", "none"]
"""How rows can be asked for, as it has turned out; "" as long as that is not known."""


class Captures(msgspec.Struct, frozen=True):
    """`period` in seconds, 0 for rows that an event or a command captures; `entries`: rows that there is room for, 0
    where that is not known; `read_at` in seconds since 1970."""

    columns: tuple[CaptureObject, ...]
    period: int
    sort_method: SortMethod
    sort_object: CaptureObject | None
    entries: int
    read_at: int
    way: Way = ""

    @property
    def newest_first(self) -> bool:
        by_clock = self.sort_object is None or self.sort_object.class_id == CLOCK
        return self.sort_method is SortMethod.LIFO or (self.sort_method is SortMethod.LARGEST and by_clock)

    @property
    def in_order_of_time(self) -> bool:
        """False where the rows lie by another measure than their time: then nothing can be said of entry numbers."""
        if self.sort_method in (SortMethod.FIFO, SortMethod.LIFO, SortMethod.UNKNOWN):
            return True
        by_clock = self.sort_object is not None and self.sort_object.class_id == CLOCK
        return by_clock and self.sort_method in (SortMethod.LARGEST, SortMethod.SMALLEST)

    @property
    def clock(self) -> CaptureObject | None:
        """The column that says when: the first clock."""
        return next((column for column in self.columns if column.class_id == CLOCK and column.attribute == 2), None)


def attribute(profile: bytes, index: int) -> Attribute:
    return Attribute(PROFILE_GENERIC, profile, index)


async def captures_of(session: Asking, profile: bytes, cache: Cache, now: datetime, *, log: bool) -> Captures:
    """From the cache, else from the meter and then into the cache. A `log` needs no period.

    MeterDiffers where the meter does not have or show the profile, ProtocolError where it sends something else.
    """
    kept = _unpacked(await cache.recall(_key(profile)))
    if kept is not None and timedelta(0) <= now - datetime.fromtimestamp(kept.read_at, UTC) < FRESH_FOR:
        return kept
    read = await _read(session, profile, now, log=log)
    if kept is not None and kept.columns == read.columns and kept.way == "range":  # a refusal is not for ever
        read = msgspec.structs.replace(read, way=kept.way)
    await keep(cache, profile, read)
    return read


async def keep(cache: Cache, profile: bytes, captures: Captures) -> None:
    await cache.remember(_key(profile), msgspec.msgpack.encode(captures))


async def forget(cache: Cache, profile: bytes) -> None:
    """What is kept contradicts what the meter sends."""
    await cache.remember(_key(profile), b"")


def refusal(why: DataAccess, what: str) -> GatewayError:
    """What to raise where `what` is refused and there is no other way: MeterDiffers where that will not change."""
    message = f"refuses {what}: {why.text}"
    if lasting(why):
        return MeterDiffers(f"{message}; look at the OBIS code and at what the client may read")
    return ProtocolError(message)


def _key(profile: bytes) -> str:
    return f"profile 1 {profile.hex()}"


async def _read(session: Asking, profile: bytes, now: datetime, *, log: bool) -> Captures:
    wanted = (CAPTURE_OBJECTS, PERIOD, SORT_METHOD, SORT_OBJECT, ENTRIES)
    answers = await session.get_many([attribute(profile, index) for index in wanted])
    objects, period, method, by, entries = answers
    name = str(Obis(*profile))
    if isinstance(objects, DataAccess):
        raise refusal(objects, f"the capture objects of the profile {name}")
    if isinstance(period, DataAccess) and not log:
        raise refusal(period, f"the capture period of the profile {name}")
    return Captures(
        columns=_columns(objects.value),
        period=0 if isinstance(period, DataAccess) else number(period.value, "a capture period"),
        sort_method=SortMethod.UNKNOWN if isinstance(method, DataAccess) else _method(method.value),
        sort_object=None if isinstance(by, DataAccess) else _sort_object(by.value),
        entries=0 if isinstance(entries, DataAccess) else number(entries.value, "a number of profile entries"),
        read_at=int(now.timestamp()),
    )


def number(value: Value, what: str) -> int:
    """An unsigned number. ProtocolError for anything else."""
    if value.tag not in _UNSIGNED or not isinstance(value.content, int):
        raise ProtocolError(f"sends {what} that is no unsigned number", value.raw)
    return value.content


def _columns(value: Value) -> tuple[CaptureObject, ...]:
    found = tuple(column for child in value.children if (column := capture_object(child)) is not None)
    if value.tag is not Tag.ARRAY or len(found) != len(value.children):
        raise ProtocolError("sends something else than capture objects", value.raw)
    if not 0 < len(found) <= _MAX_COLUMNS:
        raise ProtocolError(f"sends {len(found)} capture objects, expected 1 to {_MAX_COLUMNS}", value.raw)
    return found


def _sort_object(value: Value) -> CaptureObject | None:
    """None where none is named: class 0, or a logical name of zeros."""
    found = capture_object(value)
    return found if found is not None and found.class_id and any(found.logical_name) else None


def _method(value: Value) -> SortMethod:
    return next((method for method in SortMethod if method == value.content), SortMethod.UNKNOWN)


def _unpacked(kept: bytes | None) -> Captures | None:
    """None for nothing, and for what another version has kept."""
    try:
        return msgspec.msgpack.decode(kept, type=Captures) if kept else None
    except msgspec.MsgspecError:
        return None
