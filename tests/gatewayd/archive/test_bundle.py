"""Several entries that belong together: one batch, all of them or none, and the readings back in their order."""

import asyncio
import threading
from pathlib import Path

import pytest
from msgspec.structs import replace

from gatewayd.archive.records import Bundle, Entry
from gatewayd.archive.segment import OpenSegment
from gatewayd.archive.store import Store
from gatewayd.archive.verify import verify
from gatewayd.errors import ArchiveError
from gatewayd.model import DIRECT, Reading
from tests.gatewayd.archive.samples import POISON, append, everything, exchange, opened, reading, reading_from, submit


def of(meter: str, *readings: Reading, received: bytes = b"") -> Entry:
    ours = tuple(replace(one, meter=meter) for one in readings)
    return Entry(exchange(received, meter), ours, (DIRECT,) * len(ours), "35031234")


def bundle(*, first: int = 1, poisoned: bool = False) -> Bundle:
    """Readings 1 to 4 as they were handed in: the second and fourth are of one part, the third of the other."""
    one, two, three, four = (reading(number) for number in range(first, first + 4))
    entries = (of("reg", one, received=b"/ISk5"), of("a", two, POISON if poisoned else four), of("b", three))
    return Bundle(entries, (0, 1, 3, 2))


def appended(store: Store, record: Bundle) -> list[tuple[int, str, int]]:
    found = asyncio.run(asyncio.wait_for(store.append(record), 20))
    return [(one.seq, one.reading.meter, one.exchange) for one in found]


def test_the_readings_come_back_in_the_order_in_which_they_were_handed_in(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        assert appended(store, bundle()) == [(1, "reg", 1), (2, "a", 2), (4, "b", 3), (3, "a", 2)]
        (after,) = append(store, of("reg", reading(9)))
        assert (after.seq, after.exchange) == (5, 4), "what follows goes on behind all of it"
    kept = everything(tmp_path)
    rows = [one for entry in bundle().entries for one in entry.readings]
    assert [(one.seq, one.reading) for one in kept[:4]] == list(enumerate(rows, 1))
    assert verify(tmp_path).ok


def test_a_bundle_that_cannot_be_written_leaves_nothing_and_fails_alone(tmp_path: Path) -> None:
    with opened(tmp_path, group_seconds=0.05) as store:
        before = submit(store, of("reg", reading(1)))
        bad = store.submit(bundle(first=2, poisoned=True))
        after = store.submit(bundle(first=6))
        with pytest.raises(ArchiveError):
            bad.result(20)
        before.result(20)
        after.result(20)
    assert [one.reading.raw_text[:7].lstrip("0") for one in everything(tmp_path)] == ["1", "6", "7", "9", "8"]
    with reading_from(tmp_path) as reader:
        assert [one.meter for one in reader.exchanges()] == ["reg", "reg", "a", "b"]
    assert verify(tmp_path).ok


def test_all_rows_of_a_bundle_count_for_the_group_and_stay_in_one_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gatewayd.archive.store.GROUP_ROWS", 3)
    batches: list[int] = []
    commit = OpenSegment.commit

    def counting(self: OpenSegment, records: list[Bundle], now_us: int, **more: bool) -> object:
        batches.append(len(records))
        return commit(self, records, now_us, **more)

    monkeypatch.setattr(OpenSegment, "commit", counting)
    with opened(tmp_path, group_seconds=60.0) as store:
        for first in (1, 5):
            store.submit(bundle(first=first)).result(20)  # nobody waits for the group time
        assert batches == [1, 1]
    assert verify(tmp_path).ok


@pytest.mark.parametrize(("most", "together"), [(4000, [1, 5]), (8, [1, 2, 2, 1])])
def test_what_has_come_while_the_disk_was_busy_goes_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int, together: list[int]
) -> None:
    """Also beyond the rows of a group, up to a most: an fsync costs the same for many."""
    monkeypatch.setattr("gatewayd.archive.store.GROUP_ROWS", 3)
    monkeypatch.setattr("gatewayd.archive.store._MOST_ROWS", most)
    batches: list[int] = []
    busy, go_on = threading.Event(), threading.Event()
    commit = OpenSegment.commit

    def slow(self: OpenSegment, records: list[Bundle], now_us: int, **more: bool) -> object:
        batches.append(len(records))
        busy.set()
        assert go_on.wait(20)
        return commit(self, records, now_us, **more)

    monkeypatch.setattr(OpenSegment, "commit", slow)
    with opened(tmp_path, group_seconds=60.0) as store:
        first = store.submit(bundle(first=1))
        assert busy.wait(20)
        rest = [store.submit(bundle(first=5 + 4 * number)) for number in range(5)]
        go_on.set()
        for written in (first, *rest):
            written.result(20)
        assert batches == together
    assert verify(tmp_path).ok
