"""The engine with months of which only the sum is known: what the register went up over all of them is shared out."""

import asyncio
from collections.abc import Coroutine, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from gatewayd.archive import segments
from gatewayd.archive.records import Entry
from gatewayd.legal_time import instant
from gatewayd.metering.manual_history import State
from gatewayd.metering.points import Installed
from gatewayd.metering.substitution_terms import SubstitutionTerms
from gatewayd.metering.values import Method, Value
from gatewayd.model import Flag, Ratio, RawStatus, Reading
from tests.gatewayd.metering_world import world
from tests.gatewayd.months_world import (
    FIRST,
    ON,
    TOTAL,
    amounts,
    enter,
    estimate,
    midnight,
    months,
    noon,
    shop,
    state,
)

JANUARY, FEBRUARY, MARCH, APRIL, MAY = (f"2026-0{number}" for number in range(1, 6))


def run(body: Coroutine[None, None, None]) -> None:
    asyncio.run(asyncio.wait_for(body, 60))


def at(month: int, text: str, **more: object) -> Reading:
    """What the register shows at the beginning of a month of 2026."""
    return state(midnight(2026, month), text, **more)  # type: ignore[arg-type]  # keywords of state


def drop_all_but_newest(folder: Path) -> None:
    """As retention does it, but for the entry in the audit log."""
    for number in segments.segment_numbers(folder)[:-1]:
        segments.drop(segments.segment_path(folder, number))


# The first two have the examples of docs/metering/substitution.md, type C.
def test_the_months_between_two_states_are_what_the_register_went_up(tmp_path: Path) -> None:
    async def body() -> None:
        async with world(tmp_path, [shop(substitution=ON)]) as here:
            here.now = midnight(2026, 6) + timedelta(days=10)
            seqs = await enter(here, [at(1, "100"), at(2, "200"), at(4, "1000")])
            assert amounts(here) == {
                JANUARY: "100 true",
                FEBRUARY: "380 substitute",
                MARCH: "420 substitute",
                APRIL: "96.774 substitute",
                MAY: "100 substitute",
            }, "28 and 31 days of January each, together 800"
            for one in (months(here)[FEBRUARY], months(here)[MARCH]):
                assert one.method is Method.COMPARABLE and one.inputs == seqs
                assert one.reason.startswith(
                    "part of what the register went up from 2026-02-01 00:00+01:00 to 2026-03-31 24:00+02:00, 800 "
                    "(em-1 200 kWh (2026-02-01 00:00+01:00) to 1000 kWh (2026-04-01 00:00+02:00), times 1), "
                    "in proportion to the period before, 2026-01-01 00:00+01:00 to 2026-01-31 24:00+01:00, by days: "
                )
                assert "; instead of missing (no state within 36 h of " in one.reason
            await enter(here, [at(3, "500")])
            assert amounts(here)[FEBRUARY] == "300 true" and amounts(here)[MARCH] == "500 true"

    run(body())


def test_by_days_where_nothing_is_before_and_by_the_year_before_where_it_is_there(tmp_path: Path) -> None:
    async def body() -> None:
        async with world(tmp_path, [shop(channels=(TOTAL, FIRST), substitution=ON)]) as here:
            here.now = midnight(2026, 6)
            await enter(here, [at(1, "10", code=FIRST), at(3, "41", code=FIRST)])
            assert {month: amounts(here, FIRST)[month] for month in (JANUARY, FEBRUARY)} == {
                JANUARY: "16 substitute",
                FEBRUARY: "15 substitute",
            }
            assert months(here, FIRST)[JANUARY].method is Method.INTERPOLATED
            assert ", in proportion to its days, 31 of 59; instead" in months(here, FIRST)[JANUARY].reason
            rows = [state(midnight(2025, month), text) for month, text in ((2, "0"), (3, "30"), (4, "40"))]
            await enter(here, [*rows, at(2, "1000.0"), at(4, "1100.0")])
            assert (amounts(here)[FEBRUARY], amounts(here)[MARCH]) == ("75.0 substitute", "25.0 substitute")

    run(body())


def test_a_run_that_grows_and_shrinks(tmp_path: Path) -> None:
    async def body() -> None:
        async with world(tmp_path, [shop(substitution=ON)]) as here:
            here.now = midnight(2026, 3) + timedelta(days=3)
            await enter(here, [at(1, "0"), at(2, "31")])
            assert amounts(here)[FEBRUARY] == "28 substitute"
            here.now = midnight(2026, 6) + timedelta(days=3)
            await enter(here, [at(6, "631")])
            wanted = {JANUARY: "31 true", FEBRUARY: "140", MARCH: "155", APRIL: "150", MAY: "155"}
            assert {month: one.removesuffix(" substitute") for month, one in amounts(here).items()} == wanted
            await enter(here, [at(4, "9999", status=RawStatus.DISTORTED)])
            assert amounts(here)[APRIL] == "150 substitute", "what is doubtful parts nothing"
            await enter(here, [at(4, "326")])
            assert {month: one.removesuffix(" substitute") for month, one in amounts(here).items()} == wanted
            await enter(here, [at(4, "91")])
            assert (amounts(here)[FEBRUARY], amounts(here)[MARCH]) == ("28 substitute", "32 substitute")
            assert (amounts(here)[APRIL], amounts(here)[MAY]) == ("266 substitute", "274 substitute")

    run(body())


NEW = Installed("em-7", since=datetime(2026, 3, 10, 9, 0, tzinfo=UTC))
OLD = Installed("em-1", ratios=(Ratio(ct="100/5"),))


def test_across_an_exchange_whose_states_are_known(tmp_path: Path) -> None:
    async def body() -> None:
        async with world(tmp_path, [shop(OLD, NEW, substitution=ON)]) as here:
            here.now = midnight(2026, 5)
            await enter(here, [at(2, "1000")], OLD.ratios[0])
            await enter(here, [at(4, "195", meter="em-7")])
            assert amounts(here)[FEBRUARY] == "- missing", "nothing is known of the old meter"
            await enter(here, [state(noon(2026, 3, 10), "1020")], OLD.ratios[0])
            await enter(here, [state(noon(2026, 3, 10), "5", meter="em-7")])
            assert (amounts(here)[FEBRUARY], amounts(here)[MARCH]) == ("280 substitute", "310 substitute")
            assert Flag.CONFIG_CHANGED in months(here)[FEBRUARY].flags
            assert "em-7 5 kWh" in months(here)[FEBRUARY].reason

    run(body())


def test_nothing_is_shared_out_over_a_register_that_went_back(tmp_path: Path) -> None:
    async def body() -> None:
        async with world(tmp_path, [shop(substitution=ON)]) as here:
            here.now = midnight(2026, 6)
            await enter(here, [at(1, "100"), at(2, "200"), at(4, "1000")])
            mistyped = state(noon(2026, 2, 11), "3", by_hand=True, status=RawStatus.DISTORTED)
            await enter(here, [replace(mistyped, flags=mistyped.flags | Flag.BACKWARD)])
            assert amounts(here)[FEBRUARY] == "380 substitute", "people measure nothing"
            fallen = state(noon(2026, 2, 12), "3", status=RawStatus.DISTORTED)
            await enter(here, [replace(fallen, flags=Flag.BACKWARD)])
            assert (amounts(here)[FEBRUARY], amounts(here)[MARCH]) == ("90.323 substitute", "100 substitute")
            await enter(here, [state(fallen.at, "203")])
            assert amounts(here)[FEBRUARY] == "380 substitute", "it was read once more"
            await enter(here, [replace(fallen, status=RawStatus.TRUE, flags=Flag.OVERFLOW)])
            assert amounts(here)[FEBRUARY] == "90.323 substitute", "the difference lacks a turn of the digits"

    run(body())


def test_a_register_that_began_again_at_zero_counts_on(tmp_path: Path) -> None:
    async def body() -> None:
        async with world(tmp_path, [shop(substitution=ON)]) as here:
            here.now = midnight(2026, 5)
            turned = replace(state(noon(2026, 3, 12), "00003"), flags=Flag.OVERFLOW)
            await enter(here, [at(2, "99900"), turned, at(4, "00018")])
            assert (amounts(here)[FEBRUARY], amounts(here)[MARCH]) == ("56 substitute", "62 substitute")
            assert Flag.OVERFLOW in months(here)[FEBRUARY].flags

    run(body())


def test_an_estimate_stays_and_the_others_get_what_it_leaves(tmp_path: Path) -> None:
    async def body() -> None:
        async with world(tmp_path, [shop(substitution=ON)]) as here:
            here.now = midnight(2026, 5)
            await enter(here, [at(1, "100"), at(4, "1000")])
            assert amounts(here)[FEBRUARY] == "280 substitute"
            await estimate(here, 1, "120.5", date(2026, 2, 1))
            assert {month: amounts(here)[month] for month in (JANUARY, FEBRUARY, MARCH)} == {
                JANUARY: "390 substitute",
                FEBRUARY: "120.5 provisional",
                MARCH: "389.5 substitute",
            }
            why = "times 1), less estimates of 120.5, in proportion to its days, 31 of 62"
            assert why in months(here)[MARCH].reason
            await estimate(here, 2, "900.1", date(2026, 2, 1))
            assert (amounts(here)[JANUARY], amounts(here)[FEBRUARY]) == ("- missing", "900.1 provisional")
            for month in (JANUARY, FEBRUARY, MARCH):
                why = "to 2026-03-31 24:00+02:00, 900, is not met: estimates say 900.1"
                assert why in months(here)[month].reason
            head = here.store.head
            here.begin([shop(substitution=ON)])
            await here.engine.catch_up()
            assert here.store.head == head
            await estimate(here, 2, "", date(2026, 2, 1), State.SUPERSEDED)
            assert amounts(here)[FEBRUARY] == "280 substitute"
            for number, first in enumerate((1, 2, 3), 3):
                await estimate(here, number, "300", date(2026, first, 1))
            assert amounts(here)[FEBRUARY] == "300 provisional" and "not met" not in months(here)[FEBRUARY].reason
            await estimate(here, 6, "299", date(2026, 3, 1))
            assert "900, is not met: estimates say 899" in months(here)[JANUARY].reason

    run(body())


@pytest.mark.parametrize(("amount", "rest"), [("120.5", "389.5 substitute"), ("900.5", "- missing")])
def test_an_estimate_whose_entry_is_dropped_stays_as_it_is(tmp_path: Path, amount: str, rest: str) -> None:
    async def body() -> None:
        async with world(tmp_path, [shop(substitution=ON)]) as here:
            here.now = midnight(2026, 5)
            await here.engine.catch_up()
            await estimate(here, 1, amount, date(2026, 2, 1), looked_after=False)
            await here.store.seal()
            await enter(here, [at(1, "100"), at(4, "1000")])
            before = months(here)
            assert amounts(here)[FEBRUARY] == f"{amount} provisional" and amounts(here)[MARCH] == rest
            drop_all_but_newest(here.store.folder)
            here.begin([shop(substitution=ON)])
            await enter(here, [state(noon(2026, 2, 11), "130")])
            assert months(here) == before

    run(body())


def test_it_is_provisional_until_the_deadline_of_each_month(tmp_path: Path) -> None:
    terms = SubstitutionTerms(enabled=True, deadline_days=40)

    async def body() -> None:
        async with world(tmp_path, [shop(substitution=terms)]) as here:
            here.now = midnight(2026, 4) + timedelta(hours=1)
            await enter(here, [at(1, "0"), at(2, "31"), at(4, "149")])
            assert (amounts(here)[FEBRUARY], amounts(here)[MARCH]) == ("56 provisional", "62 provisional")
            here.now = instant(date(2026, 4, 9), terms.deadline)
            await here.engine.catch_up()
            assert (amounts(here)[FEBRUARY], amounts(here)[MARCH]) == ("56 substitute", "62 provisional")
            here.now = instant(date(2026, 5, 10), terms.deadline)
            await here.engine.catch_up()
            assert amounts(here)[MARCH] == "62 substitute"

    run(body())


def test_a_state_that_is_only_near_counts_when_no_better_one_may_come(tmp_path: Path) -> None:
    async def body() -> None:
        async with world(tmp_path, [shop(substitution=ON)]) as here:
            here.now = midnight(2026, 4) - timedelta(hours=20)
            await enter(here, [at(2, "0"), state(here.now, "580")])
            assert amounts(here) == {FEBRUARY: "- missing"}
            here.now = midnight(2026, 4) + timedelta(hours=1)
            await enter(here, [state(noon(2026, 2, 11), "100")])
            assert amounts(here) == {FEBRUARY: "- missing"}
            here.now = midnight(2026, 4) + timedelta(days=3)
            await here.engine.catch_up()
            assert amounts(here) == {FEBRUARY: "275 substitute", MARCH: "305 substitute"}

    run(body())


def test_off_by_default(tmp_path: Path) -> None:
    async def body() -> None:
        async with world(tmp_path, [shop()]) as here:
            here.now = midnight(2026, 5)
            await enter(here, [at(2, "200"), at(4, "1000")])
            assert amounts(here) == {FEBRUARY: "- missing", MARCH: "- missing"}

    run(body())


def test_a_month_that_is_computed_alone_is_the_same(tmp_path: Path) -> None:
    async def body() -> None:
        async with world(tmp_path, [shop(substitution=ON)]) as here:
            here.now = midnight(2026, 6)
            await enter(here, [at(1, "100"), at(5, "1000")])
            await estimate(here, 1, "120.5", date(2026, 2, 1))
            for month in range(1, 6):
                assert here.engine.compute.months("shop", [date(2026, month, 1)], here.now, "alone") == []

    run(body())


def test_parts_of_an_advance_stay_when_its_states_are_dropped(tmp_path: Path) -> None:
    async def body() -> None:
        async with world(tmp_path, [shop(substitution=ON)]) as here:
            here.now = midnight(2026, 7)
            await enter(here, [at(1, "100"), at(2, "200")])
            await here.raw.seal()
            await enter(here, [at(4, "1000")])
            before = amounts(here)
            assert (before[FEBRUARY], before[MARCH]) == ("380 substitute", "420 substitute")
            drop_all_but_newest(here.raw.folder)
            here.begin([shop(substitution=ON)])
            await enter(here, [at(5, "1010"), at(6, "1020")])
            assert amounts(here) == before | {APRIL: "10 true", MAY: "10 true"}
            here.begin([shop(substitution=SubstitutionTerms(enabled=True, former_year=False))])
            await here.engine.catch_up()
            assert (amounts(here)[FEBRUARY], amounts(here)[MARCH]) == ("380 substitute", "420 substitute")

    run(body())


def test_a_true_month_stays_a_basis_when_its_readings_are_dropped(tmp_path: Path) -> None:
    async def body() -> None:
        async with world(tmp_path, [shop(substitution=ON)]) as here:
            here.now = midnight(2026, 7) + timedelta(days=3)
            await enter(here, [state(midnight(2025, 6), "0"), state(midnight(2025, 7), "300")])
            await here.raw.seal()
            await enter(here, [at(5, "1000"), at(6, "1031")])
            before = amounts(here)
            assert before["2026-06"] == "300 substitute", "of the year before"
            drop_all_but_newest(here.raw.folder)
            here.begin([shop(substitution=ON)])
            await enter(here, [state(noon(2025, 6, 11), "90")])
            assert amounts(here) == before, "a late reading of a month that cannot be made any more"

    run(body())


class GivenUpError(BaseException):
    """As if the process were killed."""


def test_a_start_goes_on_where_the_months_of_a_run_were_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> list[Entry]:
        raise GivenUpError

    async def body() -> None:
        async with world(tmp_path, [shop(substitution=ON)]) as here:
            here.now = midnight(2026, 5)
            await enter(here, [at(1, "100"), at(2, "200")])
            with monkeypatch.context() as patched:
                patched.setattr(here.engine.compute, "months", killed)
                with pytest.raises(GivenUpError):
                    await enter(here, [at(4, "1000")])
            assert amounts(here)[FEBRUARY] == "90.323 substitute"
            here.begin([shop(substitution=ON)])
            await here.engine.catch_up()
            assert (amounts(here)[FEBRUARY], amounts(here)[MARCH]) == ("380 substitute", "420 substitute")

    run(body())


BOUNDARIES = [midnight(2025, 11), midnight(2025, 12), *(midnight(2026, month) for month in range(1, 8))]
PLACES = st.lists(st.integers(0, len(BOUNDARIES) - 1), min_size=2, max_size=6, unique=True)


@pytest.mark.timeout(300)
@settings(max_examples=10, deadline=None)
@given(PLACES, st.lists(st.integers(0, 900), min_size=6, max_size=6), st.sets(st.integers(0, 5)), st.data())
def test_in_any_order_of_arrival_months_add_up_to_what_the_register_went_up(
    tmp_path_factory: pytest.TempPathFactory, places: list[int], steps: list[int], starts: set[int], data: st.DataObject
) -> None:
    known, value = dict[int, int](), 1000
    for place, step in zip(sorted(places), steps, strict=False):
        known[place] = value = value + step
    rows = [state(BOUNDARIES[place], str(shown)) for place, shown in known.items()]
    order = data.draw(st.permutations(rows))

    async def ended(pieces: Sequence[Sequence[Reading]], starts: set[int]) -> dict[datetime, Value]:
        async with world(tmp_path_factory.mktemp("w"), [shop(substitution=ON)]) as here:
            here.now = midnight(2026, 8)
            for number, piece in enumerate(pieces):
                if number in starts:
                    here.begin([shop(substitution=ON)])
                await enter(here, piece)
            return {one.at: one for one in months(here).values()}

    def said(found: dict[datetime, Value]) -> dict[datetime, tuple[Decimal | None, RawStatus, Method]]:
        return {end: (one.amount, one.status, one.method) for end, one in found.items()}

    async def body() -> None:
        whole = await ended([rows], set())
        assert said(whole) == said(await ended([[one] for one in order], starts))
        for first, last in pairwise(sorted(known)):
            parts = [whole[end].amount for end in BOUNDARIES[first + 1 : last + 1]]
            assert None not in parts and all(one is not None and one >= 0 for one in parts)
            assert sum((one or Decimal(0) for one in parts), Decimal(0)) == known[last] - known[first]
            assert all(one is not None and one == int(one) for one in parts), "to the digits of the register"

    run(body())
