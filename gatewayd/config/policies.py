"""Policies in the configuration: what differs from the defaults of a metering type, for the type or for one meter.

Rules: an entry has only what it changes; what a policy is as a whole says gatewayd.policy. What does not fit together
is found where entry and defaults are put together (policy_checks.py).
"""

from collections.abc import Mapping
from datetime import time
from typing import Any

from pydantic import Field

from gatewayd.config.values import DAILY, NONE, Day, Deadline, Evaluation, MeteringPeriod, Period, RetryWindow
from gatewayd.model import MeteringType
from gatewayd.options import Options
from gatewayd.policy import POLICIES, Policy


class PolicyEntry(Options):
    """How meters are acquired, as far as it differs from the defaults of their metering type."""

    period: MeteringPeriod | None = None
    """The metering period, the length of the intervals of the load profile: it divides the hour, such as 15m."""
    evaluation: Evaluation | None = None
    """The evaluation interval, 15m or 60m: it is complete when all of its metering periods are there."""
    at: time | None = None
    """Legal time of profile and billing jobs that have none of their own, such as 00:20."""
    on: Day | None = None
    """The day of these jobs: a weekday such as mon, a day of the month from 1 to 28, or daily."""
    deadline: Deadline | None = None
    """Legal time on the day after by which a day has to be complete, such as 06:00; or none."""
    retry_window: RetryWindow | None = None
    """How long an interval that was not read is waited for before it is archived as missing, from 1h to 366d."""
    backfill_months: int | None = Field(default=None, ge=1, le=120)
    """Months for which a meter is read back that was never read before."""
    clock_limit: Period | None = None
    """How far the meter's clock may be off, such as 9s; 1 % of the period when absent."""
    set_clock: bool | None = None
    """Whether a clock that is further off is put right, where the driver's own options allow that."""

    @property
    def changes(self) -> Mapping[str, Any]:  # Any: each attribute of a policy has a type of its own
        """What is changed: attributes of a Policy by name."""
        found = {name: getattr(self, name) for name in type(self).model_fields}
        return {
            name: None if (name, value) in (("on", DAILY), ("deadline", NONE)) else value
            for name, value in found.items()
            if value is not None
        }


class PolicyEntries(Options):
    """Changes of the defaults, by metering type."""

    A: PolicyEntry | None = None
    """Metering type A: load profile with daily remote transfer."""
    B: PolicyEntry | None = None
    """Metering type B: load profile in another rhythm."""
    C: PolicyEntry | None = None
    """Metering type C: registers and billing values."""
    AMM: PolicyEntry | None = None
    """Smart meters: profile, registers and pushes."""

    @property
    def policies(self) -> Mapping[MeteringType, Policy]:
        """The policy of each metering type."""
        entries = {each: getattr(self, each.value) for each in MeteringType}
        return {each: with_changes(POLICIES[each], entry) for each, entry in entries.items()}


def with_changes(policy: Policy, entry: PolicyEntry | None) -> Policy:
    """The policy with what an entry changes; itself where there is none."""
    return policy if entry is None else policy.changed(entry.changes)
