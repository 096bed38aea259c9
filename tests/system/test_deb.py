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
from tests.system.told import Told

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
    purged = box.run("dpkg -P gatewayd")
    assert "rm -r" not in purged.stderr and "archive.path" in purged.stderr, "one elsewhere is kept as well"
    assert box.there(ARCHIVE, "/etc/gatewayd") == set()


def test_the_service_is_started_restarted_and_stopped_where_systemd_runs(box: Chroot) -> None:
    """What systemd would be told, by the real scripts and Debian's own tools: here to a systemctl that notes it."""
    told = Told(box)
    orders, _ = told.by("dpkg -i /mnt/now.deb")
    device_names = [
        "udevadm control --reload",
        "udevadm trigger --action=change --subsystem-match=usb --subsystem-match=tty",
    ]
    assert orders == [*device_names, "daemon-reload", "start gatewayd.service"]
    told.when(active=True)
    clock, first, second = (f"try-restart {name}.service" for name in ("gatewayd-clock", "gatewayd", "gatewayd@two"))
    box.run("cp /etc/gatewayd/gatewayd.yaml /etc/gatewayd/two.yaml")
    assert told.by("dpkg -i /mnt/later.deb")[0] == [*device_names, "daemon-reload", clock, first, second]

    box.run(f"echo 'meters: 7' >{CONFIG}")
    orders, said = told.by("dpkg --force-confdef --force-downgrade -i /mnt/now.deb")
    assert orders == [*device_names, "daemon-reload", clock, second], "it runs: it goes on as it was"
    assert f"{CONFIG}:1: meters" in said and f"this version refuses {CONFIG}" in said

    told.when(active=False)
    orders, said = told.by("dpkg --force-confdef -i /mnt/later.deb")
    assert orders[3:] == [clock, first, second], "try-restart leaves alone what the operator has stopped"
    assert "refuses" not in said
    stop = "stop gatewayd.service gatewayd@*.service gatewayd-clock.service"
    assert told.by("dpkg -r gatewayd")[0] == [stop, "daemon-reload", "udevadm control --reload"]

    # Installed again: what is enabled is started, an instance as well.
    wants = "/etc/systemd/system/multi-user.target.wants"
    box.run(f"ln -s /lib/systemd/system/gatewayd@.service {wants}/gatewayd@two.service")
    assert told.by("dpkg --force-confdef -i /mnt/later.deb")[0][3:] == [
        "start gatewayd.service",
        "start gatewayd@two.service",
    ]
    assert told.by_script("postinst", "configure", LATER)[0][3:] == [clock, first, second], "that was once"
    told.by("dpkg -r gatewayd")
    told.when(disabled=True)
    assert told.by("dpkg --force-confdef -i /mnt/later.deb")[0][3:] == [], "the operator has disabled it"


def test_an_upgrade_says_what_it_does_not_restart(box: Chroot) -> None:
    told = Told(box)
    box.run("dpkg -i /mnt/now.deb && cp /etc/gatewayd/gatewayd.yaml /etc/gatewayd/other.yaml")
    told.when(**{"active": True, "failed.gatewayd.service": True})
    clock, second = (f"try-restart {name}.service" for name in ("gatewayd-clock", "gatewayd@two"))

    orders, said = told.by_script("postinst", "configure", "0.0")
    assert orders[3:] == [clock] and "gatewayd.service had failed" in said
    assert "this version refuses /etc/gatewayd/two.yaml" in said, "where there is none"

    # The configuration is the one that the unit names, also where a drop-in names another.
    other = "/etc/gatewayd/other.yaml"
    for words, file in (
        (f"--config {other}", other),
        (f"--config={other}", other),
        (f"-c {other}", other),
        ("", CONFIG),
    ):
        told.when(**{"exec.gatewayd@two.service": f"/usr/bin/gatewayd {words} run"})
        orders, said = told.by_script("postinst", "configure", "0.0")
        assert orders[3:] == [clock, second] and f"warning: {file}:" in said

    # Not every failure of `check` is a word on the configuration.
    box.run("cd /usr/bin; rm gatewayd; printf '#!/bin/sh\\necho broken >&2; exit 1\\n' >gatewayd; chmod 755 gatewayd")
    orders, said = told.by_script("postinst", "configure", "0.0")
    assert orders[3:] == [clock] and "broken" in said and "exit code 1" in said and "refuses" not in said


def test_what_fails_starts_nothing_that_was_stopped(box: Chroot) -> None:
    """An upgrade or a removal that dpkg takes back: the scripts are called as deb-postinst(5) says."""
    told = Told(box)
    box.run("dpkg -i /mnt/now.deb && cp /etc/gatewayd/gatewayd.yaml /etc/gatewayd/two.yaml")
    told.when(**{"failed.gatewayd@two.service": True})
    for failure in ("abort-upgrade", "abort-deconfigure"):
        orders, _ = told.by_script("postinst", failure, LATER)
        assert not any(order.startswith("start ") for order in orders), failure
    told.when(**{"failed.gatewayd@two.service": False})

    # A removal has stopped what ran, and that is started again: here the instance alone.
    told.by_script("prerm", "remove")
    assert told.by_script("postinst", "abort-remove")[0][3:] == ["start gatewayd@two.service"]
    told.when(active=True)
    told.by_script("prerm", "remove")
    assert told.by_script("postinst", "abort-remove")[0][3:] == ["start gatewayd.service", "start gatewayd@two.service"]

    # An installation that fails while it is unpacked leaves no order behind.
    told.by_script("preinst", "install", "0.0")
    assert box.there("/run/gatewayd.start")
    told.by_script("postrm", "abort-install", "0.0")
    assert not box.there("/run/gatewayd.start")


def test_what_was_there_before_is_named(box: Chroot) -> None:
    """A person of the service's name, and files installed by hand, which hide those of the package."""
    hidden = "/etc/systemd/system/gatewayd@.service", "/etc/udev/rules.d/70-gatewayd.rules"
    box.run("deluser gatewayd; delgroup gatewayd; useradd -u 1505 -U gatewayd", check=False)
    box.run(
        f"mkdir -p /etc/udev/rules.d; touch {' '.join(hidden)}; ln -s /dev/null /etc/systemd/system/gatewayd.service"
    )
    said = box.run("dpkg -i /mnt/now.deb").stderr
    assert "user gatewayd (number 1505)" in said
    assert all(f"{name} takes the place of" in said for name in hidden)
    assert said.count("takes the place of") == 2, "a unit that is masked is no unit"
    assert box.out(f"stat -c '%U:%G %a' {ARCHIVE}") == "gatewayd:gatewayd 750"


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
