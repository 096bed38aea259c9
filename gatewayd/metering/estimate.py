"""Estimates of months by hand, type C: what is checked, and what is said when one is refused.

Rules: pure (requirements U3). Somebody who knows the equipment of a supply point estimates what a month had of which
there is no metering; the words are our own. What cannot be judged, because something before it is wrong, is not judged.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import Enum

from gatewayd.model import MeteringType

_NUMBER = re.compile(r"[0-9]{1,8}([.,][0-9]{1,3})?", re.ASCII)


class EstimateCheck(Enum):
    """What is checked: the message in Czech, and in English with the remedy."""

    ESTIMATE_NUMBER = (
        "Neplatný odhad (nezáporné číslo, nejvýše 8 číslic před čárkou a 3 za ní).",
        "the estimate is a number from 0 on, of at most 8 digits before and 3 behind the point",
    )
    AUTHOR = (
        "Chybí jméno toho, kdo hodnotu odhadl.",
        "the name of whoever has estimated it is missing; give --author",
    )
    WHY = (
        "Chybí zdůvodnění odhadu ze znalosti zařízení odběrného místa.",
        "it is not said of what it was estimated; give --note, such as the equipment of the supply point",
    )
    MONTH = (
        "Odhad pro {point} ještě není možné zadat. Měsíc dosud neskončil.",
        "an estimate for {point} can be entered when the month is over",
    )
    TYPE_C = (
        "{point} nemá měření typu C. Odhad nelze zadat.",
        "{point} has no metering of type C; only such points get estimates of months",
    )
    PROFILE = (
        "{point} má průběhové měření; měsíce jsou součty jeho profilu. Odhad nelze zadat.",
        "the meters of {point} keep a load profile, of which its months are the sums; no month is estimated",
    )
    OFF = (
        "Pro {point} jsou náhradní hodnoty vypnuty.",
        "substitute values are off for {point}; turn them on with substitution: {{enabled: true}}",
    )
    MEASURED_MONTH = (
        "Pro {point} již evidujeme platnou hodnotu měření za tento měsíc.",
        "there is a valid measured value of {point} for that month; nothing is to be estimated",
    )

    @property
    def text(self) -> str:
        return self.name.lower().replace("_", "-")

    def said(self, point: str, language: str = "en") -> str:
        """In words, `cs` or `en`."""
        czech, english = self.value
        return (czech if language == "cs" else english).format(point=point)


@dataclass(frozen=True, slots=True)
class MonthOfPoint:
    """What is known of a point and the month in question. `profile`: its meters keep one; `enabled`: substitution is;
    `valid`: the month has a true value."""

    metering_type: MeteringType
    profile: bool
    enabled: bool
    end: datetime
    valid: bool = False


def estimate_of(value: str) -> Decimal | None:
    """The number that stands in the text; None for anything else."""
    text = value.strip()
    return Decimal(text.replace(",", ".")) if _NUMBER.fullmatch(text) else None


def refusals(value: str, author: str, note: str, now: datetime, month: MonthOfPoint) -> tuple[EstimateCheck, ...]:
    """Why an estimate that is entered now is not taken; () when it is."""
    return tuple(_refusals(value, author, note, now, month))


def _refusals(value: str, author: str, note: str, now: datetime, month: MonthOfPoint) -> Iterator[EstimateCheck]:
    if estimate_of(value) is None:
        yield EstimateCheck.ESTIMATE_NUMBER
    if not author.strip():
        yield EstimateCheck.AUTHOR
    if not note.strip():
        yield EstimateCheck.WHY
    if now < month.end:
        yield EstimateCheck.MONTH
    if month.metering_type is not MeteringType.C:
        yield EstimateCheck.TYPE_C
    elif month.profile:
        yield EstimateCheck.PROFILE
    elif not month.enabled:
        yield EstimateCheck.OFF
    if month.valid:
        yield EstimateCheck.MEASURED_MONTH
