"""Which sealed segments may go: whole ones, oldest first, old enough, and delivered everywhere.

Rules: pure look; dropping and its audit entry are the writer's. The segment that is being written never goes.
"""

from dataclasses import dataclass
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
class Dropped:
    """A segment that may go, and what the audit log says of it: numbers, time and final hash."""

    path: Path
    text: str


def droppable(folder: Path, before_us: int, acknowledged: int) -> list[Dropped]:
    """Sealed segments with no reading at or after `before_us` and none after the sequence number `acknowledged`."""
    found: list[Dropped] = []
    for number in segments.segment_numbers(folder)[:-1]:
        path = segments.segment_path(folder, number)
        connection = segments.open_for_reading(path)
        try:
            sealed = connection.execute(
                "SELECT s.sealed_at, s.last_at, b.last_seq, b.hash, g.last_seq FROM seal AS s "
                "JOIN batch AS b ON b.id = s.batch, segment AS g"
            ).fetchall()
            seals = typed(sealed, _Sealed)
        finally:
            connection.close()
        if not seals:
            break
        sealed_at, last_at, last_seq, digest, first_seq = seals[0]
        latest = sealed_at if last_at is None else last_at
        if max(latest, sealed_at) >= before_us or last_seq > acknowledged:
            break
        found.append(
            Dropped(
                path,
                f"seq {first_seq + 1} to {last_seq}, sealed {from_us(sealed_at).isoformat()}, last hash {digest.hex()}",
            )
        )
    return found
