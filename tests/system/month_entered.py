"""Values by hand of the simulated month: what somebody has entered, and what became of it.

Rules: as the command `gatewayd substitute` hands it to the desk, each at a time of its own. What counts of it in the
end is written down by hand, and not folded out of the orders (requirements N2 to N4, U3, U11).
"""

from dataclasses import dataclass
from datetime import date, datetime
from unittest import mock

from gatewayd.daemon.substitute_orders import Order
from gatewayd.daemon.substitutes import Desk
from gatewayd.metering.manual_history import State
from tests.system.month_raw import oct_
from tests.system.month_site import Plant

SOUTH_1, SOUTH_3, GAS = "1-0:1.29.0*255", "1-0:3.29.0*255", "7-0:3.0.0*255"
WITHDRAWN = State.SUPERSEDED.value


@dataclass(frozen=True)
class Said:
    """An order, when it was given, and the checks that refuse it."""

    when: datetime
    order: Order
    refused: tuple[str, ...] = ()


def _day(number: int) -> date:
    return date(2025, 10, number)


def _set(point: str, obis: str, number: int, value: int, clock: str, *refused: str) -> Said:
    order = Order(point, obis, _day(number), str(value), author="eva", note="read at the meter")
    return Said(oct_(number + 1, clock), order, refused)


def _mark(number: int, state: str, at: datetime) -> Said:
    return Said(at, Order(number=number, state=state, author="jan"))


ORDERS = (
    _set("south", SOUTH_1, 6, 900_000, "09:00"),  # number 1
    _mark(1, WITHDRAWN, oct_(7, "09:30")),
    _set("south", SOUTH_1, 6, 26_001, "10:15"),  # 2, which counts
    _set("south", SOUTH_3, 6, 30_000, "10:20"),  # 3
    _mark(3, WITHDRAWN, oct_(7, "10:40")),
    _set("south", SOUTH_1, 7, 90_000, "08:00"),  # 4: the truth comes later
    _set("boiler", GAS, 8, 41, "10:59"),  # 5, which counts
    _set("boiler", GAS, 12, 30, "08:00"),  # 6
    _set("boiler", GAS, 12, 39, "09:00"),  # 7, in place of 6
    _mark(7, State.SENT.value, oct_(13, "09:10")),
    _mark(7, State.ACCEPTED.value, oct_(13, "12:00")),
    _set("boiler", GAS, 12, 50, "11:00:01", "deadline"),
    _set("south", SOUTH_3, 13, 30_000, "08:00"),  # 8
    _mark(8, State.SENT.value, oct_(14, "08:10")),
    _mark(8, State.REJECTED.value, oct_(14, "13:00")),
    _set("south", SOUTH_1, 13, 26_500, "11:00"),  # 9, which counts
    _set("shop", SOUTH_1, 13, 60, "08:00", "type-a"),
    Said(
        oct_(34, "10:00"),
        Order("kiosk", "1-0:1.8.0*255", _day(1), "120.5", author="eva", note="boiler of 2 kW", month=True),
    ),  # 10: an estimate
)
ENTERED = {("south", "1", _day(6)): 26_001, ("south", "1", _day(13)): 26_500}
"""What counts in place of the sum of a legal-time day, in kWh."""
ENTERED_GAS = {_day(8): 41, _day(12): 39}
"""The same of gas days, in m3."""
ESTIMATED = ("kiosk", "120.5")


async def enter(plant: Plant, after: datetime | None = None, until: datetime | None = None) -> None:
    """All orders of that time, each when it was given."""
    desk = Desk(lambda: plant.config, plant.raw, lambda: plant.derived_store)
    for said in sorted(ORDERS, key=lambda one: one.when):
        if (after is None or said.when > after) and (until is None or said.when <= until):
            with mock.patch("gatewayd.daemon.substitutes.now", lambda when=said.when: when):
                found = await desk.carry_out(said.order, "root")
            assert tuple(one.text for one in found.refused) == said.refused, (said, found)
            assert not found.problem, (said, found)
