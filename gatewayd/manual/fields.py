"""The texts of a reading that was entered by hand, one by one: what may stand in each, and what it means.

Rules: pure. Each function gives the value, or None with a finding put down; blanks around a text do not count, nothing
else is forgiven.
"""

import re
from datetime import date
from decimal import Decimal

from gatewayd.manual import portal
from gatewayd.manual.dates import ReadingType
from gatewayd.manual.findings import Check, Finding

LONGEST_NUMBER = 18
MOST_DIGITS = 7
MOST_PLACES = 6
"""Behind the point: no register shows more."""
EIC_LENGTH = 16
YEARS = range(1990, 2101)
"""Of a reading: what lies outside was mistyped."""
_EIC = re.compile(r"[0-9A-Z-]{16}", re.ASCII)
_DATE = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})", re.ASCII)
_STATE = re.compile(rf"(\d{{1,{LONGEST_NUMBER}}})(?:[.,](\d{{1,{MOST_PLACES}}}))?", re.ASCII)
_REQUEST = re.compile(r"0*[1-9][0-9]*", re.ASCII)
_LONGEST_REQUEST = 16
_SHOWN = 40


def eic_of(text: str, findings: list[Finding]) -> str | None:
    found = text.strip()
    if _EIC.fullmatch(found):
        return found
    what = "is missing" if not found else f"'{quoted(found)}' has {len(found)} characters"
    if len(found) == EIC_LENGTH:
        what = f"'{quoted(found)}' has others than 0-9, A-Z (capitals) and '-'"
    text = f"the EIC {what}; expected exactly {EIC_LENGTH} characters 0-9, A-Z and '-'"
    findings.append(Finding(Check.EIC, text, portal.EIC))
    return None


def number_of(text: str, findings: list[Finding]) -> str | None:
    """The number of the meter."""
    found = text.strip()
    if 1 <= len(found) <= LONGEST_NUMBER and found.isprintable():
        return found
    what = "is missing" if not found else f"'{quoted(found)}' has {len(found)} characters"
    text = f"the meter number {what}; expected 1 to {LONGEST_NUMBER} characters"
    findings.append(Finding(Check.NUMBER, text, portal.NUMBER if found else portal.NO_NUMBER))
    return None


def date_of(text: str, findings: list[Finding]) -> date | None:
    match = _DATE.fullmatch(text.strip())
    try:
        if match is not None:
            found = date(int(match[3]), int(match[2]), int(match[1]))
            if found.year in YEARS:
                return found
            what = f"{text.strip()} is outside the years {YEARS[0]} to {YEARS[-1]}"
        else:
            what = f"'{quoted(text)}' is no date" if text.strip() else "the date is missing"
    except ValueError:
        what = f"there is no day {text.strip()}"
    findings.append(Finding(Check.DATE, f"{what}; expected DD.MM.YYYY such as 26.11.2026", portal.DATE))
    return None


def state_of(text: str, findings: list[Finding], *, decimals: bool = False) -> Decimal | None:
    """The state of the register, with the digits that were written. 0 is one of a meter that is new, and doubtful."""
    match = _STATE.fullmatch(text.strip())
    if match is None or (match[2] and not decimals):
        what = f"'{quoted(text)}' is none" if text.strip() else "it is missing"
        hint = (
            "; without the places behind the point (`reading add --decimals` takes them)" if match and match[2] else ""
        )
        told = f"the state is a positive {'' if decimals else 'whole '}number, {what}{hint}"
        findings.append(Finding(Check.STATE, told, portal.STATE))
        return None
    if len(match[1].lstrip("0")) > MOST_DIGITS:
        told = f"the state {quoted(text)} has more than {MOST_DIGITS} digits before the point"
        findings.append(Finding(Check.DIGITS, told, portal.STATE))
        return None
    value = Decimal(text.strip().replace(",", "."))
    if not value:
        findings.append(Finding(Check.STATE_ZERO, "the state is 0; is the meter new?"))
    return value


def type_of(text: str, findings: list[Finding]) -> ReadingType | None:
    try:
        return ReadingType(text.strip())
    except ValueError:
        known = ", ".join(f"{kind.value} ({kind.meaning})" for kind in ReadingType)
        what = f"'{quoted(text)}' is no type of reading" if text.strip() else "the type of the reading is missing"
        findings.append(Finding(Check.TYPE, f"{what}; expected one of {known}", portal.TYPE))
        return None


def request_of(text: str, kind: ReadingType | None, findings: list[Finding]) -> str:
    """The number of the request, as it was written; readings of type N must have one."""
    found = text.strip()
    if kind is ReadingType.CONTROL_BY_NEW_SUPPLIER and not found:
        told = "a reading of type N needs the number of the request"
        findings.append(Finding(Check.REQUEST, told, portal.NO_REQUEST))
    if found and (len(found) > _LONGEST_REQUEST or not _REQUEST.fullmatch(found)):
        told = f"the request number '{quoted(found)}' is no positive whole number of at most {_LONGEST_REQUEST} digits"
        findings.append(Finding(Check.REQUEST, told, portal.REQUEST))
    return found


def quoted(text: str) -> str:
    """A text of somebody else in a message: visible, and not too long."""
    shown = "".join(character if character.isprintable() else "?" for character in text)
    return shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}..."
