"""Load profiles that are kept complete: what of them is asked for, and what of an answer is new to the archive.

Rules: the archive is the memory; what is written down of it beside is a short cut and may be lost. An identical reading
is archived once; one that differs is archived and flagged. An interval that never came becomes `missing`, once, with
its reason; a late value takes its place.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from gatewayd.archive.store import Store
from gatewayd.driver import Clock
from gatewayd.errors import GatewayError
from gatewayd.model import Archived, LoadProfile, Meter, Profile, Reading
from gatewayd.policy import Policy


@dataclass(frozen=True, slots=True)
class Progress:
    """How complete a profile is. `expected` and `present` count intervals since `since`; `waiting` are pieces of time
    that are still to be asked for."""

    meter: str
    obis: str
    since: datetime | None
    newest: datetime | None
    expected: int
    present: int
    missing: int
    waiting: int


class Upkeep:
    """All profiles of the gateway."""

    def __init__(self, store: Store, clock: Clock, zone: ZoneInfo) -> None:
        self._store = store
        self._clock = clock
        self._zone = zone

    async def load(self, meter: Meter, order: LoadProfile, policy: Policy) -> None:
        """To be awaited before `pieces`. ArchiveError is logged, not raised: what the archive cannot tell is asked."""

    def pieces(self, meter: Meter, order: LoadProfile) -> tuple[Profile, ...]:
        """What is to be asked for now, the newest first."""
        return ()

    def answered(self, meter: Meter, order: LoadProfile, piece: Profile, fault: GatewayError | None) -> None:
        """The piece was asked for to its end; `fault` None: soundly, so that what did not come is not in the meter."""

    async def sift(self, meter: Meter, readings: Sequence[Reading]) -> tuple[Reading | Archived, ...]:
        """In their order: an Archived where the archive has it already, else the reading to archive, with its flags."""
        return tuple(readings)

    def keep(self, archived: Sequence[Archived]) -> None:
        """The archive has taken them."""
