"""Workbooks that are given back: the template, and the report on an import.

Rules: the template is itself a table that is taken: one sheet, one row, nothing beside; what it has to say stands in
the prompts of its cells. In a report every cell is text, whatever somebody else's cell began with; it is no table to
import. Files come into being whole, a link stays a link, and what is no file, a device or a pipe, stays what it is.
OSError when they cannot be written.
"""

import errno
import os
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gatewayd.manual.findings import Finding
from gatewayd.manual.submission import Handled
from gatewayd.manual.table import COLUMNS, SHEETS, Row

PROMPTS = (
    "EIC of the metering point: exactly 16 characters 0-9, A-Z and -",
    "Number of the meter, 1 to 18 characters: the one that hung there on that day",
    "Date of the reading: DD.MM.YYYY",
    "State of the register: a positive whole number of at most 7 digits",
    "K control, F billing, Z change of supplier, P change of customer, N control by the new supplier, U end of supply",
    "Number of the request: type N must have one",
)
RESULT, FINDINGS, PORTAL = "Result", "Findings", "In the portal"
SUFFIX = ".xlsx"
_ILLEGAL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")
"""What no cell can hold (XML 1.0, 2.2)."""
_WIDTH = 22
_LONGEST = 32_767
_TEXT = "@"


def workbook_path(path: Path) -> Path:
    """Where a workbook of this name is written: behind its links. ValueError where its name does not end with .xlsx, or
    where something is that is no file: one that is written takes the place of what was there."""
    try:
        found = path.resolve()
    except (OSError, RuntimeError):  # links in a circle
        raise ValueError("is a link that leads nowhere") from None
    if path.suffix.lower() != SUFFIX or found.suffix.lower() != SUFFIX:
        raise ValueError(f"has to end with {SUFFIX}")
    if found.exists() and not found.is_file():
        raise ValueError("is no file")
    return found


def write_template(path: Path, most: int) -> None:
    """An empty table for so many readings. FileExistsError where there is something already."""
    from openpyxl import Workbook
    from openpyxl.worksheet.datavalidation import DataValidation

    if path.exists():
        raise FileExistsError(f"{path} is there already; name another file")
    book = Workbook()
    sheet: Any = book.active  # Any: the types allow for sheets of charts
    sheet.title = SHEETS[0]
    sheet.append(list(COLUMNS))
    for column, prompt in enumerate(PROMPTS, 1):
        letter = sheet.cell(1, column).column_letter
        sheet.column_dimensions[letter].width = _WIDTH
        sheet.column_dimensions[letter].number_format = _TEXT  # zeros in front stay, dates stay as they are typed
        hint = DataValidation(
            allow_blank=True,
            showInputMessage=True,
            promptTitle=COLUMNS[column - 1],
            prompt=prompt,
            errorStyle="warning",
        )
        hint.add(f"{letter}2:{letter}{most + 1}")
        sheet.add_data_validation(hint)
    _save(book, path)


def write_report(path: Path, rows: Sequence[Row], handled: Sequence[Handled], critical: Finding | None = None) -> None:
    """Each row as it was in the file, what became of it, and what was found, in our words and in those of the portal;
    or why the file was not loaded."""
    from openpyxl import Workbook

    book = Workbook()
    sheet: Any = book.active
    sheet.title = "Report"
    lines: list[tuple[str, ...]] = [("Row", *COLUMNS, RESULT, FINDINGS, PORTAL)]
    if critical is not None:
        lines.append(("", *("" for _ in COLUMNS), "file not loaded", critical.line, critical.portal))
    for row, one in zip(rows, handled, strict=True):
        found = "\n".join(finding.line for finding in one.findings)
        in_portal = "\n".join(finding.portal for finding in one.findings if finding.portal)
        lines.append((str(row.place), *row.texts, one.outcome.value, found, in_portal))
    for place, line in enumerate(lines, 1):
        for column, text in enumerate(line, 1):
            cell = sheet.cell(place, column)
            cell.value = _ILLEGAL.sub("?", text)[:_LONGEST]
            cell.data_type = "s"  # else what begins with = would be a formula
    for column, width in enumerate((6, *(18,) * len(COLUMNS), 12, 100, 100), 1):
        sheet.column_dimensions[sheet.cell(1, column).column_letter].width = width
    sheet.freeze_panes = "A2"
    _save(book, path)


def _save(book: Any, path: Path) -> None:  # Any: a workbook, whose module is loaded only when one is written
    try:
        path = workbook_path(path)
    except ValueError as error:
        raise OSError(errno.EINVAL, f"it {error}") from None
    descriptor, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            book.save(file)
        mask = os.umask(0)
        os.umask(mask)
        Path(draft).chmod(0o666 & ~mask)
        Path(draft).replace(path)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise
