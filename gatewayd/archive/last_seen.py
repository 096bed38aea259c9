"""What the archive knew last: the serial number of each meter, and where the registers of one stood.

Rules: read-only and quick, however large the archive is: the newest reading of each series by its index, in the newest
two segments. A damaged segment is passed over: what it holds is as if it were not known.
"""

import contextlib
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

import apsw
import msgspec

from gatewayd.archive import rows
from gatewayd.archive.neighbours import BY_HAND
from gatewayd.archive.segments import open_for_reading, segment_numbers, segment_path
from gatewayd.errors import ArchiveError
from gatewayd.model import Archived

_SEGMENTS = 2
_NEWEST = f"""
{rows.READINGS}
WHERE r.seq IN (
    SELECT (SELECT x.seq FROM reading AS x WHERE x.series = one.id ORDER BY x.at DESC, x.seq DESC LIMIT 1)
    FROM series AS one WHERE one.meter = ? AND one.kind = 'register' AND one.is_obis = 1
)
ORDER BY r.seq
"""  # noqa: S608 - only our own texts are put together
_RATIOS = f"""
{rows.READINGS}
WHERE r.seq IN (
    SELECT (SELECT x.seq FROM reading AS x WHERE x.series = one.id ORDER BY x.at DESC, x.seq DESC LIMIT 1)
    FROM series AS one WHERE one.meter IN (SELECT value FROM json_each(?))
    AND one.obis LIKE '1-%:0.4.%' AND one.kind = 'register' AND one.is_obis = 1
)
ORDER BY r.seq
"""  # noqa: S608
_SERIALS = f"""
SELECT meter, serial FROM device
WHERE serial <> '' AND id IN (SELECT device FROM exchange WHERE line <> '{BY_HAND}') ORDER BY id
"""  # noqa: S608


Connect = Callable[[Path], apsw.Connection]
"""Opens a segment for reading."""


def newest_registers(folder: Path, meter: str) -> list[Archived]:
    """The newest reading of each register, by its instant, oldest segment first; a register whose unit was changed has
    one for each. [] where there is no archive."""
    return [rows.archived(row) for found in _asked(folder, _NEWEST, (meter,)) for row in found]


def newest_ratios(folder: Path, meters: Collection[str], connect: Connect = open_for_reading) -> list[Archived]:
    """The same of the registers 1-b:0.4.e alone, in which meters keep ratios and constants, of several meters."""
    wanted = msgspec.json.encode(sorted(meters)).decode()
    return [rows.archived(row) for found in _asked(folder, _RATIOS, (wanted,), connect) for row in found]


def newest_serials(folder: Path) -> dict[str, str]:
    """The serial number beside the last exchanges of each meter: as configured, else as it said; none where there is
    none. What a person has read may be of the meter before this one."""
    return {str(meter): str(serial) for found in _asked(folder, _SERIALS, ()) for meter, serial in found}


def _asked(
    folder: Path, sql: str, values: tuple[str, ...], connect: Connect = open_for_reading
) -> Iterator[list[tuple[object, ...]]]:
    """The rows of each segment, oldest first."""
    for number in segment_numbers(folder)[-_SEGMENTS:]:
        with contextlib.suppress(ArchiveError, apsw.Error):
            connection = connect(segment_path(folder, number))
            try:
                found = list(connection.execute(sql, values))
            finally:
                connection.close(True)
            yield found
