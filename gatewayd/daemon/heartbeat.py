"""Whether the gateway makes progress: its lines take their turns, and the archive's writer answers.

Rules: only what a restart would cure counts: meters, brokers and databases may be dead and the disk full, as long as
the gateway finds that out again and again. The writer is asked to do nothing at all and to say so, which costs the
disk nothing; while it waits for the disk it says nothing. That the event loop turns shows whoever asks here.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable

from gatewayd.errors import ArchiveError
from gatewayd.pulse import Pulse


class Heartbeat:
    """Asks the writer, and looks at the lines. `flush` returns when the writer has done everything before it; `pulses`
    are those of all workers at present. Seconds are those of the running loop."""

    def __init__(self, flush: Callable[[], Awaitable[None]], pulses: Callable[[], Iterable[Pulse]]) -> None:
        self._flush = flush
        self._pulses = pulses
        self._heard = asyncio.get_running_loop().time()

    async def run(self, seconds: float) -> None:
        """Ask the writer every so many seconds, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                await self._flush()
            except ArchiveError:
                pass  # it takes nothing more: that is no sign of life
            else:
                self._heard = loop.time()
            await asyncio.sleep(seconds)

    def stalled(self, now: float, writer_seconds: float) -> list[str]:
        """What makes no progress, in words; the writer when it has not been heard for so many seconds."""
        late = [pulse.name for pulse in self._pulses() if pulse.late(now)]
        found = [f"{', '.join(late[:_NAMED])}{' and others' * (len(late) > _NAMED)}: stuck in a turn"] if late else []
        if now - self._heard > writer_seconds:
            found.append(f"the archive's writer has not answered for {now - self._heard:.0f} s")
        return found


_NAMED = 3
