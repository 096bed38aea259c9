"""Errors with the names of meter and line in them: what is said on the wire knows neither.

Rules: pure. The kind of error stays as it is, and with it everything that it carries; only its message changes.
"""

from typing import TypeVar

from gatewayd.errors import GatewayError

_E = TypeVar("_E", bound=GatewayError)


def named(error: _E, meter: str, line: str, remedy: str = "") -> _E:
    """The same error, naming meter and line; a fault of the line names that already, one that was named before both.
    `remedy` stands behind the message."""
    message = "; ".join(filter(None, (str(error), remedy)))
    where = f"meter {meter} on line {line}"
    if message.startswith(f"{where} "):
        return retold(error, message)
    return retold(error, f"meter {meter}: {message}" if message.startswith("line ") else f"{where} {message}")


def retold(error: _E, message: str) -> _E:
    """The same error with another message."""
    # Not by calling the class: each has its own parameters, and all that they left is in the attributes.
    same = type(error).__new__(type(error), message)
    same.__dict__.update(error.__dict__)
    return same
