"""The Debian package under a real systemd: the service with the unit that is shipped, over the life of an installation.

Rules: a long run (./dev test --full), because a system has to be started for it; without systemd, but with the same
scripts, the package is tested each time (test_deb.py).
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.booted import Booted
from tests.system.rig import ROOT
from tests.system.test_deb import CONFIG, LATER, METER, later_version

pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.skipif(os.environ.get("GATEWAYD_TEST_FULL") != "1", reason="a long run: ./dev test --full"),
]
READOUT = "/opt/gatewayd/lib/python3*/site-packages/simulators/readouts/household.txt"
SIMULATOR = f"cd /; exec /opt/gatewayd/bin/python3 -m simulators iec62056_21 --tcp 0 --no-pace --readout {READOUT}"


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Booted]:
    packages = tmp_path / "packages"
    command = [sys.executable, "-m", "scripts.deb", "--quick", "--output", str(packages)]
    made = Path(subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout.strip())
    made.rename(packages / "now.deb")
    later_version(packages / "now.deb", packages / "later.deb", tmp_path / "tree")
    with Booted(tmp_path / "box", packages) as system:
        yield system


def process(box: Booted) -> str:
    return box.out("systemctl show --property MainPID --value gatewayd")


def test_the_service_over_the_life_of_an_installation(box: Booted) -> None:
    box.run("dpkg -i /mnt/now.deb")
    assert box.out("systemctl is-active gatewayd") == "active", "it says itself that it is ready"
    assert "0 meters" in box.out("systemctl show --property StatusText gatewayd")

    meter = box.start(SIMULATOR)
    assert meter.stdout is not None
    port = meter.stdout.readline().strip().rpartition(":")[2]
    box.run(f"cat >{CONFIG} <<'END'\n{METER.format(port=port)}END")
    box.run("systemctl restart gatewayd")
    assert "1-0:1.8.0" in box.out("gatewayd read em-1"), "through the confined service"

    first = process(box)
    box.run("dpkg --force-confdef -i /mnt/later.deb </dev/null")
    assert box.out("systemctl is-active gatewayd") == "active" and process(box) != first
    assert f"version {LATER}" in box.out("gatewayd status")

    second = process(box)
    box.run(f"cp {CONFIG} /root/kept; echo 'meters: 7' >>{CONFIG}")
    refused = box.run("dpkg --force-confdef --force-downgrade -i /mnt/now.deb </dev/null")
    assert "refuses" in refused.stderr and process(box) == second
    box.run(f"cp /root/kept {CONFIG}; systemctl stop gatewayd")
    box.run("dpkg --force-confdef -i /mnt/later.deb </dev/null")
    assert box.run("systemctl is-active gatewayd", check=False).stdout == "inactive\n", "stopped by the operator"

    box.run("systemctl start gatewayd && dpkg -r gatewayd")
    assert not re.search("/opt/gatewayd/bin/python3.* run", box.out("ps -eo args"))
    log = box.out("journalctl --no-pager -u gatewayd -u gatewayd-clock")
    assert "gatewayd stopped" in log and "Traceback" not in log and "Failed" not in log
