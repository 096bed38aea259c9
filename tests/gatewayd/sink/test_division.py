"""Halving: exactly the bad readings are set aside, the others go in order, and a broken database loses nothing."""

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewayd.errors import SinkError
from gatewayd.model import Archived
from gatewayd.sink.division import BatchRefused, Division
from tests.gatewayd.sink.samples import ListOutbox, register


class Database:
    """Takes requests that hold none of `bad`; counts them. What comes again changes nothing."""

    def __init__(self, bad: set[int], *, dies_after: int = 10**9) -> None:
        self.bad = bad
        self.order: list[int] = []
        self.requests = 0
        self._dies_after = dies_after

    async def send(self, readings: Sequence[Archived]) -> None:
        self.requests += 1
        if self.requests > self._dies_after:
            raise SinkError("gone")
        found = [archived.seq for archived in readings if archived.seq in self.bad]
        if found:
            raise BatchRefused(f"{found[0]} is bad")
        self.order += [archived.seq for archived in readings]

    @property
    def stored(self) -> set[int]:
        return set(self.order)


def batch(first: int, last: int) -> list[Archived]:
    return [register(seq) for seq in range(first, last + 1)]


def deliver(database: Database, readings: list[Archived], division: Division | None = None) -> ListOutbox:
    ledger = ListOutbox([])
    asyncio.run((division or Division("database here:1")).deliver(readings, database.send, ledger))
    return ledger


@given(st.integers(2, 300).flatmap(lambda n: st.tuples(st.just(n), st.sets(st.integers(1, n - 1), max_size=20))))
def test_exactly_the_bad_ones_are_set_aside(case: tuple[int, set[int]]) -> None:
    count, bad = case
    database = Database(bad)
    ledger = deliver(database, batch(1, count))
    good = [seq for seq in range(1, count + 1) if seq not in bad]
    assert database.stored == set(good)
    assert [seq for seq in database.order if seq != count or seq == database.order[-1]][-len(good) :] == good
    assert ledger.refused == [(seq, f"{seq} is bad") for seq in sorted(bad)]
    assert sorted(ledger.acknowledged) == list(range(1, count + 1))


def test_a_good_batch_is_one_request_and_a_bad_reading_costs_a_few() -> None:
    database = Database(set())
    deliver(database, batch(1, 5000))
    assert database.requests == 1
    database = Database({4321})
    deliver(database, batch(1, 5000))
    assert database.requests <= 2 * 13 + 2


@pytest.mark.parametrize("count", [1, 2, 8, 40])
def test_a_database_that_refuses_everything_has_a_fault_of_its_own(count: int) -> None:
    """Also when there are few of them: whoever has just been set up wrongly shall lose nothing."""
    database, ledger = Database(set(range(1, 41))), ListOutbox([])
    with pytest.raises(SinkError, match=r"^database here:1 refuses everything it gets: 1 is bad$"):
        asyncio.run(Division("database here:1").deliver(batch(1, count), database.send, ledger))
    assert ledger.refused == []
    assert ledger.acknowledged == []
    assert database.requests < 20, "and is not pestered"


def test_one_that_took_something_once_is_asked_with_it_whether_it_still_does() -> None:
    division, database = Division("d"), Database({4, 5, 6})
    deliver(database, batch(1, 3), division)
    assert deliver(database, batch(4, 4), division).refused == [(4, "4 is bad")]
    database.bad |= {1, 2, 3}
    with pytest.raises(SinkError, match="refuses everything"):
        deliver(database, batch(5, 6), division)


@pytest.mark.parametrize(("old", "new"), [(400, 2000), (125, 1), (5000, 1)])
def test_a_long_row_of_readings_that_are_too_old_blocks_nothing(old: int, new: int) -> None:
    """A retention in the database that is shorter than ours: everything up to some day is refused."""
    database = Database(set(range(1, old + 1)))
    ledger = deliver(database, batch(1, old + new))
    assert [seq for seq, _ in ledger.refused] == list(range(1, old + 1))
    assert database.stored == set(range(old + 1, old + new + 1))


def test_one_that_dies_in_the_middle_keeps_what_it_took() -> None:
    database, ledger = Database({7}, dies_after=6), ListOutbox([])
    with pytest.raises(SinkError, match="gone"):
        asyncio.run(Division("d").deliver(batch(1, 100), database.send, ledger))
    assert set(ledger.acknowledged) == database.stored | {seq for seq, _ in ledger.refused}
