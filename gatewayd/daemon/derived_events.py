"""The events of metering points that the derived archive has, and how they are written into it.

    standing(reader, points, first, last)   -> the newest event of each key that is of a day or month in between
    once(reader, points)                    -> the same of what is told once for a point, of all times
    Told                                    events that no new value comes with, as an exchange of their own

Rules: read-only; a query is one step of SQLite. An event without an OBIS code is one of the whole point.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime

import msgspec

from gatewayd.archive import rows
from gatewayd.daemon.derived import DerivedReader
from gatewayd.errors import ArchiveDamaged
from gatewayd.metering.derivation import GATEWAY, LINE
from gatewayd.metering.events import STANDING, Key, PointEvent, event_of, reading_of
from gatewayd.model import Exchange, Kind, Outcome, Reading
from gatewayd.obis import Obis

REQUEST = "tell"
SCHEMA = "gatewayd.events/1"
# CROSS JOIN keeps the order of the tables (SQLite): first the few series, then their readings by the index.
_OF_TIME = """
SELECT json_group_array(json_array(r.seq, s.meter, s.obis, s.is_obis, s.obis_raw, s.unit, r.at, r.raw_text, r.more))
FROM series AS s CROSS JOIN reading AS r ON r.series = s.id
WHERE s.meter IN (SELECT value FROM json_each(?)) AND s.kind = 'event' AND r.at > ? AND r.at <= ?
"""
_OF_TYPES = """
SELECT json_group_array(json_array(r.seq, s.meter, s.obis, s.is_obis, s.obis_raw, s.unit, r.at, r.raw_text, r.more))
FROM series AS s CROSS JOIN reading AS r ON r.series = s.id
WHERE s.meter IN (SELECT value FROM json_each(?)) AND s.kind = 'event'
  AND s.obis_raw IN (SELECT value FROM json_each(?))
"""
_EVER = (-(1 << 62), 1 << 62)


class _Row(msgspec.Struct, array_like=True, gc=False):
    """One row of either query."""

    seq: int
    point: str
    code: str
    is_obis: int
    type: str
    unit: str
    at: int
    state: str
    more: str


_ROWS = msgspec.json.Decoder(list[_Row])
_MORE = msgspec.json.Decoder(tuple[str, ...])


@dataclass(frozen=True, slots=True)
class Told:
    """Events of one point that are told by themselves. `reason`: why now."""

    point: str
    events: tuple[PointEvent, ...]
    reason: str = ""

    def exchange(self, at: datetime) -> Exchange:
        """It as an exchange of the archive, done at this instant."""
        document = {"schema": SCHEMA, "point": self.point, "author": GATEWAY}
        received = msgspec.json.encode(document, order="deterministic")
        return Exchange(self.point, LINE, REQUEST, at, at, received, Outcome.DONE, self.reason)

    def readings(self) -> tuple[Reading, ...]:
        """Its events as readings of the archive."""
        return tuple(map(reading_of, self.events))


def standing(reader: DerivedReader, points: Collection[str], first: datetime, last: datetime) -> dict[Key, PointEvent]:
    """The newest event of each key whose day or month ends after `first` and not after `last`. ArchiveError."""
    begin, end = rows.to_us(first), rows.to_us(last)
    return _newest(reader.texts(_OF_TIME, (_json(points), begin, end), begin, end))


def once(reader: DerivedReader, points: Collection[str]) -> dict[Key, PointEvent]:
    """The newest event of each key of the types of STANDING, as far as segments can be read. ArchiveError."""
    return _newest(reader.texts(_OF_TYPES, (_json(points), _json(sorted(STANDING))), *_EVER, passing=True))


def _newest(texts: Iterator[str]) -> dict[Key, PointEvent]:
    found: dict[Key, tuple[int, PointEvent]] = {}
    for text in texts:
        try:
            events = [(one.seq, _event(one)) for one in _ROWS.decode(text)]
        except (msgspec.MsgspecError, ValueError, ArithmeticError) as error:
            raise ArchiveDamaged(f"an event of the derived archive cannot be read: {error}") from error
        for seq, event in events:
            if event.key not in found or found[event.key][0] < seq:
                found[event.key] = seq, event
    return {key: event for key, (_, event) in found.items()}


def _event(row: _Row) -> PointEvent:
    obis = Obis.parse(row.code) if row.is_obis else None
    at = rows.from_us(row.at)
    return event_of(
        Reading(row.point, obis, row.type, Kind.EVENT, at, b"", row.state, row.unit, more=_MORE.decode(row.more))
    )


def _json(texts: Collection[str]) -> str:
    return msgspec.json.encode(list(texts)).decode()
