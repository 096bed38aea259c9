"""Events of metering points as the engine tells them: with the values, once, and when they are over."""

import asyncio
from collections.abc import Coroutine, Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from gatewayd.archive.follow import Follower
from gatewayd.archive.store import Store
from gatewayd.daemon import derived
from gatewayd.daemon.derived_events import once, standing
from gatewayd.errors import ArchiveError
from gatewayd.legal_time import day_bounds, days, interval_ends
from gatewayd.metering.events import OTHER_LENGTH, RATIO, RECOUNTED, SUBSTITUTION, PointEvent, State, event_of
from gatewayd.metering.points import Installed, MeteringPoint, Rated
from gatewayd.metering.substitution_terms import SubstitutionTerms
from gatewayd.metering.values import Layer, Method
from gatewayd.model import Kind, MeteringType, Ratio, Reading
from gatewayd.obis import Obis
from gatewayd.severity import Severity
from tests.gatewayd.metering_world import (
    DAY,
    EXPORT,
    IMPORT,
    NORTH,
    SOUTH,
    World,
    brought,
    day_of,
    quarter,
    total,
    world,
)

ENDS = interval_ends(DAY)
START, END = day_bounds(DAY)
RATED = replace(NORTH, rated=Rated(Decimal(100), Decimal(400)))
"""69.28 kVA: 17.32 kWh in a quarter-hour."""
SUBSTITUTED = replace(
    NORTH, metering_type=MeteringType.A, substitution=SubstitutionTerms(enabled=True, scale=False, longest_gap=2)
)
MAXIMUM = "validation.above_maximum"
Told = list[tuple[str, str, str]]


def run(body: Coroutine[None, None, None]) -> None:
    asyncio.run(asyncio.wait_for(body, 60))


def events(here: World) -> list[PointEvent]:
    """All that was told, in the order of the archive."""
    found = Follower(here.store.folder).after(0, 1_000_000)
    return [event_of(one.reading) for one in found if one.reading.kind is Kind.EVENT]


def told(here: World) -> Told:
    return [(one.type, one.state.value, "" if one.obis is None else one.obis.reduced()) for one in events(here)]


def with_peak(amount: str = "18.000") -> list[Reading]:
    return [*day_of("em-1")[:50], quarter("em-1", ENDS[50], amount), *day_of("em-1")[51:]]


def state(at: datetime, text: str, code: str = "1-0:1.8.0", unit: str = "kWh", meter: str = "em-1") -> Reading:
    return Reading(meter, Obis.parse(code), code, Kind.REGISTER, at, text.encode(), text, unit)


# -- findings ---------------------------------------------------------------------------------------------------------


def test_a_finding_is_one_event_written_with_its_values(tmp_path: Path) -> None:
    async def body() -> None:
        async with world(tmp_path, [RATED]) as here:
            await here.bring([quarter("em-1", at, "18.000" if n in (50, 60) else "0.250") for n, at in enumerate(ENDS)])
            (one,) = events(here)
            assert (one.type, one.obis, one.state, one.severity) == (MAXIMUM, IMPORT, State.FOUND, Severity.ERROR)
            assert (one.day, one.at, one.scope, one.layer) == (DAY, END, Layer.DAY, Layer.INTERVAL)
            assert (one.count, one.amount, one.unit) == (2, Decimal("18.000"), "kWh")
            assert (one.start, one.end) == (ENDS[49], ENDS[60])
            rows = Follower(here.store.folder).after(0, 1000)
            (event,) = [row for row in rows if row.reading.kind is Kind.EVENT]
            (value,) = [
                row for row in rows if row.reading.at == ENDS[50] and row.reading.obis_raw == Layer.INTERVAL.value
            ]
            assert event.exchange == value.exchange, "one exchange is written at once or not at all"
            layers = {layer for _, _, layer, _ in here.derived.reader.channels()}
            assert layers == {Layer.INTERVAL.value, Layer.DAY.value}, "an event is no channel"

    run(body())


def test_it_is_not_repeated_by_what_is_computed_again_nor_by_new_versions(tmp_path: Path) -> None:
    async def body() -> None:
        async with world(tmp_path, [RATED]) as here:
            await here.bring(with_peak())
            head = here.store.head
            here.begin([RATED])
            await here.engine.catch_up()
            here.begin([replace(RATED, evaluation=timedelta(hours=1))])  # all of its days are computed again
            await here.engine.catch_up()
            assert here.store.head > head
            await here.bring([quarter("em-1", ENDS[50], "19.000")])
            assert here.values("north")[ENDS[50]].rules == ("above_maximum",)
            assert len(here.derived.reader.history("north", IMPORT, ENDS[50])) == 2, "the value has a new version"
            assert told(here) == [(MAXIMUM, "found", "1.29.0")]

    run(body())


def test_it_is_over_once_and_may_begin_again(tmp_path: Path) -> None:
    async def body() -> None:
        async with world(tmp_path, [RATED]) as here:
            here.now = END + timedelta(days=3)
            await here.bring(with_peak())
            with_rules_off = replace(RATED, validation={"above_maximum": {"enabled": False}})
            for point in (with_rules_off, with_rules_off, RATED):
                here.begin([point])
                await here.engine.catch_up()
            assert [state for _, state, _ in told(here)] == ["found", "over", "found"]
            (now,) = standing(here.derived.reader, ["north"], START, END).values()
            assert now.state is State.FOUND

    run(body())


def test_a_change_of_one_channel_leaves_what_was_told_of_the_others(tmp_path: Path) -> None:
    async def body() -> None:
        async with world(tmp_path, [RATED]) as here:
            await here.bring(with_peak())
            await here.bring(day_of("em-1", code=EXPORT))
            await here.bring([quarter("em-1", ENDS[3], "0.300", EXPORT)])
            assert told(here) == [(MAXIMUM, "found", "1.29.0")]

    run(body())


def test_a_register_is_told_with_the_channel_of_its_energy_and_its_inputs(tmp_path: Path) -> None:
    async def body() -> None:
        async with world(tmp_path) as here:
            await here.bring([state(START, "100.000"), state(END, "130.000")])
            await here.bring(day_of("em-1"))
            (one,) = events(here)
            assert (one.type, one.obis, one.inputs) == ("validation.register_advance", IMPORT, (1, 2))
            assert (one.amount, one.limit) == (Decimal("24.000"), Decimal("30.000"))

    run(body())


def test_what_a_month_shows_is_told_of_the_month(tmp_path: Path) -> None:
    """Each day is a little off, within the digits of a register without places; the month is not."""
    month = list(days(date(2026, 10, 1), date(2026, 10, 31)))

    async def body() -> None:
        async with world(tmp_path) as here:
            here.now = datetime(2026, 11, 5, 5, 0, tzinfo=UTC)
            amounts = {day: Decimal("0.250") * len(interval_ends(day)) for day in month}
            level, states = Decimal(1000), [state(day_bounds(month[0])[0], "1000")]
            for day in month:
                level += amounts[day] + Decimal("0.9")
                states.append(state(day_bounds(day)[1], f"{level:.0f}"))
            await here.raw.append(brought(states))
            for day in month:
                await here.raw.append(brought(day_of("em-1", day)))
            await here.engine.catch_up()
            of_month = [one for one in events(here) if one.scope is Layer.MONTH]
            assert [(one.type, one.day, one.at) for one in of_month] == [
                ("validation.register_advance", month[0], day_bounds(month[-1])[1])
            ]
            before = told(here)
            here.begin([replace(NORTH, evaluation=timedelta(hours=1))])  # everything is computed again
            await here.engine.catch_up()
            assert told(here) == before
            await here.bring([quarter("em-1", interval_ends(month[3])[7], "9.000")])
            assert told(here)[-1] == (*before[-1][:1], "over", "1.29.0"), "of two values none is true: no upper bound"

    run(body())


# -- substitutes ------------------------------------------------------------------------------------------------------


def test_a_use_of_substitutes_is_told_and_that_it_is_over(tmp_path: Path) -> None:
    async def body() -> None:
        async with world(tmp_path, [SUBSTITUTED]) as here:
            hole = [quarter("em-1", at, "") for at in ENDS[40:42]]
            await here.bring([*day_of("em-1")[:40], *hole, *day_of("em-1")[42:]])
            (one,) = events(here)
            assert (one.type, one.method, one.count, one.amount) == (SUBSTITUTION, "interpolated", 2, Decimal("0.500"))
            assert one.text.endswith("2 of them provisional") and (one.start, one.end) == (ENDS[39], ENDS[41])
            here.now = END + timedelta(days=2, minutes=1)
            await here.engine.catch_up()
            assert here.values("north")[ENDS[40]].status.text == "substitute"
            assert told(here)[:1] == [(SUBSTITUTION, "found", "1.29.0")]
            assert len([one for one in events(here) if one.day == DAY]) == 1, "settled is no other use"
            await here.bring([quarter("em-1", at, "0.300") for at in ENDS[40:42]])
            assert [state for _, state, _ in told(here) if state] == ["found", "over"]
            assert events(here)[-1].day == DAY

    run(body())


def test_a_virtual_point_uses_none_though_it_is_made_of_some(tmp_path: Path) -> None:
    async def body() -> None:
        async with world(tmp_path, [SUBSTITUTED, SOUTH, total(north=1, south=1)]) as here:
            await here.bring(day_of("em-2"))
            hole = [quarter("em-1", at, "") for at in ENDS[40:42]]
            await here.bring([*day_of("em-1")[:40], *hole, *day_of("em-1")[42:]])
            assert here.values("total")[ENDS[40]].method is Method.SUM
            assert {one.point for one in events(here)} == {"north"}

    run(body())


# -- written or not ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("after", [0, 1])
def test_what_could_not_be_written_is_told_when_it_can_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    """Each exchange is a transaction of its own, and the disk refuses all behind some: what these would have told is
    told later, and nothing twice."""
    point = replace(RATED, metering_type=MeteringType.A, substitution=SUBSTITUTED.substitution)
    monkeypatch.setattr(derived, "_MOST", 1)

    async def body() -> None:
        async with world(tmp_path, [point]) as here:
            await here.raw.append(brought([*with_peak()[:40], quarter("em-1", ENDS[40], ""), *with_peak()[41:]]))
            await here.raw.append(brought([hourly(at) for at in ENDS[3::4]]))
            queued, calls = Store.queued, 0

            async def refused(*bundle: object) -> object:
                nonlocal calls
                calls += 1
                if calls > after:
                    raise ArchiveError("no space left on device")
                return await queued(here.store, *bundle)  # type: ignore[arg-type]

            monkeypatch.setattr(here.store, "queued", refused)
            with pytest.raises(ArchiveError):
                await here.engine.catch_up()
            here.engine.compute.forget()  # as the task does
            assert len(events(here)) == (3 if after else 0), "they came with the intervals"
            monkeypatch.setattr(here.store, "queued", queued.__get__(here.store))
            await here.engine.catch_up()
            here.begin([point])
            await here.engine.catch_up()
            assert sorted(told(here)) == [
                (OTHER_LENGTH, "found", ""),
                (SUBSTITUTION, "found", "1.29.0"),
                (MAXIMUM, "found", "1.29.0"),
            ]

    run(body())


def hourly(at: datetime, meter: str = "em-1") -> Reading:
    return Reading(meter, IMPORT, str(IMPORT), Kind.INTERVAL, at, b"1", "1.000", "kWh", interval_s=3600)


# -- what is told once for a point ------------------------------------------------------------------------------------


def test_intervals_of_another_length_are_told_once_though_nothing_is_made_of_them(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def body() -> None:
        async with world(tmp_path) as here:
            for day in (DAY - timedelta(days=1), DAY):
                await here.bring([hourly(at) for at in interval_ends(day)[3::4]])
            assert here.values("north") == {}
            (one,) = events(here)
            assert (one.type, one.obis, one.subject, one.day) == (OTHER_LENGTH, None, "3600", DAY - timedelta(days=1))
            assert "policy: {period: 60m}" in one.text
            here.begin([NORTH])
            await here.bring([hourly(at) for at in interval_ends(DAY + timedelta(days=1))[3::4]])
            assert len(events(here)) == 1

    run(body())
    assert caplog.text.count("intervals of 3600 s are passed over") == 1


def test_another_ratio_than_was_archived_is_told_once_and_stands_with_the_values(tmp_path: Path) -> None:
    dated = Ratio("200/5", since=date(2020, 1, 1))
    point = MeteringPoint("north", installed=(Installed("em-1", ratios=(dated,)),))

    async def body() -> None:
        async with world(tmp_path, [point]) as here:
            for day in (DAY - timedelta(days=1), DAY):
                await here.bring(day_of("em-1", day), Ratio("100/5"))
            (one,) = events(here)
            assert (one.type, one.obis, one.subject) == (RECOUNTED, IMPORT, "em-1: 100/5 > 200/5")
            assert "archived with the ratio 100/5, counted with 200/5" in one.text
            written = here.derived.reader.history("north", IMPORT, ENDS[50])[-1]
            assert "counted with 200/5" in str(written.document["remarks"])

    run(body())


def pointed(ct: str) -> MeteringPoint:
    return MeteringPoint("north", installed=(Installed("em-1", ratios=(Ratio(ct, since=date(2020, 1, 1)),)),))


def test_a_ratio_that_the_meter_has_set_itself_is_compared_when_it_is_read(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def ratio(text: str, day: int) -> Reading:
        return state(START + timedelta(days=day, hours=10), text, "1-0:0.4.2", "")

    async def body() -> None:
        async with world(tmp_path, [pointed("200/5")]) as here:
            await here.bring([ratio("40", 0)])
            assert events(here) == []
            for day in (1, 2):
                (seq,) = await here.bring([ratio("80", day)])
                (one,) = events(here)
            assert (one.type, one.obis, one.subject) == (RATIO, None, "em-1: CT")
            assert one.text == "meter em-1: its CT ratio is 80, configured is 200/5; correct whichever is wrong"
            assert (one.inputs, one.at) == ((seq - 1,), day_bounds(DAY + timedelta(days=1))[1])
            here.begin([pointed("200/5")])
            await here.engine.catch_up()
            assert len(events(here)) == 1, "a restart tells nothing anew"
            here.begin([pointed("400/5")])
            await here.engine.catch_up()
            assert [state for _, state, _ in told(here)] == ["found", "over"], "the configuration was put right"
            await here.bring([ratio("40", 3)])
            assert [state for _, state, _ in told(here)] == ["found", "over", "found"]
            assert {key.type for key in once(here.derived.reader, ["north"])} == {RATIO}

    run(body())
    assert caplog.text.count("its CT ratio is") == 2, "in the log once by each engine that found it"


# -- quadrants --------------------------------------------------------------------------------------------------------
PLUS_R, Q1, Q2 = (Obis.parse(f"1-0:{group}.29.0") for group in (3, 5, 6))


def reactive(code: Obis, amount: str, ends: Iterable[datetime] = ENDS) -> list[Reading]:
    return [quarter("em-1", at, amount, code, unit="kvarh") for at in ends]


def test_plus_r_of_a_meter_that_has_quadrants_only(tmp_path: Path) -> None:
    point = replace(NORTH, channels=(IMPORT, PLUS_R))

    async def body() -> None:
        async with world(tmp_path, [point, total(north=2)]) as here:
            await here.bring([*day_of("em-1"), *reactive(Q1, "0.100"), *reactive(Q2, "0.050")])
            assert here.one("north", Layer.DAY, PLUS_R).amount == Decimal("14.400")
            assert here.values("north", Layer.INTERVAL, Q1) == {}, "no channel of the point"
            await here.bring(reactive(Q2, "0.070", ENDS[9:10]))
            assert here.values("north", Layer.INTERVAL, PLUS_R)[ENDS[9]].amount == Decimal("0.170")
            assert here.values("total", Layer.INTERVAL, PLUS_R)[ENDS[9]].amount == Decimal("0.340")
            assert here.values("north", Layer.INTERVAL, PLUS_R)[ENDS[9]].method is Method.SUM

    run(body())


def test_quadrants_that_disagree_are_told_also_when_a_part_comes_late(tmp_path: Path) -> None:
    async def body() -> None:
        async with world(tmp_path) as here:
            others = [at for at in ENDS if at != ENDS[9]]
            await here.bring([*reactive(PLUS_R, "0.150"), *reactive(Q1, "0.100"), *reactive(Q2, "0.050", others)])
            assert events(here) == []
            late = await here.bring(reactive(Q2, "0.100", ENDS[9:10]))
            (one,) = events(here)
            assert (one.type, one.obis, one.severity) == ("validation.quadrants", PLUS_R, Severity.WARNING)
            assert (one.amount, one.limit, one.end) == (Decimal("0.150"), Decimal("0.200"), ENDS[9])
            assert here.values("north", Layer.INTERVAL, PLUS_R)[ENDS[9]].rules == ("quadrants",)
            assert len(late) == 1

    run(body())
