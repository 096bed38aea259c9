"""Jobs in the configuration: registers, intervals of registers, load profiles, and listening.

Rules: an entry is one of these four, and has no key of another. What a job does not say is said by its meter's policy
when the entry becomes a Job.
"""

from collections.abc import Sequence
from datetime import time, timedelta
from typing import Any, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from gatewayd.config.settings import SILENCE, Job
from gatewayd.config.values import (
    ALIGNED,
    ALIGNED_FORM,
    DAILY,
    Channels,
    Day,
    Period,
    ProfileCode,
    ProfilePeriod,
    Registers,
    Span,
    Totals,
    minutes,
    written,
)
from gatewayd.options import Options
from gatewayd.policy import POLICY, Policy

_LISTENING = ("registers", "intervals", "profile", "rollover", "every", "at", "on")
_OF_PROFILES = ("backfill_months", "period", "channels")
_SHORTEST = timedelta(minutes=15)
"""A profile is not asked for more often: it does not grow faster."""


def _with(*keys: str, without: Sequence[str | tuple[str, ...]]) -> dict[str, Any]:
    """For the JSON Schema: a job that has these keys and none of those; of a tuple not all of them."""
    unwanted = [[key] if isinstance(key, str) else list(key) for key in without]
    return {"required": list(keys), "not": {"anyOf": [{"required": found} for found in unwanted]}}


class JobEntry(Options):
    """What is read and when."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [
                _with(
                    "registers",
                    without=(
                        *("intervals", "rollover", "profile", "listen", "silence"),
                        *_OF_PROFILES,
                        ("every", "at"),
                        ("every", "on"),
                    ),
                ),
                _with(
                    "profile",
                    without=(
                        *("registers", "intervals", "rollover", "listen", "silence"),
                        ("every", "at"),
                        ("every", "on"),
                    ),
                ),
                _with("listen", without=(*_LISTENING, *_OF_PROFILES)),
                {
                    **_with(
                        "intervals",
                        "every",
                        without=("registers", "profile", "at", "on", "listen", "silence", *_OF_PROFILES),
                    ),
                    "properties": {"every": {"pattern": ALIGNED_FORM}},
                },
            ]
        }
    )

    registers: Registers = ()
    """OBIS codes to read, or all."""
    intervals: Totals = ()
    """OBIS codes of totals whose increments are archived, from boundary to boundary of legal time."""
    profile: ProfileCode | None = None
    """OBIS code of a load profile or log that is kept complete, such as 1-0:99.1.0."""
    rollover: Span | None = None
    """The number at which these totals begin again at zero, in the unit in which they are archived, such as 1000000."""
    every: Period | None = None
    """Period such as 15m, from 1s to 31d; for a profile at least 15m."""
    at: time | None = None
    """Legal time of day such as 00:05; that of the policy when absent, for profiles and for registers of type C."""
    on: Day | None = None
    """Only on this day, beside at: a weekday such as mon, or a day of the month from 1 to 28; daily is every day."""
    backfill_months: int | None = Field(default=None, ge=1, le=120)
    """Months for which a profile is read back that was never read before; the policy's when absent."""
    period: ProfilePeriod | None = None
    """Length of the profile's intervals, such as 15m or 1d; as the meter tells when absent."""
    channels: Channels = ()
    """OBIS codes that each row of the profile must have; those that the meter keeps when absent."""
    listen: Literal[True] | None = None
    """Hear what the meter sends by itself, all the time."""
    silence: Period | None = None
    """How long a meter that is listened to may be silent before it counts as not heard; 25h when absent."""

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if self.listen:
            return self._alone((*_LISTENING, *_OF_PROFILES), "listen", "a job that listens has no times and takes all")
        if self.silence is not None:
            raise ValueError("has silence without listen; it belongs to {listen: true, silence: 25h}")
        if self.intervals:
            self._alone(
                ("registers", "profile", "at", "on", *_OF_PROFILES),
                "intervals",
                "their registers are read at each boundary of every",
            )
            return self._aligned()
        if self.rollover is not None:
            raise ValueError("has rollover without intervals; it belongs to {intervals: [1-0:1.8.0], every: 15m}")
        if self.profile is not None:
            self._alone(("registers",), "profile", "registers are a job of their own")
            self._profile()
        elif beside := [key for key in _OF_PROFILES if key in self.model_fields_set]:
            raise ValueError(f"has {', '.join(beside)} without profile; expected profile: 1-0:99.1.0 beside it")
        if self.every is not None and self.at is not None:
            raise ValueError("has both every and at; expected one of them, such as every: 15m or at: 00:05")
        if self.every is not None and self.on is not None:
            raise ValueError("has on beside every; it belongs to at, such as at: 00:05")
        return self

    def _alone(self, others: Sequence[str], kind: str, reason: str) -> Self:
        beside = [key for key in others if key in self.model_fields_set]
        if beside:
            raise ValueError(f"has {', '.join(beside)} beside {kind}; {reason}")
        return self

    def _aligned(self) -> Self:
        if self.every not in ALIGNED:
            periods = ", ".join(map(minutes, ALIGNED[:-1]))
            found = "has no every" if self.every is None else "has another period than intervals have"
            raise ValueError(f"{found}; expected every: {periods} or {minutes(ALIGNED[-1])}")
        if len(set(self.intervals)) < len(self.intervals):
            raise ValueError("has a register of intervals twice; name each once")
        return self

    def _profile(self) -> None:
        if self.every is not None and self.every < _SHORTEST:
            raise ValueError(
                f"asks for a profile every {written(self.every)}; expected every: {written(_SHORTEST)} or longer"
            )
        if len(set(self.channels)) < len(self.channels):
            raise ValueError("has a channel twice; name each once")

    def job(self, policy: Policy) -> Job:
        """The job of a meter with this policy."""
        at, months = self.at, POLICY.backfill_months
        if self.profile is not None:
            months = self.backfill_months or policy.backfill_months
        on: str | int | None = self.on
        if self.listen is None and self.every is None and at is None:
            at, on = policy.at, policy.on if on is None else on
        return Job(
            self.intervals or self.registers,
            self.every,
            at,
            listen=bool(self.listen),
            silence=self.silence or SILENCE,
            intervals=bool(self.intervals),
            rollover=self.rollover,
            on=None if on == DAILY else on,
            profile=self.profile,
            months=months,
            period=self.period,
            channels=self.channels,
        )
