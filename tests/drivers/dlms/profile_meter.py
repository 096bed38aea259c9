"""A meter with one profile, for tests: rows as bytes, and selections that it understands or refuses as it is told.

Rules: times are compared here as instants that the test gave, never as the package reads them; what a range asks for is
taken apart by hand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from drivers.dlms.asking import Result
from drivers.dlms.captures import Captures, SortMethod
from drivers.dlms.columns import layout
from drivers.dlms.intervals import Asked, Placed, place_captured, place_intervals, times_of
from drivers.dlms.profile_plan import ProfileContext, Window
from drivers.dlms.profile_readings import Made, readings_of
from drivers.dlms.rows import rows_of
from drivers.dlms.scales import Scale, Scales
from drivers.dlms.status_words import StatusWords
from drivers.dlms.vendors import Access, Vendor, vendors
from drivers.dlms.wire.attribute import Attribute, CaptureObject, EntrySelection, RangeSelection, Selection
from drivers.dlms.wire.cosem_time import ClockRules
from drivers.dlms.wire.service_errors import DataAccess
from drivers.dlms.wire.services import Data
from gatewayd.driver import Forgetful
from gatewayd.obis import Obis
from tests.drivers.dlms.asked_meter import (
    PRAGUE,
    FakeMeter,
    Ticking,
    array,
    clock_octets,
    enum,
    i8,
    name,
    octets,
    scaler_unit,
    structure,
    u8,
    u16,
    u32,
    value,
)

LOAD = "1-0:99.1.0*255"
QUARTER = timedelta(minutes=15)
DAY = datetime(2026, 11, 20, 23, 0, tzinfo=UTC)
"""Midnight in Prague, the beginning of 2026-11-21."""
LATER = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


def column(class_id: int, code: str, attribute: int = 2, index: int = 0) -> CaptureObject:
    return CaptureObject(class_id, name(code), attribute, index)


CLOCK = column(8, "0-0:1.0.0*255")
STATUS = column(1, "0-0:96.10.1*255")
IMPORT = column(3, "1-0:1.8.0*255")
EXPORT = column(3, "1-0:2.8.0*255")
COLUMNS = (CLOCK, STATUS, IMPORT)
SCALES = {(3, IMPORT.logical_name): Scale(-1, "Wh"), (3, EXPORT.logical_name): Scale(0, "Wh")}


def described(one: CaptureObject) -> bytes:
    """A capture object as a meter sends it."""
    return structure(u16(one.class_id), octets(one.logical_name), i8(one.attribute), u16(one.data_index))


def stamp(at: datetime, *, deviation: int = -60, status: int = 0) -> bytes:
    return octets(clock_octets(at, deviation=deviation, status=status))


def wall(text: str, *, deviation: int | None = None, status: int = 0) -> bytes:
    """The octet-string of a wall clock reading `2026-10-25 02:15`, weekday not specified."""
    day, clock = text.split()
    year, month, of_month = map(int, day.split("-"))
    hour, minute = map(int, clock.split(":"))
    sent = b"\x80\x00" if deviation is None else deviation.to_bytes(2, signed=True)
    return octets(year.to_bytes(2) + bytes((month, of_month, 0xFF, hour, minute, 0, 0)) + sent + bytes((status,)))


def row(at: datetime | bytes, number: int, word: int = 0) -> bytes:
    """A row of COLUMNS."""
    return structure(at if isinstance(at, bytes) else stamp(at), u8(word), u32(number))


def captures(
    columns: Sequence[CaptureObject] = COLUMNS,
    *,
    period: int = 900,
    sort: SortMethod = SortMethod.FIFO,
    by: CaptureObject | None = None,
) -> Captures:
    return Captures(tuple(columns), period, sort, by, 1000, 0)


def context(
    *,
    vendor: Vendor | None = None,
    rules: ClockRules = PRAGUE,
    at: datetime = LATER,
    access: Access = "auto",
    days: int = 1,
    ahead: timedelta = timedelta(0),
    memory: Forgetful | None = None,
    range_deviation: bool | None = None,
) -> ProfileContext:
    cache, clock = memory or Forgetful(), Ticking(at)
    return ProfileContext(
        "em-1",
        rules,
        vendor or vendors()["generic"],
        cache,
        Scales(cache, clock),
        clock,
        ahead=ahead,
        range_deviation=range_deviation,
        access=access,
        days=days,
    )


def asked(
    known: Captures | None = None,
    *,
    within: ProfileContext | None = None,
    window: Window | None = None,
    code: str = LOAD,
    scales: dict[tuple[int, bytes], Scale] | None = None,
) -> Asked:
    known = known or captures()
    within = within or context()
    plan = layout(known, SCALES if scales is None else scales, marked=bool(within.vendor.missing))
    words = StatusWords(within.vendor.status)
    everything = Window(datetime(2020, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC))
    return Asked(within, Obis.parse(code), known, plan, words, window or everything, within.clock())


def place(
    buffer: bytes, of: Asked | None = None, before: Placed | None = None
) -> tuple[list[Placed], tuple[str, ...], Asked]:
    of = of or asked()
    fill = of.context.vendor.nulls == "previous"
    times = times_of(rows_of(value(buffer), of.layout.width, of.layout.clock, fill=fill), of)
    if not of.captures.period:
        return place_captured(times, of), (), of
    placed, said = place_intervals(times, of, before)
    return placed, said, of


def read(buffer: bytes, of: Asked | None = None) -> Made:
    placed, _, of = place(buffer, of)
    return readings_of(placed, of)


class ProfileMeter(FakeMeter):
    """Has one profile; `rows` are (instant, bytes), as they lie in its buffer. `refuses`: how it answers "range",
    "entry" and "none"; `selections` what it was asked for."""

    def __init__(
        self,
        rows: Sequence[tuple[datetime, bytes]] = (),
        *,
        columns: Sequence[CaptureObject] = COLUMNS,
        period: int = 900,
        sort: SortMethod = SortMethod.FIFO,
        by: CaptureObject | None = CLOCK,
        code: str = LOAD,
        refuses: Mapping[str, DataAccess | Exception] | None = None,
    ) -> None:
        super().__init__()
        self.rows = list(rows)
        self.refuses: Mapping[str, DataAccess | Exception] = refuses or {}
        self.selections: list[Selection | None] = []
        self.blind = False  # sends everything whatever is asked for
        self.code = code
        nothing = CaptureObject(0, bytes(6), 0)
        self.objects = {
            (7, code, 3): array(*(described(one) for one in columns)),
            (7, code, 4): u32(period),
            (7, code, 5): enum(sort),
            (7, code, 6): described(by or nothing),
            (7, code, 7): lambda: u32(len(self.rows)),
            (7, code, 8): u32(1000),
            (3, "1-0:1.8.0*255", 3): scaler_unit(-1, 30),
            (3, "1-0:2.8.0*255", 3): scaler_unit(0, 30),
        }

    async def get(self, attribute: Attribute, selection: Selection | None = None) -> Result:
        if (attribute.class_id, attribute.index) != (7, 2):
            return await super().get(attribute, selection)
        assert attribute.logical_name == name(self.code)
        self.selections.append(selection)
        way = {RangeSelection: "range", EntrySelection: "entry"}.get(type(selection), "none")
        no = self.refuses.get(way)
        if isinstance(no, DataAccess):
            return no
        if no is not None:
            raise no
        chosen = self.rows if self.blind else self._chosen(selection)
        return Data(value(array(*(octets for _, octets in chosen))))

    def _chosen(self, selection: Selection | None) -> list[tuple[datetime, bytes]]:
        match selection:
            case RangeSelection(restricting, start, end):
                assert restricting == CLOCK
                first, last = instant(start), instant(end)
                return [one for one in self.rows if first <= one[0] <= last]
            case EntrySelection(first_entry, last_entry):
                assert 1 <= first_entry <= last_entry
                return self.rows[first_entry - 1 : last_entry]
            case None:
                return self.rows


def instant(sent: bytes) -> datetime:
    """The end of a range: UTC minus local in minutes, on Prague's clock where there is no deviation."""
    moment = datetime(
        int.from_bytes(sent[:2]), sent[2], sent[3], sent[5], sent[6], sent[7], sent[8] * 10_000, tzinfo=PRAGUE.zone
    )
    deviation = int.from_bytes(sent[9:11], signed=True)
    if deviation == -0x8000:
        return moment.replace(fold=0 if sent[11] & 0x80 else 1).astimezone(UTC)
    return moment.replace(tzinfo=UTC) + timedelta(minutes=deviation)


def quarters(first: datetime, count: int, number: int = 0) -> list[tuple[datetime, bytes]]:
    """Rows of COLUMNS that end 15, 30 ... minutes after `first`, in winter time."""
    return [(first + QUARTER * n, row(first + QUARTER * n, number + n)) for n in range(1, count + 1)]
