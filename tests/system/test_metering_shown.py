"""What a gateway with metering points shows of its derived layer: status, health, doctor; and a socket that is gone.

Rules: the raw archive is filled before the daemon begins, as in test_metering.py; the meters cannot be reached.
"""

import json
import re
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from gatewayd.archive.verify import verify
from gatewayd.daemon.derived import derived_folder
from tests.interop.mosquitto import Mosquitto
from tests.interop.server import free_port
from tests.system.rig import Site, eventually
from tests.system.test_metering import LINES, METERS, POINTS, derived_head, fill, month

VALUES = 3 * (2980 + 31 + 2)
Document = dict[str, Any]  # whatever JSON has


def site_of(folder: Path, port: int, sinks: str = "") -> Site:
    site = Site(folder)
    site.configure(LINES, METERS, sinks)
    before = site.config.read_text(encoding="utf-8")
    pages = f"observability: {{listen: '127.0.0.1:{port}'}}\n"
    site.config.write_text(f"{POINTS}policies: {{C: {{evaluation: 15m}}}}\n{pages}{before}", encoding="utf-8")
    return site


def told(port: int, path: str) -> tuple[int, list[str]]:
    """Status and reasons of a page of health."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=20) as answer:
            return answer.status, json.loads(answer.read())["reasons"]
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())["reasons"]


def status_of(site: Site) -> Document:
    document: Document = json.loads(site.run("status", "--json").stdout)
    return document


def all_derived(site: Site, seen: list[Document]) -> bool:
    """And delivered to the first sink; days may be due later."""
    seen.append(document := status_of(site))
    known, delivered = document["metering"], document["sinks"][0]["derived"]
    done = (known["behind"], known["days_waiting"], delivered["waiting"]) == (0, 0, 0)
    return bool(done and delivered["cursor"] == known["archive"]["head"]["seq"] == known["values"])


def findings(site: Site, area: str) -> list[Document]:
    document = json.loads(site.run("doctor", "--json", "--no-network").stdout)
    return [one for one in document["findings"] if one["area"] == area]


@pytest.mark.timeout(120)
def test_the_engine_and_both_outboxes_of_a_sink(tmp_path: Path) -> None:
    with Mosquitto(tmp_path) as broker:
        port = free_port()
        sinks = (
            f"  - {{id: m, type: mqtt, host: 127.0.0.1, port: {broker.port}}}\n"
            f"  - {{id: gone, type: mqtt, host: 127.0.0.1, port: {free_port()}}}\n"
        )
        site = site_of(tmp_path, port, sinks)
        fill(site, month())
        with site.daemon() as daemon:
            eventually(lambda: derived_head(site) >= VALUES, "it computes", 60)
            seen: list[Document] = []
            eventually(lambda: all_derived(site, seen), "and remembers that, and delivers", 60)
            document = seen[-1]
            metering, (first, second) = document["metering"], document["sinks"]
            values = metering["archive"]["head"]["seq"]
            assert (metering["points"], metering["seq"]) == (3, document["archive"]["head"]["seq"])
            assert (metering["fault"], metering["oldest_at"], metering["values"]) == (None, None, values)
            assert metering["archive"]["path"] == str(derived_folder(site.archive))
            assert values >= VALUES and metering["archive"]["bytes"] > 100_000
            assert (first["derived"]["state"], first["derived"]["delivered"]) == ("connected", values)
            assert (first["delivered"], first["cursor"]) == (metering["seq"], metering["seq"])
            assert second["derived"]["waiting"] >= values > 0 and second["derived"]["oldest_at"] is not None
            printed = site.run("status").stdout
            assert "metering: 3 points, all readings are derived" in printed
            assert re.search(rf"derived archive {derived_folder(site.archive)}: \d+ values, \d+\.\d MiB", printed)
            assert "m: points" in printed and "gone: points" in printed
            assert told(port, "/readyz") == (200, [])
            shown = findings(site, "metering")
            assert ("ok", "engine") in {(one["level"], one["subject"]) for one in shown}
            assert any(one["text"].startswith("value") or "the head fits" in one["text"] for one in shown), shown
            silent = [one for one in shown if one["subject"] == "point north"]
            assert [one["level"] for one in silent] == ["warning"] and "since 2025-10-31" in silent[0]["text"]
            assert daemon.terminate() == 0
        stopped = status_of(site)
        assert stopped["held_by"] is None and not stopped["running"]
        at_last = stopped["metering"]["archive"]["head"]["seq"]
        assert stopped["metering"]["behind"] == 0 and at_last == derived_head(site) >= values
        own, gone = (one["derived"] for one in stopped["sinks"])
        assert (own["cursor"], gone["cursor"]) == (at_last - own["waiting"], 0) and gone["waiting"] == at_last


def test_a_derived_archive_that_cannot_be_opened_is_told_everywhere(tmp_path: Path) -> None:
    """And again that it can: it is tried every 10 s."""
    port = free_port()
    site = site_of(tmp_path, port)
    fill(site, list(month())[:2])
    derived_folder(site.archive).write_text("a file in its place", encoding="utf-8")
    with site.daemon() as daemon:
        eventually(lambda: "gatewayd/metrics" in daemon.messages or "/healthz" in daemon.messages, "it listens")
        eventually(lambda: (site.archive / "control.sock").exists(), "it serves")
        eventually(lambda: len(told(port, "/readyz")[1]) == 1, "the page tells")
        (reason,) = told(port, "/readyz")[1]
        assert reason.startswith("nothing is derived: ") and "it is tried again every 10 s" in reason
        assert told(port, "/healthz") == (200, []), "a new start would not mend it"
        document = status_of(site)
        assert (document["metering"]["points"], document["metering"]["seq"]) == (3, None)
        done = site.run("status")
        assert done.returncode == 1 and "nothing is derived: " in done.stdout
        levels = {(one["subject"], one["level"]) for one in findings(site, "metering")}
        assert {("engine", "error"), ("derived archive", "error")} <= levels
        derived_folder(site.archive).unlink()
        eventually(lambda: status_of(site)["metering"]["behind"] == 0, "it goes on")
        assert told(port, "/readyz") == (200, [])
    assert verify(derived_folder(site.archive)).ok


def test_a_socket_that_somebody_has_removed(tmp_path: Path) -> None:
    """The gateway runs: nobody is told to start it."""
    site = Site(tmp_path)
    site.configure(LINES, "  []\n")
    with site.daemon() as daemon:
        eventually(lambda: (site.archive / "control.sock").exists(), "it serves")
        (site.archive / "control.sock").unlink()
        done = site.run("status")
        assert done.returncode == 1
        said = " ".join(done.stdout.split())
        assert f"gateway gw-test: runs as process {daemon.process.pid} " in said
        assert "its control socket is gone" in said and "systemctl restart gatewayd" in said
        held = status_of(site)["held_by"]
        assert (held["pid"], held["run"], held["socket"]) == (daemon.process.pid, True, False)
        assert "poběží" not in said and "not running" not in said
        (found,) = [one for one in findings(site, "gateway") if one["subject"] == "running"]
        assert found["level"] == "error" and found["remedy"].startswith("systemctl restart")
        assert f"process {daemon.process.pid} " in found["text"]
        daemon.kill()
    assert "gateway gw-test: not running" in site.run("status").stdout
