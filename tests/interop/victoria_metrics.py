"""A real VictoriaMetrics of one's own, and what it has stored as it exports it itself."""

import json
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import urlopen

from tests.interop.server import DEADLINE_S, Server


@dataclass(frozen=True, slots=True)
class Series:
    """One series: its labels without the name, and (milliseconds, value) in the order of time."""

    name: str
    labels: dict[str, str]
    points: tuple[tuple[int, Decimal], ...]


class VictoriaMetrics(Server):
    """One server. `flags` are further arguments, such as -retentionPeriod=60."""

    program = "victoria-metrics"
    package = "victoria-metrics"

    def __init__(self, directory: Path, *flags: str) -> None:
        super().__init__(directory)
        self.flags = flags

    def command(self) -> list[str]:
        return [
            f"-storageDataPath={self.directory / 'data'}",
            f"-httpListenAddr={self.host}:{self.port}",
            *self.flags,
        ]

    def ready(self) -> bool:
        try:
            return self.get("/health") == "OK"
        except (URLError, OSError):
            return False

    def get(self, path: str, **query: str) -> str:
        target = f"{self.url}{path}?{urlencode(query)}" if query else f"{self.url}{path}"
        with urlopen(target, timeout=DEADLINE_S) as answer:
            text: str = answer.read().decode()
            return text

    def export(self, selector: str) -> list[Series]:
        """Everything that is stored of the series that `selector` selects, e.g. `{gateway="gw-1"}`."""
        self.get("/internal/force_flush")
        found = []
        for line in self.get("/api/v1/export", **{"match[]": selector}).splitlines():
            document = json.loads(line, parse_float=Decimal, parse_int=Decimal)
            labels = dict(document["metric"])
            name = labels.pop("__name__")
            times = [int(time) for time in document["timestamps"]]
            found.append(Series(name, labels, tuple(sorted(zip(times, document["values"], strict=True)))))
        return found

    def count(self, selector: str) -> int:
        """How many points are stored."""
        return sum(len(series.points) for series in self.export(selector))
