"""The page /metrics: what a gateway knows of itself, collected when somebody asks.

Rules: nothing is worked out before. Only what must not change meanwhile is taken in the event loop, a few milliseconds
at a time; the text is made in a thread. However many ask at once, it is collected once, and at most once a second.
"""

import asyncio
import time
from datetime import datetime

from gatewayd.archive.ages import Ages
from gatewayd.call_worker import CallWorker
from gatewayd.config import Config
from gatewayd.daemon.build import now
from gatewayd.daemon.exposition import CONTENT_TYPE, text
from gatewayd.daemon.gateway import Gateway
from gatewayd.daemon.health import Health
from gatewayd.daemon.http import Reply
from gatewayd.daemon.metering_state import MeteringState
from gatewayd.daemon.metric_outboxes import Derived, DerivedAges
from gatewayd.daemon.metric_samples import Snapshot, collected
from gatewayd.daemon.status_metering import trouble
from gatewayd.live import LineState, Vital

FRESH_S = 1.0
"""Who asks sooner gets the same page again."""
_TURN_S = 0.003
"""What is collected in one turn of the event loop."""


class Metrics:
    """Of one gateway."""

    def __init__(self, gateway: Gateway, health: Health) -> None:
        self._gateway = gateway
        self._health = health
        self._ages = Ages(gateway.store.folder)
        self._derived_ages = DerivedAges(gateway.store.folder)
        self._making: asyncio.Task[bytes] | None = None
        self._made_at = 0.0
        self._known_since: dict[str, datetime] = {}

    def take(self, config: Config) -> None:
        """The meters of this configuration are those that the gateway has from now on."""
        known, gateway = self._known_since, self._gateway
        self._known_since = {one.id: known.get(one.id) or gateway.loaded_at for one in config.meters}

    async def page(self) -> Reply:
        """As it is now, or was a moment ago."""
        now_s = asyncio.get_running_loop().time()
        if self._making is None or (self._making.done() and now_s - self._made_at > FRESH_S):
            self._making, self._made_at = asyncio.create_task(self._made(), name="metrics"), now_s
        return Reply(await asyncio.shield(self._making), CONTENT_TYPE)  # whoever goes takes it from nobody else

    def close(self) -> None:
        """Collect no more."""
        if self._making is not None:
            self._making.cancel()

    async def _made(self) -> bytes:
        snapshot = await self._snapshot()
        return await asyncio.to_thread(lambda: text(collected(snapshot, self._ages, self._derived_ages)).encode())

    async def _snapshot(self) -> Snapshot:
        begun = time.monotonic()
        gateway = self._gateway
        unready = len(await self._health.ready())
        lines, vitals, modems = await self._lines()
        acquisition, store = gateway.acquisition, gateway.store
        return Snapshot(
            config=gateway.config,
            at=now(),
            since=gateway.since,
            loaded_at=gateway.loaded_at,
            config_fault=bool(gateway.reload_fault),
            unready=unready,
            known_since=self._known_since,
            lines=lines,
            broken=tuple(gateway.lines.broken),
            vitals=vitals,
            progress=acquisition.upkeep.progress(),
            alarms=acquisition.alarms.standing,
            days_late=acquisition.upkeep.days_late,
            modems=modems,
            sinks=[(sink.publisher.state, sink.outbox.cursor) for sink in gateway.sinks.serving],
            folder=store.folder,
            head=store.head,
            archive_fault=bool(store.fault),
            readings=store.tally.readings,
            exchanges=store.tally.exchanges,
            commits=store.tally.seconds,
            commits_failed=store.tally.failed,
            reads=dict(acquisition.tally.reads),
            sessions=dict(acquisition.tally.seconds),
            clock=gateway.clock.state,
            begun=begun,
            derived=self._derived(),
        )

    def _derived(self) -> Derived | None:
        site = self._gateway.metering
        fault, _ = trouble(site)
        if site is None or (site.state is None and not fault):
            return None
        state, store = site.state or MeteringState(points=len(self._gateway.config.points)), site.store
        return Derived(
            points=state.points,
            seq=state.seq if state.known else None,
            waiting=state.waiting,
            fault=bool(fault),
            damage=bool(state.damaged or state.unreadable),
            archive_fault=bool(site.fault if store is None else store.fault),
            values=dict(state.tally.values),
            substitutes=dict(state.tally.substitutes),
            findings=dict(state.tally.findings),
            sinks=[(sink.publisher.state, sink.outbox.cursor) for sink in site.serving],
            folder=None if store is None else store.folder,
            head=None if store is None else store.head,
        )

    async def _lines(self) -> tuple[list[LineState], list[Vital], dict[str, bool]]:
        """Of all lines, with a pause for others now and then: there may be thousands."""
        states: list[LineState] = []
        vitals: list[Vital] = []
        modems: dict[str, bool] = {}
        turn = time.monotonic()
        for worker in self._gateway.lines.workers:
            states.append(worker.state(meters=False))
            vitals += worker.vitals()
            if isinstance(worker, CallWorker):
                modems |= {line.id: line.id in worker.parked for line in worker.lines}
            if time.monotonic() - turn > _TURN_S:
                await asyncio.sleep(0)
                turn = time.monotonic()
        return states, vitals, modems
