"""What the derived layer reads of states of registers, for points whose meters keep no load profile.

    states(meters, first, last)     what registers showed in a time, values of past billing periods at their ends
    spans(meters)                   from when to when there are states, by meter and code
    touches(meters, after, last)    of when the states behind a number of the archive are

Rules: read-only, through RawReader. The end of a billing period is what the meter says beside its values (0.1.2*05),
in the same answer. What sealed segments have of that is remembered: they never change.
"""

from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec

from gatewayd.archive import rows, segments
from gatewayd.daemon.metering_raw import OF_ERA, RawReader
from gatewayd.errors import ArchiveDamaged
from gatewayd.metering.register_state import State, counts_up, current, ends_a_period, period_end, state_of
from gatewayd.model import Kind
from gatewayd.obis import Obis

EVER, NEVER = datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)
_SPANS = f"""
SELECT json_group_array(json_array(s.meter, s.obis,
    (SELECT min(r.at) FROM reading AS r WHERE r.series = s.id AND {OF_ERA}),
    (SELECT max(r.at) FROM reading AS r WHERE r.series = s.id AND {OF_ERA})))
FROM series AS s WHERE s.meter IN (SELECT value FROM json_each(?)) AND s.kind = 'register' AND s.is_obis = 1
"""  # noqa: S608 - our own numbers
_PERIODS = """
SELECT json_group_array(json_array(meter, obis, seq, exchange, at, raw_text))
FROM (SELECT s.meter, s.obis, min(r.seq) AS seq, r.exchange, r.at, r.raw_text
      FROM series AS s CROSS JOIN reading AS r ON r.series = s.id
      WHERE s.meter IN (SELECT value FROM json_each(?)) AND s.kind = 'register' AND s.is_obis = 1
        AND (s.obis LIKE '%:0.1.0%' OR s.obis LIKE '%:0.1.2%') GROUP BY r.series, r.raw_text)
"""
_HOUR_US = 3_600_000_000
_TOUCHES = f"""
SELECT json_group_array(json_array(s.meter, s.obis, t.hour))
FROM (SELECT DISTINCT series, at / {_HOUR_US} AS hour FROM reading AS r
      WHERE seq > ? AND seq <= ? AND {OF_ERA}) AS t
JOIN series AS s ON s.id = t.series
WHERE s.kind = 'register' AND s.is_obis = 1 AND s.meter IN (SELECT value FROM json_each(?))
"""  # noqa: S608 - our own numbers
_SPAN_ROWS = msgspec.json.Decoder(list[tuple[str, str, int | None, int | None]])
_PERIOD_ROWS = msgspec.json.Decoder(list[tuple[str, str, int, int, int, str]])
_HOURLY = msgspec.json.Decoder(list[tuple[str, str, int]])
_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class _Period:
    """A meter has said when a past billing period ended. `seq`, `exchange`, `read`: of the reading that says it."""

    meter: str
    obis: Obis
    ended: datetime
    seq: int
    exchange: int
    read: datetime


class StateReader:
    """Used from one thread after the other, never from two at a time."""

    def __init__(self, raw: RawReader, folder: Path, zone: ZoneInfo) -> None:
        self._raw = raw
        self._folder = folder
        self._zone = zone
        self._sealed: dict[tuple[int, str, str], str] = {}
        """What sealed segments have answered, by number, query and meters."""

    def states(self, meters: Collection[str], first: datetime, last: datetime) -> list[State]:
        """All states from `first` to `last`, both included, in the order of their numbers. ArchiveError."""
        begin = first - timedelta.resolution
        found = [state_of(one) for one in self._raw.read(meters, Kind.REGISTER, "%", begin, last)]
        for period in self._periods(meters):
            if first <= period.ended <= last:
                found += self._of_period(period)
        return sorted((one for one in found if one is not None and first <= one.at <= last), key=lambda one: one.seq)

    def _of_period(self, period: _Period) -> Iterator[State | None]:
        """What stands beside the end of a period in the same answer, as values of that period."""
        mark = f"{'&' if period.obis.manual else '*'}{period.obis.f}"
        before = period.read - timedelta.resolution
        for one in self._raw.read((period.meter,), Kind.REGISTER, f"%{mark}", before, period.read):
            if one.exchange == period.exchange and not one.reading.meter_time:
                yield state_of(one, period.ended)

    def spans(self, meters: Collection[str]) -> dict[tuple[str, Obis], tuple[datetime, datetime]]:
        """The first and the last state of each register, by meter and current code. ArchiveError."""
        found: dict[tuple[str, Obis], tuple[datetime, datetime]] = {}
        past: set[tuple[str, Obis]] = set()
        for text in self._answers(_SPANS, meters):
            for meter, code, first, last in _SPAN_ROWS.decode(text):
                obis = Obis.parse(code)
                if not counts_up(obis) or first is None or last is None:
                    continue
                key = meter, current(obis)
                if obis.historical:
                    past.add((meter, obis))
                found[key] = _wider(found.get(key), rows.from_us(first), rows.from_us(last))
        for period in self._periods(meters) if past else ():
            for meter, obis in past:
                if (meter, obis.f, obis.manual) == (period.meter, period.obis.f, period.obis.manual):
                    key = meter, current(obis)
                    found[key] = _wider(found.get(key), period.ended, period.ended)
        return found

    def touches(self, meters: Collection[str], after: int, last: int) -> set[tuple[str, datetime]]:
        """Meters and instants, to the hour, of the states with numbers above `after`, up to `last`. ArchiveError."""
        found: set[tuple[str, datetime]] = set()
        past = False
        for number in self._raw.behind(after, last) if meters else ():
            with suppress(ArchiveDamaged):
                for meter, code, hour in _HOURLY.decode(self._raw.text(number, _TOUCHES, (after, last, _json(meters)))):
                    obis = Obis.parse(code)
                    past = past or ends_a_period(obis)
                    if counts_up(obis):
                        at = rows.from_us(hour * _HOUR_US)
                        found |= {(meter, at), (meter, at + _HOUR)}
        if past:
            found |= {(one.meter, one.ended) for one in self._periods(meters) if after < one.seq <= last}
        return found

    def _periods(self, meters: Collection[str]) -> Iterator[_Period]:
        for text in self._answers(_PERIODS, meters):
            for meter, code, seq, exchange, at, said in _PERIOD_ROWS.decode(text):
                obis = Obis.parse(code)
                ended = period_end(said, self._zone) if ends_a_period(obis) else None
                if ended is not None:
                    yield _Period(meter, obis, ended, seq, exchange, rows.from_us(at))

    def _answers(self, sql: str, meters: Collection[str]) -> Iterator[str]:
        wanted = _json(sorted(meters))
        numbers = segments.segment_numbers(self._folder)
        for number in numbers:
            text = self._sealed.get((number, sql, wanted))
            if text is None:
                with suppress(ArchiveDamaged):
                    text = self._raw.text(number, sql, (wanted,))
                if text is None:
                    continue
                if number != numbers[-1]:
                    self._sealed[number, sql, wanted] = text
            yield text


def _wider(known: tuple[datetime, datetime] | None, first: datetime, last: datetime) -> tuple[datetime, datetime]:
    return (first, last) if known is None else (min(known[0], first), max(known[1], last))


def _json(texts: Collection[str]) -> str:
    return msgspec.json.encode(list(texts)).decode()
