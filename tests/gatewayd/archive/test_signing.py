"""The key and its signatures: who may read it, what is signed and when, and what a forger cannot do."""

import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from gatewayd.archive import segments, signing
from gatewayd.archive.head import Head, HeadFile
from gatewayd.archive.verify import verify
from gatewayd.errors import ArchiveError
from tests.crash.rig import (
    Clock,
    build,
    checkpoint_message,
    content,
    copied,
    found,
    seal,
    tamper,
    varied,
    written_anew,
)
from tests.gatewayd.archive.samples import append, entry, opened, reading


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("archive"))


@pytest.fixture
def archive(original: Path, tmp_path: Path) -> Path:
    return copied(original, tmp_path / "archive")


# -- the key -----------------------------------------------------------------------------------------------------------


def test_the_private_key_is_for_the_gateway_alone_and_made_once(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        append(store, entry(reading()))
    key = tmp_path / "signing.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    made, public = key.read_bytes(), (tmp_path / "signing.pub").read_bytes()
    assert b"PRIVATE" in made
    assert b"PRIVATE" not in public
    with opened(tmp_path) as store:
        seal(store)
    assert key.read_bytes() == made
    assert (tmp_path / "signing.pub").read_bytes() == public
    for path in tmp_path.iterdir():
        raw = serialization.load_pem_private_key(made, None).private_bytes(
            serialization.Encoding.Raw, serialization.PrivateFormat.Raw, serialization.NoEncryption()
        )
        assert path == key or raw not in path.read_bytes(), "the key has no business anywhere else"


def test_another_archive_has_another_key(tmp_path: Path) -> None:
    for name in ("a", "b"):
        with opened(tmp_path / name):
            pass
    assert (tmp_path / "a" / "signing.key").read_bytes() != (tmp_path / "b" / "signing.key").read_bytes()


def test_a_start_that_ended_while_the_key_was_made_is_made_good(tmp_path: Path) -> None:
    (tmp_path / "signing.key.new").write_bytes(b"-----BEGIN")
    (tmp_path / "signing.pub").write_bytes(b"of the key that was never put down")
    with opened(tmp_path) as store:
        append(store, entry(reading()))
    assert verify(tmp_path).ok


@pytest.mark.parametrize("what", ["empty", "garbage", "public", "another kind"])
def test_a_key_that_cannot_be_used_is_named(tmp_path: Path, what: str) -> None:
    with opened(tmp_path):
        pass
    x25519 = X25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = (tmp_path / "signing.pub").read_bytes()
    wrong = {"empty": b"", "garbage": b"\xa5" * 100, "public": public, "another kind": x25519}[what]
    (tmp_path / "signing.key").write_bytes(wrong)
    with pytest.raises(ArchiveError, match="signing key"), opened(tmp_path):
        pass
    assert (tmp_path / "signing.key").read_bytes() == wrong, "never replaced: the old signatures belong to it"


def test_without_a_public_key_there_is_nothing_to_verify_with(archive: Path, tmp_path: Path) -> None:
    exported = (archive / "signing.pub").rename(tmp_path / "exported.pem")
    with pytest.raises(ArchiveError, match="public key"):
        verify(archive)
    assert verify(archive, exported).ok


# -- what is signed, and when ------------------------------------------------------------------------------------------


def test_the_signatures_are_good_for_whoever_has_the_public_key(original: Path) -> None:
    key = serialization.load_pem_public_key((original / "signing.pub").read_bytes())
    assert isinstance(key, Ed25519PublicKey)
    for number in (1, 2):
        rows = content(segments.segment_path(original, number))
        assert rows["checkpoint"]
        for checkpoint in rows["checkpoint"]:
            signature = checkpoint[2]
            assert isinstance(signature, bytes)
            key.verify(signature, checkpoint_message(rows, checkpoint))
            with pytest.raises(InvalidSignature):
                key.verify(signature, checkpoint_message(rows, checkpoint) + b"\0")


def signed_batches(folder: Path, number: int = 1) -> list[object]:
    return [row[0] for row in content(segments.segment_path(folder, number))["checkpoint"]]


def test_a_checkpoint_at_least_every_minute_of_writing(tmp_path: Path) -> None:
    clock = Clock()
    with opened(tmp_path, now_us=clock) as store:
        for number, seconds in enumerate((0, 20, 39.9, 0.2, 59, 0.999, 0.001, 3600)):
            clock.go_on(seconds)
            append(store, entry(reading(number)))
        # After 0, 60.1, 120.1 and 3720.1 s.
        assert signed_batches(tmp_path) == [1, 4, 7, 8]
        clock.go_on(-7200)  # a clock that is set back does not stop the signing
        append(store, entry(reading(50)))
        assert signed_batches(tmp_path)[4:] == [9]
        append(store, entry(reading(51)))
    assert signed_batches(tmp_path)[5:] == [11], "the end of an orderly stop"
    assert verify(tmp_path).ok


def test_sealing_signs(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        append(store, entry(reading(1)))
        append(store, entry(reading(2)))
        seal(store)
        rows = content(segments.segment_path(tmp_path, 1))
        assert rows["seal"][0][1] == rows["checkpoint"][-1][0] == rows["batch"][-1][0]


def test_a_kill_and_a_new_start_keep_the_minute(tmp_path: Path) -> None:
    """Each copy is what a killed gateway leaves; the next one signs when the minute of the last signature is over."""
    clock = Clock()
    folder = tmp_path / "0"
    for turn in range(5):
        with opened(folder, now_us=clock) as store:
            append(store, varied(turn))
            clock.go_on(25)
            append(store, varied(turn + 100))
            clock.go_on(25)
            folder = copied(folder, tmp_path / str(turn + 1))
    assert verify(folder).ok
    assert len(signed_batches(folder)) >= 250 // 75


# -- forgers -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [1, 2])
def test_a_checkpoint_that_is_taken_out_is_found(archive: Path, tmp_path: Path, number: int) -> None:
    for batch in signed_batches(archive, number):
        copy = copied(archive, tmp_path / "copy")
        tamper(segments.segment_path(copy, number), f"DELETE FROM checkpoint WHERE batch = {batch}")
        assert number in {finding.segment for finding in found(copy)}, f"the checkpoint of batch {batch}"


@pytest.mark.parametrize("column", ["batch", "signed_at", "signature"])
@pytest.mark.parametrize("number", [1, 2])
def test_a_changed_checkpoint_is_found(archive: Path, tmp_path: Path, column: str, number: int) -> None:
    value = "zeroblob(64)" if column == "signature" else f"{column} + 1000"
    for batch in signed_batches(archive, number):
        copy = copied(archive, tmp_path / "copy")
        tamper(segments.segment_path(copy, number), f"UPDATE checkpoint SET {column} = {value} WHERE batch = {batch}")
        assert number in {finding.segment for finding in found(copy)}


def test_a_signature_of_any_length_is_a_finding(archive: Path) -> None:
    path = segments.segment_path(archive, 2)
    for value in ("x''", "x'00'", "zeroblob(63)", "zeroblob(65)", "zeroblob(100000)"):
        tamper(path, f"UPDATE checkpoint SET signature = {value}")
        assert any("signature" in finding.message for finding in found(archive))


def test_exchanged_signatures_are_found(archive: Path) -> None:
    path = segments.segment_path(archive, 2)
    first, second, *_ = content(path)["checkpoint"]
    tamper(
        path,
        ("UPDATE checkpoint SET signature = ? WHERE batch = ?", (second[2], first[0])),
        ("UPDATE checkpoint SET signature = ? WHERE batch = ?", (first[2], second[0])),
    )
    assert {first[0], second[0]} <= {finding.batch for finding in found(archive)}


def test_an_archive_signed_by_another_key_is_found(archive: Path, tmp_path: Path) -> None:
    exported = (archive / "signing.pub").read_bytes()
    (tmp_path / "exported.pem").write_bytes(exported)
    with opened(tmp_path / "other"):
        pass
    other = tmp_path / "other" / "signing.pub"
    assert {finding.segment for finding in verify(archive, other).findings} == {1, 2}


def head_of(archive: Path, number: int) -> None:
    """Put the head down anew, as a forger would who has the folder."""
    batch = content(segments.segment_path(archive, number))["batch"][-1]
    _, _, exchange, _, _, _, seq, _, digest = batch
    assert isinstance(exchange, int) and isinstance(seq, int) and isinstance(digest, bytes)
    assert isinstance(batch[0], int)
    (archive / "head").unlink()
    head = HeadFile(archive)
    head.write(Head(number, batch[0], seq, exchange, digest), 0.0, sync=True)
    head.close()


def forge(archive: Path, sign: Callable[[bytes], bytes] | None, keep: tuple[int, ...] = ()) -> None:
    """Change a reading and write everything behind it anew: hashes, the next segment's link, signatures, head."""
    tamper(segments.segment_path(archive, 1), "UPDATE reading SET raw_text = '0000000.001' WHERE seq = 1")
    last = written_anew(segments.segment_path(archive, 1), sign, keep)
    tamper(segments.segment_path(archive, 2), ("UPDATE segment SET previous = ?", (last,)))
    written_anew(segments.segment_path(archive, 2), sign)
    head_of(archive, 2)


def test_a_chain_that_is_written_anew_without_the_key_is_found(archive: Path, tmp_path: Path) -> None:
    """The old signatures do not fit, taking them out is seen, and a seal needs one."""
    copy = copied(archive, tmp_path / "copy")
    forge(copy, lambda _message: bytes(64))
    assert {finding.segment for finding in found(copy)} == {1, 2}
    copy = copied(archive, tmp_path / "copy")
    forge(copy, None)
    assert {finding.segment for finding in found(copy)} == {1, 2}


def test_an_end_that_is_written_anew_without_the_key_is_found(archive: Path) -> None:
    """Only the newest segment, from its second batch on, with the first checkpoint left in."""
    path = segments.segment_path(archive, 2)
    rows = content(path)
    first = rows["checkpoint"][0][0]
    assert isinstance(first, int)
    tamper(path, f"UPDATE reading SET raw_text = '0000000.001' WHERE seq = {rows['reading'][-1][0]!r}")
    written_anew(path, None, keep=(first,))
    head_of(archive, 2)
    assert {finding.segment for finding in found(archive)} == {2}


def test_an_archive_written_anew_with_another_key_needs_the_exported_key(archive: Path, tmp_path: Path) -> None:
    """What one folder cannot tell by itself: all of it replaced, its public key as well."""
    (tmp_path / "exported.pem").write_bytes((archive / "signing.pub").read_bytes())
    key = Ed25519PrivateKey.generate()
    forge(archive, key.sign)
    (archive / "signing.pub").write_bytes(
        key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    assert verify(archive).ok
    assert {finding.segment for finding in verify(archive, tmp_path / "exported.pem").findings} == {1, 2}


def test_genuine_means_this_key_and_exactly_this_checkpoint(tmp_path: Path) -> None:
    signer = signing.Signer(tmp_path)
    key = signing.public_key(tmp_path / "signing.pub")
    checkpoint = signing.Checkpoint("gw-1", 1, 2, 3, bytes(32), 4)
    signature = signer.sign(checkpoint)
    assert signing.genuine(key, checkpoint, signature)
    for other in (
        signing.Checkpoint("gw-2", 1, 2, 3, bytes(32), 4),
        signing.Checkpoint("gw-1", 2, 2, 3, bytes(32), 4),
        signing.Checkpoint("gw-1", 1, 3, 3, bytes(32), 4),
        signing.Checkpoint("gw-1", 1, 2, 4, bytes(32), 4),
        signing.Checkpoint("gw-1", 1, 2, 3, bytes(31) + b"\1", 4),
        signing.Checkpoint("gw-1", 1, 2, 3, bytes(32), 5),
    ):
        assert not signing.genuine(key, other, signature)
