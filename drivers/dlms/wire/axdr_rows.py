"""Arrays whose elements are alike, such as the rows of a load profile: taken apart all at once.

    01 | number | 02 columns, tag, content, tag, content ... | 02 columns, tag, content ...

Rules: only what would come out of axdr.decode all the same; anything else is left to it. The first element says where
the tags and lengths stand; that they are the same in all of them is looked at for every one of these octets.
"""

from collections.abc import Iterator
from functools import lru_cache
from struct import Struct

from drivers.dlms.wire.axdr_value import MAX_NESTING, PLAIN, Source, Tag, Value

FEWEST = 4
"""Elements for which this is worth while."""
_FORMS = {plain.tag.value: (plain.tag, plain.form, plain.size) for plain in PLAIN if plain.convert is None}
_OCTETS_BELOW = 0x80


def read_alike(source: Source, at: int, number: int, depth: int) -> tuple[tuple[Value, ...], int] | None:
    """The `number` structures that begin at `at`, inside `depth` arrays and structures, and the offset behind them;
    None where they are not alike, cut short, or of types that are not read here."""
    data = source.data
    shape = _shape(data, at, source.limit) if depth < MAX_NESTING else None
    if shape is None:
        return None
    size, marks, tags, contents, raws = shape
    end = at + size * number
    if end > source.limit:
        return None
    for mark in marks:
        here = data[at + mark : at + mark + 1]
        if data[at + mark : end : size] != here * number:
            return None
    whole = data[at:end]
    structure = Tag.STRUCTURE
    rows: Iterator[tuple[bytes, ...]] = _struct(f"{size}s").iter_unpack(whole)
    return tuple(
        [
            Value(structure, row, None, tuple(map(Value, tags, raw, content)))
            for (row,), raw, content in zip(
                rows, _struct(raws).iter_unpack(whole), _struct(contents).iter_unpack(whole), strict=True
            )
        ]
    ), end


def _shape(data: bytes, at: int, limit: int) -> tuple[int, tuple[int, ...], tuple[Tag, ...], str, str] | None:
    """Of the structure at `at`: its octets, where its tags and lengths stand, its types, and how struct reads the
    contents and the values with their tags."""
    if at + 2 > limit or data[at] != Tag.STRUCTURE or not 0 < data[at + 1] < _OCTETS_BELOW:
        return None
    columns = data[at + 1]
    marks, tags, contents, raws = [0, 1], [], [">2x"], [">2x"]
    place = at + 2
    for _ in range(columns):
        if place + 1 >= limit:
            return None
        plain = _FORMS.get(data[place])
        marks.append(place - at)
        if plain is not None:
            tag, form, size = plain
            contents.append(f"x{form}")
            raws.append(f"{size + 1}s")
            place += 1 + size
        elif data[place] == Tag.OCTET_STRING and data[place + 1] < _OCTETS_BELOW:
            tag, size = Tag.OCTET_STRING, data[place + 1]
            marks.append(place + 1 - at)
            contents.append(f"2x{size}s")
            raws.append(f"{size + 2}s")
            place += 2 + size
        else:
            return None
        tags.append(tag)
    if place > limit:
        return None
    return place - at, tuple(marks), tuple(tags), "".join(contents), "".join(raws)


@lru_cache(maxsize=256)
def _struct(form: str) -> Struct:
    return Struct(form)
