"""What the command line costs before it does anything: processor time of `gatewayd --help`, imports included."""

import os
import resource
import subprocess
import sys
from pathlib import Path

from benchmarks.result import Result

ROOT = Path(__file__).resolve().parents[1]
BOUND_S = 0.35
REPETITIONS = 5


def run() -> list[Result]:
    """The quickest of some starts, against the bound and beside an interpreter that does nothing."""
    started = _quickest("-m", "gatewayd", "--help")
    name = f"gatewayd --help (python alone: {_quickest('-c', ''):.3f} s)"
    return [Result(name, started, BOUND_S, started / BOUND_S, "at most 1", started <= BOUND_S, "s CPU")]


def _quickest(*arguments: str) -> float:
    return min(_processor_seconds(*arguments) for _ in range(REPETITIONS))


def _processor_seconds(*arguments: str) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL, cwd=ROOT, env={**os.environ})
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime - before.ru_utime) + (after.ru_stime - before.ru_stime)
