"""Threads for short waits: none waits for another, they are used again, and they end when nothing is to be done."""

import gc
import random
import threading
import time
import weakref
from collections.abc import Callable
from concurrent.futures import Future

import pytest

from gatewayd.daemon.threads import DaemonThreads

PATIENCE = 20.0


def eventually(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.005)


def ours() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "wait"]


def test_work_that_never_ends_keeps_nobody_from_a_thread() -> None:
    threads, end = DaemonThreads(0.05), threading.Event()
    stuck = [threads.submit(end.wait, PATIENCE) for _ in range(50)]
    assert threads.submit(lambda: 7).result(PATIENCE) == 7
    assert not any(one.done() for one in stuck)
    end.set()
    assert all(one.result(PATIENCE) for one in stuck)
    eventually(lambda: not ours())


def test_a_thread_is_used_again_and_is_a_daemon() -> None:
    threads = DaemonThreads(1.0)
    first = threads.submit(threading.current_thread).result(PATIENCE)
    eventually(lambda: threads._idle == 1)
    second = threads.submit(threading.current_thread).result(PATIENCE)
    assert first is second
    assert first.daemon


def test_a_fault_is_the_callers_and_costs_no_thread() -> None:
    threads = DaemonThreads(0.05)

    def fail() -> None:
        raise KeyboardInterrupt("of the work")

    with pytest.raises(KeyboardInterrupt, match="of the work"):
        threads.submit(fail).result(PATIENCE)
    assert threads.submit(lambda: 1).result(PATIENCE) == 1


def test_an_idle_thread_keeps_nothing_of_what_it_did() -> None:
    class Thing:
        pass

    threads = DaemonThreads(1.0)
    seen: list[weakref.ref[Thing]] = []

    def make() -> Thing:
        thing = Thing()
        seen.append(weakref.ref(thing))
        return thing

    threads.submit(make).result(PATIENCE)
    eventually(lambda: threads._idle == 1)
    gc.collect()
    assert seen[0]() is None


def test_all_work_is_done_once_however_it_meets_the_end_of_threads() -> None:
    """They end after next to no time here, while more work comes from several sides."""
    threads, done = DaemonThreads(0.0005), list[int]()
    chance = random.Random(7)
    pauses = [chance.choice([0, 0, 0.0004, 0.0006, 0.002]) for _ in range(2000)]

    def submit(begin: int) -> None:
        futures: list[Future[None]] = []
        for number in range(begin, 2000, 4):
            futures.append(threads.submit(done.append, number))
            time.sleep(pauses[number])
        for future in futures:
            future.result(PATIENCE)

    submitters = [threading.Thread(target=submit, args=(begin,)) for begin in range(4)]
    for one in submitters:
        one.start()
    for one in submitters:
        one.join(PATIENCE)
    assert sorted(done) == list(range(2000))
    eventually(lambda: not ours() and threads._idle == 0)
