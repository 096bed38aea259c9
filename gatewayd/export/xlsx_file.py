"""Excel workbooks: a sheet that says what the columns mean, then the readings, on more sheets where one is too short.
Needs the extra `xlsx`.

Rules: what meters have sent is text in every cell, numbers too: a spreadsheet counts in floats of 15 digits, and
exactness wins. With `typed`, for values that were computed, a number is a number, of 15 digits, and an instant is a
date in UTC; a column of numbers that is named in `counted` has a column NAME_text beside it with all its digits. No
number stays text among numbers: the sum of a column would leave it out without a word. No text becomes a formula or a
link. What no cell can hold is refused, never cut.
"""

import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from itertools import islice
from typing import Any, BinaryIO

import xlsxwriter

from gatewayd.errors import GatewayError
from gatewayd.export.columns import Cell, Heading, names, text
from gatewayd.export.rounding import significant

SHEET_ROWS = 1_048_575
"""Of the 1,048,576 rows of a sheet one is the heading."""
CELL_CHARACTERS = 32_767

_ABOUT = ("Readings from the archive of gatewayd.",)
EXACTNESS = (
    "All cells are text, numbers too: a spreadsheet rounds numbers to 15 digits, and these are exact.",
    'To count with them, convert a copy of the column: =VALUE(...) or =NUMBERVALUE(...; ".").',
)
TYPED = (
    "Amounts are numbers to count with: a spreadsheet knows 15 digits, and what has more is rounded. All digits are in "
    "the column beside it, as text.",
    "Cells with a date are UTC. Labels in legal time are text, with their offset.",
)
_DIGITS = 15
_LARGEST = Decimal("9.99E+307")
_DATE = "yyyy-mm-dd hh:mm:ss"
_FIRST_DATE = datetime(1900, 3, 1, tzinfo=UTC)
"""Before it calendars of spreadsheets disagree."""


class TooLong(GatewayError):
    """A text is longer than a cell."""


class TooWide(GatewayError):
    """A number is larger than those of a spreadsheet."""


def write(
    rows: Iterable[Sequence[Cell]],
    columns: Sequence[Heading],
    stream: BinaryIO,
    about: Sequence[str] = _ABOUT,
    sheet_name: str = "readings",
    *,
    typed: bool = False,
    counted: Collection[str] = (),
) -> None:
    """Write all rows; `about` are the first lines of the sheet that explains them; `typed`: with numbers and dates;
    `counted`: columns that have all their digits beside them. OSError; TooLong where a text does not fit into a cell,
    TooWide where a number does not."""
    places = [place for place, one in enumerate(columns) if one.name in counted]
    left = (_widened(row, places) for row in rows)
    columns = [column for one in columns for column in _columns(one, counted=one.name in counted)]
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


def _columns(column: Heading, *, counted: bool) -> Iterator[Heading]:
    yield column
    if counted:
        yield Heading(f"{column.name}_text", str, f"{column.name} with all its digits")


def _widened(row: Sequence[Cell], places: Collection[int]) -> Sequence[Cell]:
    if not places:
        return row
    found: list[Cell] = []
    for place, cell in enumerate(row):
        found += (cell, None if cell is None else text(cell)) if place in places else (cell,)
    return found


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
                case int() | Decimal():
                    number = kept(Decimal(cell))
                    sheet.write_number(place, column, number, self._number(number))
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


def kept(number: Decimal) -> Decimal:
    """As much of a number as a spreadsheet keeps: at most 15 digits, before and behind the point. TooWide."""
    if abs(number) > _LARGEST:
        raise TooWide(f"{number:E} is larger than the numbers of a spreadsheet; use another format")
    return significant(number, _DIGITS) or Decimal(0)
