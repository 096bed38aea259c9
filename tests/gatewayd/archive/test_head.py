"""The head: torn, garbled, removed, older and newer than the archive."""

import logging
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewayd.archive import segments
from gatewayd.archive.head import Head, HeadFile, read_head
from gatewayd.archive.verify import Anchor, verify
from gatewayd.errors import ArchiveError
from tests.crash.rig import audits, build, content, copied, found, varied
from tests.gatewayd.archive.samples import append, everything, opened

SLOT = 512


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("archive"))


@pytest.fixture
def archive(original: Path, tmp_path: Path) -> Path:
    return copied(original, tmp_path / "archive")


numbers = st.integers(0, 2**64 - 1)


@given(st.lists(st.tuples(numbers, numbers, numbers, st.binary(min_size=32, max_size=32)), min_size=1, max_size=5))
def test_the_newest_head_comes_back(
    tmp_path_factory: pytest.TempPathFactory, written: list[tuple[int, int, int, bytes]]
) -> None:
    folder = tmp_path_factory.mktemp("head")
    assert read_head(folder) is None
    head_file = HeadFile(folder)
    for batch, (segment, seq, exchange, digest) in enumerate(written):
        head = Head(segment, batch, seq, exchange, digest)
        head_file.write(head, 0.0)
        assert read_head(folder) == head, "without waiting for the disk: it is with the kernel"
    head_file.close()


def two_heads(folder: Path) -> tuple[Head, Head, bytes]:
    older, newer = Head(1, 6, 60, 6, b"\x06" * 32), Head(1, 7, 70, 7, b"\x07" * 32)
    head_file = HeadFile(folder)
    head_file.write(older, 0.0)
    head_file.write(newer, 0.0)
    head_file.close()
    return older, newer, (folder / "head").read_bytes()


def test_a_torn_write_costs_the_newer_head_only(tmp_path: Path) -> None:
    """At every byte: what was to be written over it before, and what is there now."""
    older, newer, data = two_heads(tmp_path)
    end = 100
    for cut in range(end):
        for rest in (b"\0", b"\xff", b"\xa5"):
            torn = data[: SLOT + cut] + rest * (end - cut) + data[SLOT + end :]
            (tmp_path / "head").write_bytes(torn)
            assert read_head(tmp_path) in ((older, newer) if torn == data else (older, newer)[: 1 + (cut >= 76)])
    for length in range(SLOT + 1, SLOT + 77):
        (tmp_path / "head").write_bytes(data[:length])
        assert read_head(tmp_path) in ((older, newer) if length >= SLOT + 76 else (older,))


def test_every_flipped_bit_costs_one_slot(tmp_path: Path) -> None:
    older, newer, data = two_heads(tmp_path)
    for offset in range(80):
        for bit in range(8):
            flipped = bytearray(data)
            flipped[SLOT + offset] ^= 1 << bit
            (tmp_path / "head").write_bytes(flipped)
            assert read_head(tmp_path) in (older, newer)
            if offset < 76:
                assert read_head(tmp_path) == older


def test_a_file_of_zeros_is_a_head_that_was_never_written(tmp_path: Path) -> None:
    """A power cut can leave the length of a file and not its data; the gateway must start all the same."""
    for length in (0, 1, SLOT, 2 * SLOT):
        (tmp_path / "head").write_bytes(bytes(length))
        assert read_head(tmp_path) is None
        with opened(tmp_path / str(length)):
            pass


def test_garbage_is_no_head_and_no_missing_one(tmp_path: Path) -> None:
    (tmp_path / "head").write_bytes(b"\xa5" * 1024)
    with pytest.raises(ArchiveError, match="damaged"):
        read_head(tmp_path)


# -- with an archive ---------------------------------------------------------------------------------------------------


def test_the_head_is_the_last_batch(original: Path) -> None:
    batch = content(segments.segment_path(original, 2))["batch"][-1]
    head = read_head(original)
    assert head is not None
    assert (head.segment, head.batch, head.exchange, head.seq, head.hash) == (2, batch[0], batch[2], batch[6], batch[8])


def test_no_acknowledgement_comes_before_its_head(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        for number in range(20):
            archived = append(store, varied(number))
            head = read_head(tmp_path)
            assert head is not None
            assert head.seq == archived[-1].seq == store.head
            assert store.published_head() == (head.seq, head.hash.hex())


@pytest.mark.parametrize("what", ["removed", "garbled", "emptied", "zeros"])
def test_a_lost_head_is_a_finding_and_no_obstacle(archive: Path, what: str, caplog: pytest.LogCaptureFixture) -> None:
    """The gateway goes on, because nothing else would read the meters; but that it did is written down for good."""
    head = archive / "head"
    match what:
        case "removed":
            head.unlink()
        case "garbled":
            head.write_bytes(b"\xa5" * 1024)
        case "emptied":
            head.write_bytes(b"")
        case _:
            head.write_bytes(bytes(1024))
    before = everything(archive)
    assert any("head" in finding.message for finding in found(archive))
    with caplog.at_level(logging.CRITICAL, "gatewayd.archive"), opened(archive) as store:
        acknowledged = append(store, varied(99))
        assert acknowledged[0].seq == before[-1].seq + 1
    assert "head" in caplog.text
    assert everything(archive) == [*before, *acknowledged]
    assert len(audits(archive, "head-lost")) == 1
    assert any("head" in finding.message for finding in found(archive)), "a new start does not make it forgotten"
    with opened(archive):
        pass
    assert len(audits(archive, "head-lost")) == 1


def test_a_first_start_has_no_head_and_says_nothing_of_it(tmp_path: Path) -> None:
    for _ in range(2):
        with opened(tmp_path):
            pass
    assert verify(tmp_path).ok
    with opened(tmp_path) as store:
        append(store, varied(1))
    assert verify(tmp_path).ok
    assert not audits(tmp_path, "head-lost")


def test_an_older_head_is_no_finding(original: Path, tmp_path: Path) -> None:
    """After a power cut the head may be a second older than the archive."""
    folder = tmp_path / "archive"
    with opened(folder) as store:
        append(store, varied(1))
        older = (folder / "head").read_bytes()
        append(store, varied(2))
        append(store, varied(3))
    (folder / "head").write_bytes(older)
    assert verify(folder).ok
    with opened(folder) as store:
        assert append(store, varied(4))[0].seq == 10
    assert verify(folder).ok
    assert [item.seq for item in everything(folder)] == list(range(1, 13))


def test_a_head_of_another_archive_is_found(archive: Path, tmp_path: Path) -> None:
    other = build(tmp_path / "other", per_segment=3)
    (archive / "head").write_bytes((other / "head").read_bytes())
    assert found(archive)


@pytest.mark.parametrize("back", [1, 3, 6])
def test_an_archive_cut_together_with_its_head_is_found_with_an_anchor(tmp_path: Path, back: int) -> None:
    folder = tmp_path / "archive"
    with opened(folder) as store:
        for number in range(10):
            append(store, varied(number))
            if number == 9 - back:
                copied(folder, tmp_path / "older")
        seq, digest = store.published_head()
    anchor = Anchor(seq, bytes.fromhex(digest))
    assert verify(folder, anchor=anchor).ok
    older = tmp_path / "older"
    assert verify(older).ok, "which it cannot know by itself"
    findings = verify(older, anchor=anchor).findings
    assert any(str(seq) in finding.message for finding in findings)
    assert not verify(folder, anchor=Anchor(seq, bytes(32))).ok
    assert not verify(folder, anchor=Anchor(seq + 1, bytes.fromhex(digest))).ok
