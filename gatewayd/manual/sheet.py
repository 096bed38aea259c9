"""Workbooks (XLSX) of readings: the cells of their one sheet as texts.

Rules: only what limits.py has let pass is parsed. A cell holds a value: what a formula would come to is never believed.
A number becomes the digits that it has; where the spreadsheet has lost some (15 is all that it keeps), that is a fault.
openpyxl is loaded when it is needed: it takes longer to load than all the rest of a command.
"""

import io
import warnings
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from gatewayd.manual.fields import quoted
from gatewayd.manual.findings import Check
from gatewayd.manual.limits import check_workbook
from gatewayd.manual.table import SHEETS, Cell, FileRefused, Row, rows_of

_EXACT = 10**15


def read_sheet(data: bytes, most: int) -> tuple[Row, ...]:
    """The rows of a workbook, at most so many. FileRefused."""
    from openpyxl import load_workbook

    check_workbook(data, most)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what of a workbook it does not keep
            book = load_workbook(io.BytesIO(data), read_only=True, data_only=False, keep_links=False)
            try:
                names = book.sheetnames
                if len(names) != 1 or names[0] not in SHEETS or not book.worksheets:
                    there = ", ".join(quoted(name) for name in names[:5]) or "none that can be read"
                    raise FileRefused(
                        Check.SHEET, f"sheets of the workbook: {there}; expected one only, named Odecet or odecet"
                    )
                sheet = book.worksheets[0]
                sheet.reset_dimensions()  # what a file says of its size may be anything
                return rows_of(_cells(sheet), most)
            finally:
                book.close()
    except FileRefused:
        raise
    except Exception as error:  # the library raises whatever a damaged part leads it to
        raise FileRefused(
            Check.FILE, f"the workbook cannot be read ({error!r:.200}); save it again as .xlsx"
        ) from error


def _cells(sheet: Any) -> Iterator[Sequence[Cell]]:  # Any: the types of openpyxl know nothing of read-only sheets
    for row in sheet.iter_rows():
        yield [_cell(cell.value, cell.data_type) for cell in row]


def _cell(value: object, kind: str) -> Cell:
    match value:
        case None:
            return Cell()
        case _ if kind == "f":
            return Cell(fault="a formula; put its value in its place")
        case _ if kind == "e":
            return Cell(fault=f"the error {quoted(str(value))} of a formula")
        case str():
            return Cell(value)
        case bool():
            return Cell(fault="true or false is no text or number")
        case int() | float():
            return _number(Decimal(repr(value)))
        case datetime():
            return Cell(f"{value:%d.%m.%Y}" if value.time() == time() else f"{value:%d.%m.%Y %H:%M}")
        case date():
            return Cell(f"{value:%d.%m.%Y}")
        case _:
            return Cell(fault=f"{quoted(str(value))} is neither text nor number nor date")


def _number(value: Decimal) -> Cell:
    if not value.is_finite() or abs(value) >= _EXACT:
        return Cell(fault="a number of more than 15 digits, of which spreadsheets lose some; format the cell as text")
    whole = value.to_integral_value()
    return Cell(format(whole if whole == value else value, "f"))
