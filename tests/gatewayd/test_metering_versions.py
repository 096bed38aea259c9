"""Each value has one history: versions 1 to n, whatever is computed together, in whatever order things come."""

import asyncio
from collections.abc import Coroutine
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from gatewayd.legal_time import days, interval_ends
from gatewayd.metering.points import Installed, MeteringPoint
from gatewayd.metering.substitution_terms import SubstitutionTerms
from gatewayd.metering.values import Layer
from gatewayd.model import MeteringType, RawStatus, Reading
from gatewayd.obis import Obis
from tests.gatewayd.derived_chains import broken_chains
from tests.gatewayd.metering_world import brought, day_of, quarter, total, world

GAS = Obis.parse("7-0:3.0.0")
"""The state of the meter at the end of each interval: it goes up by one."""
HOUSE = MeteringPoint("gas", installed=(Installed("gm-1"),), channels=(GAS,))
NORTH = MeteringPoint(
    "north",
    metering_type=MeteringType.A,
    installed=(Installed("em-1"),),
    substitution=SubstitutionTerms(enabled=True),
)
POINTS = [NORTH, HOUSE, total(north=2)]
SPAN = tuple(days(date(2026, 10, 30), date(2026, 11, 2)))


def run(body: Coroutine[None, None, None]) -> None:
    asyncio.run(asyncio.wait_for(body, 100))


def gas_of(day: date) -> list[Reading]:
    before = datetime(2026, 10, 1, tzinfo=UTC)
    return [
        quarter("gm-1", at, str((at - before) // timedelta(minutes=15)), GAS, unit="m3") for at in interval_ends(day)
    ]


def test_gas_days_of_a_back_fill_are_made_once_and_never_missing(tmp_path: Path) -> None:
    async def body() -> None:
        async with world(tmp_path, [HOUSE]) as here:
            here.now = datetime(2026, 11, 5, 4, tzinfo=UTC)
            rows = [one for day in SPAN for one in gas_of(day)]
            late = rows[96 + 76 : 2 * 96]
            for day in SPAN:
                await here.raw.append(brought([one for one in gas_of(day) if one not in late]))
            await here.engine.catch_up()
            gas_days = here.values("gas", Layer.GAS_DAY, GAS)
            # The first one began on the day before the first reading; of the third one what came late is missing.
            assert [one.status for one in gas_days.values()] == [
                RawStatus.MISSING,
                RawStatus.TRUE,
                RawStatus.MISSING,
                RawStatus.TRUE,
            ]
            assert [len(here.derived.reader.history("gas", GAS, at, Layer.GAS_DAY)) for at in gas_days] == [1] * 4
            await here.bring(late)
            histories = [here.derived.reader.history("gas", GAS, at, Layer.GAS_DAY) for at in gas_days]
            assert [len(one) for one in histories] == [1, 1, 2, 1], "computed on both of its days, written once"
            assert histories[2][-1].derived.value.amount == Decimal(96)

    run(body())
    assert not broken_chains(tmp_path)


PIECES: list[list[Reading]] = [
    *(gas_of(day) for day in SPAN),
    *(day_of("em-1", day) for day in SPAN),
    [quarter("em-1", interval_ends(SPAN[1])[7], "")],
    [quarter("gm-1", interval_ends(SPAN[2])[20], "", GAS, unit="m3")],
    [quarter("gm-1", interval_ends(SPAN[1])[91], "4000", GAS, unit="m3")],
]


@settings(
    max_examples=5,
    deadline=None,
    phases=(Phase.reuse, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.permutations(range(len(PIECES))), st.sets(st.integers(0, len(PIECES) - 1), max_size=4), st.booleans())
def test_versions_are_one_to_n_in_any_order(
    tmp_path_factory: pytest.TempPathFactory, order: list[int], looks: set[int], late: bool
) -> None:
    """`looks`: behind which pieces the engine looks; `late`: all of it long ago."""

    async def body(folder: Path) -> None:
        async with world(folder, POINTS) as here:
            here.now = datetime(2026, 12, 20 if late else 3, 5, tzinfo=UTC)
            for place, piece in enumerate(order):
                await here.raw.append(brought(PIECES[piece]))
                if place in looks:
                    await here.engine.catch_up()
            await here.engine.catch_up()
            assert here.values("gas", Layer.GAS_DAY, GAS)

    folder = tmp_path_factory.mktemp("order")
    run(body(folder))
    assert not broken_chains(folder)
