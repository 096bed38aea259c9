"""A connection to a database that has answered once: who we are, where lines go, and how they are packed.

Rules: everything that blocks runs in the thread of `Http.run`; secrets are read anew for each connection and are in no
message.
"""

import base64
import zlib
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from gatewayd.errors import SinkError
from gatewayd.options import SecretUnavailable
from gatewayd.sink.line_protocol.answers import judge, prove
from gatewayd.sink.line_protocol.influx2 import Influx2
from gatewayd.sink.line_protocol.options import LineProtocolOptions, parts
from gatewayd.sink.line_protocol.transport import ANSWER_LIMIT, Answer, Http, in_thread
from gatewayd.sink.secrets import Secrets
from gatewayd.sink.tls import TlsOptions, tls_context

_GREETING = {"influx1": "/ping", "influx2": "/ping", "victoriametrics": "/health", "questdb": "/ping"}
_GZIP = 31
"""`wbits` for a gzip header and the largest window."""
_FASTEST = 1
"""Lines are so alike that a better compression is not worth its time."""


@dataclass(frozen=True, slots=True)
class Session:
    """A database that answers. `write` blocks, `ask` and `write_judged` do not."""

    sink: str
    options: LineProtocolOptions
    http: Http
    clock: Callable[[], datetime]
    greeting: Answer
    post: Callable[[bytes | Iterable[bytes]], Answer]
    """Sends a packed body to where lines are written. Blocks."""

    def write(self, lines: Iterable[bytes]) -> Answer:
        """Send lines, given in pieces of which each ends a line. Blocks.

        VictoriaMetrics works on the first piece while the next ones are made; the others get the size first."""
        pieces = _compressed(lines) if self.options.compressed else lines
        return self.post(pieces if self.options.dialect == "victoriametrics" else b"".join(pieces))

    async def write_judged(self, lines: bytes) -> None:
        """Send lines; returns when they are safe. Raises BatchRefused and SinkError."""
        self.judge(await self.http.run(lambda: self.write([lines])))

    def judge(self, answer: Answer) -> None:
        judge(answer, self.options, self.http.name, self.clock())

    async def ask(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        limit: int = ANSWER_LIMIT,
    ) -> Answer:
        """Any other request. The answer may be any; raises SinkError where there is none."""
        target = f"{path}?{urlencode(query)}" if query else path
        return await self.http.run(lambda: self.http.request(method, target, body, headers, limit))


@asynccontextmanager
async def opened(sink: str, options: LineProtocolOptions, clock: Callable[[], datetime]) -> AsyncIterator[Session]:
    """Connect and let the database prove that it is there. Raises SinkError. Leaving never waits."""
    try:
        password, token = options.password(), options.token()
    except SecretUnavailable as error:
        raise SinkError(str(error)) from error
    context = None
    if parts(options.url).scheme == "https":
        context = await in_thread(lambda: tls_context(options.tls or TlsOptions()), f"sink {sink} certificates")
    secrets = Secrets(password, token, username=options.username)
    http = Http(options.url, _authorization(options, password, token), options.timeout_s, context, secrets)
    try:
        post = Influx2(http, options, token).write if options.dialect == "influx2" else _poster(http, options)
        path = _GREETING[options.dialect]
        greeting = await http.run(lambda: http.request("GET", path))
        prove(greeting, options, http.name, clock())
        yield Session(sink, options, http, clock, greeting, post)
    finally:
        http.close()


def _authorization(options: LineProtocolOptions, password: str | None, token: str | None) -> dict[str, str]:
    if options.username is not None:
        pair = f"{options.username}:{password or ''}".encode()  # RFC 7617 2.1: UTF-8
        return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}
    if token is not None:
        if not (token.isascii() and token.isprintable() and token.strip()):
            raise SinkError("the token is empty or holds characters that no token has; see token_file")
        return {"Authorization": f"{'Token' if options.dialect == 'influx2' else 'Bearer'} {token}"}
    return {}


def _poster(http: Http, options: LineProtocolOptions) -> Callable[[bytes | Iterable[bytes]], Answer]:
    query = {}
    if options.dialect != "questdb":  # its default is nanoseconds
        query["precision"] = "ns"
    if options.database is not None:
        query["db"] = options.database
    if options.retention_policy is not None:
        query["rp"] = options.retention_policy
    target = f"/write?{urlencode(query)}" if query else "/write"
    headers = {"Content-Type": "text/plain; charset=utf-8"}
    if options.compressed:
        headers["Content-Encoding"] = "gzip"
    return lambda body: http.request("POST", target, body, headers)


def _compressed(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """One gzip stream; what goes in as a piece can be unpacked as soon as it has come out."""
    stream = zlib.compressobj(_FASTEST, wbits=_GZIP)
    for piece in pieces:
        yield stream.compress(piece) + stream.flush(zlib.Z_SYNC_FLUSH)
    yield stream.flush()
