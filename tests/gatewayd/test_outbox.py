"""The outbox against a model: nothing lost, nothing out of order, at least once, over restarts."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path

import apsw
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gatewayd.archive import segments, set_aside
from gatewayd.archive.cursors import CursorFile, Position, read_cursors
from gatewayd.archive.follow import Follower
from gatewayd.archive.store import Store
from gatewayd.errors import SinkError
from gatewayd.model import Archived
from gatewayd.outbox import BEGINNING, Outbox, Start
from tests.crash.rig import Clock
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


# -- what is not there, and where to begin -----------------------------------------------------------------------------


async def drained(outbox: Outbox, count: int) -> list[int]:
    """Takes and acknowledges `count` readings."""
    got: list[int] = []
    while len(got) < count:
        batch = await outbox.get(5)
        got += seqs(batch)
        outbox.done(batch)
    return got


def test_done_of_get_always_works(tmp_path: Path) -> None:
    """Whatever get gives may be handed to done: whole, backwards, twice, after a rewind, after more has come."""

    async def run() -> None:
        with opened(tmp_path) as store:
            await fill(store, 20)
            async with outbox_of(store) as outbox:
                first, second = await outbox.get(6), await outbox.get(6)
                outbox.done(second[::-1])
                assert (outbox.cursor, outbox.depth()) == (0, 14)
                outbox.rewind()
                outbox.done(first[::2])
                outbox.done(first)
                outbox.done(first)
                outbox.done([])
                assert (outbox.cursor, outbox.depth()) == (12, 8)
                assert seqs(await outbox.get(100)) == list(range(13, 21))

    asyncio.run(asyncio.wait_for(run(), PATIENCE))


def test_segments_that_are_gone_hold_nobody_up_and_are_written_down(tmp_path: Path) -> None:
    async def run() -> None:
        with opened(tmp_path) as store:
            for _ in range(3):
                await fill(store, 4)
                await store.seal()
            await fill(store, 2)
            async with outbox_of(store) as outbox:
                outbox.done(await outbox.get(4))
                segments.segment_path(tmp_path, 2).unlink()
                outbox.rewind()
                assert await drained(outbox, 6) == [9, 10, 11, 12, 13, 14]
                assert (outbox.cursor, outbox.depth(), outbox.set_aside_count) == (14, 0, 4)
            async with outbox_of(store) as outbox:
                assert outbox.set_aside_count == 4
        ((aside),) = set_aside.listed(tmp_path)
        assert (aside.sink, aside.first, aside.last, aside.reason) == ("mqtt", 5, 8, "is not in the archive")

    asyncio.run(asyncio.wait_for(run(), PATIENCE))


@pytest.mark.parametrize("whole", [True, False])
def test_a_damaged_segment_holds_nobody_up(tmp_path: Path, whole: bool) -> None:
    """What can be read of it arrives, the rest is written down, and what comes behind it arrives as well."""

    async def run() -> None:
        with opened(tmp_path) as store:
            await fill(store, 4)
            await store.seal()
            for _ in range(30):
                await fill(store, 10)
            await store.seal()
            await fill(store, 4)
            path = segments.segment_path(tmp_path, 2)
            path.chmod(0o644)
            connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
            leaves = connection.execute(
                "SELECT pageno FROM dbstat WHERE name = 'reading' AND pagetype = 'leaf'"
            ).fetchall()
            connection.close()
            pages = range(2, path.stat().st_size // 4096 + 1) if whole else [int(str(leaves[1][0]))]
            with path.open("r+b") as file:
                for page in pages:
                    file.seek(4096 * (page - 1))
                    file.write(b"\xff" * 4096)
            async with outbox_of(store) as outbox:
                got: list[int] = []
                while outbox.cursor < 308:
                    batch = await outbox.get(50)
                    got += seqs(batch)
                    outbox.done(batch)
                lost = {seq for aside in set_aside.listed(tmp_path) for seq in range(aside.first, aside.last + 1)}
                assert sorted({*got, *lost}) == list(range(1, 309))
                assert not set(got) & lost
                assert got == sorted(got)
                assert lost == set(range(5, 305)) if whole else 0 < len(lost) < 300
                assert outbox.depth() == 0

    asyncio.run(asyncio.wait_for(run(), PATIENCE))


def test_numbers_that_were_given_out_and_never_came_hold_nobody_up(tmp_path: Path) -> None:
    """The newest segment was put aside: its numbers are not given again, and nothing may be behind them yet."""
    with opened(tmp_path) as store:
        append(store, entry(*map(reading, range(3))))
        asyncio.run(store.seal())
        append(store, entry(*map(reading, range(3))))
    path = segments.segment_path(tmp_path, 2)
    path.write_bytes(b"\xff" * path.stat().st_size)

    async def run() -> None:
        with opened(tmp_path) as store:
            assert store.head == 6
            async with outbox_of(store) as outbox:
                assert await drained(outbox, 3) == [1, 2, 3]
                waiting = asyncio.create_task(outbox.get(5))
                async with asyncio.timeout(PATIENCE):
                    while outbox.depth():
                        await asyncio.sleep(0.001)
                assert (outbox.cursor, outbox.set_aside_count) == (6, 3)
                await fill(store, 1)
                assert seqs(await waiting) == [7]

    asyncio.run(asyncio.wait_for(run(), PATIENCE))


@pytest.mark.parametrize(("start", "first"), [("now", 7), ("beginning", 1)])
def test_where_a_new_sink_begins(tmp_path: Path, start: str, first: int) -> None:
    async def run() -> None:
        with opened(tmp_path) as store:
            await fill(store, 6)
            async with outbox_of(store, start):
                pass
        with opened(tmp_path) as store:
            await fill(store, 2)  # `now` was the first time, and stays so
            async with outbox_of(store, start) as outbox:
                assert seqs(await outbox.get(100)) == list(range(first, 9))

    asyncio.run(asyncio.wait_for(run(), PATIENCE))


def test_a_new_sink_begins_with_what_was_archived_since_a_day(tmp_path: Path) -> None:
    clock = Clock(datetime(2026, 11, 1, 12, tzinfo=UTC))

    async def run() -> None:
        with opened(tmp_path, now_us=clock) as store:
            for _ in range(4):
                await fill(store, 2)
                clock.go_on(86400)
            for day, expected in ((1, 1), (3, 5), (4, 7)):
                since = datetime(2026, 11, day, tzinfo=UTC)
                async with outbox_of(store, since, sink=f"since-{day}") as outbox:
                    assert seqs(await outbox.get(1)) == [expected]
            async with outbox_of(store, datetime(2027, 1, 1, tzinfo=UTC), sink="later") as outbox:
                assert outbox.depth() == 0

    asyncio.run(asyncio.wait_for(run(), PATIENCE))


def test_a_sink_that_begins_at_the_beginning_does_not_miss_what_had_gone_before(tmp_path: Path) -> None:
    async def run() -> None:
        with opened(tmp_path) as store:
            await fill(store, 3)
            await store.seal()
            await fill(store, 3)
            segments.segment_path(tmp_path, 1).unlink()
            async with outbox_of(store) as outbox:
                assert (outbox.cursor, outbox.depth()) == (3, 3)
                assert await drained(outbox, 3) == [4, 5, 6]
                assert outbox.set_aside_count == 0

    asyncio.run(asyncio.wait_for(run(), PATIENCE))


@pytest.mark.parametrize(
    ("damage", "cursor"),
    [(None, None), (b"", 0), (b"\0" * 2048, 0), (b"\xff" * 2048, 0), (b"GWCU1\0\0\0" + b"\1" * 100, 0)],
    ids=["none", "empty", "zeros", "noise", "torn"],
)
def test_a_cursor_that_says_nothing(
    tmp_path: Path, damage: bytes | None, cursor: int | None, caplog: pytest.LogCaptureFixture
) -> None:
    """One that is damaged is not taken for a new one, which may begin with what comes from now on."""

    async def run() -> None:
        with opened(tmp_path) as store:
            await fill(store, 6)
            (tmp_path / "cursors").mkdir()
            if damage is None:
                (tmp_path / "cursors" / "mqtt~new").write_bytes(b"left by a kill before its first position")
            else:
                (tmp_path / "cursors" / "mqtt").write_bytes(damage)
            async with outbox_of(store, "now") as outbox:
                assert outbox.cursor == (6 if cursor is None else cursor)

    asyncio.run(asyncio.wait_for(run(), PATIENCE))
    assert ("is damaged: it gets everything once more" in caplog.text) == (cursor is not None)


def test_a_torn_write_costs_one_acknowledgement(tmp_path: Path) -> None:
    async def run() -> None:
        with opened(tmp_path) as store:
            await fill(store, 6)
            async with outbox_of(store) as outbox:
                await outbox.get(6)
                for seq in range(1, 6):
                    outbox.done(places(seq))
            path = tmp_path / "cursors" / "mqtt"
            whole = path.read_bytes()
            assert {position.cursor for position in read_cursors(tmp_path).values()} == {5}
            for slot in (0, 1024):
                path.write_bytes(whole[: slot + 10] + b"\xff" * 8 + whole[slot + 18 :])
                found = saved(tmp_path)["mqtt"]
                assert found in (4, 5)
                async with outbox_of(store, "now") as outbox:
                    assert outbox.cursor == found

    asyncio.run(asyncio.wait_for(run(), PATIENCE))


def test_a_cursor_of_another_archive(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        with opened(tmp_path) as store:
            await fill(store, 3)
            (tmp_path / "cursors").mkdir()
            file = CursorFile(tmp_path, "mqtt")
            file.begin(Position(500))
            file.close()
            async with outbox_of(store, "now") as outbox:
                assert outbox.cursor == 0

    asyncio.run(asyncio.wait_for(run(), PATIENCE))
    assert "starting anew" in caplog.text


def test_a_batch_waits_for_company_but_not_for_ever(tmp_path: Path) -> None:
    async def run() -> None:
        with opened(tmp_path) as store:
            async with outbox_of(store) as outbox:
                taking = asyncio.create_task(outbox.get(6, 30.0))
                for _ in range(6):
                    assert not taking.done()
                    await fill(store, 1)
                assert seqs(await taking) == [1, 2, 3, 4, 5, 6]
                await fill(store, 1)
                assert seqs(await outbox.get(6, 0.05)) == [7]
                await fill(store, 9)
                assert seqs(await outbox.get(6, 30.0)) == [8, 9, 10, 11, 12, 13]

    asyncio.run(asyncio.wait_for(run(), PATIENCE))


def test_what_is_refused_in_a_row_for_one_reason_is_one_row(tmp_path: Path) -> None:
    async def run() -> None:
        with opened(tmp_path) as store:
            await fill(store, 9)
            async with outbox_of(store) as outbox:
                batch = await outbox.get(9)
                for place in (0, 1, 2, 4, 5):
                    await outbox.set_aside(batch[place], "too old")
                await outbox.set_aside(batch[6], "too wide")
                assert outbox.set_aside_count == 6
            found = [(aside.first, aside.last, aside.reason) for aside in set_aside.listed(tmp_path)]
            assert found == [(1, 3, "too old"), (5, 6, "too old"), (7, 7, "too wide")]
            assert set_aside.counts(tmp_path) == {"mqtt": set_aside.Count(6, 3)}

    asyncio.run(asyncio.wait_for(run(), PATIENCE))


def test_a_sink_that_refuses_too_much_waits_for_somebody_to_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gatewayd.outbox.SET_ASIDE_ROWS", 2)

    async def run() -> None:
        with opened(tmp_path) as store:
            await fill(store, 6)
            async with outbox_of(store) as outbox:
                batch = await outbox.get(6)
                await outbox.set_aside(batch[0], "too long")
                await outbox.set_aside(batch[2], "too long")
                assert (outbox.cursor, outbox.depth(), outbox.set_aside_count) == (1, 4, 2)
                with pytest.raises(
                    SinkError, match=r"^2 readings were set aside, .*: too wide; .* set-aside mqtt, .*--clear"
                ):
                    await outbox.set_aside(batch[4], "too wide")
                assert outbox.depth() == 4
                assert set_aside.clear(tmp_path, "tsdb") == 0
                assert set_aside.clear(tmp_path, "mqtt") == 2
                await outbox.set_aside(batch[4], "too wide")
                assert (outbox.depth(), outbox.set_aside_count) == (3, 1)

    asyncio.run(asyncio.wait_for(run(), PATIENCE))
