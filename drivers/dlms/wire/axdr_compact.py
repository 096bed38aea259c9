"""Compact arrays: the types once, then the contents of all elements without a tag (Data and TypeDescription of IEC
62056-5-3).

    13 | description of one element | length in octets | contents

Rules: contents that do not end with an element are a fault; so are elements without a single octet, of which nobody
could say how many there are. A description holds no compact array.
"""

from dataclasses import dataclass

from drivers.dlms.wire.axdr_value import (
    MAX_COMPACT_VALUES,
    PLAIN,
    STRINGS,
    Plain,
    Source,
    Tag,
    Value,
    read_string,
)
from gatewayd.errors import ProtocolError

_PLAIN = {plain.tag.value: plain for plain in PLAIN}
_STRINGS = {tag.value: tag for tag in STRINGS}


@dataclass(frozen=True, slots=True)
class _Elements:
    """An array or structure of the description: the type of each element, in order; an array repeats its one."""

    tag: Tag
    types: tuple["_Type", ...]
    repeated: int = 1


_Type = Plain | Tag | _Elements
"""A type of fixed size, one with a length, or one with elements."""


def read_compact_array(source: Source, at: int, depth: int) -> tuple[tuple[Value, ...], int]:
    """The elements of the compact array whose description is at `at`, and the offset behind them. `depth` counts the
    compact array itself."""
    description, at = _description(source, at, depth)
    size, at = source.count(at)
    end = at + size
    if end > source.limit:
        raise source.beyond(end)
    elements: list[Value] = []
    contents = _Contents(source, end)
    while at < end:
        before = at
        element, at = _element(contents, description, at)
        if at == before:
            raise source.fault("A-XDR: the elements of a compact array have no octets")
        elements.append(element)
        source.check_elements(len(elements))
    source.unfolded = contents.unfolded
    return tuple(elements), end


def _description(source: Source, at: int, depth: int) -> tuple[_Type, int]:
    code = source.octet(at)
    at += 1
    plain = _PLAIN.get(code) or _STRINGS.get(code)
    if plain is not None:
        return plain, at
    match code:
        case Tag.ARRAY:
            source.check_nesting(depth + 1)
            number = int.from_bytes(source.octets(at, 2))  # Unsigned16, not a length
            source.check_elements(number)
            repeated, at = _description(source, at + 2, depth + 1)
            return _Elements(Tag.ARRAY, (repeated,), number), at
        case Tag.STRUCTURE:
            source.check_nesting(depth + 1)
            number, at = source.elements(at)
            types: list[_Type] = []
            for _ in range(number):
                each, at = _description(source, at, depth + 1)
                types.append(each)
            return _Elements(Tag.STRUCTURE, tuple(types)), at
        case _:
            raise source.fault(f"A-XDR: a compact array cannot hold a type with the tag {code}")


class _Contents(Source):
    """The contents of one compact array: all of them are there, so that nothing in them is merely cut short."""

    __slots__ = ()

    def __init__(self, outer: Source, end: int) -> None:
        super().__init__(outer.data, outer.begin)
        self.limit = end
        self.unfolded = outer.unfolded

    def beyond(self, end: int) -> ProtocolError:
        return self.fault("A-XDR: the contents of a compact array end inside an element")


def _element(source: _Contents, kind: _Type, at: int) -> tuple[Value, int]:
    source.unfolded += 1
    if source.unfolded > MAX_COMPACT_VALUES:
        raise source.fault(f"A-XDR: compact arrays unfold to more than {MAX_COMPACT_VALUES} values")
    match kind:
        case Plain():
            octets = source.octets(at, kind.size)
            (content,) = kind.unpack(octets, 0)
            return Value(kind.tag, octets, content if kind.convert is None else kind.convert(content)), at + kind.size
        case Tag():
            text, end = read_string(source, kind, at)
            return Value(kind, source.data[at:end], text), end
        case _Elements():
            begin = at
            children: list[Value] = []
            for _ in range(kind.repeated):
                for each in kind.types:
                    child, at = _element(source, each, at)
                    children.append(child)
            return Value(kind.tag, source.data[begin:at], None, tuple(children)), at
