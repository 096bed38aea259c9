"""The gateway's own clock under watch: whether it is synchronised, and when somebody has set it.

Rules: a change of either is one line of the log and one entry of the audit log, never one for each look. A step is what
the wall clock gained on the clock that nobody sets, beyond what slewing explains. Nothing is corrected by it: readings
keep the instants that they were stamped with, and their flags.
"""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from gatewayd.archive.records import Audit
from gatewayd.driver import Clock
from gatewayd.kernel_clock import TRUSTED, Kernel, Sync, Synchronised, kernel_says

CATEGORY, SYNCHRONISATION, STEP = "clock", "gateway-clock-synchronisation", "gateway-clock-step"
_STEP = timedelta(seconds=1)
_SLEWING = 1000
"""A clock that is slewed gains or loses less than this part of the time: the kernel allows 500 ppm (adjtimex(2))."""
_TEXT = {
    Sync.YES: "the gateway's clock is synchronised",
    Sync.NO: "the gateway's clock is not synchronised: what it stamps is flagged gateway_clock",
    Sync.UNKNOWN: "whether the gateway's clock is synchronised is not known: what it stamps is flagged gateway_clock",
}

log = logging.getLogger("gatewayd.clock")


class GatewayClock:
    """`clock` is the wall clock, `steady` one in seconds that nobody sets; `trusted`: the kernel is not asked."""

    def __init__(
        self, clock: Clock, steady: Callable[[], float], kernel: Kernel = kernel_says, *, trusted: bool = False
    ) -> None:
        self._clock = clock
        self._steady = steady
        self._kernel = kernel
        self._trusted = trusted
        self._told: Sync | None = None
        self._seen: tuple[datetime, float] | None = None

    @property
    def state(self) -> Synchronised:
        """What is known of the clock right now."""
        return TRUSTED if self._trusted else self._kernel()

    def synchronised(self) -> bool:
        """Whether instants of the gateway may be relied on."""
        return self.state.sure

    def look(self) -> tuple[Audit, ...]:
        """To be called every few seconds: what the audit log has to have of what happened since the last time."""
        now, steady = self._clock(), self._steady()
        return (*self._stepped(now, steady), *self._changed(now))

    def _stepped(self, now: datetime, steady: float) -> tuple[Audit, ...]:
        before, self._seen = self._seen, (now, steady)
        if before is None:
            return ()
        passed = timedelta(seconds=steady - before[1])
        gained = now - before[0] - passed
        if abs(gained) <= max(_STEP, passed / _SLEWING):
            return ()
        text = f"{gained.total_seconds():+.3f} s"
        log.warning("the gateway's clock was set, or leapt, by %s", text)
        return (Audit(now, "gateway", CATEGORY, STEP, "gateway", "seen", text),)

    def _changed(self, now: datetime) -> tuple[Audit, ...]:
        state = self.state
        if state.state is self._told:
            return ()
        self._told = state.state
        said = f"{state.source}: error at most {state.error:f} s" if state.error is not None else state.source
        log.log(logging.INFO if state.sure else logging.WARNING, "%s (%s)", _TEXT[state.state], said)
        return (Audit(now, "gateway", CATEGORY, SYNCHRONISATION, "gateway", state.state.value, said),)
