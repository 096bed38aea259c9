"""COSEM objects as a simulated meter has them: attributes that can be read or written, methods, access rights.

Rules: an attribute is a function that gives its A-XDR, so that a value is made when it is asked for; who may do what is
decided here, by the view of the association; what is refused is Refused with a data-access-result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum, IntEnum
from functools import lru_cache

from simulators import dlms_values as axdr
from simulators.dlms_profile import Refused

READ_WRITE_DENIED, UNDEFINED, CLASS_INCONSISTENT, UNAVAILABLE = 3, 4, 9, 11

Read = Callable[[], bytes]
Select = Callable[[bytes | None], bytes]
Write = Callable[[axdr.Item], None]
Run = Callable[[axdr.Item], bytes | None]


class Access(IntEnum):
    """attribute_access_mode of class 15, version 1."""

    NONE = 0
    READ = 1
    WRITE = 2
    READ_WRITE = 3
    AUTHENTICATED_READ = 4


@dataclass(frozen=True, slots=True)
class Attribute:
    """With `select` the attribute has selective access and `read` is not used; with `write` it can be written."""

    read: Read
    access: Access = Access.READ
    select: Select | None = None
    write: Write | None = None


def constant(encoded: bytes) -> Attribute:
    """An attribute that is always the same."""
    return Attribute(lambda: encoded)


@dataclass(frozen=True, slots=True)
class Method:
    """A method; one without `run` is there and nobody may use it."""

    run: Run | None = None


@dataclass(frozen=True, slots=True)
class CosemObject:
    """One object; attribute 1, its logical name, is added here. `public`: the public client sees it too."""

    class_id: int
    version: int
    logical_name: bytes
    attributes: Mapping[int, Attribute]
    methods: Mapping[int, Method] = field(default_factory=dict)
    public: bool = False

    def described(self) -> bytes:
        """The element of object_list (class 15, attribute 2)."""
        attributes = [
            axdr.structure(
                axdr.i8(number),
                axdr.enum(attribute.access),
                axdr.array([axdr.i8(1), axdr.i8(2)]) if attribute.select else axdr.null(),
            )
            for number, attribute in sorted({1: Attribute(self.name), **self.attributes}.items())
        ]
        methods = [
            axdr.structure(axdr.i8(number), axdr.enum(1 if method.run else 0))
            for number, method in sorted(self.methods.items())
        ]
        return axdr.structure(
            axdr.u16(self.class_id),
            axdr.u8(self.version),
            axdr.octets(self.logical_name),
            axdr.structure(axdr.array(attributes), axdr.array(methods)),
        )

    def name(self) -> bytes:
        return axdr.octets(self.logical_name)


class View(Enum):
    """What an association sees."""

    PUBLIC = "only the public objects"
    ALL = "everything"


class Objects:
    """All objects of a logical device."""

    def __init__(self, objects: Iterable[CosemObject]) -> None:
        self._objects = {each.logical_name: each for each in objects}

    def add(self, added: CosemObject) -> None:
        self._objects[added.logical_name] = added

    def seen(self, view: View) -> tuple[CosemObject, ...]:
        """The objects of a view, in the order of the meter."""
        return tuple(each for each in self._objects.values() if view is View.ALL or each.public)

    def get(self, view: View, class_id: int, logical_name: bytes, attribute: int, selection: bytes | None) -> bytes:
        """The A-XDR of an attribute."""
        wanted = self._find(view, class_id, logical_name)
        if attribute == 1:
            return wanted.name()
        found = wanted.attributes.get(attribute)
        if found is None:
            raise Refused(UNAVAILABLE)
        if found.access not in (Access.READ, Access.READ_WRITE, Access.AUTHENTICATED_READ):
            raise Refused(READ_WRITE_DENIED)
        if found.select is not None:
            return found.select(selection)
        return found.read()

    def set(self, view: View, class_id: int, logical_name: bytes, attribute: int, item: axdr.Item) -> None:
        """Write an attribute."""
        found = self._find(view, class_id, logical_name).attributes.get(attribute)
        if found is None:
            raise Refused(UNAVAILABLE)
        if found.write is None or view is View.PUBLIC:
            raise Refused(READ_WRITE_DENIED)
        found.write(item)

    def act(self, view: View, class_id: int, logical_name: bytes, method: int, item: axdr.Item) -> bytes | None:
        """Run a method and give what it returns."""
        found = self._find(view, class_id, logical_name).methods.get(method)
        if found is None:
            raise Refused(UNAVAILABLE)
        if found.run is None or view is View.PUBLIC:
            raise Refused(READ_WRITE_DENIED)
        return found.run(item)

    def _find(self, view: View, class_id: int, logical_name: bytes) -> CosemObject:
        found = self._objects.get(logical_name)
        if found is None or (view is View.PUBLIC and not found.public):
            raise Refused(UNDEFINED)
        if found.class_id != class_id:
            raise Refused(CLASS_INCONSISTENT)
        return found


@lru_cache(maxsize=1024)
def obis(text: str) -> bytes:
    """`1-0:1.8.0` or `1-0:1.8.0.255` as a logical name."""
    head, _, tail = text.partition(":")
    parts = [*map(int, head.split("-")), *map(int, tail.split("."))]
    return bytes(parts if len(parts) == 6 else [*parts, 255])
