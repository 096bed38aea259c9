"""`gatewayd sink check` for line protocol: what all dialects have in common, and which file looks at the rest."""

import json

from gatewayd.sink.check import Remark, fine, warning
from gatewayd.sink.line_protocol.check_influx import influx1, influx2
from gatewayd.sink.line_protocol.check_questdb import questdb
from gatewayd.sink.line_protocol.check_victoria import victoriametrics
from gatewayd.sink.line_protocol.options import parts
from gatewayd.sink.line_protocol.session import Session

_LOCAL = ("localhost", "127.0.0.1", "[::1]")


async def check(session: Session, months: int, *, points: bool = False) -> list[Remark]:
    """What was seen in a database that answers; `points`: it gets derived values as well. Raises SinkError where it
    ceases to."""
    remarks = [fine(f"{session.http.name} answers{_version(session)}"), *_in_the_clear(session)]
    match session.options.dialect:
        case "influx1":
            return remarks + await influx1(session, months)
        case "influx2":
            return remarks + await influx2(session, months)
        case "victoriametrics":
            return remarks + await victoriametrics(session, months)
        case "questdb":
            return remarks + await questdb(session, months, points=points)


def _version(session: Session) -> str:
    greeting = session.greeting
    version = greeting.headers.get("X-Influxdb-Version", "")
    if not version:
        try:
            document = json.loads(greeting.text)
        except (ValueError, RecursionError):
            document = None
        version = document.get("version", "") if isinstance(document, dict) else ""
    shown = str(version)[:40]
    return f", version {shown}" if shown and shown.isprintable() else ""


def _in_the_clear(session: Session) -> list[Remark]:
    url = parts(session.options.url)
    if url.scheme == "https" or url.host in _LOCAL or not (session.options.username or session.options.has_token):
        return []
    return [
        warning("the password or token travels unencrypted", "use https in url, and tls.ca_file where it is needed")
    ]
