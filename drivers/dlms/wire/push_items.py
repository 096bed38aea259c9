"""From the body of a pushed message to its values, each with the name that the message gives it; no layout needed.

    pairs        code, value [, {scaler, unit}], code, value, ...                       Kamstrup, Landis+Gyr, Kaifa
    entries      {code, value [, {scaler, unit}]}, ...                                  Aidon, Salzburg Netz
    in full      {class, code, attribute [, data index], value [, {scaler, unit}]}, ...
    described    [{class, code, attribute, data index ...}, ...], value, value, ...     push object list (class 40)
    port list    class, code, attribute, value, ...                                     Czech customer port

Rules: every value comes out, the ones without a name by their position; what says only how to read another value - the
list of objects, a scaler_unit - is taken into that one. A code is an octet-string of six octets whose group A is a
medium (IEC 62056-6-1: below 16), so that six characters of text are none. The name of a Push setup (0-b:25.9.0) names
no value: messages of IDIS meters have it second, as a value.
"""

from dataclasses import dataclass, replace

from drivers.dlms.wire.axdr import Tag, Value
from drivers.dlms.wire.push_body import Body, PortList
from gatewayd.errors import ProtocolError

VALUE = 2
"""The attribute that holds the value, in all classes of registers and data (IEC 62056-6-2)."""
_MEDIA = 16
_SCALER_UNIT = {3: 3, 4: 3, 5: 4}
"""Class -> its attribute scaler_unit: register, extended register, demand register."""
_PUSH_SETUP = b"\x19\x09"
"""Groups C and D of a Push setup's name."""
_CONTAINERS = (Tag.ARRAY, Tag.STRUCTURE, Tag.COMPACT_ARRAY)


@dataclass(frozen=True, slots=True)
class Item:
    """One value. `position` counts from 1, with a point for each level: `3.2`. `logical_name` is empty and `class_id` 0
    where the message says neither; `unit` is None where it says none (numbers of IEC 62056-6-2)."""

    position: str
    value: Value
    logical_name: bytes = b""
    class_id: int = 0
    attribute: int = VALUE
    scaler: int = 0
    unit: int | None = None


@dataclass(frozen=True, slots=True)
class Items:
    """All values of a message in their order. `flat`: its elements are plain and none has a name, so that a list of
    codes may name them."""

    items: tuple[Item, ...]
    flat: bool = False


def items_of(body: Body) -> Items:
    """The values of a body. ProtocolError where a list of objects does not fit its values."""
    if isinstance(body, PortList):
        entries = [
            Item(str(number), entry.value, entry.logical_name, entry.class_id, entry.attribute)
            for number, entry in enumerate(body.entries, 1)
        ]
        return Items(_with_scalers(entries))
    if body.tag not in _CONTAINERS:
        return Items((Item("1", body),), flat=True)
    if (item := _in_full(body, "1")) is not None:
        return Items((item,))
    items: list[Item] = []
    _walk(body.children, "", items)
    flat = not any(item.logical_name for item in items) and len(items) == len(body.children)
    return Items(_with_scalers(items), flat)


def _walk(children: tuple[Value, ...], prefix: str, items: list[Item]) -> None:
    described = _described(children)
    if described is not None:
        items += [replace(item, position=f"{prefix}{item.position}") for item in described]
        return
    at = 0
    while at < len(children):
        child = children[at]
        position = f"{prefix}{at + 1}"
        at += 1
        if (item := _in_full(child, position)) is not None:
            items.append(item)
        elif _names_next(child) and at < len(children):
            value = children[at]
            scaler, unit = _scaler_unit(children[at + 1]) if at + 1 < len(children) else (0, None)
            items.append(Item(position, value, _octets(child), scaler=scaler, unit=unit))
            at += 1 if unit is None else 2
        elif child.tag in _CONTAINERS and _names_values(child):
            _walk(child.children, f"{position}.", items)
        else:
            items.append(Item(position, child))


def _names_values(value: Value) -> bool:
    """Whether codes or object lists are inside, at any depth: else it is one value, of whatever type."""
    children = value.children
    if any(map(_names_next, children[:-1])) or _definitions(children[:1]) or _in_full(value, "") is not None:
        return True
    return any(_names_values(child) for child in children if child.tag in _CONTAINERS)


def _described(children: tuple[Value, ...]) -> list[Item] | None:
    """Values behind the list that describes them; None where the first element is no such list."""
    definitions = _definitions(children[:1])
    if not definitions:
        return None
    values = children[1:]
    if len(values) == 1 and len(definitions) != 1 and len(values[0].children) == len(definitions):
        values = values[0].children
    if len(definitions) == len(values) + 1 and _class(definitions[0]) == 40:
        definitions = definitions[1:]  # it describes the list itself: attribute 2 of Push setup
    if len(definitions) != len(values):
        raise ProtocolError(f"push: {len(definitions)} objects are described and {len(values)} values sent")
    items: list[Item] = []
    for number, (definition, value) in enumerate(zip(definitions, values, strict=True), 2):
        class_id, code, attribute, index = definition.children[:4]
        assert isinstance(class_id.content, int) and isinstance(attribute.content, int)
        # A data index names a part of the attribute: that is no more its value.
        named = attribute.content if index.content == 0 else -attribute.content
        items.append(Item(str(number), value, _octets(code), class_id.content, named))
    return items


def _definitions(first: tuple[Value, ...]) -> tuple[Value, ...]:
    if not first or first[0].tag not in (Tag.ARRAY, Tag.STRUCTURE):
        return ()
    definitions = first[0].children
    return definitions if all(map(_is_definition, definitions)) else ()


def _is_definition(value: Value) -> bool:
    """One element of a push object list: class, logical name, attribute, data index, and what versions 1 and 2 add."""
    kinds = [child.tag for child in value.children[:4]]
    expected = [Tag.LONG_UNSIGNED, Tag.OCTET_STRING, Tag.INTEGER, Tag.LONG_UNSIGNED]
    return value.tag is Tag.STRUCTURE and kinds == expected and _is_code(value.children[1])


def _class(definition: Value) -> int:
    content = definition.children[0].content
    assert isinstance(content, int)
    return content


def _is_code(value: Value) -> bool:
    content = value.content
    return value.tag is Tag.OCTET_STRING and isinstance(content, bytes) and len(content) == 6 and content[0] < _MEDIA


def _names_next(value: Value) -> bool:
    """Whether a code names the value behind it."""
    return _is_code(value) and _octets(value)[2:4] != _PUSH_SETUP


def _in_full(value: Value, position: str) -> Item | None:
    """A structure of a whole attribute descriptor and its value: here the integer behind the code is no value."""
    kinds = [child.tag for child in value.children[:3]]
    if value.tag is not Tag.STRUCTURE or kinds != [Tag.LONG_UNSIGNED, Tag.OCTET_STRING, Tag.INTEGER]:
        return None
    class_id, attribute = value.children[0].content, value.children[2].content
    assert isinstance(class_id, int) and isinstance(attribute, int)
    rest = value.children[3:]
    scaler, unit = _scaler_unit(rest[1]) if len(rest) == 2 else (0, None)
    part = False
    if unit is not None:
        rest = rest[:1]
    elif len(rest) == 2 and rest[0].tag is Tag.LONG_UNSIGNED:
        part, rest = rest[0].content != 0, rest[1:]  # a data index, as in _described
    if len(rest) != 1 or not _is_code(value.children[1]):
        return None
    if _scaler_unit(rest[0])[1] is not None and _SCALER_UNIT.get(class_id) != attribute:
        return None  # a number and its scaler_unit, with the class before the code
    named = -attribute if part else attribute
    return Item(position, rest[0], _octets(value.children[1]), class_id, named, scaler, unit)


def _octets(code: Value) -> bytes:
    assert isinstance(code.content, bytes)
    return code.content


def _scaler_unit(value: Value) -> tuple[int, int | None]:
    """{integer, enum} of scaler_unit; no unit for anything else."""
    if value.tag is not Tag.STRUCTURE or [child.tag for child in value.children] != [Tag.INTEGER, Tag.ENUM]:
        return 0, None
    scaler, unit = (child.content for child in value.children)
    assert isinstance(scaler, int) and isinstance(unit, int)
    return scaler, unit


def _with_scalers(items: list[Item]) -> tuple[Item, ...]:
    """scaler_unit attributes that are sent as values of their own go into the values that they belong to."""
    scalers: dict[bytes, tuple[int, int]] = {}
    for item in items:
        if _SCALER_UNIT.get(item.class_id) == item.attribute:
            scaler, unit = _scaler_unit(item.value)
            if unit is not None:
                scalers[item.logical_name] = scaler, unit
    if not scalers:
        return tuple(items)
    values = {item.logical_name for item in items if item.attribute == VALUE}
    result: list[Item] = []
    for item in items:
        known = scalers.get(item.logical_name)
        if known is None or item.unit is not None:
            result.append(item)
        elif _SCALER_UNIT.get(item.class_id) != item.attribute:
            result.append(replace(item, scaler=known[0], unit=known[1]) if item.attribute == VALUE else item)
        elif item.logical_name not in values:
            result.append(item)
    return tuple(result)
