"""Derived values in real time-series databases: what becomes of a second version, and how the newest is asked for.

Rules: VictoriaMetrics and InfluxDB 1 are real, and asked with the queries of docs/sinks.md; QuestDB and InfluxDB 2 are
not in Debian: what is sent to them is looked at, and what they would say is scripted.
"""

import asyncio
import json
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gatewayd.metering.values import Layer
from gatewayd.model import Archived, RawStatus
from gatewayd.sink.check import Level
from gatewayd.sink.line_protocol.options import LineProtocolOptions
from gatewayd.sink.line_protocol.points import LinePointsSink
from gatewayd.sink.line_protocol.sink import LineProtocolSink
from tests.gatewayd.sink.derived_samples import derived, event
from tests.gatewayd.sink.samples import register
from tests.interop.http_server import HttpServer, Reply, Request
from tests.interop.influxdb1 import InfluxDB1
from tests.interop.test_line_protocol import Book, clock, texts
from tests.interop.victoria_metrics import VictoriaMetrics

NOW = datetime.now(UTC)
QUARTER = (NOW - timedelta(hours=3)).replace(minute=45, second=0, microsecond=0)
GUIDE = (Path(__file__).resolve().parents[2] / "docs" / "sinks.md").read_text(encoding="utf-8")


def points(url: str, dialect: str, **options: Any) -> LinePointsSink:
    settings = LineProtocolOptions.model_validate({"dialect": dialect, "url": url, **options})
    return LinePointsSink("tsdb", settings, "gw-1", clock)


def deliver(to: LinePointsSink, readings: Sequence[Archived]) -> Book:
    book = Book()

    async def run() -> None:
        async with to.connect() as delivery:
            await delivery.deliver(readings, book)

    asyncio.run(run())
    return book


def history() -> list[Archived]:
    """Four quarter-hours of `north`: one version; a smaller second one; a larger one; a second one that is missing."""
    at = [QUARTER + timedelta(minutes=15 * n) for n in range(4)]
    return [
        *(derived(n + 1, amount, at=at[n]) for n, amount in enumerate(("1.125", "10.000", "3.000", "4.000"))),
        derived(5, "9.500", 2, at=at[1]),
        derived(6, "30.000", 2, at=at[2]),
        derived(7, "2.000", 2, at=at[3], status=RawStatus.MISSING, have=1, want=2),
        derived(8, "99.000", at=at[1], layer=Layer.EVALUATION),
    ]


NEWEST = {QUARTER: "1.125", QUARTER + timedelta(minutes=15): "9.500", QUARTER + timedelta(minutes=30): "30.000"}


def queries(language: str) -> list[str]:
    """The queries of the guide in a language, one for each block."""
    return [block.strip() for block in re.findall(rf"```{language}\n(.*?)```", GUIDE, re.DOTALL)]


@pytest.fixture(scope="module")
def vm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VictoriaMetrics]:
    flags = ("-retentionPeriod=60", "-dedup.minScrapeInterval=1ms")
    with VictoriaMetrics(tmp_path_factory.mktemp("vm"), *flags) as server:
        yield server


@pytest.fixture(scope="module")
def influxdb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InfluxDB1]:
    with InfluxDB1(tmp_path_factory.mktemp("influx")) as server:
        yield server


@pytest.fixture
def base(influxdb: InfluxDB1, request: pytest.FixtureRequest) -> str:
    name = str(request.node.name)
    influxdb.execute(f'CREATE DATABASE "{name}"')
    return name


# -- InfluxDB 1 -------------------------------------------------------------------------------------------------------


def test_in_influxdb_a_later_version_takes_the_place_of_the_one_before(influxdb: InfluxDB1, base: str) -> None:
    to = points(influxdb.url, "influx1", database=base)
    assert deliver(to, [*history()[:4], event(9), *history()[4:]]).delivered == [1, 2, 3, 4, 5, 6, 7, 8, 9]
    assert influxdb.count(base, "reading_points") == 5, "four quarter-hours, and a value of another layer"
    (query,) = queries("influxql")
    rows = influxdb.execute(query, base)
    assert {datetime.fromtimestamp(int(row["time"]) // 10**9, UTC): str(row["value"]) for row in rows} == {
        at: text.rstrip("0").removesuffix(".") for at, text in NEWEST.items()
    }
    assert [str(row["version"]) for row in rows] == ["1", "2", "2"]
    everything = influxdb.execute("SELECT * FROM reading_points WHERE layer = 'interval' AND status = 4", base)
    (gone,) = everything
    # What the guide warns of: fields that the newer version has not are still those of the older one.
    assert (gone["value"], gone["partial"], gone["version"], gone["have"], gone["want"]) == (4, 2, 2, 1, 2)


def test_influxdb_is_the_same_whatever_comes_again(influxdb: InfluxDB1, base: str) -> None:
    to = points(influxdb.url, "influx1", database=base)
    deliver(to, history())
    before = influxdb.execute("SELECT * FROM reading_points", base)
    deliver(to, history())
    deliver(to, history()[3:])
    assert influxdb.execute("SELECT * FROM reading_points", base) == before


def test_one_that_is_not_written_as_a_value_is_set_aside(influxdb: InfluxDB1, base: str) -> None:
    many = [derived(n, at=QUARTER - timedelta(minutes=15 * n)) for n in range(1, 301)]
    reading = msgspec.structs.replace(many[99].reading, more=("x",))
    many[99] = msgspec.structs.replace(many[99], reading=reading)
    book = deliver(points(influxdb.url, "influx1", database=base), many)
    assert list(book.refused) == [100]
    assert book.refused[100].startswith("it is not written as a derived value: ")
    assert influxdb.count(base, "reading_points") == 299


def test_what_is_no_value_alone_costs_no_request(influxdb: InfluxDB1, base: str) -> None:
    assert deliver(points(influxdb.url, "influx1", database=base), [event(1), register(2)]).delivered == [1, 2]
    assert influxdb.execute("SHOW MEASUREMENTS", base) == []


# -- VictoriaMetrics --------------------------------------------------------------------------------------------------


def test_in_victoriametrics_each_version_is_a_series_and_the_newest_can_be_asked_for(vm: VictoriaMetrics) -> None:
    for _ in range(2):  # what comes again changes nothing
        deliver(points(vm.url, "victoriametrics"), [*history(), event(9)])
    stored = {
        (found.labels["version"], at): value
        for found in vm.export('{__name__="reading_points_value",layer="interval"}')
        for at, value in found.points
    }
    assert sorted(stored.values()) == [Decimal(text) for text in ("1.125", "3", "4", "9.5", "10", "30")]
    (query,) = queries("metricsql")
    assert asked(vm, query) == {at: Decimal(text) for at, text in NEWEST.items()}
    latest = query.replace('layer="interval"', 'layer="evaluation"')
    assert asked(vm, latest) == {QUARTER + timedelta(minutes=15): Decimal("99")}


def asked(vm: VictoriaMetrics, query: str) -> dict[datetime, Decimal]:
    """What a query gives, each quarter of an hour."""
    start, end = QUARTER - timedelta(hours=1), QUARTER + timedelta(hours=2)
    span = {"start": str(int(start.timestamp())), "end": str(int(end.timestamp())), "step": "900", "nocache": "1"}
    result = json.loads(vm.get("/api/v1/query_range", query=query, **span))["data"]["result"]
    return {datetime.fromtimestamp(at, UTC): Decimal(value) for one in result for at, value in one["values"]}


# -- InfluxDB 2 and QuestDB -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("dialect", "place"), [("influx2", {"bucket": "b"}), ("questdb", {})])
def test_the_others_get_one_point_for_all_versions(dialect: str, place: dict[str, str]) -> None:
    def answer(request: Request) -> Reply:
        return Reply(204) if "write" in request.path else Reply()

    with HttpServer(answer) as server:
        deliver(points(server.url, dialect, gzip=False, **place), history())
    (body,) = [request.body.decode() for request in server.requests if "write" in request.path]
    lines = body.splitlines()
    assert len(lines) == 8
    where = [(line.split(" ")[0], line.rsplit(" ", 1)[1]) for line in lines]
    assert where[1] == where[4] and where[1] != where[7]
    assert all(",version=" not in series for series, _ in where)


def quest(dedup: bool) -> Any:  # a Callable of HttpServer
    def answer(request: Request) -> Reply:
        if request.path != "/exec":
            return Reply()
        names, rows = ["value"], [[12345678.875]]
        if "tables" in request.query:
            names, rows = ["table_name", "dedup", "ttlValue", "ttlUnit"], [["reading", dedup, 0, "HOUR"]]  # type: ignore[list-item]
        return Reply(200, json.dumps({"columns": [{"name": name} for name in names], "dataset": rows}).encode())

    return answer


def test_check_of_questdb_looks_at_the_table_of_derived_values() -> None:
    settings = LineProtocolOptions.model_validate({"dialect": "questdb", "url": "http://127.0.0.1:1"})
    with HttpServer(quest(False)) as server:
        options = settings.model_copy(update={"url": server.url})
        found = asyncio.run(LineProtocolSink("tsdb", options, "gw-1", clock, points=True).check(36))
        without = asyncio.run(LineProtocolSink("tsdb", options, "gw-1", clock).check(36))
    told = texts(found, Level.WARNING)
    assert "ALTER TABLE reading DEDUP" in told
    remedy = "ALTER TABLE reading_points DEDUP ENABLE UPSERT KEYS(timestamp, gateway, layer, obis, point, unit)"
    assert remedy in told and "keeps all versions of a derived value" in told
    assert "reading_points" not in texts(without, Level.WARNING)
    assert "DEDUP UPSERT KEYS(timestamp, gateway, layer, obis, point, unit)" in GUIDE
