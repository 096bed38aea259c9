"""Parquet: instants as UTC timestamps, sequence numbers as integers, everything else as text, decimals too: the digits
of a meter have no fixed scale. Needs the extra `parquet`."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import BinaryIO

import pyarrow
from pyarrow import parquet

from gatewayd.export.columns import Cell, Heading, names, text

GROUP = 20_000
"""Rows in a row group, all that is held at a time."""


def write(
    rows: Iterable[Sequence[Cell]],
    columns: Sequence[Heading],
    stream: BinaryIO,
    facts: Mapping[str, str] | None = None,
) -> None:
    """Write all rows; `facts` about the whole file become its metadata. OSError."""
    schema = pyarrow.schema(
        [pyarrow.field(column.name, _type(column), metadata={"meaning": column.meaning}) for column in columns],
        metadata=dict(facts) if facts else None,
    )
    left = iter(rows)
    with parquet.ParquetWriter(stream, schema, compression="zstd") as file:
        while group := list(islice(left, GROUP)):
            found = [[_plain(row[place]) for row in group] for place in range(len(columns))]
            arrays = [pyarrow.array(cells, field.type) for cells, field in zip(found, schema, strict=True)]
            file.write_table(pyarrow.Table.from_arrays(arrays, names=names(columns)).cast(schema))


def _type(column: Heading) -> pyarrow.DataType:
    if column.type is datetime:
        return pyarrow.timestamp("us", tz="UTC")
    if column.type is int:
        return pyarrow.int64()
    return pyarrow.bool_() if column.type is bool else pyarrow.string()


def _plain(cell: Cell) -> object:
    return cell if cell is None or isinstance(cell, datetime | int) else text(cell)
