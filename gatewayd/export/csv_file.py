"""CSV as RFC 4180 has it: UTF-8, commas, CRLF, a heading; texts with commas, quotes or line ends in quotes."""

import csv
import io
from collections.abc import Iterable, Sequence
from typing import BinaryIO

from gatewayd.export.columns import Cell, Heading, names, text


def write(rows: Iterable[Sequence[Cell]], columns: Sequence[Heading], stream: BinaryIO) -> None:
    """Write all rows. OSError."""
    wrapped = io.TextIOWrapper(stream, encoding="utf-8", newline="")
    try:
        sheet = csv.writer(wrapped)  # ends lines with CRLF, and so quotes a lone CR or LF as well
        sheet.writerow(names(columns))
        for row in rows:
            sheet.writerow(list(map(text, row)))
    finally:
        wrapped.detach()  # which flushes; the stream stays open
