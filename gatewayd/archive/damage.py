"""Which readings the findings of `verify` cast doubt on.

Rules: a reading is doubtful when it stands in a damaged batch, and when its series, device or ratio was written by one:
which row of a batch was changed cannot be told. A finding that names no readings counts for its whole segment. After
more findings than are kept, everything is doubtful. Never the other way round: what is not doubtful was proven.
"""

from dataclasses import dataclass, field
from pathlib import Path

import apsw

from gatewayd.archive import rows, segments
from gatewayd.archive.verify import FINDINGS_LIMIT, Finding, Verdict
from gatewayd.errors import ArchiveError
from gatewayd.model import Archived

_ADDED = "WHERE id > coalesce((SELECT {end} FROM batch WHERE id < ? ORDER BY id DESC LIMIT 1), 0) AND id <= ?"


@dataclass(slots=True)
class _Doubts:
    """What is doubtful in one segment."""

    whole: bool = False
    ranges: list[tuple[int, int]] = field(default_factory=list)
    series: set[rows.SeriesKey] = field(default_factory=set)
    devices: set[tuple[str, str, str, str]] = field(default_factory=set)
    ratios: set[int] = field(default_factory=set)


class Damage:
    """The doubts that a verdict raises."""

    def __init__(self, folder: Path, verdict: Verdict) -> None:
        self._all = len(verdict.findings) >= FINDINGS_LIMIT
        self._segments: dict[int, _Doubts] = {}
        for finding in verdict.findings:
            self._add(folder, finding)

    def number_is_doubtful(self, segment: int, seq: int) -> bool:
        """By its number alone, for a row that may not even be readable."""
        doubts = self._segments.get(segment)
        if self._all or doubts is None:
            return self._all
        return doubts.whole or any(first <= seq <= last for first, last in doubts.ranges)

    def is_doubtful(self, segment: int, archived: Archived) -> bool:
        doubts = self._segments.get(segment)
        if doubts is None or self.number_is_doubtful(segment, archived.seq):
            return self.number_is_doubtful(segment, archived.seq)
        reading, point = archived.reading, archived.point
        return (
            archived.ratio_id in doubts.ratios
            or rows.series_key(reading) in doubts.series
            or (reading.meter, archived.serial, point.eic, point.ean) in doubts.devices
        )

    def _add(self, folder: Path, finding: Finding) -> None:
        doubts = self._segments.setdefault(finding.segment, _Doubts())
        if finding.first_seq is None or finding.last_seq is None:
            doubts.whole = True
            return
        if finding.first_seq <= finding.last_seq:
            doubts.ranges.append((finding.first_seq, finding.last_seq))
        if finding.batch is not None:
            try:
                _add_dictionaries(doubts, segments.segment_path(folder, finding.segment), finding.batch)
            except (apsw.Error, ArchiveError, ValueError):
                doubts.whole = True


def _add_dictionaries(doubts: _Doubts, path: Path, batch: int) -> None:
    """The series, devices and ratios that a batch added."""
    connection = segments.open_for_reading(path)
    try:
        ends = rows.typed(connection.execute("SELECT * FROM batch WHERE id = ?", (batch,)), rows.BatchRow)
        for end in ends:
            found = connection.execute(
                f"SELECT * FROM series {_ADDED.format(end='last_series')}",  # noqa: S608 - names of ours
                (batch, end.last_series),
            )
            doubts.series |= {row[1:] for row in rows.typed(found, rows.SeriesRow)}
            found = connection.execute(
                f"SELECT * FROM device {_ADDED.format(end='last_device')}",  # noqa: S608
                (batch, end.last_device),
            )
            doubts.devices |= {row[1:5] for row in rows.typed(found, rows.DeviceRow)}
            found = connection.execute(
                f"SELECT * FROM ratio {_ADDED.format(end='last_ratio')}",  # noqa: S608
                (batch, end.last_ratio),
            )
            doubts.ratios |= {row.id for row in rows.typed(found, rows.RatioRow)}
    finally:
        connection.close(True)
