"""What `sink check` looks at in InfluxDB 1, 2 and 3: whether the database is there and how long it keeps data.

Rules: plain requests, because the three are asked in different ways and influxdb-client knows one of them.
"""

import csv
import json
import re
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from gatewayd.errors import SinkError
from gatewayd.sink.check import Remark, error, fine, warning
from gatewayd.sink.line_protocol.answers import not_let_in, reason
from gatewayd.sink.line_protocol.lines import nanoseconds
from gatewayd.sink.line_protocol.probe import DAYS_IN_MONTH, MEASUREMENT, days, source, written_and_read
from gatewayd.sink.line_protocol.session import Session

_DURATION = re.compile(r"(\d+)(h|m|s)", re.ASCII)
_SECONDS = {"h": 3600, "m": 60, "s": 1}
_DAY_S = 86400


# -- InfluxDB 1 -------------------------------------------------------------------------------------------------------


async def influx1(session: Session, months: int) -> list[Remark]:
    database = session.options.database or ""
    try:
        retention = await _policy(session, months)
    except _NotThere:
        return [error(f'there is no database "{database}"', f"create it with: CREATE DATABASE {_name(database)}")]
    except SinkError as fault:
        retention = [warning(f"how long it keeps data cannot be seen: {fault}", "look with: SHOW RETENTION POLICIES")]

    async def read_back(at: datetime) -> Decimal | None:
        return await _selected(session, database, session.options.retention_policy, at)

    try:
        return [*await written_and_read(session, read_back), *retention]
    finally:
        where = f"FROM {_name(MEASUREMENT)} WHERE {_name('gateway')} = {_text(source(session))}"
        with suppress(SinkError):  # the probes stay, in a measurement of their own
            await session.ask("POST", "/query", {"db": database, "q": f"DROP SERIES {where}"})


class _NotThere(SinkError):
    """The database of the options does not exist."""


async def _policy(session: Session, months: int) -> list[Remark]:
    """How long the retention policy keeps data that readings are written to."""
    database, wanted = session.options.database or "", session.options.retention_policy
    for row in await _rows(session, database, f"SHOW RETENTION POLICIES ON {_name(database)}"):
        if row.get("name") == wanted or (wanted is None and row.get("default") is True):
            name, kept = str(row["name"]), _seconds(str(row.get("duration", "")))
            break
    else:
        if wanted is None:
            text = f'the database "{database}" has no default retention policy'
            return [error(text, "set retention_policy, or ALTER RETENTION POLICY ... DEFAULT")]
        create = f"CREATE RETENTION POLICY {_name(wanted)} ON {_name(database)} DURATION INF REPLICATION 1"
        return [error(f'there is no retention policy "{wanted}"', f"create it with: {create}")]
    return _kept(
        f'the retention policy "{name}"',
        kept,
        months,
        f"ALTER RETENTION POLICY {_name(name)} ON {_name(database)} DURATION {days(months)}d",
    )


def _kept(what: str, seconds: int, months: int, remedy: str) -> list[Remark]:
    """`seconds` is 0 where data are kept for ever."""
    if seconds == 0:
        return [fine(f"{what} keeps data for ever")]
    shown = f"{seconds / _DAY_S:.4g} days"
    if seconds < months * DAYS_IN_MONTH * _DAY_S:
        return [error(f"{what} drops what is older than {shown}; {months} months are wanted", f"run: {remedy}")]
    return [fine(f"{what} keeps {shown}; {months} months are wanted")]


async def _selected(session: Session, database: str, policy: str | None, at: datetime) -> Decimal | None:
    measurement = f"{_name(policy)}.{_name(MEASUREMENT)}" if policy is not None else _name(MEASUREMENT)
    where = f"{_name('gateway')} = {_text(source(session))} AND time = {nanoseconds(at)}"
    statement = f'SELECT "value" FROM {measurement} WHERE {where}'  # noqa: S608  quoted above
    for row in await _rows(session, database, statement):
        value = row.get("value")
        if isinstance(value, Decimal):
            return value
    return None


async def _rows(session: Session, database: str, statement: str) -> list[dict[str, Any]]:  # JSON
    """The rows of the first series of one InfluxQL statement. Raises SinkError, _NotThere."""
    answer = await session.ask("GET", "/query", {"db": database, "epoch": "ns", "q": statement})
    if answer.status in (401, 403):
        raise SinkError(f"{session.http.name} {not_let_in(session.options, answer.status)}")
    said = reason(answer)
    if answer.status != 200:
        raise SinkError(f"{session.http.name} refuses a query (HTTP {answer.status}): {said}")
    try:
        result = json.loads(answer.text, parse_float=Decimal, parse_int=Decimal)["results"][0]
        fault = result.get("error")
        if fault is not None:
            kind = _NotThere if str(fault).startswith("database not found") else SinkError
            raise kind(f"{session.http.name} refuses a query: {session.http.secrets.hidden(str(fault))[:200]}")
        series = result.get("series", [])
        return (
            [dict(zip(series[0]["columns"], row, strict=True)) for row in series[0].get("values", [])] if series else []
        )
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, InvalidOperation, RecursionError):
        raise SinkError(f"{session.http.name} answers a query with something that is no result") from None


def _seconds(duration: str) -> int:
    """`168h0m0s`, as InfluxDB writes it."""
    return sum(int(count) * _SECONDS[unit] for count, unit in _DURATION.findall(duration))


def _name(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def _text(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n") + "'"


# -- InfluxDB 2 and 3 -------------------------------------------------------------------------------------------------


async def influx2(session: Session, months: int) -> list[Remark]:
    async def read_back(at: datetime) -> Decimal | None:
        return await _flux(session, at)

    try:
        return [*await written_and_read(session, read_back), *await _bucket(session, months)]
    finally:
        await _delete(session)


def _place(session: Session) -> dict[str, str]:
    return {"org": session.options.org} if session.options.org is not None else {}


async def _flux(session: Session, at: datetime) -> Decimal | None:
    """Read a probe with Flux, or with InfluxQL where there is no Flux (InfluxDB 3)."""
    ns, bucket = nanoseconds(at), session.options.bucket or ""
    query = (
        f"from(bucket: {_quoted(bucket)}) |> range(start: time(v: {ns}), stop: time(v: {ns + 1})) "
        f"|> filter(fn: (r) => r._measurement == {_quoted(MEASUREMENT)} and r._field == {_quoted('value')} "
        f"and r.gateway == {_quoted(source(session))})"
    )
    headers = {"Content-Type": "application/vnd.flux", "Accept": "application/csv"}
    answer = await session.ask("POST", "/api/v2/query", _place(session), query.encode(), headers)
    if answer.status in (404, 405, 501):
        return await _selected(session, bucket, None, at)
    if answer.status in (401, 403):
        raise SinkError(f"{session.http.name} {not_let_in(session.options, answer.status)}")
    if answer.status != 200:
        raise SinkError(f"{session.http.name} refuses a query (HTTP {answer.status}): {reason(answer)}")
    lines = [line for line in answer.text.splitlines() if line and not line.startswith("#")]
    for row in csv.DictReader(lines):
        try:
            return Decimal(row.get("_value") or "")
        except InvalidOperation:
            continue
    return None


async def _bucket(session: Session, months: int) -> list[Remark]:
    bucket = session.options.bucket or ""
    answer = await session.ask("GET", "/api/v2/buckets", {"name": bucket, **_place(session)})
    try:
        found = json.loads(answer.text)["buckets"][0] if answer.status == 200 else None
        if found is not None:
            rules = [int(rule["everySeconds"]) for rule in found.get("retentionRules", []) if rule["type"] == "expire"]
            hours = days(months) * 24
            remedy = f"influx bucket update --id {str(found.get('id', ''))[:40]} --retention {hours}h"
            return _kept(f'the bucket "{bucket}"', min(rules, default=0), months, remedy)
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
        pass
    text = f'how long the bucket "{bucket}" keeps data cannot be seen'
    return [
        warning(
            text, f"make sure that it is {days(months)} days: influx bucket list; InfluxDB 3: retention of the database"
        )
    ]


async def _delete(session: Session) -> None:
    document = {
        "start": "1970-01-01T00:00:00Z",
        "stop": session.clock().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.999Z"),
        "predicate": f'_measurement="{MEASUREMENT}" AND gateway={_quoted(source(session))}',
    }
    query = {**_place(session), "bucket": session.options.bucket or ""}
    body, headers = json.dumps(document).encode(), {"Content-Type": "application/json"}
    with suppress(SinkError):  # the probes stay, in a measurement of their own
        await session.ask("POST", "/api/v2/delete", query, body, headers)


def _quoted(text: str) -> str:
    """A string of Flux: as JSON, but ${} means something."""
    return json.dumps(text, ensure_ascii=False).replace("${", "\\${")
