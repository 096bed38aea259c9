"""The outbox against a model: nothing lost, nothing out of order, at least once, over restarts."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gatewayd.archive.cursors import read_cursors
from gatewayd.archive.follow import Follower
from gatewayd.archive.store import Store
from gatewayd.model import Archived
from gatewayd.outbox import BEGINNING, Outbox, Start
from tests.gatewayd.archive.samples import PATIENCE, append, entry, opened, reading
from tests.gatewayd.sink.samples import register


@contextlib.asynccontextmanager
async def outbox_of(
    store: Store,
    start: Start = BEGINNING,
    open_follower: Callable[[Path], Follower] = Follower,
    sink: str = "mqtt",
) -> AsyncIterator[Outbox]:
    """As the daemon makes it at start-up: the cursor is the saved one."""
    outbox = Outbox(sink, store, start, open_follower)
    try:
        await outbox.open()
        yield outbox
    finally:
        outbox.close()


async def fill(store: Store, count: int) -> None:
    if count:
        await store.append(entry(*map(reading, range(count))))


def seqs(batch: list[Archived]) -> list[int]:
    return [item.seq for item in batch]


def places(*seqs: int) -> list[Archived]:
    """Readings of which only the number matters."""
    return [register(seq) for seq in seqs]


def saved(folder: Path) -> dict[str, int]:
    return {sink: position.cursor for sink, position in read_cursors(folder).items()}


def test_readings_come_in_order_and_once(tmp_path: Path) -> None:
    async def run() -> None:
        with opened(tmp_path) as store:
            await fill(store, 10)
            async with outbox_of(store) as outbox:
                assert seqs(await outbox.get(4)) == [1, 2, 3, 4]
                assert seqs(await outbox.get(4)) == [5, 6, 7, 8]
                assert seqs(await outbox.get(4)) == [9, 10]
                assert outbox.cursor == 0
                assert outbox.depth() == 10

    asyncio.run(asyncio.wait_for(run(), PATIENCE))


def test_the_cursor_moves_over_the_part_without_holes(tmp_path: Path) -> None:
    async def run() -> None:
        with opened(tmp_path) as store:
            await fill(store, 6)
            async with outbox_of(store) as outbox:
                await outbox.get(6)
                cursors = []
                for seq in (2, 3, 1, 6, 4, 4, 1, 5):
                    outbox.done(places(seq))
                    cursors.append((outbox.cursor, outbox.depth()))
                assert cursors == [(0, 5), (0, 4), (3, 3), (3, 2), (4, 1), (4, 1), (4, 1), (6, 0)]
        assert saved(tmp_path) == {"mqtt": 6}

    asyncio.run(asyncio.wait_for(run(), PATIENCE))


def test_a_hole_keeps_the_cursor_over_a_restart(tmp_path: Path) -> None:
    async def run() -> None:
        with opened(tmp_path) as store:
            await fill(store, 6)
            async with outbox_of(store) as outbox:
                await outbox.get(6)
                for seq in (1, 2, 4, 5):
                    outbox.done(places(seq))
        with opened(tmp_path) as store:
            async with outbox_of(store) as outbox:
                assert outbox.cursor == 2
                assert seqs(await outbox.get(10)) == [3, 6], "what is acknowledged behind the hole is remembered"

    asyncio.run(asyncio.wait_for(run(), PATIENCE))


def test_rewinding_gives_what_is_not_acknowledged_and_nothing_else(tmp_path: Path) -> None:
    async def run() -> None:
        with opened(tmp_path) as store:
            await fill(store, 6)
            async with outbox_of(store) as outbox:
                await outbox.get(5)
                for seq in (1, 3, 4):
                    outbox.done(places(seq))
                outbox.rewind()
                again: list[int] = []
                while len(again) < 3:
                    again += seqs(await outbox.get(2))
                assert again == [2, 5, 6]

    asyncio.run(asyncio.wait_for(run(), PATIENCE))


def test_what_is_acknowledged_after_a_rewind_is_not_given_again(tmp_path: Path) -> None:
    """The broker's acknowledgement may be on its way when the connection breaks."""

    async def run() -> None:
        with opened(tmp_path) as store:
            await fill(store, 4)
            async with outbox_of(store) as outbox:
                await outbox.get(3)
                outbox.rewind()
                outbox.done(places(1))
                outbox.done(places(3))
                assert seqs(await outbox.get(1)) == [2]
                assert seqs(await outbox.get(10)) == [4]

    asyncio.run(asyncio.wait_for(run(), PATIENCE))


def test_a_waiting_get_is_woken_by_a_commit(tmp_path: Path) -> None:
    async def run() -> None:
        with opened(tmp_path) as store:
            async with outbox_of(store) as outbox:
                for number in range(1, 20):
                    taking = asyncio.create_task(outbox.get(10))
                    for _ in range(number % 4):
                        await asyncio.sleep(0)
                    assert not taking.done()
                    await fill(store, 1)
                    assert seqs(await taking) == [number]

    asyncio.run(asyncio.wait_for(run(), PATIENCE))


def test_get_waits_while_there_is_nothing_new(tmp_path: Path) -> None:
    async def run() -> None:
        with opened(tmp_path) as store:
            await fill(store, 1)
            async with outbox_of(store) as outbox:
                assert seqs(await outbox.get(10)) == [1]
                await store.append(entry(received=b"an exchange without readings"))
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(outbox.get(10), 0.05)
                outbox.rewind()
                assert seqs(await outbox.get(10)) == [1]

    asyncio.run(asyncio.wait_for(run(), PATIENCE))


def test_a_cancelled_get_loses_nothing(tmp_path: Path) -> None:
    async def run() -> None:
        with opened(tmp_path) as store:
            await fill(store, 50)
            async with outbox_of(store) as outbox:
                got: list[int] = []
                for turn in range(60):
                    taking = asyncio.create_task(outbox.get(3))
                    for _ in range(turn % 5):
                        await asyncio.sleep(0)
                    taking.cancel()
                    with contextlib.suppress(asyncio.CancelledError):
                        got += seqs(await taking)
                while len(got) < 50:
                    got += seqs(await outbox.get(3))
                assert got == list(range(1, 51))

    asyncio.run(asyncio.wait_for(run(), PATIENCE))


class SlowFollower(Follower):
    """Answers when it is told to."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.asked, self.go = threading.Event(), threading.Event()

    def after(self, seq: int, limit: int, last: int = 1 << 62) -> list[Archived]:
        found = super().after(seq, limit, last)
        self.asked.set()
        assert self.go.wait(PATIENCE)
        return found


def test_a_rewind_during_a_get_is_not_forgotten(tmp_path: Path) -> None:
    async def run() -> None:
        with opened(tmp_path) as store:
            await fill(store, 6)
            reader = SlowFollower(tmp_path)
            reader.go.set()
            async with outbox_of(store, open_follower=lambda _: reader) as outbox:
                assert seqs(await outbox.get(3)) == [1, 2, 3]
                reader.asked.clear()
                reader.go.clear()
                taking = asyncio.create_task(outbox.get(3))
                await asyncio.to_thread(reader.asked.wait, PATIENCE)
                outbox.rewind()
                reader.go.set()
                got = set(seqs(await taking))
                while not got >= {1, 2, 3, 4, 5, 6}:
                    got |= set(seqs(await outbox.get(3)))

    asyncio.run(asyncio.wait_for(run(), PATIENCE))


def test_closing_does_not_mind_a_query_that_was_given_up(tmp_path: Path) -> None:
    """A get that was cancelled leaves its query behind, in a thread."""

    async def run() -> None:
        with opened(tmp_path) as store:
            await fill(store, 6)
            reader = SlowFollower(tmp_path)
            async with outbox_of(store, open_follower=lambda _: reader) as outbox:
                taking = asyncio.create_task(outbox.get(6))
                assert await asyncio.to_thread(reader.asked.wait, PATIENCE)
                taking.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await taking
                outbox.close()
                reader.go.set()

    asyncio.run(asyncio.wait_for(run(), PATIENCE))


def test_two_sinks_do_not_know_each_other(tmp_path: Path) -> None:
    async def run() -> None:
        with opened(tmp_path) as store:
            await fill(store, 3)
            async with outbox_of(store) as mqtt, outbox_of(store, sink="tsdb") as tsdb:
                assert seqs(await mqtt.get(10)) == seqs(await tsdb.get(10)) == [1, 2, 3]
                mqtt.done(places(1))
                assert (mqtt.depth(), tsdb.depth()) == (2, 3)
        assert saved(tmp_path) == {"mqtt": 1, "tsdb": 0}

    asyncio.run(asyncio.wait_for(run(), PATIENCE))


def test_commits_after_the_loop_has_ended_are_nobodys_news(tmp_path: Path) -> None:
    with opened(tmp_path) as store:

        async def run() -> None:
            async with outbox_of(store):
                pass

        asyncio.run(run())
        assert append(store, entry(reading()))
        assert append(store, entry(reading()))


# -- against a model ---------------------------------------------------------------------------------------------------

steps = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.integers(0, 6)),
        st.tuples(st.just("get"), st.integers(1, 7)),
        st.tuples(st.just("done"), st.integers(0, 1000)),
        st.tuples(st.just("rewind"), st.just(0)),
        st.tuples(st.just("restart"), st.just(0)),
    ),
    max_size=40,
)


class Model:
    """What an outbox promises, without an archive."""

    def __init__(self) -> None:
        self.head = 0
        self.acknowledged: set[int] = set()
        self.handed_out: set[int] = set()
        self.next = 1

    @property
    def cursor(self) -> int:
        return next(seq for seq in range(self.head + 1) if seq + 1 not in self.acknowledged)

    def pending(self) -> list[int]:
        return [seq for seq in range(self.next, self.head + 1) if seq not in self.acknowledged]

    def back(self) -> None:
        self.next = self.cursor + 1


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps)
def test_the_outbox_keeps_what_the_model_promises(
    tmp_path_factory: pytest.TempPathFactory, chosen: list[tuple[str, int]]
) -> None:
    folder = tmp_path_factory.mktemp("archive")
    model = Model()

    async def live(rest: list[tuple[str, int]]) -> list[tuple[str, int]]:
        """From one start to the next."""
        with opened(folder) as store:
            assert store.head == model.head
            async with outbox_of(store) as outbox:
                # Nothing lost, and nothing again that was acknowledged, in whatever order.
                assert outbox.cursor == model.cursor
                model.back()
                while rest:
                    (step, number), *rest = rest
                    match step:
                        case "append":
                            await fill(store, number)
                            model.head += number
                        case "get" if model.pending():
                            got = seqs(await outbox.get(number))
                            assert 1 <= len(got) <= number
                            assert got == model.pending()[: len(got)]
                            model.next = got[-1] + 1
                            model.handed_out |= set(got)
                        case "done" if model.handed_out:
                            seq = sorted(model.handed_out)[number % len(model.handed_out)]
                            outbox.done(places(seq))
                            model.acknowledged.add(seq)
                        case "rewind":
                            outbox.rewind()
                            model.back()
                        case "restart":
                            return rest
                        case _:
                            pass
                    assert outbox.cursor == model.cursor
                    assert outbox.depth() == model.head - len(model.acknowledged)
        return []

    rest = chosen
    while rest:
        rest = asyncio.run(asyncio.wait_for(live(rest), PATIENCE))
