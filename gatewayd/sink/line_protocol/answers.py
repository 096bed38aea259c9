"""What a database means by its answer to a write: done, refused for good, or a fault and what to do about it.

Rules: pure. What would be refused again is BatchRefused; what may pass, or what the operator can mend, is SinkError.
The reason is the database's own, one line, without what changes from one request to the next.
"""

import json
import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from gatewayd.errors import SinkError
from gatewayd.sink.division import BatchRefused
from gatewayd.sink.line_protocol.options import LineProtocolOptions
from gatewayd.sink.line_protocol.transport import Answer

REASON_LIMIT = 300
RETRY_LIMIT_S = 300.0

_VICTORIA_PREFIX = re.compile(r'^remoteAddr: "[^"]*"; requestURI: [^;]*; ')
_MENDABLE = re.compile(
    "max-values-per-tag|max-series-per-database"  # limits of InfluxDB 1
    "|either orgID or org"  # InfluxDB 2 without the option org
    "|unsupported path|missing route"  # VictoriaMetrics and vmauth
)
"""Refusals of readings that could be taken if the operator changed a setting."""
_DONE = (200, 204)
_REFUSED = (400, 422)


def judge(answer: Answer, options: LineProtocolOptions, name: str, now: datetime) -> None:
    """Return when what was written is safe. Raises BatchRefused and SinkError; `name` says whose answer it is."""
    status = answer.status
    why = reason(answer)
    if status in _DONE:
        if is_web_page(answer):
            raise SinkError(f"{name} answers with a web page; does url lead to the database?")
        return
    if status in _REFUSED and _MENDABLE.search(why):
        raise SinkError(f"{name} takes nothing as it is set up (HTTP {status}){_quoted(why)}")
    if status in _REFUSED:
        raise BatchRefused(why or f"HTTP {status} without a reason")
    if status == 413:
        raise BatchRefused("the request is larger than the database takes (HTTP 413)")
    if status in (401, 403):
        raise SinkError(f"{name} {not_let_in(options, status)}{_quoted(why)}")
    if status == 404:
        raise SinkError(f"{name} {_missing(options, why)}")
    if status in (429, 503):
        asks = "asks for a pause" if status == 429 else "says that it cannot serve at present"
        raise SinkError(f"{name} {asks} (HTTP {status}){_quoted(why)}", retry_after_s(answer, now))
    if 300 <= status < 400:
        raise SinkError(f"{name} points to another address (HTTP {status}); write the one that answers itself into url")
    if status >= 500:
        raise SinkError(f"{name} failed (HTTP {status}){_quoted(why)}")
    raise SinkError(f"{name} does not take writes (HTTP {status}){_quoted(why)}; are url and dialect right?")


def prove(answer: Answer, options: LineProtocolOptions, name: str, now: datetime) -> None:
    """Return when the first answer of a connection is that of a database. Raises SinkError."""
    try:
        judge(answer, options, name, now)
    except BatchRefused as refusal:
        raise SinkError(
            f"{name} does not answer as {options.dialect} does (HTTP {answer.status}): {refusal}; "
            "are url and dialect right?"
        ) from None


def reason(answer: Answer) -> str:
    """What the database says, in one line of at most REASON_LIMIT characters; empty where it says nothing."""
    text = ""
    if not is_web_page(answer):
        text = _from_json(answer) or answer.headers.get("X-Influxdb-Error") or answer.text
    text = _VICTORIA_PREFIX.sub("", text)
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return text if len(text) <= REASON_LIMIT else text[: REASON_LIMIT - 1] + "…"


def _from_json(answer: Answer) -> str:
    """`error` of InfluxDB 1, `message` of InfluxDB 2 and QuestDB, `error` with details of InfluxDB 3."""
    try:
        document = json.loads(answer.text)
    except (ValueError, RecursionError):
        return ""
    if not isinstance(document, dict):
        return ""
    texts = [document.get("error"), document.get("message")]
    details = document.get("data")
    if isinstance(details, list) and details and isinstance(details[0], dict):
        texts.append(details[0].get("error_message"))
    return ": ".join(text for text in texts if isinstance(text, str) and text)


def is_web_page(answer: Answer) -> bool:
    """True for HTML: the answer of something that is no database."""
    return answer.headers.get("Content-Type", "").startswith("text/html") or answer.body.lstrip().startswith(b"<")


def not_let_in(options: LineProtocolOptions, status: int) -> str:
    """The same for every fault of credentials, and names the options that hold them."""
    if options.username is not None:
        who = f"user '{options.username}': wrong username or password, or not authorised"
    elif options.has_token:
        who = "the token of the option token_file, token_env or token_credential: wrong, expired or not authorised"
    elif options.dialect == "influx2":
        who = "a client without a token; set token_file"
    else:
        who = "a client without a user; set username and password_file, or token_file"
    return f"does not let in {who} (HTTP {status})"


def retry_after_s(answer: Answer, now: datetime) -> float | None:
    """Seconds of Retry-After (RFC 9110 10.2.3), at most RETRY_LIMIT_S; None where there is no sound one."""
    text = answer.headers.get("Retry-After", "").strip()
    if re.fullmatch(r"\d{1,9}", text, re.ASCII):
        return min(float(text), RETRY_LIMIT_S)
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    if at.tzinfo is None:  # "-0000", which an HTTP date cannot have
        at = at.replace(tzinfo=UTC)
    return min(max((at - now).total_seconds(), 0.0), RETRY_LIMIT_S)


def _missing(options: LineProtocolOptions, why: str) -> str:
    said = why.lower()
    if "not found" in said:
        if options.dialect == "influx1" and "database" in said:
            return f'has no database "{options.database}"; create it with: CREATE DATABASE "{options.database}"'
        if options.dialect == "influx2" and ("bucket" in said or "database" in said):
            return f'has no bucket "{options.bucket}" that this token may see; create it, or correct bucket'
        if options.dialect == "influx2" and "org" in said:
            return f'has no organisation "{options.org or ""}"; correct org'
    return f"does not know the address that {options.dialect} is written to (HTTP 404); are url and dialect right?"


def _quoted(why: str) -> str:
    return f": {why}" if why else ""
