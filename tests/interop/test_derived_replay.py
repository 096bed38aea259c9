"""Derived values that an operator gives a sink again: what is chosen, and that no old version comes back.

Rules: the databases and brokers are real; the archive is filled beforehand, and no gateway runs.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from gatewayd.archive import set_aside
from gatewayd.archive.records import Entry
from gatewayd.archive.selection import Chooser, Selection
from gatewayd.archive.set_aside import SetAside
from gatewayd.archive.store import Store
from gatewayd.config import Config
from gatewayd.daemon.build import load_config
from gatewayd.daemon.derived import derived_folder
from gatewayd.daemon.derived_replay import Newest, replay_derived
from gatewayd.daemon.replay import Replayed
from gatewayd.model import DIRECT, Archived
from tests.gatewayd.archive.samples import exchange, opened
from tests.gatewayd.sink.derived_samples import derived, event
from tests.interop.influxdb1 import InfluxDB1
from tests.interop.mosquitto import Mosquitto, Subscriber
from tests.interop.test_mosquitto import parsed
from tests.interop.victoria_metrics import VictoriaMetrics

AT = (datetime.now(UTC) - timedelta(hours=3)).replace(minute=0, second=0, microsecond=0)
HISTORY = [
    derived(1, "1.5", at=AT),
    derived(2, "2.5", at=AT + timedelta(minutes=15)),
    event(3),
    derived(4, "3.5", at=AT, point="south"),
    derived(5, "0.5", 2, at=AT),
    derived(6, "0.25", 3, at=AT),
]


def write(store: Store, *values: Archived) -> None:
    for one in values:
        store.submit(Entry(exchange(meter=one.reading.meter), (one.reading,), (DIRECT,)))
    asyncio.run(store.flush())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    archive = tmp_path / "archive"
    with opened(derived_folder(archive)) as store:
        write(store, *HISTORY)
        assert store.head == len(HISTORY)
    return archive


def config(folder: Path, sink: str) -> Config:
    path = folder.parent / "gatewayd.yaml"
    path.write_text(
        f"gateway: {{id: gw-1, clock: trusted}}\narchive: {{path: {folder}}}\n"
        "lines: {a: {type: tcp, host: 127.0.0.1, port: 9}}\n"
        'meters: [{id: em-1, driver: iec62056_21, line: a, jobs: [{profile: P.01, at: "03:00"}]}]\n'
        f"points: [{{id: north, meter: em-1}}]\nsinks: [{{id: s, {sink}}}]\n",
        encoding="utf-8",
    )
    return load_config(path)


EVERYTHING = Selection()


def replayed(found: Config, wanted: Selection = EVERYTHING) -> Replayed:
    return asyncio.run(replay_derived(found, found.sinks[0], wanted, lambda _: None))


@pytest.fixture
def influx(tmp_path: Path) -> Iterator[InfluxDB1]:
    with InfluxDB1(tmp_path / "influx") as server:
        server.execute("CREATE DATABASE d")
        yield server


def stored(influx: InfluxDB1) -> dict[tuple[str, int], tuple[str, int]]:
    """Value and version, by point and minutes after AT."""
    rows = influx.execute("SELECT point, value, version FROM reading_points", "d")
    start = int(AT.timestamp()) * 10**9
    return {
        (row["point"], (int(row["time"]) - start) // 60_000_000_000): (str(row["value"]), int(row["version"]))
        for row in rows
    }


def test_an_old_number_brings_no_old_value_back_where_versions_overwrite_each_other(
    folder: Path, influx: InfluxDB1
) -> None:
    found = config(folder, f"type: line_protocol, dialect: influx1, url: '{influx.url}', database: d")
    newest = {("north", 0): ("0.25", 3), ("north", 15): ("2.5", 1), ("south", 0): ("3.5", 1)}
    assert replayed(found).count == 4, "three values, and an event that is passed over"
    assert stored(influx) == newest
    assert replayed(found, Selection(first=1, last=5)).count == 3
    assert stored(influx) == newest
    influx.execute("DROP MEASUREMENT reading_points", "d")
    assert replayed(found, Selection(meter="north", first=2)).count == 3
    assert stored(influx) == {key: value for key, value in newest.items() if key[0] == "north"}


def test_what_became_newer_meanwhile_is_given_once_more(folder: Path) -> None:
    place = derived_folder(folder)
    with opened(place) as store:
        newest = Newest(Chooser(place))
        given = newest.among(HISTORY)
        assert [one.seq for one in given] == [2, 3, 4, 6]
        assert newest.since(given) == []
        write(store, derived(7, "9.5", 2, at=AT, point="south"))
        assert [one.seq for one in newest.since(given)] == [7]
        assert newest.since(newest.since(given)) == []


def test_all_versions_go_where_each_is_kept(folder: Path, tmp_path: Path) -> None:
    with VictoriaMetrics(tmp_path / "vm") as server:
        found = config(folder, f"type: line_protocol, dialect: victoriametrics, url: '{server.url}'")
        assert replayed(found).count == 6
        assert server.count('{__name__="reading_points_value"}') == 5
    with Mosquitto(tmp_path) as broker, Subscriber(broker, "gatewayd/gw-1/points/#", qos=1, contract=False) as seen:
        found = config(folder, f"type: mqtt, host: 127.0.0.1, port: {broker.port}")
        until = Selection(meter="north", begin=AT - timedelta(hours=1), end=AT)
        assert replayed(found, replace(until, obis_raw="interval")).count == 3
        messages = seen.wait_for(lambda got: sum(len(parsed(one).get("values", ())) for one in got) >= 3)
        assert [value["version"] for one in messages for value in parsed(one)["values"]] == [1, 2, 3]
        assert {parsed(one)["replay"] for one in messages} == {"operator"}
        assert not any(one.retained for one in messages)


def test_what_was_set_aside_and_is_taken_now_is_not_set_aside_any_more(folder: Path, influx: InfluxDB1) -> None:
    place = derived_folder(folder)
    with opened(place) as store:
        bad = derived(7, "1", at=AT, point="bad")
        write(store, msgspec.structs.replace(bad, reading=msgspec.structs.replace(bad.reading, more=("x",))))

        async def note() -> None:
            for first, last in ((2, 2), (4, 5), (7, 7)):
                await store.set_aside(SetAside("s", first, last, "why"))

        asyncio.run(note())
    found = config(folder, f"type: line_protocol, dialect: influx1, url: '{influx.url}', database: d")
    assert replayed(found, Selection(first=5)).refused[0][0] == 7
    assert [(one.first, one.last) for one in set_aside.listed(place)] == [(2, 2), (4, 5), (7, 7)]
    replayed(found)
    assert [(one.first, one.last) for one in set_aside.listed(place)] == [(7, 7)]
