"""The diary of daily jobs: what it knows after a restart, and what is still to be written down."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gatewayd.diary import PREFIX, Diary
from tests.gatewayd.archive.samples import opened
from tests.gatewayd.doubles import START


def test_it_survives_a_restart(tmp_path: Path) -> None:
    async def life() -> Diary:
        with opened(tmp_path) as store:
            diary = Diary()
            diary.done("em-1", "registers all", START)
            diary.done("em-2", "load profile 1-0:99.1.0*255", START + timedelta(microseconds=1))
            await store.remember_all([*diary.changed(), ("em-1", "coverage", b"of others")])
        with opened(tmp_path) as store:
            return Diary(await store.recall_all(PREFIX))

    diary = asyncio.run(life())
    first, second = diary.last("em-1", "registers all"), diary.last("em-2", "load profile 1-0:99.1.0*255")
    assert first is not None and second is not None
    assert (first.last, second.last) == (START, START + timedelta(microseconds=1))
    assert first.last.tzinfo is UTC
    assert diary.last("em-1", "load profile 1-0:99.1.0*255") is None
    assert diary.changed() == []


def test_what_was_done_while_it_was_being_written_is_still_to_be_written() -> None:
    diary = Diary()
    diary.done("em-1", "registers all", START)
    diary.done("em-2", "registers all", START)
    rows = diary.changed()
    assert diary.changed() == rows, "nothing is on the disk yet"
    later = START + timedelta(hours=1)
    diary.done("em-2", "registers all", later)
    diary.saved(rows)
    ((meter, key, value),) = diary.changed()
    assert (meter, key) == ("em-2", PREFIX + "registers all")
    assert later.isoformat().encode() in value
    diary.saved(diary.changed())
    assert diary.changed() == []


def test_a_clock_that_was_wrong_is_remembered_beside_the_one_before() -> None:
    diary = Diary()
    diary.done("em-1", "registers all", START)
    diary.done("em-1", "registers all", datetime(1970, 1, 2, tzinfo=UTC))
    again = Diary({(meter, key): value for meter, key, value in diary.changed()})
    served = again.last("em-1", "registers all")
    assert served is not None
    assert served.before(START + timedelta(hours=1)) == START


@pytest.mark.parametrize(
    "value",
    [b"", b"\xff", b"yesterday", b"2026-11-21", START.isoformat().encode(), b"2026-11-21T20:00:00 2026-11-21T20:00:00"],
)
def test_what_is_not_understood_counts_as_lost(value: bytes) -> None:
    assert Diary({("em-1", "job registers all"): value}).last("em-1", "registers all") is None
