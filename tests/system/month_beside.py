"""What has to come out of the rest of the simulated month: gas days, months of registers, and netted phases.

Rules: those of month_value.py; requirements Q6, Q7, T6, M8 and U2 to U4, and docs/metering/aggregation.md, points.md
and substitution.md. Months of registers are written down one by one, with what each of them is made of.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from fractions import Fraction
from itertools import pairwise

from gatewayd.model import Flag
from tests.system import month_beside_raw as beside
from tests.system.month_beside_raw import GAS, GAS_BEGIN, GAS_END, HOUR, HOURS, PHASES, month_start
from tests.system.month_entered import ENTERED_GAS, ESTIMATED
from tests.system.month_raw import BEGIN, DAYS, END, PRAGUE, Row, wall
from tests.system.month_sums import by_hand, flat
from tests.system.month_value import MISSING, PROVISIONAL, SUBSTITUTE, TRUE, Channel, Month, Val, summed

Read = dict[tuple[str, str, datetime], list[tuple[int, Row]]]
OF_HOURS = HOURS[:745]
"""The hours of October."""
MONTHLY = tuple(beside.STATES)


def beside_month(found: Month, rows: Sequence[Row]) -> None:
    """Of all readings, in the order in which they came."""
    read: Read = {}
    for number, row in enumerate(rows):
        read.setdefault((row.meter, row.code, row.at), []).append((number, row))
    _gas(found, read)
    for point, (meter, ratio) in beside.PHASE_METERS.items():
        _phases(found, read, point, meter, ratio)
    for point in MONTHLY:
        _months(found, read, point)


def _hours(found: Month, point: str, name: str, channel: Channel, days: Iterable[date]) -> list[Val]:
    """The hours and the legal-time days of a channel."""
    sums: list[Val] = []
    for end, value in channel.items():
        found.values[point, "interval", name, end] = value
    for day in days:
        start, end = wall(day), wall(day + timedelta(days=1))
        sums.append(summed([(1, channel[one]) for one in HOURS if start < one <= end], False, "aggregate"))
        found.values[point, "day", name, end] = sums[-1]
    return sums


def _highest(channel: Channel, first: datetime, last: datetime) -> Val:
    """The maximum of a time: of hours the mean power is as much as the energy."""
    ends = [end for end in channel if first < end <= last]
    both = summed([(1, channel[end]) for end in ends], True, "aggregate")
    there = [end for end in ends if channel[end].amount is not None]
    at = max(there, key=lambda end: (channel[end].amount, -end.timestamp()))
    seconds = int((last - first).total_seconds())
    return replace(both, amount=channel[at].amount, need=channel[at].need, instant=at, seconds=seconds)


# -- gas --------------------------------------------------------------------------------------------------------------


def _gas(found: Month, read: Read) -> None:
    """The differences of the index; the month is that of gas days, of which that of the 25th has 25 hours."""
    name, channel = f"{GAS}*255", Channel()
    for end in HOURS:
        first, last = read["gm-1", GAS, end - HOUR], read["gm-1", GAS, end]
        every = frozenset(number for number, _ in (*first, *last))
        before, after = first[-1], last[-1]  # the late one comes last
        flags = before[1].flags | after[1].flags
        if not before[1].text or not after[1].text:
            channel[end] = Val(None, MISSING, flags, need=every, allow=every, method="", have=0, seconds=3600)
            continue
        amount = Fraction(after[1].text) - Fraction(before[1].text)
        assert amount * 1000 == beside.VOLUMES[end]
        need = frozenset({before[0], after[0]})
        channel[end] = Val(amount, TRUE, flags, need=need, allow=every, seconds=3600)
    _hours(found, "boiler", name, channel, DAYS)
    first_hours = [(1, channel[one]) for one in HOURS if one <= GAS_BEGIN]
    found.values["boiler", "gas_day", name, GAS_BEGIN] = _begun(summed(first_hours, False, "aggregate"), 24)
    found.values["boiler", "month", name, GAS_BEGIN] = _begun(summed(first_hours, False, "aggregate"), 720)
    september = _highest(channel, BEGIN, GAS_BEGIN)
    found.values["boiler", "maximum", name, GAS_BEGIN] = replace(_begun(september, 720), amount=september.amount)
    days: list[Val] = []
    for day in DAYS:
        start, end = wall(day, "06:00"), wall(day + timedelta(days=1), "06:00")
        hours = [channel[one] for one in HOURS if start < one <= end]
        assert len(hours) == (25 if day == date(2025, 10, 25) else 24)
        whole = summed([(1, one) for one in hours], False, "aggregate")
        if day in ENTERED_GAS:
            assert whole.status == MISSING
            whole = by_hand(whole, ENTERED_GAS[day])
        days.append(whole)
        found.values["boiler", "gas_day", name, end] = whole
    found.values["boiler", "month", name, GAS_END] = summed([(1, one) for one in days], False, "aggregate")
    found.values["boiler", "maximum", name, GAS_END] = _highest(channel, GAS_BEGIN, GAS_END)


def _begun(last: Val, want: int) -> Val:
    """A gas day, or month, of which there are the last six hours: nothing is known of what was before."""
    assert last.have == 6
    return replace(last, amount=None, status=MISSING, want=want, seconds=want * 3600)


# -- phases -----------------------------------------------------------------------------------------------------------


def _phases(found: Month, read: Read, point: str, meter: str, ratio: int) -> None:
    channels: dict[str, Channel] = {code: {} for code in (*PHASES, "1", "2")}
    for code, name in PHASES.items():
        for end in OF_HOURS:
            there = read.get((meter, name, end), [])
            every = frozenset(number for number, _ in there)
            if not there or not there[-1][1].text:
                flags = there[-1][1].flags if there else Flag(0)
                lost = Val(None, MISSING, flags, need=every, allow=every, method="", have=0, seconds=3600)
                channels[code][end] = lost
                continue
            row = there[-1][1]
            amount = Fraction(row.text) * ratio
            channels[code][end] = Val(amount, int(row.status), row.flags, need=every, allow=every, seconds=3600)
    for end in OF_HOURS:
        legs = {code: channels[code][end] for code in PHASES}
        both = summed([(1, one) for one in legs.values()], False, "netted")
        taken, given = ("21", "41", "61"), ("22", "62")
        plus, minus = (
            None if both.amount is None else sum((legs[code].amount or Fraction(0) for code in codes), Fraction(0))
            for codes in (taken, given)
        )
        if plus is not None and minus is not None and point == "saldo":
            plus, minus = max(plus - minus, Fraction(0)), max(minus - plus, Fraction(0))
        channels["1"][end], channels["2"][end] = replace(both, amount=plus), replace(both, amount=minus)
    for code, channel in channels.items():
        name = f"1-0:{code}.29.0*255"
        days = _hours(found, point, name, channel, DAYS)
        usual = [one.amount for one in days if one.amount is not None]
        assert 0 < max(usual) < 3 * min(usual), "no day is unusual"
        amounts = [value.amount for value in channel.values()]
        assert all(any(amounts[place : place + 6]) for place in range(len(amounts) - 5)), "and never nothing for hours"
        found.values[point, "month", name, END] = summed([(1, one) for one in days], False, "aggregate")
        found.values[point, "maximum", f"1-0:{code}.6.0*255", END] = _highest(channel, BEGIN, END)


# -- months of registers ----------------------------------------------------------------------------------------------

NAME = "1-0:1.8.0*255"
CT = 20


def _months(found: Month, read: Read, point: str) -> None:
    """By the point."""
    meter = beside.REGISTER_METERS[point]
    states = {at: (text, read[meter, "1-0:1.8.0", at][0][0]) for at, text in beside.STATES[point]}
    true: dict[datetime, Val] = {}

    def metered(first: datetime, last: datetime, end: datetime, more: int = 0, flags: Flag = Flag(0)) -> None:  # noqa: B008
        low, high = states[first], states[last]
        amount = (Fraction(high[0]) - Fraction(low[0]) + more) * CT
        both = frozenset({low[1], high[1]})
        true[end] = Val(amount, TRUE, flags, need=both, allow=both, seconds=_seconds(end))

    def of_others(end: datetime, other: datetime) -> Val:
        """By the days, to three digits more than there were."""
        theirs, mine = true[other], _days(end)
        assert theirs.amount is not None
        amount = Fraction(round(theirs.amount * mine * 1000 / _days(other)), 1000)
        return replace(theirs, amount=amount, status=SUBSTITUTE, method="comparable", seconds=_seconds(end))

    def together(first: datetime, last: datetime, ends: Sequence[datetime], *others: datetime) -> dict[datetime, Val]:
        """Months with no state between them, by days, to whole units; the last one takes the rest. `others`: true
        months that are as long as they have to be, of the same kind."""
        low, high = states[first], states[last]
        left, days = (Fraction(high[0]) - Fraction(low[0])) * CT, sum(map(_days, ends))
        used = frozenset({low[1], high[1]}).union(*(true[one].need for one in others))
        method = "comparable" if others else "interpolated"
        parts = [Fraction(round(left * _days(end) / days)) for end in ends[:-1]]
        parts.append(left - sum(parts))
        return {
            end: Val(part, SUBSTITUTE, need=used, allow=used, method=method, seconds=_seconds(end))
            for end, part in zip(ends, parts, strict=True)
        }

    if point == "depot":
        late_august = month_start(2025, 9) - timedelta(minutes=20)
        metered(late_august, month_start(2025, 10), month_start(2025, 10))
        metered(month_start(2025, 10), beside.BY_HAND, END, flags=Flag.MANUAL)
        months = true
    elif point == "villa":
        ends = [month_start(2024, number) for number in range(10, 24)]
        for first, last in pairwise(ends):
            if first in states and last in states:
                metered(first, last, last)
        months = dict(true)
        february, ended = month_start(2025, 2), (month_start(2025, 3), month_start(2025, 4))
        months |= together(february, ended[-1], ended, february)  # in proportion to the period before: January
        months[END] = of_others(END, month_start(2024, 11))  # the same of the year before
    elif point == "shed":
        metered(month_start(2025, 8), month_start(2025, 9), month_start(2025, 9), 100_000, Flag.OVERFLOW)
        metered(month_start(2025, 9), month_start(2025, 10), month_start(2025, 10))
        months = {**true, END: of_others(END, month_start(2025, 10))}  # the period before
    elif point == "stall":
        metered(month_start(2025, 10), END, END)
        ends = [month_start(2025, 9), month_start(2025, 10)]
        months = {**true, **together(month_start(2025, 8), ends[-1], ends)}  # nothing was before
    else:
        assert point == ESTIMATED[0]
        amount = Fraction(ESTIMATED[1])
        months = {END: Val(amount, PROVISIONAL, Flag.MANUAL, method="estimate", seconds=_seconds(END))}
    for end, value in months.items():
        found.values[point, "month", NAME, end] = value
        if point == "depot":
            found.values[point, "loss_month", NAME, end] = flat(value)


def _begin(end: datetime) -> datetime:
    """Of the month that ends then."""
    return wall((end - HOUR).astimezone(PRAGUE).date().replace(day=1))


def _seconds(end: datetime) -> int:
    return int((end - _begin(end)).total_seconds())


def _days(end: datetime) -> int:
    """By the calendar."""
    return ((end - HOUR).astimezone(PRAGUE).date() - _begin(end).astimezone(PRAGUE).date()).days + 1


def in_window(point: str, at: datetime) -> bool:
    """Whether a value of a point, by its end, belongs to the simulated month; of registers what was before it too."""
    if point in MONTHLY:
        return at <= END
    return BEGIN < at <= (GAS_END if point == "boiler" else END)
