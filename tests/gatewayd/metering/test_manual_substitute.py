"""Substitute values by hand: each check with its message, word for word, and what becomes of a value."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import pytest

from gatewayd.legal_time import GAS_DAY_START, instant
from gatewayd.metering.manual_history import (
    Entry,
    State,
    Subject,
    folded,
    next_number,
    problem,
    valid,
    with_entered,
)
from gatewayd.metering.manual_substitute import Check, DayOfPoint, refusals
from gatewayd.metering.values import Method, Value, missing
from gatewayd.model import Flag, MeteringType, RawStatus
from gatewayd.obis import Obis

EIC = "27ZG600Z0424987D"
DAY = date(2026, 11, 24)
MORNING = instant(DAY + timedelta(days=1), time(10))
KNOWN = {
    EIC: DayOfPoint(MeteringType.A, Decimal("1234.5")),
    "27ZG600Z0414883V": DayOfPoint(MeteringType.B),
    "27ZG700Z0652990R": DayOfPoint(MeteringType.A, valid=True),
}


def said(eic: str = EIC, value: str = "2000", now: datetime = MORNING, language: str = "cs", **more: time) -> list[str]:
    return [one.said(language) for one in refusals(eic, value, DAY, now, KNOWN, **more)]  # type: ignore[arg-type]


def test_a_good_value_is_taken() -> None:
    assert said() == [] and said(f" {EIC} ", " 1235 ") == [] and said(value="99999999") == []


@pytest.mark.parametrize(
    ("eic", "value", "czech", "english"),
    [
        ("27ZG600Z0424987", "2000", "Zadaný kód EIC OM nemá požadovanou délku (16 znaků).",
         "the EIC has 15 characters; expected exactly 16"),
        ("27ZG600Z0424987X", "2000", "Zadaný EIC OM neexistuje.",
         "no metering point has the EIC 27ZG600Z0424987X; expected one of the configuration"),
        (EIC, "1234", f"Zadaná hodnota je menší než součet naměřených hodnot 1234,5 na EIC OM {EIC}.",
         f"the value is less than the sum of the measured values of {EIC}, 1234.5; enter that of the whole day"),
        ("27ZG600Z0414883V", "1", "Nejedná se o EIC OM s měřením typu A. Nelze zadat náhradní hodnotu.",
         "27ZG600Z0414883V has no metering of type A; only such points get substitute values by hand"),
        ("27ZG700Z0652990R", "1", "Pro zadané EIC OM již evidujeme platnou hodnotu měření.",
         "there is a valid measured value of 27ZG700Z0652990R for that day; nothing is to be substituted"),
    ],
)  # fmt: skip
def test_refused(eic: str, value: str, czech: str, english: str) -> None:
    assert said(eic, value) == [czech] and said(eic, value, language="en") == [english]


@pytest.mark.parametrize(
    "value", ["", "0", "00000000", "-1", "+5", "1.5", "1,5", "123456789", "1 000", "1e3", "٣", "x"]
)
def test_a_value_is_a_positive_whole_number_of_at_most_eight_digits(value: str) -> None:
    assert said(value=value) == ["Neplatný stav hodnoty měření (celé kladné číslo, maximálně 8 číslic)."]


@pytest.mark.parametrize("day", [DAY, date(2026, 3, 28), date(2026, 10, 24)], ids=["winter", "spring", "autumn"])
def test_until_eleven_of_legal_time_on_the_next_morning(day: date) -> None:
    eleven = instant(day + timedelta(days=1), time(11))
    for late, now in (
        (False, eleven),
        (False, eleven + timedelta(milliseconds=999)),
        (True, eleven + timedelta(seconds=1)),
    ):
        found = [one.said("cs") for one in refusals(EIC, "2000", day, now, KNOWN)]
        message = f"Náhradní hodnotu pro EIC OM {EIC} již není možné zadat. Zadání bylo možné do 11:00:00."
        assert found == ([message] if late else [])


def test_not_before_the_day_is_over() -> None:
    midnight = instant(DAY + timedelta(days=1), time(0))
    assert said(now=midnight) == [] and len(said(now=midnight - timedelta(seconds=1))) == 1
    assert said(now=midnight, start=GAS_DAY_START) == said(now=midnight - timedelta(seconds=1))
    assert said(now=midnight + timedelta(hours=6), start=GAS_DAY_START) == []


def test_everything_that_is_wrong_is_said_at_once() -> None:
    late = MORNING + timedelta(hours=2)
    assert [one.check for one in refusals("short", "0", DAY, late, KNOWN)] == [
        Check.EIC_LENGTH, Check.NUMBER, Check.DEADLINE
    ]  # fmt: skip


# ------------------------------------------------------------------------------------------------------ history

SUBJECT = Subject("north", Obis.parse("1-0:1.29.0"), DAY)


def entry(number: int, state: State, amount: str | None = None, *, minute: int = 0, **more: object) -> Entry:
    made = Entry(number, SUBJECT, state, "anna", datetime(2026, 11, 25, 8, minute, tzinfo=UTC), seq=100 + minute)
    return replace(made, amount=None if amount is None else Decimal(amount), **more)  # type: ignore[arg-type]


FIRST = entry(1, State.ENTERED, "2000")
SENT = entry(1, State.SENT, minute=1)
SECOND = entry(2, State.ENTERED, "2100", minute=2)


def test_the_last_one_is_valid_and_the_former_is_superseded() -> None:
    known = folded([FIRST, SENT, SECOND])
    assert [(one.state, one.amount) for one in known.values()] == [
        (State.SUPERSEDED, Decimal(2000)), (State.ENTERED, Decimal(2100))
    ]  # fmt: skip
    found = valid(known, SUBJECT)
    assert found is known[2] and next_number(known) == 3 and next_number({}) == 1
    assert [(step.state, step.author, step.at.minute, step.note) for step in known[1].history] == [
        (State.ENTERED, "anna", 0, ""), (State.SENT, "anna", 1, ""), (State.SUPERSEDED, "anna", 2, "by number 2")
    ]  # fmt: skip


@pytest.mark.parametrize(("answer", "counts"), [(State.ACCEPTED, True), (State.REJECTED, False)])
def test_a_rejected_value_counts_for_nothing_and_no_former_one_comes_back(answer: State, counts: bool) -> None:
    told = entry(2, answer, minute=4, author="ote", note="code 12")
    known = folded([FIRST, SECOND, entry(2, State.SENT, minute=3), told])
    assert known[2].state is answer and known[2].history[-1].note == "code 12"
    assert (valid(known, SUBJECT) is not None) == counts
    again = folded([FIRST, SECOND, entry(2, State.SENT, minute=3), told, entry(3, State.ENTERED, "5", minute=5)])
    assert again[2].state is State.SUPERSEDED and valid(again, SUBJECT) is again[3]


def test_other_days_and_channels_are_other_subjects() -> None:
    other = replace(SECOND, subject=replace(SUBJECT, day=DAY + timedelta(days=1)))
    known = folded([FIRST, other])
    assert known[1].state is known[2].state is State.ENTERED
    assert valid(known, SUBJECT) is known[1] and valid({}, SUBJECT) is None


@pytest.mark.parametrize(
    ("before", "wrong", "words"),
    [
        ([FIRST], FIRST, "there is a value with the number 1 already; the next one is 2"),
        ([], entry(1, State.ENTERED), "a value that is entered has an amount"),
        ([], SENT, "there is no value with the number 1; enter it first"),
        ([FIRST], entry(1, State.ACCEPTED), "number 1 is entered and cannot be accepted; possible: sent or superseded"),
        ([FIRST, SENT], SENT, "number 1 is sent and cannot be sent; possible: accepted or rejected"),
        ([FIRST, SECOND], SENT,
         "number 1 is superseded and cannot be sent; possible: nothing more; enter another value"),
        ([FIRST, SENT], entry(1, State.SUPERSEDED),
         "number 1 is sent and cannot be superseded; possible: accepted or rejected"),
        ([FIRST], replace(SENT, subject=replace(SUBJECT, point="south")),
         "number 1 is for north 1.29.0 2026-11-24, and not for south 1.29.0 2026-11-24"),
    ],
)  # fmt: skip
def test_steps_that_the_table_does_not_allow_are_refused(before: list[Entry], wrong: Entry, words: str) -> None:
    assert problem(folded(before), wrong) == words
    with pytest.raises(ValueError, match="2026-11-24: "):
        folded([*before, wrong])


def test_what_was_entered_takes_the_place_of_anything_but_a_true_value() -> None:
    end = instant(DAY + timedelta(days=1), time(0))
    known = folded([replace(FIRST, note="read on site")])
    value = with_entered(missing(end, 86400, "no answer", want=96), valid(known, SUBJECT))
    assert (value.amount, value.status, value.method) == (Decimal(2000), RawStatus.SUBSTITUTE, Method.MANUAL)
    assert value.flags == Flag.MANUAL and value.inputs == (100,) and value.at == end
    assert value.reason == "number 1, entered by anna, entered: read on site; instead of missing (no answer)"
    true = Value(end, 86400, Decimal(1999), RawStatus.TRUE)
    assert with_entered(true, valid(known, SUBJECT)) is true and with_entered(value, None) is value


def test_the_states_have_their_czech_names() -> None:
    assert [state.czech for state in State] == ["Zadáno", "Odesláno", "Přijato OTE", "Odmítnuto OTE", "Anulováno"]
