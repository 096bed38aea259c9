"""How a gateway is doing, as one document: what the control socket answers and `gatewayd status` prints.

Rules: looks only at what is known already, or at small files; no meter costs a look at the disk; no password is in it.
The fields are described in docs/status-report.md.
"""

import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from gatewayd import __version__
from gatewayd.archive import set_aside
from gatewayd.archive.cursors import Position, read_cursors
from gatewayd.archive.head import read_head
from gatewayd.archive.set_aside import Count
from gatewayd.config import Config
from gatewayd.daemon.derived import derived_folder
from gatewayd.daemon.gateway import Gateway
from gatewayd.daemon.sinks import Serving
from gatewayd.daemon.status_beside import Beside, Outboxes, put_aside
from gatewayd.daemon.status_lines import ears, faults, lines, meters, modems
from gatewayd.daemon.status_metering import metering, metering_on_disk
from gatewayd.errors import ArchiveError
from gatewayd.sink.payload import rfc3339

SCHEMA = "gatewayd.status-report/2"


def running_status(gateway: Gateway, beside: Beside, at: datetime) -> dict[str, object]:
    """Of the gateway in this process; `beside`: what files say besides."""
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
        "held_by": None,
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
            "put_aside": beside.put_aside,
        },
        "lines": lines(states),
        "meters": meters(gateway.config, states, gateway.acquisition.upkeep.progress()),
        "faults": faults(workers),
        "alarms": [{"meter": meter, "alarm": text} for meter in sorted(standing) for text in standing[meter]],
        "modems": modems(workers),
        "listening": ears(workers),
        "metering": metering(gateway, beside),
        "sinks": _sinks(gateway, beside),
    }


def _sinks(gateway: Gateway, beside: Beside) -> list[dict[str, object]]:
    """Each with its outbox, and the one of derived values where it gets any (`derived`)."""
    serving: Sequence[Serving] = () if gateway.metering is None else gateway.metering.serving
    derived = {one.wanted.settings.id: one for one in serving}
    found: list[dict[str, object]] = []
    for one in gateway.sinks.serving:
        settings = one.wanted.settings
        second = derived.get(settings.id)
        found.append(
            {
                "id": settings.id,
                "type": settings.type,
                **_outbox(one, beside.raw),
                "derived": None if second is None else _outbox(second, beside.derived),
            }
        )
    return found


def _outbox(sink: Serving, beside: Outboxes) -> dict[str, object]:
    state, name = sink.publisher.state, sink.wanted.settings.id
    since = state.faulty_since or state.connected_since
    return {
        "state": state.word,
        "since": _instant(since),
        "fault": state.fault or None,
        "last_fault": state.last_fault or None,
        "attempts": state.attempts,
        "cursor": sink.outbox.cursor,
        "waiting": state.waiting,
        "oldest_at": _instant(beside.oldest.get(name)),
        "delivered": state.delivered,
        "set_aside": beside.aside.get(name, Count()).readings,
        "last_set_aside": state.last_reason or None,
        "last_delivered_at": _instant(state.last_delivered_at),
    }


def status_on_disk(config: Config) -> dict[str, object]:
    """Of a gateway that does not run: what the files say. Blocks for a moment."""
    folder = config.archive.path
    fault = None
    seq, digest = 0, None
    try:
        head = read_head(folder)
        if head is not None:
            seq, digest = head.seq, head.hash.hex()
    except ArchiveError as error:
        fault = str(error)
    own, counted = _outboxes_on_disk(folder, seq)
    derived, _ = _outboxes_on_disk(derived_folder(folder), _derived_head(folder)) if config.points else ({}, "")
    sinks: list[dict[str, object]] = [
        {
            "id": settings.id,
            "type": settings.type,
            **(own.get(settings.id) or _outbox_on_disk(None, seq, 0)),
            "derived": derived.get(settings.id),
        }
        for settings in config.sinks
    ]
    return {
        "schema": SCHEMA,
        "running": False,
        "at": None,
        "gateway": config.gateway.id,
        "timezone": config.gateway.timezone,
        "version": None,
        "pid": None,
        "held_by": None,
        "since": None,
        "clock": None,
        "configuration": None,
        "archive": {
            "path": str(folder),
            "head": {"seq": seq, "hash": digest},
            "fault": fault or counted or None,
            "put_aside": put_aside(folder),
        },
        "lines": [],
        "meters": [],
        "faults": [],
        "alarms": [],
        "modems": [],
        "listening": [],
        "metering": metering_on_disk(config, seq),
        "sinks": sinks,
    }


def _outboxes_on_disk(folder: Path, head: int) -> tuple[dict[str, dict[str, object]], str]:
    """By sink, what the files of an archive say; and why what was set aside cannot be counted, "" where it can."""
    counts: dict[str, Count] = {}
    fault = ""
    try:
        counts = set_aside.counts(folder)
    except ArchiveError as error:
        fault = str(error)
    positions = read_cursors(folder)
    return {
        sink: _outbox_on_disk(positions.get(sink), head, counts.get(sink, Count()).readings)
        for sink in positions.keys() | counts.keys()
    }, fault


def _outbox_on_disk(position: Position | None, head: int, aside: int) -> dict[str, object]:
    """`position` None: it was never there."""
    cursor, beyond = (0, 0) if position is None else (position.cursor, position.beyond)
    return {
        "state": "not running" if position is not None else "new",
        "since": None,
        "fault": None,
        "last_fault": None,
        "attempts": 0,
        "cursor": cursor,
        "waiting": max(head - cursor - beyond.bit_count(), 0),
        "oldest_at": None,
        "delivered": None,
        "set_aside": aside,
        "last_set_aside": None,
        "last_delivered_at": None,
    }


def _derived_head(folder: Path) -> int:
    try:
        head = read_head(derived_folder(folder))
    except ArchiveError:
        return 0
    return 0 if head is None else head.seq


def _instant(instant: datetime | None) -> str | None:
    return None if instant is None else rfc3339(instant)
