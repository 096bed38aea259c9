"""What a metering type demands of acquisition: rhythm, deadline, how long an interval is waited for, how right a clock.

Rules: pure. The defaults are those of PPDS annex 5 (1.5, 2.2, 2.13) and of decree 359/2020: type A is transferred
every day, B in another rhythm, C has registers and billing values, AMM a profile, registers and pushes. A registration
interval may be off by 1 % (9 s of 15 min).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import time, timedelta
from typing import Any

from gatewayd.model import MeteringType

_QUARTER, _HOUR = timedelta(minutes=15), timedelta(hours=1)
_CLOCK_SHARE = 100
"""A clock may be off by this part of the metering period."""


@dataclass(frozen=True, slots=True)
class Policy:
    """How one meter is acquired. Periods are lengths, times are legal time."""

    period: timedelta = _QUARTER
    """The metering period: the length of the intervals of its load profile."""
    evaluation: timedelta = _QUARTER
    """The evaluation interval, 15 or 60 minutes: one counts as complete when all of its metering periods are there."""
    at: time | None = None
    """When a profile or billing job without a time of its own runs; None: it needs one."""
    on: str | int | None = None
    """Only on this day: a weekday (mon to sun), or a day of the month from 1 to 28; None: every day."""
    deadline: time | None = None
    """By when, on the day after, a day has to be complete; None: no deadline."""
    retry_window: timedelta = timedelta(days=3)
    """How long after its end an interval that was not read counts as outstanding; then it is archived as missing."""
    backfill_months: int = 36
    """How far back a meter is read that was never read before."""
    clock_limit: timedelta = _QUARTER / _CLOCK_SHARE
    """How far the meter's clock may be from the gateway's."""
    set_clock: bool = False
    """Whether a clock that is further off is put right, where the driver's own options allow that."""

    def changed(self, changes: Mapping[str, Any]) -> "Policy":  # Any: each attribute has a type of its own
        """This policy with other values of the attributes named. A new period brings its own clock limit, and the
        longer evaluation interval where it does not divide the one that there is."""
        policy = replace(self, **changes)
        if "period" in changes and "clock_limit" not in changes:
            policy = replace(policy, clock_limit=policy.period / _CLOCK_SHARE)
        if "period" in changes and "evaluation" not in changes and policy.evaluation % policy.period:
            policy = replace(policy, evaluation=_HOUR)
        return policy


POLICY = Policy()
"""Where nobody has said anything."""
POLICIES: Mapping[MeteringType, Policy] = {
    MeteringType.A: Policy(at=time(0, 20), deadline=time(6)),
    MeteringType.B: Policy(at=time(2), on="mon", retry_window=timedelta(days=21)),
    MeteringType.C: Policy(at=time(0, 5), on=1, retry_window=timedelta(days=31)),
    MeteringType.AMM: Policy(at=time(0, 20), deadline=time(12)),
}
"""The defaults of each metering type."""
