"""The publisher with a sink that does what the test says: order, back-off, log lines, draining, cancellation."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest

from gatewayd.errors import ArchiveError, SinkError
from gatewayd.model import Archived
from gatewayd.publish import LONGEST_PAUSE_S, Publisher, pause
from gatewayd.sink import FAREWELL_S, Delivery, Ledger
from gatewayd.sink.check import Remark
from tests.gatewayd.sink.samples import START, ListOutbox, clock, register

DEADLINE_S = 5.0


@dataclass
class ScriptedSink:
    """`script` gives, for each connection, the fault on the way in, or else how many readings it takes."""

    script: list[str | int]
    id: str = "mqtt"
    batch: int = 500
    linger_s: float = 0.0
    accepted: list[int] = field(default_factory=list)
    connections: int = 0
    left: list[str] = field(default_factory=list)
    hang: bool = False
    _room: int = 0

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Delivery]:
        self.connections += 1
        step = self.script.pop(0) if self.script else 10**9
        if isinstance(step, str):
            raise SinkError(step)
        self._room = step
        try:
            yield self
        except asyncio.CancelledError:
            self.left.append("cancelled")
            raise
        except SinkError:
            self.left.append("fault")
            raise
        self.left.append("clean")

    async def check(self, months: int) -> list[Remark]:
        return []

    async def again(self, readings: Sequence[Archived], replay: str, ledger: Ledger) -> None:
        await self.deliver(readings, ledger)

    async def deliver(self, readings: Sequence[Archived], ledger: Ledger) -> None:
        for archived in readings:
            if self.hang:
                await asyncio.Event().wait()
            await asyncio.sleep(0)
            if not self._room:
                raise SinkError("connection lost")
            self._room -= 1
            self.accepted.append(archived.seq)
            ledger.done([archived])


@dataclass
class Pauses:
    """Stands in for asyncio.sleep: remembers, and goes on at once; the time of `now` passes."""

    asked: list[float] = field(default_factory=list)
    now: datetime = START

    async def sleep(self, seconds: float) -> None:
        self.asked.append(seconds)
        self.now += timedelta(seconds=seconds)
        await asyncio.sleep(0)

    def clock(self) -> datetime:
        return self.now


def longest(_: float, bound: float) -> float:
    return bound


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not condition():
            await asyncio.sleep(0)


def readings(count: int) -> list[Archived]:
    return [register(seq) for seq in range(1, count + 1)]


def soon(seconds: float = DEADLINE_S) -> float:
    return asyncio.get_running_loop().time() + seconds


def test_everything_is_delivered_once_and_in_order() -> None:
    async def main() -> None:
        sink, outbox = ScriptedSink([], batch=10), ListOutbox(readings(25))
        publisher = Publisher(sink, outbox, clock)
        assert publisher.state.text == "connecting"
        async with asyncio.TaskGroup() as group:
            group.create_task(publisher.run())
            await until(lambda: outbox.depth() == 0)
            assert publisher.state.text == "connected"
            assert publisher.state.connected_since == START
            outbox.add([register(26)])
            await until(lambda: outbox.depth() == 0)
            await publisher.drain(soon())
        assert sink.accepted == outbox.acknowledged == list(range(1, 27))
        assert sink.left == ["clean"]
        assert (publisher.state.delivered, publisher.state.last_seq, publisher.state.text) == (26, 26, "stopped")

    asyncio.run(main())


def test_after_a_fault_it_goes_on_with_what_was_not_done() -> None:
    async def main() -> None:
        sink, outbox, pauses = ScriptedSink([7, 7], batch=5), ListOutbox(readings(20)), Pauses()
        publisher = Publisher(sink, outbox, pauses.clock, sleep=pauses.sleep, uniform=longest)
        task = asyncio.create_task(publisher.run())
        await until(lambda: outbox.depth() == 0)
        assert sink.accepted == list(range(1, 21))
        assert sink.left == ["fault", "fault"]
        assert publisher.state.last_fault == "connection lost"
        assert publisher.state.fault == ""
        # each connection served, so each pause is a first one
        assert pauses.asked == [2.0, 2.0]
        await publisher.drain(soon())
        await task

    asyncio.run(main())


def test_pauses_grow_with_full_jitter_up_to_five_minutes_and_start_again_after_success() -> None:
    async def main() -> None:
        sink, outbox, pauses = ScriptedSink([*["down"] * 12, 1, "down"]), ListOutbox(readings(2)), Pauses()
        publisher = Publisher(sink, outbox, pauses.clock, sleep=pauses.sleep, uniform=longest)
        task = asyncio.create_task(publisher.run())
        await until(lambda: outbox.depth() == 0)
        assert pauses.asked == [2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300, 300, 2, 4]
        await publisher.drain(soon())
        await task

    asyncio.run(main())


def test_a_connection_that_falls_over_without_serving_does_not_shorten_the_pause() -> None:
    async def main() -> None:
        sink, outbox, pauses = ScriptedSink([0] * 5), ListOutbox(readings(1)), Pauses()
        publisher = Publisher(sink, outbox, pauses.clock, sleep=pauses.sleep, uniform=longest)
        task = asyncio.create_task(publisher.run())
        await until(lambda: outbox.depth() == 0)
        assert pauses.asked == [2, 4, 8, 16, 32]
        await publisher.drain(soon())
        await task

    asyncio.run(main())


def test_a_connection_that_held_long_enough_was_a_good_one_even_if_idle() -> None:
    async def main() -> None:
        sink, outbox, pauses = ScriptedSink([*["down"] * 4, 0]), ListOutbox([]), Pauses()
        publisher = Publisher(sink, outbox, pauses.clock, sleep=pauses.sleep, uniform=longest)
        task = asyncio.create_task(publisher.run())
        await until(lambda: publisher.state.connected)
        pauses.now += timedelta(seconds=LONGEST_PAUSE_S)
        outbox.add(readings(1))
        await until(lambda: outbox.depth() == 0)
        assert pauses.asked == [2, 4, 8, 16, 2]
        await publisher.drain(soon())
        await task

    asyncio.run(main())


@pytest.mark.parametrize("attempt", [1, 2, 8, 9, 1000, 10**9])
def test_the_bounds_of_a_pause(attempt: int) -> None:
    assert pause(attempt, lambda low, _: low) == 1.0
    assert 1.0 < pause(attempt, longest) <= LONGEST_PAUSE_S


def test_one_log_line_per_change_of_state(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        sink = ScriptedSink([*["refused"] * 50, *["wrong password"] * 3, 1])
        outbox, pauses = ListOutbox(readings(2)), Pauses()
        publisher = Publisher(sink, outbox, pauses.clock, sleep=pauses.sleep)
        task = asyncio.create_task(publisher.run())
        await until(lambda: outbox.depth() == 0)
        await publisher.drain(soon())
        await task

    with caplog.at_level(logging.INFO, logger="gatewayd.publish"):
        asyncio.run(main())
    assert caplog.messages == [
        "sink mqtt: broken: refused",
        "sink mqtt: broken: wrong password (49 more failed attempts were not logged)",
        "sink mqtt: connected (2 more failed attempts were not logged)",
        "sink mqtt: broken: connection lost",
        "sink mqtt: connected",
    ]


def test_the_state_says_why_it_is_broken_and_since_when() -> None:
    async def main() -> None:
        gate = asyncio.Event()

        async def wait(_: float) -> None:
            await gate.wait()

        sink, outbox = ScriptedSink(["refused"]), ListOutbox([])
        publisher = Publisher(sink, outbox, clock, sleep=wait)
        task = asyncio.create_task(publisher.run())
        await until(lambda: publisher.state.fault != "")
        state = publisher.state
        assert (state.text, state.faulty_since, state.attempts) == ("broken: refused", START, 1)
        gate.set()
        await until(lambda: publisher.state.connected)
        state = publisher.state
        assert (state.text, state.faulty_since, state.last_fault) == ("connected", None, "refused")
        await publisher.drain(soon())
        await task

    asyncio.run(main())


def test_drain_delivers_what_is_left_and_leaves_cleanly() -> None:
    async def main() -> None:
        sink, outbox = ScriptedSink([], batch=10), ListOutbox([])
        publisher = Publisher(sink, outbox, clock)
        task = asyncio.create_task(publisher.run())
        await until(lambda: publisher.state.connected)
        outbox.add(readings(100))
        await publisher.drain(soon())
        await task
        assert outbox.acknowledged == list(range(1, 101))
        assert sink.left == ["clean"]

    asyncio.run(main())


def test_drain_ends_at_its_deadline() -> None:
    async def main() -> None:
        sink, outbox = ScriptedSink([], hang=True), ListOutbox(readings(1))
        publisher = Publisher(sink, outbox, clock)
        task = asyncio.create_task(publisher.run())
        await until(lambda: publisher.state.connected)
        async with asyncio.timeout(DEADLINE_S):
            await publisher.drain(soon(FAREWELL_S + 0.05))
            await task
        assert sink.left == ["cancelled"]
        assert outbox.depth() == 1

    asyncio.run(main())


def test_drain_does_not_wait_for_a_sink_that_is_not_there() -> None:
    async def main() -> None:
        async def for_ever(_: float) -> None:
            await asyncio.Event().wait()

        outbox = ListOutbox(readings(3))
        publisher = Publisher(ScriptedSink(["down"]), outbox, clock, sleep=for_ever)
        task = asyncio.create_task(publisher.run())
        await until(lambda: publisher.state.fault == "down")
        async with asyncio.timeout(DEADLINE_S):
            await publisher.drain(soon(3600))
            await publisher.drain(soon(3600))
            await task
        assert outbox.depth() == 3
        assert publisher.state.text == "stopped"

    asyncio.run(main())


def test_a_fault_while_draining_ends_it() -> None:
    async def main() -> None:
        sink, outbox = ScriptedSink([5]), ListOutbox([])
        publisher = Publisher(sink, outbox, clock)
        task = asyncio.create_task(publisher.run())
        await until(lambda: publisher.state.connected)
        outbox.add(readings(10))
        await publisher.drain(soon())
        await task
        assert outbox.depth() == 5
        assert sink.connections == 1

    asyncio.run(main())


@pytest.mark.parametrize("hang", [False, True])
def test_cancellation_passes_and_leaves_cleanly(hang: bool) -> None:
    async def main() -> None:
        sink, outbox = ScriptedSink([], hang=hang), ListOutbox(readings(1) if hang else [])
        publisher = Publisher(sink, outbox, clock)
        task = asyncio.create_task(publisher.run())
        await until(lambda: publisher.state.connected)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert sink.left == ["cancelled"]
        assert publisher.state.text == "stopped"
        assert outbox.rewinds == 1

    asyncio.run(main())


def test_an_archive_that_cannot_be_read_is_tried_again() -> None:
    @dataclass
    class SlowArchive(ListOutbox):
        faults: int = 3

        async def get(self, limit: int, linger_s: float = 0.0) -> list[Archived]:
            if self.faults:
                self.faults -= 1
                raise ArchiveError("query took too long")
            return await super().get(limit)

    async def main() -> None:
        outbox, pauses = SlowArchive(readings(2)), Pauses()
        publisher = Publisher(ScriptedSink([], batch=10), outbox, pauses.clock, sleep=pauses.sleep, uniform=longest)
        task = asyncio.create_task(publisher.run())
        await until(lambda: outbox.depth() == 0)
        assert publisher.state.last_fault == "query took too long"
        assert pauses.asked == [2, 4, 8]
        await publisher.drain(soon())
        await task

    asyncio.run(main())


def test_a_defect_is_told_with_all_its_details_and_ends_no_sink_for_good(caplog: pytest.LogCaptureFixture) -> None:
    class BrokenOutbox(ListOutbox):
        broken = True

        async def get(self, limit: int, linger_s: float = 0.0) -> list[Archived]:
            if self.broken:
                self.broken = False
                raise TimeoutError("nobody expects this")
            return await super().get(limit, linger_s)

    async def main() -> None:
        outbox, pauses = BrokenOutbox(readings(3)), Pauses()
        faults: list[str] = []

        async def sleep(seconds: float) -> None:
            faults.append(publisher.state.text)
            await pauses.sleep(seconds)

        publisher = Publisher(ScriptedSink([]), outbox, pauses.clock, sleep=sleep, uniform=longest)
        task = asyncio.create_task(publisher.run())
        await until(lambda: outbox.depth() == 0)
        assert faults == [
            "broken: a defect in gatewayd, please report what the log says: TimeoutError('nobody expects this')"
        ]
        assert pauses.asked == [LONGEST_PAUSE_S]
        await publisher.drain(soon())
        await task

    asyncio.run(main())
    (critical,) = [record for record in caplog.records if record.levelno == logging.CRITICAL]
    assert critical.exc_info is not None


def test_what_the_other_side_asks_for_is_the_least_pause_up_to_five_minutes() -> None:
    @dataclass
    class Busy(ScriptedSink):
        """Asks for so many seconds, one after the other."""

        asks: list[float] = field(default_factory=list)

        @asynccontextmanager
        async def connect(self) -> AsyncIterator[Delivery]:
            if self.asks:
                raise SinkError("busy", self.asks.pop(0))
            async with ScriptedSink.connect(self) as delivery:
                yield delivery

    async def main() -> None:
        sink, outbox, pauses = Busy([], asks=[60.0, 1.0, 4000.0]), ListOutbox(readings(3)), Pauses()
        publisher = Publisher(sink, outbox, pauses.clock, sleep=pauses.sleep, uniform=longest)
        task = asyncio.create_task(publisher.run())
        await until(lambda: outbox.depth() == 0)
        assert pauses.asked == [60, 4, LONGEST_PAUSE_S]
        await publisher.drain(soon())
        await task

    asyncio.run(main())


def test_what_is_set_aside_is_counted_and_said_once_for_each_reason(caplog: pytest.LogCaptureFixture) -> None:
    class Picky(ScriptedSink):
        async def deliver(self, readings: Sequence[Archived], ledger: Ledger) -> None:
            for archived in readings:
                if archived.seq % 2:
                    await ledger.set_aside(archived, "is odd")
                else:
                    ledger.done([archived])

    async def main() -> None:
        outbox = ListOutbox(readings(9))
        publisher = Publisher(Picky([]), outbox, clock)
        task = asyncio.create_task(publisher.run())
        await until(lambda: outbox.depth() == 0)
        state = publisher.state
        assert (state.set_aside, state.last_reason, state.delivered, state.waiting) == (5, "is odd", 4, 0)
        await publisher.drain(soon())
        await task

    with caplog.at_level(logging.ERROR):
        asyncio.run(main())
    assert [record.message for record in caplog.records] == ["sink mqtt: reading 1 set aside: is odd"]


def test_the_next_batch_is_taken_while_one_is_on_its_way_and_lost_by_no_fault() -> None:
    async def main() -> None:
        sink, outbox = ScriptedSink([12, 10**9], batch=5), ListOutbox(readings(40))
        taken: list[int] = []
        get = outbox.get

        async def watched(limit: int, linger_s: float = 0.0) -> list[Archived]:
            batch = await get(limit, linger_s)
            taken.append(batch[0].seq)
            return batch

        outbox.get = watched  # type: ignore[method-assign]
        pauses = Pauses()
        publisher = Publisher(sink, outbox, pauses.clock, sleep=pauses.sleep, uniform=longest)
        task = asyncio.create_task(publisher.run())
        await until(lambda: len(sink.accepted) == 3)
        assert taken == [1, 6], "before the first batch has arrived"
        await until(lambda: outbox.depth() == 0)
        assert sink.accepted == list(range(1, 41))
        await publisher.drain(soon())
        await task

    asyncio.run(main())


def test_batch_and_patience_are_those_of_the_sink_and_none_is_left_in_a_stop() -> None:
    async def main() -> None:
        asked: list[tuple[int, float]] = []
        sink, outbox = ScriptedSink([], batch=7, linger_s=3.0), ListOutbox(readings(3))
        get = outbox.get

        async def watched(limit: int, linger_s: float = 0.0) -> list[Archived]:
            asked.append((limit, linger_s))
            return await get(limit, linger_s)

        outbox.get = watched  # type: ignore[method-assign]
        publisher = Publisher(sink, outbox, clock)
        task = asyncio.create_task(publisher.run())
        await until(lambda: outbox.depth() == 0)
        assert set(asked) == {(7, 3.0)}
        asked.clear()
        outbox.add([register(4)])
        await publisher.drain(soon())
        await task
        assert outbox.depth() == 0
        assert set(asked) <= {(7, 0.0), (7, 3.0)}

    asyncio.run(main())


def test_a_connection_that_takes_nothing_mends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """A database answers its greeting and refuses the login at the first write: broken, and said once."""

    async def main() -> None:
        sink, outbox, pauses = ScriptedSink([0, 0, 0, 2, 10**9]), ListOutbox(readings(5)), Pauses()
        told: list[tuple[str, datetime | None]] = []
        publisher = Publisher(sink, outbox, pauses.clock, sleep=pauses.sleep, uniform=longest)
        connected = publisher._connected

        def watched() -> None:
            connected()
            told.append((publisher.state.word, publisher.state.faulty_since))

        publisher._connected = watched  # type: ignore[method-assign]
        task = asyncio.create_task(publisher.run())
        await until(lambda: outbox.depth() == 0)
        assert told[:4] == [("connected", None), *[("broken", START)] * 3]
        assert publisher.state.word == "connected"
        await publisher.drain(soon())
        await task

    with caplog.at_level(logging.INFO):
        asyncio.run(main())
    assert [record.message for record in caplog.records] == [
        "sink mqtt: connected",
        "sink mqtt: broken: connection lost",
        "sink mqtt: connected (2 more failed attempts were not logged)",
        "sink mqtt: broken: connection lost",
        "sink mqtt: connected",
    ]


def test_with_nothing_to_deliver_a_connection_is_all_that_there_is() -> None:
    async def main() -> None:
        sink, outbox, pauses = ScriptedSink(["down"]), ListOutbox([]), Pauses()
        publisher = Publisher(sink, outbox, pauses.clock, sleep=pauses.sleep, uniform=longest)
        task = asyncio.create_task(publisher.run())
        await until(lambda: publisher.state.word == "connected")
        assert sink.connections == 2
        await publisher.drain(soon())
        await task

    asyncio.run(main())
