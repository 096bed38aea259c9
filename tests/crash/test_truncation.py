"""Files that were cut short, taken away, or replaced by older ones: found through the head, and survived."""

import logging
import random
import shutil
from pathlib import Path

import pytest

from gatewayd.archive import segments
from gatewayd.archive.head import read_head
from gatewayd.archive.verify import Anchor, verify
from tests.crash.rig import Clock, audits, build, content, copied, found, rounds, seal, varied
from tests.gatewayd.archive.samples import append, everything, opened

CUTS = rounds(25, 200)
JOURNAL = "segment-000001.sqlite-wal"
DATABASE = "segment-000001.sqlite"
LAST = 60


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a killed gateway leaves: 20 exchanges, the second half of them in the journal only."""
    live, folder = tmp_path_factory.mktemp("live"), tmp_path_factory.mktemp("killed")
    clock = Clock()
    for half in (0, 1):
        with opened(live, now_us=clock) as store:
            for number in range(10):
                append(store, varied(half * 10 + number))
                clock.go_on(20)
            copied(live, folder)
    for left_over in folder.glob("*-shm"):
        left_over.unlink()
    assert len(everything(copied(folder, tmp_path_factory.mktemp("look")))) == LAST
    return folder


def files(folder: Path) -> dict[str, bytes]:
    """Segments and journals: name and bytes; the index of a journal is no data."""
    return {
        path.name: path.read_bytes()
        for path in sorted(folder.iterdir())
        if path.name.startswith("segment-") and not path.name.endswith("-shm")
    }


def survived(folder: Path, caplog: pytest.LogCaptureFixture, last: int = LAST) -> Path:
    """Start the gateway on a damaged archive, and hold it to its promises. The folder in which the segment is now."""
    name = segments.segment_path(folder, segments.segment_numbers(folder)[-1]).name
    damaged = {key: data for key, data in files(folder).items() if key.startswith(name)}
    caplog.clear()
    with caplog.at_level(logging.CRITICAL, "gatewayd.archive"), opened(folder) as store:
        acknowledged = append(store, varied(77))
        assert acknowledged[0].seq == last + 1
        assert store.fault == ""
    (aside,) = (folder / "quarantine").iterdir()
    assert name in caplog.text
    assert "quarantine" in caplog.text
    # SQLite makes an empty journal where there is none.
    assert {key: data for key, data in files(aside).items() if data or key in damaged} == damaged, "as it was found"
    assert [row[5] for row in audits(folder, "segment-quarantined")] == [name]
    assert set(acknowledged) <= set(everything(folder))
    assert any(name in finding.message for finding in found(folder)), "and verify goes on saying so"
    with opened(folder) as store:
        assert append(store, varied(78))[0].seq == last + 4
    assert len(list((folder / "quarantine").iterdir())) == 1
    return aside


def cut(folder: Path, name: str, length: int) -> None:
    path = folder / name
    path.write_bytes(path.read_bytes()[:length])


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", [DATABASE, JOURNAL])
def test_a_file_that_is_cut_short_is_found_and_put_aside(
    killed: Path, tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    size = (killed / name).stat().st_size
    chance = random.Random(f"cuts of {name}")
    for length in sorted({0, 1, 31, 32, 100, size - 1, *(chance.randrange(size) for _ in range(CUTS - 6))}):
        folder = copied(killed, tmp_path / "archive")
        cut(folder, name, length)
        # A journal that holds all pages makes up for a database that is cut; then nothing is lost, and nothing found.
        whole = readable(copied(folder, tmp_path / "look"))
        looked_at = copied(folder, tmp_path / "verified")
        findings = found(looked_at)
        assert bool(findings) != whole, f"{name} cut to {length}"
        if not whole:
            survived(folder, caplog)


def readable(folder: Path) -> bool:
    """True when all rows are there, by SQLite alone."""
    try:
        return len(content(segments.segment_path(folder, 1))["reading"]) == LAST
    except Exception:  # noqa: BLE001 - sqlite3 has many ways to say no
        return False


@pytest.mark.parametrize("closed", [False, True])
def test_a_journal_that_is_gone_is_found(
    killed: Path, tmp_path: Path, closed: bool, caplog: pytest.LogCaptureFixture
) -> None:
    folder = copied(killed, tmp_path / "archive")
    if closed:  # after an orderly stop there is none
        with opened(folder):
            pass
        assert found(folder) == ()
        return
    (folder / JOURNAL).unlink()
    assert found(copied(folder, tmp_path / "look"))
    survived(folder, caplog)


def test_a_segment_that_is_gone_is_found_and_the_older_ones_stay(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A sealed segment is whole, whatever became of the one behind it."""
    folder = build(tmp_path / "archive")
    stored = everything(folder)
    segments.segment_path(folder, 2).unlink()
    assert any(finding.segment == 2 for finding in found(folder))
    before = files(folder)
    with caplog.at_level(logging.CRITICAL, "gatewayd.archive"), opened(folder) as store:
        assert append(store, varied(77))[0].seq == stored[-1].seq + 1
    assert "segment-000002.sqlite" in caplog.text
    assert before.items() <= files(folder).items()
    assert not (folder / "quarantine").exists()
    assert any("segment-000002.sqlite" in finding.message for finding in found(folder))
    assert [item.seq for item in everything(folder)] == [*range(1, 13), 25, 26, 27]


def test_all_segments_gone_is_found(tmp_path: Path) -> None:
    folder = build(tmp_path / "archive")
    for number in (1, 2):
        segments.segment_path(folder, number).unlink()
    assert found(folder)
    with opened(folder) as store:
        assert append(store, varied(77))[0].seq == 25
    assert any("segment-000002.sqlite" in finding.message for finding in found(folder))


@pytest.mark.parametrize("segment_count", [1, 2])
@pytest.mark.parametrize("back", [1, 2, 5])
def test_an_older_copy_is_found_by_the_head(
    tmp_path: Path, segment_count: int, back: int, caplog: pytest.LogCaptureFixture
) -> None:
    folder, older = tmp_path / "archive", tmp_path / "older"
    build(folder, segment_count=segment_count)
    with opened(folder) as store:
        for number in range(6):
            last = append(store, varied(number))[-1].seq
            if number == 5 - back:
                copied(folder, older)
        seq, digest = store.published_head()
    shutil.copy(folder / "head", older / "head")
    assert any("head" in finding.message for finding in found(copied(older, tmp_path / "look")))
    survived(older, caplog, last)
    # With the head put back as well, only what was published tells.
    older = tmp_path / "older"
    shutil.rmtree(older)
    build(older, segment_count=segment_count)
    assert found(older) == ()
    assert verify(older, anchor=Anchor(seq, bytes.fromhex(digest))).findings


def test_an_older_copy_from_before_the_last_sealing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The newest segment that is there was not even sealed."""
    folder, older = tmp_path / "archive", tmp_path / "older"
    build(older, segment_count=1)
    copied(older, folder)
    with opened(folder) as store:
        append(store, varied(5))
        seal(store)
        last = append(store, varied(6))[-1].seq
    shutil.copy(folder / "head", older / "head")
    assert found(older)
    survived(older, caplog, last)


def test_a_damaged_segment_without_a_head_gives_no_number_twice(killed: Path, tmp_path: Path) -> None:
    """Neither does the head know, nor can the newest segment be opened; what can still be read of it must do."""
    folder = build(tmp_path / "archive", segment_count=3)
    (folder / "head").unlink()
    segments.segment_path(folder, 3).write_bytes(b"no database" * 1000)
    with opened(folder) as store:
        assert append(store, varied(77))[0].seq >= 25, "behind the segments that are whole"
    folder = copied(killed, tmp_path / "killed")
    (folder / "head").unlink()
    path = folder / DATABASE
    data = bytearray(path.read_bytes())
    data[data.index(b"CREATE TRIGGER reading_kept")] ^= 1
    path.write_bytes(data)
    with opened(folder) as store:
        first = append(store, varied(77))[0].seq
    assert (folder / "quarantine").exists()
    assert first == LAST + 1


def test_a_folder_is_put_aside_twice(killed: Path, tmp_path: Path) -> None:
    folder = copied(killed, tmp_path / "archive")
    for turn in (1, 2, 3):
        number = segments.segment_numbers(folder)[-1]
        path = segments.segment_path(folder, number)
        path.write_bytes(b"garbage" * 1000)
        with opened(folder) as store:
            assert append(store, varied(turn))[0].seq == LAST + 1 + 3 * (turn - 1)
        assert len(list((folder / "quarantine").iterdir())) == turn
    head = read_head(folder)
    assert head is not None
    assert head.seq == LAST + 9
    assert {"segment-000001.sqlite", "segment-000002.sqlite", "segment-000003.sqlite"} <= {
        finding.message.split()[6].rstrip(":") for finding in found(folder) if "give up" in finding.message
    } | {segments.segment_path(folder, finding.segment).name for finding in found(folder)}
