"""`verify`: what it says and counts, how much memory it takes, and how it looks at an archive that is written."""

import threading
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from gatewayd.archive import segments
from gatewayd.archive.verify import FINDINGS_LIMIT, Anchor, Finding, _Tables, verify
from gatewayd.errors import ArchiveError
from tests.crash.rig import Clock, build, content, copied, found, seal, tamper, varied
from tests.gatewayd.archive.samples import append, entry, opened, reading


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("archive"), segment_count=3)


@pytest.fixture
def archive(original: Path, tmp_path: Path) -> Path:
    return copied(original, tmp_path / "archive")


def test_a_sound_archive(original: Path) -> None:
    progress: list[int] = []
    verdict = verify(original, on_progress=progress.append)
    assert verdict.ok
    assert (verdict.segments, verdict.readings, verdict.exchanges, verdict.findings) == (3, 36, 12, ())
    assert progress == sorted(progress)
    assert progress[-1] == 36


def test_nothing_is_written(archive: Path) -> None:
    before = {path.name: (path.read_bytes(), path.stat().st_mode) for path in archive.glob("segment-*.sqlite")}
    verify(archive)
    assert {path.name: (path.read_bytes(), path.stat().st_mode) for path in archive.glob("segment-*.sqlite")} == before


@pytest.mark.parametrize("folder", ["nowhere", ""])
def test_no_archive_is_an_error_and_no_verdict(tmp_path: Path, folder: str) -> None:
    with pytest.raises(ArchiveError, match="no archive"):
        verify(tmp_path / folder)


def test_a_finding_names_segment_batch_and_rows() -> None:
    assert Finding(2, "is damaged").text == "segment 2: is damaged"
    assert Finding(2, "is damaged", 17).text == "segment 2, batch 17: is damaged"
    assert "segment 2, batch 17 (reading 5 to 9)" in Finding(2, "is damaged", 17, "reading 5 to 9").text


def test_one_damaged_batch_does_not_hide_another(archive: Path) -> None:
    """Readings of the first, second and last batch of every segment; each is named, and the others are not."""
    wanted = set()
    for number in (1, 2, 3):
        path = segments.segment_path(archive, number)
        rows = content(path)
        held = [
            batch
            for batch, before in zip(rows["batch"], [None, *rows["batch"]], strict=False)
            if before is None or batch[6] != before[6]
        ]
        for batch in (held[1], held[2]):
            tamper(path, (f"UPDATE reading SET status = 4 WHERE seq = {batch[6]!r}"))
            wanted.add((number, batch[0]))
    assert {(finding.segment, finding.batch) for finding in found(archive)} == wanted


def test_an_unreadable_segment_does_not_hide_the_others(archive: Path) -> None:
    segments.segment_path(archive, 2).chmod(0o644)
    segments.segment_path(archive, 2).write_bytes(b"no database" * 1000)
    tamper(segments.segment_path(archive, 1), "UPDATE reading SET status = 4 WHERE seq = 1")
    tamper(segments.segment_path(archive, 3), "UPDATE reading SET status = 4 WHERE seq = 36")
    assert {finding.segment for finding in found(archive)} == {1, 2, 3}


def test_the_findings_have_an_end(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        for number in range(FINDINGS_LIMIT // 8):
            append(store, entry(*(reading(number * 10 + part) for part in range(10))))
    tamper(
        segments.segment_path(tmp_path, 1),
        "UPDATE reading SET raw_text = 'x'",
        "INSERT OR IGNORE INTO checkpoint SELECT id, 1, x'00' FROM batch",
        "DELETE FROM series",
        "DELETE FROM reading WHERE seq % 3 = 0",
    )
    assert 100 < len(found(tmp_path)) <= FINDINGS_LIMIT


def test_while_the_gateway_writes_and_seals(tmp_path: Path) -> None:
    """Read while batches come in: never a false alarm."""
    clock = Clock()
    stop = threading.Event()
    failures: list[Finding] = []
    turns = 0

    def look() -> None:
        nonlocal turns
        while not stop.is_set():
            failures.extend(verify(tmp_path).findings)
            turns += 1

    with opened(tmp_path, now_us=clock) as store:
        append(store, varied(0))
        looking = threading.Thread(target=look)
        looking.start()
        try:
            for number in range(60):
                append(store, varied(number))
                clock.go_on(20)
                if number % 20 == 19:
                    seal(store)
        finally:
            stop.set()
            looking.join()
    assert turns > 3
    assert failures == []


def test_memory_does_not_grow_with_the_archive(tmp_path: Path) -> None:
    def peak(folder: Path, exchanges: int) -> int:
        with opened(folder) as store:
            for number in range(exchanges):
                append(store, entry(*(reading(number * 100 + part) for part in range(100))))
        tracemalloc.start()
        try:
            assert verify(folder).ok
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak(tmp_path / "large", 80) < 2 * peak(tmp_path / "small", 10)


def test_an_anchor_in_the_middle(original: Path) -> None:
    """A head that was published long ago is part of the archive for ever."""
    for number in (1, 2, 3):
        for batch in content(segments.segment_path(original, number))["batch"]:
            seq, digest = batch[6], batch[8]
            assert isinstance(seq, int) and isinstance(digest, bytes)
            assert verify(original, anchor=Anchor(seq, digest)).ok
            assert not verify(original, anchor=Anchor(seq, bytes(32))).ok


def test_what_is_written_while_it_looks_is_no_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch that comes between two questions: tables that were empty are at their end already."""
    before = _Tables.before
    with opened(tmp_path) as store:

        def meanwhile(tables: _Tables) -> Iterator[tuple[str, int]]:
            append(store, varied(1))
            return before(tables)

        monkeypatch.setattr(_Tables, "before", meanwhile)
        verdict = verify(tmp_path)
        assert (verdict.findings, verdict.readings) == ((), 0)
        monkeypatch.setattr(_Tables, "before", before)
        assert verify(tmp_path).readings > 0
