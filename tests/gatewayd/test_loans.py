"""Lines that are lent: to whom, when, for how long, and that the schedule goes on as if nothing had been."""

import asyncio
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from gatewayd import loans
from gatewayd.asks import Asks
from gatewayd.breaker import Condition
from gatewayd.errors import GatewayError
from gatewayd.loans import Ending, Loan
from gatewayd.model import Registers
from gatewayd.schedule import Every
from gatewayd.worker import LineWorker
from tests.gatewayd.test_worker import QUARTER, SERIAL, Alive, alive

SECOND = Every(timedelta(seconds=1))


def loan(seconds: float = 60.0, line: str = "bus") -> Loan:
    return Loan(line, "probe", "jan", seconds)


async def begun(worker: LineWorker, one: Loan) -> "asyncio.Task[None]":
    """The loan, when the line is lent."""
    task = asyncio.create_task(worker.lend(one))
    await one.lent.wait()
    return task


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Borrowers have no time to put the line back."""
    monkeypatch.setattr(loans, "RETURN_SECONDS", 0.01)


def test_a_line_is_lent_behind_the_session_under_way_and_nobody_talks_meanwhile(tmp_path: Path) -> None:
    async def check() -> None:
        site = Alive(tmp_path)
        async with site.at_work() as one:
            before = one.state()
            asking = asyncio.create_task(one.ask("em-1", SERIAL))
            await site.begun.wait()
            mine = loan()
            lending = asyncio.create_task(one.lend(mine))
            await asyncio.sleep(0)
            assert not mine.lent.is_set() and one.state().queue == 1
            site.answer.set()
            await asking
            await mine.lent.wait()
            assert site.channel.closed == 1, "the gateway has nothing open"
            (talk,) = one.state().under_way
            assert (talk.meter, talk.line, talk.technician, talk.lent) == ("", "bus", True, "probe")
            second = asyncio.create_task(one.ask("em-2", SERIAL))
            await asyncio.sleep(0.01)
            assert site.asked == [SERIAL.text], "nobody is asked on a line that is lent"
            mine.give_back(Ending.DONE, "36 attempts")
            await lending
            assert (await second).fault is None
            after = one.state()
            assert after.under_way == () and after.queue == 0
            assert [state.next_due for state in after.meters] == [state.next_due for state in before.meters]
            assert after.condition is Condition.CLOSED and one.faults == {}
        assert (mine.ending, mine.detail, mine.why) == (Ending.DONE, "36 attempts", "")

    alive(check)


def test_what_is_due_has_a_turn_between_two_loans(tmp_path: Path) -> None:
    async def check() -> None:
        site = Alive(tmp_path, SECOND)
        site.answer.set()
        order = site.asked
        async with site.at_work() as one:

            async def borrow() -> None:
                mine = loan()
                task = await begun(one, mine)
                order.append("loan")
                site.clock.advance(1)
                mine.give_back(Ending.DONE)
                await task

            waiting = {asyncio.create_task(borrow()) for _ in range(3)}
            while len(order) < 40:
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                waiting |= {asyncio.create_task(borrow()) for _ in done}
            for task in waiting:
                task.cancel()
            await asyncio.wait(waiting)
        turns = [text == "loan" for text in order[:40]]
        assert (True, True) not in pairwise(turns), order
        assert (False, False) not in pairwise(turns), "and no technician waits for more than one session"

    alive(check)


def test_a_loan_waits_for_no_place(tmp_path: Path) -> None:
    async def check() -> None:
        slots = asyncio.Semaphore(1)
        await slots.acquire()
        site = Alive(tmp_path, QUARTER)
        site.answer.set()
        async with site.at_work(slots) as one:
            mine = loan()
            task = await begun(one, mine)
            mine.give_back()
            await task
            assert site.asked == [] and one.state().queue == 1
            slots.release()
            while not site.asked:
                await asyncio.sleep(0)

    alive(check)


def test_a_borrower_who_goes_away_gives_it_back(tmp_path: Path) -> None:
    """Before his turn, and in it."""

    async def check() -> None:
        site = Alive(tmp_path)
        site.answer.set()
        async with site.at_work() as one:
            first, second = loan(), loan()
            holding = await begun(one, first)
            waiting = asyncio.create_task(one.lend(second))
            await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.wait({waiting})
            assert one.state().queue == 0
            holding.cancel()
            await asyncio.wait({holding})
            assert (await one.ask("em-1", SERIAL)).fault is None, "the line is read"
        assert first.ending is second.ending is Ending.CANCELLED
        assert not second.lent.is_set()

    alive(check)


def test_a_loan_expires_whatever_the_borrower_does(tmp_path: Path, at_once: None) -> None:
    async def check() -> None:
        site = Alive(tmp_path)
        site.answer.set()
        async with site.at_work() as one:
            mine = loan(0.05)
            task = await begun(one, mine)
            await task
            assert mine.ending is Ending.EXPIRED and "0 s, which are over" in mine.why
            mine.give_back(Ending.DONE, "too late")
            assert (mine.ending, mine.detail) == (Ending.EXPIRED, mine.why)
            assert (await one.ask("em-1", SERIAL)).fault is None

    alive(check)


def test_who_is_told_has_a_moment_to_close_what_he_has_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loans, "RETURN_SECONDS", 60.0)

    async def check() -> None:
        site = Alive(tmp_path)
        site.answer.set()
        async with site.at_work() as one:
            mine = loan(0.02)
            await (await begun(one, mine))
            asking = asyncio.create_task(one.ask("em-1", SERIAL))
            await asyncio.sleep(0.02)
            assert site.asked == [] and one.state().under_way[0].lent == "probe"
            mine.give_back()
            assert (await asking).fault is None

    alive(check)


@pytest.mark.parametrize("cancelled", [False, True])
def test_a_stop_ends_a_loan(tmp_path: Path, at_once: None, cancelled: bool) -> None:
    async def check() -> None:
        site, stop = Alive(tmp_path), asyncio.Event()
        async with site.at_work() as one:
            pass
        running = asyncio.create_task(one.run(stop))
        first, second = loan(), loan()
        one._asks = Asks()  # it has been at work before
        task = await begun(one, first)
        waiting = asyncio.create_task(one.lend(second))
        await asyncio.sleep(0)
        if cancelled:
            running.cancel()
        else:
            stop.set()
        await task
        with pytest.raises(GatewayError, match="line bus is not served any more"):
            await waiting
        await asyncio.wait({running})
        assert running.cancelled() is cancelled and one.state().under_way == ()
        assert "not lent any more: the gateway stops, or its line was changed" in first.why
        assert first.ending is second.ending is Ending.CANCELLED

    alive(check)


def test_a_line_that_is_lent_is_alive_as_long_as_the_loan_may_last(tmp_path: Path) -> None:
    async def check() -> None:
        site = Alive(tmp_path)
        async with site.at_work() as one:
            mine = loan(2000.0)
            task = await begun(one, mine)
            (pulse,) = one.pulses
            now = asyncio.get_running_loop().time()
            assert not pulse.late(now + 2250), "beyond a session, within the loan"
            assert pulse.late(now + 2310), "and not for ever"
            mine.give_back()
            await task

    alive(check)


def test_of_several_modems_only_one_loan_is_anybodys() -> None:
    async def check() -> None:
        asks = Asks()
        waiting = [
            asyncio.create_task(asks.lend(loan(line="b"))),
            asyncio.create_task(asks.ask("em", Registers(), None)),
        ]
        await asyncio.sleep(0)
        assert asks.waits_for("a"), "a question is for any of them"
        asks.refuse("no window")
        assert len(asks) == 1, "a loan needs no window"
        assert asks.waits_for("b") and not asks.waits_for("a")
        asks.close("over")
        with pytest.raises(GatewayError, match="over"):
            await asks.lend(loan())
        found = await asyncio.gather(*waiting, return_exceptions=True)
        assert [str(one) for one in found] == ["over", "meter em: no window"]

    asyncio.run(check())
