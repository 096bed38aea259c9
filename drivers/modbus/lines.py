"""What each RTU line owes, for all meters on it.

Rules: an exchange belongs to the line and not to the meter. Several metering points may be one unit (registration
devices), and the late answer to one of them looks like that to another. A new configuration changes nothing of what a
line owes; only another event loop, and so another process, begins anew.
"""

import asyncio
from weakref import WeakKeyDictionary

from drivers.modbus.wire.dialogue import Settings
from drivers.modbus.wire.transaction import RtuExchange

_LINES: "WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, RtuExchange]]" = WeakKeyDictionary()


def exchange_of(line: str, settings: Settings) -> RtuExchange:
    """The exchange of a line, as patient as the meter needs it that is asked next."""
    lines = _LINES.setdefault(asyncio.get_running_loop(), {})
    if line not in lines:
        lines[line] = RtuExchange(settings)
    lines[line].adapt(settings)
    return lines[line]
