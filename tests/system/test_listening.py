"""Meters that push to a running gateway: the recording of a real one goes from a socket to the archive."""

import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.drivers.dlms.push_bytes import capture
from tests.system.rig import DEADLINE_S, ROOT, Daemon, Site, captures, data_sets, eventually

pytestmark = pytest.mark.capture

HERE, FIRST, SECOND, STRANGER = "127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.9"


def recording() -> bytes:
    return (captures() / "easymeter_q3da_modeD.bin").read_bytes()


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    with socket.socket(socket.AF_INET, kind) as found:
        found.bind((HERE, 0))
        return int(found.getsockname()[1])


def call(port: int, address: str = FIRST) -> socket.socket:
    """Connect from one of the addresses of loopback, as soon as somebody listens."""
    until = time.monotonic() + DEADLINE_S
    while True:
        try:
            return socket.create_connection((HERE, port), timeout=DEADLINE_S, source_address=(address, 0))
        except ConnectionRefusedError:
            assert time.monotonic() < until, f"nobody listens at {port}"
            time.sleep(0.05)


def meter(name: str, *more: str, jobs: str = "jobs: [{listen: true}]") -> str:
    keys = (f"id: {name}, driver: iec62056_21, line: hes, iec62056_21: {{mode: D}}", *more, *filter(None, (jobs,)))
    return f"  - {{{', '.join(keys)}}}\n"


def values(site: Site, name: str) -> list[tuple[str, str]]:
    shown = site.json("archive", "show", name)
    return [(reading["obis_raw"], reading["raw"]) for reading in shown["readings"]]


def heard(daemon: Daemon, name: str) -> Callable[[], bool]:
    return lambda: f"meter {name} on line hes is heard" in daemon.messages


def status(site: Site) -> dict[str, Any]:
    found: dict[str, Any] = site.json("status")
    return found


def test_two_meters_push_to_one_port_and_everything_arrives(tmp_path: Path) -> None:
    site, port = Site(tmp_path), free_port()
    site.configure(
        f"  hes: {{type: tcp_listen, bind: {HERE}, port: {port}}}\n",
        meter("em-1", f"peer: {FIRST}") + meter("em-2", f"peer: {SECOND}"),
    )
    telegram = recording()
    with site.daemon() as daemon:
        one, two = call(port, FIRST), call(port, SECOND)
        for _ in range(3):
            one.sendall(telegram)
        for byte in telegram:  # a line that drips
            two.sendall(bytes((byte,)))
        eventually(heard(daemon, "em-1"), "em-1 is heard")
        eventually(heard(daemon, "em-2"), "em-2 is heard")
        with call(port, STRANGER) as stranger:
            assert stranger.recv(1) == b""
        eventually(lambda: f"{STRANGER} is the peer of no meter on this line" in daemon.messages, "the stranger")
        found = {entry["meter"]: entry for entry in status(site)["listening"]}
        assert {name: (entry["line"], entry["connected"]) for name, entry in found.items()} == {
            "em-1": ("hes", True),
            "em-2": ("hes", True),
        }
        assert all(entry["last_heard_at"] for entry in found.values())
        two.sendall(telegram[:40])  # a reset in the middle of a telegram
        two.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        two.close()
        eventually(lambda: not all(one["connected"] for one in status(site)["listening"]), "em-2 is gone")
        again = call(port, SECOND)
        again.sendall(telegram)
        eventually(lambda: all(one["connected"] for one in status(site)["listening"]), "em-2 is back")
        eventually(lambda: len(values(site, "em-1")) == 15 and len(values(site, "em-2")) == 10, "all telegrams")
        assert status(site)["faults"] == []
        assert daemon.terminate() == 0
        one.close()
        again.close()
    wanted = [(code, sets[0].partition("*")[0]) for code, sets in data_sets(telegram)]
    assert values(site, "em-1") == wanted * 3
    assert values(site, "em-2") == wanted * 2
    assert site.json("archive", "verify")["ok"]


def test_datagrams_from_two_meters(tmp_path: Path) -> None:
    site, port = Site(tmp_path), free_port(socket.SOCK_DGRAM)
    site.configure(
        f"  hes: {{type: udp_listen, bind: {HERE}, port: {port}}}\n",
        meter("em-1", f"peer: {FIRST}") + meter("em-2", f"peer: {SECOND}"),
    )
    telegram = recording()
    with (
        site.daemon() as daemon,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as two,
    ):
        one.bind((FIRST, 0))
        two.bind((SECOND, 0))
        eventually(lambda: "gatewayd 0" in daemon.messages, "the gateway runs")

        def both() -> bool:
            for half in (slice(0, 60), slice(60, None)):  # a telegram in two datagrams, those of the other between them
                one.sendto(telegram[half], (HERE, port))
                two.sendto(telegram[half], (HERE, port))
            time.sleep(0.3)
            return heard(daemon, "em-1")() and heard(daemon, "em-2")()

        eventually(both, "both are heard")
        assert daemon.terminate() == 0
    wanted = [(code, sets[0].partition("*")[0]) for code, sets in data_sets(telegram)]
    for name in ("em-1", "em-2"):
        assert values(site, name)[:5] == wanted


def test_a_dlms_meter_pushes_to_the_same_gateway(tmp_path: Path) -> None:
    """A customer port behind a converter: one connection for each message, then one that breaks off."""
    message = capture("hdlc_norway_han_3phase")
    site, port = Site(tmp_path), free_port()
    site.configure(
        f"  hes: {{type: tcp_listen, bind: {HERE}, port: {port}}}\n",
        "  - {id: han, driver: dlms, line: hes, dlms: {push: {}}, jobs: [{listen: true}]}\n",
    )
    with site.daemon() as daemon:
        for count in range(1, 4):
            with call(port) as stream:
                stream.sendall(message)
            eventually(lambda count=count: len(values(site, "han")) == 27 * count, f"message {count}")  # type: ignore[misc]
        with call(port) as stream:
            stream.sendall(message[:100])
        eventually(lambda: len(status(site)["faults"]) == 1, "half a message")
        with call(port) as stream:
            stream.sendall(message)
        eventually(lambda: status(site)["faults"] == [], "a whole one again")
        assert daemon.terminate() == 0
    assert len(values(site, "han")) == 27 * 4
    assert site.json("archive", "verify")["ok"]


def test_the_command_waits_for_the_meter_to_call(tmp_path: Path) -> None:
    site, port = Site(tmp_path), free_port()
    site.configure(
        f"  hes: {{type: tcp_listen, bind: {HERE}, port: {port}, connect_timeout_s: 30}}\n", meter("em-1", jobs="")
    )
    command = [sys.executable, "-m", "gatewayd", "-c", str(site.config), "read", "em-1", "1-0:96.5.5"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    with call(port) as stream:
        stream.sendall(recording())
        output, errors = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 0, errors
    assert "96.5.5" in output
    assert values(site, "em-1") == [("1-0:96.5.5*255", "80")]


def test_a_meter_that_does_not_call_is_told(tmp_path: Path) -> None:
    site, port = Site(tmp_path), free_port()
    site.configure(
        f"  hes: {{type: tcp_listen, bind: {HERE}, port: {port}, connect_timeout_s: 0.2}}\n",
        meter("em-1", f"peer: {FIRST}", jobs=""),
    )
    done = site.run("read", "em-1")
    assert done.returncode == 1
    assert f"meter em-1: line hes: {HERE}:{port}: {FIRST} has not called within 0 s" in done.stderr
    probed = site.run("probe", "hes")
    assert (probed.returncode, "a port on which meters call us" in probed.stderr) == (2, True)


def test_a_customer_port_behind_a_serial_server_is_listened_to(tmp_path: Path) -> None:
    """A line that we open ourselves: the server takes our connection and pushes; it is connected to again."""
    telegram = recording()
    with socket.create_server((HERE, 0)) as server:
        server.settimeout(DEADLINE_S)
        site = Site(tmp_path)
        site.configure(f"  hes: {{type: tcp, host: {HERE}, port: {server.getsockname()[1]}}}\n", meter("em-1"))
        with site.daemon() as daemon:
            connection, _ = server.accept()
            connection.sendall(telegram * 2)
            eventually(heard(daemon, "em-1"), "em-1 is heard")
            connection.close()
            eventually(lambda: len(status(site)["faults"]) == 1, "the line has failed")
            connection, _ = server.accept()
            connection.sendall(telegram)
            eventually(lambda: status(site)["faults"] == [], "em-1 is heard again")
            connection.close()
            assert daemon.terminate() == 0
    assert len(values(site, "em-1")) == 15
