"""Files of readings: which kind it is, its rows, and each row as it is handed in.

Rules: the name says what a file is, and its contents have to be that. Two rows of one point and one day are found here,
whatever else is wrong with them.
"""

from collections.abc import Sequence
from pathlib import Path

from gatewayd.manual import portal
from gatewayd.manual.fields import date_of, quoted
from gatewayd.manual.findings import Check, Finding
from gatewayd.manual.limits import read_file
from gatewayd.manual.submission import Found, Handled, Method, Outcome, Submission
from gatewayd.manual.table import FileRefused, Row
from gatewayd.manual.table_csv import read_csv

_MACROS = (".xlsm", ".xltm", ".xlsb")


def read_table(path: Path, most: int) -> tuple[Row, ...]:
    """The rows of a file, at most so many. FileRefused; OSError when it cannot be read."""
    kind = path.suffix.lower()
    if kind in _MACROS:
        raise FileRefused(Check.FILE, f"{path} may hold macros; save it as .xlsx")
    if kind not in (".xlsx", ".csv"):
        raise FileRefused(Check.FILE, f"{path} is neither .xlsx nor .csv; save it as one of them")
    data = read_file(path)
    if kind == ".csv":
        return read_csv(data, most)
    from gatewayd.manual.sheet import read_sheet

    return read_sheet(data, most)


def submission_of(row: Row, obis: str, unit: str, note: str, maximum: int = 0) -> Submission:
    """A row as it is handed in."""
    eic, number, day, value, kind, request = row.texts
    return Submission(
        value,
        eic=eic,
        obis=obis,
        unit=unit,
        day=day,
        number=number,
        type=kind,
        request=request,
        note=note,
        method=Method.FILE,
        maximum=maximum,
        row=row.place,
    )


def twice(rows: Sequence[Row]) -> dict[int, Finding]:
    """By their place: rows whose point and day another one has further up."""
    first: dict[tuple[str, object], int] = {}
    found: dict[int, Finding] = {}
    for row in rows:
        eic, day = row.texts[0].strip(), row.texts[2].strip()
        place = first.setdefault((eic, date_of(day, []) or day), row.place)
        if place != row.place and eic and day:
            found[row.place] = Finding(
                Check.DUPLICATE,
                f"row {place} is of the same EIC and date already: {quoted(eic)} of {quoted(day)}",
                portal.DUPLICATE,
            )
    return found


def refusal(row: Row, findings: Sequence[Finding]) -> Handled:
    """What became of a row that is not even handed in."""
    told = tuple(Found(one.severity.value, one.check.text, one.text, one.portal) for one in findings)
    return Handled(Outcome.REFUSED, told, row.place, value=row.texts[3].strip())
