"""The line protocol sink and real databases: what is stored, what is refused, and what becomes of faults.

Rules: VictoriaMetrics and InfluxDB are real; answers that they give seldom come from a scripted server.
"""

import asyncio
import json
import logging
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from gatewayd.errors import SinkError
from gatewayd.model import Archived, Flag, Ratio, RawStatus
from gatewayd.sink import FAREWELL_S, Sink
from gatewayd.sink.check import Level, Remark
from gatewayd.sink.line_protocol import sink as sink_module
from gatewayd.sink.line_protocol.options import LineProtocolOptions
from gatewayd.sink.line_protocol.sink import LineProtocolSink
from gatewayd.sink.line_protocol.transport import Http
from tests.gatewayd.sink.samples import register
from tests.interop.certificates import Authority
from tests.interop.http_server import HttpServer, Reply, Request
from tests.interop.influxdb1 import InfluxDB1
from tests.interop.server import free_port
from tests.interop.victoria_metrics import VictoriaMetrics

DEADLINE_S = 20.0
ADMIN = ("admin", "right")
NOW = datetime.now(UTC).replace(microsecond=123000) - timedelta(hours=2)
"""Of the readings: near enough for every retention, and nothing of them lies ahead."""


@dataclass
class Book:
    """A ledger that can be read."""

    delivered: list[int] = field(default_factory=list)
    refused: dict[int, str] = field(default_factory=dict)

    def done(self, readings: Sequence[Archived]) -> None:
        self.delivered += [archived.seq for archived in readings]

    async def set_aside(self, reading: Archived, reason: str) -> None:
        self.refused[reading.seq] = reason


def clock() -> datetime:
    return datetime.now(UTC)


def sink(url: str, dialect: str = "victoriametrics", **options: Any) -> LineProtocolSink:
    settings = LineProtocolOptions.model_validate({"dialect": dialect, "url": url, **options})
    return LineProtocolSink("tsdb", settings, "gw-1", clock)


def influx(url: str, database: str, **options: Any) -> LineProtocolSink:
    return sink(url, "influx1", database=database, **options)


def deliver(to: LineProtocolSink, readings: Sequence[Archived], book: Book | None = None) -> Book:
    """One connection and one batch."""
    book = book or Book()

    async def run() -> None:
        async with to.connect() as delivery:
            await delivery.deliver(readings, book)

    asyncio.run(run())
    return book


def remarks(of: LineProtocolSink, months: int = 36) -> list[Remark]:
    return asyncio.run(of.check(months))


def texts(found: Sequence[Remark], level: Level) -> str:
    return "\n".join(f"{remark.text} -> {remark.remedy}" for remark in found if remark.level is level)


def series(count: int, **other: Any) -> list[Archived]:
    """Readings of one series, a second apart."""
    return [register(seq, at=NOW + timedelta(seconds=seq), **other) for seq in range(1, count + 1)]


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.01)


@pytest.fixture(scope="module")
def vm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VictoriaMetrics]:
    flags = ("-retentionPeriod=60", "-dedup.minScrapeInterval=1ms")
    with VictoriaMetrics(tmp_path_factory.mktemp("vm"), *flags) as server:
        yield server


@pytest.fixture(scope="module")
def plain_vm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VictoriaMetrics]:
    """As it is when nobody has set anything."""
    with VictoriaMetrics(tmp_path_factory.mktemp("vm")) as server:
        yield server


@pytest.fixture(scope="module")
def influxdb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InfluxDB1]:
    with InfluxDB1(tmp_path_factory.mktemp("influx")) as server:
        yield server


@pytest.fixture
def database(influxdb: InfluxDB1, request: pytest.FixtureRequest) -> str:
    """A database of one's own."""
    name = str(request.node.name)
    influxdb.execute(f'CREATE DATABASE "{name}"')
    return name


def test_it_is_a_sink() -> None:
    found: Sink = sink("http://127.0.0.1:1", batch=77, linger_s=0.5)
    assert (found.id, found.batch, found.linger_s) == ("tsdb", 77, 0.5)


# -- what is stored ---------------------------------------------------------------------------------------------------

DIGITS = ["0008048.375", "123456789.012345", "0.000000001", "99999999999999", "-12.5", "4567,890", "0"]


def test_victoriametrics_keeps_fifteen_digits(vm: VictoriaMetrics) -> None:
    readings = [register(n, raw, meter=f"digits-{n}", at=NOW, ratio=Ratio(ct="200/5")) for n, raw in enumerate(DIGITS)]
    assert deliver(sink(vm.url), readings).delivered == list(range(len(DIGITS)))
    stored = {(found.labels["meter"], found.name): found.points for found in vm.export('{meter=~"digits-.*"}')}
    for archived in readings:
        value, primary = archived.reading.value, archived.primary
        ms = int(NOW.timestamp() * 1000)
        assert stored[archived.reading.meter, "reading_value"] == ((ms, value),)
        assert stored[archived.reading.meter, "reading_primary"] == ((ms, primary),)
        assert stored[archived.reading.meter, "reading_seq"] == ((ms, Decimal(archived.seq)),)


def test_influxdb_keeps_digits_and_microseconds(influxdb: InfluxDB1, database: str) -> None:
    at = NOW + timedelta(microseconds=457)
    readings = [register(n, raw, meter=f"m-{n}", at=at) for n, raw in enumerate(DIGITS)]
    deliver(influx(influxdb.url, database), readings)
    rows = influxdb.execute('SELECT * FROM "reading"', database)
    assert {row["meter"]: row["value"] for row in rows} == {a.reading.meter: a.reading.value for a in readings}
    assert {int(row["time"]) for row in rows} == {int(NOW.timestamp()) * 10**9 + 123457000}


def test_what_is_missing_has_a_status_and_no_value(influxdb: InfluxDB1, database: str) -> None:
    flags = Flag.LATE | Flag.NO_VALUE
    deliver(influx(influxdb.url, database), [register(5, "", at=NOW, status=RawStatus.MISSING, flags=flags)])
    assert influxdb.execute('SELECT value, status, seq, flags FROM "reading"', database) == [
        # InfluxDB gives no column for a field that does not exist
        {"time": int(NOW.timestamp() * 1000) * 10**6, "value": None, "status": 4, "seq": 5, "flags": int(flags)}
    ]


AWKWARD = {
    "a b,c=d": "a b,c=d",
    "back\\": "back%5C",
    "two\nlines": "two%0Alines",
    "Žluťoučký kůň": "Žluťoučký kůň",
    "quo\"te's": "quo\"te's",
    "x" * 300: "x" * 255,
    "%0A": "%250A",
}


def test_awkward_tags_in_victoriametrics(vm: VictoriaMetrics) -> None:
    deliver(sink(vm.url), [register(n, meter=text, unit="awkward", at=NOW) for n, text in enumerate(AWKWARD, 1)])
    assert {found.labels["meter"] for found in vm.export('{unit="awkward"}')} == set(AWKWARD.values())


def test_awkward_tags_in_influxdb(influxdb: InfluxDB1, database: str) -> None:
    deliver(influx(influxdb.url, database), [register(n, meter=text, at=NOW) for n, text in enumerate(AWKWARD, 1)])
    rows = influxdb.execute('SELECT seq, meter FROM "reading"', database)
    assert {row["meter"] for row in rows} == set(AWKWARD.values())


@pytest.mark.parametrize("gzip", [True, False])
def test_a_large_batch_arrives_whole(vm: VictoriaMetrics, gzip: bool) -> None:
    """In pieces, and none of them is cut or put together wrongly."""
    meter = f"large-{gzip}"
    book = deliver(sink(vm.url, gzip=gzip), series(4321, meter=meter))
    assert book.delivered == list(range(1, 4322))
    assert vm.count(f'{{meter="{meter}"}}') == 5 * 4321


def test_the_same_once_more_changes_nothing_in_influxdb(influxdb: InfluxDB1, database: str) -> None:
    for _ in range(2):
        deliver(influx(influxdb.url, database), series(100))
        assert influxdb.count(database) == 100


@pytest.mark.parametrize("gzip", [True, False])
def test_influxdb_2_through_its_client(vm: VictoriaMetrics, gzip: bool) -> None:
    meter = f"v2-{gzip}"
    book = deliver(sink(vm.url, "influx2", bucket="b", gzip=gzip), series(50, meter=meter))
    assert book.delivered == list(range(1, 51))
    assert vm.count(f'{{meter="{meter}",__name__="reading_value"}}') == 50


# -- what is refused --------------------------------------------------------------------------------------------------


def test_a_field_of_another_type_is_set_aside(influxdb: InfluxDB1, database: str) -> None:
    """InfluxDB keeps the types of fields by week: there is text in the week of one reading of 500."""
    other_week = NOW - timedelta(days=21)
    influxdb.write(database, f'reading,gateway=old value="text" {int(other_week.timestamp())}000000000')
    readings = series(500)
    readings[123] = register(124, at=other_week)
    book = deliver(influx(influxdb.url, database), readings)
    assert list(book.refused) == [124]
    assert "field type conflict" in book.refused[124]
    assert sorted(book.delivered) == [n for n in range(1, 501) if n != 124]
    assert influxdb.count(database) == 499


def test_points_beyond_the_retention_are_set_aside(influxdb: InfluxDB1, database: str) -> None:
    influxdb.execute(f'CREATE RETENTION POLICY "day" ON "{database}" DURATION 24h REPLICATION 1')
    readings = series(20)
    readings[7] = register(8, at=NOW - timedelta(days=30))
    book = deliver(influx(influxdb.url, database, retention_policy="day"), readings)
    assert list(book.refused) == [8]
    assert "points beyond retention policy" in book.refused[8]
    rows = influxdb.execute('SELECT count(seq) FROM "day"."reading"', database)
    assert rows[0]["count"] == 19


def test_a_number_beyond_all_floats_is_set_aside(influxdb: InfluxDB1, database: str) -> None:
    readings = series(20)
    readings[3] = register(4, "1", scaler=400, at=NOW)
    book = deliver(influx(influxdb.url, database), readings)
    assert list(book.refused) == [4]
    assert len(book.refused[4]) <= 300
    assert influxdb.count(database) == 19


def test_a_missing_database_is_a_fault_with_a_remedy(influxdb: InfluxDB1) -> None:
    book = Book()
    with pytest.raises(SinkError, match='has no database "nowhere"; create it with: CREATE DATABASE "nowhere"'):
        deliver(influx(influxdb.url, "nowhere"), series(20), book)
    assert book == Book()


def test_a_wrong_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    password = tmp_path / "password"
    with InfluxDB1(tmp_path / "influx", ADMIN) as server:
        server.execute("CREATE DATABASE d")
        user = influx(server.url, "d", username="admin", password_file=password)
        password.write_text("wr0ng\n")
        with pytest.raises(SinkError, match="does not let in user 'admin': wrong username or password") as fault:
            deliver(user, series(3))
        assert "wr0ng" not in str(fault.value)
        assert "does not let in user 'admin'" in texts(remarks(user), Level.ERROR)
        password.write_text("right\n")
        deliver(user, series(3))
        assert server.count("d") == 3
        found = remarks(user)
        assert {remark.level for remark in found} == {Level.FINE}
        assert "it lets admin write" in texts(found, Level.FINE)
        with pytest.raises(SinkError, match="a client without a user; set username"):
            deliver(influx(server.url, "d"), series(3))


def test_a_secret_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(SinkError, match=r"cannot read the token file .*nowhere"):
        deliver(sink("http://127.0.0.1:1", token_file=tmp_path / "nowhere"), series(1))
    (tmp_path / "empty").touch()
    with pytest.raises(SinkError, match="the token is empty"):
        deliver(sink("http://127.0.0.1:1", token_file=tmp_path / "empty"), series(1))


# -- a database that goes away ----------------------------------------------------------------------------------------


def test_nobody_listens() -> None:
    port = free_port()
    with pytest.raises(SinkError) as fault:
        deliver(sink(f"http://127.0.0.1:{port}"), series(1))
    assert str(fault.value) == (
        f"database 127.0.0.1:{port} refuses the connection; is it running, are host and port of url right?"
    )


def test_no_such_host() -> None:
    with pytest.raises(SinkError, match=r"database nowhere\.invalid:8086 is not known by that name"):
        deliver(sink("http://nowhere.invalid:8086"), series(1))


def test_killed_while_it_takes_readings(tmp_path: Path) -> None:
    """Everything is there in the end, once."""
    readings = series(20_000)
    book = Book()
    with InfluxDB1(tmp_path / "influx") as server:
        server.execute("CREATE DATABASE d")
        to = influx(server.url, "d")

        async def until_it_fails() -> None:
            async with to.connect() as delivery:
                for start in range(0, 5000, 500):
                    await delivery.deliver(readings[start : start + 500], book)
                death = asyncio.create_task(asyncio.to_thread(server.kill))
                for start in range(5000, 15_000, 500):
                    await delivery.deliver(readings[start : start + 500], book)
                await death
                await delivery.deliver(readings[15_000:], book)

        with pytest.raises(SinkError, match=r"broke the connection|refuses the connection"):
            asyncio.run(until_it_fails())
        assert 5000 <= len(book.delivered) < len(readings)
        with pytest.raises(SinkError, match="refuses the connection"):
            deliver(to, series(1))
        server.start()
        assert server.count("d") >= len(book.delivered)
        for start in range(len(book.delivered), len(readings), 500):
            deliver(to, readings[start : start + 500], book)
        assert book.delivered == list(range(1, len(readings) + 1))
        assert server.count("d") == len(readings)


def test_restarted_between_deliveries(tmp_path: Path) -> None:
    """The kept-alive connection is dead, and that is no fault."""
    with VictoriaMetrics(tmp_path / "vm") as server:

        async def run() -> None:
            book = Book()
            async with sink(server.url).connect() as delivery:
                await delivery.deliver(series(3), book)
                await asyncio.to_thread(server.restart)
                await delivery.deliver(series(3), book)

        asyncio.run(run())
        assert server.count('{__name__="reading_value"}') >= 3


def worker_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("database ")]


def test_a_stopped_database_is_a_fault_in_time(tmp_path: Path) -> None:
    with VictoriaMetrics(tmp_path / "vm") as server:

        async def run() -> None:
            async with sink(server.url, timeout_s=1).connect() as delivery:
                server.stop()
                await delivery.deliver(series(3), Book())

        started = time.monotonic()
        with pytest.raises(SinkError, match=r"did not answer within 1 s; is it overloaded, stopped or behind"):
            asyncio.run(run())
        assert time.monotonic() - started < 1 + FAREWELL_S
        with pytest.raises(SinkError, match="did not answer within 1 s"):
            deliver(sink(server.url, timeout_s=1), series(3))
        until(lambda: not worker_threads())
        server.cont()


def test_a_request_that_is_given_up_ends_its_thread() -> None:
    with HttpServer(lambda _: Reply(hang=True)) as server:
        http = Http(server.url, {}, 0.2)
        with pytest.raises(SinkError, match=r"did not answer within 0\.2 s"):
            asyncio.run(http.run(lambda: http.request("GET", "/")))
        until(lambda: not worker_threads())
        with pytest.raises(SinkError, match="broke the connection"):  # it is of no use any more
            http.request("GET", "/")

        async def cancelled() -> None:
            async with asyncio.timeout(0.05):
                await other.run(lambda: other.request("GET", "/"))

        other = Http(server.url, {}, DEADLINE_S)
        started = time.monotonic()
        with pytest.raises(TimeoutError):
            asyncio.run(cancelled())
        until(lambda: not worker_threads())
        assert time.monotonic() - started < FAREWELL_S


def test_an_answer_before_the_end_of_the_request() -> None:
    """What is too large may be refused after its first bytes; the rest then meets a closed connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def refuse() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(100)
                connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
                connection.shutdown(socket.SHUT_WR)

        server = threading.Thread(target=refuse)
        server.start()
        http = Http(f"http://127.0.0.1:{listener.getsockname()[1]}", {}, DEADLINE_S)

        def pieces() -> Iterator[bytes]:
            yield b"x" * 1000
            server.join(DEADLINE_S)
            for _ in range(1000):
                yield b"x" * 10_000

        assert http.request("POST", "/write", pieces()).status == 413
        http.close()


@pytest.mark.parametrize("dialect", ["influx1", "influx2", "victoriametrics", "questdb"])
def test_a_database_that_is_not_well_is_found_by_connecting(dialect: str) -> None:
    place = {"influx1": {"database": "d"}, "influx2": {"bucket": "b"}}.get(dialect, {})

    async def run(url: str) -> None:
        async with sink(url, dialect, **place).connect():
            pytest.fail("connected")

    for greeting, text in (
        (Reply(503, b"starting"), "cannot serve at present"),
        (Reply(404), "are url and dialect right"),
    ):
        with scripted(lambda _: Reply(), greeting) as server:
            with pytest.raises(SinkError, match=text):
                asyncio.run(run(server.url))
            assert len(server.requests) == 1


def test_without_readings_nothing_is_sent() -> None:
    with scripted(lambda _: Reply()) as server:
        deliver(sink(server.url), [])
        assert server.writes == []


def test_nothing_is_sent_after_the_end() -> None:
    """As by a thread that was left behind while it looked for the address."""
    with scripted(lambda _: Reply()) as server:
        http = Http(server.url, {}, 1)
        http.close()
        with pytest.raises(SinkError, match="broke the connection"):
            http.request("POST", "/write", b"x")
        assert server.requests == []


def test_leaving_does_not_wait_for_a_stopped_database(tmp_path: Path) -> None:
    with VictoriaMetrics(tmp_path / "vm") as server:

        async def run() -> None:
            async with sink(server.url).connect() as delivery:
                server.stop()
                async with asyncio.timeout(0.2):
                    await delivery.deliver(series(3), Book())

        started = time.monotonic()
        with pytest.raises(TimeoutError):
            asyncio.run(run())
        assert time.monotonic() - started < FAREWELL_S
        until(lambda: not worker_threads())
        server.cont()


def test_what_victoriametrics_throws_away_is_logged(
    plain_vm: VictoriaMetrics, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sink_module, "WATCH_S", 0.0)
    old = [register(1, at=NOW - timedelta(days=400))]

    async def run() -> None:
        async with sink(plain_vm.url).connect() as delivery:
            book = Book()
            await delivery.deliver(old, book)
            assert book.delivered == [1]  # acknowledged all the same
            deadline = time.monotonic() + DEADLINE_S
            while not caplog.records:  # it renews its counters now and then
                assert time.monotonic() < deadline
                await asyncio.sleep(0.05)
                await delivery.deliver(series(1), book)
            await delivery.deliver(series(1), book)

    with caplog.at_level(logging.INFO, "gatewayd.sink.line_protocol"):
        asyncio.run(run())
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage() == (
        f"sink tsdb: database 127.0.0.1:{plain_vm.port} has thrown away values of its clients that it had "
        "acknowledged: 5 of reason small_timestamp (they are older than -retentionPeriod)"
    )


# -- answers that come seldom -----------------------------------------------------------------------------------------


def scripted(write: Callable[[Request], Reply], greeting: Reply | None = None) -> HttpServer:
    """`write` answers what is written, `greeting` the rest."""
    return HttpServer(lambda request: write(request) if request.path.endswith("/write") else greeting or Reply())


def outcome(reply: Reply, to: Callable[[str], LineProtocolSink], count: int = 20) -> tuple[str, Book, HttpServer]:
    """What a fault says when every write gets the same reply."""
    book = Book()
    with scripted(lambda _: reply) as server:
        started = time.monotonic()
        with pytest.raises(SinkError) as fault:
            deliver(to(server.url), series(count), book)
        assert time.monotonic() - started < 5
    return str(fault.value).replace(str(server.port), "PORT"), book, server


def test_one_line_of_many_is_refused() -> None:
    def write(request: Request) -> Reply:
        bad = any("seq=7i" in line for line in request.lines)
        return Reply(400, b'{"error":"unable to parse"}') if bad else Reply()

    with scripted(write) as server:
        book = deliver(influx(server.url, "d"), series(100))
    assert book.refused == {7: "unable to parse"}
    assert sorted(book.delivered) == [n for n in range(1, 101) if n != 7]


def test_nothing_is_set_aside_when_everything_is_refused() -> None:
    text, book, server = outcome(Reply(400, b'{"error":"no"}'), lambda url: influx(url, "d"))
    assert text == "database 127.0.0.1:PORT refuses everything it gets: no"
    assert book == Book()
    assert 5 < len(server.writes) < 40, "down to one reading, a few others, and no more"


def test_a_request_that_is_too_large_is_sent_in_parts() -> None:
    def write(request: Request) -> Reply:
        return Reply(413) if len(request.packed) > 1500 or "unit=fat" in request.body.decode() else Reply()

    readings = series(200)
    readings[50] = register(51, unit="fat", at=NOW)
    with scripted(write) as server:
        book = deliver(influx(server.url, "d", gzip=False), readings)
    assert list(book.refused) == [51]
    assert sorted(book.delivered) == [n for n in range(1, 201) if n != 51]


@pytest.mark.parametrize(
    ("reply", "text"),
    [
        (Reply(500, b"internal\nfault"), "database 127.0.0.1:PORT failed (HTTP 500): internal fault"),
        (
            Reply(307, headers={"Location": "http://127.0.0.1:1/write"}),
            "database 127.0.0.1:PORT points to another address (HTTP 307); write the one that answers itself into url",
        ),
        (
            Reply(raw=b"SSH-2.0-OpenSSH_9.2\r\n"),
            "database 127.0.0.1:PORT answers something that is not HTTP; is this its HTTP port?",
        ),
        (Reply(raw=b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000), "database 127.0.0.1:PORT answers something that is not"),
        (Reply(400, b"x" * 1000, break_off=True), "database 127.0.0.1:PORT broke the connection"),
        (Reply(break_off=True), "database 127.0.0.1:PORT broke the connection"),
        (
            Reply(200, b"x" * 1000, hang=True),
            "database 127.0.0.1:PORT did not answer within 0.5 s; is it overloaded, stopped or behind a firewall?",
        ),
        (
            Reply(hang=True),
            "database 127.0.0.1:PORT did not answer within 0.5 s; is it overloaded, stopped or behind a firewall?",
        ),
        (Reply(500, b"x" * 10_000_000, hang=True), "database 127.0.0.1:PORT failed (HTTP 500): xxx"),
    ],
    ids=["500", "redirect", "ssh", "headers", "cut-body", "cut", "slow-body", "silent", "huge"],
)
@pytest.mark.parametrize("dialect", ["influx1", "influx2", "victoriametrics", "questdb"])
def test_a_fault_sets_nothing_aside(dialect: str, reply: Reply, text: str) -> None:
    place = {"influx1": {"database": "d"}, "influx2": {"bucket": "b"}}.get(dialect, {})
    found, book, _ = outcome(reply, lambda url: sink(url, dialect, timeout_s=0.5, **place))
    assert found.startswith(text)
    assert len(found) < 500
    assert book == Book()


@pytest.mark.parametrize("dialect", ["influx1", "influx2"])
@pytest.mark.parametrize("status", [429, 503])
def test_a_pause_is_asked_for(dialect: str, status: int) -> None:
    place = {"influx1": {"database": "d"}, "influx2": {"bucket": "b"}}[dialect]
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    for header, least, most in (("17", 17, 17), (date, 80, 100)):
        reply = Reply(status, headers={"retry-after": header})
        with HttpServer(lambda _, reply=reply: reply) as server, pytest.raises(SinkError) as fault:  # type: ignore[misc]
            deliver(sink(server.url, dialect, **place), series(1))
        assert fault.value.retry_after_s is not None
        assert least <= fault.value.retry_after_s <= most


def test_a_web_page_is_no_acknowledgement() -> None:
    page = Reply(200, b"<html>", {"Content-Type": "text/html"})
    with HttpServer(lambda _: page) as server, pytest.raises(SinkError, match="answers with a web page"):
        deliver(sink(server.url), series(1))


def test_a_connection_is_kept() -> None:
    with scripted(lambda _: Reply()) as server:

        async def run() -> None:
            async with influx(server.url, "d").connect() as delivery:
                for _ in range(3):
                    await delivery.deliver(series(2), Book())

        asyncio.run(run())
        assert {request.connection for request in server.requests} == {1}
        assert [request.path for request in server.requests] == ["/ping", "/write", "/write", "/write"]


@pytest.mark.parametrize("dialect", ["influx1", "influx2", "victoriametrics", "questdb"])
@pytest.mark.parametrize("gzip", [None, False])
def test_requests(dialect: str, gzip: bool | None, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("t0ken\n")
    place = {"influx1": {"database": "d b", "retention_policy": "rp"}, "influx2": {"bucket": "b", "org": "o&o"}}
    with scripted(lambda _: Reply()) as server:
        url = f"{server.url}/prefix/"
        deliver(sink(url, dialect, gzip=gzip, token_file=token, **place.get(dialect, {})), series(1200))
        request = server.wait_for_write()
    path, query, scheme = {
        "influx1": ("/write", "precision=ns&db=d+b&rp=rp", "Bearer"),
        "influx2": ("/api/v2/write", "org=o%26o&bucket=b&precision=ns", "Token"),
        "victoriametrics": ("/write", "precision=ns", "Bearer"),
        "questdb": ("/write", "", "Bearer"),
    }[dialect]
    assert (request.path, request.query) == (f"/prefix{path}", query)
    assert [request.headers["Authorization"] for request in server.requests] == [f"{scheme} t0ken"] * len(
        server.requests
    )
    packed = gzip is None and dialect != "questdb"
    assert (request.headers["Content-Encoding"] == "gzip") is packed
    assert len(request.packed) < len(request.body) / 4 if packed else request.packed == request.body
    assert len(request.lines) == 1200
    assert request.lines[0].startswith("reading,gateway=gw-1,kind=register,meter=em-1001,obis=1-0:1.8.0*255,unit=kWh ")


def test_a_user_and_a_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("P", "pä:ss")
    with scripted(lambda _: Reply()) as server:
        deliver(sink(server.url, username="žu", password_env="P"), series(1))
    assert server.wait_for_write().headers["Authorization"] == "Basic xb51OnDDpDpzcw=="


def test_influxdb_2_without_its_client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "influxdb_client", None)
    with pytest.raises(SinkError, match=r"pip install gatewayd\[influx2\]"):
        deliver(sink("http://127.0.0.1:1", "influx2", bucket="b"), series(1))


# -- TLS --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def tls_server(authority: Authority) -> Iterator[HttpServer]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("server"))
    with HttpServer(lambda request: Reply(hang="hang" in request.query), context) as server:
        yield server


@pytest.mark.parametrize("dialect", ["influx1", "influx2"])
def test_tls(tls_server: HttpServer, authority: Authority, dialect: str) -> None:
    place = {"influx1": {"database": "d"}, "influx2": {"bucket": "b"}}[dialect]
    book = deliver(sink(tls_server.url, dialect, tls={"ca_file": authority.ca_file}, **place), series(3))
    assert book.delivered == [1, 2, 3]
    with pytest.raises(SinkError, match=r"certificate that is not trusted: .*; see tls\.ca_file"):
        deliver(sink(tls_server.url, dialect, **place), series(3))


def test_leaving_a_tls_connection_that_is_silent(tls_server: HttpServer, authority: Authority) -> None:
    to = influx(tls_server.url, "hang", tls={"ca_file": authority.ca_file})

    async def run() -> None:
        async with to.connect() as delivery, asyncio.timeout(0.2):
            await delivery.deliver(series(3), Book())

    started = time.monotonic()
    with pytest.raises(TimeoutError):
        asyncio.run(run())
    assert time.monotonic() - started < FAREWELL_S
    until(lambda: not worker_threads())


def test_tls_where_there_is_none_and_the_reverse(
    tls_server: HttpServer, authority: Authority, vm: VictoriaMetrics
) -> None:
    with pytest.raises(SinkError, match=r"broke off the TLS handshake \(wrong version number\); is this its TLS port"):
        deliver(sink(vm.url.replace("http:", "https:")), series(1))
    with pytest.raises(SinkError, match="broke the connection"):
        deliver(sink(tls_server.url.replace("https:", "http:")), series(1))


def test_files_of_certificates_are_named(tmp_path: Path) -> None:
    missing = tmp_path / "missing.pem"
    for tls in ({"ca_file": missing}, {"cert_file": missing}):
        with pytest.raises(SinkError, match=rf"missing.pem \(tls\.{next(iter(tls))}.*\) cannot be used: No such file"):
            deliver(sink("https://127.0.0.1:1", tls=tls), series(1))


# -- gatewayd sink check ----------------------------------------------------------------------------------------------


def test_check_of_victoriametrics_as_it_comes(plain_vm: VictoriaMetrics) -> None:
    for _ in range(2):
        found = remarks(sink(plain_vm.url))
        wrong = texts(found, Level.ERROR)
        assert "it keeps 1 month and drops what is older without a word; 36 months are wanted" in wrong
        assert "a probe of 36 months ago was acknowledged and has vanished" in wrong
        assert wrong.count("start it with -retentionPeriod=36 (months)") == 2
        assert "-dedup.minScrapeInterval=1ms" in texts(found, Level.WARNING)
        assert "a probe of 12345678.875 was written and read back" in texts(found, Level.FINE)
        assert plain_vm.export('{__name__=~"gatewayd_check.*"}') == []


def test_check_of_a_well_set_victoriametrics(vm: VictoriaMetrics) -> None:
    for _ in range(2):
        found = remarks(sink(vm.url))
        assert {remark.level for remark in found} == {Level.FINE}
        assert "a probe of 36 months ago was kept" in texts(found, Level.FINE)
        assert "milliseconds and about 15 digits" in texts(found, Level.FINE)
        assert vm.export('{__name__=~"gatewayd_check.*"}') == []
    assert "61 months are wanted" in texts(remarks(sink(vm.url), 61), Level.FINE)  # its months have 31 days
    wrong = texts(remarks(sink(vm.url), 62), Level.ERROR)
    assert "62 months are wanted" in wrong
    assert "a probe of 62 months ago was acknowledged and has vanished" in wrong


def test_check_of_influxdb_1(influxdb: InfluxDB1, database: str) -> None:
    found = remarks(influx(influxdb.url, database))
    assert {remark.level for remark in found} == {Level.FINE}
    assert f"database 127.0.0.1:{influxdb.port} answers, version 1." in texts(found, Level.FINE)
    assert "keeps data for ever" in texts(found, Level.FINE)
    assert influxdb.execute("SHOW SERIES", database) == []


def test_check_of_a_missing_database(influxdb: InfluxDB1) -> None:
    found = remarks(influx(influxdb.url, "nowhere"))
    assert texts(found, Level.ERROR) == 'there is no database "nowhere" -> create it with: CREATE DATABASE "nowhere"'


def test_check_of_short_retention_and_its_remedy(influxdb: InfluxDB1, database: str) -> None:
    influxdb.execute(f'CREATE RETENTION POLICY "short" ON "{database}" DURATION 48h REPLICATION 1')
    to = influx(influxdb.url, database, retention_policy="short")
    (wrong,) = [remark for remark in remarks(to) if remark.level is not Level.FINE]
    assert wrong.level is Level.ERROR
    assert wrong.text == 'the retention policy "short" drops what is older than 2 days; 36 months are wanted'
    influxdb.execute(wrong.remedy.removeprefix("run: "))
    assert {remark.level for remark in remarks(to)} == {Level.FINE}


def test_check_of_a_missing_retention_policy_and_its_remedy(influxdb: InfluxDB1, database: str) -> None:
    to = influx(influxdb.url, database, retention_policy="gone")
    remedy = next(remark.remedy for remark in remarks(to) if "there is no retention policy" in remark.text)
    influxdb.execute(remedy.removeprefix("create it with: "))
    assert {remark.level for remark in remarks(to)} == {Level.FINE}


def test_check_of_nothing() -> None:
    with pytest.raises(SinkError, match="refuses the connection"):
        remarks(sink(f"http://127.0.0.1:{free_port()}"))


def database_2(request: Request) -> Reply:
    """As much of InfluxDB 2 as the check asks for."""
    match request.path:
        case "/ping":
            return Reply(headers={"X-Influxdb-Version": "v2.7.1"})
        case "/api/v2/query":
            assert '_measurement == "gatewayd_check"' in request.body.decode()
            assert request.query == "org=o"
            text = (
                "#group,false,false\r\n,result,table,_time,_value\r\n,_result,0,2026-11-26T12:00:00Z,12345678.875\r\n"
            )
            return Reply(200, text.encode())
        case "/api/v2/buckets":
            rules = {"buckets": [{"id": "0a", "retentionRules": [{"type": "expire", "everySeconds": 86400 * 30}]}]}
            return Reply(200, json.dumps(rules).encode())
    return Reply()


def test_check_of_influxdb_2() -> None:
    with HttpServer(database_2) as server:
        found = remarks(sink(server.url, "influx2", bucket="b", org="o"))
    assert "answers, version v2.7.1" in texts(found, Level.FINE)
    assert "a probe of 12345678.875 was written and read back" in texts(found, Level.FINE)
    assert texts(found, Level.ERROR) == (
        'the bucket "b" drops what is older than 30 days; 36 months are wanted '
        "-> run: influx bucket update --id 0a --retention 26304h"
    )
    (deletion,) = [request for request in server.requests if request.path == "/api/v2/delete"]
    assert 'gateway=\\"check:tsdb\\"' in deletion.body.decode()


def test_check_of_a_database_that_rounds() -> None:
    def rounding(request: Request) -> Reply:
        reply = database_2(request)
        return Reply(reply.status, reply.body.replace(b"12345678.875", b"12345679"), reply.headers)

    with HttpServer(rounding) as server:
        found = remarks(sink(server.url, "influx2", bucket="b", org="o"))
    assert "a probe of 12345678.875 came back as 12345679" in texts(found, Level.ERROR)


def quest(request: Request) -> Reply:
    """As much of QuestDB as the check asks for; what was written is visible at the second look."""
    if request.path != "/exec":
        return Reply()
    if "tables" in request.query:
        names = ["table_name", "dedup", "ttlValue", "ttlUnit"]
        rows: list[Any] = [["reading", False, 6, "MONTH"]]
    else:
        quest_looks.append(request.query)
        names, rows = ["value"], [[12345678.875]] if len(quest_looks) > 1 else []
    return Reply(200, json.dumps({"columns": [{"name": name} for name in names], "dataset": rows}).encode())


quest_looks: list[str] = []


def test_check_of_questdb() -> None:
    quest_looks.clear()
    with HttpServer(quest) as server:
        found = remarks(sink(server.url, "questdb"))
    assert "a probe of 12345678.875 was written and read back" in texts(found, Level.FINE)
    assert "ALTER TABLE reading DEDUP ENABLE UPSERT KEYS(timestamp, " in texts(found, Level.WARNING)
    assert "drops what is older than 6 months" in texts(found, Level.ERROR)
    assert "ALTER TABLE reading SET TTL 1096 DAYS" in texts(found, Level.ERROR)


@pytest.mark.parametrize("dialect", ["influx1", "influx2", "victoriametrics", "questdb"])
@pytest.mark.parametrize("answer", [b"[" * 100_000, b"{}", b"\xff\x00", b'{"results":[]}', b"null", b""])
def test_check_of_something_else_is_never_all_fine(
    dialect: str, answer: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gatewayd.sink.line_protocol.check_questdb.VISIBLE_S", 0.0)
    place = {"influx1": {"database": "d"}, "influx2": {"bucket": "b"}}.get(dialect, {})
    with scripted(lambda _: Reply(), Reply(200, answer)) as server:
        found = remarks(sink(server.url, dialect, **place))
    assert {remark.level for remark in found} - {Level.FINE}
    assert all(remark.remedy for remark in found if remark.level is not Level.FINE)
