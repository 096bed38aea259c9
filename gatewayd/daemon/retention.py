"""Retention: once a day the archive may let old segments go.

Rules: what a sink still needs stays, up to a limit, and is told every day as long as it is old.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import date, time
from zoneinfo import ZoneInfo

from gatewayd import legal_time
from gatewayd.archive.cursors import read_cursors
from gatewayd.archive.retention import Limits
from gatewayd.archive.rows import to_us
from gatewayd.archive.store import Store
from gatewayd.config import Config
from gatewayd.daemon.build import now
from gatewayd.errors import ArchiveError

RETENTION_SECONDS = 24 * 3600.0
_UNSURE_SECONDS = 600.0

log = logging.getLogger("gatewayd.daemon")


async def retain(present: Callable[[], Config], store: Store, sure: Callable[[], bool]) -> None:
    """Once a day: drop segments that are old and delivered everywhere, or have waited for sinks long enough, as the
    configuration that is `present` then demands. Nothing is old as long as the clock is not `sure` to be right."""
    while True:
        await _until(sure)
        config = present()
        settings = config.archive
        positions = read_cursors(settings.path)
        limits = Limits(
            before_us=_months_ago(settings.retention_months, config.gateway.zone),
            even_us=_months_ago(settings.retention_months + settings.undelivered_months, config.gateway.zone),
            now_us=to_us(now()),
            acknowledged={sink.id: positions[sink.id].cursor if sink.id in positions else 0 for sink in config.sinks},
        )
        try:
            kept = await store.prune(limits)
        except ArchiveError as error:
            log.error("retention: %s", error)
        else:
            waited_for = [
                sink for sink in kept.sinks if sink in positions
            ]  # a new one has not said yet where it begins
            if waited_for:
                log.error(
                    "retention: %d segments of the archive are older than %d months and kept only because these sinks "
                    "have not taken them: %s; after %d more months they go all the same (archive.undelivered_months)",
                    kept.segments,
                    settings.retention_months,
                    ", ".join(waited_for),
                    settings.undelivered_months,
                )
        await asyncio.sleep(RETENTION_SECONDS)


async def _until(sure: Callable[[], bool]) -> None:
    told = False
    while not sure():
        if not told:
            log.warning(
                "retention waits until the gateway's clock is synchronised: a wrong one would drop what is not old; if "
                "it is right by other means, say so (gateway: {clock: trusted})"
            )
            told = True
        await asyncio.sleep(_UNSURE_SECONDS)


def _months_ago(months: int, zone: ZoneInfo) -> int:
    """The beginning of the legal-time month that was `months` ago, in microseconds."""
    today = now().astimezone(zone).date()
    month = max(today.year * 12 + today.month - 1 - months, 1970 * 12)
    return to_us(legal_time.instant(date(month // 12, month % 12 + 1, 1), time(0), zone))
