"""Is the archive whole? Structure, references and sequence today; hash chain and signatures come with the next format.

Rules: read-only; a finding says which segment and what is wrong; no finding means sound as far as this can be known.
"""

from dataclasses import dataclass
from pathlib import Path

import apsw

from gatewayd.archive import segments
from gatewayd.errors import ArchiveError

_FINDINGS_LIMIT = 100


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was looked at, and what is wrong with it."""

    segments: int
    readings: int
    exchanges: int
    findings: tuple[str, ...]

    @property
    def ok(self) -> bool:
        return not self.findings


def verify(folder: Path) -> Verdict:
    """Check the whole archive. ArchiveError when there is none."""
    path = segments.segment_path(folder)
    connection = segments.open_for_reading(path)
    try:
        findings = [f"{path.name}: {text}" for text in _structure(connection)]
        readings, exchanges = _count(connection, "reading"), _count(connection, "exchange")
        if not findings:
            findings += [f"{path.name}: {text}" for text in _sequence(connection, readings)]
    except apsw.Error as error:
        raise ArchiveError(f"{path} cannot be verified: {error}") from error
    finally:
        connection.close()
    return Verdict(1, readings, exchanges, tuple(findings[:_FINDINGS_LIMIT]))


def _count(connection: apsw.Connection, table: str) -> int:
    return int(connection.execute(f"SELECT count(*) FROM {table}").get)  # noqa: S608 - table names of ours


def _structure(connection: apsw.Connection) -> list[str]:
    """SQLite's own check of pages and indexes, and of the references between the tables."""
    texts = [str(text) for (text,) in connection.execute(f"PRAGMA integrity_check({_FINDINGS_LIMIT})") if text != "ok"]
    for table, rowid, parent, _ in connection.execute("PRAGMA foreign_key_check"):
        texts.append(f"row {rowid} of {table} refers to a row of {parent} that is not there")
    return texts


def _sequence(connection: apsw.Connection, readings: int) -> list[str]:
    """Sequence numbers rise by one from 1: a hole means that a reading was taken out."""
    head = int(connection.execute("SELECT coalesce(max(seq), 0) FROM reading").get)
    if head == readings:
        return []
    holes = connection.execute(
        "SELECT seq FROM reading AS r WHERE seq > 1 "
        "AND NOT EXISTS (SELECT 1 FROM reading WHERE seq = r.seq - 1) LIMIT ?",
        (_FINDINGS_LIMIT,),
    ).fetchall()
    return [f"readings are missing before seq {seq}" for (seq,) in holes] or ["the first readings are missing"]
