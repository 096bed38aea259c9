"""The engine with substitutes of months, type C: what a missing month gets, and what replaces it, in any order."""

import asyncio
from collections.abc import Coroutine
from datetime import date, timedelta
from pathlib import Path

import pytest

from gatewayd.archive.follow import Follower
from gatewayd.daemon.metering_sums import SETTLED
from gatewayd.legal_time import instant
from gatewayd.metering.manual_history import State
from gatewayd.metering.substitution_terms import SubstitutionTerms
from gatewayd.metering.values import Layer, Method
from gatewayd.model import Flag, RawStatus, Reading
from tests.gatewayd.metering_world import world
from tests.gatewayd.months_world import (
    FIRST,
    ON,
    TOTAL,
    amounts,
    end_of,
    enter,
    estimate,
    midnight,
    months,
    noon,
    shop,
    state,
)


def run(body: Coroutine[None, None, None]) -> None:
    asyncio.run(asyncio.wait_for(body, 60))


WORKED = [  # docs/metering/substitution.md, type C
    ((2027, 3), (2027, 2), "280", "310"),
    ((2027, 3), (2027, 2), "100", "110.714"),
    ((2028, 2), (2027, 2), "280", "290"),
]


@pytest.mark.parametrize(("missing", "known", "amount", "made"), WORKED)
def test_the_worked_examples_out_of_states_of_registers(
    tmp_path: Path, missing: tuple[int, int], known: tuple[int, int], amount: str, made: str
) -> None:
    async def body() -> None:
        async with world(tmp_path, [shop(substitution=ON)]) as here:
            here.now = midnight(*missing) + timedelta(days=40)
            start, end = midnight(*known), end_of(*known)
            seqs = await enter(here, [state(start, "5000"), state(end, str(5000 + int(amount)))])
            name = f"{missing[0]}-{missing[1]:02d}"
            value = months(here)[name]
            assert (str(value.amount), value.status, value.method) == (made, RawStatus.SUBSTITUTE, Method.COMPARABLE)
            assert value.inputs == seqs and "by days" in value.reason
            assert "instead of missing (no state within 36 h" in value.reason

    run(body())


def test_a_month_before_then_one_a_year_before_then_the_truth(tmp_path: Path) -> None:
    async def body() -> None:
        async with world(tmp_path, [shop(substitution=ON)]) as here:
            here.now = midnight(2027, 6)
            await enter(here, [state(midnight(2027, 2), "1000"), state(midnight(2027, 3), "1280")])
            assert amounts(here)["2027-03"] == "310 substitute"
            assert amounts(here)["2027-04"] == "300 substitute", "of February, and of no substitute"
            await enter(here, [state(midnight(2026, 3), "100"), state(midnight(2026, 4), "600")])
            assert amounts(here)["2027-03"] == "500 substitute", "the year before"
            assert "the same period of the year before" in months(here)["2027-03"].reason
            april = len(here.derived.reader.history("shop", TOTAL, end_of(2027, 4)))
            await enter(here, [state(midnight(2027, 4), "1600")])
            assert amounts(here)["2027-03"] == "320 true"
            assert [one.derived.version for one in here.derived.reader.history("shop", TOTAL, end_of(2027, 3))] == [
                1,
                2,
                3,
            ]
            value = months(here)["2027-04"]
            assert (str(value.amount), value.status) == ("309.677", RawStatus.SUBSTITUTE), "320 x 30 / 31"
            assert len(here.derived.reader.history("shop", TOTAL, end_of(2027, 4))) == april + 1
            february = here.derived.reader.history("shop", TOTAL, end_of(2027, 2))
            assert len(february) == 1, "what does not depend on it stays"

    run(body())


def test_metering_that_comes_later_replaces_an_estimate(tmp_path: Path) -> None:
    async def body() -> None:
        async with world(tmp_path, [shop(substitution=ON)]) as here:
            here.now = midnight(2027, 4) + timedelta(days=5)
            await estimate(here, 1, "120", date(2027, 3, 1))
            value = months(here)["2027-03"]
            assert (str(value.amount), value.status, value.method) == ("120", RawStatus.PROVISIONAL, Method.ESTIMATE)
            assert Flag.MANUAL in value.flags and "number 1: boiler 2 kW, 2 h a day" in value.reason
            (written,) = here.derived.reader.history("shop", TOTAL, end_of(2027, 3))
            assert written.document["author"] == "eva" and written.channel.unit == "kWh"
            await estimate(here, 2, "125.5", date(2027, 3, 1), author="jan")
            assert amounts(here) == {"2027-03": "125.5 provisional"}
            await estimate(here, 2, "", date(2027, 3, 1), State.SUPERSEDED)
            assert amounts(here) == {"2027-03": "- missing"}, "no former one comes back"
            await estimate(here, 3, "130", date(2027, 3, 1))
            here.now = midnight(2027, 5) + timedelta(days=5)
            await enter(here, [state(midnight(2027, 4), "10"), state(midnight(2027, 5), "310")])
            assert amounts(here) == {"2027-03": "310 substitute", "2027-04": "300 true"}
            assert "metering that came later" in months(here)["2027-03"].reason
            here.begin([shop(substitution=ON)])
            head = here.store.head
            await here.engine.catch_up()
            assert here.store.head == head
            await enter(here, [state(noon(2027, 2, 28), "2", by_hand=True)])
            assert amounts(here)["2027-03"] == "8 true"

    run(body())


def test_it_is_provisional_until_the_deadline(tmp_path: Path) -> None:
    terms = SubstitutionTerms(enabled=True, deadline_days=5)

    async def body() -> None:
        async with world(tmp_path, [shop(substitution=terms)]) as here:
            here.now = midnight(2027, 3) + timedelta(hours=1)
            await enter(here, [state(midnight(2027, 2), "1000"), state(midnight(2027, 3), "1280")])
            here.now = midnight(2027, 4) + SETTLED
            await here.engine.catch_up()
            assert amounts(here)["2027-03"] == "310 provisional"
            deadline = instant(date(2027, 4, 5), terms.deadline)
            here.now = deadline - timedelta(seconds=1)
            await here.engine.catch_up()
            assert amounts(here)["2027-03"] == "310 provisional"
            here.now = deadline
            await here.engine.catch_up()
            assert amounts(here)["2027-03"] == "310 substitute"

    run(body())


def test_a_distorted_month_gets_one_and_each_register_its_own(tmp_path: Path) -> None:
    async def body() -> None:
        async with world(tmp_path, [shop(channels=(TOTAL, FIRST), substitution=ON)]) as here:
            here.now = midnight(2027, 6)
            doubtful = state(midnight(2027, 4), "1281", status=RawStatus.DISTORTED)
            await enter(here, [state(midnight(2027, 2), "1000"), state(midnight(2027, 3), "1280"), doubtful])
            rates = [state(midnight(2027, month), str(10 * month), FIRST) for month in (2, 3, 4)]
            await enter(here, rates)
            assert amounts(here)["2027-03"] == "310 substitute" and "distorted 1" in months(here)["2027-03"].reason
            assert amounts(here, FIRST)["2027-03"] == "10 true"

    run(body())


def test_off_by_default(tmp_path: Path) -> None:
    async def body() -> None:
        async with world(tmp_path, [shop()]) as here:
            here.now = midnight(2027, 6)
            await enter(here, [state(midnight(2027, 2), "1000"), state(midnight(2027, 3), "1280")])
            assert amounts(here)["2027-03"] == "- missing"

    run(body())


STATES = [
    state(midnight(2026, 3), "0"),
    state(midnight(2026, 4), "500"),
    state(midnight(2027, 2), "1000"),
    state(midnight(2027, 3), "1280"),
    state(midnight(2027, 5), "1900"),
    state(midnight(2027, 6), "2200"),
]


@pytest.mark.parametrize("order", [(0, 1, 2, 3, 4, 5), (5, 4, 3, 2, 1, 0), (4, 0, 3, 1, 5, 2)])
def test_substitutes_are_the_same_in_any_order_of_arrival(tmp_path: Path, order: tuple[int, ...]) -> None:
    async def ended(folder: Path, pieces: list[list[Reading]]) -> dict[str, str]:
        async with world(folder, [shop(substitution=ON)]) as here:
            here.now = midnight(2027, 7) + timedelta(days=20)
            for piece in pieces:
                await enter(here, piece)
            return amounts(here)

    async def body() -> None:
        whole = await ended(tmp_path / "a", [STATES])
        assert (whole["2027-03"], whole["2027-04"]) == ("388 substitute", "232 substitute"), "620, as 500 to 300"
        assert whole == await ended(tmp_path / "b", [[STATES[place]] for place in order])

    run(body())


def test_the_use_of_a_substitute_is_told_once(tmp_path: Path) -> None:
    async def body() -> None:
        async with world(tmp_path, [shop(substitution=ON)]) as here:
            here.now = midnight(2027, 5) + timedelta(days=3)
            await enter(here, [state(midnight(2027, 2), "1000"), state(midnight(2027, 3), "1280")])
            await here.engine.catch_up()
            told = [
                one.reading for one in Follower(here.store.folder).after(0, 1000) if one.reading.kind.value == "event"
            ]
            assert [(one.obis_raw, one.raw_text) for one in told] == [("substitution.used", "found")] * 2
            assert here.values("shop", Layer.MONTH, TOTAL)

    run(body())
