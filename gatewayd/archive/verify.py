"""Is the archive what the gateway wrote? Chain, signatures, seals, head, and SQLite's own structure.

Rules: read-only, and memory does not grow with the archive; every finding says which segment, batch and rows and what
is wrong; after a finding the check goes on, so that one damaged batch does not hide another. What it cannot know: rows
that were lost together with an older copy of the head; give it a head from elsewhere (`anchor`), such as a published
one.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from importlib import resources
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import apsw
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from gatewayd.archive import chain, head, rows, segments, signing
from gatewayd.errors import ArchiveError, ArchiveNotPermitted

FINDINGS_LIMIT = 1000
_NO_READING = (1, 0)
_LAST_SEQ = (1 << 63) - 1
_KEYS = {"reading": "seq"}


_OTHER_ROWS = "its rows are not the ones that were written"


class _Signed(NamedTuple):
    """A checkpoint with the batch that it signs, as far as that is there."""

    batch: int
    signed_at: int
    signature: bytes
    seq: int | None
    hash: bytes | None


class _Seal(NamedTuple):
    """A seal, and what it ought to say."""

    batch: int
    sealed_at: int
    first_at: int | None
    last_at: int | None
    earliest: int | None
    latest: int | None
    end: int
    signed_at: int | None


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault. `batch` and `rows` are empty where it concerns more.

    `first_seq` to `last_seq` are the readings that it casts doubt on, `last_seq` below `first_seq` when none that is
    there; None: all of the segment."""

    segment: int
    message: str
    batch: int | None = None
    rows: str = ""
    first_seq: int | None = None
    last_seq: int | None = None

    @property
    def text(self) -> str:
        place = f"segment {self.segment}"
        if self.batch is not None:
            place += f", batch {self.batch}"
        return f"{place}{f' ({self.rows})' if self.rows else ''}: {self.message}"


@dataclass(frozen=True, slots=True)
class Anchor:
    """A head that is known from elsewhere: after this sequence number the chain had this hash."""

    seq: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was looked at, and what is wrong with it."""

    segments: int
    readings: int
    exchanges: int
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        return not self.findings


@dataclass(slots=True)
class _Link:
    """Where the chain stands between two segments."""

    number: int
    hash: bytes
    batch: int
    exchange: int
    seq: int


def verify(
    folder: Path,
    public_key: Path | None = None,
    anchor: Anchor | None = None,
    on_progress: Callable[[int], None] = lambda _rows: None,
) -> Verdict:
    """Check the whole archive. ArchiveError when there is none, or no public key; ArchiveNotPermitted where this user
    may not read all of it and nothing is wrong with the rest: that says nothing of the archive.

    `on_progress` is called with the number of readings checked so far."""
    damaged = ""
    try:
        known = head.read_head(folder)  # before the segments: a running gateway only ever adds
    except head.HeadDamagedError as error:
        known, damaged = None, str(error)
    numbers = segments.segment_numbers(folder)
    if not numbers and known is None:
        raise ArchiveError(damaged or f"there is no archive at {folder}; has the gateway ever run?")
    check = _Check(folder, signing.public_key(public_key or folder / signing.PUBLIC), known, anchor, on_progress)
    for number in numbers:
        check.segment(number, newest=number == numbers[-1])
    if check.barred is not None and not check.findings:
        raise check.barred
    check.whole(numbers, damaged)
    return Verdict(len(numbers), check.readings, check.exchanges, tuple(check.findings[:FINDINGS_LIMIT]))


class _Check:
    def __init__(
        self,
        folder: Path,
        key: Ed25519PublicKey,
        known: head.Head | None,
        anchor: Anchor | None,
        on_progress: Callable[[int], None],
    ) -> None:
        self.readings = 0
        self.exchanges = 0
        self.findings: list[Finding] = []
        self.barred: ArchiveNotPermitted | None = None
        """A segment that this user may not read: what only the whole archive shows is not known then."""
        self._folder = folder
        self._key = key
        self._known = known
        self._anchor = anchor
        self._on_progress = on_progress
        self._link: _Link | None = None
        self._gone: set[str] = set()
        self._dropped: set[str] = set()
        self._head_met = False
        self._anchor_met = False

    def segment(self, number: int, *, newest: bool) -> None:
        path = segments.segment_path(self._folder, number)
        try:
            connection = segments.open_for_reading(path)
            try:
                connection.execute("BEGIN")  # one state of it for all that is asked: the gateway goes on writing
                with ThreadPoolExecutor(1, "integrity-check") as beside:  # SQLite's own check needs no interpreter
                    structure = beside.submit(_integrity, path)
                    self._schema(connection, number)
                    self._chain(connection, number)
                    self._seal(connection, number, newest)
                for text in structure.result():
                    self._find(number, f"SQLite finds: {text}")
            finally:
                connection.close(True)
        except ArchiveNotPermitted as error:
            self.barred = error
            self._link = None
        except (apsw.Error, ArchiveError, ValueError) as error:
            self._find(number, f"cannot be read: {error}")
            self._link = None

    def whole(self, numbers: list[int], damaged: str) -> None:
        """What only the whole archive shows: segments that are not there, the head, the anchor."""
        last = numbers[-1] if numbers else 0
        if self.barred is not None:
            self._find(last, f"not all of it could be looked at: {self.barred}", seqs=_NO_READING)
            return
        names = {number: segments.segment_path(self._folder, number).name for number in range(1, last)}
        # The oldest go first, and with them what they said of still older ones.
        since = min((number for number, name in names.items() if name in self._dropped), default=0)
        for number, name in names.items():
            if number >= since and number not in numbers and name not in self._gone | self._dropped:
                self._find(number, "is not there, and the audit log does not say that it was dropped", seqs=_NO_READING)
        known, link = self._known, self._link
        if known is None:
            if damaged or link is None or link.batch > 0:  # the head is put down before the first batch
                lost = damaged or f"the file {head.NAME} is not there"
                self._find(last, f"{lost}: rows may have been cut off at the end")
        elif not self._head_met:
            end = f"batch {link.batch} (seq {link.seq})" if link is not None else "nothing that can be read"
            self._find(
                known.segment,
                f"rows are lost or replaced: the head knows batch {known.batch} (seq {known.seq}), "
                f"the archive ends with {end}",
            )
        if self._anchor is not None and not self._anchor_met:
            self._find(last, f"the given head (seq {self._anchor.seq}) is not part of this archive")

    # -- one segment --------------------------------------------------------------------------------------------------

    def _schema(self, connection: apsw.Connection, number: int) -> None:
        if _schema(connection) != _wanted_schema():
            self._find(number, "its tables, indexes or triggers are not those of the archive")

    def _chain(self, connection: apsw.Connection, number: int) -> None:
        (row,) = rows.typed(connection.execute("SELECT * FROM segment"), rows.SegmentRow)
        if row.number != number:
            self._find(number, f"calls itself segment {row.number}")
        before = self._link
        if before is not None and (row.previous, row.last_batch, row.last_exchange, row.last_seq) != (
            before.hash,
            before.batch,
            before.exchange,
            before.seq,
        ):
            self._find(number, f"does not follow segment {before.number}")
        link = _Link(number, chain.segment_hash(row[1:]), row.last_batch, row.last_exchange, row.last_seq)
        self._meet(link)
        tables = _Tables(connection, row.last_exchange, row.last_seq)
        for table, count in tables.before():
            self._find(number, f"{count} rows of {table} have numbers from before this segment")
        signed_at: int | None = None
        for *found, signed in connection.execute(
            "SELECT b.*, c.signed_at FROM batch AS b LEFT JOIN checkpoint AS c ON c.batch = b.id ORDER BY b.id"
        ):
            batch = msgspec.convert(found, rows.BatchRow)
            closed = self._batch(link, batch, tables)
            if signed is None and (closed or signing.due(signed_at, batch.committed_at)):
                self._find(number, "is not signed, and should be", batch.id, tables.text)
            if signed is not None or signing.due(signed_at, batch.committed_at):
                signed_at = batch.committed_at
        for table, count in tables.left_over():
            seqs = (link.seq + 1, _LAST_SEQ) if table == "reading" else _NO_READING
            self._find(number, f"{count} rows of {table} belong to no batch", seqs=seqs)
        self._doubt_back_to(self._checkpoints(connection, number, row.gateway), number, row.last_seq)
        self._dropped |= {
            subject for (subject,) in connection.execute("SELECT subject FROM audit WHERE type = 'segment-dropped'")
        }
        for subject, detail in connection.execute(
            "SELECT subject, detail FROM audit WHERE type IN ('segment-quarantined', 'segments-missing', 'head-lost')"
        ):
            self._gone.add(subject)
            self._find(number, f"the gateway had to give up {subject}: {detail}", seqs=_NO_READING)
        self._link = link

    def _batch(self, link: _Link, found: rows.BatchRow, tables: "_Tables") -> bool:
        """Check one batch. True when it says that the gateway stopped in order, which it signs."""
        batch, committed_at, exchange, device, ratio, series, seq, audit, digest = found
        seqs = (link.seq + 1, seq)
        if batch != link.batch + 1:
            self._find(link.number, f"batch {link.batch + 1} is not there", batch, seqs=seqs)
        ends = dict(zip(chain.TABLES, (exchange, device, ratio, series, seq, audit), strict=True))
        taken, missing = tables.take(ends)
        place = tables.text
        if missing:
            self._find(link.number, missing, batch, place, seqs)
        elif chain.batch_hash(link.number, batch, link.hash, committed_at, taken) != digest:
            self._find(link.number, _OTHER_ROWS, batch, place, seqs)
        link.hash, link.batch, link.exchange, link.seq = digest, batch, exchange, seq
        self.readings += len(taken[4])
        self.exchanges += len(taken[0])
        self._meet(link)
        self._on_progress(self.readings)
        return any(row[4] == "archive-closed" for row in taken[5])

    def _meet(self, link: _Link) -> None:
        """Is this the batch that the head, or the anchor, knows?"""
        known, anchor = self._known, self._anchor
        if known is not None and (known.segment, known.batch, known.hash) == (link.number, link.batch, link.hash):
            self._head_met = True
        if anchor is not None and (anchor.seq, anchor.hash) == (link.seq, link.hash):
            self._anchor_met = True

    def _doubt_back_to(self, genuine: dict[int, int], number: int, start: int) -> None:
        """A batch that does not fit may be sound, and the one before it forged together with its hash.

        What is proven ends with the last genuine checkpoint before it (batch -> sequence number), or where the segment
        begins."""
        for place, finding in enumerate(self.findings):
            if finding.segment == number and finding.message == _OTHER_ROWS and finding.batch is not None:
                proven = max((seq for batch, seq in genuine.items() if batch < finding.batch), default=start)
                first = min(finding.first_seq or proven + 1, proven + 1)
                self.findings[place] = replace(finding, first_seq=first)

    def _checkpoints(self, connection: apsw.Connection, number: int, gateway: str) -> dict[int, int]:
        """Check the signatures; the genuine ones: batch -> last sequence number."""
        genuine: dict[int, int] = {}
        signed = connection.execute(
            "SELECT c.batch, c.signed_at, c.signature, b.last_seq, b.hash "
            "FROM checkpoint AS c LEFT JOIN batch AS b ON b.id = c.batch ORDER BY c.batch"
        )
        for batch, signed_at, signature, seq, digest in rows.typed(signed, _Signed):
            if digest is None or seq is None:
                self._find(number, "a checkpoint signs a batch that is not there", batch)
                continue
            checkpoint = signing.Checkpoint(gateway, number, batch, seq, digest, signed_at)
            if not signing.genuine(self._key, checkpoint, signature):
                self._find(number, "the signature is not the gateway's", batch)
            else:
                genuine[batch] = seq
        return genuine

    def _seal(self, connection: apsw.Connection, number: int, newest: bool) -> None:
        seals = connection.execute(
            "SELECT batch, sealed_at, first_at, last_at, (SELECT min(at) FROM reading), (SELECT max(at) FROM reading), "
            "(SELECT max(id) FROM batch), (SELECT signed_at FROM checkpoint WHERE checkpoint.batch = seal.batch) "
            "FROM seal"
        ).fetchall()
        if not seals:
            if not newest:
                self._find(number, "is not sealed, though another segment follows")
            return
        seal = msgspec.convert(seals[0], _Seal)
        if seal.batch != seal.end or seal.signed_at != seal.sealed_at:
            self._find(number, "the seal is not on its last, signed batch", seal.batch)
        if (seal.first_at, seal.last_at) != (seal.earliest, seal.latest):
            self._find(number, "the times on its seal are not those of its readings", seal.batch, seqs=_NO_READING)

    def _find(
        self,
        segment: int,
        message: str,
        batch: int | None = None,
        place: str = "",
        seqs: tuple[int | None, int | None] = (None, None),
    ) -> None:
        if len(self.findings) < FINDINGS_LIMIT:
            self.findings.append(Finding(segment, message, batch, place, *seqs))


class _Tables:
    """The rows of all chained tables, taken batch by batch."""

    def __init__(self, connection: apsw.Connection, exchange: int, seq: int) -> None:
        self._connection = connection
        self._last = dict.fromkeys(chain.TABLES, 0) | {"exchange": exchange, "reading": seq}
        # The numbers of ratios go on from segment to segment, and the first ones are carried over whole.
        self._cursors = {table: self._cursor(table) for table in chain.TABLES}
        self.text = ""

    def take(self, ends: dict[str, int]) -> tuple[list[list[tuple[chain.Value, ...]]], str]:
        """The rows of one batch for each of chain.TABLES, and which row is not there, if one is not."""
        taken: list[list[tuple[chain.Value, ...]]] = []
        missing = ""
        ranges: list[str] = []
        for table in chain.TABLES:
            first, end = self._last[table] + 1, ends[table]
            if end < first - 1:
                missing = missing or f"the last {table} is {end}, and was {first - 1} before"
            found = list(islice(self._cursors[table], max(end - first + 1, 0)))
            if end >= first and (not found or (found[0][0], found[-1][0], len(found)) != (first, end, end - first + 1)):
                present = {row[0] for row in found}
                gone = next((n for n in range(first, end + 1) if n not in present), end)
                missing = missing or f"{table} {gone} is not there"
                self._last[table] = end
                self._cursors[table] = self._cursor(table)
            if end >= first and table in ("reading", "exchange"):
                ranges.append(f"{table} {first} to {end}")
            self._last[table] = max(end, self._last[table])
            taken.append(found)
        self.text = ", ".join(ranges)
        return taken, missing

    def before(self) -> Iterator[tuple[str, int]]:
        """Tables with rows that no batch of this segment can have, and how many. To be asked first."""
        for table, last in self._last.items():
            sql = f"SELECT count(*) FROM {table} WHERE {_KEYS.get(table, 'id')} <= ?"  # noqa: S608 - names of ours
            count = self._connection.execute(sql, (last,)).get
            if count:
                yield table, count

    def left_over(self) -> Iterator[tuple[str, int]]:
        """Tables with rows behind the last batch, and how many."""
        for table in chain.TABLES:
            count = sum(1 for _ in self._cursors[table])
            if count:
                yield table, count

    def _cursor(self, table: str) -> Iterator[tuple[chain.Value, ...]]:
        key = _KEYS.get(table, "id")
        found = self._connection.execute(
            f"SELECT * FROM {table} WHERE {key} > ? ORDER BY {key}",  # noqa: S608 - names of ours
            (self._last[table],),
        )
        return iter(found)


def _integrity(path: Path) -> list[str]:
    """What SQLite finds wrong with pages and indexes."""
    connection = segments.open_for_reading(path)
    try:
        found = connection.execute(f"PRAGMA integrity_check({FINDINGS_LIMIT})").fetchall()
    finally:
        connection.close(True)
    return [str(text) for (text,) in found if text != "ok"]


def _schema(connection: apsw.Connection) -> list[tuple[object, ...]]:
    return connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY name, type").fetchall()


def _wanted_schema() -> list[tuple[object, ...]]:
    connection = apsw.Connection(":memory:")
    connection.execute((resources.files("gatewayd.archive") / "schema.sql").read_text(encoding="utf-8"))
    return _schema(connection)
