"""The units of packaging/systemd as systemd itself sees them: sound, closed, and what they make.

Rules: the real tools judge, on copies or in a root of their own; nothing of this machine is changed.
"""

import os
import re
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UNITS = ROOT / "packaging" / "systemd"
SERVICES = ("gatewayd.service", "gatewayd@.service", "gatewayd-clock.service")
EXPOSURE = 1.5


def run(program: str, *arguments: str | Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    """A tool of systemd, to its end."""
    path = shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if path is None:
        pytest.fail(f"{program} is not installed; run: apt-get install systemd")
    return subprocess.run(
        [path, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=os.environ | {"LC_ALL": "C"} | environment,
    )


def settings(name: str) -> list[tuple[str, str]]:
    """The assignments of a unit, in order."""
    lines = (UNITS / name).read_text().splitlines()
    return [(key, value) for line in lines if not line.startswith("#") for key, _, value in [line.partition("=")] if _]


def the(name: str, key: str) -> str:
    (value,) = [value for known, value in settings(name) if known == key]
    return value


# -- as systemd sees them ----------------------------------------------------------------------------------------------


def verified(folder: Path, name: str) -> str:
    """What systemd finds wrong with one of the units in the folder."""
    instance = name.replace("@.", "@north.")
    done = run("systemd-analyze", "verify", "--man=no", folder / instance, SYSTEMD_UNIT_PATH=f"{folder}:")
    return done.stdout + done.stderr + ("" if done.returncode == 0 else f"exit code {done.returncode}")


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """Copies that start a program which is here."""
    for name in SERVICES:
        text = (UNITS / name).read_text().replace("/usr/bin/gatewayd", "/bin/true")
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.parametrize("name", SERVICES)
def test_systemd_finds_nothing_wrong(units: Path, name: str) -> None:
    assert verified(units, name) == ""
    assert set(re.findall(r"^Exec\w+=(\S+)", (UNITS / name).read_text(), re.MULTILINE)) == {"/usr/bin/gatewayd"}


def test_systemd_would_find_what_is_wrong(units: Path) -> None:
    path = units / "gatewayd.service"
    path.write_text(path.read_text().replace("PrivateTmp=", "PrivateTemp="))
    assert "PrivateTemp" in verified(units, path.name)


def exposure(path: Path) -> float:
    done = run("systemd-analyze", "security", "--offline=true", "--no-pager", path)
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", done.stdout)
    assert found, done.stdout + done.stderr
    return float(found[1])


@pytest.mark.parametrize("name", SERVICES)
def test_the_exposure_is_small(name: str) -> None:
    assert exposure(UNITS / name) <= EXPOSURE


def test_the_exposure_is_measured(units: Path) -> None:
    """Without one of its walls the gate is closed."""
    path = units / "gatewayd.service"
    path.write_text(re.sub(r"^(SystemCallFilter|CapabilityBoundingSet)=.*\n", "", path.read_text(), flags=re.MULTILINE))
    assert exposure(path) > EXPOSURE


# -- what the gateway needs, all the same ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["gatewayd.service", "gatewayd@.service"])
def test_what_it_needs_is_left_open(name: str) -> None:
    known = settings(name)
    assert {value for key, value in known if key == "DeviceAllow"} == {
        f"char-{kind} rw" for kind in ("ttyS", "ttyUSB", "ttyACM", "ttyAMA")
    }
    assert set(the(name, "RestrictAddressFamilies").split()) == {"AF_INET", "AF_INET6", "AF_UNIX"}
    closed = {"PrivateDevices", "PrivateNetwork", "PrivateUsers", "IPAddressDeny"}
    assert not closed & {key for key, _ in known}, "serial ports, meters, and who is at the control socket"
    filters = [value for key, value in known if key == "SystemCallFilter"]
    assert filters[-1] == "chown fchown fchownat", (
        "the control socket is handed to control.group; ~@privileged forbids it"
    )
    drivers = {f"modprobe@{driver}.service" for driver in ("usbserial", "cdc_acm")}
    for key in ("Wants", "After"):  # systemd resolves char-ttyUSB when the service starts
        assert drivers | {"gatewayd-clock.service"} <= set(the(name, key).split())


@pytest.mark.parametrize("name", ["gatewayd.service", "gatewayd@.service"])
def test_how_it_lives(name: str) -> None:
    assert (the(name, "Type"), the(name, "NotifyAccess"), the(name, "Restart")) == ("notify", "main", "on-failure")
    assert the(name, "RestartPreventExitStatus") == "2 3", "configuration and permission: another try changes nothing"
    assert int(the(name, "TimeoutStopSec")) > 30
    assert the(name, "ExecReload").endswith(" reload"), "it waits for the outcome"
    assert the(name, "WatchdogSec") == "3min"
    assert (the(name, "StandardError"), the(name, "LimitCORE")) == ("journal", "0")


def test_the_clock_is_asked_by_who_can_do_nothing_else() -> None:
    """What forbids setting the clock forbids asking as well."""
    gateway, clock = settings("gatewayd.service"), settings("gatewayd-clock.service")
    assert ("ProtectClock", "yes") in gateway and not any(key == "ProtectClock" for key, _ in clock)
    assert ("SystemCallFilter", "adjtimex clock_adjtime clock_adjtime64") in clock
    assert ("SystemCallErrorNumber", "EPERM") in gateway, "refused, and not killed"
    assert {("PrivateNetwork", "yes"), ("PrivateDevices", "yes"), ("CapabilityBoundingSet", "")} <= set(clock)


def test_an_instance_is_the_service_with_another_name() -> None:
    """Its configuration, its archive, its name in the journal."""
    different = [
        (one, other)
        for one, other in zip(settings("gatewayd.service"), settings("gatewayd@.service"), strict=True)
        if one != other
    ]
    assert [key for (key, _), _ in different] == [
        "Description",
        "ExecStart",
        "ExecReload",
        "StateDirectory",
        "SyslogIdentifier",
    ]
    assert the("gatewayd@.service", "StateDirectory") == "gatewayd-%i"
    for key in ("ExecStart", "ExecReload"):
        assert the("gatewayd@.service", key) == the("gatewayd.service", key).replace("gatewayd.yaml", "%i.yaml")


# -- users and folders -------------------------------------------------------------------------------------------------


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root in which systemd has made users and folders."""
    for kind in ("sysusers.d", "tmpfiles.d"):
        (tmp_path / "usr" / "lib" / kind).mkdir(parents=True)
        shutil.copy(UNITS / kind / "gatewayd.conf", tmp_path / "usr" / "lib" / kind)
    (tmp_path / "etc").mkdir()
    (tmp_path / "var" / "lib").mkdir(parents=True)
    (tmp_path / "etc" / "passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    (tmp_path / "etc" / "group").write_text("root:x:0:\ndialout:x:20:\n")
    done = run("systemd-sysusers", f"--root={tmp_path}", "gatewayd.conf")
    assert done.returncode == 0, done.stderr
    return tmp_path


def test_the_user_is_made_and_may_use_serial_ports(root: Path) -> None:
    users = [line.split(":") for line in (root / "etc" / "passwd").read_text().splitlines()]
    groups = {line.split(":")[0]: line.split(":") for line in (root / "etc" / "group").read_text().splitlines()}
    (user,) = [user for user in users if user[0] == "gatewayd"]
    assert 0 < int(user[2]) < 1000 and user[3] == groups["gatewayd"][2]
    assert user[5:] == ["/var/lib/gatewayd", "/usr/sbin/nologin"]
    assert groups["dialout"][3] == "gatewayd"


def test_folders_are_closed_to_others(root: Path) -> None:
    done = run("systemd-tmpfiles", f"--root={root}", "--create", "gatewayd.conf")
    if os.geteuid() == 0:
        assert (done.returncode, done.stderr) == (0, "")
    user = next(line for line in (root / "etc" / "passwd").read_text().splitlines() if line.startswith("gatewayd:"))
    found = (root / "etc" / "gatewayd").stat()
    assert stat.S_IMODE(found.st_mode) == 0o750
    assert os.geteuid() != 0 or (found.st_uid, found.st_gid) == (0, int(user.split(":")[3]))
    assert the("gatewayd.service", "StateDirectoryMode") == "0750"


def test_the_archive_of_another_number_is_left_to_the_unit(root: Path) -> None:
    """StateDirectory= gives everything in it to the user where the folder is not the user's: it has to see that."""
    archive = root / "var" / "lib" / "gatewayd"
    archive.mkdir(mode=0o700)
    before = archive.stat()
    run("systemd-tmpfiles", f"--root={root}", "--create", "gatewayd.conf")
    after = archive.stat()
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)
