"""Excel workbooks: a sheet that says what the columns mean, then the readings, on more sheets where one is too short.
Needs the extra `xlsx`.

Rules: what meters have sent is text in every cell, numbers too: a spreadsheet counts in floats of 15 digits, and
exactness wins. With `typed`, for values that were computed, a number that a spreadsheet keeps whole is a number shown
with all its digits, and an instant is a date in UTC; any other number stays text, never rounded. No text becomes a
formula or a link. A text that no cell can hold is refused, never cut.
"""

import tempfile
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
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
TYPED = (
    "Amounts are numbers, shown with all their digits; one of more than 15 digits is text, because a spreadsheet would "
    "round it.",
    "Cells with a date are UTC. Labels in legal time are text, with their offset.",
)
_DIGITS = 15
_DATE = "yyyy-mm-dd hh:mm:ss"
_FIRST_DATE = datetime(1900, 3, 1, tzinfo=UTC)
"""Before it calendars of spreadsheets disagree."""


class TooLong(GatewayError):
    """A text is longer than a cell."""


def write(
    rows: Iterable[Sequence[Cell]],
    columns: Sequence[Heading],
    stream: BinaryIO,
    about: Sequence[str] = _ABOUT,
    sheet_name: str = "readings",
    *,
    typed: bool = False,
) -> None:
    """Write all rows; `about` are the first lines of the sheet that explains them; `typed`: with numbers and dates.
    OSError; TooLong when a text does not fit into a cell."""
    left = iter(rows)
    with tempfile.TemporaryDirectory() as folder:  # also when something fails: the library would leave its files
        options = {"constant_memory": True, "tmpdir": folder, "use_zip64": True, "remove_timezone": True}
        book = xlsxwriter.Workbook(stream, options)
        put = _Typed(book).put if typed else _row
        _explain(book.add_worksheet("about"), (*about, *(TYPED if typed else EXACTNESS)), columns)
        number = 0
        while (first := next(left, None)) is not None or number == 0:
            number += 1
            sheet = book.add_worksheet(sheet_name if number == 1 else f"{sheet_name} {number}")
            sheet.freeze_panes(1, 0)
            _row(sheet, 0, names(columns))
            if first is None:
                break
            put(sheet, 1, first)
            for place, row in enumerate(islice(left, SHEET_ROWS - 1), 2):
                put(sheet, place, row)
        book.close()


def _explain(sheet: Any, about: Sequence[str], columns: Sequence[Heading]) -> None:  # Any: the library has no types
    lines = [*((note,) for note in about), (), *((column.name, column.meaning) for column in columns)]
    for place, line in enumerate(lines):
        _row(sheet, place, line)


def _row(sheet: Any, place: int, row: Sequence[Cell]) -> None:
    for column, cell in enumerate(row):
        _text(sheet, place, column, cell)


def _text(sheet: Any, place: int, column: int, cell: Cell) -> None:
    content = text(cell)
    if len(content.encode("utf-16-le")) // 2 > CELL_CHARACTERS:
        raise TooLong(
            f"a text of {len(content)} characters does not fit into a cell of xlsx, which holds {CELL_CHARACTERS}; "
            "use another format"
        )
    sheet.write_string(place, column, content)


class _Typed:
    """Rows with numbers and dates, and the formats of a workbook that they need."""

    def __init__(self, book: Any) -> None:
        self._date = book.add_format({"num_format": _DATE})
        self._add: Callable[[dict[str, str]], Any] = book.add_format
        self._numbers: dict[int, Any] = {}
        """By digits behind the point."""

    def put(self, sheet: Any, place: int, row: Sequence[Cell]) -> None:
        for column, cell in enumerate(row):
            match cell:
                case None:
                    continue
                case bool():
                    sheet.write_boolean(place, column, cell)
                case int() | Decimal() if is_kept(Decimal(cell)):
                    sheet.write_number(place, column, cell, self._number(Decimal(cell)))
                case datetime() if cell >= _FIRST_DATE and not cell.microsecond:
                    sheet.write_datetime(place, column, cell.astimezone(UTC), self._date)
                case _:
                    _text(sheet, place, column, cell)

    def _number(self, number: Decimal) -> Any:
        places = max(-int(number.as_tuple().exponent), 0)
        known = self._numbers.get(places)
        if known is None:
            known = self._numbers[places] = self._add({"num_format": f"0.{'0' * places}" if places else "0"})
        return known


def is_kept(number: Decimal) -> bool:
    """Whether a spreadsheet keeps a number as it is written: at most 15 digits, before and behind the point."""
    sign, digits, exponent = number.as_tuple()
    if not isinstance(exponent, int) or (sign and not number):
        return False  # -0 would lose its sign
    return max(len(digits) + max(exponent, 0), -exponent) <= _DIGITS
