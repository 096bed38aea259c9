"""Foreign errors of a PostgreSQL connection in plain words: what happened, and who must do what.

Rules: the text of one fault is always the same, so that a change of text is a change of state; no password in it. What
the database says itself is quoted only where it adds something. SQLSTATE decides (PostgreSQL manual, appendix A).
"""

import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass

from pg8000.exceptions import DatabaseError  # type: ignore[import-untyped] # pg8000 ships no types

from gatewayd.errors import SinkError
from gatewayd.sink.division import BatchRefused
from gatewayd.sink.postgresql.sql import quoted
from gatewayd.sink.secrets import Secrets

_CONTENT = ("22", "23", "54")
"""Data exceptions, violated constraints, limits of the program: this row will be refused again."""
_CODES = frozenset("SVC")
"""Letters of a report that are no text of somebody: severity and SQLSTATE."""
_NO_ANSWER = "is it overloaded, stopped or behind a firewall?"


class RightMissing(SinkError):
    """The role may not do what the sink needs. `remedy` is the statement that an owner of the database must run."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class Target:
    """What a message has to name."""

    host: str
    port: int
    database: str
    username: str
    schema: str
    timeout_s: float
    has_password: bool

    @property
    def place(self) -> str:
        return f"database {self.host}:{self.port}"

    @property
    def grant(self) -> str:
        """What lets the role read and write the tables that are there."""
        schema, role = quoted(self.schema), quoted(self.username)
        return (
            f"GRANT USAGE ON SCHEMA {schema} TO {role}; GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA {schema} TO {role}"
        )

    @property
    def grant_schema(self) -> str:
        """What lets the role make the schema."""
        return f"GRANT CREATE, TEMPORARY ON DATABASE {quoted(self.database)} TO {quoted(self.username)}"

    @property
    def grant_tables(self) -> str:
        """What lets the role make tables in the schema that is there; those that it made it may change."""
        return f"GRANT USAGE, CREATE ON SCHEMA {quoted(self.schema)} TO {quoted(self.username)}"

    @property
    def grant_temporary(self) -> str:
        """What lets the role have the temporary table through which readings go."""
        return f"GRANT TEMPORARY ON DATABASE {quoted(self.database)} TO {quoted(self.username)}"


def sink_fault(error: BaseException, target: Target, remedy: str = "") -> SinkError:
    """The SinkError that tells what `error` means to the operator. `remedy` gives the right that may be missing."""
    report = database_report(error)
    if report is not None:
        state, message = report.get("C", ""), report.get("M", "")
        if state == "42501":
            return right_missing(target, message, remedy or target.grant)
        return SinkError(f"{target.place} {_answer(state, message, target)}")
    return SinkError(f"{target.place} {_network(error, target)}")


def right_missing(target: Target, message: str, remedy: str) -> RightMissing:
    """For a right of which the database, or we ourselves, found that it is missing."""
    words = f"does not allow {target.username} what is needed ({message}); an owner must run there: {remedy}"
    return RightMissing(f"{target.place} {words}", remedy)


def refusal(error: BaseException) -> BatchRefused | None:
    """The BatchRefused that tells of content that the database will never take; None for any other fault."""
    report = database_report(error)
    if report is None or not report.get("C", "").startswith(_CONTENT):
        return None
    return BatchRefused(f"PostgreSQL refuses it: {report.get('M', 'no reason given')} (SQLSTATE {report['C']})")


def is_alive(error: BaseException) -> bool:
    """Whether the connection can still be used: the server refused a statement, and that was all."""
    report = database_report(error)
    return report is not None and report.get("V") == "ERROR"


def hide(error: BaseException, secrets: Secrets) -> None:
    """Take secrets out of what the server said; its codes stay."""
    report = database_report(error) or {}
    for letter in report.keys() - _CODES:
        report[letter] = secrets.hidden(report[letter])


def database_report(error: BaseException) -> dict[str, str] | None:
    """What the server said, by letters (C SQLSTATE, M message, V severity); None for other errors."""
    if isinstance(error, DatabaseError) and error.args and isinstance(error.args[0], dict):
        return error.args[0]
    return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and its causes. Not its context, which may be an older error that was being handled."""
    following: BaseException | None = error
    while following is not None:
        yield following
        following = following.__cause__


def _answer(state: str, message: str, target: Target) -> str:
    user, database = target.username, target.database
    match state:
        case "28P01" if not target.has_password:
            return f"asks for a password of {user}; give password_file, password_env or password_credential"
        case "28P01":
            return f"does not accept user {user} with this password; check username and password"
        case "3D000":
            return f"has no database {database}; an administrator must run there: createdb --owner={user} {database}"
        case "25006":
            return "is read-only: a standby, or default_transaction_read_only is on; host must be the primary server"
        case "53100":
            return "has no space left on its disk; its administrator must make room"
        case "53300":
            return "has too many connections; raise max_connections there or close some"
        case "57014":
            return f"did not finish a statement within {target.timeout_s:g} s; {_NO_ANSWER}"
        case "57P03":
            return "is starting up, shutting down or recovering; it takes no connections at present"
        case "57P04":
            return f"has just lost the database {database}: somebody dropped it"
    match state[:2]:
        case "28":
            return f"does not let user {user} in; its pg_hba.conf or the role must be changed there ({message})"
        case "53":
            return f"is short of resources; its administrator must act ({message})"
        case "57":
            return "was shut down or ended the connection; is it being restarted?"
        case "08":
            return "broke the connection"
        case "40":
            return f"gave up a transaction that stood in the way of others ({message})"
        case "42" | "3F":
            return (
                f"has other tables in schema {target.schema} than gatewayd made ({message}); did somebody change them?"
            )
    return f"cannot do it: {message} (SQLSTATE {state})"


def _network(error: BaseException, target: Target) -> str:
    # pg8000 wraps what the operating system says.
    cause = next((cause for cause in _causes(error) if isinstance(cause, OSError)), error)
    match cause:
        case TimeoutError():
            return f"did not answer within {target.timeout_s:g} s; {_NO_ANSWER}"
        case ConnectionRefusedError():
            return "refuses the connection; is it running, are host and port right?"
        case socket.gaierror():
            return "is not known by that name; check host and the name service"
        case ssl.SSLCertVerificationError():
            return f"has a TLS certificate that is not trusted: {cause.verify_message}; check ca_file and host"
        case ssl.SSLError():
            return "broke off TLS; does it want a certificate of the gateway (cert_file), is cert_file the right one?"
        case ConnectionError():
            return "broke the connection"
        case OSError():
            return f"cannot be reached: {cause.strerror}" if cause.strerror else "broke the connection"
    if "network error" in str(error) or "connection is closed" in str(error):
        return "broke the connection"
    return f"does not answer as PostgreSQL does ({type(error).__name__}); are host and port right?"
