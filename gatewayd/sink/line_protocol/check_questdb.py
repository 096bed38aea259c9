"""What `sink check` looks at in QuestDB: whether repetitions are kept twice, and how long data are kept.

Rules: a table exists only when the first reading has been written; what is acknowledged can be read a moment later.
"""

import asyncio
import json
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from gatewayd.errors import SinkError
from gatewayd.sink.check import Remark, error, fine, warning
from gatewayd.sink.line_protocol.answers import not_let_in, reason
from gatewayd.sink.line_protocol.lines import nanoseconds
from gatewayd.sink.line_protocol.point_lines import SUFFIX
from gatewayd.sink.line_protocol.probe import DAYS_IN_MONTH, MEASUREMENT, days, source, written_and_read
from gatewayd.sink.line_protocol.session import Session

VISIBLE_S = 5.0
"""How long QuestDB may take to show what it has acknowledged."""
_ASK_AGAIN_S = 0.1
_ELSEWHERE = "unsupported path"
"""What VictoriaMetrics says of /exec."""
_KEYS = "timestamp, gateway, kind, meter, obis, unit"
_POINT_KEYS = "timestamp, gateway, layer, obis, point, unit"
_DAYS = {"HOUR": 1 / 24, "DAY": 1.0, "WEEK": 7.0, "MONTH": DAYS_IN_MONTH, "YEAR": 365.25}


async def questdb(session: Session, months: int, *, points: bool = False) -> list[Remark]:
    """`points`: derived values are wanted as well, which have a table of their own."""
    name = session.options.measurement
    tables = {name: _KEYS, **({f"{name}{SUFFIX}": _POINT_KEYS} if points else {})}

    async def read_back(at: datetime) -> Decimal | None:
        return await _read(session, at)

    remarks = await written_and_read(session, read_back)
    remarks.append(fine(f"it deletes no single rows: the probes stay in the table {MEASUREMENT}"))
    if any(_ELSEWHERE in remark.text for remark in remarks):
        return [*remarks, error("this does not answer as QuestDB does", "are url and dialect right?")]
    for table, keys in tables.items():
        try:
            remarks += await _table(session, months, table, keys)
        except SinkError as fault:
            remarks.append(warning(f"its settings cannot be seen: {fault}", _unique(table, keys)))
    return remarks


async def _read(session: Session, at: datetime) -> Decimal | None:
    microseconds = nanoseconds(at) // 1000
    statement = (
        f"SELECT value FROM {MEASUREMENT} WHERE gateway = {_text(source(session))} "  # noqa: S608  quoted
        f"AND timestamp = cast({microseconds} AS timestamp)"
    )
    loop = asyncio.get_running_loop()
    until = loop.time() + VISIBLE_S
    while True:
        for row in await _rows(session, statement):
            value = row.get("value")
            return value if isinstance(value, Decimal) else None
        if loop.time() >= until:
            return None
        await asyncio.sleep(_ASK_AGAIN_S)


async def _table(session: Session, months: int, name: str, keys: str) -> list[Remark]:
    """The settings of a table that is written to. Older versions do not know all of them."""
    rows = await _rows(session, f"SELECT * FROM tables() WHERE table_name = {_text(name)}")  # noqa: S608  quoted
    if not rows:
        text = f"the table {name} does not exist yet; without more ado it will keep repetitions twice"
        return [warning(text, f"after the first readings: {_unique(name, keys)}")]
    row = rows[0]
    if row.get("dedup") is True:
        remarks = [fine(f"the table {name} drops repetitions")]
    else:
        text = "a reading that is delivered twice, as after a fault, is kept twice"
        if keys is _POINT_KEYS:
            text = f"the table {name} keeps all versions of a derived value, and repetitions twice"
        remarks = [warning(text, _unique(name, keys))]
    value, unit = row.get("ttlValue"), str(row.get("ttlUnit"))
    if isinstance(value, Decimal) and value > 0 and unit in _DAYS:
        shown = f"{value} {unit.lower()}{'s' if value > 1 else ''}"
        if float(value) * _DAYS[unit] < months * DAYS_IN_MONTH:
            text = f"the table {name} drops what is older than {shown}; {months} months are wanted"
            remarks.append(error(text, f"run: ALTER TABLE {name} SET TTL {days(months)} DAYS"))
        else:
            remarks.append(fine(f"the table {name} keeps {shown}; {months} months are wanted"))
    return remarks


def _unique(name: str, keys: str) -> str:
    return f"run: ALTER TABLE {name} DEDUP ENABLE UPSERT KEYS({keys})"


async def _rows(session: Session, statement: str) -> list[Mapping[str, Any]]:  # JSON
    answer = await session.ask("GET", "/exec", {"query": statement})
    if answer.status in (401, 403):
        raise SinkError(f"{session.http.name} {not_let_in(session.options, answer.status)}")
    if answer.status != 200:
        raise SinkError(f"{session.http.name} refuses a query (HTTP {answer.status}): {reason(answer)}")
    try:
        document = json.loads(answer.text, parse_float=Decimal, parse_int=Decimal)
        names = [column["name"] for column in document["columns"]]
        return [dict(zip(names, row, strict=True)) for row in document["dataset"]]
    except (ValueError, KeyError, TypeError, InvalidOperation, RecursionError):
        raise SinkError(f"{session.http.name} answers a query with something that is no result") from None


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
