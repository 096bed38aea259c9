"""One simulated month, October 2025 with its 745 hours: what the product derives of it against a computation of the
test's own, value by value, in every layer.

Rules: the raw readings are in month_raw.py, what must come out in month_model.py, the site in month_site.py. The engine
has seen the month as it went on, with a clock that the test set. Other orders of arrival must end in the same values;
one of them a gateway finds that starts a week late, with a broker behind it.
"""

import asyncio
import json
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gatewayd.archive.head import read_head
from gatewayd.archive.memory import recalled
from gatewayd.archive.verify import verify
from gatewayd.daemon.derived import derived_folder
from gatewayd.daemon.metering_progress import MEMORY, Progress
from gatewayd.metering.record import Derived
from gatewayd.model import Flag, Kind, RawStatus
from tests.interop.mosquitto import Mosquitto, Subscriber
from tests.system.month_beside import in_window
from tests.system.month_beside_raw import batches_beside
from tests.system.month_check import Current, Outcome, close, differences, everything, named, outcome
from tests.system.month_entered import enter
from tests.system.month_events import repeated, standing
from tests.system.month_events import told as told_of
from tests.system.month_model import month
from tests.system.month_raw import BEGIN, CONFLICTS, END, Batch, batches, oct_
from tests.system.month_site import plant, site_of
from tests.system.month_value import MISSING, SUBSTITUTE, TRUE, Key, Month
from tests.system.own_clock import OwnClock
from tests.system.rig import Daemon, eventually

pytestmark = pytest.mark.timeout(480)
CAME = sorted([*batches(), *batches_beside()], key=lambda one: (one.when, one.rows[0].meter))
NORTH, OWN = "north", "own"
MORNING, DONE = oct_(25, "05:00"), oct_(38, "12:00")
"""A morning on the way, and when nothing of the month is waited for any more."""
RULES = {"zero", "comparable", "control", "tariff_sum", "register_advance", "verification"}
"""Those that values name in the end: what is above the maximum is replaced."""
TOPICS = "gatewayd/gw-test/points/#"
ROWS = [row for batch in CAME for row in batch.rows]


@dataclass(frozen=True)
class Told:
    """The month as it went on, and what was current on the way."""

    outcome: Outcome
    morning: dict[Key, Current]


@pytest.fixture(scope="module")
def expected() -> Month:
    return month(ROWS)


@dataclass(frozen=True)
class Late:
    """A gateway that has found the whole month in its archive, ordered by meters, and the broker behind it."""

    outcome: Outcome
    daemon: Daemon
    subscriber: Subscriber


@pytest.fixture(scope="module")
def late(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Late]:
    """It computes beside the other tests, when the month has been over for a week: what came until today would be a
    year of missing values."""
    folder = tmp_path_factory.mktemp("late")
    came = last_conflicts(sorted(CAME, key=lambda one: one.rows[0].meter, reverse=True))
    with Mosquitto(folder) as broker, Subscriber(broker, TOPICS, qos=1, contract=False) as subscriber:
        site = site_of(folder, f"  - {{id: m, type: mqtt, start: now, host: 127.0.0.1, port: {broker.port}}}\n")

        async def body() -> list[int]:
            async with plant(site) as here:
                await here.bring(came, DONE)
                await enter(here)
                return here.seqs

        seqs = asyncio.run(body())
        clock = OwnClock(folder)
        clock.now(DONE)
        with site.daemon(**clock.environment) as daemon:
            yield Late(outcome(site, came, seqs, ROWS), daemon, subscriber)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory, late: Late) -> Told:
    assert late.daemon.process.poll() is None
    site = site_of(tmp_path_factory.mktemp("month"))
    morning: dict[Key, Current] = {}

    async def body() -> list[int]:
        async with plant(site) as here:
            await here.bring(one for one in CAME if one.when <= MORNING)
            await enter(here, until=MORNING)
            await here.compute(MORNING)
            morning.update(Outcome(site, ROWS, {}).current)
            await here.bring(one for one in CAME if one.when > MORNING)
            await enter(here, after=MORNING)
            await here.compute(DONE)
            return here.seqs

    seqs = asyncio.run(body())
    return Told(outcome(site, CAME, seqs, ROWS), morning)


# -- value by value ---------------------------------------------------------------------------------------------------


def test_every_value_of_every_layer_is_as_the_rules_say(told: Told, expected: Month) -> None:
    wrong = list(differences(told.outcome, expected))
    assert not wrong, "\n".join([f"{len(wrong)} differences:", *wrong[:20]])
    current = told.outcome.current
    assert len(current) > 59_000
    methods = Counter(one.derived.value.method.value for one in current.values() if one.derived.value.status)
    assert min(methods[name] for name in ("control", "interpolated", "comparable")) >= 6, methods
    assert {one.derived.value.status for one in current.values()} == set(RawStatus)
    rules = {rule for one in current.values() for rule in one.derived.value.rules}
    assert rules == RULES
    assert verify(derived_folder(told.outcome.site.archive)).ok


def test_each_event_is_told_once_and_is_over_when_the_truth_has_come(told: Told, expected: Month) -> None:
    assert_told(told.outcome, expected)
    events = told_of(everything(told.outcome.site))
    came_late = ("south", "substitution.used", "1-0:1.29.0*255", "day", oct_(8))
    assert events[came_late] == ["found", "over"], "entered by hand for the 7th"
    assert {key[1] for key in expected.events} == {
        "ratio.recounted",
        "substitution.used",
        *(f"validation.{rule}" for rule in (*RULES, "above_maximum")),
    }
    used = Counter(key[3] for key in expected.events if key[1] == "substitution.used")
    assert used == {"interval": 46, "day": 2, "gas_day": 2, "month": 7}


def assert_told(found: Outcome, expected: Month) -> None:
    """What is so in the end, and nothing twice."""
    events = everything(found.site)
    assert not repeated(events)
    assert {key for key in standing(events) if key[4] == BEGIN or in_window(key[0], key[4])} == expected.events


def test_a_comparison_that_could_not_fail_would_be_none(told: Told, expected: Month) -> None:
    """One value of each layer is spoiled in what is expected: each is noticed."""
    layers = ("interval", "day", "month", "maximum", "evaluation", "gas_day", "loss", "loss_day", "loss_month")
    keys = [next(key for key, one in expected.values.items() if key[1] == layer and one.amount) for layer in layers]
    spoiled = {
        key: replace(one, amount=(one.amount or 0) + Fraction(1, 10**9))
        for key, one in expected.values.items()
        if key in keys
    }
    noticed = list(differences(told.outcome, Month(expected.channels, {**expected.values, **spoiled})))
    assert sorted(one.partition(": ")[0] for one in noticed) == sorted(map(named, keys))


def test_nothing_that_is_true_is_replaced_and_where_it_is_off_nothing_is(told: Told, expected: Month) -> None:
    made = {"control", "interpolated", "comparable"}
    for key, one in told.outcome.current.items():
        if key[1] == "interval" and one.derived.value.method.value in made:
            assert key[0] in ("north", "own", "shop"), named(key)
            assert one.derived.value.status is RawStatus.SUBSTITUTE
    south = expected.channels["south", "1"]
    assert any(one.status > TRUE for one in south.values()), "there would be something to replace"


# -- as it went on ----------------------------------------------------------------------------------------------------


def test_a_substitute_is_provisional_until_nothing_is_waited_for(told: Told) -> None:
    """On the morning after, and at the end: the amount stays. What the control metering has is settled at once."""
    for code, method, early in (
        ("1", "control", RawStatus.SUBSTITUTE),
        ("3", "interpolated", RawStatus.PROVISIONAL),
    ):
        key = (NORTH, "interval", f"1-0:{code}.29.0*255", oct_(24, "14:15"))
        first, last = told.morning[key].derived, told.outcome.current[key].derived
        assert first.value.method.value == last.value.method.value == method
        assert (first.value.status, last.value.status) == (early, RawStatus.SUBSTITUTE)
        assert first.value.amount == last.value.amount
        assert first.validated is (early is RawStatus.SUBSTITUTE)
        assert last.validated
    day = (NORTH, "day", "1-0:3.29.0*255", oct_(25))
    assert told.morning[day].derived.value.status is RawStatus.PROVISIONAL
    assert told.outcome.current[day].derived.value.status is RawStatus.SUBSTITUTE
    assert not any(key[1] in ("month", "maximum") and key[3] >= END for key in told.morning), "the month was not over"


# -- explained --------------------------------------------------------------------------------------------------------

EXPLAINED = [
    ("two meters", NORTH, "4", "interval", oct_(14, "10:15")),
    ("ratio changes", "south", "1", "interval", oct_(16, "13:30")),
    ("control", NORTH, "1", "interval", oct_(24, "14:15")),
    ("interpolated", NORTH, "3", "interval", oct_(24, "14:30")),
    ("comparable", NORTH, "3", "interval", oct_(26, "02:30", 1)),
    ("scaled", OWN, "2", "interval", oct_(15, "10:00")),
    ("totals", "shop", "1", "interval", oct_(1, "06:30")),
    ("day", "total", "1", "day", oct_(27)),
    ("month", "all", "1", "month", oct_(32)),
    ("loss", "south", "1", "loss", oct_(22, "07:45")),
    ("losses of the day", "shop", "1", "loss_day", oct_(23)),
    ("netted", "saldo", "2", "interval", oct_(26, "02:00", 1)),
]


@pytest.mark.parametrize("case", EXPLAINED, ids=lambda case: case[0])
def test_explained_down_to_the_readings(told: Told, expected: Month, case: tuple[str, str, str, str, datetime]) -> None:
    _, point, code, layer, at = case
    name = f"1-0:{code}.29.0"
    site, places = told.outcome.site, told.outcome.places
    (said,) = site.json("explain", point, name, at.isoformat(), "--layer", layer)["values"]
    wanted = expected.values[point, layer, f"{name}*255", at]
    assert (said["status"], said["method"]) == (RawStatus(wanted.status).text, wanted.method)
    assert said["not_in_the_archive"] == ""
    made_of = {places[one["seq"]] for one in said["readings"]}
    assert wanted.need <= made_of <= wanted.allow
    assert wanted.need
    for one in said["readings"]:
        row = told.outcome.rows[places[one["seq"]]]
        assert (one["meter"], one["obis"], one["raw"]) == (row.meter, f"{row.code}*255", row.text)
        assert datetime.fromisoformat(one["at"]) == row.at
        assert one["line"] == "office"


def test_explained_what_it_was_before(told: Told) -> None:
    """A value that came a month late: missing, then of the control metering, then true."""
    site, at = told.outcome.site, oct_(5, "08:15")
    (said,) = site.json("explain", NORTH, "1-0:1.29.0", at.isoformat(), "--layer", "interval")["values"]
    versions = said["versions"]
    assert [one["method"] for one in versions] == ["control", "primary"]
    assert [one["status"] for one in versions] == ["substitute", "true"]
    assert versions[1]["supersedes"] == versions[0]["seq"]
    assert said["flags"] == ["late"]
    day = oct_(8).isoformat()
    (south,) = site.json("explain", "south", "1-0:2.29.0", day, "--layer", "day")["values"]
    assert [one["status"] for one in south["versions"]] == ["missing", "true"]
    assert [(one["have"], one["want"]) for one in south["versions"]] == [(94, 96), (96, 96)]
    (south,) = site.json("explain", "south", "1-0:1.29.0", day, "--layer", "day")["values"]
    assert [(one["status"], one["method"]) for one in south["versions"]] == [
        ("substitute", "manual"),
        ("true", "aggregate"),
    ]


def test_explained_maximum(told: Told, expected: Month) -> None:
    wanted = expected.values["own", "maximum", "1-0:2.6.0*255", END]
    (said,) = told.outcome.site.json("explain", OWN, "1-0:2.6.0", "2025-10", "--layer", "maximum")["values"]
    assert datetime.fromisoformat(said["instant"]) == wanted.instant
    assert (said["unit"], Fraction(said["value"])) == ("kW", wanted.amount)


# -- in other orders --------------------------------------------------------------------------------------------------


def last_conflicts(came: Sequence[Batch]) -> list[Batch]:
    """Which number is the newest is a matter of order: those that came later stay later."""
    later = [one for one in came if one.rows[0].flags == Flag.CONFLICT and one.rows[0].meter in CONFLICTS]
    return [*(one for one in came if one not in later), *later]


def shuffled() -> tuple[list[Batch], list[Batch]]:
    """All of it; most of it when a quarter is computed."""
    mixed = list(CAME)
    random.Random(7).shuffle(mixed)
    mixed = last_conflicts(mixed)
    return mixed[: len(mixed) // 4], mixed[len(mixed) // 4 :]


def backwards_without_control() -> tuple[list[Batch], list[Batch]]:
    """The last days first; the control metering and the registers of ten days when everything else is computed."""
    later = {
        id(one)
        for one in CAME
        if oct_(14) < one.when < oct_(24) and (one.rows[0].meter == "em-2" or one.rows[0].kind == "register")
    }
    mixed = last_conflicts(CAME[::-1])
    return [one for one in mixed if id(one) not in later], [one for one in mixed if id(one) in later]


@pytest.mark.parametrize("order", [shuffled, backwards_without_control])
def test_another_order_ends_in_the_same_values(order: Any, told: Told, expected: Month, tmp_path: Path) -> None:
    site, parts = site_of(tmp_path / "other"), order()

    async def body() -> list[int]:
        async with plant(site) as here:
            if order is backwards_without_control:  # before anything is known
                await enter(here)
            await here.bring(parts[0], DONE)
            await here.compute(DONE)
            if order is shuffled:
                await enter(here)
            await here.bring(parts[1], DONE)
            await here.compute(DONE)
            return here.seqs

    seqs = asyncio.run(body())
    assert_same(told, outcome(site, [one for part in parts for one in part], seqs, ROWS), expected)


def assert_same(told: Told, other: Outcome, expected: Month) -> None:
    """As the rules say, and as it was in the first order; each event once."""
    wrong = list(differences(other, expected))
    assert not wrong, "\n".join([f"{len(wrong)} differences:", *wrong[:20]])
    assert_told(other, expected)
    first, second = told.outcome.current, other.current
    assert first.keys() == second.keys()
    for key, one in first.items():
        assert seen(one.derived) == seen(second[key].derived), named(key)


def seen(one: Derived) -> tuple[object, ...]:
    value = one.value
    return value.amount, value.status, value.flags, value.rules, value.method, value.instant, one.validated


def test_a_gateway_that_starts_late_publishes_it_all_and_validated_what_has_passed(
    late: Late, told: Told, expected: Month
) -> None:
    subscriber, site = late.subscriber, late.outcome.site
    folder = derived_folder(site.archive)

    def through() -> bool:
        """All of it is computed, the days that are due and what was entered by hand too, and the newest arrived."""
        kept, head = recalled(folder, MEMORY, MEMORY), read_head(folder)
        progress = Progress() if kept is None else msgspec.json.decode(kept, type=Progress)
        if head is None or progress.looked is None or not progress.entered:
            return False
        return any(f'"seq":{head.seq},' in one.payload for one in subscriber.received)

    eventually(through, "it computes and publishes the month", 240)
    assert late.daemon.terminate() == 0, late.daemon.messages
    assert_same(told, late.outcome, expected)
    values = published(subscriber)
    newest = {key: one["seq"] for key, _, one in sorted(values, key=lambda found: int(found[2]["seq"]))}
    seqs = {one.seq for one in everything(site) if one.reading.kind is not Kind.EVENT}
    assert {one["seq"] for _, _, one in values} == seqs, "each once at least"
    assert {one["computed_at"][:10] for _, _, one in values} == {DONE.date().isoformat()}, "its clock says so"
    sound = 0
    for key, validated, one in values:
        wanted = expected.values.get(key)
        if wanted is None:
            assert not in_window(key[0], key[3])
            continue
        if one["seq"] < newest[key]:
            continue
        amount = None if one["value"] is None else Fraction(one["value"])
        assert close(amount, None if wanted.status == MISSING else wanted.amount), named(key)
        assert one["status"] == RawStatus(wanted.status).text
        assert not validated or not (wanted.rules or wanted.status > SUBSTITUTE), named(key)
        sound += validated
    assert sound > 40_000


def published(subscriber: Subscriber) -> list[tuple[Key, bool, Any]]:
    """Key, `validated` and value of everything that came."""
    found: list[tuple[Key, bool, Any]] = []
    for message in subscriber.received:
        if "/event/" in message.topic:
            continue
        told = json.loads(message.payload, parse_float=str)
        point, layer, obis = told["point"]["id"], told["layer"], told["obis"]
        for one in told["values"]:
            found.append(((point, layer, obis, datetime.fromisoformat(one["at"])), told["validated"], one))
    return found
