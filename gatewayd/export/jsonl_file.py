"""JSON Lines: one object for each reading, with the columns as keys; numbers with exactly their digits, null for an
empty cell."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import BinaryIO

from gatewayd.export.columns import Cell, Heading, names
from gatewayd.sink.payload import rfc3339, to_json


def write(rows: Iterable[Sequence[Cell]], columns: Sequence[Heading], stream: BinaryIO) -> None:
    """Write all rows. OSError."""
    keys = names(columns)
    for row in rows:
        stream.write(to_json(dict(zip(keys, map(_plain, row), strict=True))) + b"\n")


def _plain(cell: Cell) -> object:
    match cell:
        case datetime():
            return rfc3339(cell)
        case tuple():
            return list(cell)
    return cell
