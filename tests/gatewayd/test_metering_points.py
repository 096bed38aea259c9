"""What the engine makes of points with rules, substitution, control metering, phases and a transformer.

Rules: the pure functions have tests of their own; here it is whether the engine gives them what they need, and writes
down what comes of it.
"""

import asyncio
from collections.abc import Coroutine
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from gatewayd.archive.query import Reader
from gatewayd.legal_time import day_bounds, interval_ends
from gatewayd.metering.points import (
    Accuracy,
    Installed,
    MeteringPoint,
    MeteringSide,
    Netting,
    Rated,
    SupplyTransformer,
    TransformerKind,
)
from gatewayd.metering.substitution_terms import SubstitutionTerms
from gatewayd.metering.values import Layer, Method
from gatewayd.model import Flag, Kind, MeteringType, RawStatus, Reading
from gatewayd.obis import Obis
from tests.gatewayd.metering_world import DAY, EXPORT, IMPORT, NORTH, day_of, quarter, world

ENDS = interval_ends(DAY)
WEEK = timedelta(days=7)
RATED = replace(NORTH, rated=Rated(Decimal(100), Decimal(400)))
"""69.28 kVA: 17.32 kWh in a quarter-hour."""
SUBSTITUTED = replace(
    NORTH, metering_type=MeteringType.A, substitution=SubstitutionTerms(enabled=True, scale=False, longest_gap=2)
)


def run(body: Coroutine[None, None, None]) -> None:
    asyncio.run(asyncio.wait_for(body, 60))


def test_a_finding_distorts_and_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def body() -> None:
        async with world(tmp_path, [RATED]) as here:
            await here.bring([*day_of("em-1")[:50], quarter("em-1", ENDS[50], "18.000"), *day_of("em-1")[51:]])
            bad = here.values("north")[ENDS[50]]
            assert (bad.status, bad.amount, bad.rules) == (RawStatus.DISTORTED, Decimal("18.000"), ("above_maximum",))
            assert here.one("north", Layer.DAY).status is RawStatus.DISTORTED
            found = here.derived.reader.history("north", IMPORT, ENDS[50])[-1]
            assert not found.derived.validated
            assert here.derived.reader.history("north", IMPORT, ENDS[49])[-1].derived.validated
            await here.store.flush()
            (told,) = Reader(here.store.folder).audits("metering")
            assert (told.type, told.subject) == ("validation.above_maximum", "north")
            assert str(DAY) in told.detail

    run(body())
    assert "above_maximum" in caplog.text


def test_without_rules_nothing_is_validated(tmp_path: Path) -> None:
    async def body() -> None:
        names = ("backward", "zero", "above_maximum", "tariff_sum", "register_advance", "comparable", "control")
        off = {name: {"enabled": False} for name in (*names, "quadrants", "verification")}
        async with world(tmp_path, [replace(NORTH, validation=off)]) as here:
            await here.bring(day_of("em-1"))
            assert not here.derived.reader.history("north", IMPORT, ENDS[0])[0].derived.validated

    run(body())


def test_a_register_that_disagrees_is_found(tmp_path: Path) -> None:
    """24 kWh in intervals, 30 on the register."""

    async def body() -> None:
        async with world(tmp_path) as here:
            start, end = day_bounds(DAY)
            states = [state(at, text) for at, text in ((start, "100.000"), (end, "130.000"))]
            await here.bring(states)
            await here.bring(day_of("em-1"))
            assert "register_advance" in here.one("north", Layer.DAY).rules
            assert here.one("north", Layer.DAY).status is RawStatus.DISTORTED

    run(body())


def state(at: datetime, text: str) -> Reading:
    return Reading("em-1", Obis.parse("1-0:1.8.0"), "1.8.0", Kind.REGISTER, at, text.encode(), text, "kWh")


def test_a_gap_is_interpolated_and_late_values_replace_that(tmp_path: Path) -> None:
    async def body() -> None:
        async with world(tmp_path, [SUBSTITUTED]) as here:
            hole = [quarter("em-1", at, "") for at in ENDS[40:42]]
            await here.bring([*day_of("em-1")[:40], *hole, *day_of("em-1")[42:]])
            one = here.values("north")[ENDS[40]]
            assert (one.method, one.amount, one.status) == (
                Method.INTERPOLATED,
                Decimal("0.250"),
                RawStatus.PROVISIONAL,
            )
            assert here.one("north", Layer.DAY).status is RawStatus.PROVISIONAL
            here.now = day_bounds(DAY)[1] + timedelta(days=2, minutes=1)
            await here.engine.catch_up()
            assert here.values("north")[ENDS[40]].status is RawStatus.SUBSTITUTE, "settled, though nothing came"
            assert min(here.values("north")) == ENDS[0], "before that nobody looked after it"
            await here.bring([quarter("em-1", at, "0.300") for at in ENDS[40:42]])
            assert here.values("north")[ENDS[40]].method is Method.PRIMARY
            assert here.one_of("north", Layer.DAY, ENDS[-1]).status is RawStatus.TRUE
            versions = [one.derived.value.status for one in here.derived.reader.history("north", IMPORT, ENDS[40])]
            assert versions == [RawStatus.PROVISIONAL, RawStatus.SUBSTITUTE, RawStatus.TRUE]
            await here.store.flush()
            types = {one.type for one in Reader(here.store.folder).audits("metering")}
            assert "substitution.used" in types, "an event on each use"

    run(body())


def test_a_long_gap_is_filled_of_comparable_days_in_whatever_order_they_come(tmp_path: Path) -> None:
    async def body() -> None:
        async with world(tmp_path, [SUBSTITUTED]) as here:
            here.now = day_bounds(DAY)[1] + timedelta(days=3)
            hole = [quarter("em-1", at, "") for at in ENDS[20:60]]
            await here.bring([*day_of("em-1")[:20], *hole, *day_of("em-1")[60:]])
            assert here.one("north", Layer.DAY).status is RawStatus.MISSING
            await here.bring(day_of("em-1", DAY - WEEK, "0.400"))
            one = here.values("north")[ENDS[30]]
            assert (one.method, one.amount, one.status) == (Method.COMPARABLE, Decimal("0.400"), RawStatus.SUBSTITUTE)
            assert here.one_of("north", Layer.DAY, day_bounds(DAY)[1]).status is RawStatus.SUBSTITUTE
            assert f"{DAY - WEEK}" in one.reason

    run(body())


def test_control_metering_comes_first_and_is_compared(tmp_path: Path) -> None:
    main = replace(SUBSTITUTED, accuracy=Accuracy("0.5S"))
    check = MeteringPoint("check", installed=(Installed("em-2"),), control_of="north", accuracy=Accuracy("0.5S"))

    async def body() -> None:
        async with world(tmp_path, [main, check]) as here:
            await here.bring([*day_of("em-1", amount="10.000")[:95], quarter("em-1", ENDS[95], "")])
            assert here.values("north")[ENDS[95]].method is not Method.CONTROL
            await here.bring([*day_of("em-2", amount="10.000")[:50], *day_of("em-2", amount="10.500")[50:]])
            one = here.values("north")[ENDS[95]]
            assert (one.method, one.amount, one.status) == (Method.CONTROL, Decimal("10.500"), RawStatus.SUBSTITUTE)
            assert here.values("north")[ENDS[60]].rules == ("control",), "5 %, and 1 % is what the class explains"
            assert here.values("north")[ENDS[60]].status is RawStatus.TRUE, "a warning marks, and changes nothing"

    run(body())


def test_losses_are_a_layer_of_their_own(tmp_path: Path) -> None:
    point = replace(NORTH, metering_side=MeteringSide.SECONDARY, transformer=SupplyTransformer(TransformerKind.VN_NN))

    async def body() -> None:
        async with world(tmp_path, [point]) as here:
            await here.bring(day_of("em-1"))
            found = here.values("north", Layer.LOSS)
            assert len(found) == 96
            assert (found[ENDS[0]].amount, found[ENDS[0]].method) == (Decimal("0.01000"), Method.LOSS)
            assert here.values("north")[ENDS[0]].amount == Decimal("0.250"), "the energy is not touched"

    run(body())


PHASES = {"1-0:21.29.0": "3", "1-0:41.29.0": "1", "1-0:61.29.0": "0", "1-0:62.29.0": "2"}


def test_phases_are_netted(tmp_path: Path) -> None:
    """(3, 1, -2) is +2 by saldo."""
    point = replace(NORTH, netting=Netting.SALDO)

    async def body() -> None:
        async with world(tmp_path, [point]) as here:
            for code, text in PHASES.items():
                await here.bring(day_of("em-1", DAY, text, Obis.parse(code)))
            assert here.values("north")[ENDS[0]].amount == Decimal(2)
            assert here.values("north", Layer.INTERVAL, EXPORT)[ENDS[0]].amount == Decimal(0)
            assert here.one("north", Layer.DAY).amount == Decimal(192)

    run(body())


@pytest.mark.parametrize(
    "channels", [(), tuple(map(Obis.parse, PHASES)), (IMPORT, EXPORT)], ids=["none", "phases", "sum"]
)
def test_netted_values_stay_when_the_day_is_settled(tmp_path: Path, channels: tuple[Obis, ...]) -> None:
    """Of a point that has whatever there is, of one whose phases are named, and of one whose results are."""
    point = replace(NORTH, netting=Netting.SALDO, channels=channels)
    after = DAY + timedelta(days=1)

    async def body() -> None:
        async with world(tmp_path, [point]) as here:
            here.now += timedelta(days=1)
            for day in (DAY, after):
                for code, text in PHASES.items():
                    await here.bring(day_of("em-1", day, text, Obis.parse(code)))
            for _ in range(4):
                here.now += timedelta(days=1)
                await here.engine.catch_up()
            days = here.values("north", Layer.DAY)
            ends = [day_bounds(day)[1] for day in (DAY, after)]
            assert [(days[at].amount, days[at].status) for at in ends] == [(Decimal(192), RawStatus.TRUE)] * 2
            assert here.one_of("north", Layer.DAY, ends[1], EXPORT).amount == 0
            methods = {one.method for one in here.values("north").values() if one.at <= ends[1]}
            assert methods == {Method.NETTED}

    run(body())


def test_a_phase_without_a_number_costs_the_netted_values_and_no_other(tmp_path: Path) -> None:
    point = replace(NORTH, netting=Netting.SALDO)

    async def body() -> None:
        async with world(tmp_path, [point]) as here:
            for code, text in PHASES.items():
                text = "" if code.startswith("1-0:6") else text
                unit = "" if not text else "kWh"
                await here.bring([replace_unit(one, unit) for one in day_of("em-1", DAY, text, Obis.parse(code))])
            for _ in range(3):
                here.now += timedelta(days=1)
                await here.engine.catch_up()
                assert {one.status for one in here.values("north").values()} == {RawStatus.MISSING}
                assert here.values("north", Layer.INTERVAL, Obis.parse("1-0:21.29.0"))[ENDS[0]].amount == Decimal(3)
                assert (
                    here.one_of("north", Layer.DAY, day_bounds(DAY)[1], Obis.parse("1-0:21.29.0")).status
                    is RawStatus.TRUE
                )

    run(body())


def replace_unit(reading: Reading, unit: str) -> Reading:
    return msgspec.structs.replace(reading, unit=unit)


def test_flags_and_statuses_of_the_meter_stay(tmp_path: Path) -> None:
    async def body() -> None:
        async with world(tmp_path) as here:
            odd = quarter("em-1", ENDS[3], "0.250", status=RawStatus.DISTORTED, flags=Flag.CLOCK_ADJUSTED)
            await here.bring([*day_of("em-1")[:3], odd, *day_of("em-1")[4:]])
            one = here.values("north")[ENDS[3]]
            assert (one.status, one.flags) == (RawStatus.DISTORTED, Flag.CLOCK_ADJUSTED)
            assert here.one("north", Layer.DAY).flags == Flag.CLOCK_ADJUSTED

    run(body())


def test_a_meter_exchange_in_the_middle_of_a_day(tmp_path: Path) -> None:
    change = ENDS[39]
    point = MeteringPoint("north", installed=(Installed("em-1"), Installed("em-2", since=change)))

    async def body() -> None:
        async with world(tmp_path, [point]) as here:
            await here.bring(day_of("em-1", amount="1"))
            await here.bring(day_of("em-2", amount="2"))
            values = here.values("north")
            assert [values[at].amount for at in ENDS[38:42]] == [Decimal(n) for n in (1, 1, 2, 2)]
            assert here.one("north", Layer.DAY).amount == Decimal(40 + 2 * 56)

    run(body())


def test_days_of_another_length(tmp_path: Path) -> None:
    async def body() -> None:
        async with world(tmp_path) as here:
            for day, quarters in ((date(2026, 3, 29), 92), (date(2026, 10, 25), 100)):
                await here.bring(day_of("em-1", day))
                found = here.one_of("north", Layer.DAY, day_bounds(day)[1])
                assert (found.have, found.want, found.seconds) == (quarters, quarters, quarters * 900)
                assert found.amount == quarters * Decimal("0.250")

    run(body())


def test_a_hole_on_the_first_day_is_told_whether_it_is_computed_as_it_comes_or_anew(tmp_path: Path) -> None:
    """The interval that ends when the meter begins is there, and not owed: it stands for no other one."""

    async def body() -> None:
        async with world(tmp_path) as here:
            await here.bring([*day_of("em-1")[40:50], *day_of("em-1")[51:]])
            for _ in range(3):
                here.now += timedelta(days=1)
                await here.engine.catch_up()
            asked = replace(NORTH, substitution=SubstitutionTerms(enabled=False, weeks=3))
            await here.begin([asked]).catch_up()
            assert here.values("north")[ENDS[50]].status is RawStatus.MISSING
            assert here.one_of("north", Layer.DAY, day_bounds(DAY)[1]).status is RawStatus.MISSING

    run(body())
    other = MeteringPoint("north", installed=(Installed("em-1"),))

    async def anew() -> None:
        async with world(tmp_path / "anew", [other]) as here:
            here.now += timedelta(days=3)
            await here.bring([*day_of("em-1")[40:50], *day_of("em-1")[51:]])
            await here.engine.catch_up()
            assert here.values("north")[ENDS[50]].status is RawStatus.MISSING

    run(anew())
