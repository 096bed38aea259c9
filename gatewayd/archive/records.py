"""What can be put into the archive: exchanges with their readings, ratio versions, audit entries.

Rules: a record is complete when it is made; how it becomes rows is decided here, its numbers are given by the segment.
A record is written whole or not at all: what belongs together is one record.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from gatewayd.archive import rows
from gatewayd.model import NOWHERE, Archived, Exchange, MeteringType, Point, Ratio, Reading


@dataclass(frozen=True, slots=True)
class Receipt:
    """Where a record stands in the archive: number of the exchange, and the first of its sequence numbers."""

    exchange: int = 0
    first_seq: int = 0
    ratio_ids: tuple[int, ...] = ()
    parts: "tuple[Receipt, ...]" = ()
    """Of a bundle: the places of its entries, in their order."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What one exchange brought. `ratios` has one ratio in force for each reading; serial, point and type are the
    meter's at that time."""

    exchange: Exchange
    readings: tuple[Reading, ...] = ()
    ratios: tuple[Ratio, ...] = ()
    serial: str = ""
    point: Point = NOWHERE
    metering_type: MeteringType = MeteringType.C
    exchange_row: tuple[rows.Value, ...] = field(init=False, repr=False, compare=False)
    reading_rows: tuple[tuple[rows.Value, ...], ...] = field(init=False, repr=False, compare=False)
    series_keys: tuple[rows.SeriesKey, ...] = field(init=False, repr=False, compare=False)
    ratio_keys: tuple[rows.RatioKey, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if len(self.readings) != len(self.ratios):
            raise ValueError("every reading needs the ratio in force")
        # Made here, in the caller's thread: the writer's time belongs to the disk.
        object.__setattr__(self, "exchange_row", rows.exchange_row(self.exchange))
        object.__setattr__(self, "reading_rows", rows.reading_rows(self.readings))
        object.__setattr__(self, "series_keys", rows.series_keys(self.readings))
        object.__setattr__(self, "ratio_keys", tuple(self._ratio_keys()))

    def _ratio_keys(self) -> Iterator[rows.RatioKey]:
        known: tuple[str, Ratio, rows.RatioKey] | None = None
        for reading, ratio in zip(self.readings, self.ratios, strict=True):
            if known is None or known[1] is not ratio or known[0] != reading.meter:  # nearly always the same one
                known = reading.meter, ratio, rows.ratio_key(reading.meter, ratio)
            yield known[2]

    @property
    def device(self) -> rows.DeviceKey:
        return (
            self.exchange.meter,
            self.serial,
            self.point.eic,
            self.point.ean,
            self.metering_type.value,
        )

    def archived(self, receipt: Receipt) -> tuple[Archived, ...]:
        """Its readings with their places in the archive."""
        return tuple(
            Archived(
                receipt.first_seq + place,
                reading,
                self.exchange.ended_at,
                self.serial,
                ratio_id,
                ratio,
                receipt.exchange,
                self.point,
            )
            for place, (reading, ratio, ratio_id) in enumerate(
                zip(self.readings, self.ratios, receipt.ratio_ids, strict=True)
            )
        )


@dataclass(frozen=True, slots=True)
class Bundle:
    """What one exchange brought for several metering points: the first entry is the device's own and has the bytes.

    `order`: for each reading as it was handed in, its place among those of all entries, one entry after the other.
    """

    entries: tuple[Entry, ...]
    order: tuple[int, ...]

    def __post_init__(self) -> None:
        if sorted(self.order) != list(range(sum(len(entry.readings) for entry in self.entries))):
            raise ValueError("every reading needs one place")

    @property
    def readings(self) -> tuple[Reading, ...]:
        """All readings, as they were handed in."""
        found = [reading for entry in self.entries for reading in entry.readings]
        return tuple(map(found.__getitem__, self.order))

    def archived(self, receipt: Receipt) -> tuple[Archived, ...]:
        """Its readings with their places in the archive, as they were handed in."""
        pairs = zip(self.entries, receipt.parts, strict=True)
        found = [archived for entry, part in pairs for archived in entry.archived(part)]
        return tuple(map(found.__getitem__, self.order))


@dataclass(frozen=True, slots=True)
class RatioVersion:
    """A ratio of the configuration, recorded when it is first seen, used or not."""

    meter: str
    ratio: Ratio


@dataclass(frozen=True, slots=True)
class Audit:
    """Something that was done, by whom, to what, and with which result (time, source, category, type, id, result)."""

    at: datetime
    source: str
    category: str
    type: str
    subject: str
    result: str
    detail: str = ""

    @property
    def row(self) -> tuple[rows.Value, ...]:
        """The columns of `audit` behind id."""
        return (
            rows.to_us(self.at),
            self.source,
            self.category,
            self.type,
            self.subject,
            self.result,
            self.detail,
        )


@dataclass(frozen=True, slots=True)
class CarriedRatios:
    """The rows of all ratio versions of the segment before, for the beginning of the next: their numbers stay."""

    versions: tuple[rows.RatioRow, ...]


Record = Entry | Bundle | RatioVersion | CarriedRatios | Audit
