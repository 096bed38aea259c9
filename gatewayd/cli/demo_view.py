"""What a subscriber of the demonstration sees: messages from the broker, counted and set in a table.

Rules: this side knows only MQTT and the published contract (schema gatewayd.readings/1), as any consumer would.
"""

import asyncio
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal

import aiomqtt
import msgspec
from rich.box import HEAVY_HEAD, SIMPLE_HEAD
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from gatewayd.archive.query import Counts
from gatewayd.cli.output import status_style
from gatewayd.cli.plural import counted

TOPICS = "gatewayd/#"
SHOWN = ("1-0:1.8.0*255", "1-0:1.8.1*255", "1-0:2.8.0*255", "1-0:1.6.0*255", "1-0:1.7.0*255", "0-1:24.2.1*255")
_COLUMNS = ("meter", "obis", "raw", "value", "unit", "primary", "status", "flags", "at (UTC)", "messages")
_LEFT_OUT = ("raw", "primary", "messages")
_WIDE = 120
"""Screens that are narrower do not have these: nothing would be left of any."""


class _Value(msgspec.Struct):
    """The part of a published reading that is shown."""

    seq: int
    at: str
    raw: str
    status: str
    flags: list[str]
    value: Decimal | None = None
    primary: Decimal | None = None


class _Message(msgspec.Struct):
    """The part of a published message that is shown."""

    meter: str
    obis: str
    unit: str | None
    readings: list[_Value]


@dataclass(slots=True)
class _Row:
    unit: str
    value: _Value
    count: int = 0


class View:
    """Counts and latest values."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str], _Row] = {}
        self._seen: set[int] = set()
        self.statuses: Counter[str] = Counter()
        self._changed = asyncio.Condition()
        self._ready = asyncio.Event()
        self._decoder = msgspec.json.Decoder(_Message)
        self.repeated = 0

    @property
    def delivered(self) -> int:
        """Readings that have arrived, each counted once."""
        return len(self._seen)

    async def subscribe(self, host: str, port: int) -> None:
        """Take what the broker brings until cancelled."""
        async with aiomqtt.Client(host, port, identifier="gatewayd-demo-view") as client:
            await client.subscribe(TOPICS, qos=1)
            self._ready.set()
            async for message in client.messages:
                if message.topic.matches("gatewayd/+/+/+/+") and isinstance(message.payload, bytes):
                    await self._take(self._decoder.decode(message.payload))

    async def subscribed(self, seconds: float) -> None:
        """Wait until the subscription stands."""
        async with asyncio.timeout(seconds):
            await self._ready.wait()

    async def received_all(self, head: int, seconds: float) -> None:
        """Wait until every reading up to `head` has come; TimeoutError when it has not."""
        async with asyncio.timeout(seconds), self._changed:
            await self._changed.wait_for(lambda: len(self._seen) >= head)

    async def _take(self, message: _Message) -> None:
        for value in message.readings:
            if value.seq in self._seen:
                self.repeated += 1
                continue
            self._seen.add(value.seq)
            self.statuses[value.status] += 1
            row = self._rows.setdefault((message.meter, message.obis), _Row(message.unit or "", value))
            row.value = value
            row.count += 1
        async with self._changed:
            self._changed.notify_all()

    def status_counts(self) -> str:
        return ", ".join(f"{count} {status}" for status, count in sorted(self.statuses.items())) or "nothing yet"

    def table(self, counts: Counts, width: int) -> RenderableType:
        """For a screen of so many columns."""
        narrow = width < _WIDE
        table = Table(
            box=SIMPLE_HEAD if narrow else HEAVY_HEAD,
            title="gatewayd demo: what a subscriber sees",
            caption=f"archived {counted(counts.readings, 'reading')} in {counted(counts.exchanges, 'exchange')}, "
            f"delivered {self.delivered} ({self.status_counts()})",
        )
        for name in _COLUMNS:
            if narrow and name in _LEFT_OUT:
                continue
            right = name in ("value", "primary", "messages")
            table.add_column(name, justify="right" if right else "left", no_wrap=name != "flags", overflow="fold")
        before = ""
        for (meter, obis), row in sorted(self._rows.items()):
            if obis not in SHOWN:
                continue
            if before and meter != before:
                table.add_section()
            value = row.value
            cells: tuple[str | Text, ...] = (
                meter if meter != before else "",
                obis.removesuffix("*255"),
                Text(value.raw),
                "" if value.value is None else str(value.value),
                row.unit,
                "" if value.primary in (None, value.value) else str(value.primary),
                Text(value.status, style=status_style(value.status)),
                " ".join(value.flags),
                value.at[11:19],
                str(row.count),
            )
            table.add_row(
                *(cell for name, cell in zip(_COLUMNS, cells, strict=True) if not narrow or name not in _LEFT_OUT)
            )
            before = meter
        return table
