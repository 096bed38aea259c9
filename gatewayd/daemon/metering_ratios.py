"""The ratio registers of meters against the configured ratios, whenever they are read: 1-0:0.4.2, 3, 5, 6.

Rules: what differs is told once, and that it is over when the meter and the configuration agree (requirements X7). The
newest reading of each register counts. A ratio of the meter is never applied to anything. Reads the archives and writes
nothing.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from gatewayd.archive.last_seen import newest_ratios
from gatewayd.daemon.derived_events import Told
from gatewayd.daemon.metering_events import Events
from gatewayd.daemon.metering_steps import PointWork
from gatewayd.legal_time import day_bounds, legal_day
from gatewayd.metering.events import RATIO, Key, PointEvent
from gatewayd.metering.points import MeteringPoint
from gatewayd.metering.ratio_registers import OtherRatio, other_ratios
from gatewayd.metering.values import Layer
from gatewayd.model import Archived


class Ratios:
    """Used from one thread after the other, never from two at a time."""

    def __init__(self, raw: Path, events: Events, works: Mapping[str, PointWork], zone: ZoneInfo) -> None:
        self._raw = raw
        self._events = events
        self._works = works
        self._zone = zone

    def points_of(self, meters: Iterable[str]) -> list[str]:
        """The points that these meters are, or were, at."""
        wanted = set(meters)
        return [point for point, work in self._works.items() if wanted.intersection(work.plan.meters)]

    def told(self, points: Iterable[str], reason: str) -> list[Told]:
        """What is to be told of these points. ArchiveError."""
        found: list[Told] = []
        for point in points:
            work = self._works.get(point)
            if work is None or work.point is None or not work.plan.meters:
                continue
            readings = newest_ratios(self._raw, work.plan.meters)
            if not readings and not any(key.type == RATIO for key in self._events.known(point)):
                continue
            events = self._events.found_out(point, self._differing(work.point, readings), _is_ratio)
            if events:
                found.append(Told(point, events, reason))
        return found

    def _differing(self, point: MeteringPoint, readings: Iterable[Archived]) -> list[PointEvent]:
        return [self._event(one) for one in other_ratios(point, readings, self._zone)]

    def _event(self, one: OtherRatio) -> PointEvent:
        day = legal_day(one.at, self._zone)
        end: datetime = day_bounds(day, self._zone)[1]
        return PointEvent(
            one.point,
            RATIO,
            None,
            Layer.INTERVAL,
            day,
            end,
            Layer.INTERVAL,
            one.at,
            one.at,
            one.text,
            subject=f"{one.meter}: {one.transformer}",
            inputs=one.inputs,
        )


def _is_ratio(key: Key) -> bool:
    return key.type == RATIO
