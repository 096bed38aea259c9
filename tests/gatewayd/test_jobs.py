"""Jobs for agenda and diary: which share a session, and what the results of sessions tell."""

from datetime import time, timedelta
from zoneinfo import ZoneInfo

from gatewayd.diary import Diary
from gatewayd.duties import Duty, Terms, end_of
from gatewayd.errors import ChannelError
from gatewayd.jobs import Job, Results, agenda_of, text_of
from gatewayd.model import DIRECT, Archived, Increments, LoadProfile, Registers
from gatewayd.obis import Obis
from gatewayd.policy import Policy
from gatewayd.schedule import At, Boundaries
from gatewayd.station import Station
from gatewayd.talk import Result
from tests.gatewayd.doubles import START, answering, reading, station

PRAGUE = ZoneInfo("Europe/Prague")


def archived(*seqs: int) -> tuple[Archived, ...]:
    return tuple(Archived(seq, reading(), START, "", 0, DIRECT) for seq in seqs)


def test_only_readings_that_are_new_are_a_gain() -> None:
    results = Results()
    first = results.brought([Result("em-1", archived(3, 4), None, left=2), Result("em-1", (), None)])
    assert [(one.gained, one.answered, one.left) for one in first] == [(True, True, 2), (False, False, 0)]
    (again,) = results.brought([Result("em-1", archived(3, 4), None)])
    assert (again.gained, again.answered) == (False, True)
    fault = ChannelError("gone")
    (more,) = results.brought([Result("em-2", archived(4, 5), fault)])
    assert (more.gained, more.answered, more.fault) == (True, True, fault)


def test_jobs_of_other_policies_have_a_session_of_their_own_unless_that_costs_money() -> None:
    one = station(answering())
    strict = Station(one.meter, one.driver, policy=Policy(retry_window=timedelta(days=9)))
    jobs = [Job(each, Registers(), At(time(0, 20))) for each in (one, strict, one)]
    companies = [duty.company for duty in agenda_of(jobs, START, Terms(PRAGUE), Diary()).duties]
    assert companies == [0, 1, 0]
    together = agenda_of(jobs, START, Terms(PRAGUE), Diary(), together=True)
    assert {duty.company for duty in together.duties} == {0}


def test_what_is_done_is_known_from_the_diary() -> None:
    diary, order = Diary(), LoadProfile(Obis.parse("1-0:99.1.0"))
    diary.done("em-1001", text_of(Duty("em-1001", order, At(time(0, 20)))), START - timedelta(hours=1))
    job = Job(station(answering()), order, At(time(0, 20)))
    assert agenda_of([job], START, Terms(PRAGUE), diary).choose(START) is None
    assert agenda_of([job], START, Terms(PRAGUE), Diary()).choose(START) is not None


def test_every_duty_has_a_text() -> None:
    """A monthly readout of a metering point is not done because the registrar's daily one is."""
    quarter = timedelta(minutes=15)
    duty = Duty("em-1001", Increments((Obis.parse("1.8.0"),), quarter), Boundaries(quarter))
    assert text_of(duty) == "registers 1-0:1.8.0*255"
    assert text_of(Duty("em-1001", Registers(), At(time(0, 5)))) == "registers all at 00:05:00"
    assert text_of(Duty("em-1001", Registers(), At(time(0, 5), 1))) == "registers all at 00:05:00 on 1"


def test_a_daily_run_that_the_line_has_not_come_to_is_not_lost_when_the_job_is_built_again() -> None:
    """The first day of a new meter: nothing is in the diary but that the job is known."""
    diary, zone = Diary(), PRAGUE
    job = Job(station(answering()), Registers(), At(time(0, 5)))
    first = agenda_of([job], START, Terms(zone), diary)
    due = first.next_at(START)
    assert due is not None and first.choose(due - timedelta(seconds=1)) is None
    late = due + timedelta(minutes=2)
    assert agenda_of([job], START + timedelta(hours=1), Terms(zone), diary).choose(due) is not None
    again = agenda_of([job], late, Terms(zone), Diary({(m, k): v for m, k, v in diary.changed()}))
    assert again.choose(late) is not None, "due since two minutes"
    diary.done("em-1001", text_of(Duty("em-1001", job.request, job.rhythm)), late)
    assert agenda_of([job], late + timedelta(minutes=1), Terms(zone), diary).choose(late) is None


def test_what_a_session_had_not_to_ask_for_is_told_apart() -> None:
    brought = Results().brought([Result("em-1", (), ChannelError("gone")), Result("em-1", (), None, asked=False)])
    assert [one.asked for one in brought] == [True, False]
    assert isinstance(end_of(brought), ChannelError) and end_of(brought[1:]) is None
