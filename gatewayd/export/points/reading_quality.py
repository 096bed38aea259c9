"""The codes of IEC 61968-9 for status, method and flags of a value: system.category.index, several together.

Rules: pure; only codes that gatewayd/quality.py has. What was made of values of several kinds is estimated, whatever
they were. The first code says the status, and reading it back gives that.
"""

from gatewayd.metering.values import Method, Value
from gatewayd.model import Flag, RawStatus

VALID = "2.0.0"
VALIDATED = "3.0.1"
ESTIMATED = "2.8.0"
EDITED = "3.7.0"
FROM_CONTROL = "2.11.0"
INDETERMINATE = "2.10.0"
SUSPECT = "2.5.258"
KNOWN_MISSING = "2.5.259"
CLOCK_ERROR = "1.1.9"
PARTIAL = "1.4.2"
_OF_FLAGS = {
    Flag.CLOCK_INVALID: CLOCK_ERROR,
    Flag.CLOCK_DEVIATION: CLOCK_ERROR,
    Flag.PARTIAL_INTERVAL: PARTIAL,
    Flag.MANUAL: EDITED,
}


def qualities(value: Value, *, validated: bool = False) -> tuple[str, ...]:
    """All codes of a value, each once. `validated`: rules were applied to it, and none has found anything."""
    after = (VALIDATED,) if validated and value.status is RawStatus.TRUE else ()
    found = [*_of_status(value), *after, *(code for flag, code in _OF_FLAGS.items() if flag in value.flags)]
    return tuple(dict.fromkeys(found))


def _of_status(value: Value) -> tuple[str, ...]:
    match value.status:
        case RawStatus.TRUE:
            return (VALID,)
        case RawStatus.SUBSTITUTE if value.method is Method.CONTROL:
            return (FROM_CONTROL,)
        case RawStatus.SUBSTITUTE if value.method is Method.MANUAL:
            return (ESTIMATED, EDITED)
        case RawStatus.SUBSTITUTE:
            return (ESTIMATED,)
        case RawStatus.PROVISIONAL:
            return (ESTIMATED, INDETERMINATE)
        case RawStatus.DISTORTED:
            return (SUSPECT,)
        case RawStatus.MISSING:
            return (KNOWN_MISSING,)


def status_of(codes: tuple[str, ...]) -> RawStatus:
    """The status that codes of ours stand for. ValueError for others."""
    for code, status in (
        (KNOWN_MISSING, RawStatus.MISSING),
        (SUSPECT, RawStatus.DISTORTED),
        (INDETERMINATE, RawStatus.PROVISIONAL),
        (VALID, RawStatus.TRUE),
        (ESTIMATED, RawStatus.SUBSTITUTE),
        (FROM_CONTROL, RawStatus.SUBSTITUTE),
    ):
        if code in codes:
            return status
    raise ValueError(f"no status has the qualities {' '.join(codes) or '(none)'}")
