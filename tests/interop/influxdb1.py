"""A real InfluxDB 1 of one's own, and its rows as its own query language gives them."""

import base64
import json
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from tests.interop.server import DEADLINE_S, Server, free_port

_CONFIG = """\
reporting-disabled = true
bind-address = "127.0.0.1:{rpc}"
[meta]
  dir = "{directory}/meta"
[data]
  dir = "{directory}/data"
  wal-dir = "{directory}/wal"
  query-log-enabled = false
[http]
  bind-address = "127.0.0.1:{http}"
  auth-enabled = {auth}
  log-enabled = false
[monitor]
  store-enabled = false
[subscriber]
  enabled = false
[continuous_queries]
  enabled = false
"""


class InfluxDB1(Server):
    """One server. With an `admin` (name, password) nobody gets in without credentials."""

    program = "influxd"
    package = "influxdb"

    def __init__(self, directory: Path, admin: tuple[str, str] | None = None) -> None:
        super().__init__(directory)
        self.admin = admin
        self._rpc = free_port()

    def command(self) -> list[str]:
        path = self.directory / "influxd.conf"
        auth = "true" if self.admin else "false"
        path.write_text(_CONFIG.format(rpc=self._rpc, http=self.port, directory=self.directory, auth=auth))
        return ["-config", str(path)]

    def ready(self) -> bool:
        try:
            with urlopen(f"{self.url}/ping", timeout=DEADLINE_S) as answer:
                if answer.status != 204:
                    return False
        except (URLError, OSError):
            return False
        if self.admin:
            name, password = self.admin
            # The first user may be made by anybody; once it exists this is refused or changes nothing.
            self._ask("POST", "/query", {"q": f"CREATE USER {name} WITH PASSWORD '{password}' WITH ALL PRIVILEGES"})
        return True

    def execute(self, statement: str, database: str = "") -> list[dict[str, Any]]:  # JSON
        """Run InfluxQL; the rows of all series, times in nanoseconds, tags of GROUP BY among the columns."""
        text = self._ask("POST", "/query", {"db": database, "epoch": "ns", "q": statement})
        result = json.loads(text, parse_float=Decimal)["results"][0]
        assert "error" not in result, result["error"]
        return [
            {**series.get("tags", {}), **dict(zip(series["columns"], row, strict=True))}
            for series in result.get("series", [])
            for row in series.get("values", [])
        ]

    def write(self, database: str, lines: str) -> None:
        """Write lines as they are."""
        assert self._ask("POST", "/write", {"db": database, "precision": "ns"}, lines.encode()) == ""

    def count(self, database: str, measurement: str = "reading", field: str = "seq") -> int:
        """How many points are stored."""
        rows = self.execute(f'SELECT count("{field}") FROM "{measurement}"', database)
        return int(rows[0]["count"]) if rows else 0

    def _ask(self, method: str, path: str, query: dict[str, str], body: bytes = b"") -> str:
        request = Request(f"{self.url}{path}?{urlencode(query)}", data=body, method=method)
        if self.admin:
            request.add_header("Authorization", f"Basic {base64.b64encode(':'.join(self.admin).encode()).decode()}")
        try:
            with urlopen(request, timeout=DEADLINE_S) as answer:
                text: str = answer.read().decode()
                return text
        except HTTPError as error:
            return error.read().decode()
