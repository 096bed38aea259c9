"""Substitute values that somebody enters by hand, type A: what is checked, and what is said when one is refused.

Rules: pure (requirements 1.18 and 5.2). What cannot be judged, because something before it is wrong, is not judged. The
Czech messages are those of the network operator's portal, word for word (5.3); one check is our own.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from zoneinfo import ZoneInfo

from gatewayd.legal_time import PRAGUE, day_bounds, instant
from gatewayd.model import MeteringType

EIC_LENGTH = 16
MOST_DIGITS = 8
DEADLINE = time(11, 0)
"""On the morning after the day, this second included. Legal time."""
_SECOND = timedelta(seconds=1)
_NUMBER = re.compile(rf"[0-9]{{1,{MOST_DIGITS}}}", re.ASCII)


class Check(Enum):
    """What is checked: the message in Czech, and in English with the remedy."""

    EIC_LENGTH = (
        "Zadaný kód EIC OM nemá požadovanou délku (16 znaků).",
        "the EIC has {length} characters; expected exactly 16",
    )
    EIC_KNOWN = (
        "Zadaný EIC OM neexistuje.",
        "no metering point has the EIC {eic}; expected one of the configuration",
    )
    NUMBER = (
        "Neplatný stav hodnoty měření (celé kladné číslo, maximálně 8 číslic).",
        "the value is a positive whole number of at most 8 digits",
    )
    DAY = (
        "Náhradní hodnotu pro EIC OM {eic} ještě není možné zadat. Den dosud neskončil.",
        "the substitute value for {eic} can be entered when the day is over",
    )
    DEADLINE = (
        "Náhradní hodnotu pro EIC OM {eic} již není možné zadat. Zadání bylo možné do 11:00:00.",
        "the substitute value for {eic} could be entered until 11:00:00 of the day after",
    )
    BELOW_MEASURED = (
        "Zadaná hodnota je menší než součet naměřených hodnot {measured} na EIC OM {eic}.",
        "the value is less than the sum of the measured values of {eic}, {measured}; enter that of the whole day",
    )
    TYPE_A = (
        "Nejedná se o EIC OM s měřením typu A. Nelze zadat náhradní hodnotu.",
        "{eic} has no metering of type A; only such points get substitute values by hand",
    )
    MEASURED = (
        "Pro zadané EIC OM již evidujeme platnou hodnotu měření.",
        "there is a valid measured value of {eic} for that day; nothing is to be substituted",
    )

    @property
    def text(self) -> str:
        return self.name.lower().replace("_", "-")


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a value is not taken."""

    check: Check
    eic: str
    measured: Decimal = Decimal(0)

    def said(self, language: str = "en") -> str:
        """In words, `cs` or `en`."""
        czech, english = self.check.value
        amount = format(self.measured, "f")
        if language == "cs":
            return czech.format(eic=self.eic, measured=amount.replace(".", ","))
        return english.format(eic=self.eic, measured=amount, length=len(self.eic))


@dataclass(frozen=True, slots=True)
class DayOfPoint:
    """What is known of a point and the day in question: `measured` the sum of what was measured, in the unit of what is
    entered; `valid`: whether the day has a true value."""

    metering_type: MeteringType
    measured: Decimal = Decimal(0)
    valid: bool = False


def refusals(
    eic: str,
    value: str,
    day: date,
    now: datetime,
    points: Mapping[str, DayOfPoint],
    *,
    start: time = time(0, 0),
    zone: ZoneInfo = PRAGUE,
) -> tuple[Refusal, ...]:
    """Why a value that is entered now is not taken; () when it is. `points` by EIC; `start`: of the day, 06:00 for gas.
    Blanks around the texts do not count."""
    return tuple(_refusals(eic.strip(), number_of(value), day, now, points, start, zone))


def number_of(value: str) -> Decimal | None:
    """The positive whole number that stands in the text; None for anything else."""
    text = value.strip()
    return Decimal(text) if _NUMBER.fullmatch(text) and int(text) else None


def _refusals(
    eic: str,
    number: Decimal | None,
    day: date,
    now: datetime,
    points: Mapping[str, DayOfPoint],
    start: time,
    zone: ZoneInfo,
) -> Iterator[Refusal]:
    point = points.get(eic)
    if len(eic) != EIC_LENGTH:
        yield Refusal(Check.EIC_LENGTH, eic)
    elif point is None:
        yield Refusal(Check.EIC_KNOWN, eic)
    if number is None:
        yield Refusal(Check.NUMBER, eic)
    if now < day_bounds(day, zone, start)[1]:
        yield Refusal(Check.DAY, eic)
    if now >= instant(day + timedelta(days=1), DEADLINE, zone) + _SECOND:
        yield Refusal(Check.DEADLINE, eic)
    if point is None or len(eic) != EIC_LENGTH:
        return
    if number is not None and number < point.measured:
        yield Refusal(Check.BELOW_MEASURED, eic, point.measured)
    if point.metering_type is not MeteringType.A:
        yield Refusal(Check.TYPE_A, eic)
    if point.valid:
        yield Refusal(Check.MEASURED, eic)
