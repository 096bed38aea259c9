"""A registrar: one device, several metering points, each a meter of its own in the archive."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from gatewayd.acquire import Acquisition, Result
from gatewayd.archive.records import Bundle, Entry, Receipt
from gatewayd.archive.verify import verify
from gatewayd.channel import Channel
from gatewayd.errors import MeterSilent
from gatewayd.exchange_notes import Notes, routed
from gatewayd.model import (
    Answer,
    Archived,
    Exchange,
    Increments,
    Kind,
    Meter,
    MeteringType,
    Order,
    Part,
    Point,
    Ratio,
    Reading,
    Registers,
    Request,
)
from gatewayd.obis import Obis
from gatewayd.sink.meta import Descriptions
from tests.gatewayd.archive.samples import everything, opened, reading_from
from tests.gatewayd.doubles import (
    PATIENCE,
    START,
    Conversation,
    ScriptedChannel,
    TestClock,
    failing,
    line_to,
    reading,
    station,
)

PRAGUE = ZoneInfo("Europe/Prague")
QUARTER = timedelta(minutes=15)
OLD, NEW = Ratio(ct="100/5", since=date(2020, 1, 1)), Ratio(ct="200/5", since=date(2026, 11, 1))
FEED_IN = Ratio(vt="22000/100")
FIRST = Meter("reg-1-a", "scripted", "optical", MeteringType.A, point=Point(eic="27ZG600Z0424987D"), ratios=(OLD, NEW))
SECOND = Meter("reg-1-b", "scripted", "optical", MeteringType.B, point=Point(ean="8591824"), ratios=(FEED_IN,))
REGISTRAR = Meter(
    "reg-1",
    "scripted",
    "optical",
    parts=(Part(FIRST, channels=((1, 1),)), Part(SECOND, channels=((1, 2),), codes=(Obis.parse("1-0:2.8.0"),))),
)
CODES = ("0-0:96.1.0", "1-1:1.8.0", "1-2:1.8.0", "1-0:2.8.0", "1-1:2.8.0", "1-0:1.8.0")
OWNERS = ("reg-1", "reg-1-a", "reg-1-b", "reg-1-b", "reg-1-a", "reg-1")
EVERYTHING = Registers()


def readings() -> tuple[Reading, ...]:
    return tuple(reading(f"{place}", code, meter="reg-1") for place, code in enumerate(CODES))


def answering_with(*answers: Answer) -> Conversation:
    async def conversation(channel: Channel, request: Request) -> AsyncGenerator[Answer, None]:
        for answer in answers:
            await channel.receive(deadline=0)
            yield answer

    return conversation


def read(folder: Path, conversation: Conversation, order: Order = EVERYTHING, clock: TestClock | None = None) -> Result:
    async def run() -> Result:
        with opened(folder) as store:
            acquisition = Acquisition(store, clock or TestClock(), PRAGUE, PATIENCE)
            line = line_to(ScriptedChannel([b"what the meter sent", b"and more"]))
            return await acquisition.run(line, station(conversation, REGISTRAR), order)

    return asyncio.run(asyncio.wait_for(run(), PATIENCE))


def exchanges(folder: Path) -> list[Exchange]:
    with reading_from(folder) as reader:
        return reader.exchanges()


def test_each_reading_is_archived_at_its_metering_point(tmp_path: Path) -> None:
    result = read(tmp_path, answering_with(Answer(readings(), serials=("35031234",))))
    assert result.fault is None
    assert [one.reading.code for one in result.readings] == [f"{code}*255" for code in CODES], "as they came"
    assert tuple(one.reading.meter for one in result.readings) == OWNERS
    kept = {one.seq: one for one in everything(tmp_path)}
    assert {one.seq: one for one in result.readings} == kept
    assert {one.serial for one in kept.values()} == {"35031234"}
    facts = {one.reading.meter: (one.point, one.ratio) for one in kept.values()}
    assert facts["reg-1-a"] == (FIRST.point, NEW)
    assert facts["reg-1-b"] == (SECOND.point, FEED_IN)
    assert facts["reg-1"] == (Point(), Ratio())
    assert kept[result.readings[1].seq].primary == Decimal(40)


def test_the_bytes_are_archived_once_and_the_points_say_where(tmp_path: Path) -> None:
    read(tmp_path, answering_with(Answer(readings())))
    found = exchanges(tmp_path)
    assert [(one.meter, one.received, one.request, one.detail) for one in found] == [
        ("reg-1", b"what the meter sent", "registers all", ""),
        ("reg-1-a", b"", "registers all of reg-1", "bytes: exchange of reg-1"),
        ("reg-1-b", b"", "registers all of reg-1", "bytes: exchange of reg-1"),
    ]
    assert len({(one.started_at, one.ended_at, one.outcome, one.line) for one in found}) == 1
    assert verify(tmp_path).ok


def test_what_tells_of_no_metering_point_is_one_exchange(tmp_path: Path) -> None:
    own = reading("1", "0-0:96.1.0", meter="reg-1")
    theirs = reading("2", "1-2:1.8.0", meter="reg-1")
    read(tmp_path, answering_with(Answer((own,)), Answer((theirs,))))
    assert [(one.meter, one.received) for one in exchanges(tmp_path)] == [
        ("reg-1", b"what the meter sent"),
        ("reg-1", b"and more"),
        ("reg-1-b", b""),
    ]


def test_a_fault_is_the_registrars(tmp_path: Path) -> None:
    read(tmp_path, failing(MeterSilent("nothing more"), chunks=1))
    assert [(one.meter, one.received) for one in exchanges(tmp_path)] == [("reg-1", b"what the meter sent")]


def test_an_interval_of_a_point_has_the_ratio_of_its_own_day(tmp_path: Path) -> None:
    midnight = START.replace(month=10, day=31, hour=23, minute=0)
    rows = tuple(
        structs.replace(reading("1", "1-1:1.29.0", meter="reg-1", at=at), kind=Kind.INTERVAL, interval_s=900)
        for at in (midnight, midnight + QUARTER)
    )
    result = read(tmp_path, answering_with(Answer(rows)))
    assert [one.ratio for one in result.readings] == [OLD, NEW]


def test_intervals_made_of_registers_belong_to_the_point_over_restarts_too(tmp_path: Path) -> None:
    """1-0:2.8.0 is the point's by its code alone: what is made of it has another code, and stays there."""
    codes = ("1-1:1.8.0", "1-0:2.8.0")
    order = Increments(tuple(map(Obis.parse, codes)), QUARTER)
    clock = TestClock(step=timedelta(0))
    for quarter in range(3):
        clock.now = START + quarter * QUARTER + timedelta(seconds=1)
        found = tuple(reading(f"{100 + quarter}", code, meter="reg-1", at=clock.now) for code in codes)
        read(tmp_path, answering_with(Answer(found)), order, clock)
    made = [one.reading for one in everything(tmp_path) if one.reading.kind is Kind.INTERVAL]
    assert [(one.meter, one.code, one.raw_text) for one in made] == [
        ("reg-1-a", "1-1:1.29.0*255", "1"),
        ("reg-1-b", "1-0:2.29.0*255", "1"),
    ] * 2


def test_whose_a_reading_is_stays_where_it_was_said(tmp_path: Path) -> None:
    """A meter without parts keeps its answers as they are, and a reading that is routed is not routed again."""
    plain = Answer(readings())
    assert routed(replace(REGISTRAR, parts=()), plain) is plain
    once = routed(REGISTRAR, plain)
    assert routed(REGISTRAR, once) == once
    assert tuple(one.meter for one in once.readings) == OWNERS


@given(st.lists(st.sampled_from(CODES), max_size=30))
def test_every_reading_is_in_one_entry_and_the_order_is_kept(codes: list[str]) -> None:
    notes = Notes(REGISTRAR, "optical", EVERYTHING, TestClock(), PRAGUE)
    given_ = tuple(reading(f"{place}", code, meter="reg-1") for place, code in enumerate(codes))
    record = notes.answered(Answer(given_), given_)
    entries = record.entries if isinstance(record, Bundle) else (record,)
    assert [one.raw_text for one in record.readings] == [f"{place}" for place in range(len(codes))]
    assert entries[0].exchange.meter == "reg-1"
    assert all(entry.readings for entry in entries[1:])
    for entry in entries:
        assert all(one.meter == entry.exchange.meter for one in entry.readings)
    assert sum(len(entry.readings) for entry in entries) == len(codes)


def test_a_bundle_needs_a_place_for_every_reading() -> None:
    notes = Notes(REGISTRAR, "optical", EVERYTHING, TestClock(), PRAGUE)
    entry = notes.answered(Answer(readings()[:1]), readings()[:1])
    assert isinstance(entry, Entry)
    with pytest.raises(ValueError, match="one place"):
        Bundle((entry,), (1,))


def test_the_points_have_descriptions_of_their_own() -> None:
    descriptions = Descriptions([REGISTRAR, FIRST, SECOND])
    notes = Notes(REGISTRAR, "optical", EVERYTHING, TestClock(), PRAGUE)
    record = notes.answered(Answer(readings(), serials=("35031234",)), readings())
    assert isinstance(record, Bundle)
    descriptions.note(item for entry in record.entries for item in _placed(entry))
    first = descriptions.document("reg-1-a")
    assert (first["id"], first["serial"], first["metering_type"]) == ("reg-1-a", "35031234", "A")
    assert first["point"] == {"eic": FIRST.point.eic}
    assert list(first["units"]) == ["1-1:1.8.0*255", "1-1:2.8.0*255"]  # type: ignore[call-overload]  # a mapping
    assert list(descriptions.document("reg-1-b")["units"]) == ["1-0:2.8.0*255", "1-2:1.8.0*255"]  # type: ignore[call-overload]


def _placed(entry: Entry) -> tuple[Archived, ...]:
    return entry.archived(Receipt(1, 1, (1,) * len(entry.readings)))
