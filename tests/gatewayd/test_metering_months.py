"""The engine with points of type C that have no load profile: months of states of registers, whoever read them."""

import asyncio
from collections.abc import Coroutine, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewayd.archive.follow import Follower
from gatewayd.archive.verify import verify
from gatewayd.daemon.derived import derived_folder
from gatewayd.daemon.metering_sums import SETTLED
from gatewayd.metering.points import Installed
from gatewayd.metering.values import Layer, Method, Value
from gatewayd.model import Archived, Flag, Ratio, RawStatus, Reading
from gatewayd.obis import Obis
from tests.gatewayd.metering_world import NORTH, World, world
from tests.gatewayd.months_world import (
    FIRST,
    ON,
    TOTAL,
    amounts,
    end_of,
    enter,
    midnight,
    months,
    noon,
    shop,
    state,
)


def run(body: Coroutine[None, None, None]) -> None:
    asyncio.run(asyncio.wait_for(body, 60))


def test_months_are_what_the_register_went_up_between_readings_by_hand(tmp_path: Path) -> None:
    async def body() -> None:
        async with world(tmp_path, [shop(channels=())]) as here:
            here.now = datetime(2026, 5, 2, 8, tzinfo=UTC)
            seqs = await enter(
                here,
                [
                    state(noon(2026, 2, 28), "1000", by_hand=True),
                    state(noon(2026, 3, 31), "1310.5", by_hand=True),
                    state(noon(2026, 5, 1), "1500", by_hand=True),
                ],
            )
            assert amounts(here) == {"2026-03": "310.5 true", "2026-04": "189.5 true"}
            march = months(here)["2026-03"]
            assert (march.inputs, march.method, march.flags) == (seqs[:2], Method.PRIMARY, Flag.MANUAL)
            assert march.seconds == 743 * 3600 and march.at == end_of(2026, 3)
            assert "1000 kWh (2026-02-28 12:00+01:00) to 1310.5 kWh (2026-03-31 12:00+02:00)" in march.reason
            assert here.values("shop", Layer.DAY, TOTAL) == {} == here.values("shop", Layer.INTERVAL, TOTAL)
            before = here.store.head
            await here.engine.catch_up()
            here.begin([shop(channels=())])
            await here.engine.catch_up()
            assert here.store.head == before, "computed twice, written once"
        assert verify(derived_folder(tmp_path)).ok

    run(body())


def test_a_state_of_the_boundary_goes_before_one_near_it_and_true_before_doubtful(tmp_path: Path) -> None:
    async def body() -> None:
        async with world(tmp_path, [shop()]) as here:
            here.now = datetime(2026, 4, 2, 8, tzinfo=UTC)
            await enter(here, [state(midnight(2026, 3), "1000")])
            end = midnight(2026, 4)
            await enter(here, [state(end - timedelta(hours=20), "1090")])
            assert amounts(here) == {}, "a nearer one may come until the month is settled"
            await enter(here, [state(end + timedelta(hours=30), "1111")])
            assert amounts(here) == {"2026-03": "90 true"}, "the nearest of both"
            await enter(here, [state(noon(2026, 3, 31), "1095", by_hand=True)])
            assert amounts(here) == {"2026-03": "95 true"}
            await enter(here, [state(end + timedelta(minutes=15), "1101", status=RawStatus.DISTORTED)])
            assert amounts(here) == {"2026-03": "101 distorted"}
            await enter(here, [state(end - timedelta(minutes=45), "1099")])
            assert amounts(here) == {"2026-03": "99 true"}, "a true one of the same hour"
            await enter(here, [state(end, "1100")])
            assert amounts(here) == {"2026-03": "100 true"}
            assert [one.derived.version for one in here.derived.reader.history("shop", TOTAL, end)] == [1, 2, 3, 4, 5]

    run(body())


def test_values_of_billing_periods_are_of_the_end_that_the_meter_says(tmp_path: Path) -> None:
    async def body() -> None:
        async with world(tmp_path, [shop(channels=())]) as here:
            here.now = datetime(2026, 4, 20, 8, tzinfo=UTC)
            at = datetime(2026, 4, 20, 7, 59, tzinfo=UTC)
            history = [
                (27, "2604010000", "1400"),
                (26, "26-03-01,00:00", "1300"),
                (25, "0260201000000", "1000"),
                (24, "26-01-15 16:02", "950"),
                (23, "nothing", "900"),
            ]
            rows = [state(at, "1450"), state(at, "700", FIRST)]
            for place, time, text in history:
                mark = "&" if place == 24 else "*"
                rows.append(state(at, time, Obis.parse(f"1-0:0.1.2{mark}{place}"), unit=""))
                rows.append(state(at, text, Obis.parse(f"1-0:1.8.0{mark}{place}")))
            await enter(here, rows)
            assert amounts(here) == {"2026-02": "300 true", "2026-03": "100 true"}
            assert "billing value" in months(here)["2026-03"].reason
            assert amounts(here, FIRST) == {}
            own = state(midnight(2026, 4), "680", Obis.parse("1-0:1.8.1*27"), meter_time="2604010000")
            await enter(here, [own, state(midnight(2026, 3), "600", FIRST)])
            assert amounts(here, FIRST) == {"2026-03": "80 true"}, "one that has a time of its own"

    run(body())


def test_a_month_without_its_state_is_missing_when_it_is_settled_or_a_later_state_is_there(tmp_path: Path) -> None:
    async def body() -> None:
        async with world(tmp_path, [shop()]) as here:
            here.now = midnight(2026, 3) + timedelta(hours=1)
            await enter(here, [state(midnight(2026, 2), "1000"), state(midnight(2026, 3), "1100")])
            assert amounts(here) == {"2026-02": "100 true"}
            here.now = midnight(2026, 4) + SETTLED - timedelta(seconds=1)
            await here.engine.catch_up()
            assert "2026-03" not in amounts(here)
            here.now += timedelta(seconds=1)
            await here.engine.catch_up()
            assert amounts(here)["2026-03"] == "- missing"
            march = months(here)["2026-03"]
            assert "no state within 36 h of 2026-03-31 24:00+02:00" in march.reason
            here.now = midnight(2026, 6) + timedelta(hours=1)
            await enter(here, [state(midnight(2026, 6), "1400")])
            assert amounts(here) == {
                "2026-02": "100 true",
                "2026-03": "- missing",
                "2026-04": "- missing",
                "2026-05": "- missing",
            }
            await enter(here, [state(midnight(2026, 4), "1210"), state(midnight(2026, 5), "1300")])
            assert amounts(here) == {
                "2026-02": "100 true",
                "2026-03": "110 true",
                "2026-04": "90 true",
                "2026-05": "100 true",
            }

    run(body())


def test_a_value_of_a_past_period_takes_the_place_of_a_missing_month(tmp_path: Path) -> None:
    async def body() -> None:
        async with world(tmp_path, [shop()]) as here:
            here.now = midnight(2026, 6) - timedelta(days=10)
            await enter(here, [state(midnight(2026, 3), "1000")])
            assert amounts(here)["2026-03"] == "- missing"
            at = here.now - timedelta(minutes=1)
            past = Obis.parse("1-0:1.8.0*27")
            await enter(here, [state(at, "2604010000", Obis.parse("1-0:0.1.2*27"), unit=""), state(at, "1100", past)])
            assert amounts(here)["2026-03"] == "100 true", "it was read in May"
            await enter(here, [state(at, "9999", past)])
            here.begin([shop(substitution=ON)])
            await here.engine.catch_up()
            assert amounts(here)["2026-03"] == "100 true", "of another answer, which does not say of when it is"

    run(body())


def test_months_between_are_made_when_what_came_before_arrives_last(tmp_path: Path) -> None:
    async def body() -> None:
        async with world(tmp_path, [shop()]) as here:
            here.now = datetime(2026, 8, 20, tzinfo=UTC)
            await enter(here, [state(midnight(2026, 5), "1400")])
            assert "2026-04" not in amounts(here)
            await enter(here, [state(midnight(2026, 1), "1000")])
            assert [month for month, one in amounts(here).items() if one == "- missing"][:4] == [
                f"2026-0{number}" for number in (1, 2, 3, 4)
            ]

    run(body())


OLD = Installed("em-1", ratios=(Ratio(ct="100/5"),))
NEW = Installed("em-7", since=datetime(2026, 3, 10, 9, 0, tzinfo=UTC))


def test_a_meter_exchange_adds_the_parts_of_both(tmp_path: Path) -> None:
    async def body() -> None:
        async with world(tmp_path, [shop(OLD, NEW)]) as here:
            here.now = datetime(2026, 4, 20, tzinfo=UTC)
            direct, ratio = Ratio(), OLD.ratios[0]
            await enter(here, [state(midnight(2026, 3), "1000")], ratio)
            await enter(here, [state(midnight(2026, 4), "55", meter="em-7")], direct)
            assert amounts(here)["2026-03"] == "- missing"
            assert "no state of em-1 around 2026-03-10 10:00+01:00" in months(here)["2026-03"].reason
            await enter(here, [state(noon(2026, 3, 10), "1003", by_hand=True)], ratio)
            await enter(here, [state(noon(2026, 3, 10), "5", meter="em-7", by_hand=True)], direct)
            assert amounts(here)["2026-03"] == "110 true", "3 x 20 and 50"
            assert Flag.CONFIG_CHANGED in months(here)["2026-03"].flags

    run(body())


def test_what_is_of_another_day_than_the_exchange_is_distorted(tmp_path: Path) -> None:
    async def body() -> None:
        async with world(tmp_path, [shop(Installed("em-1"), NEW)]) as here:
            here.now = datetime(2026, 4, 20, tzinfo=UTC)
            rows = [state(midnight(2026, 3), "1000"), state(noon(2026, 3, 9), "1003")]
            await enter(here, rows)
            await enter(
                here, [state(noon(2026, 3, 10), "5", meter="em-7"), state(midnight(2026, 4), "55", meter="em-7")]
            )
            assert amounts(here)["2026-03"] == "53 distorted"

    run(body())


def test_a_change_of_ratio_parts_the_month_at_a_state(tmp_path: Path) -> None:
    async def body() -> None:
        at = noon(2026, 3, 12)
        changed = Installed("em-1", ratios=(Ratio(ct="100/5"), Ratio(ct="200/5", since=at)))
        async with world(tmp_path, [shop(changed)]) as here:
            here.now = datetime(2026, 4, 20, tzinfo=UTC)
            ratio = changed.ratios[0]
            await enter(here, [state(midnight(2026, 3), "100"), state(midnight(2026, 4), "110")], ratio)
            assert amounts(here)["2026-03"] == "- missing"
            assert "when the ratio changed" in months(here)["2026-03"].reason
            await enter(here, [state(at, "104")], ratio)
            assert amounts(here)["2026-03"] == "320 true", "4 x 20 and 6 x 40"

    run(body())


def test_a_register_that_goes_back_and_one_that_begins_again(tmp_path: Path) -> None:
    async def body() -> None:
        async with world(tmp_path, [shop(channels=(TOTAL, FIRST))]) as here:
            here.now = datetime(2026, 4, 20, tzinfo=UTC)
            await enter(here, [state(midnight(2026, 3), "99990.5"), state(midnight(2026, 4), "00010.0")])
            assert amounts(here)["2026-03"] == "19.5 true" and Flag.OVERFLOW in months(here)["2026-03"].flags
            await enter(here, [state(midnight(2026, 3), "50", FIRST), state(midnight(2026, 4), "10", FIRST)])
            assert amounts(here, FIRST)["2026-03"] == "- missing"
            back = months(here, FIRST)["2026-03"]
            assert Flag.BACKWARD in back.flags and "goes back from 50 to 10" in back.reason and back.inputs
            here.now = datetime(2026, 6, 20, tzinfo=UTC)
            await enter(here, [state(midnight(2026, 5), "95000"), state(midnight(2026, 6), "50000")])
            assert amounts(here)["2026-05"] == "- missing", "it was set to something, and did not begin again"

    run(body())


def test_another_number_of_the_same_meter_is_an_exchange_where_states_are_around_it(tmp_path: Path) -> None:
    async def body() -> None:
        async with world(tmp_path, [shop()]) as here:
            here.now = datetime(2026, 4, 20, tzinfo=UTC)
            await enter(here, [state(midnight(2026, 3), "1000")], serial="A")
            await enter(here, [state(midnight(2026, 4), "30")], serial="B")
            assert amounts(here)["2026-03"] == "- missing" and "serial number" in months(here)["2026-03"].reason
            await enter(here, [state(noon(2026, 3, 9), "1040")], serial="A")
            await enter(here, [state(noon(2026, 3, 10), "0")], serial="B")
            assert amounts(here)["2026-03"] == "70 true"

    run(body())


def test_units_of_states_may_differ_by_a_power_of_ten(tmp_path: Path) -> None:
    async def body() -> None:
        async with world(tmp_path, [shop()]) as here:
            here.now = datetime(2026, 4, 20, tzinfo=UTC)
            await enter(here, [state(midnight(2026, 3), "1000000", unit="Wh"), state(midnight(2026, 4), "1010.5")])
            assert amounts(here)["2026-03"] == "10.500000 true" or amounts(here)["2026-03"] == "10.500 true"

    run(body())


def test_a_month_before_the_first_state_is_none_and_other_points_stay_as_they_are(tmp_path: Path) -> None:
    async def body() -> None:
        async with world(tmp_path, [shop(), NORTH]) as here:
            here.now = datetime(2026, 6, 20, tzinfo=UTC)
            await enter(here, [state(noon(2026, 3, 12), "100"), state(midnight(2026, 4), "110")])
            await enter(here, [state(midnight(2026, 5), "130"), state(midnight(2026, 6), "160")])
            assert amounts(here) == {"2026-04": "20 true", "2026-05": "30 true"}
            assert here.values("north", Layer.MONTH, TOTAL) == {}

    run(body())


def test_another_definition_computes_all_months_again(tmp_path: Path) -> None:
    async def body() -> None:
        async with world(tmp_path, [NORTH]) as here:
            here.now = datetime(2026, 5, 20, tzinfo=UTC)
            await enter(here, [state(midnight(2026, month), str(1000 + month)) for month in (2, 3, 5)])
            here.begin([NORTH, shop()])
            await here.engine.catch_up()
            assert amounts(here) == {"2026-02": "1 true", "2026-03": "- missing", "2026-04": "- missing"}

    run(body())


BOUNDARIES = [midnight(2026, month) for month in range(1, 8)]
TIMES = st.builds(lambda at, hours: at + timedelta(hours=hours), st.sampled_from(BOUNDARIES), st.integers(-40, 40))


@pytest.mark.timeout(300)
@settings(max_examples=10, deadline=None)
@given(st.lists(TIMES, min_size=2, max_size=9, unique=True), st.data())
def test_in_any_order_of_arrival_the_months_are_the_same_and_add_up(
    tmp_path_factory: pytest.TempPathFactory, times: list[datetime], data: st.DataObject
) -> None:
    rows = [state(at, str(1000 + 7 * number * number)) for number, at in enumerate(sorted(times))]
    shuffled = data.draw(st.permutations(rows))

    async def ended(order: Sequence[Reading], pieces: int) -> dict[str, str]:
        async with world(tmp_path_factory.mktemp("w"), [shop()]) as here:
            here.now = datetime(2026, 8, 20, tzinfo=UTC)
            step = -(-len(order) // pieces)
            for start in range(0, len(order), step):
                await enter(here, order[start : start + step])
            true = [one for one in months(here).values() if one.status is RawStatus.TRUE]
            runs: list[list[Value]] = []
            for one in sorted(true, key=lambda value: value.at):
                assert one.amount is not None and one.amount >= 0
                if runs and runs[-1][-1].at == one.start:
                    runs[-1].append(one)
                else:
                    runs.append([one])
            by_seq = {one.seq: one.reading.value or Decimal(0) for one in _archived(here)}
            for part in runs:
                ends = [by_seq[seq] for one in part for seq in one.inputs]
                summed = sum((one.amount or Decimal(0) for one in part), Decimal(0))
                assert summed == max(ends) - min(ends), "what ends a month begins the next"
            return amounts(here)

    async def body() -> None:
        whole = await ended(rows, 1)
        assert whole == await ended(shuffled, 3)
        assert whole == await ended(shuffled, len(shuffled))

    run(body())


def _archived(here: World) -> list[Archived]:
    return Follower(here.raw.folder).after(0, 1000)
