"""What has to come out of the simulated month, computed once more in the most straightforward way.

Rules: those of month_value.py. Dicts by the end of the interval, one loop after the other, all of the month at
once: readings to primary values, then what rules find on them. Substitutes are in month_substitutes.py, sums in
month_sums.py; gas, registers and phases in month_beside.py.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import groupby, pairwise

from gatewayd.model import Flag
from tests.system import month_raw as raw
from tests.system.month_beside import beside_month
from tests.system.month_events import of_rules, of_substitutes
from tests.system.month_raw import BEGIN, DAYS, ENDS, QUARTER, Row, oct_
from tests.system.month_substitutes import substitute
from tests.system.month_sums import layers, virtual
from tests.system.month_value import (
    DISTORTED,
    MISSING,
    NONE,
    OF_DAY,
    TRUE,
    Channel,
    Month,
    Val,
    alike,
    comparable_days,
    legal_day,
    median,
)  # fmt: skip

ROOT_3 = Decimal(3).sqrt()


# -- readings to primary values ---------------------------------------------------------------------------------------


def month(rows: Sequence[Row]) -> Month:
    """Of all readings, in the order in which they came."""
    found = Month()
    table: dict[tuple[str, str, datetime], list[tuple[int, Row]]] = defaultdict(list)
    for number, row in enumerate(rows):
        if row.kind == "interval":
            table[row.meter, row.code, row.at].append((number, row))
    for code, name in raw.NAMES.items():
        kwh = Fraction(1)
        north = {end: _chosen(table[_meter(end), name, end], kwh * 40) for end in ENDS}
        at = oct_(14, "10:15")
        parts = [(n, r) for key in (("em-1", raw.EXCHANGED), ("em-7", at)) for n, r in table[key[0], name, key[1]]]
        ids = frozenset(n for n, _ in parts)
        amount = sum((Fraction(r.text) * 40 for _, r in parts), Fraction(0))
        north[at] = Val(amount, DISTORTED, Flag.PARTIAL_INTERVAL | Flag.CONFIG_CHANGED, need=ids, allow=ids)
        found.channels["north", code] = north
        south = {end: _chosen(table["em-3", name, end], _south(end)) for end in ENDS}
        changing = south[oct_(16, "13:30")]
        changing.status, changing.flags = DISTORTED, changing.flags | Flag.CONFIG_CHANGED
        found.channels["south", code] = south
        if code in "12":
            quarter_of = Fraction(40, 4)
            power = raw.POWERS[code]
            found.channels["north-control", code] = {
                end: _chosen(table["em-2", power, end], quarter_of) for end in ENDS
            }
            found.channels["own", code] = {end: _chosen(table["em-4", name, end], kwh) for end in ENDS}
    found.channels["shop", "1"] = _risen(table)
    _states(found, rows)
    _validate(found)
    of_rules(found)
    substitute(found)
    virtual(found)
    layers(found)
    beside_month(found, rows)
    of_substitutes(found)
    return found


def _meter(end: datetime) -> str:
    return "em-1" if end <= oct_(14, "10:00") else "em-7"


def _south(end: datetime) -> Fraction:
    """Of a tenth of a Wh: kWh on the primary side."""
    ct = Fraction(50, 5) if end <= raw.OTHER_CT else Fraction(100, 5)
    return Fraction(1, 10_000) * ct * Fraction(22000, 100)


def _chosen(rows: Sequence[tuple[int, Row]], factor: Fraction) -> Val:
    """What counts of several readings of one interval."""
    everything = frozenset(n for n, _ in rows)
    numbers = [(n, row) for n, row in rows if row.text]
    if not numbers:
        flags = Flag(0)
        for _, row in rows:
            flags |= row.flags
        return Val(None, MISSING, flags, allow=everything, need=everything, method="", have=0, told=bool(rows))
    if len({row.text for _, row in numbers}) > 1:
        n, newest = numbers[-1]
        status, flags = DISTORTED, newest.flags | Flag.CONFLICT
    else:
        n, newest = min(numbers, key=lambda one: one[1].status)
        status, flags = int(newest.status), newest.flags
    return Val(Fraction(newest.text) * factor, status, flags, need=frozenset({n}), allow=everything)


def _risen(table: dict[tuple[str, str, datetime], list[tuple[int, Row]]]) -> Channel:
    """The differences of the totals of the shop."""
    total = {end: _chosen(table["em-5", "1-0:1.8.0", end], Fraction(1)) for end in [BEGIN, *ENDS]}
    found: Channel = {}
    for end in ENDS:
        first, last = total[end - QUARTER], total[end]
        both = replace(last, need=first.need | last.need, allow=first.allow | last.allow)
        both.flags = first.flags | last.flags
        if first.amount is None or last.amount is None:
            found[end] = replace(both, amount=None, status=MISSING, method="", have=0, need=frozenset())
        else:
            found[end] = replace(both, amount=last.amount - first.amount)
    return found


def _states(found: Month, rows: Sequence[Row]) -> None:
    points = {"em-3": "south", "em-4": "own", "em-5": "shop"}
    for number, row in enumerate(rows):
        if row.kind == "register" and row.code.endswith(".8.0") and row.meter in points:
            point, code = points[row.meter], row.code[4]
            found.read[point, code, row.at] = number
            if point != "shop":
                found.states.setdefault((point, code), {})[row.at] = Decimal(row.text)


# -- validation -------------------------------------------------------------------------------------------------------


def _named(value: Val, rule: str, flags: Flag = NONE) -> None:
    value.rules |= {rule}
    value.flags |= flags


def _validate(found: Month) -> None:
    for (point, code), channel in found.channels.items():
        if point in ("own", "shop"):  # 63 A, 400 V, three phases
            most = Fraction(ROOT_3 * 400 * 63 / 1000 / 4)
            for value in channel.values():
                if value.amount is not None and value.amount > most:
                    value.status = DISTORTED
                    _named(value, "above_maximum")
        _zero(channel)
        _unusual_days(found, point, code, channel)
    for (point, code), states in found.states.items():
        _advance(found, point, code, found.channels[point, code], states)
    for code in "12":
        _compare(found, code)
    _named(found.channels["shop", "1"][oct_(17, "12:00")], "tariff_sum")  # registers of noon
    for code in "1234":  # the verification of the meter ends on the 29th
        for day in DAYS[29:]:
            found.day_findings["south", code, day].append(("verification", False))
    for (point, code, day), rules in found.day_findings.items():
        for value in _of_day(found.channels[point, code], day).values():
            for rule, _ in rules:
                if value.amount is not None:
                    _named(value, rule, Flag.CONTROL_MISMATCH if rule == "control" else Flag(0))


def _of_day(channel: Channel, day: date) -> Channel:
    return {end: channel[end] for end in OF_DAY[day]}


def _zero(channel: Channel) -> None:
    """Six hours without any energy where there was some on comparable days."""
    for idle, run in groupby(ENDS, key=lambda end: channel[end].status == TRUE and channel[end].amount == 0):
        ends = list(run)
        if not idle or len(ends) < 24:
            continue
        usual = Fraction(0)
        for end in ends:
            others = [one.amount for one in alike(channel, end) if one.amount is not None]
            usual += median(others) if len(others) >= 2 else 0
        if usual > 0:
            for end in ends:
                _named(channel[end], "zero")


def _unusual_days(found: Month, point: str, code: str, channel: Channel) -> None:
    whole: dict[date, Fraction] = {}
    for day in DAYS:
        values = list(_of_day(channel, day).values())
        if all(one.status == TRUE for one in values):
            whole[day] = sum((one.amount or Fraction(0) for one in values), Fraction(0))
    for day, amount in whole.items():
        others = [whole[one] for one in comparable_days(day) if one in whole]
        if len(others) < 2:
            continue
        usual = median(others)
        if max(usual, amount) > 1 and not usual / 3 <= amount <= usual * 3:
            found.day_findings[point, code, day].append(("comparable", False))


def _advance(found: Month, point: str, code: str, channel: Channel, states: dict[datetime, Decimal]) -> None:
    """Of em-3 in tenths of Wh, of em-4 in kWh."""
    for first, last in pairwise(sorted(states)):
        factor = _south(last) if point == "south" else Fraction(1)
        digit = factor * (1 if point == "south" else Fraction(1, 1000))
        if point == "south" and first < raw.OTHER_CT < last:
            continue
        ends = [end for end in ENDS if first < end <= last]
        advance = (Fraction(states[last]) - Fraction(states[first])) * factor
        there = [channel[end].amount for end in ends if "above_maximum" not in channel[end].rules]
        total = sum((one for one in there if one is not None), Fraction(0))
        allowed = digit * (2 + len(ends))
        gap = len([one for one in there if one is not None]) < len(ends)
        if total > advance + allowed or (not gap and total < advance - allowed):
            assert last - first < timedelta(hours=26)
            found.day_findings[point, code, legal_day(last)].append(("register_advance", True))


def _compare(found: Month, code: str) -> None:
    """Twice the error of class 1, of the main metering; the digits of both meters are 0.04 and 0.01 kWh."""
    main, control = found.channels["north", code], found.channels["north-control", code]
    both = [end for end in ENDS if main[end].status == control[end].status == TRUE]

    def differ(ends: Sequence[datetime]) -> bool:
        first = sum((main[end].amount or Fraction(0) for end in ends), Fraction(0))
        second = sum((control[end].amount or Fraction(0) for end in ends), Fraction(0))
        return abs(first - second) > max(Fraction(2, 100) * first, Fraction(5, 100))

    apart = [end for end in both if differ([end])]
    for day in DAYS:
        if differ([end for end in both if legal_day(end) == day]):
            found.day_findings["north", code, day].append(("control", False))
    assert not differ(both), "the month as a whole is within the limit"
    for end in apart:
        _named(main[end], "control", Flag.CONTROL_MISMATCH)
