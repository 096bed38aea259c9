"""Between values and rows: how exchanges, readings and ratios are written and read back, exactly.

Rules: what goes in comes out identical; instants are whole microseconds; a text is never turned into a number.
"""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import msgspec

from gatewayd.model import Archived, Exchange, Flag, Kind, Outcome, Ratio, RawStatus, Reading, ValueSide
from gatewayd.obis import Obis

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

SeriesKey = tuple[str, str, int, str, str, str, int | None]
RatioKey = tuple[str, str, str, str, str, str]

READINGS = """
SELECT r.seq, r.exchange, r.ratio, r.at, r.raw, r.raw_text, r.scaler, r.status, r.flags, r.more, r.meter_time,
       s.meter, s.obis, s.is_obis, s.obis_raw, s.kind, s.unit, s.interval_s,
       e.ended_at, e.serial,
       q.ct, q.vt, q.multiplier, q.value_side, q.since
FROM reading AS r
JOIN series AS s ON s.id = r.series
JOIN exchange AS e ON e.id = r.exchange
JOIN ratio AS q ON q.id = r.ratio
"""

EXCHANGES = "SELECT id, meter, line, request, started_at, ended_at, received, outcome, detail FROM exchange AS e\n"


def to_us(instant: datetime) -> int:
    return (instant - _EPOCH) // _MICROSECOND


def from_us(microseconds: int) -> datetime:
    return _EPOCH + timedelta(microseconds=microseconds)


def series_key(reading: Reading) -> SeriesKey:
    return (
        reading.meter,
        reading.code,
        reading.obis is not None,
        reading.obis_raw,
        reading.kind.value,
        reading.unit,
        reading.interval_s,
    )


def ratio_key(meter: str, ratio: Ratio) -> RatioKey:
    return meter, ratio.ct, ratio.vt, str(ratio.multiplier), ratio.value_side.value, ratio.since.isoformat()


def exchange_row(exchange: Exchange, serial: str) -> tuple[str | int | bytes, ...]:
    return (
        exchange.meter,
        exchange.line,
        exchange.request,
        to_us(exchange.started_at),
        to_us(exchange.ended_at),
        exchange.received,
        exchange.outcome.value,
        exchange.detail,
        serial,
    )


def reading_row(reading: Reading) -> tuple[int | bytes | str | None, ...]:
    """The columns of `reading` behind seq, exchange, series and ratio."""
    return (
        to_us(reading.at),
        reading.raw,
        reading.raw_text,
        reading.scaler,
        int(reading.status),
        int(reading.flags),
        msgspec.json.encode(reading.more).decode("utf-8") if reading.more else None,
        reading.meter_time or None,
    )


def archived(row: tuple[object, ...]) -> Archived:
    """One row of READINGS."""
    # The column types are enforced by STRICT tables; the assertions tell mypy so.
    seq, exchange, ratio_id, at, raw, raw_text, scaler, status, flags, more, meter_time = row[:11]
    meter, obis, is_obis, obis_raw, kind, unit, interval_s, ended_at, serial = row[11:20]
    ct, vt, multiplier, value_side, since = row[20:25]
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
    ratio = Ratio(
        ct=str(ct),
        vt=str(vt),
        multiplier=Decimal(str(multiplier)),
        value_side=ValueSide(value_side),
        since=date.fromisoformat(str(since)),
    )
    return Archived(seq, reading, from_us(ended_at), str(serial), ratio_id, ratio, exchange)


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
