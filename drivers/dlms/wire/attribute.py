"""What is asked for: an attribute or method of an object, and which part of a buffer (IEC 62056-5-3
Cosem-Attribute-Descriptor, Selective-Access-Descriptor; IEC 62056-6-2 profile generic).

    class (2) | logical name (6) | attribute or method (1) | selector, parameters

Rules: a value that does not fit its field cannot be made. Parameters of a selection are A-XDR; the two selections are
those of a profile's buffer, and what else a client may ask for stays a selector with its data.
"""

from dataclasses import dataclass
from enum import Enum

from drivers.dlms.wire.axdr_encode import value
from drivers.dlms.wire.axdr_value import Tag, Value

RANGE, ENTRY = 1, 2
"""Selectors of a profile's buffer."""


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute of an object: `class_id` 0 to 65535, six octets of logical name, `index` -128 to 127."""

    class_id: int
    logical_name: bytes
    index: int

    def __post_init__(self) -> None:
        if not 0 <= self.class_id <= 0xFFFF or len(self.logical_name) != 6 or not -0x80 <= self.index <= 0x7F:
            raise ValueError(f"there is no {self!r}: expected a class of two octets, a name of six, an index of one")

    @property
    def encoded(self) -> bytes:
        """Nine octets, the same for a method."""
        return self.class_id.to_bytes(2) + self.logical_name + self.index.to_bytes(1, signed=True)


@dataclass(frozen=True, slots=True)
class CaptureObject:
    """What a column of a buffer holds. `data_index` 0 is the whole attribute."""

    class_id: int
    logical_name: bytes
    attribute: int
    data_index: int = 0

    @property
    def value(self) -> Value:
        return value(
            Tag.STRUCTURE,
            children=(
                value(Tag.LONG_UNSIGNED, self.class_id),
                value(Tag.OCTET_STRING, self.logical_name),
                value(Tag.INTEGER, self.attribute),
                value(Tag.LONG_UNSIGNED, self.data_index),
            ),
        )


class TimeForm(Enum):
    """How the ends of a range are sent: meters take the one or the other."""

    OCTET_STRING = Tag.OCTET_STRING
    DATE_TIME = Tag.DATE_TIME


@dataclass(frozen=True, slots=True)
class RangeSelection:
    """Rows whose `restricting` column is from `start` to `end`, both included: twelve octets of date-time each.

    No `columns`: all of them.
    """

    restricting: CaptureObject
    start: bytes
    end: bytes
    columns: tuple[CaptureObject, ...] = ()
    form: TimeForm = TimeForm.OCTET_STRING

    def __post_init__(self) -> None:
        if len(self.start) != 12 or len(self.end) != 12:
            raise ValueError("the ends of a range are date-times of 12 octets")

    @property
    def encoded(self) -> bytes:
        """Selector and parameters. ValueError for what does not fit."""
        tag = self.form.value
        parameters = (
            self.restricting.value,
            value(tag, self.start),
            value(tag, self.end),
            value(Tag.ARRAY, children=tuple(column.value for column in self.columns)),
        )
        return bytes((RANGE,)) + value(Tag.STRUCTURE, children=parameters).raw


@dataclass(frozen=True, slots=True)
class EntrySelection:
    """Rows `first` to `last`, counted from 1, and columns the same way; a last one of 0 is the last that there is."""

    first: int
    last: int
    first_column: int = 1
    last_column: int = 0

    @property
    def encoded(self) -> bytes:
        """Selector and parameters. ValueError for what does not fit."""
        parameters = (
            value(Tag.DOUBLE_LONG_UNSIGNED, self.first),
            value(Tag.DOUBLE_LONG_UNSIGNED, self.last),
            value(Tag.LONG_UNSIGNED, self.first_column),
            value(Tag.LONG_UNSIGNED, self.last_column),
        )
        return bytes((ENTRY,)) + value(Tag.STRUCTURE, children=parameters).raw


Selection = RangeSelection | EntrySelection


@dataclass(frozen=True, slots=True)
class AccessSelection:
    """What a server is asked for: any selector, with its parameters as they came."""

    selector: int
    parameters: Value

    @property
    def selection(self) -> Selection | None:
        """As a selection of a profile's buffer, None where it has not the form of one."""
        parts = self.parameters.children
        if self.parameters.tag is not Tag.STRUCTURE or len(parts) != 4:
            return None
        match self.selector:
            case 1:
                return _range(*parts)
            case 2:
                return _entry(parts)
            case _:
                return None


def capture_object(described: Value) -> CaptureObject | None:
    """A capture object from its structure, None where it has not the form of one."""
    parts = described.children
    tags = (Tag.LONG_UNSIGNED, Tag.OCTET_STRING, Tag.INTEGER, Tag.LONG_UNSIGNED)
    if described.tag is not Tag.STRUCTURE or tuple(part.tag for part in parts) != tags:
        return None
    class_id, name, attribute, index = (part.content for part in parts)
    if not (isinstance(class_id, int) and isinstance(attribute, int) and isinstance(index, int)):
        return None
    if not isinstance(name, bytes) or len(name) != 6:
        return None
    return CaptureObject(class_id, name, attribute, index)


def _range(restricting: Value, start: Value, end: Value, columns: Value) -> RangeSelection | None:
    by = capture_object(restricting)
    asked = tuple(capture_object(column) for column in columns.children)
    known = tuple(column for column in asked if column is not None)
    forms = {form.value: form for form in TimeForm}
    if by is None or columns.tag is not Tag.ARRAY or len(known) != len(asked):
        return None
    if start.tag is not end.tag or start.tag not in forms:
        return None
    if not isinstance(start.content, bytes) or not isinstance(end.content, bytes):
        return None
    if len(start.content) != 12 or len(end.content) != 12:
        return None
    return RangeSelection(by, start.content, end.content, known, forms[start.tag])


def _entry(parts: tuple[Value, ...]) -> EntrySelection | None:
    tags = (Tag.DOUBLE_LONG_UNSIGNED, Tag.DOUBLE_LONG_UNSIGNED, Tag.LONG_UNSIGNED, Tag.LONG_UNSIGNED)
    numbers = tuple(part.content for part in parts if isinstance(part.content, int))
    if tuple(part.tag for part in parts) != tags or len(numbers) != 4:
        return None
    return EntrySelection(*numbers)
