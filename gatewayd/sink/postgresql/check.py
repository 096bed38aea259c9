"""What `gatewayd sink check` asks a PostgreSQL server: would readings get in, stay whole, and stay?

Rules: nothing is left behind; the probe goes the way of all readings and is rolled back. A step that fails is a remark,
and the steps that do not build on it go on. See gatewayd.sink.check.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from ipaddress import ip_address

import msgspec

from gatewayd.errors import SinkError
from gatewayd.metering.record import Derived, more_of, reading_of
from gatewayd.metering.values import Channel, Layer, Method, Value
from gatewayd.model import DIRECT, Archived, Flag, Kind, RawStatus, Reading
from gatewayd.obis import Obis
from gatewayd.sink.check import Remark, error, fine, warning
from gatewayd.sink.division import BatchRefused
from gatewayd.sink.postgresql.derived_writer import DerivedWriter
from gatewayd.sink.postgresql.faults import RightMissing
from gatewayd.sink.postgresql.migrations import TABLES, is_hypertable, owns_table, rehearse, timescaledb_schema
from gatewayd.sink.postgresql.session import Session
from gatewayd.sink.postgresql.sql import literal
from gatewayd.sink.postgresql.writer import Writer

_RETENTION = """
SELECT coalesce(config ->> 'drop_after', config ->> 'drop_created_before'),
       now() - coalesce(config ->> 'drop_after', config ->> 'drop_created_before')::interval
           > now() - make_interval(months => {months})
FROM timescaledb_information.jobs
WHERE proc_name = 'policy_retention' AND hypertable_schema = {schema} AND hypertable_name = {table}
"""
_READ_BACK = (
    "SELECT at, value::text, primary_value::text, raw, status, flags, more::json ->> 0 FROM reading WHERE gateway = "
)
_DERIVED_BACK = (
    "SELECT at, value::text, version, supersedes, status, flags, instant, inputs, reason FROM derived_newest "
    "WHERE gateway = "
)
_SETTINGS = ("fsync", "full_page_writes", "synchronous_commit", "default_transaction_read_only", "server_encoding")


def probe() -> Archived:
    """A reading with everything in it that a database may spoil."""
    at = datetime(2026, 3, 29, 1, 0, 0, 123456, tzinfo=UTC)
    reading = Reading(
        meter="gatewayd sink check",
        obis=Obis.parse("1-0:1.8.0*255"),
        obis_raw="1.8.0",
        kind=Kind.INTERVAL,
        at=at,
        raw=b"18446744073709551615",
        raw_text="18446744073709551615",
        unit="kWh",
        scaler=-3,
        status=RawStatus.SUBSTITUTE,
        flags=Flag.LATE,
        more=('tab \t, backslash \\, line end \n, " and Ω',),
        interval_s=900,
    )
    return Archived((1 << 63) - 1, reading, at, "", 1, DIRECT)


def derived_probe() -> Archived:
    """As `probe`, a derived value."""
    at = datetime(2026, 3, 29, 1, 0, 0, 123456, tzinfo=UTC)
    amount = Decimal("18446744073709551.615")
    value = Value(at, 82800, amount, RawStatus.SUBSTITUTE, Flag.LATE, (17, 18), Method.CONTROL, 91, 92, at, ("zero",))
    channel = Channel("gatewayd sink check", Obis.parse("1-0:1.29.0*255"), "kWh")
    derived = Derived(msgspec.structs.replace(value, reason="tab \t, backslash \\ and Ω"), 2, 1)
    return Archived((1 << 63) - 1, reading_of(channel, Layer.DAY, derived), at, "", 1, DIRECT)


def remarks(session: Session, gateway: str, months: int) -> list[Remark]:
    """Everything that was looked at, in the order of importance to a reader. `gateway` is whose the probes are."""
    found = [_connection(session)]
    found += _settings(session)
    return found + _step(lambda: _rehearsal(session, gateway, months))


def _rehearsal(session: Session, gateway: str, months: int) -> list[Remark]:
    """The schema, the probes and TimescaleDB, in one transaction that is rolled back."""
    writer, derived = Writer(session, gateway), DerivedWriter(session, gateway)
    writer.make_stage()
    derived.make_stage()
    with session.transaction(commit=False):
        schema = fine(f"schema {session.target.schema} {rehearse(session)}")
        found = [schema, _probe(session, writer), _derived_probe(session, derived)]
        return [*found, *_timescale(session, months)]


def _step(step: Callable[[], list[Remark]]) -> list[Remark]:
    try:
        return step()
    except RightMissing as missing:
        return [error(str(missing), f"an owner of the database must run there: {missing.remedy}")]
    except (SinkError, BatchRefused) as fault:
        return [error(str(fault), "mend that, then run `gatewayd sink check` again")]


def _connection(session: Session) -> Remark:
    target = session.target
    server = f"PostgreSQL {session.server_version} at {target.host}:{target.port}, database {target.database}"
    if session.tls is not None:
        return fine(f"{server}, {session.tls}")
    if _is_near(target.host):
        return fine(f"{server}, not encrypted within this computer")
    return warning(f"{server}, not encrypted", "set ssl = on at the server and give the sink a tls block")


def _is_near(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@dataclass(frozen=True, slots=True)
class _Trap:
    """A setting by which data get lost or do not get in, and what to say then."""

    name: str
    bad: tuple[str, ...]
    is_error: bool
    text: str
    remedy: str


_TRAPS = (
    _Trap(
        "fsync",
        ("off",),
        True,
        "fsync is off: a power failure may destroy the whole database",
        "set fsync = on in postgresql.conf and reload the server",
    ),
    _Trap(
        "full_page_writes",
        ("off",),
        True,
        "full_page_writes is off: a power failure may leave torn pages",
        "set full_page_writes = on in postgresql.conf and reload the server",
    ),
    _Trap(
        "synchronous_commit",
        ("off", "local", "remote_write"),
        False,
        "synchronous_commit is not on by default; the sink sets it for itself, others lose their latest changes",
        "set synchronous_commit = on in postgresql.conf, for the role and for the database",
    ),
    _Trap(
        "default_transaction_read_only",
        ("on",),
        True,
        "default_transaction_read_only is on: nothing can be stored",
        "an owner of the database must reset it: ALTER ROLE ... RESET default_transaction_read_only, or ALTER DATABASE",
    ),
)


def _settings(session: Session) -> Iterator[Remark]:
    """What the server has by default for this role; the session itself has set some of it."""
    names = ", ".join(literal(name) for name in _SETTINGS)
    found = session.query(f"SELECT name, reset_val FROM pg_settings WHERE name IN ({names})")  # noqa: S608
    values = {str(name): str(value) for name, value in found}
    if session.query("SELECT pg_is_in_recovery()")[0][0]:
        yield error("the server is a standby: nothing can be stored", "host must be the primary server")
    trapped = False
    for trap in _TRAPS:
        if values.get(trap.name) in trap.bad:
            trapped = True
            yield (error if trap.is_error else warning)(trap.text, trap.remedy)
    if not trapped:
        yield fine("what was committed survives a power failure (fsync, full_page_writes, synchronous_commit)")
    if values.get("server_encoding") != "UTF8":
        yield warning(
            f"the database is encoded in {values.get('server_encoding')}: readings with other characters are set aside",
            "make the database anew with ENCODING 'UTF8'",
        )


def _probe(session: Session, writer: Writer) -> Remark:
    archived = probe()
    reading = archived.reading
    writer.put([archived])
    rows = session.query(_READ_BACK + literal(writer.gateway))
    expected = [
        reading.at,
        "18446744073709551.615",
        "18446744073709551.615",
        reading.raw_text,
        int(reading.status),
        int(reading.flags),
        reading.more[0],
    ]
    if rows != [expected]:
        return error(
            "the probe reading did not come back as it was written",
            f"look for triggers and rules on table {session.target.schema}.reading",
        )
    return fine("a probe reading came back with every digit, and was taken back")


def _derived_probe(session: Session, writer: DerivedWriter) -> Remark:
    archived = derived_probe()
    writer.put([archived])
    rows = session.query(_DERIVED_BACK + literal(writer.gateway))
    at = archived.reading.at
    expected = [at, "18446744073709551.615", 2, 1, int(RawStatus.SUBSTITUTE), int(Flag.LATE), at, "17-18"]
    if rows != [[*expected, more_of(archived.reading.more).reason]]:
        return error(
            "the probe of a derived value did not come back as it was written",
            f"look for triggers and rules on table {session.target.schema}.derived",
        )
    return fine("a probe of a derived value came back with every digit, and was taken back")


def _timescale(session: Session, months: int) -> Iterator[Remark]:
    if timescaledb_schema(session) is None:
        yield fine("no TimescaleDB: a plain table, which keeps everything until somebody deletes it")
        return
    for table, things in zip(TABLES, ("readings", "derived values"), strict=True):
        yield from _hypertable(session, months, table, things)


def _hypertable(session: Session, months: int, table: str, things: str) -> Iterator[Remark]:
    schema = session.target.schema
    if not is_hypertable(session, table):
        yield warning(
            f"TimescaleDB is installed, and table {table} is a plain one"
            + ("" if owns_table(session, table) else f": it does not belong to {session.target.username}"),
            f"let its owner run there: SELECT create_hypertable('{schema}.{table}', 'at', migrate_data => true)",
        )
        return
    yield fine(f"table {table} is a hypertable of TimescaleDB")
    query = _RETENTION.format(months=int(months), schema=literal(schema), table=literal(table))
    for age, short in session.query(query):
        if short:
            yield error(
                f"TimescaleDB drops {things} after {age}, and they should be kept for {months} months",
                f"SELECT remove_retention_policy('{schema}.{table}'), or add a longer one",
            )
        else:
            yield fine(f"TimescaleDB drops {things} after {age}, which is not before {months} months")
