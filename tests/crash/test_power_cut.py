"""The power is cut at any operation: what was acknowledged is there, and the archive is never older than its head.

The controls run the same cuts with less than synchronous=FULL. They must lose something, or this proves nothing.
"""

import contextlib
import random
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import apsw
import pytest

from gatewayd.archive import segments
from gatewayd.archive.store import Store
from gatewayd.archive.verify import verify
from gatewayd.errors import ArchiveDamaged, ArchiveError
from gatewayd.model import Archived
from tests.crash.disk import Disk, under
from tests.crash.rig import Clock, found, rounds, seal, varied
from tests.gatewayd.archive.samples import PATIENCE, append, everything, opened, submit

Sent = list["Future[tuple[Archived, ...]]"]


@pytest.fixture
def synchronous(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How the writing connection asks for the disk, and frequent checkpoints, so that the cuts meet some."""
    wanted = str(request.param)
    open_for_writing = segments.open_for_writing

    def opened_with(path: Path) -> apsw.Connection:
        connection = open_for_writing(path)
        guard, connection.authorizer = connection.authorizer, None
        if wanted != "as it is":
            connection.pragma("synchronous", wanted)
        connection.wal_autocheckpoint(20)
        connection.authorizer = guard
        return connection

    monkeypatch.setattr(segments, "open_for_writing", opened_with)
    return wanted


def work(folder: Path, chance: random.Random, sent: Sent) -> None:
    """Some entries, some of them together, a sealing now and then, and an orderly end."""
    clock = Clock()
    with contextlib.suppress(ArchiveError), opened(folder, now_us=clock) as store:
        for number in range(12):
            burst = [submit(store, varied(number * 10 + part)) for part in range(chance.choice((1, 1, 1, 3)))]
            sent += burst
            with contextlib.suppress(ArchiveError):
                for future in burst:
                    future.result(PATIENCE)
                clock.go_on(chance.choice((1, 40)))
                if chance.random() < 0.15:
                    seal(store)


def acknowledged(sent: Sent) -> list[Archived]:
    return [item for future in sent if future.done() and future.exception() is None for item in future.result()]


@contextlib.contextmanager
def cut_after(folder: Path, operations: int | None, chance: random.Random, sent: Sent) -> Iterator[Disk]:
    with under(folder, chance) as disk:
        disk.countdown = operations
        work(folder, chance, sent)
    yield disk


def lost_by(folder: Path, seed: int, *, check: bool) -> int:
    """Cut the power somewhere; how many acknowledged readings are gone. With `check` everything else must hold too."""
    folder.mkdir()
    chance = random.Random(seed)
    sent: Sent = []
    with cut_after(folder, chance.randrange(1, 330), chance, sent) as disk:
        medium = disk.medium(folder / "after")
    known = acknowledged(sent)
    if not segments.segment_numbers(medium):
        if check:
            with opened(medium) as store:
                append(store, varied(1))
        return len(known)
    if check:
        assert found(medium) == (), f"seed {seed}"
    else:
        with contextlib.suppress(ArchiveError), opened(medium):
            pass
    try:
        stored = {item.seq: item for item in everything(medium)}
    except ArchiveDamaged:  # as it may be where nothing was forced to the disk: then nothing of it counts
        assert not check, f"seed {seed}"
        stored = {}
    lost = [item for item in known if stored.get(item.seq) != item]
    if check:
        assert lost == [], f"seed {seed}"
        go_on(medium, max(stored, default=0), seed)
    return len(lost)


def go_on(medium: Path, last: int, seed: int) -> None:
    with opened(medium) as store:
        (first, *_) = append(store, varied(7))
        assert first.seq == last + 1, f"seed {seed}"
        assert store.fault == ""
    assert found(medium) == (), f"seed {seed}"
    assert not (medium / "quarantine").exists(), f"seed {seed}"
    assert [item.seq for item in everything(medium)] == list(range(1, last + 4)), f"seed {seed}"


def test_the_work_is_cut_at_every_stage(tmp_path: Path) -> None:
    """The cuts are drawn from 330 operations: most runs must be longer than some of that, and seal."""
    longest = 0
    for seed in range(3):
        chance = random.Random(seed)
        sent: Sent = []
        folder = tmp_path / str(seed)
        folder.mkdir()
        with cut_after(folder, None, chance, sent) as disk:
            longest = max(longest, disk.operations)
            medium = disk.medium(folder / "after")
        assert len(acknowledged(sent)) == 3 * len(sent)
        assert [item.seq for item in everything(medium)] == list(range(1, 3 * len(sent) + 1))
        assert verify(medium).ok
    assert longest > 200


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("synchronous", ["as it is"], indirect=True)
def test_a_power_cut_loses_nothing_that_was_acknowledged(tmp_path: Path, synchronous: str) -> None:
    for seed in range(rounds(60, 3000)):
        assert lost_by(tmp_path / str(seed), seed, check=True) == 0, synchronous


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("synchronous", ["normal", "off"], indirect=True)
def test_the_cuts_do_lose_data_where_it_is_not_forced_to_the_disk(tmp_path: Path, synchronous: str) -> None:
    losses = [lost_by(tmp_path / str(seed), seed, check=False) for seed in range(rounds(20, 300))]
    assert sum(1 for lost in losses if lost) >= 2, synchronous


def test_a_power_cut_while_the_gateway_starts_for_the_first_time(tmp_path: Path) -> None:
    """At every operation up to the first acknowledgement: the next start always succeeds."""
    operations = 0
    while True:
        operations += rounds(2, 1)
        folder = tmp_path / str(operations)
        folder.mkdir()
        sent: Sent = []
        with under(folder, random.Random(operations)) as disk:
            disk.countdown = operations
            with contextlib.suppress(ArchiveError), opened(folder) as store:
                sent.append(submit(store, varied(1)))
                with contextlib.suppress(ArchiveError):
                    sent[0].result(PATIENCE)
            dead = disk.dead
            medium = disk.medium(folder / "after")
        with opened(medium) as store:
            append(store, varied(2))
            assert isinstance(store, Store)
        numbers = [item.seq for item in everything(medium)]
        assert numbers == list(range(1, len(numbers) + 1))
        assert {item.seq for item in acknowledged(sent)} <= set(numbers)
        assert found(medium) == (), f"after {operations} operations"
        if not dead:
            return
