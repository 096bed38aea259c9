"""Writing to InfluxDB 2 and 3 through influxdb-client, which is an optional part of gatewayd.

Rules: the client makes requests out of ready lines and nothing else. It sends them through our own transport, so that
limits, deadlines, TLS and faults are the same for all dialects; it retries nothing.
"""

import contextlib
import importlib
from collections.abc import Iterable, Mapping
from types import ModuleType
from typing import Any

from gatewayd.errors import SinkError
from gatewayd.sink.line_protocol.options import LineProtocolOptions
from gatewayd.sink.line_protocol.transport import Answer, Http


class Influx2:
    """A writer of lines. Raises SinkError where influxdb-client is not installed."""

    def __init__(self, http: Http, options: LineProtocolOptions, token: str | None) -> None:
        self._library = _library()
        self._options = options
        # The library has no types. Its url is only a path here: the transport knows the rest.
        client = self._library.InfluxDBClient(url="/", token=token, org=options.org or "", retries=False)
        self._requests = _Requests(http)
        client.api_client.rest_client.pool_manager = self._requests
        self._client = client
        self._service = self._library.WriteService(client.api_client)

    def write(self, body: bytes | Iterable[bytes]) -> Answer:
        """Send lines, packed already as the options say. Blocks; SinkError."""
        encoding = "gzip" if self._options.compressed else "identity"
        with contextlib.suppress(self._library.rest.ApiException):  # the answer says it all
            self._service.post_write(
                org=self._options.org or "",
                bucket=self._options.bucket,
                body=body if isinstance(body, bytes) else b"".join(body),
                precision="ns",
                content_encoding=encoding,
            )
        return self._requests.answers.pop()


class _Requests:
    """What influxdb-client uses of urllib3's PoolManager, over our own transport."""

    def __init__(self, http: Http) -> None:
        self._http = http
        self.answers: list[Answer] = []

    def request(self, method: str, url: str, *, body: bytes, headers: Mapping[str, str], **_: object) -> "_Response":
        answer = self._http.request(method, url, body, headers)
        self.answers[:] = [answer]
        return _Response(answer)


class _Response:
    """What influxdb-client uses of urllib3's response."""

    def __init__(self, answer: Answer) -> None:
        self.status = answer.status
        self.reason = ""
        self.headers = answer.headers
        self.data = b""  # the client would log it, and fail over one that is not UTF-8


def _library() -> Any:  # untyped
    try:
        library: ModuleType = importlib.import_module("influxdb_client")
        importlib.import_module("influxdb_client.rest")
    except ImportError as error:
        raise SinkError("influx2 needs a library that is not installed; run: pip install gatewayd[influx2]") from error
    return library
