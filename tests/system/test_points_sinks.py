"""Derived values on their way to a database and a broker, as an operator has it: kills, faults, late readings, replay.

Rules: as in test_metering.py: the raw archive is filled as meters would have filled it, everything else are processes;
what arrived is counted by psql and an independent subscriber.
"""

import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from gatewayd.archive.follow import Follower
from gatewayd.archive.set_aside import counts
from gatewayd.daemon.derived import derived_folder
from gatewayd.legal_time import PRAGUE, day_bounds, days, interval_ends
from gatewayd.model import Archived, Kind
from gatewayd.sink.payload import rfc3339
from tests.gatewayd.metering_world import day_of, quarter
from tests.interop.mosquitto import Mosquitto, Subscriber
from tests.interop.postgresql import PostgreSQL
from tests.system.rig import Site, eventually
from tests.system.test_metering import LINES, METERS, derived_head, fill

TODAY = datetime.now(UTC).astimezone(PRAGUE).date()
SPAN = list(days(TODAY - timedelta(days=10), TODAY - timedelta(days=3)))
"""Old enough to be settled, and nothing is missing behind it for as long as a test lasts."""
QUARTERS = sum(len(interval_ends(day)) for day in SPAN)
VALUES = 3 * (QUARTERS + len(SPAN))
"""Of each point: quarter-hours and days. Those of months depend on today's date."""
POINTS = """points:
  - {id: north, meter: em-1, eic: 27ZG600Z0424987D}
  - {id: south, meter: em-2}
  - {id: total, sum: {north: 1, south: -1}}
"""
BROKEN = """
CREATE FUNCTION gatewayd.broken() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not now'; END $$;
CREATE TRIGGER broken BEFORE INSERT ON gatewayd.TABLE FOR EACH ROW EXECUTE FUNCTION gatewayd.broken()
"""


@pytest.fixture
def postgres() -> Iterator[PostgreSQL]:
    with PostgreSQL() as server:
        yield server


def site_of(folder: Path, postgres: PostgreSQL, broker: Mosquitto, more: str = "") -> Site:
    (folder / "password").write_text(postgres.password)
    site = Site(folder)
    site.configure(
        LINES,
        METERS,
        f"  - {{id: m, type: mqtt, host: 127.0.0.1, port: {broker.port}}}\n"
        f"  - {{id: pg, type: postgresql, host: 127.0.0.1, port: {postgres.port}, database: {postgres.database}, "
        f"username: {postgres.user}, password_file: {folder / 'password'}, batch: 50, linger_s: 0{more}}}\n",
    )
    before = site.config.read_text(encoding="utf-8")
    site.config.write_text(f"{POINTS}policies: {{C: {{evaluation: 15m}}}}\n{before}", encoding="utf-8")
    return site


def bring(site: Site) -> None:
    fill(site, (day_of(meter, day, amount) for meter, amount in (("em-1", "0.250"), ("em-2", "0.100")) for day in SPAN))


def derived(site: Site) -> list[Archived]:
    return Follower(derived_folder(site.archive)).after(0, 1_000_000)


def arrived(subscriber: Subscriber) -> Counter[int]:
    """How often each number has come."""
    documents = [json.loads(message.payload) for message in subscriber.received]
    return Counter(one["seq"] for document in documents for one in document.get("values", ()))


def stored(postgres: PostgreSQL) -> list[int]:
    """The numbers in the tables of derived values and events; none before there are tables."""
    if postgres.query("SELECT to_regclass('gatewayd.derived') IS NULL") == [("t",)]:
        return []
    sql = "SELECT seq FROM gatewayd.derived UNION ALL SELECT seq FROM gatewayd.point_event ORDER BY seq"
    return [int(seq) for (seq,) in postgres.query(sql)]


def second(postgres: PostgreSQL) -> int:
    """How many values have a second version."""
    return int(postgres.query("SELECT count(*) FROM gatewayd.derived WHERE version = 2")[0][0])


def everything(site: Site) -> list[int]:
    return [one.seq for one in derived(site)]


@pytest.mark.timeout(240)
def test_killed_in_the_middle_there_is_no_hole_and_no_version_twice(tmp_path: Path, postgres: PostgreSQL) -> None:
    with Mosquitto(tmp_path) as broker, Subscriber(broker, "gatewayd/gw-test/points/#", qos=1) as subscriber:
        site = site_of(tmp_path, postgres, broker)
        bring(site)
        for least in (1, VALUES // 3, VALUES * 2 // 3):
            with site.daemon() as daemon:
                eventually(lambda least=least: len(stored(postgres)) >= least, "it is stored", 60)  # type: ignore[misc]
                daemon.kill()
            assert stored(postgres) == everything(site)[: len(stored(postgres))], "no hole, whenever it is killed"
        late = interval_ends(SPAN[6])[30]
        fill(site, [[quarter("em-1", late, "0.260")]])
        with site.daemon() as daemon:
            eventually(lambda: second(postgres) >= 4, "two quarter-hours and two days are computed again", 60)
            eventually(lambda: stored(postgres) == everything(site), "PostgreSQL has everything", 60)
            eventually(lambda: set(arrived(subscriber)) >= set(everything(site)), "the broker has had everything", 60)
            assert daemon.terminate() == 0, daemon.messages
    numbers = everything(site)
    assert numbers == list(range(1, len(numbers) + 1))
    assert stored(postgres) == numbers
    values = [one for one in derived(site) if one.reading.kind is not Kind.EVENT]
    twice = postgres.query(
        "SELECT 1 FROM gatewayd.derived GROUP BY gateway, point, layer, obis, at, version HAVING count(*) > 1"
    )
    assert twice == []
    assert postgres.query("SELECT count(*) FROM gatewayd.derived") == [(str(len(values)),)]
    keys = {(one.reading.meter, one.reading.obis_raw, one.reading.code, one.reading.at) for one in values}
    assert len(values) >= VALUES + 4 and len(keys) < len(values)
    assert postgres.query("SELECT count(*) FROM gatewayd.derived_newest") == [(str(len(keys)),)]
    place = f"point = 'north' AND layer = 'interval' AND at = '{late.isoformat()}'"
    assert postgres.query(f"SELECT version, value FROM gatewayd.derived WHERE {place} ORDER BY version") == [
        ("1", "0.250"),
        ("2", "0.260"),
    ]
    assert postgres.query(f"SELECT version, value FROM gatewayd.derived_newest WHERE {place}") == [("2", "0.260")]
    assert postgres.query(
        "SELECT value FROM gatewayd.derived_newest WHERE point = 'total' AND layer = 'day' AND version = 2"
    ) == [(str(len(interval_ends(SPAN[6])) * Decimal("0.150") + Decimal("0.010")),)]
    inputs = postgres.query(f"SELECT inputs, eic FROM gatewayd.derived WHERE {place} AND version = 1")
    assert inputs == [(inputs[0][0], "27ZG600Z0424987D")] and inputs[0][0].isdigit()


@pytest.mark.timeout(240)
def test_a_fault_of_one_outbox_stops_no_other(tmp_path: Path, postgres: PostgreSQL) -> None:
    """The table of readings takes nothing, then that of derived values; the other one fills up all the same."""
    with Mosquitto(tmp_path) as broker, Subscriber(broker, "gatewayd/gw-test/points/#", qos=1) as subscriber:
        site = site_of(tmp_path, postgres, broker)
        with site.daemon() as daemon:
            eventually(
                lambda: postgres.query("SELECT to_regclass('gatewayd.derived') IS NULL") == [("f",)], "tables", 30
            )
            daemon.kill()
        postgres.query(BROKEN.replace("TABLE", "reading"))
        bring(site)
        with site.daemon() as daemon:
            eventually(lambda: derived_head(site) >= VALUES, "it computes", 60)
            eventually(lambda: stored(postgres) == everything(site), "derived values are stored", 60)
            assert postgres.query("SELECT count(*) FROM gatewayd.reading") == [("0",)]
            eventually(lambda: "sink pg: broken" in daemon.messages and "not now" in daemon.messages, "it is told")
            daemon.kill()
        postgres.query("DROP TRIGGER broken ON gatewayd.reading; DROP FUNCTION gatewayd.broken()")
        postgres.query(BROKEN.replace("TABLE", "derived"))
        late = interval_ends(SPAN[0])[0]
        fill(site, [[quarter("em-2", late, "0.300")]])
        with site.daemon() as daemon:
            raw = 2 * QUARTERS + 1
            eventually(lambda: postgres.query("SELECT count(*) FROM gatewayd.reading") == [(str(raw),)], "readings", 60)
            before = len(stored(postgres))
            eventually(lambda: derived_head(site) >= before + 4, "computed again", 60)
            eventually(lambda: set(arrived(subscriber)) >= set(everything(site)), "the broker has everything", 60)
            assert len(stored(postgres)) == before
            postgres.query("DROP TRIGGER broken ON gatewayd.derived")
            daemon.kill()
        with site.daemon() as daemon:
            eventually(lambda: stored(postgres) == everything(site), "what waited is stored", 60)
            assert daemon.terminate() == 0, daemon.messages
        assert counts(derived_folder(site.archive)) == {}, "nothing was set aside for a fault"


@pytest.mark.timeout(240)
def test_a_sink_can_be_left_out_and_given_derived_values_again(tmp_path: Path, postgres: PostgreSQL) -> None:
    with Mosquitto(tmp_path) as broker:
        site = site_of(tmp_path, postgres, broker, ", derived: false")
        bring(site)
        with site.daemon() as daemon:
            eventually(lambda: derived_head(site) >= VALUES, "it computes", 60)
            raw = str(2 * QUARTERS)
            eventually(lambda: postgres.query("SELECT to_regclass('gatewayd.reading')") != [("\\N",)], "tables", 30)
            eventually(lambda: postgres.query("SELECT count(*) FROM gatewayd.reading") == [(raw,)], "readings", 60)
            assert stored(postgres) == []
            day, count = SPAN[1].isoformat(), len(interval_ends(SPAN[1]))
            done = site.run("sink", "replay", "pg", "--point", "north", "--since", day, "--until", day)
            assert (done.returncode, done.stdout) == (0, f"pg: {count + 1} derived values delivered again\n"), (
                done.stderr
            )
            assert postgres.query("SELECT point, layer, count(*) FROM gatewayd.derived GROUP BY 1, 2 ORDER BY 2") == [
                ("north", "day", "1"),
                ("north", "interval", str(count)),
            ]
            found = site.json("sink", "replay", "pg", "--derived", "--from", "1")
            assert (found["values"], found["derived"], found["refused"]) == (len(everything(site)), True, [])
            assert stored(postgres) == everything(site)
            notes = site.json("archive", "audit", "--category", "operator")["audit"]
            head, start = len(everything(site)), rfc3339(day_bounds(SPAN[1])[0])
            assert notes[0]["detail"].startswith(f"derived values 1 to {head}, point north, after {start}")
            assert notes[1]["detail"] == f"derived values 1 to {head}: {head} delivered again"
            assert daemon.terminate() == 0, daemon.messages
        for wrong, said in (
            (("--derived",), "derived values need a limit: --from, --point or --since"),
            (("--layer", "day"), "derived values need a limit"),
            (("--derived", "--from", "999999999"), "is behind the end of the archive of derived values"),
            (("--point", "north", "--since", "the day before"), "'the day before' is no time"),
            ((), "Missing option '--from'"),
        ):
            done = site.run("sink", "replay", "pg", *wrong)
            assert done.returncode == 2 and said in done.stderr, done.stderr
        assert site.run("sink", "set-aside", "--derived").stdout == "nothing was set aside\n"
