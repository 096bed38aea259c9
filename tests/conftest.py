"""Two tests at a time, but those that measure time run alone: `./dev test` starts two processes (pytest-xdist).

Rules: a test in one of the ALONE files, or marked so, waits until no other runs, and none begins beside it. Two locks
on files: whoever wants to begin goes through the gate, and who wants to be alone stays in it until the other has ended.
Without a second process nothing is locked.
"""

import fcntl
import os
import tempfile
from collections.abc import Generator
from pathlib import Path

import pytest

ALONE = frozenset(
    {
        "test_iec62056_21_timing.py",
        "test_programming_timing.py",
        "test_bus.py",
        "test_wake_up.py",
    }
)
"""Files whose tests compare times on the clock with what a line allows."""


@pytest.hookimpl(wrapper=True, tryfirst=True)  # before the time of the test begins to count
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID")
    if run is None:
        return (yield)
    folder = Path(tempfile.gettempdir())
    alone = item.path.name in ALONE or item.get_closest_marker("alone") is not None
    with (
        (folder / f"gatewayd-test-{run}.gate").open("w") as gate,
        (folder / f"gatewayd-test-{run}.run").open("w") as running,
    ):
        fcntl.flock(gate, fcntl.LOCK_EX)
        fcntl.flock(running, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        if not alone:
            fcntl.flock(gate, fcntl.LOCK_UN)
        return (yield)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """The last process that ends takes the lock files away; whoever comes later makes them anew."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID")
    if run is not None:
        for kind in ("gate", "run"):
            (Path(tempfile.gettempdir()) / f"gatewayd-test-{run}.{kind}").unlink(missing_ok=True)
