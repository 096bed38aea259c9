"""The ratios that a meter has set itself, against those that the point had at the time.

    1-0:0.4.2, 1-0:0.4.5   current transformers: numerator (or the ratio), denominator
    1-0:0.4.3, 1-0:0.4.6   voltage transformers

Rules: pure. A ratio of the meter is never applied to anything. Meters that show secondary values may have 1: then
gatewayd multiplies alone. One that shows primary values has to have the ratio that is configured. A numerator alone
may be the ratio (40) or its primary side (200 of 200/5). Where none is configured for the transformer, and the meter
has one, that is told as well. The newest reading of each register counts; the configured ratio is that of its instant.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Context, Decimal
from zoneinfo import ZoneInfo

from gatewayd.legal_time import PRAGUE
from gatewayd.metering.points import MeteringPoint, as_of
from gatewayd.model import Archived, Kind, Ratio, RawStatus, ValueSide, transformation
from gatewayd.obis import Obis

_ELECTRICITY = 1
_GENERAL, _RATIOS = 0, 4
_CT, _CT_BELOW, _VT, _VT_BELOW = 2, 5, 3, 6
_ONE = Decimal(1)
_QUOTIENT = Context(prec=28, traps=[])
"""The digits of gatewayd.model.Ratio, in which ratios are compared."""


@dataclass(frozen=True, slots=True)
class OtherRatio:
    """A meter whose own ratio is not the configured one. `text` says it all, with the remedy."""

    point: str
    meter: str
    transformer: str
    at: datetime
    text: str
    inputs: tuple[int, ...]


def is_ratio(code: Obis | None) -> bool:
    """Whether a register holds a ratio of transformers."""
    return (
        code is not None
        and (code.a, code.c, code.d) == (_ELECTRICITY, _GENERAL, _RATIOS)
        and code.e in (_CT, _CT_BELOW, _VT, _VT_BELOW)
    )


def other_ratios(point: MeteringPoint, archived: Iterable[Archived], zone: ZoneInfo = PRAGUE) -> tuple[OtherRatio, ...]:
    """What differs, of whatever readings there are among these."""
    newest: dict[tuple[str, int], Archived] = {}
    for one in sorted(archived, key=lambda each: (each.reading.at, each.seq)):
        reading = one.reading
        if (
            reading.kind is not Kind.REGISTER
            or reading.obis is None
            or not is_ratio(reading.obis)
            or reading.status >= RawStatus.DISTORTED
        ):
            continue
        version = as_of(point, reading.at, zone)
        if version is not None and version.meter == reading.meter:
            newest[reading.meter, reading.obis.e] = one
    found: list[OtherRatio] = []
    for meter in sorted({meter for meter, _ in newest}):
        for name, above, below in (("CT", _CT, _CT_BELOW), ("VT", _VT, _VT_BELOW)):
            register = newest.get((meter, above))
            if register is None:
                continue
            divisor = newest.get((meter, below))
            version = as_of(point, register.reading.at, zone)
            ratio = register.ratio if version is None or version.ratio is None else version.ratio
            text = _differs(name, register, divisor, ratio)
            if text:
                inputs = tuple(sorted(one.seq for one in (register, divisor) if one is not None))
                found.append(OtherRatio(point.id, meter, name, register.reading.at, f"meter {meter}: {text}", inputs))
    return tuple(found)


def _differs(name: str, register: Archived, divisor: Archived | None, ratio: Ratio) -> str:
    """What is to be said; "" where they agree, or the meter says nothing that is a ratio."""
    configured = ratio.ct if name == "CT" else ratio.vt
    wanted = transformation(configured) if configured else _ONE
    told = register.reading.raw_text.strip()
    whole = _factor(register, divisor)
    if whole is None:
        return ""
    shown = told if divisor is None else f"{told}/{divisor.reading.raw_text.strip()}"
    if whole == wanted:
        return ""
    if divisor is None and configured and whole == Decimal(configured.partition("/")[0].strip()):
        return ""
    if whole == _ONE and ratio.value_side is ValueSide.SECONDARY:
        return ""
    if not configured:
        remedy = f"expected {name.lower()} in the ratio of the meter, or 1 in the meter itself"
        return f"its {name} ratio is {shown}, none is configured; {remedy}"
    if whole == _ONE:
        return (
            f"it shows values as they are, with a {name} ratio of 1, but value_side: primary is configured; "
            "expected value_side: secondary"
        )
    return f"its {name} ratio is {shown}, configured is {configured}; correct whichever is wrong"


def _factor(register: Archived, divisor: Archived | None) -> Decimal | None:
    """The ratio that the meter has; None where it says none."""
    text = register.reading.raw_text
    if "/" in text:
        try:
            return transformation(text)
        except ValueError:
            return None
    value = register.reading.value
    below = _ONE if divisor is None else divisor.reading.value
    if value is None or below is None or value <= 0 or below <= 0:
        return None
    return _QUOTIENT.divide(value, below)
