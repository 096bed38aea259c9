"""Since when the archive knows of the intervals of a meter: its oldest one, and when it was first asked.

Rules: read-only, one connection for one segment. What is asked for each time is answered by an index or by the first
exchange that fits: an archive of years is not read through.
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import apsw
import msgspec

from gatewayd.archive import rows, segments
from gatewayd.errors import ArchiveError

_OLDEST = """
SELECT s.meter, min((SELECT min(r.at) FROM reading AS r WHERE r.series = s.id))
FROM series AS s WHERE s.kind = 'interval' GROUP BY s.meter
"""
_ASKED = """
SELECT e.started_at FROM exchange AS e
WHERE e.device IN (SELECT id FROM device WHERE meter = ?)
  AND EXISTS (SELECT 1 FROM json_each(?) WHERE substr(e.request, 1, length(value)) = value)
ORDER BY e.id LIMIT 1
"""
_KNOWN = "SELECT 1 FROM device WHERE meter = ? LIMIT 1"


def oldest_intervals(folder: Path) -> dict[str, datetime]:
    """The end of the oldest interval of each meter, with a value or told missing. ArchiveError."""
    found: dict[str, int] = {}
    for connection in _segments(folder):
        for meter, at in connection.execute(_OLDEST):
            if at is not None:
                found[str(meter)] = min(int(str(at)), found.get(str(meter), int(str(at))))
    return {meter: rows.from_us(at) for meter, at in found.items()}


def first_asked(folder: Path, meter: str, requests: Collection[str]) -> datetime | None:
    """When the first exchange with a meter began whose request begins with one of these; None: never. ArchiveError."""
    wanted = meter, msgspec.json.encode(list(requests)).decode()
    for connection in _segments(folder):
        if connection.execute(_KNOWN, (meter,)).get is None:
            continue
        at = connection.execute(_ASKED, wanted).get
        if at is not None:
            return rows.from_us(int(str(at)))
    return None


def _segments(folder: Path) -> Iterator[apsw.Connection]:
    """Each of them, the oldest first, open while it is looked at."""
    for number in segments.segment_numbers(folder):
        with _reading(segments.segment_path(folder, number)) as connection:
            yield connection


@contextmanager
def _reading(path: Path) -> Iterator[apsw.Connection]:
    connection = segments.open_for_reading(path)
    try:
        yield connection
    except (apsw.Error, ValueError) as error:
        raise ArchiveError(f"{path} cannot be read: {error}; see gatewayd archive verify") from error
    finally:
        connection.close(True)
