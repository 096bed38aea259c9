"""What is not derived because a segment of the derived archive cannot be read: which days, which segments, the remedy.

    Unread(reader).passed           days and months of points that were passed over since the last `noted`
    Unread(reader).noted(before)    because of which files that was
    Unread(reader).mended(noted)    whether it is worth another try

Rules: a version is written only where it is known what stands before it. A segment that cannot be read costs the days
that it has values of, and nothing else; what was passed over is computed when the segment is another file, or gone.
"""

from collections.abc import Iterable
from datetime import date
from pathlib import Path

from gatewayd.archive import segments
from gatewayd.daemon.derived import DerivedReader

FileMark = tuple[int, int, int, int]
"""A segment, the inode of its file, when that was changed (ns), and its size; zeros for one that is gone. A copy that
keeps the times of the original has another inode."""


class Unread:
    """Of one engine. Used from one thread after the other, never from two at a time."""

    def __init__(self, reader: DerivedReader) -> None:
        self._reader = reader
        self.passed: set[tuple[str, date]] = set()

    @property
    def text(self) -> str:
        """Of what nothing is derived, in words; "" where all segments can be read, as far as they were looked at."""
        folder = self._reader.folder
        paths = [str(segments.segment_path(folder, number)) for number in sorted(self._reader.damaged)]
        if not paths:
            return ""
        return f"of days whose values are in {', '.join(paths)}, which cannot be read; all other days are derived"

    @property
    def remedy(self) -> str:
        """What to do about it."""
        return (
            f"restore it from a copy, or stop the gateway and delete {self._reader.folder}: then everything is derived "
            "again, and substitute values by hand are lost"
        )

    def noted(self, before: tuple[FileMark, ...]) -> tuple[FileMark, ...]:
        """What is to be remembered, upon what was: the files because of which anything was passed over."""
        if not self.passed:
            return before
        self.passed.clear()
        return self._marks(self._reader.damaged.keys() | {one[0] for one in before})

    def mended(self, noted: tuple[FileMark, ...]) -> bool:
        """Whether any of these is another file by now, or gone: then all are looked at anew."""
        if not noted or noted == self._marks(one[0] for one in noted):
            return False
        self._reader.damaged.clear()
        return True

    def _marks(self, numbers: Iterable[int]) -> tuple[FileMark, ...]:
        return tuple(mark_of(self._reader.folder, number) for number in sorted(numbers))


def mark_of(folder: Path, number: int) -> FileMark:
    """That of a segment as it is now."""
    try:
        facts = segments.segment_path(folder, number).stat()
    except OSError:
        return number, 0, 0, 0
    return number, facts.st_ino, facts.st_mtime_ns, facts.st_size
