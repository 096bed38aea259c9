"""The Debian package as an operator meets it: installed, used, upgraded, removed, purged, installed again.

Rules: the package is built from this tree with the pinned wheels, once; each test installs it into a system of its own
(chroot.py), with the dpkg and the scripts that a gateway box has.
"""

import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system import bare
from tests.system.chroot import Chroot, as_root
from tests.system.rig import QUICK, ROOT, simulator

pytestmark = pytest.mark.timeout(300)  # the wheels are downloaded when pip has none of them in its cache
CONFIG, ARCHIVE, UNIT = "/etc/gatewayd/gatewayd.yaml", "/var/lib/gatewayd", "/usr/lib/systemd/system/gatewayd.service"
AS_GATEWAYD = "setpriv --reuid gatewayd --regid gatewayd --init-groups"
LATER = "99.1"
METER = """\
gateway: {{id: gw-box, clock: trusted}}   # changed by the operator
archive: {{path: /var/lib/gatewayd}}
lines: {{cabin: {{type: tcp, host: 127.0.0.1, port: {port}}}}}
meters: [{{id: em-1, driver: iec62056_21, line: cabin, jobs: [{{registers: all, every: 15m}}]}}]
"""
SYSTEMCTL = """\
#!/bin/sh
echo "$*" >>/var/systemctl.log
case "$*" in *list-units*) echo "gatewayd@two.service loaded active running Meter reading gateway two" ;; esac
case "$*" in *is-enabled*) echo enabled ;; *is-active*) [ -e /var/active ] ;; esac
"""


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the package of this tree, and one of a later version with another example configuration."""
    folder = tmp_path_factory.mktemp("packages")
    command = [sys.executable, "-m", "scripts.deb", "--quick", "--output", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    made = Path(done.stdout.strip())
    made.rename(folder / "now.deb")
    later_version(folder / "now.deb", folder / "later.deb", tmp_path_factory.mktemp("later") / "tree")
    return folder


def later_version(package: Path, later: Path, tree: Path) -> None:
    """The same package under a later version, which it says itself, and with another example configuration."""
    subprocess.run(["dpkg-deb", "-R", package, tree], check=True)
    (about,) = tree.glob("opt/gatewayd/lib/python3*/site-packages/gatewayd-*.dist-info/METADATA")
    for file in (tree / "DEBIAN" / "control", about):
        file.write_text(re.sub(r"(?m)^Version: .*", f"Version: {LATER}", file.read_text()))
    with (tree / CONFIG.lstrip("/")).open("a") as config:
        config.write("# a later version has more to say\n")
    pack = ["dpkg-deb", "--root-owner-group", "-Zzstd", "-z1", "--build", str(tree), str(later)]
    subprocess.run(pack, check=True, capture_output=True)


@pytest.fixture
def box(tmp_path: Path, packages: Path) -> Iterator[Chroot]:
    with Chroot(tmp_path / "box", packages) as made:
        yield made


def readings(box: Chroot) -> str:
    return box.out("gatewayd archive show em-1")


def test_the_life_of_an_installation(box: Chroot) -> None:
    # Installed: there is a command, a user, and a configuration that reads nothing but is right.
    installed = box.run("dpkg -i /mnt/now.deb")
    assert not re.search("booted|bus|policy-rc.d", installed.stderr), "nobody is asked who is not there"
    version = box.out("dpkg-query -Wf '${Version}' gatewayd")
    assert box.out("gatewayd --version") == f"gatewayd {version}".replace("~", "")
    checked = box.run("gatewayd check")
    assert "0 lines, 0 meters" in checked.stdout and "nothing is read" in checked.stderr
    assert {"gatewayd", "dialout"} <= set(box.out("id -nG gatewayd").split())
    assert box.out(f"stat -c '%U:%G %a' {ARCHIVE}") == "gatewayd:gatewayd 750"
    documented = set(re.findall(r"`(/[^`]*)`", (ROOT / "docs" / "install.md").read_text()))
    made_later = {path for path in documented if "NAME" in path or ".service.d" in path or "zoneinfo" in path}
    for path in documented - made_later:
        assert box.there(path), f"docs/install.md names {path}, which is not there"
    assert box.there(UNIT, "/etc/systemd/system/multi-user.target.wants/gatewayd.service") != set()
    assert box.out("systemctl is-enabled gatewayd") == "enabled"

    # Used: the service's user runs the daemon, and somebody reads a meter.
    box.run(
        f"""{AS_GATEWAYD} gatewayd run & until [ -e {ARCHIVE}/control.sock ]; do sleep 0.1; done; kill $!; wait $!"""
    )
    with simulator(ROOT / "simulators" / "readouts" / "household.txt", *QUICK) as meter:
        text = METER.format(port=meter.port)
        box.run(f"cat >{CONFIG} <<'END'\n{text}END")
        box.run(f"{AS_GATEWAYD} gatewayd read em-1")
    before = readings(box)
    assert "1-0:1.8.0" in before
    assert box.out("dpkg --verify gatewayd") in ("", f"??5?????? c {CONFIG}")
    assert box.out("find /opt/gatewayd -name '*.pyc' -newer /usr/bin/gatewayd") == "", "modules were not compiled"

    # Upgraded: what the operator wrote and what was read stay; what the new version would have written lies beside it.
    box.run("dpkg --force-confdef -i /mnt/later.deb </dev/null")
    assert box.out("gatewayd --version") == f"gatewayd {LATER}"
    assert box.out(f"cat {CONFIG}") + "\n" == text
    assert "a later version" in box.out(f"cat {CONFIG}.dpkg-dist")
    assert readings(box) == before

    # Removed: command, environment and units go, and nothing else.
    left = (
        "/opt/gatewayd",
        "/usr/bin/gatewayd",
        UNIT,
        "/usr/lib/udev/rules.d/70-gatewayd.rules",
        "/usr/share/doc/gatewayd",
    )
    box.run("mkdir -p /opt/gatewayd/lib/python3.11/site-packages/gatewayd/__pycache__ && touch $_/left-behind.pyc")
    assert "warning" not in box.run("dpkg -r gatewayd").stderr
    assert box.there(*left) == set()
    assert box.out(f"cat {CONFIG}") + "\n" == text
    assert box.there(f"{ARCHIVE}/signing.key") != set()

    # Purged: the configuration goes; readings and keys stay, and it is said how to delete them.
    box.run("echo secret >/etc/gatewayd/em-1.key")
    purged = box.run("dpkg -P gatewayd")
    assert f"rm -r {ARCHIVE}" in purged.stderr and "rm -r /etc/gatewayd" in purged.stderr
    assert (
        box.there(CONFIG, f"{CONFIG}.dpkg-dist", "/etc/systemd/system/multi-user.target.wants/gatewayd.service")
        == set()
    )
    assert box.there("/etc/gatewayd/em-1.key") != set()
    assert "gatewayd" not in box.out("dpkg-query -Wf '${Package}\n'").split()

    # Installed again: the archive is sound and goes on.
    box.run("dpkg -i /mnt/now.deb")
    assert readings(box) == before
    assert ": sound;" in box.out("gatewayd archive verify")
    box.run(f"rm -r {ARCHIVE} /etc/gatewayd/em-1.key")
    assert "kept" not in box.run("dpkg -P gatewayd").stderr
    assert box.there(ARCHIVE, "/etc/gatewayd") == set()


def test_the_service_is_started_restarted_and_stopped_where_systemd_runs(box: Chroot) -> None:
    """What systemd would be told, by the real scripts and Debian's own tools: here to a systemctl that notes it."""

    def told(command: str) -> tuple[list[str], str]:
        done = box.run(f"rm -f /var/systemctl.log; {command} </dev/null")
        lines = box.out("cat /var/systemctl.log").splitlines()
        return [
            re.sub(r"--(system|quiet) ", "", line) for line in lines if not re.search(" is-|--root=|list-", line)
        ], done.stderr

    box.run(f"cat >/usr/local/sbin/systemctl <<'END'\n{SYSTEMCTL}END\nchmod 755 /usr/local/sbin/systemctl")
    box.run("mkdir -p /run/systemd/system && rm -f /usr/sbin/policy-rc.d")  # images of containers forbid every start
    assert told("dpkg -i /mnt/now.deb")[0] == ["daemon-reload", "start gatewayd.service"]
    box.run("touch /var/active")
    clock, first, second = (f"try-restart {name}.service" for name in ("gatewayd-clock", "gatewayd", "gatewayd@two"))
    box.run("cp /etc/gatewayd/gatewayd.yaml /etc/gatewayd/two.yaml")
    assert told("dpkg -i /mnt/later.deb")[0] == ["daemon-reload", clock, first, second]

    box.run(f"echo 'meters: 7' >{CONFIG}")
    orders, said = told("dpkg --force-confdef --force-downgrade -i /mnt/now.deb")
    assert orders == ["daemon-reload", clock, second], "it runs: it goes on as it was"
    assert f"{CONFIG}:1: meters" in said and f"this version refuses {CONFIG}" in said

    box.run("rm /var/active")
    orders, said = told("dpkg --force-confdef -i /mnt/later.deb")
    assert orders == ["daemon-reload", clock, first, second], "try-restart leaves alone what the operator has stopped"
    assert "refuses" not in said
    stop = "stop gatewayd.service gatewayd@*.service gatewayd-clock.service"
    assert told("dpkg -r gatewayd")[0] == [stop, "daemon-reload"]


def test_it_needs_nothing_that_it_does_not_depend_on(tmp_path: Path, packages: Path) -> None:
    """In a folder with its Depends and nothing else, every module of it and of its libraries for sinks is imported."""
    root = tmp_path / "root"
    field = ["dpkg-deb", "--field", str(packages / "now.deb"), "Depends"]
    depends = subprocess.run(field, check=True, capture_output=True, text=True).stdout
    assert {"libc6", "tzdata"} <= bare.make(root, depends)
    subprocess.run(["dpkg-deb", "-x", packages / "now.deb", root], check=True)
    program = """\
        import importlib, pkgutil, sys, zoneinfo
        import influxdb_client, pg8000, xlsxwriter
        import gatewayd, drivers
        for package in (gatewayd, drivers):
            for found in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
                if not found.name.endswith(("__main__", ".parquet_file")):
                    importlib.import_module(found.name)
        zoneinfo.ZoneInfo("Europe/Prague")
        print(len(sys.modules), *{m.__file__ for m in sys.modules.values() if not (getattr(m, "__file__", None) or
              "/usr/lib/python3").startswith(("/usr/lib/python3", "/opt/gatewayd/"))})
    """
    inside = [*as_root(), "chroot", str(root), "/opt/gatewayd/bin/python3", "-I", "-c", textwrap.dedent(program)]
    done = subprocess.run(inside, capture_output=True, text=True, env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})
    assert done.returncode == 0, done.stderr
    count, *elsewhere = done.stdout.split()
    assert int(count) > 500 and elsewhere == []
