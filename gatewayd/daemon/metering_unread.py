"""What is not derived because a segment of the derived archive cannot be read: which days, which segments, the remedy.

    Unread(reader).passed           days and months of points that were passed over since the last `noted`
    Unread(reader).noted(before)    because of which files that was
    Unread(reader).mended(noted)    whether it is worth another try

Rules: a version is written only where it is known what stands before it. A segment that cannot be read costs the days
that it has values of, and nothing else; what was passed over is computed when the segment is another file, or gone.
"""

from datetime import date

from gatewayd.archive import segments
from gatewayd.daemon.derived import DerivedReader
from gatewayd.daemon.file_marks import FileMark, mark_of


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
        known = {one[0]: one for one in before} | self._reader.damaged
        return tuple(known[number] for number in sorted(known))

    def mended(self, noted: tuple[FileMark, ...]) -> bool:
        """Whether any of these is another file by now, or gone: then all are looked at anew."""
        if all(one == mark_of(self._reader.folder, one[0]) for one in noted):
            self._reader.damaged |= {one[0]: one for one in noted}  # also after a start
            return False
        self._reader.damaged.clear()
        return True
