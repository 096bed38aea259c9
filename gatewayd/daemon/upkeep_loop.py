"""What a gateway does besides reading: it closes what is overdue, raises alarms for deadlines, writes down what it
remembers, and looks whether its clock is right.

Rules: a fault of one of these ends none of the others and no reading; it is told once, and again when it is over. What
is remembered may be lost: that costs questions to meters, no data.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from gatewayd import alarm_log
from gatewayd.alarm_log import Turn
from gatewayd.config import Config
from gatewayd.daemon.build import now
from gatewayd.daemon.gateway import Gateway
from gatewayd.errors import ArchiveError
from gatewayd.upkeep import Upkeep

LOOK_SECONDS = 10.0
"""Between two looks at the clock."""
SAVE_SECONDS = 600.0
"""Between two times at which what is remembered is written down."""
DEADLINES = "deadline"
"""The scope of alarms that no session raises, and none ends."""

log = logging.getLogger("gatewayd.daemon")


async def look_after(gateway: Gateway, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
    """Until cancelled: what is due at the beginning of each minute, and the clock in between."""
    chores, loop = Chores(gateway), asyncio.get_running_loop()
    saved, minute = loop.time(), None
    while True:
        await chores.do("looking at the clock", chores.look)
        if (this := now().replace(second=0, microsecond=0)) != minute:  # also when the clock was set
            minute = this
            await chores.do("closing what is overdue", chores.tick)
        if loop.time() - saved >= SAVE_SECONDS:
            saved = loop.time()
            await chores.do("writing down what is remembered", chores.save)
        at = now()
        await sleep(min(LOOK_SECONDS, 60.0 - at.second - at.microsecond / 1e6))


class Chores:
    """The work, and what of it fails."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._failing: dict[str, str] = {}

    async def do(self, what: str, work: Callable[[], Awaitable[None]]) -> None:
        """One log line when it begins to fail, and one when it goes on."""
        try:
            await work()
        except ArchiveError as error:
            self._failed(what, str(error), None)
        except Exception as error:  # noqa: BLE001 - a defect of ours must not stop the rest
            self._failed(what, f"a defect in gatewayd: {error!r}", error)
        else:
            if self._failing.pop(what, None) is not None:
                log.info("%s works again", what)

    async def look(self) -> None:
        """Whether the clock is right, and whether somebody has set it."""
        for audit in self._gateway.clock.look():
            self._gateway.store.submit(audit)

    async def tick(self) -> None:
        """Close what is overdue; alarms where a deadline has passed."""
        upkeep = self._gateway.acquisition.upkeep
        found = await upkeep.tick(now())
        alarms = self._gateway.acquisition.alarms
        for meter, texts in found.items():
            tell(self._gateway, meter, alarms.raised(meter, texts, DEADLINES), Turn.RAISED)
            tell(self._gateway, meter, alarms.over(meter, texts, DEADLINES), Turn.OVER)
        await upkeep.review()

    async def save(self, *, everything: bool = False) -> None:
        """Write down what is remembered, what has changed of it or `everything`. ArchiveError."""
        gateway = self._gateway
        rows = gateway.diary.changed()
        if rows:
            await gateway.store.remember_all(rows)
            gateway.diary.saved(rows)
        await gateway.acquisition.save(everything=everything)

    def _failed(self, what: str, text: str, defect: Exception | None) -> None:
        if self._failing.get(what) != text:
            log.log(logging.CRITICAL if defect else logging.ERROR, "%s fails: %s", what, text, exc_info=defect)
        self._failing[what] = text


def tell(gateway: Gateway, meter: str, alarms: Sequence[str], turn: Turn) -> None:
    """Alarms that no session has found."""
    alarm_log.tell(gateway.store, meter, alarms, turn, now())


def watch(upkeep: Upkeep, config: Config) -> None:
    """What the configuration wants to be kept complete is looked after from now on, whether it is ever read or not."""
    for settings in config.meters:
        for policy, job in settings.all_jobs:
            upkeep.watch(settings.meter, job.request, policy)


async def save(gateway: Gateway) -> None:
    """At the end: what is remembered, as far as the archive takes it."""
    chores = Chores(gateway)
    await chores.do("writing down what is remembered", lambda: chores.save(everything=True))
