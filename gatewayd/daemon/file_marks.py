"""By what it is known that the file of a segment is another one: restored from a copy, or gone."""

from pathlib import Path

from gatewayd.archive import segments

FileMark = tuple[int, int, int, int]
"""A segment, the inode of its file, when that was changed (ns), and its size; zeros for one that is gone. A copy that
keeps the times of the original has another inode."""


def mark_of(folder: Path, number: int) -> FileMark:
    """That of a segment as it is now."""
    try:
        facts = segments.segment_path(folder, number).stat()
    except OSError:
        return number, 0, 0, 0
    return number, facts.st_ino, facts.st_mtime_ns, facts.st_size
