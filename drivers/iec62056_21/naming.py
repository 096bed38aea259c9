"""Errors with the names of meter and line in them: sessions know neither.

Rules: the kind of error and its bytes stay as they are.
"""

from gatewayd.errors import GatewayError, ProtocolError


def named(error: GatewayError, meter: str, line: str) -> GatewayError:
    """The same error, naming meter and line; a fault of the line names that already."""
    message = str(error)
    text = f"meter {meter}: {message}" if message.startswith("line ") else f"meter {meter} on line {line} {message}"
    return ProtocolError(text, error.raw) if isinstance(error, ProtocolError) else type(error)(text)
