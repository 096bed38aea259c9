"""A simulated DLMS meter in the process of a test, whose time, supply and clock the test has in hand.

    time = [datetime(2026, 1, 1, tzinfo=UTC)]
    meter = virtual.Meter(["--framing", "wrapper", "--seed", "7"], lambda: time[0], drift_ppm=40)
    server = await asyncio.get_running_loop().create_server(meter.post, "127.0.0.1", 0)
    time[0] += timedelta(hours=5); meter.supply(on=False)
    time[0] += timedelta(hours=2); meter.supply(on=True)
    meter.rows()                                               # the truth: what its load profile has in it

Rules: the arguments are those of `python -m simulators dlms`. A row is put down when the meter's own clock passes the
end of its interval: none while there is no supply, with `power down` in the first one after that, with `clock
adjusted` in the first one after the clock was set. What the clock leaps over is not there; what it passes twice is
there twice. Nobody reaches a meter without supply. Rows are as many as --profile-days says.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from simulators import build_dlms
from simulators.dlms_clock import Clock
from simulators.dlms_making import QUARTER
from simulators.dlms_profile import CLOCK_ADJUSTED, POWER_DOWN, SUMMER, Stamp
from simulators.options_dlms import dlms
from simulators.profile import LEGAL
from simulators.served import Post, Road, Tally

_DAY = timedelta(days=1)


class Recorder(Clock):
    """A clock that puts a row down for each end of an interval that it passes. `now` is the true time."""

    def __init__(
        self,
        now: Callable[[], datetime],
        drift_ppm: float = 0.0,
        offset: timedelta = timedelta(0),
        period: timedelta = QUARTER,
    ) -> None:
        began = now()
        super().__init__(began, offset, lambda: (now() - began).total_seconds(), drift_ppm)
        self.supplied = True
        self._period = int(period.total_seconds())
        self._rows: list[Stamp] = []
        self._looked = self.now()
        self._next_status = 0

    def look(self) -> None:
        """Put down what is due until now."""
        now, step = self.now(), self._period
        if self.supplied:
            first = int(self._looked.timestamp()) // step + 1
            for number in range(first, int(now.timestamp()) // step + 1):
                at = datetime.fromtimestamp(number * step, UTC)
                summer = SUMMER if at.astimezone(LEGAL).dst() else 0
                self._rows.append(Stamp(at, summer | self._next_status))
                self._next_status = 0
        self._looked = now

    def supply(self, *, on: bool) -> None:
        """The supply comes back, or fails."""
        self.look()
        if on and not self.supplied:
            self._next_status |= POWER_DOWN
        self.supplied = on

    def shift(self, seconds: int) -> None:
        self.look()
        super().shift(seconds)
        self._adjusted()

    def set(self, at: datetime) -> None:
        self.look()
        super().set(at)
        self._adjusted()

    def _adjusted(self) -> None:
        self._looked = self.now()
        self._next_status |= CLOCK_ADJUSTED

    def rows(self) -> tuple[Stamp, ...]:
        """Everything that was ever put down, in order of its time."""
        self.look()
        return tuple(sorted(self._rows, key=lambda stamp: stamp.at))


class Meter:
    """The meter; `post` is what create_server of an event loop needs."""

    def __init__(
        self,
        arguments: Sequence[str],
        now: Callable[[], datetime],
        *,
        drift_ppm: float = 0.0,
        offset: timedelta = timedelta(0),
        road: Road | None = None,
    ) -> None:
        plan = build_dlms.plan(dlms.make_context("dlms", ["--tcp", "0", *arguments]).params)
        self.clock = Recorder(now, drift_ppm, offset)
        self._most = plan.store.days * (_DAY // QUARTER)
        plan = replace(plan, store=replace(plan.store, recorded=self.rows))
        self.tally = Tally()
        self.post = Post(build_dlms.Wired(plan, self.clock), road or Road(), plan.store.seed, self.tally)

    def rows(self) -> tuple[Stamp, ...]:
        """What the load profile has in it."""
        return self.clock.rows()[-self._most :]

    def supply(self, *, on: bool) -> None:
        """The supply comes back, or fails; whoever talks to the meter loses it."""
        self.clock.supply(on=on)
        self.post.reachable(on=on)
