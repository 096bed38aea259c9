"""Derived values in a real PostgreSQL, seen by psql: all versions, the newest, a schema of before, events, a check.

Rules: as in test_postgresql.py, whose database this uses; nothing is mocked.
"""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from gatewayd.errors import SinkError
from gatewayd.metering.values import Layer
from gatewayd.model import Archived, Flag, RawStatus
from gatewayd.sink.check import Level
from gatewayd.sink.postgresql import migrations
from gatewayd.sink.postgresql.migrations import shipped
from gatewayd.sink.postgresql.options import PostgresqlOptions
from gatewayd.sink.postgresql.points import PostgresqlPointsSink
from tests.gatewayd.sink.derived_samples import AT, derived, event
from tests.gatewayd.sink.samples import register
from tests.interop import test_postgresql as raw
from tests.interop.postgresql import NULL
from tests.interop.test_postgresql import Database, Kept, texts

# The fixtures of the neighbour: a server for the module, a database for each test.
template, certificates, shared = raw.template, raw.certificates, raw.shared
database, password = raw.database, raw.password


def points(database: Database, gateway: str = "gw-1", **options: Any) -> PostgresqlPointsSink:
    settings = {
        "host": database.server.host,
        "port": database.server.port,
        "database": database.name,
        "username": database.server.user,
        "password_env": "GATEWAYD_TEST_PASSWORD",
        **options,
    }
    return PostgresqlPointsSink("pg", PostgresqlOptions.model_validate(settings), gateway)


def deliver(sink: PostgresqlPointsSink, *readings: Archived) -> Kept:
    return asyncio.run(raw.deliver(sink, *readings))


def rows(database: Database, relation: str = "derived") -> list[tuple[str, ...]]:
    return database.query(f"SELECT seq, version, value, status FROM gatewayd.{relation} ORDER BY seq")


def versions() -> Sequence[Archived]:
    """Two quarter-hours; of the first three versions, the last of them missing."""
    return (
        derived(1, "18446744073709551.615", at=AT),
        derived(2, "0.000", at=AT + timedelta(minutes=15)),
        derived(3, "1099.500", 2, at=AT, flags=Flag.LATE, validated=True),
        derived(4, "5.500", 3, at=AT, status=RawStatus.MISSING, have=1, want=2),
    )


def test_all_versions_are_there_and_the_view_has_the_newest(database: Database) -> None:
    other = derived(1, "7", point="south")
    assert deliver(points(database), *versions()).done_seqs == [1, 2, 3, 4]
    deliver(points(database, "gw-2"), other, derived(2, "8", layer=Layer.DAY))
    assert rows(database)[:2] == [("1", "1", "18446744073709551.615", "0"), ("1", "1", "7", "0")]
    assert database.query(
        "SELECT gateway, seq, version, value, partial FROM gatewayd.derived_newest ORDER BY 1, 2"
    ) == [
        ("gw-1", "2", "1", "0.000", NULL),
        ("gw-1", "4", "3", NULL, "5.500"),
        ("gw-2", "1", "1", "7", NULL),
        ("gw-2", "2", "1", "8", NULL),
    ]
    assert database.query(
        "SELECT at, point, eic, ean, layer, obis, unit, interval_s, supersedes, flags, validated, have, want, instant, "
        "method, inputs, rules, reason, computed_at FROM gatewayd.derived WHERE seq = 3"
    ) == [
        (
            *("2026-11-21 20:45:00+00", "north", "27ZG600Z0424987D", NULL, "interval", "1-0:1.29.0*255", "kWh", "900"),
            *("2", str(int(Flag.LATE)), "t", "1", "1", NULL, "primary", "17-19,25", NULL, "em-1001 times 8800"),
            "2026-11-21 20:50:00+00",
        )
    ]


def test_what_comes_again_changes_nothing_whatever_the_order(database: Database) -> None:
    deliver(points(database), *versions())
    before = database.query("SELECT * FROM gatewayd.derived ORDER BY seq")
    newest = database.query("SELECT * FROM gatewayd.derived_newest ORDER BY seq")
    deliver(points(database), *versions()[:2])
    deliver(points(database), *reversed(versions()))
    assert database.query("SELECT * FROM gatewayd.derived ORDER BY seq") == before
    assert database.query("SELECT * FROM gatewayd.derived_newest ORDER BY seq") == newest


def test_events_have_a_table_and_what_is_unknown_is_passed_over(database: Database) -> None:
    strange = register(3)
    value = derived(4)
    century = msgspec.structs.replace(value, seq=5, reading=msgspec.structs.replace(value.reading, obis_raw="century"))
    kept = deliver(points(database), derived(1), event(2), strange, value, century)
    assert (kept.done_seqs, kept.refused) == ([1, 2, 3, 4, 5], [])
    assert [row[0] for row in rows(database)] == ["1", "4"]
    found = database.query(
        "SELECT seq, point, type, obis, state, facts::jsonb ->> 'method', facts::jsonb ->> 'text' "
        "FROM gatewayd.point_event"
    )
    assert found == [("2", "north", "substitution.used", "1-0:1.29.0*255", "found", "comparable", "2 of \t 96␀")]
    deliver(points(database), event(2))
    assert len(database.query("SELECT 1 FROM gatewayd.point_event")) == 1
    assert deliver(points(database), strange).done_seqs == [3], "alone as well"


def test_one_that_is_refused_is_set_aside_and_the_others_are_stored(database: Database) -> None:
    batch = [derived(n, at=AT + timedelta(minutes=15 * n)) for n in range(1, 101)]
    reading = batch[41].reading
    batch[41] = msgspec.structs.replace(batch[41], reading=msgspec.structs.replace(reading, more=("what",)))
    batch[77] = derived(78, "1" * 132_000, at=AT)
    kept = deliver(points(database), *batch)
    assert [seq for seq, _ in kept.refused] == [42, 78]
    assert kept.refused[0][1].startswith("it is not written as a derived value: ")
    assert len(rows(database)) == 98


def test_a_schema_of_before_with_data_becomes_this_one(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Made by a gatewayd that knew no derived values, with readings in it, and a role that may only store and read."""
    role = f"writer_{database.name}"
    before = [one for one in shipped() if one.number <= 2]
    with monkeypatch.context() as patch:
        patch.setattr(migrations, "shipped", lambda: before)
        asyncio.run(raw.deliver(database.sink(), register(1), register(2)))
    assert database.query("SELECT max(number) FROM gatewayd.migration") == [("2",)]
    assert database.query("SELECT to_regclass('gatewayd.derived') IS NULL") == [("t",)]
    readings = database.query("SELECT * FROM gatewayd.reading ORDER BY seq")
    database.query(f"CREATE ROLE {role} LOGIN PASSWORD 'pa55'; GRANT USAGE ON SCHEMA gatewayd TO {role}")
    database.query(f"GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA gatewayd TO {role}")
    with pytest.raises(SinkError, match=f'an owner must run there: GRANT .*CREATE .* TO "{role}"'):
        deliver(points(database, username=role), derived(1))
    deliver(points(database), *versions())
    assert database.query("SELECT max(number) FROM gatewayd.migration") == [(str(shipped()[-1].number),)]
    assert database.query("SELECT * FROM gatewayd.reading ORDER BY seq") == readings
    asyncio.run(raw.deliver(database.sink(), register(3)))
    assert [len(rows(database)), len(database.seqs())] == [4, 3]


def test_both_sinks_may_start_together_on_an_empty_database(database: Database) -> None:
    async def scenario() -> None:
        await asyncio.gather(
            raw.deliver(database.sink(), register(1)),
            *(raw.deliver(points(database, f"gw-{n}"), derived(1)) for n in range(4)),
        )

    asyncio.run(scenario())
    assert (len(database.seqs()), len(rows(database))) == (1, 4)


def test_check_covers_derived_values_and_leaves_nothing(database: Database) -> None:
    asyncio.run(raw.enter(database.sink()))
    found = asyncio.run(database.sink().check(36))
    assert "a probe of a derived value came back with every digit, and was taken back" in texts(found, Level.FINE)
    assert rows(database) == []
    database.query("""
        CREATE FUNCTION gatewayd.cut() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN NEW.value := round(NEW.value, 1); RETURN NEW; END $$;
        CREATE TRIGGER cut BEFORE INSERT ON gatewayd.derived FOR EACH ROW EXECUTE FUNCTION gatewayd.cut()
    """)
    [wrong] = texts(asyncio.run(database.sink().check(36)), Level.ERROR)
    assert wrong == "the probe of a derived value did not come back as it was written"


def test_the_newest_of_a_point_is_found_through_the_index(database: Database) -> None:
    start = AT - timedelta(days=30)
    many = [derived(n, at=start + timedelta(minutes=15 * n), point=f"p{n % 20}") for n in range(1, 4001)]
    deliver(points(database), *many)
    database.query("ANALYZE gatewayd.derived")
    plan = "\n".join(
        row[0]
        for row in database.query(
            "EXPLAIN SELECT * FROM gatewayd.derived_newest WHERE point = 'p7' AND layer = 'interval' "
            f"AND obis = '1-0:1.29.0*255' AND at > '{AT - timedelta(days=1)}'"
        )
    )
    assert "derived_by_series" in plan and "Seq Scan" not in plan
