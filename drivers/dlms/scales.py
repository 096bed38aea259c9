"""Scalers and units of registers: read once a day, in lists, and remembered.

Rules: what is remembered is read again after a day, so that a meter that was set up anew is not misread for longer: a
wrong scaler looks like a right value. One that the meter refuses for good is remembered as unknown; one that it could
not give this time is asked for again the next time. Without its scaler a number is not understood, and its reading says
so.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import msgspec

from drivers.dlms.asking import Asking, Result, lasting
from drivers.dlms.caches import Cache
from drivers.dlms.units import NO_UNIT, unit_text
from drivers.dlms.wire.attribute import Attribute
from drivers.dlms.wire.axdr import Tag, Value
from drivers.dlms.wire.service_errors import DataAccess
from gatewayd.driver import Clock

REGISTER, EXTENDED_REGISTER, DEMAND_REGISTER = 3, 4, 5
_ATTRIBUTE = {REGISTER: 3, EXTENDED_REGISTER: 3, DEMAND_REGISTER: 4}
"""Class -> its attribute scaler_unit (IEC 62056-6-2)."""
FRESH_FOR = timedelta(days=1)
_KEY = "scales"


class Scale(NamedTuple):
    """Power of ten and unit of a register; `known` is False where the meter does not tell them."""

    scaler: int = 0
    unit: str = ""
    known: bool = True


UNKNOWN = Scale(known=False)
PLAIN = Scale()
"""Of what has neither."""


class _Kept(msgspec.Struct, frozen=True):
    """`read_at` of the oldest of them, in seconds since 1970."""

    read_at: int
    known: dict[str, tuple[int, int] | None]


class Scales:
    """The scales of one meter, as far as they are known."""

    def __init__(self, cache: Cache, now: Clock) -> None:
        self._cache = cache
        self._now = now
        self._known: dict[str, tuple[int, int] | None] = {}
        self._passing: set[str] = set()  # could not be given in this session
        self._read_at = 0
        self._loaded = False

    async def of(self, session: Asking, objects: Iterable[tuple[int, bytes]]) -> dict[tuple[int, bytes], Scale]:
        """The scale of each of these objects (class, logical name) that can have one; asks for what is not known."""
        await self._load()
        scaled = [one for one in dict.fromkeys(objects) if one[0] in _ATTRIBUTE]
        unknown = [one for one in scaled if _name(one) not in self._known]
        if unknown:
            attributes = [Attribute(class_id, name, _ATTRIBUTE[class_id]) for class_id, name in unknown]
            results = await session.get_many(attributes)
            fresh = dict(zip(unknown, results, strict=True))
            self._known |= {_name(one): _pair(result) for one, result in fresh.items()}
            self._passing |= {_name(one) for one, result in fresh.items() if _passing(result)}
            if not all(map(_passing, results)):
                await self._store()
        return {one: _scale(self._known[_name(one)]) for one in scaled}

    def forget(self) -> None:
        """The meter was set up anew: everything is asked for again."""
        self._loaded, self._read_at = True, int(self._now().timestamp())
        self._known, self._passing = {}, set()

    async def _load(self) -> None:
        if self._loaded:
            return
        self._loaded = True
        now = self._now()
        self._read_at = int(now.timestamp())
        stored = await self._cache.recall(_KEY)
        try:
            kept = None if stored is None else msgspec.msgpack.decode(stored, type=_Kept)
        except msgspec.MsgspecError:
            return  # of another version: asked for again
        if kept is not None and timedelta(0) <= now - datetime.fromtimestamp(kept.read_at, UTC) < FRESH_FOR:
            self._read_at, self._known = kept.read_at, dict(kept.known)

    async def _store(self) -> None:
        lasting_ones = {name: pair for name, pair in self._known.items() if name not in self._passing}
        await self._cache.remember(_KEY, msgspec.msgpack.encode(_Kept(self._read_at, lasting_ones)))


def scale_of(value: Value) -> Scale:
    """What a scaler_unit says; UNKNOWN where it has not the form of one."""
    return _scale(_parsed(value))


def _passing(result: Result) -> bool:
    return isinstance(result, DataAccess) and not lasting(result)


def _pair(result: Result) -> tuple[int, int] | None:
    return None if isinstance(result, DataAccess) else _parsed(result.value)


def _parsed(value: Value) -> tuple[int, int] | None:
    if value.tag is Tag.NULL:
        return 0, NO_UNIT
    if value.tag is not Tag.STRUCTURE or len(value.children) != 2:
        return None
    scaler, unit = (child.content for child in value.children)
    if not isinstance(scaler, int) or not isinstance(unit, int) or not -0x80 <= scaler <= 0x7F:
        return None
    return scaler, unit


def _scale(pair: tuple[int, int] | None) -> Scale:
    return UNKNOWN if pair is None else Scale(pair[0], unit_text(pair[1]))


def _name(one: tuple[int, bytes]) -> str:
    return f"{one[0]}:{one[1].hex()}"
