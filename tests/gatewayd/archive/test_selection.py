"""Choosing readings by meter, code, number and end: the same as going through all of them."""

from datetime import timedelta
from pathlib import Path

import pytest

from gatewayd.archive.follow import Follower
from gatewayd.archive.segments import segment_numbers
from gatewayd.archive.selection import Chooser, Selection
from gatewayd.errors import ArchiveError
from gatewayd.model import Archived, Kind
from tests.gatewayd.archive.samples import START, append, entry, opened, reading


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two meters, two codes, 300 readings in at least two segments."""
    folder = tmp_path_factory.mktemp("selection") / "archive"
    month = 1_800_000_000_000_000
    for part in range(2):
        with opened(folder, now_us=lambda part=part: month + part * 40 * 86_400_000_000) as store:  # type: ignore[misc]
            for number in range(part * 150, part * 150 + 150, 3):
                meter, code = f"em-{number // 3 % 2}", ("1.8.0", "2.8.0")[number // 50 % 2]
                append(
                    store,
                    entry(*(reading(number + k, meter=meter, code=code, kind=Kind.INTERVAL) for k in range(3))),
                )
    assert len(segment_numbers(folder)) == 2
    return folder


SELECTIONS = [
    Selection(),
    Selection(first=17, last=180),
    Selection(meter="em-1"),
    Selection(meter="em-1", obis="1-0:2.8.0*255", first=20),
    Selection(obis_raw="1.8.0", last=250),
    Selection(begin=START + timedelta(seconds=40), end=START + timedelta(seconds=200)),
    Selection(meter="em-0", obis_raw="2.8.0", begin=START + timedelta(seconds=100)),
    Selection(meter="nobody"),
    Selection(first=1000),
]


def fits(one: Archived, wanted: Selection) -> bool:
    own = one.reading
    return (
        wanted.meter in (None, own.meter)
        and wanted.obis_raw in (None, own.obis_raw)
        and wanted.obis in (None, str(own.obis))
        and wanted.first <= one.seq <= wanted.last
        and (wanted.begin is None or own.at > wanted.begin)
        and (wanted.end is None or own.at <= wanted.end)
    )


@pytest.mark.parametrize("wanted", SELECTIONS, ids=str)
def test_it_finds_what_going_through_all_finds(archive: Path, wanted: Selection) -> None:
    everything = Follower(archive).after(0, 10_000)
    assert len(everything) == 300
    expected = [one for one in everything if fits(one, wanted)]
    chooser = Chooser(archive)
    numbers = chooser.numbers(wanted, 1000)
    assert numbers == [one.seq for one in expected]
    assert chooser.numbers(wanted, 7) == numbers[:7]
    assert chooser.chosen(numbers) == expected
    assert chooser.chosen(numbers[::5]) == expected[::5]


def test_what_is_not_there_any_more_is_left_out(archive: Path) -> None:
    assert [one.seq for one in Chooser(archive).chosen([3, 299, 300, 301, 900])] == [3, 299, 300]


def test_the_series_that_there_are(archive: Path) -> None:
    assert {(meter, raw) for meter, _, raw in Chooser(archive).series()} == {
        (f"em-{meter}", code) for meter in (0, 1) for code in ("1.8.0", "2.8.0")
    }


def test_no_archive(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="there is no archive"):
        Chooser(tmp_path)


def test_the_newest_of_one_end_whichever_segment_it_is_in(tmp_path: Path) -> None:
    folder, start = tmp_path / "archive", 1_800_000_000_000_000
    rows = [
        [reading(1, raw="1"), reading(2, raw="2"), reading(1, raw="3", meter="em-2")],
        [reading(1, raw="4"), reading(1, raw="5", code="2.8.0"), reading(1, raw="6")],
    ]
    for part, found in enumerate(rows):
        with opened(folder, now_us=lambda part=part: start + part * 40 * 86_400_000_000) as store:  # type: ignore[misc]
            for one in found:
                append(store, entry(one))
    assert len(segment_numbers(folder)) == 2
    everything = Follower(folder).after(0, 10)
    assert Chooser(folder).newest(everything) == {1: 6, 2: 2, 3: 3, 4: 6, 5: 5, 6: 6}
    assert Chooser(folder).newest(everything[:1]) == {1: 6}
    assert Chooser(folder).newest([]) == {}
