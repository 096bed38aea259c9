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
    file_of_another_package(packages / "taken.deb", tmp_path / "other")
    with Booted(tmp_path / "box", packages) as system:
        yield system


def file_of_another_package(package: Path, tree: Path) -> None:
    """A gatewayd that cannot be unpacked, because a file in it is one of another package."""
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "DEBIAN" / "control").write_text(
        "Package: gatewayd\nVersion: 99.2\nArchitecture: all\nMaintainer: nobody <n@localhost>\nDescription: unfit\n"
    )
    (tree / "usr" / "bin").mkdir(parents=True)
    (tree / "usr" / "bin" / "dpkg").write_text("")
    subprocess.run(["dpkg-deb", "--root-owner-group", "--build", tree, package], check=True, capture_output=True)


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

    assert box.run("dpkg -i /mnt/taken.deb </dev/null", check=False).returncode != 0, "an upgrade that is taken back"
    assert box.out("gatewayd --version") == f"gatewayd {LATER}"
    assert box.run("systemctl is-active gatewayd", check=False).stdout == "inactive\n", "stopped, as before"

    box.run("systemctl start gatewayd && dpkg -r gatewayd")
    assert not re.search("/opt/gatewayd/bin/python3.* run", box.out("ps -eo args"))
    log = box.out("journalctl --no-pager -u gatewayd -u gatewayd-clock")
    assert "gatewayd stopped" in log and "Traceback" not in log and "Failed" not in log


def test_what_an_operator_has_made_of_it_outlives_a_removal(box: Booted) -> None:
    def active() -> str:
        return box.run("systemctl is-active gatewayd gatewayd@north", check=False).stdout

    def of_others() -> str:
        return box.out("find /var/lib/gatewayd /var/lib/gatewayd-north ! -user gatewayd")

    box.run("dpkg -i /mnt/now.deb && groupadd --system meterops && usermod -aG meterops gatewayd")
    box.run(f"sed 's/gateway-1/north/; s#/lib/gatewayd#&-north#' {CONFIG} >/etc/gatewayd/north.yaml")
    box.run(f"echo 'control: {{group: meterops}}' >>{CONFIG}")
    box.run("systemctl enable --now gatewayd@north && systemctl restart gatewayd")
    assert box.out("stat -c %G /var/lib/gatewayd/control.sock") == "meterops", "the unit lets it be handed over"

    # Removed, its user deleted, whose number somebody else has now; installed again.
    box.run("dpkg -r gatewayd")
    assert active() == "inactive\ninactive\n"
    uid = box.out("stat -c %u /var/lib/gatewayd")
    box.run(f"userdel gatewayd && useradd --system --uid {uid} somebody")
    box.run("dpkg -i /mnt/now.deb")
    assert active() == "active\nactive\n", "what is enabled"
    assert of_others() == "" and box.out("id -u gatewayd") != uid

    # Disabled before it was removed: not started.
    box.run("systemctl disable gatewayd && dpkg -r gatewayd && dpkg -i /mnt/now.deb")
    assert active() == "inactive\nactive\n"
