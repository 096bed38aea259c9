"""What is not derived because a segment of the raw archive could not be read: until it is another file.

    RawUnread(reader).noted(before)    which files that are, to be remembered upon what was
    RawUnread(reader).mended(noted)    segments that are another file now, and what is to be remembered of the others
    RawUnread(reader).span(number)     the readings that a segment has

Rules: read-only. A segment that cannot be read costs what it has, and nothing else: the engine goes on behind it. When
it is another file, restored from a copy, its readings are looked at as if they had come now. What was made of them
before is computed again, which writes nothing where it is the same.
"""

from collections.abc import Collection

from gatewayd.archive import segments
from gatewayd.daemon.file_marks import FileMark, mark_of
from gatewayd.daemon.metering_raw import RawReader
from gatewayd.errors import ArchiveDamaged


class RawUnread:
    """Of one engine. Used from one thread after the other, never from two at a time."""

    def __init__(self, reader: RawReader) -> None:
        self._reader = reader

    def noted(self, before: Collection[FileMark]) -> tuple[FileMark, ...]:
        """Upon what was: the segments that could not be read since somebody cleared that."""
        known = {one[0]: one for one in before}
        for number in self._reader.damaged:
            known.setdefault(number, mark_of(self._reader.folder, number))
        return tuple(known[number] for number in sorted(known))

    def mended(self, noted: Collection[FileMark]) -> tuple[list[int], tuple[FileMark, ...]]:
        """Those that are other files, or gone; and the rest."""
        left = tuple(one for one in noted if one == mark_of(self._reader.folder, one[0]))
        return sorted({one[0] for one in noted} - {one[0] for one in left}), left

    def span(self, number: int) -> tuple[int, int]:
        """The number behind which its readings begin, and its last one; the same where nothing can be read of it.
        ArchiveError."""
        if number not in segments.segment_numbers(self._reader.folder):
            return 0, 0
        try:
            text = self._reader.text(number, _SPAN, ())
            start, _, end = text.partition(" ")
            return int(start), int(end)
        except ArchiveDamaged:
            return 0, 0


_SPAN = "SELECT last_seq || ' ' || coalesce((SELECT max(seq) FROM reading), last_seq) FROM segment"
