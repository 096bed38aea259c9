"""Values by hand whose entry is not there any more: retention has dropped it, or its segment cannot be read.

    kept_by_hand(series, standing, known)   the sums of days, of which such values stay where they are not true
    kept_estimate(value, before, known)     the same of one month
    number_said(method, reason)             the number of the entry that a value was made of

Rules: pure. Numbers are given once: a value by hand that stands, whose number nobody knows, was made of an entry that
is gone. It stays as it is until there is a true value. An entry that is there, and was rejected or taken back, keeps
nothing.
"""

import re
from collections.abc import Mapping
from datetime import datetime

from gatewayd.metering.derivation import Standing
from gatewayd.metering.entered import Known
from gatewayd.metering.values import Method, Series, Value
from gatewayd.model import RawStatus

_NUMBERS = {
    Method.MANUAL: re.compile(r"number ([0-9]{1,10}), entered by ", re.ASCII),
    Method.ESTIMATE: re.compile(r"estimate of .*?: number ([0-9]{1,10}): ", re.ASCII | re.DOTALL),
}
"""How the reason of a value begins (manual_history.with_entered, period_substitute)."""


def number_said(method: Method, reason: str) -> int | None:
    """None for a value that nobody has entered."""
    pattern = _NUMBERS.get(method)
    match = pattern.match(reason) if pattern is not None else None
    return None if match is None else int(match[1])


def kept_by_hand(series: Series, standing: Mapping[datetime, Standing], known: Known) -> Series:
    """`standing`: the newest versions of its channel and layer. Itself where nothing stays."""
    values = tuple(_kept(one, standing.get(one.at), known, Method.MANUAL) for one in series.values)
    return series if values == series.values else Series(series.channel, series.layer, values)


def kept_estimate(value: Value, before: Standing | None, known: Known) -> Value:
    """`before`: its newest version."""
    if value.status not in (RawStatus.MISSING, RawStatus.DISTORTED):
        return value  # a true one, or what comparable periods had
    return _kept(value, before, known, Method.ESTIMATE)


def _kept(value: Value, before: Standing | None, known: Known, method: Method) -> Value:
    if value.status is RawStatus.TRUE or value.method is method or before is None:
        return value
    stands = before.derived.value
    if stands.method is not method:
        return value
    number = number_said(stands.method, stands.reason)
    return stands if number is not None and number not in known else value
