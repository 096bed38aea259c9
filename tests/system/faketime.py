"""A clock of its own for one process: libfaketime, which the commands here load in front of the C library.

Rules: the monotonic clock stays true, so that pauses and deadlines last as long as they say.
"""

from datetime import UTC, datetime
from pathlib import Path

import pytest


def library() -> Path:
    """The library that sets a clock for one process."""
    for path in Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"):
        return path
    pytest.fail("libfaketime is not installed; run: apt-get install faketime")


def starting_at(now: datetime) -> dict[str, str]:
    """The environment of a process whose clock begins at this instant and goes on from there."""
    return {
        "LD_PRELOAD": str(library()),
        "FAKETIME": f"@{now.astimezone(UTC):%Y-%m-%d %H:%M:%S}",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "NO_FAKE_STAT": "1",
        "TZ": "UTC",
    }
