"""The derived layer of a gateway that runs: its archive, its engine, and what hands its values on.

Rules: without metering points there is nothing of it, not even a folder. A fault of it costs acquisition and raw
readings nothing: where its archive cannot be opened that is told once and tried again, and the gateway does everything
else. Another configuration is taken while it runs. Each sink gets derived values through a second outbox, over this
archive, unless it says `derived: false`; a fault of one outbox costs the other nothing.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace

from gatewayd.archive.rows import to_us
from gatewayd.archive.store import Store
from gatewayd.config import Config, SinkSettings
from gatewayd.daemon.build import now, sink_start
from gatewayd.daemon.derived import DerivedArchive, derived_folder
from gatewayd.daemon.derived_sinks import build_points_sink, receivers
from gatewayd.daemon.metering import RETRY_SECONDS, Metering
from gatewayd.daemon.metering_build import works_of
from gatewayd.daemon.metering_state import MeteringState
from gatewayd.daemon.metering_steps import PointWork
from gatewayd.daemon.retention import retain
from gatewayd.daemon.sinks import Serving, Sinks
from gatewayd.errors import ArchiveError
from gatewayd.metering.plan import CycleError
from gatewayd.outbox import Outbox
from gatewayd.publish import Publisher

_CANCEL_SECONDS = 3.0
_DELIVER_SECONDS = 2.0
"""What a sink gets that is changed or gone."""

log = logging.getLogger("gatewayd.metering")


class MeteringSite:
    """The derived layer. `take` before use and at each other configuration; `stop`, then `close` at the end."""

    def __init__(self, raw: Store, sure: Callable[[], bool], *, retry_s: float = RETRY_SECONDS) -> None:
        """`sure`: whether the gateway's clock is right; before that nothing is old. `retry_s`: so long after it could
        not be opened the derived archive is tried again."""
        self.store: Store | None = None
        """The derived archive; None as long as there were no points."""
        self.fault = ""
        """Why nothing is derived of what the configuration says now: the derived archive could not be opened, or the
        points are made of each other; empty otherwise."""
        self._raw = raw
        self._sure = sure
        self._engine: Metering | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._sinks: Sinks | None = None
        self._retry_s = retry_s
        self._retrying: asyncio.Task[None] | None = None
        self._taking = asyncio.Lock()
        self._config: Config
        """As the last one, as far as it concerns this..."""
        self._wanted: Config
        """...and all of it."""

    @property
    def state(self) -> MeteringState | None:
        """How the engine does; None where there is none."""
        return self._engine.state if self._engine is not None else None

    def wake(self) -> None:
        """Something was entered by hand: the engine looks after it."""
        if self._engine is not None:
            self._engine.wake()

    @property
    def serving(self) -> Sequence[Serving]:
        """Who hands derived values on."""
        return self._sinks.serving if self._sinks is not None else ()

    async def take(self, config: Config) -> None:
        """Derive what this configuration says. Raises nothing."""
        async with self._taking:
            self._wanted = config
            await self._take(config)
        if self._waits and (self._retrying is None or self._retrying.done()):
            self._retrying = asyncio.create_task(self._again(), name="derived archive is tried again")

    @property
    def _waits(self) -> bool:
        """Whether the derived archive is wanted and could not be opened."""
        return bool(self.fault) and self.store is None

    async def _again(self) -> None:
        while self._waits:
            await asyncio.sleep(self._retry_s)
            async with self._taking:
                if self._waits:
                    await self._take(self._wanted)

    async def _take(self, config: Config) -> None:
        works = works_of(config.points, config.gateway.zone)
        self._config = replace(config, sinks=receivers(config), meters=())
        if not works and self._engine is None:
            self.fault = ""
            return
        try:
            store = self.store or await self._opened(config)
        except ArchiveError as error:
            if str(error) != self.fault:
                log.error("metering: the derived archive cannot be opened, so no values are derived: %s", error)
            self.fault = str(error)
            return
        if self.fault:
            log.info("metering: it goes on")
        self.fault = ""
        await self._deliver(store)
        try:
            if self._engine is None:
                self._begin(store, works, config)
            else:
                self._engine.take(works)
        except CycleError as error:  # which the configuration is checked for
            log.error("metering: %s; what was derived before goes on", error)
            self.fault = str(error)

    async def stop(self, deadline: float) -> None:
        """End the engine, and let the sinks deliver until the deadline, in the time of the running loop."""
        tasks = [*self._tasks, *([self._retrying] if self._retrying is not None else [])]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_CANCEL_SECONDS)
        if self.store is not None:
            with contextlib.suppress(ArchiveError):
                await self.store.flush()
        if self._sinks is not None:
            await self._sinks.stop(deadline)

    async def close(self) -> None:
        """Close the archive."""
        if self.store is not None:
            await asyncio.to_thread(self.store.close)

    async def _opened(self, config: Config) -> Store:
        store = Store(
            derived_folder(config.archive.path),
            config.gateway.id,
            lambda: to_us(now()),
            segment_bytes=config.archive.segment_mb << 20,
        )
        await asyncio.to_thread(store.open)
        self.store = store
        return store

    def _begin(self, store: Store, works: Sequence[PointWork], config: Config) -> None:
        self._engine = Metering(self._raw, DerivedArchive(store), works, config.gateway.zone, now)
        retention = retain(self._as_archive, store, self._sure)
        self._tasks = [
            asyncio.create_task(self._run(self._engine), name="metering"),
            asyncio.create_task(retention, name="retention of derived values"),
        ]
        log.info("metering: %d points, derived archive %s at seq %d", len(works), store.folder, store.head)

    async def _run(self, engine: Metering) -> None:
        """A defect is told of, and ends nothing else."""
        try:
            await engine.run()
        except Exception as error:
            log.critical("metering ended by a defect in gatewayd: %r", error, exc_info=error)
            engine.state.fault = f"a defect in gatewayd, please report what the log says: {error!r}"
            engine.state.last_fault, engine.state.ended = engine.state.fault, True

    async def _deliver(self, store: Store) -> None:
        """To the sinks of a configuration that get derived values; those that are as before go on."""

        def build(wanted: Config, settings: SinkSettings) -> tuple[Outbox, Publisher]:
            outbox = Outbox(settings.id, store, sink_start(settings, wanted.gateway.zone))
            return outbox, Publisher(build_points_sink(wanted, settings, store.published_head, now), outbox, now)

        if self._sinks is None:
            self._sinks = Sinks(build)
        plan = self._sinks.planned(self._config)
        for outbox, _ in plan.made.values():
            # Where a new sink begins is written down before anything more is derived: what comes from now on is all
            # of that. What cannot be written now is tried again by its publisher.
            with contextlib.suppress(ArchiveError):
                await outbox.open()
        await self._sinks.end(plan.ending, asyncio.get_running_loop().time() + _DELIVER_SECONDS)
        self._sinks.start(plan)

    def _as_archive(self) -> Config:
        """The configuration as if the derived archive were the only one."""
        folder = derived_folder(self._config.archive.path)
        return replace(self._config, archive=self._config.archive.model_copy(update={"path": folder}))
