"""The watchdog hears of a gateway only as long as that makes progress; what is wrong outside does not matter."""

import asyncio
import logging
import random
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import apsw
import pytest

from gatewayd.acquire import SESSION_SECONDS, Acquisition
from gatewayd.archive.segment import OpenSegment
from gatewayd.call_worker import CallWorker
from gatewayd.calls import Ledger
from gatewayd.daemon.heartbeat import Heartbeat
from gatewayd.daemon.notify import Notifier
from gatewayd.daemon.service import watch
from gatewayd.errors import ArchiveError, ChannelError
from gatewayd.pulse import MARGIN_SECONDS, Pulse
from gatewayd.worker import LONGEST_WAIT, LineWorker
from tests.gatewayd.archive.samples import entry, opened, reading
from tests.gatewayd.doubles import NUMBER, PATIENCE, TestClock, answering, dead_line, line_to, station
from tests.gatewayd.doubles import ScriptedChannel as Silent
from tests.gatewayd.test_worker import job

PRAGUE = ZoneInfo("Europe/Prague")
ALLOWED = 0.4
"""Seconds between two signs of life that the manager of these tests allows."""


class Ears:
    """A manager that counts signs of life."""

    def __init__(self, folder: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(folder / "notify"))
        self.socket.setblocking(False)
        self.notifier = Notifier(str(folder / "notify"), ALLOWED)
        self.notifier.ready()
        self.heard()

    def heard(self) -> int:
        """How often since the last look."""
        count = 0
        try:
            while True:
                count += self.socket.recv(4096) == b"WATCHDOG=1"
        except BlockingIOError:
            return count

    def close(self) -> None:
        self.socket.close()
        self.notifier.close()


@pytest.fixture
def ears(tmp_path: Path) -> Iterator[Ears]:
    made = Ears(tmp_path)
    yield made
    made.close()


async def nothing() -> None:
    """A writer that answers at once."""


def watched(
    ears: Ears,
    story: Callable[[], Coroutine[Any, Any, None]],
    flush: Callable[[], Awaitable[None]] = nothing,
    *pulses: Pulse,
) -> None:
    """The story, while the watchdog is at work."""

    async def run() -> None:
        heartbeat = Heartbeat(flush, lambda: pulses)
        tasks = [
            asyncio.create_task(heartbeat.run(ALLOWED / 2)),
            asyncio.create_task(watch(heartbeat, ears.notifier, ALLOWED)),
        ]
        await heard(ears, 1)
        await story()
        for task in tasks:
            task.cancel()
        assert all(
            isinstance(end, asyncio.CancelledError) for end in await asyncio.gather(*tasks, return_exceptions=True)
        )

    asyncio.run(asyncio.wait_for(run(), PATIENCE))


async def heard(ears: Ears, count: int) -> None:
    """Wait for so many signs of life."""
    while count > 0:
        await asyncio.sleep(0.02)
        count -= ears.heard()


async def silence(ears: Ears) -> None:
    """Wait until none has come for twice as long as the manager allows."""
    loop = asyncio.get_running_loop()
    last = loop.time()
    while loop.time() - last < 2 * ALLOWED:
        await asyncio.sleep(0.02)
        last = loop.time() if ears.heard() else last


# -- what stands still -------------------------------------------------------------------------------------------------


def test_an_event_loop_that_stands_still_is_not_alive(ears: Ears) -> None:
    async def story() -> None:
        await heard(ears, 3)
        time.sleep(2 * ALLOWED)  # noqa: ASYNC251 - that is the defect
        assert ears.heard() <= 1, "nothing was sent meanwhile"
        await heard(ears, 1)

    watched(ears, story)


def test_a_writer_that_hangs_is_not_alive(
    tmp_path: Path, ears: Ears, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As one whose disk never comes back; and it is alive again when that does."""
    go_on, commit = threading.Event(), OpenSegment.commit

    def hang(*args: Any, **more: Any) -> Any:  # whatever a commit takes
        go_on.wait(PATIENCE)
        return commit(*args, **more)

    with opened(tmp_path / "archive") as store:

        async def story() -> None:
            monkeypatch.setattr(OpenSegment, "commit", hang)
            written = store.submit(entry(reading()))
            await silence(ears)
            assert not written.done()
            go_on.set()
            await heard(ears, 2)
            assert written.result(PATIENCE).first_seq == 1

        with caplog.at_level(logging.WARNING):
            watched(ears, story, store.flush)
    told = [record.getMessage() for record in caplog.records]
    assert (
        len(told) == 2 and "the archive's writer has not answered" in told[0] and told[1] == "there is progress again"
    )


def test_a_writer_that_has_ended_is_not_alive(tmp_path: Path, ears: Ears) -> None:
    with opened(tmp_path / "archive") as store:

        async def story() -> None:
            store.close()
            await silence(ears)
            with pytest.raises(ArchiveError):
                await store.flush()

        watched(ears, story, store.flush)


@pytest.mark.parametrize("technician", [False, True])
def test_a_line_that_is_stuck_in_a_session_is_not_alive(tmp_path: Path, technician: bool) -> None:
    """A session ends by its deadline; one that does not is a defect of ours."""

    async def run() -> None:
        with opened(tmp_path) as store:
            jobs = [] if technician else [job(station(answering()))]
            beside = [station(answering())] if technician else []
            acquisition = Stuck(store, TestClock(), PRAGUE)
            worker = LineWorker(
                line_to(Silent()), jobs, acquisition, TestClock(), PRAGUE, random.Random(7), beside=beside
            )
            running = asyncio.create_task(worker.run(asyncio.Event()))
            asked = (
                asyncio.create_task(worker.ask("em-1001", job(station(answering())).request)) if technician else None
            )
            await acquisition.begun.wait()
            stuck_after(SESSION_SECONDS, worker.pulses[0])
            running.cancel()
            await asyncio.gather(*filter(None, (running, asked)), return_exceptions=True)
            assert not worker.pulses[0].late(asyncio.get_running_loop().time() + 1e9), "who has ended is not late"

    asyncio.run(asyncio.wait_for(run(), PATIENCE))


def test_a_modem_that_is_stuck_in_a_call_is_not_alive(tmp_path: Path) -> None:
    async def run() -> None:
        with opened(tmp_path) as store:
            acquisition = Stuck(store, TestClock(), PRAGUE)
            jobs = [job(station(answering(), phone=NUMBER))]
            line = line_to(Silent(), "gsm")
            worker = CallWorker("gsm", [line], jobs, acquisition, Ledger({"gsm": ()}, PRAGUE), TestClock(), PRAGUE)
            running = asyncio.create_task(worker.run(asyncio.Event()))
            await acquisition.begun.wait()
            stuck_after(SESSION_SECONDS, worker.pulses[0])
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            assert not worker.pulses[0].late(asyncio.get_running_loop().time() + 1e9)

    asyncio.run(asyncio.wait_for(run(), PATIENCE))


def test_what_is_stuck_keeps_the_watchdog_from_hearing(ears: Ears, caplog: pytest.LogCaptureFixture) -> None:
    pulses = [Pulse(f"line {name}", margin=0.0) for name in "abcd"]

    async def story() -> None:
        for pulse in pulses:
            pulse.turn(asyncio.get_running_loop().time(), 0.0)
        await silence(ears)
        for pulse in pulses:
            pulse.rest()
        await heard(ears, 2)

    with caplog.at_level(logging.CRITICAL):
        watched(ears, story, nothing, *pulses)
    (told,) = caplog.messages
    assert "line a, line b, line c and others: stuck in a turn; the service manager is not told" in told


class Stuck(Acquisition):
    """Sessions that never end, as they do by a defect alone."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.begun = asyncio.Event()

    async def session(self, *_args: Any, **_more: Any) -> Any:
        self.begun.set()
        await asyncio.Event().wait()


def stuck_after(seconds: float, pulse: Pulse) -> None:
    """It is late behind the longest session and the margin, and no moment before."""
    now = asyncio.get_running_loop().time()
    assert not pulse.late(now + seconds + MARGIN_SECONDS - 5)
    assert pulse.late(now + seconds + MARGIN_SECONDS + 5)


# -- what does not matter ----------------------------------------------------------------------------------------------


def test_a_disk_that_is_full_does_not_matter(tmp_path: Path, ears: Ears, monkeypatch: pytest.MonkeyPatch) -> None:
    """The archive takes nothing, and says so: a restart would make no room."""

    def full(*_args: Any, **_more: Any) -> Any:
        raise apsw.FullError("database or disk is full")

    with opened(tmp_path / "archive") as store:

        async def story() -> None:
            monkeypatch.setattr(OpenSegment, "commit", full)
            for _ in range(3):
                with pytest.raises(ArchiveError):
                    await store.append(entry(reading()))
                await heard(ears, 2)
            assert "full" in store.fault

        watched(ears, story, store.flush)


def test_asking_the_writer_costs_the_disk_nothing(tmp_path: Path, ears: Ears, monkeypatch: pytest.MonkeyPatch) -> None:
    commits: list[object] = []

    with opened(tmp_path / "archive") as store:

        async def story() -> None:
            monkeypatch.setattr(OpenSegment, "commit", lambda *args, **_: commits.append(args))
            await heard(ears, 4)

        before = [(path, path.stat().st_mtime_ns, path.stat().st_size) for path in (tmp_path / "archive").iterdir()]
        watched(ears, story, store.flush)
        assert before == [
            (path, path.stat().st_mtime_ns, path.stat().st_size) for path in (tmp_path / "archive").iterdir()
        ]
        monkeypatch.undo()
    assert commits == []


def test_a_line_that_is_dead_takes_its_turns(tmp_path: Path) -> None:
    """It fails at once and waits for the next attempt: never longer than a wait may be."""

    async def run() -> None:
        with opened(tmp_path) as store:
            clock = TestClock()
            acquisition = Acquisition(store, clock, PRAGUE)
            line = dead_line(ChannelError("line bus: refused"), "bus")
            worker = LineWorker(line, [job(station(answering()))], acquisition, clock, PRAGUE, random.Random(7))
            running = asyncio.create_task(worker.run(asyncio.Event()))
            while not worker.faults:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.05)
            stuck_after(LONGEST_WAIT, worker.pulses[0])
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    asyncio.run(asyncio.wait_for(run(), PATIENCE))


def test_whoever_waits_for_a_place_is_not_late(tmp_path: Path) -> None:
    """Others talk for as long as they may, one after the other."""

    async def run() -> None:
        with opened(tmp_path) as store:
            clock, slots = TestClock(), asyncio.Semaphore(1)
            await slots.acquire()
            acquisition = Acquisition(store, clock, PRAGUE)
            jobs = [job(station(answering()))]
            worker = LineWorker(line_to(Silent()), jobs, acquisition, clock, PRAGUE, random.Random(7), slots=slots)
            worker.pulses[0].turn(asyncio.get_running_loop().time(), 0.0)  # as before any turn
            running = asyncio.create_task(worker.run(asyncio.Event()))
            await asyncio.sleep(0.05)
            assert worker.state().queue == 1
            assert not worker.pulses[0].late(asyncio.get_running_loop().time() + 1e6)
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    asyncio.run(asyncio.wait_for(run(), PATIENCE))
