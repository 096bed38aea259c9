"""Orders about estimates of months by hand, type C: what is checked, and what comes of it.

Rules: nothing is written here. All that is wrong is told (estimate.py), with what was derived of the month by now. What
becomes of one later is an order like any other (substitute_orders.py).
"""

from datetime import datetime
from decimal import Decimal

from gatewayd.config import Config
from gatewayd.daemon.derived import DerivedReader, derived_folder
from gatewayd.daemon.entered import Entered
from gatewayd.daemon.substitute_orders import Decision, Order, Refused, Result, decision
from gatewayd.metering.aggregate import month_bounds
from gatewayd.metering.estimate import MonthOfPoint, estimate_of, refusals
from gatewayd.metering.manual_history import Entry, State, Subject, next_number
from gatewayd.metering.register_state import usual_unit
from gatewayd.metering.values import Layer
from gatewayd.model import RawStatus
from gatewayd.obis import Obis


def estimated(config: Config, entries: Entered, order: Order, author: str, at: datetime) -> Decision:
    """In a thread: it reads the derived archive. `author` is who has estimated. ArchiveError."""
    known = entries.known()
    point = next((one for one in config.points if one.id == order.point), None)
    if point is None or order.day is None:
        return Decision(Result(problem="no such point"))
    code, first = Obis.parse(order.obis), order.day.replace(day=1)
    start, end = month_bounds(first, config.gateway.zone)
    reader = DerivedReader(derived_folder(config.archive.path))
    there = reader.current_of((point.id,), (Layer.MONTH,), start, end).get((point.id, Layer.MONTH, code), {}).get(end)
    valid = there is not None and there.derived.value.there and there.derived.value.status is RawStatus.TRUE
    profile = point.boundary is None
    month = MonthOfPoint(point.metering_type, profile, point.substitution.enabled, end, valid)
    found = refusals(order.value, order.author, order.note, at, month)
    if found:
        refused = tuple(Refused(one.name, point.id) for one in found)
        return Decision(Result(point=point.id, obis=str(code), day=first, refused=refused, month=True))
    number = max(next_number(known), entries.highest + 1)
    unit = there.unit if there is not None else usual_unit(code)
    return decision(_entry(number, Subject(point.id, code, first, month=True), author, at, order), unit)


def _entry(number: int, subject: Subject, author: str, at: datetime, order: Order) -> Entry:
    return Entry(number, subject, State.ENTERED, author, at, _amount(order.value), order.note)


def _amount(value: str) -> Decimal:
    found = estimate_of(value)
    assert found is not None, "what is no number was refused"
    return found
