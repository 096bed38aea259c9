"""Errors with the names of meter and line in them: what is in wire/ knows neither.

Rules: the kind of error stays as it is, and with it everything that it carries.
"""

from typing import TypeVar

from gatewayd.errors import GatewayError

_E = TypeVar("_E", bound=GatewayError)


def named(error: _E, meter: str, line: str) -> _E:
    """The same error, naming meter and line; a fault of the line names that already."""
    message = str(error)
    text = f"meter {meter}: {message}" if message.startswith("line ") else f"meter {meter} on line {line} {message}"
    # Not by calling the class: each has its own parameters, and all that they left is in the attributes.
    same = type(error).__new__(type(error), text)
    same.__dict__.update(error.__dict__)
    return same
