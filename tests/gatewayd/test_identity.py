"""Which meter answers: an exchange is told once, spellings are none, and who says nothing is not suspected."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewayd.identity import TOLD_FOR, Known, alarm_text, read, same, seen, written
from tests.gatewayd.doubles import START

NEW = Known()
names = st.lists(st.text("AB01 ", min_size=0, max_size=4), max_size=4)


def sights(configured: str, *named: tuple[str, ...]) -> list[tuple[str, str]]:
    """The exchanges, from old to new, that a meter tells which names itself so, one session after the other."""
    known, told = NEW, []
    for one in named:
        known, exchanged = seen(known, configured, one, START)
        if exchanged:
            told.append((known.old, known.new))
    return told


def test_an_exchange_is_told_once() -> None:
    assert sights("", ("35031234",), ("35031234",), ("77",), ("77",)) == [("35031234", "77")]
    assert sights("", ("1",), ("2",), ("1",)) == [("1", "2"), ("2", "1")]


@pytest.mark.parametrize("other", ["035031234", " 35031234 ", "0035031234"])
def test_spellings_are_no_exchange(other: str) -> None:
    assert sights("", ("35031234",), (other,)) == []
    assert sights("", ("1EMH00A",), ("1emh00a",)) == []


def test_one_name_in_common_is_enough() -> None:
    assert sights("", ("35031234", "ISK1030"), ("ISK1030",), ("35031234",)) == []
    assert sights("", ("35031234",), ("ISK1030", "35031234"), ("ISK1030",)) == []


def test_the_first_one_is_compared_with_the_configuration() -> None:
    assert sights("35031234", ("77",), ("77",)) == [("35031234", "77")]
    assert sights("035031234", ("35031234",)) == []
    assert sights("", ("77",)) == []


@pytest.mark.parametrize("silent", [(), ("",), ("  ", "000")])
def test_a_meter_that_names_itself_not_says_nothing(silent: tuple[str, ...]) -> None:
    assert sights("35031234", silent) == []
    assert sights("", ("35031234",), silent, ("35031234",)) == []


@given(names, names, st.text("01", max_size=3))
def test_what_was_seen_is_the_same_meter_the_next_time(one: list[str], other: list[str], configured: str) -> None:
    known, _ = seen(NEW, configured, one, START)
    known, _ = seen(known, configured, other, START)
    again, exchanged = seen(known, configured, other, START)
    assert not exchanged
    assert again.names == known.names


@given(names, st.text("01", max_size=3))
def test_it_outlives_the_process(named: list[str], configured: str) -> None:
    known, _ = seen(NEW, configured, named, START)
    assert read(written(known)) == known


@pytest.mark.parametrize("stored", [None, b"", b"nonsense", b"[1]", b'{"names": 3}'])
def test_what_cannot_be_read_is_nothing(stored: bytes | None) -> None:
    assert read(stored) == NEW


def test_names_do_not_pile_up() -> None:
    known = NEW
    for number in range(100):
        known, _ = seen(known, "", ("always", f"x{number}"), START)
    assert len(known.names) == 16
    assert known.names[0] == "always"


def test_without_a_configured_number_the_alarm_lasts_a_day() -> None:
    known, _ = seen(Known(("1",)), "", ("2",), START)
    text = "another meter answers: serial number 2, before 1"
    assert alarm_text(known, "", START) == text
    assert alarm_text(known, "", START + TOLD_FOR - timedelta(seconds=1)) == text
    assert alarm_text(known, "", START + TOLD_FOR) == ""
    assert alarm_text(known, "", START - timedelta(seconds=1)) == ""  # the clock was set back
    assert alarm_text(NEW, "", START) == ""


def test_with_one_it_lasts_until_the_configuration_is_right() -> None:
    known, _ = seen(Known(("1",)), "1", ("2",), START)
    assert alarm_text(known, "1", START + 9 * TOLD_FOR) == "another meter answers: serial number 2, before 1"
    assert alarm_text(known, "02", START) == ""
    assert alarm_text(NEW, "1", START) == ""


def test_same_is_of_any_name() -> None:
    assert same(("1", "2"), ("02",))
    assert not same(("1",), ("2",))
    assert not same((), ("2",))
