"""The listener for metrics and health: a port that cannot be had, and other configurations."""

import asyncio
import logging
import socket
from collections.abc import Callable, Coroutine
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from gatewayd import daemon
from gatewayd.config import Config, parse
from gatewayd.daemon import observing
from gatewayd.daemon.observing import Observing
from tests.interop.server import free_port

PATIENCE = 20.0


def config(port: int | None, host: str = "127.0.0.1") -> Config:
    block = "" if port is None else f"observability: {{listen: '{host}:{port}'}}\n"
    text = f"gateway: {{id: gw-1}}\narchive: {{path: /nowhere}}\n{block}"
    return parse(text, "f.yaml", daemon.DRIVER_OPTIONS, daemon.SINK_OPTIONS)


def played(main: Callable[[Observing], Coroutine[None, None, None]]) -> None:
    async def whole() -> None:
        gateway: Any = SimpleNamespace(store=SimpleNamespace(folder=Path("/nowhere")))
        made = Observing(cast("Any", gateway))
        try:
            async with asyncio.timeout(PATIENCE):
                await main(made)
        finally:
            await made.close()

    asyncio.run(whole())


async def answers(port: int, host: str = "127.0.0.1") -> bool:
    """A page that there is not, so that no gateway is needed."""
    try:
        reader, writer = await asyncio.open_connection(host, port)
    except OSError:
        return False
    writer.write(b"GET / HTTP/1.1\r\n\r\n")
    found = (await reader.read(-1)).startswith(b"HTTP/1.1 404 ")
    writer.close()
    return found


def test_a_port_that_is_taken_is_told_once_and_had_when_it_is_free(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(observing, "AGAIN_S", 0.02)
    port = free_port()

    async def main(made: Observing) -> None:
        with socket.create_server(("127.0.0.1", port)):
            await made.take(config(port))
            await asyncio.sleep(0.1)  # several attempts
        while not await answers(port):
            await asyncio.sleep(0.01)

    with caplog.at_level(logging.INFO, "gatewayd.daemon"):
        played(main)
    assert caplog.text.count(f"no metrics: 127.0.0.1:{port} cannot be listened at (Address already in use") == 1
    assert caplog.text.count(f"metrics and health at http://127.0.0.1:{port}/metrics") == 1


def test_another_configuration_while_a_port_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observing, "AGAIN_S", 0.02)
    taken, other = free_port(), free_port()

    async def main(made: Observing) -> None:
        with socket.create_server(("127.0.0.1", taken)):
            await made.take(config(taken))
            await made.take(config(other))
        assert await answers(other)
        await asyncio.sleep(0.1)
        assert not await answers(taken), "nobody waits for it any more"
        await made.take(config(None))
        assert not await answers(other)

    played(main)


def test_who_is_served_is_not_interrupted_where_the_port_stays() -> None:
    port = free_port()

    async def main(made: Observing) -> None:
        await made.take(config(port))
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        await made.take(config(port))
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        assert (await reader.read(-1)).startswith(b"HTTP/1.1 404 ")
        writer.close()

    played(main)


def test_ipv6() -> None:
    port = free_port()

    async def main(made: Observing) -> None:
        await made.take(config(port, "[::1]"))
        assert await answers(port, "::1") and not await answers(port)

    if not socket.has_ipv6 or not Path("/proc/net/if_inet6").read_text():
        pytest.fail("this machine has no IPv6: sysctl net.ipv6.conf.lo.disable_ipv6=0")
    played(main)
