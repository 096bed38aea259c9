"""What a driver is: the conversation with one kind of meter, over any channel.

Rules: a driver turns a request into bytes, and received bytes into readings; it does not open lines, archive,
publish, retry or log. After each exchange it yields an Answer; everything received up to there belongs to that
exchange and is recorded by the caller. On a fault it raises a GatewayError, and what came before it is archived all the
same. Cancellation at any await must leave the line usable for the next meter.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from pydantic import BaseModel

from gatewayd.channel import Channel
from gatewayd.model import Answer, Meter, Request

Clock = Callable[[], datetime]
"""The current instant, in UTC. Handed in, so that a test has its own."""


class Memory(Protocol):
    """What a driver keeps of its meter over restarts: counters, and what would be slow to ask again. No secrets.

    Losing it must cost nothing but time: a counter is then taken from the meter."""

    async def recall(self, key: str) -> bytes | None:
        """What was remembered under this key. ArchiveError."""

    async def remember(self, key: str, value: bytes) -> None:
        """Returns when it is on the disk. ArchiveError."""

    async def counted(self, name: str) -> int | None:
        """Where a counter of the gateway stands, None where it never counted. All meters share it: two of them may have
        the same key. ArchiveError."""

    async def count(self, name: str, least: int, by: int) -> int:
        """Move a counter of the gateway: from where it stands, or from `least` where that is more, up by `by`; gives
        where that began. In one step, whoever counts beside; returns when it is on the disk. ArchiveError."""


class Forgetful:
    """A memory that lasts as long as the process."""

    def __init__(self) -> None:
        self._known: dict[str, bytes] = {}
        self._counters: dict[str, int] = {}

    async def recall(self, key: str) -> bytes | None:
        return self._known.get(key)

    async def remember(self, key: str, value: bytes) -> None:
        self._known[key] = value

    async def counted(self, name: str) -> int | None:
        return self._counters.get(name)

    async def count(self, name: str, least: int, by: int) -> int:
        begin = max(self._counters.get(name, 0), least)
        self._counters[name] = begin + by
        return begin


EnterHdlc = Callable[[Channel, str, int, int], Awaitable[int]]
"""Signs on at an optical head (IEC 62056-21 mode E) with a device address, a first rate and a highest one, and leaves
the channel in HDLC at 8N1; gives the rate. Raises as Driver.execute."""


class Driver(Protocol):
    """One meter's driver, built once and used for every session with it."""

    @property
    def credentials(self) -> str:
        """A text that changes when the meter's password or keys are changed, "" where it has none; never a secret.

        After MeterRefused nothing is sent to the meter until this changes."""

    def execute(self, channel: Channel, request: Request) -> AsyncGenerator[Answer, None]:
        """Run one session over an open channel.

        Raises MeterSilent, MeterRefused, ProtocolError or ChannelError."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What every driver is built from: the meter, its driver options, its line's fixed settings and the clock."""

    meter: Meter
    options: Any  # the driver's own options class; the registry pairs the two
    line_baud: int | None
    clock: Clock
    zone: ZoneInfo
    memory: Memory = field(default_factory=Forgetful)
    enter_hdlc: EnterHdlc | None = None
    """Handed in by the composition root, because drivers do not know each other."""
    beside: dict[str, object] = field(default_factory=dict)
    """What the drivers of one line share, each kind under its own name: the same for all meters of the line."""


@dataclass(frozen=True, slots=True)
class DriverKind:
    """A row of the registry: how to build a driver and what may stand in its part of the configuration."""

    build: Callable[[Setting], Driver]
    options: type[BaseModel]
