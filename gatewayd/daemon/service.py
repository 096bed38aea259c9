"""The gateway as a service: the sign of life for the watchdog, and the line that `systemctl status` shows.

Rules: a sign of life at half of the time that the manager allows, and only while there is progress (heartbeat.py);
what stands still is told once. The line is short, and told again only when it has changed, at most every 30 s.
"""

import asyncio
import logging

from gatewayd.breaker import Condition
from gatewayd.daemon.gateway import Gateway
from gatewayd.daemon.heartbeat import Heartbeat
from gatewayd.daemon.notify import Notifier

STATUS_SECONDS = 30.0

log = logging.getLogger("gatewayd.daemon")


async def attend(gateway: Gateway, notifier: Notifier, status_seconds: float = STATUS_SECONDS) -> None:
    """Tell the service manager how the gateway is, until cancelled. Without a manager there is nothing to do."""
    if not notifier.active:
        return
    async with asyncio.TaskGroup() as group:
        group.create_task(_tell(gateway, notifier, status_seconds), name="status for the service manager")
        if notifier.watchdog_seconds is not None:
            heartbeat = Heartbeat(
                gateway.store.flush, lambda: (pulse for worker in gateway.lines.workers for pulse in worker.pulses)
            )
            group.create_task(heartbeat.run(notifier.watchdog_seconds / 2), name="heartbeat of the archive")
            group.create_task(watch(heartbeat, notifier, notifier.watchdog_seconds), name="watchdog")


async def watch(heartbeat: Heartbeat, notifier: Notifier, seconds: float) -> None:
    """Signs of life, until cancelled; `seconds` are what the manager allows between two of them."""
    loop, standing = asyncio.get_running_loop(), False
    while True:
        found = heartbeat.stalled(loop.time(), seconds)
        if not found:
            notifier.alive()
        if found and not standing:
            log.critical(
                "no progress: %s; the service manager is not told that all is well, and will restart gatewayd",
                "; ".join(found),
            )
        elif standing and not found:
            log.warning("there is progress again")
        standing = bool(found)
        await asyncio.sleep(seconds / 2)


async def _tell(gateway: Gateway, notifier: Notifier, seconds: float) -> None:
    told = ""
    while True:
        try:
            text = await status_line(gateway)
        except Exception as error:
            # A defect of ours in this line must not silence the watchdog.
            log.critical("the status line ended by a defect in gatewayd: %r", error, exc_info=error)
            return
        if text != told:
            notifier.status(text)
            told = text
        await asyncio.sleep(seconds)


async def status_line(gateway: Gateway) -> str:
    """`12 meters on 3 lines, 1 line down, 2 meters with faults, 4 jobs wait`, and why the archive takes nothing."""
    workers = gateway.lines.workers
    faults = down = queue = 0
    for worker in workers:
        state = worker.state()
        faults, queue = faults + len(worker.faults), queue + state.queue
        down += state.condition is not Condition.CLOSED
        await asyncio.sleep(0)  # with thousands of meters others want a turn in between
    lines = gateway.config.lines
    parts = [f"{_count(len(gateway.config.meters), 'meter')} on {_count(len(lines), 'line')}"]
    parts += [f"{_count(down, 'line')} down"] if down else []
    parts += [f"{_count(faults, 'meter')} with faults"] if faults else []
    parts.append(f"{_count(queue, 'job')} in the queue")
    parts += [f"the archive takes nothing: {gateway.store.fault}"] if gateway.store.fault else []
    parts += ["the last reload was refused"] if gateway.reload_fault else []
    return ", ".join(parts)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
