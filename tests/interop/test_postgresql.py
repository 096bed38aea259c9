"""The PostgreSQL sink and a real PostgreSQL, seen by psql: contents, replays, refusals, faults, rights, migrations.

Rules: nothing is mocked but TimescaleDB, which Debian has not: see `timescale`. Tests share a server and have each a
database of their own; those that hurt the server have one of their own.
"""

import asyncio
import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gatewayd.errors import SinkError
from gatewayd.model import Archived, Flag, Kind, Point, Ratio, RawStatus, ValueSide
from gatewayd.sink import FAREWELL_S, Delivery
from gatewayd.sink.check import Level, Remark
from gatewayd.sink.postgresql import migrations
from gatewayd.sink.postgresql.faults import RightMissing
from gatewayd.sink.postgresql.migrations import shipped
from gatewayd.sink.postgresql.options import PostgresqlOptions
from gatewayd.sink.postgresql.sink import PostgresqlSink
from tests.gatewayd.sink.samples import START, interval, register
from tests.interop.certificates import Authority
from tests.interop.postgresql import NULL, PostgreSQL, Template, assert_no_threads

DEADLINE_S = 20.0
SLEEPER = """
CREATE FUNCTION gatewayd.sleep() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN PERFORM pg_sleep(60); RETURN NEW; END $$;
CREATE TRIGGER sleeper BEFORE INSERT ON gatewayd.reading
FOR EACH ROW WHEN (NEW.seq = 500) EXECUTE FUNCTION gatewayd.sleep()
"""
"""Holds up a batch in its middle."""
AWAKE = "DROP TRIGGER sleeper ON gatewayd.reading"
PRIMARY = "162331347848644054212.000"
"""18446744073709551.615 times 40 times 220."""
_numbers = itertools.count(1)


@dataclass
class Kept:
    """A ledger that is a list."""

    done_seqs: list[int] = field(default_factory=list)
    refused: list[tuple[int, str]] = field(default_factory=list)

    def done(self, readings: Sequence[Archived]) -> None:
        self.done_seqs += [reading.seq for reading in readings]

    async def set_aside(self, reading: Archived, reason: str) -> None:
        self.refused.append((reading.seq, reason))


@dataclass(frozen=True)
class Certificates:
    """Two authorities, and what the first has signed. Files in PEM."""

    ca: Path
    other_ca: Path
    server: Path
    server_key: Path
    client: Path
    client_key: Path


@pytest.fixture(scope="module")
def template() -> Iterator[Template]:
    with Template() as made:
        yield made


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    folder = tmp_path_factory.mktemp("certificates")
    authority = Authority(folder)
    return Certificates(
        authority.ca_file, Authority(folder, "other").ca_file, *authority.issue("server"), *authority.issue("gw")
    )


@pytest.fixture(scope="module")
def shared(template: Template, certificates: Certificates) -> Iterator[PostgreSQL]:
    files = (certificates.server, certificates.server_key, certificates.ca)
    with PostgreSQL(template, tls=files) as running:
        yield running


@dataclass(frozen=True)
class Database:
    """A database on a server, owned by its user `gw`."""

    server: PostgreSQL
    name: str

    def query(self, sql: str) -> list[tuple[str, ...]]:
        return self.server.query(sql, self.name)

    def sink(self, id: str = "pg", gateway: str = "gw-1", **options: Any) -> PostgresqlSink:
        settings = {
            "host": self.server.host,
            "port": self.server.port,
            "database": self.name,
            "username": self.server.user,
            "password_env": "GATEWAYD_TEST_PASSWORD",
            **options,
        }
        return PostgresqlSink(id, PostgresqlOptions.model_validate(settings), gateway)

    def seqs(self) -> list[int]:
        return [int(seq) for (seq,) in self.query("SELECT seq FROM gatewayd.reading ORDER BY seq")]


@pytest.fixture(autouse=True)
def password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAYD_TEST_PASSWORD", PostgreSQL.password)


@pytest.fixture
def database(shared: PostgreSQL) -> Database:
    name = f"meters_{next(_numbers)}"
    shared.query(f"CREATE DATABASE {name} OWNER {shared.user}", "postgres")
    return Database(shared, name)


@pytest.fixture
def fragile(template: Template) -> Iterator[Database]:
    """A server that may be hurt."""
    with PostgreSQL(template) as running:
        yield Database(running, running.database)


async def deliver(sink: PostgresqlSink, *readings: Archived, kept: Kept | None = None) -> Kept:
    kept = kept or Kept()
    async with asyncio.timeout(DEADLINE_S), sink.connect() as delivery:
        await delivery.deliver(readings, kept)
    return kept


async def enter(sink: PostgresqlSink) -> None:
    await deliver(sink)


async def until(condition: Callable[[], bool]) -> None:
    """Ask in a thread, so that the loop goes on."""
    async with asyncio.timeout(DEADLINE_S):
        while not await asyncio.to_thread(condition):
            await asyncio.sleep(0.01)


def sleeping(database: Database) -> bool:
    return database.query("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'") == [("1",)]


def batch() -> list[Archived]:
    return [register(seq, f"{seq}.000") for seq in range(1, 1001)]


@contextmanager
def asleep(database: Database) -> Iterator[None]:
    """A schema in whose table a batch goes to sleep."""
    asyncio.run(enter(database.sink()))
    database.query(SLEEPER)
    yield
    assert_no_threads("sink pg")


# ----------------------------------------------------------------------------------------------------- the contents


def test_values_arrive_with_every_digit_and_what_is_missing_is_null(database: Database) -> None:
    ratio = Ratio(ct="200/5", vt="22000/100")
    readings = [
        register(1, "0008048.375"),
        register(2, "18446744073709551615", "2.8.0", scaler=-3, ratio=ratio),
        register(3, "1", "3.8.0", scaler=-9),
        register(4, "000.000", "4.8.0"),
        register(5, "---.-", "5.8.0", status=RawStatus.MISSING, unit=""),
        register(6, "32767", "6.8.0", status=RawStatus.MISSING, flags=Flag.SENTINEL),
        register(7, "02.468", "1.6.0*05", kind=Kind.MAXIMUM, more=("1703100930", 'q"\\'), meter_time="0261121"),
        register(8, "0036486", "Ser#/1", serial=""),
        interval(9, "000.125", ratio=ratio, status=RawStatus.PROVISIONAL, flags=Flag.DST | Flag.LATE),
        msgspec.structs.replace(register(10), point=Point("27ZG600Z0424987D", "859182400000000000")),
        register(11, "99999999999999999999999999999999", "7.8.0"),
    ]
    kept = asyncio.run(deliver(database.sink(), *readings))
    assert kept == Kept([reading.seq for reading in readings], [])

    found = database.query(
        "SELECT obis, obis_raw, value, primary_value, raw, status FROM gatewayd.reading ORDER BY seq"
    )
    assert found[:10] == [
        ("1-0:1.8.0*255", "1.8.0", "8048.375", "8048.375", "0008048.375", "0"),
        ("1-0:2.8.0*255", "2.8.0", "18446744073709551.615", PRIMARY, "18446744073709551615", "0"),
        ("1-0:3.8.0*255", "3.8.0", "0.000000001", "0.000000001", "1", "0"),
        ("1-0:4.8.0*255", "4.8.0", "0.000", "0.000", "000.000", "0"),
        ("1-0:5.8.0*255", "5.8.0", NULL, NULL, "---.-", "4"),
        ("1-0:6.8.0*255", "6.8.0", NULL, NULL, "32767", "4"),
        ("1-0:1.6.0*5", "1.6.0*05", "2.468", "2.468", "02.468", "0"),
        ("Ser#/1", NULL, "36486", "36486", "0036486", "0"),
        ("1-0:1.29.0*255", "1.29.0", "0.125", "1100.000", "000.125", "2"),
        ("1-0:1.8.0*255", "1.8.0", "8048.375", "8048.375", "0008048.375", "0"),
    ]
    assert found[10][2] == "99999999999999999999999999999999"
    assert database.query(
        "SELECT gateway, at, received_at, meter, serial, eic, ean, kind, unit, interval_s, flags, ratio_id, "
        "more, meter_time FROM gatewayd.reading WHERE seq IN (7, 8, 9, 10) ORDER BY seq"
    ) == [
        (
            *("gw-1", "2026-11-21 20:00:07+00", "2026-11-21 20:00:08+00", "em-1001", "35031234", NULL, NULL),
            *("maximum", "kWh", NULL, "0", "3", r'["1703100930","q\"\\"]', "0261121"),
        ),
        (
            *("gw-1", "2026-11-21 20:00:08+00", "2026-11-21 20:00:09+00", "em-1001", NULL, NULL, NULL),
            *("register", "kWh", NULL, "0", "3", NULL, NULL),
        ),
        (
            *("gw-1", "2026-11-21 20:00:09+00", "2026-11-21 20:00:10+00", "em-1001", "35031234", NULL, NULL),
            *("interval", "kWh", "900", str((1 << 4) | (1 << 11)), "3", NULL, NULL),
        ),
        (
            *("gw-1", "2026-11-21 20:00:10+00", "2026-11-21 20:00:11+00", "em-1001", "35031234"),
            *("27ZG600Z0424987D", "859182400000000000", "register", "kWh", NULL, "0", "3", NULL, NULL),
        ),
    ]
    assert database.query("SELECT more::jsonb ->> 1 FROM gatewayd.reading WHERE seq = 7") == [('q"\\',)]


def test_texts_that_copy_could_misunderstand(database: Database) -> None:
    texts = [
        "a\tb",
        "a\\b",
        "a\nb",
        "a\r\nb",
        "\\.",
        "\\N",
        "\\",
        "'",
        "a\0b",
        "Ω °C ž 🙂",
        "\x01\x7f\x85",
        " x ",
        "\\x41",
    ]
    readings = [register(seq, meter=text, unit=text, more=(text,)) for seq, text in enumerate(texts, 1)]
    replace = msgspec.structs.replace
    spoken = [replace(one, reading=replace(one.reading, raw_text=one.reading.meter)) for one in readings]
    asyncio.run(deliver(database.sink(), *spoken))
    expected = [text.replace("\0", "␀") for text in texts]
    found = database.query("SELECT raw, meter, unit, more::jsonb ->> 0 FROM gatewayd.reading ORDER BY seq")
    assert found == [(text,) * 4 for text in expected]


def test_instants_are_kept_to_the_microsecond_and_from_year_1_to_9999(database: Database) -> None:
    instants = [
        datetime(2026, 10, 25, 0, 30, tzinfo=UTC),
        datetime(2026, 10, 25, 1, 30, tzinfo=UTC),  # the same legal time in Prague an hour later
        datetime(2026, 3, 29, 1, 0, 0, 1, tzinfo=UTC),
        datetime(1, 1, 1, tzinfo=UTC),
        datetime(9999, 12, 31, 23, 59, 58, 999999, tzinfo=UTC),
    ]
    asyncio.run(deliver(database.sink(), *(register(seq, at=at) for seq, at in enumerate(instants, 1))))
    epochs = database.query("SELECT extract(epoch FROM at) FROM gatewayd.reading ORDER BY seq")
    microseconds = [(at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) for at in instants]
    assert [Decimal(epoch) * 1_000_000 for (epoch,) in epochs] == microseconds


def test_ratios_are_stored_at_first_sight_and_never_change(database: Database) -> None:
    first = Ratio("200/5", "22000/100", Decimal("1.50"), ValueSide.PRIMARY, date(2026, 1, 2))
    replace = msgspec.structs.replace

    async def scenario() -> None:
        kept = Kept()
        async with database.sink().connect() as delivery:
            await delivery.deliver([replace(register(1, ratio=first), ratio_id=1)], kept)
            await delivery.deliver([replace(register(2), ratio_id=2), replace(register(3), ratio_id=1)], kept)
        await deliver(database.sink(), replace(register(4), ratio_id=1))
        await deliver(database.sink(gateway="gw-2"), replace(register(4), ratio_id=1))

    asyncio.run(scenario())
    assert database.query("SELECT * FROM gatewayd.ratio ORDER BY gateway, id") == [
        ("gw-1", "1", "200/5", "22000/100", "1.50", "primary", "2026-01-02"),
        ("gw-1", "2", NULL, NULL, "1", "secondary", "1970-01-01"),
        ("gw-2", "1", NULL, NULL, "1", "secondary", "1970-01-01"),
    ]


def test_the_latest_readings(database: Database) -> None:
    readings = [
        register(1, "1", at=START),
        register(2, "3", at=START + timedelta(hours=2)),
        register(3, "2", at=START + timedelta(hours=1)),  # came late
        register(4, "4", meter="em-2", at=START),
        register(5, "5", kind=Kind.MAXIMUM, at=START),
        register(6, "6", meter="em-2", at=START),  # supersedes number 4
    ]
    asyncio.run(deliver(database.sink(), *readings))
    asyncio.run(deliver(database.sink(gateway="gw-2"), register(1, "7", at=START)))
    assert database.query("SELECT gateway, meter, kind, value FROM gatewayd.latest ORDER BY value") == [
        ("gw-1", "em-1001", "register", "3"),
        ("gw-1", "em-1001", "maximum", "5"),
        ("gw-1", "em-2", "register", "6"),
        ("gw-2", "em-1001", "register", "7"),
    ]


# --------------------------------------------------------------------------------------------------------- replays


def test_a_replay_changes_nothing(database: Database) -> None:
    readings = [interval(seq, f"{seq:07d}", scaler=-3) for seq in range(1, 3001)]

    async def scenario() -> None:
        kept = Kept()
        async with database.sink().connect() as delivery:
            await delivery.deliver(readings[:1500], kept)
            await delivery.deliver(readings[1000:], kept)
            await delivery.again(readings[:10], "replay-1", kept)
        assert len(kept.done_seqs) == 1500 + 2000 + 10
        # The same numbers with other contents: what is there stays.
        other = [interval(seq, "9", scaler=-3) for seq in range(1, 3001)]
        assert len((await deliver(database.sink(), *other)).done_seqs) == 3000

    asyncio.run(scenario())
    assert database.query("SELECT count(*), sum(value), min(value), max(raw) FROM gatewayd.reading") == [
        ("3000", "4501.500", "0.001", "0003000")
    ]


def test_two_gateways_may_count_alike(database: Database) -> None:
    asyncio.run(deliver(database.sink(gateway="gw-1"), register(1, "1")))
    asyncio.run(deliver(database.sink(gateway="o'g\\w"), register(1, "2")))
    assert database.query("SELECT gateway, value FROM gatewayd.reading ORDER BY value") == [
        ("gw-1", "1"),
        ("o'g\\w", "2"),
    ]


# --------------------------------------------------------------------------------------------------------- refusals


def test_a_reading_that_postgresql_refuses_is_set_aside_and_the_rest_is_stored(database: Database) -> None:
    readings = [register(seq) for seq in range(1, 1001)]
    readings[299] = register(300, "1", scaler=200_000)  # NUMERIC ends at 131072 digits before the point
    readings[700] = register(701, "1", scaler=-20_000)  # and at 16383 behind it
    readings[701] = register(702, "1", scaler=10**9)  # is not even written
    kept = asyncio.run(deliver(database.sink(), *readings))
    assert kept.refused == [
        (300, "PostgreSQL refuses it: value overflows numeric format (SQLSTATE 22003)"),
        (701, "PostgreSQL refuses it: value overflows numeric format (SQLSTATE 22003)"),
        (702, "a scaler of 1000000000 makes no number that can be written"),
    ]
    good = [seq for seq in range(1, 1001) if seq not in (300, 701, 702)]
    assert sorted(kept.done_seqs) == good == database.seqs()


def test_a_ratio_that_is_refused_takes_its_reading_with_it_and_no_other(database: Database) -> None:
    bad = msgspec.structs.replace(register(2), ratio_id=1 << 40)  # beyond integer
    kept = asyncio.run(deliver(database.sink(), register(1), bad, register(3)))
    assert kept.done_seqs == [1, 3] == database.seqs()
    assert [seq for seq, _ in kept.refused] == [2]


def test_a_database_that_refuses_everything_is_a_fault_of_its_own(database: Database) -> None:
    asyncio.run(enter(database.sink()))
    database.query("ALTER TABLE gatewayd.reading ADD CHECK (meter = 'nobody')")
    kept = Kept()
    with pytest.raises(SinkError, match=r"^database 127\.0\.0\.1:\d+ refuses everything .*violates check constraint"):
        asyncio.run(deliver(database.sink(), *batch()[:100], kept=kept))
    assert kept == Kept()


# ----------------------------------------------------------------------------------------------------------- faults


def test_killed_in_the_middle_of_a_batch_and_brought_back(fragile: Database) -> None:
    kept = Kept()

    async def scenario() -> None:
        sink = fragile.sink()
        async with asyncio.timeout(DEADLINE_S), sink.connect() as delivery:
            await delivery.deliver(batch()[:100], kept)
            delivering = asyncio.create_task(delivery.deliver(batch()[100:], kept))
            await until(lambda: sleeping(fragile))
            fragile.server.kill()
            with pytest.raises(SinkError, match=rf"^database 127\.0\.0\.1:{fragile.server.port} broke the connection$"):
                await delivering
        with pytest.raises(SinkError, match="refuses the connection; is it running"):
            await enter(sink)
        fragile.server.start()
        fragile.query(AWAKE)
        assert fragile.seqs() == list(range(1, 101)) == kept.done_seqs
        await deliver(sink, *batch()[50:], kept=kept)

    with asleep(fragile):
        asyncio.run(scenario())
    assert fragile.seqs() == list(range(1, 1001))
    assert set(kept.done_seqs) == set(fragile.seqs())


def test_shut_down_in_the_middle_of_a_batch(fragile: Database) -> None:
    async def scenario() -> None:
        async with asyncio.timeout(DEADLINE_S), fragile.sink().connect() as delivery:
            delivering = asyncio.create_task(delivery.deliver(batch(), Kept()))
            await until(lambda: sleeping(fragile))
            await asyncio.to_thread(fragile.server.terminate)
            with pytest.raises(SinkError, match=r"was shut down or ended the connection; is it being restarted\?$"):
                await delivering

    with asleep(fragile):
        asyncio.run(scenario())


def test_a_server_that_falls_silent(fragile: Database) -> None:
    async def scenario() -> float:
        async with asyncio.timeout(DEADLINE_S):
            async with fragile.sink(timeout_s=1).connect() as delivery:
                await delivery.deliver(batch(), Kept())
                fragile.server.stop()
                started = time.monotonic()
                with pytest.raises(SinkError, match="did not answer within 1 s; is it overloaded, stopped or behind"):
                    await delivery.deliver([register(2000)], Kept())
            took = time.monotonic() - started
            with pytest.raises(SinkError, match="did not answer within 1 s; is it overloaded, stopped or behind"):
                await enter(fragile.sink(timeout_s=1))
        fragile.server.cont()
        return took

    asyncio.run(enter(fragile.sink()))
    assert 0.9 < asyncio.run(scenario()) < 1 + FAREWELL_S
    assert_no_threads("sink pg")


def test_a_statement_that_takes_too_long_is_ended_by_the_server(database: Database) -> None:
    with asleep(database):
        expected = "did not finish a statement within 1 s; is it overloaded, stopped or behind"
        with pytest.raises(SinkError, match=expected):
            asyncio.run(deliver(database.sink(timeout_s=1), *batch()))
    assert database.seqs() == []


def test_a_connection_that_breaks_while_idle_is_found_at_the_next_delivery(database: Database) -> None:
    async def scenario() -> None:
        async with database.sink().connect() as delivery:
            await delivery.deliver([register(1)], Kept())
            ended = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = 'gatewayd'"
            assert database.query(f"{ended} AND datname = current_database()") == [("t",)]
            with pytest.raises(SinkError, match=r"(was shut down or ended|broke) the connection"):
                await delivery.deliver([register(2)], Kept())

    asyncio.run(scenario())
    assert database.seqs() == [1]


def test_after_an_error_of_the_database_the_same_connection_still_serves(database: Database) -> None:
    async def scenario() -> None:
        kept = Kept()
        async with database.sink().connect() as delivery:
            await asyncio.to_thread(database.query, "ALTER TABLE gatewayd.reading RENAME TO away")
            with pytest.raises(SinkError, match="has other tables in schema gatewayd than gatewayd made"):
                await delivery.deliver([register(1)], kept)
            await asyncio.to_thread(database.query, "ALTER TABLE gatewayd.away RENAME TO reading")
            await delivery.deliver([register(1)], kept)
        assert kept == Kept([1])

    asyncio.run(scenario())


def test_cancelled_in_the_middle_of_a_delivery(database: Database) -> None:
    kept = Kept()

    async def scenario() -> float:
        delivering = asyncio.create_task(deliver(database.sink(timeout_s=60), *batch(), kept=kept))
        await until(lambda: sleeping(database))
        started = time.monotonic()
        delivering.cancel()
        with pytest.raises(asyncio.CancelledError):
            await delivering
        return time.monotonic() - started

    with asleep(database):
        assert asyncio.run(scenario()) < FAREWELL_S
    assert kept == Kept() and database.seqs() == []


def test_what_the_body_raises_passes_through_and_nothing_stays_open(database: Database) -> None:
    async def scenario() -> None:
        with pytest.raises(ZeroDivisionError):
            async with database.sink().connect():
                raise ZeroDivisionError

    asyncio.run(scenario())
    connections = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    asyncio.run(until(lambda: database.query(connections) == [("0",)]))


def test_a_batch_is_on_the_disk_when_it_is_done_whatever_the_role_has(database: Database) -> None:
    role = f"hasty_{database.name}"
    database.query(f"CREATE ROLE {role} LOGIN PASSWORD 'pa55'; GRANT CREATE ON DATABASE {database.name} TO {role}")
    database.query(f"ALTER ROLE {role} SET synchronous_commit = off; ALTER ROLE {role} SET idle_session_timeout = 50")
    settings: list[tuple[str, ...]] = []

    async def scenario() -> None:
        async with database.sink(username=role).connect() as delivery:
            await asyncio.to_thread(database.query, TELL_SETTINGS)
            await delivery.deliver([register(1)], Kept())
        settings.extend(database.query("SELECT * FROM gatewayd.told"))

    asyncio.run(scenario())
    assert settings == [("on", "0", "UTC", "27s")]


TELL_SETTINGS = """
CREATE TABLE gatewayd.told (commit text, idle text, zone text, statement text);
GRANT ALL ON gatewayd.told TO PUBLIC;
CREATE FUNCTION gatewayd.tell() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO gatewayd.told VALUES (current_setting('synchronous_commit'), current_setting('idle_session_timeout'),
                                      current_setting('TimeZone'), current_setting('statement_timeout'));
    RETURN NEW;
END $$;
CREATE TRIGGER tell BEFORE INSERT ON gatewayd.reading FOR EACH ROW EXECUTE FUNCTION gatewayd.tell();
"""


# ------------------------------------------------------------------------------------------------- who may come in


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"password_env": "GATEWAYD_TEST_WRONG"}, "does not accept user gw with this password; check username"),
        ({"username": "nobody"}, "does not accept user nobody with this password; check username"),
        ({"password_env": None}, "asks for a password of gw; give password_file, password_env or"),
        ({"database": "absent"}, "has no database absent; an administrator must run there: createdb --owner=gw absent"),
        ({"database": "forbidden"}, r"does not let user gw in; its pg_hba\.conf or the role must be changed there"),
    ],
)
def test_who_may_not_come_in(
    shared: PostgreSQL, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], words: str
) -> None:
    monkeypatch.setenv("GATEWAYD_TEST_WRONG", "secret-and-wrong")
    with pytest.raises(SinkError, match=rf"^database 127\.0\.0\.1:{shared.port} {words}") as caught:
        asyncio.run(enter(Database(shared, shared.database).sink(**options)))
    assert "secret-and-wrong" not in str(caught.value)


def test_no_password_where_none_is_asked_for(shared: PostgreSQL) -> None:
    shared.query(f"CREATE DATABASE nopassword OWNER {shared.user}", "postgres")
    asyncio.run(enter(Database(shared, "nopassword").sink(password_env=None)))


def test_too_many_connections(database: Database) -> None:
    role = f"limited_{database.name}"
    database.query(f"CREATE ROLE {role} LOGIN PASSWORD 'pa55' CONNECTION LIMIT 0")
    with pytest.raises(SinkError, match=r"has too many connections; raise max_connections there or close some$"):
        asyncio.run(enter(database.sink(username=role)))


def test_each_missing_right_is_cured_by_the_statement_that_is_told(database: Database) -> None:
    """From a role that may do nothing to one that makes its own schema."""
    role = f"guest_{database.name}"
    database.query(f"CREATE ROLE {role} LOGIN PASSWORD 'pa55'")
    database.query(f"REVOKE TEMPORARY ON DATABASE {database.name} FROM PUBLIC")
    told = cure(database, role)
    assert told == [f'GRANT CREATE, TEMPORARY ON DATABASE "{database.name}" TO "{role}"']
    assert database.seqs() == [1]


def test_a_role_without_the_right_to_make_anything_stores_into_tables_that_are_there(database: Database) -> None:
    role = f"writer_{database.name}"
    asyncio.run(enter(database.sink()))
    database.query(f"CREATE ROLE {role} LOGIN PASSWORD 'pa55'")
    database.query(f"REVOKE TEMPORARY ON DATABASE {database.name} FROM PUBLIC")
    assert cure(database, role) == [
        f'GRANT USAGE ON SCHEMA "gatewayd" TO "{role}"; '
        f'GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA "gatewayd" TO "{role}"',
        f'GRANT TEMPORARY ON DATABASE "{database.name}" TO "{role}"',
    ]
    database.query(f"REVOKE INSERT ON gatewayd.reading FROM {role}")
    with pytest.raises(
        RightMissing, match=r"permission denied for table reading\); an owner must run there: GRANT USAGE"
    ):
        asyncio.run(deliver(database.sink(username=role), register(2)))
    assert database.seqs() == [1]


def test_a_schema_that_somebody_else_has_made(database: Database) -> None:
    database.query("CREATE SCHEMA gatewayd")
    assert cure(database, "gw") == ['GRANT USAGE, CREATE ON SCHEMA "gatewayd" TO "gw"']


def cure(database: Database, role: str) -> list[str]:
    """Run what is told, as a superuser, until a reading gets in."""
    told: list[str] = []
    while len(told) < 5:
        try:
            asyncio.run(deliver(database.sink(username=role), register(1)))
        except RightMissing as missing:
            assert str(missing).endswith(missing.remedy)
            told.append(missing.remedy)
            database.query(missing.remedy)
        else:
            break
    return told


def test_a_role_that_may_only_read(database: Database) -> None:
    asyncio.run(enter(database.sink()))
    database.query(f"ALTER ROLE gw IN DATABASE {database.name} SET default_transaction_read_only = on")
    with pytest.raises(
        SinkError, match="is read-only: a standby, or default_transaction_read_only is on; host must be"
    ):
        asyncio.run(enter(database.sink()))
    found = asyncio.run(database.sink().check(36))
    assert texts(found, Level.ERROR)[0] == "default_transaction_read_only is on: nothing can be stored"


def test_a_standby(fragile: Database) -> None:
    asyncio.run(enter(fragile.sink()))
    fragile.server.demote()
    with pytest.raises(SinkError, match=r"is read-only: a standby, or .* is on; host must be the primary server$"):
        asyncio.run(enter(fragile.sink()))
    found = texts(asyncio.run(fragile.sink().check(36)), Level.ERROR)
    assert found[0] == "the server is a standby: nothing can be stored"


# -------------------------------------------------------------------------------------------------------------- TLS


def test_tls_with_the_pinned_authority(database: Database, certificates: Certificates) -> None:
    sink = database.sink(tls={"ca_file": certificates.ca})
    asyncio.run(deliver(sink, *batch()))
    assert database.seqs() == list(range(1, 1001))
    assert asyncio.run(sink.check(36))[0].text.endswith(f"database {database.name}, TLSv1.3")


def test_a_certificate_instead_of_a_password(shared: PostgreSQL, certificates: Certificates) -> None:
    shared.query(f"CREATE DATABASE certificates OWNER {shared.user}", "postgres")
    files = {"ca_file": certificates.ca, "cert_file": certificates.client, "key_file": certificates.client_key}
    database = Database(shared, "certificates")
    asyncio.run(enter(database.sink(password_env=None, tls=files)))
    with pytest.raises(SinkError, match=r"does not let user gw in; its pg_hba\.conf"):
        asyncio.run(enter(database.sink(password_env=None, tls={"ca_file": certificates.ca})))


@pytest.mark.parametrize("authority", ["other_ca", None])
def test_a_certificate_by_nobody_we_believe(
    database: Database, certificates: Certificates, authority: str | None
) -> None:
    tls = {} if authority is None else {"ca_file": getattr(certificates, authority)}
    with pytest.raises(SinkError, match=r"has a TLS certificate that is not trusted: .*; check ca_file and host$"):
        asyncio.run(enter(database.sink(tls=tls)))


def test_a_certificate_for_another_name(database: Database, certificates: Certificates) -> None:
    with pytest.raises(SinkError, match=r"has a TLS certificate that is not trusted: .*localhost.*; check ca_file"):
        asyncio.run(enter(database.sink(host="localhost", tls={"ca_file": certificates.ca})))


def test_a_server_without_tls(fragile: Database, certificates: Certificates) -> None:
    with pytest.raises(SinkError, match=r"has no TLS; set ssl = on there, or leave tls out$"):
        asyncio.run(enter(fragile.sink(tls={"ca_file": certificates.ca})))


def test_cancelled_in_tls_in_the_middle_of_a_delivery(database: Database, certificates: Certificates) -> None:
    async def scenario() -> None:
        sink = database.sink(timeout_s=60, tls={"ca_file": certificates.ca})
        delivering = asyncio.create_task(deliver(sink, *batch()))
        await until(lambda: sleeping(database))
        delivering.cancel()
        async with asyncio.timeout(FAREWELL_S):
            await asyncio.wait((delivering,))
        assert delivering.cancelled()

    with asleep(database):
        asyncio.run(scenario())
    assert database.seqs() == []


# ------------------------------------------------------------------------------------------------------- migrations


def test_a_fresh_schema_has_every_code_and_every_column_explained(database: Database) -> None:
    asyncio.run(enter(database.sink(db_schema="select")))  # a word of SQL is a good name, too
    assert database.query('SELECT number, name FROM "select".status_code ORDER BY number') == [
        (str(int(status)), status.text) for status in RawStatus
    ]
    assert database.query('SELECT 1::bigint << bit, name FROM "select".flag_code ORDER BY bit') == [
        (str(int(flag)), str(flag.name).lower()) for flag in Flag
    ]
    unexplained = """
        SELECT c.relname, a.attname FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid
        WHERE c.relnamespace = 'select'::regnamespace AND c.relkind IN ('r', 'v') AND a.attnum > 0
          AND col_description(c.oid, a.attnum) IS NULL
    """
    assert database.query(unexplained) == []


def test_migrations_are_applied_once(database: Database) -> None:
    asyncio.run(enter(database.sink()))
    before = database.query("SELECT * FROM gatewayd.migration")
    database.query("DELETE FROM gatewayd.flag_code WHERE bit = 5")  # as if made by a version that knew fewer flags
    asyncio.run(enter(database.sink()))
    assert database.query("SELECT * FROM gatewayd.migration") == before
    assert database.query("SELECT name FROM gatewayd.flag_code WHERE bit = 5") == [("partial_interval",)]


def test_flags_of_more_than_32_bits_and_what_stood_in_their_way(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A schema of the first version, with rows, a right on the view, and explanations of its columns."""
    role = f"reader_{database.name}"
    first, *_ = shipped()
    with monkeypatch.context() as patch:
        patch.setattr(migrations, "shipped", lambda: [first])
        asyncio.run(enter(database.sink()))
    database.query(
        "INSERT INTO gatewayd.reading (gateway, seq, at, received_at, meter, kind, status, flags, ratio_id) "
        "VALUES ('gw-1', 1, now(), now(), 'em-0', 'register', 0, 1073741824, 1)"
    )
    database.query(f"CREATE ROLE {role}; GRANT SELECT ON gatewayd.latest TO {role}, PUBLIC")
    flags = Flag.NOT_READ | Flag.CLOCK_DEVIATION | Flag.POWER_DOWN
    asyncio.run(deliver(database.sink(), register(2, "", flags=flags, status=RawStatus.MISSING)))
    for relation in ("reading", "latest"):
        assert database.query(f"SELECT flags FROM gatewayd.{relation} ORDER BY seq") == [
            (str(1 << 30),),
            (str(int(flags)),),
        ]
    assert database.query(
        "SELECT grantee, privilege_type FROM information_schema.role_table_grants "
        "WHERE table_name = 'latest' AND grantee <> grantor ORDER BY grantee"
    ) == [("PUBLIC", "SELECT"), (role, "SELECT")]
    assert database.query("SELECT obj_description('gatewayd.latest'::regclass) IS NOT NULL") == [("t",)]


def test_many_gateways_may_start_together(database: Database) -> None:
    database.query(f"ALTER DATABASE {database.name} SET default_transaction_isolation = 'repeatable read'")

    async def scenario() -> None:
        await asyncio.gather(*(deliver(database.sink(gateway=f"gw-{n}"), register(1)) for n in range(6)))

    asyncio.run(scenario())
    assert database.query("SELECT number FROM gatewayd.migration") == [(str(one.number),) for one in shipped()]
    assert database.query("SELECT count(*) FROM gatewayd.reading") == [("6",)]


def test_a_schema_of_a_newer_gatewayd_is_left_alone(database: Database) -> None:
    asyncio.run(enter(database.sink()))
    database.query("INSERT INTO gatewayd.migration (number) VALUES (999)")
    newest = shipped()[-1].number
    expected = (
        rf"has schema gatewayd in version 999, made by a newer gatewayd; this one knows {newest}: upgrade gatewayd$"
    )
    with pytest.raises(SinkError, match=expected):
        asyncio.run(enter(database.sink()))


def test_a_migration_that_fails_leaves_nothing_behind(database: Database) -> None:
    database.query("CREATE SCHEMA gatewayd AUTHORIZATION gw; CREATE TABLE gatewayd.ratio (x int)")
    with pytest.raises(SinkError, match=r'has other tables in schema gatewayd .*relation "ratio" already exists'):
        asyncio.run(enter(database.sink()))
    assert database.query("SELECT relname FROM pg_class WHERE relnamespace = 'gatewayd'::regnamespace") == [("ratio",)]


# ------------------------------------------------------------------------------------------------------ TimescaleDB


TIMESCALE = """
CREATE SCHEMA ts; GRANT USAGE ON SCHEMA ts TO PUBLIC;
CREATE SCHEMA timescaledb_information; GRANT USAGE ON SCHEMA timescaledb_information TO PUBLIC;
CREATE TABLE ts.call (relation text, time_column text, chunk interval, if_not_exists boolean, migrate_data boolean);
CREATE TABLE timescaledb_information.hypertables (hypertable_schema text, hypertable_name text);
CREATE TABLE timescaledb_information.jobs (proc_name text, hypertable_schema text, hypertable_name text, config jsonb);
GRANT ALL ON ALL TABLES IN SCHEMA ts TO PUBLIC; GRANT ALL ON ALL TABLES IN SCHEMA timescaledb_information TO PUBLIC;
CREATE FUNCTION ts.create_hypertable(
    relation regclass, time_column_name name, chunk_time_interval interval, if_not_exists boolean, migrate_data boolean
) RETURNS void LANGUAGE sql AS $$
    INSERT INTO ts.call SELECT relnamespace::regnamespace || '.' || relname, time_column_name, chunk_time_interval,
                               if_not_exists, migrate_data FROM pg_class WHERE oid = relation;
    INSERT INTO timescaledb_information.hypertables SELECT 'gatewayd', relname FROM pg_class WHERE oid = relation;
$$;
SET allow_system_table_mods = on;
INSERT INTO pg_extension (oid, extname, extowner, extnamespace, extrelocatable, extversion)
VALUES (99999, 'timescaledb', 10, 'ts'::regnamespace, false, '0');
"""


@pytest.fixture
def timescale(database: Database) -> Database:
    """A database in which something says that it is TimescaleDB, and writes down what it is asked to do.

    Debian has no TimescaleDB. So this shows which statement is sent, and when, and what is made of the views as their
    documentation describes them; it does not show that a real TimescaleDB likes it."""
    database.query(TIMESCALE)
    return database


def test_the_table_is_handed_over_to_timescaledb_once(timescale: Database) -> None:
    asyncio.run(deliver(timescale.sink(), register(1)))
    asyncio.run(deliver(timescale.sink(), register(2)))
    assert timescale.query("SELECT * FROM ts.call") == [
        (f"gatewayd.{table}", "at", "7 days", "t", "t") for table in ("reading", "derived")
    ]


def test_a_table_of_somebody_else_is_not_handed_over_and_check_says_so(database: Database) -> None:
    role = f"other_{database.name}"
    asyncio.run(enter(database.sink()))
    database.query(TIMESCALE)
    database.query(f"CREATE ROLE {role} LOGIN PASSWORD 'pa55'; GRANT USAGE ON SCHEMA gatewayd TO {role}")
    database.query(f"GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA gatewayd TO {role}")
    asyncio.run(deliver(database.sink(username=role), register(1)))
    assert database.query("SELECT * FROM ts.call") == []
    found = [remark for remark in asyncio.run(database.sink(username=role).check(36)) if remark.level is not Level.FINE]
    assert {remark.level for remark in found} == {Level.WARNING}
    assert [remark.text for remark in found] == [
        f"TimescaleDB is installed, and table {table} is a plain one: it does not belong to {role}"
        for table in ("reading", "derived")
    ]


@pytest.mark.parametrize(
    ("age", "months", "level"),
    [
        ("30 days", 36, Level.ERROR),
        ("35 months", 36, Level.ERROR),
        ("36 months", 36, Level.FINE),
        ("1080 days", 36, Level.ERROR),  # which PostgreSQL alone would take for 36 months
        ("10 years", 36, Level.FINE),
    ],
)
def test_a_retention_policy_of_timescaledb(timescale: Database, age: str, months: int, level: Level) -> None:
    timescale.query(
        "INSERT INTO timescaledb_information.jobs VALUES "
        f"""('policy_retention', 'gatewayd', 'reading', '{{"drop_after": "{age}"}}'), """
        f"""('policy_retention', 'gatewayd', 'derived', '{{"drop_after": "{age}"}}'), """
        """('policy_retention', 'gatewayd', 'another', '{"drop_after": "1 day"}'), """
        """('policy_compression', 'gatewayd', 'reading', '{"compress_after": "1 day"}')"""
    )
    asyncio.run(enter(timescale.sink()))
    found = asyncio.run(timescale.sink().check(months))
    for things in ("readings", "derived values"):
        assert [remark.level for remark in found if f"drops {things} after" in remark.text] == [level]
    assert any(f"after {age}" in remark.text for remark in found)


# ------------------------------------------------------------------------------------------------------------ check


def texts(found: list[Remark], level: Level) -> list[str]:
    return [remark.text for remark in found if remark.level is level]


def test_check_leaves_nothing_behind_in_a_fresh_database(database: Database) -> None:
    """A check by a newer gatewayd must not take the schema away from the older one that runs."""
    found = asyncio.run(database.sink().check(36))
    assert texts(found, Level.WARNING) == texts(found, Level.ERROR) == []
    assert f"schema gatewayd is not there yet; the sink brings it to version {shipped()[-1].number}" in texts(
        found, Level.FINE
    )
    assert "a probe reading came back with every digit, and was taken back" in texts(found, Level.FINE)
    assert database.query("SELECT count(*) FROM pg_namespace WHERE nspname = 'gatewayd'") == [("0",)]


def test_check_finds_a_sound_database_sound(database: Database) -> None:
    asyncio.run(enter(database.sink()))
    found = asyncio.run(database.sink().check(36))
    assert texts(found, Level.WARNING) == texts(found, Level.ERROR) == []
    place = f"127.0.0.1:{database.server.port}, database {database.name}"
    assert found[0].text.startswith("PostgreSQL 15.") and f" at {place}, not encrypted within this" in found[0].text
    assert texts(found, Level.FINE)[1:] == [
        "what was committed survives a power failure (fsync, full_page_writes, synchronous_commit)",
        f"schema gatewayd is in version {shipped()[-1].number}",
        "a probe reading came back with every digit, and was taken back",
        "a probe of a derived value came back with every digit, and was taken back",
        "no TimescaleDB: a plain table, which keeps everything until somebody deletes it",
    ]
    counts = "SELECT (SELECT count(*) FROM gatewayd.reading), (SELECT count(*) FROM gatewayd.ratio)"
    assert database.query(counts) == [("0", "0")]


def test_check_finds_settings_by_which_data_vanish(template: Template) -> None:
    careless = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
    with PostgreSQL(template, careless) as server:
        found = asyncio.run(Database(server, server.database).sink().check(36))
    assert [text.split(" ")[0] for text in texts(found, Level.ERROR)] == ["fsync", "full_page_writes"]
    assert [text.split(" ")[0] for text in texts(found, Level.WARNING)] == ["synchronous_commit"]
    assert all(remark.remedy for remark in found if remark.level is not Level.FINE)


def test_check_tells_which_right_is_missing(database: Database) -> None:
    role = f"reader_{database.name}"
    asyncio.run(enter(database.sink()))
    database.query(f"CREATE ROLE {role} LOGIN PASSWORD 'pa55'; GRANT USAGE ON SCHEMA gatewayd TO {role}")
    database.query(f"GRANT SELECT ON ALL TABLES IN SCHEMA gatewayd TO {role}")
    found = asyncio.run(database.sink(username=role).check(36))
    [missing] = [remark for remark in found if remark.level is Level.ERROR]
    assert "permission denied for table ratio" in missing.text
    assert missing.remedy.endswith(f'GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA "gatewayd" TO "{role}"')
    database.query(missing.remedy.removeprefix("an owner of the database must run there: "))
    assert texts(asyncio.run(database.sink(username=role).check(36)), Level.ERROR) == []


def test_check_finds_that_something_changes_readings(database: Database) -> None:
    asyncio.run(enter(database.sink()))
    database.query("""
        CREATE FUNCTION gatewayd.round() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN NEW.value := NEW.value::float8; RETURN NEW; END $$;
        CREATE TRIGGER round BEFORE INSERT ON gatewayd.reading FOR EACH ROW EXECUTE FUNCTION gatewayd.round()
    """)
    found = asyncio.run(database.sink().check(36))
    assert texts(found, Level.ERROR) == ["the probe reading did not come back as it was written"]


def test_check_finds_a_database_in_another_encoding(shared: PostgreSQL) -> None:
    shared.query(
        f"CREATE DATABASE latin1 OWNER {shared.user} ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0", "postgres"
    )
    found = asyncio.run(Database(shared, "latin1").sink().check(36))
    expected = "the database is encoded in LATIN1: readings with other characters are set aside"
    assert texts(found, Level.WARNING) == [expected]
    [refused] = texts(found, Level.ERROR)
    assert refused.startswith("PostgreSQL refuses it: character with byte sequence 0xce 0xa9")


def test_check_without_a_connection_raises(fragile: Database) -> None:
    fragile.server.kill()
    with pytest.raises(SinkError, match="refuses the connection"):
        asyncio.run(fragile.sink().check(36))


def test_the_connection_is_a_delivery(database: Database) -> None:
    async def scenario() -> None:
        async with database.sink().connect() as delivery:
            accepted: Delivery = delivery
            await accepted.deliver([], Kept())

    asyncio.run(scenario())
    assert database.seqs() == []
