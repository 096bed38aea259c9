"""What of a profile was asked for by this process, and how that ended: it decides what is asked for next, and lasts no
longer than the process.

Rules: pure. What was asked for in a run is not offered again in it. What was answered while a clock was not right
proves nothing and is left alone for a while. What has failed in two runs is stubborn: it comes behind everything else,
so that one bad day does not stand before all the others, and is told missing when its time is up, though the meter
answers.
"""

from dataclasses import dataclass
from datetime import datetime

from gatewayd.errors import GatewayError
from gatewayd.runs import NONE, Range, Runs

VAIN_SECONDS = 3600.0


@dataclass(slots=True)
class Attempts:
    """Numbers are those of the profile's grid. `skip`: asked for in this run; `failed`: in vain, so far in one run;
    `stubborn`: in two or more, the last time because of `fault`. `entries`: what is newer than the newest entry of a
    log was asked for; `latest`: of a log, the newest entry of the piece that is being asked for."""

    skip: Runs = NONE
    vain: Runs = NONE
    """Asked for to the end, which is no evidence: a clock was not right, the gateway's or the meter's, or it is too
    young. Asking again at once would bring no other answer."""
    vain_until: float = 0.0
    failed: Runs = NONE
    stubborn: Runs = NONE
    since: float | None = None
    """When something became stubborn, as `steady`."""
    fault: GatewayError | None = None
    entries: bool = False
    latest: datetime | None = None

    def begin(self, steady: float) -> None:
        """A run begins: what failed in the one before is asked for again. `steady`: seconds that nobody sets."""
        if steady >= self.vain_until:
            self.vain = NONE
        self.skip, self.entries, self.latest = NONE, False, None

    def asked(self, piece: Range) -> None:
        """It was asked for."""
        self.skip = self.skip.add(*piece)

    def proved_nothing(self, piece: Range, steady: float) -> None:
        """It was answered to its end, and that proves nothing. It is not offered again for a while."""
        if not self.vain:
            self.vain_until = steady + VAIN_SECONDS
        self.vain = self.vain.add(*piece)

    def failing(self, piece: Range, fault: GatewayError, steady: float) -> None:
        """The answer did not come, or not as it should be."""
        self.stubborn = self.stubborn.union(self.failed.within(*piece))
        if self.stubborn and self.since is None:
            self.since = steady
        self.failed = self.failed.add(*piece)
        self.fault = fault

    def sound(self, piece: Range) -> None:
        """It was answered soundly."""
        done = Runs((piece,)) if piece[0] <= piece[1] else NONE
        self.failed, self.stubborn = self.failed.minus(done), self.stubborn.minus(done)
        self.since = self.since if self.stubborn else None

    @property
    def left_out(self) -> Runs:
        """What is not asked for in this run."""
        return self.skip.union(self.vain)
