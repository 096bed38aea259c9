"""The control socket: a question, an answer or a stream; whoever talks nonsense or nothing costs nobody anything."""

import asyncio
import contextlib
import os
import pwd
import socket
import stat
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from pathlib import Path

import msgspec
import pytest

from gatewayd import control, peer
from gatewayd.control import NotRunning, Request, ask, follow, listening
from gatewayd.errors import GatewayError

PATIENCE = 10.0


async def status(_request: Request) -> dict[str, object]:
    return {"gateway": "gw-1", "sinks": ["x" * 100_000]}


async def who(request: Request) -> dict[str, object]:
    return {"name": request.name, "user": request.user, "details": dict(request.details)}


def run(folder: Path, main: Callable[[], Awaitable[object]]) -> object:
    async def whole() -> object:
        async with asyncio.timeout(PATIENCE), listening(folder, {"status": status, "who": who}):
            return await main()

    return asyncio.run(whole())


def test_a_question_is_answered_and_the_socket_is_not_for_everybody(tmp_path: Path) -> None:
    async def main() -> object:
        mode = stat.S_IMODE((tmp_path / control.NAME).stat().st_mode)
        return mode, await ask(tmp_path, "status")

    assert run(tmp_path, main) == (0o660, {"gateway": "gw-1", "sinks": ["x" * 100_000]})
    assert not (tmp_path / control.NAME).exists()


@pytest.mark.parametrize("member", [False, True])
def test_a_socket_that_cannot_be_given_to_the_group_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, *, member: bool
) -> None:
    """A user who is not in it, or a unit that forbids all chown: nobody would know why members are kept out. A socket
    that has the group already needs nothing."""

    def refuses(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "chown", refuses)
    group = os.getegid() if member else 20  # dialout, which every Debian has

    async def main() -> None:
        async with listening(tmp_path, {"status": status}, group=group):
            assert (await ask(tmp_path, "status"))["gateway"] == "gw-1"

    with caplog.at_level("WARNING", "gatewayd.control"):
        asyncio.run(main())
    user = pwd.getpwuid(os.geteuid()).pw_name
    words = (
        f"cannot be given to group dialout (control.group): Operation not permitted; only root and user {user} may ask"
    )
    assert (words in caplog.text, f"usermod -aG dialout {user}" in caplog.text) == (not member, not member)


def test_who_asks_is_what_the_kernel_says(tmp_path: Path) -> None:
    """A request may claim to be of anybody: that is a detail like any other."""

    async def main() -> object:
        reader, writer = await asyncio.open_unix_connection(tmp_path / control.NAME)
        writer.write(b'{"request": "who", "user": "somebody else", "uid": "0"}\n')
        answer = msgspec.json.decode(await reader.readline())
        writer.close()
        return answer

    me = pwd.getpwuid(os.getuid()).pw_name
    assert run(tmp_path, main) == {"name": "who", "user": me, "details": {"user": "somebody else", "uid": "0"}}


def test_a_user_without_a_name() -> None:
    assert peer.user_name(2**31 - 7) == f"uid {2**31 - 7}"


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


# -- streams -----------------------------------------------------------------------------------------------------------


class Source:
    """Events of a test: `count` of them at once, then nothing. `ended` is set when the gateway is through with them."""

    def __init__(self, count: int, size: int = 1) -> None:
        self.count = count
        self.size = size
        self.given = 0
        self.ended = asyncio.Event()

    async def stream(self, request: Request) -> AsyncGenerator[dict[str, object], None]:
        if request.get("line") != "optical":
            raise GatewayError("no such line")
        try:
            yield {"event": "listening"}
            for number in range(self.count):
                self.given = number + 1
                yield {"number": number, "padding": "x" * self.size}
            await asyncio.Event().wait()
        finally:
            self.ended.set()


def stream(folder: Path, source: Source, main: Callable[[], Awaitable[object]]) -> object:
    async def whole() -> object:
        async with asyncio.timeout(PATIENCE), listening(folder, {"status": status}, {"trace": source.stream}):
            return await main()

    return asyncio.run(whole())


def test_a_stream_goes_on_until_the_reader_leaves(tmp_path: Path) -> None:
    source = Source(3)

    async def main() -> object:
        found = []
        async with aclosing(follow(tmp_path, "trace", line="optical")) as events:
            async for event in events:
                found.append(event.get("number", event.get("event")))
                if len(found) == 4:
                    break
        await source.ended.wait()
        return found, (await ask(tmp_path, "status"))["gateway"]

    assert stream(tmp_path, source, main) == (["listening", 0, 1, 2], "gw-1")


def test_a_stream_that_is_refused(tmp_path: Path) -> None:
    async def main() -> object:
        for request, line in (("trace", "elsewhere"), ("follow", "optical")):
            with pytest.raises(GatewayError, match=r"the running gateway says: (no such line|there is no request)"):
                await anext(follow(tmp_path, request, line=line))
        return None

    stream(tmp_path, Source(0), main)


def test_a_stream_where_no_gateway_runs(tmp_path: Path) -> None:
    async def main() -> None:
        await anext(follow(tmp_path, "trace", line="optical"))

    with pytest.raises(NotRunning):
        asyncio.run(main())


def test_a_reader_that_takes_nothing_is_dropped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And meanwhile others are answered; the gateway does not collect what nobody takes."""
    monkeypatch.setattr(control, "_PATIENCE_S", 0.3)
    source = Source(100_000, size=10_000)

    async def main() -> object:
        reader, writer = await asyncio.open_unix_connection(tmp_path / control.NAME, limit=1)
        writer.write(b'{"request": "trace", "line": "optical"}\n')
        answer = (await ask(tmp_path, "status"))["gateway"]
        await source.ended.wait()
        while len(asyncio.all_tasks()) > 1:  # until the gateway is through with this conversation
            await asyncio.sleep(0)
        reader._limit = 1 << 20  # type: ignore[attr-defined]  # from here on it takes everything
        left = 0
        with contextlib.suppress(ConnectionError):
            while piece := await reader.read(1 << 20):
                left += len(piece)
        writer.close()
        assert left < source.given * source.size, "what was not taken in time is dropped, and kept by nobody"
        return answer

    assert stream(tmp_path, source, main) == "gw-1"
    assert source.given < 1000


def test_when_the_gateway_ends_the_stream_does(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    source = Source(1)

    async def main() -> list[object]:
        async with asyncio.timeout(PATIENCE):
            async with listening(tmp_path, {}, {"trace": source.stream}):
                events = follow(tmp_path, "trace", line="optical")
                await anext(events)
                await anext(events)
            assert source.ended.is_set()
            return [event async for event in events]

    assert asyncio.run(main()) == []
    assert caplog.text == "", "asyncio reports a conversation that was cancelled"


def test_a_stream_of_which_nothing_comes_ends_when_its_reader_does(tmp_path: Path) -> None:
    source = Source(0)

    async def main() -> object:
        reader, writer = await asyncio.open_unix_connection(tmp_path / control.NAME)
        writer.write(b'{"request": "trace", "line": "optical"}\n')
        await reader.readline()
        writer.close()
        await source.ended.wait()
        return None

    stream(tmp_path, source, main)


def files() -> int:
    """How many this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_thousand_connections_leave_the_gateway_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that are too many are told so, or are closed; with the first ones gone everything is as before."""

    async def main() -> object:
        held = [await asyncio.open_unix_connection(tmp_path / control.NAME) for _ in range(control._AT_ONCE)]
        with pytest.raises(GatewayError, match="64 others are connected"):
            await ask(tmp_path, "status")
        monkeypatch.setattr(control, "_REFUSAL_S", PATIENCE)
        before = files()
        held += [await asyncio.open_unix_connection(tmp_path / control.NAME) for _ in range(200)]
        await held[-1][0].read()
        assert files() - before < 200 + control._AT_ONCE + 20, "of the last ones it holds none"
        for _, writer in held:
            writer.close()
        while True:
            with contextlib.suppress(GatewayError):
                return (await ask(tmp_path, "status"))["gateway"]

    assert run(tmp_path, main) == "gw-1"


def test_who_does_not_take_the_rest_of_an_answer_holds_no_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is left of the answer is little enough for the gateway to be done with it, and too much for the socket."""
    monkeypatch.setattr(control, "_PATIENCE_S", 0.2)
    answer = {"text": "x"}

    async def big(_request: Request) -> dict[str, object]:
        return dict(answer)

    async def whole() -> None:
        async with asyncio.timeout(PATIENCE), listening(tmp_path, {"big": big}):
            before = files()
            for size in range(180_000, 320_000, 10_000):
                answer["text"] = "x" * size
                reader = socket.socket(socket.AF_UNIX)
                reader.connect(str(tmp_path / control.NAME))
                reader.sendall(b'{"request": "big"}\n')
                while files() < before + 2:
                    await asyncio.sleep(0)
                while files() > before + 1:
                    await asyncio.sleep(0.01)
                reader.close()

    asyncio.run(whole())
