"""Of which days the states of registers say something that were archived after these days were computed.

    told_by(raw, after, last, zone)   -> touches: an instant of each such day, with the meter and the code of the total

Rules: read-only, through RawReader; what a damaged segment holds is as if it were not there. A state says something of
the days from the state before it on, and of the next one: registers are read at any instant (rule_register_advance.py).
The day on which a state is read is left out: intervals of it follow, and with them it is computed again. So a register
that is read each minute has the day before computed again once a day, and nothing else.
"""

from contextlib import suppress
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec

from gatewayd.archive import rows
from gatewayd.daemon.metering_raw import OF_ERA, RawReader, totals
from gatewayd.errors import ArchiveDamaged
from gatewayd.legal_time import day_bounds, legal_day
from gatewayd.metering.plan import Touch
from gatewayd.model import Flag, RawStatus
from gatewayd.obis import Obis

_DAY, _NOON = timedelta(days=1), timedelta(hours=12)
_QUARTER_US = 900_000_000
"""Of the states of a quarter-hour the first counts: the others begin where it ends. It has its end, and no midnight in
it in any zone of today."""
_STATES = f"""
SELECT json_group_array(json_array(s.meter, s.obis, t.at, t.read,
    (SELECT p.at FROM reading AS p WHERE p.series = t.series AND p.at < t.at AND p.status = {int(RawStatus.TRUE)}
       AND (p.flags & {int(Flag.MANUAL)}) = 0 ORDER BY p.at DESC LIMIT 1)))
FROM (SELECT r.series AS series, min(r.at) AS at, max(e.ended_at) AS read
      FROM reading AS r JOIN series AS k ON k.id = r.series JOIN exchange AS e ON e.id = r.exchange
      WHERE r.seq > ? AND r.seq <= ? AND {OF_ERA} AND k.kind = 'register' AND k.is_obis = 1 AND {totals("k.obis")}
      GROUP BY r.series, (r.at - 1) / {_QUARTER_US}) AS t
JOIN series AS s ON s.id = t.series
"""  # noqa: S608
_ROWS = msgspec.json.Decoder(list[tuple[str, str, int, int, int | None]])


def told_by(raw: RawReader, after: int, last: int, zone: ZoneInfo) -> set[Touch]:
    """By the states with numbers above `after`, up to `last`. ArchiveError."""
    found: set[Touch] = set()
    for number in raw.behind(after, last):
        with suppress(ArchiveDamaged):
            for meter, code, at, read, before in _ROWS.decode(raw.text(number, _STATES, (after, last))):
                obis = Obis.parse(code)
                total = Obis(obis.a, obis.b, obis.c, obis.d)
                found |= {(meter, total, noon(day, zone)) for day in _days(zone, at, read, before)}
    return found


def noon(day: date, zone: ZoneInfo) -> datetime:
    """An instant of a legal-time day."""
    return day_bounds(day, zone)[0] + _NOON


def _days(zone: ZoneInfo, at: int, read: int, before: int | None) -> set[date]:
    """`before`: when the last true state before it was; None: not in this segment, and so not known."""
    day, now = legal_day(rows.from_us(at), zone), legal_day(rows.from_us(read), zone)
    found = {day - _DAY} if before is None or legal_day(rows.from_us(before + 1), zone) < day else set()
    return found | {day, day + _DAY} if day < now else found
