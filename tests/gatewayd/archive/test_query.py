"""Reading the archive: selections, readers beside the writer, and the time limit."""

import threading
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from gatewayd.archive.query import Counts, Reader, Selection
from gatewayd.errors import ArchiveError
from gatewayd.model import Archived, Kind, RawStatus
from tests.gatewayd.archive.samples import (
    PATIENCE,
    START,
    append,
    entry,
    everything,
    opened,
    reading,
    reading_from,
    submit,
    written,
)

METERS = ("em-1001", "em-2001")
CODES = ("1.8.0", "2.8.0", "1.29.0")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two meters, three codes, all statuses, one reading a minute, in no particular order of time. Only read."""
    readings = [
        reading(
            number,
            meter=METERS[number % 2],
            code=CODES[number % 3],
            kind=Kind.INTERVAL if number % 3 == 2 else Kind.REGISTER,
            status=RawStatus(number % 5),
            at=START + timedelta(minutes=number * 7 % 60),
        )
        for number in range(60)
    ]
    made: Path = tmp_path_factory.mktemp("archive")
    with opened(made) as store:
        for future in [submit(store, entry(one)) for one in readings]:
            written(future)
    return made


def test_without_conditions_a_selection_is_everything(folder: Path) -> None:
    with reading_from(folder) as reader:
        found = reader.select(Selection())
    assert [item.seq for item in found] == list(range(1, 61))
    assert found == everything(folder)


@pytest.mark.parametrize(
    "selection",
    [
        Selection(meter="em-1001"),
        Selection(meter="nobody"),
        Selection(obis="1-0:1.8.0*255"),
        Selection(obis="1.8.0"),  # not canonical: nothing is called so
        Selection(kind=Kind.INTERVAL),
        Selection(kind=Kind.EVENT),
        Selection(since=START + timedelta(minutes=30)),
        Selection(until=START + timedelta(minutes=30)),
        Selection(since=START + timedelta(minutes=10), until=START + timedelta(minutes=11)),
        Selection(since=START + timedelta(minutes=30), until=START + timedelta(minutes=30)),
        *(Selection(worst=status) for status in RawStatus),
        Selection(last=7),
        Selection(last=1000),
        Selection(last=0),
        Selection(meter="em-2001", last=3),
        Selection(
            meter="em-2001",
            obis="1-0:1.29.0*255",
            kind=Kind.INTERVAL,
            since=START + timedelta(minutes=5),
            until=START + timedelta(minutes=55),
            worst=RawStatus.PROVISIONAL,
            last=2,
        ),
    ],
)
def test_a_selection_is_what_a_filter_in_memory_would_give(folder: Path, selection: Selection) -> None:
    def wanted(item: Archived) -> bool:
        one = item.reading
        return all(
            (
                selection.meter in (None, one.meter),
                selection.obis in (None, one.code),
                selection.kind in (None, one.kind),
                selection.since is None or one.at >= selection.since,
                selection.until is None or one.at < selection.until,
                selection.worst is None or one.status >= selection.worst,
            )
        )

    expected = [item for item in everything(folder) if wanted(item)]
    if selection.last is not None:
        expected = expected[len(expected) - min(selection.last, len(expected)) :]
    with reading_from(folder) as reader:
        assert reader.select(selection) == expected


def test_a_code_that_is_no_obis_code_is_found_as_the_meter_wrote_it(tmp_path: Path) -> None:
    strange = replace(reading(), obis=None, obis_raw="ABC.1")
    with opened(tmp_path) as store:
        append(store, entry(reading(), strange))
    with reading_from(tmp_path) as reader:
        assert [item.reading for item in reader.select(Selection(obis="ABC.1"))] == [strange]


def test_text_in_a_selection_is_text(folder: Path) -> None:
    with reading_from(folder) as reader:
        assert reader.select(Selection(meter="' OR 1=1 --")) == []
        assert reader.select(Selection(meter="em-%")) == []


def test_counts_and_exchanges(folder: Path) -> None:
    with reading_from(folder) as reader:
        assert reader.counts() == Counts(readings=60, exchanges=60, head=60)
        assert len(reader.exchanges()) == 60
        assert len(reader.exchanges("em-1001")) == 60
        assert reader.exchanges("nobody") == []


def test_an_empty_archive_is_empty(tmp_path: Path) -> None:
    with opened(tmp_path):
        pass
    with reading_from(tmp_path) as reader:
        assert reader.counts() == Counts(0, 0, 0)
        assert reader.select(Selection()) == []


def test_where_there_is_no_archive_that_is_said(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match=f"no archive at {tmp_path}"):
        Reader(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_archive_is_an_archive_error(tmp_path: Path) -> None:
    (tmp_path / "segment-000001.sqlite").write_bytes(b"something else altogether" * 100)
    with pytest.raises(ArchiveError), reading_from(tmp_path) as reader:
        reader.counts()


def test_one_reader_may_be_asked_from_several_threads_in_turn(folder: Path) -> None:
    faults: list[BaseException] = []

    def ask(reader: Reader) -> None:
        try:
            for _ in range(50):
                assert len(reader.select(Selection())) == 60
        except (AssertionError, ArchiveError) as fault:
            faults.append(fault)

    with reading_from(folder) as reader:
        threads = [threading.Thread(target=ask, args=(reader,), daemon=True) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
            assert not thread.is_alive()
    assert not faults


def test_a_query_has_a_time_limit(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        append(store, entry(*map(reading, range(3000))))
    with reading_from(tmp_path, limit_seconds=0) as reader:
        for _ in range(2):
            with pytest.raises(ArchiveError, match="longer than 0 s"):
                reader.select(Selection())
    with reading_from(tmp_path, limit_seconds=30) as reader:
        assert len(reader.select(Selection())) == 3000
