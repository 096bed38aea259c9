"""What every session asks first: the clock, and who the meter is - serial numbers, logical device name, firmware, and
how often it was configured.

Rules: one request where the meter takes lists; where it does not, the clock each time and the identity only when none
is remembered, or when a serial number is configured that has to be compared. What the meter does not have is not asked
for again, as long as it is the same meter with the same firmware and configuration. A refusal ends nothing; only the
clock's is told.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from drivers.dlms.asking import Asking, Result, lasting
from drivers.dlms.caches import DeviceCache
from drivers.dlms.clock import TIME, RoundTrip
from drivers.dlms.value_text import octets_text, text_of
from drivers.dlms.wire.attribute import Attribute
from drivers.dlms.wire.axdr import Tag, Value
from drivers.dlms.wire.service_errors import DataAccess
from gatewayd.driver import Clock, Memory

_DATA = 1
DEVICE, UTILITY, NAME, FIRMWARE, CHANGES = (
    Attribute(_DATA, bytes(name), 2)
    for name in (
        (0, 0, 96, 1, 0, 255),
        (1, 0, 0, 0, 0, 255),
        (0, 0, 42, 0, 0, 255),
        (1, 0, 0, 2, 0, 255),
        (0, 0, 96, 2, 0, 255),
    )
)
"""Device ID of the maker, device ID of the utility, COSEM logical device name, firmware, number of changes of the
configuration (IEC 62056-6-1)."""
_ITEMS = (DEVICE, UTILITY, NAME, FIRMWARE, CHANGES)
_KEY = "identity"
_HEX = "0x"


class Identity(msgspec.Struct, frozen=True):
    """Texts by which the meter names itself, in the order of _ITEMS: "" for what it does not give. `absent`: which of
    them it does not have at all."""

    texts: tuple[str, str, str, str, str]
    absent: tuple[int, ...] = ()

    @property
    def serials(self) -> tuple[str, ...]:
        """Device IDs and logical device name, without what marks octets that are no text."""
        return tuple(dict.fromkeys(text.removeprefix(_HEX) for text in self.texts[:3] if text))

    @property
    def owner(self) -> str:
        """Which device, firmware and configuration it is, for caches."""
        return "\n".join(self.texts)


@dataclass(frozen=True, slots=True)
class Prologue:
    """What the meter said first. `clock` is its answer and when that came."""

    clock: Result
    trip: RoundTrip
    identity: Identity


async def prologue(session: Asking, memory: Memory, scope: str, now: Clock, *, compare_serial: bool) -> Prologue:
    """Ask the clock and what has to be asked of the identity. `scope`: which association it is, as a text."""
    cache = DeviceCache(memory, scope)
    known = await _recalled(cache)
    wanted = _wanted(known, lists=session.lists_work, compare=compare_serial)
    clock, trip, rest = await _asked(session, now, wanted)
    results = dict(zip(wanted, rest, strict=True))
    if known is None:
        return Prologue(clock, trip, await _learnt(cache, results, None))
    if all(_same(known, item, result) for item, result in results.items()):
        return Prologue(clock, trip, known)
    # Another meter, firmware or configuration, or a refusal that is new: everything that was not asked is asked now.
    others = [item for item in _ITEMS if item not in results]
    if others:
        results |= dict(zip(others, await session.get_many(others), strict=True))
    return Prologue(clock, trip, await _learnt(cache, results, known))


async def _asked(
    session: Asking, now: Clock, wanted: Sequence[Attribute]
) -> tuple[Result, RoundTrip, tuple[Result, ...]]:
    """The clock, how long that took, and the rest: in one list, or the clock by itself, for its round trip counts."""
    rest: tuple[Result, ...] | None = None
    lists = session.lists_work
    if lists:
        sent = now()
        clock, *others = await session.get_many((TIME, *wanted))
        if session.lists_work:
            return clock, RoundTrip(sent, max(now(), sent)), tuple(others)
        rest = tuple(others)  # they came one by one, and the clock was the first of them
    sent = now()
    clock = await session.get(TIME)
    trip = RoundTrip(sent, max(now(), sent))
    if rest is None:
        rest = await session.get_many(wanted) if wanted else ()
    return clock, trip, rest


def _wanted(known: Identity | None, *, lists: bool, compare: bool) -> tuple[Attribute, ...]:
    if known is None:
        return _ITEMS
    there = tuple(item for index, item in enumerate(_ITEMS) if index not in known.absent)
    if lists:
        return there
    return tuple(item for item in there[:1] if compare)


def _same(known: Identity, item: Attribute, result: Result) -> bool:
    """A meter that cannot say it this time is taken for the same."""
    if isinstance(result, DataAccess):
        return not lasting(result)
    return _text(result.value) == known.texts[_ITEMS.index(item)]


async def _learnt(cache: DeviceCache, results: Mapping[Attribute, Result], before: Identity | None) -> Identity:
    texts = tuple(
        "" if isinstance(result, DataAccess) else _text(result.value) for result in map(results.__getitem__, _ITEMS)
    )
    absent = tuple(index for index, item in enumerate(_ITEMS) if lasting(results[item]))
    device, utility, name, firmware, changes = texts
    identity = Identity((device, utility, name, firmware, changes), absent)
    whole = all(not isinstance(result, DataAccess) or lasting(result) for result in results.values())
    if whole and identity != before:
        await cache.remember(_KEY, msgspec.msgpack.encode(identity))
    return identity


async def _recalled(cache: DeviceCache) -> Identity | None:
    stored = await cache.recall(_KEY)
    if stored is None:
        return None
    try:
        return msgspec.msgpack.decode(stored, type=Identity)
    except msgspec.MsgspecError:
        return None  # of another version: asked for again


def _text(value: Value) -> str:
    """Octets as text where they are printable, else in hexadecimal digits; never as a time."""
    if value.tag is Tag.OCTET_STRING and isinstance(value.content, bytes):
        return octets_text(value.content).strip()
    return text_of(value).strip()
