"""Readings by hand that wait: how a step is written down, what may follow upon what, the queue out of an archive."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewayd.archive.by_hand import note_entry
from gatewayd.archive.neighbours import Neighbours
from gatewayd.archive.query import Reader, Selection
from gatewayd.archive.segments import segment_path
from gatewayd.archive.store import Store
from gatewayd.archive.verify import verify
from gatewayd.errors import ArchiveDamaged
from gatewayd.manual import held
from gatewayd.manual.held import Entry, Held, State, Step, document, entry_of, folded, problem, same_person
from gatewayd.manual.queue import Queue
from gatewayd.manual.submission import Found, Handled, Outcome, Submission
from tests.gatewayd.archive.samples import append, entry, opened, reading

AT = datetime(2026, 11, 27, 9, 0, tzinfo=UTC)
HANDED = Submission("900", meter="gm-1", obis="7-0:3.0.0*255", at=AT, note="cellar", maximum=30)
SEEN = Handled(
    Outcome.HELD, (Found("warning", "lower", "lower", "nižší"),), 3, "gm-1", "7-0:3.0.0*255", "900", "m3", AT, number=1
)
TEXTS = st.text(max_size=20)


def first(number: int = 1, author: str = "Jan", at: datetime = AT) -> Entry:
    return Entry(number, Step(State.HELD, author, at, "root"), HANDED, SEEN, "jan.xlsx")


def then(number: int, state: State, author: str = "Petra", at: datetime = AT + timedelta(days=1)) -> Entry:
    return Entry(number, Step(state, author, at, "petra", "why"))


def known(*entries: Entry) -> dict[int, Held]:
    return folded(entries)


@given(
    number=st.integers(1, 10**9),
    state=st.sampled_from(State),
    author=TEXTS,
    user=TEXTS,
    note=TEXTS,
    whole=st.booleans(),
)
def test_what_is_written_down_is_read_again(
    number: int, state: State, author: str, user: str, note: str, whole: bool
) -> None:
    step = Step(state, author, AT, user, note)
    one = Entry(number, step, HANDED, SEEN, "jan.xlsx") if whole else Entry(number, step)
    assert entry_of(document(one), AT) == one


@given(st.binary(max_size=60))
def test_other_bytes_are_no_step(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"no step|is not gatewayd"):
        entry_of(data, AT)


def test_a_step_of_another_schema_is_none() -> None:
    with pytest.raises(ValueError, match="held-reading/2' is not"):
        entry_of(document(first()).replace(b"held-reading/1", b"held-reading/2"), AT)


def test_one_waits_until_it_is_released_or_rejected() -> None:
    (one,) = known(first()).values()
    assert (one.waits, one.state, one.author, one.handed_in, one.file) == (True, State.HELD, "Jan", AT, "jan.xlsx")
    assert (one.submission, one.seen) == (HANDED, SEEN)
    for state in (State.RELEASED, State.REJECTED):
        (one,) = known(first(), then(1, state)).values()
        assert (one.waits, one.state) == (False, state)
        assert [(step.author, step.user, step.note) for step in one.history] == [
            ("Jan", "root", ""),
            ("Petra", "petra", "why"),
        ]


def test_what_is_decided_stays_so_and_a_step_without_its_beginning_is_passed_over() -> None:
    (one,) = known(first(), then(1, State.REJECTED), then(1, State.RELEASED)).values()
    assert one.state is State.REJECTED and len(one.history) == 2
    assert known(then(1, State.RELEASED)) == {}


@pytest.mark.parametrize(
    ("number", "state", "author", "words"),
    [
        (2, State.RELEASED, "Petra", "no reading with the number 2 waits"),
        (1, State.RELEASED, "Jan", "was handed in by Jan; another person releases it"),
        (1, State.RELEASED, " jAN ", "another person"),
        (1, State.RELEASED, "Petra", ""),
        (1, State.REJECTED, "Jan", ""),
    ],
)
def test_who_may_decide(number: int, state: State, author: str, words: str) -> None:
    found = problem(known(first()), number, state, author)
    assert words in found.text if found is not None and words else (found is None) == (not words)


def test_nothing_is_decided_twice() -> None:
    found = problem(known(first(), then(1, State.RELEASED)), 1, State.REJECTED, "Eva")
    assert found is not None and found.text == "number 1 is released already, by Petra at 2026-11-28 09:00:00Z"


def test_the_same_person_under_other_letters() -> None:
    assert same_person("Jan Novák", "  JAN  NOVÁK") and not same_person("Jan", "Jana")


# -- out of an archive ------------------------------------------------------------------------------------------------


def put(store: Store, *entries: Entry) -> None:
    for one in entries:
        append(store, note_entry("gm-1", f"{held.REQUEST} 7-0:3.0.0*255", document(one), "words", one.step.at))


def numbers(found: Sequence[Held]) -> list[int]:
    return [one.number for one in found]


def test_the_queue_is_what_the_archive_has(tmp_path: Path) -> None:
    queue = Queue(tmp_path / "a")
    assert queue.waiting() == [] and queue.highest() == 0
    with opened(tmp_path / "a") as store:
        append(store, entry(reading(1)))
        put(store, first(2), first(1))
        assert numbers(queue.waiting()) == [1, 2]
        assert numbers(queue.waiting("gm-1")) == [1, 2] and queue.waiting("gm-2") == []
        append(store, note_entry("gm-1", "heldover 1", document(first(7)), "", AT))
        append(store, note_entry("gm-1", f"{held.REQUEST} x", b"{", "", AT))
        append(store, replace(entry(reading(2)), serial="by hand"))
        put(store, then(1, State.RELEASED))
        assert numbers(queue.waiting()) == [2] and queue.highest() == 2
        assert queue.known()[1].history[1].at == AT + timedelta(days=1)
        assert numbers(Queue(tmp_path / "a").waiting()) == [2]
    assert [one.reading.code for one in Reader(tmp_path / "a").select(Selection())] == ["1-0:1.8.0*255"] * 2
    assert verify(tmp_path / "a").ok


def test_each_look_takes_what_is_new(tmp_path: Path) -> None:
    queue = Queue(tmp_path / "a")
    with opened(tmp_path / "a") as store:
        for number in range(1, 5):
            put(store, first(number))
            assert numbers(queue.waiting()) == list(range(1, number + 1))


def test_no_meter_is_known_by_the_device_of_a_note(tmp_path: Path) -> None:
    with opened(tmp_path / "a") as store:
        put(store, first())
        append(store, entry(reading(1, meter="gm-1")))
    with Neighbours(tmp_path / "a") as neighbours:
        assert neighbours.serials("gm-1") == [] and neighbours.codes("gm-1") == {"1-0:1.8.0*255"}


async def sealed(store: Store) -> None:
    await store.seal()


def test_over_segments_and_what_retention_has_dropped_is_gone_at_once(tmp_path: Path) -> None:
    queue = Queue(tmp_path / "a")
    with opened(tmp_path / "a") as store:
        put(store, first(5))
        asyncio.run(sealed(store))
        put(store, first(6))
        assert numbers(queue.waiting()) == [5, 6]
        segment_path(tmp_path / "a", 1).unlink()
        assert numbers(queue.waiting()) == [6] == numbers(Queue(tmp_path / "a").waiting())
        put(store, then(5, State.RELEASED))
        assert numbers(queue.waiting()) == [6] and queue.highest() == 6


def test_a_segment_that_cannot_be_read_is_told_and_looked_at_again(tmp_path: Path) -> None:
    with opened(tmp_path / "a") as store:
        put(store, first(1))
        asyncio.run(sealed(store))
        put(store, first(2))
        path = segment_path(tmp_path / "a", 1)
        sound = path.read_bytes()
        path.chmod(0o640)
        path.write_bytes(b"x" * len(sound))
        queue = Queue(tmp_path / "a")
        for _ in range(2):
            with pytest.raises(ArchiveDamaged, match="gatewayd archive verify"):
                queue.waiting()
        path.write_bytes(sound)
        assert numbers(queue.waiting()) == [1, 2]
