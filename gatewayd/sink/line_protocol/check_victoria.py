"""What `sink check` looks at in VictoriaMetrics: it acknowledges what it throws away, and keeps copies of repetitions.

Rules: a setting is read from /flags and proven with a probe, because /flags may be closed and knows no defaults.
"""

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from decimal import Decimal, InvalidOperation

from gatewayd.errors import SinkError
from gatewayd.sink.check import Remark, error, fine, warning
from gatewayd.sink.division import BatchRefused
from gatewayd.sink.line_protocol.lines import nanoseconds
from gatewayd.sink.line_protocol.losses import METRICS_LIMIT
from gatewayd.sink.line_protocol.probe import DAYS_IN_MONTH, MEASUREMENT, instant, source, write, written_and_read
from gatewayd.sink.line_protocol.session import Session

DEFAULT_RETENTION = "1"
_FLAG = re.compile(r'^-(?P<name>[^=\s]+)="(?P<value>[^"]*)"\s*$', re.MULTILINE)
_VERSION = re.compile(r'^vm_app_version\{[^}]*short_version="(?P<version>v[0-9.]+)"', re.MULTILINE | re.ASCII)
_RETENTION = re.compile(r"(?P<count>\d+(?:\.\d+)?)(?P<unit>[hdwMy]?)", re.ASCII)
_DAYS = {"h": 1 / 24, "d": 1.0, "w": 7.0, "": 31.0, "M": 31.0, "y": 365.0}
"""VictoriaMetrics' own lengths; a number without a unit are months."""
_DURATION_OFF = re.compile(r"(0+(\.0*)?[a-zµ]*)+", re.ASCII)


async def victoriametrics(session: Session, months: int) -> list[Remark]:
    async def read_back(at: datetime) -> Decimal | None:
        return await _read(session, at)

    try:
        remarks = await written_and_read(session, read_back)
        remarks += await _version(session)
        flags = await _flags(session)
        remarks += _retention(flags, months)
        remarks += await _proof(session, months)
        remarks += _deduplication(flags)
        remarks.append(fine("it keeps milliseconds and about 15 digits: the archive keeps the rest"))
        return remarks
    finally:
        await _clean(session)


async def _version(session: Session) -> list[Remark]:
    answer = await session.ask("GET", "/metrics", limit=METRICS_LIMIT)
    match = _VERSION.search(answer.text)  # Debian's says nothing
    return [fine(f"it is VictoriaMetrics {match['version']}")] if match is not None else []


def _selector(session: Session) -> str:
    label = json.dumps(source(session), ensure_ascii=False)  # quoted as MetricsQL does
    return f'{{__name__="{MEASUREMENT}_value",gateway={label}}}'


async def _read(session: Session, at: datetime) -> Decimal | None:
    await session.ask("GET", "/internal/force_flush")  # new points are hidden for a second or two
    ms = nanoseconds(at) // 1_000_000
    query = {"match[]": _selector(session), "start": f"{(ms - 1) / 1000:.3f}", "end": f"{(ms + 1) / 1000:.3f}"}
    answer = await session.ask("GET", "/api/v1/export", query)
    if answer.status != 200:
        raise SinkError(f"{session.http.name} refuses /api/v1/export (HTTP {answer.status})")
    for line in answer.text.splitlines():
        try:
            series = json.loads(line, parse_float=Decimal, parse_int=Decimal)
            found = dict(zip(series["timestamps"], series["values"], strict=True))
        except (ValueError, KeyError, TypeError, InvalidOperation, RecursionError):
            raise SinkError(f"{session.http.name} answers /api/v1/export with something else") from None
        value = found.get(Decimal(ms))
        if isinstance(value, Decimal):
            return value
    return None


async def _flags(session: Session) -> Mapping[str, str] | None:
    """The flags that were given; None where they cannot be seen."""
    answer = await session.ask("GET", "/flags")
    return {m["name"]: m["value"] for m in _FLAG.finditer(answer.text)} if answer.status == 200 else None


def _retention(flags: Mapping[str, str] | None, months: int) -> list[Remark]:
    remedy = f"start it with -retentionPeriod={months} (months)"
    if flags is None:
        return [warning("its settings cannot be seen (/flags)", f"make sure that you {remedy}")]
    written = flags.get("retentionPeriod", DEFAULT_RETENTION)
    match = _RETENTION.fullmatch(written)
    if match is None:
        return [
            warning(f"-retentionPeriod={written} is not understood", f"make sure that it is at least {months} months")
        ]
    kept = float(match["count"]) * _DAYS[match["unit"]]
    shown = f"{written} month{'s' if written != '1' else ''}" if not match["unit"] else written
    if kept < months * DAYS_IN_MONTH:
        return [error(f"it keeps {shown} and drops what is older without a word; {months} months are wanted", remedy)]
    return [fine(f"it keeps {shown}; {months} months are wanted")]


async def _proof(session: Session, months: int) -> list[Remark]:
    """Write a point that is as old as data may become, and look for it."""
    at = instant(session, months)
    try:
        await write(session, at)
        found = await _read(session, at)
    except (SinkError, BatchRefused) as fault:
        return [warning(f"whether it keeps old data cannot be tried out: {fault}", "mend that, and check again")]
    if found is None:
        return [
            error(
                f"a probe of {months} months ago was acknowledged and has vanished",
                f"start it with -retentionPeriod={months} (months)",
            )
        ]
    return [fine(f"a probe of {months} months ago was kept")]


def _deduplication(flags: Mapping[str, str] | None) -> list[Remark]:
    remedy = "start it with -dedup.minScrapeInterval=1ms"
    if flags is None:
        return []
    if _DURATION_OFF.fullmatch(flags.get("dedup.minScrapeInterval", "0")):
        return [warning("a reading that is delivered twice, as after a fault, is kept twice", remedy)]
    return [fine(f"repetitions are dropped (-dedup.minScrapeInterval={flags['dedup.minScrapeInterval']})")]


async def _clean(session: Session) -> None:
    with suppress(SinkError):  # the probes stay, in a metric of their own
        await session.ask("POST", "/api/v1/admin/tsdb/delete_series", {"match[]": _selector(session)})
