"""The rest of the simulated month: an index of gas, five meters of type C that have registers alone, and two that tell
each phase by itself.

Rules: those of month_raw.py. Gas and phases come by the hour; the last gas day ends in November, and registers were
read long before October.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta

from gatewayd.model import Flag
from tests.system.month_raw import (
    BEGIN,
    DISTORTED,
    LATE_AT,
    MISSING,
    TRUE,
    Batch,
    Row,
    changed,
    oct_,
    thousandths,
    wall,
)  # fmt: skip

HOUR = timedelta(hours=1)
GAS_BEGIN, GAS_END = oct_(1, "06:00"), oct_(32, "06:00")
"""Of the month of gas."""
HOURS = [BEGIN + HOUR * n for n in range(1, 746 + 6)]
"""Ends of the hours from the beginning of October to the end of its last gas day; the first 745 are October."""
GAS = "7-0:3.0.0"
PHASES = {"21": "1-0:21.29.0", "22": "1-0:22.29.0", "41": "1-0:41.29.0", "61": "1-0:61.29.0", "62": "1-0:62.29.0"}
PHASE_METERS = {"saldo": ("pm-1", 1), "phases": ("pm-2", 10)}
"""The meter of a point, and its ratio."""


def _volumes() -> dict[datetime, int]:
    """What went through in each hour, in litres."""
    chance = random.Random(706)
    return {end: 900 + chance.randrange(900) for end in HOURS}


VOLUMES = _volumes()
INDEX_LOST = {oct_(9, "02:00"), oct_(9, "03:00"), oct_(12, "10:00")}
"""Two of the gas day of the 8th, one of that of the 12th."""
INDEX_LATE = {oct_(32, "02:00")}
"""Of the last gas day of October, in November."""


def index() -> dict[datetime, int]:
    """What the index showed, in litres."""
    found = {BEGIN: 98_765_432}
    for end in HOURS:
        found[end] = found[end - HOUR] + VOLUMES[end]
    return found


INDEX = index()


def _gas() -> Iterator[Row]:
    for at, litres in INDEX.items():
        row = Row("gm-1", GAS, at, thousandths(litres), "m3", seconds=3600)
        yield changed(row, "", MISSING, Flag.NOT_SENT) if at in INDEX_LOST | INDEX_LATE else row


KINDS = ((3, 0, 1, 0, 2), (1, 0, 0, 0, 3), (1, 0, 1, 0, 2), (2, 0, 1, 1, 0), (0, 2, 1, 0, 1), (1, 1, 1, 1, 1))
"""What phases took and gave in an hour, in the order of PHASES: what is left is taken, given, nothing, and so on."""


def _phases() -> dict[tuple[str, str], dict[datetime, int]]:
    """By point and C of the code, in Wh behind the transformers."""
    chance, found = random.Random(306), dict[tuple[str, str], dict[datetime, int]]()
    for point in PHASE_METERS:
        for place, end in enumerate(HOURS[:745]):
            kind = KINDS[place % len(KINDS)]
            scale = 100 + chance.randrange(40)
            for code, amount in zip(PHASES, kind, strict=True):
                found.setdefault((point, code), {})[end] = amount * scale
    return found


PHASE_ENERGIES = _phases()
PHASE_LOST = {("saldo", "41", oct_(20, "12:00")), ("phases", "62", oct_(21, "09:00"))}
PHASE_MUTE = {("saldo", "22", oct_(21, "05:00"))}
"""Of this hour nobody has told this phase."""
PHASE_SPOILED = {("phases", "61", oct_(22, "07:00")), ("saldo", "21", oct_(26, "03:00"))}


def _of_phases(point: str) -> Iterator[Row]:
    for (name, code), amounts in PHASE_ENERGIES.items():
        for end, amount in amounts.items() if name == point else ():
            row = Row(PHASE_METERS[point][0], PHASES[code], end, thousandths(amount), seconds=3600)
            if (point, code, end) in PHASE_LOST:
                yield changed(row, "", MISSING, Flag.NOT_SENT)
            elif (point, code, end) in PHASE_SPOILED:
                yield changed(row, None, DISTORTED, Flag.DISTURBED)
            elif (point, code, end) not in PHASE_MUTE:
                yield row


def month_start(year: int, month: int) -> datetime:
    """The beginning of a month of legal time; the 13th is January."""
    return wall(date(year + (month - 1) // 12, (month - 1) % 12 + 1, 1))


_VILLA = (1000, 1031, 1080, 1142, 1201, None, 1290, 1330, 1360, 1385, 1402, 1425, 1451, None)
"""From October 2024 on: nobody has read it at the beginning of March 2025, nor at the end of October."""
STATES: dict[str, tuple[tuple[datetime, str], ...]] = {
    "villa": tuple(
        (month_start(2024, 10 + place), str(state)) for place, state in enumerate(_VILLA) if state is not None
    ),
    "shed": ((month_start(2025, 8), "99950"), (month_start(2025, 9), "00020"), (month_start(2025, 10), "00083")),
    "kiosk": ((month_start(2025, 10), "500"),),
    "stall": ((month_start(2025, 8), "700"), (month_start(2025, 10), "760"), (month_start(2025, 11), "793")),
    "depot": (
        (month_start(2025, 9) - timedelta(minutes=20), "300"),
        (month_start(2025, 9) + timedelta(hours=5), "301"),
        (month_start(2025, 10), "350.5"),
        (oct_(31, "12:00"), "407.25"),
        (oct_(32, "10:00"), "409"),
    ),
}
"""What registers showed, by the point. That of depot of the last day of October was read by hand."""
BY_HAND = oct_(31, "12:00")
REGISTER_METERS = {point: f"rm-{number}" for number, point in enumerate(STATES, 1)}


def _states(point: str) -> Iterator[Row]:
    for at, text in STATES[point]:
        flags = Flag.MANUAL if at == BY_HAND else Flag(0)
        yield Row(REGISTER_METERS[point], "1-0:1.8.0", at, text, flags=flags, kind="register")


def _by_days(rows: Sequence[Row]) -> Iterator[Batch]:
    """What a meter has sent on the morning after."""
    days = sorted({(row.at - timedelta(microseconds=1)).date() for row in rows})
    for day in days:
        found = tuple(row for row in rows if (row.at - timedelta(microseconds=1)).date() == day)
        yield Batch(found[-1].at + timedelta(hours=2), "profile P.01", found)


def batches_beside() -> list[Batch]:
    """Everything, as it came."""
    gas = tuple(_gas())
    found = [*_by_days(gas)]
    for point in PHASE_METERS:
        found += _by_days(sorted(_of_phases(point), key=lambda row: row.at))
    for point in STATES:
        found += [Batch(row.at + timedelta(minutes=5), "registers all", (row,)) for row in _states(point)]
    late = tuple(
        changed(replace(row, text=thousandths(INDEX[row.at])), None, TRUE, Flag.LATE)
        for row in gas
        if row.at in INDEX_LATE
    )
    return sorted([*found, Batch(LATE_AT, "profile P.01", late)], key=lambda one: (one.when, one.rows[0].meter))
