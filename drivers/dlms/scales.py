"""Scalers and units of registers: read once ever, in lists, and remembered.

Rules: a scaler that the meter refuses for good is remembered as unknown; one that it could not give this time is asked
for again the next time. Without its scaler a number is not understood, and its reading says so.
"""

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from drivers.dlms.asking import Asking, Result, lasting
from drivers.dlms.caches import Cache
from drivers.dlms.units import NO_UNIT, unit_text
from drivers.dlms.wire.attribute import Attribute
from drivers.dlms.wire.axdr import Tag, Value
from drivers.dlms.wire.service_errors import DataAccess

REGISTER, EXTENDED_REGISTER, DEMAND_REGISTER = 3, 4, 5
_ATTRIBUTE = {REGISTER: 3, EXTENDED_REGISTER: 3, DEMAND_REGISTER: 4}
"""Class -> its attribute scaler_unit (IEC 62056-6-2)."""
_KEY = "scales"


class Scale(NamedTuple):
    """Power of ten and unit of a register; `known` is False where the meter does not tell them."""

    scaler: int = 0
    unit: str = ""
    known: bool = True


UNKNOWN = Scale(known=False)
PLAIN = Scale()
"""Of what has neither."""


class Scales:
    """The scales of one meter, as far as they are known."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self._known: dict[str, tuple[int, int] | None] = {}
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
            if any(not isinstance(result, DataAccess) or lasting(result) for result in results):
                await self._store({_name(one) for one, result in fresh.items() if _passing(result)})
        return {one: _scale(self._known[_name(one)]) for one in scaled}

    async def _load(self) -> None:
        if self._loaded:
            return
        self._loaded = True
        stored = await self._cache.recall(_KEY)
        if stored is not None:
            try:
                self._known = msgspec.msgpack.decode(stored, type=dict[str, tuple[int, int] | None])
            except msgspec.MsgspecError:
                self._known = {}  # of another version: asked for again

    async def _store(self, except_for: set[str]) -> None:
        lasting_ones = {name: pair for name, pair in self._known.items() if name not in except_for}
        await self._cache.remember(_KEY, msgspec.msgpack.encode(lasting_ones))


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
