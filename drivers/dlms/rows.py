"""The rows of a profile's buffer, as the meter means them: with null-data filled in (IEC 62056-6-2, profile generic).

Rules: a null takes the place of what the same column had in the row before; a null in the column of the time is the
time before and one period more. Behind a row that has not as many elements as there are columns nothing stands before
any more, so nothing is filled in. A null in front of which there is nothing stays one. Filling in comes before any
choosing of rows. What is no row is kept, with its bytes.
"""

import msgspec

from drivers.dlms.wire.axdr_value import Tag, Value
from gatewayd.errors import ProtocolError


class Row(msgspec.Struct, frozen=True, gc=False):
    """`values` one for each column, with nulls filled in; none where the element is no row. `raw` the element as sent,
    `sent` its values as sent where there are nulls. `counted`: periods since the last row that has a time of its own, 0
    where this one has; None where there is none to count from."""

    raw: bytes
    values: tuple[Value, ...]
    counted: int | None = 0
    sent: tuple[Value, ...] | None = None


def rows_of(buffer: Value, width: int, clock: int | None, *, fill: bool = True) -> list[Row]:
    """The rows in the order of the buffer. `clock` is the place of the time column. Without `fill` nulls are no
    compression and stay, but for those of the time.

    ProtocolError where the buffer is no array at all; null-data is one without rows.
    """
    if buffer.tag is Tag.NULL:
        return []
    if buffer.tag is not Tag.ARRAY and buffer.tag is not Tag.COMPACT_ARRAY:
        raise ProtocolError("sends a buffer that is no array", buffer.raw)
    rows: list[Row] = []
    null, structure = Tag.NULL, Tag.STRUCTURE  # looked up once: this loop goes through every value
    before: tuple[Value, ...] = ()
    counted: int | None = None
    for element in buffer.children:
        values = element.children
        if len(values) != width or element.tag is not structure:
            rows.append(Row(element.raw, ()))
            before, counted = (), None
            continue
        for value in values:
            if value.tag is null:
                break
        else:
            rows.append(Row(element.raw, values))
            before, counted = values, 0
            continue
        own_time = clock is None or values[clock].tag is not Tag.NULL
        counted = 0 if own_time else None if counted is None else counted + 1
        filled = _filled(values, before, clock, fill=fill)
        rows.append(Row(element.raw, filled, counted, values))
        before = filled
    return rows


def _filled(
    values: tuple[Value, ...], before: tuple[Value, ...], clock: int | None, *, fill: bool
) -> tuple[Value, ...]:
    """The values with those of the row before for nulls."""
    if not before:
        return values
    return tuple(
        earlier if value.tag is Tag.NULL and (fill or place == clock) else value
        for place, (value, earlier) in enumerate(zip(values, before, strict=True))
    )
