"""The sinks of a gateway that runs, which can be changed while the others go on.

Rules: a sink is a cursor over the archive: whatever changes, it goes on where it was. One that is changed or gone gets
a moment to deliver; what is left waits for its successor, or until it is configured again. A sink that a defect ends is
told of, and the others go on.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from gatewayd.config import Config, SinkSettings
from gatewayd.model import Meter
from gatewayd.outbox import Outbox
from gatewayd.publish import Publisher
from gatewayd.sink.mqtt.options import MqttOptions

_CANCEL_SECONDS = 3.0

log = logging.getLogger("gatewayd.daemon")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A sink, and the meters that it describes to the other side."""

    settings: SinkSettings
    meters: tuple[Meter, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Serving:
    """A sink at work."""

    wanted: Wanted
    outbox: Outbox
    publisher: Publisher
    task: "asyncio.Task[None]"


Build = Callable[[Config, SinkSettings], tuple[Outbox, Publisher]]
"""Makes the parts of a sink; nothing is opened by that."""


@dataclass(frozen=True, slots=True)
class Plan:
    """From one configuration to another: the sinks that are wanted, the ids of those that are to end, and the parts of
    those that are to begin."""

    wanted: Mapping[str, Wanted]
    ending: tuple[str, ...]
    made: Mapping[str, tuple[Outbox, Publisher]]


class Sinks:
    """All sinks."""

    def __init__(self, build: Build) -> None:
        self._build = build
        self._serving: dict[str, Serving] = {}

    @property
    def serving(self) -> list[Serving]:
        """Those of the present configuration, in its order."""
        return list(self._serving.values())

    def planned(self, config: Config) -> Plan:
        """What has to be done for a configuration; nothing is changed yet."""
        wanted = _wanted(config)
        ending = tuple(name for name, sink in self._serving.items() if wanted.get(name) != sink.wanted)
        going_on = self._serving.keys() - set(ending)
        made: dict[str, tuple[Outbox, Publisher]] = {}
        try:
            for name in wanted.keys() - going_on:
                made[name] = self._build(config, wanted[name].settings)
        except BaseException:
            for outbox, _ in made.values():
                outbox.close()
            raise
        return Plan(wanted, ending, made)

    def start(self, plan: Plan) -> None:
        """Begin those that do not run yet; the others take their places among them."""
        before = self._serving
        self._serving = {}
        for name, wanted in plan.wanted.items():
            if name in before:
                self._serving[name] = before[name]
                continue
            outbox, publisher = plan.made[name]
            task = asyncio.create_task(_serve(publisher), name=f"sink {name}")
            self._serving[name] = Serving(wanted, outbox, publisher, task)

    async def end(self, names: Sequence[str], deadline: float) -> None:
        """Let these deliver what is left until the deadline, in the time of the running loop, and end them."""
        ending = [self._serving.pop(name) for name in names]
        running = [sink for sink in ending if not sink.task.done()]
        try:
            await asyncio.gather(*(sink.publisher.drain(deadline) for sink in running), return_exceptions=True)
            await _cancelled(ending)
        finally:
            for sink in ending:
                sink.task.cancel()
                sink.outbox.close()

    async def stop(self, deadline: float) -> None:
        """End all of them."""
        await self.end(tuple(self._serving), deadline)


def _wanted(config: Config) -> dict[str, Wanted]:
    """All sinks of a configuration, by id."""
    meters = config.metered if any(isinstance(sink.options, MqttOptions) for sink in config.sinks) else ()
    return {
        settings.id: Wanted(settings, tuple(meters) if isinstance(settings.options, MqttOptions) else ())
        for settings in config.sinks
    }


async def _serve(publisher: Publisher) -> None:
    """A defect is told of, and ends nobody else."""
    try:
        await publisher.run()
    except Exception as error:
        log.critical("sink %s ended by a defect in gatewayd: %r", publisher.state.sink, error, exc_info=error)


async def _cancelled(ending: list[Serving]) -> None:
    for sink in ending:
        sink.task.cancel()
    if ending:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CANCEL_SECONDS):
                await asyncio.gather(*(sink.task for sink in ending), return_exceptions=True)
