"""What the archive has around an instant of one register: for people who enter a reading that belongs between others.

Rules: read-only; all segments are looked into, because a reading may have been entered long after its time; each by its
index, so that it does not matter how large they are. Sealed segments stay open while the `with` lasts, the one that is
written is opened for each query, so that sealing never waits. What cannot be read is an ArchiveError.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Self

import apsw

from gatewayd.archive import rows
from gatewayd.archive.segments import open_for_reading, segment_numbers, segment_path
from gatewayd.errors import ArchiveError
from gatewayd.model import Archived, Flag, RawStatus

BY_HAND = "by hand"
"""The line of exchanges that a person made. No line of a configuration can have this name."""
_SERIES = "series AS one WHERE one.meter = ? AND one.obis = ? AND one.kind = 'register'"
_SOUND = f"x.status < {int(RawStatus.DISTORTED)}"
_BEFORE = f"""
{rows.READINGS}
WHERE r.seq IN (
    SELECT (SELECT x.seq FROM reading AS x WHERE x.series = one.id AND x.at <= ? AND {_SOUND}
            AND NOT (x.flags & {int(Flag.MANUAL)} AND x.at >= ?) ORDER BY x.at DESC, x.seq DESC LIMIT 1)
    FROM {_SERIES}
)
"""  # noqa: S608 - only our own texts are put together
_AFTER = f"""
{rows.READINGS}
WHERE r.seq IN (
    SELECT (SELECT x.seq FROM reading AS x WHERE x.series = one.id AND x.at > ? AND {_SOUND}
            AND NOT (x.flags & {int(Flag.MANUAL)} AND x.at < ?) ORDER BY x.at, x.seq DESC LIMIT 1)
    FROM {_SERIES}
)
"""  # noqa: S608
_BY_HAND = f"""
{rows.READINGS}
WHERE r.series IN (SELECT one.id FROM {_SERIES}) AND r.at >= ? AND r.at < ? AND r.flags & {int(Flag.MANUAL)}
ORDER BY r.seq
"""  # noqa: S608
_ENTERED = f"{rows.READINGS} WHERE e.line = '{BY_HAND}' ORDER BY r.seq"
_DETAILS = f"SELECT id, detail FROM exchange WHERE line = '{BY_HAND}'"  # noqa: S608
_CODES = "SELECT DISTINCT obis FROM series WHERE meter = ? AND kind = 'register' AND is_obis = 1"
_NAMES = f"""
SELECT serial FROM device AS d WHERE meter = ? AND serial NOT IN ('', '{BY_HAND}')
AND EXISTS (SELECT 1 FROM exchange AS e WHERE e.device = d.id AND e.line <> '{BY_HAND}') ORDER BY id
"""  # noqa: S608
_SPANS = f"""
SELECT d.serial, min(e.started_at), max(e.started_at)
FROM exchange AS e JOIN device AS d ON d.id = e.device
WHERE d.meter = ? AND d.serial <> '' AND e.line <> '{BY_HAND}' GROUP BY d.serial
"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class Seen:
    """A serial number of a meter, and the exchanges between which it was known by it."""

    serial: str
    first: datetime
    last: datetime


class Neighbours:
    """The archive in `folder`, which may not be there yet, while a `with` lasts."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._sealed: dict[int, apsw.Connection] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_fault: object) -> None:
        for connection in self._sealed.values():
            connection.close(True)
        self._sealed.clear()

    def before(self, meter: str, code: str, at: datetime, day: datetime) -> list[Archived]:
        """The last sound reading up to `at` of each series of a register; those by hand only from before the `day`
        begins, because others take its place."""
        values = rows.to_us(at), rows.to_us(day), meter, code
        return [rows.archived(row) for row in self._rows(_BEFORE, values)]

    def after(self, meter: str, code: str, at: datetime, day: datetime) -> list[Archived]:
        """The same for the next reading; those by hand from the end of the `day` on."""
        values = rows.to_us(at), rows.to_us(day), meter, code
        return [rows.archived(row) for row in self._rows(_AFTER, values)]

    def by_hand(self, meter: str, code: str, start: datetime, end: datetime) -> list[Archived]:
        """The readings by hand from `start` on and before `end`, oldest first."""
        values = meter, code, rows.to_us(start), rows.to_us(end)
        return [rows.archived(row) for row in self._rows(_BY_HAND, values)]

    def entered(self, meter: str | None) -> list[tuple[Archived, str]]:
        """All readings by hand, of a meter or of all, oldest first, each with the detail of its exchange."""
        details: dict[int, str] = {int(str(number)): str(detail) for number, detail in self._rows(_DETAILS, ())}
        found = [rows.archived(row) for row in self._rows(_ENTERED, ())]
        return [(one, details[one.exchange]) for one in found if meter in (None, one.reading.meter)]

    def codes(self, meter: str) -> set[str]:
        """The OBIS codes of all registers of a meter."""
        return {str(code) for (code,) in self._rows(_CODES, (meter,))}

    def serials(self, meter: str, configured: str = "") -> list[Seen]:
        """The serial numbers by which a meter was known when it was read, the first one first. Where that is only one,
        and the configured one, nobody needs to know since when: it is as if it had been known for ever."""
        names = {str(serial) for (serial,) in self._rows(_NAMES, (meter,))}
        if len(names | {configured} - {""}) < 2:
            return [Seen(name, _EVER, _EVER) for name in names]
        spans: dict[str, tuple[int, int]] = {}
        for serial, first, last in self._rows(_SPANS, (meter,)):
            known = spans.get(str(serial), (int(str(first)), int(str(last))))
            spans[str(serial)] = min(known[0], int(str(first))), max(known[1], int(str(last)))
        seen = [Seen(serial, rows.from_us(first), rows.from_us(last)) for serial, (first, last) in spans.items()]
        return sorted(seen, key=lambda one: one.first)

    def _rows(self, sql: str, values: tuple[str | int, ...]) -> Iterator[tuple[object, ...]]:
        """The rows of each segment, oldest first."""
        numbers = segment_numbers(self._folder)
        for number in numbers:
            path = segment_path(self._folder, number)
            stays = number != numbers[-1]
            connection = self._sealed.get(number) or open_for_reading(path)
            if stays:
                self._sealed[number] = connection
            try:
                yield from list(connection.execute(sql, values))
            except apsw.Error as error:
                raise ArchiveError(f"{path} cannot be read: {error}; see gatewayd archive verify") from error
            finally:
                if not stays:
                    connection.close(True)


_EVER = rows.from_us(0)
