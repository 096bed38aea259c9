"""What a call has cost, for the archive and for the log.

Rules: pure; the number is masked in both. One audit entry and one line of the log for each attempt to call.
"""

import json
import logging
from datetime import datetime

from gatewayd.archive.records import Audit
from gatewayd.channel.modem_options import CallRecord

CATEGORY = "call"
TYPE = "modem-call"


def audit_of(record: CallRecord, meter: str, source: str = "gateway") -> Audit:
    """The entry of the archive: source is who had the call made, subject the meter, result that of the call, detail a
    JSON object.

    Instants are RFC 3339 in UTC, `connected` is null for a call that never connected; `seconds` runs from CONNECT to
    the end of the hang-up; `signal` is in dBm.
    """
    status = record.status
    detail: dict[str, object] = {
        "line": record.line,
        "number": record.number,
        "started": _instant(record.started_at),
        "connected": None if record.connected_at is None else _instant(record.connected_at),
        "ended": _instant(record.ended_at),
        "seconds": record.seconds,
        "dialled": record.dialled,
        "hung_up": record.hung_up,
        "bytes_sent": record.bytes_sent,
        "bytes_received": record.bytes_received,
        "signal": status.signal_dbm,
        "registration": None if status.registration is None else status.registration.name.lower(),
        "connect": status.connect,
        "rejected": list(status.rejected),
    }
    text = json.dumps(detail, ensure_ascii=False, separators=(", ", ": "))
    return Audit(record.ended_at, source, CATEGORY, TYPE, meter, record.result.value, text)


def log_line(record: CallRecord, meter: str) -> tuple[int, str]:
    """Level and text of the log line."""
    parts = [f"line {record.line}: call to {record.number} for meter {meter}: {record.result.value}"]
    if record.connected_at is not None:
        parts.append(f"{record.seconds:.0f} s connected")
        parts.append(f"{record.bytes_sent} bytes sent, {record.bytes_received} received")
    if record.status.signal_dbm is not None:
        parts.append(f"signal {record.status.signal_dbm} dBm")
    if record.dialled and not record.hung_up:  # one that was only dialled may have been answered since
        parts.append("the modem did not confirm the hang-up: the call may still cost money")
        return logging.ERROR, ", ".join(parts)
    return logging.INFO, ", ".join(parts)


def _instant(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
