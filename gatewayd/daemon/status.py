"""How a gateway is doing, as one document: what the control socket answers and `gatewayd status` prints.

Rules: looks only at what is known already, or at small files; no password is in it.
"""

import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType

from gatewayd import __version__
from gatewayd.archive import set_aside
from gatewayd.archive.cursors import read_cursors
from gatewayd.archive.head import read_head
from gatewayd.archive.set_aside import Count
from gatewayd.archive.store import Store
from gatewayd.call_worker import CallWorker
from gatewayd.config import Config
from gatewayd.errors import ArchiveError
from gatewayd.listener import Ear, ListenWorker
from gatewayd.publish import Publisher
from gatewayd.sink.payload import rfc3339
from gatewayd.worker import LineWorker

SCHEMA = "gatewayd.status-report/1"


def running_status(
    config: Config,
    store: Store,
    publishers: Sequence[Publisher],
    cursors: Mapping[str, int],
    asides: Mapping[str, Count],
    since: datetime,
    workers: Sequence[LineWorker | CallWorker | ListenWorker] = (),
    alarms: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> dict[str, object]:
    """Of the gateway in this process; `cursors` of its sinks, and what of them is set aside; its workers; the alarms
    that stand, by meter."""
    calling = [worker for worker in workers if isinstance(worker, CallWorker)]
    seq, digest = store.published_head()
    return {
        "schema": SCHEMA,
        "gateway": config.gateway.id,
        "version": __version__,
        "pid": os.getpid(),
        "since": rfc3339(since),
        "archive": {"head": {"seq": seq, "hash": digest}, "fault": store.fault or None},
        "sinks": [
            _sink(publisher, settings.type, cursors[settings.id], asides.get(settings.id, Count()))
            for settings, publisher in zip(config.sinks, publishers, strict=True)
        ],
        "faults": [
            {"meter": meter, "line": worker.name, "fault": fault}
            for worker in workers
            for meter, fault in sorted(worker.faults.items())
        ],
        "alarms": [{"meter": meter, "alarm": text} for meter in sorted(alarms) for text in alarms[meter]],
        "modems": [_modem(worker, line.id) for worker in calling for line in worker.lines],
        "listening": [
            _ear(worker.name, ear) for worker in workers if isinstance(worker, ListenWorker) for ear in worker.ears
        ],
    }


def _ear(line: str, ear: Ear) -> dict[str, object]:
    """A meter that pushes; why it is not heard is among the faults."""
    return {"meter": ear.meter, "line": line, "connected": ear.connected, "last_heard_at": _instant(ear.last)}


def _modem(worker: CallWorker, line: str) -> dict[str, object]:
    """`pool` is the line itself where it is in none; `in_doubt`: it may be in a call; the number is masked."""
    call, fault = worker.calls.get(line), worker.parked.get(line)
    seen = None if call is None else call.status
    return {
        "id": line,
        "pool": worker.name,
        "fault": fault,
        "in_doubt": worker.in_doubt(line),
        "next_window": None if fault else rfc3339(worker.window(line)),
        "last_call": None
        if call is None
        else {
            "at": rfc3339(call.started_at),
            "number": call.number,
            "result": call.result.value,
            "seconds": round(call.seconds),
            "hung_up": call.hung_up,
        },
        "signal_dbm": None if seen is None else seen.signal_dbm,
        "registration": None if seen is None or seen.registration is None else seen.registration.name.lower(),
    }


def _sink(publisher: Publisher, kind: str, cursor: int, aside: Count) -> dict[str, object]:
    state = publisher.state
    since = state.faulty_since or state.connected_since
    return {
        "id": state.sink,
        "type": kind,
        "state": state.word,
        "since": _instant(since),
        "fault": state.fault or None,
        "last_fault": state.last_fault or None,
        "attempts": state.attempts,
        "cursor": cursor,
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
        "gateway": config.gateway.id,
        "version": None,
        "pid": None,
        "since": None,
        "archive": {"head": {"seq": seq, "hash": digest}, "fault": fault},
        "sinks": sinks,
        "faults": [],
        "modems": [],
        "listening": [],
    }


def _instant(instant: datetime | None) -> str | None:
    return None if instant is None else rfc3339(instant)
