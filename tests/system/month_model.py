"""What has to come out of the simulated month, computed once more in the most straightforward way.

Rules: of the requirements (1.2-1.11, 2, 4, 9) and docs/metering, not of the code: nothing of gatewayd.metering is used
here. Dicts by the end of the interval, whole decimal numbers or fractions, one loop after the other, all of the month
at once. A value knows the readings that it must come of (`need`) and those that it may (`allow`), as their places in
the list of everything that was archived.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import groupby, pairwise

from gatewayd.model import Flag
from tests.system import month_raw as raw
from tests.system.month_raw import BEGIN, DAYS, END, ENDS, PRAGUE, QUARTER, Row, oct_, wall

NONE = Flag(0)
TRUE, SUBSTITUTE, PROVISIONAL, DISTORTED, MISSING = range(5)
HOLIDAYS = {date(2025, 9, 28), date(2025, 10, 28)}
ROOT_3 = Decimal(3).sqrt()
Key = tuple[str, str, str, datetime]
"""Point, layer, code, end."""


@dataclass
class Val:
    """A value that is expected."""

    amount: Fraction | None
    status: int
    flags: Flag = NONE
    rules: frozenset[str] = frozenset()
    need: frozenset[int] = frozenset()
    allow: frozenset[int] = frozenset()
    method: str = "primary"
    have: int = 1
    want: int = 1
    seconds: int = 900
    instant: datetime | None = None
    told: bool = True
    """False where nothing was archived of an interval: there may be no value of it, or one that says missing."""


Channel = dict[datetime, Val]


@dataclass
class Month:
    """Everything that is expected. `channels`: the intervals, by point and C of the code."""

    channels: dict[tuple[str, str], Channel] = field(default_factory=dict)
    values: dict[Key, Val] = field(default_factory=dict)
    substituted: int = 0
    day_findings: dict[tuple[str, str, date], list[tuple[str, bool]]] = field(default_factory=lambda: defaultdict(list))
    """What was found on a day as a whole: the rule, and whether it makes the day distorted."""
    states: dict[tuple[str, str], dict[datetime, Decimal]] = field(default_factory=dict)
    """Of registers, at midnight, by point and C of the code."""
    read: dict[tuple[str, str, datetime], int] = field(default_factory=dict)
    """The readings of these states, and of the shop at noon."""


def legal_day(end: datetime) -> date:
    """The day to which an interval belongs that ends then."""
    return (end - QUARTER).astimezone(PRAGUE).date()


LABELS = {end: (end - QUARTER).astimezone(PRAGUE).time() for end in ENDS}
"""What the clock shows when an interval begins."""
OF_DAY = {day: [end for end in ENDS if legal_day(end) == day] for day in DAYS}
AT: dict[tuple[date, time], list[datetime]] = defaultdict(list)
"""The ends of the intervals that begin at that time of that day: two of them in the hour that comes twice."""
for _end in ENDS:
    AT[legal_day(_end), LABELS[_end]].append(_end)


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
    substitute(found)
    _virtual(found)
    _layers(found)
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
        if row.kind == "register" and row.code.endswith(".8.0"):
            point, code = points[row.meter], row.code[4]
            found.read[point, code, row.at] = number
            if point != "shop":
                found.states.setdefault((point, code), {})[row.at] = Decimal(row.text)


# -- validation -------------------------------------------------------------------------------------------------------


def _named(value: Val, rule: str, flags: Flag = NONE) -> None:
    value.rules |= {rule}
    value.flags |= flags


def comparable_days(day: date) -> list[date]:
    """Days of the same class in the four weeks before."""

    def kind(one: date) -> str:
        return "sunday" if one.weekday() == 6 or one in HOLIDAYS else str(one.weekday())

    before = [day - timedelta(days=n) for n in range(1, 29)]
    return [one for one in before if one in DAYS and kind(one) == kind(day)]


def alike(channel: Channel, end: datetime) -> list[Val]:
    """What was truly metered at the same time of comparable days."""
    ends = [at for day in comparable_days(legal_day(end)) for at in AT[day, LABELS[end]]]
    return [channel[at] for at in ends if channel[at].status == TRUE]


def median(amounts: Iterable[Fraction]) -> Fraction:
    """Of an even number the middle of the two in the middle."""
    ordered = sorted(amounts)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


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


# -- substitution -----------------------------------------------------------------------------------------------------


def substitute(found: Month) -> None:
    """For north, own and the shop; nothing for the others. It is long after every deadline."""
    for (point, code), channel in found.channels.items():
        if point not in ("north", "own", "shop"):
            continue
        control = found.channels.get(("north-control", code), {}) if point == "north" else {}
        drafts: Channel = {}
        exact: dict[datetime, Fraction] = {}
        for bad, run in groupby(ENDS, key=lambda end: channel[end].status != TRUE):
            ends = list(run)
            if bad:
                _gap(ends, channel, control, drafts, exact)
        if point == "own":
            states = found.states[point, code]
            for first, last in pairwise(sorted(states)):
                ends = [end for end in ENDS if first < end <= last]
                advance = Fraction(states[last]) - Fraction(states[first])
                both = frozenset({found.read[point, code, first], found.read[point, code, last]})
                _share(advance, ends, channel, drafts, exact, both)
        if point == "shop":  # the totals on both sides of the gap say how much it was altogether
            noon = frozenset(n for (name, _, _), n in found.read.items() if name == "shop")
            for bad, run in groupby(ENDS, key=lambda end: end in drafts):
                ends = list(run)
                if bad:
                    advance = Fraction(raw.TOTALS[ends[-1]] - raw.TOTALS[ends[0] - QUARTER], 1000)
                    _share(advance, ends, channel, drafts, exact, frozenset())
                    for end in ends:  # those of noon say the same
                        near = [one for at, one in channel.items() if abs(at - end) <= timedelta(days=1)]
                        drafts[end].allow |= noon.union(*(one.allow for one in near))
        for end, one in drafts.items():
            before = channel[end]
            channel[end] = replace(one, flags=before.flags, allow=one.allow | one.need | before.allow, told=True)
            found.substituted += 1


def _gap(
    ends: list[datetime], channel: Channel, control: Channel, drafts: Channel, exact: dict[datetime, Fraction]
) -> None:
    before, after = channel.get(ends[0] - QUARTER), channel.get(ends[-1] + QUARTER)
    for place, end in enumerate(ends, 1):
        other = control.get(end)
        if other is not None and other.status == TRUE:
            drafts[end] = Val(other.amount, SUBSTITUTE, need=other.need, method="control")
            continue
        if len(ends) <= 8 and before is not None and after is not None:
            low, high = before.amount, after.amount
            assert low is not None and high is not None
            exact[end] = low + (high - low) * place / (len(ends) + 1)
            drafts[end] = Val(_rounded(exact[end]), SUBSTITUTE, need=before.need | after.need, method="interpolated")
            continue
        if others := alike(channel, end):
            exact[end] = median(one.amount for one in others if one.amount is not None)
            need = frozenset(n for one in others for n in one.need)
            drafts[end] = Val(_rounded(exact[end]), SUBSTITUTE, need=need, method="comparable")


def _rounded(number: Fraction) -> Fraction:
    """To six digits: three more than there were."""
    return Fraction(round(number * 10**6), 10**6)


def _share(
    advance: Fraction,
    ends: list[datetime],
    channel: Channel,
    drafts: Channel,
    exact: dict[datetime, Fraction],
    states: frozenset[int],
) -> None:
    """In proportion, what the others leave of the advance; what rounding leaves goes to those that lost most by it, of
    equal ones to the first."""
    mine = [end for end in ends if end in exact]
    if not mine:
        return
    others = [channel[end] for end in ends if end not in drafts]
    rest = advance - sum((one.amount or Fraction(0) for one in others), Fraction(0))
    whole = sum(exact[end] for end in mine)
    wanted = {end: rest * exact[end] / whole if whole else rest / len(mine) for end in mine}
    units = {end: wanted[end] * 10**6 // 1 for end in mine}
    left = int(rest * 10**6 - sum(units.values()))
    for end in sorted(mine, key=lambda one: (units[one] - wanted[one] * 10**6, one))[:left]:
        units[end] += 1
    inputs = frozenset().union(*(drafts[end].need for end in mine), *(one.allow for one in others))
    for end in mine:
        drafts[end].amount = Fraction(units[end], 10**6)
        drafts[end].need |= states
        drafts[end].allow |= inputs


# -- sums -------------------------------------------------------------------------------------------------------------

SUMS = {
    "total": ({"north": 1, "south": 1, "own": -1}, False),
    "site": ({"north": 1, "shop": 1}, True),
    "all": ({"total": 1, "shop": 1}, False),
}


def _virtual(found: Month) -> None:
    for name, (terms, partial) in SUMS.items():
        codes = [code for code in "1234" if all((part, code) in found.channels for part in terms)]
        for code in codes:
            parts = [(factor, found.channels[part, code]) for part, factor in terms.items()]
            found.channels[name, code] = {
                end: summed([(factor, channel[end]) for factor, channel in parts], partial, "sum") for end in ENDS
            }


def summed(terms: Sequence[tuple[int, Val]], partial: bool, method: str) -> Val:
    """Status, flags and findings of all; missing where one is."""
    values = [one for _, one in terms]
    flags = Flag(0)
    for one in values:
        flags |= one.flags
    status = max(one.status for one in values)
    there = [factor * one.amount for factor, one in terms if one.amount is not None]
    amount = sum(there, Fraction(0)) if there and (status != MISSING or partial) else None
    return Val(
        amount,
        status,
        flags,
        frozenset().union(*(one.rules for one in values)),
        frozenset().union(*(one.need for one in values)),
        frozenset().union(*(one.allow for one in values)),
        method,
        sum(one.have for one in values),
        sum(one.want for one in values),
        sum(one.seconds for one in values) if method == "aggregate" else values[0].seconds,
    )


def _layers(found: Month) -> None:
    for (point, code), channel in found.channels.items():
        name, partial = raw.NAMES[code] + "*255", SUMS.get(point, ({}, False))[1]
        for end, value in channel.items():
            found.values[point, "interval", name, end] = value
        days: Channel = {}
        for day in DAYS:
            end = wall(day + timedelta(days=1))
            of_day = _of_day(channel, day)
            days[end] = summed([(1, one) for one in of_day.values()], partial, "aggregate")
            for rule, distorts in found.day_findings.get((point, code, day), ()):
                days[end].rules |= {rule}
                if distorts:
                    days[end].status = max(days[end].status, DISTORTED)
            found.values[point, "day", name, end] = days[end]
        found.values[point, "month", name, END] = summed([(1, one) for one in days.values()], partial, "aggregate")
        found.values[point, "maximum", f"1-0:{code}.6.0*255", END] = _maximum(channel)
        if point in ("shop", "site", "all"):  # evaluated by the hour
            for place in range(0, len(ENDS), 4):
                hour = ENDS[place : place + 4]
                found.values[point, "evaluation", name, hour[-1]] = summed(
                    [(1, channel[end]) for end in hour], partial, "aggregate"
                )
    _losses(found)


def _maximum(channel: Channel) -> Val:
    every = list(channel.values())
    there = [end for end in ENDS if channel[end].amount is not None and channel[end].status != MISSING]
    at = max(there, key=lambda end: (channel[end].amount, -end.timestamp()))
    highest = channel[at].amount
    assert highest is not None
    both = summed([(1, one) for one in every], True, "aggregate")
    seconds = int((END - BEGIN).total_seconds())
    return replace(both, amount=highest * 4, need=channel[at].need, instant=at, seconds=seconds)


def _losses(found: Month) -> None:
    """Of the shop 4 % of its energy; of south calculated: 6300 kVA, 8 kW without and 50 kW with full load."""
    name = raw.NAMES["1"] + "*255"
    for end, value in found.channels["shop", "1"].items():
        amount = None if value.amount is None else value.amount * Fraction(4, 100)
        found.values["shop", "loss", name, end] = replace(value, amount=amount, method="loss")
    for end in ENDS:
        parts = [found.channels["south", code][end] for code in "1234"]
        both = summed([(1, one) for one in parts], False, "loss")
        amounts = [one.amount for one in parts if one.amount is not None]
        if len(amounts) == 4:
            active, reactive = 4 * (amounts[0] - amounts[1]), 4 * (amounts[2] - amounts[3])
            lost = 8 + 50 * (active**2 + reactive**2) / Fraction(6300) ** 2
            both.amount = lost / 4
        both.have, both.want = (1, 1) if both.amount is not None else (0, 1)
        both.method = "loss" if both.amount is not None else ""
        found.values["south", "loss", name, end] = both
