"""What an RTU line owes, for all meters on it.

Rules: an exchange belongs to the line and not to the meter. Several metering points may be one unit (registration
devices), and the late answer to one of them looks like that to another. What meters of a line share is handed in
(Setting.beside); a process that starts knows of no debt.
"""

from drivers.modbus.wire.dialogue import Settings
from drivers.modbus.wire.transaction import RtuExchange

_NAME = "modbus"


def exchange_of(beside: dict[str, object], settings: Settings) -> RtuExchange:
    """The exchange of a line, as patient as the meter needs it that is asked next."""
    found = beside.setdefault(_NAME, RtuExchange(settings))
    assert isinstance(found, RtuExchange)  # nobody else writes under this name
    found.adapt(settings)
    return found
