"""How a gateway is doing, as one document: what the control socket answers and `gatewayd status` prints.

Rules: looks only at what is known already, or at small files; no meter costs a look at the disk; no password is in it.
The fields are described in docs/status-report.md.
"""

import os
from collections.abc import Mapping
from datetime import datetime

from gatewayd import __version__
from gatewayd.archive import set_aside
from gatewayd.archive.cursors import read_cursors
from gatewayd.archive.head import read_head
from gatewayd.archive.set_aside import Count
from gatewayd.config import Config
from gatewayd.daemon.gateway import Gateway
from gatewayd.daemon.sinks import Serving
from gatewayd.daemon.status_lines import ears, faults, lines, meters, modems
from gatewayd.errors import ArchiveError
from gatewayd.sink.payload import rfc3339

SCHEMA = "gatewayd.status-report/2"


def running_status(gateway: Gateway, asides: Mapping[str, Count], at: datetime) -> dict[str, object]:
    """Of the gateway in this process; `asides`: what of each sink is set aside."""
    seq, digest = gateway.store.published_head()
    workers, standing = gateway.lines.workers, gateway.acquisition.alarms.standing
    states = [(worker, worker.state()) for worker in workers]
    clock = gateway.clock.state
    return {
        "schema": SCHEMA,
        "running": True,
        "at": rfc3339(at),
        "gateway": gateway.config.gateway.id,
        "timezone": gateway.config.gateway.timezone,
        "version": __version__,
        "pid": os.getpid(),
        "since": rfc3339(gateway.since),
        "clock": {
            "synchronised": clock.state.value,
            "source": clock.source,
            "error_s": None if clock.error is None else format(clock.error, "f"),
        },
        "configuration": {
            "file": None if gateway.path is None else str(gateway.path),
            "loaded_at": rfc3339(gateway.loaded_at),
            "fault": gateway.reload_fault or None,
        },
        "archive": {
            "path": str(gateway.store.folder),
            "head": {"seq": seq, "hash": digest},
            "fault": gateway.store.fault or None,
        },
        "lines": lines(states),
        "meters": meters(gateway.config, states, gateway.acquisition.upkeep.progress()),
        "faults": faults(workers),
        "alarms": [{"meter": meter, "alarm": text} for meter in sorted(standing) for text in standing[meter]],
        "modems": modems(workers),
        "listening": ears(workers),
        "sinks": [_sink(sink, asides.get(sink.wanted.settings.id, Count())) for sink in gateway.sinks.serving],
    }


def _sink(sink: Serving, aside: Count) -> dict[str, object]:
    state, settings = sink.publisher.state, sink.wanted.settings
    since = state.faulty_since or state.connected_since
    return {
        "id": state.sink,
        "type": settings.type,
        "state": state.word,
        "since": _instant(since),
        "fault": state.fault or None,
        "last_fault": state.last_fault or None,
        "attempts": state.attempts,
        "cursor": sink.outbox.cursor,
        "waiting": state.waiting,
        "delivered": state.delivered,
        "set_aside": aside.readings,
        "last_set_aside": state.last_reason or None,
        "last_delivered_at": _instant(state.last_delivered_at),
    }


def status_on_disk(config: Config) -> dict[str, object]:
    """Of a gateway that does not run: what the files say. Blocks for a moment."""
    folder = config.archive.path
    fault = None
    seq, digest = 0, None
    counts: dict[str, Count] = {}
    try:
        head = read_head(folder)
        if head is not None:
            seq, digest = head.seq, head.hash.hex()
        counts = set_aside.counts(folder)
    except ArchiveError as error:
        fault = str(error)
    positions = read_cursors(folder)
    sinks = []
    for settings in config.sinks:
        position = positions.get(settings.id)
        cursor = 0 if position is None else position.cursor
        waiting = seq - cursor - (0 if position is None else position.beyond.bit_count())
        sinks.append(
            {
                "id": settings.id,
                "type": settings.type,
                "state": "not running" if position is not None else "new",
                "since": None,
                "fault": None,
                "last_fault": None,
                "attempts": 0,
                "cursor": cursor,
                "waiting": max(waiting, 0),
                "delivered": None,
                "set_aside": counts.get(settings.id, Count()).readings,
                "last_set_aside": None,
                "last_delivered_at": None,
            }
        )
    return {
        "schema": SCHEMA,
        "running": False,
        "at": None,
        "gateway": config.gateway.id,
        "timezone": config.gateway.timezone,
        "version": None,
        "pid": None,
        "since": None,
        "clock": None,
        "configuration": None,
        "archive": {"path": str(folder), "head": {"seq": seq, "hash": digest}, "fault": fault},
        "lines": [],
        "meters": [],
        "faults": [],
        "alarms": [],
        "modems": [],
        "listening": [],
        "sinks": sinks,
    }


def _instant(instant: datetime | None) -> str | None:
    return None if instant is None else rfc3339(instant)
