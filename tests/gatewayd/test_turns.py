"""How long a session on a shared line may take, and who waits for time that nobody else needs."""

from datetime import time, timedelta

import pytest

from gatewayd.errors import ChannelError, GatewayError, MeterRefused, MeterSilent, ProtocolError, SessionDeadline
from gatewayd.schedule import At, Every, Rhythm
from gatewayd.turns import Spell, Turns
from tests.gatewayd.doubles import START

QUARTER = Every(timedelta(minutes=15))
IN_VAIN = [MeterSilent("silent"), SessionDeadline("60 s"), ProtocolError("nonsense")]


def turns(count: int = 8, rhythm: Rhythm = QUARTER) -> Turns:
    return Turns([(f"em-{n}", rhythm) for n in range(count)])


def seconds(count: float) -> timedelta:
    return timedelta(seconds=count)


def test_a_meter_alone_has_all_the_time() -> None:
    alone = turns(1)
    assert alone.seconds("em-0", seconds(5)) is None
    alone.note("em-0", SessionDeadline("900 s"), 900)
    assert alone.seconds("em-0", seconds(5)) is None and not alone.too_short("em-0", seconds(0))


@pytest.mark.parametrize(
    ("count", "rhythm", "free", "limit"),
    [
        (8, QUARTER, 30, 112.5),  # a fair share
        (32, QUARTER, 30, 60),
        (8, QUARTER, 600, 598),  # until the others are due
        (4, Every(timedelta(minutes=1)), 10, 60),
        (2, At(time(0, 20)), 10, 43200),
    ],
)
def test_who_is_read_soundly_gets_a_fair_share(count: int, rhythm: Rhythm, free: float, limit: float) -> None:
    assert turns(count, rhythm).seconds("em-1", seconds(free)) == limit


@pytest.mark.parametrize("fault", IN_VAIN, ids=lambda fault: type(fault).__name__)
@pytest.mark.parametrize(("free", "limit"), [(600, 60), (50, 48), (7, 5), (3, 5), (-100, 5)])
def test_who_failed_gets_what_nobody_else_needs(fault: GatewayError, free: float, limit: float) -> None:
    known = turns(32)
    known.note("em-1", None, 20)
    known.note("em-1", fault, 60)
    assert known.suspect("em-1") and not known.suspect("em-2")
    assert known.seconds("em-1", seconds(free)) == limit
    assert known.too_short("em-1", seconds(free)) == (free < 7)


@pytest.mark.parametrize("fault", [ChannelError("gone"), MeterRefused("no")])
def test_what_is_not_the_meters_doing_changes_nothing(fault: GatewayError) -> None:
    known = turns()
    known.note("em-1", fault, 60)
    assert not known.suspect("em-1")


def test_a_slow_meter_that_failed_once_gets_time_for_what_it_needs() -> None:
    known = turns(32)
    known.note("em-1", None, 100)
    known.note("em-1", ProtocolError("noise"), 3)
    assert known.seconds("em-1", seconds(800)) == 150
    assert known.seconds("em-1", seconds(90)) == 88, "and not more than there is"
    never = turns(4)
    never.note("em-1", ProtocolError("noise"), 3)
    assert never.seconds("em-1", seconds(800)) == 225, "one that was never read has a fair share"


def test_a_sound_session_ends_it() -> None:
    known = turns()
    known.note("em-1", MeterSilent("silent"), 60)
    known.note("em-1", None, 10)
    assert not known.suspect("em-1")
    known.note("em-1", MeterSilent("silent"), 60)
    known.forgive("em-1")
    assert not known.suspect("em-1")


@pytest.mark.parametrize(
    ("period", "free", "enough"), [(5, 2.9, True), (5, 1.2, False), (10, 3.6, True), (1, 0.9, False)]
)
def test_where_others_are_due_every_few_seconds_less_is_enough(period: float, free: float, enough: bool) -> None:
    known = turns(8, Every(seconds(period)))
    known.note("em-1", MeterSilent("silent"), 2)
    assert known.too_short("em-1", seconds(free)) is not enough


def test_another_part_fits_as_long_as_the_longest_so_far_would() -> None:
    spell = Spell(START, 60)
    assert spell.fits(START + seconds(20))
    assert not spell.fits(START + seconds(40)), "with 30 s more it would be over"
    quick = Spell(START, 60)
    assert all(quick.fits(START + seconds(at)) for at in range(2, 58, 2))
    assert not quick.fits(START + seconds(58))


def test_a_clock_that_is_set_ends_a_session_early_at_worst() -> None:
    spell = Spell(START, 60)
    assert not spell.fits(START + timedelta(days=1))
    back = Spell(START, 60)
    assert back.fits(START - timedelta(days=1))
    assert not back.fits(START + seconds(1))


def test_who_answers_and_comes_to_no_end_is_under_suspicion_as_well() -> None:
    """It gets longer each time, as long as nobody else is due: it may only be slow."""
    known, limits = turns(), list[float]()
    for _ in range(5):
        known.note("em-1", SessionDeadline("not finished"), known.seconds("em-1", seconds(0)) or 0, answered=True)
        assert known.suspect("em-1") and known.too_short("em-1", seconds(6))
        limits.append(known.seconds("em-1", seconds(600)) or 0.0)
        known.note("em-1", SessionDeadline("not finished"), limits[-1], answered=True)
    assert limits == sorted(limits) and limits[-1] == 598
    assert known.seconds("em-1", seconds(30)) == 28
    known.note("em-1", ProtocolError("nonsense"), 10, answered=True)
    assert not known.suspect("em-1"), "it has come to its end"
