"""What was asked, behind the message of an error: an engineer looks for the unit and the address first.

Rules: meter and line are put in front by gatewayd/naming.py. Addresses are those of the wire, from 0, as in the maps.
"""

from typing import TypeVar

from drivers.modbus.wire.pdu import Identify, Read, ReportServerId, Request
from gatewayd.errors import GatewayError
from gatewayd.naming import retold

_E = TypeVar("_E", bound=GatewayError)


def asked(error: _E, unit: int, request: Request) -> _E:
    """The same error, with the request that it came of."""
    return retold(error, f"{error} (unit {unit}, {described(request)})")


def described(request: Request) -> str:
    """`function 3, 4 registers from 72 (0x0048)`."""
    match request:
        case Read(function, address, count):
            what = "bit" if function.of_bits else "register"
            amount = f"{count} {what}s from" if count > 1 else what
            return f"function {int(function)}, {amount} {address} (0x{address:04X})"
        case Identify(level, object_id):
            return f"function {int(request.function)}, device identification of level {level} from object {object_id}"
        case ReportServerId():
            return f"function {int(request.function)}, server id"
