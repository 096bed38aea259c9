"""The control socket: one question, one answer; whoever talks nonsense or nothing costs nobody anything."""

import asyncio
import socket
import stat
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from gatewayd import control
from gatewayd.control import NotRunning, ask, listening
from gatewayd.errors import GatewayError

PATIENCE = 10.0


async def status() -> dict[str, object]:
    return {"gateway": "gw-1", "sinks": ["x" * 100_000]}


def run(folder: Path, main: Callable[[], Awaitable[object]]) -> object:
    async def whole() -> object:
        async with asyncio.timeout(PATIENCE), listening(folder, {"status": status}):
            return await main()

    return asyncio.run(whole())


def test_a_question_is_answered_and_the_socket_is_not_for_everybody(tmp_path: Path) -> None:
    async def main() -> object:
        mode = stat.S_IMODE((tmp_path / control.NAME).stat().st_mode)
        return mode, await ask(tmp_path, "status")

    assert run(tmp_path, main) == (0o660, {"gateway": "gw-1", "sinks": ["x" * 100_000]})
    assert not (tmp_path / control.NAME).exists()


def test_a_folder_with_a_long_name(tmp_path: Path) -> None:
    """The kernel takes 107 bytes for the path of a socket."""
    folder = tmp_path / ("long " * 30) / "archive"
    folder.mkdir(parents=True)

    async def main() -> object:
        return (await ask(folder, "status"))["gateway"]

    assert run(folder, main) == "gw-1"


def test_where_no_gateway_runs(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(NotRunning, match="no gateway answers at"):
            asyncio.run(ask(folder, "status"))


def test_what_a_killed_gateway_left_behind_is_in_nobodys_way(tmp_path: Path) -> None:
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(tmp_path / control.NAME))
    left.close()
    with pytest.raises(NotRunning):
        asyncio.run(ask(tmp_path, "status"))

    async def main() -> object:
        return (await ask(tmp_path, "status"))["gateway"]

    assert run(tmp_path, main) == "gw-1"


def test_a_question_that_there_is_not(tmp_path: Path) -> None:
    async def main() -> object:
        with pytest.raises(GatewayError, match=r"the running gateway says: there is no request 'reload'"):
            await ask(tmp_path, "reload")
        return None

    run(tmp_path, main)


@pytest.mark.parametrize("nonsense", [b"\n", b"{\n", b"[1]\n", b'{"request": 1}\n', b"\xff" * 10_000, b""])
def test_nonsense_and_silence(tmp_path: Path, nonsense: bytes) -> None:
    async def main() -> object:
        reader, writer = await asyncio.open_unix_connection(tmp_path / control.NAME)
        writer.write(nonsense)
        if not nonsense.endswith(b"\n"):
            writer.write_eof()
        await reader.read()
        writer.close()
        return (await ask(tmp_path, "status"))["gateway"]

    assert run(tmp_path, main) == "gw-1"


def test_a_silent_client_holds_nobody_up(tmp_path: Path) -> None:
    async def main() -> object:
        silent = [await asyncio.open_unix_connection(tmp_path / control.NAME) for _ in range(20)]
        answer = (await ask(tmp_path, "status"))["gateway"]
        for _, writer in silent:
            writer.close()
        return answer

    assert run(tmp_path, main) == "gw-1"
