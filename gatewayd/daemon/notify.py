"""What the service manager is told: the protocol of sd_notify(3), over the datagram socket that NOTIFY_SOCKET names.

Rules: without a service manager nothing is sent and nothing fails. The variables are taken out of the environment, so
that no child speaks for us. Nobody is told READY before the gateway serves, or anything but STATUS once it stops. What
has to arrive waits a moment for a manager that is busy; what is repeated anyway does not.
"""

import contextlib
import logging
import os
import socket
import time
from collections.abc import AsyncIterator, MutableMapping

_SECONDS = 1.0
"""How long a manager that is busy is waited for."""

log = logging.getLogger("gatewayd.daemon")


class Notifier:
    """Speaks to the service manager; `address` is the path of its socket, "@..." an abstract name, "" nobody."""

    def __init__(self, address: str = "", watchdog_seconds: float | None = None) -> None:
        self._socket: socket.socket | None = None
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._fault = ""
        self._serves = False
        self._owed = False
        """READY was not taken: without it the manager would end a gateway that serves."""
        self.watchdog_seconds: float | None = None
        """Within how many seconds the manager expects a sign of life; None: it expects none."""
        if not address:
            return
        if address[0] not in "/@":
            log.warning("NOTIFY_SOCKET=%s is no socket that gatewayd can speak to: nobody is told how it does", address)
            return
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self.watchdog_seconds = watchdog_seconds

    @classmethod
    def from_environment(cls, environment: MutableMapping[str, str]) -> "Notifier":
        """As the manager has set it up for this process; the variables are removed."""
        address = environment.pop("NOTIFY_SOCKET", "")
        interval, whose = environment.pop("WATCHDOG_USEC", ""), environment.pop("WATCHDOG_PID", "")
        seconds = int(interval) / 1e6 if interval.isascii() and interval.isdigit() else 0.0
        return cls(address, seconds if seconds and whose in ("", str(os.getpid())) else None)

    @property
    def active(self) -> bool:
        """Whether anybody listens."""
        return self._socket is not None

    def ready(self, status: str = "") -> None:
        """The gateway serves."""
        self._serves = True
        self._owed = not self._send("READY=1", *_status(status))

    def stopping(self, status: str = "") -> None:
        """The gateway has begun to stop."""
        self._serves = False
        self._send("STOPPING=1", *_status(status))

    def status(self, text: str) -> None:
        """How it is, in one line for people."""
        self._send(*_status(text), patient=False)

    def alive(self) -> None:
        """The sign of life that the watchdog waits for."""
        if self._serves:
            if self._owed:
                self._owed = not self._send("READY=1", patient=False)
            self._send("WATCHDOG=1", patient=False)

    @contextlib.asynccontextmanager
    async def reloading(self) -> AsyncIterator[None]:
        """The configuration is loaded again while this lasts, however that ends."""
        if not self._serves:
            yield
            return
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")
        try:
            yield
        finally:
            if self._serves:  # else the gateway has begun to stop meanwhile
                self._owed = not self._send("READY=1")

    def close(self) -> None:
        """Say nothing more."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _send(self, *assignments: str, patient: bool = True) -> bool:
        """Whether it was taken; without a manager there is nobody to take it, and nothing is owed."""
        if self._socket is None:
            return True
        datagram = "\n".join(assignments).encode()
        self._socket.settimeout(_SECONDS if patient else 0)
        try:
            self._socket.sendto(datagram, self._address)
        except OSError as error:
            text = error.strerror or str(error)
            if self._fault != text:
                log.warning("the service manager cannot be told %s: %s", assignments[0], text)
            self._fault = text
            return False
        self._fault = ""
        return True


def _status(text: str) -> tuple[str, ...]:
    return (f"STATUS={' '.join(text.split())}",) if text else ()
