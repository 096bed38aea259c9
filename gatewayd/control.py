"""The control socket: how the command line asks a running gateway. One line of JSON each way, then the connection ends.
What goes on for longer (a trace, a session with a meter) is answered by one line for each event, until one of the two
closes the connection.

Rules: a local socket beside the archive, for the user of the gateway and one group; no secret crosses it. A request is
short, and who has made it the kernel says; who may not is refused in words, whomever the mode of the socket lets in.
What is asked for in the name of somebody who has gone is given up. Whoever connects and says nothing costs nobody
anything, and whoever does not take what was asked for is dropped: the gateway never waits for a reader. There are only
so many connections at a time, because lines and archive need files as well.
"""

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from gatewayd.archive.owner import group_name
from gatewayd.errors import GatewayError
from gatewayd.peer import Peer, peer_of, user_name

NAME = "control.sock"
_LONGEST = 64 * 1024 * 1024
_REQUEST_LONGEST = 64 * 1024
_PATIENCE_S = 5.0
_AT_ONCE = 64
"""Connections; who comes beyond that is told so, and beyond twice as many nobody is."""
_REFUSAL_S = 0.2
"""What a request gets that will be refused: it is read, because otherwise its sender would not see the answer."""
_MODE = 0o660
_NOT_GIVEN = (
    "the control socket cannot be given to group %s (control.group): %s; only root and user %s may ask; "
    "usermod -aG %s %s, under a unit that lets it do so (docs/systemd.md), and restart gatewayd"
)

log = logging.getLogger("gatewayd.control")


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for. `user` is the name of whoever has connected, as the kernel says, and no word of his own."""

    name: str
    details: Mapping[str, str]
    user: str

    def get(self, key: str) -> str:
        """A detail; "" where it is not given."""
        return self.details.get(key, "")


Handler = Callable[[Request], Awaitable[dict[str, object]]]
Stream = Callable[[Request], AsyncGenerator[dict[str, object], None]]
"""Answers a request by one object for each event; GatewayError before the first one for what it refuses. The first
object comes at once: it says that the request was understood."""

Admit = Callable[[Peer], Awaitable[str]]
"""Why this one may not ask anything; "" for whoever may."""


class NotRunning(GatewayError):
    """No gateway listens: it does not run, or runs with another archive."""


@contextlib.asynccontextmanager
async def listening(
    folder: Path,
    handlers: Mapping[str, Handler],
    streams: Mapping[str, Stream] | None = None,
    *,
    admit: Admit | None = None,
    group: int | None = None,
) -> AsyncIterator[None]:
    """Answer requests while the `async with` lasts. OSError when the socket cannot be made.

    `admit` says who may ask: without it, whoever the mode of the socket lets in. `group` is the one that the socket is
    for, where this process may hand it over; else the process's own."""
    running: set[asyncio.Task[None]] = set()
    connected = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connected
        connected += 1
        try:
            if connected > 2 * _AT_ONCE:
                writer.transport.abort()
                return
            await answer(reader, writer, full=connected > _AT_ONCE)
            await _closed(writer)
        finally:
            connected -= 1

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, full: bool) -> None:
        try:
            peer = _peer(writer)
            refusal = "" if full or admit is None else await admit(peer)
            async with asyncio.timeout(_REFUSAL_S if full or refusal else _PATIENCE_S):
                line = await reader.readline()
            if full:
                await _say(writer, {"error": f"{_AT_ONCE} others are connected; try again later"})
                return
            if refusal:
                await _say(writer, {"error": refusal, "refused": True})
                return
            request = _request(line, await _named(peer.uid))
            stream = (streams or {}).get(request.name)
            if stream is not None:
                pump = asyncio.create_task(_pump(writer, stream(request)), name=f"stream {request.name}")
                running.add(pump)
                await _until_gone(reader, pump)
                return
            async with asyncio.timeout(_PATIENCE_S):
                await _say(writer, await _answer(request, handlers))
        except (TimeoutError, OSError, ValueError):
            writer.transport.abort()  # ValueError: the line is too long. What a slow reader did not take is dropped.
        finally:
            running.difference_update([task for task in running if task.done()])
            writer.close()

    with _short(folder) as path:
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        server = await asyncio.start_unix_server(serve, sock=_bound(path, group), limit=_REQUEST_LONGEST)
        try:
            yield
        finally:
            server.close()
            for pump in running:
                pump.cancel()
            await asyncio.gather(*running, return_exceptions=True)
            with contextlib.suppress(FileNotFoundError):
                path.unlink()


def _bound(path: Path, group: int | None) -> socket.socket:
    """The socket, for its owner alone until it belongs to the right group. The umask is that of all threads, and is
    left alone: on Linux a file has the mode that its socket had before."""
    made = socket.socket(socket.AF_UNIX)
    try:
        os.fchmod(made.fileno(), _MODE & 0o700)
        made.bind(str(path))
        if group is not None and path.stat().st_gid != group:
            try:
                os.chown(path, -1, group)
            except PermissionError as error:  # not in that group, or a unit that forbids it: members are kept out
                name, user = group_name(group), user_name(os.geteuid())
                log.warning(_NOT_GIVEN, name, error.strerror, user, name, user)
        path.chmod(_MODE)
    except BaseException:
        made.close()
        raise
    return made


async def ask(folder: Path, request: str) -> dict[str, Any]:
    """What the gateway that writes the archive in `folder` answers. NotRunning; GatewayError for what it refuses."""
    with _understood(folder):
        async with asyncio.timeout(_PATIENCE_S), _asking(folder, {"request": request}) as reader:
            return _checked(await reader.readline())


async def follow(folder: Path, request: str, **details: str) -> AsyncGenerator[dict[str, Any], None]:
    """The events that a request brings, until the gateway stops or the caller does. Raises as `ask` does."""
    async with contextlib.AsyncExitStack() as stack:
        with _understood(folder):
            reader = await stack.enter_async_context(_asking(folder, {"request": request, **details}))
            async with asyncio.timeout(_PATIENCE_S):
                event = _checked(await reader.readline())
        while True:
            yield event
            try:
                line = await reader.readline()
            except OSError:  # as good as closed
                return
            if not line.endswith(b"\n"):
                return
            event = _checked(line)


@contextlib.asynccontextmanager
async def _asking(folder: Path, request: Mapping[str, str]) -> AsyncIterator[asyncio.StreamReader]:
    with _short(folder) as path:
        reader, writer = await asyncio.open_unix_connection(path, limit=_LONGEST)
    try:
        writer.write(msgspec.json.encode(request) + b"\n")
        yield reader
    finally:
        writer.close()


@contextlib.contextmanager
def _understood(folder: Path) -> Iterator[None]:
    """What can go wrong with a request, in the words of the one who asks."""
    try:
        yield
    except PermissionError as error:
        if error.errno is None:  # what the gateway has said
            raise
        raise PermissionError(
            f"{folder / NAME}: only for root, the user of the gateway and {_group_of(folder)} (control.group in the "
            "configuration); if you are in it, can the group enter the folder?"
        ) from error
    except TimeoutError as error:
        raise GatewayError(
            f"the gateway at {folder / NAME} does not answer; is the machine overloaded, the gateway stopped?"
        ) from error
    except (OSError, ValueError) as error:
        raise NotRunning(f"no gateway answers at {folder / NAME}") from error


def _group_of(folder: Path) -> str:
    """Whose members may ask, as far as the socket or its folder can be seen."""
    for path in (folder / NAME, folder):
        with contextlib.suppress(OSError):
            return f"the group {group_name(path.stat().st_gid)}"
    return "its group"


def _checked(line: bytes) -> dict[str, Any]:
    answer = msgspec.json.decode(line, type=dict[str, Any])
    if answer.get("refused"):
        raise PermissionError(str(answer["error"]))
    if "error" in answer:
        raise GatewayError(f"the running gateway says: {answer['error']}")
    return answer


def _request(line: bytes, user: str) -> Request:
    """What is asked for; without a name when that is no request."""
    try:
        details = msgspec.json.decode(line, type=dict[str, str])
    except msgspec.MsgspecError:
        details = {}
    return Request(details.pop("request", ""), details, user)


async def _named(uid: int) -> str:
    """The name of a user; of root and of ourselves at once, while others may take a name service that does not
    answer."""
    if uid in (0, os.geteuid()):
        return user_name(uid)
    try:
        async with asyncio.timeout(_PATIENCE_S / 2):
            return await asyncio.to_thread(user_name, uid)
    except TimeoutError:
        return f"uid {uid}"


def _peer(writer: asyncio.StreamWriter) -> Peer:
    connection: socket.socket = writer.get_extra_info("socket")
    return peer_of(connection)


async def _answer(request: Request, handlers: Mapping[str, Handler]) -> dict[str, object]:
    if not request.name:
        return {"error": "that is no request"}
    handler = handlers.get(request.name)
    if handler is None:
        return {"error": f"there is no request '{request.name}'; is one of the two of another version?"}
    return await handler(request)


async def _pump(writer: asyncio.StreamWriter, events: AsyncGenerator[dict[str, object], None]) -> None:
    async with aclosing(events):
        try:
            async for event in events:
                await _say(writer, event)
        except GatewayError as error:
            await _say(writer, {"error": str(error)})


async def _say(writer: asyncio.StreamWriter, answer: Mapping[str, object]) -> None:
    writer.write(msgspec.json.encode(answer) + b"\n")
    async with asyncio.timeout(_PATIENCE_S):
        await writer.drain()


async def _closed(writer: asyncio.StreamWriter) -> None:
    """When the other side has taken all, or does not."""
    try:
        async with asyncio.timeout(_PATIENCE_S):
            await writer.wait_closed()
    except (TimeoutError, OSError):
        writer.transport.abort()


async def _until_gone(reader: asyncio.StreamReader, pump: "asyncio.Task[None]") -> None:
    """Until the pump ends, or the other side closes the connection. The pump's fault is raised."""
    gone = asyncio.create_task(_end(reader), name="end of a stream")
    try:
        await asyncio.wait({pump, gone}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (pump, gone):
            task.cancel()
        await asyncio.gather(pump, gone, return_exceptions=True)
    if not pump.cancelled():
        pump.result()


async def _end(reader: asyncio.StreamReader) -> None:
    while await reader.read(_REQUEST_LONGEST):
        pass  # whatever is said after the request


@contextlib.contextmanager
def _short(folder: Path) -> Iterator[Path]:
    """The path of the socket by a name that is short however long that of the folder is: the kernel takes 107 bytes."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield Path(f"/proc/self/fd/{descriptor}/{NAME}")
    finally:
        os.close(descriptor)
