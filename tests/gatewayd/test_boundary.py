"""Increments in sessions: registers go into the archive as they came, the intervals beside them, over restarts too."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import pytest

from gatewayd.acquire import Acquisition, Result
from gatewayd.archive.records import Entry, Receipt, Record
from gatewayd.archive.store import Store
from gatewayd.boundary import Tracks
from gatewayd.channel import Channel
from gatewayd.errors import ArchiveError, MeterDiffers, MeterSilent
from gatewayd.model import (
    Answer,
    Archived,
    Flag,
    Increments,
    Kind,
    Meter,
    Order,
    Part,
    Ratio,
    RawStatus,
    Reading,
    Registers,
    Request,
)
from gatewayd.obis import Obis
from tests.gatewayd.archive.samples import append, entry, everything, opened
from tests.gatewayd.doubles import PATIENCE, START, Conversation, ScriptedChannel, TestClock, line_to, reading, station

PRAGUE = ZoneInfo("Europe/Prague")
QUARTER = timedelta(minutes=15)
IMPORT, EXPORT = Obis.parse("1-0:1.8.0"), Obis.parse("1-0:2.8.0")
ORDER = Increments((IMPORT, EXPORT), QUARTER)
METER = Meter("em-1001", "scripted", "optical")


class Site:
    """A meter that is read at quarter-hours after START, by a gateway that may be restarted in between."""

    def __init__(self, folder: Path, meter: Meter = METER, order: Order = ORDER) -> None:
        self.folder = folder
        self.clock = TestClock(step=timedelta(0))
        self.meter = meter
        self.order = order
        self.steady: list[float] | None = None
        self.asked: list[Request] = []

    def read(self, *visits: tuple[float, str | Exception, str], serial: str = "") -> list[Result]:
        """One life of the gateway: the meter is read at each quarter, where its registers show these texts."""

        async def life() -> list[Result]:
            with opened(self.folder) as store:
                acquisition = self.acquisition(store)
                return [await self.visit(acquisition, *visit, serial) for visit in visits]

        return asyncio.run(asyncio.wait_for(life(), PATIENCE))

    def acquisition(self, store: Store) -> Acquisition:
        steady = None if self.steady is None else lambda: self.steady.pop(0)  # type: ignore[union-attr]  # just seen
        return Acquisition(store, self.clock, PRAGUE, PATIENCE, steady=steady)

    async def visit(
        self, acquisition: Acquisition, quarter: float, total: str | Exception, other: str, serial: str
    ) -> Result:
        self.clock.now = START + quarter * QUARTER + timedelta(seconds=1)
        who = station(self.conversation(total, other, serial), self.meter)
        return await acquisition.run(line_to(ScriptedChannel([b"frame"])), who, self.order)

    def conversation(self, total: str | Exception, other: str, serial: str) -> Conversation:
        async def conversation(channel: Channel, request: Request) -> AsyncGenerator[Answer, None]:
            self.asked.append(request)
            await channel.receive(deadline=0)
            if isinstance(total, Exception):
                raise total
            named = (serial,) if serial else ()
            yield Answer((self.register("1.8.0", total),), serials=named)
            yield Answer((self.register("2.8.0", other),), serials=named)

        return conversation

    def register(self, code: str, text: str) -> Reading:
        if text:
            return reading(text, code, at=self.clock.now)
        gone = reading("", code, at=self.clock.now)
        return msgspec.structs.replace(gone, obis_raw="", unit="", status=RawStatus.MISSING, flags=Flag.NOT_SENT)

    def intervals(self, code: str = "1.29.0") -> list[tuple[int, str, str]]:
        """Quarter-hour, text and status of each interval in the archive."""
        return [
            (round((one.at - START) / QUARTER), one.raw_text, one.status.text)
            for one in (item.reading for item in everything(self.folder))
            if one.kind is Kind.INTERVAL and one.obis == Obis.parse(code)
        ]


def test_registers_and_their_increments_are_archived_together(tmp_path: Path) -> None:
    site = Site(tmp_path)
    first, second = site.read((0, "100.0", "5"), (1, "100.5", "5"))
    assert site.asked == [Registers((IMPORT, EXPORT))] * 2
    assert (first.fault, second.fault) == (None, None)
    assert [one.reading.code for one in first.readings] == ["1-0:1.8.0*255", "1-0:2.8.0*255"]
    kept = everything(tmp_path)
    assert [*first.readings, *second.readings] == kept
    assert [(one.reading.code, one.reading.raw_text, one.exchange) for one in kept[2:]] == [
        ("1-0:1.8.0*255", "100.5", 3),
        ("1-0:1.29.0*255", "0.5", 3),
        ("1-0:2.8.0*255", "5", 4),
        ("1-0:2.29.0*255", "0", 4),
    ]
    interval = kept[3].reading
    assert (interval.at, interval.interval_s, interval.unit) == (START + QUARTER, 900, "kWh")
    assert interval.more == ("100.0", "100.5", "read +1.0 s")


def test_after_a_restart_the_running_interval_still_comes(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.read((0, "100", "5"), (1, "101", "5"))
    site.read((2, "103", "6"))
    site.read((3, "106", "8"))
    assert site.intervals() == [(1, "1", "true"), (2, "2", "true"), (3, "3", "true")]
    assert site.intervals("2.29.0") == [(1, "0", "true"), (2, "1", "true"), (3, "2", "true")]


def test_over_a_restart_where_a_metering_point_has_the_register_and_not_its_intervals(tmp_path: Path) -> None:
    """They are kept beside their register: there they are found again, and no boundary is told twice."""
    point = replace(METER, id="em-1001-a")
    site = Site(tmp_path, replace(METER, parts=(Part(point, codes=(IMPORT,)),)))
    site.read((0, "100", "5"), (1, "101", "5"))
    site.read((1.5, "102", "6"), (2, "103", "6"))
    site.read((3, "106", "8"))
    found = [(one.reading.meter, one.reading.code) for one in everything(tmp_path) if one.reading.code[4:8] == "1.29"]
    assert found == [("em-1001-a", "1-0:1.29.0*255")] * 3
    assert site.intervals() == [(1, "1", "true"), (2, "2", "true"), (3, "3", "true")]


def test_no_interval_is_made_of_what_a_person_has_read(tmp_path: Path) -> None:
    """Somebody has rounded up, in the moment in which the meter was to be read."""
    site = Site(tmp_path)
    by_hand = msgspec.structs.replace(reading("101", at=START), flags=Flag.MANUAL)
    with opened(tmp_path) as store:
        append(store, entry(by_hand))
    site.read((0, "100.0", "5"))
    site.read((1, "103.0", "6"))
    assert site.intervals() == [(1, "3.0", "true")]


def test_after_the_first_reading_of_all_as_well(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.read((0, "100", "5"))
    site.read((1, "101", "5"))
    assert site.intervals() == [(1, "1", "true")]


def test_over_the_end_of_a_segment_of_the_archive(tmp_path: Path) -> None:
    async def seal() -> None:
        with opened(tmp_path) as store:
            await store.seal()

    site = Site(tmp_path)
    site.read((0, "100", "5"), (1, "101", "5"))
    asyncio.run(seal())
    site.read((2, "103", "6"))
    assert site.intervals() == [(1, "1", "true"), (2, "2", "true")]


def test_a_start_within_an_interval_reads_no_boundary_twice(tmp_path: Path) -> None:
    """A worker reads at once when it starts; 0.005 of a quarter-hour are 4.5 s."""
    site = Site(tmp_path)
    site.read((0, "100", "5"), (1, "101", "5"))
    site.read((1.005, "101.2", "5"), (1.4, "101.5", "5"), (2, "102", "5"))
    assert site.intervals() == [(1, "1", "true"), (2, "1", "true")]


def test_what_another_job_has_read_since_does_not_take_the_place_of_the_beginning(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.read((0, "100", "5"), (1, "101", "5"))
    site.order = ORDER.asked
    site.read((2, "102", "5"))
    site.order = ORDER
    site.read((2.005, "102.5", "5"))  # the register at 2 is there twice, and this is the end of an interval
    site.read((3, "103", "5"))
    assert site.intervals() == [(1, "1", "true"), (2, "1.5", "true"), (3, "0.5", "true")]


def test_boundaries_that_were_missed_while_the_gateway_stood_still(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.read((0, "100", "5"), (1, "101", "5"))
    site.read((3.4, "103", "5"), (4, "104", "5"), (5, "105", "5"))
    assert site.intervals() == [
        (1, "1", "true"), (2, "", "missing"), (3, "", "missing"), (4, "", "missing"), (5, "1", "true"),
    ]  # fmt: skip


def test_a_boundary_that_a_restart_has_just_missed_is_read_late(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.read((0, "100", "5"), (1, "101", "5"))
    site.read((2.05, "102.1", "5"), (3, "103", "5"), (4, "104", "5"))
    assert site.intervals() == [
        (1, "1", "true"), (2, "1.1", "distorted"), (3, "0.9", "distorted"), (4, "1", "true"),
    ]  # fmt: skip


def test_a_silent_meter_has_its_intervals_missing_when_it_is_back(tmp_path: Path) -> None:
    site = Site(tmp_path)
    results = site.read(
        (0, "100", "5"), (1, MeterSilent("silent"), ""), (1.04, MeterSilent("silent"), ""),
        (2, "102", "5"), (3, "103", "5"),
    )  # fmt: skip
    assert isinstance(results[1].fault, MeterSilent)
    assert site.intervals() == [(1, "", "missing"), (2, "", "missing"), (3, "1", "true")]


def test_a_register_that_the_meter_does_not_have(tmp_path: Path) -> None:
    site = Site(tmp_path)
    results = site.read((0, "100", ""), (1, "101", ""), (2, "102", ""))
    assert all(isinstance(result.fault, MeterDiffers) for result in results)
    assert site.intervals() == [(1, "1", "true"), (2, "1", "true")]
    assert site.intervals("2.29.0") == [(1, "", "missing"), (2, "", "missing")]


def test_another_serial_number_in_the_configuration_is_an_exchange(tmp_path: Path) -> None:
    Site(tmp_path, replace(METER, serial="0035031234")).read((0, "100", "5"), (1, "101", "6"))
    results = Site(tmp_path, replace(METER, serial="35039999")).read((2, "250", "7"), (3, "251", "8"))
    made = [one.reading for result in results for one in result.readings if one.reading.obis_raw == "1.8.0"]
    gains = [(one.raw_text, one.flags) for one in made if one.kind is Kind.INTERVAL]
    assert gains == [("", Flag.SERIAL_MISMATCH), ("1", Flag(0))]


@pytest.mark.parametrize("configured", ["", "0035031234"])
def test_another_serial_number_is_an_exchange_also_over_a_restart(tmp_path: Path, configured: str) -> None:
    site = Site(tmp_path, replace(METER, serial=configured))
    site.read((0, "100", "5"), serial="35031234")
    site.read((1, "101", "5"), serial="35031234")
    site.read((2, "102", "6"), (3, "103", "7"), serial="35039999")
    site.read((4, "104", "8"), serial="35039999")
    assert site.intervals() == [(1, "1", "true"), (2, "", "distorted"), (3, "1", "true"), (4, "1", "true")]
    kept = [one.reading for one in everything(tmp_path) if one.reading.obis == Obis.parse("1.29.0")]
    assert kept[1].flags == Flag.SERIAL_MISMATCH
    for later in kept[2:]:
        assert (later.flags == Flag.SERIAL_MISMATCH) == bool(configured), "the meter is another one than configured"


def test_the_ratio_of_the_day_to_which_the_interval_belongs(tmp_path: Path) -> None:
    """START is 21:00 legal time; the interval that ends at midnight is the last one of its day."""
    old = Ratio(ct="100/5", since=START.date() - timedelta(days=9))
    new = Ratio(ct="200/5", since=START.date() + timedelta(days=1))
    site = Site(tmp_path, replace(METER, ratios=(old, new)))
    site.read((11, "1", "5"), (12, "2", "5"), (13, "3", "5"))
    ratios = [(one.ratio, one.primary) for one in everything(tmp_path) if one.reading.obis == Obis.parse("1.29.0")]
    assert ratios == [(old, Decimal(20)), (new, Decimal(40))]


def test_a_roll_over_where_it_is_configured(tmp_path: Path) -> None:
    site = Site(tmp_path, order=replace(ORDER, rollover=Decimal(1000)))
    site.read((0, "999", "0"), (1, "1", "0"))
    assert site.intervals() == [(1, "2", "true")]


def test_a_clock_that_was_set_is_seen_by_one_that_nobody_sets(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.steady = [0, 0, 900, 900, 1200, 1200]  # two answers in each session
    site.read((0, "100", "5"), (1, "101", "5"), (2, "102", "5"))
    assert site.intervals() == [(1, "1", "true"), (2, "1", "distorted")]


@pytest.mark.parametrize("kept", [False, True])
def test_an_answer_that_the_archive_has_not_acknowledged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: bool
) -> None:
    """The retry makes the increment, but only where the archive does not have it: a disk may keep what it reports as
    failed."""
    site = Site(tmp_path)
    queued = Store.queued
    full = [False, False, False, True]

    def filling(store: Store, record: Record) -> asyncio.Future[Receipt]:
        if isinstance(record, Entry) and record.readings and full and full.pop(0):
            if kept:
                Store.submit(store, record).result(PATIENCE)
            failed: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
            failed.set_exception(ArchiveError("disk full"))
            return failed
        return queued(store, record)

    async def life() -> None:
        with opened(tmp_path) as store:
            acquisition = site.acquisition(store)
            await site.visit(acquisition, 0, "100", "5", "")
            with pytest.raises(ArchiveError):  # of its two answers the second is not taken
                await site.visit(acquisition, 1, "101", "6", "")
            await site.visit(acquisition, 1.005, "101.3", "7", "")
            await site.visit(acquisition, 2, "102", "8", "")

    monkeypatch.setattr(Store, "queued", filling)
    asyncio.run(asyncio.wait_for(life(), PATIENCE))
    assert site.intervals() == [(1, "1", "true"), (2, "1", "true")]
    exports = [(1, "1", "true"), (2, "2", "true")] if kept else [(1, "2", "true"), (2, "1", "true")]
    assert site.intervals("2.29.0") == exports


def test_an_archive_that_cannot_be_read_costs_an_interval_and_no_register(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    site = Site(tmp_path)
    site.read((0, "100", "5"), (1, "101", "5"))

    def damaged(*_: object) -> Sequence[Archived]:
        raise ArchiveError("archive-000001.sqlite cannot be read")

    with monkeypatch.context() as patched:
        patched.setattr("gatewayd.boundary.Reader.newest", damaged)
        site.read((2, "102", "5"), (3, "103", "5"))
    assert site.intervals() == [(1, "1", "true"), (3, "1", "true")]
    assert "meter em-1001: where 1-0:1.8.0*255 stood before is not known" in caplog.text


def test_other_intervals_of_the_archive_are_not_taken_for_ours(tmp_path: Path) -> None:
    """A meter whose hours were made before is now asked each quarter-hour."""
    hourly = Site(tmp_path, order=replace(ORDER, period=timedelta(hours=1)))
    hourly.read((0, "100", "5"), (4, "104", "5"))
    site = Site(tmp_path)
    site.read((7, "107", "5"), (8, "108", "5"))
    assert site.intervals() == [(4, "4", "true"), (8, "1", "true")]


def test_nothing_is_known_of_a_register_that_was_not_loaded(tmp_path: Path) -> None:
    """Whoever forgets to load gets no increments, and no wrong ones."""
    tracks = Tracks(tmp_path, TestClock(datetime(2026, 1, 1, tzinfo=START.tzinfo)), PRAGUE)
    draft = tracks.draft(METER, ORDER, (reading(),), ())
    assert (draft.readings, draft.tracks) == ((), ())
