"""The simulated month: what five meters and the one that takes the place of the first have sent of October 2025.

Rules: made of whole numbers and a fixed seed, so that it is the same each time. Nothing here is computed as the product
computes it: what a meter measured is written down first, then what of it was lost, spoiled, told twice or came late.
The month has 745 hours; the 28th, a Tuesday, is a public holiday. Gas, registers and phases: month_beside_raw.py.
"""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from gatewayd.archive.records import Entry
from gatewayd.model import NO_FLAGS, Exchange, Flag, Kind, Outcome, Ratio, RawStatus, Reading
from gatewayd.obis import Obis

PRAGUE = ZoneInfo("Europe/Prague")
QUARTER = timedelta(minutes=15)
DAYS = [date(2025, 10, 1) + timedelta(days=n) for n in range(31)]
TRUE, DISTORTED, MISSING = RawStatus.TRUE, RawStatus.DISTORTED, RawStatus.MISSING


def wall(day: date, text: str = "00:00", fold: int = 0) -> datetime:
    """A reading of the legal clock, in UTC; `fold=1` is the second of the two hours in autumn."""
    return datetime.combine(day, time.fromisoformat(text), PRAGUE).replace(fold=fold).astimezone(UTC)


def oct_(number: int, text: str = "00:00", fold: int = 0) -> datetime:
    """The same in October; the 32nd is the first of November."""
    return wall(date(2025, 10, 1) + timedelta(days=number - 1), text, fold)


BEGIN, END = oct_(1), oct_(32)
ENDS = [BEGIN + QUARTER * n for n in range(1, (END - BEGIN) // QUARTER + 1)]
EXCHANGED = oct_(14, "10:07")
"""At north em-7 takes the place of em-1."""
OTHER_CT = oct_(16, "13:20")
"""At south the current transformers are exchanged: 100/5 for 50/5."""
RATIOS = {
    "em-1": Ratio("200/5"),
    "em-7": Ratio("200/5"),
    "em-2": Ratio("200/5"),
    "em-3": Ratio("50/5", "22000/100"),
    "em-4": Ratio(),
    "em-5": Ratio(),
    "gm-1": Ratio(),
    **{f"rm-{number}": Ratio("100/5") for number in range(1, 6)},
    "pm-1": Ratio(),
    "pm-2": Ratio("50/5"),
}
"""What is archived with the readings; of em-3 that of the time before the change, which was written down late."""


@dataclass(frozen=True)
class Row:
    """One value as it is archived. `kind` "register" is a state at an instant."""

    meter: str
    code: str
    at: datetime
    text: str
    unit: str = "kWh"
    scaler: int = 0
    status: RawStatus = TRUE
    flags: Flag = NO_FLAGS
    kind: str = "interval"
    seconds: int = 900

    def reading(self) -> Reading:
        """As a driver hands it over."""
        seconds = self.seconds if self.kind == "interval" else None
        return Reading(
            self.meter, Obis.parse(self.code), self.code, Kind(self.kind), self.at, self.text.encode(), self.text,
            self.unit, self.scaler, self.status, self.flags, (), seconds,
        )  # fmt: skip


@dataclass(frozen=True)
class Batch:
    """What one exchange brought, and when."""

    when: datetime
    request: str
    rows: tuple[Row, ...]

    def entry(self, at: datetime | None = None) -> Entry:
        """As it is archived, then or when it came."""
        when = at or self.when
        ratio = RATIOS[self.rows[0].meter]
        meter = self.rows[0].meter
        exchange = Exchange(meter, "office", self.request, when, when, b"", Outcome.DONE)
        return Entry(exchange, tuple(one.reading() for one in self.rows), (ratio,) * len(self.rows), f"no-{meter}")


def between(first: datetime, last: datetime) -> set[datetime]:
    """Ends of the quarter-hours of a stretch of time."""
    return {end for end in ENDS if first < end <= last}


def shape(end: datetime) -> int:
    """0 at night to 1000 at noon: the curve of a day, by the legal clock."""
    local = (end - QUARTER).astimezone(PRAGUE)
    minutes = abs(local.hour * 60 + local.minute - 720)
    return max(0, 1000 - minutes * 1000 // 360)


@dataclass
class Measured:
    """What meters have measured, in thousandths of kWh on their own side: by meter and code, by end."""

    of: dict[tuple[str, str], dict[datetime, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        chance = random.Random(20251001)
        north = {code: {} for code in "1234"}  # type: dict[str, dict[datetime, int]]
        control = {code: {} for code in "12"}  # type: dict[str, dict[datetime, int]]
        for end in ENDS:
            sun, weekend = shape(end), (end - QUARTER).astimezone(PRAGUE).weekday() >= 5
            north["1"][end] = 200 + sun * (2 if weekend else 4) // 10 + chance.randrange(90)
            north["2"][end] = sun // 50
            north["3"][end] = 50 + sun // 20 + chance.randrange(30)
            north["4"][end] = 7
            for code in "12":
                control[code][end] = self._controlled(end, north[code][end], chance)
            self._put("em-3", end, (60 + sun // 12 + chance.randrange(20), 0, 20 + chance.randrange(9), 3), 10)
            share = 600 + chance.randrange(700)
            self._put("em-4", end, (30 + chance.randrange(20), sun * share // 400), 1)
            busy = 400 + sun // 2 + chance.randrange(200)
            closed = oct_(23, "09:00") < end <= oct_(23, "16:00")
            open_late = oct_(24) < end <= oct_(25)
            self._put("em-5", end, (0 if closed else busy * 5 if open_late else busy,), 1)
        for code in "1234":
            self.of["em-1", code] = {end: one for end, one in north[code].items() if end <= oct_(14, "10:00")}
            self.of["em-7", code] = {end: one for end, one in north[code].items() if end > oct_(14, "10:15")}
        for code in "12":
            self.of["em-2", code] = control[code]
        self._change_of_transformers()

    def _put(self, meter: str, end: datetime, amounts: tuple[int, ...], finer: int) -> None:
        for code, amount in zip("1234", amounts, strict=False):
            self.of.setdefault((meter, code), {})[end] = amount * finer

    def _controlled(self, end: datetime, main: int, chance: random.Random) -> int:
        """Of the control metering, in thousandths of a kilowatt: half a per cent beside the main one, at most."""
        power = main * 4
        if main < 100:  # of what is supplied: where so little flows the digits decide
            return power
        if oct_(8, "10:00") < end <= oct_(8, "10:15"):
            return power * 92 // 100
        if oct_(21) < end <= oct_(22):
            return power * 97 // 100
        return power + chance.randrange(-(power // 200), power // 200 + 1)

    def _change_of_transformers(self) -> None:
        """em-3 sees half as much behind transformers of twice the ratio; it counts in tenths of Wh."""
        for code in "1234":
            found = self.of["em-3", code]
            for end in ENDS:
                if end > OTHER_CT:
                    found[end] //= 2


MEASURED = Measured().of
NAMES = {"1": "1-0:1.29.0", "2": "1-0:2.29.0", "3": "1-0:3.29.0", "4": "1-0:4.29.0"}
POWERS = {"1": "1-0:1.5.0", "2": "1-0:2.5.0"}
STATES = {"1": "1-0:1.8.0", "2": "1-0:2.8.0"}


def thousandths(number: int) -> str:
    """`0.125` of 125."""
    return f"{Decimal(number) / 1000:.3f}"


def interval(meter: str, code: str, end: datetime, amount: int) -> Row:
    """What a meter sends of an interval."""
    if meter == "em-2":
        return Row(meter, POWERS[code], end, thousandths(amount), "kW")
    if meter == "em-3":
        return Row(meter, NAMES[code], end, str(amount), "Wh" if code in "12" else "varh", -1)
    return Row(meter, NAMES[code], end, thousandths(amount), "kWh" if code in "12" else "kvarh")


def changed(row: Row, text: str | None = None, status: RawStatus = TRUE, flags: Flag = NO_FLAGS) -> Row:
    """The same row, told in another way."""
    return replace(row, text=row.text if text is None else text, status=status, flags=flags)


# -- what was lost, spoiled, told twice, or came late ------------------------------------------------------------------

MUTE = {
    "em-1": between(oct_(9, "11:00"), oct_(9, "11:45")),
    "em-3": between(oct_(13, "21:00"), oct_(13, "21:30")),
}
"""Nothing was archived of these intervals, not even that they are missing."""
LOST = {
    "em-1": between(oct_(4, "02:00"), oct_(4, "06:00")) | between(oct_(5, "08:00"), oct_(5, "08:30")),
    "em-7": between(oct_(24, "14:00"), oct_(24, "14:45"))
    | between(oct_(26, "01:30"), oct_(26, "03:15"))
    | between(oct_(28, "10:00"), oct_(28, "13:00")),
    "em-2": between(oct_(9, "11:15"), oct_(9, "11:30")),
    "em-3": between(oct_(6, "03:00"), oct_(6, "04:15")) | between(oct_(7, "20:00"), oct_(7, "20:30")),
    "em-4": between(oct_(3, "17:00"), oct_(3, "18:15"))
    | between(oct_(15, "06:00"), oct_(15, "11:00"))
    | between(oct_(19, "23:30"), oct_(20, "00:30"))
    | between(oct_(26, "01:00"), oct_(26, "04:30"))
    | between(oct_(29, "10:00"), oct_(29, "10:30"))
    | between(oct_(30, "15:00"), oct_(30, "15:45")),
}
"""Told missing."""
TOTALS_LOST = {oct_(1, "06:15"), oct_(1, "06:30"), oct_(7, "10:15"), oct_(7, "10:30"), oct_(9, "15:00")}
"""On the first no register was read before; what its own totals have gone up by is known all the same."""
LATE = {
    "em-1": between(oct_(5, "08:00"), oct_(5, "08:30")),
    "em-3": between(oct_(6, "03:00"), oct_(6, "03:45")) | between(oct_(7, "20:00"), oct_(7, "20:30")),
}
TOTALS_LATE = {oct_(9, "15:00")}
POWER_CUT = {
    oct_(16, "18:15"): (TRUE, Flag.POWER_DOWN),
    oct_(16, "18:30"): (MISSING, Flag.POWER_DOWN | Flag.NOT_SENT),
    oct_(16, "18:45"): (TRUE, Flag.POWER_DOWN | Flag.RECOVERED),
}
SPOILED = {
    "em-7": between(oct_(23, "06:00"), oct_(23, "06:30")),
    "em-2": between(oct_(12, "16:00"), oct_(12, "16:15")),
    "em-3": between(oct_(18, "09:00"), oct_(18, "09:15")),
}
"""The meter itself says that something is wrong with them."""
SHORT = between(oct_(20, "13:00"), oct_(20, "13:30"))
"""Of these em-3 has told much too little; its register has not."""
SPIKE = oct_(22, "12:15")
"""Of this one em-4 has told 25 kWh, which no connection of 63 A carries."""
CONFLICTS = {"em-7": oct_(22, "12:15"), "em-3": oct_(22, "07:45")}
"""Told once more, with another number."""
MENDED = oct_(27, "14:00")
"""em-3 has told it as disturbed, and the same number once more as true."""
TESTED = between(oct_(14, "09:15"), oct_(14, "09:45"))
"""em-7 on its test bench, before it came to north."""
LATE_AT = oct_(34, "09:00")


def _row(meter: str, code: str, end: datetime, amount: int) -> Row | None:
    """What was archived of an interval on the morning after."""
    row = interval(meter, code, end, amount)
    if end in MUTE.get(meter, ()):
        return None
    if end in LOST.get(meter, ()):
        return changed(row, "", MISSING, Flag.NOT_SENT)
    if meter == "em-7" and end in POWER_CUT:
        status, flags = POWER_CUT[end]
        return changed(row, "" if status is MISSING else None, status, flags)
    if end in SPOILED.get(meter, ()):
        return changed(row, None, DISTORTED, Flag.DISTURBED)
    if meter == "em-3":
        if end == MENDED:
            return changed(row, None, DISTORTED, Flag.DISTURBED)
        if end in SHORT:
            return changed(row, "1")
    if meter == "em-4" and end == SPIKE and code == "1":
        return changed(row, "25.000")
    return row


def _totals() -> dict[datetime, int]:
    """The total register of the shop at each quarter-hour, in Wh."""
    state, found = 1_234_567, {BEGIN: 1_234_567}
    for end in ENDS:
        state += MEASURED["em-5", "1"][end]
        found[end] = state
    return found


TOTALS = _totals()


def _of_day(meter: str, day: date) -> Iterator[Row]:
    start, end = wall(day), wall(day + timedelta(days=1))
    ends = [one for one in ENDS if start < one <= end]
    if meter == "em-5":
        for one in [BEGIN, *ends] if start == BEGIN else ends:
            row = Row("em-5", "1-0:1.8.0", one, thousandths(TOTALS[one]))
            yield changed(row, "", MISSING, Flag.NOT_SENT) if one in TOTALS_LOST else row
        return
    for one in ends:
        for code in "1234":
            amount = MEASURED.get((meter, code), {}).get(one)
            told = None if amount is None else _row(meter, code, one, amount)
            if told is not None:
                yield told


def _exchange_of_meters() -> Iterator[Row]:
    """The rows that were cut: of em-1 until 10:07, of em-7 from then on."""
    for code, first, second in (("1", 150, 190), ("2", 4, 5), ("3", 30, 33), ("4", 3, 4)):
        yield changed(interval("em-1", code, EXCHANGED, first), None, DISTORTED, Flag.PARTIAL_INTERVAL)
        yield changed(interval("em-7", code, oct_(14, "10:15"), second), None, DISTORTED, Flag.PARTIAL_INTERVAL)
        for end in TESTED:
            yield interval("em-7", code, end, 999)


def _states(meter: str, of: str, code: str, unit: str, scaler: int, first: int) -> Iterator[Row]:
    """A register at each midnight. That of the night to the 30th of em-4 was never read."""
    state = first
    for end in [BEGIN, *ENDS]:
        state += MEASURED[meter, of].get(end, 0)
        if end.astimezone(PRAGUE).time() == time(0) and not (meter == "em-4" and end == oct_(30)):
            text = thousandths(state) if meter == "em-4" else str(state)
            yield Row(meter, code, end, text, unit, scaler, kind="register")


def _tariffs() -> Iterator[Row]:
    """Of the shop at noon; on the 17th somebody has set the second tariff 5 kWh too high for a day."""
    high = 700_000
    for number in range(1, 32):
        at = oct_(number, "12:00")
        low = TOTALS[at] - high + (5_000 if number == 17 else 0)
        for code, state in (("1-0:1.8.0", TOTALS[at]), ("1-0:1.8.1", high), ("1-0:1.8.2", low)):
            yield Row("em-5", code, at, thousandths(state), kind="register")


def _batched(rows: Iterator[Row], when: Mapping[str, timedelta], request: str) -> Iterator[Batch]:
    for row in rows:
        yield Batch(row.at + when[row.meter], request, (row,))


def _second(meter: str, end: datetime) -> Row:
    """The same interval with another number, as the archive takes it."""
    row = interval(meter, "1", end, MEASURED[meter, "1"][end] + 20)
    return changed(row, None, DISTORTED, Flag.CONFLICT)


def batches() -> list[Batch]:
    """Everything, as it came."""
    found: list[Batch] = []
    for day in DAYS:
        morning = wall(day + timedelta(days=1), "03:10")
        for meter in ("em-1", "em-7", "em-2", "em-3", "em-4", "em-5"):
            if rows := tuple(_of_day(meter, day)):
                found.append(Batch(morning, "profile P.01", rows))
    cut = tuple(_exchange_of_meters())
    for meter in ("em-1", "em-7"):
        found.append(Batch(oct_(15, "03:11"), "profile P.01", tuple(one for one in cut if one.meter == meter)))
    soon = dict.fromkeys(RATIOS, timedelta(seconds=5))
    for code, name in STATES.items():
        found += _batched(_states("em-4", code, name, "kWh", 0, 40_000), soon, f"registers {name}")
    found += _batched(_states("em-3", "1", STATES["1"], "Wh", -1, 7_654_321), soon, "registers 1-0:1.8.0")
    for number, rows in enumerate(zip(*[iter(_tariffs())] * 3, strict=True), 1):
        found.append(Batch(oct_(number, "12:00") + timedelta(seconds=5), "registers all", rows))
    for meter, end in CONFLICTS.items():
        found.append(Batch(oct_(24, "08:00"), "profile P.01", (_second(meter, end),)))
    again = tuple(interval("em-3", code, MENDED, MEASURED["em-3", code][MENDED]) for code in "1234")
    found.append(Batch(oct_(28, "08:00"), "profile P.01", again))
    for meter, ends in LATE.items():
        late = (interval(meter, code, end, MEASURED[meter, code][end]) for end in sorted(ends) for code in "1234")
        found.append(Batch(LATE_AT, "profile P.01", tuple(changed(one, None, TRUE, Flag.LATE) for one in late)))
    totals = (Row("em-5", "1-0:1.8.0", end, thousandths(TOTALS[end])) for end in sorted(TOTALS_LATE))
    found.append(Batch(LATE_AT, "profile P.01", tuple(changed(one, None, TRUE, Flag.LATE) for one in totals)))
    return sorted(found, key=lambda one: (one.when, one.rows[0].meter))
