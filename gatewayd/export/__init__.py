"""Files for other programs, made of archived readings: one module for each format, loaded when it is asked for.

Rules: a file holds the texts and digits of the archive, unrounded; a format takes rows one by one and holds few of
them; what it needs beyond gatewayd's own dependencies is an extra, and its absence is said together with the remedy.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import BinaryIO

from gatewayd.errors import GatewayError
from gatewayd.export.columns import Cell, Heading

Write = Callable[[Iterable[Sequence[Cell]], Sequence[Heading], BinaryIO], None]


@dataclass(frozen=True, slots=True)
class Format:
    """Where `write` of a format is, the extra that it needs, and whether it may go to a terminal or a pipe."""

    module: str
    extra: str = ""
    is_text: bool = False


FORMATS = {
    "csv": Format("gatewayd.export.csv_file", is_text=True),
    "jsonl": Format("gatewayd.export.jsonl_file", is_text=True),
    "parquet": Format("gatewayd.export.parquet_file", extra="parquet"),
    "xlsx": Format("gatewayd.export.xlsx_file", extra="xlsx"),
}


class MissingExtra(GatewayError):
    """A format was asked for whose library is not installed."""


def writer(name: str) -> Write:
    """`write(rows, columns, stream)` of a format. MissingExtra when its library is not there."""
    known = FORMATS[name]
    try:
        write: Write = import_module(known.module).write
    except ImportError as error:
        if not known.extra:
            raise
        raise MissingExtra(
            f"the format {name} needs a library that is not installed ({error}): pip install gatewayd[{known.extra}]"
        ) from error
    return write
