"""Parquet: instants as UTC timestamps, sequence numbers as integers, everything else as text.

Needs the extra `parquet`.

Rules: decimals are text too, because the digits of a meter have no fixed scale. A column that is named in `counted`,
of values that were computed, is decimal(38, 18) to count with, and a column NAME_text beside it has all its digits.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal
from itertools import islice
from typing import BinaryIO

import pyarrow
from pyarrow import parquet

from gatewayd.errors import GatewayError
from gatewayd.export.columns import Cell, Heading, text

GROUP = 20_000
"""Rows in a row group, all that is held at a time."""
DIGITS, PLACES = 38, 18
"""Of a decimal: all, and those behind the point."""
_PLACE = Decimal((0, (1,), -PLACES))
_ROUNDED = Context(prec=200, rounding=ROUND_HALF_EVEN)
_BOUND = Decimal(10) ** (DIGITS - PLACES)


class _Counted(Decimal):
    """A decimal that is written as one."""


class TooLarge(GatewayError):
    """A number has more digits before the point than the column."""


def write(
    rows: Iterable[Sequence[Cell]],
    columns: Sequence[Heading],
    stream: BinaryIO,
    facts: Mapping[str, str] | None = None,
    counted: Collection[str] = (),
) -> None:
    """Write all rows; `facts` about the whole file become its metadata; `counted`: columns of decimals to count with.
    OSError; TooLarge."""
    fields = [
        pyarrow.field(column.name, kind, metadata={"meaning": column.meaning})
        for one in columns
        for column, kind in _fields(one, counted=one.name in counted)
    ]
    schema = pyarrow.schema(fields, metadata=dict(facts) if facts else None)
    places = [place for place, one in enumerate(columns) if one.name in counted]
    left = (_widened(row, places) for row in rows)
    with parquet.ParquetWriter(stream, schema, compression="zstd") as file:
        while group := list(islice(left, GROUP)):
            found = [[_plain(row[place]) for row in group] for place in range(len(schema))]
            arrays = [pyarrow.array(cells, field.type) for cells, field in zip(found, schema, strict=True)]
            file.write_table(pyarrow.Table.from_arrays(arrays, names=schema.names).cast(schema))


def _fields(column: Heading, *, counted: bool) -> Iterator[tuple[Heading, pyarrow.DataType]]:
    if not counted:
        yield column, _type(column)
        return
    said = f"{column.meaning}; rounded to {PLACES} places where it has more"
    yield Heading(column.name, column.type, said), pyarrow.decimal128(DIGITS, PLACES)
    yield Heading(f"{column.name}_text", str, f"{column.name} with all its digits"), pyarrow.string()


def _widened(row: Sequence[Cell], places: Collection[int]) -> Sequence[Cell | _Counted]:
    if not places:
        return row
    found: list[Cell | _Counted] = []
    for place, cell in enumerate(row):
        if place in places and isinstance(cell, Decimal):
            if abs(cell) >= _BOUND:
                raise TooLarge(f"{cell:f} has more than {DIGITS - PLACES} digits before the point; use another format")
            found += (_Counted(_ROUNDED.quantize(cell, _PLACE)), text(cell))
        else:
            found += (cell, None) if place in places else (cell,)
    return found


def _type(column: Heading) -> pyarrow.DataType:
    if column.type is datetime:
        return pyarrow.timestamp("us", tz="UTC")
    if column.type is int:
        return pyarrow.int64()
    return pyarrow.bool_() if column.type is bool else pyarrow.string()


def _plain(cell: Cell | _Counted) -> object:
    return cell if cell is None or isinstance(cell, datetime | int | _Counted) else text(cell)
