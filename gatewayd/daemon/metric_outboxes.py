"""Samples of the outboxes of both layers, and of the derived layer itself.

Rules: works on what is known at one moment, and so in any thread; looks besides only at one index of the archives for
each place where somebody waits. What cannot be told is left out. Each layer has metrics of its own: what those of
readings say stays what it was before there were derived values.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from gatewayd.archive.ages import Ages
from gatewayd.daemon import metric_names as names
from gatewayd.daemon.derived import derived_folder
from gatewayd.daemon.exposition import Family, Sample
from gatewayd.daemon.metering_tally import SUBSTITUTES
from gatewayd.daemon.status_beside import size_of
from gatewayd.metering.findings import Rule
from gatewayd.metering.values import Layer
from gatewayd.model import RawStatus
from gatewayd.publish import SinkState
from gatewayd.tallies import Histogram, decimal

Found = dict[Family, Sequence[Sample]]
Outboxes = Sequence[tuple[SinkState, int]]
"""Sinks, each with its cursor."""
_MICROSECOND = timedelta(microseconds=1)
_RAW = (names.OUTBOX_DEPTH, names.OUTBOX_OLDEST, names.SINK_UP, names.DELIVERED, names.SET_ASIDE)
_DERIVED = (
    names.METERING_DEPTH,
    names.METERING_OLDEST,
    names.METERING_SINK_UP,
    names.METERING_DELIVERED,
    names.METERING_SET_ASIDE,
)


def alone(value: int | str | Histogram) -> list[Sample]:
    """The only sample of a family without labels."""
    return [((), value)]


def seconds(length: timedelta) -> str:
    """With the digits that it has."""
    return decimal(length // _MICROSECOND * 1000)


@dataclass(frozen=True, slots=True)
class Derived:
    """The derived layer at one moment. `seq`: up to which number of the archive all is derived; None: not known yet.
    `fault`: nothing is derived; `damage`: some days are not. `sinks` are its outboxes, each with its cursor; `folder`
    and `head` of its archive, None where it is not open."""

    points: int
    seq: int | None
    waiting: int
    fault: bool
    damage: bool
    archive_fault: bool
    values: Mapping[tuple[str, RawStatus], int]
    substitutes: Mapping[str, int]
    findings: Mapping[str, int]
    sinks: Outboxes
    folder: Path | None
    head: int | None


class DerivedAges:
    """Since when readings wait for the engine, and derived values for sinks. `archive`: that of readings."""

    def __init__(self, archive: Path) -> None:
        self.engine = Ages(archive)
        self.outboxes = Ages(derived_folder(archive))


def outboxes(at: datetime, head: int, sinks: Outboxes, ages: Ages) -> Found:
    """Those of the archive of readings, whose last one is `head`. Blocks for a moment."""
    return _sinks(at, sinks, _since(sinks, ages), _RAW)


def derived_layer(at: datetime, head: int, known: Derived | None, ages: DerivedAges) -> Found:
    """Everything of the derived layer; nothing where there is none. `head`: of the archive of readings. Blocks
    for a moment."""
    if known is None:
        return {}
    values = {(layer.value, status): 0 for layer in Layer for status in RawStatus} | dict(known.values)
    found: Found = {
        names.METERING_POINTS: alone(known.points),
        names.METERING_WAITING: alone(known.waiting),
        names.METERING_FAULT: alone(int(known.fault)),
        names.METERING_DAMAGE: alone(int(known.damage)),
        names.METERING_VALUES: [((layer, status.text), count) for (layer, status), count in values.items()],
        names.METERING_SUBSTITUTES: _counted([method.value for method in SUBSTITUTES], known.substitutes),
        names.METERING_FINDINGS: _counted([rule.value for rule in Rule], known.findings),
        names.METERING_HEAD: [] if known.head is None else alone(known.head),
        names.METERING_ARCHIVE_FAULT: alone(int(known.archive_fault)),
        names.METERING_BYTES: [] if known.folder is None else alone(size_of(known.folder)),
    }
    behind = _behind(at, head, known.seq, ages.engine)
    return found | behind | _sinks(at, known.sinks, _since(known.sinks, ages.outboxes), _DERIVED)


def _behind(at: datetime, head: int, seq: int | None, ages: Ages) -> Found:
    if seq is None:
        return {}
    first = ages.archived_at([seq])[0] if seq < head else at
    return {
        names.METERING_SEQ: alone(seq),
        names.METERING_BEHIND: alone(max(head - seq, 0)),
        names.METERING_BEHIND_SECONDS: [] if first is None else alone(_age(at, first)),
    }


def _since(sinks: Outboxes, ages: Ages) -> dict[int, datetime | None]:
    """By cursor, when the first reading behind it was archived; of sinks for which something waits."""
    cursors = [cursor for state, cursor in sinks if state.waiting]
    return dict(zip(cursors, ages.archived_at(cursors), strict=True))


def _sinks(
    at: datetime,
    sinks: Outboxes,
    since: Mapping[int, datetime | None],
    families: tuple[Family, Family, Family, Family, Family],
) -> Found:
    depth, oldest, up, delivered, aside = families
    waits = [(state.sink, since[cursor] if state.waiting else at) for state, cursor in sinks]
    states = [state for state, _ in sinks]
    return {
        depth: [((one.sink,), one.waiting) for one in states],
        oldest: [((sink,), _age(at, first)) for sink, first in waits if first is not None],
        up: [((one.sink,), int(one.word == "connected")) for one in states],
        delivered: [((one.sink,), one.delivered) for one in states],
        aside: [((one.sink,), one.set_aside) for one in states],
    }


def _counted(known: Sequence[str], counts: Mapping[str, int]) -> list[Sample]:
    """Those included of which there is none."""
    return [((name,), count) for name, count in (dict.fromkeys(known, 0) | dict(counts)).items()]


def _age(at: datetime, first: datetime) -> str:
    return seconds(max(at - first, timedelta(0)))
