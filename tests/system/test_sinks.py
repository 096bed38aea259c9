"""Sinks of the running gateway as an operator meets them: `status`, `sink check`, `set-aside`, `replay`; outages.

Rules: the readings are put into the archive beforehand, as many as a test needs; the gateway, the brokers and the
databases are processes; what arrived is counted by an independent client.
"""

import asyncio
import json
import os
import signal
import socket
import subprocess
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gatewayd.archive.cursors import read_cursors
from gatewayd.archive.records import Entry
from gatewayd.archive.rows import to_us
from gatewayd.archive.store import Store
from gatewayd.model import DIRECT, Exchange, Kind, Outcome, Reading
from gatewayd.obis import Obis
from gatewayd.peer import user_name
from tests.interop.certificates import Authority
from tests.interop.mosquitto import Mosquitto, Subscriber, program
from tests.interop.postgresql import PostgreSQL
from tests.interop.server import free_port
from tests.interop.victoria_metrics import VictoriaMetrics
from tests.system.rig import DEADLINE_S, Daemon, Site, end, eventually

FULL = os.environ.get("GATEWAYD_TEST_FULL") == "1"
QUEUED = 300_000 if FULL else 40_000
CODES = ("1.8.0", "1.8.1", "2.8.0", "3.8.0", "4.8.0")
METERS = 4
START = datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)


def fill(folder: Path, count: int, *, bad: int | None = None) -> None:
    """An archive with `count` registers of METERS meters; the reading with the number `bad` is longer than any broker
    takes."""
    store = Store(folder, "gw-test", lambda: to_us(datetime.now(UTC)), group_seconds=0.0)
    store.open()
    exchanges = count // len(CODES)
    for number in range(exchanges):
        meter = f"em-{number % METERS}"
        readings = tuple(
            Reading(
                meter,
                Obis.parse(code),
                code,
                Kind.REGISTER,
                START + timedelta(milliseconds=number),
                b"x",
                f"{number:07d}.375",
                "kWh",
                more=("x" * 9000,) if number * len(CODES) + place + 1 == bad else (),
            )
            for place, code in enumerate(CODES)
        )
        exchange = Exchange(meter, "line", "registers all", START, START, b"/ISk5", Outcome.DONE)
        store.submit(Entry(exchange, readings, (DIRECT,) * len(readings), "35031234"))
    asyncio.run(store.flush())
    assert store.head == count
    store.close()


def configure(site: Site, *sinks: str) -> Site:
    """Meters are described and not read: this is about sinks."""
    lines = "  a: {type: tcp, host: 127.0.0.1, port: 1}\n"
    meters = "".join(f"  - {{id: em-{number}, driver: iec62056_21, line: a}}\n" for number in range(METERS))
    site.configure(lines, meters, "".join(f"  - {{{sink}}}\n" for sink in sinks))
    return site


def mqtt(port: int, name: str = "mqtt", more: str = "") -> str:
    return f"id: {name}, type: mqtt, host: 127.0.0.1, port: {port}{more}"


def sinks_of(site: Site, *, code: int | None = None) -> dict[str, dict[str, Any]]:
    """What `gatewayd status --json` says of each sink."""
    done = site.run("status", "--json")
    if code is not None:
        assert done.returncode == code, done.stderr
    return {sink["id"]: sink for sink in json.loads(done.stdout)["sinks"]}


def running(site: Site) -> bool:
    return bool(json.loads(site.run("status", "--json").stdout or '{"running": false}')["running"])


def resident_kb(process: "subprocess.Popen[str]") -> int:
    status = Path(f"/proc/{process.pid}/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1])


class Arrivals:
    """Counts what arrives over MQTT without keeping the payloads: numbers and their order within each topic."""

    def __init__(self, broker: Mosquitto) -> None:
        command = [program("mosquitto_sub"), "-h", broker.host, "-p", str(broker.port), "-q", "1"]
        command += ["-t", "gatewayd/+/+/register/#", "-F", "%t\t%p"]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.times: Counter[int] = Counter()
        self.first_seen: defaultdict[str, list[int]] = defaultdict(list)
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            topic, payload = line.split("\t", 1)
            (reading,) = json.loads(payload)["readings"]
            with self._changed:
                if not self.times[reading["seq"]]:
                    self.first_seen[topic].append(reading["seq"])
                self.times[reading["seq"]] += 1
                self._changed.notify_all()

    def wait(self, distinct: int, seconds: float = DEADLINE_S) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.times) >= distinct, seconds), f"{len(self.times)} arrived"

    @property
    def repeated(self) -> int:
        return sum(self.times.values()) - len(self.times)

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._thread.join(DEADLINE_S)


@contextmanager
def counting(broker: Mosquitto) -> Iterator[Arrivals]:
    counter = Arrivals(broker)
    try:
        with Subscriber(broker, "nothing"):  # once this later one stands, ours does too
            yield counter
    finally:
        counter.close()


# ------------------------------------------------------------------------------------------------- kills and outages


@pytest.mark.timeout(600)
def test_a_kill_in_the_middle_of_a_long_queue_repeats_no_more_than_the_window(tmp_path: Path) -> None:
    """The broker is killed as well, and wiped: what it had acknowledged is asked for again by number."""
    fill(tmp_path / "archive", QUEUED)
    broker = Mosquitto(tmp_path)
    site = configure(Site(tmp_path), mqtt(broker.port, more=", window: 20"))
    with broker, counting(broker) as counter:
        for part in (3, 2):
            with site.daemon() as daemon:
                counter.wait(QUEUED // part)
                assert len(counter.times) < QUEUED
                assert end(daemon.process, signal.SIGKILL) == -signal.SIGKILL
            # what was on its way in the sockets arrives
            eventually(
                lambda: read_cursors(site.archive)["mqtt"].cursor <= len(counter.times), "the broker hands it on"
            )
        with site.daemon() as daemon:
            counter.wait(QUEUED, 300)
            before = resident_kb(daemon.process)
            eventually(lambda: sinks_of(site)["mqtt"]["waiting"] == 0, "everything is acknowledged")
            assert daemon.terminate() == 0
            assert before < 200_000
        assert set(counter.times) == set(range(1, QUEUED + 1))
        assert counter.repeated <= 2 * 20, "at most the window for each kill"
        assert all(found == sorted(found) for found in counter.first_seen.values())
        assert len(counter.first_seen) == METERS * len(CODES)
    assert site.json("archive", "verify")["ok"]


@pytest.mark.timeout(300)
def test_a_broker_that_was_wiped_gets_it_again_by_number(tmp_path: Path) -> None:
    count = 2000
    fill(tmp_path / "archive", count)
    broker = Mosquitto(tmp_path)
    site = configure(Site(tmp_path), mqtt(broker.port))
    with broker, site.daemon() as daemon:
        eventually(lambda: running(site) and sinks_of(site)["mqtt"]["waiting"] == 0, "all is delivered")
        broker.restart()  # without persistence: everything that it had acknowledged is gone
        with counting(broker) as counter:
            done = site.run("sink", "replay", "mqtt", "--from", "501")
            assert (done.returncode, done.stdout) == (0, "mqtt: 1500 readings delivered again\n"), done.stderr
            counter.wait(1500)
            assert set(counter.times) == set(range(501, count + 1))
            assert counter.repeated == 0
        (noted,) = site.json("archive", "audit", "--category", "operator")["audit"]
        assert (noted["source"], noted["type"], noted["subject"]) == (user_name(os.geteuid()), "sink-replay", "mqtt")
        assert (noted["result"], noted["detail"]) == ("done", f"readings 501 to {count}: 1500 delivered again")
        eventually(lambda: sinks_of(site)["mqtt"]["state"] == "connected", "the gateway's own connection is back")
        assert daemon.terminate() == 0


@pytest.mark.timeout(300)
def test_a_dead_sink_costs_the_others_nothing(tmp_path: Path) -> None:
    """One broker stopped, one that is not there, one that is a black hole; the fourth gets everything at once."""
    fill(tmp_path / "archive", 5000)
    (tmp_path / "s").mkdir()
    stopped, good = Mosquitto(tmp_path / "s"), Mosquitto(tmp_path)
    with stopped, good, socket.create_server(("127.0.0.1", 0)) as hole, counting(good) as counter:
        stopped.stop()
        site = configure(
            Site(tmp_path),
            mqtt(stopped.port, "stopped", ", timeout_s: 1"),
            mqtt(free_port(), "absent"),
            mqtt(hole.getsockname()[1], "hole", ", timeout_s: 1"),
            mqtt(good.port, "good"),
        )
        with site.daemon() as daemon:
            counter.wait(5000, 30)
            eventually(lambda: sinks_of(site)["good"]["waiting"] == 0, "the good one is done")
            eventually(lambda: [sink["state"] for sink in sinks_of(site).values()].count("broken") == 3, "told")
            found = sinks_of(site, code=1)
            assert [found[name]["waiting"] for name in ("stopped", "absent", "hole")] == [5000] * 3
            assert "did not answer within 1 s" in found["hole"]["fault"]
            stopped.cont()
            eventually(lambda: sinks_of(site)["stopped"]["waiting"] == 0, "the stopped one is served when it goes on")
            assert daemon.terminate() == 0


@pytest.mark.timeout(300)
def test_databases_that_were_down_get_everything_and_a_kill_changes_nothing(tmp_path: Path) -> None:
    count = 20_000
    fill(tmp_path / "archive", count)
    (tmp_path / "vm").mkdir()
    with PostgreSQL() as postgres, VictoriaMetrics(tmp_path / "vm") as metrics:
        (tmp_path / "password").write_text(postgres.password)
        site = configure(
            Site(tmp_path),
            f"id: tsdb, type: line_protocol, dialect: victoriametrics, url: '{metrics.url}', batch: 500",
            f"id: pg, type: postgresql, host: 127.0.0.1, port: {postgres.port}, database: {postgres.database}, "
            f"username: {postgres.user}, password_file: {tmp_path / 'password'}, batch: 500, timeout_s: 5",
        )
        metrics.kill()
        postgres.kill()
        with site.daemon() as daemon:
            eventually(lambda: running(site) and len(broken(site)) == 2, "both are down, and that is said")
            found = sinks_of(site, code=1)
            assert found["tsdb"]["waiting"] == found["pg"]["waiting"] == count
            metrics.start()
            postgres.start()
            eventually(lambda: any(sink["delivered"] for sink in sinks_of(site).values()), "one of them comes back")
            assert end(daemon.process, signal.SIGKILL) == -signal.SIGKILL
        with site.daemon() as daemon:
            eventually(lambda: running(site) and drained(site), "both have everything")
            assert resident_kb(daemon.process) < 200_000
            assert daemon.terminate() == 0
        (row,) = postgres.query(
            "SELECT count(*), count(DISTINCT seq), min(seq), max(seq) FROM gatewayd.reading", "meters"
        )
        assert row == (str(count), str(count), "1", str(count))
        done = site.run("sink", "replay", "pg", "--from", "1", "--to", "5000")
        assert done.returncode == 0, done.stderr
        assert postgres.query("SELECT count(*) FROM gatewayd.reading") == [(str(count),)]


def drained(site: Site) -> bool:
    return all(sink["waiting"] == 0 and sink["state"] == "connected" for sink in sinks_of(site).values())


def broken(site: Site) -> list[str]:
    return [name for name, sink in sinks_of(site).items() if sink["state"] == "broken"]


# ----------------------------------------------------------------------------------------------- what status tells


@pytest.mark.timeout(120)
def test_status_says_what_is_wrong_with_each_sink_and_nobody_is_pestered(tmp_path: Path) -> None:
    """Wrong password, a stranger's authority, an access list: each in words, without a busy loop."""
    fill(tmp_path / "archive", 100)
    authority, stranger = Authority(tmp_path), Authority(tmp_path, "stranger")
    certificate, key = authority.issue("broker")
    tls = free_port()
    access = tmp_path / "acl"
    access.write_text(
        "user gw\ntopic readwrite test/#\ntopic write gatewayd/gw-test/status\ntopic write gatewayd/+/+/meta\n"
    )
    (tmp_path / "right").write_text("open sesame\n")
    (tmp_path / "wrong").write_text("open barley\n")
    settings = [f"acl_file {access}", f"listener {tls} 127.0.0.1", f"certfile {certificate}", f"keyfile {key}"]
    (tmp_path / "b").mkdir()
    with Mosquitto(tmp_path / "b", users={"gw": "open sesame"}, settings=settings) as broker:
        user = f", username: gw, password_file: {tmp_path / 'right'}"
        site = configure(
            Site(tmp_path),
            mqtt(broker.port, "password", f", username: gw, password_file: {tmp_path / 'wrong'}"),
            mqtt(tls, "authority", f", tls: {{ca_file: {stranger.ca_file}}}{user}"),
            mqtt(broker.port, "rights", user),
        )
        with site.daemon() as daemon:
            eventually(lambda: running(site) and len(broken(site)) == 3, "three sinks are broken")
            eventually(lambda: all(sink["attempts"] >= 2 for sink in sinks_of(site).values()), "each is tried again")
            found = sinks_of(site, code=1)
            assert found["password"]["fault"] == (
                f"broker 127.0.0.1:{broker.port} does not let user 'gw' in: wrong user or password, or not authorised"
            )
            assert "TLS certificate that is not trusted" in found["authority"]["fault"]
            assert "does not let user 'gw' write to gatewayd/gw-test/em-" in found["rights"]["fault"]
            assert [sink["waiting"] for sink in found.values()] == [100] * 3
            text = site.run("status").stdout
            assert "broken" in text and "does not let user 'gw' in" in text
            assert "sesame" not in text + daemon.messages and "barley" not in text + daemon.messages
            assert daemon.messages.count("password: broken") == 1, "one line for each change of state"
            assert all(sink["attempts"] < 40 for sink in found.values())
            assert daemon.terminate() == 0
    assert "not running" in site.run("status").stdout


@pytest.mark.timeout(120)
def test_what_a_sink_refuses_is_set_aside_and_listed(tmp_path: Path) -> None:
    fill(tmp_path / "archive", 100, bad=42)
    with Mosquitto(tmp_path, settings=["max_packet_size 5000"]) as broker, counting(broker) as counter:
        site = configure(Site(tmp_path), mqtt(broker.port, more=", message_limit: 4096"))
        assert site.run("sink", "set-aside").stdout == "nothing was set aside\n"
        with site.daemon() as daemon:
            eventually(lambda: running(site) and sinks_of(site)["mqtt"]["waiting"] == 0, "the rest arrives")
            counter.wait(99)
            assert 42 not in counter.times
            assert sinks_of(site, code=0)["mqtt"]["set_aside"] == 1
            assert "reading 42 set aside" in daemon.messages
            assert daemon.terminate() == 0
    (row,) = site.json("sink", "set-aside", "mqtt")["set_aside"]
    assert (row["from"], row["to"]) == (42, 42)
    assert "takes (5000 bytes)" in row["reason"]
    assert "takes (5000 bytes)" in site.run("sink", "set-aside").stdout


@pytest.mark.timeout(120)
def test_where_a_new_sink_begins_and_where_one_goes_on_that_was_away(tmp_path: Path) -> None:
    fill(tmp_path / "archive", 500)
    today = datetime.now(UTC).date().isoformat()
    with Mosquitto(tmp_path) as broker:
        site = Site(tmp_path)
        first = mqtt(broker.port, "first")
        configure(
            site, first, mqtt(broker.port, "now", ", start: now"), mqtt(broker.port, "today", f", start: {today}")
        )
        with site.daemon() as daemon:
            eventually(
                lambda: running(site) and all(s["waiting"] == 0 for s in sinks_of(site).values()), "all delivered"
            )
            found = sinks_of(site)
            assert {name: sink["delivered"] for name, sink in found.items()}["first"] == 500
            assert found["now"]["delivered"] == 0
            assert found["today"]["delivered"] in (500, 0)  # 0 when midnight has just passed
            assert daemon.terminate() == 0
        configure(site)  # all are taken out, and the first comes back with its cursor
        with site.daemon() as daemon:
            eventually(lambda: running(site), "it runs")
            assert daemon.terminate() == 0
        configure(site, first)
        assert sinks_of(site)["first"]["cursor"] == 500
        with site.daemon() as daemon:
            eventually(lambda: running(site) and sinks_of(site)["first"]["state"] == "connected", "it is back")
            assert sinks_of(site, code=0)["first"]["delivered"] == 0
            assert daemon.terminate() == 0


# ------------------------------------------------------------------------------------------------------- sink check


@pytest.mark.timeout(120)
def test_sink_check_beside_a_running_gateway(tmp_path: Path) -> None:
    fill(tmp_path / "archive", 10)
    with Mosquitto(tmp_path) as broker:
        site = configure(Site(tmp_path), mqtt(broker.port), mqtt(free_port(), "absent"))
        with site.daemon() as daemon:
            eventually(lambda: running(site) and sinks_of(site)["mqtt"]["state"] == "connected", "it runs")
            found = site.json("sink", "check", "mqtt")
            texts = [remark["text"] for remark in found["sinks"][0]["remarks"]]
            assert found["ok"] and "the probe came back, retained and unchanged" in texts
            assert any("MQTT 5" in text for text in texts)
            assert sinks_of(site)["mqtt"]["state"] == "connected", "the gateway was not thrown out"
            with Subscriber(broker, "gatewayd/gw-test/check", contract=False) as subscriber:
                assert subscriber.received == [], "the probe is cleared"
            done = site.run("sink", "check")
            assert done.returncode == 1
            assert "refuses the connection; is it running" in done.stdout
            assert site.run("sink", "check", "nobody").returncode == 2
            assert daemon.messages.count("Traceback") == 0
            assert daemon.terminate() == 0


# ------------------------------------------------------------------------------------------------------ a full disk


@pytest.mark.timeout(120)
def test_a_full_disk_stops_no_delivery_and_no_cursor(tmp_path: Path) -> None:
    """The archive lies on a small file system that somebody else has filled up."""
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(small)], check=True)
    try:
        fill(small / "archive", 10_000)
        with Mosquitto(tmp_path) as broker, counting(broker) as counter:
            site = configure(Site(tmp_path), mqtt(broker.port))
            site.config.write_text(site.config.read_text().replace(str(site.archive), str(small / "archive")))
            daemon: Daemon
            with site.daemon() as daemon:
                eventually(lambda: running(site), "it runs")
                with (small / "filler").open("wb") as filler:
                    try:
                        while True:
                            filler.write(b"x" * 65536)
                            filler.flush()
                    except OSError:
                        pass
                counter.wait(10_000)
                eventually(lambda: sinks_of(site)["mqtt"]["waiting"] == 0, "all is acknowledged")
                assert read_cursors(small / "archive")["mqtt"].cursor == 10_000
                assert end(daemon.process, signal.SIGKILL) == -signal.SIGKILL
            with site.daemon() as daemon:
                eventually(lambda: running(site) and sinks_of(site)["mqtt"]["state"] == "connected", "it runs again")
                assert sinks_of(site)["mqtt"]["delivered"] == 0
                daemon.terminate()
            assert counter.repeated == 0
    finally:
        subprocess.run(["umount", "-l", str(small)], check=True)
