"""Excel workbooks: a sheet that says what the columns mean, then the readings, on more sheets where one is too short.
Needs the extra `xlsx`.

Rules: every cell is text, numbers too: a spreadsheet counts in floats of 15 digits, and exactness wins. No text becomes
a formula or a link. A text that no cell can hold is refused, never cut.
"""

import tempfile
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any, BinaryIO

import xlsxwriter

from gatewayd.errors import GatewayError
from gatewayd.export.columns import Cell, Heading, names, text

SHEET_ROWS = 1_048_575
"""Of the 1,048,576 rows of a sheet one is the heading."""
CELL_CHARACTERS = 32_767

_ABOUT = ("Readings from the archive of gatewayd.",)
EXACTNESS = (
    "All cells are text, numbers too: a spreadsheet rounds numbers to 15 digits, and these are exact.",
    'To count with them, convert a copy of the column: =VALUE(...) or =NUMBERVALUE(...; ".").',
)


class TooLong(GatewayError):
    """A text is longer than a cell."""


def write(
    rows: Iterable[Sequence[Cell]],
    columns: Sequence[Heading],
    stream: BinaryIO,
    about: Sequence[str] = _ABOUT,
    sheet_name: str = "readings",
) -> None:
    """Write all rows; `about` are the first lines of the sheet that explains them. OSError; TooLong when a text does
    not fit into a cell."""
    left = iter(rows)
    with tempfile.TemporaryDirectory() as folder:  # also when something fails: the library would leave its files
        book = xlsxwriter.Workbook(stream, {"constant_memory": True, "tmpdir": folder, "use_zip64": True})
        _explain(book.add_worksheet("about"), (*about, *EXACTNESS), columns)
        number = 0
        while (first := next(left, None)) is not None or number == 0:
            number += 1
            sheet = book.add_worksheet(sheet_name if number == 1 else f"{sheet_name} {number}")
            sheet.freeze_panes(1, 0)
            _row(sheet, 0, names(columns))
            if first is None:
                break
            _row(sheet, 1, first)
            for place, row in enumerate(islice(left, SHEET_ROWS - 1), 2):
                _row(sheet, place, row)
        book.close()


def _explain(sheet: Any, about: Sequence[str], columns: Sequence[Heading]) -> None:  # Any: the library has no types
    lines = [*((note,) for note in about), (), *((column.name, column.meaning) for column in columns)]
    for place, line in enumerate(lines):
        _row(sheet, place, line)


def _row(sheet: Any, place: int, row: Sequence[Cell]) -> None:
    for column, cell in enumerate(row):
        content = text(cell)
        if len(content.encode("utf-16-le")) // 2 > CELL_CHARACTERS:
            raise TooLong(
                f"a text of {len(content)} characters does not fit into a cell of xlsx, which holds {CELL_CHARACTERS}; "
                "use another format"
            )
        sheet.write_string(place, column, content)
