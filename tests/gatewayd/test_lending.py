"""What the control socket takes for a loan, and from whom. Whole loans: tests/system/test_lending.py."""

import asyncio
import math
from collections.abc import AsyncGenerator, Callable, Coroutine
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from gatewayd.archive.records import Audit
from gatewayd.channel.modem_options import CallResult
from gatewayd.control import Request
from gatewayd.daemon.gateway import Gateway
from gatewayd.daemon.lending import GIVE_BACK, LEND, PIN, Lending
from gatewayd.errors import ArchiveError, GatewayError, MeterRefused
from gatewayd.loans import LONGEST_SECONDS, USUAL_SECONDS, Loan
from gatewayd.refusals import Refusals
from tests.gatewayd.doubles import PATIENCE, call_record

Events = AsyncGenerator[dict[str, object], None]


class World:
    """A gateway with one line, whose worker lends it at once."""

    def __init__(self) -> None:
        self.audits: list[Audit] = []
        self.pins: list[tuple[str, ...]] = []
        self.loans: list[Loan] = []
        self.served = True
        self.writes = True
        self.queued: list[Future[None]] = []
        store = SimpleNamespace(submit=self._submit)
        lines = SimpleNamespace(worker_at=lambda _line: self if self.served else None)
        gateway = SimpleNamespace(store=store, lines=lines, config=SimpleNamespace(lines={}))
        self.lending = Lending(cast("Gateway", gateway), cast("Refusals", self))

    def _submit(self, audit: Audit) -> "Future[None]":
        self.audits.append(audit)
        done: Future[None] = Future()
        self.queued.append(done)
        if self.writes:
            done.set_result(None)
        return done

    def state(self) -> SimpleNamespace:
        return SimpleNamespace(under_way=())

    async def lend(self, loan: Loan) -> None:
        self.loans.append(loan)
        await loan.serve(asyncio.Event())

    async def note(self, name: str, credentials: str, fault: MeterRefused) -> None:
        self.pins.append((name, credentials, str(fault)))

    async def lift(self, name: str) -> None:
        self.pins.append((name,))

    def ask(self, request: str, user: str = "jan", **details: str) -> AsyncGenerator[dict[str, object], None]:
        return self.lending.streams[request](Request(request, details, user))

    async def told(self, request: str, user: str = "jan", **details: str) -> dict[str, Any]:
        return dict(await anext(self.ask(request, user, **details)))

    async def borrowed(
        self, what: str = "modem", **details: str
    ) -> tuple[AsyncGenerator[dict[str, object], None], str]:
        events = self.ask(LEND, line="gsm", what=what, **details)
        assert (await anext(events))["event"] == "asked"
        lent = await anext(events)
        assert lent["event"] == "lent"
        return events, str(lent["loan"])


def run(check: Callable[[], Coroutine[object, object, None]]) -> None:
    asyncio.run(asyncio.wait_for(check(), PATIENCE))


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        ("", USUAL_SECONDS),
        ("x", USUAL_SECONDS),
        ("-5", USUAL_SECONDS),
        ("0", 1.0),
        ("76", 76.0),
        ("9" * 60, LONGEST_SECONDS),
    ],
)
def test_for_how_long(asked: str, given: float) -> None:
    async def check() -> None:
        world = World()
        events, _ = await world.borrowed(seconds=asked)
        assert world.loans[0].seconds == given
        await events.aclose()

    run(check)


def test_nobody_reports_for_a_loan_of_somebody_else() -> None:
    async def check() -> None:
        world = World()
        events, number = await world.borrowed()
        for request in (GIVE_BACK, PIN):
            with pytest.raises(GatewayError, match="no such loan"):
                await world.told(request, "eva", loan=number, result="done", state="accepted")
        assert world.pins == []
        await world.told(GIVE_BACK, loan=number, result="done", detail="asked")
        assert [event async for event in events] == []
        with pytest.raises(GatewayError, match="no such loan"):
            await world.told(GIVE_BACK, loan=number, result="done")
        (entry,) = world.audits
        assert (entry.source, entry.category, entry.type, entry.subject) == ("jan", "operator", "modem", "gsm")
        assert (entry.result, entry.detail) == ("done", "asked")

    run(check)


def test_what_is_noted_is_in_the_log_also_if_the_gateway_is_killed_now() -> None:
    async def check() -> None:
        world = World()
        events, number = await world.borrowed()
        world.writes = False
        given_back = asyncio.ensure_future(world.told(GIVE_BACK, loan=number, result="done"))
        assert [event async for event in events] == [], "the line is the gateway's again, whatever the disk does"
        assert [one.result for one in world.audits] == ["done"]
        await asyncio.sleep(0)
        assert not given_back.done()
        world.queued[0].set_result(None)
        assert await given_back == {"event": "noted"}
        assert len(world.audits) == 1

    run(check)


def test_a_borrower_who_goes_before_his_call_is_written_has_one_entry() -> None:
    async def check() -> None:
        world = World()
        events, number = await world.borrowed()
        world.writes = False
        call = msgspec.json.encode(call_record(CallResult.DONE, "gsm")).decode()
        given_back = asyncio.ensure_future(world.told(GIVE_BACK, loan=number, result="done", call=call, meter="em-1"))
        await asyncio.sleep(0)
        await events.aclose()
        world.queued[0].set_result(None)
        assert await given_back == {"event": "noted"}
        assert [(one.type, one.result) for one in world.audits] == [("modem-call", "done"), ("modem", "cancelled")]

    run(check)


def test_a_line_is_given_back_also_where_its_call_cannot_be_written_down() -> None:
    """The modem's worker is not told of a call that may be up because a disk is full."""

    async def check() -> None:
        world = World()
        events, number = await world.borrowed()
        world.writes = False
        call = msgspec.json.encode(call_record(CallResult.DONE, "gsm")).decode()
        given_back = asyncio.ensure_future(world.told(GIVE_BACK, loan=number, result="done", call=call, meter="em-1"))
        await asyncio.sleep(0)
        world.queued[0].set_exception(ArchiveError("disk full"))
        with pytest.raises(ArchiveError, match="disk full"):
            await given_back
        assert [event async for event in events] == []
        assert (world.loans[0].settled, [one.result for one in world.audits]) == (True, ["done", "done"])

    run(check)


def test_a_pin_and_a_call_are_those_of_the_line_that_is_lent() -> None:
    async def check() -> None:
        world = World()
        events, number = await world.borrowed()
        await world.told(PIN, loan=number, state="sending", credentials="pin 1")
        await world.told(PIN, loan=number, state="accepted", credentials="pin 1")
        assert world.pins == [("SIM of line gsm", "pin 1", "line gsm: the PIN"), ("SIM of line gsm",)]
        with pytest.raises(GatewayError, match="nothing of a PIN"):
            await world.told(PIN, loan=number, state="lost")
        other, mine = (
            msgspec.json.encode(call_record(CallResult.DONE, line)).decode() for line in ("elsewhere", "gsm")
        )
        for call in (other, "{}", "no JSON"):
            with pytest.raises(GatewayError, match="no call"):
                await world.told(GIVE_BACK, loan=number, result="done", call=call)
        await world.told(GIVE_BACK, loan=number, result="done", call=mine, meter="em-1")
        assert world.loans[0].settled
        await events.aclose()
        assert [(one.type, one.subject, one.source) for one in world.audits] == [
            ("modem-call", "em-1", "jan"),
            ("modem", "gsm", "jan"),
        ]

    run(check)


def test_a_probe_has_neither_pin_nor_call() -> None:
    async def check() -> None:
        world = World()
        events, number = await world.borrowed("probe")
        with pytest.raises(GatewayError, match="has no PIN"):
            await world.told(PIN, loan=number, state="accepted")
        call = msgspec.json.encode(call_record(CallResult.DONE, "gsm")).decode()
        with pytest.raises(GatewayError, match="no call"):
            await world.told(GIVE_BACK, loan=number, result="done", call=call)
        await events.aclose()

    run(check)


def test_a_call_that_was_not_hung_up_leaves_a_doubt() -> None:
    async def check() -> None:
        world = World()
        events, number = await world.borrowed()
        text = (
            msgspec.json.encode(call_record(CallResult.DONE, "gsm"))
            .decode()
            .replace('"hung_up":true', '"hung_up":false')
        )
        await world.told(GIVE_BACK, loan=number, result="done", call=text)
        assert not world.loans[0].settled
        await events.aclose()

    run(check)


def test_a_line_that_nobody_serves_is_lent_without_end_until_it_is_served() -> None:
    async def check() -> None:
        world = World()
        world.served = False
        events = world.ask(LEND, line="bench", what="probe", seconds="5")
        assert (await anext(events))["event"] == "asked"
        assert (await anext(events))["seconds"] is None
        await world.lending.heed(cast("Any", None))
        (loan,) = world.lending._unserved
        assert loan.seconds == math.inf and not loan.over.is_set()
        world.served = True
        await world.lending.heed(cast("Any", None))
        over = await anext(events)
        assert over["event"] == "over" and "not lent any more" in str(over["why"])
        await events.aclose()
        assert [one.result for one in world.audits] == ["cancelled"] and world.lending._unserved == {}

    run(check)
