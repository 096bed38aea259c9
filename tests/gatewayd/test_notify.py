"""The protocol of sd_notify, against a socket as systemd has it."""

import asyncio
import contextlib
import logging
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gatewayd.daemon.notify import Notifier


class Manager:
    """The side of the service manager."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + address[1:] if address.startswith("@") else address)
        self.socket.setblocking(False)

    @property
    def told(self) -> list[str]:
        """What has come since the last look."""
        found = []
        try:
            while True:
                found.append(self.socket.recv(65536).decode())
        except BlockingIOError:
            return found


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    abstract = request.param == "abstract"
    made = Manager(f"@gatewayd-test-{os.getpid()}-{tmp_path.name}" if abstract else str(tmp_path / "notify"))
    yield made
    made.socket.close()


def notifier(manager: Manager, **more: str) -> Notifier:
    return Notifier.from_environment({"NOTIFY_SOCKET": manager.address, **more})


def test_the_life_of_a_service(manager: Manager) -> None:
    async def reload() -> int:
        async with one.reloading():
            return time.monotonic_ns() // 1000

    one = notifier(manager)
    assert one.active and manager.told == []
    one.ready("2 meters")
    one.status("3 meters,\n 1 with faults")
    one.alive()
    assert manager.told == ["READY=1\nSTATUS=2 meters", "STATUS=3 meters, 1 with faults", "WATCHDOG=1"]
    after = asyncio.run(reload())
    reloading, ready = manager.told
    assert ready == "READY=1"
    word, _, at = reloading.partition("\nMONOTONIC_USEC=")
    assert word == "RELOADING=1" and 0 <= after - int(at) < 1_000_000
    one.stopping()
    assert manager.told == ["STOPPING=1"]
    one.close()


def test_a_reload_that_fails_is_over_as_well(manager: Manager) -> None:
    async def fail() -> None:
        async with one.reloading():
            raise ValueError

    one = notifier(manager)
    one.ready()
    with pytest.raises(ValueError):
        asyncio.run(fail())
    assert [text.partition("\n")[0] for text in manager.told] == ["READY=1", "RELOADING=1", "READY=1"]
    one.close()


def test_nothing_is_promised_before_it_serves_or_when_it_stops(manager: Manager) -> None:
    async def stopped_meanwhile() -> None:
        async with one.reloading():
            one.stopping()

    async def too_early() -> None:
        async with one.reloading():
            pass

    one = notifier(manager)
    one.alive()
    asyncio.run(too_early())
    assert manager.told == []
    one.ready()
    asyncio.run(stopped_meanwhile())
    one.alive()
    assert [text.partition("\n")[0] for text in manager.told] == ["READY=1", "RELOADING=1", "STOPPING=1"]
    one.close()


@pytest.mark.parametrize(
    ("more", "seconds"),
    [
        ({"WATCHDOG_USEC": "180000000"}, 180.0),
        ({"WATCHDOG_USEC": "180000000", "WATCHDOG_PID": str(os.getpid())}, 180.0),
        ({"WATCHDOG_USEC": "180000000", "WATCHDOG_PID": "1"}, None),  # somebody else is watched
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({}, None),
    ],
)
def test_whether_signs_of_life_are_expected(tmp_path: Path, more: dict[str, str], seconds: float | None) -> None:
    manager = Manager(str(tmp_path / "notify"))
    one = notifier(manager, **more)
    assert one.watchdog_seconds == seconds
    one.close()
    manager.socket.close()


def test_no_child_inherits_the_variables(tmp_path: Path) -> None:
    manager = Manager(str(tmp_path / "notify"))
    environment = {"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "1", "WATCHDOG_PID": "1", "HOME": "/"}
    one = Notifier.from_environment(environment)
    assert environment == {"HOME": "/"}
    one.close()
    manager.socket.close()


@pytest.mark.parametrize("address", ["", "vsock:2:1234"])
def test_without_a_manager_nothing_happens(address: str) -> None:
    one = Notifier.from_environment({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "1000000"})
    assert not one.active and one.watchdog_seconds is None
    one.ready("text")
    one.alive()
    one.stopping()
    one.close()


def test_a_manager_that_has_gone_is_told_of_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    manager = Manager(str(tmp_path / "notify"))
    one = notifier(manager)
    manager.socket.close()
    with caplog.at_level(logging.WARNING):
        one.ready()
        one.alive()
    assert [record.getMessage() for record in caplog.records] == [
        "the service manager cannot be told READY=1: Connection refused"
    ]
    one.close()


def test_a_manager_that_is_busy_holds_nobody_up_for_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its queue is full: signs of life come again, so they are not waited with."""
    monkeypatch.setattr("gatewayd.daemon.notify._SECONDS", 0.2)
    manager = Manager(str(tmp_path / "notify"))
    one = notifier(manager)
    one.ready()
    begun = time.monotonic()
    for _ in range(2000):
        one.alive()
    one.stopping()
    assert time.monotonic() - begun < 5
    told = manager.told
    assert told[0] == "READY=1" and set(told[1:]) == {"WATCHDOG=1"} and len(told) < 2000
    one.close()
    manager.socket.close()


def test_ready_is_told_again_to_a_manager_that_was_too_busy(manager: Manager) -> None:
    """Else it would end a gateway that serves, when its time for the start is over."""
    one, crowd = notifier(manager), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    with crowd:
        crowd.setblocking(False)
        address = manager.socket.getsockname()
        with contextlib.suppress(BlockingIOError):
            while True:
                crowd.sendto(b"STATUS=others", address)
    one.ready()
    assert "READY=1" not in manager.told
    one.alive()
    assert manager.told == ["READY=1", "WATCHDOG=1"]
    one.alive()
    assert manager.told == ["WATCHDOG=1"]
    one.close()
