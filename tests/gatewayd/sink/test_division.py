"""Halving: exactly the bad readings are set aside, the others are sent in order, and nothing is lost."""

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewayd.errors import SinkError
from gatewayd.model import Archived
from gatewayd.sink.division import REFUSALS, SMALL, BatchRefused, deliver_in_parts
from tests.gatewayd.sink.samples import ListOutbox, register


class Database:
    """Takes requests that hold none of `bad`; counts them."""

    def __init__(self, bad: set[int], *, dies_after: int = 10**9) -> None:
        self.bad = bad
        self.stored: list[int] = []
        self.requests = 0
        self._dies_after = dies_after

    async def send(self, readings: Sequence[Archived]) -> None:
        self.requests += 1
        if self.requests > self._dies_after:
            raise SinkError("gone")
        found = [archived.seq for archived in readings if archived.seq in self.bad]
        if found:
            raise BatchRefused(f"{found[0]} is bad")
        self.stored += [archived.seq for archived in readings]


def deliver(database: Database, count: int) -> ListOutbox:
    ledger = ListOutbox([])
    asyncio.run(deliver_in_parts([register(seq) for seq in range(1, count + 1)], database.send, ledger))
    return ledger


@given(st.integers(1, 300).flatmap(lambda n: st.tuples(st.just(n), st.sets(st.integers(1, n), max_size=12))))
def test_exactly_the_bad_ones_are_set_aside(case: tuple[int, set[int]]) -> None:
    count, bad = case
    database = Database(bad)
    if len(bad) == count > SMALL:
        with pytest.raises(SinkError, match="refuses everything"):
            deliver(database, count)
        return
    ledger = deliver(database, count)
    assert database.stored == [seq for seq in range(1, count + 1) if seq not in bad]
    assert ledger.refused == [(seq, f"{seq} is bad") for seq in sorted(bad)]
    assert sorted(ledger.acknowledged) == list(range(1, count + 1))


def test_a_good_batch_is_one_request_and_a_bad_reading_costs_a_few() -> None:
    database = Database(set())
    deliver(database, 5000)
    assert database.requests == 1
    database = Database({4321})
    deliver(database, 5000)
    assert database.requests <= 2 * 13 + 1


def test_a_database_that_refuses_everything_has_a_fault_of_its_own() -> None:
    ledger = ListOutbox([])
    readings = [register(seq) for seq in range(1, 41)]
    with pytest.raises(SinkError, match="refuses everything it gets: 40 is bad"):
        asyncio.run(deliver_in_parts(readings, Database(set(range(1, 41))).send, ledger))
    assert ledger.refused == []
    assert ledger.acknowledged == []


def test_one_that_refuses_most_is_given_up_for_now_and_keeps_what_it_took() -> None:
    database = Database({seq for seq in range(1, 1001) if seq % 2})
    ledger = ListOutbox([])
    readings = [register(seq) for seq in range(1, 1001)]
    with pytest.raises(SinkError, match="refuses too much"):
        asyncio.run(deliver_in_parts(readings, database.send, ledger))
    assert database.requests <= 2 * REFUSALS
    assert set(ledger.acknowledged) == set(database.stored) | {seq for seq, _ in ledger.refused}
    assert len(ledger.refused) > 50, "it comes forward each time"


def test_one_that_dies_in_the_middle_keeps_what_it_took() -> None:
    database = Database({7}, dies_after=6)
    ledger = ListOutbox([])
    with pytest.raises(SinkError, match="gone"):
        asyncio.run(deliver_in_parts([register(seq) for seq in range(1, 101)], database.send, ledger))
    assert sorted(ledger.acknowledged) == sorted([*database.stored, *(seq for seq, _ in ledger.refused)])
