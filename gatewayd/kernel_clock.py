"""Whether the gateway's own clock is synchronised, as the kernel says it (adjtimex(2), Linux).

Rules: only read, never set. STA_UNSYNC says that nobody keeps the clock right; where the kernel cannot be asked the
answer is unknown and not no. What the programs that keep the clock right tell the kernel is their business: one that
tells it nothing needs `gateway: {clock: trusted}`. A process that may not ask goes by what clock_witness.py says.
"""

import ctypes
import errno
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from functools import cache

from gatewayd import clock_witness

_READ_ONLY = 0
_UNSYNCHRONISED = 0x0040
"""STA_UNSYNC of the status word (adjtimex(2))."""
_SPARE_OCTETS = 256
"""More than what follows in struct timex on any machine; it is not looked at."""


class Sync(Enum):
    """What is known of the gateway's clock. The values are stored in the audit log."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Synchronised:
    """Whether the clock is kept right, who says so, and by how many seconds it may be off all the same, None where
    nobody says that."""

    state: Sync
    source: str
    error: Decimal | None = None

    @property
    def sure(self) -> bool:
        """Whether its instants may be relied on."""
        return self.state is Sync.YES


TRUSTED = Synchronised(Sync.YES, "configuration")
"""Where the configuration says that the clock is right."""
Kernel = Callable[[], Synchronised]
"""How the clock is asked after; a test has its own."""


class _Timex(ctypes.Structure):
    """The beginning of struct timex, the same on all of Linux: longs are as wide as the machine's words."""

    _fields_ = [
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_byte * _SPARE_OCTETS),
    ]


@cache
def _adjtimex() -> Callable[..., int] | None:
    try:
        found: Callable[..., int] = ctypes.CDLL(None, use_errno=True).adjtimex
    except (OSError, AttributeError):
        return None
    return found


def adjtimex() -> tuple[int, int] | str:
    """The status word and the maximum error in microseconds, or why the kernel cannot be asked; it may be forbidden."""
    call = _adjtimex()
    if call is None:
        return "no adjtimex on this host"
    told = _Timex(modes=_READ_ONLY)
    if call(ctypes.byref(told)) < 0:
        return FORBIDDEN if ctypes.get_errno() == errno.EPERM else f"adjtimex fails (errno {ctypes.get_errno()})"
    return told.status, told.maxerror


FORBIDDEN = "adjtimex is forbidden to this process"


def kernel_says() -> Synchronised:
    """What the kernel says now, to us or to the witness; costs a few microseconds."""
    said = adjtimex()
    if said == FORBIDDEN:
        testimony = clock_witness.told()
        if testimony is None:
            return Synchronised(Sync.UNKNOWN, f"{FORBIDDEN}, and gatewayd-clock.service says nothing")
        return understood(testimony.status, testimony.maximum_error_us)
    return Synchronised(Sync.UNKNOWN, said) if isinstance(said, str) else understood(*said)


def understood(status: int, maximum_error_us: int) -> Synchronised:
    """What a status word means, with the maximum error in microseconds, which of a clock that is not kept right says
    nothing."""
    if status & _UNSYNCHRONISED:
        return Synchronised(Sync.NO, "adjtimex")
    return Synchronised(Sync.YES, "adjtimex", Decimal(maximum_error_us).scaleb(-6))
