"""Points whose metering periods differ, in one sum and in one month: hours, quarter-hours and five minutes."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import permutations
from pathlib import Path

import msgspec
import pytest

from gatewayd.daemon import metering_build
from gatewayd.daemon.metering_steps import Step
from gatewayd.daemon.metering_virtual import virtual_step
from gatewayd.legal_time import QUARTER, day_bounds, instant, interval_ends
from gatewayd.metering.periods import common
from gatewayd.metering.points import Installed, MeteringPoint
from gatewayd.metering.values import Layer, Value
from gatewayd.metering.virtual import Virtual
from gatewayd.model import RawStatus, Reading
from gatewayd.obis import Obis
from tests.gatewayd.metering_world import DAY, IMPORT, NOW, World, brought, quarter, world

HALF, HOUR, FIVE = timedelta(minutes=30), timedelta(hours=1), timedelta(minutes=5)
AUTUMN = date(2026, 10, 25)
MAXIMUM = Obis.parse("1-0:1.6.0")
HEAT = Obis.parse("6-0:1.0.0")
D = Decimal


def meter(name: str, period: timedelta, evaluation: timedelta = HOUR) -> MeteringPoint:
    """A point with the meter of its name."""
    return MeteringPoint(name, installed=(Installed(f"m-{name}"),), period=period, evaluation=evaluation)


def total(
    name: str,
    period: timedelta,
    terms: Mapping[str, str | int],
    *,
    partial: bool = False,
    channels: Sequence[Obis] = (),
) -> MeteringPoint:
    """A sum."""
    parts = Virtual(name, {one: D(factor) for one, factor in terms.items()}, partial)
    return MeteringPoint(name, sum=parts, period=period, evaluation=HOUR, channels=tuple(channels))


FAST, HALVES, SLOW = meter("fast", QUARTER), meter("halves", HALF), meter("slow", HOUR)
BOTH = total("both", HOUR, {"fast": 1, "slow": 1})
INNER = total("inner", HALF, {"fast": 1, "halves": -1})
OUTER = total("outer", HOUR, {"inner": "0.5", "slow": -1})


def rows(
    name: str,
    period: timedelta,
    text: str | Callable[[int], str],
    day: date = DAY,
    code: Obis = IMPORT,
    unit: str = "kWh",
) -> list[Reading]:
    """All intervals of a legal-time day of the meter of a point."""
    seconds = round(period.total_seconds())
    texts = [(at, text if isinstance(text, str) else text(n)) for n, at in enumerate(interval_ends(day, period))]
    return [
        msgspec.structs.replace(quarter(f"m-{name}", at, one, code, unit=unit), interval_s=seconds) for at, one in texts
    ]


def play(folder: Path, points: Iterable[MeteringPoint], body: Callable[[World], Coroutine[None, None, None]]) -> None:
    """What happens in a world with these points."""

    async def lived() -> None:
        async with world(folder, points) as here:
            await body(here)

    asyncio.run(lived())


async def settle(here: World, day: date = DAY) -> None:
    """Long after a day."""
    here.now = day_bounds(day)[1] + timedelta(days=3)
    await here.engine.catch_up()


def day_of(here: World, point: str, layer: Layer = Layer.INTERVAL, day: date = DAY) -> dict[datetime, Value]:
    """What a day has."""
    start, end = day_bounds(day)
    return {at: one for at, one in here.values(point, layer).items() if start < at <= end}


def lengths(found: Mapping[datetime, Value]) -> set[int]:
    return {one.seconds for one in found.values()}


# -- sums --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", list(permutations(("fast", "halves", "slow"))), ids="-".join)
def test_a_sum_is_made_in_its_longest_period_in_any_order_of_arrival(tmp_path: Path, order: Sequence[str]) -> None:
    """On the longest day, through a sum of a sum with coefficients."""
    points = [FAST, HALVES, SLOW, INNER, OUTER, BOTH]
    come = {
        "fast": rows("fast", QUARTER, lambda n: f"0.{n + 1:03}", AUTUMN),
        "halves": rows("halves", HALF, "0.25", AUTUMN),
        "slow": rows("slow", HOUR, "1.5", AUTUMN),
    }

    async def body(here: World) -> None:
        here.now = instant(AUTUMN + timedelta(days=1), NOW.time())
        for name in order:
            await here.bring(come[name])
            here.now += timedelta(minutes=3)
        await settle(here, AUTUMN)
        amounts = [sum((D(4 * n + k + 1) for k in range(4)), D(0)) / 1000 for n in range(25)]
        for point, wanted in (
            ("both", [one + D("1.5") for one in amounts]),
            ("outer", [(one - D("0.5")) * D("0.5") - D("1.5") for one in amounts]),
        ):
            found = day_of(here, point, day=AUTUMN)
            assert [one.amount for one in found.values()] == wanted
            assert {one.status for one in found.values()} == {RawStatus.TRUE} and lengths(found) == {3600}
            assert not here.values(point, Layer.EVALUATION), "it is the metering period"
        halves = day_of(here, "inner", day=AUTUMN)
        assert len(halves) == 50 and lengths(halves) == {1800}
        hours = day_of(here, "inner", Layer.EVALUATION, AUTUMN)
        assert [one.amount for one in hours.values()] == [one - D("0.5") for one in amounts]
        assert here.values("outer", Layer.DAY)[day_bounds(AUTUMN)[1]].amount == D("-41.225")

    play(tmp_path, points, body)


@pytest.mark.parametrize("partial", [False, True])
def test_while_the_hours_are_not_there_the_hours_of_the_sum_are_missing(tmp_path: Path, *, partial: bool) -> None:
    both = total("both", HOUR, {"fast": 1, "slow": 1}, partial=partial)

    async def body(here: World) -> None:
        await here.bring(rows("fast", QUARTER, "1"))
        found = day_of(here, "both")
        assert len(found) == 24 and lengths(found) == {3600}
        assert {(one.amount, one.status) for one in found.values()} == {(D(4) if partial else None, RawStatus.MISSING)}
        await settle(here)
        assert day_of(here, "both").keys() == found.keys()
        await here.bring(rows("slow", HOUR, "10"))
        assert {(one.amount, one.status) for one in day_of(here, "both").values()} == {(D(14), RawStatus.TRUE)}

    play(tmp_path, [FAST, SLOW, both], body)


def test_an_evaluation_that_stands_is_made_of_hours_as_well(tmp_path: Path) -> None:
    """The sum was one of quarter-hours, and had evaluation intervals; now it has hours."""
    before = total("both", QUARTER, {"fast": 1})

    async def body(here: World) -> None:
        await here.bring(rows("fast", QUARTER, "1"))
        assert {one.amount for one in here.values("both", Layer.EVALUATION).values()} == {D(4)}
        await here.begin([FAST, SLOW, BOTH]).catch_up()
        told = here.values("both", Layer.EVALUATION)
        assert {(one.amount, one.status) for one in told.values()} == {(None, RawStatus.MISSING)}
        await here.bring(rows("slow", HOUR, "10"))
        await settle(here)
        found = here.values("both", Layer.EVALUATION)
        assert len(found) == 24
        assert {(one.amount, one.status, one.have) for one in found.values()} == {(D(14), RawStatus.TRUE, 5)}
        assert here.values("both", Layer.DAY)[day_bounds(DAY)[1]].amount == D(24 * 14)

    play(tmp_path, [FAST, before], body)


def test_a_sum_of_points_alike_has_their_period_whatever_they_have_now(tmp_path: Path) -> None:
    """Both had quarter-hours on that day; only since then one of them has hours."""
    changed = MeteringPoint(
        "slow",
        installed=(
            Installed("m-old", period=QUARTER),
            Installed("m-slow", day_bounds(DAY)[1] + timedelta(days=30), period=HOUR),
        ),
        period=HOUR,
        evaluation=HOUR,
    )

    async def body(here: World) -> None:
        await here.raw.append(brought(rows("old", QUARTER, "2")))
        await here.bring(rows("fast", QUARTER, "1"))
        found = day_of(here, "both")
        assert len(found) == 96 and {(one.amount, one.seconds) for one in found.values()} == {(D(3), 900)}
        assert {one.amount for one in here.values("both", Layer.EVALUATION).values()} == {D(12)}

    play(tmp_path, [FAST, changed, BOTH], body)


@pytest.mark.parametrize("first", ["old", "fast"])
def test_the_period_is_that_of_the_meter_of_the_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: str
) -> None:
    """A point that had hours on that day, and has quarter-hours now, in a sum of a sum."""
    since = day_bounds(DAY)[1] + timedelta(days=30)
    changed = MeteringPoint(
        "changed",
        installed=(Installed("m-old", period=HOUR), Installed("m-new", since, period=QUARTER)),
        evaluation=HOUR,
    )
    inner, outer = total("inner", QUARTER, {"changed": 1}), total("outer", QUARTER, {"fast": 1, "inner": 1})
    points = [FAST, changed, inner, outer]
    known = {one.id: one for one in points}

    def step(point: MeteringPoint, virtual: Virtual, *_: object) -> Step:
        return virtual_step(point, virtual, known)

    monkeypatch.setattr(metering_build, "virtual_step", step)
    come = {"old": rows("old", HOUR, "10"), "fast": rows("fast", QUARTER, "1")}

    async def body(here: World) -> None:
        for name in sorted(come, key=lambda one: one != first):
            await here.bring(come[name])
        await settle(here)
        found = day_of(here, "outer")
        assert len(found) == 24 and {(one.amount, one.seconds) for one in found.values()} == {(D(14), 3600)}
        assert {one.status for one in found.values()} == {RawStatus.TRUE}

    play(tmp_path, points, body)


@pytest.mark.parametrize(
    ("minutes", "added_up_in"), [((15,), 15), ((5, 15, 30), 30), ((20, 30), 60), ((15, 45), 60), ((15, 45, 60), 60)]
)
def test_periods_are_added_up_in_the_longest_that_all_fill(minutes: Sequence[int], added_up_in: int) -> None:
    """Else in hours; 45 minutes are those between quarter-hours and hours, where a meter was replaced."""
    assert common([timedelta(minutes=one) for one in minutes]) == timedelta(minutes=added_up_in)


# -- what has no number ------------------------------------------------------------------------------------------------


def heat(name: str, day: date, begin: int) -> list[Reading]:
    """The state of a heat meter at the end of each hour, which goes up by 1 GJ; what it does not tell has no unit."""
    told = rows(name, HOUR, lambda n: str(begin + n), day, HEAT, "GJ")
    return told if begin else rows(name, HOUR, "", day, HEAT, "")


def test_a_point_without_a_number_all_day_has_the_day_missing_and_costs_the_sum_no_other(tmp_path: Path) -> None:
    """Heat may be in kWh or in GJ: of days of which nothing is known no reading says in what they are."""
    one, other = (replace(meter(name, HOUR), channels=(HEAT,)) for name in ("one", "other"))
    sums = total("sums", HOUR, {"other": 1, "one": 1}, partial=True, channels=(HEAT,))

    async def body(here: World) -> None:
        for n in range(4):
            day = DAY + timedelta(days=n)
            here.now = day_bounds(day)[1] + timedelta(hours=5)
            await here.bring(heat("one", day, 1000 + 24 * n))
            await here.bring(heat("other", day, 0 if n else 2000))
        check(here)
        await settle(here, DAY + timedelta(days=3))
        check(here)

    def check(here: World) -> None:
        for n in (2, 3):
            end = day_bounds(DAY + timedelta(days=n))[1]
            assert here.one_of("other", Layer.DAY, end, HEAT).status is RawStatus.MISSING
            found = here.one_of("sums", Layer.DAY, end, HEAT)
            assert (found.amount, found.status, found.have, found.want) == (D(24), RawStatus.MISSING, 24, 48)
            standing = here.derived.reader.current_of(("other", "sums"), (Layer.DAY,), end - HOUR, end)
            assert {said.unit for known in standing.values() for said in known.values()} == {"GJ"}

    play(tmp_path, [one, other, sums], body)


# -- the maximum of a month --------------------------------------------------------------------------------------------

END = day_bounds(date(2026, 11, 30))[1]


@pytest.mark.parametrize(
    ("period", "evaluation", "amount", "instant"),
    [
        (FIVE, QUARTER, "48", "10:15"),
        (FIVE, HOUR, "48", "10:15"),
        (timedelta(minutes=10), HOUR, "15", "11:00"),
        (QUARTER, HOUR, "40", "10:15"),
        (HOUR, HOUR, "10", "11:00"),
    ],
    ids=["5-15", "5-60", "10-60", "15-60", "60-60"],
)
def test_the_maximum_is_one_of_quarter_hours(
    tmp_path: Path, period: timedelta, evaluation: timedelta, amount: str, instant: str
) -> None:
    """10 kWh in the interval that begins at 10:00, else 1; of 10 minutes, which fill no quarter-hour, one of hours."""
    high = timedelta(hours=10) // period

    async def body(here: World) -> None:
        await here.bring(rows("one", period, lambda n: "10" if n == high else "1"))
        here.now = END + timedelta(days=3)
        await here.engine.catch_up()
        found = here.one_of("one", Layer.MAXIMUM, END, MAXIMUM)
        assert found.amount == D(amount) and found.instant == local(instant)
        count = timedelta(days=1) // period
        assert (found.have, found.want) == (count, 30 * count), "metering intervals are counted"

    play(tmp_path, [replace(meter("one", period), evaluation=evaluation)], body)


def local(text: str) -> datetime:
    return instant(DAY, datetime.strptime(text, "%H:%M").time())  # noqa: DTZ007 - a time of day


def test_a_quarter_hour_that_is_not_whole_is_no_maximum(tmp_path: Path) -> None:
    async def body(here: World) -> None:
        await here.bring(rows("one", FIVE, lambda n: {120: "10", 121: "", 150: "2"}.get(n, "1")))
        here.now = END + timedelta(days=3)
        await here.engine.catch_up()
        found = here.one_of("one", Layer.MAXIMUM, END, MAXIMUM)
        assert (found.amount, found.status, found.instant) == (D(16), RawStatus.MISSING, local("12:45"))
        assert (found.have, found.want) == (287, 30 * 288)

    play(tmp_path, [meter("one", FIVE)], body)


def test_five_minutes_of_a_meter_that_another_one_replaced_are_quarter_hours(tmp_path: Path) -> None:
    """Nothing is added up in the interval of the change, nor with what is left of its quarter-hour."""
    change = instant(DAY, datetime(2026, 1, 1, 10, 22, tzinfo=UTC).time())
    point = MeteringPoint(
        "one",
        installed=(Installed("m-old", period=HOUR), Installed("m-one", change, period=FIVE)),
        period=FIVE,
        evaluation=HOUR,
    )
    texts = {125: "90", 150: "8"}

    async def body(here: World) -> None:
        await here.bring(rows("old", HOUR, lambda n: "12" if n == 3 else "4"))
        await here.bring(rows("one", FIVE, lambda n: texts.get(n, "1")))
        here.now = END + timedelta(days=3)
        await here.engine.catch_up()
        assert here.values("one")[local("10:30")].amount == D(90)
        found = here.one_of("one", Layer.MAXIMUM, END, MAXIMUM)
        assert (found.amount, found.instant) == (D(40), local("12:45"))

    play(tmp_path, [point], body)
