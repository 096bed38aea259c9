"""Metrics and health of a gateway that runs, listened for as its configuration says.

Rules: a port that cannot be had keeps nothing else from running: that is told once, and tried again until it can be
had. Another configuration may change the port, or switch it off; where it stays the same, nobody is interrupted.
"""

import asyncio
import contextlib
import logging

from gatewayd.config import Config
from gatewayd.daemon.gateway import Gateway
from gatewayd.daemon.health import Health
from gatewayd.daemon.http import HttpServer
from gatewayd.daemon.metrics import Metrics

AGAIN_S = 10.0
"""Before a port that could not be had is tried again."""

log = logging.getLogger("gatewayd.daemon")


class Observing:
    """The listener of one gateway."""

    def __init__(self, gateway: Gateway) -> None:
        self._health = Health(gateway)
        self._metrics = Metrics(gateway, self._health)
        self._server = HttpServer(
            {"/metrics": self._metrics.page, "/healthz": self._health.healthz, "/readyz": self._health.readyz}
        )
        self._endpoint: tuple[str, int] | None = None
        self._listen = ""
        self._trying: asyncio.Task[None] | None = None

    async def take(self, config: Config) -> None:
        """Listen where this configuration says, and nowhere else. Raises nothing."""
        self._metrics.take(config)
        wanted = config.observability.endpoint
        if wanted == self._endpoint:
            return
        await self._end()
        self._endpoint, self._listen = wanted, config.observability.listen or ""
        if wanted is not None and not await self._opened(wanted, first=True):
            self._trying = asyncio.create_task(self._try(wanted), name="metrics port")

    async def close(self) -> None:
        """Listen no more."""
        await self._end()
        self._metrics.close()
        self._health.close()

    async def _end(self) -> None:
        if self._trying is not None:
            self._trying.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._trying
            self._trying = None
        if self._endpoint is not None:
            await self._server.close()
            self._endpoint = None

    async def _try(self, endpoint: tuple[str, int]) -> None:
        while True:
            await asyncio.sleep(AGAIN_S)
            if await self._opened(endpoint, first=False):
                return

    async def _opened(self, endpoint: tuple[str, int], *, first: bool) -> bool:
        try:
            await self._server.open(*endpoint)
        except OSError as error:
            if first:
                log.error(
                    "no metrics: %s cannot be listened at (%s); it is tried again every %.0f s: free it, or change "
                    "observability.listen",
                    self._listen,
                    error.strerror or error,
                    AGAIN_S,
                )
            return False
        log.info("metrics and health at http://%s/metrics, /healthz, /readyz", self._listen)
        return True
