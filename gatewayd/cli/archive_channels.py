"""Which series of intervals `archive gaps` looks at, and what it says of a meter or a channel that there is not.

Rules: a series is what the archive has, or what a job of the meter brings, read yet or not. Of a meter whose channels
nobody has named, and that has never sent any, each may come. What is neither is a mistake of whoever asks: that it
lacks everything would be a gap where nothing is.
"""

from collections.abc import Iterator
from datetime import timedelta

import click

from gatewayd.archive.query import Reader, Selection
from gatewayd.archive.stats import profiles
from gatewayd.config import Config
from gatewayd.increments import increment_code
from gatewayd.legal_time import QUARTER
from gatewayd.model import Increments, Listen, LoadProfile, Order
from gatewayd.obis import Obis
from gatewayd.watched import is_log

_NAMED = 20


def wanted(
    config: Config, reader: Reader, meter: str, obis: Obis | None, period: timedelta | None
) -> list[tuple[str, timedelta]]:
    """The series to look at: codes with the length of their intervals. click.ClickException when none is named and the
    archive knows none, click.UsageError for a meter or a channel that there is not; ArchiveError."""
    known = [(one.obis, timedelta(seconds=one.interval_s)) for one in profiles(config.archive.path, meter)]
    found = [
        (code, step)
        for code, step in known
        if (obis is None or code == str(obis)) and (period is None or step == period)
    ]
    if found:
        return found
    settings = next((one for one in config.meters if meter in (one.id, *(part.id for part in one.parts))), None)
    if settings is None and not known and not reader.select(Selection(meter=meter, last=1)):
        ids = ", ".join([one.id for one in config.metered][:_NAMED]) or "none"
        text = f"unknown meter '{meter}': it is not configured, and the archive has nothing of it"
        raise click.UsageError(f"{text}; known: {ids}")
    orders = [] if settings is None else [job.request for _, job in settings.all_jobs]
    there, named = {code for code, _ in known}, {code for order in orders for code in _named(order)}
    unnamed = any(map(_unnamed, orders))
    if obis is None:
        length = "" if period is None else f" of {period}"
        advice = "name an OBIS code" if unnamed or named or there else "it is asked for none"
        raise click.ClickException(f"the archive has no intervals{length} of meter '{meter}'; {advice}")
    if str(obis) in there | named or (unnamed and there <= named):
        return [(str(obis), period or QUARTER)]
    has = (
        f"it has {', '.join(sorted(there | named))}" if there | named else "it has no intervals, and is asked for none"
    )
    raise click.UsageError(f"meter '{meter}' has no channel {obis}; {has}")


def _named(order: Order) -> Iterator[str]:
    """The channels that a job brings, as far as the configuration names them."""
    match order:
        case LoadProfile() if not is_log(order.obis):
            yield from map(str, order.channels)
        case Increments():
            yield from (str(code) for code in map(increment_code, order.registers) if code is not None)


def _unnamed(order: Order) -> bool:
    """Whether a job brings channels that only the meter knows."""
    match order:
        case LoadProfile():
            return not order.channels and not is_log(order.obis)
        case Listen():
            return True
        case _:
            return False
