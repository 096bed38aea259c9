"""Several tests at a time, but those that measure time run alone: `./dev test` starts processes (pytest-xdist).

Rules: a test in one of the ALONE files, or marked so, waits until no other runs, and none begins beside it. Two locks
on files: whoever wants to begin goes through the gate, and who wants to be alone stays in it until the others have
ended. Without a second process nothing is locked.
What waits for long comes first, so that the end of a run is what can be divided; those that are alone come last, when
they need not wait for something long to end. Whoever has Python write no bytecode has it in .venv instead: else every
process that a test starts compiles the whole gateway.
"""

import fcntl
import os
import sys
import tempfile
from collections.abc import Generator
from pathlib import Path

import pytest

if os.environ.pop("PYTHONDONTWRITEBYTECODE", None):
    os.environ.setdefault("PYTHONPYCACHEPREFIX", str(Path(sys.prefix) / "pycache"))

ROOT = Path(__file__).parent
ALONE = frozenset(
    {
        "test_iec62056_21_timing.py",
        "test_programming_timing.py",
        "test_bus.py",
        "test_live_timing.py",
        "test_wake_up.py",
    }
)
"""Files whose tests compare times on the clock with what a line allows."""
LONG = (
    "system/test_siege.py",
    "system/test_modem.py",
    "system/test_siege_clock.py",
    "crash/test_year.py",
    "crash/test_any_moment.py",
    "system/test_reload.py",
    "drivers/iec62056_21/test_fuzz.py",
)
"""Files that take longer than all others, most of it waiting."""
WAITING = ("system", "crash", "interop", "simulators")
"""Folders of tests that start processes."""


def turn(file: Path) -> tuple[int, int]:
    """Where the tests of a file stand in a run of several processes: those with the least first."""
    if file.name in ALONE:
        return 3, 0
    place = file.relative_to(ROOT)
    if place.as_posix() in LONG:
        return 0, LONG.index(place.as_posix())
    folder = place.parts[0]
    return (1, WAITING.index(folder)) if folder in WAITING else (2, 0)


def pytest_configure(config: pytest.Config) -> None:
    config.option.loadscopereorder = False  # else the files with the most tests come first


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if "PYTEST_XDIST_TESTRUNUID" in os.environ:
        items.sort(key=lambda item: turn(item.path))


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
