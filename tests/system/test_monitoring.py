"""A real gateway scraped over HTTP: its counters are those of its archive, every metric that is promised is there, and
neither hostile clients nor a disk that is full are anybody's harm."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import apsw
import pytest

from gatewayd.daemon.metric_names import FAMILIES
from gatewayd.model import RawStatus
from tests.interop.server import free_port
from tests.system.forked import Forked, running
from tests.system.rig import QUICK, ROOT, Site, eventually

INDUSTRIAL = ROOT / "simulators" / "readouts" / "industrial.txt"
SAMPLE = re.compile(r"([a-z_]+)(?:\{(.*)\})? (\S+)")
LABEL = re.compile(r'([a-z_]+)="([^"]*)"')
Key = tuple[str, frozenset[tuple[str, str]]]
UNTOLD = {"gatewayd_gateway_clock_error_seconds", "gatewayd_alarms"}
"""Not of this gateway: its clock is trusted, and whether a meter has an alarm is the meter's business."""


@dataclass(frozen=True, slots=True)
class Gateway:
    """A gateway that runs, and the port of its pages."""

    site: Site
    process: Forked
    port: int

    def get(self, path: str) -> tuple[int, str]:
        """Status and body."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=20) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def samples(self) -> dict[Key, str]:
        found: dict[Key, str] = {}
        for line in self.get("/metrics")[1].splitlines():
            if line and not line.startswith("#"):
                name, labels, value = SAMPLE.fullmatch(line).groups()  # type: ignore[union-attr]  # fails where it is none
                found[name, frozenset(LABEL.findall(labels or ""))] = value
        return found

    def value(self, name: str, **labels: str) -> str | None:
        return self.samples().get((name, frozenset(labels.items())))

    def reload(self, text: str) -> None:
        before = self.process.said.count("the configuration was loaded again")
        self.site.config.write_text(text)
        os.kill(self.process.pid, signal.SIGHUP)
        said = self.process
        eventually(lambda: said.said.count("the configuration was loaded again") > before, "the reload")


def head(site: Site, port: int, archive: Path | None = None) -> str:
    return (
        f"gateway: {{id: gw-test, clock: trusted}}\narchive: {{path: {archive or site.archive}}}\n"
        f"observability: {{listen: '127.0.0.1:{port}'}}\n"
    )


@contextmanager
def gateway(site: Site, text: str, port: int) -> Iterator[Gateway]:
    site.config.write_text(text)
    with running(site.folder, "gatewayd", "-c", str(site.config), "run") as process:
        eventually(lambda: "metrics and health at" in process.said, "the pages are there")
        yield Gateway(site, process, port)


@contextmanager
def meter(folder: Path) -> Iterator[int]:
    """The TCP port of a meter by IEC 62056-21."""
    options = ("--readout", str(INDUSTRIAL), "--tcp", "0", *QUICK)
    with running(folder, "simulators", "iec62056_21", *options) as process:
        yield int(process.line().rsplit(":", 1)[1])


@contextmanager
def profile_meter(folder: Path) -> Iterator[int]:
    """Of one that speaks DLMS and has a load profile."""
    options = ("--framing", "wrapper", "--profile-days", "3", "--now", "real", "--tcp", "0")
    with running(folder, "simulators", "dlms", *options) as process:
        yield int(process.line().rsplit(":", 1)[1])


def everything(site: Site, port: int, meters: tuple[int, int]) -> str:
    """A meter read each second, one with a profile, a line and a modem that are dead, a database that is gone."""
    return (
        head(site, port) + "lines:\n"
        f"  good: {{type: tcp, host: 127.0.0.1, port: {meters[0]}}}\n"
        f"  dlms: {{type: tcp, host: 127.0.0.1, port: {meters[1]}}}\n"
        f"  dead: {{type: tcp, host: 127.0.0.1, port: {free_port()}}}\n"
        f"  modem: {{type: modem, device: {site.folder / 'no-such-modem'}}}\n"
        "meters:\n"
        "  - {id: em-1, driver: iec62056_21, line: good, jobs: [{registers: all, every: 1s}]}\n"
        "  - {id: em-2, driver: dlms, line: dlms, metering_type: A, dlms: {transport: wrapper, client: 16, server: 1}, "
        "jobs: [{profile: 1-0:99.1.0, every: 15m, backfill_months: 1}]}\n"
        "  - {id: em-3, driver: iec62056_21, line: dead, jobs: [{registers: all, every: 1s}]}\n"
        "  - {id: em-4, driver: iec62056_21, line: modem, phone: '123', jobs: [{registers: all, every: 1d}]}\n"
        "points: [{id: north, meter: em-2}]\n"
        "sinks:\n"
        f"  - {{id: tsdb, type: line_protocol, dialect: victoriametrics, url: 'http://127.0.0.1:{free_port()}'}}\n"
        f"  - {{id: broker, type: mqtt, host: 127.0.0.1, port: {free_port()}}}\n"
    )


@pytest.fixture(scope="module")
def scraped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """One gateway for the tests that only look."""
    site = Site(tmp_path_factory.mktemp("site"))
    with ExitStack() as stack:
        ports = stack.enter_context(meter(site.folder)), stack.enter_context(profile_meter(site.folder))
        port = free_port()
        made = stack.enter_context(gateway(site, everything(site, port, ports), port))
        eventually(lambda: made.value("gatewayd_profile_gaps", meter="em-2", state="asked") is not None, "a profile")
        eventually(lambda: made.value("gatewayd_reads_total", driver="dlms", result="done") != "0", "a profile is read")
        eventually(lambda: made.value("gatewayd_metering_archive_head_seq") not in (None, "0"), "values are derived")
        yield made


def archived(folder: Path, head: int) -> tuple[Counter[str], Counter[str]]:
    """By status: readings up to a number; by outcome: their exchanges, and those behind which there are none."""
    statuses, outcomes = Counter[str](), Counter[str]()
    for path in sorted(folder.glob("segment-*.sqlite")):
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        for status, count in connection.execute(
            "SELECT status, count(*) FROM reading WHERE seq <= ? GROUP BY 1", (head,)
        ):
            statuses[RawStatus(int(str(status))).text] += int(str(count))
        for outcome, count in connection.execute("SELECT outcome, count(*) FROM exchange GROUP BY 1"):
            outcomes[str(outcome)] += int(str(count))
        connection.close()
    return statuses, outcomes


def derived(folder: Path) -> dict[str, Counter[tuple[str, ...]]]:
    """What is in the derived archive: values by layer and status, substitutes by method, findings by rule."""
    values, substitutes, findings = Counter[tuple[str, ...]](), Counter[tuple[str, ...]](), Counter[tuple[str, ...]]()
    for path in sorted((folder / "derived").glob("segment-*.sqlite")):
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        for layer, status, more in connection.execute(
            "SELECT s.obis_raw, r.status, r.more FROM reading AS r JOIN series AS s ON s.id = r.series "
            "WHERE s.kind <> 'event'"
        ):
            method, _, _, _, _, rules, *_ = json.loads(str(more))
            values[str(layer), RawStatus(int(str(status))).text] += 1
            if method in ("control", "interpolated", "comparable", "estimate", "manual"):
                substitutes[method,] += 1
            findings.update((rule,) for rule in rules.split(",") if rule)
        connection.close()
    return {"values": values, "substitutes": substitutes, "findings": findings}


def of(samples: dict[Key, str], name: str, label: str) -> Counter[str]:
    """By the value of a label; zeros left out."""
    return Counter(
        {
            dict(labels)[label]: int(value)
            for (found, labels), value in samples.items()
            if found == name and value != "0"
        }
    )


def test_every_metric_that_is_promised_is_exported_and_no_other(scraped: Gateway) -> None:
    eventually(lambda: scraped.value("gatewayd_last_success_timestamp_seconds", meter="em-2") is not None, "a read")
    exported = {name for name, _ in scraped.samples()}
    promised = {name for family in FAMILIES for name in family.names}
    assert exported - promised == set()
    assert promised - exported <= UNTOLD, promised - exported
    for (name, labels), value in scraped.samples().items():
        family = next(family for family in FAMILIES if name in family.names)
        wanted = {*family.labels} | ({"le"} if name.endswith("_bucket") else set())
        assert {label for label, _ in labels} == wanted, name
        assert re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", value), (name, value)


def test_promtool_takes_the_page(scraped: Gateway) -> None:
    program = shutil.which("promtool")
    if program is None:
        pytest.fail("promtool is not installed; run: apt-get install --no-install-recommends prometheus")
    page = scraped.get("/metrics")[1]
    done = subprocess.run(
        [program, "check", "metrics"], input=page, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_counters_are_those_of_the_archive(scraped: Gateway) -> None:
    """In the readings of any page, and in its exchanges when nothing was archived meanwhile."""

    def agree() -> bool:
        before = archived(scraped.site.archive, 1 << 60)
        samples = scraped.samples()
        if archived(scraped.site.archive, 1 << 60) != before:
            return False
        if of(samples, "gatewayd_readings_total", "status") != before[0]:
            return False
        assert int(samples["gatewayd_archive_head_seq", frozenset()]) == sum(before[0].values())
        return of(samples, "gatewayd_exchanges_total", "outcome") == before[1]

    eventually(agree, "page and archive agree")
    reads = of(scraped.samples(), "gatewayd_reads_total", "result")
    assert reads["done"] > 1 and reads["line_failed"] >= 1


def test_the_counters_of_derived_values_are_those_of_the_derived_archive(scraped: Gateway) -> None:
    """Of the whole archive: it was made when the gateway was started."""
    labels = {"values": ("layer", "status"), "substitutes": ("method",), "findings": ("rule",)}

    def agree() -> bool:
        before = derived(scraped.site.archive)
        samples = scraped.samples()
        if derived(scraped.site.archive) != before:
            return False
        for what, names in labels.items():
            counted = Counter[tuple[str, ...]]()
            for (found, tags), value in samples.items():
                if found == f"gatewayd_metering_{what}_total" and value != "0":
                    counted[tuple(dict(tags)[name] for name in names)] = int(value)
            if counted != before[what]:
                return False
        return bool(before["values"])

    eventually(agree, "page and derived archive agree")
    known = scraped.samples()
    none: frozenset[tuple[str, str]] = frozenset()
    broker = frozenset({("sink", "broker")})
    assert known["gatewayd_metering_fault", none] == "0"
    assert int(known["gatewayd_metering_points", none]) >= 1
    assert known["gatewayd_metering_sink_connected", broker] == "0"
    assert int(known["gatewayd_metering_outbox_depth", broker]) <= int(
        known["gatewayd_metering_archive_head_seq", none]
    )
    assert float(known["gatewayd_metering_outbox_oldest_seconds", broker]) > 0


def test_what_is_said_of_lines_meters_and_sinks(scraped: Gateway) -> None:
    eventually(lambda: scraped.value("gatewayd_line_state", line="dead") in ("1", "2"), "the line has failed")
    eventually(lambda: scraped.value("gatewayd_meter_fault", meter="em-3") == "1", "the meter cannot be read")
    eventually(lambda: scraped.value("gatewayd_outbox_oldest_seconds", sink="tsdb") not in (None, "0"), "a backlog")
    known = scraped.samples()

    def value(name: str, **labels: str) -> str | None:
        return known.get((name, frozenset(labels.items())))

    assert value("gatewayd_line_state", line="good") == "0"
    assert value("gatewayd_meter_fault", meter="em-1") == "0"
    last = value("gatewayd_last_success_timestamp_seconds", meter="em-1")
    assert last is not None and 0 <= time.time() - float(last) < 30
    assert value("gatewayd_last_success_timestamp_seconds", meter="em-3") is None
    assert value("gatewayd_read_period_seconds", meter="em-2") == "900"
    assert value("gatewayd_sink_connected", sink="tsdb") == "0"
    depth = value("gatewayd_outbox_depth", sink="tsdb")
    assert depth is not None and int(depth) == int(known["gatewayd_archive_head_seq", frozenset()])
    assert value("gatewayd_gateway_clock_synchronised") == value("gatewayd_ready") == "1"
    assert value("gatewayd_clock_offset_seconds", meter="em-1") is not None


def test_dead_meters_and_sinks_are_no_reason(scraped: Gateway) -> None:
    assert scraped.get("/healthz") == (200, '{"status":"alive","reasons":[]}\n')
    assert scraped.get("/readyz") == (200, '{"status":"ready","reasons":[]}\n')


def test_hostile_clients_are_nobodys_harm(scraped: Gateway) -> None:
    """Two hundred connections that drip, babble or do not read: pages come all the while, and meters are read."""
    hostile: list[socket.socket] = []
    before = of(scraped.samples(), "gatewayd_reads_total", "result")["done"]
    files = int(scraped.samples()["process_open_fds", frozenset()])
    try:
        for number in range(200):
            one = socket.create_connection(("127.0.0.1", scraped.port), timeout=20)
            hostile.append(one)
            with contextlib.suppress(OSError):
                one.sendall((b"G", b"GET /metrics HTTP/1.1\r\n\r\n", b"X: " + b"y" * 9000, b"")[number % 4])
            if number % 20 == 0:
                assert scraped.get("/healthz")[0] == 200
        for one in hostile:
            with contextlib.suppress(OSError):
                one.sendall(b"E")
        assert int(scraped.samples()["process_open_fds", frozenset()]) < files + 64 + 20
        eventually(
            lambda: of(scraped.samples(), "gatewayd_reads_total", "result")["done"] >= before + 3, "meters are read"
        )
    finally:
        for one in hostile:
            one.close()
    assert "Traceback" not in scraped.process.said


def test_another_configuration_moves_the_pages_and_switches_them_off(tmp_path: Path) -> None:
    site, first, second, taken = Site(tmp_path), free_port(), free_port(), free_port()
    with gateway(site, head(site, first), first) as made, socket.socket() as somebody:
        assert made.get("/readyz")[0] == 200
        made.reload(head(site, second))
        assert Gateway(site, made.process, second).get("/readyz")[0] == 200
        with pytest.raises(urllib.error.URLError):
            made.get("/readyz")
        somebody.bind(("127.0.0.1", taken))
        somebody.listen()
        made.reload(head(site, taken))
        assert f"127.0.0.1:{taken} cannot be listened at" in made.process.said
        assert "change observability.listen" in made.process.said
        made.reload(head(site, first).replace("observability", "# observability"))
        with pytest.raises(urllib.error.URLError):
            made.get("/readyz")
        made.reload(head(site, first))
        assert made.get("/readyz")[0] == 200
        os.kill(made.process.pid, signal.SIGTERM)
        assert made.process.wait() == 0
        assert "Traceback" not in made.process.said


def test_a_full_disk_is_not_ready_and_says_why(tmp_path: Path) -> None:
    """Until there is room again."""
    site, port, disk = Site(tmp_path), free_port(), tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", str(disk)], capture_output=True, text=True, check=False
    )
    assert mounted.returncode == 0, f"this test has to mount a file system: run it as root ({mounted.stderr.strip()})"
    try:
        with meter(tmp_path) as iec:
            text = head(site, port, disk) + f"lines: {{good: {{type: tcp, host: 127.0.0.1, port: {iec}}}}}\n"
            text += "meters: [{id: em-1, driver: iec62056_21, line: good, jobs: [{registers: all, every: 1s}]}]\n"
            with gateway(site, text, port) as made:
                eventually(lambda: made.value("gatewayd_archive_head_seq") not in (None, "0"), "readings")
                assert made.get("/readyz")[0] == 200
                with contextlib.suppress(OSError), (disk / "somebody-elses").open("wb", buffering=0) as file:
                    while True:
                        file.write(bytes(1 << 16))
                eventually(lambda: made.value("gatewayd_archive_fault") == "1", "a commit has failed")
                status, body = made.get("/readyz")
                reasons = json.loads(body)["reasons"]
                assert status == 503
                assert any(reason.startswith(f"archive {disk} takes nothing: ") for reason in reasons), reasons
                assert any("only 0 MiB are free on its disk" in reason for reason in reasons), reasons
                assert made.get("/healthz")[0] == 200, "a new start would not mend it"
                failed, ready = made.value("gatewayd_archive_commits_failed_total"), made.value("gatewayd_ready")
                assert failed is not None and int(failed) > 0 and ready == "0"
                (disk / "somebody-elses").unlink()
                eventually(lambda: made.get("/readyz")[0] == 200, "there is room again")
                made.process.kill()
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)
