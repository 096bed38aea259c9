"""The archive: what goes in comes out identical, an acknowledgement means the disk, and nothing ends the writer."""

import asyncio
import contextlib
import dataclasses
import os
import random
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import apsw
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from gatewayd.archive import segments, set_aside
from gatewayd.archive.records import Entry
from gatewayd.archive.rows import from_us
from gatewayd.archive.set_aside import Count, SetAside
from gatewayd.archive.store import GROUP_SECONDS, Store
from gatewayd.errors import ArchiveError
from gatewayd.model import DIRECT, Archived, Exchange, Flag, Kind, Outcome, Ratio, RawStatus, Reading, ValueSide
from gatewayd.obis import Obis
from tests.gatewayd.archive.samples import (
    PATIENCE,
    POISON,
    START,
    append,
    entry,
    everything,
    exchange,
    opened,
    reading,
    reading_from,
    submit,
    written,
)

ROOT = Path(__file__).parents[3]
FULL = os.environ.get("GATEWAYD_TEST_FULL") == "1"
U64_MAX = 2**64 - 1


def integrity(folder: Path) -> str:
    connection = segments.open_for_reading(segments.segment_path(folder))
    try:
        return str(connection.execute("PRAGMA integrity_check").get)
    finally:
        connection.close()


# -- values ------------------------------------------------------------------------------------------------------------

AWKWARD = [
    "",
    " ",
    "  0008048.375 ",
    "0008048.375",
    "4567,890",
    "---.-",
    "-0",
    "1e5",
    "NULL",
    "'; DROP TABLE reading; --",
    "a\x00b",
    "\x00",
    "\x01\x02\x7f",
    "\x80\x9f\xa0\xff",
    "žluťoučký kůň",
    "\u202e\ufeff\uffff",
    "😀𝟘",
    "e\u0301 é",
    str(U64_MAX),
    "9" * 10_000,
]


def test_awkward_texts_survive_everywhere(tmp_path: Path) -> None:
    asked, ones = [], []
    for text in AWKWARD:
        one = replace(reading(raw=text), unit=text, meter_time=text, more=(text, text), meter=f"em{text}")
        ones += [one, replace(one, obis=None, obis_raw=f"code {text}")]
        asked.append(
            dataclasses.replace(exchange(text.encode(), detail=text), meter=f"em{text}", line=text, request=text)
        )
    with opened(tmp_path) as store:
        archived = [
            item
            for number, (about, text) in enumerate(zip(asked, AWKWARD, strict=True))
            for item in append(store, Entry(about, tuple(ones[number * 2 : number * 2 + 2]), (DIRECT, DIRECT), text))
        ]
    assert [item.reading for item in archived] == ones
    assert everything(tmp_path) == archived
    assert [item.serial for item in archived] == [text for text in AWKWARD for _ in range(2)]
    with reading_from(tmp_path) as reader:
        assert reader.exchanges() == asked
        for wanted in asked:
            assert reader.exchanges(wanted.meter) == [wanted]


def test_bytes_survive(tmp_path: Path) -> None:
    wire = [b"", b"\x00", bytes(range(256)), b"\xff" * 65536, U64_MAX.to_bytes(8, "big"), b"0008048.375"]
    ones = [replace(reading(), raw=raw, raw_text=raw.decode("latin-1")) for raw in wire]
    with opened(tmp_path) as store:
        for one in ones:
            append(store, Entry(exchange(one.raw), (one,), (DIRECT,)))
    found = everything(tmp_path)
    assert [item.reading for item in found] == ones
    assert [item.reading.raw for item in found] == wire
    with reading_from(tmp_path) as reader:
        assert [one.received for one in reader.exchanges()] == wire


def test_the_largest_counter_survives_with_its_digits(tmp_path: Path) -> None:
    """int64 overflows at 2^63: a counter is text, never a number of the database."""
    one = replace(reading(raw=str(U64_MAX)), scaler=-9)
    with opened(tmp_path) as store:
        append(store, entry(one, ratio=Ratio(ct="200/5", vt="22000/100")))
    (archived,) = everything(tmp_path)
    assert archived.reading.raw_text == "18446744073709551615"
    assert archived.reading.value == Decimal("18446744073.709551615")
    assert archived.primary == Decimal("18446744073.709551615") * 8800


text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
instant = st.integers(-(10**15), 10**17).map(lambda us: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=us))
byte = st.integers(0, 255)
readings = st.builds(
    Reading,
    meter=st.sampled_from(["em-1001", "em-2001"]),
    obis=st.none() | st.builds(Obis, byte, byte, byte, byte, byte, byte, st.booleans()),
    obis_raw=text,
    kind=st.sampled_from(list(Kind)),
    at=instant,
    raw=st.binary(max_size=50),
    raw_text=text,
    unit=text,
    scaler=st.integers(-128, 127),
    status=st.sampled_from(list(RawStatus)),
    flags=st.integers(0, max(Flag) * 2 - 1).map(Flag),
    more=st.lists(text, max_size=3).map(tuple),
    interval_s=st.none() | st.integers(0, 10**6),
    meter_time=text,
)
sides = st.sampled_from(["", "200/5", "22000/100", "22000 / 110"])
ratios = st.builds(
    Ratio,
    ct=sides,
    vt=sides,
    multiplier=st.decimals(allow_nan=False, allow_infinity=False),
    value_side=st.sampled_from(list(ValueSide)),
    since=st.dates()
    | st.datetimes(timezones=st.integers(-840, 840).map(lambda minutes: timezone(timedelta(minutes=minutes)))),
)
exchanges = st.builds(
    Exchange,
    meter=text,
    line=text,
    request=text,
    started_at=instant,
    ended_at=instant,
    received=st.binary(max_size=200),
    outcome=st.sampled_from(list(Outcome)),
    detail=text,
)
entries = st.builds(
    lambda asked, pairs, serial: Entry(asked, tuple(a for a, _ in pairs), tuple(b for _, b in pairs), serial),
    exchanges,
    st.lists(st.tuples(readings, ratios), max_size=8),
    text,
)


def exact(archived: Archived) -> tuple[object, ...]:
    """Everything that == does not tell apart: 1.0 and 1.00 are equal numbers, and not the same text."""
    one = archived.reading
    return archived, str(archived.ratio.multiplier), one.at.utcoffset(), type(one.status), type(one.flags), one.more


@pytest.mark.timeout(900)
@settings(max_examples=1000 if FULL else 25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(entries, min_size=1, max_size=4))
def test_what_goes_in_comes_out_identical(tmp_path_factory: pytest.TempPathFactory, given_entries: list[Entry]) -> None:
    folder = tmp_path_factory.mktemp("archive")
    with opened(folder) as store:
        acknowledged = [item for one in given_entries for item in append(store, one)]
    found = everything(folder)
    assert [exact(item) for item in found] == [exact(item) for item in acknowledged]
    assert [item.reading for item in found] == [one for given_entry in given_entries for one in given_entry.readings]
    assert [item.ratio for item in found] == [ratio for given_entry in given_entries for ratio in given_entry.ratios]
    with reading_from(folder) as reader:
        assert reader.exchanges() == [one.exchange for one in given_entries]


def test_instants_of_other_zones_are_the_same_instants(tmp_path: Path) -> None:
    local = datetime(2026, 11, 21, 21, 0, 0, 123457, tzinfo=timezone(timedelta(hours=1)))
    with opened(tmp_path) as store:
        append(store, entry(reading(at=local)))
    (archived,) = everything(tmp_path)
    assert archived.reading.at == local
    assert archived.reading.at.utcoffset() == timedelta(0)


def test_a_reading_comes_back_with_everything_that_belongs_to_it(tmp_path: Path) -> None:
    ratio = Ratio(ct="200/5", vt="22000/100", since=date(2024, 5, 1))
    with opened(tmp_path) as store:
        append(store, entry(reading(1), ratio=ratio))
    (archived,) = everything(tmp_path)
    assert (archived.seq, archived.exchange, archived.serial) == (1, 1, "35031234")
    assert archived.received_at == exchange().ended_at
    assert archived.ratio == ratio
    assert archived.primary == Decimal("1.375") * 8800


def test_a_new_version_of_a_ratio_gets_a_new_id_and_the_old_one_stays(tmp_path: Path) -> None:
    old, new = Ratio(ct="100/5", since=date(2024, 5, 1)), Ratio(ct="200/5", since=date(2025, 7, 15))
    with opened(tmp_path) as store:
        for ratio in (old, new, old):
            append(store, entry(reading(), ratio=ratio))
    with opened(tmp_path) as store:
        append(store, entry(reading(), ratio=new))
    found = everything(tmp_path)
    assert [item.ratio for item in found] == [old, new, old, new]
    assert found[0].ratio_id == found[2].ratio_id != found[1].ratio_id == found[3].ratio_id


def test_an_entry_needs_a_ratio_for_every_reading() -> None:
    with pytest.raises(ValueError, match="ratio"):
        Entry(exchange(), (reading(),), ())


# -- group commit ------------------------------------------------------------------------------------------------------


def test_many_producers_are_all_acknowledged_in_the_order_in_which_they_came(tmp_path: Path) -> None:
    """300 producers share a few transactions."""

    async def run() -> None:
        with opened(tmp_path, group_seconds=0.05) as store:
            commits: list[int] = []
            store.on_commit(commits.append)

            async def produce(producer: int) -> list[tuple[int, int]]:
                seqs = []
                for number in range(5):
                    entries_of_producer = entry(*(reading(producer * 1000 + number) for _ in range(number % 3)))
                    archived = await store.append(entries_of_producer)
                    assert len(archived) == number % 3
                    seqs += [(item.seq, producer * 1000 + number) for item in archived]
                return seqs

            async with asyncio.timeout(PATIENCE):
                seqs = [item for part in await asyncio.gather(*map(produce, range(300))) for item in part]
            assert sorted(seq for seq, _ in seqs) == list(range(1, 300 * 4 + 1))
            await store.flush()  # those who listen hear of a commit after those who wait for it
            assert store.head == commits[-1] == 1200
            assert commits == sorted(commits)
            assert len(commits) < 1500 / 5, "this is no group commit"
            found = {item.seq: item.reading.raw_text for item in everything(tmp_path)}
            assert found == {seq: f"{number:07d}.375" for seq, number in seqs}

    asyncio.run(run())


def test_sequence_numbers_follow_the_order_of_submission(tmp_path: Path) -> None:
    choice = random.Random(4)
    with opened(tmp_path) as store:
        futures = []
        number = 0
        for _ in range(200):
            part = [reading(number + offset) for offset in range(choice.randrange(6))]
            number += len(part)
            futures.append(submit(store, entry(*part)))
        seqs = [item.seq for future in futures for item in written(future)]
    assert seqs == list(range(1, number + 1))
    assert [item.reading.raw_text for item in everything(tmp_path)] == [f"{n:07d}.375" for n in range(number)]


def test_what_one_append_brings_is_one_transaction(tmp_path: Path) -> None:
    """343 readings are the longest readout among the recordings, and more than a group holds."""
    with opened(tmp_path) as store:
        commits: list[int] = []
        store.on_commit(commits.append)
        archived = append(store, entry(*map(reading, range(343))))
        assert [item.seq for item in archived] == list(range(1, 344))
        assert commits == [343]


def test_what_one_append_brings_is_stored_whole_or_not_at_all(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        with pytest.raises(ArchiveError):
            append(store, entry(*map(reading, range(342)), POISON))
        assert store.head == 0
        assert everything(tmp_path) == []
        with reading_from(tmp_path) as reader:
            assert reader.exchanges() == []
        assert append(store, entry(reading()))[0].seq == 1


def test_an_acknowledgement_is_not_earlier_than_the_commit(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        for number in range(1, 50):
            (archived,) = append(store, entry(reading(number)))
            assert archived.seq == store.head == number
            assert everything(tmp_path)[-1] == archived


def test_an_exchange_without_readings_is_stored_and_moves_no_head(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        assert append(store, entry(received=b"noise")) == ()
        assert store.head == 0
        assert append(store, entry(reading()))[0].exchange == 2
    with reading_from(tmp_path) as reader:
        assert [one.received for one in reader.exchanges()] == [b"noise", b"/ISk5"]
        counts = reader.counts()
        assert (counts.readings, counts.exchanges, counts.head) == (1, 2, 1)


def test_the_loop_does_not_wait_for_the_disk(tmp_path: Path) -> None:
    async def run() -> None:
        with opened(tmp_path, group_seconds=0.2) as store:
            task = asyncio.create_task(store.append(entry(reading())))
            turns = 0
            while not task.done():
                await asyncio.sleep(0)
                turns += 1
            assert turns > 10
            assert (await task)[0].seq == 1

    asyncio.run(asyncio.wait_for(run(), PATIENCE))


def test_closing_writes_what_is_queued(tmp_path: Path) -> None:
    with opened(tmp_path, group_seconds=3600) as store:
        futures = [submit(store, entry(reading(number))) for number in range(1, 101)]
    assert [item.seq for future in futures for item in written(future)] == list(range(1, 101))
    assert len(everything(tmp_path)) == 100


def test_after_closing_nothing_is_taken_and_nobody_waits_for_ever(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        append(store, entry(reading()))
    with pytest.raises(ArchiveError):
        append(store, entry(reading()))
    assert len(everything(tmp_path)) == 1


def test_what_comes_while_closing_is_written_or_refused(tmp_path: Path) -> None:
    """A session that ends late must not wait for ever for a writer that has gone."""
    futures: list[Future[tuple[Archived, ...]]] = []
    refused = 0
    with opened(tmp_path) as store:
        append(store, entry(reading()))
        closing = threading.Thread(target=store.close)
        closing.start()
        for number in range(2000):
            try:
                futures.append(submit(store, entry(reading(number))))
            except ArchiveError:
                refused += 1
        closing.join(PATIENCE)
        assert not closing.is_alive()
        acknowledged = 1
        for future in futures:
            try:
                acknowledged += len(written(future))
            except ArchiveError:
                refused += 1
    assert acknowledged + refused == 2001
    assert len(everything(tmp_path)) == acknowledged


def test_the_count_goes_on_after_a_restart(tmp_path: Path) -> None:
    for number in range(1, 4):
        with opened(tmp_path) as store:
            assert store.head == (number - 1) * 2
            archived = append(store, entry(reading(number), reading(number, code="2.8.0")))
            assert [item.seq for item in archived] == [number * 2 - 1, number * 2]
            assert {item.exchange for item in archived} == {number}
    with reading_from(tmp_path) as reader:
        connection = segments.open_for_reading(segments.segment_path(tmp_path))
        assert connection.execute("SELECT count(*) FROM series").get == 2
        assert connection.execute("SELECT count(*) FROM ratio").get == 1
        connection.close()
        assert reader.counts().readings == 6


# -- faults ------------------------------------------------------------------------------------------------------------


def poisoned() -> list[Entry]:
    return [
        entry(POISON),
        entry(replace(reading(), unit="\udcff")),
        entry(replace(reading(), scaler=2**70)),
        Entry(exchange(detail="\ud800")),
    ]


def test_an_entry_that_no_row_can_hold_is_refused_when_it_is_made() -> None:
    with pytest.raises(ValueError, match="surrogates"):
        entry(replace(reading(), more=("\ud800",)))
    with pytest.raises(TypeError, match="naive"):
        entry(reading(at=START.replace(tzinfo=None)))


@pytest.mark.parametrize("number", range(len(poisoned())))
def test_an_entry_that_cannot_be_written_fails_alone(tmp_path: Path, number: int) -> None:
    with opened(tmp_path, group_seconds=0.05) as store:
        before = [submit(store, entry(reading(n))) for n in range(1, 4)]
        bad = submit(store, poisoned()[number])
        after = [submit(store, entry(reading(n))) for n in range(4, 7)]
        with pytest.raises(ArchiveError, match=str(tmp_path)):
            written(bad)
        seqs = [written(future)[0].seq for future in before + after]
        assert seqs == [1, 2, 3, 4, 5, 6]
        assert store.head == 6
        assert append(store, entry(reading(7)))[0].seq == 7
    assert [item.reading.raw_text for item in everything(tmp_path)] == [f"{n:07d}.375" for n in range(1, 8)]
    assert integrity(tmp_path) == "ok"


def test_a_caller_that_gives_up_takes_nothing_back(tmp_path: Path) -> None:
    async def run() -> None:
        with opened(tmp_path, group_seconds=0.1) as store:
            task = asyncio.create_task(store.append(entry(reading(1))))
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            (archived,) = await store.append(entry(reading(2)))
            assert archived.seq == 2

    asyncio.run(asyncio.wait_for(run(), PATIENCE))
    assert [item.reading.raw_text for item in everything(tmp_path)] == ["0000001.375", "0000002.375"]


def test_a_cancelled_future_does_not_end_the_writer(tmp_path: Path) -> None:
    with opened(tmp_path, group_seconds=0.1) as store:
        submit(store, entry(reading(1))).cancel()
        assert append(store, entry(reading(2)))[0].seq == 2
    assert len(everything(tmp_path)) == 2


def test_a_loop_that_has_ended_does_not_end_the_writer(tmp_path: Path) -> None:
    with opened(tmp_path, group_seconds=0.2) as store:

        async def leave() -> None:
            task = asyncio.create_task(store.append(entry(reading(1))))
            await asyncio.sleep(0)
            task.cancel()

        asyncio.run(leave())
        assert append(store, entry(reading(2)))[0].seq == 2
    assert len(everything(tmp_path)) == 2


def damage(path: Path, table: str) -> None:
    """Overwrite the first page of a table."""
    connection = apsw.Connection(str(path))
    page = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = ?", (table,)).get
    connection.close()
    data = bytearray(path.read_bytes())
    data[(page - 1) * 4096 : page * 4096] = b"\xa5" * 4096
    path.write_bytes(data)


@pytest.mark.parametrize("what", ["no database", "segment", "batch", "series", "exchange", "reading"])
def test_a_damaged_archive_is_put_aside_and_acquisition_goes_on(tmp_path: Path, what: str) -> None:
    path = segments.segment_path(tmp_path)
    with opened(tmp_path) as store:
        append(store, entry(*map(reading, range(100))))
    if what == "no database":
        path.write_bytes(b"this is not a database, and it is longer than a header of one hundred bytes" * 20)
    else:
        damage(path, what)
    spoilt = path.read_bytes()
    with opened(tmp_path) as store:
        (archived,) = append(store, entry(reading(101)))
        assert archived.seq == 101, "a sequence number must not be given twice"
        assert store.head == 101
    (aside,) = tmp_path.rglob(f"quarantine/**/{path.name}")
    assert aside.read_bytes() == spoilt, "the evidence was changed"
    assert [item.seq for item in everything(tmp_path)] == [101]


def test_an_archive_of_another_format_is_left_alone(tmp_path: Path) -> None:
    path = segments.segment_path(tmp_path)
    with opened(tmp_path) as store:
        append(store, entry(*map(reading, range(100))))
    connection = apsw.Connection(str(path))
    kept = connection.execute("SELECT sql FROM sqlite_schema WHERE name = 'segment_kept'").get
    connection.execute(f"DROP TRIGGER segment_kept; UPDATE segment SET format = format + 98; {kept}")
    connection.close()
    with pytest.raises(ArchiveError, match=f"{path} has format 99"), opened(tmp_path):
        pass
    assert path.exists()
    connection = apsw.Connection(str(path))
    connection.execute(f"DROP TRIGGER segment_kept; UPDATE segment SET format = format - 98; {kept}")
    connection.close()
    with opened(tmp_path) as store:
        assert store.head == 100


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(ArchiveError, match=f"{tmp_path}/file/archive.*archive.path"),
        opened(tmp_path / "file" / "archive"),
    ):
        pass


def test_folders_are_made_and_closed_to_others(tmp_path: Path) -> None:
    folder = tmp_path / "var" / "lib" / "gatewayd"
    with opened(folder):
        assert folder.stat().st_mode & 0o007 == 0


@contextlib.contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """A file system that is soon full. Needs root; without it this test fails."""
    mount_point = folder / "disk"
    mount_point.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(mount_point)], check=True, timeout=30)
    try:
        yield mount_point
    finally:
        subprocess.run(["umount", str(mount_point)], check=True, timeout=30)


def test_a_full_disk_is_an_error_and_no_acknowledgement_and_is_survived(tmp_path: Path) -> None:
    with small_disk(tmp_path, "1m") as disk:
        with opened(disk) as store:
            acknowledged: list[Archived] = []
            number = 0
            with pytest.raises(ArchiveError, match=str(disk)):
                for number in range(1, 1000):
                    acknowledged += append(store, entry(reading(number), received=bytes(20_000)))
            assert 1 <= len(acknowledged) < 60
            # It stays so, also for several at a time; nothing is acknowledged, nobody waits for ever.
            futures = [submit(store, entry(reading(number), received=bytes(900_000))) for _ in range(5)]
            for future in futures:
                with pytest.raises(ArchiveError):
                    written(future)
            assert store.head == len(acknowledged)
            assert everything(disk) == acknowledged

            subprocess.run(["mount", "-o", "remount,size=16m", str(disk)], check=True, timeout=30)
            for number in range(2000, 2050):
                acknowledged += append(store, entry(reading(number), received=bytes(20_000)))
            assert [item.seq for item in acknowledged] == list(range(1, len(acknowledged) + 1))
            assert everything(disk) == acknowledged
        assert integrity(disk) == "ok"
        with opened(disk) as store:
            assert store.head == len(acknowledged)
        assert everything(disk) == acknowledged


# -- one writer, and its sudden end ------------------------------------------------------------------------------------


@contextlib.contextmanager
def writer_process(folder: Path, producers: int = 3) -> Iterator["subprocess.Popen[bytes]"]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.gatewayd.archive.writer", str(folder), str(producers)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait(PATIENCE)
        assert process.stdout is not None
        process.stdout.close()


def lines_of(process: "subprocess.Popen[bytes]", count: int) -> bytes:
    """At least so many lines of what the writer says."""
    assert process.stdout is not None
    said = b""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while said.count(b"\n") < count:
            assert selector.select(PATIENCE), f"the writer hangs after {said[-200:]!r}"
            part = os.read(process.stdout.fileno(), 65536)
            assert part, f"the writer ended by itself after {said[-200:]!r}"
            said += part
    return said


def test_a_second_writer_is_refused_and_told_who_writes(tmp_path: Path) -> None:
    with writer_process(tmp_path) as process:
        lines_of(process, 1)
        with pytest.raises(ArchiveError, match=f"{tmp_path}.* process {process.pid}"), opened(tmp_path):
            pass
        lines_of(process, 3)  # and the first one goes on
        assert everything(tmp_path)
        process.send_signal(signal.SIGKILL)
        process.wait(PATIENCE)
        with opened(tmp_path) as store:
            assert append(store, entry(reading()))


def test_a_second_writer_in_the_same_process_is_refused(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        with pytest.raises(ArchiveError, match=f"process {os.getpid()}"), opened(tmp_path):
            pass
        append(store, entry(reading()))
    with opened(tmp_path) as store:
        assert store.head == 1


@pytest.mark.timeout(900)
def test_every_acknowledged_reading_survives_kill_9(tmp_path: Path) -> None:
    """20 rounds on one archive; the writer is killed while it is in the middle of its next transactions."""
    choice = random.Random()
    acknowledged: dict[int, str] = {}
    for turn in range(200 if FULL else 20):
        with writer_process(tmp_path, producers=choice.choice([1, 3, 20])) as process:
            said = lines_of(process, 1 + choice.randrange(1, 60))
            process.send_signal(signal.SIGKILL)
            process.wait(PATIENCE)
            assert process.stdout is not None
            said += process.stdout.read()
        for line in said[: said.rindex(b"\n")].decode().splitlines():
            for part in line.split() if line != "open" else ():
                seq, _, raw_text = part.partition("=")
                assert int(seq) not in acknowledged, f"{seq} was given twice"
                acknowledged[int(seq)] = raw_text
        found = everything(tmp_path)
        assert [item.seq for item in found] == list(range(1, len(found) + 1)), f"round {turn}"
        stored = {item.seq: item.reading.raw_text for item in found}
        lost = {seq: raw_text for seq, raw_text in acknowledged.items() if stored.get(seq) != raw_text}
        assert not lost, f"round {turn}"
        assert integrity(tmp_path) == "ok"
    assert acknowledged


def test_an_exchange_is_whole_after_kill_9(tmp_path: Path) -> None:
    """Either all readings of an append are there, or none and not its exchange either."""
    for _ in range(3):
        with writer_process(tmp_path, producers=5) as process:
            lines_of(process, 20)
            process.send_signal(signal.SIGKILL)
    groups: dict[int, list[str]] = {}
    for item in everything(tmp_path):
        groups.setdefault(item.exchange, []).append(item.reading.raw_text)
    for texts in groups.values():
        producer, number, _ = texts[0].split("/")
        assert texts == [f"{producer}/{number}/{part}" for part in range(int(number) % 5 + 1)]
    with reading_from(tmp_path) as reader:
        assert reader.counts().exchanges == len(groups)


# -- what sinks do not get ---------------------------------------------------------------------------------------------


def put_aside(store: Store, *asides: SetAside) -> None:
    async def run() -> None:
        for aside in asides:
            await store.set_aside(aside)

    asyncio.run(run())


def test_what_was_set_aside_is_remembered(tmp_path: Path) -> None:
    assert set_aside.listed(tmp_path) == []
    assert set_aside.counts(tmp_path) == {}
    with opened(tmp_path, now_us=lambda: 5_000_000) as store:
        put_aside(store, SetAside("tsdb", 9, 12, "damaged"), SetAside("mqtt", 7, 7, "too long"))
        put_aside(store, SetAside("tsdb", 9, 9, "still damaged"))
    at = from_us(5_000_000)
    assert set_aside.counts(tmp_path) == {"mqtt": Count(1, 1), "tsdb": Count(4, 1)}
    assert set_aside.listed(tmp_path, "mqtt") == [SetAside("mqtt", 7, 7, "too long", at)]
    assert set_aside.listed(tmp_path) == [
        SetAside("mqtt", 7, 7, "too long", at),
        SetAside("tsdb", 9, 12, "still damaged", at),
    ]


def test_a_damaged_state_loses_no_reading_and_stops_nothing(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        append(store, entry(reading(1)))
        put_aside(store, SetAside("mqtt", 1, 1, "why"))
    set_aside.state_path(tmp_path).write_bytes(b"not a database at all" * 500)
    with opened(tmp_path) as store:
        assert set_aside.counts(tmp_path) == {}
        put_aside(store, SetAside("mqtt", 1, 1, "why"))
        assert append(store, entry(reading(2)))[0].seq == 2
    assert set_aside.counts(tmp_path) == {"mqtt": Count(1, 1)}


def test_a_state_that_is_damaged_while_the_gateway_runs_is_made_anew(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        append(store, entry(reading(1)))
        holder = apsw.Connection(str(set_aside.state_path(tmp_path)))
        holder.execute("DROP TABLE set_aside")
        holder.close()
        segment = store._segment
        put_aside(store, SetAside("mqtt", 1, 1, "why"))
        assert set_aside.counts(tmp_path) == {"mqtt": Count(1, 1)}
        assert append(store, entry(reading(2)))[0].seq == 2
        assert store._segment is segment, "the fault of a sink does not touch the archive"


def test_the_caller_is_told_when_nothing_can_be_written_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise ArchiveError("the disk is full")

    with opened(tmp_path) as store:
        append(store, entry(reading(1)))
        monkeypatch.setattr(set_aside, "put", full)
        segment = store._segment
        with pytest.raises(ArchiveError, match="the disk is full"):
            put_aside(store, SetAside("mqtt", 1, 1, "why"))
        assert append(store, entry(reading(2)))[0].seq == 2
        assert store._segment is segment


@pytest.mark.parametrize("place", range(0, 12288, 997))
def test_a_flipped_byte_in_the_state_stops_nothing(tmp_path: Path, place: int) -> None:
    with opened(tmp_path) as store:
        append(store, entry(reading(1)))
        put_aside(store, *(SetAside("mqtt", seq, seq, f"reason {seq}") for seq in range(1, 40, 2)))
    path = set_aside.state_path(tmp_path)
    data = bytearray(path.read_bytes())
    if place >= len(data):
        pytest.skip("the file is shorter")
    data[place] ^= 0xFF
    path.write_bytes(data)
    with opened(tmp_path) as store:
        set_aside.counts(tmp_path)
        put_aside(store, SetAside("tsdb", 1, 1, "why"))
        assert append(store, entry(reading(2)))[0].seq == 2


def test_who_waits_for_each_commit_does_not_wait_for_a_whole_group_time(tmp_path: Path) -> None:
    """Meters of a bus are read one after the other; the last one's boundary must not be seconds away."""

    async def run() -> float:
        with opened(tmp_path, group_seconds=GROUP_SECONDS) as store:
            await store.append(entry())
            begun = time.monotonic()
            for _ in range(10):
                await store.append(entry())
            return time.monotonic() - begun

    assert min(asyncio.run(run()) for _ in range(3)) < 5 * GROUP_SECONDS, "the best of three: a machine may be busy"


def test_many_commits_in_a_row_become_fewer(tmp_path: Path) -> None:
    """A disk has other things to do as well."""

    async def run() -> int:
        with opened(tmp_path, group_seconds=GROUP_SECONDS) as store:
            commits: list[int] = []
            store.on_commit(commits.append)
            until = time.monotonic() + 3
            while time.monotonic() < until:
                await store.append(entry())
            return len(commits)

    assert asyncio.run(run()) <= 3 * 20 + 4
