"""A meter as the modules behind a session see it: objects with attributes, for tests. And A-XDR put together by hand.

Rules: nothing here uses the package's encoders. `asked` is every request, as the attributes in it; `done` what was
written or invoked.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeVar
from zoneinfo import ZoneInfo

from drivers.dlms.asking import Result
from drivers.dlms.wire.attribute import Attribute, Selection
from drivers.dlms.wire.axdr import Value, decode
from drivers.dlms.wire.cosem_time import ClockRules
from drivers.dlms.wire.service_errors import ActionResult, DataAccess
from drivers.dlms.wire.services import Data
from gatewayd.driver import Forgetful
from gatewayd.obis import Obis

NOW = datetime(2026, 11, 21, 12, 4, 0, tzinfo=UTC)
PRAGUE = ClockRules(ZoneInfo("Europe/Prague"))
T = TypeVar("T")


def value(octets: bytes) -> Value:
    """The one value that these octets are."""
    found, end = decode(octets)
    assert end == len(octets)
    return found


def u8(number: int) -> bytes:
    return b"\x11" + number.to_bytes(1)


def u16(number: int) -> bytes:
    return b"\x12" + number.to_bytes(2)


def u32(number: int) -> bytes:
    return b"\x06" + number.to_bytes(4)


def i8(number: int) -> bytes:
    return b"\x0f" + number.to_bytes(1, signed=True)


def enum(number: int) -> bytes:
    return b"\x16" + number.to_bytes(1)


def boolean(yes: bool) -> bytes:
    return b"\x03\xff" if yes else b"\x03\x00"


def octets(content: bytes) -> bytes:
    return b"\x09" + bytes((len(content),)) + content


def text(content: str) -> bytes:
    return b"\x0a" + bytes((len(content),)) + content.encode("ascii")


def array(*items: bytes) -> bytes:
    return b"\x01" + _count(len(items)) + b"".join(items)


def structure(*items: bytes) -> bytes:
    return b"\x02" + _count(len(items)) + b"".join(items)


def _count(number: int) -> bytes:
    return bytes((number,)) if number < 0x80 else b"\x82" + number.to_bytes(2)


def scaler_unit(scaler: int, unit: int) -> bytes:
    return structure(i8(scaler), enum(unit))


def name(code: str) -> bytes:
    """The six octets of `1-0:1.8.0*255`."""
    return bytes(Obis.parse(code).groups)


def entry(
    class_id: int,
    code: str,
    attributes: Sequence[tuple[int, int]] = (),
    *,
    version: int = 0,
    methods: bytes = b"\x01\x00",
) -> bytes:
    """An element of an object list; attributes as number and mode of access."""
    access = array(*(structure(i8(number), enum(mode), b"\x00") for number, mode in attributes))
    return structure(u16(class_id), u8(version), octets(name(code)), structure(access, methods))


def clock_octets(at: datetime, *, deviation: int = -60, status: int = 0) -> bytes:
    """Twelve octets of a clock that is on Prague winter time at this instant."""
    local = at + timedelta(minutes=-deviation)
    return (
        local.year.to_bytes(2)
        + bytes((local.month, local.day, local.isoweekday(), local.hour, local.minute, local.second))
        + bytes((local.microsecond // 10_000,))
        + deviation.to_bytes(2, signed=True)
        + bytes((status,))
    )


Stored = bytes | DataAccess | Callable[[], bytes]


class FakeMeter:
    """Answers by a table of (class, code, attribute); what is not in it is undefined."""

    def __init__(self, objects: dict[tuple[int, str, int], Stored] | None = None, *, lists: bool = True) -> None:
        self.objects = objects or {}
        self.lists_work = lists
        self.asked: list[tuple[tuple[int, str, int], ...]] = []
        self.done: list[tuple[str, bytes]] = []
        self.action_result = ActionResult.SUCCESS
        self.set_result = DataAccess.SUCCESS
        self.on_action: Callable[[bytes], None] | None = None

    async def get(self, attribute: Attribute, selection: Selection | None = None) -> Result:
        assert selection is None
        (result,) = await self.get_many((attribute,))
        return result

    async def get_many(self, attributes: Sequence[Attribute]) -> tuple[Result, ...]:
        keys = tuple((one.class_id, _code(one.logical_name), one.index) for one in attributes)
        self.asked.append(keys)
        return tuple(self._result(key) for key in keys)

    async def set_(self, attribute: Attribute, value: bytes) -> DataAccess:
        self.done.append((f"set {attribute.class_id} {_code(attribute.logical_name)} {attribute.index}", value))
        return self.set_result

    async def action(self, class_id: int, logical_name: bytes, method: int, parameter: bytes) -> ActionResult:
        self.done.append((f"action {class_id} {_code(logical_name)} {method}", parameter))
        if self.on_action is not None and self.action_result == ActionResult.SUCCESS:
            self.on_action(parameter)
        return self.action_result

    @property
    def flat(self) -> list[tuple[int, str, int]]:
        """Every attribute that was asked for, in order."""
        return [key for keys in self.asked for key in keys]

    def _result(self, key: tuple[int, str, int]) -> Result:
        stored = self.objects.get(key, DataAccess.OBJECT_UNDEFINED)
        if isinstance(stored, DataAccess):
            return stored
        return Data(value(stored() if callable(stored) else stored))


def _code(logical_name: bytes) -> str:
    a, b, c, d, e, f = logical_name
    return f"{a}-{b}:{c}.{d}.{e}*{f}"


class CountingMemory(Forgetful):
    """A memory that tells what is in it."""

    @property
    def entries(self) -> dict[str, bytes]:
        return self._known


class Ticking:
    """A clock that goes on by `step` with each look."""

    def __init__(self, at: datetime = NOW, step: timedelta = timedelta(0)) -> None:
        self.at = at
        self.step = step

    def __call__(self) -> datetime:
        now = self.at
        self.at += self.step
        return now


async def collected(answers: AsyncIterator[T]) -> list[T]:
    return [answer async for answer in answers]
