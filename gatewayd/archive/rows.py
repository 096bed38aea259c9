"""Between values and rows: how exchanges, readings and ratios are written and read back, exactly.

Rules: what goes in comes out identical; instants are whole microseconds; a text is never turned into a number.
"""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple, TypeVar

import msgspec

from gatewayd.model import Archived, Exchange, Flag, Kind, Outcome, Point, Ratio, RawStatus, Reading, ValueSide
from gatewayd.obis import Obis

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

Value = int | str | bytes | None
SeriesKey = tuple[str, str, int, str, str, str, int | None]
RatioKey = tuple[str, str, str, str, str, str]
DeviceKey = tuple[str, str, str, str, str]


class SegmentRow(NamedTuple):
    """The one row of `segment`."""

    id: int
    number: int
    format: int
    gateway: str
    opened_at: int
    previous: bytes
    last_batch: int
    last_exchange: int
    last_seq: int


class BatchRow(NamedTuple):
    """A row of `batch`."""

    id: int
    committed_at: int
    last_exchange: int
    last_device: int
    last_ratio: int
    last_series: int
    last_seq: int
    last_audit: int
    hash: bytes


class DeviceRow(NamedTuple):
    """A row of `device`."""

    id: int
    meter: str
    serial: str
    eic: str
    ean: str
    metering_type: str


class RatioRow(NamedTuple):
    """A row of `ratio`."""

    id: int
    meter: str
    ct: str
    vt: str
    multiplier: str
    value_side: str
    since: str
    recorded_at: int


class SeriesRow(NamedTuple):
    """A row of `series`."""

    id: int
    meter: str
    obis: str
    is_obis: int
    obis_raw: str
    kind: str
    unit: str
    interval_s: int | None


T = TypeVar("T")


def typed(found: Iterable[object], kind: type[T]) -> list[T]:
    """Rows with the types that they must have; msgspec.ValidationError for a row that was damaged."""
    return [msgspec.convert(row, kind) for row in found]


FROM = """
FROM reading AS r
JOIN series AS s ON s.id = r.series
JOIN exchange AS e ON e.id = r.exchange
JOIN device AS d ON d.id = e.device
JOIN ratio AS q ON q.id = r.ratio
"""

READINGS = f"""
SELECT r.seq, r.exchange, r.ratio, r.at, r.raw, r.raw_text, r.scaler, r.status, r.flags, r.more, r.meter_time,
       s.meter, s.obis, s.is_obis, s.obis_raw, s.kind, s.unit, s.interval_s,
       e.ended_at, d.serial, d.eic, d.ean,
       q.ct, q.vt, q.multiplier, q.value_side, q.since
{FROM}
"""

EXCHANGES = """
SELECT e.id, d.meter, e.line, e.request, e.started_at, e.ended_at, e.received, e.outcome, e.detail
FROM exchange AS e
JOIN device AS d ON d.id = e.device
"""


def to_us(instant: datetime) -> int:
    return (instant - _EPOCH) // _MICROSECOND


def from_us(microseconds: int) -> datetime:
    return _EPOCH + timedelta(microseconds=microseconds)


def series_key(reading: Reading) -> SeriesKey:
    return (
        reading.meter,
        reading.code,
        int(reading.obis is not None),
        reading.obis_raw,
        reading.kind.value,
        reading.unit,
        reading.interval_s,
    )


def ratio_key(meter: str, ratio: Ratio) -> RatioKey:
    return meter, ratio.ct, ratio.vt, str(ratio.multiplier), ratio.value_side.value, ratio.since.isoformat()


def exchange_row(exchange: Exchange) -> tuple[Value, ...]:
    """The columns of `exchange` behind id and device."""
    return (
        exchange.line,
        exchange.request,
        to_us(exchange.started_at),
        to_us(exchange.ended_at),
        exchange.received,
        exchange.outcome.value,
        exchange.detail,
    )


ReadingRow = tuple[int, bytes, str, int, int, int, str | None, str | None]


def reading_rows(readings: Iterable[Reading]) -> tuple[ReadingRow, ...]:
    """The columns of `reading` behind seq, exchange, series and ratio.

    What a row of a profile has once, its values share: it is written once."""
    made: list[ReadingRow] = []
    add = made.append
    at, at_us = _EPOCH, 0
    more: tuple[str, ...] = ()
    more_text: str | None = None
    for reading in readings:
        if reading.at is not at:
            at, at_us = reading.at, to_us(reading.at)
        found = reading.more
        if found is not more:
            more, more_text = found, msgspec.json.encode(found).decode("utf-8") if found else None
        add(
            (
                at_us,
                reading.raw,
                reading.raw_text,
                reading.scaler,
                int(reading.status),
                int(reading.flags),
                more_text,
                reading.meter_time or None,
            )
        )
    return tuple(made)


def series_keys(readings: Iterable[Reading]) -> tuple[SeriesKey, ...]:
    """The series of each. The columns of a profile come again and again, with the very same code."""
    known: dict[int, tuple[Reading, SeriesKey]] = {}
    made: list[SeriesKey] = []
    for reading in readings:
        before = known.get(id(reading.obis))
        if before is not None:
            other, key = before
            if (
                reading.obis is other.obis
                and reading.meter is other.meter
                and reading.unit is other.unit
                and reading.kind is other.kind
                and reading.obis_raw is other.obis_raw
                and reading.interval_s is other.interval_s
            ):
                made.append(key)
                continue
        key = series_key(reading)
        known[id(reading.obis)] = reading, key
        made.append(key)
    return tuple(made)


def archived(row: tuple[object, ...]) -> Archived:
    """One row of READINGS."""
    # The column types are enforced by STRICT tables; the assertions tell mypy so.
    seq, exchange, ratio_id, at, raw, raw_text, scaler, status, flags, more, meter_time = row[:11]
    meter, obis, is_obis, obis_raw, kind, unit, interval_s, ended_at, serial, eic, ean = row[11:22]
    ct, vt, multiplier, value_side, since = row[22:27]
    assert isinstance(seq, int) and isinstance(exchange, int) and isinstance(ratio_id, int) and isinstance(at, int)
    assert isinstance(raw, bytes) and isinstance(scaler, int) and isinstance(status, int) and isinstance(flags, int)
    assert interval_s is None or isinstance(interval_s, int)
    assert isinstance(ended_at, int)
    reading = Reading(
        meter=str(meter),
        obis=Obis.parse(str(obis)) if is_obis else None,
        obis_raw=str(obis_raw),
        kind=Kind(kind),
        at=from_us(at),
        raw=raw,
        raw_text=str(raw_text),
        unit=str(unit),
        scaler=scaler,
        status=RawStatus(status),
        flags=Flag(flags),
        more=tuple(msgspec.json.decode(str(more), type=list[str])) if more is not None else (),
        interval_s=interval_s,
        meter_time=str(meter_time) if meter_time is not None else "",
    )
    applied = ratio(str(ct), str(vt), str(multiplier), str(value_side), str(since))
    point = Point(str(eic), str(ean))
    return Archived(seq, reading, from_us(ended_at), str(serial), ratio_id, applied, exchange, point)


def ratio(ct: str, vt: str, multiplier: str, value_side: str, since: str) -> Ratio:
    """The columns of `ratio` behind meter; ValueError or ArithmeticError for what is none."""
    begins = datetime.fromisoformat(since) if "T" in since else date.fromisoformat(since)
    return Ratio(ct, vt, Decimal(multiplier), ValueSide(value_side), begins)


def exchange(row: tuple[object, ...]) -> Exchange:
    """One row of EXCHANGES."""
    _, meter, line, request, started_at, ended_at, received, outcome, detail = row
    assert isinstance(started_at, int) and isinstance(ended_at, int) and isinstance(received, bytes)
    return Exchange(
        meter=str(meter),
        line=str(line),
        request=str(request),
        started_at=from_us(started_at),
        ended_at=from_us(ended_at),
        received=received,
        outcome=Outcome(outcome),
        detail=str(detail),
    )
