"""Connections that the queries of one piece of work share."""

import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from gatewayd.archive import sealing, segments
from gatewayd.archive.lookups import HELD_SECONDS, Lookups
from gatewayd.archive.store import Store
from gatewayd.errors import ArchiveError
from tests.crash.rig import seal, varied
from tests.gatewayd.archive.samples import PATIENCE, append, opened

COUNT = "SELECT count(*) FROM reading"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with opened(tmp_path) as store:
        append(store, varied(1))
        yield store


class Seen:
    """The connections that are opened, and a clock that stands still."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        self.opened: list[apsw.Connection] = []
        real = segments.open_for_reading

        def open_one(path: Path) -> apsw.Connection:
            self.opened.append(real(path))
            return self.opened[-1]

        monkeypatch.setattr(segments, "open_for_reading", open_one)
        monkeypatch.setattr("gatewayd.archive.lookups.time.monotonic", lambda: self.now)

    def closed(self) -> list[bool]:
        """Of each that was opened."""
        return [_closed(one) for one in self.opened]


def _closed(connection: apsw.Connection) -> bool:
    try:
        connection.execute("SELECT 1")
    except apsw.ConnectionClosedError:
        return True
    return False


def count(one: Lookups, path: Path) -> object:
    with one.connection(path) as connection:
        return connection.execute(COUNT).get


def test_queries_that_belong_together_share_a_connection_and_see_what_is_there_by_then(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, one, path = Seen(monkeypatch), Lookups(), segments.segment_path(tmp_path, 1)
    assert count(one, path) == 3
    assert seen.closed() == [True], "alone, it is open for its query"
    with one.together():
        with one.together():
            assert count(one, path) == 3
        append(store, varied(2))
        assert count(one, path) == 6
        assert seen.closed() == [True, False]
    assert seen.closed() == [True, True]
    assert count(one, path) == 6
    assert seen.closed() == [True, True, True]


def test_nobody_keeps_one_for_long(tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    append(store, varied(2))
    seen, one, path = Seen(monkeypatch), Lookups(), segments.segment_path(tmp_path, 1)
    seen.now = 7.0
    with one.together():
        for part, closed in ((0.0, [False]), (0.99, [False]), (1.01, [True]), (1.99, [True, True])):
            seen.now = 7.0 + HELD_SECONDS * part
            assert count(one, path) == 6
            assert seen.closed()[: len(closed)] == closed
        seen.now = 7.0 + HELD_SECONDS * 2.01
        assert count(one, path) == count(one, path) == 6
        assert seen.closed() == [True, True, True, False]


def test_two_queries_at_once_have_two(tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    append(store, varied(2))
    seen, one, path = Seen(monkeypatch), Lookups(), segments.segment_path(tmp_path, 1)
    with one.together():
        with one.connection(path) as outer:
            assert count(one, path) == outer.execute(COUNT).get == 6
        assert seen.closed() == [True, False], "one of the two is enough for the next"
    assert seen.closed() == [True, True]


def test_one_on_which_a_query_failed_is_not_used_again(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    append(store, varied(2))
    seen, one, path = Seen(monkeypatch), Lookups(), segments.segment_path(tmp_path, 1)
    with one.together():
        with pytest.raises(apsw.SQLError), one.connection(path) as connection:
            connection.execute("SELECT nothing FROM nowhere")
        assert seen.closed() == [True]
        assert count(one, path) == 6
        with pytest.raises(ArchiveError), one.connection(tmp_path / "segment-000009.sqlite"):
            pass
    assert seen.closed() == [True, True]


def test_a_segment_is_sealed_while_queries_belong_together(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever works on for longer than sealing waits is in nobody's way: half of the time nothing is kept."""
    monkeypatch.setattr(sealing, "SEALING_SECONDS", PATIENCE)  # of a machine that has a lot to do
    one, path, begun, sealed = Lookups(), segments.segment_path(tmp_path, 1), threading.Event(), threading.Event()
    append(store, varied(2))

    def work() -> None:
        with one.together():
            count(one, path)
            begun.set()
            while not sealed.wait(0.002):  # what is computed between two queries
                count(one, path)

    worker = threading.Thread(target=work)
    worker.start()
    try:
        assert begun.wait(PATIENCE)
        seal(store)
        append(store, varied(3))
        append(store, varied(4))  # the writer has gone on
        assert stat.S_IMODE(path.stat().st_mode) == 0o444
    finally:
        sealed.set()
        worker.join()
    assert [name.name for name in sorted(tmp_path.glob("segment-000001*"))] == [path.name]
