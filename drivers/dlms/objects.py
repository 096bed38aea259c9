"""The view of an association: the objects that a meter has for us, and what may be done with each (IEC 62056-6-2,
Association LN, attribute 2, object_list).

    array of structure { class, version, logical name, structure { attribute access, method access } }

Rules: read once and remembered for device, firmware and association; a refusal for good is remembered as well. An entry
that has not the form of one is passed over and counted. Modes of access are kept as numbers and put into words for
people: what they mean depends on the version of the association.
"""

import msgspec

from drivers.dlms.asking import Asking, lasting, obis_of
from drivers.dlms.caches import Cache
from drivers.dlms.wire.attribute import Attribute
from drivers.dlms.wire.axdr import Tag, Value
from drivers.dlms.wire.service_errors import DataAccess
from gatewayd.obis import Obis

ASSOCIATION = 15
_LIST = 2
_KEY = "objects"
_CURRENT = bytes((0, 0, 40, 0, 0, 255))
_WORDS = (
    "no access",
    "read",
    "write",
    "read, write",
    "read (authenticated)",
    "write (authenticated)",
    "read, write (authenticated)",
)
"""Modes of attributes up to version 2."""
_METHOD_WORDS = ("no access", "access", "access (authenticated)")
_RIGHTS = ("read", "write")
_DEMANDS = (
    "authenticated request",
    "encrypted request",
    "signed request",
    "authenticated response",
    "encrypted response",
    "signed response",
)
"""Version 3: bits 2 to 7."""
_BITS_FROM = 3
_READING_MODES = frozenset((1, 3, 4, 6))


class Entry(msgspec.Struct, frozen=True):
    """One object. `attributes` and `methods`: number and mode of access, as the meter sent them."""

    class_id: int
    version: int
    name: bytes
    attributes: tuple[tuple[int, int], ...] = ()
    methods: tuple[tuple[int, int], ...] = ()

    @property
    def obis(self) -> Obis:
        return obis_of(self.name)


class View(msgspec.Struct, frozen=True):
    """What the meter says it has. `refused` is why there is no list, in words; `skipped` counts entries that are none.

    `version` is that of the association object."""

    entries: tuple[Entry, ...] = ()
    version: int = 0
    skipped: int = 0
    refused: str = ""

    def readable(self, entry: Entry, attribute: int) -> bool:
        """Whether the attribute may be read; one of which the list says nothing is worth asking for."""
        mode = dict(entry.attributes).get(attribute)
        if mode is None:
            return True
        return bool(mode & 1) if self.version >= _BITS_FROM else mode in _READING_MODES

    def attribute_words(self, mode: int) -> str:
        """`read, write`; `mode 9` for what the standard does not have."""
        if self.version >= _BITS_FROM:
            return _bits(mode, _RIGHTS)
        return _WORDS[mode] if 0 <= mode < len(_WORDS) else f"mode {mode}"

    def method_words(self, mode: int) -> str:
        """The same for a method."""
        if self.version >= _BITS_FROM:
            return _bits(mode, ("access",))
        return _METHOD_WORDS[mode] if 0 <= mode < len(_METHOD_WORDS) else f"mode {mode}"


async def view_of(session: Asking, cache: Cache, association: bytes, *, afresh: bool = False) -> View:
    """The remembered view, or the meter's; `afresh` asks in any case."""
    if not afresh:
        stored = await cache.recall(_KEY)
        if stored is not None:
            try:
                return msgspec.msgpack.decode(stored, type=View)
            except msgspec.MsgspecError:
                pass  # of another version of gatewayd: asked for again
    result = await session.get(Attribute(ASSOCIATION, association, _LIST))
    if isinstance(result, DataAccess):
        view = View(refused=result.text)
        if not lasting(result):
            return view
    else:
        view = parse_view(result.value, association)
    await cache.remember(_KEY, msgspec.msgpack.encode(view))
    return view


def parse_view(value: Value, association: bytes) -> View:
    """The entries of an object list; `refused` where it is none at all."""
    if value.tag not in (Tag.ARRAY, Tag.COMPACT_ARRAY):
        return View(refused="what it sends is no list")
    found = [_entry(child) for child in value.children]
    entries = tuple(entry for entry in found if entry is not None)
    versions = {entry.name: entry.version for entry in entries if entry.class_id == ASSOCIATION}
    version = versions.get(association, versions.get(_CURRENT, max(versions.values(), default=0)))
    return View(entries, version, len(found) - len(entries))


def _entry(value: Value) -> Entry | None:
    if value.tag is not Tag.STRUCTURE or len(value.children) < 3:
        return None
    class_id, version, name = (child.content for child in value.children[:3])
    if not isinstance(class_id, int) or not isinstance(version, int):
        return None
    if not isinstance(name, bytes) or len(name) != 6:
        return None
    rights = value.children[3].children if len(value.children) > 3 else ()
    attributes = _modes(rights[0]) if rights else ()
    methods = _modes(rights[1]) if len(rights) > 1 else ()
    return Entry(class_id, version, name, attributes, methods)


def _modes(items: Value) -> tuple[tuple[int, int], ...]:
    """Number and mode of each item; a method's mode is boolean in version 0."""
    pairs = (item.children[:2] for item in items.children if len(item.children) >= 2)
    numbers = ((first.content, second.content) for first, second in pairs)
    return tuple((number, int(mode)) for number, mode in numbers if isinstance(number, int) and isinstance(mode, int))


def _bits(mode: int, rights: tuple[str, ...]) -> str:
    allowed = [right for bit, right in enumerate(rights) if mode >> bit & 1]
    demands = [demand for bit, demand in enumerate(_DEMANDS, 2) if mode >> bit & 1]
    words = ", ".join(allowed) or "no access"
    return f"{words} ({', '.join(demands)})" if demands and allowed else words
