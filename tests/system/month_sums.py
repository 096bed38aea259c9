"""The sums of the simulated month: of points, over hours, days and the month, its maxima and its losses.

Rules: those of month_value.py; docs/metering/aggregation.md and losses.md; substitution.md of what was entered.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from fractions import Fraction

from gatewayd.model import Flag
from tests.system import month_raw as raw
from tests.system.month_entered import ENTERED
from tests.system.month_raw import BEGIN, DAYS, END, ENDS, wall
from tests.system.month_value import DISTORTED, MISSING, OF_DAY, SUBSTITUTE, Channel, Month, Val, summed

SUMS = {
    "total": ({"north": 1, "south": 1, "own": -1}, False),
    "site": ({"north": 1, "shop": 1}, True),
    "all": ({"total": 1, "shop": 1}, False),
}


def virtual(found: Month) -> None:
    for name, (terms, partial) in SUMS.items():
        codes = [code for code in "1234" if all((part, code) in found.channels for part in terms)]
        for code in codes:
            parts = [(factor, found.channels[part, code]) for part, factor in terms.items()]
            found.channels[name, code] = {
                end: summed([(factor, channel[end]) for factor, channel in parts], partial, "sum") for end in ENDS
            }


def layers(found: Month) -> None:
    for (point, code), channel in found.channels.items():
        name, partial = raw.NAMES[code] + "*255", SUMS.get(point, ({}, False))[1]
        for end, value in channel.items():
            found.values[point, "interval", name, end] = value
        days: Channel = {}
        for day in DAYS:
            end = wall(day + timedelta(days=1))
            days[end] = summed([(1, channel[one]) for one in OF_DAY[day]], partial, "aggregate")
            for rule, distorts in found.day_findings.get((point, code, day), ()):
                days[end].rules |= {rule}
                if distorts:
                    days[end].status = max(days[end].status, DISTORTED)
            if (amount := ENTERED.get((point, code, day))) is not None:
                days[end] = by_hand(days[end], amount)
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


def by_hand(day: Val, amount: int) -> Val:
    """What counts in place of the sum of a day that is not true: of all of its intervals, and of no reading."""
    flags = day.flags | Flag.MANUAL
    return Val(Fraction(amount), SUBSTITUTE, flags, method="manual", have=day.want, want=day.want, seconds=day.seconds)


def _losses(found: Month) -> None:
    """Of the shop 4 % of its energy; of south calculated: 6300 kVA, 8 kW without and 50 kW with full load."""
    name = raw.NAMES["1"] + "*255"
    for end, value in found.channels["shop", "1"].items():
        found.values["shop", "loss", name, end] = flat(value)
    for day in DAYS:
        at = wall(day + timedelta(days=1))
        found.values["shop", "loss_day", name, at] = flat(found.values["shop", "day", name, at])
    found.values["shop", "loss_month", name, END] = flat(found.values["shop", "month", name, END])
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
    days: list[Val] = []
    for day in DAYS:
        at = wall(day + timedelta(days=1))
        every = [found.values["south", "loss", name, end] for end in OF_DAY[day]]
        days.append(_lost(found, every, "day", at))
        found.values["south", "loss_day", name, at] = days[-1]
    found.values["south", "loss_month", name, END] = _lost(found, days, "month", END)


def flat(energy: Val) -> Val:
    """Of what is there at all."""
    if energy.amount is None:
        return replace(energy, method="")
    return replace(energy, amount=energy.amount * Fraction(4, 100), method="loss")


def _lost(found: Month, parts: list[Val], layer: str, at: datetime) -> Val:
    """The sum of calculated losses, with the status, flags and findings of the energies of that time."""
    both = summed([(1, one) for one in parts], False, "aggregate")
    for code in "1234":
        energy = found.values["south", layer, f"{raw.NAMES[code]}*255", at]
        both.flags |= energy.flags
        both.rules |= energy.rules
        if both.amount is not None and energy.amount is not None:
            both.status = max(both.status, energy.status)
    both.method = "" if both.amount is None else "loss"
    return both
