"""The control socket: how the command line asks a running gateway. One line of JSON each way, then the connection ends.

Rules: a local socket beside the archive, for the user and the group of the gateway; a request only looks; it is short
and so is its time. Whoever connects and says nothing costs nobody anything.
"""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from gatewayd.errors import GatewayError

NAME = "control.sock"
_LONGEST = 64 * 1024 * 1024
_REQUEST_LONGEST = 4096
_PATIENCE_S = 5.0

Handler = Callable[[], Awaitable[dict[str, object]]]


class NotRunning(GatewayError):
    """No gateway listens: it does not run, or runs with another archive."""


@contextlib.asynccontextmanager
async def listening(folder: Path, handlers: Mapping[str, Handler]) -> AsyncIterator[None]:
    """Answer requests while the `async with` lasts. OSError when the socket cannot be made."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_PATIENCE_S):
                line = await reader.readline()
                writer.write(msgspec.json.encode(await _answer(line, handlers)) + b"\n")
                await writer.drain()
        except (TimeoutError, OSError, ValueError):
            return  # ValueError: the line is too long
        finally:
            writer.close()

    with _short(folder) as path:
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        mask = os.umask(0o117)
        try:
            server = await asyncio.start_unix_server(serve, path, limit=_REQUEST_LONGEST)
        finally:
            os.umask(mask)
        try:
            yield
        finally:
            server.close()
            with contextlib.suppress(FileNotFoundError):
                path.unlink()


async def ask(folder: Path, request: str) -> dict[str, Any]:
    """What the gateway that writes the archive in `folder` answers. NotRunning; GatewayError for what it refuses."""
    try:
        with _short(folder) as path:
            async with asyncio.timeout(_PATIENCE_S):
                reader, writer = await asyncio.open_unix_connection(path, limit=_LONGEST)
                try:
                    writer.write(msgspec.json.encode({"request": request}) + b"\n")
                    line = await reader.readline()
                finally:
                    writer.close()
        answer = msgspec.json.decode(line, type=dict[str, Any])
    except PermissionError as error:
        raise PermissionError(f"{folder / NAME}: only for root and the user and group of the gateway") from error
    except TimeoutError as error:
        raise GatewayError(
            f"the gateway at {folder / NAME} does not answer; is the machine overloaded, the gateway stopped?"
        ) from error
    except (OSError, ValueError) as error:
        raise NotRunning(f"no gateway answers at {folder / NAME}") from error
    if "error" in answer:
        raise GatewayError(f"the running gateway says: {answer['error']}")
    return answer


async def _answer(line: bytes, handlers: Mapping[str, Handler]) -> dict[str, object]:
    try:
        name = msgspec.json.decode(line, type=dict[str, str]).get("request", "")
    except msgspec.MsgspecError:
        return {"error": "that is no request"}
    handler = handlers.get(name)
    if handler is None:
        return {"error": f"there is no request '{name}'; is one of the two of another version?"}
    return await handler()


@contextlib.contextmanager
def _short(folder: Path) -> Iterator[Path]:
    """The path of the socket by a name that is short however long that of the folder is: the kernel takes 107 bytes."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield Path(f"/proc/self/fd/{descriptor}/{NAME}")
    finally:
        os.close(descriptor)
