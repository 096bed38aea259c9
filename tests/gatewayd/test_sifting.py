"""Readings beside what the archive has: identical, different, late, twice."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from gatewayd.legal_time import QUARTER
from gatewayd.model import DIRECT, Archived, Flag, Kind, RawStatus, Reading
from gatewayd.sifting import compared, doubles, is_told, told_of
from tests.gatewayd.profile_world import START, row

ONE = row(START, "1.29.0", "1.0")
TOLD = structs.replace(
    ONE, raw=b"", raw_text="", status=RawStatus.MISSING, flags=Flag.NOT_READ, more=("the meter did not answer",)
)


def archive(*readings: Reading) -> list[Archived]:
    return [Archived(seq, reading, START, "", 1, DIRECT) for seq, reading in enumerate(readings, 1)]


def sifted(readings: list[Reading], archived: list[Archived]) -> list[Reading | Archived]:
    places = range(len(readings))
    found = compared(readings, places, archived, doubles(readings, places))
    return [found[place] for place in places]


def test_what_comes_behind_a_missing_one_is_late() -> None:
    (found,) = sifted([ONE], archive(TOLD))
    assert isinstance(found, Reading) and (found.status, found.flags) == (RawStatus.TRUE, Flag.LATE)
    partial = structs.replace(ONE, status=RawStatus.DISTORTED, flags=Flag.PARTIAL_INTERVAL)
    (found,) = sifted([partial], archive(TOLD))
    assert isinstance(found, Reading) and found.flags == Flag.PARTIAL_INTERVAL | Flag.LATE
    assert found.status is RawStatus.DISTORTED
    both = archive(TOLD, structs.replace(ONE, flags=Flag.LATE))
    assert sifted([ONE], both) == [both[1]], "the late value is there already"


def test_one_in_the_archive_answers_for_one_of_two() -> None:
    once = archive(ONE)
    first, second = sifted([ONE, ONE], once)
    assert first == once[0]
    assert isinstance(second, Reading) and second.flags == Flag.DUPLICATE
    twice = archive(ONE, ONE)
    assert sifted([ONE, ONE], twice) == twice


def test_other_times_codes_meters_and_lengths_are_other_things() -> None:
    for other in (
        structs.replace(ONE, at=START + QUARTER),
        structs.replace(ONE, meter="em-2"),
        structs.replace(ONE, interval_s=3600),
        structs.replace(ONE, kind=Kind.MAXIMUM),
        row(START, "2.29.0", "1.0"),
    ):
        assert sifted([other], archive(ONE)) == [other]


def test_what_stands_for_a_missing_interval_is_a_value_before_anything_else() -> None:
    both = archive(TOLD, ONE)
    assert told_of(TOLD, both) == both[1] and told_of(TOLD, both[:1]) == both[0]
    assert told_of(TOLD, archive(row(START + QUARTER, "1.29.0", "1"))) is None
    assert is_told(TOLD) and not is_told(ONE)
    assert not is_told(structs.replace(TOLD, raw=b"\xff", flags=Flag.SENTINEL))


READINGS = st.builds(
    lambda n, raw, told, kind: structs.replace(
        TOLD if told else row(START, "1.29.0", raw), at=START + timedelta(minutes=15 * n), kind=kind
    ),
    st.integers(0, 3),
    st.sampled_from(["1", "2"]),
    st.booleans(),
    st.sampled_from([Kind.INTERVAL, Kind.EVENT]),
)


@given(st.lists(READINGS, max_size=8), st.lists(READINGS, max_size=8))
def test_what_was_archived_once_is_not_new_again(before: list[Reading], answer: list[Reading]) -> None:
    archived = archive(*before)
    first = sifted(answer, archived)
    new = [one for one in first if isinstance(one, Reading)]
    assert len(first) == len(answer)
    for given_, found in zip(answer, first, strict=True):
        reading = found.reading if isinstance(found, Archived) else found
        assert (reading.raw_text, reading.at, reading.kind) == (given_.raw_text, given_.at, given_.kind)
        assert reading.status >= given_.status or isinstance(found, Archived)
    again = sifted(answer, archive(*before, *new))
    assert all(isinstance(one, Archived) for one in again)
    places = [one.seq for one in again if isinstance(one, Archived)]
    assert len(set(places)) == len(places), "no reading of the archive answers for two"
