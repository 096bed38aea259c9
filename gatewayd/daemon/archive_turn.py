"""Who does a command's work: the running gateway, else the command itself, with the archive locked.

Rules: whoever has the archive and does not answer will soon do so, or be gone: a gateway that starts, another command.
He is waited for, PATIENCE_S at most; after TOLD_S whoever waits is told for whom.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from gatewayd.control import NotRunning
from gatewayd.errors import ArchiveLocked

T = TypeVar("T")
Tell = Callable[[str], None]

PATIENCE_S = 10.0
TOLD_S = 1.0
_LOOK_S = 0.1


def nobody(_text: str) -> None:
    """Nobody is told."""


async def either(asked: Callable[[], Awaitable[T]], here: Callable[[], Awaitable[T]], tell: Tell = nobody) -> T:
    """What `asked` brings, which raises NotRunning where no gateway answers; then what `here` brings, which raises
    ArchiveLocked where somebody has the archive: handed on when he still has it after PATIENCE_S."""
    loop = asyncio.get_running_loop()
    begun, told = loop.time(), False
    while True:
        try:
            return await asked()
        except NotRunning:
            pass
        try:
            return await here()
        except ArchiveLocked as error:
            waited = loop.time() - begun
            if waited >= PATIENCE_S:
                raise
            if waited >= TOLD_S and not told:
                tell(f"waiting: {error.text}")
                told = True
        await asyncio.sleep(_LOOK_S)  # a lock tells nobody that it is free
