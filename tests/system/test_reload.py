"""Reloading in full flight: twenty configurations while eight meters are read. Nothing is lost, nothing comes twice."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import apsw
import pytest

from tests.interop.http_server import HttpServer, Reply, Request
from tests.system.dlms_rig import TOTALS, total
from tests.system.forked import QuickSite, running
from tests.system.rig import ROOT, Daemon, Site, eventually

PRAGUE = ZoneInfo("Europe/Prague")
COUNT = 8
RELOADS = 20
QUARTER = timedelta(minutes=15)
SEQ = re.compile(r"seq=([0-9]+)i")
LOADED, REFUSED = "the configuration was loaded again", "the configuration is not taken"


@contextmanager
def meters(folder: Path, days: int, delay_ms: int) -> Iterator[list[int]]:
    """The ports of eight meters in one process; the seed of the first is 1, and they count on."""
    options = ["--framing", "wrapper", "--profile-days", str(days), "--now", "real", "--delay-ms", str(delay_ms)]
    with running(folder, "simulators", "dlms", "--count", str(COUNT), "--tcp", "0", *options) as process:
        ready = process.line()
        assert ready.startswith("ready "), ready
        yield [int(port) for port in ready.rsplit(":", 1)[1].split(",")]


def written(site: Site, ports: list[int], without: int | None = None, every: str = "30m", more: str = "") -> str:
    """A configuration; two meters share a line with nobody, so that each can be told from the others."""
    chosen = [number for number in range(COUNT) if number != without]
    lines = "".join(f"  l{number}: {{type: tcp, host: 127.0.0.1, port: {ports[number]}}}\n" for number in chosen)
    entries = "".join(
        f"  - {{id: em-{number}, driver: dlms, line: l{number}, metering_type: A, "
        f"dlms: {{transport: wrapper, client: 16, server: 1}}, "
        f"jobs: [{{profile: 1-0:99.1.0, every: 15m, backfill_months: 1}}, "
        f"{{registers: [1-0:1.8.0], every: {every if number == 0 else '30m'}}}]}}\n"
        for number in chosen
    )
    text = f"gateway: {{id: gw-test, clock: trusted}}\narchive: {{path: {site.archive}}}\n"
    return f"{text}lines:\n{lines}meters:\n{entries}{more}"


def attempts(daemon: Daemon) -> int:
    return daemon.messages.count(LOADED) + daemon.messages.count(REFUSED)


def head(site: QuickSite) -> int:
    return int(site.json("status")["archive"]["head"]["seq"])


def complete(site: QuickSite) -> bool:
    known = site.json("status")["meters"]
    profiles = [profile for meter in known for profile in meter["profiles"]]
    return len(profiles) == COUNT and not any(one["back_fill"] or one["waiting"] for one in profiles)


def rows(site: Site) -> list[tuple[str, str, int, str]]:
    """Meter, code, instant in microseconds and raw text of every row of a load profile in the archive."""
    found: list[tuple[str, str, int, str]] = []
    for path in sorted(site.archive.glob("segment-*.sqlite")):
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        found += connection.execute(ROWS).fetchall()  # type: ignore[arg-type]  # as the query says
        connection.close()
    return found


ROWS = """
SELECT s.meter, s.obis, r.at, r.raw_text FROM reading r
JOIN series s ON s.id = r.series JOIN exchange e ON e.id = r.exchange
WHERE e.request LIKE 'profile 1-0:99.1.0%' AND s.obis LIKE '1-0:_.8.0*255'
"""


@pytest.mark.timeout(300)
def test_twenty_reloads_while_eight_meters_are_read(tmp_path: Path) -> None:
    site = Site(tmp_path)
    quick = QuickSite(site)
    begun, delivered = datetime.now(PRAGUE), Counter[int]()

    def taken(request: Request) -> Reply:
        delivered.update(int(seq) for seq in SEQ.findall(request.body.decode()))
        return Reply()

    with meters(tmp_path, days=20, delay_ms=250) as ports, HttpServer(taken) as database:
        sink = f"sinks: [{{id: tsdb, type: line_protocol, dialect: victoriametrics, url: '{database.url}'}}]\n"
        site.config.write_text(written(site, ports))
        with site.daemon() as daemon:
            eventually(lambda: "gatewayd 0" in daemon.messages, "the daemon runs")
            pid, since, in_flight = None, None, 0
            for number in range(RELOADS):
                before = attempts(daemon)
                broken = number % 4 == 3
                text = change(site, ports, number, sink)
                site.config.write_text(text + ("metres: []\n" if broken else ""))
                if number % 2:
                    done = quick.run("reload")
                    assert done.returncode == (2 if broken else 0), done.stderr
                    if broken:
                        assert "metres" in done.stderr and "nothing was changed" in done.stderr
                else:
                    os.kill(daemon.process.pid, signal.SIGHUP)
                eventually(lambda n=before: attempts(daemon) > n, "an answer to the signal")  # type: ignore[misc]
                document = quick.json("status", code=1 if broken else 0)
                assert bool(document["configuration"]["fault"]) == broken
                pid, since = pid or document["pid"], since or document["since"]
                assert (document["pid"], document["since"]) == (pid, since), "it is still the same process"
                in_flight += sum(bool(line["under_way"]) for line in document["lines"]) >= COUNT // 2
            assert in_flight >= RELOADS // 2, "the meters are being read meanwhile"
            site.config.write_text(written(site, ports, more=sink))
            assert quick.run("reload").returncode == 0
            eventually(lambda: complete(quick), "everything is read", 200)
            assert daemon.terminate() == 0
            archived = site.json("archive", "verify")["readings"]
            assert delivered == Counter(range(1, archived + 1)), "each reading once: orderly changes repeat nothing"
    assert "Traceback" not in daemon.messages
    assert daemon.messages.count(REFUSED) == RELOADS // 4
    verified = site.json("archive", "verify")
    assert verified["ok"], verified
    checked(rows(site), begun)
    audited = site.json("archive", "audit", "--category", "configuration")["audit"]
    assert Counter(one["result"] for one in audited) == {"done": RELOADS - RELOADS // 4 + 1, "refused": RELOADS // 4}
    assert {one["source"] for one in audited} > {"SIGHUP"}


def change(site: Site, ports: list[int], number: int, sink: str) -> str:
    """Each is another one than that before it: a meter less, another rhythm, a sink more."""
    match number % 3:
        case 0:
            return written(site, ports, without=number % COUNT)
        case 1:
            return written(site, ports, every=f"{30 + number}m")
        case _:
            return written(site, ports, more=sink)


def checked(found: list[tuple[str, str, int, str]], begun: datetime) -> None:
    """Against the formula of the simulator: every quarter-hour of the last days, once, and with the meter's number."""
    newest = begun - timedelta(minutes=begun.minute % 15, seconds=begun.second, microseconds=begun.microsecond)
    assert {meter for meter, *_ in found} == {f"em-{number}" for number in range(COUNT)}
    for number in range(COUNT):
        for channel, code in enumerate(TOTALS, 1):
            mine = [(at, raw) for meter, obis, at, raw in found if (meter, obis) == (f"em-{number}", code)]
            ats = sorted(at for at, _ in mine)
            assert len(set(ats)) == len(ats), f"em-{number} {code}: something is there twice"
            instants = [datetime.fromtimestamp(at / 1e6, PRAGUE) for at in ats]
            assert instants[-1] >= newest and len(instants) >= 19 * 96, (number, code, instants[0], instants[-1])
            holes = [one for one, other in pairwise(ats) if other - one != 900_000_000]
            assert not holes, f"em-{number} {code}: holes behind {holes}"
            for at, raw in mine:
                assert raw == str(total(datetime.fromtimestamp(at / 1e6, PRAGUE), channel, number + 1))


def journalled(site: Site) -> bytes:
    """What a reload by the service manager says: what has no priority would be an error."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        found = os.fstat(theirs.fileno())
        command = [sys.executable, "-m", "gatewayd", "-c", str(site.config), "reload"]
        environment = os.environ | {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"}
        subprocess.run(command, stderr=theirs.fileno(), env=environment, cwd=ROOT, check=True)
        theirs.close()
        return ours.recv(65536)


@pytest.mark.timeout(120)
def test_what_only_a_start_can_change_is_refused_with_the_remedy(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.configure("  a: {type: tcp, host: 127.0.0.1, port: 9}\n", "  []\n")
    quick = QuickSite(site)
    with site.daemon() as daemon:
        eventually(lambda: "gatewayd 0" in daemon.messages, "the daemon runs")
        text = site.config.read_text()
        site.config.write_text(text.replace("gw-test", "gw-other"))
        refused = quick.run("reload", "--json")
        assert refused.returncode == 2 and "systemctl restart gatewayd" in refused.stderr
        assert json.loads(refused.stdout)["event"] == "refused"
        document = quick.json("status", code=1)
        assert document["gateway"] == "gw-test" and "gateway.id" in document["configuration"]["fault"]
        site.config.write_text(text)
        done = quick.run("reload")
        assert done.stdout.strip() == f"{site.config}: nothing has changed"
        assert "warning: " in done.stderr and journalled(site) == b"", "the gateway has told the journal itself"
        assert quick.json("status")["configuration"]["fault"] is None
        assert daemon.terminate() == 0


def test_without_a_gateway_there_is_nothing_to_reload(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.configure("  a: {type: tcp, host: 127.0.0.1, port: 9}\n", "  []\n")
    done = QuickSite(site).run("reload")
    assert done.returncode == 1 and "no gateway answers at" in done.stderr
