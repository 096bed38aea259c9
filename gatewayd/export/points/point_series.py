"""What an export of points takes: series of values, each with the codes of its metering point.

Rules: pure. A layout that cannot say what a series holds refuses it before anything is written, and names one that can.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import groupby
from typing import BinaryIO
from zoneinfo import ZoneInfo

from gatewayd.errors import GatewayError
from gatewayd.metering.values import Layer, Series, Value
from gatewayd.model import NOWHERE, Point


@dataclass(frozen=True, slots=True)
class PointSeries:
    """A series, the EIC and EAN of its point, and the serial number of the meter where it is known. `validated`: the
    ends of the values that rules were applied to and that none has found anything on. `tariff`: NT or VT of a register
    of a tariff. `serials`: the serial numbers by the ends of the values where they are not those of one meter alone; ""
    for a value that reaches over an exchange, and is no one meter's. States of registers are a series of days whose
    code has D = 8 and whose values have no length."""

    series: Series
    codes: Point = NOWHERE
    serial: str = ""
    validated: AbstractSet[datetime] = frozenset()
    tariff: str = ""
    serials: Mapping[datetime, str] = field(default_factory=dict, hash=False)

    @property
    def point(self) -> str:
        """The id of the point in the configuration."""
        return self.series.channel.point

    @property
    def named(self) -> str:
        """For errors: `point north 1-0:1.29.0 (day)`."""
        return f"point {self.point} {self.series.channel.obis.reduced()} ({self.series.layer.value})"

    def serial_of(self, value: Value) -> str:
        """The serial number of the meter that a value of the series is of; "" where it is not known."""
        return self.serials.get(value.at, self.serial)

    def meters(self) -> Iterator[tuple[str, datetime, datetime]]:
        """One serial number after the other: from when to when the values are of that meter."""
        for serial, run in groupby(self.series.values, key=self.serial_of):
            values = list(run)
            yield serial, values[0].start, values[-1].at

    def by_meter(self) -> Iterator["PointSeries"]:
        """A series for each serial number, in the order in which they begin."""
        if not self.serials:
            yield self
            return
        found: dict[str, list[Value]] = {}
        for value in self.series.values:
            found.setdefault(self.serial_of(value), []).append(value)
        for serial, values in found.items():
            series = replace(self.series, values=tuple(values))
            yield replace(self, series=series, serial=serial, serials={})


STATE = 8
"""Group D of energy since ever."""


def is_register(one: PointSeries) -> bool:
    """Whether a series has states of a register, and not energy of intervals."""
    return one.series.layer is Layer.DAY and one.series.channel.obis.d == STATE


Write = Callable[[Iterable[PointSeries], ZoneInfo, BinaryIO], None]
"""Writes all series into a stream; the zone is that of legal time. OSError; NotInLayout."""


class NotInLayout(GatewayError):
    """A layout has no words for what is to be exported."""
