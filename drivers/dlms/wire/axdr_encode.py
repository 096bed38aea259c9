"""Values to A-XDR, for what requests need: null, whole numbers, enum, boolean, octet-string, times, array, structure.

Rules: the bytes come from tag, content and children, never from `raw`; lengths take as few octets as they can. What
does not fit its type is a ValueError: that is our fault and not the meter's.
"""

from drivers.dlms.wire.axdr_value import MAX_ELEMENTS, MAX_NESTING, Content, Tag, Value

_NUMBERS = {
    Tag.INTEGER: (1, True),
    Tag.LONG: (2, True),
    Tag.DOUBLE_LONG: (4, True),
    Tag.LONG64: (8, True),
    Tag.UNSIGNED: (1, False),
    Tag.LONG_UNSIGNED: (2, False),
    Tag.DOUBLE_LONG_UNSIGNED: (4, False),
    Tag.LONG64_UNSIGNED: (8, False),
    Tag.ENUM: (1, False),
}
"""Octets, signed (IEC 62056-6-2, common data types)."""
_TIMES = {Tag.DATE_TIME: 12, Tag.DATE: 5, Tag.TIME: 4}


def value(tag: Tag, content: Content = None, children: tuple[Value, ...] = ()) -> Value:
    """A value to be sent, its `raw` filled in. ValueError as `encode`."""
    return Value(tag, encode(Value(tag, b"", content, children)), content, children)


def encode(wanted: Value) -> bytes:
    """The bytes of a value, such that `decode` gives it back. ValueError for a type that no request has, a content that
    is not of its type or does not fit, more than 10,000 elements, nesting above 16."""
    return _encode(wanted, 1)


def encode_count(number: int) -> bytes:
    """A length or number of elements, in as few octets as possible (IEC 61334-6, length field)."""
    if number < 0x80:
        return number.to_bytes(1)
    size = (number.bit_length() + 7) // 8
    return bytes((0x80 + size,)) + number.to_bytes(size)


def _encode(wanted: Value, depth: int) -> bytes:
    tag, content = wanted.tag, wanted.content
    head = bytes((tag,))
    if tag in (Tag.ARRAY, Tag.STRUCTURE):
        if depth > MAX_NESTING or len(wanted.children) > MAX_ELEMENTS or content is not None:
            raise ValueError(f"{tag.name} is nested too deep, has too many elements or a content of its own")
        inside = b"".join(_encode(child, depth + 1) for child in wanted.children)
        return head + encode_count(len(wanted.children)) + inside
    if wanted.children:
        raise ValueError(f"{tag.name} has no elements")
    if tag in (Tag.NULL, Tag.DONT_CARE) and content is None:
        return head
    if tag is Tag.BOOLEAN and isinstance(content, bool):
        return head + (b"\xff" if content else b"\x00")
    if tag is Tag.OCTET_STRING and isinstance(content, bytes):
        return head + encode_count(len(content)) + content
    if tag in _TIMES and isinstance(content, bytes) and len(content) == _TIMES[tag]:
        return head + content
    if tag in _NUMBERS and isinstance(content, int) and not isinstance(content, bool):
        size, signed = _NUMBERS[tag]
        try:
            return head + content.to_bytes(size, signed=signed)
        except OverflowError as error:
            raise ValueError(f"{content} does not fit {tag.name}") from error
    raise ValueError(f"a request has no {tag.name} with {content!r}")
