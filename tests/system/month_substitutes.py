"""The substitutes of the simulated month: of the control metering, of the neighbours, of comparable days.

Rules: those of month_value.py; PPDS annex 5, 2.14, and docs/metering/substitution.md.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from fractions import Fraction
from itertools import groupby, pairwise

from gatewayd.model import Flag
from tests.system import month_raw as raw
from tests.system.month_raw import ENDS, QUARTER
from tests.system.month_value import SUBSTITUTE, TRUE, Channel, Month, Val, alike, median

EXCHANGED = Flag.CONFIG_CHANGED | Flag.PARTIAL_INTERVAL


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
            if point == "north" and before.flags & EXCHANGED == EXCHANGED and one.method != "control":
                continue  # both meters have told their part of it: nothing is put in its place but a true control value
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
