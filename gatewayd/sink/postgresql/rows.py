"""Archived readings as the text that COPY reads, and the statements around it.

Rules: pure. A number has exactly the digits of its Decimal, never an exponent, and never was a float. An empty text is
NULL. A reading whose status is missing has no number, whatever stands in its raw text. PostgreSQL cannot hold the
character NUL; it becomes U+2400, the picture of it.

This is the hot path: what readings of a series, or of one exchange, have in common is written once and kept.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal

import msgspec

from gatewayd.model import NO_FLAGS, Archived, Kind, Ratio, RawStatus, Reading
from gatewayd.sink.division import BatchRefused
from gatewayd.sink.postgresql.sql import literal

NULL = r"\N"
SERIES_KEPT = 20_000
"""So many series are remembered; a gateway with more writes them anew now and then."""
SCALERS = range(-200_000, 200_001)
"""NUMERIC ends long before (131072 digits before the point, 16383 behind); beyond, a text would fill the memory."""

STAGE = """
CREATE TEMP TABLE reading_stage (
    seq bigint, at timestamptz, received_at timestamptz, meter text, serial text, eic text, ean text, obis text,
    obis_raw text, kind text, unit text, interval_s integer, value numeric, primary_value numeric, raw text,
    status smallint, flags bigint, ratio_id integer, more text, meter_time text
) ON COMMIT DELETE ROWS
"""
"""Where a batch lands first: COPY itself knows no ON CONFLICT."""

_COLUMNS = (
    "seq, at, received_at, meter, serial, eic, ean, obis, obis_raw, kind, unit, interval_s, value, primary_value, raw, "
    "status, flags, ratio_id, more, meter_time"
)
COPY = f"COPY pg_temp.reading_stage ({_COLUMNS}) FROM STDIN"

_SPECIAL = re.compile("[\0\t\n\r\\\\]")
_ESCAPES = str.maketrans({"\0": "␀", "\t": r"\t", "\n": r"\n", "\r": r"\r", "\\": r"\\"})
_MISSING = RawStatus.MISSING
_NEVER = datetime.min.replace(tzinfo=UTC)
_NO_NUMBERS = f"{NULL}\t{NULL}"
_UTF_8 = "utf-8"


def field(text: str) -> str:
    """A text as COPY reads it."""
    if not text:
        return NULL
    return text.translate(_ESCAPES) if _SPECIAL.search(text) else text


def insert(gateway: str) -> str:
    """From the stage into the table; what is there already stays as it is."""
    return (
        f"INSERT INTO reading (gateway, {_COLUMNS}) SELECT {literal(gateway)}, {_COLUMNS} FROM pg_temp.reading_stage "  # noqa: S608
        "ON CONFLICT DO NOTHING"
    )


def insert_ratios(gateway: str, ratios: Mapping[int, Ratio]) -> str:
    """Ratios by their number; what is there already stays as it is."""
    values = ", ".join(
        f"({literal(gateway)}, {number}, {_text(ratio.ct)}, {_text(ratio.vt)}, {ratio.multiplier:f}, "
        f"{literal(ratio.value_side.value)}, {literal(ratio.since_day.isoformat())})"
        for number, ratio in ratios.items()
    )
    return (
        f"INSERT INTO ratio (gateway, id, ct, vt, multiplier, value_side, since) VALUES {values} ON CONFLICT DO NOTHING"  # noqa: S608
    )


def _text(text: str) -> str:
    return literal(text) if text else "NULL"


class CopyText:
    """Writes batches. Remembers series, so keep one for the time of a connection; used by one thread at a time."""

    def __init__(self) -> None:
        self._series: dict[tuple[object, ...], tuple[Archived, str]] = {}

    def lines(self, readings: Sequence[Archived]) -> bytes:
        """The batch, a line for each reading. BatchRefused where a number cannot be computed or written."""
        try:
            text = "".join(self._lines(readings))
        except ArithmeticError as error:
            raise BatchRefused(f"a number is beyond computing: {type(error).__name__}") from error
        # A lone surrogate is no text in any database; the archive, which is SQLite, holds none either.
        return text.encode(_UTF_8, "replace")

    def _lines(self, readings: Sequence[Archived]) -> list[str]:
        lines = []
        at = received = _NEVER
        at_text = received_text = ""
        for archived in readings:
            reading = archived.reading
            # Neighbours often share an instant, and comparing costs a fortieth of writing.
            if reading.at != at:
                at = reading.at
                at_text = at.isoformat()
            if archived.received_at != received:
                received = archived.received_at
                received_text = received.isoformat()
            flags = reading.flags
            lines.append(
                f"{archived.seq}\t{at_text}\t{received_text}\t{self._of_series(archived, reading)}\t"
                f"{_numbers(archived, reading)}\t{field(reading.raw_text)}\t{int(reading.status)}\t"
                f"{0 if flags is NO_FLAGS else int(flags)}\t{archived.ratio_id}\t"
                f"{_array(reading.more) if reading.more else NULL}\t{field(reading.meter_time)}\n"
            )
        return lines

    def _of_series(self, archived: Archived, reading: Reading) -> str:
        """The columns meter to interval_s. Kept by what costs nothing to hash, and compared in what costs more."""
        key = (reading.meter, reading.obis_raw, id(reading.kind), reading.unit, reading.interval_s, archived.serial)
        kept = self._series.get(key)
        if kept is not None:
            first, text = kept
            obis, point = first.reading.obis, first.point
            if (obis is reading.obis or obis == reading.obis) and (point is archived.point or point == archived.point):
                return text
        text = _series(archived, reading)
        if len(self._series) >= SERIES_KEPT:
            self._series.clear()
        self._series[key] = archived, text
        return text


def _numbers(archived: Archived, reading: Reading) -> str:
    """The columns value and primary_value."""
    if reading.scaler and reading.scaler not in SCALERS:
        raise BatchRefused(f"a scaler of {reading.scaler} makes no number that can be written")
    number = None if reading.status is _MISSING else reading.value
    if number is None:
        return _NO_NUMBERS
    # As Archived.primary, without reading the text a second time.
    return f"{_plain(number)}\t{_plain(number * archived.ratio.factor)}"


def _plain(number: Decimal) -> str:
    """Its digits without an exponent; format() alone takes three times as long."""
    text = str(number)
    return format(number, "f") if "E" in text else text


def _array(texts: Sequence[str]) -> str:
    """A JSON array. NUL is replaced inside: its escape would be good text, and no jsonb could be made of it."""
    return field(msgspec.json.encode([text.replace("\0", "␀") for text in texts]).decode(_UTF_8))


def _series(archived: Archived, reading: Reading) -> str:
    code = reading.code
    texts = [
        reading.meter,
        archived.serial,
        archived.point.eic,
        archived.point.ean,
        code,
        "" if reading.obis_raw == code else reading.obis_raw,
        reading.kind.value,
        reading.unit,
        str(reading.interval_s) if reading.kind is Kind.INTERVAL and reading.interval_s is not None else "",
    ]
    return "\t".join(field(text) for text in texts)
