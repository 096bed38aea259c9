"""What is checked on a reading that was entered by hand, and how severe it is: the one table.

Rules: pure. A critical finding keeps the whole file out, an error the one reading; a warning is asked about, and the
reading is archived when a person stands by it. The texts of findings name the value and the remedy.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, auto

from gatewayd.severity import Severity, most_severe

__all__ = ["CHECKS", "EFFECTS", "Check", "Finding", "Rule", "Severity", "refused", "worst"]


EFFECTS = {
    Severity.CRITICAL: "the file is not loaded, nothing of it is archived",
    Severity.ERROR: "this reading is refused, the others of the file are not",
    Severity.WARNING: "this reading is archived when somebody stands by it: `--yes`, or the answer to the question; "
    "with `--hold` it waits until another person releases it",
}
"""What it keeps out."""


class Check(Enum):
    """What may be found."""

    FILE = auto()
    SHEET = auto()
    HEADER = auto()
    COUNT = auto()
    FORMULA = auto()
    EIC = auto()
    POINT = auto()
    NUMBER = auto()
    NUMBER_VALID = auto()
    DATE = auto()
    FUTURE = auto()
    STATE = auto()
    DIGITS = auto()
    STATE_ZERO = auto()
    UNIT = auto()
    REGISTER = auto()
    TYPE = auto()
    REQUEST = auto()
    TYPE_DATE = auto()
    DEADLINE = auto()
    DUPLICATE = auto()
    CORRECTION = auto()
    LOWER = auto()
    HIGHER_THAN_NEXT = auto()
    ZERO = auto()
    TOLERANCE = auto()
    MAXIMUM = auto()

    @property
    def text(self) -> str:
        return self.name.lower().replace("_", "-")


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of the table; `meaning` in the words of docs/manual-readings.md."""

    severity: Severity
    meaning: str


CHECKS: dict[Check, Rule] = {
    Check.FILE: Rule(
        Severity.CRITICAL,
        "the file is an XLSX or CSV of at most 4 MB, not compressed once more, without macros, links to other files or "
        "anything else that no table of readings needs",
    ),
    Check.SHEET: Rule(Severity.CRITICAL, "the workbook has one sheet, and its name is `Odecet` or `odecet`"),
    Check.HEADER: Rule(
        Severity.CRITICAL, "row 1 has exactly the six headings, and nothing stands beside their columns"
    ),
    Check.COUNT: Rule(
        Severity.CRITICAL,
        "there are at most as many readings as are configured (`manual: {most_rows: 500}`), and at least one",
    ),
    Check.FORMULA: Rule(
        Severity.ERROR,
        "cells hold values: no formula, no error of a formula, no true or false, not more than 64 characters",
    ),
    Check.EIC: Rule(Severity.ERROR, "the EIC has exactly 16 characters 0-9, A-Z and `-`"),
    Check.POINT: Rule(Severity.ERROR, "the EIC is that of one meter of the configuration"),
    Check.NUMBER: Rule(Severity.ERROR, "the meter number has 1 to 18 characters"),
    Check.NUMBER_VALID: Rule(
        Severity.ERROR,
        "the meter number is the one that was in force on that date: of the configuration, or as the archive knows it, "
        "exchanges of the meter included",
    ),
    Check.DATE: Rule(
        Severity.ERROR, "the date is DD.MM.YYYY or D.M.YYYY (a cell with a date will do), and there is such a day"
    ),
    Check.FUTURE: Rule(Severity.ERROR, "the reading is not of the future"),
    Check.STATE: Rule(
        Severity.ERROR,
        "the state is a positive whole number; places behind the point only with `--decimals`, and no more than the "
        "register has",
    ),
    Check.DIGITS: Rule(Severity.ERROR, "the state has at most 7 digits before the decimal point"),
    Check.STATE_ZERO: Rule(Severity.WARNING, "the state is not 0, which only a meter shows that is new"),
    Check.UNIT: Rule(Severity.ERROR, "the unit is known, and measures the same as that of the archived readings"),
    Check.REGISTER: Rule(Severity.ERROR, "it is known which register is meant"),
    Check.TYPE: Rule(Severity.ERROR, "the type is one of K, F, Z, P, N, U"),
    Check.REQUEST: Rule(
        Severity.ERROR,
        "a reading of type N has a request number; a request number is a positive whole number of at most 16 digits",
    ),
    Check.TYPE_DATE: Rule(Severity.ERROR, "a reading of type F is of the last day of a month"),
    Check.DEADLINE: Rule(
        Severity.ERROR,
        "the reading is handed in in time: K and N up to 14 calendar days after its date, F, P and U up to the 5th "
        "working day after it, Z up to the 5th working day after the change, which is the day itself or the one after",
    ),
    Check.DUPLICATE: Rule(
        Severity.ERROR, "there is no other reading by hand of the same register and date (`reading add --correct`)"
    ),
    Check.CORRECTION: Rule(Severity.WARNING, "what `--correct` is to take the place of is in the archive"),
    Check.LOWER: Rule(
        Severity.WARNING,
        "the state is not lower than the one before. A register that began again at zero is no finding, nor is another "
        "meter",
    ),
    Check.HIGHER_THAN_NEXT: Rule(Severity.WARNING, "the state is not higher than a later one that is archived already"),
    Check.ZERO: Rule(Severity.WARNING, "something was consumed since the reading before, if that is a day ago or more"),
    Check.TOLERANCE: Rule(
        Severity.WARNING,
        "the consumption is within the tolerance of the comparable one (`manual: {tolerance: 3}`): a third to three "
        "times as much",
    ),
    Check.MAXIMUM: Rule(
        Severity.ERROR,
        "the consumption is not above the maximum tolerance (`manual: {maximum: 20}`): twenty times the comparable one",
    ),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that was found; `text` says what, and what to do, `portal` the same in the words of portal.py."""

    check: Check
    text: str
    portal: str = ""

    @property
    def severity(self) -> Severity:
        return CHECKS[self.check].severity

    @property
    def line(self) -> str:
        """For people: `error: ...`."""
        return f"{self.severity.value}: {self.text}"


def worst(findings: Iterable[Finding]) -> Severity | None:
    """The most severe of several; None for none."""
    return most_severe(finding.severity for finding in findings)


def refused(findings: Iterable[Finding]) -> bool:
    """Whether something forbids the reading."""
    return worst(findings) in (Severity.ERROR, Severity.CRITICAL)
