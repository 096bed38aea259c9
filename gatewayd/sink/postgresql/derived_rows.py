"""Derived values, and events of points, as the text that COPY reads, and the statements around it.

Rules: pure; as in rows.py: exact digits without an exponent, an empty text is NULL. All versions of a value are rows; a
row that is there already stays as it is.
"""

from collections.abc import Sequence

import msgspec

from gatewayd.metering.events import More
from gatewayd.model import Archived
from gatewayd.sink.derived_values import facts_of
from gatewayd.sink.postgresql.rows import NULL, field
from gatewayd.sink.postgresql.sql import literal

DERIVED_STAGE = """
CREATE TEMP TABLE derived_stage (
    seq bigint, at timestamptz, point text, eic text, ean text, layer text, obis text, unit text, interval_s integer,
    version integer, supersedes bigint, value numeric, partial numeric, status smallint, flags bigint,
    validated boolean, have integer, want integer, instant timestamptz, method text, inputs text, rules text,
    reason text, computed_at timestamptz
) ON COMMIT DELETE ROWS
"""

_COLUMNS = (
    "seq, at, point, eic, ean, layer, obis, unit, interval_s, version, supersedes, value, partial, status, flags, "
    "validated, have, want, instant, method, inputs, rules, reason, computed_at"
)
DERIVED_COPY = f"COPY pg_temp.derived_stage ({_COLUMNS}) FROM STDIN"


EVENT_STAGE = """
CREATE TEMP TABLE point_event_stage (
    seq bigint, at timestamptz, point text, eic text, ean text, type text, obis text, state text, unit text, facts text,
    told_at timestamptz
) ON COMMIT DELETE ROWS
"""
_EVENT_COLUMNS = "seq, at, point, eic, ean, type, obis, state, unit, facts, told_at"
EVENT_COPY = f"COPY pg_temp.point_event_stage ({_EVENT_COLUMNS}) FROM STDIN"


def insert_derived(gateway: str) -> str:
    """From the stage into the table; what is there already stays as it is."""
    return (
        f"INSERT INTO derived (gateway, {_COLUMNS}) SELECT {literal(gateway)}, {_COLUMNS} FROM pg_temp.derived_stage "  # noqa: S608
        "ON CONFLICT DO NOTHING"
    )


def insert_events(gateway: str) -> str:
    """The same of events."""
    return (
        f"INSERT INTO point_event (gateway, {_EVENT_COLUMNS}) SELECT {literal(gateway)}, {_EVENT_COLUMNS} "  # noqa: S608
        "FROM pg_temp.point_event_stage ON CONFLICT DO NOTHING"
    )


def derived_lines(values: Sequence[Archived]) -> bytes:
    """The batch, a line for each value. BatchRefused for what is none."""
    return "".join([_line(archived) for archived in values]).encode("utf-8", "replace")


def event_lines(events: Sequence[Archived]) -> bytes:
    """Readings of kind `event`, a line for each."""
    return "".join([_event_line(archived) for archived in events]).encode("utf-8", "replace")


def _event_line(archived: Archived) -> str:
    reading = archived.reading
    texts = (
        str(archived.seq),
        reading.at.isoformat(),
        reading.meter,
        archived.point.eic,
        archived.point.ean,
        reading.obis_raw or "-",
        "" if reading.obis is None else str(reading.obis),
        reading.raw_text,
        reading.unit,
        _facts(reading.more),
        archived.received_at.isoformat(),
    )
    return "\t".join([field(text) if text else NULL for text in texts]) + "\n"


def _facts(more: Sequence[str]) -> str:
    """What stands beside an event, by its names; by its places where another gatewayd has written it."""
    names = More._fields if len(more) == len(More._fields) else tuple(map(str, range(len(more))))
    told = {name: text.replace("\0", "␀") for name, text in zip(names, more, strict=True) if text}
    return msgspec.json.encode(told).decode() if told else ""


def _line(archived: Archived) -> str:
    reading, facts = archived.reading, facts_of(archived)
    texts = (
        str(archived.seq),
        reading.at.isoformat(),
        reading.meter,
        archived.point.eic,
        archived.point.ean,
        facts.layer,
        reading.code,
        reading.unit,
        "" if reading.interval_s is None else str(reading.interval_s),
        str(facts.version),
        "" if facts.supersedes is None else str(facts.supersedes),
        facts.value,
        facts.partial,
        str(int(reading.status)),
        str(int(reading.flags)),
        "t" if facts.validated else "f",
        str(facts.have),
        str(facts.want),
        "" if facts.instant is None else facts.instant.isoformat(),
        facts.method,
        facts.inputs,
        ",".join(facts.rules),
        facts.reason,
        archived.received_at.isoformat(),
    )
    return "\t".join([field(text) if text else NULL for text in texts]) + "\n"
