"""Who does a command's work: the running gateway, else the command itself, with the archive locked.

Rules: whoever has the archive and does not answer will soon do so, or be gone: a gateway that starts, another command.
He is waited for, PATIENCE_S at most; after TOLD_S whoever waits is told for whom.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from gatewayd.control import NotRunning
from gatewayd.errors import ArchiveLocked, ArchiveNotPermitted

T = TypeVar("T")
Tell = Callable[[str], None]

PATIENCE_S = 10.0
TOLD_S = 1.0
_LOOK_S = 0.1


def nobody(_text: str) -> None:
    """Nobody is told."""


class _Patience:
    """With whoever has the archive."""

    def __init__(self, tell: Tell) -> None:
        self._begun = asyncio.get_running_loop().time()
        self._tell = tell
        self._told = False

    async def heed(self, error: ArchiveLocked) -> None:
        """Wait a little; raises the error when he was waited for long enough."""
        waited = asyncio.get_running_loop().time() - self._begun
        if waited >= PATIENCE_S:
            raise error
        if waited >= TOLD_S and not self._told:
            self._tell(f"waiting: {error.text}")
            self._told = True
        await asyncio.sleep(_LOOK_S)  # a lock tells nobody that it is free


async def either(asked: Callable[[], Awaitable[T]], here: Callable[[], Awaitable[T]], tell: Tell = nobody) -> T:
    """What `asked` brings, which raises NotRunning where no gateway answers; then what `here` brings, which raises
    ArchiveLocked where somebody has the archive: handed on when he still has it after PATIENCE_S."""
    patience = _Patience(tell)
    while True:
        try:
            return await asked()
        except NotRunning:
            pass
        try:
            return await here()
        except ArchiveLocked as error:
            await patience.heed(error)
        except ArchiveNotPermitted as error:
            raise ArchiveNotPermitted(
                f"no gateway runs that could do it: start it (systemctl start gatewayd); without one {error}"
            ) from error


async def behind_commands(here: Callable[[], Awaitable[T]], tell: Tell, stopped: Callable[[], bool]) -> T:
    """What `here` brings, for a gateway: a command that has the archive is waited for, another gateway is not, and
    nobody after a stop: then ArchiveLocked is handed on, too."""
    patience = _Patience(tell)
    while True:
        try:
            return await here()
        except ArchiveLocked as error:
            if error.gateway or stopped():
                raise
            await patience.heed(error)
