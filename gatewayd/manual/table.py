"""A table of readings as the gas operator's portal takes it: six columns, whatever file they come in.

Rules: the shape is exact. What deviates from it is a fault of the whole file, said with the cell and what it should be;
what is wrong inside of a row is said when the row is looked at. Rows with any value count, also with a single blank;
empty ones do not.
"""

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from gatewayd.errors import GatewayError
from gatewayd.manual import portal
from gatewayd.manual.fields import quoted
from gatewayd.manual.findings import Check, Finding

COLUMNS = ("EIC OM", "Číslo měřidla", "Datum odečtu", "Stav měřidla", "Typ odečtu", "Číslo žádosti")
SHEETS = ("Odecet", "odecet")
LONGEST_CELL = 64
"""Characters: more than anything has that belongs into one."""


class FileRefused(GatewayError):
    """A critical fault: nothing of the file is loaded. `in_portal` may have `{file}` for its name."""

    def __init__(self, check: Check, text: str, in_portal: str = portal.STRUCTURE) -> None:
        super().__init__(text)
        self.finding = Finding(check, text, in_portal)

    def of(self, name: str) -> Finding:
        """What was found, on the file of this name."""
        return replace(self.finding, portal=self.finding.portal.format(file=quoted(name)))


@dataclass(frozen=True, slots=True)
class Row:
    """A row that holds something: its number in the file, a text for each column, and what is wrong with its cells."""

    place: int
    texts: tuple[str, ...]
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class Cell:
    """What stands in a cell; `fault` says why that is no text."""

    text: str = ""
    fault: str = ""

    @property
    def empty(self) -> bool:
        return not self.text and not self.fault


def rows_of(table: Iterable[Sequence[Cell]], most: int) -> tuple[Row, ...]:
    """The rows below the heading, at most so many. FileRefused; rows are taken one by one, and none behind those."""
    found: list[Row] = []
    place = 0
    for place, cells in enumerate(table, 1):
        beside = next((column for column, cell in enumerate(cells) if column >= len(COLUMNS) and not cell.empty), None)
        if place == 1:
            _check_heading(cells)
        elif beside is not None:
            raise FileRefused(
                Check.HEADER,
                f"cell {name_of(beside)}{place} holds something; nothing may stand beside the columns A to F",
            )
        elif any(not cell.empty for cell in cells):
            if len(found) == most:
                text = f"there are more than {most} readings; split the file"
                raise FileRefused(Check.COUNT, text, portal.TOO_MANY.format(file="{file}", most=most))
            found.append(_row(place, cells))
    if not place:
        raise FileRefused(Check.HEADER, f"the table is empty; row 1 must be: {', '.join(COLUMNS)}")
    if not found:
        raise FileRefused(Check.COUNT, "there is no reading below the heading", portal.NO_READING)
    return tuple(found)


def name_of(column: int) -> str:
    """The letters of a column, from 0: A, B, ... AA."""
    name = ""
    column += 1
    while column:
        column, letter = divmod(column - 1, 26)
        name = chr(ord("A") + letter) + name
    return name


def _row(place: int, cells: Sequence[Cell]) -> Row:
    padded = [_bounded(cell) for cell in [*cells, *[Cell()] * len(COLUMNS)][: len(COLUMNS)]]
    findings = tuple(
        Finding(Check.FORMULA, f"cell {name_of(column)}{place} ({COLUMNS[column]}): {cell.fault}")
        for column, cell in enumerate(padded)
        if cell.fault
    )
    return Row(place, tuple(cell.text for cell in padded), findings)


def _bounded(cell: Cell) -> Cell:
    return Cell(fault=f"more than {LONGEST_CELL} characters") if len(cell.text) > LONGEST_CELL else cell


def _check_heading(cells: Sequence[Cell]) -> None:
    for column in range(max(len(cells), len(COLUMNS))):
        cell = cells[column] if column < len(cells) else Cell()
        wanted = COLUMNS[column] if column < len(COLUMNS) else ""
        if cell.fault or unicodedata.normalize("NFC", cell.text) != wanted:
            held = cell.fault or (f"'{quoted(cell.text)}'" if cell.text else "nothing")
            expected = f"expected exactly '{wanted}'" if wanted else "nothing may stand beside the columns A to F"
            raise FileRefused(Check.HEADER, f"cell {name_of(column)}1 holds {held}; {expected}")
