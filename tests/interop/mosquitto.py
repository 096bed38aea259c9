"""A real Mosquitto of one's own, on a free port, that can be killed, stopped and brought back; and an independent
subscriber, mosquitto_sub.

Rules: everything lives in one directory and on the loopback interface; only processes started here are signalled; waits
have deadlines; a missing program is a failure that says how to install it.
"""

import os
import pwd
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from tests.interop.contract import check_message
from tests.interop.server import Server

READY = "test/ready"
"""A retained message on this topic tells a subscriber that its subscription stands."""
DEADLINE_S = 10.0


def program(name: str) -> str:
    """Path of one of Mosquitto's programs."""
    path = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if path is None:
        pytest.fail(f"{name} is not installed; run: apt-get install mosquitto mosquitto-clients")
    return path


class Mosquitto(Server):
    """One broker. `users` maps names to passwords; without any, everybody may connect. `settings` are further lines of
    its configuration."""

    program = "mosquitto"
    package = "mosquitto"

    def __init__(
        self,
        directory: Path,
        users: dict[str, str] | None = None,
        persistence: bool = False,
        settings: Sequence[str] = (),
    ) -> None:
        super().__init__(directory)
        self._users = users or {}
        self._persistence = persistence
        self._settings = settings

    @property
    def credentials(self) -> list[str]:
        """What the programs of Mosquitto need to get in."""
        for user, password in self._users.items():
            return ["-u", user, "-P", password]
        return []

    def command(self) -> list[str]:
        return ["-c", self._configure()]

    def ready(self) -> bool:
        """Whether the port answers and the ready mark is set."""
        try:
            socket.create_connection((self.host, self.port), timeout=1).close()
        except OSError:
            return False
        mark = ["-h", self.host, "-p", str(self.port), "-t", READY, "-m", "ready", "-r", "-q", "1", *self.credentials]
        subprocess.run([program("mosquitto_pub"), *mark], check=True, timeout=DEADLINE_S)
        return True

    def terminate(self) -> None:
        """SIGTERM: an orderly end."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(DEADLINE_S)
            self._process = None

    def _configure(self) -> str:
        lines = [
            f"listener {self.port} {self.host}",
            # started as root it would become another user, who may not enter a private directory
            f"user {pwd.getpwuid(os.getuid()).pw_name}",
            f"allow_anonymous {'false' if self._users else 'true'}",
            f"persistence {'true' if self._persistence else 'false'}",
            f"persistence_location {self.directory}/",
            "max_queued_messages 0",
            "log_dest stderr",
            *self._settings,
        ]
        if self._users:
            passwords = self.directory / "passwords"
            passwords.touch(mode=0o600)
            for user, password in self._users.items():
                subprocess.run(
                    [program("mosquitto_passwd"), "-b", str(passwords), user, password],
                    check=True,
                    timeout=DEADLINE_S,
                    stderr=subprocess.DEVNULL,
                )
            lines.append(f"password_file {passwords}")
        path = self.directory / "mosquitto.conf"
        path.write_text("\n".join(lines) + "\n")
        return str(path)


@dataclass(frozen=True, slots=True)
class Received:
    """One message as mosquitto_sub saw it."""

    topic: str
    payload: str
    retained: bool
    qos: int


class Subscriber:
    """A mosquitto_sub process and what it has received so far. Entering waits until the subscription stands.

    Every message below `gatewayd/` and `homeassistant/` must keep the published contract; leaving tells which did not.
    """

    def __init__(self, broker: Mosquitto, *topics: str, qos: int = 0, contract: bool = True) -> None:
        wanted = [part for topic in (READY, *topics) for part in ("-t", topic)]
        self._command = [
            program("mosquitto_sub"),
            *("-h", broker.host, "-p", str(broker.port), "-q", str(qos), "-F", r"%r\t%q\t%t\t%p"),
            *broker.credentials,
            *wanted,
        ]
        self._received: list[Received] = []
        self._changed = threading.Condition()
        self._ready = False
        self._contract = contract
        self._broken: list[str] = []

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self._reader = threading.Thread(target=self._read, name="mosquitto_sub")
        self._reader.start()
        with ExitStack() as undo:
            undo.push(self)
            self.wait_for(lambda _: self._ready)
            undo.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait(DEADLINE_S)
        self._reader.join(DEADLINE_S)
        if error is None:
            assert not self._broken, f"{len(self._broken)} messages break the contract, the first:\n{self._broken[0]}"

    @property
    def received(self) -> list[Received]:
        with self._changed:
            return list(self._received)

    def wait_for(self, condition: Callable[[list[Received]], bool], timeout: float = DEADLINE_S) -> list[Received]:
        """Everything received as soon as `condition` holds for it; a test failure after `timeout` seconds."""
        with self._changed:
            if not self._changed.wait_for(lambda: condition(self._received), timeout):
                latest = "\n".join(str(message) for message in self._received[-5:])
                pytest.fail(f"not received within {timeout:g} s; {len(self._received)} messages, the last:\n{latest}")
            return list(self._received)

    def _check(self, topic: str, payload: str) -> None:
        request = topic.startswith("gatewayd/") and topic.endswith("/replay")  # of a consumer, who may write anything
        if self._contract and topic.startswith(("gatewayd/", "homeassistant/")) and not request:
            try:
                check_message(topic, payload.encode())
            except AssertionError as fault:
                self._broken.append(f"{topic}: {fault}\n{payload}")

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                retained, qos, topic, payload = line.rstrip("\n").split("\t", 3)
                self._check(topic, payload)
                with self._changed:
                    if topic == READY:
                        self._ready = True
                    else:
                        self._received.append(Received(topic, payload, retained == "1", int(qos)))
                    self._changed.notify_all()
