"""Windows, back-off and the choice of the next call: by table, on the days on which clocks change, by properties."""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewayd.calls import Due, Ledger, is_open, next_open, paid
from gatewayd.channel.modem_options import BACK_OFF, CallResult, Scope
from gatewayd.dialling import PhoneNumber, Window
from tests.gatewayd.doubles import call_record

PRAGUE = ZoneInfo("Europe/Prague")
NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
A, B, C = (PhoneNumber(f"+42060123456{n}") for n in range(3))
ALWAYS: dict[str, tuple[Window, ...]] = {"one": (), "two": ()}
NIGHT = Window(time(0, 10), time(5, 30))
LATE = Window(time(22, 30), time(1, 15))


def local(text: str) -> datetime:
    """An instant from legal time; `+01:00` or `+02:00` behind it in the autumn hour."""
    at = datetime.fromisoformat(text)
    return (at if at.tzinfo else at.replace(tzinfo=PRAGUE)).astimezone(UTC)


def seconds(number: int) -> timedelta:
    return timedelta(seconds=number)


# -- windows -----------------------------------------------------------------------------------------------------------

OPENINGS = [
    ((NIGHT,), "2026-11-26 00:09:59", "2026-11-26 00:10"),
    ((NIGHT,), "2026-11-26 00:10", "2026-11-26 00:10"),
    ((NIGHT,), "2026-11-26 05:29:59.999999", "2026-11-26 05:29:59.999999"),
    ((NIGHT,), "2026-11-26 05:30", "2026-11-27 00:10"),
    ((LATE,), "2026-11-26 22:29", "2026-11-26 22:30"),
    ((LATE,), "2026-11-26 23:59:59", "2026-11-26 23:59:59"),
    ((LATE,), "2026-11-27 01:14", "2026-11-27 01:14"),
    ((LATE,), "2026-11-27 01:15", "2026-11-27 22:30"),
    ((NIGHT, LATE), "2026-11-27 05:30", "2026-11-27 22:30"),
    ((NIGHT, LATE), "2026-11-27 01:15", "2026-11-27 01:15"),
    ((Window(time(22), time(0)),), "2026-11-26 23:59", "2026-11-26 23:59"),
    ((Window(time(22), time(0)),), "2026-11-27 00:00", "2026-11-27 22:00"),
    ((), "2026-11-26 12:00", "2026-11-26 12:00"),
    # Spring 2026-03-29: 02:00 becomes 03:00.
    ((NIGHT,), "2026-03-29 05:29", "2026-03-29 05:29"),
    ((Window(time(2, 30), time(5, 30)),), "2026-03-29 01:59", "2026-03-29 03:00"),
    ((Window(time(2, 10), time(2, 40)),), "2026-03-29 01:00", "2026-03-30 02:10"),
    # Autumn 2026-10-25: 03:00 becomes 02:00; both of the two hours count.
    ((Window(time(2, 10), time(2, 40)),), "2026-10-25 01:00", "2026-10-25T02:10+02:00"),
    ((Window(time(2, 10), time(2, 40)),), "2026-10-25T02:40+02:00", "2026-10-25T02:10+01:00"),
    ((Window(time(2, 10), time(2, 40)),), "2026-10-25T02:40+01:00", "2026-10-26 02:10"),
]


@pytest.mark.parametrize(("windows", "at", "opens"), OPENINGS, ids=[f"{at} {opens}" for _, at, opens in OPENINGS])
def test_when_a_window_opens(windows: tuple[Window, ...], at: str, opens: str) -> None:
    assert next_open(windows, local(at), PRAGUE) == local(opens)
    assert is_open(windows, local(at), PRAGUE) == (at == opens)


CLOCKS = st.times().map(lambda clock: clock.replace(second=0, microsecond=0))
WINDOWS = st.lists(
    st.tuples(CLOCKS, CLOCKS).filter(lambda pair: pair[0] != pair[1]).map(lambda pair: Window(*pair)), max_size=3
).map(tuple)
YEAR = st.integers(0, 366 * 86400).map(lambda n: datetime(2026, 1, 1, tzinfo=UTC) + seconds(n))
CHANGES = st.sampled_from(["2026-03-29 01:00", "2026-10-25 01:00"]).flatmap(
    lambda day: st.integers(-7200, 4 * 3600).map(lambda n: local(day) + seconds(n))
)


def by_hand(windows: tuple[Window, ...], at: datetime) -> bool:
    """Whether the clock on the wall shows a time inside, in minutes."""
    shown = at.astimezone(PRAGUE)
    minute = shown.hour * 60 + shown.minute
    for window in windows:
        start, end = (clock.hour * 60 + clock.minute for clock in (window.start, window.end))
        if (minute - start) % 1440 < (end - start) % 1440:
            return True
    return not windows


@given(WINDOWS, YEAR | CHANGES)
@settings(max_examples=200, deadline=None)
def test_a_call_begins_in_a_window_and_as_soon_as_there_is_one(windows: tuple[Window, ...], at: datetime) -> None:
    opens = next_open(windows, at, PRAGUE)
    assert opens >= at
    assert by_hand(windows, opens)
    assert is_open(windows, at, PRAGUE) == by_hand(windows, at)
    minute = at
    while minute < opens:
        assert not by_hand(windows, minute), f"{minute} was open already"
        minute = minute.replace(second=0, microsecond=0) + timedelta(minutes=1)


# -- back-off ----------------------------------------------------------------------------------------------------------


def test_a_number_waits_longer_and_longer_on_every_modem_and_others_do_not() -> None:
    ledger, now = Ledger(ALWAYS, PRAGUE), NOW
    for pause in (60, 180, 600, 600):
        ledger.begin(A)
        ledger.end("one", A, CallResult.BUSY, now)
        for modem in ("one", "two"):
            assert ledger.choose(modem, [Due(A, NOW)], now) == now + seconds(pause)
            assert ledger.choose(modem, [Due(A, NOW), Due(B, now)], now) == Due(B, now)
        now += seconds(pause)
        assert ledger.choose("two", [Due(A, NOW)], now) == Due(A, NOW)
    ledger.end("two", A, CallResult.DONE, now)
    assert ledger.choose("one", [Due(A, now)], now) == Due(A, now)
    ledger.end("two", A, CallResult.BUSY, now)
    assert ledger.choose("one", [Due(A, NOW)], now) == now + seconds(60), "a success begins anew"


def test_a_modem_waits_and_the_other_takes_its_work() -> None:
    ledger = Ledger(ALWAYS, PRAGUE)
    for pause in (300, 900, 3600, 3600):
        ledger.end("one", A, CallResult.NO_DIALTONE, NOW)
        assert ledger.choose("one", [Due(B, NOW)], NOW) == NOW + seconds(pause)
        assert ledger.choose("two", [Due(A, NOW)], NOW) == Due(A, NOW)
    ledger.end("one", A, CallResult.BUSY, NOW)
    assert ledger.choose("one", [Due(B, NOW)], NOW) == Due(B, NOW), "a modem that reached the network works"
    ledger.end("one", B, CallResult.NO_DIALTONE, NOW)
    assert ledger.choose("one", [Due(B, NOW)], NOW) == NOW + seconds(300)


def test_what_only_a_person_can_mend_is_not_repeated() -> None:
    ledger = Ledger(ALWAYS, PRAGUE)
    ledger.end("one", A, CallResult.SIM, NOW)
    assert ledger.parked("one") and not ledger.parked("two")
    assert ledger.choose("one", [Due(A, NOW), Due(B, NOW)], NOW + timedelta(days=365)) is None
    assert ledger.choose("two", [Due(A, NOW)], NOW) == Due(A, NOW)


def test_a_cancelled_call_is_nobodys_fault() -> None:
    ledger = Ledger(ALWAYS, PRAGUE)
    ledger.begin(A)
    ledger.end("one", A, CallResult.CANCELLED, NOW)
    assert ledger.choose("one", [Due(A, NOW)], NOW) == Due(A, NOW)
    ledger.end("one", A, CallResult.BUSY, NOW)
    ledger.end("one", A, CallResult.CANCELLED, NOW)
    assert ledger.choose("one", [Due(A, NOW)], NOW) == NOW + seconds(60), "and nobody's merit"


# -- the choice --------------------------------------------------------------------------------------------------------


def test_what_has_waited_longest_goes_first() -> None:
    dues = [Due(A, NOW), Due(B, NOW - seconds(20)), Due(C, NOW - seconds(5))]
    ledger = Ledger(ALWAYS, PRAGUE)
    assert ledger.choose("one", dues, NOW) == dues[1]
    ledger.begin(B)
    assert ledger.choose("two", dues, NOW) == dues[2]
    ledger.begin(C)
    assert ledger.choose("two", [*dues[1:], Due(A, NOW + seconds(7))], NOW) == NOW + seconds(7)
    assert ledger.choose("two", dues[1:], NOW) is None, "who is being called is not known to be free at any time"


def test_nothing_is_due() -> None:
    assert Ledger(ALWAYS, PRAGUE).choose("one", [], NOW) is None


def test_a_modem_waits_for_its_own_window() -> None:
    ledger = Ledger({"one": (NIGHT,), "two": ()}, PRAGUE)
    noon, night = local("2026-11-26 12:00"), local("2026-11-27 00:10")
    assert ledger.choose("one", [Due(A, noon)], noon) == night
    assert ledger.choose("two", [Due(A, noon)], noon) == Due(A, noon)
    assert ledger.choose("one", [Due(A, noon)], night) == Due(A, noon), "late, and not lost"
    assert (ledger.open("one", noon), ledger.open("one", night), ledger.window("one", noon)) == (False, True, night)
    before = local("2026-11-27 05:29:30")
    ledger.end("two", A, CallResult.BUSY, before)
    assert ledger.choose("one", [Due(A, noon)], before) == local("2026-11-28 00:10"), "the pause ends outside"


RESULTS = st.sampled_from(list(CallResult))
NUMBERS = st.sampled_from([A, B, C])
MODEMS = st.sampled_from(["one", "two", "three"])
STEPS = st.lists(st.tuples(MODEMS, st.integers(0, 3600), RESULTS), min_size=1, max_size=40)


@given(STEPS, WINDOWS, st.lists(st.tuples(NUMBERS, st.integers(-3600, 3600)), min_size=1, max_size=5), YEAR)
@settings(max_examples=60, deadline=None)
def test_a_course_of_calls_keeps_the_rules(
    steps: list[tuple[str, int, CallResult]],
    windows: tuple[Window, ...],
    wanted: list[tuple[PhoneNumber, int]],
    now: datetime,
) -> None:
    """Judged by a book-keeping of its own, not by that of the ledger."""
    own = {"one": windows, "two": (), "three": (NIGHT,)}
    ledger = Ledger(own, PRAGUE)
    dues = [Due(number, now + seconds(offset)) for number, offset in wanted]
    calls: dict[str, PhoneNumber] = {}
    failed: dict[object, tuple[int, datetime | None]] = {}
    for modem, passed, result in steps:
        now += seconds(passed)
        if modem in calls:
            number = calls.pop(modem)
            ledger.end(modem, number, result, now)
            if result is CallResult.CANCELLED:
                continue
            if result is CallResult.DONE:
                failed.pop(number, None)
                failed.pop(modem, None)
                continue
            whose: object = number if BACK_OFF[result].scope is Scope.NUMBER else modem
            if whose is number:
                failed.pop(modem, None)
            count = failed[whose][0] + 1 if whose in failed else 1
            pauses = BACK_OFF[result].seconds
            until = now + timedelta(seconds=pauses[min(count, len(pauses)) - 1]) if pauses else None
            failed[whose] = count, until
            continue
        choice = ledger.choose(modem, dues, now)
        if isinstance(choice, datetime):
            assert choice > now
            continue
        if choice is None:
            continue
        assert choice.at <= now, "not due"
        assert by_hand(own[modem], now), "outside the windows"
        assert choice.number not in calls.values(), "two calls to one number"
        for whose in (modem, choice.number):
            if whose in failed:
                until = failed[whose][1]
                assert until is not None and until <= now, "before the back-off is over"
        ledger.begin(choice.number)
        calls[modem] = choice.number


def test_two_calls_to_one_number_are_a_defect() -> None:
    ledger = Ledger(ALWAYS, PRAGUE)
    ledger.begin(A)
    with pytest.raises(AssertionError):
        ledger.begin(A)


# -- cost --------------------------------------------------------------------------------------------------------------


def test_a_number_is_given_up_after_paid_calls_in_vain_and_until_one_succeeds() -> None:
    ledger = Ledger(ALWAYS, PRAGUE)
    for n, result in enumerate((CallResult.LOST, CallResult.NO_CARRIER, CallResult.LINE_FAILED, CallResult.TIMEOUT)):
        ledger.end("one", A, result, NOW, cost=True)
        ledger.end("two", A, CallResult.BUSY, NOW, cost=False)
        assert not ledger.given_up(A), n
    ledger.end("one", A, CallResult.LOST, NOW, cost=True)
    assert ledger.given_up(A) and not ledger.given_up(B)
    ledger.end("two", A, CallResult.CANCELLED, NOW, cost=True)
    assert ledger.given_up(A)
    ledger.end("two", A, CallResult.DONE, NOW, cost=True)
    assert not ledger.given_up(A)
    ledger.end("one", A, CallResult.LOST, NOW, cost=True)
    assert not ledger.given_up(A), "counted anew"


@pytest.mark.parametrize("result", list(CallResult))
def test_what_costs_money(result: CallResult) -> None:
    record = call_record(result)
    answered = (CallResult.NO_CARRIER, CallResult.TIMEOUT)
    assert paid(record) == (record.connected_at is not None or result in answered)
    assert not paid(replace(record, connected_at=None, dialled=False))
    assert paid(replace(record, connected_at=NOW))


def test_a_pause_of_a_clock_that_was_set_back_is_over() -> None:
    ledger = Ledger(ALWAYS, PRAGUE)
    ledger.end("one", A, CallResult.NO_ANSWER, NOW)
    ledger.end("one", B, CallResult.NO_DIALTONE, NOW)
    a_little = NOW - seconds(50)
    assert ledger.choose("two", [Due(A, a_little)], a_little) == NOW + seconds(300)
    before = NOW - timedelta(days=9)
    assert ledger.choose("one", [Due(A, before)], before) == Due(A, before)
    ledger.end("two", A, CallResult.SIM, NOW)
    assert ledger.choose("two", [Due(A, before)], before) is None, "a person does not come by setting clocks"
