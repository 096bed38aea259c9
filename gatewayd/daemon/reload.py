"""Another configuration for a gateway that runs: SIGHUP, or `gatewayd reload`.

Rules: the file is loaded and checked first; one that has a fault, or that changes what only a start can change, changes
nothing at all. Lines, meters and sinks that are as before go on undisturbed; of the others nothing is lost: sessions
are archived, sinks go on where they were. Each attempt is in the log and in the audit log.
"""

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from pathlib import Path

from gatewayd.alarm_log import Turn
from gatewayd.alarms import SESSION
from gatewayd.archive.records import Audit
from gatewayd.config import Config
from gatewayd.control import Request, Stream
from gatewayd.daemon.build import load_config, now
from gatewayd.daemon.gateway import Gateway
from gatewayd.daemon.lines import Plan as LinesPlan
from gatewayd.daemon.lines import hang_up_seconds
from gatewayd.daemon.notify import Notifier
from gatewayd.daemon.sinks import Plan as SinksPlan
from gatewayd.daemon.upkeep_loop import DEADLINES, tell, watch
from gatewayd.errors import ArchiveError, ConfigError, Finding, GatewayError
from gatewayd.model import Order

CATEGORY, TYPE = "configuration", "reloaded"
_SESSION_SECONDS = 3.0
"""How long it is waited for cancelled sessions, where there is no modem that has to hang up."""
_DELIVER_SECONDS = 2.0
"""What a sink gets that is changed or gone."""
_NAMED = 100
"""Ids in an entry of the audit log; of more there is the number alone."""

log = logging.getLogger("gatewayd.daemon")


@dataclass(frozen=True, slots=True)
class Difference:
    """Ids of one kind: what is new, what has other settings, and what is gone."""

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()

    @property
    def parts(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """Each with its name."""
        return ("added", self.added), ("changed", self.changed), ("removed", self.removed)


Differences = Mapping[str, Difference]
"""By kind: lines, meters, points, sinks, settings."""


def differences(before: Config, after: Config) -> Differences:
    """What of a configuration is another one. Points are those of which values are derived, also meters that are points
    by themselves; settings those that are of no line, meter, point or sink."""
    return {
        "lines": _between(before.lines, after.lines),
        "meters": _between({one.id: one for one in before.meters}, {one.id: one for one in after.meters}),
        "points": _between({one.id: one for one in before.points}, {one.id: one for one in after.points}),
        "sinks": _between({one.id: one for one in before.sinks}, {one.id: one for one in after.sinks}),
        "settings": _between(_settings(before), _settings(after)),
    }


def fixed(before: Config, after: Config) -> tuple[Finding, ...]:
    """What only a start can change, and is another one."""
    return tuple(
        Finding(0, key, "cannot be changed while the gateway runs: restart it (systemctl restart gatewayd)")
        for key in _between(_settings(before), _settings(after)).changed
        if key in _FIXED
    )


_FIXED = ("gateway.id", "gateway.timezone", "gateway.clock", "archive.path", "archive.segment_mb", "control.group")


def _settings(config: Config) -> dict[str, object]:
    named = ("gateway", "archive", "acquisition", "control", "observability", "manual")
    parts = {name: getattr(config, name) for name in named}
    return {f"{name}.{key}": value for name, part in parts.items() for key, value in dict(part).items()}


def _between(before: Mapping[str, object], after: Mapping[str, object]) -> Difference:
    return Difference(
        tuple(name for name in after if name not in before),
        tuple(name for name in after if name in before and after[name] != before[name]),
        tuple(name for name in before if name not in after),
    )


class Reloads:
    """Takes configurations, one after the other. What has begun is not given up when whoever asked for it has gone."""

    def __init__(self, gateway: Gateway, notifier: Notifier | None = None) -> None:
        self._gateway = gateway
        self._notifier = notifier or Notifier()
        self._lock = asyncio.Lock()
        self._tasks: set[asyncio.Task[dict[str, object]]] = set()
        self._closed = False

    async def heed(self, hung_up: asyncio.Event) -> None:
        """Take the file whenever the event is set. Never ends."""
        while True:
            await hung_up.wait()
            hung_up.clear()
            with contextlib.suppress(GatewayError):  # told already
                await self.take("SIGHUP")

    async def take(self, user: str) -> dict[str, object]:
        """Take the file as it is now; what has changed. ConfigError when it cannot be taken, GatewayError for a defect
        of ours: everything is as before."""
        if self._closed:
            raise GatewayError("the gateway stops")
        task = asyncio.create_task(self._take(user), name="reload")
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return await asyncio.shield(task)

    def _done(self, task: "asyncio.Task[dict[str, object]]") -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # told already, also where nobody waits for it any more

    async def stop(self) -> None:
        """Give up what is under way: the gateway is about to end everything."""
        self._closed = True
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def stream(self) -> Stream:
        """The answer to a request `reload` of the control socket."""

        async def events(request: Request) -> AsyncGenerator[dict[str, object], None]:
            yield {"event": "loading", "file": str(self._gateway.path)}
            try:
                found = await self.take(request.user)
            except ConfigError as error:
                yield {"event": "refused", "fault": str(error)}
            else:
                yield {"event": "reloaded", **found}

        return events

    async def _take(self, user: str) -> dict[str, object]:
        async with self._lock, self._notifier.reloading():
            gateway = self._gateway
            try:
                config = await _loaded(gateway)
                lines, sinks = gateway.lines.planned(config), gateway.sinks.planned(config)
            except Exception as error:
                self._refused(user, error)
                raise
            found = differences(gateway.config, config)
            await _change(gateway, config, lines, sinks)
            gateway.store.submit(Audit(now(), user, CATEGORY, TYPE, "gateway", "done", json.dumps(_detail(found))))
            log.info("the configuration was loaded again: %s", summary(found))
            warnings = [finding.text(str(gateway.path)) for finding in config.warnings]
            for warning in warnings:
                log.warning("%s", warning)
            return {**_document(found), "warnings": warnings}

    def _refused(self, user: str, error: Exception) -> None:
        known = isinstance(error, ConfigError)
        text = str(error) if known else f"a defect in gatewayd: {error!r}"
        defect = None if known else error
        log.error("the configuration is not taken, everything is as before: %s", text, exc_info=defect)
        self._gateway.reload_fault = text
        self._gateway.store.submit(Audit(now(), user, CATEGORY, TYPE, "gateway", "refused", text))
        if not known:
            raise GatewayError(f"the configuration is not taken, everything is as before: {text}") from error


async def _loaded(gateway: Gateway) -> Config:
    if gateway.path is None:
        raise ConfigError("", (Finding(0, "", "the gateway was not started from a file"),))
    config = await asyncio.to_thread(_file_loaded, gateway.path)
    if findings := fixed(gateway.config, config):
        raise ConfigError(str(gateway.path), findings)
    return config


def _file_loaded(path: Path) -> Config:
    """Only a file: a pipe in its place would be waited for, and every reload after this one with it."""
    if path.exists() and not path.is_file():
        raise ConfigError(str(path), (Finding(0, "", "is no file; put the configuration in its place"),))
    return load_config(path)


async def _change(gateway: Gateway, config: Config, lines: LinesPlan, sinks: SinksPlan) -> None:
    """From one to the other. Cancelled in between, what is left is ended by the stop of the gateway. GatewayError for a
    defect of ours: what could be changed is, and everything runs."""
    defect: Exception | None = None
    try:
        await gateway.lines.change(lines, max(_SESSION_SECONDS, hang_up_seconds(gateway.config)))
        with contextlib.suppress(ArchiveError):  # what the cancelled sessions had received goes out with the rest
            await gateway.store.flush()
        await gateway.sinks.end(sinks.ending, asyncio.get_running_loop().time() + _DELIVER_SECONDS)
        gateway.store.declare(config.metered)
        _forget(gateway, config)
    except Exception as error:  # lines and sinks that were ended must not stay so
        log.critical("the change of the configuration met a defect in gatewayd: %r", error, exc_info=error)
        defect = error
    gateway.config, gateway.loaded_at, gateway.reload_fault = config, now(), ""
    gateway.sinks.start(sinks)
    gateway.lines.resume(lines, config)
    for heed in gateway.heeding:
        await heed(config)
    if defect is not None:
        raise GatewayError(f"the configuration was taken, with a defect in gatewayd: {defect!r}") from defect


def _forget(gateway: Gateway, config: Config) -> None:
    """What is gone has no alarms and was never read, and nobody looks on."""
    known = {meter.id for meter in config.metered}
    acquisition = gateway.acquisition
    for meter in [one for one in acquisition.alarms.standing if one not in known]:
        for scope in (SESSION, DEADLINES):
            tell(gateway, meter, acquisition.alarms.over(meter, (), scope), Turn.OVER)
    for name in acquisition.tally.last_success.keys() - {settings.id for settings in config.meters}:
        del acquisition.tally.last_success[name]
    wanted = _orders(config)
    for meter, orders in _orders(gateway.config).items():
        if orders - wanted.get(meter, frozenset()):
            acquisition.upkeep.forget(meter)
    watch(acquisition.upkeep, config)
    for line in [one for one in gateway.taps if one not in config.lines]:
        del gateway.taps[line]


def _orders(config: Config) -> dict[str, frozenset[Order]]:
    """By meter: what is asked of it."""
    return {settings.id: frozenset(job.request for _, job in settings.all_jobs) for settings in config.meters}


def summary(found: Differences) -> str:
    """`2 meters added, 1 line changed`; `nothing has changed`."""
    counts = [
        f"{len(ids)} {kind if len(ids) != 1 else kind[:-1]} {what}"
        for kind, difference in found.items()
        for what, ids in difference.parts
        if ids
    ]
    return ", ".join(counts) or "nothing has changed"


def _detail(found: Differences) -> dict[str, object]:
    """For the audit log: counts, and the ids as far as they are not too many."""
    detail: dict[str, object] = {}
    for kind, difference in found.items():
        for what, ids in difference.parts:
            if ids:
                detail[f"{kind}_{what}"] = len(ids)
                detail[f"{kind}_{what}_ids"] = list(ids[:_NAMED])
    return detail


def _document(found: Differences) -> dict[str, object]:
    return {"summary": summary(found), **{kind: dict(difference.parts) for kind, difference in found.items()}}
