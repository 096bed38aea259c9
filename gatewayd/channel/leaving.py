"""Taking leave of a meter: to its end, whoever cancels meanwhile, or the next meter hears the rest.

Rules: the cancellation is passed on when the leave is over. A leave has its own deadline; `grace` is for one that may
take longer than a gateway that is told to stop has time for.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any


async def to_its_end(
    leave: Coroutine[Any, Any, None], name: str, *, grace: float | None = None, cancelled: bool = False
) -> None:
    """Wait until `leave` is over, and raise what it raises. Behind a cancellation, which may have come before
    (`cancelled`), it has `grace` seconds more."""
    loop = asyncio.get_running_loop()
    leaving = asyncio.create_task(leave, name=name)
    until = loop.time() + grace if cancelled and grace is not None else None
    cancellation: asyncio.CancelledError | None = None
    while not leaving.done():
        try:
            await asyncio.wait({leaving}, timeout=None if until is None else max(until - loop.time(), 0))
        except asyncio.CancelledError as error:
            cancellation = error
            if until is None and grace is not None:
                until = loop.time() + grace
        if until is not None and loop.time() >= until:
            leaving.cancel()
    if cancellation is not None:
        raise cancellation
    if not leaving.cancelled():
        leaving.result()
