"""Serial servers that others wrote, on the loopback interface, in front of a pseudo-terminal: ser2net, and the server
part of pyserial.

Rules: those of tests/interop/server.py. ser2net is never asked over its port whether it is ready: the connection would
occupy the device.
"""

import contextlib
import os
import select
import socket
import termios
import threading
from collections.abc import Iterator
from pathlib import Path

import serial
from serial.rfc2217 import PortManager

from tests.interop.server import DEADLINE_S, Server

RFC2217 = "telnet(rfc2217),tcp"
_LISTENING = "0A"  # /proc/net/tcp, proc(5); include/net/tcp_states.h


class Ser2net(Server):
    """One ser2net process. `accepter` is what it speaks on its port: RFC 2217, `telnet,tcp` or `tcp`."""

    program = "ser2net"
    package = "ser2net"

    def __init__(self, directory: Path, device: Path, accepter: str = RFC2217) -> None:
        super().__init__(directory)
        self._device = device
        self._accepter = accepter

    def command(self) -> list[str]:
        settings = self.directory / "ser2net.yaml"
        settings.write_text(
            "%YAML 1.1\n---\n"
            "connection: &line\n"
            f"  accepter: {self._accepter},{self.host},{self.port}\n"
            # Nothing that a meter uses, so that every setting has to be made.
            f"  connector: serialdev,{self._device},115200o72,local\n"
        )
        return ["-n", "-d", "-u", "-c", str(settings)]

    def ready(self) -> bool:
        local = f"0100007F:{self.port:04X}"
        sockets = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        return any(fields[1] == local and fields[3] == _LISTENING for fields in sockets)


class _Terminal(serial.Serial):
    """A pseudo-terminal as a port: it has no modem lines, and says no to seven bits unless it `pretends`."""

    pretends = False
    cts = dsr = ri = cd = False

    def _reconfigure_port(self, force_update: bool = False) -> None:
        try:
            super()._reconfigure_port(force_update)  # type: ignore[misc]  # the stubs leave it out
        except termios.error as error:
            if not self.pretends:
                raise ValueError(str(error)) from error  # what PortManager takes for a refusal


class PortManagerServer:
    """pyserial's serial.rfc2217.PortManager in a thread, one client after the other, as its own example does it."""

    host = "127.0.0.1"

    def __init__(self, device: Path, *, pretends: bool) -> None:
        self.terminal = _Terminal(str(device), 115200, timeout=0)
        self.terminal.pretends = pretends
        self._listener = socket.create_server((self.host, 0))
        self.port: int = self._listener.getsockname()[1]
        self._wake, self._woken = socket.socketpair()
        self._thread = threading.Thread(target=self._run, name="port manager")
        self._client: socket.socket | None = None

    def write(self, data: bytes) -> None:
        """What PortManager has to say to the client."""
        assert self._client is not None
        with contextlib.suppress(ConnectionError):
            self._client.sendall(data)

    def _run(self) -> None:
        while self._woken not in select.select([self._listener, self._woken], [], [])[0]:
            self._client, _ = self._listener.accept()
            with self._client as client, contextlib.suppress(ConnectionError):
                # The stubs want a serial port as connection; the code wants an object with write().
                manager = PortManager(self.terminal, self)  # type: ignore[arg-type]
                while self._serve(client, manager):
                    pass

    def _serve(self, client: socket.socket, manager: PortManager) -> bool:
        port = self.terminal.fileno()
        ready, _, _ = select.select([client.fileno(), port, self._woken.fileno()], [], [])
        if self._woken.fileno() in ready:
            return False
        if client.fileno() in ready:
            data = client.recv(4096)
            if not data:
                return False
            self.terminal.write(b"".join(manager.filter(data)))
        if port in ready:
            client.sendall(b"".join(manager.escape(os.read(port, 4096))))
        return True


@contextlib.contextmanager
def port_manager(device: Path, *, pretends: bool = False) -> Iterator[PortManagerServer]:
    """`pretends`: the port confirms seven bits and parity, as hardware does that has them."""
    server = PortManagerServer(device, pretends=pretends)
    server._thread.start()
    try:
        yield server
    finally:
        server._wake.close()
        server._thread.join(DEADLINE_S)
        assert not server._thread.is_alive()
        server._listener.close()
        server._woken.close()
        server.terminal.close()
