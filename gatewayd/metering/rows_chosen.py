"""One value out of all that was archived of an interval: late ones, repeated ones, and those that contradict.

    what is archived of one interval               what counts
    a value, and `missing`                         the value
    the same number several times                  the one with the best status, the newest of these
    numbers that differ                            the newest, distorted, with the flag conflict
    parts: rows beside the grid, or the meter
    says so (partial_interval)                     their sum, distorted

Rules: pure, and the same in whatever order they come: the sequence numbers decide. A reading without a number is none,
whatever its status says; it is missing, with its flags. 250 Wh and 0.250 kWh are the same number. All that was decided
between are inputs: `explain` shows them.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal

import msgspec

from gatewayd.metering.energy_units import EXACT, energy_unit, in_unit
from gatewayd.model import Archived, Flag, Ratio, RawStatus

_PARTS = Flag.PARTIAL_INTERVAL | Flag.CLOCK_ADJUSTED
"""What the flags of two rows of one interval say where both belong to it (gatewayd/sifting.py)."""
_TOLD = Flag.NOT_SENT | Flag.NOT_READ
"""Why there is none stands in the reading (gatewayd/closing.py)."""
_HALF_A_MINUTE = 30


class Chosen(msgspec.Struct, frozen=True, gc=False):
    """What counts. `value`: the meter's number, scaler applied, no ratio; None for none."""

    value: Decimal | None
    unit: str
    ratio: Ratio
    status: RawStatus
    flags: Flag
    inputs: tuple[int, ...]
    said: str = ""


def chosen(readings: Sequence[Archived], end: datetime) -> Chosen:
    """What counts of the readings of one meter, code and interval; at least one. Rows that do not end with the interval
    are parts of it."""
    if len(readings) == 1:  # nearly always
        (only,) = readings
        return _plain(only) if only.reading.at == end or _about(only.reading.at) == end else _sum([_plain(only)])
    rows: defaultdict[datetime, list[Archived]] = defaultdict(list)
    for one in readings:
        rows[_about(one.reading.at)].append(one)
    if len(rows) == 1:
        return _of_row(readings)
    found = [_of_row(row) for _, row in sorted(rows.items())]
    there = [one for one in found if one.value is not None]
    return _sum(there) if there else found[-1]


def chosen_total(readings: Sequence[Archived]) -> Chosen:
    """The same of totals: parts of an interval are not added, the total at its end counts."""
    last = _about(max(one.reading.at for one in readings))
    return _of_row([one for one in readings if _about(one.reading.at) == last], add=False)


def _about(at: datetime) -> datetime:
    """Rows of one interval are off by seconds where a meter's clock is."""
    return at.replace(second=0, microsecond=0) if at.second < _HALF_A_MINUTE else at + timedelta(seconds=60 - at.second)


def _of_row(readings: Sequence[Archived], *, add: bool = True) -> Chosen:
    order = sorted(readings, key=lambda one: one.seq)
    there = [one for one in order if _number(one) is not None]
    if not there:
        plain = _plain(order[-1])
        return msgspec.structs.replace(plain, inputs=tuple(one.seq for one in order))
    if add and len(there) > 1 and (parts := _parts(there)):
        return _sum([_plain(one) for one in parts])
    if len({_amount(one) for one in there}) > 1:
        return _conflict(there)
    return _plain(min(there, key=lambda one: (one.reading.status, -one.seq)))


def _number(one: Archived) -> Decimal | None:
    reading = one.reading
    return None if reading.status is RawStatus.MISSING else reading.value


def _amount(one: Archived) -> tuple[Decimal | None, str, bool]:
    """Its number in the unit of its kind, and that unit: what can be compared."""
    number, unit = _number(one), energy_unit(one.reading.unit)
    return number if number is None else EXACT.scaleb(number, unit.scale), unit.unit, unit.power


def _plain(one: Archived) -> Chosen:
    reading, value = one.reading, _number(one)
    status = RawStatus.MISSING if value is None else reading.status
    said = reading.more[0] if value is None and reading.more and reading.flags & _TOLD else ""
    return Chosen(value, reading.unit, one.ratio, status, reading.flags, (one.seq,), said)


def _conflict(there: Sequence[Archived]) -> Chosen:
    newest = there[-1]
    plain = _plain(newest)
    others = ", ".join(dict.fromkeys(_with_unit(one, newest) for one in there[:-1]))
    return msgspec.structs.replace(
        plain,
        status=RawStatus.worst((plain.status, RawStatus.DISTORTED)),
        flags=plain.flags | Flag.CONFLICT,
        inputs=tuple(one.seq for one in there),
        said=f"the archive has {plain.value}, the newest, and {others} of this interval",
    )


def _with_unit(one: Archived, newest: Archived) -> str:
    unit = one.reading.unit
    return f"{_number(one)}" if unit == newest.reading.unit else f"{_number(one)} {unit}".rstrip()


def _parts(there: Sequence[Archived]) -> Sequence[Archived]:
    """The rows of one answer that each are a part of the interval, of the newest answer that has several."""
    answers: defaultdict[int, list[Archived]] = defaultdict(list)
    for one in there:
        if one.reading.flags & _PARTS and not one.reading.flags & Flag.CONFLICT:
            answers[one.exchange].append(one)
    several = [rows for rows in answers.values() if len(rows) > 1 and len({_amount(row)[1:] for row in rows}) == 1]
    if not several or several[-1][-1] is not there[-1]:
        return ()
    return several[-1]


def _sum(parts: Sequence[Chosen]) -> Chosen:
    """Of parts in units of one kind, in that of the first; of several kinds there is no sum."""
    if len(parts) == 1:
        (only,) = parts
        status = RawStatus.worst((RawStatus.DISTORTED, only.status))
        said = "; ".join(text for text in (only.said, "there is only a part of the interval") if text)
        return msgspec.structs.replace(only, status=status, flags=only.flags | Flag.PARTIAL_INTERVAL, said=said)
    value, flags = Decimal(0), Flag.PARTIAL_INTERVAL
    amounts = [in_unit(one.value or Decimal(0), one.unit, parts[0].unit) for one in parts]
    for one, amount in zip(parts, amounts, strict=True):
        value = EXACT.add(value, amount or Decimal(0))
        flags |= one.flags
    alike = None not in amounts
    said = f"the sum of {len(parts)} parts of the interval" if alike else "parts of the interval have different units"
    status = RawStatus.worst((RawStatus.DISTORTED, *(one.status for one in parts))) if alike else RawStatus.MISSING
    inputs = tuple(sorted({seq for one in parts for seq in one.inputs}))
    return Chosen(value if alike else None, parts[0].unit, parts[0].ratio, status, flags, inputs, said)
