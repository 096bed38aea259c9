"""From when on intervals of a meter are expected in the archive: a day before that is no gap.

Rules: a meter is watched from its oldest interval on, or from when it was first asked for intervals, whichever came
first; a load profile as far as its back-fill goes, asked or not. Of a meter that the configuration asks for no
intervals every day is expected. The archive is looked into only where a day has nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from gatewayd.archive.beginnings import first_asked, oldest_intervals
from gatewayd.config import Config, MeterSettings
from gatewayd.coverage import DAY, horizon
from gatewayd.legal_time import grid_of
from gatewayd.model import Increments, Listen, LoadProfile
from gatewayd.watched import is_log

NOT_WATCHED = "not yet watched"


@dataclass(frozen=True, slots=True)
class _Asked:
    """Who is asked for the intervals of a meter, how the requests begin, and how far back a profile is read."""

    meter: str
    requests: tuple[str, ...]
    months: int


class Watching:
    """Of one archive and its configuration, at one moment."""

    def __init__(self, config: Config, now: datetime) -> None:
        self._config = config
        self._now = now
        self._grid = grid_of(DAY, config.gateway.zone)
        self._asked = {each: asked for one in config.meters for each, asked in _owners(one)}
        self._oldest: dict[str, datetime] | None = None
        self._since: dict[str, datetime | None] = {}

    def expects(self, meter: str, end: datetime) -> bool:
        """Whether a day that ends then, and of which the archive has nothing, should be there. ArchiveError."""
        asked = self._asked.get(meter)
        if asked is None:
            return True
        if asked.months and end > horizon(self._now, asked.months, self._grid):
            return True
        if meter not in self._since:
            self._since[meter] = self._begun(meter, asked)
        since = self._since[meter]
        return since is not None and since < end

    def _begun(self, meter: str, asked: _Asked) -> datetime | None:
        if self._oldest is None:
            self._oldest = oldest_intervals(self._config.archive.path)
        known = (self._oldest.get(meter), first_asked(self._config.archive.path, asked.meter, asked.requests))
        return min((at for at in known if at is not None), default=None)


def _owners(settings: MeterSettings) -> Iterator[tuple[str, _Asked]]:
    """Under which ids its intervals are, metering points included; nobody where it is asked for none."""
    requests: set[str] = set()
    months = 0
    for order in (job.request for _, job in settings.all_jobs):
        match order:
            case LoadProfile() if order.period is not None or not is_log(order.obis):
                requests |= {f"profile {order.obis} ", f"gap {order.obis} "}
                months = max(months, order.months)
            case Increments():
                requests.add(order.asked.text)
            case Listen():
                requests.add("listen")
    if requests:
        asked = _Asked(settings.id, tuple(sorted(requests)), months)
        yield from ((each, asked) for each in (settings.id, *(part.id for part in settings.parts)))
