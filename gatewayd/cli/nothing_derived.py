"""What is said where the derived archive has nothing of what was asked for: also that it has nothing at all.

Rules: looks at names of files, and opens none. A derived archive that could not be opened leaves no segment: then the
running gateway knows why.
"""

from pathlib import Path

from gatewayd.archive.segments import segment_numbers


def nothing_derived(folder: Path, what: str) -> str:
    """`nothing was derived of WHAT`, and where there is no derived archive that it is not there."""
    there = f"nothing was derived of {what}"
    if segment_numbers(folder):
        return there
    return f"{there}; there is no derived archive in {folder}: gatewayd status says whether it could be opened"
