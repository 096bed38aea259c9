"""The hash chain: what a batch of rows is, as bytes, and its SHA-256.

A batch is everything that one COMMIT adds. Its hash covers, in this order: the domain tag, the number of the segment,
the number of the batch, the hash of the batch before (for the first one of a segment: of the segment's own row), the
time of the COMMIT, and for each table its name and its new rows, in the order of their numbers, every column. All of it
is one MessagePack array in the shortest form, so that every value carries its type and length and no two different
batches give the same bytes.

Rules: pure; the same rows always give the same bytes; the format of the bytes is part of the archive's format and never
changes for rows that are written.
"""

import hashlib
from collections.abc import Sequence

import msgspec

DOMAIN = "gatewayd/archive/batch/1"
GENESIS = bytes(32)
"""The hash before the first batch of a gateway."""

TABLES = ("exchange", "device", "ratio", "series", "reading", "audit")
"""The tables that the chain covers, in the order in which a batch holds them."""

SEGMENT_DOMAIN = "gatewayd/archive/segment/1"

Value = int | str | bytes | None
Row = Sequence[Value]

_encoder = msgspec.msgpack.Encoder()


def segment_hash(row: Row) -> bytes:
    """What the first batch of a segment is chained to: all columns of its `segment` row behind id, in which the hash of
    the last batch of the segment before stands."""
    return hashlib.sha256(_encoder.encode((SEGMENT_DOMAIN, *row))).digest()


def batch_hash(segment: int, batch: int, previous: bytes, committed_at: int, rows: Sequence[Sequence[Row]]) -> bytes:
    """SHA-256 of a batch. `rows` has the new rows of each of TABLES; `committed_at` is in microseconds."""
    tables = [(name, added) for name, added in zip(TABLES, rows, strict=True)]
    return hashlib.sha256(_encoder.encode((DOMAIN, segment, batch, previous, committed_at, tables))).digest()
