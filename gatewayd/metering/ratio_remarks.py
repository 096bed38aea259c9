"""What is remarkable about ratios: readings that were archived with another one than the configuration now says.

Rules: pure; one remark for each meter, channel and pair of ratios, with the first and the last interval of it.
"""

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from gatewayd.legal_time import PRAGUE
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

    def text(self, zone: ZoneInfo = PRAGUE) -> str:
        """For people, on one line."""
        first, last = (f"{at.astimezone(zone):%Y-%m-%d %H:%M}" for at in (self.first, self.last))
        span = f"interval that ends at {first}" if self.count == 1 else f"{self.count} intervals from {first} to {last}"
        return (
            f"point {self.point}: meter {self.meter} {self.obis.reduced()}, {span}: archived with the ratio "
            f"{ratio_text(self.archived)}, counted with {ratio_text(self.applied)}, as the configuration says now"
        )


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


def ratio_text(ratio: Ratio) -> str:
    """`200/5 22000/100 x 2`: a ratio as people write it; `direct` for none."""
    parts = [text for text in (ratio.ct, ratio.vt) if text]
    if ratio.multiplier != 1:
        parts.append(f"x {ratio.multiplier:f}")
    return " ".join(parts) or "direct"
