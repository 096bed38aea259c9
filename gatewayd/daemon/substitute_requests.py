"""Orders about substitute values by hand as they come over the control socket.

    order_of(text)   the order that a request has; GatewayError in words for what is none

Rules: pure. The socket is open to more than the command line: everything is checked here that the command line checks
before it asks, and nothing is taken that cannot be handled.
"""

from collections.abc import Iterator

import msgspec

from gatewayd.daemon.substitute_orders import Order
from gatewayd.errors import GatewayError
from gatewayd.manual.submission import LONGEST_TEXT
from gatewayd.manual.table import LONGEST_CELL
from gatewayd.metering.era import FIRST, LAST, in_era
from gatewayd.metering.manual_history import State
from gatewayd.obis import Obis

_LONGEST_NAME = 200
"""Characters of the id of a point."""


def order_of(text: str) -> Order:
    """It, as JSON. GatewayError."""
    try:
        order = msgspec.json.decode(text, type=Order)
    except msgspec.MsgspecError as error:
        raise GatewayError(f"that is no order for a substitute value: {error}") from error
    for wrong in _problems(order):
        raise GatewayError(f"that is no order for a substitute value: {wrong}")
    return order


def _problems(order: Order) -> Iterator[str]:
    texts = {"note": order.note, "author": order.author, "value": order.value, "point": order.point}
    most = {"value": LONGEST_CELL, "point": _LONGEST_NAME}
    for name, text in texts.items():
        if len(text) > most.get(name, LONGEST_TEXT):
            yield f"{name} has more than {most.get(name, LONGEST_TEXT)} characters"
        if not text.isprintable():
            yield f"{name} holds characters that cannot be shown"
    states = [state.value for state in State]
    if order.state not in states:
        yield f"there is no state {order.state[:_LONGEST_NAME]!r}; expected {', '.join(states)}"
    if order.number < 0:
        yield f"number {order.number}: expected that of a value, or 0 for a new one"
    if order.number:
        return
    if order.day is None:
        yield "it has no day"
    elif not in_era(order.day):
        yield f"{order.day} is no day of metering; expected one from {FIRST} to {LAST}"
    try:
        Obis.parse(order.obis[:_LONGEST_NAME])
    except ValueError as error:
        yield f"obis: {error}"
