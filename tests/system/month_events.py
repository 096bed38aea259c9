"""What has to be told of the simulated month, as events: what rules have found, and where substitutes are used.

Rules: requirement U10, docs/metering/validation.md and substitution.md: one for each point, channel and day (or month),
whatever the order in which readings came; what is so in the end was told once more than it was over.
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import timedelta

from gatewayd.model import Archived, Kind
from tests.system import month_raw as raw
from tests.system.month_raw import BEGIN, DAYS, wall
from tests.system.month_value import OF_DAY, Event, Month, legal_day

RECOUNTED = "ratio.recounted"
"""Told once for a channel, on whichever day it is seen first: here as of the beginning."""
SUBSTITUTES = {"control", "interpolated", "comparable", "estimate", "manual"}


def of_rules(found: Month) -> None:
    """Of the channels before anything of them is replaced. Virtual points have none of their own, and a verification is
    one of the whole point. That south has another ratio since the 16th was written down late."""
    for (point, code), channel in found.channels.items():
        for day in DAYS:
            rules = {rule for rule, _ in found.day_findings.get((point, code, day), ())}
            rules = rules.union(*(channel[end].rules for end in OF_DAY[day]))
            end, name = wall(day + timedelta(days=1)), f"{raw.NAMES[code]}*255"
            names = {rule: "None" if rule == "verification" else name for rule in rules}
            found.events |= {(point, f"validation.{rule}", whose, "day", end) for rule, whose in names.items()}
    found.events |= {("south", RECOUNTED, f"{name}*255", "interval", BEGIN) for name in raw.NAMES.values()}


def of_substitutes(found: Month) -> None:
    """Of intervals by the day that they are in, of what was entered by its day, of registers by the month."""
    for (point, layer, name, at), value in found.values.items():
        if value.method in SUBSTITUTES and value.status:
            end = at if layer != "interval" else wall(legal_day(at) + timedelta(days=1))
            found.events.add((point, "substitution.used", name, layer, end))


def told(archived: Iterable[Archived]) -> dict[Event, list[str]]:
    """What was told, one after the other: `found` and `over`."""
    found: dict[Event, list[str]] = defaultdict(list)
    for one in archived:
        reading = one.reading
        if reading.kind is Kind.EVENT:
            at = BEGIN if reading.obis_raw == RECOUNTED else reading.at
            key = reading.meter, reading.obis_raw, str(reading.obis), reading.more[0], at
            found[key].append(reading.raw_text)
    return found


def repeated(archived: Iterable[Archived]) -> list[tuple[Event, list[str]]]:
    """What was told twice, or was over before it was told."""
    return [
        (key, states)
        for key, states in told(archived).items()
        if any(state != ("over" if place % 2 else "found") for place, state in enumerate(states))
    ]


def standing(archived: Iterable[Archived]) -> set[Event]:
    """What is so in the end."""
    return {key for key, states in told(archived).items() if states[-1] == "found"}
