"""A process whose memory nobody gets to see: no core dumps, and only root may look into it (prctl(2), core(5)).

Rules: done before the first secret is read. The limit alone does not do: the kernel heeds none where it hands dumps to
a program, as systemd-coredump. Where the kernel refuses, the gateway runs all the same, and `gatewayd doctor` says so.
"""

import contextlib
import ctypes
import resource

_PR_SET_DUMPABLE = 4


def forbid_dumps() -> None:
    """For this process; one that it starts anew has the limit alone."""
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
