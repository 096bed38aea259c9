"""The derived layer of a gateway that runs: its archive, its engine, and what hands its values on.

Rules: without metering points there is nothing of it, not even a folder. A fault of it costs acquisition and raw
readings nothing: where its archive cannot be opened that is told, and the gateway does everything else. Another
configuration is taken while it runs. Each MQTT sink gets derived values through a second outbox, over this archive.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace

from gatewayd import __version__
from gatewayd.archive.rows import to_us
from gatewayd.archive.store import Store
from gatewayd.config import Config, SinkSettings
from gatewayd.daemon.build import now, sink_start
from gatewayd.daemon.derived import DerivedArchive, derived_folder
from gatewayd.daemon.metering import Metering, MeteringState
from gatewayd.daemon.metering_build import works_of
from gatewayd.daemon.metering_steps import PointWork
from gatewayd.daemon.retention import retain
from gatewayd.daemon.sinks import Serving, Sinks
from gatewayd.errors import ArchiveError
from gatewayd.outbox import Outbox
from gatewayd.publish import Publisher
from gatewayd.sink.mqtt.options import MqttOptions

_CANCEL_SECONDS = 3.0
_DELIVER_SECONDS = 2.0
"""What a sink gets that is changed or gone."""

log = logging.getLogger("gatewayd.metering")


class MeteringSite:
    """The derived layer. `take` before use and at each other configuration; `stop`, then `close` at the end."""

    def __init__(self, raw: Store, sure: Callable[[], bool]) -> None:
        """`sure`: whether the gateway's clock is right; before that nothing is old."""
        self.store: Store | None = None
        """The derived archive; None as long as there were no points."""
        self._raw = raw
        self._sure = sure
        self._engine: Metering | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._sinks: Sinks | None = None
        self._config: Config

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
        works = works_of(config.points, config.gateway.zone)
        self._config = replace(config, sinks=_receivers(config), meters=())
        if not works and self._engine is None:
            return
        try:
            store = self.store or await self._opened(config)
        except ArchiveError as error:
            log.error("metering: the derived archive cannot be opened, so no values are derived: %s", error)
            return
        if self._engine is None:
            self._begin(store, works, config)
        else:
            self._engine.take(works)
        await self._deliver(store)

    async def stop(self, deadline: float) -> None:
        """End the engine, and let the sinks deliver until the deadline, in the time of the running loop."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_CANCEL_SECONDS)
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

    async def _deliver(self, store: Store) -> None:
        """To the MQTT sinks of a configuration; those that are as before go on."""

        def build(wanted: Config, settings: SinkSettings) -> tuple[Outbox, Publisher]:
            from gatewayd.sink.mqtt.points import PointsSink

            assert isinstance(settings.options, MqttOptions)
            outbox = Outbox(settings.id, store, sink_start(settings, wanted.gateway.zone))
            gateway = wanted.gateway.id
            sink = PointsSink(settings.id, settings.options, gateway, store.published_head, now, __version__)
            return outbox, Publisher(sink, outbox, now)

        if self._sinks is None:
            self._sinks = Sinks(build)
        plan = self._sinks.planned(self._config)
        await self._sinks.end(plan.ending, asyncio.get_running_loop().time() + _DELIVER_SECONDS)
        self._sinks.start(plan)

    def _as_archive(self) -> Config:
        """The configuration as if the derived archive were the only one."""
        folder = derived_folder(self._config.archive.path)
        return replace(self._config, archive=self._config.archive.model_copy(update={"path": folder}))


def _receivers(config: Config) -> tuple[SinkSettings, ...]:
    """The sinks that get derived values."""
    return tuple(one for one in config.sinks if isinstance(one.options, MqttOptions)) if config.points else ()
