"""The engine between the raw archive and the derived one: everything once, with its explanation, over restarts."""

import asyncio
import logging
import os
from collections.abc import Callable, Coroutine
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from gatewayd.archive.segments import segment_path
from gatewayd.archive.store import Store
from gatewayd.archive.verify import verify
from gatewayd.daemon.derived import DerivedReader, derived_folder
from gatewayd.daemon.metering_sums import SETTLED
from gatewayd.errors import ArchiveError
from gatewayd.legal_time import day_bounds, days, interval_ends
from gatewayd.metering.points import Installed, MeteringPoint
from gatewayd.metering.values import Layer, Method
from gatewayd.model import Ratio, RawStatus, Reading
from gatewayd.obis import Obis
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
WHOLE = day_bounds(DAY)[1]


def run(body: Coroutine[None, None, None]) -> None:
    asyncio.run(asyncio.wait_for(body, 60))


def test_a_day_becomes_primary_values_and_a_sum(tmp_path: Path) -> None:
    async def body() -> None:
        async with world(tmp_path) as here:
            first = (await here.bring(day_of("em-1"), Ratio("200/5", "22000/100")))[0]
            values = here.values("north")
            assert list(values) == list(ENDS)
            assert {one.amount for one in values.values()} == {Decimal("2200.000")}, "0.250 x 40 x 220"
            assert values[ENDS[0]].inputs == (first,)
            day = here.one("north", Layer.DAY)
            assert (day.at, day.seconds, day.amount) == (WHOLE, 86400, Decimal("211200.000"))
            assert (day.have, day.want, day.status) == (96, 96, RawStatus.TRUE)
            assert day.inputs == tuple(range(first, first + 96)), "down to each reading"
            assert not here.values("north", Layer.MONTH), "the month is not over"

    run(body())


def test_nothing_is_written_twice_and_a_restart_goes_on(tmp_path: Path) -> None:
    async def body() -> None:
        async with world(tmp_path) as here:
            await here.bring(day_of("em-1"))
            head = here.store.head
            await here.engine.catch_up()
            assert here.store.head == head
            again = here.begin([NORTH])
            await again.catch_up()
            assert here.store.head == head
            assert again.compute.tally.days == 0, "the cursor says that everything is done"
            await here.store.remember_all([("metering", "metering", b"{}")])  # as if it had been killed before that
            await here.begin([NORTH]).catch_up()
            assert here.engine.compute.tally.days == 1
            assert here.store.head == head, "what is the same is no new version"
        assert verify(derived_folder(tmp_path)).ok

    run(body())


def test_a_late_value_makes_new_versions_of_what_depends_on_it_alone(tmp_path: Path) -> None:
    async def body() -> None:
        points = [NORTH, SOUTH, total(north=1, south=-1)]
        async with world(tmp_path, points) as here:
            missing = [*day_of("em-1")[:40], quarter("em-1", ENDS[40], ""), *day_of("em-1")[41:]]
            await here.bring(missing)
            await here.bring(day_of("em-2", amount="0.100"))
            assert here.one("total", Layer.DAY).status is RawStatus.MISSING
            head, before = here.store.head, here.engine.compute.tally
            counted = (before.days, before.values, before.written)
            (late,) = await here.bring([quarter("em-1", ENDS[40], "0.250")])
            tally = here.engine.compute.tally
            assert tally.days - counted[0] == 2, "north and total, on one day"
            assert tally.written - counted[2] == here.store.head - head == 4, "a quarter and a day of each"
            assert here.one("total", Layer.DAY).amount == Decimal("14.400")
            versions = here.derived.reader.history("north", IMPORT, ENDS[40])
            assert [(one.derived.version, one.derived.value.status) for one in versions] == [
                (1, RawStatus.MISSING),
                (2, RawStatus.TRUE),
            ]
            assert versions[1].derived.supersedes == versions[0].seq
            assert late in versions[1].derived.value.inputs
            assert versions[1].document["author"] == "gateway"
            assert versions[1].reason == f"readings {late}-{late} of the raw archive"

    run(body())


def test_a_sum_waits_until_its_intervals_are_there_or_nothing_is_waited_for(tmp_path: Path) -> None:
    async def body() -> None:
        async with world(tmp_path) as here:
            await here.bring(day_of("em-1")[:90])
            assert len(here.values("north")) == 90
            assert not here.values("north", Layer.DAY), "the rest may still come"
            here.now = WHOLE + SETTLED + timedelta(minutes=1)
            await here.engine.catch_up()
            day = here.one("north", Layer.DAY)
            assert (day.status, day.amount, day.have, day.want) == (RawStatus.MISSING, None, 90, 96)
            await here.bring(day_of("em-1")[90:])
            assert here.one("north", Layer.DAY).amount == Decimal("24.000")

    run(body())


def test_a_month_follows_from_its_days_when_it_is_over(tmp_path: Path) -> None:
    """October has 745 hours; the maximum says when it was."""

    async def body() -> None:
        async with world(tmp_path) as here:
            readings = [one for day in days(date(2026, 10, 1), date(2026, 10, 31)) for one in day_of("em-1", day)]
            readings[2000] = quarter("em-1", readings[2000].at, "0.900")
            await here.bring(readings)
            month = here.one("north", Layer.MONTH)
            assert (month.have, month.want, month.seconds) == (2980, 2980, 745 * 3600)
            assert month.amount == Decimal("0.250") * 2979 + Decimal("0.900")
            highest = here.one("north", Layer.MAXIMUM, Obis.parse("1-0:1.6.0"))
            assert highest.amount == Decimal("3.6")
            assert highest.instant == readings[2000].at
            written = here.engine.compute.tally.written
            await here.bring([quarter("em-1", readings[5].at, "0.260")])
            assert here.engine.compute.tally.written - written == 4, "a quarter, its day, its month, the maximum"

    run(body())


def test_all_virtual_points_of_a_day_that_nobody_reads_are_missing(tmp_path: Path) -> None:
    async def body() -> None:
        async with world(tmp_path, [NORTH, SOUTH, total(north=1, south=1)]) as here:
            await here.bring(day_of("em-1"))
            assert here.one("total", Layer.DAY).status is RawStatus.MISSING, "of south there is nothing"
        async with world(tmp_path / "partial", [NORTH, SOUTH, total(True, north=1, south=1)]) as here:
            await here.bring(day_of("em-1"))
            found = here.one("total", Layer.DAY)
            assert (found.status, found.amount, found.have, found.want) == (
                RawStatus.MISSING,
                Decimal("24.000"),
                96,
                192,
            )

    run(body())


def test_another_definition_computes_all_days_again(tmp_path: Path) -> None:
    async def body() -> None:
        async with world(tmp_path) as here:
            await here.bring(day_of("em-1", amount="1"))
            other = MeteringPoint(
                "north", installed=(Installed("em-1", ratios=(Ratio("100/5", since=date(2020, 1, 1)),)),)
            )
            await here.begin([other]).catch_up()
            (first, second) = here.derived.reader.history("north", IMPORT, WHOLE, Layer.DAY)
            assert (first.derived.value.amount, second.derived.value.amount) == (Decimal(96), Decimal(1920))
            assert second.reason == "the point is new, or its definition has changed"
            await here.begin([other, SOUTH, total(north=2)]).catch_up()
            assert here.one("total", Layer.DAY).amount == Decimal(3840), "a new point gets its days of before"

    run(body())


def test_what_does_not_fit_together_costs_its_own_point_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def body() -> None:
        async with world(tmp_path, [NORTH, SOUTH, total(north=1, south=1)]) as here:
            await here.raw.append(brought(day_of("em-1")))
            odd = [quarter("em-2", at, "1", unit="m3") for at in ENDS]
            await here.bring(odd)
            assert here.one("north", Layer.DAY).amount == Decimal("24.000")
            assert len(here.values("south")) == 96
            assert not here.values("total")

    with caplog.at_level(logging.ERROR):
        run(body())
    (told,) = [one.message for one in caplog.records]
    assert "point total" in told and "m3" in told and "defect" not in told


def test_a_disk_that_is_full_moves_no_cursor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def body() -> None:
        async with world(tmp_path) as here:
            await here.raw.append(brought(day_of("em-1")))

            async def refused(*_: object) -> tuple[()]:
                raise ArchiveError("no space left on device")

            before = Store.queued
            monkeypatch.setattr(here.store, "queued", refused)
            with pytest.raises(ArchiveError):
                await here.engine.catch_up()
            assert here.engine.state.seq == 0
            monkeypatch.setattr(here.store, "queued", before.__get__(here.store))
            await here.engine.catch_up()
            assert here.one("north", Layer.DAY).amount == Decimal("24.000")

    run(body())


def test_the_task_follows_the_archive_by_itself(tmp_path: Path) -> None:
    async def body() -> None:
        async with world(tmp_path) as here:
            task = asyncio.create_task(here.engine.run())
            try:
                await here.raw.append(brought(day_of("em-1")))
                await until(lambda: here.store.head == 97)
                await here.raw.append(brought([quarter("em-1", ENDS[0], "0.300")]))
                await until(lambda: here.store.head == 99)
            finally:
                task.cancel()

    run(body())


async def until(true: Callable[[], bool]) -> None:
    """Looks often; the test has a time limit."""
    while not true():
        await asyncio.sleep(0.005)


def test_a_derived_archive_of_another_raw_one_is_computed_anew(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def body() -> None:
        async with world(tmp_path) as here:
            await here.store.remember_all([("metering", "metering", b'{"seq": 999, "looked": null}')])
            await here.bring(day_of("em-1"))
            assert here.one("north", Layer.DAY).amount == Decimal("24.000")

    run(body())
    assert "everything is computed once more" in caplog.text


PIECES = [
    *(day_of("em-1")[n : n + 24] for n in (0, 24, 48, 72)),
    day_of("em-2", amount="0.100"),
    [quarter("em-1", ENDS[7], "")],
    [quarter("em-1", ENDS[7], "0.300")],
    day_of("em-1", code=EXPORT),
    day_of("em-2", amount="0.050", code=EXPORT),
]


def settled(here: World) -> list[tuple[object, ...]]:
    """Everything that counts of the current values; numbers of readings stand for themselves."""
    found: list[tuple[object, ...]] = []
    for (point, layer, code), series in sorted(
        here.derived.reader.current_of(
            ("north", "south", "total"), list(Layer), ENDS[0] - timedelta(hours=1), ENDS[-1]
        ).items(),
        key=lambda one: (one[0][0], one[0][1].value, str(one[0][2])),
    ):
        for at, standing in sorted(series.items()):
            one = standing.derived.value
            found.append((point, layer, code, at, one.amount, one.status, one.have, one.want, len(one.inputs)))
    return found


EXPECTED: list[list[tuple[object, ...]]] = []


@settings(
    max_examples=6,
    deadline=None,
    phases=(Phase.reuse, Phase.generate),  # each example takes a second: a failure is told as it is
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.permutations(range(len(PIECES))), st.integers(1, len(PIECES)))
def test_any_order_of_arrival_ends_in_the_same_values(
    tmp_path_factory: pytest.TempPathFactory, order: list[int], restart: int
) -> None:
    """Which of two numbers is the newer one decides `conflict`; here only one of an interval is a value."""

    async def body() -> None:
        pieces = [[one for one in PIECES[n] if n in (5, 6) or (one.meter, one.at) != ("em-1", ENDS[7])] for n in order]
        points = [NORTH, SOUTH, total(north=1, south=1)]
        async with world(tmp_path_factory.mktemp("order"), points) as here:
            for count, piece in enumerate(pieces):
                if count == restart:
                    here.begin(points)
                await here.bring(piece)
            EXPECTED.append(settled(here))

    run(body())
    assert EXPECTED[-1] == EXPECTED[0]
    assert len(EXPECTED[0]) > 400


def test_versions_are_found_across_segments(tmp_path: Path) -> None:
    async def body() -> None:
        async with world(tmp_path) as here:
            await here.bring(day_of("em-1"))
            await here.store.seal()
            await here.bring([quarter("em-1", ENDS[3], "0.300")])
            await here.store.seal()
            reader = DerivedReader(here.store.folder)
            assert [one.derived.version for one in reader.history("north", IMPORT, ENDS[3])] == [1, 2]
            assert [one.derived.version for one in reader.history("north", IMPORT, WHOLE, Layer.DAY)] == [1, 2]
            assert here.values("north")[ENDS[3]].amount == Decimal("0.300")
            assert here.values("north")[ENDS[4]].amount == Decimal("0.250")

    run(body())


def test_readings_of_other_kinds_and_meters_cost_nothing(tmp_path: Path) -> None:
    async def body() -> None:
        async with world(tmp_path) as here:
            foreign: list[Reading] = day_of("em-7")
            await here.bring(foreign)
            assert (here.store.head, here.engine.compute.tally.days) == (0, 0)
            assert here.engine.state.seq == len(foreign)

    run(body())


def test_the_method_and_reason_say_what_was_done(tmp_path: Path) -> None:
    async def body() -> None:
        async with world(tmp_path, [NORTH, total(north=-1)]) as here:
            await here.bring(day_of("em-1"), Ratio("200/5"))
            assert here.values("north")[ENDS[0]].reason == "em-1 times 40"
            one = here.values("total")[ENDS[0]]
            assert (one.method, one.amount) == (Method.SUM, Decimal("-10.000"))
            (written,) = here.derived.reader.history("total", IMPORT, ENDS[0])
            parameters = written.document["parameters"]
            assert isinstance(parameters, dict) and parameters["sum"] == ["-1 north"]
            assert "backward" in parameters["rules"]

    run(body())


def test_raw_readings_of_all_segments_are_followed(tmp_path: Path) -> None:
    async def body() -> None:
        async with world(tmp_path) as here:
            for place in range(3):
                await here.raw.append(brought(day_of("em-1", DAY - timedelta(days=place))))
                await here.raw.seal()
            await here.engine.catch_up()
            assert len(here.values("north", Layer.DAY)) == 3
            await here.bring([quarter("em-1", ENDS[3], "0.300")])
            assert here.values("north")[ENDS[3]].inputs == (4, 289), "of the first segment and of the last"

    run(body())


def spoil(path: Path) -> bytes:
    """A segment that nobody can read any more; what it was."""
    path.chmod(0o640)
    whole = path.read_bytes()
    path.write_bytes(whole[:4096].ljust(len(whole), b"\0"))
    return whole


@pytest.mark.parametrize("copied", ["over it", "in its place, with its times"])
@pytest.mark.parametrize("restarted", [False, True])
def test_what_came_in_a_damaged_segment_is_derived_when_it_is_restored(
    tmp_path: Path, copied: str, *, restarted: bool
) -> None:
    async def body() -> None:
        points = [NORTH, total(north=2)]
        async with world(tmp_path, points) as here:
            for day in (DAY - timedelta(days=2), DAY - timedelta(days=1)):
                await here.raw.append(brought(day_of("em-1", day)))
                await here.raw.seal()
            broken = segment_path(tmp_path, 2)
            whole, times = spoil(broken), broken.stat()
            await here.bring(day_of("em-1"))
            await here.engine.catch_up()
            before = day_bounds(DAY)[0]
            assert [at for at in here.values("total", Layer.DAY) if at != before] == [before - timedelta(days=1), WHOLE]
            count = here.store.head
            if restarted:
                await here.begin(points).catch_up()
            assert here.store.head == count, "it is still damaged"
            if copied == "over it":
                broken.write_bytes(whole)
            else:
                copy = tmp_path / "copy"
                copy.write_bytes(whole)
                os.utime(copy, ns=(times.st_atime_ns, times.st_mtime_ns))
                copy.rename(broken)
            if restarted:
                here.begin(points)
            await here.engine.catch_up()
            assert here.values("total", Layer.DAY)[before].amount == Decimal("48.000")
            assert not here.engine.state.unreadable
            count = here.store.head
            await here.engine.catch_up()
            await here.begin(points).catch_up()
            assert here.store.head == count, "once"

    run(body())


def test_a_raw_segment_that_is_damaged_is_told_and_the_rest_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def body() -> None:
        async with world(tmp_path) as here:
            await here.raw.append(brought(day_of("em-1", DAY - timedelta(days=1))))
            await here.raw.seal()
            await here.raw.append(brought(day_of("em-1")))
            spoil(segment_path(tmp_path, 1))
            await here.engine.catch_up()
            await here.engine.catch_up()
            assert list(here.values("north", Layer.DAY)) == [WHOLE]

    run(body())
    told = [one.message for one in caplog.records if "nothing is derived of what cannot be read" in one.message]
    assert len(told) == 1 and "segment-000001" in told[0]
