"""How soon a running gateway tells how it does.

Rules: a limit that is promised, measured on whole processes; the file is one of those whose tests run alone.
"""

import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.system.forked import QuickSite
from tests.system.rig import ROOT, Site, eventually


@pytest.mark.timeout(180)
def test_two_thousand_meters_are_told_of_in_half_a_second(tmp_path: Path) -> None:
    site = Site(tmp_path)
    count = range(2000)
    site.configure(
        "".join(f"  l{n}: {{type: tcp, host: 127.0.0.1, port: 9}}\n" for n in count),
        "".join(
            f"  - {{id: em-{n}, driver: modbus, line: l{n}, modbus: {{unit: 1, map: eastron-sdm630, transport: tcp}}, "
            f"jobs: [{{registers: all, at: '{(time.localtime().tm_hour + 12) % 24:02}:00'}}]}}\n"
            for n in count
        ),
    )
    quick = QuickSite(site)
    with site.daemon() as daemon:
        eventually(lambda: "gatewayd.daemon: gatewayd 0" in daemon.messages, "the daemon runs")
        command = [sys.executable, "-m", "gatewayd", "-c", str(site.config), "status"]
        took = []
        for _ in range(5):
            begun = time.monotonic()
            done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
            took.append(time.monotonic() - begun)
        assert "2000 meters without faults, alarms and gaps" in done.stdout
        assert "2000 lines; on all of them 0 sessions under way, 0 jobs due" in done.stdout
        assert len(quick.run("status", "--meters").stdout.splitlines()) > 2000
        assert daemon.terminate() == 0
    assert statistics.median(took) < 0.5, took
