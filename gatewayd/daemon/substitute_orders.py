"""Orders about substitute values by hand: what somebody wants, what is checked, and what comes of it.

Rules: nothing is written here. A value is looked at as the network operator's portal does it (manual_substitute.py),
with what was derived of its day by now; a step in its life as manual_history.py allows it. All that is wrong is told.
"""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

import msgspec

from gatewayd.config import Config
from gatewayd.daemon.derived import DerivedReader, derived_folder
from gatewayd.daemon.entered import Entered
from gatewayd.metering import entered
from gatewayd.metering.algebra import total
from gatewayd.metering.era import FIRST
from gatewayd.metering.estimate import EstimateCheck
from gatewayd.metering.evidence import true_amount
from gatewayd.metering.findings import same_energy
from gatewayd.metering.manual_history import Entry, State, Subject, Submission, next_number, problem
from gatewayd.metering.manual_substitute import Check, DayOfPoint, Refusal, number_of, refusals
from gatewayd.metering.points import MeteringPoint
from gatewayd.metering.values import Layer
from gatewayd.model import RawStatus
from gatewayd.obis import Obis

_REACTIVE = range(3, 9)
"""Group C."""
_INTERVAL, _MONTH = Layer.INTERVAL.value, Layer.MONTH.value


class Order(msgspec.Struct, frozen=True):
    """What somebody wants: with `number` 0 a value is entered, else this one gets another state. `obis`: that of a
    channel; `author`: whose value it is, "" for the user; `month`: it is an estimate of the month that begins with the
    day."""

    point: str = ""
    obis: str = ""
    day: date | None = None
    value: str = ""
    number: int = 0
    state: str = State.ENTERED.value
    author: str = ""
    note: str = ""
    month: bool = False


class Refused(msgspec.Struct, frozen=True):
    """One of the checks: its name and what its words need, the EIC, of estimates the point."""

    check: str
    eic: str
    measured: str = "0"

    @property
    def text(self) -> str:
        """The name, as it is shown."""
        return self.check.lower().replace("_", "-")

    def said(self, language: str = "en") -> str:
        """In words, `cs` or `en`."""
        if self.check in EstimateCheck.__members__:
            return EstimateCheck[self.check].said(self.eic, language)
        return Refusal(Check[self.check], self.eic, Decimal(self.measured)).said(language)


class Result(msgspec.Struct, frozen=True):
    """What came of an order: the number of the value, its subject and unit; or why it was refused."""

    number: int = 0
    point: str = ""
    obis: str = ""
    day: date | None = None
    amount: str = ""
    unit: str = ""
    state: str = ""
    author: str = ""
    refused: tuple[Refused, ...] = ()
    problem: str = ""
    month: bool = False

    @property
    def period(self) -> str:
        """The day, or the month: `2026-11-26`, `2026-11`; "" for none."""
        return "" if self.day is None else f"{self.day:%Y-%m}" if self.month else self.day.isoformat()

    @property
    def done(self) -> bool:
        return not self.refused and not self.problem


@dataclass(frozen=True, slots=True)
class Decision:
    """An entry that is to be archived, or a result that says why not."""

    result: Result
    entry: Entry | None = None


def decided(config: Config, entries: Entered, order: Order, author: str, at: datetime) -> Decision:
    """In a thread: it reads the derived archive. ArchiveError."""
    known = entries.known()
    if order.number:
        return _told(known, entries, order, author, at)
    point = next((one for one in config.points if one.id == order.point), None)
    if point is None or order.day is None:
        found = refusals(order.point, order.value, order.day or FIRST, at, {})
        return Decision(Result(refused=tuple(map(_refused, found)), problem="" if found else "no such point"))
    code, zone = Obis.parse(order.obis), config.gateway.zone
    reader = DerivedReader(derived_folder(config.archive.path))
    subject = Subject(point.id, code, order.day)
    day = _day_of(point, subject, reader, config)
    start = entered.day_start(code)
    eic = point.point.eic
    found = refusals(eic, order.value, order.day, at, {eic: day}, start=start, zone=zone)
    if found:
        return Decision(Result(point=point.id, obis=str(code), day=order.day, refused=tuple(map(_refused, found))))
    amount = number_of(order.value)
    number = max(next_number(known), entries.highest + 1)
    return decision(
        Entry(number, subject, State.ENTERED, author, at, amount, order.note), unit_of(code, reader, point.id)
    )


def _told(known: dict[int, Submission], entries: Entered, order: Order, author: str, at: datetime) -> Decision:
    there = known.get(order.number)
    if there is None:
        return Decision(Result(problem=f"there is no value with the number {order.number}; see substitute list"))
    entry = Entry(order.number, there.subject, State(order.state), author, at, None, order.note)
    wrong = problem(known, entry)
    if wrong:
        return Decision(Result(number=order.number, problem=wrong))
    return decision(entry, entries.unit(order.number), there.amount)


def decision(entry: Entry, unit: str, amount: Decimal | None = None) -> Decision:
    """An entry that is to be archived, with what is told of it."""
    shown = entry.amount if amount is None else amount
    result = Result(
        entry.number,
        entry.subject.point,
        str(entry.subject.obis),
        entry.subject.day,
        "" if shown is None else format(shown, "f"),
        unit,
        entry.state.value,
        entry.author,
        month=entry.subject.month,
    )
    return Decision(result, entry)


def _day_of(point: MeteringPoint, subject: Subject, reader: DerivedReader, config: Config) -> DayOfPoint:
    """What was measured on the day, as far as it was derived by now."""
    zone = config.gateway.zone
    start, end = entered.span_of(subject, zone)
    intervals = reader.current(point.id, Layer.INTERVAL, subject.obis, start, end)
    day = reader.current(point.id, entered.day_layer(subject.obis), subject.obis, start, end).get(end)
    measured = total(amount for amount in map(true_amount, intervals.values()) if amount is not None)
    valid = day is not None and day.there and day.status is RawStatus.TRUE
    return DayOfPoint(point.metering_type, measured, valid)


def _refused(one: Refusal) -> Refused:
    return Refused(one.check.name, one.eic, format(one.measured, "f"))


def channels_of(point: MeteringPoint, reader: DerivedReader) -> list[Obis]:
    """The channels of a point: those that the configuration names, and those that were derived."""
    layer = _INTERVAL if point.boundary is None else _MONTH
    derived = [
        Obis.parse(one[1]) for one in sorted(reader.channels(passing=True)) if (one[0], one[2]) == (point.id, layer)
    ]
    return list(dict.fromkeys((*point.channels, *derived)))


def channel_of(point: MeteringPoint, code: Obis, reader: DerivedReader) -> Obis | None:
    """The one that a code means, itself or as the register of the same energy; None: the point has none of it."""
    return next((one for one in channels_of(point, reader) if same_energy(one, code)), None)


def unit_of(code: Obis, reader: DerivedReader, point: str) -> str:
    """The unit of a channel; the usual one as long as nothing was derived of it."""
    found = next((one[3] for one in sorted(reader.channels(passing=True)) if one[:2] == (point, str(code))), "")
    return found or ("m3" if code.a == entered.GAS else "kvarh" if code.c in _REACTIVE else "kWh")
