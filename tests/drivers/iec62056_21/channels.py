"""A channel that plays a meter, for tests of the driver: it never waits, and it can cancel its user at any await.

Rules: each message is answered by the next entry of its list, the last one for ever; what is not answered is a timeout
at once. `log` is everything that was done to the line.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from drivers.iec62056_21.driver import KIND
from drivers.iec62056_21.options import Iec62056_21Options
from gatewayd.channel import Channel, Framing
from gatewayd.driver import Driver, Forgetful, Memory, Setting
from gatewayd.errors import ChannelTimeout, GatewayError
from gatewayd.model import Answer, Meter, Request

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
Said = bytes | GatewayError


class PlayingChannel:
    """Answers each message from its list. `cancel` is the number of the await, from 1, in which the task that uses the
    channel is cancelled: before it has any effect, or `late`, after it."""

    def __init__(
        self,
        table: dict[bytes, Sequence[Said]],
        *,
        echo: bool = False,
        parity_at: bytes = b"",
        cancel: int = 0,
        late: bool = False,
    ) -> None:
        self._table = table
        self._echo = echo
        self._parity_at = parity_at
        self._cancel = cancel
        self._late = late
        self._turns: dict[bytes, int] = {}
        self._coming: list[Said] = []
        self._user: asyncio.Task[Any] | None = None
        self.parity_errors = 3  # of an earlier session on the same channel
        self.awaits = 0
        self.received: list[tuple[int, bytes]] = []
        """The number of the await in which each chunk was handed on."""
        self.rests: list[tuple[int, float]] = []
        """The number of the await of each rest, and how long it was to last."""
        self.log: list[bytes | tuple[int, Framing]] = []
        self.secrets: list[bytes] = []

    @property
    def sent(self) -> list[bytes]:
        return [entry for entry in self.log if isinstance(entry, bytes)]

    async def send(self, data: bytes, *, deadline: float, secret: bool = False) -> None:
        await self._begin(deadline)
        self.log.append(data)
        if secret:
            self.secrets.append(data)
        if self._echo:
            self._coming.append(data)
        entries = self._table.get(data, ())
        if entries:
            turn = self._turns.get(data, 0)
            self._turns[data] = turn + 1
            said = entries[min(turn, len(entries) - 1)]
            if said:
                self._coming.append(said)
        await self._end()

    async def receive(self, *, deadline: float) -> bytes:
        await self._begin(deadline, may_have_passed=True)
        if not self._coming:
            raise ChannelTimeout("line optical: nothing received in time")
        said = self._coming[0]
        if isinstance(said, GatewayError):
            del self._coming[0]
            raise said
        await self._end()  # a cancellation loses no byte
        self._coming.pop(0)
        if self._parity_at and self._parity_at in said:
            self.parity_errors += 1
        self.received.append((self.awaits, said))
        return said

    async def rest(self, seconds: float) -> None:
        await self._begin(math.inf)
        self.rests.append((self.awaits, seconds))
        await self._end()

    async def set_line(self, baud: int, framing: Framing, *, deadline: float) -> None:
        await self._begin(deadline)
        self.log.append((baud, framing))
        await self._end()

    async def close(self) -> None:
        raise AssertionError("the channel is not the driver's to close")

    async def _begin(self, deadline: float, may_have_passed: bool = False) -> None:
        assert may_have_passed or deadline > asyncio.get_running_loop().time()
        self._user = self._user or asyncio.current_task()
        self.awaits += 1
        if self.awaits == self._cancel and not self._late:
            await self._cancelled()

    async def _end(self) -> None:
        if self.awaits == self._cancel and self._late:
            await self._cancelled()

    async def _cancelled(self) -> None:
        assert self._user is not None
        self._user.cancel()
        await asyncio.sleep(0)


def build(serial: str = "", line_baud: int | None = None, memory: Memory | None = None, **options: Any) -> Driver:
    """A driver as the daemon builds it; without a `memory` it begins with an empty one."""
    setting = Setting(
        meter=Meter(id="em-1001", driver="iec62056_21", line="optical", serial=serial),
        options=Iec62056_21Options.model_validate(options),
        line_baud=line_baud,
        clock=lambda: NOW,
        zone=ZoneInfo("Europe/Prague"),
        memory=memory or Forgetful(),
    )
    return KIND.build(setting)


async def answers_of(driver: Driver, channel: Channel, request: Request) -> list[Answer]:
    """All answers of one session."""
    async with aclosing(driver.execute(channel, request)) as answers:
        return [answer async for answer in answers]


def session(channel: Channel, request: Request, serial: str = "", **options: Any) -> list[Answer]:
    """All answers of one session with a new driver."""

    async def run() -> list[Answer]:
        return await answers_of(build(serial, **options), channel, request)

    return asyncio.run(run())


def password_file(folder: Path, text: str = "00000000\n") -> Path:
    """A file with this password."""
    path = folder / "meter.pw"
    path.write_text(text, encoding="utf-8")
    return path
