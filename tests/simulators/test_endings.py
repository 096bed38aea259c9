"""A simulator ends on a signal, whenever it comes."""

import subprocess
import sys

import pytest

from tests.simulators.reader import PATIENCE_S, ROOT

_BETWEEN = """
import ctypes, operator, os, select
from functools import partial
from simulators.process import end_on_signals

end_on_signals()
silent, _ = os.pipe()
# Both are called without an instruction between them, at which the interpreter would look for signals.
deeds = [partial(ctypes.CDLL(None)["raise"], {signal}), partial(select.select, [silent], [], [], None)]
list(map(operator.methodcaller("__call__"), deeds))
"""


@pytest.mark.parametrize("signal", [2, 15])
def test_one_that_comes_just_before_a_wait_without_end_is_heard(signal: int) -> None:
    command = [sys.executable, "-c", _BETWEEN.format(signal=signal)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
