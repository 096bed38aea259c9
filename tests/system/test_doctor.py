"""`gatewayd doctor` as a process: finds what is wrong, touches nothing, sees what it may, and is through in time."""

import contextlib
import ctypes
import fcntl
import json
import multiprocessing
import os
import pty
import runpy
import select
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from gatewayd.archive.head import Head, read_head
from gatewayd.cli import doctor, gatewayd
from tests.interop.mosquitto import Mosquitto
from tests.system.forked import QuickSite, running
from tests.system.rig import QUICK, ROOT, Site, eventually, simulator

HOUSEHOLD = ROOT / "simulators" / "readouts" / "household.txt"
NOBODY = 65534
GROUP, GID = "dialout", 20
IN_OPEN = 0x20
KEY = "00112233445566778899AABBCCDDEEFF"


@pytest.fixture
def site(tmp_path: Path) -> QuickSite:
    return QuickSite(Site(tmp_path))


def configure(site: QuickSite, lines: str, meters: str = "  []\n", sinks: str = "") -> None:
    site.site.configure(lines, meters, sinks)
    text = site.site.config.read_text()
    site.site.config.write_text(text + f"control: {{group: {GROUP}}}\n")


Found = Sequence[dict[str, Any]]  # whatever JSON has


def looked(site: QuickSite, *options: str, code: int) -> Found:
    done = site.run("doctor", "--json", *options)
    document = json.loads(done.stdout)
    assert done.returncode == code, [one for one in document["findings"] if one["level"] == "error"]
    findings: Found = document["findings"]
    return findings


def about(found: Found, area: str, subject: str = "") -> Found:
    return [one for one in found if one["area"] == area and one["subject"].startswith(subject)]


def levels(found: Found) -> list[str]:
    return [one["level"] for one in found]


@contextlib.contextmanager
def terminal() -> Iterator[str]:
    """A device that nobody else has open."""
    master, slave = pty.openpty()
    device = os.ttyname(slave)
    os.close(slave)
    try:
        yield device
    finally:
        os.close(master)


@contextlib.contextmanager
def black_hole() -> Iterator[int]:
    """A TCP port that takes no connection and refuses none: its queue is full."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(socket.socket())
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(server.getsockname())
        yield server.getsockname()[1]


@contextlib.contextmanager
def openings(path: str) -> Iterator[int]:
    """A descriptor that can be read when somebody opens the file (inotify(7))."""
    libc = ctypes.CDLL(None, use_errno=True)
    watch = libc.inotify_init1(os.O_NONBLOCK)
    assert libc.inotify_add_watch(watch, path.encode(), IN_OPEN) >= 0, os.strerror(ctypes.get_errno())
    try:
        yield watch
    finally:
        os.close(watch)


def was_opened(watch: int) -> bool:
    return bool(select.select([watch], [], [], 0)[0])


def test_a_gateway_at_work(site: QuickSite) -> None:
    """Everything is seen as it is, and the running gateway is disturbed by nothing."""
    with (
        terminal() as device,
        simulator(HOUSEHOLD, *QUICK) as meter,
        Mosquitto(site.site.folder / "broker") as broker,
    ):
        lines = f"  optical: {{type: serial, device: {device}}}\n{meter.line('cabin')}"
        job = "driver: iec62056_21, line: cabin, jobs: [{registers: all, every: 1h}]"
        configure(site, lines, f"  - {{id: em-1, {job}}}\n")
        site.site.archive.mkdir(mode=0o750)
        os.chown(site.site.archive, -1, GID)
        with running(site.said, "gatewayd", "-c", str(site.site.config), "run") as daemon:
            eventually(lambda: (read_head(site.site.archive) or Head(0, 0, 0, 0, b"")).seq > 0, "the meter is read")
            sink = f"sinks:\n  - {{id: m, type: mqtt, host: 127.0.0.1, port: {broker.port}}}\n"
            site.site.config.write_text(site.site.config.read_text() + sink)
            with openings(device) as watch:
                found = looked(site, code=0 if on_disk(site) else 1)
                assert not was_opened(watch), "a serial line is opened by nobody who only looks"
                os.close(os.open(device, os.O_RDWR | os.O_NOCTTY))
                assert was_opened(watch)
            (told,) = about(found, "gateway", "running")
            assert f"process {daemon.pid}," in told["text"]
            assert levels(about(found, "archive")) == ["ok"] * 3
            assert about(found, "archive", "lock")[0]["text"] == "held by the running gateway"
            assert levels(about(found, "serial")) == levels(about(found, "permissions")) == ["ok"]
            assert levels(about(found, "network", "cabin")) == ["ok"]
            assert "the probe came back" in about(found, "sinks", "m")[0]["text"]
            (changed,) = about(found, "gateway", "configuration")
            assert changed["remedy"] == "gatewayd reload", "the sink is in the file and not in the gateway"
            assert about(found, "gateway", "core dumps")[0]["text"] == "off"
            assert about(found, "meters", "reading")[0]["text"] == "meters: 1, none with a fault"


def on_disk(site: QuickSite) -> bool:
    """Whether the tests are on a file system that doctor finds fit for an archive."""
    kind = subprocess.run(["stat", "-f", "-c", "%T", site.site.folder], capture_output=True, text=True, check=True)
    return kind.stdout.strip() not in ("tmpfs", "ramfs", "v9fs", "nfs")


def test_faults_are_found_with_their_remedies(site: QuickSite) -> None:
    """And exit code 1; nothing in the folder is another one afterwards."""
    folder = site.site.folder
    (folder / "open.pw").write_text("12345678\n")
    (folder / "open.pw").chmod(0o644)
    for name, content in (("ek", KEY[:-2]), ("ak", KEY)):
        (folder / name).write_text(content)
        (folder / name).chmod(0o400)
    with terminal() as device, socket.create_server(("127.0.0.1", 0)) as server:
        taken = server.getsockname()[1]
        lines = (
            f"  locked: {{type: serial, device: {device}}}\n  gone: {{type: serial, device: {folder}/ttyUSB7}}\n"
            f"  file: {{type: serial, device: {folder}/ek}}\n  refuses: {{type: tcp, host: 127.0.0.1, port: 1}}\n"
            f"  taken: {{type: tcp_listen, bind: 127.0.0.1, port: {taken}}}\n"
        )
        keys = f"block_cipher_key_file: {folder}/ek, authentication_key_file: {folder}/ak"
        dlms = f"dlms: {{transport: wrapper, authentication: hls-gmac, security: authenticated-encrypted, {keys}}}"
        meters = (
            f"  - {{id: em-1, driver: iec62056_21, line: gone, iec62056_21: {{password_file: {folder}/open.pw}}}}\n"
            f"  - {{id: em-2, driver: dlms, line: refuses, {dlms}}}\n"
        )
        configure(site, lines, meters.replace("gmac,", 'gmac, system_title: "4D4D4D0000000001",'))
        before = everything(folder)
        held = os.open(device, os.O_RDWR | os.O_NOCTTY)
        fcntl.flock(held, fcntl.LOCK_EX)
        found = looked(site, code=1)
        os.close(held)
    assert everything(folder) == before
    errors = {one["subject"]: one for one in found if one["level"] == "error"}
    assert f"is locked by process {os.getpid()} " in errors[f"locked: {device}"]["text"]
    assert errors[f"locked: {device}"]["remedy"].startswith("fuser -v")
    assert errors[f"gone: {folder}/ttyUSB7"]["text"] == "the device does not exist"
    assert "no serial device" in errors[f"file: {folder}/ek"]["text"]
    assert "refuses the connection" in errors["refuses: 127.0.0.1:1"]["text"]
    assert "taken by a program of user root" in errors[f"taken: TCP port {taken}"]["text"]
    assert errors[f"meter em-1: {folder}/open.pw"]["remedy"] == f"chmod o= {folder}/open.pw"
    assert "32 hexadecimal digits" in errors["meter em-2"]["text"]
    assert KEY[:6] not in json.dumps(found) and "12345678" not in json.dumps(found)


def everything(folder: Path) -> dict[str, tuple[bytes, float, int]]:
    """All files but what the commands of the test say, with their times and modes."""
    return {
        str(path): (path.read_bytes(), path.stat().st_mtime, path.stat().st_mode)
        for path in folder.rglob("*")
        if path.is_file() and "said" not in path.parts
    }


def test_an_archive_that_lacks_its_end(site: QuickSite) -> None:
    """The head says more than the segments have; and nothing is left behind by the look."""
    with simulator(HOUSEHOLD, *QUICK) as meter:
        configure(site, meter.line("cabin"), "  - {id: em-1, driver: iec62056_21, line: cabin}\n")
        assert site.run("read", "em-1").returncode == 0
        archive, older = site.site.archive, site.site.folder / "older"
        shutil.copytree(archive, older)
        assert site.run("read", "em-1").returncode == 0
    names = sorted(path.name for path in archive.iterdir())
    assert levels(about(looked(site, "--no-network", code=0 if on_disk(site) else 1), "archive")) == ["ok"] * 3
    for name in ("segment-000001.sqlite", "segment-000001.sqlite-wal"):
        (archive / name).unlink(missing_ok=True)
        if (older / name).exists():
            shutil.copy(older / name, archive / name)
    (archive / "signing.key").chmod(0o644)
    found = looked(site, "--no-network", code=1)
    assert "readings are missing at the end" in about(found, "archive", "head")[0]["text"]
    assert about(found, "archive", "signing key")[0]["level"] == "error"
    assert about(found, "network") == [], "and nothing is connected to when that is not wanted"
    assert sorted(path.name for path in archive.iterdir()) == names


def test_an_endpoint_gets_a_connection_and_no_byte(site: QuickSite) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        configure(site, f"  cabin: {{type: tcp, host: 127.0.0.1, port: {server.getsockname()[1]}}}\n")
        found = looked(site, code=0 if on_disk(site) else 1)
        client, _ = server.accept()
        with client:
            client.settimeout(10)
            assert client.recv(100) == b"", "it is closed, and nothing was sent"
    assert about(found, "network")[0]["text"] == "takes a connection"


def test_whatever_hangs_it_is_through_within_10_s(site: QuickSite) -> None:
    """An endpoint and a broker that take a connection in no time, and refuse none."""
    with black_hole() as port:
        lines = f"  hole: {{type: tcp, host: 127.0.0.1, port: {port}}}\n"
        configure(site, lines, sinks=f"  - {{id: m, type: mqtt, host: 127.0.0.1, port: {port}, timeout_s: 60}}\n")
        begun = time.monotonic()
        found = looked(site, code=1)
        assert time.monotonic() - begun < 10
    assert about(found, "network", "hole")[0]["text"] == "no answer within 2 s"
    (hangs,) = about(found, "sinks", "m")
    assert "did not answer in time" in hangs["text"] and not hangs["seen"]
    assert levels(about(found, "disk", "room")) == ["ok"], "what comes behind it is told all the same"


def test_a_configuration_that_cannot_be_used(site: QuickSite) -> None:
    """The fault is told, and what can be looked at without one."""
    configure(site, "  optical: {type: serial, devise: /dev/ttyUSB0}\n")
    found = looked(site, code=1)
    assert any("did you mean 'device'" in one["text"] for one in about(found, "configuration"))
    assert about(found, "software", "Python") and about(found, "clock", "synchronisation")


def test_a_configuration_that_never_comes(site: QuickSite, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a dead network drive."""
    os.mkfifo(site.site.config)
    monkeypatch.setattr(doctor, "_LOADING_S", 0.2)
    done = CliRunner().invoke(gatewayd, ["-c", str(site.site.config), "doctor", "--json"])
    document = json.loads(done.stdout)
    assert "could not be loaded: no answer within" in about(document["findings"], "configuration")[0]["text"]
    assert (done.exit_code, document["unseen"]) == (0, 1)


def test_another_user_is_told_what_was_not_seen(site: QuickSite) -> None:
    """And that sudo would see it; what it cannot see is never said to be all right."""
    assert os.geteuid() == 0, "this test needs root: sudo ./dev test (it becomes another user)"
    folder = site.site.folder
    for each in (folder, *folder.parents[:-1]):
        if each.stat().st_uid == 0:
            each.chmod(each.stat().st_mode | 0o055)
    (folder / "pw").write_text("12345678\n")
    (folder / "pw").chmod(0o400)
    with terminal() as device:
        os.chmod(device, 0o600)  # noqa: PTH101 - a name in /dev
        configure(
            site,
            f"  optical: {{type: serial, device: {device}}}\n",
            f"  - {{id: em-1, driver: iec62056_21, line: optical, iec62056_21: {{password_file: {folder}/pw}}}}\n",
        )
        site.site.archive.mkdir(mode=0o700)
        site.site.config.chmod(0o644)
        with running(site.said, "gatewayd", "-c", str(site.site.config), "run") as daemon:
            eventually(lambda: (site.site.archive / "control.sock").exists() or not daemon.pid, "it serves")
            text, plain = (as_nobody(folder, site.site.config, *options) for options in ((), ("--json",)))
    found = json.loads(plain)["findings"]
    assert not about(found, "gateway", "running")[0]["seen"]
    assert not about(found, "archive")[0]["seen"]
    assert not about(found, "secrets", "meter em-1")[-1]["seen"]
    assert json.loads(plain)["unseen"] >= 4
    assert "things were not seen, and may be wrong all the same: sudo gatewayd doctor" in text


def as_nobody(folder: Path, config: Path, *options: str) -> str:
    """What `gatewayd doctor` prints to another user, who could not start the interpreter of this one."""
    output = folder / f"said-{len(list(folder.iterdir()))}"
    server = multiprocessing.get_context("forkserver")
    process = server.Process(target=_as_nobody, args=(str(output), str(config), options))
    process.start()
    process.join(30)
    assert process.exitcode == 0, output.read_text()
    return output.read_text()


def _as_nobody(output: str, config: str, options: tuple[str, ...]) -> None:
    sys.argv = ["gatewayd", "-c", config, "doctor", "--no-network", *options]
    for place in (os.devnull, output):  # once for what it imports, as long as that may be read
        descriptor = os.open(place, os.O_WRONLY | os.O_CREAT, 0o600)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        if place == output:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
        with contextlib.suppress(SystemExit):
            runpy.run_module("gatewayd", run_name="__main__", alter_sys=True)


def test_what_people_read(site: QuickSite) -> None:
    """Areas, levels, remedies and a last line; with -q only what is not all right."""
    configure(site, f"  optical: {{type: serial, device: {site.site.folder}/none}}\n")
    done = site.run("doctor", "--no-network")
    assert done.returncode == 1
    lines = [line.rstrip() for line in done.stdout.splitlines()]
    assert "serial" in lines and "disk" in lines
    assert any(line.startswith("  error    optical: ") and line.endswith("the device does not exist") for line in lines)
    assert "-> plug the adapter in" in done.stdout
    assert "error" in lines[-1]
    assert "\x1b" not in done.stdout
    quiet = site.run("doctor", "--no-network", "-q").stdout
    assert "  ok " not in quiet and "the device does not exist" in quiet
