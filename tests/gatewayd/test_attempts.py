"""What is asked for next: nothing twice in a run, and what fails again and again behind the rest."""

from hypothesis import given
from hypothesis import strategies as st

from gatewayd.attempts import VAIN_SECONDS, Attempts
from gatewayd.errors import ProtocolError
from gatewayd.runs import NONE, Runs

FAULT = ProtocolError("nonsense")
PIECE = (10, 20)


def test_what_was_asked_for_is_left_out_until_the_next_run() -> None:
    attempts = Attempts()
    attempts.asked(PIECE)
    assert attempts.left_out == Runs((PIECE,))
    attempts.begin(0.0)
    assert attempts.left_out == NONE


def test_what_proves_nothing_is_left_out_for_an_hour_of_the_first() -> None:
    attempts = Attempts()
    attempts.proved_nothing(PIECE, 100.0)
    attempts.proved_nothing((30, 40), 100.0 + VAIN_SECONDS / 2)
    attempts.begin(99.0 + VAIN_SECONDS)
    assert attempts.left_out == Runs((PIECE, (30, 40)))
    attempts.begin(100.0 + VAIN_SECONDS)
    assert attempts.left_out == NONE


def test_what_fails_twice_is_stubborn_until_it_comes() -> None:
    attempts = Attempts()
    attempts.failing(PIECE, FAULT, 5.0)
    assert (attempts.stubborn, attempts.since) == (NONE, None)
    attempts.failing((15, 30), FAULT, 6.0)
    assert (attempts.stubborn, attempts.since) == (Runs(((15, 20),)), 6.0)
    attempts.failing((15, 30), FAULT, 7.0)
    assert (attempts.stubborn, attempts.since) == (Runs(((15, 30),)), 6.0)
    attempts.sound((15, 20))
    assert (attempts.stubborn, attempts.since) == (Runs(((21, 30),)), 6.0)
    attempts.sound((21, 40))
    assert (attempts.stubborn, attempts.since, attempts.failed) == (NONE, None, Runs(((10, 14),)))


PIECES = st.tuples(st.integers(0, 30), st.integers(0, 30)).map(lambda two: (min(two), max(two)))


@given(st.lists(st.tuples(st.booleans(), PIECES)))
def test_stubborn_is_what_failed_twice_since_it_was_sound(steps: list[tuple[bool, tuple[int, int]]]) -> None:
    attempts, counts = Attempts(), dict.fromkeys(range(31), 0)
    for place, (sound, piece) in enumerate(steps):
        if sound:
            attempts.sound(piece)
        else:
            attempts.failing(piece, FAULT, float(place))
        for number in range(piece[0], piece[1] + 1):
            counts[number] = 0 if sound else counts[number] + 1
        assert {number for number, count in counts.items() if count > 1} == {
            number for number in counts if number in attempts.stubborn
        }
        assert (attempts.since is None) is (not attempts.stubborn)
