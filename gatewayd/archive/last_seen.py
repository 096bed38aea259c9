"""What the archive knew last of one meter: its serial number and where its registers stood.

Rules: read-only and quick, however large the archive is: the newest reading of each series by its index, in the newest
two segments. A damaged segment is passed over: what it holds is as if it were not known.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import apsw

from gatewayd.archive import rows
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
_SERIAL = "SELECT serial FROM device WHERE meter = ? AND serial <> '' ORDER BY id DESC LIMIT 1"


def newest_registers(folder: Path, meter: str) -> list[Archived]:
    """The newest reading of each register, by its instant, oldest segment first; a register whose unit was changed has
    one for each. [] where there is no archive."""
    return [rows.archived(row) for found in _asked(folder, _NEWEST, meter) for row in found]


def newest_serial(folder: Path, meter: str) -> str:
    """The serial number beside the meter's last exchanges: as configured, else as it said; "" for none."""
    serials = [str(serial) for found in _asked(folder, _SERIAL, meter) for (serial,) in found]
    return serials[-1] if serials else ""


def _asked(folder: Path, sql: str, meter: str) -> Iterator[list[tuple[object, ...]]]:
    """The rows of each segment, oldest first."""
    for number in segment_numbers(folder)[-_SEGMENTS:]:
        with contextlib.suppress(ArchiveError, apsw.Error):
            connection = open_for_reading(segment_path(folder, number))
            try:
                found = list(connection.execute(sql, (meter,)))
            finally:
                connection.close(True)
            yield found
