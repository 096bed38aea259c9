"""A profile asked for in pieces: by range, by entry, whole; what is learned and told, what goes on after a fault."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.dlms.captures import Captures, SortMethod, keep
from drivers.dlms.profile_plan import EntrySearch, ProfileContext, Window, windows
from drivers.dlms.profiles import profile
from drivers.dlms.vendors import Access, vendors
from drivers.dlms.wire.association_dialogue import ServiceRefused
from drivers.dlms.wire.attribute import EntrySelection, RangeSelection, Selection
from drivers.dlms.wire.cosem_time import ClockRules
from drivers.dlms.wire.service_errors import DataAccess
from gatewayd.driver import Forgetful
from gatewayd.errors import GatewayError, MeterDiffers, MeterSilent, ProtocolError
from gatewayd.model import Answer, Outcome, Profile, RawStatus
from gatewayd.obis import Obis
from tests.drivers.dlms.asked_meter import PRAGUE, collected, name, scaler_unit, structure, u8, u32
from tests.drivers.dlms.profile_meter import (
    CLOCK,
    COLUMNS,
    DAY,
    EXPORT,
    IMPORT,
    LATER,
    LOAD,
    QUARTER,
    STATUS,
    ProfileMeter,
    column,
    context,
    instant,
    quarters,
    row,
    stamp,
    wall,
)

HOURS = timedelta(hours=1)
DAYS = timedelta(days=1)
LOG = "0-0:99.98.0*255"


def ask(
    meter: ProfileMeter,
    start: datetime = DAY,
    end: datetime = DAY + DAYS,
    within: ProfileContext | None = None,
    code: str = LOAD,
) -> list[Answer]:
    wanted = Profile(Obis.parse(code), start, end)
    return asyncio.run(collected(profile(meter, within or context(), wanted)))


def instants(answers: list[Answer]) -> list[datetime]:
    return [reading.at for answer in answers for reading in answer.readings]


def days_of(count: int, before: datetime = DAY) -> list[tuple[datetime, bytes]]:
    return quarters(before, 96 * count)


class Odd(ProfileMeter):
    """Sends of a range what `chosen` says, of its first and last instant."""

    chosen: Callable[[datetime, datetime, datetime], bool]

    def _chosen(self, selection: Selection | None) -> list[tuple[datetime, bytes]]:
        if not isinstance(selection, RangeSelection):
            return super()._chosen(selection)
        first, last = instant(selection.start), instant(selection.end)
        return [one for one in self.rows if self.chosen(one[0], first, last)]


def odd(rows: list[tuple[datetime, bytes]], chosen: Callable[[datetime, datetime, datetime], bool]) -> Odd:
    meter = Odd(rows)
    meter.chosen = chosen
    return meter


# -- by range --------------------------------------------------------------------------------------------------------


def test_a_day_is_one_request_for_a_range_and_one_answer() -> None:
    meter = ProfileMeter(days_of(3, DAY - DAYS))
    (answer,) = ask(meter)
    assert len(answer.readings) == 96
    assert (answer.readings[0].at, answer.readings[-1].at) == (DAY + QUARTER, DAY + DAYS)
    assert [reading.raw_text for reading in answer.readings] == [str(96 + n) for n in range(1, 97)]
    assert all(reading.status is RawStatus.TRUE for reading in answer.readings)
    assert (answer.outcome, answer.detail) == (Outcome.DONE, "")
    (selection,) = meter.selections
    assert isinstance(selection, RangeSelection)
    assert (selection.restricting, selection.columns) == (CLOCK, ())
    assert selection.start == bytes.fromhex("07EA 0B 15 06 00 00 00 00 FFC4 00")
    assert selection.end == bytes.fromhex("07EA 0B 16 07 00 01 00 00 FFC4 00")  # a minute behind it


def test_what_is_known_is_not_asked_again() -> None:
    meter, memory = ProfileMeter(days_of(1)), Forgetful()
    ask(meter, within=context(memory=memory))
    assert [len(keys) for keys in meter.asked] == [5, 1]  # the profile, the scalers
    ask(meter, within=context(memory=memory))
    assert len(meter.asked) == 2
    assert len(meter.selections) == 2


def test_days_are_asked_for_one_by_one_and_cut_at_midnight() -> None:
    meter = ProfileMeter(days_of(3))
    answers = ask(meter, DAY + HOURS, DAY + 2 * DAYS + HOURS)
    assert [len(answer.readings) for answer in answers] == [92, 96, 4]
    assert instants(answers) == [DAY + HOURS + n * QUARTER for n in range(1, 193)]
    assert all(answer.detail == "" for answer in answers)


def test_a_fault_loses_only_the_rest_and_the_rest_can_be_asked_for() -> None:
    meter = ProfileMeter(days_of(3))
    first: list[Answer] = []

    async def session() -> None:
        async with aclosing(profile(meter, context(), Profile(Obis.parse(LOAD), DAY, DAY + 3 * DAYS))) as answers:
            async for answer in answers:
                first.append(answer)
                meter.refuses = {"range": MeterSilent("no answer")} if len(first) == 2 else {}

    with pytest.raises(MeterSilent):
        asyncio.run(session())
    meter.refuses = {}
    rest = ask(meter, first[-1].readings[-1].at, DAY + 3 * DAYS)
    assert instants(first + rest) == [DAY + n * QUARTER for n in range(1, 289)]


def test_an_empty_memory_is_soon_known_and_a_full_one_is_asked_for_by_the_day() -> None:
    meter = ProfileMeter(days_of(3))
    answers = ask(meter, DAY - 40 * DAYS, DAY + 3 * DAYS)
    days = [len(answer.readings) // 96 for answer in answers]
    assert days[:5] == [0, 0, 0, 0, 0], "1, 2, 4, 8 and 16 days"
    assert sum(days) == 3 and len(answers) <= 5 + 1 + 3
    assert instants(answers) == [DAY + n * QUARTER for n in range(1, 289)]
    again = ask(ProfileMeter(days_of(40, DAY - 40 * DAYS)), DAY - 40 * DAYS, DAY)
    assert len(again) == 40


def test_no_rows_is_an_answer() -> None:
    (answer,) = ask(ProfileMeter())
    assert (answer.readings, answer.outcome, answer.detail) == ((), Outcome.DONE, "no rows")


def test_rows_that_were_not_asked_for_are_left_out_and_told() -> None:
    meter = ProfileMeter(days_of(1, DAY - 4 * HOURS))
    meter.blind = True
    (answer,) = ask(meter)
    assert instants([answer]) == [DAY + n * QUARTER for n in range(1, 81)]
    assert answer.detail == f"{LOAD}: 15 rows that were not asked for are left out"


@pytest.mark.parametrize("hours", [0.25, 1, 24, 72])
@pytest.mark.parametrize(
    "chosen",
    [
        lambda at, first, last: first <= at < last,
        lambda at, first, last: first < at < last,
        lambda at, first, last: first < at <= last,
        lambda at, first, last: first <= at <= last.replace(minute=last.minute // 15 * 15),
        lambda at, first, last: first - DAYS <= at <= last + DAYS,
        lambda at, first, last: first <= at < last.replace(second=0),
    ],
)
def test_a_meter_that_takes_a_range_in_another_way_keeps_no_row_back(
    hours: float, chosen: Callable[[datetime, datetime, datetime], bool]
) -> None:
    end = DAY + hours * HOURS
    answers = ask(odd(days_of(5, DAY - DAYS), chosen), DAY, end)
    assert instants(answers) == [DAY + n * QUARTER for n in range(1, int(hours * 4) + 1)]


def test_a_range_that_the_meter_makes_wider_is_not_taken_for_the_whole_buffer() -> None:
    """Rows of minutes, of which it always sends six hours more on both sides."""
    rows = [(DAY + timedelta(minutes=n), row(DAY + timedelta(minutes=n), n)) for n in range(1, 4 * 1440)]
    meter = odd(rows, lambda at, first, last: first - 6 * HOURS <= at <= last + 6 * HOURS)
    meter.objects[(7, LOAD, 4)] = u32(60)
    answers = ask(meter, DAY + 23 * HOURS, DAY + 49 * HOURS)
    assert instants(answers) == [DAY + timedelta(minutes=n) for n in range(23 * 60 + 1, 49 * 60 + 1)]


def test_a_meter_that_says_nothing_to_a_range_is_asked_by_entry() -> None:
    meter, memory = odd(days_of(3, DAY - DAYS), lambda *_: False), Forgetful()
    (answer,) = ask(meter, within=context(memory=memory))
    assert instants([answer]) == [DAY + n * QUARTER for n in range(1, 97)]
    assert answer.detail == f"{LOAD}: sends nothing for a range of which it has rows"
    meter.selections.clear()
    (answer,) = ask(meter, within=context(memory=memory))
    assert len(answer.readings) == 96
    assert answer.detail == ""
    assert not any(isinstance(one, RangeSelection) for one in meter.selections)


@pytest.mark.parametrize("no", [DataAccess.HARDWARE_FAULT, DataAccess.READ_WRITE_DENIED, DataAccess.OTHER_REASON])
def test_a_range_without_rows_teaches_nothing(no: DataAccess) -> None:
    """The meter has rows, and none of this window."""
    meter, memory = ProfileMeter(days_of(1, DAY - 3 * DAYS)), Forgetful()
    (answer,) = ask(meter, within=context(memory=memory))
    assert (answer.readings, answer.detail) == ((), "no rows")
    meter.refuses = {"entry": no}
    (answer,) = ask(meter, DAY + DAYS, DAY + 2 * DAYS, context(memory=memory))
    assert (answer.readings, answer.detail) == ((), "no rows")
    meter.selections.clear()
    (answer,) = ask(meter, DAY - 3 * DAYS, DAY - 2 * DAYS, context(memory=memory))
    assert len(answer.readings) == 96
    (selection,) = meter.selections
    assert isinstance(selection, RangeSelection)


def test_a_gap_of_which_both_sides_are_there_teaches_nothing() -> None:
    rows = [one for one in days_of(3, DAY - DAYS) if not DAY <= one[0] <= DAY + DAYS]
    meter, memory = ProfileMeter(rows), Forgetful()
    (answer,) = ask(meter, within=context(memory=memory))
    assert (answer.readings, answer.detail) == ((), "no rows")
    meter.selections.clear()
    ask(meter, DAY + DAYS, DAY + 2 * DAYS, context(memory=memory))
    (selection,) = meter.selections
    assert isinstance(selection, RangeSelection)


def test_that_only_the_whole_buffer_can_be_had_is_believed_for_a_day() -> None:
    meter, memory = ProfileMeter(days_of(5)), Forgetful()
    meter.refuses = dict.fromkeys(("range", "entry"), DataAccess.OTHER_REASON)
    ask(meter, within=context(memory=memory))
    meter.refuses, meter.selections = {}, []
    ask(meter, within=context(memory=memory))
    assert meter.selections == [None]
    ask(meter, within=context(memory=memory, at=LATER + DAYS))
    assert isinstance(meter.selections[-1], RangeSelection)


def test_a_period_that_was_changed_is_read_again_when_the_rows_say_so() -> None:
    meter, memory = ProfileMeter(days_of(1)), Forgetful()
    ask(meter, within=context(memory=memory))
    meter.rows = [(at, octets) for at, octets in days_of(2) if not (at - DAY) % (2 * QUARTER)]
    meter.objects[(7, LOAD, 4)] = u32(1800)
    (answer,) = ask(meter, DAY + DAYS, DAY + 2 * DAYS, context(memory=memory, at=LATER + HOURS))
    assert {reading.interval_s for reading in answer.readings} == {1800}
    assert {reading.status for reading in answer.readings} == {RawStatus.TRUE}
    assert len(answer.readings) == 48


def test_rows_of_another_period_than_the_profile_has_now_are_not_believed() -> None:
    """It was changed at noon, and the meter kept what it had."""
    noon = DAY + 12 * HOURS
    rows = [one for one in days_of(1) if one[0] > noon or not (one[0] - DAY) % (2 * QUARTER)]
    (answer,) = ask(ProfileMeter(rows))
    true = [reading.at for reading in answer.readings if reading.status is RawStatus.TRUE]
    assert true == [DAY + 2 * QUARTER, *(noon + n * QUARTER for n in range(1, 49))]


def test_rows_that_are_all_of_another_period_than_was_just_read_come_and_are_not_believed() -> None:
    (answer,) = ask(ProfileMeter([one for one in days_of(1) if not (one[0] - DAY) % (2 * QUARTER)]))
    assert len(answer.readings) == 48
    assert {reading.status for reading in answer.readings[1:]} == {RawStatus.DISTORTED}


def test_a_few_rows_that_are_missing_make_nothing_of_another_period() -> None:
    rows = [one for n, one in enumerate(days_of(1)) if n not in (3, 5, 10, 11, 20)]
    (answer,) = ask(ProfileMeter(rows))
    assert {reading.status for reading in answer.readings} == {RawStatus.TRUE}


def test_a_meter_that_always_sends_everything_is_asked_once() -> None:
    meter, memory = ProfileMeter(days_of(10)), Forgetful()
    meter.blind = True
    answers = ask(meter, DAY, DAY + 3 * DAYS, context(memory=memory))
    assert [len(answer.readings) for answer in answers] == [96, 96, 96]
    assert instants(answers) == [DAY + n * QUARTER for n in range(1, 289)]
    assert "sends all rows" in answers[0].detail
    ask(meter, DAY, DAY + DAYS, context(memory=memory))
    assert [type(one) for one in meter.selections] == [RangeSelection, type(None)]


@pytest.mark.parametrize(
    ("own", "vendors_way", "sent"), [(None, True, -60), (None, False, -0x8000), (False, True, -0x8000)]
)
def test_a_range_with_and_without_deviation(own: bool | None, vendors_way: bool, sent: int) -> None:
    vendor = vendors()["generic"].model_copy(update={"range_deviation": vendors_way})
    meter = ProfileMeter(days_of(1))
    (answer,) = ask(meter, within=context(vendor=vendor, range_deviation=own))
    (selection,) = meter.selections
    assert isinstance(selection, RangeSelection)
    assert int.from_bytes(selection.start[9:11], signed=True) == sent
    assert len(answer.readings) == 96


def test_the_repeated_hour_is_asked_for_without_deviation_too() -> None:
    start = datetime(2026, 10, 25, 0, 0, tzinfo=UTC)  # 02:00 in summer, the first of two
    rows = [
        (start + n * QUARTER, row(stamp(start + n * QUARTER, deviation=-60 if n >= 4 else -120), n)) for n in range(9)
    ]
    (answer,) = ask(ProfileMeter(rows), start, start + HOURS, context(range_deviation=False))
    assert [reading.raw_text for reading in answer.readings] == ["1", "2", "3", "4"]


@pytest.mark.parametrize("first", range(8))
@pytest.mark.parametrize("later", [False, True])
@pytest.mark.parametrize("last", range(1, 9))
def test_a_meter_that_cannot_tell_the_repeated_hours_apart_keeps_no_row_back(
    first: int, last: int, later: bool
) -> None:
    """It takes both for the first of them, or both for the second, and looks at no bit."""
    begin = datetime(2026, 10, 25, 0, 0, tzinfo=UTC)
    rows = [(at, row(wall(f"{at.astimezone(PRAGUE.zone):%Y-%m-%d %H:%M}"), 0)) for at, _ in quarters(begin - DAYS, 300)]
    meter = odd(rows, lambda at, since, until: taken(since, later) <= at <= taken(until, later))

    def taken(at: datetime, fold: bool) -> datetime:
        return at.astimezone(PRAGUE.zone).replace(fold=fold).astimezone(UTC)

    start, end = begin + first * QUARTER, begin + (first + last) * QUARTER
    rules = ClockRules(PRAGUE.zone, daylight_bit=False)
    (answer,) = ask(meter, start, end, context(rules=rules, range_deviation=False))
    assert instants([answer]) == [start + n * QUARTER for n in range(1, last + 1)]
    assert answer.detail == ""


def test_where_times_name_the_beginning_the_range_is_a_period_earlier() -> None:
    vendor = vendors()["generic"].model_copy(update={"time": "start"})
    meter = ProfileMeter(days_of(2, DAY - DAYS))
    (answer,) = ask(meter, within=context(vendor=vendor))
    assert (answer.readings[0].at, answer.readings[-1].at, len(answer.readings)) == (DAY + QUARTER, DAY + DAYS, 96)
    (selection,) = meter.selections
    assert isinstance(selection, RangeSelection)
    assert selection.start == bytes.fromhex("07EA 0B 14 05 17 2D 00 00 FFC4 00")


def test_the_last_row_of_a_piece_is_known_in_the_next() -> None:
    """At midnight there is no row: the clock was set on from 23:50 to 00:05, and the next interval is not whole."""
    behind = DAY + DAYS + QUARTER
    meter = ProfileMeter(
        [*days_of(1)[:-1], (behind, row(behind, 1, 0x20)), (behind + QUARTER, row(behind + QUARTER, 2))]
    )
    _, answer = ask(meter, DAY, DAY + 2 * DAYS)
    assert [one.status for one in answer.readings] == [RawStatus.DISTORTED, RawStatus.TRUE]


# -- by entry --------------------------------------------------------------------------------------------------------

NO_RANGE = {"range": DataAccess.TYPE_UNMATCHED}


@pytest.mark.parametrize("no", [DataAccess.TYPE_UNMATCHED, DataAccess.OTHER_REASON, ServiceRefused("no such service")])
def test_a_range_that_is_refused_makes_it_ask_by_entry_and_that_is_remembered(no: DataAccess | Exception) -> None:
    meter, memory = ProfileMeter(days_of(5), refuses={"range": no}), Forgetful()
    (answer,) = ask(meter, within=context(memory=memory))
    assert instants([answer]) == [DAY + n * QUARTER for n in range(1, 97)]
    kinds = [type(one) for one in meter.selections]
    assert kinds == [RangeSelection, EntrySelection, EntrySelection]
    ask(meter, within=context(memory=memory))
    assert [type(one) for one in meter.selections][3:] == [EntrySelection] * 2


def test_entries_of_a_whole_buffer_are_found_at_once() -> None:
    meter = ProfileMeter(days_of(5), refuses=NO_RANGE)
    ask(meter, DAY + DAYS, DAY + 2 * DAYS)
    assert meter.selections[1:] == [EntrySelection(479, 480), EntrySelection(96, 193)]


def test_the_newest_row_comes_first() -> None:
    meter = ProfileMeter(days_of(5)[::-1], sort=SortMethod.LIFO, refuses=NO_RANGE)
    (answer,) = ask(meter, DAY + DAYS, DAY + 2 * DAYS)
    assert instants([answer]) == [DAY + DAYS + n * QUARTER for n in range(1, 97)]
    assert meter.selections[1:] == [EntrySelection(1, 2), EntrySelection(288, 385)]


def test_a_meter_that_is_sorted_the_other_way_round_than_it_says() -> None:
    meter, memory = ProfileMeter(days_of(5)[::-1], sort=SortMethod.FIFO, refuses=NO_RANGE), Forgetful()
    (answer,) = ask(meter, DAY + DAYS, DAY + 2 * DAYS, context(memory=memory))
    assert instants([answer]) == [DAY + DAYS + n * QUARTER for n in range(1, 97)]
    assert "other way round" in answer.detail
    (answer,) = ask(meter, DAY + DAYS, DAY + 2 * DAYS, context(memory=memory))
    assert (len(answer.readings), answer.detail) == (96, "")


def test_that_it_is_sorted_the_other_way_round_is_remembered_with_the_way() -> None:
    memory = Forgetful()
    kept = Captures(COLUMNS, 900, SortMethod.FIFO, CLOCK, 1000, int(LATER.timestamp()) - 60, "entry")
    asyncio.run(keep(memory, name(LOAD), kept))
    meter = ProfileMeter(days_of(5)[::-1], refuses=NO_RANGE)
    said = [ask(meter, within=context(memory=memory))[0].detail for _ in range(2)]
    assert ["other way round" in detail for detail in said] == [True, False]
    assert RangeSelection not in [type(one) for one in meter.selections]


def test_a_clock_that_went_back_at_the_newest_row_turns_nothing_round() -> None:
    rows = [*days_of(2), (DAY + 2 * DAYS - HOURS, row(DAY + 2 * DAYS - HOURS, 7, 0x20))]
    (answer,) = ask(ProfileMeter(rows, refuses=NO_RANGE))
    assert instants([answer]) == [DAY + n * QUARTER for n in range(1, 97)]
    assert answer.detail == ""


@pytest.mark.parametrize("missing", [range(100, 300), range(50), range(150, 160)])
def test_rows_that_were_never_written_do_not_lead_the_search_astray(missing: range) -> None:
    rows = [one for n, one in enumerate(days_of(5)) if n not in missing]
    meter = ProfileMeter(rows, refuses=NO_RANGE)
    answers = ask(meter, DAY, DAY + 4 * DAYS)
    assert instants(answers) == [at for at, _ in rows if at <= DAY + 4 * DAYS]


@settings(max_examples=40)
@given(
    st.sets(st.integers(0, 479), max_size=400),
    st.integers(0, 400),
    st.integers(1, 200),
    st.booleans(),
)
def test_whatever_is_missing_all_rows_of_a_window_are_found(
    missing: set[int], begin: int, size: int, newest_first: bool
) -> None:
    rows = [one for n, one in enumerate(days_of(5)) if n not in missing]
    sort = SortMethod.LIFO if newest_first else SortMethod.FIFO
    meter = ProfileMeter(rows[::-1] if newest_first else rows, sort=sort, refuses=NO_RANGE)
    start, end = DAY + begin * QUARTER, DAY + (begin + size) * QUARTER
    answers = ask(meter, start, end)
    assert instants(answers) == [at for at, _ in rows if start < at <= end]


class Compressing(ProfileMeter):
    """Leaves out times that go on from the row before, in each answer anew."""

    def _chosen(self, selection: Selection | None) -> list[tuple[datetime, bytes]]:
        found = super()._chosen(selection)
        return found[:1] + [
            (at, structure(b"\x00", octets[-7:-5], octets[-5:]) if abs(at - before) == QUARTER else octets)
            for (before, _), (at, octets) in pairwise(found)
        ]


@pytest.mark.parametrize("sort", [SortMethod.FIFO, SortMethod.LIFO])
def test_a_row_that_came_twice_is_one_row_also_where_its_time_was_left_out_once(sort: SortMethod) -> None:
    """Rows are missing, so that the first entries are too old and the search goes on."""
    rows = [one for n, one in enumerate(days_of(3)) if n not in range(100, 102)]
    meter = Compressing(rows[::-1] if sort is SortMethod.LIFO else rows, sort=sort)
    meter.refuses = {"range": DataAccess.OTHER_REASON}
    (answer,) = ask(meter, DAY, DAY + HOURS)
    assert len(meter.selections) > 3  # range, newest, and more than one part
    assert instants([answer]) == [DAY + n * QUARTER for n in range(1, 5)]
    assert {reading.status for reading in answer.readings} == {RawStatus.TRUE}


def test_a_meter_that_counts_the_room_for_rows_instead_of_rows_is_read_as_a_whole() -> None:
    meter = ProfileMeter(days_of(1))
    meter.refuses = {"range": DataAccess.OTHER_REASON}
    meter.objects[(7, LOAD, 7)] = u32(1000)
    (answer,) = ask(meter)
    assert instants([answer]) == [DAY + n * QUARTER for n in range(1, 97)]
    assert meter.selections[-1] is None
    with pytest.raises(MeterDiffers, match=r"has 1000 rows .* sends none of the newest"):
        ask(meter, within=context(access="entry"))


def test_no_entries_at_all() -> None:
    (answer,) = ask(ProfileMeter(refuses=NO_RANGE))
    assert (answer.readings, answer.detail) == ((), "no rows")


def test_rows_that_are_all_older_than_the_window_are_not_fetched() -> None:
    meter = ProfileMeter(days_of(5, DAY - 10 * DAYS), refuses=NO_RANGE)
    (answer,) = ask(meter)
    assert answer.detail == "no rows"
    assert len(meter.selections) == 2


def test_a_search_ends_where_the_times_lead_nowhere() -> None:
    search = EntrySearch(Window(DAY, DAY + DAYS), 10**9, DAY + 2 * DAYS, 900)
    steps = 0
    while search.next() is not None:
        search.found(None, None)
        steps += 1
    assert steps == 200
    assert not search.complete


# -- the whole buffer ------------------------------------------------------------------------------------------------

NO_SELECTION = {"range": DataAccess.TYPE_UNMATCHED, "entry": DataAccess.SCOPE_OF_ACCESS_VIOLATED}


def test_without_selective_access_the_buffer_is_fetched_once_and_handed_over_day_by_day() -> None:
    meter, memory = ProfileMeter(days_of(3), refuses=NO_SELECTION), Forgetful()
    answers = ask(meter, DAY, DAY + 2 * DAYS, context(memory=memory))
    assert [len(answer.readings) for answer in answers] == [96, 96]
    assert [answer.detail for answer in answers] == ["", ""]
    assert meter.selections.count(None) == 1
    ask(meter, DAY, DAY + DAYS, context(memory=memory))
    assert meter.selections[-1] is None
    assert meter.selections.count(None) == 2
    assert len(meter.selections) == 4  # range, entry, whole, whole


def test_a_row_without_a_time_comes_once_out_of_a_whole_buffer() -> None:
    rows = days_of(2)
    rows[5] = (rows[5][0], structure(b"\x09\x0c" + b"\xff" * 12, u8(0), u32(1)))
    answers = ask(ProfileMeter(rows, refuses=NO_SELECTION), DAY, DAY + 2 * DAYS)
    assert [len(answer.readings) for answer in answers] == [96, 96]


def test_entries_say_nothing_where_rows_are_sorted_by_value() -> None:
    meter = ProfileMeter(days_of(1), sort=SortMethod.LARGEST, by=IMPORT, refuses=NO_RANGE)
    (answer,) = ask(meter)
    assert len(answer.readings) == 96
    assert [type(one) for one in meter.selections] == [RangeSelection, type(None)]


def test_a_profile_without_a_clock_is_fetched_whole_and_nothing_in_it_is_believed() -> None:
    rows = [(DAY, structure(u8(0), u32(1)))]
    meter = ProfileMeter(rows, columns=(STATUS, IMPORT), by=None)
    (answer,) = ask(meter)
    assert [reading.status for reading in answer.readings] == [RawStatus.DISTORTED]
    assert "captures no clock" in answer.detail


# -- refusals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("why", [DataAccess.TEMPORARY_FAILURE, DataAccess.HARDWARE_FAULT, DataAccess.LONG_GET_ABORTED])
def test_a_refusal_that_may_pass_is_an_error_and_teaches_nothing(why: DataAccess) -> None:
    meter, memory = ProfileMeter(days_of(1), refuses={"range": why}), Forgetful()
    with pytest.raises(ProtocolError, match=why.text):
        ask(meter, within=context(memory=memory))
    meter.refuses = {}
    ask(meter, within=context(memory=memory))
    assert [type(one) for one in meter.selections] == [RangeSelection] * 2


@pytest.mark.parametrize(
    ("why", "error"),
    [
        (DataAccess.READ_WRITE_DENIED, MeterDiffers),
        (DataAccess.OTHER_REASON, ProtocolError),
        (ServiceRefused("refuses the service"), MeterDiffers),
    ],
)
def test_what_is_refused_every_way_is_an_error(why: DataAccess | Exception, error: type[GatewayError]) -> None:
    meter = ProfileMeter(days_of(1), refuses=dict.fromkeys(("range", "entry", "none"), why))
    with pytest.raises(error):
        ask(meter)


@pytest.mark.parametrize("access", ["range", "entry"])
def test_a_way_that_is_configured_is_the_only_one(access: Access) -> None:
    meter = ProfileMeter(days_of(1), refuses=NO_SELECTION)
    with pytest.raises(MeterDiffers):
        ask(meter, within=context(access=access))
    assert None not in meter.selections


def test_a_way_that_cannot_be_gone_says_what_to_change() -> None:
    meter = ProfileMeter([(DAY, structure(u8(0), u32(1)))], columns=(STATUS, IMPORT), by=None)
    with pytest.raises(MeterDiffers, match="selective_access: auto"):
        ask(meter, within=context(access="range"))


# -- a profile that was set up anew ------------------------------------------------------------------------------------


def test_rows_that_do_not_fit_what_is_kept_make_it_be_read_again() -> None:
    memory = Forgetful()
    ask(ProfileMeter(days_of(1)), within=context(memory=memory))
    rows = [(DAY + QUARTER, structure(stamp(DAY + QUARTER), u8(0), u32(1), u32(2)))]
    meter = ProfileMeter(rows, columns=(*COLUMNS, EXPORT))
    (answer,) = ask(meter, within=context(memory=memory, at=DAY + 4 * DAYS + 14 * HOURS))
    assert [(str(one.obis), one.raw_text) for one in answer.readings] == [
        ("1-0:1.8.0*255", "1"),
        ("1-0:2.8.0*255", "2"),
    ]
    assert len(meter.selections) == 2


def test_rows_that_do_not_fit_make_the_scalers_be_read_again_as_well() -> None:
    memory = Forgetful()
    ask(ProfileMeter(days_of(1)), within=context(memory=memory))
    meter = ProfileMeter(
        [(DAY + QUARTER, structure(stamp(DAY + QUARTER), u8(0), u32(1), u32(2)))], columns=(*COLUMNS, EXPORT)
    )
    meter.objects[(3, "1-0:1.8.0*255", 3)] = scaler_unit(3, 30)
    (answer,) = ask(meter, within=context(memory=memory, at=LATER + HOURS))
    assert [one.scaler for one in answer.readings] == [3, 0]


def test_rows_that_do_not_fit_what_was_just_read_are_kept_as_they_are() -> None:
    odd = structure(u8(1))
    meter = ProfileMeter([(DAY + QUARTER, odd), *quarters(DAY + QUARTER, 1)])
    (answer,) = ask(meter)
    assert [one.raw for one in answer.readings] == [odd, u32(1)]
    assert answer.readings[0].status is RawStatus.DISTORTED
    assert "1 rows that have not 3 elements" in answer.detail
    assert len(meter.selections) == 1


# -- logs and pieces -------------------------------------------------------------------------------------------------


def test_a_log_of_three_years_is_one_request() -> None:
    entries = [(DAY + n * DAYS, structure(stamp(DAY + n * DAYS), u8(n + 3))) for n in range(-3, 3)]
    meter = ProfileMeter(entries, columns=(CLOCK, column(1, "0-0:96.11.0*255")), period=0, code=LOG)
    (answer,) = ask(meter, DAY - 1095 * DAYS, DAY, code=LOG)
    assert [reading.raw_text for reading in answer.readings] == ["0", "1", "2", "3"]
    assert len(meter.selections) == 1


def test_a_log_by_entries_goes_back_from_the_newest() -> None:
    entries = [(DAY + n * HOURS, structure(stamp(DAY + n * HOURS), u8(n % 200))) for n in range(500)]
    meter = ProfileMeter(entries, columns=(CLOCK, column(1, "0-0:96.11.0*255")), period=0, code=LOG, refuses=NO_RANGE)
    (answer,) = ask(meter, DAY + 349 * HOURS, DAY + 359 * HOURS, code=LOG)
    assert [reading.raw_text for reading in answer.readings] == [str(n % 200) for n in range(350, 360)]


@pytest.mark.parametrize(
    ("start", "end", "period", "cuts"),
    [
        (DAY, DAY + DAYS, 900, []),
        (DAY + 5 * HOURS, DAY + 29 * HOURS, 900, []),
        (DAY, DAY + 2 * DAYS, 900, [DAY + DAYS]),
        (DAY + HOURS, DAY + 26 * HOURS + QUARTER, 900, [DAY + DAYS]),
        (DAY, DAY + 9 * DAYS, 3600, [DAY + 4 * DAYS, DAY + 8 * DAYS]),
        (DAY, DAY + 60 * DAYS, 86_400, []),
        (DAY, DAY + 900 * DAYS, 0, []),
        (
            datetime(2026, 3, 27, 23, tzinfo=UTC),
            datetime(2026, 3, 30, 22, tzinfo=UTC),
            900,
            [datetime(2026, 3, 28, 23, tzinfo=UTC), datetime(2026, 3, 29, 22, tzinfo=UTC)],
        ),
    ],
)
def test_pieces(start: datetime, end: datetime, period: int, cuts: list[datetime]) -> None:
    edges = [start, *cuts, end]
    assert windows(Window(start, end), context(), period) == tuple(Window(*both) for both in pairwise(edges))


def test_several_days_in_one_request_where_that_is_wanted() -> None:
    pieces = windows(Window(DAY, DAY + 7 * DAYS), context(days=3), 900)
    assert [piece.end for piece in pieces] == [DAY + 3 * DAYS, DAY + 6 * DAYS, DAY + 7 * DAYS]


def test_a_compressed_buffer_is_filled_in_before_rows_are_chosen() -> None:
    rows = [(DAY, row(DAY, 5)), (DAY + QUARTER, structure(b"\x00", b"\x00", b"\x00"))]
    (answer,) = ask(ProfileMeter(rows, refuses=NO_SELECTION))
    assert [(one.at, one.raw_text) for one in answer.readings] == [(DAY + QUARTER, "5")]
