"""Which sealed segments may go: whole ones, oldest first, old enough, delivered everywhere or waited for long enough.

Rules: pure look; dropping and its audit entry are the writer's. The segment that is being written never goes. The age
of a segment is the time at which it was sealed: what meters say may be nonsense. A clock that has leapt makes all
old: nothing goes unless the archive itself has seen the last two months.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from gatewayd.archive import segments
from gatewayd.archive.rows import from_us, typed

MONTHS = 36
"""Portals of distributors keep 36 months, and corrections are possible for that long (decree 359/2020, 7(4))."""


class _Sealed(NamedTuple):
    """What the seal, its batch and the `segment` row say."""

    sealed_at: int
    last_at: int | None
    last_seq: int
    hash: bytes
    first_seq: int


@dataclass(frozen=True, slots=True)
class Limits:
    """What is old: everything before `before_us`. What no sink is waited for any more: everything before `even_us`.

    `acknowledged` says for each configured sink up to where it has taken everything."""

    before_us: int
    even_us: int
    acknowledged: Mapping[str, int] = field(default_factory=dict)
    now_us: int | None = None
    """The present time, which is not believed when hardly anything was sealed of late; None: it is not looked at."""

    def waiting(self, seq: int) -> list[str]:
        """The sinks that have not taken everything up to a number."""
        return sorted(sink for sink, acknowledged in self.acknowledged.items() if acknowledged < seq)


@dataclass(frozen=True, slots=True)
class Dropped:
    """A segment that may go, and what the audit log says of it: numbers, time and final hash."""

    path: Path
    text: str
    undelivered: bool = False


@dataclass(frozen=True, slots=True)
class Kept:
    """Segments that are old and stay because sinks have not taken them."""

    segments: int = 0
    sinks: tuple[str, ...] = ()


LATELY_US = 70 * 86400 * 1_000_000
"""Segments end with the month: in this time two are sealed when all is well."""


def droppable(folder: Path, limits: Limits) -> list[Dropped]:
    """Sealed segments with no reading at or after the limit, oldest first, up to the first one that has to stay."""
    found: list[Dropped] = []
    for path, seal in _old(folder, limits):
        waiting = limits.waiting(seal.last_seq)
        if waiting and seal.sealed_at >= limits.even_us:
            break
        text = (
            f"seq {seal.first_seq + 1} to {seal.last_seq}, sealed {from_us(seal.sealed_at).isoformat()}, "
            f"last hash {seal.hash.hex()}"
        )
        if waiting:
            text += f"; never taken by {', '.join(waiting)}, for which it has waited as long as configured"
        found.append(Dropped(path, text, bool(waiting)))
    return found


def kept(folder: Path, limits: Limits) -> Kept:
    """What is old and still there."""
    seals = [seal for _, seal in _old(folder, limits)]
    sinks = sorted({sink for seal in seals for sink in limits.waiting(seal.last_seq)})
    return Kept(len(seals), tuple(sinks))


def _old(folder: Path, limits: Limits) -> list[tuple[Path, _Sealed]]:
    found: list[tuple[Path, _Sealed]] = []
    sealed_at: list[int] = []
    unbroken = True
    for number in segments.segment_numbers(folder)[:-1]:
        path = segments.segment_path(folder, number)
        connection = segments.open_for_reading(path)
        try:
            sealed = connection.execute(
                "SELECT s.sealed_at, s.last_at, b.last_seq, b.hash, g.last_seq FROM seal AS s "
                "JOIN batch AS b ON b.id = s.batch, segment AS g"
            ).fetchall()
        finally:
            connection.close()
        seals = typed(sealed, _Sealed)
        sealed_at += [seal.sealed_at for seal in seals]
        unbroken = unbroken and bool(seals) and seals[0].sealed_at < limits.before_us
        if unbroken:
            found.append((path, seals[0]))
    lately = [at for at in sealed_at if limits.now_us is None or abs(limits.now_us - at) <= LATELY_US]
    return found if limits.now_us is None or len(lately) >= 2 else []
