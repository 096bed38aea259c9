"""A clock of a process's own: a small library in front of the C library, own_clock.c, compiled by the test.

Rules: the monotonic clock stays the real one, so that pauses and deadlines last as long as they say. libfaketime is not
used here: with a real monotonic clock its time.sleep fails.
"""

import shutil
import struct
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest


class OwnClock:
    """`environment`: of the processes that have it. The real time until it is set; made in a folder of the test."""

    def __init__(self, folder: Path) -> None:
        self._ahead, self._mark = folder / "clock-ahead", folder / "clock-synchronised"
        self.ahead(timedelta(0))
        self.environment = {"LD_PRELOAD": str(_compiled(folder)), "OWN_CLOCK": str(self._ahead)}

    def ahead(self, offset: timedelta) -> None:
        """By how much, in whole seconds, from this moment on: also for a process that runs."""
        with self._ahead.open("r+b" if self._ahead.exists() else "w+b") as file:
            file.write(struct.pack("=q", int(offset.total_seconds())))

    def now(self, instant: datetime) -> None:
        """It is this instant, and goes on from there."""
        self.ahead(instant - datetime.now(UTC))

    def synchronised(self, right: bool) -> None:
        """What the kernel says of it from this moment on; without it, it says what it says to all."""
        self.environment["OWN_CLOCK_SYNCHRONISED"] = str(self._mark)
        if right:
            self._mark.touch()
        else:
            self._mark.unlink(missing_ok=True)


def _compiled(folder: Path) -> Path:
    library, compiler = folder / "own_clock.so", shutil.which("gcc")
    if compiler is None:
        pytest.fail("gcc is not installed; run: apt-get install gcc libc6-dev")
    source = Path(__file__).with_suffix(".c")
    options = ("-shared", "-fPIC", "-Wall", "-Werror", "-O1")
    subprocess.run([compiler, *options, "-o", str(library), str(source)], check=True)
    return library
