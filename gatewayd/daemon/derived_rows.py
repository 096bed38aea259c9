"""What is asked of a segment of the derived archive, and how a row of the answer becomes a value.

    CURRENT, HISTORY, HOURS, THERE, POINTS, BY_HAND   queries; all but HISTORY and POINTS answer with one JSON text
    value_of(row, at)                                 the value of a row

Rules: a query is one step of SQLite where it gives much, so that other threads go on meanwhile. Events are no values.
"""

from datetime import datetime
from typing import NamedTuple

import msgspec

from gatewayd.metering.entered_before import number_said
from gatewayd.metering.record import Derived, More, derived_from
from gatewayd.metering.values import Method
from gatewayd.model import NO_FLAGS, Flag, RawStatus

_COLUMNS = "s.meter, s.obis, s.obis_raw, s.kind, s.unit, s.interval_s, r.at, r.raw_text, r.status, r.flags, r.more"
# CROSS JOIN keeps the order of the tables (SQLite): first the few series, then their readings by the index. Bare
# columns beside max() are those of the row that has it.
CURRENT = f"""
SELECT json_group_array(json_array(
    seq, meter, obis, obis_raw, kind, unit, interval_s, at, raw_text, status, flags, more))
FROM (SELECT max(r.seq) AS seq, {_COLUMNS} FROM series AS s CROSS JOIN reading AS r ON r.series = s.id
      WHERE s.meter IN (SELECT value FROM json_each(?)) AND s.obis_raw IN (SELECT value FROM json_each(?))
        AND r.at > ? AND r.at <= ? GROUP BY r.series, r.at)
"""  # noqa: S608 - our own texts
HISTORY = f"""
SELECT r.seq, {_COLUMNS}, e.id, e.ended_at, e.received, e.detail
FROM series AS s CROSS JOIN reading AS r ON r.series = s.id JOIN exchange AS e ON e.id = r.exchange
WHERE s.meter = ? AND s.obis = ? AND r.at = ? AND s.kind <> 'event' ORDER BY r.seq
"""  # noqa: S608
HOUR_US = 3_600_000_000
HOURS = f"""
SELECT json_group_array(hour) FROM (SELECT DISTINCT (r.at - 1) / {HOUR_US} AS hour
FROM series AS s CROSS JOIN reading AS r ON r.series = s.id
WHERE s.meter IN (SELECT value FROM json_each(?)) AND s.obis_raw = 'interval' AND r.at > ? AND r.at <= ?)
"""  # noqa: S608
POINTS = "SELECT DISTINCT meter, obis, obis_raw, unit FROM series WHERE kind <> 'event'"
THERE = """
SELECT json_group_array(meter) FROM (SELECT DISTINCT s.meter FROM series AS s
WHERE s.meter IN (SELECT value FROM json_each(?)) AND s.obis_raw = 'interval'
  AND EXISTS (SELECT 1 FROM reading AS r WHERE r.series = s.id AND r.at > ? AND r.at <= ?))
"""
BY_HAND = """
SELECT json_group_array(r.more) FROM series AS s CROSS JOIN reading AS r ON r.series = s.id
WHERE s.obis_raw IN ('day', 'gas_day', 'month') AND (r.more LIKE '["manual",%' OR r.more LIKE '["estimate",%')
"""
"""Values by hand."""


class Row(msgspec.Struct, array_like=True, gc=False):
    """One row of CURRENT."""

    seq: int
    meter: str
    obis: str
    layer: str
    kind: str
    unit: str
    interval_s: int | None
    at: int
    raw_text: str
    status: int
    flags: int
    more: str


class HistoryRow(NamedTuple):
    """One row of HISTORY."""

    seq: int
    meter: str
    obis: str
    layer: str
    kind: str
    unit: str
    interval_s: int | None
    at: int
    raw_text: str
    status: int
    flags: int
    more: str
    exchange: int
    ended_at: int
    received: bytes
    detail: str


CURRENT_ROWS = msgspec.json.Decoder(list[Row])
_MORE = msgspec.json.Decoder(More)
_STATUS = {int(status): status for status in RawStatus}
MORE_OF_ALL = msgspec.json.Decoder(list[str])
NUMBERS = msgspec.json.Decoder(list[int])
TEXTS = msgspec.json.Decoder(list[str])


def value_of(row: Row | HistoryRow, at: datetime) -> Derived:
    """ValueError, LookupError or ArithmeticError for a row that is no value."""
    flags = Flag(row.flags) if row.flags else NO_FLAGS
    more = _MORE.decode(row.more)
    return derived_from(at, row.interval_s or 0, row.raw_text, _STATUS[row.status], flags, more)


def number_by_hand(more: str) -> int | None:
    """The number of the substitute value by hand that a value with this `more` was made of; None for none."""
    found = _MORE.decode(more)
    return number_said(Method(found.method), found.reason)
