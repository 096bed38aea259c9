"""Databases that quote the password or token that they were given: it is in no message of ours, whatever its form."""

import asyncio
import base64
import html
import json
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import pytest

from gatewayd.errors import SinkError
from gatewayd.sink.line_protocol.options import LineProtocolOptions
from gatewayd.sink.line_protocol.session import opened
from gatewayd.sink.postgresql.faults import Target
from gatewayd.sink.postgresql.session import Session
from gatewayd.sink.secrets import Secrets

SECRET = 'cánary "&+/pass 1'
PAIR = base64.b64encode(f"user:{SECRET}".encode()).decode()


@pytest.mark.parametrize(
    "written",
    [SECRET, quote(SECRET), quote(SECRET, safe=""), json.dumps(SECRET), html.escape(SECRET), f"Basic {PAIR}"],
)
def test_every_form_is_hidden(written: str) -> None:
    secrets = Secrets(SECRET, None, "", username="user")
    for shown in (
        secrets.hidden(f"refused: {written}!"),
        secrets.hidden_octets(f"refused: {written}!".encode()).decode(),
    ):
        assert shown.startswith("refused: ")
        assert "***" in shown
        assert "nary" not in shown and PAIR not in shown


def test_without_secrets_nothing_is_changed() -> None:
    assert Secrets(None, "").hidden("as it is") == "as it is"


@asynccontextmanager
async def echoing(status: str) -> AsyncIterator[str]:
    """A database that answers with the credentials which it has got; its URL."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        given = next(line for line in head.split("\r\n") if line.lower().startswith("authorization:"))
        word = given.split()[-1]
        plain = base64.b64decode(word).decode() if "Basic" in given else ""
        body = json.dumps({"error": f"who is {word}, {plain}?"}).encode()
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.mark.parametrize("status", ["401 Unauthorized", "400 Bad Request", "500 Oops"])
@pytest.mark.parametrize("kind", ["password", "token"])
def test_a_database_that_quotes_credentials(tmp_path: Path, kind: str, status: str) -> None:
    file = tmp_path / "secret"
    file.write_text("CANARY0123456789\n")
    who = {"username": "user", "password_file": file} if kind == "password" else {"token_file": file}

    async def answer() -> str:
        async with echoing(status) as url:
            options = LineProtocolOptions.model_validate({"dialect": "victoriametrics", "url": url, **who})
            with pytest.raises(SinkError) as caught:
                async with opened("db", options, lambda: datetime.now(UTC)):
                    pass
            return str(caught.value)

    told = asyncio.run(answer())
    assert "who is ***" in told
    assert "CANARY" not in told
    assert base64.b64encode(b"user:CANARY0123456789").decode() not in told


def message(kind: bytes, content: bytes) -> bytes:
    return kind + (len(content) + 4).to_bytes(4, "big") + content


@pytest.fixture
def quoting() -> Iterator[socket.socket]:
    """A PostgreSQL server that wants the password in the clear, and quotes it when it lets nobody in."""
    listener = socket.create_server(("127.0.0.1", 0))
    ours = socket.create_connection(listener.getsockname())
    theirs, _ = listener.accept()
    listener.close()

    def serve() -> None:
        with theirs:
            theirs.recv(1000)  # StartupMessage
            theirs.sendall(message(b"R", (3).to_bytes(4, "big")))  # AuthenticationCleartextPassword
            password = theirs.recv(1000)[5:].rstrip(b"\0")
            report = b"SFATAL\0VFATAL\0C28000\0Mno such password: " + password + b"\0\0"
            theirs.sendall(message(b"E", report))
            theirs.recv(1000)

    thread = threading.Thread(target=serve)
    thread.start()
    with ours:
        yield ours
    thread.join(5)


def test_a_server_that_quotes_the_password(quoting: socket.socket) -> None:
    session = Session(Target("db.example", 5432, "d", "u", "gatewayd", 5.0, has_password=True), quoting, None)
    with pytest.raises(SinkError) as caught:
        session.open("CANARY0123456789")
    session.close(1.0)
    assert "no such password: ***" in str(caught.value)
    fault: BaseException | None = caught.value
    while fault is not None:  # nor in a traceback
        assert "CANARY" not in repr(fault)
        fault = fault.__cause__
