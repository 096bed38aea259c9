"""From a telegram to readings: what each data set of a readout means.

Rules: one reading for each data set, in the order of the telegram, duplicates included; every text as the meter wrote
it. A fault of the telegram marks all its values, and then nothing in it is believed, not even that a value is empty.
"""

import re
from datetime import datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from drivers.iec62056_21.vendors import Vendor
from drivers.iec62056_21.wire.clock import ClockKind
from drivers.iec62056_21.wire.dataset import DataSet, Value, is_sentinel, parse_data_block
from drivers.iec62056_21.wire.dates import MeterTime, parse_time
from drivers.iec62056_21.wire.telegram import Check, Telegram
from gatewayd.model import Kind, Reading
from gatewayd.obis import Obis
from gatewayd.status import Fault, judge

_FAULT_OF = {
    Check.RIGHT: None,
    Check.NONE_DEFINED: None,
    Check.BCC_WRONG: Fault.CHECK_CHARACTER,
    Check.CRC_WRONG: Fault.CHECKSUM,
    Check.CUT_SHORT: Fault.BLOCK_CUT_SHORT,
}
_P1_TIME = re.compile(r"\d{12}[SW]")
_TIME_LIKE = re.compile(r"[0-9]{10,13}[SW]?|[0-9]{2,4}-[0-9]{2}-[0-9]{2}.[0-9]{2}:[0-9]{2}(?::[0-9]{2})?")
_MAXIMUM = 6
"""Group D of maximum demand (IEC 62056-6-1, measurement type 6)."""


def telegram_faults(telegram: Telegram, parity_errors: int) -> tuple[Fault, ...]:
    """What is wrong with the telegram as a whole."""
    fault = _FAULT_OF[telegram.check]
    faults = () if fault is None else (fault,)
    return (*faults, Fault.PARITY) if parity_errors else faults


def readings(
    telegram: Telegram, faults: tuple[Fault, ...], *, meter: str, at: datetime, zone: ZoneInfo, vendor: Vendor
) -> tuple[Reading, ...]:
    """All readings of a telegram; `at` is the instant of reading, for the values that carry no time of their own."""
    block = parse_data_block(telegram.data)
    return tuple(_reading(dataset, faults, meter=meter, at=at, zone=zone, vendor=vendor) for dataset in block.sets)


def _reading(
    dataset: DataSet, block_faults: tuple[Fault, ...], *, meter: str, at: datetime, zone: ZoneInfo, vendor: Vendor
) -> Reading:
    obis = code(dataset.code, vendor.medium)
    maximum = obis is not None and obis.d == _MAXIMUM and 1 <= obis.c < 94
    main, rest, time_text = _split(dataset.values, maximum)
    clock = ClockKind(vendor.clock)
    time = _time(time_text, zone, clock, vendor.season_digit, vendor.window_time) if time_text else None
    status, flags = judge(block_faults or _own_faults(main.text, time_text, time))
    return Reading(
        meter=meter,
        obis=obis,
        obis_raw=dataset.code,
        kind=Kind.MAXIMUM if maximum else Kind.REGISTER,
        at=time.at if time is not None else at,
        raw=dataset.raw,
        raw_text=main.text,
        unit=main.unit,
        status=status,
        flags=flags,
        more=rest,
        meter_time=time_text,
    )


def _split(values: tuple[Value, ...], maximum: bool) -> tuple[Value, tuple[str, ...], str]:
    """The value itself, the further texts, and the text of its time: behind the value, in P1 telegrams before it.

    A value that a time belongs to has a unit; only maxima of past periods come without (AS3000)."""
    if len(values) == 1:
        return values[0], (), ""
    rest = tuple(value.whole for value in values[1:])
    if len(values) == 2:
        if _P1_TIME.fullmatch(values[0].text) and values[1].unit:
            return values[1], (values[0].whole,), values[0].text
        if (values[0].unit or maximum) and _TIME_LIKE.fullmatch(values[1].text):
            return values[0], rest, values[1].text
    return values[0], rest, ""


def _own_faults(text: str, time_text: str, time: MeterTime | None) -> tuple[Fault, ...]:
    faults: tuple[Fault, ...] = ()
    if not text or text.isspace():
        faults = (Fault.EMPTY,)
    elif text[0] in " -*" and is_sentinel(text):
        faults = (Fault.SENTINEL,)
    if time_text and time is None:
        return *faults, Fault.TIME_INVALID
    return (*faults, Fault.TIME_TWICE) if time is not None and time.ambiguous else faults


@lru_cache(maxsize=1024)
def _time(text: str, zone: ZoneInfo, clock: ClockKind, season_digit: bool, form: str) -> MeterTime | None:
    """Maxima of past months come with the same times in every readout."""
    return parse_time(text, zone, clock, season_digit=season_digit, form=form)


@lru_cache(maxsize=8192)
def code(text: str, medium: int) -> Obis | None:
    """The OBIS code that a meter wrote, None where it is none (`F`, vendor texts)."""
    try:
        return Obis.parse(text, medium)
    except ValueError:
        return None


def serial_numbers(found: tuple[Reading, ...]) -> tuple[str, ...]:
    """The texts of a readout that name the device: C.1.x and 0.0.x, and P1's hexadecimal spelling of them."""
    texts: list[str] = []
    for reading in found:
        obis = reading.obis
        if obis is None or not reading.raw_text.strip():
            continue
        if (obis.c, obis.d) in ((96, 1), (0, 0)):
            text = reading.raw_text.strip()
            texts.append(text)
            if re.fullmatch(r"(?:[2-7][0-9A-Fa-f]){4,}", text):
                texts.append(bytes.fromhex(text).decode("latin-1"))
    return tuple(texts)
