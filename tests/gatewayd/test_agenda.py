"""The agenda of a line: who comes next, what goes into one session, and months of faults, clocks and restarts."""

import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewayd.agenda import Agenda, Choice
from gatewayd.diary import Diary
from gatewayd.duties import Brought, Duty, Pending, Priority, Terms
from gatewayd.errors import GatewayError, MeterRefused, MeterSilent, ProtocolError, SessionDeadline
from gatewayd.model import Increments, LoadProfile, Registers
from gatewayd.obis import Obis
from gatewayd.schedule import At, Boundaries, Every, Rhythm, next_due
from tests.gatewayd.doubles import START

PRAGUE = ZoneInfo("Europe/Prague")
QUARTER = timedelta(minutes=15)
SECOND, MINUTE, HOUR, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
SILENT, NONSENSE = MeterSilent("silent"), ProtocolError("nonsense")
DAILY = At(time(0, 20))


def regular(meter: str, rhythm: Rhythm | None = None, code: str = "1.8.0") -> Duty:
    return Duty(meter, Registers((Obis.parse(code),)), rhythm or Every(QUARTER))


def boundary(meter: str, period: timedelta = QUARTER) -> Duty:
    return Duty(meter, Increments((Obis.parse("1.8.0"),), period), Boundaries(period))


def profile(meter: str, rhythm: Rhythm = DAILY) -> Duty:
    return Duty(meter, LoadProfile(Obis.parse("1-0:99.1.0")), rhythm)


def agenda(*duties: Duty, now: datetime = START) -> Agenda:
    return Agenda(duties, now, Terms(PRAGUE))


def settle(
    one: Agenda, now: datetime, *brought: Brought, seconds: float = 1.0, cut: bool = False
) -> tuple[Choice, datetime]:
    """The next session, with what it brings; at least one duty, the rest of them soundly."""
    choice = one.choose(now)
    assert choice is not None
    ended = now + timedelta(seconds=seconds)
    results = list(brought) if cut else [*brought, *[Brought(None, gained=True)] * (len(choice.places) - len(brought))]
    one.settle(choice, results, now, ended, cut=cut)
    one.heed(choice, results, now, ended)
    return choice, ended


def chosen(one: Agenda, now: datetime) -> tuple[str, tuple[int, ...]] | None:
    choice = one.choose(now)
    return None if choice is None else (choice.meter, choice.places)


# -- order -------------------------------------------------------------------------------------------------------------


def test_boundaries_then_what_is_scheduled_then_what_is_tried_again_then_back_fill() -> None:
    one = agenda(profile("fill"), regular("again"), regular("late"), boundary("sharp"))
    order = []
    choice, now = settle(one, START)
    order.append(choice.meter)
    assert choice.priority is Priority.BOUNDARY
    while (choice_ := one.choose(now)) is not None and len(order) < 4:
        fault, left = (NONSENSE, 0) if choice_.meter == "again" else (None, 100 if choice_.meter == "fill" else 0)
        _, now = settle(one, now, Brought(fault, left, gained=fault is None))
        order.append(choice_.meter)
    assert order[0] == "sharp"
    later = now + 12 * SECOND
    assert chosen(one, later) == ("again", (1,))
    assert one.choose(later) == Choice("again", (1,), Priority.RETRY)
    _, now = settle(one, later)
    assert one.choose(now) == Choice("fill", (0,), Priority.BACKFILL)


def test_of_equals_the_longest_due() -> None:
    one = agenda(regular("a", Every(MINUTE)), regular("b", Every(2 * MINUTE)), regular("c", Every(MINUTE)))
    for _ in range(3):
        settle(one, START, seconds=0)
    assert chosen(one, START + 2 * MINUTE) == ("a", (0,))
    settle(one, START + 2 * MINUTE)
    assert chosen(one, START + 2 * MINUTE) == ("c", (2,)), "due since a minute, b since now"


def test_what_is_due_for_a_meter_goes_into_one_session_profiles_last() -> None:
    midnight = next_due(DAILY, START, PRAGUE)
    duties = profile("em-1"), regular("em-2"), regular("em-1"), boundary("em-1"), regular("em-1", DAILY)
    one = agenda(*duties, now=midnight - SECOND)
    assert chosen(one, midnight - SECOND) == ("em-1", (3, 2, 0))
    assert chosen(one, midnight) == ("em-1", (3, 2, 4, 0))


def test_boundaries_of_others_do_not_wait_for_what_else_is_due() -> None:
    one = agenda(boundary("em-1"), regular("em-1"), boundary("em-2"), regular("em-2"))
    order, now = [], START
    while (choice := one.choose(now)) is not None:
        order.append((choice.meter, choice.places))
        _, now = settle(one, now)
    assert order == [("em-1", (0,)), ("em-2", (2, 3)), ("em-1", (1,))]


def test_back_fill_goes_along_behind_the_others_but_not_before_another_meter() -> None:
    one = agenda(profile("em-1"), regular("em-1", Every(MINUTE)), regular("em-2", Every(MINUTE)))
    _, now = settle(one, START, Brought(None), Brought(None, 99, gained=True))
    settle(one, now)
    assert chosen(one, now) == ("em-1", (0,)), "alone"
    assert chosen(one, START + MINUTE) == ("em-1", (1,)), "em-2 waits"
    settle(one, START + MINUTE)
    assert chosen(one, START + MINUTE) == ("em-2", (2,))
    settle(one, START + MINUTE)
    alone = agenda(profile("em-1"), regular("em-1", Every(MINUTE)))
    settle(alone, START, Brought(None), Brought(None, 99, gained=True))
    assert chosen(alone, START + MINUTE) == ("em-1", (1, 0))


def test_back_fill_goes_round() -> None:
    one = agenda(*(profile(f"em-{n}") for n in range(4)))
    order, now = [], START
    for _ in range(12):
        choice, now = settle(one, now, Brought(None, 1000, gained=True), seconds=60)
        order.append(choice.meter)
    assert order == [f"em-{n}" for n in range(4)] * 3


def test_what_has_waited_for_a_quarter_of_an_hour_counts_as_scheduled() -> None:
    """A line on which something scheduled is always due: the back-fill gets its turn all the same."""
    one = agenda(profile("fill"), *(regular(f"em-{n}", Every(SECOND)) for n in range(3)))
    now, filled = START, []
    for _ in range(4000):
        choice, now = settle(one, now, Brought(None, 1000, gained=True))
        if choice.meter == "fill":
            filled.append(now)
    gaps = [later - earlier for earlier, later in pairwise(filled)]
    assert len(filled) >= 4 and max(gaps) <= 16 * MINUTE


def test_a_boundary_that_is_always_due_starves_nobody() -> None:
    one = agenda(boundary("greedy", SECOND), regular("em-1"))
    now, served = START, []
    for _ in range(4 * 3600):
        choice, now = settle(one, now)
        if choice.meter == "em-1":
            served.append(now)
    assert max(later - earlier for earlier, later in pairwise(served)) <= 31 * MINUTE + QUARTER


def test_a_duty_that_breaks_its_session_is_held_apart() -> None:
    one = agenda(regular("em-1"), regular("em-1", code="2.8.0"))
    assert chosen(one, START) == ("em-1", (0, 1))
    one.hold_apart("em-1")
    assert chosen(one, START) == ("em-1", (0,))
    settle(one, START)
    assert chosen(one, START) == ("em-1", (1,))


def test_duties_of_other_terms_have_a_session_of_their_own() -> None:
    one = Agenda(
        [Duty("em-1", Registers(), Every(QUARTER)), Duty("em-1", Registers(), Every(QUARTER), 1)], START, Terms(PRAGUE)
    )
    assert chosen(one, START) == ("em-1", (0,))


# -- meters that do not answer -----------------------------------------------------------------------------------------


def test_who_does_not_answer_comes_behind_who_does() -> None:
    one = agenda(regular("dead", Every(15 * SECOND)), regular("em-1", Every(15 * SECOND)))
    settle(one, START, Brought(SILENT), seconds=0)
    settle(one, START, seconds=0)
    due = START + 15 * SECOND
    assert chosen(one, due) == ("em-1", (1,))
    settle(one, due, seconds=0)
    assert chosen(one, due) == ("dead", (0,))


@pytest.mark.parametrize("fault", [SILENT, NONSENSE, SessionDeadline("60 s")])
def test_who_failed_waits_where_the_time_until_the_others_is_too_short(fault: GatewayError) -> None:
    one = agenda(regular("bad", Every(MINUTE)), regular("em-1", Every(MINUTE)))
    settle(one, START, Brought(fault), seconds=43)
    settle(one, START + 43 * SECOND)
    assert one.seconds("em-1", START + 44 * SECOND) == 86398, "nobody has to be thought of"
    assert one.seconds("bad", START + 44 * SECOND) == 14
    soon = START + 54 * SECOND
    assert chosen(one, soon) is None, "6 s until em-1"
    assert one.next_at(soon) == START + MINUTE
    assert chosen(one, START + MINUTE) == ("em-1", (1,))
    _, now = settle(one, START + MINUTE)
    assert chosen(one, now) == ("bad", (0,))


def test_who_failed_is_not_kept_waiting_for_back_fill() -> None:
    one = agenda(regular("bad", Every(HOUR)), profile("fill"))
    settle(one, START, Brought(NONSENSE))
    _, now = settle(one, START, Brought(None, 1000, gained=True))
    later = now + 10 * SECOND
    assert chosen(one, later) == ("bad", (0,))
    assert one.seconds("bad", later) == 1800 or one.seconds("bad", later) == 60


def test_a_session_yields_to_what_goes_before_it() -> None:
    one = agenda(profile("fill"), regular("em-1", Every(MINUTE)), boundary("sharp"))
    for meter in ("sharp", "fill", "em-1"):
        choice, _ = settle(one, START, Brought(None, 99 if meter == "fill" else 0, gained=True), seconds=0)
        assert choice.meter == meter
    choice, _ = settle(one, START, Brought(None, 98, gained=True), seconds=0)
    assert choice.meter == "fill"
    assert not one.pressing(choice, Priority.BACKFILL, START + 59 * SECOND)
    assert one.pressing(choice, Priority.BACKFILL, START + MINUTE)
    assert not one.pressing(choice, Priority.SCHEDULED, START + MINUTE), "of the same kind"
    assert one.pressing(choice, Priority.SCHEDULED, START + QUARTER)


def test_a_session_does_not_yield_to_who_does_not_answer() -> None:
    one = agenda(profile("fill"), regular("dead", Every(MINUTE)))
    first, second = one.choose(START), None
    assert first is not None
    one.settle(first, [Brought(None, 9, gained=True)], START, START, cut=False)
    settle(one, START, Brought(SILENT), cut=True)
    second = one.choose(START)
    assert second is not None and second.meter == "fill"
    assert not one.pressing(second, Priority.BACKFILL, START + 15 * SECOND)


def test_what_was_not_tried_for_a_fault_waits_with_it_and_what_was_cut_short_stays_due() -> None:
    one = agenda(regular("em-1"), regular("em-1", code="2.8.0"), regular("em-1", code="3.8.0"))
    settle(one, START, Brought(None), Brought(SILENT), cut=True, seconds=0)
    assert chosen(one, START + 9 * SECOND) is None
    assert chosen(one, START + 10 * SECOND) == ("em-1", (1, 2))
    choice = one.choose(START + 10 * SECOND)
    assert choice is not None
    one.settle(choice, [Brought(None)], START + 10 * SECOND, START + 10 * SECOND, cut=False)
    assert chosen(one, START + 10 * SECOND) == ("em-1", (2,))


def test_a_refusal_ends_all_that_was_to_be_asked() -> None:
    one = agenda(regular("em-1"), regular("em-1", code="2.8.0"))
    settle(one, START, Brought(MeterRefused("no")), cut=True)
    assert one.next_at(START + SECOND) == START + QUARTER


def test_what_it_tells() -> None:
    one = agenda(regular("em-1"), regular("em-2"), profile("em-2"))
    assert one.queue(START + MINUTE) == (3, START)
    _, now = settle(one, START)
    _, now = settle(one, now, Brought(None), Brought(None, 12, gained=True))
    assert one.queue(now) == (1, now)
    assert one.next_dues(now) == {"em-1": START + QUARTER, "em-2": now}
    assert one.left() == {"em-1": 0, "em-2": 12}


def test_a_daily_job_is_entered_as_done_when_nothing_of_it_is_left() -> None:
    """So a restart in the middle of a back-fill goes on with it at once."""
    filling = profile("em-1")
    one, diary, now = agenda(filling), Diary(), START + HOUR

    def session(left: int) -> list[Duty]:
        nonlocal now
        choice = one.choose(now)
        assert choice is not None
        done = one.settle(choice, [Brought(None, left, gained=True)], now, now + MINUTE, cut=False)
        now += MINUTE
        for duty, mark in done:
            diary.done(duty.meter, _text(duty), mark)
        return [duty for duty, _ in done]

    def restarted() -> datetime:
        again = Agenda([filling], now, Terms(PRAGUE), lambda duty: diary.last(duty.meter, _text(duty)))
        return again.pending[0].due

    assert session(7) == session(1) == []
    assert restarted() <= now, "at once"
    assert session(0) == [filling]
    assert restarted() == next_due(DAILY, now, PRAGUE)


def test_a_clock_that_is_set_back_a_little_reads_nothing_twice_and_what_is_late_stays_due() -> None:
    one = agenda(regular("em-1"), regular("em-2"))
    settle(one, START)
    assert one.look(START + SECOND) == timedelta(0)
    assert one.look(START - 50 * SECOND) == timedelta(0), "the work of time synchronisation"
    assert one.pending[0].due == START + QUARTER
    assert one.look(START - 31 * MINUTE) == 31 * MINUTE - 50 * SECOND
    assert one.pending[0].due == START - 30 * MINUTE
    assert chosen(one, START - 31 * MINUTE) is None or one.pending[1].due == START
    assert one.look(START - 30 * MINUTE) == timedelta(0)


# -- months of it ------------------------------------------------------------------------------------------------------


class Line:
    """A line over simulated time. What happens to it is drawn; the wall clock is `true` time plus `skew`."""

    def __init__(self, duties: Sequence[Duty], draw: random.Random, begin: datetime, *, faults: float = 0.0) -> None:
        self.duties = tuple(duties)
        self.draw = draw
        self.true = begin
        self.skew = timedelta(0)
        self.faults = faults
        self.diary = Diary()
        self.runs: list[tuple[int, datetime, datetime]] = []
        """Sound runs: which duty, at which true instant, at which reading of the wall clock."""
        self.waited: dict[str, timedelta] = {}
        self.start()

    @property
    def wall(self) -> datetime:
        return self.true + self.skew

    def start(self) -> None:
        terms = Terms(PRAGUE, self.draw.random)
        self.agenda = Agenda(self.duties, self.wall, terms, lambda d: self.diary.last(d.meter, _text(d)))

    def go(self, until: datetime, most: timedelta = DAY) -> None:
        """Work until then, in true time."""
        while self.true < until:
            now = self.wall
            self.agenda.look(now)
            choice = self.agenda.choose(now)
            if choice is None:
                following = self.agenda.next_at(now)
                assert following is not None and following > now, "it would turn in circles"
                self.true += min(following - now, most, max(until - self.true, SECOND))
                continue
            self._session(choice)

    def _session(self, choice: Choice) -> None:
        started = self.wall
        self.true += timedelta(seconds=self.draw.uniform(0.5, 20))
        brought, cut = [], False
        for place in choice.places:
            pending = self.agenda.pending[place]
            self.waited[choice.meter] = max(self.waited.get(choice.meter, timedelta(0)), started - pending.due)
            if self.draw.random() < self.faults:
                fault = self.draw.choice([SILENT, NONSENSE])
                brought.append(Brought(fault))
                if fault is SILENT:
                    cut = True
                    break
            else:
                brought.append(Brought(None, gained=True))
                self.runs.append((place, self.true, started))
        for duty, mark in self.agenda.settle(choice, brought, started, self.wall, cut=cut):
            self.diary.done(duty.meter, _text(duty), mark)
        self.agenda.heed(choice, brought, started, self.wall)

    def of(self, duty: Duty) -> list[datetime]:
        """When it was done, by the wall clock."""
        return [wall for place, _, wall in self.runs if self.duties[place] is duty]


def _text(duty: Duty) -> str:
    return duty.order.asked.text if isinstance(duty.order, Increments) else duty.order.text


def slot(duty: Duty, at: datetime) -> datetime:
    """The time of a daily job for which a run at this instant was: the last one up to it."""
    after = at - (32 * DAY if isinstance(duty.rhythm, At) and isinstance(duty.rhythm.on, int) else 8 * DAY)
    while (following := next_due(duty.rhythm, after, PRAGUE)) <= at:
        after = following
    return after


def test_a_year_without_a_fault_has_every_run_of_every_job() -> None:
    begin = datetime(2025, 1, 1, tzinfo=PRAGUE).astimezone(UTC)
    duties = [
        boundary("em-1"),
        regular("em-1", At(time(2, 30)), "2.8.0"),
        regular("em-2", At(time(2, 30), "sun"), "3.8.0"),
        regular("em-2", At(time(0, 5), 1), "4.8.0"),
        profile("em-2"),
    ]
    line = Line(duties, random.Random(1), begin + SECOND)
    line.go(datetime(2026, 1, 1, tzinfo=PRAGUE).astimezone(UTC))
    counts = [len(line.of(duty)) for duty in duties]
    assert counts == [35_040, 365, 52, 12, 366], "of the profile one more, at the start"
    for duty in duties[1:]:
        days = [wall.astimezone(PRAGUE).date() for wall in line.of(duty)]
        assert days == sorted(set(days)) or duty is duties[4]
    assert max(line.waited.values()) <= 2 * MINUTE


FLEET = (
    boundary("em-1"),
    regular("em-1", At(time(2, 30)), "2.8.0"),
    regular("em-2", Every(HOUR)),
    regular("em-2", DAILY, "2.8.0"),
    profile("em-3"),
    regular("em-3", At(time(4), "wed"), "3.8.0"),
)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32), st.floats(0, 0.5), st.integers(0, 6))
def test_weeks_of_faults_and_restarts_lose_no_day_and_double_none(seed: int, faults: float, restarts: int) -> None:
    draw = random.Random(seed)
    begin = datetime(2026, 10, 12, 21, 0, tzinfo=UTC) + timedelta(seconds=draw.randrange(86400))
    line = Line(FLEET, draw, begin, faults=faults)
    end = begin + 21 * DAY
    for stop in sorted(draw.uniform(0, 20) for _ in range(restarts)):
        line.go(begin + stop * DAY)
        line.true += timedelta(seconds=draw.choice([5, 900, 40_000]))  # no power
        line.start()
    line.faults = min(faults, 0.3)
    line.go(end)
    for duty in FLEET:
        if not isinstance(duty.rhythm, At):
            continue
        slots = [slot(duty, wall) for wall in line.of(duty)]
        assert len(slots) == len(set(slots)), f"{duty} was done twice for one time"
        following = next_due(duty.rhythm, begin, PRAGUE)
        wanted = []
        while following < end - DAY:
            wanted.append(following)
            following = next_due(duty.rhythm, following, PRAGUE)
        # A restart behind the next time does both at once; half of all sessions may fail, for hours.
        lost = [one for one in wanted if one not in slots]
        assert len(lost) <= restarts, f"{duty} was not done for {lost}"
    assert max(line.waited.values()) <= 20 * MINUTE


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32))
def test_a_clock_that_leaps_about_stops_nothing_and_doubles_no_day(seed: int) -> None:
    draw = random.Random(seed)
    begin = datetime(2026, 3, 20, 3, 0, tzinfo=UTC)
    line = Line(FLEET, draw, begin)
    leaps = [timedelta(seconds=sign * size) for size in (90, 3000, 7200, 80_000) for sign in (1, -1)]
    leaps += [timedelta(days=sign * size) for size in (2, 9, 3650) for sign in (1, -1)]
    times = []
    long_set_backs: list[int] = []
    for _ in range(6):
        line.go(
            line.true + timedelta(hours=draw.uniform(1, 60)), most=30 * SECOND if draw.random() < 0.1 else 10 * MINUTE
        )
        before = line.skew
        line.skew = timedelta(0) if draw.random() < 0.3 else line.skew + draw.choice(leaps)
        times.append(line.true)
        if before - line.skew > DAY - HOUR:
            long_set_backs.append(len(line.runs))
        if draw.random() < 0.3:
            line.start()
    line.go(line.true + 3 * DAY, most=10 * MINUTE)
    for number, duty in enumerate(FLEET):
        runs = [(index, true, wall) for index, (place, true, wall) in enumerate(line.runs) if place == number]
        instants = [begin, *(true for _, true, _ in runs), line.true]
        length = HOUR if not isinstance(duty.rhythm, At) else DAY if duty.rhythm.on is None else 7 * DAY
        for one, other in pairwise(instants):
            # A clock that is set back by up to a day makes a daily job wait for it, and sets no other back.
            leapt = sum(one <= at <= other for at in times) if isinstance(duty.rhythm, At) else 0
            assert other - one <= length + leapt * DAY + HOUR + 10 * MINUTE, f"{duty} was not done since {one}"
        if isinstance(duty.rhythm, At) and not isinstance(duty.order, LoadProfile):
            for (earlier, _, one), (later, _, other) in pairwise(runs):
                if not any(earlier < mark <= later for mark in long_set_backs):
                    assert slot(duty, one) != slot(duty, other), f"{duty} was done twice, at {one} and {other}"


def test_a_gateway_that_starts_in_1970_does_what_it_has_to_when_its_clock_is_set() -> None:
    line = Line(FLEET, random.Random(3), START)
    line.go(START + 2 * DAY)
    done = len(line.runs)
    line.skew = datetime(1970, 1, 1, tzinfo=UTC) - line.true
    line.start()
    line.go(line.true + 5 * MINUTE)
    line.skew = timedelta(0)
    line.go(line.true + 10 * MINUTE, most=30 * SECOND)
    again = {line.duties[place] for place, _, _ in line.runs[done:]}
    *_, filled, weekly = FLEET
    assert weekly not in {line.duties[place] for place, _, _ in line.runs[:done]}, "not known to be done"
    assert not any(isinstance(duty.rhythm, At) for duty in again - {filled, weekly})
    assert len([place for place, _, _ in line.runs[done:] if FLEET[place] is filled]) == 1, "at the start"
    assert again >= {duty for duty in FLEET if not isinstance(duty.rhythm, At)}


def test_a_dead_meter_among_others_is_never_given_up_and_costs_nobody_a_day() -> None:
    duties = [regular("dead"), regular("dead", DAILY, "2.8.0"), *(regular(f"em-{n}") for n in range(3))]
    line = Line(duties, random.Random(5), START)
    tries: list[datetime] = []
    session = line._session

    def dead(choice: Choice) -> None:
        if choice.meter != "dead":
            session(choice)
            return
        started = line.wall
        tries.append(started)
        line.true += timedelta(seconds=20)
        line.agenda.settle(choice, [Brought(SILENT)], started, line.wall, cut=True)
        line.agenda.heed(choice, [Brought(SILENT)], started, line.wall)

    line._session = dead  # type: ignore[method-assign]
    line.go(START + 7 * DAY)
    assert max(later - earlier for earlier, later in pairwise(tries)) <= QUARTER + MINUTE
    for duty in duties[2:]:
        assert len(line.of(duty)) == 7 * 96


# -- what was not asked for --------------------------------------------------------------------------------------------


def test_a_profile_of_which_nothing_is_missing_is_no_answer_of_the_meter() -> None:
    one = agenda(profile("em-1", Every(MINUTE)), regular("em-1", Every(MINUTE)))
    for minute in range(3):
        now = START + minute * MINUTE
        choice = one.choose(now)
        assert choice is not None and choice.places == (1, 0)
        brought = [Brought(SILENT), Brought(None, asked=False)]
        one.settle(choice, brought, now, now + SECOND, cut=True)
        one.heed(choice, brought, now, now + SECOND)
        assert one.silences.silent("em-1") and one.turns.suspect("em-1")
    assert one.silences.dead("em-1")
    one.heed(Choice("em-1", (0,), Priority.SCHEDULED), [Brought(None, asked=False)], now, now)
    assert one.silences.dead("em-1"), "nobody has talked to it"


def test_what_is_cut_waits_for_the_one_that_has_failed() -> None:
    """And not for a profile of which nothing was to be asked for."""
    duties = regular("em-1"), profile("em-1", Every(QUARTER)), profile("em-1", Every(2 * QUARTER))
    one = agenda(*duties)
    choice = one.choose(START)
    assert choice is not None and choice.places == (0, 1, 2)
    one.settle(choice, [Brought(SILENT), Brought(None, asked=False)], START, START + SECOND, cut=True)
    assert one.pending[2].due == one.pending[0].due == START + 11 * SECOND


def test_hundreds_of_meters_that_do_not_answer_are_not_compared_with_each_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever is due next of all others is worked out once for a choice, and not once for each meter."""
    one = agenda(*(regular(f"em-{n}") for n in range(300)))
    for n in range(0, 300, 2):
        one.turns.note(f"em-{n}", SILENT, 2)
    looks, asked = 0, vars(Pending)["needed"]
    assert isinstance(asked, property) and asked.fget is not None
    needed: Callable[[Pending], datetime] = asked.fget

    def counted(pending: Pending) -> datetime:
        nonlocal looks
        looks += 1
        return needed(pending)

    monkeypatch.setattr(Pending, "needed", property(counted))
    choice = one.choose(START)
    assert choice is not None and choice.meter == "em-1"
    one.pressing(choice, Priority.SCHEDULED, START)
    assert looks <= 2 * 300
