"""CSV files of readings: UTF-8, columns parted by `;` or `,`, the same headings as in a workbook.

Rules: other encodings are refused in words, never guessed: a wrong guess would change names without anybody noticing.
"""

import csv
import io
from collections.abc import Iterator, Sequence

from gatewayd.manual.findings import Check
from gatewayd.manual.table import Cell, FileRefused, Row, rows_of

_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_SAVE = "save it as 'CSV UTF-8'"


def read_csv(data: bytes, most: int) -> tuple[Row, ...]:
    """The rows of a CSV file, at most so many. FileRefused."""
    if data.startswith(_UTF16):
        raise FileRefused(Check.FILE, f"the text is UTF-16; {_SAVE}")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise FileRefused(
            Check.FILE, f"line {line} is not UTF-8 (Windows-1250, as Excel writes plain CSV?); {_SAVE}"
        ) from error
    if "\0" in text:
        raise FileRefused(Check.FILE, f"it is no text; {_SAVE}")
    return rows_of(_cells(text), most)


def _cells(text: str) -> Iterator[Sequence[Cell]]:
    heading = text.partition("\n")[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=";" if ";" in heading else ",", strict=True)
    try:
        for row in reader:
            yield [_cell(field) for field in row]
    except csv.Error as error:
        raise FileRefused(Check.FILE, f"line {reader.line_num} is no line of a CSV file: {error}") from error


def _cell(field: str) -> Cell:
    return Cell(fault="a formula; put its value in its place") if field.startswith("=") else Cell(field)
