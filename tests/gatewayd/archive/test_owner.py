"""Whose the files of an archive are: what root makes is the gateway's, who may not use them is told what to do."""

import errno
import logging
import multiprocessing
import os
import tempfile
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

from gatewayd.archive import owner, segments
from gatewayd.archive.cursors import CursorFile, Position
from gatewayd.archive.stats import stats
from gatewayd.archive.store import Store
from gatewayd.archive.verify import verify
from gatewayd.errors import ArchiveError
from tests.crash.rig import Clock, seal, varied
from tests.gatewayd.archive.samples import append, opened

_FORK = multiprocessing.get_context("fork")
"""Another user may not be able to start an interpreter that lies in the home of this one."""
NOBODY, GROUP = 65534, 20
"""The user that the gateway runs as here, and the group of its folder: dialout, which every Debian has."""
MONTH = 40 * 86400


@pytest.fixture
def folder() -> Iterator[Path]:
    """The folder of an archive, as the package makes it, in one of root's that everybody may enter: not in that of
    pytest, which each run of it closes to others."""
    assert os.geteuid() == 0, "these tests need root: sudo ./dev test (they become another user)"
    with tempfile.TemporaryDirectory(prefix="gatewayd-owner-") as around:
        Path(around).chmod(0o755)
        made = Path(around, "gatewayd")
        made.mkdir(mode=0o750)
        os.chown(made, NOBODY, GROUP)
        yield made


def as_service(action: Callable[[], object]) -> str:
    """What the gateway's user is told by an ArchiveError when it does that; "" for none."""
    mine, theirs = _FORK.Pipe()
    process = _FORK.Process(target=_become, args=(theirs, action))
    process.start()
    try:
        assert mine.poll(30), "it says nothing"
        return str(mine.recv())
    finally:
        process.kill()
        process.join()


def _become(answers: Connection, action: Callable[[], object]) -> None:
    """In a process of its own."""
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)
    try:
        action()
    except ArchiveError as error:
        answers.send(str(error))
    except BaseException as error:
        answers.send(f"a defect: {error!r}")
        raise
    else:
        answers.send("")


def one_more(folder: Path, number: int = 9, clock: Clock | None = None) -> None:
    """Open the archive, write a record, close it."""
    with opened(folder, now_us=clock or Clock()) as store:
        append(store, varied(number))


def foreign(folder: Path) -> list[str]:
    """What does not belong to owner and group of the folder."""
    found = [path for path in sorted(folder.rglob("*")) if (path.stat().st_uid, path.stat().st_gid) != (NOBODY, GROUP)]
    return [str(path.relative_to(folder)) for path in found]


def test_what_root_makes_belongs_to_the_owner_of_the_folder(folder: Path) -> None:
    """The first archive, the next month, what was damaged, and the derived archive; also while it is open."""
    clock = Clock()
    with opened(folder, now_us=clock) as store:
        append(store, varied(1))
        names = {path.name for path in folder.iterdir()}
        assert {"writer.lock", "head", "signing.key", "signing.pub", "state.sqlite", "state.sqlite-wal",
                "segment-000001.sqlite", "segment-000001.sqlite-wal", "segment-000001.sqlite-shm"} <= names  # fmt: skip
        assert foreign(folder) == []
        seal(store)
        append(store, varied(2))
        clock.go_on(MONTH)
        append(store, varied(3))
        assert segments.segment_numbers(folder) == [1, 2, 3]
        assert foreign(folder) == []
    segments.segment_path(folder, 3).write_bytes(b"no database" * 100)
    (folder / "state.sqlite").write_bytes(b"no database" * 100)
    one_more(folder, 4, clock)
    assert (folder / "quarantine").is_dir() and (folder / "state.damaged").exists()
    one_more(folder / "derived", 5)
    assert foreign(folder) == []
    assert as_service(lambda: one_more(folder, 6, clock)) == ""
    assert as_service(lambda: one_more(folder / "derived", 7, clock)) == ""


def one_cursor(folder: Path, sink: str) -> None:
    file = CursorFile(folder, sink)
    file.begin(Position(1))
    file.close()


def test_cursors_that_root_begins_do_not_lock_the_service_out(folder: Path) -> None:
    one_cursor(folder, "mqtt")
    assert foreign(folder) == [] and (folder / "cursors").stat().st_mode & 0o777 == 0o750
    assert as_service(lambda: one_cursor(folder, "mqtt")) == as_service(lambda: one_cursor(folder, "other")) == ""


@pytest.mark.parametrize("name", ["cursors", "cursors/mqtt"])
def test_a_cursor_of_root_is_named_with_its_remedy(folder: Path, name: str) -> None:
    one_cursor(folder, "mqtt")
    os.chown(folder / name, 0, 0)
    said = as_service(lambda: one_cursor(folder, "mqtt"))
    remedy = f"; {folder}/{name} belongs to root, its folder to nobody: chown -R nobody:dialout {folder}"
    assert said == f"the cursor {folder}/cursors/mqtt cannot be written: Permission denied{remedy}"


def test_a_month_that_root_begins_does_not_lock_the_service_out(folder: Path) -> None:
    clock = Clock()
    assert as_service(lambda: one_more(folder, 1, clock)) == ""
    clock.go_on(MONTH)
    one_more(folder, 2, clock)
    assert segments.segment_numbers(folder) == [1, 2]
    assert as_service(lambda: one_more(folder, 3, clock)) == ""


def test_the_folder_belongs_to_whoever_has_the_one_around_it(folder: Path, tmp_path: Path) -> None:
    """But for that of root: there it stays root's, and so does all in it."""
    one_more(folder / "a" / "b")
    assert foreign(folder) == []
    (tmp_path / "roots").mkdir()
    os.chown(tmp_path / "roots", 0, GROUP)
    one_more(tmp_path / "roots" / "archive")
    found = [path.stat() for path in (tmp_path / "roots").rglob("*")]
    assert {(one.st_uid, one.st_gid) for one in found} == {(0, 0)}


def test_what_was_there_stays_whose_it_is(folder: Path, tmp_path: Path) -> None:
    """The folder is that of a user who may do less than root: a link in it must not give away what it leads to."""
    secret = tmp_path / "secret"
    secret.write_bytes(b"")
    (folder / "head").symlink_to(secret)
    (folder / "writer.lock").symlink_to(tmp_path / "new")
    (folder / "derived").symlink_to(tmp_path / "elsewhere")
    (folder / "state.sqlite").write_bytes(b"")
    os.close(owner.opened(folder / "head", 0o640))
    owner.make_empty(folder / "state.sqlite", 0o644)
    with pytest.raises(FileNotFoundError):
        owner.opened(folder / "writer.lock", 0o640)
    with pytest.raises(FileExistsError):
        owner.made(folder / "head", 0o640)
    with pytest.raises(FileExistsError):
        owner.make_folder(folder / "derived")
    assert secret.stat().st_uid == (folder / "state.sqlite").stat().st_uid == 0
    assert not (tmp_path / "new").exists() and not (tmp_path / "elsewhere").exists()


def test_what_cannot_be_given_away_is_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As in a container whose root may not: the record is archived all the same."""

    def refuses(*_: Any) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "fchown", refuses)
    with caplog.at_level(logging.WARNING, "gatewayd.archive"):
        one_more(folder)
    assert f"{folder}/head stays root's" in caplog.text and f"chown nobody:dialout {folder}/head" in caplog.text


@pytest.mark.parametrize(
    ("name", "mode", "words"),
    [
        ("writer.lock", 0o640, "{0} cannot be written: Permission denied; {0}/writer.lock"),
        ("head", 0o640, "the head {0}/head cannot be written: Permission denied; {0}/head"),
        ("head", 0o644, "the head {0}/head cannot be written: Permission denied; {0}/head"),
        ("signing.key", 0o600, "the signing key {0}/signing.key cannot be used: Permission denied; {0}/signing.key"),
        ("segment-000001.sqlite", 0o640, "Permission denied; {0}/segment-000001.sqlite"),
        ("segment-000001.sqlite", 0o644, "Permission denied; {0}/segment-000001.sqlite"),
        ("state.sqlite", 0o640, "{0}/state.sqlite cannot be written: Permission denied; {0}/state.sqlite"),
        ("state.sqlite", 0o644, "{0}/state.sqlite cannot be written: Permission denied; {0}/state.sqlite"),
        ("state.sqlite-wal", 0o644, "{0}/state.sqlite cannot be written: Permission denied; {0}/state.sqlite-wal"),
        ("segment-000001.sqlite-wal", 0o640, "Permission denied; {0}/segment-000001.sqlite-wal"),
        ("segment-000001.sqlite-shm", 0o640, "Permission denied; {0}/segment-000001.sqlite-shm"),
        ("segment-000001.sqlite-shm", 0o644, "Permission denied; {0}/segment-000001.sqlite-shm"),
    ],
)
def test_a_file_of_root_is_named_with_its_remedy(folder: Path, name: str, mode: int, words: str) -> None:
    """What an earlier version has left, or a copy."""
    one_more(folder)
    path = folder / name
    path.touch()
    os.chown(path, 0, 0)
    path.chmod(mode)
    said = as_service(lambda: one_more(folder))
    remedy = f" belongs to root, its folder to nobody: chown -R nobody:dialout {folder}"
    assert said.endswith(words.format(folder) + remedy), said
    assert path.exists() and not (folder / "state.damaged").exists() and not (folder / "quarantine").exists()


def test_who_is_not_the_user_of_the_gateway_is_told_who_is(folder: Path) -> None:
    one_more(folder)
    for path in (folder, *folder.iterdir()):
        os.chown(path, 1, 1)
    said = as_service(lambda: one_more(folder))
    assert f"; {folder} belongs to daemon, and this process is user nobody: run it as daemon, or, " in said
    assert said.endswith(f"if nobody is the user of the gateway, chown -R nobody: {folder}")
    reading = as_service(lambda: segments.open_for_reading(segments.segment_path(folder)))
    assert f"cannot be read: Permission denied; {folder} belongs to daemon" in reading


@pytest.mark.parametrize("look", [verify, stats], ids=["verify", "stats"])
def test_who_may_not_read_is_not_told_that_it_is_damaged(folder: Path, look: Callable[[Path], object]) -> None:
    """It says nothing of the archive; the head may be read, a segment not."""
    one_more(folder)
    path = segments.segment_path(folder, 1)
    os.chown(path, 0, 0)
    path.chmod(0o600)
    said = as_service(lambda: look(folder))
    assert said.startswith(f"{path} cannot be read: "), said
    assert said.endswith(f"{path} belongs to root, its folder to nobody: chown -R nobody:dialout {folder}"), said
    os.chown(path, NOBODY, GROUP)
    path.chmod(0)
    said = as_service(lambda: look(folder))
    assert said.endswith(f"{path} belongs to nobody, but its mode is 0000: chmod u+r {path}"), said
    path.chmod(0o640)
    assert as_service(lambda: look(folder)) == ""


def test_what_is_wrong_with_the_rest_is_told_all_the_same(folder: Path) -> None:
    """One segment is damaged, the next one belongs to somebody else."""
    clock = Clock()
    one_more(folder, 1, clock)
    clock.go_on(MONTH)
    one_more(folder, 2, clock)
    damaged, barred = segments.segment_path(folder, 1), segments.segment_path(folder, 2)
    damaged.chmod(0o640)
    damaged.write_bytes(damaged.read_bytes()[:-4096])
    os.chown(barred, 0, 0)
    barred.chmod(0o600)

    def look() -> None:
        found = [one.text for one in verify(folder).findings]
        assert len(found) >= 2 and all(one.startswith("segment 1: ") for one in found[:-1]), found
        assert found[-1].startswith("segment 2: not all of it could be looked at: ") and str(barred) in found[-1], found

    assert as_service(look) == ""


def test_where_no_folder_may_be_made(folder: Path) -> None:
    place = folder.parent / "none" / "archive"
    said = as_service(lambda: one_more(place))
    assert said.endswith(
        f"Permission denied; {folder.parent} belongs to root: if nobody is the user of the gateway, "
        f"as root: install -d -m 0750 -o nobody -g nobody {place}"
    )


def test_other_reasons_keep_their_remedy(folder: Path) -> None:
    (folder / "file").touch()
    with pytest.raises(ArchiveError, match=r"File exists; check archive\.path and its owner$"):
        one_more(folder / "file")


def test_a_unit_that_lets_nothing_be_written_is_thought_of(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ProtectSystem= makes the folder look like a disk that is read-only."""

    def read_only(*_: Any, **__: Any) -> int:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(os, "mkdir", read_only)
    place = folder / "srv"
    with pytest.raises(ArchiveError) as caught:
        Store(place, "gw-1", Clock()).open()
    assert str(caught.value).startswith(f"archive {place} cannot be written: Read-only file system; ")
    assert f"ReadWritePaths={place} in a drop-in (docs/systemd.md)" in str(caught.value)
