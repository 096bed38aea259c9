"""What is remarkable about ratios: readings that were archived with another one than the configuration now says.

Rules: pure; one remark for each meter, channel and pair of ratios, with the first and the last interval of it.
"""

from dataclasses import dataclass
from datetime import datetime

from gatewayd.model import Ratio
from gatewayd.obis import Obis


@dataclass(frozen=True, slots=True)
class RatioRemark:
    """From the interval that ends at `first` to that which ends at `last`, of which there are `count`."""

    point: str
    meter: str
    obis: Obis
    archived: Ratio
    applied: Ratio
    first: datetime
    last: datetime
    count: int


class Remarks:
    """Collected in any order of the intervals."""

    def __init__(self, point: str) -> None:
        self._point = point
        self._found: dict[tuple[str, Obis, Ratio, Ratio], list[datetime]] = {}

    def note(self, meter: str, obis: Obis, end: datetime, archived: Ratio, applied: Ratio) -> None:
        """An interval was archived with one ratio, and is counted with another."""
        self._found.setdefault((meter, obis, archived, applied), []).append(end)

    def told(self) -> tuple[RatioRemark, ...]:
        """All of them, by meter, channel and time."""
        made = (
            RatioRemark(self._point, meter, obis, archived, applied, min(ends), max(ends), len(ends))
            for (meter, obis, archived, applied), ends in self._found.items()
        )
        return tuple(sorted(made, key=lambda one: (one.meter, str(one.obis), one.first, one.last)))
