"""The schema in the database: numbered SQL files, each applied once, and what TimescaleDB wants besides.

Rules: all that is missing is applied in one transaction, under a lock, so that two gateways may start together. A
schema that is up to date needs no right to change anything. One that is newer than this gatewayd is left alone.
"""

from dataclasses import dataclass
from importlib.resources import files

from gatewayd.errors import SinkError
from gatewayd.model import Flag, RawStatus
from gatewayd.sink.postgresql.faults import right_missing
from gatewayd.sink.postgresql.session import Session
from gatewayd.sink.postgresql.sql import literal, quoted

MIGRATION_S = 3600.0
"""How long a change of the schema may take: a hypertable is made of all the rows that are there."""
TABLES = ("reading", "derived")
"""What grows, by the time of its column `at`."""
_LOCK = 0x67617465
"""First half of the key of the advisory lock ("gate"); the second is made of the schema's name."""

_STATUSES = [(int(status), status.text) for status in RawStatus]
_FLAGS = [(flag.bit_length() - 1, flag.name.lower()) for flag in Flag if flag.name]


@dataclass(frozen=True, slots=True)
class Migration:
    """One SQL file."""

    number: int
    sql: str


def shipped() -> list[Migration]:
    """The migrations of this gatewayd, ascending."""
    found = [
        Migration(int(file.name[:3]), file.read_text(encoding="utf-8"))
        for file in files(__package__).iterdir()
        if file.name[:3].isdecimal() and file.name.endswith(".sql")
    ]
    return sorted(found, key=lambda migration: migration.number)


def migrate(session: Session) -> int:
    """Bring the schema up to date; the number of the newest migration. Raises SinkError, RightMissing."""
    migrations = shipped()
    newest = migrations[-1].number
    if _applied(session, newest) < newest or not _codes_are_complete(session):
        with session.slow(MIGRATION_S), session.transaction():
            _apply(session, migrations)
    for table in TABLES:
        _make_hypertable(session, table)
    return newest


def rehearse(session: Session) -> str:
    """For a check: what the schema is, and where it has to be changed, that inside the transaction that is open, which
    is to be rolled back. Raises SinkError, RightMissing."""
    migrations = shipped()
    newest = migrations[-1].number
    applied = _applied(session, newest)
    if applied == newest and _codes_are_complete(session):
        return f"is in version {newest}"
    _apply(session, migrations)
    return (
        f"{'is not there yet' if not applied else f'is in version {applied}'}; the sink brings it to version {newest}"
    )


def _apply(session: Session, migrations: list[Migration]) -> None:
    target = session.target
    session.query(f"SELECT pg_advisory_xact_lock({_LOCK}, hashtext({literal(target.schema)}))")
    if not _there(session, "pg_namespace", f"nspname = {literal(target.schema)}"):
        session.query(f"CREATE SCHEMA {quoted(target.schema)}", remedy=target.grant_schema)
    newest = migrations[-1].number
    applied = _applied(session, newest)
    # Asked before: a schema that the role may not use is passed over by search_path, which would look like none.
    if applied < newest and not session.query(f"SELECT has_schema_privilege({literal(target.schema)}, 'CREATE')")[0][0]:
        raise right_missing(target, f"to make tables in schema {target.schema}", target.grant_tables)
    for migration in migrations:
        if migration.number > applied:
            session.query(migration.sql, remedy=target.grant_tables)
            session.query(f"INSERT INTO migration (number) VALUES ({migration.number})", remedy=target.grant)  # noqa: S608
    for table, key, codes in (("status_code", "number", _STATUSES), ("flag_code", "bit", _FLAGS)):
        values = ", ".join(f"({number}, {literal(name)})" for number, name in codes)
        sql = f"INSERT INTO {table} ({key}, name) VALUES {values} ON CONFLICT DO NOTHING"  # noqa: S608 - our own texts
        session.query(sql, remedy=target.grant)


def _applied(session: Session, newest: int) -> int:
    """The newest migration in the database, 0 for none."""
    target = session.target
    # Asked of the catalogue, which everybody may read: a missing table and a missing right must not look alike.
    if not _there(
        session,
        "pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace",
        f"n.nspname = {literal(target.schema)} AND c.relname = 'migration'",
    ):
        return 0
    # With its schema, as search_path passes over one that the role may not use.
    table = f"{quoted(target.schema)}.migration"
    number = session.query(f"SELECT coalesce(max(number), 0) FROM {table}", remedy=target.grant)[0][0]  # noqa: S608
    assert isinstance(number, int)
    if number > newest:
        raise SinkError(
            f"{target.place} has schema {target.schema} in version {number}, made by a newer gatewayd; this one knows "
            f"{newest}: upgrade gatewayd"
        )
    return number


def _codes_are_complete(session: Session) -> bool:
    """A newer gatewayd may know flags that came without a migration."""
    found = session.query("SELECT (SELECT count(*) FROM status_code), (SELECT count(*) FROM flag_code)")[0]
    # More than we know are of a newer gatewayd, which is no harm.
    return bool(found[0] >= len(_STATUSES) and found[1] >= len(_FLAGS))


def _make_hypertable(session: Session, table: str) -> None:
    """Hand a table over to TimescaleDB where that is installed and the role is the owner; check() tells where not."""
    home = timescaledb_schema(session)
    if home is None or is_hypertable(session, table) or not owns_table(session, table):
        return
    named = literal(f"{quoted(session.target.schema)}.{table}")
    with session.slow(MIGRATION_S), session.transaction():
        session.query(
            f"SELECT {quoted(home)}.create_hypertable({named}::regclass, 'at'::name, "
            "chunk_time_interval => INTERVAL '7 days', if_not_exists => TRUE, migrate_data => TRUE)",
            remedy=session.target.grant_tables,
        )


def timescaledb_schema(session: Session) -> str | None:
    """Where the functions of TimescaleDB are; None when it is not installed in this database."""
    found = session.query(
        "SELECT n.nspname FROM pg_extension AS e JOIN pg_namespace AS n ON n.oid = e.extnamespace "
        "WHERE e.extname = 'timescaledb'"
    )
    return str(found[0][0]) if found else None


def is_hypertable(session: Session, table: str) -> bool:
    """Whether TimescaleDB has the table already; ask only where it is installed."""
    return _there(
        session,
        "timescaledb_information.hypertables",
        f"hypertable_schema = {literal(session.target.schema)} AND hypertable_name = {literal(table)}",
    )


def owns_table(session: Session, table: str) -> bool:
    """Whether the role may change a table."""
    return _there(
        session,
        "pg_class",
        f"oid = {literal(quoted(session.target.schema) + '.' + table)}::regclass "
        "AND pg_has_role(current_user, relowner, 'USAGE')",
    )


def _there(session: Session, table: str, condition: str) -> bool:
    return bool(session.query(f"SELECT 1 FROM {table} WHERE {condition} LIMIT 1"))  # noqa: S608 - our own texts
