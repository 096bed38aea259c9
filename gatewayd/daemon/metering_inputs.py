"""Where derived values came from: readings of the raw archive by their numbers, each with the exchange that brought it.

Rules: read-only. A number that is not in the archive any more, since retention has dropped its segment, is not found,
and whoever asks says so.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import apsw
import msgspec

from gatewayd.archive import rows, segments
from gatewayd.errors import ArchiveDamaged, ArchiveError
from gatewayd.model import Flag, Ratio, RawStatus

_INPUTS = """
SELECT r.seq, s.meter, s.obis, r.at, r.raw_text, s.unit, r.scaler, r.status, r.flags, q.ct, q.vt, q.multiplier,
       q.value_side, q.since, e.id, e.line, e.request, e.started_at, e.outcome
FROM reading AS r JOIN series AS s ON s.id = r.series JOIN ratio AS q ON q.id = r.ratio
JOIN exchange AS e ON e.id = r.exchange
WHERE r.seq IN (SELECT value FROM json_each(?)) ORDER BY r.seq
"""


class _Row(NamedTuple):
    """One row of _INPUTS."""

    seq: int
    meter: str
    obis: str
    at: int
    raw_text: str
    unit: str
    scaler: int
    status: int
    flags: int
    ct: str
    vt: str
    multiplier: str
    value_side: str
    since: str
    exchange: int
    line: str
    request: str
    started_at: int
    outcome: str


@dataclass(frozen=True, slots=True)
class Input:
    """A reading as the meter sent it, the ratio that was archived with it, and the exchange that brought it."""

    seq: int
    meter: str
    obis: str
    at: datetime
    raw_text: str
    unit: str
    scaler: int
    status: RawStatus
    flags: Flag
    ratio: Ratio
    exchange: int
    line: str
    request: str
    started_at: datetime
    outcome: str


def inputs_of(folder: Path, numbers: Collection[int]) -> list[Input]:
    """The readings with these numbers, as far as they are there. ArchiveError."""
    found: list[Input] = []
    wanted = msgspec.json.encode(sorted(numbers)).decode()
    for number in segments.segment_numbers(folder) if numbers else ():
        path = segments.segment_path(folder, number)
        connection = segments.open_for_reading(path)
        try:
            found += map(_input, rows.typed(connection.execute(_INPUTS, (wanted,)), _Row))
        except (apsw.CorruptError, apsw.NotADBError, ValueError) as error:
            raise ArchiveDamaged(f"{path} cannot be read: {error}; see gatewayd archive verify") from error
        except apsw.Error as error:
            raise ArchiveError(f"{path} cannot be read: {error}; see gatewayd archive verify") from error
        finally:
            connection.close(True)
    return found


def _input(row: _Row) -> Input:
    return Input(
        row.seq,
        row.meter,
        row.obis,
        rows.from_us(row.at),
        row.raw_text,
        row.unit,
        row.scaler,
        RawStatus(row.status),
        Flag(row.flags),
        rows.ratio(row.ct, row.vt, row.multiplier, row.value_side, row.since),
        row.exchange,
        row.line,
        row.request,
        rows.from_us(row.started_at),
        row.outcome,
    )
