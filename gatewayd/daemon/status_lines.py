"""Lines, meters, modems and meters that push, as parts of the status document.

Rules: made of what the workers and the upkeep know already; numbers of seconds are text with the digits that they have.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from gatewayd.call_worker import CallWorker
from gatewayd.config import Config, MeterSettings
from gatewayd.coverage import Complete
from gatewayd.daemon.lines import Worker
from gatewayd.listener import Ear, ListenWorker
from gatewayd.live import LineState, MeterState
from gatewayd.sink.payload import rfc3339
from gatewayd.upkeep import Progress

States = Sequence[tuple[Worker, LineState]]


def lines(states: States) -> list[dict[str, object]]:
    """All lines and pools that have meters."""
    return [_line(worker, state) for worker, state in states]


def _line(worker: Worker, state: LineState) -> dict[str, object]:
    """`kind`: whether its meters are asked, called, or listened to."""
    kind = "called" if isinstance(worker, CallWorker) else "listening" if isinstance(worker, ListenWorker) else "asked"
    return {
        "id": state.line,
        "kind": kind,
        "condition": state.condition.value,
        "until": _instant(state.until),
        "fault": state.fault or None,
        "meters": len(state.meters),
        "under_way": [
            {
                "meter": one.meter or None,
                "line": one.line,
                "since": rfc3339(one.since),
                "technician": one.technician,
                "lent": one.lent or None,
            }
            for one in state.under_way
        ],
        "queue": state.queue,
        "oldest_due": _instant(state.oldest),
    }


def meters(config: Config, states: States, progress: Iterable[Progress]) -> list[dict[str, object]]:
    """All meters, in the order of the configuration."""
    known = {one.meter: one for _, line in states for one in line.meters}
    profiles: dict[str, list[Progress]] = {}
    for one in progress:
        profiles.setdefault(one.meter, []).append(one)
    return [
        _meter(settings, known.get(settings.id, MeterState(settings.id)), profiles.get(settings.id, ()))
        for settings in config.meters
    ]


def _meter(settings: MeterSettings, state: MeterState, profiles: Iterable[Progress]) -> dict[str, object]:
    return {
        "id": settings.id,
        "line": settings.line,
        "metering_type": settings.metering_type.value,
        "last_success_at": _instant(state.last_success),
        "fault": state.fault or None,
        "fault_since": _instant(state.fault_since),
        "next_due_at": _instant(state.next_due),
        "silent": state.silent,
        "dead": state.dead,
        "clock_deviation_s": None if state.deviation is None else _seconds(state.deviation),
        "session_s": None if state.seconds is None else _seconds(timedelta(milliseconds=round(state.seconds * 1000))),
        "left": state.left,
        "profiles": [_profile(one) for one in profiles],
    }


def _profile(one: Progress) -> dict[str, object]:
    return {
        "obis": one.obis,
        "since": _instant(one.since),
        "newest": _instant(one.newest),
        "expected": one.expected,
        "present": one.present,
        "missing": one.missing,
        "waiting": one.waiting,
        "back_fill": _back_fill(one),
        "yesterday": None if one.last_day is None else _complete(one.last_day),
        "gaps": [{"day": day.isoformat(), **_complete(complete)} for day, complete in one.gaps],
    }


def _back_fill(one: Progress) -> dict[str, object] | None:
    """None where everything was asked for. `percent` of the time back to `goal`, rounded down."""
    if one.reached is None or one.goal is None or one.reached <= one.goal:
        return None
    newest = one.newest or one.reached
    whole = max(newest - one.goal, one.reached - one.goal)
    done = whole - (one.reached - one.goal)
    return {"reached": rfc3339(one.reached), "goal": rfc3339(one.goal), "percent": done * 100 // whole}


def _complete(found: Complete) -> dict[str, int]:
    return {"expected": found.expected, "present": found.present, "missing": found.told}


def faults(workers: Iterable[Worker]) -> list[dict[str, object]]:
    """Meters that cannot be read or are not heard, and why."""
    return [
        {"meter": meter, "line": worker.name, "fault": fault}
        for worker in workers
        for meter, fault in sorted(worker.faults.items())
    ]


def modems(workers: Iterable[Worker]) -> list[dict[str, object]]:
    """All modems that call."""
    return [_modem(worker, line.id) for worker in workers if isinstance(worker, CallWorker) for line in worker.lines]


def ears(workers: Iterable[Worker]) -> list[dict[str, object]]:
    """All meters that push."""
    return [_ear(worker.name, ear) for worker in workers if isinstance(worker, ListenWorker) for ear in worker.ears]


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


def _instant(instant: datetime | None) -> str | None:
    return None if instant is None else rfc3339(instant)


def _seconds(length: timedelta) -> str:
    """`-3.214`, without digits that say nothing."""
    return format(Decimal(length // timedelta(microseconds=1)).scaleb(-6).normalize(), "f")
