"""What tests of load profiles and logs share: status words, vendors, and one way to have an answer understood."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal
from zoneinfo import ZoneInfo

from drivers.iec62056_21.intervals import TableReadings, table_readings
from drivers.iec62056_21.vendors import StatusWord, Table, Vendor
from gatewayd.model import Profile
from gatewayd.obis import Obis
from gatewayd.status import Fault

PRAGUE = ZoneInfo("Europe/Prague")
READ_AT = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
ALWAYS = (datetime(1990, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))

# Bits as the notes on IEC 62056-21 name them; 0x8000 is left out, 0x0800 says nothing.
_LOW: dict[int, Fault | None] = {
    0x01: Fault.METER_FATAL,
    0x02: Fault.CLOCK_DOUBTFUL,
    0x04: Fault.VALUE_DISTURBED,
    0x08: Fault.SEASON_CHANGED,
    0x10: Fault.METER_RESET,
    0x20: Fault.CLOCK_SET,
    0x40: Fault.POWER_CAME_BACK,
    0x80: Fault.POWER_FAILED,
}
_VDEW: dict[int, Fault | None] = {
    **_LOW,
    0x0100: Fault.PARAMETERS_SET,
    0x0800: None,
    0x2000: Fault.LOG_ERASED,
    0x4000: Fault.PROFILE_ERASED,
}
_METCOM: dict[int, Fault | None] = {
    0x01: Fault.METER_FATAL,
    0x02: Fault.CLOCK_DOUBTFUL,
    0x04: Fault.VALUE_DISTURBED,
    0x08: Fault.SEASON_SUMMER,
    0x20: Fault.CLOCK_SET,
    0x80: Fault.POWER_FAILED,
}
WORDS = {
    "vdew": StatusWord(bits=16, meaning=_VDEW),
    "emh": StatusWord(bits=32, meaning=_VDEW),
    "metcom": StatusWord(bits=8, meaning=_METCOM),
}
WORDLESS = StatusWord(bits=16)


def vendor(
    words: str = "vdew", *, kind: str = "profile", season_digit: bool = True, window_time: str = "zYYMMDDhhmm"
) -> Vendor:
    """A vendor with the status word `words` for one kind of table; the other kind has none, so that a mix-up shows."""
    return Vendor(
        name="test",
        sources=("tests",),
        season_digit=season_digit,
        window_time=window_time,
        profile_status=WORDS[words] if kind == "profile" else WORDLESS,
        log_status=WORDS[words] if kind == "log" else WORDLESS,
    )


def understood(
    data: bytes,
    *faults: Fault,
    table: str = "P.01",
    kind: Literal["profile", "log"] = "profile",
    time: Literal["end", "start"] = "end",
    own_status: str = "",
    of: Vendor | None = None,
    clock: str = "legal",
    zone: ZoneInfo = PRAGUE,
    start: datetime = ALWAYS[0],
    end: datetime = ALWAYS[1],
) -> TableReadings:
    return table_readings(
        data,
        faults,
        meter="em-1",
        request=Profile(Obis.parse(table), start, end),
        table=Table(code=table, kind=kind, time=time, status=WORDS[own_status] if own_status else None),
        vendor=of or vendor(kind=kind),
        clock=clock,
        zone=zone,
        at=READ_AT,
    )
