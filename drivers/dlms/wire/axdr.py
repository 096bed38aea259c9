"""A-XDR: the bytes of COSEM data to values (IEC 61334-6; types of IEC 62056-6-2, common data types).

Rules: a value is decoded whole or not at all; what is cut short, unknown or beyond a limit is a ProtocolError that
carries the bytes. Bytes behind a value are the caller's. No bytes make it recurse deeper than MAX_NESTING, nor unfold
to more than MAX_COMPACT_VALUES.
"""

from drivers.dlms.wire.axdr_compact import read_compact_array
from drivers.dlms.wire.axdr_rows import FEWEST, read_alike
from drivers.dlms.wire.axdr_value import MAX_BYTES, PLAIN, STRINGS, CutShort, Source, Tag, Value, read_string

__all__ = ["CutShort", "Tag", "Value", "decode", "decode_count"]

_BY_TAG = {plain.tag.value: (plain.tag, 1 + plain.size, plain.unpack, plain.convert) for plain in PLAIN}
_PLAIN = tuple(_BY_TAG.get(code) for code in range(256))
"""Type tag -> tag, octets with the tag, how to read what is behind it; None for what is no type of fixed size."""
_STRINGS = {tag.value: tag for tag in STRINGS}
_ELEMENTS = {tag.value: tag for tag in (Tag.ARRAY, Tag.STRUCTURE)}


def decode(data: bytes, offset: int = 0, most: int = MAX_BYTES) -> tuple[Value, int]:
    """The value that begins at `offset`, and the offset behind its last octet.

    CutShort where the bytes end too early; ProtocolError for a tag or length that does not exist, and beyond the limits
    (`most` octets, nesting 16, 10,000 elements). `raw` of the error begins at `offset`. ValueError for an offset
    outside.
    """
    if not 0 <= offset <= len(data):
        raise ValueError(f"offset {offset} is outside of {len(data)} octets")
    (value,), end = _values(Source(data, offset, most), offset, 1, 0)
    return value, end


def decode_count(data: bytes, offset: int = 0) -> tuple[int, int]:
    """A bare length or number of elements at `offset`, and the offset behind it: for layouts that are not all A-XDR."""
    return Source(data, offset).count(offset)


def _values(source: Source, at: int, number: int, depth: int) -> tuple[tuple[Value, ...], int]:
    """`number` values behind each other, inside `depth` arrays and structures, and the offset behind them.

    A day profile has some 700 plain values: they are read in this loop, with one look-up each.
    """
    data, limit = source.data, source.limit
    values: list[Value] = []
    for _ in range(number):
        if at >= limit:
            raise source.beyond(at + number - len(values))
        plain = _PLAIN[data[at]]
        if plain is None:
            value, at = _longer(source, at, depth)
            values.append(value)
            continue
        tag, size, unpack, convert = plain
        end = at + size
        if end > limit:
            raise source.beyond(end)
        (content,) = unpack(data, at + 1)
        values.append(Value(tag, data[at:end], content if convert is None else convert(content)))
        at = end
    return tuple(values), at


def _longer(source: Source, at: int, depth: int) -> tuple[Value, int]:
    """A value whose size its own octets say."""
    data = source.data
    code = data[at]
    string = _STRINGS.get(code)
    if string is not None:
        content, end = read_string(source, string, at + 1)
        return Value(string, data[at:end], content), end
    elements = _ELEMENTS.get(code)
    if elements is not None:
        source.check_nesting(depth + 1)
        number, inside = source.elements(at + 1)
        alike = read_alike(source, inside, number, depth + 1) if number >= FEWEST and code == Tag.ARRAY else None
        children, end = alike or _values(source, inside, number, depth + 1)
        return Value(elements, data[at:end], None, children), end
    if code == Tag.COMPACT_ARRAY:
        source.check_nesting(depth + 1)
        children, end = read_compact_array(source, at + 1, depth + 1)
        return Value(Tag.COMPACT_ARRAY, data[at:end], None, children), end
    raise source.fault(f"A-XDR: no type has the tag {code} (offset {at})")
